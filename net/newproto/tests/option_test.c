// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the option table. The table here is a second one, written down from
 * what the kernel's tcp.c, ip_sockglue.c and ipv6_sockglue.c do.
 */
#include <kunit/test.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ipv6.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/socket.h>
#include <linux/tcp.h>
#include <linux/uaccess.h>

#include "option.h"

/* A hint: what may be set, and what is read on a new socket. */
static const struct np_hint_row {
	const char *text;
	int level;
	int name;
	int min;
	int max;
	int def;
	bool norm;	/* 0 and 1 is all that is stored */
} np_hint_rows[] = {
	{ "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, INT_MIN, INT_MAX, 0, true },
	{ "TCP_MAXSEG", IPPROTO_TCP, TCP_MAXSEG, 88, 32767, 536 },
	{ "TCP_CORK", IPPROTO_TCP, TCP_CORK, INT_MIN, INT_MAX, 0, true },
	{ "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 1, 32767, 7200 },
	{ "TCP_KEEPINTVL", IPPROTO_TCP, TCP_KEEPINTVL, 1, 32767, 75 },
	{ "TCP_KEEPCNT", IPPROTO_TCP, TCP_KEEPCNT, 1, 127, 9 },
	{ "TCP_SYNCNT", IPPROTO_TCP, TCP_SYNCNT, 1, 127, 6 },
	{ "TCP_LINGER2", IPPROTO_TCP, TCP_LINGER2, INT_MIN, INT_MAX, 60 },
	{ "TCP_DEFER_ACCEPT", IPPROTO_TCP, TCP_DEFER_ACCEPT, INT_MIN, INT_MAX, 0 },
	{ "TCP_WINDOW_CLAMP", IPPROTO_TCP, TCP_WINDOW_CLAMP, INT_MIN, INT_MAX, 0 },
	{ "TCP_QUICKACK", IPPROTO_TCP, TCP_QUICKACK, INT_MIN, INT_MAX, 1, true },
	{ "TCP_THIN_LINEAR_TIMEOUTS", IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 0, 1, 0 },
	{ "TCP_THIN_DUPACK", IPPROTO_TCP, TCP_THIN_DUPACK, 0, 1, 0 },
	{ "TCP_USER_TIMEOUT", IPPROTO_TCP, TCP_USER_TIMEOUT, 0, INT_MAX, 0 },
	{ "TCP_FASTOPEN", IPPROTO_TCP, TCP_FASTOPEN, 0, INT_MAX, 0 },
	{ "TCP_FASTOPEN_CONNECT", IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0, 1, 0 },
	{ "TCP_FASTOPEN_NO_COOKIE", IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 0, 1, 0 },
	{ "TCP_NOTSENT_LOWAT", IPPROTO_TCP, TCP_NOTSENT_LOWAT, INT_MIN, INT_MAX, 0 },
	{ "TCP_TX_DELAY", IPPROTO_TCP, TCP_TX_DELAY, INT_MIN, INT_MAX, 0 },
	{ "IP_TTL", IPPROTO_IP, IP_TTL, 1, 255, 64 },
	{ "IP_MTU_DISCOVER", IPPROTO_IP, IP_MTU_DISCOVER, 0, 5, 1 },
	{ "IP_RECVERR", IPPROTO_IP, IP_RECVERR, INT_MIN, INT_MAX, 0, true },
	{ "IP_PKTINFO", IPPROTO_IP, IP_PKTINFO, INT_MIN, INT_MAX, 0, true },
	{ "IP_RECVTTL", IPPROTO_IP, IP_RECVTTL, INT_MIN, INT_MAX, 0, true },
	{ "IP_RECVTOS", IPPROTO_IP, IP_RECVTOS, INT_MIN, INT_MAX, 0, true },
	{ "IPV6_UNICAST_HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, 0, 255, 64 },
	{ "IPV6_MTU_DISCOVER", IPPROTO_IPV6, IPV6_MTU_DISCOVER, 0, 5, 1 },
	{ "IPV6_RECVERR", IPPROTO_IPV6, IPV6_RECVERR, INT_MIN, INT_MAX, 0, true },
	{ "IPV6_RECVPKTINFO", IPPROTO_IPV6, IPV6_RECVPKTINFO, INT_MIN, INT_MAX, 0, true },
	{ "IPV6_RECVHOPLIMIT", IPPROTO_IPV6, IPV6_RECVHOPLIMIT, INT_MIN, INT_MAX, 0, true },
	{ "IPV6_RECVTCLASS", IPPROTO_IPV6, IPV6_RECVTCLASS, INT_MIN, INT_MAX, 0, true },
	{ "IPV6_DONTFRAG", IPPROTO_IPV6, IPV6_DONTFRAG, INT_MIN, INT_MAX, 0, true },
	{ "IPV6_AUTOFLOWLABEL", IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, INT_MIN, INT_MAX, 1, true },
	{ "IPV6_ADDR_PREFERENCES", IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, 0, INT_MAX, 0x500 },
};

static void np_hint_desc(const struct np_hint_row *r, char *desc)
{
	strscpy(desc, r->text, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_hint, np_hint_rows, np_hint_desc);

/* Those that are more, or less, than a hint. */
static const struct {
	int level;
	int name;
	enum np_opt_kind kind;
} np_other_rows[] = {
	{ IPPROTO_TCP, TCP_CONGESTION, NP_OPT_STRING },
	{ IPPROTO_TCP, TCP_INFO, NP_OPT_INFO },
	{ IPPROTO_IP, IP_TOS, NP_OPT_HINT },
	{ IPPROTO_IP, IP_FREEBIND, NP_OPT_FREEBIND },
	{ IPPROTO_IP, IP_TRANSPARENT, NP_OPT_TRANSPARENT },
	{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, NP_OPT_BIND_NO_PORT },
	{ IPPROTO_IPV6, IPV6_TCLASS, NP_OPT_HINT },
	{ IPPROTO_IPV6, IPV6_V6ONLY, NP_OPT_V6ONLY },
	{ IPPROTO_IPV6, IPV6_FREEBIND, NP_OPT_FREEBIND },
	{ IPPROTO_IPV6, IPV6_TRANSPARENT, NP_OPT_TRANSPARENT },
};

static void np_option_hint_row(struct kunit *test)
{
	const struct np_hint_row *r = test->param_value;
	const struct np_opt *o = np_opt_find(r->level, r->name);

	KUNIT_ASSERT_NOT_NULL(test, o);
	KUNIT_EXPECT_EQ(test, o->level, r->level);
	KUNIT_EXPECT_EQ(test, o->name, r->name);
	KUNIT_EXPECT_EQ(test, (int)o->kind, (int)NP_OPT_HINT);
	KUNIT_EXPECT_LT(test, (int)o->hint, (int)NP_HINT_NR);
	KUNIT_EXPECT_EQ(test, o->def, r->def);
	KUNIT_EXPECT_FALSE(test, o->flags & NP_OPT_GET_ONLY);
}

/* What a program sets, and what it reads then; or an error. */
static void np_expect_set(struct kunit *test, const struct np_opt *o, int val,
			  int err, int stored)
{
	int v = val;

	KUNIT_EXPECT_EQ_MSG(test, np_opt_check(o, &v), err, "value %d", val);
	if (!err)
		KUNIT_EXPECT_EQ_MSG(test, v, stored, "value %d", val);
}

static void np_option_limits(struct kunit *test)
{
	const struct np_hint_row *r = test->param_value;
	const struct np_opt *o = np_opt_find(r->level, r->name);
	/* A value below the limits that means something of its own. */
	int special = r->min, v;

	KUNIT_ASSERT_NOT_NULL(test, o);
	if (r->norm) {
		np_expect_set(test, o, 0, 0, 0);
		np_expect_set(test, o, 1, 0, 1);
		np_expect_set(test, o, 2, 0, 1);
		np_expect_set(test, o, -1, 0, 1);
		np_expect_set(test, o, 256, 0, 1);
		np_expect_set(test, o, INT_MIN, 0, 1);
		np_expect_set(test, o, INT_MAX, 0, 1);
		return;
	}
	if (o->flags & NP_OPT_PREFS) {
		np_expect_set(test, o, 0, 0, 0);
		np_expect_set(test, o, IPV6_PREFER_SRC_TMP | IPV6_PREFER_SRC_CGA, 0,
			      IPV6_PREFER_SRC_TMP | IPV6_PREFER_SRC_CGA);
		np_expect_set(test, o, IPV6_PREFER_SRC_TMP | IPV6_PREFER_SRC_PUBLIC, -EINVAL, 0);
		np_expect_set(test, o, IPV6_PREFER_SRC_COA | IPV6_PREFER_SRC_HOME, -EINVAL, 0);
		np_expect_set(test, o, IPV6_PREFER_SRC_CGA | IPV6_PREFER_SRC_NONCGA, -EINVAL, 0);
		np_expect_set(test, o, 65536, 0, 65536);
		return;
	}
	if (r->level == IPPROTO_TCP && r->name == TCP_MAXSEG)
		special = 0;
	if ((r->level == IPPROTO_IP && r->name == IP_TTL) ||
	    (r->level == IPPROTO_IPV6 && r->name == IPV6_UNICAST_HOPS))
		special = -1;
	if (special != r->min)
		np_expect_set(test, o, special, 0, r->def);
	for (v = max(r->min, -1000) - 3; v < max(r->min, -1000); v++)
		if (v != special && r->min != INT_MIN)
			np_expect_set(test, o, v, -EINVAL, 0);
	np_expect_set(test, o, r->min, 0, r->min);
	np_expect_set(test, o, r->max, 0, r->max);
	if (r->min != INT_MIN) {
		np_expect_set(test, o, INT_MIN, -EINVAL, 0);
		np_expect_set(test, o, r->min + 1, 0, r->min + 1);
	}
	if (r->max != INT_MAX) {
		np_expect_set(test, o, r->max + 1, -EINVAL, 0);
		np_expect_set(test, o, INT_MAX, -EINVAL, 0);
		np_expect_set(test, o, r->max - 1, 0, r->max - 1);
	}
}

/* A default can be set, if only by its special value. */
static void np_option_default(struct kunit *test)
{
	const struct np_hint_row *r = test->param_value;
	const struct np_opt *o = np_opt_find(r->level, r->name);

	KUNIT_ASSERT_NOT_NULL(test, o);
	np_expect_set(test, o, r->def, 0, r->def);
}

/* The two bits of a traffic class that are not a program's stay clear. */
static void np_option_tos(struct kunit *test)
{
	const struct np_opt *tos = np_opt_find(IPPROTO_IP, IP_TOS);
	const struct np_opt *tclass = np_opt_find(IPPROTO_IPV6, IPV6_TCLASS);

	KUNIT_ASSERT_NOT_NULL(test, tos);
	KUNIT_ASSERT_NOT_NULL(test, tclass);
	np_expect_set(test, tos, 0x10, 0, 0x10);
	np_expect_set(test, tos, 0xff, 0, 0xfc);
	np_expect_set(test, tos, 0x103, 0, 0);
	np_expect_set(test, tos, 0x1b8, 0, 0xb8);
	np_expect_set(test, tos, -1, 0, 0xfc);
	np_expect_set(test, tclass, 0x10, 0, 0x10);
	np_expect_set(test, tclass, 0xff, 0, 0xfc);
	np_expect_set(test, tclass, 3, 0, 0);
	np_expect_set(test, tclass, -1, 0, 0);
	np_expect_set(test, tclass, 0x100, -EINVAL, 0);
	np_expect_set(test, tclass, -2, -EINVAL, 0);
}

static void np_option_other_rows(struct kunit *test)
{
	const struct np_opt *o;
	int i;

	for (i = 0; i < ARRAY_SIZE(np_other_rows); i++) {
		o = np_opt_find(np_other_rows[i].level, np_other_rows[i].name);
		KUNIT_EXPECT_NOT_NULL_MSG(test, o, "row %d", i);
		if (!o)
			continue;
		KUNIT_EXPECT_EQ_MSG(test, (int)o->kind, (int)np_other_rows[i].kind,
				    "row %d", i);
		KUNIT_EXPECT_EQ_MSG(test, !!(o->flags & NP_OPT_GET_ONLY),
				    o->kind == NP_OPT_INFO, "row %d", i);
		if (o->kind == NP_OPT_HINT || o->kind == NP_OPT_STRING ||
		    o->kind == NP_OPT_INFO)
			continue;
		/* What works is a switch. */
		np_expect_set(test, o, 0, 0, 0);
		np_expect_set(test, o, 1, 0, 1);
		np_expect_set(test, o, -7, 0, 1);
	}
}

static const struct np_refused_row {
	const char *text;
	int level;
	int name;
} np_refused_rows[] = {
	{ "TCP_ULP", IPPROTO_TCP, TCP_ULP },
	{ "TCP_MD5SIG", IPPROTO_TCP, TCP_MD5SIG },
	{ "TCP_MD5SIG_EXT", IPPROTO_TCP, TCP_MD5SIG_EXT },
	{ "TCP_REPAIR", IPPROTO_TCP, TCP_REPAIR },
	{ "TCP_REPAIR_QUEUE", IPPROTO_TCP, TCP_REPAIR_QUEUE },
	{ "TCP_REPAIR_OPTIONS", IPPROTO_TCP, TCP_REPAIR_OPTIONS },
	{ "TCP_REPAIR_WINDOW", IPPROTO_TCP, TCP_REPAIR_WINDOW },
	{ "TCP_QUEUE_SEQ", IPPROTO_TCP, TCP_QUEUE_SEQ },
	{ "TCP_ZEROCOPY_RECEIVE", IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE },
	{ "TCP_SAVED_SYN", IPPROTO_TCP, TCP_SAVED_SYN },
	{ "TCP_CC_INFO", IPPROTO_TCP, TCP_CC_INFO },
	{ "TCP_FASTOPEN_KEY", IPPROTO_TCP, TCP_FASTOPEN_KEY },
	{ "TCP 0", IPPROTO_TCP, 0 },
	{ "IP_MINTTL", IPPROTO_IP, IP_MINTTL },
	{ "IP_OPTIONS", IPPROTO_IP, IP_OPTIONS },
	{ "IP_HDRINCL", IPPROTO_IP, IP_HDRINCL },
	{ "IP_ROUTER_ALERT", IPPROTO_IP, IP_ROUTER_ALERT },
	{ "IP_RETOPTS", IPPROTO_IP, IP_RETOPTS },
	{ "IP_IPSEC_POLICY", IPPROTO_IP, IP_IPSEC_POLICY },
	{ "IP_XFRM_POLICY", IPPROTO_IP, IP_XFRM_POLICY },
	{ "IP_NODEFRAG", IPPROTO_IP, IP_NODEFRAG },
	{ "IP_MULTICAST_IF", IPPROTO_IP, IP_MULTICAST_IF },
	{ "IP_MULTICAST_TTL", IPPROTO_IP, IP_MULTICAST_TTL },
	{ "IP_MULTICAST_LOOP", IPPROTO_IP, IP_MULTICAST_LOOP },
	{ "IP_ADD_MEMBERSHIP", IPPROTO_IP, IP_ADD_MEMBERSHIP },
	{ "IP_DROP_MEMBERSHIP", IPPROTO_IP, IP_DROP_MEMBERSHIP },
	{ "IP_MSFILTER", IPPROTO_IP, IP_MSFILTER },
	{ "MCAST_JOIN_GROUP", IPPROTO_IP, MCAST_JOIN_GROUP },
	{ "IPV6_MINHOPCOUNT", IPPROTO_IPV6, IPV6_MINHOPCOUNT },
	{ "IPV6_ADDRFORM", IPPROTO_IPV6, IPV6_ADDRFORM },
	{ "IPV6_RTHDR", IPPROTO_IPV6, IPV6_RTHDR },
	{ "IPV6_HOPOPTS", IPPROTO_IPV6, IPV6_HOPOPTS },
	{ "IPV6_2292PKTOPTIONS", IPPROTO_IPV6, IPV6_2292PKTOPTIONS },
	{ "IPV6_MULTICAST_IF", IPPROTO_IPV6, IPV6_MULTICAST_IF },
	{ "IPV6_MULTICAST_HOPS", IPPROTO_IPV6, IPV6_MULTICAST_HOPS },
	{ "IPV6_MULTICAST_LOOP", IPPROTO_IPV6, IPV6_MULTICAST_LOOP },
	{ "IPV6_ADD_MEMBERSHIP", IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP },
	{ "IPV6_JOIN_ANYCAST", IPPROTO_IPV6, IPV6_JOIN_ANYCAST },
	{ "IPV6_XFRM_POLICY", IPPROTO_IPV6, IPV6_XFRM_POLICY },
	{ "SO_REUSEADDR", SOL_SOCKET, 2 },
	{ "SOL_TLS TLS_TX", 282, 1 },
	{ "UDP_CORK", IPPROTO_UDP, 1 },
	{ "of a level that 16 bits do not tell from TCP's", 0x10000 + IPPROTO_TCP,
	  TCP_NODELAY },
	{ "of a name that 16 bits do not tell from TCP_NODELAY", IPPROTO_TCP,
	  0x10000 + TCP_NODELAY },
	{ "of the level -1", -1, 1 },
	{ "of the name -1", IPPROTO_TCP, -1 },
};

static void np_refused_desc(const struct np_refused_row *r, char *desc)
{
	strscpy(desc, r->text, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_refused, np_refused_rows, np_refused_desc);

static void np_option_refused(struct kunit *test)
{
	const struct np_refused_row *r = test->param_value;

	KUNIT_EXPECT_NULL(test, np_opt_find(r->level, r->name));
}

static bool np_option_known(int level, int name)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(np_hint_rows); i++)
		if (np_hint_rows[i].level == level && np_hint_rows[i].name == name)
			return true;
	for (i = 0; i < ARRAY_SIZE(np_other_rows); i++)
		if (np_other_rows[i].level == level && np_other_rows[i].name == name)
			return true;
	return false;
}

/* There is nothing else, no row was copied without changing its place to store
 * the value, and no place is without a row.
 */
static void np_option_all(struct kunit *test)
{
	int used[NP_HINT_NR] = { }, level, name, i;
	const struct np_opt *o;

	for (level = 0; level < 300; level++) {
		for (name = -2; name < 300; name++) {
			o = np_opt_find(level, name);
			KUNIT_EXPECT_EQ_MSG(test, !!o, np_option_known(level, name),
					    "level %d, name %d", level, name);
			if (!o)
				continue;
			KUNIT_EXPECT_EQ(test, o->level, level);
			KUNIT_EXPECT_EQ(test, o->name, name);
			if (o->kind == NP_OPT_HINT && o->hint < NP_HINT_NR)
				used[o->hint]++;
		}
	}
	for (i = 0; i < NP_HINT_NR; i++)
		KUNIT_EXPECT_EQ_MSG(test, used[i], 1, "hint %d", i);
}

static void np_option_new_socket(struct kunit *test)
{
	const struct np_hint_row *r;
	const struct np_opt *o;
	struct np_hints *h;
	int i;

	h = kunit_kmalloc(test, sizeof(*h), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, h);
	memset(h, 0xa5, sizeof(*h));
	np_hints_init(h);
	for (i = 0; i < ARRAY_SIZE(np_hint_rows); i++) {
		r = &np_hint_rows[i];
		o = np_opt_find(r->level, r->name);
		if (o)
			KUNIT_EXPECT_EQ_MSG(test, h->v[o->hint], r->def, "%s", r->text);
	}
	for (i = 0; i < NP_HINT_NR; i++)
		KUNIT_EXPECT_NE_MSG(test, h->v[i], -0x5a5a5a5b, "hint %d", i);
	KUNIT_EXPECT_STREQ(test, h->congestion, "cubic");
	for (i = sizeof("cubic"); i < NP_HINT_STRING; i++)
		KUNIT_EXPECT_EQ(test, h->congestion[i], 0);
}

/* Every length that a program may pass; the memory ends there. */
static void np_option_read(struct kunit *test)
{
	static const struct {
		int level;
		int name;
		int min;	/* so many bytes will do */
	} rows[] = {
		{ IPPROTO_TCP, TCP_NODELAY, sizeof(int) },
		{ IPPROTO_IP, IP_TTL, 0 },
		{ IPPROTO_IP, IP_FREEBIND, 1 },
		{ IPPROTO_IP, IP_TRANSPARENT, 1 },
		{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, sizeof(int) },
	};
	const struct np_opt *o;
	int i, len, val, want;
	u8 *mem;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		o = np_opt_find(rows[i].level, rows[i].name);
		KUNIT_ASSERT_NOT_NULL(test, o);
		for (len = 0; len <= 20; len++) {
			mem = kunit_kzalloc(test, len, GFP_KERNEL);
			KUNIT_ASSERT_NOT_NULL(test, mem);
			memset(mem, 0x41, len);
			val = -1;
			want = len >= (int)sizeof(int) ? 0x41414141 : len ? 0x41 : 0;
			if (len >= rows[i].min) {
				KUNIT_EXPECT_EQ(test, np_opt_read(o, KERNEL_SOCKPTR(mem),
								  len, &val), 0);
				KUNIT_EXPECT_EQ_MSG(test, val, want, "length %d", len);
			} else {
				KUNIT_EXPECT_EQ(test, np_opt_read(o, KERNEL_SOCKPTR(mem),
								  len, &val), -EINVAL);
			}
			kunit_kfree(test, mem);
		}
	}
}

/* User memory, lent by the program that loads the module: a page, and a hole
 * behind it.
 */
static struct mm_struct *np_option_mm;
static unsigned long np_option_page;

static int np_option_suite_init(struct kunit_suite *suite)
{
	unsigned long addr;

	np_option_mm = get_task_mm(current);
	if (!np_option_mm)
		return -EINVAL;
	addr = vm_mmap(NULL, 0, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, 0);
	if (IS_ERR_VALUE(addr)) {
		mmput(np_option_mm);
		np_option_mm = NULL;
		return (int)addr;
	}
	np_option_page = addr;
	return vm_munmap(addr + PAGE_SIZE, PAGE_SIZE);
}

static void np_option_suite_exit(struct kunit_suite *suite)
{
	if (!np_option_mm)
		return;
	vm_munmap(np_option_page, PAGE_SIZE);
	mmput(np_option_mm);
}

/* What getsockopt() does: bytes to where there is room for @len, of which
 * @good are there.
 */
static const struct np_write_row {
	int level;
	int name;
	int val;
	int len;
	int good;
	int err;
	int used;	/* bytes written, if any */
} np_write_rows[] = {
	{ IPPROTO_TCP, TCP_MAXSEG, 0x12345678, 4, 8, 0, 4 },
	{ IPPROTO_TCP, TCP_MAXSEG, 0x12345678, 8, 8, 0, 4 },
	{ IPPROTO_TCP, TCP_MAXSEG, 0x12345678, INT_MAX, 8, 0, 4 },
	{ IPPROTO_TCP, TCP_MAXSEG, 0x12345678, 3, 8, 0, 3 },
	{ IPPROTO_TCP, TCP_MAXSEG, 7, 1, 8, 0, 1 },
	{ IPPROTO_TCP, TCP_MAXSEG, 7, 0, 8, 0, 0 },
	{ IPPROTO_TCP, TCP_MAXSEG, 7, -1, 8, -EINVAL, 0 },
	{ IPPROTO_TCP, TCP_MAXSEG, 7, INT_MIN, 8, -EINVAL, 0 },
	{ IPPROTO_TCP, TCP_MAXSEG, 7, 4, 3, -EFAULT, 0 },
	{ IPPROTO_TCP, TCP_MAXSEG, 7, 4, 0, -EFAULT, 0 },
	{ IPPROTO_IP, IP_TTL, 64, 4, 8, 0, 4 },
	{ IPPROTO_IP, IP_TTL, 64, 3, 8, 0, 1 },
	{ IPPROTO_IP, IP_TTL, 64, 1, 8, 0, 1 },
	{ IPPROTO_IP, IP_TTL, 64, 0, 8, 0, 0 },
	{ IPPROTO_IP, IP_TTL, 255, 1, 8, 0, 1 },
	{ IPPROTO_IP, IP_TTL, 256, 3, 8, 0, 3 },
	{ IPPROTO_IP, IP_TTL, -1, 3, 8, 0, 3 },
	{ IPPROTO_IP, IP_TTL, 64, 1, 0, -EFAULT, 0 },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, 64, 4, 8, 0, 4 },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, 64, 1, 8, 0, 1 },
};

static void np_write_desc(const struct np_write_row *r, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "level %d, %d into %d, %d there",
		 r->level, r->val, r->len, r->good);
}

KUNIT_ARRAY_PARAM(np_write, np_write_rows, np_write_desc);

static void np_option_write(struct kunit *test)
{
	const struct np_write_row *r = test->param_value;
	const struct np_opt *o = np_opt_find(r->level, r->name);
	u8 __user *to = (u8 __user *)(np_option_page + PAGE_SIZE - r->good);
	int __user *ulen = (int __user *)np_option_page;
	u8 got[8], fill[8];
	int err, len = r->len, missing;

	KUNIT_ASSERT_NOT_NULL(test, o);
	memset(fill, 0xee, sizeof(fill));
	memset(got, 0, sizeof(got));
	kthread_use_mm(np_option_mm);
	missing = copy_to_user(ulen, &len, sizeof(len));
	missing += copy_to_user(to, fill, r->good);
	err = np_opt_write(o, r->val, (char __user *)to, ulen);
	missing += copy_from_user(got, to, r->good);
	missing += copy_from_user(&len, ulen, sizeof(len));
	/* The length itself may be out of reach. */
	KUNIT_EXPECT_EQ(test, np_opt_write(o, r->val, (char __user *)to,
					   (int __user *)(np_option_page + PAGE_SIZE)),
			-EFAULT);
	kthread_unuse_mm(np_option_mm);
	KUNIT_EXPECT_EQ(test, missing, 0);
	KUNIT_EXPECT_EQ(test, err, r->err);
	if (err)
		return;
	KUNIT_EXPECT_EQ(test, len, r->used);
	KUNIT_EXPECT_EQ(test, memcmp(got, &r->val, r->used), 0);
	KUNIT_EXPECT_EQ(test, memcmp(got + r->used, fill, r->good - r->used), 0);
}

static struct kunit_case np_option_cases[] = {
	KUNIT_CASE_PARAM(np_option_hint_row, np_hint_gen_params),
	KUNIT_CASE_PARAM(np_option_limits, np_hint_gen_params),
	KUNIT_CASE_PARAM(np_option_default, np_hint_gen_params),
	KUNIT_CASE(np_option_tos),
	KUNIT_CASE(np_option_other_rows),
	KUNIT_CASE_PARAM(np_option_refused, np_refused_gen_params),
	KUNIT_CASE(np_option_all),
	KUNIT_CASE(np_option_new_socket),
	KUNIT_CASE(np_option_read),
	KUNIT_CASE_PARAM(np_option_write, np_write_gen_params),
	{}
};

static struct kunit_suite np_option_suite = {
	.name = "newproto_option",
	.suite_init = np_option_suite_init,
	.suite_exit = np_option_suite_exit,
	.test_cases = np_option_cases,
};

kunit_test_suite(np_option_suite);
