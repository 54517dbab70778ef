// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connected datagram sockets: what connect() makes of a socket, whose datagrams
 * it gets, how it is connected anew or not at all, and what shutdown() does.
 */
#include <kselftest_harness.h>

#include <sys/uio.h>

#include "dgramlib.h"

FIXTURE(dconn) {
	int to;			/* bound, not connected */
	int port;		/* its port */
};

DOOR_FIXTURE_ALL(dconn);

FIXTURE_SETUP(dconn)
{
	self->to = dgram_bound(variant->door, 0, 0);
	ASSERT_OK(self->to);
	self->port = sock_port(self->to);
}

FIXTURE_TEARDOWN(dconn)
{
	close(self->to);
}

static int connect_port(int fd, const struct door *d, int port)
{
	union addr a;
	socklen_t len = door_loop(d, &a, port);

	return connect(fd, &a.sa, len);
}

static int peer_port(int fd)
{
	union addr a;
	socklen_t len = sizeof(a);

	return getpeername(fd, &a.sa, &len) ? -1 : addr_port(&a);
}

TEST_F(dconn, send_and_write)
{
	int fd = dgram_dial(variant->door, 0, self->port);
	struct iovec iov[3] = { { "a", 1 }, { "", 0 }, { "bc", 2 } };

	ASSERT_EQ(4, send(fd, "send", 4, 0));
	ASSERT_EQ(5, write(fd, "write", 5));
	ASSERT_EQ(3, writev(fd, iov, 3));
	ASSERT_EQ(2, dgram_to(fd, variant->door, self->port, "to"));
	EXPECT_STREQ("send", dgram_text(self->to));
	EXPECT_STREQ("write", dgram_text(self->to));
	EXPECT_STREQ("abc", dgram_text(self->to));
	EXPECT_STREQ("to", dgram_text(self->to));
	close(fd);
}

TEST_F(dconn, names)
{
	int fd = dgram_socket(variant->door, 0);
	union addr a;
	socklen_t len = sizeof(a);

	EXPECT_ERR(ENOTCONN, getpeername(fd, &a.sa, &len));
	ASSERT_OK(connect_port(fd, variant->door, self->port));
	EXPECT_EQ(self->port, peer_port(fd));
	EXPECT_NE(0, sock_port(fd));
	/* the other side is none the wiser */
	EXPECT_EQ(-1, peer_port(self->to));
	close(fd);
}

/* Only the peer's datagrams come in. */
TEST_F(dconn, filter)
{
	const struct door *d = variant->door;
	int fd = dgram_bound(d, 0, 0), other = dgram_bound(d, 0, 0);

	ASSERT_OK(connect_port(fd, d, self->port));
	ASSERT_EQ(5, dgram_to(other, d, sock_port(fd), "wrong"));
	ASSERT_EQ(5, dgram_to(self->to, d, sock_port(fd), "right"));
	EXPECT_STREQ("right", dgram_text(fd));
	EXPECT_TRUE(dgram_empty(fd));
	close(fd);
	close(other);
}

/* A stranger who is connected learns that nobody listens to him. */
TEST_F(dconn, filter_refuses_strangers)
{
	const struct door *d = variant->door;
	int fd = dgram_bound(d, 0, 0), other;

	ASSERT_OK(connect_port(fd, d, self->port));
	other = dgram_dial(d, 0, sock_port(fd));
	ASSERT_EQ(1, send(other, "x", 1, 0));
	EXPECT_TRUE(dgram_failed(other));
	EXPECT_EQ(ECONNREFUSED, sock_error(other));
	close(fd);
	close(other);
}

/* The filter is for what comes afterwards: what is queued, stays. */
TEST_F(dconn, queued_before_connect)
{
	const struct door *d = variant->door;
	int fd = dgram_bound(d, 0, 0), other = dgram_bound(d, 0, 0);

	ASSERT_EQ(3, dgram_to(other, d, sock_port(fd), "old"));
	EXPECT_TRUE(poll_events(fd, POLLIN, WAIT_MS) & POLLIN);
	ASSERT_OK(connect_port(fd, d, self->port));
	ASSERT_EQ(3, dgram_to(self->to, d, sock_port(fd), "new"));
	EXPECT_STREQ("old", dgram_text(fd));
	EXPECT_STREQ("new", dgram_text(fd));
	close(fd);
	close(other);
}

TEST_F(dconn, reconnect)
{
	const struct door *d = variant->door;
	int fd = dgram_dial(d, 0, self->port), other = dgram_bound(d, 0, 0);
	int port = sock_port(fd);

	ASSERT_OK(connect_port(fd, d, sock_port(other)));
	EXPECT_EQ(port, sock_port(fd));
	EXPECT_EQ(sock_port(other), peer_port(fd));
	ASSERT_EQ(5, dgram_to(self->to, d, port, "first"));
	ASSERT_EQ(6, dgram_to(other, d, port, "second"));
	EXPECT_STREQ("second", dgram_text(fd));
	EXPECT_TRUE(dgram_empty(fd));
	ASSERT_EQ(1, send(fd, "x", 1, 0));
	EXPECT_STREQ("x", dgram_text(other));
	EXPECT_TRUE(dgram_empty(self->to));
	close(fd);
	close(other);
}

/* A port that connect() chose goes with the connection; one that bind() named stays. */
TEST_F(dconn, unspec_after_connect)
{
	int fd = dgram_dial(variant->door, 0, self->port);

	ASSERT_NE(0, sock_port(fd));
	ASSERT_OK(dgram_unspec(fd));
	EXPECT_EQ(-1, peer_port(fd));
	EXPECT_EQ(0, sock_port(fd));
	EXPECT_ERR(EDESTADDRREQ, send(fd, "x", 1, 0));
	ASSERT_EQ(2, dgram_to(fd, variant->door, self->port, "to"));
	EXPECT_STREQ("to", dgram_text(self->to));
	EXPECT_NE(0, sock_port(fd));
	close(fd);
}

TEST_F(dconn, unspec_after_bind)
{
	const struct door *d = variant->door;
	int port = dgram_free_port(d), fd = dgram_bound(d, 0, port), other = dgram_socket(d, 0);

	ASSERT_OK(connect_port(fd, d, self->port));
	ASSERT_OK(dgram_unspec(fd));
	EXPECT_EQ(port, sock_port(fd));
	EXPECT_EQ(-1, peer_port(fd));
	ASSERT_EQ(6, dgram_to(other, d, port, "anyone"));
	EXPECT_STREQ("anyone", dgram_text(fd));
	ASSERT_OK(dgram_unspec(fd));
	close(fd);
	close(other);
}

TEST_F(dconn, unspec_keeps_the_queue)
{
	const struct door *d = variant->door;
	int port = dgram_free_port(d), fd = dgram_bound(d, 0, port);

	ASSERT_OK(connect_port(fd, d, self->port));
	ASSERT_EQ(3, dgram_to(self->to, d, port, "old"));
	EXPECT_TRUE(poll_events(fd, POLLIN, WAIT_MS) & POLLIN);
	ASSERT_OK(dgram_unspec(fd));
	EXPECT_STREQ("old", dgram_text(fd));
	close(fd);
}

/* On one port, the connected socket gets what its peer sends and the other the rest. */
TEST_F(dconn, before_unconnected)
{
	const struct door *d = variant->door;
	int wild = dgram_share(d, SO_REUSEADDR, 0), port = sock_port(wild);
	int fd = dgram_share(d, SO_REUSEADDR, port), last, other = dgram_bound(d, 0, 0);

	ASSERT_OK(connect_port(fd, d, self->port));
	/* the latest of those that are not connected comes first, but for the peer's */
	last = dgram_share(d, SO_REUSEADDR, port);
	ASSERT_EQ(4, dgram_to(self->to, d, port, "peer"));
	ASSERT_EQ(5, dgram_to(other, d, port, "other"));
	EXPECT_STREQ("peer", dgram_text(fd));
	EXPECT_STREQ("other", dgram_text(last));
	EXPECT_TRUE(dgram_empty(fd));
	EXPECT_TRUE(dgram_empty(wild));
	close(wild);
	close(fd);
	close(last);
	close(other);
}

/* A name in sendto() is where this one goes; the connection is not changed. */
TEST_F(dconn, sendto_elsewhere)
{
	const struct door *d = variant->door;
	int fd = dgram_dial(d, 0, self->port), other = dgram_bound(d, 0, 0);
	union addr from;

	ASSERT_EQ(5, dgram_to(fd, d, sock_port(other), "other"));
	ASSERT_EQ(4, send(fd, "peer", 4, 0));
	EXPECT_STREQ("other", dgram_text_from(other, &from));
	EXPECT_EQ(sock_port(fd), addr_port(&from));
	EXPECT_STREQ("peer", dgram_text(self->to));
	EXPECT_EQ(self->port, peer_port(fd));
	close(fd);
	close(other);
}

TEST_F(dconn, both_connected)
{
	int fd = dgram_dial(variant->door, 0, self->port);

	ASSERT_OK(connect_port(self->to, variant->door, sock_port(fd)));
	ASSERT_EQ(5, send(fd, "there", 5, 0));
	ASSERT_EQ(4, send(self->to, "back", 4, 0));
	EXPECT_STREQ("there", dgram_text(self->to));
	EXPECT_STREQ("back", dgram_text(fd));
	close(fd);
}

TEST_F(dconn, to_itself)
{
	ASSERT_OK(connect_port(self->to, variant->door, self->port));
	ASSERT_EQ(4, send(self->to, "self", 4, 0));
	EXPECT_STREQ("self", dgram_text(self->to));
}

TEST_F(dconn, destination_errors)
{
	const struct door *d = variant->door;
	int fd = dgram_socket(d, 0);
	union addr a;
	socklen_t len = door_loop(d, &a, self->port);

	EXPECT_ERR(EDESTADDRREQ, send(fd, "x", 1, 0));
	EXPECT_ERR(EDESTADDRREQ, write(fd, "x", 1));
	EXPECT_ERR(EDESTADDRREQ, sendto(fd, "x", 1, 0, NULL, 0));
	EXPECT_ERR(EINVAL, dgram_to(fd, d, 0, "x"));
	EXPECT_ERR(EINVAL, sendto(fd, "x", 1, 0, &a.sa, 4));
	EXPECT_ERR(EINVAL, sendto(fd, "x", 1, 0, &a.sa, len - 5));
	EXPECT_ERR(EINVAL, connect(fd, &a.sa, len - 5));
	a.sa.sa_family = AF_UNIX;
	EXPECT_ERR(EAFNOSUPPORT, connect(fd, &a.sa, len));
	EXPECT_ERR(d->af == AF_INET ? EAFNOSUPPORT : EINVAL, sendto(fd, "x", 1, 0, &a.sa, len));
	/* none of them has bound the socket, or made it fit for sending */
	EXPECT_ERR(EDESTADDRREQ, send(fd, "x", 1, 0));
	close(fd);
}

/* AF_UNSPEC for a family: IPv4 takes it for its own, IPv6 for no name at all. */
TEST_F(dconn, sendto_unspec)
{
	const struct door *d = variant->door;
	int fd = dgram_socket(d, 0);
	union addr a;
	socklen_t len = door_loop(d, &a, self->port);

	a.sa.sa_family = AF_UNSPEC;
	errno = 0;
	EXPECT_EQ(d->af == AF_INET ? 1 : -1, sendto(fd, "1", 1, 0, &a.sa, len));
	EXPECT_EQ(d->af == AF_INET ? 0 : EDESTADDRREQ, errno);
	ASSERT_OK(connect_port(fd, d, self->port));
	if (over_udp() && d->mapped)
		SKIP(return, "UDP then forgets that the peer is IPv4's");
	EXPECT_EQ(1, sendto(fd, "2", 1, 0, &a.sa, len));
	if (d->af == AF_INET)
		EXPECT_STREQ("1", dgram_text(self->to));
	EXPECT_STREQ("2", dgram_text(self->to));
	close(fd);
}

/* connect() takes port 0; there is no peer then that getpeername() could tell. */
TEST_F(dconn, connect_to_port_0)
{
	int fd = dgram_dial(variant->door, 0, 0);

	ASSERT_OK(fd);
	EXPECT_EQ(-1, peer_port(fd));
	EXPECT_EQ(ENOTCONN, errno);
	close(fd);
}

/* A failed connect() leaves the socket as it was. */
TEST_F(dconn, failed_connect)
{
	const struct door *d = variant->door;
	int fd = dgram_dial(d, 0, self->port);
	union addr a;
	socklen_t len = door_addr(d, &a, "198.51.100.77", "2001:db8::77", 4711);

	EXPECT_ERR(ENETUNREACH, connect(fd, &a.sa, len));
	EXPECT_EQ(self->port, peer_port(fd));
	ASSERT_EQ(1, send(fd, "x", 1, 0));
	EXPECT_STREQ("x", dgram_text(self->to));
	close(fd);
}

TEST_F(dconn, shutdown_wr)
{
	int fd = dgram_dial(variant->door, 0, self->port);

	signal(SIGPIPE, SIG_DFL);
	ASSERT_OK(shutdown(fd, SHUT_WR));
	/* no signal: that is for streams */
	EXPECT_ERR(EPIPE, send(fd, "x", 1, 0));
	EXPECT_ERR(EPIPE, dgram_to(fd, variant->door, self->port, "x"));
	ASSERT_EQ(4, dgram_to(self->to, variant->door, sock_port(fd), "back"));
	EXPECT_STREQ("back", dgram_text(fd));
	close(fd);
}

TEST_F(dconn, shutdown_rd)
{
	int fd = dgram_dial(variant->door, 0, self->port);
	char c;

	ASSERT_EQ(3, dgram_to(self->to, variant->door, sock_port(fd), "old"));
	EXPECT_TRUE(poll_events(fd, POLLIN, WAIT_MS) & POLLIN);
	ASSERT_OK(shutdown(fd, SHUT_RD));
	EXPECT_STREQ("old", dgram_text(fd));
	/* waiting ends with 0; not to wait is another question */
	EXPECT_EQ(0, recv(fd, &c, 1, 0));
	EXPECT_ERR(EAGAIN, recv(fd, &c, 1, MSG_DONTWAIT));
	ASSERT_EQ(1, send(fd, "x", 1, 0));
	EXPECT_STREQ("x", dgram_text(self->to));
	/* and what comes, comes */
	ASSERT_EQ(3, dgram_to(self->to, variant->door, sock_port(fd), "new"));
	EXPECT_STREQ("new", dgram_text(fd));
	close(fd);
}

static long recv_one(struct task *t)
{
	char c;

	return recv(t->fd, &c, 1, 0);
}

static void shutdown_wakes(struct __test_metadata *_metadata, int fd, int how, int result)
{
	struct task t = { .fn = recv_one, .fd = fd };
	int ret;

	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_recvfrom));
	errno = 0;
	ret = shutdown(fd, how);
	EXPECT_EQ(result, ret ? errno : 0);
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(0, t.ret);
}

TEST_F(dconn, shutdown_wakes_reader)
{
	int fd = dgram_dial(variant->door, 0, self->port);

	shutdown_wakes(_metadata, fd, SHUT_RD, 0);
	close(fd);
}

/* One that is not connected says so, and is shut down all the same. */
TEST_F(dconn, shutdown_wakes_unconnected_reader)
{
	shutdown_wakes(_metadata, self->to, SHUT_RDWR, ENOTCONN);
	EXPECT_ERR(EPIPE, dgram_to(self->to, variant->door, self->port, "x"));
}

TEST_F(dconn, shutdown_errors)
{
	int fd = dgram_dial(variant->door, 0, self->port);

	EXPECT_ERR(EINVAL, shutdown(fd, 3));
	EXPECT_ERR(EINVAL, shutdown(fd, -1));
	EXPECT_OK(shutdown(fd, SHUT_RDWR));
	EXPECT_OK(shutdown(fd, SHUT_RDWR));
	EXPECT_ERR(ENOTCONN, shutdown(self->to, SHUT_RD));
	close(fd);
}

/* Whoever waits in recv() gets what is sent; one datagram wakes one. */
TEST_F(dconn, blocked_readers)
{
	int fd = dgram_dial(variant->door, 0, self->port), i;
	struct task t[2];

	for (i = 0; i < 2; i++) {
		t[i] = (struct task){ .fn = recv_one, .fd = self->to };
		ASSERT_OK(task_start(&t[i]));
		ASSERT_OK(task_blocked(&t[i], SYS_recvfrom));
	}
	ASSERT_EQ(1, send(fd, "1", 1, 0));
	ASSERT_EQ(1, send(fd, "2", 1, 0));
	for (i = 0; i < 2; i++) {
		ASSERT_OK(task_join(&t[i]));
		EXPECT_EQ(1, t[i].ret);
	}
	close(fd);
}

TEST_F(dconn, receive_timeout)
{
	int64_t begin = now_ms(), took;
	char c;

	ASSERT_OK(sock_timeout(self->to, SO_RCVTIMEO, 60));
	EXPECT_ERR(EAGAIN, recv(self->to, &c, 1, 0));
	took = now_ms() - begin;
	EXPECT_LE(60 - TICK_SLACK_MS, took);
	EXPECT_GE(WAIT_MS, took);
	ASSERT_OK(sock_timeout(self->to, SO_SNDTIMEO, 60));
	EXPECT_EQ(1, dgram_to(self->to, variant->door, self->port, "x"));
	EXPECT_EQ(1, recv(self->to, &c, 1, 0));
}

static void on_alarm(int sig)
{
}

TEST_F(dconn, interrupted)
{
	struct sigaction act = { .sa_handler = on_alarm };
	struct task t = { .fn = recv_one, .fd = self->to };
	int fd = dgram_dial(variant->door, 0, self->port);

	ASSERT_OK(sigaction(SIGUSR1, &act, NULL));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_recvfrom));
	pthread_kill(t.thread, SIGUSR1);
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(-1, t.ret);
	EXPECT_EQ(EINTR, t.err);

	act.sa_flags = SA_RESTART;
	ASSERT_OK(sigaction(SIGUSR1, &act, NULL));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_recvfrom));
	pthread_kill(t.thread, SIGUSR1);
	ASSERT_OK(task_blocked(&t, SYS_recvfrom));
	ASSERT_EQ(1, send(fd, "1", 1, 0));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(1, t.ret);
	close(fd);
}

TEST_HARNESS_MAIN
