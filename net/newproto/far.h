/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Direct channels: those whose other end is in another kernel, or another namespace, that
 * shares a fabric with this one. Whoever has a struct np_chan need not know: channel.c asks
 * here if struct np_chan.far says so.
 *
 * Each end of a connection has memory of its own in the fabric, which only it writes to: its
 * words, and behind them the ring of the channel that it writes. It may go on in a larger ring.
 */
#ifndef _NP_FAR_H
#define _NP_FAR_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include <net/newproto.h>

#include "channel.h"

struct np_conn;
struct np_nic_client;

/* The memory that an end begins with; its ring is what the words leave of it. */
#define NP_FAR_BASE		4096U
#define NP_FAR_WORDS		256U
/* No ring is larger. */
#define NP_FAR_RING_MAX		(1024U << 10)
/* Not more than this can be unread: a ring, and what it follows. */
#define NP_FAR_UNREAD_MAX	(2 * NP_FAR_RING_MAX)
/* Copied with preemption off, at the most. */
#define NP_FAR_PIECE		(32U << 10)

/**
 * struct np_far_words - what an end says to the other one
 *
 * Little-endian. All positions count bytes and wrap at 2^32. Written by the end that it
 * belongs to, and by nobody else; whatever the other end reads it takes for a guess.
 *
 * @head: bytes written
 * @end: 1: no more come
 * @wwait: wants a signal when fewer bytes than this are unread; 0: none
 * @ring: how often the writer has changed the ring: the following are about the latest change
 * @ring_id: the memory that the stream goes on in: one's own first one, or one that is all ring
 * @ring_gen: its generation
 * @ring_pos: where in the stream it begins
 * @reset: 1: the connection is gone
 * @reserved: 0
 * @tail: bytes read
 * @rcap: the reader's share of the capacity
 * @lowat: fewer bytes than these are no reason for a signal
 * @gone: NP_GONE_*
 * @wake: wants a signal when the other's head goes beyond this
 * @ring_ack: the latest change of the other's ring that it has made
 * @reserved2: 0
 */
struct np_far_words {
	__le32 head;
	__le32 end;
	__le32 wwait;
	__le32 ring;
	__le32 ring_id;
	__le32 ring_gen;
	__le32 ring_pos;
	__le32 reset;
	__u8   reserved[32];
	__le32 tail;
	__le32 rcap;
	__le32 lowat;
	__le32 gone;
	__le32 wake;
	__le32 ring_ack;
	__u8   reserved2[40];
};

static_assert(sizeof(struct np_far_words) == 128);

/**
 * struct np_far_cursor - a place in the ring that is read
 * @data: the ring
 * @size: of it
 * @off: of the next byte in it
 * @tail: the next byte's position in the stream
 * @ring: how many changes of the ring were made
 */
struct np_far_cursor {
	const u8 *data;
	u32 size;
	u32 off;
	u32 tail;
	u32 ring;
};

/**
 * struct np_far_ring - the ring that is written
 * @mem: where it is, if not in the end's first memory (@mem.len is 0 then)
 * @old: the one before, until the reader has left it; @old.len as above
 * @data: the ring
 * @size: of it
 * @off: of the next byte in it
 * @pos: where in the stream it begins
 * @ring: how often it was changed
 * @pending: the reader has not made the last change
 * @limit: how many bytes may be unread for lack of a larger ring
 */
struct np_far_ring {
	struct np_nic_mem mem;
	struct np_nic_mem old;
	u8 *data;
	u32 size;
	u32 off;
	u32 pos;
	u32 ring;
	bool pending;
	u32 limit;
};

/* What an end has yet to do: struct np_far.todo. */
#define NP_FAR_CONNECT	BIT(0)	/* messages: ask for a connection */
#define NP_FAR_ACCEPT	BIT(1)	/* grant it */
#define NP_FAR_REFUSE	BIT(2)	/* or not */
#define NP_FAR_BYE	BIT(3)	/* the other end's memory is not looked at any more */
#define NP_FAR_COOL	BIT(4)	/* take a ring back if the channel rests */
#define NP_FAR_LOST	BIT(5)	/* the link is gone */
#define NP_FAR_MESSAGES	(NP_FAR_CONNECT | NP_FAR_ACCEPT | NP_FAR_REFUSE | NP_FAR_BYE)

/* Where an end is: struct np_far.state. */
#define NP_FAR_LEFT		BIT(0)	/* no socket has it, or will */
#define NP_FAR_PARTED		BIT(1)	/* the other end does not look here any more */
#define NP_FAR_DONE		BIT(2)	/* nobody does: it is off the list */
#define NP_FAR_CUT		BIT(3)	/* the link that it was made over is gone */
#define NP_FAR_QUIET		BIT(4)	/* it was left an RCU grace period ago */

/**
 * struct np_far - this kernel's end of a connection over a fabric
 *
 * Part of the connection's life: made with it, freed with it. While it is on its client's
 * list, and known by the id of its memory, that is a reference to the connection. It goes
 * off the list when its socket has left, nobody who began before is in the middle of looking
 * at its memory, and the other end has said that it is done, or is gone: only then is its
 * memory given back.
 *
 * Lock order: np_nic_client.lock, then @lock. @tx_lock and @rx_lock are innermost.
 *
 * @conn: the connection; immutable
 * @nc: the NIC's client; a reference; immutable
 * @node: in the client's list; its lock
 * @work: what has to sleep, or take locks that a signal may not; pending work holds a
 *	reference to @conn
 * @quiet: waits until RCU's readers of @words and @peer are done; holds a reference, too
 * @side: which end of @conn is here; immutable
 * @lock: guards @state, @todo, @code, @tried, @seen and the writing of @slot, @peer_id,
 *	@peer_gen
 * @state: NP_FAR_*
 * @todo: NP_FAR_CONNECT and so on
 * @code: why it is refused: enum np_preface_code
 * @tried: slots that have not got the address
 * @slot: the other end's
 * @peer_id: the other end's memory
 * @peer_gen: the same
 * @seen: what was seen of the other end: NP_EV_*
 * @own: one's own memory; immutable
 * @words: in it; NULL before it is on the list, when the NIC is gone, and when nobody here
 *	is to write there any more. Under RCU
 * @peer: the other end's; NULL before it is known, and when it is not to be looked at any
 *	more. Under RCU. The memory of both is used under RCU, with one of these not NULL
 * @tx_lock: guards @tx; held by the writer, and by who takes a ring back
 * @tx: the ring that is written; its @limit, and its memory's lengths, are also read without
 * @rcap: the reader's share of the capacity when it last gave a signal; no lock: two signals
 *	at a time may wake the writer once too often
 * @told: the head when the reader was last looked after; the writer's
 * @idle_head: the head when np_far_shrink() was last there; @tx_lock
 * @rx_lock: guards @rx; held by the reader, and by @work
 * @rx: the ring that is read; @rx.tail is the reader's np_chan.tail
 */
struct np_far {
	struct np_conn *conn;
	struct np_nic_client *nc;
	struct list_head node;
	struct work_struct work;
	struct work_struct quiet;
	u8 side;
	spinlock_t lock;	/* see above */
	u8 state;
	u8 todo;
	u8 code;
	u16 tried;
	u32 slot;
	u32 peer_id;
	u32 peer_gen;
	u8 seen;
	struct np_nic_mem own;
	struct np_far_words __rcu *words;
	const struct np_far_words __rcu *peer;
	spinlock_t tx_lock;	/* see above */
	struct np_far_ring tx;
	u32 rcap;
	u32 told;
	u32 idle_head;
	spinlock_t rx_lock;	/* see above */
	struct np_far_cursor rx;
};

/* far.c: data */
void np_far_ring_init(struct np_far *far);
bool np_far_rx_begin(struct np_far *far, const struct np_nic_mem *mem);
ssize_t np_far_write(struct np_chan *c, struct iov_iter *from, u32 cap);
ssize_t np_far_read(struct np_chan *c, struct iov_iter *to, size_t len);
ssize_t np_far_peek(struct np_chan *c, struct iov_iter *to, size_t len);
size_t np_far_avail(const struct np_chan *c);
bool np_far_at_eof(const struct np_chan *c);
bool np_far_await_bytes(struct np_far *far);
bool np_far_wants_bytes(struct np_far *far);
void np_far_settle(struct np_far *far);
bool np_far_shrink(struct np_far *far);
void np_far_free_rings(struct np_far *far);
void np_far_fault(struct np_far *far, const char *what);

/* far_conn.c: life */
int np_far_alloc(struct np_nic_client *nc, struct np_conn *conn, int side);
void np_far_free(struct np_far *far);
bool np_far_start(struct np_far *far, u32 slot);
void np_far_todo(struct np_far *far, u8 what);
void np_far_left(struct np_far *far);
bool np_far_cancel(struct np_conn *conn);
void np_far_event(struct np_far *far, u8 event);
void np_far_finish(struct np_chan *c);
void np_far_set_gone(struct np_chan *c, u8 gone);
void np_far_signal(struct np_far *far);
void np_far_signalled(struct np_far *far);
#if IS_ENABLED(CONFIG_KUNIT)
void np_far_flush(void);
#endif

#endif /* _NP_FAR_H */
