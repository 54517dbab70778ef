// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagrams of groups: which member gets one, and what becomes of those that a
 * member has not read when it closes.
 */
#include <linux/sizes.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "dgram.h"
#include "group.h"
#include "trace.h"

/* --- choosing ----------------------------------------------------------------- */

/* Is @m to be preferred to @best? */
static bool np_member_is_better(const struct np_member *m, const struct np_member *best)
{
	bool full = np_dgram_is_full(m->sk), best_full;
	int used = atomic_read(&m->sk->sk_rmem_alloc), least;

	if (!best)
		return true;
	best_full = np_dgram_is_full(best->sk);
	if (full != best_full)
		return best_full;
	least = atomic_read(&best->sk->sk_rmem_alloc);
	return used < least || (used == least && m->seat.stamp < best->seat.stamp);
}

static struct np_member *np_group_least_loaded(struct np_group *g)
{
	struct np_member *m, *best = NULL;
	struct np_seat *s;

	list_for_each_entry(s, &g->pick.seats, all) {
		m = np_seat_member(s);
		if (np_member_is_better(m, best))
			best = m;
	}
	return best;
}

/* The first by the policy that has room; where nobody has, the first. */
static struct np_member *np_group_first_fit(struct np_group *g)
{
	struct np_member *m;
	struct np_seat *s;

	for (s = np_pick_first(&g->pick); s; s = np_pick_after(s)) {
		m = np_seat_member(s);
		if (!np_dgram_is_full(m->sk))
			return m;
	}
	return np_seat_member(np_pick_first(&g->pick));
}

/* By the group's policy. By hash a flow stays with its member, also if that is
 * full: another would not know what to do with it.
 */
static struct np_member *np_group_pick_dgram(struct np_group *g, u32 hash)
{
	struct np_member *m;

	if (READ_ONCE(g->pick.policy) == NEWPROTO_POLICY_HASH)
		return np_seat_member(np_pick_slot(&g->pick, hash));
	spin_lock(&g->lock);
	if (g->pick.policy == NEWPROTO_POLICY_LEAST_LOADED)
		m = np_group_least_loaded(g);
	else
		m = np_group_first_fit(g);
	if (m)
		np_pick_chosen(&g->pick, &m->seat);
	spin_unlock(&g->lock);
	return m;
}

/**
 * np_group_choose_dgram - which member gets a datagram?
 * @g: the group
 * @f: the datagram's way
 * @skb: the datagram, with the UDP header
 *
 * Context: RCU read lock held, as long as the result is used.
 *
 * Return: the member, or NULL if there is none now.
 */
struct np_member *np_group_choose_dgram(struct np_group *g, const struct np_flow *f,
					struct sk_buff *skb)
{
	u32 hash = np_addr_hash(&f->src, &f->dst);
	struct np_member *m;

	if (unlikely(np_group_has_program(g))) {
		__skb_set_sw_hash(skb, hash, true);
		m = np_group_ask_program(g, skb, sizeof(struct udphdr));
		if (m && m->group == g && READ_ONCE(m->live) &&
		    !np_dgram_is_full(m->sk))
			return m;
	}
	return np_group_pick_dgram(g, hash);
}

/* --- waiting for room ------------------------------------------------------- */

static bool np_group_has_room(struct np_group *g)
{
	struct np_seat *s;
	bool has = false;

	spin_lock(&g->lock);
	list_for_each_entry(s, &g->pick.seats, all)
		if (!np_dgram_is_full(np_seat_member(s)->sk)) {
			has = true;
			break;
		}
	spin_unlock(&g->lock);
	return has;
}

/**
 * np_group_await - a sender is about to wait for room at a receiver
 * @to: the receiver, on whose list it is already
 * @hash: np_addr_hash() of the datagram's addresses
 *
 * Return: true if another member of the receiver's group has room, which would do;
 * or, by hash, if the flow is another's by now.
 */
bool np_group_await(struct sock *to, u32 hash)
{
	const struct np_member *m;
	bool elsewhere = false;
	struct np_group *g;

	rcu_read_lock();
	m = READ_ONCE(np_base(to)->member);
	/* For one that is connected, or shut down, nobody else will do. */
	if (m && READ_ONCE(m->live)) {
		g = m->group;
		WRITE_ONCE(g->awaited, true);
		/* Pairs with np_room_made(), and with the lock of those who join. */
		smp_mb();
		if (READ_ONCE(g->pick.policy) == NEWPROTO_POLICY_HASH)
			elsewhere = np_pick_slot(&g->pick, hash) != &m->seat;
		else
			elsewhere = np_group_has_room(g);
	}
	rcu_read_unlock();
	return elsewhere;
}

/**
 * np_group_is_awaited - do senders wait at other members who would go to this one?
 * @to: a receiver
 *
 * By hash they would not: a flow stays where it is.
 */
bool np_group_is_awaited(struct sock *to)
{
	const struct np_member *m;
	const struct np_group *g;
	bool awaited = false;

	if (likely(!READ_ONCE(np_base(to)->member)))
		return false;
	rcu_read_lock();
	m = READ_ONCE(np_base(to)->member);
	if (m) {
		g = m->group;
		awaited = READ_ONCE(g->awaited) &&
			  READ_ONCE(g->pick.policy) != NEWPROTO_POLICY_HASH;
	}
	rcu_read_unlock();
	return awaited;
}

/**
 * np_group_wake_senders - have those who wait for room at a member look again
 * @to: a receiver, perhaps a member
 */
void np_group_wake_senders(struct sock *to)
{
	struct np_member *m, *o;
	struct np_group *g;

	rcu_read_lock();
	m = READ_ONCE(np_base(to)->member);
	if (m) {
		g = m->group;
		spin_lock(&g->lock);
		WRITE_ONCE(g->awaited, false);
		list_for_each_entry(o, &g->members, node)
			np_room_moved(o->sk);
		spin_unlock(&g->lock);
	}
	rcu_read_unlock();
}

/* --- the time without a member --------------------------------------------- */

/**
 * np_group_keep_dgram - keep a datagram for a successor
 * @g: the group
 * @skb: the datagram, with the UDP header; consumed in case of 0
 * @ifindex: the interface that it comes in on
 *
 * There is as much room as the last member's receive buffer had.
 *
 * Return: 0; -ESTALE: there is a member, or no grace time any more; -EAGAIN: no
 * room.
 */
int np_group_keep_dgram(struct np_group *g, struct sk_buff *skb, int ifindex)
{
	int err = 0;

	spin_lock(&g->lock);
	if (g->state != NP_GROUP_GRACE) {
		err = -ESTALE;
	} else if (g->dgram_bytes > g->rcvbuf) {
		err = -EAGAIN;
	} else {
		np_dgram_skb_arrive(skb, ifindex);
		skb->dev = NULL;
		__net_timestamp(skb);
		g->dgram_bytes += skb->truesize;
		g->past.chosen++;
		np_stat_inc(g->net, NP_STAT_DGRAM_DELIVERED);
		__skb_queue_tail(&g->dgrams, skb);
	}
	spin_unlock(&g->lock);
	return err;
}

/* Does a sender have to wait for a successor? */
static bool np_group_is_stuffed(const struct np_group *g)
{
	return READ_ONCE(g->state) == NP_GROUP_GRACE &&
	       READ_ONCE(g->dgram_bytes) > READ_ONCE(g->rcvbuf);
}

/**
 * np_group_join_senders - have a sender told when there is a member
 * @g: the group
 * @room: the sender's wait
 *
 * Return: false if it need not wait: it is on no list then.
 */
bool np_group_join_senders(struct np_group *g, struct np_room *room)
{
	bool wait;

	spin_lock(&g->lock);
	wait = np_group_is_stuffed(g);
	if (wait)
		list_add_tail(&room->node, &g->senders);
	spin_unlock(&g->lock);
	return wait;
}

/**
 * np_group_quit_senders - a sender waits no more
 * @g: the group
 * @room: the sender's wait
 */
void np_group_quit_senders(struct np_group *g, struct np_room *room)
{
	spin_lock(&g->lock);
	list_del_init(&room->node);
	spin_unlock(&g->lock);
}

/**
 * np_group_wake_room - have senders that wait for a member look again
 * @g: the group
 */
void np_group_wake_room(struct np_group *g)
{
	struct np_room *room;

	wake_up_interruptible_all(&g->room);
	spin_lock(&g->lock);
	while (!list_empty(&g->senders)) {
		room = list_first_entry(&g->senders, struct np_room, node);
		list_del_init(&room->node);
		room->sk->sk_write_space(room->sk);
	}
	spin_unlock(&g->lock);
}

/**
 * np_group_wait_dgram - wait until there is a member again
 * @sk: the sender
 * @g: the group; the caller has a reference
 * @timeo: how long to wait, in jiffies; 0: not at all, but have poll() tell.
 *	Changed to what is left
 *
 * Context: may sleep.
 *
 * Return: 0: look again; -EAGAIN, -ERESTARTSYS, -EINTR.
 */
int np_group_wait_dgram(struct sock *sk, struct np_group *g, long *timeo)
{
	long left;

	if (!*timeo)
		return np_room_ask_group(sk, g) ? -EAGAIN : 0;
	left = wait_event_interruptible_timeout(g->room, !np_group_is_stuffed(g), *timeo);
	if (left < 0)
		return sock_intr_errno(*timeo);
	*timeo = left;
	return 0;
}

/**
 * np_group_drop_dgrams - nobody serves the address any more
 * @g: the group
 * @expired: since the grace time is over
 */
void np_group_drop_dgrams(struct np_group *g, bool expired)
{
	struct sk_buff_head list;

	__skb_queue_head_init(&list);
	spin_lock(&g->lock);
	if (g->state == NP_GROUP_IDLE) {
		skb_queue_splice_init(&g->dgrams, &list);
		g->dgram_bytes = 0;
		if (expired)
			g->past.expired += list.qlen;
		else
			g->past.reset += list.qlen;
	}
	spin_unlock(&g->lock);
	__skb_queue_purge(&list);
}

/* --- moving ------------------------------------------------------------------- */

static int np_dgram_ifindex(const struct sk_buff *skb)
{
	return skb->protocol == htons(ETH_P_IP) ?
	       PKTINFO_SKB_CB(skb)->ipi_ifindex : IP6CB(skb)->iif;
}

/* The flow of a datagram that has arrived. */
static u32 np_dgram_hash(const struct sk_buff *skb)
{
	struct np_addr src = { .port = udp_hdr(skb)->source };
	struct np_addr dst = { .port = udp_hdr(skb)->dest };

	if (skb->protocol == htons(ETH_P_IP)) {
		np_addr_set_v4(&src.ip, ip_hdr(skb)->saddr);
		np_addr_set_v4(&dst.ip, ip_hdr(skb)->daddr);
	} else {
		src.ip = ipv6_hdr(skb)->saddr;
		dst.ip = ipv6_hdr(skb)->daddr;
	}
	return np_addr_hash(&src, &dst);
}

/* A datagram that was another's comes in at a member, as if it had been sent there;
 * whatever room there is if it has to. It is the caller's still if this fails.
 */
static int np_member_receive(struct np_member *m, struct sk_buff *skb, bool must)
{
	int ifindex = np_dgram_ifindex(skb);
	int err;

	__skb_push(skb, sizeof(struct udphdr));
	if (!np_dgram_charge(m->sk, skb, must)) {
		__skb_pull(skb, sizeof(struct udphdr));
		return -EAGAIN;
	}
	skb->dev = sock_net(m->sk)->loopback_dev;
	err = np_dgram_queue(m->sk, skb, ifindex, m, true);
	if (err)
		np_dgram_skb_arrive(skb, ifindex);
	return err;
}

/* Who has room for a datagram whose own member has not, or is none? */
static struct np_member *np_group_with_room(struct np_group *g, u32 hash)
{
	struct np_member *m = np_group_pick_dgram(g, hash);
	struct np_seat *s;

	if (m && !np_dgram_is_full(m->sk))
		return m;
	m = NULL;
	spin_lock(&g->lock);
	list_for_each_entry(s, &g->pick.seats, all) {
		if (!np_dgram_is_full(np_seat_member(s)->sk)) {
			m = np_seat_member(s);
			break;
		}
	}
	spin_unlock(&g->lock);
	return m;
}

/* To a member with room, if there is one. Context: RCU. */
static bool np_group_rehome_dgram(struct np_group *g, struct sk_buff *skb)
{
	u32 hash = np_dgram_hash(skb);
	struct np_member *m;
	int err;

	do {
		m = np_group_with_room(g, hash);
		if (!m)
			return false;
		/* It may be full, or closed, by now: then there may be another. */
		err = np_member_receive(m, skb, false);
	} while (err);
	return true;
}

/* What senders have left may take a receive buffer and a datagram by now, and as much
 * is there to be added; but those that drain, and close afterwards, may be many.
 */
static bool np_group_may_keep(const struct np_group *g)
{
	return g->state == NP_GROUP_GRACE &&
	       g->dgram_bytes <= 2 * (u64)g->rcvbuf + SZ_128K;
}

/* What cannot go to a member stays if there is to be a successor, before what has
 * come in since. Returns whether to try again: there is a member by now.
 */
static bool np_group_keep_all(struct np_group *g, struct sk_buff_head *list)
{
	struct sk_buff *skb;
	bool live;

	spin_lock(&g->lock);
	live = g->state == NP_GROUP_LIVE;
	if (np_group_may_keep(g)) {
		skb_queue_walk(list, skb)
			g->dgram_bytes += skb->truesize;
		skb_queue_splice_init(list, &g->dgrams);
	}
	spin_unlock(&g->lock);
	return live;
}

/* As many as there is room for. */
static void np_group_rehome_dgrams(struct np_group *g, struct sk_buff_head *list)
{
	struct sk_buff_head left;
	struct sk_buff *skb;

	__skb_queue_head_init(&left);
	while ((skb = __skb_dequeue(list))) {
		skb_orphan(skb);
		rcu_read_lock();
		if (!np_group_rehome_dgram(g, skb))
			__skb_queue_tail(&left, skb);
		rcu_read_unlock();
		cond_resched();
	}
	skb_queue_splice(&left, list);
}

/**
 * np_group_move_dgrams - what a member has not read goes to the others
 * @g: the group
 * @list: the datagrams, in order; empty afterwards
 *
 * Those that nobody has room for are lost.
 *
 * Context: may sleep.
 */
void np_group_move_dgrams(struct np_group *g, struct sk_buff_head *list)
{
	unsigned int n = list->qlen, left, tries = 0;

	/* Who was not there the first time may be the second. */
	do {
		np_group_rehome_dgrams(g, list);
	} while (np_group_keep_all(g, list) && list->qlen && !tries++);
	left = list->qlen;
	spin_lock(&g->lock);
	g->past.moved_out += n - left;
	g->past.reset += left;
	if (n)
		trace_newproto_group_move(g, NULL, NULL, n - left);
	spin_unlock(&g->lock);
	__skb_queue_purge(list);
}

/* --- members ------------------------------------------------------------------ */

/* What is kept for a successor, or false if nothing is and @m is live now. */
static bool np_member_claim_dgrams(struct np_member *m, struct sk_buff_head *list)
{
	struct np_group *g = m->group;
	bool some;

	spin_lock(&g->lock);
	some = !skb_queue_empty(&g->dgrams);
	if (some) {
		/* Room is there again when this one is live, or senders keep it busy. */
		skb_queue_splice_init(&g->dgrams, list);
		trace_newproto_group_move(g, NULL, m, list->qlen);
	} else {
		g->dgram_bytes = 0;
		np_member_go_live(m, READ_ONCE(m->sk->sk_rcvbuf));
	}
	spin_unlock(&g->lock);
	return some;
}

/**
 * np_member_start_dgram - a member is to receive what is sent to the group
 * @m: the member
 *
 * It gets what was kept for a successor before it gets anything new, also if its
 * buffer is too small for that.
 *
 * Context: lock_sock(). May sleep.
 */
void np_member_start_dgram(struct np_member *m)
{
	struct sk_buff_head list;
	struct sk_buff *skb;

	__skb_queue_head_init(&list);
	while (np_member_claim_dgrams(m, &list)) {
		while ((skb = __skb_dequeue(&list)))
			if (np_member_receive(m, skb, true))
				kfree_skb(skb);
		cond_resched();
	}
	np_group_end_grace(m->group);
	if (READ_ONCE(m->group->awaited))
		np_group_wake_senders(m->sk);
}

/**
 * np_member_stop_dgram - a member is to receive no more
 * @m: the member
 *
 * Context: may sleep.
 *
 * Return: true if it was the last, and a grace time has begun.
 */
bool np_member_stop_dgram(struct np_member *m)
{
	struct np_group *g = m->group;
	bool grace;

	spin_lock(&g->lock);
	np_member_retire(m);
	grace = g->state == NP_GROUP_GRACE;
	spin_unlock(&g->lock);
	return grace;
}
