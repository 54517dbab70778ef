// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections that wait for accept(): which member they go to, and what becomes
 * of them when it leaves.
 */
#include <linux/sched.h>

#include "group.h"
#include "kunit.h"
#include "trace.h"

/* How many wait at a member has changed. */
static void np_member_count(struct np_member *m, int n)
{
	lockdep_assert_held(&m->group->lock);
	WRITE_ONCE(m->npending, m->npending + n);
	m->group->npending += n;
	if (m->live)
		np_pick_update(&m->group->pick, &m->seat, m->npending,
			       m->npending <= m->backlog);
}

/* A connection becomes one of those that wait for a member's accept(). */
static void np_member_queue(struct np_member *m, struct np_conn *conn)
{
	if (!m->npending)
		m->since = jiffies;
	list_move_tail(&conn->node, &m->pending);
	np_member_count(m, 1);
	m->ready(m);
}

/* A client gets a place in a member's queue, and with it its connection. */
static void np_member_pend(struct np_member *m, struct np_conn *conn)
{
	if (m->sk)
		np_chan_set_reader(&conn->chan[NP_CLIENT],
				   READ_ONCE(m->sk->sk_rcvbuf), 1);
	WRITE_ONCE(conn->stage, NP_CONN_PENDING);
	m->stats.chosen++;
	np_conn_establish(conn, m->cred, m->pid);
	np_member_queue(m, conn);
	np_group_watch(m->group);
}

/* The same while there is no member. */
static void np_group_pend_orphan(struct np_group *g, struct np_conn *conn)
{
	np_chan_set_reader(&conn->chan[NP_CLIENT], g->rcvbuf, 1);
	WRITE_ONCE(conn->stage, NP_CONN_PENDING);
	g->past.chosen++;
	list_move_tail(&conn->node, &g->orphans);
	g->norphans++;
	g->npending++;
	np_conn_establish(conn, g->cred, g->pid);
}

static struct np_member *np_group_choose(struct np_group *g,
					 const struct np_conn *conn)
{
	u32 hash = g->nlive > 1 ? np_conn_hash(conn) : 0;

	return np_seat_member(np_pick_next(&g->pick, hash));
}

/* Let a client in, if there is room for it. */
static bool np_group_let_in(struct np_group *g, struct np_conn *conn,
			    struct np_member *m)
{
	if (!m)
		m = np_group_choose(g, conn);
	if (m) {
		np_member_pend(m, conn);
		trace_newproto_group_choose(g, m, conn);
		return true;
	}
	if (g->state != NP_GROUP_GRACE || g->norphans > g->backlog)
		return false;
	np_group_pend_orphan(g, conn);
	trace_newproto_group_choose(g, NULL, conn);
	return true;
}

/* Let those who wait in as long as there is room. */
static void np_group_admit(struct np_group *g)
{
	struct np_conn *conn;

	lockdep_assert_held(&g->lock);
	while (!list_empty(&g->waiting)) {
		conn = list_first_entry(&g->waiting, struct np_conn, node);
		if (!np_group_let_in(g, conn, NULL))
			break;
		g->nwaiting--;
	}
}

/**
 * np_group_offer - a client connects
 * @g: the group
 * @conn: a new connection, the client's socket attached
 * @m: the member that a program has chosen, or NULL; heeded if it has room
 *
 * Context: RCU, if there is @m.
 *
 * Return: 0: the client is connected; -EINPROGRESS: all queues are full, and the
 * client waits for a place, first come first served; -ESTALE: nobody is here any
 * more, and @conn is in no queue. In the first two cases the queue has got a
 * reference, and the server's shares of the channels.
 */
int np_group_offer(struct np_group *g, struct np_conn *conn, struct np_member *m)
{
	int err = 0;

	spin_lock(&g->lock);
	if (g->state == NP_GROUP_IDLE) {
		err = -ESTALE;
		goto out;
	}
	np_conn_get(conn);
	if (m && (m->group != g || !m->live || !m->seat.is_open))
		m = NULL;
	/* Where somebody waits already there is no room. */
	if (!list_empty(&g->waiting) || !np_group_let_in(g, conn, m)) {
		np_chan_set_reader(&conn->chan[NP_CLIENT], g->rcvbuf, 1);
		WRITE_ONCE(conn->stage, NP_CONN_WAITING);
		list_add_tail(&conn->node, &g->waiting);
		g->nwaiting++;
		err = -EINPROGRESS;
	}
out:
	spin_unlock(&g->lock);
	return err;
}
EXPORT_SYMBOL_NP_KUNIT(np_group_offer);

/**
 * np_member_take - take the connection that waits longest for a member's accept()
 * @m: the member
 *
 * If there is none, the one that waits longest on the member that has been silent
 * longest.
 *
 * Return: the connection, with the queue's reference and its shares of the
 * channels; or NULL.
 */
struct np_conn *np_member_take(struct np_member *m)
{
	struct np_group *g = m->group;
	struct np_member *from = m;
	struct np_conn *conn;

	spin_lock(&g->lock);
	np_member_stir(m);
	if (list_empty(&m->pending) && !list_empty(&g->silent))
		from = list_first_entry(&g->silent, struct np_member, quiet);
	conn = list_first_entry_or_null(&from->pending, struct np_conn, node);
	if (conn) {
		list_del_init(&conn->node);
		WRITE_ONCE(conn->stage, NP_CONN_TAKEN);
		np_member_count(from, -1);
		m->stats.accepted++;
		if (from != m) {
			from->stats.moved_out++;
			m->stats.rescued++;
			trace_newproto_group_rescue(g, from, m, conn);
			np_group_reoffer(g);
		}
		np_group_admit(g);
	}
	spin_unlock(&g->lock);
	return conn;
}
EXPORT_SYMBOL_NP_KUNIT(np_member_take);

/**
 * np_group_cancel - a client gives up, if it has no place yet
 * @conn: its connection
 *
 * Return: true if it was waiting, and is no more; false if it has got a place
 * or was refused meanwhile.
 */
bool np_group_cancel(struct np_conn *conn)
{
	struct np_group *g = conn->group;
	bool waiting;

	/* Who has got a place need not ask again. */
	if (READ_ONCE(conn->stage) != NP_CONN_WAITING)
		return false;
	spin_lock(&g->lock);
	waiting = conn->stage == NP_CONN_WAITING;
	if (waiting) {
		list_del_init(&conn->node);
		g->nwaiting--;
		WRITE_ONCE(conn->stage, NP_CONN_DEAD);
	}
	spin_unlock(&g->lock);
	if (waiting) {
		np_conn_drop_end(conn, NP_SERVER);
		np_conn_put(conn);
	}
	return waiting;
}
EXPORT_SYMBOL_NP_KUNIT(np_group_cancel);

/**
 * np_member_set_backlog - listen() was called again
 * @m: a live member
 * @backlog: one more than this may be pending
 */
void np_member_set_backlog(struct np_member *m, u32 backlog)
{
	struct np_group *g = m->group;

	spin_lock(&g->lock);
	m->backlog = backlog;
	np_member_count(m, 0);
	np_group_admit(g);
	spin_unlock(&g->lock);
}
EXPORT_SYMBOL_NP_KUNIT(np_member_set_backlog);

/* --- a member comes --------------------------------------------------------- */

/* A successor takes what has waited for it, a batch at a time. */
static bool np_member_adopt(struct np_member *m)
{
	struct np_group *g = m->group;
	u32 n;

	for (n = 0; n < NP_GROUP_BATCH && g->norphans; n++) {
		g->norphans--;
		g->npending--;
		np_member_queue(m, list_first_entry(&g->orphans, struct np_conn,
						    node));
	}
	m->stats.moved_in += n;
	if (n)
		trace_newproto_group_move(g, NULL, m, n);
	return !g->norphans;
}

/* A member that is to be live. Returns whether it has all that waited for it. */
static bool np_member_prepare(struct np_member *m, u32 backlog)
{
	if (!m->cred) {
		m->cred = np_cred_get(current_cred());
		m->pid = get_pid(task_tgid(current));
	}
	m->backlog = backlog;
	return np_member_adopt(m);
}

/**
 * np_member_go_live - a member can be chosen
 * @m: the member
 * @rcvbuf: the socket's receive buffer
 *
 * Context: the group's lock.
 */
void np_member_go_live(struct np_member *m, u32 rcvbuf)
{
	struct np_group *g = m->group;

	lockdep_assert_held(&g->lock);
	if (g->state == NP_GROUP_GRACE)
		trace_newproto_group_grace(g, NP_REASON_SUCCESSOR);
	np_group_set_state(g, NP_GROUP_LIVE);
	g->rcvbuf = rcvbuf;
	g->nlive++;
	WRITE_ONCE(m->live, true);
	m->since = jiffies;
	m->seat.weight = m->weight;
	np_pick_join(&g->pick, &m->seat);
	np_member_count(m, 0);
	np_group_admit(g);
	np_group_watch(g);
}

/**
 * np_member_start - a member begins to listen
 * @m: the member
 * @backlog: one more than this may be pending
 * @rcvbuf: the socket's receive buffer
 *
 * It gets what has waited for a successor before it gets anything new. The
 * caller's credentials are what SO_PEERCRED tells clients.
 *
 * Context: may sleep.
 *
 * Return: 0; -EADDRINUSE: a grace time runs, and not for one with this label.
 */
int np_member_start(struct np_member *m, u32 backlog, u32 rcvbuf)
{
	struct np_group *g = m->group;
	bool all;
	int err;

	do {
		spin_lock(&g->lock);
		/* Not of one that has taken something already. */
		err = m->cred ? 0 : np_group_may_join(g, m->secid);
		all = err || np_member_prepare(m, backlog);
		if (all && !err)
			np_member_go_live(m, rcvbuf);
		spin_unlock(&g->lock);
		cond_resched();
	} while (!all);
	if (!err)
		np_group_end_grace(g);
	return err;
}
EXPORT_SYMBOL_NP_KUNIT(np_member_start);

/* --- a member leaves -------------------------------------------------------- */

/* In grace SO_PEERCRED tells who listened last. */
static void np_member_leave_creds(struct np_member *m, bool keep)
{
	struct np_group *g = m->group;

	if (keep) {
		swap(g->cred, m->cred);
		swap(g->pid, m->pid);
	}
	if (m->cred)
		put_cred(m->cred);
	put_pid(m->pid);
	m->cred = NULL;
	m->pid = NULL;
}

/* There is nobody to move to: what waits is the group's until there is. */
static void np_member_bequeath(struct np_member *m)
{
	struct np_group *g = m->group;

	list_splice_tail_init(&m->pending, &g->orphans);
	g->norphans += m->npending;
	m->stats.moved_out += m->npending;
	if (m->npending)
		trace_newproto_group_move(g, m, NULL, m->npending);
	WRITE_ONCE(m->npending, 0);
}

/**
 * np_member_retire - a member can be chosen no more
 * @m: the member, live
 *
 * Context: the group's lock.
 */
void np_member_retire(struct np_member *m)
{
	struct np_group *g = m->group;

	lockdep_assert_held(&g->lock);
	np_member_stir(m);
	WRITE_ONCE(m->live, false);
	np_pick_leave(&g->pick, &m->seat);
	g->nlive--;
	if (g->helper == m)
		np_group_reoffer(g);
	if (m->sk)
		g->rcvbuf = READ_ONCE(m->sk->sk_rcvbuf);
	if (!g->nlive && g->held) {
		np_member_bequeath(m);
		np_group_begin_grace(g, m);
	} else if (!g->nlive) {
		np_group_set_state(g, NP_GROUP_IDLE);
	}
	np_member_leave_creds(m, g->state == NP_GROUP_GRACE);
}

/* Move a batch to the others, who may be full: what is pending stays pending. */
static void np_member_rehome(struct np_member *m)
{
	struct np_group *g = m->group;
	struct np_member *to = NULL;
	struct np_conn *conn;
	u32 n;

	for (n = 0; n < NP_GROUP_BATCH && m->npending; n++) {
		conn = list_first_entry(&m->pending, struct np_conn, node);
		to = np_group_choose(g, conn) ?: np_seat_member(np_pick_any(&g->pick));
		np_member_count(m, -1);
		np_member_queue(to, conn);
		to->stats.moved_in++;
	}
	m->stats.moved_out += n;
	if (n)
		trace_newproto_group_move(g, m, to, n);
	np_group_watch(g);
}

/* Take a batch of connections off one of the queues. */
static u32 np_conn_take_batch(struct list_head *queue, struct list_head *batch)
{
	struct np_conn *conn;
	u32 n;

	for (n = 0; n < NP_GROUP_BATCH && !list_empty(queue); n++) {
		conn = list_first_entry(queue, struct np_conn, node);
		WRITE_ONCE(conn->stage, NP_CONN_DEAD);
		list_move_tail(&conn->node, batch);
	}
	return n;
}

static void np_conn_turn_away(struct list_head *batch, u8 event)
{
	struct np_conn *conn, *next;

	list_for_each_entry_safe(conn, next, batch, node) {
		list_del_init(&conn->node);
		np_conn_event(conn, NP_CLIENT, event);
		np_conn_drop_end(conn, NP_SERVER);
		np_conn_put(conn);
	}
	cond_resched();
}

/* A batch of a leaver's connections: to the others, or to nobody. Returns how many
 * were turned away.
 */
static u32 np_member_drain(struct np_member *m)
{
	struct np_group *g = m->group;
	LIST_HEAD(batch);
	u32 n = 0;

	spin_lock(&g->lock);
	if (g->nlive) {
		np_member_rehome(m);
	} else if (g->state == NP_GROUP_GRACE) {
		np_member_bequeath(m);
	} else {
		n = np_conn_take_batch(&m->pending, &batch);
		np_member_count(m, -(int)n);
		m->stats.reset += n;
	}
	spin_unlock(&g->lock);
	np_conn_turn_away(&batch, NP_EV_DROPPED);
	return n;
}

/**
 * np_group_turn_away - nobody serves the address any more
 * @g: the group
 *
 * Unless somebody does by now clients whose connection was pending are reset, and
 * those who waited for a place are refused.
 *
 * Context: may sleep.
 *
 * Return: how many clients that were.
 */
unsigned int np_group_turn_away(struct np_group *g)
{
	unsigned int n, refused, sum = 0;
	LIST_HEAD(refuse);
	LIST_HEAD(reset);

	do {
		n = 0;
		refused = 0;
		spin_lock(&g->lock);
		if (g->state == NP_GROUP_IDLE) {
			n = np_conn_take_batch(&g->orphans, &reset);
			g->norphans -= n;
			g->npending -= n;
			g->past.expired += n;
			refused = np_conn_take_batch(&g->waiting, &refuse);
			g->nwaiting -= refused;
		}
		spin_unlock(&g->lock);
		np_conn_turn_away(&refuse, NP_EV_REFUSED);
		np_conn_turn_away(&reset, NP_EV_DROPPED);
		sum += n + refused;
	} while (n || refused);
	return sum;
}

/**
 * np_member_stop - a member ceases to listen
 * @m: the member
 *
 * What waits goes to the others; or to the group, if that has a grace time; else
 * it is turned away.
 *
 * Context: may sleep.
 *
 * Return: how many clients were turned away.
 */
unsigned int np_member_stop(struct np_member *m)
{
	struct np_group *g = m->group;
	unsigned int n = 0;

	spin_lock(&g->lock);
	np_member_retire(m);
	spin_unlock(&g->lock);
	while (READ_ONCE(m->npending))
		n += np_member_drain(m);
	n += np_group_turn_away(g);
	np_group_unwatch(g);
	return n;
}
EXPORT_SYMBOL_NP_KUNIT(np_member_stop);
