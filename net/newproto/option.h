/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The option table: what setsockopt() and getsockopt() of the levels of TCP,
 * IP and IPv6 do. A leaf: knows nothing of sockets.
 */
#ifndef _NP_OPTION_H
#define _NP_OPTION_H

#include <linux/sockptr.h>
#include <linux/types.h>

/* What becomes of an option. Those that are in no row are refused. */
enum np_opt_kind {
	NP_OPT_HINT,		/* about packets: stored, read back, no effect */
	NP_OPT_STRING,		/* the same, a string */
	NP_OPT_V6ONLY,		/* the others work */
	NP_OPT_FREEBIND,
	NP_OPT_TRANSPARENT,
	NP_OPT_BIND_NO_PORT,
	NP_OPT_INFO,
};

/* Where hints are stored. */
enum np_hint {
	NP_HINT_NODELAY, NP_HINT_MAXSEG, NP_HINT_CORK, NP_HINT_KEEPIDLE,
	NP_HINT_KEEPINTVL, NP_HINT_KEEPCNT, NP_HINT_SYNCNT, NP_HINT_LINGER2,
	NP_HINT_DEFER_ACCEPT, NP_HINT_WINDOW_CLAMP, NP_HINT_QUICKACK,
	NP_HINT_THIN_LINEAR, NP_HINT_THIN_DUPACK, NP_HINT_USER_TIMEOUT,
	NP_HINT_FASTOPEN, NP_HINT_FASTOPEN_CONNECT, NP_HINT_FASTOPEN_NO_COOKIE,
	NP_HINT_NOTSENT_LOWAT, NP_HINT_TX_DELAY,
	NP_HINT_TOS, NP_HINT_TTL, NP_HINT_MTU_DISCOVER, NP_HINT_RECVERR,
	NP_HINT_PKTINFO, NP_HINT_RECVTTL, NP_HINT_RECVTOS,
	NP_HINT_UNICAST_HOPS, NP_HINT_TCLASS, NP_HINT_MTU_DISCOVER6,
	NP_HINT_RECVERR6, NP_HINT_RECVPKTINFO6, NP_HINT_RECVHOPLIMIT6,
	NP_HINT_RECVTCLASS6, NP_HINT_DONTFRAG6, NP_HINT_AUTOFLOWLABEL6,
	NP_HINT_ADDR_PREFERENCES6,
	NP_HINT_NR
};

#define NP_HINT_STRING	16

/**
 * struct np_hints - the stored options of a socket
 *
 * Made when the first one is set; a socket without has the defaults. Guarded
 * by its socket's lock_sock().
 *
 * @v: by enum np_hint
 * @congestion: TCP_CONGESTION
 */
struct np_hints {
	int v[NP_HINT_NR];
	char congestion[NP_HINT_STRING];
};

/**
 * struct np_opt - a row of the table
 * @level: IPPROTO_TCP, IPPROTO_IP or IPPROTO_IPV6
 * @name: the option
 * @kind: enum np_opt_kind
 * @hint: enum np_hint, for NP_OPT_HINT
 * @flags: NP_OPT_*
 * @min: smallest value
 * @max: largest value
 * @def: value of a socket that nobody has set it on
 */
struct np_opt {
	u16 level;
	u16 name;
	u8 kind;
	u8 hint;
	u8 flags;
	int min;
	int max;
	int def;
};

#define NP_OPT_BOOL	BIT(0)	/* any value but 0 is stored as 1 */
#define NP_OPT_MINUS1	BIT(1)	/* -1 stands for the default */
#define NP_OPT_ZERO	BIT(2)	/* 0 is allowed though below the smallest */
#define NP_OPT_GET_ONLY	BIT(3)
#define NP_OPT_TOS	BIT(4)	/* a byte, of which TCP keeps two bits */
#define NP_OPT_NOT_EMPTY BIT(5)	/* ip(7): without a single byte it is EINVAL */
#define NP_OPT_PREFS	BIT(6)	/* IPV6_PREFER_*: none that contradict each other */

const struct np_opt *np_opt_find(int level, int name);
bool np_opt_is_dgram(int level, int name);
int np_opt_check(const struct np_opt *o, int *val);
int np_opt_read(const struct np_opt *o, sockptr_t from, unsigned int len, int *val);
int np_opt_write(const struct np_opt *o, int val, char __user *to,
		 int __user *ulen);
void np_hints_init(struct np_hints *h);

#endif /* _NP_OPTION_H */
