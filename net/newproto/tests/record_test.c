// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of records: they come out as they went in, wherever they lie.
 */
#include <linux/gfp.h>
#include <linux/mm.h>

#include "lib.h"

static const u32 np_record_sizes[] = {
	0, 1, 3, 4, 100, NP_TEST_SMALL - NP_RECORD_HEAD - 1,
	NP_TEST_SMALL - NP_RECORD_HEAD, NP_TEST_SMALL - NP_RECORD_HEAD + 1,
	NP_TEST_SMALL, NP_TEST_SMALL + 1, PAGE_SIZE - NP_RECORD_HEAD, PAGE_SIZE,
	5000, (PAGE_SIZE << NP_CHUNK_ORDER) - NP_RECORD_HEAD,
	PAGE_SIZE << NP_CHUNK_ORDER, 100000, 200001,
};

static void np_record_size_desc(const u32 *size, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u", *size);
}

KUNIT_ARRAY_PARAM(np_record_size, np_record_sizes, np_record_size_desc);

/* One at a time, and several; the count of bytes wraps in one of them. */
static void np_record_whole(struct kunit *test)
{
	u32 n = *(const u32 *)test->param_value;
	struct np_tstream s;
	int i, k;

	np_tstream_open(&s, test, NP_BEFORE_WRAP(n + 10), NP_TEST_CAP);
	np_trecord_none(&s);
	for (i = 1; i < 5; i++) {
		for (k = 0; k < i; k++)
			np_trecord_put(&s, n);
		KUNIT_EXPECT_EQ(test, np_chan_used(s.tx), i * (n + NP_RECORD_HEAD));
		KUNIT_EXPECT_EQ(test, np_record_avail(s.rx), (size_t)i * n);
		for (k = 0; k < i; k++) {
			np_trecord_look(&s, n);
			np_trecord_look(&s, n);
			np_trecord_get(&s, n);
		}
		np_trecord_none(&s);
	}
	KUNIT_EXPECT_EQ(test, s.rpos, s.wpos);
	np_tstream_close(&s);
}

/* Behind another one, which is read before or after. */
static void np_record_behind(struct kunit *test)
{
	u32 i, n = *(const u32 *)test->param_value;
	struct np_tstream s;

	np_tstream_open(&s, test, 0xfffffffe, NP_TEST_CAP);
	for (i = 0; i < ARRAY_SIZE(np_record_sizes); i++) {
		np_trecord_put(&s, np_record_sizes[i]);
		np_trecord_put(&s, n);
		np_trecord_get(&s, np_record_sizes[i]);
		np_trecord_put(&s, 7);
		np_trecord_get(&s, n);
		np_trecord_get(&s, 7);
		np_trecord_none(&s);
	}
	np_tstream_close(&s);
}

/* The head of a record across two chunks, at each of its places; also where the
 * record is empty. The count wraps there, too.
 */
static void np_record_straddle(struct kunit *test)
{
	u32 rest, n = *(const u32 *)test->param_value, chunk;
	struct np_tstream s;
	struct np_chunk *k;

	for (rest = 0; rest <= NP_RECORD_HEAD + 1; rest++) {
		for (chunk = NP_TEST_SMALL; chunk <= PAGE_SIZE;
		     chunk += PAGE_SIZE - NP_TEST_SMALL) {
			np_tstream_open(&s, test, NP_BEFORE_WRAP(chunk), NP_TEST_CAP);
			if (chunk == PAGE_SIZE) {
				/* The chunk is to be one page. */
				np_trecord_put(&s, NP_TEST_SMALL);
				np_trecord_get(&s, NP_TEST_SMALL);
			}
			np_trecord_put(&s, chunk - NP_RECORD_HEAD - rest);
			k = s.tx->w;
			np_trecord_put(&s, n);
			np_trecord_put(&s, 2);
			/* The chunk is full, and has all of the rest. */
			KUNIT_EXPECT_PTR_NE(test, k, s.tx->w);
			KUNIT_EXPECT_EQ(test, k->len, chunk);
			np_trecord_look(&s, chunk - NP_RECORD_HEAD - rest);
			np_trecord_get(&s, chunk - NP_RECORD_HEAD - rest);
			KUNIT_EXPECT_EQ(test, np_record_avail(s.rx), (size_t)n + 2);
			np_trecord_look(&s, n);
			np_trecord_get(&s, n);
			np_trecord_get(&s, 2);
			np_trecord_none(&s);
			np_tstream_close(&s);
		}
	}
}

/* As much as fits, and what it says where that is too little. */
static void np_record_room(struct kunit *test)
{
	u32 n = *(const u32 *)test->param_value, cap = n + NP_RECORD_HEAD, head;
	struct np_tstream s;

	np_tstream_open(&s, test, NP_BEFORE_WRAP(n / 2), cap);
	head = s.tx->head;
	KUNIT_EXPECT_EQ(test, np_trecord_write(&s, n + 1), (ssize_t)-EMSGSIZE);
	KUNIT_EXPECT_EQ(test, np_trecord_write(&s, NP_TEST_BUF), (ssize_t)-EMSGSIZE);
	KUNIT_EXPECT_EQ(test, s.tx->head, head);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	np_trecord_put(&s, n);
	KUNIT_EXPECT_EQ(test, np_trecord_write(&s, 0), (ssize_t)0);
	KUNIT_EXPECT_EQ(test, np_trecord_write(&s, n), (ssize_t)0);
	KUNIT_EXPECT_EQ(test, np_trecord_write(&s, n + 1), (ssize_t)-EMSGSIZE);
	KUNIT_EXPECT_EQ(test, s.tx->head, head + cap);
	/* Room for all of the record but one byte is none. */
	s.cap += cap - 1;
	KUNIT_EXPECT_EQ(test, np_trecord_write(&s, n), (ssize_t)0);
	s.cap++;
	np_trecord_put(&s, n);
	/* A capacity that has shrunk meanwhile. */
	s.cap = NP_RECORD_HEAD - 1;
	KUNIT_EXPECT_EQ(test, np_trecord_write(&s, 0), (ssize_t)-EMSGSIZE);
	s.cap = NP_RECORD_HEAD;
	KUNIT_EXPECT_EQ(test, np_trecord_write(&s, 0), (ssize_t)0);
	np_trecord_get(&s, n);
	np_trecord_get(&s, n);
	np_trecord_put(&s, 0);
	np_trecord_get(&s, 0);
	np_tstream_close(&s);
}

/* The rest of a record that is cut is passed over, and its length is told. */
static void np_record_cut(struct kunit *test)
{
	u32 n = *(const u32 *)test->param_value;
	u32 lens[] = { 0, 1, n / 2, n - !!n, n };
	struct np_tstream s;
	size_t full;
	int i, peek;

	np_tstream_open(&s, test, NP_BEFORE_WRAP(n), NP_TEST_CAP);
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		u32 len = min(lens[i], n);

		np_trecord_put(&s, n);
		np_trecord_put(&s, 9);
		for (peek = 1; peek >= 0; peek--) {
			full = 12345;
			memset(s.buf, 0, len + 1);
			KUNIT_EXPECT_EQ(test, np_test_read_record(&s.rx, s.buf, len,
								  &full, peek),
					(ssize_t)len);
			KUNIT_EXPECT_EQ(test, full, (size_t)n);
			KUNIT_EXPECT_TRUE(test, np_pattern_is(s.buf, s.rpos, len));
			KUNIT_EXPECT_EQ(test, s.buf[len], 0);
		}
		s.rpos += n;
		np_trecord_get(&s, 9);
		np_trecord_none(&s);
	}
	np_tstream_close(&s);
}

/* Go on in a new channel, as the writer. */
static void np_record_succeed(struct np_tstream *s)
{
	struct np_chan *next = np_tchan_new(s->test, s->tx->head + 77);

	np_chan_finish(s->tx, next);
	np_chan_writer_leave(s->tx);
	s->tx = next;
}

/* Records go on in the channel that follows; some of those have none. */
static void np_record_successors(struct kunit *test)
{
	u32 n = *(const u32 *)test->param_value;
	struct np_tstream s;
	int i;

	np_tstream_open(&s, test, NP_BEFORE_WRAP(n), NP_TEST_CAP);
	np_record_succeed(&s);
	np_trecord_none(&s);
	for (i = 0; i < 4; i++) {
		np_trecord_put(&s, n);
		np_trecord_put(&s, 0);
		np_record_succeed(&s);
		if (i & 1)
			np_record_succeed(&s);
	}
	KUNIT_EXPECT_EQ(test, np_record_avail(s.rx), (size_t)4 * n);
	for (i = 0; i < 4; i++) {
		np_trecord_look(&s, n);
		np_trecord_get(&s, n);
		np_trecord_look(&s, 0);
		np_trecord_get(&s, 0);
	}
	np_trecord_none(&s);
	KUNIT_EXPECT_EQ(test, np_tenv_released(test), 7);
	KUNIT_EXPECT_FALSE(test, np_chan_at_eof(s.rx));
	np_chan_finish(s.tx, NULL);
	KUNIT_EXPECT_TRUE(test, np_chan_at_eof(s.rx));
	np_trecord_none(&s);
	np_tstream_close(&s);
}

/* An empty record is no end, and something that was not read. */
static void np_record_empty(struct kunit *test)
{
	struct np_tstream s;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	np_trecord_put(&s, 0);
	np_chan_finish(s.tx, NULL);
	KUNIT_EXPECT_FALSE(test, np_chan_at_eof(s.rx));
	KUNIT_EXPECT_TRUE(test, np_chan_is_readable(s.rx));
	np_chan_writer_leave(s.tx);
	KUNIT_EXPECT_TRUE(test, np_chan_reader_leave(s.rx));
}

/* A chunk that is lent is not gone on with, whether there is something in it. */
static void np_record_after_page(struct kunit *test)
{
	struct page *page = alloc_page(GFP_KERNEL);
	u32 len = 100, size = NP_RECORD_HEAD + len;
	struct np_tstream s;
	int read;
	u8 *at;

	KUNIT_ASSERT_NOT_NULL(test, page);
	at = page_address(page);
	np_tstream_open(&s, test, NP_BEFORE_WRAP(50), NP_TEST_CAP);
	for (read = 0; read < 2; read++) {
		memcpy(at, &len, sizeof(len));
		np_pattern_fill(at + NP_RECORD_HEAD, s.wpos, len);
		memset(at + size, 0x55, PAGE_SIZE - size);
		KUNIT_EXPECT_EQ(test, np_chan_write_page(s.tx, page, 0, size, s.cap),
				(ssize_t)size);
		s.wpos += len;
		if (read)
			np_trecord_get(&s, len);
		np_trecord_put(&s, 10);
		np_trecord_put(&s, 1000);
		if (!read)
			np_trecord_get(&s, len);
		np_trecord_get(&s, 10);
		np_trecord_get(&s, 1000);
		np_trecord_none(&s);
		KUNIT_EXPECT_NULL(test, memchr_inv(at + size, 0x55, PAGE_SIZE - size));
	}
	np_tstream_close(&s);
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 1);
	put_page(page);
}

static const struct np_record_bad_row {
	const char *name;
	u32 bytes;
	u32 len;
} np_record_bad_rows[] = {
	{ "no head", 3, 0 },
	{ "one byte too many", 14, 11 },
	{ "very many", 14, 0xffffffff },
	{ "so many that a sum wraps", 14, 0xfffffffc },
};

static void np_record_bad_desc(const struct np_record_bad_row *r, char *desc)
{
	strscpy(desc, r->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_record_bad, np_record_bad_rows, np_record_bad_desc);

/* What nobody but a mistake of the kernel's own can write is not followed. */
static void np_record_malformed(struct kunit *test)
{
	const struct np_record_bad_row *r = test->param_value;
	struct np_tstream s;
	size_t full;

	np_tstream_open(&s, test, NP_BEFORE_WRAP(2), NP_TEST_CAP);
	memset(s.buf, 0, r->bytes);
	memcpy(s.buf, &r->len, sizeof(r->len));
	KUNIT_EXPECT_EQ(test, np_test_write(s.tx, s.buf, r->bytes, s.cap),
			(ssize_t)r->bytes);
	KUNIT_EXPECT_EQ(test, np_test_read_record(&s.rx, s.buf, NP_TEST_BUF, &full, true),
			(ssize_t)-EIO);
	KUNIT_EXPECT_EQ(test, np_test_read_record(&s.rx, s.buf, NP_TEST_BUF, &full, false),
			(ssize_t)-EIO);
	KUNIT_EXPECT_EQ(test, np_record_avail(s.rx), (size_t)0);
	KUNIT_EXPECT_EQ(test, np_chan_used(s.tx), r->bytes);
	np_tstream_close(&s);
}

static const struct np_record_wait_row {
	u32 cap;
	u32 need;
	u32 enough;
} np_record_wait_rows[] = {
	{ 300, 0, 100 }, { 300, 4, 100 }, { 300, 100, 100 }, { 300, 101, 101 },
	{ 300, 299, 299 }, { 300, 300, 300 }, { 300, 301, 300 },
	{ 300, 0xffffffff, 300 }, { 2, 0, 1 }, { 4, 4, 4 },
};

static void np_record_wait_desc(const struct np_record_wait_row *r, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u of %u", r->need, r->cap);
}

KUNIT_ARRAY_PARAM(np_record_wait, np_record_wait_rows, np_record_wait_desc);

/* The reader ends the writer's wait as soon as there is enough room, not before,
 * and once only.
 */
static void np_record_wait(struct kunit *test)
{
	const struct np_record_wait_row *r = test->param_value;
	struct np_tstream s;
	u32 room;

	np_tstream_open(&s, test, 0xfffffff0, NP_TEST_CAP);
	np_tstream_put(&s, r->cap);
	WRITE_ONCE(s.tx->need, r->need);
	KUNIT_EXPECT_FALSE(test, np_chan_end_wait(s.rx));
	np_chan_await_room(s.tx, r->cap);
	for (room = 0; room < r->enough; room++) {
		KUNIT_EXPECT_FALSE(test, np_chan_writable(s.tx, r->cap));
		KUNIT_EXPECT_FALSE(test, np_chan_end_wait(s.rx));
		np_tstream_drop(&s, 1);
	}
	KUNIT_EXPECT_TRUE(test, np_chan_writable(s.tx, r->cap));
	KUNIT_EXPECT_TRUE(test, np_chan_end_wait(s.rx));
	KUNIT_EXPECT_FALSE(test, np_chan_end_wait(s.rx));
	np_tstream_close(&s);
}

/* Where two wait the one who wants less is woken first, whoever came last. */
static void np_record_wait_two(struct kunit *test)
{
	struct np_tstream s;
	int last;

	np_tstream_open(&s, test, 0, 300);
	np_tstream_put(&s, 300);
	for (last = 0; last < 2; last++) {
		WRITE_ONCE(s.tx->need, last ? 290 : 0);
		np_chan_await_room(s.tx, s.cap);
		WRITE_ONCE(s.tx->need, last ? 0 : 290);
		np_chan_await_room(s.tx, s.cap);
		np_tstream_drop(&s, 99);
		KUNIT_EXPECT_FALSE(test, np_chan_end_wait(s.rx));
		np_tstream_drop(&s, 1);
		KUNIT_EXPECT_TRUE(test, np_chan_end_wait(s.rx));
		np_tstream_put(&s, 100);
	}
	np_tstream_close(&s);
}

static struct kunit_case np_record_cases[] = {
	KUNIT_CASE_PARAM(np_record_whole, np_record_size_gen_params),
	KUNIT_CASE_PARAM(np_record_behind, np_record_size_gen_params),
	KUNIT_CASE_PARAM(np_record_straddle, np_record_size_gen_params),
	KUNIT_CASE_PARAM(np_record_room, np_record_size_gen_params),
	KUNIT_CASE_PARAM(np_record_cut, np_record_size_gen_params),
	KUNIT_CASE_PARAM(np_record_successors, np_record_size_gen_params),
	KUNIT_CASE(np_record_empty),
	KUNIT_CASE(np_record_after_page),
	KUNIT_CASE_PARAM(np_record_malformed, np_record_bad_gen_params),
	KUNIT_CASE_PARAM(np_record_wait, np_record_wait_gen_params),
	KUNIT_CASE(np_record_wait_two),
	{}
};

static struct kunit_suite np_record_suite = {
	.name = "newproto_record",
	.init = np_tenv_init,
	.exit = np_tenv_exit,
	.test_cases = np_record_cases,
};

kunit_test_suite(np_record_suite);
