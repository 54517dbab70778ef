/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * npnic, the companion NIC of AF_NEWPROTO: what makes and shows a link of that type.
 */
#ifndef _UAPI_LINUX_NPNIC_H
#define _UAPI_LINUX_NPNIC_H

/* IFLA_INFO_KIND of a pair. A device on PCI has it, too, but is not made or deleted so. */
#define NPNIC_KIND		"npnic"

/* Bytes of IFLA_NPNIC_FABRIC. */
#define NPNIC_FABRIC_LEN	16

/**
 * enum npnic_attr - what IFLA_INFO_DATA of a link of type npnic has
 *
 * Those that tell of memory and of queues can be given to a new pair, and count for both
 * of its ends. The kernel chooses what is not given. All but @IFLA_NPNIC_PEER are shown.
 *
 * @IFLA_NPNIC_UNSPEC: not used
 * @IFLA_NPNIC_QUEUES: u32: frame rings in each direction, 1 to 16
 * @IFLA_NPNIC_RING: u32: bytes of a frame ring: a power of two, 128 KiB to 4 MiB
 * @IFLA_NPNIC_REGION: u64: bytes of the shared memory, a multiple of 4,096
 * @IFLA_NPNIC_PEER: nested, new pairs only: struct ifinfomsg and attributes of the
 *	other end, as veth's VETH_INFO_PEER
 * @IFLA_NPNIC_PAD: padding
 * @IFLA_NPNIC_FABRIC: NPNIC_FABRIC_LEN bytes, shown only: what the fabric is known by
 * @IFLA_NPNIC_SLOT: u32, shown only: the device's slot in the fabric
 * @IFLA_NPNIC_SLOTS: u32, shown only: how many slots the fabric has
 * @IFLA_NPNIC_BUS: string, shown only: "pair" or "pci"
 * @__IFLA_NPNIC_MAX: none; how many there are
 */
enum npnic_attr {
	IFLA_NPNIC_UNSPEC,
	IFLA_NPNIC_QUEUES,
	IFLA_NPNIC_RING,
	IFLA_NPNIC_REGION,
	IFLA_NPNIC_PEER,
	IFLA_NPNIC_PAD,
	IFLA_NPNIC_FABRIC,
	IFLA_NPNIC_SLOT,
	IFLA_NPNIC_SLOTS,
	IFLA_NPNIC_BUS,
	__IFLA_NPNIC_MAX,
};

#define IFLA_NPNIC_MAX		(__IFLA_NPNIC_MAX - 1)

#endif /* _UAPI_LINUX_NPNIC_H */
