// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of records: copies that fail half-way, and memory that is short.
 */
#include <linux/kthread.h>
#include <linux/uaccess.h>

#include "kunit.h"
#include "lib.h"

static const struct np_rfault_row {
	u32 good;
	u32 len;
} np_rfault_rows[] = {
	{ 0, 1 }, { 0, 100 }, { 0, PAGE_SIZE }, { 0, 100000 },
	{ 1, 2 }, { 63, 64 }, { 100, 10000 },
	{ NP_TEST_SMALL - NP_RECORD_HEAD, NP_TEST_SMALL },
	{ NP_TEST_SMALL, NP_TEST_SMALL + 1 },
	{ PAGE_SIZE - NP_RECORD_HEAD - 1, PAGE_SIZE },
	{ PAGE_SIZE - NP_RECORD_HEAD, PAGE_SIZE }, { PAGE_SIZE, 50000 },
	{ (PAGE_SIZE << NP_CHUNK_ORDER) - NP_RECORD_HEAD, 50000 },
	{ PAGE_SIZE << NP_CHUNK_ORDER, 100000 },
	{ 60000, 60001 }, { 60000, 200000 },
};

static void np_rfault_desc(const struct np_rfault_row *r, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u of %u", r->good, r->len);
}

KUNIT_ARRAY_PARAM(np_rfault, np_rfault_rows, np_rfault_desc);

/* Write a record of @len bytes, of which @good can be read: it must fail, and
 * leave no trace but in the buffers.
 */
static void np_rfault_write(struct np_tstream *s, size_t good, size_t len)
{
	struct iovec vec = { .iov_base = np_tuser(good), .iov_len = len };
	u32 head = s->tx->head, used = np_chan_used(s->tx);
	size_t avail = np_record_avail(s->rx);
	struct iov_iter from;
	ssize_t ret = -EIO;

	np_pattern_fill(s->buf, s->wpos, good);
	iov_iter_init(&from, ITER_SOURCE, &vec, 1, len);
	kthread_use_mm(np_tuser_mm);
	if (!copy_to_user(vec.iov_base, s->buf, good))
		ret = np_record_write(s->tx, &from, len, s->cap);
	kthread_unuse_mm(np_tuser_mm);
	KUNIT_EXPECT_EQ(s->test, ret, (ssize_t)-EFAULT);
	KUNIT_EXPECT_EQ(s->test, iov_iter_count(&from), len);
	KUNIT_EXPECT_EQ(s->test, s->tx->head, head);
	KUNIT_EXPECT_EQ(s->test, np_chan_used(s->tx), used);
	KUNIT_EXPECT_EQ(s->test, np_record_avail(s->rx), avail);
	KUNIT_EXPECT_EQ(s->test, s->tx->busy, 0);
}

/* In a channel that has nothing yet, is empty, is empty and has a chunk of any
 * size. What follows is written as if nothing had been.
 */
static void np_record_write_fault(struct kunit *test)
{
	const struct np_rfault_row *r = test->param_value;
	static const u32 next[] = { 3, 70000, 0, NP_TEST_SMALL, 5000 };
	struct np_tstream s;
	int i;

	np_tstream_open(&s, test, NP_BEFORE_WRAP(r->good / 2), NP_TEST_CAP);
	np_rfault_write(&s, r->good, r->len);
	/* A channel that no pool knows has no buffers. */
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	for (i = 0; i < ARRAY_SIZE(next); i++) {
		np_rfault_write(&s, r->good, r->len);
		np_trecord_none(&s);
		np_trecord_put(&s, next[i]);
		np_trecord_look(&s, next[i]);
		np_trecord_get(&s, next[i]);
		np_rfault_write(&s, r->good, r->len);
		np_trecord_put(&s, 5);
		np_trecord_get(&s, 5);
		np_trecord_none(&s);
	}
	np_tstream_close(&s);
}

/* Behind records that are there, with a chunk that has any rest, and with
 * chunks that were read out.
 */
static void np_record_write_fault_behind(struct kunit *test)
{
	const struct np_rfault_row *r = test->param_value;
	struct np_tstream s;
	u32 rest;

	np_tstream_open(&s, test, 0xffffff00, NP_TEST_CAP);
	for (rest = 0; rest < 8; rest++) {
		u32 first = NP_TEST_SMALL - NP_RECORD_HEAD - rest;

		np_trecord_put(&s, first);
		np_rfault_write(&s, r->good, r->len);
		np_rfault_write(&s, r->good, r->len);
		np_trecord_put(&s, 10);
		np_rfault_write(&s, r->good, r->len);
		np_trecord_get(&s, first);
		np_rfault_write(&s, r->good, r->len);
		np_trecord_put(&s, 20000);
		np_trecord_get(&s, 10);
		np_rfault_write(&s, r->good, r->len);
		np_trecord_get(&s, 20000);
		np_rfault_write(&s, r->good, r->len);
		np_trecord_none(&s);
	}
	np_tstream_close(&s);
}

/* Buffers that were got for a record that did not come go back too. */
static void np_record_write_fault_memory(struct kunit *test)
{
	const struct np_rfault_row *r = test->param_value;
	struct np_tenv *env = test->priv;
	struct np_tstream s;
	long bytes;
	int i;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	np_trecord_put(&s, 10);
	np_rfault_write(&s, r->good, r->len);
	bytes = np_tenv_bytes(test);
	/* They are used again. */
	for (i = 0; i < 10; i++)
		np_rfault_write(&s, r->good, r->len);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), bytes);
	np_pool_run(&env->pool);
	np_pool_run(&env->pool);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), bytes);
	np_trecord_get(&s, 10);
	/* A write that fails is one, too: what it uses is not taken. */
	np_pool_run(&env->pool);
	np_rfault_write(&s, r->good, r->len);
	np_pool_run(&env->pool);
	KUNIT_EXPECT_GT(test, np_tenv_bytes(test), 0L);
	np_pool_run(&env->pool);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	np_rfault_write(&s, r->good, r->len);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	np_trecord_put(&s, 10);
	np_trecord_get(&s, 10);
	np_tstream_close(&s);
}

/* Read or peek into memory of which @good bytes can be written: must fail. */
static void np_rfault_read(struct np_tstream *s, size_t good, size_t len, bool peek)
{
	struct iovec vec = { .iov_base = np_tuser(good), .iov_len = len };
	size_t avail = np_record_avail(s->rx), full = 4711;
	struct iov_iter to;
	ssize_t ret;

	iov_iter_init(&to, ITER_DEST, &vec, 1, len);
	kthread_use_mm(np_tuser_mm);
	ret = np_record_read(&s->rx, &to, len, &full, peek);
	kthread_unuse_mm(np_tuser_mm);
	KUNIT_EXPECT_EQ(s->test, ret, (ssize_t)-EFAULT);
	KUNIT_EXPECT_EQ(s->test, iov_iter_count(&to), len);
	KUNIT_EXPECT_EQ(s->test, full, (size_t)4711);
	KUNIT_EXPECT_EQ(s->test, np_record_avail(s->rx), avail);
}

/* A record that could not be copied is still there, as a whole. */
static void np_record_read_fault(struct kunit *test)
{
	const struct np_rfault_row *r = test->param_value;
	struct np_tstream s;
	int i;

	np_tstream_open(&s, test, NP_BEFORE_WRAP(r->good + 1), NP_TEST_CAP);
	for (i = 0; i < 3; i++) {
		np_trecord_put(&s, i);
		np_trecord_put(&s, r->len);
		np_trecord_get(&s, i);
		np_rfault_read(&s, r->good, r->len, true);
		np_rfault_read(&s, r->good, r->len, false);
		np_trecord_put(&s, 5);
		np_rfault_read(&s, r->good, r->len, false);
		np_trecord_look(&s, r->len);
		np_trecord_get(&s, r->len);
		np_trecord_get(&s, 5);
	}
	np_tstream_close(&s);
}

/* So it is where the channel that it is in is not the reader's first one. */
static void np_record_read_fault_chain(struct kunit *test)
{
	const struct np_rfault_row *r = test->param_value;
	struct np_tstream s;
	struct np_chan *next;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	np_trecord_put(&s, 1);
	next = np_tchan_new(test, 0xffffffff);
	np_chan_finish(s.tx, next);
	np_chan_writer_leave(s.tx);
	s.tx = next;
	np_trecord_put(&s, r->len);
	np_trecord_get(&s, 1);
	np_rfault_read(&s, r->good, r->len, true);
	np_rfault_read(&s, r->good, r->len, false);
	np_trecord_get(&s, r->len);
	np_tstream_close(&s);
}

static const u32 np_short_sizes[] = {
	0, 100, NP_TEST_SMALL, 5000, PAGE_SIZE, 40000, 200000,
};

static void np_short_desc(const u32 *size, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u", *size);
}

KUNIT_ARRAY_PARAM(np_short, np_short_sizes, np_short_desc);

/* Write a record with memory for ever more buffers, until it succeeds. Returns
 * how often it did not.
 */
static int np_short_write(struct np_tstream *s, u32 n)
{
	u32 head = s->tx->head;
	ssize_t ret;
	int memory;

	for (memory = 0; memory < 100; memory++) {
		size_t avail = np_record_avail(s->rx);

		WRITE_ONCE(np_kunit_memory, memory);
		ret = np_trecord_write(s, n);
		WRITE_ONCE(np_kunit_memory, -1);
		if (ret != -ENOMEM)
			break;
		KUNIT_EXPECT_EQ(s->test, s->tx->head, head);
		KUNIT_EXPECT_EQ(s->test, np_record_avail(s->rx), avail);
		KUNIT_EXPECT_EQ(s->test, s->tx->busy, 0);
	}
	KUNIT_EXPECT_EQ(s->test, ret, (ssize_t)(NP_RECORD_HEAD + n));
	return memory;
}

/* A record for which there is no memory leaves the channel as it was. A small
 * capacity makes chunks small, so that many are needed.
 */
static void np_record_no_memory(struct kunit *test)
{
	u32 i, n = *(const u32 *)test->param_value, first;
	struct np_tstream s;

	np_tstream_open(&s, test, NP_BEFORE_WRAP(n / 2 + 2000), 2 * n + 3000);
	KUNIT_EXPECT_GT(test, np_short_write(&s, n), 0);
	np_trecord_get(&s, n);
	np_trecord_none(&s);
	for (i = 0; i < ARRAY_SIZE(np_short_sizes) && np_short_sizes[i] <= n; i++) {
		first = np_short_sizes[i];
		np_trecord_put(&s, first);
		np_short_write(&s, n);
		np_trecord_look(&s, first);
		np_trecord_get(&s, first);
		np_short_write(&s, 500);
		np_trecord_get(&s, n);
		np_trecord_get(&s, 500);
		np_trecord_none(&s);
	}
	np_tstream_close(&s);
}

/* What failed for want of memory used none in the end. */
static void np_record_no_memory_left(struct kunit *test)
{
	struct np_tenv *env = test->priv;
	struct np_tstream s;

	np_tstream_open(&s, test, 0, 100000);
	WRITE_ONCE(np_kunit_memory, 3);
	KUNIT_EXPECT_EQ(test, np_trecord_write(&s, 90000), (ssize_t)-ENOMEM);
	WRITE_ONCE(np_kunit_memory, -1);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	np_trecord_put(&s, 10);
	np_trecord_get(&s, 10);
	np_pool_run(&env->pool);
	np_pool_run(&env->pool);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	np_tstream_close(&s);
}

/* Bytes that are no records: as many as there is memory for. */
static void np_record_no_memory_bytes(struct kunit *test)
{
	struct np_tstream s;
	ssize_t ret;

	np_tstream_open(&s, test, 0, 100000);
	WRITE_ONCE(np_kunit_memory, 0);
	KUNIT_EXPECT_EQ(test, np_tstream_write(&s, 90000), (ssize_t)-ENOMEM);
	WRITE_ONCE(np_kunit_memory, 3);
	ret = np_tstream_write(&s, 90000);
	KUNIT_EXPECT_EQ(test, ret, (ssize_t)(3 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, np_tstream_write(&s, 1), (ssize_t)-ENOMEM);
	WRITE_ONCE(np_kunit_memory, -1);
	np_tstream_put(&s, 10);
	np_tstream_get(&s, ret + 10);
	np_tstream_close(&s);
}

static void np_rfault_exit(struct kunit *test)
{
	WRITE_ONCE(np_kunit_memory, -1);
	np_tenv_exit(test);
}

static struct kunit_case np_record_fault_cases[] = {
	KUNIT_CASE_PARAM(np_record_write_fault, np_rfault_gen_params),
	KUNIT_CASE_PARAM(np_record_write_fault_behind, np_rfault_gen_params),
	KUNIT_CASE_PARAM(np_record_write_fault_memory, np_rfault_gen_params),
	KUNIT_CASE_PARAM(np_record_read_fault, np_rfault_gen_params),
	KUNIT_CASE_PARAM(np_record_read_fault_chain, np_rfault_gen_params),
	KUNIT_CASE_PARAM(np_record_no_memory, np_short_gen_params),
	KUNIT_CASE(np_record_no_memory_left),
	KUNIT_CASE(np_record_no_memory_bytes),
	{}
};

static struct kunit_suite np_record_fault_suite = {
	.name = "newproto_record_fault",
	.suite_init = np_tuser_init,
	.suite_exit = np_tuser_exit,
	.init = np_tenv_init,
	.exit = np_rfault_exit,
	.test_cases = np_record_fault_cases,
};

kunit_test_suite(np_record_fault_suite);
