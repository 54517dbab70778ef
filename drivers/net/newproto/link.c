// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lives of links, signals, handles: what two members agree on by words that each writes on
 * its own. See link.h.
 */
#include "link.h"

/* How often a signal is tried to be raised while somebody keeps changing the word: only who
 * writes to what is not his can do so for long.
 */
#define NPNIC_FLAG_TRIES	256

/**
 * npnic_life_end - do not offer a link any more
 * @life: this end
 *
 * What the caller writes to the link's rings and signals after this is seen by the other
 * end only together with this.
 *
 * Context: any; under the lock that guards @life.
 */
void npnic_life_end(struct npnic_life *life)
{
	WRITE_ONCE(life->own->mine, 0);
	WRITE_ONCE(life->own->ack, 0);
	life->state = NPNIC_LINK_DOWN;
	life->mine = 0;
	life->theirs = 0;
	virt_mb(); /* see above */
}

/**
 * npnic_life_begin - offer a new life of a link
 * @life: this end
 * @mine: what it is called by this end: random, not 0, and not what the last one was called
 *
 * All words of this end's rings and signals are ready for it, and were made so after
 * npnic_life_end(): also by a member that is new, whose slot may have been somebody's.
 *
 * Context: any; under the lock that guards @life.
 */
void npnic_life_begin(struct npnic_life *life, u32 mine)
{
	life->state = NPNIC_LINK_WAIT;
	life->mine = mine;
	life->theirs = 0;
	/* Who sees the name sees neither an old answer nor old words. */
	WRITE_ONCE(life->own->ack, 0);
	virt_store_release(&life->own->mine, cpu_to_le32(mine)); /* pairs with life_read() */
}

/* What the other end says. The answer is read first: if the name that is read after it is
 * the one known before, then the answer is of the same life.
 */
static void npnic_life_read(const struct npnic_life *life, u32 *mine, u32 *ack)
{
	*ack = le32_to_cpu(virt_load_acquire(&life->peer->ack)); /* before the name */
	*mine = le32_to_cpu(virt_load_acquire(&life->peer->mine)); /* before all else */
}

/* Waiting: answer whatever the other end offers now. That it has changed is no reason to
 * begin anew: nothing was sent yet, and two ends that did would do so for ever.
 */
static enum npnic_link_news npnic_life_wait(struct npnic_life *life, u32 mine, u32 ack)
{
	enum npnic_link_news news = NPNIC_NEWS_NONE;

	if (mine && mine != life->theirs) {
		life->theirs = mine;
		virt_store_release(&life->own->ack, cpu_to_le32(mine)); /* as the name */
		virt_mb(); /* of two that answer at a time, one sees the other's answer */
		npnic_life_read(life, &mine, &ack);
		news = NPNIC_NEWS_ACKED;
	}
	if (life->theirs && mine == life->theirs && ack == life->mine) {
		life->state = NPNIC_LINK_UP;
		news = NPNIC_NEWS_UP;
	}
	return news;
}

/**
 * npnic_life_look - see what the other end says
 * @life: this end
 *
 * Context: any; under the lock that guards @life.
 * Return: what is new; see enum npnic_link_news for what the caller has to do.
 */
enum npnic_link_news npnic_life_look(struct npnic_life *life)
{
	u32 mine, ack;

	if (life->state == NPNIC_LINK_DOWN)
		return NPNIC_NEWS_NONE;
	npnic_life_read(life, &mine, &ack);
	if (life->state == NPNIC_LINK_WAIT)
		return npnic_life_wait(life, mine, ack);
	return mine != life->theirs || ack != life->mine ? NPNIC_NEWS_LOST : NPNIC_NEWS_NONE;
}

/* Bitmaps are in memory as 64-bit words with the lowest byte first. Only here it matters. */
static u64 npnic_flag_mask(u32 id)
{
	return (__force u64)cpu_to_le64(1ULL << (id % 64));
}

static u64 npnic_flag_bits(u64 word)
{
	return le64_to_cpu((__force __le64)word);
}

/**
 * npnic_flags_reset - prepare this end's signals for a new life of the link
 * @f: the signals; no signal is pending, and the receiver is at rest
 *
 * Context: any; nobody uses @f.
 */
void npnic_flags_reset(struct npnic_flags *f)
{
	u32 i;

	for (i = 0; i < f->n / 64; i++) {
		WRITE_ONCE(f->send[i], 0);
		WRITE_ONCE(f->recv_acks[i], 0);
	}
	WRITE_ONCE(f->own->want, cpu_to_le32(1));
}

/**
 * npnic_flag_raise - signal to the other end
 * @f: the signals
 * @id: below @f's @n
 *
 * What was written before is seen by who takes the signal; that holds, too, if it was
 * pending already.
 *
 * Context: any; any number at a time.
 * Return: whether the other end wants a doorbell. Not if the signal was pending: who has
 * raised it was told.
 */
bool npnic_flag_raise(struct npnic_flags *f, u32 id)
{
	const u64 *acks = &f->sent_acks[id / 64];
	u64 *word = &f->send[id / 64];
	u64 mask = npnic_flag_mask(id);
	bool turned = false;
	u64 old;
	int i;

	virt_mb(); /* what was written before the look at the answer */
	/* Looked at once more after it was turned: others may have raised it, and the other
	 * end answered, since the first look; then it has only been taken back.
	 */
	for (i = 0; i < NPNIC_FLAG_TRIES; i++) {
		old = READ_ONCE(*word);
		if ((old ^ READ_ONCE(*acks)) & mask)
			break;
		if (cmpxchg64(word, old, old ^ mask) == old)
			turned = true;
	}
	if (!turned)
		return false;
	virt_mb(); /* the signal before the wish; pairs with npnic_flags_rest() */
	return READ_ONCE(f->peer->want) != 0;
}

/**
 * npnic_flags_unanswered - whether any signal to the other end is pending
 * @f: the signals
 *
 * Context: any; any number at a time.
 * Return: true if one is.
 */
bool npnic_flags_unanswered(const struct npnic_flags *f)
{
	u32 i;

	for (i = 0; i < f->n / 64; i++)
		if (READ_ONCE(f->send[i]) != READ_ONCE(f->sent_acks[i]))
			return true;
	return false;
}

/**
 * npnic_flags_take - answer signals
 * @f: the signals
 * @word: those from id 64 * @word on; below @f's @n / 64
 *
 * They are answered before this returns: what is signalled while the caller acts on them
 * becomes pending again.
 *
 * Context: any; one at a time.
 * Return: the bits that were pending: bit 0 is id 64 * @word.
 */
u64 npnic_flags_take(struct npnic_flags *f, u32 word)
{
	u64 acks = READ_ONCE(f->recv_acks[word]);
	u64 pending = READ_ONCE(f->recv[word]) ^ acks;

	if (!pending)
		return 0;
	WRITE_ONCE(f->recv_acks[word], acks ^ pending);
	virt_mb(); /* the answer before the look at what was signalled */
	return npnic_flag_bits(pending);
}

/**
 * npnic_flags_wake - need no doorbells, since the signals are looked at anyway
 * @f: the signals
 *
 * Context: any; one receiver at a time.
 */
void npnic_flags_wake(struct npnic_flags *f)
{
	WRITE_ONCE(f->own->want, 0);
}

static bool npnic_flags_pending(const struct npnic_flags *f)
{
	u32 i;

	for (i = 0; i < f->n / 64; i++)
		if (READ_ONCE(f->recv[i]) != READ_ONCE(f->recv_acks[i]))
			return true;
	return false;
}

/**
 * npnic_flags_rest - want a doorbell for the next signal
 * @f: the signals
 *
 * Context: any; one receiver at a time.
 * Return: false: there is a signal, go on. true: a doorbell will come.
 */
bool npnic_flags_rest(struct npnic_flags *f)
{
	WRITE_ONCE(f->own->want, cpu_to_le32(1));
	virt_mb(); /* the wish before the look; pairs with npnic_flag_raise() */
	if (!npnic_flags_pending(f))
		return true;
	WRITE_ONCE(f->own->want, 0);
	return false;
}

/**
 * npnic_export_set - show memory to the other members, or take it back
 * @e: an entry of the own table
 * @page: where, in pages from the begin of the own direct space
 * @npages: how many, below 2^20; 0: take it back
 *
 * Context: any; one at a time for an entry.
 * Return: the entry's generation: odd while it stands for memory.
 */
u32 npnic_export_set(struct npnic_export *e, u32 page, u32 npages)
{
	u32 gen = le32_to_cpu(READ_ONCE(e->gen));

	if (gen & 1)
		WRITE_ONCE(e->gen, cpu_to_le32(++gen));
	if (!npages)
		return gen;
	virt_wmb(); /* who sees the new place sees that the old one is not valid any more */
	WRITE_ONCE(e->page, cpu_to_le32(page));
	WRITE_ONCE(e->npages, cpu_to_le32(npages));
	virt_store_release(&e->gen, cpu_to_le32(++gen)); /* pairs with export_get() */
	return gen;
}

/**
 * npnic_export_get - find another member's memory
 * @l: the layout
 * @table: the other member's table
 * @id: which entry
 * @gen: the generation that it is expected to have
 * @off: where it is: bytes from the begin of the other's direct space
 * @len: how much it is, bytes
 *
 * Context: any.
 * Return: 0, -ENOENT: the entry has another generation or stands for nothing, -EPROTO: no
 * such entry, or it says something impossible.
 */
int npnic_export_get(const struct npnic_layout *l, const struct npnic_export *table,
		     u32 id, u32 gen, u64 *off, u32 *len)
{
	const struct npnic_export *e;
	u32 page, npages, now;

	if (id >= l->exports)
		return -EPROTO;
	e = &table[id];
	now = le32_to_cpu(virt_load_acquire(&e->gen)); /* pairs with export_set() */
	if (!(gen & 1) || now != gen)
		return -ENOENT;
	page = le32_to_cpu(READ_ONCE(e->page));
	npages = le32_to_cpu(READ_ONCE(e->npages));
	virt_rmb(); /* the place before the second look at the generation */
	if (le32_to_cpu(READ_ONCE(e->gen)) != gen)
		return -ENOENT;
	if (!npages || npages > (u32)~0U / NPNIC_PAGE ||
	    (u64)page + npages > l->direct_size / NPNIC_PAGE)
		return -EPROTO;
	*off = (u64)page * NPNIC_PAGE;
	*len = npages * NPNIC_PAGE;
	return 0;
}
