// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of channels: writer, reader and the pool's worker at the same time.
 */
#include <linux/delay.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include "lib.h"

/**
 * struct np_flow - a stream between two threads
 * @env: the surroundings
 * @tx: the writer's channel
 * @rx: the reader's channel
 * @total: bytes to send
 * @most_write: the largest write
 * @most_read: the largest read
 * @cap: the capacity
 * @piece: about how many bytes go through a channel before a successor; 0: all
 * @wait: who finds no room or no bytes waits here
 */
struct np_flow {
	struct np_tenv *env;
	struct np_chan *tx;
	struct np_chan *rx;
	u64 total;
	u32 most_write;
	u32 most_read;
	u32 cap;
	u32 piece;
	wait_queue_head_t wait;
};

static const struct np_flow_row {
	const char *name;
	u32 total;
	u32 most_write;
	u32 most_read;
	u32 cap;
	u32 start;
	u32 piece;
} np_flow_rows[] = {
	{ "bytes", 1000, 1, 1, 3, 0xffffff00, 0 },
	{ "small messages", 1 << 19, 100, 100, 4096, 0xfffff000, 0 },
	{ "small writes, large reads", 1 << 19, 64, 100000, 65536, 0xfffff000, 0 },
	{ "large writes, small reads", 1 << 19, 100000, 200, 200000, 0xffff8000, 0 },
	{ "pages", 4 << 20, 8192, 8192, 16384, 0xfff00000, 0 },
	{ "large", 16 << 20, 150000, 150000, 1 << 20, 0xff800000, 0 },
	{ "all sizes", 8 << 20, 40000, 60000, 150000, 0x7fc00000, 0 },
	{ "successors", 4 << 20, 3000, 3000, 100000, 0xfffffff0, 20000 },
	{ "short successors", 1 << 18, 200, 5000, 10000, 0xfffffff0, 100 },
};

static void np_flow_desc(const struct np_flow_row *r, char *desc)
{
	strscpy(desc, r->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_flow, np_flow_rows, np_flow_desc);

/* Go on in a new channel. */
static int np_flow_succeed(struct np_flow *f)
{
	struct np_chan *next = np_tchan_make(f->env, f->tx->head);

	if (!next)
		return -ENOMEM;
	np_chan_finish(f->tx, next);
	np_chan_writer_leave(f->tx);
	f->tx = next;
	return 0;
}

/* Write all of a buffer, waiting for room as needed. */
static int np_flow_send(struct np_flow *f, u8 *buf, size_t n)
{
	ssize_t ret;

	for (; n; n -= ret, buf += ret) {
		ret = np_test_write(f->tx, buf, n, f->cap);
		wake_up(&f->wait);
		if (ret < 0)
			return (int)ret;
		if (!ret && !wait_event_timeout(f->wait, np_chan_room(f->tx, f->cap),
						NP_TEST_TIMEOUT))
			return -ETIMEDOUT;
	}
	return 0;
}

static int np_flow_writer(void *arg)
{
	struct np_flow *f = arg;
	u32 left = f->piece, n;
	struct rnd_state rnd;
	u64 pos = 0;
	int err = 0;
	u8 *buf;

	prandom_seed_state(&rnd, f->most_write);
	buf = kvmalloc(f->most_write, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	while (pos < f->total && !err) {
		n = min_t(u64, np_test_random(&rnd, 1, f->most_write), f->total - pos);
		np_pattern_fill(buf, pos, n);
		err = np_flow_send(f, buf, n);
		pos += n;
		if (!f->piece || err)
			continue;
		left -= min(left, n);
		if (left)
			continue;
		err = np_flow_succeed(f);
		left = np_test_random(&rnd, 0, 2 * f->piece);
	}
	np_chan_finish(f->tx, NULL);
	np_chan_writer_leave(f->tx);
	wake_up(&f->wait);
	kvfree(buf);
	return err;
}

/* Read what is there, up to @n bytes, and check it in every way there is. */
static int np_flow_receive(struct np_flow *f, u8 *buf, u64 *pos, size_t n)
{
	bool eof = np_chan_at_eof(f->rx);
	size_t avail = np_chan_avail(f->rx);
	ssize_t ret;

	if (eof)
		return avail || *pos != f->total ? -EPIPE : 0;
	ret = np_test_peek(f->rx, buf, n);
	if (ret < 0 || ret < min(avail, n) || !np_pattern_is(buf, *pos, ret))
		return -EBADMSG;
	memset(buf, 0, n);
	ret = np_test_read(&f->rx, buf, n);
	wake_up(&f->wait);
	if (ret < 0 || ret < min(avail, n) || !np_pattern_is(buf, *pos, ret))
		return -EILSEQ;
	*pos += ret;
	if (!ret && !wait_event_timeout(f->wait, np_chan_avail(f->rx) ||
					np_chan_at_eof(f->rx), NP_TEST_TIMEOUT))
		return -ETIMEDOUT;
	return 0;
}

static int np_flow_reader(void *arg)
{
	struct np_flow *f = arg;
	struct rnd_state rnd;
	u64 pos = 0;
	int err = 0;
	u8 *buf;

	prandom_seed_state(&rnd, f->most_read);
	buf = kvmalloc(f->most_read, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	while (!err && !np_chan_at_eof(f->rx))
		err = np_flow_receive(f, buf, &pos,
				      np_test_random(&rnd, 1, f->most_read));
	if (!err && pos != f->total)
		err = -ENODATA;
	np_chan_reader_leave(f->rx);
	wake_up(&f->wait);
	kvfree(buf);
	return err;
}

static void np_channel_flow(struct kunit *test)
{
	const struct np_flow_row *r = test->param_value;
	struct np_thread *writer, *reader;
	struct np_flow *f;

	f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, f);
	f->env = test->priv;
	f->total = r->total;
	f->most_write = r->most_write;
	f->most_read = r->most_read;
	f->cap = r->cap;
	f->piece = r->piece;
	init_waitqueue_head(&f->wait);
	f->tx = np_tchan_new(test, r->start);
	f->rx = f->tx;
	writer = np_thread_start(test, np_flow_writer, f, "np-writer");
	reader = np_thread_start(test, np_flow_reader, f, "np-reader");
	KUNIT_EXPECT_EQ(test, np_thread_join(writer), 0);
	KUNIT_EXPECT_EQ(test, np_thread_join(reader), 0);
	if (r->piece)
		KUNIT_EXPECT_GT(test, np_tenv_released(test),
				(int)(r->total / r->piece / 3));
}

#define NP_SWEEP_CHANS	192
#define NP_SWEEP_NEAR	16	/* channels that are in use at a time */
#define NP_SWEEP_ROUNDS	150
#define NP_SWEEP_CAP	2000

/**
 * struct np_sweep - many channels, of which a few are in use at a time
 * @env: the surroundings
 * @chans: the channels
 * @passes: passes of the worker so far
 * @wait: the writer waits for a pass here, the reader for bytes
 * @sent: bytes sent over all channels
 * @over: the writer has finished
 * @done: the reader has finished
 * @cold: writes to a channel that had been used and whose buffer was gone
 */
struct np_sweep {
	struct np_tenv *env;
	struct np_sweep_chan {
		struct np_chan *tx;
		struct np_chan *rx;
		u64 wpos;
		u64 rpos;
	} chans[NP_SWEEP_CHANS];
	atomic_t passes;
	wait_queue_head_t wait;
	atomic_long_t sent;
	bool over;
	bool done;
	int cold;
};

/* Takes the buffers of whatever is idle, without pause. */
static int np_sweep_passer(void *arg)
{
	struct np_sweep *w = arg;

	while (!READ_ONCE(w->done)) {
		np_pool_run(&w->env->pool);
		atomic_inc(&w->passes);
		wake_up(&w->wait);
		cond_resched();
	}
	return 0;
}

static int np_sweep_send(struct np_sweep *w, struct np_sweep_chan *ch, u8 *buf, u32 n)
{
	ssize_t ret;

	if (ch->wpos && !READ_ONCE(ch->tx->w))
		w->cold++;
	np_pattern_fill(buf, ch->wpos, n);
	ret = np_test_write(ch->tx, buf, n, NP_SWEEP_CAP);
	if (ret < 0)
		return (int)ret;
	ch->wpos += ret;
	atomic_long_add(ret, &w->sent);
	wake_up(&w->wait);
	return 0;
}

/* Uses a few channels for a while, then others; those it comes back to are
 * marked, or being looked at, or have lost their buffers.
 */
static int np_sweep_writer(void *arg)
{
	struct np_sweep *w = arg;
	int round, i, before, err = 0;
	struct rnd_state rnd;
	u8 *buf;

	prandom_seed_state(&rnd, 99);
	buf = kmalloc(NP_SWEEP_CAP, GFP_KERNEL);
	if (!buf)
		err = -ENOMEM;
	for (round = 0; round < NP_SWEEP_ROUNDS && !err; round++) {
		before = atomic_read(&w->passes);
		for (i = 0; i < 8 * NP_SWEEP_NEAR && !err; i++) {
			u32 k = round * 7 + np_test_random(&rnd, 0, NP_SWEEP_NEAR - 1);

			err = np_sweep_send(w, &w->chans[k % NP_SWEEP_CHANS], buf,
					    np_test_random(&rnd, 1, i % 8 ? 60 : 1500));
		}
		if (!wait_event_timeout(w->wait, atomic_read(&w->passes) != before,
					NP_TEST_TIMEOUT))
			err = -ETIMEDOUT;
	}
	/* Pairs with the acquire in np_sweep_reader(): @sent is final. */
	smp_store_release(&w->over, true);
	wake_up(&w->wait);
	kfree(buf);
	return err;
}

static int np_sweep_reader(void *arg)
{
	struct np_sweep *w = arg;
	struct np_sweep_chan *ch;
	long got = 0;
	int err = 0, i = 0;
	ssize_t ret;
	bool over;
	u8 *buf;

	buf = kmalloc(NP_SWEEP_CAP, GFP_KERNEL);
	if (!buf)
		err = -ENOMEM;
	while (!err) {
		/* Pairs with the release in np_sweep_writer(). */
		over = smp_load_acquire(&w->over);
		if (got == atomic_long_read(&w->sent)) {
			if (over)
				break;
			if (!wait_event_timeout(w->wait, READ_ONCE(w->over) ||
						got != atomic_long_read(&w->sent),
						NP_TEST_TIMEOUT))
				err = -ETIMEDOUT;
			continue;
		}
		ch = &w->chans[i++ % NP_SWEEP_CHANS];
		ret = np_test_read(&ch->rx, buf, NP_SWEEP_CAP);
		if (ret < 0 || !np_pattern_is(buf, ch->rpos, ret))
			err = -EILSEQ;
		else
			ch->rpos += ret;
		got += max_t(ssize_t, ret, 0);
		cond_resched();
	}
	WRITE_ONCE(w->done, true);
	kfree(buf);
	return err;
}

/* Give-back against writes: nothing is lost, and in the end all memory is back
 * though the channels are still there.
 */
static void np_channel_give_back(struct kunit *test)
{
	struct np_thread *writer, *reader, *passer;
	struct np_tenv *env = test->priv;
	struct np_sweep *w;
	int i;

	w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, w);
	w->env = env;
	init_waitqueue_head(&w->wait);
	for (i = 0; i < NP_SWEEP_CHANS; i++) {
		w->chans[i].tx = np_tchan_new(test, i * 0x01010101U);
		w->chans[i].rx = w->chans[i].tx;
	}
	passer = np_thread_start(test, np_sweep_passer, w, "np-passer");
	reader = np_thread_start(test, np_sweep_reader, w, "np-reader");
	writer = np_thread_start(test, np_sweep_writer, w, "np-writer");
	KUNIT_EXPECT_EQ(test, np_thread_join(writer), 0);
	KUNIT_EXPECT_EQ(test, np_thread_join(reader), 0);
	KUNIT_EXPECT_EQ(test, np_thread_join(passer), 0);
	kunit_info(test, "%d passes, %d cold writes\n", atomic_read(&w->passes), w->cold);
	/* Else nothing was tested. */
	KUNIT_EXPECT_GT(test, w->cold, NP_SWEEP_CHANS);
	np_pool_run(&env->pool);
	np_pool_run(&env->pool);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	for (i = 0; i < NP_SWEEP_CHANS; i++) {
		KUNIT_EXPECT_EQ(test, w->chans[i].rpos, w->chans[i].wpos);
		np_chan_reader_leave(w->chans[i].rx);
		np_chan_writer_leave(w->chans[i].tx);
	}
}

#define NP_LEAVE_ROUNDS	300

/**
 * struct np_parting - channels that the reader leaves while they get marks
 * @rx: the channel that the reader is to leave, NULL when it is about to
 * @wait: the reader waits for the next one here, the writer for the reader
 * @left: those that the reader has left
 */
struct np_parting {
	struct np_chan *rx;
	wait_queue_head_t wait;
	atomic_t left;
};

static int np_parting_reader(void *arg)
{
	struct np_parting *p = arg;
	struct rnd_state rnd;
	struct np_chan *rx;
	int i;
	u8 byte;

	prandom_seed_state(&rnd, 5);
	for (i = 0; i < NP_LEAVE_ROUNDS; i++) {
		if (!wait_event_timeout(p->wait, READ_ONCE(p->rx), NP_TEST_TIMEOUT))
			return -ETIMEDOUT;
		rx = xchg(&p->rx, NULL);
		ndelay(np_test_random(&rnd, 0, 3000));
		if (i % 3 == 0)
			np_test_read(&rx, &byte, 1);
		np_chan_reader_leave(rx);
		atomic_inc(&p->left);
		wake_up(&p->wait);
	}
	return 0;
}

/* Marks with successors against a reader that leaves. */
static void np_channel_leave_race(struct kunit *test)
{
	struct np_thread *reader;
	struct np_chan *c, *next;
	struct np_parting *p;
	struct rnd_state rnd;
	int i, k;
	u8 byte = 1;

	p = kunit_kzalloc(test, sizeof(*p), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, p);
	init_waitqueue_head(&p->wait);
	prandom_seed_state(&rnd, 6);
	reader = np_thread_start(test, np_parting_reader, p, "np-reader");
	for (i = 0; i < NP_LEAVE_ROUNDS; i++) {
		c = np_tchan_new(test, 0);
		xchg(&p->rx, c);
		wake_up(&p->wait);
		for (k = i % 9; k; k--) {
			np_test_write(c, &byte, 1, 10);
			ndelay(np_test_random(&rnd, 0, 1000));
			next = np_tchan_new(test, 0);
			np_chan_finish(c, next);
			np_chan_writer_leave(c);
			c = next;
		}
		np_chan_finish(c, NULL);
		np_chan_writer_leave(c);
		KUNIT_EXPECT_TRUE(test, wait_event_timeout(p->wait,
							   atomic_read(&p->left) > i,
							   NP_TEST_TIMEOUT));
	}
	KUNIT_EXPECT_EQ(test, np_thread_join(reader), 0);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
}

#define NP_UNREAD_ROUNDS	2000
#define NP_UNREAD_ROUNDS_UP	50	/* one CPU: there is not much to meet */

/**
 * struct np_unread - a write at the moment that the reader leaves
 * @rounds: how often
 * @c: the channels, one for each round
 * @turn: the rounds that writer and reader have come to, added up
 * @unread: the reader left bytes behind
 */
struct np_unread {
	int rounds;
	struct np_chan *c[NP_UNREAD_ROUNDS];
	atomic_t turn;
	bool unread[NP_UNREAD_ROUNDS];
};

/* Both threads come here before each round, and leave at the same time. */
static int np_unread_meet(struct np_unread *u, int round)
{
	unsigned long end = jiffies + NP_TEST_TIMEOUT;

	atomic_inc(&u->turn);
	while (atomic_read(&u->turn) < 2 * (round + 1)) {
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		/* The other one may need this CPU. */
		schedule();
	}
	return 0;
}

static int np_unread_reader(void *arg)
{
	struct np_unread *u = arg;
	int i, err = 0;

	for (i = 0; i < u->rounds && !err; i++) {
		err = np_unread_meet(u, i);
		u->unread[i] = np_chan_reader_leave(u->c[i]);
	}
	return err;
}

/* Bytes that nobody reads are noticed, by the reader or else by the writer. */
static void np_channel_unread_race(struct kunit *test)
{
	struct np_thread *reader;
	struct np_unread *u;
	int i, err = 0, unnoticed = 0;
	bool *gone;
	u8 byte = 1;

	u = kunit_kzalloc(test, sizeof(*u), GFP_KERNEL);
	gone = kunit_kcalloc(test, NP_UNREAD_ROUNDS, sizeof(*gone), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, u);
	KUNIT_ASSERT_NOT_NULL(test, gone);
	u->rounds = num_online_cpus() > 1 ? NP_UNREAD_ROUNDS : NP_UNREAD_ROUNDS_UP;
	for (i = 0; i < u->rounds; i++) {
		u->c[i] = np_tchan_new(test, 0);
		/* So that the write to come is a short one. */
		np_test_write(u->c[i], &byte, 1, 10);
		np_chan_drop(&u->c[i], 1);
	}
	reader = np_thread_start(test, np_unread_reader, u, "np-reader");
	for (i = 0; i < u->rounds && !err; i++) {
		err = np_unread_meet(u, i);
		np_test_write(u->c[i], &byte, 1, 10);
		smp_mb();	/* pairs with the one in np_chan_reader_leave() */
		gone[i] = READ_ONCE(u->c[i]->gone);
	}
	KUNIT_EXPECT_EQ(test, err, 0);
	KUNIT_EXPECT_EQ(test, np_thread_join(reader), 0);
	for (i = 0; i < u->rounds; i++) {
		unnoticed += !gone[i] && !u->unread[i];
		np_chan_writer_leave(u->c[i]);
	}
	KUNIT_EXPECT_EQ(test, unnoticed, 0);
}

static struct kunit_case np_channel_race_cases[] = {
	KUNIT_CASE_PARAM(np_channel_flow, np_flow_gen_params),
	KUNIT_CASE(np_channel_give_back),
	KUNIT_CASE(np_channel_leave_race),
	KUNIT_CASE(np_channel_unread_race),
	{}
};

static struct kunit_suite np_channel_race_suite = {
	.name = "newproto_channel_race",
	.init = np_tenv_init,
	.exit = np_tenv_exit,
	.test_cases = np_channel_race_cases,
};

kunit_test_suite(np_channel_race_suite);
