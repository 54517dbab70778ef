// SPDX-License-Identifier: GPL-2.0-only
/*
 * The zero-loss run: allocations that fail, in calls under test and in these only.
 *
 * This is failslab with its filter for tasks. fail-nth would be more thorough, but it makes
 * copies to and from user space fail as well, among them the kernel's own on the
 * way back from a system call, which ends the process.
 */
#include "group_loss.h"

#define FAILSLAB "/sys/kernel/debug/failslab/"

enum { KNOBS = 8 };

static struct knob {
	const char *path, *value;
	char before[16];
} knobs[KNOBS] = {
	{ FAILSLAB "probability", "0" },	/* until all else is set, and again at the end */
	{ FAILSLAB "task-filter", "Y" },
	{ FAILSLAB "verbose", "0" },
	{ FAILSLAB "ignore-gfp-wait", "N" },	/* allocations that may sleep fail, too */
	{ FAILSLAB "interval", "1" },
	{ FAILSLAB "space", "0" },
	{ FAILSLAB "times", "1000000000" },
	{ FAILSLAB "probability", "15" },
};

static int make_it_fail = -1;

/* Returns NULL, or why there are none. */
const char *fault_global_on(void)
{
	int i;

	if (access("/proc/self/make-it-fail", W_OK) || access(knobs[0].path, W_OK))
		return "this kernel injects no faults";
	for (i = 0; i < KNOBS; i++) {
		char *nl;

		if (file_read(knobs[i].path, knobs[i].before, sizeof(knobs[i].before)) <= 0 ||
		    file_write(knobs[i].path, knobs[i].value))
			return "failslab cannot be set up";
		nl = strchr(knobs[i].before, '\n');
		if (nl)
			*nl = '\0';
	}
	return NULL;
}

void fault_global_off(void)
{
	int i;

	for (i = KNOBS - 1; i >= 0; i--)
		if (knobs[i].before[0])
			file_write(knobs[i].path, knobs[i].before);
}

/* Where it is not called the two below do nothing. */
void fault_process_init(void)
{
	make_it_fail = open("/proc/self/make-it-fail", O_RDWR | O_CLOEXEC);
	fault_disarm();
}

static void fault_switch(const char *value)
{
	int err = errno;

	while (make_it_fail >= 0 && pwrite(make_it_fail, value, 1, 0) < 0)
		;
	errno = err;
}

void fault_arm(void)
{
	fault_switch("1");
}

/* Keeps errno. */
void fault_disarm(void)
{
	fault_switch("0");
}

bool fault_is(int err)
{
	return err == ENOMEM || err == ENOBUFS || err == ENFILE;
}
