// SPDX-License-Identifier: GPL-2.0-only
/*
 * The netdev: its queues, its carrier, its counters. Frames are in xmit.c and recv.c.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>

#include "npnic.h"

/* The largest packet, for which an IPv4 header has a length, in a frame. */
#define NPNIC_MTU_MAX	(65535 - ETH_HLEN)

#define NPNIC_FEATURES	(NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HW_CSUM | NETIF_F_HIGHDMA | \
			 NETIF_F_TSO | NETIF_F_TSO_ECN | NETIF_F_TSO6)

static int npnic_ndo_open(struct net_device *dev)
{
	struct npnic *nic = netdev_priv(dev);
	u32 i;

	for (i = 0; i < nic->layout.queues; i++) {
		netdev_tx_reset_queue(netdev_get_tx_queue(dev, i));
		napi_enable(&nic->queue[i].napi);
	}
	netif_tx_start_all_queues(dev);
	npnic_open(nic);
	return 0;
}

static int npnic_ndo_stop(struct net_device *dev)
{
	struct npnic *nic = netdev_priv(dev);
	u32 i;

	/* Links first: then nobody arms a timer or looks at a ring any more. */
	npnic_stop(nic);
	netif_tx_stop_all_queues(dev);
	for (i = 0; i < nic->layout.queues; i++) {
		del_timer_sync(&nic->queue[i].rescue);
		napi_disable(&nic->queue[i].napi);
	}
	return 0;
}

static int npnic_ndo_change_mtu(struct net_device *dev, int mtu)
{
	dev->mtu = mtu;
	npnic_slot_publish(netdev_priv(dev));
	return 0;
}

static int npnic_ndo_set_mac_address(struct net_device *dev, void *addr)
{
	int err = eth_mac_addr(dev, addr);

	if (!err)
		npnic_slot_publish(netdev_priv(dev));
	return err;
}

/* All frames come in anyway. */
static void npnic_ndo_set_rx_mode(struct net_device *dev)
{
}

static int npnic_ndo_get_iflink(const struct net_device *dev)
{
	const struct npnic *nic = netdev_priv(dev);

	return nic->bus->iflink ? nic->bus->iflink(nic) : dev->ifindex;
}

static void npnic_tx_stats(const struct npnic_queue *q, struct rtnl_link_stats64 *s)
{
	u64 packets, bytes, dropped;
	unsigned int start;

	do {
		start = u64_stats_fetch_begin(&q->tx_sync);
		packets = u64_stats_read(&q->tx_packets);
		bytes = u64_stats_read(&q->tx_bytes);
		dropped = u64_stats_read(&q->tx_dropped);
	} while (u64_stats_fetch_retry(&q->tx_sync, start));
	s->tx_packets += packets;
	s->tx_bytes += bytes;
	s->tx_dropped += dropped;
}

static void npnic_rx_stats(const struct npnic_queue *q, struct rtnl_link_stats64 *s)
{
	u64 packets, bytes, dropped, errors;
	unsigned int start;

	do {
		start = u64_stats_fetch_begin(&q->rx_sync);
		packets = u64_stats_read(&q->rx_packets);
		bytes = u64_stats_read(&q->rx_bytes);
		dropped = u64_stats_read(&q->rx_dropped);
		errors = u64_stats_read(&q->rx_errors);
	} while (u64_stats_fetch_retry(&q->rx_sync, start));
	s->rx_packets += packets;
	s->rx_bytes += bytes;
	s->rx_dropped += dropped;
	s->rx_errors += errors;
}

/* Frames that were handed over, see struct npnic_bus_ops: sent by one are received by the other. */
static void npnic_hand_stats(struct net_device *dev, struct rtnl_link_stats64 *s)
{
	struct net_device *other;
	u64 packets, bytes;

	dev_lstats_read(dev, &packets, &bytes);
	s->tx_packets += packets;
	s->tx_bytes += bytes;
	rcu_read_lock();
	other = npnic_pair_other(dev);
	if (other) {
		dev_lstats_read(other, &packets, &bytes);
		s->rx_packets += packets;
		s->rx_bytes += bytes;
	}
	rcu_read_unlock();
}

static void npnic_ndo_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *s)
{
	struct npnic *nic = netdev_priv(dev);
	u32 i;

	for (i = 0; i < nic->layout.queues; i++) {
		npnic_tx_stats(&nic->queue[i], s);
		npnic_rx_stats(&nic->queue[i], s);
	}
	if (nic->bus->hand)
		npnic_hand_stats(dev, s);
}

static const struct net_device_ops npnic_netdev_ops = {
	.ndo_open		= npnic_ndo_open,
	.ndo_stop		= npnic_ndo_stop,
	.ndo_start_xmit		= npnic_xmit,
	.ndo_change_mtu		= npnic_ndo_change_mtu,
	.ndo_set_mac_address	= npnic_ndo_set_mac_address,
	.ndo_validate_addr	= eth_validate_addr,
	.ndo_set_rx_mode	= npnic_ndo_set_rx_mode,
	.ndo_get_iflink		= npnic_ndo_get_iflink,
	.ndo_get_stats64	= npnic_ndo_get_stats64,
};

/**
 * npnic_netdev_setup - what all netdevs of this driver have in common
 * @dev: the netdev, whose private data is a struct npnic
 *
 * Context: any.
 */
void npnic_netdev_setup(struct net_device *dev)
{
	struct npnic *nic = netdev_priv(dev);

	ether_setup(dev);
	nic->dev = dev;
	dev->netdev_ops = &npnic_netdev_ops;
	dev->ethtool_ops = &npnic_ethtool_ops;
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = NPNIC_MTU_MAX;
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
	dev->hw_features = NPNIC_FEATURES;
	dev->features = NPNIC_FEATURES | NETIF_F_RXCSUM | NETIF_F_GSO_ROBUST;
	dev->vlan_features = NPNIC_FEATURES | NETIF_F_GSO_ROBUST;
	netif_carrier_off(dev);
}

/**
 * npnic_netdev_alloc - make a netdev
 * @queues: how many it may have
 *
 * Context: process.
 * Return: the netdev, not registered, with the private data's @dev set; NULL: no memory.
 */
struct net_device *npnic_netdev_alloc(u32 queues)
{
	return alloc_netdev_mqs(sizeof(struct npnic), "np%d", NET_NAME_ENUM, npnic_netdev_setup,
				queues, queues);
}

/**
 * npnic_netdev_init - prepare the queues
 * @nic: the device; its netdev has at least as many as the layout says, and is not registered
 *
 * Context: process.
 * Return: 0, or an error.
 */
int npnic_netdev_init(struct npnic *nic)
{
	u32 queues = nic->layout.queues;
	u32 i;
	int err;

	err = netif_set_real_num_tx_queues(nic->dev, queues);
	if (!err)
		err = netif_set_real_num_rx_queues(nic->dev, queues);
	if (err)
		return err;
	nic->dev->lstats = netdev_alloc_pcpu_stats(struct pcpu_lstats);
	if (!nic->dev->lstats)
		return -ENOMEM;
	for (i = 0; i < queues; i++) {
		struct npnic_queue *q = &nic->queue[i];

		q->nic = nic;
		q->index = i;
		u64_stats_init(&q->tx_sync);
		u64_stats_init(&q->rx_sync);
		timer_setup(&q->rescue, npnic_rescue, 0);
		netif_napi_add(nic->dev, &q->napi, npnic_poll);
	}
	return 0;
}

/**
 * npnic_netdev_exit - undo npnic_netdev_init()
 * @nic: the device; its netdev is not registered, or not any more
 *
 * Context: process. The netdev is not freed before a grace period has passed.
 */
void npnic_netdev_exit(struct npnic *nic)
{
	u32 i;

	for (i = 0; i < nic->layout.queues; i++) {
		struct npnic_queue *q = &nic->queue[i];

		__netif_napi_del(&q->napi);
		if (q->frag.page)
			put_page(q->frag.page);
		q->frag.page = NULL;
	}
	free_percpu(nic->dev->lstats);
	nic->dev->lstats = NULL;
}

/**
 * npnic_netdev_peer_up - prepare this end of the rings for a new life of a link
 * @p: the other member, whose link is not up
 *
 * Context: process, with life_lock.
 */
void npnic_netdev_peer_up(struct npnic_peer *p)
{
	struct npnic *nic = p->nic;
	const struct npnic_layout *l = &nic->layout;
	u32 own = nic->slot;
	u32 i;

	for (i = 0; i < l->queues; i++) {
		u32 ring = 1 + i;

		nic->queue[i].done[p->slot] = 0;
		npnic_tx_init(&p->tx[i], npnic_words(l, nic->mem, own, p->slot, ring, false),
			      npnic_words(l, nic->mem, p->slot, own, ring, true),
			      npnic_ring_data(l, nic->mem, own, p->slot, ring),
			      l->ring_size, NPNIC_FRAME_MAX);
		npnic_rx_init(&p->rx[i], npnic_words(l, nic->mem, own, p->slot, ring, true),
			      npnic_words(l, nic->mem, p->slot, own, ring, false),
			      npnic_ring_data(l, nic->mem, p->slot, own, ring),
			      l->ring_size, NPNIC_FRAME_MAX);
	}
}

/**
 * npnic_netdev_peer_down - nobody uses the rings any more
 * @p: the other member, whose link is down
 *
 * Context: process, with life_lock.
 */
void npnic_netdev_peer_down(struct npnic_peer *p)
{
	u32 i;

	for (i = 0; i < p->nic->layout.queues; i++)
		npnic_tx_reset(&p->nic->queue[i], p);
}

/**
 * npnic_netdev_carrier - tell the stack whether there is anybody to send to
 * @nic: the device, of which a link went up or down
 *
 * Context: process, with life_lock.
 */
void npnic_netdev_carrier(struct npnic *nic)
{
	bool any = false;
	u32 slot;

	for (slot = 0; slot < nic->layout.slots; slot++)
		any |= !!npnic_peer_up(nic, slot);
	if (any)
		netif_carrier_on(nic->dev);
	else
		netif_carrier_off(nic->dev);
}

/**
 * npnic_netdev_irq - another member has rung for a queue
 * @nic: the device
 * @queue: which: anything
 *
 * Context: any.
 */
void npnic_netdev_irq(struct npnic *nic, u32 queue)
{
	struct npnic_queue *q;

	if (queue >= nic->layout.queues)
		return;
	q = &nic->queue[queue];
	atomic_long_inc(&q->irqs);
	npnic_napi_schedule(&q->napi);
}

/**
 * npnic_netdev_outstanding - whether a member has something to read, and whether it reads
 * @p: the member, whose link is up
 * @progress: the sum of its indices is added to this
 *
 * What it says is not checked, since it is only compared with what it said before.
 *
 * Context: any.
 * Return: whether there is a frame that it has not read.
 */
bool npnic_netdev_outstanding(struct npnic_peer *p, u64 *progress)
{
	bool any = false;
	u32 i;

	for (i = 0; i < p->nic->layout.queues; i++) {
		u32 tail = le32_to_cpu(READ_ONCE(p->tx[i].peer->index));

		any |= tail != READ_ONCE(p->tx[i].published);
		*progress += tail;
	}
	return any;
}
