// SPDX-License-Identifier: GPL-2.0-only
/*
 * epoll: level, edge, oneshot and exclusive.
 */
#include <kselftest_harness.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "scene.h"

FIXTURE(epoll) {
	int tx;
	int rx;
	int ep;
};

DOOR_FIXTURE(epoll);

FIXTURE_SETUP(epoll)
{
	int sv[2];

	ASSERT_OK(door_connected(variant->door, sv));
	self->tx = sv[0];
	self->rx = sv[1];
	self->ep = epoll_create1(0);
	ASSERT_OK(self->ep);
}

FIXTURE_TEARDOWN(epoll)
{
	close(self->tx);
	close(self->rx);
	close(self->ep);
}

static int watch(int ep, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static int rearm(int ep, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
}

/* The events of the one descriptor that is ready; 0 if none is. */
static long ready(int ep, int ms)
{
	struct epoll_event ev;
	int n = epoll_wait(ep, &ev, 1, ms);

	return n <= 0 ? n : (long)ev.events;
}

TEST_F(epoll, level_tells_again)
{
	char c;

	ASSERT_OK(watch(self->ep, self->rx, EPOLLIN));
	EXPECT_EQ(0, ready(self->ep, 0));
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	EXPECT_EQ(EPOLLIN, ready(self->ep, WAIT_MS));
	EXPECT_EQ(EPOLLIN, ready(self->ep, 0));
	ASSERT_EQ(1, recv(self->rx, &c, 1, 0));
	EXPECT_EQ(0, ready(self->ep, 0));
}

TEST_F(epoll, edge_tells_once)
{
	ASSERT_OK(watch(self->ep, self->rx, EPOLLIN | EPOLLET));
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	EXPECT_EQ(EPOLLIN, ready(self->ep, WAIT_MS));
	EXPECT_EQ(0, ready(self->ep, 0));
}

/* Programs rely on it: a write is an edge also while older bytes lie unread. */
TEST_F(epoll, edge_tells_of_every_write)
{
	int i;

	ASSERT_OK(watch(self->ep, self->rx, EPOLLIN | EPOLLET));
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(1, send(self->tx, "x", 1, 0));
		EXPECT_EQ(EPOLLIN, ready(self->ep, WAIT_MS));
		EXPECT_EQ(0, ready(self->ep, 0));
	}
}

TEST_F(epoll, edge_after_partial_read)
{
	char buf[4];

	ASSERT_OK(watch(self->ep, self->rx, EPOLLIN | EPOLLET));
	ASSERT_EQ(4, send(self->tx, "abcd", 4, 0));
	EXPECT_EQ(EPOLLIN, ready(self->ep, WAIT_MS));
	ASSERT_EQ(2, recv(self->rx, buf, 2, 0));
	EXPECT_EQ(0, ready(self->ep, 0));
	ASSERT_EQ(1, send(self->tx, "e", 1, 0));
	EXPECT_EQ(EPOLLIN, ready(self->ep, WAIT_MS));
}

TEST_F(epoll, edge_of_output)
{
	long sent;

	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 8192));
	ASSERT_OK(watch(self->ep, self->tx, EPOLLOUT | EPOLLET));
	EXPECT_EQ(EPOLLOUT, ready(self->ep, 0));
	EXPECT_EQ(0, ready(self->ep, 0));
	sent = fill_socket(self->tx, 0);
	ASSERT_LT(0, sent);
	if (over_tcp())
		SKIP(return, "TCP moves bytes on, which are edges too");
	EXPECT_EQ(0, ready(self->ep, 0));
	EXPECT_EQ(sent, drain_socket(self->rx, 0, sent));
	EXPECT_EQ(EPOLLOUT, ready(self->ep, WAIT_MS));
	/* and a second time */
	sent = fill_socket(self->tx, 0);
	EXPECT_EQ(0, ready(self->ep, 0));
	EXPECT_EQ(sent, drain_socket(self->rx, 0, sent));
	EXPECT_EQ(EPOLLOUT, ready(self->ep, WAIT_MS));
}

TEST_F(epoll, edge_of_hang_up)
{
	ASSERT_OK(watch(self->ep, self->rx, EPOLLIN | EPOLLRDHUP | EPOLLET));
	ASSERT_OK(shutdown(self->tx, SHUT_WR));
	EXPECT_EQ(EPOLLIN | EPOLLRDHUP, ready(self->ep, WAIT_MS));
	EXPECT_EQ(0, ready(self->ep, 0));
	ASSERT_OK(shutdown(self->rx, SHUT_WR));
	EXPECT_EQ(EPOLLIN | EPOLLRDHUP | EPOLLHUP, ready(self->ep, WAIT_MS));
}

TEST_F(epoll, edge_of_reset)
{
	struct linger hard = { .l_onoff = 1 };

	ASSERT_OK(watch(self->ep, self->rx, EPOLLIN | EPOLLRDHUP | EPOLLET));
	ASSERT_OK(setsockopt(self->tx, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)));
	ASSERT_OK(close(self->tx));
	EXPECT_EQ(EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP, ready(self->ep, WAIT_MS));
	self->tx = -1;
}

TEST_F(epoll, oneshot)
{
	ASSERT_OK(watch(self->ep, self->rx, EPOLLIN | EPOLLONESHOT));
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	EXPECT_EQ(EPOLLIN, ready(self->ep, WAIT_MS));
	EXPECT_EQ(0, ready(self->ep, 0));
	ASSERT_EQ(1, send(self->tx, "y", 1, 0));
	EXPECT_EQ(0, ready(self->ep, 0));
	ASSERT_OK(rearm(self->ep, self->rx, EPOLLIN | EPOLLONESHOT));
	EXPECT_EQ(EPOLLIN, ready(self->ep, WAIT_MS));
}

TEST_F(epoll, fresh_socket)
{
	int fd = door_socket(variant->door, 0);

	ASSERT_OK(fd);
	ASSERT_OK(watch(self->ep, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP));
	EXPECT_EQ(EPOLLOUT | EPOLLHUP, ready(self->ep, 0));
	close(fd);
	EXPECT_EQ(0, ready(self->ep, 0));
}

/* Closing the last descriptor takes the socket out of the set. */
TEST_F(epoll, close_forgets)
{
	ASSERT_OK(watch(self->ep, self->rx, EPOLLIN));
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	EXPECT_EQ(EPOLLIN, ready(self->ep, WAIT_MS));
	ASSERT_OK(close(self->rx));
	EXPECT_EQ(0, ready(self->ep, 0));
	self->rx = -1;
}

static long wait_ready(struct task *t)
{
	return ready(t->fd, WAIT_MS);
}

#ifdef SYS_epoll_wait
#define EPOLL_CALL	SYS_epoll_wait
#else
#define EPOLL_CALL	SYS_epoll_pwait
#endif

TEST_F(epoll, wakes_the_sleeper)
{
	struct task t = { .fn = wait_ready, .fd = self->ep };

	ASSERT_OK(watch(self->ep, self->rx, EPOLLIN | EPOLLET));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, EPOLL_CALL));
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(EPOLLIN, t.ret);
}

struct lockstep {
	int rounds;
	int ep;
};

/* Answers every byte with a byte, driven by edges alone. */
static long edge_echo(struct task *t)
{
	struct lockstep *l = t->arg;
	int seen = 0;

	while (seen < l->rounds) {
		char buf[16];
		ssize_t n;

		if (ready(l->ep, WAIT_MS) <= 0)
			return -1;
		while ((n = recv(t->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
			if (send(t->fd, buf, n, 0) != n)
				return -1;
			seen += n;
		}
	}
	return seen;
}

TEST_F_TIMEOUT(epoll, edge_lock_step, 600)
{
	struct lockstep l = { .rounds = 1000 * test_scale(), .ep = self->ep };
	struct task t = { .fn = edge_echo, .fd = self->rx, .arg = &l };
	char c;
	int i;

	ASSERT_OK(watch(self->ep, self->rx, EPOLLIN | EPOLLET));
	ASSERT_OK(sock_timeout(self->tx, SO_RCVTIMEO, WAIT_MS));
	ASSERT_OK(task_start(&t));
	for (i = 0; i < l.rounds; i++) {
		ASSERT_EQ(1, send(self->tx, "x", 1, 0));
		ASSERT_EQ(1, recv(self->tx, &c, 1, 0));
	}
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(l.rounds, t.ret);
}

/* One writer, driven by EPOLLOUT edges, and a reader of odd sizes. */
static long edge_writer(struct task *t)
{
	struct lockstep *l = t->arg;
	size_t pos = 0;
	long n;

	while (pos < l->rounds) {
		if (ready(l->ep, WAIT_MS) <= 0)
			return -1;
		do {
			char buf[4000];
			size_t step = l->rounds - pos < 4000 ? l->rounds - pos : 4000;

			pattern_fill(buf, step, pos);
			n = send(t->fd, buf, step, MSG_DONTWAIT);
			if (n > 0)
				pos += n;
		} while (n > 0 && pos < l->rounds);
	}
	return pos;
}

TEST_F(epoll, edge_of_output_drives_a_stream)
{
	struct lockstep l = { .rounds = 2000000, .ep = self->ep };
	struct task t = { .fn = edge_writer, .fd = self->tx, .arg = &l };

	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 8192));
	ASSERT_OK(watch(self->ep, self->tx, EPOLLOUT | EPOLLET));
	ASSERT_OK(task_start(&t));
	EXPECT_EQ(l.rounds, drain_socket(self->rx, 0, l.rounds));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(l.rounds, t.ret);
}

FIXTURE(exclusive) {
	int lsn;
};

DOOR_FIXTURE(exclusive);

FIXTURE_SETUP(exclusive)
{
	self->lsn = door_listener(variant->door, 16);
	ASSERT_OK(self->lsn);
	ASSERT_OK(sock_nonblock(self->lsn));
}

FIXTURE_TEARDOWN(exclusive)
{
	close(self->lsn);
}

struct waiter {
	struct task task;
	int ep;
	int stop;
	int lsn;
	int *accepted;
	int *wakes;
};

/* Sleeps at its own epoll set until it is told to stop. */
static long accept_loop(struct task *t)
{
	struct waiter *w = t->arg;
	struct epoll_event ev;
	int fd;

	for (;;) {
		if (epoll_wait(w->ep, &ev, 1, WAIT_MS) <= 0)
			return -1;
		if (ev.data.fd == w->stop)
			return 0;
		__atomic_fetch_add(w->wakes, 1, __ATOMIC_RELAXED);
		fd = accept(w->lsn, NULL, NULL);
		if (fd >= 0) {
			__atomic_fetch_add(w->accepted, 1, __ATOMIC_RELAXED);
			send(fd, "x", 1, MSG_NOSIGNAL);
			close(fd);
		}
	}
}

/* Of four sleepers one connection wakes fewer than all, and none is missed. */
TEST_F(exclusive, no_herd)
{
	struct waiter w[4];
	int stop = eventfd(0, 0);
	int accepted = 0, wakes = 0;
	uint64_t one = 1;
	int i;

	for (i = 0; i < 4; i++) {
		w[i] = (struct waiter){ .ep = epoll_create1(0), .stop = stop, .lsn = self->lsn,
					.accepted = &accepted, .wakes = &wakes };
		w[i].task = (struct task){ .fn = accept_loop, .arg = &w[i] };
		ASSERT_OK(watch(w[i].ep, self->lsn, EPOLLIN | EPOLLEXCLUSIVE));
		ASSERT_OK(watch(w[i].ep, stop, EPOLLIN));
		ASSERT_OK(task_start(&w[i].task));
		ASSERT_OK(task_blocked(&w[i].task, EPOLL_CALL));
	}
	for (i = 0; i < 20; i++) {
		int fd = door_dial(variant->door, 0, sock_port(self->lsn));
		char c;

		ASSERT_OK(fd);
		ASSERT_OK(sock_timeout(fd, SO_RCVTIMEO, WAIT_MS));
		ASSERT_EQ(1, recv(fd, &c, 1, 0));
		close(fd);
	}
	ASSERT_EQ(8, write(stop, &one, 8));
	for (i = 0; i < 4; i++) {
		ASSERT_OK(task_join(&w[i].task));
		EXPECT_EQ(0, w[i].task.ret);
	}
	EXPECT_EQ(20, accepted);
	EXPECT_GT(4 * 20, wakes);
}

TEST_HARNESS_MAIN
