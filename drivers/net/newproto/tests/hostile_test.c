// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of rings whose other side says what cannot be.
 */
#include "lib.h"

static const u32 npnic_starts[] = { 0, 4096, NPNIC_TEST_RING - 16, 0U - 16, 0U - 4096, 1U << 31 };

/* Offsets to try around an edge, and a few far off. */
static u32 npnic_try(u32 i, u32 edge, u64 *seed)
{
	if (i < 200)
		return edge - 100 + i;
	if (i < 232)
		return 1U << (i - 200);
	if (i < 264)
		return 0U - (1U << (i - 232));
	return npnic_test_random(seed) & (i & 1 ? ~15U : ~0U);
}

/* The consumer's index: only from where it was to what was published. */
static void npnic_hostile_tail(struct kunit *test)
{
	struct npnic_tring *r = npnic_tring_new(test, NPNIC_FRAME_MAX);
	u64 seed = NPNIC_TEST_SEED;
	u32 s, i, edge, base, d, unread;
	bool ok;

	for (s = 0; s < ARRAY_SIZE(npnic_starts); s++)
		for (edge = 0; edge < 3; edge++)
			for (i = 0; i < 600; i++) {
				base = npnic_starts[s];
				npnic_tring_at(r, base);
				npnic_tring_send(r, 1000, 0);
				npnic_tx_publish(&r->tx);
				npnic_tring_send(r, 1000, 0);	/* not to be seen yet */
				d = npnic_try(i, edge * 1024, &seed);
				ok = d <= 1024 && d % 16 == 0;
				r->cons.index = cpu_to_le32(base + d);
				KUNIT_EXPECT_EQ_MSG(test, npnic_tx_unread(&r->tx, &unread),
						    ok ? 0 : -EPROTO, "%u + %u", base, d);
				KUNIT_EXPECT_LE(test, unread, 1024U);
				KUNIT_EXPECT_LE(test, r->tx.head - r->tx.tail, r->tx.size);
				KUNIT_EXPECT_FALSE(test, npnic_tx_await(&r->tx, 0));
			}
}

/* It does not go back, and a full ring tells so as well. */
static void npnic_hostile_tail_back(struct kunit *test)
{
	struct npnic_tring *r = npnic_tring_new(test, NPNIC_FRAME_MAX);
	u32 n, unread;

	for (n = 0; !npnic_tring_send(r, 1008, n); n++)
		;
	npnic_tx_publish(&r->tx);
	r->cons.index = cpu_to_le32(2048);
	KUNIT_EXPECT_EQ(test, npnic_tx_unread(&r->tx, &unread), 0);
	r->cons.index = cpu_to_le32(2032);
	KUNIT_EXPECT_EQ(test, npnic_tx_unread(&r->tx, &unread), -EPROTO);
	KUNIT_EXPECT_EQ(test, npnic_tx_room(&r->tx, 60000), -EPROTO);
	KUNIT_EXPECT_FALSE(test, npnic_tx_await(&r->tx, 60000));
	r->cons.index = cpu_to_le32(2048);
	KUNIT_EXPECT_EQ(test, npnic_tx_room(&r->tx, 60000), -EAGAIN);
}

/* The producer's index: only onwards, and into room that it knows to be there. */
static void npnic_hostile_head(struct kunit *test)
{
	struct npnic_tring *r = npnic_tring_new(test, NPNIC_FRAME_MAX);
	static const u32 edges[] = { 0, 1024, NPNIC_TEST_RING, NPNIC_TEST_RING + 1024 };
	u64 seed = NPNIC_TEST_SEED;
	u32 s, i, edge, base, d, len;
	struct npnic_rec rec;
	bool ok;

	for (s = 0; s < ARRAY_SIZE(npnic_starts); s++)
		for (edge = 0; edge < ARRAY_SIZE(edges); edge++)
			for (i = 0; i < 600; i++) {
				base = npnic_starts[s];
				npnic_tring_at(r, base);
				npnic_tring_send(r, 1008, 0);
				npnic_tx_publish(&r->tx);
				KUNIT_EXPECT_EQ(test, npnic_tring_recv(r, &len, 0), 1);
				/* Consumed, and the producer does not know. */
				memset(r->data, 0, r->rx.size);
				d = npnic_try(i, edges[edge], &seed);
				ok = d >= 1024 && d <= r->rx.size && d % 16 == 0;
				r->prod.index = cpu_to_le32(base + d);
				KUNIT_EXPECT_EQ_MSG(test, npnic_rx_next(&r->rx, &rec, &len),
						    !ok ? -EPROTO : d > 1024, "%u + %u", base, d);
				KUNIT_EXPECT_EQ(test, npnic_rx_rest(&r->rx), d == 1024);
			}
}

/* Lengths of records: neither above what a body may have nor beyond what is there. */
static void npnic_hostile_len(struct kunit *test)
{
	struct npnic_tring *r = npnic_tring_new(test, NPNIC_FRAME_MAX);
	static const u32 there[] = { 16, 32, 512, 65584, 65600, NPNIC_TEST_RING };
	u64 seed = NPNIC_TEST_SEED;
	u32 s, t, i, edge, n, len, seen;
	struct npnic_rec rec;
	bool ok;

	for (s = 0; s < ARRAY_SIZE(npnic_starts); s++)
		for (t = 0; t < ARRAY_SIZE(there); t++)
			for (i = 0; i < 1200; i++) {
				npnic_tring_at(r, npnic_starts[s]);
				r->prod.index = cpu_to_le32(npnic_starts[s] + there[t]);
				edge = i < 600 ? there[t] - 16 : NPNIC_FRAME_MAX;
				n = npnic_try(i % 600, edge, &seed);
				rec = (struct npnic_rec) { .len = cpu_to_le32(n) };
				memcpy(r->data + npnic_starts[s] % NPNIC_TEST_RING, &rec, 16);
				ok = n <= NPNIC_FRAME_MAX && n <= there[t] - 16;
				KUNIT_EXPECT_EQ_MSG(test, npnic_rx_next(&r->rx, &rec, &len),
						    ok ? 1 : -EPROTO, "%u of %u", n, there[t]);
				if (!ok)
					continue;
				npnic_rx_copy(&r->rx, 0, r->buf, len);
				npnic_rx_consume(&r->rx, len);
				seen = r->rx.tail - npnic_starts[s];
				KUNIT_EXPECT_LE(test, seen, there[t]);
			}
}

/* Nonsense everywhere: whatever is found possible stays within the ring. */
static void npnic_hostile_random(struct kunit *test)
{
	struct npnic_tring *r = npnic_tring_new(test, NPNIC_FRAME_MAX);
	u64 seed = NPNIC_TEST_SEED;
	u32 i, n, len, got = 0;
	struct npnic_rec rec;

	for (i = 0; i < 20000; i++) {
		n = npnic_test_random(&seed);
		if (n % 64 == 0)
			npnic_tring_at(r, npnic_test_random(&seed) & ~15U);
		r->prod.index = cpu_to_le32(r->rx.tail + (npnic_test_random(&seed) & 0x1ffff));
		if (n & 1)
			r->prod.index &= cpu_to_le32(~15U);
		r->cons.index = cpu_to_le32(r->tx.tail + (npnic_test_random(&seed) & 0xfff));
		r->prod.event = cpu_to_le32(npnic_test_random(&seed));
		rec.len = cpu_to_le32(npnic_test_random(&seed) >> (n >> 8 & 31));
		memcpy(r->data + (r->rx.tail & (r->rx.size - 1)), &rec, sizeof(rec));
		npnic_tring_send(r, n >> 16, n);
		npnic_tx_publish(&r->tx);
		if (npnic_rx_next(&r->rx, &rec, &len) == 1) {
			npnic_rx_copy(&r->rx, 0, r->buf, len);
			npnic_rx_consume(&r->rx, len);
			got++;
		}
		npnic_rx_publish(&r->rx);
		npnic_rx_rest(&r->rx);
		npnic_tx_await(&r->tx, n);
		KUNIT_ASSERT_LE(test, r->tx.head - r->tx.tail, r->tx.size);
		KUNIT_ASSERT_LE(test, r->rx.head - r->rx.tail, r->rx.size);
	}
	KUNIT_EXPECT_GT(test, got, 100U);
}

static struct kunit_case npnic_hostile_cases[] = {
	KUNIT_CASE(npnic_hostile_tail),
	KUNIT_CASE(npnic_hostile_tail_back),
	KUNIT_CASE(npnic_hostile_head),
	KUNIT_CASE(npnic_hostile_len),
	KUNIT_CASE(npnic_hostile_random),
	{}
};

static struct kunit_suite npnic_hostile_suite = {
	.name = "npnic_hostile",
	.test_cases = npnic_hostile_cases,
};

kunit_test_suite(npnic_hostile_suite);
