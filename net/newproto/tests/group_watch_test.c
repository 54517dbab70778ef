// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of groups: members that leave connections waiting without a call of
 * accept().
 */
#include "group_lib.h"

/* All listen, in round-robin; nobody is silent before the test says so. */
static struct np_tgroup *np_watch_setup(struct kunit *test, int nservers, u32 backlog)
{
	struct np_tgroup *tg = test->priv;
	int i;

	WRITE_ONCE(np_tnet()->silent_time, NP_TLONG_MS);
	np_tgroup_new(test);
	np_pick_set_policy(&tg->g->pick, NEWPROTO_POLICY_ROUND_ROBIN);
	for (i = 0; i < nservers; i++)
		np_tgroup_start(test, i, backlog);
	return tg;
}

/* A member has not called accept() for so long, in parts of what makes it silent. */
static void np_watch_age(struct np_tserver *s, int percent)
{
	struct np_group *g = s->m->group;

	spin_lock(&g->lock);
	s->m->since -= msecs_to_jiffies(NP_TLONG_MS) / 100 * percent;
	spin_unlock(&g->lock);
}

/* Look for silent members now, and not when it is time. */
static void np_watch_look(struct kunit *test)
{
	struct np_tgroup *tg = test->priv;

	KUNIT_EXPECT_TRUE(test, tg->g->watching);
	flush_delayed_work(&tg->g->watch);
	np_tgroup_check(test, tg->g);
}

static void np_watch_forget_ready(struct np_tgroup *tg)
{
	int i;

	for (i = 0; i < NP_TMEMBERS; i++)
		tg->server[i].ready = 0;
}

/* Who was told since np_watch_forget_ready()? -1: nobody, -2: more than one. */
static int np_watch_told(const struct np_tgroup *tg)
{
	int i, told = -1;

	for (i = 0; i < NP_TMEMBERS; i++)
		if (tg->server[i].ready)
			told = told == -1 && tg->server[i].ready == 1 ? i : -2;
	return told;
}

static int np_watch_helper(const struct np_tgroup *tg)
{
	return np_tgroup_index(tg, tg->g->helper);
}

/* A member that is silent for long enough, and not before; the other accepts all that
 * waits on it, the oldest first.
 */
static void np_watch_rescue(struct kunit *test)
{
	struct np_tgroup *tg = np_watch_setup(test, 2, 9);
	struct np_tserver *a = &tg->server[0], *b = &tg->server[1];
	int k;

	np_tconn_offer_many(test, tg->g, 12, 0);
	for (k = 1; k < 12; k += 2)
		KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), k);
	np_watch_age(a, 90);
	np_watch_forget_ready(tg);
	np_watch_look(test);
	KUNIT_EXPECT_FALSE(test, a->m->silent);
	KUNIT_EXPECT_EQ(test, np_watch_told(tg), -1);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), -1);

	np_watch_age(a, 11);
	np_watch_look(test);
	KUNIT_EXPECT_TRUE(test, a->m->silent);
	KUNIT_EXPECT_FALSE(test, b->m->silent);
	KUNIT_EXPECT_EQ(test, np_watch_helper(tg), 1);
	KUNIT_EXPECT_EQ(test, np_watch_told(tg), 1);
	KUNIT_EXPECT_TRUE(test, np_member_is_ready(b->m));
	for (k = 0; k < 12; k += 2) {
		KUNIT_EXPECT_TRUE(test, np_member_has_work(b->m));
		KUNIT_EXPECT_TRUE(test, a->m->silent);
		KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), k);
	}
	KUNIT_EXPECT_FALSE(test, a->m->silent);
	KUNIT_EXPECT_EQ(test, np_watch_helper(tg), -1);
	KUNIT_EXPECT_FALSE(test, np_member_is_ready(b->m));
	KUNIT_EXPECT_FALSE(test, np_member_has_work(b->m));
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), -1);
	KUNIT_EXPECT_EQ(test, b->m->stats.rescued, 6ULL);
	KUNIT_EXPECT_EQ(test, b->m->stats.accepted, 12ULL);
	KUNIT_EXPECT_EQ(test, a->m->stats.moved_out, 6ULL);
	KUNIT_EXPECT_EQ(test, a->m->stats.accepted, 0ULL);
}

/* What is its own a member takes first. */
static void np_watch_own_first(struct kunit *test)
{
	struct np_tgroup *tg = np_watch_setup(test, 2, 9);

	np_tconn_offer_many(test, tg->g, 6, 0);
	np_watch_age(&tg->server[0], 101);
	np_watch_look(test);
	KUNIT_EXPECT_TRUE(test, tg->server[0].m->silent);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), 1);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), 3);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), 5);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), 0);
	/* One that is there again has what is left. */
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 2);
	KUNIT_EXPECT_FALSE(test, tg->server[0].m->silent);
	KUNIT_EXPECT_EQ(test, np_watch_helper(tg), -1);
	KUNIT_EXPECT_FALSE(test, np_member_is_ready(tg->server[1].m));
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), -1);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 4);
	KUNIT_EXPECT_EQ(test, tg->server[0].m->stats.accepted, 2ULL);
	KUNIT_EXPECT_EQ(test, tg->server[1].m->stats.rescued, 1ULL);
}

/* The place that is free then is for who waits for one. */
static void np_watch_room(struct kunit *test)
{
	struct np_tgroup *tg = np_watch_setup(test, 2, 0);

	np_tconn_offer_many(test, tg->g, 2, 0);
	np_tconn_offer_many(test, tg->g, 2, -EINPROGRESS);
	np_watch_age(&tg->server[0], 101);
	np_watch_look(test);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), 1);
	np_tconn_expect(test, 2, 1, NP_CONN_PENDING, 0);
	KUNIT_EXPECT_EQ(test, tg->server[1].m->npending, 1U);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), 2);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), 3);
	KUNIT_EXPECT_EQ(test, tg->g->nwaiting, 0U);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 1), 0);
	KUNIT_EXPECT_FALSE(test, tg->server[0].m->silent);
}

/* One member is asked at a time: the next one when that has helped, or when it has
 * not for as long as makes a member silent.
 */
static void np_watch_one_at_a_time(struct kunit *test)
{
	struct np_tgroup *tg = np_watch_setup(test, 4, 20);
	int i, helper, asked = 0;

	np_pick_set_policy(&tg->g->pick, NEWPROTO_POLICY_LAST_BOUND);
	np_tconn_offer_many(test, tg->g, 20, 0);
	np_watch_age(&tg->server[3], 101);
	np_watch_forget_ready(tg);
	np_watch_look(test);
	KUNIT_EXPECT_TRUE(test, tg->server[3].m->silent);
	for (i = 0; i < 6; i++) {
		helper = np_watch_helper(tg);
		KUNIT_ASSERT_GE(test, helper, 0);
		KUNIT_EXPECT_EQ(test, np_watch_told(tg), helper);
		asked |= BIT(helper);
		/* It is asked once, and nobody else is. */
		np_watch_forget_ready(tg);
		np_watch_look(test);
		KUNIT_EXPECT_EQ(test, np_watch_told(tg), -1);
		KUNIT_EXPECT_EQ(test, np_watch_helper(tg), helper);
		if (i % 2) {
			KUNIT_EXPECT_EQ(test, np_tconn_take(test, helper), i / 2);
		} else {
			tg->g->offered -= msecs_to_jiffies(NP_TLONG_MS) + 1;
			np_watch_look(test);
		}
		KUNIT_EXPECT_NE(test, np_watch_helper(tg), helper);
	}
	/* All who can help are asked in turn. */
	KUNIT_EXPECT_EQ(test, asked, 0x7);
	/* Who was not asked may help as well. */
	helper = np_watch_helper(tg);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, (helper + 1) % 3), 3);
}

/* The helper leaves: another one is asked. The last but one leaves: nobody is. */
static void np_watch_helper_leaves(struct kunit *test)
{
	struct np_tgroup *tg = np_watch_setup(test, 3, 20);
	int first, second;

	np_pick_set_policy(&tg->g->pick, NEWPROTO_POLICY_LAST_BOUND);
	np_tconn_offer_many(test, tg->g, 3, 0);
	np_watch_age(&tg->server[2], 101);
	np_watch_look(test);
	first = np_watch_helper(tg);
	KUNIT_ASSERT_GE(test, first, 0);
	np_watch_forget_ready(tg);
	np_tgroup_stop(test, first);
	second = np_watch_helper(tg);
	KUNIT_EXPECT_EQ(test, second, 1 - first);
	KUNIT_EXPECT_EQ(test, np_watch_told(tg), second);
	KUNIT_EXPECT_FALSE(test, np_member_is_ready(tg->server[first].m));
	np_tgroup_stop(test, second);
	KUNIT_EXPECT_EQ(test, np_watch_helper(tg), -1);
	KUNIT_EXPECT_TRUE(test, tg->server[2].m->silent);
	/* Who comes then is asked in time. */
	np_tgroup_start(test, first, 20);
	np_watch_forget_ready(tg);
	np_watch_look(test);
	KUNIT_EXPECT_EQ(test, np_watch_told(tg), first);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, first), 0);
}

/* A silent one that leaves: what waits there goes to the others as always. */
static void np_watch_silent_leaves(struct kunit *test)
{
	struct np_tgroup *tg = np_watch_setup(test, 3, 20);

	np_tconn_offer_many(test, tg->g, 9, 0);
	np_watch_age(&tg->server[0], 101);
	np_watch_look(test);
	KUNIT_EXPECT_TRUE(test, tg->server[0].m->silent);
	KUNIT_EXPECT_GE(test, np_watch_helper(tg), 1);
	KUNIT_EXPECT_EQ(test, np_tgroup_stop(test, 0), 0U);
	KUNIT_EXPECT_FALSE(test, tg->server[0].m->silent);
	KUNIT_EXPECT_EQ(test, np_watch_helper(tg), -1);
	KUNIT_EXPECT_EQ(test, tg->server[1].m->npending + tg->server[2].m->npending, 9U);
	/* And with all silent there is nobody to ask. */
	np_watch_age(&tg->server[1], 101);
	np_watch_age(&tg->server[2], 101);
	np_watch_forget_ready(tg);
	np_watch_look(test);
	KUNIT_EXPECT_TRUE(test, tg->server[1].m->silent);
	KUNIT_EXPECT_TRUE(test, tg->server[2].m->silent);
	KUNIT_EXPECT_EQ(test, np_watch_helper(tg), -1);
	KUNIT_EXPECT_EQ(test, np_watch_told(tg), -1);
	/* Until one of them is there again. */
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 2), 2);
	np_watch_look(test);
	KUNIT_EXPECT_EQ(test, np_watch_helper(tg), 2);
}

/* Of two silent ones the one that has been so for longer comes first. */
static void np_watch_longest_first(struct kunit *test)
{
	struct np_tgroup *tg = np_watch_setup(test, 3, 20);
	static const int order[] = { 2, 5, 1, 4 };
	int k;

	np_tconn_offer_many(test, tg->g, 6, 0);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 0);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 3);
	np_watch_age(&tg->server[2], 101);
	np_watch_look(test);
	np_watch_age(&tg->server[1], 101);
	np_watch_look(test);
	KUNIT_EXPECT_TRUE(test, tg->server[1].m->silent);
	KUNIT_EXPECT_TRUE(test, tg->server[2].m->silent);
	for (k = 0; k < 4; k++)
		KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), order[k]);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), -1);
	KUNIT_EXPECT_EQ(test, np_watch_helper(tg), -1);
}

/* Who has nothing to accept is not silent, however long that is; the time begins when
 * something comes in.
 */
static void np_watch_nothing_to_do(struct kunit *test)
{
	struct np_tgroup *tg = np_watch_setup(test, 2, 20);

	np_watch_age(&tg->server[0], 500);
	np_watch_age(&tg->server[1], 500);
	KUNIT_EXPECT_FALSE(test, tg->g->watching);
	np_tconn_offer_many(test, tg->g, 2, 0);
	np_watch_look(test);
	KUNIT_EXPECT_FALSE(test, tg->server[0].m->silent);
	KUNIT_EXPECT_FALSE(test, tg->server[1].m->silent);
	/* With something there already, what comes in does not make it begin anew. */
	np_watch_age(&tg->server[0], 60);
	np_tconn_offer_many(test, tg->g, 2, 0);
	np_watch_age(&tg->server[0], 60);
	np_watch_look(test);
	KUNIT_EXPECT_TRUE(test, tg->server[0].m->silent);
	KUNIT_EXPECT_FALSE(test, tg->server[1].m->silent);
}

/* Nobody looks where there is nobody to look for: alone, nothing pending, or a time
 * of 0. The look then ends, with its reference.
 */
static void np_watch_ends(struct kunit *test)
{
	struct np_tgroup *tg = np_watch_setup(test, 1, 20);
	u32 refs;

	np_tconn_offer_many(test, tg->g, 1, 0);
	KUNIT_EXPECT_FALSE(test, tg->g->watching);
	np_tgroup_start(test, 1, 20);
	KUNIT_EXPECT_TRUE(test, tg->g->watching);
	refs = refcount_read(&tg->g->share.ref);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 0);
	np_watch_look(test);
	KUNIT_EXPECT_FALSE(test, tg->g->watching);
	KUNIT_EXPECT_EQ(test, refcount_read(&tg->g->share.ref), refs - 1);
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(&tg->g->watch));

	WRITE_ONCE(np_tnet()->silent_time, 0);
	np_tconn_offer_many(test, tg->g, 1, 0);
	KUNIT_EXPECT_FALSE(test, tg->g->watching);
	WRITE_ONCE(np_tnet()->silent_time, NP_TLONG_MS);
	np_tconn_offer_many(test, tg->g, 1, 0);
	KUNIT_EXPECT_TRUE(test, tg->g->watching);
	WRITE_ONCE(np_tnet()->silent_time, 0);
	np_watch_age(&tg->server[0], 200);
	np_watch_look(test);
	KUNIT_EXPECT_FALSE(test, tg->g->watching);

	/* With the last member it ends at once. */
	WRITE_ONCE(np_tnet()->silent_time, NP_TLONG_MS);
	np_tconn_offer_many(test, tg->g, 1, 0);
	KUNIT_EXPECT_TRUE(test, tg->g->watching);
	np_tgroup_stop(test, 1);
	np_tgroup_stop(test, 0);
	KUNIT_EXPECT_FALSE(test, tg->g->watching);
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(&tg->g->watch));
}

/* By the clock: with a short time the other one is told by itself. */
static void np_watch_clock(struct kunit *test)
{
	struct np_tgroup *tg = np_watch_setup(test, 2, 20);
	unsigned long end = jiffies + NP_TEST_TIMEOUT;

	WRITE_ONCE(np_tnet()->silent_time, 20);
	np_pick_set_policy(&tg->g->pick, NEWPROTO_POLICY_LAST_BOUND);
	np_tconn_offer_many(test, tg->g, 3, 0);
	while (!READ_ONCE(tg->server[0].ready) && time_before(jiffies, end))
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_GT_MSG(test, READ_ONCE(tg->server[0].ready), 0, "nobody was told");
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 0);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 1);
	KUNIT_EXPECT_EQ(test, np_tconn_take(test, 0), 2);
}

static struct kunit_case np_watch_cases[] = {
	KUNIT_CASE(np_watch_rescue),
	KUNIT_CASE(np_watch_own_first),
	KUNIT_CASE(np_watch_room),
	KUNIT_CASE(np_watch_one_at_a_time),
	KUNIT_CASE(np_watch_helper_leaves),
	KUNIT_CASE(np_watch_silent_leaves),
	KUNIT_CASE(np_watch_longest_first),
	KUNIT_CASE(np_watch_nothing_to_do),
	KUNIT_CASE(np_watch_ends),
	KUNIT_CASE(np_watch_clock),
	{}
};

static struct kunit_suite np_watch_suite = {
	.name = "newproto_group_watch",
	.init = np_tgroup_init,
	.exit = np_tgroup_exit,
	.test_cases = np_watch_cases,
};

kunit_test_suite(np_watch_suite);
