// SPDX-License-Identifier: GPL-2.0-only
/*
 * AF_NEWPROTO: the module.
 */
#include <linux/module.h>
#include <linux/net.h>
#include <net/sock.h>

#include <uapi/linux/newproto.h>

#include "channel.h"
#include "conn.h"
#include "net.h"
#include "pool.h"
#include "port.h"
#include "sock.h"

static int __init np_init(void)
{
	int err;

	err = np_chan_cache_init();
	if (err)
		return err;
	err = np_conn_cache_init();
	if (err)
		goto err_chan;
	err = np_port_cache_init();
	if (err)
		goto err_conn;
	err = np_pool_workers_init();
	if (err)
		goto err_port;
	err = np_net_init();
	if (err)
		goto err_pool;
	err = np_doors_open();
	if (err)
		goto err_net;
	return 0;

err_net:
	np_net_exit();
err_pool:
	np_pool_workers_exit();
err_port:
	np_port_cache_exit();
err_conn:
	np_conn_cache_exit();
err_chan:
	np_chan_cache_exit();
	return err;
}

static void __exit np_exit(void)
{
	np_doors_close();
	np_net_exit();
	np_pool_workers_exit();
	/* Ports and connections are freed by RCU callbacks of ours, the last of which have
	 * NICs' freed by such ones.
	 */
	rcu_barrier();
	rcu_barrier();
	np_port_cache_exit();
	np_conn_cache_exit();
	np_chan_cache_exit();
}

module_init(np_init);
module_exit(np_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("AF_NEWPROTO: sockets between programs of one machine");
MODULE_VERSION("0.1");
MODULE_ALIAS_NETPROTO(AF_NEWPROTO);
/* socket(AF_INET, SOCK_STREAM, IPPROTO_NEWPROTO), and so for SOCK_DGRAM and AF_INET6 */
MODULE_ALIAS_NET_PF_PROTO_TYPE(PF_INET, 258, 1);
MODULE_ALIAS_NET_PF_PROTO_TYPE(PF_INET6, 258, 1);
MODULE_ALIAS_NET_PF_PROTO_TYPE(PF_INET, 258, 2);
MODULE_ALIAS_NET_PF_PROTO_TYPE(PF_INET6, 258, 2);
static_assert(IPPROTO_NEWPROTO == 258 && SOCK_STREAM == 1 && SOCK_DGRAM == 2);
