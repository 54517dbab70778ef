// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sending frames: into the ring of the member whose address it is, or into all of them.
 *
 * All of this runs with the lock of the netdev's queue, and BHs off. Each ring has bytes that
 * its consumer has not read yet; together they are what byte queue limits count. A stopped
 * queue is started again by whoever notices that there is room: the next doorbell of a
 * consumer, for which npnic_tx_reap() has asked, or else the rescue timer.
 */
#include <linux/etherdevice.h>
#include <linux/skbuff.h>
#include <linux/virtio_net.h>

#include "npnic.h"

static struct netdev_queue *npnic_txq(struct npnic_queue *q)
{
	return netdev_get_tx_queue(q->nic->dev, q->index);
}

/* A link that is to be cut is as good as none. */
static struct npnic_peer *npnic_tx_peer(struct npnic_queue *q, u32 slot)
{
	struct npnic_peer *p = npnic_peer_up(q->nic, slot);

	return p && !atomic_read(&p->cut) ? p : NULL;
}

static void npnic_tx_drop(struct npnic_queue *q)
{
	u64_stats_update_begin(&q->tx_sync);
	u64_stats_inc(&q->tx_dropped);
	u64_stats_update_end(&q->tx_sync);
}

static void npnic_tx_count(struct npnic_queue *q, u32 len)
{
	u64_stats_update_begin(&q->tx_sync);
	u64_stats_inc(&q->tx_packets);
	u64_stats_add(&q->tx_bytes, len);
	u64_stats_update_end(&q->tx_sync);
}

static void npnic_tx_ring(struct npnic_queue *q, struct npnic_peer *p, bool doorbell)
{
	u64_stats_update_begin(&q->tx_sync);
	u64_stats_inc(doorbell ? &q->tx_doorbells : &q->tx_quiet);
	u64_stats_update_end(&q->tx_sync);
	if (doorbell)
		q->nic->bus->ring(q->nic, p->slot, NPNIC_VEC_QUEUE + q->index);
}

/* What @p has read since this was asked last, in bytes. */
static u32 npnic_tx_done(struct npnic_queue *q, struct npnic_peer *p)
{
	struct npnic_tx *tx = &p->tx[q->index];
	u32 upto = tx->head;
	u32 unread;
	u32 n;

	if (npnic_tx_unread(tx, &unread))
		npnic_peer_cut(p, NPNIC_WHY_INDEX);
	else if (!READ_ONCE(p->stalled))
		upto = tx->published - unread;
	/* What was given up when it stalled was counted then. */
	n = upto - q->done[p->slot];
	if ((s32)n <= 0)
		return 0;
	q->done[p->slot] = upto;
	return n;
}

static void npnic_tx_reap_all(struct npnic_queue *q)
{
	u32 slot, n = 0;

	for (slot = 0; slot < q->nic->layout.slots; slot++) {
		struct npnic_peer *p = npnic_tx_peer(q, slot);

		if (p)
			n += npnic_tx_done(q, p);
	}
	netdev_tx_completed_queue(npnic_txq(q), 1, n);
}

/* Ask for a doorbell when @p has room for any frame, or with @limited: has read anything. */
static bool npnic_tx_await_peer(struct npnic_queue *q, struct npnic_peer *p, bool limited)
{
	struct npnic_tx *tx = &p->tx[q->index];
	u32 room = tx->size - (tx->head - tx->tail);

	if (READ_ONCE(p->stalled) || room == tx->size)
		return false;
	return npnic_tx_await(tx, limited ? room : NPNIC_FRAME_MAX);
}

/* Is there a ring without room for any frame? Then a doorbell will come. */
static bool npnic_tx_await_room(struct npnic_queue *q)
{
	u32 slot;

	for (slot = 0; slot < q->nic->layout.slots; slot++) {
		struct npnic_peer *p = npnic_tx_peer(q, slot);

		if (p && npnic_tx_await_peer(q, p, false))
			return true;
	}
	return false;
}

/* A doorbell will come when any member has read anything. False: one just has. */
static bool npnic_tx_await_any(struct npnic_queue *q)
{
	u32 slot;

	for (slot = 0; slot < q->nic->layout.slots; slot++) {
		struct npnic_peer *p = npnic_tx_peer(q, slot);
		u32 tail;

		if (!p)
			continue;
		tail = p->tx[q->index].tail;
		if (!npnic_tx_await_peer(q, p, true) && p->tx[q->index].tail != tail)
			return false;
	}
	return true;
}

/* See what was read meanwhile, and start the queue if it may be, or ask for a doorbell. */
static void npnic_tx_reap(struct npnic_queue *q)
{
	struct netdev_queue *txq = npnic_txq(q);

	do {
		npnic_tx_reap_all(q);
		if (!netif_xmit_stopped(txq))
			return;
		if (netif_tx_queue_stopped(txq)) {
			if (npnic_tx_await_room(q))
				return;
			netif_tx_wake_queue(txq);
		}
		/* It may still be stopped by its byte limit, which ends with reading. */
	} while (netif_xmit_stopped(txq) && !npnic_tx_await_any(q));
}

/* Let members see what was written to their rings. */
static void npnic_tx_flush(struct npnic_queue *q)
{
	u32 slot;

	if (!q->dirty)
		return;
	for_each_set_bit(slot, &q->dirty, NPNIC_SLOTS_MAX) {
		struct npnic_peer *p = npnic_tx_peer(q, slot);

		if (p)
			npnic_tx_ring(q, p, npnic_tx_publish(&p->tx[q->index]));
	}
	q->dirty = 0;
	if (!timer_pending(&q->rescue))
		mod_timer(&q->rescue, jiffies + NPNIC_RESCUE);
}

static void npnic_tx_copy_skb(struct npnic_tx *tx, struct sk_buff *skb)
{
	struct skb_seq_state st;
	const u8 *data;
	u32 off = 0;
	u32 len;

	skb_prepare_seq_read(skb, 0, skb->len, &st);
	while ((len = skb_seq_read(off, &data, &st))) {
		npnic_tx_copy(tx, off, data, len);
		off += len;
	}
}

/* Write a frame to the ring to @p. 0, or an error: see npnic_tx_room(). */
static int npnic_tx_frame(struct npnic_queue *q, struct npnic_peer *p, struct sk_buff *skb,
			  const struct npnic_rec *rec)
{
	struct npnic_tx *tx = &p->tx[q->index];
	u32 head = tx->head;
	int err;

	if (READ_ONCE(p->stalled))
		return -EHOSTDOWN;
	err = npnic_tx_room(tx, skb->len);
	if (err) {
		if (err == -EPROTO)
			npnic_peer_cut(p, NPNIC_WHY_INDEX);
		return err;
	}
	npnic_tx_copy_skb(tx, skb);
	npnic_tx_commit(tx, rec->meta, skb->len);
	q->dirty |= BIT(p->slot);
	netdev_tx_sent_queue(npnic_txq(q), tx->head - head);
	return 0;
}

/* To one member. -EAGAIN: its ring is full, and the queue is stopped. */
static int npnic_tx_unicast(struct npnic_queue *q, struct npnic_peer *p, struct sk_buff *skb,
			    const struct npnic_rec *rec)
{
	struct netdev_queue *txq = npnic_txq(q);
	int err;

	err = npnic_tx_frame(q, p, skb, rec);
	if (err == -EAGAIN) {
		netif_tx_stop_queue(txq);
		npnic_tx_flush(q);
		npnic_tx_reap(q);
		if (!netif_tx_queue_stopped(txq))
			err = npnic_tx_frame(q, p, skb, rec);
	}
	if (!err && npnic_tx_room(&p->tx[q->index], NPNIC_FRAME_MAX) == -EAGAIN)
		netif_tx_stop_queue(txq);
	return err;
}

/* To all members. Who has no room goes without, and that is counted by the caller if it is all
 * of them.
 */
static int npnic_tx_flood(struct npnic_queue *q, struct sk_buff *skb,
			  const struct npnic_rec *rec)
{
	u32 slot, sent = 0, missed = 0;

	for (slot = 0; slot < q->nic->layout.slots; slot++) {
		struct npnic_peer *p = npnic_tx_peer(q, slot);

		if (!p)
			continue;
		if (npnic_tx_frame(q, p, skb, rec))
			missed++;
		else
			sent++;
	}
	if (!sent)
		return -ENOTCONN;
	while (missed--)
		npnic_tx_drop(q);
	return 0;
}

static struct npnic_peer *npnic_tx_find(struct npnic_queue *q, const u8 *addr)
{
	u32 slot;

	if (is_multicast_ether_addr(addr))
		return NULL;
	for (slot = 0; slot < q->nic->layout.slots; slot++) {
		struct npnic_peer *p = npnic_tx_peer(q, slot);

		if (p && ether_addr_equal(p->mac, addr))
			return p;
	}
	return NULL;
}

/* The header that goes with a frame. False: this is no frame for us. */
static bool npnic_tx_header(struct sk_buff *skb, struct npnic_rec *rec)
{
	struct virtio_net_hdr hdr;

	static_assert(sizeof(hdr) <= sizeof(rec->meta));
	if (skb->len > NPNIC_FRAME_MAX || !pskb_may_pull(skb, ETH_HLEN))
		return false;
	if (virtio_net_hdr_from_skb(skb, &hdr, true, false, 0))
		return false;
	memset(rec, 0, sizeof(*rec));
	memcpy(rec->meta, &hdr, sizeof(hdr));
	return true;
}

static int npnic_tx_send(struct npnic_queue *q, struct sk_buff *skb)
{
	struct npnic_peer *p;
	struct npnic_rec rec;

	if (!npnic_tx_header(skb, &rec))
		return -EINVAL;
	p = npnic_tx_find(q, skb->data);
	return p ? npnic_tx_unicast(q, p, skb, &rec) : npnic_tx_flood(q, skb, &rec);
}

/* Without a lock: see npnic_pair_join(). */
static netdev_tx_t npnic_xmit_hand(struct npnic *nic, struct sk_buff *skb)
{
	unsigned int len = skb->len;

	skb_tx_timestamp(skb);
	rcu_read_lock();
	if (likely(nic->bus->hand(nic, skb)))
		dev_lstats_add(nic->dev, len);
	else
		dev_core_stats_tx_dropped_inc(nic->dev);
	rcu_read_unlock();
	return NETDEV_TX_OK;
}

/**
 * npnic_xmit - ndo_start_xmit
 * @skb: the frame
 * @dev: the netdev
 *
 * Context: BHs off, with the lock of the netdev's queue.
 * Return: NETDEV_TX_OK: it is sent or dropped; NETDEV_TX_BUSY: the queue was stopped.
 */
netdev_tx_t npnic_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct npnic *nic = netdev_priv(dev);
	struct npnic_queue *q = &nic->queue[skb_get_queue_mapping(skb)];
	int err;

	if (nic->bus->hand)
		return npnic_xmit_hand(nic, skb);
	skb_tx_timestamp(skb);
	err = npnic_tx_send(q, skb);
	if (err == -EAGAIN)
		return NETDEV_TX_BUSY;
	if (err) {
		npnic_tx_drop(q);
		dev_kfree_skb_any(skb);
	} else {
		npnic_tx_count(q, skb->len);
		dev_consume_skb_any(skb);
	}
	if (!netdev_xmit_more() || netif_xmit_stopped(npnic_txq(q))) {
		npnic_tx_flush(q);
		npnic_tx_reap(q);
	}
	return NETDEV_TX_OK;
}

/**
 * npnic_tx_poll - start a stopped queue if there is room
 * @q: the queue
 * @wait: take the queue's lock also where that may take a while
 *
 * Context: softirq, from NAPI; without @wait: any with BHs off.
 */
void npnic_tx_poll(struct npnic_queue *q, bool wait)
{
	struct netdev_queue *txq = npnic_txq(q);

	if (!netif_xmit_stopped(txq))
		return;
	if (wait)
		__netif_tx_lock(txq, smp_processor_id());
	else if (!__netif_tx_trylock(txq))
		return;
	npnic_tx_reap(q);
	__netif_tx_unlock(txq);
}

/**
 * npnic_tx_reset - forget what was sent to a member whose link is down
 * @q: the queue
 * @p: the member
 *
 * Context: process, with life_lock; @p's rings are used by nobody.
 */
void npnic_tx_reset(struct npnic_queue *q, struct npnic_peer *p)
{
	struct netdev_queue *txq = npnic_txq(q);
	struct npnic_tx *tx = &p->tx[q->index];
	u32 n;

	__netif_tx_lock_bh(txq);
	n = tx->head - q->done[p->slot];
	q->done[p->slot] = tx->head;
	__clear_bit(p->slot, &q->dirty);
	netdev_tx_completed_queue(txq, 1, n);
	npnic_tx_reap(q);
	__netif_tx_unlock_bh(txq);
}

/* Say and ring once more to who has not read all. False: nobody, and nobody is stalled, which has
 * to be seen to end.
 */
static bool npnic_rescue_ring(struct npnic_queue *q)
{
	bool any = false;
	u32 slot;

	for (slot = 0; slot < q->nic->layout.slots; slot++) {
		struct npnic_peer *p = npnic_tx_peer(q, slot);
		u32 unread;

		if (!p)
			continue;
		any |= READ_ONCE(p->stalled);
		if (npnic_tx_unread(&p->tx[q->index], &unread)) {
			npnic_peer_cut(p, NPNIC_WHY_INDEX);
		} else if (unread) {
			/* Somebody may have written over what was said. */
			npnic_tx_repeat(&p->tx[q->index]);
			npnic_tx_ring(q, p, true);
			atomic_inc(&q->nic->rescues);
			any = true;
		}
	}
	return any;
}

/**
 * npnic_rescue - a doorbell may have been lost, or a member gone silent
 * @t: a queue's @rescue
 *
 * Context: softirq.
 */
void npnic_rescue(struct timer_list *t)
{
	struct npnic_queue *q = from_timer(q, t, rescue);
	struct netdev_queue *txq = npnic_txq(q);
	u32 slot;

	for (slot = 0; slot < q->nic->layout.slots; slot++) {
		struct npnic_peer *p = npnic_tx_peer(q, slot);

		if (p)
			npnic_peer_stall_check(p);
	}
	__netif_tx_lock(txq, smp_processor_id());
	if (npnic_rescue_ring(q))
		mod_timer(&q->rescue, jiffies + NPNIC_RESCUE);
	npnic_tx_reap(q);
	__netif_tx_unlock(txq);
}
