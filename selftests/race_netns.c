// SPDX-License-Identifier: GPL-2.0-only
/*
 * Namespaces that end while everything goes on in them: their processes are killed, at
 * any moment, with live listeners, groups in their grace time, connections half-open
 * and established, senders and readers asleep; while others are inside to read the
 * files or to connect. What such a connection had is gone, and what is left goes on.
 *
 * netns.c and dgram_stress.c have namespaces that die with sockets in each state, at
 * rest; one process in one call is killed there, too.
 */
#include <kselftest_harness.h>

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "dgrouplib.h"
#include "racelib.h"

#define NETNS_MS	(1200 * test_scale())
#define PORT		6000	/* of the listener of each namespace; others follow */
#define CROWD		6001	/* of one with a full backlog */
#define MAILBOX		6002	/* of datagrams that nobody reads */
#define GRACE		6003	/* of groups whose only member comes and goes */

static struct tally *calls;	/* shared with the processes */

static const struct tally fresh[] = {
	{ "namespaces", { 0 } },
	{ "visits", { 0 } },
	{ "connects of visitors", { ECONNREFUSED, ECONNRESET, EAGAIN, EINPROGRESS } },
	{ "answers to visitors", { ECONNRESET, EPIPE } },
	{ "reads of visitors", { 0 } },
};

enum { SPACES, VISITS, CONNECTS, ANSWERS, READS, ROWS };

static const struct door *kind;

static long dial(int fd, int port)
{
	union addr a;
	socklen_t len = door_loop(kind, &a, port);

	return connect(fd, &a.sa, len);
}

/* What goes on in a namespace: these never come back, but for being killed. */
static void echo(struct hand *h)
{
	int lsn = door_bound(kind, 0, PORT), fd;

	listen(lsn, 4);
	for (;;) {
		char c;

		fd = accept(lsn, NULL, NULL);
		if (fd < 0)
			continue;
		sock_timeout(fd, SO_RCVTIMEO, 20);
		if (recv(fd, &c, 1, 0) == 1)
			send(fd, "a", 1, MSG_NOSIGNAL);
		close(fd);
	}
}

static void cycle(struct hand *h)
{
	char c;

	for (;;) {
		int fd = door_dial(kind, 0, PORT);

		if (fd >= 0 && send(fd, "x", 1, MSG_NOSIGNAL) == 1)
			recv(fd, &c, 1, 0);
		close(fd);
		race_jitter(h);
	}
}

/* Half-open: it waits in connect() for a listener that accepts nobody. */
static void wait_in_connect(struct hand *h)
{
	int lsn = door_bound(kind, 0, CROWD);

	listen(lsn, 0);
	door_dial(kind, 0, CROWD);
	for (;;)
		dial(door_socket(kind, 0), CROWD);
}

/* Nobody reads: it fills what there is and goes to sleep. */
static void wait_in_send(struct hand *h)
{
	static char buf[100000];
	int sv[2];

	door_connected(kind, sv);
	for (;;)
		send(sv[0], buf, kind->type ? 5000 : sizeof(buf), MSG_NOSIGNAL);
}

static void wait_for_room(struct hand *h)
{
	int rx = dgram_bound(kind, 0, MAILBOX), tx = dgram_dial(kind, 0, MAILBOX);
	char buf[1000] = "";

	sock_set(rx, SOL_SOCKET, SO_RCVBUF, 5000);
	sock_set(tx, SOL_NEWPROTO, NEWPROTO_WAIT, 1);
	for (;;)
		send(tx, buf, sizeof(buf), 0);
}

/* Groups whose only member is there now and then, with connections that wait for it. */
static void come_and_go(struct hand *h)
{
	for (;;) {
		int m = member_new(kind, GRACE, 3), fd[2], i;

		group_set(m, NEWPROTO_GRACE, 20000);
		for (i = 0; i < 2; i++)
			fd[i] = door_dial(kind, SOCK_NONBLOCK, GRACE);
		close(m);
		race_jitter(h);
		for (i = 0; i < 2; i++)
			close(fd[i]);
	}
}

/* A process with a namespace of its own; it tells by a byte when all have set out. */
static void inhabitant(const struct door *d, int ready, int seed)
{
	static struct crew c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	if (netns_new())
		_exit(1);
	group_world();
	kind = d;
	c.n = 0;
	crew_add(&c, echo, 1);
	crew_add(&c, cycle, 1);
	crew_add(&c, wait_in_connect, 1);
	crew_add(&c, wait_in_send, 1);
	if (!d->type)
		crew_add(&c, wait_for_room, 1);
	crew_add(&c, come_and_go, 1);
	if (crew_start(&c))
		_exit(1);
	c.end = INT64_MAX;
	__atomic_add_fetch(&c.round, 1, __ATOMIC_RELEASE);
	if (write(ready, "r", 1) != 1)
		_exit(1);
	/* some live longer */
	poll(NULL, 0, seed % 3 ? -1 : 5 + seed % 40);
	_exit(0);
}

/* Talks to the listener inside; it is answered, or told that nobody is there. */
static void visit_by_call(struct hand *h)
{
	int fd = door_socket(kind, 0);
	char c = 'v';
	ssize_t n;

	sock_timeout(fd, SO_SNDTIMEO, 500);
	sock_timeout(fd, SO_RCVTIMEO, WAIT_MS);
	if (!tally(&calls[CONNECTS], dial(fd, PORT))) {
		n = send(fd, &c, 1, MSG_NOSIGNAL);
		if (n == 1)
			n = recv(fd, &c, 1, 0);
		tally(&calls[ANSWERS], n);
	}
	close(fd);
}

static void visit_by_eye(struct hand *h)
{
	static const char *const names[] = { "sockets", "groups", "counters" };
	char path[64], text[8192];

	snprintf(path, sizeof(path), "/proc/thread-self/net/newproto/%s", names[race_random(h, 3)]);
	tally(&calls[READS], file_read(path, text, sizeof(text)));
}

struct country {
	const struct door *door;
	int ns[2];		/* of each house, while it is there; or -1 */
	unsigned int ended, visits;
};

static void visitor(struct hand *h)
{
	struct country *c = h->arg;
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	while (race_on(h)) {
		/* the descriptor may be closed, but is not used for anything else before long */
		int ns = __atomic_load_n(&c->ns[race_random(h, 2)], __ATOMIC_ACQUIRE), i;

		if (ns < 0 || setns(ns, CLONE_NEWNET)) {
			sched_yield();
			continue;
		}
		tally(&calls[VISITS], 0);
		__atomic_fetch_add(&c->visits, 1, __ATOMIC_RELEASE);
		for (i = 1 + race_random(h, 4); i; i--) {
			if (race_random(h, 3))
				visit_by_call(h);
			else
				visit_by_eye(h);
		}
		setns(home, CLONE_NEWNET);
	}
	close(home);
}

/* So that there is one, also where everything takes its time. */
static void await_visit(const struct country *c)
{
	unsigned int visits = __atomic_load_n(&c->visits, __ATOMIC_ACQUIRE);
	int64_t end = now_ms() + 200;

	while (__atomic_load_n(&c->visits, __ATOMIC_ACQUIRE) == visits && now_ms() < end)
		poll(NULL, 0, 1);
}

/* Has one namespace after the other live and die. */
static void house(struct hand *h)
{
	struct country *c = h->arg;
	int number = h->number * 1000, status;
	char path[64], byte;

	while (race_on(h)) {
		int ready[2], ns;
		pid_t pid;

		if (pipe2(ready, O_CLOEXEC))
			abort();
		pid = fork();
		if (!pid)
			inhabitant(c->door, ready[1], number);
		close(ready[1]);
		if (read(ready[0], &byte, 1) != 1)
			race_wrong(h->crew, "a process did not come up");
		snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
		ns = open(path, O_RDONLY | O_CLOEXEC);
		__atomic_store_n(&c->ns[h->number], ns, __ATOMIC_RELEASE);
		await_visit(c);
		poll(NULL, 0, race_random(h, 40));
		/* half of them are dead before the last visitor has gone, and before the door */
		if (number % 2)
			kill(pid, SIGKILL);
		__atomic_store_n(&c->ns[h->number], -1, __ATOMIC_RELEASE);
		close(ns);
		kill(pid, SIGKILL);
		if (waitpid(pid, &status, 0) != pid)
			race_wrong(h->crew, "waitpid: %s", strerror(errno));
		else if (!WIFSIGNALED(status) && WEXITSTATUS(status))
			race_wrong(h->crew, "a process ended with %#x", status);
		close(ready[0]);
		tally(&calls[SPACES], 0);
		__atomic_fetch_add(&c->ended, 1, __ATOMIC_RELAXED);
		number++;
	}
}

FIXTURE(race_netns) {};
DOOR_FIXTURE(race_netns);
FIXTURE_VARIANT_ADD(race_netns, seqpacket) { .door = &door_seq4 };

FIXTURE_SETUP(race_netns)
{
	if (over_tcp())
		SKIP(_exit(255), "TCP has no grace time, and other files");
	signal(SIGPIPE, SIG_IGN);
	ASSERT_OK(netns_new());
	kind = variant->door;
	calls = race_shared(sizeof(fresh));
	memcpy(calls, fresh, sizeof(fresh));
}

FIXTURE_TEARDOWN(race_netns)
{
	EXPECT_TRUE(race_nothing_left());
}

TEST_F_TIMEOUT(race_netns, killed, RACE_TIMEOUT)
{
	struct country country = { .door = variant->door, .ns = { -1, -1 } };
	struct crew c = {
		.arg = &country, .counter = &country.ended, .enough = 4,
		.once = { &country.visits },
	};
	int fds = race_fds();

	crew_add(&c, house, 2);
	crew_add(&c, visitor, 2);
	ASSERT_EQ(0, crew_run(&c, NETNS_MS));
	EXPECT_EQ(0, tally_show(calls, ROWS));
	EXPECT_LE(c.enough, country.ended);
	/* else nobody was inside when a namespace ended */
	EXPECT_LT(0, country.visits);
	EXPECT_EQ(country.visits, calls[VISITS].ok);
	EXPECT_EQ(fds, race_fds());
}

TEST_HARNESS_MAIN
