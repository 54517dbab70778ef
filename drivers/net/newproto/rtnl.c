// SPDX-License-Identifier: GPL-2.0-only
/*
 * Links of type npnic: pairs are made and deleted by rtnetlink, all are shown.
 *
 * To whom makes pairs of veth these are the same: two devices that live and die together,
 * each in a namespace of its own if so wished.
 */
#include <linux/etherdevice.h>
#include <linux/rtnetlink.h>
#include <net/net_namespace.h>
#include <net/rtnetlink.h>
#include <uapi/linux/npnic.h>

#include "npnic.h"

#define NPNIC_PAIR_SLOTS	2
#define NPNIC_PAIR_QUEUES	4U		/* at the most, if not told */
#define NPNIC_PAIR_REGION	(8ULL << 20)	/* at least, if not told */
#define NPNIC_PAIR_REGION_MAX	BIT_ULL(30)

static_assert(sizeof_field(struct npnic_layout, fabric) == NPNIC_FABRIC_LEN);

static const struct nla_policy npnic_policy[IFLA_NPNIC_MAX + 1] = {
	[IFLA_NPNIC_QUEUES]	= { .type = NLA_U32 },
	[IFLA_NPNIC_RING]	= { .type = NLA_U32 },
	[IFLA_NPNIC_REGION]	= { .type = NLA_U64 },
	[IFLA_NPNIC_PEER]	= NLA_POLICY_MIN_LEN(sizeof(struct ifinfomsg)),
	[IFLA_NPNIC_PAD]	= { .type = NLA_REJECT },
	[IFLA_NPNIC_FABRIC]	= { .type = NLA_REJECT },
	[IFLA_NPNIC_SLOT]	= { .type = NLA_REJECT },
	[IFLA_NPNIC_SLOTS]	= { .type = NLA_REJECT },
	[IFLA_NPNIC_BUS]	= { .type = NLA_REJECT },
};

static void npnic_pair_setup(struct net_device *dev)
{
	npnic_netdev_setup(dev);
	dev->needs_free_netdev = true;
	dev->priv_destructor = npnic_pair_leave;
}

static unsigned int npnic_pair_num_queues(void)
{
	return NPNIC_QUEUES_MAX;
}

static int npnic_pair_validate(struct nlattr *tb[], struct nlattr *data[],
			       struct netlink_ext_ack *extack)
{
	const struct nlattr *addr = tb[IFLA_ADDRESS];

	if (!addr)
		return 0;
	if (nla_len(addr) != ETH_ALEN) {
		NL_SET_ERR_MSG_ATTR(extack, addr, "an Ethernet address has six bytes");
		return -EINVAL;
	}
	if (!is_valid_ether_addr(nla_data(addr))) {
		NL_SET_ERR_MSG_ATTR(extack, addr, "not an address of one station");
		return -EADDRNOTAVAIL;
	}
	return 0;
}

/* Say which attribute it is that does not do, and what would. */
static int npnic_layout_refuse(int bad, struct nlattr *data[], struct netlink_ext_ack *extack)
{
	switch (bad) {
	case NPNIC_BAD_QUEUES:
		NL_SET_ERR_MSG_ATTR(extack, data[IFLA_NPNIC_QUEUES], "queues: 1 to 16");
		break;
	case NPNIC_BAD_RING:
		NL_SET_ERR_MSG_ATTR(extack, data[IFLA_NPNIC_RING],
				    "ring: a power of two from 131072 (128 KiB) to 4194304 (4 MiB)");
		break;
	case NPNIC_BAD_SIZE:
		NL_SET_ERR_MSG_ATTR(extack, data[IFLA_NPNIC_REGION],
				    "region: a multiple of 4096, up to 1073741824 (1 GiB)");
		break;
	case NPNIC_BAD_SPACE:
		NL_SET_ERR_MSG_ATTR(extack, data[IFLA_NPNIC_REGION],
				    "region: too small for that many queues with rings of that size");
		break;
	default:
		NL_SET_ERR_MSG(extack, "no such layout");
	}
	return -EINVAL;
}

/* The layout that was asked for; what was not said is chosen. */
static int npnic_pair_layout(struct nlattr *data[], struct npnic_layout *l,
			     struct netlink_ext_ack *extack)
{
	u32 queues = min(num_online_cpus(), NPNIC_PAIR_QUEUES);
	u32 ring = 0;
	u64 region;
	int bad;

	if (data[IFLA_NPNIC_QUEUES])
		queues = nla_get_u32(data[IFLA_NPNIC_QUEUES]);
	if (data[IFLA_NPNIC_RING]) {
		ring = nla_get_u32(data[IFLA_NPNIC_RING]);
		/* To npnic_layout_choose() this would mean that any will do. */
		if (!ring)
			return npnic_layout_refuse(NPNIC_BAD_RING, data, extack);
	}
	if (data[IFLA_NPNIC_REGION])
		region = nla_get_u64(data[IFLA_NPNIC_REGION]);
	else
		region = max(NPNIC_PAIR_REGION,
			     npnic_layout_least(NPNIC_PAIR_SLOTS, queues, ring));
	if (region > NPNIC_PAIR_REGION_MAX)
		return npnic_layout_refuse(NPNIC_BAD_SIZE, data, extack);
	bad = npnic_layout_choose(l, region, NPNIC_PAIR_SLOTS, queues, ring);
	return bad ? npnic_layout_refuse(bad, data, extack) : 0;
}

/* What was said of the other end. Without anything it is as the first one. */
static int npnic_peer_attrs(struct nlattr *nest, struct nlattr *peer_tb[],
			    struct netlink_ext_ack *extack)
{
	int err = rtnl_nla_parse_ifinfomsg(peer_tb, nest, extack);

	return err < 0 ? err : npnic_pair_validate(peer_tb, NULL, extack);
}

/* The namespace of the other end, which is not everybody's to put devices into. */
static struct net *npnic_peer_net(struct net *src_net, struct nlattr *tb[],
				  struct netlink_ext_ack *extack)
{
	struct net *net = rtnl_link_get_net(src_net, tb);

	if (!IS_ERR(net) && !ns_capable(net->user_ns, CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(extack, "no right to put the peer into that namespace");
		put_net(net);
		return ERR_PTR(-EPERM);
	}
	return net;
}

/* The other end, not registered. @ifmp: NULL where nothing was said of it. */
static struct net_device *npnic_peer_create(struct net *net, struct nlattr *tb[],
					    const struct ifinfomsg *ifmp,
					    struct netlink_ext_ack *extack)
{
	unsigned char assign = NET_NAME_ENUM;
	char name[IFNAMSIZ] = NPNIC_KIND "%d";
	struct net_device *peer;

	if (ifmp && tb[IFLA_IFNAME]) {
		nla_strscpy(name, tb[IFLA_IFNAME], IFNAMSIZ);
		assign = NET_NAME_USER;
	}
	peer = rtnl_create_link(net, name, assign, &npnic_pair_link_ops, tb, extack);
	if (IS_ERR(peer))
		return peer;
	if (ifmp)
		peer->ifindex = ifmp->ifi_index;
	if (!ifmp || !tb[IFLA_ADDRESS])
		eth_hw_addr_random(peer);
	return peer;
}

/* Have both netdevs know each other. */
static int npnic_pair_tie(struct npnic_layout *l, struct net_device *dev,
			  struct net_device *peer)
{
	struct npnic_pair *pair = npnic_pair_make(l);
	int err;

	if (!pair)
		return -ENOMEM;
	err = npnic_pair_join(pair, dev, 0);
	if (!err)
		err = npnic_pair_join(pair, peer, 1);
	if (err)
		npnic_pair_leave(dev);
	npnic_pair_put(pair);
	return err;
}

/* Register both. On error @peer is gone, or going, and @dev not registered. */
static int npnic_pair_publish(struct net_device *dev, struct net_device *peer,
			      const struct ifinfomsg *ifmp)
{
	int err;

	err = register_netdevice(peer);
	if (err < 0) {
		npnic_pair_leave(peer);
		free_netdev(peer);
		return err;
	}
	err = rtnl_configure_link(peer, ifmp, 0, NULL);
	if (err >= 0)
		err = register_netdevice(dev);
	if (err < 0)
		unregister_netdevice(peer);
	return err;
}

/* Was a netdev made with as many queues as it is to have? */
static int npnic_pair_queues(const struct net_device *dev, const struct npnic_layout *l,
			     struct netlink_ext_ack *extack)
{
	if (dev->num_tx_queues >= l->queues && dev->num_rx_queues >= l->queues)
		return 0;
	NL_SET_ERR_MSG(extack, "numtxqueues or numrxqueues is less than queues");
	return -EINVAL;
}

/* Both ends, in the namespaces where they belong. */
static int npnic_pair_create(struct net *net, struct net_device *dev, struct nlattr *tb[],
			     const struct ifinfomsg *ifmp, struct npnic_layout *l,
			     struct netlink_ext_ack *extack)
{
	struct net_device *peer;
	int err;

	peer = npnic_peer_create(net, tb, ifmp, extack);
	if (IS_ERR(peer))
		return PTR_ERR(peer);
	err = npnic_pair_queues(peer, l, extack);
	if (!err) {
		err = npnic_pair_tie(l, dev, peer);
		if (err)
			NL_SET_ERR_MSG(extack, "no memory for the region of that size");
	}
	if (err) {
		free_netdev(peer);
		return err;
	}
	err = npnic_pair_publish(dev, peer, ifmp);
	if (err < 0)
		npnic_pair_leave(dev);
	return err;
}

static int npnic_pair_newlink(struct net *src_net, struct net_device *dev, struct nlattr *tb[],
			      struct nlattr *data[], struct netlink_ext_ack *extack)
{
	struct nlattr *none[IFLA_NPNIC_MAX + 1] = { };
	struct nlattr *peer_tb[IFLA_MAX + 1];
	struct ifinfomsg *ifmp = NULL;
	struct npnic_layout l;
	struct net *net;
	int err;

	data = data ?: none;
	err = npnic_pair_layout(data, &l, extack);
	if (err)
		return err;
	err = npnic_pair_queues(dev, &l, extack);
	if (err)
		return err;
	if (data[IFLA_NPNIC_PEER]) {
		ifmp = nla_data(data[IFLA_NPNIC_PEER]);
		err = npnic_peer_attrs(data[IFLA_NPNIC_PEER], peer_tb, extack);
		if (err)
			return err;
	}
	if (!tb[IFLA_ADDRESS])
		eth_hw_addr_random(dev);
	net = npnic_peer_net(src_net, ifmp ? peer_tb : tb, extack);
	if (IS_ERR(net))
		return PTR_ERR(net);
	err = npnic_pair_create(net, dev, ifmp ? peer_tb : tb, ifmp, &l, extack);
	put_net(net);
	return err;
}

static void npnic_pair_dellink(struct net_device *dev, struct list_head *head)
{
	struct net_device *other = npnic_pair_other(dev);

	unregister_netdevice_queue(dev, head);
	if (other)
		unregister_netdevice_queue(other, head);
}

static struct net *npnic_pair_get_link_net(const struct net_device *dev)
{
	struct net_device *other = npnic_pair_other(dev);

	return dev_net(other ?: dev);
}

static size_t npnic_get_size(const struct net_device *dev)
{
	return nla_total_size(sizeof(u32)) +		/* QUEUES */
	       nla_total_size(sizeof(u32)) +		/* RING */
	       nla_total_size_64bit(sizeof(u64)) +	/* REGION */
	       nla_total_size(NPNIC_FABRIC_LEN) +	/* FABRIC */
	       nla_total_size(sizeof(u32)) +		/* SLOT */
	       nla_total_size(sizeof(u32)) +		/* SLOTS */
	       nla_total_size(sizeof("pair"));		/* BUS */
}

static int npnic_fill_info(struct sk_buff *skb, const struct net_device *dev)
{
	const struct npnic *nic = netdev_priv(dev);
	const struct npnic_layout *l = &nic->layout;

	if (nla_put_u32(skb, IFLA_NPNIC_QUEUES, l->queues) ||
	    nla_put_u32(skb, IFLA_NPNIC_RING, l->ring_size) ||
	    nla_put_u64_64bit(skb, IFLA_NPNIC_REGION, l->size, IFLA_NPNIC_PAD) ||
	    nla_put(skb, IFLA_NPNIC_FABRIC, sizeof(l->fabric), l->fabric) ||
	    nla_put_u32(skb, IFLA_NPNIC_SLOT, nic->slot) ||
	    nla_put_u32(skb, IFLA_NPNIC_SLOTS, l->slots) ||
	    nla_put_string(skb, IFLA_NPNIC_BUS, nic->bus->name))
		return -EMSGSIZE;
	return 0;
}

/**
 * npnic_pair_register - let rtnetlink make pairs
 *
 * Context: process.
 * Return: 0, or an error.
 */
int npnic_pair_register(void)
{
	return rtnl_link_register(&npnic_pair_link_ops);
}

/**
 * npnic_pair_unregister - delete all pairs, and let no more be made
 *
 * Context: process.
 */
void npnic_pair_unregister(void)
{
	rtnl_link_unregister(&npnic_pair_link_ops);
}

struct rtnl_link_ops npnic_pair_link_ops = {
	.kind			= NPNIC_KIND,
	.maxtype		= IFLA_NPNIC_MAX,
	.policy			= npnic_policy,
	.priv_size		= sizeof(struct npnic),
	.setup			= npnic_pair_setup,
	.get_num_tx_queues	= npnic_pair_num_queues,
	.get_num_rx_queues	= npnic_pair_num_queues,
	.validate		= npnic_pair_validate,
	.newlink		= npnic_pair_newlink,
	.dellink		= npnic_pair_dellink,
	.get_size		= npnic_get_size,
	.fill_info		= npnic_fill_info,
	.get_link_net		= npnic_pair_get_link_net,
};

/* Never registered: it makes nothing. Devices go back to where they were found when their
 * namespace ends.
 */
const struct rtnl_link_ops npnic_bus_link_ops = {
	.kind			= NPNIC_KIND,
	.netns_refund		= true,
	.maxtype		= IFLA_NPNIC_MAX,
	.policy			= npnic_policy,
	.get_size		= npnic_get_size,
	.fill_info		= npnic_fill_info,
};
