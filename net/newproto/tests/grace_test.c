// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of groups: the grace time, in which an address is kept without a member.
 */
#include "group_lib.h"

static const struct np_who np_grace_who = { NP_FORM_V4_A, 0, 1, 10, 0 };

/* A server is bound. The test has a reference to its group for its end. */
static struct np_group *np_grace_bind(struct kunit *test, int i, int ms)
{
	struct np_tgroup *tg = test->priv;
	struct np_group *g;

	KUNIT_ASSERT_EQ(test, np_tserver_bind(test, i, &np_grace_who, NP_TPORT, 0), 0);
	g = tg->server[i].m->group;
	if (ms)
		np_group_set_grace(g, ms, &tg->server[i].claim);
	np_group_get(g);
	return g;
}

/* And it listens. */
static struct np_group *np_grace_serve(struct kunit *test, int i, u32 backlog, int ms)
{
	struct np_group *g = np_grace_bind(test, i, ms);

	KUNIT_ASSERT_EQ(test, np_tserver_listen(test, i, backlog), 0);
	np_tgroup_check(test, g);
	return g;
}

/* The test's reference is the last: nothing is left of the group. */
static void np_grace_gone(struct kunit *test, struct np_group *g)
{
	struct np_tgroup *tg = test->priv;
	int k;

	for (k = 0; k < tg->nconns; k++)
		if (tg->conn[k]->group == g) {
			np_conn_drop_end(tg->conn[k], NP_CLIENT);
			KUNIT_EXPECT_EQ(test, refcount_read(&tg->conn[k]->ref), 1U);
			np_conn_put(tg->conn[k]);
			tg->conn[k] = NULL;
		}
	tg->nconns = 0;
	KUNIT_EXPECT_EQ(test, refcount_read(&g->share.ref), 1U);
	KUNIT_EXPECT_EQ(test, g->state, (u8)NP_GROUP_IDLE);
	KUNIT_EXPECT_FALSE(test, g->held);
	KUNIT_EXPECT_TRUE(test, list_empty(&g->held_node));
	KUNIT_EXPECT_EQ(test, g->share.users, 0U);
	KUNIT_EXPECT_EQ(test, g->listener.users, 0U);
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(&g->expiry));
	KUNIT_EXPECT_EQ(test, atomic_read(&tg->ports.table.nelems), 0);
	np_group_put(g);
}

/* Clients connect: each must get the same answer. */
static void np_grace_connect(struct kunit *test, int n, int want)
{
	struct np_tgroup *tg = test->priv;
	struct np_group *g;
	int err;

	while (n--) {
		g = np_tserver_find(tg, NP_FORM_V4_A, NP_TPORT);
		err = -ECONNREFUSED;
		if (g) {
			err = np_tconn_offer(test, g);
			np_tgroup_check(test, g);
			np_group_put(g);
		}
		KUNIT_ASSERT_EQ_MSG(test, err, want, "%d are still to connect", n);
	}
}

/* A server accepts these, in this order. */
static void np_grace_accept(struct kunit *test, int i, int first, int n)
{
	int k;

	for (k = first; k < first + n; k++)
		KUNIT_ASSERT_EQ(test, np_tconn_take(test, i), k);
}

static void np_grace_expect_running(struct kunit *test, struct np_group *g, u32 orphans)
{
	struct np_tgroup *tg = test->priv;
	struct np_group *found;

	np_tgroup_check(test, g);
	KUNIT_EXPECT_EQ(test, g->state, (u8)NP_GROUP_GRACE);
	KUNIT_EXPECT_TRUE(test, g->held);
	KUNIT_EXPECT_EQ(test, g->norphans, orphans);
	KUNIT_EXPECT_TRUE(test, delayed_work_pending(&g->expiry));
	KUNIT_EXPECT_EQ(test, atomic_read(&tg->ports.table.nelems), 1);
	found = np_tserver_find(tg, NP_FORM_V4_A, NP_TPORT);
	KUNIT_EXPECT_PTR_EQ(test, found, g);
	if (found)
		np_group_put(found);
}

/* The time is over. */
static void np_grace_expire(struct np_group *g)
{
	spin_lock(&g->lock);
	g->grace_end = jiffies - 1;
	spin_unlock(&g->lock);
	flush_delayed_work(&g->expiry);
}

/* --- begin -------------------------------------------------------------------------- */

/* It begins with the last live member's leaving, and with no other's. */
static void np_grace_begin(struct kunit *test)
{
	struct np_tgroup *tg = test->priv;
	struct np_group *g = np_grace_serve(test, 0, 9, NP_TLONG_MS);

	KUNIT_EXPECT_TRUE(test, g->held);
	KUNIT_EXPECT_FALSE(test, list_empty(&g->held_node));
	np_group_put(np_grace_serve(test, 1, 4, 0));
	np_grace_connect(test, 6, 0);
	np_tserver_close(test, 0);
	KUNIT_EXPECT_EQ(test, g->state, (u8)NP_GROUP_LIVE);
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(&g->expiry));
	KUNIT_EXPECT_EQ(test, tg->server[1].m->npending, 6U);
	np_tserver_close(test, 1);
	np_grace_expect_running(test, g, 6);
	np_tconn_expect(test, 0, 6, NP_CONN_PENDING, 0);
	KUNIT_EXPECT_EQ(test, g->backlog, 4U);
	KUNIT_EXPECT_EQ(test, g->nmembers, 0U);
	/* Who listened is who SO_PEERCRED names. */
	KUNIT_EXPECT_PTR_EQ(test, g->cred, current_cred());
	KUNIT_EXPECT_PTR_EQ(test, g->pid, task_tgid(current));
	np_grace_expire(g);
	np_grace_gone(test, g);
}

/* Without it an address ends with its last member. */
static void np_grace_none(struct kunit *test)
{
	struct np_tgroup *tg = test->priv;
	struct np_group *g = np_grace_serve(test, 0, 9, 0);

	KUNIT_EXPECT_FALSE(test, g->held);
	np_grace_connect(test, 3, 0);
	np_tserver_close(test, 0);
	np_tconn_expect(test, 0, 3, NP_CONN_DEAD, NP_EV_DROPPED);
	KUNIT_EXPECT_PTR_EQ(test, np_tserver_find(tg, NP_FORM_V4_A, NP_TPORT), NULL);
	np_grace_connect(test, 1, -ECONNREFUSED);
	np_grace_gone(test, g);
}

/* A member that is bound and does not listen any more is no live one. */
static void np_grace_shutdown(struct kunit *test)
{
	struct np_tgroup *tg = test->priv;
	struct np_group *g = np_grace_serve(test, 0, 9, NP_TLONG_MS);

	np_grace_connect(test, 3, 0);
	KUNIT_EXPECT_EQ(test, np_tserver_unlisten(test, 0), 0U);
	np_grace_expect_running(test, g, 3);
	np_grace_connect(test, 2, 0);
	/* It may be its own successor. */
	KUNIT_EXPECT_EQ(test, np_tserver_listen(test, 0, 1), 0);
	KUNIT_EXPECT_EQ(test, g->state, (u8)NP_GROUP_LIVE);
	KUNIT_EXPECT_EQ(test, tg->server[0].m->npending, 5U);
	np_grace_accept(test, 0, 0, 5);
	np_tserver_close(test, 0);
	np_grace_expect_running(test, g, 0);
	np_grace_expire(g);
	np_grace_gone(test, g);
}

/* --- while it runs -------------------------------------------------------------------- */

static const u32 np_grace_backlogs[] = { 0, 1, 5, 300 };

static void np_grace_backlog_desc(const u32 *backlog, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "backlog %u", *backlog);
}

KUNIT_ARRAY_PARAM(np_grace_backlog, np_grace_backlogs, np_grace_backlog_desc);

/* The last member's backlog goes on to count, and what was pending counts in it. */
static void np_grace_backlog(struct kunit *test)
{
	u32 backlog = *(const u32 *)test->param_value;
	struct np_group *g = np_grace_serve(test, 0, backlog, NP_TLONG_MS);
	struct np_tgroup *tg = test->priv;
	int n = backlog + 1, half = n / 2;

	np_grace_connect(test, half, 0);
	np_tserver_close(test, 0);
	np_grace_connect(test, n - half, 0);
	np_grace_expect_running(test, g, n);
	np_grace_connect(test, 9, -EINPROGRESS);
	np_tconn_expect(test, n, 9, NP_CONN_WAITING, 0);
	KUNIT_EXPECT_EQ(test, tg->conn[n]->chan[NP_CLIENT].rcap, (u32)NP_TRCVBUF);
	KUNIT_EXPECT_TRUE(test, np_group_cancel(tg->conn[n + 4]));
	np_tgroup_check(test, g);
	/* A successor with more room takes all. */
	np_group_put(np_grace_serve(test, 1, backlog + 100, 0));
	KUNIT_EXPECT_EQ(test, g->nwaiting, 0U);
	np_grace_accept(test, 1, 0, n + 4);
	np_grace_accept(test, 1, n + 5, 4);
	np_tserver_close(test, 1);
	np_grace_expire(g);
	np_grace_gone(test, g);
}

/* What was moved beyond the last member's backlog stays, and leaves no room. */
static void np_grace_too_many(struct kunit *test)
{
	struct np_group *g = np_grace_serve(test, 0, 9, NP_TLONG_MS);

	np_grace_connect(test, 10, 0);
	np_group_put(np_grace_serve(test, 1, 0, 0));
	np_grace_connect(test, 1, 0);
	np_grace_connect(test, 1, -EINPROGRESS);
	np_tserver_close(test, 0);
	np_tserver_close(test, 1);
	np_grace_expect_running(test, g, 11);
	KUNIT_EXPECT_EQ(test, g->nwaiting, 1U);
	np_grace_connect(test, 1, -EINPROGRESS);
	np_group_put(np_grace_serve(test, 2, 20, 0));
	/* The second's own was there before it got the others. */
	np_grace_accept(test, 2, 10, 1);
	np_grace_accept(test, 2, 0, 10);
	np_grace_accept(test, 2, 11, 2);
	np_tserver_close(test, 2);
	np_grace_expire(g);
	np_grace_gone(test, g);
}

/* --- a successor ------------------------------------------------------------------------ */

/* All that has waited, several batches, in order, before anything new. */
static void np_grace_successor(struct kunit *test)
{
	struct np_group *g = np_grace_serve(test, 0, 699, NP_TLONG_MS);
	struct np_tgroup *tg = test->priv;
	struct np_tserver *s = &tg->server[1];

	np_grace_connect(test, 400, 0);
	np_tserver_close(test, 0);
	np_grace_connect(test, 300, 0);
	np_grace_connect(test, 50, -EINPROGRESS);
	np_group_put(np_grace_bind(test, 1, 0));
	np_grace_expect_running(test, g, 700);
	KUNIT_EXPECT_EQ(test, np_tserver_listen(test, 1, 5), 0);
	np_tgroup_check(test, g);
	KUNIT_EXPECT_EQ(test, g->state, (u8)NP_GROUP_LIVE);
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(&g->expiry));
	KUNIT_EXPECT_EQ(test, g->norphans, 0U);
	KUNIT_EXPECT_EQ(test, s->m->npending, 700U);
	KUNIT_EXPECT_EQ(test, s->ready, 700);
	KUNIT_EXPECT_EQ(test, s->m->stats.moved_in, 700ULL);
	KUNIT_EXPECT_EQ(test, s->m->stats.chosen, 0ULL);
	KUNIT_EXPECT_EQ(test, g->past.moved_out, 400ULL);
	np_grace_connect(test, 1, -EINPROGRESS);
	np_grace_accept(test, 1, 0, 751);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), -1);
	/* And the next one begins anew. */
	np_tserver_close(test, 1);
	np_grace_expect_running(test, g, 0);
	KUNIT_EXPECT_EQ(test, g->backlog, 5U);
	np_grace_expire(g);
	np_grace_gone(test, g);
}

/* Two come at once: it does not matter which of them gets what. */
static void np_grace_successors(struct kunit *test)
{
	struct np_group *g = np_grace_serve(test, 0, 9, NP_TLONG_MS);
	struct np_tgroup *tg = test->priv;

	np_grace_connect(test, 10, 0);
	np_tserver_close(test, 0);
	np_group_put(np_grace_bind(test, 1, 0));
	np_group_put(np_grace_bind(test, 2, 0));
	KUNIT_EXPECT_EQ(test, np_tserver_listen(test, 2, 9), 0);
	KUNIT_EXPECT_EQ(test, np_tserver_listen(test, 1, 9), 0);
	KUNIT_EXPECT_EQ(test, tg->server[2].m->npending, 10U);
	np_grace_connect(test, 4, 0);
	KUNIT_EXPECT_EQ(test, tg->server[1].m->npending, 4U);
	np_grace_accept(test, 1, 10, 4);
	np_tserver_close(test, 2);
	np_grace_accept(test, 1, 0, 10);
	np_tserver_close(test, 1);
	np_grace_expire(g);
	np_grace_gone(test, g);
}

/* Again and again, with somebody who waits at each turn. */
static void np_grace_restarts(struct kunit *test)
{
	struct np_group *g = np_grace_serve(test, 0, 2, NP_TLONG_MS);
	int i, done = 0;

	for (i = 1; i <= 60; i++) {
		np_grace_connect(test, 1 + i % 3, 0);
		np_tserver_close(test, (i - 1) % 2);
		np_grace_expect_running(test, g, 1 + i % 3);
		np_grace_connect(test, 2 - i % 3, 0);
		np_grace_connect(test, 1, -EINPROGRESS);
		np_group_put(np_grace_serve(test, i % 2, 2, 0));
		np_grace_accept(test, i % 2, done, 4);
		done += 4;
	}
	np_tserver_close(test, 60 % 2);
	np_grace_expire(g);
	np_grace_gone(test, g);
}

/* --- strangers ---------------------------------------------------------------------------- */

/* Who may have the port while it is kept? */
static const struct np_stranger_row {
	const char *name;
	struct np_who who;
	int err;
} np_stranger_rows[] = {
	{ "a successor", { NP_FORM_V4_A, 0, 1, 10 }, 0 },
	{ "a successor that reuses", { NP_FORM_V4_A, 1, 1, 10 }, 0 },
	{ "another user", { NP_FORM_V4_A, 0, 1, 11 }, -EADDRINUSE },
	{ "another user that reuses", { NP_FORM_V4_A, 1, 1, 11 }, -EADDRINUSE },
	{ "without SO_REUSEPORT", { NP_FORM_V4_A, 0, 0, 10 }, -EADDRINUSE },
	{ "with SO_REUSEADDR only", { NP_FORM_V4_A, 1, 0, 10 }, -EADDRINUSE },
	{ "mapped, SO_REUSEPORT", { NP_FORM_MAPPED_A, 0, 1, 10 }, 0 },
	{ "mapped", { NP_FORM_MAPPED_A, 0, 0, 10 }, -EADDRINUSE },
	{ "a wildcard, SO_REUSEPORT", { NP_FORM_V4_ANY, 0, 1, 10 }, 0 },
	{ "a wildcard", { NP_FORM_V4_ANY, 1, 0, 10 }, -EADDRINUSE },
	{ "dual-stack", { NP_FORM_V6_ANY, 1, 0, 10 }, -EADDRINUSE },
	{ "v6only", { NP_FORM_V6_ANY_ONLY, 0, 0, 11 }, 0 },
	{ "another address", { NP_FORM_V4_B, 0, 0, 11 }, 0 },
	{ "on a device", { NP_FORM_V4_A, 0, 0, 10, 1 }, -EADDRINUSE },
	{ "on a device, SO_REUSEPORT", { NP_FORM_V4_A, 0, 1, 10, 1 }, 0 },
};

static void np_stranger_desc(const struct np_stranger_row *r, char *desc)
{
	strscpy(desc, r->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_stranger, np_stranger_rows, np_stranger_desc);

static void np_grace_strangers(struct kunit *test)
{
	const struct np_stranger_row *r = test->param_value;
	struct np_group *g = np_grace_serve(test, 0, 9, NP_TLONG_MS);
	struct np_tgroup *tg = test->priv;
	struct np_claim *c = np_twho_claim(test, &r->who);

	np_grace_connect(test, 2, 0);
	np_tserver_close(test, 0);
	KUNIT_EXPECT_EQ(test, np_claim_bind(&tg->ports, c, NP_TPORT), r->err);
	np_grace_expect_running(test, g, 2);
	np_tclaim_drop(&tg->ports, c);
	np_grace_expire(g);
	/* Then it is anybody's. */
	KUNIT_EXPECT_EQ(test, np_claim_bind(&tg->ports, c, NP_TPORT), 0);
	np_tclaim_drop(&tg->ports, c);
	np_grace_gone(test, g);
}

/* A port that is kept is not chosen for anybody. */
static void np_grace_not_chosen(struct kunit *test)
{
	struct np_group *g = np_grace_serve(test, 0, 9, NP_TLONG_MS);
	struct np_range range = { .lo = NP_TPORT, .hi = NP_TPORT };
	struct np_claim *any = np_twho_claim(test, &np_grace_who);
	struct np_claim *conn = np_tclaim_connected(test, NP_FORM_V4_A, NP_FORM_V4_A, 80);
	struct np_tgroup *tg = test->priv;

	np_tserver_close(test, 0);
	KUNIT_EXPECT_EQ(test, np_claim_bind_any(&tg->ports, any, &range), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, np_claim_connect(&tg->ports, conn, &range), -EADDRNOTAVAIL);
	np_grace_expire(g);
	KUNIT_EXPECT_EQ(test, np_claim_bind_any(&tg->ports, any, &range), 0);
	np_tclaim_drop(&tg->ports, any);
	KUNIT_EXPECT_EQ(test, np_claim_connect(&tg->ports, conn, &range), 0);
	np_tclaim_drop(&tg->ports, conn);
	np_grace_gone(test, g);
}

/* One that may be bound there as well, with another address, is no successor. */
static void np_grace_other_address(struct kunit *test)
{
	static const struct np_who any = { NP_FORM_V4_ANY, 0, 1, 10 };
	struct np_group *g = np_grace_serve(test, 0, 9, NP_TLONG_MS);
	struct np_tgroup *tg = test->priv;

	np_grace_connect(test, 2, 0);
	np_tserver_close(test, 0);
	KUNIT_ASSERT_EQ(test, np_tserver_bind(test, 1, &any, NP_TPORT, 0), 0);
	KUNIT_EXPECT_PTR_NE(test, tg->server[1].m->group, g);
	KUNIT_EXPECT_EQ(test, np_tserver_listen(test, 1, 9), 0);
	np_grace_expect_running(test, g, 2);
	np_grace_connect(test, 1, 0);
	np_grace_expect_running(test, g, 3);
	np_grace_expire(g);
	np_tconn_expect(test, 0, 3, NP_CONN_DEAD, NP_EV_DROPPED);
	/* It gets what comes from now on. */
	np_grace_connect(test, 1, 0);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), 3);
	KUNIT_EXPECT_EQ(test, refcount_read(&tg->conn[3]->group->share.ref), 2U);
	np_tserver_close(test, 1);
	np_conn_drop_end(tg->conn[3], NP_CLIENT);
	np_conn_put(tg->conn[3]);
	tg->nconns = 3;
	np_grace_gone(test, g);
}

/* A successor has the label of those before it; while they are there the port table's
 * rules are enough.
 */
static void np_grace_label(struct kunit *test)
{
	struct np_tgroup *tg = test->priv;
	struct np_group *g;

	KUNIT_ASSERT_EQ(test, np_tserver_bind(test, 0, &np_grace_who, NP_TPORT, 7), 0);
	g = tg->server[0].m->group;
	np_group_get(g);
	np_group_set_grace(g, NP_TLONG_MS, &tg->server[0].claim);
	KUNIT_EXPECT_EQ(test, np_tserver_listen(test, 0, 9), 0);
	KUNIT_EXPECT_EQ(test, g->secid, 7U);
	KUNIT_EXPECT_EQ(test, np_tserver_bind(test, 1, &np_grace_who, NP_TPORT, 8), 0);
	np_tserver_close(test, 1);
	np_grace_connect(test, 2, 0);
	np_tserver_close(test, 0);
	KUNIT_EXPECT_EQ(test, np_group_may_join(g, 7), 0);
	KUNIT_EXPECT_EQ(test, np_group_may_join(g, 8), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, np_group_may_join(g, 0), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, np_tserver_bind(test, 1, &np_grace_who, NP_TPORT, 8),
			-EADDRINUSE);
	np_grace_expect_running(test, g, 2);
	KUNIT_EXPECT_EQ(test, np_tserver_bind(test, 1, &np_grace_who, NP_TPORT, 7), 0);
	KUNIT_EXPECT_EQ(test, np_tserver_listen(test, 1, 9), 0);
	np_grace_accept(test, 1, 0, 2);
	np_tserver_close(test, 1);
	np_grace_expire(g);
	np_grace_gone(test, g);
}

/* Nor is one who was bound before, and begins to listen when nobody else is left. */
static void np_grace_label_late(struct kunit *test)
{
	struct np_tgroup *tg = test->priv;
	struct np_group *g;

	KUNIT_ASSERT_EQ(test, np_tserver_bind(test, 0, &np_grace_who, NP_TPORT, 7), 0);
	g = tg->server[0].m->group;
	np_group_get(g);
	np_group_set_grace(g, NP_TLONG_MS, &tg->server[0].claim);
	KUNIT_EXPECT_EQ(test, np_tserver_listen(test, 0, 9), 0);
	KUNIT_EXPECT_EQ(test, np_tserver_bind(test, 1, &np_grace_who, NP_TPORT, 8), 0);
	KUNIT_EXPECT_EQ(test, np_tserver_bind(test, 2, &np_grace_who, NP_TPORT, 7), 0);
	np_grace_connect(test, 2, 0);
	np_tserver_close(test, 0);
	KUNIT_EXPECT_EQ(test, np_tserver_listen(test, 1, 9), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, g->norphans, 2U);
	KUNIT_EXPECT_EQ(test, g->state, (u8)NP_GROUP_GRACE);
	KUNIT_EXPECT_EQ(test, np_tserver_listen(test, 2, 9), 0);
	/* While somebody is there, anybody of the group may listen. */
	KUNIT_EXPECT_EQ(test, np_tserver_listen(test, 1, 9), 0);
	np_grace_accept(test, 2, 0, 2);
	np_tserver_close(test, 1);
	np_tserver_close(test, 2);
	np_grace_expire(g);
	np_grace_gone(test, g);
}

/* A grace time is cut short where nobody may sleep. */
static void np_grace_cut(struct kunit *test)
{
	struct np_tgroup *tg = test->priv;
	struct np_group *g = np_grace_serve(test, 0, 9, NP_TLONG_MS);

	/* Not while there is a member. */
	np_group_cut_grace(g);
	np_grace_connect(test, 2, 0);
	np_tserver_close(test, 0);
	np_grace_expect_running(test, g, 2);
	np_group_cut_grace(g);
	flush_delayed_work(&g->expiry);
	np_tconn_expect(test, 0, 2, NP_CONN_DEAD, NP_EV_DROPPED);
	KUNIT_EXPECT_PTR_EQ(test, np_tserver_find(tg, NP_FORM_V4_A, NP_TPORT), NULL);
	np_grace_gone(test, g);
}

/* --- its end -------------------------------------------------------------------------------- */

/* Nobody has come: pending ones are reset, waiting ones refused, the address is free. */
static void np_grace_expiry(struct kunit *test)
{
	struct np_group *g = np_grace_serve(test, 0, 299, NP_TLONG_MS);
	struct np_tgroup *tg = test->priv;

	np_grace_connect(test, 100, 0);
	np_tserver_close(test, 0);
	np_grace_connect(test, 200, 0);
	np_grace_connect(test, 600, -EINPROGRESS);
	np_grace_expire(g);
	np_tconn_expect(test, 0, 300, NP_CONN_DEAD, NP_EV_DROPPED);
	np_tconn_expect(test, 300, 600, NP_CONN_DEAD, NP_EV_REFUSED);
	KUNIT_EXPECT_EQ(test, g->past.expired, 300ULL);
	KUNIT_EXPECT_EQ(test, g->past.reset, 0ULL);
	KUNIT_EXPECT_EQ(test, g->past.chosen, 300ULL);
	KUNIT_EXPECT_PTR_EQ(test, np_tserver_find(tg, NP_FORM_V4_A, NP_TPORT), NULL);
	/* One that has found it before does not get in any more. */
	KUNIT_EXPECT_EQ(test, np_tconn_offer(test, g), -ESTALE);
	np_grace_gone(test, g);
}

/* Work that comes too early, since it is an earlier time's, changes nothing. */
static void np_grace_early(struct kunit *test)
{
	struct np_group *g = np_grace_serve(test, 0, 9, NP_TLONG_MS);
	u32 refs;

	np_grace_connect(test, 3, 0);
	np_tserver_close(test, 0);
	refs = refcount_read(&g->share.ref);
	flush_delayed_work(&g->expiry);
	np_grace_expect_running(test, g, 3);
	KUNIT_EXPECT_EQ(test, refcount_read(&g->share.ref), refs);
	flush_delayed_work(&g->expiry);
	np_grace_expect_running(test, g, 3);
	np_group_put(np_grace_serve(test, 1, 9, 0));
	np_grace_accept(test, 1, 0, 3);
	np_tserver_close(test, 1);
	KUNIT_EXPECT_EQ(test, refcount_read(&g->share.ref), refs);
	np_grace_expire(g);
	np_grace_gone(test, g);
}

/* By the clock. */
static void np_grace_clock(struct kunit *test)
{
	unsigned long end = jiffies + NP_TEST_TIMEOUT, begin;
	struct np_group *g = np_grace_serve(test, 0, 9, 50);
	struct np_tgroup *tg = test->priv;

	np_grace_connect(test, 3, 0);
	np_tserver_close(test, 0);
	begin = jiffies;
	while (atomic_read(&tg->ports.table.nelems) && time_before(jiffies, end))
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(&tg->ports.table.nelems), 0,
			    "the port is still held");
	KUNIT_EXPECT_GE(test, jiffies - begin, msecs_to_jiffies(50) - 1);
	flush_delayed_work(&g->expiry);
	np_tconn_expect(test, 0, 3, NP_CONN_DEAD, NP_EV_DROPPED);
	np_grace_gone(test, g);
}

/* NEWPROTO_GRACE 0 while it runs, by a member that does not listen: it is over. */
static void np_grace_taken_back(struct kunit *test)
{
	struct np_group *g = np_grace_serve(test, 0, 1, NP_TLONG_MS);
	struct np_tgroup *tg = test->priv;

	np_group_put(np_grace_bind(test, 1, 0));
	np_grace_connect(test, 1, 0);
	np_tserver_close(test, 0);
	np_grace_connect(test, 1, 0);
	np_grace_connect(test, 1, -EINPROGRESS);
	np_group_set_grace(g, 0, &tg->server[1].claim);
	np_tgroup_check(test, g);
	np_tconn_expect(test, 0, 2, NP_CONN_DEAD, NP_EV_DROPPED);
	np_tconn_expect(test, 2, 1, NP_CONN_DEAD, NP_EV_REFUSED);
	/* Nothing is to run when the module may be gone. */
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(&g->expiry));
	KUNIT_EXPECT_PTR_EQ(test, np_tserver_find(tg, NP_FORM_V4_A, NP_TPORT), NULL);
	KUNIT_EXPECT_EQ(test, atomic_read(&tg->ports.table.nelems), 1);
	/* The member is one still, of a group like any. */
	KUNIT_EXPECT_EQ(test, np_tserver_listen(test, 1, 0), 0);
	np_grace_connect(test, 1, 0);
	np_tserver_close(test, 1);
	np_tconn_expect(test, 3, 1, NP_CONN_DEAD, NP_EV_DROPPED);
	/* If it does run it must not see to it that the group is there for ever. */
	flush_delayed_work(&g->expiry);
	np_grace_gone(test, g);
}

/* The same while somebody listens: what is there stays, and will not be kept. */
static void np_grace_taken_back_live(struct kunit *test)
{
	struct np_group *g = np_grace_serve(test, 0, 9, NP_TLONG_MS);
	struct np_tgroup *tg = test->priv;

	np_grace_connect(test, 3, 0);
	np_group_set_grace(g, 0, &tg->server[0].claim);
	np_tgroup_check(test, g);
	KUNIT_EXPECT_FALSE(test, g->held);
	KUNIT_EXPECT_EQ(test, g->state, (u8)NP_GROUP_LIVE);
	np_grace_connect(test, 1, 0);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 0);
	np_tserver_close(test, 0);
	np_tconn_expect(test, 1, 3, NP_CONN_DEAD, NP_EV_DROPPED);
	np_grace_gone(test, g);
}

/* Set while somebody listens: it holds from then on, at whatever time was set last. */
static void np_grace_set_live(struct kunit *test)
{
	struct np_group *g = np_grace_serve(test, 0, 9, 0);
	struct np_tgroup *tg = test->priv;

	np_grace_connect(test, 3, 0);
	np_group_set_grace(g, 1000, &tg->server[0].claim);
	KUNIT_EXPECT_TRUE(test, g->held);
	np_group_set_grace(g, NP_TLONG_MS, &tg->server[0].claim);
	KUNIT_EXPECT_EQ(test, g->grace, NP_TLONG_MS);
	np_tserver_close(test, 0);
	np_grace_expect_running(test, g, 3);
	KUNIT_EXPECT_GT(test, g->grace_end - jiffies, msecs_to_jiffies(NP_TLONG_MS) / 2);
	np_group_put(np_grace_serve(test, 1, 9, 0));
	np_grace_accept(test, 1, 0, 3);
	np_tserver_close(test, 1);
	np_grace_expire(g);
	np_grace_gone(test, g);
}

/* By a member that does not listen, while another one does: it is the group's. */
static void np_grace_set_idle(struct kunit *test)
{
	struct np_group *g = np_grace_serve(test, 0, 9, 0);
	struct np_tgroup *tg = test->priv;

	np_grace_connect(test, 3, 0);
	np_group_put(np_grace_bind(test, 1, NP_TLONG_MS));
	KUNIT_EXPECT_TRUE(test, g->held);
	np_tserver_close(test, 1);
	np_tserver_close(test, 0);
	np_grace_expect_running(test, g, 3);
	np_grace_expire(g);
	/* And where nobody listens there is nothing to hold. */
	np_group_put(np_grace_bind(test, 1, NP_TLONG_MS));
	KUNIT_EXPECT_FALSE(test, tg->server[1].m->group->held);
	KUNIT_EXPECT_PTR_EQ(test, np_tserver_find(tg, NP_FORM_V4_A, NP_TPORT), NULL);
	np_tserver_close(test, 1);
	np_grace_gone(test, g);
}

/* What a datagram group does when its last member reads no more: only a time that
 * runs is given up.
 */
static void np_grace_forgo(struct kunit *test)
{
	struct np_group *g = np_grace_serve(test, 0, 9, NP_TLONG_MS);

	np_grace_connect(test, 2, 0);
	np_group_forgo_grace(g);
	KUNIT_EXPECT_TRUE(test, g->held);
	KUNIT_EXPECT_EQ(test, g->state, (u8)NP_GROUP_LIVE);
	np_grace_connect(test, 1, 0);
	np_tserver_close(test, 0);
	np_grace_expect_running(test, g, 3);
	np_group_forgo_grace(g);
	np_tconn_expect(test, 0, 3, NP_CONN_DEAD, NP_EV_DROPPED);
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(&g->expiry));
	flush_delayed_work(&g->expiry);
	np_grace_gone(test, g);
}

/* Connections that were accepted have the port after the group's end, as inet's. */
static void np_grace_accepted(struct kunit *test)
{
	struct np_group *g = np_grace_serve(test, 0, 9, NP_TLONG_MS);
	struct np_claim *child = np_tclaim_connected(test, NP_FORM_V4_A, NP_FORM_V4_A, 80);
	struct np_claim *next = np_tclaim_new(test, NP_FORM_V4_A);
	struct np_tgroup *tg = test->priv;

	child->uid = KUIDT_INIT(10);
	child->reuse = true;
	np_claim_join(child, &tg->server[0].claim);
	np_tserver_close(test, 0);
	np_grace_expire(g);
	KUNIT_EXPECT_PTR_EQ(test, np_tserver_find(tg, NP_FORM_V4_A, NP_TPORT), NULL);
	KUNIT_EXPECT_EQ(test, np_claim_bind(&tg->ports, next, NP_TPORT), -EADDRINUSE);
	next->reuse = true;
	KUNIT_EXPECT_EQ(test, np_claim_bind(&tg->ports, next, NP_TPORT), 0);
	np_tclaim_drop(&tg->ports, next);
	np_tclaim_drop(&tg->ports, child);
	np_grace_gone(test, g);
}

static struct kunit_case np_grace_cases[] = {
	KUNIT_CASE(np_grace_begin),
	KUNIT_CASE(np_grace_none),
	KUNIT_CASE(np_grace_shutdown),
	KUNIT_CASE_PARAM(np_grace_backlog, np_grace_backlog_gen_params),
	KUNIT_CASE(np_grace_too_many),
	KUNIT_CASE(np_grace_successor),
	KUNIT_CASE(np_grace_successors),
	KUNIT_CASE(np_grace_restarts),
	KUNIT_CASE_PARAM(np_grace_strangers, np_stranger_gen_params),
	KUNIT_CASE(np_grace_not_chosen),
	KUNIT_CASE(np_grace_other_address),
	KUNIT_CASE(np_grace_label),
	KUNIT_CASE(np_grace_label_late),
	KUNIT_CASE(np_grace_cut),
	KUNIT_CASE(np_grace_expiry),
	KUNIT_CASE(np_grace_early),
	KUNIT_CASE(np_grace_clock),
	KUNIT_CASE(np_grace_taken_back),
	KUNIT_CASE(np_grace_taken_back_live),
	KUNIT_CASE(np_grace_set_live),
	KUNIT_CASE(np_grace_set_idle),
	KUNIT_CASE(np_grace_forgo),
	KUNIT_CASE(np_grace_accepted),
	{}
};

static struct kunit_suite np_grace_suite = {
	.name = "newproto_grace",
	.init = np_tgroup_init,
	.exit = np_tgroup_exit,
	.test_cases = np_grace_cases,
};

kunit_test_suite(np_grace_suite);
