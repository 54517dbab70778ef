/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The layout of a fabric's shared memory. Documentation/networking/npnic-memory.rst
 * tells the whole of it, and who may write what.
 *
 * A leaf: knows neither devices nor the kernel; the fabric server and the tests in user
 * space are built from it, too. All numbers in shared memory are little-endian.
 */
#ifndef _NPNIC_LAYOUT_H
#define _NPNIC_LAYOUT_H

#include "pure.h"

#define NPNIC_MAGIC		"NPNICMEM"
#define NPNIC_VERSION		1

#define NPNIC_SLOTS_MIN		2
#define NPNIC_SLOTS_MAX		16
#define NPNIC_QUEUES_MAX	16
#define NPNIC_RING_MIN		(128U << 10)
#define NPNIC_RING_MAX		(4U << 20)
#define NPNIC_CTL_SIZE		(16U << 10)
#define NPNIC_EXPORTS_MIN	64U
#define NPNIC_EXPORTS_MAX	8192U
#define NPNIC_DIRECT_MIN	(512U << 10)
#define NPNIC_PAGE		4096U

/* Vectors of a device: what has changed, so who has to look. */
#define NPNIC_VEC_BOARD		0	/* the board, or a link's words */
#define NPNIC_VEC_CTL		1	/* a control ring, or a signal */
#define NPNIC_VEC_QUEUE		2	/* and up: frame rings of queue 0, 1, ... */

/**
 * struct npnic_head - what a region begins with
 *
 * Written once by the fabric server (for a pair by the driver), before anybody else has
 * the region; nobody writes to it afterwards. All that is not said here follows from it:
 * see npnic_layout_init().
 *
 * @magic: NPNIC_MAGIC
 * @version: NPNIC_VERSION
 * @len: bytes of this, which the checksum covers
 * @size: bytes of the region
 * @fabric: what the fabric is known by, random
 * @slots: how many members there is room for
 * @queues: frame rings between each two members and direction
 * @ring_size: bytes of a frame ring's data, a power of two
 * @ctl_size: bytes of a control ring's data, a power of two
 * @exports: entries of each member's export table, a multiple of 64
 * @reserved: 0
 * @checksum: CRC-32 (IEEE 802.3) of all before it
 */
struct npnic_head {
	__u8   magic[8];
	__le32 version;
	__le32 len;
	__le64 size;
	__u8   fabric[16];
	__le32 slots;
	__le32 queues;
	__le32 ring_size;
	__le32 ctl_size;
	__le32 exports;
	__u8   reserved[64];
	__le32 checksum;
};

/* What the board says of a slot. */
#define NPNIC_BOARD_FREE	0	/* nobody's yet */
#define NPNIC_BOARD_LIVE	1	/* @peer_id has it */
#define NPNIC_BOARD_DEAD	2	/* @peer_id had it, and is gone */

/**
 * struct npnic_board - who is there: the page that the fabric server alone writes
 * @count: grows with every change
 * @reserved: 0
 * @slot: by slot
 * @slot.peer_id: what QEMU's IVPosition says, which is never used a second time
 * @slot.state: NPNIC_BOARD_*; written after @slot.peer_id
 * @slot.reserved: 0
 */
struct npnic_board {
	__le32 count;
	__le32 reserved[15];
	struct {
		__le32 peer_id;
		__le32 state;
		__le32 reserved[2];
	} slot[NPNIC_SLOTS_MAX];
};

/**
 * struct npnic_words - one side's words of one ring: a cache line
 * @index: bytes ever written (the producer's) or read (the consumer's); wraps at 2^32
 * @event: wants a doorbell when the other side's index goes beyond this
 * @reserved: 0
 */
struct npnic_words {
	__le32 index;
	__le32 event;
	__u8   reserved[56];
};

/**
 * struct npnic_link - a member's words about one other member: begins a page
 *
 * Followed by the words of the rings: for the control ring, then for each queue, those as
 * producer and those as consumer; and by two bitmaps of one bit an export of the other's:
 * the signals to it, and those from it that are answered.
 *
 * @mine: what this side calls this life of the link: random, never 0, new with each reset
 * @ack: what the other side calls it, once all other words here are ready for that; or 0
 * @want: 1: wants a doorbell for signals; 0: is looking at them anyway
 * @reserved: 0
 */
struct npnic_link {
	__le32 mine;
	__le32 ack;
	__le32 want;
	__u8   reserved[52];
};

/**
 * struct npnic_export - an entry of an export table
 * @gen: odd while it stands for memory; grows by one with each change
 * @page: where, in pages of 4,096 bytes from the begin of the owner's direct space
 * @npages: how much
 * @reserved: 0
 */
struct npnic_export {
	__le32 gen;
	__le32 page;
	__le32 npages;
	__le32 reserved;
};

/**
 * struct npnic_slot - the first page of a member's area
 * @mac_lo: the first four bytes of its Ethernet address, the first one lowest
 * @mac_hi: the other two; one that is read half-changed only sends frames astray
 * @mtu: its MTU
 * @queues: how many it sends on
 * @stalls: how often it has found another one silent
 * @reserved: 0
 */
struct npnic_slot {
	__le32 mac_lo;
	__le32 mac_hi;
	__le32 mtu;
	__le32 queues;
	__le32 stalls;
	__u8   reserved[108];
};

/**
 * struct npnic_layout - where everything is, in the host's own numbers
 *
 * Immutable once made. Offsets are in bytes; those of members' areas are from the
 * begin of the area.
 *
 * @size: of the region
 * @slots: see struct npnic_head
 * @queues: the same
 * @ring_size: the same
 * @ctl_size: the same
 * @exports: the same
 * @fabric: the same
 * @board: from the region's begin
 * @area: the first member's area, from the region's begin
 * @area_size: of each area
 * @link: the first struct npnic_link
 * @link_size: from one to the next
 * @table: the export table
 * @ctl: the first control ring
 * @ring: the first frame ring: by other member, then by queue
 * @direct: direct space
 * @direct_size: of it
 */
struct npnic_layout {
	u64 size;
	u32 slots;
	u32 queues;
	u32 ring_size;
	u32 ctl_size;
	u32 exports;
	u8  fabric[16];
	u64 board;
	u64 area;
	u64 area_size;
	u64 link;
	u64 link_size;
	u64 table;
	u64 ctl;
	u64 ring;
	u64 direct;
	u64 direct_size;
};

/* Why a region is not ours: names for messages, by npnic_layout_error(). */
enum npnic_bad {
	NPNIC_OK,
	NPNIC_BAD_BLANK,	/* nothing but zeroes */
	NPNIC_BAD_MAGIC,
	NPNIC_BAD_VERSION,
	NPNIC_BAD_CHECKSUM,
	NPNIC_BAD_SIZE,		/* not the region's */
	NPNIC_BAD_SLOTS,
	NPNIC_BAD_QUEUES,
	NPNIC_BAD_RING,
	NPNIC_BAD_CTL,
	NPNIC_BAD_EXPORTS,
	NPNIC_BAD_SPACE,	/* too little direct space is left */
	NPNIC_BAD_NR
};

int npnic_layout_init(struct npnic_layout *l, u64 size, u32 slots, u32 queues,
		      u32 ring_size, u32 ctl_size, u32 exports);
int npnic_layout_choose(struct npnic_layout *l, u64 size, u32 slots, u32 queues,
			u32 ring_size);
u64 npnic_layout_least(u32 slots, u32 queues, u32 ring_size);
void npnic_layout_write(const struct npnic_layout *l, struct npnic_head *head);
int npnic_layout_read(struct npnic_layout *l, const void *mem, u64 size);
const char *npnic_layout_error(int bad);

/* Places. The caller has made sure that slots, queues and ids are in range. */
static inline void *npnic_area(const struct npnic_layout *l, void *mem, u32 slot)
{
	return (u8 *)mem + l->area + slot * l->area_size;
}

static inline struct npnic_board *npnic_board(const struct npnic_layout *l, void *mem)
{
	return (struct npnic_board *)((u8 *)mem + l->board);
}

/* What @slot says of @other. */
static inline struct npnic_link *npnic_link(const struct npnic_layout *l, void *mem,
					    u32 slot, u32 other)
{
	return (struct npnic_link *)((u8 *)npnic_area(l, mem, slot) + l->link +
				     other * l->link_size);
}

/* Ring 0 is the control ring, ring 1 + q that of queue q. */
static inline struct npnic_words *npnic_words(const struct npnic_layout *l, void *mem,
					      u32 slot, u32 other, u32 ring, bool consumer)
{
	struct npnic_link *link = npnic_link(l, mem, slot, other);

	return (struct npnic_words *)(link + 1) + 2 * ring + consumer;
}

/* The data of the ring from @slot to @other. */
static inline u8 *npnic_ring_data(const struct npnic_layout *l, void *mem, u32 slot,
				  u32 other, u32 ring)
{
	u8 *area = npnic_area(l, mem, slot);

	if (!ring)
		return area + l->ctl + (u64)other * l->ctl_size;
	return area + l->ring + ((u64)other * l->queues + ring - 1) * l->ring_size;
}

/* @slot's signals to @other; and, with @acks, what it has answered of @other's. */
static inline u64 *npnic_signals(const struct npnic_layout *l, void *mem, u32 slot,
				 u32 other, bool acks)
{
	u8 *words = (u8 *)npnic_words(l, mem, slot, other, 1 + l->queues, false);

	return (u64 *)(words + (acks ? l->exports / 8 : 0));
}

static inline struct npnic_export *npnic_table(const struct npnic_layout *l, void *mem,
					       u32 slot)
{
	return (struct npnic_export *)((u8 *)npnic_area(l, mem, slot) + l->table);
}

static inline u8 *npnic_direct(const struct npnic_layout *l, void *mem, u32 slot)
{
	return (u8 *)npnic_area(l, mem, slot) + l->direct;
}

#endif /* _NPNIC_LAYOUT_H */
