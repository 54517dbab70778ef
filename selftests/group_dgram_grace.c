// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups of datagram sockets that outlive their last member for a grace time: what
 * it has not read and what is sent meanwhile is kept for a successor. This is
 * newproto's own.
 */
#include <kselftest_harness.h>

#include <sys/wait.h>

#include "dgrouplib.h"

/* The latest member gets all that is sent. */
FIXTURE(dgrace) {
	struct dgroup g;
	struct remote r;
};

DOOR_FIXTURE(dgrace);

FIXTURE_SETUP(dgrace)
{
	if (over_udp())
		SKIP(_exit(255), "UDP drops what a socket has not read");
	ASSERT_OK(dgroup_start(&self->g, variant->door));
	ASSERT_OK(dgroup_dial(&self->g));
	ASSERT_OK(group_set(self->g.m[0], NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND));
}

FIXTURE_TEARDOWN(dgrace)
{
	remote_kill(&self->r);
	dgroup_end(&self->g);
}

/* What it had and what has been sent meanwhile, in order. */
TEST_F(dgrace, successor)
{
	struct dgroup *g = &self->g;

	ASSERT_OK(group_set(g->m[0], NEWPROTO_GRACE, WAIT_MS));
	ASSERT_EQ(5, send_some(g, 5, 100));
	ASSERT_OK(dgroup_leave(g, 0));
	ASSERT_EQ(5, send_some(g, 5, 100));
	ASSERT_OK(dgroup_grow(g));
	EXPECT_TRUE(poll_events(g->m[1], POLLIN, 0) & POLLIN);
	EXPECT_NUMBERS(g, g->m[1], 0, 10);
	EXPECT_TRUE(dgram_empty(g->m[1]));
	ASSERT_EQ(5, send_some(g, 5, 100));
	EXPECT_NUMBERS(g, g->m[1], 10, 5);
	/* it is the group that it was */
	EXPECT_EQ(WAIT_MS, sock_int(g->m[1], SOL_NEWPROTO, NEWPROTO_GRACE));
	EXPECT_EQ(NEWPROTO_POLICY_LAST_BOUND,
		  sock_int(g->m[1], SOL_NEWPROTO, NEWPROTO_POLICY));
	ASSERT_OK(group_set(g->m[1], NEWPROTO_GRACE, 0));
}

TEST_F(dgrace, of_one_killed)
{
	struct dgroup *g = &self->g;
	static const enum leave ways[] = { LEAVE_KILL, LEAVE_EXEC };
	size_t i;

	ASSERT_OK(dgroup_leave(g, 0));
	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		g->n = 0;
		g->sent = 0;
		ASSERT_OK(dgroup_remote(g, &self->r, WAIT_MS));
		ASSERT_EQ(5, send_some(g, 5, 100));
		ASSERT_EQ(0, remote_leave(&self->r, ways[i]));
		ASSERT_EQ(5, send_some(g, 5, 100));
		ASSERT_OK(dgroup_grow(g));
		EXPECT_NUMBERS(g, g->m[0], 0, 10);
		remote_kill(&self->r);
		ASSERT_OK(group_set(g->m[0], NEWPROTO_GRACE, 0));
		ASSERT_OK(dgroup_leave(g, 0));
	}
}

/* Only the last one's end is one. */
TEST_F(dgrace, for_the_last)
{
	struct dgroup *g = &self->g;

	ASSERT_OK(group_set(g->m[0], NEWPROTO_GRACE, WAIT_MS));
	ASSERT_OK(dgroup_grow(g));
	ASSERT_EQ(5, send_some(g, 5, 100));
	ASSERT_OK(dgroup_leave(g, 1));
	EXPECT_NUMBERS(g, g->m[0], 0, 5);
	ASSERT_EQ(5, send_some(g, 5, 100));
	ASSERT_OK(dgroup_leave(g, 0));
	ASSERT_OK(dgroup_grow(g));
	EXPECT_NUMBERS(g, g->m[2], 5, 5);
	ASSERT_OK(group_set(g->m[2], NEWPROTO_GRACE, 0));
}

/* As much as the last member's buffer would have held, the earliest; no sender hears of it. */
TEST_F(dgrace, limit)
{
	struct dgroup *g = &self->g;
	int n, i;

	ASSERT_OK(sock_set(g->m[0], SOL_SOCKET, SO_RCVBUF, SMALL));
	ASSERT_OK(group_set(g->m[0], NEWPROTO_GRACE, WAIT_MS));
	ASSERT_EQ(3, send_some(g, 3, SIZE));
	ASSERT_OK(dgroup_leave(g, 0));
	ASSERT_EQ(300, send_some(g, 300, SIZE));
	ASSERT_OK(dgroup_grow(g));
	for (n = 0; !dgram_empty(g->m[1]); n++)
		ASSERT_EQ(n, read_number(g, g->m[1]));
	EXPECT_LT(5, n);
	EXPECT_GT(50, n);
	for (i = 0; i < SENDERS; i++)
		EXPECT_EQ(0, sock_error(g->tx[i]));
	ASSERT_OK(group_set(g->m[1], NEWPROTO_GRACE, 0));
}

static long send_one(struct task *t)
{
	return send(t->fd, t->arg, 4, 0);
}

/* One who waits for room waits for the successor, too. */
TEST_F(dgrace, sender_waits)
{
	struct dgroup *g = &self->g;
	uint32_t number = SENDERS * 100;	/* the first sender's */
	struct task t = { .fn = send_one, .fd = g->tx[0], .arg = &number };
	int n = 0;

	ASSERT_OK(sock_set(g->m[0], SOL_SOCKET, SO_RCVBUF, SMALL));
	ASSERT_OK(group_set(g->m[0], NEWPROTO_GRACE, WAIT_MS));
	ASSERT_OK(group_set(g->tx[0], NEWPROTO_WAIT, 1));
	ASSERT_OK(dgroup_leave(g, 0));
	while (n < 500 && !send_number(g->tx[0], n * SENDERS, SIZE))
		n++;
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_LT(5, n);
	EXPECT_EQ(0, poll_events(g->tx[0], POLLOUT, 0));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	ASSERT_OK(dgroup_grow(g));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(4, t.ret) TH_LOG("%s", strerror(t.err));
	EXPECT_EQ(n + 1, read_all(g, g->m[1]));
	EXPECT_EQ(POLLOUT, poll_events(g->tx[0], POLLOUT, WAIT_MS));
	ASSERT_OK(group_set(g->m[1], NEWPROTO_GRACE, 0));
}

/* Sends until that is refused; milliseconds, -1 if it was not. */
static int64_t refused_after(int fd, int64_t begin)
{
	int64_t end = now_ms() + WAIT_MS;

	while (now_ms() < end) {
		if (send(fd, "x", 1, MSG_DONTWAIT) < 0 && errno == ECONNREFUSED)
			return now_ms() - begin;
		if (sock_error(fd) == ECONNREFUSED)
			return now_ms() - begin;
		usleep(1000);
	}
	return -1;
}

TEST_F(dgrace, expires)
{
	struct dgroup *g = &self->g;
	int64_t begin, took;
	int fd;

	ASSERT_OK(group_set(g->m[0], NEWPROTO_GRACE, 200));
	ASSERT_EQ(5, send_some(g, 5, 100));
	begin = now_ms();
	ASSERT_OK(dgroup_leave(g, 0));
	took = refused_after(g->tx[0], begin);
	EXPECT_LE(200 - TICK_SLACK_MS, took);
	/* the address is free, for anybody, and nothing is left */
	fd = dgram_bound(variant->door, 0, g->port);
	ASSERT_OK(fd);
	EXPECT_TRUE(dgram_empty(fd));
	close(fd);
	ASSERT_OK(dgroup_grow(g));
	EXPECT_TRUE(dgram_empty(g->m[1]));
	EXPECT_EQ(0, sock_int(g->m[1], SOL_NEWPROTO, NEWPROTO_GRACE));
}

/* Whoever waits for room is told, then: the send() fails, or the next one does. */
TEST_F(dgrace, expires_on_a_waiting_sender)
{
	struct dgroup *g = &self->g;
	struct task t = { .fn = send_one, .fd = g->tx[0], .arg = "wait" };
	int n = 0;

	ASSERT_OK(sock_set(g->m[0], SOL_SOCKET, SO_RCVBUF, SMALL));
	ASSERT_OK(group_set(g->m[0], NEWPROTO_GRACE, 2000));
	ASSERT_OK(group_set(g->tx[0], NEWPROTO_WAIT, 1));
	ASSERT_OK(dgroup_leave(g, 0));
	while (n < 500 && !send_number(g->tx[0], n, SIZE))
		n++;
	ASSERT_EQ(EAGAIN, errno);
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	ASSERT_OK(task_join(&t));
	if (t.ret < 0) {
		EXPECT_EQ(ECONNREFUSED, t.err);
	} else {
		EXPECT_EQ(4, t.ret);
		EXPECT_EQ(ECONNREFUSED, sock_error(g->tx[0]));
	}
	EXPECT_EQ(POLLOUT, poll_events(g->tx[0], POLLOUT, WAIT_MS));
}

/* Who waits at the last member when that leaves waits on, or is kept with what it had:
 * whichever comes first. Either way it learns in time that nobody came.
 */
TEST_F(dgrace, expires_on_one_who_waited_before)
{
	struct dgroup *g = &self->g;
	struct task t = { .fn = send_one, .fd = g->tx[0], .arg = "wait" };
	int64_t begin;
	int n = 0;

	ASSERT_OK(sock_set(g->m[0], SOL_SOCKET, SO_RCVBUF, SMALL));
	ASSERT_OK(group_set(g->m[0], NEWPROTO_GRACE, 1000));
	ASSERT_OK(group_set(g->tx[0], NEWPROTO_WAIT, 1));
	while (n < 500 && !send_number(g->tx[0], n, SIZE))
		n++;
	ASSERT_EQ(EAGAIN, errno);
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	begin = now_ms();
	ASSERT_OK(dgroup_leave(g, 0));
	ASSERT_OK(task_join(&t));
	EXPECT_TRUE(t.ret == 4 || (t.ret < 0 && t.err == ECONNREFUSED))
		TH_LOG("%ld, %s", t.ret, strerror(t.err));
	if (t.ret == 4 && sock_error(g->tx[0]) != ECONNREFUSED)
		EXPECT_LE(1000 - TICK_SLACK_MS, refused_after(g->tx[0], begin));
	EXPECT_EQ(POLLOUT, poll_events(g->tx[0], POLLOUT, WAIT_MS));
}

/* Without grace the end of the last one is the end. */
TEST_F(dgrace, no_grace)
{
	struct dgroup *g = &self->g;

	ASSERT_OK(group_set(g->m[0], NEWPROTO_GRACE, WAIT_MS));
	ASSERT_OK(group_set(g->m[0], NEWPROTO_GRACE, 0));
	ASSERT_EQ(5, send_some(g, 5, 100));
	ASSERT_OK(dgroup_leave(g, 0));
	ASSERT_EQ(1, send(g->tx[1], "x", 1, 0));
	EXPECT_EQ(ECONNREFUSED, sock_error(g->tx[1]));
	ASSERT_OK(dgroup_grow(g));
	EXPECT_TRUE(dgram_empty(g->m[1]));
}

TEST_F(dgrace, strangers)
{
	struct dgroup *g = &self->g;
	const struct door *d = variant->door;
	int status;
	pid_t pid;

	ASSERT_OK(group_set(g->m[0], NEWPROTO_GRACE, WAIT_MS));
	ASSERT_EQ(5, send_some(g, 5, 100));
	ASSERT_OK(dgroup_leave(g, 0));
	EXPECT_ERR(EADDRINUSE, dgram_bound(d, 0, g->port));
	EXPECT_ERR(EADDRINUSE, dgram_share(d, SO_REUSEADDR, g->port));
	pid = fork();
	if (!pid) {
		if (setresuid(65534, 65534, 65534))
			_exit(2);
		_exit(dgram_share(d, SO_REUSEPORT, g->port) < 0 && errno == EADDRINUSE ? 0 : 1);
	}
	ASSERT_OK(wait_child(pid, &status));
	EXPECT_EQ(0, status) TH_LOG("another user has the port, and what waits there");
	ASSERT_OK(dgroup_grow(g));
	EXPECT_NUMBERS(g, g->m[1], 0, 5);
	ASSERT_OK(group_set(g->m[1], NEWPROTO_GRACE, 0));
}

/* A low port is still one that not everybody may have. */
TEST_F(dgrace, low_port)
{
	const struct door *d = variant->door;
	int status, fd;
	pid_t pid;

	ASSERT_OK(netns_new());
	fd = member_with(dgram_door(d), 500, BOUND_ONLY, NEWPROTO_GRACE, WAIT_MS);
	ASSERT_OK(fd);
	ASSERT_OK(close(fd));
	pid = fork();
	if (!pid) {
		if (drop_caps())
			_exit(2);
		_exit(member_new(dgram_door(d), 500, BOUND_ONLY) < 0 && errno == EACCES ? 0 : 1);
	}
	ASSERT_OK(wait_child(pid, &status));
	EXPECT_EQ(0, status);
	fd = member_new(dgram_door(d), 500, BOUND_ONLY);
	EXPECT_OK(fd);
	/* and the namespace ends while the group has grace again */
	close(fd);
}

TEST_F(dgrace, proc)
{
	struct dgroup *g = &self->g;
	struct group_line l;

	ASSERT_OK(group_set(g->m[0], NEWPROTO_GRACE, WAIT_MS));
	ASSERT_EQ(5, send_some(g, 5, 100));
	ASSERT_OK(dgroup_leave(g, 0));
	ASSERT_EQ(5, send_some(g, 5, 100));
	l = group_of(g->port);
	EXPECT_STREQ("grace", l.state);
	EXPECT_EQ(0, l.members);
	EXPECT_EQ(10, l.pending);
	EXPECT_EQ(WAIT_MS, l.grace);
	ASSERT_OK(dgroup_grow(g));
	EXPECT_STREQ("live", group_of(g->port).state);
	EXPECT_EQ(10, member_of(g->m[1]).pending);
	/* short enough to see its end; the counters end with the group */
	ASSERT_OK(group_set(g->m[1], NEWPROTO_GRACE, 1));
	ASSERT_OK(dgroup_leave(g, 1));
	ASSERT_LE(0, refused_after(g->tx[0], now_ms()));
	errno = 0;
	EXPECT_EQ(-1, group_line(g->port, &l));
	EXPECT_EQ(ENOENT, errno);
}

TEST_HARNESS_MAIN
