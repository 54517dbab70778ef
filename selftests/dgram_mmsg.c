// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many datagrams in one call: sendmmsg() and recvmmsg(), their limits, timeouts
 * and what they say when they get only part of the way.
 */
#include <kselftest_harness.h>

#include <limits.h>
#include <time.h>

#include "dgramlib.h"

#define MANY	1100		/* more than one call takes: UIO_MAXIOV is 1024 */

FIXTURE(mmsg) {
	int tx;			/* connected to rx */
	int rx;			/* bound */
};

DOOR_FIXTURE_ALL(mmsg);

FIXTURE_SETUP(mmsg)
{
	int sv[2];

	ASSERT_OK(dgram_pair(variant->door, sv));
	self->tx = sv[0];
	self->rx = sv[1];
}

FIXTURE_TEARDOWN(mmsg)
{
	close(self->tx);
	close(self->rx);
}

struct batch {
	struct mmsghdr vec[MANY];
	struct iovec iov[MANY];
	union addr name[MANY];
	char data[MANY][16];
};

static struct batch out, in;

/* Message i holds the number i in words. */
static void batch_out(int n)
{
	int i;

	memset(&out, 0, sizeof(out));
	for (i = 0; i < n; i++) {
		out.iov[i].iov_base = out.data[i];
		out.iov[i].iov_len = snprintf(out.data[i], sizeof(out.data[i]), "%d", i);
		out.vec[i].msg_hdr.msg_iov = &out.iov[i];
		out.vec[i].msg_hdr.msg_iovlen = 1;
	}
}

static void batch_in(int n)
{
	int i;

	memset(&in, 0, sizeof(in));
	for (i = 0; i < n; i++) {
		in.iov[i] = (struct iovec){ in.data[i], sizeof(in.data[i]) };
		in.vec[i].msg_hdr.msg_iov = &in.iov[i];
		in.vec[i].msg_hdr.msg_iovlen = 1;
		in.vec[i].msg_hdr.msg_name = &in.name[i];
		in.vec[i].msg_hdr.msg_namelen = sizeof(in.name[i]);
	}
}

/* Messages at..at+n of the batch are the datagrams first..first+n. */
static int batch_wrong(int at, int n, int first, int port)
{
	char want[16];
	int i;

	for (i = 0; i < n; i++) {
		size_t len = snprintf(want, sizeof(want), "%d", first + i);

		if (in.vec[at + i].msg_len != len || memcmp(in.data[at + i], want, len) ||
		    addr_port(&in.name[at + i]) != port)
			return at + i;
	}
	return -1;
}

TEST_F(mmsg, there)
{
	batch_out(10);
	EXPECT_EQ(10, sendmmsg(self->tx, out.vec, 10, 0));
	EXPECT_EQ(1, out.vec[9].msg_len);
	batch_in(10);
	EXPECT_EQ(10, recvmmsg(self->rx, in.vec, 10, 0, NULL));
	EXPECT_EQ(-1, batch_wrong(0, 10, 0, sock_port(self->tx)));
	EXPECT_EQ(0, sendmmsg(self->tx, out.vec, 0, 0));
	EXPECT_EQ(0, recvmmsg(self->rx, in.vec, 0, 0, NULL));
}

/* One call sends no more than 1024. */
TEST_F(mmsg, thousand)
{
	int n = 0, ret;

	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20));
	batch_out(MANY);
	EXPECT_EQ(1024, sendmmsg(self->tx, out.vec, MANY, 0));
	EXPECT_EQ(MANY - 1024, sendmmsg(self->tx, out.vec + 1024, MANY - 1024, 0));
	batch_in(MANY);
	while (n < MANY) {
		ASSERT_TRUE(poll_events(self->rx, POLLIN, WAIT_MS) & POLLIN)
			TH_LOG("%d of %d received", n, MANY);
		ret = recvmmsg(self->rx, in.vec + n, MANY - n, MSG_DONTWAIT, NULL);
		ASSERT_LT(0, ret);
		n += ret;
	}
	EXPECT_EQ(-1, batch_wrong(0, MANY, 0, sock_port(self->tx)));
	EXPECT_TRUE(dgram_empty(self->rx));
}

/* Each to a port of its own. */
TEST_F(mmsg, destinations)
{
	int fd = dgram_socket(variant->door, 0), other = dgram_bound(variant->door, 0, 0), i;

	batch_out(4);
	for (i = 0; i < 4; i++) {
		out.vec[i].msg_hdr.msg_name = &out.name[i];
		out.vec[i].msg_hdr.msg_namelen =
			door_loop(variant->door, &out.name[i], sock_port(i % 2 ? other : self->rx));
	}
	EXPECT_EQ(4, sendmmsg(fd, out.vec, 4, 0));
	EXPECT_STREQ("0", dgram_text(self->rx));
	EXPECT_STREQ("1", dgram_text(other));
	EXPECT_STREQ("2", dgram_text(self->rx));
	EXPECT_STREQ("3", dgram_text(other));
	close(fd);
	close(other);
}

/* The bad one ends the call; alone it is its error. */
TEST_F(mmsg, send_stops_at_error)
{
	batch_out(4);
	out.iov[2].iov_base = BAD_PTR;
	EXPECT_EQ(2, sendmmsg(self->tx, out.vec, 4, 0));
	EXPECT_ERR(EFAULT, sendmmsg(self->tx, out.vec + 2, 2, 0));
	EXPECT_EQ(1, sendmmsg(self->tx, out.vec + 3, 1, 0));
	EXPECT_STREQ("0", dgram_text(self->rx));
	EXPECT_STREQ("1", dgram_text(self->rx));
	EXPECT_STREQ("3", dgram_text(self->rx));
	EXPECT_ERR(EFAULT, sendmmsg(self->tx, BAD_PTR, 1, 0));
}

/* Of a dead port: the first goes, the second is told, and no more are tried. */
TEST_F(mmsg, send_to_nobody)
{
	int fd = dgram_dial(variant->door, 0, dgram_free_port(variant->door));

	batch_out(3);
	EXPECT_EQ(1, sendmmsg(fd, out.vec, 1, 0));
	EXPECT_TRUE(dgram_failed(fd));
	EXPECT_ERR(ECONNREFUSED, sendmmsg(fd, out.vec, 3, 0));
	close(fd);
}

TEST_F(mmsg, receive_what_is_there)
{
	batch_out(3);
	ASSERT_EQ(3, sendmmsg(self->tx, out.vec, 3, 0));
	ASSERT_TRUE(poll_events(self->rx, POLLIN, WAIT_MS) & POLLIN);
	batch_in(10);
	EXPECT_EQ(3, recvmmsg(self->rx, in.vec, 10, MSG_DONTWAIT, NULL));
	EXPECT_EQ(-1, batch_wrong(0, 3, 0, sock_port(self->tx)));
	EXPECT_ERR(EAGAIN, recvmmsg(self->rx, in.vec, 10, MSG_DONTWAIT, NULL));
}

static long recv_batch(struct task *t)
{
	return recvmmsg(t->fd, in.vec, 3, t->number, NULL);
}

/* Waits for one, and takes what else is there. */
TEST_F(mmsg, waitforone)
{
	struct task t = { .fn = recv_batch, .fd = self->rx, .number = MSG_WAITFORONE };

	batch_in(3);
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_recvmmsg));
	ASSERT_EQ(1, send(self->tx, "0", 1, 0));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(1, t.ret);
	EXPECT_EQ(-1, batch_wrong(0, 1, 0, sock_port(self->tx)));
}

/* Without it, all that was asked for is waited for. */
TEST_F(mmsg, waits_for_all)
{
	struct task t = { .fn = recv_batch, .fd = self->rx };

	batch_in(3);
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_recvmmsg));
	ASSERT_EQ(1, send(self->tx, "0", 1, 0));
	ASSERT_EQ(1, send(self->tx, "1", 1, 0));
	ASSERT_OK(task_blocked(&t, SYS_recvmmsg));
	EXPECT_TRUE(task_running(&t));
	ASSERT_EQ(1, send(self->tx, "2", 1, 0));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(3, t.ret);
	EXPECT_EQ(-1, batch_wrong(0, 3, 0, sock_port(self->tx)));
}

/* The time is looked at when a datagram has come, and what is left is told. */
TEST_F(mmsg, timeout)
{
	struct timespec ts = { .tv_sec = 3600 }, bad = { .tv_nsec = 2000000000 }, none = { };

	batch_out(3);
	ASSERT_EQ(3, sendmmsg(self->tx, out.vec, 3, 0));
	batch_in(3);
	EXPECT_EQ(2, recvmmsg(self->rx, in.vec, 2, 0, &ts));
	EXPECT_GT(3600, ts.tv_sec);
	EXPECT_ERR(EINVAL, recvmmsg(self->rx, in.vec, 2, 0, &bad));
	EXPECT_EQ(1, recvmmsg(self->rx, in.vec, 2, 0, &none));
	ASSERT_OK(sock_timeout(self->rx, SO_RCVTIMEO, 30));
	EXPECT_ERR(EAGAIN, recvmmsg(self->rx, in.vec, 2, 0, NULL));
}

/* Some and then an error: the number now, the error with the next call. */
TEST_F(mmsg, receive_stops_at_error)
{
	batch_out(3);
	ASSERT_EQ(3, sendmmsg(self->tx, out.vec, 3, 0));
	ASSERT_TRUE(poll_events(self->rx, POLLIN, WAIT_MS) & POLLIN);
	batch_in(3);
	in.iov[1].iov_base = BAD_PTR;
	EXPECT_EQ(1, recvmmsg(self->rx, in.vec, 3, MSG_DONTWAIT, NULL));
	EXPECT_ERR(EFAULT, recvmmsg(self->rx, in.vec, 3, MSG_DONTWAIT, NULL));
	EXPECT_STREQ("2", dgram_text(self->rx));
}

TEST_F(mmsg, truncation_is_told_for_each)
{
	batch_out(12);
	ASSERT_EQ(2, sendmmsg(self->tx, out.vec + 9, 2, 0));
	ASSERT_TRUE(poll_events(self->rx, POLLIN, WAIT_MS) & POLLIN);
	batch_in(2);
	in.iov[0].iov_len = 1;
	in.iov[1].iov_len = 1;
	EXPECT_EQ(2, recvmmsg(self->rx, in.vec, 2, 0, NULL));
	EXPECT_EQ(0, in.vec[0].msg_hdr.msg_flags & MSG_TRUNC);
	EXPECT_EQ(MSG_TRUNC, in.vec[1].msg_hdr.msg_flags & MSG_TRUNC);
	EXPECT_EQ(1, in.vec[1].msg_len);
}

TEST_HARNESS_MAIN
