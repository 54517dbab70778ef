// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every way of sending meets every way of receiving: the bytes arrive, in
 * order, and the flags do what their man pages say.
 */
#include <kselftest_harness.h>

#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "common.h"

FIXTURE(data) {
	int tx;
	int rx;
};

DOOR_FIXTURE_ALL(data);

FIXTURE_SETUP(data)
{
	int sv[2];

	ASSERT_OK(door_connected(variant->door, sv));
	self->tx = sv[0];
	self->rx = sv[1];
	sock_timeout(self->rx, SO_RCVTIMEO, WAIT_MS);
}

FIXTURE_TEARDOWN(data)
{
	close(self->tx);
	close(self->rx);
}

/* Reads to the end of the buffer; the streams' bytes are checked by the caller. */
static ssize_t read_all(int fd, void *buf, size_t len)
{
	return recv(fd, buf, len, MSG_WAITALL);
}

TEST_F(data, both_ways)
{
	char buf[64];

	EXPECT_EQ(5, send(self->tx, "hello", 5, 0));
	EXPECT_EQ(5, read_all(self->rx, buf, 5));
	EXPECT_EQ(0, memcmp(buf, "hello", 5));
	EXPECT_EQ(5, send(self->rx, "world", 5, 0));
	EXPECT_EQ(5, read_all(self->tx, buf, 5));
	EXPECT_EQ(0, memcmp(buf, "world", 5));
}

/* The bytes of one call may be read by many and the other way round. */
TEST_F(data, no_boundaries)
{
	char buf[16];
	int i;

	for (i = 0; i < 8; i++)
		ASSERT_EQ(1, send(self->tx, &"abcdefgh"[i], 1, 0));
	EXPECT_EQ(8, read_all(self->rx, buf, 8));
	EXPECT_EQ(0, memcmp(buf, "abcdefgh", 8));

	ASSERT_EQ(8, send(self->tx, "ijklmnop", 8, 0));
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(1, recv(self->rx, buf, 1, 0));
		EXPECT_EQ("ijklmnop"[i], buf[0]);
	}
	EXPECT_ERR(EAGAIN, recv(self->rx, buf, 1, MSG_DONTWAIT));
}

TEST_F(data, zero_length_sends_nothing)
{
	char buf[4];

	EXPECT_EQ(0, send(self->tx, buf, 0, 0));
	EXPECT_EQ(0, write(self->tx, buf, 0));
	EXPECT_ERR(EAGAIN, recv(self->rx, buf, 4, MSG_DONTWAIT));
	EXPECT_EQ(1, send(self->tx, "x", 1, 0));
	EXPECT_EQ(1, read_all(self->rx, buf, 1));
}

TEST_F(data, zero_length_recv_takes_nothing)
{
	char buf[4];

	ASSERT_EQ(4, send(self->tx, "abcd", 4, 0));
	ASSERT_EQ(POLLIN, poll_events(self->rx, POLLIN, WAIT_MS));
	EXPECT_EQ(0, recv(self->rx, buf, 0, 0));
	EXPECT_EQ(0, read(self->rx, buf, 0));
	EXPECT_EQ(4, read_all(self->rx, buf, 4));
	EXPECT_EQ(0, memcmp(buf, "abcd", 4));
}

TEST_F(data, peek_leaves_the_bytes)
{
	char buf[8];

	ASSERT_EQ(4, send(self->tx, "abcd", 4, 0));
	EXPECT_EQ(4, recv(self->rx, buf, 4, MSG_PEEK | MSG_WAITALL));
	EXPECT_EQ(2, recv(self->rx, buf, 2, MSG_PEEK));
	EXPECT_EQ(0, memcmp(buf, "ab", 2));
	EXPECT_EQ(1, recv(self->rx, buf, 1, 0));
	EXPECT_EQ(3, recv(self->rx, buf, 8, MSG_PEEK));
	EXPECT_EQ(0, memcmp(buf, "bcd", 3));
	EXPECT_EQ(3, recv(self->rx, buf, 8, 0));
	EXPECT_EQ(0, memcmp(buf, "bcd", 3));
	EXPECT_ERR(EAGAIN, recv(self->rx, buf, 1, MSG_PEEK | MSG_DONTWAIT));
}

/* Peeking over more than one page, across the writes' edges. */
TEST_F(data, peek_large)
{
	static char buf[20000];

	ASSERT_OK(write_all(self->tx, 0, 20000));
	ASSERT_EQ(20000, recv(self->rx, buf, 20000, MSG_PEEK | MSG_WAITALL));
	EXPECT_EQ(-1, pattern_wrong(buf, 20000, 0));
	EXPECT_EQ(7000, read_all(self->rx, buf, 7000));
	EXPECT_EQ(13000, recv(self->rx, buf, 20000, MSG_PEEK));
	EXPECT_EQ(-1, pattern_wrong(buf, 13000, 7000));
	EXPECT_EQ(13000, drain_socket(self->rx, 7000, 13000));
}

static long recv_waitall(struct task *t)
{
	return recv(t->fd, t->arg, 8, MSG_WAITALL);
}

TEST_F(data, waitall_waits_for_all)
{
	char buf[8];
	struct task t = { .fn = recv_waitall, .fd = self->rx, .arg = buf };

	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_recvfrom));
	ASSERT_EQ(3, send(self->tx, "abc", 3, 0));
	ASSERT_OK(task_blocked(&t, SYS_recvfrom));
	EXPECT_TRUE(task_running(&t));
	ASSERT_EQ(5, send(self->tx, "defgh", 5, 0));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(8, t.ret);
	EXPECT_EQ(0, memcmp(buf, "abcdefgh", 8));
}

TEST_F(data, waitall_ends_with_the_stream)
{
	char buf[8];
	struct task t = { .fn = recv_waitall, .fd = self->rx, .arg = buf };

	ASSERT_OK(task_start(&t));
	ASSERT_EQ(3, send(self->tx, "abc", 3, 0));
	ASSERT_OK(shutdown(self->tx, SHUT_WR));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(3, t.ret);
	EXPECT_EQ(0, recv(self->rx, buf, 8, 0));
}

TEST_F(data, waitall_gives_what_came_before_the_timeout)
{
	char buf[8];

	ASSERT_OK(sock_timeout(self->rx, SO_RCVTIMEO, 50));
	ASSERT_EQ(3, send(self->tx, "abc", 3, 0));
	EXPECT_EQ(3, recv(self->rx, buf, 8, MSG_WAITALL));
	EXPECT_ERR(EAGAIN, recv(self->rx, buf, 8, MSG_WAITALL));
}

/* Bytes a receiver has no use for: MSG_TRUNC throws them away. */
TEST_F(data, trunc_discards)
{
	char buf[8] = "........";

	ASSERT_EQ(8, send(self->tx, "abcdefgh", 8, 0));
	ASSERT_EQ(POLLIN, poll_events(self->rx, POLLIN, WAIT_MS));
	EXPECT_EQ(3, recv(self->rx, buf, 3, MSG_TRUNC));
	EXPECT_EQ(0, memcmp(buf, "........", 8));
	EXPECT_EQ(2, recv(self->rx, NULL, 2, MSG_TRUNC));
	EXPECT_EQ(3, recv(self->rx, buf, 8, 0));
	EXPECT_EQ(0, memcmp(buf, "fgh", 3));
}

/* Corked or not, the receiver sees every byte in the end. */
TEST_F(data, more_keeps_nothing_back)
{
	char buf[8];

	ASSERT_EQ(3, send(self->tx, "abc", 3, MSG_MORE));
	ASSERT_EQ(3, send(self->tx, "def", 3, 0));
	EXPECT_EQ(6, read_all(self->rx, buf, 6));
	EXPECT_EQ(0, memcmp(buf, "abcdef", 6));

	ASSERT_EQ(2, send(self->tx, "gh", 2, MSG_MORE));
	ASSERT_OK(shutdown(self->tx, SHUT_WR));
	EXPECT_EQ(2, recv(self->rx, buf, 8, MSG_WAITALL));
	EXPECT_EQ(0, memcmp(buf, "gh", 2));
}

TEST_F(data, oob_is_refused)
{
	char buf[8];

	if (over_tcp())
		SKIP(return, "TCP has urgent data");
	EXPECT_ERR(EOPNOTSUPP, send(self->tx, "x", 1, MSG_OOB));
	EXPECT_ERR(EINVAL, recv(self->rx, buf, 1, MSG_OOB));
	EXPECT_ERR(EAGAIN, recv(self->rx, buf, 8, MSG_DONTWAIT));
}

TEST_F(data, iovecs)
{
	static char out[10000], in[10000];
	struct iovec o[5], i[4];
	size_t cut[] = { 0, 1, 4096, 4097, 9000, 10000 };
	size_t rcut[] = { 0, 3000, 3000, 8191, 10000 };
	size_t k;

	pattern_fill(out, sizeof(out), 0);
	for (k = 0; k < 5; k++)
		o[k] = (struct iovec){ out + cut[k], cut[k + 1] - cut[k] };
	for (k = 0; k < 4; k++)
		i[k] = (struct iovec){ in + rcut[k], rcut[k + 1] - rcut[k] };
	ASSERT_EQ(10000, writev(self->tx, o, 5));
	ASSERT_EQ(10000, recv(self->rx, in, 10000, MSG_PEEK | MSG_WAITALL));
	memset(in, 0, sizeof(in));
	EXPECT_EQ(10000, readv(self->rx, i, 4));
	EXPECT_EQ(-1, pattern_wrong(in, sizeof(in), 0));
}

TEST_F(data, sendmsg_recvmsg)
{
	char a[3], b[5];
	struct iovec o[2] = { { "abc", 3 }, { "defgh", 5 } };
	struct iovec i[2] = { { a, 3 }, { b, 5 } };
	struct msghdr tx = { .msg_iov = o, .msg_iovlen = 2 };
	union addr name;
	char control[64];
	struct msghdr rx = {
		.msg_iov = i, .msg_iovlen = 2, .msg_name = &name, .msg_namelen = sizeof(name),
		.msg_control = control, .msg_controllen = sizeof(control), .msg_flags = -1,
	};

	ASSERT_EQ(8, sendmsg(self->tx, &tx, 0));
	ASSERT_EQ(8, recvmsg(self->rx, &rx, MSG_WAITALL));
	EXPECT_EQ(0, memcmp(a, "abc", 3));
	EXPECT_EQ(0, memcmp(b, "defgh", 5));
	EXPECT_EQ(0, rx.msg_flags & (MSG_TRUNC | MSG_CTRUNC | MSG_OOB | MSG_EOR));
	EXPECT_EQ(0, rx.msg_controllen);
	EXPECT_EQ(0, rx.msg_namelen);
}

TEST_F(data, cmsg_cloexec_flag_is_given_back)
{
	char a[4];
	struct iovec i = { a, 4 };
	struct msghdr rx = { .msg_iov = &i, .msg_iovlen = 1 };

	ASSERT_EQ(4, send(self->tx, "abcd", 4, 0));
	ASSERT_EQ(4, recvmsg(self->rx, &rx, MSG_CMSG_CLOEXEC | MSG_WAITALL));
	EXPECT_EQ(0, rx.msg_flags & ~MSG_CMSG_CLOEXEC);
}

TEST_F(data, sendmmsg_recvmmsg)
{
	char text[4][4] = { "abcd", "efgh", "ijkl", "mnop" }, in[4][4];
	struct mmsghdr tx[4] = { }, rx[4] = { };
	struct iovec o[4], i[4];
	int k;

	for (k = 0; k < 4; k++) {
		o[k] = (struct iovec){ text[k], 4 };
		i[k] = (struct iovec){ in[k], 4 };
		tx[k].msg_hdr = (struct msghdr){ .msg_iov = &o[k], .msg_iovlen = 1 };
		rx[k].msg_hdr = (struct msghdr){ .msg_iov = &i[k], .msg_iovlen = 1 };
	}
	ASSERT_EQ(4, sendmmsg(self->tx, tx, 4, 0));
	EXPECT_EQ(4, tx[3].msg_len);
	ASSERT_EQ(16, recv(self->rx, in, 16, MSG_PEEK | MSG_WAITALL));
	memset(in, 0, sizeof(in));
	ASSERT_EQ(4, recvmmsg(self->rx, rx, 4, 0, NULL));
	EXPECT_EQ(4, rx[3].msg_len);
	EXPECT_EQ(0, memcmp(in, text, 16));
}

/* With MSG_WAITFORONE the rest of the vector does not wait. */
TEST_F(data, recvmmsg_waitforone)
{
	char in[3][4];
	struct mmsghdr rx[3] = { };
	struct iovec i[3];
	int k;

	for (k = 0; k < 3; k++) {
		i[k] = (struct iovec){ in[k], 4 };
		rx[k].msg_hdr = (struct msghdr){ .msg_iov = &i[k], .msg_iovlen = 1 };
	}
	ASSERT_EQ(4, send(self->tx, "abcd", 4, 0));
	EXPECT_EQ(1, recvmmsg(self->rx, rx, 3, MSG_WAITFORONE, NULL));
}

/* Whole pages, parts of pages and the ends of both, through a pipe. */
TEST_F(data, splice_through)
{
	static char out[50000];
	size_t sent = 0, got = 0;
	int p[2], q[2];

	pattern_fill(out, sizeof(out), 0);
	ASSERT_OK(pipe(p));
	ASSERT_OK(pipe(q));
	while (got < sizeof(out)) {
		size_t step = sizeof(out) - sent < 9000 ? sizeof(out) - sent : 9000;
		ssize_t n;

		ASSERT_EQ(step, write(p[1], out + sent, step));
		for (n = 0; n < step;) {
			ssize_t k = splice(p[0], NULL, self->tx, NULL, step - n, SPLICE_F_MOVE);

			ASSERT_LT(0, k);
			n += k;
		}
		sent += step;
		while (got < sent) {
			static char in[9000];

			n = splice(self->rx, NULL, q[1], NULL, sent - got, SPLICE_F_MOVE);
			ASSERT_LT(0, n);
			ASSERT_EQ(n, read(q[0], in, n));
			ASSERT_EQ(-1, pattern_wrong(in, n, got));
			got += n;
		}
	}
	ASSERT_OK(shutdown(self->tx, SHUT_WR));
	EXPECT_EQ(0, splice(self->rx, NULL, q[1], NULL, 1, 0));
}

/* Bytes that were spliced out must not change when the buffers are used again. */
TEST_F(data, spliced_pages_are_stable)
{
	static char in[16384];
	int q[2];
	ssize_t n, m;

	ASSERT_OK(pipe(q));
	ASSERT_OK(write_all(self->tx, 0, sizeof(in)));
	ASSERT_EQ(sizeof(in), recv(self->rx, in, sizeof(in), MSG_PEEK | MSG_WAITALL));
	n = splice(self->rx, NULL, q[1], NULL, sizeof(in), 0);
	ASSERT_LT(0, n);
	drain_socket(self->rx, n, sizeof(in) - n);

	/* the sender overwrites whatever it may overwrite */
	ASSERT_OK(write_all(self->tx, 777, sizeof(in)));
	ASSERT_EQ(sizeof(in), drain_socket(self->rx, 777, sizeof(in)));
	m = read(q[0], in, n);
	ASSERT_EQ(n, m);
	EXPECT_EQ(-1, pattern_wrong(in, m, 0));
}

static int scratch_file(size_t len)
{
	int fd = memfd_create("newproto", MFD_CLOEXEC);
	char buf[4096];
	size_t at;

	for (at = 0; fd >= 0 && at < len; at += sizeof(buf)) {
		size_t step = len - at < sizeof(buf) ? len - at : sizeof(buf);

		pattern_fill(buf, step, at);
		if (write(fd, buf, step) != step)
			return -1;
	}
	return fd;
}

TEST_F(data, sendfile)
{
	off_t off = 0;
	size_t got = 0;
	int file = scratch_file(100001);

	ASSERT_OK(file);
	while (off < 100001) {
		ssize_t n = sendfile(self->tx, file, &off, 30000);

		ASSERT_LT(0, n);
		ASSERT_EQ(n, drain_socket(self->rx, got, n));
		got += n;
	}
	EXPECT_EQ(0, sendfile(self->tx, file, &off, 1000));
	EXPECT_EQ(100001, got);
}

static long sendfile_all(struct task *t)
{
	off_t off = 0;

	while (off < t->number)
		if (sendfile(t->fd, *(int *)t->arg, &off, t->number - off) <= 0)
			return -1;
	return off;
}

/* More than fits: the sender waits for the reader, who loses nothing. */
TEST_F(data, sendfile_larger_than_the_buffers)
{
	int file = scratch_file(1500000);
	struct task t = { .fn = sendfile_all, .fd = self->tx, .arg = &file, .number = 1500000 };

	ASSERT_OK(file);
	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 65536));
	ASSERT_OK(task_start(&t));
	EXPECT_EQ(1500000, drain_socket(self->rx, 0, 1500000));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(1500000, t.ret);
}

static long send_all(struct task *t)
{
	return write_all(t->fd, 0, t->number);
}

TEST_F(data, one_large_send)
{
	struct task t = { .fn = send_all, .fd = self->tx, .number = 3000000 };

	ASSERT_OK(task_start(&t));
	EXPECT_EQ(3000000, drain_socket(self->rx, 0, 3000000));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(0, t.ret);
}

TEST_F(data, ends_with_eof)
{
	char buf[8];

	ASSERT_EQ(4, send(self->tx, "abcd", 4, 0));
	ASSERT_OK(shutdown(self->tx, SHUT_WR));
	EXPECT_EQ(4, recv(self->rx, buf, 8, MSG_WAITALL));
	EXPECT_EQ(0, recv(self->rx, buf, 8, 0));
	EXPECT_EQ(0, recv(self->rx, buf, 8, MSG_PEEK));
	EXPECT_EQ(0, read(self->rx, buf, 8));
	/* the other half lives on */
	EXPECT_EQ(4, send(self->rx, "efgh", 4, 0));
	EXPECT_EQ(4, read_all(self->tx, buf, 4));
}

TEST_F(data, close_delivers_what_was_sent)
{
	char buf[8];

	ASSERT_EQ(4, send(self->tx, "abcd", 4, 0));
	ASSERT_OK(close(self->tx));
	EXPECT_EQ(4, recv(self->rx, buf, 8, MSG_WAITALL));
	EXPECT_EQ(0, recv(self->rx, buf, 8, 0));
}

/* The receiver is told what its sender lost. */
TEST_F(data, close_with_unread_data_resets)
{
	char buf[8];

	ASSERT_EQ(4, send(self->tx, "abcd", 4, 0));
	ASSERT_EQ(POLLIN, poll_events(self->rx, POLLIN, WAIT_MS));
	ASSERT_OK(close(self->rx));
	ASSERT_TRUE(poll_events(self->tx, 0, WAIT_MS) & POLLERR);
	EXPECT_ERR(ECONNRESET, recv(self->tx, buf, 8, 0));
	EXPECT_EQ(0, recv(self->tx, buf, 8, 0));
	EXPECT_ERR(EPIPE, send(self->tx, "x", 1, MSG_NOSIGNAL));
}

TEST_F(data, socketpair)
{
	union addr a, b;
	socklen_t alen = sizeof(a), blen = sizeof(b);
	char buf[8];
	int sv[2];

	if (over_tcp())
		SKIP(return, "TCP has no socketpair");
	ASSERT_OK(socketpair(door_domain(variant->door), SOCK_STREAM | SOCK_NONBLOCK,
			     door_protocol(variant->door), sv));
	EXPECT_TRUE(fcntl(sv[1], F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(4, send(sv[0], "abcd", 4, 0));
	EXPECT_EQ(4, recv(sv[1], buf, 8, 0));
	EXPECT_EQ(2, send(sv[1], "xy", 2, 0));
	EXPECT_EQ(2, recv(sv[0], buf, 8, 0));

	ASSERT_OK(getsockname(sv[0], &a.sa, &alen));
	ASSERT_OK(getpeername(sv[1], &b.sa, &blen));
	EXPECT_EQ(alen, blen);
	EXPECT_EQ(0, memcmp(&a, &b, alen));
	EXPECT_NE(0, addr_port(&a));
	EXPECT_NE(sock_port(sv[0]), sock_port(sv[1]));
	close(sv[0]);
	EXPECT_EQ(0, recv(sv[1], buf, 8, 0));
	close(sv[1]);
}

TEST_HARNESS_MAIN
