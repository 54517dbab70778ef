// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network namespaces made, used and deleted by the thousand: 1,000 of them, or
 * 10,000 at scale 10. A tenth dies with all that the family may have in one: a
 * listener with connections that nobody accepted, one that is half open because
 * the backlog is full, established ones with bytes on the way, datagrams unread,
 * and groups in their grace time that still hold connections and datagrams. (A
 * group needs no process: nothing but the namespace ends it.) Afterwards there is
 * nothing: no namespace, no reference to the module, no object of its caches, no
 * memory.
 *
 * A namespace dies when its turn comes, some time after its last process.
 * user.max_net_namespaces bounds how many may be there at once, and tells, in the
 * end, that none of them is: those that others have left are counted before.
 */
#include <kselftest_harness.h>

#include <sched.h>
#include <sys/wait.h>

#include "balance.h"
#include "dgramlib.h"
#include "seqlib.h"

#define NAMESPACES	(1000 * test_scale())
#define LIVE_EACH	10		/* every tenth dies with all that it has */
#define LIMIT_MS	(30000 * test_scale())
#define AT_ONCE		100		/* the kernel ends them by the batch */
#define ENOUGH		(10 * test_scale())	/* however slow the kernel is */
#define WARM_UP		40		/* what the kernel keeps it has by then */
#define LEAK_KB		4096		/* that of 4 KiB in each of 1,000 */

/* --- What a namespace has --- */

static int fail(const char *what)
{
	fprintf(stderr, "# %s: %s\n", what, strerror(errno));
	return -1;
}

/* Listener, pending, half open, established. */
static int live_streams(const struct door *d)
{
	int lsn = door_listener(d, 0), sv[2];

	if (lsn < 0 || door_connected(d, sv) || send(sv[0], "left", 4, 0) != 4)
		return fail("established");
	if (door_dial(d, 0, sock_port(lsn)) < 0)
		return fail("pending");
	if (door_dial(d, SOCK_NONBLOCK, sock_port(lsn)) < 0 || errno != EINPROGRESS)
		return fail("half open");
	return 0;
}

static int live_datagrams(const struct door *d)
{
	int sv[2];

	if (dgram_pair(d, sv) || send(sv[0], "left", 4, 0) != 4)
		return fail("datagrams");
	return 0;
}

static int grace_member(const struct door *d, int fd, int port)
{
	union addr a;
	socklen_t len = door_loop(d, &a, port);

	if (fd < 0 || sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1) || bind(fd, &a.sa, len) ||
	    sock_set(fd, SOL_NEWPROTO, NEWPROTO_GRACE, 60000))
		return -1;
	return fd;
}

/* Groups whose only member goes while there is something for it. */
static int live_groups(const struct door *d)
{
	int lsn = grace_member(d, door_socket(d, 0), 4000);
	int dg = d->type ? -1 : grace_member(d, dgram_socket(d, 0), 4001);

	if (lsn < 0 || listen(lsn, 4) || door_dial(d, 0, 4000) < 0 || close(lsn) ||
	    door_dial(d, 0, 4000) < 0)
		return fail("group in grace");
	if (!d->type && (dg < 0 || send(dgram_dial(d, 0, 4001), "left", 4, 0) != 4 || close(dg)))
		return fail("datagrams' group in grace");
	return 0;
}

static const struct door *const doors[] = { &door_family4, &door_inet6, &door_seq4 };

static int live_all(int i)
{
	const struct door *d = doors[i % ARRAY_SIZE(doors)];

	if (live_streams(d) || live_groups(d))
		return -1;
	return d->type ? 0 : live_datagrams(d);
}

/* Used, and all closed before the namespace goes. */
static int use_all(int i)
{
	const struct door *d = doors[i % ARRAY_SIZE(doors)];
	int sv[2];
	char c;

	if (door_connected(d, sv) || send(sv[0], "x", 1, 0) != 1 || recv(sv[1], &c, 1, 0) != 1)
		return fail("connection");
	close(sv[0]);
	close(sv[1]);
	if (d->type)
		return 0;
	if (dgram_pair(d, sv) || send(sv[0], "x", 1, 0) != 1 || recv(sv[1], &c, 1, 0) != 1)
		return fail("datagram");
	close(sv[0]);
	close(sv[1]);
	return 0;
}

/* --- Namespaces, and how many there are --- */

#define LIMIT_FILE	"/proc/sys/user/max_net_namespaces"

static int max_namespaces(int n)
{
	char text[32];

	snprintf(text, sizeof(text), "%d", n);
	return file_write(LIMIT_FILE, text);
}

/* How many there must be room for, so that one can be made. */
static int namespaces_now(void)
{
	int n, status;

	for (n = 1; n < 1000; n++) {
		pid_t pid;

		if (max_namespaces(n))
			return -1;
		pid = fork();
		if (!pid)
			_exit(!!unshare(CLONE_NEWNET));
		if (pid < 0 || wait_child(pid, &status))
			return -1;
		if (!status)
			return n;
	}
	return -1;
}

/* Waits until another one may be made. */
static int namespace_new(void)
{
	int64_t end = now_ms() + 6 * WAIT_MS;

	while (unshare(CLONE_NEWNET)) {
		if (errno != ENOSPC || now_ms() > end)
			return fail("a new namespace (those that died stay?)");
		usleep(1000);
	}
	return lo_up();
}

/* A process takes its sockets with it, and so its namespace. */
static int live_and_die(int i)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(namespace_new() || live_all(i));
	/* as long as it may wait for others to end */
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return status ? fail("the process of a namespace") : 0;
}

/* From @i on; how many were made. */
static int run_namespaces(int i, int n, int64_t end)
{
	for (; i < n && now_ms() < end; i++)
		if (i % LIVE_EACH ? namespace_new() || use_all(i) : live_and_die(i))
			return -1;
	return i;
}

/* In a process, whose last namespace goes with it. */
static int make_namespaces(int i, int n, int64_t end)
{
	int status, made[2] = { -1, -1 };
	pid_t pid;

	if (pipe(made))
		return -1;
	pid = fork();
	if (!pid) {
		n = run_namespaces(i, n, end);
		_exit(write(made[1], &n, sizeof(n)) != sizeof(n));
	}
	close(made[1]);
	if (pid < 0 || read(made[0], &n, sizeof(n)) != sizeof(n))
		n = -1;
	close(made[0]);
	return pid < 0 || wait_child(pid, &status) || status ? -1 : n;
}

/* With room for @n, as many as were needed before, one can be made again. */
static int none_left(int n)
{
	int status;
	pid_t pid;

	if (max_namespaces(n))
		return -1;
	pid = fork();
	if (!pid)
		_exit(!!namespace_new());
	return pid < 0 || waitpid(pid, &status, 0) != pid || status ? -1 : 0;
}

FIXTURE(cycles)
{
	char limit[32];
};

FIXTURE_SETUP(cycles)
{
	if (over_tcp())
		SKIP(_exit(255), "TCP has its own tests");
	ASSERT_LT(0, file_read(LIMIT_FILE, self->limit, sizeof(self->limit)));
}

FIXTURE_TEARDOWN(cycles)
{
	file_write(LIMIT_FILE, self->limit);
}

TEST_F_TIMEOUT(cycles, namespaces, 600)
{
	int64_t start;
	struct balance was, is;
	int made, others = namespaces_now();

	ASSERT_LT(0, others);
	ASSERT_OK(max_namespaces(others + AT_ONCE));
	ASSERT_EQ(WARM_UP, make_namespaces(0, WARM_UP, INT64_MAX));
	ASSERT_OK(none_left(others));
	ASSERT_OK(max_namespaces(others + AT_ONCE));
	balance_look(&was);
	start = now_ms();
	made = make_namespaces(0, NAMESPACES, start + LIMIT_MS);
	EXPECT_LE(ENOUGH, made);
	ASSERT_OK(none_left(others));
	printf("# %d namespaces, %d of them with all that they had, in %lld ms\n", made,
	       (made + LIVE_EACH - 1) / LIVE_EACH, (long long)(now_ms() - start));
	EXPECT_TRUE(balance_same(&was, &is, LEAK_KB));
	balance_show("before", &was);
	balance_show("after", &is);
}

TEST_HARNESS_MAIN
