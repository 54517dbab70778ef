// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the port table: threads that bind, connect, listen and look up at
 * the same time.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>

#include "lib.h"

#define NP_RACE_PORT	5000
#define NP_RACE_PORTS	4
#define NP_RACE_THREADS	3
#define NP_RACE_ROUNDS	3000

/**
 * struct np_contest - threads that want the same ports
 * @ports: the table
 * @holders: of each port, who hold it alone
 * @left: threads that still work
 */
struct np_contest {
	struct np_ports *ports;
	atomic_t holders[NP_RACE_PORTS];
	atomic_t left;
};

/* Bind to ports alone, and listen there for a moment. */
static int np_contest_binder(void *arg)
{
	struct np_claim c = { .local = np_form_ip(NP_FORM_V4_A) };
	struct np_contest *n = arg;
	struct np_listener *l;
	struct rnd_state rnd;
	int i, k, err = 0;

	/* Looked at until a grace period after; freed at the end. */
	l = kcalloc(NP_RACE_ROUNDS, sizeof(*l), GFP_KERNEL);
	prandom_seed_state(&rnd, (uintptr_t)&c);
	for (i = 0; i < NP_RACE_ROUNDS && l && !err; i++) {
		cond_resched();
		k = np_test_random(&rnd, 0, NP_RACE_PORTS - 1);
		if (np_claim_bind(n->ports, &c, NP_RACE_PORT + k))
			continue;
		if (atomic_inc_return(&n->holders[k]) != 1)
			err = -EEXIST;
		if (i % 2) {
			if (np_tclaim_listen(&c, &l[i]))
				err = -EIO;
			else
				np_tclaim_unlisten(&c, &l[i]);
		}
		atomic_dec(&n->holders[k]);
		np_claim_drop(n->ports, &c);
	}
	atomic_dec(&n->left);
	synchronize_rcu();
	kfree(l);
	return l ? err : -ENOMEM;
}

/* Whoever is found listens at the address and is not freed. */
static int np_contest_looker(void *arg)
{
	struct np_addr dst = np_form_addr(NP_FORM_V4_A, 0);
	struct np_contest *n = arg;
	struct np_listener *l;
	int err = 0, i = 0;

	while (!err && atomic_read(&n->left)) {
		dst.port = htons(NP_RACE_PORT + i++ % NP_RACE_PORTS);
		rcu_read_lock();
		l = np_port_lookup(n->ports, &dst, 1);
		if (l && !ipv6_addr_equal(&l->local, &dst.ip))
			err = -EINVAL;
		rcu_read_unlock();
		cond_resched();
	}
	return err;
}

static void np_port_contest(struct kunit *test)
{
	struct np_thread *binder[NP_RACE_THREADS], *looker;
	struct np_contest *n;
	int i;

	n = kunit_kzalloc(test, sizeof(*n), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, n);
	n->ports = test->priv;
	atomic_set(&n->left, NP_RACE_THREADS);
	for (i = 0; i < NP_RACE_THREADS; i++)
		binder[i] = np_thread_start(test, np_contest_binder, n, "np-binder");
	looker = np_thread_start(test, np_contest_looker, n, "np-looker");
	for (i = 0; i < NP_RACE_THREADS; i++)
		KUNIT_EXPECT_EQ(test, np_thread_join(binder[i]), 0);
	KUNIT_EXPECT_EQ(test, np_thread_join(looker), 0);
}

#define NP_SHARE_CONNS	150

/**
 * struct np_chooser - threads that choose ports from one range
 * @ports: the table
 * @range: the range
 * @claims: of the thread
 * @used: numbers that are held, over all threads
 * @bind: bind rather than connect
 */
struct np_chooser {
	struct np_ports *ports;
	const struct np_range *range;
	struct np_claim *claims;
	unsigned long *used;
	bool bind;
};

/* Take ports until there are enough, three times over. */
static int np_share_worker(void *arg)
{
	struct np_chooser *s = arg;
	struct np_claim *c;
	int turn, i, err;

	for (turn = 0; turn < 3; turn++) {
		for (i = 0; i < NP_SHARE_CONNS; i++) {
			c = &s->claims[i];
			c->connected = !s->bind;
			if (s->bind)
				err = np_claim_bind_any(s->ports, c, s->range);
			else
				err = np_claim_connect(s->ports, c, s->range);
			if (err)
				return err;
			if (test_and_set_bit(np_claim_number(c), s->used))
				return -EEXIST;
			cond_resched();
		}
		/* Those of the last turn are for the test to look at. */
		for (i = 0; i < NP_SHARE_CONNS && turn < 2; i++) {
			clear_bit(np_claim_number(&s->claims[i]), s->used);
			np_claim_drop(s->ports, &s->claims[i]);
		}
	}
	return 0;
}

static const bool np_share_kinds[] = { false, true };

static void np_share_desc(const bool *bind, char *desc)
{
	strscpy(desc, *bind ? "bind" : "connect", KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_share, np_share_kinds, np_share_desc);

/* All to one end, from one address: no port twice. The range is twice as large
 * as needed, since one that is given up behind a search is not seen by it.
 */
static void np_port_share_range(struct kunit *test)
{
	const int n = NP_RACE_THREADS * NP_SHARE_CONNS;
	struct np_range range = { .lo = 20000, .hi = 20000 + 2 * n - 1 };
	struct np_chooser s[NP_RACE_THREADS] = { };
	struct np_thread *worker[NP_RACE_THREADS];
	struct np_ports *t = test->priv;
	struct np_claim *c;
	unsigned long *used;
	int i;

	c = kunit_kcalloc(test, n, sizeof(*c), GFP_KERNEL);
	used = kunit_kcalloc(test, BITS_TO_LONGS(65536), sizeof(long), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, c);
	KUNIT_ASSERT_NOT_NULL(test, used);
	for (i = 0; i < n; i++) {
		c[i].local = np_form_ip(NP_FORM_V4_A);
		c[i].peer = np_form_ip(NP_FORM_V4_A);
		c[i].peer_port = htons(80);
	}
	for (i = 0; i < NP_RACE_THREADS; i++) {
		s[i].ports = t;
		s[i].range = &range;
		s[i].claims = &c[i * NP_SHARE_CONNS];
		s[i].used = used;
		s[i].bind = *(const bool *)test->param_value;
		worker[i] = np_thread_start(test, np_share_worker, &s[i], "np-worker");
	}
	for (i = 0; i < NP_RACE_THREADS; i++)
		KUNIT_EXPECT_EQ(test, np_thread_join(worker[i]), 0);
	KUNIT_EXPECT_EQ(test, bitmap_weight(used, 65536), n);
	for (i = 0; i < n; i++)
		if (c[i].port)
			np_claim_drop(t, &c[i]);
}

static struct kunit_case np_port_race_cases[] = {
	KUNIT_CASE(np_port_contest),
	KUNIT_CASE_PARAM(np_port_share_range, np_share_gen_params),
	{}
};

static struct kunit_suite np_port_race_suite = {
	.name = "newproto_port_race",
	.init = np_tports_init,
	.exit = np_tports_exit,
	.test_cases = np_port_race_cases,
};

kunit_test_suite(np_port_race_suite);
