/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of groups share: groups without sockets, servers, and connections
 * that know what has become of them.
 */
#ifndef _NP_TESTS_GROUP_LIB_H
#define _NP_TESTS_GROUP_LIB_H

#include "group.h"
#include "lib.h"

#define NP_TMEMBERS	64
#define NP_TCONNS	6000
#define NP_TPORT	4000

/* The receive buffer of a test's sockets. */
#define NP_TRCVBUF	4096

/* Longer than any test. */
#define NP_TLONG_MS	600000

/**
 * struct np_tserver - a socket that is bound with SO_REUSEPORT, as far as its group
 * and the port table know
 * @claim: its port
 * @m: its place in its group; NULL: not bound
 * @live: it listens
 * @ready: how often it was told that there is something to accept
 */
struct np_tserver {
	struct np_claim claim;
	struct np_member *m;
	bool live;
	int ready;
};

/**
 * struct np_tgroup - the surroundings of a group's test: its test->priv
 * @ports: a port table of its own
 * @g: the group of tests without ports, or NULL; a reference
 * @server: all there may be
 * @nconns: connections that were made
 * @conn: all of them, a reference of each; NULL: was not made
 * @order: of connections that were taken, in order
 * @ntaken: how many these are
 * @silent_time: what init_net's has been
 */
struct np_tgroup {
	struct np_ports ports;
	struct np_group *g;
	struct np_tserver server[NP_TMEMBERS];
	int nconns;
	struct np_conn *conn[NP_TCONNS];
	int order[NP_TCONNS];
	int ntaken;
	int silent_time;
};

int np_tgroup_init(struct kunit *test);
void np_tgroup_exit(struct kunit *test);

/* A group that has no port. */
void np_tgroup_new(struct kunit *test);
struct np_tserver *np_tgroup_add(struct kunit *test, int i);
struct np_tserver *np_tgroup_start(struct kunit *test, int i, u32 backlog);
unsigned int np_tgroup_stop(struct kunit *test, int i);
void np_tgroup_remove(struct kunit *test, int i);
void np_tgroup_check(struct kunit *test, struct np_group *g);

/* Servers that have one. */
int np_tserver_bind(struct kunit *test, int i, const struct np_who *w, u16 port,
		    u32 secid);
int np_tserver_listen(struct kunit *test, int i, u32 backlog);
unsigned int np_tserver_unlisten(struct kunit *test, int i);
void np_tserver_close(struct kunit *test, int i);
struct np_group *np_tserver_find(struct np_tgroup *tg, enum np_form dst, u16 port);

/* Connections, known by their numbers. */
int np_tconn_alloc(struct np_tgroup *tg, struct np_group *g, int k);
int np_tconn_make(struct kunit *test, struct np_group *g);
int np_tconn_offer(struct kunit *test, struct np_group *g);
int np_tconn_offer_to(struct kunit *test, struct np_group *g, struct np_member *m);
int np_tconn_index(const struct np_tgroup *tg, const struct np_conn *conn);
int np_tconn_take(struct kunit *test, int i);
u8 np_tconn_events(struct np_tgroup *tg, int k);
void np_tconn_offer_many(struct kunit *test, struct np_group *g, int n, int err);
void np_tconn_expect(struct kunit *test, int first, int n, u8 stage, u8 events);

static inline u8 np_tconn_stage(const struct np_tgroup *tg, int k)
{
	return READ_ONCE(tg->conn[k]->stage);
}

/* The server that a member is of. */
static inline int np_tgroup_index(const struct np_tgroup *tg, const struct np_member *m)
{
	int i;

	for (i = 0; i < NP_TMEMBERS; i++)
		if (m && tg->server[i].m == m)
			return i;
	return -1;
}

static inline struct np_net *np_tnet(void)
{
	return np_net(&init_net);
}

#endif /* _NP_TESTS_GROUP_LIB_H */
