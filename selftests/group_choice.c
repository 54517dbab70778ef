// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which member of a SO_REUSEPORT group a connection goes to: the policies, their
 * weights, who is asked when the first choice has no room, and which of several
 * groups an address belongs to. TCP has the hash, without its stability.
 */
#include <kselftest_harness.h>

#include "grouplib.h"

#define MEMBERS	4
#define FLOWS	64

struct crew {
	int fds[MEMBERS];	/* made by members(), closed in the end */
	int port;
};

FIXTURE(group_choice) {
	struct crew c;
};

GROUP_FIXTURE(group_choice);

FIXTURE_SETUP(group_choice)
{
	int i;

	GROUP_SETUP(variant->door);
	for (i = 0; i < MEMBERS; i++)
		self->c.fds[i] = -1;
}

FIXTURE_TEARDOWN(group_choice)
{
	int i;

	for (i = 0; i < MEMBERS; i++)
		close(self->c.fds[i]);
}

/* The group of a test: @n members with that policy, by default with room for all. */
static void members(struct __test_metadata *_metadata, struct crew *c,
		    const struct door *d, int n, int policy)
{
	int i;

	if (policy == NEWPROTO_POLICY_HASH)
		c->fds[0] = member_new(d, 0, 1000);
	else
		c->fds[0] = member_with(d, 0, 1000, NEWPROTO_POLICY, policy);
	ASSERT_OK(c->fds[0]);
	c->port = sock_port(c->fds[0]);
	for (i = 1; i < n; i++) {
		c->fds[i] = member_new(d, c->port, 1000);
		ASSERT_OK(c->fds[i]);
	}
}

/* One connection from that port, 0: any; who got it. It is over when this returns. */
static int flow_member(struct crew *c, const struct door *d, int *from)
{
	int fd = client_dial_from(d, *from, c->port);
	int which, port;

	if (fd < 0) {
		fprintf(stderr, "# client on port %d: %s\n", *from, strerror(errno));
		return -1;
	}
	*from = sock_port(fd);
	which = pick_ready(c->fds, MEMBERS);
	client_abort(fd);
	if (which < 0)
		return -1;
	port = took(c->fds[which]);
	if (port == *from)
		return which;
	fprintf(stderr, "# client %d was accepted as %d\n", *from, port);
	return -1;
}

struct flow {
	int port, member;
};

static void flows_begin(struct __test_metadata *_metadata, struct crew *c,
			const struct door *d, struct flow *flows)
{
	int i;

	for (i = 0; i < FLOWS; i++) {
		flows[i].port = 0;
		flows[i].member = flow_member(c, d, &flows[i].port);
		ASSERT_LE(0, flows[i].member);
	}
}

/* The same clients once more: whose they are now. */
static void flows_again(struct __test_metadata *_metadata, struct crew *c,
			const struct door *d, const struct flow *flows, int *now)
{
	int i;

	for (i = 0; i < FLOWS; i++) {
		int port = flows[i].port;

		now[i] = flow_member(c, d, &port);
		ASSERT_LE(0, now[i]);
	}
}

/* Flows stay, unless they went to @newcomer; how many did. */
static int check_stay(struct __test_metadata *_metadata, const struct flow *flows, const int *now,
		      int n, int newcomer)
{
	int i, taken = 0;

	for (i = 0; i < n; i++) {
		if (now[i] == newcomer) {
			taken++;
			continue;
		}
		EXPECT_EQ(flows[i].member, now[i])
			TH_LOG("client %d went from %d to %d", flows[i].port, flows[i].member,
			       now[i]);
	}
	return taken;
}

TEST_F_TIMEOUT(group_choice, hash_sticks, 120)
{
	struct flow flows[FLOWS];
	int now[FLOWS], round;

	members(_metadata, &self->c, variant->door, MEMBERS, NEWPROTO_POLICY_HASH);
	flows_begin(_metadata, &self->c, variant->door, flows);
	for (round = 0; round < 2; round++) {
		flows_again(_metadata, &self->c, variant->door, flows, now);
		check_stay(_metadata, flows, now, FLOWS, -1);
	}
}

/* Connections of @n new clients, accepted in the end: how many went to each member. */
static void spread(struct __test_metadata *_metadata, struct crew *c,
		   const struct door *d, int n, int *count)
{
	int i, port;

	memset(count, 0, MEMBERS * sizeof(*count));
	for (i = 0; i < n; i++) {
		int fd = door_dial(d, 0, c->port);

		ASSERT_OK(fd);
		close(fd);
	}
	/* all of them are there: connect() has said so */
	for (i = 0; i < MEMBERS; i++)
		while (c->fds[i] >= 0 && (port = took_now(c->fds[i])) > 0)
			count[i]++;
}

/* Of 200, each of four expects 50, with a standard deviation of 6. */
TEST_F_TIMEOUT(group_choice, hash_spreads, 120)
{
	int count[MEMBERS], i, sum = 0;

	members(_metadata, &self->c, variant->door, MEMBERS, NEWPROTO_POLICY_HASH);
	spread(_metadata, &self->c, variant->door, 200, count);
	for (i = 0; i < MEMBERS; i++) {
		sum += count[i];
		EXPECT_LE(18, count[i]) TH_LOG("member %d", i);
		EXPECT_GE(85, count[i]) TH_LOG("member %d", i);
	}
	EXPECT_EQ(200, sum);
}

/* Three to one: of 200, 150 and 50 are expected, with a deviation of 6. */
TEST_F_TIMEOUT(group_choice, hash_weights, 120)
{
	int count[MEMBERS];

	if (over_tcp())
		SKIP(return, "TCP has no weights");
	members(_metadata, &self->c, variant->door, 2, NEWPROTO_POLICY_HASH);
	ASSERT_OK(sock_set(self->c.fds[0], SOL_NEWPROTO, NEWPROTO_WEIGHT, 3));
	spread(_metadata, &self->c, variant->door, 200, count);
	EXPECT_LE(117, count[0]);
	EXPECT_GE(182, count[0]);
	EXPECT_EQ(200, count[0] + count[1]);
}

/* Only the flows of the one that leaves get a new member, and not all the same. */
static void check_leaver(struct __test_metadata *_metadata, const struct flow *flows,
			 const int *now, int gone)
{
	int i, heirs = 0, seen[MEMBERS] = { };

	for (i = 0; i < FLOWS; i++) {
		if (flows[i].member != gone) {
			EXPECT_EQ(flows[i].member, now[i])
				TH_LOG("client %d had to stay", flows[i].port);
			continue;
		}
		EXPECT_NE(gone, now[i]);
		heirs += !seen[now[i]]++;
	}
	EXPECT_LT(1, heirs);
}

TEST_F_TIMEOUT(group_choice, hash_leaver, 120)
{
	struct flow flows[FLOWS];
	int now[FLOWS];

	if (over_tcp())
		SKIP(return, "TCP moves other flows, too");
	members(_metadata, &self->c, variant->door, MEMBERS, NEWPROTO_POLICY_HASH);
	flows_begin(_metadata, &self->c, variant->door, flows);
	ASSERT_OK(close(self->c.fds[1]));
	self->c.fds[1] = -1;
	flows_again(_metadata, &self->c, variant->door, flows, now);
	check_leaver(_metadata, flows, now, 1);
}

/* The same for one that drains; when it listens again, it gets a share and no more. */
TEST_F_TIMEOUT(group_choice, hash_drain, 120)
{
	struct flow flows[FLOWS];
	int now[FLOWS], drained, i;

	if (over_tcp())
		SKIP(return, "TCP moves other flows, too");
	members(_metadata, &self->c, variant->door, MEMBERS, NEWPROTO_POLICY_HASH);
	flows_begin(_metadata, &self->c, variant->door, flows);
	ASSERT_OK(shutdown(self->c.fds[2], SHUT_RD));
	/* poll() of what has been shut down would say so */
	drained = self->c.fds[2];
	self->c.fds[2] = -1;
	flows_again(_metadata, &self->c, variant->door, flows, now);
	self->c.fds[2] = drained;
	check_leaver(_metadata, flows, now, 2);

	ASSERT_OK(listen(self->c.fds[2], 1000));
	for (i = 0; i < FLOWS; i++)
		flows[i].member = now[i];
	flows_again(_metadata, &self->c, variant->door, flows, now);
	EXPECT_LT(1, check_stay(_metadata, flows, now, FLOWS, 2));
}

/* A newcomer takes its share, and nothing else changes. */
TEST_F_TIMEOUT(group_choice, hash_newcomer, 120)
{
	struct flow flows[FLOWS];
	int now[FLOWS], taken;

	if (over_tcp())
		SKIP(return, "TCP moves other flows, too");
	members(_metadata, &self->c, variant->door, MEMBERS - 1, NEWPROTO_POLICY_HASH);
	flows_begin(_metadata, &self->c, variant->door, flows);
	self->c.fds[MEMBERS - 1] = member_new(variant->door, self->c.port, 1000);
	ASSERT_OK(self->c.fds[MEMBERS - 1]);
	flows_again(_metadata, &self->c, variant->door, flows, now);
	taken = check_stay(_metadata, flows, now, FLOWS, MEMBERS - 1);
	/* a quarter is 16; 1 or 40 would be 4 and 7 standard deviations off */
	EXPECT_LT(1, taken);
	EXPECT_GT(40, taken);
}

/* One that has only bound gets nothing. */
TEST_F(group_choice, bound_is_not_chosen)
{
	int count[MEMBERS], idle;

	members(_metadata, &self->c, variant->door, 2, NEWPROTO_POLICY_HASH);
	idle = member_new(variant->door, self->c.port, BOUND_ONLY);
	ASSERT_OK(idle);
	spread(_metadata, &self->c, variant->door, 40, count);
	EXPECT_EQ(40, count[0] + count[1]);
	EXPECT_ERR(EINVAL, accept(idle, NULL, NULL));
	close(idle);
}

TEST_F(group_choice, nobody_listens)
{
	int a = member_new(variant->door, 0, BOUND_ONLY);
	int b = member_new(variant->door, sock_port(a), BOUND_ONLY);

	ASSERT_OK(a);
	ASSERT_OK(b);
	EXPECT_ERR(ECONNREFUSED, door_dial(variant->door, 0, sock_port(a)));
	close(a);
	close(b);
}

/* The members in the order in which they get @n connections, as letters. */
static void sequence(struct __test_metadata *_metadata, struct crew *c,
		     const struct door *d, int n, char *text)
{
	int i;

	for (i = 0; i < n; i++) {
		int port = 0, which = flow_member(c, d, &port);

		ASSERT_LE(0, which);
		text[i] = 'a' + which;
	}
	text[n] = '\0';
}

/* Each in turn, in the order of bind(). */
static bool in_turn(const char *text, int members)
{
	int i;

	for (i = 1; text[i]; i++)
		if (text[i] - 'a' != (text[i - 1] - 'a' + 1) % members)
			return false;
	return true;
}

TEST_F(group_choice, round_robin)
{
	char text[16];

	if (over_tcp())
		SKIP(return, "TCP has the hash only");
	members(_metadata, &self->c, variant->door, 3, NEWPROTO_POLICY_ROUND_ROBIN);
	sequence(_metadata, &self->c, variant->door, 9, text);
	EXPECT_TRUE(in_turn(text, 3)) TH_LOG("%s", text);
	/* one more */
	self->c.fds[3] = member_new(variant->door, self->c.port, 10);
	ASSERT_OK(self->c.fds[3]);
	sequence(_metadata, &self->c, variant->door, 12, text);
	EXPECT_TRUE(in_turn(text, 4)) TH_LOG("%s", text);
	/* and one less */
	close(self->c.fds[3]);
	self->c.fds[3] = -1;
	sequence(_metadata, &self->c, variant->door, 9, text);
	EXPECT_TRUE(in_turn(text, 3)) TH_LOG("%s", text);
}

/* Without accept() in between, as well. */
TEST_F(group_choice, round_robin_fills_evenly)
{
	int count[MEMBERS];

	if (over_tcp())
		SKIP(return, "TCP has the hash only");
	members(_metadata, &self->c, variant->door, 4, NEWPROTO_POLICY_ROUND_ROBIN);
	spread(_metadata, &self->c, variant->door, 40, count);
	EXPECT_EQ(10, count[0]);
	EXPECT_EQ(10, count[1]);
	EXPECT_EQ(10, count[2]);
	EXPECT_EQ(10, count[3]);
}

static int count_of(const char *text, int n, char c)
{
	int sum = 0;

	while (n--)
		sum += text[n] == c;
	return sum;
}

/* In each round of 3 + 1 + 2 everybody has as many turns as its weight says. */
TEST_F(group_choice, round_robin_weights)
{
	char text[32];
	int i;

	if (over_tcp())
		SKIP(return, "TCP has the hash only");
	members(_metadata, &self->c, variant->door, 3, NEWPROTO_POLICY_ROUND_ROBIN);
	ASSERT_OK(sock_set(self->c.fds[0], SOL_NEWPROTO, NEWPROTO_WEIGHT, 3));
	ASSERT_OK(sock_set(self->c.fds[2], SOL_NEWPROTO, NEWPROTO_WEIGHT, 2));
	sequence(_metadata, &self->c, variant->door, 24, text);
	/* a round that had begun before the weights were set may be ended first */
	for (i = 6; i + 6 <= 24; i++) {
		EXPECT_EQ(3, count_of(text + i, 6, 'a')) TH_LOG("%s, from %d", text, i);
		EXPECT_EQ(1, count_of(text + i, 6, 'b')) TH_LOG("%s, from %d", text, i);
		EXPECT_EQ(2, count_of(text + i, 6, 'c')) TH_LOG("%s, from %d", text, i);
	}
}

/* A weight set before bind() does the same. */
TEST_F(group_choice, weight_before_bind)
{
	int count[MEMBERS];

	if (over_tcp())
		SKIP(return, "TCP has the hash only");
	members(_metadata, &self->c, variant->door, 1, NEWPROTO_POLICY_ROUND_ROBIN);
	self->c.fds[1] = member_with(variant->door, self->c.port, 1000, NEWPROTO_WEIGHT, 4);
	ASSERT_OK(self->c.fds[1]);
	spread(_metadata, &self->c, variant->door, 50, count);
	EXPECT_EQ(10, count[0]);
	EXPECT_EQ(40, count[1]);
}

/* A full member's turn goes to the next. */
TEST_F(group_choice, round_robin_full)
{
	int count[MEMBERS];

	if (over_tcp())
		SKIP(return, "TCP has the hash only");
	members(_metadata, &self->c, variant->door, 3, NEWPROTO_POLICY_ROUND_ROBIN);
	ASSERT_OK(listen(self->c.fds[1], 1));
	spread(_metadata, &self->c, variant->door, 20, count);
	EXPECT_EQ(2, count[1]);
	EXPECT_EQ(18, count[0] + count[2]);
	EXPECT_LE(6, count[0]);
	EXPECT_LE(6, count[2]);
}

TEST_F(group_choice, least_loaded)
{
	int count[MEMBERS], i;

	if (over_tcp())
		SKIP(return, "TCP has the hash only");
	members(_metadata, &self->c, variant->door, 3, NEWPROTO_POLICY_LEAST_LOADED);
	/* 5 on the first, which was alone then */
	for (i = 1; i < 3; i++)
		ASSERT_OK(shutdown(self->c.fds[i], SHUT_RD));
	for (i = 0; i < 5; i++)
		ASSERT_OK(close(door_dial(variant->door, 0, self->c.port)));
	for (i = 1; i < 3; i++)
		ASSERT_OK(listen(self->c.fds[i], 1000));
	/* the next 10 level it; 3 more are one for each */
	spread(_metadata, &self->c, variant->door, 13, count);
	EXPECT_EQ(6, count[0]);
	EXPECT_EQ(6, count[1]);
	EXPECT_EQ(6, count[2]);
}

/* What is accepted does not count any more. */
TEST_F(group_choice, least_loaded_after_accept)
{
	int i, fds[3];

	if (over_tcp())
		SKIP(return, "TCP has the hash only");
	members(_metadata, &self->c, variant->door, 3, NEWPROTO_POLICY_LEAST_LOADED);
	for (i = 0; i < 3; i++)
		fds[i] = door_dial(variant->door, 0, self->c.port);
	for (i = 0; i < 3; i++) {
		int fd;

		EXPECT_LT(0, took_now(self->c.fds[i]));
		fd = door_dial(variant->door, 0, self->c.port);
		ASSERT_OK(fd);
		EXPECT_EQ(sock_port(fd), took_now(self->c.fds[i])) TH_LOG("member %d", i);
		close(fd);
		/* busy again, so that the next one is least loaded */
		fd = door_dial(variant->door, 0, self->c.port);
		ASSERT_OK(fd);
		close(fd);
	}
	for (i = 0; i < 3; i++)
		close(fds[i]);
}

TEST_F(group_choice, last_bound)
{
	char text[8];

	if (over_tcp())
		SKIP(return, "TCP has the hash only");
	members(_metadata, &self->c, variant->door, 2, NEWPROTO_POLICY_LAST_BOUND);
	sequence(_metadata, &self->c, variant->door, 4, text);
	EXPECT_STREQ("bbbb", text);
	self->c.fds[2] = member_new(variant->door, self->c.port, 10);
	sequence(_metadata, &self->c, variant->door, 4, text);
	EXPECT_STREQ("cccc", text);
	close(self->c.fds[2]);
	self->c.fds[2] = -1;
	sequence(_metadata, &self->c, variant->door, 4, text);
	EXPECT_STREQ("bbbb", text);
}

/* It is bind() that counts, not listen(). */
TEST_F(group_choice, last_bound_not_last_listening)
{
	char text[8];

	if (over_tcp())
		SKIP(return, "TCP has the hash only");
	self->c.fds[0] = member_with(variant->door, 0, BOUND_ONLY, NEWPROTO_POLICY,
				     NEWPROTO_POLICY_LAST_BOUND);
	ASSERT_OK(self->c.fds[0]);
	self->c.port = sock_port(self->c.fds[0]);
	self->c.fds[1] = member_new(variant->door, self->c.port, 10);
	ASSERT_OK(self->c.fds[1]);
	ASSERT_OK(listen(self->c.fds[0], 10));
	sequence(_metadata, &self->c, variant->door, 4, text);
	EXPECT_STREQ("bbbb", text);
}

/* As long as the newcomer has room; what it has not goes to the one before it. */
TEST_F(group_choice, last_bound_full)
{
	int count[MEMBERS];

	if (over_tcp())
		SKIP(return, "TCP has the hash only");
	members(_metadata, &self->c, variant->door, 3, NEWPROTO_POLICY_LAST_BOUND);
	ASSERT_OK(listen(self->c.fds[2], 1));
	ASSERT_OK(listen(self->c.fds[1], 2));
	spread(_metadata, &self->c, variant->door, 9, count);
	EXPECT_EQ(2, count[2]);
	EXPECT_EQ(3, count[1]);
	EXPECT_EQ(4, count[0]);
	/* when it has room it is the first again */
	spread(_metadata, &self->c, variant->door, 1, count);
	EXPECT_EQ(1, count[2]);
}

/* The policy may be changed at any time. */
TEST_F(group_choice, change_of_policy)
{
	char text[8];

	if (over_tcp())
		SKIP(return, "TCP has the hash only");
	members(_metadata, &self->c, variant->door, 3, NEWPROTO_POLICY_LAST_BOUND);
	sequence(_metadata, &self->c, variant->door, 3, text);
	EXPECT_STREQ("ccc", text);
	ASSERT_OK(sock_set(self->c.fds[0], SOL_NEWPROTO, NEWPROTO_POLICY,
			   NEWPROTO_POLICY_ROUND_ROBIN));
	sequence(_metadata, &self->c, variant->door, 6, text);
	EXPECT_TRUE(in_turn(text, 3)) TH_LOG("%s", text);
}

/* A full member of the hash: its flows go to others, and come back when it has room. */
TEST_F_TIMEOUT(group_choice, hash_full, 120)
{
	struct flow flows[FLOWS];
	int i, fds[FLOWS], count = 0;

	if (over_tcp())
		SKIP(return, "TCP lets the client try again");
	members(_metadata, &self->c, variant->door, 2, NEWPROTO_POLICY_HASH);
	flows_begin(_metadata, &self->c, variant->door, flows);
	ASSERT_OK(listen(self->c.fds[0], 0));
	for (i = 0; i < FLOWS; i++) {
		fds[i] = client_dial_from(variant->door, flows[i].port, self->c.port);
		ASSERT_OK(fds[i]);
	}
	EXPECT_LT(0, took_now(self->c.fds[0]));
	EXPECT_EQ(-EAGAIN, took_now(self->c.fds[0]));
	while (took_now(self->c.fds[1]) > 0)
		count++;
	EXPECT_EQ(FLOWS - 1, count);
	for (i = 0; i < FLOWS; i++)
		client_abort(fds[i]);
	for (i = 0; i < FLOWS; i++)
		EXPECT_EQ(flows[i].member, flow_member(&self->c, variant->door, &flows[i].port));
}

/* Which group: the exact address before the wildcard, as inet's lookup says. */
TEST_F(group_choice, exact_before_wildcard)
{
	union addr a;
	socklen_t len;
	int count[MEMBERS], i;

	members(_metadata, &self->c, variant->door, 2, NEWPROTO_POLICY_HASH);
	len = door_any(variant->door, &a, self->c.port);
	for (i = 2; i < 4; i++) {
		self->c.fds[i] = member_socket(variant->door);
		ASSERT_OK(bind(self->c.fds[i], &a.sa, len));
		ASSERT_OK(listen(self->c.fds[i], 100));
	}
	spread(_metadata, &self->c, variant->door, 20, count);
	EXPECT_EQ(20, count[0] + count[1]);
	close(self->c.fds[0]);
	close(self->c.fds[1]);
	self->c.fds[0] = -1;
	self->c.fds[1] = -1;
	spread(_metadata, &self->c, variant->door, 20, count);
	EXPECT_EQ(20, count[2] + count[3]);
}

/* One that has bound and then connects is a client; the others serve the port. */
TEST_F(group_choice, member_that_connects)
{
	int a = member_socket(variant->door), child, fd;
	int server = member_new(variant->door, 0, 4);
	union addr to;
	socklen_t len = door_loop(variant->door, &to, sock_port(server));

	self->c.port = door_free_port(variant->door);
	ASSERT_OK(member_bind(a, variant->door, self->c.port));
	self->c.fds[0] = member_new(variant->door, self->c.port, 4);
	ASSERT_OK(self->c.fds[0]);
	member_blocking(a);
	ASSERT_OK(connect(a, &to.sa, len));
	EXPECT_ERR(EINVAL, listen(a, 4));
	child = take(server, NULL);
	ASSERT_OK(child);
	fd = door_dial(variant->door, 0, self->c.port);
	ASSERT_OK(fd);
	EXPECT_EQ(sock_port(fd), took(self->c.fds[0]));
	client_abort(fd);
	/* and it outlives them */
	close(self->c.fds[0]);
	self->c.fds[0] = -1;
	EXPECT_EQ(1, send(a, "x", 1, MSG_NOSIGNAL));
	EXPECT_EQ(1, recv(child, &to, 1, 0));
	EXPECT_ERR(ECONNREFUSED, door_dial(variant->door, 0, self->c.port));
	client_abort(a);
	close(child);
	close(server);
}

/* Connections hold the port for the group's user, when all members have gone. */
TEST_F(group_choice, connections_outlive_the_group)
{
	int fd, child, i;

	members(_metadata, &self->c, variant->door, 2, NEWPROTO_POLICY_HASH);
	fd = door_dial(variant->door, 0, self->c.port);
	i = pick_ready(self->c.fds, 2);
	ASSERT_LE(0, i);
	child = take(self->c.fds[i], NULL);
	ASSERT_OK(child);
	close(self->c.fds[0]);
	close(self->c.fds[1]);
	EXPECT_ERR(ECONNREFUSED, door_dial(variant->door, 0, self->c.port));
	EXPECT_ERR(EADDRINUSE, door_bound(variant->door, 0, self->c.port));
	self->c.fds[1] = -1;
	self->c.fds[0] = member_new(variant->door, self->c.port, 4);
	EXPECT_OK(self->c.fds[0]);
	EXPECT_EQ(2, send(child, "ok", 2, MSG_NOSIGNAL));
	EXPECT_EQ(POLLIN, poll_events(fd, POLLIN, WAIT_MS));
	client_abort(fd);
	close(child);
}

/* The group of a device is another one, and comes first. */
TEST_F(group_choice, device_before_none)
{
	int count[MEMBERS], i;

	if (over_tcp() && variant->door->af == AF_INET6)
		SKIP(return, "TCP's IPv6 takes who has listened first");
	SKIP_OVER_NIC("all are of a device there");
	members(_metadata, &self->c, variant->door, 1, NEWPROTO_POLICY_HASH);
	for (i = 1; i < 3; i++) {
		self->c.fds[i] = member_socket(variant->door);
		ASSERT_OK(setsockopt(self->c.fds[i], SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
		ASSERT_OK(member_bind(self->c.fds[i], variant->door, self->c.port));
		ASSERT_OK(listen(self->c.fds[i], 100));
	}
	spread(_metadata, &self->c, variant->door, 20, count);
	EXPECT_EQ(20, count[1] + count[2]);
}

TEST_HARNESS_MAIN
