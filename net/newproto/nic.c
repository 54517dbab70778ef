// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network devices with a fabric: which there are, and which ends of connections they have.
 */
#include <linux/module.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "conn.h"
#include "far.h"
#include "far_conn.h"
#include "nic.h"
#include "pool.h"

/* Rings of channels that have rested for so long are taken back, as in-kernel buffers are. */
#define NP_NIC_COOL	HZ

static LIST_HEAD(np_nics);
static DEFINE_MUTEX(np_nics_lock);	/* guards np_nics against changes */

/**
 * np_nic_find - which NIC is a device?
 * @net: the device's namespace
 * @ifindex: the device
 *
 * Context: any.
 *
 * Return: a reference, or NULL: it is none.
 */
struct np_nic_client *np_nic_find(const struct net *net, int ifindex)
{
	struct np_nic_client *nc, *found = NULL;
	struct np_nic *nic;

	if (!ifindex)
		return NULL;
	rcu_read_lock();
	list_for_each_entry_rcu(nc, &np_nics, node) {
		nic = np_nic_of(nc);
		if (!nic || nic->dev->ifindex != ifindex ||
		    !net_eq(dev_net(nic->dev), net))
			continue;
		if (kref_get_unless_zero(&nc->ref))
			found = nc;
		break;
	}
	rcu_read_unlock();
	return found;
}

static void np_nic_free_rcu(struct rcu_head *rcu)
{
	struct np_nic_client *nc = container_of(rcu, struct np_nic_client, rcu);

	kvfree(nc->id);
	kfree(nc);
}

static void np_nic_release(struct kref *ref)
{
	call_rcu(&container_of(ref, struct np_nic_client, ref)->rcu, np_nic_free_rcu);
}

/**
 * np_nic_put - drop a reference
 * @nc: the client
 */
void np_nic_put(struct np_nic_client *nc)
{
	kref_put(&nc->ref, np_nic_release);
}

/* --- memory ------------------------------------------------------------------- */

/* The driver's memory calls are process context, and may not be made when it is gone; @lock
 * keeps it.
 */
static struct np_nic *np_nic_held(struct np_nic_client *nc)
{
	return rcu_dereference_protected(nc->nic, lockdep_is_held(&nc->lock));
}

/**
 * np_nic_mem_alloc - get memory in a NIC's fabric
 * @nc: the client
 * @len: bytes
 * @mem: where to put it
 *
 * Context: may sleep.
 *
 * Return: 0, -ENOSPC, -ENODEV.
 */
int np_nic_mem_alloc(struct np_nic_client *nc, u32 len, struct np_nic_mem *mem)
{
	struct np_nic *nic;
	int err = -ENODEV;

	mutex_lock(&nc->lock);
	nic = np_nic_held(nc);
	if (nic)
		err = nic->ops->alloc(nic, len, mem);
	if (!err && (mem->id >= nc->ids || mem->len < len)) {
		nic->ops->free(nic, mem);
		err = -ENOSPC;
	}
	mutex_unlock(&nc->lock);
	if (err)
		mem->len = 0;
	return err;
}

/**
 * np_nic_mem_free - give memory back
 * @nc: the client
 * @mem: the memory; its length becomes 0
 *
 * Context: may sleep.
 */
void np_nic_mem_free(struct np_nic_client *nc, struct np_nic_mem *mem)
{
	struct np_nic *nic;

	mutex_lock(&nc->lock);
	nic = np_nic_held(nc);
	if (nic)
		nic->ops->free(nic, mem);
	mutex_unlock(&nc->lock);
	mem->len = 0;
}

/**
 * np_nic_mem_attach - find another member's memory
 * @nc: the client
 * @slot: the member
 * @id: the memory
 * @gen: its generation
 * @mem: where to put it
 *
 * Context: RCU, which keeps the memory, too.
 *
 * Return: 0 or a negative errno.
 */
int np_nic_mem_attach(struct np_nic_client *nc, u32 slot, u32 id, u32 gen,
		      struct np_nic_mem *mem)
{
	struct np_nic *nic = np_nic_of(nc);

	return nic ? nic->ops->attach(nic, slot, id, gen, mem) : -ENODEV;
}

/* --- ends of connections ------------------------------------------------------ */

/**
 * np_nic_add_end - an end is there, and can be signalled
 * @nc: the client
 * @far: the end, with its memory, which it may use from now on; the list gets a reference to
 *	its connection
 *
 * Context: may sleep.
 *
 * Return: false: the NIC is gone, or the link to @far's slot is down.
 */
bool np_nic_add_end(struct np_nic_client *nc, struct np_far *far)
{
	bool ok;

	mutex_lock(&nc->lock);
	ok = np_nic_held(nc) && test_bit(far->slot, &nc->up);
	if (ok) {
		if (far->side == NP_SERVER)
			nc->served[far->slot]++;
		np_conn_get(far->conn);
		list_add_tail(&far->node, &nc->ends);
		/* Not before: np_nic_revoke() has to find whoever uses memory. */
		rcu_assign_pointer(far->words, (struct np_far_words *)far->own.addr);
		rcu_assign_pointer(nc->id[far->own.id], far);
	}
	mutex_unlock(&nc->lock);
	return ok;
}

/**
 * np_nic_del_end - an end is over
 * @nc: the client
 * @far: the end; its memory is given back, and the list's reference dropped
 *
 * Context: may sleep.
 */
void np_nic_del_end(struct np_nic_client *nc, struct np_far *far)
{
	mutex_lock(&nc->lock);
	if (far->side == NP_SERVER)
		nc->served[far->slot]--;
	list_del_init(&far->node);
	if (rcu_access_pointer(nc->id[far->own.id]) == far)
		RCU_INIT_POINTER(nc->id[far->own.id], NULL);
	mutex_unlock(&nc->lock);
	np_far_free_rings(far);
	np_conn_put(far->conn);
}

/* Channels that have rested for a while give their rings back. */
static void np_nic_cool(struct work_struct *work)
{
	struct np_nic_client *nc = container_of(to_delayed_work(work),
						struct np_nic_client, cool);
	struct np_far *far;
	bool more = false;

	mutex_lock(&nc->lock);
	list_for_each_entry(far, &nc->ends, node) {
		if (READ_ONCE(far->tx.mem.len) || READ_ONCE(far->tx.old.len) ||
		    READ_ONCE(far->tx.limit) < NP_FAR_RING_MAX) {
			np_far_todo(far, NP_FAR_COOL);
			more = true;
		}
	}
	mutex_unlock(&nc->lock);
	if (more)
		np_nic_watch_rings(nc);
	np_nic_put(nc);
}

/**
 * np_nic_watch_rings - there is a ring that may be taken back some time
 * @nc: the client
 *
 * Context: any.
 */
void np_nic_watch_rings(struct np_nic_client *nc)
{
	rcu_read_lock();
	if (np_nic_of(nc)) {
		np_nic_get(nc);	/* pending work's */
		if (!queue_delayed_work(np_wq, &nc->cool, NP_NIC_COOL))
			np_nic_put(nc);
	}
	rcu_read_unlock();
}

/* Nobody begins to look at the memory of ends of one slot, or all, any more. */
static void np_nic_revoke(struct np_nic_client *nc, int slot)
{
	struct np_far *far;

	lockdep_assert_held(&nc->lock);
	list_for_each_entry(far, &nc->ends, node) {
		if (slot >= 0 && READ_ONCE(far->slot) != slot)
			continue;
		RCU_INIT_POINTER(far->peer, NULL);
		if (slot < 0)
			RCU_INIT_POINTER(far->words, NULL);
	}
}

/* They are told. */
static void np_nic_bereave(struct np_nic_client *nc, int slot)
{
	struct np_far *far;

	mutex_lock(&nc->lock);
	list_for_each_entry(far, &nc->ends, node)
		if (slot < 0 || READ_ONCE(far->slot) == slot)
			np_far_todo(far, NP_FAR_LOST);
	mutex_unlock(&nc->lock);
}

/* --- what drivers call -------------------------------------------------------- */

/**
 * np_nic_register - a network device with a fabric is there
 * @nic: the device; @nic->client is set
 *
 * Its links are down until np_nic_peer_up().
 *
 * Context: may sleep.
 *
 * Return: 0, -EINVAL, -ENOMEM.
 */
int np_nic_register(struct np_nic *nic)
{
	struct np_nic_client *nc;

	if (nic->slots > NP_NIC_SLOTS || nic->slot >= nic->slots || !nic->ids)
		return -EINVAL;
	nc = kzalloc(sizeof(*nc), GFP_KERNEL);
	if (!nc)
		return -ENOMEM;
	nc->id = kvcalloc(nic->ids, sizeof(*nc->id), GFP_KERNEL);
	if (!nc->id) {
		kfree(nc);
		return -ENOMEM;
	}
	nc->ids = nic->ids;
	nc->quota = nic->ids / max(nic->slots - 1, 1U);
	kref_init(&nc->ref);
	mutex_init(&nc->lock);
	INIT_LIST_HEAD(&nc->ends);
	INIT_DELAYED_WORK(&nc->cool, np_nic_cool);
	rcu_assign_pointer(nc->nic, nic);
	nic->client = nc;
	mutex_lock(&np_nics_lock);
	list_add_tail_rcu(&nc->node, &np_nics);
	mutex_unlock(&np_nics_lock);
	return 0;
}
EXPORT_SYMBOL_GPL(np_nic_register);

/**
 * np_nic_unregister - a device is going away
 * @nic: the device
 *
 * All its connections are reset. When this returns nobody uses its memory, or calls its
 * driver. It waits for an RCU grace period, expedited, and for nothing else.
 *
 * Context: may sleep.
 */
void np_nic_unregister(struct np_nic *nic)
{
	struct np_nic_client *nc = nic->client;

	mutex_lock(&np_nics_lock);
	list_del_rcu(&nc->node);
	mutex_unlock(&np_nics_lock);
	mutex_lock(&nc->lock);
	nc->up = 0;
	RCU_INIT_POINTER(nc->nic, NULL);
	np_nic_revoke(nc, -1);
	mutex_unlock(&nc->lock);
	synchronize_rcu_expedited();
	if (cancel_delayed_work_sync(&nc->cool))
		np_nic_put(nc);
	np_nic_bereave(nc, -1);
	nic->client = NULL;
	np_nic_put(nc);
}
EXPORT_SYMBOL_GPL(np_nic_unregister);

/**
 * np_nic_peer_up - the link to another member is up
 * @nic: the device
 * @slot: the member's
 *
 * Context: may sleep; not at the same time as np_nic_peer_down() or np_nic_unregister().
 */
void np_nic_peer_up(struct np_nic *nic, u32 slot)
{
	struct np_nic_client *nc = nic->client;

	mutex_lock(&nc->lock);
	__set_bit(slot, &nc->up);
	mutex_unlock(&nc->lock);
}
EXPORT_SYMBOL_GPL(np_nic_peer_up);

/**
 * np_nic_peer_down - the link to another member is down
 * @nic: the device
 * @slot: the member's
 *
 * All connections over it are reset. When this returns nobody uses its memory.
 *
 * Context: may sleep; see np_nic_peer_up().
 */
void np_nic_peer_down(struct np_nic *nic, u32 slot)
{
	struct np_nic_client *nc = nic->client;

	mutex_lock(&nc->lock);
	__clear_bit(slot, &nc->up);
	np_nic_revoke(nc, slot);
	np_far_refusals_drop(nc, slot);
	mutex_unlock(&nc->lock);
	synchronize_net();
	np_nic_bereave(nc, slot);
}
EXPORT_SYMBOL_GPL(np_nic_peer_down);

/**
 * np_nic_message - a message has come
 * @nic: the device
 * @slot: from whom
 * @msg: the message, this kernel's own copy of it
 * @len: bytes
 *
 * Context: may sleep; one at a time for each device.
 */
void np_nic_message(struct np_nic *nic, u32 slot, const void *msg, u32 len)
{
	np_far_message(nic->client, slot, msg, len);
}
EXPORT_SYMBOL_GPL(np_nic_message);

/**
 * np_nic_room - messages can be sent again
 * @nic: the device
 * @slot: to whom
 *
 * Context: may sleep.
 */
void np_nic_room(struct np_nic *nic, u32 slot)
{
	struct np_nic_client *nc = nic->client;
	struct np_far *far;

	mutex_lock(&nc->lock);
	list_for_each_entry(far, &nc->ends, node)
		if (READ_ONCE(far->slot) == slot && READ_ONCE(far->todo))
			np_far_todo(far, 0);
	np_far_refusals_send(nc);
	mutex_unlock(&nc->lock);
}
EXPORT_SYMBOL_GPL(np_nic_room);

/**
 * np_nic_signal - somebody has written to, or read from, a channel
 * @nic: the device
 * @slot: who
 * @id: whose memory of this kernel's it is about
 *
 * Context: any.
 */
void np_nic_signal(struct np_nic *nic, u32 slot, u32 id)
{
	struct np_nic_client *nc = nic->client;
	struct np_far *far;

	rcu_read_lock();
	far = id < nc->ids ? rcu_dereference(nc->id[id]) : NULL;
	if (far && READ_ONCE(far->slot) == slot)
		np_far_signalled(far);
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(np_nic_signal);
