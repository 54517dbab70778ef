// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the lives of a link. In user space, tools/npnic-test/sched_test.c also takes
 * the single steps of both ends in many orders.
 */
#include "lib.h"

/**
 * struct npnic_tlives - both ends of a link
 * @word: their words
 * @end: their views
 * @name: the last name that was given
 * @resets: how often an end was reset since it had lost the other
 */
struct npnic_tlives {
	struct npnic_link word[2];
	struct npnic_life end[2];
	u32 name;
	u32 resets;
};

static void npnic_tlives_reset(struct npnic_tlives *t, u32 i)
{
	npnic_life_end(&t->end[i]);
	npnic_life_begin(&t->end[i], ++t->name);
}

static void npnic_tlives_init(struct npnic_tlives *t)
{
	u32 i;

	memset(t, 0, sizeof(*t));
	t->name = 100;
	for (i = 0; i < 2; i++) {
		t->end[i].own = &t->word[i];
		t->end[i].peer = &t->word[!i];
	}
}

static enum npnic_link_news npnic_tlives_look(struct npnic_tlives *t, u32 i)
{
	enum npnic_link_news news = npnic_life_look(&t->end[i]);

	if (news == NPNIC_NEWS_LOST) {
		npnic_tlives_reset(t, i);
		t->resets++;
	}
	return news;
}

static bool npnic_tlives_agree(const struct npnic_tlives *t)
{
	return t->end[0].state == NPNIC_LINK_UP && t->end[1].state == NPNIC_LINK_UP &&
	       t->end[0].mine == t->end[1].theirs && t->end[1].mine == t->end[0].theirs;
}

static void npnic_life_handshake(struct kunit *test)
{
	struct npnic_tlives t;

	npnic_tlives_init(&t);
	KUNIT_EXPECT_EQ(test, npnic_tlives_look(&t, 0), NPNIC_NEWS_NONE);
	npnic_life_begin(&t.end[0], 7);
	KUNIT_EXPECT_EQ(test, npnic_tlives_look(&t, 0), NPNIC_NEWS_NONE);
	npnic_life_begin(&t.end[1], 8);
	KUNIT_EXPECT_EQ(test, npnic_tlives_look(&t, 0), NPNIC_NEWS_ACKED);
	KUNIT_EXPECT_EQ(test, npnic_tlives_look(&t, 0), NPNIC_NEWS_NONE);
	KUNIT_EXPECT_EQ(test, npnic_tlives_look(&t, 1), NPNIC_NEWS_UP);
	KUNIT_EXPECT_EQ(test, npnic_tlives_look(&t, 1), NPNIC_NEWS_NONE);
	KUNIT_EXPECT_EQ(test, npnic_tlives_look(&t, 0), NPNIC_NEWS_UP);
	KUNIT_EXPECT_TRUE(test, npnic_tlives_agree(&t));

	/* One goes; the other waits for a new life and does not take the old one for it. */
	npnic_life_end(&t.end[0]);
	KUNIT_EXPECT_EQ(test, npnic_tlives_look(&t, 1), NPNIC_NEWS_LOST);
	KUNIT_EXPECT_EQ(test, npnic_tlives_look(&t, 1), NPNIC_NEWS_NONE);
	KUNIT_EXPECT_EQ(test, t.end[1].state, NPNIC_LINK_WAIT);
	npnic_life_begin(&t.end[0], 9);
	KUNIT_EXPECT_EQ(test, npnic_tlives_look(&t, 1), NPNIC_NEWS_ACKED);
	KUNIT_EXPECT_EQ(test, npnic_tlives_look(&t, 0), NPNIC_NEWS_UP);
	KUNIT_EXPECT_EQ(test, npnic_tlives_look(&t, 1), NPNIC_NEWS_UP);
	KUNIT_EXPECT_TRUE(test, npnic_tlives_agree(&t));
}

/* What is written over a link that is up is noticed; so is an answer taken back. */
static void npnic_life_scribble(struct kunit *test)
{
	struct npnic_tlives t;
	u32 i;

	for (i = 0; i < 4; i++) {
		npnic_tlives_init(&t);
		npnic_tlives_reset(&t, 0);
		npnic_tlives_reset(&t, 1);
		npnic_tlives_look(&t, 0);
		npnic_tlives_look(&t, 1);
		npnic_tlives_look(&t, 0);
		KUNIT_ASSERT_TRUE(test, npnic_tlives_agree(&t));
		if (i & 1)
			t.word[1].mine = cpu_to_le32(i & 2 ? 0 : 55);
		else
			t.word[1].ack = cpu_to_le32(i & 2 ? 0 : 55);
		KUNIT_EXPECT_EQ(test, npnic_tlives_look(&t, 0), NPNIC_NEWS_LOST);
	}
}

/* After whatever looks and resets, in any order, a few looks bring both ends together. */
static void npnic_life_orders(struct kunit *test)
{
	struct npnic_tlives t;
	u32 order, i, what;

	for (order = 0; order < 1U << 14; order++) {
		npnic_tlives_init(&t);
		npnic_tlives_reset(&t, 0);
		npnic_tlives_reset(&t, 1);
		for (i = 0; i < 14; i += 2) {
			what = order >> i & 3;
			if (what < 2)
				npnic_tlives_look(&t, what);
			else
				npnic_tlives_reset(&t, what - 2);
		}
		t.resets = 0;
		for (i = 0; i < 8; i++)
			npnic_tlives_look(&t, (order ^ i) & 1);
		KUNIT_ASSERT_TRUE_MSG(test, npnic_tlives_agree(&t), "order %x", order);
		KUNIT_ASSERT_LE(test, t.resets, 2U);
	}
}

static struct kunit_case npnic_life_cases[] = {
	KUNIT_CASE(npnic_life_handshake),
	KUNIT_CASE(npnic_life_scribble),
	KUNIT_CASE(npnic_life_orders),
	{}
};

static struct kunit_suite npnic_life_suite = {
	.name = "npnic_life",
	.test_cases = npnic_life_cases,
};

kunit_test_suite(npnic_life_suite);
