// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network namespaces that there is no memory for. Making one takes thousands of
 * allocations, of which the last are this module's, since it was loaded last: it is these
 * that fail, one in each try.
 */
#include <kselftest_harness.h>

#include <sched.h>
#include <sys/mman.h>

#include "faultlib.h"

#define NTH_FILE	"/proc/thread-self/fail-nth"
#define NTH_MANY	1000000		/* more than there are */
#define NTH_PAST	8		/* the count differs a little from time to time */
#define NTH_LAST	100		/* allocations that are tried; ours are about 40 */

/* What a process has seen that made a namespace. */
struct outcome {
	int ret, err;
	int count;		/* of things that could have failed */
};

static void nth_set(int fd, int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	while (pwrite(fd, text, len, 0) != len)
		;
}

/* In a process of its own, whose namespace goes with it; @n is the one that fails. */
static void make_namespace(struct outcome *o, int n)
{
	int fd = open(NTH_FILE, O_RDWR);
	char text[16] = "";

	/* no page of it is copied between here and the end */
	if (mlockall(MCL_CURRENT))
		_exit(1);
	nth_set(fd, n);
	o->ret = unshare(CLONE_NEWNET);
	o->err = errno;
	if (n == NTH_MANY && pread(fd, text, sizeof(text) - 1, 0) > 0)
		o->count = n - atoi(text);
	nth_set(fd, 0);
}

static int try_namespace(struct outcome *o, int n)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		make_namespace(o, n);
		_exit(0);
	}
	return pid < 0 || wait_child(pid, &status) || status ? -1 : 0;
}

FIXTURE(fault_netns) {
	struct outcome *o;
};

FIXTURE_SETUP(fault_netns)
{
	if (over_tcp())
		SKIP(_exit(255), "TCP cannot be left out of a namespace");
	FAULT_SETUP();
	self->o = mmap(NULL, sizeof(*self->o), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->o);
}

FIXTURE_TEARDOWN(fault_netns)
{
	EXPECT_TRUE(nothing_listed());
}

TEST_F_TIMEOUT(fault_netns, unshare, 600)
{
	struct outcome *o = self->o;
	int n, count, failed = 0;

	/* the first time there are tables to be made that stay */
	for (n = 0; n < 2; n++) {
		ASSERT_OK(try_namespace(o, NTH_MANY));
		ASSERT_EQ(0, o->ret) TH_LOG("%s", strerror(o->err));
	}
	count = o->count;
	ASSERT_LT(NTH_LAST, count);
	for (n = count + NTH_PAST; n > count - NTH_LAST; n--) {
		ASSERT_OK(try_namespace(o, n));
		EXPECT_TRUE(!o->ret || o->err == ENOMEM || o->err == ENOBUFS)
			TH_LOG("the %dth of %d failed, and so unshare(): %s", n, count,
			       strerror(o->err));
		failed += o->ret < 0;
	}
	fprintf(stderr, "# %d allocations, of the last %d of them %d were noticed\n", count,
		NTH_LAST, failed);
	EXPECT_LE(10, failed);
	ASSERT_OK(try_namespace(o, 0));
	EXPECT_EQ(0, o->ret) TH_LOG("%s", strerror(o->err));
}

TEST_HARNESS_MAIN
