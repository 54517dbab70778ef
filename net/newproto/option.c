// SPDX-License-Identifier: GPL-2.0-only
/*
 * The option table. Limits and defaults are those of tcp(7), ip(7) and
 * ipv6(7), so that a program finds what it finds on a TCP socket.
 */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <linux/uaccess.h>
#include <net/inet_ecn.h>

#include "kunit.h"
#include "option.h"

#define HINT(lvl, opt, h, fl, lo, hi, dflt)				\
	{ .level = IPPROTO_##lvl, .name = opt, .kind = NP_OPT_HINT,	\
	  .hint = NP_HINT_##h, .flags = fl, .min = lo, .max = hi, .def = dflt }
#define BOOL(lvl, opt, h, dflt)						\
	HINT(lvl, opt, h, NP_OPT_BOOL, INT_MIN, INT_MAX, dflt)
#define WORKS(lvl, opt, k, fl)						\
	{ .level = IPPROTO_##lvl, .name = opt, .kind = NP_OPT_##k,	\
	  .flags = fl, .min = INT_MIN, .max = INT_MAX }

static const struct np_opt np_opt_table[] = {
	BOOL(TCP, TCP_NODELAY, NODELAY, 0),
	HINT(TCP, TCP_MAXSEG, MAXSEG, NP_OPT_ZERO, 88, 32767, 536),
	BOOL(TCP, TCP_CORK, CORK, 0),
	HINT(TCP, TCP_KEEPIDLE, KEEPIDLE, 0, 1, 32767, 7200),
	HINT(TCP, TCP_KEEPINTVL, KEEPINTVL, 0, 1, 32767, 75),
	HINT(TCP, TCP_KEEPCNT, KEEPCNT, 0, 1, 127, 9),
	HINT(TCP, TCP_SYNCNT, SYNCNT, 0, 1, 127, 6),
	HINT(TCP, TCP_LINGER2, LINGER2, 0, INT_MIN, INT_MAX, 60),
	HINT(TCP, TCP_DEFER_ACCEPT, DEFER_ACCEPT, 0, INT_MIN, INT_MAX, 0),
	HINT(TCP, TCP_WINDOW_CLAMP, WINDOW_CLAMP, 0, INT_MIN, INT_MAX, 0),
	BOOL(TCP, TCP_QUICKACK, QUICKACK, 1),
	HINT(TCP, TCP_THIN_LINEAR_TIMEOUTS, THIN_LINEAR, 0, 0, 1, 0),
	HINT(TCP, TCP_THIN_DUPACK, THIN_DUPACK, 0, 0, 1, 0),
	HINT(TCP, TCP_USER_TIMEOUT, USER_TIMEOUT, 0, 0, INT_MAX, 0),
	HINT(TCP, TCP_FASTOPEN, FASTOPEN, 0, 0, INT_MAX, 0),
	HINT(TCP, TCP_FASTOPEN_CONNECT, FASTOPEN_CONNECT, 0, 0, 1, 0),
	HINT(TCP, TCP_FASTOPEN_NO_COOKIE, FASTOPEN_NO_COOKIE, 0, 0, 1, 0),
	HINT(TCP, TCP_NOTSENT_LOWAT, NOTSENT_LOWAT, 0, INT_MIN, INT_MAX, 0),
	HINT(TCP, TCP_TX_DELAY, TX_DELAY, 0, INT_MIN, INT_MAX, 0),
	{ .level = IPPROTO_TCP, .name = TCP_CONGESTION, .kind = NP_OPT_STRING },
	WORKS(TCP, TCP_INFO, INFO, NP_OPT_GET_ONLY),

	HINT(IP, IP_TOS, TOS, NP_OPT_TOS, INT_MIN, INT_MAX, 0),
	HINT(IP, IP_TTL, TTL, NP_OPT_MINUS1, 1, 255, 64),
	HINT(IP, IP_MTU_DISCOVER, MTU_DISCOVER, 0, IP_PMTUDISC_DONT,
	     IP_PMTUDISC_OMIT, IP_PMTUDISC_WANT),
	BOOL(IP, IP_RECVERR, RECVERR, 0),
	BOOL(IP, IP_PKTINFO, PKTINFO, 0),
	BOOL(IP, IP_RECVTTL, RECVTTL, 0),
	BOOL(IP, IP_RECVTOS, RECVTOS, 0),
	WORKS(IP, IP_FREEBIND, FREEBIND, NP_OPT_BOOL | NP_OPT_NOT_EMPTY),
	WORKS(IP, IP_TRANSPARENT, TRANSPARENT, NP_OPT_BOOL | NP_OPT_NOT_EMPTY),
	WORKS(IP, IP_BIND_ADDRESS_NO_PORT, BIND_NO_PORT, NP_OPT_BOOL),

	HINT(IPV6, IPV6_UNICAST_HOPS, UNICAST_HOPS, NP_OPT_MINUS1, 0, 255, 64),
	HINT(IPV6, IPV6_TCLASS, TCLASS, NP_OPT_MINUS1 | NP_OPT_TOS, 0, 255, 0),
	HINT(IPV6, IPV6_MTU_DISCOVER, MTU_DISCOVER6, 0, IPV6_PMTUDISC_DONT,
	     IPV6_PMTUDISC_OMIT, IPV6_PMTUDISC_WANT),
	BOOL(IPV6, IPV6_RECVERR, RECVERR6, 0),
	BOOL(IPV6, IPV6_RECVPKTINFO, RECVPKTINFO6, 0),
	BOOL(IPV6, IPV6_RECVHOPLIMIT, RECVHOPLIMIT6, 0),
	BOOL(IPV6, IPV6_RECVTCLASS, RECVTCLASS6, 0),
	BOOL(IPV6, IPV6_DONTFRAG, DONTFRAG6, 0),
	BOOL(IPV6, IPV6_AUTOFLOWLABEL, AUTOFLOWLABEL6, 1),
	HINT(IPV6, IPV6_ADDR_PREFERENCES, ADDR_PREFERENCES6, NP_OPT_PREFS, INT_MIN, INT_MAX,
	     IPV6_PREFER_SRC_PUBTMP_DEFAULT | IPV6_PREFER_SRC_HOME),
	WORKS(IPV6, IPV6_V6ONLY, V6ONLY, NP_OPT_BOOL),
	WORKS(IPV6, IPV6_FREEBIND, FREEBIND, NP_OPT_BOOL),
	WORKS(IPV6, IPV6_TRANSPARENT, TRANSPARENT, NP_OPT_BOOL),
};

/* The rows of datagram sockets. All of these work, and inet's own code sees to
 * them: what makes sense of a packet that meets no router and no multicast.
 */
static const struct {
	u16 level;
	u16 name;
} np_opt_dgram_table[] = {
	{ IPPROTO_IP, IP_TOS },
	{ IPPROTO_IP, IP_TTL },
	{ IPPROTO_IP, IP_MTU_DISCOVER },
	{ IPPROTO_IP, IP_RECVERR },
	{ IPPROTO_IP, IP_PKTINFO },
	{ IPPROTO_IP, IP_RECVTTL },
	{ IPPROTO_IP, IP_RECVTOS },
	{ IPPROTO_IP, IP_RECVORIGDSTADDR },
	{ IPPROTO_IP, IP_FREEBIND },
	{ IPPROTO_IP, IP_TRANSPARENT },
	{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS },
	{ IPPROTO_IPV6, IPV6_TCLASS },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER },
	{ IPPROTO_IPV6, IPV6_RECVERR },
	{ IPPROTO_IPV6, IPV6_RECVPKTINFO },
	{ IPPROTO_IPV6, IPV6_RECVHOPLIMIT },
	{ IPPROTO_IPV6, IPV6_RECVTCLASS },
	{ IPPROTO_IPV6, IPV6_RECVORIGDSTADDR },
	{ IPPROTO_IPV6, IPV6_DONTFRAG },
	{ IPPROTO_IPV6, IPV6_AUTOFLOWLABEL },
	{ IPPROTO_IPV6, IPV6_ADDR_PREFERENCES },
	{ IPPROTO_IPV6, IPV6_V6ONLY },
	{ IPPROTO_IPV6, IPV6_FREEBIND },
	{ IPPROTO_IPV6, IPV6_TRANSPARENT },
};

/**
 * np_opt_is_dgram - do datagram sockets have an option of IP's or IPv6's?
 * @level: the level
 * @name: the option
 */
bool np_opt_is_dgram(int level, int name)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(np_opt_dgram_table); i++)
		if (np_opt_dgram_table[i].level == level &&
		    np_opt_dgram_table[i].name == name)
			return true;
	return false;
}
EXPORT_SYMBOL_NP_KUNIT(np_opt_is_dgram);

/**
 * np_opt_find - find an option's row
 * @level: the level
 * @name: the option
 *
 * Return: the row, or NULL: the option is refused.
 */
const struct np_opt *np_opt_find(int level, int name)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(np_opt_table); i++)
		if (np_opt_table[i].level == level && np_opt_table[i].name == name)
			return &np_opt_table[i];
	return NULL;
}
EXPORT_SYMBOL_NP_KUNIT(np_opt_find);

/* IPV6_ADDR_PREFERENCES: of each kind of address one can be preferred. */
static int np_opt_check_prefs(int val)
{
	static const int kinds[] = {
		IPV6_PREFER_SRC_TMP | IPV6_PREFER_SRC_PUBLIC | IPV6_PREFER_SRC_PUBTMP_DEFAULT,
		IPV6_PREFER_SRC_COA | IPV6_PREFER_SRC_HOME,
		IPV6_PREFER_SRC_CGA | IPV6_PREFER_SRC_NONCGA,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (hweight32(val & kinds[i]) > 1)
			return -EINVAL;
	return 0;
}

/**
 * np_opt_check - is a value good for an option?
 * @o: the option
 * @val: the value; brought to the form that is stored
 *
 * Return: 0 or -EINVAL.
 */
int np_opt_check(const struct np_opt *o, int *val)
{
	if (o->flags & NP_OPT_BOOL) {
		*val = !!*val;
		return 0;
	}
	if (o->flags & NP_OPT_PREFS)
		return np_opt_check_prefs(*val);
	if (o->flags & NP_OPT_MINUS1 && *val == -1) {
		*val = o->def;
		return 0;
	}
	if (o->flags & NP_OPT_ZERO && !*val) {
		*val = o->def;
		return 0;
	}
	if (*val < o->min || *val > o->max)
		return -EINVAL;
	if (o->flags & NP_OPT_TOS)
		*val &= 0xff & ~INET_ECN_MASK;
	return 0;
}
EXPORT_SYMBOL_NP_KUNIT(np_opt_check);

/**
 * np_opt_read - get an option's value from a program
 * @o: the option
 * @from: where it is
 * @len: its length; ip(7)'s options may be a single byte, or most of them none: 0
 * @val: where to put it
 *
 * Return: 0, -EINVAL if it is too short, -EFAULT.
 */
int np_opt_read(const struct np_opt *o, sockptr_t from, unsigned int len, int *val)
{
	u8 byte;

	if (len >= sizeof(*val))
		return copy_from_sockptr(val, from, sizeof(*val)) ? -EFAULT : 0;
	if (o->level != IPPROTO_IP)
		return -EINVAL;
	*val = 0;
	if (!len)
		return o->flags & NP_OPT_NOT_EMPTY ? -EINVAL : 0;
	if (copy_from_sockptr(&byte, from, 1))
		return -EFAULT;
	*val = byte;
	return 0;
}
EXPORT_SYMBOL_NP_KUNIT(np_opt_read);

/**
 * np_opt_write - give an option's value to a program
 * @o: the option
 * @val: the value
 * @to: where to put it
 * @ulen: the room there; changed to what was used
 *
 * A shorter buffer gets as many bytes as it takes; ip(7)'s options a single
 * byte if the value fits.
 *
 * Return: 0, -EINVAL for a negative length, -EFAULT.
 */
int np_opt_write(const struct np_opt *o, int val, char __user *to,
		 int __user *ulen)
{
	u8 byte = val;
	int len;

	if (get_user(len, ulen))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	if (o->level == IPPROTO_IP && len > 0 && len < (int)sizeof(val) &&
	    val >= 0 && val <= 255) {
		if (put_user(1, ulen) || copy_to_user(to, &byte, 1))
			return -EFAULT;
		return 0;
	}
	len = min_t(int, len, sizeof(val));
	if (put_user(len, ulen) || copy_to_user(to, &val, len))
		return -EFAULT;
	return 0;
}
EXPORT_SYMBOL_NP_KUNIT(np_opt_write);

/**
 * np_hints_init - fill in the defaults
 * @h: where
 */
void np_hints_init(struct np_hints *h)
{
	int i;

	memset(h, 0, sizeof(*h));
	for (i = 0; i < ARRAY_SIZE(np_opt_table); i++)
		if (np_opt_table[i].kind == NP_OPT_HINT)
			h->v[np_opt_table[i].hint] = np_opt_table[i].def;
	strscpy(h->congestion, "cubic", sizeof(h->congestion));
}
EXPORT_SYMBOL_NP_KUNIT(np_hints_init);
