/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * npnic: the device, between its bus and its netdev.
 *
 *	pair.c, pci.c	the buses: where the memory is, how to ring a doorbell
 *	peer.c		the other members: there, gone, stalled, cut off
 *	direct.c	memory, signals and messages for the family (net/newproto.h)
 *	netdev.c, xmit.c, recv.c	Ethernet; ethtool.c
 *	rtnl.c		links as rtnetlink makes and shows them
 *	layout.c, ring.c, link.c	leaves: know neither PCI nor netdev
 *
 * Lock order, outermost first:
 *
 *	rtnl_lock()
 *	npnic.life_lock		mutex: the lives of links, and what follows from them
 *	a queue's xmit lock, or npnic_peer.ctl_lock
 *
 * Who sends, receives or signals looks at npnic_peer.up under RCU (or with BHs off) and takes
 * no lock of the device's. A link is taken down by clearing that, synchronize_net(), and
 * only then touching its words.
 */
#ifndef _NPNIC_H
#define _NPNIC_H

#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/u64_stats_sync.h>
#include <linux/workqueue.h>

#include <net/newproto.h>

#include "layout.h"
#include "link.h"
#include "ring.h"

struct npnic;
struct rtnl_link_ops;

/* How long what is outstanding may stay so before the other is rung again; jiffies. */
#define NPNIC_RESCUE		(HZ / 5)
/* A member that has not moved for so long while something was outstanding is stalled. */
#define NPNIC_STALL		HZ
/* How long after a link was cut a new life is offered. */
#define NPNIC_CUT_TIME		HZ
/* How many lives of a link may follow each other at once, and how often there is one more. */
#define NPNIC_LIVES		16
#define NPNIC_LIFE_PACE		(HZ / 10)

/* Why a link went down, or a member was cut off: counters' and messages' names. */
enum npnic_reason {
	NPNIC_WHY_DOWN,		/* this device was set down, or is going away */
	NPNIC_WHY_LEFT,		/* the server says that it is gone */
	NPNIC_WHY_RESET,	/* it has begun a new life */
	NPNIC_WHY_TIMEOUT,	/* silent for peer_timeout */
	NPNIC_WHY_INDEX,	/* an index of a ring that cannot be */
	NPNIC_WHY_RECORD,	/* a record that cannot be */
	NPNIC_WHY_HANDLE,	/* a handle of memory that cannot be */
	NPNIC_WHY_FAMILY,	/* the family says so */
	NPNIC_WHY_NR
};

/**
 * struct npnic_bus_ops - a bus
 * @ring: ring the doorbell of a vector of the member that has a slot; any context
 * @iflink: what ndo_get_iflink() says; NULL: the device itself
 * @signal: or NULL: call np_nic_signal() for the member that has a slot at once; any
 *	context. False: that is not possible now, signal by way of shared memory
 * @hand: give the frame itself to the only other member; BHs off. It is consumed; whether it
 *	has arrived. NULL: frames go through the rings
 * @name: "pair" or "pci"
 */
struct npnic_bus_ops {
	void (*ring)(struct npnic *nic, u32 slot, u32 vector);
	int (*iflink)(const struct npnic *nic);
	bool (*signal)(struct npnic *nic, u32 slot, u32 id);
	bool (*hand)(struct npnic *nic, struct sk_buff *skb);
	const char *name;
};

/**
 * struct npnic_peer - another member of the fabric
 *
 * @nic: the device
 * @slot: its slot
 * @up: the link is up: rings and flags may be used. Written with @nic's life_lock
 * @live: the board says that the slot is somebody's; life_lock
 * @id: whose: the bus's name for it; life_lock, read by the bus without
 * @life: life_lock
 * @retry: not before this a new life is offered after a cut, jiffies; life_lock
 * @paid: when all lives that were offered so far are paid for, each with NPNIC_LIFE_PACE,
 *	jiffies; life_lock
 * @mac: its address, as last read; any reader may see it half-changed
 * @flags: signals
 * @ctl_lock: guards @ctl_tx
 * @ctl_tx: control ring to it
 * @ctl_full: a message did not fit: the family waits for room; ctl_lock
 * @ctl_rx: control ring from it; the control work's
 * @tx: frame rings to it, by queue; the queue's xmit lock
 * @rx: frame rings from it, by queue; the queue's NAPI
 * @stall_lock: guards @stalled to @progress
 * @stalled: has not moved for NPNIC_STALL with something outstanding
 * @checked: when that was last asked, jiffies
 * @moved: when it last did, or when there was nothing outstanding, jiffies
 * @progress: sum of its indices then
 * @cut: the reason + 1 for which the link is to be cut; set by anybody, once
 */
struct npnic_peer {
	struct npnic *nic;
	u32 slot;
	bool up;
	bool live;
	u32 id;
	struct npnic_life life;
	unsigned long retry;
	unsigned long paid;
	u8 mac[ETH_ALEN];
	struct npnic_flags flags;
	spinlock_t ctl_lock;	/* see above */
	struct npnic_tx ctl_tx;
	bool ctl_full;
	struct npnic_rx ctl_rx;
	struct npnic_tx tx[NPNIC_QUEUES_MAX];
	struct npnic_rx rx[NPNIC_QUEUES_MAX];
	spinlock_t stall_lock;	/* see above */
	bool stalled;
	unsigned long checked;
	unsigned long moved;
	u64 progress;
	atomic_t cut;
};

/**
 * struct npnic_queue - a queue of the netdev
 *
 * What is sent is guarded by the lock of the netdev's queue of that number, the counters
 * of it are written with that; what is received belongs to NAPI.
 *
 * @nic: the device
 * @index: which
 * @napi: receives from the rings of all members
 * @frag: where large frames are received to; NAPI
 * @turn: the slot whose ring is looked at first; NAPI
 * @rescue: armed while something is outstanding on this queue
 * @dirty: slots to whose rings was written and not published; xmit lock
 * @done: by slot: the index up to which that ring's bytes count as sent; xmit lock
 * @tx_sync: for @tx_packets ... @tx_quiet
 * @tx_packets: frames
 * @tx_bytes: of them
 * @tx_dropped: as in struct rtnl_link_stats64
 * @tx_doorbells: rung for frames
 * @tx_quiet: not rung, since the other side was awake
 * @rx_sync: for @rx_packets ... @rx_quiet
 * @rx_packets: frames
 * @rx_bytes: of them
 * @rx_dropped: as in struct rtnl_link_stats64
 * @rx_errors: as in struct rtnl_link_stats64
 * @rx_doorbells: rung for room
 * @rx_quiet: not rung, since nobody waited for it
 * @irqs: doorbells that came in
 */
struct npnic_queue {
	struct npnic *nic;
	u32 index;
	struct napi_struct napi;
	struct page_frag frag;
	u32 turn;
	struct timer_list rescue;
	unsigned long dirty;
	u32 done[NPNIC_SLOTS_MAX];
	struct u64_stats_sync tx_sync;
	u64_stats_t tx_packets;
	u64_stats_t tx_bytes;
	u64_stats_t tx_dropped;
	u64_stats_t tx_doorbells;
	u64_stats_t tx_quiet;
	struct u64_stats_sync rx_sync;
	u64_stats_t rx_packets;
	u64_stats_t rx_bytes;
	u64_stats_t rx_dropped;
	u64_stats_t rx_errors;
	u64_stats_t rx_doorbells;
	u64_stats_t rx_quiet;
	atomic_long_t irqs;
};

/**
 * struct npnic - a device: what its netdev has as private data
 *
 * Made by a bus, which then calls npnic_init() and register_netdevice(). Dies with its
 * netdev; the bus keeps @mem until npnic_exit() has returned.
 *
 * @dev: the netdev
 * @bus: immutable
 * @bus_priv: the bus's own
 * @mem: the region, as this kernel sees it; immutable
 * @layout: of it; immutable
 * @slot: own slot; immutable
 * @id: what the bus knows this device by in the board; immutable
 * @nic: the family's view
 * @opened: the netdev is up; life_lock
 * @gone: the device is being removed; life_lock
 * @life_lock: see above
 * @peer: the members, by slot; its own is not used
 * @queue: the netdev's queues, layout.queues of them
 * @ctl_napi: answers signals
 * @ctl_rescue: armed while a message or a signal is outstanding
 * @look: work: see what the board and the links say; ordered with @ctl
 * @ctl: work: messages from others
 * @retry: work: look again in a while, as long as a live member has no link
 * @wq: ordered, for the works
 * @export_lock: guards the own export table, and @export_used to @space_next
 * @export_used: bitmap of own ids in use
 * @export_next: where to look for a free one
 * @space_used: bitmap of the pages of own direct space in use
 * @space_next: where to look for free ones
 * @poll_slot: the member whose signals @ctl_napi answers next
 * @poll_word: which of them, in words
 * @msg: where a message is copied to before it is looked at; the control work's
 * @why: how often links went down, by enum npnic_reason
 * @stalls: how often a member was found stalled
 * @ctl_doorbells: rung for signals and messages
 * @ctl_irqs: doorbells that came in for those
 * @rescues: doorbells rung again, since nothing had moved
 */
struct npnic {
	struct net_device *dev;
	const struct npnic_bus_ops *bus;
	void *bus_priv;
	void *mem;
	struct npnic_layout layout;
	u32 slot;
	u32 id;
	struct np_nic nic;
	bool opened;
	bool gone;
	struct mutex life_lock;	/* see above */
	struct npnic_peer peer[NPNIC_SLOTS_MAX];
	struct npnic_queue queue[NPNIC_QUEUES_MAX];
	struct napi_struct ctl_napi;
	struct timer_list ctl_rescue;
	struct work_struct look;
	struct work_struct ctl;
	struct delayed_work retry;
	struct workqueue_struct *wq;
	spinlock_t export_lock;	/* see above */
	unsigned long *export_used;
	u32 export_next;
	unsigned long *space_used;
	u32 space_next;
	u32 poll_slot;
	u32 poll_word;
	u8 msg[NPNIC_MSG_MAX];
	atomic_t why[NPNIC_WHY_NR];
	atomic_t stalls;
	atomic_t ctl_doorbells;
	atomic_t ctl_irqs;
	atomic_t rescues;
};

/* A peer whose link is up, else NULL. Under RCU, or with BHs off. */
static inline struct npnic_peer *npnic_peer_up(struct npnic *nic, u32 slot)
{
	struct npnic_peer *p = &nic->peer[slot];

	return smp_load_acquire(&p->up) ? p : NULL; /* pairs with npnic_peer_set_up() */
}

/* Have a NAPI poll, in any context. */
static inline void npnic_napi_schedule(struct napi_struct *napi)
{
	if (in_interrupt() || irqs_disabled()) {
		napi_schedule(napi);
		return;
	}
	local_bh_disable();
	napi_schedule(napi);
	local_bh_enable();	/* polls */
}

/* main.c */
extern unsigned int npnic_peer_timeout;	/* module parameter peer_timeout, ms */
extern bool npnic_pair_rings;	/* module parameter pair_rings */

/* netdev.c: Ethernet. */
struct net_device *npnic_netdev_alloc(u32 queues);	/* not registered; npnic.dev is set */
void npnic_netdev_setup(struct net_device *dev);	/* for rtnl_link_ops.setup */
int npnic_netdev_init(struct npnic *nic);	/* queues; mem, layout, slot are set */
void npnic_netdev_exit(struct npnic *nic);
void npnic_netdev_peer_up(struct npnic_peer *p);	/* life_lock; words for a new life */
void npnic_netdev_peer_down(struct npnic_peer *p);	/* life_lock; after p->up is cleared */
void npnic_netdev_carrier(struct npnic *nic);	/* life_lock; a link went up or down */
void npnic_netdev_irq(struct npnic *nic, u32 queue);	/* any context */
bool npnic_netdev_outstanding(struct npnic_peer *p, u64 *progress);	/* any context */

/* xmit.c */
netdev_tx_t npnic_xmit(struct sk_buff *skb, struct net_device *dev);
void npnic_tx_poll(struct npnic_queue *q, bool wait);
void npnic_tx_reset(struct npnic_queue *q, struct npnic_peer *p);
void npnic_rescue(struct timer_list *t);

/* recv.c */
int npnic_poll(struct napi_struct *napi, int budget);

/* ethtool.c */
extern const struct ethtool_ops npnic_ethtool_ops;

/* peer.c: life_lock is taken by these. */
int npnic_init(struct npnic *nic);		/* bus: all set, before register_netdevice() */
void npnic_exit(struct npnic *nic);		/* bus: after unregister; memory may go */
void npnic_open(struct npnic *nic);		/* ndo_open: links may come up */
void npnic_stop(struct npnic *nic);		/* ndo_stop: all links down when it returns */
void npnic_irq(struct npnic *nic, u32 vector);	/* bus: a doorbell; any context */
void npnic_peer_cut(struct npnic_peer *p, enum npnic_reason why);	/* any context */
void npnic_peer_stall_check(struct npnic_peer *p);	/* a rescue timer has run */
void npnic_slot_publish(struct npnic *nic);	/* MAC or MTU has changed */
const char *npnic_reason_name(enum npnic_reason why);

/* direct.c */
int npnic_direct_init(struct npnic *nic);
void npnic_direct_exit(struct npnic *nic);
void npnic_direct_open(struct npnic *nic);
void npnic_direct_stop(struct npnic *nic);
void npnic_direct_irq(struct npnic *nic);	/* any context */
void npnic_direct_peer_reset(struct npnic_peer *p);	/* life_lock; words for a new life */
void npnic_direct_peer_up(struct npnic_peer *p);	/* life_lock; p->up is set */
bool npnic_direct_outstanding(struct npnic_peer *p, u64 *progress);

/* rtnl.c: what `ip -d link` shows; the second is for devices that it cannot delete. */
extern struct rtnl_link_ops npnic_pair_link_ops;
extern const struct rtnl_link_ops npnic_bus_link_ops;

/* pair.c */
struct npnic_pair;
struct npnic_pair *npnic_pair_make(struct npnic_layout *l);
void npnic_pair_put(struct npnic_pair *pair);
int npnic_pair_join(struct npnic_pair *pair, struct net_device *dev, u32 slot);
void npnic_pair_leave(struct net_device *dev);
struct net_device *npnic_pair_other(const struct net_device *dev);	/* RTNL or RCU */

/* rtnl.c, pci.c */
int npnic_pair_register(void);
void npnic_pair_unregister(void);
#ifdef CONFIG_PCI
int npnic_pci_register(void);
void npnic_pci_unregister(void);
#else
static inline int npnic_pci_register(void)
{
	return 0;
}

static inline void npnic_pci_unregister(void)
{
}
#endif

#endif /* _NPNIC_H */
