// SPDX-License-Identifier: GPL-2.0-only
/*
 * The address of a group in grace: who may have it, who must not, and how it
 * comes free again: in time, and with its namespace.
 */
#include <kselftest_harness.h>

#include <sched.h>
#include <sys/wait.h>

#include "grouplib.h"

#define LONG	50000		/* a grace that no test waits for */
#define SHORT	300		/* one that is waited for */

FIXTURE(group_heir) {
	int port;
};

GROUP_FIXTURE(group_heir);

FIXTURE_SETUP(group_heir)
{
	if (over_tcp())
		SKIP(_exit(255), "TCP has no grace");
	GROUP_SETUP(variant->door);
	self->port = 4242;
}

FIXTURE_TEARDOWN(group_heir) {}

/* A server has come and gone, with that grace; one client waits for accept(). */
static int leave_behind(struct __test_metadata *_metadata, const struct door *d, int port,
			int grace)
{
	int client, fd = member_with(d, port, 0, NEWPROTO_GRACE, grace);

	ASSERT_OK(fd);
	client = door_dial(d, 0, port);
	ASSERT_OK(client);
	ASSERT_OK(close(fd));
	return client;
}

/* Nobody has done harm: the true successor gets what waits. */
static void check_untouched(struct __test_metadata *_metadata, const struct door *d, int port,
			    int client)
{
	int fd;

	EXPECT_TRUE(client_connected(client));
	fd = member_new(d, port, 0);
	ASSERT_OK(fd);
	EXPECT_EQ(sock_port(client), took(fd));
	ASSERT_OK(sock_set(fd, SOL_NEWPROTO, NEWPROTO_GRACE, 0));
	close(fd);
	close(client);
}

/* A socket that wants an address: @wild the wildcard one, @option SO_REUSE*, or 0. */
static int try_bind(const struct door *d, int port, bool wild, int option)
{
	union addr a;
	socklen_t len = wild ? door_any(d, &a, port) : door_loop(d, &a, port);
	int err, fd = door_socket(d, 0);

	if (fd < 0 || (option && sock_set(fd, SOL_SOCKET, option, 1)))
		return -1;
	if (!bind(fd, &a.sa, len))
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

/* The same, by another user: 0 or what it was refused with. */
static int try_bind_as(uid_t uid, const struct door *d, int port, bool wild, int option)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (seteuid(uid))
			_exit(255);
		_exit(try_bind(d, port, wild, option) < 0 ? errno : 0);
	}
	if (pid < 0 || wait_child(pid, &status) || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

TEST_F(group_heir, strangers)
{
	int client = leave_behind(_metadata, variant->door, self->port, LONG);

	EXPECT_ERR(EADDRINUSE, try_bind(variant->door, self->port, false, 0));
	EXPECT_ERR(EADDRINUSE, try_bind(variant->door, self->port, false, SO_REUSEADDR));
	EXPECT_ERR(EADDRINUSE, try_bind(variant->door, self->port, true, 0));
	EXPECT_ERR(EADDRINUSE, try_bind(variant->door, self->port, true, SO_REUSEADDR));
	EXPECT_EQ(EADDRINUSE, try_bind_as(1234, variant->door, self->port, false, SO_REUSEPORT));
	EXPECT_EQ(EADDRINUSE, try_bind_as(1234, variant->door, self->port, true, SO_REUSEPORT));
	EXPECT_EQ(EADDRINUSE, try_bind_as(1234, variant->door, self->port, true, 0));
	check_untouched(_metadata, variant->door, self->port, client);
}

/* Root is nobody special: the user that had the server has the group. */
TEST_F(group_heir, root_is_a_stranger_too)
{
	int client, fd;

	SKIP_OVER_NIC("to leave a device for another takes a privilege");
	ASSERT_OK(seteuid(1234));
	client = leave_behind(_metadata, variant->door, self->port, LONG);
	ASSERT_OK(seteuid(0));
	EXPECT_ERR(EADDRINUSE, try_bind(variant->door, self->port, false, SO_REUSEPORT));
	EXPECT_EQ(EADDRINUSE, try_bind_as(1235, variant->door, self->port, false, SO_REUSEPORT));
	EXPECT_EQ(0, try_bind_as(1234, variant->door, self->port, false, SO_REUSEPORT));
	ASSERT_OK(seteuid(1234));
	fd = member_new(variant->door, self->port, 0);
	ASSERT_OK(seteuid(0));
	EXPECT_EQ(sock_port(client), took(fd));
	close(fd);
	close(client);
}

/* The same user's group of another address is another group: it takes nothing away. */
TEST_F(group_heir, wildcard_of_the_same_user)
{
	int client = leave_behind(_metadata, variant->door, self->port, LONG);
	int wild = try_bind(variant->door, self->port, true, SO_REUSEPORT), late;

	ASSERT_OK(wild);
	ASSERT_OK(listen(wild, 4));
	ASSERT_OK(sock_nonblock(wild));
	/* the exact address has a group still, if nobody in it: its queue is full */
	late = door_dial(variant->door, SOCK_NONBLOCK, self->port);
	EXPECT_TRUE(client_waiting(late));
	EXPECT_EQ(-EAGAIN, took_now(wild));
	close(late);
	check_untouched(_metadata, variant->door, self->port, client);
	/* now there is none any more */
	late = door_dial(variant->door, 0, self->port);
	EXPECT_EQ(sock_port(late), took(wild));
	close(late);
	close(wild);
}

/* Other ports, other addresses and the other family have nothing to do with it. */
TEST_F(group_heir, neighbours)
{
	bool v6 = variant->door->af == AF_INET6;
	int client = leave_behind(_metadata, variant->door, self->port, LONG), fd, type;
	struct door other = *variant->door;
	union addr a;
	socklen_t len;

	fd = door_bound(variant->door, 0, self->port + 1);
	EXPECT_OK(fd);
	close(fd);
	/* the type is part of the address */
	type = variant->door->type ?: SOCK_STREAM;
	other.domain = AF_NEWPROTO;
	other.protocol = v6 ? NEWPROTO_PROTO_IPV6 : 0;
	other.type = type == SOCK_STREAM ? SOCK_SEQPACKET : SOCK_STREAM;
	fd = door_bound(&other, 0, self->port);
	EXPECT_OK(fd);
	close(fd);
	other.type = SOCK_DGRAM;
	fd = door_bound(&other, 0, self->port);
	EXPECT_OK(fd);
	close(fd);
	/* the other family, as long as it does not mean both */
	other.type = type;
	other.af = v6 ? AF_INET : AF_INET6;
	other.protocol = v6 ? 0 : NEWPROTO_PROTO_IPV6;
	fd = door_bound(&other, 0, self->port);
	EXPECT_OK(fd);
	close(fd);
	if (!v6) {
		fd = door_socket(&other, 0);
		len = door_any(&other, &a, self->port);
		EXPECT_ERR(EADDRINUSE, bind(fd, &a.sa, len));
		ASSERT_OK(sock_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
		EXPECT_OK(bind(fd, &a.sa, len));
		close(fd);
	}
	check_untouched(_metadata, variant->door, self->port, client);
}

/* The kernel's own choice avoids the port, too. */
TEST_F(group_heir, port_is_not_given_away)
{
	int client = leave_behind(_metadata, variant->door, self->port, LONG), fd;

	ASSERT_OK(sysctl_write("net/ipv4/ip_local_port_range", "4242 4243"));
	fd = door_bound(variant->door, 0, 0);
	ASSERT_OK(fd);
	EXPECT_EQ(4243, sock_port(fd));
	EXPECT_ERR(EADDRINUSE, door_bound(variant->door, 0, 0));
	close(fd);
	ASSERT_OK(sysctl_write("net/ipv4/ip_local_port_range", "32768 60999"));
	check_untouched(_metadata, variant->door, self->port, client);
}

/* A device belongs to the address. */
TEST_F(group_heir, device)
{
	int client = leave_behind(_metadata, variant->door, self->port, LONG), fd;

	fd = member_socket(variant->door);
	ASSERT_OK(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	ASSERT_OK(member_bind(fd, variant->door, self->port));
	ASSERT_OK(listen(fd, 1));
	EXPECT_EQ(-EAGAIN, took_now(fd));
	close(fd);
	check_untouched(_metadata, variant->door, self->port, client);
}

/* A low port has to be earned again, by today's rules. */
TEST_F(group_heir, low_port)
{
	int client = leave_behind(_metadata, variant->door, 80, LONG), status;
	pid_t pid = fork();

	ASSERT_OK(pid);
	if (!pid) {
		if (drop_caps())
			_exit(255);
		_exit(member_new(variant->door, 80, 1) < 0 ? errno : 0);
	}
	ASSERT_OK(wait_child(pid, &status));
	EXPECT_EQ(EACCES, WEXITSTATUS(status));
	check_untouched(_metadata, variant->door, 80, client);
}

TEST_F(group_heir, port_that_became_low)
{
	int client = leave_behind(_metadata, variant->door, self->port, LONG), fd;

	ASSERT_OK(sysctl_write("net/ipv4/ip_unprivileged_port_start", "5000"));
	ASSERT_OK(drop_caps());
	EXPECT_ERR(EACCES, member_new(variant->door, self->port, 1));
	EXPECT_TRUE(client_connected(client));
	fd = member_new(variant->door, 5000, 1);
	EXPECT_OK(fd);
	close(fd);
	close(client);
}

TEST_F(group_heir, port_that_is_no_longer_low)
{
	int client = leave_behind(_metadata, variant->door, 80, LONG);

	ASSERT_OK(sysctl_write("net/ipv4/ip_unprivileged_port_start", "80"));
	ASSERT_OK(drop_caps());
	check_untouched(_metadata, variant->door, 80, client);
}

/* The time is over: what was in is reset, what waited is refused, the address is free. */
TEST_F(group_heir, expiry)
{
	int client, waiting, fd;
	int64_t start = now_ms();

	client = leave_behind(_metadata, variant->door, self->port, SHORT);
	waiting = door_dial(variant->door, SOCK_NONBLOCK, self->port);
	EXPECT_EQ(ECONNRESET, client_failed(client));
	EXPECT_LE(SHORT - TICK_SLACK_MS, now_ms() - start);
	EXPECT_EQ(ECONNREFUSED, client_failed(waiting));
	EXPECT_ERR(ECONNREFUSED, door_dial(variant->door, 0, self->port));
	fd = door_bound(variant->door, 0, self->port);
	EXPECT_OK(fd);
	EXPECT_EQ(0, group_lines());
	close(fd);
	close(waiting);
	close(client);
}

/* Also where nobody has connected. */
TEST_F(group_heir, expiry_of_an_empty_group)
{
	int fd = member_with(variant->door, self->port, 0, NEWPROTO_GRACE, SHORT);
	int64_t end = now_ms() + WAIT_MS;

	ASSERT_OK(fd);
	close(fd);
	EXPECT_ERR(EADDRINUSE, door_bound(variant->door, 0, self->port));
	while ((fd = door_bound(variant->door, 0, self->port)) < 0 && now_ms() < end)
		usleep(1000);
	EXPECT_OK(fd);
	EXPECT_EQ(0, group_lines());
	close(fd);
}

static long dial_blocking(struct task *t)
{
	t->fd = door_dial((const struct door *)t->arg, 0, t->number);
	return t->fd;
}

static long recv_task(struct task *t)
{
	char c;

	return recv(t->fd, &c, 1, 0);
}

/* Sleeping calls hear of it. */
TEST_F(group_heir, expiry_wakes)
{
	int client = leave_behind(_metadata, variant->door, self->port, 4 * SHORT);
	struct task dial = {
		.fn = dial_blocking, .arg = (void *)variant->door, .number = self->port,
	};
	struct task rcv = { .fn = recv_task, .fd = client };

	ASSERT_OK(task_start(&dial));
	ASSERT_OK(task_start(&rcv));
	ASSERT_OK(task_join(&dial));
	EXPECT_EQ(-1, dial.ret);
	EXPECT_EQ(ECONNREFUSED, dial.err);
	ASSERT_OK(task_join(&rcv));
	EXPECT_EQ(-1, rcv.ret);
	EXPECT_EQ(ECONNRESET, rcv.err);
	close(client);
}

/* With a successor the clock has stopped; with its end it starts anew. */
TEST_F(group_heir, successor_stops_the_clock)
{
	int client = leave_behind(_metadata, variant->door, self->port, SHORT);
	int fd = member_new(variant->door, self->port, 0);
	int64_t start;

	ASSERT_OK(fd);
	EXPECT_EQ(0, poll_events(client, 0, 3 * SHORT));
	EXPECT_TRUE(client_connected(client));
	start = now_ms();
	close(fd);
	EXPECT_EQ(ECONNRESET, client_failed(client));
	EXPECT_LE(SHORT - TICK_SLACK_MS, now_ms() - start);
	close(client);
}

/* bind() alone saves nothing but the address. */
TEST_F(group_heir, successor_that_only_binds)
{
	int client = leave_behind(_metadata, variant->door, self->port, SHORT);
	int fd = member_new(variant->door, self->port, BOUND_ONLY), late;

	ASSERT_OK(fd);
	EXPECT_EQ(ECONNRESET, client_failed(client));
	EXPECT_ERR(ECONNREFUSED, door_dial(variant->door, 0, self->port));
	EXPECT_ERR(EADDRINUSE, door_bound(variant->door, 0, self->port));
	ASSERT_OK(listen(fd, 0));
	EXPECT_EQ(-EAGAIN, took_now(fd));
	late = door_dial(variant->door, 0, self->port);
	EXPECT_EQ(sock_port(late), took(fd));
	close(late);
	close(client);
	close(fd);
}

/* One that binds and goes again has changed nothing. */
TEST_F(group_heir, successor_that_thinks_better_of_it)
{
	int client = leave_behind(_metadata, variant->door, self->port, LONG);
	int fd = member_new(variant->door, self->port, BOUND_ONLY);

	ASSERT_OK(fd);
	ASSERT_OK(close(fd));
	EXPECT_ERR(EADDRINUSE, door_bound(variant->door, 0, self->port));
	check_untouched(_metadata, variant->door, self->port, client);
}

/* net.newproto.group_grace_max is the limit. */
TEST_F(group_heir, capped)
{
	int client;
	int64_t start;

	ASSERT_OK(sysctl_write("net/newproto/group_grace_max", "100"));
	start = now_ms();
	client = leave_behind(_metadata, variant->door, self->port, LONG);
	EXPECT_EQ(ECONNRESET, client_failed(client));
	EXPECT_GT(LONG / 4, now_ms() - start);
	close(client);

	ASSERT_OK(sysctl_write("net/newproto/group_grace_max", "0"));
	client = leave_behind(_metadata, variant->door, self->port, LONG);
	EXPECT_EQ(POLLERR | POLLHUP, poll_events(client, 0, 0));
	EXPECT_ERR(ECONNREFUSED, door_dial(variant->door, 0, self->port));
	close(client);
}

/* A bound member that stays keeps the counters of what was lost. */
TEST_F(group_heir, expiry_is_counted)
{
	int client = leave_behind(_metadata, variant->door, self->port, SHORT);
	int fd = member_new(variant->door, self->port, BOUND_ONLY);
	struct group_line g;

	EXPECT_EQ(ECONNRESET, client_failed(client));
	EXPECT_TRUE(group_wait_state(self->port, "idle"));
	ASSERT_OK(group_line(self->port, &g));
	EXPECT_EQ(1, g.expired);
	EXPECT_EQ(0, g.pending);
	close(client);
	close(fd);
}

/*
 * A user namespace that may have one network namespace more: unshare() fails as
 * long as the one before is there.
 */
static int one_netns_at_a_time(void)
{
	if (unshare(CLONE_NEWUSER))
		return -1;
	return file_write("/proc/sys/user/max_net_namespaces", "1");
}

/* The children of the test; what fails is told by the exit status. */
static int in_a_child(int (*fn)(const struct door *d), const struct door *d)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(fn(d));
	if (pid < 0 || wait_child(pid, &status))
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Ends with a group in grace whose connections nobody has accepted. */
static int end_in_grace(const struct door *d)
{
	int i, fd, client;

	if (netns_new())
		return 1;
	fd = member_with(d, 4242, 4, NEWPROTO_GRACE, LONG);
	if (fd < 0)
		return 2;
	for (i = 0; i < 3; i++) {
		client = door_dial(d, 0, 4242);
		if (client < 0 || send(client, "bytes", 5, 0) != 5)
			return 3;
	}
	return 0;	/* and all descriptors are closed */
}

/* ... with clients that still wait for a place when they are killed. */
static int end_in_grace_waiting(const struct door *d)
{
	int i, fd;

	if (netns_new())
		return 1;
	fd = member_with(d, 4242, 0, NEWPROTO_GRACE, LONG);
	if (fd < 0 || close(fd))
		return 2;
	for (i = 0; i < 3; i++)
		if (door_dial(d, SOCK_NONBLOCK, 4242) < 0)
			return 3;
	return 0;
}

static int end_with_nothing(const struct door *d)
{
	return netns_new() ? 1 : 0;
}

static void check_namespace_ends(struct __test_metadata *_metadata, const struct door *d,
				 int (*fn)(const struct door *d))
{
	int64_t end;

	if (one_netns_at_a_time())
		SKIP(return, "no user namespaces: %s", strerror(errno));
	ASSERT_EQ(0, in_a_child(fn, d));
	/* by far not as long as the grace */
	end = now_ms() + WAIT_MS;
	while (in_a_child(end_with_nothing, d)) {
		ASSERT_GT(end, now_ms())
			TH_LOG("the namespace is there still, after %d ms", WAIT_MS);
		usleep(1000);
	}
}

TEST_F(group_heir, namespace_ends)
{
	check_namespace_ends(_metadata, variant->door, end_in_grace);
}

TEST_F(group_heir, namespace_ends_with_waiting_clients)
{
	check_namespace_ends(_metadata, variant->door, end_in_grace_waiting);
}

/* What makes the two tests above tests: the limit holds while a namespace lives. */
TEST_F(group_heir, namespace_that_is_held)
{
	int go[2], ready[2], status;
	char c;
	pid_t pid;

	if (one_netns_at_a_time())
		SKIP(return, "no user namespaces: %s", strerror(errno));
	ASSERT_OK(pipe(go));
	ASSERT_OK(pipe(ready));
	pid = fork();
	ASSERT_OK(pid);
	if (!pid) {
		close(go[1]);
		if (netns_new() || write(ready[1], "x", 1) != 1)
			_exit(1);
		_exit(read(go[0], &c, 1));
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_EQ(1, in_a_child(end_with_nothing, variant->door));
	close(go[1]);
	ASSERT_OK(wait_child(pid, &status));
}

TEST_HARNESS_MAIN
