// SPDX-License-Identifier: GPL-2.0-only
/*
 * The errno table: every row of errno.tsv is one test, made from the row when
 * the program is built. Two programs share the doors: this one has one of each
 * family, calls_doors the others. calls_data and calls_data_doors do the same with
 * errno_data.tsv, and dgram_calls with errno_dgram.tsv.
 */
#include <kselftest_harness.h>

#include "callops.h"

#ifndef ROWS
#define ROWS "errno_rows.h"
#endif

struct row {
	int line;		/* in the table */
	const char *call;
	const char *state;
	const char *args;
	const char *result;
	const char *tcp;	/* TCP's, where it differs */
};

struct expectation {
	bool fails;
	int err;
	bool sigpipe;
	bool any_fd;
	long value;
};

#define WORD(x)		{ #x, x }
static const struct {
	const char *word;
	int value;
} errno_words[] = {
	WORD(EACCES), WORD(EADDRINUSE), WORD(EADDRNOTAVAIL), WORD(EAFNOSUPPORT), WORD(EAGAIN),
	WORD(EALREADY), WORD(EBADF), WORD(ECONNABORTED), WORD(ECONNREFUSED), WORD(ECONNRESET),
	WORD(EDESTADDRREQ), WORD(EDOM), WORD(EFAULT), WORD(EINPROGRESS), WORD(EINVAL),
	WORD(EISCONN), WORD(EMFILE),
	WORD(EMSGSIZE), WORD(ENETUNREACH), WORD(ENOPROTOOPT), WORD(ENOTCONN), WORD(ENOTSOCK),
	WORD(ENOTTY), WORD(EOPNOTSUPP), WORD(EPERM), WORD(EPIPE), WORD(EPROTONOSUPPORT),
	WORD(ESOCKTNOSUPPORT), WORD(ESPIPE), WORD(ETIMEDOUT), WORD(EHOSTUNREACH),
}, value_words[] = {
	WORD(POLLIN), WORD(POLLPRI), WORD(POLLOUT), WORD(POLLERR), WORD(POLLHUP),
	WORD(POLLRDHUP), WORD(POLLNVAL), WORD(O_RDWR), WORD(O_NONBLOCK),
};

static int sigpipes;

static void on_sigpipe(int sig)
{
	sigpipes++;
}

static int errno_value(const char *word, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(errno_words); i++)
		if (strlen(errno_words[i].word) == len && !strncmp(errno_words[i].word, word, len))
			return errno_words[i].value;
	return 0;
}

static const char *errno_word(int err)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(errno_words); i++)
		if (errno_words[i].value == err)
			return errno_words[i].word;
	return strerror(err);
}

static bool bit_value(const char *word, size_t len, long *value)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(value_words); i++) {
		if (strlen(value_words[i].word) != len || strncmp(value_words[i].word, word, len))
			continue;
		*value |= value_words[i].value;
		return true;
	}
	return false;
}

/*
 * "4" is that result, "fd" any descriptor, "EPIPE" a failure, "EPIPE+SIGPIPE" one
 * with the signal, "POLLIN|POLLOUT" a mask, "value:ECONNRESET" the number of it.
 */
static bool parse_result(const char *text, struct expectation *e)
{
	size_t len = strcspn(text, "+");
	const char *p = text;

	*e = (struct expectation){ .sigpipe = !strcmp(text + len, "+SIGPIPE") };
	if (!strcmp(text, "fd")) {
		e->any_fd = true;
		return true;
	}
	if (!strncmp(text, "value:", 6)) {
		e->value = errno_value(text + 6, strlen(text) - 6);
		return e->value;
	}
	e->err = errno_value(text, len);
	if (e->err) {
		e->fails = true;
		return true;
	}
	if (strspn(text, "-0123456789") == len) {
		e->value = atol(text);
		return true;
	}
	while (*p) {
		len = strcspn(p, "|");
		if (!bit_value(p, len, &e->value))
			return false;
		p += len + (p[len] == '|');
	}
	return true;
}

/* What is expected here. Over a NIC any address may be somebody's, but for wildcards. */
static const char *row_result(const struct row *row)
{
	if (over_tcp() && strcmp(row->tcp, "-"))
		return row->tcp;
	if (over_nic() && !strcmp(row->call, "connect")) {
		if (!strncmp(row->args, "notlocal", 8))
			return "EHOSTUNREACH";
		if (!strcmp(row->args, "any"))
			return "n/a";
	}
	return row->result;
}

static void run_row(struct __test_metadata *_metadata, const struct door *door,
		    const struct row *row)
{
	const char *text = row_result(row);
	struct expectation want;
	struct scene s;
	bool right;
	long got;
	int err;

	if (!strcmp(text, "n/a"))
		SKIP(return, "there is no such thing here");
	ASSERT_TRUE(parse_result(text, &want))
		TH_LOG("row %d: cannot read \"%s\"", row->line, text);

	signal(SIGPIPE, on_sigpipe);
	ASSERT_EQ(0, scene_make(&s, door, row->state))
		TH_LOG("state %s: %s", row->state, strerror(errno));
	sigpipes = 0;
	got = callop(&s, row->call, row->args);
	err = errno;
	ASSERT_NE(NO_SUCH_CALL, got);

	if (want.any_fd)
		right = got >= 0;
	else if (want.fails)
		right = got == -1 && err == want.err;
	else
		right = got == want.value;
	EXPECT_TRUE(right)
		TH_LOG("row %d: %s %s (%s): expected %s, got %ld (0x%lx) %s", row->line,
		       row->call, row->state, row->args, text, got, got,
		       got < 0 ? errno_word(err) : "");
	EXPECT_EQ(want.sigpipe, sigpipes);
	scene_end(&s);
}

FIXTURE(table) {};
#ifdef OTHER_DOORS
FIXTURE_VARIANT(table) { const struct door *door; };
FIXTURE_VARIANT_ADD(table, family6) { .door = &door_family6 };
FIXTURE_VARIANT_ADD(table, inet4) { .door = &door_inet4 };
FIXTURE_VARIANT_ADD(table, mapped) { .door = &door_mapped };
#else
DOOR_FIXTURE(table);
#endif
FIXTURE_SETUP(table) {}
FIXTURE_TEARDOWN(table) {}

#define ROW(ident, ...)							\
	TEST_F(table, ident)						\
	{								\
		static const struct row row = { __VA_ARGS__ };		\
									\
		run_row(_metadata, variant->door, &row);		\
	}

#include ROWS

TEST_HARNESS_MAIN
