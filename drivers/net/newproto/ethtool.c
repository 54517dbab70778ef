// SPDX-License-Identifier: GPL-2.0-only
/*
 * What ethtool shows, and the one thing that it sets: how many queues are sent on.
 */
#include <linux/ethtool.h>

#include "npnic.h"

/* Counters of a queue, in the order of npnic_queue_names. */
static const char * const npnic_queue_names[] = {
	"tx_packets", "tx_bytes", "tx_dropped", "tx_doorbells", "tx_quiet",
	"rx_packets", "rx_bytes", "rx_dropped", "rx_errors", "rx_doorbells", "rx_quiet",
	"irqs",
};

#define NPNIC_QUEUE_STATS	ARRAY_SIZE(npnic_queue_names)

/* Counters of the device, in the order of npnic_nic_stats(). */
static const char * const npnic_nic_names[] = {
	"ctl_doorbells", "ctl_irqs", "rescues", "stalls",
};

#define NPNIC_NIC_STATS		ARRAY_SIZE(npnic_nic_names)

/* Of each other member. */
enum npnic_peer_shown {
	NPNIC_SHOWN_ABSENT,
	NPNIC_SHOWN_DOWN,
	NPNIC_SHOWN_UP,
	NPNIC_SHOWN_STALLED,
};

static void npnic_get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	struct npnic *nic = netdev_priv(dev);

	strscpy(info->driver, "npnic", sizeof(info->driver));
	if (!dev->dev.parent)
		strscpy(info->bus_info, nic->bus->name, sizeof(info->bus_info));
	snprintf(info->fw_version, sizeof(info->fw_version), "format %u", NPNIC_VERSION);
}

static int npnic_get_link_ksettings(struct net_device *dev, struct ethtool_link_ksettings *cmd)
{
	cmd->base.speed = SPEED_UNKNOWN;
	cmd->base.duplex = DUPLEX_FULL;
	cmd->base.port = PORT_OTHER;
	cmd->base.autoneg = AUTONEG_DISABLE;
	return 0;
}

/* Rings are in bytes; nothing else would tell what fits. */
static void npnic_get_ringparam(struct net_device *dev, struct ethtool_ringparam *ring,
				struct kernel_ethtool_ringparam *kernel_ring,
				struct netlink_ext_ack *extack)
{
	struct npnic *nic = netdev_priv(dev);

	ring->rx_max_pending = nic->layout.ring_size;
	ring->tx_max_pending = nic->layout.ring_size;
	ring->rx_pending = nic->layout.ring_size;
	ring->tx_pending = nic->layout.ring_size;
}

static void npnic_get_channels(struct net_device *dev, struct ethtool_channels *ch)
{
	struct npnic *nic = netdev_priv(dev);

	ch->max_combined = nic->layout.queues;
	ch->combined_count = dev->real_num_tx_queues;
}

/* The others choose what this device receives on, so that is always all. */
static int npnic_set_channels(struct net_device *dev, struct ethtool_channels *ch)
{
	int err;

	if (!ch->combined_count)
		return -EINVAL;
	err = netif_set_real_num_tx_queues(dev, ch->combined_count);
	if (!err)
		npnic_slot_publish(netdev_priv(dev));
	return err;
}

static int npnic_get_sset_count(struct net_device *dev, int sset)
{
	struct npnic *nic = netdev_priv(dev);

	if (sset != ETH_SS_STATS)
		return -EOPNOTSUPP;
	return nic->layout.queues * NPNIC_QUEUE_STATS + NPNIC_NIC_STATS + NPNIC_WHY_NR +
	       nic->layout.slots - 1;
}

static void npnic_get_strings(struct net_device *dev, u32 sset, u8 *data)
{
	struct npnic *nic = netdev_priv(dev);
	u32 i, j;

	if (sset != ETH_SS_STATS)
		return;
	for (i = 0; i < nic->layout.queues; i++)
		for (j = 0; j < NPNIC_QUEUE_STATS; j++)
			ethtool_sprintf(&data, "queue%u_%s", i, npnic_queue_names[j]);
	for (i = 0; i < NPNIC_NIC_STATS; i++)
		ethtool_sprintf(&data, "%s", npnic_nic_names[i]);
	for (i = 0; i < NPNIC_WHY_NR; i++)
		ethtool_sprintf(&data, "down_%s", npnic_reason_name(i));
	for (i = 0; i < nic->layout.slots; i++)
		if (i != nic->slot)
			ethtool_sprintf(&data, "peer%u_state", i);
}

static u64 *npnic_queue_stats(const struct npnic_queue *q, u64 *data)
{
	const u64_stats_t *tx[] = {
		&q->tx_packets, &q->tx_bytes, &q->tx_dropped, &q->tx_doorbells, &q->tx_quiet,
	};
	const u64_stats_t *rx[] = {
		&q->rx_packets, &q->rx_bytes, &q->rx_dropped, &q->rx_errors, &q->rx_doorbells,
		&q->rx_quiet,
	};
	unsigned int start, i;

	static_assert(ARRAY_SIZE(tx) + ARRAY_SIZE(rx) + 1 == NPNIC_QUEUE_STATS);
	do {
		start = u64_stats_fetch_begin(&q->tx_sync);
		for (i = 0; i < ARRAY_SIZE(tx); i++)
			data[i] = u64_stats_read(tx[i]);
	} while (u64_stats_fetch_retry(&q->tx_sync, start));
	data += ARRAY_SIZE(tx);
	do {
		start = u64_stats_fetch_begin(&q->rx_sync);
		for (i = 0; i < ARRAY_SIZE(rx); i++)
			data[i] = u64_stats_read(rx[i]);
	} while (u64_stats_fetch_retry(&q->rx_sync, start));
	data += ARRAY_SIZE(rx);
	*data++ = atomic_long_read(&q->irqs);
	return data;
}

static u64 *npnic_nic_stats(const struct npnic *nic, u64 *data)
{
	*data++ = atomic_read(&nic->ctl_doorbells);
	*data++ = atomic_read(&nic->ctl_irqs);
	*data++ = atomic_read(&nic->rescues);
	*data++ = atomic_read(&nic->stalls);
	return data;
}

static enum npnic_peer_shown npnic_peer_shown(struct npnic *nic, u32 slot)
{
	const struct npnic_peer *p = &nic->peer[slot];

	if (npnic_peer_up(nic, slot))
		return READ_ONCE(p->stalled) ? NPNIC_SHOWN_STALLED : NPNIC_SHOWN_UP;
	return READ_ONCE(p->live) ? NPNIC_SHOWN_DOWN : NPNIC_SHOWN_ABSENT;
}

static void npnic_get_ethtool_stats(struct net_device *dev, struct ethtool_stats *stats,
				    u64 *data)
{
	struct npnic *nic = netdev_priv(dev);
	u32 i;

	for (i = 0; i < nic->layout.queues; i++)
		data = npnic_queue_stats(&nic->queue[i], data);
	data = npnic_nic_stats(nic, data);
	for (i = 0; i < NPNIC_WHY_NR; i++)
		*data++ = atomic_read(&nic->why[i]);
	for (i = 0; i < nic->layout.slots; i++)
		if (i != nic->slot)
			*data++ = npnic_peer_shown(nic, i);
}

const struct ethtool_ops npnic_ethtool_ops = {
	.get_drvinfo		= npnic_get_drvinfo,
	.get_link		= ethtool_op_get_link,
	.get_ts_info		= ethtool_op_get_ts_info,
	.get_link_ksettings	= npnic_get_link_ksettings,
	.get_ringparam		= npnic_get_ringparam,
	.get_channels		= npnic_get_channels,
	.set_channels		= npnic_set_channels,
	.get_sset_count		= npnic_get_sset_count,
	.get_strings		= npnic_get_strings,
	.get_ethtool_stats	= npnic_get_ethtool_stats,
};
