/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What two members agree on without trusting each other: the life of their link, the
 * signals between them, and the handles of their memory. Leaves, see layout.h.
 */
#ifndef _NPNIC_LINK_H
#define _NPNIC_LINK_H

#include "layout.h"

enum npnic_link_state {
	NPNIC_LINK_DOWN,	/* nothing is offered */
	NPNIC_LINK_WAIT,	/* a life is offered, the other has not taken it */
	NPNIC_LINK_UP,		/* both call it the same */
};

/* What npnic_link_look() has found: what the caller is to do. */
enum npnic_link_news {
	NPNIC_NEWS_NONE,
	NPNIC_NEWS_ACKED,	/* words were written: ring the other's board vector */
	NPNIC_NEWS_UP,		/* the link is up; ring, too */
	NPNIC_NEWS_LOST,	/* the other has begun a new life: reset this end */
};

/**
 * struct npnic_life - one end's view of the life of a link
 *
 * Guarded by the caller's lock.
 *
 * @own: its words in shared memory
 * @peer: the other's
 * @state: enum npnic_link_state
 * @mine: what this end calls this life
 * @theirs: what the other calls it, as acknowledged; 0: not yet
 */
struct npnic_life {
	struct npnic_link *own;
	const struct npnic_link *peer;
	u8 state;
	u32 mine;
	u32 theirs;
};

/* Nothing is offered any more: @own's words say 0. */
void npnic_life_end(struct npnic_life *life);
/* Offer a new life, called @mine, random and not 0. All words of all rings and signals of
 * this end are ready for it (all 0) before this is called.
 */
void npnic_life_begin(struct npnic_life *life, u32 mine);
/* See what the other says. */
enum npnic_link_news npnic_life_look(struct npnic_life *life);

/**
 * struct npnic_flags - signals between two members, one bit an export
 *
 * A signal is pending while a bit of the sender's differs from the one in the receiver's
 * acks. Each side writes its own bitmaps only.
 *
 * @send: own: signals to the other, by its export ids
 * @sent_acks: the other's: which of them it has answered
 * @recv: the other's: signals to this one, by its own export ids
 * @recv_acks: own: which of them are answered
 * @own: own link words: @want
 * @peer: the other's
 * @n: bits
 */
struct npnic_flags {
	struct npnic_link *own;
	const struct npnic_link *peer;
	u64 *send;
	const u64 *sent_acks;
	const u64 *recv;
	u64 *recv_acks;
	u32 n;
};

void npnic_flags_reset(struct npnic_flags *f);
/* Any number of callers at a time. True: the other wants a doorbell. */
bool npnic_flag_raise(struct npnic_flags *f, u32 id);
/* Is any signal to the other not answered? */
bool npnic_flags_unanswered(const struct npnic_flags *f);
/* One caller at a time: answer 64 ids from 64 * @word on, and tell which were pending. */
u64 npnic_flags_take(struct npnic_flags *f, u32 word);
/* The receiver looks at signals from now on, or rests. npnic_flags_rest() is false if there
 * is one: go on, do not rest.
 */
void npnic_flags_wake(struct npnic_flags *f);
bool npnic_flags_rest(struct npnic_flags *f);

/* Owner of a table: show memory at @id (@npages > 0), or take it back (@npages 0). The
 * generation that it has then is returned.
 */
u32 npnic_export_set(struct npnic_export *e, u32 page, u32 npages);
/* Other: look memory of @id and @gen up in @table of @l; 0, or -ENOENT: another generation,
 * -EPROTO: not within direct space. @off and @len are in bytes.
 */
int npnic_export_get(const struct npnic_layout *l, const struct npnic_export *table,
		     u32 id, u32 gen, u64 *off, u32 *len);

#endif /* _NPNIC_LINK_H */
