// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rings of records in shared memory: see ring.h.
 *
 * Doorbells: each side says in its event word beyond which index of the other's it wants
 * one. Who moves an index makes it visible, and then reads the event; who wants to rest
 * makes the event visible, and then reads the index. With a full barrier between the two
 * on both sides, at least one of them sees what the other has written.
 *
 * The barriers are virt_*(): the other side may be on another processor also where this
 * kernel has but one.
 */
#include "ring.h"

static_assert(sizeof(struct npnic_rec) == NPNIC_REC_HEAD);
static_assert(NPNIC_FRAME_MAX + NPNIC_REC_HEAD <= NPNIC_RING_MIN);
static_assert(NPNIC_MSG_MAX + NPNIC_REC_HEAD <= NPNIC_PAGE);

#define NPNIC_INDEX_UNIT	NPNIC_REC_HEAD	/* what every index is a multiple of */

/* Bytes in the ring of a record with a body of @len, which is not above the ring's size. */
static u32 npnic_rec_size(u32 len)
{
	return NPNIC_REC_HEAD + ALIGN(len, NPNIC_INDEX_UNIT);
}

/* Has an index that went from @old to @now gone beyond @event? */
static bool npnic_event_passed(u32 old, u32 now, u32 event)
{
	return event - old < now - old;
}

static u32 npnic_index_read(const struct npnic_words *words)
{
	return le32_to_cpu(virt_load_acquire(&words->index)); /* and then what it stands for */
}

static void npnic_words_init(struct npnic_words *own)
{
	WRITE_ONCE(own->index, 0);
	WRITE_ONCE(own->event, 0);
}

/* Show an index that was at @old, and tell whether the other side wants to know. */
static bool npnic_index_publish(struct npnic_words *own, const struct npnic_words *peer,
				u32 old, u32 now)
{
	if (old == now)
		return false;
	virt_store_release(&own->index, cpu_to_le32(now)); /* after what it stands for */
	virt_mb(); /* the index before the event: see above */
	return npnic_event_passed(old, now, le32_to_cpu(READ_ONCE(peer->event)));
}

/**
 * npnic_tx_init - prepare the producer's end of a ring for a new life of the link
 * @tx: the end
 * @own: its words, which become 0
 * @peer: the consumer's words, which are not looked at
 * @data: the ring's data
 * @size: of it: a power of two
 * @max: bytes that a record's body may have; with its header not above @size
 *
 * Context: any; nobody uses the end.
 */
void npnic_tx_init(struct npnic_tx *tx, struct npnic_words *own,
		   const struct npnic_words *peer, u8 *data, u32 size, u32 max)
{
	*tx = (struct npnic_tx) {
		.own = own, .peer = peer, .data = data, .size = size, .max = max,
	};
	npnic_words_init(own);
}

/**
 * npnic_rx_init - prepare the consumer's end of a ring for a new life of the link
 * @rx: the end
 * @own: its words, which become 0: it wants a doorbell for the first record
 * @peer: the producer's words, which are not looked at
 * @data: the ring's data
 * @size: of it: a power of two
 * @max: bytes that a record's body may have; with its header not above @size
 *
 * Context: any; nobody uses the end.
 */
void npnic_rx_init(struct npnic_rx *rx, struct npnic_words *own,
		   const struct npnic_words *peer, const u8 *data, u32 size, u32 max)
{
	*rx = (struct npnic_rx) {
		.own = own, .peer = peer, .data = data, .size = size, .max = max,
	};
	npnic_words_init(own);
}

/* Read the consumer's index. It moves on only, and not beyond what it could see. */
static int npnic_tx_look(struct npnic_tx *tx)
{
	u32 tail = npnic_index_read(tx->peer);

	if (tail % NPNIC_INDEX_UNIT || tx->published - tail > tx->published - tx->tail)
		return -EPROTO;
	tx->tail = tail;
	return 0;
}

static bool npnic_tx_fits(const struct npnic_tx *tx, u32 need)
{
	return need <= tx->size - (tx->head - tx->tail);
}

/**
 * npnic_tx_room - whether a record fits
 * @tx: the producer's end
 * @len: bytes of its body
 *
 * The consumer's index is read only if what is known of it does not suffice.
 *
 * Context: any; one producer at a time.
 * Return: 0: it fits, -EAGAIN: not now, -EMSGSIZE: it never will, -EPROTO: the consumer's
 * index is impossible.
 */
int npnic_tx_room(struct npnic_tx *tx, u32 len)
{
	u32 need;
	int err;

	if (len > tx->max)
		return -EMSGSIZE;
	need = npnic_rec_size(len);
	if (npnic_tx_fits(tx, need))
		return 0;
	err = npnic_tx_look(tx);
	if (err)
		return err;
	return npnic_tx_fits(tx, need) ? 0 : -EAGAIN;
}

/**
 * npnic_tx_copy - write a part of the body of the record that comes next
 * @tx: the producer's end, where npnic_tx_room() has found room for the record
 * @off: where in the body
 * @from: bytes
 * @len: how many; with @off not beyond the body
 *
 * Context: any; one producer at a time.
 */
void npnic_tx_copy(struct npnic_tx *tx, u32 off, const void *from, u32 len)
{
	u32 at = (tx->head + NPNIC_REC_HEAD + off) & (tx->size - 1);
	u32 first = min(len, tx->size - at);

	memcpy(tx->data + at, from, first);
	memcpy(tx->data, (const u8 *)from + first, len - first);
}

/**
 * npnic_tx_commit - end a record: nobody sees it before npnic_tx_publish()
 * @tx: the producer's end, where npnic_tx_room() has found room for the record
 * @meta: the 12 bytes of the header's meta; NULL: zeroes
 * @len: bytes of the body
 *
 * Context: any; one producer at a time.
 */
void npnic_tx_commit(struct npnic_tx *tx, const void *meta, u32 len)
{
	struct npnic_rec rec = { .len = cpu_to_le32(len) };

	if (meta)
		memcpy(rec.meta, meta, sizeof(rec.meta));
	/* Headers do not wrap: all indices are multiples of their size. */
	memcpy(tx->data + (tx->head & (tx->size - 1)), &rec, sizeof(rec));
	tx->head += npnic_rec_size(len);
}

/**
 * npnic_tx_publish - let the consumer see all records
 * @tx: the producer's end
 *
 * Context: any; one producer at a time.
 * Return: whether the consumer wants a doorbell.
 */
bool npnic_tx_publish(struct npnic_tx *tx)
{
	u32 old = tx->published;

	tx->published = tx->head;
	return npnic_index_publish(tx->own, tx->peer, old, tx->head);
}

/**
 * npnic_tx_repeat - say once more what was published
 * @tx: the producer's end
 *
 * For a consumer that does not move: somebody may have written over the index.
 *
 * Context: any; one producer at a time.
 */
void npnic_tx_repeat(struct npnic_tx *tx)
{
	virt_store_release(&tx->own->index, cpu_to_le32(tx->published)); /* as ever */
}

/**
 * npnic_tx_await - ask for a doorbell when there is room
 * @tx: the producer's end, with all records published
 * @len: for a body of how many bytes; more than fits means an empty ring
 *
 * Context: any; one producer at a time.
 * Return: false: there is room already, or the consumer's index is impossible, which
 * npnic_tx_room() will tell: do not wait. true: a doorbell will come.
 */
bool npnic_tx_await(struct npnic_tx *tx, u32 len)
{
	u32 need = len < tx->size ? min(npnic_rec_size(len), tx->size) : tx->size;
	u32 enough = tx->head + need - tx->size;

	/* Its index gets from below @enough to there, or further, by going beyond this. */
	WRITE_ONCE(tx->own->event, cpu_to_le32(enough - NPNIC_INDEX_UNIT));
	virt_mb(); /* the event before the index: see above */
	return !npnic_tx_look(tx) && !npnic_tx_fits(tx, need);
}

/**
 * npnic_tx_unread - how much the consumer has not read
 * @tx: the producer's end
 * @bytes: that many, with headers and padding
 *
 * Context: any; one producer at a time.
 * Return: 0, or -EPROTO: the consumer's index is impossible.
 */
int npnic_tx_unread(struct npnic_tx *tx, u32 *bytes)
{
	int err = npnic_tx_look(tx);

	*bytes = tx->published - tx->tail;
	return err;
}

/* Read the producer's index. It moves on only, and not beyond the room that it knows of. */
static int npnic_rx_look(struct npnic_rx *rx)
{
	u32 head = npnic_index_read(rx->peer);
	u32 used = head - rx->published;

	if (head % NPNIC_INDEX_UNIT || used > rx->size || used < rx->head - rx->published)
		return -EPROTO;
	rx->head = head;
	return 0;
}

/* Copy a header out of shared memory, each word once. */
static void npnic_rec_read(const u8 *from, struct npnic_rec *rec)
{
	const u32 *word = (const u32 *)from;
	u32 copy[sizeof(*rec) / sizeof(u32)];
	u32 i;

	for (i = 0; i < sizeof(*rec) / sizeof(u32); i++)
		copy[i] = READ_ONCE(word[i]);
	memcpy(rec, copy, sizeof(copy));
}

/**
 * npnic_rx_next - look at the next record
 * @rx: the consumer's end
 * @rec: its header, copied
 * @len: bytes of its body, checked
 *
 * It is still there after this, and the same if the producer is honest: a caller uses what
 * one call has told throughout.
 *
 * Context: any; one consumer at a time.
 * Return: 1, 0: there is none, -EPROTO: the producer's index or the header is impossible.
 */
int npnic_rx_next(struct npnic_rx *rx, struct npnic_rec *rec, u32 *len)
{
	u32 n;
	int err;

	if (rx->head == rx->tail) {
		err = npnic_rx_look(rx);
		if (err)
			return err;
		if (rx->head == rx->tail)
			return 0;
	}
	npnic_rec_read(rx->data + (rx->tail & (rx->size - 1)), rec);
	n = le32_to_cpu(rec->len);
	if (n > rx->max || npnic_rec_size(n) > rx->head - rx->tail)
		return -EPROTO;
	*len = n;
	return 1;
}

/**
 * npnic_rx_copy - copy from the body of the next record
 * @rx: the consumer's end, where npnic_rx_next() has told of a record
 * @off: where in the body
 * @to: where to
 * @len: how many bytes; with @off not beyond the body
 *
 * Context: any; one consumer at a time.
 */
void npnic_rx_copy(const struct npnic_rx *rx, u32 off, void *to, u32 len)
{
	u32 at = (rx->tail + NPNIC_REC_HEAD + off) & (rx->size - 1);
	u32 first = min(len, rx->size - at);

	memcpy(to, rx->data + at, first);
	memcpy((u8 *)to + first, rx->data, len - first);
}

/**
 * npnic_rx_consume - go on to the record after the next
 * @rx: the consumer's end, where npnic_rx_next() has told of a record
 * @len: the length that it told
 *
 * Context: any; one consumer at a time.
 */
void npnic_rx_consume(struct npnic_rx *rx, u32 len)
{
	rx->tail += npnic_rec_size(len);
}

/**
 * npnic_rx_publish - give the room of what was consumed back
 * @rx: the consumer's end
 *
 * Context: any; one consumer at a time.
 * Return: whether the producer wants a doorbell.
 */
bool npnic_rx_publish(struct npnic_rx *rx)
{
	u32 old = rx->published;

	rx->published = rx->tail;
	return npnic_index_publish(rx->own, rx->peer, old, rx->tail);
}

/**
 * npnic_rx_rest - ask for a doorbell for the next record
 * @rx: the consumer's end, with all that was consumed published
 *
 * Context: any; one consumer at a time.
 * Return: false: there is a record, or the producer's index is impossible, which
 * npnic_rx_next() will tell: go on. true: a doorbell will come.
 */
bool npnic_rx_rest(struct npnic_rx *rx)
{
	if (rx->head != rx->tail)
		return false;
	WRITE_ONCE(rx->own->event, cpu_to_le32(rx->tail));
	virt_mb(); /* the event before the index: see above */
	return npnic_index_read(rx->peer) == rx->tail;
}
