// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocations that fail, each in its turn, in every call on streams and sequenced packets:
 * the call says so with the right errno, or does without. Afterwards no port is taken,
 * no descriptor is left, the peer has seen nothing or an orderly end, what was there
 * to be received is there, and the same call on the same socket succeeds.
 *
 * Copies from and to the program fail in their turn, too, with EFAULT.
 */
#include <kselftest_harness.h>

#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "faultlib.h"
#include "seqlib.h"

#define LONG_TEST	120
#define BIG		80000	/* in several chunks */
#define ROOM		200000	/* what there is room for: more */

FIXTURE(fault) {
	const struct door *door;
};

DOOR_FIXTURE(fault);
FIXTURE_VARIANT_ADD(fault, seq4) { .door = &door_seq4 };

FIXTURE_SETUP(fault)
{
	if (over_tcp())
		SKIP(_exit(255), "what the kernel's own TCP does without memory is its affair");
	FAULT_SETUP();
	self->door = variant->door;
}

FIXTURE_TEARDOWN(fault)
{
	EXPECT_TRUE(nothing_listed());
}

/* A port can be bound by a socket like any other. */
static int port_is_free(const struct door *d, int port)
{
	int fd = door_bound(d, 0, port);

	if (fd < 0)
		return -1;
	return close(fd);
}

static int dial(int fd, const struct door *d, int port)
{
	union addr a;
	socklen_t len = door_loop(d, &a, port);

	return connect(fd, &a.sa, len);
}

/* Bytes go both ways. */
static int talks(int a, int b)
{
	char c = 0;

	if (send(a, "a", 1, MSG_NOSIGNAL) != 1 || recv(b, &c, 1, 0) != 1 || c != 'a')
		return -1;
	if (send(b, "b", 1, MSG_NOSIGNAL) != 1 || recv(a, &c, 1, 0) != 1 || c != 'b')
		return -1;
	return 0;
}

/* Nothing has come to a listener, or what has come has ended again. */
static int sees_nothing(int lsn)
{
	char c;
	int fd, n;

	sock_nonblock(lsn);
	while ((fd = accept(lsn, NULL, NULL)) >= 0) {
		n = recv(fd, &c, 1, MSG_DONTWAIT);
		if (n > 0 || (n < 0 && errno == EAGAIN)) {
			fprintf(stderr, "# a half-open connection was accepted\n");
			return -1;
		}
		close(fd);
	}
	return errno == EAGAIN ? 0 : -1;
}

TEST_F_TIMEOUT(fault, socket, LONG_TEST)
{
	int domain = door_domain(self->door), protocol = door_protocol(self->door);
	int type = self->door->type ?: SOCK_STREAM, low = lowest_fd();
	struct fault f = { "socket" };

	while (fault_next(&f)) {
		FAULT_CALL(&f, socket(domain, type, protocol));
		EXPECT_FAULT(&f, 0);
		if (f.ret >= 0)
			close(f.ret);
		EXPECT_EQ(low, lowest_fd());
	}
	FAULT_END(&f, 3);
}

TEST_F_TIMEOUT(fault, socketpair, LONG_TEST)
{
	const struct door *d = self->door == &door_seq4 ? &door_seqpair : self->door;
	int domain = door_domain(d), type = d->type ?: SOCK_STREAM;
	struct fault f = { "socketpair" };
	int sv[2], low = lowest_fd();

	while (fault_next(&f)) {
		FAULT_CALL(&f, socketpair(domain, type, IPPROTO_NEWPROTO, sv));
		EXPECT_FAULT(&f, 0);
		if (!f.ret) {
			EXPECT_OK(talks(sv[0], sv[1]));
			close(sv[0]);
			close(sv[1]);
		}
		EXPECT_EQ(low, lowest_fd());
	}
	FAULT_END(&f, 5);
}

TEST_F_TIMEOUT(fault, bind, LONG_TEST)
{
	int port = door_free_port(self->door);
	struct fault f = { "bind" };
	union addr a;
	socklen_t len = door_loop(self->door, &a, port);

	while (fault_next(&f)) {
		int fd = door_socket(self->door, 0);

		FAULT_CALL(&f, bind(fd, &a.sa, len));
		EXPECT_FAULT(&f, 0);
		if (f.ret) {
			EXPECT_EQ(0, sock_port(fd));
			EXPECT_OK(port_is_free(self->door, port));
			EXPECT_OK(bind(fd, &a.sa, len));
		}
		EXPECT_EQ(port, sock_port(fd));
		close(fd);
		EXPECT_OK(port_is_free(self->door, port));
	}
	FAULT_END(&f, 1);
}

TEST_F_TIMEOUT(fault, bind_to_any_port, LONG_TEST)
{
	struct fault f = { "bind, port 0" };
	union addr a;
	socklen_t len = door_any(self->door, &a, 0);

	while (fault_next(&f)) {
		int port, fd = door_socket(self->door, 0);

		/* TCP has EADDRINUSE for whatever keeps it from a port. */
		FAULT_CALL(&f, bind(fd, &a.sa, len));
		EXPECT_FAULT(&f, EADDRINUSE);
		if (f.ret)
			EXPECT_OK(bind(fd, &a.sa, len));
		port = sock_port(fd);
		EXPECT_LT(0, port);
		close(fd);
		EXPECT_OK(port_is_free(self->door, port));
	}
	FAULT_END(&f, 1);
}

/* After a listen() that may have failed: then nobody is let in, and it can be done again. */
static int listens(int lsn, const struct door *d, bool failed)
{
	int port = sock_port(lsn), c, s;

	if (failed) {
		c = port > 0 ? door_dial(d, 0, port) : -1;
		if (c >= 0 || (port > 0 && errno != ECONNREFUSED)) {
			fprintf(stderr, "# connect() to what does not listen: %d, %s\n", c,
				strerror(errno));
			close(c);
			return -1;
		}
		if (listen(lsn, 1))
			return -1;
	}
	c = door_dial(d, 0, sock_port(lsn));
	s = accept(lsn, NULL, NULL);
	if (c < 0 || s < 0 || talks(c, s))
		return -1;
	close(c);
	close(s);
	return 0;
}

TEST_F_TIMEOUT(fault, listen, LONG_TEST)
{
	struct fault f = { "listen" };

	while (fault_next(&f)) {
		int fd = door_bound(self->door, 0, 0), port = sock_port(fd);

		FAULT_CALL(&f, listen(fd, 1));
		EXPECT_FAULT(&f, 0);
		EXPECT_EQ(port, sock_port(fd));
		EXPECT_OK(listens(fd, self->door, f.ret));
		close(fd);
		EXPECT_OK(port_is_free(self->door, port));
	}
	FAULT_END(&f, 1);
}

TEST_F_TIMEOUT(fault, listen_unbound, LONG_TEST)
{
	struct fault f = { "listen, not bound" };

	while (fault_next(&f)) {
		int fd = door_socket(self->door, 0), port;

		FAULT_CALL(&f, listen(fd, 1));
		EXPECT_FAULT(&f, EADDRINUSE);
		EXPECT_OK(listens(fd, self->door, f.ret));
		port = sock_port(fd);
		close(fd);
		EXPECT_OK(port_is_free(self->door, port));
	}
	FAULT_END(&f, 2);
}

/* A connect() that may have failed: its listener has nothing to show for it. */
static int connects(int fd, int lsn, const struct door *d, bool failed)
{
	int s;

	if (failed) {
		if (sees_nothing(lsn))
			return -1;
		if (dial(fd, d, sock_port(lsn))) {
			fprintf(stderr, "# the second connect(): %s\n", strerror(errno));
			return -1;
		}
	}
	s = accept(lsn, NULL, NULL);
	if (s < 0 || talks(fd, s))
		return -1;
	return close(s);
}

TEST_F_TIMEOUT(fault, connect, LONG_TEST)
{
	struct fault f = { "connect" };
	int lsn = door_listener(self->door, 2), to = sock_port(lsn);

	while (fault_next(&f)) {
		int fd = door_socket(self->door, 0), port;

		/* TCP has EADDRNOTAVAIL for whatever keeps it from a port. */
		FAULT_CALL(&f, dial(fd, self->door, to));
		EXPECT_FAULT(&f, EADDRNOTAVAIL);
		if (f.ret)
			EXPECT_EQ(0, sock_port(fd));
		EXPECT_OK(connects(fd, lsn, self->door, f.ret));
		port = sock_port(fd);
		close(fd);
		EXPECT_OK(port_is_free(self->door, port));
	}
	FAULT_END(&f, 2);
	close(lsn);
}

TEST_F_TIMEOUT(fault, connect_bound, LONG_TEST)
{
	struct fault f = { "connect, bound" };
	int lsn = door_listener(self->door, 2), to = sock_port(lsn);

	while (fault_next(&f)) {
		int fd = door_bound(self->door, 0, 0), port = sock_port(fd);

		FAULT_CALL(&f, dial(fd, self->door, to));
		EXPECT_FAULT(&f, 0);
		EXPECT_EQ(port, sock_port(fd));
		EXPECT_OK(connects(fd, lsn, self->door, f.ret));
		EXPECT_EQ(port, sock_port(fd));
		close(fd);
		EXPECT_OK(port_is_free(self->door, port));
	}
	FAULT_END(&f, 1);
	close(lsn);
}

/* Waits for a place in a full queue, which takes more. */
TEST_F_TIMEOUT(fault, connect_to_full_queue, LONG_TEST)
{
	struct fault f = { "connect, full queue" };

	while (fault_next(&f)) {
		int lsn = door_listener(self->door, 0), to = sock_port(lsn), s;
		int first = door_dial(self->door, 0, to);
		int fd = door_socket(self->door, SOCK_NONBLOCK);

		FAULT_CALL(&f, dial(fd, self->door, to) && errno == EINPROGRESS ? 0 : -1);
		EXPECT_FAULT(&f, EADDRNOTAVAIL);
		s = accept(lsn, NULL, NULL);
		EXPECT_OK(talks(first, s));
		close(s);
		if (!f.ret)
			EXPECT_EQ(POLLOUT, poll_events(fd, POLLOUT, WAIT_MS));
		fcntl(fd, F_SETFL, 0);
		EXPECT_OK(connects(fd, lsn, self->door, f.ret));
		close(fd);
		close(first);
		close(lsn);
		EXPECT_OK(port_is_free(self->door, to));
	}
	FAULT_END(&f, 3);
}

TEST_F_TIMEOUT(fault, accept, LONG_TEST)
{
	struct fault f = { "accept" };
	int lsn = door_listener(self->door, 1), to = sock_port(lsn), low = lowest_fd() + 1;

	while (fault_next(&f)) {
		int fd = door_dial(self->door, 0, to), s;
		char c = 0;

		EXPECT_EQ(1, send(fd, "x", 1, 0));
		s = FAULT_CALL(&f, accept(lsn, NULL, NULL));
		EXPECT_FAULT(&f, 0);
		if (f.ret < 0) {
			EXPECT_EQ(low, lowest_fd());
			EXPECT_EQ(POLLIN, poll_events(lsn, POLLIN, 0));
			EXPECT_EQ(POLLOUT, poll_events(fd, POLLIN | POLLOUT, 0));
			s = accept(lsn, NULL, NULL);
		}
		EXPECT_EQ(1, recv(s, &c, 1, MSG_DONTWAIT));
		EXPECT_EQ('x', c);
		EXPECT_OK(talks(fd, s));
		close(s);
		close(fd);
	}
	FAULT_END(&f, 4);
	close(lsn);
}

/* With more pieces than the kernel has room for on its stack. */
#define PIECES 20

struct pieces {
	struct iovec iov[PIECES];
	struct msghdr msg;
	union {
		struct cmsghdr hdr;
		char buf[3 * CMSG_SPACE(sizeof(uint32_t))];
	} control;
};

static void pieces_init(struct pieces *p, char *buf, size_t len)
{
	int i;

	memset(p, 0, sizeof(*p));
	for (i = 0; i < PIECES; i++) {
		p->iov[i].iov_base = buf + len / PIECES * i;
		p->iov[i].iov_len = len / PIECES;
	}
	p->msg.msg_iov = p->iov;
	p->msg.msg_iovlen = PIECES;
}

/* Control messages that are allowed, and more than fit on the kernel's stack. */
static void pieces_control(struct pieces *p)
{
	uint32_t flags = 0;
	int i;

	for (i = 0; i < 3; i++) {
		struct cmsghdr *c = (void *)(p->control.buf + i * CMSG_SPACE(sizeof(flags)));

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SO_TIMESTAMPING;
		c->cmsg_len = CMSG_LEN(sizeof(flags));
		memcpy(CMSG_DATA(c), &flags, sizeof(flags));
	}
	p->msg.msg_control = p->control.buf;
	p->msg.msg_controllen = sizeof(p->control.buf);
}

/* What was said to be sent is there, and no more; a record is whole. */
static int arrives(int fd, const struct door *d, const char *sent, long n, size_t len)
{
	static char got[BIG];
	long have = 0, part;

	if (n < 0)
		n = 0;
	if (d->type && n && n != len)
		return -1;
	while (have < n) {
		part = recv(fd, got + have, sizeof(got) - have, MSG_DONTWAIT);
		if (part <= 0)
			break;
		have += part;
	}
	if (have != n || memcmp(sent, got, n)) {
		fprintf(stderr, "# %ld bytes sent, %ld received\n", n, have);
		return -1;
	}
	if (recv(fd, got, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN) {
		fprintf(stderr, "# there is more than the %ld bytes that were sent\n", n);
		return -1;
	}
	return 0;
}

static int big_pair(const struct door *d, int sv[2])
{
	int i;

	if (door_connected(d, sv))
		return -1;
	for (i = 0; i < 2; i++)
		if (sock_set(sv[i], SOL_SOCKET, SO_SNDBUFFORCE, ROOM) ||
		    sock_set(sv[i], SOL_SOCKET, SO_RCVBUFFORCE, ROOM))
			return -1;
	return 0;
}

/* One of the sends, on a new connection each time: that has no memory yet. */
static void check_send(struct __test_metadata *_metadata, const struct door *d, struct fault *f,
		       size_t len, bool pieces)
{
	static char buf[BIG];
	struct pieces p;
	int sv[2];

	pattern_fill(buf, len, 0);
	while (fault_next(f)) {
		ASSERT_OK(big_pair(d, sv));
		pieces_init(&p, buf, len);
		pieces_control(&p);
		if (pieces)
			FAULT_CALL(f, sendmsg(sv[0], &p.msg, MSG_DONTWAIT));
		else
			FAULT_CALL(f, send(sv[0], buf, len, MSG_DONTWAIT));
		EXPECT_FAULT(f, 0);
		EXPECT_OK(arrives(sv[1], d, buf, f->ret, len));
		EXPECT_EQ(len, send(sv[0], buf, len, MSG_DONTWAIT));
		EXPECT_OK(arrives(sv[1], d, buf, len, len));
		EXPECT_OK(talks(sv[0], sv[1]));
		close(sv[0]);
		close(sv[1]);
	}
}

TEST_F_TIMEOUT(fault, send, LONG_TEST)
{
	struct fault small = { "send, a few bytes" }, big = { "send, many bytes" };

	check_send(_metadata, self->door, &small, 100, false);
	FAULT_END(&small, 1);
	check_send(_metadata, self->door, &big, BIG, false);
	FAULT_END(&big, 2);
}

TEST_F_TIMEOUT(fault, sendmsg, LONG_TEST)
{
	struct fault f = { "sendmsg, pieces, control messages" };

	check_send(_metadata, self->door, &f, 40000, true);
	FAULT_END(&f, 3);
}

/* Pages that are not copied. */
TEST_F_TIMEOUT(fault, sendfile, LONG_TEST)
{
	struct fault f = { "sendfile" };
	static char buf[20000];
	int sv[2], file;

	pattern_fill(buf, sizeof(buf), 0);
	file = memfd_create("fault", 0);
	ASSERT_EQ(sizeof(buf), write(file, buf, sizeof(buf)));
	while (fault_next(&f)) {
		off_t from = 0;

		ASSERT_OK(big_pair(self->door, sv));
		sock_nonblock(sv[0]);
		FAULT_CALL(&f, sendfile(sv[0], file, &from, sizeof(buf)));
		EXPECT_FAULT(&f, 0);
		/* A record for each page, so that only the bytes can be compared. */
		EXPECT_OK(arrives(sv[1], &door_family4, buf, f.ret, sizeof(buf)));
		EXPECT_OK(talks(sv[0], sv[1]));
		close(sv[0]);
		close(sv[1]);
	}
	FAULT_END(&f, 1);
	close(file);
}

/* A failed receive has taken nothing; one that has got a part leaves the rest. */
static void check_recv(struct __test_metadata *_metadata, const struct door *d, struct fault *f,
		       int flags)
{
	static char sent[40000], got[sizeof(sent)];
	struct pieces p;
	int sv[2];

	pattern_fill(sent, sizeof(sent), 0);
	ASSERT_OK(big_pair(d, sv));
	while (fault_next(f)) {
		long n, rest;

		ASSERT_EQ(sizeof(sent), send(sv[0], sent, sizeof(sent), 0));
		memset(got, 0, sizeof(got));
		pieces_init(&p, got, sizeof(got));
		FAULT_CALL(f, recvmsg(sv[1], &p.msg, MSG_DONTWAIT | flags));
		EXPECT_FAULT(f, 0);
		n = f->ret > 0 ? f->ret : 0;
		EXPECT_EQ(0, memcmp(sent, got, n));
		/* Lost with a copy that comes after the bytes', as AF_UNIX loses it: whole. */
		if (d->type && n == 0 && f->kind == FAULT_COPY &&
		    recv(sv[1], got, 1, MSG_DONTWAIT | MSG_PEEK) < 0)
			continue;
		rest = flags & MSG_PEEK ? 0 : n;
		EXPECT_OK(arrives(sv[1], &door_family4, sent + rest, sizeof(sent) - rest, 0));
	}
	close(sv[0]);
	close(sv[1]);
}

TEST_F_TIMEOUT(fault, recvmsg, LONG_TEST)
{
	struct fault f = { "recvmsg, pieces" }, peek = { "recvmsg, MSG_PEEK" };
	struct fault all = { "recvmsg, MSG_WAITALL" };

	check_recv(_metadata, self->door, &f, 0);
	FAULT_END(&f, 1);
	check_recv(_metadata, self->door, &peek, MSG_PEEK);
	FAULT_END(&peek, 1);
	check_recv(_metadata, self->door, &all, MSG_WAITALL);
	FAULT_END(&all, 1);
}

/* An option, the value it has and another. */
struct option {
	const char *name;
	int level, number;
	int value;
	bool group;	/* SO_REUSEPORT is set before */
};

static const struct option options[] = {
	{ "SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, 30000 },
	{ "SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, 30000 },
	{ "SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 1 },
	{ "SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT, 1 },
	{ "SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1 },
	{ "SO_MARK", SOL_SOCKET, SO_MARK, 7 },
	{ "SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, 5 },
	{ "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1 },
	{ "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 77 },
	{ "NEWPROTO_GRACE", SOL_NEWPROTO, NEWPROTO_GRACE, 5000, true },
	{ "NEWPROTO_POLICY", SOL_NEWPROTO, NEWPROTO_POLICY, NEWPROTO_POLICY_ROUND_ROBIN, true },
	{ "NEWPROTO_WEIGHT", SOL_NEWPROTO, NEWPROTO_WEIGHT, 9, true },
};

static int option_socket(const struct door *d, const struct option *o)
{
	int fd = door_socket(d, 0);

	if (o->group && sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1))
		return -1;
	return fd;
}

TEST_F_TIMEOUT(fault, setsockopt, LONG_TEST)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option *o = &options[i];
		struct fault f = { o->name };
		int fd, before, after;

		if (self->door->type && o->level == IPPROTO_TCP)
			continue;
		while (fault_next(&f)) {
			fd = option_socket(self->door, o);
			before = sock_int(fd, o->level, o->number);
			FAULT_CALL(&f, sock_set(fd, o->level, o->number, o->value));
			EXPECT_FAULT(&f, 0);
			after = sock_int(fd, o->level, o->number);
			EXPECT_EQ(f.ret != 0, before == after);
			EXPECT_OK(sock_set(fd, o->level, o->number, o->value));
			close(fd);
		}
		FAULT_END(&f, 0);
	}
}

/* What is not a number. */
TEST_F_TIMEOUT(fault, setsockopt_of_more, LONG_TEST)
{
	struct fault g = { "SO_BINDTODEVICE" }, h = { "TCP_CONGESTION" };
	char name[16];
	socklen_t len;
	int fd;

	while (fault_next(&g)) {
		fd = door_socket(self->door, 0);
		FAULT_CALL(&g, setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
		EXPECT_FAULT(&g, 0);
		len = sizeof(name);
		EXPECT_OK(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len));
		EXPECT_EQ(g.ret ? 0 : 3, len);
		close(fd);
	}
	FAULT_END(&g, 0);
	while (!self->door->type && fault_next(&h)) {
		fd = door_socket(self->door, 0);
		FAULT_CALL(&h, setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
		EXPECT_FAULT(&h, 0);
		len = sizeof(name);
		EXPECT_OK(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len));
		EXPECT_STREQ(h.ret ? "cubic" : "reno", name);
		close(fd);
	}
	FAULT_END(&h, 0);
}

TEST_F_TIMEOUT(fault, getsockopt, LONG_TEST)
{
	static const struct { const char *name; int level, number; } gets[] = {
		{ "get SO_ERROR", SOL_SOCKET, SO_ERROR },
		{ "get SO_PEERCRED", SOL_SOCKET, SO_PEERCRED },
		{ "get SO_PEERGROUPS", SOL_SOCKET, SO_PEERGROUPS },
		{ "get SO_MEMINFO", SOL_SOCKET, SO_MEMINFO },
		{ "get TCP_INFO", IPPROTO_TCP, TCP_INFO },
	};
	int i, sv[2];

	ASSERT_OK(door_connected(self->door, sv));
	for (i = 0; i < ARRAY_SIZE(gets); i++) {
		struct fault f = { gets[i].name };
		char value[1024];
		socklen_t len;

		while (fault_next(&f)) {
			len = sizeof(value);
			FAULT_CALL(&f, getsockopt(sv[1], gets[i].level, gets[i].number, value,
						  &len));
			if (self->door->type && gets[i].level == IPPROTO_TCP)
				continue;
			EXPECT_FAULT(&f, 0);
		}
		FAULT_END(&f, 0);
	}
	EXPECT_OK(talks(sv[0], sv[1]));
	close(sv[0]);
	close(sv[1]);
}

TEST_F_TIMEOUT(fault, poll, LONG_TEST)
{
	struct fault f = { "poll" }, g = { "epoll_ctl" };
	struct pollfd p[200];
	struct epoll_event ev = { .events = EPOLLIN };
	int i, sv[2];

	ASSERT_OK(door_connected(self->door, sv));
	for (i = 0; i < 200; i++)
		p[i] = (struct pollfd){ .fd = sv[i % 2], .events = POLLIN };
	while (fault_next(&f)) {
		FAULT_CALL(&f, poll(p, 200, 1));
		EXPECT_FAULT(&f, 0);
		EXPECT_OK(talks(sv[0], sv[1]));
	}
	FAULT_END(&f, 2);
	while (fault_next(&g)) {
		int ep = epoll_create1(0);

		FAULT_CALL(&g, epoll_ctl(ep, EPOLL_CTL_ADD, sv[1], &ev));
		EXPECT_FAULT(&g, 0);
		EXPECT_EQ(1, send(sv[0], "x", 1, 0));
		EXPECT_EQ(g.ret ? 0 : 1, epoll_wait(ep, &ev, 1, g.ret ? 0 : WAIT_MS));
		EXPECT_EQ(1, recv(sv[1], p, 1, 0));
		close(ep);
	}
	FAULT_END(&g, 1);
	close(sv[0]);
	close(sv[1]);
}

static const char *const ends[] = {
	"shutdown(SHUT_WR)", "shutdown(SHUT_RDWR)", "close", "close with unread bytes",
	"close with SO_LINGER 0", "connect(AF_UNSPEC)",
};

static int end_it(int fd, int how)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };

	switch (how) {
	case 0:
		return shutdown(fd, SHUT_WR);
	case 1:
		return shutdown(fd, SHUT_RDWR);
	case 5:
		return connect(fd, &unspec, sizeof(unspec));
	default:
		return close(fd);
	}
}

/* There is no end for which there could be too little memory. */
TEST_F_TIMEOUT(fault, end, LONG_TEST)
{
	struct linger now = { 1, 0 };
	int how, sv[2];
	char buf[8];

	for (how = 0; how < ARRAY_SIZE(ends); how++) {
		struct fault f = { ends[how] };

		while (fault_next(&f)) {
			ASSERT_OK(door_connected(self->door, sv));
			EXPECT_EQ(3, send(sv[0], "abc", 3, 0));
			if (how == 3)
				EXPECT_EQ(3, send(sv[1], "def", 3, 0));
			if (how == 4)
				setsockopt(sv[0], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
			FAULT_CALL(&f, end_it(sv[0], how));
			/* It is not for a lack of memory that one of these fails. */
			if (f.kind == FAULT_COPY && how == 5)
				EXPECT_FAULT(&f, 0);
			EXPECT_TRUE(f.ret == 0 || (f.kind == FAULT_COPY && how == 5));
			if (f.ret)
				EXPECT_OK(end_it(sv[0], how));
			EXPECT_NE(0, poll_events(sv[1], POLLRDHUP, WAIT_MS));
			if (how < 3)
				EXPECT_EQ(3, recv(sv[1], buf, sizeof(buf), MSG_DONTWAIT));
			if (how < 3)
				EXPECT_EQ(0, recv(sv[1], buf, sizeof(buf), MSG_DONTWAIT));
			if (how < 2 || how == 5)
				close(sv[0]);
			close(sv[1]);
		}
		FAULT_END(&f, 0);
	}
}

/* A listener that goes: those who wait for it are told, and the port is free. */
TEST_F_TIMEOUT(fault, close_of_listener, LONG_TEST)
{
	struct fault f = { "close of a listener" };
	int i, fds[3];

	while (fault_next(&f)) {
		int lsn = door_listener(self->door, 1), port = sock_port(lsn);

		for (i = 0; i < 3; i++)
			fds[i] = door_dial(self->door, SOCK_NONBLOCK, port);
		FAULT_CALL(&f, close(lsn));
		EXPECT_EQ(0, f.ret);
		for (i = 0; i < 3; i++) {
			EXPECT_NE(0, poll_events(fds[i], POLLIN, WAIT_MS) & POLLIN);
			EXPECT_EQ(-1, recv(fds[i], &i, 1, MSG_DONTWAIT));
			close(fds[i]);
		}
		EXPECT_OK(port_is_free(self->door, port));
	}
	FAULT_END(&f, 0);
}

TEST_HARNESS_MAIN
