// SPDX-License-Identifier: GPL-2.0-only
/*
 * The other members of the fabric: there, gone, stalled, cut off.
 *
 * All that changes the life of a link happens in npnic_look(), in the device's ordered
 * workqueue, or in npnic_stop(), and under life_lock. All others only ask for it.
 */
#include <linux/etherdevice.h>
#include <linux/random.h>
#include <linux/rtnetlink.h>
#include <asm/unaligned.h>

#include "npnic.h"

/* How often to look again as long as a member has no link: doorbells to one that has no
 * driver yet are lost.
 */
#define NPNIC_LOOK_AGAIN	HZ

static const char *const npnic_reason_names[NPNIC_WHY_NR] = {
	[NPNIC_WHY_DOWN]	= "down",
	[NPNIC_WHY_LEFT]	= "left",
	[NPNIC_WHY_RESET]	= "reset",
	[NPNIC_WHY_TIMEOUT]	= "timeout",
	[NPNIC_WHY_INDEX]	= "bad_index",
	[NPNIC_WHY_RECORD]	= "bad_record",
	[NPNIC_WHY_HANDLE]	= "bad_handle",
	[NPNIC_WHY_FAMILY]	= "family",
};

/**
 * npnic_reason_name - what a reason is called in messages and counters
 * @why: the reason
 *
 * Return: a word.
 */
const char *npnic_reason_name(enum npnic_reason why)
{
	return npnic_reason_names[why];
}

static void npnic_peer_ring(struct npnic_peer *p, u32 vector)
{
	p->nic->bus->ring(p->nic, p->slot, vector);
}

/* The one place where a link goes up or down for those who use it. */
static void npnic_peer_set_up(struct npnic_peer *p, bool up)
{
	/* All that is prepared is seen before; pairs with npnic_peer_up(). */
	smp_store_release(&p->up, up);
}

/* What the board says of a member: NPNIC_BOARD_*, or anything; and who it is. */
static u32 npnic_peer_board(struct npnic_peer *p, u32 *id)
{
	struct npnic *nic = p->nic;
	struct npnic_board *board = npnic_board(&nic->layout, nic->mem);
	__le32 state;

	/* The id was written before. */
	state = smp_load_acquire(&board->slot[p->slot].state);
	*id = le32_to_cpu(READ_ONCE(board->slot[p->slot].peer_id));
	return le32_to_cpu(state);
}

/* What is not an address of one station is taken for no address. */
static void npnic_peer_read_mac(struct npnic_peer *p)
{
	struct npnic *nic = p->nic;
	const struct npnic_slot *slot = npnic_area(&nic->layout, nic->mem, p->slot);
	u8 mac[ETH_ALEN] __aligned(2);

	put_unaligned_le32(le32_to_cpu(READ_ONCE(slot->mac_lo)), mac);
	put_unaligned_le16(le32_to_cpu(READ_ONCE(slot->mac_hi)), mac + 4);
	if (!is_valid_ether_addr(mac))
		eth_zero_addr(mac);
	if (!ether_addr_equal(p->mac, mac))
		ether_addr_copy(p->mac, mac);
}

/* What others may know of this device. Written anew with each look: somebody may have
 * written over it.
 */
static void npnic_slot_write(struct npnic *nic)
{
	struct npnic_slot *slot = npnic_area(&nic->layout, nic->mem, nic->slot);
	const struct net_device *dev = nic->dev;

	WRITE_ONCE(slot->mac_lo, cpu_to_le32(get_unaligned_le32(dev->dev_addr)));
	WRITE_ONCE(slot->mac_hi, cpu_to_le32(get_unaligned_le16(dev->dev_addr + 4)));
	WRITE_ONCE(slot->mtu, cpu_to_le32(READ_ONCE(dev->mtu)));
	WRITE_ONCE(slot->queues, cpu_to_le32(READ_ONCE(dev->real_num_tx_queues)));
	WRITE_ONCE(slot->stalls, cpu_to_le32(atomic_read(&nic->stalls)));
}

/* The link is up: let everybody use it, and look at what has come in meanwhile. */
static void npnic_peer_raise(struct npnic_peer *p)
{
	struct npnic *nic = p->nic;
	u32 q;

	npnic_peer_read_mac(p);
	spin_lock_bh(&p->stall_lock);
	p->stalled = false;
	p->checked = jiffies;
	p->moved = jiffies;
	p->progress = 0;
	spin_unlock_bh(&p->stall_lock);
	atomic_set(&p->cut, 0);
	npnic_peer_set_up(p, true);
	np_nic_peer_up(&nic->nic, p->slot);
	npnic_direct_peer_up(p);
	for (q = 0; q < nic->layout.queues; q++)
		npnic_napi_schedule(&nic->queue[q].napi);
	npnic_netdev_carrier(nic);
	if (net_ratelimit())
		netdev_info(nic->dev, "link to slot %u is up\n", p->slot);
}

/* Nothing is offered any more; if the link was up, nobody uses it when this returns. */
static void npnic_peer_lower(struct npnic_peer *p, enum npnic_reason why)
{
	struct npnic *nic = p->nic;

	if (p->up) {
		npnic_peer_set_up(p, false);
		synchronize_net();
		np_nic_peer_down(&nic->nic, p->slot);
		npnic_netdev_peer_down(p);
		npnic_netdev_carrier(nic);
		atomic_inc(&nic->why[why]);
		if (net_ratelimit())
			netdev_info(nic->dev, "link to slot %u is down: %s\n", p->slot,
				    npnic_reason_name(why));
	}
	if (p->life.state == NPNIC_LINK_DOWN)
		return;
	npnic_life_end(&p->life);
	npnic_peer_ring(p, NPNIC_VEC_BOARD);
}

/* Are own words still those that were written? If not there is no use in waiting for the
 * other's answer to them.
 */
static bool npnic_life_intact(const struct npnic_life *life)
{
	return READ_ONCE(life->own->mine) == cpu_to_le32(life->mine) &&
	       READ_ONCE(life->own->ack) == cpu_to_le32(life->theirs);
}

/* A life is offered or lived: see what the other says. */
static void npnic_peer_watch(struct npnic_peer *p)
{
	enum npnic_link_news news = npnic_life_look(&p->life);
	int cut;

	/* A reset is looked for first: it makes indices impossible, too. */
	if (news == NPNIC_NEWS_LOST || !npnic_life_intact(&p->life)) {
		npnic_peer_lower(p, NPNIC_WHY_RESET);
		return;
	}
	cut = p->up ? atomic_read(&p->cut) : 0;
	if (cut) {
		npnic_peer_lower(p, cut - 1);
		p->retry = jiffies + NPNIC_CUT_TIME;
		return;
	}
	if (news == NPNIC_NEWS_UP)
		npnic_peer_raise(p);
	else if (p->up)
		npnic_peer_read_mac(p);
	if (news != NPNIC_NEWS_NONE)
		npnic_peer_ring(p, NPNIC_VEC_BOARD);
}

/* How long until @when, which is no more than @most away if it is to come. */
static unsigned long npnic_until(unsigned long when, unsigned long most)
{
	unsigned long left = when - jiffies;

	return left <= most ? left : 0;
}

static unsigned long npnic_peer_debt(const struct npnic_peer *p)
{
	return npnic_until(p->paid, (NPNIC_LIVES + 1) * NPNIC_LIFE_PACE);
}

/* How long until a new life may be offered. A member can end one by two words; here that costs
 * grace periods, in which no other one is heard. So each one gets only so many.
 */
static unsigned long npnic_peer_pause(const struct npnic_peer *p)
{
	unsigned long debt = npnic_peer_debt(p);
	unsigned long credit = NPNIC_LIVES * NPNIC_LIFE_PACE;

	return max(npnic_until(p->retry, NPNIC_CUT_TIME), debt > credit ? debt - credit : 0);
}

static void npnic_peer_begin(struct npnic_peer *p)
{
	u32 mine;

	p->paid = jiffies + npnic_peer_debt(p) + NPNIC_LIFE_PACE;
	do {
		mine = get_random_u32();
	} while (!mine);
	/* Words of rings and signals are ready when the other learns of this life. */
	npnic_netdev_peer_up(p);
	npnic_direct_peer_reset(p);
	npnic_life_begin(&p->life, mine);
	npnic_peer_ring(p, NPNIC_VEC_BOARD);
	npnic_peer_watch(p);
}

/* See whether a member is there. A slot does not become free again: who reads that reads
 * nonsense, and does not believe it.
 */
static void npnic_peer_look_board(struct npnic_peer *p)
{
	u32 id, state = npnic_peer_board(p, &id);
	bool live = state == NPNIC_BOARD_LIVE;

	if (p->live && (state == NPNIC_BOARD_DEAD || (live && id != p->id))) {
		p->live = false;
		npnic_peer_lower(p, NPNIC_WHY_LEFT);
		p->retry = jiffies;
	}
	if (live) {
		WRITE_ONCE(p->id, id);
		p->live = true;
	}
}

/* See whether a member is there, and what it says. How long until that has to be done again,
 * though nobody rings; 0: not at all.
 */
static unsigned long npnic_peer_look(struct npnic_peer *p)
{
	unsigned long left;
	u32 id;

	npnic_peer_look_board(p);
	if (!p->live)
		return npnic_peer_board(p, &id) == NPNIC_BOARD_FREE ? 0 : NPNIC_LOOK_AGAIN;
	if (p->life.state != NPNIC_LINK_DOWN)
		npnic_peer_watch(p);
	if (p->life.state == NPNIC_LINK_DOWN) {
		left = npnic_peer_pause(p);
		if (left)
			return left;
		npnic_peer_begin(p);
	}
	return p->up ? 0 : NPNIC_LOOK_AGAIN;
}

/* @again: nobody has rung; who has not answered may not have heard. */
static void npnic_look(struct npnic *nic, bool again)
{
	unsigned long delay = 0, d;
	u32 slot;

	mutex_lock(&nic->life_lock);
	if (!nic->opened || nic->gone)
		goto out;
	npnic_slot_write(nic);
	for (slot = 0; slot < nic->layout.slots; slot++) {
		struct npnic_peer *p = &nic->peer[slot];

		if (slot == nic->slot)
			continue;
		d = npnic_peer_look(p);
		if (d)
			delay = delay ? min(delay, d) : d;
		if (again && p->life.state == NPNIC_LINK_WAIT)
			npnic_peer_ring(p, NPNIC_VEC_BOARD);
	}
	if (delay)
		mod_delayed_work(nic->wq, &nic->retry, delay);
out:
	mutex_unlock(&nic->life_lock);
}

static void npnic_look_work(struct work_struct *work)
{
	npnic_look(container_of(work, struct npnic, look), false);
}

static void npnic_retry_work(struct work_struct *work)
{
	npnic_look(container_of(to_delayed_work(work), struct npnic, retry), true);
}

/**
 * npnic_peer_cut - end the link to a member that does not keep to the rules
 * @p: the member
 * @why: what it did
 *
 * The link goes down soon, and is offered anew after NPNIC_CUT_TIME. The first reason
 * counts.
 *
 * Context: any.
 */
void npnic_peer_cut(struct npnic_peer *p, enum npnic_reason why)
{
	if (!atomic_cmpxchg(&p->cut, 0, why + 1))
		queue_work(p->nic->wq, &p->nic->look);
}

/* For how long has nothing moved? Where that was not asked for a while there was nothing
 * outstanding, or this kernel itself was silent. stall_lock.
 */
static unsigned long npnic_peer_silence(struct npnic_peer *p, bool outstanding, u64 progress)
{
	unsigned long now = jiffies;

	if (!outstanding || progress != p->progress ||
	    time_after(now, p->checked + NPNIC_STALL)) {
		p->moved = now;
		WRITE_ONCE(p->stalled, false);
	}
	p->progress = progress;
	p->checked = now;
	return now - p->moved;
}

/**
 * npnic_peer_stall_check - see whether a member still does its part
 * @p: a member whose link is up
 *
 * One that has not moved for NPNIC_STALL is stalled: nothing is lost, its rings are full in
 * the end. One that has not for peer_timeout is cut off.
 *
 * Context: a rescue timer, as long as something is outstanding, or the member is stalled.
 */
void npnic_peer_stall_check(struct npnic_peer *p)
{
	unsigned long silence, timeout;
	struct npnic *nic = p->nic;
	bool outstanding, news;
	u64 progress = 0;

	outstanding = npnic_netdev_outstanding(p, &progress);
	outstanding |= npnic_direct_outstanding(p, &progress);
	timeout = msecs_to_jiffies(READ_ONCE(npnic_peer_timeout));

	spin_lock_bh(&p->stall_lock);
	silence = npnic_peer_silence(p, outstanding, progress);
	news = silence >= NPNIC_STALL && !p->stalled;
	if (news)
		WRITE_ONCE(p->stalled, true);
	spin_unlock_bh(&p->stall_lock);

	if (news) {
		atomic_inc(&nic->stalls);
		/* It may have begun a new life, and its doorbell was lost. */
		queue_work(nic->wq, &nic->look);
	}
	if (timeout && silence >= timeout)
		npnic_peer_cut(p, NPNIC_WHY_TIMEOUT);
}

/**
 * npnic_irq - a doorbell has come in
 * @nic: the device
 * @vector: of it, NPNIC_VEC_*
 *
 * Context: any. Not after npnic_exit() has begun.
 */
void npnic_irq(struct npnic *nic, u32 vector)
{
	if (!READ_ONCE(nic->opened))
		return;
	if (vector == NPNIC_VEC_BOARD)
		queue_work(nic->wq, &nic->look);
	else if (vector == NPNIC_VEC_CTL)
		npnic_direct_irq(nic);
	else if (vector - NPNIC_VEC_QUEUE < nic->layout.queues)
		npnic_netdev_irq(nic, vector - NPNIC_VEC_QUEUE);
}

/**
 * npnic_slot_publish - tell the others of a new address or MTU
 * @nic: the device
 *
 * Context: may sleep.
 */
void npnic_slot_publish(struct npnic *nic)
{
	u32 slot;

	mutex_lock(&nic->life_lock);
	npnic_slot_write(nic);
	for (slot = 0; slot < nic->layout.slots; slot++)
		if (nic->peer[slot].live)
			npnic_peer_ring(&nic->peer[slot], NPNIC_VEC_BOARD);
	mutex_unlock(&nic->life_lock);
}

/**
 * npnic_open - the netdev goes up: links may come up
 * @nic: the device
 *
 * Context: ndo_open, after the queues' NAPIs were enabled.
 */
void npnic_open(struct npnic *nic)
{
	npnic_direct_open(nic);
	mutex_lock(&nic->life_lock);
	WRITE_ONCE(nic->opened, true);
	mutex_unlock(&nic->life_lock);
	queue_work(nic->wq, &nic->look);
}

/* No link is up, and none comes up, when this returns. */
static void npnic_close(struct npnic *nic)
{
	u32 slot;

	mutex_lock(&nic->life_lock);
	WRITE_ONCE(nic->opened, false);
	for (slot = 0; slot < nic->layout.slots; slot++) {
		struct npnic_peer *p = &nic->peer[slot];

		if (slot == nic->slot)
			continue;
		npnic_peer_lower(p, NPNIC_WHY_DOWN);
		p->live = false;
		p->retry = jiffies;
	}
	mutex_unlock(&nic->life_lock);
	cancel_delayed_work_sync(&nic->retry);
	cancel_work_sync(&nic->look);
}

/**
 * npnic_stop - the netdev goes down: so do all links
 * @nic: the device
 *
 * Nobody uses rings, signals or messages when this returns.
 *
 * Context: ndo_stop, before the queues' NAPIs are disabled.
 */
void npnic_stop(struct npnic *nic)
{
	npnic_close(nic);
	npnic_direct_stop(nic);
}

static void npnic_peers_init(struct npnic *nic)
{
	const struct npnic_layout *l = &nic->layout;
	u32 slot;

	for (slot = 0; slot < l->slots; slot++) {
		struct npnic_peer *p = &nic->peer[slot];

		p->nic = nic;
		p->slot = slot;
		p->retry = jiffies;
		p->paid = jiffies;
		spin_lock_init(&p->ctl_lock);
		spin_lock_init(&p->stall_lock);
		p->life.own = npnic_link(l, nic->mem, nic->slot, slot);
		p->life.peer = npnic_link(l, nic->mem, slot, nic->slot);
		/* Who had the slot before may have left a life there. */
		npnic_life_end(&p->life);
	}
}

/**
 * npnic_init - make a device of a bus's memory and doorbells
 * @nic: the device; @dev, @bus, @bus_priv, @mem, @layout, @slot and @id are set
 *
 * Context: may sleep; before register_netdevice(). The bus may call npnic_irq() afterwards.
 *
 * Return: 0 or a negative error.
 */
int npnic_init(struct npnic *nic)
{
	int err;

	mutex_init(&nic->life_lock);
	INIT_WORK(&nic->look, npnic_look_work);
	INIT_DELAYED_WORK(&nic->retry, npnic_retry_work);
	nic->wq = alloc_ordered_workqueue("npnic", 0);
	if (!nic->wq)
		return -ENOMEM;
	npnic_peers_init(nic);
	err = npnic_direct_init(nic);
	if (err)
		goto err_wq;
	err = npnic_netdev_init(nic);
	if (err)
		goto err_direct;
	err = np_nic_register(&nic->nic);
	if (err)
		goto err_netdev;
	return 0;

err_netdev:
	npnic_netdev_exit(nic);
err_direct:
	npnic_direct_exit(nic);
	synchronize_rcu_expedited();
err_wq:
	destroy_workqueue(nic->wq);
	return err;
}

/**
 * npnic_exit - undo npnic_init()
 * @nic: the device, which is not open
 *
 * Nobody touches the memory, and the bus's @ring is not called, when this returns.
 *
 * Context: may sleep; no npnic_irq() any more. The netdev was unregistered, or never
 * registered.
 */
void npnic_exit(struct npnic *nic)
{
	mutex_lock(&nic->life_lock);
	WRITE_ONCE(nic->gone, true);
	mutex_unlock(&nic->life_lock);
	np_nic_unregister(&nic->nic);
	npnic_close(nic);
	npnic_netdev_exit(nic);
	npnic_direct_exit(nic);
	/* One for all NAPIs. Who deletes many devices waits for each of them. */
	synchronize_rcu_expedited();
	destroy_workqueue(nic->wq);
}
