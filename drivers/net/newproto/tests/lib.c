// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the tests of the leaves share.
 */
#include "lib.h"

/* The same numbers everywhere and each time. */
u32 npnic_test_random(u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state >> 16;
}

/* A ring at rest. Its memory goes with the test. */
struct npnic_tring *npnic_tring_new(struct kunit *test, u32 max)
{
	struct npnic_tring *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, r);
	r->data = kunit_kzalloc(test, NPNIC_TEST_RING, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, r->data);
	r->buf = kunit_kzalloc(test, NPNIC_TEST_RING, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, r->buf);
	npnic_tx_init(&r->tx, &r->prod, &r->cons, r->data, NPNIC_TEST_RING, max);
	npnic_rx_init(&r->rx, &r->cons, &r->prod, r->data, NPNIC_TEST_RING, max);
	return r;
}

/* As if @pos bytes had gone through it. */
void npnic_tring_at(struct npnic_tring *r, u32 pos)
{
	r->tx.head = pos;
	r->tx.published = pos;
	r->tx.tail = pos;
	r->rx.head = pos;
	r->rx.published = pos;
	r->rx.tail = pos;
	r->prod.index = cpu_to_le32(pos);
	r->cons.index = cpu_to_le32(pos);
	r->prod.event = cpu_to_le32(pos);
	r->cons.event = cpu_to_le32(pos);
}

static u8 npnic_tring_byte(u32 seed, u32 at)
{
	return seed * 31 + at + (at >> 8);
}

/* Send a record whose body follows from @seed, in two pieces. */
int npnic_tring_send(struct npnic_tring *r, u32 len, u32 seed)
{
	u8 meta[12] = { seed, [11] = seed >> 8 };
	int err = npnic_tx_room(&r->tx, len);
	u32 i, half = len / 3;

	if (err)
		return err;
	for (i = 0; i < len; i++)
		r->buf[i] = npnic_tring_byte(seed, i);
	npnic_tx_copy(&r->tx, half, r->buf + half, len - half);
	npnic_tx_copy(&r->tx, 0, r->buf, half);
	npnic_tx_commit(&r->tx, meta, len);
	return 0;
}

/* Receive one. 1; 0: none; -EPROTO; -EIO: it is not the one that was sent. */
int npnic_tring_recv(struct npnic_tring *r, u32 *len, u32 seed)
{
	struct npnic_rec rec;
	u32 i, half;
	int ret;

	ret = npnic_rx_next(&r->rx, &rec, len);
	if (ret <= 0)
		return ret;
	if (rec.meta[0] != (u8)seed || rec.meta[11] != (u8)(seed >> 8))
		return -EIO;
	half = *len / 2;
	memset(r->buf, 0, *len);
	npnic_rx_copy(&r->rx, half, r->buf + half, *len - half);
	npnic_rx_copy(&r->rx, 0, r->buf, half);
	for (i = 0; i < *len; i++)
		if (r->buf[i] != npnic_tring_byte(seed, i))
			return -EIO;
	npnic_rx_consume(&r->rx, *len);
	return 1;
}
