/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Byte channels: one direction of a stream, from one writer to one reader.
 * A leaf: knows nothing of sockets.
 */
#ifndef _NP_CHANNEL_H
#define _NP_CHANNEL_H

#include <linux/cache.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/types.h>

struct iov_iter;
struct np_far;
struct np_pool;

/* Sizes of the buffers. A small chunk is one slab object together with its
 * descriptor, so that a connection that only ever sends short messages costs
 * half a kilobyte; larger ones hang whole pages below it.
 */
#define NP_CHUNK_SLAB		512
#define NP_CHUNK_PAGE		((u32)PAGE_SIZE)
#define NP_CHUNK_ORDER		3	/* what the page allocator gives readily */
#define NP_CHUNK_LARGE		((u32)PAGE_SIZE << NP_CHUNK_ORDER)

/* No channel holds more than this, whatever SO_SNDBUF and SO_RCVBUF say. */
#define NP_CHAN_MAX		0x40000000U

/**
 * struct np_chunk - a piece of a channel's buffer
 * @next: the chunk that follows in the stream
 * @data: the first byte: @small, or the address of pages
 * @start: position in the stream of @data[0]
 * @len: how many bytes belong to the stream before it goes on in @next
 * @cap: how many bytes @data has room for
 * @lent: @data is in a page that others use, too: it is never written to, and
 *	a reference to it is held
 * @small: the data of a small chunk
 *
 * All fields are the writer's. It changes @start and @len only of the last
 * chunk of its list, @next only once, and publishes each change by the
 * channel's head; a chunk is the writer's again, to be used anew, when the
 * reader has read past its end (not just up to it: see np_chunk_is_left()).
 */
struct np_chunk {
	struct np_chunk *next;
	char *data;
	u32 start;
	u32 len;
	u32 cap;
	u32 lent;
	char small[];
};

/* How a channel ends: not yet, for good, or in a channel that follows. */
enum np_end {
	NP_END_NONE,
	NP_END_EOF,
	NP_END_NEXT,
};

/* What a reader can have done, other than read. */
#define NP_GONE_LEFT	BIT(0)	/* it will not come back */
#define NP_GONE_DEAF	BIT(1)	/* it reads what is there, and wants no more */

/**
 * struct np_chan - a byte channel
 *
 * One writer and one reader use it at the same time without a common lock.
 * Who they are is the owner's business: in a socket the writer is who holds
 * its tx_lock, the reader who holds its rx_lock.
 *
 * The writer alone writes @head, @w, @old, @spare, @busy, @pooled, @end, @next and
 * @need; the reader alone @tail, @gone, @rcap and @lowat, and @r as long as there are
 * chunks. While there are none, @r is the writer's. @head and @tail count
 * bytes, wrap at 2^32 and are published with release and read with acquire.
 *
 * Giving buffers back. While the channel has a chunk it is on the list of its
 * pool (guarded by the pool's lock). The pool's worker marks an empty channel
 * @cool, and takes its chunks when a pass later it is still cool, empty and
 * not @busy. Only a writer clears @cool, under @lock, before it touches a
 * chunk, and it says @busy before it looks at @cool. No barrier orders these
 * two in the writer: an RCU grace period passes between the worker's marking
 * and its second look, which puts a full barrier on every CPU in between. So
 * a writer who missed the mark is seen to be busy (or has finished), and one
 * who comes later sees the mark and meets the worker on @lock.
 *
 * References: one for the writer, one for the reader; the reader's one on a
 * successor is reached through @next and becomes its own as it goes on there.
 * The last put calls @release.
 *
 * Lock order: the pool's lock, then @lock.
 *
 * @head: bytes ever written
 * @busy: a writer is at work
 * @cool: marked by the pool's worker
 * @end: enum np_end
 * @pooled: has been on the pool's list, perhaps still is
 * @w: the last chunk, which is being filled
 * @old: the first chunk of the list that leads to @w
 * @spare: chunks that were read out, the latest first
 * @next: the channel to go on with
 * @need: bytes of room that a write of a record has not found; 0 if the last one
 *	was written, and for a writer of bytes
 * @tail: bytes ever read
 * @rcap: the reader's share of the capacity, in bytes
 * @lowat: below this many bytes the reader does not want to be woken
 * @wwait: the writer waits for room: it is to be woken when fewer bytes than
 *	this are unread; else 0. Whoever waits or polls sets it, whoever wakes
 *	clears it
 * @r: the chunk being read
 * @warm: in the pool's list
 * @pool: the pool, for the channel's whole life
 * @release: frees what the channel is part of
 * @far: the other end is in another kernel, or namespace: see far.h. Of the above only
 *	this end's is used then: @head, or @tail, @rcap and @lowat; @end is set, and the
 *	other end told in another way. Immutable
 * @ref: writer and reader
 * @gone: NP_GONE_*; the writer's, too, in a successor before it is linked
 * @lock: guards @cool, @next against @gone, and the taking of chunks
 */
struct np_chan {
	/* The writer's cache line, with what neither side changes often. */
	u32 head;
	u8 busy;
	u8 cool;
	u8 end;
	u8 pooled;
	struct np_chunk *w;
	struct np_chunk *old;
	struct np_chunk *spare;
	struct np_chan *next;
	struct np_pool *pool;
	refcount_t ref;
	u8 gone;
	u32 need;

	/* The reader's. */
	u32 tail ____cacheline_aligned;
	u32 rcap;
	u32 lowat;
	u32 wwait;
	struct np_chunk *r;
	struct list_head warm;
	void (*release)(struct np_chan *c);
	struct np_far *far;
	spinlock_t lock;	/* see above */
};

int np_chan_cache_init(void);
void np_chan_cache_exit(void);

void np_chan_init(struct np_chan *c, struct np_pool *pool,
		  void (*release)(struct np_chan *c));
void np_chan_put(struct np_chan *c);
void np_chan_writer_leave(struct np_chan *c);
void np_chan_reader_deafen(struct np_chan *c);
bool np_chan_reader_leave(struct np_chan *c);

ssize_t np_chan_write(struct np_chan *c, struct iov_iter *from, u32 cap);
ssize_t np_chan_write_page(struct np_chan *c, struct page *page, size_t offset,
			   size_t len, u32 cap);
ssize_t np_chan_read(struct np_chan **rx, struct iov_iter *to, size_t len);
ssize_t np_chan_peek(struct np_chan *c, struct iov_iter *to, size_t len);
size_t np_chan_drop(struct np_chan **rx, size_t len);
size_t np_chan_avail(const struct np_chan *c);
bool np_chan_at_eof(const struct np_chan *c);
void np_chan_finish(struct np_chan *c, struct np_chan *next);
bool np_chan_give_back(struct np_chan *c, struct np_chunk **list);
size_t np_chunk_list_free(struct np_chunk *k);
void np_chan_set_reader(struct np_chan *c, u32 rcap, u32 lowat);
void np_chan_set_rcap(struct np_chan *c, u32 rcap);
void np_chan_set_lowat(struct np_chan *c, u32 lowat);

/* far.c: what the other end of a direct channel says of it. */
u32 np_far_used(const struct np_chan *c);
u8 np_far_gone(const struct np_chan *c);
u32 np_far_lowat(const struct np_chan *c);
u32 np_far_cap(const struct np_chan *c, u32 sndbuf);
void np_far_await_room(struct np_chan *c, u32 mark);
bool np_far_end_wait(struct np_chan *c);
bool np_far_is_stuck(const struct np_chan *c);

/**
 * np_chan_used - bytes written and not yet read
 * @c: the channel
 *
 * Context: any; a snapshot for whoever is neither writer nor reader.
 */
static inline u32 np_chan_used(const struct np_chan *c)
{
	u32 tail;

	if (unlikely(c->far))
		return np_far_used(c);
	/* Tail first: a head that is read later is never behind it. */
	tail = smp_load_acquire(&c->tail);
	return smp_load_acquire(&c->head) - tail; /* pairs with the writer */
}

/**
 * np_chan_gone - what has the reader done?
 * @c: the channel
 *
 * Return: NP_GONE_*.
 */
static inline u8 np_chan_gone(const struct np_chan *c)
{
	if (unlikely(c->far))
		return np_far_gone(c);
	/* Pairs with the release that sets it: what was read is seen as read. */
	return smp_load_acquire(&c->gone);
}

/**
 * np_chan_lowat - below how many bytes does the reader not want to be woken?
 * @c: the channel
 */
static inline u32 np_chan_lowat(const struct np_chan *c)
{
	return unlikely(c->far) ? np_far_lowat(c) : READ_ONCE(c->lowat);
}

/**
 * np_chan_cap - how much the channel may hold
 * @c: the channel
 * @sndbuf: the writer's share, in bytes
 *
 * Context: the writer, or poll.
 */
static inline u32 np_chan_cap(const struct np_chan *c, u32 sndbuf)
{
	if (unlikely(c->far))
		return np_far_cap(c, sndbuf);
	return min(sndbuf + READ_ONCE(c->rcap), NP_CHAN_MAX);
}

/**
 * np_chan_is_refused - are there bytes that the reader will not have?
 * @c: the channel
 *
 * Not those that it had read before it left, however soon it did.
 *
 * Context: the writer, with a full barrier since it has written.
 */
static inline bool np_chan_is_refused(const struct np_chan *c)
{
	return unlikely(np_chan_gone(c)) && np_chan_used(c);
}

/**
 * np_chan_room - bytes that can be written now
 * @c: the channel
 * @cap: its capacity in bytes
 *
 * Context: the writer, or poll for a snapshot.
 */
static inline u32 np_chan_room(const struct np_chan *c, u32 cap)
{
	u32 used = np_chan_used(c);

	return used < cap ? cap - used : 0;
}

/**
 * np_chan_enough - how much room is enough to wake a writer for?
 * @c: the channel
 * @cap: its capacity in bytes
 *
 * A third of the capacity, as TCP has it, so that writer and reader do not
 * wake each other for every byte; and room for the record that has not found
 * any. If that will never fit an empty channel is as good as it gets: the
 * writer is to find out.
 */
static inline u32 np_chan_enough(const struct np_chan *c, u32 cap)
{
	return max3(cap / 3, min(READ_ONCE(c->need), cap), 1U);
}

/**
 * np_chan_writable - is there enough room to wake a writer for?
 * @c: the channel
 * @cap: its capacity in bytes
 */
static inline bool np_chan_writable(const struct np_chan *c, u32 cap)
{
	return np_chan_room(c, cap) >= np_chan_enough(c, cap);
}

/**
 * np_chan_await_room - have the writer woken when there is enough room
 * @c: the channel
 * @cap: its capacity in bytes
 *
 * Others may wait for less, which stays good. A mark that is there already will
 * do: whoever clears it looks for sleepers afterwards. The caller is one before,
 * and needs a full barrier between this and its last look whether there is room.
 *
 * Context: the writer, or poll.
 */
static inline void np_chan_await_room(struct np_chan *c, u32 cap)
{
	u32 mark = cap - np_chan_enough(c, cap) + 1;
	u32 old = READ_ONCE(c->wwait);

	if (unlikely(c->far)) {
		np_far_await_room(c, mark);
		return;
	}
	while (old < mark && !try_cmpxchg(&c->wwait, &old, mark))
		;
}

/**
 * np_chan_end_wait - does the writer wait for what there is now?
 * @c: the channel
 *
 * Return: true if it has to be woken.
 *
 * Context: the reader, with a full barrier since it has read.
 */
static inline bool np_chan_end_wait(struct np_chan *c)
{
	u32 mark = READ_ONCE(c->wwait);

	if (unlikely(c->far))
		return np_far_end_wait(c);
	if (likely(!mark) || np_chan_used(c) >= mark)
		return false;
	WRITE_ONCE(c->wwait, 0);
	return true;
}

/**
 * np_chan_is_readable - are there enough bytes to wake the reader for?
 * @c: the channel
 *
 * As many as the reader's low-water mark, but never more than what is sure to
 * fit in however small it has made its buffer meanwhile.
 */
static inline bool np_chan_is_readable(const struct np_chan *c)
{
	u32 lowat = np_chan_lowat(c);
	u32 used = np_chan_used(c);

	if (!used)
		return false;
	if (used >= lowat || used >= np_chan_cap(c, 0) / 2)
		return true;
	/* It may be that the writer's memory holds no more. */
	return unlikely(c->far) && np_far_is_stuck(c);
}

#endif /* _NP_CHANNEL_H */
