// SPDX-License-Identifier: GPL-2.0-only
/*
 * Byte channels. The contract is at struct np_chan.
 */
#include <linux/gfp.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "channel.h"
#include "chunk.h"
#include "far.h"
#include "kunit.h"
#include "pool.h"

static struct kmem_cache *np_chunk_slab;

#define NP_CHUNK_SMALL	(NP_CHUNK_SLAB - (u32)offsetof(struct np_chunk, small))

/* Position where the stream leaves @k. */
static u32 np_chunk_end(const struct np_chunk *k)
{
	return k->start + READ_ONCE(k->len);
}

/* Has the reader left @k behind? It moves to the next chunk only when it
 * wants a byte from there, so up to the end is not enough.
 */
static bool np_chunk_is_left(const struct np_chunk *k, u32 tail)
{
	return (s32)(tail - np_chunk_end(k)) > 0;
}

static void np_chunk_free(struct np_chunk *k)
{
	if (k->data == k->small) {
		kmem_cache_free(np_chunk_slab, k);
		return;
	}
	if (k->lent)
		put_page(virt_to_page(k->data));
	else
		free_pages((unsigned long)k->data, get_order(k->cap));
	kfree(k);
}

static struct np_chunk *np_chunk_alloc_small(void)
{
	struct np_chunk *k = kmem_cache_alloc(np_chunk_slab, GFP_KERNEL_ACCOUNT);

	if (!k)
		return NULL;
	k->data = k->small;
	k->cap = NP_CHUNK_SMALL;
	k->lent = 0;
	return k;
}

static struct np_chunk *np_chunk_alloc_pages(unsigned int order)
{
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
	/* Not worth reclaiming for: single pages will do. */
	gfp_t high = (gfp & ~__GFP_DIRECT_RECLAIM) | __GFP_NORETRY | __GFP_COMP;
	struct np_chunk *k;

	k = kmalloc(sizeof(*k), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!k)
		return NULL;
	k->data = NULL;
	if (order)
		k->data = (char *)__get_free_pages(high, order);
	if (!k->data) {
		order = 0;
		k->data = (char *)__get_free_page(gfp);
	}
	if (!k->data) {
		kfree(k);
		return NULL;
	}
	k->cap = PAGE_SIZE << order;
	k->lent = 0;
	return k;
}

#if IS_ENABLED(CONFIG_KUNIT)
int np_kunit_memory = -1;
EXPORT_SYMBOL_NP_KUNIT(np_kunit_memory);
#endif

static struct np_chunk *np_chunk_alloc(u32 size)
{
	if (np_kunit_is_short())
		return NULL;
	if (size <= NP_CHUNK_SMALL)
		return np_chunk_alloc_small();
	return np_chunk_alloc_pages(size <= NP_CHUNK_PAGE ? 0 : NP_CHUNK_ORDER);
}

/**
 * np_chan_init - make an empty channel with a writer and a reader
 * @c: zeroed memory
 * @pool: who takes its buffers back
 * @release: called at the last put; may sleep only if every putter may
 *
 * Context: any.
 */
void np_chan_init(struct np_chan *c, struct np_pool *pool,
		  void (*release)(struct np_chan *c))
{
	c->lowat = 1;
	c->pool = pool;
	c->release = release;
	refcount_set(&c->ref, 2);
	spin_lock_init(&c->lock);
	INIT_LIST_HEAD(&c->warm);
}
EXPORT_SYMBOL_NP_KUNIT(np_chan_init);

/**
 * np_chunk_list_free - free chunks
 * @k: the first of a list, or NULL
 *
 * Return: the buffer bytes that were freed.
 */
size_t np_chunk_list_free(struct np_chunk *k)
{
	struct np_chunk *next;
	size_t bytes = 0;

	for (; k; k = next) {
		next = k->next;
		bytes += k->lent ? 0 : k->cap;
		np_chunk_free(k);
	}
	return bytes;
}
EXPORT_SYMBOL_NP_KUNIT(np_chunk_list_free);

/* Take all chunks off a channel that nobody uses, and put them before @list. */
static struct np_chunk *np_chan_strip(struct np_chan *c, struct np_chunk *list)
{
	struct np_chunk *k;

	if (c->spare) {
		for (k = c->spare; k->next; k = k->next)
			;
		k->next = list;
		list = c->spare;
	}
	if (c->w) {
		c->w->next = list;
		list = c->old;
	}
	c->w = NULL;
	c->r = NULL;
	c->old = NULL;
	c->spare = NULL;
	return list;
}

/**
 * np_chan_put - drop a reference
 * @c: the channel
 *
 * Context: any that @c's release allows; takes the pool's lock.
 */
void np_chan_put(struct np_chan *c)
{
	if (!refcount_dec_and_test(&c->ref))
		return;
	/* Even if it holds no chunk: the worker may be busy taking them. */
	if (c->pooled) {
		np_pool_del(c->pool, c);
		np_pool_account(c->pool,
				-(long)np_chunk_list_free(np_chan_strip(c, NULL)));
	}
	c->release(c);
}
EXPORT_SYMBOL_NP_KUNIT(np_chan_put);

/**
 * np_chan_writer_leave - the writer will not come back
 * @c: the channel it last wrote to; ended before, if it is to end
 *
 * Drops the writer's reference.
 */
void np_chan_writer_leave(struct np_chan *c)
{
	np_chan_put(c);
}
EXPORT_SYMBOL_NP_KUNIT(np_chan_writer_leave);

/**
 * np_chan_reader_deafen - the reader wants nothing that is not there yet
 * @c: the channel it reads from
 *
 * For its successors, too. The owner tells the writer, who may be asleep.
 *
 * Context: the reader.
 */
void np_chan_reader_deafen(struct np_chan *c)
{
	struct np_chan *next;

	for (; c; c = next) {
		spin_lock(&c->lock);
		/* Pairs with np_chan_is_refused(), as in np_chan_reader_leave(). */
		smp_store_release(&c->gone, c->gone | NP_GONE_DEAF);
		next = c->next;
		spin_unlock(&c->lock);
		if (unlikely(c->far))
			np_far_set_gone(c, c->gone);
	}
}
EXPORT_SYMBOL_NP_KUNIT(np_chan_reader_deafen);

/**
 * np_chan_reader_leave - the reader will not come back
 * @c: the channel it last read from
 *
 * Leaves the successors too, and drops the reader's references.
 *
 * Return: whether there were bytes that nobody will read now. A writer that
 * sees @gone after a write knows the same of its own.
 */
bool np_chan_reader_leave(struct np_chan *c)
{
	struct np_chan *next;
	bool unread = false;

	while (c) {
		spin_lock(&c->lock);
		/* Pairs with np_chan_is_refused(): what was read stays read. */
		smp_store_release(&c->gone, c->gone | NP_GONE_LEFT);
		next = c->next;
		spin_unlock(&c->lock);
		if (unlikely(c->far))
			np_far_set_gone(c, c->gone);
		smp_mb();	/* pairs with the writer's, after its write */
		unread |= np_chan_used(c);
		np_chan_put(c);
		c = next;
	}
	return unread;
}
EXPORT_SYMBOL_NP_KUNIT(np_chan_reader_leave);

/**
 * np_chan_finish - set the end mark
 * @c: a channel that has none yet
 * @next: where the stream goes on, with the reader's reference; or NULL: the
 *	end of the stream
 *
 * Context: the writer.
 */
void np_chan_finish(struct np_chan *c, struct np_chan *next)
{
	bool gone;

	spin_lock(&c->lock);
	gone = c->gone & NP_GONE_LEFT;
	if (!gone)
		c->next = next;
	if (next && c->gone & NP_GONE_DEAF)
		WRITE_ONCE(next->gone, next->gone | NP_GONE_DEAF);
	/* Pairs with the acquire in np_chan_settle() and np_chan_at_eof(). */
	smp_store_release(&c->end, next ? NP_END_NEXT : NP_END_EOF);
	spin_unlock(&c->lock);
	if (unlikely(c->far))
		np_far_finish(c);
	if (gone && next)
		np_chan_reader_leave(next);
}
EXPORT_SYMBOL_NP_KUNIT(np_chan_finish);

/**
 * np_chan_warm_up - the worker marked the channel
 * @c: the channel
 *
 * From here on the worker leaves the chunks alone.
 *
 * Context: the writer.
 */
noinline void np_chan_warm_up(struct np_chan *c)
{
	spin_lock(&c->lock);
	WRITE_ONCE(c->cool, 0);
	spin_unlock(&c->lock);
}

/**
 * np_chan_collect - put what the reader has left behind aside, for use again
 * @c: a channel that has a chunk
 * @tail: its tail
 *
 * Context: the writer.
 */
void np_chan_collect(struct np_chan *c, u32 tail)
{
	struct np_chunk *k = c->old;

	while (k != c->w && np_chunk_is_left(k, tail)) {
		c->old = k->next;
		if (k->lent) {
			np_chunk_free(k);
		} else {
			k->next = c->spare;
			c->spare = k;
		}
		k = c->old;
	}
}

/**
 * np_chan_new_chunk - get a chunk that is on no list
 * @c: who gets it
 * @size: how large it should be; if memory is short it may be smaller
 *
 * Context: the writer; may sleep.
 *
 * Return: a chunk, which counts as one of @c's pool; or NULL.
 */
struct np_chunk *np_chan_new_chunk(struct np_chan *c, u32 size)
{
	struct np_chunk *k = c->spare;

	if (k && k->cap >= size) {
		c->spare = k->next;
		return k;
	}
	k = np_chunk_alloc(size);
	if (k) {
		np_pool_account(c->pool, k->cap);
	} else if (c->spare) {
		k = c->spare;
		c->spare = k->next;
		return k;
	}
	if (k && c->spare) {
		/* Smaller ones are of no use any more. */
		np_pool_account(c->pool, -(long)np_chunk_list_free(c->spare));
		c->spare = NULL;
	}
	return k;
}

/**
 * np_chan_append - make a chunk the one that the stream goes on in
 * @c: the channel
 * @k: the chunk
 * @head: where it goes on
 *
 * Context: the writer.
 */
void np_chan_append(struct np_chan *c, struct np_chunk *k, u32 head)
{
	struct np_chunk *last = c->w;

	k->next = NULL;
	k->start = head;
	k->len = k->cap;
	c->w = k;
	if (last) {
		WRITE_ONCE(last->len, head - last->start);
		last->next = k;
		return;
	}
	c->old = k;
	c->r = k;
	c->pooled = 1;
	np_pool_add(c->pool, c);
}

/* Find the chunk to write @want bytes to. An empty channel starts over in the
 * chunk it has, which is the one the CPU's caches hold.
 */
static struct np_chunk *np_chan_chunk(struct np_chan *c, u32 head, u32 want,
				      u32 cap)
{
	u32 tail = smp_load_acquire(&c->tail);	/* pairs with np_chan_read() */
	struct np_chunk *k = c->w;
	bool empty = tail == head;
	u32 size = np_chunk_size(k, empty, want, cap);
	struct np_chunk *fresh;

	if (k)
		np_chan_collect(c, tail);
	if (k && k->lent)
		empty = false;	/* there is nothing to start over in */
	if (k && empty && k->cap >= size) {
		k->start = head;
		WRITE_ONCE(k->len, k->cap);
		return k;
	}
	fresh = np_chan_new_chunk(c, size);
	if (fresh) {
		np_chan_append(c, fresh, head);
		return fresh;
	}
	if (k && empty) {
		k->start = head;
		WRITE_ONCE(k->len, k->cap);
		return k;
	}
	return NULL;
}

/**
 * np_chan_write - append bytes
 * @c: a channel without end mark
 * @from: where the bytes are; advanced by what was taken
 * @cap: the capacity in bytes
 *
 * Context: the writer; may sleep.
 *
 * Return: the bytes written, which are fewer than @from has when the channel
 * is full or a copy failed half-way; 0 when it is full; -EFAULT or -ENOMEM
 * when no byte was written for that reason.
 */
ssize_t np_chan_write(struct np_chan *c, struct iov_iter *from, u32 cap)
{
	u32 head = c->head, room, n, want;
	ssize_t done = 0, err = 0;
	struct np_chunk *k;
	size_t got;

	if (unlikely(c->far))
		return np_far_write(c, from, cap);
	np_chan_begin(c);
	room = np_chan_room(c, cap);
	while (room && iov_iter_count(from)) {
		want = min_t(size_t, room, iov_iter_count(from));
		k = c->w;
		if (!k || head - k->start == k->len ||
		    (k->cap - (head - k->start) < want && !np_chan_used(c))) {
			k = np_chan_chunk(c, head, want, cap);
			if (!k) {
				err = -ENOMEM;
				break;
			}
		}
		n = min(want, k->len - (head - k->start));
		got = copy_from_iter(k->data + (head - k->start), n, from);
		head += got;
		done += got;
		room -= got;
		/* Pairs with the acquire of the reader. */
		smp_store_release(&c->head, head);
		if (got != n) {
			err = -EFAULT;
			break;
		}
	}
	np_chan_done(c);
	return done ?: err;
}
EXPORT_SYMBOL_NP_KUNIT(np_chan_write);

/**
 * np_chan_write_page - append bytes without copying them
 * @c: a channel without end mark
 * @page: where the bytes are; it has an address, and its bytes go to the
 *	reader as they are when it reads
 * @offset: of the first byte in the page
 * @len: how many; they end in the page
 * @cap: the capacity in bytes
 *
 * Context: the writer; may sleep.
 *
 * Return: the bytes written, 0 if the channel is full, -ENOMEM.
 */
ssize_t np_chan_write_page(struct np_chan *c, struct page *page, size_t offset,
			   size_t len, u32 cap)
{
	u32 head = c->head, tail, n;
	struct np_chunk *k;
	ssize_t done = 0;

	np_chan_begin(c);
	n = min_t(size_t, np_chan_room(c, cap), len);
	if (n) {
		k = kmalloc(sizeof(*k), GFP_KERNEL_ACCOUNT);
		if (k) {
			get_page(page);
			k->data = (char *)page_address(page) + offset;
			k->cap = n;
			k->lent = 1;
			/* Pairs with np_chan_take(). */
			tail = smp_load_acquire(&c->tail);
			if (c->w)
				np_chan_collect(c, tail);
			np_chan_append(c, k, head);
			/* Pairs with the acquire of the reader. */
			smp_store_release(&c->head, head + n);
			done = n;
		} else {
			done = -ENOMEM;
		}
	}
	np_chan_done(c);
	return done;
}
EXPORT_SYMBOL_NP_KUNIT(np_chan_write_page);

/* Hand the next @len bytes to @to, or just pass over them if it is NULL.
 * Returns how many; less than there are if a copy failed.
 */
static size_t np_chan_take(struct np_chan *c, struct iov_iter *to, size_t len)
{
	u32 tail = c->tail, avail, off, n;
	struct np_chunk *k;
	size_t done = 0, got;

	avail = smp_load_acquire(&c->head) - tail; /* pairs with np_chan_write() */
	if (len > avail)
		len = avail;
	while (done < len) {
		k = c->r;
		off = tail - k->start;
		if (off == READ_ONCE(k->len)) {
			k = k->next;
			c->r = k;
			off = 0;
		}
		n = min_t(size_t, READ_ONCE(k->len) - off, len - done);
		got = to ? copy_to_iter(k->data + off, n, to) : n;
		tail += got;
		done += got;
		/* What was read is the writer's again. */
		smp_store_release(&c->tail, tail);
		if (got != n)
			break;
	}
	return done;
}

static ssize_t np_chan_consume(struct np_chan **rx, struct iov_iter *to,
			       size_t len)
{
	size_t done = 0, want, got;
	struct np_chan *c = *rx;

	if (unlikely(c->far))
		return np_far_read(c, to, len);
	do {
		c = np_chan_settle(rx);
		want = min_t(size_t, len - done, np_chan_used(c));
		if (!want)
			break;
		got = np_chan_take(c, to, want);
		done += got;
		if (got != want)
			return done ?: -EFAULT;
	} while (unlikely(done < len && c->end == NP_END_NEXT));
	return done;
}

/**
 * np_chan_read - read bytes, across end marks
 * @rx: the reader's channel; changed as it goes on to a successor
 * @to: where to put them
 * @len: how many at the most
 *
 * Context: the reader; may sleep.
 *
 * Return: the bytes read; 0 if there are none; -EFAULT if a copy failed before
 * a byte was read. Bytes that could not be copied stay in the channel.
 */
ssize_t np_chan_read(struct np_chan **rx, struct iov_iter *to, size_t len)
{
	return np_chan_consume(rx, to, len);
}
EXPORT_SYMBOL_NP_KUNIT(np_chan_read);

/**
 * np_chan_drop - pass over bytes, across end marks
 * @rx: the reader's channel; changed as it goes on to a successor
 * @len: how many at the most
 *
 * Return: the bytes dropped.
 */
size_t np_chan_drop(struct np_chan **rx, size_t len)
{
	return np_chan_consume(rx, NULL, len);
}
EXPORT_SYMBOL_NP_KUNIT(np_chan_drop);

/* The part of np_chan_peek() within one channel. */
static size_t np_chan_look(const struct np_chan *c, struct iov_iter *to,
			   size_t len)
{
	u32 tail = c->tail, avail, off, n;
	const struct np_chunk *k = NULL;
	size_t done = 0, got;

	avail = smp_load_acquire(&c->head) - tail; /* pairs with np_chan_write() */
	if (len > avail)
		len = avail;
	while (done < len) {
		if (!k)
			k = c->r;
		off = tail - k->start;
		if (off == READ_ONCE(k->len)) {
			k = k->next;
			off = 0;
		}
		n = min_t(size_t, READ_ONCE(k->len) - off, len - done);
		got = copy_to_iter(k->data + off, n, to);
		tail += got;
		done += got;
		if (got != n)
			break;
	}
	return done;
}

/**
 * np_chan_peek - copy bytes without reading them, across end marks
 * @c: the reader's channel
 * @to: where to put them
 * @len: how many at the most
 *
 * Context: the reader; may sleep.
 *
 * Return: as np_chan_read().
 */
ssize_t np_chan_peek(struct np_chan *c, struct iov_iter *to, size_t len)
{
	size_t done = 0, want, got;
	u8 end;

	if (unlikely(c->far))
		return np_far_peek(c, to, len);
	for (; c && done < len; c = end == NP_END_NEXT ? c->next : NULL) {
		/* The mark first: all bytes were there before it was set. */
		end = smp_load_acquire(&c->end);
		want = min_t(size_t, len - done, np_chan_used(c));
		got = np_chan_look(c, to, want);
		done += got;
		if (got != want)
			return done ?: -EFAULT;
	}
	return done;
}
EXPORT_SYMBOL_NP_KUNIT(np_chan_peek);

/**
 * np_chan_avail - bytes that can be read, across end marks
 * @c: the reader's channel
 *
 * Context: the reader.
 */
size_t np_chan_avail(const struct np_chan *c)
{
	size_t avail = 0;
	u8 end;

	if (unlikely(c->far))
		return np_far_avail(c);
	for (; c; c = end == NP_END_NEXT ? c->next : NULL) {
		end = smp_load_acquire(&c->end);	/* as in np_chan_peek() */
		avail += np_chan_used(c);
	}
	return avail;
}
EXPORT_SYMBOL_NP_KUNIT(np_chan_avail);

/**
 * np_chan_at_eof - has the whole stream been read?
 * @c: the reader's channel
 *
 * Context: the reader.
 */
bool np_chan_at_eof(const struct np_chan *c)
{
	u8 end;

	if (unlikely(c->far))
		return np_far_at_eof(c);
	for (; c; c = c->next) {
		end = smp_load_acquire(&c->end);	/* as in np_chan_peek() */
		if (np_chan_used(c))
			return false;
		if (end != NP_END_NEXT)
			return end == NP_END_EOF;
	}
	return false;
}
EXPORT_SYMBOL_NP_KUNIT(np_chan_at_eof);

/**
 * np_chan_give_back - one look of the pool's worker at a channel
 * @c: a channel on the pool's list
 * @list: the chunks that were taken are put before these
 *
 * Takes the chunks if the channel was marked by an earlier call, an RCU grace
 * period has passed since, and nothing was written meanwhile. Marks it for the
 * next call if it is empty now.
 *
 * Context: pool's lock held.
 *
 * Return: true if the channel holds no chunk any more.
 */
bool np_chan_give_back(struct np_chan *c, struct np_chunk **list)
{
	bool idle, taken = false;

	spin_lock(&c->lock);
	/* Pairs with np_chan_done(): a finished write is seen in full. */
	idle = !smp_load_acquire(&c->busy) && !np_chan_used(c);
	if (idle && c->cool) {
		*list = np_chan_strip(c, *list);
		taken = true;
	}
	/* Pairs with np_chan_begin(): chunks that were taken are seen gone. */
	smp_store_release(&c->cool, idle && !taken);
	spin_unlock(&c->lock);
	return taken;
}
EXPORT_SYMBOL_NP_KUNIT(np_chan_give_back);

/**
 * np_chan_cache_init - make the slab cache of small chunks
 *
 * Return: 0 or -ENOMEM.
 */
int np_chan_cache_init(void)
{
	/* Programs' bytes are copied to and from the whole of the data. */
	np_chunk_slab = kmem_cache_create_usercopy("newproto_chunk",
						   NP_CHUNK_SLAB, 0,
						   SLAB_HWCACHE_ALIGN | SLAB_ACCOUNT,
						   offsetof(struct np_chunk, small),
						   NP_CHUNK_SMALL, NULL);
	return np_chunk_slab ? 0 : -ENOMEM;
}

/**
 * np_chan_cache_exit - free the slab cache of small chunks
 */
void np_chan_cache_exit(void)
{
	kmem_cache_destroy(np_chunk_slab);
}
