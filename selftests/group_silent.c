// SPDX-License-Identifier: GPL-2.0-only
/*
 * A member that has connections waiting and does not call accept() for
 * net.newproto.group_silent_time: they are offered to the others, to one at a
 * time, and any accept() that has nothing of its own takes them.
 */
#include <kselftest_harness.h>

#include <sys/epoll.h>
#include <sys/wait.h>

#include "grouplib.h"

#define SILENT	50		/* ms */

struct crew {
	struct remote s;	/* the one that will be silent */
	int a, b;		/* the others: bound, not listening yet */
	int port;
};

FIXTURE(group_silent) {
	struct crew c;
};

GROUP_FIXTURE(group_silent);

FIXTURE_SETUP(group_silent)
{
	if (over_tcp())
		SKIP(_exit(255), "TCP leaves them where they are");
	ASSERT_OK(netns_new());
	ASSERT_OK(silent_time(SILENT));
	self->c.s = (struct remote){ .door = variant->door, .backlog = 16 };
	ASSERT_OK(remote_start(&self->c.s));
	self->c.port = self->c.s.port;
	self->c.a = member_with(variant->door, self->c.port, BOUND_ONLY, NEWPROTO_POLICY,
				NEWPROTO_POLICY_LAST_BOUND);
	self->c.b = member_new(variant->door, self->c.port, BOUND_ONLY);
	ASSERT_OK(self->c.a);
	ASSERT_OK(self->c.b);
}

FIXTURE_TEARDOWN(group_silent)
{
	remote_kill(&self->c.s);
	close(self->c.a);
	close(self->c.b);
}

/* @n clients on the one member that listens; each says its place. */
static void dial_many(struct __test_metadata *_metadata, const struct door *d, int port, int *fds,
		      int n)
{
	int i;

	for (i = 0; i < n; i++) {
		fds[i] = door_dial(d, 0, port);
		ASSERT_LE(0, fds[i]) TH_LOG("client %d: %s", i, strerror(errno));
		ASSERT_EQ(sizeof(i), send(fds[i], &i, sizeof(i), 0));
	}
}

static void close_many(const int *fds, int n)
{
	while (n--)
		close(fds[n]);
}

/* Connections wait on a process that is stopped then; nobody else listens yet. */
static void strand(struct __test_metadata *_metadata, struct crew *c,
		   const struct door *d, int *fds, int n)
{
	dial_many(_metadata, d, c->port, fds, n);
	ASSERT_OK(remote_stop(&c->s));
}

TEST_F(group_silent, another_one_is_told)
{
	int fds[3], child, i, place;
	char buf[2];

	strand(_metadata, &self->c, variant->door, fds, 3);
	ASSERT_OK(listen(self->c.a, 4));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(POLLIN, poll_events(self->c.a, POLLIN, WAIT_MS)) TH_LOG("client %d", i);
		child = take_now(self->c.a, NULL);
		ASSERT_OK(child);
		EXPECT_EQ(sizeof(place), recv(child, &place, sizeof(place), MSG_WAITALL));
		EXPECT_EQ(i, place);
		EXPECT_EQ(2, send(child, "ok", 2, MSG_NOSIGNAL));
		EXPECT_EQ(2, recv(fds[i], buf, 2, MSG_WAITALL));
		close(child);
	}
	EXPECT_EQ(0, poll_events(self->c.a, POLLIN, 0));
	EXPECT_EQ(-EAGAIN, took_now(self->c.a));
	close_many(fds, 3);
}

/* Not before the time is over, which begins with the connection and not before it. */
TEST_F(group_silent, time_has_to_pass)
{
	int fds[1];
	int64_t start;

	ASSERT_OK(silent_time(300));
	ASSERT_EQ(0, poll_events(self->c.s.ctl, POLLIN, 400));
	start = now_ms();
	strand(_metadata, &self->c, variant->door, fds, 1);
	ASSERT_OK(listen(self->c.a, 4));
	EXPECT_EQ(POLLIN, poll_events(self->c.a, POLLIN, WAIT_MS));
	EXPECT_LE(300 - TICK_SLACK_MS, now_ms() - start);
	EXPECT_EQ(sock_port(fds[0]), took_now(self->c.a));
	close_many(fds, 1);
}

/* As long as the time is not over nobody else may have them, told or not. */
TEST_F(group_silent, not_yet_silent)
{
	int fds[1];

	ASSERT_OK(silent_time(86400000));
	strand(_metadata, &self->c, variant->door, fds, 1);
	ASSERT_OK(listen(self->c.a, 4));
	EXPECT_EQ(0, poll_events(self->c.a, POLLIN, 4 * SILENT));
	EXPECT_EQ(-EAGAIN, took_now(self->c.a));
	ASSERT_OK(remote_cont(&self->c.s));
	EXPECT_EQ(sock_port(fds[0]), remote_do(&self->c.s, REMOTE_ACCEPT, 0));
	close_many(fds, 1);
}

TEST_F(group_silent, switched_off)
{
	int fds[2];
	struct group_line m;

	ASSERT_OK(silent_time(0));
	strand(_metadata, &self->c, variant->door, fds, 2);
	ASSERT_OK(listen(self->c.a, 4));
	EXPECT_EQ(0, poll_events(self->c.a, POLLIN, 6 * SILENT));
	EXPECT_EQ(-EAGAIN, took_now(self->c.a));
	ASSERT_OK(member_line(self->c.s.inode, &m));
	EXPECT_STREQ("live", m.state);
	ASSERT_OK(remote_cont(&self->c.s));
	EXPECT_EQ(sock_port(fds[0]), remote_do(&self->c.s, REMOTE_ACCEPT, 0));
	EXPECT_EQ(sock_port(fds[1]), remote_do(&self->c.s, REMOTE_ACCEPT, 0));
	close_many(fds, 2);
}

/* Who was silent, or was to help, is not any more. */
TEST_F(group_silent, switched_off_later)
{
	int64_t end = now_ms() + WAIT_MS;
	struct group_line m;
	int fds[2];

	strand(_metadata, &self->c, variant->door, fds, 2);
	ASSERT_OK(listen(self->c.a, 4));
	EXPECT_EQ(POLLIN, poll_events(self->c.a, POLLIN, WAIT_MS));
	ASSERT_OK(silent_time(0));
	do {
		ASSERT_OK(member_line(self->c.s.inode, &m));
	} while (strcmp(m.state, "live") && now_ms() < end);
	EXPECT_STREQ("live", m.state);
	EXPECT_EQ(0, poll_events(self->c.a, POLLIN, 0));
	EXPECT_EQ(-EAGAIN, took_now(self->c.a));
	ASSERT_OK(remote_cont(&self->c.s));
	EXPECT_EQ(sock_port(fds[0]), remote_do(&self->c.s, REMOTE_ACCEPT, 0));
	EXPECT_EQ(sock_port(fds[1]), remote_do(&self->c.s, REMOTE_ACCEPT, 0));
	close_many(fds, 2);
}

/* A process that does something else is as silent as one that is stopped. */
TEST_F(group_silent, busy_process)
{
	int fds[2];

	dial_many(_metadata, variant->door, self->c.port, fds, 2);
	ASSERT_OK(listen(self->c.a, 4));
	EXPECT_EQ(POLLIN, poll_events(self->c.a, POLLIN, WAIT_MS));
	EXPECT_EQ(sock_port(fds[0]), took_now(self->c.a));
	/* it comes back, and gets what is left */
	EXPECT_EQ(sock_port(fds[1]), remote_do(&self->c.s, REMOTE_ACCEPT, 0));
	close_many(fds, 2);
}

/* What has come in while the member was silent is stranded, too. */
TEST_F(group_silent, comes_in_later)
{
	int fds[2], late;

	strand(_metadata, &self->c, variant->door, fds, 1);
	late = door_dial(variant->door, 0, self->c.port);
	ASSERT_OK(late);
	ASSERT_OK(listen(self->c.a, 4));
	EXPECT_EQ(sock_port(fds[0]), took(self->c.a));
	EXPECT_EQ(sock_port(late), took(self->c.a));
	close_many(fds, 1);
	close(late);
}

static long accept_task(struct task *t)
{
	return took_now(t->fd);
}

static long poll_task(struct task *t)
{
	return poll_events(t->fd, POLLIN, WAIT_MS);
}

/* Whoever sleeps is woken. */
TEST_F(group_silent, wakes_accept)
{
	struct task t = { .fn = accept_task, .fd = self->c.a };
	int fds[1];

	ASSERT_OK(silent_time(300));
	strand(_metadata, &self->c, variant->door, fds, 1);
	ASSERT_OK(listen(self->c.a, 4));
	member_blocking(self->c.a);
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(sock_port(fds[0]), t.ret);
	close_many(fds, 1);
}

TEST_F(group_silent, wakes_poll)
{
	struct task t = { .fn = poll_task, .fd = self->c.a };
	int fds[1];

	ASSERT_OK(silent_time(300));
	strand(_metadata, &self->c, variant->door, fds, 1);
	ASSERT_OK(listen(self->c.a, 4));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(POLLIN, t.ret);
	EXPECT_EQ(sock_port(fds[0]), took_now(self->c.a));
	close_many(fds, 1);
}

/* Edge-triggered, by a program that goes on until it has EAGAIN. */
TEST_F(group_silent, epoll_edge)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET };
	int fds[5], ep = epoll_create1(0), got = 0, port;

	strand(_metadata, &self->c, variant->door, fds, 5);
	ASSERT_OK(listen(self->c.a, 4));
	ASSERT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, self->c.a, &e));
	while (got < 5 && epoll_wait(ep, &e, 1, WAIT_MS) == 1)
		while ((port = took_now(self->c.a)) > 0)
			EXPECT_EQ(sock_port(fds[got++]), port);
	EXPECT_EQ(5, got);
	close(ep);
	close_many(fds, 5);
}

/* Two that might help: one of them is told. */
TEST_F(group_silent, one_at_a_time)
{
	int fds[1], which, both = 0, i;
	int64_t end;

	ASSERT_OK(silent_time(400));
	strand(_metadata, &self->c, variant->door, fds, 1);
	ASSERT_OK(listen(self->c.a, 4));
	ASSERT_OK(listen(self->c.b, 4));
	which = pick_ready((int[]){ self->c.a, self->c.b }, 2);
	EXPECT_LE(0, which) TH_LOG("%s was told", which == -2 ? "each" : "neither");
	/* a change from one to the other could be seen as both, once */
	for (i = 0, end = now_ms() + 200; now_ms() < end; i++) {
		both += poll_events(self->c.a, POLLIN, 0) && poll_events(self->c.b, POLLIN, 0);
		usleep(2000);
	}
	EXPECT_GE(1, both) TH_LOG("of %d times that were looked at", i);
	EXPECT_EQ(sock_port(fds[0]), took_now(which ? self->c.b : self->c.a));
	EXPECT_EQ(0, poll_events(self->c.a, POLLIN, 0));
	EXPECT_EQ(0, poll_events(self->c.b, POLLIN, 0));
	close_many(fds, 1);
}

/* Who is not told may take it all the same. */
TEST_F(group_silent, the_other_one_takes_it)
{
	int fds[1], which;

	ASSERT_OK(silent_time(400));
	strand(_metadata, &self->c, variant->door, fds, 1);
	ASSERT_OK(listen(self->c.a, 4));
	ASSERT_OK(listen(self->c.b, 4));
	which = pick_ready((int[]){ self->c.a, self->c.b }, 2);
	ASSERT_LE(0, which);
	EXPECT_EQ(sock_port(fds[0]), took_now(which ? self->c.a : self->c.b));
	EXPECT_EQ(-EAGAIN, took_now(which ? self->c.b : self->c.a));
	EXPECT_EQ(0, poll_events(self->c.a, POLLIN, 0));
	EXPECT_EQ(0, poll_events(self->c.b, POLLIN, 0));
	close_many(fds, 1);
}

/* A helper that does not come either: another one is asked. */
TEST_F(group_silent, silent_helper)
{
	struct remote helper = { .door = variant->door, .port = self->c.port, .backlog = 4 };
	int fds[4], i;

	strand(_metadata, &self->c, variant->door, fds, 4);
	/* at first it is the only one that can be asked, and it is stopped */
	ASSERT_OK(remote_start(&helper));
	ASSERT_OK(remote_stop(&helper));
	EXPECT_TRUE(member_wait_state(self->c.s.inode, "silent"));
	usleep(2 * SILENT * 1000);
	ASSERT_OK(listen(self->c.a, 4));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(sock_port(fds[i]), took(self->c.a)) TH_LOG("client %d", i);
	remote_kill(&helper);
	close_many(fds, 4);
}

/* What is in a member's own queue comes first. */
TEST_F(group_silent, own_queue_first)
{
	int fds[2], own[2], i;

	strand(_metadata, &self->c, variant->door, fds, 2);
	ASSERT_OK(listen(self->c.a, 4));	/* bound later: it gets the next */
	dial_many(_metadata, variant->door, self->c.port, own, 2);
	EXPECT_TRUE(member_wait_state(self->c.s.inode, "silent"));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(sock_port(own[i]), took_now(self->c.a)) TH_LOG("own %d", i);
	for (i = 0; i < 2; i++)
		EXPECT_EQ(sock_port(fds[i]), took_now(self->c.a)) TH_LOG("stranded %d", i);
	EXPECT_EQ(-EAGAIN, took_now(self->c.a));
	close_many(own, 2);
	close_many(fds, 2);
}

/* It comes back and finds nothing, as accept(2) warns. */
TEST_F(group_silent, revives_and_finds_nothing)
{
	int fds[2], late;

	strand(_metadata, &self->c, variant->door, fds, 2);
	ASSERT_OK(listen(self->c.a, 4));
	EXPECT_EQ(sock_port(fds[0]), took(self->c.a));
	EXPECT_EQ(sock_port(fds[1]), took(self->c.a));
	ASSERT_OK(remote_cont(&self->c.s));
	EXPECT_EQ(-EAGAIN, remote_do(&self->c.s, REMOTE_ACCEPT, 0));
	/* and it is a member as before */
	ASSERT_OK(shutdown(self->c.a, SHUT_RD));
	late = door_dial(variant->door, 0, self->c.port);
	ASSERT_OK(late);
	EXPECT_EQ(sock_port(late), remote_do(&self->c.s, REMOTE_ACCEPT_WAIT, 0));
	close(late);
	close_many(fds, 2);
}

/* accept() that has come back to blocking waits for the next connection. */
TEST_F(group_silent, revives_and_waits)
{
	int fds[1], late;

	strand(_metadata, &self->c, variant->door, fds, 1);
	ASSERT_OK(listen(self->c.a, 4));
	EXPECT_EQ(sock_port(fds[0]), took(self->c.a));
	ASSERT_OK(remote_ask(&self->c.s, REMOTE_ACCEPT_WAIT, 0));
	ASSERT_OK(remote_cont(&self->c.s));
	ASSERT_OK(wait_blocked(self->c.s.pid, self->c.s.pid, SYS_accept));
	ASSERT_OK(shutdown(self->c.a, SHUT_RD));
	late = door_dial(variant->door, 0, self->c.port);
	EXPECT_EQ(sock_port(late), remote_answer(&self->c.s));
	close(late);
	close_many(fds, 1);
}

TEST_F(group_silent, revives_and_takes_the_rest)
{
	int fds[3];

	strand(_metadata, &self->c, variant->door, fds, 3);
	ASSERT_OK(listen(self->c.a, 4));
	EXPECT_EQ(sock_port(fds[0]), took(self->c.a));
	ASSERT_OK(remote_cont(&self->c.s));
	EXPECT_EQ(sock_port(fds[1]), remote_do(&self->c.s, REMOTE_ACCEPT, 0));
	EXPECT_EQ(sock_port(fds[2]), remote_do(&self->c.s, REMOTE_ACCEPT, 0));
	EXPECT_EQ(-EAGAIN, remote_do(&self->c.s, REMOTE_ACCEPT, 0));
	EXPECT_TRUE(member_wait_state(self->c.s.inode, "live"));
	EXPECT_EQ(-EAGAIN, took_now(self->c.a));
	close_many(fds, 3);
}

/* Alone it may be silent as long as it likes. */
TEST_F(group_silent, lone_member)
{
	int fds[2];
	struct group_line g;

	strand(_metadata, &self->c, variant->door, fds, 2);
	EXPECT_EQ(0, poll_events(fds[0], 0, 6 * SILENT));
	EXPECT_EQ(-EINVAL, took_now(self->c.a));
	ASSERT_OK(remote_cont(&self->c.s));
	EXPECT_EQ(sock_port(fds[0]), remote_do(&self->c.s, REMOTE_ACCEPT, 0));
	EXPECT_EQ(sock_port(fds[1]), remote_do(&self->c.s, REMOTE_ACCEPT, 0));
	ASSERT_OK(group_line(self->c.port, &g));
	EXPECT_EQ(0, g.rescued);
	close_many(fds, 2);
}

/* One that has only bound cannot help, and the next that listens does. */
TEST_F(group_silent, helper_comes_late)
{
	int fds[1];

	strand(_metadata, &self->c, variant->door, fds, 1);
	EXPECT_EQ(0, poll_events(fds[0], 0, 4 * SILENT));
	ASSERT_OK(listen(self->c.b, 1));
	EXPECT_EQ(sock_port(fds[0]), took(self->c.b));
	close_many(fds, 1);
}

/* Killed after all: what is left moves, as ever. */
TEST_F(group_silent, killed_in_the_end)
{
	int fds[3], i;

	strand(_metadata, &self->c, variant->door, fds, 3);
	ASSERT_OK(listen(self->c.a, 4));
	EXPECT_EQ(sock_port(fds[0]), took(self->c.a));
	remote_kill(&self->c.s);
	for (i = 1; i < 3; i++)
		EXPECT_EQ(sock_port(fds[i]), took(self->c.a));
	EXPECT_EQ(-EAGAIN, took_now(self->c.a));
	EXPECT_EQ(0, poll_events(self->c.a, POLLIN, 0));
	close_many(fds, 3);
}

/* Whom it was offered to goes: the next one is told. */
TEST_F(group_silent, helper_leaves)
{
	int fds[1], which, other;

	ASSERT_OK(silent_time(300));
	strand(_metadata, &self->c, variant->door, fds, 1);
	ASSERT_OK(listen(self->c.a, 4));
	ASSERT_OK(listen(self->c.b, 4));
	which = pick_ready((int[]){ self->c.a, self->c.b }, 2);
	ASSERT_LE(0, which);
	other = which ? self->c.a : self->c.b;
	ASSERT_OK(shutdown(which ? self->c.b : self->c.a, SHUT_RD));
	EXPECT_EQ(sock_port(fds[0]), took(other));
	close_many(fds, 1);
}

/* A client that waits for a place gets that of the one that was rescued. */
TEST_F(group_silent, makes_room)
{
	int fds[2], waiting, more;

	ASSERT_OK(remote_do(&self->c.s, REMOTE_LISTEN, 1));
	strand(_metadata, &self->c, variant->door, fds, 2);
	ASSERT_OK(listen(self->c.a, 0));
	more = door_dial(variant->door, 0, self->c.port);
	waiting = door_dial(variant->door, SOCK_NONBLOCK, self->c.port);
	EXPECT_TRUE(client_waiting(waiting));
	EXPECT_TRUE(member_wait_state(self->c.s.inode, "silent"));
	EXPECT_EQ(sock_port(more), took_now(self->c.a));
	/* the place was the helper's, so it is in the helper's queue */
	EXPECT_TRUE(client_admitted(waiting));
	EXPECT_EQ(sock_port(waiting), took_now(self->c.a));
	EXPECT_EQ(sock_port(fds[0]), took(self->c.a));
	EXPECT_EQ(sock_port(fds[1]), took(self->c.a));
	close(waiting);
	close(more);
	close_many(fds, 2);
}

TEST_F(group_silent, counters)
{
	int fds[3];
	struct group_line g, m;

	strand(_metadata, &self->c, variant->door, fds, 3);
	ASSERT_OK(listen(self->c.a, 4));
	EXPECT_TRUE(member_wait_state(self->c.s.inode, "silent"));
	EXPECT_EQ(sock_port(fds[0]), took(self->c.a));
	EXPECT_EQ(sock_port(fds[1]), took(self->c.a));
	ASSERT_OK(group_line(self->c.port, &g));
	EXPECT_EQ(2, g.rescued);
	EXPECT_EQ(2, g.accepted);
	EXPECT_EQ(1, g.pending);
	EXPECT_STREQ("live", g.state);
	ASSERT_OK(member_line(self->c.s.inode, &m));
	EXPECT_EQ(3, m.chosen);
	EXPECT_EQ(0, m.accepted);
	EXPECT_EQ(1, m.pending);
	ASSERT_OK(member_line(member_inode(self->c.a), &m));
	EXPECT_STREQ("live", m.state);
	EXPECT_EQ(2, m.accepted);
	EXPECT_EQ(2, m.rescued);
	close_many(fds, 3);
}

/* Slow is not silent: each accept() starts the time anew. */
TEST(group_silent_is_not_slow)
{
	enum { N = 12 };
	struct remote s = { .door = &door_family4, .backlog = 16 };
	int fds[N], a, i;

	if (over_tcp())
		SKIP(return, "TCP leaves them where they are");
	ASSERT_OK(netns_new());
	ASSERT_OK(silent_time(1000));
	ASSERT_OK(remote_start(&s));
	dial_many(_metadata, &door_family4, s.port, fds, N);
	a = member_new(&door_family4, s.port, 4);
	ASSERT_OK(a);
	for (i = 0; i < N; i++) {
		EXPECT_EQ(sock_port(fds[i]), remote_do(&s, REMOTE_ACCEPT, 0));
		EXPECT_EQ(0, poll_events(a, POLLIN, 150)) TH_LOG("after connection %d", i);
	}
	EXPECT_EQ(-EAGAIN, took_now(a));
	remote_kill(&s);
	close(a);
	close_many(fds, N);
}

TEST_HARNESS_MAIN
