// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the port table: ports that are chosen for a program, and pairs of
 * ends that are unique.
 */
#include <linux/bitmap.h>

#include "lib.h"

static struct np_range np_range(u16 lo, u16 hi)
{
	struct np_range r = { .lo = lo, .hi = hi };

	return r;
}

static const struct np_range_row {
	u16 lo;
	u16 hi;
	u32 cursor;
} np_range_rows[] = {
	{ 40000, 40000, 0 }, { 40000, 40001, 1 }, { 40000, 40002, 0xfffffffe },
	{ 1024, 1123, 0xffffffff }, { 65530, 65535, 0xfffffffc },
	{ 1, 7, 5 }, { 60000, 60299, 0x80000000 }, { 32768, 32797, 0xffffffe7 },
};

static void np_range_desc(const struct np_range_row *r, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u to %u, cursor 0x%x", r->lo, r->hi,
		 r->cursor);
}

KUNIT_ARRAY_PARAM(np_range, np_range_rows, np_range_desc);

/* Each port of a range once, then none; and whichever is given up is found,
 * wherever the search begins.
 */
static void np_port_any_in_range(struct kunit *test)
{
	const struct np_range_row *r = test->param_value;
	struct np_range range = np_range(r->lo, r->hi);
	int n = r->hi - r->lo + 1, i, number;
	struct np_ports *t = test->priv;
	struct np_claim *c, *extra;
	unsigned long *seen;

	c = kunit_kcalloc(test, n, sizeof(*c), GFP_KERNEL);
	seen = kunit_kcalloc(test, BITS_TO_LONGS(65536), sizeof(long), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, c);
	KUNIT_ASSERT_NOT_NULL(test, seen);
	extra = np_tclaim_new(test, NP_FORM_V4_A);
	t->cursor = r->cursor;
	for (i = 0; i < n; i++) {
		c[i].local = np_form_ip(NP_FORM_V4_ANY);
		KUNIT_ASSERT_EQ(test, np_claim_bind_any(t, &c[i], &range), 0);
		number = np_claim_number(&c[i]);
		KUNIT_EXPECT_GE(test, number, (int)r->lo);
		KUNIT_EXPECT_LE(test, number, (int)r->hi);
		KUNIT_EXPECT_FALSE(test, test_and_set_bit(number, seen));
		KUNIT_EXPECT_TRUE(test, c[i].fixed);
	}
	KUNIT_EXPECT_EQ(test, np_claim_bind_any(t, extra, &range), -EADDRINUSE);
	KUNIT_EXPECT_NULL(test, extra->port);
	for (i = 0; i < n; i++) {
		number = np_claim_number(&c[i]);
		np_tclaim_drop(t, &c[i]);
		t->cursor = r->cursor - i;
		KUNIT_EXPECT_EQ(test, np_claim_bind_any(t, &c[i], &range), 0);
		KUNIT_EXPECT_EQ(test, (int)np_claim_number(&c[i]), number);
	}
	for (i = 0; i < n; i++)
		np_tclaim_drop(t, &c[i]);
}

static void np_port_reserved(struct kunit *test)
{
	struct np_range range = np_range(50000, 50019);
	struct np_ports *t = test->priv;
	struct np_claim *c[11];
	unsigned long *reserved;
	int i;

	reserved = kunit_kcalloc(test, BITS_TO_LONGS(65536), sizeof(long), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, reserved);
	for (i = 50000; i < 50020; i += 2)
		__set_bit(i, reserved);
	range.reserved = reserved;
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		c[i] = np_tclaim_new(test, NP_FORM_V4_A);
		KUNIT_EXPECT_EQ(test, np_claim_bind_any(t, c[i], &range),
				i < 10 ? 0 : -EADDRINUSE);
		if (c[i]->port)
			KUNIT_EXPECT_EQ(test, np_claim_number(c[i]) % 2, 1);
	}
	/* By its number a reserved port can be had. */
	KUNIT_EXPECT_EQ(test, np_claim_bind(t, c[10], 50000), 0);
	for (i = 0; i < ARRAY_SIZE(c); i++)
		np_tclaim_drop(t, c[i]);

	bitmap_set(reserved, 50000, 20);
	KUNIT_EXPECT_EQ(test, np_claim_bind_any(t, c[0], &range), -EADDRINUSE);
	c[0]->connected = true;
	KUNIT_EXPECT_EQ(test, np_claim_connect(t, c[0], &range), -EADDRNOTAVAIL);
}

/* A chosen port is never a shared one, whatever was set: a program that asks
 * for any port means one of its own.
 */
static void np_port_any_is_own(struct kunit *test)
{
	struct np_range one = np_range(45000, 45000);
	struct np_ports *t = test->priv;
	struct np_claim *a, *b;
	struct np_listener l;
	int i;

	for (i = 0; i < 8; i++) {
		a = np_tclaim_new(test, NP_FORM_V4_A);
		b = np_tclaim_new(test, i & 4 ? NP_FORM_V4_ANY : NP_FORM_V4_A);
		a->reuse = i & 1;
		b->reuse = i & 1;
		a->reuseport = i >> 1 & 1;
		b->reuseport = i >> 1 & 1;
		KUNIT_ASSERT_EQ(test, np_claim_bind_any(t, a, &one), 0);
		KUNIT_EXPECT_EQ_MSG(test, np_claim_bind_any(t, b, &one), -EADDRINUSE,
				    "reuse %d, reuseport %d", a->reuse, a->reuseport);
		np_tclaim_drop(t, b);
		KUNIT_EXPECT_EQ(test, np_tclaim_listen(a, &l), 0);
		KUNIT_EXPECT_EQ(test, np_claim_bind_any(t, b, &one), -EADDRINUSE);
		np_tclaim_drop(t, b);
		np_tclaim_unlisten(a, &l);
		np_tclaim_drop(t, a);
		synchronize_rcu();
	}
}

/* Where nothing is in common the same number will do. */
static void np_port_any_other_address(struct kunit *test)
{
	static const struct {
		enum np_form a;
		int a_if;
		enum np_form b;
		int b_if;
		int err;
	} rows[] = {
		{ NP_FORM_V4_A, 0, NP_FORM_V4_B, 0, 0 },
		{ NP_FORM_V4_ANY, 0, NP_FORM_V6_ANY_ONLY, 0, 0 },
		{ NP_FORM_V4_ANY, 0, NP_FORM_V6_LO, 0, 0 },
		{ NP_FORM_V6_A, 0, NP_FORM_V6_LO, 0, 0 },
		{ NP_FORM_V4_A, 1, NP_FORM_V4_A, 2, 0 },
		{ NP_FORM_V4_A, 1, NP_FORM_V4_A, 1, -EADDRINUSE },
		{ NP_FORM_V4_A, 1, NP_FORM_V4_A, 0, -EADDRINUSE },
		{ NP_FORM_V6_ANY, 0, NP_FORM_V4_A, 0, -EADDRINUSE },
		{ NP_FORM_V4_A, 0, NP_FORM_V6_ANY, 0, -EADDRINUSE },
		{ NP_FORM_V6_ANY, 0, NP_FORM_V6_ANY_ONLY, 0, -EADDRINUSE },
	};
	struct np_range one = np_range(45000, 45000);
	struct np_ports *t = test->priv;
	struct np_claim *a, *b;
	int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		a = np_tclaim_new(test, rows[i].a);
		b = np_tclaim_new(test, rows[i].b);
		a->ifindex = rows[i].a_if;
		b->ifindex = rows[i].b_if;
		KUNIT_EXPECT_EQ(test, np_claim_bind_any(t, a, &one), 0);
		KUNIT_EXPECT_EQ_MSG(test, np_claim_bind_any(t, b, &one), rows[i].err,
				    "row %d", i);
		np_tclaim_drop(t, b);
		np_tclaim_drop(t, a);
	}
}

/* One port carries as many connections as there are other ends. */
static void np_port_connect_unique(struct kunit *test)
{
	struct np_range one = np_range(45000, 45000);
	static const struct {
		enum np_form local;
		enum np_form peer;
		u16 port;
		int err;
	} rows[] = {
		{ NP_FORM_V4_A, NP_FORM_V4_A, 80, 0 },
		{ NP_FORM_V4_A, NP_FORM_V4_A, 80, -EADDRNOTAVAIL },
		{ NP_FORM_MAPPED_A, NP_FORM_V4_A, 80, -EADDRNOTAVAIL },
		{ NP_FORM_V4_A, NP_FORM_V4_A, 81, 0 },
		{ NP_FORM_V4_A, NP_FORM_V4_A, 81, -EADDRNOTAVAIL },
		{ NP_FORM_V4_A, NP_FORM_V4_B, 80, 0 },
		{ NP_FORM_V4_B, NP_FORM_V4_A, 80, 0 },
		{ NP_FORM_V4_B, NP_FORM_V4_B, 80, 0 },
		{ NP_FORM_V4_B, NP_FORM_V4_B, 80, -EADDRNOTAVAIL },
		{ NP_FORM_V6_LO, NP_FORM_V6_LO, 80, 0 },
		{ NP_FORM_V6_LO, NP_FORM_V6_LO, 80, -EADDRNOTAVAIL },
		{ NP_FORM_V6_LO, NP_FORM_V6_A, 80, 0 },
	};
	struct np_claim *c[ARRAY_SIZE(rows)];
	struct np_ports *t = test->priv;
	int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		c[i] = np_tclaim_connected(test, rows[i].local, rows[i].peer,
					   rows[i].port);
		KUNIT_EXPECT_EQ_MSG(test, np_claim_connect(t, c[i], &one), rows[i].err,
				    "row %d", i);
		KUNIT_EXPECT_FALSE(test, c[i]->fixed);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&t->table.nelems), 1);
	/* When the first is gone, the second can have its place. */
	np_tclaim_drop(t, c[0]);
	c[0]->connected = true;
	KUNIT_EXPECT_EQ(test, np_claim_connect(t, c[1], &one), 0);
	KUNIT_EXPECT_EQ(test, np_claim_connect(t, c[0], &one), -EADDRNOTAVAIL);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		np_tclaim_drop(t, c[i]);
}

/* The same two ends over two devices are two connections. */
static void np_port_connect_devices(struct kunit *test)
{
	static const struct {
		int a_if;
		int b_if;
		int err;
	} rows[] = {
		{ 1, 2, 0 }, { 1, 1, -EADDRNOTAVAIL }, { 0, 1, -EADDRNOTAVAIL },
		{ 1, 0, -EADDRNOTAVAIL }, { 0, 0, -EADDRNOTAVAIL },
	};
	struct np_range one = np_range(45000, 45000);
	struct np_ports *t = test->priv;
	struct np_claim *a, *b;
	int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		a = np_tclaim_connected(test, NP_FORM_V6_A, NP_FORM_V6_A, 80);
		b = np_tclaim_connected(test, NP_FORM_V6_A, NP_FORM_V6_A, 80);
		a->ifindex = rows[i].a_if;
		b->ifindex = rows[i].b_if;
		KUNIT_EXPECT_EQ(test, np_claim_connect(t, a, &one), 0);
		KUNIT_EXPECT_EQ_MSG(test, np_claim_connect(t, b, &one), rows[i].err,
				    "row %d", i);
		np_tclaim_drop(t, b);
		np_tclaim_drop(t, a);
	}
}

/* Many connections to one end take different ports, and then there is none. */
static void np_port_connect_exhausted(struct kunit *test)
{
	struct np_range range = np_range(45000, 45039);
	struct np_ports *t = test->priv;
	struct np_claim *c[41];
	int i;

	t->cursor = 0xffffffc0;
	for (i = 0; i < ARRAY_SIZE(c); i++) {
		c[i] = np_tclaim_connected(test, NP_FORM_V4_A, NP_FORM_V4_A, 80);
		KUNIT_EXPECT_EQ(test, np_claim_connect(t, c[i], &range),
				i < 40 ? 0 : -EADDRNOTAVAIL);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&t->table.nelems), 40);
	/* To another end all of them are there. */
	c[40]->peer_port = htons(81);
	KUNIT_EXPECT_EQ(test, np_claim_connect(t, c[40], &range), 0);
	for (i = 0; i < ARRAY_SIZE(c); i++)
		np_tclaim_drop(t, c[i]);
}

/* A port that somebody bound to is not chosen for connections, even if the
 * pair of ends were unique; and one that connections were given is not chosen
 * for a bind of the same address.
 */
static void np_port_connect_and_bind(struct kunit *test)
{
	struct np_claim *bound = np_tclaim_new(test, NP_FORM_V4_B);
	struct np_claim *conn = np_tclaim_connected(test, NP_FORM_V4_A,
						    NP_FORM_V4_A, 80);
	struct np_claim *second = np_tclaim_connected(test, NP_FORM_V4_A,
						      NP_FORM_V4_A, 81);
	struct np_claim *any = np_tclaim_new(test, NP_FORM_V4_A);
	struct np_range range = np_range(45000, 45001);
	struct np_ports *t = test->priv;

	KUNIT_EXPECT_EQ(test, np_claim_bind(t, bound, 45000), 0);
	t->cursor = 0;
	KUNIT_EXPECT_EQ(test, np_claim_connect(t, conn, &range), 0);
	KUNIT_EXPECT_EQ(test, np_claim_number(conn), 45001);
	range.hi = 45000;
	np_tclaim_drop(t, conn);
	conn->connected = true;
	KUNIT_EXPECT_EQ(test, np_claim_connect(t, conn, &range), -EADDRNOTAVAIL);
	np_tclaim_drop(t, conn);
	conn->connected = true;
	np_tclaim_drop(t, bound);
	KUNIT_EXPECT_EQ(test, np_claim_connect(t, conn, &range), 0);
	KUNIT_EXPECT_EQ(test, np_claim_bind_any(t, any, &range), -EADDRINUSE);
	KUNIT_EXPECT_EQ(test, np_claim_bind(t, any, 45000), -EADDRINUSE);
	any->local = np_form_ip(NP_FORM_V4_B);
	KUNIT_EXPECT_EQ(test, np_claim_bind_any(t, any, &range), 0);
	/* A bind that comes and goes while others are on the port. */
	KUNIT_EXPECT_EQ(test, np_claim_connect(t, second, &range), -EADDRNOTAVAIL);
	np_tclaim_drop(t, any);
	KUNIT_EXPECT_EQ(test, np_claim_connect(t, second, &range), 0);
	np_tclaim_drop(t, second);
	np_tclaim_drop(t, any);
	np_tclaim_drop(t, conn);
}

/* Bound sockets that share a port connect. */
static void np_port_set_peer(struct kunit *test)
{
	struct np_addr local = np_form_addr(NP_FORM_V4_A, 45000);
	struct np_addr peer = np_form_addr(NP_FORM_V4_B, 80);
	struct in6_addr any = np_form_ip(NP_FORM_V4_ANY);
	struct np_ports *t = test->priv;
	struct np_claim *c[3];
	int i;

	for (i = 0; i < ARRAY_SIZE(c); i++) {
		c[i] = np_tclaim_new(test, NP_FORM_V4_ANY);
		c[i]->reuse = true;
		KUNIT_ASSERT_EQ(test, np_claim_bind(t, c[i], 45000), 0);
	}
	KUNIT_EXPECT_EQ(test, np_claim_set_peer(c[0], &local, &peer), 0);
	KUNIT_EXPECT_TRUE(test, c[0]->connected);
	KUNIT_EXPECT_TRUE(test, ipv6_addr_equal(&c[0]->local, &local.ip));
	KUNIT_EXPECT_TRUE(test, ipv6_addr_equal(&c[0]->peer, &peer.ip));
	KUNIT_EXPECT_EQ(test, ntohs(c[0]->peer_port), 80);

	KUNIT_EXPECT_EQ(test, np_claim_set_peer(c[1], &local, &peer), -EADDRNOTAVAIL);
	KUNIT_EXPECT_FALSE(test, c[1]->connected);
	KUNIT_EXPECT_TRUE(test, ipv6_addr_equal(&c[1]->local, &any));
	peer.port = htons(81);
	KUNIT_EXPECT_EQ(test, np_claim_set_peer(c[1], &local, &peer), 0);
	peer.port = htons(80);
	local.ip = np_form_ip(NP_FORM_V4_B);
	KUNIT_EXPECT_EQ(test, np_claim_set_peer(c[2], &local, &peer), 0);

	/* A connection that is over leaves its ends to another, and the claim
	 * its port.
	 */
	np_claim_clear_peer(c[0], &any);
	KUNIT_EXPECT_EQ(test, np_claim_number(c[0]), 45000);
	KUNIT_EXPECT_TRUE(test, ipv6_addr_equal(&c[0]->local, &any));
	np_claim_clear_peer(c[2], &any);
	local.ip = np_form_ip(NP_FORM_V4_A);
	KUNIT_EXPECT_EQ(test, np_claim_set_peer(c[2], &local, &peer), 0);
	KUNIT_EXPECT_EQ(test, np_claim_set_peer(c[0], &local, &peer), -EADDRNOTAVAIL);
	/* One that was bound to its address keeps that, but not its peer. */
	np_claim_clear_peer(c[2], &local.ip);
	KUNIT_EXPECT_FALSE(test, c[2]->connected);
	KUNIT_EXPECT_EQ(test, np_claim_set_peer(c[0], &local, &peer), 0);
	for (i = 0; i < ARRAY_SIZE(c); i++)
		np_tclaim_drop(t, c[i]);
}

/* Connections that were accepted: they hold the port without their listener,
 * and keep it from what a bound one would keep it from.
 */
static void np_port_join(struct kunit *test)
{
	struct np_range one = np_range(45000, 45000);
	struct np_claim *listener = np_tclaim_new(test, NP_FORM_V4_ANY);
	struct np_claim *again = np_tclaim_new(test, NP_FORM_V4_ANY);
	struct np_claim *conn = np_tclaim_connected(test, NP_FORM_V4_A,
						    NP_FORM_V4_A, 80);
	struct np_ports *t = test->priv;
	struct np_claim *child[5];
	int i;

	KUNIT_ASSERT_EQ(test, np_claim_bind(t, listener, 45000), 0);
	for (i = 0; i < ARRAY_SIZE(child); i++) {
		child[i] = np_tclaim_connected(test, NP_FORM_V4_A, NP_FORM_V4_A,
					       1000 + i);
		child[i]->reuse = true;
		np_claim_join(child[i], listener);
		KUNIT_EXPECT_EQ(test, np_claim_number(child[i]), 45000);
	}
	np_tclaim_drop(t, listener);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->table.nelems), 1);
	/* A server that starts anew must say SO_REUSEADDR. */
	KUNIT_EXPECT_EQ(test, np_claim_bind(t, again, 45000), -EADDRINUSE);
	again->reuse = true;
	KUNIT_EXPECT_EQ(test, np_claim_bind(t, again, 45000), 0);
	np_tclaim_drop(t, again);
	/* And no client was given its port meanwhile. */
	KUNIT_EXPECT_EQ(test, np_claim_connect(t, conn, &one), -EADDRNOTAVAIL);
	np_tclaim_drop(t, conn);
	for (i = 0; i < ARRAY_SIZE(child); i++) {
		KUNIT_EXPECT_EQ(test, atomic_read(&t->table.nelems), 1);
		np_tclaim_drop(t, child[i]);
	}
	conn->connected = true;
	KUNIT_EXPECT_EQ(test, np_claim_connect(t, conn, &one), 0);
	np_tclaim_drop(t, conn);
}

/* The pair of ends of an accepted connection is taken too. */
static void np_port_join_unique(struct kunit *test)
{
	struct np_claim *listener = np_tclaim_new(test, NP_FORM_V4_ANY);
	struct np_claim *client = np_tclaim_new(test, NP_FORM_V4_A);
	struct np_claim *child = np_tclaim_connected(test, NP_FORM_V4_A,
						     NP_FORM_V4_B, 7000);
	struct np_addr local = np_form_addr(NP_FORM_V4_A, 45000);
	struct np_addr peer = np_form_addr(NP_FORM_V4_B, 7000);
	struct np_ports *t = test->priv;

	listener->reuse = true;
	client->reuse = true;
	KUNIT_ASSERT_EQ(test, np_claim_bind(t, listener, 45000), 0);
	KUNIT_ASSERT_EQ(test, np_claim_bind(t, client, 45000), 0);
	np_claim_join(child, listener);
	KUNIT_EXPECT_EQ(test, np_claim_set_peer(client, &local, &peer), -EADDRNOTAVAIL);
	peer.port = htons(7001);
	KUNIT_EXPECT_EQ(test, np_claim_set_peer(client, &local, &peer), 0);
	np_tclaim_drop(t, listener);
	np_tclaim_drop(t, client);
	np_tclaim_drop(t, child);
}

static struct kunit_case np_port_find_cases[] = {
	KUNIT_CASE_PARAM(np_port_any_in_range, np_range_gen_params),
	KUNIT_CASE(np_port_reserved),
	KUNIT_CASE(np_port_any_is_own),
	KUNIT_CASE(np_port_any_other_address),
	KUNIT_CASE(np_port_connect_unique),
	KUNIT_CASE(np_port_connect_devices),
	KUNIT_CASE(np_port_connect_exhausted),
	KUNIT_CASE(np_port_connect_and_bind),
	KUNIT_CASE(np_port_set_peer),
	KUNIT_CASE(np_port_join),
	KUNIT_CASE(np_port_join_unique),
	{}
};

static struct kunit_suite np_port_find_suite = {
	.name = "newproto_port_find",
	.init = np_tports_init,
	.exit = np_tports_exit,
	.test_cases = np_port_find_cases,
};

kunit_test_suite(np_port_find_suite);
