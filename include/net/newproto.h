/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What drivers of network devices with a fabric and AF_NEWPROTO tell each other.
 *
 * A fabric is memory that several kernels, or several devices of one kernel, share. Each
 * member has a slot in it, memory of its own that only it writes to, and a way to make
 * another one look. The family knows nothing of buses; drivers know nothing of sockets.
 */
#ifndef _NET_NEWPROTO_H
#define _NET_NEWPROTO_H

#include <linux/netdevice.h>
#include <linux/types.h>

struct np_nic;
struct np_nic_client;

/* Slots of a fabric, at the most. */
#define NP_NIC_SLOTS	16
/* Bytes of a message, at the most. */
#define NP_NIC_MSG_MAX	496

/**
 * struct np_nic_mem - memory in a fabric
 * @addr: where this kernel sees it. Others write to their own at any time, or cease to
 *	exist: nothing is used before it is read once and checked
 * @len: bytes, a multiple of 4,096
 * @id: what its owner calls it: below struct np_nic.ids
 * @gen: tells it from what had the id before; not a secret
 */
struct np_nic_mem {
	void *addr;
	u32 len;
	u32 id;
	u32 gen;
};

/**
 * struct np_nic_ops - what the family asks of a driver
 *
 * None is called before np_nic_register() or after np_nic_unregister() has returned.
 *
 * @alloc: get memory of one's own, zeroed, which others may attach from now on. Process
 *	context. 0, -ENOSPC: there is no such piece left; -ENODEV: the device is going away
 * @free: give it back; others' handles are void. Process context, may be called until
 *	np_nic_unregister() returns
 * @attach: find memory of the member in @slot by its handle: fills in @mem. Any context.
 *	0, -ENOENT: the handle is void; -EPROTO: no such memory can be; -ENOTCONN: the
 *	member is not there. There is nothing to undo: the memory may be looked at, under
 *	RCU, until np_nic_peer_down()
 * @signal: have np_nic_signal() called at the member in @slot for its memory @id, soon. More
 *	than one until then are one. What was written before is seen by then. Any context
 * @send: have np_nic_message() called at the member in @slot, in order. Process context.
 *	0, -EAGAIN: the ring is full, np_nic_room() will be called; -ENOTCONN. Does not sleep
 * @cut: the member in @slot does not keep to the rules: end the link, which begins anew
 *	later. Any context; np_nic_peer_down() follows
 */
struct np_nic_ops {
	int (*alloc)(struct np_nic *nic, u32 len, struct np_nic_mem *mem);
	void (*free)(struct np_nic *nic, const struct np_nic_mem *mem);
	int (*attach)(struct np_nic *nic, u32 slot, u32 id, u32 gen,
		      struct np_nic_mem *mem);
	void (*signal)(struct np_nic *nic, u32 slot, u32 id);
	int (*send)(struct np_nic *nic, u32 slot, const void *msg, u32 len);
	void (*cut)(struct np_nic *nic, u32 slot, const char *reason);
};

/**
 * struct np_nic - a device with a fabric
 *
 * Part of the driver's own object. All but @client is the driver's, and immutable from
 * np_nic_register() on.
 *
 * @ops: the driver
 * @dev: the network device; where it is moved to another namespace its links are down
 * @fabric: what the fabric is known by
 * @slot: the device's own
 * @slots: how many the fabric has
 * @ids: how many pieces of memory a member can have
 * @client: the family's; NULL before and after
 */
struct np_nic {
	const struct np_nic_ops *ops;
	struct net_device *dev;
	u8 fabric[16];
	u32 slot;
	u32 slots;
	u32 ids;
	struct np_nic_client *client;
};

int np_nic_register(struct np_nic *nic);
void np_nic_unregister(struct np_nic *nic);

void np_nic_peer_up(struct np_nic *nic, u32 slot);
void np_nic_peer_down(struct np_nic *nic, u32 slot);
void np_nic_message(struct np_nic *nic, u32 slot, const void *msg, u32 len);
void np_nic_room(struct np_nic *nic, u32 slot);
void np_nic_signal(struct np_nic *nic, u32 slot, u32 id);

#endif /* _NET_NEWPROTO_H */
