// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of channels: end marks and successors.
 */
#include "lib.h"

#define NP_CHAIN_MAX	8

static const u32 np_ends[] = { 0, 1, 100, NP_TEST_SMALL, PAGE_SIZE,
			       (PAGE_SIZE << NP_CHUNK_ORDER) + 1 };

static void np_end_desc(const u32 *n, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "after %u bytes", *n);
}

KUNIT_ARRAY_PARAM(np_ends, np_ends, np_end_desc);

/* Nothing more comes, and it is the end. */
static void np_expect_eof(struct np_tstream *s)
{
	u8 byte;

	KUNIT_EXPECT_TRUE(s->test, np_chan_at_eof(s->rx));
	KUNIT_EXPECT_EQ(s->test, np_chan_avail(s->rx), (size_t)0);
	KUNIT_EXPECT_EQ(s->test, np_test_peek(s->rx, &byte, 1), (ssize_t)0);
	KUNIT_EXPECT_EQ(s->test, np_test_read(&s->rx, &byte, 1), (ssize_t)0);
	KUNIT_EXPECT_EQ(s->test, np_chan_drop(&s->rx, 1), (size_t)0);
	KUNIT_EXPECT_TRUE(s->test, np_chan_at_eof(s->rx));
}

static void np_channel_eof(struct kunit *test)
{
	u32 n = *(const u32 *)test->param_value;
	struct np_tstream s;

	np_tstream_open(&s, test, NP_BEFORE_WRAP(n / 2), NP_TEST_CAP);
	if (n)
		np_tstream_put(&s, n);
	np_chan_finish(s.tx, NULL);
	KUNIT_EXPECT_EQ(test, np_chan_avail(s.rx), (size_t)n);
	if (n) {
		KUNIT_EXPECT_FALSE(test, np_chan_at_eof(s.rx));
		np_tstream_look(&s, n);
		np_tstream_get(&s, n);
	}
	np_expect_eof(&s);
	np_tstream_close(&s);
}

/* The mark comes after everything was read. */
static void np_channel_late_eof(struct kunit *test)
{
	u32 n = *(const u32 *)test->param_value;
	struct np_tstream s;
	u8 byte;

	np_tstream_open(&s, test, NP_BEFORE_WRAP(n), NP_TEST_CAP);
	if (n) {
		np_tstream_put(&s, n);
		np_tstream_get(&s, n);
	}
	KUNIT_EXPECT_FALSE(test, np_chan_at_eof(s.rx));
	KUNIT_EXPECT_EQ(test, np_test_read(&s.rx, &byte, 1), (ssize_t)0);
	np_chan_finish(s.tx, NULL);
	np_expect_eof(&s);
	np_tstream_close(&s);
}

/* How many bytes the channels of a chain have. */
static const struct np_chain_row {
	const char *name;
	u32 len[NP_CHAIN_MAX];
	int n;
} np_chain_rows[] = {
	{ "one, empty", { 0 }, 1 },
	{ "one", { 5000 }, 1 },
	{ "two, empty", { 0, 0 }, 2 },
	{ "two, the first empty", { 0, 9 }, 2 },
	{ "two, the last empty", { 9, 0 }, 2 },
	{ "two", { 9, 9 }, 2 },
	{ "three, all empty", { 0, 0, 0 }, 3 },
	{ "three, the middle empty", { 700, 0, 700 }, 3 },
	{ "four of one byte", { 1, 1, 1, 1 }, 4 },
	{ "five sizes", { 1, NP_TEST_SMALL, PAGE_SIZE, NP_CHUNK_LARGE, 3 }, 5 },
	{ "six, falling", { 50000, 40000, 5000, 4000, 50, 4 }, 6 },
	{ "seven, every other empty", { 0, 3, 0, 3, 0, 3, 0 }, 7 },
	{ "eight, all empty", { 0 }, 8 },
	{ "eight, only the last not", { 0, 0, 0, 0, 0, 0, 0, 66000 }, 8 },
	{ "eight", { 900, 80, 7000, 1, 600, 5, 40, 3000 }, 8 },
};

static void np_chain_desc(const struct np_chain_row *r, char *desc)
{
	strscpy(desc, r->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_chain, np_chain_rows, np_chain_desc);

/* Write a chain of channels to its end; the writer has left then. */
static size_t np_chain_make(struct np_tstream *s, struct kunit *test)
{
	const struct np_chain_row *r = test->param_value;
	struct np_chan *next;
	size_t sum = 0;
	int i;

	np_tstream_open(s, test, NP_BEFORE_WRAP(r->len[0] / 2), NP_TEST_CAP);
	for (i = 0; i < r->n; i++) {
		if (r->len[i])
			np_tstream_put(s, r->len[i]);
		sum += r->len[i];
		next = i < r->n - 1 ? np_tchan_new(test, i * 1000) : NULL;
		np_chan_finish(s->tx, next);
		np_chan_writer_leave(s->tx);
		s->tx = next;
	}
	KUNIT_EXPECT_EQ(test, np_chan_avail(s->rx), sum);
	KUNIT_EXPECT_EQ(test, np_chan_at_eof(s->rx), !sum);
	return sum;
}

static void np_chain_end(struct np_tstream *s)
{
	const struct np_chain_row *r = s->test->param_value;

	np_expect_eof(s);
	/* The reader has gone on to the last one, and let the others go. */
	KUNIT_EXPECT_EQ(s->test, np_tenv_released(s->test), r->n - 1);
	np_chan_reader_leave(s->rx);
	KUNIT_EXPECT_EQ(s->test, np_tenv_released(s->test), r->n);
	KUNIT_EXPECT_EQ(s->test, np_tenv_bytes(s->test), 0L);
}

static void np_channel_chain_read(struct kunit *test)
{
	struct np_tstream s;
	size_t sum = np_chain_make(&s, test);

	np_tstream_get(&s, sum);
	np_chain_end(&s);
}

static void np_channel_chain_read_more(struct kunit *test)
{
	struct np_tstream s;
	size_t sum = np_chain_make(&s, test);

	KUNIT_EXPECT_EQ(test, np_test_read(&s.rx, s.buf, sum + 1), (ssize_t)sum);
	KUNIT_EXPECT_TRUE(test, np_pattern_is(s.buf, 0, sum));
	np_chain_end(&s);
}

static void np_channel_chain_pieces(struct kunit *test)
{
	static const u32 pieces[] = { 1, 7, 100, 4096, 5 };
	struct np_tstream s;
	size_t left = np_chain_make(&s, test), n;
	int i;

	for (i = 0; left; i++, left -= n) {
		n = min_t(size_t, left, pieces[i % ARRAY_SIZE(pieces)]);
		KUNIT_EXPECT_FALSE(test, np_chan_at_eof(s.rx));
		np_tstream_get(&s, n);
		KUNIT_EXPECT_EQ(test, np_chan_avail(s.rx), left - n);
	}
	np_chain_end(&s);
}

static void np_channel_chain_peek(struct kunit *test)
{
	struct np_tstream s;
	size_t left = np_chain_make(&s, test), n;

	KUNIT_EXPECT_EQ(test, np_test_peek(s.rx, s.buf, left + 1), (ssize_t)left);
	KUNIT_EXPECT_TRUE(test, np_pattern_is(s.buf, 0, left));
	/* Looking changes nothing, from wherever. */
	for (; left; left -= n) {
		n = left / 3 + 1;
		np_tstream_look(&s, 1);
		np_tstream_look(&s, left);
		np_tstream_look(&s, n);
		np_tstream_get(&s, n);
	}
	np_chain_end(&s);
}

static void np_channel_chain_drop(struct kunit *test)
{
	struct np_tstream s;
	size_t left = np_chain_make(&s, test), n;

	for (; left; left -= n) {
		n = left / 3 + 1;
		np_tstream_drop(&s, n);
		if (left > n)
			np_tstream_look(&s, left - n);
	}
	np_chain_end(&s);
}

static void np_channel_chain_drop_all(struct kunit *test)
{
	struct np_tstream s;
	size_t sum = np_chain_make(&s, test);

	KUNIT_EXPECT_EQ(test, np_chan_drop(&s.rx, SIZE_MAX), sum);
	np_chain_end(&s);
}

/* The reader leaves with all or a part unread. */
static void np_channel_chain_abandon(struct kunit *test)
{
	const struct np_chain_row *r = test->param_value;
	struct np_tstream s;
	size_t sum = np_chain_make(&s, test);

	if (sum / 2)
		np_tstream_get(&s, sum / 2);
	/* What is unread may be behind several empty ones. */
	KUNIT_EXPECT_EQ(test, np_chan_reader_leave(s.rx), sum > 0);
	KUNIT_EXPECT_EQ(test, np_tenv_released(test), r->n);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
}

static const int np_lengths[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static void np_length_desc(const int *n, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%d successors", *n);
}

KUNIT_ARRAY_PARAM(np_lengths, np_lengths, np_length_desc);

/* The reader is gone when the marks are set: each successor is left at once,
 * and goes when the writer has gone on too.
 */
static void np_channel_reader_gone(struct kunit *test)
{
	int n = *(const int *)test->param_value, i;
	struct np_tstream s;
	struct np_chan *next;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	np_chan_reader_leave(s.rx);
	for (i = 0; i < n; i++) {
		np_tstream_put(&s, 10);
		next = np_tchan_new(test, 0);
		np_chan_finish(s.tx, next);
		KUNIT_EXPECT_EQ(test, refcount_read(&next->ref), 1U);
		KUNIT_EXPECT_EQ(test, next->gone, NP_GONE_LEFT);
		np_chan_writer_leave(s.tx);
		KUNIT_EXPECT_EQ(test, np_tenv_released(test), i + 1);
		s.tx = next;
	}
	np_chan_finish(s.tx, NULL);
	np_chan_writer_leave(s.tx);
	KUNIT_EXPECT_EQ(test, np_tenv_released(test), n + 1);
}

/* The successors have successors already when the reader's leaving is seen. */
static void np_channel_reader_gone_chain(struct kunit *test)
{
	int n = *(const int *)test->param_value, i;
	struct np_chan *c[NP_CHAIN_MAX + 1];

	for (i = 0; i <= n; i++)
		c[i] = np_tchan_new(test, 0);
	np_chan_reader_leave(c[0]);
	/* From the back: what is not linked to the first yet is not left yet. */
	np_chan_finish(c[n], NULL);
	for (i = n; i-- > 0;)
		np_chan_finish(c[i], c[i + 1]);
	for (i = 0; i <= n; i++) {
		KUNIT_EXPECT_EQ(test, refcount_read(&c[i]->ref), 1U);
		KUNIT_EXPECT_EQ(test, c[i]->gone, NP_GONE_LEFT);
	}
	for (i = 0; i <= n; i++)
		np_chan_writer_leave(c[i]);
	KUNIT_EXPECT_EQ(test, np_tenv_released(test), n + 1);
}

/* The writer still works at the last one when the reader leaves. */
static void np_channel_reader_leaves_writer(struct kunit *test)
{
	int n = *(const int *)test->param_value, i;
	struct np_tstream s;
	struct np_chan *next;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	for (i = 0; i < n; i++) {
		np_tstream_put(&s, 10);
		next = np_tchan_new(test, 0);
		np_chan_finish(s.tx, next);
		np_chan_writer_leave(s.tx);
		s.tx = next;
	}
	np_tstream_get(&s, 5);
	np_chan_reader_leave(s.rx);
	KUNIT_EXPECT_EQ(test, np_tenv_released(test), n);
	np_tstream_put(&s, 10);
	np_chan_finish(s.tx, NULL);
	KUNIT_EXPECT_EQ(test, np_tenv_released(test), n);
	np_chan_writer_leave(s.tx);
	KUNIT_EXPECT_EQ(test, np_tenv_released(test), n + 1);
}

/* The stream goes on while it is read: no end as long as there is none. */
static void np_channel_live_successor(struct kunit *test)
{
	int n = *(const int *)test->param_value, i;
	struct np_tstream s;
	struct np_chan *next;
	u8 byte;

	np_tstream_open(&s, test, 0xfffffffe, NP_TEST_CAP);
	for (i = 0; i < n; i++) {
		np_tstream_put(&s, 3);
		np_tstream_get(&s, 2);
		next = np_tchan_new(test, 0xffffffff);
		np_chan_finish(s.tx, next);
		np_chan_writer_leave(s.tx);
		s.tx = next;
		KUNIT_EXPECT_EQ(test, np_chan_avail(s.rx), (size_t)1);
		np_tstream_put(&s, 4);
		KUNIT_EXPECT_EQ(test, np_chan_avail(s.rx), (size_t)5);
		np_tstream_look(&s, 5);
		np_tstream_get(&s, 5);
		KUNIT_EXPECT_PTR_EQ(test, s.rx, s.tx);
		KUNIT_EXPECT_EQ(test, np_tenv_released(test), i + 1);
		KUNIT_EXPECT_EQ(test, np_test_read(&s.rx, &byte, 1), (ssize_t)0);
		KUNIT_EXPECT_FALSE(test, np_chan_at_eof(s.rx));
	}
	np_chan_finish(s.tx, NULL);
	np_expect_eof(&s);
	np_tstream_close(&s);
}

/* A reader who wants no more says so to the channels that there are and to those
 * that come; what is there it reads.
 */
static void np_channel_deaf(struct kunit *test)
{
	int n = *(const int *)test->param_value, i;
	struct np_chan *c[NP_CHAIN_MAX + 1];
	struct np_tstream s;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	c[0] = s.tx;
	for (i = 0; i < n; i++) {
		np_tstream_put(&s, 10);
		if (i == n / 2) {
			np_chan_reader_deafen(s.rx);
			np_chan_reader_deafen(s.rx);
		}
		c[i + 1] = np_tchan_new(test, 0);
		np_chan_finish(s.tx, c[i + 1]);
		np_chan_writer_leave(s.tx);
		s.tx = c[i + 1];
	}
	for (i = 0; i <= n; i++)
		KUNIT_EXPECT_EQ(test, c[i]->gone, NP_GONE_DEAF);
	np_tstream_get(&s, 10 * n);
	np_chan_finish(s.tx, NULL);
	np_expect_eof(&s);
	KUNIT_EXPECT_PTR_EQ(test, s.rx, s.tx);
	np_chan_reader_leave(s.rx);
	KUNIT_EXPECT_EQ(test, s.tx->gone, NP_GONE_DEAF | NP_GONE_LEFT);
	np_chan_writer_leave(s.tx);
	KUNIT_EXPECT_EQ(test, np_tenv_released(test), n + 1);
}

/* What the reader has set goes on with it. */
static void np_channel_settings_follow(struct kunit *test)
{
	struct np_tstream s;
	struct np_chan *last;
	u8 byte;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	s.rx->lowat = 4711;
	s.rx->rcap = 123456;
	last = np_tchan_new(test, 0);
	np_chan_finish(last, NULL);
	np_chan_writer_leave(last);
	np_chan_finish(s.tx, last);
	KUNIT_EXPECT_EQ(test, np_test_read(&s.rx, &byte, 1), (ssize_t)0);
	KUNIT_EXPECT_PTR_EQ(test, s.rx, last);
	KUNIT_EXPECT_EQ(test, last->lowat, 4711U);
	KUNIT_EXPECT_EQ(test, last->rcap, 123456U);
	/* The writer of the first is still there. */
	KUNIT_EXPECT_EQ(test, np_tenv_released(test), 0);
	np_tstream_close(&s);
}

static struct kunit_case np_channel_end_cases[] = {
	KUNIT_CASE_PARAM(np_channel_eof, np_ends_gen_params),
	KUNIT_CASE_PARAM(np_channel_late_eof, np_ends_gen_params),
	KUNIT_CASE_PARAM(np_channel_chain_read, np_chain_gen_params),
	KUNIT_CASE_PARAM(np_channel_chain_read_more, np_chain_gen_params),
	KUNIT_CASE_PARAM(np_channel_chain_pieces, np_chain_gen_params),
	KUNIT_CASE_PARAM(np_channel_chain_peek, np_chain_gen_params),
	KUNIT_CASE_PARAM(np_channel_chain_drop, np_chain_gen_params),
	KUNIT_CASE_PARAM(np_channel_chain_drop_all, np_chain_gen_params),
	KUNIT_CASE_PARAM(np_channel_chain_abandon, np_chain_gen_params),
	KUNIT_CASE_PARAM(np_channel_reader_gone, np_lengths_gen_params),
	KUNIT_CASE_PARAM(np_channel_reader_gone_chain, np_lengths_gen_params),
	KUNIT_CASE_PARAM(np_channel_reader_leaves_writer, np_lengths_gen_params),
	KUNIT_CASE_PARAM(np_channel_live_successor, np_lengths_gen_params),
	KUNIT_CASE_PARAM(np_channel_deaf, np_lengths_gen_params),
	KUNIT_CASE(np_channel_settings_follow),
	{}
};

static struct kunit_suite np_channel_end_suite = {
	.name = "newproto_channel_end",
	.init = np_tenv_init,
	.exit = np_tenv_exit,
	.test_cases = np_channel_end_cases,
};

kunit_test_suite(np_channel_end_suite);
