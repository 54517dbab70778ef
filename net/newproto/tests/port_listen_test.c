// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the port table: who may listen, and who gets a connection.
 */
#include "lib.h"

#define NP_PORT		4000
#define NP_LISTENERS	4

/* Two are bound to a port, the first listens; may the second? */
static const struct np_listen_row {
	const char *name;
	enum np_form a;
	enum np_form b;
	bool reuse;
	bool reuseport;
	int err;
} np_listen_rows[] = {
	{ "another address", NP_FORM_V4_A, NP_FORM_V4_B, false, false, 0 },
	{ "another family", NP_FORM_V4_ANY, NP_FORM_V6_ANY_ONLY, false, false, 0 },
	{ "reuse", NP_FORM_V4_A, NP_FORM_V4_A, true, false, -EADDRINUSE },
	{ "reuse, address and wildcard", NP_FORM_V4_A, NP_FORM_V4_ANY, true, false,
	  -EADDRINUSE },
	{ "reuse, wildcard and address", NP_FORM_V4_ANY, NP_FORM_V4_A, true, false,
	  -EADDRINUSE },
	{ "reuse, dual-stack and IPv4", NP_FORM_V6_ANY, NP_FORM_V4_A, true, false,
	  -EADDRINUSE },
	{ "reuse, another address", NP_FORM_V4_A, NP_FORM_V4_B, true, false, 0 },
	{ "reuseport", NP_FORM_V4_A, NP_FORM_V4_A, false, true, 0 },
	{ "reuseport, address and wildcard", NP_FORM_V4_A, NP_FORM_V4_ANY, false,
	  true, 0 },
	{ "both", NP_FORM_V6_ANY, NP_FORM_V6_ANY, true, true, 0 },
};

static void np_listen_desc(const struct np_listen_row *r, char *desc)
{
	strscpy(desc, r->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_listen, np_listen_rows, np_listen_desc);

static void np_port_listen(struct kunit *test)
{
	const struct np_listen_row *r = test->param_value;
	struct np_claim *a = np_tclaim_new(test, r->a);
	struct np_claim *b = np_tclaim_new(test, r->b);
	struct np_ports *t = test->priv;
	struct np_listener la, lb;
	int i;

	a->reuse = r->reuse;
	b->reuse = r->reuse;
	a->reuseport = r->reuseport;
	b->reuseport = r->reuseport;
	KUNIT_ASSERT_EQ(test, np_claim_bind(t, a, NP_PORT), 0);
	KUNIT_ASSERT_EQ(test, np_claim_bind(t, b, NP_PORT), 0);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, np_tclaim_listen(a, &la), 0);
		KUNIT_EXPECT_TRUE(test, a->listening);
		KUNIT_EXPECT_TRUE(test, ipv6_addr_equal(&la.local, &a->local));
		KUNIT_EXPECT_EQ(test, la.v6only, (bool)a->v6only);
		KUNIT_EXPECT_EQ(test, np_tclaim_listen(b, &lb), r->err);
		KUNIT_EXPECT_EQ(test, (bool)b->listening, !r->err);
		np_tclaim_unlisten(a, &la);
		KUNIT_EXPECT_FALSE(test, a->listening);
		if (!r->err)
			np_tclaim_unlisten(b, &lb);
		synchronize_rcu();
		/* Next time the other way round. */
		swap(a, b);
	}
	np_tclaim_drop(t, a);
	np_tclaim_drop(t, b);
}

/* Listeners, a destination, and which of them gets the connection. */
static const struct np_lookup_row {
	const char *name;
	struct {
		enum np_form form;
		int ifindex;
	} l[NP_LISTENERS];
	int n;
	enum np_form dst;
	int ifindex;
	int best;	/* -1: none */
} np_lookup_rows[] = {
	{ "nobody", { }, 0, NP_FORM_V4_A, 1, -1 },
	{ "the address", { { NP_FORM_V4_A } }, 1, NP_FORM_V4_A, 1, 0 },
	{ "the address, mapped", { { NP_FORM_MAPPED_A } }, 1, NP_FORM_V4_A, 1, 0 },
	{ "another address", { { NP_FORM_V4_B } }, 1, NP_FORM_V4_A, 1, -1 },
	{ "0.0.0.0", { { NP_FORM_V4_ANY } }, 1, NP_FORM_V4_B, 1, 0 },
	{ "0.0.0.0 for IPv6", { { NP_FORM_V4_ANY } }, 1, NP_FORM_V6_LO, 1, -1 },
	{ "dual-stack for IPv4", { { NP_FORM_V6_ANY } }, 1, NP_FORM_V4_A, 1, 0 },
	{ "dual-stack for IPv6", { { NP_FORM_V6_ANY } }, 1, NP_FORM_V6_LO, 1, 0 },
	{ "v6only for IPv4", { { NP_FORM_V6_ANY_ONLY } }, 1, NP_FORM_V4_A, 1, -1 },
	{ "v6only for IPv6", { { NP_FORM_V6_ANY_ONLY } }, 1, NP_FORM_V6_A, 1, 0 },
	{ "v6only and 0.0.0.0 for IPv4",
	  { { NP_FORM_V6_ANY_ONLY }, { NP_FORM_V4_ANY } }, 2, NP_FORM_V4_A, 1, 1 },
	{ "v6only and 0.0.0.0 for IPv6",
	  { { NP_FORM_V6_ANY_ONLY }, { NP_FORM_V4_ANY } }, 2, NP_FORM_V6_A, 1, 0 },
	{ "address before wildcard",
	  { { NP_FORM_V4_ANY }, { NP_FORM_V4_A }, { NP_FORM_V4_B } }, 3,
	  NP_FORM_V4_A, 1, 1 },
	{ "wildcard for the rest",
	  { { NP_FORM_V6_ANY_ONLY }, { NP_FORM_V6_LO } }, 2, NP_FORM_V6_A, 1, 0 },
	{ "address before dual-stack",
	  { { NP_FORM_V4_A }, { NP_FORM_V6_ANY } }, 2, NP_FORM_V4_A, 1, 0 },
	{ "0.0.0.0 before dual-stack",
	  { { NP_FORM_V4_ANY }, { NP_FORM_V6_ANY } }, 2, NP_FORM_V4_A, 1, 0 },
	{ "dual-stack after 0.0.0.0, for IPv6",
	  { { NP_FORM_V4_ANY }, { NP_FORM_V6_ANY } }, 2, NP_FORM_V6_LO, 1, 1 },
	{ "IPv6 address before dual-stack",
	  { { NP_FORM_V6_ANY }, { NP_FORM_V6_LO } }, 2, NP_FORM_V6_LO, 1, 1 },
	{ "another device", { { NP_FORM_V4_A, 2 } }, 1, NP_FORM_V4_A, 1, -1 },
	{ "its device", { { NP_FORM_V4_A, 2 } }, 1, NP_FORM_V4_A, 2, 0 },
	{ "its device before any",
	  { { NP_FORM_V4_A }, { NP_FORM_V4_A, 1 } }, 2, NP_FORM_V4_A, 1, 1 },
	{ "any after another's device",
	  { { NP_FORM_V4_A, 1 }, { NP_FORM_V4_A } }, 2, NP_FORM_V4_A, 2, 1 },
	{ "one device of three",
	  { { NP_FORM_V6_ANY, 1 }, { NP_FORM_V6_ANY, 2 }, { NP_FORM_V6_ANY, 3 } }, 3,
	  NP_FORM_V6_LO, 2, 1 },
	{ "address before device of a wildcard",
	  { { NP_FORM_V4_ANY, 1 }, { NP_FORM_V4_A } }, 2, NP_FORM_V4_A, 1, 1 },
	{ "address before device of dual-stack",
	  { { NP_FORM_V6_ANY, 1 }, { NP_FORM_V4_A } }, 2, NP_FORM_V4_A, 1, 1 },
	{ "device of a wildcard before wildcard",
	  { { NP_FORM_V4_ANY }, { NP_FORM_V4_ANY, 1 } }, 2, NP_FORM_V4_A, 1, 1 },
	{ "device of an address before all",
	  { { NP_FORM_V6_ANY, 1 }, { NP_FORM_V4_A }, { NP_FORM_V4_A, 1 },
	    { NP_FORM_V4_ANY, 1 } }, 4, NP_FORM_V4_A, 1, 2 },
};

static void np_lookup_desc(const struct np_lookup_row *r, char *desc)
{
	strscpy(desc, r->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_lookup, np_lookup_rows, np_lookup_desc);

static struct np_listener *np_lookup(struct np_ports *t, enum np_form dst, u16 port,
				     int ifindex)
{
	struct np_addr a = np_form_addr(dst, port);
	struct np_listener *l;

	rcu_read_lock();
	l = np_port_lookup(t, &a, ifindex);
	rcu_read_unlock();
	return l;
}

/* Put up in both orders, since the list must not decide. */
static void np_port_lookup_table(struct kunit *test)
{
	const struct np_lookup_row *r = test->param_value;
	struct np_listener l[NP_LISTENERS], *got;
	struct np_claim *c[NP_LISTENERS];
	struct np_ports *t = test->priv;
	int order, i, k;

	for (order = 0; order < 2; order++) {
		for (i = 0; i < r->n; i++) {
			k = order ? r->n - 1 - i : i;
			c[k] = np_tclaim_new(test, r->l[k].form);
			c[k]->ifindex = r->l[k].ifindex;
			/* Lets all of them listen at once. */
			c[k]->reuseport = true;
			KUNIT_ASSERT_EQ(test, np_claim_bind(t, c[k], NP_PORT), 0);
			KUNIT_ASSERT_EQ(test, np_tclaim_listen(c[k], &l[k]), 0);
			KUNIT_EXPECT_EQ(test, l[k].ifindex, r->l[k].ifindex);
		}
		got = np_lookup(t, r->dst, NP_PORT, r->ifindex);
		KUNIT_EXPECT_EQ(test, got ? (int)(got - l) : -1, r->best);
		KUNIT_EXPECT_NULL(test, np_lookup(t, r->dst, NP_PORT + 1, r->ifindex));
		for (i = 0; i < r->n; i++) {
			np_tclaim_unlisten(c[i], &l[i]);
			KUNIT_EXPECT_PTR_NE(test, np_lookup(t, r->dst, NP_PORT,
							    r->ifindex), &l[i]);
			np_tclaim_drop(t, c[i]);
		}
		synchronize_rcu();
	}
}

/* Who is bound but does not listen gets nothing, nor do connections. */
static void np_port_lookup_not_listening(struct kunit *test)
{
	struct np_claim *bound = np_tclaim_new(test, NP_FORM_V4_A);
	struct np_claim *listening = np_tclaim_new(test, NP_FORM_V6_ANY);
	struct np_claim *child = np_tclaim_connected(test, NP_FORM_V4_A,
						     NP_FORM_V4_A, 80);
	struct np_ports *t = test->priv;
	struct np_listener l;

	bound->reuse = true;
	listening->reuse = true;
	KUNIT_ASSERT_EQ(test, np_claim_bind(t, bound, NP_PORT), 0);
	KUNIT_ASSERT_EQ(test, np_claim_bind(t, listening, NP_PORT), 0);
	KUNIT_EXPECT_NULL(test, np_lookup(t, NP_FORM_V4_A, NP_PORT, 1));
	KUNIT_ASSERT_EQ(test, np_tclaim_listen(listening, &l), 0);
	KUNIT_EXPECT_PTR_EQ(test, np_lookup(t, NP_FORM_V4_A, NP_PORT, 1), &l);
	np_claim_join(child, listening);
	KUNIT_EXPECT_PTR_EQ(test, np_lookup(t, NP_FORM_V4_A, NP_PORT, 1), &l);
	np_tclaim_unlisten(listening, &l);
	KUNIT_EXPECT_NULL(test, np_lookup(t, NP_FORM_V4_A, NP_PORT, 1));
	np_tclaim_drop(t, listening);
	np_tclaim_drop(t, bound);
	KUNIT_EXPECT_NULL(test, np_lookup(t, NP_FORM_V4_A, NP_PORT, 1));
	np_tclaim_drop(t, child);
	synchronize_rcu();
}

/* The number is compared as the program wrote it: in network byte order. */
static void np_port_lookup_number(struct kunit *test)
{
	static const u16 ports[] = { 1, 255, 256, 0x5000, 0x0050, 0xff00, 65535 };
	struct np_claim *c[ARRAY_SIZE(ports)];
	struct np_listener l[ARRAY_SIZE(ports)];
	struct np_ports *t = test->priv;
	int i;

	for (i = 0; i < ARRAY_SIZE(ports); i++) {
		c[i] = np_tclaim_new(test, NP_FORM_V4_ANY);
		c[i]->reuseport = true;
		KUNIT_ASSERT_EQ(test, np_claim_bind(t, c[i], ports[i]), 0);
		KUNIT_ASSERT_EQ(test, np_tclaim_listen(c[i], &l[i]), 0);
		KUNIT_EXPECT_PTR_EQ(test, np_lookup(t, NP_FORM_V4_A, ports[i], 0), &l[i]);
	}
	for (i = 0; i < ARRAY_SIZE(ports); i++) {
		np_tclaim_unlisten(c[i], &l[i]);
		np_tclaim_drop(t, c[i]);
	}
	synchronize_rcu();
}

static struct kunit_case np_port_listen_cases[] = {
	KUNIT_CASE_PARAM(np_port_listen, np_listen_gen_params),
	KUNIT_CASE_PARAM(np_port_lookup_table, np_lookup_gen_params),
	KUNIT_CASE(np_port_lookup_not_listening),
	KUNIT_CASE(np_port_lookup_number),
	{}
};

static struct kunit_suite np_port_listen_suite = {
	.name = "newproto_port_listen",
	.init = np_tports_init,
	.exit = np_tports_exit,
	.test_cases = np_port_listen_cases,
};

kunit_test_suite(np_port_listen_suite);
