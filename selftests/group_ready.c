// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a member learns that connections of another one have moved to it: in
 * accept(), poll(), select() and epoll, alone and with others.
 */
#include <kselftest_harness.h>

#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/wait.h>

#include "grouplib.h"

struct pair {
	struct remote r;	/* the member that goes */
	int b;			/* the one that is told */
	int ep;
};

FIXTURE(group_ready) {
	struct pair p;
};

GROUP_FIXTURE(group_ready);

FIXTURE_SETUP(group_ready)
{
	GROUP_SETUP(variant->door);
	self->p.r = (struct remote){ .door = variant->door, .backlog = 64 };
	ASSERT_OK(remote_start(&self->p.r));
	self->p.b = member_new(variant->door, self->p.r.port, BOUND_ONLY);
	ASSERT_OK(self->p.b);
	self->p.ep = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_OK(self->p.ep);
}

FIXTURE_TEARDOWN(group_ready)
{
	remote_kill(&self->p.r);
	close(self->p.b);
	close(self->p.ep);
}

/* What the C library makes of epoll_wait(). */
#ifdef SYS_epoll_wait
#define EPOLL_CALL	SYS_epoll_wait
#else
#define EPOLL_CALL	SYS_epoll_pwait
#endif

enum { MOST = 16 };

/* @n clients wait on the member that goes; then the other one listens, with nothing yet. */
static void prepare(struct __test_metadata *_metadata, struct pair *p,
		    const struct door *d, int *fds, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		fds[i] = door_dial(d, 0, p->r.port);
		ASSERT_OK(fds[i]);
	}
	ASSERT_OK(listen(p->b, 64));
	ASSERT_EQ(0, poll_events(p->b, POLLIN, 0));
}

static void close_many(const int *fds, int n)
{
	while (n--)
		close(fds[n]);
}

static long accept_task(struct task *t)
{
	return took_now(t->fd);
}

/* @threads of them sleep in accept(), and as many as connections move come back. */
static void check_accept(struct __test_metadata *_metadata, struct pair *p,
			 const struct door *d, int threads, int clients)
{
	struct task t[MOST] = { };
	int fds[MOST], i, ended;
	int64_t end;

	prepare(_metadata, p, d, fds, clients);
	member_blocking(p->b);
	for (i = 0; i < threads; i++) {
		t[i] = (struct task){ .fn = accept_task, .fd = p->b };
		ASSERT_OK(task_start(&t[i]));
		ASSERT_OK(task_blocked(&t[i], SYS_accept));
	}
	remote_kill(&p->r);
	end = now_ms() + WAIT_MS;
	do {
		for (i = 0, ended = 0; i < threads; i++)
			ended += !task_running(&t[i]);
		usleep(1000);
	} while (ended < clients && now_ms() < end);
	EXPECT_EQ(clients, ended);
	for (i = 0; i < threads; i++) {
		if (task_running(&t[i]))
			continue;
		ASSERT_OK(task_join(&t[i]));
		EXPECT_LT(0, t[i].ret);
	}
	/* those that are left end by what the next clients bring */
	for (; ended < threads; ended++)
		close(door_dial(d, 0, p->r.port));
	for (i = 0; i < threads; i++)
		if (task_running(&t[i]))
			EXPECT_OK(task_join(&t[i]));
	close_many(fds, clients);
}

TEST_F(group_ready, accept)
{
	check_accept(_metadata, &self->p, variant->door, 1, 1);
}

TEST_F(group_ready, accept_many_threads)
{
	check_accept(_metadata, &self->p, variant->door, 6, 6);
}

TEST_F(group_ready, accept_more_threads_than_connections)
{
	check_accept(_metadata, &self->p, variant->door, 5, 2);
}

static long poll_task(struct task *t)
{
	return poll_events(t->fd, POLLIN, WAIT_MS);
}

static long select_task(struct task *t)
{
	struct timeval tv = { .tv_sec = WAIT_MS / 1000 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(t->fd, &set);
	return select(t->fd + 1, &set, NULL, NULL, &tv);
}

static long epoll_task(struct task *t)
{
	struct epoll_event e = { };
	int n = epoll_wait(t->fd, &e, 1, WAIT_MS);

	return n == 1 ? (long)e.events : n - 100;
}

/* A thread that sleeps in the call is woken when two connections move. */
static void check_wakes(struct __test_metadata *_metadata, struct pair *p,
			const int *fds, long (*fn)(struct task *t), int fd, long syscall_nr)
{
	struct task t = { .fn = fn, .fd = fd };

	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, syscall_nr));
	ASSERT_OK(remote_leave(&p->r, LEAVE_CLOSE));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(fn == select_task ? 1 : POLLIN, t.ret);
	EXPECT_EQ(sock_port(fds[0]), took_now(p->b));
	EXPECT_EQ(sock_port(fds[1]), took_now(p->b));
}

/* The C library's calls may be others than their names say. */
#ifdef SYS_select
#define NR_SELECT	(sizeof(long) == 8 ? SYS_pselect6 : SYS_select)
#else
#define NR_SELECT	SYS_pselect6
#endif

TEST_F(group_ready, poll)
{
	int fds[2];

	prepare(_metadata, &self->p, variant->door, fds, 2);
	check_wakes(_metadata, &self->p, fds, poll_task, self->p.b, SYS_poll);
	close_many(fds, 2);
}

TEST_F(group_ready, select)
{
	int fds[2];

	prepare(_metadata, &self->p, variant->door, fds, 2);
	check_wakes(_metadata, &self->p, fds, select_task, self->p.b, NR_SELECT);
	close_many(fds, 2);
}

static int watch(int ep, int fd, unsigned int events)
{
	struct epoll_event e = { .events = events };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

/* What epoll says now; 0: nothing. */
static int epoll_now(int ep)
{
	struct epoll_event e = { };

	return epoll_wait(ep, &e, 1, 0) == 1 ? (int)e.events : 0;
}

static int epoll_soon(int ep)
{
	struct epoll_event e = { };

	return epoll_wait(ep, &e, 1, WAIT_MS) == 1 ? (int)e.events : 0;
}

TEST_F(group_ready, epoll)
{
	int fds[2];

	prepare(_metadata, &self->p, variant->door, fds, 2);
	ASSERT_OK(watch(self->p.ep, self->p.b, EPOLLIN));
	check_wakes(_metadata, &self->p, fds, epoll_task, self->p.ep, EPOLL_CALL);
	close_many(fds, 2);
}

TEST_F(group_ready, epoll_level)
{
	int fds[3], i;

	prepare(_metadata, &self->p, variant->door, fds, 3);
	ASSERT_OK(watch(self->p.ep, self->p.b, EPOLLIN));
	ASSERT_EQ(0, epoll_now(self->p.ep));
	remote_kill(&self->p.r);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(EPOLLIN, epoll_soon(self->p.ep)) TH_LOG("connection %d", i);
		EXPECT_LT(0, took_now(self->p.b));
	}
	EXPECT_EQ(0, epoll_now(self->p.ep));
	close_many(fds, 3);
}

TEST_F(group_ready, epoll_edge)
{
	int fds[3], i;

	prepare(_metadata, &self->p, variant->door, fds, 3);
	ASSERT_OK(watch(self->p.ep, self->p.b, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, epoll_now(self->p.ep));
	remote_kill(&self->p.r);
	EXPECT_EQ(EPOLLIN, epoll_soon(self->p.ep));
	EXPECT_EQ(0, epoll_now(self->p.ep));
	for (i = 0; i < 3; i++)
		EXPECT_LT(0, took_now(self->p.b));
	EXPECT_EQ(-EAGAIN, took_now(self->p.b));
	close_many(fds, 3);
}

/* An edge for what moves, also where something waits already. */
TEST_F(group_ready, epoll_edge_of_a_second_move)
{
	struct remote other = { .door = variant->door, .port = self->p.r.port, .backlog = 64 };
	int fds[2], more, i;

	prepare(_metadata, &self->p, variant->door, fds, 2);
	ASSERT_OK(watch(self->p.ep, self->p.b, EPOLLIN | EPOLLET));
	ASSERT_EQ(0, epoll_now(self->p.ep));
	remote_kill(&self->p.r);
	EXPECT_EQ(EPOLLIN, epoll_soon(self->p.ep));
	EXPECT_EQ(0, epoll_now(self->p.ep));

	/* another member gets one and goes: the only one that listens then is our own */
	ASSERT_OK(remote_start(&other));
	more = -1;
	for (i = 0; i < 64 && more < 0; i++) {
		int fd = door_dial(variant->door, 0, other.port);

		ASSERT_OK(fd);
		if (epoll_now(self->p.ep))	/* ours: the hash has said so */
			close(fd);
		else
			more = fd;
	}
	ASSERT_LE(0, more) TH_LOG("64 connections went to the same member");
	remote_kill(&other);
	EXPECT_EQ(EPOLLIN, epoll_soon(self->p.ep));
	for (i = took_now(self->p.b); i > 0 && i != sock_port(more);)
		i = took_now(self->p.b);
	EXPECT_EQ(sock_port(more), i);
	close(more);
	close_many(fds, 2);
}

TEST_F(group_ready, epoll_oneshot)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLONESHOT };
	int fds[2];

	prepare(_metadata, &self->p, variant->door, fds, 2);
	ASSERT_OK(watch(self->p.ep, self->p.b, EPOLLIN | EPOLLONESHOT));
	ASSERT_EQ(0, epoll_now(self->p.ep));
	remote_kill(&self->p.r);
	EXPECT_EQ(EPOLLIN, epoll_soon(self->p.ep));
	EXPECT_LT(0, took_now(self->p.b));
	EXPECT_EQ(0, epoll_now(self->p.ep));
	ASSERT_OK(epoll_ctl(self->p.ep, EPOLL_CTL_MOD, self->p.b, &e));
	EXPECT_EQ(EPOLLIN, epoll_soon(self->p.ep));
	EXPECT_LT(0, took_now(self->p.b));
	close_many(fds, 2);
}

enum { WORKERS = 3 };

/* A process that takes one connection for each time it is told, and reports it. */
static void worker(int lsn, int report)
{
	int ep = epoll_create1(0), port;
	struct epoll_event e;

	if (watch(ep, lsn, EPOLLIN | EPOLLEXCLUSIVE))
		_exit(1);
	port = 0;	/* it is ready */
	while (write(report, &port, sizeof(port)) == sizeof(port)) {
		do {
			if (epoll_wait(ep, &e, 1, -1) != 1)
				_exit(2);
			port = took_now(lsn);
		} while (port == -EAGAIN);	/* another one has got it */
	}
	_exit(3);
}

static int report_read(int fd)
{
	int port = -1;

	if (poll_events(fd, POLLIN, WAIT_MS) & POLLIN &&
	    read(fd, &port, sizeof(port)) == sizeof(port))
		return port;
	return -1;
}

/* Processes that share the listener with EPOLLEXCLUSIVE: nothing is left lying. */
TEST_F(group_ready, epoll_exclusive)
{
	enum { N = 9 };
	int fds[N], report[2], i, j, port, status;
	pid_t pids[WORKERS];
	bool seen[N] = { };

	prepare(_metadata, &self->p, variant->door, fds, N);
	ASSERT_OK(pipe(report));
	for (i = 0; i < WORKERS; i++) {
		pids[i] = fork();
		ASSERT_OK(pids[i]);
		if (!pids[i]) {
			close(self->p.r.ctl);
			worker(self->p.b, report[1]);
		}
		ASSERT_EQ(0, report_read(report[0]));
		ASSERT_OK(wait_blocked(pids[i], pids[i], EPOLL_CALL));
	}
	remote_kill(&self->p.r);
	for (i = 0; i < N; i++) {
		port = report_read(report[0]);
		EXPECT_LT(0, port) TH_LOG("only %d of %d were accepted", i, N);
		for (j = 0; j < N && port > 0; j++) {
			if (sock_port(fds[j]) != port)
				continue;
			EXPECT_FALSE(seen[j]);
			seen[j] = true;
		}
	}
	for (i = 0; i < WORKERS; i++) {
		kill(pids[i], SIGKILL);
		ASSERT_OK(wait_child(pids[i], &status));
		EXPECT_TRUE(WIFSIGNALED(status)) TH_LOG("worker %d ended with %d", i, status);
	}
	close_many(fds, N);
}

/* Each member's own epoll: whoever gets something is told of it. */
TEST_F(group_ready, every_target_is_told)
{
	enum { N = 16 };
	int fds[N], i, got = 0, c, events;
	struct epoll_event e;

	prepare(_metadata, &self->p, variant->door, fds, N);
	c = member_new(variant->door, self->p.r.port, 64);
	ASSERT_OK(c);
	ASSERT_OK(watch(self->p.ep, self->p.b, EPOLLIN | EPOLLET));
	e = (struct epoll_event){ .events = EPOLLIN | EPOLLET, .data.fd = c };
	ASSERT_OK(epoll_ctl(self->p.ep, EPOLL_CTL_ADD, c, &e));
	ASSERT_EQ(0, epoll_now(self->p.ep));
	remote_kill(&self->p.r);
	while (got < N && (events = epoll_wait(self->p.ep, &e, 1, WAIT_MS)) == 1) {
		int lsn = e.data.fd == c ? c : self->p.b;

		for (i = took_now(lsn); i > 0; i = took_now(lsn))
			got++;
	}
	EXPECT_EQ(N, got);
	close(c);
	close_many(fds, N);
}

/* accept() of the member that is shut down comes back and says so. */
TEST_F(group_ready, accept_of_the_one_that_goes)
{
	struct task t = { .fn = accept_task, .fd = self->p.b };
	int port = self->p.r.port, fd;

	member_blocking(self->p.b);
	ASSERT_OK(remote_leave(&self->p.r, LEAVE_SHUT_RD));
	ASSERT_OK(listen(self->p.b, 4));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_accept));
	ASSERT_OK(remote_do(&self->p.r, REMOTE_LISTEN, 4));
	ASSERT_OK(shutdown(self->p.b, SHUT_RD));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(-EINVAL, t.ret);
	fd = door_dial(variant->door, 0, port);
	ASSERT_OK(fd);
	EXPECT_EQ(sock_port(fd), remote_do(&self->p.r, REMOTE_ACCEPT, 0));
	close(fd);
}

TEST_HARNESS_MAIN
