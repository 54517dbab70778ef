// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the tests share.
 */
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "lib.h"

/**
 * struct np_tchan - a channel that knows where to count its release
 * @c: the channel
 * @env: counts it
 */
struct np_tchan {
	struct np_chan c;
	struct np_tenv *env;
};

/* No power of two, nor near one, so that a chunk in the wrong place shows. */
#define NP_PATTERN	8191

static u8 np_pattern[NP_PATTERN];

static void np_pattern_make(void)
{
	struct rnd_state rnd;

	prandom_seed_state(&rnd, 0x6e70);
	prandom_bytes_state(&rnd, np_pattern, sizeof(np_pattern));
}

/**
 * np_pattern_fill - make a piece of a stream
 * @buf: where to put it
 * @pos: the position in the stream
 * @n: the number of bytes
 */
void np_pattern_fill(u8 *buf, u64 pos, size_t n)
{
	u32 off = (u32)(pos % NP_PATTERN);
	size_t part;

	for (; n; n -= part, buf += part, off = 0) {
		part = min_t(size_t, n, NP_PATTERN - off);
		memcpy(buf, np_pattern + off, part);
	}
}

/**
 * np_pattern_is - check a piece of a stream
 * @buf: where it is
 * @pos: the position in the stream
 * @n: the number of bytes
 */
bool np_pattern_is(const u8 *buf, u64 pos, size_t n)
{
	u32 off = (u32)(pos % NP_PATTERN);
	size_t part;

	for (; n; n -= part, buf += part, off = 0) {
		part = min_t(size_t, n, NP_PATTERN - off);
		if (memcmp(buf, np_pattern + off, part))
			return false;
	}
	return true;
}

/**
 * np_tenv_init - the init callback of suites with channels
 * @test: the test
 */
int np_tenv_init(struct kunit *test)
{
	struct np_tenv *env = kunit_kzalloc(test, sizeof(*env), GFP_KERNEL);

	if (!env)
		return -ENOMEM;
	np_pattern_make();
	np_pool_init(&env->pool);
	/* As long as the work is pending elsewhere the pool does not queue it. */
	queue_delayed_work(system_wq, &env->pool.work, 24 * 3600 * HZ);
	test->priv = env;
	return 0;
}

/**
 * np_tenv_exit - the exit callback of suites with channels
 * @test: the test
 *
 * Whatever a test did, in the end every channel was released once and all
 * memory is back.
 */
void np_tenv_exit(struct kunit *test)
{
	struct np_tenv *env = test->priv;

	if (!env)
		return;
	KUNIT_EXPECT_EQ(test, atomic_read(&env->released), atomic_read(&env->made));
	KUNIT_EXPECT_EQ(test, atomic_long_read(&env->pool.bytes), 0L);
	/* It warns of channels that are left; who panics on warnings would see
	 * no more results.
	 */
	if (atomic_read(&env->released) == atomic_read(&env->made))
		np_pool_exit(&env->pool);
	else
		cancel_delayed_work_sync(&env->pool.work);
}

static void np_tchan_release(struct np_chan *c)
{
	struct np_tchan *t = container_of(c, struct np_tchan, c);

	atomic_inc(&t->env->released);
	kfree(t);
}

/**
 * np_tchan_make - make a channel
 * @env: the surroundings
 * @pos: the position that its stream begins at
 *
 * Context: also a thread of a test, which must not use assertions.
 *
 * Return: the channel or NULL.
 */
struct np_chan *np_tchan_make(struct np_tenv *env, u32 pos)
{
	struct np_tchan *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return NULL;
	t->env = env;
	np_chan_init(&t->c, &env->pool, np_tchan_release);
	t->c.head = pos;
	t->c.tail = pos;
	atomic_inc(&env->made);
	return &t->c;
}

/**
 * np_tchan_new - make a channel, or end the test
 * @test: the test
 * @pos: the position that its stream begins at
 */
struct np_chan *np_tchan_new(struct kunit *test, u32 pos)
{
	struct np_chan *c = np_tchan_make(test->priv, pos);

	KUNIT_ASSERT_NOT_NULL(test, c);
	return c;
}

/**
 * np_tenv_bytes - buffer memory of all channels
 * @test: the test
 */
long np_tenv_bytes(struct kunit *test)
{
	struct np_tenv *env = test->priv;

	return atomic_long_read(&env->pool.bytes);
}

/**
 * np_tenv_released - how many channels have been released
 * @test: the test
 */
int np_tenv_released(struct kunit *test)
{
	struct np_tenv *env = test->priv;

	return atomic_read(&env->released);
}

ssize_t np_test_write(struct np_chan *c, void *buf, size_t len, u32 cap)
{
	struct kvec vec = { .iov_base = buf, .iov_len = len };
	struct iov_iter from;

	iov_iter_kvec(&from, ITER_SOURCE, &vec, 1, len);
	return np_chan_write(c, &from, cap);
}

ssize_t np_test_read(struct np_chan **rx, void *buf, size_t len)
{
	struct kvec vec = { .iov_base = buf, .iov_len = len };
	struct iov_iter to;

	iov_iter_kvec(&to, ITER_DEST, &vec, 1, len);
	return np_chan_read(rx, &to, len);
}

ssize_t np_test_peek(struct np_chan *c, void *buf, size_t len)
{
	struct kvec vec = { .iov_base = buf, .iov_len = len };
	struct iov_iter to;

	iov_iter_kvec(&to, ITER_DEST, &vec, 1, len);
	return np_chan_peek(c, &to, len);
}

/**
 * np_tstream_open - make a channel for a stream of known bytes
 * @s: the stream
 * @test: the test
 * @pos: the position that the channel begins at
 * @cap: the capacity
 */
void np_tstream_open(struct np_tstream *s, struct kunit *test, u32 pos, u32 cap)
{
	s->test = test;
	s->buf = kunit_kzalloc(test, NP_TEST_BUF, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, s->buf);
	s->tx = np_tchan_new(test, pos);
	s->rx = s->tx;
	s->cap = cap;
	s->wpos = 0;
	s->rpos = 0;
}

/**
 * np_tstream_close - writer and reader leave
 * @s: the stream
 */
void np_tstream_close(struct np_tstream *s)
{
	np_chan_reader_leave(s->rx);
	np_chan_writer_leave(s->tx);
	kunit_kfree(s->test, s->buf);
}

/**
 * np_tstream_write - write what is next, or a part of it
 * @s: the stream
 * @n: how many bytes
 *
 * Return: as np_chan_write().
 */
ssize_t np_tstream_write(struct np_tstream *s, size_t n)
{
	ssize_t ret;

	np_pattern_fill(s->buf, s->wpos, n);
	ret = np_test_write(s->tx, s->buf, n, s->cap);
	if (ret > 0)
		s->wpos += ret;
	return ret;
}

/**
 * np_tstream_put - write what is next, all of it
 * @s: the stream
 * @n: how many bytes
 */
void np_tstream_put(struct np_tstream *s, size_t n)
{
	KUNIT_EXPECT_EQ(s->test, np_tstream_write(s, n), (ssize_t)n);
}

/**
 * np_tstream_get - read what is next, all of it
 * @s: the stream
 * @n: how many bytes, which must be there
 */
void np_tstream_get(struct np_tstream *s, size_t n)
{
	ssize_t ret;

	memset(s->buf, 0, n);
	ret = np_test_read(&s->rx, s->buf, n);
	KUNIT_EXPECT_EQ(s->test, ret, (ssize_t)n);
	if (ret <= 0)
		return;
	KUNIT_EXPECT_TRUE_MSG(s->test, np_pattern_is(s->buf, s->rpos, ret),
			      "wrong bytes in %zd from %llu on", ret, s->rpos);
	s->rpos += ret;
}

/**
 * np_tstream_look - peek at what is next, all of it
 * @s: the stream
 * @n: how many bytes, which must be there
 */
void np_tstream_look(struct np_tstream *s, size_t n)
{
	ssize_t ret;

	memset(s->buf, 0, n);
	ret = np_test_peek(s->rx, s->buf, n);
	KUNIT_EXPECT_EQ(s->test, ret, (ssize_t)n);
	if (ret > 0)
		KUNIT_EXPECT_TRUE_MSG(s->test, np_pattern_is(s->buf, s->rpos, ret),
				      "peek: wrong bytes in %zd from %llu on",
				      ret, s->rpos);
}

/**
 * np_tstream_drop - pass over what is next, all of it
 * @s: the stream
 * @n: how many bytes, which must be there
 */
void np_tstream_drop(struct np_tstream *s, size_t n)
{
	size_t ret = np_chan_drop(&s->rx, n);

	KUNIT_EXPECT_EQ(s->test, ret, n);
	s->rpos += ret;
}

ssize_t np_test_write_record(struct np_chan *c, void *buf, size_t len, u32 cap)
{
	struct kvec vec = { .iov_base = buf, .iov_len = len };
	struct iov_iter from;

	iov_iter_kvec(&from, ITER_SOURCE, &vec, 1, len);
	return np_record_write(c, &from, len, cap);
}

ssize_t np_test_read_record(struct np_chan **rx, void *buf, size_t len,
			    size_t *full, bool peek)
{
	struct kvec vec = { .iov_base = buf, .iov_len = len };
	struct iov_iter to;

	iov_iter_kvec(&to, ITER_DEST, &vec, 1, len);
	return np_record_read(rx, &to, len, full, peek);
}

/**
 * np_trecord_write - write what is next as a record
 * @s: the stream
 * @n: how many bytes
 *
 * Return: as np_record_write().
 */
ssize_t np_trecord_write(struct np_tstream *s, size_t n)
{
	ssize_t ret;

	np_pattern_fill(s->buf, s->wpos, n);
	ret = np_test_write_record(s->tx, s->buf, n, s->cap);
	if (ret > 0)
		s->wpos += n;
	return ret;
}

/**
 * np_trecord_put - write what is next as a record, which must fit
 * @s: the stream
 * @n: how many bytes
 */
void np_trecord_put(struct np_tstream *s, size_t n)
{
	KUNIT_EXPECT_EQ(s->test, np_trecord_write(s, n),
			(ssize_t)(NP_RECORD_HEAD + n));
}

static void np_trecord_read(struct np_tstream *s, size_t n, bool peek)
{
	size_t full = n + 1;
	ssize_t ret;

	memset(s->buf, 0, n);
	/* With more room than is needed. */
	ret = np_test_read_record(&s->rx, s->buf, n + 1000, &full, peek);
	KUNIT_EXPECT_EQ(s->test, ret, (ssize_t)n);
	KUNIT_EXPECT_EQ(s->test, full, n);
	KUNIT_EXPECT_TRUE_MSG(s->test, np_pattern_is(s->buf, s->rpos, n),
			      "wrong bytes in a record of %zu from %llu on", n,
			      s->rpos);
}

/**
 * np_trecord_look - peek at the record that is next
 * @s: the stream
 * @n: how many bytes it must have
 */
void np_trecord_look(struct np_tstream *s, size_t n)
{
	np_trecord_read(s, n, true);
}

/**
 * np_trecord_get - read the record that is next
 * @s: the stream
 * @n: how many bytes it must have
 */
void np_trecord_get(struct np_tstream *s, size_t n)
{
	np_trecord_read(s, n, false);
	s->rpos += n;
}

/**
 * np_trecord_none - there must be no record
 * @s: the stream
 */
void np_trecord_none(struct np_tstream *s)
{
	size_t full;

	KUNIT_EXPECT_EQ(s->test, np_test_read_record(&s->rx, s->buf, 10, &full, true),
			(ssize_t)-EAGAIN);
	KUNIT_EXPECT_EQ(s->test, np_test_read_record(&s->rx, s->buf, 10, &full, false),
			(ssize_t)-EAGAIN);
	KUNIT_EXPECT_EQ(s->test, np_record_avail(s->rx), (size_t)0);
}

static int np_thread_main(void *arg)
{
	struct np_thread *t = arg;

	t->ret = t->fn(t->arg);
	complete(&t->done);
	return 0;
}

/**
 * np_thread_start - start a thread, or end the test
 * @test: the test
 * @fn: what it does; ends by itself
 * @arg: for @fn
 * @name: the thread's name
 *
 * Return: for np_thread_join().
 */
struct np_thread *np_thread_start(struct kunit *test, int (*fn)(void *arg),
				  void *arg, const char *name)
{
	struct np_thread *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->fn = fn;
	t->arg = arg;
	init_completion(&t->done);
	t->task = kthread_create(np_thread_main, t, "%s", name);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->task));
	/* It may be gone when it is waited for. */
	get_task_struct(t->task);
	wake_up_process(t->task);
	return t;
}

/**
 * np_thread_join - wait for the end of a thread
 * @t: the thread
 *
 * Return: its result.
 */
int np_thread_join(struct np_thread *t)
{
	/* One that is stopped before it runs does nothing. */
	wait_for_completion(&t->done);
	/* And this waits until it has left the module. */
	kthread_stop(t->task);
	put_task_struct(t->task);
	return t->ret;
}

static const struct {
	const char *name;
	struct in6_addr ip;
	bool v6only;
} np_forms[NP_FORM_NR] = {
	[NP_FORM_V4_ANY] = { "0.0.0.0", { .s6_addr = { [10] = 255, 255 } } },
	[NP_FORM_V4_A] = { "127.0.0.1", { .s6_addr = { [10] = 255, 255, 127, 0, 0, 1 } } },
	[NP_FORM_V4_B] = { "10.0.0.1", { .s6_addr = { [10] = 255, 255, 10, 0, 0, 1 } } },
	[NP_FORM_MAPPED_A] = { "::ffff:127.0.0.1",
			       { .s6_addr = { [10] = 255, 255, 127, 0, 0, 1 } } },
	[NP_FORM_V6_ANY] = { "::", { .s6_addr = { 0 } } },
	[NP_FORM_V6_ANY_ONLY] = { "::(v6only)", { .s6_addr = { 0 } }, true },
	[NP_FORM_V6_LO] = { "::1", { .s6_addr = { [15] = 1 } } },
	[NP_FORM_V6_A] = { "fd00::1", { .s6_addr = { 0xfd, [15] = 1 } } },
};

/* For tests of each form. */
const enum np_form np_all_forms[NP_FORM_NR] = {
	NP_FORM_V4_ANY, NP_FORM_V4_A, NP_FORM_V4_B, NP_FORM_MAPPED_A,
	NP_FORM_V6_ANY, NP_FORM_V6_ANY_ONLY, NP_FORM_V6_LO, NP_FORM_V6_A,
};

const char *np_form_name(enum np_form f)
{
	return np_forms[f].name;
}

struct in6_addr np_form_ip(enum np_form f)
{
	return np_forms[f].ip;
}

bool np_form_v6only(enum np_form f)
{
	return np_forms[f].v6only;
}

struct np_addr np_form_addr(enum np_form f, u16 port)
{
	struct np_addr a = { .ip = np_forms[f].ip, .port = htons(port) };

	return a;
}

/**
 * np_tports_init - the init callback of suites about ports
 * @test: the test
 */
int np_tports_init(struct kunit *test)
{
	struct np_ports *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	int err;

	if (!t)
		return -ENOMEM;
	err = np_ports_init(t);
	if (!err)
		test->priv = t;
	return err;
}

/**
 * np_tports_exit - the exit callback of suites about ports
 * @test: the test
 */
void np_tports_exit(struct kunit *test)
{
	struct np_ports *t = test->priv;

	if (!t)
		return;
	KUNIT_EXPECT_EQ(test, atomic_read(&t->table.nelems), 0);
	/* As np_tenv_exit(). */
	if (!atomic_read(&t->table.nelems))
		np_ports_exit(t);
	else
		rhashtable_destroy(&t->table);
}

/**
 * np_tclaim_new - a claim that is on no port
 * @test: the test
 * @f: its address
 */
struct np_claim *np_tclaim_new(struct kunit *test, enum np_form f)
{
	struct np_claim *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, c);
	c->local = np_form_ip(f);
	c->v6only = np_form_v6only(f);
	c->v6 = f >= NP_FORM_MAPPED_A;
	return c;
}

/**
 * np_tclaim_connected - a claim of a connection that is on no port
 * @test: the test
 * @local: its address
 * @peer: the other end's
 * @peer_port: the other end's port
 */
struct np_claim *np_tclaim_connected(struct kunit *test, enum np_form local,
				     enum np_form peer, u16 peer_port)
{
	struct np_claim *c = np_tclaim_new(test, local);

	c->peer = np_form_ip(peer);
	c->peer_port = htons(peer_port);
	c->connected = true;
	return c;
}

/**
 * np_who_nth - one of all the ways to set a socket up
 * @i: which one, below NP_WHO_NR
 */
struct np_who np_who_nth(int i)
{
	struct np_who w = {
		.form = i % NP_FORM_NR,
		.reuse = i / NP_FORM_NR % 2,
		.reuseport = i / NP_FORM_NR / 2 % 2,
		.uid = 10 + i / NP_FORM_NR / 4 % 2,
		.ifindex = i / NP_FORM_NR / 8 % 3,
		.loner = i / NP_FORM_NR / 24,
	};

	return w;
}

/**
 * np_who_fill - a claim that is on no port, anew
 * @c: the claim
 * @w: how its socket was set up
 */
void np_who_fill(struct np_claim *c, const struct np_who *w)
{
	memset(c, 0, sizeof(*c));
	c->local = np_form_ip(w->form);
	c->v6only = np_form_v6only(w->form);
	c->v6 = w->form >= NP_FORM_MAPPED_A;
	c->reuse = w->reuse;
	c->reuseport = w->reuseport;
	c->uid = KUIDT_INIT(w->uid);
	c->ifindex = w->ifindex;
	c->loner = w->loner;
}

/**
 * np_twho_claim - a claim that is on no port
 * @test: the test
 * @w: how its socket was set up
 */
struct np_claim *np_twho_claim(struct kunit *test, const struct np_who *w)
{
	struct np_claim *c = np_tclaim_new(test, w->form);

	np_who_fill(c, w);
	return c;
}

/* As ipv6_rcv_saddr_equal(). */
static bool np_inet_same_address(enum np_form a, enum np_form b)
{
	struct in6_addr x = np_form_ip(a), y = np_form_ip(b);
	bool x4 = ipv6_addr_v4mapped(&x), y4 = ipv6_addr_v4mapped(&y);

	if (x4 && y4)
		return x.s6_addr32[3] == y.s6_addr32[3] ||
		       !x.s6_addr32[3] || !y.s6_addr32[3];
	if (ipv6_addr_any(&x) && ipv6_addr_any(&y))
		return true;
	if (ipv6_addr_any(&y) && !(np_form_v6only(b) && x4))
		return true;
	if (ipv6_addr_any(&x) && !(np_form_v6only(a) && y4))
		return true;
	return ipv6_addr_equal(&x, &y);
}

/**
 * np_inet_conflict - inet's rules once more, as inet_bind_conflict() has them
 * @sk: who wants to be bound, or to listen
 * @sk2: who is bound
 * @listen2: does @sk2 listen?
 */
bool np_inet_conflict(const struct np_who *sk, const struct np_who *sk2, bool listen2)
{
	if (sk->ifindex && sk2->ifindex && sk->ifindex != sk2->ifindex)
		return false;
	if (sk->reuse && sk2->reuse && !listen2)
		return false;
	if (sk->reuseport && sk2->reuseport && !sk->loner && sk->uid == sk2->uid)
		return false;
	return np_inet_same_address(sk->form, sk2->form);
}

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of AF_NEWPROTO");
