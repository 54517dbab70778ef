/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What two kernels say to each other about a connection. A leaf: knows nothing of sockets.
 */
#ifndef _NP_PREFACE_H
#define _NP_PREFACE_H

#include "addr.h"

#define NP_PREFACE_VERSION	1

/* Better ways than the one that the preface comes by: a bitmap. */
#define NP_OFFER_DIRECT		BIT(0)	/* memory of a fabric: @id, @gen */

enum np_preface_type {
	NP_PREFACE_CONNECT = 1,	/* a connection is asked for */
	NP_PREFACE_ACCEPT,	/* it is granted: there is a place in a queue for it */
	NP_PREFACE_REFUSE,	/* it is not; nothing more is said of it */
	NP_PREFACE_BYE,		/* this end does not look at the other's memory any more */
};

enum np_preface_code {
	NP_CODE_NONE,
	NP_CODE_REFUSED,	/* nobody listens there */
	NP_CODE_NOT_MINE,	/* that is no address of this kernel */
	NP_CODE_TIMEOUT,	/* nobody has accepted in time */
	NP_CODE_NO_MEMORY,	/* there is no memory for it */
	NP_CODE_NR
};

/**
 * struct np_preface - a message about a connection
 * @type: enum np_preface_type
 * @code: enum np_preface_code; of NP_PREFACE_REFUSE only
 * @offers: NP_OFFER_*; those that are not known are none
 * @id: the sender's memory
 * @gen: its generation
 * @to_id: the receiver's; 0 in NP_PREFACE_CONNECT
 * @to_gen: its generation; 0 in NP_PREFACE_CONNECT
 * @src: who connects; of NP_PREFACE_CONNECT only, as is @dst
 * @dst: to whom
 */
struct np_preface {
	u8 type;
	u8 code;
	u32 offers;
	u32 id;
	u32 gen;
	u32 to_id;
	u32 to_gen;
	struct np_addr src;
	struct np_addr dst;
};

/**
 * struct np_preface_wire - the same as it is sent
 *
 * Numbers are little-endian, addresses and ports as on the network. A receiver passes over
 * what is behind the part that it knows.
 *
 * @magic: "NPRF"
 * @version: NP_PREFACE_VERSION
 * @type: as in struct np_preface, as are @code to @to_gen
 * @code: see there
 * @reserved: 0
 * @offers: see there
 * @id: see there
 * @gen: see there
 * @to_id: see there
 * @to_gen: see there
 * @sport: port of who connects
 * @dport: to which port
 * @src: address of who connects, IPv4 in its mapped form
 * @dst: to which address
 */
struct np_preface_wire {
	__u8   magic[4];
	__u8   version;
	__u8   type;
	__u8   code;
	__u8   reserved;
	__le32 offers;
	__le32 id;
	__le32 gen;
	__le32 to_id;
	__le32 to_gen;
	__be16 sport;
	__be16 dport;
	__u8   src[16];
	__u8   dst[16];
};

void np_preface_write(struct np_preface_wire *w, const struct np_preface *p);
bool np_preface_ends_ok(const struct np_addr *src, const struct np_addr *dst);
int np_preface_read(struct np_preface *p, const void *msg, u32 len);

#endif /* _NP_PREFACE_H */
