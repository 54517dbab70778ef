// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagrams that nobody is there for: ECONNREFUSED for the connected sender, and
 * the queue of errors for whoever asks for it by IP_RECVERR.
 */
#include <kselftest_harness.h>

#include <linux/errqueue.h>
#include <linux/sockios.h>
#include <sys/epoll.h>

#include "dgramlib.h"

FIXTURE(derr) {
	int port;		/* nobody's */
};

DOOR_FIXTURE_ALL(derr);

FIXTURE_SETUP(derr)
{
	self->port = dgram_free_port(variant->door);
}

FIXTURE_TEARDOWN(derr) {}

/* The first datagram is sent; whatever is called next tells of its fate, once. */
TEST_F(derr, next_send)
{
	int fd = dgram_dial(variant->door, 0, self->port);

	ASSERT_EQ(1, send(fd, "1", 1, 0));
	ASSERT_TRUE(dgram_failed(fd));
	EXPECT_ERR(ECONNREFUSED, send(fd, "2", 1, 0));
	/* that one was not sent, so that no error follows */
	EXPECT_EQ(0, sock_error(fd));
	EXPECT_EQ(1, send(fd, "3", 1, 0));
	ASSERT_TRUE(dgram_failed(fd));
	EXPECT_ERR(ECONNREFUSED, write(fd, "4", 1));
	close(fd);
}

TEST_F(derr, next_recv)
{
	int fd = dgram_dial(variant->door, 0, self->port);
	char c;

	ASSERT_EQ(1, send(fd, "1", 1, 0));
	ASSERT_TRUE(dgram_failed(fd));
	EXPECT_ERR(ECONNREFUSED, recv(fd, &c, 1, 0));
	EXPECT_ERR(EAGAIN, recv(fd, &c, 1, MSG_DONTWAIT));
	close(fd);
}

/* The error comes before what is queued. */
TEST_F(derr, before_data)
{
	const struct door *d = variant->door;
	int to = dgram_bound(d, 0, self->port), fd = dgram_dial(d, 0, self->port);

	ASSERT_EQ(4, dgram_to(to, d, sock_port(fd), "data"));
	ASSERT_TRUE(poll_events(fd, POLLIN, WAIT_MS) & POLLIN);
	ASSERT_OK(close(to));
	ASSERT_EQ(1, send(fd, "1", 1, 0));
	ASSERT_TRUE(dgram_failed(fd));
	EXPECT_STREQ(strerror(ECONNREFUSED), dgram_text(fd));
	EXPECT_STREQ("data", dgram_text(fd));
	close(fd);
}

TEST_F(derr, so_error)
{
	int fd = dgram_dial(variant->door, 0, self->port);

	ASSERT_EQ(1, send(fd, "1", 1, 0));
	ASSERT_TRUE(dgram_failed(fd));
	EXPECT_EQ(ECONNREFUSED, sock_error(fd));
	EXPECT_EQ(0, sock_error(fd));
	EXPECT_EQ(1, send(fd, "2", 1, 0));
	close(fd);
}

TEST_F(derr, poll)
{
	int fd = dgram_dial(variant->door, 0, self->port);

	EXPECT_EQ(POLLOUT, poll_events(fd, POLLIN | POLLOUT, 0));
	ASSERT_EQ(1, send(fd, "1", 1, 0));
	ASSERT_TRUE(dgram_failed(fd));
	EXPECT_EQ(POLLOUT | POLLERR, poll_events(fd, POLLIN | POLLOUT, 0));
	EXPECT_EQ(ECONNREFUSED, sock_error(fd));
	EXPECT_EQ(POLLOUT, poll_events(fd, POLLIN | POLLOUT, 0));
	close(fd);
}

TEST_F(derr, epoll_edge)
{
	int fd = dgram_dial(variant->door, 0, self->port), ep = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

	ASSERT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	ASSERT_EQ(1, send(fd, "1", 1, 0));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, WAIT_MS));
	EXPECT_EQ(EPOLLERR, ev.events);
	EXPECT_EQ(ECONNREFUSED, sock_error(fd));
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	close(ep);
	close(fd);
}

static long recv_one(struct task *t)
{
	char c;

	return recv(t->fd, &c, 1, 0);
}

TEST_F(derr, wakes_reader)
{
	int fd = dgram_dial(variant->door, 0, self->port);
	struct task t = { .fn = recv_one, .fd = fd };

	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_recvfrom));
	ASSERT_EQ(1, send(fd, "1", 1, 0));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(-1, t.ret);
	EXPECT_EQ(ECONNREFUSED, t.err);
	close(fd);
}

/* One that is not connected hears of nothing. */
TEST_F(derr, unconnected)
{
	const struct door *d = variant->door;
	int to = dgram_bound(d, 0, 0), fd = dgram_socket(d, 0), i;

	for (i = 0; i < 3; i++)
		EXPECT_EQ(1, dgram_to(fd, d, self->port, "x"));
	EXPECT_EQ(1, dgram_to(fd, d, sock_port(to), "y"));
	EXPECT_STREQ("y", dgram_text(to));
	EXPECT_EQ(0, sock_error(fd));
	close(to);
	close(fd);
}

/* Nor does a connected one of what it sent elsewhere. */
TEST_F(derr, elsewhere)
{
	const struct door *d = variant->door;
	int to = dgram_bound(d, 0, 0), fd = dgram_dial(d, 0, sock_port(to));

	EXPECT_EQ(1, dgram_to(fd, d, self->port, "x"));
	EXPECT_EQ(1, send(fd, "y", 1, 0));
	EXPECT_STREQ("y", dgram_text(to));
	EXPECT_EQ(0, sock_error(fd));
	close(to);
	close(fd);
}

TEST_F(derr, peer_closes_and_comes_back)
{
	const struct door *d = variant->door;
	int to = dgram_bound(d, 0, self->port), fd = dgram_dial(d, 0, self->port);

	ASSERT_EQ(6, send(fd, "unread", 6, 0));
	ASSERT_TRUE(poll_events(to, POLLIN, WAIT_MS) & POLLIN);
	ASSERT_OK(close(to));
	/* closing tells nobody, not even of what was not read */
	EXPECT_EQ(POLLOUT, poll_events(fd, POLLIN | POLLOUT, 0));
	ASSERT_EQ(1, send(fd, "1", 1, 0));
	ASSERT_TRUE(dgram_failed(fd));
	to = dgram_bound(d, 0, self->port);
	ASSERT_OK(to);
	EXPECT_ERR(ECONNREFUSED, send(fd, "2", 1, 0));
	EXPECT_EQ(1, send(fd, "3", 1, 0));
	EXPECT_STREQ("3", dgram_text(to));
	close(to);
	close(fd);
}

/* A pending error stays when the socket is connected anew, or not at all. */
TEST_F(derr, survives_connect)
{
	const struct door *d = variant->door;
	int to = dgram_bound(d, 0, 0), fd = dgram_dial(d, 0, self->port);
	union addr a;
	socklen_t len = door_loop(d, &a, sock_port(to));

	ASSERT_EQ(1, send(fd, "1", 1, 0));
	ASSERT_TRUE(dgram_failed(fd));
	ASSERT_OK(connect(fd, &a.sa, len));
	EXPECT_EQ(ECONNREFUSED, sock_error(fd));
	EXPECT_EQ(1, send(fd, "2", 1, 0));
	EXPECT_STREQ("2", dgram_text(to));
	close(to);
	close(fd);
}

/* --- the queue of errors ---------------------------------------------------------- */

/* An IPv6 socket that writes to an IPv4 address is asked as IPv4's. */
static bool ip6(const struct door *d)
{
	return d->af == AF_INET6 && !d->mapped;
}

static int recverr(int fd, const struct door *d, int on)
{
	return ip6(d) ? sock_set(fd, IPPROTO_IPV6, IPV6_RECVERR, on) :
			sock_set(fd, IPPROTO_IP, IP_RECVERR, on);
}

static const struct sock_extended_err *find_error(struct inbox *in, const struct door *d)
{
	return d->af == AF_INET ?
		inbox_find(in, IPPROTO_IP, IP_RECVERR, sizeof(struct sock_extended_err)) :
		inbox_find(in, IPPROTO_IPV6, IPV6_RECVERR, sizeof(struct sock_extended_err));
}

static void expect_error(struct __test_metadata *_metadata, int fd, const struct door *d,
			 const char *text, int port)
{
	const struct sock_extended_err *ee;
	const union addr *offender;
	char buf[INET6_ADDRSTRLEN];
	struct inbox in;

	EXPECT_EQ(strlen(text), inbox_recv(fd, &in, MSG_ERRQUEUE)) TH_LOG("%s", strerror(errno));
	EXPECT_STREQ(text, in.data);
	EXPECT_EQ(MSG_ERRQUEUE, in.msg.msg_flags);
	/* where it was to go to */
	EXPECT_EQ(d->af, in.from.sa.sa_family);
	EXPECT_EQ(port, addr_port(&in.from));
	EXPECT_STREQ(d->af == AF_INET ? "127.0.0.1" : d->mapped ? "::ffff:127.0.0.1" : "::1",
		     addr_text(&in.from, buf));
	ee = find_error(&in, d);
	ASSERT_NE(NULL, ee);
	EXPECT_EQ(ECONNREFUSED, ee->ee_errno);
	EXPECT_EQ(ip6(d) ? SO_EE_ORIGIN_ICMP6 : SO_EE_ORIGIN_ICMP, ee->ee_origin);
	EXPECT_EQ(ip6(d) ? 1 : 3, ee->ee_type);
	EXPECT_EQ(ip6(d) ? 4 : 3, ee->ee_code);
	EXPECT_EQ(0, ee->ee_info);
	EXPECT_EQ(0, ee->ee_data);
	offender = (const void *)SO_EE_OFFENDER(ee);
	EXPECT_EQ(d->af, offender->sa.sa_family);
	EXPECT_STREQ(d->af == AF_INET ? "127.0.0.1" : d->mapped ? "::ffff:127.0.0.1" : "::1",
		     addr_text(offender, buf));
	EXPECT_EQ(0, addr_port(offender));
}

TEST_F(derr, queue)
{
	const struct door *d = variant->door;
	int fd = dgram_dial(d, 0, self->port);
	struct inbox in;

	ASSERT_OK(recverr(fd, d, 1));
	EXPECT_ERR(EAGAIN, inbox_recv(fd, &in, MSG_ERRQUEUE));
	ASSERT_EQ(5, send(fd, "first", 5, 0));
	ASSERT_TRUE(dgram_failed(fd));
	expect_error(_metadata, fd, d, "first", self->port);
	EXPECT_ERR(EAGAIN, inbox_recv(fd, &in, MSG_ERRQUEUE));
	/* reading the queue has taken the pending error, too */
	EXPECT_EQ(0, sock_error(fd));
	EXPECT_EQ(0, poll_events(fd, 0, 0));
	close(fd);
}

/* Whoever asks for it hears of datagrams without being connected. */
TEST_F(derr, queue_of_unconnected)
{
	const struct door *d = variant->door;
	int fd = dgram_socket(d, 0), other = dgram_free_port(d);

	ASSERT_OK(recverr(fd, d, 1));
	ASSERT_EQ(1, dgram_to(fd, d, self->port, "1"));
	ASSERT_TRUE(dgram_failed(fd));
	EXPECT_ERR(ECONNREFUSED, dgram_to(fd, d, other, "2"));
	ASSERT_EQ(1, dgram_to(fd, d, other, "3"));
	/* the failed call has taken the first's error, not its place in the queue */
	expect_error(_metadata, fd, d, "1", self->port);
	expect_error(_metadata, fd, d, "3", other);
	EXPECT_EQ(0, poll_events(fd, 0, 0));
	close(fd);
}

/* As long as the queue has an entry there is POLLERR. */
TEST_F(derr, queue_and_poll)
{
	const struct door *d = variant->door;
	int fd = dgram_dial(d, 0, self->port);

	ASSERT_OK(recverr(fd, d, 1));
	ASSERT_EQ(1, send(fd, "1", 1, 0));
	ASSERT_TRUE(dgram_failed(fd));
	EXPECT_EQ(ECONNREFUSED, sock_error(fd));
	EXPECT_EQ(POLLOUT | POLLERR, poll_events(fd, POLLOUT | POLLIN, 0));
	ASSERT_OK(sock_set(fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1));
	EXPECT_EQ(POLLOUT | POLLERR | POLLPRI, poll_events(fd, POLLOUT | POLLIN | POLLPRI, 0));
	expect_error(_metadata, fd, d, "1", self->port);
	EXPECT_EQ(POLLOUT, poll_events(fd, POLLOUT | POLLIN | POLLPRI, 0));
	close(fd);
}

TEST_F(derr, queue_option)
{
	const struct door *d = variant->door;
	int fd = dgram_dial(d, 0, self->port);
	struct inbox in;

	EXPECT_EQ(0, ip6(d) ? sock_int(fd, IPPROTO_IPV6, IPV6_RECVERR) :
			      sock_int(fd, IPPROTO_IP, IP_RECVERR));
	ASSERT_OK(recverr(fd, d, 1));
	EXPECT_EQ(1, ip6(d) ? sock_int(fd, IPPROTO_IPV6, IPV6_RECVERR) :
			      sock_int(fd, IPPROTO_IP, IP_RECVERR));
	ASSERT_EQ(1, send(fd, "1", 1, 0));
	ASSERT_TRUE(dgram_failed(fd));
	/* without the option there is no queue */
	ASSERT_OK(recverr(fd, d, 0));
	EXPECT_ERR(EAGAIN, inbox_recv(fd, &in, MSG_ERRQUEUE));
	EXPECT_EQ(ECONNREFUSED, sock_error(fd));
	EXPECT_EQ(0, poll_events(fd, 0, 0));
	close(fd);
}

TEST_F(derr, queue_truncated)
{
	const struct door *d = variant->door;
	int fd = dgram_dial(d, 0, self->port);
	char buf[4];
	struct iovec iov = { buf, 2 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	ASSERT_OK(recverr(fd, d, 1));
	ASSERT_EQ(5, send(fd, "12345", 5, 0));
	ASSERT_TRUE(dgram_failed(fd));
	EXPECT_EQ(2, recvmsg(fd, &msg, MSG_ERRQUEUE));
	EXPECT_EQ(0, memcmp(buf, "12", 2));
	EXPECT_EQ(MSG_TRUNC | MSG_ERRQUEUE, msg.msg_flags & ~MSG_CTRUNC);
	close(fd);
}

/* Errors that nobody reads do not pile up without bounds, nor stop anything. */
TEST_F(derr, queue_not_read)
{
	const struct door *d = variant->door;
	int fd = dgram_dial(d, 0, self->port), i, sent = 0, entries = 0;
	static char big[1000];
	struct inbox in;

	ASSERT_OK(recverr(fd, d, 1));
	for (i = 0; i < 3000; i++)
		sent += send(fd, big, sizeof(big), 0) > 0;
	EXPECT_LE(1500, sent);
	while (inbox_recv(fd, &in, MSG_ERRQUEUE) >= 0)
		entries++;
	EXPECT_LT(0, entries);
	EXPECT_GT(1500, entries) TH_LOG("%d errors are held for one who does not read", entries);
	sock_error(fd);
	ASSERT_EQ(1, send(fd, "x", 1, 0));
	ASSERT_TRUE(dgram_failed(fd));
	expect_error(_metadata, fd, d, "x", self->port);
	close(fd);
}

TEST_HARNESS_MAIN
