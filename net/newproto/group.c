// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups: where connections wait for accept(). The contract is at struct
 * np_group.
 */
#include <linux/slab.h>

#include "conn.h"

/* Connections taken off a queue per lock hold when a listener goes. */
#define NP_GROUP_BATCH	256

/**
 * np_group_alloc - make the group of a socket that is about to listen
 * @sk: the socket
 * @backlog: one more than this may be pending
 *
 * The caller's credentials are what SO_PEERCRED tells clients.
 *
 * Context: may sleep.
 *
 * Return: the group with one reference, or NULL.
 */
struct np_group *np_group_alloc(struct sock *sk, u32 backlog)
{
	struct np_group *g = kzalloc(sizeof(*g), GFP_KERNEL_ACCOUNT);

	if (!g)
		return NULL;
	refcount_set(&g->ref, 1);
	spin_lock_init(&g->lock);
	INIT_LIST_HEAD(&g->pending);
	INIT_LIST_HEAD(&g->waiting);
	g->sk = sk;
	g->backlog = backlog;
	g->cred = get_current_cred();
	g->pid = get_pid(task_tgid(current));
	return g;
}

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
	return refcount_inc_not_zero(&g->ref);
}

/**
 * np_group_put - drop a reference
 * @g: the group
 */
void np_group_put(struct np_group *g)
{
	if (!refcount_dec_and_test(&g->ref))
		return;
	put_cred(g->cred);
	put_pid(g->pid);
	kfree_rcu(g, rcu);
}

/* A client gets a place in the queue, and with it its connection. */
static void np_group_pend(struct np_group *g, struct np_conn *conn)
{
	lockdep_assert_held(&g->lock);
	WRITE_ONCE(conn->stage, NP_CONN_PENDING);
	list_add_tail(&conn->node, &g->pending);
	g->npending++;
	np_conn_establish(conn);
	g->sk->sk_data_ready(g->sk);
}

/* Let those who wait in as long as there is room. */
static void np_group_admit(struct np_group *g)
{
	struct np_conn *conn;

	lockdep_assert_held(&g->lock);
	while (g->npending <= g->backlog && !list_empty(&g->waiting)) {
		conn = list_first_entry(&g->waiting, struct np_conn, node);
		list_del(&conn->node);
		np_group_pend(g, conn);
	}
}

/**
 * np_group_offer - a client connects
 * @g: the group
 * @conn: a new connection, the client's socket attached
 *
 * Return: 0: the client is connected; -EINPROGRESS: the queue is full, and the
 * client waits for a place, first come first served; -ESTALE: the listener has
 * left, and @conn is in no queue. In the first two cases the queue has got a
 * reference, and the server's shares of the channels.
 */
int np_group_offer(struct np_group *g, struct np_conn *conn)
{
	int err = 0;

	spin_lock(&g->lock);
	if (!g->sk) {
		err = -ESTALE;
	} else {
		np_conn_get(conn);
		conn->chan[NP_CLIENT].rcap = READ_ONCE(g->sk->sk_rcvbuf);
		if (g->npending <= g->backlog && list_empty(&g->waiting)) {
			np_group_pend(g, conn);
		} else {
			WRITE_ONCE(conn->stage, NP_CONN_WAITING);
			list_add_tail(&conn->node, &g->waiting);
			err = -EINPROGRESS;
		}
	}
	spin_unlock(&g->lock);
	return err;
}

/**
 * np_group_take - take the connection that waits longest for accept()
 * @g: the group
 *
 * Return: the connection, with the queue's reference and its shares of the
 * channels; or NULL.
 */
struct np_conn *np_group_take(struct np_group *g)
{
	struct np_conn *conn;

	spin_lock(&g->lock);
	conn = list_first_entry_or_null(&g->pending, struct np_conn, node);
	if (conn) {
		list_del_init(&conn->node);
		WRITE_ONCE(conn->stage, NP_CONN_TAKEN);
		g->npending--;
		np_group_admit(g);
	}
	spin_unlock(&g->lock);
	return conn;
}

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
		WRITE_ONCE(conn->stage, NP_CONN_DEAD);
	}
	spin_unlock(&g->lock);
	if (waiting) {
		np_conn_drop_end(conn, NP_SERVER);
		np_conn_put(conn);
	}
	return waiting;
}

/**
 * np_group_set_backlog - listen() was called again
 * @g: the group
 * @backlog: one more than this may be pending
 */
void np_group_set_backlog(struct np_group *g, u32 backlog)
{
	spin_lock(&g->lock);
	g->backlog = backlog;
	np_group_admit(g);
	spin_unlock(&g->lock);
}

/* Take a batch of connections off one of the queues. */
static bool np_group_drain(struct np_group *g, struct list_head *queue,
			   struct list_head *batch)
{
	struct np_conn *conn;
	int n;

	spin_lock(&g->lock);
	for (n = 0; n < NP_GROUP_BATCH && !list_empty(queue); n++) {
		conn = list_first_entry(queue, struct np_conn, node);
		if (conn->stage == NP_CONN_PENDING)
			g->npending--;
		WRITE_ONCE(conn->stage, NP_CONN_DEAD);
		list_move_tail(&conn->node, batch);
	}
	spin_unlock(&g->lock);
	return n;
}

static unsigned int np_group_turn_away(struct np_group *g,
				       struct list_head *queue, u8 event)
{
	struct np_conn *conn, *next;
	unsigned int n = 0;
	LIST_HEAD(batch);

	while (np_group_drain(g, queue, &batch)) {
		list_for_each_entry_safe(conn, next, &batch, node) {
			list_del_init(&conn->node);
			np_conn_event(conn, NP_CLIENT, event);
			np_conn_drop_end(conn, NP_SERVER);
			np_conn_put(conn);
			n++;
		}
		cond_resched();
	}
	return n;
}

/**
 * np_group_close - the listener leaves
 * @g: the group; off the port's list already
 *
 * Clients whose connection was pending are reset, those who waited for a place
 * are refused.
 *
 * Context: may sleep.
 *
 * Return: how many clients that were.
 */
unsigned int np_group_close(struct np_group *g)
{
	unsigned int n;

	spin_lock(&g->lock);
	g->sk = NULL;
	spin_unlock(&g->lock);
	n = np_group_turn_away(g, &g->waiting, NP_EV_REFUSED);
	return n + np_group_turn_away(g, &g->pending, NP_EV_DROPPED);
}
