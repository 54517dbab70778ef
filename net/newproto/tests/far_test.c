// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of direct channels, over a fabric of two members that is memory of this kernel: both
 * ends of a connection are here, and either may lie.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "conn.h"
#include "far.h"
#include "lib.h"
#include "nic.h"

#define NP_TFAR_IDS	16
#define NP_TFAR_CAP	(212992U * 2)

/**
 * struct np_tnic - a member of the fabric
 * @nic: what the family knows
 * @other: the other member
 * @mem: memory by id
 * @len: bytes of it, 0: none
 * @gen: its generation
 * @left: how many more pieces can be had, -1: any number
 * @cuts: how often it was told that the other does not keep to the rules
 */
struct np_tnic {
	struct np_nic nic;
	struct np_tnic *other;
	void *mem[NP_TFAR_IDS];
	u32 len[NP_TFAR_IDS];
	u32 gen[NP_TFAR_IDS];
	int left;
	atomic_t cuts;
};

/**
 * struct np_tfar - two ends of a connection
 * @env: must come first: what other channel tests have
 * @nic: the members
 * @conn: their sides of the connection; [0] is the client's
 */
struct np_tfar {
	struct np_tenv env;
	struct np_tnic nic[2];
	struct np_conn *conn[2];
};

static struct np_tnic *np_tnic_of(struct np_nic *nic)
{
	return container_of(nic, struct np_tnic, nic);
}

static int np_tnic_alloc(struct np_nic *nic, u32 len, struct np_nic_mem *mem)
{
	struct np_tnic *t = np_tnic_of(nic);
	u32 id;

	for (id = 0; id < NP_TFAR_IDS && t->len[id]; id++)
		;
	if (id == NP_TFAR_IDS || !t->left)
		return -ENOSPC;
	if (t->left > 0)
		t->left--;
	t->mem[id] = kvzalloc(len, GFP_KERNEL);
	t->len[id] = len;
	t->gen[id]++;
	*mem = (struct np_nic_mem){ t->mem[id], len, id, t->gen[id] };
	return 0;
}

static void np_tnic_free(struct np_nic *nic, const struct np_nic_mem *mem)
{
	struct np_tnic *t = np_tnic_of(nic);

	kvfree(t->mem[mem->id]);
	t->mem[mem->id] = NULL;
	t->len[mem->id] = 0;
}

static int np_tnic_attach(struct np_nic *nic, u32 slot, u32 id, u32 gen,
			  struct np_nic_mem *mem)
{
	struct np_tnic *t = np_tnic_of(nic)->other;

	if (id >= NP_TFAR_IDS)
		return -EPROTO;
	if (!t->len[id] || t->gen[id] != gen)
		return -ENOENT;
	*mem = (struct np_nic_mem){ t->mem[id], t->len[id], id, gen };
	return 0;
}

static void np_tnic_signal(struct np_nic *nic, u32 slot, u32 id)
{
	np_nic_signal(&np_tnic_of(nic)->other->nic, nic->slot, id);
}

static int np_tnic_send(struct np_nic *nic, u32 slot, const void *msg, u32 len)
{
	return -ENOTCONN;
}

static void np_tnic_cut(struct np_nic *nic, u32 slot, const char *reason)
{
	atomic_inc(&np_tnic_of(nic)->cuts);
}

static const struct np_nic_ops np_tnic_ops = {
	.alloc	= np_tnic_alloc,
	.free	= np_tnic_free,
	.attach	= np_tnic_attach,
	.signal	= np_tnic_signal,
	.send	= np_tnic_send,
	.cut	= np_tnic_cut,
};

/* One side of the connection, which does not know the other one yet. */
static void np_tfar_side(struct kunit *test, struct np_tfar *f, int side, u32 pos)
{
	struct np_conn *conn = np_conn_alloc(&f->env.pool);
	struct np_far *far;

	KUNIT_ASSERT_NOT_NULL(test, conn);
	f->conn[side] = conn;
	KUNIT_ASSERT_EQ(test, np_far_alloc(f->nic[side].nic.client, conn, side), 0);
	np_conn_get(conn);
	far = conn->far;
	conn->chan[side].head = pos;
	conn->chan[!side].tail = pos;
	far->tx.pos = pos;
	far->told = pos;
	far->idle_head = pos + 1;
	far->rx.tail = pos;
	((struct np_far_words *)far->own.addr)->head = cpu_to_le32(pos);
	((struct np_far_words *)far->own.addr)->tail = cpu_to_le32(pos);
	np_chan_set_reader(&conn->chan[!side], 212992, 1);
	KUNIT_ASSERT_TRUE(test, np_far_start(far, !side));
}

/* They meet. */
static void np_tfar_meet(struct kunit *test, struct np_tfar *f)
{
	struct np_far *far, *peer;
	int side;

	for (side = 0; side < 2; side++) {
		far = f->conn[side]->far;
		peer = f->conn[!side]->far;
		far->peer_id = peer->own.id;
		far->peer_gen = peer->own.gen;
		KUNIT_ASSERT_TRUE(test, np_far_rx_begin(far, &peer->own));
	}
}

static struct np_tfar *np_tfar_open(struct kunit *test, u32 pos)
{
	struct np_tfar *f = test->priv;

	np_tfar_side(test, f, NP_CLIENT, pos);
	np_tfar_side(test, f, NP_SERVER, pos);
	np_tfar_meet(test, f);
	return f;
}

static void np_tfar_stream(struct kunit *test, struct np_tfar *f, struct np_tstream *s)
{
	s->test = test;
	s->tx = &f->conn[NP_CLIENT]->chan[NP_CLIENT];
	s->rx = &f->conn[NP_SERVER]->chan[NP_CLIENT];
	s->cap = NP_TFAR_CAP;
	s->wpos = 0;
	s->rpos = 0;
	s->buf = kunit_kzalloc(test, NP_TEST_BUF, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, s->buf);
}

static unsigned int np_tnic_pieces(const struct np_tnic *t)
{
	unsigned int n = 0, id;

	for (id = 0; id < NP_TFAR_IDS; id++)
		n += !!t->len[id];
	return n;
}

static int np_tfar_init(struct kunit *test)
{
	struct np_tfar *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, f);
	np_pool_init(&f->env.pool);
	for (i = 0; i < 2; i++) {
		f->nic[i].nic.ops = &np_tnic_ops;
		f->nic[i].nic.slot = i;
		f->nic[i].nic.slots = 2;
		f->nic[i].nic.ids = NP_TFAR_IDS;
		f->nic[i].nic.dev = init_net.loopback_dev;
		f->nic[i].other = &f->nic[!i];
		f->nic[i].left = -1;
		KUNIT_ASSERT_EQ(test, np_nic_register(&f->nic[i].nic), 0);
	}
	np_nic_peer_up(&f->nic[0].nic, 1);
	np_nic_peer_up(&f->nic[1].nic, 0);
	test->priv = f;
	return 0;
}

/* Whatever the test has done, all memory comes back. */
static void np_tfar_exit(struct kunit *test)
{
	struct np_tfar *f = test->priv;
	int i;

	if (!f)
		return;
	for (i = 0; i < 2; i++)
		if (f->conn[i])
			np_conn_drop_end(f->conn[i], i);
	np_nic_peer_down(&f->nic[0].nic, 1);
	np_nic_peer_down(&f->nic[1].nic, 0);
	np_far_flush();
	for (i = 0; i < 2; i++) {
		if (f->conn[i])
			np_conn_put(f->conn[i]);
		KUNIT_EXPECT_EQ(test, np_tnic_pieces(&f->nic[i]), 0U);
		np_nic_unregister(&f->nic[i].nic);
	}
	np_pool_exit(&f->env.pool);
	rcu_barrier();
}

static const u32 np_tfar_positions[] = { 0, 4096, NP_BEFORE_WRAP(1), NP_BEFORE_WRAP(100000) };

static void np_tfar_desc(const u32 *pos, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "from position %u", *pos);
}

KUNIT_ARRAY_PARAM(np_tfar_position, np_tfar_positions, np_tfar_desc);

/* Bytes come as they went, in pieces of every size, whether the ring is changed or not. */
static void np_far_bytes(struct kunit *test)
{
	struct np_tfar *f = np_tfar_open(test, *(const u32 *)test->param_value);
	struct rnd_state rnd;
	struct np_tstream s;
	u32 used;
	int i;

	prandom_seed_state(&rnd, 1);
	np_tfar_stream(test, f, &s);
	for (i = 0; i < 150; i++) {
		used = np_chan_used(s.tx);
		KUNIT_EXPECT_EQ(test, used, np_chan_used(s.rx));
		if (used > 40000 || (used && np_test_random(&rnd, 0, 1)))
			np_tstream_get(&s, np_test_random(&rnd, 1, used));
		else
			np_tstream_put(&s, np_test_random(&rnd, 1, i < 50 ? 300 : 12000));
		if (i % 30 == 0)
			np_tstream_look(&s, np_chan_used(s.rx));
	}
	np_tstream_get(&s, np_chan_used(s.rx));
	KUNIT_EXPECT_EQ(test, np_chan_used(s.tx), 0U);
	KUNIT_EXPECT_EQ(test, atomic_read(&f->nic[0].cuts) + atomic_read(&f->nic[1].cuts), 0);
}

/* A channel that has been full has a large ring, and gives it back when it rests. */
static void np_far_rests(struct kunit *test)
{
	struct np_tfar *f = np_tfar_open(test, NP_BEFORE_WRAP(5000));
	struct np_far *tx = f->conn[NP_CLIENT]->far, *rx = f->conn[NP_SERVER]->far;
	struct np_tstream s;
	int i;

	np_tfar_stream(test, f, &s);
	np_tstream_put(&s, 3000);
	KUNIT_EXPECT_EQ(test, np_tnic_pieces(&f->nic[0]), 1U);
	np_tstream_put(&s, 100000);
	KUNIT_EXPECT_EQ(test, np_tnic_pieces(&f->nic[0]), 2U);
	np_tstream_look(&s, 103000);
	np_tstream_get(&s, 103000);
	/* The first look notes where it is, the next one finds that it rests. */
	for (i = 0; i < 3; i++) {
		np_far_shrink(tx);
		np_far_settle(rx);
	}
	KUNIT_EXPECT_FALSE(test, np_far_shrink(tx));
	KUNIT_EXPECT_EQ(test, np_tnic_pieces(&f->nic[0]), 1U);
	np_tstream_put(&s, 60000);
	np_tstream_get(&s, 60000);
	KUNIT_EXPECT_EQ(test, np_tnic_pieces(&f->nic[0]), 2U);
}

/* Where there is no memory for a larger ring the channel holds less. */
static void np_far_without_memory(struct kunit *test)
{
	struct np_tfar *f = np_tfar_open(test, 0);
	const u32 base = NP_FAR_BASE - NP_FAR_WORDS;
	struct np_tstream s;

	np_tfar_stream(test, f, &s);
	f->nic[0].left = 0;
	KUNIT_EXPECT_EQ(test, np_tstream_write(&s, 10000), (ssize_t)base);
	KUNIT_EXPECT_EQ(test, np_chan_cap(s.tx, 212992), base);
	KUNIT_EXPECT_EQ(test, np_tstream_write(&s, 1), (ssize_t)0);
	KUNIT_EXPECT_FALSE(test, np_chan_writable(s.tx, np_chan_cap(s.tx, 212992)));
	np_tstream_get(&s, base);
	KUNIT_EXPECT_TRUE(test, np_chan_writable(s.tx, np_chan_cap(s.tx, 212992)));
	KUNIT_EXPECT_EQ(test, np_tstream_write(&s, 500), (ssize_t)500);
	np_tstream_get(&s, 500);
	/* It does not have to stay so. */
	np_far_shrink(f->conn[NP_CLIENT]->far);
	KUNIT_EXPECT_GT(test, np_chan_cap(s.tx, 212992), base);
	f->nic[0].left = -1;
	KUNIT_EXPECT_EQ(test, np_tstream_write(&s, 10000), (ssize_t)10000);
	np_tstream_get(&s, 10000);
}

/* A signal is for who has asked for it, and once. */
static void np_far_signals(struct kunit *test)
{
	struct np_tfar *f = np_tfar_open(test, NP_BEFORE_WRAP(10));
	struct np_far *tx = f->conn[NP_CLIENT]->far, *rx = f->conn[NP_SERVER]->far;
	struct np_tstream s;

	np_tfar_stream(test, f, &s);
	KUNIT_EXPECT_FALSE(test, np_far_await_bytes(rx));
	np_tstream_put(&s, 1);
	KUNIT_EXPECT_TRUE(test, np_far_wants_bytes(tx));
	KUNIT_EXPECT_FALSE(test, np_far_wants_bytes(tx));
	np_tstream_put(&s, 100);
	KUNIT_EXPECT_FALSE(test, np_far_wants_bytes(tx));
	KUNIT_EXPECT_TRUE(test, np_far_await_bytes(rx));
	np_tstream_put(&s, 1);
	KUNIT_EXPECT_TRUE(test, np_far_wants_bytes(tx));
	/* And a writer's for room. */
	KUNIT_EXPECT_FALSE(test, np_far_end_wait(s.rx));
	np_far_await_room(s.tx, 50);
	KUNIT_EXPECT_FALSE(test, np_far_end_wait(s.rx));
	np_tstream_get(&s, 60);
	KUNIT_EXPECT_TRUE(test, np_far_end_wait(s.rx));
}

static const struct np_tfar_lie {
	const char *name;
	size_t word;
	u32 add;
	bool by_writer;
	bool cut;
} np_tfar_lies[] = {
#define NP_LIE(w, n, writer, is_cut) \
	{ #w " + " #n, offsetof(struct np_far_words, w), n, writer, is_cut }
	NP_LIE(head, 0x40000000, true, true),
	NP_LIE(head, -101, true, true),
	NP_LIE(head, 5000, true, true),
	NP_LIE(head, 1, true, false),
	NP_LIE(tail, 0x40000000, false, true),
	NP_LIE(tail, -1, false, false),
	NP_LIE(tail, 101, false, true),
	NP_LIE(ring, 1, true, true),
	NP_LIE(ring, 2, true, true),
	NP_LIE(ring, -1, true, true),
	NP_LIE(ring_id, 7, true, false),
	NP_LIE(rcap, -1, false, false),
	NP_LIE(lowat, -1, false, false),
	NP_LIE(wwait, -1, true, false),
	NP_LIE(wake, 1000, false, false),
	NP_LIE(ring_ack, 1, false, false),
	NP_LIE(gone, 0xff, false, false),
#undef NP_LIE
};

static void np_tfar_lie_desc(const struct np_tfar_lie *l, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s", l->name);
}

KUNIT_ARRAY_PARAM(np_tfar_lie, np_tfar_lies, np_tfar_lie_desc);

/* All that the honest side may be made to do. */
static void np_tfar_use(struct np_chan *tx, struct np_chan *rx, u8 *buf)
{
	struct np_chan *to = rx;

	np_test_write(tx, buf, 5000, np_chan_cap(tx, 212992));
	np_chan_used(tx);
	np_chan_used(rx);
	np_chan_gone(tx);
	np_chan_lowat(tx);
	np_chan_end_wait(rx);
	np_chan_avail(rx);
	np_chan_at_eof(rx);
	np_test_peek(rx, buf, 5000);
	np_test_read(&to, buf, 5000);
	np_far_wants_bytes(tx->far);
	np_far_settle(tx->far);
	np_far_shrink(tx->far);
	rcu_read_lock();
	np_far_signalled(tx->far);
	rcu_read_unlock();
}

/* A lie makes nobody read or write what is not theirs; one that cannot be true is told on. */
static void np_far_lies(struct kunit *test)
{
	const struct np_tfar_lie *l = test->param_value;
	struct np_tfar *f = np_tfar_open(test, 0);
	int liar = l->by_writer ? NP_CLIENT : NP_SERVER, honest = !liar;
	struct np_tstream s;
	__le32 *word;

	np_tfar_stream(test, f, &s);
	np_tstream_put(&s, 200);
	np_tstream_get(&s, 100);
	word = f->conn[liar]->far->own.addr + l->word;
	*word = cpu_to_le32(le32_to_cpu(*word) + l->add);
	rcu_read_lock();
	np_far_signalled(f->conn[honest]->far);
	rcu_read_unlock();
	np_tfar_use(&f->conn[honest]->chan[honest], &f->conn[honest]->chan[liar], s.buf);
	KUNIT_EXPECT_EQ_MSG(test, !!atomic_read(&f->nic[honest].cuts), l->cut, "%s", l->name);
	KUNIT_EXPECT_EQ(test, atomic_read(&f->nic[liar].cuts), 0);
	/* recv() does not look for what it will not get until the link is gone. */
	if (l->cut) {
		KUNIT_EXPECT_EQ(test, atomic_read(&f->nic[honest].cuts), 1);
		KUNIT_EXPECT_EQ(test, np_chan_avail(&f->conn[honest]->chan[liar]), (size_t)0);
	}
}

/* When the link is gone nobody looks at the other's memory, and nobody waits. */
static void np_far_bereft(struct kunit *test)
{
	struct np_tfar *f = np_tfar_open(test, 0);
	struct np_tstream s;

	np_tfar_stream(test, f, &s);
	np_tstream_put(&s, 1000);
	np_nic_peer_down(&f->nic[0].nic, 1);
	np_nic_peer_down(&f->nic[1].nic, 0);
	KUNIT_EXPECT_NULL(test, rcu_access_pointer(f->conn[0]->far->peer));
	KUNIT_EXPECT_NULL(test, rcu_access_pointer(f->conn[1]->far->peer));
	KUNIT_EXPECT_EQ(test, np_test_write(s.tx, s.buf, 10, s.cap), (ssize_t)-EPIPE);
	KUNIT_EXPECT_EQ(test, np_test_read(&s.rx, s.buf, 10), (ssize_t)0);
	KUNIT_EXPECT_EQ(test, np_chan_used(s.tx), 0U);
	KUNIT_EXPECT_EQ(test, np_chan_avail(s.rx), (size_t)0);
	np_far_flush();
	KUNIT_EXPECT_TRUE(test, f->conn[0]->end[0].events & NP_EV_RESET);
	KUNIT_EXPECT_TRUE(test, f->conn[1]->end[1].events & NP_EV_RESET);
}

/* The end of a stream, and a reset, come to the other side. */
static void np_far_ends(struct kunit *test)
{
	struct np_tfar *f = np_tfar_open(test, 0);
	struct np_tstream s;

	np_tfar_stream(test, f, &s);
	np_tstream_put(&s, 10);
	np_chan_finish(s.tx, NULL);
	np_conn_event(f->conn[NP_CLIENT], NP_SERVER, NP_EV_FIN);
	np_far_flush();
	KUNIT_EXPECT_EQ(test, f->conn[NP_SERVER]->end[NP_SERVER].events, (u8)NP_EV_FIN);
	KUNIT_EXPECT_FALSE(test, np_chan_at_eof(s.rx));
	np_tstream_get(&s, 10);
	KUNIT_EXPECT_TRUE(test, np_chan_at_eof(s.rx));
	np_conn_event(f->conn[NP_SERVER], NP_CLIENT, NP_EV_RESET);
	np_far_flush();
	KUNIT_EXPECT_EQ(test, f->conn[NP_CLIENT]->end[NP_CLIENT].events, (u8)NP_EV_RESET);
	KUNIT_EXPECT_EQ(test, np_chan_gone(s.tx), (u8)0);
	np_chan_reader_deafen(s.rx);
	KUNIT_EXPECT_EQ(test, np_chan_gone(s.tx), (u8)NP_GONE_DEAF);
}

/* Who has left writes nothing any more, though a socket has the channels still. Its memory is
 * given back when the other end has done with it, and used for something else then.
 */
static void np_far_leaves(struct kunit *test)
{
	struct np_tfar *f = np_tfar_open(test, 0);
	struct np_far *far = f->conn[NP_CLIENT]->far;
	struct np_far_words *words = far->own.addr;

	np_far_left(far);
	np_far_flush();
	KUNIT_EXPECT_EQ(test, np_tnic_pieces(&f->nic[0]), 1U);
	np_chan_reader_deafen(&f->conn[NP_CLIENT]->chan[NP_SERVER]);
	np_chan_set_reader(&f->conn[NP_CLIENT]->chan[NP_SERVER], 1234, 5);
	np_chan_finish(&f->conn[NP_CLIENT]->chan[NP_CLIENT], NULL);
	np_far_await_room(&f->conn[NP_CLIENT]->chan[NP_CLIENT], 1);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(words->gone), 0U);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(words->rcap), 212992U);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(words->end), 0U);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(words->wwait), 0U);
	np_nic_peer_down(&f->nic[0].nic, 1);
	np_nic_peer_down(&f->nic[1].nic, 0);
	np_far_flush();
	KUNIT_EXPECT_EQ(test, np_tnic_pieces(&f->nic[0]), 0U);
}

/* An end that its client's list does not have yet writes nothing: nobody could stop it. */
static void np_far_begins(struct kunit *test)
{
	struct np_tfar *f = test->priv;
	struct np_conn *conn = np_conn_alloc(&f->env.pool);
	struct np_far_words *words;

	KUNIT_ASSERT_NOT_NULL(test, conn);
	f->conn[NP_CLIENT] = conn;
	np_conn_get(conn);
	KUNIT_ASSERT_EQ(test, np_far_alloc(f->nic[0].nic.client, conn, NP_CLIENT), 0);
	words = conn->far->own.addr;
	np_chan_set_reader(&conn->chan[NP_SERVER], 5000, 7);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(words->rcap), 0U);
	KUNIT_ASSERT_TRUE(test, np_far_start(conn->far, 1));
	KUNIT_EXPECT_EQ(test, le32_to_cpu(words->rcap), 5000U);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(words->lowat), 7U);
}

static struct kunit_case np_far_cases[] = {
	KUNIT_CASE_PARAM(np_far_bytes, np_tfar_position_gen_params),
	KUNIT_CASE(np_far_rests),
	KUNIT_CASE(np_far_without_memory),
	KUNIT_CASE(np_far_signals),
	KUNIT_CASE_PARAM(np_far_lies, np_tfar_lie_gen_params),
	KUNIT_CASE(np_far_bereft),
	KUNIT_CASE(np_far_ends),
	KUNIT_CASE(np_far_leaves),
	KUNIT_CASE(np_far_begins),
	{ }
};

static struct kunit_suite np_far_suite = {
	.name = "newproto_far",
	.init = np_tfar_init,
	.exit = np_tfar_exit,
	.test_cases = np_far_cases,
};

kunit_test_suite(np_far_suite);
