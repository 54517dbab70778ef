// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for room at a receiver: what NEWPROTO_WAIT makes of a datagram that
 * would be dropped otherwise. The contract is at struct np_room.
 */
#include <linux/sched/signal.h>

#include "dgram.h"
#include "group.h"

/**
 * np_room_init - a socket that waits nowhere, and on which nobody waits
 * @sk: the socket
 */
void np_room_init(struct sock *sk)
{
	struct np_dgram *dg = np_dg(sk);

	INIT_LIST_HEAD(&dg->waiters);
	INIT_LIST_HEAD(&dg->room.node);
	dg->room.sk = sk;
	dg->room.on = NULL;
	dg->room.group = NULL;
}

/* Go on a receiver's list, unless there is room, or it takes no more. */
static bool np_room_join(struct np_room *room, struct sock *to)
{
	spinlock_t *lock = &to->sk_receive_queue.lock;
	bool wait = false;

	spin_lock(lock);
	if (!np_dg(to)->closed) {
		list_add_tail(&room->node, &np_dg(to)->waiters);
		smp_mb();	/* pairs with np_room_made() */
		wait = np_dgram_is_full(to);
		if (!wait)
			list_del_init(&room->node);
	}
	spin_unlock(lock);
	return wait;
}

static void np_room_quit(struct np_room *room, struct sock *to)
{
	spin_lock(&to->sk_receive_queue.lock);
	list_del_init(&room->node);
	spin_unlock(&to->sk_receive_queue.lock);
}

/* Go on the list, unless there is room, or another member of the receiver's group
 * has some for a flow with @hash.
 */
static bool np_room_await(struct np_room *room, struct sock *to, u32 hash)
{
	if (!np_room_join(room, to))
		return false;
	if (likely(!np_group_await(to, hash)))
		return true;
	np_room_quit(room, to);
	return false;
}

/* Go off the list that poll()'s wait is on. Its references are the caller's, to be
 * dropped without the socket's lock.
 */
static void np_room_forget(struct sock *sk, struct sock **on, struct np_group **group)
{
	struct np_room *room = &np_dg(sk)->room;

	*on = room->on;
	*group = room->group;
	if (*on)
		np_room_quit(room, *on);
	if (*group)
		np_group_quit_senders(*group, room);
	WRITE_ONCE(room->on, NULL);
	WRITE_ONCE(room->group, NULL);
}

static void np_room_put(struct sock *on, struct np_group *group)
{
	if (on)
		sock_put(on);
	if (group)
		np_group_put(group);
}

/* Have poll() say when there is room at @to, for a flow with @hash; or, without @to,
 * when @g takes more. False if there is room already.
 */
static bool np_room_ask(struct sock *sk, struct sock *to, u32 hash, struct np_group *g)
{
	struct np_room *room = &np_dg(sk)->room;
	struct np_group *group;
	struct sock *on;
	bool wait;

	lock_sock(sk);
	np_room_forget(sk, &on, &group);
	if (to)
		sock_hold(to);
	else
		np_group_get(g);
	WRITE_ONCE(room->on, to);
	WRITE_ONCE(room->group, g);
	sk_set_bit(SOCKWQ_ASYNC_NOSPACE, sk);
	wait = to ? np_room_await(room, to, hash) : np_group_join_senders(g, room);
	release_sock(sk);
	np_room_put(on, group);
	return wait;
}

/**
 * np_room_ask_group - have poll() say when a group without a member takes more
 * @sk: the sender
 * @g: the group; the caller has a reference
 *
 * Context: may sleep.
 *
 * Return: false if it does already.
 */
bool np_room_ask_group(struct sock *sk, struct np_group *g)
{
	return np_room_ask(sk, NULL, 0, g);
}

/**
 * np_room_wait - wait until a receiver has room
 * @sk: the sender
 * @to: the receiver; the caller has a reference
 * @hash: np_addr_hash() of the datagram's addresses
 * @timeo: how long to wait, in jiffies; 0: not at all, but have poll() tell.
 *	Changed to what is left
 *
 * Context: may sleep.
 *
 * Return: 0: look again; -EAGAIN, -ERESTARTSYS, -EINTR.
 */
int np_room_wait(struct sock *sk, struct sock *to, u32 hash, long *timeo)
{
	struct np_room room = { .sk = sk };
	DEFINE_WAIT(wait);
	int err = 0;

	if (!*timeo)
		return np_room_ask(sk, to, hash, NULL) ? -EAGAIN : 0;
	INIT_LIST_HEAD(&room.node);
	prepare_to_wait(sk_sleep(sk), &wait, TASK_INTERRUPTIBLE);
	if (np_room_await(&room, to, hash)) {
		if (signal_pending(current))
			err = sock_intr_errno(*timeo);
		else
			*timeo = schedule_timeout(*timeo);
	}
	finish_wait(sk_sleep(sk), &wait);
	np_room_quit(&room, to);
	return err;
}

/**
 * np_room_leave - a socket does not wait for room any more
 * @sk: the sender
 *
 * Context: may sleep.
 */
void np_room_leave(struct sock *sk)
{
	const struct np_room *room = &np_dg(sk)->room;
	struct np_group *group;
	struct sock *on;

	if (likely(!READ_ONCE(room->on) && !READ_ONCE(room->group)))
		return;
	lock_sock(sk);
	np_room_forget(sk, &on, &group);
	release_sock(sk);
	np_room_put(on, group);
}

/**
 * np_room_is_awaited - does poll() have to say that a socket is not writable?
 * @sk: the sender
 *
 * Context: any; a snapshot.
 */
bool np_room_is_awaited(const struct sock *sk)
{
	const struct np_room *room = &np_dg(sk)->room;

	return (READ_ONCE(room->on) || READ_ONCE(room->group)) &&
	       !list_empty_careful(&room->node);
}

/* How many are woken before others get a chance at the queue's lock. */
#define NP_ROOM_BATCH	64

/* Wake those who wait now; who has to wait again does so behind them. */
static void np_room_wake(struct sock *sk)
{
	spinlock_t *lock = &sk->sk_receive_queue.lock;
	struct np_room *room;
	LIST_HEAD(list);
	int n = 0;

	spin_lock(lock);
	list_splice_init(&np_dg(sk)->waiters, &list);
	while (!list_empty(&list)) {
		room = list_first_entry(&list, struct np_room, node);
		list_del_init(&room->node);
		room->sk->sk_write_space(room->sk);
		if (++n % NP_ROOM_BATCH == 0) {
			spin_unlock(lock);
			spin_lock(lock);
		}
	}
	spin_unlock(lock);
}

/**
 * np_room_made - a receiver is charged for less: wake senders if that is enough
 * @sk: the receiver
 *
 * Half of the room is, or that nothing waits to be read: what is left then is
 * the error queue's, which never takes all of it.
 *
 * Context: not with the receiver's queue lock held. Any, once it is closed;
 * before that not in interrupts.
 */
void np_room_made(struct sock *sk)
{
	bool awaited;

	smp_mb();	/* pairs with np_room_join() and np_group_await() */
	awaited = np_group_is_awaited(sk);
	if (likely(list_empty_careful(&np_dg(sk)->waiters) && !awaited))
		return;
	if (atomic_read(&sk->sk_rmem_alloc) > READ_ONCE(sk->sk_rcvbuf) / 2 &&
	    !skb_queue_empty_lockless(&sk->sk_receive_queue))
		return;
	np_room_wake(sk);
	if (awaited)
		np_group_wake_senders(sk);
}

/**
 * np_room_moved - senders may have to go elsewhere: have them look
 * @sk: the receiver
 */
void np_room_moved(struct sock *sk)
{
	smp_mb();	/* pairs with np_room_join() */
	if (!list_empty_careful(&np_dg(sk)->waiters))
		np_room_wake(sk);
}

/**
 * np_room_close - a receiver takes no more
 * @sk: the receiver
 *
 * Who waits for it finds, on looking again, that it is not there.
 */
void np_room_close(struct sock *sk)
{
	spin_lock(&sk->sk_receive_queue.lock);
	np_dg(sk)->closed = true;
	spin_unlock(&sk->sk_receive_queue.lock);
	np_room_wake(sk);
}

/**
 * np_room_open - a receiver that was closed may take something again
 * @sk: the receiver
 */
void np_room_open(struct sock *sk)
{
	spin_lock(&sk->sk_receive_queue.lock);
	np_dg(sk)->closed = false;
	spin_unlock(&sk->sk_receive_queue.lock);
}
