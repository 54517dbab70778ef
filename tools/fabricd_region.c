// SPDX-License-Identifier: GPL-2.0-only
/*
 * newproto-fabricd: the shared memory, its header, and the board.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "fabricd.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL	8U
#endif

const char *size_text(uint64_t size, char text[SIZE_TEXT])
{
	static const char unit[] = "\0KMGTPE";
	unsigned int i = 0;

	while (size && !(size % 1024)) {
		size /= 1024;
		i++;
	}
	snprintf(text, SIZE_TEXT, "%llu%.1s", (unsigned long long)size, unit + i);
	return text;
}

/* Say why it does not fit, and what would. */
static void refuse(const struct settings *s, int bad)
{
	uint64_t least = npnic_layout_least(s->peers, s->queues, s->ring);
	char have[SIZE_TEXT], ring[SIZE_TEXT], want[SIZE_TEXT];

	if (bad != NPNIC_BAD_SPACE && bad != NPNIC_BAD_SIZE) {
		note("no layout for this: %s", npnic_layout_error(bad));
		return;
	}
	note("%s are too small for %u peers with %u queues and rings of %s%s: use --size %s",
	     size_text(s->size, have), s->peers, s->queues, s->ring ? "" : "at least ",
	     size_text(s->ring ? s->ring : NPNIC_RING_MIN, ring), size_text(least, want));
}

int region_layout(struct npnic_layout *l, const struct settings *s)
{
	int bad = npnic_layout_choose(l, s->size, s->peers, s->queues, s->ring);

	if (bad) {
		refuse(s, bad);
		return -1;
	}
	return 0;
}

void region_describe(const struct npnic_layout *l)
{
	char text[SIZE_TEXT];

	printf("size:     %s\n", size_text(l->size, text));
	printf("peers:    %u, %s for each\n", l->slots, size_text(l->area_size, text));
	printf("queues:   %u between each two peers and direction\n", l->queues);
	printf("ring:     %s for each queue\n", size_text(l->ring_size, text));
	printf("control:  %s between each two peers and direction\n", size_text(l->ctl_size, text));
	printf("direct:   %s for each peer, in at most %u exports\n",
	       size_text(l->direct_size, text), l->exports);
	printf("vectors:  %u (QEMU: -device ivshmem-doorbell,vectors=%u,...)\n",
	       NPNIC_VEC_QUEUE + l->queues, NPNIC_VEC_QUEUE + l->queues);
}

/* Nobody has to execute it. Kernels before 6.3 do not know how to say so. */
static int make_memfd(void)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create("newproto-fabric", flags | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("newproto-fabric", flags);
	return fd;
}

/* The size stays: a member that cut it off would have the others die of SIGBUS. */
int region_make(struct region *r)
{
	struct npnic_layout *l = &r->layout;
	char text[SIZE_TEXT];

	r->fd = make_memfd();
	if (r->fd < 0 || ftruncate(r->fd, l->size) ||
	    fcntl(r->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)) {
		note("cannot make shared memory of %s: %s", size_text(l->size, text),
		     strerror(errno));
		return -1;
	}
	/* Of all of it only the header and the board are touched here. */
	r->mem = mmap(NULL, l->area, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (r->mem == MAP_FAILED) {
		note("cannot map the shared memory: %s", strerror(errno));
		return -1;
	}
	if (getrandom(l->fabric, sizeof(l->fabric), 0) != sizeof(l->fabric)) {
		note("no random numbers: %s", strerror(errno));
		return -1;
	}
	npnic_layout_write(l, &r->head);
	memcpy(r->mem, &r->head, sizeof(r->head));
	return 0;
}

/* Show a slot as it is known here, where nobody else writes. */
static void show(struct region *r, unsigned int slot)
{
	struct npnic_board *board = npnic_board(&r->layout, r->mem);

	WRITE_ONCE(board->slot[slot].peer_id, r->board.slot[slot].peer_id);
	/* Who sees this state sees whose it is. */
	virt_store_release(&board->slot[slot].state, r->board.slot[slot].state);
}

static void change(struct region *r, unsigned int slot)
{
	struct npnic_board *board = npnic_board(&r->layout, r->mem);

	show(r, slot);
	r->board.count = cpu_to_le32(le32_to_cpu(r->board.count) + 1);
	/* Who sees this count sees what has changed. */
	virt_store_release(&board->count, r->board.count);
}

void region_join(struct region *r, unsigned int slot, uint32_t id)
{
	r->board.slot[slot].peer_id = cpu_to_le32(id);
	r->board.slot[slot].state = cpu_to_le32(NPNIC_BOARD_LIVE);
	change(r, slot);
}

void region_leave(struct region *r, unsigned int slot)
{
	r->board.slot[slot].state = cpu_to_le32(NPNIC_BOARD_DEAD);
	change(r, slot);
}

bool region_mend(struct region *r)
{
	struct npnic_board *board = npnic_board(&r->layout, r->mem);
	bool head = memcmp(r->mem, &r->head, sizeof(r->head));
	bool slots = memcmp(board, &r->board, sizeof(r->board));
	unsigned int i;

	if (head)
		memcpy(r->mem, &r->head, sizeof(r->head));
	if (slots) {
		for (i = 0; i < NPNIC_SLOTS_MAX; i++)
			change(r, i);
		memcpy(board, &r->board, sizeof(r->board));
	}
	return head || slots;
}
