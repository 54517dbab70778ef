// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network namespaces for whose part of this module there is no memory. Making one takes a
 * thousand allocations, some twenty of which are the module's, in the middle. Only these
 * may fail: without others the kernel's own code complains in its log. Which they are
 * is seen by probes (kprobe events) of what fail-nth counts, and of the functions around
 * it: up to the module's part they are the same in each try.
 *
 * A namespace that is not made has the errno for it, its process stays where it was, and
 * what the module has made of it is gone (a scan for leaks follows the program). One that
 * is made in spite of a failure is whole.
 */
#include <kselftest_harness.h>

#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "faultlib.h"

#define TRACEFS		"/sys/kernel/tracing/"
#define GROUP		"npfault"
#define EVENTS		TRACEFS "events/" GROUP "/"
#define RECORD_CMD	TRACEFS "options/record-cmd"
#define MIN_ORDER	"/sys/kernel/debug/fail_page_alloc/min-order"
#define NTH_FILE	"/proc/thread-self/fail-nth"
#define NTH_NEVER	1000000		/* more than there are */
#define DATA_AND_TABLE	2		/* allocations that there have to be at least */
#define DIR_AND_FILES	4
#define LONG_TEST	600

/* All of these are in the kernel: of the module nothing is patched. */
static const struct probe {
	const char *name, *line;
} probes[] = {
	{ "count", "p:" GROUP "/count should_fail_ex" },
	{ "armed", "r:" GROUP "/armed proc_fail_nth_write" },
	{ "begin", "p:" GROUP "/begin ops_init ops=$arg1" },
	{ "end", "r:" GROUP "/end ops_init" },
	{ "table", "p:" GROUP "/table __register_sysctl_table path=+0($arg2):string" },
	{ "tabled", "r:" GROUP "/tabled __register_sysctl_table" },
};

/* What a process has seen that made a namespace. */
struct outcome {
	int ret, err;
	bool fired;		/* what was to fail has failed */
	bool moved;		/* the process is in another namespace */
	bool whole;		/* there is all in its namespace */
};

/* Of what can fail, counted from 1: what is done for the module, from the first to the last.
 * That of the sysctls' registration begins with @table and ends with @tabled: the kernel
 * complains if any of it but the first fails.
 */
struct part {
	int first, table, tabled, last;
};

static char text[1 << 20];
static char ops[32];		/* "ops=0x...", the module's, once it is known */
static char record_cmd[8];	/* as it was */

static void probes_remove(void)
{
	char line[64];
	int i;

	file_write(EVENTS "enable", "0");
	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		snprintf(line, sizeof(line), "-:" GROUP "/%s", probes[i].name);
		file_write(TRACEFS "kprobe_events", line);
	}
}

/* Without O_APPEND all others' would go. */
static int probe_add(const char *line)
{
	int fd = open(TRACEFS "kprobe_events", O_WRONLY | O_APPEND | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, line, strlen(line));
	close(fd);
	return n < 0 ? -1 : 0;
}

/* NULL, or what there is not to be had. For tasks' names code of the scheduler would be
 * patched, see trace.c.
 */
static const char *probes_set(void)
{
	int i;

	if (access(TRACEFS "trace", W_OK))
		mount("none", TRACEFS, "tracefs", 0, NULL);
	if (access(TRACEFS "kprobe_events", W_OK))
		return "kprobe_events in tracefs";
	probes_remove();
	for (i = 0; i < ARRAY_SIZE(probes); i++)
		if (probe_add(probes[i].line))
			return probes[i].line;
	if (file_read(RECORD_CMD, record_cmd, sizeof(record_cmd)) <= 0 ||
	    file_write(RECORD_CMD, "0") || file_write(EVENTS "enable", "1"))
		return "the events' switch";
	return NULL;
}

static void nth_set(int fd, int n)
{
	char line[16];
	int len = snprintf(line, sizeof(line), "%d", n);

	while (pwrite(fd, line, len, 0) != len)
		;
}

static ino_t netns_inode(void)
{
	struct stat st = { };

	stat("/proc/thread-self/ns/net", &st);
	return st.st_ino;
}

/* In the caller's namespace are the module's files and sysctls, and connections. */
static bool newproto_whole(void)
{
	static const char *const files[] = {
		"/proc/self/net/newproto/sockets", "/proc/self/net/newproto/groups",
		"/proc/self/net/newproto/counters", "/proc/sys/net/newproto/connect_timeout",
	};
	int i, sv[2];

	for (i = 0; i < ARRAY_SIZE(files); i++)
		if (file_read(files[i], text, sizeof(text)) <= 0)
			return false;
	if (link_up("lo") || door_connected(&door_family4, sv))
		return false;
	close(sv[0]);
	close(sv[1]);
	return true;
}

/* In a process of its own, whose namespace goes with it. */
static int make_namespace(struct outcome *o, int n)
{
	int fd = open(NTH_FILE, O_RDWR | O_CLOEXEC);
	ino_t before = netns_inode();
	char line[48] = "";
	cpu_set_t cpus;

	/* what has been seen is in order if one processor has seen it */
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	snprintf(line, sizeof(line), "common_pid == %d", getpid());
	if (fd < 0 || sched_setaffinity(0, sizeof(cpus), &cpus) ||
	    file_write(EVENTS "filter", line) || mlockall(MCL_CURRENT))
		return 1;
	close(open(TRACEFS "trace", O_WRONLY | O_TRUNC));
	nth_set(fd, n);
	o->ret = unshare(CLONE_NEWNET);
	o->err = errno;
	line[0] = '\0';
	o->fired = pread(fd, line, sizeof(line) - 1, 0) > 0 && !atoi(line);
	nth_set(fd, 0);
	o->moved = netns_inode() != before;
	o->whole = newproto_whole();
	return 0;
}

static int try_namespace(struct outcome *o, int n)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(make_namespace(o, n));
	return pid < 0 || wait_child(pid, &status) || status ? -1 : 0;
}

/* A line of what was seen: @n is how much could have failed before it. */
static void part_line(struct part *p, const char *line, int n)
{
	static int begin;
	static char begin_ops[sizeof(ops)];
	const char *word;

	if (strstr(line, " begin: ")) {
		word = strstr(line, "ops=");
		snprintf(begin_ops, sizeof(begin_ops), "%s", word ?: "");
		begin = n + 1;
		if (ops[0] && !strcmp(ops, begin_ops))
			p->first = begin;
	} else if (strstr(line, " table: ") && strstr(line, "\"net/newproto\"")) {
		memcpy(ops, begin_ops, sizeof(ops));
		p->first = begin;
		p->table = n + 1;
	} else if (strstr(line, " tabled: ") && p->table && !p->tabled) {
		p->tabled = n;
	} else if (strstr(line, " end: ") && p->first && !p->last) {
		p->last = n;
	}
}

/* Reads what has been seen from where fail-nth was set to where it was set to 0. */
static int part_read(struct part *p)
{
	char *line, *save;
	int armed = 0, n = 0;

	memset(p, 0, sizeof(*p));
	if (file_read(TRACEFS "trace", text, sizeof(text)) <= 0)
		return -1;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strstr(line, " armed: "))
			armed++;
		else if (armed == 1 && strstr(line, " count: "))
			n++;
		else if (armed == 1)
			part_line(p, line, n);
	}
	return armed == 2 ? 0 : -1;
}

FIXTURE(fault_netns) {
	struct outcome *o;
};

FIXTURE_SETUP(fault_netns)
{
	const char *without;

	if (over_tcp())
		SKIP(_exit(255), "TCP cannot be left out of a namespace");
	FAULT_SETUP();
	without = probes_set();
	if (without && !fault_demanded())
		SKIP(_exit(255), "this kernel has not %s", without);
	ASSERT_EQ(NULL, without) TH_LOG("this kernel has not %s", without);
	/* faultlib sets it back; pages are what the kernel complains of most */
	ASSERT_OK(file_write(MIN_ORDER, "11"));
	self->o = mmap(NULL, sizeof(*self->o), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->o);
}

FIXTURE_TEARDOWN(fault_netns)
{
	probes_remove();
	file_write(RECORD_CMD, record_cmd[0] ? record_cmd : "1");
	EXPECT_TRUE(nothing_listed());
}

TEST_F_TIMEOUT(fault_netns, unshare, LONG_TEST)
{
	int i, n, tried = 0, before = 0, after = 0;
	struct outcome *o = self->o;
	struct part p = { }, again = { };

	/* the first time there are tables to be made that stay */
	for (i = 0; i < 3; i++) {
		p = again;
		ASSERT_OK(try_namespace(o, NTH_NEVER));
		ASSERT_EQ(0, o->ret) TH_LOG("%s", strerror(o->err));
		EXPECT_TRUE(o->whole);
		ASSERT_OK(part_read(&again));
	}
	ASSERT_EQ(0, memcmp(&p, &again, sizeof(p)))
		TH_LOG("%d to %d, then %d to %d", p.first, p.last, again.first, again.last);
	ASSERT_LT(0, p.first);
	ASSERT_LT(p.first, p.table);
	ASSERT_LT(p.tabled, p.last);

	for (n = p.first; n <= p.last; n++) {
		if (n > p.table && n <= p.tabled)
			continue;
		ASSERT_OK(try_namespace(o, n));
		ASSERT_OK(part_read(&again));
		ASSERT_EQ(p.first, again.first);
		EXPECT_TRUE(o->fired);
		EXPECT_TRUE(!o->ret || o->err == ENOMEM)
			TH_LOG("the %dth failed, and so unshare(): %s", n, strerror(o->err));
		EXPECT_EQ(!o->ret, o->moved);
		EXPECT_TRUE(o->whole);
		EXPECT_TRUE(n != p.table || o->ret);
		tried++;
		before += n < p.table && o->ret;
		after += n > p.tabled && o->ret;
	}
	printf("# %d to %d can fail, the sysctls' from %d to %d; %d tried, noticed %d and %d\n",
	       p.first, p.last, p.table, p.tabled, tried, before, after);
	EXPECT_LE(DATA_AND_TABLE, before);
	EXPECT_LE(DIR_AND_FILES, after);
	ASSERT_OK(try_namespace(o, 0));
	EXPECT_EQ(0, o->ret) TH_LOG("%s", strerror(o->err));
	EXPECT_TRUE(o->whole);
}

TEST_HARNESS_MAIN
