// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of signals and handles.
 */
#include "lib.h"

#define NPNIC_TEST_FLAGS	192

/**
 * struct npnic_tflags - signals between two
 * @word: their words
 * @bits: by sender: signals; and by receiver: answers
 * @end: their views
 */
struct npnic_tflags {
	struct npnic_link word[2];
	u64 bits[2][2][NPNIC_TEST_FLAGS / 64];
	struct npnic_flags end[2];
};

static struct npnic_tflags *npnic_tflags_new(struct kunit *test)
{
	struct npnic_tflags *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, t);
	memset(t, 0xa5, sizeof(*t));
	for (i = 0; i < 2; i++)
		t->end[i] = (struct npnic_flags) {
			.own = &t->word[i], .peer = &t->word[!i],
			.send = t->bits[i][0], .recv_acks = t->bits[i][1],
			.recv = t->bits[!i][0], .sent_acks = t->bits[!i][1],
			.n = NPNIC_TEST_FLAGS,
		};
	npnic_flags_reset(&t->end[0]);
	npnic_flags_reset(&t->end[1]);
	return t;
}

static void npnic_flags_each(struct kunit *test)
{
	struct npnic_tflags *t = npnic_tflags_new(test);
	struct npnic_flags *a = &t->end[0], *b = &t->end[1];
	u32 id, w, round;

	KUNIT_EXPECT_TRUE(test, npnic_flags_rest(b));
	for (round = 0; round < 3; round++)
		for (id = 0; id < NPNIC_TEST_FLAGS; id++) {
			KUNIT_EXPECT_FALSE(test, npnic_flags_unanswered(a));
			KUNIT_EXPECT_TRUE(test, npnic_flag_raise(a, id));
			KUNIT_EXPECT_FALSE(test, npnic_flag_raise(a, id));
			KUNIT_EXPECT_TRUE(test, npnic_flags_unanswered(a));
			KUNIT_EXPECT_FALSE(test, npnic_flags_unanswered(b));
			KUNIT_EXPECT_FALSE(test, npnic_flags_rest(b));
			for (w = 0; w < NPNIC_TEST_FLAGS / 64; w++)
				KUNIT_EXPECT_EQ(test, npnic_flags_take(b, w),
						w == id / 64 ? 1ULL << id % 64 : 0);
			KUNIT_EXPECT_TRUE(test, npnic_flags_rest(b));
		}
	/* Bit n is in byte n / 8, whatever the machine. */
	npnic_flag_raise(a, 77);
	KUNIT_EXPECT_EQ(test, ((u8 *)t->bits[0][0])[77 / 8] ^ ((u8 *)t->bits[1][1])[77 / 8],
			1 << 77 % 8);
}

static void npnic_flags_bells(struct kunit *test)
{
	struct npnic_tflags *t = npnic_tflags_new(test);
	struct npnic_flags *a = &t->end[0], *b = &t->end[1];

	/* At rest from the begin on. Who is awake is not rung. */
	KUNIT_EXPECT_TRUE(test, npnic_flag_raise(a, 1));
	npnic_flags_wake(b);
	KUNIT_EXPECT_FALSE(test, npnic_flag_raise(a, 2));
	KUNIT_EXPECT_EQ(test, npnic_flags_take(b, 0), 6ULL);
	KUNIT_EXPECT_EQ(test, npnic_flags_take(b, 0), 0ULL);
	KUNIT_EXPECT_FALSE(test, npnic_flag_raise(a, 191));
	KUNIT_EXPECT_FALSE(test, npnic_flags_rest(b));
	KUNIT_EXPECT_FALSE(test, npnic_flag_raise(a, 3));
	KUNIT_EXPECT_EQ(test, npnic_flags_take(b, 0), 8ULL);
	KUNIT_EXPECT_EQ(test, npnic_flags_take(b, 2), 1ULL << 63);
	KUNIT_EXPECT_TRUE(test, npnic_flags_rest(b));
	KUNIT_EXPECT_TRUE(test, npnic_flag_raise(a, 3));
	/* The other direction is its own. */
	KUNIT_EXPECT_TRUE(test, npnic_flag_raise(b, 3));
	KUNIT_EXPECT_EQ(test, npnic_flags_take(a, 0), 8ULL);
}

/* Answers that change by themselves end nothing and hang nobody. */
static void npnic_flags_hostile(struct kunit *test)
{
	struct npnic_tflags *t = npnic_tflags_new(test);
	u64 seed = NPNIC_TEST_SEED;
	u32 i;

	for (i = 0; i < 5000; i++) {
		t->bits[1][1][i % 3] = (u64)npnic_test_random(&seed) << (i % 33);
		t->bits[1][0][i % 3] = (u64)npnic_test_random(&seed) << (i % 33);
		t->word[1].want = cpu_to_le32(npnic_test_random(&seed));
		npnic_flag_raise(&t->end[0], npnic_test_random(&seed) % NPNIC_TEST_FLAGS);
		npnic_flags_take(&t->end[0], i % 3);
		npnic_flags_rest(&t->end[0]);
	}
	for (i = 0; i < 3; i++)
		npnic_flags_take(&t->end[0], i);
	KUNIT_EXPECT_TRUE(test, npnic_flags_rest(&t->end[0]));
}

static void npnic_export_gens(struct kunit *test)
{
	struct npnic_layout l = { .exports = 64, .direct_size = 100 * NPNIC_PAGE };
	struct npnic_export *table = kunit_kzalloc(test, 64 * sizeof(*table), GFP_KERNEL);
	u32 gen, old, len, id;
	u64 off;

	KUNIT_ASSERT_NOT_NULL(test, table);
	for (id = 0; id < 64; id++) {
		table[id].gen = cpu_to_le32(0U - id);
		KUNIT_EXPECT_EQ(test, npnic_export_set(&table[id], 0, 0) & 1, 0U);
		gen = npnic_export_set(&table[id], id, 3);
		KUNIT_EXPECT_EQ(test, gen & 1, 1U);
		KUNIT_EXPECT_EQ(test, npnic_export_get(&l, table, id, gen, &off, &len), 0);
		KUNIT_EXPECT_EQ(test, off, (u64)id * 4096);
		KUNIT_EXPECT_EQ(test, len, 3U * 4096);
		KUNIT_EXPECT_EQ(test, npnic_export_get(&l, table, id, gen + 2, &off, &len),
				-ENOENT);
		/* In place of another, and taken back: neither answers to the old name. */
		old = gen;
		gen = npnic_export_set(&table[id], id + 1, 1);
		KUNIT_EXPECT_EQ(test, gen, old + 2);
		KUNIT_EXPECT_EQ(test, npnic_export_get(&l, table, id, old, &off, &len), -ENOENT);
		KUNIT_EXPECT_EQ(test, npnic_export_set(&table[id], 0, 0), gen + 1);
		KUNIT_EXPECT_EQ(test, npnic_export_set(&table[id], 0, 0), gen + 1);
		KUNIT_EXPECT_EQ(test, npnic_export_get(&l, table, id, gen, &off, &len), -ENOENT);
		KUNIT_EXPECT_EQ(test, npnic_export_get(&l, table, id, gen + 1, &off, &len),
				-ENOENT);
	}
	KUNIT_EXPECT_EQ(test, npnic_export_get(&l, table, 64, 1, &off, &len), -EPROTO);
	KUNIT_EXPECT_EQ(test, npnic_export_get(&l, table, ~0U, 1, &off, &len), -EPROTO);
}

static const struct npnic_place_row {
	u32 page, npages;
	int err;
} npnic_place_rows[] = {
	{ 0, 100, 0 }, { 0, 101, -EPROTO }, { 99, 1, 0 }, { 99, 2, -EPROTO },
	{ 100, 1, -EPROTO }, { 50, 50, 0 }, { 50, 51, -EPROTO }, { 0, 0, -EPROTO },
	{ ~0U, 1, -EPROTO }, { ~0U, 2, -EPROTO }, { 1, ~0U, -EPROTO }, { 0, ~0U, -EPROTO },
	{ ~0U, ~0U, -EPROTO }, { 1U << 31, 1U << 31, -EPROTO }, { 0, 1U << 20, -EPROTO },
	{ 1U << 20, 1, -EPROTO }, { 0, 1, 0 },
};

static void npnic_export_places(struct kunit *test)
{
	struct npnic_layout l = { .exports = 64, .direct_size = 100 * NPNIC_PAGE };
	const struct npnic_place_row *r;
	struct npnic_export e = { .gen = cpu_to_le32(1) };
	u32 i, len;
	u64 off;

	for (i = 0; i < ARRAY_SIZE(npnic_place_rows); i++) {
		r = &npnic_place_rows[i];
		e.page = cpu_to_le32(r->page);
		e.npages = cpu_to_le32(r->npages);
		KUNIT_EXPECT_EQ_MSG(test, npnic_export_get(&l, &e, 0, 1, &off, &len), r->err,
				    "row %u", i);
		if (!r->err)
			KUNIT_EXPECT_LE(test, off + len, l.direct_size);
	}
	/* Not even if direct space is larger than a length can say. */
	l.direct_size = 1ULL << 40;
	e.page = 0;
	e.npages = cpu_to_le32(1U << 20);
	KUNIT_EXPECT_EQ(test, npnic_export_get(&l, &e, 0, 1, &off, &len), -EPROTO);
	e.npages = cpu_to_le32((1U << 20) - 1);
	KUNIT_EXPECT_EQ(test, npnic_export_get(&l, &e, 0, 1, &off, &len), 0);
	KUNIT_EXPECT_EQ(test, len, 0U - 4096);
}

static struct kunit_case npnic_link_cases[] = {
	KUNIT_CASE(npnic_flags_each),
	KUNIT_CASE(npnic_flags_bells),
	KUNIT_CASE(npnic_flags_hostile),
	KUNIT_CASE(npnic_export_gens),
	KUNIT_CASE(npnic_export_places),
	{}
};

static struct kunit_suite npnic_link_suite = {
	.name = "npnic_link",
	.test_cases = npnic_link_cases,
};

kunit_test_suite(npnic_link_suite);
