// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the tests of groups share.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "group_lib.h"

/* That of the test that runs: members have no room for what they are of. */
static struct np_tgroup *np_tgroup_now;

static void np_tserver_ready(struct np_member *m)
{
	struct np_tgroup *tg = np_tgroup_now;
	int i = tg ? np_tgroup_index(tg, m) : -1;

	if (i >= 0)
		tg->server[i].ready++;
}

/**
 * np_tgroup_init - the init callback of suites about groups
 * @test: the test
 *
 * Nobody is silent unless the test says so.
 */
int np_tgroup_init(struct kunit *test)
{
	struct np_tgroup *tg = kvzalloc(sizeof(*tg), GFP_KERNEL);
	int err;

	if (!tg)
		return -ENOMEM;
	err = np_ports_init(&tg->ports);
	if (err) {
		kvfree(tg);
		return err;
	}
	tg->silent_time = np_tnet()->silent_time;
	WRITE_ONCE(np_tnet()->silent_time, 0);
	np_tgroup_now = tg;
	test->priv = tg;
	return 0;
}

/* The client's end of each; then nobody has anything of it but the test. */
static void np_tgroup_exit_conns(struct kunit *test)
{
	struct np_tgroup *tg = test->priv;
	int k, left = 0;

	for (k = 0; k < tg->nconns; k++) {
		if (!tg->conn[k])
			continue;
		np_group_cancel(tg->conn[k]);
		np_conn_drop_end(tg->conn[k], NP_CLIENT);
		left += refcount_read(&tg->conn[k]->ref) != 1;
		np_conn_put(tg->conn[k]);
	}
	KUNIT_EXPECT_EQ_MSG(test, left, 0, "connections that somebody has");
}

/* What a failed test has left open. */
static void np_tgroup_exit_servers(struct kunit *test)
{
	struct np_tgroup *tg = test->priv;
	struct np_tserver *s;
	int i;

	for (i = 0; i < NP_TMEMBERS; i++) {
		s = &tg->server[i];
		if (s->m && s->claim.port)
			np_tserver_close(test, i);
		else if (s->m)
			np_tgroup_remove(test, i);
		np_tclaim_drop(&tg->ports, &s->claim);
	}
}

/* Groups of the test that hold their port are given up. */
static void np_tgroup_exit_held(struct kunit *test)
{
	struct np_tgroup *tg = test->priv;
	struct np_net *nn = np_tnet();
	struct np_group *g;

	for (;;) {
		spin_lock(&nn->held_lock);
		g = list_first_entry_or_null(&nn->held, struct np_group, held_node);
		if (g && g->ports == &tg->ports)
			np_group_get(g);
		else
			g = NULL;
		spin_unlock(&nn->held_lock);
		if (!g)
			break;
		KUNIT_FAIL(test, "a group still holds port %u\n", g->listener.number);
		np_group_set_grace(g, 0, NULL);
		np_group_put(g);
	}
}

/**
 * np_tgroup_exit - the exit callback of suites about groups
 * @test: the test
 *
 * There must not be anything that is left of a group on the port table, or of a
 * connection.
 */
void np_tgroup_exit(struct kunit *test)
{
	struct np_tgroup *tg = test->priv;

	if (!tg)
		return;
	np_tgroup_exit_servers(test);
	np_tgroup_exit_held(test);
	np_tgroup_exit_conns(test);
	if (tg->g) {
		KUNIT_EXPECT_EQ(test, refcount_read(&tg->g->share.ref), 1U);
		np_group_put(tg->g);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&tg->ports.table.nelems), 0);
	WRITE_ONCE(np_tnet()->silent_time, tg->silent_time);
	np_tgroup_now = NULL;
	if (!atomic_read(&tg->ports.table.nelems))
		np_ports_exit(&tg->ports);
	else
		rhashtable_destroy(&tg->ports.table);
	kvfree(tg);
}

/* --- a group without a port ----------------------------------------------------- */

/**
 * np_tgroup_new - make the test's group
 * @test: the test
 */
void np_tgroup_new(struct kunit *test)
{
	struct np_tgroup *tg = test->priv;

	tg->g = np_group_alloc(&init_net, &tg->ports);
	KUNIT_ASSERT_NOT_NULL(test, tg->g);
	np_tgroup_check(test, tg->g);
}

/* A socket becomes a member of a group; the caller's reference to that is its. */
static int np_tserver_enter(struct kunit *test, int i, struct np_group *g, u32 secid)
{
	struct np_tgroup *tg = test->priv;
	struct np_tserver *s = &tg->server[i];
	int err;

	KUNIT_ASSERT_NULL(test, s->m);
	s->m = np_member_alloc(NULL, np_tserver_ready);
	KUNIT_ASSERT_NOT_NULL(test, s->m);
	KUNIT_ASSERT_EQ(test, np_group_reserve(g), 0);
	spin_lock(&g->lock);
	err = np_group_may_join(g, secid);
	if (!err) {
		if (!g->nmembers && g->state == NP_GROUP_IDLE)
			g->secid = secid;
		s->m->secid = secid;
		np_group_add(g, s->m);
	}
	spin_unlock(&g->lock);
	if (!err)
		return 0;
	np_member_free(s->m);
	s->m = NULL;
	return err;
}

/**
 * np_tgroup_add - one more member of the test's group, which does not listen
 * @test: the test
 * @i: the server's number
 */
struct np_tserver *np_tgroup_add(struct kunit *test, int i)
{
	struct np_tgroup *tg = test->priv;

	np_group_get(tg->g);
	KUNIT_ASSERT_EQ(test, np_tserver_enter(test, i, tg->g, 0), 0);
	tg->server[i].ready = 0;
	return &tg->server[i];
}

/**
 * np_tgroup_start - a member of the test's group listens, and becomes one if need be
 * @test: the test
 * @i: the server's number
 * @backlog: its backlog
 */
struct np_tserver *np_tgroup_start(struct kunit *test, int i, u32 backlog)
{
	struct np_tgroup *tg = test->priv;
	struct np_tserver *s = &tg->server[i];

	if (!s->m)
		np_tgroup_add(test, i);
	KUNIT_ASSERT_EQ(test, np_member_start(s->m, backlog, NP_TRCVBUF), 0);
	s->live = true;
	np_tgroup_check(test, tg->g);
	return s;
}

/**
 * np_tgroup_stop - a member of the test's group ceases to listen
 * @test: the test
 * @i: the server's number
 *
 * Return: clients that were turned away.
 */
unsigned int np_tgroup_stop(struct kunit *test, int i)
{
	struct np_tgroup *tg = test->priv;
	struct np_tserver *s = &tg->server[i];
	unsigned int n = np_member_stop(s->m);

	s->live = false;
	KUNIT_EXPECT_NULL(test, s->m->cred);
	KUNIT_EXPECT_EQ(test, s->m->npending, 0U);
	np_tgroup_check(test, s->m->group);
	return n;
}

/**
 * np_tgroup_remove - a member of the test's group closes
 * @test: the test
 * @i: the server's number
 */
void np_tgroup_remove(struct kunit *test, int i)
{
	struct np_tgroup *tg = test->priv;
	struct np_tserver *s = &tg->server[i];
	struct np_group *g = s->m->group;

	if (s->live)
		np_tgroup_stop(test, i);
	spin_lock(&g->lock);
	np_group_remove(g, s->m);
	spin_unlock(&g->lock);
	np_member_free(s->m);
	s->m = NULL;
	np_group_put(g);
}

static u32 np_tgroup_length(const struct list_head *list)
{
	const struct list_head *at;
	u32 n = 0;

	list_for_each(at, list)
		n++;
	return n;
}

/* Which rule does a member break? NULL: none. */
static const char *np_tgroup_member_fault(const struct np_member *m)
{
	bool room = m->npending <= m->backlog;

	if (m->npending != np_tgroup_length(&m->pending))
		return "npending counts what is pending";
	if (np_seat_is_taken(&m->seat) != m->live)
		return "who is live has a seat";
	if (list_empty(&m->quiet) == m->silent)
		return "who is silent is in the list of these";
	if (m->silent && (!m->live || !m->npending))
		return "who is silent is live, and has something to accept";
	if (!m->cred == m->live || !m->pid == m->live)
		return "who is live has credentials";
	if (m->live && (m->seat.load != m->npending || m->seat.weight != m->weight))
		return "the seat knows load and weight";
	if (m->live && m->seat.is_open != room)
		return "the seat is open if there is room";
	return NULL;
}

static const char *np_tgroup_members_fault(const struct np_group *g)
{
	u32 nmembers = 0, nlive = 0, npending = g->norphans;
	const struct np_member *m;
	const char *fault;

	list_for_each_entry(m, &g->members, node) {
		fault = np_tgroup_member_fault(m);
		if (fault)
			return fault;
		nmembers++;
		nlive += m->live;
		npending += m->npending;
	}
	if (g->nmembers != nmembers || g->nlive != nlive || g->pick.nseats != nlive)
		return "the group knows how many members there are, and are live";
	if (g->npending != npending)
		return "the group's npending is its members', and the orphans";
	return NULL;
}

static const char *np_tgroup_fault(const struct np_group *g)
{
	const char *fault = np_tgroup_members_fault(g);
	bool live = g->state == NP_GROUP_LIVE;

	if (fault)
		return fault;
	if (g->norphans != np_tgroup_length(&g->orphans) ||
	    g->nwaiting != np_tgroup_length(&g->waiting))
		return "the group's queues are as long as it says";
	if (live != !!g->nlive)
		return "the group is live if a member is";
	if (g->state != NP_GROUP_GRACE && g->norphans)
		return "there are orphans in the grace time only";
	if (g->state == NP_GROUP_IDLE && g->nwaiting + g->npending)
		return "nobody waits for nobody";
	if (g->nwaiting && live && np_pick_first(&g->pick))
		return "nobody waits where there is room";
	if (g->nwaiting && g->state == NP_GROUP_GRACE && g->norphans <= g->backlog)
		return "nobody waits while there is room for orphans";
	if (g->helper && (list_empty(&g->silent) || !g->helper->live ||
			  g->helper->silent))
		return "there is a helper if there is a silent one, which it is not";
	return NULL;
}

/**
 * np_tgroup_check - what holds of a group at any time
 * @test: the test
 * @g: the group
 */
void np_tgroup_check(struct kunit *test, struct np_group *g)
{
	const char *fault;

	spin_lock(&g->lock);
	fault = np_tgroup_fault(g);
	spin_unlock(&g->lock);
	if (fault)
		KUNIT_FAIL(test, "does not hold: %s\n", fault);
}

/* --- servers --------------------------------------------------------------------- */

/**
 * np_tserver_bind - as bind() of a socket with SO_REUSEPORT
 * @test: the test
 * @i: the server's number; not bound
 * @w: how it is set up
 * @port: where to
 * @secid: its LSM's label
 *
 * Return: 0 or -EADDRINUSE.
 */
int np_tserver_bind(struct kunit *test, int i, const struct np_who *w, u16 port,
		    u32 secid)
{
	struct np_tgroup *tg = test->priv;
	struct np_tserver *s = &tg->server[i];
	struct np_group *fresh, *g;
	int err;

	np_who_fill(&s->claim, w);
	err = np_claim_bind(&tg->ports, &s->claim, port);
	if (err)
		return err;
	fresh = np_group_alloc(&init_net, &tg->ports);
	KUNIT_ASSERT_NOT_NULL(test, fresh);
	g = container_of(np_claim_share(&s->claim, &fresh->share), struct np_group,
			 share);
	if (g != fresh)
		np_group_put(fresh);
	err = np_tserver_enter(test, i, g, secid);
	if (err) {
		np_claim_unshare(&s->claim);
		np_group_put(g);
		np_claim_drop(&tg->ports, &s->claim);
	}
	s->ready = 0;
	return err;
}

/**
 * np_tserver_listen - as listen()
 * @test: the test
 * @i: the server's number; bound
 * @backlog: its backlog
 *
 * Return: 0 or -EADDRINUSE.
 */
int np_tserver_listen(struct kunit *test, int i, u32 backlog)
{
	struct np_tgroup *tg = test->priv;
	struct np_tserver *s = &tg->server[i];
	int err = np_claim_listen(&s->claim);

	if (err)
		return err;
	err = np_member_start(s->m, backlog, NP_TRCVBUF);
	if (err) {
		np_claim_unlisten(&s->claim);
		return err;
	}
	np_claim_publish(&s->claim, &s->m->group->listener);
	np_group_hold_port(s->m->group, &s->claim);
	s->live = true;
	return 0;
}

/**
 * np_tserver_unlisten - as shutdown()
 * @test: the test
 * @i: the server's number; it listens
 *
 * Return: clients that were turned away.
 */
unsigned int np_tserver_unlisten(struct kunit *test, int i)
{
	struct np_tgroup *tg = test->priv;
	struct np_tserver *s = &tg->server[i];

	np_claim_unlisten(&s->claim);
	np_claim_unpublish(&s->claim, &s->m->group->listener);
	s->live = false;
	return np_member_stop(s->m);
}

/**
 * np_tserver_close - as close()
 * @test: the test
 * @i: the server's number; bound
 */
void np_tserver_close(struct kunit *test, int i)
{
	struct np_tgroup *tg = test->priv;
	struct np_tserver *s = &tg->server[i];
	struct np_group *g = s->m->group;

	if (s->live)
		np_tserver_unlisten(test, i);
	spin_lock(&g->lock);
	np_group_remove(g, s->m);
	spin_unlock(&g->lock);
	np_claim_unshare(&s->claim);
	np_group_put(g);
	np_member_free(s->m);
	s->m = NULL;
	np_claim_drop(&tg->ports, &s->claim);
}

/**
 * np_tserver_find - as connect() looks for a server
 * @tg: the test's surroundings
 * @dst: the address that is connected to
 * @port: the port
 *
 * Return: the group, with a reference, or NULL.
 */
struct np_group *np_tserver_find(struct np_tgroup *tg, enum np_form dst, u16 port)
{
	struct np_addr a = np_form_addr(dst, port);

	return np_group_find(&tg->ports, &a, 1, false);
}

/* --- connections ------------------------------------------------------------------- */

/**
 * np_tconn_alloc - a connection for a client, as threads make them
 * @tg: the test's surroundings
 * @g: the group that it is for
 * @k: its number
 *
 * Return: its number, or -ENOMEM.
 */
int np_tconn_alloc(struct np_tgroup *tg, struct np_group *g, int k)
{
	struct np_conn *conn = np_conn_alloc(&np_tnet()->pool);

	if (!conn)
		return -ENOMEM;
	np_conn_get(conn);
	np_group_get(g);
	conn->group = g;
	np_addr_set_v4(&conn->end[NP_CLIENT].ip, htonl(INADDR_LOOPBACK));
	np_addr_set_v4(&conn->end[NP_SERVER].ip, htonl(INADDR_LOOPBACK));
	conn->end[NP_CLIENT].port = htons(10000 + k);
	conn->end[NP_SERVER].port = htons(NP_TPORT);
	tg->conn[k] = conn;
	return k;
}

/**
 * np_tconn_make - a client has a connection, which is not offered to anybody yet
 * @test: the test
 * @g: the group that it is for
 *
 * Return: its number.
 */
int np_tconn_make(struct kunit *test, struct np_group *g)
{
	struct np_tgroup *tg = test->priv;
	int k = tg->nconns++;

	KUNIT_ASSERT_LT(test, k, NP_TCONNS);
	KUNIT_ASSERT_EQ(test, np_tconn_alloc(tg, g, k), k);
	return k;
}

/**
 * np_tconn_offer_to - a client connects, and a program has named a member
 * @test: the test
 * @g: the group
 * @m: the member, or NULL
 *
 * Return: what np_group_offer() does.
 */
int np_tconn_offer_to(struct kunit *test, struct np_group *g, struct np_member *m)
{
	struct np_tgroup *tg = test->priv;
	int k = np_tconn_make(test, g), err;

	rcu_read_lock();
	err = np_group_offer(g, tg->conn[k], m);
	rcu_read_unlock();
	if (err && err != -EINPROGRESS)
		np_conn_drop_end(tg->conn[k], NP_SERVER);
	return err;
}

/**
 * np_tconn_offer - a client connects
 * @test: the test
 * @g: the group
 *
 * Return: what np_group_offer() does.
 */
int np_tconn_offer(struct kunit *test, struct np_group *g)
{
	return np_tconn_offer_to(test, g, NULL);
}

/**
 * np_tconn_offer_many - many clients connect, one after the other
 * @test: the test
 * @g: the group
 * @n: how many
 * @err: what np_group_offer() is to return for each
 */
void np_tconn_offer_many(struct kunit *test, struct np_group *g, int n, int err)
{
	int i, got, wrong = 0;

	for (i = 0; i < n; i++) {
		got = np_tconn_offer(test, g);
		if (got != err && !wrong++)
			KUNIT_FAIL(test, "number %d of %d: %d instead of %d\n", i, n,
				   got, err);
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	np_tgroup_check(test, g);
}

/**
 * np_tconn_index - the number of a connection
 * @tg: the test's surroundings
 * @conn: the connection, or NULL
 *
 * Return: the number; -1: there is none; -2: it is none of the test's.
 */
int np_tconn_index(const struct np_tgroup *tg, const struct np_conn *conn)
{
	int k;

	if (!conn)
		return -1;
	k = ntohs(conn->end[NP_CLIENT].port) - 10000;
	return k >= 0 && k < tg->nconns && tg->conn[k] == conn ? k : -2;
}

/**
 * np_tconn_take - a server calls accept(), and is done with what it gets
 * @test: the test
 * @i: the server's number
 *
 * Return: the number of the connection that it got, or -1.
 */
int np_tconn_take(struct kunit *test, int i)
{
	struct np_tgroup *tg = test->priv;
	struct np_member *m = tg->server[i].m;
	struct np_conn *conn = np_member_take(m);
	int k = np_tconn_index(tg, conn);

	if (k < 0)
		return k;
	KUNIT_EXPECT_EQ(test, np_tconn_stage(tg, k), (u8)NP_CONN_TAKEN);
	KUNIT_EXPECT_TRUE(test, list_empty(&conn->node));
	np_conn_drop_end(conn, NP_SERVER);
	np_conn_put(conn);
	tg->order[tg->ntaken++] = k;
	np_tgroup_check(test, m->group);
	return k;
}

/**
 * np_tconn_events - what has happened to a client
 * @tg: the test's surroundings
 * @k: the connection's number
 */
u8 np_tconn_events(struct np_tgroup *tg, int k)
{
	u8 events;

	spin_lock(&tg->conn[k]->lock);
	events = tg->conn[k]->end[NP_CLIENT].events;
	spin_unlock(&tg->conn[k]->lock);
	return events;
}

/**
 * np_tconn_expect - some connections must be alike
 * @test: the test
 * @first: the first
 * @n: how many
 * @stage: where they are
 * @events: what has happened to their clients
 */
void np_tconn_expect(struct kunit *test, int first, int n, u8 stage, u8 events)
{
	struct np_tgroup *tg = test->priv;
	int k, wrong = 0;

	for (k = first; k < first + n; k++) {
		if (np_tconn_stage(tg, k) == stage && np_tconn_events(tg, k) == events)
			continue;
		if (!wrong++)
			KUNIT_FAIL(test, "connection %d: stage %u, events 0x%x\n", k,
				   np_tconn_stage(tg, k), np_tconn_events(tg, k));
	}
	KUNIT_EXPECT_EQ_MSG(test, wrong, 0, "of %d from %d on are not: stage %u, events 0x%x",
			    n, first, stage, events);
}
