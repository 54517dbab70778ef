// SPDX-License-Identifier: GPL-2.0-only
/*
 * npnic: the module.
 */
#include <linux/module.h>
#include <net/rtnetlink.h>

#include "npnic.h"

unsigned int npnic_peer_timeout = 30000;
module_param_named(peer_timeout, npnic_peer_timeout, uint, 0644);
MODULE_PARM_DESC(peer_timeout,
		 "milliseconds after which a silent member is cut off (30000); 0: never");

bool npnic_pair_rings;
module_param_named(pair_rings, npnic_pair_rings, bool, 0644);
MODULE_PARM_DESC(pair_rings,
		 "frames of pairs made from now on go through shared memory, too (N)");

static int __init npnic_module_init(void)
{
	int err;

	err = npnic_pair_register();
	if (err)
		return err;
	err = npnic_pci_register();
	if (err)
		npnic_pair_unregister();
	return err;
}

static void __exit npnic_module_exit(void)
{
	npnic_pci_unregister();
	npnic_pair_unregister();
}

module_init(npnic_module_init);
module_exit(npnic_module_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("npnic: the companion NIC of AF_NEWPROTO");
MODULE_VERSION("0.1");
MODULE_ALIAS_RTNL_LINK("npnic");
