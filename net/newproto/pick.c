// SPDX-License-Identifier: GPL-2.0-only
/*
 * Choosing one of those who share an address: by a table of slots that a hash
 * value falls into, or as the first of a tree whose order is the policy's.
 *
 * The table is not computed anew when somebody comes or goes. Each seat has a
 * quota of slots, its weight's share. A newcomer takes its quota from those that
 * have more than theirs now; a leaver's slots go to those that have less. So no
 * more flows move than have to, and the shares are even to a slot.
 */
#include <linux/hash.h>
#include <linux/jhash.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "kunit.h"
#include "pick.h"

/* What being chosen costs a seat of weight 1, in round-robin's virtual time. */
#define NP_PICK_TURN	(1024U * 1024)

/* Slots looked at, where a seat is full, before any open one will do. */
#define NP_PICK_PROBES	8

static u64 np_pick_key(const struct np_pick *p, const struct np_seat *s)
{
	switch (p->policy) {
	case NEWPROTO_POLICY_ROUND_ROBIN:
		return s->vtime;
	case NEWPROTO_POLICY_LEAST_LOADED:
		return s->load;
	case NEWPROTO_POLICY_LAST_BOUND:
		return ~s->seq;
	default:	/* the full seats' flows: each open one in turn */
		return 0;
	}
}

/* Of those that are alike the one that was chosen longest ago; in round-robin, where
 * that is what the key is about, the first.
 */
static u64 np_pick_tie(const struct np_pick *p, const struct np_seat *s)
{
	return p->policy == NEWPROTO_POLICY_ROUND_ROBIN ? s->seq : s->stamp;
}

static bool np_seat_less(struct rb_node *a, const struct rb_node *b)
{
	const struct np_seat *s = rb_entry(a, struct np_seat, node);
	const struct np_seat *t = rb_entry(b, struct np_seat, node);

	if (s->key != t->key)
		return s->key < t->key;
	return s->tie < t->tie || (s->tie == t->tie && s->seq < t->seq);
}

static void np_seat_insert(struct np_pick *p, struct np_seat *s)
{
	s->key = np_pick_key(p, s);
	s->tie = np_pick_tie(p, s);
	rb_add_cached(&s->node, &p->open, np_seat_less);
}

/* Bring a seat to the place in the tree that it has by now. */
static void np_seat_replace(struct np_pick *p, struct np_seat *s)
{
	if (!s->is_open || (s->key == np_pick_key(p, s) && s->tie == np_pick_tie(p, s)))
		return;
	rb_erase_cached(&s->node, &p->open);
	np_seat_insert(p, s);
}

/* Who was away has no claim to the turns that it has missed, nor to the next one. */
static void np_seat_open(struct np_pick *p, struct np_seat *s)
{
	s->vtime = max(s->vtime, p->vtime + NP_PICK_TURN / s->weight);
	s->is_open = true;
	np_seat_insert(p, s);
}

static void np_seat_shut(struct np_pick *p, struct np_seat *s)
{
	s->is_open = false;
	rb_erase_cached(&s->node, &p->open);
}

/* --- the table ------------------------------------------------------------ */

static struct np_slots *np_pick_slots(const struct np_pick *p)
{
	/* Whoever changes them holds the owner's lock, which is not known here. */
	return rcu_dereference_protected(p->slots, true);
}

static struct np_seat *np_slot_seat(const struct np_slots *t, u32 i)
{
	return rcu_dereference_protected(t->slot[i].seat, true);
}

/* A seat's slots are in a ring, so that a leaver's are found without a search. */
static void np_slot_link(struct np_slots *t, u32 i, struct np_seat *s)
{
	struct np_slot *slot = t->slot;

	if (!s->slots++) {
		slot[i].next = i;
		slot[i].prev = i;
	} else {
		slot[i].next = s->first;
		slot[i].prev = slot[s->first].prev;
		slot[slot[i].prev].next = i;
		slot[s->first].prev = i;
	}
	s->first = i;
}

static void np_slot_unlink(struct np_slots *t, u32 i, struct np_seat *s)
{
	struct np_slot *slot = t->slot;

	slot[slot[i].prev].next = slot[i].next;
	slot[slot[i].next].prev = slot[i].prev;
	s->first = slot[i].next;
	s->slots--;
}

static u32 np_slots_wanted(u32 shares)
{
	u64 n = (u64)max(shares, 1U) * NP_SLOTS_PER_SEAT;

	return roundup_pow_of_two(clamp_t(u64, n, NP_SLOTS_MIN, NP_SLOTS_MAX));
}

/**
 * np_pick_shares - how finely is a table to be divided?
 * @p: the choice
 * @more: seats that are to come
 * @weight: the weight of each of these; or of one that has joined, with @more 0
 *
 * Return: the sum of all weights, in terms of the smallest.
 */
u32 np_pick_shares(const struct np_pick *p, u32 more, u32 weight)
{
	u32 least = p->least ? min(p->least, weight) : weight;
	u64 sum = p->weight + (u64)max(more, 1U) * weight;

	return min_t(u64, div_u64(sum + least - 1, least), NP_SLOTS_MAX);
}
EXPORT_SYMBOL_NP_KUNIT(np_pick_shares);

/**
 * np_slots_alloc - make a table
 * @shares: how finely it is to be divided
 *
 * Context: may sleep.
 *
 * Return: the table, empty, or NULL.
 */
struct np_slots *np_slots_alloc(u32 shares)
{
	u32 n = np_slots_wanted(shares);
	struct np_slots *t;

	/* The program is told, so that the log need not be. */
	t = kvzalloc(struct_size(t, slot, n), GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (t)
		t->mask = n - 1;
	return t;
}
EXPORT_SYMBOL_NP_KUNIT(np_slots_alloc);

/**
 * np_pick_is_small - is there no table, or one that is too small?
 * @p: the choice
 * @shares: how finely it is to be divided
 *
 * It may be half as large as one that is made anew: so it seldom grows.
 */
bool np_pick_is_small(const struct np_pick *p, u32 shares)
{
	const struct np_slots *t = np_pick_slots(p);

	return !t || 2 * (t->mask + 1) < np_slots_wanted(shares);
}
EXPORT_SYMBOL_NP_KUNIT(np_pick_is_small);

/* Does a seat have more slots than its share? Less is told by the other order. */
static bool np_seat_has_more(const struct np_pick *p, const struct np_slots *t,
			     const struct np_seat *s)
{
	return s->slots * p->weight > (u64)s->weight * (t->mask + 1);
}

static bool np_seat_has_less(const struct np_pick *p, const struct np_slots *t,
			     const struct np_seat *s)
{
	return s->slots * p->weight < (u64)s->weight * (t->mask + 1);
}

static u32 np_seat_quota(const struct np_pick *p, const struct np_slots *t,
			 const struct np_seat *s)
{
	return max_t(u64, div64_u64((u64)s->weight * (t->mask + 1), p->weight), 1);
}

static void np_slot_give(struct np_slots *t, u32 i, struct np_seat *to)
{
	struct np_seat *from = np_slot_seat(t, i);

	if (from)
		np_slot_unlink(t, i, from);
	if (to)
		np_slot_link(t, i, to);
	rcu_assign_pointer(t->slot[i].seat, to);
}

/* A seat takes its quota, from those that have more than theirs; it goes over the
 * table in an order of its own, so that it does not always meet the same.
 */
static void np_slots_take(struct np_pick *p, struct np_seat *s)
{
	struct np_slots *t = np_pick_slots(p);
	u32 quota = np_seat_quota(p, t, s);
	u32 start = hash_64(s->seq, 32), step = hash_64(~s->seq, 32) | 1;
	struct np_seat *owner;
	u32 i, slot;

	for (i = 0; i <= t->mask && s->slots < quota; i++) {
		slot = (start + i * step) & t->mask;
		owner = np_slot_seat(t, slot);
		if (!owner || (owner != s && np_seat_has_more(p, t, owner)))
			np_slot_give(t, slot, s);
	}
}

/* A seat keeps so many slots; the others go to seats that have less than theirs. */
static void np_slots_give_up(struct np_pick *p, struct np_seat *s, u32 keep)
{
	struct np_slots *t = np_pick_slots(p);
	struct np_seat *to = NULL;

	if (!list_empty(&p->seats))
		to = list_first_entry(&p->seats, struct np_seat, all);
	while (s->slots > keep) {
		while (to && (to == s || !np_seat_has_less(p, t, to))) {
			if (list_is_last(&to->all, &p->seats))
				break;
			to = list_next_entry(to, all);
		}
		if (WARN_ON_ONCE(to == s))
			break;
		np_slot_give(t, s->first, to);
	}
	/* The next leaver begins here, and does not pass the same seats again. */
	if (to)
		list_rotate_to_front(&to->all, &p->seats);
}

/**
 * np_pick_grow - use a larger table
 * @p: the choice
 * @fresh: the table, empty
 *
 * Each slot becomes several of the same seat, so no flow moves.
 *
 * Return: a table that is not used any more, to be freed after an RCU grace
 * period: the old one, or @fresh if that is not larger; or NULL.
 */
struct np_slots *np_pick_grow(struct np_pick *p, struct np_slots *fresh)
{
	struct np_slots *old = np_pick_slots(p);
	struct np_seat *s;
	u32 i;

	if (old && fresh->mask <= old->mask)
		return fresh;
	list_for_each_entry(s, &p->seats, all)
		s->slots = 0;
	for (i = 0; old && i <= fresh->mask; i++) {
		s = np_slot_seat(old, i & old->mask);
		RCU_INIT_POINTER(fresh->slot[i].seat, s);
		if (s)
			np_slot_link(fresh, i, s);
	}
	rcu_assign_pointer(p->slots, fresh);
	if (!old)
		list_for_each_entry(s, &p->seats, all)
			np_slots_take(p, s);
	return old;
}
EXPORT_SYMBOL_NP_KUNIT(np_pick_grow);

/* --- seats ---------------------------------------------------------------- */

/**
 * np_pick_init - a choice among none
 * @p: the choice
 */
void np_pick_init(struct np_pick *p)
{
	*p = (struct np_pick) { .open = RB_ROOT_CACHED };
	INIT_LIST_HEAD(&p->seats);
}
EXPORT_SYMBOL_NP_KUNIT(np_pick_init);

/**
 * np_pick_free - free the table, after an RCU grace period
 * @p: a choice among none
 */
void np_pick_free(struct np_pick *p)
{
	struct np_slots *t = np_pick_slots(p);

	if (t)
		kvfree_rcu(t, rcu);
}
EXPORT_SYMBOL_NP_KUNIT(np_pick_free);

/**
 * np_pick_join - one more can be chosen
 * @p: the choice; with a table if it is among more than one
 * @s: the seat, initialised, its weight set, and its number if that is not to be
 *	the next; open
 */
void np_pick_join(struct np_pick *p, struct np_seat *s)
{
	if (!s->seq)
		s->seq = ++p->seq;
	s->stamp = p->stamp;
	s->slots = 0;
	list_add_tail(&s->all, &p->seats);
	p->nseats++;
	p->weight += s->weight;
	p->least = p->least ? min(p->least, s->weight) : s->weight;
	if (np_pick_slots(p))
		np_slots_take(p, s);
	np_seat_open(p, s);
}
EXPORT_SYMBOL_NP_KUNIT(np_pick_join);

/**
 * np_pick_leave - one cannot be chosen any more
 * @p: the choice
 * @s: the seat; readers may see it until an RCU grace period has passed
 */
void np_pick_leave(struct np_pick *p, struct np_seat *s)
{
	if (s->is_open)
		np_seat_shut(p, s);
	list_del_init(&s->all);
	p->nseats--;
	p->weight -= s->weight;
	if (np_pick_slots(p))
		np_slots_give_up(p, s, 0);
}
EXPORT_SYMBOL_NP_KUNIT(np_pick_leave);

/**
 * np_pick_set_weight - change a seat's weight
 * @p: the choice
 * @s: the seat, which has joined
 * @weight: 1 to NEWPROTO_WEIGHT_MAX
 */
void np_pick_set_weight(struct np_pick *p, struct np_seat *s, u32 weight)
{
	struct np_slots *t = np_pick_slots(p);

	p->weight += (s64)weight - s->weight;
	p->least = min(p->least, weight);
	s->weight = weight;
	if (!t)
		return;
	np_slots_give_up(p, s, np_seat_quota(p, t, s));
	np_slots_take(p, s);
}
EXPORT_SYMBOL_NP_KUNIT(np_pick_set_weight);

/**
 * np_pick_set_policy - choose by another policy from now on
 * @p: the choice
 * @policy: enum newproto_policy
 */
void np_pick_set_policy(struct np_pick *p, u8 policy)
{
	struct np_seat *s;

	WRITE_ONCE(p->policy, policy);
	p->open = RB_ROOT_CACHED;
	list_for_each_entry(s, &p->seats, all)
		if (s->is_open)
			np_seat_insert(p, s);
}
EXPORT_SYMBOL_NP_KUNIT(np_pick_set_policy);

/**
 * np_pick_update - what waits at a seat has changed
 * @p: the choice
 * @s: the seat, which has joined
 * @load: what waits there now
 * @is_open: has it room?
 */
void np_pick_update(struct np_pick *p, struct np_seat *s, u32 load, bool is_open)
{
	s->load = load;
	if (is_open == s->is_open)
		np_seat_replace(p, s);
	else if (is_open)
		np_seat_open(p, s);
	else
		np_seat_shut(p, s);
}
EXPORT_SYMBOL_NP_KUNIT(np_pick_update);

/**
 * np_pick_slot - the seat of a hash value, whether it is open or not
 * @p: the choice
 * @hash: the value
 *
 * Context: RCU read lock, or the owner's lock.
 *
 * Return: the seat, or NULL if there is none, or no table.
 */
struct np_seat *np_pick_slot(const struct np_pick *p, u32 hash)
{
	const struct np_slots *t = rcu_dereference_check(p->slots, true);

	return t ? rcu_dereference_check(t->slot[hash & t->mask].seat, true) : NULL;
}
EXPORT_SYMBOL_NP_KUNIT(np_pick_slot);

/* By hash; where that one is full, by what the hash of it says, and so on. */
static struct np_seat *np_pick_hashed(const struct np_pick *p, u32 hash)
{
	struct np_seat *s;
	u32 i;

	for (i = 0; i < NP_PICK_PROBES; i++) {
		s = np_pick_slot(p, hash);
		if (!s)
			break;
		if (likely(s->is_open))
			return s;
		hash = jhash_1word(hash, i);
	}
	return NULL;
}

/**
 * np_pick_chosen - note that a seat was chosen
 * @p: the choice
 * @s: the seat
 */
void np_pick_chosen(struct np_pick *p, struct np_seat *s)
{
	s->stamp = ++p->stamp;
	if (p->policy == NEWPROTO_POLICY_ROUND_ROBIN) {
		p->vtime = s->vtime;
		s->vtime += NP_PICK_TURN / s->weight;
	}
	np_seat_replace(p, s);
}
EXPORT_SYMBOL_NP_KUNIT(np_pick_chosen);

/**
 * np_pick_next - choose
 * @p: the choice
 * @hash: of what it is for
 *
 * Return: an open seat, or NULL if there is none.
 */
struct np_seat *np_pick_next(struct np_pick *p, u32 hash)
{
	struct np_seat *s = NULL;

	if (p->policy == NEWPROTO_POLICY_HASH)
		s = np_pick_hashed(p, hash);
	if (s)
		return s;
	s = np_pick_first(p);
	if (s && p->nseats > 1)
		np_pick_chosen(p, s);
	return s;
}
EXPORT_SYMBOL_NP_KUNIT(np_pick_next);

/**
 * np_pick_any - choose, open or not: each in turn
 * @p: the choice
 *
 * Return: a seat, or NULL if there is none.
 */
struct np_seat *np_pick_any(struct np_pick *p)
{
	if (list_empty(&p->seats))
		return NULL;
	list_rotate_left(&p->seats);
	return list_last_entry(&p->seats, struct np_seat, all);
}
EXPORT_SYMBOL_NP_KUNIT(np_pick_any);
