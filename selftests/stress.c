// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many threads at once: what they do is of no matter, but nothing may hang, be
 * lost or be left behind. The debug kernel looks on.
 */
#include <kselftest_harness.h>

#include <sched.h>

#include "seqlib.h"

#define STRESS_MS	(1500 * test_scale())

/* Each thread has its own sequence; a run can be repeated with its seed. */
static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

FIXTURE(stress) {};
DOOR_FIXTURE(stress);
FIXTURE_VARIANT_ADD(stress, seqpacket) { .door = &door_seq4 };

FIXTURE_SETUP(stress)
{
	signal(SIGPIPE, SIG_IGN);
	nic_answer_ms = 0;
	/* ports of its own, so that nobody else's connections come in between */
	ASSERT_OK(netns_new());
}

FIXTURE_TEARDOWN(stress) {}

enum { SLOTS = 24, PORTS = 3, FIRST_PORT = 5000, THREADS = 6 };

struct churn {
	struct task task[THREADS];
	const struct door *door;
	int slot[SLOTS];
	int64_t end;
	long done;
};

static int churn_socket(struct churn *c)
{
	int fd = door_socket(c->door, SOCK_NONBLOCK);

	if (fd >= 0) {
		sock_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		sock_timeout(fd, SO_SNDTIMEO, 5);
		sock_timeout(fd, SO_RCVTIMEO, 5);
	}
	return fd;
}

/* A new socket takes the slot; what was in it is closed under whoever uses it. */
static void churn_replace(struct churn *c, int slot, int fd)
{
	if (fd < 0)
		return;
	fd = __atomic_exchange_n(&c->slot[slot], fd, __ATOMIC_SEQ_CST);
	close(fd);
}

static void churn_step(struct churn *c, uint32_t *seed)
{
	int slot = next_random(seed) % SLOTS;
	int fd = __atomic_load_n(&c->slot[slot], __ATOMIC_SEQ_CST);
	int port = FIRST_PORT + next_random(seed) % PORTS;
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	char buf[5000] = "";
	union addr a;
	socklen_t len = door_loop(c->door, &a, port);

	switch (next_random(seed) % 16) {
	case 0:
		bind(fd, &a.sa, len);
		break;
	case 1:
		bind(fd, &a.sa, len);
		listen(fd, next_random(seed) % 4);
		break;
	case 2:
	case 3:
	case 4:
		connect(fd, &a.sa, len);
		break;
	case 5:
	case 6:
		churn_replace(c, (slot + 1) % SLOTS, accept4(fd, NULL, NULL, SOCK_NONBLOCK));
		break;
	case 7:
		shutdown(fd, next_random(seed) % 3);
		break;
	case 8:
	case 9:
		churn_replace(c, slot, churn_socket(c));
		break;
	case 10:
		churn_replace(c, slot, dup(fd));
		break;
	case 11:
		connect(fd, &unspec, sizeof(unspec));
		break;
	case 12:
		send(fd, buf, next_random(seed) % sizeof(buf), MSG_NOSIGNAL);
		break;
	case 13:
		recv(fd, buf, next_random(seed) % sizeof(buf), 0);
		break;
	case 14:
		poll_events(fd, POLLIN | POLLOUT, next_random(seed) % 2);
		sock_error(fd);
		break;
	case 15:
		/* now and then it blocks, for a short time */
		fcntl(fd, F_SETFL, next_random(seed) % 4 ? O_NONBLOCK : 0);
		break;
	}
}

static long churn_thread(struct task *t)
{
	struct churn *c = t->arg;
	uint32_t seed = t->number;

	while (now_ms() < c->end) {
		churn_step(c, &seed);
		__atomic_fetch_add(&c->done, 1, __ATOMIC_RELAXED);
	}
	return 0;
}

/* Afterwards every port must be as good as new. */
static void check_ports(struct __test_metadata *_metadata, const struct door *d)
{
	int i;

	for (i = 0; i < PORTS; i++) {
		int fd, lsn = door_socket(d, 0);
		union addr a;
		socklen_t len = door_loop(d, &a, FIRST_PORT + i);

		ASSERT_OK(lsn);
		sock_set(lsn, SOL_SOCKET, SO_REUSEADDR, 1);
		ASSERT_OK(bind(lsn, &a.sa, len));
		ASSERT_OK(listen(lsn, 1));
		fd = door_dial(d, 0, FIRST_PORT + i);
		EXPECT_OK(fd);
		EXPECT_OK(accept(lsn, NULL, NULL));
		close(fd);
		close(lsn);
	}
}

TEST_F_TIMEOUT(stress, every_call_on_the_same_ports, 600)
{
	struct churn c = { .door = variant->door };
	int i;

	for (i = 0; i < SLOTS; i++)
		c.slot[i] = churn_socket(&c);
	c.end = now_ms() + STRESS_MS;
	for (i = 0; i < THREADS; i++) {
		c.task[i] = (struct task){ .fn = churn_thread, .arg = &c, .number = i + 1 };
		ASSERT_OK(task_start(&c.task[i]));
	}
	for (i = 0; i < THREADS; i++) {
		while (now_ms() < c.end + WAIT_MS && task_running(&c.task[i]))
			poll(NULL, 0, 20);
		ASSERT_EQ(0, task_join(&c.task[i])) TH_LOG("thread %d hangs", i);
	}
	for (i = 0; i < SLOTS; i++)
		close(c.slot[i]);
	EXPECT_LT(100, c.done);
	check_ports(_metadata, variant->door);
}

/* Connections against a listener that closes at the next moment. */
struct race {
	const struct door *door;
	int64_t end;
	int port;
	long connected, served;
	int unexpected;
};

static bool is_fate(int err)
{
	return err == ECONNREFUSED || err == ECONNRESET || err == EPIPE || err == ETIMEDOUT ||
	       err == EADDRNOTAVAIL || err == EAGAIN || err == EINPROGRESS;
}

static long race_client(struct task *t)
{
	struct race *r = t->arg;

	while (now_ms() < r->end) {
		union addr a;
		socklen_t len = door_loop(r->door, &a, r->port);
		int fd = door_socket(r->door, 0);
		char c = 'q';

		sock_timeout(fd, SO_SNDTIMEO, 500);
		sock_timeout(fd, SO_RCVTIMEO, WAIT_MS);
		if (connect(fd, &a.sa, len)) {
			if (!is_fate(errno))
				__atomic_store_n(&r->unexpected, errno, __ATOMIC_RELAXED);
			close(fd);
			continue;
		}
		__atomic_fetch_add(&r->connected, 1, __ATOMIC_RELAXED);
		/* connected: it is served, or told that it will not be */
		if (send(fd, &c, 1, MSG_NOSIGNAL) == 1 && recv(fd, &c, 1, 0) == 1 && c == 'a')
			__atomic_fetch_add(&r->served, 1, __ATOMIC_RELAXED);
		else if (errno == EAGAIN || !is_fate(errno))
			__atomic_store_n(&r->unexpected, errno ?: EIO, __ATOMIC_RELAXED);
		close(fd);
	}
	return 0;
}

static long race_server(struct task *t)
{
	struct race *r = t->arg;
	uint32_t seed = t->number;

	while (now_ms() < r->end) {
		int i, lsn = door_socket(r->door, 0);
		union addr a;
		socklen_t len = door_loop(r->door, &a, r->port);

		sock_set(lsn, SOL_SOCKET, SO_REUSEADDR, 1);
		sock_timeout(lsn, SO_RCVTIMEO, 20);
		if (bind(lsn, &a.sa, len) || listen(lsn, next_random(&seed) % 3)) {
			close(lsn);
			sched_yield();
			continue;
		}
		for (i = next_random(&seed) % 8; i; i--) {
			int fd = accept(lsn, NULL, NULL);
			char c;

			if (fd < 0)
				break;
			sock_timeout(fd, SO_RCVTIMEO, WAIT_MS);
			if (recv(fd, &c, 1, 0) == 1)
				send(fd, "a", 1, MSG_NOSIGNAL);
			close(fd);
		}
		if (next_random(&seed) % 2)
			shutdown(lsn, SHUT_RD);
		close(lsn);
	}
	return 0;
}

TEST_F_TIMEOUT(stress, listeners_come_and_go, 600)
{
	struct race r = { .door = variant->door, .port = FIRST_PORT };
	struct task t[6];
	int i;

	r.end = now_ms() + STRESS_MS;
	for (i = 0; i < 6; i++) {
		t[i] = (struct task){ .fn = i < 2 ? race_server : race_client, .arg = &r,
				      .number = i };
		ASSERT_OK(task_start(&t[i]));
	}
	for (i = 0; i < 6; i++) {
		while (now_ms() < r.end + WAIT_MS && task_running(&t[i]))
			poll(NULL, 0, 20);
		ASSERT_OK(task_join(&t[i]));
	}
	EXPECT_EQ(0, r.unexpected) TH_LOG("%s", strerror(r.unexpected));
	EXPECT_LT(0, r.connected);
	EXPECT_LT(0, r.served);
	check_ports(_metadata, variant->door);
}

/* Both ends of one socket, used, shut down and closed by many at the same time. */
struct brawl {
	int sv[2];
	int go;
};

static long brawl_thread(struct task *t)
{
	struct brawl *b = t->arg;
	char buf[3000] = "";

	while (!__atomic_load_n(&b->go, __ATOMIC_ACQUIRE))
		sched_yield();
	switch (t->number) {
	case 0:
		while (send(b->sv[0], buf, sizeof(buf), MSG_NOSIGNAL) > 0)
			;
		break;
	case 1:
		while (recv(b->sv[1], buf, sizeof(buf), 0) > 0)
			;
		break;
	case 2:
		shutdown(b->sv[0], SHUT_WR);
		break;
	case 3:
		shutdown(b->sv[1], SHUT_RDWR);
		break;
	case 4:
		close(dup(b->sv[1]));
		poll_events(b->sv[1], POLLIN | POLLOUT, 1);
		break;
	}
	return 0;
}

TEST_F_TIMEOUT(stress, shutdown_races, 600)
{
	int64_t end = now_ms() + STRESS_MS / 2;
	struct brawl b;
	struct task t[5];
	int i;

	while (now_ms() < end) {
		ASSERT_OK(door_connected(variant->door, b.sv));
		b.go = 0;
		for (i = 0; i < 5; i++) {
			t[i] = (struct task){ .fn = brawl_thread, .arg = &b, .number = i };
			ASSERT_OK(task_start(&t[i]));
		}
		__atomic_store_n(&b.go, 1, __ATOMIC_RELEASE);
		for (i = 0; i < 5; i++) {
			int ret = task_join(&t[i]);

			ASSERT_EQ(0, ret);
		}
		close(b.sv[0]);
		close(b.sv[1]);
	}
}

/* 64 connections with bytes both ways, each of them checked. */
enum { STREAMS = 64 };

struct stream {
	struct task task[2];
	int sv[2];
	size_t pos;
	size_t len;
};

/* Writes and reads at the same time, by poll(), in pieces of odd sizes. */
static long stream_end(struct task *t)
{
	struct stream *s = t->arg;
	size_t out = 0, in = 0;
	uint32_t seed = t->number;
	unsigned char buf[6000];

	while (out < s->len || in < s->len) {
		int ev = poll_events(t->fd, (in < s->len ? POLLIN : 0) |
				     (out < s->len ? POLLOUT : 0), WAIT_MS);
		size_t n;
		ssize_t ret;

		if (ev <= 0 || ev & POLLERR)
			return -1;
		if (ev & POLLOUT && out < s->len) {
			n = next_random(&seed) % sizeof(buf) + 1;
			n = n < s->len - out ? n : s->len - out;
			pattern_fill(buf, n, s->pos + out);
			ret = send(t->fd, buf, n, MSG_DONTWAIT);
			if (ret < 0 && errno != EAGAIN)
				return -2;
			out += ret > 0 ? ret : 0;
		}
		if (ev & POLLIN && in < s->len) {
			n = next_random(&seed) % sizeof(buf) + 1;
			n = n < s->len - in ? n : s->len - in;
			ret = recv(t->fd, buf, n, MSG_DONTWAIT);
			if (!ret || (ret < 0 && errno != EAGAIN))
				return -3;
			if (ret > 0 && pattern_wrong(buf, ret, s->pos + in) >= 0)
				return -4;
			in += ret > 0 ? ret : 0;
		}
	}
	return in;
}

TEST_F_TIMEOUT(stress, streams_with_checksums, 600)
{
	static struct stream s[STREAMS];
	int i, k;

	if (variant->door->type == SOCK_SEQPACKET)
		SKIP(return, "no streams; seqpacket_flow has crowds");
	for (i = 0; i < STREAMS; i++) {
		s[i].pos = i * 1000;
		s[i].len = 100000 * test_scale();
		ASSERT_OK(door_connected(variant->door, s[i].sv));
		sock_set(s[i].sv[0], SOL_SOCKET, SO_SNDBUF, 4096 + i * 512);
	}
	for (i = 0; i < STREAMS; i++) {
		for (k = 0; k < 2; k++) {
			s[i].task[k] = (struct task){ .fn = stream_end, .arg = &s[i],
						      .fd = s[i].sv[k], .number = 2 * i + k };
			ASSERT_OK(task_start(&s[i].task[k]));
		}
	}
	for (i = 0; i < STREAMS; i++) {
		for (k = 0; k < 2; k++) {
			int64_t end = now_ms() + 10 * WAIT_MS;

			while (now_ms() < end && task_running(&s[i].task[k]))
				poll(NULL, 0, 10);
			ASSERT_OK(task_join(&s[i].task[k]));
			EXPECT_EQ(s[i].len, s[i].task[k].ret)
				TH_LOG("stream %d end %d: %ld", i, k, s[i].task[k].ret);
			EXPECT_EQ(0, count_pending(s[i].sv[k], FIONREAD));
		}
		close(s[i].sv[0]);
		close(s[i].sv[1]);
	}
}

/* Connect, a byte each way, close: as fast as it goes, by several clients. */
static long cycle_client(struct task *t)
{
	struct race *r = t->arg;
	char c;
	int i;

	for (i = 0; i < t->number; i++) {
		int fd = door_dial(r->door, 0, r->port);

		if (fd < 0 || send(fd, "x", 1, 0) != 1 || recv(fd, &c, 1, 0) != 1)
			return -1;
		close(fd);
	}
	return i;
}

TEST_F_TIMEOUT(stress, cycles, 600)
{
	enum { CLIENTS = 4 };
	int rounds = 200 * test_scale(), i, lsn = door_listener(variant->door, 1);
	struct race r = { .door = variant->door };
	struct task t[CLIENTS];
	char c;

	if (over_tcp())
		SKIP(return, "TCP's clients wait a second at a full backlog");
	ASSERT_OK(lsn);
	r.port = sock_port(lsn);
	for (i = 0; i < CLIENTS; i++) {
		t[i] = (struct task){ .fn = cycle_client, .arg = &r, .number = rounds };
		ASSERT_OK(task_start(&t[i]));
	}
	for (i = 0; i < CLIENTS * rounds; i++) {
		int fd = accept(lsn, NULL, NULL);

		ASSERT_OK(fd);
		ASSERT_EQ(1, recv(fd, &c, 1, 0));
		ASSERT_EQ(1, send(fd, "y", 1, 0));
		close(fd);
	}
	for (i = 0; i < CLIENTS; i++) {
		ASSERT_OK(task_join(&t[i]));
		EXPECT_EQ(rounds, t[i].ret);
	}
	close(lsn);
}

TEST_HARNESS_MAIN
