/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a network namespace has of AF_NEWPROTO.
 */
#ifndef _NP_NET_H
#define _NP_NET_H

#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "pool.h"
#include "port.h"
#include "stats.h"

struct ctl_table_header;

/**
 * struct np_net - per namespace
 *
 * Lives from the namespace's start (or the module's) to its end; every socket
 * keeps its namespace.
 *
 * @stream_ports: ports of SOCK_STREAM sockets
 * @pool: buffers of all channels
 * @stats: counters, per CPU
 * @connect_timeout: sysctl, milliseconds that connect() waits for a place in a
 *	full queue; read without lock
 * @sysctl: the namespace's table
 */
struct np_net {
	struct np_ports stream_ports;
	struct np_pool pool;
	struct np_stats __percpu *stats;
	int connect_timeout;
	struct ctl_table_header *sysctl;
};

extern unsigned int np_net_id;

int np_net_init(void);
void np_net_exit(void);

int np_sysctl_init_net(struct net *net);
void np_sysctl_exit_net(struct net *net);
int np_proc_init_net(struct net *net);
void np_proc_exit_net(struct net *net);

static inline struct np_net *np_net(const struct net *net)
{
	return net_generic(net, np_net_id);
}

static inline void np_stat_inc(const struct net *net, enum np_stat stat)
{
	this_cpu_inc(np_net(net)->stats->v[stat]);
}

#endif /* _NP_NET_H */
