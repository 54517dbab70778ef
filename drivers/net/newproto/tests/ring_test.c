// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of rings between two that are honest.
 */
#include "lib.h"

#define NPNIC_MAX	(NPNIC_TEST_RING - NPNIC_REC_HEAD)	/* the largest body at all */

/* Where rings are begun at: among others just before the data's end and before 2^32. */
static const u32 npnic_starts[] = {
	0, 16, NPNIC_TEST_RING - 16, NPNIC_TEST_RING - 32, NPNIC_TEST_RING - 48,
	0U - 16, 0U - 32, 0U - NPNIC_TEST_RING, 0U - NPNIC_TEST_RING + 16, 0x80000000U - 16,
};

static const u32 npnic_lens[] = {
	0, 1, 15, 16, 17, 31, 32, 33, 60, 496, 1514, 4096, 9000, 65535, NPNIC_FRAME_MAX,
	NPNIC_MAX - 1, NPNIC_MAX,
};

static void npnic_ring_fill(struct kunit *test)
{
	struct npnic_tring *r = npnic_tring_new(test, NPNIC_MAX);
	u32 s, l, len, size, sent, got, unread;

	for (s = 0; s < ARRAY_SIZE(npnic_starts); s++)
		for (l = 0; l < ARRAY_SIZE(npnic_lens); l++) {
			npnic_tring_at(r, npnic_starts[s]);
			size = 16 + ALIGN(npnic_lens[l], 16U);
			for (sent = 0; !npnic_tring_send(r, npnic_lens[l], sent); sent++)
				;
			KUNIT_EXPECT_EQ(test, sent, NPNIC_TEST_RING / size);
			KUNIT_EXPECT_EQ(test, npnic_tx_room(&r->tx, npnic_lens[l]), -EAGAIN);
			KUNIT_EXPECT_EQ(test, npnic_tring_recv(r, &len, 0), 0);
			npnic_tx_publish(&r->tx);
			KUNIT_EXPECT_EQ(test, npnic_tx_unread(&r->tx, &unread), 0);
			KUNIT_EXPECT_EQ(test, unread, sent * size);
			for (got = 0; npnic_tring_recv(r, &len, got) == 1; got++)
				KUNIT_EXPECT_EQ(test, len, npnic_lens[l]);
			KUNIT_EXPECT_EQ(test, got, sent);
			KUNIT_EXPECT_EQ(test, npnic_tx_room(&r->tx, npnic_lens[l]), -EAGAIN);
			npnic_rx_publish(&r->rx);
			KUNIT_EXPECT_EQ(test, npnic_tx_unread(&r->tx, &unread), 0);
			KUNIT_EXPECT_EQ(test, unread, 0U);
			KUNIT_EXPECT_EQ(test, npnic_tx_room(&r->tx, NPNIC_MAX), 0);
		}
}

/* A ring can be full to the last byte, and not a byte more. */
static void npnic_ring_exact(struct kunit *test)
{
	struct npnic_tring *r = npnic_tring_new(test, NPNIC_MAX);
	u32 s, len;

	for (s = 0; s < ARRAY_SIZE(npnic_starts); s++) {
		npnic_tring_at(r, npnic_starts[s]);
		KUNIT_EXPECT_EQ(test, npnic_tring_send(r, 1000, 1), 0);
		len = NPNIC_TEST_RING - (16 + 1008) - 16;
		KUNIT_EXPECT_EQ(test, npnic_tx_room(&r->tx, len + 1), -EAGAIN);
		KUNIT_EXPECT_EQ(test, npnic_tring_send(r, len, 2), 0);
		KUNIT_EXPECT_EQ(test, npnic_tx_room(&r->tx, 0), -EAGAIN);
		npnic_tx_publish(&r->tx);
		KUNIT_EXPECT_EQ(test, npnic_tring_recv(r, &len, 1), 1);
		KUNIT_EXPECT_EQ(test, npnic_tring_recv(r, &len, 2), 1);
		KUNIT_EXPECT_EQ(test, npnic_tring_recv(r, &len, 3), 0);
	}
	KUNIT_EXPECT_EQ(test, npnic_tx_room(&r->tx, NPNIC_MAX + 1), -EMSGSIZE);
	KUNIT_EXPECT_EQ(test, npnic_tx_room(&r->tx, ~0U), -EMSGSIZE);
}

/* Who is awake is not rung; who rests is, once. */
static void npnic_ring_consumer_bell(struct kunit *test)
{
	struct npnic_tring *r = npnic_tring_new(test, NPNIC_FRAME_MAX);
	u32 s, len;

	for (s = 0; s < ARRAY_SIZE(npnic_starts); s++) {
		npnic_tring_at(r, npnic_starts[s]);
		KUNIT_EXPECT_TRUE(test, npnic_rx_rest(&r->rx));
		KUNIT_EXPECT_FALSE(test, npnic_tx_publish(&r->tx));
		KUNIT_EXPECT_EQ(test, npnic_tring_send(r, 60, 0), 0);
		KUNIT_EXPECT_TRUE(test, npnic_tx_publish(&r->tx));
		KUNIT_EXPECT_FALSE(test, npnic_tx_publish(&r->tx));
		KUNIT_EXPECT_EQ(test, npnic_tring_send(r, 60, 1), 0);
		KUNIT_EXPECT_FALSE(test, npnic_tx_publish(&r->tx));
		KUNIT_EXPECT_FALSE(test, npnic_rx_rest(&r->rx));
		KUNIT_EXPECT_EQ(test, npnic_tring_recv(r, &len, 0), 1);
		KUNIT_EXPECT_FALSE(test, npnic_rx_rest(&r->rx));
		KUNIT_EXPECT_EQ(test, npnic_tring_recv(r, &len, 1), 1);
		npnic_rx_publish(&r->rx);
		KUNIT_EXPECT_TRUE(test, npnic_rx_rest(&r->rx));
		KUNIT_EXPECT_EQ(test, npnic_tring_send(r, 0, 2), 0);
		KUNIT_EXPECT_TRUE(test, npnic_tx_publish(&r->tx));
	}
}

/* Who waits for room is rung by the very record that makes it, and by no other. */
static void npnic_ring_producer_bell(struct kunit *test)
{
	struct npnic_tring *r = npnic_tring_new(test, NPNIC_MAX);
	u32 s, want, n, len;
	bool rung = false;

	for (s = 0; s < ARRAY_SIZE(npnic_starts); s++)
		for (want = 0; want <= 80 * 1024; want += 8 * 1024 - 5) {
			npnic_tring_at(r, npnic_starts[s]);
			for (n = 0; !npnic_tring_send(r, 1000, n); n++)
				;
			npnic_tx_publish(&r->tx);
			if (npnic_tx_room(&r->tx, want) == 0)
				continue;
			KUNIT_EXPECT_TRUE(test, npnic_tx_await(&r->tx, want));
			for (n = 0; npnic_tring_recv(r, &len, n) == 1; n++) {
				rung = npnic_rx_publish(&r->rx);
				if (rung || npnic_tx_room(&r->tx, want) == 0)
					break;
			}
			KUNIT_EXPECT_TRUE(test, rung);
			KUNIT_EXPECT_EQ(test, npnic_tx_room(&r->tx, want), 0);
			KUNIT_EXPECT_FALSE(test, npnic_tx_await(&r->tx, want));
		}
	/* More than there can be: until it is empty. */
	npnic_tring_at(r, 0);
	KUNIT_EXPECT_EQ(test, npnic_tring_send(r, 10, 0), 0);
	npnic_tx_publish(&r->tx);
	KUNIT_EXPECT_TRUE(test, npnic_tx_await(&r->tx, ~0U));
	KUNIT_EXPECT_TRUE(test, npnic_tx_await(&r->tx, NPNIC_MAX + 1));
	KUNIT_EXPECT_EQ(test, npnic_tring_recv(r, &len, 0), 1);
	KUNIT_EXPECT_TRUE(test, npnic_rx_publish(&r->rx));
	KUNIT_EXPECT_FALSE(test, npnic_tx_await(&r->tx, ~0U));
}

/* An index that somebody has written over is said again: no more than was published. */
static void npnic_ring_repeat(struct kunit *test)
{
	struct npnic_tring *r = npnic_tring_new(test, NPNIC_FRAME_MAX);
	u32 len;

	KUNIT_EXPECT_EQ(test, npnic_tring_send(r, 60, 0), 0);
	npnic_tx_publish(&r->tx);
	KUNIT_EXPECT_EQ(test, npnic_tring_send(r, 60, 1), 0);
	r->prod.index = 0;
	KUNIT_EXPECT_EQ(test, npnic_tring_recv(r, &len, 0), 0);
	npnic_tx_repeat(&r->tx);
	KUNIT_EXPECT_EQ(test, npnic_tring_recv(r, &len, 0), 1);
	KUNIT_EXPECT_EQ(test, npnic_tring_recv(r, &len, 1), 0);
	npnic_tx_publish(&r->tx);
	KUNIT_EXPECT_EQ(test, npnic_tring_recv(r, &len, 1), 1);
}

/* Records of all lengths, published now and then, over the wrap of the indices. */
static void npnic_ring_stream(struct kunit *test)
{
	struct npnic_tring *r = npnic_tring_new(test, NPNIC_FRAME_MAX);
	u64 seed = NPNIC_TEST_SEED;
	u32 sent = 0, got = 0, i, len;
	int ret = 0;

	npnic_tring_at(r, 0U - 40 * NPNIC_TEST_RING);
	for (i = 0; i < 20000 && ret >= 0; i++) {
		u32 what = npnic_test_random(&seed);

		len = npnic_test_random(&seed) % (what & 0x100 ? 200 : NPNIC_FRAME_MAX + 1);
		switch (what % 6) {
		case 0:
		case 1:
			if (!npnic_tring_send(r, len, sent))
				sent++;
			break;
		case 2:
			npnic_tx_publish(&r->tx);
			break;
		case 3:
		case 4:
			ret = npnic_tring_recv(r, &len, got);
			got += ret > 0;
			break;
		case 5:
			npnic_rx_publish(&r->rx);
			break;
		}
	}
	KUNIT_EXPECT_GE(test, ret, 0);
	KUNIT_EXPECT_GT(test, got, 1000U);
	KUNIT_EXPECT_LT(test, r->rx.tail, 0U - 40 * NPNIC_TEST_RING);
}

static struct kunit_case npnic_ring_cases[] = {
	KUNIT_CASE(npnic_ring_fill),
	KUNIT_CASE(npnic_ring_exact),
	KUNIT_CASE(npnic_ring_consumer_bell),
	KUNIT_CASE(npnic_ring_producer_bell),
	KUNIT_CASE(npnic_ring_repeat),
	KUNIT_CASE(npnic_ring_stream),
	{}
};

static struct kunit_suite npnic_ring_suite = {
	.name = "npnic_ring",
	.test_cases = npnic_ring_cases,
};

kunit_test_suite(npnic_ring_suite);
