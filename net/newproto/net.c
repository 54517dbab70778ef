// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network namespaces: what each of them has, and the shrinker that looks
 * after the buffers of all.
 */
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/shrinker.h>

#include "compat.h"
#include "group.h"
#include "kunit.h"
#include "net.h"

unsigned int np_net_id __read_mostly;
EXPORT_SYMBOL_NP_KUNIT(np_net_id);

/* As long as TCP tries to connect with its default of 6 retries. */
#define NP_CONNECT_TIMEOUT	127000

#define NP_GROUP_GRACE_MAX	60000
#define NP_GROUP_SILENT_TIME	1000

static void np_net_exit_ports(struct np_net *nn, int n)
{
	while (n--)
		np_ports_exit(&nn->ports[n]);
}

static int np_net_init_ports(struct np_net *nn)
{
	int i, err;

	for (i = 0; i < NP_SPACE_NR; i++) {
		err = np_ports_init(&nn->ports[i]);
		if (err) {
			np_net_exit_ports(nn, i);
			return err;
		}
	}
	return 0;
}

static int __net_init np_net_init_net(struct net *net)
{
	struct np_net *nn = np_net(net);
	int err = -ENOMEM;

	nn->connect_timeout = NP_CONNECT_TIMEOUT;
	nn->grace_max = NP_GROUP_GRACE_MAX;
	nn->silent_time = NP_GROUP_SILENT_TIME;
	np_group_net_init(nn);
	np_pool_init(&nn->pool);
	nn->stats = alloc_percpu(struct np_stats);
	if (!nn->stats)
		return -ENOMEM;
	err = np_net_init_ports(nn);
	if (err)
		goto err_stats;
	err = np_sysctl_init_net(net);
	if (err)
		goto err_ports;
	err = np_proc_init_net(net);
	if (err)
		goto err_sysctl;
	return 0;

err_sysctl:
	np_sysctl_exit_net(net);
err_ports:
	np_net_exit_ports(nn, NP_SPACE_NR);
err_stats:
	free_percpu(nn->stats);
	return err;
}

static void __net_exit np_net_exit_net(struct net *net)
{
	struct np_net *nn = np_net(net);

	np_proc_exit_net(net);
	np_sysctl_exit_net(net);
	np_group_net_exit(nn);
	np_net_exit_ports(nn, NP_SPACE_NR);
	np_pool_exit(&nn->pool);
	free_percpu(nn->stats);
}

static struct pernet_operations np_net_ops = {
	.init = np_net_init_net,
	.exit = np_net_exit_net,
	.id = &np_net_id,
	.size = sizeof(struct np_net),
};

static unsigned long np_shrink_count(struct shrinker *shrinker,
				     struct shrink_control *sc)
{
	unsigned long bytes = 0;
	struct net *net;

	rcu_read_lock();
	for_each_net_rcu(net)
		bytes += np_pool_bytes(&np_net(net)->pool);
	rcu_read_unlock();
	return bytes / PAGE_SIZE ?: SHRINK_EMPTY;
}

/* A channel's buffers can only be taken some time after it was marked (see
 * struct np_chan), so this has the workers do both now, and promises nothing.
 */
static unsigned long np_shrink_scan(struct shrinker *shrinker,
				    struct shrink_control *sc)
{
	struct net *net;

	rcu_read_lock();
	for_each_net_rcu(net)
		if (np_pool_bytes(&np_net(net)->pool))
			np_pool_hurry(&np_net(net)->pool);
	rcu_read_unlock();
	return SHRINK_STOP;
}

static struct shrinker np_shrinker = {
	.count_objects = np_shrink_count,
	.scan_objects = np_shrink_scan,
	.seeks = DEFAULT_SEEKS,
};

/**
 * np_net_init - set up every namespace there is and will be
 *
 * Return: 0 or a negative errno.
 */
int __init np_net_init(void)
{
	int err = register_pernet_subsys(&np_net_ops);

	if (err)
		return err;
	err = register_shrinker(&np_shrinker, "newproto");
	if (err)
		unregister_pernet_subsys(&np_net_ops);
	return err;
}

/**
 * np_net_exit - undo np_net_init()
 */
void np_net_exit(void)
{
	unregister_shrinker(&np_shrinker);
	unregister_pernet_subsys(&np_net_ops);
}
