/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Network devices with a fabric, as the family sees them. What drivers see is
 * include/net/newproto.h.
 */
#ifndef _NP_NIC_H
#define _NP_NIC_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>

#include <net/newproto.h>

struct np_far;

/* Slots of fabrics that are known to have an address: a guess that saves questions. */
#define NP_NIC_HINTS	64
/* Refusals that wait for room to be sent; where more are due, the oldest is not sent. */
#define NP_NIC_REFUSALS	64

/**
 * struct np_nic_refusal - who is to be told that there will be no connection
 * @slot: the member
 * @id: its memory
 * @gen: its generation
 * @code: enum np_preface_code
 */
struct np_nic_refusal {
	u32 slot;
	u32 id;
	u32 gen;
	u8 code;
};

/**
 * struct np_nic_client - what the family has of a NIC
 *
 * Made by np_nic_register(); found through the list of all NICs, under RCU, until
 * np_nic_unregister(). References: the NIC's, each end of a connection, and whoever has
 * found it; the last put frees it, after an RCU grace period.
 *
 * Lock order: @lock, then np_far.lock. np_group.lock and np_conn.lock are never taken with
 * either held, but np_far.lock is taken inside of both.
 *
 * @node: in the list of all NICs
 * @ref: see above
 * @nic: the driver's; NULL when it is gone. Under RCU
 * @lock: guards @ends, and whether more are added
 * @ends: struct np_far of this kernel, also those that have no socket any more
 * @id: by the id of its memory: struct np_far, or NULL; read under RCU, written with @lock
 * @ids: how many
 * @quota: how many of them ends that one other member has asked for may have
 * @served: how many such there are, by slot; @lock, but read without: messages come one at a
 *	time, so nobody is let in meanwhile
 * @up: bitmap of slots whose link is up; written with @lock, also read without
 * @cool: takes rings of resting channels back; pending while there are any
 * @hint: see above; no lock, any value will do
 * @refusal: see above; @lock
 * @nrefusals: how many
 * @rcu: frees it
 */
struct np_nic_client {
	struct list_head node;
	struct kref ref;
	struct np_nic __rcu *nic;
	struct mutex lock;	/* see above */
	struct list_head ends;
	struct np_far __rcu **id;
	u32 ids;
	u32 quota;
	u32 served[NP_NIC_SLOTS];
	unsigned long up;
	struct delayed_work cool;
	u8 hint[NP_NIC_HINTS];
	struct np_nic_refusal refusal[NP_NIC_REFUSALS];
	unsigned int nrefusals;
	struct rcu_head rcu;
};

struct np_nic_client *np_nic_find(const struct net *net, int ifindex);
void np_nic_put(struct np_nic_client *nc);
bool np_nic_add_end(struct np_nic_client *nc, struct np_far *far);
void np_nic_del_end(struct np_nic_client *nc, struct np_far *far);
int np_nic_mem_alloc(struct np_nic_client *nc, u32 len, struct np_nic_mem *mem);
void np_nic_mem_free(struct np_nic_client *nc, struct np_nic_mem *mem);
int np_nic_mem_attach(struct np_nic_client *nc, u32 slot, u32 id, u32 gen,
		      struct np_nic_mem *mem);
void np_nic_watch_rings(struct np_nic_client *nc);

/* The driver's side of a client, under RCU; or NULL. */
static inline struct np_nic *np_nic_of(const struct np_nic_client *nc)
{
	return rcu_dereference(nc->nic);
}

static inline void np_nic_get(struct np_nic_client *nc)
{
	kref_get(&nc->ref);
}

#endif /* _NP_NIC_H */
