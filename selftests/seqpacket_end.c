// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a connection of records ends, with records on the way.
 */
#include <kselftest_harness.h>

#include "seqlib.h"

SEQ_RUNS_OVER(true)

FIXTURE(end) {
	int tx;
	int rx;
};

SEQ_FIXTURE(end);
FIXTURE_VARIANT_ADD(end, pair) { .door = &door_seqpair };

FIXTURE_SETUP(end)
{
	int sv[2];

	ASSERT_OK(seq_pair(variant->door, sv));
	self->tx = sv[0];
	self->rx = sv[1];
	sock_timeout(self->tx, SO_RCVTIMEO, WAIT_MS);
	sock_timeout(self->rx, SO_RCVTIMEO, WAIT_MS);
}

FIXTURE_TEARDOWN(end)
{
	close(self->tx);
	close(self->rx);
}

TEST_F(end, close_after_records)
{
	int flags;
	char c;

	ASSERT_EQ(7, seq_send(self->tx, 0, 7, 0));
	ASSERT_EQ(0, seq_send(self->tx, 0, 0, 0));
	close(self->tx);
	EXPECT_EQ(7, seq_take(self->rx, 0, 7));
	EXPECT_EQ(0, seq_take(self->rx, 0, 0));
	EXPECT_EQ(0, seq_recv(self->rx, &c, 1, 0, &flags));
	EXPECT_EQ(0, flags);
	EXPECT_EQ(0, seq_recv(self->rx, &c, 1, MSG_PEEK, &flags));
	EXPECT_EQ(0, flags & MSG_EOR);
	EXPECT_EQ(POLLIN, poll_events(self->rx, POLLIN, 0) & POLLIN);
}

/* The first record may be lost on its way; then nobody listens any more. */
TEST_F(end, send_after_close)
{
	close(self->rx);
	if (!over_unix())
		seq_send(self->tx, 0, 1, 0);
	EXPECT_ERR(EPIPE, seq_send(self->tx, 0, 1, 0));
	EXPECT_ERR(EPIPE, seq_send(self->tx, 0, 0, 0));
}

static int pipes_seen;

static void on_sigpipe(int sig)
{
	pipes_seen++;
}

TEST_F(end, sigpipe)
{
	if (over_unix())
		SKIP(return, "AF_UNIX has the signal for streams only");
	signal(SIGPIPE, on_sigpipe);
	ASSERT_OK(shutdown(self->tx, SHUT_WR));
	EXPECT_ERR(EPIPE, send(self->tx, "x", 1, MSG_NOSIGNAL));
	EXPECT_EQ(0, pipes_seen);
	EXPECT_ERR(EPIPE, send(self->tx, "x", 1, 0));
	EXPECT_EQ(1, pipes_seen);
	EXPECT_ERR(EPIPE, send(self->tx, "", 0, 0));
	EXPECT_EQ(2, pipes_seen);
}

/* Records that nobody has read: a reset, also for an empty one. */
static void check_reset(struct __test_metadata *_metadata, int tx, int rx, size_t len)
{
	char c;

	ASSERT_EQ(len, seq_send(tx, 0, len, 0));
	ASSERT_EQ(5, seq_send(rx, 0, 5, 0));
	close(rx);
	/* What had arrived can be read; AF_UNIX tells of the reset first. */
	if (!over_unix()) {
		EXPECT_EQ(POLLIN | POLLERR | POLLHUP,
			  poll_events(tx, POLLIN, 0) & (POLLIN | POLLERR | POLLHUP));
		EXPECT_EQ(5, seq_take(tx, 0, 5));
	}
	EXPECT_ERR(ECONNRESET, recv(tx, &c, 1, 0));
	if (over_unix())
		EXPECT_EQ(5, seq_take(tx, 0, 5));
	EXPECT_ERR(EPIPE, seq_send(tx, 0, 1, 0));
}

TEST_F(end, reset)
{
	check_reset(_metadata, self->tx, self->rx, 100);
}

TEST_F(end, reset_by_an_empty_record)
{
	if (over_unix())
		SKIP(return, "newer AF_UNIX looks for bytes");
	check_reset(_metadata, self->tx, self->rx, 0);
}

TEST_F(end, linger_0)
{
	struct linger l = { .l_onoff = 1 };

	if (over_unix())
		SKIP(return, "AF_UNIX has no such reset");
	ASSERT_EQ(5, seq_send(self->rx, 0, 5, 0));
	ASSERT_OK(setsockopt(self->rx, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	close(self->rx);
	EXPECT_EQ(5, seq_take(self->tx, 0, 5));
	EXPECT_ERR(ECONNRESET, seq_recv1(self->tx));
	EXPECT_EQ(0, seq_recv1(self->tx));
}

TEST_F(end, half_close)
{
	ASSERT_EQ(9, seq_send(self->tx, 0, 9, 0));
	ASSERT_OK(shutdown(self->tx, SHUT_WR));
	EXPECT_EQ(9, seq_take(self->rx, 0, 9));
	EXPECT_EQ(0, seq_recv1(self->rx));
	ASSERT_EQ(8, seq_send(self->rx, 1, 8, 0));
	ASSERT_EQ(0, seq_send(self->rx, 1, 0, 0));
	EXPECT_EQ(8, seq_take(self->tx, 1, 8));
	EXPECT_EQ(0, seq_take(self->tx, 1, 0));
	close(self->rx);
	EXPECT_EQ(0, seq_recv1(self->tx));
}

TEST_F(end, shut_rd)
{
	if (over_unix())
		SKIP(return, "AF_UNIX shuts the other end too");
	ASSERT_OK(shutdown(self->rx, SHUT_RD));
	EXPECT_EQ(0, seq_recv1(self->rx));
	/* What comes can still be read, as with TCP. */
	ASSERT_EQ(3, seq_send(self->tx, 0, 3, 0));
	EXPECT_EQ(3, seq_take(self->rx, 0, 3));
	EXPECT_EQ(0, seq_recv1(self->rx));
}

static long recv_blocks(struct task *t)
{
	char buf[8];
	int flags;

	return seq_recv(t->fd, buf, sizeof(buf), 0, &flags) ?: flags;
}

TEST_F(end, close_wakes_the_receiver)
{
	struct task t = { .fn = recv_blocks, .fd = self->rx };

	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_recvmsg));
	close(self->tx);
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(0, t.ret);
}

TEST_HARNESS_MAIN
