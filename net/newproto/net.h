/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a network namespace has of AF_NEWPROTO.
 */
#ifndef _NP_NET_H
#define _NP_NET_H

#include <linux/net.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "pool.h"
#include "port.h"
#include "stats.h"

struct ctl_table_header;

/* Each type of socket has a space of port numbers of its own. */
enum np_space {
	NP_SPACE_STREAM,
	NP_SPACE_DGRAM,
	NP_SPACE_SEQPACKET,
	NP_SPACE_NR
};

/**
 * struct np_net - per namespace
 *
 * Lives from the namespace's start (or the module's) to its end; every socket
 * keeps its namespace.
 *
 * @ports: by enum np_space
 * @pool: buffers of all channels
 * @stats: counters, per CPU
 * @connect_timeout: sysctl, milliseconds that connect() waits for a place in a
 *	full queue; read without lock, as all sysctls are
 * @grace_max: sysctl, milliseconds that a group may outlive its last member
 * @silent_time: sysctl, milliseconds that a group's member may leave connections
 *	waiting without a call of accept(); 0: as long as it likes
 * @held_lock: guards @held; innermost
 * @held: groups that hold their port
 * @nheld: length of @held; read without lock
 * @sysctl: the namespace's table
 */
struct np_net {
	struct np_ports ports[NP_SPACE_NR];
	struct np_pool pool;
	struct np_stats __percpu *stats;
	int connect_timeout;
	int grace_max;
	int silent_time;
	spinlock_t held_lock;	/* see above */
	struct list_head held;
	unsigned int nheld;
	struct ctl_table_header *sysctl;
};

extern unsigned int np_net_id;

int np_net_init(void);
void np_net_exit(void);

int np_sysctl_init_net(struct net *net);
void np_sysctl_exit_net(struct net *net);
int np_proc_init_net(struct net *net);
void np_proc_exit_net(struct net *net);

/* The space of a type of sockets, SOCK_*. */
static inline enum np_space np_space(int type)
{
	if (type == SOCK_DGRAM)
		return NP_SPACE_DGRAM;
	return type == SOCK_SEQPACKET ? NP_SPACE_SEQPACKET : NP_SPACE_STREAM;
}

static inline struct np_net *np_net(const struct net *net)
{
	return net_generic(net, np_net_id);
}

static inline void np_stat_inc(const struct net *net, enum np_stat stat)
{
	this_cpu_inc(np_net(net)->stats->v[stat]);
}

#endif /* _NP_NET_H */
