// SPDX-License-Identifier: GPL-2.0-only
/*
 * NEWPROTO_GRACE: a group outlives its last member, so that a server that is
 * alone can be killed and started again. What waits is kept, what comes is
 * taken, up to the last backlog; a successor gets all of it. TCP has nothing of
 * the kind. group_heir has who may be a successor, and what ends a group in grace.
 */
#include <kselftest_harness.h>

#include <sys/wait.h>

#include "grouplib.h"

#define LONG	50000		/* a grace that no test waits for */

FIXTURE(group_grace) {
	struct remote r;
	int port;
};

GROUP_FIXTURE(group_grace);

FIXTURE_SETUP(group_grace)
{
	if (over_tcp())
		SKIP(_exit(255), "TCP has no grace");
	GROUP_SETUP(variant->door);
	self->r = (struct remote){ .door = variant->door, .backlog = 1, .grace = LONG };
	ASSERT_OK(remote_start(&self->r));
	self->port = self->r.port;
}

FIXTURE_TEARDOWN(group_grace)
{
	remote_kill(&self->r);
}

/* Nonblocking clients: those that have a place say which they are. */
static void dial_many(struct __test_metadata *_metadata, const struct door *d, int port, int *fds,
		      int from, int to, int places)
{
	int i;

	for (i = from; i < to; i++) {
		fds[i] = door_dial(d, SOCK_NONBLOCK, port);
		ASSERT_LE(0, fds[i]) TH_LOG("client %d: %s", i, strerror(errno));
		EXPECT_EQ(i < places, client_connected(fds[i])) TH_LOG("client %d", i);
		EXPECT_EQ(i >= places, client_waiting(fds[i])) TH_LOG("client %d", i);
		EXPECT_EQ(i < places ? (int)sizeof(i) : -1,
			  send(fds[i], &i, sizeof(i), MSG_DONTWAIT | MSG_NOSIGNAL));
	}
}

/* The successor gets clients @from to @to, in that order. */
static void take_many(struct __test_metadata *_metadata, int lsn, int *fds, int from, int to)
{
	int i, place, port;

	for (i = from; i < to; i++) {
		int child = take(lsn, &port);

		ASSERT_LE(0, child) TH_LOG("client %d: %s", i, strerror(errno));
		EXPECT_EQ(sock_port(fds[i]), port) TH_LOG("client %d", i);
		if (poll_events(child, POLLIN, 0) & POLLIN) {
			EXPECT_EQ(sizeof(place), recv(child, &place, sizeof(place), 0));
			EXPECT_EQ(i, place);
		}
		EXPECT_TRUE(client_admitted(fds[i])) TH_LOG("client %d", i);
		EXPECT_EQ(2, send(child, "ok", 2, MSG_NOSIGNAL));
		EXPECT_EQ(POLLIN, poll_events(fds[i], POLLIN, WAIT_MS));
		close(child);
	}
}

static void close_many(const int *fds, int n)
{
	while (n--)
		close(fds[n]);
}

/* Two pend and one waits; the server goes; two more come; a successor takes all five. */
static void check_successor(struct __test_metadata *_metadata, const struct door *d,
			    struct remote *r, enum leave how)
{
	struct group_line g;
	int fds[5], b;

	dial_many(_metadata, d, r->port, fds, 0, 3, 2);
	ASSERT_EQ(0, remote_leave(r, how)) TH_LOG("%s", leave_names[how]);
	ASSERT_OK(group_line(r->port, &g));
	EXPECT_STREQ("grace", g.state);
	EXPECT_EQ(0, g.members);
	EXPECT_EQ(2, g.pending);
	EXPECT_EQ(1, g.waiting);
	dial_many(_metadata, d, r->port, fds, 3, 5, 2);
	EXPECT_TRUE(client_connected(fds[0]));
	EXPECT_TRUE(client_waiting(fds[2]));

	b = member_new(d, r->port, BOUND_ONLY);
	ASSERT_OK(b);
	EXPECT_ERR(EINVAL, accept(b, NULL, NULL));
	ASSERT_OK(listen(b, 1));
	/* at once */
	EXPECT_EQ(POLLIN, poll_events(b, POLLIN, 0));
	ASSERT_OK(group_line(r->port, &g));
	EXPECT_STREQ("live", g.state);
	EXPECT_EQ(1, g.members);
	take_many(_metadata, b, fds, 0, 5);
	EXPECT_EQ(-EAGAIN, took_now(b));
	close_many(fds, 5);
	close(b);
}

#define TEST_LEAVE(how)							\
	TEST_F(group_grace, how)					\
	{								\
		check_successor(_metadata, variant->door, &self->r, how); \
	}

TEST_LEAVE(LEAVE_CLOSE)
TEST_LEAVE(LEAVE_SHUT_RD)
TEST_LEAVE(LEAVE_SHUT_RDWR)
TEST_LEAVE(LEAVE_UNSPEC)
TEST_LEAVE(LEAVE_EXIT)
TEST_LEAVE(LEAVE_KILL)
TEST_LEAVE(LEAVE_EXEC)

/* Nothing has waited: a server may come back to an empty queue. */
TEST_F(group_grace, nothing_waits)
{
	int fds[3], b;

	remote_kill(&self->r);
	dial_many(_metadata, variant->door, self->port, fds, 0, 3, 2);
	/* a larger backlog than before: all have room at once */
	b = member_new(variant->door, self->port, 2);
	ASSERT_OK(b);
	EXPECT_TRUE(client_admitted(fds[2]));
	take_many(_metadata, b, fds, 0, 3);
	EXPECT_EQ(-EAGAIN, took_now(b));
	close_many(fds, 3);
	close(b);
}

/* In the gap as many get in as the last backlog says. */
TEST_F(group_grace, backlog_of_the_last_member)
{
	int fds[6], b;

	ASSERT_EQ(0, remote_do(&self->r, REMOTE_LISTEN, 3));
	remote_kill(&self->r);
	dial_many(_metadata, variant->door, self->port, fds, 0, 6, 4);
	/* a smaller one throws nobody out */
	b = member_new(variant->door, self->port, 0);
	ASSERT_OK(b);
	EXPECT_TRUE(client_connected(fds[3]));
	EXPECT_TRUE(client_waiting(fds[4]));
	take_many(_metadata, b, fds, 0, 6);
	close_many(fds, 6);
	close(b);
}

static long dial_blocking(struct task *t)
{
	t->fd = door_dial((const struct door *)t->arg, 0, t->number);
	return t->fd;
}

/* connect() that sleeps, from before the gap and from within it. */
TEST_F(group_grace, blocking_clients)
{
	struct task t[2] = { };
	int fds[2], b, i;

	for (i = 0; i < 2; i++)
		t[i] = (struct task){ .fn = dial_blocking, .arg = (void *)variant->door,
				      .number = self->port };
	dial_many(_metadata, variant->door, self->port, fds, 0, 2, 2);
	ASSERT_OK(task_start(&t[0]));
	ASSERT_OK(task_blocked(&t[0], SYS_connect));
	remote_kill(&self->r);
	ASSERT_OK(task_start(&t[1]));
	ASSERT_OK(task_blocked(&t[1], SYS_connect));
	EXPECT_TRUE(task_running(&t[0]));
	b = member_new(variant->door, self->port, 3);
	ASSERT_OK(b);
	for (i = 0; i < 2; i++) {
		ASSERT_OK(task_join(&t[i]));
		EXPECT_OK(t[i].ret);
	}
	take_many(_metadata, b, fds, 0, 2);
	EXPECT_EQ(sock_port(t[0].fd), took(b));
	EXPECT_EQ(sock_port(t[1].fd), took(b));
	close(t[0].fd);
	close(t[1].fd);
	close_many(fds, 2);
	close(b);
}

/* Clients send, half-close and go while nobody is there. */
TEST_F(group_grace, clients_go_on)
{
	int fds[2], b, child, port;
	char buf[16];

	dial_many(_metadata, variant->door, self->port, fds, 0, 2, 2);
	remote_kill(&self->r);
	ASSERT_EQ(3, send(fds[0], "abc", 3, 0));
	ASSERT_OK(shutdown(fds[0], SHUT_WR));
	port = sock_port(fds[1]);
	ASSERT_OK(close(fds[1]));
	b = member_new(variant->door, self->port, 1);
	child = take(b, NULL);
	ASSERT_OK(child);
	EXPECT_EQ(4, recv(child, buf, 4, MSG_WAITALL));
	EXPECT_EQ(3, recv(child, buf, 3, MSG_WAITALL));
	EXPECT_EQ(0, memcmp(buf, "abc", 3));
	EXPECT_EQ(0, recv(child, buf, 1, 0));
	EXPECT_EQ(2, send(child, "ok", 2, MSG_NOSIGNAL));
	close(child);
	EXPECT_EQ(2, recv(fds[0], buf, 2, MSG_WAITALL));
	EXPECT_EQ(port, took(b));
	EXPECT_EQ(-EAGAIN, took_now(b));
	close(fds[0]);
	close(b);
}

/* Who waits may give up in the gap, or find that it took too long. */
TEST_F(group_grace, waiting_clients_give_up)
{
	int fds[5], b;

	dial_many(_metadata, variant->door, self->port, fds, 0, 2, 2);
	remote_kill(&self->r);
	dial_many(_metadata, variant->door, self->port, fds, 2, 3, 2);
	ASSERT_OK(sysctl_write("net/newproto/connect_timeout", "100"));
	dial_many(_metadata, variant->door, self->port, fds, 3, 4, 2);
	EXPECT_EQ(ETIMEDOUT, client_failed(fds[3]));
	EXPECT_TRUE(client_waiting(fds[2]));
	ASSERT_OK(close(fds[2]));
	b = member_new(variant->door, self->port, 5);
	take_many(_metadata, b, fds, 0, 2);
	EXPECT_EQ(-EAGAIN, took_now(b));
	close(fds[3]);
	close_many(fds, 2);
	close(b);
}

/* One successor after the other, none of which accepts anything. */
TEST_F(group_grace, generations)
{
	int fds[12], i;

	dial_many(_metadata, variant->door, self->port, fds, 0, 2, 2);
	for (i = 2; i < 10; i++) {
		remote_kill(&self->r);
		self->r.backlog = i;
		ASSERT_OK(remote_start(&self->r));
		dial_many(_metadata, variant->door, self->port, fds, i, i + 1, i + 1);
	}
	remote_kill(&self->r);
	dial_many(_metadata, variant->door, self->port, fds, 10, 12, 10);
	i = member_new(variant->door, self->port, 20);
	ASSERT_OK(i);
	take_many(_metadata, i, fds, 0, 12);
	close_many(fds, 12);
	close(i);
}

/* shutdown() of the only one, and listen() of the same socket. */
TEST_F(group_grace, listens_again)
{
	int fds[3], a, i;

	remote_kill(&self->r);
	a = member_new(variant->door, self->port, 1);
	ASSERT_OK(a);
	for (i = 0; i < 3; i++) {
		dial_many(_metadata, variant->door, self->port, fds, 0, 1, 2);
		ASSERT_OK(shutdown(a, SHUT_RD));
		EXPECT_TRUE(group_wait_state(self->port, "grace"));
		dial_many(_metadata, variant->door, self->port, fds, 1, 3, 2);
		ASSERT_OK(listen(a, 1));
		EXPECT_EQ(POLLIN, poll_events(a, POLLIN, 0));
		take_many(_metadata, a, fds, 0, 3);
		EXPECT_EQ(-EAGAIN, took_now(a));
		close_many(fds, 3);
	}
	close(a);
}

static long accept_task(struct task *t)
{
	return took_now(t->fd);
}

/* A thread that calls accept() right after listen() has not to wait. */
TEST_F(group_grace, blocking_accept)
{
	struct task t = { .fn = accept_task };
	int fds[1], b;

	remote_kill(&self->r);
	b = member_new(variant->door, self->port, BOUND_ONLY);
	dial_many(_metadata, variant->door, self->port, fds, 0, 1, 1);
	ASSERT_OK(listen(b, 1));
	member_blocking(b);
	t.fd = b;
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(sock_port(fds[0]), t.ret);
	close(fds[0]);
	close(b);
}

/* Who listens first gets all; the second one gets its share of what comes later. */
TEST_F(group_grace, two_successors)
{
	int fds[4], b, c, i, got;

	dial_many(_metadata, variant->door, self->port, fds, 0, 2, 2);
	remote_kill(&self->r);
	b = member_new(variant->door, self->port, BOUND_ONLY);
	c = member_new(variant->door, self->port, BOUND_ONLY);
	ASSERT_OK(b);
	ASSERT_OK(c);
	dial_many(_metadata, variant->door, self->port, fds, 2, 3, 2);
	ASSERT_OK(listen(c, 4));
	ASSERT_OK(listen(b, 4));
	EXPECT_EQ(-EAGAIN, took_now(b));
	take_many(_metadata, c, fds, 0, 3);
	ASSERT_OK(listen(b, 64));
	ASSERT_OK(listen(c, 64));
	for (i = 0, got = 0; i < 40; i++)
		ASSERT_OK(close(door_dial(variant->door, 0, self->port)));
	while (took_now(b) > 0)
		got++;
	EXPECT_LT(0, got);
	while (took_now(c) > 0)
		got++;
	EXPECT_EQ(40, got);
	close_many(fds, 3);
	close(b);
	close(c);
}

/* As long as one is left there is no gap: what moves, moves. */
TEST_F(group_grace, not_the_last_member)
{
	int fds[3], b = member_new(variant->door, self->port, BOUND_ONLY);
	struct group_line g;

	dial_many(_metadata, variant->door, self->port, fds, 0, 2, 2);
	ASSERT_OK(listen(b, 0));
	remote_kill(&self->r);
	ASSERT_OK(group_line(self->port, &g));
	EXPECT_STREQ("live", g.state);
	take_many(_metadata, b, fds, 0, 1);
	/* now the last one goes, with one that pends and room for one */
	ASSERT_OK(close(b));
	EXPECT_TRUE(group_wait_state(self->port, "grace"));
	dial_many(_metadata, variant->door, self->port, fds, 2, 3, 1);
	b = member_new(variant->door, self->port, 1);
	take_many(_metadata, b, fds, 1, 3);
	close_many(fds, 3);
	close(b);
}

/* When the option may be set. */
static void check_set(struct __test_metadata *_metadata, const struct door *d, int when)
{
	int fd = member_socket(d), client, port = door_free_port(d), err = 0;

	ASSERT_OK(fd);
	if (when == 0)
		err = sock_set(fd, SOL_NEWPROTO, NEWPROTO_GRACE, LONG);
	ASSERT_OK(member_bind(fd, d, port));
	if (when == 1)
		err = sock_set(fd, SOL_NEWPROTO, NEWPROTO_GRACE, LONG);
	ASSERT_OK(listen(fd, 1));
	client = door_dial(d, 0, port);
	if (when == 2)
		err = sock_set(fd, SOL_NEWPROTO, NEWPROTO_GRACE, LONG);
	ASSERT_EQ(0, err);
	ASSERT_OK(close(fd));
	EXPECT_TRUE(client_connected(client)) TH_LOG("set at time %d", when);
	fd = member_new(d, port, 1);
	EXPECT_EQ(sock_port(client), took(fd));
	/* the successor has inherited it */
	EXPECT_EQ(LONG, sock_int(fd, SOL_NEWPROTO, NEWPROTO_GRACE));
	ASSERT_OK(sock_set(fd, SOL_NEWPROTO, NEWPROTO_GRACE, 0));
	close(client);
	/* and without it, it is over at once */
	client = door_dial(d, 0, port);
	ASSERT_OK(close(fd));
	EXPECT_EQ(ECONNRESET, client_failed(client));
	EXPECT_ERR(ECONNREFUSED, door_dial(d, 0, port));
	close(client);
}

TEST_F(group_grace, set_before_bind)
{
	check_set(_metadata, variant->door, 0);
}

TEST_F(group_grace, set_after_bind)
{
	check_set(_metadata, variant->door, 1);
}

TEST_F(group_grace, set_after_listen)
{
	check_set(_metadata, variant->door, 2);
}

/* It is the group's: a member that has never set it has it, too. */
TEST_F(group_grace, set_by_another_member)
{
	int b = member_new(variant->door, self->port, BOUND_ONLY), fds[1];

	dial_many(_metadata, variant->door, self->port, fds, 0, 1, 2);
	ASSERT_OK(sock_set(b, SOL_NEWPROTO, NEWPROTO_GRACE, 0));
	remote_kill(&self->r);
	EXPECT_EQ(ECONNRESET, client_failed(fds[0]));
	close(fds[0]);
	close(b);
}

/* The counters of the group go on; those that were lost are counted as what they are. */
TEST_F(group_grace, counters)
{
	struct group_line g;
	int fds[3], b;

	dial_many(_metadata, variant->door, self->port, fds, 0, 1, 2);
	remote_kill(&self->r);
	dial_many(_metadata, variant->door, self->port, fds, 1, 3, 2);
	b = member_new(variant->door, self->port, 1);
	take_many(_metadata, b, fds, 0, 3);
	ASSERT_OK(group_line(self->port, &g));
	EXPECT_EQ(3, g.accepted);
	EXPECT_EQ(0, g.reset + g.expired + g.rescued);
	EXPECT_EQ(LONG, g.grace);
	close_many(fds, 3);
	close(b);
}

TEST_HARNESS_MAIN
