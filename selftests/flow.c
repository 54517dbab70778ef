// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much fits, who waits for whom, and what is left when a copy stops in the
 * middle: capacity, low-water marks, timeouts, unmapped memory, counts.
 */
#include <kselftest_harness.h>

#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "common.h"

FIXTURE(flow) {
	int tx;
	int rx;
};

DOOR_FIXTURE(flow);

FIXTURE_SETUP(flow)
{
	int sv[2];

	ASSERT_OK(door_connected(variant->door, sv));
	self->tx = sv[0];
	self->rx = sv[1];
}

FIXTURE_TEARDOWN(flow)
{
	close(self->tx);
	close(self->rx);
}

/* TCP counts what was not acknowledged, and holds more than its buffers say. */
static long outq(int fd, long want)
{
	return over_tcp() ? want : count_pending(fd, SIOCOUTQ);
}

/*
 * The core sets SO_RCVBUF, and no family hears of it: newproto's takes effect with
 * the receiver's next poll() or read.
 */
static int set_rcvbuf(int fd, int value)
{
	return sock_set(fd, SOL_SOCKET, SO_RCVBUF, value) ?: poll_events(fd, POLLIN, 0);
}

static void check_capacity(struct __test_metadata *_metadata, int tx, int rx)
{
	long room = sock_int(tx, SOL_SOCKET, SO_SNDBUF) + sock_int(rx, SOL_SOCKET, SO_RCVBUF);
	long sent = fill_socket(tx, 0);

	ASSERT_LT(0, sent);
	EXPECT_EQ(over_tcp() ? sent : room, sent);
	EXPECT_EQ(over_tcp() ? count_pending(rx, SIOCINQ) : sent, count_pending(rx, SIOCINQ));
	EXPECT_EQ(sent, outq(tx, sent));
	EXPECT_EQ(0, poll_events(tx, POLLOUT, 0));
	EXPECT_EQ(sent, drain_socket(rx, 0, sent));
	EXPECT_EQ(0, outq(tx, 0));
	EXPECT_EQ(0, count_pending(rx, SIOCINQ));
	EXPECT_EQ(POLLOUT, poll_events(tx, POLLOUT, WAIT_MS));
}

TEST_F(flow, capacity_is_sndbuf_plus_rcvbuf)
{
	check_capacity(_metadata, self->tx, self->rx);
	check_capacity(_metadata, self->rx, self->tx);
}

TEST_F(flow, capacity_of_small_buffers)
{
	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 1));
	ASSERT_OK(set_rcvbuf(self->rx, 1));
	check_capacity(_metadata, self->tx, self->rx);
}

TEST_F(flow, capacity_follows_the_options)
{
	int i;

	for (i = 0; i < 4; i++) {
		ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 5000 << i));
		ASSERT_OK(set_rcvbuf(self->rx, 40000 >> i));
		check_capacity(_metadata, self->tx, self->rx);
	}
}

/* Larger buffers make room for a sender that waits. */
TEST_F(flow, larger_rcvbuf_wakes_the_sender)
{
	if (over_tcp())
		SKIP(return, "TCP opens its window only when something is read");
	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 8192));
	ASSERT_OK(set_rcvbuf(self->rx, 8192));
	ASSERT_LT(0, fill_socket(self->tx, 0));
	ASSERT_OK(set_rcvbuf(self->rx, 65536));
	EXPECT_EQ(POLLOUT, poll_events(self->tx, POLLOUT, WAIT_MS));
	EXPECT_LT(0, fill_socket(self->tx, 0));
}

/* The buffer wraps many times with sizes that share no divisor with it. */
TEST_F(flow, wrap)
{
	static char buf[7919];
	size_t pos = 0, got = 0;
	int i;

	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 8192));
	for (i = 0; i < 200 * test_scale(); i++) {
		size_t n = i * 613 % sizeof(buf) + 1;

		pattern_fill(buf, n, pos);
		ASSERT_EQ(n, send(self->tx, buf, n, 0));
		pos += n;
		n = pos - got > 5000 ? pos - got - i % 5000 : 0;
		ASSERT_EQ(n, drain_socket(self->rx, got, n));
		got += n;
	}
	EXPECT_EQ(pos - got, drain_socket(self->rx, got, pos - got));
}

static long send_large(struct task *t)
{
	return write_all(t->fd, 0, t->number);
}

TEST_F(flow, sender_waits_for_room)
{
	struct task t = { .fn = send_large, .fd = self->tx, .number = 1000000 };

	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 8192));
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUF, 8192));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	EXPECT_EQ(1000000, drain_socket(self->rx, 0, 1000000));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(0, t.ret);
}

static long recv_one(struct task *t)
{
	char c;

	return recv(t->fd, &c, 1, 0) == 1 ? c : -1;
}

TEST_F(flow, receiver_waits_for_bytes)
{
	struct task t = { .fn = recv_one, .fd = self->rx };

	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_recvfrom));
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ('x', t.ret);
}

TEST_F(flow, rcvtimeo)
{
	int64_t start = now_ms();
	char c;

	ASSERT_OK(sock_timeout(self->rx, SO_RCVTIMEO, 100));
	EXPECT_ERR(EAGAIN, recv(self->rx, &c, 1, 0));
	EXPECT_LE(100 - TICK_SLACK_MS, now_ms() - start);
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	EXPECT_EQ(1, recv(self->rx, &c, 1, 0));
}

/* What went out before the time was over is counted. */
TEST_F(flow, sndtimeo)
{
	static char buf[1000000];
	int64_t start = now_ms();
	ssize_t n;

	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 16384));
	ASSERT_OK(sock_timeout(self->tx, SO_SNDTIMEO, 100));
	pattern_fill(buf, sizeof(buf), 0);
	n = send(self->tx, buf, sizeof(buf), 0);
	EXPECT_LT(0, n);
	EXPECT_LE(100 - TICK_SLACK_MS, now_ms() - start);
	EXPECT_GT(sizeof(buf), n);
	EXPECT_EQ(n, drain_socket(self->rx, 0, n));
}

TEST_F(flow, rcvlowat)
{
	char buf[16];

	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVLOWAT, 4));
	EXPECT_EQ(4, sock_int(self->rx, SOL_SOCKET, SO_RCVLOWAT));
	ASSERT_EQ(3, send(self->tx, "abc", 3, 0));
	EXPECT_EQ(0, poll_events(self->rx, POLLIN, over_tcp() ? 50 : 0));
	ASSERT_EQ(1, send(self->tx, "d", 1, 0));
	EXPECT_EQ(POLLIN, poll_events(self->rx, POLLIN, WAIT_MS));
	EXPECT_EQ(4, recv(self->rx, buf, 16, 0));

	/* a shorter read is content with less */
	ASSERT_EQ(1, send(self->tx, "e", 1, 0));
	EXPECT_EQ(1, recv(self->rx, buf, 1, 0));
	EXPECT_EQ('e', buf[0]);
}

static long recv_sixteen(struct task *t)
{
	return recv(t->fd, t->arg, 16, 0);
}

TEST_F(flow, rcvlowat_blocks_a_read)
{
	char buf[16];
	struct task t = { .fn = recv_sixteen, .fd = self->rx, .arg = buf };

	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVLOWAT, 4));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_recvfrom));
	ASSERT_EQ(3, send(self->tx, "abc", 3, 0));
	ASSERT_OK(task_blocked(&t, SYS_recvfrom));
	EXPECT_TRUE(task_running(&t));
	ASSERT_EQ(3, send(self->tx, "def", 3, 0));
	ASSERT_OK(task_join(&t));
	EXPECT_LE(4, t.ret);
	EXPECT_EQ(0, memcmp(buf, "abcd", 4));
}

TEST_F(flow, rcvlowat_ends_with_the_stream)
{
	char buf[16];

	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVLOWAT, 8));
	ASSERT_EQ(3, send(self->tx, "abc", 3, 0));
	ASSERT_OK(shutdown(self->tx, SHUT_WR));
	EXPECT_TRUE(poll_events(self->rx, POLLIN, WAIT_MS) & POLLIN);
	EXPECT_EQ(3, recv(self->rx, buf, 16, 0));
	EXPECT_EQ(0, recv(self->rx, buf, 16, 0));
}

/* A low-water mark above the capacity must not stop the stream for ever. */
TEST_F(flow, rcvlowat_above_the_capacity)
{
	static char buf[65536];
	size_t got = 0;
	long sent;

	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVLOWAT, 1 << 20));
	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 8192));
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUF, 8192));
	sent = fill_socket(self->tx, 0);
	ASSERT_LT(0, sent);
	ASSERT_TRUE(poll_events(self->rx, POLLIN, WAIT_MS) & POLLIN);
	while (got < sent) {
		ssize_t n = recv(self->rx, buf, sizeof(buf), MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			break;
		ASSERT_LT(0, n);
		got += n;
	}
	EXPECT_LT(0, got);
}

/* The same where the memory that a stream goes through is smaller than the buffers. */
TEST_F(flow, rcvlowat_above_what_comes_through)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0);
	long sent;

	if (over_tcp())
		SKIP(return, "TCP's window is its own affair");
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20));
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVLOWAT, 2 << 20));
	ASSERT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, self->rx, &ev));
	ASSERT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	sent = fill_socket(self->tx, 0);
	ASSERT_LT(0, sent);
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, WAIT_MS))
		TH_LOG("%ld bytes are all that comes through, and the reader sleeps", sent);
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVLOWAT, 1));
	EXPECT_EQ(sent, drain_socket(self->rx, 0, sent));
	close(ep);
}

TEST_F(flow, counts)
{
	char buf[8];

	EXPECT_EQ(0, count_pending(self->rx, SIOCINQ));
	ASSERT_EQ(8, send(self->tx, "abcdefgh", 8, 0));
	ASSERT_EQ(POLLIN, poll_events(self->rx, POLLIN, WAIT_MS));
	EXPECT_EQ(8, count_pending(self->rx, SIOCINQ));
	EXPECT_EQ(8, count_pending(self->rx, FIONREAD));
	EXPECT_EQ(8, outq(self->tx, 8));
	ASSERT_EQ(3, recv(self->rx, buf, 3, 0));
	EXPECT_EQ(5, count_pending(self->rx, SIOCINQ));
	EXPECT_EQ(5, outq(self->tx, 5));
	ASSERT_EQ(2, recv(self->rx, buf, 2, MSG_PEEK));
	EXPECT_EQ(5, count_pending(self->rx, SIOCINQ));
	ASSERT_OK(shutdown(self->tx, SHUT_WR));
	ASSERT_TRUE(poll_events(self->rx, POLLRDHUP, WAIT_MS) & POLLRDHUP);
	EXPECT_EQ(5, count_pending(self->rx, SIOCINQ));
	ASSERT_EQ(5, recv(self->rx, buf, 5, 0));
	EXPECT_EQ(0, count_pending(self->rx, SIOCINQ));
	EXPECT_EQ(0, count_pending(self->tx, SIOCINQ));
}

/* Two pages of which only the first exists. */
static char *half_mapped(void)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	munmap(p + 4096, 4096);
	return p;
}

/* Whatever a send says it took is what the other end gets, no more, no less. */
TEST_F(flow, efault_in_the_middle_of_a_send)
{
	char *page = half_mapped();
	ssize_t n;

	ASSERT_NE(NULL, page);
	pattern_fill(page, 4096, 0);
	n = send(self->tx, page + 96, 8000, 0);
	if (n < 0) {
		EXPECT_EQ(EFAULT, errno);
		n = 0;
	}
	ASSERT_LE(n, 4000);
	pattern_fill(page, 4096, 96 + n);
	ASSERT_EQ(1000, send(self->tx, page, 1000, 0));
	EXPECT_EQ(n + 1000, drain_socket(self->rx, 96, n + 1000));
	EXPECT_EQ(0, count_pending(self->rx, SIOCINQ));
	EXPECT_ERR(EFAULT, send(self->tx, page + 4096, 10, 0));
	EXPECT_ERR(EAGAIN, recv(self->rx, page, 10, MSG_DONTWAIT));
}

TEST_F(flow, efault_in_the_middle_of_a_receive)
{
	char *page = half_mapped();
	size_t got = 0;
	ssize_t n;

	ASSERT_NE(NULL, page);
	ASSERT_OK(write_all(self->tx, 0, 8000));
	while (count_pending(self->rx, SIOCINQ) < 8000)
		ASSERT_TRUE(poll_events(self->rx, POLLIN, WAIT_MS) & POLLIN);

	n = recv(self->rx, page + 96, 8000, 0);
	if (n > 0) {
		ASSERT_LE(n, 4000);
		EXPECT_EQ(-1, pattern_wrong(page + 96, n, 0));
		got = n;
	} else {
		EXPECT_EQ(EFAULT, errno);
	}
	EXPECT_ERR(EFAULT, recv(self->rx, page + 4096, 100, 0));
	EXPECT_ERR(EFAULT, recv(self->rx, page + 4096, 100, MSG_PEEK));
	EXPECT_EQ(8000 - got, drain_socket(self->rx, got, 8000 - got));
	EXPECT_EQ(0, count_pending(self->rx, SIOCINQ));
}

/* The peer's death wakes the sender that waits for room, and the reader. */
TEST_F(flow, close_wakes_a_waiting_sender)
{
	struct task t = { .fn = send_large, .fd = self->tx, .number = 100000000 };

	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 8192));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	ASSERT_OK(close(self->rx));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(-1, t.ret);
	EXPECT_TRUE(t.err == ECONNRESET || t.err == EPIPE);
	self->rx = -1;
}

TEST_F(flow, shutdown_wakes_a_waiting_sender)
{
	struct task t = { .fn = send_large, .fd = self->tx, .number = 100000000 };

	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 8192));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	ASSERT_OK(shutdown(self->tx, SHUT_WR));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(-1, t.ret);
	EXPECT_EQ(EPIPE, t.err);
}

TEST_F(flow, shutdown_wakes_a_waiting_receiver)
{
	struct task t = { .fn = recv_one, .fd = self->rx };

	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_recvfrom));
	ASSERT_OK(shutdown(self->rx, SHUT_RD));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(-1, t.ret);
	EXPECT_EQ(0, t.err);
}

TEST_F(flow, close_wakes_a_waiting_receiver)
{
	struct task t = { .fn = recv_one, .fd = self->rx };

	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_recvfrom));
	ASSERT_OK(close(self->tx));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(-1, t.ret);
	EXPECT_EQ(0, t.err);
	self->tx = -1;
}

static long ping_pong(struct task *t)
{
	int i;

	for (i = 0; i < t->number; i++) {
		char c;

		if (recv(t->fd, &c, 1, 0) != 1 || send(t->fd, &c, 1, 0) != 1)
			return -1;
	}
	return 0;
}

/* A lost wake-up would stop it: one byte is all that is ever on its way. */
TEST_F_TIMEOUT(flow, lock_step, 600)
{
	struct task t = { .fn = ping_pong, .fd = self->rx, .number = 2000 * test_scale() };
	char c;
	int i;

	ASSERT_OK(sock_timeout(self->tx, SO_RCVTIMEO, WAIT_MS));
	ASSERT_OK(task_start(&t));
	for (i = 0; i < t.number; i++) {
		char want = i;

		ASSERT_EQ(1, send(self->tx, &want, 1, 0));
		ASSERT_EQ(1, recv(self->tx, &c, 1, 0));
		ASSERT_EQ(want, c);
	}
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(0, t.ret);
}

TEST_HARNESS_MAIN
