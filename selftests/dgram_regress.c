// SPDX-License-Identifier: GPL-2.0-only
/*
 * What datagram sockets once did wrong.
 */
#include <kselftest_harness.h>

#include "dgramlib.h"

FIXTURE(dregress) {
	int tx;			/* connected to rx */
	int rx;			/* bound, small */
};

DOOR_FIXTURE_ALL(dregress);

FIXTURE_SETUP(dregress)
{
	int sv[2];

	ASSERT_OK(netns_new());
	ASSERT_OK(dgram_pair(variant->door, sv));
	self->tx = sv[0];
	self->rx = sv[1];
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUF, 16384));
}

FIXTURE_TEARDOWN(dregress)
{
	close(self->tx);
	close(self->rx);
}

static char buf[1000];

static int fill(int fd)
{
	int n = 0;

	while (n < 10000 && send(fd, buf, sizeof(buf), MSG_DONTWAIT) == sizeof(buf))
		n++;
	return errno == EAGAIN ? n : -1;
}

static long send_one(struct task *t)
{
	return send(t->fd, "waited", 6, 0);
}

/* A receiver's unread errors are charged to it as its datagrams are. They must not
 * keep those waiting who wait for room, once there is nothing else to read.
 */
TEST_F(dregress, unread_errors_keep_nobody_waiting)
{
	const struct door *d = variant->door;
	bool v4 = d->af == AF_INET || d->mapped;
	struct task t = { .fn = send_one, .fd = self->tx };
	int i, dead, errors = 0;

	if (over_udp())
		SKIP(return, "UDP's senders never wait");
	dead = dgram_free_port(d);
	ASSERT_LT(0, dead);
	ASSERT_OK(sock_set(self->tx, SOL_NEWPROTO, NEWPROTO_WAIT, 1));
	ASSERT_OK(sock_set(self->rx, v4 ? IPPROTO_IP : IPPROTO_IPV6,
			   v4 ? IP_RECVERR : IPV6_RECVERR, 1));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(1, dgram_to(self->rx, d, dead, "x"));
		ASSERT_EQ(ECONNREFUSED, sock_error(self->rx));
	}
	ASSERT_LT(0, fill(self->tx));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	while (recv(self->rx, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	ASSERT_EQ(0, task_join(&t)) TH_LOG("the receiver has read all, and its sender sleeps");
	EXPECT_EQ(6, t.ret);
	while (recv(self->rx, buf, sizeof(buf), MSG_ERRQUEUE | MSG_DONTWAIT) >= 0)
		errors++;
	EXPECT_LT(10, errors);
}

/* A socket with an IPv6 address has no IPv4 one to send from. */
TEST_F(dregress, ipv6_source_is_no_ipv4_source)
{
	union addr a = { .in6 = { .sin6_family = AF_INET6,
				  .sin6_addr = IN6ADDR_LOOPBACK_INIT } };
	socklen_t len = sizeof(a.in6);
	int fd;

	if (variant->door->af != AF_INET6)
		SKIP(return, "IPv6 only");
	fd = dgram_socket(variant->door, 0);
	ASSERT_OK(bind(fd, &a.sa, len));
	a.in6.sin6_port = htons(sock_port(self->rx));
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &a.in6.sin6_addr);
	EXPECT_ERR(ENETUNREACH, sendto(fd, "x", 1, 0, &a.sa, len));
	EXPECT_ERR(ENETUNREACH, connect(fd, &a.sa, len));
	close(fd);
}

/* A datagram that is held back and cannot be sent yet is held back still. */
TEST_F(dregress, corked_datagram_waits_too)
{
	int n;

	if (over_udp())
		SKIP(return, "UDP's senders never wait");
	ASSERT_OK(sock_set(self->tx, SOL_NEWPROTO, NEWPROTO_WAIT, 1));
	ASSERT_EQ(2, send(self->tx, "ab", 2, MSG_MORE));
	n = dgram_dial(variant->door, 0, sock_port(self->rx));
	ASSERT_OK(n);
	ASSERT_OK(sock_set(n, SOL_NEWPROTO, NEWPROTO_WAIT, 1));
	ASSERT_LT(0, fill(n));
	close(n);
	EXPECT_ERR(EAGAIN, send(self->tx, "cd", 2, MSG_DONTWAIT));
	ASSERT_OK(sock_nonblock(self->tx));
	EXPECT_ERR(EAGAIN, sock_set(self->tx, IPPROTO_UDP, UDP_CORK, 0));
	while (recv(self->rx, buf, sizeof(buf), MSG_DONTWAIT) == sizeof(buf))
		;
	EXPECT_EQ(2, send(self->tx, "ef", 2, 0)) TH_LOG("%s", strerror(errno));
	EXPECT_EQ(4, recv(self->rx, buf, sizeof(buf), MSG_DONTWAIT));
	EXPECT_EQ(0, memcmp(buf, "abef", 4)) TH_LOG("%.4s", buf);
}

/* Who waits for a receiver that goes elsewhere has nothing to wait for any more. */
TEST_F(dregress, receiver_that_moves_wakes_senders)
{
	struct task t = { .fn = send_one, .fd = self->tx };
	int other = dgram_bound(variant->door, 0, 0);
	union addr a;
	socklen_t len = door_loop(variant->door, &a, sock_port(other));

	if (over_udp())
		SKIP(return, "UDP's senders never wait");
	ASSERT_OK(sock_set(self->tx, SOL_NEWPROTO, NEWPROTO_WAIT, 1));
	ASSERT_LT(0, fill(self->tx));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	ASSERT_OK(connect(self->rx, &a.sa, len));
	ASSERT_EQ(0, task_join(&t)) TH_LOG("the receiver takes from another one only");
	EXPECT_EQ(6, t.ret);
	EXPECT_EQ(ECONNREFUSED, sock_error(self->tx));
	close(other);
}

/* Where a send would fail at once there is no waiting, for poll() either. */
TEST_F(dregress, poll_after_shutdown)
{
	if (over_udp())
		SKIP(return, "UDP's senders never wait");
	ASSERT_OK(sock_set(self->tx, SOL_NEWPROTO, NEWPROTO_WAIT, 1));
	ASSERT_LT(0, fill(self->tx));
	EXPECT_EQ(0, poll_events(self->tx, POLLOUT, 0));
	ASSERT_OK(shutdown(self->tx, SHUT_WR));
	EXPECT_EQ(POLLOUT, poll_events(self->tx, POLLOUT, 0));
	EXPECT_ERR(EPIPE, send(self->tx, "x", 1, MSG_DONTWAIT));
}

/* An IPv6 address that connect() has chosen does not stand in the way of an IPv4
 * destination.
 */
TEST_F(dregress, chosen_ipv6_source_gives_way)
{
	union addr a = { .in6 = { .sin6_family = AF_INET6, .sin6_port = htons(9),
				  .sin6_addr = IN6ADDR_LOOPBACK_INIT } }, from;
	socklen_t len = sizeof(a.in6), flen = sizeof(from);
	int fd, to;

	if (variant->door->af != AF_INET6)
		SKIP(return, "IPv6 only");
	fd = dgram_socket(variant->door, 0);
	to = dgram_wild(variant->door, 0);
	ASSERT_OK(to);
	ASSERT_OK(connect(fd, &a.sa, len));
	a.in6.sin6_port = htons(sock_port(to));
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &a.in6.sin6_addr);
	ASSERT_EQ(1, sendto(fd, "x", 1, 0, &a.sa, len)) TH_LOG("%s", strerror(errno));
	ASSERT_EQ(POLLIN, poll_events(to, POLLIN, WAIT_MS));
	ASSERT_EQ(1, recvfrom(to, buf, 1, 0, &from.sa, &flen));
	EXPECT_EQ(0, memcmp(&from.in6.sin6_addr, &a.in6.sin6_addr, 16));
	close(fd);
	close(to);
}

/* More than UDP's 16 bits of length are too many before anything else is wrong. */
TEST_F(dregress, too_long_first)
{
	static char big[70000];
	union addr a;
	socklen_t len = door_loop(variant->door, &a, 0);
	int fd;

	if (variant->door->af != AF_INET)
		SKIP(return, "IPv4 only");
	fd = dgram_socket(variant->door, 0);
	EXPECT_ERR(EMSGSIZE, send(fd, big, sizeof(big), 0));
	EXPECT_ERR(EMSGSIZE, sendto(fd, big, sizeof(big), 0, &a.sa, len));
	close(fd);
	ASSERT_EQ(3, send(self->tx, "abc", 3, MSG_MORE));
	EXPECT_ERR(EMSGSIZE, send(self->tx, big, sizeof(big), 0));
	EXPECT_EQ(3, send(self->tx, "def", 3, 0));
	ASSERT_EQ(POLLIN, poll_events(self->rx, POLLIN, WAIT_MS));
	EXPECT_EQ(6, recv(self->rx, buf, sizeof(buf), 0)) TH_LOG("what was held back stays");
}

TEST_HARNESS_MAIN
