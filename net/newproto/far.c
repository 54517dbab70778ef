// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct channels: bytes. The contract is at struct np_far and struct np_far_words.
 *
 * Copies are made under RCU and with page faults off, a piece at a time, so that a device
 * that goes away has to wait for nobody: what is not there is fetched between the pieces.
 */
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include <asm/barrier.h>

#include "compat.h"
#include "conn.h"
#include "far.h"
#include "kunit.h"
#include "nic.h"

/* How often a position is read again that the other end changes all the time. */
#define NP_FAR_TRIES	16

static bool np_far_is_tx(const struct np_far *far, const struct np_chan *c)
{
	return c == &far->conn->chan[far->side];
}

/* A number of the other end's, which says so after what it stands for. */
static u32 np_far_get(const __le32 *word)
{
	return le32_to_cpu(virt_load_acquire(word)); /* pairs with np_far_put() there */
}

static void np_far_put(__le32 *word, u32 value)
{
	virt_store_release(word, cpu_to_le32(value)); /* pairs with np_far_get() there */
}

/* Does someone who asked for a signal beyond @wake want one, with @head where it was @old? */
static bool np_far_passes(u32 wake, u32 head, u32 old)
{
	return head - wake - 1 < head - old;
}

/**
 * np_far_fault - the other end does not keep to the rules
 * @far: this one
 * @what: which, for the log
 *
 * The link to its kernel is cut, which ends this connection and all others over it. Until
 * that has come about this end looks at nothing of the other's any more: who loops until
 * there are bytes, or room, does not do so for a lie.
 *
 * Context: any.
 */
void np_far_fault(struct np_far *far, const char *what)
{
	struct np_nic *nic;

	rcu_read_lock();
	nic = np_nic_of(far->nc);
	/* Not a link that has come up since. */
	if (nic && rcu_access_pointer(far->peer)) {
		RCU_INIT_POINTER(far->peer, NULL);
		nic->ops->cut(nic, READ_ONCE(far->slot), what);
	}
	rcu_read_unlock();
}

/**
 * np_far_ring_init - begin in the memory that an end has from the start
 * @far: with @own set, nobody else knows it yet
 */
void np_far_ring_init(struct np_far *far)
{
	spin_lock_init(&far->tx_lock);
	spin_lock_init(&far->rx_lock);
	far->tx.data = (u8 *)far->own.addr + NP_FAR_WORDS;
	far->tx.size = far->own.len - NP_FAR_WORDS;
	far->tx.limit = NP_FAR_RING_MAX;
}

/**
 * np_far_rx_begin - the other end's first memory is known
 * @far: nobody reads yet
 * @mem: the memory
 *
 * Return: false if it cannot be one.
 */
bool np_far_rx_begin(struct np_far *far, const struct np_nic_mem *mem)
{
	if (mem->len < NP_FAR_BASE || mem->len > NP_FAR_RING_MAX)
		return false;
	spin_lock(&far->rx_lock);
	far->rx.data = (u8 *)mem->addr + NP_FAR_WORDS;
	far->rx.size = mem->len - NP_FAR_WORDS;
	spin_unlock(&far->rx_lock);
	rcu_assign_pointer(far->peer, mem->addr);
	return true;
}
EXPORT_SYMBOL_NP_KUNIT(np_far_rx_begin);

/* --- what the other end says -------------------------------------------------- */

/**
 * np_far_used - bytes written and not yet read
 * @c: a direct channel, either end's
 *
 * Context: any.
 *
 * Return: as far as the other end can be believed; 0 if there is none.
 */
u32 np_far_used(const struct np_chan *c)
{
	struct np_far *far = c->far;
	bool tx = np_far_is_tx(far, c);
	const u32 *own = tx ? &c->head : &c->tail;
	const struct np_far_words *peer;
	u32 used = 0, at, other;

	rcu_read_lock();
	peer = rcu_dereference(far->peer);
	if (peer) {
		/* Who is neither writer nor reader takes both for the same moment: with
		 * one that has moved since the other is impossible.
		 */
		do {
			at = smp_load_acquire(own); /* before the other one */
			other = np_far_get(tx ? &peer->tail : &peer->head);
		} while (unlikely(at != READ_ONCE(*own)));
		used = tx ? at - other : other - at;
	}
	rcu_read_unlock();
	if (likely(used <= NP_FAR_UNREAD_MAX))
		return used;
	np_far_fault(far, "a position that cannot be");
	return 0;
}
EXPORT_SYMBOL_NP_KUNIT(np_far_used);

static u32 np_far_peer_word(const struct np_far *far, size_t offset, u32 none)
{
	const struct np_far_words *peer;
	u32 v = none;

	rcu_read_lock();
	peer = rcu_dereference(far->peer);
	if (peer)
		v = np_far_get((const __le32 *)((const u8 *)peer + offset));
	rcu_read_unlock();
	return v;
}

/**
 * np_far_gone - what has the reader done?
 * @c: a direct channel that this end writes
 *
 * Return: NP_GONE_*.
 */
u8 np_far_gone(const struct np_chan *c)
{
	return np_far_peer_word(c->far, offsetof(struct np_far_words, gone), 0) &
	       (NP_GONE_LEFT | NP_GONE_DEAF);
}
EXPORT_SYMBOL_NP_KUNIT(np_far_gone);

/**
 * np_far_lowat - below how many bytes does the reader not want to be woken?
 * @c: a direct channel, either end's
 */
u32 np_far_lowat(const struct np_chan *c)
{
	if (!np_far_is_tx(c->far, c))
		return READ_ONCE(c->lowat);
	return np_far_peer_word(c->far, offsetof(struct np_far_words, lowat), 1);
}
EXPORT_SYMBOL_NP_KUNIT(np_far_lowat);

/**
 * np_far_cap - how much a direct channel may hold
 * @c: the channel, either end's
 * @sndbuf: the writer's share
 *
 * Return: bytes: what both ends' shares make, and there is memory for.
 */
u32 np_far_cap(const struct np_chan *c, u32 sndbuf)
{
	u32 rcap;

	if (!np_far_is_tx(c->far, c))
		return READ_ONCE(c->rcap);
	rcap = np_far_peer_word(c->far, offsetof(struct np_far_words, rcap), 0);
	rcap = min(rcap, NP_CHAN_MAX / 2);
	return min(min(sndbuf, NP_CHAN_MAX / 2) + rcap, READ_ONCE(c->far->tx.limit));
}
EXPORT_SYMBOL_NP_KUNIT(np_far_cap);

/**
 * np_far_await_room - have the writer woken when fewer bytes are unread than @mark
 * @c: a direct channel that this end writes
 * @mark: a number of bytes
 *
 * Context: the writer, or poll; full barrier.
 */
void np_far_await_room(struct np_chan *c, u32 mark)
{
	struct np_far_words *words;
	bool news = false;
	__le32 old;

	rcu_read_lock();
	words = rcu_dereference(c->far->words);
	if (words) {
		old = READ_ONCE(words->wwait);
		while (le32_to_cpu(old) < mark &&
		       !try_cmpxchg(&words->wwait, &old, cpu_to_le32(mark)))
			;
		news = !old;
		virt_mb();	/* pairs with np_far_end_wait() */
	}
	rcu_read_unlock();
	/* A reader who waits for more waits for nothing. */
	if (news && unlikely(np_far_lowat(c) > 1))
		np_far_signal(c->far);
}
EXPORT_SYMBOL_NP_KUNIT(np_far_await_room);

/**
 * np_far_end_wait - does the writer wait for what there is now?
 * @c: a direct channel that this end reads
 *
 * Return: true if it has to be told.
 *
 * Context: the reader.
 */
bool np_far_end_wait(struct np_chan *c)
{
	u32 mark;

	virt_mb();	/* pairs with np_far_await_room() */
	mark = np_far_peer_word(c->far, offsetof(struct np_far_words, wwait), 0);
	return mark && np_far_used(c) < mark;
}
EXPORT_SYMBOL_NP_KUNIT(np_far_end_wait);

/**
 * np_far_is_stuck - can nothing be written before something is read?
 * @c: a direct channel, either end's
 *
 * Return: true if the writer has said so, by waiting.
 */
bool np_far_is_stuck(const struct np_chan *c)
{
	const struct np_far_words *words;
	bool stuck;

	if (!np_far_is_tx(c->far, c))
		return np_far_peer_word(c->far, offsetof(struct np_far_words, wwait), 0);
	rcu_read_lock();
	words = rcu_dereference(c->far->words);
	stuck = words && READ_ONCE(words->wwait);
	rcu_read_unlock();
	return stuck;
}
EXPORT_SYMBOL_NP_KUNIT(np_far_is_stuck);

/**
 * np_far_await_bytes - have the reader woken when there are more bytes
 * @far: this end
 *
 * Context: the reader, poll, or a signal; full barrier.
 *
 * Return: whether there are any.
 */
bool np_far_await_bytes(struct np_far *far)
{
	const struct np_far_words *peer;
	struct np_far_words *words;
	int tries = NP_FAR_TRIES;
	bool any = false;
	u32 head;

	rcu_read_lock();
	words = rcu_dereference(far->words);
	peer = rcu_dereference(far->peer);
	if (words && peer) {
		/* A reader is woken for what has come already, and asks again. */
		do {
			head = np_far_get(&peer->head);
			WRITE_ONCE(words->wake, cpu_to_le32(head));
			virt_mb();	/* pairs with np_far_wants_bytes() */
		} while (unlikely(head != np_far_get(&peer->head)) && --tries);
		any = head != READ_ONCE(far->conn->chan[!far->side].tail);
	}
	rcu_read_unlock();
	return any;
}
EXPORT_SYMBOL_NP_KUNIT(np_far_await_bytes);

/**
 * np_far_wants_bytes - does the reader want to know of what was written?
 * @far: this end, which has written
 *
 * Context: the writer.
 */
bool np_far_wants_bytes(struct np_far *far)
{
	u32 head = far->conn->chan[far->side].head, old = far->told, wake;

	virt_mb();	/* pairs with np_far_await_bytes() */
	wake = np_far_peer_word(far, offsetof(struct np_far_words, wake), head);
	far->told = head;
	return np_far_passes(wake, head, old);
}
EXPORT_SYMBOL_NP_KUNIT(np_far_wants_bytes);

/* --- writing ------------------------------------------------------------------ */

/* Copy into a ring. Returns how much was there to be copied without a page fault. */
static u32 np_far_copy_in(struct np_far_ring *r, struct iov_iter *from, u32 n)
{
	u32 first = min(n, r->size - r->off), got;

	pagefault_disable();
	got = _copy_from_iter(r->data + r->off, first, from);
	if (got == first && n > first)
		got += _copy_from_iter(r->data, n - first, from);
	pagefault_enable();
	r->off += got;
	if (r->off >= r->size)
		r->off -= r->size;
	return got;
}

/* The reader has made the last change of the ring: the one before is free. */
static void np_far_ring_acked(struct np_far *far, const struct np_far_words *peer)
{
	struct np_far_ring *r = &far->tx;

	if (!r->pending || np_far_get(&peer->ring_ack) != r->ring)
		return;
	r->pending = false;
	if (!r->old.len)
		WRITE_ONCE(r->limit, NP_FAR_RING_MAX);
}

/* Room in the channel, and in the ring: bytes of the ring before @pos are in another one. */
static u32 np_far_room(struct np_far *far, const struct np_far_words *peer, u32 head,
		       u32 cap)
{
	u32 tail = np_far_get(&peer->tail), used = head - tail;
	struct np_far_ring *r = &far->tx;
	u32 inside = head - r->pos;

	if (unlikely(used > NP_FAR_UNREAD_MAX))
		return 0;	/* np_far_used() tells on it */
	/* What was read is as good as in another ring; and @head may come round to @pos. */
	if (used < inside) {
		r->pos = tail;
		inside = used;
	}
	if (used >= cap || inside >= r->size)
		return 0;
	return min(cap - used, r->size - inside);
}

/* Write a piece. Returns 0 if there is no room, -EFAULT if what is to be written has to be
 * fetched first, -EPIPE if there is nobody.
 */
static ssize_t np_far_write_piece(struct np_chan *c, struct iov_iter *from, u32 cap)
{
	struct np_far *far = c->far;
	const struct np_far_words *peer;
	struct np_far_words *words;
	ssize_t ret = -EPIPE;
	u32 n;

	rcu_read_lock();
	words = rcu_dereference(far->words);
	peer = rcu_dereference(far->peer);
	if (likely(words && peer)) {
		spin_lock(&far->tx_lock);
		np_far_ring_acked(far, peer);
		n = np_far_room(far, peer, c->head, cap);
		n = min3((size_t)n, iov_iter_count(from), (size_t)NP_FAR_PIECE);
		ret = n ? np_far_copy_in(&far->tx, from, n) : 0;
		if (ret) {
			/* Pairs with np_far_used(), as the reader's does. */
			smp_store_release(&c->head, c->head + (u32)ret);
			np_far_put(&words->head, c->head);
		} else if (n) {
			ret = -EFAULT;
		}
		spin_unlock(&far->tx_lock);
	}
	rcu_read_unlock();
	return ret;
}

/* Go on in another ring from here. With tx_lock, and memory that nobody knows; or NULL: the
 * first one.
 */
static void np_far_ring_change(struct np_far *far, struct np_far_words *words, u32 head,
			       const struct np_nic_mem *mem)
{
	struct np_far_ring *r = &far->tx;

	r->old = r->mem;
	if (mem) {
		r->mem = *mem;
		r->data = mem->addr;
		r->size = mem->len;
	} else {
		r->mem.len = 0;
		r->data = (u8 *)far->own.addr + NP_FAR_WORDS;
		r->size = far->own.len - NP_FAR_WORDS;
	}
	r->off = 0;
	r->pos = head;
	r->ring++;
	r->pending = true;
	WRITE_ONCE(words->ring_id, cpu_to_le32(mem ? mem->id : far->own.id));
	WRITE_ONCE(words->ring_gen, cpu_to_le32(mem ? mem->gen : far->own.gen));
	WRITE_ONCE(words->ring_pos, cpu_to_le32(head));
	np_far_put(&words->ring, r->ring);
}

/* Memory of a ring that nobody reads any more. Not under RCU: the driver may sleep. */
static void np_far_free_old(struct np_far *far)
{
	struct np_nic_mem mem = { };

	spin_lock(&far->tx_lock);
	if (!far->tx.pending)
		swap(mem, far->tx.old);
	if (mem.len)
		WRITE_ONCE(far->tx.limit, NP_FAR_RING_MAX);
	spin_unlock(&far->tx_lock);
	if (mem.len)
		np_nic_mem_free(far->nc, &mem);
}

/* The ring is full, and the channel may hold more: go on in a larger one. False, and a limit
 * that says so, if that cannot be now.
 */
static bool np_far_grow(struct np_chan *c, u32 cap)
{
	struct np_far *far = c->far;
	struct np_far_words *words;
	struct np_nic_mem mem = { };
	bool grown = false;
	u32 want, size;

	np_far_free_old(far);
	spin_lock(&far->tx_lock);
	size = far->tx.size;
	/* All at once: the next change has to wait for the reader. */
	want = far->tx.pending ? 0 : min(PAGE_ALIGN(cap), NP_FAR_RING_MAX);
	spin_unlock(&far->tx_lock);
	while (want > size && np_nic_mem_alloc(far->nc, want, &mem))
		want = want > NP_FAR_BASE ? PAGE_ALIGN(want / 2) : 0;
	rcu_read_lock();
	words = rcu_dereference(far->words);
	spin_lock(&far->tx_lock);
	/* np_far_shrink() may have changed it meanwhile. */
	if (mem.len && words && !far->tx.pending && !far->tx.old.len) {
		np_far_ring_change(far, words, c->head, &mem);
		grown = true;
	} else {
		WRITE_ONCE(far->tx.limit, far->tx.size);
	}
	spin_unlock(&far->tx_lock);
	rcu_read_unlock();
	if (!grown && mem.len)
		np_nic_mem_free(far->nc, &mem);
	np_nic_watch_rings(far->nc);
	return grown;
}

/**
 * np_far_write - append bytes
 * @c: a direct channel without end mark
 * @from: where the bytes are; advanced by what was taken
 * @cap: the capacity in bytes
 *
 * Context: the writer; may sleep.
 *
 * Return: as np_chan_write(); -EPIPE if the other end is gone.
 */
ssize_t np_far_write(struct np_chan *c, struct iov_iter *from, u32 cap)
{
	ssize_t done = 0, n = 0;
	size_t left;

	while (iov_iter_count(from)) {
		n = np_far_write_piece(c, from, cap);
		if (n > 0) {
			done += n;
			cond_resched();	/* who reads may do so in tiny steps */
			continue;
		}
		if (n == -EFAULT) {
			left = min_t(size_t, iov_iter_count(from), PAGE_SIZE);
			if (fault_in_iov_iter_readable(from, left) == left)
				break;
			continue;
		}
		if (n < 0 || np_far_used(c) >= cap || !np_far_grow(c, cap))
			break;
	}
	return done ?: n;
}

/* --- reading ------------------------------------------------------------------ */

/* Where the writer goes on after a change of the ring: false if that cannot be. */
static bool np_far_follow(struct np_far *far, const struct np_far_words *peer,
			  struct np_far_cursor *at, u32 ring)
{
	u32 id = np_far_get(&peer->ring_id), gen = np_far_get(&peer->ring_gen);
	struct np_nic_mem mem;
	u32 skip = 0;

	if (np_nic_mem_attach(far->nc, READ_ONCE(far->slot), id, gen, &mem))
		return false;
	if (id == READ_ONCE(far->peer_id))
		skip = NP_FAR_WORDS;
	if (mem.len <= skip || mem.len > NP_FAR_RING_MAX)
		return false;
	at->data = (u8 *)mem.addr + skip;
	at->size = mem.len - skip;
	at->off = 0;
	at->ring = ring;
	return true;
}

/* How many bytes lie in the ring from here on, which may be changed first. -EPROTO if what
 * the writer says cannot be.
 */
static int np_far_ahead(struct np_far *far, const struct np_far_words *peer,
			struct np_far_cursor *at)
{
	u32 used = np_far_get(&peer->head) - at->tail;
	u32 ring = np_far_get(&peer->ring);
	u32 left;

	if (unlikely(ring != at->ring)) {
		left = np_far_get(&peer->ring_pos) - at->tail;
		if (left > NP_FAR_UNREAD_MAX || ring != at->ring + 1)
			return -EPROTO;
		if (left)
			used = min(used, left);
		else if (!np_far_follow(far, peer, at, ring))
			return -EPROTO;
	}
	return used <= at->size ? used : -EPROTO;
}

/* Copy out of a ring, or pass over it if @to is NULL. */
static u32 np_far_copy_out(struct np_far_cursor *at, struct iov_iter *to, u32 n)
{
	u32 first = min(n, at->size - at->off), got = n;

	if (to) {
		pagefault_disable();
		got = _copy_to_iter(at->data + at->off, first, to);
		if (got == first && n > first)
			got += _copy_to_iter(at->data, n - first, to);
		pagefault_enable();
	}
	at->tail += got;
	at->off += got;
	if (at->off >= at->size)
		at->off -= at->size;
	return got;
}

/* One piece from a place on. 0: nothing is there; -EFAULT: have it fetched; -EPROTO. */
static ssize_t np_far_read_piece(struct np_far *far, struct np_far_cursor *at,
				 struct iov_iter *to, size_t len)
{
	const struct np_far_words *peer;
	ssize_t ret = 0;
	int n;

	rcu_read_lock();
	peer = rcu_dereference(far->peer);
	if (likely(peer)) {
		n = np_far_ahead(far, peer, at);
		if (n > 0) {
			n = min3((size_t)n, len, (size_t)NP_FAR_PIECE);
			ret = np_far_copy_out(at, to, n);
			if (!ret)
				ret = -EFAULT;
		} else {
			ret = n;
		}
	}
	rcu_read_unlock();
	return ret;
}

/* What a cursor has come to is the reader's. */
static void np_far_publish(struct np_chan *c, const struct np_far_cursor *at)
{
	struct np_far_words *words;

	smp_store_release(&c->tail, at->tail);	/* pairs with np_far_used() */
	rcu_read_lock();
	words = rcu_dereference(c->far->words);
	if (words) {
		if (le32_to_cpu(words->ring_ack) != at->ring)
			np_far_put(&words->ring_ack, at->ring);
		np_far_put(&words->tail, at->tail);
	}
	rcu_read_unlock();
}

/* What cannot be written to without sleeping gets its bytes from a page of ours. */
static ssize_t np_far_read_bounce(struct np_far *far, struct np_far_cursor *at,
				  struct iov_iter *to, size_t len, void *page)
{
	struct np_far_cursor trial = *at;
	struct kvec vec = { .iov_base = page, .iov_len = min(len, PAGE_SIZE) };
	struct iov_iter bounce;
	ssize_t n, got;

	iov_iter_kvec(&bounce, ITER_DEST, &vec, 1, vec.iov_len);
	n = np_far_read_piece(far, &trial, &bounce, vec.iov_len);
	if (n <= 0)
		return n;
	got = copy_to_iter(page, n, to);
	if (got < n)
		iov_iter_revert(to, got);
	if (got < n)
		return -ENOSPC;
	*at = trial;
	return n;
}

/* If np_far_settle() has gone on since a place was noted, and the writer may have, too, the
 * place is not one any more: all before the change was read.
 */
static bool np_far_renew(struct np_far *far, struct np_far_cursor *at)
{
	bool renew;

	spin_lock(&far->rx_lock);
	renew = (s32)(far->rx.ring - at->ring) > 0;
	if (renew)
		*at = far->rx;
	spin_unlock(&far->rx_lock);
	return renew;
}

/* Read from a place on, as long as there is something. With rx_lock let go for what sleeps. */
static ssize_t np_far_read_on(struct np_chan *c, struct np_far_cursor *at,
			      struct iov_iter *to, size_t len, bool keep)
{
	struct np_far *far = c->far;
	void *page = NULL;
	ssize_t done = 0, n = 0;
	bool renewed = false;
	size_t left;

	if (to && np_iter_may_sleep(to)) {
		page = (void *)__get_free_page(GFP_KERNEL);
		if (!page)
			return -ENOMEM;
	}
	while (done < len) {
		if (page)
			n = np_far_read_bounce(far, at, to, len - done, page);
		else
			n = np_far_read_piece(far, at, to, len - done);
		if (n > 0) {
			done += n;
			if (!keep)
				np_far_publish(c, at);
			if (done < len)
				cond_resched();
			continue;
		}
		if (n == -EPROTO && !renewed) {
			renewed = np_far_renew(far, at);
			if (renewed)
				continue;
		}
		if (n != -EFAULT)
			break;
		left = min_t(size_t, len - done, PAGE_SIZE);
		if (fault_in_iov_iter_writeable(to, left) == left)
			break;
	}
	free_page((unsigned long)page);
	if (n == -EPROTO)
		np_far_fault(far, "a ring that cannot be");
	if (n == -ENOSPC)
		n = -EFAULT;
	return done ?: n == -EPROTO ? 0 : n;
}

/**
 * np_far_read - read bytes
 * @c: a direct channel that this end reads
 * @to: where to put them; NULL: pass over them
 * @len: how many at the most
 *
 * Context: the reader; may sleep.
 *
 * Return: as np_chan_read().
 */
ssize_t np_far_read(struct np_chan *c, struct iov_iter *to, size_t len)
{
	struct np_far *far = c->far;
	struct np_far_cursor at;
	ssize_t n;

	spin_lock(&far->rx_lock);
	at = far->rx;
	spin_unlock(&far->rx_lock);
	n = np_far_read_on(c, &at, to, len, false);
	spin_lock(&far->rx_lock);
	/* np_far_settle() may have gone on meanwhile, if this has found nothing. */
	if ((s32)(at.ring - far->rx.ring) >= 0)
		far->rx = at;
	spin_unlock(&far->rx_lock);
	return n;
}

/**
 * np_far_peek - copy bytes without reading them
 * @c: a direct channel that this end reads
 * @to: where to put them
 * @len: how many at the most
 *
 * Context: the reader; may sleep.
 *
 * Return: as np_chan_peek().
 */
ssize_t np_far_peek(struct np_chan *c, struct iov_iter *to, size_t len)
{
	struct np_far *far = c->far;
	struct np_far_cursor at;

	spin_lock(&far->rx_lock);
	at = far->rx;
	spin_unlock(&far->rx_lock);
	return np_far_read_on(c, &at, to, len, true);
}

/**
 * np_far_avail - bytes that can be read
 * @c: a direct channel that this end reads
 *
 * Whoever finds too few and sleeps is woken when there are more.
 *
 * Context: the reader.
 */
size_t np_far_avail(const struct np_chan *c)
{
	np_far_await_bytes(c->far);
	return np_far_used(c);
}

/**
 * np_far_at_eof - has the whole stream been read?
 * @c: a direct channel that this end reads
 *
 * Context: the reader.
 */
bool np_far_at_eof(const struct np_chan *c)
{
	/* The mark first: all bytes were there before it was set. */
	if (!np_far_peer_word(c->far, offsetof(struct np_far_words, end), 0))
		return false;
	return !np_far_used(c);
}

/**
 * np_far_settle - follow a change of the ring, if all before it was read
 * @far: this end
 *
 * So that the writer of a stream that rests gets its memory back.
 *
 * Context: not in interrupts.
 */
void np_far_settle(struct np_far *far)
{
	const struct np_far_words *peer;
	struct np_far_words *words;

	rcu_read_lock();
	words = rcu_dereference(far->words);
	peer = rcu_dereference(far->peer);
	spin_lock(&far->rx_lock);
	if (words && peer && np_far_get(&peer->ring) == far->rx.ring + 1 &&
	    np_far_get(&peer->ring_pos) == far->rx.tail &&
	    np_far_follow(far, peer, &far->rx, far->rx.ring + 1))
		np_far_put(&words->ring_ack, far->rx.ring);
	spin_unlock(&far->rx_lock);
	rcu_read_unlock();
}
EXPORT_SYMBOL_NP_KUNIT(np_far_settle);

/* --- giving memory back ------------------------------------------------------- */

/**
 * np_far_shrink - take the ring of a channel back that has rested for a while
 * @far: this end
 *
 * A channel rests if nothing was written since the last call, and all was read. It goes on
 * in its first ring; the memory is free when the reader has seen that, and a later call.
 *
 * Context: may sleep.
 *
 * Return: whether the channel has such a ring.
 */
bool np_far_shrink(struct np_far *far)
{
	struct np_chan *c = &far->conn->chan[far->side];
	const struct np_far_words *peer;
	struct np_far_words *words;
	bool changed = false, large;
	u32 head;

	rcu_read_lock();
	words = rcu_dereference(far->words);
	peer = rcu_dereference(far->peer);
	spin_lock(&far->tx_lock);
	if (words && peer) {
		np_far_ring_acked(far, peer);
		head = READ_ONCE(c->head);
		if (far->tx.mem.len && !far->tx.pending && !far->tx.old.len &&
		    head == far->idle_head && np_far_get(&peer->tail) == head) {
			np_far_ring_change(far, words, head, NULL);
			changed = true;
		}
		far->idle_head = head;
		/* There may be memory again. */
		if (!far->tx.pending)
			WRITE_ONCE(far->tx.limit, NP_FAR_RING_MAX);
	}
	large = far->tx.mem.len || far->tx.old.len;
	spin_unlock(&far->tx_lock);
	rcu_read_unlock();
	if (changed)
		np_far_signal(far);
	np_far_free_old(far);
	return large;
}
EXPORT_SYMBOL_NP_KUNIT(np_far_shrink);

/**
 * np_far_free_rings - give all memory back
 * @far: an end that nobody looks at any more
 *
 * Context: may sleep.
 */
void np_far_free_rings(struct np_far *far)
{
	if (far->tx.mem.len)
		np_nic_mem_free(far->nc, &far->tx.mem);
	if (far->tx.old.len)
		np_nic_mem_free(far->nc, &far->tx.old);
	if (far->own.len)
		np_nic_mem_free(far->nc, &far->own);
}
