// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of groups: where connections wait for accept(), and what becomes of them
 * when members come and go.
 */
#include "group_lib.h"

static struct np_tgroup *np_group_setup(struct kunit *test, u8 policy)
{
	struct np_tgroup *tg = test->priv;

	np_tgroup_new(test);
	np_pick_set_policy(&tg->g->pick, policy);
	return tg;
}

/* --- queues --------------------------------------------------------------------- */

static const u32 np_backlogs[] = { 0, 1, 5, 300 };

static void np_backlog_desc(const u32 *backlog, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "backlog %u", *backlog);
}

KUNIT_ARRAY_PARAM(np_backlog, np_backlogs, np_backlog_desc);

/* One more than the backlog may be pending, the next ones wait; all are accepted in
 * the order of their coming.
 */
static void np_group_backlog(struct kunit *test)
{
	struct np_tgroup *tg = np_group_setup(test, NEWPROTO_POLICY_HASH);
	u32 backlog = *(const u32 *)test->param_value;
	struct np_tserver *s = np_tgroup_start(test, 0, backlog);
	int n = backlog + 1, i;

	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), -1);
	np_tconn_offer_many(test, tg->g, n, 0);
	np_tconn_expect(test, 0, n, NP_CONN_PENDING, 0);
	KUNIT_EXPECT_EQ(test, s->ready, n);
	KUNIT_EXPECT_TRUE(test, np_member_is_ready(s->m));
	KUNIT_EXPECT_TRUE(test, np_member_has_work(s->m));
	np_tconn_offer_many(test, tg->g, 7, -EINPROGRESS);
	np_tconn_expect(test, n, 7, NP_CONN_WAITING, 0);
	KUNIT_EXPECT_EQ(test, tg->g->nwaiting, 7U);
	KUNIT_EXPECT_EQ(test, s->ready, n);
	for (i = 0; i < n + 7; i++) {
		KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), i);
		/* The one that waits longest gets the place. */
		if (i < 7)
			KUNIT_EXPECT_EQ(test, np_tconn_stage(tg, n + i),
					(u8)NP_CONN_PENDING);
		KUNIT_EXPECT_EQ(test, s->ready, n + min(i + 1, 7));
	}
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), -1);
	KUNIT_EXPECT_FALSE(test, np_member_is_ready(s->m));
	KUNIT_EXPECT_EQ(test, s->m->stats.chosen, n + 7ULL);
	KUNIT_EXPECT_EQ(test, s->m->stats.accepted, n + 7ULL);
}

/* The capacity that is told to clients is that of the socket that they get to. */
static void np_group_rcvbuf(struct kunit *test)
{
	struct np_tgroup *tg = np_group_setup(test, NEWPROTO_POLICY_HASH);

	np_tgroup_start(test, 0, 0);
	KUNIT_EXPECT_EQ(test, tg->g->rcvbuf, (u32)NP_TRCVBUF);
	np_tconn_offer_many(test, tg->g, 1, 0);
	np_tconn_offer_many(test, tg->g, 1, -EINPROGRESS);
	/* What a client that waits may write before it has a member. */
	KUNIT_EXPECT_EQ(test, tg->conn[1]->chan[NP_CLIENT].rcap, (u32)NP_TRCVBUF);
}

static const u8 np_gpolicies[] = {
	NEWPROTO_POLICY_HASH, NEWPROTO_POLICY_ROUND_ROBIN,
	NEWPROTO_POLICY_LEAST_LOADED, NEWPROTO_POLICY_LAST_BOUND,
};

static void np_gpolicy_desc(const u8 *policy, char *desc)
{
	static const char * const names[] = {
		"hash", "round-robin", "least-loaded", "last-bound",
	};

	strscpy(desc, names[*policy], KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_gpolicy, np_gpolicies, np_gpolicy_desc);

/* A client waits only if all are full, whatever the policy. */
static void np_group_next_when_full(struct kunit *test)
{
	struct np_tgroup *tg = np_group_setup(test, *(const u8 *)test->param_value);
	static const u32 backlog[] = { 0, 3, 1, 7 };
	int i;

	for (i = 0; i < 4; i++)
		np_tgroup_start(test, i, backlog[i]);
	np_tconn_offer_many(test, tg->g, 0 + 3 + 1 + 7 + 4, 0);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, tg->server[i].m->npending, backlog[i] + 1);
	np_tconn_offer_many(test, tg->g, 3, -EINPROGRESS);
	/* A place at any of them is for who waits longest. */
	KUNIT_EXPECT_GE(test, np_tconn_take(test, 3), 0);
	np_tconn_expect(test, 15, 1, NP_CONN_PENDING, 0);
	KUNIT_EXPECT_GE(test, np_tconn_take(test, 0), 0);
	KUNIT_EXPECT_GE(test, np_tconn_take(test, 1), 0);
	np_tconn_expect(test, 15, 3, NP_CONN_PENDING, 0);
	KUNIT_EXPECT_EQ(test, tg->g->nwaiting, 0U);
}

/* Each policy, as far as it shows in a group. */
static void np_group_policy(struct kunit *test)
{
	u8 policy = *(const u8 *)test->param_value;
	struct np_tgroup *tg = np_group_setup(test, policy);
	u32 n[3];
	int i;

	for (i = 0; i < 3; i++)
		np_tgroup_start(test, i, 400);
	np_tconn_offer_many(test, tg->g, 300, 0);
	for (i = 0; i < 3; i++)
		n[i] = tg->server[i].m->npending;
	switch (policy) {
	case NEWPROTO_POLICY_HASH:
		for (i = 0; i < 3; i++)
			KUNIT_EXPECT_GT(test, n[i], 40U);
		break;
	case NEWPROTO_POLICY_LAST_BOUND:
		KUNIT_EXPECT_EQ(test, n[2], 300U);
		break;
	default:
		for (i = 0; i < 3; i++)
			KUNIT_EXPECT_EQ(test, n[i], 100U);
	}
}

/* The newest is the one that was bound last, whenever it listens. */
static void np_group_last_bound(struct kunit *test)
{
	struct np_tgroup *tg = np_group_setup(test, NEWPROTO_POLICY_LAST_BOUND);
	int i;

	for (i = 0; i < 3; i++)
		np_tgroup_add(test, i);
	np_tgroup_start(test, 2, 0);
	np_tgroup_start(test, 0, 0);
	np_tgroup_start(test, 1, 0);
	np_tconn_offer_many(test, tg->g, 3, 0);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 2), 0);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), 1);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 2);
	np_tgroup_stop(test, 2);
	np_tgroup_start(test, 2, 0);
	np_tconn_offer_many(test, tg->g, 1, 0);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 2), 3);
}

/* One that gives up before it has got a place is not in the others' way; one that
 * has got a place cannot.
 */
static void np_group_give_up(struct kunit *test)
{
	struct np_tgroup *tg = np_group_setup(test, NEWPROTO_POLICY_HASH);

	np_tgroup_start(test, 0, 0);
	np_tconn_offer_many(test, tg->g, 1, 0);
	np_tconn_offer_many(test, tg->g, 4, -EINPROGRESS);
	KUNIT_EXPECT_FALSE(test, np_group_cancel(tg->conn[0]));
	KUNIT_EXPECT_TRUE(test, np_group_cancel(tg->conn[1]));
	KUNIT_EXPECT_TRUE(test, np_group_cancel(tg->conn[3]));
	KUNIT_EXPECT_FALSE(test, np_group_cancel(tg->conn[3]));
	np_tgroup_check(test, tg->g);
	KUNIT_EXPECT_EQ(test, tg->g->nwaiting, 2U);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 0);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 2);
	KUNIT_EXPECT_FALSE(test, np_group_cancel(tg->conn[2]));
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 4);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), -1);
	np_tconn_expect(test, 1, 1, NP_CONN_DEAD, 0);
}

/* listen() once more. */
static void np_group_set_backlog(struct kunit *test)
{
	struct np_tgroup *tg = np_group_setup(test, NEWPROTO_POLICY_HASH);
	struct np_tserver *s = np_tgroup_start(test, 0, 1);

	np_tconn_offer_many(test, tg->g, 2, 0);
	np_tconn_offer_many(test, tg->g, 5, -EINPROGRESS);
	np_member_set_backlog(s->m, 4);
	np_tgroup_check(test, tg->g);
	np_tconn_expect(test, 0, 5, NP_CONN_PENDING, 0);
	np_tconn_expect(test, 5, 2, NP_CONN_WAITING, 0);
	KUNIT_EXPECT_EQ(test, s->ready, 5);
	/* Less: nobody loses a place, and nobody gets one before there is room. */
	np_member_set_backlog(s->m, 0);
	np_tgroup_check(test, tg->g);
	KUNIT_EXPECT_EQ(test, s->m->npending, 5U);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 0);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 1);
	KUNIT_EXPECT_EQ(test, tg->g->nwaiting, 2U);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 2);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 3);
	KUNIT_EXPECT_EQ(test, tg->g->nwaiting, 2U);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 4);
	KUNIT_EXPECT_EQ(test, tg->g->nwaiting, 1U);
	np_member_set_backlog(s->m, 100);
	np_tgroup_check(test, tg->g);
	KUNIT_EXPECT_EQ(test, tg->g->nwaiting, 0U);
}

/* A newcomer has room for those who wait. */
static void np_group_newcomer(struct kunit *test)
{
	struct np_tgroup *tg = np_group_setup(test, NEWPROTO_POLICY_ROUND_ROBIN);
	struct np_tserver *s;

	np_tgroup_start(test, 0, 0);
	np_tgroup_add(test, 1);
	np_tconn_offer_many(test, tg->g, 1, 0);
	/* One that does not listen is not chosen. */
	np_tconn_offer_many(test, tg->g, 6, -EINPROGRESS);
	s = np_tgroup_start(test, 1, 3);
	np_tconn_expect(test, 1, 4, NP_CONN_PENDING, 0);
	np_tconn_expect(test, 5, 2, NP_CONN_WAITING, 0);
	KUNIT_EXPECT_EQ(test, s->ready, 4);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), 1);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 0);
	np_tconn_expect(test, 5, 2, NP_CONN_PENDING, 0);
}

/* A member that a program has named gets the connection if it has room. */
static void np_group_named(struct kunit *test)
{
	struct np_tgroup *tg = np_group_setup(test, NEWPROTO_POLICY_LAST_BOUND);
	struct np_group *other;
	struct np_member *m[3];
	int i;

	for (i = 0; i < 3; i++)
		m[i] = np_tgroup_start(test, i, 1)->m;
	KUNIT_EXPECT_EQ(test, np_tconn_offer_to(test, tg->g, m[0]), 0);
	KUNIT_EXPECT_EQ(test, np_tconn_offer_to(test, tg->g, m[0]), 0);
	KUNIT_EXPECT_EQ(test, m[0]->npending, 2U);
	/* It is full: the policy's choice. */
	KUNIT_EXPECT_EQ(test, np_tconn_offer_to(test, tg->g, m[0]), 0);
	KUNIT_EXPECT_EQ(test, m[2]->npending, 1U);
	/* It does not listen. */
	np_tgroup_stop(test, 1);
	KUNIT_EXPECT_EQ(test, np_tconn_offer_to(test, tg->g, m[1]), 0);
	KUNIT_EXPECT_EQ(test, m[2]->npending, 2U);
	/* And somebody else's. */
	other = np_group_alloc(&init_net, &tg->ports);
	KUNIT_ASSERT_NOT_NULL(test, other);
	np_tgroup_start(test, 1, 1);
	m[0]->group = other;
	KUNIT_EXPECT_EQ(test, np_tconn_offer_to(test, tg->g, m[0]), 0);
	m[0]->group = tg->g;
	KUNIT_EXPECT_EQ(test, m[1]->npending, 1U);
	np_group_put(other);
	/* Nobody overtakes those who wait. */
	KUNIT_EXPECT_EQ(test, np_tconn_offer_to(test, tg->g, m[1]), 0);
	np_tconn_offer_many(test, tg->g, 1, -EINPROGRESS);
	KUNIT_EXPECT_EQ(test, np_tconn_offer_to(test, tg->g, m[0]), -EINPROGRESS);
	np_tgroup_check(test, tg->g);
}

/* --- members that leave ------------------------------------------------------------ */

/* Nobody is here, or not yet, or not any more. */
static void np_group_idle(struct kunit *test)
{
	struct np_tgroup *tg = np_group_setup(test, NEWPROTO_POLICY_HASH);

	np_tconn_offer_many(test, tg->g, 1, -ESTALE);
	np_tgroup_add(test, 0);
	np_tconn_offer_many(test, tg->g, 1, -ESTALE);
	np_tgroup_start(test, 0, 5);
	np_tconn_offer_many(test, tg->g, 1, 0);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 2);
	KUNIT_EXPECT_EQ(test, np_tgroup_stop(test, 0), 0U);
	np_tconn_offer_many(test, tg->g, 1, -ESTALE);
	np_tconn_expect(test, 0, 2, NP_CONN_NEW, 0);
	/* The test's, and those of the channels, whose client is still there. */
	KUNIT_EXPECT_EQ(test, refcount_read(&tg->conn[0]->ref), 3U);
}

/* The last one leaves: what was pending is reset, what waited is refused. */
static void np_group_last(struct kunit *test)
{
	struct np_tgroup *tg = np_group_setup(test, NEWPROTO_POLICY_HASH);
	struct np_tserver *s = np_tgroup_start(test, 0, 599);

	np_tconn_offer_many(test, tg->g, 600, 0);
	np_tconn_offer_many(test, tg->g, 700, -EINPROGRESS);
	KUNIT_EXPECT_EQ(test, np_tgroup_stop(test, 0), 1300U);
	np_tconn_expect(test, 0, 600, NP_CONN_DEAD, NP_EV_DROPPED);
	np_tconn_expect(test, 600, 700, NP_CONN_DEAD, NP_EV_REFUSED);
	KUNIT_EXPECT_EQ(test, s->m->stats.reset, 600ULL);
	KUNIT_EXPECT_EQ(test, s->m->stats.moved_out, 0ULL);
	/* It may listen again, and nothing of before is there. */
	np_tgroup_start(test, 0, 0);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), -1);
	np_tconn_offer_many(test, tg->g, 1, 0);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 1300);
}

/* Take all that members have; what each gets may have to be in the order of coming. */
static void np_group_take_all(struct kunit *test, int nservers, int n, bool in_order)
{
	struct np_tgroup *tg = test->priv;
	unsigned long *seen;
	int i, k, last;

	seen = kunit_kcalloc(test, BITS_TO_LONGS(NP_TCONNS), sizeof(long), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, seen);
	for (i = 0; i < nservers; i++) {
		if (!tg->server[i].live)
			continue;
		for (last = -1; (k = np_tconn_take(test, i)) >= 0; last = k) {
			if (in_order)
				KUNIT_ASSERT_GT_MSG(test, k, last, "server %d", i);
			KUNIT_ASSERT_FALSE(test, test_and_set_bit(k, seen));
			n--;
		}
	}
	KUNIT_EXPECT_EQ_MSG(test, n, 0, "connections that nobody got");
}

/* A thousand move to two that have no room for them. */
static void np_group_move(struct kunit *test)
{
	struct np_tgroup *tg = np_group_setup(test, *(const u8 *)test->param_value);
	struct np_tserver *s = np_tgroup_start(test, 0, 999);
	u32 n1, n2;

	np_tconn_offer_many(test, tg->g, 1000, 0);
	np_tgroup_start(test, 1, 0);
	np_tgroup_start(test, 2, 3);
	KUNIT_EXPECT_EQ(test, np_tgroup_stop(test, 0), 0U);
	np_tconn_expect(test, 0, 1000, NP_CONN_PENDING, 0);
	n1 = tg->server[1].m->npending;
	n2 = tg->server[2].m->npending;
	KUNIT_EXPECT_EQ(test, n1 + n2, 1000U);
	/* Those who are full share what there is beyond. */
	KUNIT_EXPECT_GT(test, n1, 100U);
	KUNIT_EXPECT_GT(test, n2, 100U);
	KUNIT_EXPECT_EQ(test, tg->server[1].ready, (int)n1);
	KUNIT_EXPECT_EQ(test, tg->server[2].ready, (int)n2);
	KUNIT_EXPECT_EQ(test, s->m->stats.moved_out, 1000ULL);
	KUNIT_EXPECT_EQ(test, tg->server[1].m->stats.moved_in, (u64)n1);
	KUNIT_EXPECT_EQ(test, tg->server[2].m->stats.moved_in, (u64)n2);
	KUNIT_EXPECT_EQ(test, tg->server[1].m->stats.chosen, 0ULL);
	KUNIT_EXPECT_EQ(test, tg->g->pick.nseats, 2U);
	/* There is no room for anything new until they are through with it. */
	np_tconn_offer_many(test, tg->g, 1, -EINPROGRESS);
	np_group_take_all(test, 3, 1001, true);
}

/* Where there is room it is used, and those who have it are told. */
static void np_group_move_to_room(struct kunit *test)
{
	struct np_tgroup *tg = np_group_setup(test, NEWPROTO_POLICY_LEAST_LOADED);
	int i;

	for (i = 0; i < 4; i++)
		np_tgroup_start(test, i, 9);
	np_tconn_offer_many(test, tg->g, 24, 0);
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, tg->server[i].m->npending, 6U);
	for (i = 0; i < 4; i++)
		tg->server[i].ready = 0;
	KUNIT_EXPECT_EQ(test, np_tgroup_stop(test, 2), 0U);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_EQ(test, tg->server[i].m->npending, i == 2 ? 0U : 8U);
		KUNIT_EXPECT_EQ(test, tg->server[i].ready, i == 2 ? 0 : 2);
	}
	KUNIT_EXPECT_EQ(test, np_tgroup_stop(test, 0), 0U);
	KUNIT_EXPECT_EQ(test, tg->server[1].m->npending, 12U);
	KUNIT_EXPECT_EQ(test, tg->server[3].m->npending, 12U);
	KUNIT_EXPECT_EQ(test, np_tgroup_stop(test, 1), 0U);
	KUNIT_EXPECT_EQ(test, tg->server[3].m->npending, 24U);
	/* Each has put what was its own before what has come. */
	np_group_take_all(test, 4, 24, false);
}

/* Who waits goes on waiting, for any of those who are left; before what comes after
 * it, and after what was pending before.
 */
static void np_group_move_waiting(struct kunit *test)
{
	struct np_tgroup *tg = np_group_setup(test, NEWPROTO_POLICY_ROUND_ROBIN);
	int i;

	np_tgroup_start(test, 0, 1);
	np_tgroup_start(test, 1, 1);
	np_tconn_offer_many(test, tg->g, 4, 0);
	np_tconn_offer_many(test, tg->g, 3, -EINPROGRESS);
	KUNIT_EXPECT_EQ(test, np_tgroup_stop(test, 0), 0U);
	KUNIT_EXPECT_EQ(test, tg->g->nwaiting, 3U);
	KUNIT_EXPECT_EQ(test, tg->server[1].m->npending, 4U);
	/* 1 and 3 were its own, 0 and 2 have come. */
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), 1);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), 3);
	KUNIT_EXPECT_EQ(test, tg->g->nwaiting, 3U);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), 0);
	KUNIT_EXPECT_EQ(test, tg->g->nwaiting, 2U);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), 2);
	for (i = 4; i < 7; i++)
		KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), i);
}

/* What a server has left is what its successors have taken over, for all time. */
static void np_group_relay(struct kunit *test)
{
	struct np_tgroup *tg = np_group_setup(test, NEWPROTO_POLICY_HASH);
	int turn, k;

	np_tgroup_start(test, 0, 20);
	np_tconn_offer_many(test, tg->g, 21, 0);
	for (turn = 1; turn <= 40; turn++) {
		np_tgroup_start(test, turn % 3, 0);
		KUNIT_EXPECT_EQ(test, np_tgroup_stop(test, (turn - 1) % 3), 0U);
		np_tgroup_remove(test, (turn - 1) % 3);
	}
	KUNIT_EXPECT_EQ(test, tg->g->past.moved_out, 40 * 21ULL);
	for (k = 0; k < 21; k++)
		KUNIT_EXPECT_EQ(test, np_tconn_take(test, 40 % 3), k);
}

/* --- anything ------------------------------------------------------------------------ */

#define NP_GAME_SERVERS	8

/* What has become of a connection, by the test's own count. */
static void np_group_game_check(struct kunit *test, struct np_tgroup *tg)
{
	u32 pending = 0, waiting = 0, dead = 0, taken = 0, k;

	for (k = 0; k < tg->nconns; k++) {
		switch (np_tconn_stage(tg, k)) {
		case NP_CONN_PENDING:
			pending++;
			break;
		case NP_CONN_WAITING:
			waiting++;
			break;
		case NP_CONN_TAKEN:
			taken++;
			break;
		default:
			dead++;
		}
	}
	KUNIT_EXPECT_EQ(test, pending, tg->g->npending);
	KUNIT_EXPECT_EQ(test, waiting, tg->g->nwaiting);
	KUNIT_EXPECT_EQ(test, taken, (u32)tg->ntaken);
	KUNIT_EXPECT_EQ(test, pending + waiting + taken + dead, (u32)tg->nconns);
}

static void np_group_game_step(struct kunit *test, struct rnd_state *rnd)
{
	u32 i = np_test_random(rnd, 0, NP_GAME_SERVERS - 1), what;
	struct np_tgroup *tg = test->priv;
	struct np_tserver *s = &tg->server[i];
	int k;

	what = np_test_random(rnd, 0, 99);
	if (what < 45) {
		np_tconn_offer(test, tg->g);
	} else if (what < 75) {
		if (s->live)
			np_tconn_take(test, i);
	} else if (what < 80) {
		if (s->live)
			np_member_set_backlog(s->m, np_test_random(rnd, 0, 4));
	} else if (what < 85) {
		k = np_test_random(rnd, 0, max(tg->nconns - 1, 0));
		if (tg->nconns && np_tconn_stage(tg, k) == NP_CONN_WAITING)
			KUNIT_EXPECT_TRUE(test, np_group_cancel(tg->conn[k]));
	} else if (s->live && tg->g->nlive > 1) {
		/* One is always left, so nobody may be turned away. */
		KUNIT_EXPECT_EQ(test, np_tgroup_stop(test, i), 0U);
		if (what % 2)
			np_tgroup_remove(test, i);
	} else if (!s->live) {
		np_tgroup_start(test, i, np_test_random(rnd, 0, 4));
	}
}

/* Whatever happens, each connection is somewhere, once. */
static void np_group_random(struct kunit *test)
{
	struct np_tgroup *tg = np_group_setup(test, NEWPROTO_POLICY_HASH);
	struct rnd_state rnd;
	int i, k;

	prandom_seed_state(&rnd, 0x960);
	np_tgroup_start(test, 0, 2);
	for (i = 0; i < 4000; i++) {
		if (i % 100 == 99)
			np_pick_set_policy(&tg->g->pick, i / 100 % 4);
		np_group_game_step(test, &rnd);
		np_tgroup_check(test, tg->g);
		if (i % 20 == 0)
			np_group_game_check(test, tg);
		cond_resched();
	}
	for (k = 0; k < tg->nconns; k++)
		KUNIT_EXPECT_EQ(test, np_tconn_events(tg, k), (u8)0);
	np_group_game_check(test, tg);
}

static struct kunit_case np_group_cases[] = {
	KUNIT_CASE_PARAM(np_group_backlog, np_backlog_gen_params),
	KUNIT_CASE(np_group_rcvbuf),
	KUNIT_CASE_PARAM(np_group_next_when_full, np_gpolicy_gen_params),
	KUNIT_CASE_PARAM(np_group_policy, np_gpolicy_gen_params),
	KUNIT_CASE(np_group_last_bound),
	KUNIT_CASE(np_group_give_up),
	KUNIT_CASE(np_group_set_backlog),
	KUNIT_CASE(np_group_newcomer),
	KUNIT_CASE(np_group_named),
	KUNIT_CASE(np_group_idle),
	KUNIT_CASE(np_group_last),
	KUNIT_CASE_PARAM(np_group_move, np_gpolicy_gen_params),
	KUNIT_CASE(np_group_move_to_room),
	KUNIT_CASE(np_group_move_waiting),
	KUNIT_CASE(np_group_relay),
	KUNIT_CASE(np_group_random),
	{}
};

static struct kunit_suite np_group_suite = {
	.name = "newproto_group",
	.init = np_tgroup_init,
	.exit = np_tgroup_exit,
	.test_cases = np_group_cases,
};

kunit_test_suite(np_group_suite);
