// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of channels: copies from and to a program's memory that fail half-way.
 */
#include <linux/kthread.h>
#include <linux/uaccess.h>

#include "lib.h"

/* Write the next @len bytes of a stream, of which @good can be read. */
static ssize_t np_fault_write(struct np_tstream *s, size_t good, size_t len)
{
	struct iovec vec = { .iov_base = np_tuser(good), .iov_len = len };
	struct iov_iter from;
	ssize_t ret = -EIO;

	np_pattern_fill(s->buf, s->wpos, good);
	kthread_use_mm(np_tuser_mm);
	if (!copy_to_user(vec.iov_base, s->buf, good)) {
		iov_iter_init(&from, ITER_SOURCE, &vec, 1, len);
		ret = np_chan_write(s->tx, &from, s->cap);
	}
	kthread_unuse_mm(np_tuser_mm);
	if (ret > 0)
		s->wpos += ret;
	return ret;
}

/* Read or peek @len bytes into memory of which @good can be written. */
static ssize_t np_fault_read(struct np_tstream *s, size_t good, size_t len,
			     bool peek)
{
	struct iovec vec = { .iov_base = np_tuser(good), .iov_len = len };
	struct iov_iter to;
	ssize_t ret;

	memset(s->buf, 0, len);
	kthread_use_mm(np_tuser_mm);
	iov_iter_init(&to, ITER_DEST, &vec, 1, len);
	if (peek)
		ret = np_chan_peek(s->rx, &to, len);
	else
		ret = np_chan_read(&s->rx, &to, len);
	if (ret > 0 && copy_from_user(s->buf, vec.iov_base, ret))
		ret = -EIO;
	kthread_unuse_mm(np_tuser_mm);
	if (ret > 0)
		KUNIT_EXPECT_TRUE(s->test, np_pattern_is(s->buf, s->rpos, ret));
	if (ret > 0 && !peek)
		s->rpos += ret;
	return ret;
}

static const struct np_fault_row {
	u32 good;
	u32 len;
} np_fault_rows[] = {
	{ 0, 1 }, { 0, 100 }, { 0, PAGE_SIZE }, { 0, 100000 },
	{ 1, 2 }, { 63, 64 }, { 100, 10000 },
	{ NP_TEST_SMALL, NP_TEST_SMALL + 1 },
	{ PAGE_SIZE - 1, PAGE_SIZE }, { PAGE_SIZE, PAGE_SIZE + 1 },
	{ PAGE_SIZE + 1, 50000 },
	{ PAGE_SIZE << NP_CHUNK_ORDER, 50000 },
	{ (PAGE_SIZE << NP_CHUNK_ORDER) + 1, 100000 },
	{ 60000, 60001 },
};

static void np_fault_desc(const struct np_fault_row *r, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u of %u", r->good, r->len);
}

KUNIT_ARRAY_PARAM(np_fault, np_fault_rows, np_fault_desc);

static ssize_t np_fault_result(const struct np_fault_row *r)
{
	return r->good ? (ssize_t)r->good : -EFAULT;
}

/* What was copied is written, and the stream goes on after it. */
static void np_channel_write_fault(struct kunit *test)
{
	const struct np_fault_row *r = test->param_value;
	struct np_tstream s;
	int i;

	np_tstream_open(&s, test, NP_BEFORE_WRAP(r->good / 2), NP_TEST_CAP);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, np_fault_write(&s, r->good, r->len),
				np_fault_result(r));
		KUNIT_EXPECT_EQ(test, np_chan_used(s.tx), r->good);
		KUNIT_EXPECT_EQ(test, s.tx->busy, 0);
		/* One that fits where the other began, one that does not. */
		np_tstream_put(&s, i ? 70000 : 3);
		np_tstream_look(&s, np_chan_used(s.tx));
		np_tstream_get(&s, np_chan_used(s.tx));
	}
	np_tstream_close(&s);
}

/* The same with unread bytes before. */
static void np_channel_write_fault_behind(struct kunit *test)
{
	const struct np_fault_row *r = test->param_value;
	struct np_tstream s;

	np_tstream_open(&s, test, 0xffffffff, NP_TEST_CAP);
	np_tstream_put(&s, NP_TEST_SMALL);
	KUNIT_EXPECT_EQ(test, np_fault_write(&s, r->good, r->len), np_fault_result(r));
	KUNIT_EXPECT_EQ(test, np_fault_write(&s, r->good, r->len), np_fault_result(r));
	np_tstream_put(&s, 10);
	np_tstream_get(&s, NP_TEST_SMALL + 2 * r->good + 10);
	KUNIT_EXPECT_EQ(test, np_chan_used(s.tx), 0U);
	np_tstream_close(&s);
}

/* A buffer that was got for bytes that did not come goes back too. */
static void np_channel_write_fault_memory(struct kunit *test)
{
	struct np_tenv *env = test->priv;
	struct np_tstream s;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	KUNIT_EXPECT_EQ(test, np_fault_write(&s, 0, 10), (ssize_t)-EFAULT);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), (long)NP_TEST_SMALL);
	KUNIT_EXPECT_EQ(test, np_fault_write(&s, 0, 5000), (ssize_t)-EFAULT);
	np_pool_run(&env->pool);
	KUNIT_EXPECT_EQ(test, np_fault_write(&s, 0, 10), (ssize_t)-EFAULT);
	np_pool_run(&env->pool);
	KUNIT_EXPECT_GT(test, np_tenv_bytes(test), 0L);
	np_pool_run(&env->pool);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	np_tstream_put(&s, 10);
	np_tstream_get(&s, 10);
	np_tstream_close(&s);
}

/* What was not copied stays in the channel. */
static void np_channel_read_fault(struct kunit *test)
{
	const struct np_fault_row *r = test->param_value;
	struct np_tstream s;

	np_tstream_open(&s, test, NP_BEFORE_WRAP(r->good + 1), NP_TEST_CAP);
	np_tstream_put(&s, r->len);
	KUNIT_EXPECT_EQ(test, np_fault_read(&s, r->good, r->len, true),
			np_fault_result(r));
	KUNIT_EXPECT_EQ(test, np_chan_used(s.tx), r->len);
	KUNIT_EXPECT_EQ(test, np_fault_read(&s, r->good, r->len, false),
			np_fault_result(r));
	KUNIT_EXPECT_EQ(test, np_chan_used(s.tx), r->len - r->good);
	np_tstream_look(&s, r->len - r->good);
	np_tstream_put(&s, 5);
	np_tstream_get(&s, r->len - r->good + 5);
	np_tstream_close(&s);
}

/* The hole is where the second or third channel's bytes would go. */
static void np_channel_read_fault_chain(struct kunit *test)
{
	const struct np_fault_row *r = test->param_value;
	u32 head = r->good / 2;
	struct np_tstream s;
	struct np_chan *next;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	if (head)
		np_tstream_put(&s, head);
	next = np_tchan_new(test, 0xffffffff);
	np_chan_finish(s.tx, next);
	np_chan_writer_leave(s.tx);
	s.tx = next;
	np_tstream_put(&s, r->len - head);
	KUNIT_EXPECT_EQ(test, np_fault_read(&s, r->good, r->len, true),
			np_fault_result(r));
	KUNIT_EXPECT_EQ(test, np_tenv_released(test), 0);
	KUNIT_EXPECT_EQ(test, np_fault_read(&s, r->good, r->len, false),
			np_fault_result(r));
	KUNIT_EXPECT_EQ(test, np_chan_avail(s.rx), (size_t)(r->len - r->good));
	np_tstream_get(&s, r->len - r->good);
	np_tstream_close(&s);
}

static struct kunit_case np_channel_fault_cases[] = {
	KUNIT_CASE_PARAM(np_channel_write_fault, np_fault_gen_params),
	KUNIT_CASE_PARAM(np_channel_write_fault_behind, np_fault_gen_params),
	KUNIT_CASE(np_channel_write_fault_memory),
	KUNIT_CASE_PARAM(np_channel_read_fault, np_fault_gen_params),
	KUNIT_CASE_PARAM(np_channel_read_fault_chain, np_fault_gen_params),
	{}
};

static struct kunit_suite np_channel_fault_suite = {
	.name = "newproto_channel_fault",
	.suite_init = np_tuser_init,
	.suite_exit = np_tuser_exit,
	.init = np_tenv_init,
	.exit = np_tenv_exit,
	.test_cases = np_channel_fault_cases,
};

kunit_test_suite(np_channel_fault_suite);
