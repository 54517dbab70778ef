// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the choice among those who share an address: the policies that have an
 * order.
 */
#include "pick_lib.h"

#define NP_ROW_SEATS	6

static void np_order_join(struct kunit *test, int n)
{
	int i;

	for (i = 0; i < n; i++)
		np_tpick_join(test, i, 1);
}

/* --- round-robin -------------------------------------------------------------- */

/* Those of one weight come in the order in which they have joined, for ever. */
static void np_order_rr(struct kunit *test)
{
	static const int left[] = { 0, 2, 3, 4 };
	struct np_tpick *tp = test->priv;
	int i;

	np_pick_set_policy(&tp->pick, NEWPROTO_POLICY_ROUND_ROBIN);
	np_order_join(test, 5);
	for (i = 0; i < 3000; i++)
		KUNIT_ASSERT_EQ(test, np_tpick_next(tp, i * 7), i % 5);
	/* Without one of them the others go on. */
	np_tpick_leave(test, 1);
	for (i = 0; i < 40; i++)
		KUNIT_EXPECT_EQ(test, np_tpick_next(tp, i), left[i % 4]);
	np_tpick_check(test);
}

static const struct np_weight_row {
	const char *name;
	u32 weight[NP_ROW_SEATS];
	int n;
} np_weight_rows[] = {
	{ "2 1", { 2, 1 }, 2 },
	{ "1 2 3", { 1, 2, 3 }, 3 },
	{ "3 2 1", { 3, 2, 1 }, 3 },
	{ "4 4", { 4, 4 }, 2 },
	{ "10 1", { 10, 1 }, 2 },
	{ "7 5 3", { 7, 5, 3 }, 3 },
	{ "1 100", { 1, 100 }, 2 },
	{ "6 6 6 3 3 3", { 6, 6, 6, 3, 3, 3 }, 6 },
};

static void np_weight_desc(const struct np_weight_row *r, char *desc)
{
	strscpy(desc, r->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_weight, np_weight_rows, np_weight_desc);

/* Nobody is ever two whole turns ahead of its share, or behind it. */
static void np_order_expect_smooth(struct kunit *test, const struct np_weight_row *r,
				   const u32 *count, u32 sum, u32 picks)
{
	s64 ahead;
	int i;

	for (i = 0; i < r->n; i++) {
		ahead = (s64)count[i] * sum - (s64)picks * r->weight[i];
		KUNIT_ASSERT_LT_MSG(test, abs(ahead), 2 * (s64)sum,
				    "seat %d was chosen %u times of %u", i, count[i],
				    picks);
	}
}

/* By weight: exact over each cycle, and smooth within it. */
static void np_order_rr_weights(struct kunit *test)
{
	const struct np_weight_row *r = test->param_value;
	u32 count[NP_ROW_SEATS] = { }, sum = 0, k;
	struct np_tpick *tp = test->priv;
	int i, cycle;

	np_pick_set_policy(&tp->pick, NEWPROTO_POLICY_ROUND_ROBIN);
	for (i = 0; i < r->n; i++) {
		np_tpick_join(test, i, r->weight[i]);
		sum += r->weight[i];
	}
	for (cycle = 1; cycle <= 100; cycle++) {
		for (k = 1; k <= sum; k++) {
			count[np_tpick_next(tp, k)]++;
			np_order_expect_smooth(test, r, count, sum, (cycle - 1) * sum + k);
		}
		for (i = 0; i < r->n; i++)
			KUNIT_ASSERT_EQ_MSG(test, count[i], cycle * r->weight[i],
					    "cycle %d, seat %d", cycle, i);
	}
}

/* So many picks. Returns how many of them a seat gets. */
static u32 np_order_count(struct np_tpick *tp, int i, int picks)
{
	u32 n = 0;

	while (picks--)
		n += np_tpick_next(tp, 0) == i;
	return n;
}

/* Where a cycle does not begin with the count one may be on either side of it. */
static void np_order_expect_about(struct kunit *test, u32 n, u32 want)
{
	KUNIT_EXPECT_GE(test, n, want - 1);
	KUNIT_EXPECT_LE(test, n, want + 1);
}

/* Who comes has no claim to what was before, nor who was away; but may begin with a
 * turn at once.
 */
static void np_order_rr_newcomer(struct kunit *test)
{
	struct np_tpick *tp = test->priv;

	np_pick_set_policy(&tp->pick, NEWPROTO_POLICY_ROUND_ROBIN);
	np_order_join(test, 3);
	np_order_count(tp, 0, 1000);
	np_tpick_join(test, 3, 1);
	np_order_expect_about(test, np_order_count(tp, 3, 4), 1);
	KUNIT_EXPECT_EQ(test, np_order_count(tp, 3, 4), 1U);
	KUNIT_EXPECT_EQ(test, np_order_count(tp, 3, 400), 100U);

	np_pick_update(&tp->pick, &tp->seat[1], 1, false);
	KUNIT_EXPECT_EQ(test, np_order_count(tp, 1, 999), 0U);
	np_pick_update(&tp->pick, &tp->seat[1], 0, true);
	np_order_expect_about(test, np_order_count(tp, 1, 4), 1);
	KUNIT_EXPECT_EQ(test, np_order_count(tp, 1, 400), 100U);

	np_tpick_leave(test, 2);
	np_order_count(tp, 0, 500);
	np_tpick_join(test, 2, 1);
	np_order_expect_about(test, np_order_count(tp, 2, 4), 1);
	KUNIT_EXPECT_EQ(test, np_order_count(tp, 2, 400), 100U);

	/* One that weighs more gets more, from now on. */
	np_tpick_weigh(test, 0, 7);
	np_order_count(tp, 0, 20);
	np_order_expect_about(test, np_order_count(tp, 0, 1000), 700);
	/* And a heavy newcomer no more than that. */
	np_tpick_join(test, 4, 10);
	np_order_expect_about(test, np_order_count(tp, 4, 20), 10);
	np_order_expect_about(test, np_order_count(tp, 4, 2000), 1000);
}

/* --- least-loaded --------------------------------------------------------------- */

/* When seats were last chosen, by the test's own count. */
struct np_chosen {
	u64 at[NP_TSEATS];
	u64 now;
};

/* The open seat with the least load that was not chosen for longest; of those that
 * never were the one that has joined first.
 */
static int np_order_least(const struct np_tpick *tp, const struct np_chosen *c, int n)
{
	const struct np_seat *s;
	int i, best = -1;

	for (i = 0; i < n; i++) {
		s = &tp->seat[i];
		if (!s->is_open)
			continue;
		if (best < 0 || s->load < tp->seat[best].load ||
		    (s->load == tp->seat[best].load && c->at[i] < c->at[best]))
			best = i;
	}
	return best;
}

static void np_order_expect_least(struct kunit *test, struct np_chosen *c, int n)
{
	struct np_tpick *tp = test->priv;
	int want = np_order_least(tp, c, n);

	KUNIT_ASSERT_EQ(test, np_tpick_next(tp, 0), want);
	if (want >= 0)
		c->at[want] = ++c->now;
}

static void np_order_least_loaded(struct kunit *test)
{
	struct np_tpick *tp = test->priv;
	struct np_chosen *c;
	struct rnd_state rnd;
	int i, k;

	c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, c);
	prandom_seed_state(&rnd, 0x1ea);
	np_pick_set_policy(&tp->pick, NEWPROTO_POLICY_LEAST_LOADED);
	np_order_join(test, 12);
	/* Alike: each in turn. */
	for (i = 0; i < 36; i++)
		np_order_expect_least(test, c, 12);
	for (i = 0; i < 3000; i++) {
		k = np_test_random(&rnd, 0, 11);
		np_pick_update(&tp->pick, &tp->seat[k], np_test_random(&rnd, 0, 3),
			       np_test_random(&rnd, 0, 9));
		np_order_expect_least(test, c, 12);
	}
	np_tpick_check(test);
	np_pick_update(&tp->pick, &tp->seat[4], U32_MAX, true);
	np_pick_update(&tp->pick, &tp->seat[5], 0, true);
	for (i = 0; i < 50; i++)
		KUNIT_EXPECT_NE(test, np_tpick_next(tp, 0), 4);
}

/* Choices are counted; what is chosen goes on to be just when the count is full. */
static void np_order_wrap(struct kunit *test)
{
	static const u8 policies[] = {
		NEWPROTO_POLICY_LEAST_LOADED, NEWPROTO_POLICY_HASH,
	};
	struct np_tpick *tp = test->priv;
	u32 count[5] = { };
	int i, p;

	for (p = 0; p < ARRAY_SIZE(policies); p++) {
		np_pick_set_policy(&tp->pick, policies[p]);
		tp->pick.stamp = (typeof(tp->pick.stamp))(U32_MAX - 17);
		np_order_join(test, 5);
		/* By hash, seats are chosen by turns for what is a full one's. */
		np_pick_update(&tp->pick, &tp->seat[0], 1, false);
		memset(count, 0, sizeof(count));
		for (i = 0; i < 400; i++) {
			struct np_seat *s = np_pick_first(&tp->pick);

			np_pick_chosen(&tp->pick, s);
			count[np_tpick_index(tp, s)]++;
		}
		for (i = 1; i < 5; i++)
			KUNIT_EXPECT_EQ_MSG(test, count[i], 100U, "policy %d, seat %d",
					    policies[p], i);
		for (i = 0; i < 5; i++)
			np_tpick_leave(test, i);
	}
}

/* --- last-bound ----------------------------------------------------------------- */

static void np_order_last_bound(struct kunit *test)
{
	struct np_tpick *tp = test->priv;
	int i, k;

	np_pick_set_policy(&tp->pick, NEWPROTO_POLICY_LAST_BOUND);
	for (i = 0; i < 8; i++) {
		np_tpick_join(test, i, 1 + i % 3);
		for (k = 0; k < 5; k++)
			KUNIT_EXPECT_EQ(test, np_tpick_next(tp, k), i);
	}
	/* Full: the newest of the others; when there is room the newest again. */
	for (i = 7; i >= 0; i--) {
		KUNIT_EXPECT_EQ(test, np_tpick_next(tp, i), i);
		np_pick_update(&tp->pick, &tp->seat[i], 1, false);
	}
	KUNIT_EXPECT_EQ(test, np_tpick_next(tp, 0), -1);
	for (i = 0; i < 8; i++) {
		np_pick_update(&tp->pick, &tp->seat[i], 0, true);
		KUNIT_EXPECT_EQ(test, np_tpick_next(tp, i), i);
	}
	/* One that comes again is no newer than it was, unless it is another one. */
	np_tpick_leave(test, 2);
	np_tpick_join(test, 2, 1);
	KUNIT_EXPECT_EQ(test, np_tpick_next(tp, 0), 7);
	np_tpick_leave(test, 2);
	np_seat_init(&tp->seat[2]);
	np_tpick_join(test, 2, 1);
	KUNIT_EXPECT_EQ(test, np_tpick_next(tp, 0), 2);
	np_tpick_leave(test, 2);
	KUNIT_EXPECT_EQ(test, np_tpick_next(tp, 0), 7);
	np_tpick_leave(test, 7);
	KUNIT_EXPECT_EQ(test, np_tpick_next(tp, 0), 6);
	/* The number may be given before it joins. */
	np_seat_init(&tp->seat[20]);
	tp->seat[20].seq = ++tp->pick.seq;
	np_seat_init(&tp->seat[21]);
	tp->seat[21].seq = ++tp->pick.seq;
	np_tpick_join(test, 21, 1);
	KUNIT_EXPECT_EQ(test, np_tpick_next(tp, 0), 21);
	np_tpick_join(test, 20, 1);
	KUNIT_EXPECT_EQ(test, np_tpick_next(tp, 0), 21);
}

/* --- all policies --------------------------------------------------------------- */

static const u8 np_policies[] = {
	NEWPROTO_POLICY_HASH, NEWPROTO_POLICY_ROUND_ROBIN,
	NEWPROTO_POLICY_LEAST_LOADED, NEWPROTO_POLICY_LAST_BOUND,
};

static void np_policy_desc(const u8 *policy, char *desc)
{
	static const char * const names[] = {
		"hash", "round-robin", "least-loaded", "last-bound",
	};

	strscpy(desc, names[*policy], KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_policy, np_policies, np_policy_desc);

/* Who is full is not chosen; each of the others is if it is the only one; nobody is
 * if there is none.
 */
static void np_order_full(struct kunit *test)
{
	struct np_tpick *tp = test->priv;
	u32 full, i;
	int k;

	np_pick_set_policy(&tp->pick, *(const u8 *)test->param_value);
	np_order_join(test, 5);
	for (full = 0; full < 32; full++) {
		for (k = 0; k < 5; k++)
			np_pick_update(&tp->pick, &tp->seat[k], !!(full & BIT(k)),
				       !(full & BIT(k)));
		np_tpick_check(test);
		for (i = 0; i < 200; i++) {
			k = np_tpick_next(tp, i * 7919);
			KUNIT_ASSERT_EQ(test, k < 0, full == 31);
			if (k >= 0)
				KUNIT_ASSERT_EQ_MSG(test, full & BIT(k), 0UL,
						    "seat %d, with 0x%x full", k, full);
		}
	}
	/* Nobody is forgotten when there is room again. */
	for (k = 0; k < 5; k++) {
		np_pick_update(&tp->pick, &tp->seat[k], 0, true);
		np_tpick_check(test);
		KUNIT_EXPECT_GE(test, np_tpick_next(tp, k), 0);
	}
}

/* A full one may leave, and one that has left may be full no more. */
static void np_order_full_leaves(struct kunit *test)
{
	struct np_tpick *tp = test->priv;
	int i;

	np_pick_set_policy(&tp->pick, *(const u8 *)test->param_value);
	np_order_join(test, 3);
	for (i = 0; i < 3; i++)
		np_pick_update(&tp->pick, &tp->seat[i], 9, false);
	np_tpick_leave(test, 1);
	np_tpick_check(test);
	KUNIT_EXPECT_EQ(test, np_tpick_next(tp, 0), -1);
	np_tpick_join(test, 1, 1);
	np_tpick_check(test);
	KUNIT_EXPECT_EQ(test, np_tpick_next(tp, 12), 1);
}

/* What a policy's order goes by, in the order of importance. */
static bool np_order_is_right(const struct np_seat *s, const struct np_seat *t, u8 policy)
{
	switch (policy) {
	case NEWPROTO_POLICY_ROUND_ROBIN:
		return s->vtime <= t->vtime;
	case NEWPROTO_POLICY_LEAST_LOADED:
		return s->load <= t->load;
	case NEWPROTO_POLICY_LAST_BOUND:
		return s->seq > t->seq;
	default:
		return s->stamp <= t->stamp;
	}
}

/* Change the policy at any time: the order is the new one's at once. */
static void np_order_policy(struct kunit *test)
{
	struct np_tpick *tp = test->priv;
	const struct np_seat *s, *next;
	struct rnd_state rnd;
	int i, k, turn;
	u8 policy;

	prandom_seed_state(&rnd, 0x901);
	for (i = 0; i < 30; i++)
		np_tpick_join(test, i, 1 + i % 4);
	for (turn = 0; turn < 100; turn++) {
		policy = np_test_random(&rnd, 0, 3);
		np_pick_set_policy(&tp->pick, policy);
		KUNIT_EXPECT_EQ(test, tp->pick.policy, policy);
		for (i = 0; i < 20; i++) {
			for (s = np_pick_first(&tp->pick); s; s = next) {
				next = np_pick_after(s);
				if (next)
					KUNIT_ASSERT_TRUE(test, np_order_is_right(s, next,
										  policy));
			}
			np_tpick_next(tp, prandom_u32_state(&rnd));
			k = np_test_random(&rnd, 0, 29);
			np_pick_update(&tp->pick, &tp->seat[k],
				       np_test_random(&rnd, 0, 50), k % 3 || i % 2);
		}
		np_tpick_check(test);
	}
}

static struct kunit_case np_order_cases[] = {
	KUNIT_CASE(np_order_rr),
	KUNIT_CASE_PARAM(np_order_rr_weights, np_weight_gen_params),
	KUNIT_CASE(np_order_rr_newcomer),
	KUNIT_CASE(np_order_least_loaded),
	KUNIT_CASE(np_order_wrap),
	KUNIT_CASE(np_order_last_bound),
	KUNIT_CASE_PARAM(np_order_full, np_policy_gen_params),
	KUNIT_CASE_PARAM(np_order_full_leaves, np_policy_gen_params),
	KUNIT_CASE(np_order_policy),
	{}
};

static struct kunit_suite np_order_suite = {
	.name = "newproto_pick_order",
	.init = np_tpick_init,
	.exit = np_tpick_exit,
	.test_cases = np_order_cases,
};

kunit_test_suite(np_order_suite);
