// SPDX-License-Identifier: GPL-2.0-only
/*
 * SO_REUSEPORT groups: their options, what bind() latches, full queues, and
 * /proc/net/newproto/groups. group_choice has the policies, group_move what
 * happens when a member goes.
 */
#include <kselftest_harness.h>

#include <limits.h>

#include "grouplib.h"

static int option(int fd, int name)
{
	return sock_int(fd, SOL_NEWPROTO, name);
}

static int set_option(int fd, int name, int value)
{
	return sock_set(fd, SOL_NEWPROTO, name, value);
}

/* Options */

FIXTURE(group_opts) {
	int fd;			/* SO_REUSEPORT, not bound yet */
};

GROUP_FIXTURE(group_opts);

FIXTURE_SETUP(group_opts)
{
	if (over_tcp())
		SKIP(_exit(255), "TCP has no such options");
	self->fd = member_socket(variant->door);
	ASSERT_OK(self->fd);
}

FIXTURE_TEARDOWN(group_opts)
{
	close(self->fd);
}

TEST_F(group_opts, defaults)
{
	int i;

	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, option(self->fd, NEWPROTO_GRACE));
		EXPECT_EQ(NEWPROTO_POLICY_HASH, option(self->fd, NEWPROTO_POLICY));
		EXPECT_EQ(1, option(self->fd, NEWPROTO_WEIGHT));
		/* fresh, bound, listening */
		if (i == 0)
			ASSERT_OK(member_bind(self->fd, variant->door, 0));
		if (i == 1)
			ASSERT_OK(listen(self->fd, 1));
	}
}

static const struct {
	int name, value, err;
} values[] = {
	{ NEWPROTO_GRACE, 0, 0 }, { NEWPROTO_GRACE, 1, 0 }, { NEWPROTO_GRACE, 60000, 0 },
	{ NEWPROTO_GRACE, -1, EINVAL }, { NEWPROTO_GRACE, INT_MIN, EINVAL },
	{ NEWPROTO_POLICY, NEWPROTO_POLICY_HASH, 0 },
	{ NEWPROTO_POLICY, NEWPROTO_POLICY_ROUND_ROBIN, 0 },
	{ NEWPROTO_POLICY, NEWPROTO_POLICY_LEAST_LOADED, 0 },
	{ NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND, 0 },
	{ NEWPROTO_POLICY, -1, EINVAL }, { NEWPROTO_POLICY, 4, EINVAL },
	{ NEWPROTO_POLICY, 256, EINVAL }, { NEWPROTO_POLICY, INT_MAX, EINVAL },
	{ NEWPROTO_WEIGHT, 1, 0 }, { NEWPROTO_WEIGHT, 1000, 0 },
	{ NEWPROTO_WEIGHT, 0, EINVAL }, { NEWPROTO_WEIGHT, -1, EINVAL },
	{ NEWPROTO_WEIGHT, 1001, EINVAL }, { NEWPROTO_WEIGHT, 65537, EINVAL },
	{ NEWPROTO_WEIGHT, INT_MAX, EINVAL },
};

/* Each is read back; what is refused changes nothing. */
static void check_values(struct __test_metadata *_metadata, int fd)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(values); i++) {
		int before = option(fd, values[i].name);
		int ret = set_option(fd, values[i].name, values[i].value);

		EXPECT_EQ(values[i].err, ret ? errno : 0)
			TH_LOG("option %d, value %d", values[i].name, values[i].value);
		EXPECT_EQ(values[i].err ? before : values[i].value, option(fd, values[i].name))
			TH_LOG("option %d, value %d", values[i].name, values[i].value);
	}
}

TEST_F(group_opts, values)
{
	check_values(_metadata, self->fd);
	ASSERT_OK(member_bind(self->fd, variant->door, 0));
	check_values(_metadata, self->fd);
	ASSERT_OK(listen(self->fd, 1));
	check_values(_metadata, self->fd);
}

TEST_F(group_opts, lengths)
{
	static const int names[] = { NEWPROTO_GRACE, NEWPROTO_POLICY, NEWPROTO_WEIGHT };
	int i, one[3] = { 1, -1, -1 };
	socklen_t len;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		for (len = 0; len < 4; len++)
			EXPECT_ERR(EINVAL, setsockopt(self->fd, SOL_NEWPROTO, names[i], one, len));
		EXPECT_OK(setsockopt(self->fd, SOL_NEWPROTO, names[i], one, 4));
		EXPECT_OK(setsockopt(self->fd, SOL_NEWPROTO, names[i], one, 12));
		EXPECT_ERR(EFAULT, setsockopt(self->fd, SOL_NEWPROTO, names[i], BAD_PTR, 4));

		one[1] = -1;
		len = 8;
		EXPECT_OK(getsockopt(self->fd, SOL_NEWPROTO, names[i], one, &len));
		EXPECT_EQ(4, len);
		EXPECT_EQ(-1, one[1]);
		len = 4;
		EXPECT_ERR(EFAULT, getsockopt(self->fd, SOL_NEWPROTO, names[i], BAD_PTR, &len));
		len = -1;
		EXPECT_ERR(EINVAL, getsockopt(self->fd, SOL_NEWPROTO, names[i], one, &len));
	}
}

TEST_F(group_opts, unknown)
{
	static const int names[] = { 0, 5, 99, -1 };
	int i, one = 1;
	socklen_t len = sizeof(one);

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_ERR(ENOPROTOOPT, set_option(self->fd, names[i], 1));
		EXPECT_ERR(ENOPROTOOPT, getsockopt(self->fd, SOL_NEWPROTO, names[i], &one, &len));
	}
}

/* Bound without SO_REUSEPORT: there is no group, and none comes from setting it late. */
TEST_F(group_opts, no_group)
{
	int fd = door_listener(variant->door, 1), i;

	ASSERT_OK(fd);
	for (i = 0; i < 2; i++) {
		EXPECT_ERR(EINVAL, set_option(fd, NEWPROTO_GRACE, 1000));
		EXPECT_ERR(EINVAL, set_option(fd, NEWPROTO_POLICY, NEWPROTO_POLICY_HASH));
		EXPECT_ERR(EINVAL, set_option(fd, NEWPROTO_WEIGHT, 1));
		EXPECT_ERR(EADDRINUSE, member_new(variant->door, sock_port(fd), 1));
		ASSERT_OK(sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1));
	}
	close(fd);
}

/* Set before SO_REUSEPORT or after it: only bind() asks for both. */
TEST_F(group_opts, stored_until_bind)
{
	int fd = door_socket(variant->door, 0);

	ASSERT_OK(set_option(fd, NEWPROTO_GRACE, 1234));
	ASSERT_OK(set_option(fd, NEWPROTO_POLICY, NEWPROTO_POLICY_LEAST_LOADED));
	ASSERT_OK(set_option(fd, NEWPROTO_WEIGHT, 7));
	ASSERT_OK(sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1));
	EXPECT_EQ(1234, option(fd, NEWPROTO_GRACE));
	ASSERT_OK(member_bind(fd, variant->door, door_free_port(variant->door)));
	EXPECT_EQ(1234, option(fd, NEWPROTO_GRACE));
	EXPECT_EQ(NEWPROTO_POLICY_LEAST_LOADED, option(fd, NEWPROTO_POLICY));
	EXPECT_EQ(7, option(fd, NEWPROTO_WEIGHT));

	/* who joins and has set nothing leaves them alone, and sees them */
	ASSERT_OK(member_bind(self->fd, variant->door, sock_port(fd)));
	EXPECT_EQ(1234, option(self->fd, NEWPROTO_GRACE));
	EXPECT_EQ(NEWPROTO_POLICY_LEAST_LOADED, option(self->fd, NEWPROTO_POLICY));
	EXPECT_EQ(1, option(self->fd, NEWPROTO_WEIGHT));
	EXPECT_EQ(7, option(fd, NEWPROTO_WEIGHT));
	close(fd);
}

/* Who joins with an option of its own sets the group's: the last one counts. */
TEST_F(group_opts, the_last_one_counts)
{
	int port = door_free_port(variant->door), other;

	ASSERT_OK(set_option(self->fd, NEWPROTO_GRACE, 100));
	ASSERT_OK(set_option(self->fd, NEWPROTO_POLICY, NEWPROTO_POLICY_ROUND_ROBIN));
	ASSERT_OK(member_bind(self->fd, variant->door, port));
	other = member_with(variant->door, port, 1, NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND);
	ASSERT_OK(other);
	EXPECT_EQ(NEWPROTO_POLICY_LAST_BOUND, option(self->fd, NEWPROTO_POLICY));
	EXPECT_EQ(100, option(self->fd, NEWPROTO_GRACE));

	/* also afterwards, by any of them */
	ASSERT_OK(set_option(self->fd, NEWPROTO_GRACE, 200));
	EXPECT_EQ(200, option(other, NEWPROTO_GRACE));
	ASSERT_OK(set_option(other, NEWPROTO_GRACE, 300));
	EXPECT_EQ(300, option(self->fd, NEWPROTO_GRACE));
	ASSERT_OK(set_option(other, NEWPROTO_POLICY, NEWPROTO_POLICY_HASH));
	EXPECT_EQ(NEWPROTO_POLICY_HASH, option(self->fd, NEWPROTO_POLICY));

	/* and they stay when the one that has set them leaves */
	close(other);
	EXPECT_EQ(300, option(self->fd, NEWPROTO_GRACE));
}

/* Groups of different ports know nothing of each other. */
TEST_F(group_opts, one_group_each)
{
	int port = door_free_port(variant->door);
	int other = member_with(variant->door, port, 1, NEWPROTO_GRACE, 500);

	ASSERT_OK(other);
	ASSERT_OK(member_bind(self->fd, variant->door, 0));
	EXPECT_EQ(0, option(self->fd, NEWPROTO_GRACE));
	ASSERT_OK(set_option(self->fd, NEWPROTO_GRACE, 600));
	EXPECT_EQ(500, option(other, NEWPROTO_GRACE));
	close(other);
}

/* A bind() that fails keeps what was stored. */
TEST_F(group_opts, failed_bind)
{
	int lsn = door_listener(variant->door, 1), port = sock_port(lsn);

	ASSERT_OK(set_option(self->fd, NEWPROTO_GRACE, 700));
	ASSERT_OK(set_option(self->fd, NEWPROTO_WEIGHT, 3));
	EXPECT_ERR(EADDRINUSE, member_bind(self->fd, variant->door, port));
	EXPECT_EQ(700, option(self->fd, NEWPROTO_GRACE));
	close(lsn);
	ASSERT_OK(member_bind(self->fd, variant->door, port));
	EXPECT_EQ(700, option(self->fd, NEWPROTO_GRACE));
	EXPECT_EQ(3, option(self->fd, NEWPROTO_WEIGHT));
}

/* A port that bind() has chosen is nobody's to come back to; what is set then counts. */
TEST_F(group_opts, grace_of_a_chosen_port)
{
	ASSERT_OK(set_option(self->fd, NEWPROTO_GRACE, 800));
	ASSERT_OK(set_option(self->fd, NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND));
	ASSERT_OK(set_option(self->fd, NEWPROTO_WEIGHT, 8));
	ASSERT_OK(member_bind(self->fd, variant->door, 0));
	EXPECT_EQ(0, option(self->fd, NEWPROTO_GRACE));
	EXPECT_EQ(NEWPROTO_POLICY_LAST_BOUND, option(self->fd, NEWPROTO_POLICY));
	EXPECT_EQ(8, option(self->fd, NEWPROTO_WEIGHT));
	ASSERT_OK(set_option(self->fd, NEWPROTO_GRACE, 900));
	EXPECT_EQ(900, option(self->fd, NEWPROTO_GRACE));
}

/* What has been accepted is no member, whatever its listener is. */
TEST_F(group_opts, accepted_socket)
{
	int client, child;

	ASSERT_OK(member_bind(self->fd, variant->door, door_free_port(variant->door)));
	ASSERT_OK(listen(self->fd, 1));
	client = door_dial(variant->door, 0, sock_port(self->fd));
	child = take(self->fd, NULL);
	ASSERT_OK(child);
	EXPECT_EQ(1, sock_int(child, SOL_SOCKET, SO_REUSEPORT));
	EXPECT_ERR(EINVAL, set_option(child, NEWPROTO_GRACE, 1000));
	EXPECT_ERR(EINVAL, set_option(child, NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND));
	EXPECT_ERR(EINVAL, set_option(child, NEWPROTO_WEIGHT, 2));
	EXPECT_EQ(NEWPROTO_POLICY_HASH, option(self->fd, NEWPROTO_POLICY));
	close(client);
	close(child);
}

/* SO_REUSEPORT counts when bind() looks at it. */
TEST_F(group_opts, reuseport_is_latched)
{
	int port, b, c;

	ASSERT_OK(member_bind(self->fd, variant->door, 0));
	port = sock_port(self->fd);
	ASSERT_OK(sock_set(self->fd, SOL_SOCKET, SO_REUSEPORT, 0));
	b = member_new(variant->door, port, 1);
	EXPECT_OK(b);
	EXPECT_OK(set_option(self->fd, NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND));
	EXPECT_EQ(NEWPROTO_POLICY_LAST_BOUND, option(b, NEWPROTO_POLICY));
	EXPECT_OK(listen(self->fd, 1));
	c = door_dial(variant->door, 0, port);
	EXPECT_OK(c);
	EXPECT_EQ(sock_port(c), took(b));
	close(b);
	close(c);
}

TEST_F(group_opts, grace_is_capped)
{
	char text[32];
	int fd;

	ASSERT_OK(netns_new());
	ASSERT_LT(0, file_read("/proc/sys/net/newproto/group_grace_max", text, sizeof(text)));
	EXPECT_STREQ("60000\n", text);
	fd = member_new(variant->door, 0, 1);
	ASSERT_OK(fd);
	ASSERT_OK(set_option(fd, NEWPROTO_GRACE, INT_MAX));
	EXPECT_EQ(60000, option(fd, NEWPROTO_GRACE));
	ASSERT_OK(sysctl_write("net/newproto/group_grace_max", "250"));
	ASSERT_OK(set_option(fd, NEWPROTO_GRACE, 251));
	EXPECT_EQ(250, option(fd, NEWPROTO_GRACE));
	ASSERT_OK(set_option(fd, NEWPROTO_GRACE, 249));
	EXPECT_EQ(249, option(fd, NEWPROTO_GRACE));
	ASSERT_OK(sysctl_write("net/newproto/group_grace_max", "0"));
	ASSERT_OK(set_option(fd, NEWPROTO_GRACE, 1000));
	EXPECT_EQ(0, option(fd, NEWPROTO_GRACE));
	close(fd);
}

TEST_F(group_opts, sysctls)
{
	static const char *const names[] = {
		"net/newproto/group_grace_max", "net/newproto/group_silent_time",
	};
	char path[64], text[32];
	int i;

	ASSERT_OK(netns_new());
	ASSERT_LT(0, file_read("/proc/sys/net/newproto/group_silent_time", text, sizeof(text)));
	EXPECT_STREQ("1000\n", text);
	for (i = 0; i < 2; i++) {
		EXPECT_OK(sysctl_write(names[i], "0"));
		EXPECT_OK(sysctl_write(names[i], "86400000"));
		EXPECT_EQ(-1, sysctl_write(names[i], "86400001"));
		EXPECT_EQ(-1, sysctl_write(names[i], "-1"));
		EXPECT_EQ(-1, sysctl_write(names[i], "soon"));
		snprintf(path, sizeof(path), "/proc/sys/%s", names[i]);
		ASSERT_LT(0, file_read(path, text, sizeof(text)));
		EXPECT_STREQ("86400000\n", text);
	}
}

/* Full queues */

FIXTURE(group_full) {
	int a, b;		/* members with backlog 0: one connection each */
	int port;
};

GROUP_FIXTURE(group_full);

FIXTURE_SETUP(group_full)
{
	GROUP_SETUP(variant->door);
	self->a = member_new(variant->door, 0, 0);
	ASSERT_OK(self->a);
	self->port = sock_port(self->a);
	self->b = member_new(variant->door, self->port, 0);
	ASSERT_OK(self->b);
}

FIXTURE_TEARDOWN(group_full)
{
	close(self->a);
	close(self->b);
}

/* @n nonblocking clients; the first @connected get in, the others wait. */
static void dial_many(struct __test_metadata *_metadata, const struct door *d, int port, int *fds,
		      int n, int connected)
{
	int i;

	for (i = 0; i < n; i++) {
		fds[i] = door_dial(d, SOCK_NONBLOCK, port);
		ASSERT_OK(fds[i]);
		EXPECT_EQ(i < connected, client_connected(fds[i])) TH_LOG("client %d", i);
	}
	for (i = connected; i < n; i++)
		EXPECT_TRUE(client_waiting(fds[i])) TH_LOG("client %d", i);
}

static void close_many(const int *fds, int n)
{
	while (n--)
		close(fds[n]);
}

/* With every policy all members' places are used before anybody waits. */
TEST_F(group_full, all_places_are_used)
{
	int fds[8], policy, i;

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	for (policy = NEWPROTO_POLICY_HASH; policy <= NEWPROTO_POLICY_LAST_BOUND; policy++) {
		int a = member_with(variant->door, 0, 0, NEWPROTO_POLICY, policy);
		int b = member_new(variant->door, sock_port(a), 2);
		int c = member_new(variant->door, sock_port(a), 1);

		ASSERT_OK(a);
		ASSERT_OK(b);
		ASSERT_OK(c);
		TH_LOG("policy %d", policy);
		dial_many(_metadata, variant->door, sock_port(a), fds, 8, 1 + 3 + 2);
		for (i = 0; i < 3; i++)
			EXPECT_LT(0, took(b));
		for (i = 0; i < 2; i++)
			EXPECT_TRUE(client_admitted(fds[6 + i]));
		close_many(fds, 8);
		close(a);
		close(b);
		close(c);
	}
}

/* Whichever member accepts, the one that waits longest gets the place. */
TEST_F(group_full, first_come_first_served)
{
	int fds[6], order[4], i;

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	dial_many(_metadata, variant->door, self->port, fds, 6, 2);
	order[0] = self->b;
	order[1] = self->a;
	order[2] = self->a;
	order[3] = self->b;
	for (i = 0; i < 4; i++) {
		ASSERT_LT(0, took(order[i]));
		EXPECT_TRUE(client_admitted(fds[2 + i])) TH_LOG("client %d", 2 + i);
		if (i < 3)
			EXPECT_TRUE(client_waiting(fds[3 + i])) TH_LOG("client %d", 3 + i);
		/* the place was of the one that has accepted */
		EXPECT_EQ(POLLIN, poll_events(order[i], POLLIN, WAIT_MS));
	}
	/* the last two: the members hold them, each the one that took its place */
	EXPECT_EQ(sock_port(fds[4]), took(self->a));
	EXPECT_EQ(sock_port(fds[5]), took(self->b));
	close_many(fds, 6);
}

static long dial_blocking(struct task *t)
{
	t->fd = door_dial((const struct door *)t->arg, 0, t->number);
	return t->fd;
}

TEST_F(group_full, blocking_clients_wait)
{
	struct task t[3] = { };
	int fds[2], i;

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	dial_many(_metadata, variant->door, self->port, fds, 2, 2);
	for (i = 0; i < 3; i++) {
		t[i] = (struct task){
			.fn = dial_blocking, .arg = (void *)variant->door, .number = self->port,
		};
		ASSERT_OK(task_start(&t[i]));
		ASSERT_OK(task_blocked(&t[i], SYS_connect));
	}
	for (i = 0; i < 3; i++) {
		ASSERT_LT(0, took(i % 2 ? self->a : self->b));
		ASSERT_OK(task_join(&t[i]));
		EXPECT_OK(t[i].ret);
		EXPECT_EQ(i < 2, task_running(&t[2]));
	}
	for (i = 0; i < 3; i++)
		close(t[i].fd);
	close_many(fds, 2);
}

/* A newcomer has room for those that wait, in their order, and is told. */
TEST_F(group_full, new_member)
{
	int fds[6], c, i;

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	dial_many(_metadata, variant->door, self->port, fds, 6, 2);
	c = member_new(variant->door, self->port, BOUND_ONLY);
	ASSERT_OK(c);
	EXPECT_TRUE(client_waiting(fds[2]));
	ASSERT_OK(listen(c, 2));
	for (i = 2; i < 5; i++)
		EXPECT_TRUE(client_admitted(fds[i])) TH_LOG("client %d", i);
	EXPECT_TRUE(client_waiting(fds[5]));
	EXPECT_EQ(POLLIN, poll_events(c, POLLIN, 0));
	for (i = 2; i < 6; i++)
		EXPECT_EQ(sock_port(fds[i]), took(c)) TH_LOG("client %d", i);
	EXPECT_EQ(-EAGAIN, took_now(c));
	close(c);
	close_many(fds, 6);
}

TEST_F(group_full, raised_backlog)
{
	int fds[5];

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	dial_many(_metadata, variant->door, self->port, fds, 5, 2);
	ASSERT_OK(listen(self->b, 2));
	EXPECT_TRUE(client_admitted(fds[2]));
	EXPECT_TRUE(client_admitted(fds[3]));
	EXPECT_TRUE(client_waiting(fds[4]));
	/* smaller again: nobody is thrown out, and nobody gets in above it */
	ASSERT_OK(listen(self->b, 0));
	ASSERT_LT(0, took(self->b));
	EXPECT_TRUE(client_waiting(fds[4]));
	ASSERT_LT(0, took(self->b));
	EXPECT_TRUE(client_waiting(fds[4]));
	ASSERT_LT(0, took(self->b));
	EXPECT_TRUE(client_admitted(fds[4]));
	close_many(fds, 5);
}

/* Who comes later does not overtake those that wait, wherever there is room. */
TEST_F(group_full, no_overtaking)
{
	int fds[3], late;

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	dial_many(_metadata, variant->door, self->port, fds, 3, 2);
	ASSERT_LT(0, took(self->a));
	late = door_dial(variant->door, SOCK_NONBLOCK, self->port);
	EXPECT_TRUE(client_admitted(fds[2]));
	EXPECT_TRUE(client_waiting(late));
	close(late);
	close_many(fds, 3);
}

/* Who gives up while waiting leaves no hole. */
TEST_F(group_full, waiting_client_closes)
{
	int fds[5];

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	dial_many(_metadata, variant->door, self->port, fds, 5, 2);
	close(fds[2]);
	close(fds[4]);
	nic_settle();
	ASSERT_LT(0, took(self->a));
	EXPECT_TRUE(client_admitted(fds[3]));
	EXPECT_EQ(sock_port(fds[3]), took(self->a));
	EXPECT_EQ(-EAGAIN, took_now(self->a));
	close(fds[3]);
	close_many(fds, 2);
}

TEST_F(group_full, connect_timeout)
{
	int fds[3];

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	ASSERT_OK(sysctl_write("net/newproto/connect_timeout", "150"));
	dial_many(_metadata, variant->door, self->port, fds, 3, 2);
	EXPECT_EQ(ETIMEDOUT, client_failed(fds[2]));
	EXPECT_TRUE(client_connected(fds[1]));
	close_many(fds, 3);
}

/* Every member that closes in turn: nobody who waits is refused until the last one. */
TEST_F(group_full, members_leave)
{
	int fds[4];

	if (over_tcp())
		SKIP(return, "TCP's clients try again by timers");
	dial_many(_metadata, variant->door, self->port, fds, 4, 2);
	close(self->a);
	self->a = -1;
	EXPECT_TRUE(client_connected(fds[0]));
	EXPECT_TRUE(client_connected(fds[1]));
	EXPECT_TRUE(client_waiting(fds[2]));
	/* two are pending where one may be: the first accept() makes no room */
	ASSERT_LT(0, took(self->b));
	EXPECT_TRUE(client_waiting(fds[2]));
	ASSERT_LT(0, took(self->b));
	EXPECT_TRUE(client_admitted(fds[2]));
	EXPECT_TRUE(client_waiting(fds[3]));
	close(self->b);
	self->b = -1;
	EXPECT_EQ(ECONNRESET, client_failed(fds[2]));
	EXPECT_EQ(ECONNREFUSED, client_failed(fds[3]));
	close_many(fds, 4);
}

/* /proc/net/newproto/groups */

FIXTURE(group_proc) {};

GROUP_FIXTURE(group_proc);

FIXTURE_SETUP(group_proc)
{
	if (over_tcp())
		SKIP(_exit(255), "TCP has no such file");
	GROUP_SETUP(variant->door);
}

FIXTURE_TEARDOWN(group_proc) {}

static void local_text(const struct door *d, int port, char *buf, size_t size)
{
	char ip[INET6_ADDRSTRLEN];
	union addr a;

	door_loop(d, &a, port);
	inet_ntop(d->af, d->af == AF_INET ? (void *)&a.in.sin_addr : &a.in6.sin6_addr, ip,
		  sizeof(ip));
	snprintf(buf, size, d->af == AF_INET ? "%s:%d" : "[%s]:%d", ip, port);
}

TEST_F(group_proc, lines)
{
	const char *type = variant->door->type ? "seqpacket" : "stream";
	struct group_line g, m;
	char local[64], page[256];
	int a, b, port = door_free_port(variant->door);

	ASSERT_LT(0, file_read(GROUPS_FILE, page, sizeof(page)));
	EXPECT_STREQ(GROUPS_HEADING, page);
	a = member_with(variant->door, port, BOUND_ONLY, NEWPROTO_GRACE, 321);
	ASSERT_OK(a);
	local_text(variant->door, port, local, sizeof(local));
	ASSERT_OK(group_line(port, &g));
	EXPECT_STREQ(type, g.type);
	EXPECT_STREQ(local, g.local);
	EXPECT_STREQ("idle", g.state);
	EXPECT_STREQ("hash", g.policy);
	EXPECT_EQ(0, g.uid);
	EXPECT_EQ(-1, g.weight);
	EXPECT_EQ(321, g.grace);
	EXPECT_EQ(0, g.members);
	ASSERT_OK(member_line(member_inode(a), &m));
	EXPECT_STREQ("idle", m.state);
	EXPECT_STREQ("-", m.policy);

	b = member_with(variant->door, port, 5, NEWPROTO_WEIGHT, 9);
	ASSERT_OK(b);
	ASSERT_OK(group_line(port, &g));
	EXPECT_STREQ("live", g.state);
	EXPECT_EQ(1, g.members);
	EXPECT_EQ(3, group_lines());
	ASSERT_OK(member_line(member_inode(b), &m));
	EXPECT_STREQ(type, m.type);
	EXPECT_STREQ(local, m.local);
	EXPECT_STREQ("live", m.state);
	EXPECT_EQ(9, m.weight);
	EXPECT_EQ(-1, m.grace);
	EXPECT_EQ(-1, m.members);
	EXPECT_EQ(-1, m.waiting);
	EXPECT_EQ(0, m.uid);

	ASSERT_OK(listen(a, 5));
	ASSERT_OK(group_line(port, &g));
	EXPECT_EQ(2, g.members);
	/* a group without grace ends with its last member */
	ASSERT_OK(set_option(a, NEWPROTO_GRACE, 0));
	close(b);
	EXPECT_EQ(2, group_lines());
	close(a);
	EXPECT_EQ(0, group_lines());
}

TEST_F(group_proc, policies)
{
	static const char *const names[] = {
		[NEWPROTO_POLICY_HASH] = "hash", [NEWPROTO_POLICY_ROUND_ROBIN] = "round-robin",
		[NEWPROTO_POLICY_LEAST_LOADED] = "least-loaded",
		[NEWPROTO_POLICY_LAST_BOUND] = "last-bound",
	};
	int i, fd = member_new(variant->door, 0, 1);
	struct group_line g;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		ASSERT_OK(set_option(fd, NEWPROTO_POLICY, i));
		ASSERT_OK(group_line(sock_port(fd), &g));
		EXPECT_STREQ(names[i], g.policy);
	}
	close(fd);
}

TEST_F(group_proc, counters)
{
	int fds[4], a = member_new(variant->door, 0, 1), port = sock_port(a);
	struct group_line g, m;

	ASSERT_OK(a);
	dial_many(_metadata, variant->door, port, fds, 4, 2);
	ASSERT_OK(group_line(port, &g));
	EXPECT_EQ(2, g.pending);
	EXPECT_EQ(2, g.waiting);
	EXPECT_EQ(0, g.accepted);
	ASSERT_OK(member_line(member_inode(a), &m));
	EXPECT_EQ(2, m.pending);
	ASSERT_LT(0, took(a));
	ASSERT_OK(group_line(port, &g));
	EXPECT_EQ(2, g.pending);
	EXPECT_EQ(1, g.waiting);
	EXPECT_EQ(1, g.accepted);
	EXPECT_EQ(3, g.chosen);
	ASSERT_OK(member_line(member_inode(a), &m));
	EXPECT_EQ(1, m.accepted);
	EXPECT_EQ(3, m.chosen);
	EXPECT_EQ(0, m.moved_in + m.moved_out + m.reset + m.expired + m.rescued);
	close(a);
	close_many(fds, 4);
}

/* What has no SO_REUSEPORT is not shown, nor is what other namespaces have. */
TEST_F(group_proc, not_shown)
{
	int lone = door_listener(variant->door, 1), fd = member_new(variant->door, 0, 1);
	struct group_line g;

	ASSERT_OK(lone);
	ASSERT_OK(fd);
	EXPECT_EQ(2, group_lines());
	EXPECT_ERR(ENOENT, group_line(sock_port(lone), &g));
	ASSERT_OK(netns_new());
	EXPECT_EQ(0, group_lines());
	close(lone);
	close(fd);
}

TEST_HARNESS_MAIN
