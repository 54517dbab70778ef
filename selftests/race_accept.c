// SPDX-License-Identifier: GPL-2.0-only
/*
 * accept() by several threads against the end of their listener, by close(), by
 * shutdown() and by a dup2() over it, with clients that connect all the time. Each of
 * those that connected is accepted, once, or reset; none waits for ever; and no
 * descriptor and no port is left.
 *
 * In stress.c who accepts is who closes. group_loss has the listeners of a group.
 */
#include <kselftest_harness.h>

#include <sched.h>

#include "racelib.h"

#define ACCEPT_MS	(350 * test_scale())
#define LISTENER	500	/* the descriptor, which no other call returns */

enum ending { CLOSE, SHUT, REPLACE };

static struct tally calls[] = {
	{ "accept", { EBADF, EINVAL, EAGAIN } },
	{ "connect", { ECONNREFUSED, ECONNRESET, ETIMEDOUT } },
	{ "shutdown", { 0 } },
	{ "close", { 0 } },
};

enum { ACCEPT, CONNECT, SHUTDOWN, CLOSED };

struct hall {
	const struct door *door;
	enum ending ending;
	int port;		/* of the present listener */
	struct ledger ledger;
};

static void client(struct hand *h)
{
	struct hall *hall = h->arg;

	while (race_on(h)) {
		int fd = door_socket(hall->door, 0);
		union addr a;
		socklen_t len = door_loop(hall->door, &a,
					  __atomic_load_n(&hall->port, __ATOMIC_ACQUIRE));

		race_jitter(h);
		if (!tally(&calls[CONNECT], connect(fd, &a.sa, len)))
			ledger_client(h, &hall->ledger, fd);
		close(fd);
	}
}

static void acceptor(struct hand *h)
{
	struct hall *hall = h->arg;

	while (race_on(h)) {
		int fd = tally(&calls[ACCEPT], accept(LISTENER, NULL, NULL));

		if (fd >= 0)
			ledger_server(h, &hall->ledger, fd);
		else if (errno == EAGAIN)
			poll_events(LISTENER, POLLIN, 2);
		else
			sched_yield();
		race_jitter(h);
	}
}

/* With a timeout or without blocking, unless shutdown() will end what blocks. */
static int new_listener(struct hand *h, struct hall *hall)
{
	int fd = door_listener(hall->door, race_random(h, 5));

	if (fd < 0)
		return -1;
	if (hall->ending != SHUT && race_random(h, 2))
		sock_nonblock(fd);
	else if (hall->ending != SHUT)
		sock_timeout(fd, SO_RCVTIMEO, 2);
	return fd;
}

static void end_listener(struct hand *h, struct hall *hall)
{
	int how = race_random(h, 2) ? SHUT_RD : SHUT_RDWR;

	switch (hall->ending) {
	case SHUT:
		tally(&calls[SHUTDOWN], shutdown(LISTENER, how));
		break;
	case CLOSE:
		tally(&calls[CLOSED], close(LISTENER));
		break;
	case REPLACE:
		break;
	}
}

/* So that some are, also where everything takes its time. */
static void await_service(const struct ledger *l)
{
	unsigned int served = __atomic_load_n(&l->served, __ATOMIC_RELAXED);
	int64_t end = now_ms() + 30;

	while (__atomic_load_n(&l->served, __ATOMIC_RELAXED) == served && now_ms() < end)
		sched_yield();
}

static void breaker(struct hand *h)
{
	struct hall *hall = h->arg;

	while (race_on(h)) {
		int fd = new_listener(h, hall), i;

		if (fd < 0) {
			race_wrong(h->crew, "no new listener: %s", strerror(errno));
			break;
		}
		dup2(fd, LISTENER);
		__atomic_store_n(&hall->port, sock_port(fd), __ATOMIC_RELEASE);
		close(fd);
		if (race_random(h, 2))
			await_service(&hall->ledger);
		for (i = race_random(h, 40); i; i--)
			race_jitter(h);
		end_listener(h, hall);
	}
	/* those who are in connect() or in its backlog are not to be left there */
	shutdown(LISTENER, SHUT_RD);
	close(LISTENER);
}

FIXTURE(race_accept) {};
DOOR_FIXTURE(race_accept);
FIXTURE_VARIANT_ADD(race_accept, seqpacket) { .door = &door_seq4 };

FIXTURE_SETUP(race_accept)
{
	signal(SIGPIPE, SIG_IGN);
	ASSERT_OK(netns_new());
}

FIXTURE_TEARDOWN(race_accept) {}

static void race(struct __test_metadata *_metadata, const struct door *door, enum ending ending)
{
	struct hall hall = { .door = door, .ending = ending };
	struct crew c = { .arg = &hall, .counter = &hall.ledger.served, .enough = 8 };
	int fds = race_fds();

	ledger_open(&hall.ledger);
	crew_add(&c, breaker, 1);
	crew_add(&c, acceptor, 2);
	crew_add(&c, client, 3);
	ASSERT_EQ(0, crew_run(&c, ACCEPT_MS));
	EXPECT_EQ(0, ledger_check(&hall.ledger));
	EXPECT_EQ(0, tally_show(calls, ARRAY_SIZE(calls)));
	EXPECT_LE(c.enough, hall.ledger.served);
	EXPECT_EQ(fds, race_fds());
	EXPECT_TRUE(race_nothing_left());
}

TEST_F_TIMEOUT(race_accept, close, RACE_TIMEOUT)
{
	race(_metadata, variant->door, CLOSE);
}

TEST_F_TIMEOUT(race_accept, shutdown, RACE_TIMEOUT)
{
	race(_metadata, variant->door, SHUT);
}

TEST_F_TIMEOUT(race_accept, replace, RACE_TIMEOUT)
{
	race(_metadata, variant->door, REPLACE);
}

TEST_HARNESS_MAIN
