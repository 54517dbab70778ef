// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of pools: which buffers are taken back, and when.
 */
#include "lib.h"

static void np_pass(struct kunit *test)
{
	struct np_tenv *env = test->priv;

	np_pool_run(&env->pool);
}

/* Send and receive a message, so that the channel is empty but has a buffer. */
static void np_use(struct np_tstream *s, size_t n)
{
	np_tstream_put(s, n);
	np_tstream_get(s, n);
}

static void np_pool_accounts(struct kunit *test)
{
	struct np_tenv *env = test->priv;

	KUNIT_EXPECT_EQ(test, np_pool_bytes(&env->pool), 0UL);
	np_pool_account(&env->pool, 5000);
	np_pool_account(&env->pool, 96);
	KUNIT_EXPECT_EQ(test, np_pool_bytes(&env->pool), 5096UL);
	/* A sum that is looked at while it is made may be below nothing. */
	np_pool_account(&env->pool, -5097);
	KUNIT_EXPECT_EQ(test, np_pool_bytes(&env->pool), 0UL);
	np_pool_account(&env->pool, 1);
}

static const u32 np_uses[] = { 1, NP_TEST_SMALL, NP_TEST_SMALL + 1, PAGE_SIZE,
			       PAGE_SIZE << NP_CHUNK_ORDER, 100000 };

static void np_use_desc(const u32 *n, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u bytes", *n);
}

KUNIT_ARRAY_PARAM(np_uses, np_uses, np_use_desc);

static void np_pool_two_passes(struct kunit *test)
{
	u32 n = *(const u32 *)test->param_value;
	struct np_tstream s;
	long bytes;
	int i;

	np_tstream_open(&s, test, NP_BEFORE_WRAP(n), NP_TEST_CAP);
	for (i = 0; i < 3; i++) {
		np_use(&s, n);
		bytes = np_tenv_bytes(test);
		KUNIT_EXPECT_GE(test, bytes, (long)n);
		np_pass(test);
		KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), bytes);
		np_pass(test);
		KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
		KUNIT_EXPECT_NULL(test, s.tx->w);
		KUNIT_EXPECT_TRUE(test, list_empty(&s.tx->warm));
		np_pass(test);
	}
	np_tstream_close(&s);
}

/* A write between two passes makes them begin anew. */
static void np_pool_write_between(struct kunit *test)
{
	struct np_tstream s;
	int i;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	np_use(&s, 100);
	np_pass(test);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_EQ(test, s.tx->cool, 1);
		np_use(&s, 100);
		KUNIT_EXPECT_EQ(test, s.tx->cool, 0);
		np_pass(test);
		KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), (long)NP_TEST_SMALL);
	}
	np_pass(test);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	np_tstream_close(&s);
}

/* A write that finds no room writes nothing, but it is one. */
static void np_pool_full_write_between(struct kunit *test)
{
	struct np_tstream s;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	np_use(&s, 100);
	np_pass(test);
	s.cap = 0;
	KUNIT_EXPECT_EQ(test, np_tstream_write(&s, 1), (ssize_t)0);
	np_pass(test);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), (long)NP_TEST_SMALL);
	np_pass(test);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	np_tstream_close(&s);
}

static void np_pool_unread_stays(struct kunit *test)
{
	struct np_tstream s;
	int i;

	np_tstream_open(&s, test, 0xfffffff0, NP_TEST_CAP);
	np_tstream_put(&s, 70000);
	for (i = 0; i < 4; i++) {
		np_pass(test);
		KUNIT_EXPECT_EQ(test, s.tx->cool, 0);
	}
	np_tstream_get(&s, 69999);
	np_pass(test);
	np_pass(test);
	np_pass(test);
	np_tstream_look(&s, 1);
	KUNIT_EXPECT_GT(test, np_tenv_bytes(test), 0L);
	np_tstream_get(&s, 1);
	np_pass(test);
	KUNIT_EXPECT_GT(test, np_tenv_bytes(test), 0L);
	np_pass(test);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	np_tstream_close(&s);
}

/* A mark that was found on an empty channel goes if bytes wait there. */
static void np_pool_mark_goes(struct kunit *test)
{
	struct np_tstream s;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	np_use(&s, 10);
	np_pass(test);
	np_tstream_put(&s, 10);
	np_pass(test);
	KUNIT_EXPECT_EQ(test, s.tx->cool, 0);
	np_tstream_get(&s, 10);
	np_pass(test);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), (long)NP_TEST_SMALL);
	KUNIT_EXPECT_EQ(test, s.tx->cool, 1);
	np_pass(test);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	np_tstream_close(&s);
}

/* A writer at work keeps its buffers, marked or not. */
static void np_pool_busy_stays(struct kunit *test)
{
	struct np_tstream s;
	int i;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	np_use(&s, 10);
	np_pass(test);
	s.tx->busy = 1;
	for (i = 0; i < 3; i++) {
		np_pass(test);
		KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), (long)NP_TEST_SMALL);
		KUNIT_EXPECT_EQ(test, s.tx->cool, 0);
	}
	s.tx->busy = 0;
	np_pass(test);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), (long)NP_TEST_SMALL);
	np_pass(test);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	np_tstream_close(&s);
}

/* What one look takes. */
static void np_pool_look(struct kunit *test)
{
	struct np_tenv *env = test->priv;
	struct np_chunk *list = NULL;
	struct np_tstream s;
	long bytes;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	/* Chunks of all kinds: being written, left behind, spare. */
	np_tstream_put(&s, 100);
	np_tstream_put(&s, 70000);
	np_tstream_get(&s, 70100);
	np_use(&s, 5000);
	KUNIT_EXPECT_FALSE(test, np_chan_give_back(s.tx, &list));
	KUNIT_EXPECT_NULL(test, list);
	synchronize_rcu();
	KUNIT_EXPECT_TRUE(test, np_chan_give_back(s.tx, &list));
	KUNIT_EXPECT_NOT_NULL(test, list);
	KUNIT_EXPECT_EQ(test, s.tx->cool, 0);
	bytes = np_chunk_list_free(list);
	KUNIT_EXPECT_EQ(test, bytes, np_tenv_bytes(test));
	np_pool_account(&env->pool, -bytes);
	np_tstream_close(&s);
}

/* The channel is as good as new: data, marks, memory. */
static void np_pool_use_again(struct kunit *test)
{
	struct np_tstream s;
	int i;

	np_tstream_open(&s, test, NP_BEFORE_WRAP(3 * PAGE_SIZE), NP_TEST_CAP);
	for (i = 0; i < 6; i++) {
		np_use(&s, 1 + 3000 * i);
		np_pass(test);
		np_pass(test);
		KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
		np_tstream_put(&s, 40000);
		np_tstream_look(&s, 40000);
		np_tstream_put(&s, 40000);
		np_tstream_get(&s, 80000);
	}
	np_chan_finish(s.tx, NULL);
	np_pass(test);
	np_pass(test);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	KUNIT_EXPECT_TRUE(test, np_chan_at_eof(s.rx));
	np_tstream_close(&s);
}

/* More than a batch of channels, on all lists: the idle ones are found. */
static void np_pool_many(struct kunit *test)
{
	const int n = 1500;
	struct np_chan **c;
	u8 byte = 1;
	int i, busy = 0;

	c = kunit_kcalloc(test, n, sizeof(*c), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, c);
	for (i = 0; i < n; i++) {
		c[i] = np_tchan_new(test, i);
		KUNIT_EXPECT_EQ(test, np_test_write(c[i], &byte, 1, 100), (ssize_t)1);
		if (i % 3)
			KUNIT_EXPECT_EQ(test, np_chan_drop(&c[i], 1), (size_t)1);
		else
			busy++;
	}
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), (long)n * NP_TEST_SMALL);
	np_pass(test);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), (long)n * NP_TEST_SMALL);
	np_pass(test);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), (long)busy * NP_TEST_SMALL);
	for (i = 0; i < n; i++) {
		np_chan_reader_leave(c[i]);
		np_chan_writer_leave(c[i]);
	}
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
}

/* A channel that goes is off the list, marked or not. */
static void np_pool_channel_goes(struct kunit *test)
{
	struct np_tstream s, other;
	int passes, i;

	np_tstream_open(&other, test, 0, NP_TEST_CAP);
	np_use(&other, 1);
	for (passes = 0; passes < 4; passes++) {
		np_tstream_open(&s, test, 0, NP_TEST_CAP);
		np_use(&s, 5000);
		for (i = 0; i < passes; i++)
			np_pass(test);
		np_tstream_close(&s);
		np_pass(test);
		np_pass(test);
	}
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	np_tstream_close(&other);
}

/* The pool's own worker, without waiting for its periods. */
static void np_pool_worker(struct kunit *test)
{
	struct np_tenv *env = test->priv;
	struct delayed_work *work = &env->pool.work;
	struct np_tstream s;
	int i;

	cancel_delayed_work_sync(work);
	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_FALSE(test, delayed_work_pending(work));
		np_use(&s, 5000);
		/* It runs when there is something to look at, until there is not. */
		KUNIT_EXPECT_TRUE(test, delayed_work_pending(work));
		flush_delayed_work(work);
		KUNIT_EXPECT_TRUE(test, delayed_work_pending(work));
		flush_delayed_work(work);
		KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	}
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(work));
	np_use(&s, 5000);
	np_tstream_close(&s);
	flush_delayed_work(work);
	KUNIT_EXPECT_FALSE(test, delayed_work_pending(work));
}

/* When memory is short one run marks and takes. */
static void np_pool_in_a_hurry(struct kunit *test)
{
	struct np_tenv *env = test->priv;
	struct delayed_work *work = &env->pool.work;
	struct np_tstream s, busy;

	cancel_delayed_work_sync(work);
	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	np_tstream_open(&busy, test, 0, NP_TEST_CAP);
	np_tstream_put(&busy, 10);
	np_use(&s, 5000);
	np_pool_hurry(&env->pool);
	flush_delayed_work(work);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), (long)NP_TEST_SMALL);
	/* That was for once. */
	np_use(&s, 5000);
	flush_delayed_work(work);
	KUNIT_EXPECT_GT(test, np_tenv_bytes(test), 5000L);
	flush_delayed_work(work);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), (long)NP_TEST_SMALL);
	np_tstream_close(&busy);
	np_tstream_close(&s);
}

static struct kunit_case np_pool_cases[] = {
	KUNIT_CASE(np_pool_accounts),
	KUNIT_CASE_PARAM(np_pool_two_passes, np_uses_gen_params),
	KUNIT_CASE(np_pool_write_between),
	KUNIT_CASE(np_pool_full_write_between),
	KUNIT_CASE(np_pool_unread_stays),
	KUNIT_CASE(np_pool_mark_goes),
	KUNIT_CASE(np_pool_busy_stays),
	KUNIT_CASE(np_pool_look),
	KUNIT_CASE(np_pool_use_again),
	KUNIT_CASE(np_pool_many),
	KUNIT_CASE(np_pool_channel_goes),
	KUNIT_CASE(np_pool_worker),
	KUNIT_CASE(np_pool_in_a_hurry),
	{}
};

static struct kunit_suite np_pool_suite = {
	.name = "newproto_pool",
	.init = np_tenv_init,
	.exit = np_tenv_exit,
	.test_cases = np_pool_cases,
};

kunit_test_suite(np_pool_suite);
