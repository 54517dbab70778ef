/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters of a namespace, shown in /proc/net/newproto/counters.
 */
#ifndef _NP_STATS_H
#define _NP_STATS_H

#include <linux/percpu.h>

enum np_stat {
	NP_STAT_CONNECTED,	/* connect() found a place in a queue */
	NP_STAT_WAITED,		/* connect() found the queue full and waited */
	NP_STAT_ACCEPTED,	/* accept() returned a connection */
	NP_STAT_REFUSED,	/* connect(): nobody listens */
	NP_STAT_UNREACHABLE,	/* connect(): not an address of this host */
	NP_STAT_TIMED_OUT,	/* connect(): nobody accepted in time */
	NP_STAT_TURNED_AWAY,	/* pending or waiting when the listener closed */
	NP_STAT_RESET,		/* connections ended by a reset */
	NP_STAT_CLOSED,		/* connected sockets closed in order */
	NP_STAT_DGRAM_DELIVERED, /* datagrams put into a receiver's queue */
	NP_STAT_DGRAM_REFUSED,	/* datagrams that nobody was there for */
	NP_STAT_DGRAM_DROPPED,	/* datagrams whose receiver was full */
	NP_STAT_DGRAM_FILTERED,	/* datagrams that a socket filter did not let in */
	NP_STAT_NR
};

/**
 * struct np_stats - one CPU's share of the counters
 * @v: by enum np_stat
 */
struct np_stats {
	unsigned long v[NP_STAT_NR];
};

#endif /* _NP_STATS_H */
