// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagrams sent without pause, by senders that wait for room, while members of the
 * group come and go in every way: each has to be received, and only once.
 */
#include <kselftest_harness.h>

#include <sched.h>

#include "dgrouplib.h"

#define FLOWS		8		/* of a sender */
#define AHEAD		400		/* how many may be on their way */
#define ROOM		(8 << 20)	/* for more than that */
#define TINY		4608		/* for five, so that senders wait */
#define NUMBERS		0x100000
#define RACE_TIMEOUT	120
#define ROUNDS_MIN	15		/* also where they take longer than this: */
#define ROUNDS_MS	2000
#define ROUNDS_MAX	100

FIXTURE(drace) {
	int unused;
};

DOOR_FIXTURE(drace);

FIXTURE_SETUP(drace)
{
	if (over_udp())
		SKIP(_exit(255), "UDP drops what a socket has not read");
}

FIXTURE_TEARDOWN(drace)
{
}

/* Senders that never pause, and what has become of their numbers. */
struct race {
	const struct door *door;
	int port;
	unsigned int stop, sent, got, failed;
	unsigned char *seen;		/* how often each number was received */
	struct task senders[3], reader;
	int rx;				/* what the reader reads */
};

static bool race_flag(const unsigned int *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

/* Enough rounds? */
static bool race_goes_on(const struct race *r, int round, int64_t begin)
{
	if (race_flag(&r->failed))
		return false;
	return round < ROUNDS_MIN || (round < ROUNDS_MAX * test_scale() &&
				      now_ms() < begin + ROUNDS_MS * test_scale());
}

static bool is_ahead(const struct race *r)
{
	return __atomic_load_n(&r->sent, __ATOMIC_ACQUIRE) -
	       __atomic_load_n(&r->got, __ATOMIC_ACQUIRE) > AHEAD;
}

static int race_sender(const struct race *r)
{
	int fd = dgram_dial(r->door, 0, r->port);

	if (group_set(fd, NEWPROTO_WAIT, 1) || sock_timeout(fd, SO_SNDTIMEO, WAIT_MS))
		return -1;
	return fd;
}

static long race_send(struct task *t)
{
	struct race *r = t->arg;
	int fd[FLOWS], i, err = 0;
	uint32_t number;

	for (i = 0; i < FLOWS; i++)
		fd[i] = race_sender(r);
	for (i = 0; !race_flag(&r->stop); i++) {
		while (is_ahead(r) && !race_flag(&r->stop))
			sched_yield();
		number = __atomic_fetch_add(&r->sent, 1, __ATOMIC_ACQ_REL);
		if (number >= NUMBERS || send(fd[i % FLOWS], &number, 4, 0) != 4) {
			err = number >= NUMBERS ? ENOSPC : errno;
			__atomic_add_fetch(&r->failed, 1, __ATOMIC_RELEASE);
			break;
		}
	}
	for (i = 0; i < FLOWS; i++)
		close(fd[i]);
	errno = err;
	return err ? -1 : 0;
}

/* Takes one datagram; false if there is none. */
static bool race_take(struct race *r, int fd)
{
	uint32_t number;

	if (recv(fd, &number, sizeof(number), MSG_DONTWAIT) != sizeof(number))
		return false;
	if (number < NUMBERS)
		__atomic_add_fetch(&r->seen[number], 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&r->got, 1, __ATOMIC_RELEASE);
	return true;
}

static long race_read(struct task *t)
{
	struct race *r = t->arg;

	while (!race_flag(&r->stop)) {
		poll_events(r->rx, POLLIN, 100);
		while (race_take(r, r->rx))
			;
	}
	return 0;
}

static void race_start(struct __test_metadata *_metadata, struct race *r, int policy)
{
	int i;

	r->seen = calloc(NUMBERS, 1);
	ASSERT_NE(NULL, r->seen);
	r->rx = member_new(r->door, 0, BOUND_ONLY);
	ASSERT_OK(r->rx);
	ASSERT_OK(sock_set(r->rx, SOL_SOCKET, SO_RCVBUFFORCE, ROOM));
	ASSERT_OK(group_set(r->rx, NEWPROTO_POLICY, policy));
	r->port = sock_port(r->rx);
	for (i = 0; i < ARRAY_SIZE(r->senders); i++) {
		r->senders[i] = (struct task){ .fn = race_send, .arg = r };
		ASSERT_OK(task_start(&r->senders[i]));
	}
}

/* All senders are done: reads what is left, and counts. */
static void race_end(struct __test_metadata *_metadata, struct race *r)
{
	unsigned int i, lost = 0, twice = 0, first = 0;

	__atomic_store_n(&r->stop, 1, __ATOMIC_RELEASE);
	for (i = 0; i < ARRAY_SIZE(r->senders); i++) {
		/* who waits for room has to get it */
		while (task_running(&r->senders[i]) && race_take(r, r->rx))
			;
		ASSERT_OK(task_join(&r->senders[i]));
		EXPECT_EQ(0, r->senders[i].ret)
			TH_LOG("sender %u: %s", i, strerror(r->senders[i].err));
	}
	while (race_take(r, r->rx))
		;
	for (i = 0; i < r->sent && i < NUMBERS; i++) {
		if (!r->seen[i] && !lost++)
			first = i;
		twice += r->seen[i] > 1;
	}
	EXPECT_EQ(r->failed, lost)
		TH_LOG("%u of %u are lost, the first is number %u", lost, r->sent, first);
	EXPECT_EQ(0, twice) TH_LOG("%u came more than once", twice);
	EXPECT_LT(200, r->sent);
	free(r->seen);
	close(r->rx);
}

/* A tiny one has its queue full and senders asleep when it goes. */
static int race_member(const struct race *r, bool tiny)
{
	int fd = member_socket(r->door);

	if ((tiny && sock_set(fd, SOL_SOCKET, SO_RCVBUF, TINY)) ||
	    member_bind(fd, r->door, r->port)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void race_killed(struct __test_metadata *_metadata, const struct race *r)
{
	struct remote m = { .door = r->door, .port = r->port, .backlog = BOUND_ONLY };
	unsigned int before = __atomic_load_n(&r->sent, __ATOMIC_ACQUIRE);
	int64_t end = now_ms() + 200;

	ASSERT_OK(remote_start(&m));
	/* it reads nothing, so it may be that nothing is sent any more */
	while (__atomic_load_n(&r->sent, __ATOMIC_ACQUIRE) - before < 50 && now_ms() < end)
		sched_yield();
	remote_kill(&m);
}

/* Others have senders at work when they go. */
static void race_quick(struct __test_metadata *_metadata, const struct race *r)
{
	int i, fd;

	for (i = 0; i < 8; i++) {
		fd = race_member(r, false);
		ASSERT_OK(fd);
		poll_events(fd, POLLIN, 20);
		close(fd);
	}
}

static void race_two(struct __test_metadata *_metadata, const struct race *r)
{
	int fd[2], i;

	for (i = 0; i < 2; i++) {
		fd[i] = race_member(r, true);
		ASSERT_OK(fd[i]);
	}
	for (i = 0; i < 2; i++)
		poll_events(fd[i], POLLIN, 20);
	for (i = 0; i < 2; i++)
		close(fd[i]);
}

/* One that reads some, or all that has come before it wants no more. */
static void race_reader(struct __test_metadata *_metadata, struct race *r, bool all)
{
	int fd = race_member(r, true), i;

	ASSERT_OK(fd);
	poll_events(fd, POLLIN, 20);
	if (all)
		shutdown(fd, SHUT_RD);
	for (i = 0; all || i < 10; i++)
		if (!race_take(r, fd))
			break;
	close(fd);
}

static void race_round(struct __test_metadata *_metadata, struct race *r, int round)
{
	switch (round % 5) {
	case 0:
		race_quick(_metadata, r);
		break;
	case 1:
	case 2:
		race_reader(_metadata, r, round % 5 == 2);
		break;
	case 3:
		race_killed(_metadata, r);
		break;
	default:
		race_two(_metadata, r);
	}
}

/* Members come and go: each datagram is received once. */
static void come_and_go(struct __test_metadata *_metadata, const struct door *d, int policy)
{
	struct race r = { .door = d };
	int64_t begin = now_ms();
	int round;

	race_start(_metadata, &r, policy);
	r.reader = (struct task){ .fn = race_read, .arg = &r };
	ASSERT_OK(task_start(&r.reader));
	for (round = 0; race_goes_on(&r, round, begin); round++)
		race_round(_metadata, &r, round);
	__atomic_store_n(&r.stop, 1, __ATOMIC_RELEASE);
	ASSERT_OK(task_join(&r.reader));
	race_end(_metadata, &r);
}

TEST_F_TIMEOUT(drace, hash, RACE_TIMEOUT)
{
	come_and_go(_metadata, dgram_door(variant->door), NEWPROTO_POLICY_HASH);
}

TEST_F_TIMEOUT(drace, round_robin, RACE_TIMEOUT)
{
	come_and_go(_metadata, dgram_door(variant->door), NEWPROTO_POLICY_ROUND_ROBIN);
}

TEST_F_TIMEOUT(drace, last_bound, RACE_TIMEOUT)
{
	come_and_go(_metadata, dgram_door(variant->door), NEWPROTO_POLICY_LAST_BOUND);
}

/* A lone server with grace starts anew again and again, in the middle of its work. */
static void restart(struct __test_metadata *_metadata, const struct door *d, int buffer)
{
	struct race r = { .door = d };
	int64_t begin = now_ms();
	int round, i;

	race_start(_metadata, &r, NEWPROTO_POLICY_HASH);
	ASSERT_OK(group_set(r.rx, NEWPROTO_GRACE, WAIT_MS));
	for (round = 0; race_goes_on(&r, round, begin); round++) {
		/*
		 * until there is nothing to read: then senders are at work; if they are
		 * faster than this, they are so anyway
		 */
		for (i = 0; i < (round % 4 ? 1000 : 20); i++)
			if (!race_take(&r, r.rx))
				break;
		poll_events(r.rx, POLLIN, 100);
		close(r.rx);
		r.rx = member_socket(d);
		ASSERT_OK(sock_set(r.rx, SOL_SOCKET, SO_RCVBUFFORCE, buffer));
		ASSERT_OK(member_bind(r.rx, d, r.port));
	}
	ASSERT_OK(group_set(r.rx, NEWPROTO_GRACE, 0));
	race_end(_metadata, &r);
}

TEST_F_TIMEOUT(drace, restart, RACE_TIMEOUT)
{
	restart(_metadata, dgram_door(variant->door), ROOM);
}

/* The same with senders that have to wait for each server. */
TEST_F_TIMEOUT(drace, restart_full, RACE_TIMEOUT)
{
	restart(_metadata, dgram_door(variant->door), TINY);
}

TEST_HARNESS_MAIN
