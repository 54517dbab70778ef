// SPDX-License-Identifier: GPL-2.0-only
/*
 * Room for records: how large they may be, who waits for how much, and when
 * poll() tells of it.
 */
#include <kselftest_harness.h>

#include <linux/sockios.h>
#include <sys/epoll.h>

#include "seqlib.h"

SEQ_RUNS_OVER(false)

FIXTURE(room) {
	int tx;
	int rx;
	long cap;	/* what fits in all */
};

SEQ_FIXTURE(room);

FIXTURE_SETUP(room)
{
	int sv[2];

	ASSERT_OK(seq_pair(variant->door, sv));
	self->tx = sv[0];
	self->rx = sv[1];
	self->cap = seq_room(self->tx, self->rx);
	ASSERT_LT(20000, self->cap);
	ASSERT_GE(SEQ_MAX, self->cap);
	sock_timeout(self->rx, SO_RCVTIMEO, WAIT_MS);
}

FIXTURE_TEARDOWN(room)
{
	close(self->tx);
	close(self->rx);
}

TEST_F(room, largest_record)
{
	long most = self->cap - SEQ_HEAD;

	EXPECT_ERR(EMSGSIZE, seq_send(self->tx, 0, most + 1, 0));
	EXPECT_ERR(EMSGSIZE, seq_send(self->tx, 0, most + 1, MSG_DONTWAIT));
	ASSERT_EQ(most, seq_send(self->tx, 0, most, MSG_DONTWAIT));
	/* There is no room at all, not for an empty one. */
	EXPECT_ERR(EAGAIN, seq_send(self->tx, 0, 0, MSG_DONTWAIT));
	EXPECT_ERR(EMSGSIZE, seq_send(self->tx, 0, most + 1, MSG_DONTWAIT));
	EXPECT_EQ(0, poll_events(self->tx, POLLOUT, 0));
	EXPECT_EQ(most, seq_take(self->rx, 0, most));
	EXPECT_EQ(POLLOUT, poll_events(self->tx, POLLOUT, 0));
}

/* A new SO_RCVBUF takes effect with the receiver's next poll() or read. */
static int set_rcvbuf(int fd, int value)
{
	return sock_set(fd, SOL_SOCKET, SO_RCVBUF, value) ?: poll_events(fd, POLLIN, 0);
}

TEST_F(room, largest_record_of_small_buffers)
{
	long most;

	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 1));
	ASSERT_OK(set_rcvbuf(self->rx, 1));
	most = seq_room(self->tx, self->rx) - SEQ_HEAD;
	ASSERT_GT(20000, most);
	EXPECT_ERR(EMSGSIZE, seq_send(self->tx, 0, most + 1, 0));
	ASSERT_EQ(most, seq_send(self->tx, 0, most, 0));
	EXPECT_EQ(most, seq_take(self->rx, 0, most));
}

/* Each record takes four bytes more than it has. */
TEST_F(room, how_many_fit)
{
	static const int sizes[] = { 0, 1, 100, 4092, 5000, 60000 };
	size_t i;
	int k, n;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		n = seq_fill(self->tx, sizes[i]);
		EXPECT_EQ(self->cap / (sizes[i] + SEQ_HEAD), n) TH_LOG("%d bytes", sizes[i]);
		EXPECT_EQ(n * (sizes[i] + SEQ_HEAD), count_pending(self->tx, SIOCOUTQ));
		EXPECT_EQ(n * sizes[i], count_pending(self->rx, SIOCINQ));
		for (k = 0; k < n; k++)
			ASSERT_EQ(sizes[i], seq_take(self->rx, k * sizes[i], sizes[i]));
		EXPECT_EQ(0, poll_events(self->rx, POLLIN, 0));
	}
}

/* A record is there as a whole, or not at all: also when there is some room. */
TEST_F(room, no_part_of_a_record)
{
	long before = self->cap - 5000, n;
	char buf[8];

	ASSERT_EQ(before, seq_send(self->tx, 0, before, 0));
	EXPECT_ERR(EAGAIN, seq_send(self->tx, 0, 5000 - 2 * SEQ_HEAD + 1, MSG_DONTWAIT));
	EXPECT_EQ(before, count_pending(self->rx, SIOCINQ));
	n = 5000 - 2 * SEQ_HEAD;
	EXPECT_EQ(n, seq_send(self->tx, 7, n, MSG_DONTWAIT));
	EXPECT_EQ(before, seq_take(self->rx, 0, before));
	EXPECT_EQ(n, seq_take(self->rx, 7, n));
	EXPECT_ERR(EAGAIN, recv(self->rx, buf, sizeof(buf), MSG_DONTWAIT));
}

/* After EAGAIN poll() tells of room when there is room for that record. */
TEST_F(room, pollout_is_for_the_record)
{
	long small = self->cap / 64 - SEQ_HEAD, want, used;
	int part, i, n;

	for (part = 1; part <= 12; part++) {
		want = self->cap / 12 * part - SEQ_HEAD;
		n = seq_fill(self->tx, small);
		ASSERT_LT(0, n);
		EXPECT_ERR(EAGAIN, seq_send(self->tx, 0, want, MSG_DONTWAIT));
		for (i = 0; i < n; i++) {
			long room = self->cap - count_pending(self->tx, SIOCOUTQ);
			bool fits = room >= want + SEQ_HEAD && room >= self->cap / 3;

			ASSERT_EQ(fits ? POLLOUT : 0, poll_events(self->tx, POLLOUT, 0))
				TH_LOG("room for %ld of %ld", room, want);
			if (fits)
				break;
			ASSERT_EQ(small, seq_take(self->rx, i * small, small));
		}
		used = count_pending(self->rx, SIOCINQ);
		ASSERT_EQ(want, seq_send(self->tx, 3, want, MSG_DONTWAIT));
		ASSERT_EQ(used + want, count_pending(self->rx, SIOCINQ));
		for (; i < n; i++)
			ASSERT_EQ(small, seq_take(self->rx, i * small, small));
		ASSERT_EQ(want, seq_take(self->rx, 3, want));
	}
}

/* A record that fits does away with the memory of one that did not. */
TEST_F(room, success_forgets)
{
	long half = self->cap / 2;

	ASSERT_EQ(half, seq_send(self->tx, 0, half, 0));
	EXPECT_EQ(POLLOUT, poll_events(self->tx, POLLOUT, 0));
	EXPECT_ERR(EAGAIN, seq_send(self->tx, 0, half, MSG_DONTWAIT));
	EXPECT_EQ(0, poll_events(self->tx, POLLOUT, 0));
	ASSERT_EQ(1, seq_send(self->tx, 0, 1, MSG_DONTWAIT));
	EXPECT_EQ(POLLOUT, poll_events(self->tx, POLLOUT, 0));
	/* So does the end of the connection. */
	EXPECT_ERR(EAGAIN, seq_send(self->tx, 0, half, MSG_DONTWAIT));
	EXPECT_EQ(0, poll_events(self->tx, POLLOUT, 0));
	close(self->rx);
	EXPECT_EQ(POLLOUT | POLLHUP | POLLERR, poll_events(self->tx, POLLOUT, 0));
}

/* Where buffers have shrunk meanwhile the program learns that it is too large. */
TEST_F(room, shrunk_buffers)
{
	long want = self->cap / 2;

	ASSERT_EQ(want + 100, seq_send(self->tx, 0, want + 100, 0));
	EXPECT_ERR(EAGAIN, seq_send(self->tx, 0, want, MSG_DONTWAIT));
	EXPECT_EQ(0, poll_events(self->tx, POLLOUT, 0));
	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 1));
	ASSERT_OK(set_rcvbuf(self->rx, 1));
	ASSERT_EQ(want + 100, seq_take(self->rx, 0, want + 100));
	EXPECT_EQ(POLLOUT, poll_events(self->tx, POLLOUT, WAIT_MS));
	EXPECT_ERR(EMSGSIZE, seq_send(self->tx, 0, want, 0));
	ASSERT_EQ(1, seq_send(self->tx, 0, 1, 0));
}

struct sender {
	struct task task;
	size_t len;
	int flags;
};

static long send_blocks(struct task *t)
{
	struct sender *s = t->arg;

	return seq_send(t->fd, 1, s->len, s->flags);
}

static int sender_start(struct sender *s, int fd, size_t len)
{
	*s = (struct sender){ .task = { .fn = send_blocks, .fd = fd, .arg = s }, .len = len };
	return task_start(&s->task) ?: task_blocked(&s->task, SYS_sendto);
}

/* The largest record waits until the last of the others is gone. */
TEST_F(room, sender_of_the_largest_waits)
{
	long most = self->cap - SEQ_HEAD, small = self->cap / 32 - SEQ_HEAD;
	int i, n = seq_fill(self->tx, small);
	struct sender s;

	ASSERT_LT(0, n);
	ASSERT_OK(sender_start(&s, self->tx, most));
	for (i = 0; i < n; i++) {
		ASSERT_TRUE(task_running(&s.task)) TH_LOG("%d of %d read", i, n);
		ASSERT_EQ(small, seq_take(self->rx, i * small, small));
	}
	ASSERT_OK(task_join(&s.task));
	EXPECT_EQ(most, s.task.ret);
	EXPECT_EQ(most, seq_take(self->rx, 1, most));
}

/* Who waits for little does not wait for who waits for much. */
static void check_two_senders(struct __test_metadata *_metadata, int tx, int rx, long cap,
			      bool little_first)
{
	long small = cap / 32 - SEQ_HEAD, most = cap - SEQ_HEAD;
	struct sender little, much;
	int i, n = seq_fill(tx, small);

	ASSERT_LT(16, n);
	if (little_first)
		ASSERT_OK(sender_start(&little, tx, small));
	ASSERT_OK(sender_start(&much, tx, most));
	if (!little_first)
		ASSERT_OK(sender_start(&little, tx, small));
	/* A bit more than a third. */
	for (i = 0; i < n * 5 / 12; i++)
		ASSERT_EQ(small, seq_take(rx, i * small, small));
	ASSERT_OK(task_join(&little.task));
	EXPECT_EQ(small, little.task.ret);
	EXPECT_TRUE(task_running(&much.task));
	for (; i < n; i++)
		ASSERT_EQ(small, seq_take(rx, i * small, small));
	ASSERT_EQ(small, seq_take(rx, 1, small));
	ASSERT_OK(task_join(&much.task));
	EXPECT_EQ(most, much.task.ret);
	EXPECT_EQ(most, seq_take(rx, 1, most));
}

TEST_F(room, little_then_much)
{
	check_two_senders(_metadata, self->tx, self->rx, self->cap, true);
}

TEST_F(room, much_then_little)
{
	check_two_senders(_metadata, self->tx, self->rx, self->cap, false);
}

TEST_F(room, send_timeout)
{
	int64_t start;
	char c;

	ASSERT_LT(0, seq_fill(self->tx, 10000));
	ASSERT_OK(sock_timeout(self->tx, SO_SNDTIMEO, 60));
	start = now_ms();
	EXPECT_ERR(EAGAIN, seq_send(self->tx, 0, 20000, 0));
	EXPECT_LE(60 - TICK_SLACK_MS, now_ms() - start);
	EXPECT_EQ(0, poll_events(self->tx, POLLOUT, 0));
	while (recv(self->rx, &c, 1, MSG_DONTWAIT) == 1)
		;
	EXPECT_EQ(20000, seq_send(self->tx, 0, 20000, 0));
	EXPECT_EQ(20000, seq_take(self->rx, 0, 20000));
}

static void on_signal(int sig)
{
}

/* A signal takes all of the record back. */
TEST_F(room, signal)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct sender s;
	int n, inq;

	sigaction(SIGUSR1, &sa, NULL);
	n = seq_fill(self->tx, 10000);
	ASSERT_LT(0, n);
	inq = count_pending(self->rx, SIOCINQ);
	ASSERT_OK(sender_start(&s, self->tx, 10000));
	ASSERT_EQ(0, pthread_kill(s.task.thread, SIGUSR1));
	ASSERT_OK(task_join(&s.task));
	EXPECT_EQ(-1, s.task.ret);
	EXPECT_EQ(EINTR, s.task.err);
	EXPECT_EQ(inq, count_pending(self->rx, SIOCINQ));
	/* With SA_RESTART it is sent in the end. */
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &sa, NULL);
	ASSERT_OK(sender_start(&s, self->tx, self->cap - SEQ_HEAD));
	ASSERT_EQ(0, pthread_kill(s.task.thread, SIGUSR1));
	while (n--) {
		ASSERT_OK(task_blocked(&s.task, SYS_sendto));
		ASSERT_EQ(1, seq_recv1(self->rx));
	}
	ASSERT_OK(task_join(&s.task));
	EXPECT_EQ(self->cap - SEQ_HEAD, s.task.ret);
}

TEST_F(room, end_wakes_the_sender)
{
	struct sender s;

	ASSERT_LT(0, seq_fill(self->tx, 10000));
	ASSERT_OK(sender_start(&s, self->tx, 20000));
	ASSERT_OK(shutdown(self->tx, SHUT_WR));
	ASSERT_OK(task_join(&s.task));
	EXPECT_EQ(-1, s.task.ret);
	EXPECT_EQ(EPIPE, s.task.err);
}

TEST_F(room, reset_wakes_the_sender)
{
	struct sender s;

	ASSERT_LT(0, seq_fill(self->tx, 10000));
	ASSERT_OK(sender_start(&s, self->tx, 20000));
	close(self->rx);
	ASSERT_OK(task_join(&s.task));
	EXPECT_EQ(-1, s.task.ret);
	EXPECT_EQ(ECONNRESET, s.task.err);
}

/* A larger buffer makes room for who waits. */
TEST_F(room, larger_rcvbuf_wakes_the_sender)
{
	struct sender s;
	long len;

	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 1));
	ASSERT_OK(set_rcvbuf(self->rx, 1));
	len = seq_room(self->tx, self->rx) - SEQ_HEAD;
	ASSERT_EQ(len, seq_send(self->tx, 0, len, 0));
	ASSERT_OK(sender_start(&s, self->tx, len));
	ASSERT_OK(set_rcvbuf(self->rx, 30000));
	ASSERT_OK(task_join(&s.task));
	EXPECT_EQ(len, s.task.ret);
	EXPECT_EQ(len, seq_take(self->rx, 0, len));
	EXPECT_EQ(len, seq_take(self->rx, 1, len));
}

/* The edge comes when the record fits, not before. */
TEST_F(room, edge)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	long small = self->cap / 32 - SEQ_HEAD, most = self->cap - SEQ_HEAD;
	int ep = epoll_create1(0), n = seq_fill(self->tx, small), i;

	ASSERT_OK(ep);
	ASSERT_LT(0, n);
	EXPECT_ERR(EAGAIN, seq_send(self->tx, 0, most, MSG_DONTWAIT));
	ASSERT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, self->tx, &ev));
	for (i = 0; i < n; i++) {
		EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0)) TH_LOG("%d of %d read", i, n);
		ASSERT_EQ(small, seq_take(self->rx, i * small, small));
	}
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, WAIT_MS));
	EXPECT_EQ(EPOLLOUT, ev.events);
	EXPECT_EQ(most, seq_send(self->tx, 0, most, MSG_DONTWAIT));
	close(ep);
}

/* --- many threads, one pair ----------------------------------------------------------- */

enum { SENDERS = 4, RECEIVERS = 3 };

struct head {
	uint32_t sender;
	uint32_t seq;
	uint32_t len;
	uint32_t sum;
};

struct crowd {
	struct task send[SENDERS];
	struct task recv[RECEIVERS];
	int tx;
	int rx;
	int records;		/* of each sender */
	size_t most;		/* bytes of a record */
	int seen[SENDERS];	/* records that came */
	int early;		/* that came before an earlier one of the same sender */
	int last[SENDERS];
	int wrong;
};

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static uint32_t checksum(const unsigned char *p, size_t n)
{
	uint32_t a = 1, b = 0;

	while (n--) {
		a += *p++;
		b += a;
	}
	return b ^ a << 16;
}

/* Blocks in one send, polls before the next. */
static int send_record(struct crowd *c, void *buf, size_t len, bool block)
{
	while (send(c->tx, buf, len, MSG_NOSIGNAL | (block ? 0 : MSG_DONTWAIT)) != (ssize_t)len) {
		if (block || errno != EAGAIN)
			return -1;
		if (poll_events(c->tx, POLLOUT, WAIT_MS) != POLLOUT)
			return -1;
	}
	return 0;
}

static long crowd_sender(struct task *t)
{
	struct crowd *c = t->arg;
	uint32_t seed = t->number + 1;
	char *buf = malloc(c->most);
	struct head h;
	int i;

	for (i = 0; i < c->records; i++) {
		size_t len = next_random(&seed) % 4 ? next_random(&seed) % 300 :
						      next_random(&seed) % c->most;

		if (len < sizeof(h))
			len = sizeof(h);
		pattern_fill(buf, len, next_random(&seed));
		h.sender = t->number;
		h.seq = i;
		h.len = len;
		h.sum = checksum((unsigned char *)buf + sizeof(h), len - sizeof(h));
		memcpy(buf, &h, sizeof(h));
		if (send_record(c, buf, len, t->number & 1))
			break;
	}
	free(buf);
	return i;
}

static bool record_is_right(const struct crowd *c, const char *buf, size_t n, struct head *h)
{
	if (n < sizeof(*h))
		return false;
	memcpy(h, buf, sizeof(*h));
	return h->sender < SENDERS && h->seq < (uint32_t)c->records && h->len == n &&
	       h->sum == checksum((unsigned char *)buf + sizeof(*h), n - sizeof(*h));
}

static long crowd_receiver(struct task *t)
{
	struct crowd *c = t->arg;
	char *buf = malloc(c->most);
	struct head h;
	int flags, last[SENDERS];
	long n, got = 0;

	memset(last, -1, sizeof(last));
	for (;;) {
		n = seq_recv(c->rx, buf, c->most, 0, &flags);
		if (n <= 0)
			break;
		got++;
		if (!record_is_right(c, buf, n, &h) || flags != MSG_EOR) {
			__atomic_fetch_add(&c->wrong, 1, __ATOMIC_RELAXED);
			continue;
		}
		__atomic_fetch_add(&c->seen[h.sender], 1, __ATOMIC_RELAXED);
		/* One receiver sees one sender's records in order. */
		if ((int)h.seq <= last[h.sender])
			__atomic_fetch_add(&c->early, 1, __ATOMIC_RELAXED);
		last[h.sender] = h.seq;
	}
	free(buf);
	return n < 0 ? -1 : got;
}

static void check_crowd(struct __test_metadata *_metadata, struct crowd *c)
{
	int i;

	for (i = 0; i < RECEIVERS; i++) {
		c->recv[i] = (struct task){ .fn = crowd_receiver, .arg = c };
		ASSERT_OK(task_start(&c->recv[i]));
	}
	for (i = 0; i < SENDERS; i++) {
		c->send[i] = (struct task){ .fn = crowd_sender, .arg = c, .number = i };
		ASSERT_OK(task_start(&c->send[i]));
	}
	for (i = 0; i < SENDERS; i++) {
		ASSERT_OK(task_join(&c->send[i]));
		EXPECT_EQ(c->records, c->send[i].ret);
	}
	ASSERT_OK(shutdown(c->tx, SHUT_WR));
	for (i = 0; i < RECEIVERS; i++) {
		ASSERT_OK(task_join(&c->recv[i]));
		EXPECT_LE(0, c->recv[i].ret);
	}
	for (i = 0; i < SENDERS; i++)
		EXPECT_EQ(c->records, c->seen[i]) TH_LOG("of sender %d", i);
	EXPECT_EQ(0, c->wrong);
	EXPECT_EQ(0, c->early);
}

/* Whole records, each of them once, in the order of their sender. */
TEST_F_TIMEOUT(room, crowd, 60)
{
	struct crowd c = { .tx = self->tx, .rx = self->rx, .most = 70000 };

	c.records = 1000 * test_scale();
	check_crowd(_metadata, &c);
}

/* The same where hardly one of the largest fits. */
TEST_F_TIMEOUT(room, crowd_in_little_room, 60)
{
	struct crowd c = { .tx = self->tx, .rx = self->rx };

	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 1));
	ASSERT_OK(set_rcvbuf(self->rx, 1));
	c.most = seq_room(self->tx, self->rx) - SEQ_HEAD;
	c.records = 500 * test_scale();
	check_crowd(_metadata, &c);
}

TEST_HARNESS_MAIN
