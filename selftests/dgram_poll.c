// SPDX-License-Identifier: GPL-2.0-only
/*
 * Readiness of datagram sockets: poll(), select() and epoll, by level and by edge.
 */
#include <kselftest_harness.h>

#include <sys/epoll.h>
#include <sys/select.h>

#include "dgramlib.h"

FIXTURE(dpoll) {
	int tx;			/* connected to rx */
	int rx;			/* bound */
	int ep;
};

DOOR_FIXTURE(dpoll);

FIXTURE_SETUP(dpoll)
{
	int sv[2];

	ASSERT_OK(dgram_pair(variant->door, sv));
	self->tx = sv[0];
	self->rx = sv[1];
	self->ep = epoll_create1(0);
	ASSERT_OK(self->ep);
}

FIXTURE_TEARDOWN(dpoll)
{
	close(self->tx);
	close(self->rx);
	close(self->ep);
}

#define ALL	(POLLIN | POLLPRI | POLLOUT | POLLRDHUP | POLLRDNORM | POLLRDBAND | \
		 POLLWRNORM | POLLWRBAND)
#define OUT	(POLLOUT | POLLWRNORM | POLLWRBAND)
#define IN	(POLLIN | POLLRDNORM)

TEST_F(dpoll, masks)
{
	int fd = dgram_socket(variant->door, 0);

	/* one that is neither bound nor connected can be written to */
	EXPECT_EQ(OUT, poll_events(fd, ALL, 0));
	EXPECT_EQ(OUT, poll_events(self->rx, ALL, 0));
	EXPECT_EQ(OUT, poll_events(self->tx, ALL, 0));
	ASSERT_EQ(1, send(self->tx, "1", 1, 0));
	ASSERT_EQ(0, send(self->tx, "", 0, 0));
	EXPECT_EQ(IN, poll_events(self->rx, IN, WAIT_MS));
	EXPECT_EQ(IN | OUT, poll_events(self->rx, ALL, 0));
	EXPECT_STREQ("1", dgram_text(self->rx));
	/* a datagram without bytes is something to read */
	EXPECT_EQ(IN | OUT, poll_events(self->rx, ALL, 0));
	EXPECT_STREQ("", dgram_text(self->rx));
	EXPECT_EQ(OUT, poll_events(self->rx, ALL, 0));
	close(fd);
}

TEST_F(dpoll, masks_after_shutdown)
{
	ASSERT_OK(shutdown(self->tx, SHUT_WR));
	EXPECT_EQ(OUT, poll_events(self->tx, ALL, 0));
	ASSERT_OK(shutdown(self->tx, SHUT_RD));
	EXPECT_EQ(IN | OUT | POLLRDHUP | POLLHUP, poll_events(self->tx, ALL, 0));
	/* the other side knows nothing of it */
	EXPECT_EQ(OUT, poll_events(self->rx, ALL, 0));
	EXPECT_ERR(ENOTCONN, shutdown(self->rx, SHUT_RD));
	EXPECT_EQ(IN | OUT | POLLRDHUP, poll_events(self->rx, ALL, 0));
}

static long poll_one(struct task *t)
{
	return poll_events(t->fd, t->number, WAIT_MS);
}

TEST_F(dpoll, wakes_poll)
{
	struct task t = { .fn = poll_one, .fd = self->rx, .number = POLLIN };

	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_poll));
	ASSERT_EQ(1, send(self->tx, "1", 1, 0));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(POLLIN, t.ret);
}

TEST_F(dpoll, shutdown_wakes_poll)
{
	struct task t = { .fn = poll_one, .fd = self->tx, .number = POLLIN | POLLRDHUP };

	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_poll));
	ASSERT_OK(shutdown(self->tx, SHUT_RD));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(POLLIN | POLLRDHUP, t.ret);
}

/* A sender's poll for room is no business of a reader's. */
TEST_F(dpoll, select)
{
	struct timeval none = { };
	fd_set in, out, ex;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&ex);
	FD_SET(self->rx, &in);
	FD_SET(self->rx, &out);
	FD_SET(self->rx, &ex);
	EXPECT_EQ(1, select(self->rx + 1, &in, &out, &ex, &none));
	EXPECT_TRUE(FD_ISSET(self->rx, &out));
	ASSERT_EQ(1, send(self->tx, "1", 1, 0));
	FD_ZERO(&in);
	FD_SET(self->rx, &in);
	EXPECT_EQ(1, select(self->rx + 1, &in, NULL, NULL, NULL));
	EXPECT_STREQ("1", dgram_text(self->rx));
	FD_SET(self->rx, &in);
	EXPECT_EQ(0, select(self->rx + 1, &in, NULL, NULL, &none));
}

static int watch(int ep, int fd, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

/* The events that are there within @ms; 0: none. */
static uint32_t look(int ep, int ms)
{
	struct epoll_event ev = { };

	return epoll_wait(ep, &ev, 1, ms) == 1 ? ev.events : 0;
}

TEST_F(dpoll, epoll_level)
{
	ASSERT_OK(watch(self->ep, self->rx, EPOLLIN));
	EXPECT_EQ(0, look(self->ep, 0));
	ASSERT_EQ(1, send(self->tx, "1", 1, 0));
	EXPECT_EQ(EPOLLIN, look(self->ep, WAIT_MS));
	EXPECT_EQ(EPOLLIN, look(self->ep, 0));
	EXPECT_STREQ("1", dgram_text(self->rx));
	EXPECT_EQ(0, look(self->ep, 0));
}

/* Each datagram is an edge, whether or not others are waiting. */
TEST_F(dpoll, epoll_edge)
{
	ASSERT_OK(watch(self->ep, self->rx, EPOLLIN | EPOLLET));
	EXPECT_EQ(0, look(self->ep, 0));
	ASSERT_EQ(1, send(self->tx, "1", 1, 0));
	EXPECT_EQ(EPOLLIN, look(self->ep, WAIT_MS));
	EXPECT_EQ(0, look(self->ep, 0));
	ASSERT_EQ(1, send(self->tx, "2", 1, 0));
	EXPECT_EQ(EPOLLIN, look(self->ep, WAIT_MS));
	EXPECT_STREQ("1", dgram_text(self->rx));
	EXPECT_EQ(0, look(self->ep, 0));
	EXPECT_STREQ("2", dgram_text(self->rx));
	ASSERT_EQ(1, send(self->tx, "3", 1, 0));
	EXPECT_EQ(EPOLLIN, look(self->ep, WAIT_MS));
}

TEST_F(dpoll, epoll_edge_of_what_was_there)
{
	ASSERT_EQ(1, send(self->tx, "1", 1, 0));
	ASSERT_TRUE(poll_events(self->rx, POLLIN, WAIT_MS) & POLLIN);
	ASSERT_OK(watch(self->ep, self->rx, EPOLLIN | EPOLLOUT | EPOLLET));
	EXPECT_EQ(EPOLLIN | EPOLLOUT, look(self->ep, 0));
	EXPECT_EQ(0, look(self->ep, 0));
}

TEST_F(dpoll, epoll_oneshot)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT };

	ASSERT_OK(watch(self->ep, self->rx, EPOLLIN | EPOLLONESHOT));
	ASSERT_EQ(1, send(self->tx, "1", 1, 0));
	EXPECT_EQ(EPOLLIN, look(self->ep, WAIT_MS));
	ASSERT_EQ(1, send(self->tx, "2", 1, 0));
	EXPECT_EQ(0, look(self->ep, 0));
	ASSERT_OK(epoll_ctl(self->ep, EPOLL_CTL_MOD, self->rx, &ev));
	EXPECT_EQ(EPOLLIN, look(self->ep, WAIT_MS));
}

TEST_F(dpoll, epoll_edge_of_shutdown)
{
	ASSERT_OK(watch(self->ep, self->tx, EPOLLIN | EPOLLRDHUP | EPOLLET));
	EXPECT_EQ(0, look(self->ep, 0));
	ASSERT_OK(shutdown(self->tx, SHUT_RD));
	EXPECT_EQ(EPOLLIN | EPOLLRDHUP, look(self->ep, WAIT_MS));
	EXPECT_EQ(0, look(self->ep, 0));
	ASSERT_OK(shutdown(self->tx, SHUT_WR));
	EXPECT_EQ(EPOLLIN | EPOLLRDHUP | EPOLLHUP, look(self->ep, WAIT_MS));
}

/* What the connect filter keeps out wakes nobody. */
TEST_F(dpoll, filtered_wakes_nobody)
{
	int other = dgram_bound(variant->door, 0, 0);

	ASSERT_OK(watch(self->ep, self->tx, EPOLLIN | EPOLLET));
	ASSERT_EQ(1, dgram_to(other, variant->door, sock_port(self->tx), "x"));
	EXPECT_EQ(0, look(self->ep, 20));
	ASSERT_EQ(1, dgram_to(self->rx, variant->door, sock_port(self->tx), "y"));
	EXPECT_EQ(EPOLLIN, look(self->ep, WAIT_MS));
	EXPECT_STREQ("y", dgram_text(self->tx));
	close(other);
}

/* SIGIO tells of a datagram. */
TEST_F(dpoll, sigio)
{
	struct timespec bound = { .tv_sec = WAIT_MS / 1000 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	ASSERT_OK(sigprocmask(SIG_BLOCK, &set, NULL));
	ASSERT_OK(fcntl(self->rx, F_SETOWN, getpid()));
	ASSERT_OK(fcntl(self->rx, F_SETFL, O_ASYNC));
	ASSERT_EQ(1, send(self->tx, "1", 1, 0));
	EXPECT_EQ(SIGIO, sigtimedwait(&set, NULL, &bound));
}

TEST_HARNESS_MAIN
