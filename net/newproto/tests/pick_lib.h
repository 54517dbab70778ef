/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of the choice among seats share.
 */
#ifndef _NP_TESTS_PICK_LIB_H
#define _NP_TESTS_PICK_LIB_H

#include "lib.h"
#include "pick.h"

#define NP_TSEATS	130
#define NP_TFLOWS	100000

/**
 * struct np_tpick - a choice among seats: the test->priv of suites about it
 * @pick: the choice
 * @seat: those that may be in it
 * @slots: of each, as counted in the table
 * @flows: of each, as np_tpick_count_flows() has found them
 * @owner: of each flow, the seat that it had when it was last looked at
 * @moved_to: flows that were another's at the look before, of each seat
 * @moved_from: the same, of each seat that they were of
 * @moved: flows that moved, of all
 */
struct np_tpick {
	struct np_pick pick;
	struct np_seat seat[NP_TSEATS];
	u32 slots[NP_TSEATS];
	u32 flows[NP_TSEATS];
	u8 owner[NP_TFLOWS];
	u32 moved_to[NP_TSEATS];
	u32 moved_from[NP_TSEATS];
	u32 moved;
};

int np_tpick_init(struct kunit *test);
void np_tpick_exit(struct kunit *test);
void np_tpick_grow(struct kunit *test, u32 shares);
void np_tpick_join(struct kunit *test, int i, u32 weight);
void np_tpick_weigh(struct kunit *test, int i, u32 weight);
void np_tpick_leave(struct kunit *test, int i);
void np_tpick_check(struct kunit *test);
void np_tpick_count_flows(struct kunit *test);

/* The number of a seat, or -1. */
static inline int np_tpick_index(const struct np_tpick *tp, const struct np_seat *s)
{
	return s ? (int)(s - tp->seat) : -1;
}

/* Choose. Returns the seat's number, or -1. */
static inline int np_tpick_next(struct np_tpick *tp, u32 hash)
{
	return np_tpick_index(tp, np_pick_next(&tp->pick, hash));
}

/* Slots of the table. */
static inline u32 np_tpick_size(const struct np_tpick *tp)
{
	const struct np_slots *t = rcu_dereference_protected(tp->pick.slots, true);

	return t ? t->mask + 1 : 0;
}

#endif /* _NP_TESTS_PICK_LIB_H */
