// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time per operation: two processes that block, in read() and write() for streams, in
 * send() and recv() or recvmmsg() for messages.
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
 *
 * Datagrams are lost where the receiver is full, unless something holds their sender
 * back: AF_UNIX does, UDP does not. So here the sender stops when WINDOW datagrams were
 * not received yet, which is fewer than any kind has room for by default, until the
 * reader, who counts in shared memory, has half of them. That costs every kind the same,
 * and nothing of it passes through the sockets that are measured, as answers would. And
 * the clock stops only when all were counted: a lost one is an error, not a fast one.
 * Sequenced packets are never lost, so each kind uses the flow control it has.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define MAX_SIZE	65536
#define MAX_REPEATS	99
#define WARM_UP		16	/* operations before the clock runs */
#define STUCK_SECONDS	60	/* of the guest's time for one repeat */
#define LOST_SECONDS	10	/* without a datagram: the missing ones do not come */
#define WINDOW		128	/* datagrams on the way */
#define BATCH		32	/* messages for one recvmmsg() */

struct row;

/* What the two processes share. */
struct shared {
	unsigned long count;	/* operations until the next answer */
	uint32_t received;	/* of them; datagrams one way only */
};

/* One repeat of a cell of the table. */
struct cell {
	const struct kind *kind;
	const struct row *row;
	struct listener listener;	/* connect cycle only */
	struct end end;			/* of this process; the others */
	struct shared *shared;
};

struct row {
	const char *name;
	int type;
	size_t size;
	unsigned long count;		/* operations, unless a slot is to be filled */
	void (*near)(struct cell *c);	/* runs shared->count operations, timed */
	void (*far)(struct cell *c);	/* the other process: serves until the end */
};

static char buffer[MAX_SIZE];

static void ping(struct cell *c)
{
	for (unsigned long i = c->shared->count; i; i--) {
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
	for (unsigned long i = c->shared->count; i; i--)
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
				left = c->shared->count * c->row->size;
			left -= n;
		} while (left);
		put(c->end.out, buffer, 1);
	}
}

static void give(struct cell *c)
{
	if (send(c->end.out, buffer, c->row->size, 0) != (ssize_t)c->row->size)
		die("send");
}

/* False if the other side has ended. */
static bool take(struct cell *c)
{
	ssize_t n = recv(c->end.in, buffer, sizeof(buffer), 0);

	if (n < 0)
		die("recv");
	if (n && n != (ssize_t)c->row->size) {
		errno = 0;
		die("a message of %zd bytes", n);
	}
	return n;
}

static void ping_messages(struct cell *c)
{
	for (unsigned long i = c->shared->count; i; i--) {
		give(c);
		if (!take(c))
			die("the other side is gone");
	}
}

static void pong_messages(struct cell *c)
{
	while (take(c))
		give(c);
}

/*
 * Receive what is there, at most BATCH messages, and at least one: their number, or 0
 * when the other side has ended.
 */
static unsigned int get_batch(struct cell *c)
{
	static struct mmsghdr messages[BATCH];
	static struct iovec parts[BATCH];
	int n;

	/* Once: a process receives for one row only, and the kernel changes none of it. */
	for (unsigned int i = 0; i < BATCH && !messages[i].msg_hdr.msg_iov; i++) {
		parts[i] = (struct iovec){ buffer + i * c->row->size, c->row->size };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
	}
	n = recvmmsg(c->end.in, messages, BATCH, MSG_WAITFORONE, NULL);
	if (n < 0)
		die("recvmmsg");
	for (int i = 0; i < n; i++) {
		if (!messages[i].msg_len)
			return 0;
		if (messages[i].msg_len != c->row->size) {
			errno = 0;
			die("a message of %u bytes", messages[i].msg_len);
		}
	}
	return n;
}

/* Sequenced packets one way, as push() and pull(). */
static void push_packets(struct cell *c)
{
	for (unsigned long i = c->shared->count; i; i--)
		give(c);
	if (!take(c))
		die("the reader is gone");
}

static void pull_packets(struct cell *c)
{
	unsigned long left = 0;
	unsigned int n;

	while ((n = get_batch(c))) {
		if (!left)
			left = c->shared->count;
		left -= n;
		if (!left)
			give(c);
	}
}

/* Wait until fewer than @limit of the @sent datagrams are on the way. */
static void await_fewer(struct shared *shared, uint32_t sent, uint32_t limit)
{
	static const struct timespec lost = { .tv_sec = LOST_SECONDS };
	uint32_t seen;

	while (sent - (seen = __atomic_load_n(&shared->received, __ATOMIC_ACQUIRE)) >= limit) {
		if (!syscall(SYS_futex, &shared->received, FUTEX_WAIT, seen, &lost, NULL, 0))
			continue;
		if (errno == ETIMEDOUT) {
			seen = __atomic_load_n(&shared->received, __ATOMIC_ACQUIRE);
			errno = 0;
			die("%u datagrams sent, %u received: the others are lost", sent, seen);
		}
		if (errno != EAGAIN && errno != EINTR)
			die("futex");
	}
}

static void push_datagrams(struct cell *c)
{
	unsigned long count = c->shared->count;

	/* Nothing is on the way, so the reader does not touch it now. */
	__atomic_store_n(&c->shared->received, 0, __ATOMIC_RELEASE);
	for (unsigned long i = 0; i < count; i++) {
		await_fewer(c->shared, i, WINDOW);
		give(c);
	}
	await_fewer(c->shared, count, 1);
}

/*
 * Count what comes. The sender sleeps only while a whole WINDOW, or the last of all, is
 * on the way, so it is enough to wake it at each half of one and at the end.
 */
static void pull_datagrams(struct cell *c)
{
	struct shared *shared = c->shared;
	uint32_t before, after;
	unsigned int n;

	while ((n = get_batch(c))) {
		before = shared->received;
		after = before + n;
		__atomic_store_n(&shared->received, after, __ATOMIC_RELEASE);
		if ((before ^ after) & (WINDOW / 2) || after == shared->count)
			syscall(SYS_futex, &shared->received, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
}

static void visit(struct cell *c)
{
	for (unsigned long i = c->shared->count; i; i--) {
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
	{ "pp64",	SOCK_STREAM,	64,	1000,	ping,	pong },
	{ "pp4k",	SOCK_STREAM,	4096,	1000,	ping,	pong },
	{ "pp64k",	SOCK_STREAM,	65536,	500,	ping,	pong },
	{ "ow64",	SOCK_STREAM,	64,	3000,	push,	pull },
	{ "ow1k",	SOCK_STREAM,	1024,	3000,	push,	pull },
	{ "ow16k",	SOCK_STREAM,	16384,	1500,	push,	pull },
	{ "ow64k",	SOCK_STREAM,	65536,	2000,	push,	pull },
	{ "cycle",	SOCK_STREAM,	1,	500,	visit,	serve },
	{ "dpp64",	SOCK_DGRAM,	64,	1000,	ping_messages,	pong_messages },
	{ "dpp8k",	SOCK_DGRAM,	8192,	1000,	ping_messages,	pong_messages },
	{ "dow64",	SOCK_DGRAM,	64,	3000,	push_datagrams,	pull_datagrams },
	{ "spp64",	SOCK_SEQPACKET,	64,	1000,	ping_messages,	pong_messages },
	{ "spp8k",	SOCK_SEQPACKET,	8192,	1000,	ping_messages,	pong_messages },
	{ "sow64",	SOCK_SEQPACKET,	64,	3000,	push_packets,	pull_packets },
};

static bool row_connects(const struct row *row)
{
	return row->near == visit;
}

static uint64_t timed(struct cell *c, unsigned long count)
{
	uint64_t start;

	c->shared->count = count;
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

/*
 * Tell the other side to end, and insist that it ended well. Datagrams have no end, so
 * an empty one stands for it.
 */
static void finish(struct cell *c, pid_t far)
{
	int status;

	if (row_connects(c->row)) {
		close(listener_connect(&c->listener));
		listener_close(&c->listener);
	} else {
		if (c->row->type == SOCK_DGRAM && send(c->end.out, buffer, 0, 0))
			die("send");
		end_close(&c->end);
	}
	if (waitpid(far, &status, 0) != far)
		die("waitpid");
	errno = 0;
	if (status)
		die("%s %s: the other side failed", c->row->name, c->kind->name);
}

static double repeat(const struct row *row, const struct kind *kind, unsigned int slot_ms,
		     struct shared *shared)
{
	struct cell c = { .kind = kind, .row = row, .shared = shared };
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
	watch(STUCK_SECONDS, "%s %s", row->name, kind->name);
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
		     const struct speed_options *opt, struct shared *shared)
{
	double ns[MAX_REPEATS];
	unsigned int n = opt->repeats;

	if (!kind_available(kind, row->name))
		return;
	for (unsigned int i = 0; i < n; i++)
		ns[i] = repeat(row, kind, opt->slot_ms, shared);
	sort_values(ns, n);
	printf("BENCH\tspeed\t%s\t%s\t%.1f\t%.1f\t%.1f\n", row->name, kind->name,
	       ns[n / 2], ns[0], ns[n - 1]);
	fflush(stdout);
}

int speed_run(const struct speed_options *opt)
{
	static const struct sched_param none;
	static const char all[] = "pipe,unix,tcp,udp,vsock,newproto";
	const char *names = opt->kinds ? opt->kinds : all;
	struct shared *shared;

	if (!opt->repeats || opt->repeats > MAX_REPEATS)
		die("repeats must be 1 to %d", MAX_REPEATS);
	if (opt->batch && sched_setscheduler(0, SCHED_BATCH, &none))
		die("SCHED_BATCH");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");
	memset(buffer, 'n', sizeof(buffer));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct kind *kind = NULL;

		while ((kind = kind_next(kind))) {
			/* Not everywhere are there two namespaces: who wants them has to say so. */
			if (kind->net && !opt->kinds)
				continue;
			if (kind->type != rows[i].type)
				continue;
			if (!listed(opt->rows, rows[i].name) || !listed(names, kind->name))
				continue;
			if (kind_is_pipe(kind) && row_connects(&rows[i]))
				continue;
			cell_run(&rows[i], kind, opt, shared);
		}
	}
	return 0;
}
