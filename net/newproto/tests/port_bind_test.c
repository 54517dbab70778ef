// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the port table: who may bind to a port that others are bound to.
 */
#include "lib.h"

#define NP_PORT		4000

/* One is bound, and listens or not; may the other bind? From socket(7) and
 * ip(7), and tried out on TCP.
 */
static const struct np_bind_row {
	const char *name;
	struct np_who first;
	bool listening;
	struct np_who second;
	int err;
} np_bind_rows[] = {
	{ "the same address", { NP_FORM_V4_A }, false, { NP_FORM_V4_A }, -EADDRINUSE },
	{ "another address", { NP_FORM_V4_A }, false, { NP_FORM_V4_B }, 0 },
	{ "wildcard, then address", { NP_FORM_V4_ANY }, false, { NP_FORM_V4_A }, -EADDRINUSE },
	{ "address, then wildcard", { NP_FORM_V4_A }, false, { NP_FORM_V4_ANY }, -EADDRINUSE },
	{ "both wildcards", { NP_FORM_V4_ANY }, false, { NP_FORM_V4_ANY }, -EADDRINUSE },
	{ "mapped, then IPv4", { NP_FORM_MAPPED_A }, false, { NP_FORM_V4_A }, -EADDRINUSE },
	{ "mapped, then another IPv4", { NP_FORM_MAPPED_A }, false, { NP_FORM_V4_B }, 0 },
	{ "dual-stack, then IPv4", { NP_FORM_V6_ANY }, false, { NP_FORM_V4_A }, -EADDRINUSE },
	{ "dual-stack, then 0.0.0.0", { NP_FORM_V6_ANY }, false, { NP_FORM_V4_ANY },
	  -EADDRINUSE },
	{ "0.0.0.0, then dual-stack", { NP_FORM_V4_ANY }, false, { NP_FORM_V6_ANY },
	  -EADDRINUSE },
	{ "v6only, then 0.0.0.0", { NP_FORM_V6_ANY_ONLY }, false, { NP_FORM_V4_ANY }, 0 },
	{ "0.0.0.0, then v6only", { NP_FORM_V4_ANY }, false, { NP_FORM_V6_ANY_ONLY }, 0 },
	{ "v6only, then dual-stack", { NP_FORM_V6_ANY_ONLY }, false, { NP_FORM_V6_ANY },
	  -EADDRINUSE },
	{ "v6only, then an IPv6 address", { NP_FORM_V6_ANY_ONLY }, false, { NP_FORM_V6_LO },
	  -EADDRINUSE },
	{ "0.0.0.0, then an IPv6 address", { NP_FORM_V4_ANY }, false, { NP_FORM_V6_LO }, 0 },
	{ "two IPv6 addresses", { NP_FORM_V6_LO }, false, { NP_FORM_V6_A }, 0 },

	{ "both reuse", { NP_FORM_V4_A, 1 }, false, { NP_FORM_V4_A, 1 }, 0 },
	{ "only the first reuses", { NP_FORM_V4_A, 1 }, false, { NP_FORM_V4_A }, -EADDRINUSE },
	{ "only the second reuses", { NP_FORM_V4_A }, false, { NP_FORM_V4_A, 1 },
	  -EADDRINUSE },
	{ "both reuse, the first listens", { NP_FORM_V4_A, 1 }, true, { NP_FORM_V4_A, 1 },
	  -EADDRINUSE },
	{ "both reuse, another address listens", { NP_FORM_V4_A, 1 }, true,
	  { NP_FORM_V4_B, 1 }, 0 },
	{ "both reuse, a wildcard listens", { NP_FORM_V4_ANY, 1 }, true,
	  { NP_FORM_V4_A, 1 }, -EADDRINUSE },

	{ "both reuseport", { NP_FORM_V4_A, 0, 1, 10 }, false,
	  { NP_FORM_V4_A, 0, 1, 10 }, 0 },
	{ "both reuseport, the first listens", { NP_FORM_V4_A, 0, 1, 10 }, true,
	  { NP_FORM_V4_A, 0, 1, 10 }, 0 },
	{ "both reuseport, another user", { NP_FORM_V4_A, 0, 1, 10 }, false,
	  { NP_FORM_V4_A, 0, 1, 11 }, -EADDRINUSE },
	{ "only the first reuseport", { NP_FORM_V4_A, 0, 1, 10 }, false,
	  { NP_FORM_V4_A, 0, 0, 10 }, -EADDRINUSE },
	{ "only the second reuseport", { NP_FORM_V4_A, 0, 0, 10 }, false,
	  { NP_FORM_V4_A, 0, 1, 10 }, -EADDRINUSE },
	{ "one reuses, one reuseport", { NP_FORM_V4_A, 1, 0, 10 }, false,
	  { NP_FORM_V4_A, 0, 1, 10 }, -EADDRINUSE },
	{ "both both, another user", { NP_FORM_V4_A, 1, 1, 10 }, false,
	  { NP_FORM_V4_A, 1, 1, 11 }, 0 },
	{ "both both, another user, listening", { NP_FORM_V4_A, 1, 1, 10 }, true,
	  { NP_FORM_V4_A, 1, 1, 11 }, -EADDRINUSE },
	{ "both both, listening", { NP_FORM_V4_A, 1, 1, 10 }, true,
	  { NP_FORM_V4_A, 1, 1, 10 }, 0 },

	{ "another device", { NP_FORM_V4_A, .ifindex = 1 }, true,
	  { NP_FORM_V4_A, .ifindex = 2 }, 0 },
	{ "the same device", { NP_FORM_V4_A, .ifindex = 1 }, false,
	  { NP_FORM_V4_A, .ifindex = 1 }, -EADDRINUSE },
	{ "a device, then none", { NP_FORM_V4_A, .ifindex = 1 }, false,
	  { NP_FORM_V4_A }, -EADDRINUSE },
	{ "none, then a device", { NP_FORM_V4_A }, false,
	  { NP_FORM_V4_A, .ifindex = 1 }, -EADDRINUSE },
};

static void np_bind_desc(const struct np_bind_row *r, char *desc)
{
	strscpy(desc, r->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_bind, np_bind_rows, np_bind_desc);

static void np_port_bind_table(struct kunit *test)
{
	const struct np_bind_row *r = test->param_value;
	struct np_claim *a = np_twho_claim(test, &r->first);
	struct np_claim *b = np_twho_claim(test, &r->second);
	struct np_ports *t = test->priv;
	struct np_listener l;

	KUNIT_ASSERT_EQ(test, np_claim_bind(t, a, NP_PORT), 0);
	KUNIT_EXPECT_EQ(test, np_claim_number(a), NP_PORT);
	if (r->listening)
		KUNIT_EXPECT_EQ(test, np_tclaim_listen(a, &l), 0);
	KUNIT_EXPECT_EQ(test, np_claim_bind(t, b, NP_PORT), r->err);
	if (r->err) {
		KUNIT_EXPECT_NULL(test, b->port);
		KUNIT_EXPECT_EQ(test, np_claim_number(b), 0);
		np_tclaim_drop(t, b);
		/* The next port is another matter. */
		KUNIT_EXPECT_EQ(test, np_claim_bind(t, b, NP_PORT + 1), 0);
	}
	KUNIT_EXPECT_EQ(test, np_claim_number(b), r->err ? NP_PORT + 1 : NP_PORT);
	np_tclaim_drop(t, b);
	if (r->listening)
		np_tclaim_unlisten(a, &l);
	np_tclaim_drop(t, a);
	synchronize_rcu();
}

/* All that a second socket may be, against a first one. Returns how many were
 * judged otherwise than inet does.
 */
static int np_port_bind_against(struct kunit *test, const struct np_who *first,
				bool listening, struct np_claim *b)
{
	struct np_ports *t = test->priv;
	struct np_who w;
	int i, wrong = 0;
	bool want, got;

	for (i = 0; i < NP_WHO_NR; i++) {
		w = np_who_nth(i);
		np_who_fill(b, &w);
		want = !np_inet_conflict(&w, first, listening);
		got = !np_claim_bind(t, b, NP_PORT);
		np_tclaim_drop(t, b);
		if (got == want || wrong++)
			continue;
		KUNIT_FAIL(test, "first: %s reuse %d reuseport %d device %d listening %d\n",
			   np_form_name(first->form), first->reuse, first->reuseport,
			   first->ifindex, listening);
		kunit_info(test, "then: %s reuse %d reuseport %d device %d uid %d loner %d: %d\n",
			   np_form_name(w.form), w.reuse, w.reuseport, w.ifindex,
			   w.uid, w.loner, got);
	}
	return wrong;
}

static void np_form_desc(const enum np_form *f, char *desc)
{
	strscpy(desc, np_form_name(*f), KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_all_forms, np_all_forms, np_form_desc);

static void np_port_bind_matrix(struct kunit *test)
{
	struct np_claim *a, *b = np_tclaim_new(test, NP_FORM_V4_A);
	struct np_who w = {
		.form = *(const enum np_form *)test->param_value,
		.uid = 10,
	};
	struct np_ports *t = test->priv;
	struct np_listener l;
	int i, wrong = 0;

	for (i = 0; i < 16; i++) {
		w.reuse = i & 1;
		w.reuseport = i >> 1 & 1;
		w.ifindex = i >> 2 & 1;
		a = np_twho_claim(test, &w);
		KUNIT_ASSERT_EQ(test, np_claim_bind(t, a, NP_PORT), 0);
		if (i & 8)
			KUNIT_EXPECT_EQ(test, np_tclaim_listen(a, &l), 0);
		wrong += np_port_bind_against(test, &w, i & 8, b);
		if (i & 8)
			np_tclaim_unlisten(a, &l);
		np_tclaim_drop(t, a);
		synchronize_rcu();
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

/* The one that is in the way need not be the first or the last. */
static void np_port_bind_several(struct kunit *test)
{
	static const struct np_who who[] = {
		{ NP_FORM_V4_A, 1 }, { NP_FORM_V4_B }, { NP_FORM_V6_LO, 1 },
		{ NP_FORM_V6_A }, { NP_FORM_V4_A, 1 }, { NP_FORM_V6_LO, 1 },
	};
	static const struct {
		struct np_who who;
		int err;
	} then[] = {
		{ { NP_FORM_V4_A, 1 }, 0 },
		{ { NP_FORM_V4_A }, -EADDRINUSE },
		{ { NP_FORM_V4_B, 1 }, -EADDRINUSE },
		{ { NP_FORM_V6_LO, 1 }, 0 },
		{ { NP_FORM_V6_A, 1 }, -EADDRINUSE },
		{ { NP_FORM_V4_ANY, 1 }, -EADDRINUSE },
		{ { NP_FORM_V6_ANY, 1 }, -EADDRINUSE },
	};
	struct np_claim *c[ARRAY_SIZE(who)], *b;
	struct np_ports *t = test->priv;
	int i;

	for (i = 0; i < ARRAY_SIZE(who); i++) {
		c[i] = np_twho_claim(test, &who[i]);
		KUNIT_ASSERT_EQ(test, np_claim_bind(t, c[i], NP_PORT), 0);
	}
	for (i = 0; i < ARRAY_SIZE(then); i++) {
		b = np_twho_claim(test, &then[i].who);
		KUNIT_EXPECT_EQ_MSG(test, np_claim_bind(t, b, NP_PORT), then[i].err,
				    "row %d", i);
		np_tclaim_drop(t, b);
	}
	/* From the middle outwards; the port stays until the last. */
	for (i = 0; i < ARRAY_SIZE(who); i++) {
		KUNIT_EXPECT_EQ(test, atomic_read(&t->table.nelems), 1);
		np_tclaim_drop(t, c[(i * 5 + 2) % ARRAY_SIZE(who)]);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&t->table.nelems), 0);
}

/* A port that was given up is as free as one that was never held. */
static void np_port_bind_again(struct kunit *test)
{
	struct np_claim *a = np_tclaim_new(test, NP_FORM_V6_ANY);
	struct np_claim *b = np_tclaim_new(test, NP_FORM_V6_ANY);
	struct np_ports *t = test->priv;
	int i;

	for (i = 0; i < 200; i++) {
		KUNIT_EXPECT_EQ(test, np_claim_bind(t, a, NP_PORT), 0);
		KUNIT_ASSERT_EQ(test, np_claim_bind(t, b, NP_PORT), -EADDRINUSE);
		np_tclaim_drop(t, a);
		KUNIT_EXPECT_EQ(test, np_claim_number(a), 0);
		swap(a, b);
	}
}

/* The table grows and shrinks with its ports; the first and last number. */
static void np_port_bind_many(struct kunit *test)
{
	const int n = 3000;
	struct np_ports *t = test->priv;
	struct np_claim *c;
	int i, port;

	c = kunit_kcalloc(test, n, sizeof(*c), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, c);
	for (i = 0; i < n; i++) {
		port = i == n - 1 ? 65535 : 1 + i * 21;
		c[i].local = np_form_ip(NP_FORM_V4_A);
		KUNIT_EXPECT_EQ(test, np_claim_bind(t, &c[i], port), 0);
		KUNIT_EXPECT_EQ(test, np_claim_number(&c[i]), port);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&t->table.nelems), n);
	for (i = 0; i < n; i++)
		np_tclaim_drop(t, &c[i]);
}

static struct kunit_case np_port_bind_cases[] = {
	KUNIT_CASE_PARAM(np_port_bind_table, np_bind_gen_params),
	KUNIT_CASE_PARAM(np_port_bind_matrix, np_all_forms_gen_params),
	KUNIT_CASE(np_port_bind_several),
	KUNIT_CASE(np_port_bind_again),
	KUNIT_CASE(np_port_bind_many),
	{}
};

static struct kunit_suite np_port_bind_suite = {
	.name = "newproto_port_bind",
	.init = np_tports_init,
	.exit = np_tports_exit,
	.test_cases = np_port_bind_cases,
};

kunit_test_suite(np_port_bind_suite);
