// SPDX-License-Identifier: GPL-2.0-only
/*
 * See faultlib.h.
 */
#include <sys/mman.h>
#include <sys/rseq.h>

#include <kselftest.h>

#include "faultlib.h"

#define DEBUG		"/sys/kernel/debug/"
#define TIMES		1000000000
#define ROUNDS_MAX	4000

const char *const fault_kinds[FAULT_KINDS] = { "nothing", "an allocation", "a copy" };

/* In this order: how often is looked at last, and set before anything may fail. */
static struct knob {
	const char *path, *value;
	char before[16];
} knobs[] = {
	{ DEBUG "failslab/probability", "0" },
	{ DEBUG "fail_page_alloc/probability", "0" },
	{ DEBUG "failslab/verbose", "0" },
	{ DEBUG "fail_page_alloc/verbose", "0" },
	{ DEBUG "fail_usercopy/verbose", "0" },
	{ DEBUG "failslab/times", "1000000000" },
	{ DEBUG "fail_page_alloc/times", "1000000000" },
	{ DEBUG "fail_usercopy/times", "1000000000" },
	{ DEBUG "failslab/task-filter", "Y" },
	{ DEBUG "fail_page_alloc/task-filter", "Y" },
	/* Allocations that may sleep fail as well, and those of a single page. */
	{ DEBUG "failslab/ignore-gfp-wait", "N" },
	{ DEBUG "fail_page_alloc/ignore-gfp-wait", "N" },
	{ DEBUG "fail_page_alloc/ignore-gfp-highmem", "N" },
	{ DEBUG "fail_page_alloc/min-order", "0" },
	{ DEBUG "failslab/interval", "1" },
	{ DEBUG "fail_page_alloc/interval", "1" },
	{ DEBUG "failslab/space", "0" },
	{ DEBUG "fail_page_alloc/space", "0" },
	{ DEBUG "failslab/probability", "100" },
	{ DEBUG "fail_page_alloc/probability", "100" },
};

#define KNOBS ((int)ARRAY_SIZE(knobs))

static const char *missing = "this kernel injects no faults";
static pid_t owner;	/* who has set the knobs, and sets them back */
static int nth_fd = -1, all_fd = -1;
static long times_before[2];

static bool knob_set(struct knob *k)
{
	char *nl;

	if (file_read(k->path, k->before, sizeof(k->before)) <= 0)
		return false;
	nl = strchr(k->before, '\n');
	if (nl)
		*nl = '\0';
	return !file_write(k->path, k->value);
}

/* Once for all tests of the program, each of which is a child; so is the namespace, since
 * it takes longer to make one than many of the tests do.
 */
static void __attribute__((constructor)) fault_world(void)
{
	int i;

	if (access("/proc/thread-self/fail-nth", W_OK) ||
	    access("/proc/self/make-it-fail", W_OK))
		return;
	missing = "failslab, fail_page_alloc and fail_usercopy are not all in debugfs";
	for (i = 0; i < KNOBS; i++)
		if (access(knobs[i].path, W_OK))
			return;
	missing = NULL;
	owner = getpid();
	if (netns_new())
		missing = "there is no network namespace to be had";
	for (i = 0; i < KNOBS; i++)
		if (!knob_set(&knobs[i]))
			missing = "a knob in /sys/kernel/debug cannot be set";
}

static void __attribute__((destructor)) fault_world_end(void)
{
	int i;

	for (i = KNOBS - 1; owner == getpid() && i >= 0; i--)
		if (knobs[i].before[0])
			file_write(knobs[i].path, knobs[i].before);
}

/* NULL, or why there are no failures to be had. */
const char *fault_missing(void)
{
	return missing;
}

/* Whoever runs the program has said that this kernel has them. */
bool fault_demanded(void)
{
	const char *faults = getenv("NEWPROTO_TEST_FAULTS");

	return faults && !strcmp(faults, "1");
}

/* The kernel writes to the program's struct rseq on its way back from a call, and kills
 * the program if that fails.
 */
static int rseq_off(void)
{
	char *tls = __builtin_thread_pointer();
	int size = __rseq_size < 32 ? 32 : __rseq_size;

	if (!__rseq_size)
		return 0;
	return syscall(SYS_rseq, tls + __rseq_offset, size, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
}

/* In the process of a test: from here on no page of it is touched for the first time. */
int fault_begin(void)
{
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	all_fd = open("/proc/self/make-it-fail", O_RDWR | O_CLOEXEC);
	if (nth_fd < 0 || all_fd < 0 || rseq_off())
		return -1;
	return mlockall(MCL_CURRENT);
}

/* How often allocations and copies may fail still. */
static void times_left(long left[2])
{
	static const char *const paths[3] = {
		DEBUG "failslab/times", DEBUG "fail_page_alloc/times", DEBUG "fail_usercopy/times",
	};
	char text[16];
	long n[3];
	int i;

	for (i = 0; i < 3; i++)
		n[i] = file_read(paths[i], text, sizeof(text)) > 0 ? atol(text) : 0;
	left[0] = n[0] + n[1];
	left[1] = n[2];
}

/* Another round? Not after one in which the call had fewer than n things to fail. */
bool fault_next(struct fault *f)
{
	if (f->round > 1 && f->kind == FAULT_NONE)
		return false;
	if (f->round == ROUNDS_MAX) {
		fprintf(stderr, "# %s: fails for ever, more than %d times\n", f->name, f->round);
		f->stuck = true;
		return false;
	}
	if (!f->round++)
		f->begin = now_ms();
	f->kind = FAULT_NONE;
	return true;
}

/* Nothing but the one write after it may be between this and the call. */
void fault_arm(struct fault *f)
{
	char text[16];
	int len;

	times_left(times_before);
	if (f->round == 1) {
		while (pwrite(all_fd, "1", 1, 0) != 1)
			;
		return;
	}
	len = snprintf(text, sizeof(text), "%d", f->round - 1);
	while (pwrite(nth_fd, text, len, 0) != len)
		;
}

/* These writes can be what fails; then they are made again. */
void fault_disarm(struct fault *f)
{
	char text[16] = "";
	bool over = f->round == 1;
	long left[2];

	/* A number that cannot be read was 1: the failure was still to come. */
	if (!over)
		over = pread(nth_fd, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;
	while (pwrite(nth_fd, "0", 1, 0) != 1)
		;
	while (pwrite(all_fd, "0", 1, 0) != 1)
		;
	if (!over)
		return;
	times_left(left);
	if (left[0] < times_before[0])
		f->kind = FAULT_ALLOC;
	else if (left[1] < times_before[1] && f->round > 1)
		f->kind = FAULT_COPY;
	f->failures[f->kind]++;
	if (f->ret < 0)
		f->noticed[f->kind]++;
}

bool fault_fair(const struct fault *f, int extra)
{
	if (f->ret >= 0)
		return true;
	switch (f->kind) {
	case FAULT_ALLOC:
		return f->err == ENOMEM || f->err == ENOBUFS || f->err == ENFILE ||
		       (extra && f->err == extra);
	case FAULT_COPY:
		return f->err == EFAULT;
	default:
		return false;
	}
}

void fault_show(const struct fault *f)
{
	printf("# %s: %d rounds in %lld ms; failed allocations %d, noticed %d; copies %d, %d\n",
	       f->name, f->round, (long long)(now_ms() - f->begin),
	       f->failures[FAULT_ALLOC], f->noticed[FAULT_ALLOC],
	       f->failures[FAULT_COPY], f->noticed[FAULT_COPY]);
}

/* The number that the next descriptor gets: higher if one was left behind. */
int lowest_fd(void)
{
	int fd = dup(2);

	close(fd);
	return fd;
}

/* Nothing of the family is left in this namespace, before long. */
bool nothing_listed(void)
{
	static const char *const paths[] = {
		"/proc/self/net/newproto/sockets", "/proc/self/net/newproto/groups",
	};
	int64_t end = now_ms() + WAIT_MS;
	char text[4096], *nl;
	int i;

	for (i = 0; i < 2; i++) {
		for (;;) {
			if (file_read(paths[i], text, sizeof(text)) <= 0)
				return false;
			nl = strchr(text, '\n');
			if (nl && !nl[1])
				break;
			if (now_ms() > end) {
				fprintf(stderr, "# left in %s:\n%s", paths[i], text);
				return false;
			}
			usleep(1000);
		}
	}
	return true;
}
