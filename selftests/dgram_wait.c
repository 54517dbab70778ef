// SPDX-License-Identifier: GPL-2.0-only
/*
 * NEWPROTO_WAIT: a sender that waits for room in its receiver's queue instead of
 * losing what it sends. This is newproto's own; UDP has nothing like it.
 */
#include <kselftest_harness.h>

#include <sys/epoll.h>
#include <sys/wait.h>

#include "dgramlib.h"

#define SIZE	1000		/* of one datagram here */

FIXTURE(dwait) {
	int tx;			/* connected to rx, waits */
	int rx;			/* bound, small */
};

DOOR_FIXTURE_ALL(dwait);

FIXTURE_SETUP(dwait)
{
	int sv[2];

	if (over_udp())
		SKIP(_exit(255), "UDP's senders never wait");
	ASSERT_OK(dgram_pair(variant->door, sv));
	self->tx = sv[0];
	self->rx = sv[1];
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUF, 16384));
	ASSERT_OK(sock_set(self->tx, SOL_NEWPROTO, NEWPROTO_WAIT, 1));
}

FIXTURE_TEARDOWN(dwait)
{
	close(self->tx);
	close(self->rx);
}

static char buf[SIZE];

static int send_number(int fd, uint32_t number, int flags)
{
	memcpy(buf, &number, sizeof(number));
	return send(fd, buf, sizeof(buf), flags) == SIZE ? 0 : -1;
}

static int64_t read_number(int fd)
{
	uint32_t number;

	if (!(poll_events(fd, POLLIN, WAIT_MS / 4) & POLLIN) ||
	    recv(fd, &number, sizeof(number), MSG_DONTWAIT) != sizeof(number))
		return -1;
	return number;
}

/* Sends until there is no more room; how many went. */
static int fill(int fd)
{
	int n = 0;

	while (n < 10000 && !send_number(fd, n, MSG_DONTWAIT))
		n++;
	return errno == EAGAIN ? n : -1;
}

static long send_one(struct task *t)
{
	return send(t->fd, "waited", 6, 0);
}

TEST_F(dwait, option)
{
	int fd = dgram_socket(variant->door, 0);
	struct timeval tv;

	EXPECT_EQ(0, sock_int(fd, SOL_NEWPROTO, NEWPROTO_WAIT));
	ASSERT_OK(sock_set(fd, SOL_NEWPROTO, NEWPROTO_WAIT, 4711));
	EXPECT_EQ(1, sock_int(fd, SOL_NEWPROTO, NEWPROTO_WAIT));
	ASSERT_OK(sock_set(fd, SOL_NEWPROTO, NEWPROTO_WAIT, 0));
	EXPECT_EQ(0, sock_int(fd, SOL_NEWPROTO, NEWPROTO_WAIT));
	EXPECT_ERR(EINVAL, setsockopt(fd, SOL_NEWPROTO, NEWPROTO_WAIT, &tv, 1));
	EXPECT_ERR(EFAULT, setsockopt(fd, SOL_NEWPROTO, NEWPROTO_WAIT, BAD_PTR, 4));
	EXPECT_ERR(ENOPROTOOPT, sock_set(fd, SOL_NEWPROTO, 4711, 1));
	close(fd);
}

/* Everybody's default is to lose. */
TEST_F(dwait, only_who_asked)
{
	int i, fd = dgram_dial(variant->door, 0, sock_port(self->rx));

	for (i = 0; i < 500; i++)
		ASSERT_OK(send_number(fd, i, MSG_DONTWAIT));
	EXPECT_ERR(EAGAIN, send_number(self->tx, 0, MSG_DONTWAIT));
	close(fd);
}

/* Nothing is lost: what was taken is there, what was not, was refused. */
TEST_F(dwait, nonblocking)
{
	int i, n = fill(self->tx);

	ASSERT_LT(5, n);
	for (i = 0; i < n; i++)
		ASSERT_EQ(i, read_number(self->rx));
	EXPECT_TRUE(dgram_empty(self->rx));
	EXPECT_EQ(0, sock_error(self->tx));
	EXPECT_OK(send_number(self->tx, n, MSG_DONTWAIT));
	EXPECT_EQ(n, read_number(self->rx));
}

TEST_F(dwait, poll)
{
	int i, n;

	EXPECT_EQ(POLLOUT, poll_events(self->tx, POLLIN | POLLOUT, 0));
	n = fill(self->tx);
	ASSERT_LT(5, n);
	EXPECT_EQ(0, poll_events(self->tx, POLLIN | POLLOUT, 0));
	for (i = 0; i < n; i++)
		ASSERT_EQ(i, read_number(self->rx));
	EXPECT_EQ(POLLOUT, poll_events(self->tx, POLLIN | POLLOUT, WAIT_MS));
	EXPECT_OK(send_number(self->tx, 0, MSG_DONTWAIT));
}

static long poll_out(struct task *t)
{
	return poll_events(t->fd, POLLOUT, WAIT_MS);
}

TEST_F(dwait, poll_wakes)
{
	struct task t = { .fn = poll_out, .fd = self->tx };
	int i, n = fill(self->tx);

	ASSERT_LT(5, n);
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_poll));
	for (i = 0; i < n; i++)
		ASSERT_EQ(i, read_number(self->rx));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(POLLOUT, t.ret);
}

/* After EAGAIN the edge comes when there is room, again and again. */
TEST_F(dwait, epoll_edge)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	int ep = epoll_create1(0), round, i, n;

	ASSERT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, self->tx, &ev));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, 0));
	for (round = 0; round < 10; round++) {
		n = fill(self->tx);
		ASSERT_LT(5, n);
		EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0)) TH_LOG("round %d", round);
		for (i = 0; i < n; i++)
			ASSERT_EQ(i, read_number(self->rx));
		EXPECT_EQ(1, epoll_wait(ep, &ev, 1, WAIT_MS)) TH_LOG("round %d", round);
		EXPECT_EQ(EPOLLOUT, ev.events);
	}
	close(ep);
}

/*
 * A program that polls after EAGAIN must not spin: poll() is silent until there is
 * room, and then there is room. (Before EAGAIN, it cannot know who is meant.)
 */
TEST_F(dwait, poll_after_eagain)
{
	int i, sent = 0, got = 0, full = 0, wrong = 0;
	bool failed = false;

	ASSERT_OK(sock_nonblock(self->tx));
	for (i = 0; i < 3000; i++) {
		if (!(poll_events(self->tx, POLLOUT, 0) & POLLOUT)) {
			ASSERT_TRUE(failed) TH_LOG("no POLLOUT, and no EAGAIN before it");
			ASSERT_EQ(got, read_number(self->rx));
			got++;
			continue;
		}
		if (!send_number(self->tx, sent, 0)) {
			failed = false;
			sent++;
			continue;
		}
		ASSERT_EQ(EAGAIN, errno);
		wrong += failed;
		failed = true;
		full++;
	}
	EXPECT_LT(1000, sent);
	EXPECT_LT(10, full);
	EXPECT_EQ(0, wrong) TH_LOG("POLLOUT where there was no room, %d times", wrong);
}

TEST_F(dwait, blocking)
{
	struct task t = { .fn = send_one, .fd = self->tx };
	int i, n = fill(self->tx);

	ASSERT_LT(5, n);
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	for (i = 0; i < n; i++)
		ASSERT_EQ(i, read_number(self->rx));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(6, t.ret);
	EXPECT_STREQ("waited", dgram_text(self->rx));
}

/* One that is not connected waits for whom it writes to. */
TEST_F(dwait, unconnected)
{
	const struct door *d = variant->door;
	int fd = dgram_socket(d, 0), other = dgram_bound(d, 0, 0), n = 0;
	union addr a;
	socklen_t len = door_loop(d, &a, sock_port(self->rx));

	ASSERT_OK(sock_set(fd, SOL_NEWPROTO, NEWPROTO_WAIT, 1));
	while (n < 10000 && sendto(fd, buf, SIZE, MSG_DONTWAIT, &a.sa, len) == SIZE)
		n++;
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_GT(10000, n);
	/* a full receiver does not keep the sender from others */
	EXPECT_EQ(5, dgram_to(fd, d, sock_port(other), "other"));
	EXPECT_STREQ("other", dgram_text(other));
	EXPECT_ERR(EAGAIN, sendto(fd, buf, SIZE, MSG_DONTWAIT, &a.sa, len));
	while (n--)
		ASSERT_LE(0, read_number(self->rx));
	EXPECT_EQ(POLLOUT, poll_events(fd, POLLOUT, WAIT_MS));
	EXPECT_EQ(SIZE, sendto(fd, buf, SIZE, MSG_DONTWAIT, &a.sa, len));
	close(fd);
	close(other);
}

TEST_F(dwait, timeout)
{
	int64_t begin, took;

	ASSERT_LT(5, fill(self->tx));
	ASSERT_OK(sock_timeout(self->tx, SO_SNDTIMEO, 60));
	begin = now_ms();
	EXPECT_ERR(EAGAIN, send(self->tx, "x", 1, 0));
	took = now_ms() - begin;
	EXPECT_LE(60 - TICK_SLACK_MS, took);
	EXPECT_GE(WAIT_MS, took);
}

static void on_signal(int sig)
{
}

TEST_F(dwait, interrupted)
{
	struct sigaction act = { .sa_handler = on_signal };
	struct task t = { .fn = send_one, .fd = self->tx };
	int i, n = fill(self->tx);

	ASSERT_LT(5, n);
	ASSERT_OK(sigaction(SIGUSR1, &act, NULL));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	pthread_kill(t.thread, SIGUSR1);
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(-1, t.ret);
	EXPECT_EQ(EINTR, t.err);

	act.sa_flags = SA_RESTART;
	ASSERT_OK(sigaction(SIGUSR1, &act, NULL));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	pthread_kill(t.thread, SIGUSR1);
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	/* the one that was interrupted has sent nothing */
	for (i = 0; i < n; i++)
		ASSERT_EQ(i, read_number(self->rx));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(6, t.ret);
	EXPECT_STREQ("waited", dgram_text(self->rx));
	EXPECT_TRUE(dgram_empty(self->rx));
}

TEST_F(dwait, killed)
{
	int status;
	pid_t pid;

	ASSERT_LT(5, fill(self->tx));
	pid = fork();
	if (!pid)
		_exit(send(self->tx, "x", 1, 0));
	ASSERT_OK(wait_blocked(pid, pid, SYS_sendto));
	ASSERT_OK(kill(pid, SIGKILL));
	ASSERT_OK(wait_child(pid, &status));
	EXPECT_TRUE(WIFSIGNALED(status));
}

/* The receiver leaves: whoever waits for it gets on, as with any dead port. */
TEST_F(dwait, receiver_closes)
{
	struct task t = { .fn = send_one, .fd = self->tx };

	ASSERT_LT(5, fill(self->tx));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	ASSERT_OK(close(self->rx));
	self->rx = -1;
	ASSERT_OK(task_join(&t));
	if (t.ret < 0) {
		EXPECT_EQ(ECONNREFUSED, t.err);
	} else {
		EXPECT_EQ(6, t.ret);
		EXPECT_EQ(ECONNREFUSED, sock_error(self->tx));
	}
	EXPECT_EQ(POLLOUT, poll_events(self->tx, POLLOUT, WAIT_MS));
}

/* And whoever waits in poll(). */
TEST_F(dwait, receiver_closes_under_poll)
{
	struct task t = { .fn = poll_out, .fd = self->tx };

	ASSERT_LT(5, fill(self->tx));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_poll));
	ASSERT_OK(close(self->rx));
	self->rx = -1;
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(POLLOUT, t.ret & POLLOUT);
}

/* Whoever waited for a receiver that does not hear him any more is told, as of a dead port. */
static void expect_refused(struct __test_metadata *_metadata, int tx, struct task *t)
{
	ASSERT_OK(task_join(t));
	if (t->ret < 0) {
		EXPECT_EQ(ECONNREFUSED, t->err);
	} else {
		EXPECT_EQ(6, t->ret);
		EXPECT_EQ(ECONNREFUSED, sock_error(tx));
	}
}

static int connect_elsewhere(int fd, const struct door *d)
{
	union addr a;
	socklen_t len = door_loop(d, &a, dgram_free_port(d));

	return connect(fd, &a.sa, len);
}

/* It need not read what it has for that. */
TEST_F(dwait, receiver_connects_elsewhere)
{
	struct task t = { .fn = send_one, .fd = self->tx };

	ASSERT_LT(5, fill(self->tx));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	ASSERT_OK(connect_elsewhere(self->rx, variant->door));
	expect_refused(_metadata, self->tx, &t);
}

TEST_F(dwait, receiver_connects_elsewhere_under_poll)
{
	struct task t = { .fn = poll_out, .fd = self->tx };

	ASSERT_LT(5, fill(self->tx));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_poll));
	ASSERT_OK(connect_elsewhere(self->rx, variant->door));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(POLLOUT, t.ret & POLLOUT);
}

/* A port that connect() has chosen goes with AF_UNSPEC, and the socket stays. */
TEST_F(dwait, receiver_gives_its_port_up)
{
	const struct door *d = variant->door;
	struct task t = { .fn = send_one };
	int tx = dgram_bound(d, 0, 0), rx = dgram_dial(d, 0, sock_port(tx));
	union addr a;
	socklen_t len = door_loop(d, &a, sock_port(rx));

	ASSERT_OK(sock_set(rx, SOL_SOCKET, SO_RCVBUF, 16384));
	ASSERT_OK(sock_set(tx, SOL_NEWPROTO, NEWPROTO_WAIT, 1));
	ASSERT_OK(connect(tx, &a.sa, len));
	ASSERT_LT(5, fill(tx));
	t.fd = tx;
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	ASSERT_OK(dgram_unspec(rx));
	EXPECT_EQ(0, sock_port(rx));
	expect_refused(_metadata, tx, &t);
	close(tx);
	close(rx);
}

/* SIGIO tells of room as poll() does. */
TEST_F(dwait, sigio)
{
	struct timespec bound = { .tv_sec = WAIT_MS / 4000 };
	int i, n;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	ASSERT_OK(sigprocmask(SIG_BLOCK, &set, NULL));
	ASSERT_OK(fcntl(self->tx, F_SETOWN, getpid()));
	ASSERT_OK(fcntl(self->tx, F_SETFL, O_ASYNC));
	n = fill(self->tx);
	ASSERT_LT(5, n);
	for (i = 0; i < n; i++)
		ASSERT_EQ(i, read_number(self->rx));
	EXPECT_EQ(SIGIO, sigtimedwait(&set, NULL, &bound));
}

/* The sender is shut down, or connected elsewhere, while it waits. */
TEST_F(dwait, sender_shut_down)
{
	struct task t = { .fn = send_one, .fd = self->tx };

	ASSERT_LT(5, fill(self->tx));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	ASSERT_OK(shutdown(self->tx, SHUT_WR));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(-1, t.ret);
	EXPECT_EQ(EPIPE, t.err);
}

/* A receiver with a larger buffer has room. */
TEST_F(dwait, larger_buffer)
{
	ASSERT_LT(5, fill(self->tx));
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUF, 100000));
	EXPECT_OK(send_number(self->tx, 0, MSG_DONTWAIT));
}

/* One larger than the receiver's buffer would wait for ever; an empty queue takes it. */
TEST_F(dwait, larger_than_the_buffer)
{
	static char big[40000];
	ssize_t ret;

	ASSERT_OK(sock_timeout(self->tx, SO_SNDTIMEO, 1000));
	ret = send(self->tx, big, sizeof(big), 0);
	EXPECT_EQ(sizeof(big), ret) TH_LOG("%s", strerror(errno));
	if (ret > 0)
		EXPECT_EQ(sizeof(big), recv(self->rx, big, sizeof(big), MSG_DONTWAIT));
}

#define SENDERS	8

static long send_many(struct task *t)
{
	int fd = dgram_dial(t->arg, 0, t->number);
	int i, n = 200 * test_scale();

	if (fd < 0 || sock_set(fd, SOL_NEWPROTO, NEWPROTO_WAIT, 1))
		return -1;
	for (i = 0; i < n; i++) {
		uint32_t head[2] = { t->fd, i };

		if (send(fd, head, sizeof(head), 0) != sizeof(head))
			return -1;
	}
	close(fd);
	return 0;
}

/* Many wait for one: all get on, and each one's datagrams are in their order. */
TEST_F(dwait, many_senders)
{
	int i, k, n = 200 * test_scale();
	struct task t[SENDERS];
	uint32_t next[SENDERS] = { 0 }, head[2];

	for (k = 0; k < SENDERS; k++) {
		t[k] = (struct task){ .fn = send_many, .fd = k, .arg = (void *)variant->door,
				      .number = sock_port(self->rx) };
		ASSERT_OK(task_start(&t[k]));
	}
	for (i = 0; i < SENDERS * n; i++) {
		ASSERT_TRUE(poll_events(self->rx, POLLIN, WAIT_MS) & POLLIN)
			TH_LOG("%d of %d have come", i, SENDERS * n);
		ASSERT_EQ(sizeof(head), recv(self->rx, head, sizeof(head), MSG_DONTWAIT));
		ASSERT_GT(SENDERS, head[0]);
		ASSERT_EQ(next[head[0]], head[1]);
		next[head[0]]++;
	}
	for (k = 0; k < SENDERS; k++) {
		ASSERT_OK(task_join(&t[k]));
		EXPECT_EQ(0, t[k].ret);
	}
	EXPECT_TRUE(dgram_empty(self->rx));
}

/* sendmmsg() waits within: all are sent. */
static long send_batch(struct task *t)
{
	static struct mmsghdr vec[100];
	static struct iovec iov = { buf, SIZE };
	int i;

	for (i = 0; i < 100; i++)
		vec[i].msg_hdr = (struct msghdr){ .msg_iov = &iov, .msg_iovlen = 1 };
	return sendmmsg(t->fd, vec, 100, 0);
}

TEST_F(dwait, sendmmsg)
{
	struct task t = { .fn = send_batch, .fd = self->tx };
	int i;

	ASSERT_OK(task_start(&t));
	for (i = 0; i < 100; i++)
		ASSERT_LE(0, read_number(self->rx)) TH_LOG("%d of 100", i);
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(100, t.ret);
}

TEST_HARNESS_MAIN
