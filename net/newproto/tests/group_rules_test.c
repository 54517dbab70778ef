// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the port table's rules where there are groups: against inet's, stated once
 * more, for a port that is kept without a socket, for listen(), and for many at once.
 */
#include "group_lib.h"

#define NP_CROWD	12

static void np_rules_form_desc(const enum np_form *f, char *desc)
{
	strscpy(desc, np_form_name(*f), KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_rules_forms, np_all_forms, np_rules_form_desc);

/* Was a claim judged as inet would? Only the first that was not is told of. */
static void np_rules_expect(struct kunit *test, const struct np_who *first,
			    const struct np_who *w, bool got, bool want, int *wrong)
{
	if (got == want || (*wrong)++)
		return;
	KUNIT_FAIL(test, "first: %s reuse %d reuseport %d device %d\n",
		   np_form_name(first->form), first->reuse, first->reuseport,
		   first->ifindex);
	kunit_info(test, "then: %s reuse %d reuseport %d device %d uid %d loner %d: %d\n",
		   np_form_name(w->form), w->reuse, w->reuseport, w->ifindex, w->uid,
		   w->loner, got);
}

/* --- a port that is kept ------------------------------------------------------------ */

/* Is the group of one what the other would be of? */
static bool np_rules_is_same(const struct np_who *a, const struct np_who *b)
{
	return b->reuseport && a->form == b->form && a->uid == b->uid &&
	       a->ifindex == b->ifindex;
}

/* One more claim, on a port that a group holds; if it is let in: is it a successor? */
static bool np_rules_try_held(struct kunit *test, struct np_group *held,
			      const struct np_who *first, const struct np_who *w)
{
	struct np_share fresh = { .ref = REFCOUNT_INIT(1) };
	struct np_tgroup *tg = test->priv;
	struct np_claim c;
	struct np_share *s;

	np_who_fill(&c, w);
	if (np_claim_bind(&tg->ports, &c, NP_TPORT))
		return false;
	if (w->reuseport) {
		s = np_claim_share(&c, &fresh);
		KUNIT_EXPECT_EQ(test, s == &held->share, np_rules_is_same(first, w));
		np_claim_unshare(&c);
		if (s == &held->share)
			np_group_put(held);
	}
	np_claim_drop(&tg->ports, &c);
	return true;
}

/* What is kept is as if a socket of those before were bound and listened there. */
static void np_rules_held(struct kunit *test)
{
	struct np_who first = {
		.form = *(const enum np_form *)test->param_value,
		.reuseport = 1, .uid = 10,
	}, w;
	struct np_tgroup *tg = test->priv;
	struct np_group *g;
	int i, k, wrong = 0;

	for (i = 0; i < 4; i++) {
		first.reuse = i & 1;
		first.ifindex = i >> 1;
		KUNIT_ASSERT_EQ(test, np_tserver_bind(test, 0, &first, NP_TPORT, 0), 0);
		g = tg->server[0].m->group;
		np_group_get(g);
		np_group_set_grace(g, NP_TLONG_MS, &tg->server[0].claim);
		KUNIT_ASSERT_EQ(test, np_tserver_listen(test, 0, 1), 0);
		np_tserver_close(test, 0);
		KUNIT_ASSERT_EQ(test, g->state, (u8)NP_GROUP_GRACE);
		for (k = 0; k < NP_WHO_NR; k++) {
			w = np_who_nth(k);
			np_rules_expect(test, &first, &w,
					np_rules_try_held(test, g, &first, &w),
					!np_inet_conflict(&w, &first, true), &wrong);
		}
		KUNIT_EXPECT_EQ(test, refcount_read(&g->share.ref), 3U);
		np_group_set_grace(g, 0, NULL);
		KUNIT_EXPECT_EQ(test, atomic_read(&tg->ports.table.nelems), 0);
		np_group_put(g);
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

/* --- listen() ------------------------------------------------------------------------ */

/* Both are bound, the first one listens; may the second? */
static void np_rules_try_listen(struct kunit *test, struct np_claim *a, struct np_claim *b,
				const struct np_who *first, const struct np_who *w,
				int *wrong)
{
	int err;

	/* The one that is there may always, as long as nobody else does. */
	KUNIT_EXPECT_EQ(test, np_claim_listen(a), 0);
	err = np_claim_listen(b);
	np_rules_expect(test, first, w, !err, !np_inet_conflict(w, first, true), wrong);
	KUNIT_EXPECT_EQ(test, (bool)b->listening, !err);
	np_claim_unlisten(a);
	if (!err)
		np_claim_unlisten(b);
	/* And the other way round. */
	KUNIT_EXPECT_EQ(test, np_claim_listen(b), 0);
	err = np_claim_listen(a);
	np_rules_expect(test, w, first, !err, !np_inet_conflict(first, w, true), wrong);
	np_claim_unlisten(b);
	if (!err)
		np_claim_unlisten(a);
}

static void np_rules_listen(struct kunit *test)
{
	struct np_who first = {
		.form = *(const enum np_form *)test->param_value, .uid = 10,
	}, w;
	struct np_tgroup *tg = test->priv;
	int i, k, wrong = 0, tried = 0;
	struct np_claim a, b;

	for (i = 0; i < 8; i++) {
		first.reuse = i & 1;
		first.reuseport = i >> 1 & 1;
		first.ifindex = i >> 2;
		np_who_fill(&a, &first);
		KUNIT_ASSERT_EQ(test, np_claim_bind(&tg->ports, &a, NP_TPORT), 0);
		for (k = 0; k < NP_WHO_NR; k++) {
			w = np_who_nth(k);
			np_who_fill(&b, &w);
			if (np_claim_bind(&tg->ports, &b, NP_TPORT))
				continue;
			tried++;
			np_rules_try_listen(test, &a, &b, &first, &w, &wrong);
			np_claim_drop(&tg->ports, &b);
		}
		np_claim_drop(&tg->ports, &a);
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_GT(test, tried, 300);
}

/* --- where nobody is looked at --------------------------------------------------------- */

/* A port with sharers only, and another one with the same and somebody whose device
 * nobody else has: the short way and the long one must come to the same.
 */
static void np_rules_same_ways(struct kunit *test)
{
	static const struct np_who bystander = { NP_FORM_V6_A, 0, 0, 12, 9 };
	struct np_claim *c[2][4], *b = np_tclaim_new(test, NP_FORM_V4_A);
	struct np_claim *other = np_twho_claim(test, &bystander);
	struct np_who w = { .reuseport = 1, .uid = 10 };
	struct np_tgroup *tg = test->priv;
	int i, k, err[2], wrong = 0, tried = 0;

	KUNIT_ASSERT_EQ(test, np_claim_bind(&tg->ports, other, NP_TPORT + 1), 0);
	for (i = 0; i < 8; i++) {
		w.form = np_all_forms[(i % 4 * 3 +
				       *(const enum np_form *)test->param_value) %
				      NP_FORM_NR];
		w.ifindex = 1 + i % 2;
		c[i / 4][i % 4] = np_twho_claim(test, &w);
		KUNIT_ASSERT_EQ(test, np_claim_bind(&tg->ports, c[i / 4][i % 4],
						    NP_TPORT + i / 4), 0);
	}
	KUNIT_EXPECT_EQ(test, c[0][0]->port->nsharing, c[0][0]->port->nclaims);
	KUNIT_EXPECT_LT(test, c[1][0]->port->nsharing, c[1][0]->port->nclaims);
	for (k = 0; k < NP_WHO_NR; k++) {
		w = np_who_nth(k);
		if (np_inet_conflict(&w, &bystander, false))
			continue;
		for (i = 0; i < 2; i++) {
			np_who_fill(b, &w);
			err[i] = np_claim_bind(&tg->ports, b, NP_TPORT + i);
			np_tclaim_drop(&tg->ports, b);
		}
		tried++;
		wrong += err[0] != err[1];
	}
	KUNIT_EXPECT_EQ_MSG(test, wrong, 0, "of %d", tried);
	KUNIT_EXPECT_GT(test, tried, 100);
	for (i = 0; i < 8; i++)
		np_tclaim_drop(&tg->ports, c[i / 4][i % 4]);
	np_tclaim_drop(&tg->ports, other);
}

/* --- many, who come and go --------------------------------------------------------------- */

/**
 * struct np_crowd - claims on a port, and what the test knows of them
 * @c: the claims
 * @w: how they were set up
 * @bound: they are on the port
 * @listening: they listen
 * @rnd: what is next
 * @shared: how often all on the port were counted as sharers
 * @yes: how often somebody was let in, or might listen
 * @no: how often not
 */
struct np_crowd {
	struct np_claim c[NP_CROWD];
	struct np_who w[NP_CROWD];
	bool bound[NP_CROWD];
	bool listening[NP_CROWD];
	struct rnd_state rnd;
	int shared;
	int yes;
	int no;
};

static bool np_crowd_is_free(const struct np_crowd *cr, int i)
{
	int k;

	for (k = 0; k < NP_CROWD; k++)
		if (k != i && cr->bound[k] &&
		    np_inet_conflict(&cr->w[i], &cr->w[k], cr->listening[k]))
			return false;
	return true;
}

/* Mostly sharers of one user, so that often there are none but these. */
static struct np_who np_crowd_who(struct np_crowd *cr)
{
	struct np_who w = np_who_nth(np_test_random(&cr->rnd, 0, NP_WHO_NR - 1));

	if (np_test_random(&cr->rnd, 0, 9) < 8) {
		w.reuseport = 1;
		w.uid = np_test_random(&cr->rnd, 0, 9) ? 10 : 11;
	}
	return w;
}

static void np_crowd_come(struct kunit *test, struct np_crowd *cr, int i)
{
	struct np_tgroup *tg = test->priv;
	bool want, got;

	cr->w[i] = np_crowd_who(cr);
	np_who_fill(&cr->c[i], &cr->w[i]);
	want = np_crowd_is_free(cr, i);
	got = !np_claim_bind(&tg->ports, &cr->c[i], NP_TPORT);
	KUNIT_ASSERT_EQ(test, got, want);
	cr->bound[i] = got;
	cr->yes += got;
	cr->no += !got;
}

/* An accepted connection's claim is there without being asked. */
static void np_crowd_join(struct kunit *test, struct np_crowd *cr, int i, int parent)
{
	cr->w[i] = cr->w[parent];
	np_who_fill(&cr->c[i], &cr->w[i]);
	np_claim_join(&cr->c[i], &cr->c[parent]);
	cr->bound[i] = true;
}

static void np_crowd_listen(struct kunit *test, struct np_crowd *cr, int i)
{
	bool want, got;

	if (cr->listening[i]) {
		np_claim_unlisten(&cr->c[i]);
		cr->listening[i] = false;
		return;
	}
	want = np_crowd_is_free(cr, i);
	got = !np_claim_listen(&cr->c[i]);
	KUNIT_ASSERT_EQ(test, got, want);
	cr->listening[i] = got;
	cr->yes += got;
	cr->no += !got;
}

static void np_crowd_go(struct kunit *test, struct np_crowd *cr, int i)
{
	struct np_tgroup *tg = test->priv;

	np_claim_drop(&tg->ports, &cr->c[i]);
	cr->bound[i] = false;
	cr->listening[i] = false;
}

/* The port's counts; where all are counted as sharers they are ones of one user. */
static void np_crowd_check(struct kunit *test, struct np_crowd *cr)
{
	unsigned int nclaims = 0, nsharing = 0;
	const struct np_port *p = NULL;
	int i;

	for (i = 0; i < NP_CROWD; i++) {
		if (!cr->bound[i])
			continue;
		p = cr->c[i].port;
		nclaims++;
		nsharing += cr->c[i].counted;
		if (cr->c[i].counted)
			KUNIT_EXPECT_TRUE(test, cr->w[i].reuseport &&
					  uid_eq(cr->c[i].uid, p->uid));
	}
	if (!p)
		return;
	KUNIT_EXPECT_EQ(test, p->nclaims, nclaims);
	KUNIT_EXPECT_EQ(test, p->nsharing, nsharing);
	cr->shared += nclaims > 1 && nclaims == nsharing;
}

static void np_crowd_step(struct kunit *test, struct np_crowd *cr)
{
	int i = np_test_random(&cr->rnd, 0, NP_CROWD - 1);
	int k = np_test_random(&cr->rnd, 0, NP_CROWD - 1);
	u32 what = np_test_random(&cr->rnd, 0, 99);

	if (cr->bound[i] && what < 50)
		np_crowd_listen(test, cr, i);
	else if (cr->bound[i])
		np_crowd_go(test, cr, i);
	else if (cr->bound[k] && what < 10)
		np_crowd_join(test, cr, i, k);
	else
		np_crowd_come(test, cr, i);
}

/* Whoever is there, each is judged against all of them as inet does, whether they are
 * looked at or not.
 */
static void np_rules_crowd(struct kunit *test)
{
	struct np_crowd *cr = kunit_kzalloc(test, sizeof(*cr), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, cr);
	prandom_seed_state(&cr->rnd, 0xc40d);
	for (i = 0; i < 20000; i++) {
		np_crowd_step(test, cr);
		np_crowd_check(test, cr);
		cond_resched();
	}
	for (i = 0; i < NP_CROWD; i++)
		if (cr->bound[i])
			np_crowd_go(test, cr, i);
	/* All there is to see was seen. */
	KUNIT_EXPECT_GT(test, cr->shared, 500);
	KUNIT_EXPECT_GT(test, cr->yes, 1000);
	KUNIT_EXPECT_GT(test, cr->no, 1000);
}

/* The first sharer's user is the one that counts, until there is no sharer of it. */
static void np_rules_users(struct kunit *test)
{
	static const struct np_who ten = { NP_FORM_V4_A, 0, 1, 10 };
	static const struct np_who eleven = { NP_FORM_V4_B, 0, 1, 11 };
	static const struct np_who eleven_a = { NP_FORM_V4_A, 0, 1, 11 };
	struct np_tgroup *tg = test->priv;
	struct np_claim *a = np_twho_claim(test, &ten);
	struct np_claim *b = np_twho_claim(test, &eleven);
	struct np_claim *c = np_twho_claim(test, &eleven_a);

	KUNIT_EXPECT_EQ(test, np_claim_bind(&tg->ports, a, NP_TPORT), 0);
	KUNIT_EXPECT_EQ(test, np_claim_bind(&tg->ports, b, NP_TPORT), 0);
	KUNIT_EXPECT_TRUE(test, a->counted);
	KUNIT_EXPECT_FALSE(test, b->counted);
	KUNIT_EXPECT_EQ(test, np_claim_bind(&tg->ports, c, NP_TPORT), -EADDRINUSE);
	np_tclaim_drop(&tg->ports, a);
	KUNIT_EXPECT_EQ(test, np_claim_bind(&tg->ports, c, NP_TPORT), 0);
	KUNIT_EXPECT_TRUE(test, c->counted);
	KUNIT_EXPECT_EQ(test, np_claim_bind(&tg->ports, a, NP_TPORT), -EADDRINUSE);
	np_tclaim_drop(&tg->ports, c);
	KUNIT_EXPECT_EQ(test, np_claim_bind(&tg->ports, a, NP_TPORT), 0);
	KUNIT_EXPECT_EQ(test, a->port->nsharing, 1U);
	np_tclaim_drop(&tg->ports, a);
	np_tclaim_drop(&tg->ports, b);
}

static struct kunit_case np_rules_cases[] = {
	KUNIT_CASE_PARAM(np_rules_held, np_rules_forms_gen_params),
	KUNIT_CASE_PARAM(np_rules_listen, np_rules_forms_gen_params),
	KUNIT_CASE_PARAM(np_rules_same_ways, np_rules_forms_gen_params),
	KUNIT_CASE(np_rules_crowd),
	KUNIT_CASE(np_rules_users),
	{}
};

static struct kunit_suite np_rules_suite = {
	.name = "newproto_group_rules",
	.init = np_tgroup_init,
	.exit = np_tgroup_exit,
	.test_cases = np_rules_cases,
};

kunit_test_suite(np_rules_suite);
