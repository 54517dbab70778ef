// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receiving frames: NAPI, one for each queue, from the rings of all members.
 *
 * The others may change a frame at any time: it is copied out of the ring once, and what is
 * looked at is the copy. (Of a large one the first bytes are copied twice: those that tell
 * how long its headers are count for that alone.)
 */
#include <linux/etherdevice.h>
#include <linux/skbuff.h>
#include <linux/virtio_net.h>

#include "npnic.h"

#define NPNIC_COPY	1600U	/* bytes up to which a frame is kept in one piece */
#define NPNIC_PULL	256U	/* of a larger one: where its headers are */

/* Counters of one visit to a ring. */
struct npnic_got {
	u32 packets;
	u64 bytes;
	u32 dropped;
	u32 errors;
};

static void npnic_rx_count(struct npnic_queue *q, const struct npnic_got *got, bool doorbell)
{
	u64_stats_update_begin(&q->rx_sync);
	u64_stats_add(&q->rx_packets, got->packets);
	u64_stats_add(&q->rx_bytes, got->bytes);
	u64_stats_add(&q->rx_dropped, got->dropped);
	u64_stats_add(&q->rx_errors, got->errors);
	u64_stats_inc(doorbell ? &q->rx_doorbells : &q->rx_quiet);
	u64_stats_update_end(&q->rx_sync);
}

/* Copy what is at @off of the body into pages. */
static bool npnic_rx_pages(struct npnic_queue *q, const struct npnic_rx *rx,
			   struct sk_buff *skb, u32 off, u32 len)
{
	struct page_frag *frag = &q->frag;

	while (len) {
		int i = skb_shinfo(skb)->nr_frags;
		u32 n = min_t(u32, len, PAGE_SIZE);

		/* Pieces of a page at least: so their number suffices for any frame. */
		if (!skb_page_frag_refill(n, frag, GFP_ATOMIC))
			return false;
		n = min(len, frag->size - frag->offset);
		npnic_rx_copy(rx, off, page_address(frag->page) + frag->offset, n);
		get_page(frag->page);
		skb_add_rx_frag(skb, i, frag->page, frag->offset, n, n);
		frag->offset += n;
		off += n;
		len -= n;
	}
	return true;
}

/* A frame, copied out of the ring. NULL: no memory. */
static struct sk_buff *npnic_rx_skb(struct npnic_queue *q, const struct npnic_rx *rx, u32 len)
{
	u32 head = len <= NPNIC_COPY ? len : NPNIC_PULL;
	struct sk_buff *skb;

	skb = napi_alloc_skb(&q->napi, head);
	if (!skb)
		return NULL;
	npnic_rx_copy(rx, 0, skb->data, head);
	if (head < len)
		head = eth_get_headlen(q->nic->dev, skb->data, head);
	skb_put(skb, head);
	if (head < len && !npnic_rx_pages(q, rx, skb, head, len - head)) {
		dev_kfree_skb_any(skb);
		return NULL;
	}
	return skb;
}

/* Hand a frame up, or count why not. */
static void npnic_rx_frame(struct npnic_queue *q, const struct npnic_rx *rx,
			   const struct npnic_rec *rec, u32 len, struct npnic_got *got)
{
	struct virtio_net_hdr hdr;
	struct sk_buff *skb;

	if (len < ETH_HLEN) {
		got->errors++;
		return;
	}
	skb = npnic_rx_skb(q, rx, len);
	if (!skb) {
		got->dropped++;
		return;
	}
	memcpy(&hdr, rec->meta, sizeof(hdr));
	if (virtio_net_hdr_to_skb(skb, &hdr, true)) {
		got->errors++;
		dev_kfree_skb_any(skb);
		return;
	}
	got->packets++;
	got->bytes += len;
	skb_record_rx_queue(skb, q->index);
	skb->protocol = eth_type_trans(skb, q->nic->dev);
	napi_gro_receive(&q->napi, skb);
}

static bool npnic_rx_give(struct npnic_queue *q, struct npnic_peer *p)
{
	bool doorbell = npnic_rx_publish(&p->rx[q->index]);

	if (doorbell)
		q->nic->bus->ring(q->nic, p->slot, NPNIC_VEC_QUEUE + q->index);
	return doorbell;
}

/* Receive from one ring. How many frames it were, good or bad. */
static int npnic_rx_peer(struct npnic_queue *q, struct npnic_peer *p, int budget)
{
	struct npnic_rx *rx = &p->rx[q->index];
	struct npnic_got got = { };
	bool doorbell = false;
	struct npnic_rec rec;
	int n, more = 0;
	u32 len;

	for (n = 0; n < budget; n++) {
		more = npnic_rx_next(rx, &rec, &len);
		if (more <= 0)
			break;
		npnic_rx_frame(q, rx, &rec, len, &got);
		npnic_rx_consume(rx, len);
		/* Who waits for room need not wait for all of it. */
		if (rx->tail - rx->published >= rx->size / 4)
			doorbell |= npnic_rx_give(q, p);
	}
	if (n)
		npnic_rx_count(q, &got, npnic_rx_give(q, p) || doorbell);
	if (more < 0)
		npnic_peer_cut(p, rx->head == rx->tail ? NPNIC_WHY_INDEX : NPNIC_WHY_RECORD);
	return n;
}

/* A member that one may receive from. */
static struct npnic_peer *npnic_rx_member(struct npnic *nic, u32 slot)
{
	struct npnic_peer *p = npnic_peer_up(nic, slot);

	return p && !atomic_read(&p->cut) ? p : NULL;
}

static u32 npnic_rx_members(struct npnic *nic)
{
	u32 slot, n = 0;

	for (slot = 0; slot < nic->layout.slots; slot++)
		n += !!npnic_rx_member(nic, slot);
	return n;
}

/* Receive from all, in turn, each its share, until there is nothing or @budget is used up. */
static int npnic_rx_all(struct npnic_queue *q, int budget)
{
	struct npnic *nic = q->nic;
	u32 slots = nic->layout.slots;
	int share = max(1U, budget / max(1U, npnic_rx_members(nic)));
	int work = 0;
	u32 idle;

	for (idle = 0; idle < slots && work < budget; idle++) {
		struct npnic_peer *p = npnic_rx_member(nic, q->turn);
		int n = p ? npnic_rx_peer(q, p, min(share, budget - work)) : 0;

		work += n;
		/* Who has used its share up is asked again when all others were. */
		if (n == share)
			idle = U32_MAX;
		q->turn = (q->turn + 1) % slots;
	}
	return work;
}

/* Ask all for doorbells. False: there is something already. */
static bool npnic_rx_rest_all(struct npnic_queue *q)
{
	struct npnic *nic = q->nic;
	bool rest = true;
	u32 slot;

	for (slot = 0; slot < nic->layout.slots; slot++) {
		struct npnic_peer *p = npnic_rx_member(nic, slot);

		if (p && !npnic_rx_rest(&p->rx[q->index]))
			rest = false;
	}
	return rest;
}

/**
 * npnic_poll - NAPI of a queue
 * @napi: a queue's @napi
 * @budget: how many frames may be received; 0 from netpoll
 *
 * Context: softirq, or any with BHs off.
 * Return: how many it were; @budget, too, if there are more.
 */
int npnic_poll(struct napi_struct *napi, int budget)
{
	struct npnic_queue *q = container_of(napi, struct npnic_queue, napi);
	int work;

	npnic_tx_poll(q, budget);
	if (!budget)
		return 0;
	rcu_read_lock();
	work = npnic_rx_all(q, budget);
	if (work < budget) {
		/* Once it is complete another processor may be at the rings. A doorbell that
		 * comes before that has it polled again.
		 */
		if (npnic_rx_rest_all(q))
			napi_complete_done(napi, work);
		else
			work = budget;
	}
	rcu_read_unlock();
	return work;
}
