// SPDX-License-Identifier: GPL-2.0-only
/*
 * Addresses, lengths and options that cannot be copied, and datagrams in memory that
 * ends too early: a call that fails for them has done nothing, except where UDP and
 * TCP have done it by then, too; and a datagram is whole or absent. The tests of what
 * these do are the same: NEWPROTO_TEST_PROTO=tcp.
 */
#include <kselftest_harness.h>

#include <sys/mman.h>
#include <sys/uio.h>

#include "dgramlib.h"
#include "faultlib.h"
#include "seqlib.h"

#define AREA		0x20000
#define FIXED		8192
#define LONG_TEST	120

/* Memory of @len bytes, and none behind it. */
static void *edge(size_t len)
{
	static char *area;

	if (!area) {
		area = mmap(NULL, AREA + 4096, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		munmap(area + AREA, 4096);
	}
	return area + AREA - len;
}

/* A copy of it that can be read only; two pages, so as not to fill the one at the edge. */
static void *fixed_copy(const void *data, size_t len)
{
	void *p = mmap(NULL, FIXED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(p, data, len);
	mprotect(p, FIXED, PROT_READ);
	return p;
}

/* --- addresses -------------------------------------------------------------------- */

FIXTURE(where) {
	const struct door *door;
	int lsn, port;
};

DOOR_FIXTURE(where);
FIXTURE_VARIANT_ADD(where, seq4) { .door = &door_seq4 };

FIXTURE_SETUP(where)
{
	if (over_tcp() && variant->door->type)
		SKIP(_exit(255), "TCP has no records");
	self->door = variant->door;
	self->lsn = door_listener(self->door, 4);
	ASSERT_OK(self->lsn);
	self->port = sock_port(self->lsn);
}

FIXTURE_TEARDOWN(where)
{
	close(self->lsn);
}

/* All the ways in which accept() cannot say who it is. */
enum { ACCEPT_WAYS = 5 };

static int accept_badly(int lsn, int way)
{
	union addr a;
	socklen_t len = sizeof(a), wrong = -1;

	switch (way) {
	case 0:
		return accept(lsn, BAD_PTR, &len);
	case 1:
		return accept(lsn, &a.sa, BAD_PTR);
	case 2:
		return accept(lsn, &a.sa, NULL);
	case 3:
		return accept(lsn, edge(4), &len);
	default:
		return accept(lsn, &a.sa, &wrong);
	}
}

/* The connection is off the queue by then, as with TCP: its client hears of the end. */
TEST_F(where, accept)
{
	int way, fd, low, child;
	char c;

	for (way = 0; way < ACCEPT_WAYS; way++) {
		fd = door_dial(self->door, 0, self->port);
		ASSERT_OK(fd);
		low = lowest_fd();
		ASSERT_EQ(POLLIN, poll_events(self->lsn, POLLIN, WAIT_MS));
		errno = 0;
		EXPECT_EQ(-1, accept_badly(self->lsn, way));
		EXPECT_EQ(way == ACCEPT_WAYS - 1 ? EINVAL : EFAULT, errno);
		EXPECT_EQ(low, lowest_fd());
		EXPECT_EQ(POLLIN, poll_events(fd, POLLIN, WAIT_MS) & POLLIN);
		EXPECT_GE(0, recv(fd, &c, 1, MSG_DONTWAIT));
		EXPECT_NE(EAGAIN, errno);
		close(fd);
		/* The next one is none the worse for it. */
		fd = door_dial(self->door, 0, self->port);
		child = accept(self->lsn, NULL, NULL);
		EXPECT_EQ(1, send(fd, "x", 1, 0));
		EXPECT_EQ(1, recv(child, &c, 1, 0));
		close(child);
		close(fd);
	}
}

/* With nothing to accept the addresses are not looked at. */
TEST_F(where, accept_of_nothing)
{
	sock_nonblock(self->lsn);
	EXPECT_ERR(EAGAIN, accept(self->lsn, BAD_PTR, BAD_PTR));
}

TEST_F(where, names)
{
	union addr a;
	socklen_t len = sizeof(a), *fixed = fixed_copy(&len, sizeof(len));
	int fd = door_dial(self->door, 0, self->port), i;

	for (i = 0; i < 2; i++) {
		int (*name)(int fd, struct sockaddr *sa, socklen_t *len) = i ? getpeername :
									       getsockname;

		len = sizeof(a);
		EXPECT_ERR(EFAULT, name(fd, BAD_PTR, &len));
		EXPECT_ERR(EFAULT, name(fd, edge(5), &len));
		EXPECT_ERR(EFAULT, name(fd, &a.sa, BAD_PTR));
		EXPECT_ERR(EFAULT, name(fd, &a.sa, edge(2)));
		EXPECT_ERR(EFAULT, name(fd, &a.sa, fixed));
		len = sizeof(a);
		EXPECT_OK(name(fd, &a.sa, &len));
		EXPECT_EQ(i ? self->port : sock_port(fd), addr_port(&a));
		/* As much as there is room for. */
		len = 4;
		EXPECT_OK(name(fd, edge(4), &len));
		EXPECT_LT(4, len);
	}
	munmap(fixed, FIXED);
	close(fd);
}

/* No port is taken, and nobody is called. */
TEST_F(where, bind_and_connect)
{
	union addr a;
	socklen_t len = door_loop(self->door, &a, self->port);
	char *half = edge(len / 2);
	int fd = door_socket(self->door, 0);

	memcpy(half, &a, len / 2);
	EXPECT_ERR(EFAULT, bind(fd, BAD_PTR, len));
	EXPECT_ERR(EFAULT, bind(fd, (void *)half, len));
	EXPECT_ERR(EFAULT, connect(fd, BAD_PTR, len));
	EXPECT_ERR(EFAULT, connect(fd, (void *)half, len));
	EXPECT_EQ(0, sock_port(fd));
	EXPECT_EQ(0, poll_events(self->lsn, POLLIN, 0));
	EXPECT_OK(connect(fd, &a.sa, len));
	EXPECT_EQ(POLLIN, poll_events(self->lsn, POLLIN, WAIT_MS));
	close(fd);
}

TEST_F(where, socketpair)
{
	const struct door *d = self->door->type ? &door_seqpair : self->door;
	int low = lowest_fd(), *one = edge(sizeof(int)), sv[2];
	int type = d->type ?: SOCK_STREAM;

	if (over_tcp())
		SKIP(return, "TCP has no socketpair()");
	/* Not by the C library, whose header warns of such pointers. */
	EXPECT_ERR(EFAULT, syscall(SYS_socketpair, door_domain(d), type, IPPROTO_NEWPROTO,
				   BAD_PTR));
	EXPECT_ERR(EFAULT, syscall(SYS_socketpair, door_domain(d), type, IPPROTO_NEWPROTO, one));
	EXPECT_EQ(low, lowest_fd());
	EXPECT_OK(socketpair(door_domain(d), type, IPPROTO_NEWPROTO, sv));
	close(sv[0]);
	close(sv[1]);
}

/* --- options ---------------------------------------------------------------------- */

/* Those with other values than the one that is set here. */
static const struct option {
	const char *name;
	int level, number, value;
	bool ours;
} options[] = {
	{ "SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, 30000 },
	{ "SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, 30000 },
	{ "SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 1 },
	{ "SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1 },
	{ "SO_PRIORITY", SOL_SOCKET, SO_PRIORITY, 3 },
	{ "SO_MARK", SOL_SOCKET, SO_MARK, 3 },
	{ "SO_RCVLOWAT", SOL_SOCKET, SO_RCVLOWAT, 3 },
	{ "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1 },
	{ "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 33 },
	{ "TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, 33 },
	{ "IP_TTL", IPPROTO_IP, IP_TTL, 33 },
	{ "IP_TOS", IPPROTO_IP, IP_TOS, 32 },
	{ "IP_FREEBIND", IPPROTO_IP, IP_FREEBIND, 1 },
	{ "IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, 33 },
	{ "IPV6_TCLASS", IPPROTO_IPV6, IPV6_TCLASS, 32 },
	{ "UDP_CORK", IPPROTO_UDP, UDP_CORK, 1 },
	{ "NEWPROTO_WAIT", SOL_NEWPROTO, NEWPROTO_WAIT, 1, true },
	{ "NEWPROTO_GRACE", SOL_NEWPROTO, NEWPROTO_GRACE, 1000, true },
	{ "NEWPROTO_POLICY", SOL_NEWPROTO, NEWPROTO_POLICY, NEWPROTO_POLICY_ROUND_ROBIN, true },
	{ "NEWPROTO_WEIGHT", SOL_NEWPROTO, NEWPROTO_WEIGHT, 7, true },
};

static void check_option(struct __test_metadata *_metadata, int fd, const struct option *o)
{
	int before = sock_int(fd, o->level, o->number), value = o->value, *half = edge(2);
	socklen_t len, four = 4, *fixed = fixed_copy(&four, 4);

	memset(half, 0xff, 2);
	EXPECT_ERR(EFAULT, setsockopt(fd, o->level, o->number, BAD_PTR, 4));
	EXPECT_ERR(EFAULT, setsockopt(fd, o->level, o->number, half, 4));
	EXPECT_EQ(before, sock_int(fd, o->level, o->number)) TH_LOG("%s", o->name);
	EXPECT_OK(setsockopt(fd, o->level, o->number, &value, 4));
	value = sock_int(fd, o->level, o->number);
	EXPECT_NE(before, value) TH_LOG("%s", o->name);
	len = 4;
	EXPECT_ERR(EFAULT, getsockopt(fd, o->level, o->number, BAD_PTR, &len));
	len = 4;
	EXPECT_ERR(EFAULT, getsockopt(fd, o->level, o->number, half, &len));
	EXPECT_ERR(EFAULT, getsockopt(fd, o->level, o->number, &value, BAD_PTR));
	EXPECT_ERR(EFAULT, getsockopt(fd, o->level, o->number, &value, edge(2)));
	EXPECT_ERR(EFAULT, getsockopt(fd, o->level, o->number, &value, fixed));
	EXPECT_EQ(value, sock_int(fd, o->level, o->number)) TH_LOG("%s", o->name);
	munmap(fixed, FIXED);
}

/* On each type of socket those that it has. */
TEST_F(where, options)
{
	int i, k, seen = 0;

	for (k = 0; k < 2; k++) {
		for (i = 0; i < ARRAY_SIZE(options); i++) {
			int fd = k ? dgram_socket(self->door, 0) : door_socket(self->door, 0);

			if (options[i].ours && !over_tcp())
				sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
			if (sock_int(fd, options[i].level, options[i].number) != -1) {
				check_option(_metadata, fd, &options[i]);
				seen++;
			}
			close(fd);
		}
	}
	EXPECT_LT(15, seen);
}

/* What is no number: structures and names. */
TEST_F(where, larger_options)
{
	static const struct { int level, name; socklen_t len; } all[] = {
		{ SOL_SOCKET, SO_LINGER, sizeof(struct linger) },
		{ SOL_SOCKET, SO_RCVTIMEO, sizeof(struct timeval) },
		{ SOL_SOCKET, SO_SNDTIMEO, sizeof(struct timeval) },
		{ SOL_SOCKET, SO_BINDTODEVICE, 8 },
		{ IPPROTO_TCP, TCP_CONGESTION, 8 },
	};
	char old[64], now[64];
	socklen_t old_len, len;
	int i, fd = door_socket(self->door, 0);

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		memset(old, 0, sizeof(old));
		memset(now, 0, sizeof(now));
		old_len = sizeof(old);
		if (getsockopt(fd, all[i].level, all[i].name, old, &old_len))
			continue;
		EXPECT_ERR(EFAULT, setsockopt(fd, all[i].level, all[i].name, BAD_PTR, all[i].len));
		memset(edge(3), 'l', 3);
		EXPECT_ERR(EFAULT, setsockopt(fd, all[i].level, all[i].name, edge(3), all[i].len));
		len = sizeof(now);
		EXPECT_OK(getsockopt(fd, all[i].level, all[i].name, now, &len));
		EXPECT_EQ(old_len, len);
		EXPECT_EQ(0, memcmp(old, now, sizeof(old)));
		len = sizeof(now);
		/* There is no device, so that there is nothing to copy. */
		if (old_len)
			EXPECT_ERR(EFAULT, getsockopt(fd, all[i].level, all[i].name, edge(1),
						      &len));
	}
	close(fd);
}

/* --- datagrams -------------------------------------------------------------------- */

static const size_t holes[] = {
	0, 1, 100, 1000, 4095, 4096, 4097, 8192, 16384, 32767, 32768, 32769, 65000,
};

#define WHOLE	65500

FIXTURE(copy_dgram) {
	const struct door *door;
	int sv[2];
	char buf[WHOLE + 100];
};

DOOR_FIXTURE(copy_dgram);

FIXTURE_SETUP(copy_dgram)
{
	self->door = variant->door;
	ASSERT_OK(dgram_pair(self->door, self->sv));
	ASSERT_OK(sock_set(self->sv[0], SOL_SOCKET, SO_SNDBUFFORCE, 1 << 20));
	ASSERT_OK(sock_set(self->sv[1], SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20));
}

FIXTURE_TEARDOWN(copy_dgram)
{
	close(self->sv[0]);
	close(self->sv[1]);
}

/* The next datagram, and there is no other: its length, or -1 where a byte is wrong. */
static long only_one(int fd, char *buf, size_t size)
{
	long n;

	if (!(poll_events(fd, POLLIN, WAIT_MS) & POLLIN))
		return -1;
	n = recv(fd, buf, size, MSG_DONTWAIT);
	if (n < 0 || pattern_wrong(buf, n, 0) >= 0 || !dgram_empty(fd))
		return -1;
	return n;
}

#define ONLY_ONE(self)	only_one((self)->sv[1], (self)->buf, sizeof((self)->buf))

/* In one piece or in three. */
static long send_pieces(int fd, char *p, size_t there, size_t len, int way)
{
	size_t third = there / 3;
	struct iovec iov[3] = {
		{ p, third }, { p + third, third }, { p + 2 * third, len - 2 * third },
	};
	struct mmsghdr m = { .msg_hdr = { .msg_iov = iov, .msg_iovlen = 3 } };

	switch (way) {
	case 0:
		return send(fd, p, len, 0);
	case 1:
		return sendmsg(fd, &m.msg_hdr, 0);
	case 2:
		return writev(fd, iov, 3);
	default:
		return sendmmsg(fd, &m, 1, 0);
	}
}

TEST_F_TIMEOUT(copy_dgram, send, LONG_TEST)
{
	int h, way;
	char *p;

	for (h = 0; h < ARRAY_SIZE(holes); h++) {
		for (way = 0; way < 4; way++) {
			p = edge(holes[h]);
			pattern_fill(p, holes[h], 0);
			EXPECT_ERR(EFAULT, send_pieces(self->sv[0], p, holes[h], holes[h] + 400,
						       way));
			/* What comes is the next one. */
			pattern_fill(self->buf, 50 + way, 0);
			EXPECT_EQ(50 + way, send(self->sv[0], self->buf, 50 + way, 0));
			EXPECT_EQ(50 + way, ONLY_ONE(self));
		}
	}
}

static long recv_pieces(int fd, char *p, size_t there, size_t len, int flags, int way)
{
	size_t third = there / 3;
	struct iovec iov[3] = {
		{ p, third }, { p + third, third }, { p + 2 * third, len - 2 * third },
	};
	struct mmsghdr m = { .msg_hdr = { .msg_iov = iov, .msg_iovlen = 3 } };

	switch (way) {
	case 0:
		return recv(fd, p, len, flags);
	case 1:
		return recvmsg(fd, &m.msg_hdr, flags);
	case 2:
		return flags ? recvmsg(fd, &m.msg_hdr, flags) : readv(fd, iov, 3);
	default:
		return recvmmsg(fd, &m, 1, flags, NULL);
	}
}

/* Lost, as with UDP, but not if it was only looked at; and never a part of it. */
TEST_F_TIMEOUT(copy_dgram, receive, LONG_TEST)
{
	static char sent[WHOLE];
	int h, way, peek;

	pattern_fill(sent, WHOLE, 0);
	for (h = 0; h < ARRAY_SIZE(holes); h++) {
		for (way = 0; way < 8; way++) {
			peek = way & 4 ? MSG_PEEK : 0;
			ASSERT_EQ(WHOLE, send(self->sv[0], sent, WHOLE, 0));
			ASSERT_EQ(POLLIN, poll_events(self->sv[1], POLLIN, WAIT_MS));
			EXPECT_ERR(EFAULT, recv_pieces(self->sv[1], edge(holes[h]), holes[h],
						       WHOLE, peek, way & 3));
			if (peek)
				EXPECT_EQ(WHOLE, ONLY_ONE(self));
			EXPECT_EQ(70, send(self->sv[0], sent, 70, 0));
			EXPECT_EQ(70, ONLY_ONE(self));
		}
		/* It was for the room that there was, and is cut to it. */
		ASSERT_EQ(WHOLE, send(self->sv[0], sent, WHOLE, 0));
		ASSERT_EQ(POLLIN, poll_events(self->sv[1], POLLIN, WAIT_MS));
		EXPECT_EQ(WHOLE, recv(self->sv[1], edge(holes[h]), holes[h], MSG_TRUNC));
		EXPECT_EQ(-1, pattern_wrong(edge(holes[h]), holes[h], 0));
		EXPECT_TRUE(dgram_empty(self->sv[1]));
	}
}

/* A part of what is held back: as with UDP all of it is gone, whichever part it was. */
TEST_F(copy_dgram, cork)
{
	char *p = edge(500);

	pattern_fill(p, 500, 0);
	EXPECT_EQ(500, send(self->sv[0], p, 500, MSG_MORE));
	EXPECT_ERR(EFAULT, send(self->sv[0], p, 600, MSG_MORE));
	EXPECT_EQ(200, send(self->sv[0], p, 200, MSG_MORE));
	EXPECT_EQ(300, send(self->sv[0], p + 200, 300, 0));
	EXPECT_EQ(500, ONLY_ONE(self));
	EXPECT_EQ(500, send(self->sv[0], p, 500, MSG_MORE));
	EXPECT_ERR(EFAULT, send(self->sv[0], p, 600, 0));
	EXPECT_EQ(400, send(self->sv[0], p, 400, 0));
	EXPECT_EQ(400, ONLY_ONE(self));
}

TEST_F(copy_dgram, several_messages)
{
	char buf[3][10];
	struct iovec iov[3] = { { buf[0], 10 }, { BAD_PTR, 10 }, { buf[2], 10 } };
	struct mmsghdr m[3] = {
		{ .msg_hdr = { .msg_iov = &iov[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &iov[1], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &iov[2], .msg_iovlen = 1 } },
	};
	int i;

	for (i = 0; i < 3; i++)
		pattern_fill(buf[i], 10, 0);
	EXPECT_EQ(1, sendmmsg(self->sv[0], m, 3, 0));
	EXPECT_EQ(10, ONLY_ONE(self));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(8 + i, send(self->sv[0], self->buf, 8 + i, 0));
	EXPECT_EQ(POLLIN, poll_events(self->sv[1], POLLIN, WAIT_MS));
	while (count_pending(self->sv[1], FIONREAD) != 8)
		;
	poll(NULL, 0, over_udp() ? 100 : 0);	/* for all of them to be there */
	EXPECT_EQ(1, recvmmsg(self->sv[1], m, 3, MSG_DONTWAIT, NULL));
	EXPECT_EQ(8, m[0].msg_len);
	EXPECT_EQ(EFAULT, sock_error(self->sv[1]));
	EXPECT_EQ(10, ONLY_ONE(self));
}

/* Whom it is for, and what goes with it. */
TEST_F(copy_dgram, bad_message_header)
{
	struct iovec iov = { self->buf, 10 };
	struct msghdr good = { .msg_iov = &iov, .msg_iovlen = 1 }, m;
	int fd = dgram_socket(self->door, 0);
	union addr a;
	socklen_t len = door_loop(self->door, &a, sock_port(self->sv[1]));

	pattern_fill(self->buf, 10, 0);
	memcpy(edge(len / 2), &a, len / 2);
	EXPECT_ERR(EFAULT, sendto(fd, self->buf, 10, 0, BAD_PTR, len));
	EXPECT_ERR(EFAULT, sendto(fd, self->buf, 10, 0, edge(len / 2), len));
	m = good;
	m.msg_name = edge(len / 2);
	m.msg_namelen = len;
	EXPECT_ERR(EFAULT, sendmsg(fd, &m, 0));
	EXPECT_EQ(0, sock_port(fd));
	m = good;
	m.msg_control = edge(10);
	m.msg_controllen = 64;
	EXPECT_ERR(EFAULT, sendmsg(self->sv[0], &m, 0));
	m = good;
	m.msg_iov = edge(sizeof(iov) / 2);
	EXPECT_ERR(EFAULT, sendmsg(self->sv[0], &m, 0));
	EXPECT_ERR(EFAULT, sendmsg(self->sv[0], edge(20), 0));
	EXPECT_EQ(10, sendto(fd, self->buf, 10, 0, &a.sa, len));
	EXPECT_EQ(10, ONLY_ONE(self));
	close(fd);
}

/* The datagram is taken when the kernel writes down whom it is from: gone, but whole. */
TEST_F(copy_dgram, bad_name)
{
	union addr a;
	socklen_t len, *fixed;

	len = sizeof(a);
	fixed = fixed_copy(&len, sizeof(len));
	pattern_fill(self->buf, 10, 0);
	EXPECT_EQ(10, send(self->sv[0], self->buf, 10, 0));
	EXPECT_EQ(POLLIN, poll_events(self->sv[1], POLLIN, WAIT_MS));
	EXPECT_ERR(EFAULT, recvfrom(self->sv[1], self->buf, 10, MSG_PEEK, BAD_PTR, &len));
	EXPECT_ERR(EFAULT, recvfrom(self->sv[1], self->buf, 10, MSG_PEEK, &a.sa, BAD_PTR));
	EXPECT_ERR(EFAULT, recvfrom(self->sv[1], self->buf, 10, MSG_PEEK, &a.sa, fixed));
	EXPECT_ERR(EFAULT, recvfrom(self->sv[1], self->buf, 10, MSG_PEEK, edge(4), &len));
	EXPECT_EQ(10, ONLY_ONE(self));
	EXPECT_EQ(10, send(self->sv[0], self->buf, 10, 0));
	EXPECT_EQ(POLLIN, poll_events(self->sv[1], POLLIN, WAIT_MS));
	EXPECT_ERR(EFAULT, recvfrom(self->sv[1], self->buf, 10, 0, BAD_PTR, &len));
	EXPECT_TRUE(dgram_empty(self->sv[1]));
	EXPECT_EQ(9, send(self->sv[0], self->buf, 9, 0));
	EXPECT_EQ(9, ONLY_ONE(self));
	munmap(fixed, FIXED);
}

/* There is no memory for control messages: the datagram comes, and it is told. */
TEST_F(copy_dgram, bad_control)
{
	bool v6 = self->door->af == AF_INET6;
	struct iovec iov = { self->buf, 100 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = BAD_PTR, .msg_controllen = 256,
	};

	ASSERT_OK(sock_set(self->sv[1], v6 ? IPPROTO_IPV6 : IPPROTO_IP,
			   v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1));
	EXPECT_EQ(10, send(self->sv[0], "0123456789", 10, 0));
	EXPECT_EQ(POLLIN, poll_events(self->sv[1], POLLIN, WAIT_MS));
	EXPECT_EQ(10, recvmsg(self->sv[1], &m, 0));
	EXPECT_EQ(0, m.msg_controllen);
	EXPECT_EQ(0, memcmp(self->buf, "0123456789", 10));
	EXPECT_TRUE(dgram_empty(self->sv[1]));
}

/* What the kernel lets fail, each in its turn. */
TEST_F_TIMEOUT(copy_dgram, injected, LONG_TEST)
{
	static char sent[40000];
	struct fault f = { "send" }, g = { "receive" };
	int way;
	bool there;

	if (over_udp())
		SKIP(return, "the kernel's own protocols have other tests");
	FAULT_NEEDED(return);
	pattern_fill(sent, sizeof(sent), 0);
	edge(0);
	ASSERT_OK(fault_begin());
	for (way = 0; way < 4; way++) {
		f = (struct fault){ "send" };
		while (fault_next(&f)) {
			FAULT_CALL(&f, send_pieces(self->sv[0], sent, sizeof(sent), sizeof(sent),
						   way));
			EXPECT_FAULT(&f, 0);
			there = !dgram_empty(self->sv[1]);
			/* sendmmsg() has sent it before it writes down how long it was. */
			EXPECT_TRUE(there == (f.ret >= 0) || (way == 3 && f.kind == FAULT_COPY));
			if (there)
				EXPECT_EQ(sizeof(sent), ONLY_ONE(self));
		}
		FAULT_END(&f, 1);
		EXPECT_LT(0, f.failures[FAULT_COPY]);
		g = (struct fault){ "receive" };
		while (fault_next(&g)) {
			EXPECT_EQ(sizeof(sent), send(self->sv[0], sent, sizeof(sent), 0));
			FAULT_CALL(&g, recv_pieces(self->sv[1], edge(sizeof(sent)), sizeof(sent),
						   sizeof(sent), 0, way));
			EXPECT_FAULT(&g, 0);
			if (g.ret >= 0)
				EXPECT_EQ(-1, pattern_wrong(edge(sizeof(sent)), sizeof(sent), 0));
			if (!dgram_empty(self->sv[1]))
				EXPECT_EQ(sizeof(sent), ONLY_ONE(self));
		}
		FAULT_END(&g, 0);
		EXPECT_LT(0, g.failures[FAULT_COPY]);
	}
}

TEST_HARNESS_MAIN
