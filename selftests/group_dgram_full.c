// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups of datagram sockets with full queues: who gets a datagram then, or that it
 * is dropped; and what a sender that waits for room is waiting for.
 */
#include <kselftest_harness.h>

#include <linux/sock_diag.h>

#include "dgrouplib.h"

FIXTURE(dfull) {
	struct dgroup g;	/* two members */
};

DOOR_FIXTURE(dfull);

FIXTURE_SETUP(dfull)
{
	ASSERT_OK(dgroup_start(&self->g, variant->door));
	ASSERT_OK(dgroup_grow(&self->g));
}

FIXTURE_TEARDOWN(dfull)
{
	dgroup_end(&self->g);
}

/* Datagrams that this socket's queue did not take. */
static int drops(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { };
	socklen_t len = sizeof(info);

	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) ? -1 : info[SK_MEMINFO_DROPS];
}

/* Sends until there is no more room; how many went. */
static int fill(int fd)
{
	int n = 0;

	while (n < 10000 && !send_number(fd, n, SIZE))
		n++;
	return errno == EAGAIN ? n : -1;
}

/* Reads all numbered ones that are there; how many, -1 if the numbers do not grow. */
static int drain(int fd)
{
	uint32_t number, before = 0;
	int n = 0;

	while (count_pending(fd, FIONREAD) == SIZE) {
		if (recv(fd, &number, sizeof(number), MSG_DONTWAIT) != sizeof(number) ||
		    (n++ && number <= before))
			return -1;
		before = number;
	}
	return n;
}

#define NEWPROTO_ONLY()	do {						\
	if (over_udp())							\
		SKIP(return, "newproto's own");				\
} while (0)

/* --- full queues ------------------------------------------------------------------ */

/* With hash the flow's member drops what it has no room for, as UDP's does. */
TEST_F(dfull, full_hash)
{
	struct dgroup *g = &self->g;
	int fd = dgram_dial(variant->door, 0, g->port), at, i, n, lost;

	for (i = 0; i < 2; i++)
		ASSERT_OK(sock_set(g->m[i], SOL_SOCKET, SO_RCVBUF, SMALL));
	for (i = 0; i < 300; i++)
		ASSERT_OK(send_number(fd, i, SIZE));
	EXPECT_EQ(0, sock_error(fd));
	at = poll_events(g->m[0], POLLIN, over_udp() ? 100 : 0) ? 0 : 1;
	ASSERT_TRUE(poll_events(g->m[at], POLLIN, WAIT_MS) & POLLIN);
	n = drain(g->m[at]);
	EXPECT_LT(5, n);
	EXPECT_GT(100, n);
	EXPECT_TRUE(dgram_empty(g->m[!at]));
	EXPECT_EQ(0, drops(g->m[!at]));
	lost = drops(g->m[at]);
	/* the network may keep some back for later */
	EXPECT_TRUE(lost == 300 - n || (over_udp() && lost > 100))
		TH_LOG("%d lost, %d read", lost, n);
	close(fd);
}

/* With the others the next one that has room gets it. */
TEST_F(dfull, full_member)
{
	struct dgroup *g = &self->g;
	int fd = dgram_dial(variant->door, 0, g->port), policy, i, n[3];

	NEWPROTO_ONLY();
	ASSERT_OK(dgroup_grow(g));
	ASSERT_OK(sock_set(g->m[2], SOL_SOCKET, SO_RCVBUF, SMALL));
	for (policy = NEWPROTO_POLICY_ROUND_ROBIN; policy <= NEWPROTO_POLICY_LAST_BOUND;
	     policy++) {
		ASSERT_OK(group_set(g->m[0], NEWPROTO_POLICY, policy));
		for (i = 0; i < 120; i++)
			ASSERT_OK(send_number(fd, i, SIZE));
		for (i = 0; i < 3; i++)
			n[i] = drain(g->m[i]);
		EXPECT_EQ(120, n[0] + n[1] + n[2])
			TH_LOG("policy %d: %d, %d and %d", policy, n[0], n[1], n[2]);
		EXPECT_LT(5, n[2]);
		EXPECT_GT(50, n[2]);
	}
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, drops(g->m[i]));
	close(fd);
}

/* If none has room it is dropped, and one of them counts it. */
TEST_F(dfull, all_full)
{
	struct dgroup *g = &self->g;
	int fd = dgram_dial(variant->door, 0, g->port), policy, i, n[2], lost = 0;

	NEWPROTO_ONLY();
	for (i = 0; i < 2; i++)
		ASSERT_OK(sock_set(g->m[i], SOL_SOCKET, SO_RCVBUF, SMALL));
	for (policy = NEWPROTO_POLICY_ROUND_ROBIN; policy <= NEWPROTO_POLICY_LAST_BOUND;
	     policy++) {
		ASSERT_OK(group_set(g->m[0], NEWPROTO_POLICY, policy));
		for (i = 0; i < 300; i++)
			ASSERT_OK(send_number(fd, i, SIZE));
		for (i = 0; i < 2; i++) {
			n[i] = drain(g->m[i]);
			EXPECT_LT(5, n[i]) TH_LOG("policy %d", policy);
			EXPECT_GT(100, n[i]) TH_LOG("policy %d", policy);
		}
		lost += 300 - n[0] - n[1];
		EXPECT_EQ(lost, drops(g->m[0]) + drops(g->m[1]))
			TH_LOG("policy %d", policy);
	}
	EXPECT_EQ(0, sock_error(fd));
	close(fd);
}

/* --- senders that wait ------------------------------------------------------------ */

/* Connected to a group of small members, waits. */
static int waiting_sender(struct dgroup *g, int policy)
{
	int fd = dgram_dial(g->door, 0, g->port), i;

	for (i = 0; i < g->n; i++)
		sock_set(g->m[i], SOL_SOCKET, SO_RCVBUF, SMALL);
	if (group_set(fd, NEWPROTO_WAIT, 1) || group_set(g->m[0], NEWPROTO_POLICY, policy)) {
		close(fd);
		return -1;
	}
	return fd;
}

static long send_one(struct task *t)
{
	return send(t->fd, "waited", 6, 0);
}

static long poll_out(struct task *t)
{
	return poll_events(t->fd, POLLOUT, WAIT_MS);
}

/* A flow waits for its member, though others have room. */
TEST_F(dfull, wait_hash)
{
	struct dgroup *g = &self->g;
	int fd, at, n;

	NEWPROTO_ONLY();
	fd = waiting_sender(g, NEWPROTO_POLICY_HASH);
	ASSERT_OK(fd);
	n = fill(fd);
	ASSERT_LT(5, n);
	at = dgram_empty(g->m[0]) ? 1 : 0;
	EXPECT_TRUE(dgram_empty(g->m[!at]));
	EXPECT_EQ(0, poll_events(fd, POLLOUT, 0));
	EXPECT_EQ(n, drain(g->m[at]));
	EXPECT_EQ(POLLOUT, poll_events(fd, POLLOUT, WAIT_MS));
	ASSERT_OK(send_number(fd, 0, SIZE));
	EXPECT_EQ(1, drain(g->m[at]));
	EXPECT_EQ(0, drops(g->m[0]) + drops(g->m[1]));
	close(fd);
}

/* With the others a sender waits for the group: room at any member will do. */
TEST_F(dfull, wait_for_any)
{
	struct dgroup *g = &self->g;
	static const int drained[] = { 0, 1, 1, 0, 0, 1 };
	int fd, policy, n, i, at, sum;

	NEWPROTO_ONLY();
	for (policy = NEWPROTO_POLICY_ROUND_ROBIN; policy <= NEWPROTO_POLICY_LAST_BOUND;
	     policy++) {
		fd = waiting_sender(g, policy);
		ASSERT_OK(fd);
		sum = fill(fd);
		ASSERT_LT(10, sum) TH_LOG("policy %d", policy);
		for (i = 0; i < ARRAY_SIZE(drained); i++) {
			at = drained[i];
			EXPECT_EQ(0, poll_events(fd, POLLOUT, 0)) TH_LOG("policy %d", policy);
			n = drain(g->m[at]);
			EXPECT_LT(5, n) TH_LOG("policy %d, member %d", policy, at);
			sum -= n;
			ASSERT_EQ(POLLOUT, poll_events(fd, POLLOUT, WAIT_MS / 4))
				TH_LOG("policy %d: member %d has room", policy, at);
			n = fill(fd);
			EXPECT_LT(5, n) TH_LOG("policy %d, member %d", policy, at);
			sum += n;
		}
		EXPECT_EQ(sum, drain(g->m[0]) + drain(g->m[1])) TH_LOG("policy %d", policy);
		EXPECT_EQ(0, drops(g->m[0]) + drops(g->m[1]));
		close(fd);
	}
}

static void wait_asleep(struct __test_metadata *_metadata, struct dgroup *g, int at)
{
	int fd = waiting_sender(g, NEWPROTO_POLICY_ROUND_ROBIN);
	struct task t = { .fn = send_one, .fd = fd }, p = { .fn = poll_out, .fd = fd };

	ASSERT_OK(fd);
	ASSERT_LT(10, fill(fd));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	ASSERT_OK(task_start(&p));
	ASSERT_OK(task_blocked(&p, SYS_poll));
	EXPECT_LT(5, drain(g->m[at]));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(6, t.ret);
	ASSERT_OK(task_join(&p));
	EXPECT_EQ(POLLOUT, p.ret);
	EXPECT_STREQ("waited", dgram_text(g->m[at]));
	drain(g->m[!at]);
	close(fd);
}

TEST_F(dfull, wait_asleep)
{
	struct dgroup *g = &self->g;

	NEWPROTO_ONLY();
	wait_asleep(_metadata, g, 0);
	wait_asleep(_metadata, g, 1);
}

/* A newcomer has room. */
TEST_F(dfull, wait_newcomer)
{
	struct dgroup *g = &self->g;
	struct task t = { .fn = send_one }, p = { .fn = poll_out };

	NEWPROTO_ONLY();
	t.fd = waiting_sender(g, NEWPROTO_POLICY_ROUND_ROBIN);
	p.fd = t.fd;
	ASSERT_OK(t.fd);
	ASSERT_LT(10, fill(t.fd));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	ASSERT_OK(task_start(&p));
	ASSERT_OK(task_blocked(&p, SYS_poll));
	ASSERT_OK(dgroup_grow(g));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(6, t.ret);
	ASSERT_OK(task_join(&p));
	EXPECT_EQ(POLLOUT, p.ret);
	EXPECT_STREQ("waited", dgram_text(g->m[2]));
	close(t.fd);
}

/* Some flows become the newcomer's: those who wait for them, and no others, get on. */
TEST_F(dfull, wait_newcomer_hash)
{
	struct dgroup *g = &self->g;
	enum { MANY = 24 };
	int fd[MANY], i, got_on = 0;
	bool writable;

	NEWPROTO_ONLY();
	for (i = 0; i < MANY; i++) {
		fd[i] = waiting_sender(g, NEWPROTO_POLICY_HASH);
		ASSERT_OK(fd[i]);
		ASSERT_LE(0, fill(fd[i]));
	}
	ASSERT_OK(dgroup_grow(g));
	for (i = 0; i < MANY; i++) {
		writable = poll_events(fd[i], POLLOUT, 0) & POLLOUT;
		if (!send_number(fd[i], i, SIZE)) {
			got_on++;
			EXPECT_TRUE(writable) TH_LOG("sender %d has room and is not told", i);
		}
		close(fd[i]);
	}
	EXPECT_LT(0, got_on);
	EXPECT_GT(MANY, got_on);
}

/* Another policy, and room elsewhere will do. */
TEST_F(dfull, wait_policy_changes)
{
	struct dgroup *g = &self->g;
	struct task t = { .fn = send_one };
	int at, fd;

	NEWPROTO_ONLY();
	fd = waiting_sender(g, NEWPROTO_POLICY_HASH);
	ASSERT_OK(fd);
	ASSERT_LT(5, fill(fd));
	at = dgram_empty(g->m[0]) ? 1 : 0;
	t.fd = fd;
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	ASSERT_OK(group_set(g->m[0], NEWPROTO_POLICY, NEWPROTO_POLICY_ROUND_ROBIN));
	EXPECT_EQ(POLLOUT, poll_events(fd, POLLOUT, WAIT_MS / 4));
	/* if that has not woken it, this does */
	EXPECT_STREQ("waited", dgram_text(g->m[!at]));
	drain(g->m[at]);
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(6, t.ret);
	close(fd);
}

/* The flow's member goes, one way or another: it has another one then. */
static void wait_for_leaver(struct __test_metadata *_metadata, struct dgroup *g, int how)
{
	struct task t = { .fn = send_one };
	int at, i, n, peer = dgram_bound(g->door, 0, 0);
	union addr a;
	socklen_t len = door_loop(g->door, &a, sock_port(peer));

	t.fd = waiting_sender(g, NEWPROTO_POLICY_HASH);
	ASSERT_OK(t.fd);
	n = fill(t.fd);
	ASSERT_LT(5, n);
	at = dgram_empty(g->m[0]) ? 1 : 0;
	ASSERT_OK(sock_set(g->m[!at], SOL_SOCKET, SO_RCVBUF, 200000));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	switch (how) {
	case 0:
		ASSERT_OK(close(g->m[at]));
		g->m[at] = -1;
		break;
	case 1:
		shutdown(g->m[at], SHUT_RD);
		break;
	default:
		ASSERT_OK(connect(g->m[at], &a.sa, len));
	}
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(6, t.ret) TH_LOG("%s", strerror(t.err));
	/* somewhere among those that have moved, which are in order */
	i = drain(g->m[!at]);
	EXPECT_STREQ("waited", dgram_text(g->m[!at]));
	i += drain(g->m[!at]);
	EXPECT_EQ(how == 0 ? n : 0, i);
	EXPECT_TRUE(dgram_empty(g->m[!at]));
	close(t.fd);
	close(peer);
}

TEST_F(dfull, wait_member_closes)
{
	struct dgroup *g = &self->g;

	NEWPROTO_ONLY();
	wait_for_leaver(_metadata, g, 0);
}

TEST_F(dfull, wait_member_shut_down)
{
	struct dgroup *g = &self->g;

	NEWPROTO_ONLY();
	wait_for_leaver(_metadata, g, 1);
}

TEST_F(dfull, wait_member_connects)
{
	struct dgroup *g = &self->g;

	NEWPROTO_ONLY();
	wait_for_leaver(_metadata, g, 2);
}

TEST_HARNESS_MAIN
