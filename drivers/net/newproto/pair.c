// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bus of a pair: two devices of this kernel, with a fabric in its memory.
 *
 * A doorbell is a function call: it has the other end's NAPI or work scheduled, and returns.
 */
#include <linux/etherdevice.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "npnic.h"

#define NPNIC_PAIR_SLOTS	2

/**
 * struct npnic_pair - what both ends share
 * @ref: each end has one
 * @mem: the region; immutable
 * @layout: of it; immutable
 * @end: by slot; NULL before npnic_pair_join() and after npnic_pair_leave(). Written with
 *	RTNL, or when nobody else has the device any more
 */
struct npnic_pair {
	refcount_t ref;
	void *mem;
	struct npnic_layout layout;
	struct npnic __rcu *end[NPNIC_PAIR_SLOTS];
};

/* Signals that are being delivered on this processor: one does not begin within another. */
static DEFINE_PER_CPU(bool, npnic_pair_busy);

/* Both ends are there for as long as the pair is; whether they are up their links tell. */
static void npnic_pair_format(struct npnic_pair *pair)
{
	struct npnic_board *board = npnic_board(&pair->layout, pair->mem);
	u32 slot;

	npnic_layout_write(&pair->layout, pair->mem);
	for (slot = 0; slot < NPNIC_PAIR_SLOTS; slot++) {
		board->slot[slot].peer_id = cpu_to_le32(slot);
		board->slot[slot].state = cpu_to_le32(NPNIC_BOARD_LIVE);
	}
	board->count = cpu_to_le32(1);
}

/**
 * npnic_pair_make - make a fabric for two
 * @l: its layout, for two slots; gets a name here
 *
 * Context: process.
 * Return: the pair, with a reference for the caller; NULL: no memory.
 */
struct npnic_pair *npnic_pair_make(struct npnic_layout *l)
{
	struct npnic_pair *pair;

	pair = kzalloc(sizeof(*pair), GFP_KERNEL_ACCOUNT);
	if (!pair)
		return NULL;
	pair->mem = __vmalloc(l->size, GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	if (!pair->mem) {
		kfree(pair);
		return NULL;
	}
	get_random_bytes(l->fabric, sizeof(l->fabric));
	pair->layout = *l;
	refcount_set(&pair->ref, 1);
	npnic_pair_format(pair);
	return pair;
}

/**
 * npnic_pair_put - give a reference back
 * @pair: the pair
 *
 * Context: process.
 */
void npnic_pair_put(struct npnic_pair *pair)
{
	if (!refcount_dec_and_test(&pair->ref))
		return;
	vfree(pair->mem);
	kfree(pair);
}

/* The device in a slot, seen from the other one. RCU. */
static struct npnic *npnic_pair_end(const struct npnic *nic, u32 slot)
{
	const struct npnic_pair *pair = nic->bus_priv;

	return slot == !nic->slot ? rcu_dereference(pair->end[slot]) : NULL;
}

static void npnic_pair_ring(struct npnic *nic, u32 slot, u32 vector)
{
	struct npnic *other;

	rcu_read_lock();
	other = npnic_pair_end(nic, slot);
	if (other)
		npnic_irq(other, vector);
	rcu_read_unlock();
}

/* What a signal's receiver does may be to send one: that goes by way of the memory. */
static bool npnic_pair_signal(struct npnic *nic, u32 slot, u32 id)
{
	struct npnic *other;
	bool done = false;

	if (in_hardirq() || irqs_disabled())
		return false;
	local_bh_disable();
	rcu_read_lock();
	other = npnic_pair_end(nic, slot);
	if (other && npnic_peer_up(other, nic->slot) && !__this_cpu_read(npnic_pair_busy)) {
		__this_cpu_write(npnic_pair_busy, true);
		np_nic_signal(&other->nic, nic->slot, id);
		__this_cpu_write(npnic_pair_busy, false);
		done = true;
	}
	rcu_read_unlock();
	local_bh_enable();
	return done;
}

/* A frame need not be copied for another netdev of this kernel: it gets the frame itself, as
 * veth's other end would.
 */
static bool npnic_pair_hand(struct npnic *nic, struct sk_buff *skb)
{
	struct npnic *other = npnic_pair_end(nic, !nic->slot);

	if (!other || !npnic_peer_up(nic, !nic->slot) || !pskb_may_pull(skb, ETH_HLEN)) {
		kfree_skb(skb);
		return false;
	}
	/* What the other end does not take is freed by this. */
	return !__dev_forward_skb(other->dev, skb) && __netif_rx(skb) == NET_RX_SUCCESS;
}

static int npnic_pair_iflink(const struct npnic *nic)
{
	struct net_device *other;
	int ifindex;

	rcu_read_lock();
	other = npnic_pair_other(nic->dev);
	ifindex = other ? other->ifindex : 0;
	rcu_read_unlock();
	return ifindex;
}

/* The same without handing frames over: through the rings, as on other buses. */
static const struct npnic_bus_ops npnic_pair_ring_bus = {
	.ring	= npnic_pair_ring,
	.signal	= npnic_pair_signal,
	.iflink	= npnic_pair_iflink,
	.name	= "pair",
};

static const struct npnic_bus_ops npnic_pair_bus = {
	.ring	= npnic_pair_ring,
	.signal	= npnic_pair_signal,
	.hand	= npnic_pair_hand,
	.iflink	= npnic_pair_iflink,
	.name	= "pair",
};

/**
 * npnic_pair_other - the other end
 * @dev: one end
 *
 * Context: RTNL or RCU.
 * Return: its netdev, or NULL.
 */
struct net_device *npnic_pair_other(const struct net_device *dev)
{
	const struct npnic *nic = netdev_priv(dev);
	const struct npnic_pair *pair = nic->bus_priv;
	struct npnic *other;

	other = pair ? rcu_dereference_rtnl(pair->end[!nic->slot]) : NULL;
	return other ? other->dev : NULL;
}

/**
 * npnic_pair_join - make a netdev an end of a pair
 * @pair: the pair
 * @dev: the netdev, not registered
 * @slot: which end
 *
 * Context: RTNL.
 * Return: 0, and the device has a reference to the pair; or an error.
 */
int npnic_pair_join(struct npnic_pair *pair, struct net_device *dev, u32 slot)
{
	struct npnic *nic = netdev_priv(dev);
	int err;

	nic->bus = READ_ONCE(npnic_pair_rings) ? &npnic_pair_ring_bus : &npnic_pair_bus;
	if (nic->bus->hand) {
		/* There is no queue to wait in. */
		dev->priv_flags |= IFF_NO_QUEUE;
		dev->features |= NETIF_F_LLTX;
	}
	nic->bus_priv = pair;
	nic->mem = pair->mem;
	nic->layout = pair->layout;
	nic->slot = slot;
	nic->id = slot;
	err = npnic_init(nic);
	if (err) {
		nic->bus_priv = NULL;
		return err;
	}
	refcount_inc(&pair->ref);
	rcu_assign_pointer(pair->end[slot], nic);
	return 0;
}

/**
 * npnic_pair_leave - undo npnic_pair_join(), if it was done
 * @dev: the netdev, which is not registered, or not any more
 *
 * Context: process: priv_destructor, or where registering has failed.
 */
void npnic_pair_leave(struct net_device *dev)
{
	struct npnic *nic = netdev_priv(dev);
	struct npnic_pair *pair = nic->bus_priv;

	if (!pair)
		return;
	RCU_INIT_POINTER(pair->end[nic->slot], NULL);
	/* Whoever deletes many pairs waits for each of them. */
	synchronize_rcu_expedited();
	npnic_exit(nic);
	nic->bus_priv = NULL;
	npnic_pair_put(pair);
}
