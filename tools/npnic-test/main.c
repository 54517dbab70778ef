// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the tests of npnic's leaves in user space. TAP.
 *
 *	npnic-test [SUITE]
 */
#include "kunit_user.h"

static struct kunit_suite *kunit_suites;
static unsigned int kunit_failures, kunit_number;

void kunit_suite_add(struct kunit_suite *suite)
{
	suite->next = kunit_suites;
	kunit_suites = suite;
}

void *kunit_kzalloc(struct kunit *test, size_t size, int flags)
{
	void *p = calloc(1, size);

	(void)flags;
	if (!p || test->nmem == ARRAY_SIZE(test->mem))
		abort();
	test->mem[test->nmem++] = p;
	return p;
}

void kunit_fail(struct kunit *test, const char *file, int line, const char *what, int fatal)
{
	/* One that is in a loop is told once in a while. */
	if (!(test->failed & (test->failed - 1)))
		printf("# %s:%d: failed: %s\n", file, line, what);
	test->failed++;
	if (fatal)
		longjmp(test->out, 1);
}

static void kunit_run(const struct kunit_suite *suite, const struct kunit_case *c)
{
	struct kunit test = { .priv = NULL };

	if (!setjmp(test.out)) {
		if (suite->init && suite->init(&test)) {
			printf("# init failed\n");
			test.failed++;
		} else {
			c->run(&test);
		}
	}
	if (suite->exit)
		suite->exit(&test);
	while (test.nmem)
		free(test.mem[--test.nmem]);
	printf("%sok %u - %s.%s\n", test.failed ? "not " : "", ++kunit_number, suite->name,
	       c->name);
	kunit_failures += !!test.failed;
}

int main(int argc, char **argv)
{
	const struct kunit_suite *s;
	const struct kunit_case *c;
	unsigned int n = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n");
	for (s = kunit_suites; s; s = s->next)
		for (c = s->test_cases; c->run; c++)
			n += argc < 2 || !strcmp(argv[1], s->name);
	printf("1..%u\n", n);
	for (s = kunit_suites; s; s = s->next)
		for (c = s->test_cases; c->run; c++)
			if (argc < 2 || !strcmp(argv[1], s->name))
				kunit_run(s, c);
	return kunit_failures || !kunit_number;
}
