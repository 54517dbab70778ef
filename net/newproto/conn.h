/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections: what two stream sockets share. Where they wait for accept() is
 * group.h's.
 */
#ifndef _NP_CONN_H
#define _NP_CONN_H

#include <linux/cred.h>
#include <linux/list.h>
#include <linux/pid.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <net/sock.h>

#include "addr.h"
#include "channel.h"

struct np_far;
struct np_group;

static inline const struct cred *np_cred_get(const struct cred *cred)
{
	/* It also stores to @cred, not marked, what all others who do so store. */
	return data_race(get_cred(cred));
}

/* The ends of a connection. */
#define NP_CLIENT	0
#define NP_SERVER	1

/* What can happen to an end by the other's doing. */
#define NP_EV_FIN	BIT(0)	/* the other sends no more */
#define NP_EV_RESET	BIT(1)	/* the connection is gone */
#define NP_EV_REFUSED	BIT(2)	/* it never came about: nobody listens any more */
#define NP_EV_TIMEOUT	BIT(3)	/* it never came about: nobody accepted in time */
#define NP_EV_DROPPED	BIT(4)	/* reset: the listener closed before accept() */
#define NP_EV_UNREACH	BIT(5)	/* it never came about: nobody has the address */

/* Where a connection stands with its group. */
enum np_conn_stage {
	NP_CONN_NEW,		/* in no queue yet */
	NP_CONN_WAITING,	/* queue full: the client waits */
	NP_CONN_PENDING,	/* the client is connected, accept() is due */
	NP_CONN_TAKEN,		/* accepted, or needs no accept() */
	NP_CONN_DEAD,		/* taken off a queue without accept() */
};

/**
 * struct np_conn - a connection of two stream sockets
 *
 * Made by connect() in the client's task and charged to it; a socket of the
 * server's side exists only from accept() on, made in the accepting task.
 *
 * References: each of the two ends, from when its socket is attached until it
 * is detached; the group's queue while the connection is on it; and each of
 * the two channels, which are part of it, as long as it has a writer or a
 * reader. The last put frees.
 *
 * Where the server's end has no socket yet its shares of the channels belong
 * to the queue: np_conn_attach() passes them on to the socket,
 * np_conn_drop_end() gives them up.
 *
 * Locks: @lock for @end[].sk, @end[].events, for writing @end[].wq, and for
 * state, shutdown and error of the attached sockets; the group's lock for
 * @stage and @node. @end[].wq is read under RCU: data paths wake the other
 * end through it and never touch its socket. All else is immutable.
 *
 * Lock order: the sockets' locks, the group's, @lock.
 *
 * @chan: chan[i] carries what end i writes
 * @ref: see above
 * @lock: see above
 * @stage: enum np_conn_stage
 * @node: in one of the group's queues
 * @group: where the connection was made to; a reference, NULL for socketpair()
 * @ifindex: the link that its addresses are of, or 0
 * @far: the other end is in another kernel, or namespace; lives as long as this
 * @end: the two ends
 * @end.sk: its socket while attached
 * @end.wq: its wait queue while attached
 * @end.addr: its address and port
 * @end.events: NP_EV_* that have happened to it
 * @cred: the client's credentials, or NULL
 * @pid: the client, or NULL
 * @rcu: frees it; poll looks at channels under RCU
 */
struct np_conn {
	struct np_chan chan[2];
	refcount_t ref;
	spinlock_t lock;	/* see above */
	u8 stage;
	struct list_head node;
	struct np_group *group;
	int ifindex;
	struct np_far *far;
	struct {
		struct sock *sk;
		struct socket_wq __rcu *wq;
		struct in6_addr ip;
		__be16 port;
		u8 events;
	} end[2];
	const struct cred *cred;
	struct pid *pid;
	struct rcu_head rcu;
};

int np_conn_cache_init(void);
void np_conn_cache_exit(void);

struct np_conn *np_conn_alloc(struct np_pool *pool);
void np_conn_put(struct np_conn *conn);
void np_conn_attach(struct np_conn *conn, int end, struct sock *sk);
void np_conn_detach(struct np_conn *conn, int end);
void np_conn_drop_end(struct np_conn *conn, int end);
u32 np_conn_hash(const struct np_conn *conn);
void np_conn_establish(struct np_conn *conn, const struct cred *cred,
		       struct pid *pid);
void np_conn_event(struct np_conn *conn, int end, u8 event);
void np_conn_wake_reader(struct np_conn *conn, int end);
void np_conn_wake_writer(struct np_conn *conn, int end);
bool np_conn_is_watched(const struct np_conn *conn, int end);
bool np_conn_cancel(struct np_conn *conn);

static inline void np_conn_get(struct np_conn *conn)
{
	refcount_inc(&conn->ref);
}

#endif /* _NP_CONN_H */
