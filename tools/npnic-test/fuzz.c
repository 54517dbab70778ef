// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: a hostile other side, and hostile memory, for npnic's leaves. The input says
 * what is written where, and what is called in between; whatever the leaves find possible
 * has to be so. With FUZZ_MAIN a program of its own, which makes inputs up:
 *
 *	npnic-fuzz [SECONDS [SEED]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fuzz.h"
#include "layout.h"
#include "link.h"
#include "ring.h"

#define CHECK(what) do {						\
	if (!(what)) {							\
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);	\
		abort();						\
	}								\
} while (0)

#define RING_SIZE	(64U << 10)
#define RING_BODY	4096U

/* The input, of which there is always more: zeroes. */
struct input {
	const u8 *data;
	size_t len;
};

static u8 in_u8(struct input *in)
{
	if (!in->len)
		return 0;
	in->len--;
	return *in->data++;
}

static u32 in_u32(struct input *in)
{
	u32 v = in_u8(in);

	v |= (u32)in_u8(in) << 8;
	v |= (u32)in_u8(in) << 16;
	return v | (u32)in_u8(in) << 24;
}

/* An index: near to what it should be, mostly. */
static u32 in_index(struct input *in, u32 near)
{
	u8 how = in_u8(in);

	switch (how & 3) {
	case 0:
		return near + 16 * in_u8(in);
	case 1:
		return near + (how >> 2) * 2048;
	case 2:
		return near - 16 * in_u8(in) + (how & 4 ? 1 : 0);
	default:
		return in_u32(in);
	}
}

static void fuzz_places(const struct npnic_layout *l)
{
	u64 links = l->link + l->slots * l->link_size;
	u64 rings = l->ring + (u64)l->slots * l->queues * l->ring_size;
	u8 *mem = (u8 *)4096;	/* nothing is read from it */
	u8 *end;

	CHECK(l->slots >= 2 && l->slots <= 16 && l->queues && l->queues <= 16);
	CHECK(links <= l->table && l->table + 16ULL * l->exports <= l->ctl);
	CHECK(l->ctl + (u64)l->slots * l->ctl_size <= l->ring && rings <= l->direct);
	CHECK(l->direct + l->direct_size <= l->area_size);
	CHECK(l->area_size <= l->size / l->slots);
	CHECK(l->area + l->slots * l->area_size <= l->size);
	CHECK(l->direct_size % NPNIC_PAGE == 0 && l->direct_size >= NPNIC_DIRECT_MIN);
	/* The last signal's word is within the link. */
	end = (u8 *)(npnic_signals(l, mem, 1, l->slots - 1, true) + l->exports / 64);
	CHECK(end <= (u8 *)npnic_link(l, mem, 1, 0) + l->slots * l->link_size);
}

static void fuzz_layout(struct input *in)
{
	static u64 page[NPNIC_PAGE / 8];
	struct npnic_head *h = (struct npnic_head *)page;
	struct npnic_layout l;
	u64 size = 4096ULL << (in_u8(in) & 31);
	u32 slots, queues, ring_size;
	u8 how = in_u8(in);
	size_t i;

	for (i = 0; i < sizeof(*h); i++)
		((u8 *)page)[i] = in_u8(in);
	if (how & 1) {
		memcpy(h->magic, NPNIC_MAGIC, 8);
		h->version = cpu_to_le32(NPNIC_VERSION);
		h->len = cpu_to_le32(sizeof(*h));
		memset(h->reserved, 0, sizeof(h->reserved));
	}
	if (how & 2)
		h->size = cpu_to_le64(size);
	if (how & 4) {
		h->slots = cpu_to_le32(h->magic[0] % 20);
		h->queues = cpu_to_le32(how >> 4);
		h->ring_size = cpu_to_le32(1U << (in_u8(in) & 31));
		h->ctl_size = cpu_to_le32(1U << (in_u8(in) & 31));
		h->exports = cpu_to_le32(in_u8(in) * 64);
	}
	if (how & 8)
		h->checksum = cpu_to_le32(npnic_crc32(h, sizeof(*h) - 4));
	if (!npnic_layout_read(&l, page, size))
		fuzz_places(&l);

	slots = in_u8(in);
	queues = in_u8(in);
	ring_size = how & 16 ? in_u32(in) : how & 32 ? 1U << (in_u8(in) & 31) : 0;
	size = how & 64 ? size : (u64)in_u32(in) * in_u32(in);
	if (!npnic_layout_choose(&l, size, slots, queues, ring_size)) {
		fuzz_places(&l);
		size = npnic_layout_least(slots, queues, ring_size);
		CHECK(size && size / 2 < l.size);
		CHECK(!npnic_layout_choose(&l, size, slots, queues, ring_size));
	}
}

static void fuzz_ring(struct input *in)
{
	static u8 body[RING_BODY];
	struct npnic_words own[2], peer[2];
	u8 *tx_data = malloc(RING_SIZE);
	u8 *rx_data = calloc(1, RING_SIZE);
	u32 at = in_index(in, 0) & ~15U, len, unread, before;
	struct npnic_rec rec;
	struct npnic_tx tx;
	struct npnic_rx rx;

	memset(peer, 0, sizeof(peer));
	npnic_tx_init(&tx, &own[0], &peer[0], tx_data, RING_SIZE, RING_BODY);
	npnic_rx_init(&rx, &own[1], &peer[1], rx_data, RING_SIZE, RING_BODY);
	tx.head = at;
	tx.published = at;
	tx.tail = at;
	rx.head = at;
	rx.published = at;
	rx.tail = at;
	while (in->len) {
		switch (in_u8(in) % 12) {
		case 0:
			peer[0].index = cpu_to_le32(in_index(in, tx.tail));
			break;
		case 1:
			peer[1].index = cpu_to_le32(in_index(in, rx.head));
			break;
		case 2:
			peer[0].event = cpu_to_le32(in_index(in, tx.head));
			peer[1].event = cpu_to_le32(in_index(in, rx.tail));
			break;
		case 3:
			len = in_index(in, 0);
			rec.len = cpu_to_le32(len);
			memcpy(rx_data + (rx.tail & (RING_SIZE - 1)), &rec, sizeof(rec));
			break;
		case 4:
		case 5:
			len = in_u32(in) & (in_u8(in) & 1 ? 0xfff : 0xffffffff);
			if (npnic_tx_room(&tx, len))
				break;
			CHECK(len <= RING_BODY);
			npnic_tx_copy(&tx, len / 2, body, len - len / 2);
			npnic_tx_copy(&tx, 0, body, len / 2);
			npnic_tx_commit(&tx, NULL, len);
			break;
		case 6:
			if (in_u8(in) & 1)
				npnic_tx_repeat(&tx);
			npnic_tx_publish(&tx);
			break;
		case 7:
			npnic_tx_await(&tx, in_u32(in));
			break;
		case 8:
			npnic_tx_unread(&tx, &unread);
			CHECK(unread <= RING_SIZE);
			break;
		case 9:
		case 10:
			before = rx.head - rx.tail;
			if (npnic_rx_next(&rx, &rec, &len) != 1)
				break;
			CHECK(len <= RING_BODY && len + 16 <= max(before, rx.head - rx.tail));
			npnic_rx_copy(&rx, 0, body, len / 3);
			npnic_rx_copy(&rx, len / 3, body + len / 3, len - len / 3);
			npnic_rx_consume(&rx, len);
			break;
		case 11:
			npnic_rx_publish(&rx);
			npnic_rx_rest(&rx);
			break;
		}
		CHECK(tx.head - tx.tail <= RING_SIZE && tx.published - tx.tail <= RING_SIZE);
		CHECK(rx.head - rx.published <= RING_SIZE && rx.tail - rx.published <= RING_SIZE);
		CHECK(rx.head - rx.tail <= RING_SIZE && !((tx.tail | rx.head | rx.tail) & 15));
	}
	free(tx_data);
	free(rx_data);
}

static void fuzz_link(struct input *in)
{
	struct npnic_layout l = { .exports = 128, .direct_size = 64 * NPNIC_PAGE };
	struct npnic_export *table = calloc(l.exports, sizeof(*table));
	struct npnic_link word[2];
	struct npnic_life life = { .own = &word[0], .peer = &word[1] };
	u64 bits[4][2], off;
	struct npnic_flags f = {
		.own = &word[0], .peer = &word[1], .send = bits[0], .sent_acks = bits[1],
		.recv = bits[2], .recv_acks = bits[3], .n = 128,
	};
	u32 names = 0, id, len;

	memset(word, 0, sizeof(word));
	memset(bits, 0, sizeof(bits));
	npnic_flags_reset(&f);
	while (in->len) {
		id = in_u8(in);
		switch (in_u8(in) % 10) {
		case 0:
			((u8 *)&word[1])[id % 12] = in_u8(in);
			break;
		case 1:
			word[1].mine = cpu_to_le32(in_u8(in) & 3);
			word[1].ack = cpu_to_le32(names - (in_u8(in) & 1));
			break;
		case 2:
			if (npnic_life_look(&life) == NPNIC_NEWS_LOST)
				npnic_life_end(&life);
			break;
		case 3:
			npnic_life_begin(&life, ++names);
			break;
		case 4:
			bits[id & 3][in_u8(in) & 1] ^= (u64)in_u32(in) << (id & 31);
			break;
		case 5:
			npnic_flag_raise(&f, id % 128);
			break;
		case 6:
			if (npnic_flags_take(&f, id & 1))
				CHECK(!npnic_flags_take(&f, id & 1));
			break;
		case 7:
			npnic_flags_rest(&f);
			break;
		case 8:
			((u8 *)&table[id & 127])[in_u8(in) & 15] = in_u8(in);
			break;
		case 9:
			if (id & 1) {
				npnic_export_set(&table[id & 127], in_u32(in), in_u8(in));
			} else if (!npnic_export_get(&l, table, in_u8(in), in_u8(in), &off,
						     &len)) {
				CHECK(len && off <= l.direct_size && len <= l.direct_size - off);
			}
			break;
		}
		CHECK(life.state != NPNIC_LINK_UP || life.theirs);
	}
	free(table);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	struct input in = { data, len };

	switch (in_u8(&in) % 3) {
	case 0:
		fuzz_layout(&in);
		break;
	case 1:
		fuzz_ring(&in);
		break;
	case 2:
		fuzz_link(&in);
		break;
	}
	return 0;
}

#ifdef FUZZ_MAIN
static u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	u64 until = now_ms() + 1000 * (argc > 1 ? strtoul(argv[1], NULL, 0) : 5);
	u64 seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 0x9e3779b97f4a7c15ULL;
	unsigned long runs = 0;
	u8 data[1024];
	size_t i, len;

	printf("TAP version 13\n1..1\n");
	fflush(stdout);
	while (now_ms() < until) {
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		len = (seed >> 33) % sizeof(data);
		for (i = 0; i < len; i++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			data[i] = seed >> 24;
		}
		LLVMFuzzerTestOneInput(data, len);
		runs++;
	}
	printf("# %lu inputs\nok 1 - fuzz\n", runs);
	return 0;
}
#endif
