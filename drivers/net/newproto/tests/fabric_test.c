// SPDX-License-Identifier: GPL-2.0-only
/*
 * A whole fabric of 16 members in one region: all of them with all others.
 */
#include "lib.h"

#define NPNIC_N		NPNIC_SLOTS_MAX

/**
 * struct npnic_tpeer - what a member has for another one
 * @life: of the link
 * @flags: signals
 * @tx: rings to it: control, queue 0
 * @rx: rings from it
 */
struct npnic_tpeer {
	struct npnic_life life;
	struct npnic_flags flags;
	struct npnic_tx tx[2];
	struct npnic_rx rx[2];
};

/**
 * struct npnic_tfabric - the fabric: test->priv
 * @l: its layout
 * @mem: its memory
 * @size: of it
 * @name: the last life's
 * @peer: by member and other
 */
struct npnic_tfabric {
	struct npnic_layout l;
	u8 *mem;
	u64 size;
	u32 name;
	struct npnic_tpeer peer[NPNIC_N][NPNIC_N];
};

/* All that @a writes for @b is new, and is offered. */
static void npnic_tfabric_reset(struct npnic_tfabric *f, u32 a, u32 b)
{
	struct npnic_tpeer *p = &f->peer[a][b];
	const struct npnic_layout *l = &f->l;
	u8 *mem = f->mem;
	u32 r;

	p->life.own = npnic_link(l, mem, a, b);
	p->life.peer = npnic_link(l, mem, b, a);
	npnic_life_end(&p->life);
	p->flags = (struct npnic_flags) {
		.own = p->life.own, .peer = p->life.peer, .n = l->exports,
		.send = npnic_signals(l, mem, a, b, false),
		.sent_acks = npnic_signals(l, mem, b, a, true),
		.recv = npnic_signals(l, mem, b, a, false),
		.recv_acks = npnic_signals(l, mem, a, b, true),
	};
	npnic_flags_reset(&p->flags);
	for (r = 0; r < 2; r++) {
		u32 size = r ? l->ring_size : l->ctl_size;
		u32 max = r ? NPNIC_FRAME_MAX : NPNIC_MSG_MAX;

		npnic_tx_init(&p->tx[r], npnic_words(l, mem, a, b, r, false),
			      npnic_words(l, mem, b, a, r, true),
			      npnic_ring_data(l, mem, a, b, r), size, max);
		npnic_rx_init(&p->rx[r], npnic_words(l, mem, a, b, r, true),
			      npnic_words(l, mem, b, a, r, false),
			      npnic_ring_data(l, mem, b, a, r), size, max);
	}
	npnic_life_begin(&p->life, ++f->name);
}

static u32 npnic_tfabric_look(struct npnic_tfabric *f)
{
	u32 a, b, round, up = 0;

	for (round = 0; round < 3; round++)
		for (a = 0; a < NPNIC_N; a++)
			for (b = 0; b < NPNIC_N; b++)
				if (a != b && npnic_life_look(&f->peer[a][b].life) ==
				    NPNIC_NEWS_LOST)
					npnic_tfabric_reset(f, a, b);
	for (a = 0; a < NPNIC_N; a++)
		for (b = 0; b < NPNIC_N; b++)
			up += a != b && f->peer[a][b].life.state == NPNIC_LINK_UP;
	return up;
}

static void npnic_tfabric_send(struct kunit *test, struct npnic_tfabric *f, u32 a, u32 b)
{
	struct npnic_tpeer *p = &f->peer[a][b];
	u32 r, what[2] = { a, b };

	for (r = 0; r < 2; r++) {
		KUNIT_EXPECT_EQ(test, npnic_tx_room(&p->tx[r], sizeof(what)), 0);
		npnic_tx_copy(&p->tx[r], 0, what, sizeof(what));
		npnic_tx_commit(&p->tx[r], NULL, sizeof(what));
		npnic_tx_publish(&p->tx[r]);
	}
	npnic_flag_raise(&p->flags, a * 4 % f->l.exports);
}

static void npnic_tfabric_recv(struct kunit *test, struct npnic_tfabric *f, u32 a, u32 b)
{
	u32 r, len, id = b * 4 % f->l.exports, what[2];
	struct npnic_tpeer *p = &f->peer[a][b];
	struct npnic_rec rec;

	for (r = 0; r < 2; r++) {
		KUNIT_EXPECT_EQ(test, npnic_rx_next(&p->rx[r], &rec, &len), 1);
		KUNIT_ASSERT_EQ(test, len, (u32)sizeof(what));
		npnic_rx_copy(&p->rx[r], 0, what, sizeof(what));
		KUNIT_EXPECT_EQ(test, what[0], b);
		KUNIT_EXPECT_EQ(test, what[1], a);
		npnic_rx_consume(&p->rx[r], len);
		npnic_rx_publish(&p->rx[r]);
		KUNIT_EXPECT_EQ(test, npnic_rx_next(&p->rx[r], &rec, &len), 0);
	}
	KUNIT_EXPECT_EQ(test, npnic_flags_take(&p->flags, id / 64), 1ULL << id % 64);
	KUNIT_EXPECT_TRUE(test, npnic_flags_rest(&p->flags));
}

static void npnic_tfabric_talk(struct kunit *test, struct npnic_tfabric *f)
{
	u32 a, b;

	for (a = 0; a < NPNIC_N; a++)
		for (b = 0; b < NPNIC_N; b++)
			if (a != b)
				npnic_tfabric_send(test, f, a, b);
	for (a = 0; a < NPNIC_N; a++)
		for (b = 0; b < NPNIC_N; b++)
			if (a != b)
				npnic_tfabric_recv(test, f, a, b);
}

static void npnic_fabric_talks(struct kunit *test)
{
	struct npnic_tfabric *f = test->priv;
	u32 a, b;

	for (a = 0; a < NPNIC_N; a++)
		for (b = 0; b < NPNIC_N; b++)
			if (a != b)
				npnic_tfabric_reset(f, a, b);
	KUNIT_EXPECT_EQ(test, npnic_tfabric_look(f), (u32)NPNIC_N * (NPNIC_N - 1));
	npnic_tfabric_talk(test, f);
	npnic_tfabric_talk(test, f);

	/* One begins anew in the middle of it; nobody takes it for what it was. */
	for (b = 0; b < NPNIC_N; b++)
		if (b != 5) {
			npnic_tfabric_send(test, f, 5, b);
			npnic_tfabric_send(test, f, b, 5);
			npnic_tfabric_reset(f, 5, b);
		}
	KUNIT_EXPECT_EQ(test, npnic_tfabric_look(f), (u32)NPNIC_N * (NPNIC_N - 1));
	npnic_tfabric_talk(test, f);
}

/* Nobody's memory is somebody else's: each finds what it has shown, and only that. */
static void npnic_fabric_exports(struct kunit *test)
{
	struct npnic_tfabric *f = test->priv;
	u32 a, b, id, len, gen[NPNIC_N], last = f->l.direct_size / NPNIC_PAGE - 1;
	u64 off, i;

	for (a = 0; a < NPNIC_N; a++) {
		id = a * 3;
		gen[a] = npnic_export_set(&npnic_table(&f->l, f->mem, a)[id],
					  a & 1 ? last : 0, 1);
		memset(npnic_direct(&f->l, f->mem, a) + (a & 1 ? last * 4096ULL : 0), a + 1,
		       4096);
	}
	for (a = 0; a < NPNIC_N; a++) {
		KUNIT_ASSERT_EQ(test, npnic_export_get(&f->l, npnic_table(&f->l, f->mem, a), a * 3,
						       gen[a], &off, &len), 0);
		for (i = 0; i < len; i++)
			if (npnic_direct(&f->l, f->mem, a)[off + i] != a + 1)
				break;
		KUNIT_EXPECT_EQ(test, i, 4096ULL);
		b = (a + 1) % NPNIC_N;
		KUNIT_EXPECT_EQ(test, npnic_export_get(&f->l, npnic_table(&f->l, f->mem, b), a * 3,
						       gen[a], &off, &len), -ENOENT);
	}
}

static int npnic_fabric_init(struct kunit *test)
{
	struct npnic_tfabric *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	struct npnic_layout l;

#ifdef CONFIG_UML
	/* There KASAN knows nothing of vmalloc: it takes so much memory for somebody's globals. */
	kunit_skip(test, "the region is too large for user-mode Linux");
#endif
	if (!f)
		return -ENOMEM;
	f->size = npnic_layout_least(NPNIC_N, 1, NPNIC_RING_MIN);
	f->mem = vzalloc(f->size);
	if (!f->mem)
		return -ENOMEM;
	test->priv = f;
	if (npnic_layout_choose(&l, f->size, NPNIC_N, 1, NPNIC_RING_MIN))
		return -EINVAL;
	npnic_layout_write(&l, (struct npnic_head *)f->mem);
	return npnic_layout_read(&f->l, f->mem, f->size) ? -EINVAL : 0;
}

static void npnic_fabric_exit(struct kunit *test)
{
	struct npnic_tfabric *f = test->priv;

	if (f)
		vfree(f->mem);
}

static struct kunit_case npnic_fabric_cases[] = {
	KUNIT_CASE(npnic_fabric_talks),
	KUNIT_CASE(npnic_fabric_exports),
	{}
};

static struct kunit_suite npnic_fabric_suite = {
	.name = "npnic_fabric",
	.init = npnic_fabric_init,
	.exit = npnic_fabric_exit,
	.test_cases = npnic_fabric_cases,
};

kunit_test_suite(npnic_fabric_suite);
