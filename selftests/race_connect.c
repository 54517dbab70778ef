// SPDX-License-Identifier: GPL-2.0-only
/*
 * connect() against the end of the listener, against signals (about a thousand a
 * second, with and without SA_RESTART), and against its own timeouts. It says that
 * it has succeeded, that it was refused, or how it was interrupted and then, when
 * poll() says so, how it ended. Who is connected is served or reset; who is not can
 * use the socket again. Nothing is left half-open.
 *
 * signals.c has one signal for each call that is asleep.
 */
#include <kselftest_harness.h>

#include <sched.h>

#include "racelib.h"

#define CONNECT_MS	(700 * test_scale())
#define CALLERS		4

static struct tally calls[] = {
	{ "connect blocking", { EINTR, ECONNREFUSED, ETIMEDOUT, ECONNRESET } },
	{ "connect nonblocking", { EINPROGRESS, ECONNREFUSED, ECONNRESET } },
	{ "connect with a timeout", { EINTR, EINPROGRESS, ECONNREFUSED, ETIMEDOUT, ECONNRESET } },
	{ "SO_ERROR after it", { ECONNREFUSED, ETIMEDOUT, ECONNRESET } },
	{ "connect after it", { EALREADY, EISCONN, EINTR, ECONNREFUSED, ETIMEDOUT, ECONNRESET } },
	{ "connect anew", { ECONNABORTED } },
	{ "closed half-way", { 0 } },
};

enum { BLOCKING, NONBLOCK, TIMEOUT, ERROR, AGAIN, ANEW, LEFT };

struct street {
	const struct door *door;
	struct crew *crew;
	int port;		/* of the present listener */
	int haven;		/* one that never closes */
	int callers;		/* who can be sent signals */
	unsigned int signals;
	struct ledger ledger;
};

static unsigned int signals_seen;

static void on_signal(int sig)
{
	__atomic_fetch_add(&signals_seen, 1, __ATOMIC_RELAXED);
}

static void mask_signals(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(how, &set, NULL);
}

static long dial(const struct door *d, int fd, int port)
{
	union addr a;
	socklen_t len = door_loop(d, &a, port);

	return connect(fd, &a.sa, len);
}

/* Whoever was not connected can try elsewhere, the second time at the latest. */
static void anew(struct hand *h, int fd)
{
	struct street *s = h->arg;
	int port = sock_port(s->haven), i;
	long ret;

	mask_signals(SIG_BLOCK);
	fcntl(fd, F_SETFL, 0);
	sock_timeout(fd, SO_SNDTIMEO, 0);
	for (i = 0; i < 2; i++) {
		/* over a NIC that may take longer than a client has time */
		do
			ret = dial(s->door, fd, port);
		while (ret && errno == ETIMEDOUT && over_nic());
		if (!tally(&calls[ANEW], ret))
			break;
	}
	if (i == 2)
		race_wrong(h->crew, "the socket is of no use: %s", strerror(errno));
	mask_signals(SIG_UNBLOCK);
}

/* After EINTR or EINPROGRESS: waits for the end, and asks for it. 0 is success. */
static int outcome(struct hand *h, int fd, int port)
{
	struct street *s = h->arg;
	int ev, err;

	if (race_random(h, 3) == 0) {
		long ret = tally(&calls[AGAIN], dial(s->door, fd, port));

		if (!ret || errno == EISCONN)
			return 0;
		if (errno != EALREADY && errno != EINTR)
			return errno;
	}
	do
		ev = poll_events(fd, POLLOUT, WAIT_MS);
	while (ev < 0 && errno == EINTR);
	if (!ev) {
		race_wrong(h->crew, "connect() is in progress for ever");
		err = ETIMEDOUT;
		return err;
	}
	err = sock_error(fd);
	errno = err;
	tally(&calls[ERROR], err ? -1 : 0);
	return err;
}

static void call(struct hand *h, int fd)
{
	struct street *s = h->arg;
	int how = h->number % 3, port = __atomic_load_n(&s->port, __ATOMIC_ACQUIRE), err = 0;

	if (how == NONBLOCK)
		sock_nonblock(fd);
	if (how == TIMEOUT)
		sock_timeout(fd, SO_SNDTIMEO, 1 + race_random(h, 8));
	race_jitter(h);
	if (tally(&calls[how], dial(s->door, fd, port)))
		err = errno;
	if ((err == EINTR || err == EINPROGRESS) && !race_random(h, 4)) {
		tally(&calls[LEFT], 0);
		return;
	}
	if (err == EINTR || err == EINPROGRESS)
		err = outcome(h, fd, port);
	if (err) {
		anew(h, fd);
		return;
	}
	fcntl(fd, F_SETFL, 0);
	ledger_client(h, &s->ledger, fd);
}

static void caller(struct hand *h)
{
	struct street *s = h->arg;

	__atomic_fetch_add(&s->callers, 1, __ATOMIC_RELEASE);
	mask_signals(SIG_UNBLOCK);
	while (race_on(h)) {
		int fd = door_socket(s->door, 0);

		call(h, fd);
		close(fd);
	}
	mask_signals(SIG_BLOCK);
	__atomic_fetch_sub(&s->callers, 1, __ATOMIC_RELEASE);
}

/* A listener that accepts some, has others wait, and goes. */
static void server(struct hand *h)
{
	struct street *s = h->arg;

	while (race_on(h)) {
		int lsn = door_listener(s->door, race_random(h, 2)), fd, i;

		if (lsn < 0) {
			race_wrong(h->crew, "no new listener: %s", strerror(errno));
			break;
		}
		sock_timeout(lsn, SO_RCVTIMEO, 4);
		__atomic_store_n(&s->port, sock_port(lsn), __ATOMIC_RELEASE);
		if (race_random(h, 2))
			poll(NULL, 0, race_random(h, 12));
		for (i = race_random(h, 12); i; i--) {
			fd = accept(lsn, NULL, NULL);
			if (fd >= 0)
				ledger_server(h, &s->ledger, fd);
			race_jitter(h);
		}
		close(lsn);
	}
}

/* As long as there are callers: those who are connected here are waiting for nothing. */
static void haven(struct hand *h)
{
	struct street *s = h->arg;
	int fd;

	while (race_on(h) || __atomic_load_n(&s->callers, __ATOMIC_ACQUIRE)) {
		poll_events(s->haven, POLLIN, 2);
		while ((fd = accept(s->haven, NULL, NULL)) >= 0)
			close(fd);
	}
}

/* A signal a millisecond, to one of the callers or the other. */
static void signaller(struct hand *h)
{
	struct street *s = h->arg;
	int i;

	while (race_on(h)) {
		struct hand *to = &h->crew->hand[race_random(h, CALLERS)];

		if (__atomic_load_n(&s->callers, __ATOMIC_ACQUIRE) == CALLERS &&
		    !tgkill(getpid(), to->tid, race_random(h, 2) ? SIGUSR1 : SIGUSR2))
			__atomic_fetch_add(&s->signals, 1, __ATOMIC_RELAXED);
		if (race_random(h, 2))
			poll(NULL, 0, 1);
		else
			for (i = 8; i; i--)
				race_jitter(h);
	}
}

FIXTURE(race_connect) {};
DOOR_FIXTURE(race_connect);
FIXTURE_VARIANT_ADD(race_connect, seqpacket) { .door = &door_seq4 };

FIXTURE_SETUP(race_connect)
{
	struct sigaction sa = { .sa_handler = on_signal };

	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &sa, NULL);
	mask_signals(SIG_BLOCK);
	ASSERT_OK(netns_new());
}

FIXTURE_TEARDOWN(race_connect) {}

static void race(struct __test_metadata *_metadata, const struct door *door, bool signals)
{
	struct street s = { .door = door };
	struct crew c = { .arg = &s, .counter = &s.ledger.served, .enough = 8 };
	int fds = race_fds();

	ledger_open(&s.ledger);
	s.haven = door_listener(door, 1000);
	ASSERT_OK(s.haven);
	sock_nonblock(s.haven);
	crew_add(&c, caller, CALLERS);
	crew_add(&c, server, 1);
	crew_add(&c, haven, 1);
	if (signals) {
		crew_add(&c, signaller, 1);
		c.once[0] = &s.signals;
		c.once[1] = &signals_seen;
	}
	ASSERT_EQ(0, crew_run(&c, CONNECT_MS));
	close(s.haven);
	EXPECT_EQ(0, ledger_check(&s.ledger));
	EXPECT_EQ(0, tally_show(calls, ARRAY_SIZE(calls)));
	fprintf(stderr, "# %u signals sent, %u seen\n", s.signals, signals_seen);
	EXPECT_EQ(signals, s.signals > 0);
	EXPECT_EQ(signals, signals_seen > 0);
	EXPECT_LE(c.enough, s.ledger.served);
	EXPECT_EQ(fds, race_fds());
	EXPECT_TRUE(race_nothing_left());
}

TEST_F_TIMEOUT(race_connect, signals, RACE_TIMEOUT)
{
	race(_metadata, variant->door, true);
}

/* Those that wait in a full backlog are told when their time is over. */
TEST_F_TIMEOUT(race_connect, timeouts, RACE_TIMEOUT)
{
	if (!over_tcp())
		ASSERT_OK(sysctl_write("net/newproto/connect_timeout", "6"));
	race(_metadata, variant->door, false);
}

TEST_F_TIMEOUT(race_connect, timeouts_and_signals, RACE_TIMEOUT)
{
	if (!over_tcp())
		ASSERT_OK(sysctl_write("net/newproto/connect_timeout", "6"));
	race(_metadata, variant->door, true);
}

TEST_HARNESS_MAIN
