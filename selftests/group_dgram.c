// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups of datagram sockets: their options, which member a datagram goes to, and
 * which members are not chosen.
 */
#include <kselftest_harness.h>

#include "dgrouplib.h"

#define FLOWS		128
#define LONG		120	/* seconds, for many flows on a slow machine */

FIXTURE(dgroup) {
	struct dgroup g;	/* two members */
	int tx;			/* not connected; its port is its first datagram's */
};

DOOR_FIXTURE(dgroup);

FIXTURE_SETUP(dgroup)
{
	ASSERT_OK(dgroup_start(&self->g, variant->door));
	ASSERT_OK(dgroup_grow(&self->g));
	self->tx = dgram_socket(variant->door, 0);
	ASSERT_OK(self->tx);
}

FIXTURE_TEARDOWN(dgroup)
{
	dgroup_end(&self->g);
	close(self->tx);
}

/* The member that has the next datagram, which is read; -1: none, -2: several. */
static int taker(const struct dgroup *g)
{
	struct pollfd p[MEMBERS];
	int i, ready;

	for (i = 0; i < g->n; i++)
		p[i] = (struct pollfd){ g->m[i], POLLIN };
	ready = poll(p, g->n, WAIT_MS / 4);
	if (ready != 1)
		return ready > 0 ? -2 : -1;
	for (i = 0; !p[i].revents; i++)
		;
	dgram_text(g->m[i]);
	return i;
}

/* Which member a datagram from this socket goes to. */
static int member_for(const struct dgroup *g, int from)
{
	return dgram_to(from, g->door, g->port, "x") == 1 ? taker(g) : -1;
}

/* The same for one from a new socket: a flow of its own. */
static int member_for_stranger(const struct dgroup *g)
{
	int from = dgram_socket(g->door, 0), i = member_for(g, from);

	close(from);
	return i;
}

#define NEWPROTO_ONLY()	do {						\
	if (over_udp())							\
		SKIP(return, "newproto's own");				\
} while (0)

/* --- options ---------------------------------------------------------------------- */

TEST_F(dgroup, defaults)
{
	struct dgroup *g = &self->g;

	NEWPROTO_ONLY();
	EXPECT_EQ(NEWPROTO_POLICY_HASH, group_get(g->m[0], NEWPROTO_POLICY));
	EXPECT_EQ(0, group_get(g->m[0], NEWPROTO_GRACE));
	EXPECT_EQ(1, group_get(g->m[0], NEWPROTO_WEIGHT));
	EXPECT_EQ(NEWPROTO_POLICY_HASH, group_get(self->tx, NEWPROTO_POLICY));
	EXPECT_EQ(0, group_get(self->tx, NEWPROTO_GRACE));
	EXPECT_EQ(1, group_get(self->tx, NEWPROTO_WEIGHT));
}

/* Policy and grace are the group's, the weight is the member's. */
TEST_F(dgroup, options_of_the_group)
{
	struct dgroup *g = &self->g;

	NEWPROTO_ONLY();
	ASSERT_OK(group_set(g->m[1], NEWPROTO_POLICY, NEWPROTO_POLICY_LEAST_LOADED));
	ASSERT_OK(group_set(g->m[0], NEWPROTO_GRACE, 1234));
	ASSERT_OK(group_set(g->m[0], NEWPROTO_WEIGHT, 7));
	EXPECT_EQ(NEWPROTO_POLICY_LEAST_LOADED, group_get(g->m[0], NEWPROTO_POLICY));
	EXPECT_EQ(1234, group_get(g->m[1], NEWPROTO_GRACE));
	EXPECT_EQ(7, group_get(g->m[0], NEWPROTO_WEIGHT));
	EXPECT_EQ(1, group_get(g->m[1], NEWPROTO_WEIGHT));
	/* whoever asks for nothing changes nothing by joining */
	ASSERT_OK(dgroup_grow(g));
	EXPECT_EQ(NEWPROTO_POLICY_LEAST_LOADED, group_get(g->m[2], NEWPROTO_POLICY));
	EXPECT_EQ(1234, group_get(g->m[2], NEWPROTO_GRACE));
	EXPECT_EQ(1, group_get(g->m[2], NEWPROTO_WEIGHT));
	ASSERT_OK(group_set(g->m[0], NEWPROTO_GRACE, 0));
}

/* What is set before bind() is for the group that is made or joined then. */
TEST_F(dgroup, options_before_bind)
{
	struct dgroup *g = &self->g;
	const struct door *d = variant->door;
	int fd = dgram_socket(d, 0);
	union addr a;
	socklen_t len = door_loop(d, &a, g->port);

	NEWPROTO_ONLY();
	ASSERT_OK(group_set(fd, NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND));
	ASSERT_OK(group_set(fd, NEWPROTO_WEIGHT, 3));
	EXPECT_EQ(NEWPROTO_POLICY_LAST_BOUND, group_get(fd, NEWPROTO_POLICY));
	EXPECT_EQ(3, group_get(fd, NEWPROTO_WEIGHT));
	EXPECT_EQ(NEWPROTO_POLICY_HASH, group_get(g->m[0], NEWPROTO_POLICY));
	ASSERT_OK(sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1));
	ASSERT_OK(bind(fd, &a.sa, len));
	EXPECT_EQ(NEWPROTO_POLICY_LAST_BOUND, group_get(g->m[0], NEWPROTO_POLICY));
	EXPECT_EQ(3, group_get(fd, NEWPROTO_WEIGHT));
	g->m[g->n++] = fd;
	EXPECT_EQ(2, member_for(g, self->tx));
}

TEST_F(dgroup, option_errors)
{
	struct dgroup *g = &self->g;
	static const struct { int name, value; } bad[] = {
		{ NEWPROTO_POLICY, -1 }, { NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND + 1 },
		{ NEWPROTO_WEIGHT, 0 }, { NEWPROTO_WEIGHT, -1 },
		{ NEWPROTO_WEIGHT, NEWPROTO_WEIGHT_MAX + 1 }, { NEWPROTO_GRACE, -1 },
	};
	int i, alone = dgram_bound(variant->door, 0, 0), one = 1;

	NEWPROTO_ONLY();
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_ERR(EINVAL, group_set(g->m[0], bad[i].name, bad[i].value));
		EXPECT_ERR(EINVAL, group_set(self->tx, bad[i].name, bad[i].value));
	}
	for (i = NEWPROTO_GRACE; i <= NEWPROTO_WEIGHT; i++) {
		EXPECT_ERR(EINVAL, setsockopt(g->m[0], SOL_NEWPROTO, i, &one, 3));
		EXPECT_ERR(EFAULT, setsockopt(g->m[0], SOL_NEWPROTO, i, BAD_PTR, 4));
		/* bound, and of no group */
		EXPECT_ERR(EINVAL, group_set(alone, i, 1));
	}
	EXPECT_OK(group_set(g->m[0], NEWPROTO_WEIGHT, NEWPROTO_WEIGHT_MAX));
	EXPECT_EQ(NEWPROTO_POLICY_HASH, group_get(g->m[0], NEWPROTO_POLICY));
	EXPECT_EQ(0, group_get(g->m[0], NEWPROTO_GRACE));
	close(alone);
}

/* --- choice ----------------------------------------------------------------------- */

/* A flow stays where it is, and no member is left out. */
TEST_F_TIMEOUT(dgroup, hash, LONG)
{
	struct dgroup *g = &self->g;
	const struct door *d = variant->door;
	int i, round, to, moved = 0, lost = 0, got[MEMBERS] = { 0 };

	ASSERT_OK(dgroup_grow(g));
	ASSERT_OK(dgroup_grow(g));
	for (i = 0; i < FLOWS; i++) {
		int from = dgram_socket(d, 0), at = member_for(g, from);

		ASSERT_LE(0, at) TH_LOG("flow %d", i);
		got[at]++;
		for (round = 0; round < 3; round++) {
			to = member_for(g, from);
			lost += to < 0;
			moved += to >= 0 && to != at;
		}
		close(from);
	}
	EXPECT_EQ(0, lost);
	EXPECT_EQ(0, moved) TH_LOG("%d datagrams of %d flows went to another", moved, FLOWS);
	for (i = 0; i < MEMBERS; i++)
		EXPECT_LT(FLOWS / 16, got[i])
			TH_LOG("%d, %d, %d and %d flows", got[0], got[1], got[2], got[3]);
}

/* Who stays keeps his flows; who leaves, leaves them to all. */
TEST_F_TIMEOUT(dgroup, hash_leaver, LONG)
{
	struct dgroup *g = &self->g;
	const struct door *d = variant->door;
	int i, to, moved = 0, from[FLOWS], at[FLOWS], heirs[MEMBERS] = { 0 };

	NEWPROTO_ONLY();
	ASSERT_OK(dgroup_grow(g));
	for (i = 0; i < FLOWS; i++) {
		from[i] = dgram_socket(d, 0);
		at[i] = member_for(g, from[i]);
		ASSERT_LE(0, at[i]);
	}
	ASSERT_OK(dgroup_leave(g, 1));
	for (i = 0; i < FLOWS; i++) {
		to = member_for(g, from[i]);
		ASSERT_LE(0, to);
		if (at[i] == 1)
			heirs[to]++;
		else
			moved += to != at[i];
		close(from[i]);
	}
	EXPECT_EQ(0, moved) TH_LOG("%d flows of members that stayed went to another", moved);
	EXPECT_LT(0, heirs[0]);
	EXPECT_LT(0, heirs[2]);
}

static int share_of_second(const struct dgroup *g, int flows)
{
	int i, n = 0;

	for (i = 0; i < flows; i++)
		n += member_for_stranger(g) == 1;
	return n;
}

TEST_F_TIMEOUT(dgroup, hash_weights, LONG)
{
	struct dgroup *g = &self->g;
	int n;

	NEWPROTO_ONLY();
	ASSERT_OK(group_set(g->m[1], NEWPROTO_WEIGHT, 3));
	n = share_of_second(g, 160);
	EXPECT_TRUE(n > 90 && n < 150) TH_LOG("a weight of 3 to 1 gets %d of 160", n);
	ASSERT_OK(group_set(g->m[0], NEWPROTO_WEIGHT, 27));
	n = share_of_second(g, 160);
	EXPECT_TRUE(n > 1 && n < 50) TH_LOG("a weight of 3 to 27 gets %d of 160", n);
}

TEST_F(dgroup, round_robin)
{
	struct dgroup *g = &self->g;
	int i, at[30];

	NEWPROTO_ONLY();
	ASSERT_OK(dgroup_grow(g));
	ASSERT_OK(group_set(g->m[0], NEWPROTO_POLICY, NEWPROTO_POLICY_ROUND_ROBIN));
	for (i = 0; i < 30; i++) {
		at[i] = i % 2 ? member_for(g, self->tx) : member_for_stranger(g);
		ASSERT_LE(0, at[i]);
		EXPECT_EQ(at[i % 3], at[i]) TH_LOG("datagram %d", i);
	}
	EXPECT_NE(at[0], at[1]);
	EXPECT_NE(at[1], at[2]);
	EXPECT_NE(at[0], at[2]);
}

TEST_F(dgroup, round_robin_weights)
{
	struct dgroup *g = &self->g;
	int i, to, got[MEMBERS] = { 0 };

	NEWPROTO_ONLY();
	ASSERT_OK(dgroup_grow(g));
	ASSERT_OK(group_set(g->m[0], NEWPROTO_POLICY, NEWPROTO_POLICY_ROUND_ROBIN));
	for (i = 0; i < 3; i++)
		ASSERT_OK(group_set(g->m[i], NEWPROTO_WEIGHT, i + 1));
	for (i = 0; i < 60; i++) {
		to = member_for(g, self->tx);
		ASSERT_LE(0, to);
		got[to]++;
	}
	for (i = 0; i < 3; i++)
		EXPECT_EQ(10 * (i + 1), got[i])
			TH_LOG("%d, %d and %d of 60", got[0], got[1], got[2]);
}

/* By bytes, not by datagrams. */
TEST_F(dgroup, least_loaded)
{
	struct dgroup *g = &self->g;
	static char big[16000];
	const struct door *d = variant->door;
	union addr a;
	socklen_t len = door_loop(d, &a, g->port);
	int i, other;

	NEWPROTO_ONLY();
	ASSERT_OK(group_set(g->m[0], NEWPROTO_POLICY, NEWPROTO_POLICY_LEAST_LOADED));
	ASSERT_EQ(sizeof(big), sendto(self->tx, big, sizeof(big), 0, &a.sa, len));
	other = dgram_empty(g->m[0]) ? 0 : 1;
	for (i = 0; i < 5; i++)
		ASSERT_EQ(1, dgram_to(self->tx, d, g->port, "x"));
	ASSERT_EQ(sizeof(big), recv(g->m[!other], big, sizeof(big), MSG_DONTWAIT));
	EXPECT_TRUE(dgram_empty(g->m[!other]));
	/* now it is the other way round */
	ASSERT_EQ(1, dgram_to(self->tx, d, g->port, "y"));
	EXPECT_STREQ("y", dgram_text(g->m[!other]));
	for (i = 0; i < 5; i++)
		EXPECT_STREQ("x", dgram_text(g->m[other]));
	EXPECT_TRUE(dgram_empty(g->m[other]));
}

TEST_F(dgroup, last_bound)
{
	struct dgroup *g = &self->g;
	int i;

	NEWPROTO_ONLY();
	ASSERT_OK(group_set(g->m[0], NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND));
	EXPECT_EQ(1, member_for(g, self->tx));
	ASSERT_OK(dgroup_grow(g));
	for (i = 0; i < 10; i++)
		EXPECT_EQ(2, member_for_stranger(g));
	ASSERT_OK(dgroup_leave(g, 2));
	EXPECT_EQ(1, member_for(g, self->tx));
	ASSERT_OK(dgroup_leave(g, 1));
	EXPECT_EQ(0, member_for(g, self->tx));
}

/* Another policy counts from the next datagram on. */
TEST_F(dgroup, change_of_policy)
{
	struct dgroup *g = &self->g;
	int at = member_for(g, self->tx), i, got[MEMBERS] = { 0 };

	NEWPROTO_ONLY();
	ASSERT_OK(group_set(g->m[0], NEWPROTO_POLICY, NEWPROTO_POLICY_ROUND_ROBIN));
	for (i = 0; i < 10; i++)
		got[member_for(g, self->tx) == 1]++;
	EXPECT_EQ(5, got[0]);
	EXPECT_EQ(5, got[1]);
	ASSERT_OK(group_set(g->m[0], NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND));
	EXPECT_EQ(1, member_for(g, self->tx));
	ASSERT_OK(group_set(g->m[1], NEWPROTO_POLICY, NEWPROTO_POLICY_HASH));
	EXPECT_EQ(at, member_for(g, self->tx));
}

/* --- who is not chosen ------------------------------------------------------------ */

static int connect_to(int fd, const struct door *d, int port)
{
	union addr a;
	socklen_t len = door_loop(d, &a, port);

	return connect(fd, &a.sa, len);
}

/* One that is connected to the sender gets all that he sends, and nothing else. */
TEST_F(dgroup, connected_member)
{
	struct dgroup *g = &self->g;
	const struct door *d = variant->door;
	int peer = dgram_bound(d, 0, 0), policy, i, to;

	ASSERT_OK(dgroup_grow(g));
	ASSERT_OK(connect_to(g->m[1], d, sock_port(peer)));
	for (policy = NEWPROTO_POLICY_HASH; policy <= NEWPROTO_POLICY_LAST_BOUND; policy++) {
		if (!over_udp())
			ASSERT_OK(group_set(g->m[1], NEWPROTO_POLICY, policy));
		for (i = 0; i < 12; i++) {
			EXPECT_EQ(1, member_for(g, peer)) TH_LOG("policy %d", policy);
			to = member_for_stranger(g);
			EXPECT_TRUE(to == 0 || to == 2)
				TH_LOG("policy %d: a stranger's went to %d", policy, to);
		}
		if (over_udp())
			break;
	}
	close(peer);
}

TEST_F_TIMEOUT(dgroup, connected_member_comes_back, LONG)
{
	struct dgroup *g = &self->g;
	const struct door *d = variant->door;
	int peer = dgram_bound(d, 0, 0);

	ASSERT_OK(connect_to(g->m[1], d, sock_port(peer)));
	EXPECT_EQ(0, share_of_second(g, 20));
	ASSERT_OK(dgram_unspec(g->m[1]));
	EXPECT_LT(FLOWS / 8, share_of_second(g, FLOWS));
	if (!over_udp()) {
		ASSERT_OK(group_set(g->m[0], NEWPROTO_POLICY, NEWPROTO_POLICY_ROUND_ROBIN));
		EXPECT_EQ(10, share_of_second(g, 20));
	}
	/* and to the peer it is one of many again */
	ASSERT_OK(dgroup_leave(g, 1));
	EXPECT_EQ(0, member_for(g, peer));
	close(peer);
}

static int wild_member(const struct door *d, int port)
{
	union addr a;
	socklen_t len = door_any(d, &a, port);
	int fd = dgram_socket(d, 0);

	if (sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1) || bind(fd, &a.sa, len)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* connect() gives it an address for the time being. */
TEST_F(dgroup, connected_wildcard)
{
	struct dgroup *g = &self->g;
	const struct door *d = variant->door;
	int peer = dgram_bound(d, 0, 0), i;

	if (over_udp())
		SKIP(return, "UDP's is out of its group for good");
	for (i = 0; i < 2; i++)
		ASSERT_OK(dgroup_leave(g, i));
	g->m[0] = wild_member(d, 0);
	g->port = sock_port(g->m[0]);
	g->m[1] = wild_member(d, g->port);
	ASSERT_OK(g->m[1]);
	ASSERT_OK(group_set(g->m[0], NEWPROTO_POLICY, NEWPROTO_POLICY_ROUND_ROBIN));
	ASSERT_OK(connect_to(g->m[1], d, sock_port(peer)));
	EXPECT_EQ(1, member_for(g, peer));
	EXPECT_EQ(0, share_of_second(g, 20));
	ASSERT_OK(dgram_unspec(g->m[1]));
	EXPECT_EQ(10, share_of_second(g, 20));
	close(peer);
}

/* If all are connected to others nobody is there. */
TEST_F(dgroup, all_connected)
{
	struct dgroup *g = &self->g;
	const struct door *d = variant->door;
	int peer = dgram_bound(d, 0, 0), fd = dgram_dial(d, 0, g->port), i;

	for (i = 0; i < 2; i++)
		ASSERT_OK(connect_to(g->m[i], d, sock_port(peer)));
	ASSERT_EQ(1, send(fd, "x", 1, 0));
	EXPECT_TRUE(dgram_failed(fd));
	EXPECT_EQ(ECONNREFUSED, sock_error(fd));
	ASSERT_OK(dgram_unspec(g->m[1]));
	EXPECT_EQ(1, member_for(g, fd));
	close(fd);
	close(peer);
}

/* What is queued when it connects is its own still. */
TEST_F(dgroup, connect_keeps_the_queue)
{
	struct dgroup *g = &self->g;
	const struct door *d = variant->door;
	int peer = dgram_bound(d, 0, 0), at = member_for(g, self->tx);

	ASSERT_LE(0, at);
	ASSERT_EQ(3, dgram_to(self->tx, d, g->port, "old"));
	ASSERT_TRUE(poll_events(g->m[at], POLLIN, WAIT_MS) & POLLIN);
	ASSERT_OK(connect_to(g->m[at], d, sock_port(peer)));
	EXPECT_TRUE(dgram_empty(g->m[!at]));
	EXPECT_STREQ("old", dgram_text(g->m[at]));
	close(peer);
}

/* Nothing new comes to one that is shut down for reading; what it has, it reads. */
TEST_F(dgroup, shut_down_member)
{
	struct dgroup *g = &self->g;
	const struct door *d = variant->door;
	int at = member_for(g, self->tx), i;

	if (over_udp())
		SKIP(return, "UDP's gets what comes");
	ASSERT_LE(0, at);
	ASSERT_EQ(3, dgram_to(self->tx, d, g->port, "old"));
	EXPECT_ERR(ENOTCONN, shutdown(g->m[at], SHUT_RD));
	for (i = 0; i < 10; i++)
		ASSERT_EQ(3, dgram_to(self->tx, d, g->port, "new"));
	ASSERT_OK(group_set(g->m[0], NEWPROTO_POLICY, NEWPROTO_POLICY_ROUND_ROBIN));
	for (i = 0; i < 10; i++)
		ASSERT_EQ(3, dgram_to(self->tx, d, g->port, "new"));
	EXPECT_STREQ("old", dgram_text(g->m[at]));
	EXPECT_TRUE(dgram_empty(g->m[at]));
	for (i = 0; i < 20; i++)
		EXPECT_STREQ("new", dgram_text(g->m[!at]));
	EXPECT_TRUE(dgram_empty(g->m[!at]));
}

/* SHUT_WR is not about receiving. */
TEST_F(dgroup, shut_down_for_writing)
{
	struct dgroup *g = &self->g;

	shutdown(g->m[1], SHUT_WR);
	EXPECT_LT(FLOWS / 8, share_of_second(g, FLOWS));
}

static int bind_device(int fd, const char *name)
{
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, strlen(name) + 1);
}

/* UDP asks a group when it comes to the first of it, whether or not others suit better. */
#define UDP_FINDS_THE_BETTER(d)	do {					\
	if (over_udp() && (d)->af == AF_INET6)				\
		SKIP(return, "UDP over IPv6 takes the first that it finds");	\
} while (0)

/* A device that comes after bind() takes a socket out of its group, for good. */
TEST_F(dgroup, device)
{
	struct dgroup *g = &self->g;
	const struct door *d = variant->door;
	int i, to;

	UDP_FINDS_THE_BETTER(d);
	ASSERT_OK(dgroup_grow(g));
	ASSERT_OK(bind_device(g->m[2], "lo"));
	/* it suits better than those without, so it gets all */
	for (i = 0; i < 20; i++)
		EXPECT_EQ(2, member_for_stranger(g));
	if (!over_udp()) {
		ASSERT_OK(group_set(g->m[0], NEWPROTO_POLICY, NEWPROTO_POLICY_ROUND_ROBIN));
		EXPECT_EQ(2, member_for(g, self->tx));
	}
	/* and leaves nothing to those that it is not with any more */
	ASSERT_EQ(1, dgram_to(self->tx, d, g->port, "x"));
	ASSERT_TRUE(poll_events(g->m[2], POLLIN, WAIT_MS) & POLLIN);
	ASSERT_OK(dgroup_leave(g, 2));
	for (i = 0; i < 2; i++)
		EXPECT_TRUE(dgram_empty(g->m[i]));
	to = member_for_stranger(g);
	EXPECT_TRUE(to == 0 || to == 1) TH_LOG("went to %d", to);
}

static int member_on(const struct door *d, int port, const char *dev)
{
	union addr a;
	socklen_t len = door_loop(d, &a, port);
	int fd = dgram_socket(d, 0);

	if (sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1) || bind_device(fd, dev) ||
	    bind(fd, &a.sa, len)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Groups on one port, one of them with a device: two groups. */
TEST_F(dgroup, device_before_bind)
{
	struct dgroup *g = &self->g;
	const struct door *d = variant->door;
	int i, n = 0;

	UDP_FINDS_THE_BETTER(d);
	for (i = 0; i < 2; i++) {
		g->m[g->n] = member_on(d, g->port, "lo");
		ASSERT_OK(g->m[g->n++]);
	}
	for (i = 0; i < 32; i++) {
		int to = member_for_stranger(g);

		EXPECT_LE(2, to);
		n += to == 3;
	}
	EXPECT_LT(0, n);
	EXPECT_GT(32, n);
	if (over_udp())
		return;
	ASSERT_OK(group_set(g->m[2], NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND));
	EXPECT_EQ(NEWPROTO_POLICY_HASH, group_get(g->m[0], NEWPROTO_POLICY));
	EXPECT_EQ(3, member_for(g, self->tx));
}

TEST_HARNESS_MAIN
