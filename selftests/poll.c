// SPDX-License-Identifier: GPL-2.0-only
/*
 * poll, select and epoll as a program waits with them: every change of state
 * wakes the sleeper, with the events that poll() shows (errno.tsv has the masks).
 */
#include <kselftest_harness.h>

#include <sys/epoll.h>
#include <sys/select.h>

#include "scene.h"

#define ALL_EVENTS	(POLLIN | POLLPRI | POLLOUT | POLLRDHUP)

FIXTURE(poll) {
	int tx;
	int rx;
};

DOOR_FIXTURE(poll);

FIXTURE_SETUP(poll)
{
	int sv[2];

	ASSERT_OK(door_connected(variant->door, sv));
	self->tx = sv[0];
	self->rx = sv[1];
}

FIXTURE_TEARDOWN(poll)
{
	close(self->tx);
	close(self->rx);
}

/* A thread that sleeps in poll() until one of its events comes. */
static long sleep_in_poll(struct task *t)
{
	return poll_events(t->fd, t->number, WAIT_MS);
}

static long sleep_in_select(struct task *t)
{
	struct timeval tv = { .tv_sec = WAIT_MS / 1000 };
	fd_set in, out, ex;
	int n;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&ex);
	if (t->number & POLLIN)
		FD_SET(t->fd, &in);
	if (t->number & POLLOUT)
		FD_SET(t->fd, &out);
	FD_SET(t->fd, &ex);
	n = select(t->fd + 1, &in, &out, &ex, &tv);
	return n <= 0 ? -1 : (FD_ISSET(t->fd, &in) ? POLLIN : 0) |
			     (FD_ISSET(t->fd, &out) ? POLLOUT : 0) |
			     (FD_ISSET(t->fd, &ex) ? POLLPRI : 0);
}

#ifdef SYS_poll
#define POLL_CALL	SYS_poll
#else
#define POLL_CALL	SYS_ppoll
#endif

static void sleeper_start(struct __test_metadata *_metadata, struct task *t, int fd, int events)
{
	*t = (struct task){ .fn = sleep_in_poll, .fd = fd, .number = events };
	ASSERT_OK(task_start(t));
	ASSERT_OK(task_blocked(t, POLL_CALL));
}

static void sleeper_end(struct __test_metadata *_metadata, struct task *t, int events)
{
	ASSERT_OK(task_join(t));
	EXPECT_EQ(events, t->ret) TH_LOG("got events 0x%lx", t->ret);
}

TEST_F(poll, data_wakes)
{
	struct task t;

	sleeper_start(_metadata, &t, self->rx, POLLIN);
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	sleeper_end(_metadata, &t, POLLIN);
}

TEST_F(poll, space_wakes)
{
	struct task t;
	long sent;

	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 8192));
	sent = fill_socket(self->tx, 0);
	ASSERT_LT(0, sent);
	if (over_tcp())
		sent += fill_socket(self->tx, sent);
	sleeper_start(_metadata, &t, self->tx, POLLOUT);
	EXPECT_EQ(sent, drain_socket(self->rx, 0, sent));
	sleeper_end(_metadata, &t, POLLOUT);
}

TEST_F(poll, peer_shutdown_wakes)
{
	struct task t;

	sleeper_start(_metadata, &t, self->rx, POLLIN | POLLRDHUP);
	ASSERT_OK(shutdown(self->tx, SHUT_WR));
	sleeper_end(_metadata, &t, POLLIN | POLLRDHUP);
}

TEST_F(poll, peer_close_wakes)
{
	struct task t;

	sleeper_start(_metadata, &t, self->rx, POLLIN);
	ASSERT_OK(close(self->tx));
	sleeper_end(_metadata, &t, POLLIN);
	self->tx = -1;
}

/* Events that nobody asked for. */
TEST_F(poll, reset_wakes)
{
	struct linger hard = { .l_onoff = 1 };
	struct task t;

	sleeper_start(_metadata, &t, self->rx, 0);
	ASSERT_OK(setsockopt(self->tx, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)));
	ASSERT_OK(close(self->tx));
	sleeper_end(_metadata, &t, POLLERR | POLLHUP);
	EXPECT_EQ(ECONNRESET, sock_error(self->rx));
	self->tx = -1;
}

TEST_F(poll, own_shutdown_wakes)
{
	struct task t;

	sleeper_start(_metadata, &t, self->rx, POLLIN | POLLRDHUP);
	ASSERT_OK(shutdown(self->rx, SHUT_RD));
	sleeper_end(_metadata, &t, POLLIN | POLLRDHUP);
}

TEST_F(poll, both_shutdowns_hang_up)
{
	struct task t;

	ASSERT_OK(shutdown(self->rx, SHUT_WR));
	sleeper_start(_metadata, &t, self->rx, 0);
	ASSERT_OK(shutdown(self->tx, SHUT_WR));
	sleeper_end(_metadata, &t, POLLHUP);
}

TEST_F(poll, select_reads_and_writes)
{
	struct task t = { .fn = sleep_in_select, .fd = self->rx, .number = POLLIN };

	ASSERT_OK(task_start(&t));
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(POLLIN, t.ret);

	t = (struct task){ .fn = sleep_in_select, .fd = self->tx, .number = POLLIN | POLLOUT };
	EXPECT_EQ(POLLOUT, sleep_in_select(&t));
}

/* Without a time poll() looks only. */
TEST_F(poll, looks_only)
{
	EXPECT_EQ(0, poll_events(self->rx, POLLIN, 0));
	EXPECT_EQ(POLLOUT, poll_events(self->rx, POLLIN | POLLOUT, 0));
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	EXPECT_EQ(POLLIN, poll_events(self->rx, POLLIN, WAIT_MS));
	EXPECT_EQ(POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM,
		  poll_events(self->rx, POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM, 0));
}

TEST_F(poll, many_sleepers_all_wake)
{
	struct task t[8];
	int i;

	for (i = 0; i < 8; i++)
		sleeper_start(_metadata, &t[i], self->rx, POLLIN);
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	for (i = 0; i < 8; i++)
		sleeper_end(_metadata, &t[i], POLLIN);
}

/* Reader and writer wait at the same socket at the same time. */
TEST_F(poll, reader_and_writer_sleep_together)
{
	struct task in, out;
	long sent;

	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 8192));
	sent = fill_socket(self->tx, 0);
	if (over_tcp())
		sent += fill_socket(self->tx, sent);
	sleeper_start(_metadata, &in, self->tx, POLLIN);
	sleeper_start(_metadata, &out, self->tx, POLLOUT);
	EXPECT_EQ(sent, drain_socket(self->rx, 0, sent));
	sleeper_end(_metadata, &out, POLLOUT);
	EXPECT_TRUE(task_running(&in));
	ASSERT_EQ(1, send(self->rx, "x", 1, 0));
	sleeper_end(_metadata, &in, POLLIN);
}

FIXTURE(listener) {
	int fd;
	int port;
};

DOOR_FIXTURE(listener);

FIXTURE_SETUP(listener)
{
	self->fd = door_listener(variant->door, 4);
	ASSERT_OK(self->fd);
	self->port = sock_port(self->fd);
}

FIXTURE_TEARDOWN(listener)
{
	close(self->fd);
}

TEST_F(listener, client_wakes)
{
	struct task t;
	int fd;

	sleeper_start(_metadata, &t, self->fd, ALL_EVENTS);
	fd = door_dial(variant->door, 0, self->port);
	ASSERT_OK(fd);
	sleeper_end(_metadata, &t, POLLIN);
	ASSERT_OK(accept(self->fd, NULL, NULL));
	EXPECT_EQ(0, poll_events(self->fd, ALL_EVENTS, 0));
	close(fd);
}

TEST_F(listener, shutdown_wakes)
{
	struct task t;

	sleeper_start(_metadata, &t, self->fd, POLLIN);
	ASSERT_OK(shutdown(self->fd, SHUT_RD));
	sleeper_end(_metadata, &t, POLLHUP);
}

static long sleep_in_accept(struct task *t)
{
	return accept(t->fd, NULL, NULL);
}

TEST_F(listener, shutdown_wakes_accept)
{
	struct task t = { .fn = sleep_in_accept, .fd = self->fd };

	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_accept));
	ASSERT_OK(shutdown(self->fd, SHUT_RD));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(-1, t.ret);
	EXPECT_EQ(EINVAL, t.err);
}

/* The waiting client's poll() ends with the connection's fate. */
TEST_F(listener, connecting_wakes_when_accepted)
{
	struct scene s;
	struct task t;

	if (over_tcp())
		SKIP(return, "TCP tries again after a second only");
	ASSERT_OK(scene_make(&s, variant->door, "connecting"));
	sleeper_start(_metadata, &t, s.fd, POLLIN | POLLOUT | POLLRDHUP);
	s.peer = accept(s.lsn, NULL, NULL);
	ASSERT_OK(s.peer);
	sleeper_end(_metadata, &t, POLLOUT);
	EXPECT_EQ(0, sock_error(s.fd));
	scene_end(&s);
}

TEST_F(listener, connecting_wakes_when_refused)
{
	struct scene s;
	struct task t;

	if (over_tcp())
		SKIP(return, "TCP tries again after a second only");
	ASSERT_OK(scene_make(&s, variant->door, "connecting"));
	sleeper_start(_metadata, &t, s.fd, POLLOUT);
	ASSERT_OK(close(s.lsn));
	s.lsn = -1;
	sleeper_end(_metadata, &t, POLLOUT | POLLERR | POLLHUP);
	EXPECT_EQ(ECONNREFUSED, sock_error(s.fd));
	scene_end(&s);
}

/* SIGIO: the signal that F_SETOWN and O_ASYNC ask for. */
static int sigio_fd;

static void on_sigio(int sig, siginfo_t *info, void *context)
{
	sigio_fd = info->si_fd;
}

TEST_F(poll, sigio)
{
	struct sigaction sa = { .sa_sigaction = on_sigio, .sa_flags = SA_SIGINFO };
	struct timespec ts = { .tv_sec = WAIT_MS / 1000 };
	siginfo_t info;
	sigset_t set;

	sigaction(SIGRTMIN, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ASSERT_OK(fcntl(self->rx, F_SETSIG, SIGRTMIN));
	ASSERT_OK(fcntl(self->rx, F_SETOWN, getpid()));
	ASSERT_OK(fcntl(self->rx, F_SETFL, O_ASYNC));
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	ASSERT_EQ(SIGRTMIN, sigtimedwait(&set, &info, &ts));
	EXPECT_EQ(self->rx, info.si_fd);
	EXPECT_TRUE(info.si_band & POLLIN);
}

TEST_HARNESS_MAIN
