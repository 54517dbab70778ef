// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of address forms.
 */
#include <linux/slab.h>

#include "lib.h"

static const struct np_parse_row {
	int family;	/* of the socket */
	int sa_family;	/* in the address */
	int need;	/* bytes */
	int err;	/* if there are as many */
} np_parse_rows[] = {
	{ AF_INET, AF_INET, 16, 0 },
	{ AF_INET, AF_INET6, 16, -EAFNOSUPPORT },
	{ AF_INET, AF_UNSPEC, 16, -EAFNOSUPPORT },
	{ AF_INET, AF_UNIX, 16, -EAFNOSUPPORT },
	{ AF_INET, 18, 16, -EAFNOSUPPORT },
	{ AF_INET, 0xffff, 16, -EAFNOSUPPORT },
	{ AF_INET6, AF_INET6, 24, 0 },
	{ AF_INET6, AF_INET, 24, -EAFNOSUPPORT },
	{ AF_INET6, AF_UNSPEC, 24, -EAFNOSUPPORT },
	{ AF_INET6, AF_UNIX, 24, -EAFNOSUPPORT },
	{ AF_INET6, 18, 24, -EAFNOSUPPORT },
};

static void np_parse_desc(const struct np_parse_row *r, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "family %d on a socket of %d",
		 r->sa_family, r->family);
}

KUNIT_ARRAY_PARAM(np_parse, np_parse_rows, np_parse_desc);

/* Every length. The memory ends where the address does, so that a byte read
 * behind it is noticed.
 */
static void np_addr_lengths(struct kunit *test)
{
	const struct np_parse_row *r = test->param_value;
	struct np_addr a;
	void *mem;
	int len;

	for (len = 0; len <= (int)sizeof(struct sockaddr_storage); len++) {
		mem = kunit_kzalloc(test, len, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, mem);
		if (len >= (int)sizeof(sa_family_t))
			((struct sockaddr *)mem)->sa_family = r->sa_family;
		KUNIT_EXPECT_EQ_MSG(test, np_addr_parse(&a, mem, len, r->family),
				    len < r->need ? -EINVAL : r->err,
				    "length %d", len);
		kunit_kfree(test, mem);
	}
	KUNIT_EXPECT_EQ(test, np_addr_parse(&a, NULL, -1, r->family), -EINVAL);
}

static void np_addr_parse_v4(struct kunit *test)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(0x1234),
		.sin_addr.s_addr = htonl(0x7f010203),
	};
	struct in6_addr want = { .s6_addr = { [10] = 255, 255, 127, 1, 2, 3 } };
	struct np_addr a;

	memset(&a, 0xff, sizeof(a));
	memset(sin.sin_zero, 0xff, sizeof(sin.sin_zero));
	KUNIT_EXPECT_EQ(test, np_addr_parse(&a, (struct sockaddr *)&sin,
					    sizeof(sin), AF_INET), 0);
	KUNIT_EXPECT_TRUE(test, ipv6_addr_equal(&a.ip, &want));
	KUNIT_EXPECT_EQ(test, ntohs(a.port), 0x1234);
	KUNIT_EXPECT_EQ(test, a.scope, 0);
	KUNIT_EXPECT_TRUE(test, np_addr_is_v4(&a.ip));
	KUNIT_EXPECT_EQ(test, ntohl(np_addr_v4(&a.ip)), 0x7f010203U);
}

static const struct np_scope_row {
	const char *name;
	struct in6_addr ip;
	int len;
	int scope;
} np_scope_rows[] = {
	{ "global", { .s6_addr = { 0x20, 0x01, [15] = 1 } }, 28, 0 },
	{ "unique local", { .s6_addr = { 0xfd, [15] = 1 } }, 28, 0 },
	{ "loopback", { .s6_addr = { [15] = 1 } }, 28, 0 },
	{ "any", { .s6_addr = { 0 } }, 28, 0 },
	{ "mapped", { .s6_addr = { [10] = 255, 255, 10, 0, 0, 1 } }, 28, 0 },
	{ "link-local", { .s6_addr = { 0xfe, 0x80, [15] = 1 } }, 28, 5 },
	{ "link-local, longer", { .s6_addr = { 0xfe, 0x80, [15] = 1 } }, 128, 5 },
	{ "link-local, no scope", { .s6_addr = { 0xfe, 0x80, [15] = 1 } }, 24, 0 },
	{ "link-local, half a scope", { .s6_addr = { 0xfe, 0x80, [15] = 1 } }, 27, 0 },
	{ "link-local multicast", { .s6_addr = { 0xff, 0x02, [15] = 1 } }, 28, 5 },
	{ "global multicast", { .s6_addr = { 0xff, 0x0e, [15] = 1 } }, 28, 0 },
};

static void np_scope_desc(const struct np_scope_row *r, char *desc)
{
	strscpy(desc, r->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_scope, np_scope_rows, np_scope_desc);

static void np_addr_parse_v6(struct kunit *test)
{
	const struct np_scope_row *r = test->param_value;
	struct sockaddr_storage ss = { };
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&ss;
	struct np_addr a;

	memset(&a, 0xff, sizeof(a));
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = htons(54321);
	sin6->sin6_flowinfo = htonl(0x12345);
	sin6->sin6_addr = r->ip;
	sin6->sin6_scope_id = 5;
	KUNIT_EXPECT_EQ(test, np_addr_parse(&a, (struct sockaddr *)&ss, r->len,
					    AF_INET6), 0);
	KUNIT_EXPECT_TRUE(test, ipv6_addr_equal(&a.ip, &r->ip));
	KUNIT_EXPECT_EQ(test, ntohs(a.port), 54321);
	KUNIT_EXPECT_EQ(test, a.scope, r->scope);
}

static void np_addr_kinds(struct kunit *test)
{
	static const struct {
		enum np_form form;
		bool v4;
		bool any;
	} rows[] = {
		{ NP_FORM_V4_ANY, true, true },
		{ NP_FORM_V4_A, true, false },
		{ NP_FORM_MAPPED_A, true, false },
		{ NP_FORM_V6_ANY, false, true },
		{ NP_FORM_V6_LO, false, false },
		{ NP_FORM_V6_A, false, false },
	};
	struct in6_addr ip, copy;
	int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		ip = np_form_ip(rows[i].form);
		KUNIT_EXPECT_EQ_MSG(test, np_addr_is_v4(&ip), rows[i].v4, "%s",
				    np_form_name(rows[i].form));
		KUNIT_EXPECT_EQ_MSG(test, np_addr_is_any(&ip), rows[i].any, "%s",
				    np_form_name(rows[i].form));
		if (!rows[i].v4)
			continue;
		np_addr_set_v4(&copy, np_addr_v4(&ip));
		KUNIT_EXPECT_TRUE(test, ipv6_addr_equal(&copy, &ip));
	}
}

/* Does what is bound (down) take what is sent (across)? */
static const enum np_form np_dsts[] = {
	NP_FORM_V4_A, NP_FORM_V4_B, NP_FORM_MAPPED_A, NP_FORM_V6_LO, NP_FORM_V6_A,
};

static const struct np_covers_row {
	enum np_form bound;
	bool takes[ARRAY_SIZE(np_dsts)];
} np_covers_rows[] = {
	/*			  A, B, mapped A, ::1, fd00::1 */
	{ NP_FORM_V4_ANY,	{ 1, 1, 1, 0, 0 } },
	{ NP_FORM_V4_A,		{ 1, 0, 1, 0, 0 } },
	{ NP_FORM_V4_B,		{ 0, 1, 0, 0, 0 } },
	{ NP_FORM_MAPPED_A,	{ 1, 0, 1, 0, 0 } },
	{ NP_FORM_V6_ANY,	{ 1, 1, 1, 1, 1 } },
	{ NP_FORM_V6_ANY_ONLY,	{ 0, 0, 0, 1, 1 } },
	{ NP_FORM_V6_LO,	{ 0, 0, 0, 1, 0 } },
	{ NP_FORM_V6_A,		{ 0, 0, 0, 0, 1 } },
};

static void np_covers_desc(const struct np_covers_row *r, char *desc)
{
	strscpy(desc, np_form_name(r->bound), KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_covers, np_covers_rows, np_covers_desc);

static void np_addr_covers_table(struct kunit *test)
{
	const struct np_covers_row *r = test->param_value;
	struct in6_addr bound = np_form_ip(r->bound), dst;
	int i;

	for (i = 0; i < ARRAY_SIZE(np_dsts); i++) {
		dst = np_form_ip(np_dsts[i]);
		KUNIT_EXPECT_EQ_MSG(test,
				    np_addr_covers(&bound, np_form_v6only(r->bound), &dst),
				    r->takes[i], "%s", np_form_name(np_dsts[i]));
	}
}

/* Have both a destination in common? */
static const struct np_conflict_row {
	enum np_form a;
	bool with[NP_FORM_NR];
} np_conflict_rows[] = {
	/*		       0.0.0.0, A, B, mapped A, ::, :: only, ::1, fd00::1 */
	{ NP_FORM_V4_ANY,	{ 1, 1, 1, 1, 1, 0, 0, 0 } },
	{ NP_FORM_V4_A,		{ 1, 1, 0, 1, 1, 0, 0, 0 } },
	{ NP_FORM_V4_B,		{ 1, 0, 1, 0, 1, 0, 0, 0 } },
	{ NP_FORM_MAPPED_A,	{ 1, 1, 0, 1, 1, 0, 0, 0 } },
	{ NP_FORM_V6_ANY,	{ 1, 1, 1, 1, 1, 1, 1, 1 } },
	{ NP_FORM_V6_ANY_ONLY,	{ 0, 0, 0, 0, 1, 1, 1, 1 } },
	{ NP_FORM_V6_LO,	{ 0, 0, 0, 0, 1, 1, 1, 0 } },
	{ NP_FORM_V6_A,		{ 0, 0, 0, 0, 1, 1, 0, 1 } },
};

static void np_conflict_desc(const struct np_conflict_row *r, char *desc)
{
	strscpy(desc, np_form_name(r->a), KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_conflict, np_conflict_rows, np_conflict_desc);

static void np_addr_conflict_table(struct kunit *test)
{
	const struct np_conflict_row *r = test->param_value;
	struct in6_addr a = np_form_ip(r->a), b;
	bool a_only = np_form_v6only(r->a), b_only;
	int i;

	for (i = 0; i < NP_FORM_NR; i++) {
		b = np_form_ip(i);
		b_only = np_form_v6only(i);
		KUNIT_EXPECT_EQ_MSG(test, np_addr_conflict(&a, a_only, &b, b_only),
				    r->with[i], "%s", np_form_name(i));
		KUNIT_EXPECT_EQ_MSG(test, np_addr_conflict(&b, b_only, &a, a_only),
				    r->with[i], "%s, the other way round",
				    np_form_name(i));
	}
}

static struct kunit_case np_addr_cases[] = {
	KUNIT_CASE_PARAM(np_addr_lengths, np_parse_gen_params),
	KUNIT_CASE(np_addr_parse_v4),
	KUNIT_CASE_PARAM(np_addr_parse_v6, np_scope_gen_params),
	KUNIT_CASE_PARAM(np_addr_covers_table, np_covers_gen_params),
	KUNIT_CASE_PARAM(np_addr_conflict_table, np_conflict_gen_params),
	KUNIT_CASE(np_addr_kinds),
	{}
};

static struct kunit_suite np_addr_suite = {
	.name = "newproto_addr",
	.test_cases = np_addr_cases,
};

kunit_test_suite(np_addr_suite);
