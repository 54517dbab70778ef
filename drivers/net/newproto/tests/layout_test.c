// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of layouts: what fits, what is refused.
 */
#include "lib.h"

#define NPNIC_TEST_SIZE		(64ULL << 20)

/* Everything is where the documentation says, one after the other, and within an area. */
static void npnic_layout_is_tight(struct kunit *test, const struct npnic_layout *l)
{
	u64 words = 64 + (1 + l->queues) * 128 + l->exports / 4;

	KUNIT_EXPECT_EQ(test, l->board, 4096ULL);
	KUNIT_EXPECT_EQ(test, l->area, 8192ULL);
	KUNIT_EXPECT_EQ(test, l->link, 4096ULL);
	KUNIT_EXPECT_EQ(test, l->link_size % 4096, 0ULL);
	KUNIT_EXPECT_GE(test, l->link_size, words);
	KUNIT_EXPECT_LT(test, l->link_size, words + 4096);
	KUNIT_EXPECT_EQ(test, l->table, l->link + l->slots * l->link_size);
	KUNIT_EXPECT_GE(test, l->ctl, l->table + l->exports * 16);
	KUNIT_EXPECT_LT(test, l->ctl, l->table + l->exports * 16 + 4096);
	KUNIT_EXPECT_EQ(test, l->ring, l->ctl + (u64)l->slots * l->ctl_size);
	KUNIT_EXPECT_EQ(test, l->direct,
			l->ring + (u64)l->slots * l->queues * l->ring_size);
	KUNIT_EXPECT_GE(test, l->direct_size, (u64)NPNIC_DIRECT_MIN);
	KUNIT_EXPECT_EQ(test, l->direct + l->direct_size, l->area_size);
	KUNIT_EXPECT_LE(test, l->area + l->slots * l->area_size, l->size);
	KUNIT_EXPECT_EQ(test, (l->area_size | l->ctl | l->direct) % 4096, 0ULL);
}

static void npnic_layout_all(struct kunit *test)
{
	struct npnic_layout l, least;
	u32 slots, queues;
	u64 size;

	for (slots = NPNIC_SLOTS_MIN; slots <= NPNIC_SLOTS_MAX; slots++)
		for (queues = 1; queues <= NPNIC_QUEUES_MAX; queues++) {
			size = npnic_layout_least(slots, queues, 0);
			KUNIT_ASSERT_NE(test, size, 0ULL);
			KUNIT_EXPECT_EQ(test, npnic_layout_choose(&least, size, slots, queues, 0),
					NPNIC_OK);
			npnic_layout_is_tight(test, &least);
			KUNIT_EXPECT_NE(test, npnic_layout_choose(&l, size / 2, slots, queues, 0),
					NPNIC_OK);
			KUNIT_EXPECT_EQ(test, npnic_layout_choose(&l, 8 * size, slots, queues, 0),
					NPNIC_OK);
			npnic_layout_is_tight(test, &l);
			KUNIT_EXPECT_GE(test, l.ring_size, least.ring_size);
		}
}

/* What the documentation promises. */
static void npnic_layout_usual(struct kunit *test)
{
	struct npnic_layout l;

	KUNIT_EXPECT_EQ(test, npnic_layout_choose(&l, NPNIC_TEST_SIZE, 4, 4, 0), NPNIC_OK);
	KUNIT_EXPECT_GE(test, l.ring_size, 256U << 10);
	KUNIT_EXPECT_GE(test, l.direct_size, 8ULL << 20);
	KUNIT_EXPECT_LE(test, npnic_layout_least(4, 4, 0), NPNIC_TEST_SIZE);
	KUNIT_EXPECT_EQ(test, npnic_layout_choose(&l, NPNIC_TEST_SIZE, 2, 1, 4U << 20), NPNIC_OK);
	KUNIT_EXPECT_EQ(test, l.ring_size, 4U << 20);
	/* Not a power of two: for a pair it need not be. */
	KUNIT_EXPECT_EQ(test, npnic_layout_choose(&l, NPNIC_TEST_SIZE - 4096, 3, 2, 0), NPNIC_OK);
	npnic_layout_is_tight(test, &l);
}

static const struct npnic_bad_row {
	u64 size;
	u32 slots, queues, ring, ctl, exports;
	int bad;
} npnic_bad_rows[] = {
	{ NPNIC_TEST_SIZE, 4, 4, 128 << 10, 16384, 64, NPNIC_OK },
	{ NPNIC_TEST_SIZE, 0, 4, 128 << 10, 16384, 64, NPNIC_BAD_SLOTS },
	{ NPNIC_TEST_SIZE, 1, 4, 128 << 10, 16384, 64, NPNIC_BAD_SLOTS },
	{ NPNIC_TEST_SIZE, 17, 4, 128 << 10, 16384, 64, NPNIC_BAD_SLOTS },
	{ NPNIC_TEST_SIZE, ~0U, 4, 128 << 10, 16384, 64, NPNIC_BAD_SLOTS },
	{ NPNIC_TEST_SIZE, 4, 0, 128 << 10, 16384, 64, NPNIC_BAD_QUEUES },
	{ NPNIC_TEST_SIZE, 4, 17, 128 << 10, 16384, 64, NPNIC_BAD_QUEUES },
	{ NPNIC_TEST_SIZE, 4, ~0U, 128 << 10, 16384, 64, NPNIC_BAD_QUEUES },
	{ NPNIC_TEST_SIZE, 4, 4, 0, 16384, 64, NPNIC_BAD_RING },
	{ NPNIC_TEST_SIZE, 4, 4, 64 << 10, 16384, 64, NPNIC_BAD_RING },
	{ NPNIC_TEST_SIZE, 4, 4, 192 << 10, 16384, 64, NPNIC_BAD_RING },
	{ NPNIC_TEST_SIZE, 4, 4, 8 << 20, 16384, 64, NPNIC_BAD_RING },
	{ NPNIC_TEST_SIZE, 4, 4, 1U << 31, 16384, 64, NPNIC_BAD_RING },
	{ NPNIC_TEST_SIZE, 4, 4, 128 << 10, 0, 64, NPNIC_BAD_CTL },
	{ NPNIC_TEST_SIZE, 4, 4, 128 << 10, 2048, 64, NPNIC_BAD_CTL },
	{ NPNIC_TEST_SIZE, 4, 4, 128 << 10, 12288, 64, NPNIC_BAD_CTL },
	{ NPNIC_TEST_SIZE, 4, 4, 128 << 10, 2 << 20, 64, NPNIC_BAD_CTL },
	{ NPNIC_TEST_SIZE, 4, 4, 128 << 10, 1U << 31, 64, NPNIC_BAD_CTL },
	{ NPNIC_TEST_SIZE, 4, 4, 128 << 10, 16384, 0, NPNIC_BAD_EXPORTS },
	{ NPNIC_TEST_SIZE, 4, 4, 128 << 10, 16384, 63, NPNIC_BAD_EXPORTS },
	{ NPNIC_TEST_SIZE, 4, 4, 128 << 10, 16384, 96, NPNIC_BAD_EXPORTS },
	{ NPNIC_TEST_SIZE, 4, 4, 128 << 10, 16384, 8256, NPNIC_BAD_EXPORTS },
	{ NPNIC_TEST_SIZE, 4, 4, 128 << 10, 16384, ~63U, NPNIC_BAD_EXPORTS },
	{ 0, 4, 4, 128 << 10, 16384, 64, NPNIC_BAD_SIZE },
	{ 4096, 4, 4, 128 << 10, 16384, 64, NPNIC_BAD_SIZE },
	{ 8192, 4, 4, 128 << 10, 16384, 64, NPNIC_BAD_SIZE },
	{ NPNIC_TEST_SIZE + 1, 4, 4, 128 << 10, 16384, 64, NPNIC_BAD_SIZE },
	{ NPNIC_TEST_SIZE + 2048, 4, 4, 128 << 10, 16384, 64, NPNIC_BAD_SIZE },
	{ 2ULL << 40, 4, 4, 128 << 10, 16384, 64, NPNIC_BAD_SIZE },
	{ ~4095ULL, 4, 4, 128 << 10, 16384, 64, NPNIC_BAD_SIZE },
	{ ~0ULL, 4, 4, 128 << 10, 16384, 64, NPNIC_BAD_SIZE },
	{ NPNIC_TEST_SIZE / 8, 4, 4, 128 << 10, 16384, 64, NPNIC_BAD_SPACE },
	{ NPNIC_TEST_SIZE, 16, 16, 4 << 20, 16384, 64, NPNIC_BAD_SPACE },
	{ 8ULL << 30, 16, 16, 4 << 20, 1 << 20, 8192, NPNIC_BAD_SPACE },
	{ 32ULL << 30, 16, 16, 4 << 20, 1 << 20, 8192, NPNIC_OK },
	{ 1ULL << 40, 2, 1, 128 << 10, 4096, 8192, NPNIC_OK },
};

/* Every parameter is bad in turn, in a call and in a head that is right otherwise. */
static void npnic_layout_bad(struct kunit *test)
{
	u8 *page = kunit_kzalloc(test, 4096, GFP_KERNEL);
	const struct npnic_bad_row *r;
	struct npnic_layout l, read, old;
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, page);
	for (i = 0; i < ARRAY_SIZE(npnic_bad_rows); i++) {
		r = &npnic_bad_rows[i];
		memset(&l, 0x5a, sizeof(l));
		old = l;
		KUNIT_EXPECT_EQ_MSG(test, npnic_layout_init(&l, r->size, r->slots, r->queues,
							    r->ring, r->ctl, r->exports),
				    r->bad, "row %u", i);
		if (r->bad)
			KUNIT_EXPECT_EQ(test, memcmp(&l, &old, sizeof(l)), 0);
		l = (struct npnic_layout) {
			.size = r->size, .slots = r->slots, .queues = r->queues,
			.ring_size = r->ring, .ctl_size = r->ctl, .exports = r->exports,
		};
		npnic_layout_write(&l, (struct npnic_head *)page);
		KUNIT_EXPECT_EQ_MSG(test, npnic_layout_read(&read, page, r->size), r->bad,
				    "head %u", i);
	}
	KUNIT_EXPECT_EQ(test, npnic_layout_choose(&l, ~0ULL, 4, 4, 0), NPNIC_BAD_SIZE);
	KUNIT_EXPECT_EQ(test, npnic_layout_choose(&l, NPNIC_TEST_SIZE, 4, 4, 5), NPNIC_BAD_RING);
	KUNIT_EXPECT_EQ(test, npnic_layout_choose(&l, 1 << 20, 16, 16, 0), NPNIC_BAD_SPACE);
	KUNIT_EXPECT_EQ(test, npnic_layout_least(17, 4, 0), 0ULL);
	KUNIT_EXPECT_EQ(test, npnic_layout_least(4, 4, 3), 0ULL);
}

/* A head with any of its bits the other way round is refused, and nothing is written. */
static void npnic_layout_bits(struct kunit *test)
{
	u8 *page = kunit_kzalloc(test, 4096, GFP_KERNEL);
	u8 *copy = kunit_kzalloc(test, 4096, GFP_KERNEL);
	struct npnic_layout l, read;
	u32 bit;

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_ASSERT_NOT_NULL(test, copy);
	KUNIT_ASSERT_EQ(test, npnic_layout_choose(&l, NPNIC_TEST_SIZE, 4, 4, 0), NPNIC_OK);
	memset(l.fabric, 0xab, sizeof(l.fabric));
	npnic_layout_write(&l, (struct npnic_head *)page);
	memset(&read, 0, sizeof(read));
	KUNIT_EXPECT_EQ(test, npnic_layout_read(&read, page, l.size), NPNIC_OK);
	KUNIT_EXPECT_EQ(test, memcmp(&l, &read, sizeof(l)), 0);
	KUNIT_EXPECT_EQ(test, npnic_layout_read(&read, page, 2 * l.size), NPNIC_BAD_SIZE);
	for (bit = 0; bit < 8 * sizeof(struct npnic_head); bit++) {
		page[bit / 8] ^= 1 << bit % 8;
		memcpy(copy, page, 4096);
		KUNIT_EXPECT_NE_MSG(test, npnic_layout_read(&read, page, l.size), NPNIC_OK,
				    "bit %u", bit);
		KUNIT_EXPECT_EQ(test, memcmp(page, copy, 4096), 0);
		page[bit / 8] ^= 1 << bit % 8;
	}
}

/* Another version, or what this one has reserved, is refused also if all else is right. */
static void npnic_layout_versions(struct kunit *test)
{
	struct npnic_head *head = kunit_kzalloc(test, 4096, GFP_KERNEL);
	struct npnic_layout l;
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, head);
	KUNIT_EXPECT_EQ(test, npnic_layout_read(&l, head, NPNIC_TEST_SIZE), NPNIC_BAD_BLANK);
	KUNIT_EXPECT_EQ(test, npnic_layout_read(&l, head, 0), NPNIC_BAD_SIZE);
	((u8 *)head)[4095] = 1;
	KUNIT_EXPECT_EQ(test, npnic_layout_read(&l, head, NPNIC_TEST_SIZE), NPNIC_BAD_MAGIC);
	((u8 *)head)[4095] = 0;
	for (i = 0; i < 3 + sizeof(head->reserved); i++) {
		KUNIT_ASSERT_EQ(test, npnic_layout_choose(&l, NPNIC_TEST_SIZE, 4, 4, 0), NPNIC_OK);
		npnic_layout_write(&l, head);
		if (i == 0)
			head->version = cpu_to_le32(NPNIC_VERSION + 1);
		else if (i == 1)
			head->len = cpu_to_le32(sizeof(*head) - 4);
		else if (i == 2)
			head->len = cpu_to_le32(~0U);
		else
			head->reserved[i - 3] = 1;
		head->checksum = cpu_to_le32(npnic_crc32(head, sizeof(*head) - 4));
		KUNIT_EXPECT_EQ_MSG(test, npnic_layout_read(&l, head, NPNIC_TEST_SIZE),
				    NPNIC_BAD_VERSION, "change %u", i);
	}
}

static void npnic_layout_names(struct kunit *test)
{
	int i;

	for (i = -1; i <= NPNIC_BAD_NR; i++)
		KUNIT_EXPECT_NOT_NULL(test, (void *)npnic_layout_error(i));
	/* The checksum is the one that everybody calls CRC-32. */
	KUNIT_EXPECT_EQ(test, npnic_crc32("123456789", 9), 0xcbf43926U);
}

static struct kunit_case npnic_layout_cases[] = {
	KUNIT_CASE(npnic_layout_all),
	KUNIT_CASE(npnic_layout_usual),
	KUNIT_CASE(npnic_layout_bad),
	KUNIT_CASE(npnic_layout_bits),
	KUNIT_CASE(npnic_layout_versions),
	KUNIT_CASE(npnic_layout_names),
	{}
};

static struct kunit_suite npnic_layout_suite = {
	.name = "npnic_layout",
	.test_cases = npnic_layout_cases,
};

kunit_test_suite(npnic_layout_suite);
