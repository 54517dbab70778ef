// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time per operation: two processes, blocking read() and write().
 *
 * Every repeat sets up its stream anew, forks the other side, runs a few operations
 * unseen and then times the rest; the median of the repeats is reported. With QEMU's
 * -icount shift=0 a nanosecond of CLOCK_MONOTONIC is one instruction, so the counts
 * are fixed there: the same work, the same figure.
 *
 * On one CPU a message may make the scheduler run its reader at once, before the
 * writer's next. Whether it does depends on how much each has run in the last
 * milliseconds, so a figure depends on the count of operations as well. SCHED_BATCH
 * (--batch) switches that off: a process runs until it has to wait.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define MAX_SIZE	65536
#define MAX_REPEATS	99
#define WARM_UP		16	/* operations before the clock runs */
#define STUCK_SECONDS	60	/* of the guest's time for one repeat */

struct row;

/* One repeat of a cell of the table; the two processes share @count. */
struct cell {
	const struct kind *kind;
	const struct row *row;
	struct listener listener;	/* connect cycle only */
	struct end end;			/* of this process; the others */
	unsigned long *count;	/* operations until the next answer */
};

struct row {
	const char *name;
	size_t size;
	unsigned long count;		/* operations, unless a slot is to be filled */
	void (*near)(struct cell *c);	/* runs *count operations, timed */
	void (*far)(struct cell *c);	/* the other process: serves until the end */
};

static char buffer[MAX_SIZE];

static void ping(struct cell *c)
{
	for (unsigned long i = *c->count; i; i--) {
		put(c->end.out, buffer, c->row->size);
		if (!get(c->end.in, buffer, c->row->size))
			die("the other side is gone");
	}
}

static void pong(struct cell *c)
{
	while (get(c->end.in, buffer, c->row->size))
		put(c->end.out, buffer, c->row->size);
}

/* One way: the clock stops when the reader says it has read everything. */
static void push(struct cell *c)
{
	for (unsigned long i = *c->count; i; i--)
		put(c->end.out, buffer, c->row->size);
	if (!get(c->end.in, buffer, 1))
		die("the reader is gone");
}

/* Reads as much as there is, as servers do. */
static void pull(struct cell *c)
{
	for (;;) {
		size_t left = 0;

		do {
			ssize_t n = read(c->end.in, buffer, sizeof(buffer));

			if (n < 0)
				die("read");
			if (!n)
				return;
			if (!left)
				left = *c->count * c->row->size;
			left -= n;
		} while (left);
		put(c->end.out, buffer, 1);
	}
}

static void visit(struct cell *c)
{
	for (unsigned long i = *c->count; i; i--) {
		int fd = listener_connect(&c->listener);

		put(fd, buffer, 1);
		if (!get(fd, buffer, 1))
			die("the server closed without an answer");
		close(fd);
	}
}

/* Serve visitors until one says nothing. */
static void serve(struct cell *c)
{
	for (;;) {
		int fd = listener_accept(&c->listener);

		if (!get(fd, buffer, 1))
			return;
		put(fd, buffer, 1);
		close(fd);
	}
}

static const struct row rows[] = {
	{ "pp64",	64,	1000,	ping,	pong },
	{ "pp4k",	4096,	1000,	ping,	pong },
	{ "pp64k",	65536,	500,	ping,	pong },
	{ "ow64",	64,	3000,	push,	pull },
	{ "ow1k",	1024,	3000,	push,	pull },
	{ "ow16k",	16384,	1500,	push,	pull },
	{ "ow64k",	65536,	2000,	push,	pull },
	{ "cycle",	1,	500,	visit,	serve },
};

static bool row_connects(const struct row *row)
{
	return row->near == visit;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static uint64_t timed(struct cell *c, unsigned long count)
{
	uint64_t start;

	*c->count = count;
	start = now_ns();
	c->row->near(c);
	return now_ns() - start;
}

/* How many operations fill the slot; the search is the warm-up as well. */
static unsigned long calibrate(struct cell *c, unsigned int slot_ms)
{
	uint64_t slot = slot_ms * 1000000ULL, took;
	unsigned long count = WARM_UP;

	while ((took = timed(c, count)) < slot / 4)
		count *= 2;
	return count * slot / took + 1;
}

/* Nanoseconds per operation. */
static double measure(struct cell *c, unsigned int slot_ms)
{
	unsigned long count = c->row->count;

	if (slot_ms)
		count = calibrate(c, slot_ms);
	else
		timed(c, WARM_UP);
	return (double)timed(c, count) / count;
}

/* Tell the other side to end, and insist that it ended well. */
static void finish(struct cell *c, pid_t far)
{
	int status;

	if (row_connects(c->row)) {
		close(listener_connect(&c->listener));
		listener_close(&c->listener);
	} else {
		end_close(&c->end);
	}
	if (waitpid(far, &status, 0) != far)
		die("waitpid");
	errno = 0;
	if (status)
		die("%s %s: the other side failed", c->row->name, c->kind->name);
}

static double repeat(const struct row *row, const struct kind *kind, unsigned int slot_ms,
		     unsigned long *count)
{
	struct cell c = { .kind = kind, .row = row, .count = count };
	struct end other;
	double ns;
	pid_t far;

	if (row_connects(row))
		listener_open(&c.listener, kind, 8);
	else
		pair_open(kind, &c.end, &other);
	far = fork();
	if (far < 0)
		die("fork");
	alarm(STUCK_SECONDS);
	if (!far) {
		if (!row_connects(row)) {
			end_close(&c.end);
			c.end = other;
		}
		row->far(&c);
		_exit(0);
	}
	if (!row_connects(row))
		end_close(&other);
	ns = measure(&c, slot_ms);
	finish(&c, far);
	alarm(0);
	return ns;
}

static void cell_run(const struct row *row, const struct kind *kind,
		     const struct speed_options *opt, unsigned long *count)
{
	double ns[MAX_REPEATS];
	unsigned int n = opt->repeats;

	if (!kind_available(kind)) {
		printf("BENCH\tabsent\t%s\t%s\n", row->name, kind->name);
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		ns[i] = repeat(row, kind, opt->slot_ms, count);
	qsort(ns, n, sizeof(*ns), by_value);
	printf("BENCH\tspeed\t%s\t%s\t%.1f\t%.1f\t%.1f\n", row->name, kind->name,
	       ns[n / 2], ns[0], ns[n - 1]);
	fflush(stdout);
}

int speed_run(const struct speed_options *opt)
{
	static const struct sched_param none;
	static const char all[] = "pipe,unix,tcp,vsock,newproto";
	const char *names = opt->kinds ? opt->kinds : all;
	unsigned long *count;

	if (!opt->repeats || opt->repeats > MAX_REPEATS)
		die("repeats must be 1 to %d", MAX_REPEATS);
	if (opt->batch && sched_setscheduler(0, SCHED_BATCH, &none))
		die("SCHED_BATCH");
	count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (count == MAP_FAILED)
		die("mmap");
	memset(buffer, 'n', sizeof(buffer));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct kind *kind = NULL;

		while ((kind = kind_next(kind))) {
			if (!listed(opt->rows, rows[i].name) || !listed(names, kind->name))
				continue;
			if (kind_is_pipe(kind) && row_connects(&rows[i]))
				continue;
			cell_run(&rows[i], kind, opt, count);
		}
	}
	return 0;
}
