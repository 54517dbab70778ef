// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory, signals and messages for the family: what include/net/newproto.h asks of a
 * driver.
 *
 * Signals are answered in a NAPI of their own, messages in the device's workqueue, where
 * they keep in order with links going up and down.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>

#include "npnic.h"

/* Messages of one member in a row. */
#define NPNIC_CTL_BATCH		32

static struct npnic *npnic_of(struct np_nic *np)
{
	return container_of(np, struct npnic, nic);
}

static struct npnic_export *npnic_own_export(const struct npnic *nic, u32 id)
{
	return npnic_table(&nic->layout, nic->mem, nic->slot) + id;
}

static unsigned long npnic_space_pages(const struct npnic *nic)
{
	return min_t(u64, nic->layout.direct_size / NPNIC_PAGE, U32_MAX);
}

/* Bits are taken in turns: what was given back is not at once somebody else's. */
static unsigned long npnic_bits_find(unsigned long *map, unsigned long size,
				     unsigned long from, unsigned int n)
{
	unsigned long at = bitmap_find_next_zero_area(map, size, from, n, 0);

	if (at >= size && from)
		at = bitmap_find_next_zero_area(map, size, 0, n, 0);
	return at;
}

/* An id and pages; export_lock. */
static int npnic_space_take(struct npnic *nic, u32 npages, u32 *id, u32 *page)
{
	unsigned long pages = npnic_space_pages(nic), at, free;

	if (npages > pages)
		return -ENOSPC;
	at = npnic_bits_find(nic->space_used, pages, nic->space_next, npages);
	free = npnic_bits_find(nic->export_used, nic->layout.exports, nic->export_next, 1);
	if (at >= pages || free >= nic->layout.exports)
		return -ENOSPC;
	bitmap_set(nic->space_used, at, npages);
	__set_bit(free, nic->export_used);
	nic->space_next = at + npages;
	nic->export_next = free + 1;
	*page = at;
	*id = free;
	return 0;
}

static int npnic_direct_alloc(struct np_nic *np, u32 len, struct np_nic_mem *mem)
{
	struct npnic *nic = npnic_of(np);
	u32 npages = DIV_ROUND_UP((u64)len, NPNIC_PAGE);
	u32 page;
	int err;

	if (READ_ONCE(nic->gone))
		return -ENODEV;
	/* The length of what is rounded up has to be told in 32 bits, too. */
	if (!npages || npages > U32_MAX / NPNIC_PAGE)
		return -ENOSPC;
	spin_lock(&nic->export_lock);
	err = npnic_space_take(nic, npages, &mem->id, &page);
	spin_unlock(&nic->export_lock);
	if (err)
		return err;
	mem->addr = npnic_direct(&nic->layout, nic->mem, nic->slot) + (u64)page * NPNIC_PAGE;
	mem->len = npages * NPNIC_PAGE;
	memset(mem->addr, 0, mem->len);
	mem->gen = npnic_export_set(npnic_own_export(nic, mem->id), page, npages);
	return 0;
}

static void npnic_direct_free(struct np_nic *np, const struct np_nic_mem *mem)
{
	struct npnic *nic = npnic_of(np);
	u64 off = (u8 *)mem->addr - npnic_direct(&nic->layout, nic->mem, nic->slot);

	npnic_export_set(npnic_own_export(nic, mem->id), 0, 0);
	spin_lock(&nic->export_lock);
	bitmap_clear(nic->space_used, off / NPNIC_PAGE, mem->len / NPNIC_PAGE);
	__clear_bit(mem->id, nic->export_used);
	spin_unlock(&nic->export_lock);
}

static int npnic_peer_attach(struct npnic_peer *p, u32 id, u32 gen, struct np_nic_mem *mem)
{
	const struct npnic *nic = p->nic;
	const struct npnic_layout *l = &nic->layout;
	int err = -EPROTO;
	u64 off;
	u32 len;

	if (id < l->exports)
		err = npnic_export_get(l, npnic_table(l, nic->mem, p->slot), id, gen, &off,
				       &len);
	if (err == -EPROTO)
		npnic_peer_cut(p, NPNIC_WHY_HANDLE);
	if (err)
		return err;
	mem->addr = npnic_direct(l, nic->mem, p->slot) + off;
	mem->len = len;
	mem->id = id;
	mem->gen = gen;
	return 0;
}

/* The member in a slot, of any number, if its link is up. RCU. */
static struct npnic_peer *npnic_direct_peer(struct npnic *nic, u32 slot)
{
	return slot < nic->layout.slots ? npnic_peer_up(nic, slot) : NULL;
}

static int npnic_direct_attach(struct np_nic *np, u32 slot, u32 id, u32 gen,
			       struct np_nic_mem *mem)
{
	struct npnic_peer *p;
	int err = -ENOTCONN;

	rcu_read_lock();
	p = npnic_direct_peer(npnic_of(np), slot);
	if (p)
		err = npnic_peer_attach(p, id, gen, mem);
	rcu_read_unlock();
	return err;
}

static void npnic_ctl_ring(struct npnic_peer *p)
{
	atomic_inc(&p->nic->ctl_doorbells);
	p->nic->bus->ring(p->nic, p->slot, NPNIC_VEC_CTL);
}

/* Something is outstanding: see in a while whether it still is. Under RCU, and the link is
 * up, so whoever stops the timer comes later.
 */
static void npnic_ctl_arm(struct npnic *nic)
{
	if (!timer_pending(&nic->ctl_rescue))
		mod_timer(&nic->ctl_rescue, jiffies + NPNIC_RESCUE);
}

static void npnic_direct_signal(struct np_nic *np, u32 slot, u32 id)
{
	struct npnic *nic = npnic_of(np);
	struct npnic_peer *p;

	if (id >= nic->layout.exports)
		return;
	rcu_read_lock();
	p = npnic_direct_peer(nic, slot);
	if (p && !(nic->bus->signal && nic->bus->signal(nic, slot, id))) {
		if (npnic_flag_raise(&p->flags, id))
			npnic_ctl_ring(p);
		npnic_ctl_arm(nic);
	}
	rcu_read_unlock();
}

/* Is there room for a message of @len bytes? If not, it will be told of room for any.
 * ctl_lock.
 */
static int npnic_ctl_room(struct npnic_peer *p, u32 len)
{
	int err = npnic_tx_room(&p->ctl_tx, len);

	if (err != -EAGAIN)
		return err;
	if (npnic_tx_await(&p->ctl_tx, NPNIC_MSG_MAX))
		return -EAGAIN;
	return npnic_tx_room(&p->ctl_tx, len);
}

static int npnic_peer_send(struct npnic_peer *p, const void *msg, u32 len)
{
	static const u8 meta[sizeof_field(struct npnic_rec, meta)];
	bool ring = false;
	int err;

	spin_lock_bh(&p->ctl_lock);
	err = npnic_ctl_room(p, len);
	if (!err) {
		npnic_tx_copy(&p->ctl_tx, 0, msg, len);
		npnic_tx_commit(&p->ctl_tx, meta, len);
		ring = npnic_tx_publish(&p->ctl_tx);
	} else if (err == -EAGAIN) {
		WRITE_ONCE(p->ctl_full, true);
	}
	spin_unlock_bh(&p->ctl_lock);

	if (ring)
		npnic_ctl_ring(p);
	if (err == -EPROTO) {
		npnic_peer_cut(p, NPNIC_WHY_INDEX);
		return -ENOTCONN;
	}
	npnic_ctl_arm(p->nic);
	return err;
}

static int npnic_direct_send(struct np_nic *np, u32 slot, const void *msg, u32 len)
{
	struct npnic_peer *p;
	int err = -ENOTCONN;

	rcu_read_lock();
	p = npnic_direct_peer(npnic_of(np), slot);
	if (p)
		err = npnic_peer_send(p, msg, len);
	rcu_read_unlock();
	return err;
}

static void npnic_direct_cut(struct np_nic *np, u32 slot, const char *reason)
{
	struct npnic *nic = npnic_of(np);

	if (slot >= nic->layout.slots)
		return;
	if (net_ratelimit())
		netdev_warn(nic->dev, "slot %u is cut off: %s\n", slot, reason);
	npnic_peer_cut(&nic->peer[slot], NPNIC_WHY_FAMILY);
}

/* Hand messages of a member to the family. True: there are more. life_lock; the link is
 * up.
 */
static bool npnic_ctl_receive(struct npnic_peer *p)
{
	struct npnic *nic = p->nic;
	struct npnic_rec rec;
	int n, err = 1;
	u32 len;

	for (n = 0; n < NPNIC_CTL_BATCH && !atomic_read(&p->cut); n++) {
		err = npnic_rx_next(&p->ctl_rx, &rec, &len);
		if (err <= 0)
			break;
		npnic_rx_copy(&p->ctl_rx, 0, nic->msg, len);
		npnic_rx_consume(&p->ctl_rx, len);
		np_nic_message(&nic->nic, p->slot, nic->msg, len);
	}
	if (err < 0)
		npnic_peer_cut(p, NPNIC_WHY_RECORD);
	if (atomic_read(&p->cut))
		return false;
	if (npnic_rx_publish(&p->ctl_rx))
		npnic_ctl_ring(p);
	return n == NPNIC_CTL_BATCH || !npnic_rx_rest(&p->ctl_rx);
}

/* If the family waits for room and there is some, tell it. life_lock; the link is up. */
static void npnic_ctl_wanted(struct npnic_peer *p)
{
	bool room = false;
	int err = 0;

	if (!READ_ONCE(p->ctl_full))
		return;
	spin_lock_bh(&p->ctl_lock);
	if (p->ctl_full) {
		err = npnic_ctl_room(p, NPNIC_MSG_MAX);
		room = !err;
		if (room)
			WRITE_ONCE(p->ctl_full, false);
	}
	spin_unlock_bh(&p->ctl_lock);
	if (err == -EPROTO)
		npnic_peer_cut(p, NPNIC_WHY_INDEX);
	if (room)
		np_nic_room(&p->nic->nic, p->slot);
}

/* Work: messages, and room for messages. */
static void npnic_ctl_work(struct work_struct *work)
{
	struct npnic *nic = container_of(work, struct npnic, ctl);
	bool more = false;
	u32 slot;

	mutex_lock(&nic->life_lock);
	for (slot = 0; slot < nic->layout.slots; slot++) {
		struct npnic_peer *p = &nic->peer[slot];

		if (!p->up)
			continue;
		more |= npnic_ctl_receive(p);
		npnic_ctl_wanted(p);
	}
	mutex_unlock(&nic->life_lock);
	if (more)
		queue_work(nic->wq, &nic->ctl);
}

/* Has the control work something to do? What is not seen now rings. */
static bool npnic_ctl_pending(const struct npnic_peer *p)
{
	u32 head = le32_to_cpu(READ_ONCE(p->ctl_rx.peer->index));

	/* The work that moves the tail looks at the head afterwards. */
	return head != data_race(p->ctl_rx.tail) || READ_ONCE(p->ctl_full);
}

/* Answer up to @budget signals and a few, going on where the last call has ended. */
static int npnic_signals_answer(struct npnic *nic, int budget)
{
	const struct npnic_layout *l = &nic->layout;
	u32 n = l->slots + !!nic->poll_word;
	unsigned long bits;
	int done = 0, bit;

	while (n--) {
		struct npnic_peer *p = npnic_peer_up(nic, nic->poll_slot);

		for (; p && nic->poll_word < l->exports / 64; nic->poll_word++) {
			if (done >= budget)
				return done;
			bits = npnic_flags_take(&p->flags, nic->poll_word);
			done += hweight_long(bits);
			for_each_set_bit(bit, &bits, 64)
				np_nic_signal(&nic->nic, p->slot, nic->poll_word * 64 + bit);
		}
		nic->poll_word = 0;
		nic->poll_slot = (nic->poll_slot + 1) % l->slots;
	}
	return done;
}

/* Ask for doorbells. False: there is a signal already. */
static bool npnic_signals_rest(struct npnic *nic)
{
	struct npnic_peer *p;
	u32 slot;

	for (slot = 0; slot < nic->layout.slots; slot++) {
		p = npnic_peer_up(nic, slot);
		if (p && !npnic_flags_rest(&p->flags))
			return false;
	}
	return true;
}

/* NAPI of the control vector: answer signals, and have messages looked at. */
static int npnic_direct_poll(struct napi_struct *napi, int budget)
{
	struct npnic *nic = container_of(napi, struct npnic, ctl_napi);
	bool pending = false;
	struct npnic_peer *p;
	u32 slot;
	int done;

	if (!budget)
		return 0;
	rcu_read_lock();
	for (slot = 0; slot < nic->layout.slots; slot++) {
		p = npnic_peer_up(nic, slot);
		if (!p)
			continue;
		npnic_flags_wake(&p->flags);
		pending |= npnic_ctl_pending(p);
	}
	if (pending)
		queue_work(nic->wq, &nic->ctl);
	done = npnic_signals_answer(nic, budget);
	if (done >= budget || !npnic_signals_rest(nic))
		done = budget;
	else
		napi_complete_done(napi, done);
	rcu_read_unlock();
	return done;
}

/**
 * npnic_direct_irq - the control vector's doorbell has come in
 * @nic: the device
 *
 * Context: any.
 */
void npnic_direct_irq(struct npnic *nic)
{
	atomic_inc(&nic->ctl_irqs);
	npnic_napi_schedule(&nic->ctl_napi);
}

/**
 * npnic_direct_outstanding - does a member owe an answer to a message or a signal?
 * @p: the member; its link is up
 * @progress: what it has done so far is added to this
 *
 * Context: under RCU, and not in a hard irq.
 *
 * Return: whether it does.
 */
bool npnic_direct_outstanding(struct npnic_peer *p, u64 *progress)
{
	const struct npnic_flags *f = &p->flags;
	u32 unread = 0, i;
	int err;

	spin_lock_bh(&p->ctl_lock);
	err = npnic_tx_unread(&p->ctl_tx, &unread);
	*progress += p->ctl_tx.tail;
	spin_unlock_bh(&p->ctl_lock);
	if (err)
		npnic_peer_cut(p, NPNIC_WHY_INDEX);
	for (i = 0; i < f->n / 64; i++)
		*progress += READ_ONCE(f->sent_acks[i]);
	return unread || npnic_flags_unanswered(f);
}

/* Say and ring once more. */
static void npnic_ctl_repeat(struct npnic_peer *p)
{
	spin_lock_bh(&p->ctl_lock);
	npnic_tx_repeat(&p->ctl_tx);
	spin_unlock_bh(&p->ctl_lock);
	npnic_ctl_ring(p);
}

/* The rescue timer: doorbells can be lost, so ring again as long as something is
 * outstanding.
 */
static void npnic_ctl_rescue(struct timer_list *t)
{
	struct npnic *nic = container_of(t, struct npnic, ctl_rescue);
	bool again = false, outstanding;
	struct npnic_peer *p;
	u64 progress = 0;
	u32 slot;

	rcu_read_lock();
	for (slot = 0; slot < nic->layout.slots; slot++) {
		p = npnic_peer_up(nic, slot);
		if (p && READ_ONCE(p->ctl_full)) {
			again = true;
			queue_work(nic->wq, &nic->ctl);
		}
		if (!p)
			continue;
		outstanding = npnic_direct_outstanding(p, &progress);
		if (outstanding) {
			atomic_inc(&nic->rescues);
			npnic_ctl_repeat(p);
		}
		/* Who was silent, and has taken all since, is not stalled any more. */
		if (outstanding || READ_ONCE(p->stalled))
			npnic_peer_stall_check(p);
		again |= outstanding || READ_ONCE(p->stalled);
	}
	if (again)
		mod_timer(&nic->ctl_rescue, jiffies + NPNIC_RESCUE);
	rcu_read_unlock();
}

/**
 * npnic_direct_peer_reset - prepare for a new life of a link
 * @p: the member, whose link nobody uses
 *
 * Context: life_lock.
 */
void npnic_direct_peer_reset(struct npnic_peer *p)
{
	struct npnic *nic = p->nic;
	const struct npnic_layout *l = &nic->layout;
	u32 own = nic->slot;

	npnic_tx_init(&p->ctl_tx, npnic_words(l, nic->mem, own, p->slot, 0, false),
		      npnic_words(l, nic->mem, p->slot, own, 0, true),
		      npnic_ring_data(l, nic->mem, own, p->slot, 0), l->ctl_size,
		      NPNIC_MSG_MAX);
	npnic_rx_init(&p->ctl_rx, npnic_words(l, nic->mem, own, p->slot, 0, true),
		      npnic_words(l, nic->mem, p->slot, own, 0, false),
		      npnic_ring_data(l, nic->mem, p->slot, own, 0), l->ctl_size,
		      NPNIC_MSG_MAX);
	p->ctl_full = false;
	p->flags.own = p->life.own;
	p->flags.peer = p->life.peer;
	p->flags.send = npnic_signals(l, nic->mem, own, p->slot, false);
	p->flags.sent_acks = npnic_signals(l, nic->mem, p->slot, own, true);
	p->flags.recv = npnic_signals(l, nic->mem, p->slot, own, false);
	p->flags.recv_acks = npnic_signals(l, nic->mem, own, p->slot, true);
	p->flags.n = l->exports;
	npnic_flags_reset(&p->flags);
}

/**
 * npnic_direct_peer_up - see what a member has sent already
 * @p: the member, whose link has just come up
 *
 * Context: life_lock.
 */
void npnic_direct_peer_up(struct npnic_peer *p)
{
	queue_work(p->nic->wq, &p->nic->ctl);
	npnic_napi_schedule(&p->nic->ctl_napi);
}

/**
 * npnic_direct_open - the netdev goes up
 * @nic: the device
 *
 * Context: ndo_open.
 */
void npnic_direct_open(struct npnic *nic)
{
	napi_enable(&nic->ctl_napi);
}

/**
 * npnic_direct_stop - the netdev goes down
 * @nic: the device, of which no link is up any more
 *
 * Context: ndo_stop.
 */
void npnic_direct_stop(struct npnic *nic)
{
	napi_disable(&nic->ctl_napi);
	del_timer_sync(&nic->ctl_rescue);
	cancel_work_sync(&nic->ctl);
}

/* Nothing of one's own can be attached: whoever had the slot before may have left some. */
static void npnic_table_clear(struct npnic *nic)
{
	struct npnic_export *e;
	u32 id;

	for (id = 0; id < nic->layout.exports; id++) {
		e = npnic_own_export(nic, id);
		if (le32_to_cpu(READ_ONCE(e->gen)) & 1)
			npnic_export_set(e, 0, 0);
	}
}

static const struct np_nic_ops npnic_direct_ops = {
	.alloc	= npnic_direct_alloc,
	.free	= npnic_direct_free,
	.attach	= npnic_direct_attach,
	.signal	= npnic_direct_signal,
	.send	= npnic_direct_send,
	.cut	= npnic_direct_cut,
};

/**
 * npnic_direct_init - prepare what the family uses
 * @nic: the device
 *
 * Return: 0 or -ENOMEM.
 */
int npnic_direct_init(struct npnic *nic)
{
	const struct npnic_layout *l = &nic->layout;

	spin_lock_init(&nic->export_lock);
	nic->export_used = kvcalloc(BITS_TO_LONGS(l->exports), sizeof(long), GFP_KERNEL);
	nic->space_used = kvcalloc(BITS_TO_LONGS(npnic_space_pages(nic)), sizeof(long),
				   GFP_KERNEL);
	if (!nic->export_used || !nic->space_used) {
		kvfree(nic->space_used);
		kvfree(nic->export_used);
		return -ENOMEM;
	}
	npnic_table_clear(nic);
	INIT_WORK(&nic->ctl, npnic_ctl_work);
	timer_setup(&nic->ctl_rescue, npnic_ctl_rescue, 0);
	netif_napi_add(nic->dev, &nic->ctl_napi, npnic_direct_poll);

	nic->nic.ops = &npnic_direct_ops;
	nic->nic.dev = nic->dev;
	memcpy(nic->nic.fabric, l->fabric, sizeof(nic->nic.fabric));
	nic->nic.slot = nic->slot;
	nic->nic.slots = l->slots;
	nic->nic.ids = l->exports;
	return 0;
}

/**
 * npnic_direct_exit - undo npnic_direct_init()
 * @nic: the device, which the family does not know any more
 *
 * Context: process. The netdev is not freed before a grace period has passed.
 */
void npnic_direct_exit(struct npnic *nic)
{
	timer_shutdown_sync(&nic->ctl_rescue);
	cancel_work_sync(&nic->ctl);
	__netif_napi_del(&nic->ctl_napi);
	/* With what the family had no reason to give back one by one. */
	npnic_table_clear(nic);
	kvfree(nic->space_used);
	kvfree(nic->export_used);
}
