// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups: their life, with members and, for a grace time, without. The contract
 * is at struct np_group.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <net/sock_reuseport.h>

#include "group.h"
#include "kunit.h"
#include "pool.h"
#include "trace.h"

/* Groups of a namespace that may outlive their members, more or less: nothing else
 * limits what they hold without a process.
 */
#define NP_HELD_MAX	4096

static void np_group_expire(struct work_struct *work);

/**
 * np_group_alloc - make a group without members
 * @net: its namespace
 * @ports: the port table that it is for
 *
 * Context: may sleep.
 *
 * Return: the group with one reference, or NULL.
 */
struct np_group *np_group_alloc(struct net *net, struct np_ports *ports)
{
	struct np_group *g = kzalloc(sizeof(*g), GFP_KERNEL_ACCOUNT);

	if (!g)
		return NULL;
	refcount_set(&g->share.ref, 1);
	g->listener.is_group = true;
	spin_lock_init(&g->lock);
	mutex_init(&g->hold);
	g->net = net;
	g->ports = ports;
	INIT_DELAYED_WORK(&g->expiry, np_group_expire);
	INIT_DELAYED_WORK(&g->watch, np_group_watch_work);
	np_pick_init(&g->pick);
	INIT_LIST_HEAD(&g->members);
	INIT_LIST_HEAD(&g->orphans);
	INIT_LIST_HEAD(&g->waiting);
	INIT_LIST_HEAD(&g->silent);
	INIT_LIST_HEAD(&g->held_node);
	__skb_queue_head_init(&g->dgrams);
	init_waitqueue_head(&g->room);
	INIT_LIST_HEAD(&g->senders);
	return g;
}
EXPORT_SYMBOL_NP_KUNIT(np_group_alloc);

/**
 * np_group_tryget - get a reference to a group that was looked up
 * @g: the group
 *
 * Context: RCU read lock held.
 *
 * Return: false if it is being freed.
 */
bool np_group_tryget(struct np_group *g)
{
	return refcount_inc_not_zero(&g->share.ref);
}
EXPORT_SYMBOL_NP_KUNIT(np_group_tryget);

/**
 * np_group_find - who takes connections to an address?
 * @ports: the port table
 * @dst: the destination, no wildcard
 * @ifindex: the device that they come in on
 * @bound: only who is bound to it
 *
 * Context: any.
 *
 * Return: a reference, or NULL.
 */
struct np_group *np_group_find(struct np_ports *ports, const struct np_addr *dst,
			       int ifindex, bool bound)
{
	struct np_group *g = NULL;
	struct np_listener *l;

	/* A group that is gone is off the list already: look again. */
	do {
		rcu_read_lock();
		l = bound ? np_port_lookup_device(ports, dst, ifindex) :
			    np_port_lookup(ports, dst, ifindex);
		if (l) {
			g = container_of(l, struct np_group, listener);
			if (!np_group_tryget(g))
				g = NULL;
		}
		rcu_read_unlock();
	} while (l && !g);
	return g;
}
EXPORT_SYMBOL_NP_KUNIT(np_group_find);

/**
 * np_group_put - drop a reference
 * @g: the group
 */
void np_group_put(struct np_group *g)
{
	if (!refcount_dec_and_test(&g->share.ref))
		return;
	if (g->cred)
		put_cred(g->cred);
	put_pid(g->pid);
	np_pick_free(&g->pick);
	kfree_rcu(g, rcu);
}
EXPORT_SYMBOL_NP_KUNIT(np_group_put);

/**
 * np_group_set_state - the one who changes it
 * @g: the group
 * @state: what it is in from now on
 *
 * Context: the group's lock.
 */
void np_group_set_state(struct np_group *g, enum np_group_state state)
{
	lockdep_assert_held(&g->lock);
	WRITE_ONCE(g->state, state);
}

/**
 * np_member_alloc - make a member
 * @sk: the socket, or NULL in tests
 * @ready: told when there is something to accept
 *
 * Context: may sleep.
 *
 * Return: the member, of no group yet; or NULL.
 */
struct np_member *np_member_alloc(struct sock *sk, void (*ready)(struct np_member *m))
{
	struct np_member *m = kzalloc(sizeof(*m), GFP_KERNEL_ACCOUNT);

	if (!m)
		return NULL;
	np_seat_init(&m->seat);
	m->weight = 1;
	m->sk = sk;
	m->ready = ready;
	INIT_LIST_HEAD(&m->pending);
	INIT_LIST_HEAD(&m->quiet);
	return m;
}
EXPORT_SYMBOL_NP_KUNIT(np_member_alloc);

/**
 * np_member_free - free a member that is in no list, after an RCU grace period
 * @m: the member
 */
void np_member_free(struct np_member *m)
{
	kfree_rcu(m, rcu);
}
EXPORT_SYMBOL_NP_KUNIT(np_member_free);

/* Have a table that is divided so finely. */
static int np_group_grow(struct np_group *g, u32 shares)
{
	struct np_slots *fresh = np_slots_alloc(shares), *old;

	if (!fresh)
		return -ENOMEM;
	spin_lock(&g->lock);
	old = np_pick_grow(&g->pick, fresh);
	spin_unlock(&g->lock);
	if (old)
		kvfree_rcu(old, rcu);
	return 0;
}

/**
 * np_group_reserve_weight - make sure that a member can have a weight
 * @g: the group
 * @weight: the weight
 *
 * Context: may sleep.
 *
 * Return: 0 or -ENOMEM.
 */
int np_group_reserve_weight(struct np_group *g, u32 weight)
{
	bool small;
	u32 shares;

	spin_lock(&g->lock);
	shares = np_pick_shares(&g->pick, g->nmembers - g->pick.nseats + 1, weight);
	small = np_pick_is_small(&g->pick, shares);
	spin_unlock(&g->lock);
	return small ? np_group_grow(g, shares) : 0;
}

/**
 * np_group_reserve - make sure that one more member of weight 1 can be chosen
 * @g: the group
 *
 * Context: may sleep.
 *
 * Return: 0 or -ENOMEM.
 */
int np_group_reserve(struct np_group *g)
{
	return np_group_reserve_weight(g, 1);
}
EXPORT_SYMBOL_NP_KUNIT(np_group_reserve);

/**
 * np_group_may_join - may a socket become a member?
 * @g: the group
 * @secid: the socket's LSM label, or 0
 *
 * The port table has seen to all that a live group asks for. A successor gets
 * what was sent to somebody who is not there any more to look after it: it has
 * to have the same label, too.
 *
 * Context: the group's lock.
 *
 * Return: 0 or -EADDRINUSE.
 */
int np_group_may_join(const struct np_group *g, u32 secid)
{
	if (g->state == NP_GROUP_GRACE && g->secid != secid)
		return -EADDRINUSE;
	return 0;
}
EXPORT_SYMBOL_NP_KUNIT(np_group_may_join);

/**
 * np_group_add - a socket becomes a member, not live yet
 * @g: the group, reserved for
 * @m: the member
 *
 * Context: the group's lock.
 */
void np_group_add(struct np_group *g, struct np_member *m)
{
	lockdep_assert_held(&g->lock);
	m->group = g;
	/* What is to go by the order of bind() does not go by that of listen(). */
	m->seat.seq = ++g->pick.seq;
	list_add_tail(&m->node, &g->members);
	WRITE_ONCE(g->nmembers, g->nmembers + 1);
}
EXPORT_SYMBOL_NP_KUNIT(np_group_add);

/**
 * np_group_stats_add - add up counters
 * @to: the sum
 * @s: what is added
 */
void np_group_stats_add(struct np_group_stats *to, const struct np_group_stats *s)
{
	to->chosen += s->chosen;
	to->accepted += s->accepted;
	to->moved_in += s->moved_in;
	to->moved_out += s->moved_out;
	to->reset += s->reset;
	to->expired += s->expired;
	to->rescued += s->rescued;
}

/**
 * np_group_remove - a socket ceases to be a member
 * @g: the group
 * @m: the member, not live
 *
 * Context: the group's lock.
 */
void np_group_remove(struct np_group *g, struct np_member *m)
{
	lockdep_assert_held(&g->lock);
	WARN_ON_ONCE(m->live || m->npending);
	list_del(&m->node);
	WRITE_ONCE(g->nmembers, g->nmembers - 1);
	np_group_stats_add(&g->past, &m->stats);
}
EXPORT_SYMBOL_NP_KUNIT(np_group_remove);

/* --- holding the port, and the grace time ----------------------------------- */

/* The group's own claim is like those of its members. */
static void np_group_take_port(struct np_group *g, struct np_claim *parent)
{
	struct np_claim *c = &g->claim;
	struct np_net *nn = np_net(g->net);

	c->local = g->share.local;
	c->ifindex = g->share.ifindex;
	c->uid = g->share.uid;
	c->v6only = g->share.v6only;
	c->v6 = g->share.v6;
	c->reuse = parent->reuse;
	c->reuseport = true;
	c->listening = true;
	c->connected = false;
	c->vacant = true;
	np_claim_join(c, parent);
	np_claim_share(c, &g->share);
	np_claim_publish(c, &g->listener);
	spin_lock(&nn->held_lock);
	list_add_tail(&g->held_node, &nn->held);
	WRITE_ONCE(nn->nheld, nn->nheld + 1);
	spin_unlock(&nn->held_lock);
}

/* Undo it; the reference is the caller's. */
static void np_group_give_port(struct np_group *g)
{
	struct np_net *nn = np_net(g->net);

	spin_lock(&nn->held_lock);
	list_del_init(&g->held_node);
	WRITE_ONCE(nn->nheld, nn->nheld - 1);
	spin_unlock(&nn->held_lock);
	np_claim_unshare(&g->claim);
	np_claim_drop(g->ports, &g->claim);
}

/**
 * np_group_hold_port - keep a live group's port beyond its members' life, if wanted
 * @g: the group
 * @parent: a member's claim
 *
 * Context: lock_sock() of the member. May sleep.
 */
void np_group_hold_port(struct np_group *g, struct np_claim *parent)
{
	bool hold;

	mutex_lock(&g->hold);
	spin_lock(&g->lock);
	hold = g->grace && !g->held && g->state == NP_GROUP_LIVE &&
	       READ_ONCE(np_net(g->net)->nheld) < NP_HELD_MAX;
	/* If the last one leaves right now the grace time begins. */
	if (hold)
		g->held = true;
	spin_unlock(&g->lock);
	if (hold)
		np_group_take_port(g, parent);
	mutex_unlock(&g->hold);
}
EXPORT_SYMBOL_NP_KUNIT(np_group_hold_port);

/* When does a group give its port up? */
enum np_release {
	NP_RELEASE_ALWAYS,	/* the namespace ends */
	NP_RELEASE_OPTION,	/* if it is to have no grace time any more */
	NP_RELEASE_GRACE,	/* if the grace time runs */
	NP_RELEASE_EXPIRED,	/* if it is over */
};

static bool np_group_is_over(const struct np_group *g, enum np_release when)
{
	return g->state == NP_GROUP_GRACE &&
	       (when != NP_RELEASE_EXPIRED || !time_before(jiffies, g->grace_end));
}

/* Is it to happen, as things stand? */
static bool np_group_may_release(struct np_group *g, enum np_release when)
{
	bool over;

	if (when == NP_RELEASE_OPTION)
		return !g->grace;
	spin_lock(&g->lock);
	over = np_group_is_over(g, when);
	spin_unlock(&g->lock);
	return over || when == NP_RELEASE_ALWAYS;
}

/* No connection and no datagram finds the group any more, unless it has members. */
static bool np_group_release_port(struct np_group *g, enum np_release when)
{
	bool over, release;

	lockdep_assert_held(&g->hold);
	if (!np_group_may_release(g, when))
		return false;
	/* Off the list first, so that whoever finds nobody here looks in vain. */
	np_claim_unpublish(&g->claim, &g->listener);
	spin_lock(&g->lock);
	over = np_group_is_over(g, when);
	release = over || when <= NP_RELEASE_OPTION;
	if (over) {
		np_group_set_state(g, NP_GROUP_IDLE);
		trace_newproto_group_grace(g, when == NP_RELEASE_EXPIRED ?
					      NP_REASON_EXPIRED : NP_REASON_CLOSED);
	}
	if (release) {
		g->held = false;
		/* Its work would outlive the module, when nobody waits for it. */
		if (cancel_delayed_work(&g->expiry))
			np_group_put(g);	/* not the last: that is the list's */
	}
	spin_unlock(&g->lock);
	if (release)
		np_group_give_port(g);
	else
		np_claim_publish(&g->claim, &g->listener);
	return release;
}

/* What waited for a successor is turned away. */
static void np_group_end(struct np_group *g, enum np_release when)
{
	unsigned int turned_away;
	bool released;

	mutex_lock(&g->hold);
	released = g->held && np_group_release_port(g, when);
	mutex_unlock(&g->hold);
	if (!released)
		return;
	turned_away = np_group_turn_away(g);
	this_cpu_add(np_net(g->net)->stats->v[NP_STAT_TURNED_AWAY], turned_away);
	np_group_drop_dgrams(g, true);
	np_group_wake_room(g);
	np_group_put(g);
}

/**
 * np_group_forgo_grace - a group has no live member, and is not to wait for one
 * @g: the group
 *
 * Context: may sleep.
 */
void np_group_forgo_grace(struct np_group *g)
{
	np_group_end(g, NP_RELEASE_GRACE);
}
EXPORT_SYMBOL_NP_KUNIT(np_group_forgo_grace);

/**
 * np_group_cut_grace - the same where one must not sleep: a moment later
 * @g: the group
 *
 * Context: lock_sock(), or whatever else keeps the namespace.
 */
void np_group_cut_grace(struct np_group *g)
{
	spin_lock(&g->lock);
	if (g->state == NP_GROUP_GRACE) {
		g->grace_end = jiffies;
		np_group_get(g);
		if (mod_delayed_work(np_wq, &g->expiry, 0))
			np_group_put(g);	/* not the last: the list has one */
	}
	spin_unlock(&g->lock);
}
EXPORT_SYMBOL_NP_KUNIT(np_group_cut_grace);

/**
 * np_group_set_grace - NEWPROTO_GRACE
 * @g: the group
 * @ms: the grace time in milliseconds; 0: none, and one that runs is over
 * @parent: a member's claim
 *
 * Context: lock_sock() of the member. May sleep.
 */
void np_group_set_grace(struct np_group *g, int ms, struct np_claim *parent)
{
	mutex_lock(&g->hold);
	WRITE_ONCE(g->grace, ms);
	mutex_unlock(&g->hold);
	if (!ms)
		np_group_end(g, NP_RELEASE_OPTION);
	else
		np_group_hold_port(g, parent);
}
EXPORT_SYMBOL_NP_KUNIT(np_group_set_grace);

/**
 * np_group_begin_grace - the last live member leaves a group that holds its port
 * @g: the group
 * @m: the member
 *
 * Context: the group's lock.
 */
void np_group_begin_grace(struct np_group *g, const struct np_member *m)
{
	unsigned long delay = msecs_to_jiffies(READ_ONCE(g->grace));

	lockdep_assert_held(&g->lock);
	np_group_set_state(g, NP_GROUP_GRACE);
	g->backlog = m->backlog;
	g->grace_end = jiffies + delay;
	np_group_get(g);
	if (!queue_delayed_work(np_wq, &g->expiry, delay))
		np_group_put(g);	/* an earlier one's: it will see */
	trace_newproto_group_grace(g, NP_REASON_BEGIN);
}

/**
 * np_group_end_grace - there is a successor
 * @g: the group, live
 *
 * Context: may sleep.
 */
void np_group_end_grace(struct np_group *g)
{
	if (cancel_delayed_work(&g->expiry))
		np_group_put(g);
	np_group_wake_room(g);
}

static void np_group_expire(struct work_struct *work)
{
	struct np_group *g = container_of(to_delayed_work(work), struct np_group,
					  expiry);
	unsigned long now = jiffies;
	bool again = false, over;

	spin_lock(&g->lock);
	over = np_group_is_over(g, NP_RELEASE_EXPIRED);
	/* This may be the work of an earlier time. */
	if (g->state == NP_GROUP_GRACE && !over)
		again = queue_delayed_work(np_wq, &g->expiry,
					   time_before(now, g->grace_end) ?
					   g->grace_end - now : 1);
	spin_unlock(&g->lock);
	if (again)
		return;		/* with the reference */
	if (over)
		np_group_end(g, NP_RELEASE_EXPIRED);
	np_group_put(g);
}

/**
 * np_group_net_init - prepare a namespace
 * @nn: the namespace
 */
void np_group_net_init(struct np_net *nn)
{
	spin_lock_init(&nn->held_lock);
	INIT_LIST_HEAD(&nn->held);
}

/* A group that holds a port, with a reference; or NULL. */
static struct np_group *np_group_net_first(struct np_net *nn)
{
	struct np_group *g;

	spin_lock(&nn->held_lock);
	g = list_first_entry_or_null(&nn->held, struct np_group, held_node);
	if (g)
		np_group_get(g);
	spin_unlock(&nn->held_lock);
	return g;
}

/**
 * np_group_net_exit - a namespace ends: no group outlives it
 * @nn: the namespace, without sockets
 *
 * Context: may sleep.
 */
void np_group_net_exit(struct np_net *nn)
{
	struct np_group *g;

	while ((g = np_group_net_first(nn))) {
		if (cancel_delayed_work_sync(&g->expiry))
			np_group_put(g);
		np_group_end(g, NP_RELEASE_ALWAYS);
		np_group_put(g);
	}
	/* One that is off the list may be at it still, and needs the namespace. */
	flush_workqueue(np_wq);
}
