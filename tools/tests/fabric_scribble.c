// SPDX-License-Identifier: GPL-2.0-only
/*
 * fabric_scribble own|any FUNCTION SECONDS [SEED]: what a hostile member of a fabric does, in
 * one of its machines. FUNCTION is the directory of the PCI function in sysfs.
 *
 * "own" writes only to the member's own area: values that cannot be, and some that can, for
 * everything that the format has a name for. "any" writes those in the areas of all, and
 * anything anywhere. Both ring the doorbells of all that are there.
 *
 * fabric_scribble serve|ask DEVICE ADDRESS PORT: who suffers from it. One answers, connection
 * after connection, with what it is sent; the other asks it once, within 5 seconds.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/newproto.h>

#include "../../drivers/net/newproto/ring.h"

#define REG_ID		2	/* registers of ivshmem, in words */
#define REG_DOORBELL	3
#define BATCH		64	/* writes between two rounds of doorbells */
#define PAUSE_US	2000
#define ASKED		200000U	/* bytes: more than a ring has at first */

static struct npnic_layout l;
static u8 *mem;
static volatile u32 *regs;
static u32 own;			/* slot */
static bool everywhere;
static u64 random_state;

static u32 any(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state >> 16;
}

static u32 below(u32 n)
{
	return any() % n;
}

static void put(__le32 *word, u32 value)
{
	WRITE_ONCE(*word, cpu_to_le32(value));
}

static u32 get(const __le32 *word)
{
	return le32_to_cpu(READ_ONCE(*word));
}

/* A number that somebody may have forgotten to think of, @near what is right. */
static u32 crafted(u32 near)
{
	switch (below(8)) {
	case 0:
		return 0;
	case 1:
		return ~0U;
	case 2:
		return near + 16;
	case 3:
		return near - 16;
	case 4:
		return near + below(2 * l.ring_size);
	case 5:
		return near ^ 1U << below(32);
	case 6:
		return 1U << below(32);
	default:
		return any();
	}
}

static u32 other_than(u32 slot)
{
	return (slot + 1 + below(l.slots - 1)) % l.slots;
}

/* --- what a member may write, each for one other member -------------------------------------- */

static void scribble_life(u32 slot, u32 to)
{
	struct npnic_link *link = npnic_link(&l, mem, slot, to);
	struct npnic_link *theirs = npnic_link(&l, mem, to, slot);

	switch (below(3)) {
	case 0:
		put(&link->mine, below(2) ? crafted(get(&link->mine)) : get(&theirs->mine));
		break;
	case 1:
		put(&link->ack, below(2) ? crafted(get(&link->ack)) : get(&theirs->mine));
		break;
	default:
		put(&link->want, crafted(1));
	}
}

static void scribble_words(u32 slot, u32 to)
{
	u32 ring = below(1 + l.queues);
	bool consumer = below(2);
	struct npnic_words *words = npnic_words(&l, mem, slot, to, ring, consumer);
	struct npnic_words *theirs = npnic_words(&l, mem, to, slot, ring, !consumer);

	if (below(2))
		put(&words->index, crafted(get(below(2) ? &words->index : &theirs->index)));
	else
		put(&words->event, crafted(get(&theirs->index)));
}

/* A record that can be seen, as it should be but for its length, or its contents. */
static void scribble_record(u32 slot, u32 to)
{
	static const u32 lens[] = { 0, 1, 13, 14, 60, 1514, 65568, 65569, 1U << 31, ~0U };
	u32 ring = below(1 + l.queues);
	u32 size = ring ? l.ring_size : l.ctl_size;
	struct npnic_words *words = npnic_words(&l, mem, slot, to, ring, false);
	u32 len = below(2) ? lens[below(ARRAY_SIZE(lens))] : below(2000);
	u32 head = get(&words->index) & ~15U;
	u8 *data = npnic_ring_data(&l, mem, slot, to, ring);
	struct npnic_rec rec = { .len = cpu_to_le32(len) };
	u32 i;

	for (i = 0; i < sizeof(rec.meta); i++)
		rec.meta[i] = below(3) ? below(8) : any();
	memcpy(data + head % size, &rec, sizeof(rec));
	for (i = 16; i < 96; i++)
		data[(head + i) % size] = any();
	/* Of messages most look like what the family says. */
	if (!ring && below(4)) {
		memcpy(data + (head + 16) % size, "NPRF\1", 5);
		data[(head + 16) % size + 5] = below(6);
	}
	put(&words->index, head + 16 + (len > size ? below(3) * 16 : (len + 15) & ~15U));
}

static void scribble_export(u32 slot, u32 to)
{
	struct npnic_export *e = npnic_table(&l, mem, slot) + below(below(4) ? 16 : l.exports);

	(void)to;
	put(&e->gen, below(2) ? get(&e->gen) | 1 : crafted(get(&e->gen)));
	put(&e->page, crafted(l.direct_size / NPNIC_PAGE));
	put(&e->npages, crafted(l.direct_size / NPNIC_PAGE));
}

static void scribble_signal(u32 slot, u32 to)
{
	u64 *word = npnic_signals(&l, mem, slot, to, below(2));

	WRITE_ONCE(word[below(l.exports / 64)], (u64)any() << 32 | any());
}

/* What channels say in their memory is in its first bytes. */
static void scribble_direct(u32 slot, u32 to)
{
	u32 *page = (u32 *)(npnic_direct(&l, mem, slot) +
			    (u64)below(below(4) ? 16 : l.direct_size / NPNIC_PAGE) * NPNIC_PAGE);
	u32 i = below(below(4) ? 64 : NPNIC_PAGE / 4);

	(void)to;
	WRITE_ONCE(page[i], crafted(page[i]));
}

/* One who claims another one's address gets what is sent to that. */
static void scribble_slot(u32 slot, u32 to)
{
	struct npnic_slot *page = npnic_area(&l, mem, slot);
	struct npnic_slot *theirs = npnic_area(&l, mem, to);
	bool claim = everywhere && below(2);

	put(&page->mac_lo, claim ? get(&theirs->mac_lo) : any());
	put(&page->mac_hi, claim ? get(&theirs->mac_hi) : any());
	put(&page->mtu, any());
	put(&page->queues, any());
}

static void scribble_as(u32 slot)
{
	static void (* const kinds[])(u32 slot, u32 to) = {
		scribble_words, scribble_record, scribble_export, scribble_signal,
		scribble_direct, scribble_slot,
	};

	/* Who looks at a link that has ended sees nothing else. */
	if (below(64))
		kinds[below(ARRAY_SIZE(kinds))](slot, other_than(slot));
	else
		scribble_life(slot, other_than(slot));
}

/* --- what no member may --------------------------------------------------------------------- */

static void scribble_anywhere(void)
{
	u64 at = ((u64)any() << 32 | any()) % l.size;
	u32 len = 1 + below(512), i;

	/* Half of it where all the words are, and some where the server's are. */
	switch (below(8)) {
	case 0:
		at %= l.area;
		len = 4;
		break;
	case 1 ... 4:
		at = l.area + below(l.slots) * l.area_size + at % l.ring;
		break;
	}
	for (i = 0; i < len && at + i < l.size; i++)
		mem[at + i] = any();
}

static void ring_all(void)
{
	struct npnic_board *board = npnic_board(&l, mem);
	u32 slot;

	for (slot = 0; slot < l.slots; slot++)
		if (slot != own)
			regs[REG_DOORBELL] = (get(&board->slot[slot].peer_id) & 0xffff) << 16 |
					     below(2 + l.queues);
}

static void scribble(unsigned int seconds)
{
	time_t end = time(NULL) + seconds;
	unsigned long n = 0;
	int i;

	while (time(NULL) < end) {
		for (i = 0; i < BATCH; i++, n++) {
			if (!everywhere)
				scribble_as(own);
			else if (below(2))
				scribble_as(below(l.slots));
			else
				scribble_anywhere();
		}
		ring_all();
		usleep(below(PAUSE_US));
	}
	printf("%lu writes\n", n);
}

static void *map(const char *function, const char *name, u64 *size)
{
	char path[256];
	struct stat st;
	void *at;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", function, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", path);
	at = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		err(1, "%s: mmap", path);
	*size = st.st_size;
	return at;
}

static void find_own_slot(void)
{
	struct npnic_board *board = npnic_board(&l, mem);

	for (own = 0; own < l.slots; own++)
		if (get(&board->slot[own].state) == NPNIC_BOARD_LIVE &&
		    get(&board->slot[own].peer_id) == regs[REG_ID])
			return;
	errx(1, "no slot for member %u", regs[REG_ID]);
}

/* --- those who suffer ----------------------------------------------------------------------- */

static int bound(const char *device)
{
	struct timeval limit = { .tv_sec = 5 };
	int sock = socket(AF_NEWPROTO, SOCK_STREAM, 0), on = 1;

	if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_BINDTODEVICE, device, strlen(device) + 1))
		err(1, "a socket at %s", device);
	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return sock;
}

static int serve(int sock)
{
	static char buf[16384];
	ssize_t n;
	int fd;

	if (listen(sock, 16))
		err(1, "listen");
	for (;;) {
		fd = accept(sock, NULL, NULL);
		if (fd < 0) {
			if (errno != EAGAIN)
				usleep(10000);
			continue;
		}
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			if (write(fd, buf, n) != n)
				break;
		close(fd);
	}
}

/* Where the other one stops short of what it was sent, or alters it. */
static int ask(int sock)
{
	static u8 question[4096], answer[4096];
	u32 done, n, i;
	ssize_t got;

	for (done = 0; done < ASKED; done += sizeof(question)) {
		for (i = 0; i < sizeof(question); i++)
			question[i] = any();
		if (write(sock, question, sizeof(question)) != sizeof(question))
			err(1, "write after %u", done);
		for (n = 0; n < sizeof(answer); n += got) {
			got = read(sock, answer + n, sizeof(answer) - n);
			if (got <= 0)
				err(1, "read after %u: %zd", done + n, got);
		}
		if (memcmp(question, answer, sizeof(answer)))
			errx(1, "another answer after %u", done);
	}
	return 0;
}

static int suffer(bool server, const char *device, const char *address, const char *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int sock = bound(device);

	if (inet_pton(AF_INET, address, &sin.sin_addr) != 1)
		errx(1, "%s: no address", address);
	if ((server ? bind : connect)(sock, (struct sockaddr *)&sin, sizeof(sin)))
		err(1, "%s %s", server ? "bind" : "connect", address);
	return server ? serve(sock) : ask(sock);
}

int main(int argc, char *argv[])
{
	u64 size;

	random_state = 0x9e3779b97f4a7c15ULL;
	if (argc == 5 && (!strcmp(argv[1], "serve") || !strcmp(argv[1], "ask")))
		return suffer(argv[1][0] == 's', argv[2], argv[3], argv[4]);
	if (argc < 4 || (strcmp(argv[1], "own") && strcmp(argv[1], "any")))
		errx(1, "usage: %s own|any FUNCTION SECONDS [SEED]", argv[0]);
	if (argc > 4)
		random_state ^= strtoull(argv[4], NULL, 0) << 1;
	regs = map(argv[2], "resource0", &size);
	mem = map(argv[2], "resource2", &size);
	if (npnic_layout_read(&l, mem, size))
		errx(1, "no fabric's header");
	find_own_slot();
	everywhere = argv[1][0] == 'a';
	scribble(atoi(argv[3]));
	return 0;
}
