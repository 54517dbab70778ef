// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of channels: pages that are passed on without copying them.
 */
#include <linux/gfp.h>
#include <linux/mm.h>

#include "lib.h"

/* A page with the bytes that are next in a stream, from an offset on. */
static struct page *np_page_new(struct np_tstream *s, size_t offset, size_t len)
{
	struct page *page = alloc_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(s->test, page);
	np_pattern_fill((u8 *)page_address(page) + offset, s->wpos, len);
	return page;
}

/* Nobody else holds the page any more. */
static void np_page_done(struct kunit *test, struct page *page)
{
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 1);
	put_page(page);
}

static ssize_t np_page_write(struct np_tstream *s, struct page *page, size_t offset,
			     size_t len)
{
	ssize_t ret = np_chan_write_page(s->tx, page, offset, len, s->cap);

	if (ret > 0)
		s->wpos += ret;
	return ret;
}

static const struct np_page_row {
	u32 offset;
	u32 len;
} np_page_rows[] = {
	{ 0, 1 }, { 0, PAGE_SIZE }, { 1, PAGE_SIZE - 1 }, { PAGE_SIZE - 1, 1 },
	{ 100, NP_TEST_SMALL }, { 0, PAGE_SIZE - 1 }, { 2048, 2048 },
};

static void np_page_desc(const struct np_page_row *r, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u bytes at %u", r->len, r->offset);
}

KUNIT_ARRAY_PARAM(np_page, np_page_rows, np_page_desc);

/* Between, before and after bytes that are copied. */
static void np_channel_page(struct kunit *test)
{
	const struct np_page_row *r = test->param_value;
	struct page *page[3];
	struct np_tstream s;
	int i;

	np_tstream_open(&s, test, NP_BEFORE_WRAP(r->len / 2), NP_TEST_CAP);
	for (i = 0; i < ARRAY_SIZE(page); i++) {
		page[i] = np_page_new(&s, r->offset, r->len);
		KUNIT_EXPECT_EQ(test, np_page_write(&s, page[i], r->offset, r->len),
				(ssize_t)r->len);
		KUNIT_EXPECT_EQ(test, page_ref_count(page[i]), 2);
		if (i)
			np_tstream_put(&s, i * 700);
	}
	KUNIT_EXPECT_EQ(test, np_chan_used(s.tx), 3 * r->len + 2100);
	np_tstream_look(&s, np_chan_used(s.tx));
	np_tstream_get(&s, r->len / 2 + 1);
	np_tstream_look(&s, np_chan_used(s.tx));
	np_tstream_get(&s, np_chan_used(s.tx));
	np_tstream_put(&s, 100000);
	np_tstream_get(&s, 100000);
	np_tstream_close(&s);
	for (i = 0; i < ARRAY_SIZE(page); i++)
		np_page_done(test, page[i]);
}

/* The reader gets what is in the page when it reads: nothing was copied. And
 * nothing is written to the page, which is not the channel's.
 */
static void np_channel_page_is_lent(struct kunit *test)
{
	struct np_tstream s;
	struct page *page;
	u8 *data, got[4];
	int i;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	page = np_page_new(&s, 0, PAGE_SIZE);
	data = page_address(page);
	KUNIT_EXPECT_EQ(test, np_page_write(&s, page, 0, 4), (ssize_t)4);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	memset(data, 0x55, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, np_test_read(&s.rx, got, 4), (ssize_t)4);
	KUNIT_EXPECT_EQ(test, memcmp(got, data, 4), 0);
	/* The channel is empty, and the page has room: for others. */
	s.rpos = s.wpos;
	np_tstream_put(&s, 2);
	np_tstream_put(&s, 1000);
	np_tstream_get(&s, 1002);
	KUNIT_EXPECT_NULL(test, memchr_inv(data, 0x55, PAGE_SIZE));

	/* Left behind it is no spare buffer either. A small capacity makes it
	 * as large as the largest.
	 */
	s.cap = 65536;
	KUNIT_EXPECT_EQ(test, np_page_write(&s, page, 0, PAGE_SIZE), (ssize_t)PAGE_SIZE);
	np_tstream_drop(&s, PAGE_SIZE);
	np_tstream_put(&s, 100);
	np_tstream_get(&s, 50);
	for (i = 0; i < 50; i++)
		np_tstream_put(&s, 300);
	np_tstream_get(&s, 50 + 50 * 300);
	KUNIT_EXPECT_NULL(test, memchr_inv(data, 0x55, PAGE_SIZE));
	np_tstream_close(&s);
	np_page_done(test, page);
}

static void np_channel_page_full(struct kunit *test)
{
	struct np_tstream s;
	struct page *page;

	np_tstream_open(&s, test, 0xffffffff, 1000);
	np_tstream_put(&s, 10);
	page = np_page_new(&s, 5, 2000);
	KUNIT_EXPECT_EQ(test, np_page_write(&s, page, 5, 2000), (ssize_t)990);
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 2);
	KUNIT_EXPECT_EQ(test, np_page_write(&s, page, 995, 1010), (ssize_t)0);
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 2);
	np_tstream_get(&s, 11);
	KUNIT_EXPECT_EQ(test, np_page_write(&s, page, 995, 1010), (ssize_t)11);
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 3);
	np_tstream_get(&s, 1000);
	KUNIT_EXPECT_EQ(test, np_page_write(&s, page, 1006, 0), (ssize_t)0);
	KUNIT_EXPECT_EQ(test, s.tx->busy, 0);
	np_tstream_close(&s);
	np_page_done(test, page);
}

/* Who leaves lets the pages go, read or not. */
static void np_channel_page_leave(struct kunit *test)
{
	struct np_tstream s;
	struct page *page;
	int i;

	for (i = 0; i < 4; i++) {
		np_tstream_open(&s, test, 0, NP_TEST_CAP);
		page = np_page_new(&s, 0, PAGE_SIZE);
		if (i & 1)
			np_tstream_put(&s, 5);
		KUNIT_EXPECT_EQ(test, np_page_write(&s, page, i & 1 ? 5 : 0, 50),
				(ssize_t)50);
		if (i & 2)
			np_tstream_drop(&s, np_chan_used(s.tx));
		KUNIT_EXPECT_EQ(test, np_chan_reader_leave(s.rx), !(i & 2));
		np_chan_writer_leave(s.tx);
		np_page_done(test, page);
	}
}

/* The worker takes lent pages from idle channels like buffers. */
static void np_channel_page_give_back(struct kunit *test)
{
	struct np_tenv *env = test->priv;
	struct page *page[2];
	struct np_tstream s;
	int i;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	for (i = 0; i < 2; i++) {
		page[i] = np_page_new(&s, 0, PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, np_page_write(&s, page[i], 0, PAGE_SIZE),
				(ssize_t)PAGE_SIZE);
		np_tstream_put(&s, 9);
	}
	np_pool_run(&env->pool);
	np_pool_run(&env->pool);
	np_tstream_get(&s, 2 * PAGE_SIZE + 18);
	KUNIT_EXPECT_EQ(test, page_ref_count(page[0]), 2);
	np_pool_run(&env->pool);
	/* As a write does, a page that is written clears the mark. */
	KUNIT_EXPECT_EQ(test, s.tx->cool, 1);
	np_chan_write_page(s.tx, page[0], 0, 0, NP_TEST_CAP);
	KUNIT_EXPECT_EQ(test, s.tx->cool, 0);
	np_pool_run(&env->pool);
	KUNIT_EXPECT_EQ(test, page_ref_count(page[0]), 2);
	np_pool_run(&env->pool);
	KUNIT_EXPECT_EQ(test, page_ref_count(page[0]), 1);
	KUNIT_EXPECT_EQ(test, page_ref_count(page[1]), 1);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	np_tstream_put(&s, 5000);
	np_tstream_get(&s, 5000);
	np_tstream_close(&s);
	for (i = 0; i < 2; i++)
		np_page_done(test, page[i]);
}

/* A stream of pages and bytes: pages that were read go as it goes on. */
static void np_channel_page_stream(struct kunit *test)
{
	const u32 window = 20 * PAGE_SIZE;
	const int n = 200;
	struct page **page;
	struct rnd_state rnd;
	struct np_tstream s;
	int i, held = 0;
	u32 off, len;

	page = kunit_kcalloc(test, n, sizeof(*page), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, page);
	prandom_seed_state(&rnd, 3);
	np_tstream_open(&s, test, NP_BEFORE_WRAP(10 * PAGE_SIZE), window);
	for (i = 0; i < n; i++) {
		off = np_test_random(&rnd, 0, PAGE_SIZE - 1);
		len = np_test_random(&rnd, 1, PAGE_SIZE - off);
		page[i] = np_page_new(&s, off, len);
		np_page_write(&s, page[i], off, len);
		if (np_test_random(&rnd, 0, 2) == 0)
			np_tstream_write(&s, np_test_random(&rnd, 1, 6000));
		if (np_chan_used(s.tx) > window / 2)
			np_tstream_get(&s, np_test_random(&rnd, 1, window / 2));
	}
	for (i = 0; i < n; i++)
		held += page_ref_count(page[i]) - 1;
	/* Short ones make more of them than the window has pages. */
	KUNIT_EXPECT_LT(test, held, 100);
	np_tstream_get(&s, np_chan_used(s.tx));
	np_tstream_close(&s);
	for (i = 0; i < n; i++)
		np_page_done(test, page[i]);
}

static struct kunit_case np_channel_page_cases[] = {
	KUNIT_CASE_PARAM(np_channel_page, np_page_gen_params),
	KUNIT_CASE(np_channel_page_is_lent),
	KUNIT_CASE(np_channel_page_full),
	KUNIT_CASE(np_channel_page_leave),
	KUNIT_CASE(np_channel_page_give_back),
	KUNIT_CASE(np_channel_page_stream),
	{}
};

static struct kunit_suite np_channel_page_suite = {
	.name = "newproto_channel_page",
	.init = np_tenv_init,
	.exit = np_tenv_exit,
	.test_cases = np_channel_page_cases,
};

kunit_test_suite(np_channel_page_suite);
