// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the choice among those who share an address: the table of the hash
 * policy.
 */
#include "pick_lib.h"

/* A mix of weights: of @n seats each @every-th has @weight, the others 1 to @mod. */
struct np_mix {
	const char *name;
	int n;
	int mod;
	int every;
	int weight;
};

static u32 np_mix_weight(const struct np_mix *m, int i)
{
	if (m->every && i % m->every == m->every / 2)
		return m->weight;
	return 1 + i % m->mod;
}

static u64 np_mix_sum(const struct np_mix *m, int n)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < n; i++)
		sum += np_mix_weight(m, i);
	return sum;
}

static void np_mix_join(struct kunit *test, const struct np_mix *m)
{
	int i;

	for (i = 0; i < m->n; i++)
		np_tpick_join(test, i, np_mix_weight(m, i));
}

static void np_mix_desc(const struct np_mix *m, char *desc)
{
	strscpy(desc, m->name, KUNIT_PARAM_DESC_SIZE);
}

/* The best and the worst served, by weight, of those who are there: a ratio in
 * thousandths.
 */
static u32 np_pick_spread_of(const struct np_tpick *tp, const u32 *n)
{
	u64 most = 0, least = U64_MAX, share;
	int i;

	for (i = 0; i < NP_TSEATS; i++) {
		if (!np_seat_is_taken(&tp->seat[i]))
			continue;
		share = (u64)n[i] * 1000000 / tp->seat[i].weight;
		most = max(most, share);
		least = min(least, share);
	}
	return least ? div64_u64(most * 1000, least) : U32_MAX;
}

static void np_pick_expect_spread(struct kunit *test, const char *when)
{
	struct np_tpick *tp = test->priv;
	u32 slots;

	np_tpick_check(test);
	slots = np_pick_spread_of(tp, tp->slots);
	np_tpick_count_flows(test);
	KUNIT_EXPECT_LE_MSG(test, np_pick_spread_of(tp, tp->flows), 1500U,
			    "%s: %u seats, spread of slots %u/1000", when,
			    tp->pick.nseats, slots);
}

static const struct np_mix np_spread_mixes[] = {
	{ "2 alike", 2, 1 },
	{ "3 alike", 3, 1 },
	{ "17 alike", 17, 1 },
	{ "63 alike", 63, 1 },
	{ "64 alike", 64, 1 },
	{ "65 alike", 65, 1 },
	{ "2 to 1", 2, 2 },
	{ "64 from 1 to 4", 64, 4 },
	{ "64, one of 100", 64, 1, 64, 100 },
	{ "64, two of 100", 64, 1, 32, 100 },
	{ "8, half of 100", 8, 1, 2, 100 },
	{ "1 to 1000", 2, 1, 2, 1000 },
};

KUNIT_ARRAY_PARAM(np_spread, np_spread_mixes, np_mix_desc);

static void np_pick_spread(struct kunit *test)
{
	np_mix_join(test, test->param_value);
	np_pick_expect_spread(test, "all joined");
}

/* By real flows: their addresses and ports differ by little. */
static void np_pick_spread_ports(struct kunit *test)
{
	static const struct np_mix alike = { "", 64, 1 };
	struct np_addr dst = np_form_addr(NP_FORM_V4_A, 80), src = { };
	struct np_tpick *tp = test->priv;
	int i, k;

	np_mix_join(test, &alike);
	memset(tp->flows, 0, sizeof(tp->flows));
	for (i = 0; i < NP_TFLOWS; i++) {
		np_addr_set_v4(&src.ip, htonl(INADDR_LOOPBACK + i / 50000));
		src.port = htons(10000 + i % 50000);
		k = np_tpick_next(tp, np_addr_hash(&src, &dst));
		KUNIT_ASSERT_GE(test, k, 0);
		tp->flows[k]++;
	}
	KUNIT_EXPECT_LE(test, np_pick_spread_of(tp, tp->flows), 1500U);
}

/* Those who are left when others go one after the other, whichever these are. */
static const int np_leave_orders[] = { 0, 1, 2 };

static void np_leave_desc(const int *order, char *desc)
{
	static const char * const names[] = { "the oldest", "the youngest", "any" };

	strscpy(desc, names[*order], KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_leave, np_leave_orders, np_leave_desc);

static void np_pick_spread_left(struct kunit *test)
{
	static const struct np_mix alike = { "", 64, 1 };
	int order = *(const int *)test->param_value, i, k;
	struct np_tpick *tp = test->priv;
	u32 worst = 0;

	np_mix_join(test, &alike);
	for (i = 0; i < 62; i++) {
		k = order == 1 ? 63 - i : i;
		if (order == 2)
			k = i * 37 % 64;
		np_tpick_leave(test, k);
		np_tpick_check(test);
		worst = max(worst, np_pick_spread_of(tp, tp->slots));
		if (i % 8 == 7)
			np_pick_expect_spread(test, "some have left");
	}
	KUNIT_EXPECT_LE_MSG(test, worst, 1500U, "spread of slots in thousandths");
}

/* --- what moves ------------------------------------------------------------- */

static const struct np_mix np_join_mixes[] = {
	{ "the 2nd", 2, 1 },
	{ "the 3rd", 3, 1 },
	{ "the 8th", 8, 1 },
	{ "the 17th: the table grows", 17, 1 },
	{ "the 64th", 64, 1 },
	{ "the 65th: the table grows", 65, 1 },
	{ "the 64th, of 4", 64, 4 },
	{ "the 64th, of 1 among 1 to 3", 64, 3 },
	{ "the 64th, of 4 among 1 and 4", 64, 1, 2, 4 },
	{ "the 9th, of 100 among 1s: the table grows", 9, 1, 17, 100 },
};

KUNIT_ARRAY_PARAM(np_join, np_join_mixes, np_mix_desc);

/* At most 1.1 of a seat's share of the flows. */
static void np_pick_expect_moved(struct kunit *test, u32 weight, u64 sum)
{
	struct np_tpick *tp = test->priv;
	u64 ideal = div64_u64((u64)NP_TFLOWS * weight, sum);

	KUNIT_EXPECT_LE_MSG(test, (u64)tp->moved, ideal * 11 / 10, "ideal: %llu", ideal);
	KUNIT_EXPECT_GE_MSG(test, (u64)tp->moved, ideal * 8 / 10, "ideal: %llu", ideal);
}

/* A newcomer takes its share, and nothing else moves. */
static void np_pick_join_moves(struct kunit *test)
{
	const struct np_mix *m = test->param_value;
	struct np_tpick *tp = test->priv;
	int last = m->n - 1, i;

	for (i = 0; i < last; i++)
		np_tpick_join(test, i, np_mix_weight(m, i));
	np_tpick_count_flows(test);
	np_tpick_join(test, last, np_mix_weight(m, last));
	np_tpick_check(test);
	np_tpick_count_flows(test);
	KUNIT_EXPECT_EQ(test, tp->moved_to[last], tp->moved);
	KUNIT_EXPECT_EQ(test, tp->flows[last], tp->moved);
	np_pick_expect_moved(test, np_mix_weight(m, last), np_mix_sum(m, m->n));
}

static const struct np_mix np_left_mixes[] = {
	{ "of 2", 2, 1 },
	{ "of 3", 3, 1 },
	{ "of 17", 17, 1 },
	{ "of 64", 64, 1 },
	{ "of 64, from 1 to 4", 64, 4 },
	{ "of 64, one of 100", 64, 1, 64, 100 },
};

KUNIT_ARRAY_PARAM(np_left, np_left_mixes, np_mix_desc);

/* What a leaver had goes to the others, and nothing else moves. */
static void np_pick_leave_moves(struct kunit *test)
{
	const struct np_mix *m = test->param_value;
	struct np_tpick *tp = test->priv;
	u32 had, most = 0;
	int gone = m->n / 2, i;

	/* The middle one, which is the heaviest of some. */
	if (m->mod > 1)
		gone = m->mod - 1;
	np_mix_join(test, m);
	np_tpick_count_flows(test);
	had = tp->flows[gone];
	np_tpick_leave(test, gone);
	np_tpick_check(test);
	np_tpick_count_flows(test);
	KUNIT_EXPECT_EQ(test, tp->moved_from[gone], tp->moved);
	KUNIT_EXPECT_EQ(test, tp->moved, had);
	np_pick_expect_moved(test, np_mix_weight(m, gone), np_mix_sum(m, m->n));
	/* They are spread, and not one's. */
	for (i = 0; i < m->n; i++)
		most = max(most, tp->moved_to[i]);
	if (m->n >= 17)
		KUNIT_EXPECT_LT(test, most, tp->moved / 2);
}

/* A larger table is the same choice. */
static void np_pick_grow_moves_none(struct kunit *test)
{
	static const u32 shares[] = { 64, 256, 1024, 4096 };
	static const struct np_mix m = { "", 13, 3 };
	struct np_tpick *tp = test->priv;
	u32 size, slots, i;

	np_mix_join(test, &m);
	np_tpick_count_flows(test);
	for (i = 0; i < ARRAY_SIZE(shares); i++) {
		size = np_tpick_size(tp);
		slots = tp->seat[5].slots;
		np_tpick_grow(test, shares[i]);
		np_tpick_check(test);
		KUNIT_EXPECT_GT(test, np_tpick_size(tp), size);
		KUNIT_EXPECT_EQ(test, tp->seat[5].slots,
				slots * (np_tpick_size(tp) / size));
		np_tpick_count_flows(test);
		KUNIT_EXPECT_EQ_MSG(test, tp->moved, 0U, "a table for %u", shares[i]);
	}
	/* And one that is not larger is not used. */
	size = np_tpick_size(tp);
	np_tpick_grow(test, 2);
	np_tpick_grow(test, 4096);
	KUNIT_EXPECT_EQ(test, np_tpick_size(tp), size);
	np_tpick_check(test);
}

/* How finely a table is to be divided: in parts of the lightest seat's weight. */
static void np_pick_parts(struct kunit *test)
{
	struct np_pick *p = &((struct np_tpick *)test->priv)->pick;

	KUNIT_EXPECT_EQ(test, np_pick_shares(p, 1, 1), 1U);
	KUNIT_EXPECT_EQ(test, np_pick_shares(p, 1, 1000), 1U);
	KUNIT_EXPECT_EQ(test, np_pick_shares(p, 7, 1000), 7U);
	np_tpick_join(test, 0, 10);
	KUNIT_EXPECT_EQ(test, np_pick_shares(p, 1, 10), 2U);
	KUNIT_EXPECT_EQ(test, np_pick_shares(p, 3, 10), 4U);
	KUNIT_EXPECT_EQ(test, np_pick_shares(p, 1, 25), 4U);
	KUNIT_EXPECT_EQ(test, np_pick_shares(p, 2, 3), 6U);
	KUNIT_EXPECT_EQ(test, np_pick_shares(p, 1, 1), 11U);
	np_tpick_join(test, 1, 1);
	KUNIT_EXPECT_EQ(test, np_pick_shares(p, 1, 1000), 1011U);
	/* A table is no larger than the largest. */
	KUNIT_EXPECT_EQ(test, np_pick_shares(p, 10000, 1000), NP_SLOTS_MAX);
	KUNIT_EXPECT_EQ(test, np_pick_shares(p, U32_MAX, 1000), NP_SLOTS_MAX);
	np_tpick_weigh(test, 1, 1000);
	np_tpick_check(test);
	KUNIT_EXPECT_LT(test, np_pick_spread_of(test->priv,
						((struct np_tpick *)test->priv)->slots),
			1050U);
}

/* How large it gets, and when. */
static void np_pick_sizes(struct kunit *test)
{
	static const struct {
		u32 shares;
		u32 slots;
	} rows[] = {
		{ 0, NP_SLOTS_MIN }, { 1, NP_SLOTS_MIN }, { 8, 256 }, { 9, 512 },
		{ 64, 2048 }, { 65, 4096 }, { 2048, 65536 }, { 2049, NP_SLOTS_MAX },
		{ U32_MAX, NP_SLOTS_MAX },
	};
	struct np_pick *p = &((struct np_tpick *)test->priv)->pick;
	struct np_slots *t;
	int i;

	KUNIT_EXPECT_TRUE(test, np_pick_is_small(p, 1));
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		t = np_slots_alloc(rows[i].shares);
		KUNIT_ASSERT_NOT_NULL(test, t);
		KUNIT_EXPECT_EQ_MSG(test, t->mask + 1, rows[i].slots, "%u shares",
				    rows[i].shares);
		kvfree(np_pick_grow(p, t));
		KUNIT_EXPECT_FALSE(test, np_pick_is_small(p, rows[i].shares));
		if (rows[i].slots < NP_SLOTS_MAX)
			KUNIT_EXPECT_TRUE(test, np_pick_is_small(p, 4 * rows[i].shares + 64));
	}
	KUNIT_EXPECT_FALSE(test, np_pick_is_small(p, U32_MAX));
}

/* A seat's slots are its share of the table, rounded to either side. */
static void np_pick_expect_share(struct kunit *test, int i)
{
	struct np_tpick *tp = test->priv;
	u64 share = (u64)tp->seat[i].weight * np_tpick_size(tp);

	KUNIT_EXPECT_GE(test, tp->slots[i] * tp->pick.weight + tp->pick.weight - 1, share);
	KUNIT_EXPECT_LE(test, tp->slots[i] * tp->pick.weight, share + tp->pick.weight - 1);
}

/* A weight that changes moves what is gained or lost, to or from that seat. */
static void np_pick_weight_moves(struct kunit *test)
{
	static const u32 weights[] = { 3, 4, 20, 7, 1, 1000, 2 };
	static const struct np_mix m = { "", 20, 3 };
	struct np_tpick *tp = test->priv;
	u32 had, i;

	np_mix_join(test, &m);
	np_tpick_count_flows(test);
	for (i = 0; i < ARRAY_SIZE(weights); i++) {
		had = tp->flows[6];
		np_tpick_weigh(test, 6, weights[i]);
		np_tpick_check(test);
		np_pick_expect_share(test, 6);
		np_tpick_count_flows(test);
		if (tp->flows[6] > had) {
			KUNIT_EXPECT_EQ(test, tp->moved, tp->flows[6] - had);
			KUNIT_EXPECT_EQ(test, tp->moved_to[6], tp->moved);
		} else {
			KUNIT_EXPECT_EQ(test, tp->moved, had - tp->flows[6]);
			KUNIT_EXPECT_EQ(test, tp->moved_from[6], tp->moved);
		}
	}
	/* The same once more moves nothing. */
	np_tpick_weigh(test, 6, 2);
	np_tpick_count_flows(test);
	KUNIT_EXPECT_EQ(test, tp->moved, 0U);
}

/* One who is alone has all, whatever it weighs; and none if it is not there. */
static void np_pick_alone(struct kunit *test)
{
	struct np_tpick *tp = test->priv;

	KUNIT_EXPECT_NULL(test, np_pick_slot(&tp->pick, 5));
	KUNIT_EXPECT_NULL(test, np_pick_next(&tp->pick, 5));
	KUNIT_EXPECT_NULL(test, np_pick_any(&tp->pick));
	np_tpick_join(test, 0, 5);
	np_tpick_check(test);
	KUNIT_EXPECT_EQ(test, tp->slots[0], np_tpick_size(tp));
	KUNIT_EXPECT_EQ(test, np_tpick_next(tp, 77), 0);
	KUNIT_EXPECT_PTR_EQ(test, np_pick_any(&tp->pick), &tp->seat[0]);
	np_tpick_weigh(test, 0, 1);
	np_tpick_check(test);
	np_tpick_weigh(test, 0, 1000);
	np_tpick_check(test);
	KUNIT_EXPECT_EQ(test, tp->slots[0], np_tpick_size(tp));
	np_tpick_leave(test, 0);
	np_tpick_check(test);
	KUNIT_EXPECT_NULL(test, np_pick_slot(&tp->pick, 77));
	KUNIT_EXPECT_NULL(test, np_pick_next(&tp->pick, 77));
	/* The table that is left serves the next ones. */
	np_tpick_join(test, 1, 1);
	np_tpick_join(test, 2, 1);
	np_tpick_check(test);
	KUNIT_EXPECT_EQ(test, tp->slots[1], tp->slots[2]);
}

/* Without a table there is one seat at most; the table may come with the second. */
static void np_pick_late_table(struct kunit *test)
{
	struct np_tpick *tp = test->priv;

	np_pick_join(&tp->pick, &tp->seat[0]);
	KUNIT_EXPECT_EQ(test, np_tpick_size(tp), 0U);
	KUNIT_EXPECT_NULL(test, np_pick_slot(&tp->pick, 1));
	KUNIT_EXPECT_EQ(test, np_tpick_next(tp, 1), 0);
	np_tpick_join(test, 1, 1);
	np_tpick_check(test);
	KUNIT_EXPECT_EQ(test, tp->slots[0], tp->slots[1]);
}

/* --- full seats --------------------------------------------------------------- */

/* Whose flow is it, with those full that are? Left in np_tpick.owner. */
static void np_pick_look(struct np_tpick *tp, u32 *count)
{
	u32 i;

	memset(count, 0, NP_TSEATS * sizeof(*count));
	for (i = 0; i < 20000; i++) {
		tp->owner[i] = np_tpick_next(tp, i * 2654435761U >> 7);
		count[tp->owner[i]]++;
	}
}

/* A full seat's flows go to several others; all else stays. When it has room again it
 * has them again.
 */
static void np_pick_hash_full(struct kunit *test)
{
	static const struct np_mix m = { "", 10, 1 };
	struct np_tpick *tp = test->priv;
	u32 i, k, most = 0, sum = 0;

	np_mix_join(test, &m);
	np_pick_look(tp, tp->flows);
	np_pick_update(&tp->pick, &tp->seat[3], 1, false);
	for (i = 0; i < 20000; i++) {
		k = np_tpick_next(tp, i * 2654435761U >> 7);
		KUNIT_ASSERT_NE(test, k, 3U);
		if (tp->owner[i] != 3)
			KUNIT_ASSERT_EQ(test, k, (u32)tp->owner[i]);
		tp->moved_to[k] += tp->owner[i] == 3;
	}
	for (i = 0; i < 10; i++) {
		most = max(most, tp->moved_to[i]);
		sum += tp->moved_to[i];
	}
	KUNIT_EXPECT_GT(test, sum, 1000U);
	KUNIT_EXPECT_LT_MSG(test, most, sum / 2, "what one of nine gets");
	np_pick_update(&tp->pick, &tp->seat[3], 0, true);
	np_tpick_check(test);
	for (i = 0; i < 20000; i++)
		KUNIT_ASSERT_EQ(test, np_tpick_next(tp, i * 2654435761U >> 7),
				(int)tp->owner[i]);
}

/* Where one only has room it gets all, however many are full. */
static void np_pick_hash_almost_full(struct kunit *test)
{
	static const struct np_mix m = { "", 64, 1 };
	struct np_tpick *tp = test->priv;
	u32 i;

	np_mix_join(test, &m);
	for (i = 0; i < 64; i++)
		if (i != 40)
			np_pick_update(&tp->pick, &tp->seat[i], 1, false);
	for (i = 0; i < 5000; i++)
		KUNIT_ASSERT_EQ(test, np_tpick_next(tp, i * 77), 40);
	np_pick_update(&tp->pick, &tp->seat[40], 1, false);
	for (i = 0; i < 5000; i++)
		KUNIT_ASSERT_EQ(test, np_tpick_next(tp, i * 77), -1);
	/* Open or not: each in turn. */
	for (i = 0; i < 128; i++)
		KUNIT_EXPECT_EQ(test, np_tpick_index(tp, np_pick_any(&tp->pick)),
				(int)(i % 64));
}

/* --- anything ----------------------------------------------------------------- */

/* A seat may have more or less than its share, but not by much. */
static void np_pick_random_shares(struct kunit *test)
{
	struct np_tpick *tp = test->priv;
	u32 n = np_tpick_size(tp);
	u64 share;
	int i;

	for (i = 0; i < NP_TSEATS; i++) {
		if (!np_seat_is_taken(&tp->seat[i]))
			continue;
		share = div64_u64((u64)tp->seat[i].weight * n, tp->pick.weight);
		KUNIT_ASSERT_TRUE_MSG(test, 2 * tp->slots[i] + 2 >= share &&
				      tp->slots[i] <= 2 * share + 2,
				      "seat %d has %u slots of %u; its share is %llu",
				      i, tp->slots[i], n, share);
	}
}

static void np_pick_random_step(struct kunit *test, struct rnd_state *rnd)
{
	struct np_tpick *tp = test->priv;
	int i = np_test_random(rnd, 0, NP_TSEATS - 1);
	struct np_seat *s = &tp->seat[i];
	u32 what = np_test_random(rnd, 0, 99);

	if (!np_seat_is_taken(s)) {
		np_tpick_join(test, i, np_test_random(rnd, 1, what % 2 ? 1 : 9));
		return;
	}
	if (what < 40)
		np_tpick_leave(test, i);
	else if (what < 60)
		np_tpick_weigh(test, i, np_test_random(rnd, 1, 9));
	else if (what < 90)
		np_pick_update(&tp->pick, s, np_test_random(rnd, 0, 5), what % 4);
	else if (what < 95)
		np_pick_set_policy(&tp->pick, what % 4);
	else if (what < 96)
		np_tpick_grow(test, np_test_random(rnd, 0, 200));
	else
		np_pick_any(&tp->pick);
}

static void np_pick_random(struct kunit *test)
{
	struct np_tpick *tp = test->priv;
	struct rnd_state rnd;
	int i, k;

	prandom_seed_state(&rnd, 0x91c);
	for (i = 0; i < 2000; i++) {
		np_pick_random_step(test, &rnd);
		np_tpick_check(test);
		np_pick_random_shares(test);
		k = np_tpick_next(tp, prandom_u32_state(&rnd));
		KUNIT_ASSERT_EQ(test, k >= 0, !!np_pick_first(&tp->pick));
		if (k >= 0)
			KUNIT_ASSERT_TRUE(test, tp->seat[k].is_open);
		cond_resched();
	}
}

static struct kunit_case np_pick_cases[] = {
	KUNIT_CASE_PARAM(np_pick_spread, np_spread_gen_params),
	KUNIT_CASE(np_pick_spread_ports),
	KUNIT_CASE_PARAM(np_pick_spread_left, np_leave_gen_params),
	KUNIT_CASE_PARAM(np_pick_join_moves, np_join_gen_params),
	KUNIT_CASE_PARAM(np_pick_leave_moves, np_left_gen_params),
	KUNIT_CASE(np_pick_grow_moves_none),
	KUNIT_CASE(np_pick_parts),
	KUNIT_CASE(np_pick_sizes),
	KUNIT_CASE(np_pick_weight_moves),
	KUNIT_CASE(np_pick_alone),
	KUNIT_CASE(np_pick_late_table),
	KUNIT_CASE(np_pick_hash_full),
	KUNIT_CASE(np_pick_hash_almost_full),
	KUNIT_CASE(np_pick_random),
	{}
};

static struct kunit_suite np_pick_suite = {
	.name = "newproto_pick",
	.init = np_tpick_init,
	.exit = np_tpick_exit,
	.test_cases = np_pick_cases,
};

kunit_test_suite(np_pick_suite);
