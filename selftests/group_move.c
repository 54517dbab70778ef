// SPDX-License-Identifier: GPL-2.0-only
/*
 * What waits for accept() belongs to the group: when a member goes, in any way,
 * it moves to the others, with its bytes and in its order. TCP does some of it
 * when net.ipv4.tcp_migrate_req is set. group_ready has how the others notice.
 */
#include <kselftest_harness.h>

#include <sys/resource.h>
#include <sys/wait.h>

#include "grouplib.h"

FIXTURE(group_move) {
	struct remote r;	/* the member that goes */
	int b;			/* the member that stays: bound, not listening yet */
};

GROUP_FIXTURE(group_move);

FIXTURE_SETUP(group_move)
{
	GROUP_SETUP(variant->door);
	self->r = (struct remote){ .door = variant->door, .backlog = 64 };
	ASSERT_OK(remote_start(&self->r));
	self->b = member_new(variant->door, self->r.port, BOUND_ONLY);
	ASSERT_OK(self->b);
}

FIXTURE_TEARDOWN(group_move)
{
	remote_kill(&self->r);
	close(self->b);
}

/* Connected clients; each says its place. */
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

/* The next one that is accepted has to be that client, with its bytes. */
static int take_client(struct __test_metadata *_metadata, int lsn, const int *fds, int i)
{
	int port = -1, place = -1, child = take(lsn, &port);

	EXPECT_LE(0, child) TH_LOG("client %d: %s", i, strerror(errno));
	if (child < 0)
		return -1;
	EXPECT_EQ(sock_port(fds[i]), port) TH_LOG("client %d", i);
	EXPECT_EQ(sizeof(place), recv(child, &place, sizeof(place), MSG_WAITALL));
	EXPECT_EQ(i, place);
	return child;
}

/* The connection works in both directions. */
static void check_works(struct __test_metadata *_metadata, int client, int child)
{
	char buf[8];

	EXPECT_EQ(4, send(child, "pong", 4, MSG_NOSIGNAL));
	EXPECT_EQ(4, recv(client, buf, 4, MSG_WAITALL));
	EXPECT_EQ(2, send(client, "ok", 2, MSG_NOSIGNAL));
	EXPECT_EQ(2, recv(child, buf, 2, MSG_WAITALL));
}

static void close_many(const int *fds, int n)
{
	while (n--)
		close(fds[n]);
}

enum { CLIENTS = 5 };

static void check_leave(struct __test_metadata *_metadata, const struct door *d, struct remote *r,
			int b, enum leave how)
{
	int fds[CLIENTS + 1], child, i;

	dial_many(_metadata, d, r->port, fds, CLIENTS);
	ASSERT_OK(listen(b, 64));
	EXPECT_EQ(-EAGAIN, took_now(b));
	ASSERT_EQ(0, remote_leave(r, how)) TH_LOG("%s", leave_names[how]);
	/* the next client comes after those that have moved */
	fds[CLIENTS] = door_dial(d, 0, r->port);
	ASSERT_OK(fds[CLIENTS]);
	ASSERT_EQ(sizeof(i), send(fds[CLIENTS], &(int){ CLIENTS }, sizeof(i), 0));
	for (i = 0; i <= CLIENTS; i++) {
		child = take_client(_metadata, b, fds, i);
		ASSERT_OK(child);
		check_works(_metadata, fds[i], child);
		close(child);
	}
	EXPECT_EQ(-EAGAIN, took_now(b));
	close_many(fds, CLIENTS + 1);
}

#define TEST_LEAVE(how)							\
	TEST_F(group_move, how)						\
	{								\
		check_leave(_metadata, variant->door, &self->r, self->b, how); \
	}

TEST_LEAVE(LEAVE_CLOSE)
TEST_LEAVE(LEAVE_SHUT_RD)
TEST_LEAVE(LEAVE_SHUT_RDWR)
TEST_LEAVE(LEAVE_UNSPEC)
TEST_LEAVE(LEAVE_EXIT)
TEST_LEAVE(LEAVE_KILL)
TEST_LEAVE(LEAVE_EXEC)

/* A process that runs on but has not called accept() when it is killed or stopped. */
TEST_F(group_move, killed_while_stopped)
{
	int fds[CLIENTS], i;

	dial_many(_metadata, variant->door, self->r.port, fds, CLIENTS);
	ASSERT_OK(listen(self->b, 64));
	ASSERT_OK(remote_stop(&self->r));
	EXPECT_EQ(-EAGAIN, took_now(self->b));
	remote_kill(&self->r);
	for (i = 0; i < CLIENTS; i++)
		close(take_client(_metadata, self->b, fds, i));
	close_many(fds, CLIENTS);
}

/* SHUT_WR says nothing to a listener. */
TEST_F(group_move, shut_wr_moves_nothing)
{
	int fds[2];

	dial_many(_metadata, variant->door, self->r.port, fds, 2);
	ASSERT_OK(listen(self->b, 64));
	EXPECT_EQ(0, remote_do(&self->r, REMOTE_SHUTDOWN, SHUT_WR));
	EXPECT_EQ(-EAGAIN, took_now(self->b));
	EXPECT_EQ(sock_port(fds[0]), remote_do(&self->r, REMOTE_ACCEPT, 0));
	EXPECT_EQ(sock_port(fds[1]), remote_do(&self->r, REMOTE_ACCEPT, 0));
	close_many(fds, 2);
}

/* What it has accepted goes on, and it gets nothing new, until it listens again. */
TEST_F(group_move, drain)
{
	int a, fds[3], port, child, late, i;

	remote_kill(&self->r);
	ASSERT_OK(listen(self->b, 64));
	port = sock_port(self->b);
	if (over_tcp())
		SKIP(return, "TCP has the hash only");
	a = member_with(variant->door, port, 64, NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND);
	ASSERT_OK(a);
	dial_many(_metadata, variant->door, port, fds, 3);
	child = take_client(_metadata, a, fds, 0);
	ASSERT_OK(shutdown(a, SHUT_RD));
	check_works(_metadata, fds[0], child);
	EXPECT_EQ(0, sock_int(a, SOL_SOCKET, SO_ACCEPTCONN));
	EXPECT_EQ(port, sock_port(a));
	EXPECT_ERR(EINVAL, accept(a, NULL, NULL));
	late = door_dial(variant->door, 0, port);
	for (i = 1; i < 3; i++)
		close(take_client(_metadata, self->b, fds, i));
	EXPECT_EQ(sock_port(late), took(self->b));
	close(late);

	/* back again, in its old place: the last one bound */
	ASSERT_OK(listen(a, 64));
	EXPECT_EQ(NEWPROTO_POLICY_LAST_BOUND, sock_int(a, SOL_NEWPROTO, NEWPROTO_POLICY));
	late = door_dial(variant->door, 0, port);
	EXPECT_EQ(sock_port(late), took(a));
	check_works(_metadata, fds[0], child);
	close(late);
	close(child);
	close_many(fds, 3);
	close(a);
}

/* A port that bind() has chosen goes with shutdown(), as TCP's does, and so does the member. */
TEST_F(group_move, drain_of_a_chosen_port)
{
	int a = member_new(variant->door, 0, 8), port = sock_port(a);
	int b = member_new(variant->door, port, BOUND_ONLY), fd;

	ASSERT_OK(a);
	ASSERT_OK(b);
	fd = door_dial(variant->door, 0, port);
	ASSERT_OK(fd);
	ASSERT_OK(listen(b, 8));
	ASSERT_OK(shutdown(a, SHUT_RD));
	EXPECT_EQ(0, over_tcp() ? 0 : sock_port(a));	/* TCP forgets to clear it */
	EXPECT_EQ(sock_port(fd), took(b));
	ASSERT_OK(listen(a, 8));
	EXPECT_LT(0, sock_port(a));
	EXPECT_NE(port, sock_port(a));
	close(fd);
	close(a);
	close(b);
}

/* One after the other, each as often as it likes. */
TEST_F(group_move, to_and_fro)
{
	int fds[4], round, i, a, port = self->r.port;

	remote_kill(&self->r);
	a = member_new(variant->door, port, 64);
	ASSERT_OK(a);
	dial_many(_metadata, variant->door, port, fds, 4);
	for (round = 0; round < 3; round++) {
		ASSERT_OK(listen(self->b, 64));
		ASSERT_OK(shutdown(a, SHUT_RD));
		ASSERT_OK(listen(a, 64));
		ASSERT_OK(shutdown(self->b, SHUT_RD));
	}
	for (i = 0; i < 4; i++)
		close(take_client(_metadata, a, fds, i));
	close_many(fds, 4);
	close(a);
}

/* More than are moved in one go. */
TEST_F_TIMEOUT(group_move, many, 120)
{
	enum { MANY = 300 };
	struct rlimit limit = { .rlim_cur = 2 * MANY, .rlim_max = 4096 };
	int fds[MANY], i;

	ASSERT_OK(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_OK(remote_do(&self->r, REMOTE_LISTEN, MANY));
	dial_many(_metadata, variant->door, self->r.port, fds, MANY);
	ASSERT_OK(listen(self->b, 1));
	remote_kill(&self->r);
	for (i = 0; i < MANY; i++)
		ASSERT_OK(close(take_client(_metadata, self->b, fds, i)));
	close_many(fds, MANY);
}

/* As many bytes as fit. */
TEST_F(group_move, full_buffers)
{
	int fd = door_dial(variant->door, 0, self->r.port);
	int child, n = 0, i;
	long sent = 0;

	ASSERT_OK(fd);
	if (variant->door->type) {
		n = seq_fill(fd, 1000);
		ASSERT_LT(1, n);
	} else {
		sent = fill_socket(fd, 0);
		ASSERT_LT(0, sent);
	}
	ASSERT_OK(listen(self->b, 64));
	remote_kill(&self->r);
	child = take(self->b, NULL);
	ASSERT_OK(child);
	EXPECT_EQ(sent, drain_socket(child, 0, sent));
	for (i = 0; i < n; i++)
		ASSERT_EQ(1000, seq_take(child, i * 1000L, 1000)) TH_LOG("record %d", i);
	check_works(_metadata, fd, child);
	close(child);
	close(fd);
}

/* Records stay records. */
TEST_F(group_move, records)
{
	static const int sizes[] = { 1, 700, 0, 33, 5000 };
	int fd, child, i, pos = 0;

	if (!variant->door->type)
		SKIP(return, "a stream has no records");
	fd = door_dial(variant->door, 0, self->r.port);
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		ASSERT_EQ(sizes[i], seq_send(fd, pos += 100, sizes[i], 0));
	ASSERT_OK(listen(self->b, 64));
	remote_kill(&self->r);
	child = take(self->b, NULL);
	ASSERT_OK(child);
	pos = 0;
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		EXPECT_EQ(sizes[i], seq_take(child, pos += 100, sizes[i]));
	close(child);
	close(fd);
}

/* More than the others' backlogs say: nobody is lost, and nobody new gets in. */
TEST_F(group_move, full_target)
{
	int fds[CLIENTS], waiting, i;

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	dial_many(_metadata, variant->door, self->r.port, fds, CLIENTS);
	ASSERT_OK(listen(self->b, 1));
	ASSERT_OK(remote_leave(&self->r, LEAVE_CLOSE));
	waiting = door_dial(variant->door, SOCK_NONBLOCK, self->r.port);
	ASSERT_OK(waiting);
	for (i = 0; i < CLIENTS; i++) {
		/* 5 pending, 4, 3, 2: no room for a sixth before there is one only */
		EXPECT_TRUE(i == CLIENTS - 1 || client_waiting(waiting)) TH_LOG("%d", i);
		close(take_client(_metadata, self->b, fds, i));
	}
	EXPECT_TRUE(client_admitted(waiting));
	EXPECT_EQ(sock_port(waiting), took(self->b));
	close(waiting);
	close_many(fds, CLIENTS);
}

/* Two that stay: each of those that waited is with one of them, in its order. */
TEST_F(group_move, two_targets)
{
	enum { N = 20 };
	int fds[N], targets[2], last[2] = { -1, -1 }, got = 0, i;

	dial_many(_metadata, variant->door, self->r.port, fds, N);
	targets[0] = self->b;
	targets[1] = member_new(variant->door, self->r.port, BOUND_ONLY);
	ASSERT_OK(targets[1]);
	ASSERT_OK(listen(targets[0], 64));
	ASSERT_OK(listen(targets[1], 64));
	remote_kill(&self->r);
	for (i = 0; i < 2; i++) {
		int place, child;

		while ((child = take_now(targets[i], NULL)) >= 0) {
			EXPECT_EQ(sizeof(place), recv(child, &place, sizeof(place), 0));
			EXPECT_LT(last[i], place);
			last[i] = place;
			got++;
			close(child);
		}
	}
	EXPECT_EQ(N, got);
	close(targets[1]);
	close_many(fds, N);
}

/* One that has only bound, or does not listen any more, is nobody to move to. */
TEST_F(group_move, bound_is_no_target)
{
	int fd = door_dial(variant->door, 0, self->r.port);

	ASSERT_OK(fd);
	remote_kill(&self->r);
	EXPECT_EQ(ECONNRESET, client_failed(fd));
	EXPECT_ERR(ECONNREFUSED, door_dial(variant->door, 0, self->r.port));
	ASSERT_OK(listen(self->b, 1));
	EXPECT_EQ(-EAGAIN, took_now(self->b));
	close(fd);
}

/* Who waits for a place waits for the group's, not for the member's that goes. */
TEST_F(group_move, waiting_clients_stay)
{
	int fds[2], waiting[2], i;

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	ASSERT_OK(remote_do(&self->r, REMOTE_LISTEN, 1));
	dial_many(_metadata, variant->door, self->r.port, fds, 2);
	for (i = 0; i < 2; i++)
		waiting[i] = door_dial(variant->door, SOCK_NONBLOCK, self->r.port);
	/* the newcomer takes one of them, and then what moves */
	ASSERT_OK(listen(self->b, 0));
	EXPECT_TRUE(client_admitted(waiting[0]));
	remote_kill(&self->r);
	EXPECT_TRUE(client_waiting(waiting[1]));
	EXPECT_EQ(sock_port(waiting[0]), took(self->b));
	EXPECT_EQ(sock_port(fds[0]), took(self->b));
	EXPECT_TRUE(client_waiting(waiting[1]));
	EXPECT_EQ(sock_port(fds[1]), took(self->b));
	EXPECT_TRUE(client_admitted(waiting[1]));
	EXPECT_EQ(sock_port(waiting[1]), took(self->b));
	close_many(fds, 2);
	close_many(waiting, 2);
}

/* The last one goes, there is no grace. */
static void check_last(struct __test_metadata *_metadata, const struct door *d, struct remote *r,
		       enum leave how)
{
	int fds[2], waiting = -1;

	ASSERT_OK(remote_do(r, REMOTE_LISTEN, 1));
	dial_many(_metadata, d, r->port, fds, 2);
	if (!over_tcp()) {
		waiting = door_dial(d, SOCK_NONBLOCK, r->port);
		EXPECT_TRUE(client_waiting(waiting));
	}
	ASSERT_EQ(0, remote_leave(r, how)) TH_LOG("%s", leave_names[how]);
	EXPECT_EQ(ECONNRESET, client_failed(fds[0]));
	EXPECT_EQ(ECONNRESET, client_failed(fds[1]));
	if (!over_tcp())
		EXPECT_EQ(ECONNREFUSED, client_failed(waiting));
	EXPECT_ERR(ECONNREFUSED, door_dial(d, 0, r->port));
	close_many(fds, 2);
	close(waiting);
}

TEST_F(group_move, last_member)
{
	enum leave how;

	close(self->b);
	self->b = -1;
	for (how = 0; how < LEAVE_WAYS; how++) {
		check_last(_metadata, variant->door, &self->r, how);
		remote_kill(&self->r);
		self->r.port = 0;
		ASSERT_OK(remote_start(&self->r));
	}
}

/* A copy of the descriptor in another process is the same member. */
TEST_F(group_move, inherited_listener)
{
	int port = self->r.port, fds[4], a, i, status, go[2];
	pid_t pid;

	remote_kill(&self->r);
	a = member_new(variant->door, port, 64);
	ASSERT_OK(a);
	ASSERT_OK(pipe(go));
	pid = fork();
	ASSERT_OK(pid);
	if (!pid) {
		char c;

		/* takes one when told to, and leaves the rest to its end */
		close(self->b);
		if (read(go[0], &c, 1) != 1)
			_exit(1);
		_exit(took(a) > 0 ? 0 : 2);
	}
	close(go[0]);
	dial_many(_metadata, variant->door, port, fds, 4);
	ASSERT_OK(listen(self->b, 64));
	ASSERT_OK(close(a));
	/* nothing has moved: the child has it still */
	EXPECT_EQ(-EAGAIN, took_now(self->b));
	ASSERT_EQ(1, write(go[1], "x", 1));
	ASSERT_OK(wait_child(pid, &status));
	EXPECT_EQ(0, status);
	close(go[1]);
	for (i = 1; i < 4; i++)
		close(take_client(_metadata, self->b, fds, i));
	EXPECT_EQ(-EAGAIN, took_now(self->b));
	close_many(fds, 4);
}

/* shutdown() is of the description, whoever has copies. */
TEST_F(group_move, inherited_listener_is_shut_down)
{
	int port = self->r.port, fds[2], a, i, status;
	pid_t pid;

	remote_kill(&self->r);
	a = member_new(variant->door, port, 64);
	ASSERT_OK(a);
	dial_many(_metadata, variant->door, port, fds, 2);
	ASSERT_OK(listen(self->b, 64));
	pid = fork();
	ASSERT_OK(pid);
	if (!pid)
		_exit(shutdown(a, SHUT_RD));
	ASSERT_OK(wait_child(pid, &status));
	EXPECT_EQ(0, status);
	for (i = 0; i < 2; i++)
		close(take_client(_metadata, self->b, fds, i));
	EXPECT_ERR(EINVAL, accept(a, NULL, NULL));
	close_many(fds, 2);
	close(a);
}

/* Clients that did not wait for the server: what they have left moves. */
TEST_F(group_move, half_closed_and_gone)
{
	int fds[4], port[4], child, i;
	char c, buf[2];

	dial_many(_metadata, variant->door, self->r.port, fds, 4);
	for (i = 0; i < 4; i++)
		port[i] = sock_port(fds[i]);
	ASSERT_OK(shutdown(fds[0], SHUT_WR));
	ASSERT_OK(close(fds[1]));
	client_abort(fds[2]);
	ASSERT_OK(listen(self->b, 64));
	remote_kill(&self->r);

	child = take_client(_metadata, self->b, fds, 0);
	EXPECT_EQ(0, recv(child, &c, 1, 0));
	EXPECT_EQ(2, send(child, "to", 2, MSG_NOSIGNAL));
	EXPECT_EQ(2, recv(fds[0], buf, 2, MSG_WAITALL));
	close(child);

	child = take(self->b, &i);
	ASSERT_OK(child);
	EXPECT_EQ(port[1], i);
	EXPECT_EQ(sizeof(i), recv(child, &i, sizeof(i), MSG_WAITALL));
	EXPECT_EQ(1, i);
	EXPECT_EQ(0, recv(child, &c, 1, 0));
	close(child);

	child = take(self->b, &i);
	ASSERT_OK(child);
	if (i == port[2]) {	/* TCP may have forgotten it */
		/* Not for the bytes, which may be there sooner. */
		EXPECT_TRUE(poll_events(child, 0, WAIT_MS) & POLLERR);
		EXPECT_EQ(ECONNRESET, sock_error(child));
		close(child);
		child = take(self->b, &i);
	} else {
		EXPECT_TRUE(over_tcp()) TH_LOG("the client that was reset is missing");
	}
	EXPECT_EQ(port[3], i);
	close(child);
	EXPECT_EQ(-EAGAIN, took_now(self->b));
	close(fds[0]);
	close(fds[3]);
}

/* They may half-close and go after they have moved, too. */
TEST_F(group_move, client_closes_after_the_move)
{
	int fds[2], child, i;
	char c;

	dial_many(_metadata, variant->door, self->r.port, fds, 2);
	ASSERT_OK(listen(self->b, 64));
	remote_kill(&self->r);
	ASSERT_EQ(1, send(fds[0], "+", 1, 0));
	ASSERT_OK(shutdown(fds[0], SHUT_WR));
	child = take_client(_metadata, self->b, fds, 0);
	EXPECT_EQ(1, recv(child, &c, 1, 0));
	EXPECT_EQ('+', c);
	EXPECT_EQ(0, recv(child, &c, 1, 0));
	close(child);
	ASSERT_OK(close(fds[1]));
	child = take(self->b, NULL);
	ASSERT_OK(child);
	EXPECT_EQ(sizeof(i), recv(child, &i, sizeof(i), MSG_WAITALL));
	EXPECT_EQ(0, recv(child, &c, 1, 0));
	close(child);
	close(fds[0]);
}

/* A client that gave up while it waited for a place is not moved either. */
TEST_F(group_move, client_that_gave_up)
{
	int fds[2], waiting;

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	ASSERT_OK(remote_do(&self->r, REMOTE_LISTEN, 1));
	dial_many(_metadata, variant->door, self->r.port, fds, 2);
	waiting = door_dial(variant->door, SOCK_NONBLOCK, self->r.port);
	EXPECT_TRUE(client_waiting(waiting));
	close(waiting);
	nic_settle();
	ASSERT_OK(listen(self->b, 4));
	remote_kill(&self->r);
	close(take_client(_metadata, self->b, fds, 0));
	close(take_client(_metadata, self->b, fds, 1));
	EXPECT_EQ(-EAGAIN, took_now(self->b));
	close_many(fds, 2);
}

/* The server sees who has connected, wherever that has waited. */
TEST_F(group_move, peer_credentials)
{
	struct ucred cred = { };
	socklen_t len = sizeof(cred);
	int child, status, hold[2];
	pid_t pid;

	if (over_tcp())
		SKIP(return, "TCP has no SO_PEERCRED");
	SKIP_OVER_NIC("another kernel's programs have no credentials here");
	ASSERT_OK(pipe(hold));
	pid = fork();
	ASSERT_OK(pid);
	if (!pid) {
		int fd, bad;

		bad = seteuid(1234);
		fd = door_dial(variant->door, 0, self->r.port);
		bad |= fd < 0 || send(fd, "x", 1, 0) != 1;
		bad |= getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
		bad |= cred.pid != self->r.pid || cred.uid != 0;
		bad |= write(hold[1], "x", 1) != 1;
		bad |= recv(fd, &status, 1, 0) != 0;
		_exit(bad ? 1 : 0);
	}
	ASSERT_EQ(1, read(hold[0], &status, 1));
	ASSERT_OK(listen(self->b, 4));
	remote_kill(&self->r);
	child = take(self->b, NULL);
	ASSERT_OK(child);
	ASSERT_OK(getsockopt(child, SOL_SOCKET, SO_PEERCRED, &cred, &len));
	EXPECT_EQ(pid, cred.pid);
	EXPECT_EQ(1234, cred.uid);
	EXPECT_EQ(1, recv(child, &status, 1, 0));
	close(child);
	ASSERT_OK(wait_child(pid, &status));
	EXPECT_EQ(0, status);
}

/* What is accepted has the options of who accepts it. */
TEST_F(group_move, options_are_the_target_s)
{
	int fd = door_dial(variant->door, 0, self->r.port), child;

	ASSERT_OK(fd);
	ASSERT_OK(sock_set(self->b, SOL_SOCKET, SO_KEEPALIVE, 1));
	ASSERT_OK(sock_timeout(self->b, SO_RCVTIMEO, 1234));
	ASSERT_OK(listen(self->b, 4));
	remote_kill(&self->r);
	child = take(self->b, NULL);
	ASSERT_OK(child);
	/* TCP has made the socket already */
	EXPECT_EQ(!over_tcp(), sock_int(child, SOL_SOCKET, SO_KEEPALIVE));
	close(child);
	close(fd);
}

/* What was chosen, accepted and moved. */
TEST_F(group_move, counters)
{
	int fds[CLIENTS], i;
	struct group_line g, m;

	if (over_tcp())
		SKIP(return, "TCP has no such counters");
	dial_many(_metadata, variant->door, self->r.port, fds, CLIENTS);
	ASSERT_OK(listen(self->b, 64));
	EXPECT_EQ(sock_port(fds[0]), remote_do(&self->r, REMOTE_ACCEPT, 0));
	/* drains, so that its line stays */
	ASSERT_OK(remote_leave(&self->r, LEAVE_SHUT_RD));
	ASSERT_OK(member_line(self->r.inode, &m));
	EXPECT_STREQ("idle", m.state);
	EXPECT_EQ(0, m.pending);
	EXPECT_EQ(CLIENTS, m.chosen);
	EXPECT_EQ(1, m.accepted);
	EXPECT_EQ(CLIENTS - 1, m.moved_out);
	EXPECT_EQ(0, m.moved_in);
	ASSERT_OK(member_line(member_inode(self->b), &m));
	EXPECT_EQ(CLIENTS - 1, m.pending);
	EXPECT_EQ(0, m.chosen);
	EXPECT_EQ(0, m.moved_out);
	EXPECT_EQ(CLIENTS - 1, m.moved_in);
	for (i = 1; i < CLIENTS; i++)
		close(take_client(_metadata, self->b, fds, i));
	ASSERT_OK(member_line(member_inode(self->b), &m));
	EXPECT_EQ(CLIENTS - 1, m.accepted);
	/* the group's outlive the member */
	remote_kill(&self->r);
	EXPECT_ERR(ENOENT, member_line(self->r.inode, &m));
	ASSERT_OK(group_line(self->r.port, &g));
	EXPECT_EQ(CLIENTS, g.chosen);
	EXPECT_EQ(CLIENTS, g.accepted);
	EXPECT_EQ(CLIENTS - 1, g.moved_in);
	EXPECT_EQ(CLIENTS - 1, g.moved_out);
	EXPECT_EQ(0, g.reset + g.expired + g.rescued);
	close_many(fds, CLIENTS);
}

/* Those that are reset are counted where a member is left to show it. */
TEST_F(group_move, reset_is_counted)
{
	int fd = door_dial(variant->door, 0, self->r.port);
	struct group_line g;

	if (over_tcp())
		SKIP(return, "TCP has no such counters");
	remote_kill(&self->r);
	EXPECT_EQ(ECONNRESET, client_failed(fd));
	ASSERT_OK(group_line(self->r.port, &g));
	EXPECT_EQ(1, g.reset);
	EXPECT_EQ(0, g.pending);
	EXPECT_STREQ("idle", g.state);
	close(fd);
}

/* The wildcard's group is another one: nothing moves there. */
TEST_F(group_move, other_group_is_no_target)
{
	int wild = member_socket(variant->door), fd, late;
	union addr a;
	socklen_t len = door_any(variant->door, &a, self->r.port);

	ASSERT_OK(bind(wild, &a.sa, len));
	ASSERT_OK(listen(wild, 4));
	fd = door_dial(variant->door, 0, self->r.port);
	ASSERT_OK(fd);
	remote_kill(&self->r);
	EXPECT_EQ(ECONNRESET, client_failed(fd));
	late = door_dial(variant->door, 0, self->r.port);
	EXPECT_OK(late);
	EXPECT_EQ(sock_port(late), took(wild));
	EXPECT_EQ(-EAGAIN, took_now(wild));
	close(late);
	close(fd);
	close(wild);
}

TEST_HARNESS_MAIN
