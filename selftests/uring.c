// SPDX-License-Identifier: GPL-2.0-only
/*
 * io_uring's network operations over the family, by raw system calls.
 */
#include <kselftest_harness.h>

#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <sys/mman.h>

#include "dgramlib.h"
#include "seqlib.h"

#define RING_ENTRIES	32

struct ring {
	int fd;
	void *sq;
	void *cq;
	struct io_uring_sqe *sqes;
	struct io_uring_params p;
	unsigned int tail;
};

static unsigned int *ring_word(void *base, unsigned int offset)
{
	return (unsigned int *)((char *)base + offset);
}

static int ring_setup(struct ring *r)
{
	size_t sq_len, cq_len;

	memset(r, 0, sizeof(*r));
	r->fd = syscall(SYS_io_uring_setup, RING_ENTRIES, &r->p);
	if (r->fd < 0)
		return -1;
	sq_len = r->p.sq_off.array + r->p.sq_entries * sizeof(unsigned int);
	cq_len = r->p.cq_off.cqes + r->p.cq_entries * sizeof(struct io_uring_cqe);
	r->sq = mmap(NULL, sq_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd,
		     IORING_OFF_SQ_RING);
	r->cq = mmap(NULL, cq_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd,
		     IORING_OFF_CQ_RING);
	r->sqes = mmap(NULL, r->p.sq_entries * sizeof(struct io_uring_sqe),
		       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
	return r->sq == MAP_FAILED || r->cq == MAP_FAILED || r->sqes == MAP_FAILED ? -1 : 0;
}

/* The next entry, empty but for operation, descriptor and the caller's mark. */
static struct io_uring_sqe *ring_entry(struct ring *r, int opcode, int fd, uint64_t mark)
{
	unsigned int mask = *ring_word(r->sq, r->p.sq_off.ring_mask);
	unsigned int at = r->tail++ & mask;
	struct io_uring_sqe *sqe = &r->sqes[at];

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = opcode;
	sqe->fd = fd;
	sqe->user_data = mark;
	ring_word(r->sq, r->p.sq_off.array)[at] = at;
	return sqe;
}

static int ring_submit(struct ring *r)
{
	unsigned int *tail = ring_word(r->sq, r->p.sq_off.tail);
	unsigned int n = r->tail - *tail;

	__atomic_store_n(tail, r->tail, __ATOMIC_RELEASE);
	return syscall(SYS_io_uring_enter, r->fd, n, 0, 0, NULL, 0) == n ? 0 : -1;
}

/* Waits, within bounds, for the next completion. */
static int ring_wait(struct ring *r, uint64_t *mark, int *res)
{
	unsigned int *head = ring_word(r->cq, r->p.cq_off.head);
	unsigned int *tail = ring_word(r->cq, r->p.cq_off.tail);
	struct io_uring_cqe *cqes = (void *)((char *)r->cq + r->p.cq_off.cqes);
	int64_t end = now_ms() + WAIT_MS;

	while (*head == __atomic_load_n(tail, __ATOMIC_ACQUIRE)) {
		if (now_ms() > end)
			return -1;
		/* the ring's own descriptor tells of completions */
		poll_events(r->fd, POLLIN, 100);
	}
	*mark = cqes[*head & *ring_word(r->cq, r->p.cq_off.ring_mask)].user_data;
	*res = cqes[*head & *ring_word(r->cq, r->p.cq_off.ring_mask)].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return 0;
}

/* True while nothing has completed. */
static bool ring_idle(struct ring *r)
{
	return *ring_word(r->cq, r->p.cq_off.head) ==
	       __atomic_load_n(ring_word(r->cq, r->p.cq_off.tail), __ATOMIC_ACQUIRE);
}

FIXTURE(uring) {
	struct ring ring;
	int lsn;
	union addr dest;
	socklen_t dest_len;
};

DOOR_FIXTURE(uring);
FIXTURE_VARIANT_ADD(uring, seqpacket) { .door = &door_seq4 };

FIXTURE_SETUP(uring)
{
	if (ring_setup(&self->ring))
		SKIP(_exit(255), "no io_uring here: %s", strerror(errno));
	self->lsn = door_listener(variant->door, 4);
	ASSERT_OK(self->lsn);
	self->dest_len = door_loop(variant->door, &self->dest, sock_port(self->lsn));
}

FIXTURE_TEARDOWN(uring)
{
	close(self->ring.fd);
	close(self->lsn);
}

static void one_result(struct __test_metadata *_metadata, struct ring *r, uint64_t want_mark,
		       int want_res)
{
	uint64_t mark;
	int res;

	ASSERT_EQ(0, ring_wait(r, &mark, &res)) TH_LOG("no completion in time");
	EXPECT_EQ(want_mark, mark);
	EXPECT_EQ(want_res, res);
}

static void submit_rw(struct ring *r, int opcode, int fd, void *buf, size_t len, uint64_t mark)
{
	struct io_uring_sqe *sqe = ring_entry(r, opcode, fd, mark);

	sqe->addr = (uintptr_t)buf;
	sqe->len = len;
	ring_submit(r);
}

static void submit_connect(struct ring *r, int fd, union addr *a, socklen_t len, uint64_t mark)
{
	struct io_uring_sqe *sqe = ring_entry(r, IORING_OP_CONNECT, fd, mark);

	nic_move(fd);
	sqe->addr = (uintptr_t)a;
	sqe->addr2 = len;
	ring_submit(r);
}

/* accept and connect meet; the one that came first waits. */
TEST_F(uring, accept_connect_send_recv)
{
	int fd = door_socket(variant->door, 0);
	uint64_t mark;
	char buf[8];
	int i, res, child = -1;

	ring_entry(&self->ring, IORING_OP_ACCEPT, self->lsn, 1);
	ASSERT_OK(ring_submit(&self->ring));
	EXPECT_TRUE(ring_idle(&self->ring));
	submit_connect(&self->ring, fd, &self->dest, self->dest_len, 2);
	for (i = 0; i < 2; i++) {
		ASSERT_OK(ring_wait(&self->ring, &mark, &res));
		EXPECT_LE(0, res);
		if (mark == 1)
			child = res;
	}
	ASSERT_LT(0, child);

	submit_rw(&self->ring, IORING_OP_RECV, child, buf, sizeof(buf), 3);
	EXPECT_TRUE(ring_idle(&self->ring));
	submit_rw(&self->ring, IORING_OP_SEND, fd, "abcd", 4, 4);
	for (i = 0; i < 2; i++) {
		ASSERT_OK(ring_wait(&self->ring, &mark, &res));
		EXPECT_EQ(4, res);
	}
	EXPECT_EQ(0, memcmp(buf, "abcd", 4));

	submit_rw(&self->ring, IORING_OP_RECV, child, buf, sizeof(buf), 5);
	ASSERT_OK(shutdown(fd, SHUT_WR));
	one_result(_metadata, &self->ring, 5, 0);
	close(fd);
	close(child);
}

TEST_F(uring, connect_refused)
{
	int fd = door_socket(variant->door, 0);

	addr_set_port(&self->dest, door_free_port(variant->door));
	submit_connect(&self->ring, fd, &self->dest, self->dest_len, 1);
	one_result(_metadata, &self->ring, 1, -ECONNREFUSED);
	close(fd);
}

TEST_F(uring, connect_waits_at_a_full_backlog)
{
	int fill, fd = door_socket(variant->door, 0);

	if (over_tcp())
		SKIP(return, "TCP tries again after a second only");
	ASSERT_OK(listen(self->lsn, 0));
	fill = door_dial(variant->door, 0, sock_port(self->lsn));
	ASSERT_OK(fill);
	submit_connect(&self->ring, fd, &self->dest, self->dest_len, 1);
	EXPECT_TRUE(ring_idle(&self->ring));
	ASSERT_OK(accept(self->lsn, NULL, NULL));
	one_result(_metadata, &self->ring, 1, 0);
	close(fd);
	close(fill);
}

TEST_F(uring, poll)
{
	struct io_uring_sqe *sqe;
	int sv[2];

	ASSERT_OK(door_connected(variant->door, sv));
	sqe = ring_entry(&self->ring, IORING_OP_POLL_ADD, sv[1], 1);
	sqe->poll32_events = POLLIN;
	ASSERT_OK(ring_submit(&self->ring));
	EXPECT_TRUE(ring_idle(&self->ring));
	ASSERT_EQ(1, send(sv[0], "x", 1, 0));
	one_result(_metadata, &self->ring, 1, POLLIN);

	sqe = ring_entry(&self->ring, IORING_OP_POLL_ADD, sv[0], 2);
	sqe->poll32_events = POLLOUT;
	ASSERT_OK(ring_submit(&self->ring));
	one_result(_metadata, &self->ring, 2, POLLOUT);
	close(sv[0]);
	close(sv[1]);
}

TEST_F(uring, readv_writev)
{
	char in[8] = "";
	struct iovec o[2] = { { "abc", 3 }, { "defgh", 5 } };
	struct iovec i[2] = { { in, 5 }, { in + 5, 3 } };
	int sv[2];

	ASSERT_OK(door_connected(variant->door, sv));
	submit_rw(&self->ring, IORING_OP_WRITEV, sv[0], o, 2, 1);
	one_result(_metadata, &self->ring, 1, 8);
	submit_rw(&self->ring, IORING_OP_READV, sv[1], i, 2, 2);
	one_result(_metadata, &self->ring, 2, 8);
	EXPECT_EQ(0, memcmp(in, "abcdefgh", 8));
	close(sv[0]);
	close(sv[1]);
}

TEST_F(uring, sendmsg_recvmsg)
{
	char in[8] = "";
	struct iovec o = { "abcdefgh", 8 }, i = { in, 8 };
	struct msghdr tx = { .msg_iov = &o, .msg_iovlen = 1 };
	struct msghdr rx = { .msg_iov = &i, .msg_iovlen = 1 };
	int sv[2], res, n;
	uint64_t mark;

	ASSERT_OK(door_connected(variant->door, sv));
	submit_rw(&self->ring, IORING_OP_RECVMSG, sv[1], &rx, 1, 1);
	submit_rw(&self->ring, IORING_OP_SENDMSG, sv[0], &tx, 1, 2);
	for (n = 0; n < 2; n++) {
		ASSERT_OK(ring_wait(&self->ring, &mark, &res));
		EXPECT_EQ(8, res);
	}
	EXPECT_EQ(0, memcmp(in, "abcdefgh", 8));
	close(sv[0]);
	close(sv[1]);
}

/* A send that does not fit waits until the reader has made room. */
TEST_F(uring, send_waits_for_room)
{
	static char big[400000];
	bool records = variant->door->type == SOCK_SEQPACKET;
	size_t got = 0, len = records ? 200000 : sizeof(big);
	uint64_t mark;
	int sv[2], res;

	ASSERT_OK(door_connected(variant->door, sv));
	ASSERT_OK(sock_set(sv[0], SOL_SOCKET, SO_SNDBUF, 8192));
	got = fill_socket(sv[0], 0);
	ASSERT_LT(0, (long)got);
	pattern_fill(big, sizeof(big), got);
	submit_rw(&self->ring, IORING_OP_SEND, sv[0], big, len, 1);
	EXPECT_EQ(got, drain_socket(sv[1], 0, got));
	ASSERT_OK(ring_wait(&self->ring, &mark, &res));
	ASSERT_LT(0, res);
	if (records && !over_tcp()) {
		EXPECT_EQ(len, res);
		EXPECT_EQ(res, recv(sv[1], big, sizeof(big), 0));
		EXPECT_EQ(-1, pattern_wrong(big, res, got));
	} else {
		EXPECT_EQ(res, drain_socket(sv[1], got, res));
	}
	close(sv[0]);
	close(sv[1]);
}

/* Cancelling and closing leave nothing behind. */
TEST_F(uring, cancel)
{
	struct io_uring_sqe *sqe;
	uint64_t mark;
	char buf[8];
	int sv[2], i, res;

	ASSERT_OK(door_connected(variant->door, sv));
	submit_rw(&self->ring, IORING_OP_RECV, sv[1], buf, 8, 1);
	ring_entry(&self->ring, IORING_OP_ACCEPT, self->lsn, 2);
	ASSERT_OK(ring_submit(&self->ring));
	for (i = 1; i <= 2; i++) {
		sqe = ring_entry(&self->ring, IORING_OP_ASYNC_CANCEL, -1, 10 + i);
		sqe->addr = i;
		ASSERT_OK(ring_submit(&self->ring));
	}
	for (i = 0; i < 4; i++) {
		ASSERT_OK(ring_wait(&self->ring, &mark, &res));
		EXPECT_EQ(mark > 10 ? 0 : -ECANCELED, res);
	}
	/* the bytes that come afterwards belong to the next reader */
	ASSERT_EQ(4, send(sv[0], "abcd", 4, 0));
	EXPECT_EQ(4, recv(sv[1], buf, 8, 0));
	close(sv[0]);
	close(sv[1]);
}

/* A datagram to whom it names, received with its sender's name. */
TEST_F(uring, datagrams)
{
	int to = dgram_bound(variant->door, 0, 0), fd = dgram_bound(variant->door, 0, 0);
	union addr name, from = { };
	char in[8] = "";
	struct iovec o = { "abcd", 4 }, i = { in, 8 };
	struct msghdr rx = { .msg_iov = &i, .msg_iovlen = 1, .msg_name = &from,
			     .msg_namelen = sizeof(from) };
	struct msghdr tx = { .msg_iov = &o, .msg_iovlen = 1, .msg_name = &name };
	uint64_t mark;
	int n, res;

	tx.msg_namelen = door_loop(variant->door, &name, sock_port(to));
	submit_rw(&self->ring, IORING_OP_RECVMSG, to, &rx, 1, 1);
	EXPECT_TRUE(ring_idle(&self->ring));
	submit_rw(&self->ring, IORING_OP_SENDMSG, fd, &tx, 1, 2);
	for (n = 0; n < 2; n++) {
		ASSERT_OK(ring_wait(&self->ring, &mark, &res));
		EXPECT_EQ(4, res);
	}
	EXPECT_EQ(0, memcmp(in, "abcd", 4));
	EXPECT_EQ(sock_port(fd), addr_port(&from));
	close(fd);
	close(to);
}

/* Nobody there: whoever receives hears of it. */
TEST_F(uring, datagram_refused)
{
	int fd = dgram_dial(variant->door, 0, dgram_free_port(variant->door)), n, res;
	uint64_t mark;
	char buf[8];

	submit_rw(&self->ring, IORING_OP_RECV, fd, buf, sizeof(buf), 1);
	EXPECT_TRUE(ring_idle(&self->ring));
	submit_rw(&self->ring, IORING_OP_SEND, fd, "x", 1, 2);
	for (n = 0; n < 2; n++) {
		ASSERT_OK(ring_wait(&self->ring, &mark, &res));
		EXPECT_EQ(mark == 1 ? -ECONNREFUSED : 1, res);
	}
	close(fd);
}

/* NEWPROTO_WAIT: the request is pending until its receiver has room. */
TEST_F(uring, datagram_waits_for_room)
{
	static char big[1000];
	int sv[2];

	if (over_udp())
		SKIP(return, "UDP's senders never wait");
	ASSERT_OK(dgram_pair(variant->door, sv));
	ASSERT_OK(sock_set(sv[1], SOL_SOCKET, SO_RCVBUF, 16384));
	ASSERT_OK(sock_set(sv[0], SOL_NEWPROTO, NEWPROTO_WAIT, 1));
	while (send(sv[0], big, sizeof(big), MSG_DONTWAIT) > 0)
		;
	EXPECT_EQ(EAGAIN, errno);
	submit_rw(&self->ring, IORING_OP_SEND, sv[0], "last", 4, 1);
	EXPECT_TRUE(ring_idle(&self->ring));
	while (recv(sv[1], big, sizeof(big), MSG_DONTWAIT) == sizeof(big))
		;
	one_result(_metadata, &self->ring, 1, 4);
	close(sv[0]);
	close(sv[1]);
}

TEST_F(uring, exit_with_requests_pending)
{
	char buf[8];
	int sv[2];

	ASSERT_OK(door_connected(variant->door, sv));
	submit_rw(&self->ring, IORING_OP_RECV, sv[1], buf, 8, 1);
	ring_entry(&self->ring, IORING_OP_ACCEPT, self->lsn, 2);
	ASSERT_OK(ring_submit(&self->ring));
	EXPECT_TRUE(ring_idle(&self->ring));
}

TEST_HARNESS_MAIN
