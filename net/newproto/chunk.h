/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is inside a channel, for channel.c and record.c only. The contract is at
 * struct np_chan.
 */
#ifndef _NP_CHUNK_H
#define _NP_CHUNK_H

#include "channel.h"

void np_chan_warm_up(struct np_chan *c);
void np_chan_collect(struct np_chan *c, u32 tail);
struct np_chunk *np_chan_new_chunk(struct np_chan *c, u32 size);
void np_chan_append(struct np_chan *c, struct np_chunk *k, u32 head);

/**
 * np_chunk_size - how large a chunk to get for a write
 * @last: the one that is full, or NULL
 * @empty: the channel is empty
 * @want: bytes to be written
 * @cap: the channel's capacity
 *
 * What holds the bytes, and more than the last one if the reader does not keep
 * up; no more than a quarter of the capacity beyond a page, so that small
 * buffers stay small.
 */
static inline u32 np_chunk_size(const struct np_chunk *last, bool empty,
				u32 want, u32 cap)
{
	u32 size = want;

	if (last && !empty && !last->lent)
		size = max(size, last->cap + 1);
	if (size > NP_CHUNK_PAGE && cap < 4 * NP_CHUNK_LARGE)
		size = NP_CHUNK_PAGE;
	return min(size, NP_CHUNK_LARGE);
}

/* A write begins. */
static inline void np_chan_begin(struct np_chan *c)
{
	WRITE_ONCE(c->busy, 1);
	barrier();	/* the CPU's order: see struct np_chan */
	/* Pairs with the release in np_chan_give_back(). */
	if (unlikely(smp_load_acquire(&c->cool)))
		np_chan_warm_up(c);
}

/* A write is over. */
static inline void np_chan_done(struct np_chan *c)
{
	/* Pairs with the acquire in np_chan_give_back(). */
	smp_store_release(&c->busy, 0);
}

/* Go on with the successor of each channel that has been read to its mark. */
static inline struct np_chan *np_chan_settle(struct np_chan **rx)
{
	struct np_chan *c = *rx;

	/* The mark first: all bytes were there before it was set. */
	while (smp_load_acquire(&c->end) == NP_END_NEXT && !np_chan_used(c)) {
		*rx = c->next;
		(*rx)->lowat = c->lowat;
		(*rx)->rcap = c->rcap;
		np_chan_put(c);
		c = *rx;
	}
	return c;
}

#endif /* _NP_CHUNK_H */
