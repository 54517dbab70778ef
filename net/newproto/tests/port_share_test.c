// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the port table: who shares an address, and what stands for all of them.
 */
#include "lib.h"

#define NP_PORT		4000
#define NP_SHARERS	24

/* What a claim that a group may be of is told from others by. */
struct np_sharer {
	enum np_form form;
	int uid;
	int ifindex;
};

static struct np_claim *np_sharer_bound(struct kunit *test, const struct np_sharer *s,
					u16 port)
{
	struct np_who w = {
		.form = s->form, .uid = s->uid, .ifindex = s->ifindex,
		.reuse = 1, .reuseport = 1,
	};
	struct np_claim *c = np_twho_claim(test, &w);

	KUNIT_ASSERT_EQ(test, np_claim_bind(test->priv, c, port), 0);
	return c;
}

static struct np_share *np_tshare_new(struct kunit *test)
{
	struct np_share *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	refcount_set(&s->ref, 1);
	return s;
}

/* The claim's reference is dropped, as its owner does. Was it the last? */
static bool np_tshare_leave(struct np_claim *c)
{
	struct np_share *s = c->share;

	np_claim_unshare(c);
	return refcount_dec_and_test(&s->ref);
}

/* For what a failed test has left. */
static void np_tshare_drop(struct np_ports *t, struct np_claim *c)
{
	if (c->share)
		np_claim_unshare(c);
	np_tclaim_drop(t, c);
}

/* Two claims on a port: do they share? */
static const struct np_share_row {
	const char *name;
	struct np_sharer a;
	struct np_sharer b;
	bool share;
} np_share_rows[] = {
	{ "the same", { NP_FORM_V4_A, 10 }, { NP_FORM_V4_A, 10 }, true },
	{ "the same wildcard", { NP_FORM_V4_ANY, 10 }, { NP_FORM_V4_ANY, 10 }, true },
	{ "the same IPv6 address", { NP_FORM_V6_A, 10 }, { NP_FORM_V6_A, 10 }, true },
	{ "both dual-stack", { NP_FORM_V6_ANY, 10 }, { NP_FORM_V6_ANY, 10 }, true },
	{ "both v6only", { NP_FORM_V6_ANY_ONLY, 10 }, { NP_FORM_V6_ANY_ONLY, 10 }, true },
	{ "the same device", { NP_FORM_V4_A, 10, 1 }, { NP_FORM_V4_A, 10, 1 }, true },
	{ "another address", { NP_FORM_V4_A, 10 }, { NP_FORM_V4_B, 10 }, false },
	{ "address and wildcard", { NP_FORM_V4_A, 10 }, { NP_FORM_V4_ANY, 10 }, false },
	{ "another user", { NP_FORM_V4_A, 10 }, { NP_FORM_V4_A, 11 }, false },
	{ "another device", { NP_FORM_V4_A, 10, 1 }, { NP_FORM_V4_A, 10, 2 }, false },
	{ "a device and none", { NP_FORM_V4_A, 10, 1 }, { NP_FORM_V4_A, 10 }, false },
	{ "another family", { NP_FORM_V4_A, 10 }, { NP_FORM_MAPPED_A, 10 }, false },
	{ "v6only and dual-stack", { NP_FORM_V6_ANY_ONLY, 10 }, { NP_FORM_V6_ANY, 10 },
	  false },
	{ "0.0.0.0 and dual-stack", { NP_FORM_V4_ANY, 10 }, { NP_FORM_V6_ANY, 10 }, false },
};

static void np_share_desc(const struct np_share_row *r, char *desc)
{
	strscpy(desc, r->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_share, np_share_rows, np_share_desc);

/* In both orders. */
static void np_share_who(struct kunit *test)
{
	const struct np_share_row *r = test->param_value;
	struct np_claim *a = np_sharer_bound(test, &r->a, NP_PORT);
	struct np_claim *b = np_sharer_bound(test, &r->b, NP_PORT);
	struct np_share *mine, *fresh;
	int order;

	for (order = 0; order < 2; order++) {
		mine = np_tshare_new(test);
		fresh = np_tshare_new(test);
		KUNIT_EXPECT_PTR_EQ(test, np_claim_share(a, mine), mine);
		KUNIT_EXPECT_PTR_EQ(test, np_claim_share(b, fresh),
				    r->share ? mine : fresh);
		KUNIT_EXPECT_EQ(test, mine->users, r->share ? 2U : 1U);
		KUNIT_EXPECT_EQ(test, fresh->users, r->share ? 0U : 1U);
		KUNIT_EXPECT_TRUE(test, np_claim_fits_share(a));
		KUNIT_EXPECT_TRUE(test, np_claim_fits_share(b));
		np_claim_unshare(a);
		np_claim_unshare(b);
		swap(a, b);
	}
	np_tshare_drop(test->priv, a);
	np_tshare_drop(test->priv, b);
}

/* It is there from the first to the last of its users, whoever that is. */
static void np_share_life(struct kunit *test)
{
	static const struct np_sharer who = { NP_FORM_V6_ANY_ONLY, 10, 3 };
	struct np_share *s = np_tshare_new(test), *next = np_tshare_new(test);
	struct np_claim *c[3];
	int i;

	for (i = 0; i < 3; i++)
		c[i] = np_sharer_bound(test, &who, NP_PORT);
	KUNIT_EXPECT_PTR_EQ(test, np_claim_share(c[0], s), s);
	KUNIT_EXPECT_EQ(test, refcount_read(&s->ref), 1U);
	KUNIT_EXPECT_TRUE(test, ipv6_addr_equal(&s->local, &c[0]->local));
	KUNIT_EXPECT_EQ(test, s->ifindex, 3);
	KUNIT_EXPECT_EQ(test, __kuid_val(s->uid), 10U);
	KUNIT_EXPECT_TRUE(test, s->v6only);
	KUNIT_EXPECT_TRUE(test, s->v6);
	for (i = 1; i < 3; i++) {
		KUNIT_EXPECT_PTR_EQ(test, np_claim_share(c[i], next), s);
		KUNIT_EXPECT_EQ(test, s->users, i + 1U);
		KUNIT_EXPECT_EQ(test, refcount_read(&s->ref), i + 1U);
		/* Still the caller's. */
		KUNIT_EXPECT_EQ(test, next->users, 0U);
		KUNIT_EXPECT_EQ(test, refcount_read(&next->ref), 1U);
	}
	/* The first goes first; the reference is for the caller to drop. */
	np_claim_unshare(c[0]);
	KUNIT_EXPECT_NULL(test, c[0]->share);
	KUNIT_EXPECT_EQ(test, s->users, 2U);
	KUNIT_EXPECT_EQ(test, refcount_read(&s->ref), 3U);
	refcount_dec(&s->ref);
	KUNIT_EXPECT_PTR_EQ(test, np_claim_share(c[0], next), s);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, s->users, 3U - i);
		np_claim_unshare(c[i]);
	}
	KUNIT_EXPECT_EQ(test, refcount_read(&s->ref), 3U);
	/* Nobody finds it any more. */
	KUNIT_EXPECT_PTR_EQ(test, np_claim_share(c[1], next), next);
	KUNIT_EXPECT_EQ(test, s->users, 0U);
	for (i = 0; i < 3; i++)
		np_tshare_drop(test->priv, c[i]);
}

/* Each port has its own. */
static void np_share_ports(struct kunit *test)
{
	static const struct np_sharer who = { NP_FORM_V4_ANY, 10 };
	struct np_claim *c[4];
	struct np_share *s[4];
	int i;

	for (i = 0; i < 4; i++) {
		c[i] = np_sharer_bound(test, &who, NP_PORT + i % 2);
		s[i] = np_tshare_new(test);
		KUNIT_EXPECT_PTR_EQ(test, np_claim_share(c[i], s[i]), s[i % 2]);
	}
	KUNIT_EXPECT_FALSE(test, np_tshare_leave(c[0]));
	KUNIT_EXPECT_TRUE(test, np_tshare_leave(c[2]));
	np_tclaim_drop(test->priv, c[0]);
	np_tclaim_drop(test->priv, c[2]);
	KUNIT_EXPECT_EQ(test, s[1]->users, 2U);
	KUNIT_EXPECT_EQ(test, refcount_read(&s[1]->ref), 2U);
	np_tshare_drop(test->priv, c[1]);
	np_tshare_drop(test->priv, c[3]);
}

/* What a datagram socket does after bind() may take it away from the others. */
static void np_share_fits(struct kunit *test)
{
	static const struct np_sharer who = { NP_FORM_V4_ANY, 10 };
	struct np_addr peer = np_form_addr(NP_FORM_V4_B, 80);
	struct in6_addr any = np_form_ip(NP_FORM_V4_ANY);
	struct in6_addr own = np_form_ip(NP_FORM_V4_A);
	struct np_claim *c = np_sharer_bound(test, &who, NP_PORT);
	struct np_share *s = np_tshare_new(test);
	struct np_listener l = { };

	KUNIT_EXPECT_FALSE(test, np_claim_fits_share(c));
	np_claim_share(c, s);
	KUNIT_EXPECT_TRUE(test, np_claim_fits_share(c));
	np_claim_point(c, &own, &peer, 0);
	KUNIT_EXPECT_FALSE(test, np_claim_fits_share(c));
	np_claim_point(c, &any, NULL, 0);
	KUNIT_EXPECT_TRUE(test, np_claim_fits_share(c));
	np_claim_set_device(c, &l, 2);
	KUNIT_EXPECT_EQ(test, l.ifindex, 2);
	KUNIT_EXPECT_FALSE(test, np_claim_fits_share(c));
	np_claim_set_device(c, &l, 0);
	KUNIT_EXPECT_TRUE(test, np_claim_fits_share(c));
	KUNIT_EXPECT_TRUE(test, np_tshare_leave(c));
	KUNIT_EXPECT_FALSE(test, np_claim_fits_share(c));
	np_tclaim_drop(test->priv, c);
}

/* A claim that has left holds the port all the same. */
static void np_share_without(struct kunit *test)
{
	static const struct np_sharer who = { NP_FORM_V4_A, 10 };
	struct np_claim *a = np_sharer_bound(test, &who, NP_PORT);
	struct np_claim *b = np_tclaim_new(test, NP_FORM_V4_A);
	struct np_ports *t = test->priv;

	np_claim_share(a, np_tshare_new(test));
	KUNIT_EXPECT_EQ(test, np_claim_bind(t, b, NP_PORT), -EADDRINUSE);
	KUNIT_EXPECT_TRUE(test, np_tshare_leave(a));
	KUNIT_EXPECT_EQ(test, np_claim_number(a), NP_PORT);
	KUNIT_EXPECT_EQ(test, np_claim_bind(t, b, NP_PORT), -EADDRINUSE);
	np_tclaim_drop(t, a);
	KUNIT_EXPECT_EQ(test, np_claim_bind(t, b, NP_PORT), 0);
	np_tclaim_drop(t, b);
}

/* The claims of a random test, of so many kinds, and what is to be. */
struct np_share_game {
	struct np_claim *c[NP_SHARERS];
	struct np_share *of[NP_SHARERS];
	struct rnd_state rnd;
};

static const struct np_sharer np_share_kinds[] = {
	{ NP_FORM_V4_A, 10 }, { NP_FORM_V4_A, 11 }, { NP_FORM_MAPPED_A, 10 },
	{ NP_FORM_V4_ANY, 10 }, { NP_FORM_V6_ANY, 10, 1 }, { NP_FORM_V6_ANY, 10, 2 },
};

/* Whoever is of the same kind and shares already has what is to be shared. */
static struct np_share *np_share_game_expect(struct np_share_game *game, int i)
{
	int k;

	for (k = i % ARRAY_SIZE(np_share_kinds); k < NP_SHARERS;
	     k += ARRAY_SIZE(np_share_kinds))
		if (game->of[k])
			return game->of[k];
	return NULL;
}

static void np_share_game_check(struct kunit *test, struct np_share_game *game)
{
	unsigned int users;
	int i, k;

	for (i = 0; i < NP_SHARERS; i++) {
		KUNIT_EXPECT_PTR_EQ(test, game->c[i]->share, game->of[i]);
		if (!game->of[i])
			continue;
		users = 0;
		for (k = 0; k < NP_SHARERS; k++)
			users += game->of[k] == game->of[i];
		KUNIT_EXPECT_EQ(test, game->of[i]->users, users);
		KUNIT_EXPECT_EQ(test, refcount_read(&game->of[i]->ref), users);
	}
}

static void np_share_game_step(struct kunit *test, struct np_share_game *game)
{
	int i = np_test_random(&game->rnd, 0, NP_SHARERS - 1);
	struct np_share *fresh, *want;

	if (game->of[i]) {
		/* The last reference is the object's end. */
		np_claim_unshare(game->c[i]);
		if (game->of[i]->users)
			refcount_dec(&game->of[i]->ref);
		game->of[i] = NULL;
		return;
	}
	fresh = np_tshare_new(test);
	want = np_share_game_expect(game, i) ?: fresh;
	game->of[i] = np_claim_share(game->c[i], fresh);
	KUNIT_EXPECT_PTR_EQ(test, game->of[i], want);
}

static void np_share_random(struct kunit *test)
{
	struct np_share_game *game = kunit_kzalloc(test, sizeof(*game), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, game);
	prandom_seed_state(&game->rnd, 0x5ae);
	for (i = 0; i < NP_SHARERS; i++)
		game->c[i] = np_sharer_bound(test, &np_share_kinds[i %
					     ARRAY_SIZE(np_share_kinds)], NP_PORT);
	for (i = 0; i < 1500; i++) {
		np_share_game_step(test, game);
		np_share_game_check(test, game);
	}
	for (i = 0; i < NP_SHARERS; i++)
		np_tshare_drop(test->priv, game->c[i]);
}

static struct np_listener *np_lookup(struct kunit *test, u16 port)
{
	struct np_addr a = np_form_addr(NP_FORM_V4_A, port);
	struct np_listener *l;

	rcu_read_lock();
	l = np_port_lookup(test->priv, &a, 1);
	rcu_read_unlock();
	return l;
}

/* One listener for several claims is found from the first to the last, in whatever
 * order they go, and says what they say.
 */
static void np_share_listener(struct kunit *test)
{
	static const struct np_sharer who = { NP_FORM_V4_A, 10 };
	static const int first_out[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 0, 2 } };
	struct np_ports *t = test->priv;
	struct np_listener l;
	struct np_claim *c[3];
	int turn, i;

	memset(&l, 0xff, sizeof(l));
	l.users = 0;
	for (i = 0; i < 3; i++)
		c[i] = np_sharer_bound(test, &who, NP_PORT);
	for (turn = 0; turn < ARRAY_SIZE(first_out); turn++) {
		for (i = 0; i < 3; i++) {
			KUNIT_EXPECT_PTR_EQ(test, np_lookup(test, NP_PORT), i ? &l : NULL);
			KUNIT_EXPECT_EQ(test, np_claim_listen(c[i]), 0);
			np_claim_publish(c[i], &l);
			KUNIT_EXPECT_EQ(test, l.users, i + 1U);
		}
		KUNIT_EXPECT_EQ(test, l.number, NP_PORT);
		KUNIT_EXPECT_FALSE(test, l.connected);
		KUNIT_EXPECT_TRUE(test, ipv6_addr_equal(&l.local, &c[0]->local));
		for (i = 0; i < 3; i++) {
			KUNIT_EXPECT_PTR_EQ(test, np_lookup(test, NP_PORT), &l);
			np_claim_unlisten(c[first_out[turn][i]]);
			np_claim_unpublish(c[first_out[turn][i]], &l);
		}
		KUNIT_EXPECT_NULL(test, np_lookup(test, NP_PORT));
		KUNIT_EXPECT_EQ(test, l.users, 0U);
		synchronize_rcu();
	}
	for (i = 0; i < 3; i++)
		np_tclaim_drop(t, c[i]);
}

/* Those that share one address do not stand in for those that share another. */
static void np_share_listeners(struct kunit *test)
{
	static const struct np_sharer exact = { NP_FORM_V4_A, 10 };
	static const struct np_sharer any = { NP_FORM_V6_ANY, 10 };
	struct np_listener l[2] = { };
	struct np_claim *c[4];
	int i;

	for (i = 0; i < 4; i++) {
		c[i] = np_sharer_bound(test, i % 2 ? &any : &exact, NP_PORT);
		KUNIT_EXPECT_EQ(test, np_claim_listen(c[i]), 0);
		np_claim_publish(c[i], &l[i % 2]);
		KUNIT_EXPECT_PTR_EQ(test, np_lookup(test, NP_PORT), &l[0]);
	}
	np_claim_unpublish(c[0], &l[0]);
	KUNIT_EXPECT_PTR_EQ(test, np_lookup(test, NP_PORT), &l[0]);
	np_claim_unpublish(c[2], &l[0]);
	KUNIT_EXPECT_PTR_EQ(test, np_lookup(test, NP_PORT), &l[1]);
	np_claim_unpublish(c[1], &l[1]);
	KUNIT_EXPECT_PTR_EQ(test, np_lookup(test, NP_PORT), &l[1]);
	np_claim_unpublish(c[3], &l[1]);
	KUNIT_EXPECT_NULL(test, np_lookup(test, NP_PORT));
	for (i = 0; i < 4; i++)
		np_tclaim_drop(test->priv, c[i]);
	synchronize_rcu();
}

static struct kunit_case np_port_share_cases[] = {
	KUNIT_CASE_PARAM(np_share_who, np_share_gen_params),
	KUNIT_CASE(np_share_life),
	KUNIT_CASE(np_share_ports),
	KUNIT_CASE(np_share_fits),
	KUNIT_CASE(np_share_without),
	KUNIT_CASE(np_share_random),
	KUNIT_CASE(np_share_listener),
	KUNIT_CASE(np_share_listeners),
	{}
};

static struct kunit_suite np_port_share_suite = {
	.name = "newproto_port_share",
	.init = np_tports_init,
	.exit = np_tports_exit,
	.test_cases = np_port_share_cases,
};

kunit_test_suite(np_port_share_suite);
