// SPDX-License-Identifier: GPL-2.0-only
/*
 * net.newproto.*, per namespace.
 */
#include <linux/slab.h>
#include <linux/sysctl.h>

#include "compat.h"
#include "net.h"

static int np_sysctl_1 = 1;
static int np_sysctl_day = 24 * 3600 * 1000;

static const struct ctl_table np_sysctl_table[] = {
	{
		.procname = "connect_timeout",
		.maxlen = sizeof(int),
		.mode = 0644,
		.proc_handler = proc_dointvec_minmax,
		.extra1 = &np_sysctl_1,
		.extra2 = &np_sysctl_day,
	}, {
		.procname = "group_grace_max",
		.maxlen = sizeof(int),
		.mode = 0644,
		.proc_handler = proc_dointvec_minmax,
		.extra1 = SYSCTL_ZERO,
		.extra2 = &np_sysctl_day,
	}, {
		.procname = "group_silent_time",
		.maxlen = sizeof(int),
		.mode = 0644,
		.proc_handler = proc_dointvec_minmax,
		.extra1 = SYSCTL_ZERO,
		.extra2 = &np_sysctl_day,
	},
	{ }
};

/**
 * np_sysctl_init_net - make a namespace's sysctls
 * @net: the namespace
 *
 * Return: 0 or -ENOMEM.
 */
int np_sysctl_init_net(struct net *net)
{
	struct np_net *nn = np_net(net);
	struct ctl_table *table;

	table = kmemdup(np_sysctl_table, sizeof(np_sysctl_table), GFP_KERNEL);
	if (!table)
		return -ENOMEM;
	table[0].data = &nn->connect_timeout;
	table[1].data = &nn->grace_max;
	table[2].data = &nn->silent_time;
	nn->sysctl = register_net_sysctl(net, "net/newproto", table);
	if (!nn->sysctl) {
		kfree(table);
		return -ENOMEM;
	}
	return 0;
}

/**
 * np_sysctl_exit_net - remove a namespace's sysctls
 * @net: the namespace
 */
void np_sysctl_exit_net(struct net *net)
{
	struct np_net *nn = np_net(net);
	struct ctl_table *table = nn->sysctl->ctl_table_arg;

	unregister_net_sysctl_table(nn->sysctl);
	kfree(table);
}
