/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Failures on purpose, one a call: the kernel's fail-nth lets the n-th allocation of
 * a task fail, or the n-th copy between a program and the kernel.
 *
 *	while (fault_next(&f)) {
 *		... what the call needs, made without failures ...
 *		FAULT_CALL(&f, connect(fd, &a.sa, len));
 *		... what has to be true after it, whether it has failed or not ...
 *	}
 *
 * The first round lets all allocations of the call fail, each further one the next
 * single one, and there are no more rounds once a call has ended before its n-th.
 *
 * Why fail-nth: it counts what the task itself does in this call, so that round n is
 * the same in each run, which failslab's interval, space and times are not: they count
 * the work of all tasks, from a number that nobody can set back. For the round in which
 * all fail there is failslab, with its filter for tasks. Both would print a page for
 * each failure; and which of the three it was, a slab's object, pages or a copy, is
 * told by how often each may still fail ("times"), which a failure counts down.
 */
#ifndef NEWPROTO_SELFTESTS_FAULTLIB_H
#define NEWPROTO_SELFTESTS_FAULTLIB_H

#include "common.h"

enum fault_kind { FAULT_NONE, FAULT_ALLOC, FAULT_COPY, FAULT_KINDS };

struct fault {
	const char *name;
	int round;		/* 0: before the first; 1: all fail; then n is round - 1 */
	enum fault_kind kind;	/* what has failed in this round */
	long ret;
	int err;
	bool stuck;		/* there is no end of what fails */
	int failures[FAULT_KINDS];	/* rounds in which something has */
	int noticed[FAULT_KINDS];	/* of these, how often the call said so */
	int64_t begin;
};

/* A kernel without failures has nothing to test, which where there are to be some
 * (NEWPROTO_TEST_FAULTS=1) is no success.
 */
#define FAULT_NEEDED(leave) do {					\
	const char *fault_why = fault_missing();			\
									\
	if (fault_why && !fault_demanded())				\
		SKIP(leave, "%s", fault_why);				\
	ASSERT_EQ(NULL, fault_why)					\
		TH_LOG("%s", fault_why);				\
} while (0)

/* In FIXTURE_SETUP, before anything that a test arms for. The tests of a program that can
 * let something fail have one network namespace together.
 */
#define FAULT_SETUP() do {						\
	FAULT_NEEDED(_exit(255));					\
	ASSERT_OK(fault_begin());					\
} while (0)

#define FAULT_CALL(f, call) ({						\
	fault_arm(f);							\
	errno = 0;							\
	(f)->ret = (call);						\
	(f)->err = errno;						\
	fault_disarm(f);						\
	(f)->ret;							\
})

/* Has the call succeeded, or failed for what was made to fail? @extra: also an errno
 * that a lack of memory may have.
 */
#define EXPECT_FAULT(f, extra)						\
	EXPECT_TRUE(fault_fair(f, extra))				\
		TH_LOG("%s, round %d: %s failed, result %ld, errno %s",	\
		       (f)->name, (f)->round, fault_kinds[(f)->kind],	\
		       (f)->ret, strerror((f)->err))

/* At the end: says what there was. A call that is known to allocate has to have failed. */
#define FAULT_END(f, allocates) do {					\
	fault_show(f);							\
	EXPECT_FALSE((f)->stuck)					\
		TH_LOG("%s fails for ever", (f)->name);			\
	EXPECT_LE(allocates, (f)->failures[FAULT_ALLOC])		\
		TH_LOG("%s: no allocation has failed", (f)->name);	\
} while (0)

extern const char *const fault_kinds[FAULT_KINDS];

const char *fault_missing(void);
bool fault_demanded(void);
int fault_begin(void);
bool fault_next(struct fault *f);
void fault_arm(struct fault *f);
void fault_disarm(struct fault *f);
bool fault_fair(const struct fault *f, int extra);
void fault_show(const struct fault *f);

/* What is the same before and after a call that came to nothing. */
int lowest_fd(void);
bool nothing_listed(void);

#endif /* NEWPROTO_SELFTESTS_FAULTLIB_H */
