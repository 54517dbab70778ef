// SPDX-License-Identifier: GPL-2.0-only
/*
 * Full backlogs: how many get in, who waits, in which order, and how the wait
 * ends. TCP shares the number; its clients try again by timers, so that the
 * waiting itself is tested for newproto only.
 */
#include <kselftest_harness.h>

#include <sys/wait.h>

#include "common.h"

FIXTURE(backlog) {
	int lsn;
	int port;
};

DOOR_FIXTURE(backlog);

FIXTURE_SETUP(backlog)
{
	self->lsn = door_listener(variant->door, 0);
	ASSERT_OK(self->lsn);
	self->port = sock_port(self->lsn);
}

FIXTURE_TEARDOWN(backlog)
{
	close(self->lsn);
}

/* A nonblocking client: true once it is connected. */
static bool is_connected(int fd)
{
	return poll_events(fd, POLLOUT, 0) == POLLOUT && !sock_error(fd);
}

static bool is_waiting(int fd)
{
	return poll_events(fd, POLLOUT, 0) == 0;
}

/* How many clients get in before one has to wait. */
static int count_admitted(const struct door *d, int port, int most)
{
	int fds[64], n, i;

	for (n = 0; n < most; n++) {
		fds[n] = door_dial(d, SOCK_NONBLOCK, port);
		if (fds[n] < 0)
			break;
		/* TCP's handshake is over when the call comes back, but for the last step */
		if (!(poll_events(fds[n], POLLOUT, over_tcp() ? 100 : 0) & POLLOUT)) {
			close(fds[n]);
			break;
		}
	}
	for (i = 0; i < n; i++)
		close(fds[i]);
	return n;
}

TEST_F(backlog, n_admits_one_more)
{
	static const int sizes[] = { 0, 1, 2, 5, 16 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		int lsn = door_listener(variant->door, sizes[i]);

		ASSERT_OK(lsn);
		EXPECT_EQ(sizes[i] + 1, count_admitted(variant->door, sock_port(lsn), 64))
			TH_LOG("backlog %d", sizes[i]);
		close(lsn);
	}
}

/* net.core.somaxconn is the limit of all backlogs. */
TEST_F(backlog, somaxconn)
{
	int lsn;

	ASSERT_OK(netns_new());
	ASSERT_OK(sysctl_write("net/core/somaxconn", "3"));
	lsn = door_listener(variant->door, 1000);
	ASSERT_OK(lsn);
	EXPECT_EQ(4, count_admitted(variant->door, sock_port(lsn), 64));
	close(lsn);
	lsn = door_listener(variant->door, -1);
	ASSERT_OK(lsn);
	EXPECT_EQ(4, count_admitted(variant->door, sock_port(lsn), 64));
	close(lsn);
}

TEST_F(backlog, first_come_first_served)
{
	int fds[6], i, j;

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	for (i = 0; i < 6; i++) {
		fds[i] = door_dial(variant->door, SOCK_NONBLOCK, self->port);
		ASSERT_OK(fds[i]);
		EXPECT_EQ(i == 0, is_connected(fds[i]));
	}
	for (i = 0; i < 6; i++) {
		union addr a;
		socklen_t len = sizeof(a);
		int child = accept(self->lsn, &a.sa, &len);

		ASSERT_OK(child);
		EXPECT_EQ(sock_port(fds[i]), addr_port(&a));
		/* the next one moved up, those behind it did not */
		for (j = i + 2; j < 6; j++)
			EXPECT_TRUE(is_waiting(fds[j]));
		EXPECT_EQ(POLLOUT, poll_events(fds[i < 5 ? i + 1 : i], POLLOUT, WAIT_MS));
		close(child);
	}
	for (i = 0; i < 6; i++)
		close(fds[i]);
}

struct dialler {
	struct task task;
	const struct door *door;
	int port;
	int timeout_ms;
	int sock;
};

static long dial(struct task *t)
{
	struct dialler *d = t->arg;
	union addr a;
	socklen_t len = door_loop(d->door, &a, d->port);

	d->sock = door_socket(d->door, 0);
	if (d->timeout_ms)
		sock_timeout(d->sock, SO_SNDTIMEO, d->timeout_ms);
	return connect(d->sock, &a.sa, len);
}

static void dialler_start(struct __test_metadata *_metadata, struct dialler *d,
			  const struct door *door, int port)
{
	*d = (struct dialler){ .door = door, .port = port, .timeout_ms = d->timeout_ms };
	d->task = (struct task){ .fn = dial, .arg = d };
	ASSERT_OK(task_start(&d->task));
	ASSERT_OK(task_blocked(&d->task, SYS_connect));
}

/* Blocking clients queue up in the same way. */
TEST_F(backlog, blocking_clients_wait_in_order)
{
	struct dialler d[4] = { };
	int first = door_dial(variant->door, 0, self->port);
	int i;

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	ASSERT_OK(first);
	for (i = 0; i < 4; i++)
		dialler_start(_metadata, &d[i], variant->door, self->port);
	for (i = 0; i < 4; i++) {
		ASSERT_OK(accept(self->lsn, NULL, NULL));
		ASSERT_OK(task_join(&d[i].task));
		EXPECT_EQ(0, d[i].task.ret);
		EXPECT_EQ(i < 3, task_running(&d[3].task));
	}
}

TEST_F(backlog, sndtimeo_ends_the_wait)
{
	struct dialler d = { .timeout_ms = 150 };
	int first = door_dial(variant->door, 0, self->port);
	int64_t start = now_ms();

	ASSERT_OK(first);
	dialler_start(_metadata, &d, variant->door, self->port);
	ASSERT_OK(task_join(&d.task));
	EXPECT_EQ(-1, d.task.ret);
	EXPECT_EQ(EINPROGRESS, d.task.err);
	EXPECT_LE(150 - TICK_SLACK_MS, now_ms() - start);

	/* the attempt goes on; the next call asks for its result */
	if (over_tcp())
		return;
	EXPECT_TRUE(is_waiting(d.sock));
	ASSERT_OK(accept(self->lsn, NULL, NULL));
	EXPECT_EQ(POLLOUT, poll_events(d.sock, POLLOUT, WAIT_MS));
	EXPECT_EQ(0, sock_error(d.sock));
	EXPECT_EQ(1, send(d.sock, "x", 1, 0));
}

TEST_F(backlog, connect_timeout)
{
	struct dialler d = { };
	union addr a;
	socklen_t len;
	int lsn, fill, fd;
	int64_t start;

	if (over_tcp())
		SKIP(return, "TCP's timeout is another sysctl");
	ASSERT_OK(netns_new());
	ASSERT_OK(sysctl_write("net/newproto/connect_timeout", "200"));
	lsn = door_listener(variant->door, 0);
	fill = door_dial(variant->door, 0, sock_port(lsn));
	ASSERT_OK(fill);
	len = door_loop(variant->door, &a, sock_port(lsn));

	start = now_ms();
	dialler_start(_metadata, &d, variant->door, sock_port(lsn));
	ASSERT_OK(task_join(&d.task));
	EXPECT_EQ(-1, d.task.ret);
	EXPECT_EQ(ETIMEDOUT, d.task.err);
	EXPECT_LE(200 - TICK_SLACK_MS, now_ms() - start);

	/* nonblocking: the same by poll() and SO_ERROR */
	start = now_ms();
	fd = door_dial(variant->door, SOCK_NONBLOCK, sock_port(lsn));
	ASSERT_OK(fd);
	EXPECT_TRUE(is_waiting(fd));
	EXPECT_EQ(POLLOUT | POLLERR | POLLHUP, poll_events(fd, POLLOUT, WAIT_MS));
	EXPECT_LE(200 - TICK_SLACK_MS, now_ms() - start);
	EXPECT_EQ(ETIMEDOUT, sock_error(fd));

	/* the place of those that gave up is nobody's; a busy machine takes its time now */
	ASSERT_OK(sysctl_write("net/newproto/connect_timeout", "20000"));
	ASSERT_OK(accept(lsn, NULL, NULL));
	connect(fd, &a.sa, len);
	EXPECT_OK(connect(d.sock, &a.sa, len));
	close(fd);
	close(fill);
	close(lsn);
}

TEST_F(backlog, connect_timeout_limits)
{
	char text[32];

	if (over_tcp())
		SKIP(return, "TCP's timeout is another sysctl");
	ASSERT_OK(netns_new());
	ASSERT_LT(0, file_read("/proc/sys/net/newproto/connect_timeout", text, sizeof(text)));
	EXPECT_STREQ("127000\n", text);
	EXPECT_EQ(-1, sysctl_write("net/newproto/connect_timeout", "-1"));
	EXPECT_EQ(-1, sysctl_write("net/newproto/connect_timeout", "soon"));
	EXPECT_EQ(-1, sysctl_write("net/newproto/connect_timeout", "99999999999"));
	EXPECT_OK(sysctl_write("net/newproto/connect_timeout", "1000"));
}

/* Those that wait are refused, those that were in are reset. */
TEST_F(backlog, listener_closes)
{
	struct dialler d = { };
	int in = door_dial(variant->door, 0, self->port);
	int waiting = door_dial(variant->door, SOCK_NONBLOCK, self->port);
	char c;

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	ASSERT_OK(in);
	ASSERT_OK(waiting);
	dialler_start(_metadata, &d, variant->door, self->port);
	ASSERT_OK(close(self->lsn));
	self->lsn = -1;
	ASSERT_OK(task_join(&d.task));
	EXPECT_EQ(ECONNREFUSED, d.task.err);
	EXPECT_EQ(POLLOUT | POLLERR | POLLHUP, poll_events(waiting, POLLOUT, WAIT_MS));
	EXPECT_EQ(ECONNREFUSED, sock_error(waiting));
	EXPECT_ERR(ECONNRESET, recv(in, &c, 1, 0));
	close(in);
	close(waiting);
}

/* A second listen() with a larger backlog lets more in, in order. */
TEST_F(backlog, raised)
{
	int fds[4], i;

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	for (i = 0; i < 4; i++) {
		fds[i] = door_dial(variant->door, SOCK_NONBLOCK, self->port);
		ASSERT_OK(fds[i]);
	}
	EXPECT_TRUE(is_waiting(fds[1]));
	ASSERT_OK(listen(self->lsn, 2));
	EXPECT_EQ(POLLOUT, poll_events(fds[1], POLLOUT, WAIT_MS));
	EXPECT_EQ(POLLOUT, poll_events(fds[2], POLLOUT, WAIT_MS));
	EXPECT_TRUE(is_waiting(fds[3]));
	/* a smaller one throws nobody out */
	ASSERT_OK(listen(self->lsn, 0));
	EXPECT_TRUE(is_connected(fds[2]));
	for (i = 0; i < 4; i++)
		close(fds[i]);
}

/* Who goes away while waiting leaves no hole behind. */
TEST_F(backlog, waiting_client_closes)
{
	int first = door_dial(variant->door, 0, self->port);
	int a = door_dial(variant->door, SOCK_NONBLOCK, self->port);
	int b = door_dial(variant->door, SOCK_NONBLOCK, self->port);
	int port = sock_port(b);
	union addr peer;
	socklen_t len = sizeof(peer);

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	ASSERT_OK(close(a));
	nic_settle();
	ASSERT_OK(accept(self->lsn, NULL, NULL));
	EXPECT_EQ(POLLOUT, poll_events(b, POLLOUT, WAIT_MS));
	ASSERT_OK(accept(self->lsn, &peer.sa, &len));
	EXPECT_EQ(port, addr_port(&peer));
	ASSERT_OK(sock_nonblock(self->lsn));
	EXPECT_ERR(EAGAIN, accept(self->lsn, NULL, NULL));
	close(first);
	close(b);
}

TEST_F(backlog, waiting_client_dissolves)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	int first = door_dial(variant->door, 0, self->port);
	int a = door_dial(variant->door, SOCK_NONBLOCK, self->port);

	ASSERT_OK(connect(a, &unspec, sizeof(unspec)));
	EXPECT_EQ(POLLOUT | POLLHUP | POLLERR, poll_events(a, POLLOUT, 0));
	EXPECT_EQ(ECONNRESET, sock_error(a));
	nic_settle();
	ASSERT_OK(accept(self->lsn, NULL, NULL));
	ASSERT_OK(sock_nonblock(self->lsn));
	EXPECT_ERR(EAGAIN, accept(self->lsn, NULL, NULL));
	close(first);
	close(a);
}

TEST_F(backlog, waiting_client_shuts_down)
{
	int first = door_dial(variant->door, 0, self->port);
	int a = door_dial(variant->door, SOCK_NONBLOCK, self->port);

	ASSERT_OK(shutdown(a, SHUT_RDWR));
	EXPECT_TRUE(poll_events(a, POLLOUT, WAIT_MS) & POLLHUP);
	nic_settle();
	ASSERT_OK(accept(self->lsn, NULL, NULL));
	ASSERT_OK(sock_nonblock(self->lsn));
	EXPECT_ERR(EAGAIN, accept(self->lsn, NULL, NULL));
	close(first);
	close(a);
}

static void on_signal(int sig)
{
}

TEST_F(backlog, waiting_client_gets_a_signal)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct dialler d = { };
	int first = door_dial(variant->door, 0, self->port);

	sigaction(SIGUSR1, &sa, NULL);
	ASSERT_OK(first);
	dialler_start(_metadata, &d, variant->door, self->port);
	ASSERT_EQ(0, pthread_kill(d.task.thread, SIGUSR1));
	ASSERT_OK(task_join(&d.task));
	EXPECT_EQ(-1, d.task.ret);
	EXPECT_EQ(EINTR, d.task.err);
	if (over_tcp())
		return;
	/* connect(2): the attempt goes on, poll() tells of its end */
	ASSERT_OK(accept(self->lsn, NULL, NULL));
	EXPECT_EQ(POLLOUT, poll_events(d.sock, POLLOUT, WAIT_MS));
	EXPECT_EQ(0, sock_error(d.sock));
	close(first);
}

TEST_F(backlog, waiting_client_is_killed)
{
	int first = door_dial(variant->door, 0, self->port);
	int status;
	pid_t pid;

	ASSERT_OK(first);
	pid = fork();
	ASSERT_OK(pid);
	if (!pid) {
		door_dial(variant->door, 0, self->port);
		_exit(0);
	}
	ASSERT_OK(wait_blocked(pid, pid, SYS_connect));
	ASSERT_OK(kill(pid, SIGKILL));
	ASSERT_OK(wait_child(pid, &status));
	EXPECT_TRUE(WIFSIGNALED(status));
	nic_settle();
	ASSERT_OK(accept(self->lsn, NULL, NULL));
	ASSERT_OK(sock_nonblock(self->lsn));
	EXPECT_ERR(EAGAIN, accept(self->lsn, NULL, NULL));
	close(first);
}

/* A pending client that leaves makes room when it is accepted, as in TCP. */
TEST_F(backlog, pending_client_leaves)
{
	int first = door_dial(variant->door, 0, self->port);
	int second = door_dial(variant->door, SOCK_NONBLOCK, self->port);
	char c;
	int fd;

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	ASSERT_OK(close(first));
	fd = accept(self->lsn, NULL, NULL);
	ASSERT_OK(fd);
	EXPECT_EQ(0, recv(fd, &c, 1, 0));
	close(fd);
	EXPECT_EQ(POLLOUT, poll_events(second, POLLOUT, WAIT_MS));
	EXPECT_OK(accept(self->lsn, NULL, NULL));
	close(second);
}

/* More clients than places, all served in the end. */
TEST_F(backlog, crowd)
{
	enum { CLIENTS = 40 };
	int fds[CLIENTS], i;
	char c;

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	ASSERT_OK(listen(self->lsn, 3));
	for (i = 0; i < CLIENTS; i++) {
		fds[i] = door_dial(variant->door, SOCK_NONBLOCK, self->port);
		ASSERT_OK(fds[i]);
	}
	for (i = 0; i < CLIENTS; i++) {
		int child = accept(self->lsn, NULL, NULL);

		ASSERT_OK(child);
		ASSERT_EQ(1, send(child, "x", 1, 0));
		close(child);
	}
	for (i = 0; i < CLIENTS; i++) {
		ASSERT_OK(fcntl(fds[i], F_SETFL, 0));
		ASSERT_EQ(1, recv(fds[i], &c, 1, 0));
		ASSERT_EQ(0, recv(fds[i], &c, 1, 0));
		close(fds[i]);
	}
}

TEST_HARNESS_MAIN
