// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs that choose a member of a group: SO_ATTACH_REUSEPORT_CBPF and _EBPF, for
 * streams and for datagrams. What a program's answer means is as with TCP and UDP;
 * where it means nobody who could be given anything, the group's policy decides.
 */
#include <kselftest_harness.h>

#include <sched.h>

#include "bpfprog.h"
#include "dgramlib.h"

#define MEMBERS		4
#define BACKLOG		16
#define SOME		12	/* visits that leave no member out, when by chance */

/* What functions that tests share are passed. */
#define gbpf_data	FIXTURE_DATA(gbpf)
#define gbpf_variant	FIXTURE_VARIANT(gbpf)

FIXTURE(gbpf) {
	int m[MEMBERS];		/* in the order of their bind() */
	int n;
	int port;
};

FIXTURE_VARIANT(gbpf) {
	const struct door *door;
	bool dgram;
};

FIXTURE_VARIANT_ADD(gbpf, stream4) { .door = &door_family4 };
FIXTURE_VARIANT_ADD(gbpf, stream6) { .door = &door_inet6 };
FIXTURE_VARIANT_ADD(gbpf, dgram4) { .door = &door_family4, .dgram = true };
FIXTURE_VARIANT_ADD(gbpf, dgram6) { .door = &door_inet6, .dgram = true };

static int new_socket(const gbpf_variant *v)
{
	return v->dgram ? dgram_socket(v->door, 0) : door_socket(v->door, 0);
}

static int new_member(const gbpf_variant *v)
{
	int fd = new_socket(v);

	sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	return fd;
}

static int bind_member(gbpf_data *self, const gbpf_variant *v, int fd)
{
	union addr a;
	socklen_t len = door_loop(v->door, &a, self->port);

	if (bind(fd, &a.sa, len))
		return -1;
	if (!self->port)
		self->port = sock_port(fd);
	self->m[self->n++] = fd;
	return 0;
}

static int start_member(const gbpf_variant *v, int fd)
{
	return v->dgram ? 0 : listen(fd, BACKLOG);
}

/* One more member. */
static int grow(gbpf_data *self, const gbpf_variant *v)
{
	int fd = new_member(v);

	return bind_member(self, v, fd) ?: start_member(v, fd);
}

static int leave(gbpf_data *self, int i)
{
	int fd = self->m[i];

	self->m[i] = -1;
	return close(fd);
}

FIXTURE_SETUP(gbpf)
{
	int i;

	for (i = 0; i < MEMBERS; i++)
		self->m[i] = -1;
}

FIXTURE_TEARDOWN(gbpf)
{
	int i;

	for (i = 0; i < MEMBERS; i++)
		close(self->m[i]);
}

#define MAKE_MEMBERS(count)	do {					\
	while (self->n < (count))					\
		ASSERT_OK(grow(self, variant));				\
} while (0)

/* With what the policy decides is to be told from what the program does. */
#define ROUND_ROBIN()	do {						\
	if (!over_tcp())						\
		ASSERT_OK(sock_set(self->m[0], SOL_NEWPROTO, NEWPROTO_POLICY,	\
				   NEWPROTO_POLICY_ROUND_ROBIN));	\
} while (0)

#define NEWPROTO_ONLY()	do {						\
	if (over_tcp())							\
		SKIP(return, "newproto's own");				\
} while (0)

/* --- visits ----------------------------------------------------------------------- */

/* Which of the sockets is ready; -1: none in time, -2: several. */
static int ready_one(const int *fds, int n)
{
	struct pollfd p[256];
	int i, ready, which = -1;

	for (i = 0; i < n; i++)
		p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	ready = poll(p, n, WAIT_MS / 4);
	if (ready > 1)
		return -2;
	for (i = 0; i < n && ready > 0; i++)
		if (p[i].revents)
			which = i;
	return which;
}

static void receive(int fd, bool dgram)
{
	char buf[64];

	if (dgram)
		recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	else
		close(accept(fd, NULL, NULL));
}

static int dial(const gbpf_variant *v, int port)
{
	return v->dgram ? dgram_dial(v->door, 0, port) : door_dial(v->door, 0, port);
}

/* A connection, or a datagram of a new sender: the member that it goes to. */
static int visit_of(const gbpf_data *self, const gbpf_variant *v,
		    const char *text)
{
	int which, fd = dial(v, self->port);

	if (fd < 0 || (v->dgram && send(fd, text, strlen(text), 0) < 0)) {
		close(fd);
		return -3;
	}
	which = ready_one(self->m, self->n);
	close(fd);
	if (which >= 0)
		receive(self->m[which], v->dgram);
	return which;
}

static int visit(const gbpf_data *self, const gbpf_variant *v)
{
	return visit_of(self, v, "x");
}

/* All of some visits go to one member. */
#define EXPECT_ALL_AT(member)	do {					\
	int i_;								\
									\
	for (i_ = 0; i_ < 5; i_++)					\
		EXPECT_EQ(member, visit(self, variant));		\
} while (0)

/* The policy decides: round robin, or the hash of TCP and UDP, among those in the mask. */
static void expect_policy(struct __test_metadata *_metadata, const gbpf_data *self,
			  const gbpf_variant *v, unsigned int mask)
{
	int i, to, got[MEMBERS] = { 0 }, among = __builtin_popcount(mask);

	for (i = 0; i < among * SOME; i++) {
		to = visit(self, v);
		ASSERT_LE(0, to);
		got[to]++;
	}
	for (i = 0; i < self->n; i++) {
		int share = mask & 1 << i ? SOME : 0;

		EXPECT_LE(over_tcp() && share ? 1 : share, got[i]) TH_LOG("member %d", i);
		EXPECT_GE(over_tcp() && share ? MEMBERS * SOME : share, got[i])
			TH_LOG("member %d", i);
	}
}

#define EXPECT_POLICY(mask)	expect_policy(_metadata, self, variant, mask)

/* --- answers ---------------------------------------------------------------------- */

/* Members are numbered in the order of their bind(); any of them may attach. */
TEST_F(gbpf, constant)
{
	int i;

	MAKE_MEMBERS(MEMBERS);
	for (i = 0; i < MEMBERS; i++) {
		ASSERT_OK(attach_constant(self->m[(i + 1) % MEMBERS], i));
		EXPECT_ALL_AT(i);
	}
}

TEST_F(gbpf, out_of_range)
{
	static const unsigned int answers[] = { 3, 65536, 0xffffffff };
	size_t i;

	MAKE_MEMBERS(3);
	ROUND_ROBIN();
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		ASSERT_OK(attach_constant(self->m[0], answers[i]));
		EXPECT_POLICY(0x7);
	}
}

/* The processor of the client is that of the program, as far as it has one. */
TEST_F(gbpf, cpu)
{
	cpu_set_t all, one;
	int cpu;

	ASSERT_OK(sched_getaffinity(0, sizeof(all), &all));
	MAKE_MEMBERS(MEMBERS);
	ASSERT_OK(attach_word(self->m[0], SKF_AD_CPU, 0));
	for (cpu = 0; cpu < MEMBERS; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		ASSERT_OK(sched_setaffinity(0, sizeof(one), &one));
		EXPECT_ALL_AT(cpu);
	}
	sched_setaffinity(0, sizeof(all), &all);
}

static void expect_chance(struct __test_metadata *_metadata, const gbpf_data *self,
			  const gbpf_variant *v)
{
	int i, to, got[MEMBERS] = { 0 };

	for (i = 0; i < MEMBERS * SOME; i++) {
		to = visit(self, v);
		ASSERT_LE(0, to);
		got[to]++;
	}
	for (i = 0; i < MEMBERS; i++)
		EXPECT_LT(0, got[i])
			TH_LOG("%d, %d, %d and %d visits", got[0], got[1], got[2], got[3]);
}

/* What tells flows apart: the skb's hash. */
TEST_F(gbpf, hash)
{
	MAKE_MEMBERS(MEMBERS);
	ROUND_ROBIN();
	ASSERT_OK(attach_word(self->m[0], SKF_AD_RXHASH, MEMBERS));
	expect_chance(_metadata, self, variant);
}

/* All datagrams of one flow have the same. */
TEST_F(gbpf, hash_of_a_flow)
{
	int fd, i, at = -1, to;

	if (!variant->dgram)
		SKIP(return, "of datagrams");
	MAKE_MEMBERS(MEMBERS);
	ROUND_ROBIN();
	ASSERT_OK(attach_word(self->m[0], SKF_AD_RXHASH, MEMBERS));
	fd = dial(variant, self->port);
	for (i = 0; i < 16; i++) {
		ASSERT_EQ(1, send(fd, "x", 1, 0));
		to = ready_one(self->m, self->n);
		ASSERT_LE(0, to);
		receive(self->m[to], true);
		if (i)
			EXPECT_EQ(at, to);
		at = to;
	}
	close(fd);
}

TEST_F(gbpf, random)
{
	MAKE_MEMBERS(MEMBERS);
	ROUND_ROBIN();
	ASSERT_OK(attach_word(self->m[0], SKF_AD_RANDOM, MEMBERS));
	expect_chance(_metadata, self, variant);
}

/* Of a datagram the payload, from its first byte; a load beyond its end says 0. */
TEST_F(gbpf, payload)
{
	MAKE_MEMBERS(MEMBERS);
	ROUND_ROBIN();
	ASSERT_OK(attach_digit(self->m[0], 0));
	if (!variant->dgram) {
		/* a connection has none when it begins */
		EXPECT_ALL_AT(0);
		return;
	}
	EXPECT_EQ(0, visit_of(self, variant, "0"));
	EXPECT_EQ(3, visit_of(self, variant, "3xx"));
	EXPECT_EQ(1, visit_of(self, variant, "1"));
	EXPECT_EQ(2, visit_of(self, variant, "2x"));
	EXPECT_LE(0, visit_of(self, variant, "out of range"));
	EXPECT_EQ(0, visit_of(self, variant, ""));
	ASSERT_OK(attach_digit(self->m[0], 5));
	EXPECT_EQ(2, visit_of(self, variant, "012342"));
	EXPECT_EQ(0, visit_of(self, variant, "01234"));
}

/* As many bytes as there are, and all of them can be looked at. */
TEST_F(gbpf, length)
{
	static char big[30000];
	int fd;

	MAKE_MEMBERS(MEMBERS);
	ROUND_ROBIN();
	ASSERT_OK(attach_length(self->m[0]));
	if (!variant->dgram) {
		EXPECT_ALL_AT(0);
		return;
	}
	EXPECT_EQ(0, visit_of(self, variant, ""));
	EXPECT_EQ(1, visit_of(self, variant, "x"));
	EXPECT_EQ(2, visit_of(self, variant, "xx"));
	EXPECT_EQ(3, visit_of(self, variant, "xxx"));
	ASSERT_OK(attach_digit(self->m[0], sizeof(big) - 1));
	big[sizeof(big) - 1] = '2';
	fd = dial(variant, self->port);
	ASSERT_EQ(sizeof(big), send(fd, big, sizeof(big), 0));
	EXPECT_EQ(2, ready_one(self->m, self->n));
	/* what the program has looked at is received as it was */
	ASSERT_EQ(sizeof(big), recv(self->m[2], big, sizeof(big), MSG_DONTWAIT));
	EXPECT_EQ('2', big[sizeof(big) - 1]);
	close(fd);
}

/* --- programs of the newer kind --------------------------------------------------- */

TEST_F(gbpf, ebpf)
{
	int i;

	MAKE_MEMBERS(MEMBERS);
	ROUND_ROBIN();
	for (i = MEMBERS - 1; i >= 0; i--) {
		ASSERT_OK(attach_loaded(self->m[i],
					load_constant(BPF_PROG_TYPE_SOCKET_FILTER, i)));
		EXPECT_ALL_AT(i);
	}
	ASSERT_OK(attach_loaded(self->m[0], load_constant(BPF_PROG_TYPE_SOCKET_FILTER, -1)));
	EXPECT_POLICY(0xf);
}

/* It is asked for each, once, and its maps count at once. */
TEST_F(gbpf, ebpf_map)
{
	int map = oracle_map(), i;

	MAKE_MEMBERS(MEMBERS);
	ROUND_ROBIN();
	ASSERT_OK(map);
	ASSERT_OK(attach_loaded(self->m[0], load_oracle(map)));
	for (i = 0; i < MEMBERS; i++) {
		ASSERT_OK(oracle_set(map, i));
		EXPECT_ALL_AT(i);
		EXPECT_EQ(5, oracle_asked(map));
	}
	close(map);
}

TEST_F(gbpf, ebpf_payload)
{
	int i;

	MAKE_MEMBERS(MEMBERS);
	ROUND_ROBIN();
	ASSERT_OK(attach_loaded(self->m[0], load_payload()));
	if (!variant->dgram) {
		EXPECT_ALL_AT(0);
		return;
	}
	for (i = 0; i < 8; i++)
		EXPECT_EQ(i % MEMBERS, visit_of(self, variant, (char[]){ '0' + i % MEMBERS, 0 }));
}

/* --- attaching -------------------------------------------------------------------- */

/* A program from before bind() is the group's that bind() makes. */
TEST_F(gbpf, before_bind)
{
	int map = oracle_map(), fd = new_member(variant);

	ASSERT_OK(attach_loaded(fd, load_oracle(map)));
	ASSERT_OK(oracle_set(map, 2));
	ASSERT_OK(bind_member(self, variant, fd));
	ASSERT_OK(start_member(variant, fd));
	ROUND_ROBIN();
	MAKE_MEMBERS(2);
	EXPECT_POLICY(0x3);
	EXPECT_LT(0, oracle_asked(map));
	MAKE_MEMBERS(3);
	EXPECT_ALL_AT(2);
	close(map);
}

/* Who comes with a program of his own is not let in. */
TEST_F(gbpf, joins_with_a_program)
{
	int fd = new_member(variant);

	MAKE_MEMBERS(2);
	ROUND_ROBIN();
	ASSERT_OK(attach_constant(fd, 0));
	EXPECT_ERR(EADDRINUSE, bind_member(self, variant, fd));
	close(fd);
	EXPECT_POLICY(0x3);
}

/* Bound, and not yet listening. */
TEST_F(gbpf, before_listen)
{
	int fd = new_member(variant);

	ASSERT_OK(bind_member(self, variant, fd));
	ASSERT_OK(attach_constant(fd, 1));
	ASSERT_OK(start_member(variant, fd));
	MAKE_MEMBERS(3);
	EXPECT_ALL_AT(1);
}

/* Of newproto's groups one is a member from bind() on. */
TEST_F(gbpf, by_one_that_does_not_listen)
{
	int fd = new_member(variant);

	if (variant->dgram)
		SKIP(return, "of streams");
	NEWPROTO_ONLY();
	MAKE_MEMBERS(3);
	ROUND_ROBIN();
	ASSERT_OK(bind_member(self, variant, fd));
	/* its poll() would say POLLHUP */
	self->n = 3;
	ASSERT_OK(attach_constant(fd, 1));
	EXPECT_ALL_AT(1);
	ASSERT_OK(attach_constant(fd, 3));
	EXPECT_POLICY(0x7);
	self->n = 4;
	ASSERT_OK(listen(fd, BACKLOG));
	EXPECT_ALL_AT(3);
}

TEST_F(gbpf, replaced)
{
	MAKE_MEMBERS(3);
	ASSERT_OK(attach_constant(self->m[0], 1));
	EXPECT_ALL_AT(1);
	ASSERT_OK(attach_loaded(self->m[1], load_constant(BPF_PROG_TYPE_SOCKET_FILTER, 2)));
	EXPECT_ALL_AT(2);
	ASSERT_OK(attach_constant(self->m[2], 0));
	EXPECT_ALL_AT(0);
}

TEST_F(gbpf, detached)
{
	MAKE_MEMBERS(3);
	ROUND_ROBIN();
	EXPECT_ERR(ENOENT, detach_program(self->m[0]));
	ASSERT_OK(attach_constant(self->m[0], 1));
	EXPECT_ALL_AT(1);
	/* by any member */
	ASSERT_OK(detach_program(self->m[2]));
	EXPECT_ERR(ENOENT, detach_program(self->m[0]));
	EXPECT_POLICY(0x7);
	ASSERT_OK(attach_loaded(self->m[1], load_constant(BPF_PROG_TYPE_SOCKET_FILTER, 2)));
	EXPECT_ALL_AT(2);
	ASSERT_OK(detach_program(self->m[0]));
	EXPECT_POLICY(0x7);
}

/* It stays when the one who has attached it goes. */
TEST_F(gbpf, outlives_its_owner)
{
	MAKE_MEMBERS(3);
	ASSERT_OK(attach_constant(self->m[0], 1));
	ASSERT_OK(leave(self, 2));
	EXPECT_ALL_AT(1);
	self->n = 2;
	MAKE_MEMBERS(3);
	EXPECT_ALL_AT(1);
	ASSERT_OK(attach_constant(self->m[2], 0));
	ASSERT_OK(leave(self, 2));
	EXPECT_ALL_AT(0);
}

TEST_F(gbpf, errors)
{
	struct sock_filter bad = BPF_STMT(0xffff, 0);
	struct sock_fprog prog = { .len = 1, .filter = BAD_PTR };
	int fd = new_socket(variant), bound = new_socket(variant), other;
	union addr a;
	socklen_t len = door_loop(variant->door, &a, 0);

	/* no SO_REUSEPORT */
	ASSERT_OK(bind(bound, &a.sa, len));
	EXPECT_ERR(EINVAL, attach_constant(fd, 0));
	EXPECT_ERR(EINVAL, attach_constant(bound, 0));
	EXPECT_ERR(EINVAL, attach_loaded(fd, load_constant(BPF_PROG_TYPE_SOCKET_FILTER, 0)));
	EXPECT_ERR(EINVAL, detach_program(fd));
	EXPECT_ERR(EINVAL, detach_program(bound));
	/* no program */
	MAKE_MEMBERS(2);
	EXPECT_ERR(EINVAL, attach_code(self->m[0], NULL, 0));
	EXPECT_ERR(EINVAL, attach_code(self->m[0], &bad, 1));
	EXPECT_ERR(EFAULT, setsockopt(self->m[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog,
				      sizeof(prog)));
	EXPECT_ERR(EBADF, sock_set(self->m[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, -1));
	EXPECT_ERR(EINVAL, sock_set(self->m[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, fd));
	other = load_constant(BPF_PROG_TYPE_XDP, 0);
	ASSERT_OK(other);
	EXPECT_ERR(EINVAL, attach_loaded(self->m[0], other));
	/* none may be attached any more */
	ASSERT_OK(sock_set(self->m[0], SOL_SOCKET, SO_LOCK_FILTER, 1));
	EXPECT_ERR(EPERM, attach_constant(self->m[0], 1));
	EXPECT_OK(attach_constant(self->m[1], 1));
	EXPECT_ALL_AT(1);
	close(fd);
	close(bound);
}

/* A member stays one without the option; TCP and UDP ask for it all the time. */
TEST_F(gbpf, latched)
{
	NEWPROTO_ONLY();
	MAKE_MEMBERS(3);
	ASSERT_OK(attach_constant(self->m[0], 1));
	ASSERT_OK(sock_set(self->m[1], SOL_SOCKET, SO_REUSEPORT, 0));
	EXPECT_ALL_AT(1);
	ASSERT_OK(attach_constant(self->m[0], 2));
	ASSERT_OK(sock_set(self->m[0], SOL_SOCKET, SO_REUSEPORT, 0));
	EXPECT_ALL_AT(2);
}

/* Programs that choose from a map of sockets are for TCP and UDP. */
TEST_F(gbpf, sk_reuseport)
{
	int ret;

	MAKE_MEMBERS(2);
	errno = 0;
	ret = attach_loaded(self->m[0], load_constant(BPF_PROG_TYPE_SK_REUSEPORT, 1));
	if (over_tcp()) {
		EXPECT_EQ(0, ret) TH_LOG("%s", strerror(errno));
		return;
	}
	EXPECT_EQ(-1, ret);
	EXPECT_EQ(524, errno);	/* ENOTSUPP, which <errno.h> does not have */
}

/* --- members that come and go ----------------------------------------------------- */

TEST_F(gbpf, joins_later)
{
	MAKE_MEMBERS(2);
	ROUND_ROBIN();
	ASSERT_OK(attach_constant(self->m[0], 2));
	EXPECT_POLICY(0x3);
	MAKE_MEMBERS(3);
	EXPECT_ALL_AT(2);
	MAKE_MEMBERS(4);
	EXPECT_ALL_AT(2);
}

/* The last one takes the place of one that has left. */
TEST_F(gbpf, leaves)
{
	MAKE_MEMBERS(MEMBERS);
	ROUND_ROBIN();
	ASSERT_OK(attach_constant(self->m[0], 1));
	ASSERT_OK(leave(self, 1));
	EXPECT_ALL_AT(3);
	ASSERT_OK(attach_constant(self->m[0], 2));
	EXPECT_ALL_AT(2);
	ASSERT_OK(attach_constant(self->m[0], 3));
	EXPECT_POLICY(0xd);
}

/* More of them than the core's first array holds. */
TEST_F(gbpf, many)
{
	enum { MANY = 150 };
	int fds[MANY], i;

	MAKE_MEMBERS(1);
	ASSERT_OK(attach_constant(self->m[0], MANY - 10));
	fds[0] = self->m[0];
	for (i = 1; i < MANY; i++) {
		self->n = 1;
		ASSERT_OK(grow(self, variant));
		fds[i] = self->m[1];
	}
	for (i = 0; i < 8; i++) {
		int fd = dial(variant, self->port), at;

		if (variant->dgram)
			ASSERT_EQ(1, send(fd, "x", 1, 0));
		at = ready_one(fds, MANY);
		EXPECT_EQ(MANY - 10, at);
		if (at >= 0)
			receive(fds[at], variant->dgram);
		close(fd);
	}
	self->n = 1;
	self->m[1] = -1;
	for (i = 1; i < MANY; i++)
		close(fds[i]);
}

/* --- answers that cannot be followed ---------------------------------------------- */

/* Members that are bound only have a number, and get nothing. */
TEST_F(gbpf, not_listening)
{
	int fd = new_member(variant);

	if (variant->dgram)
		SKIP(return, "of streams");
	NEWPROTO_ONLY();
	MAKE_MEMBERS(1);
	ROUND_ROBIN();
	ASSERT_OK(bind_member(self, variant, fd));
	self->m[1] = -1;
	MAKE_MEMBERS(3);
	ASSERT_OK(attach_constant(self->m[0], 1));
	EXPECT_POLICY(0x5);
	ASSERT_OK(attach_constant(self->m[0], 2));
	EXPECT_ALL_AT(2);
	ASSERT_OK(attach_constant(self->m[0], 1));
	self->m[1] = fd;
	ASSERT_OK(listen(fd, BACKLOG));
	EXPECT_ALL_AT(1);
}

TEST_F(gbpf, shut_down)
{
	if (over_tcp() && variant->dgram)
		SKIP(return, "UDP's gets what comes");
	MAKE_MEMBERS(3);
	ROUND_ROBIN();
	ASSERT_OK(attach_constant(self->m[0], 2));
	EXPECT_ALL_AT(2);
	shutdown(self->m[2], SHUT_RD);
	/* not to be asked what it has */
	self->n = 2;
	EXPECT_POLICY(0x3);
	if (variant->dgram)
		return;
	/* it may listen again */
	self->n = 3;
	ASSERT_OK(listen(self->m[2], BACKLOG));
	EXPECT_ALL_AT(2);
}

TEST_F(gbpf, connected)
{
	int peer = dgram_bound(variant->door, 0, 0), i;
	union addr a;
	socklen_t len = door_loop(variant->door, &a, sock_port(peer));

	if (!variant->dgram)
		SKIP(return, "of datagrams");
	MAKE_MEMBERS(3);
	ROUND_ROBIN();
	ASSERT_OK(connect(self->m[1], &a.sa, len));
	/* it gets its peer's, whatever the program says */
	ASSERT_OK(attach_constant(self->m[0], 2));
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(1, dgram_to(peer, variant->door, self->port, "x"));
		EXPECT_EQ(1, ready_one(self->m, self->n));
		receive(self->m[1], true);
	}
	/* and nobody else's; UDP's strangers may go astray then */
	if (!over_tcp()) {
		EXPECT_ALL_AT(2);
		ASSERT_OK(attach_constant(self->m[0], 1));
		EXPECT_POLICY(0x5);
		ASSERT_OK(dgram_unspec(self->m[1]));
		EXPECT_ALL_AT(1);
	}
	close(peer);
}

/* One that is full does not get more than it has room for. */
static void full_stream(struct __test_metadata *_metadata, gbpf_data *self,
			const gbpf_variant *v)
{
	int fd[3], i;

	ASSERT_OK(listen(self->m[1], 0));
	fd[0] = dial(v, self->port);
	ASSERT_EQ(1, ready_one(self->m, self->n));
	fd[1] = dial(v, self->port);
	ASSERT_OK(fd[1]);
	fd[2] = dial(v, self->port);
	ASSERT_OK(fd[2]);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(POLLIN, poll_events(self->m[i], POLLIN, 0)) TH_LOG("member %d", i);
		receive(self->m[i], false);
		EXPECT_EQ(0, poll_events(self->m[i], POLLIN, 0)) TH_LOG("member %d", i);
	}
	for (i = 0; i < 3; i++)
		close(fd[i]);
}

static void full_dgram(struct __test_metadata *_metadata, gbpf_data *self,
		       const gbpf_variant *v)
{
	static char buf[512];
	int fd = dial(v, self->port), i, n[3] = { 0 };

	ASSERT_OK(sock_set(self->m[1], SOL_SOCKET, SO_RCVBUF, 8192));
	for (i = 0; i < 120; i++)
		ASSERT_EQ(sizeof(buf), send(fd, buf, sizeof(buf), 0));
	for (i = 0; i < 3; i++)
		while (recv(self->m[i], buf, sizeof(buf), MSG_DONTWAIT) > 0)
			n[i]++;
	EXPECT_LT(5, n[1]);
	EXPECT_GT(50, n[1]);
	EXPECT_LE(35, n[0]);
	EXPECT_LE(35, n[2]);
	EXPECT_EQ(120, n[0] + n[1] + n[2]);
	close(fd);
}

TEST_F(gbpf, full)
{
	NEWPROTO_ONLY();
	MAKE_MEMBERS(3);
	ROUND_ROBIN();
	ASSERT_OK(attach_constant(self->m[0], 1));
	if (variant->dgram)
		full_dgram(_metadata, self, variant);
	else
		full_stream(_metadata, self, variant);
	EXPECT_ALL_AT(1);
}

/* --- at the same time ------------------------------------------------------------- */

struct changer {
	struct task task;
	int fd;
	unsigned int stop, failed;
};

static long change(struct task *t)
{
	struct changer *c = t->arg;
	int i, err;

	for (i = 0; !__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE); i++) {
		switch (i % 3) {
		case 0:
			err = attach_constant(c->fd, i % 5);
			break;
		case 1:
			err = attach_loaded(c->fd, load_constant(BPF_PROG_TYPE_SOCKET_FILTER,
								 i % 7));
			break;
		default:
			err = detach_program(c->fd);
		}
		c->failed += !!err;
	}
	return 0;
}

/* Programs come and go, and so does a member: nobody is turned away, none goes astray. */
TEST_F(gbpf, changes_at_work)
{
	struct changer c = { };
	int i, astray = 0;

	MAKE_MEMBERS(3);
	c.fd = self->m[0];
	c.task = (struct task){ .fn = change, .arg = &c };
	ASSERT_OK(task_start(&c.task));
	for (i = 0; i < 100 * test_scale(); i++) {
		astray += visit(self, variant) < 0;
		if (i % 10 == 9) {
			ASSERT_OK(leave(self, 2));
			self->n = 2;
			MAKE_MEMBERS(3);
		}
	}
	__atomic_store_n(&c.stop, 1, __ATOMIC_RELEASE);
	ASSERT_OK(task_join(&c.task));
	EXPECT_EQ(0, astray);
	EXPECT_EQ(0, c.failed);
}

TEST_HARNESS_MAIN
