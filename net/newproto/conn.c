// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections. The contract is at struct np_conn.
 */
#include <linux/slab.h>
#include <linux/wait.h>
#include <net/tcp_states.h>

#include "conn.h"
#include "far.h"
#include "group.h"
#include "kunit.h"
#include "sock.h"
#include "state.h"
#include "trace.h"

static struct kmem_cache *np_conn_slab;

static struct np_conn *np_chan_conn(struct np_chan *c, int i)
{
	return container_of(c, struct np_conn, chan[i]);
}

static void np_conn_release_chan0(struct np_chan *c)
{
	np_conn_put(np_chan_conn(c, 0));
}

static void np_conn_release_chan1(struct np_chan *c)
{
	np_conn_put(np_chan_conn(c, 1));
}

/**
 * np_conn_alloc - make a connection
 * @pool: for the buffers of its channels
 *
 * The caller's task is the client: it is charged, and named as the peer.
 *
 * Context: may sleep.
 *
 * Return: the connection, with the references of its two channels and none
 * else; or NULL.
 */
struct np_conn *np_conn_alloc(struct np_pool *pool)
{
	struct np_conn *conn;

	conn = kmem_cache_zalloc(np_conn_slab, GFP_KERNEL);
	if (!conn)
		return NULL;
	refcount_set(&conn->ref, 2);
	spin_lock_init(&conn->lock);
	INIT_LIST_HEAD(&conn->node);
	np_chan_init(&conn->chan[0], pool, np_conn_release_chan0);
	np_chan_init(&conn->chan[1], pool, np_conn_release_chan1);
	conn->cred = np_cred_get(current_cred());
	conn->pid = get_pid(task_tgid(current));
	return conn;
}
EXPORT_SYMBOL_NP_KUNIT(np_conn_alloc);

static void np_conn_free_rcu(struct rcu_head *rcu)
{
	struct np_conn *conn = container_of(rcu, struct np_conn, rcu);

	if (conn->far)
		np_far_free(conn->far);
	kmem_cache_free(np_conn_slab, conn);
}

/**
 * np_conn_put - drop a reference
 * @conn: the connection; freed after an RCU grace period if it was the last
 */
void np_conn_put(struct np_conn *conn)
{
	if (!refcount_dec_and_test(&conn->ref))
		return;
	if (conn->group)
		np_group_put(conn->group);
	put_cred(conn->cred);
	put_pid(conn->pid);
	call_rcu(&conn->rcu, np_conn_free_rcu);
}
EXPORT_SYMBOL_NP_KUNIT(np_conn_put);

/* Who looks on is told of what a listener's close does to its clients, and of what another
 * kernel says; all else the one who does it says.
 */
static void np_conn_trace(struct np_conn *conn, struct sock *sk, u8 event)
{
	struct np_addr dst = {
		.ip = conn->end[NP_SERVER].ip,
		.port = conn->end[NP_SERVER].port,
	};

	if (event == NP_EV_REFUSED && conn->far)
		np_connect_refuse(sk, &dst, 0, NP_STAT_REFUSED, NP_REASON_NO_LISTENER);
	else if (event == NP_EV_REFUSED)
		trace_newproto_refuse(sk, &dst, NP_REASON_LISTENER_CLOSED);
	else if (event == NP_EV_UNREACH)
		np_connect_refuse(sk, &dst, 0, NP_STAT_UNREACHABLE, NP_REASON_NOT_LOCAL);
	else if (event == NP_EV_DROPPED)
		trace_newproto_close(sk, NP_REASON_LISTENER_CLOSED);
}

/* Something happened to an end that has a socket. */
static void np_conn_apply(struct np_conn *conn, struct sock *sk, u8 event)
{
	int state = sk->sk_state, err;

	if (state == TCP_CLOSE)
		return;
	if (event == NP_EV_FIN) {
		WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | RCV_SHUTDOWN);
		np_state_set(sk, state == TCP_ESTABLISHED ? TCP_CLOSE_WAIT :
							    TCP_CLOSE);
		sk->sk_state_change(sk);
		sk_wake_async(sk, SOCK_WAKE_WAITD,
			      state == TCP_ESTABLISHED ? POLL_IN : POLL_HUP);
		return;
	}
	np_conn_trace(conn, sk, event);
	if (event == NP_EV_REFUSED)
		err = ECONNREFUSED;
	else if (event == NP_EV_TIMEOUT)
		err = ETIMEDOUT;
	else if (event == NP_EV_UNREACH)
		err = EHOSTUNREACH;
	else
		err = state == TCP_CLOSE_WAIT ? EPIPE : ECONNRESET;
	WRITE_ONCE(sk->sk_err, err);
	WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
	np_state_set(sk, TCP_CLOSE);
	sk_error_report(sk);
	sk->sk_state_change(sk);
}

/**
 * np_conn_event - tell an end what the other has done
 * @conn: the connection
 * @end: the end that it happens to
 * @event: one of NP_EV_*
 *
 * What was written before is there to be read when the event is seen. If the
 * end has no socket yet, the one that accept() makes learns of it.
 *
 * Context: not in interrupts; takes @conn's lock.
 */
void np_conn_event(struct np_conn *conn, int end, u8 event)
{
	if (unlikely(conn->far) && end != conn->far->side) {
		np_far_event(conn->far, event);
		return;
	}
	spin_lock(&conn->lock);
	conn->end[end].events |= event;
	if (conn->end[end].sk)
		np_conn_apply(conn, conn->end[end].sk, event);
	spin_unlock(&conn->lock);
}
EXPORT_SYMBOL_NP_KUNIT(np_conn_event);

/**
 * np_conn_attach - a socket becomes an end of a connection
 * @conn: the connection
 * @end: which end
 * @sk: the socket, with its wait queue; connected, or connecting
 */
void np_conn_attach(struct np_conn *conn, int end, struct sock *sk)
{
	u8 events;

	np_conn_get(conn);
	spin_lock(&conn->lock);
	conn->end[end].sk = sk;
	rcu_assign_pointer(conn->end[end].wq, rcu_access_pointer(sk->sk_wq));
	events = conn->end[end].events;
	if (events & NP_EV_FIN)
		np_conn_apply(conn, sk, NP_EV_FIN);
	if (events & NP_EV_RESET)
		np_conn_apply(conn, sk, NP_EV_RESET);
	spin_unlock(&conn->lock);
}

/**
 * np_conn_detach - a socket ceases to be an end
 * @conn: the connection
 * @end: which end
 *
 * When this returns nobody else will touch the socket on the connection's
 * behalf. The caller drops the socket's reference afterwards.
 */
void np_conn_detach(struct np_conn *conn, int end)
{
	spin_lock(&conn->lock);
	conn->end[end].sk = NULL;
	RCU_INIT_POINTER(conn->end[end].wq, NULL);
	spin_unlock(&conn->lock);
}

/**
 * np_conn_drop_end - give up the channels of an end that has no socket
 * @conn: the connection
 * @end: which end
 */
void np_conn_drop_end(struct np_conn *conn, int end)
{
	struct np_far *far = conn->far;

	np_chan_writer_leave(&conn->chan[end]);
	np_chan_reader_leave(&conn->chan[!end]);
	if (unlikely(far) && end == far->side)
		np_far_left(far);
}
EXPORT_SYMBOL_NP_KUNIT(np_conn_drop_end);

/**
 * np_conn_hash - what a flow is known by: its addresses and ports
 * @conn: the connection
 */
u32 np_conn_hash(const struct np_conn *conn)
{
	struct np_addr src = {
		.ip = conn->end[NP_CLIENT].ip,
		.port = conn->end[NP_CLIENT].port,
	};
	struct np_addr dst = {
		.ip = conn->end[NP_SERVER].ip,
		.port = conn->end[NP_SERVER].port,
	};

	return np_addr_hash(&src, &dst);
}

/**
 * np_conn_establish - the client is connected
 * @conn: the connection
 * @cred: whom SO_PEERCRED names: who listened
 * @pid: the same
 *
 * Context: the group's lock held.
 */
void np_conn_establish(struct np_conn *conn, const struct cred *cred,
		       struct pid *pid)
{
	struct sock *sk;

	if (unlikely(conn->far) && conn->far->side == NP_SERVER) {
		np_far_todo(conn->far, NP_FAR_ACCEPT);
		return;
	}
	spin_lock(&conn->lock);
	sk = conn->end[NP_CLIENT].sk;
	if (sk && sk->sk_state == TCP_SYN_SENT) {
		np_sock_set_peercred(sk, cred, pid);
		np_state_set(sk, TCP_ESTABLISHED);
		sk->sk_state_change(sk);
		sk_wake_async(sk, SOCK_WAKE_IO, POLL_OUT);
		if (unlikely(conn->far)) {
			np_stat_inc(sock_net(sk), NP_STAT_CONNECTED);
			trace_newproto_connect(sk, NP_REASON_CONNECTED);
		}
	}
	spin_unlock(&conn->lock);
}

static void np_conn_wake(struct np_conn *conn, int end, __poll_t mask, int how,
			 int band)
{
	struct socket_wq *wq;

	rcu_read_lock();
	wq = rcu_dereference(conn->end[end].wq);
	if (unlikely(!wq)) {
		/* accept() may be giving it one: it looks at the channel after
		 * that, so this looks again after what was written to it.
		 */
		smp_mb();
		wq = rcu_dereference(conn->end[end].wq);
	}
	/* The barrier in it pairs with that of whoever goes to sleep. */
	if (skwq_has_sleeper(wq))
		wake_up_interruptible_sync_poll(&wq->wait, mask);
	if (wq && unlikely(wq->fasync_list))
		sock_wake_async(wq, how, band);
	rcu_read_unlock();
}

/**
 * np_conn_wake_reader - there are bytes to read
 * @conn: the connection
 * @end: for this end
 *
 * Whoever sleeps or polls is told each time, also when there were bytes
 * before: edge-triggered epoll depends on it.
 */
void np_conn_wake_reader(struct np_conn *conn, int end)
{
	if (unlikely(conn->far) && end != conn->far->side) {
		if (np_far_wants_bytes(conn->far))
			np_far_signal(conn->far);
		return;
	}
	np_conn_wake(conn, end, EPOLLIN | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND,
		     SOCK_WAKE_WAITD, POLL_IN);
}

/**
 * np_conn_wake_writer - there is room to write
 * @conn: the connection
 * @end: for this end
 */
void np_conn_wake_writer(struct np_conn *conn, int end)
{
	if (unlikely(conn->far) && end != conn->far->side) {
		np_far_signal(conn->far);
		return;
	}
	np_conn_wake(conn, end, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND,
		     SOCK_WAKE_SPACE, POLL_OUT);
}

/**
 * np_conn_is_watched - does anybody sleep, or poll, at an end?
 * @conn: the connection
 * @end: which end
 *
 * Context: any; full barrier.
 */
bool np_conn_is_watched(const struct np_conn *conn, int end)
{
	struct socket_wq *wq;
	bool watched;

	rcu_read_lock();
	wq = rcu_dereference(conn->end[end].wq);
	watched = skwq_has_sleeper(wq) || (wq && READ_ONCE(wq->fasync_list));
	rcu_read_unlock();
	return watched;
}

/**
 * np_conn_cancel - a client gives up, if it is not connected yet
 * @conn: its connection
 *
 * Return: true if it was not, and will not be.
 */
bool np_conn_cancel(struct np_conn *conn)
{
	return unlikely(conn->far) ? np_far_cancel(conn) : np_group_cancel(conn);
}

/**
 * np_conn_cache_init - make the slab cache of connections
 *
 * Return: 0 or -ENOMEM.
 */
int np_conn_cache_init(void)
{
	np_conn_slab = KMEM_CACHE(np_conn, SLAB_HWCACHE_ALIGN | SLAB_ACCOUNT);
	return np_conn_slab ? 0 : -ENOMEM;
}

/**
 * np_conn_cache_exit - free the slab cache of connections, after their RCU
 * callbacks
 */
void np_conn_cache_exit(void)
{
	kmem_cache_destroy(np_conn_slab);
}
