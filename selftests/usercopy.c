// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copies between a program and the kernel that fail in the middle: buffers that end at
 * a page which is not there, at the first byte, at the borders of pages and of the
 * kernel's own buffers, and in any piece of several; bad addresses, control messages,
 * lengths and options. What a send has reported is what the reader gets, in order and
 * once; a receive takes what it has reported and leaves the rest; a record or datagram
 * is whole or absent. TCP, UDP and AF_UNIX are the oracles.
 */
#include <kselftest_harness.h>

#include <sys/mman.h>
#include <sys/uio.h>

#include "dgramlib.h"
#include "faultlib.h"
#include "seqlib.h"

#define AREA		0x100000	/* memory before a page that is not there */
#define ROOM		400000		/* what sockets hold: a send does not wait */
#define LONG_TEST	120

/* Who ends where: pages, chunks of the kernel's, and in between. */
static const size_t holes[] = {
	0, 1, 100, 991, 1000, 1008, 1024, 4095, 4096, 4097, 8192, 12289, 32767, 32768, 32769,
	65536, 70001,
};

/* What was sent before, and is not read yet. */
static const size_t before[] = { 0, 1, 4096, 33000 };

enum memory { TX, RX, MEMORIES };

static char *area[MEMORIES];

/* Memory of @len bytes, and none behind it. */
static void *edge(enum memory which, size_t len)
{
	if (!area[which]) {
		area[which] = mmap(NULL, AREA + 4096, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		/* Once a page that may not be looked at, once none at all. */
		if (which == TX)
			mprotect(area[which] + AREA, 4096, PROT_NONE);
		else
			munmap(area[which] + AREA, 4096);
	}
	return area[which] + AREA - len;
}

FIXTURE(copy) {
	const struct door *door;
	bool records;
	int sv[2];
};

SEQ_FIXTURE(copy);
FIXTURE_VARIANT_ADD(copy, seqpair) { .door = &door_seqpair };
FIXTURE_VARIANT_ADD(copy, family4) { .door = &door_family4 };
FIXTURE_VARIANT_ADD(copy, inet6) { .door = &door_inet6 };

/* A connection that takes much. */
static int make_pair(const struct door *d, int sv[2])
{
	int i, err;

	err = d->type ? seq_pair(d, sv) : door_connected(d, sv);
	for (i = 0; !err && i < 2; i++) {
		sock_set(sv[i], SOL_SOCKET, SO_SNDBUFFORCE, ROOM);
		sock_set(sv[i], SOL_SOCKET, SO_RCVBUFFORCE, ROOM);
	}
	return err;
}

FIXTURE_SETUP(copy)
{
	self->door = variant->door;
	self->records = variant->door->type != 0;
	if (over_tcp() && self->records)
		SKIP(_exit(255), "TCP has no records");
	if (over_unix() && !self->records)
		SKIP(_exit(255), "AF_UNIX is an oracle for records");
	ASSERT_OK(make_pair(self->door, self->sv));
}

FIXTURE_TEARDOWN(copy)
{
	close(self->sv[0]);
	close(self->sv[1]);
}

/* --- sending ---------------------------------------------------------------------- */

enum tx { TX_SEND, TX_SENDTO, TX_WRITE, TX_SENDMSG, TX_WRITEV, TX_SENDMMSG, TX_CALLS };

static const char *const tx_names[TX_CALLS] = {
	"send", "sendto", "write", "sendmsg", "writev", "sendmmsg",
};

/* The first three take one piece. */
static int tx_pieces(enum tx call)
{
	return call < TX_SENDMSG ? 1 : 3;
}

static long tx(enum tx call, int fd, struct iovec *iov, int n)
{
	struct mmsghdr m = { .msg_hdr = { .msg_iov = iov, .msg_iovlen = n } };
	int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	long ret;

	switch (call) {
	case TX_SEND:
		return send(fd, iov->iov_base, iov->iov_len, flags);
	case TX_SENDTO:
		return sendto(fd, iov->iov_base, iov->iov_len, flags, NULL, 0);
	case TX_WRITE:
		return write(fd, iov->iov_base, iov->iov_len);
	case TX_SENDMSG:
		return sendmsg(fd, &m.msg_hdr, flags);
	case TX_WRITEV:
		return writev(fd, iov, n);
	default:
		ret = sendmmsg(fd, &m, 1, flags);
		return ret == 1 ? (long)m.msg_len : ret;
	}
}

/* @len bytes, and @beyond that are not there, in so many pieces. */
static void split(struct iovec *iov, int pieces, char *p, size_t len, size_t beyond)
{
	size_t first = pieces > 1 ? len / 3 : 0, second = pieces > 1 ? len / 2 : 0;

	if (pieces == 1) {
		iov[0] = (struct iovec){ p, len + beyond };
		return;
	}
	second -= first;
	iov[0] = (struct iovec){ p, first };
	iov[1] = (struct iovec){ p + first, second };
	iov[2] = (struct iovec){ p + first + second, len - first - second + beyond };
}

/* Has the end that reads these bytes next, and then nothing? */
static int has_bytes(int fd, size_t pos, size_t len)
{
	static char buf[ROOM];
	size_t got = 0;
	long n;
	char c;

	/* A record has to be taken at once. */
	while (got < len && poll_events(fd, POLLIN, WAIT_MS / 4) & POLLIN) {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n <= 0 || pattern_wrong(buf, n, pos + got) >= 0)
			break;
		got += n;
	}
	if (got != len) {
		fprintf(stderr, "# %zu bytes from %zu on should be there: %zu are\n", len, pos,
			got);
		return -1;
	}
	if (recv(fd, &c, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN) {
		fprintf(stderr, "# there is more than was sent\n");
		return -1;
	}
	return 0;
}

/* TCP may report less than was there; what it reports counts. */
static bool fair(long ret, int err, size_t hole)
{
	if (ret < 0)
		return err == EFAULT && (!hole || over_tcp());
	return ret <= (long)hole && (over_tcp() || ret == (long)hole);
}

/* A stream: some bytes, then a send that fails at a hole, then others. */
static void check_tx_stream(struct __test_metadata *_metadata, const int *sv, enum tx call,
			    size_t first, size_t hole)
{
	size_t pos = first;
	struct iovec iov[3];
	long ret;

	ASSERT_OK(write_all(sv[0], 0, first));
	pattern_fill(edge(TX, hole), hole, pos);
	split(iov, tx_pieces(call), edge(TX, hole), hole, 5000);
	ret = tx(call, sv[0], iov, tx_pieces(call));
	EXPECT_TRUE(fair(ret, errno, hole))
		TH_LOG("%s, %zu bytes, then a hole: %ld, %s", tx_names[call], hole, ret,
		       strerror(errno));
	pos += ret > 0 ? ret : 0;
	/* Read what there is, for the next write to find an empty buffer, or do not. */
	if (hole % 2) {
		EXPECT_OK(has_bytes(sv[1], 0, pos));
		EXPECT_OK(write_all(sv[0], pos, 50000));
		EXPECT_OK(has_bytes(sv[1], pos, 50000));
		return;
	}
	EXPECT_OK(write_all(sv[0], pos, 50000));
	EXPECT_OK(has_bytes(sv[1], 0, pos + 50000));
}

/* Records: one before it, none or all of it, one after it. */
static void check_tx_record(struct __test_metadata *_metadata, const int *sv, enum tx call,
			    size_t first, size_t hole)
{
	struct iovec iov[3];
	long ret;

	EXPECT_EQ(first, seq_send(sv[0], 0, first, MSG_DONTWAIT));
	split(iov, tx_pieces(call), edge(TX, hole), hole, 5000);
	ret = tx(call, sv[0], iov, tx_pieces(call));
	EXPECT_EQ(-1, ret);
	EXPECT_EQ(EFAULT, errno);
	if (hole % 2)
		EXPECT_EQ(first, seq_take(sv[1], 0, first));
	EXPECT_EQ(50000, seq_send(sv[0], 7, 50000, MSG_DONTWAIT));
	if (hole % 2 == 0)
		EXPECT_EQ(first, seq_take(sv[1], 0, first));
	EXPECT_EQ(50000, seq_take(sv[1], 7, 50000));
	EXPECT_ERR(EAGAIN, recv(sv[1], &ret, 1, MSG_DONTWAIT));
}

TEST_F_TIMEOUT(copy, every_send_at_every_hole, LONG_TEST)
{
	int h, b, n = 0;
	enum tx call;

	for (h = 0; h < ARRAY_SIZE(holes); h++) {
		for (b = 0; b < ARRAY_SIZE(before); b++) {
			call = n++ % TX_CALLS;
			if (self->records)
				check_tx_record(_metadata, self->sv, call, before[b], holes[h]);
			else
				check_tx_stream(_metadata, self->sv, call, before[b], holes[h]);
		}
		/* On a connection that has no buffer yet. */
		for (call = 0; call < TX_CALLS; call++) {
			close(self->sv[0]);
			close(self->sv[1]);
			ASSERT_OK(make_pair(self->door, self->sv));
			if (self->records)
				check_tx_record(_metadata, self->sv, call, 0, holes[h]);
			else
				check_tx_stream(_metadata, self->sv, call, 0, holes[h]);
		}
	}
}

/* A piece in the middle that is nowhere. */
TEST_F(copy, bad_piece)
{
	static char buf[3000];
	struct iovec iov[3] = { { buf, 1000 }, { BAD_PTR, 10 }, { buf + 1000, 2000 } };
	struct mmsghdr m[3] = {
		{ .msg_hdr = { .msg_iov = &iov[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &iov[1], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &iov[2], .msg_iovlen = 1 } },
	};
	long ret;

	pattern_fill(buf, sizeof(buf), 0);
	ret = writev(self->sv[0], iov, 3);
	if (self->records) {
		EXPECT_EQ(-1, ret);
		EXPECT_EQ(EFAULT, errno);
	} else {
		EXPECT_TRUE(fair(ret, errno, 1000));
		EXPECT_OK(has_bytes(self->sv[1], 0, ret > 0 ? ret : 0));
	}
	/* Of several messages the ones before it. */
	EXPECT_EQ(1, sendmmsg(self->sv[0], m, 3, MSG_DONTWAIT));
	EXPECT_EQ(1000, m[0].msg_len);
	EXPECT_OK(has_bytes(self->sv[1], 0, 1000));
	EXPECT_ERR(EFAULT, sendmmsg(self->sv[0], m + 1, 2, MSG_DONTWAIT));
	EXPECT_OK(has_bytes(self->sv[1], 0, 0));
	EXPECT_EQ(1, sendmmsg(self->sv[0], m + 2, 1, MSG_DONTWAIT));
	EXPECT_OK(has_bytes(self->sv[1], 1000, 2000));
}

/* What describes the message is bad: nothing is sent. */
TEST_F(copy, bad_message_header)
{
	char buf[4] = "abcd";
	struct iovec iov = { buf, 4 };
	struct msghdr good = { .msg_iov = &iov, .msg_iovlen = 1 }, m;
	struct msghdr *half = edge(TX, sizeof(good) / 2);

	EXPECT_ERR(EFAULT, sendmsg(self->sv[0], BAD_PTR, MSG_DONTWAIT));
	memcpy(half, &good, sizeof(good) / 2);
	EXPECT_ERR(EFAULT, sendmsg(self->sv[0], half, MSG_DONTWAIT));
	m = good;
	m.msg_iov = BAD_PTR;
	EXPECT_ERR(EFAULT, sendmsg(self->sv[0], &m, MSG_DONTWAIT));
	m = good;
	m.msg_control = BAD_PTR;
	m.msg_controllen = 64;
	EXPECT_ERR(EFAULT, sendmsg(self->sv[0], &m, MSG_DONTWAIT));
	m = good;
	m.msg_name = BAD_PTR;
	m.msg_namelen = 16;
	EXPECT_ERR(EFAULT, sendmsg(self->sv[0], &m, MSG_DONTWAIT));
	EXPECT_ERR(EFAULT, sendto(self->sv[0], buf, 4, MSG_DONTWAIT, BAD_PTR, 16));
	EXPECT_ERR(EFAULT, sendmmsg(self->sv[0], BAD_PTR, 1, MSG_DONTWAIT));
	EXPECT_ERR(EAGAIN, recv(self->sv[1], buf, 4, MSG_DONTWAIT));
	EXPECT_EQ(4, sendmsg(self->sv[0], &good, MSG_DONTWAIT));
	EXPECT_EQ(4, recv(self->sv[1], buf, 4, MSG_DONTWAIT));
}

/* A send that waits for room, more than once, before it comes to the hole. */
static long send_much(struct task *t)
{
	return send(t->fd, t->arg, t->number, MSG_NOSIGNAL);
}

TEST_F_TIMEOUT(copy, hole_after_waiting, LONG_TEST)
{
	size_t there = 900001, got = 0;
	static char buf[20000];
	struct task t = { .fn = send_much, .fd = self->sv[0], .number = there + 100 };
	long n;

	if (self->records)
		SKIP(return, "a record is not sent in parts");
	ASSERT_OK(sock_set(self->sv[0], SOL_SOCKET, SO_SNDBUF, 30000));
	ASSERT_OK(sock_set(self->sv[1], SOL_SOCKET, SO_RCVBUF, 30000));
	t.arg = edge(TX, there);
	pattern_fill(t.arg, there, 0);
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	/* Read until it is back, then what is left. */
	while (task_running(&t) || poll_events(self->sv[1], POLLIN, 0) & POLLIN) {
		n = recv(self->sv[1], buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0)
			continue;
		ASSERT_EQ(-1, pattern_wrong(buf, n, got));
		got += n;
	}
	ASSERT_OK(task_join(&t));
	EXPECT_TRUE(fair(t.ret, t.err, there));
	/* TCP may have bytes on the way still. */
	EXPECT_OK(has_bytes(self->sv[1], got, t.ret - got));
	EXPECT_EQ(3, send(self->sv[0], "end", 3, 0));
	EXPECT_EQ(POLLIN, poll_events(self->sv[1], POLLIN, WAIT_MS));
	EXPECT_EQ(3, recv(self->sv[1], buf, sizeof(buf), MSG_DONTWAIT));
}

/* --- receiving -------------------------------------------------------------------- */

enum rx { RX_RECV, RX_RECVFROM, RX_READ, RX_RECVMSG, RX_READV, RX_RECVMMSG, RX_CALLS };

static const char *const rx_names[RX_CALLS] = {
	"recv", "recvfrom", "read", "recvmsg", "readv", "recvmmsg",
};

static bool rx_has_flags(enum rx call)
{
	return call != RX_READ && call != RX_READV;
}

static int rx_pieces(enum rx call)
{
	return call < RX_RECVMSG ? 1 : 3;
}

static long rx(enum rx call, int fd, struct iovec *iov, int n, int flags)
{
	struct mmsghdr m = { .msg_hdr = { .msg_iov = iov, .msg_iovlen = n } };
	long ret;

	switch (call) {
	case RX_RECV:
		return recv(fd, iov->iov_base, iov->iov_len, flags);
	case RX_RECVFROM:
		return recvfrom(fd, iov->iov_base, iov->iov_len, flags, NULL, NULL);
	case RX_READ:
		return read(fd, iov->iov_base, iov->iov_len);
	case RX_RECVMSG:
		return recvmsg(fd, &m.msg_hdr, flags);
	case RX_READV:
		return readv(fd, iov, n);
	default:
		ret = recvmmsg(fd, &m, 1, flags, NULL);
		return ret == 1 ? (long)m.msg_len : ret;
	}
}

#define QUEUED 90000	/* more than any hole is away */

/* Until all that was sent can be read. */
static int wait_queued(int fd, size_t len)
{
	int64_t end = now_ms() + WAIT_MS;

	while (count_pending(fd, FIONREAD) < (int)len)
		if (now_ms() > end)
			return -1;
	return 0;
}

/* A receive takes what it says, and it is right; the rest comes next. */
static void check_rx_stream(struct __test_metadata *_metadata, const int *sv, enum rx call,
			    size_t hole, int flags)
{
	struct iovec iov[3];
	long ret, took;

	ASSERT_OK(write_all(sv[0], 0, QUEUED));
	ASSERT_OK(wait_queued(sv[1], QUEUED));
	split(iov, rx_pieces(call), edge(RX, hole), hole, 5000);
	ret = rx(call, sv[1], iov, rx_pieces(call), flags);
	EXPECT_TRUE(fair(ret, errno, hole))
		TH_LOG("%s, flags 0x%x, room for %zu bytes, then a hole: %ld, %s", rx_names[call],
		       flags, hole, ret, strerror(errno));
	took = ret > 0 ? ret : 0;
	EXPECT_EQ(-1, pattern_wrong(edge(RX, hole), took, 0));
	if (flags & MSG_PEEK)
		took = 0;
	EXPECT_OK(has_bytes(sv[1], took, QUEUED - took));
}

/* The record is there still; AF_UNIX loses all of it. */
static void check_rx_record(struct __test_metadata *_metadata, const int *sv, enum rx call,
			    size_t hole, int flags)
{
	struct iovec iov[3];

	EXPECT_EQ(QUEUED, seq_send(sv[0], 0, QUEUED, MSG_DONTWAIT));
	EXPECT_EQ(10, seq_send(sv[0], 5, 10, MSG_DONTWAIT));
	split(iov, rx_pieces(call), edge(RX, hole), hole, 5000);
	EXPECT_ERR(EFAULT, rx(call, sv[1], iov, rx_pieces(call), flags));
	if (!over_unix() || flags & MSG_PEEK)
		EXPECT_EQ(QUEUED, seq_take(sv[1], 0, QUEUED));
	EXPECT_EQ(10, seq_take(sv[1], 5, 10));
	EXPECT_ERR(EAGAIN, recv(sv[1], iov, 1, MSG_DONTWAIT));
}

TEST_F_TIMEOUT(copy, every_receive_at_every_hole, LONG_TEST)
{
	static const int flags[] = {
		MSG_DONTWAIT, MSG_DONTWAIT | MSG_PEEK, MSG_WAITALL, MSG_WAITALL | MSG_PEEK,
	};
	enum rx call;
	int h, i, n = 0;

	for (h = 0; h < ARRAY_SIZE(holes); h++) {
		for (call = 0; call < RX_CALLS; call++) {
			i = rx_has_flags(call) ? n++ % ARRAY_SIZE(flags) : 0;
			if (self->records)
				check_rx_record(_metadata, self->sv, call, holes[h], flags[i]);
			else
				check_rx_stream(_metadata, self->sv, call, holes[h], flags[i]);
		}
	}
}

/* MSG_TRUNC without MSG_PEEK: a stream's bytes are dropped, no memory is needed. */
TEST_F(copy, dropped_bytes_need_no_memory)
{
	if (self->records)
		SKIP(return, "MSG_TRUNC is about records' lengths");
	ASSERT_OK(write_all(self->sv[0], 0, 1000));
	ASSERT_OK(wait_queued(self->sv[1], 1000));
	EXPECT_EQ(300, recv(self->sv[1], BAD_PTR, 300, MSG_TRUNC | MSG_DONTWAIT));
	EXPECT_OK(has_bytes(self->sv[1], 300, 700));
}

/* Of a record that is too long as much as there is memory for, and a hole in that. */
TEST_F(copy, truncated_record)
{
	if (!self->records)
		SKIP(return, "a stream has no records");
	EXPECT_EQ(1000, seq_send(self->sv[0], 0, 1000, 0));
	EXPECT_ERR(EFAULT, recv(self->sv[1], edge(RX, 10), 20, MSG_PEEK | MSG_TRUNC));
	EXPECT_EQ(1000, recv(self->sv[1], edge(RX, 10), 10, MSG_PEEK | MSG_TRUNC));
	EXPECT_EQ(1000, seq_take(self->sv[1], 0, 1000));
}

/* Of several messages those that came before the bad one; the error is told next. */
TEST_F(copy, several_messages)
{
	char buf[2][10];
	struct iovec iov[3] = { { buf[0], 10 }, { BAD_PTR, 10 }, { buf[1], 10 } };
	struct mmsghdr m[3] = {
		{ .msg_hdr = { .msg_iov = &iov[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &iov[1], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &iov[2], .msg_iovlen = 1 } },
	};
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(10, seq_send(self->sv[0], 10 * i, 10, 0));
	ASSERT_OK(wait_queued(self->sv[1], 30));
	EXPECT_EQ(1, recvmmsg(self->sv[1], m, 3, MSG_DONTWAIT, NULL));
	EXPECT_EQ(10, m[0].msg_len);
	EXPECT_EQ(-1, pattern_wrong(buf[0], 10, 0));
	EXPECT_EQ(EFAULT, sock_error(self->sv[1]));
	/* AF_UNIX has lost the one in question. */
	EXPECT_EQ(over_unix() ? 10 : 20, drain_socket(self->sv[1], over_unix() ? 20 : 10,
						      over_unix() ? 10 : 20));
}

/* MSG_WAITALL that comes to the hole with bytes that arrive while it waits. */
static long recv_all(struct task *t)
{
	return recv(t->fd, t->arg, t->number, MSG_WAITALL);
}

TEST_F(copy, hole_in_what_comes_later)
{
	struct task t = { .fn = recv_all, .fd = self->sv[1], .number = 20000 };
	size_t took;

	if (self->records)
		SKIP(return, "a record comes at once");
	t.arg = edge(RX, 15000);
	ASSERT_OK(write_all(self->sv[0], 0, 10000));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_recvfrom));
	ASSERT_OK(write_all(self->sv[0], 10000, 20000));
	ASSERT_OK(task_join(&t));
	took = t.ret > 0 ? t.ret : 0;
	EXPECT_LE(10000, t.ret);
	EXPECT_GE(15000, t.ret);
	EXPECT_EQ(-1, pattern_wrong(t.arg, took, 0));
	EXPECT_OK(has_bytes(self->sv[1], took, 30000 - took));
}

/* The bytes have been received when the kernel writes what it cannot: it is done, not
 * to be had again.
 */
TEST_F(copy, message_header_of_a_receive)
{
	char buf[4];
	struct iovec iov = { buf, 4 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 }, *fixed;

	EXPECT_EQ(4, send(self->sv[0], "abcd", 4, 0));
	ASSERT_OK(wait_queued(self->sv[1], 4));
	EXPECT_ERR(EFAULT, recvmsg(self->sv[1], BAD_PTR, MSG_DONTWAIT));
	m.msg_iov = BAD_PTR;
	EXPECT_ERR(EFAULT, recvmsg(self->sv[1], &m, MSG_DONTWAIT));
	m.msg_iov = &iov;
	EXPECT_EQ(4, recv(self->sv[1], buf, 4, MSG_PEEK | MSG_DONTWAIT));
	/* Two pages, so as not to fill the one at the edge. */
	fixed = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*fixed = m;
	mprotect(fixed, 8192, PROT_READ);
	EXPECT_ERR(EFAULT, recvmsg(self->sv[1], fixed, MSG_PEEK | MSG_DONTWAIT));
	EXPECT_ERR(EFAULT, recvmsg(self->sv[1], fixed, MSG_DONTWAIT));
	EXPECT_ERR(EAGAIN, recv(self->sv[1], buf, 4, MSG_DONTWAIT));
	/* A stream names nobody, so that this is not looked at. */
	EXPECT_EQ(4, send(self->sv[0], "efgh", 4, 0));
	ASSERT_OK(wait_queued(self->sv[1], 4));
	EXPECT_ERR(EFAULT, recvfrom(self->sv[1], BAD_PTR, 4, MSG_DONTWAIT, NULL, NULL));
	if (over_unix())
		return;
	EXPECT_EQ(4, recv(self->sv[1], buf, 4, MSG_DONTWAIT));
	munmap(fixed, 8192);
}

/* FIONREAD and its kin. */
TEST_F(copy, ioctl)
{
	EXPECT_EQ(4, send(self->sv[0], "abcd", 4, 0));
	ASSERT_OK(wait_queued(self->sv[1], 4));
	EXPECT_ERR(EFAULT, ioctl(self->sv[1], FIONREAD, BAD_PTR));
	EXPECT_ERR(EFAULT, ioctl(self->sv[1], FIONREAD, edge(RX, 2)));
	EXPECT_ERR(EFAULT, ioctl(self->sv[0], TIOCOUTQ, BAD_PTR));
	EXPECT_EQ(4, count_pending(self->sv[1], FIONREAD));
}

/* --- each copy in its turn -------------------------------------------------------- */

/* Here the kernel lets them fail, those within what is there, too. */
static void check_injected_tx(struct __test_metadata *_metadata, const int *sv, bool records,
			      enum tx call)
{
	struct fault f = { tx_names[call] };
	size_t len = 60000, sent;
	struct iovec iov[3];

	pattern_fill(edge(TX, len), len, 0);
	while (fault_next(&f)) {
		/* The buffers are there: what fails is a copy, not what makes room for it. */
		EXPECT_EQ(len, seq_send(sv[0], 0, len, MSG_DONTWAIT));
		EXPECT_OK(has_bytes(sv[1], 0, len));
		split(iov, tx_pieces(call), edge(TX, len), len, 0);
		FAULT_CALL(&f, tx(call, sv[0], iov, tx_pieces(call)));
		EXPECT_FAULT(&f, 0);
		sent = f.ret > 0 ? f.ret : 0;
		/* sendmmsg() has sent it before it writes down how long it was. */
		if (call == TX_SENDMMSG && f.kind == FAULT_COPY && f.ret < 0)
			sent = count_pending(sv[1], FIONREAD);
		EXPECT_TRUE(!records || sent == 0 || sent == len);
		EXPECT_OK(has_bytes(sv[1], 0, sent));
	}
	FAULT_END(&f, 0);
	EXPECT_LE(tx_pieces(call), f.failures[FAULT_COPY]);
}

static void check_injected_rx(struct __test_metadata *_metadata, const int *sv, bool records,
			      enum rx call, int flags)
{
	struct fault f = { rx_names[call] };
	size_t len = 60000, took;
	struct iovec iov[3];

	while (fault_next(&f)) {
		EXPECT_EQ(len, seq_send(sv[0], 0, len, MSG_DONTWAIT));
		split(iov, rx_pieces(call), edge(RX, len), len, 0);
		FAULT_CALL(&f, rx(call, sv[1], iov, rx_pieces(call), flags));
		EXPECT_FAULT(&f, 0);
		took = f.ret > 0 ? f.ret : 0;
		EXPECT_EQ(-1, pattern_wrong(edge(RX, len), took, 0));
		/* Taken before the kernel has written down flags and lengths. */
		if (f.ret < 0 && f.kind == FAULT_COPY && call >= RX_RECVMSG)
			took = len - count_pending(sv[1], FIONREAD);
		if (flags & MSG_PEEK)
			took = 0;
		EXPECT_TRUE(!records || took == 0 || took == len);
		EXPECT_OK(has_bytes(sv[1], took, len - took));
	}
	FAULT_END(&f, 0);
	EXPECT_LE(rx_pieces(call), f.failures[FAULT_COPY]);
}

TEST_F_TIMEOUT(copy, injected, LONG_TEST)
{
	int call;

	if (over_tcp() || over_unix())
		SKIP(return, "the kernel's own protocols have other tests");
	FAULT_NEEDED(return);
	edge(TX, 0);
	edge(RX, 0);
	ASSERT_OK(fault_begin());
	for (call = 0; call < TX_CALLS; call++)
		check_injected_tx(_metadata, self->sv, self->records, call);
	for (call = 0; call < RX_CALLS; call++)
		check_injected_rx(_metadata, self->sv, self->records, call, 0);
	check_injected_rx(_metadata, self->sv, self->records, RX_RECVMSG, MSG_PEEK);
	check_injected_rx(_metadata, self->sv, self->records, RX_RECVMSG, MSG_WAITALL);
}

TEST_HARNESS_MAIN
