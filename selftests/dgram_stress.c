// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagrams under load: many threads, checksums over what arrives, sockets that
 * close and reconnect while others send to them. Every loop is bounded.
 */
#include <kselftest_harness.h>

#include <linux/sock_diag.h>
#include <sched.h>

#include "dgramlib.h"
#include "scene.h"

#define SENDERS		6
#define LARGEST		9000

FIXTURE(dstress) {
	int rx;
	int port;
};

/* A loop's length: a short run has half of what a tenth of a long one is. */
static int many(int n)
{
	return test_scale() > 1 ? n * test_scale() : n / 2;
}

DOOR_FIXTURE(dstress);

FIXTURE_SETUP(dstress)
{
	self->rx = dgram_bound(variant->door, 0, 0);
	ASSERT_OK(self->rx);
	self->port = sock_port(self->rx);
}

FIXTURE_TEARDOWN(dstress)
{
	close(self->rx);
}

struct head {
	uint32_t sender;
	uint32_t number;
	uint32_t len;
	uint32_t sum;
};

/* Adler's sum: short and sensitive to order. */
static uint32_t checksum(const unsigned char *p, size_t len)
{
	uint32_t a = 1, b = 0;

	while (len--) {
		a = (a + *p++) % 65521;
		b = (b + a) % 65521;
	}
	return b << 16 | a;
}

/* A datagram whose contents and length follow from sender and number. */
static size_t compose(unsigned char *buf, uint32_t sender, uint32_t number)
{
	struct head h = { .sender = sender, .number = number };

	h.len = sizeof(h) + (number * 2654435761u >> 7) % (LARGEST - sizeof(h));
	if (number % 3)
		h.len = sizeof(h) + h.len % 200;
	pattern_fill(buf + sizeof(h), h.len - sizeof(h), number * 31 + sender);
	h.sum = checksum(buf + sizeof(h), h.len - sizeof(h));
	memcpy(buf, &h, sizeof(h));
	return h.len;
}

/* NULL if the datagram is whole; else what is wrong. */
static const char *inspect(const unsigned char *buf, ssize_t len, struct head *h)
{
	if (len < (ssize_t)sizeof(*h))
		return "too short";
	memcpy(h, buf, sizeof(*h));
	if (h->len != len)
		return "of another length";
	if (h->sum != checksum(buf + sizeof(*h), len - sizeof(*h)))
		return "torn";
	return h->sender < SENDERS ? NULL : "nobody's";
}

struct load {
	const struct door *door;
	int port;
	int count;		/* datagrams of each sender */
	bool wait;		/* NEWPROTO_WAIT */
	bool connected;
	int stop;
	long refused;
};

static long load_sender(struct task *t)
{
	struct load *l = t->arg;
	unsigned char buf[LARGEST];
	union addr a;
	socklen_t len = door_loop(l->door, &a, l->port);
	int fd = l->connected ? dgram_dial(l->door, 0, l->port) : dgram_socket(l->door, 0);
	int i;

	if (fd < 0 || (l->wait && sock_set(fd, SOL_NEWPROTO, NEWPROTO_WAIT, 1)))
		return -1;
	for (i = 0; i < l->count; i++) {
		size_t n = compose(buf, t->number, i);
		ssize_t ret = l->connected ? send(fd, buf, n, 0) :
					     sendto(fd, buf, n, 0, &a.sa, len);

		if (ret != (ssize_t)n)
			break;
	}
	close(fd);
	return i;
}

/* As task_join(), for loops that take their time on a slow kernel. */
static int join(struct task *t)
{
	int64_t end = now_ms() + 10LL * WAIT_MS;

	while (task_running(t) && now_ms() < end)
		poll(NULL, 0, 10);
	return task_join(t);
}

static void start_senders(struct __test_metadata *_metadata, struct task *t, struct load *l)
{
	int i;

	for (i = 0; i < SENDERS; i++) {
		t[i] = (struct task){ .fn = load_sender, .arg = l, .number = i };
		ASSERT_OK(task_start(&t[i]));
	}
}

/* With senders that wait nothing is lost, nothing torn, and each one's are in order. */
static void lossless(struct __test_metadata *_metadata, const struct door *door, int rx,
		     bool connected)
{
	struct load l = { .door = door, .port = sock_port(rx), .wait = true,
			  .connected = connected, .count = many(400) };
	static unsigned char buf[LARGEST + 1];
	uint32_t next[SENDERS] = { 0 };
	struct task t[SENDERS];
	const char *wrong;
	struct head h;
	int i;

	ASSERT_OK(sock_set(rx, SOL_SOCKET, SO_RCVBUF, 30000));
	start_senders(_metadata, t, &l);
	for (i = 0; i < SENDERS * l.count; i++) {
		ssize_t n;

		ASSERT_TRUE(poll_events(rx, POLLIN, WAIT_MS) & POLLIN)
			TH_LOG("%d of %d have come", i, SENDERS * l.count);
		n = recv(rx, buf, sizeof(buf), MSG_DONTWAIT);
		wrong = inspect(buf, n, &h);
		ASSERT_EQ(NULL, wrong) TH_LOG("datagram %d is %s", i, wrong);
		ASSERT_EQ(next[h.sender], h.number) TH_LOG("of sender %d", h.sender);
		next[h.sender]++;
	}
	for (i = 0; i < SENDERS; i++) {
		ASSERT_OK(join(&t[i]));
		EXPECT_EQ(l.count, t[i].ret);
	}
	EXPECT_TRUE(dgram_empty(rx));
}

TEST_F_TIMEOUT(dstress, lossless_connected, 240)
{
	if (over_udp())
		SKIP(return, "UDP loses datagrams");
	lossless(_metadata, variant->door, self->rx, true);
}

TEST_F_TIMEOUT(dstress, lossless_unconnected, 240)
{
	if (over_udp())
		SKIP(return, "UDP loses datagrams");
	lossless(_metadata, variant->door, self->rx, false);
}

/* Several readers share a socket: each datagram goes to one of them. */
static long load_reader(struct task *t)
{
	struct load *l = t->arg;
	unsigned char buf[LARGEST + 1];
	const char *wrong;
	struct head h;
	long got = 0;

	while (!__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE)) {
		ssize_t n = recv(t->fd, buf, sizeof(buf), 0);

		if (n < 0 && errno == EAGAIN)
			continue;
		wrong = inspect(buf, n, &h);
		if (wrong) {
			fprintf(stderr, "# a datagram of %zd bytes is %s\n", n, wrong);
			return -1;
		}
		got++;
	}
	return got;
}

static long drops(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { };
	socklen_t len = sizeof(info);

	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) ? -1 : info[SK_MEMINFO_DROPS];
}

/* Senders that do not wait: what was sent was received or counted as lost. */
TEST_F_TIMEOUT(dstress, counted, 240)
{
	struct load l = { .door = variant->door, .port = self->port,
			  .count = many(1000) };
	struct task t[SENDERS], r[3];
	long got = 0, lost;
	int i;

	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUF, 60000));
	ASSERT_OK(sock_timeout(self->rx, SO_RCVTIMEO, 100));
	for (i = 0; i < 3; i++) {
		r[i] = (struct task){ .fn = load_reader, .fd = self->rx, .arg = &l };
		ASSERT_OK(task_start(&r[i]));
	}
	start_senders(_metadata, t, &l);
	for (i = 0; i < SENDERS; i++) {
		ASSERT_OK(join(&t[i]));
		EXPECT_EQ(l.count, t[i].ret);
	}
	/* what is queued is read before the readers look at the time */
	for (i = 0; i < 100 && !dgram_empty(self->rx); i++)
		poll(NULL, 0, 20);
	__atomic_store_n(&l.stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < 3; i++) {
		ASSERT_OK(join(&r[i]));
		ASSERT_LE(0, r[i].ret);
		got += r[i].ret;
	}
	lost = drops(self->rx);
	EXPECT_LT(0, got);
	/* UDP's device may lose some on its own account */
	if (over_udp()) {
		EXPECT_LE(got + lost, (long)SENDERS * l.count);
	} else {
		EXPECT_EQ((long)SENDERS * l.count, got + lost)
			TH_LOG("%ld received, %ld lost", got, lost);
	}
}

static long hammer(struct task *t)
{
	struct load *l = t->arg;
	unsigned char buf[LARGEST];
	int i, fd = dgram_dial(l->door, 0, l->port);

	if (fd < 0 || (l->wait && sock_set(fd, SOL_NEWPROTO, NEWPROTO_WAIT, 1)))
		return -1;
	for (i = 0; !__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE); i++) {
		size_t n = compose(buf, t->number, i);

		if (send(fd, buf, n, 0) == (ssize_t)n)
			continue;
		if (errno != ECONNREFUSED)
			return -1;
		__atomic_fetch_add(&l->refused, 1, __ATOMIC_RELAXED);
	}
	close(fd);
	return 0;
}

/* The receiver closes, with datagrams unread and others under way, and comes again. */
static void close_against_send(struct __test_metadata *_metadata, const struct door *door,
			       int rx, bool wait)
{
	struct load l = { .door = door, .port = sock_port(rx), .wait = wait };
	int i, n, rounds = many(300), torn = 0;
	static unsigned char buf[LARGEST + 1];
	struct task t[SENDERS];
	struct head h;

	for (i = 0; i < SENDERS; i++) {
		t[i] = (struct task){ .fn = hammer, .arg = &l, .number = i };
		ASSERT_OK(task_start(&t[i]));
	}
	for (i = 0; i < rounds; i++) {
		/* read some, none, or all that is there */
		for (n = i % 5; n; n--) {
			ssize_t len = recv(rx, buf, sizeof(buf), MSG_DONTWAIT);

			if (len >= 0)
				torn += !!inspect(buf, len, &h);
		}
		close(rx);
		rx = dgram_bound(door, 0, l.port);
		ASSERT_OK(rx);
		sock_set(rx, SOL_SOCKET, SO_RCVBUF, 20000);
		if (i % 4 == 0)
			poll_events(rx, POLLIN, 100);
	}
	/* one that waits for room in a full queue gets on when the queue goes */
	__atomic_store_n(&l.stop, 1, __ATOMIC_RELEASE);
	close(rx);
	for (i = 0; i < SENDERS; i++) {
		ASSERT_OK(join(&t[i]));
		EXPECT_EQ(0, t[i].ret) TH_LOG("%s", strerror(t[i].err));
	}
	EXPECT_EQ(0, torn);
}

TEST_F_TIMEOUT(dstress, close_against_send, 240)
{
	close_against_send(_metadata, variant->door, self->rx, false);
	self->rx = -1;
}

TEST_F_TIMEOUT(dstress, close_against_waiting_send, 240)
{
	if (over_udp())
		SKIP(return, "UDP's senders never wait");
	close_against_send(_metadata, variant->door, self->rx, true);
	self->rx = -1;
}

/* One socket, many threads: they connect it, disconnect it, send and receive. */
static long turmoil(struct task *t)
{
	struct load *l = t->arg;
	char buf[256];
	union addr a;
	socklen_t len;
	int i;

	for (i = 0; i < l->count; i++) {
		len = door_loop(l->door, &a, l->port + (i + t->number) % 2);
		switch ((i + t->number) % 5) {
		case 0:
			connect(t->fd, &a.sa, len);
			break;
		case 1:
			dgram_unspec(t->fd);
			break;
		case 2:
			send(t->fd, buf, i % sizeof(buf), MSG_DONTWAIT);
			break;
		case 3:
			sendto(t->fd, buf, i % sizeof(buf), MSG_DONTWAIT | (i % 7 ? 0 : MSG_MORE),
			       &a.sa, len);
			break;
		default:
			recv(t->fd, buf, sizeof(buf), MSG_DONTWAIT);
		}
	}
	return 0;
}

/* Nothing is expected of it but that the kernel lives and the socket works after. */
TEST_F_TIMEOUT(dstress, reconnect_against_send, 240)
{
	struct load l = { .door = variant->door, .port = self->port,
			  .count = many(600) };
	int i, fd = dgram_socket(variant->door, 0);
	struct task t[SENDERS];

	for (i = 0; i < SENDERS; i++) {
		t[i] = (struct task){ .fn = turmoil, .fd = i < 4 ? fd : self->rx, .arg = &l,
				      .number = i };
		ASSERT_OK(task_start(&t[i]));
	}
	for (i = 0; i < SENDERS; i++) {
		ASSERT_OK(join(&t[i]));
		EXPECT_EQ(0, t[i].ret);
	}
	close(fd);
	close(self->rx);
	self->rx = dgram_bound(variant->door, 0, self->port);
	fd = dgram_dial(variant->door, 0, self->port);
	ASSERT_EQ(5, send(fd, "after", 5, 0));
	EXPECT_STREQ("after", dgram_text(self->rx));
	close(fd);
}

/* Sockets come and go by the thousand, with datagrams in their queues. */
static long come_and_go(struct task *t)
{
	struct load *l = t->arg;
	int i;

	for (i = 0; i < l->count; i++) {
		int to = dgram_bound(l->door, 0, 0), fd;

		if (to < 0)
			return -1;
		fd = dgram_dial(l->door, 0, sock_port(to));
		if (fd < 0 || send(fd, "x", 1, 0) != 1)
			return -1;
		if (i % 2)
			close(fd);
		close(to);
		if (!(i % 2))
			close(fd);
	}
	return 0;
}

TEST_F_TIMEOUT(dstress, come_and_go, 240)
{
	struct load l = { .door = variant->door, .count = many(100) };
	struct task t[4];
	int i;

	for (i = 0; i < 4; i++) {
		t[i] = (struct task){ .fn = come_and_go, .arg = &l };
		ASSERT_OK(task_start(&t[i]));
	}
	for (i = 0; i < 4; i++) {
		ASSERT_OK(join(&t[i]));
		EXPECT_EQ(0, t[i].ret);
	}
}

/* Sockets that share a port come and go while others send to it. */
TEST_F_TIMEOUT(dstress, shared_port_comes_and_goes, 240)
{
	int i, fd[2] = { -1, -1 }, port, rounds = many(200);
	struct load l = { .door = variant->door };
	struct task t[SENDERS];

	fd[0] = dgram_share(variant->door, SO_REUSEPORT, 0);
	port = sock_port(fd[0]);
	l.port = port;
	for (i = 0; i < SENDERS; i++) {
		t[i] = (struct task){ .fn = hammer, .arg = &l, .number = i };
		ASSERT_OK(task_start(&t[i]));
	}
	for (i = 0; i < rounds; i++) {
		int *one = &fd[(i + 1) % 2];

		close(*one);
		*one = dgram_share(variant->door, SO_REUSEPORT, port);
		ASSERT_OK(*one);
	}
	__atomic_store_n(&l.stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < SENDERS; i++) {
		ASSERT_OK(join(&t[i]));
		EXPECT_EQ(0, t[i].ret);
	}
	/* there was a socket at every moment */
	EXPECT_EQ(0, l.refused);
	close(fd[0]);
	close(fd[1]);
}

/* Namespaces that no process is in any more, with sockets in every state. */
TEST_F_TIMEOUT(dstress, namespaces_die, 240)
{
	static const char *const states[] = {
		"dgram", "dgram-bound", "dgram-connected", "dgram-unread", "dgram-shut-rdwr",
		"dgram-refused", "dgram-unread+refused", "dgram-corked",
	};
	int i, home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	struct scene s;

	for (i = 0; i < many(40); i++) {
		ASSERT_OK(netns_new());
		ASSERT_EQ(0, scene_make(&s, variant->door, states[i % ARRAY_SIZE(states)]))
			TH_LOG("%s: %s", states[i % ARRAY_SIZE(states)], strerror(errno));
		ASSERT_OK(setns(home, CLONE_NEWNET));
		/* half of them die with their sockets closed, half by the exit of all */
		if (i % 2)
			scene_end(&s);
	}
	close(home);
}

TEST_HARNESS_MAIN
