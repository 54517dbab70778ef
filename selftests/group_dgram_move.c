// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of the datagrams that a member of a group has not read when it
 * leaves: they go to the others. This is newproto's own.
 */
#include <kselftest_harness.h>

#include <linux/filter.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <time.h>

#include "dgrouplib.h"

/* The latest member gets all that is sent, until the policy is changed. */
FIXTURE(dmove) {
	struct dgroup g;
	struct remote r;
	struct inbox in;
};

DOOR_FIXTURE(dmove);

FIXTURE_SETUP(dmove)
{
	if (over_udp())
		SKIP(_exit(255), "UDP drops what a socket has not read");
	ASSERT_OK(dgroup_start(&self->g, variant->door));
	ASSERT_OK(dgroup_dial(&self->g));
	ASSERT_OK(group_set(self->g.m[0], NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND));
}

FIXTURE_TEARDOWN(dmove)
{
	remote_kill(&self->r);
	dgroup_end(&self->g);
}

/* --- the ways to leave ------------------------------------------------------------ */

TEST_F(dmove, closes)
{
	struct dgroup *g = &self->g;

	ASSERT_OK(dgroup_grow(g));
	ASSERT_EQ(20, send_some(g, 20, 100));
	EXPECT_TRUE(dgram_empty(g->m[0]));
	ASSERT_OK(dgroup_leave(g, 1));
	EXPECT_NUMBERS(g, g->m[0], 0, 20);
	EXPECT_TRUE(dgram_empty(g->m[0]));
	/* and what is sent from now on */
	ASSERT_EQ(5, send_some(g, 5, 100));
	EXPECT_NUMBERS(g, g->m[0], 20, 5);
}

/* Behind what is there already. */
TEST_F(dmove, order)
{
	struct dgroup *g = &self->g;

	ASSERT_EQ(10, send_some(g, 10, 100));
	ASSERT_OK(dgroup_grow(g));
	ASSERT_EQ(10, send_some(g, 10, 100));
	ASSERT_OK(dgroup_leave(g, 1));
	ASSERT_EQ(10, send_some(g, 10, 100));
	EXPECT_NUMBERS(g, g->m[0], 0, 30);
}

/* A process that has a member dies, or becomes another program. */
TEST_F(dmove, processes)
{
	struct dgroup *g = &self->g;
	static const enum leave ways[] = { LEAVE_CLOSE, LEAVE_EXIT, LEAVE_KILL, LEAVE_EXEC };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		ASSERT_OK(dgroup_remote(g, &self->r, 0));
		g->sent = 0;
		ASSERT_EQ(20, send_some(g, 20, 100));
		EXPECT_TRUE(dgram_empty(g->m[0]));
		ASSERT_EQ(0, remote_leave(&self->r, ways[i])) TH_LOG("%s", leave_names[ways[i]]);
		EXPECT_EQ(20, read_all(g, g->m[0])) TH_LOG("%s", leave_names[ways[i]]);
		remote_kill(&self->r);
	}
}

/* One that is stopped has to be killed before anybody gets what it has. */
TEST_F(dmove, stopped_and_killed)
{
	struct dgroup *g = &self->g;

	ASSERT_OK(dgroup_remote(g, &self->r, 0));
	ASSERT_OK(remote_stop(&self->r));
	ASSERT_EQ(20, send_some(g, 20, 100));
	EXPECT_TRUE(dgram_empty(g->m[0]));
	remote_kill(&self->r);
	EXPECT_NUMBERS(g, g->m[0], 0, 20);
}

/* As long as somebody has the socket, it is a member. */
TEST_F(dmove, last_reference)
{
	struct dgroup *g = &self->g;
	int fd;

	ASSERT_OK(dgroup_grow(g));
	fd = dup(g->m[1]);
	ASSERT_EQ(5, send_some(g, 5, 100));
	ASSERT_OK(dgroup_leave(g, 1));
	ASSERT_EQ(5, send_some(g, 5, 100));
	EXPECT_TRUE(dgram_empty(g->m[0]));
	ASSERT_OK(close(fd));
	EXPECT_NUMBERS(g, g->m[0], 0, 10);
}

/* What was only looked at goes along; what was read does not. */
TEST_F(dmove, peeked)
{
	struct dgroup *g = &self->g;
	uint32_t number = 4711;

	ASSERT_OK(dgroup_grow(g));
	ASSERT_EQ(5, send_some(g, 5, 100));
	EXPECT_NUMBERS(g, g->m[1], 0, 2);
	EXPECT_EQ(4, recv(g->m[1], &number, 4, MSG_PEEK));
	EXPECT_EQ(2, number);
	EXPECT_EQ(100, count_pending(g->m[1], FIONREAD));
	ASSERT_OK(dgroup_leave(g, 1));
	EXPECT_EQ(100, count_pending(g->m[0], FIONREAD));
	EXPECT_EQ(4, recv(g->m[0], &number, 4, MSG_PEEK));
	EXPECT_EQ(2, number);
	EXPECT_NUMBERS(g, g->m[0], 2, 3);
	EXPECT_TRUE(dgram_empty(g->m[0]));
}

/* --- to whom they go -------------------------------------------------------------- */

/* To all others, to each in order. */
TEST_F(dmove, spread)
{
	struct dgroup *g = &self->g;
	int policy, n[2], i;

	for (policy = NEWPROTO_POLICY_ROUND_ROBIN; policy <= NEWPROTO_POLICY_LEAST_LOADED;
	     policy++) {
		for (i = g->n; i < 3; i++)
			ASSERT_OK(dgroup_grow(g));
		ASSERT_OK(group_set(g->m[0], NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND));
		ASSERT_EQ(40, send_some(g, 40, 100));
		ASSERT_OK(group_set(g->m[0], NEWPROTO_POLICY, policy));
		ASSERT_OK(dgroup_leave(g, 2));
		for (i = 0; i < 2; i++) {
			n[i] = read_all(g, g->m[i]);
			EXPECT_LT(5, n[i]) TH_LOG("policy %d, member %d", policy, i);
		}
		EXPECT_EQ(40, n[0] + n[1]) TH_LOG("policy %d", policy);
		g->n = 2;
	}
}

/* A flow's datagrams stay together, those that come later, too. */
TEST_F(dmove, flows)
{
	struct dgroup *g = &self->g;
	int tx[32], i, k, at[32], got[2] = { 0 };

	ASSERT_OK(dgroup_grow(g));
	ASSERT_OK(dgroup_grow(g));
	for (i = 0; i < ARRAY_SIZE(tx); i++) {
		tx[i] = dgram_dial(variant->door, 0, g->port);
		at[i] = -1;
		for (k = 0; k < 3; k++)
			ASSERT_OK(send_number(tx[i], 10 * i + k, 100));
	}
	ASSERT_OK(group_set(g->m[0], NEWPROTO_POLICY, NEWPROTO_POLICY_HASH));
	ASSERT_OK(dgroup_leave(g, 2));
	for (i = 0; i < ARRAY_SIZE(tx); i++)
		ASSERT_OK(send_number(tx[i], 10 * i + 3, 100));
	for (k = 0; k < 2; k++) {
		int next[32] = { 0 };
		uint32_t number;

		while (recv(g->m[k], &number, sizeof(number), MSG_DONTWAIT) > 0) {
			i = number / 10;
			EXPECT_EQ(next[i], number % 10) TH_LOG("flow %d at member %d", i, k);
			next[i]++;
			EXPECT_NE(!k, at[i]) TH_LOG("flow %d is at both", i);
			at[i] = k;
			got[k]++;
		}
	}
	EXPECT_EQ(4 * ARRAY_SIZE(tx), got[0] + got[1]);
	EXPECT_LT(0, got[0]);
	EXPECT_LT(0, got[1]);
	for (i = 0; i < ARRAY_SIZE(tx); i++)
		close(tx[i]);
}

/* Where one is full the next one gets them, whatever the policy. */
TEST_F(dmove, none_lost_while_one_has_room)
{
	struct dgroup *g = &self->g;
	int policy, n[2], i;

	ASSERT_OK(sock_set(g->m[0], SOL_SOCKET, SO_RCVBUF, SMALL));
	for (policy = NEWPROTO_POLICY_HASH; policy <= NEWPROTO_POLICY_LAST_BOUND; policy++) {
		for (i = g->n; i < 3; i++)
			ASSERT_OK(dgroup_grow(g));
		ASSERT_OK(group_set(g->m[0], NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND));
		ASSERT_EQ(60, send_some(g, 60, SIZE));
		ASSERT_OK(group_set(g->m[0], NEWPROTO_POLICY, policy));
		ASSERT_OK(dgroup_leave(g, 2));
		for (i = 0; i < 2; i++)
			n[i] = read_all(g, g->m[i]);
		EXPECT_EQ(60, n[0] + n[1]) TH_LOG("policy %d: %d and %d", policy, n[0], n[1]);
		g->n = 2;
	}
}

/* What nobody has room for is lost, and senders hear nothing of it. */
TEST_F(dmove, no_room)
{
	struct dgroup *g = &self->g;
	int n, i;

	ASSERT_OK(sock_set(g->m[0], SOL_SOCKET, SO_RCVBUF, SMALL));
	ASSERT_OK(dgroup_grow(g));
	ASSERT_EQ(60, send_some(g, 60, SIZE));
	ASSERT_OK(dgroup_leave(g, 1));
	n = read_all(g, g->m[0]);
	EXPECT_LT(5, n);
	EXPECT_GT(40, n);
	for (i = 0; i < SENDERS; i++)
		EXPECT_EQ(0, sock_error(g->tx[i]));
	/* and the one that is there goes on */
	g->sent = 0;
	ASSERT_EQ(1, send_some(g, 1, 100));
	EXPECT_NUMBERS(g, g->m[0], 0, 1);
}

/* Members that would not have been sent to are not given any, either. */
TEST_F(dmove, not_to_connected_or_shut_down)
{
	struct dgroup *g = &self->g;
	int peer = dgram_bound(variant->door, 0, 0);
	union addr a;
	socklen_t len = door_loop(variant->door, &a, sock_port(peer));

	ASSERT_OK(dgroup_grow(g));
	ASSERT_OK(dgroup_grow(g));
	ASSERT_OK(dgroup_grow(g));
	ASSERT_EQ(20, send_some(g, 20, 100));
	ASSERT_OK(connect(g->m[2], &a.sa, len));
	shutdown(g->m[1], SHUT_RD);
	ASSERT_OK(dgroup_leave(g, 3));
	EXPECT_TRUE(dgram_empty(g->m[1]));
	EXPECT_TRUE(dgram_empty(g->m[2]));
	EXPECT_NUMBERS(g, g->m[0], 0, 20);
	close(peer);
}

/* What one that is shut down has left unread goes along when it closes. */
TEST_F(dmove, shut_down_then_closed)
{
	struct dgroup *g = &self->g;

	ASSERT_OK(dgroup_grow(g));
	ASSERT_EQ(20, send_some(g, 20, 100));
	shutdown(g->m[1], SHUT_RD);
	EXPECT_NUMBERS(g, g->m[1], 0, 5);
	ASSERT_OK(dgroup_leave(g, 1));
	EXPECT_NUMBERS(g, g->m[0], 5, 15);
}

/* And what had come to one for the group before it was connected. */
TEST_F(dmove, connected_then_closed)
{
	struct dgroup *g = &self->g;
	union addr a;
	socklen_t len = door_loop(variant->door, &a, sock_port(g->tx[0]));

	ASSERT_OK(dgroup_grow(g));
	ASSERT_EQ(10, send_some(g, 10, 100));
	ASSERT_OK(connect(g->m[1], &a.sa, len));
	ASSERT_OK(dgroup_leave(g, 1));
	EXPECT_NUMBERS(g, g->m[0], 0, 10);
}

/* Nor does anybody get them who only shares the port. */
TEST_F(dmove, not_to_strangers)
{
	struct dgroup *g = &self->g;
	int fd = dgram_socket(variant->door, 0);
	union addr a;
	socklen_t len = door_any(variant->door, &a, g->port);

	ASSERT_OK(sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1));
	ASSERT_OK(bind(fd, &a.sa, len));
	ASSERT_EQ(5, send_some(g, 5, 100));
	ASSERT_OK(dgroup_leave(g, 0));
	EXPECT_TRUE(dgram_empty(fd));
	ASSERT_EQ(5, send_some(g, 5, 100));
	EXPECT_NUMBERS(g, fd, 5, 5);
	close(fd);
}

/* --- what goes along -------------------------------------------------------------- */

static int ask_for_all(int fd, const struct door *d)
{
	int err = sock_set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);

	if (d->af == AF_INET)
		return err ?: sock_set(fd, IPPROTO_IP, IP_PKTINFO, 1) ?:
		       sock_set(fd, IPPROTO_IP, IP_RECVTTL, 1);
	return err ?: sock_set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) ?:
	       sock_set(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
}

static void expect_destination(struct __test_metadata *_metadata, struct inbox *in,
			       const struct door *d)
{
	char text[INET6_ADDRSTRLEN];

	if (d->af == AF_INET) {
		const struct in_pktinfo *p = inbox_find(in, IPPROTO_IP, IP_PKTINFO, sizeof(*p));

		ASSERT_NE(NULL, p);
		EXPECT_EQ(if_nametoindex("lo"), p->ipi_ifindex);
		EXPECT_STREQ("127.0.0.5", inet_ntop(AF_INET, &p->ipi_addr, text, sizeof(text)));
		EXPECT_EQ(33, inbox_int(in, IPPROTO_IP, IP_TTL));
	} else {
		const struct in6_pktinfo *p = inbox_find(in, IPPROTO_IPV6, IPV6_PKTINFO,
							 sizeof(*p));

		ASSERT_NE(NULL, p);
		EXPECT_EQ(if_nametoindex("lo"), p->ipi6_ifindex);
		EXPECT_STREQ("::1", inet_ntop(AF_INET6, &p->ipi6_addr, text, sizeof(text)));
		EXPECT_EQ(33, inbox_int(in, IPPROTO_IPV6, IPV6_HOPLIMIT));
	}
}

static int64_t real_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Where it was sent to, when, and from where. */
TEST_F(dmove, control_messages)
{
	const struct door *d = variant->door;
	const struct timespec *ts;
	int fd[2], i, tx = dgram_bound(d, 0, 0);
	int64_t before, sent, at;
	union addr a;
	socklen_t len;

	for (i = 0; i < 2; i++) {
		fd[i] = member_socket(dgram_door(d));
		len = door_any(d, &a, i ? sock_port(fd[0]) : 0);
		ASSERT_OK(bind(fd[i], &a.sa, len));
		ASSERT_OK(ask_for_all(fd[i], d));
	}
	ASSERT_OK(group_set(fd[0], NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND));
	ASSERT_OK(sock_set(tx, d->af == AF_INET ? IPPROTO_IP : IPPROTO_IPV6,
			   d->af == AF_INET ? IP_TTL : IPV6_UNICAST_HOPS, 33));
	len = door_addr(d, &a, "127.0.0.5", "::1", sock_port(fd[0]));
	before = real_ns();
	ASSERT_EQ(5, sendto(tx, "moved", 5, 0, &a.sa, len));
	sent = real_ns();
	ASSERT_EQ(0, poll_events(fd[0], POLLIN, 0));
	ASSERT_OK(close(fd[1]));
	ASSERT_EQ(5, inbox_recv(fd[0], &self->in, 0));
	EXPECT_EQ(sock_port(tx), addr_port(&self->in.from));
	expect_destination(_metadata, &self->in, d);
	ts = inbox_find(&self->in, SOL_SOCKET, SO_TIMESTAMPNS, sizeof(*ts));
	ASSERT_NE(NULL, ts);
	at = ts->tv_sec * 1000000000LL + ts->tv_nsec;
	EXPECT_LE(before, at);
	EXPECT_GE(sent, at) TH_LOG("the time is not when it was sent");
	EXPECT_EQ(3, inbox_count(&self->in));
	close(fd[0]);
	close(tx);
}

/* A datagram of many pages. */
TEST_F(dmove, large)
{
	struct dgroup *g = &self->g;
	static char buf[DGRAM_MAX];

	ASSERT_OK(dgroup_grow(g));
	pattern_fill(buf, sizeof(buf), 4711);
	ASSERT_EQ(sizeof(buf), send(g->tx[0], buf, sizeof(buf), 0));
	ASSERT_OK(dgroup_leave(g, 1));
	memset(buf, 0, sizeof(buf));
	ASSERT_EQ(sizeof(buf), recv(g->m[0], buf, sizeof(buf), MSG_DONTWAIT));
	EXPECT_EQ(-1, pattern_wrong(buf, sizeof(buf), 4711));
}

/* The new member's filter has a word to say. It sees a UDP header, and the datagram. */
TEST_F(dmove, filter)
{
	struct dgroup *g = &self->g;
	struct sock_filter even[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 1),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 8 + 50),
		BPF_STMT(BPF_RET | BPF_K, 0),
	}, source[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, sock_port(g->tx[3]), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(even), .filter = even };
	int i;

	ASSERT_OK(dgroup_grow(g));
	ASSERT_EQ(20, send_some(g, 20, 100));
	ASSERT_OK(setsockopt(g->m[0], SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)));
	ASSERT_OK(dgroup_leave(g, 1));
	for (i = 0; i < 20; i += 2) {
		ASSERT_TRUE(poll_events(g->m[0], POLLIN, WAIT_MS) & POLLIN);
		EXPECT_EQ(50, count_pending(g->m[0], FIONREAD)) TH_LOG("number %d", i);
		ASSERT_EQ(i, read_number(g, g->m[0]));
	}
	EXPECT_TRUE(dgram_empty(g->m[0]));

	g->n = 1;
	ASSERT_OK(dgroup_grow(g));
	ASSERT_EQ(20, send_some(g, 20, 100));
	prog = (struct sock_fprog){ .len = ARRAY_SIZE(source), .filter = source };
	ASSERT_OK(setsockopt(g->m[0], SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)));
	ASSERT_OK(dgroup_leave(g, 1));
	for (i = 23; i < 40; i += SENDERS)
		ASSERT_EQ(i, read_number(g, g->m[0]));
	EXPECT_TRUE(dgram_empty(g->m[0]));
}

/* --- who waits hears of it -------------------------------------------------------- */

static long recv_one(struct task *t)
{
	char c;

	return recv(t->fd, &c, 1, 0);
}

static long poll_in(struct task *t)
{
	return poll_events(t->fd, POLLIN, WAIT_MS);
}

TEST_F(dmove, wakes)
{
	struct dgroup *g = &self->g;
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int ep = epoll_create1(0), i;
	struct task t[3], p = { .fn = poll_in, .fd = g->m[0] };

	ASSERT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, g->m[0], &ev));
	ASSERT_OK(dgroup_grow(g));
	for (i = 0; i < 3; i++) {
		t[i] = (struct task){ .fn = recv_one, .fd = g->m[0] };
		ASSERT_OK(task_start(&t[i]));
		ASSERT_OK(task_blocked(&t[i], SYS_recvfrom));
	}
	ASSERT_OK(task_start(&p));
	ASSERT_OK(task_blocked(&p, SYS_poll));
	ASSERT_EQ(4, send_some(g, 4, 100));
	EXPECT_EQ(0, epoll_wait(ep, &ev, 1, 0));
	ASSERT_OK(dgroup_leave(g, 1));
	for (i = 0; i < 3; i++) {
		ASSERT_OK(task_join(&t[i]));
		EXPECT_EQ(1, t[i].ret);
	}
	ASSERT_OK(task_join(&p));
	EXPECT_EQ(POLLIN, p.ret);
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, WAIT_MS));
	EXPECT_NUMBERS(g, g->m[0], 3, 1);
	close(ep);
}

/* Room at the target is for what moves; who waits for room there waits on. */
TEST_F(dmove, fills_the_target)
{
	struct dgroup *g = &self->g;
	int n;

	ASSERT_OK(sock_set(g->m[0], SOL_SOCKET, SO_RCVBUF, SMALL));
	ASSERT_OK(group_set(g->tx[0], NEWPROTO_WAIT, 1));
	ASSERT_OK(dgroup_grow(g));
	ASSERT_EQ(60, send_some(g, 60, SIZE));
	ASSERT_OK(dgroup_leave(g, 1));
	EXPECT_ERR(EAGAIN, send_number(g->tx[0], g->sent, SIZE));
	EXPECT_EQ(0, poll_events(g->tx[0], POLLOUT, 0));
	n = read_all(g, g->m[0]);
	EXPECT_LT(5, n);
	EXPECT_EQ(POLLOUT, poll_events(g->tx[0], POLLOUT, WAIT_MS));
	EXPECT_OK(send_number(g->tx[0], g->sent, SIZE));
}

/* --- what /proc says -------------------------------------------------------------- */

TEST_F(dmove, proc)
{
	struct dgroup *g = &self->g;
	int peer = dgram_bound(variant->door, 0, 0);
	struct group_line l;
	union addr a;
	socklen_t len = door_loop(variant->door, &a, sock_port(peer));

	ASSERT_OK(dgroup_grow(g));
	ASSERT_EQ(20, send_some(g, 20, 100));
	l = group_of(g->port);
	EXPECT_STREQ("dgram", l.type);
	EXPECT_STREQ("live", l.state);
	EXPECT_STREQ("last-bound", l.policy);
	EXPECT_EQ(2, l.members);
	EXPECT_EQ(20, l.pending);
	EXPECT_EQ(20, l.chosen);
	EXPECT_EQ(0, l.moved_in);
	l = member_of(g->m[1]);
	EXPECT_STREQ("live", l.state);
	EXPECT_EQ(20, l.pending);
	EXPECT_EQ(20, l.chosen);
	EXPECT_EQ(0, member_of(g->m[0]).chosen);
	ASSERT_OK(dgroup_leave(g, 1));
	l = member_of(g->m[0]);
	EXPECT_EQ(20, l.pending);
	EXPECT_EQ(0, l.chosen);
	EXPECT_EQ(20, l.moved_in);
	l = group_of(g->port);
	EXPECT_EQ(1, l.members);
	EXPECT_EQ(20, l.pending);
	EXPECT_EQ(20, l.moved_in);
	EXPECT_EQ(20, l.moved_out);
	EXPECT_EQ(0, l.reset);
	EXPECT_NUMBERS(g, g->m[0], 0, 20);
	EXPECT_EQ(0, group_of(g->port).pending);
	ASSERT_OK(dgroup_grow(g));
	ASSERT_OK(group_set(g->m[2], NEWPROTO_WEIGHT, 12));
	EXPECT_EQ(12, member_of(g->m[2]).weight);
	EXPECT_EQ(2, group_of(g->port).members);
	/* one that is connected is none of the live ones */
	ASSERT_OK(connect(g->m[2], &a.sa, len));
	EXPECT_EQ(1, group_of(g->port).members);
	EXPECT_STREQ("idle", member_of(g->m[2]).state);
	close(peer);
}

TEST_HARNESS_MAIN
