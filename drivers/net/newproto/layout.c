// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where everything is in a fabric's shared memory. All offsets follow from the few numbers
 * of the head, so that there is nothing else that could be wrong: see layout.h.
 */
#include "layout.h"

#define NPNIC_SIZE_MAX		(1024ULL << 30)
#define NPNIC_CTL_MIN		NPNIC_PAGE
#define NPNIC_CTL_MAX		(1024U << 10)
#define NPNIC_RING_USUAL	(1024U << 10)	/* larger ones only on demand */
#define NPNIC_EXPORT_USUAL	4096

static_assert(sizeof(struct npnic_head) == 128);
static_assert(offsetof(struct npnic_head, checksum) == 124);
static_assert(sizeof(struct npnic_board) == 64 + 16 * NPNIC_SLOTS_MAX);
static_assert(sizeof(struct npnic_board) <= NPNIC_PAGE);
static_assert(sizeof(struct npnic_words) == 64);
static_assert(sizeof(struct npnic_link) == 64);
static_assert(sizeof(struct npnic_export) == 16);
static_assert(sizeof(struct npnic_slot) == 128);

/* Are the numbers that do not depend on the region's size possible? */
static int npnic_layout_check(u32 slots, u32 queues, u32 ring_size, u32 ctl_size, u32 exports)
{
	if (slots < NPNIC_SLOTS_MIN || slots > NPNIC_SLOTS_MAX)
		return NPNIC_BAD_SLOTS;
	if (!queues || queues > NPNIC_QUEUES_MAX)
		return NPNIC_BAD_QUEUES;
	if (ring_size < NPNIC_RING_MIN || ring_size > NPNIC_RING_MAX || !is_power_of_2(ring_size))
		return NPNIC_BAD_RING;
	if (ctl_size < NPNIC_CTL_MIN || ctl_size > NPNIC_CTL_MAX || !is_power_of_2(ctl_size))
		return NPNIC_BAD_CTL;
	if (exports < NPNIC_EXPORTS_MIN || exports > NPNIC_EXPORTS_MAX || exports % 64)
		return NPNIC_BAD_EXPORTS;
	return NPNIC_OK;
}

/* Bytes of each area, or 0. */
static u64 npnic_layout_area(u64 size, u32 slots)
{
	if (size < 2 * NPNIC_PAGE || size > NPNIC_SIZE_MAX || !IS_ALIGNED(size, NPNIC_PAGE))
		return 0;
	return ALIGN_DOWN(div_u64(size - 2 * NPNIC_PAGE, slots), (u64)NPNIC_PAGE);
}

/**
 * npnic_layout_init - compute where everything is
 * @l: the layout; untouched if an error is returned. Its @fabric is 0: the caller's to set
 * @size: bytes of the region, a multiple of NPNIC_PAGE
 * @slots: NPNIC_SLOTS_MIN to NPNIC_SLOTS_MAX
 * @queues: 1 to NPNIC_QUEUES_MAX
 * @ring_size: bytes, a power of two from NPNIC_RING_MIN to NPNIC_RING_MAX
 * @ctl_size: bytes, a power of two from 4 KiB to 1 MiB
 * @exports: a multiple of 64 from NPNIC_EXPORTS_MIN to NPNIC_EXPORTS_MAX
 *
 * Context: any.
 * Return: 0, or why not: an enum npnic_bad (which is positive).
 */
int npnic_layout_init(struct npnic_layout *l, u64 size, u32 slots, u32 queues,
		      u32 ring_size, u32 ctl_size, u32 exports)
{
	struct npnic_layout new = {
		.size = size, .slots = slots, .queues = queues, .ring_size = ring_size,
		.ctl_size = ctl_size, .exports = exports,
	};
	int bad;

	bad = npnic_layout_check(slots, queues, ring_size, ctl_size, exports);
	if (bad)
		return bad;
	new.area_size = npnic_layout_area(size, slots);
	if (!new.area_size)
		return NPNIC_BAD_SIZE;
	new.board = NPNIC_PAGE;
	new.area = 2 * NPNIC_PAGE;

	new.link = NPNIC_PAGE;
	new.link_size = ALIGN(sizeof(struct npnic_link) +
			      (1 + queues) * 2 * sizeof(struct npnic_words) +
			      2 * (exports / 8), (u64)NPNIC_PAGE);
	new.table = new.link + slots * new.link_size;
	new.ctl = new.table + ALIGN(exports * sizeof(struct npnic_export), (u64)NPNIC_PAGE);
	new.ring = new.ctl + (u64)slots * ctl_size;
	new.direct = new.ring + (u64)slots * queues * ring_size;
	/* All of these are below 2^32: only now is there anything of the region's size. */
	if (new.area_size < new.direct + NPNIC_DIRECT_MIN)
		return NPNIC_BAD_SPACE;
	new.direct_size = new.area_size - new.direct;
	*l = new;
	return NPNIC_OK;
}

/* The largest usual ring of which all together take at most half of an area, or 0. */
static u32 npnic_layout_ring(u64 size, u32 slots, u32 queues)
{
	u64 half = npnic_layout_area(size, slots) / 2;
	u32 ring_size;

	for (ring_size = NPNIC_RING_USUAL; ring_size >= NPNIC_RING_MIN; ring_size /= 2)
		if ((u64)slots * queues * ring_size <= half)
			return ring_size;
	return 0;
}

/**
 * npnic_layout_choose - compute a layout, and what need not be said
 * @l: the layout; untouched if an error is returned. Its @fabric is 0: the caller's to set
 * @size: bytes of the region
 * @slots: members
 * @queues: of each
 * @ring_size: bytes of each frame ring; 0: as large as is sensible
 *
 * Context: any.
 * Return: 0, or why not: an enum npnic_bad (which is positive).
 */
int npnic_layout_choose(struct npnic_layout *l, u64 size, u32 slots, u32 queues,
			u32 ring_size)
{
	struct npnic_layout new;
	u64 exports;
	int bad;

	bad = npnic_layout_check(slots, queues, ring_size ? ring_size : NPNIC_RING_MIN,
				 NPNIC_CTL_SIZE, NPNIC_EXPORTS_MIN);
	if (bad)
		return bad;
	if (!npnic_layout_area(size, slots))
		return NPNIC_BAD_SIZE;
	if (!ring_size)
		ring_size = npnic_layout_ring(size, slots, queues);
	if (!ring_size)
		return NPNIC_BAD_SPACE;
	/* How much direct space there is with the smallest table tells which table it needs. */
	bad = npnic_layout_init(&new, size, slots, queues, ring_size, NPNIC_CTL_SIZE,
				NPNIC_EXPORTS_MIN);
	if (bad)
		return bad;
	exports = clamp(new.direct_size / NPNIC_EXPORT_USUAL, (u64)NPNIC_EXPORTS_MIN,
			(u64)NPNIC_EXPORTS_MAX);
	exports = rounddown_pow_of_two((unsigned long)exports);
	while (npnic_layout_init(l, size, slots, queues, ring_size, NPNIC_CTL_SIZE, exports)) {
		if (exports == NPNIC_EXPORTS_MIN)
			return NPNIC_BAD_SPACE;
		exports /= 2;
	}
	return NPNIC_OK;
}

/**
 * npnic_layout_least - how large a region has to be
 * @slots: members
 * @queues: of each
 * @ring_size: bytes of each frame ring; 0: whatever fits
 *
 * Context: any.
 * Return: bytes, the smallest power of two that npnic_layout_choose() takes; 0: none does.
 */
u64 npnic_layout_least(u32 slots, u32 queues, u32 ring_size)
{
	struct npnic_layout l;
	u64 size;

	for (size = NPNIC_PAGE; size <= NPNIC_SIZE_MAX; size *= 2)
		if (!npnic_layout_choose(&l, size, slots, queues, ring_size))
			return size;
	return 0;
}

/**
 * npnic_layout_write - make the head that says a layout
 * @l: the layout, its @fabric included
 * @head: where to
 *
 * Context: any. Nobody else has the region yet.
 */
void npnic_layout_write(const struct npnic_layout *l, struct npnic_head *head)
{
	struct npnic_head h = {
		.version = cpu_to_le32(NPNIC_VERSION),
		.len = cpu_to_le32(sizeof(h)),
		.size = cpu_to_le64(l->size),
		.slots = cpu_to_le32(l->slots),
		.queues = cpu_to_le32(l->queues),
		.ring_size = cpu_to_le32(l->ring_size),
		.ctl_size = cpu_to_le32(l->ctl_size),
		.exports = cpu_to_le32(l->exports),
	};

	memcpy(h.magic, NPNIC_MAGIC, sizeof(h.magic));
	memcpy(h.fabric, l->fabric, sizeof(h.fabric));
	h.checksum = cpu_to_le32(npnic_crc32(&h, offsetof(struct npnic_head, checksum)));
	memcpy(head, &h, sizeof(h));
}

/* A head as copied out of the region: does it speak of what this version knows? */
static int npnic_head_check(const struct npnic_head *h)
{
	static const u8 reserved[sizeof(h->reserved)];
	u32 sum;

	if (memcmp(h->magic, NPNIC_MAGIC, sizeof(h->magic)))
		return NPNIC_BAD_MAGIC;
	if (le32_to_cpu(h->version) != NPNIC_VERSION || le32_to_cpu(h->len) != sizeof(*h))
		return NPNIC_BAD_VERSION;
	sum = npnic_crc32(h, offsetof(struct npnic_head, checksum));
	if (le32_to_cpu(h->checksum) != sum)
		return NPNIC_BAD_CHECKSUM;
	return memcmp(h->reserved, reserved, sizeof(reserved)) ? NPNIC_BAD_VERSION : NPNIC_OK;
}

/* Whether the first page has only zeroes from the given word on. */
static bool npnic_page_blank(const u64 *page, u32 word)
{
	for (; word < NPNIC_PAGE / sizeof(*page); word++)
		if (READ_ONCE(page[word]))
			return false;
	return true;
}

/**
 * npnic_layout_read - learn a region's layout from its head
 * @l: the layout; untouched if an error is returned
 * @mem: the region, aligned to 8 bytes. Nothing is written to it
 * @size: bytes of it
 *
 * The head is read once; what is checked is what is used.
 *
 * Context: any.
 * Return: 0, or why not: an enum npnic_bad (which is positive).
 */
int npnic_layout_read(struct npnic_layout *l, const void *mem, u64 size)
{
	union {
		struct npnic_head head;
		u64 word[sizeof(struct npnic_head) / sizeof(u64)];
	} copy;
	const struct npnic_head *h = &copy.head;
	const u64 *page = mem;
	struct npnic_layout new;
	u64 any = 0;
	u32 i;
	int bad;

	if (size < NPNIC_PAGE)
		return NPNIC_BAD_SIZE;
	for (i = 0; i < ARRAY_SIZE(copy.word); i++) {
		copy.word[i] = READ_ONCE(page[i]);
		any |= copy.word[i];
	}
	if (!any && npnic_page_blank(page, i))
		return NPNIC_BAD_BLANK;
	bad = npnic_head_check(h);
	if (bad)
		return bad;
	if (le64_to_cpu(h->size) != size)
		return NPNIC_BAD_SIZE;
	bad = npnic_layout_init(&new, size, le32_to_cpu(h->slots), le32_to_cpu(h->queues),
				le32_to_cpu(h->ring_size), le32_to_cpu(h->ctl_size),
				le32_to_cpu(h->exports));
	if (bad)
		return bad;
	memcpy(new.fabric, h->fabric, sizeof(new.fabric));
	*l = new;
	return NPNIC_OK;
}

static const char * const npnic_bad_names[NPNIC_BAD_NR] = {
	[NPNIC_OK] = "nothing is wrong",
	[NPNIC_BAD_BLANK] = "it is blank",
	[NPNIC_BAD_MAGIC] = "no fabric's header",
	[NPNIC_BAD_VERSION] = "another version of the format",
	[NPNIC_BAD_CHECKSUM] = "wrong checksum of the header",
	[NPNIC_BAD_SIZE] = "wrong size of the region",
	[NPNIC_BAD_SLOTS] = "wrong number of slots",
	[NPNIC_BAD_QUEUES] = "wrong number of queues",
	[NPNIC_BAD_RING] = "wrong size of frame rings",
	[NPNIC_BAD_CTL] = "wrong size of control rings",
	[NPNIC_BAD_EXPORTS] = "wrong number of exports",
	[NPNIC_BAD_SPACE] = "the region is too small for them",
};

/**
 * npnic_layout_error - say what is wrong
 * @bad: enum npnic_bad
 *
 * Context: any.
 * Return: words for a message, static.
 */
const char *npnic_layout_error(int bad)
{
	if (bad < 0 || bad >= NPNIC_BAD_NR)
		return "unknown error";
	return npnic_bad_names[bad];
}
