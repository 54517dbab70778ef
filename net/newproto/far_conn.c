// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections over a fabric: the life of this kernel's end. The contract is at struct np_far.
 */
#include <linux/slab.h>
#include <net/tcp_states.h>

#include <asm/barrier.h>

#include "conn.h"
#include "far.h"
#include "far_conn.h"
#include "group.h"
#include "kunit.h"
#include "nic.h"
#include "preface.h"
#include "sock.h"

static void np_far_work(struct work_struct *work);
static void np_far_quiet(struct work_struct *work);

/**
 * np_far_alloc - make a connection one over a fabric
 * @nc: the NIC
 * @conn: the connection, which nobody else knows yet
 * @side: which end of it is here
 *
 * Context: may sleep.
 *
 * Return: 0; -ENOMEM; -ENOSPC: the fabric has no memory left; -ENODEV.
 */
int np_far_alloc(struct np_nic_client *nc, struct np_conn *conn, int side)
{
	struct np_far *far = kzalloc(sizeof(*far), GFP_KERNEL_ACCOUNT);
	int err;

	if (!far)
		return -ENOMEM;
	err = np_nic_mem_alloc(nc, NP_FAR_BASE, &far->own);
	if (err) {
		kfree(far);
		return err;
	}
	np_nic_get(nc);
	far->nc = nc;
	far->conn = conn;
	far->side = side;
	INIT_LIST_HEAD(&far->node);
	INIT_WORK(&far->work, np_far_work);
	INIT_WORK(&far->quiet, np_far_quiet);
	spin_lock_init(&far->lock);
	np_far_ring_init(far);
	conn->far = far;
	conn->chan[0].far = far;
	conn->chan[1].far = far;
	return 0;
}
EXPORT_SYMBOL_NP_KUNIT(np_far_alloc);

/**
 * np_far_free - free what np_far_alloc() has made
 * @far: of a connection that is being freed; its memory in the fabric is given back already
 *
 * Context: any.
 */
void np_far_free(struct np_far *far)
{
	np_nic_put(far->nc);
	kfree(far);
}

/**
 * np_far_start - an end can be talked to
 * @far: the end
 * @slot: the other end's
 *
 * Context: may sleep.
 *
 * Return: false: there is no link to that slot; the end is over.
 */
bool np_far_start(struct np_far *far, u32 slot)
{
	struct np_chan *rx = &far->conn->chan[!far->side];

	far->slot = slot;
	if (np_nic_add_end(far->nc, far)) {
		np_chan_set_reader(rx, rx->rcap, rx->lowat);	/* now it can be said */
		return true;
	}
	far->state = NP_FAR_LEFT | NP_FAR_PARTED | NP_FAR_DONE;
	np_far_free_rings(far);
	np_conn_drop_end(far->conn, !far->side);
	return false;
}
EXPORT_SYMBOL_NP_KUNIT(np_far_start);

/* Have np_far_work() run. Any context, under RCU or with a reference. */
static void np_far_kick(struct np_far *far)
{
	if (refcount_inc_not_zero(&far->conn->ref) && !queue_work(np_wq, &far->work))
		np_conn_put(far->conn);
}

/**
 * np_far_todo - there is something to do that may not be done here
 * @far: the end
 * @what: NP_FAR_CONNECT and so on; 0: try again what could not be done
 *
 * Context: not in interrupts; may not sleep.
 */
void np_far_todo(struct np_far *far, u8 what)
{
	spin_lock(&far->lock);
	WRITE_ONCE(far->todo, far->todo | what);
	spin_unlock(&far->lock);
	np_far_kick(far);
}

/* --- messages ----------------------------------------------------------------- */

static void np_far_compose(const struct np_far *far, u8 what, struct np_preface *p)
{
	const struct np_conn *conn = far->conn;

	memset(p, 0, sizeof(*p));
	p->id = far->own.id;
	p->gen = far->own.gen;
	p->to_id = far->peer_id;
	p->to_gen = far->peer_gen;
	switch (what) {
	case NP_FAR_CONNECT:
		p->type = NP_PREFACE_CONNECT;
		p->offers = NP_OFFER_DIRECT;
		p->src.ip = conn->end[NP_CLIENT].ip;
		p->src.port = conn->end[NP_CLIENT].port;
		p->dst.ip = conn->end[NP_SERVER].ip;
		p->dst.port = conn->end[NP_SERVER].port;
		break;
	case NP_FAR_ACCEPT:
		p->type = NP_PREFACE_ACCEPT;
		p->offers = NP_OFFER_DIRECT;
		break;
	case NP_FAR_REFUSE:
		p->type = NP_PREFACE_REFUSE;
		p->code = far->code;
		break;
	default:
		p->type = NP_PREFACE_BYE;
		break;
	}
}

/**
 * np_far_send - send a message to a member of a fabric
 * @nc: the NIC
 * @slot: the member
 * @p: the message
 *
 * Context: does not sleep; not in interrupts.
 *
 * Return: 0, -EAGAIN, -ENOTCONN, -ENODEV.
 */
int np_far_send(struct np_nic_client *nc, u32 slot, const struct np_preface *p)
{
	struct np_preface_wire w;
	struct np_nic *nic;
	int err = -ENODEV;

	np_preface_write(&w, p);
	rcu_read_lock();
	nic = np_nic_of(nc);
	if (nic)
		err = nic->ops->send(nic, slot, &w, sizeof(w));
	rcu_read_unlock();
	return err;
}

/**
 * np_far_say - send the messages that are due
 * @far: the end
 *
 * What does not fit is sent when there is room.
 *
 * Context: does not sleep; not in interrupts.
 */
void np_far_say(struct np_far *far)
{
	struct np_preface p;
	u8 what, due;

	spin_lock(&far->lock);
	while ((due = far->todo & NP_FAR_MESSAGES)) {
		what = due & -due;
		np_far_compose(far, what, &p);
		/* Where nobody is there is nobody to be told; and who comes after that
		 * must not be.
		 */
		if (!(far->state & NP_FAR_CUT) && !(far->todo & NP_FAR_LOST) &&
		    np_far_send(far->nc, far->slot, &p) == -EAGAIN)
			break;
		WRITE_ONCE(far->todo, far->todo & ~what);
	}
	spin_unlock(&far->lock);
}

/* --- what one end tells the other --------------------------------------------- */

/**
 * np_far_signal - have the other end look
 * @far: this end
 *
 * Context: any.
 */
void np_far_signal(struct np_far *far)
{
	struct np_nic *nic;

	rcu_read_lock();
	nic = np_nic_of(far->nc);
	if (nic && rcu_access_pointer(far->peer))
		nic->ops->signal(nic, READ_ONCE(far->slot), READ_ONCE(far->peer_id));
	rcu_read_unlock();
}

/* One of this end's words, as long as it may be written to. */
static void np_far_word_set(struct np_far *far, size_t offset, u32 value)
{
	struct np_far_words *words;

	rcu_read_lock();
	words = rcu_dereference(far->words);
	if (words)
		/* Pairs with whoever looks at it there. */
		virt_store_release((__le32 *)((u8 *)words + offset),
				   cpu_to_le32(value));
	rcu_read_unlock();
}

/**
 * np_chan_set_rcap - what the reader has room for
 * @c: the channel
 * @rcap: its share of the capacity, in bytes
 *
 * Context: the reader, poll, or nobody reads yet.
 */
void np_chan_set_rcap(struct np_chan *c, u32 rcap)
{
	WRITE_ONCE(c->rcap, rcap);
	if (unlikely(c->far))
		np_far_word_set(c->far, offsetof(struct np_far_words, rcap), rcap);
}

/**
 * np_chan_set_lowat - how much the reader wants
 * @c: the channel
 * @lowat: below this many bytes it does not want to be woken
 *
 * Context: the reader, or nobody reads yet.
 */
void np_chan_set_lowat(struct np_chan *c, u32 lowat)
{
	WRITE_ONCE(c->lowat, lowat);
	if (unlikely(c->far))
		np_far_word_set(c->far, offsetof(struct np_far_words, lowat), lowat);
}

/**
 * np_chan_set_reader - what the reader has room for, and wants
 * @c: the channel
 * @rcap: its share of the capacity, in bytes
 * @lowat: below this many bytes it does not want to be woken
 *
 * Context: the reader, or nobody reads yet.
 */
void np_chan_set_reader(struct np_chan *c, u32 rcap, u32 lowat)
{
	np_chan_set_rcap(c, rcap);
	np_chan_set_lowat(c, lowat);
}
EXPORT_SYMBOL_NP_KUNIT(np_chan_set_reader);

/**
 * np_far_finish - set the end mark
 * @c: a direct channel that this end writes
 *
 * Context: the writer. np_conn_event() tells the reader.
 */
void np_far_finish(struct np_chan *c)
{
	np_far_word_set(c->far, offsetof(struct np_far_words, end), 1);
}

/**
 * np_far_set_gone - the reader has left, or wants no more
 * @c: a direct channel; if this end is not the reader nothing happens
 * @gone: NP_GONE_*
 *
 * Context: full barrier.
 */
void np_far_set_gone(struct np_chan *c, u8 gone)
{
	struct np_far *far = c->far;

	if (c == &far->conn->chan[far->side])
		return;
	np_far_word_set(far, offsetof(struct np_far_words, gone), gone);
	virt_mb();	/* pairs with np_far_wants_bytes(): bytes are seen, or this is */
}

static void np_far_set_reset(struct np_far *far)
{
	np_far_word_set(far, offsetof(struct np_far_words, reset), 1);
	np_far_signal(far);
}

/**
 * np_far_event - something happens to the other end
 * @far: this end
 * @event: NP_EV_*
 *
 * Context: not in interrupts.
 */
void np_far_event(struct np_far *far, u8 event)
{
	if (event == NP_EV_FIN) {
		np_far_signal(far);	/* np_far_finish() has said it */
	} else if (event == NP_EV_REFUSED) {
		spin_lock(&far->lock);
		far->code = NP_CODE_REFUSED;
		far->state |= NP_FAR_PARTED;	/* it has never looked here */
		RCU_INIT_POINTER(far->peer, NULL);	/* and takes it as a BYE */
		spin_unlock(&far->lock);
		np_far_todo(far, NP_FAR_REFUSE);
	} else {
		np_far_set_reset(far);
	}
}

/* Programs that wait for room, and have asked for it, are woken: when there is, or the reader
 * has a larger buffer, or has gone.
 */
static void np_far_wake_writer(struct np_far *far, struct np_far_words *words, u32 rcap)
{
	struct np_conn *conn = far->conn;
	__le32 mark = READ_ONCE(words->wwait);
	bool news = READ_ONCE(far->rcap) != rcap;

	WRITE_ONCE(far->rcap, rcap);
	if (!mark)
		return;
	if (np_far_used(&conn->chan[far->side]) >= le32_to_cpu(mark) && !news &&
	    !np_far_gone(&conn->chan[far->side]))
		return;
	/* All look again, also those who have asked for more room meanwhile. */
	if (xchg(&words->wwait, 0))
		np_conn_wake_writer(conn, far->side);
}

/**
 * np_far_signalled - the other end has something to tell
 * @far: this end
 *
 * Context: any; RCU.
 */
void np_far_signalled(struct np_far *far)
{
	const struct np_far_words *peer = rcu_dereference(far->peer);
	struct np_far_words *words = rcu_dereference(far->words);
	struct np_conn *conn = far->conn;

	if (!peer || !words)
		return;
	/* Edge-triggered epoll wants to know of every write. */
	if (np_conn_is_watched(conn, far->side))
		np_far_await_bytes(far);
	if (np_far_used(&conn->chan[!far->side]))
		np_conn_wake_reader(conn, far->side);
	np_far_wake_writer(far, words, le32_to_cpu(READ_ONCE(peer->rcap)));
	if (READ_ONCE(peer->end) || READ_ONCE(peer->reset) ||
	    le32_to_cpu(READ_ONCE(peer->ring)) != READ_ONCE(far->rx.ring))
		np_far_kick(far);
}
EXPORT_SYMBOL_NP_KUNIT(np_far_signalled);

/* --- the end of an end -------------------------------------------------------- */

/**
 * np_far_left - this end's socket has left, or there will be none
 * @far: this end
 *
 * Neither the other end's memory nor this one's is looked at any more. When nobody is in the
 * middle of that the other end is told, and may use its own for something else.
 *
 * Context: not in interrupts; may not sleep. The caller has a reference to the connection.
 */
void np_far_left(struct np_far *far)
{
	bool news, now;

	spin_lock(&far->lock);
	news = !(far->state & NP_FAR_LEFT);
	far->state |= NP_FAR_LEFT;
	/* What was never known was not looked at; and where one end was refused nothing more
	 * is said.
	 */
	now = news && !far->peer_gen && !(far->state & NP_FAR_PARTED);
	RCU_INIT_POINTER(far->peer, NULL);
	RCU_INIT_POINTER(far->words, NULL);
	spin_unlock(&far->lock);
	if (now)
		np_far_todo(far, NP_FAR_BYE);
	if (news) {
		np_conn_get(far->conn);
		queue_work(np_wq, &far->quiet);
	}
}
EXPORT_SYMBOL_NP_KUNIT(np_far_left);

/* After np_far_left(). Expedited: there is little memory in a fabric, and where connections
 * come and go fast it has to come back as fast; many share one grace period.
 */
static void np_far_quiet(struct work_struct *work)
{
	struct np_far *far = container_of(work, struct np_far, quiet);
	struct np_conn *conn = far->conn;

	synchronize_rcu_expedited();
	spin_lock(&far->lock);
	far->state |= NP_FAR_QUIET;
	if (far->peer_gen && !far->code)
		WRITE_ONCE(far->todo, far->todo | NP_FAR_BYE);
	spin_unlock(&far->lock);
	np_far_kick(far);
	np_conn_put(conn);
}

/**
 * np_far_cancel - a client gives up, if it is not connected yet
 * @conn: its connection
 *
 * Return: true if it was not, and will not be.
 */
bool np_far_cancel(struct np_conn *conn)
{
	struct np_far *far = conn->far;
	bool waiting;

	spin_lock(&far->lock);
	waiting = !far->peer_gen && !(far->state & NP_FAR_LEFT);
	spin_unlock(&far->lock);
	if (!waiting)
		return false;
	np_far_set_reset(far);
	np_far_left(far);
	return true;
}

/* The other end has said that it is done with this one's memory, or is gone. */
static void np_far_part(struct np_far *far)
{
	spin_lock(&far->lock);
	far->state |= NP_FAR_PARTED;
	spin_unlock(&far->lock);
	np_far_kick(far);
}

/* See what the other end says of the connection. */
static void np_far_look(struct np_far *far)
{
	const struct np_far_words *peer;
	u8 news = 0;

	rcu_read_lock();
	peer = rcu_dereference(far->peer);
	if (peer) {
		if (virt_load_acquire(&peer->reset)) /* what came before is there */
			news |= NP_EV_RESET;
		if (virt_load_acquire(&peer->end)) /* and so here */
			news |= NP_EV_FIN;
	}
	rcu_read_unlock();
	/* Messages have it looked at as well as work: each thing is news once. */
	spin_lock(&far->lock);
	news &= ~far->seen;
	far->seen |= news;
	spin_unlock(&far->lock);
	if (news & NP_EV_FIN)
		np_conn_event(far->conn, far->side, NP_EV_FIN);
	if (news & NP_EV_RESET)
		np_conn_event(far->conn, far->side, NP_EV_RESET);
}

/* A client that waits for a place in a queue of this kernel's is not there any more. */
static void np_far_forget_client(struct np_far *far)
{
	if (far->side == NP_SERVER && far->conn->group)
		np_group_cancel(far->conn);
}

/* The link is gone, and with it the other end. */
static void np_far_lose(struct np_far *far)
{
	bool connecting;

	spin_lock(&far->lock);
	WRITE_ONCE(far->todo, far->todo & ~NP_FAR_MESSAGES);
	far->state |= NP_FAR_PARTED | NP_FAR_CUT;
	connecting = far->side == NP_CLIENT && !far->peer_gen;
	spin_unlock(&far->lock);
	np_conn_event(far->conn, far->side, connecting ? NP_EV_UNREACH : NP_EV_RESET);
	np_far_forget_client(far);
}

/* Nobody looks here any more: true once. */
static bool np_far_is_over(struct np_far *far)
{
	const u8 all = NP_FAR_LEFT | NP_FAR_QUIET | NP_FAR_PARTED;
	bool over;

	spin_lock(&far->lock);
	over = (far->state & (all | NP_FAR_DONE)) == all &&
	       !(far->todo & NP_FAR_MESSAGES);
	if (over)
		far->state |= NP_FAR_DONE;
	spin_unlock(&far->lock);
	return over;
}

static void np_far_work(struct work_struct *work)
{
	struct np_far *far = container_of(work, struct np_far, work);
	struct np_conn *conn = far->conn;
	u8 todo;

	spin_lock(&far->lock);
	todo = far->todo;
	WRITE_ONCE(far->todo, todo & NP_FAR_MESSAGES);
	spin_unlock(&far->lock);
	if (todo & NP_FAR_LOST)
		np_far_lose(far);
	np_far_look(far);
	np_far_settle(far);
	if (todo & NP_FAR_COOL)
		np_far_shrink(far);
	np_far_say(far);
	if (np_far_is_over(far)) {
		np_conn_drop_end(conn, !far->side);
		np_nic_del_end(far->nc, far);
	}
	np_conn_put(conn);
}

#if IS_ENABLED(CONFIG_KUNIT)
/* Until all that is to be done is done: work has more work done. */
void np_far_flush(void)
{
	flush_workqueue(np_wq);
	flush_workqueue(np_wq);
	flush_workqueue(np_wq);
}
EXPORT_SYMBOL_NP_KUNIT(np_far_flush);
#endif

/* --- messages that come in ---------------------------------------------------- */

static bool np_far_is_cut(const struct np_far *far)
{
	return READ_ONCE(far->state) & NP_FAR_CUT || READ_ONCE(far->todo) & NP_FAR_LOST;
}

/* The end that a message is for, with a reference to its connection; or NULL. */
static struct np_far *np_far_find(struct np_nic_client *nc, u32 slot,
				  const struct np_preface *p)
{
	struct np_far *far, *found = NULL;

	rcu_read_lock();
	far = p->to_id < nc->ids ? rcu_dereference(nc->id[p->to_id]) : NULL;
	if (far && READ_ONCE(far->slot) == slot && far->own.gen == p->to_gen &&
	    !np_far_is_cut(far) && refcount_inc_not_zero(&far->conn->ref))
		found = far;
	rcu_read_unlock();
	return found;
}

/* The same by what the sender calls its own end: it gave up before it knew this one. */
static struct np_far *np_far_find_peer(struct np_nic_client *nc, u32 slot,
				       const struct np_preface *p)
{
	struct np_far *far, *found = NULL;

	mutex_lock(&nc->lock);
	list_for_each_entry(far, &nc->ends, node) {
		if (far->slot != slot || far->peer_id != p->id || far->peer_gen != p->gen ||
		    np_far_is_cut(far))
			continue;
		np_conn_get(far->conn);
		found = far;
		break;
	}
	mutex_unlock(&nc->lock);
	return found;
}

/* The server's end is known: true if the client is connected by that. */
static bool np_far_meet(struct np_far *far, const struct np_preface *p)
{
	struct np_nic_client *nc = far->nc;
	struct np_nic_mem mem;
	bool met = false;

	mutex_lock(&nc->lock);
	rcu_read_lock();
	spin_lock(&far->lock);
	if (far->side == NP_CLIENT && !far->peer_gen && !(far->state & NP_FAR_LEFT) &&
	    p->gen && p->offers & NP_OFFER_DIRECT && test_bit(far->slot, &nc->up) &&
	    !np_nic_mem_attach(nc, far->slot, p->id, p->gen, &mem)) {
		WRITE_ONCE(far->peer_id, p->id);
		met = np_far_rx_begin(far, &mem);
		if (met)
			far->peer_gen = p->gen;
	}
	spin_unlock(&far->lock);
	rcu_read_unlock();
	mutex_unlock(&nc->lock);
	return met;
}

static void np_far_on_accept(struct np_far *far, const struct np_preface *p)
{
	struct np_conn *conn = far->conn;

	if (!np_far_meet(far, p))
		return;
	np_far_hint_set(far->nc, &conn->end[NP_SERVER].ip, far->slot);
	np_conn_establish(conn, NULL, NULL);
	np_far_kick(far);	/* it may have been reset already */
}

static void np_far_on_bye(struct np_far *far)
{
	/* Its last words stay where they are until this end has left, too. */
	np_far_look(far);
	/* Who leaves without any does not leave others waiting. */
	if (far->peer_gen && !READ_ONCE(far->seen))
		np_conn_event(far->conn, far->side, NP_EV_RESET);
	np_far_forget_client(far);
	np_far_part(far);
}

/**
 * np_far_message - a message has come over a fabric
 * @nc: the NIC
 * @slot: from whom
 * @msg: the message
 * @len: bytes
 *
 * Those for an end that is over are passed over: it may just have ended. But a client that
 * gives up and is not known was refused, and may not have been told.
 *
 * Context: may sleep; one at a time for each NIC.
 */
void np_far_message(struct np_nic_client *nc, u32 slot, const void *msg, u32 len)
{
	struct np_preface p;
	struct np_nic *nic;
	struct np_far *far;
	int err;

	err = np_preface_read(&p, msg, len);
	if (err) {
		rcu_read_lock();
		nic = np_nic_of(nc);
		if (nic && err == -EPROTO)
			nic->ops->cut(nic, slot, "a message that cannot be");
		rcu_read_unlock();
		return;
	}
	if (p.type == NP_PREFACE_CONNECT) {
		np_far_incoming(nc, slot, &p);
		return;
	}
	far = p.to_gen ? np_far_find(nc, slot, &p) : np_far_find_peer(nc, slot, &p);
	if (!far) {
		if (p.type == NP_PREFACE_BYE && !p.to_gen)
			np_far_refuse(nc, slot, &p, NP_CODE_REFUSED);
		return;
	}
	if (p.type == NP_PREFACE_ACCEPT)
		np_far_on_accept(far, &p);
	else if (p.type == NP_PREFACE_REFUSE)
		np_far_on_refuse(far, p.code);
	else
		np_far_on_bye(far);
	np_conn_put(far->conn);
}
