// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records in a channel: the number of their bytes, in the kernel's own byte
 * order, and the bytes. Both may lie across chunks, but never across channels.
 *
 * The writer publishes a record as a whole, so whatever a reader finds there
 * begins with a whole record.
 */
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/uio.h>

#include "channel.h"
#include "chunk.h"
#include "kunit.h"
#include "pool.h"
#include "record.h"

/**
 * struct np_record_draft - a record that is being written
 *
 * Its bytes lie behind the channel's head, in what the last chunk has left and
 * in chunks that are not the channel's yet. So one that cannot be finished
 * needs no undoing.
 *
 * @c: the channel
 * @cap: its capacity
 * @pos: where the next byte goes
 * @k: the chunk that it goes to, or NULL
 * @fresh: the first of the chunks that are not the channel's yet
 */
struct np_record_draft {
	struct np_chan *c;
	u32 cap;
	u32 pos;
	struct np_chunk *k;
	struct np_chunk *fresh;
};

/* Go on in another chunk, with @want bytes to come; or start over in the only
 * one, if nothing is left to be read there. False if there is no memory.
 */
static bool np_record_extend(struct np_record_draft *d, u32 want)
{
	struct np_chan *c = d->c;
	u32 tail = smp_load_acquire(&c->tail);	/* pairs with np_record_read() */
	bool empty = tail == d->pos;
	u32 size = np_chunk_size(d->k, empty, want, d->cap);
	struct np_chunk *k = d->k;

	if (c->w)
		np_chan_collect(c, tail);
	if (k && empty && !k->lent && k->cap >= size) {
		k->start = d->pos;
		WRITE_ONCE(k->len, k->cap);
		return true;
	}
	k = np_chan_new_chunk(c, size);
	if (!k)
		return false;
	k->start = d->pos;
	k->len = k->cap;
	k->next = NULL;
	if (d->fresh)
		d->k->next = k;
	else
		d->fresh = k;
	d->k = k;
	return true;
}

/* Add @n bytes, from a program's memory or the kernel's own, with @more to
 * come.
 */
static int np_record_add(struct np_record_draft *d, const char *own,
			 struct iov_iter *from, u32 n, u32 more)
{
	u32 off, part;
	char *to;

	for (; n; n -= part) {
		if (!d->k || d->pos - d->k->start == d->k->len) {
			if (!np_record_extend(d, n + more))
				return -ENOMEM;
		}
		off = d->pos - d->k->start;
		to = d->k->data + off;
		part = min(n, d->k->len - off);
		if (own) {
			memcpy(to, own, part);
			own += part;
		} else if (copy_from_iter(to, part, from) != part) {
			return -EFAULT;
		}
		d->pos += part;
	}
	return 0;
}

/* Make the channel go on with a record that is complete. */
static void np_record_publish(struct np_record_draft *d)
{
	struct np_chunk *k, *next;

	for (k = d->fresh; k; k = next) {
		next = k->next;
		np_chan_append(d->c, k, k->start);
	}
	/* Pairs with the acquire of the reader. */
	smp_store_release(&d->c->head, d->pos);
}

/* Put the chunks of a record that comes to nothing aside, for use again; those
 * of a channel without others go, since its pool does not know it.
 */
static void np_record_discard(struct np_record_draft *d)
{
	struct np_chan *c = d->c;
	struct np_chunk *k, *next;

	if (!c->w) {
		np_pool_account(c->pool, -(long)np_chunk_list_free(d->fresh));
		return;
	}
	for (k = d->fresh; k; k = next) {
		next = k->next;
		k->next = c->spare;
		c->spare = k;
	}
}

/* With enough room in the channel. */
static int np_record_fill(struct np_chan *c, struct iov_iter *from, u32 len,
			  u32 cap)
{
	struct np_record_draft d = { .c = c, .cap = cap, .pos = c->head, .k = c->w };
	size_t count = iov_iter_count(from);
	int err = 0;

	/* The bytes are better off together. */
	if (d.k && !np_chan_used(c) &&
	    d.k->cap - (d.pos - d.k->start) < NP_RECORD_HEAD + len &&
	    !np_record_extend(&d, NP_RECORD_HEAD + len))
		err = -ENOMEM;
	if (!err)
		err = np_record_add(&d, (char *)&len, NULL, NP_RECORD_HEAD, len);
	if (!err)
		err = np_record_add(&d, NULL, from, len, 0);
	if (!err) {
		np_record_publish(&d);
		return 0;
	}
	np_record_discard(&d);
	iov_iter_revert(from, count - iov_iter_count(from));
	return err;
}

/**
 * np_record_write - append a record, or nothing
 * @c: a channel without end mark
 * @from: where its bytes are; advanced if it was written
 * @len: how many
 * @cap: the capacity in bytes
 *
 * Context: the writer; may sleep.
 *
 * Return: what the record takes in the channel, which is more than @len; 0 if
 * there is no room for it now; -EMSGSIZE if there can never be; -EFAULT,
 * -ENOMEM.
 */
ssize_t np_record_write(struct np_chan *c, struct iov_iter *from, size_t len,
			u32 cap)
{
	ssize_t ret = 0;

	if (cap < NP_RECORD_HEAD || len > cap - NP_RECORD_HEAD)
		return -EMSGSIZE;
	np_chan_begin(c);
	if (np_chan_room(c, cap) >= NP_RECORD_HEAD + len)
		ret = np_record_fill(c, from, len, cap) ?: NP_RECORD_HEAD + len;
	np_chan_done(c);
	return ret;
}
EXPORT_SYMBOL_NP_KUNIT(np_record_write);

/**
 * struct np_record_place - a place in what is there to be read
 * @k: the chunk
 * @pos: the position, in @k or at its end
 */
struct np_record_place {
	struct np_chunk *k;
	u32 pos;
};

/* The bytes at a place, which is not behind the last: their address, and how
 * many of @n lie together.
 */
static const char *np_record_look(struct np_record_place *p, u32 *n)
{
	u32 off = p->pos - p->k->start;

	if (off == READ_ONCE(p->k->len)) {
		p->k = p->k->next;
		off = 0;
	}
	*n = min(*n, READ_ONCE(p->k->len) - off);
	return p->k->data + off;
}

/* Pass over the number that a record begins with. */
static u32 np_record_len(struct np_record_place *p)
{
	u32 len, done, part;
	const char *from;

	for (done = 0; done < NP_RECORD_HEAD; done += part) {
		part = NP_RECORD_HEAD - done;
		from = np_record_look(p, &part);
		memcpy((char *)&len + done, from, part);
		p->pos += part;
	}
	return len;
}

static void np_record_skip(struct np_record_place *p, u32 n)
{
	u32 part;

	for (; n; n -= part) {
		part = n;
		np_record_look(p, &part);
		p->pos += part;
	}
}

static bool np_record_copy(struct np_record_place *p, struct iov_iter *to, u32 n)
{
	const char *from;
	u32 part;
	size_t got;

	for (; n; n -= part) {
		part = n;
		from = np_record_look(p, &part);
		got = copy_to_iter(from, part, to);
		if (got != part)
			return false;
		p->pos += part;
	}
	return true;
}

/**
 * np_record_read - read the next record
 * @rx: the reader's channel; changed as it goes on to a successor
 * @to: where to put the bytes
 * @len: how many at the most; the rest of the record is passed over
 * @full: set to how many it has
 * @peek: leave the record in the channel
 *
 * Context: the reader; may sleep.
 *
 * Return: the bytes copied; -EAGAIN if there is no record; -EFAULT: the record
 * is still there; -EIO if the channel holds no records.
 */
ssize_t np_record_read(struct np_chan **rx, struct iov_iter *to, size_t len,
		       size_t *full, bool peek)
{
	struct np_chan *c = np_chan_settle(rx);
	size_t count = iov_iter_count(to);
	struct np_record_place p;
	u32 avail, size;

	/* Pairs with np_record_publish(). */
	avail = smp_load_acquire(&c->head) - c->tail;
	if (!avail)
		return -EAGAIN;
	if (unlikely(avail < NP_RECORD_HEAD))
		return -EIO;
	p.k = c->r;
	p.pos = c->tail;
	size = np_record_len(&p);
	if (unlikely(size > avail - NP_RECORD_HEAD))
		return -EIO;
	len = min_t(size_t, len, size);
	if (unlikely(!np_record_copy(&p, to, len))) {
		iov_iter_revert(to, count - iov_iter_count(to));
		return -EFAULT;
	}
	*full = size;
	if (peek)
		return len;
	np_record_skip(&p, size - len);
	c->r = p.k;
	/* What was read is the writer's again. */
	smp_store_release(&c->tail, p.pos);
	return len;
}
EXPORT_SYMBOL_NP_KUNIT(np_record_read);

/* The part of np_record_avail() within one channel. */
static size_t np_record_sum(const struct np_chan *c)
{
	/* Pairs with np_record_publish(). */
	u32 left = smp_load_acquire(&c->head) - c->tail, len;
	struct np_record_place p = { .k = c->r, .pos = c->tail };
	size_t sum = 0;

	while (left >= NP_RECORD_HEAD) {
		len = np_record_len(&p);
		left -= NP_RECORD_HEAD;
		if (unlikely(len > left))
			break;
		np_record_skip(&p, len);
		left -= len;
		sum += len;
		cond_resched();
	}
	return sum;
}

/**
 * np_record_avail - bytes of all records that can be read, across end marks
 * @c: the reader's channel
 *
 * Context: the reader; may sleep.
 */
size_t np_record_avail(const struct np_chan *c)
{
	size_t sum = 0;
	u8 end;

	for (; c; c = end == NP_END_NEXT ? c->next : NULL) {
		end = smp_load_acquire(&c->end);	/* as in np_chan_avail() */
		sum += np_record_sum(c);
	}
	return sum;
}
EXPORT_SYMBOL_NP_KUNIT(np_record_avail);
