// SPDX-License-Identifier: GPL-2.0-only
/*
 * See racelib.h.
 */
#include <kselftest.h>

#include <dirent.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/mman.h>

#include "racelib.h"

static long cpus = 1;

uint32_t race_random(struct hand *h, uint32_t below)
{
	h->seed = h->seed * 1664525 + 1013904223;
	return (h->seed >> 8) % below;
}

/* On this CPU only, or wherever there is room. */
static void race_pin(struct hand *h)
{
	long i;
	uint32_t one = race_random(h, cpus + 1);
	cpu_set_t set;

	CPU_ZERO(&set);
	for (i = 0; i < cpus; i++)
		if (one == cpus || one == i)
			CPU_SET(i, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* A moment of some length, none more often than not; now and then on another CPU. */
void race_jitter(struct hand *h)
{
	uint32_t r = race_random(h, 64);
	volatile uint32_t spin;

	if (r < 28)
		return;
	if (r < 36)
		sched_yield();
	else if (r < 38)
		race_pin(h);
	else
		for (spin = (r - 38) * (r - 38) * 4; spin; spin--)
			;
}

static bool crew_enough(const struct crew *c)
{
	int i;

	if (c->counter && __atomic_load_n(c->counter, __ATOMIC_RELAXED) < c->enough)
		return false;
	for (i = 0; i < ARRAY_SIZE(c->once); i++)
		if (c->once[i] && !__atomic_load_n(c->once[i], __ATOMIC_RELAXED))
			return false;
	return true;
}

bool race_on(const struct hand *h)
{
	const struct crew *c = h->crew;
	int64_t now = now_ms();

	if (__atomic_load_n(&c->wrong, __ATOMIC_RELAXED))
		return false;
	return now < c->end || (now < c->end + WAIT_MS && !crew_enough(c));
}

void race_wrong(struct crew *c, const char *fmt, ...)
{
	va_list ap;

	if (__atomic_fetch_add(&c->wrong, 1, __ATOMIC_ACQ_REL))
		return;
	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
}

/* Waits until it is no longer @old, awake at first: whoever has to be woken comes late. */
static void await_change(unsigned int *word, unsigned int old)
{
	struct timespec limit = { .tv_nsec = 50000000 };
	int i;

	for (i = 0; i < 10 && __atomic_load_n(word, __ATOMIC_ACQUIRE) == old; i++)
		sched_yield();
	if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == old)
		syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, old, &limit);
}

static void change(unsigned int *word)
{
	__atomic_add_fetch(word, 1, __ATOMIC_ACQ_REL);
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, RACE_HANDS);
}

static void *hand_main(void *arg)
{
	struct hand *h = arg;
	struct crew *c = h->crew;
	unsigned int round = 0;

	h->tid = gettid();
	race_pin(h);
	while (!__atomic_load_n(&c->over, __ATOMIC_ACQUIRE)) {
		await_change(&c->round, round);
		if (__atomic_load_n(&c->round, __ATOMIC_ACQUIRE) == round)
			continue;
		round++;
		race_jitter(h);
		h->fn(h);
		__atomic_store_n(&h->busy, false, __ATOMIC_RELAXED);
		change(&c->done);
	}
	return NULL;
}

void crew_add(struct crew *c, void (*fn)(struct hand *h), int count)
{
	int i;

	for (i = 0; i < count; i++, c->n++)
		c->hand[c->n] = (struct hand){ .crew = c, .fn = fn, .arg = c->arg, .number = i,
					       .seed = c->n * 7919 + getpid() };
}

int crew_start(struct crew *c)
{
	int i;

	nic_answer_ms = 0;
	cpus = sysconf(_SC_NPROCESSORS_ONLN);
	for (i = 0; i < c->n; i++) {
		errno = pthread_create(&c->hand[i].thread, NULL, hand_main, &c->hand[i]);
		if (errno)
			return -1;
	}
	return 0;
}

/* Those that have not come back, and the system call each of them is in. */
static void crew_tell(const struct crew *c)
{
	char path[64], text[200];
	int i;

	for (i = 0; i < c->n; i++) {
		if (!c->hand[i].busy)
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", c->hand[i].tid);
		if (file_read(path, text, sizeof(text)) <= 0)
			strcpy(text, "?\n");
		fprintf(stderr, "# thread %d hangs; system call %s", i, text);
	}
}

/* All of them set out; 0 when all are back and nothing was wrong. */
int crew_round(struct crew *c, int ms)
{
	unsigned int done;
	int64_t limit;
	int i;

	for (i = 0; i < c->n; i++)
		c->hand[i].busy = true;
	c->done = 0;
	c->end = now_ms() + ms;
	limit = c->end + 3 * WAIT_MS;
	change(&c->round);
	while ((done = __atomic_load_n(&c->done, __ATOMIC_ACQUIRE)) != c->n) {
		if (now_ms() > limit) {
			crew_tell(c);
			return -1;
		}
		await_change(&c->done, done);
	}
	if (c->wrong)
		fprintf(stderr, "# %u wrong, the first: %s\n", c->wrong, c->why);
	return c->wrong ? -1 : 0;
}

int crew_end(struct crew *c)
{
	int i;

	__atomic_store_n(&c->over, true, __ATOMIC_RELEASE);
	for (i = 0; i < c->n; i++)
		pthread_join(c->hand[i].thread, NULL);
	return 0;
}

/* One round, which is all. */
int crew_run(struct crew *c, int ms)
{
	if (crew_start(c) || crew_round(c, ms))
		return -1;
	return crew_end(c);
}

/* Counts a result; hands it on, and errno as well. */
long tally(struct tally *t, long ret)
{
	int err = errno;

	if (ret >= 0)
		__atomic_fetch_add(&t->ok, 1, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&t->err[err < RACE_ERRNOS ? err : 0], 1, __ATOMIC_RELAXED);
	return ret;
}

static bool tally_allows(const struct tally *t, int err)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(t->allowed) && t->allowed[i]; i++)
		if (t->allowed[i] == err)
			return true;
	return false;
}

/* Shows what there was, as comments; how many results must not be. */
int tally_show(const struct tally *t, int n)
{
	int i, err, bad = 0;

	for (i = 0; i < n; i++, t++) {
		char line[500];
		int len = snprintf(line, sizeof(line), "# %s: ok %lu", t->call, t->ok);

		for (err = 0; err < RACE_ERRNOS; err++) {
			if (!t->err[err])
				continue;
			len += snprintf(line + len, sizeof(line) - len, ", %s%s %lu",
					tally_allows(t, err) ? "" : "NOT ALLOWED: ",
					strerrorname_np(err) ?: "?", t->err[err]);
			bad += !tally_allows(t, err);
		}
		fprintf(stderr, "%s\n", line);
	}
	return bad;
}

void *race_shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

#define LEDGER_MAX	0x100000

enum fate { UNKNOWN, SERVED, RESET };

void ledger_open(struct ledger *l)
{
	*l = (struct ledger){ };
	l->accepted = race_shared(LEDGER_MAX);
	l->fate = race_shared(LEDGER_MAX);
}

static ssize_t ledger_recv(int fd, void *buf, size_t len)
{
	ssize_t n;

	do
		n = recv(fd, buf, len, 0);
	while (n < 0 && errno == EINTR);
	return n;
}

/*
 * A client that is connected says its number and waits for the answer. It is told
 * before long, and of a listener that is gone by a reset. True if it was served.
 */
bool ledger_client(struct hand *h, struct ledger *l, int fd)
{
	unsigned int number = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED) % LEDGER_MAX;
	ssize_t n;
	char c;

	sock_timeout(fd, SO_RCVTIMEO, WAIT_MS);
	sock_timeout(fd, SO_SNDTIMEO, WAIT_MS);
	n = send(fd, &number, sizeof(number), MSG_NOSIGNAL);
	if (n == sizeof(number))
		n = ledger_recv(fd, &c, 1);
	if (n == 1 && c == 'a') {
		l->fate[number] = SERVED;
		__atomic_fetch_add(&l->served, 1, __ATOMIC_RELAXED);
		return true;
	}
	if (n < 0 && (errno == ECONNRESET || errno == EPIPE)) {
		l->fate[number] = RESET;
		__atomic_fetch_add(&l->reset, 1, __ATOMIC_RELAXED);
		return false;
	}
	race_wrong(h->crew, "connection %u: %zd, %s", number, n, n < 0 ? strerror(errno) : "");
	return false;
}

/* Its server; @fd is what accept() gave. A client may also have left without a word. */
void ledger_server(struct hand *h, struct ledger *l, int fd)
{
	unsigned int number;
	ssize_t n;

	sock_timeout(fd, SO_RCVTIMEO, WAIT_MS);
	n = ledger_recv(fd, &number, sizeof(number));
	if (n == sizeof(number) && number < LEDGER_MAX) {
		__atomic_fetch_add(&l->accepted[number], 1, __ATOMIC_RELAXED);
		if (send(fd, "a", 1, MSG_NOSIGNAL) != 1)
			race_wrong(h->crew, "no answer to %u: %s", number, strerror(errno));
	} else if (!n || (n < 0 && errno == ECONNRESET)) {
		__atomic_fetch_add(&l->left, 1, __ATOMIC_RELAXED);
	} else {
		race_wrong(h->crew, "a server got %zd, %s", n, n < 0 ? strerror(errno) : "");
	}
	close(fd);
}

/* Who was served was accepted once, who was reset never. How many are neither? */
int ledger_check(const struct ledger *l)
{
	unsigned int i, bad = 0;

	for (i = 0; i < l->next && i < LEDGER_MAX; i++) {
		if (l->fate[i] != UNKNOWN && l->accepted[i] == (l->fate[i] == SERVED ? 1 : 0))
			continue;
		if (!bad++)
			fprintf(stderr, "# number %u: accepted %d times, its client was %s\n", i,
				l->accepted[i], l->fate[i] == SERVED ? "served" :
				l->fate[i] == RESET ? "reset" : "told nothing");
	}
	fprintf(stderr, "# %u connections: %u served, %u reset; %u left unserved\n", l->next,
		l->served, l->reset, l->left);
	return bad;
}

/* Descriptors of this process. */
int race_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* No socket of the namespace has a port any more; waits for it, and tells of those that have. */
bool race_nothing_left(void)
{
	int64_t end = now_ms() + WAIT_MS;
	static char text[65536];
	char *lines;

	if (over_tcp())
		return true;
	do {
		if (file_read("/proc/thread-self/net/newproto/sockets", text, sizeof(text)) <= 0)
			return false;
		lines = strchr(text, '\n') + 1;
		if (!*lines)
			return true;
		poll(NULL, 0, 10);
	} while (now_ms() < end);
	fprintf(stderr, "# left:\n%s", lines);
	return false;
}
