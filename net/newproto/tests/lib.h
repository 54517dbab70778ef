/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests share: channels that count their releases, a stream of known
 * bytes, and threads.
 */
#ifndef _NP_TESTS_LIB_H
#define _NP_TESTS_LIB_H

#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/jiffies.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/uio.h>

#include "channel.h"
#include "pool.h"
#include "port.h"
#include "record.h"

/* Data bytes of a chunk that is one slab object. */
#define NP_TEST_SMALL	((u32)(NP_CHUNK_SLAB - offsetof(struct np_chunk, small)))

/* Size of a stream's buffer: what one call can read or write. */
#define NP_TEST_BUF	(8 * NP_CHUNK_LARGE)

/* A capacity that is never reached and lets chunks be of any size. */
#define NP_TEST_CAP	(32 * NP_CHUNK_LARGE)

/* The position that is @n bytes before the wrap. */
#define NP_BEFORE_WRAP(n)	(0U - (u32)(n))

/* A thread that has not finished by then has failed. Far off: a debug kernel
 * on an emulated CPU is slow.
 */
#define NP_TEST_TIMEOUT	(120 * HZ)

/**
 * struct np_tenv - the surroundings of a channel test: its test->priv
 * @pool: the pool, whose worker does not run; passes are the test's
 * @made: channels that were made
 * @released: calls of the release callback
 */
struct np_tenv {
	struct np_pool pool;
	atomic_t made;
	atomic_t released;
};

int np_tenv_init(struct kunit *test);
void np_tenv_exit(struct kunit *test);
struct np_chan *np_tchan_make(struct np_tenv *env, u32 pos);
struct np_chan *np_tchan_new(struct kunit *test, u32 pos);
long np_tenv_bytes(struct kunit *test);
int np_tenv_released(struct kunit *test);

/* The bytes of every stream: the one at a position follows from it. */
void np_pattern_fill(u8 *buf, u64 pos, size_t n);
bool np_pattern_is(const u8 *buf, u64 pos, size_t n);

/* The channel's calls, with kernel memory. */
ssize_t np_test_write(struct np_chan *c, void *buf, size_t len, u32 cap);
ssize_t np_test_read(struct np_chan **rx, void *buf, size_t len);
ssize_t np_test_peek(struct np_chan *c, void *buf, size_t len);

/**
 * struct np_tstream - a stream of known bytes through a channel
 * @test: the test
 * @tx: the channel that is written to
 * @rx: the channel that is read from
 * @cap: the capacity
 * @wpos: bytes written
 * @rpos: bytes read
 * @buf: NP_TEST_BUF bytes
 */
struct np_tstream {
	struct kunit *test;
	struct np_chan *tx;
	struct np_chan *rx;
	u32 cap;
	u64 wpos;
	u64 rpos;
	u8 *buf;
};

void np_tstream_open(struct np_tstream *s, struct kunit *test, u32 pos, u32 cap);
void np_tstream_close(struct np_tstream *s);
ssize_t np_tstream_write(struct np_tstream *s, size_t n);
void np_tstream_put(struct np_tstream *s, size_t n);
void np_tstream_get(struct np_tstream *s, size_t n);
void np_tstream_look(struct np_tstream *s, size_t n);
void np_tstream_drop(struct np_tstream *s, size_t n);

/* The same with records: the stream is that of their bytes, without heads. */
ssize_t np_test_write_record(struct np_chan *c, void *buf, size_t len, u32 cap);
ssize_t np_test_read_record(struct np_chan **rx, void *buf, size_t len,
			    size_t *full, bool peek);
ssize_t np_trecord_write(struct np_tstream *s, size_t n);
void np_trecord_put(struct np_tstream *s, size_t n);
void np_trecord_look(struct np_tstream *s, size_t n);
void np_trecord_get(struct np_tstream *s, size_t n);
void np_trecord_none(struct np_tstream *s);

/* Bytes of user memory before the hole. */
#define NP_TUSER_ROOM	((u32)(PAGE_SIZE << (NP_CHUNK_ORDER + 1)))

/* For kthread_use_mm(): what np_tuser() returns is there. */
extern struct mm_struct *np_tuser_mm;

int np_tuser_init(struct kunit_suite *suite);
void np_tuser_exit(struct kunit_suite *suite);
void __user *np_tuser(size_t good);

/* A number from @lo to @hi, the same ones for every run. */
static inline u32 np_test_random(struct rnd_state *rnd, u32 lo, u32 hi)
{
	return lo + prandom_u32_state(rnd) % (hi - lo + 1);
}

/**
 * struct np_thread - a thread of a test
 * @task: itself
 * @fn: what it does
 * @arg: for @fn
 * @ret: what @fn returned
 * @done: @fn has returned
 */
struct np_thread {
	struct task_struct *task;
	int (*fn)(void *arg);
	void *arg;
	int ret;
	struct completion done;
};

struct np_thread *np_thread_start(struct kunit *test, int (*fn)(void *arg),
				  void *arg, const char *name);
int np_thread_join(struct np_thread *t);

/* Addresses that bound sockets have, in their inner form. */
enum np_form {
	NP_FORM_V4_ANY,		/* 0.0.0.0 */
	NP_FORM_V4_A,		/* 127.0.0.1 */
	NP_FORM_V4_B,		/* 10.0.0.1 */
	NP_FORM_MAPPED_A,	/* ::ffff:127.0.0.1 of an IPv6 socket */
	NP_FORM_V6_ANY,		/* :: that takes IPv4 too */
	NP_FORM_V6_ANY_ONLY,	/* :: with IPV6_V6ONLY */
	NP_FORM_V6_LO,		/* ::1 */
	NP_FORM_V6_A,		/* fd00::1 */
	NP_FORM_NR
};

extern const enum np_form np_all_forms[NP_FORM_NR];

const char *np_form_name(enum np_form f);
struct in6_addr np_form_ip(enum np_form f);
bool np_form_v6only(enum np_form f);
struct np_addr np_form_addr(enum np_form f, u16 port);

/* A port table as test->priv; must be empty when the test is over. */
int np_tports_init(struct kunit *test);
void np_tports_exit(struct kunit *test);
struct np_claim *np_tclaim_new(struct kunit *test, enum np_form f);
struct np_claim *np_tclaim_connected(struct kunit *test, enum np_form local,
				     enum np_form peer, u16 peer_port);

/* How a socket was set up. */
struct np_who {
	enum np_form form;
	int reuse;
	int reuseport;
	int uid;
	int ifindex;
	bool loner;
};

/* All that a second socket may be: the forms, reuse, reuseport, uid 10 or 11, no
 * device, 1 or 2, and whether it has a group with a program of its own.
 */
#define NP_WHO_NR	(NP_FORM_NR * 2 * 2 * 2 * 3 * 2)

struct np_who np_who_nth(int i);
void np_who_fill(struct np_claim *c, const struct np_who *w);
struct np_claim *np_twho_claim(struct kunit *test, const struct np_who *w);

/* inet's rules, not ours: may @sk not be bound where @sk2 is? */
bool np_inet_conflict(const struct np_who *sk, const struct np_who *sk2, bool listen2);

/* For claims that a failed test may have left without a port, or listener. */
static inline void np_tclaim_drop(struct np_ports *t, struct np_claim *c)
{
	if (c->port)
		np_claim_drop(t, c);
}

static inline void np_tclaim_unlisten(struct np_claim *c, struct np_listener *l)
{
	if (!c->listening)
		return;
	np_claim_unlisten(c);
	np_claim_unpublish(c, l);
}

/* Listen, on a listener of one's own. */
static inline int np_tclaim_listen(struct np_claim *c, struct np_listener *l)
{
	int err = np_claim_listen(c);

	if (err)
		return err;
	l->users = 0;
	np_claim_publish(c, l);
	return 0;
}

#endif /* _NP_TESTS_LIB_H */
