// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocations that fail, each in its turn, in the calls of SO_REUSEPORT groups: members
 * that bind, listen, set options and go. No connection is lost, whichever allocation
 * fails while its member goes; a member that could not become one has left no trace;
 * and the grace time is as long as before.
 */
#include <kselftest_harness.h>

#include "bpfprog.h"
#include "faultlib.h"
#include "grouplib.h"

#define LONG_TEST	120
#define GRACE		WAIT_MS
#define CLIENTS		3

FIXTURE(fault_group) {
	const struct door *door;
	int a;		/* a member, which listens */
	int port;
};

DOOR_FIXTURE(fault_group);
FIXTURE_VARIANT_ADD(fault_group, seq4) { .door = &door_seq4 };

FIXTURE_SETUP(fault_group)
{
	if (over_tcp())
		SKIP(_exit(255), "what the kernel's own TCP does without memory is its affair");
	FAULT_SETUP();
	ASSERT_OK(group_world());
	self->door = variant->door;
	self->a = member_new(self->door, 0, 8);
	ASSERT_OK(self->a);
	self->port = sock_port(self->a);
}

FIXTURE_TEARDOWN(fault_group)
{
	close(self->a);
	EXPECT_TRUE(nothing_listed());
}

/* How many listen in the group of a port. */
static long members_of(int port)
{
	struct group_line g;

	return group_line(port, &g) ? 0 : g.members;
}

/* A connection that goes to a member which is the only one to listen. */
static int serves(int lsn, const struct door *d)
{
	int fd = door_dial(d, 0, sock_port(lsn)), port = sock_port(fd);

	if (fd < 0 || took(lsn) != port) {
		fprintf(stderr, "# a member does not accept: %s\n", strerror(errno));
		return -1;
	}
	return close(fd);
}

/* A client has not been turned away so far. */
static bool is_alive(int fd)
{
	return !(poll_events(fd, 0, 0) & (POLLERR | POLLHUP));
}

TEST_F_TIMEOUT(fault_group, bind_beside_another, LONG_TEST)
{
	struct fault f = { "bind of a second member" };

	while (fault_next(&f)) {
		int fd = member_socket(self->door);

		FAULT_CALL(&f, member_bind(fd, self->door, self->port));
		EXPECT_FAULT(&f, 0);
		if (f.ret)
			EXPECT_OK(member_bind(fd, self->door, self->port));
		EXPECT_EQ(1, members_of(self->port));
		EXPECT_OK(serves(self->a, self->door));
		EXPECT_OK(listen(fd, 8));
		EXPECT_EQ(2, members_of(self->port));
		close(fd);
		EXPECT_EQ(1, members_of(self->port));
	}
	FAULT_END(&f, 1);
}

TEST_F_TIMEOUT(fault_group, bind_of_the_first, LONG_TEST)
{
	struct fault f = { "bind of a first member" };
	int port = self->port;

	close(self->a);
	while (fault_next(&f)) {
		int fd = member_socket(self->door), plain;

		ASSERT_OK(sock_set(fd, SOL_NEWPROTO, NEWPROTO_GRACE, GRACE));
		FAULT_CALL(&f, member_bind(fd, self->door, port));
		EXPECT_FAULT(&f, 0);
		EXPECT_EQ(0, members_of(port));
		if (f.ret) {
			/* Whoever wants the port can have it. */
			plain = door_bound(self->door, 0, port);
			EXPECT_OK(plain);
			close(plain);
			EXPECT_OK(member_bind(fd, self->door, port));
		}
		EXPECT_EQ(GRACE, sock_int(fd, SOL_NEWPROTO, NEWPROTO_GRACE));
		EXPECT_OK(listen(fd, 1));
		EXPECT_EQ(1, members_of(port));
		EXPECT_OK(serves(fd, self->door));
		EXPECT_OK(sock_set(fd, SOL_NEWPROTO, NEWPROTO_GRACE, 0));
		close(fd);
		EXPECT_EQ(0, members_of(port));
	}
	FAULT_END(&f, 2);
	self->a = -1;
}

TEST_F_TIMEOUT(fault_group, listen, LONG_TEST)
{
	struct fault f = { "listen of a second member" };

	while (fault_next(&f)) {
		int fd = member_new(self->door, self->port, BOUND_ONLY);

		FAULT_CALL(&f, listen(fd, 8));
		EXPECT_FAULT(&f, 0);
		if (f.ret) {
			/* It gets nothing, and the other one gets all. */
			EXPECT_OK(serves(self->a, self->door));
			EXPECT_OK(serves(self->a, self->door));
			EXPECT_OK(listen(fd, 8));
		}
		/* What it may have is not lost when it goes. */
		EXPECT_OK(shutdown(self->a, SHUT_RD));
		EXPECT_OK(serves(fd, self->door));
		EXPECT_OK(listen(self->a, 8));
		close(fd);
	}
	FAULT_END(&f, 0);
}

/* With a grace time the port is the group's, as soon as somebody listens. */
TEST_F_TIMEOUT(fault_group, listen_with_grace, LONG_TEST)
{
	struct fault f = { "listen, with a grace time" };
	int port = self->port;

	close(self->a);
	while (fault_next(&f)) {
		int plain, fd = member_with(self->door, port, BOUND_ONLY, NEWPROTO_GRACE, GRACE);

		ASSERT_OK(fd);
		FAULT_CALL(&f, listen(fd, 8));
		EXPECT_FAULT(&f, 0);
		close(fd);
		plain = door_bound(self->door, 0, port);
		if (f.ret) {
			/* There has been nobody to wait for. */
			EXPECT_OK(plain);
		} else {
			EXPECT_EQ(-1, plain);
		}
		close(plain);
		fd = member_new(self->door, port, 8);
		EXPECT_OK(fd);
		EXPECT_OK(serves(fd, self->door));
		EXPECT_OK(sock_set(fd, SOL_NEWPROTO, NEWPROTO_GRACE, 0));
		close(fd);
	}
	FAULT_END(&f, 0);
	self->a = -1;
}

/* The successor: if its bind() fails, what waits is there for its next try. */
TEST_F_TIMEOUT(fault_group, bind_of_a_successor, LONG_TEST)
{
	struct fault f = { "bind of a successor" };

	ASSERT_OK(sock_set(self->a, SOL_NEWPROTO, NEWPROTO_GRACE, GRACE));
	while (fault_next(&f)) {
		int client = door_dial(self->door, 0, self->port);
		int late, fd = member_socket(self->door);

		ASSERT_OK(client);
		close(self->a);
		FAULT_CALL(&f, member_bind(fd, self->door, self->port));
		EXPECT_FAULT(&f, 0);
		late = door_dial(self->door, SOCK_NONBLOCK, self->port);
		EXPECT_TRUE(is_alive(client));
		EXPECT_TRUE(is_alive(late));
		if (f.ret)
			EXPECT_OK(member_bind(fd, self->door, self->port));
		ASSERT_OK(listen(fd, 8));
		EXPECT_EQ(sock_port(client), took(fd));
		EXPECT_EQ(sock_port(late), took(fd));
		close(client);
		close(late);
		self->a = fd;
	}
	FAULT_END(&f, 1);
	EXPECT_EQ(GRACE, sock_int(self->a, SOL_NEWPROTO, NEWPROTO_GRACE));
	EXPECT_OK(sock_set(self->a, SOL_NEWPROTO, NEWPROTO_GRACE, 0));
}

TEST_F_TIMEOUT(fault_group, listen_of_a_successor, LONG_TEST)
{
	struct fault f = { "listen of a successor" };

	ASSERT_OK(sock_set(self->a, SOL_NEWPROTO, NEWPROTO_GRACE, GRACE));
	while (fault_next(&f)) {
		int client = door_dial(self->door, 0, self->port), fd;

		ASSERT_OK(client);
		close(self->a);
		fd = member_new(self->door, self->port, BOUND_ONLY);
		ASSERT_OK(fd);
		FAULT_CALL(&f, listen(fd, 8));
		EXPECT_FAULT(&f, 0);
		EXPECT_TRUE(is_alive(client));
		if (f.ret)
			EXPECT_OK(listen(fd, 8));
		EXPECT_EQ(sock_port(client), took(fd));
		close(client);
		self->a = fd;
	}
	FAULT_END(&f, 0);
	EXPECT_OK(sock_set(self->a, SOL_NEWPROTO, NEWPROTO_GRACE, 0));
}

/* --- options ---------------------------------------------------------------------- */

static const struct option {
	const char *name;
	int number, one, other;
} options[] = {
	{ "NEWPROTO_GRACE", NEWPROTO_GRACE, 0, GRACE },
	{ "NEWPROTO_POLICY", NEWPROTO_POLICY, NEWPROTO_POLICY_ROUND_ROBIN,
	  NEWPROTO_POLICY_LEAST_LOADED },
	{ "NEWPROTO_POLICY, hash", NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND,
	  NEWPROTO_POLICY_HASH },
	{ "NEWPROTO_WEIGHT", NEWPROTO_WEIGHT, 1, 77 },
};

/* Of a member that listens: the value is the old one or the new one, and it serves. */
TEST_F_TIMEOUT(fault_group, options_of_a_member, LONG_TEST)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		const struct option *o = &options[i];
		struct fault f = { o->name }, g = { o->name };
		int value;

		while (fault_next(&f)) {
			ASSERT_OK(sock_set(self->a, SOL_NEWPROTO, o->number, o->one));
			FAULT_CALL(&f, sock_set(self->a, SOL_NEWPROTO, o->number, o->other));
			EXPECT_FAULT(&f, 0);
			value = sock_int(self->a, SOL_NEWPROTO, o->number);
			EXPECT_EQ(f.ret ? o->one : o->other, value);
			EXPECT_OK(serves(self->a, self->door));
		}
		FAULT_END(&f, 0);
		while (fault_next(&g)) {
			socklen_t len = sizeof(value);

			FAULT_CALL(&g, getsockopt(self->a, SOL_NEWPROTO, o->number, &value, &len));
			EXPECT_FAULT(&g, 0);
		}
		FAULT_END(&g, 0);
		ASSERT_OK(sock_set(self->a, SOL_NEWPROTO, o->number, o->one));
	}
}

static int attach(int fd, int prog)
{
	return sock_set(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, prog);
}

TEST_F_TIMEOUT(fault_group, program, LONG_TEST)
{
	int prog = load_constant(BPF_PROG_TYPE_SOCKET_FILTER, 0);
	struct fault f = { "SO_ATTACH_REUSEPORT_EBPF" }, g = { "SO_DETACH_REUSEPORT_BPF" };
	int fd;

	if (prog < 0)
		SKIP(return, "no bpf(): %s", strerror(errno));
	while (fault_next(&f)) {
		/* Of a socket that is bound with it, and makes a group of it. */
		fd = member_socket(self->door);
		FAULT_CALL(&f, attach(fd, prog));
		EXPECT_FAULT(&f, 0);
		close(fd);
	}
	FAULT_END(&f, 0);
	f = (struct fault){ "SO_ATTACH_REUSEPORT_EBPF of a member" };
	while (fault_next(&f)) {
		FAULT_CALL(&f, attach(self->a, prog));
		EXPECT_FAULT(&f, 0);
		EXPECT_OK(serves(self->a, self->door));
	}
	FAULT_END(&f, 0);
	while (fault_next(&g)) {
		EXPECT_OK(attach(self->a, prog));
		FAULT_CALL(&g, detach_program(self->a));
		EXPECT_FAULT(&g, 0);
		EXPECT_OK(serves(self->a, self->door));
	}
	FAULT_END(&g, 0);
	close(prog);
}

/* Without memory for what the program looks at the group's policy has to do. */
TEST_F_TIMEOUT(fault_group, connect_with_program, LONG_TEST)
{
	int prog = load_constant(BPF_PROG_TYPE_SOCKET_FILTER, 0);
	struct fault f = { "connect, with a program" };
	union addr a;
	socklen_t len = door_loop(self->door, &a, self->port);

	if (prog < 0)
		SKIP(return, "no bpf(): %s", strerror(errno));
	ASSERT_OK(attach(self->a, prog));
	while (fault_next(&f)) {
		int fd = door_socket(self->door, 0);

		FAULT_CALL(&f, connect(fd, &a.sa, len));
		EXPECT_FAULT(&f, EADDRNOTAVAIL);
		if (f.ret) {
			EXPECT_EQ(-EAGAIN, took_now(self->a));
			EXPECT_OK(connect(fd, &a.sa, len));
		}
		EXPECT_EQ(sock_port(fd), took(self->a));
		close(fd);
	}
	FAULT_END(&f, 3);
	close(prog);
}

/* --- going ------------------------------------------------------------------------ */

static const char *const ways[] = {
	"close", "shutdown(SHUT_RD)", "shutdown(SHUT_RDWR)", "connect(AF_UNSPEC)",
};

static int go(int fd, int way)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };

	switch (way) {
	case 0:
		return close(fd);
	case 1:
		return shutdown(fd, SHUT_RD);
	case 2:
		return shutdown(fd, SHUT_RDWR);
	default:
		return connect(fd, &unspec, sizeof(unspec));
	}
}

/* Clients of a member that goes: each has sent its number. */
static int dial_all(const struct door *d, int port, int fds[CLIENTS])
{
	int i;

	for (i = 0; i < CLIENTS; i++) {
		fds[i] = door_dial(d, 0, port);
		if (fds[i] < 0 || send(fds[i], &i, sizeof(i), 0) != sizeof(i))
			return -1;
	}
	return 0;
}

/* All are accepted, in their order, with what they have sent. */
static int take_all(int lsn, int fds[CLIENTS])
{
	int i, n, child, port, errors = 0;

	for (i = 0; i < CLIENTS; i++) {
		child = take(lsn, &port);
		n = -1;
		if (child < 0 || port != sock_port(fds[i]) ||
		    recv(child, &n, sizeof(n), MSG_DONTWAIT) != sizeof(n) || n != i) {
			fprintf(stderr, "# client %d: %s, number %d\n", i,
				child < 0 ? strerror(errno) : "accepted", n);
			errors++;
		}
		close(child);
		close(fds[i]);
	}
	return errors ? -1 : 0;
}

/* Nothing may fail here: there is nobody to tell. */
TEST_F_TIMEOUT(fault_group, what_waits_moves, LONG_TEST)
{
	int fds[CLIENTS], way;

	for (way = 0; way < ARRAY_SIZE(ways); way++) {
		struct fault f = { ways[way] };

		while (fault_next(&f)) {
			int b = member_new(self->door, self->port, BOUND_ONLY);

			ASSERT_OK(dial_all(self->door, self->port, fds));
			ASSERT_OK(listen(b, 8));
			FAULT_CALL(&f, go(self->a, way));
			/* An address is copied before anything happens. */
			EXPECT_TRUE(!f.ret || (f.kind == FAULT_COPY && way == 3));
			if (f.ret)
				ASSERT_OK(go(self->a, way));
			EXPECT_OK(take_all(b, fds));
			if (way)
				close(self->a);
			self->a = b;
		}
		FAULT_END(&f, 0);
	}
}

/* The last one goes, and the grace time begins. */
TEST_F_TIMEOUT(fault_group, what_waits_is_kept, LONG_TEST)
{
	int fds[CLIENTS], way, b;

	ASSERT_OK(sock_set(self->a, SOL_NEWPROTO, NEWPROTO_GRACE, GRACE));
	for (way = 0; way < 3; way++) {
		struct fault f = { ways[way] };

		while (fault_next(&f)) {
			ASSERT_OK(dial_all(self->door, self->port, fds));
			FAULT_CALL(&f, go(self->a, way));
			EXPECT_EQ(0, f.ret);
			if (way)
				close(self->a);
			b = member_new(self->door, self->port, 8);
			ASSERT_OK(b);
			EXPECT_OK(take_all(b, fds));
			self->a = b;
		}
		FAULT_END(&f, 0);
	}
	EXPECT_OK(sock_set(self->a, SOL_NEWPROTO, NEWPROTO_GRACE, 0));
}

/* accept() that fails is no reason to lose what the member has; another may take it. */
TEST_F_TIMEOUT(fault_group, accept, LONG_TEST)
{
	struct fault f = { "accept" };
	int fds[CLIENTS], child, port, i;

	while (fault_next(&f)) {
		ASSERT_OK(dial_all(self->door, self->port, fds));
		child = FAULT_CALL(&f, accept(self->a, NULL, NULL));
		EXPECT_FAULT(&f, 0);
		if (f.ret < 0) {
			EXPECT_OK(take_all(self->a, fds));
			continue;
		}
		close(child);
		for (i = 1; i < CLIENTS; i++) {
			child = take(self->a, &port);
			EXPECT_OK(child);
			EXPECT_EQ(sock_port(fds[i]), port);
			close(child);
		}
		for (i = 0; i < CLIENTS; i++)
			close(fds[i]);
	}
	FAULT_END(&f, 4);
}

TEST_HARNESS_MAIN
