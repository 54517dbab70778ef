/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rings of records in shared memory: one producer, one consumer, who do not trust each
 * other. A leaf, see layout.h.
 *
 * Indices count bytes and wrap at 2^32; the data's size is a power of two. A record is a
 * header of 16 bytes and its body, padded to 16; it may go on at the data's begin. Whatever
 * the other side says is read once and checked; what is not possible is -EPROTO, once and
 * for all: the caller cuts the other side off.
 */
#ifndef _NPNIC_RING_H
#define _NPNIC_RING_H

#include "layout.h"

#define NPNIC_REC_HEAD		16U
#define NPNIC_FRAME_MAX		65568U	/* bytes of a frame: the largest packet, and more */
#define NPNIC_MSG_MAX		496U	/* bytes of a message of the control ring */

/**
 * struct npnic_rec - what a record begins with
 * @len: bytes of the body
 * @meta: of a frame: its struct virtio_net_hdr; of a message: 0
 */
struct npnic_rec {
	__le32 len;
	__u8   meta[12];
};

/**
 * struct npnic_tx - the producer's end of a ring
 *
 * All is guarded by whatever makes sure that there is one producer.
 *
 * @own: its words in shared memory: @index is the head, @event the tail beyond which it
 *	wants a doorbell
 * @peer: the consumer's: tail, and the head beyond which that wants a doorbell
 * @data: the ring's
 * @size: of it
 * @max: bytes that the body of a record may have
 * @head: what it has written, whether published or not
 * @published: the part of it that the consumer may see
 * @tail: the consumer's index as last read and found possible
 */
struct npnic_tx {
	struct npnic_words *own;
	const struct npnic_words *peer;
	u8 *data;
	u32 size;
	u32 max;
	u32 head;
	u32 published;
	u32 tail;
};

/**
 * struct npnic_rx - the consumer's end of a ring
 * @own: its words in shared memory: @index is the tail, @event the head beyond which it
 *	wants a doorbell
 * @peer: the producer's
 * @data: the ring's
 * @size: of it
 * @max: bytes that the body of a record may have
 * @tail: what it has read, whether published or not
 * @published: the part of it that the producer may see
 * @head: the producer's index as last read and found possible
 */
struct npnic_rx {
	struct npnic_words *own;
	const struct npnic_words *peer;
	const u8 *data;
	u32 size;
	u32 max;
	u32 tail;
	u32 published;
	u32 head;
};

/* Prepare an end, and its own words in shared memory, for a new life of the link. */
void npnic_tx_init(struct npnic_tx *tx, struct npnic_words *own,
		   const struct npnic_words *peer, u8 *data, u32 size, u32 max);
void npnic_rx_init(struct npnic_rx *rx, struct npnic_words *own,
		   const struct npnic_words *peer, const u8 *data, u32 size, u32 max);

/* Is there room for a record of @len bytes? 0; -EAGAIN: no; -EMSGSIZE: never; -EPROTO. */
int npnic_tx_room(struct npnic_tx *tx, u32 len);
/* With room: put bytes of the body at @off, and the header, which ends the record. */
void npnic_tx_copy(struct npnic_tx *tx, u32 off, const void *from, u32 len);
void npnic_tx_commit(struct npnic_tx *tx, const void *meta, u32 len);
/* Let the consumer see all records. True: it wants a doorbell. */
bool npnic_tx_publish(struct npnic_tx *tx);
/* Say once more what was published. */
void npnic_tx_repeat(struct npnic_tx *tx);
/* Ask for a doorbell when a record of @len fits. False: it does already; do not wait. */
bool npnic_tx_await(struct npnic_tx *tx, u32 len);
/* Bytes that the consumer has not read yet, also asked of a ring at rest; -EPROTO. */
int npnic_tx_unread(struct npnic_tx *tx, u32 *bytes);

/* The next record's header: 1; 0: there is none; -EPROTO. Stays the same until consumed. */
int npnic_rx_next(struct npnic_rx *rx, struct npnic_rec *rec, u32 *len);
/* Copy from the body of the record that npnic_rx_next() has told of. */
void npnic_rx_copy(const struct npnic_rx *rx, u32 off, void *to, u32 len);
/* Be done with it. */
void npnic_rx_consume(struct npnic_rx *rx, u32 len);
/* Let the producer use the room of what was consumed. True: it wants a doorbell. */
bool npnic_rx_publish(struct npnic_rx *rx);
/* Ask for a doorbell for the next record. False: there is one; go on, do not rest. */
bool npnic_rx_rest(struct npnic_rx *rx);

#endif /* _NPNIC_RING_H */
