// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers of streams and records are taken back from connections that are idle, by a
 * worker that looks at them every 400 ms, or at once when memory is short. Here it does
 * so beside writers and readers: connections that are idle for about as long as it
 * takes, a kernel that is short of memory all the time, and writers that are stopped
 * in the middle of their copy until it has been by twice. Each byte is checked.
 *
 * proc.c has one connection whose buffer goes and comes again.
 */
#include <kselftest_harness.h>

#include <linux/userfaultfd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#include "racelib.h"

#define GIVEBACK_MS	(1200 * test_scale())
#define PERIOD_MS	400	/* of the worker; it takes what was idle once or twice that */
#define LINES		96
#define LARGEST		20000	/* several buffers, and pages that are lent */
#define PERIOD		(4093 * 251)	/* of the pattern */
#define COUNTERS	"/proc/thread-self/net/newproto/counters"

static struct tally calls[] = {
	{ "send", { EAGAIN } },
	{ "sendfile", { EAGAIN } },
	{ "recv", { EAGAIN } },
	{ "peek", { EAGAIN } },
};

enum { SEND, SENDFILE, RECV, PEEK };

/* A connection, used in one direction. */
struct line {
	int sv[2];
	size_t sent, got;
	int64_t due;		/* when the writer looks at it again */
	int64_t rest;		/* when the reader does */
};

struct plant {
	const struct door *door;
	bool idle;		/* about as long as it takes */
	int file;		/* the pattern's bytes */
	char *map[2];		/* the same, for each of the writers */
	struct line line[LINES];
	unsigned int low;	/* times that there was less than before */
	int writers;
};

/* Just before, at, and just after a pass that may take the buffer. */
static int64_t idle_time(struct hand *h)
{
	int passes = 1 + race_random(h, 2);

	return passes * PERIOD_MS - 30 + race_random(h, 60);
}

static size_t piece_at(size_t pos)
{
	size_t r = (pos + 1) * 2654435761u >> 7;

	return 1 + (r % 4 ? r % 600 : r % LARGEST);
}

/* Records may go by send() only: sendfile() makes as many of them as it likes. */
static void write_piece(struct hand *h, struct line *l)
{
	struct plant *p = h->arg;
	size_t len = piece_at(l->sent);
	off_t off = l->sent % PERIOD;
	char *map = p->map[h->number];
	ssize_t n;

	if (!p->door->type && !race_random(h, 4)) {
		n = tally(&calls[SENDFILE], sendfile(l->sv[0], p->file, &off, len));
	} else {
		/* pages that have to be fetched: a copy takes its time, with buffers in hand */
		if (!race_random(h, 8))
			madvise(map, PERIOD + LARGEST, MADV_DONTNEED);
		n = tally(&calls[SEND], send(l->sv[0], map + off, len, MSG_NOSIGNAL));
	}
	if (n > 0)
		l->sent += n;
	else if (errno != EAGAIN)
		race_wrong(h->crew, "send: %s", strerror(errno));
}

static void writer(struct hand *h)
{
	struct plant *p = h->arg;
	int i;

	__atomic_fetch_add(&p->writers, 1, __ATOMIC_RELEASE);
	while (race_on(h)) {
		for (i = h->number; i < LINES && race_on(h); i += 2) {
			struct line *l = &p->line[i];

			if (now_ms() < l->due)
				continue;
			write_piece(h, l);
			race_jitter(h);
			if (p->idle ? race_random(h, 3) : !race_random(h, 4))
				l->due = now_ms() + (p->idle ? idle_time(h) : race_random(h, 60));
		}
		poll(NULL, 0, p->idle);
	}
	__atomic_fetch_sub(&p->writers, 1, __ATOMIC_RELEASE);
}

/* What there is, or a part of it; false when there is nothing. */
static bool read_piece(struct hand *h, struct line *l, bool all)
{
	struct plant *p = h->arg;
	bool record = p->door->type == SOCK_SEQPACKET;
	bool peek = !all && !race_random(h, 5);
	size_t want = record ? LARGEST : 1 + race_random(h, LARGEST);
	char buf[LARGEST];
	ssize_t n = tally(&calls[peek ? PEEK : RECV],
			  recv(l->sv[1], buf, want, MSG_DONTWAIT | (peek ? MSG_PEEK : 0)));

	if (n <= 0) {
		if (!n || errno != EAGAIN)
			race_wrong(h->crew, "recv: %zd, %s", n, strerror(errno));
		return false;
	}
	if (pattern_wrong(buf, n, l->got) >= 0 || (record && n != piece_at(l->got)))
		race_wrong(h->crew, "%s of %zd bytes at %zu is wrong from %ld on",
			   peek ? "a peek" : "what was read", n, l->got,
			   pattern_wrong(buf, n, l->got));
	l->got += peek ? 0 : n;
	return true;
}

static void reader(struct hand *h)
{
	struct plant *p = h->arg;
	int i;

	while (race_on(h) || __atomic_load_n(&p->writers, __ATOMIC_ACQUIRE)) {
		for (i = h->number; i < LINES; i += 2) {
			struct line *l = &p->line[i];

			if (now_ms() < l->rest)
				continue;
			while (read_piece(h, l, false) && race_random(h, 4))
				race_jitter(h);
			if (!race_random(h, 8))
				l->rest = now_ms() + race_random(h, p->idle ? 200 : 10);
		}
		poll(NULL, 0, p->idle);
	}
	/* all of it, so that all buffers can go */
	for (i = h->number; i < LINES; i += 2)
		while (read_piece(h, &p->line[i], true))
			;
}

static long bytes_held(void)
{
	char text[2000], *at;

	if (file_read(COUNTERS, text, sizeof(text)) <= 0)
		return -1;
	at = strstr(text, "buffer_bytes ");
	return at ? atol(at + strlen("buffer_bytes ")) : -1;
}

/* Looks on; and in the one case has the kernel ask for memory again and again. */
static void watcher(struct hand *h)
{
	struct plant *p = h->arg;
	long before = 0, now;

	while (race_on(h)) {
		if (!p->idle)
			file_write("/proc/sys/vm/drop_caches", "2");
		poll(NULL, 0, 1 + race_random(h, p->idle ? 20 : 4));
		now = bytes_held();
		__atomic_fetch_add(&p->low, now < before, __ATOMIC_RELAXED);
		before = now;
	}
}

FIXTURE(race_giveback) {
	struct plant p;
};

FIXTURE_VARIANT(race_giveback) { const struct door *door; };
FIXTURE_VARIANT_ADD(race_giveback, family4) { .door = &door_family4 };
FIXTURE_VARIANT_ADD(race_giveback, seqpacket) { .door = &door_seq4 };

FIXTURE_SETUP(race_giveback)
{
	static char pattern[PERIOD + LARGEST];
	struct plant *p = &self->p;
	int i;

	if (over_tcp())
		SKIP(_exit(255), "TCP has no buffers that are given back");
	ASSERT_OK(netns_new());
	p->door = variant->door;
	p->file = memfd_create("pattern", 0);
	pattern_fill(pattern, sizeof(pattern), 0);
	ASSERT_EQ(sizeof(pattern), write(p->file, pattern, sizeof(pattern)));
	for (i = 0; i < 2; i++)
		p->map[i] = mmap(NULL, sizeof(pattern), PROT_READ, MAP_SHARED, p->file, 0);
	for (i = 0; i < LINES; i++) {
		ASSERT_OK(door_connected(variant->door, p->line[i].sv));
		ASSERT_OK(sock_nonblock(p->line[i].sv[0]));
	}
}

FIXTURE_TEARDOWN(race_giveback)
{
	int i;

	for (i = 0; i < LINES; i++) {
		close(self->p.line[i].sv[0]);
		close(self->p.line[i].sv[1]);
	}
	EXPECT_TRUE(race_nothing_left());
}

static void race(struct __test_metadata *_metadata, struct plant *p)
{
	struct crew c = { .arg = p, .counter = &p->low, .enough = 1 };
	size_t bytes = 0;
	int64_t end;
	int i;

	crew_add(&c, writer, 2);
	crew_add(&c, reader, 2);
	crew_add(&c, watcher, 1);
	ASSERT_EQ(0, crew_run(&c, p->idle ? 2 * GIVEBACK_MS : GIVEBACK_MS));
	for (i = 0; i < LINES; i++) {
		EXPECT_EQ(p->line[i].sent, p->line[i].got) TH_LOG("connection %d", i);
		bytes += p->line[i].got;
	}
	EXPECT_EQ(0, tally_show(calls, ARRAY_SIZE(calls)));
	fprintf(stderr, "# %zu bytes; there was less in buffers than before %u times\n", bytes,
		p->low);
	EXPECT_LT(0, bytes);
	EXPECT_LT(0, p->low);
	/* nobody writes any more: all are given back */
	end = now_ms() + WAIT_MS;
	while (bytes_held() && now_ms() < end)
		poll(NULL, 0, 20);
	EXPECT_EQ(0, bytes_held());
}

TEST_F_TIMEOUT(race_giveback, idle_for_about_the_time, RACE_TIMEOUT)
{
	self->p.idle = true;
	race(_metadata, &self->p);
}

TEST_F_TIMEOUT(race_giveback, short_of_memory, RACE_TIMEOUT)
{
	race(_metadata, &self->p);
}

#define STOPPED	6
#define PAGE	4096

/* Memory whose pages have to be asked for, and who answers. */
static char *memory;
static int answers = -1;

static int ask_for_pages(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	answers = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	memory = mmap(NULL, STOPPED * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (uintptr_t)memory;
	reg.range.len = STOPPED * PAGE;
	return answers < 0 || ioctl(answers, UFFDIO_API, &api) ||
	       ioctl(answers, UFFDIO_REGISTER, &reg) ? -1 : 0;
}

/* Sends a page of its own, which is not there yet. */
static long send_page(struct task *t)
{
	return send(t->fd, memory + t->number * PAGE, PAGE, MSG_NOSIGNAL);
}

static bool all_ask(void)
{
	struct uffd_msg msg;
	int n = 0;

	while (n < STOPPED && poll_events(answers, POLLIN, WAIT_MS) & POLLIN)
		n += read(answers, &msg, sizeof(msg)) == sizeof(msg);
	return n == STOPPED;
}

static int answer_all(void)
{
	static char page[PAGE] __attribute__((aligned(PAGE)));
	int i;

	pattern_fill(page, PAGE, 0);
	for (i = 0; i < STOPPED; i++) {
		struct uffdio_copy copy = {
			.dst = (uintptr_t)memory + i * PAGE, .src = (uintptr_t)page, .len = PAGE,
		};

		if (ioctl(answers, UFFDIO_COPY, &copy))
			return -1;
	}
	return 0;
}

/*
 * The worker has been by, and taken the buffer of one that was idle: there is no more than
 * before that one had a buffer. (What those who are stopped have stays the same.)
 */
static bool worker_was_here(struct line *l)
{
	int64_t end = now_ms() + WAIT_MS;
	long without = bytes_held();
	char c;

	if (send(l->sv[0], "x", 1, 0) != 1 || recv(l->sv[1], &c, 1, 0) != 1)
		return false;
	while (now_ms() < end) {
		if (bytes_held() <= without)
			return true;
		file_write("/proc/sys/vm/drop_caches", "2");
		poll(NULL, 0, 10);
	}
	return false;
}

/* Their buffers are empty as far as anyone can see, and in use. */
TEST_F_TIMEOUT(race_giveback, in_the_middle_of_a_write, RACE_TIMEOUT)
{
	struct task t[STOPPED];
	char buf[PAGE];
	int i;

	if (ask_for_pages()) {
		ASSERT_TRUE(errno == ENOSYS || errno == EPERM) TH_LOG("%s", strerror(errno));
		SKIP(return, "no userfaultfd");
	}
	for (i = 0; i < STOPPED; i++) {
		struct line *l = &self->p.line[i];

		/* half of them have had a buffer before */
		if (i % 2) {
			ASSERT_EQ(PAGE / 2, send(l->sv[0], buf, PAGE / 2, 0));
			ASSERT_EQ(PAGE / 2, recv(l->sv[1], buf, PAGE, 0));
		}
		t[i] = (struct task){ .fn = send_page, .fd = l->sv[0], .number = i };
		ASSERT_OK(task_start(&t[i]));
	}
	ASSERT_TRUE(all_ask()) TH_LOG("not all of the writers are in their copy");
	for (i = 0; i < 4; i++)
		ASSERT_TRUE(worker_was_here(&self->p.line[LINES - 1]));
	ASSERT_OK(answer_all());
	for (i = 0; i < STOPPED; i++) {
		ASSERT_OK(task_join(&t[i]));
		EXPECT_EQ(PAGE, t[i].ret) TH_LOG("%s", strerror(t[i].err));
		EXPECT_EQ(PAGE, drain_socket(self->p.line[i].sv[1], 0, PAGE))
			TH_LOG("connection %d", i);
	}
	close(answers);
}

TEST_HARNESS_MAIN
