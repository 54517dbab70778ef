/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of KUnit as the tests in drivers/net/newproto/tests/ use, for a program: its
 * results are TAP. An expectation that fails is told and the test goes on; with an
 * assertion it ends.
 */
#ifndef _NPNIC_KUNIT_USER_H
#define _NPNIC_KUNIT_USER_H

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "pure.h"

struct kunit {
	void *priv;
	int failed;
	jmp_buf out;
	void *mem[16];
	unsigned int nmem;
};

struct kunit_case {
	void (*run)(struct kunit *test);
	const char *name;
};

struct kunit_suite {
	const char *name;
	int (*init)(struct kunit *test);
	void (*exit)(struct kunit *test);
	struct kunit_case *test_cases;
	struct kunit_suite *next;
};

#define KUNIT_CASE(fn)	{ .run = fn, .name = #fn }

void kunit_suite_add(struct kunit_suite *suite);
void *kunit_kzalloc(struct kunit *test, size_t size, int flags);
void kunit_fail(struct kunit *test, const char *file, int line, const char *what, int fatal);

#define kunit_test_suite(suite)						\
	static void __attribute__((constructor)) suite##_add(void)	\
	{								\
		kunit_suite_add(&(suite));				\
	}								\
	static_assert(sizeof(suite) == sizeof(struct kunit_suite))

#define GFP_KERNEL	0
#define vzalloc(size)	calloc(1, size)
#define vfree(p)	free(p)

#define KUNIT_IS(test, what, fatal, name) do {				\
	if (!(what))							\
		kunit_fail(test, __FILE__, __LINE__, name, fatal);	\
} while (0)

#define KUNIT_EXPECT_TRUE(test, a)	KUNIT_IS(test, a, 0, #a)
#define KUNIT_EXPECT_FALSE(test, a)	KUNIT_IS(test, !(a), 0, "not " #a)
#define KUNIT_EXPECT_NOT_NULL(test, a)	KUNIT_IS(test, (a) != NULL, 0, #a)
#define KUNIT_EXPECT_EQ(test, a, b)	KUNIT_IS(test, (a) == (b), 0, #a " == " #b)
#define KUNIT_EXPECT_NE(test, a, b)	KUNIT_IS(test, (a) != (b), 0, #a " != " #b)
#define KUNIT_EXPECT_LT(test, a, b)	KUNIT_IS(test, (a) < (b), 0, #a " < " #b)
#define KUNIT_EXPECT_LE(test, a, b)	KUNIT_IS(test, (a) <= (b), 0, #a " <= " #b)
#define KUNIT_EXPECT_GT(test, a, b)	KUNIT_IS(test, (a) > (b), 0, #a " > " #b)
#define KUNIT_EXPECT_GE(test, a, b)	KUNIT_IS(test, (a) >= (b), 0, #a " >= " #b)
#define KUNIT_ASSERT_TRUE(test, a)	KUNIT_IS(test, a, 1, #a)
#define KUNIT_ASSERT_NOT_NULL(test, a)	KUNIT_IS(test, (a) != NULL, 1, #a)
#define KUNIT_ASSERT_EQ(test, a, b)	KUNIT_IS(test, (a) == (b), 1, #a " == " #b)
#define KUNIT_ASSERT_NE(test, a, b)	KUNIT_IS(test, (a) != (b), 1, #a " != " #b)
#define KUNIT_ASSERT_LE(test, a, b)	KUNIT_IS(test, (a) <= (b), 1, #a " <= " #b)

#define KUNIT_IS_MSG(test, what, fatal, name, ...) do {			\
	if (!(what)) {							\
		printf("# " __VA_ARGS__);				\
		printf("\n");						\
		kunit_fail(test, __FILE__, __LINE__, name, fatal);	\
	}								\
} while (0)

#define KUNIT_EXPECT_EQ_MSG(test, a, b, ...)				\
	KUNIT_IS_MSG(test, (a) == (b), 0, #a " == " #b, __VA_ARGS__)
#define KUNIT_EXPECT_NE_MSG(test, a, b, ...)				\
	KUNIT_IS_MSG(test, (a) != (b), 0, #a " != " #b, __VA_ARGS__)
#define KUNIT_ASSERT_TRUE_MSG(test, a, ...)				\
	KUNIT_IS_MSG(test, a, 1, #a, __VA_ARGS__)

#endif /* _NPNIC_KUNIT_USER_H */
