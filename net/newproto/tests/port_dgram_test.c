// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the port table: who gets a datagram.
 */
#include "lib.h"

#define NP_PORT		4000
#define NP_FROM		5000	/* the port that datagrams come from */
#define NP_SOCKETS	4

/* Sockets, a datagram's two addresses, and which of them gets it. */
static const struct np_dgram_row {
	const char *name;
	struct {
		enum np_form form;
		bool connected;
		enum np_form peer;
		u16 peer_port;
		int ifindex;
	} s[NP_SOCKETS];
	int n;
	enum np_form dst;
	enum np_form src;
	int best;	/* -1: none */
} np_dgram_rows[] = {
	{ "nobody", { }, 0, NP_FORM_V4_A, NP_FORM_V4_A, -1 },
	{ "the address", { { NP_FORM_V4_A } }, 1, NP_FORM_V4_A, NP_FORM_V4_A, 0 },
	{ "another address", { { NP_FORM_V4_B } }, 1, NP_FORM_V4_A, NP_FORM_V4_A, -1 },
	{ "address before wildcard", { { NP_FORM_V4_ANY }, { NP_FORM_V4_A } }, 2,
	  NP_FORM_V4_A, NP_FORM_V4_B, 1 },
	{ "0.0.0.0 before dual-stack", { { NP_FORM_V6_ANY }, { NP_FORM_V4_ANY } }, 2,
	  NP_FORM_V4_A, NP_FORM_V4_B, 1 },
	{ "connected to the sender",
	  { { NP_FORM_V4_A, true, NP_FORM_V4_B, NP_FROM } }, 1,
	  NP_FORM_V4_A, NP_FORM_V4_B, 0 },
	{ "connected to another address",
	  { { NP_FORM_V4_A, true, NP_FORM_V4_A, NP_FROM } }, 1,
	  NP_FORM_V4_A, NP_FORM_V4_B, -1 },
	{ "connected to another port",
	  { { NP_FORM_V4_A, true, NP_FORM_V4_B, NP_FROM + 1 } }, 1,
	  NP_FORM_V4_A, NP_FORM_V4_B, -1 },
	{ "connected to any port",
	  { { NP_FORM_V4_A, true, NP_FORM_V4_B, 0 } }, 1,
	  NP_FORM_V4_A, NP_FORM_V4_B, 0 },
	{ "connected before bound",
	  { { NP_FORM_V4_A }, { NP_FORM_V4_A, true, NP_FORM_V4_B, NP_FROM } }, 2,
	  NP_FORM_V4_A, NP_FORM_V4_B, 1 },
	{ "connected before bound to the device",
	  { { NP_FORM_V4_A, false, 0, 0, 1 },
	    { NP_FORM_V4_A, true, NP_FORM_V4_B, NP_FROM } }, 2,
	  NP_FORM_V4_A, NP_FORM_V4_B, 1 },
	{ "connected to the port before to any",
	  { { NP_FORM_V4_A, true, NP_FORM_V4_B, 0 },
	    { NP_FORM_V4_A, true, NP_FORM_V4_B, NP_FROM } }, 2,
	  NP_FORM_V4_A, NP_FORM_V4_B, 1 },
	{ "bound after connected to another",
	  { { NP_FORM_V4_A, true, NP_FORM_V4_A, NP_FROM }, { NP_FORM_V4_ANY } }, 2,
	  NP_FORM_V4_A, NP_FORM_V4_B, 1 },
	{ "connected, IPv6",
	  { { NP_FORM_V6_ANY }, { NP_FORM_V6_LO, true, NP_FORM_V6_LO, NP_FROM } }, 2,
	  NP_FORM_V6_LO, NP_FORM_V6_LO, 1 },
	{ "connected over IPv4, mapped",
	  { { NP_FORM_V4_A }, { NP_FORM_MAPPED_A, true, NP_FORM_MAPPED_A, NP_FROM } }, 2,
	  NP_FORM_V4_A, NP_FORM_V4_A, 1 },
	{ "another device",
	  { { NP_FORM_V4_A, false, 0, 0, 2 } }, 1, NP_FORM_V4_A, NP_FORM_V4_A, -1 },
	{ "its device before any",
	  { { NP_FORM_V4_A }, { NP_FORM_V4_A, false, 0, 0, 1 } }, 2,
	  NP_FORM_V4_A, NP_FORM_V4_A, 1 },
	{ "IPv6 only for IPv4", { { NP_FORM_V6_ANY_ONLY } }, 1,
	  NP_FORM_V4_A, NP_FORM_V4_A, -1 },
};

static void np_dgram_desc(const struct np_dgram_row *r, char *desc)
{
	strscpy(desc, r->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_dgram, np_dgram_rows, np_dgram_desc);

static struct np_listener *np_lookup(struct np_ports *t, enum np_form dst,
				     enum np_form src, u16 src_port)
{
	struct np_addr to = np_form_addr(dst, NP_PORT);
	struct np_addr from = np_form_addr(src, src_port);
	struct np_listener *l;

	rcu_read_lock();
	l = np_port_lookup_from(t, &to, &from, 1);
	rcu_read_unlock();
	return l;
}

/* A socket that may share its port with any. */
static void np_dgram_put(struct kunit *test, struct np_claim *c, struct np_listener *l)
{
	c->reuse = true;
	KUNIT_ASSERT_EQ(test, np_claim_bind(test->priv, c, NP_PORT), 0);
	memset(l, 0xff, sizeof(*l));
	l->users = 0;
	np_claim_publish(c, l);
}

static void np_dgram_take(struct np_ports *t, struct np_claim *c, struct np_listener *l)
{
	np_claim_unpublish(c, l);
	np_tclaim_drop(t, c);
}

/* Put up in both orders, since the list must not decide. */
static void np_dgram_table(struct kunit *test)
{
	const struct np_dgram_row *r = test->param_value;
	struct np_listener l[NP_SOCKETS], *got;
	struct np_claim *c[NP_SOCKETS];
	struct np_ports *t = test->priv;
	struct np_addr peer;
	int order, i, k;

	for (order = 0; order < 2; order++) {
		for (i = 0; i < r->n; i++) {
			k = order ? r->n - 1 - i : i;
			c[k] = np_tclaim_new(test, r->s[k].form);
			c[k]->ifindex = r->s[k].ifindex;
			if (r->s[k].connected) {
				peer = np_form_addr(r->s[k].peer, r->s[k].peer_port);
				c[k]->connected = true;
				c[k]->peer = peer.ip;
				c[k]->peer_port = peer.port;
			}
			np_dgram_put(test, c[k], &l[k]);
		}
		got = np_lookup(t, r->dst, r->src, NP_FROM);
		KUNIT_EXPECT_EQ(test, got ? (int)(got - l) : -1, r->best);
		for (i = 0; i < r->n; i++)
			np_dgram_take(t, c[i], &l[i]);
		KUNIT_EXPECT_NULL(test, np_lookup(t, r->dst, r->src, NP_FROM));
		synchronize_rcu();
	}
}

/* Those that share no more than SO_REUSEADDR lets them: the latest gets all. */
static void np_dgram_latest(struct kunit *test)
{
	struct np_ports *t = test->priv;
	struct np_claim *c[3];
	struct np_listener l[3];
	int i;

	for (i = 0; i < 3; i++) {
		c[i] = np_tclaim_new(test, NP_FORM_V4_A);
		np_dgram_put(test, c[i], &l[i]);
		KUNIT_EXPECT_PTR_EQ(test, np_lookup(t, NP_FORM_V4_A, NP_FORM_V4_A,
						    NP_FROM), &l[i]);
	}
	for (i = 2; i >= 0; i--) {
		KUNIT_EXPECT_PTR_EQ(test, np_lookup(t, NP_FORM_V4_A, NP_FORM_V4_A,
						    NP_FROM), &l[i]);
		np_dgram_take(t, c[i], &l[i]);
	}
	synchronize_rcu();
}

/* connect(), SO_BINDTODEVICE and connect() to AF_UNSPEC, as a socket does them. */
static void np_dgram_point(struct kunit *test)
{
	struct np_addr peer = np_form_addr(NP_FORM_V4_B, NP_FROM);
	struct in6_addr any = np_form_ip(NP_FORM_V4_ANY);
	struct in6_addr local = np_form_ip(NP_FORM_V4_A);
	struct np_claim *c = np_tclaim_new(test, NP_FORM_V4_ANY);
	struct np_listener bound, connected, again;
	struct np_ports *t = test->priv;

	np_dgram_put(test, c, &bound);
	np_claim_point(c, &local, &peer, 0);
	memset(&connected, 0xff, sizeof(connected));
	np_claim_replace(c, &connected, &bound);
	KUNIT_EXPECT_EQ(test, connected.users, 1U);
	KUNIT_EXPECT_EQ(test, bound.users, 0U);
	KUNIT_EXPECT_PTR_EQ(test, np_lookup(t, NP_FORM_V4_A, NP_FORM_V4_B, NP_FROM),
			    &connected);
	KUNIT_EXPECT_NULL(test, np_lookup(t, NP_FORM_V4_A, NP_FORM_V4_B, NP_FROM + 1));
	KUNIT_EXPECT_NULL(test, np_lookup(t, NP_FORM_V4_B, NP_FORM_V4_B, NP_FROM));
	np_claim_set_device(c, &connected, 2);
	KUNIT_EXPECT_NULL(test, np_lookup(t, NP_FORM_V4_A, NP_FORM_V4_B, NP_FROM));
	np_claim_set_device(c, &connected, 1);
	KUNIT_EXPECT_PTR_EQ(test, np_lookup(t, NP_FORM_V4_A, NP_FORM_V4_B, NP_FROM),
			    &connected);
	np_claim_point(c, &any, NULL, 0);
	memset(&again, 0xff, sizeof(again));
	np_claim_replace(c, &again, &connected);
	KUNIT_EXPECT_PTR_EQ(test, np_lookup(t, NP_FORM_V4_B, NP_FORM_V4_A, 1), &again);
	KUNIT_EXPECT_EQ(test, again.ifindex, 0);
	np_dgram_take(t, c, &again);
	synchronize_rcu();
}

static struct kunit_case np_port_dgram_cases[] = {
	KUNIT_CASE_PARAM(np_dgram_table, np_dgram_gen_params),
	KUNIT_CASE(np_dgram_latest),
	KUNIT_CASE(np_dgram_point),
	{}
};

static struct kunit_suite np_port_dgram_suite = {
	.name = "newproto_port_dgram",
	.init = np_tports_init,
	.exit = np_tports_exit,
	.test_cases = np_port_dgram_cases,
};

kunit_test_suite(np_port_dgram_suite);
