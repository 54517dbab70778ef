// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the tests of the choice among seats share.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "pick_lib.h"

/**
 * np_tpick_init - the init callback of suites about the choice
 * @test: the test
 */
int np_tpick_init(struct kunit *test)
{
	struct np_tpick *tp = kvzalloc(sizeof(*tp), GFP_KERNEL);
	int i;

	if (!tp)
		return -ENOMEM;
	np_pick_init(&tp->pick);
	for (i = 0; i < NP_TSEATS; i++)
		np_seat_init(&tp->seat[i]);
	test->priv = tp;
	return 0;
}

/**
 * np_tpick_exit - the exit callback of suites about the choice
 * @test: the test
 */
void np_tpick_exit(struct kunit *test)
{
	struct np_tpick *tp = test->priv;
	int i;

	if (!tp)
		return;
	for (i = 0; i < NP_TSEATS; i++)
		if (np_seat_is_taken(&tp->seat[i]))
			np_tpick_leave(test, i);
	np_tpick_check(test);
	KUNIT_EXPECT_EQ(test, tp->pick.nseats, 0U);
	np_pick_free(&tp->pick);
	kvfree(tp);
}

/**
 * np_tpick_grow - use a table that is divided so finely, if that is larger
 * @test: the test
 * @shares: the sum of all weights, in terms of the smallest
 */
void np_tpick_grow(struct kunit *test, u32 shares)
{
	struct np_tpick *tp = test->priv;
	struct np_slots *fresh = np_slots_alloc(shares);

	KUNIT_ASSERT_NOT_NULL(test, fresh);
	kvfree(np_pick_grow(&tp->pick, fresh));
}

/* As np_group_reserve_weight(): a larger table, if it is needed. */
static void np_tpick_reserve(struct kunit *test, u32 more, u32 weight)
{
	struct np_tpick *tp = test->priv;
	u32 shares = np_pick_shares(&tp->pick, more, weight);

	if (np_pick_is_small(&tp->pick, shares))
		np_tpick_grow(test, shares);
	KUNIT_EXPECT_FALSE(test, np_pick_is_small(&tp->pick, shares));
}

/**
 * np_tpick_join - a seat comes
 * @test: the test
 * @i: the seat
 * @weight: its weight
 */
void np_tpick_join(struct kunit *test, int i, u32 weight)
{
	struct np_tpick *tp = test->priv;

	np_tpick_reserve(test, 1, weight);
	tp->seat[i].weight = weight;
	np_pick_join(&tp->pick, &tp->seat[i]);
	KUNIT_EXPECT_TRUE(test, np_seat_is_taken(&tp->seat[i]));
	KUNIT_EXPECT_TRUE(test, tp->seat[i].is_open);
}

/**
 * np_tpick_weigh - a seat's weight changes
 * @test: the test
 * @i: the seat
 * @weight: its weight from now on
 */
void np_tpick_weigh(struct kunit *test, int i, u32 weight)
{
	struct np_tpick *tp = test->priv;

	np_tpick_reserve(test, 0, weight);
	np_pick_set_weight(&tp->pick, &tp->seat[i], weight);
	KUNIT_EXPECT_EQ(test, tp->seat[i].weight, weight);
}

/**
 * np_tpick_leave - a seat goes
 * @test: the test
 * @i: the seat
 */
void np_tpick_leave(struct kunit *test, int i)
{
	struct np_tpick *tp = test->priv;

	np_pick_leave(&tp->pick, &tp->seat[i]);
	KUNIT_EXPECT_FALSE(test, np_seat_is_taken(&tp->seat[i]));
	KUNIT_EXPECT_FALSE(test, tp->seat[i].is_open);
	KUNIT_EXPECT_EQ(test, tp->seat[i].slots, 0U);
}

/* Each slot is somebody's, if anybody is there, and the seats know how many. */
static void np_tpick_check_table(struct kunit *test)
{
	struct np_tpick *tp = test->priv;
	u32 n = np_tpick_size(tp), i, wrong = 0;
	int k;

	memset(tp->slots, 0, sizeof(tp->slots));
	for (i = 0; i < n; i++) {
		k = np_tpick_index(tp, np_pick_slot(&tp->pick, i));
		if (k >= 0 && np_seat_is_taken(&tp->seat[k]))
			tp->slots[k]++;
		else if (k >= 0 || tp->pick.nseats)
			wrong++;
	}
	KUNIT_EXPECT_EQ_MSG(test, wrong, 0U, "of %u slots, with %u seats", n,
			    tp->pick.nseats);
	for (k = 0; k < NP_TSEATS; k++)
		KUNIT_EXPECT_EQ_MSG(test, tp->slots[k], tp->seat[k].slots, "seat %d", k);
}

static bool np_tpick_is_before(const struct np_seat *s, const struct np_seat *t)
{
	if (s->key != t->key)
		return s->key < t->key;
	return s->tie < t->tie || (s->tie == t->tie && s->seq < t->seq);
}

static void np_tpick_check_order(struct kunit *test)
{
	struct np_tpick *tp = test->priv;
	const struct np_seat *s, *last = NULL;
	u32 n = 0, open = 0;
	int i;

	for (s = np_pick_first(&tp->pick); s; last = s, s = np_pick_after(s), n++) {
		KUNIT_EXPECT_TRUE(test, s->is_open);
		if (last && !np_tpick_is_before(last, s))
			KUNIT_FAIL(test, "seat %d comes before %d\n",
				   np_tpick_index(tp, last), np_tpick_index(tp, s));
	}
	for (i = 0; i < NP_TSEATS; i++)
		open += tp->seat[i].is_open;
	KUNIT_EXPECT_EQ(test, n, open);
}

/**
 * np_tpick_check - what holds at any time
 * @test: the test
 *
 * Fills in np_tpick.slots.
 */
void np_tpick_check(struct kunit *test)
{
	struct np_tpick *tp = test->priv;
	u32 nseats = 0, listed = 0;
	const struct np_seat *s;
	u64 weight = 0;
	int i;

	for (i = 0; i < NP_TSEATS; i++) {
		if (!np_seat_is_taken(&tp->seat[i]))
			continue;
		nseats++;
		weight += tp->seat[i].weight;
	}
	list_for_each_entry(s, &tp->pick.seats, all)
		listed++;
	KUNIT_EXPECT_EQ(test, tp->pick.nseats, nseats);
	KUNIT_EXPECT_EQ(test, listed, nseats);
	KUNIT_EXPECT_EQ(test, tp->pick.weight, weight);
	np_tpick_check_table(test);
	np_tpick_check_order(test);
}

/**
 * np_tpick_count_flows - see whose all flows are, by the table
 * @test: the test
 *
 * Fills in what is said of flows at struct np_tpick.
 */
void np_tpick_count_flows(struct kunit *test)
{
	struct np_tpick *tp = test->priv;
	struct rnd_state rnd;
	u32 i, lost = 0;
	int k;

	memset(tp->flows, 0, sizeof(tp->flows));
	memset(tp->moved_to, 0, sizeof(tp->moved_to));
	memset(tp->moved_from, 0, sizeof(tp->moved_from));
	tp->moved = 0;
	prandom_seed_state(&rnd, 0xf10);
	for (i = 0; i < NP_TFLOWS; i++) {
		k = np_tpick_index(tp, np_pick_slot(&tp->pick,
						    prandom_u32_state(&rnd)));
		if (k < 0) {
			lost++;
			continue;
		}
		tp->flows[k]++;
		if (tp->owner[i] == k)
			continue;
		tp->moved++;
		tp->moved_to[k]++;
		tp->moved_from[tp->owner[i]]++;
		tp->owner[i] = k;
	}
	KUNIT_EXPECT_EQ(test, lost, 0U);
}
