/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Choosing one of those who share an address. A leaf: knows nothing of sockets.
 */
#ifndef _NP_PICK_H
#define _NP_PICK_H

#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/types.h>

#include <uapi/linux/newproto.h>

/* Slots for the seat that weighs least, as long as the table does not get too large. */
#define NP_SLOTS_PER_SEAT	32
#define NP_SLOTS_MIN		256U
#define NP_SLOTS_MAX		65536U

/**
 * struct np_seat - one that can be chosen
 *
 * Part of an object that is freed after an RCU grace period. All guarded by the
 * lock of whoever owns the struct np_pick.
 *
 * @node: in the tree of open seats, if @is_open
 * @all: in the list of all seats, if it has joined
 * @key: its place in the tree, smallest first
 * @tie: the same among those of equal @key
 * @vtime: round-robin: grows each time it is chosen, the faster the less it weighs
 * @seq: its number, which rises with every seat: by default in the order of joining
 * @weight: 1 to NEWPROTO_WEIGHT_MAX
 * @load: what waits there
 * @stamp: when it was last chosen, in choices
 * @slots: slots of the table that it has
 * @first: one of them, if it has any; the others follow in a ring
 * @is_open: has room
 */
struct np_seat {
	struct rb_node node;
	struct list_head all;
	u64 key;
	u64 tie;
	u64 vtime;
	u64 seq;
	u64 stamp;
	u32 weight;
	u32 load;
	u32 slots;
	u32 first;
	bool is_open;
};

/**
 * struct np_slot - one slot of the table
 * @seat: whose it is; NULL as long as there are none
 * @next: the next slot of the same seat, in a ring
 * @prev: the one before
 */
struct np_slot {
	struct np_seat __rcu *seat;
	u32 next;
	u32 prev;
};

/**
 * struct np_slots - which seat a hash value goes to
 *
 * Its size is fixed; the slots change in place, and are read under RCU.
 *
 * @rcu: frees it
 * @mask: number of slots, a power of two, less 1
 * @slot: the slots; only their seats are read under RCU
 */
struct np_slots {
	struct rcu_head rcu;
	u32 mask;
	struct np_slot slot[];
};

/**
 * struct np_pick - seats, and what the choice among them goes by
 *
 * Guarded by its owner's lock, but for np_pick_slot().
 *
 * @open: seats with room, by their keys
 * @seats: all seats, in the order of joining unless np_pick_any() has turned it
 * @slots: the table of the hash policy; NULL: there is at most one seat
 * @weight: sum of all seats' weights
 * @seq: the last number that was given to a seat
 * @vtime: round-robin: of the last seat that was chosen
 * @stamp: choices made
 * @nseats: length of @seats
 * @least: the smallest weight that there has been
 * @policy: enum newproto_policy
 */
struct np_pick {
	struct rb_root_cached open;
	struct list_head seats;
	struct np_slots __rcu *slots;
	u64 weight;
	u64 seq;
	u64 vtime;
	u64 stamp;
	u32 nseats;
	u32 least;
	u8 policy;
};

void np_pick_init(struct np_pick *p);
void np_pick_free(struct np_pick *p);
u32 np_pick_shares(const struct np_pick *p, u32 more, u32 weight);
struct np_slots *np_slots_alloc(u32 shares);
bool np_pick_is_small(const struct np_pick *p, u32 shares);
struct np_slots *np_pick_grow(struct np_pick *p, struct np_slots *fresh);
void np_pick_join(struct np_pick *p, struct np_seat *s);
void np_pick_leave(struct np_pick *p, struct np_seat *s);
void np_pick_set_weight(struct np_pick *p, struct np_seat *s, u32 weight);
void np_pick_set_policy(struct np_pick *p, u8 policy);
void np_pick_update(struct np_pick *p, struct np_seat *s, u32 load, bool is_open);
struct np_seat *np_pick_next(struct np_pick *p, u32 hash);
void np_pick_chosen(struct np_pick *p, struct np_seat *s);
struct np_seat *np_pick_any(struct np_pick *p);
struct np_seat *np_pick_slot(const struct np_pick *p, u32 hash);

/* Has a seat joined? */
static inline bool np_seat_is_taken(const struct np_seat *s)
{
	return !list_empty(&s->all);
}

static inline void np_seat_init(struct np_seat *s)
{
	*s = (struct np_seat) { .weight = 1 };
	INIT_LIST_HEAD(&s->all);
}

/* The open seats, best first. Context: the owner's lock. */
static inline struct np_seat *np_pick_first(const struct np_pick *p)
{
	return rb_entry_safe(rb_first_cached(&p->open), struct np_seat, node);
}

static inline struct np_seat *np_pick_after(const struct np_seat *s)
{
	return rb_entry_safe(rb_next(&s->node), struct np_seat, node);
}

#endif /* _NP_PICK_H */
