// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernel memory of idle connections, in a guest that has done nothing else.
 *
 * One process opens both ends of every connection. Memory is read before the first,
 * with all of them idle, with one byte waiting in each direction of each, and
 * again one second after the last of these bytes was read: what is then held
 * beyond the idle figure are buffers that were not given back.
 *
 * Of datagrams there are no connections: the figure is for one bound socket.
 */
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define GIVE_BACK_MS	1000
#define SETTLE_TRIES	50
#define SETTLE_PAGES	8
#define STUCK_SECONDS	120	/* for each part of it */

struct pair {
	int client;
	int server;
};

static void pause_ms(unsigned int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts))
		;
}

/*
 * Memory once nothing moves any more. What is freed through RCU or by a worker is
 * gone only later: wait for a grace period, and until two readings agree.
 */
static struct memory *settled(void)
{
	struct memory *m = memory_read();

	for (int i = 0; i < SETTLE_TRIES; i++) {
		struct memory *next;
		long long bytes, pages;

		syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
		pause_ms(100);
		next = memory_read();
		bytes = memory_slab_bytes(next) - memory_slab_bytes(m);
		pages = memory_other_pages(next) - memory_other_pages(m);
		memory_free(m);
		m = next;
		if (llabs(bytes) <= SETTLE_PAGES * 4096 && llabs(pages) <= SETTLE_PAGES)
			return m;
	}
	die("the kernel's memory does not settle");
}

static void report(const char *what, const struct kind *kind, const struct memory *from,
		   const struct memory *to, unsigned int connections)
{
	long long slab = memory_slab_bytes(to) - memory_slab_bytes(from);
	long long pages = memory_other_pages(to) - memory_other_pages(from);
	long long page = sysconf(_SC_PAGESIZE);
	double sum = slab + pages * page;

	printf("BENCH\tmemory\t%s\t%s\t%.1f\t%.1f\t%lld\n", what, kind->name,
	       sum / connections, (double)slab / connections, pages);
	fflush(stdout);
}

static void one_byte_each_way(const struct pair *p, unsigned int connections)
{
	for (unsigned int i = 0; i < connections; i++) {
		put(p[i].client, "c", 1);
		put(p[i].server, "s", 1);
	}
}

static void read_the_bytes(const struct pair *p, unsigned int connections)
{
	char c;

	for (unsigned int i = 0; i < connections; i++)
		if (!get(p[i].client, &c, 1) || !get(p[i].server, &c, 1))
			die("a connection ended");
}

int memory_run(const char *name, unsigned int connections)
{
	const struct kind *kind = name ? kind_find(name, SOCK_STREAM) : NULL;
	struct memory *start, *idle, *full, *after;
	struct listener l;
	struct pair *p;

	if (!kind || !connections)
		die("memory needs one --kinds and at least one connection");
	if (kind_is_pipe(kind) || !kind_available(kind, "idle"))
		return 0;
	watch(STUCK_SECONDS, "%s: connecting", name);
	reserve_files(2 * connections);
	make_room_for_tcp();
	p = calloc(connections, sizeof(*p));
	if (!p)
		die("no memory");
	listener_open(&l, kind, 8);
	start = settled();
	for (unsigned int i = 0; i < connections; i++) {
		p[i].client = listener_connect(&l);
		p[i].server = listener_accept(&l);
	}
	idle = settled();
	report("idle", kind, start, idle, connections);
	memory_print_slabs(start, idle, kind->name, connections);

	watch(STUCK_SECONDS, "%s: writing", name);
	one_byte_each_way(p, connections);
	full = settled();	/* TCP may be busy with them for a while */
	report("full", kind, idle, full, connections);
	watch(STUCK_SECONDS, "%s: reading", name);
	read_the_bytes(p, connections);
	pause_ms(GIVE_BACK_MS);
	after = memory_read();
	report("after", kind, idle, after, connections);
	return 0;
}

int memory_run_datagrams(const char *name, unsigned int sockets)
{
	const struct kind *kind = name ? kind_find(name, SOCK_DGRAM) : NULL;
	struct memory *start, *idle;

	if (!kind || !sockets)
		die("memory needs one --kinds that has datagrams, and at least one socket");
	if (!kind_available(kind, "bound"))
		return 0;
	watch(STUCK_SECONDS, "%s: binding", name);
	reserve_files(sockets);
	start = settled();
	for (unsigned int i = 0; i < sockets; i++) {
		struct listener l;

		listener_bind(&l, kind);
	}
	idle = settled();
	report("bound", kind, start, idle, sockets);
	memory_print_slabs(start, idle, kind->name, sockets);
	return 0;
}
