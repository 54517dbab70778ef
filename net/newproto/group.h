/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Groups: those who serve an address together, and what waits for them.
 */
#ifndef _NP_GROUP_H
#define _NP_GROUP_H

#include <linux/cred.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "conn.h"
#include "net.h"
#include "pick.h"
#include "port.h"

struct np_flow;
struct sock_reuseport;

/* What is moved, or turned away, per lock hold. */
#define NP_GROUP_BATCH	256

/**
 * struct np_group_stats - what has happened to a member, or in its group
 * @chosen: connections and datagrams that came in, by the policy's choice
 * @accepted: connections that accept() returned
 * @moved_in: taken over from another member, or from the time without one
 * @moved_out: gone to another member
 * @reset: turned away when the last member left
 * @expired: turned away when the grace time was over
 * @rescued: accepted in place of a silent member
 */
struct np_group_stats {
	u64 chosen;
	u64 accepted;
	u64 moved_in;
	u64 moved_out;
	u64 reset;
	u64 expired;
	u64 rescued;
};

/**
 * struct np_member - a socket as its group sees it
 *
 * Made when the socket is bound with SO_REUSEPORT, or else when it listens; its
 * socket's claim, if it shares, holds the reference to the group for it. Freed
 * after an RCU grace period, since senders of datagrams and poll() look at it.
 *
 * All guarded by the group's lock, but for what is immutable, @stats.chosen and
 * @stats.moved_in of a datagram socket, which are its queue lock's, and the reading
 * of @pending by poll().
 *
 * @seat: its place in the choice, while @live
 * @group: immutable
 * @ready: told when there is something to accept; immutable. The group's lock is
 *	held
 * @sk: the socket, as long as it is in the group's list; immutable
 * @node: in the group's list
 * @live: takes connections, or datagrams
 * @silent: has let connections wait for too long
 * @secid: the label that an LSM gave the socket, or 0; immutable once in the list
 * @weight: NEWPROTO_WEIGHT, also while it has no seat
 * @backlog: one more than this may be pending
 * @npending: length of @pending
 * @pending: connections that wait for its accept(), in order
 * @quiet: in the group's list of silent members, if @silent
 * @since: when it last called accept(), or when something to accept came in
 * @cred: who listens, while @live; streams only
 * @pid: the same
 * @stats: counters
 * @rcu: frees it
 */
struct np_member {
	struct np_seat seat;
	struct np_group *group;
	void (*ready)(struct np_member *m);
	struct sock *sk;
	struct list_head node;
	bool live;
	bool silent;
	u32 secid;
	u16 weight;
	u32 backlog;
	u32 npending;
	struct list_head pending;
	struct list_head quiet;
	unsigned long since;
	const struct cred *cred;
	struct pid *pid;
	struct np_group_stats stats;
	struct rcu_head rcu;
};

enum np_group_state {
	NP_GROUP_IDLE,		/* nobody serves the address */
	NP_GROUP_LIVE,		/* there are live members */
	NP_GROUP_GRACE,		/* there are none, and it waits for a successor */
};

/**
 * struct np_group - those who serve an address
 *
 * A lone listener without SO_REUSEPORT is a group of its own.
 *
 * References: each claim that shares, or the member of a lone listener; each
 * connection that was made to it; while it holds its port, the namespace's list;
 * and each of its two pending works. The last put frees, after an RCU grace
 * period, since it is looked up through @listener, @reuse and sockets under RCU.
 *
 * What waits here, a connection or a datagram, belongs to the group: it is on one
 * of the group's queues, whichever member that is, and goes from one to another
 * by list operations that cannot fail.
 *
 * Locks: @lock for all that is not said to be something else's; @hold for @grace
 * and @claim, and for changing @held, which is written under both.
 *
 * Lock order: lock_sock(), @hold, np_port.lock, @lock, np_conn.lock.
 *
 * @listener: on the port's list while somebody is live or the group holds the port
 * @share: its key, and its reference count
 * @lock: see above
 * @hold: see above
 * @net: the namespace; stays while there are members or @held
 * @ports: the port table; immutable
 * @secid: the LSM's label of the first member, or 0; immutable
 * @state: enum np_group_state; np_group_set_state()
 * @held: @claim holds the port
 * @grace: NEWPROTO_GRACE, milliseconds
 * @claim: keeps the port when there is no member
 * @grace_end: when the grace time is over, jiffies
 * @expiry: ends the grace time; pending work
 * @watch: looks for silent members; pending work while @watching
 * @watching: see above
 * @pick: the choice among the live members
 * @members: all of them; turned round by offers
 * @nmembers: length of @members; read without the lock by /proc
 * @nlive: those that are live
 * @npending: connections pending, on all queues
 * @norphans: length of @orphans
 * @nwaiting: length of @waiting
 * @orphans: connections pending while there is no member, in order
 * @waiting: clients that wait for a place, in order
 * @silent: silent members, the longest first
 * @helper: who was offered what waits on silent members, or NULL; read by poll()
 * @offered: when, jiffies
 * @backlog: of the last live member, while in grace
 * @rcvbuf: receive buffer of the last member that came or left
 * @cred: of the last live member, while in grace; streams only
 * @pid: the same
 * @dgrams: datagrams that came in while there is no member
 * @dgram_bytes: what they take
 * @room: senders of datagrams that sleep until there is a member
 * @senders: struct np_room: those that poll for it
 * @awaited: senders of datagrams wait for room at a member; written by those who
 *	begin to, without the lock
 * @reuse: the core's group, whose program is asked; the members keep it
 * @past: counters of members that have left, and of the time without one
 * @held_node: in the namespace's list while @held
 * @rcu: frees it
 */
struct np_group {
	struct np_listener listener;
	struct np_share share;
	spinlock_t lock;	/* see above */
	struct mutex hold;	/* see above */
	struct net *net;
	struct np_ports *ports;
	u32 secid;
	u8 state;
	bool held;
	bool watching;
	int grace;
	struct np_claim claim;
	unsigned long grace_end;
	struct delayed_work expiry;
	struct delayed_work watch;
	struct np_pick pick;
	struct list_head members;
	u32 nmembers;
	u32 nlive;
	u32 npending;
	u32 norphans;
	u32 nwaiting;
	struct list_head orphans;
	struct list_head waiting;
	struct list_head silent;
	struct np_member *helper;
	unsigned long offered;
	u32 backlog;
	u32 rcvbuf;
	const struct cred *cred;
	struct pid *pid;
	struct sk_buff_head dgrams;
	u32 dgram_bytes;
	wait_queue_head_t room;
	struct list_head senders;
	bool awaited;
	struct sock_reuseport __rcu *reuse;
	struct np_group_stats past;
	struct list_head held_node;
	struct rcu_head rcu;
};

/* group.c: the group's life */
struct np_group *np_group_alloc(struct net *net, struct np_ports *ports);
bool np_group_tryget(struct np_group *g);
struct np_group *np_group_find(struct np_ports *ports, const struct np_addr *dst,
			       int ifindex, bool bound);
void np_group_put(struct np_group *g);
void np_group_set_state(struct np_group *g, enum np_group_state state);
struct np_member *np_member_alloc(struct sock *sk, void (*ready)(struct np_member *m));
void np_member_free(struct np_member *m);
int np_group_reserve(struct np_group *g);
int np_group_reserve_weight(struct np_group *g, u32 weight);
int np_group_may_join(const struct np_group *g, u32 secid);
void np_group_add(struct np_group *g, struct np_member *m);
void np_group_remove(struct np_group *g, struct np_member *m);
void np_group_stats_add(struct np_group_stats *to, const struct np_group_stats *s);
void np_group_hold_port(struct np_group *g, struct np_claim *parent);
void np_group_set_grace(struct np_group *g, int ms, struct np_claim *parent);
void np_group_begin_grace(struct np_group *g, const struct np_member *m);
void np_group_end_grace(struct np_group *g);
void np_group_forgo_grace(struct np_group *g);
void np_group_cut_grace(struct np_group *g);
void np_group_net_init(struct np_net *nn);
void np_group_net_exit(struct np_net *nn);

/* group_conn.c: connections */
void np_member_go_live(struct np_member *m, u32 rcvbuf);
void np_member_retire(struct np_member *m);
int np_member_start(struct np_member *m, u32 backlog, u32 rcvbuf);
unsigned int np_member_stop(struct np_member *m);
void np_member_set_backlog(struct np_member *m, u32 backlog);
int np_group_offer(struct np_group *g, struct np_conn *conn, struct np_member *m);
struct np_conn *np_member_take(struct np_member *m);
bool np_group_cancel(struct np_conn *conn);
unsigned int np_group_turn_away(struct np_group *g);

/* group_watch.c: silent members */
void np_group_watch(struct np_group *g);
void np_group_watch_work(struct work_struct *work);
void np_group_unwatch(struct np_group *g);
void np_group_reoffer(struct np_group *g);
void np_member_stir(struct np_member *m);

/* group_dgram.c: datagrams */
struct np_member *np_group_choose_dgram(struct np_group *g, const struct np_flow *f,
					struct sk_buff *skb);
int np_group_keep_dgram(struct np_group *g, struct sk_buff *skb, int ifindex);
int np_group_wait_dgram(struct sock *sk, struct np_group *g, long *timeo);
void np_group_wake_room(struct np_group *g);
void np_group_drop_dgrams(struct np_group *g, bool expired);
void np_group_move_dgrams(struct np_group *g, struct sk_buff_head *list);
void np_member_start_dgram(struct np_member *m);
bool np_member_stop_dgram(struct np_member *m);

static inline void np_group_get(struct np_group *g)
{
	refcount_inc(&g->share.ref);
}

static inline struct np_member *np_seat_member(struct np_seat *s)
{
	return s ? container_of(s, struct np_member, seat) : NULL;
}

/* Is accept() due? A snapshot, for poll. Context: RCU, or the socket's lock. */
static inline bool np_member_is_ready(const struct np_member *m)
{
	return !list_empty_careful(&m->pending) ||
	       READ_ONCE(m->group->helper) == m;
}

/* Would accept() find something? The same, and what nobody has offered yet. */
static inline bool np_member_has_work(const struct np_member *m)
{
	return !list_empty_careful(&m->pending) ||
	       !list_empty_careful(&m->group->silent);
}

#endif /* _NP_GROUP_H */
