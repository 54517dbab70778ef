// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of records: writer, reader and the pool's worker at the same time.
 */
#include <linux/slab.h>
#include <linux/wait.h>

#include "lib.h"

/**
 * struct np_rflow - records from one thread to another
 * @env: the surroundings
 * @row: what to send
 * @tx: the writer's channel
 * @rx: the reader's channel
 * @wait: who finds no room or no record waits here
 * @over: the reader has finished
 */
struct np_rflow {
	struct np_tenv *env;
	const struct np_rflow_row {
		const char *name;
		u32 records;
		u32 most;	/* bytes of one */
		u32 cap;
		u32 start;	/* position in the channel */
		u32 piece;	/* about how many records before a successor; 0: all */
		bool passes;	/* the worker runs without pause */
	} *row;
	struct np_chan *tx;
	struct np_chan *rx;
	wait_queue_head_t wait;
	bool over;
};

static const struct np_rflow_row np_rflow_rows[] = {
	{ "empty", 5000, 0, 64, 0xfffff000, 0 },
	{ "tiny", 20000, 3, 100, 0xffff8000, 0 },
	{ "small", 20000, 100, 4096, 0xfff00000, 0 },
	{ "pages", 3000, 8192, 16384, 0xff800000, 0 },
	{ "one fits", 2000, 20000, 20004, 0xff800000, 0 },
	{ "large", 400, 150000, 1 << 20, 0xff800000, 0 },
	{ "all sizes", 1500, 60000, 150000, 0x7fc00000, 0 },
	{ "successors", 4000, 2000, 100000, 0xfffffff0, 20 },
	{ "short successors", 2000, 300, 10000, 0xfffffff0, 1 },
	{ "small, taken", 20000, 100, 4096, 0xfff00000, 0, true },
	{ "pages, taken", 3000, 8192, 16384, 0xff800000, 0, true },
	{ "one fits, taken", 2000, 20000, 20004, 0xff800000, 0, true },
};

static void np_rflow_desc(const struct np_rflow_row *r, char *desc)
{
	strscpy(desc, r->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_rflow, np_rflow_rows, np_rflow_desc);

/* Both threads know the sizes in advance: few are large. */
static u32 np_rflow_size(const struct np_rflow *f, struct rnd_state *rnd)
{
	return np_test_random(rnd, 0, np_test_random(rnd, 0, f->row->most));
}

/* A writer of records waits until all of one fits: as sockets do it. */
static int np_rflow_send(struct np_rflow *f, u8 *buf, u32 n)
{
	ssize_t ret;

	while (!(ret = np_test_write_record(f->tx, buf, n, f->row->cap))) {
		WRITE_ONCE(f->tx->need, NP_RECORD_HEAD + n);
		np_chan_await_room(f->tx, f->row->cap);
		smp_mb();	/* pairs with the one in np_rflow_receive() */
		if (!wait_event_timeout(f->wait, np_chan_writable(f->tx, f->row->cap),
					NP_TEST_TIMEOUT))
			return -ETIMEDOUT;
	}
	WRITE_ONCE(f->tx->need, 0);
	wake_up(&f->wait);
	return ret == NP_RECORD_HEAD + n ? 0 : -EIO;
}

static int np_rflow_succeed(struct np_rflow *f)
{
	struct np_chan *next = np_tchan_make(f->env, f->tx->head);

	if (!next)
		return -ENOMEM;
	np_chan_finish(f->tx, next);
	np_chan_writer_leave(f->tx);
	f->tx = next;
	return 0;
}

static int np_rflow_writer(void *arg)
{
	struct np_rflow *f = arg;
	u32 i, n, left = f->row->piece;
	struct rnd_state rnd;
	u64 pos = 0;
	int err = 0;
	u8 *buf;

	prandom_seed_state(&rnd, f->row->most);
	buf = kvmalloc(f->row->most + 1, GFP_KERNEL);
	if (!buf)
		err = -ENOMEM;
	for (i = 0; i < f->row->records && !err; i++, pos += n) {
		n = np_rflow_size(f, &rnd);
		np_pattern_fill(buf, pos, n);
		err = np_rflow_send(f, buf, n);
		if (f->row->piece && !err && !left--) {
			err = np_rflow_succeed(f);
			left = f->row->piece;
		}
	}
	np_chan_finish(f->tx, NULL);
	np_chan_writer_leave(f->tx);
	wake_up(&f->wait);
	kvfree(buf);
	return err;
}

/* The next record, which has @n bytes: peek, now and then cut it, and read it. */
static int np_rflow_receive(struct np_rflow *f, u8 *buf, u64 pos, u32 n, u32 room)
{
	size_t full;
	ssize_t ret;

	if (!wait_event_timeout(f->wait, np_chan_avail(f->rx) ||
				np_chan_at_eof(f->rx), NP_TEST_TIMEOUT))
		return -ETIMEDOUT;
	ret = np_test_read_record(&f->rx, buf, n, &full, true);
	if (ret != n || full != n || !np_pattern_is(buf, pos, n))
		return -EBADMSG;
	if (np_record_avail(f->rx) < n)
		return -ERANGE;
	room = min(room, n);
	memset(buf, 0, n);
	ret = np_test_read_record(&f->rx, buf, room, &full, false);
	if (ret != room || full != n || !np_pattern_is(buf, pos, room))
		return -EILSEQ;
	smp_mb();	/* pairs with the one in np_rflow_send() */
	if (np_chan_end_wait(f->rx))
		wake_up(&f->wait);
	return 0;
}

static int np_rflow_reader(void *arg)
{
	struct np_rflow *f = arg;
	struct rnd_state rnd, cut;
	u64 pos = 0;
	int err = 0;
	u32 i, n;
	u8 *buf;

	prandom_seed_state(&rnd, f->row->most);
	prandom_seed_state(&cut, 17);
	buf = kvmalloc(f->row->most + 1, GFP_KERNEL);
	if (!buf)
		err = -ENOMEM;
	for (i = 0; i < f->row->records && !err; i++, pos += n) {
		n = np_rflow_size(f, &rnd);
		err = np_rflow_receive(f, buf, pos, n,
				       i % 8 ? n : np_test_random(&cut, 0, n));
	}
	if (!err && !wait_event_timeout(f->wait, np_chan_at_eof(f->rx), NP_TEST_TIMEOUT))
		err = -ENODATA;
	if (err)
		pr_info("record %u of %u: error %d\n", i, f->row->records, err);
	WRITE_ONCE(f->over, true);
	np_chan_reader_leave(f->rx);
	wake_up(&f->wait);
	kvfree(buf);
	return err;
}

static int np_rflow_passer(void *arg)
{
	struct np_rflow *f = arg;

	while (!READ_ONCE(f->over)) {
		np_pool_run(&f->env->pool);
		cond_resched();
	}
	return 0;
}

static void np_record_flow(struct kunit *test)
{
	const struct np_rflow_row *r = test->param_value;
	struct np_thread *writer, *reader, *passer = NULL;
	struct np_rflow *f;

	f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, f);
	f->env = test->priv;
	f->row = r;
	init_waitqueue_head(&f->wait);
	f->tx = np_tchan_new(test, r->start);
	f->rx = f->tx;
	if (r->passes)
		passer = np_thread_start(test, np_rflow_passer, f, "np-passer");
	writer = np_thread_start(test, np_rflow_writer, f, "np-writer");
	reader = np_thread_start(test, np_rflow_reader, f, "np-reader");
	KUNIT_EXPECT_EQ(test, np_thread_join(writer), 0);
	KUNIT_EXPECT_EQ(test, np_thread_join(reader), 0);
	if (passer)
		KUNIT_EXPECT_EQ(test, np_thread_join(passer), 0);
	if (r->piece)
		KUNIT_EXPECT_GT(test, np_tenv_released(test),
				(int)(r->records / (r->piece + 1)) - 1);
}

#define NP_RSWEEP_CHANS		64
#define NP_RSWEEP_NEAR		8	/* channels that are in use at a time */
#define NP_RSWEEP_ROUNDS	200
#define NP_RSWEEP_CAP		3000
#define NP_RSWEEP_MOST		2000

/**
 * struct np_rsweep - many channels, a few of which are in use at a time
 * @env: the surroundings
 * @chans: the channels
 * @wait: the writer waits for a pass here
 * @passes: passes of the worker so far
 * @over: no more passes are needed
 * @cold: records for a channel that had been used and whose buffer was gone
 * @failed: records that could not be written
 */
struct np_rsweep {
	struct np_tenv *env;
	struct np_chan *chans[NP_RSWEEP_CHANS];
	wait_queue_head_t wait;
	atomic_t passes;
	bool over;
	int cold;
	int failed;
};

static int np_rsweep_passer(void *arg)
{
	struct np_rsweep *w = arg;

	while (!READ_ONCE(w->over)) {
		np_pool_run(&w->env->pool);
		atomic_inc(&w->passes);
		wake_up(&w->wait);
		cond_resched();
	}
	return 0;
}

/* Write a record or two, some from memory that is not there, and read them. */
static int np_rsweep_use(struct np_rsweep *w, struct np_chan *c, struct rnd_state *rnd,
			 u8 *buf)
{
	u32 n = np_test_random(rnd, 0, NP_RSWEEP_MOST);
	struct iov_iter none;
	struct np_chan *rx = c;
	size_t full;
	ssize_t ret;

	if (c->head && !READ_ONCE(c->w))
		w->cold++;
	if (n % 3 == 0) {
		/* There are bytes for a part of the record only. */
		struct kvec vec = { .iov_base = buf, .iov_len = n / 2 };

		iov_iter_kvec(&none, ITER_SOURCE, &vec, 1, n / 2);
		w->failed += np_record_write(c, &none, n + 1, NP_RSWEEP_CAP) == -EFAULT;
	}
	np_pattern_fill(buf, c->head, n);
	ret = np_test_write_record(c, buf, n, NP_RSWEEP_CAP);
	if (ret != NP_RECORD_HEAD + n)
		return -EIO;
	memset(buf, 0, n);
	ret = np_test_read_record(&rx, buf, n, &full, false);
	if (ret != n || !np_pattern_is(buf, c->head - NP_RECORD_HEAD - n, n))
		return -EILSEQ;
	return 0;
}

static int np_rsweep_user(void *arg)
{
	struct np_rsweep *w = arg;
	int round, i, before, err = 0;
	struct rnd_state rnd;
	u8 *buf;

	prandom_seed_state(&rnd, 98);
	buf = kmalloc(NP_RSWEEP_MOST, GFP_KERNEL);
	if (!buf)
		err = -ENOMEM;
	for (round = 0; round < NP_RSWEEP_ROUNDS && !err; round++) {
		before = atomic_read(&w->passes);
		for (i = 0; i < 4 * NP_RSWEEP_NEAR && !err; i++) {
			u32 k = round * 5 + np_test_random(&rnd, 0, NP_RSWEEP_NEAR - 1);

			err = np_rsweep_use(w, w->chans[k % NP_RSWEEP_CHANS], &rnd, buf);
		}
		if (!wait_event_timeout(w->wait, atomic_read(&w->passes) != before,
					NP_TEST_TIMEOUT))
			err = -ETIMEDOUT;
	}
	WRITE_ONCE(w->over, true);
	kfree(buf);
	return err;
}

/* Give-back beside records that are written, and that come to nothing. */
static void np_record_give_back(struct kunit *test)
{
	struct np_thread *user, *passer;
	struct np_tenv *env = test->priv;
	struct np_rsweep *w;
	int i;

	w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, w);
	w->env = env;
	init_waitqueue_head(&w->wait);
	for (i = 0; i < NP_RSWEEP_CHANS; i++)
		w->chans[i] = np_tchan_new(test, 0);
	passer = np_thread_start(test, np_rsweep_passer, w, "np-passer");
	user = np_thread_start(test, np_rsweep_user, w, "np-user");
	KUNIT_EXPECT_EQ(test, np_thread_join(user), 0);
	KUNIT_EXPECT_EQ(test, np_thread_join(passer), 0);
	kunit_info(test, "%d passes, %d cold writes, %d that failed\n",
		   atomic_read(&w->passes), w->cold, w->failed);
	/* Else nothing was tested. */
	KUNIT_EXPECT_GT(test, w->cold, NP_RSWEEP_CHANS);
	KUNIT_EXPECT_GT(test, w->failed, NP_RSWEEP_CHANS);
	np_pool_run(&env->pool);
	np_pool_run(&env->pool);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	for (i = 0; i < NP_RSWEEP_CHANS; i++) {
		np_chan_reader_leave(w->chans[i]);
		np_chan_writer_leave(w->chans[i]);
	}
}

static struct kunit_case np_record_race_cases[] = {
	KUNIT_CASE_PARAM(np_record_flow, np_rflow_gen_params),
	KUNIT_CASE(np_record_give_back),
	{}
};

static struct kunit_suite np_record_race_suite = {
	.name = "newproto_record_race",
	.init = np_tenv_init,
	.exit = np_tenv_exit,
	.test_cases = np_record_race_cases,
};

kunit_test_suite(np_record_race_suite);
