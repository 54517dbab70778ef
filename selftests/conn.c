// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a connection: nonblocking connect, accept and what it inherits,
 * data before accept, dissolving, shutdown, close and SO_LINGER.
 */
#include <kselftest_harness.h>

#include "scene.h"

FIXTURE(conn) {
	int lsn;
	int port;
	union addr dest;
	socklen_t dest_len;
};

DOOR_FIXTURE(conn);

FIXTURE_SETUP(conn)
{
	self->lsn = door_listener(variant->door, 4);
	ASSERT_OK(self->lsn);
	self->port = sock_port(self->lsn);
	self->dest_len = door_loop(variant->door, &self->dest, self->port);
}

FIXTURE_TEARDOWN(conn)
{
	close(self->lsn);
}

/* Whether it says so at once or by poll(): in the end it is connected. */
TEST_F(conn, nonblocking)
{
	int fd = door_socket(variant->door, SOCK_NONBLOCK);
	int ret = connect(fd, &self->dest.sa, self->dest_len);

	EXPECT_TRUE(!ret || errno == EINPROGRESS);
	EXPECT_EQ(POLLOUT, poll_events(fd, POLLOUT, WAIT_MS));
	EXPECT_EQ(0, sock_error(fd));
	EXPECT_OK(accept(self->lsn, NULL, NULL));
	/* what was in progress is told once, as connected */
	ret = connect(fd, &self->dest.sa, self->dest_len);
	EXPECT_TRUE(!ret || errno == EISCONN);
	EXPECT_ERR(EISCONN, connect(fd, &self->dest.sa, self->dest_len));
	close(fd);
}

TEST_F(conn, nonblocking_refused)
{
	int fd = door_socket(variant->door, SOCK_NONBLOCK);
	int ret;

	addr_set_port(&self->dest, door_free_port(variant->door));
	ret = connect(fd, &self->dest.sa, self->dest_len);
	ASSERT_EQ(-1, ret);
	if (errno == EINPROGRESS) {
		EXPECT_EQ(POLLOUT | POLLERR | POLLHUP, poll_events(fd, POLLOUT, WAIT_MS));
		EXPECT_EQ(ECONNREFUSED, sock_error(fd));
	} else {
		EXPECT_EQ(ECONNREFUSED, errno);
	}
	EXPECT_EQ(0, sock_error(fd));
	close(fd);
}

/* After a refusal the same socket may try again. */
TEST_F(conn, retry_after_refusal)
{
	int fd = door_socket(variant->door, 0);
	int i;

	addr_set_port(&self->dest, door_free_port(variant->door));
	for (i = 0; i < 3; i++)
		EXPECT_ERR(ECONNREFUSED, connect(fd, &self->dest.sa, self->dest_len));
	addr_set_port(&self->dest, self->port);
	EXPECT_OK(connect(fd, &self->dest.sa, self->dest_len));
	EXPECT_EQ(2, send(fd, "ok", 2, 0));
	close(fd);
}

TEST_F(conn, self_connect)
{
	int fd = door_bound(variant->door, 0, 0);

	if (over_tcp())
		SKIP(return, "TCP connects a socket to itself");
	door_loop(variant->door, &self->dest, sock_port(fd));
	EXPECT_ERR(ECONNREFUSED, connect(fd, &self->dest.sa, self->dest_len));
	close(fd);
}

TEST_F(conn, bound_is_not_listening)
{
	int other = door_bound(variant->door, 0, 0);
	int fd = door_socket(variant->door, 0);

	door_loop(variant->door, &self->dest, sock_port(other));
	EXPECT_ERR(ECONNREFUSED, connect(fd, &self->dest.sa, self->dest_len));
	ASSERT_OK(listen(other, 1));
	EXPECT_OK(connect(fd, &self->dest.sa, self->dest_len));
	close(fd);
	close(other);
}

TEST_F(conn, names)
{
	int fd = door_dial(variant->door, 0, self->port);
	union addr a, b, peer;
	socklen_t alen = sizeof(a), blen = sizeof(b), plen = sizeof(peer);
	int child = accept(self->lsn, &peer.sa, &plen);

	ASSERT_OK(child);
	ASSERT_OK(getsockname(fd, &a.sa, &alen));
	ASSERT_OK(getpeername(child, &b.sa, &blen));
	EXPECT_EQ(self->dest_len, plen);
	EXPECT_EQ(alen, plen);
	EXPECT_EQ(alen, blen);
	EXPECT_EQ(0, memcmp(&a, &peer, alen));
	EXPECT_EQ(0, memcmp(&b, &peer, alen));
	EXPECT_EQ(variant->door->af, peer.sa.sa_family);

	alen = sizeof(a);
	blen = sizeof(b);
	ASSERT_OK(getpeername(fd, &a.sa, &alen));
	ASSERT_OK(getsockname(child, &b.sa, &blen));
	EXPECT_EQ(0, memcmp(&a, &b, alen));
	EXPECT_EQ(0, memcmp(&a, &self->dest, alen));
	close(fd);
	close(child);
}

TEST_F(conn, accept_flags)
{
	int fd = door_dial(variant->door, 0, self->port);
	int child = accept4(self->lsn, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	ASSERT_OK(child);
	EXPECT_TRUE(fcntl(child, F_GETFL) & O_NONBLOCK);
	EXPECT_TRUE(fcntl(child, F_GETFD) & FD_CLOEXEC);
	close(child);
	close(fd);

	/* the listener's own O_NONBLOCK is not inherited */
	ASSERT_OK(sock_nonblock(self->lsn));
	fd = door_dial(variant->door, 0, self->port);
	ASSERT_EQ(POLLIN, poll_events(self->lsn, POLLIN, WAIT_MS));
	child = accept(self->lsn, NULL, NULL);
	ASSERT_OK(child);
	EXPECT_FALSE(fcntl(child, F_GETFL) & O_NONBLOCK);
	EXPECT_FALSE(fcntl(child, F_GETFD) & FD_CLOEXEC);
	close(child);
	close(fd);
}

TEST_F(conn, accept_inherits_options)
{
	static const struct {
		int level, name, value;
	} opts[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 }, { SOL_SOCKET, SO_RCVLOWAT, 7 },
		{ SOL_SOCKET, SO_OOBINLINE, 1 }, { SOL_SOCKET, SO_REUSEADDR, 1 },
		{ SOL_SOCKET, SO_MARK, 5 }, { IPPROTO_TCP, TCP_NODELAY, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 77 }, { IPPROTO_TCP, TCP_USER_TIMEOUT, 4321 },
	};
	struct linger l, want = { .l_onoff = 1, .l_linger = 9 };
	socklen_t len = sizeof(l);
	struct timeval tv;
	int fd, child, snd;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(opts); i++)
		ASSERT_OK(sock_set(self->lsn, opts[i].level, opts[i].name, opts[i].value));
	ASSERT_OK(sock_set(self->lsn, SOL_SOCKET, SO_SNDBUF, 20000));
	snd = sock_int(self->lsn, SOL_SOCKET, SO_SNDBUF);
	ASSERT_OK(setsockopt(self->lsn, SOL_SOCKET, SO_LINGER, &want, sizeof(want)));
	ASSERT_OK(sock_timeout(self->lsn, SO_RCVTIMEO, 1234));

	fd = door_dial(variant->door, 0, self->port);
	child = accept(self->lsn, NULL, NULL);
	ASSERT_OK(child);
	for (i = 0; i < ARRAY_SIZE(opts); i++)
		EXPECT_EQ(opts[i].value, sock_int(child, opts[i].level, opts[i].name))
			TH_LOG("level %d option %d", opts[i].level, opts[i].name);
	EXPECT_EQ(snd, sock_int(child, SOL_SOCKET, SO_SNDBUF));
	EXPECT_EQ(0, sock_int(child, SOL_SOCKET, SO_ACCEPTCONN));
	ASSERT_OK(getsockopt(child, SOL_SOCKET, SO_LINGER, &l, &len));
	EXPECT_EQ(9, l.l_linger);
	len = sizeof(tv);
	ASSERT_OK(getsockopt(child, SOL_SOCKET, SO_RCVTIMEO, &tv, &len));
	EXPECT_EQ(1, tv.tv_sec);
	close(fd);
	close(child);
}

TEST_F(conn, data_before_accept)
{
	int fd = door_dial(variant->door, 0, self->port);
	char buf[8];
	long sent;
	int child;

	ASSERT_EQ(4, send(fd, "abcd", 4, 0));
	child = accept(self->lsn, NULL, NULL);
	ASSERT_OK(child);
	EXPECT_EQ(4, recv(child, buf, 8, 0));
	EXPECT_EQ(0, memcmp(buf, "abcd", 4));
	close(fd);
	close(child);

	/* as much as fits, before anybody has accepted */
	fd = door_dial(variant->door, 0, self->port);
	sent = fill_socket(fd, 0);
	ASSERT_LT(0, sent);
	child = accept(self->lsn, NULL, NULL);
	ASSERT_OK(child);
	EXPECT_EQ(sent, drain_socket(child, 0, sent));
	EXPECT_EQ(4, send(child, "back", 4, 0));
	EXPECT_EQ(4, recv(fd, buf, 4, MSG_WAITALL));
	close(fd);
	close(child);
}

TEST_F(conn, accept_after_the_client_closed)
{
	int fd = door_dial(variant->door, 0, self->port);
	char buf[8];
	int child;

	ASSERT_EQ(4, send(fd, "abcd", 4, 0));
	ASSERT_OK(close(fd));
	child = accept(self->lsn, NULL, NULL);
	ASSERT_OK(child);
	EXPECT_EQ(4, recv(child, buf, 8, MSG_WAITALL));
	EXPECT_EQ(0, recv(child, buf, 8, 0));
	close(child);
}

/* TCP accepts it all the same, and its first read says ECONNRESET. */
TEST_F(conn, accept_after_the_client_reset)
{
	int fd = door_dial(variant->door, 0, self->port);
	struct linger hard = { .l_onoff = 1 };
	char buf[8];
	int child;

	ASSERT_EQ(4, send(fd, "abcd", 4, 0));
	ASSERT_OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)));
	ASSERT_OK(close(fd));
	ASSERT_OK(sock_nonblock(self->lsn));
	child = accept(self->lsn, NULL, NULL);
	ASSERT_OK(child);
	EXPECT_TRUE(poll_events(child, 0, WAIT_MS) & POLLERR);
	EXPECT_EQ(ECONNRESET, sock_error(child));
	EXPECT_ERR(EPIPE, send(child, "x", 1, MSG_NOSIGNAL));
	while (recv(child, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	close(child);
}

TEST_F(conn, half_close_before_accept)
{
	int fd = door_dial(variant->door, 0, self->port);
	char buf[8];
	int child;

	ASSERT_EQ(4, send(fd, "abcd", 4, 0));
	ASSERT_OK(shutdown(fd, SHUT_WR));
	child = accept(self->lsn, NULL, NULL);
	ASSERT_OK(child);
	EXPECT_EQ(4, recv(child, buf, 8, MSG_WAITALL));
	EXPECT_EQ(0, recv(child, buf, 8, 0));
	EXPECT_EQ(4, send(child, "efgh", 4, 0));
	ASSERT_OK(close(child));
	EXPECT_EQ(4, recv(fd, buf, 8, MSG_WAITALL));
	EXPECT_EQ(0, recv(fd, buf, 8, 0));
	close(fd);
}

/* connect(AF_UNSPEC) makes the socket new again. */
TEST_F(conn, dissolve_and_reuse)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	int fd = door_dial(variant->door, 0, self->port);
	char buf[8];
	int i;

	for (i = 0; i < 3; i++) {
		int child = accept(self->lsn, NULL, NULL);

		ASSERT_OK(child);
		EXPECT_EQ(0, sock_error(fd));
		ASSERT_EQ(2, send(fd, "ab", 2, 0));
		EXPECT_EQ(2, recv(child, buf, 8, 0));
		ASSERT_OK(connect(fd, &unspec, sizeof(unspec)));
		EXPECT_EQ(0, over_tcp() ? 0 : sock_port(fd));	/* TCP forgets to clear it */
		/* TCP's answer is a reset */
		EXPECT_TRUE(poll_events(child, POLLIN, WAIT_MS) & (POLLIN | POLLERR));
		EXPECT_GE(0, recv(child, buf, 8, MSG_DONTWAIT));
		close(child);
		ASSERT_OK(connect(fd, &self->dest.sa, self->dest_len));
	}
	close(fd);
}

/* A port that was bound by hand outlives the connection. */
TEST_F(conn, dissolve_keeps_a_bound_port)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	int port = door_free_port(variant->door);
	int fd = door_bound(variant->door, 0, port);

	ASSERT_OK(connect(fd, &self->dest.sa, self->dest_len));
	ASSERT_OK(connect(fd, &unspec, sizeof(unspec)));
	EXPECT_EQ(port, sock_port(fd));
	close(fd);
}

/* A listener that is dissolved may become a client, and a client a listener. */
TEST_F(conn, change_of_roles)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	int fd = door_listener(variant->door, 1);
	int client;

	ASSERT_OK(connect(fd, &unspec, sizeof(unspec)));
	ASSERT_OK(connect(fd, &self->dest.sa, self->dest_len));
	ASSERT_OK(connect(fd, &unspec, sizeof(unspec)));
	ASSERT_OK(listen(fd, 1));
	client = door_dial(variant->door, 0, sock_port(fd));
	ASSERT_OK(client);
	EXPECT_OK(accept(fd, NULL, NULL));
	close(client);
	close(fd);
}

TEST_F(conn, shutdown_of_a_listener)
{
	int port = door_free_port(variant->door);
	int lsn = door_bound(variant->door, 0, port);
	int fd, pending;

	ASSERT_OK(listen(lsn, 1));
	pending = door_dial(variant->door, 0, port);
	ASSERT_OK(pending);
	ASSERT_OK(shutdown(lsn, SHUT_RD));
	EXPECT_EQ(0, sock_int(lsn, SOL_SOCKET, SO_ACCEPTCONN));
	EXPECT_TRUE(poll_events(pending, POLLIN, WAIT_MS) & POLLERR);
	EXPECT_EQ(ECONNRESET, sock_error(pending));
	EXPECT_ERR(EINVAL, accept(lsn, NULL, NULL));
	EXPECT_ERR(ECONNREFUSED, door_dial(variant->door, 0, port));
	/* and back again, on the port that was bound by hand */
	ASSERT_OK(listen(lsn, 1));
	EXPECT_EQ(port, sock_port(lsn));
	fd = door_dial(variant->door, 0, port);
	EXPECT_OK(fd);
	close(fd);
	close(pending);
	close(lsn);
}

static int64_t close_with_linger(int fd, int seconds)
{
	struct linger l = { .l_onoff = 1, .l_linger = seconds };
	int64_t start = now_ms();

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
	return now_ms() - start;
}

/* The bytes are at the peer already: there is nothing to linger for. */
TEST_F(conn, linger_returns_at_once)
{
	char buf[8];
	int sv[2];

	ASSERT_OK(door_connected(variant->door, sv));
	ASSERT_EQ(4, send(sv[0], "abcd", 4, 0));
	EXPECT_GT(10000, close_with_linger(sv[0], 20));
	EXPECT_EQ(4, recv(sv[1], buf, 8, MSG_WAITALL));
	EXPECT_EQ(0, recv(sv[1], buf, 8, 0));
	close(sv[1]);
}

TEST_F(conn, linger_zero_resets)
{
	char buf[8];
	int sv[2];

	ASSERT_OK(door_connected(variant->door, sv));
	close_with_linger(sv[0], 0);
	EXPECT_TRUE(poll_events(sv[1], POLLIN, WAIT_MS) & POLLERR);
	EXPECT_ERR(ECONNRESET, recv(sv[1], buf, 8, 0));
	close(sv[1]);
}

/* A duplicate keeps the connection; the last close ends it. */
TEST_F(conn, last_close_counts)
{
	char buf[8];
	int sv[2], copy;

	ASSERT_OK(door_connected(variant->door, sv));
	copy = dup(sv[0]);
	ASSERT_OK(close(sv[0]));
	EXPECT_ERR(EAGAIN, recv(sv[1], buf, 8, MSG_DONTWAIT));
	EXPECT_EQ(2, send(copy, "ab", 2, 0));
	EXPECT_EQ(2, recv(sv[1], buf, 8, 0));
	ASSERT_OK(close(copy));
	EXPECT_EQ(0, recv(sv[1], buf, 8, 0));
	close(sv[1]);
}

/* shutdown() is for all descriptors of the socket. */
TEST_F(conn, shutdown_is_the_sockets)
{
	char buf[8];
	int sv[2], copy;

	ASSERT_OK(door_connected(variant->door, sv));
	copy = dup(sv[0]);
	ASSERT_OK(shutdown(copy, SHUT_RDWR));
	EXPECT_ERR(EPIPE, send(sv[0], "x", 1, MSG_NOSIGNAL));
	EXPECT_EQ(0, recv(sv[0], buf, 8, 0));
	EXPECT_EQ(0, recv(sv[1], buf, 8, 0));
	close(copy);
	close(sv[0]);
	close(sv[1]);
}

/* What the peer had sent before is readable after SHUT_RD; later bytes are no reset. */
TEST_F(conn, shut_rd)
{
	char buf[8];
	int sv[2];

	ASSERT_OK(door_connected(variant->door, sv));
	ASSERT_EQ(2, send(sv[1], "ab", 2, 0));
	ASSERT_EQ(POLLIN, poll_events(sv[0], POLLIN, WAIT_MS));
	ASSERT_OK(shutdown(sv[0], SHUT_RD));
	EXPECT_EQ(2, recv(sv[0], buf, 8, 0));
	EXPECT_EQ(0, recv(sv[0], buf, 8, 0));
	EXPECT_EQ(2, send(sv[1], "cd", 2, MSG_NOSIGNAL));
	EXPECT_EQ(2, send(sv[0], "ef", 2, 0));
	EXPECT_EQ(2, recv(sv[1], buf, 8, 0));
	close(sv[0]);
	close(sv[1]);
}

/* Both may end their halves at the same time; nobody is reset. */
TEST_F(conn, orderly_end)
{
	char buf[8];
	int sv[2];

	ASSERT_OK(door_connected(variant->door, sv));
	ASSERT_EQ(2, send(sv[0], "ab", 2, 0));
	ASSERT_EQ(2, send(sv[1], "cd", 2, 0));
	ASSERT_OK(shutdown(sv[0], SHUT_WR));
	ASSERT_OK(shutdown(sv[1], SHUT_WR));
	EXPECT_EQ(2, recv(sv[0], buf, 8, MSG_WAITALL));
	EXPECT_EQ(2, recv(sv[1], buf, 8, MSG_WAITALL));
	EXPECT_EQ(0, recv(sv[0], buf, 8, 0));
	EXPECT_EQ(0, recv(sv[1], buf, 8, 0));
	EXPECT_EQ(0, sock_error(sv[0]));
	EXPECT_EQ(0, sock_error(sv[1]));
	close(sv[0]);
	close(sv[1]);
}

/* Another process, by fork: descriptors are shared as ever. */
TEST_F(conn, shared_by_fork)
{
	int sv[2], status;
	char buf[8];
	pid_t pid;

	ASSERT_OK(door_connected(variant->door, sv));
	pid = fork();
	ASSERT_OK(pid);
	if (!pid) {
		close(sv[0]);
		_exit(send(sv[1], "child", 5, 0) != 5);
	}
	ASSERT_OK(close(sv[1]));
	EXPECT_EQ(5, recv(sv[0], buf, 5, MSG_WAITALL));
	ASSERT_OK(wait_child(pid, &status));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, recv(sv[0], buf, 5, 0));
	close(sv[0]);
}

/* A process that dies with its connections closes them. */
TEST_F(conn, killed_process)
{
	int fd, status, ready[2];
	char buf[8];
	pid_t pid;

	ASSERT_OK(pipe(ready));
	pid = fork();
	ASSERT_OK(pid);
	if (!pid) {
		fd = door_dial(variant->door, 0, self->port);
		send(fd, "abcd", 4, 0);
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	ASSERT_EQ(1, read(ready[0], buf, 1));
	fd = accept(self->lsn, NULL, NULL);
	ASSERT_OK(fd);
	ASSERT_OK(kill(pid, SIGKILL));
	ASSERT_OK(wait_child(pid, &status));
	EXPECT_EQ(4, recv(fd, buf, 8, MSG_WAITALL));
	EXPECT_EQ(0, recv(fd, buf, 8, 0));
	close(fd);
}

TEST_F(conn, peercred)
{
	struct ucred cred = { };
	socklen_t len = sizeof(cred);
	int fd, child;

	if (over_tcp())
		SKIP(return, "TCP knows no credentials");
	SKIP_OVER_NIC("another kernel's programs have no credentials here");
	/* who listened, at listen(); who connected, at connect() */
	fd = door_dial(variant->door, 0, self->port);
	child = accept(self->lsn, NULL, NULL);
	ASSERT_OK(child);
	ASSERT_OK(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len));
	EXPECT_EQ(getpid(), cred.pid);
	EXPECT_EQ(0, cred.uid);
	EXPECT_EQ(0, cred.gid);
	close(fd);
	close(child);
}

TEST_F(conn, peercred_of_another_user)
{
	struct ucred cred = { };
	socklen_t len = sizeof(cred);
	int child, status;
	pid_t pid;

	if (over_tcp())
		SKIP(return, "TCP knows no credentials");
	SKIP_OVER_NIC("another kernel's programs have no credentials here");
	pid = fork();
	ASSERT_OK(pid);
	if (!pid) {
		if (setgid(4321) || setuid(1234))
			_exit(2);
		_exit(door_dial(variant->door, 0, self->port) < 0);
	}
	child = accept(self->lsn, NULL, NULL);
	ASSERT_OK(child);
	ASSERT_OK(wait_child(pid, &status));
	ASSERT_EQ(0, status);
	ASSERT_OK(getsockopt(child, SOL_SOCKET, SO_PEERCRED, &cred, &len));
	EXPECT_EQ(pid, cred.pid);
	EXPECT_EQ(1234, cred.uid);
	EXPECT_EQ(4321, cred.gid);
	close(child);
}

TEST_HARNESS_MAIN
