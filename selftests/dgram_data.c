// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is in datagrams: sizes and limits, truncation, peeking, gathering and
 * scattering, many at a call, pieces that become one, flags.
 */
#include <kselftest_harness.h>

#include <linux/sockios.h>
#include <sys/uio.h>

#include "dgramlib.h"

FIXTURE(ddata) {
	int tx;			/* connected to rx */
	int rx;			/* bound */
};

DOOR_FIXTURE_ALL(ddata);

FIXTURE_SETUP(ddata)
{
	int sv[2];

	ASSERT_OK(dgram_pair(variant->door, sv));
	self->tx = sv[0];
	self->rx = sv[1];
}

FIXTURE_TEARDOWN(ddata)
{
	close(self->tx);
	close(self->rx);
}

static unsigned char out[70000], in[70000];

/* The largest datagram: the length of an IPv6 packet does not count its header. */
static int largest(const struct door *d)
{
	return d->af == AF_INET6 && !d->mapped ? DGRAM_MAX + 20 : DGRAM_MAX;
}

static bool waiting(int fd)
{
	return poll_events(fd, POLLIN, WAIT_MS / 4) & POLLIN;
}

TEST_F(ddata, sizes)
{
	static const int sizes[] = {
		1, 2, 63, 64, 479, 480, 481, 1472, 4095, 4096, 4097, 8192, 16384, 32768, 65507,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		pattern_fill(out, sizes[i], i);
		ASSERT_EQ(sizes[i], send(self->tx, out, sizes[i], 0));
		ASSERT_TRUE(waiting(self->rx));
		EXPECT_EQ(sizes[i], count_pending(self->rx, SIOCINQ));
		EXPECT_EQ(sizes[i], recv(self->rx, in, sizeof(in), MSG_DONTWAIT));
		EXPECT_EQ(-1, pattern_wrong(in, sizes[i], i))
			TH_LOG("datagram of %d bytes", sizes[i]);
	}
	EXPECT_TRUE(dgram_empty(self->rx));
}

TEST_F(ddata, largest)
{
	int max = largest(variant->door);

	pattern_fill(out, max, 0);
	EXPECT_ERR(EMSGSIZE, send(self->tx, out, max + 1, 0));
	EXPECT_ERR(EMSGSIZE, send(self->tx, out, 65536, 0));
	EXPECT_ERR(EMSGSIZE, send(self->tx, out, sizeof(out), 0));
	EXPECT_EQ(max, send(self->tx, out, max, 0));
	EXPECT_TRUE(waiting(self->rx));
	EXPECT_EQ(max, recv(self->rx, in, sizeof(in), MSG_DONTWAIT));
	EXPECT_EQ(-1, pattern_wrong(in, max, 0));
	EXPECT_TRUE(dgram_empty(self->rx));
}

/* A datagram without bytes is one all the same. */
TEST_F(ddata, empty)
{
	union addr from;

	ASSERT_EQ(0, send(self->tx, NULL, 0, 0));
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	ASSERT_TRUE(waiting(self->rx));
	EXPECT_EQ(0, count_pending(self->rx, SIOCINQ));
	EXPECT_STREQ("", dgram_text_from(self->rx, &from));
	EXPECT_EQ(sock_port(self->tx), addr_port(&from));
	EXPECT_EQ(1, count_pending(self->rx, SIOCINQ));
	EXPECT_STREQ("x", dgram_text(self->rx));
	EXPECT_TRUE(dgram_empty(self->rx));
	/* and so with write(), but read() of nothing leaves it there */
	ASSERT_EQ(0, write(self->tx, "", 0));
	ASSERT_EQ(1, send(self->tx, "y", 1, 0));
	ASSERT_TRUE(waiting(self->rx));
	EXPECT_EQ(0, read(self->rx, in, 0));
	EXPECT_STREQ("", dgram_text(self->rx));
	EXPECT_STREQ("y", dgram_text(self->rx));
}

TEST_F(ddata, receive_nothing_of_it)
{
	ASSERT_EQ(4, send(self->tx, "gone", 4, 0));
	ASSERT_EQ(4, send(self->tx, "here", 4, 0));
	ASSERT_TRUE(waiting(self->rx));
	EXPECT_EQ(0, recv(self->rx, NULL, 0, 0));
	EXPECT_STREQ("here", dgram_text(self->rx));
}

/* What does not fit is lost, and told. */
TEST_F(ddata, truncated)
{
	struct inbox i;
	char small[4];

	ASSERT_EQ(10, send(self->tx, "0123456789", 10, 0));
	ASSERT_EQ(4, send(self->tx, "next", 4, 0));
	ASSERT_TRUE(waiting(self->rx));
	memset(&i, 0, sizeof(i));
	i.iov = (struct iovec){ small, sizeof(small) };
	i.msg = (struct msghdr){ .msg_iov = &i.iov, .msg_iovlen = 1 };
	EXPECT_EQ(4, recvmsg(self->rx, &i.msg, MSG_PEEK));
	EXPECT_EQ(MSG_TRUNC, i.msg.msg_flags);
	EXPECT_EQ(10, recvmsg(self->rx, &i.msg, MSG_PEEK | MSG_TRUNC));
	EXPECT_EQ(MSG_TRUNC, i.msg.msg_flags);
	EXPECT_EQ(4, recvmsg(self->rx, &i.msg, 0));
	EXPECT_EQ(MSG_TRUNC, i.msg.msg_flags);
	EXPECT_EQ(0, memcmp(small, "0123", 4));
	EXPECT_EQ(4, recvmsg(self->rx, &i.msg, 0));
	EXPECT_EQ(0, i.msg.msg_flags);
	EXPECT_EQ(0, memcmp(small, "next", 4));
}

TEST_F(ddata, true_length)
{
	char small[4];

	ASSERT_EQ(10, send(self->tx, "0123456789", 10, 0));
	ASSERT_EQ(10, send(self->tx, "0123456789", 10, 0));
	ASSERT_EQ(2, send(self->tx, "ab", 2, 0));
	ASSERT_TRUE(waiting(self->rx));
	EXPECT_EQ(10, recv(self->rx, small, sizeof(small), MSG_TRUNC));
	EXPECT_EQ(0, memcmp(small, "0123", 4));
	EXPECT_EQ(10, recv(self->rx, NULL, 0, MSG_TRUNC));
	EXPECT_EQ(2, recv(self->rx, small, sizeof(small), MSG_TRUNC));
	EXPECT_TRUE(dgram_empty(self->rx));
}

TEST_F(ddata, peek)
{
	union addr from;
	socklen_t len = sizeof(from);
	char buf[8];
	int i;

	ASSERT_EQ(4, send(self->tx, "abcd", 4, 0));
	ASSERT_TRUE(waiting(self->rx));
	for (i = 0; i < 3; i++) {
		memset(&from, 0, sizeof(from));
		len = sizeof(from);
		EXPECT_EQ(4, recvfrom(self->rx, buf, 8, MSG_PEEK, &from.sa, &len));
		EXPECT_EQ(0, memcmp(buf, "abcd", 4));
		EXPECT_EQ(sock_port(self->tx), addr_port(&from));
	}
	EXPECT_EQ(4, count_pending(self->rx, SIOCINQ));
	EXPECT_STREQ("abcd", dgram_text(self->rx));
	EXPECT_TRUE(dgram_empty(self->rx));
}

static int peek_offset(int fd)
{
	return sock_int(fd, SOL_SOCKET, SO_PEEK_OFF);
}

/* Peeking goes on where it left off, from one datagram into the next. */
TEST_F(ddata, peek_offset)
{
	char buf[8];

	EXPECT_EQ(-1, peek_offset(self->rx));
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_PEEK_OFF, 0));
	ASSERT_EQ(6, send(self->tx, "abcdef", 6, 0));
	ASSERT_EQ(2, send(self->tx, "gh", 2, 0));
	ASSERT_TRUE(waiting(self->rx));
	EXPECT_EQ(4, recv(self->rx, buf, 4, MSG_PEEK));
	EXPECT_EQ(0, memcmp(buf, "abcd", 4));
	EXPECT_EQ(4, peek_offset(self->rx));
	EXPECT_EQ(2, recv(self->rx, buf, 8, MSG_PEEK));
	EXPECT_EQ(0, memcmp(buf, "ef", 2));
	EXPECT_EQ(2, recv(self->rx, buf, 8, MSG_PEEK));
	EXPECT_EQ(0, memcmp(buf, "gh", 2));
	EXPECT_ERR(EAGAIN, recv(self->rx, buf, 8, MSG_PEEK | MSG_DONTWAIT));
	/* reading moves the offset back by as much */
	EXPECT_STREQ("abcdef", dgram_text(self->rx));
	EXPECT_EQ(2, peek_offset(self->rx));
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_PEEK_OFF, 1));
	EXPECT_EQ(1, recv(self->rx, buf, 8, MSG_PEEK));
	EXPECT_EQ('h', buf[0]);
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_PEEK_OFF, -1));
	EXPECT_EQ(2, recv(self->rx, buf, 8, MSG_PEEK));
	EXPECT_STREQ("gh", dgram_text(self->rx));
}

/* A peek that waits gets what comes; two that wait both get it. */
static long peek_one(struct task *t)
{
	char c;

	return recv(t->fd, &c, 1, MSG_PEEK);
}

TEST_F(ddata, blocked_peek)
{
	struct task t = { .fn = peek_one, .fd = self->rx };

	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_recvfrom));
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(1, t.ret);
	EXPECT_STREQ("x", dgram_text(self->rx));
}

TEST_F(ddata, scatter_gather)
{
	char a[3] = "", b[4] = "", c[64] = "";
	struct iovec o[3] = { { "0123", 4 }, { "", 0 }, { "456789", 6 } };
	struct iovec i[3] = { { a, 3 }, { b, 4 }, { c, sizeof(c) } };

	ASSERT_EQ(10, writev(self->tx, o, 3));
	ASSERT_TRUE(waiting(self->rx));
	EXPECT_EQ(10, readv(self->rx, i, 3));
	EXPECT_EQ(0, memcmp(a, "012", 3));
	EXPECT_EQ(0, memcmp(b, "3456", 4));
	EXPECT_EQ(0, memcmp(c, "789", 4));
}

/* A sender's bad pointer sends nothing; a receiver's loses the datagram. */
TEST_F(ddata, bad_pointers)
{
	struct iovec half[2] = { { "abcd", 4 }, { BAD_PTR, 4 } };

	EXPECT_ERR(EFAULT, send(self->tx, BAD_PTR, 4, 0));
	EXPECT_ERR(EFAULT, writev(self->tx, half, 2));
	ASSERT_EQ(5, send(self->tx, "first", 5, 0));
	ASSERT_EQ(6, send(self->tx, "second", 6, 0));
	ASSERT_TRUE(waiting(self->rx));
	EXPECT_ERR(EFAULT, recv(self->rx, BAD_PTR, 4, MSG_PEEK));
	EXPECT_ERR(EFAULT, recv(self->rx, BAD_PTR, 4, 0));
	EXPECT_STREQ("second", dgram_text(self->rx));
}

/* A name that does not fit is cut; its true length is told. */
TEST_F(ddata, source_name)
{
	socklen_t full = variant->door->af == AF_INET ? sizeof(struct sockaddr_in) :
							sizeof(struct sockaddr_in6);
	unsigned char name[64];
	socklen_t len = 4;
	char c;

	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	ASSERT_EQ(1, send(self->tx, "y", 1, 0));
	ASSERT_TRUE(waiting(self->rx));
	memset(name, 0x5a, sizeof(name));
	EXPECT_EQ(1, recvfrom(self->rx, &c, 1, 0, (void *)name, &len));
	EXPECT_EQ(full, len);
	EXPECT_EQ(htons(sock_port(self->tx)), *(uint16_t *)(name + 2));
	EXPECT_EQ(0x5a, name[4]);
	len = sizeof(name);
	EXPECT_EQ(1, recvfrom(self->rx, &c, 1, 0, (void *)name, &len));
	EXPECT_EQ(full, len);
	EXPECT_EQ(0x5a, name[full]);
}

TEST_F(ddata, flags_of_send)
{
	/* over IPv6, UDP does not look at the flag */
	if (!over_udp() || variant->door->af == AF_INET || variant->door->mapped)
		EXPECT_ERR(EOPNOTSUPP, send(self->tx, "x", 1, MSG_OOB));
	EXPECT_EQ(1, send(self->tx, "1", 1, MSG_CONFIRM));
	EXPECT_EQ(1, send(self->tx, "2", 1, MSG_DONTROUTE));
	EXPECT_EQ(1, send(self->tx, "3", 1, MSG_EOR));
	EXPECT_EQ(1, send(self->tx, "4", 1, MSG_DONTWAIT | MSG_NOSIGNAL));
	EXPECT_EQ(1, send(self->tx, "5", 1, MSG_ZEROCOPY));
	EXPECT_STREQ("1", dgram_text(self->rx));
	EXPECT_STREQ("2", dgram_text(self->rx));
	EXPECT_STREQ("3", dgram_text(self->rx));
	EXPECT_STREQ("4", dgram_text(self->rx));
	EXPECT_STREQ("5", dgram_text(self->rx));
}

TEST_F(ddata, flags_of_recv)
{
	char buf[8];

	ASSERT_EQ(2, send(self->tx, "ab", 2, 0));
	ASSERT_EQ(2, send(self->tx, "cd", 2, 0));
	ASSERT_TRUE(waiting(self->rx));
	/* there is one datagram at a time to wait for, whatever room there is */
	EXPECT_EQ(2, recv(self->rx, buf, 8, MSG_WAITALL));
	EXPECT_ERR(EAGAIN, recv(self->rx, buf, 8, MSG_ERRQUEUE));
	EXPECT_EQ(2, recv(self->rx, buf, 8, MSG_DONTWAIT));
	EXPECT_ERR(EAGAIN, recv(self->rx, buf, 8, MSG_DONTWAIT));
}

/* Pieces with MSG_MORE are one datagram, which the last piece sends. */
TEST_F(ddata, msg_more)
{
	union addr a;
	socklen_t len = door_loop(variant->door, &a, 4711);

	ASSERT_EQ(2, send(self->tx, "ab", 2, MSG_MORE));
	ASSERT_EQ(2, send(self->tx, "cd", 2, MSG_MORE));
	EXPECT_TRUE(dgram_empty(self->rx));
	ASSERT_EQ(2, send(self->tx, "ef", 2, 0));
	EXPECT_STREQ("abcdef", dgram_text(self->rx));
	/* the first piece says where it goes */
	ASSERT_EQ(2, send(self->tx, "ab", 2, MSG_MORE));
	ASSERT_EQ(2, sendto(self->tx, "cd", 2, 0, &a.sa, len));
	EXPECT_STREQ("abcd", dgram_text(self->rx));
	ASSERT_EQ(0, send(self->tx, "", 0, MSG_MORE));
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	EXPECT_STREQ("x", dgram_text(self->rx));
}

TEST_F(ddata, msg_more_unconnected)
{
	int fd = dgram_socket(variant->door, 0);
	union addr a;
	socklen_t len = door_loop(variant->door, &a, sock_port(self->rx));

	ASSERT_EQ(2, sendto(fd, "ab", 2, MSG_MORE, &a.sa, len));
	ASSERT_EQ(2, send(fd, "cd", 2, 0));
	EXPECT_STREQ("abcd", dgram_text(self->rx));
	EXPECT_ERR(EDESTADDRREQ, send(fd, "x", 1, 0));
	close(fd);
}

TEST_F(ddata, cork)
{
	EXPECT_EQ(0, sock_int(self->tx, IPPROTO_UDP, UDP_CORK));
	ASSERT_OK(sock_set(self->tx, IPPROTO_UDP, UDP_CORK, 1));
	EXPECT_EQ(1, sock_int(self->tx, IPPROTO_UDP, UDP_CORK));
	ASSERT_EQ(2, send(self->tx, "ab", 2, 0));
	ASSERT_EQ(2, write(self->tx, "cd", 2));
	EXPECT_TRUE(dgram_empty(self->rx));
	ASSERT_OK(sock_set(self->tx, IPPROTO_UDP, UDP_CORK, 0));
	EXPECT_STREQ("abcd", dgram_text(self->rx));
	EXPECT_TRUE(dgram_empty(self->rx));
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	EXPECT_STREQ("x", dgram_text(self->rx));
	/* nothing corked, nothing sent */
	ASSERT_OK(sock_set(self->tx, IPPROTO_UDP, UDP_CORK, 1));
	ASSERT_OK(sock_set(self->tx, IPPROTO_UDP, UDP_CORK, 0));
	ASSERT_EQ(1, send(self->tx, "y", 1, 0));
	EXPECT_STREQ("y", dgram_text(self->rx));
}

/* Too much in pieces: all of it is given up. */
TEST_F(ddata, corked_too_long)
{
	int max = largest(variant->door);

	pattern_fill(out, max, 0);
	ASSERT_EQ(60000, send(self->tx, out, 60000, MSG_MORE));
	EXPECT_ERR(EMSGSIZE, send(self->tx, out, 10000, MSG_MORE));
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	EXPECT_STREQ("x", dgram_text(self->rx));
	/* as much as one may have */
	ASSERT_EQ(60000, send(self->tx, out, 60000, MSG_MORE));
	ASSERT_EQ(max - 60000, send(self->tx, out + 60000, max - 60000, 0));
	ASSERT_TRUE(waiting(self->rx));
	EXPECT_EQ(max, recv(self->rx, in, sizeof(in), MSG_DONTWAIT));
	EXPECT_EQ(-1, pattern_wrong(in, max, 0));
}

TEST_F(ddata, corked_bad_pointer)
{
	ASSERT_EQ(2, send(self->tx, "ab", 2, MSG_MORE));
	EXPECT_ERR(EFAULT, send(self->tx, BAD_PTR, 2, 0));
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	EXPECT_STREQ("x", dgram_text(self->rx));
}

/* What is corked when the socket is closed is never sent. */
TEST_F(ddata, corked_at_close)
{
	int fd = dgram_dial(variant->door, 0, sock_port(self->rx));

	ASSERT_EQ(2, send(fd, "ab", 2, MSG_MORE));
	ASSERT_OK(close(fd));
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	EXPECT_STREQ("x", dgram_text(self->rx));
}

/* Rights to descriptors are AF_UNIX's to pass. */
TEST_F(ddata, scm_rights)
{
	ssize_t ret = dgram_to_with(self->tx, variant->door, sock_port(self->rx), SOL_SOCKET,
				    SCM_RIGHTS, &self->rx, sizeof(int));

	EXPECT_EQ(over_udp() ? 4 : -1, ret);
	if (!over_udp()) {
		EXPECT_EQ(EINVAL, errno);
		EXPECT_TRUE(dgram_empty(self->rx));
	}
}

TEST_F(ddata, queues)
{
	EXPECT_EQ(0, count_pending(self->rx, SIOCINQ));
	EXPECT_EQ(0, count_pending(self->tx, SIOCOUTQ));
	ASSERT_EQ(3, send(self->tx, "abc", 3, 0));
	ASSERT_EQ(5, send(self->tx, "defgh", 5, 0));
	ASSERT_TRUE(waiting(self->rx));
	/* of the first datagram, not of all */
	EXPECT_EQ(3, count_pending(self->rx, SIOCINQ));
	EXPECT_STREQ("abc", dgram_text(self->rx));
	EXPECT_EQ(5, count_pending(self->rx, SIOCINQ));
	EXPECT_STREQ("defgh", dgram_text(self->rx));
	EXPECT_EQ(0, count_pending(self->rx, SIOCINQ));
	EXPECT_EQ(0, count_pending(self->tx, SIOCOUTQ));
	EXPECT_ERR(EFAULT, ioctl(self->rx, SIOCINQ, BAD_PTR));
	EXPECT_ERR(ENOTTY, ioctl(self->rx, 0x4711, &in));
}

static int read_numbers(struct __test_metadata *_metadata, int fd, uint32_t next, int n)
{
	uint32_t got;

	while (n--) {
		ASSERT_TRUE(waiting(fd));
		ASSERT_EQ(4, recv(fd, &got, 4, MSG_DONTWAIT));
		ASSERT_EQ(next, got);
		next++;
	}
	return next;
}

/* Many datagrams in the order in which they were sent; the queue is never empty. */
TEST_F(ddata, order)
{
	uint32_t i, next = 0, n = 2000 * test_scale();

	for (i = 0; i < n; i++) {
		ASSERT_EQ(4, send(self->tx, &i, 4, 0));
		if (i % 50 == 49)
			next = read_numbers(_metadata, self->rx, next, i > 50 ? 50 : 20);
	}
	read_numbers(_metadata, self->rx, next, n - next);
	EXPECT_TRUE(dgram_empty(self->rx));
}

TEST_HARNESS_MAIN
