// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records: each send makes one, each receive takes one, whatever the sizes and
 * the flags.
 */
#include <kselftest_harness.h>

#include <linux/sockios.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "seqlib.h"

SEQ_RUNS_OVER(true)

FIXTURE(seq) {
	int tx;
	int rx;
	int eor;	/* the flag that a record comes with */
};

SEQ_FIXTURE(seq);
FIXTURE_VARIANT_ADD(seq, pair) { .door = &door_seqpair };

FIXTURE_SETUP(seq)
{
	int sv[2];

	ASSERT_OK(seq_pair(variant->door, sv));
	self->tx = sv[0];
	self->rx = sv[1];
	self->eor = over_unix() ? 0 : MSG_EOR;
	sock_timeout(self->rx, SO_RCVTIMEO, WAIT_MS);
}

FIXTURE_TEARDOWN(seq)
{
	close(self->tx);
	close(self->rx);
}

TEST_F(seq, one_send_one_record)
{
	size_t len, pos = 0;

	for (len = 1; len < 70000; len = len * 5 / 4 + 1) {
		ASSERT_EQ(len, seq_send(self->tx, pos, len, 0));
		ASSERT_EQ(len, seq_take(self->rx, pos, len));
		pos += len;
	}
}

/* Several wait, of sizes that do not divide a page; both directions. */
TEST_F(seq, order)
{
	size_t len, pos;
	int i;

	for (i = 0, pos = 0; i < 40; i++, pos += len) {
		len = i * 97 % 2000 + 1;
		ASSERT_EQ(len, seq_send(self->tx, pos, len, 0));
		ASSERT_EQ(len, seq_send(self->rx, pos + 7, len, 0));
	}
	for (i = 0, pos = 0; i < 40; i++, pos += len) {
		len = i * 97 % 2000 + 1;
		ASSERT_EQ(len, seq_take(self->rx, pos, len));
		ASSERT_EQ(len, seq_take(self->tx, pos + 7, len));
	}
}

TEST_F(seq, empty_records)
{
	char buf[8];
	int flags;

	ASSERT_EQ(0, seq_send(self->tx, 0, 0, 0));
	EXPECT_EQ(POLLIN, poll_events(self->rx, POLLIN, WAIT_MS));
	EXPECT_EQ(0, count_pending(self->rx, SIOCINQ));
	ASSERT_EQ(3, seq_send(self->tx, 0, 3, 0));
	ASSERT_EQ(0, seq_send(self->tx, 0, 0, 0));
	EXPECT_EQ(0, seq_recv(self->rx, buf, sizeof(buf), MSG_PEEK, &flags));
	EXPECT_EQ(self->eor, flags);
	EXPECT_EQ(0, seq_take(self->rx, 0, 0));
	EXPECT_EQ(3, seq_take(self->rx, 0, 3));
	EXPECT_EQ(0, seq_take(self->rx, 0, 0));
	EXPECT_EQ(0, poll_events(self->rx, POLLIN, 0));
	EXPECT_ERR(EAGAIN, seq_recv(self->rx, buf, sizeof(buf), MSG_DONTWAIT, &flags));
	/* An end looks otherwise. */
	ASSERT_OK(shutdown(self->tx, SHUT_WR));
	EXPECT_EQ(0, seq_recv(self->rx, buf, sizeof(buf), 0, &flags));
	EXPECT_EQ(0, flags);
}

/* The rest of a record that does not fit is gone, and that is told. */
TEST_F(seq, truncated)
{
	char buf[100];
	int flags;

	ASSERT_EQ(50000, seq_send(self->tx, 0, 50000, 0));
	ASSERT_EQ(20, seq_send(self->tx, 5, 20, 0));
	EXPECT_EQ(10, seq_recv(self->rx, buf, 10, 0, &flags));
	EXPECT_EQ(MSG_TRUNC | self->eor, flags);
	EXPECT_EQ(-1, pattern_wrong(buf, 10, 0));
	EXPECT_EQ(20, seq_take(self->rx, 5, 20));
	EXPECT_EQ(0, poll_events(self->rx, POLLIN, 0));
}

TEST_F(seq, trunc_tells_the_true_length)
{
	char buf[100];
	int flags;

	ASSERT_EQ(50000, seq_send(self->tx, 0, 50000, 0));
	ASSERT_EQ(20, seq_send(self->tx, 5, 20, 0));
	EXPECT_EQ(50000, seq_recv(self->rx, buf, 10, MSG_PEEK | MSG_TRUNC, &flags));
	EXPECT_EQ(MSG_TRUNC | self->eor, flags & ~MSG_PEEK);
	EXPECT_EQ(50000, recv(self->rx, NULL, 0, MSG_PEEK | MSG_TRUNC));
	memset(buf, 1, sizeof(buf));
	EXPECT_EQ(50000, seq_recv(self->rx, buf, 10, MSG_TRUNC, &flags));
	EXPECT_EQ(MSG_TRUNC | self->eor, flags);
	EXPECT_EQ(-1, pattern_wrong(buf, 10, 0));
	EXPECT_EQ(1, buf[10]);
	/* One that fits is copied, and not cut. */
	EXPECT_EQ(20, seq_recv(self->rx, buf, sizeof(buf), MSG_TRUNC, &flags));
	EXPECT_EQ(self->eor, flags);
	EXPECT_EQ(-1, pattern_wrong(buf, 20, 5));
}

/* Who has no room at all takes a record nevertheless. */
TEST_F(seq, receive_without_room)
{
	int flags;

	ASSERT_EQ(5, seq_send(self->tx, 0, 5, 0));
	ASSERT_EQ(0, seq_send(self->tx, 0, 0, 0));
	ASSERT_EQ(6, seq_send(self->tx, 0, 6, 0));
	EXPECT_EQ(0, seq_recv(self->rx, NULL, 0, 0, &flags));
	EXPECT_EQ(MSG_TRUNC | self->eor, flags);
	EXPECT_EQ(0, seq_recv(self->rx, NULL, 0, 0, &flags));
	EXPECT_EQ(self->eor, flags);
	EXPECT_EQ(6, seq_take(self->rx, 0, 6));
	EXPECT_ERR(EAGAIN, seq_recv(self->rx, NULL, 0, MSG_DONTWAIT, &flags));
}

TEST_F(seq, peek)
{
	char buf[20000];
	int flags, i;

	ASSERT_EQ(15000, seq_send(self->tx, 3, 15000, 0));
	ASSERT_EQ(9, seq_send(self->tx, 5, 9, 0));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(15000, seq_recv(self->rx, buf, sizeof(buf), MSG_PEEK, &flags));
		EXPECT_EQ(self->eor, flags & ~MSG_PEEK);
		EXPECT_EQ(-1, pattern_wrong(buf, 15000, 3));
		EXPECT_EQ(4, seq_recv(self->rx, buf, 4, MSG_PEEK, &flags));
		EXPECT_EQ(MSG_TRUNC | self->eor, flags & ~MSG_PEEK);
		EXPECT_EQ(0, seq_recv(self->rx, buf, 0, MSG_PEEK, &flags));
		EXPECT_EQ(MSG_TRUNC | self->eor, flags & ~MSG_PEEK);
	}
	EXPECT_EQ(15009, count_pending(self->rx, SIOCINQ));
	EXPECT_EQ(15000, seq_take(self->rx, 3, 15000));
	EXPECT_EQ(9, seq_take(self->rx, 5, 9));
	EXPECT_ERR(EAGAIN, seq_recv(self->rx, buf, 1, MSG_PEEK | MSG_DONTWAIT, &flags));
}

static long peek_blocks(struct task *t)
{
	char buf[8];

	return recv(t->fd, buf, sizeof(buf), MSG_PEEK);
}

TEST_F(seq, peek_waits)
{
	struct task t = { .fn = peek_blocks, .fd = self->rx };

	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_recvfrom));
	ASSERT_EQ(5, seq_send(self->tx, 0, 5, 0));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(5, t.ret);
	EXPECT_EQ(5, seq_take(self->rx, 0, 5));
}

/* A record is all there is to wait for. */
TEST_F(seq, waitall_and_lowat)
{
	char buf[100];
	int flags;

	ASSERT_EQ(10, seq_send(self->tx, 0, 10, 0));
	ASSERT_EQ(11, seq_send(self->tx, 0, 11, 0));
	EXPECT_EQ(10, seq_recv(self->rx, buf, sizeof(buf), MSG_WAITALL, &flags));
	EXPECT_EQ(11, seq_take(self->rx, 0, 11));

	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVLOWAT, 1000));
	EXPECT_EQ(1000, sock_int(self->rx, SOL_SOCKET, SO_RCVLOWAT));
	EXPECT_EQ(0, poll_events(self->rx, POLLIN, 0));
	ASSERT_EQ(10, seq_send(self->tx, 0, 10, 0));
	EXPECT_EQ(POLLIN, poll_events(self->rx, POLLIN, WAIT_MS));
	EXPECT_EQ(10, seq_take(self->rx, 0, 10));
}

TEST_F(seq, flags_of_send)
{
	static const int harmless[] = { MSG_EOR, MSG_MORE, MSG_DONTWAIT, MSG_DONTROUTE,
					MSG_CONFIRM, MSG_ZEROCOPY };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(harmless); i++)
		ASSERT_EQ(i + 1, seq_send(self->tx, i, i + 1, harmless[i]));
	for (i = 0; i < ARRAY_SIZE(harmless); i++)
		EXPECT_EQ(i + 1, seq_take(self->rx, i, i + 1));
	EXPECT_ERR(EOPNOTSUPP, seq_send(self->tx, 0, 5, MSG_OOB));
	EXPECT_EQ(0, poll_events(self->rx, POLLIN, 0));
}

TEST_F(seq, flags_of_recv)
{
	char buf[8];

	ASSERT_EQ(5, seq_send(self->tx, 0, 5, 0));
	EXPECT_ERR(EOPNOTSUPP, recv(self->rx, buf, sizeof(buf), MSG_OOB));
	if (!over_unix())
		EXPECT_ERR(EAGAIN, recv(self->rx, buf, sizeof(buf), MSG_ERRQUEUE));
	EXPECT_EQ(5, seq_take(self->rx, 0, 5));
}

enum { PIECES = 37 };

static size_t cut(struct iovec *iov, char *buf, size_t seed)
{
	size_t i, len = 0;

	for (i = 0; i < PIECES; i++) {
		iov[i].iov_base = buf + len;
		iov[i].iov_len = (i * 131 + seed) % 700;
		len += iov[i].iov_len;
	}
	return len;
}

TEST_F(seq, vectors)
{
	char out[PIECES * 700], in[PIECES * 700];
	struct iovec iov[PIECES], back[PIECES];
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = PIECES };
	struct msghdr ans = { .msg_iov = back, .msg_iovlen = PIECES };
	size_t len = cut(iov, out, 100);

	pattern_fill(out, len, 3);
	ASSERT_EQ(len, sendmsg(self->tx, &msg, 0));
	ASSERT_EQ(len, writev(self->tx, iov, PIECES));
	/* The room is cut in another way, and there is less of it. */
	ASSERT_GT(len, cut(back, in, 5));
	EXPECT_EQ(cut(back, in, 5), recvmsg(self->rx, &ans, 0));
	EXPECT_EQ(MSG_TRUNC | self->eor, ans.msg_flags);
	EXPECT_EQ(-1, pattern_wrong(in, cut(back, in, 5), 3));
	EXPECT_EQ(len, seq_take(self->rx, 3, len));
}

TEST_F(seq, many_in_one_call)
{
	struct mmsghdr out[8] = { }, in[16] = { };
	char obuf[8][100], ibuf[16][64];
	struct iovec oiov[8], iiov[16];
	int i;

	for (i = 0; i < 8; i++) {
		pattern_fill(obuf[i], 100, i);
		oiov[i] = (struct iovec){ obuf[i], i * 12 };
		out[i].msg_hdr = (struct msghdr){ .msg_iov = &oiov[i], .msg_iovlen = 1 };
	}
	for (i = 0; i < 16; i++) {
		iiov[i] = (struct iovec){ ibuf[i], sizeof(ibuf[i]) };
		in[i].msg_hdr = (struct msghdr){ .msg_iov = &iiov[i], .msg_iovlen = 1 };
	}
	ASSERT_EQ(8, sendmmsg(self->tx, out, 8, 0));
	ASSERT_EQ(8, recvmmsg(self->rx, in, 16, MSG_WAITFORONE, NULL));
	for (i = 0; i < 8; i++) {
		unsigned int len = i * 12 > 64 ? 64 : i * 12;

		EXPECT_EQ(i * 12, out[i].msg_len);
		EXPECT_EQ(len, in[i].msg_len);
		EXPECT_EQ(self->eor | (i * 12 > 64 ? MSG_TRUNC : 0), in[i].msg_hdr.msg_flags);
		EXPECT_EQ(-1, pattern_wrong(ibuf[i], len, i));
	}
}

/* What could not be copied from the program is no part of a record. */
TEST_F(seq, unmapped_source)
{
	static const size_t good[] = { 0, 1, 100, 5000, 40000 };
	char buf[40000];
	size_t i;
	int k;

	for (i = 0; i < 2 * ARRAY_SIZE(good); i++) {
		struct iovec iov[2] = { { buf, good[i / 2] }, { BAD_PTR, 100 } };
		struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

		/* with and without records before it */
		for (k = 0; k < (i & 1) * 3; k++)
			ASSERT_EQ(100 + k, seq_send(self->tx, i, 100 + k, 0));
		EXPECT_ERR(EFAULT, sendmsg(self->tx, &msg, 0));
		EXPECT_ERR(EFAULT, sendmsg(self->tx, &msg, 0));
		ASSERT_EQ(300, seq_send(self->tx, i, 300, 0));
		EXPECT_EQ((i & 1) * 303 + 300, count_pending(self->rx, SIOCINQ));
		for (k = 0; k < (i & 1) * 3; k++)
			EXPECT_EQ(100 + k, seq_take(self->rx, i, 100 + k));
		EXPECT_EQ(300, seq_take(self->rx, i, 300));
		EXPECT_EQ(0, poll_events(self->rx, POLLIN, 0));
	}
}

/* A record that could not be copied to the program is still there. AF_UNIX has lost it. */
TEST_F(seq, unmapped_destination)
{
	static const size_t good[] = { 0, 1, 100, 5000, 39999 };
	static char buf[40000];
	size_t i;

	if (over_unix())
		SKIP(return, "AF_UNIX drops what it cannot copy");
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		struct iovec iov[2] = { { buf, good[i] }, { BAD_PTR, 100 } };
		struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

		ASSERT_EQ(40000, seq_send(self->tx, i, 40000, 0));
		EXPECT_ERR(EFAULT, recvmsg(self->rx, &msg, 0));
		EXPECT_ERR(EFAULT, recvmsg(self->rx, &msg, MSG_PEEK));
		EXPECT_EQ(40000, count_pending(self->rx, SIOCINQ));
		EXPECT_EQ(40000, seq_take(self->rx, i, 40000));
	}
}

TEST_F(seq, counts)
{
	ASSERT_EQ(100, seq_send(self->tx, 0, 100, 0));
	ASSERT_EQ(0, seq_send(self->tx, 0, 0, 0));
	ASSERT_EQ(30000, seq_send(self->tx, 0, 30000, 0));
	EXPECT_EQ(30100, count_pending(self->rx, SIOCINQ));
	if (!over_unix())
		EXPECT_EQ(30100 + 3 * SEQ_HEAD, count_pending(self->tx, SIOCOUTQ));
	EXPECT_EQ(0, count_pending(self->tx, SIOCINQ));
	EXPECT_EQ(0, count_pending(self->rx, SIOCOUTQ));
	EXPECT_EQ(100, seq_take(self->rx, 0, 100));
	EXPECT_EQ(0, seq_take(self->rx, 0, 0));
	EXPECT_EQ(30000, count_pending(self->rx, SIOCINQ));
	EXPECT_EQ(30000, seq_take(self->rx, 0, 30000));
	EXPECT_EQ(0, count_pending(self->rx, SIOCINQ));
	EXPECT_EQ(0, count_pending(self->tx, SIOCOUTQ));
}

TEST_F(seq, read_and_write)
{
	char buf[16];

	EXPECT_EQ(5, write(self->tx, "hello", 5));
	EXPECT_EQ(6, write(self->tx, "world!", 6));
	EXPECT_EQ(3, read(self->rx, buf, 3));
	EXPECT_EQ(6, read(self->rx, buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(buf, "world!", 6));
}

static int pattern_file(size_t len)
{
	int fd = memfd_create("records", 0);
	char *buf = malloc(len);

	pattern_fill(buf, len, 0);
	if (pwrite(fd, buf, len, 0) != (ssize_t)len) {
		close(fd);
		fd = -1;
	}
	free(buf);
	return fd;
}

/* How a file is cut is the kernel's business; its bytes arrive, in whole records. */
TEST_F(seq, sendfile)
{
	size_t len = 3 * 4096 + 100, got = 0;
	int flags, fd = pattern_file(len);
	char buf[65536];
	long n;

	ASSERT_OK(fd);
	ASSERT_EQ(len, sendfile(self->tx, fd, NULL, len));
	while (got < len) {
		n = seq_recv(self->rx, buf, sizeof(buf), 0, &flags);
		ASSERT_LT(0, n);
		ASSERT_EQ(self->eor, flags);
		ASSERT_EQ(-1, pattern_wrong(buf, n, got));
		got += n;
	}
	EXPECT_EQ(len, got);
	EXPECT_EQ(0, poll_events(self->rx, POLLIN, 0));
	close(fd);
}

TEST_F(seq, splice)
{
	char buf[8000];
	int p[2];

	ASSERT_OK(pipe(p));
	ASSERT_EQ(5000, seq_send(self->tx, 0, 5000, 0));
	ASSERT_EQ(3, seq_send(self->tx, 0, 3, 0));
	/* One record at a time, as far as it fits. */
	ASSERT_EQ(5000, splice(self->rx, NULL, p[1], NULL, 20000, 0));
	EXPECT_EQ(5000, read(p[0], buf, sizeof(buf)));
	EXPECT_EQ(-1, pattern_wrong(buf, 5000, 0));
	ASSERT_EQ(2, splice(self->rx, NULL, p[1], NULL, 2, 0));
	EXPECT_EQ(2, read(p[0], buf, sizeof(buf)));
	EXPECT_EQ(0, poll_events(self->rx, POLLIN, 0));
	ASSERT_EQ(7, write(p[1], "records", 7));
	ASSERT_EQ(7, splice(p[0], NULL, self->tx, NULL, 100, 0));
	EXPECT_EQ(7, recv(self->rx, buf, sizeof(buf), 0));
	EXPECT_EQ(0, memcmp(buf, "records", 7));
	close(p[0]);
	close(p[1]);
}

/* Two tasks, one socket each way of waiting: records that come late. */
static long recv_blocks(struct task *t)
{
	return seq_take(t->fd, t->number, t->number);
}

TEST_F(seq, receive_waits)
{
	struct task t = { .fn = recv_blocks, .fd = self->rx };
	size_t len;

	for (len = 1; len < 100000; len *= 10) {
		t.number = len;
		ASSERT_OK(task_start(&t));
		ASSERT_OK(task_blocked(&t, SYS_recvmsg));
		ASSERT_EQ(len, seq_send(self->tx, len, len, 0));
		ASSERT_OK(task_join(&t));
		EXPECT_EQ(len, t.ret);
	}
	/* So does an empty one. */
	t.number = 0;
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_recvmsg));
	ASSERT_EQ(0, seq_send(self->tx, 0, 0, 0));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(0, t.ret);
}

TEST_F(seq, receive_timeout)
{
	int64_t start = now_ms();
	char c;

	ASSERT_OK(sock_timeout(self->rx, SO_RCVTIMEO, 60));
	EXPECT_ERR(EAGAIN, recv(self->rx, &c, 1, 0));
	EXPECT_LE(60 - TICK_SLACK_MS, now_ms() - start);
	EXPECT_ERR(EAGAIN, recv(self->rx, &c, 1, MSG_PEEK));
	EXPECT_ERR(EAGAIN, recv(self->rx, &c, 0, 0));
}

TEST_F(seq, options)
{
	int nodelay = 1;

	if (over_unix())
		SKIP(return, "AF_UNIX has other options");
	EXPECT_EQ(SOCK_SEQPACKET, sock_int(self->rx, SOL_SOCKET, SO_TYPE));
	EXPECT_EQ(variant->door->af, sock_int(self->rx, SOL_SOCKET, SO_DOMAIN));
	EXPECT_EQ(IPPROTO_NEWPROTO, sock_int(self->rx, SOL_SOCKET, SO_PROTOCOL));
	EXPECT_ERR(ENOPROTOOPT, setsockopt(self->tx, IPPROTO_TCP, TCP_NODELAY, &nodelay,
					   sizeof(nodelay)));
	EXPECT_ERR(ENOPROTOOPT, sock_int(self->tx, IPPROTO_TCP, TCP_NODELAY));
	EXPECT_ERR(ENOPROTOOPT, sock_int(self->tx, IPPROTO_TCP, TCP_INFO));
	EXPECT_ERR(ENOPROTOOPT, sock_int(self->tx, IPPROTO_TCP, TCP_CONGESTION));
	EXPECT_ERR(EOPNOTSUPP, sock_set(self->tx, SOL_SOCKET, SO_PEEK_OFF, 0));
	if (variant->door->af == AF_INET) {
		EXPECT_OK(sock_set(self->tx, IPPROTO_IP, IP_TOS, 0x10));
		EXPECT_EQ(0x10, sock_int(self->tx, IPPROTO_IP, IP_TOS));
	} else {
		EXPECT_OK(sock_set(self->tx, IPPROTO_IPV6, IPV6_TCLASS, 0x10));
		EXPECT_EQ(0x10, sock_int(self->tx, IPPROTO_IPV6, IPV6_TCLASS));
	}
}

TEST_HARNESS_MAIN
