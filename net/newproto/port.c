// SPDX-License-Identifier: GPL-2.0-only
/*
 * The port table. Its rules are those that inet has for TCP, from socket(7)
 * and ip(7): who may share a port with whom, which ports are chosen for a
 * program, and which listener a connection goes to.
 */
#include <linux/random.h>
#include <linux/rculist.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "kunit.h"
#include "port.h"

static struct kmem_cache *np_port_slab;

/* What there is by default is a call of memcmp(). */
static int np_port_cmp(struct rhashtable_compare_arg *arg, const void *obj)
{
	return ((const struct np_port *)obj)->key != *(const u32 *)arg->key;
}

static const struct rhashtable_params np_port_params = {
	.head_offset = offsetof(struct np_port, node),
	.key_offset = offsetof(struct np_port, key),
	.key_len = sizeof_field(struct np_port, key),
	.obj_cmpfn = np_port_cmp,
	.automatic_shrinking = true,
};

/**
 * np_port_cache_init - make the slab cache of ports
 *
 * Return: 0 or -ENOMEM.
 */
int np_port_cache_init(void)
{
	np_port_slab = kmem_cache_create("newproto_port", sizeof(struct np_port),
					 0, SLAB_HWCACHE_ALIGN | SLAB_ACCOUNT,
					 NULL);
	return np_port_slab ? 0 : -ENOMEM;
}

/**
 * np_port_cache_exit - free the slab cache of ports, after their RCU callbacks
 */
void np_port_cache_exit(void)
{
	kmem_cache_destroy(np_port_slab);
}

/**
 * np_ports_init - make an empty port table
 * @t: the table
 *
 * Return: 0 or -ENOMEM.
 */
int np_ports_init(struct np_ports *t)
{
	t->cursor = get_random_u32();
	return rhashtable_init(&t->table, &np_port_params);
}
EXPORT_SYMBOL_NP_KUNIT(np_ports_init);

/**
 * np_ports_exit - free a port table that nobody is bound in any more
 * @t: the table
 */
void np_ports_exit(struct np_ports *t)
{
	WARN_ON_ONCE(atomic_read(&t->table.nelems));
	rhashtable_destroy(&t->table);
}
EXPORT_SYMBOL_NP_KUNIT(np_ports_exit);

static void np_port_free_rcu(struct rcu_head *rcu)
{
	kmem_cache_free(np_port_slab, container_of(rcu, struct np_port, rcu));
}

/* Become a user of a port, unless it is gone already. */
static bool np_port_hold(struct np_port *p)
{
	bool alive;

	spin_lock(&p->lock);
	alive = p->users;
	p->users += alive;
	spin_unlock(&p->lock);
	return alive;
}

/* Find a port and become its user. Returns NULL if nobody is bound to it. */
static struct np_port *np_port_get(struct np_ports *t, u32 key)
{
	struct np_port *p;

	rcu_read_lock();
	do {
		p = rhashtable_lookup(&t->table, &key, np_port_params);
	} while (p && !np_port_hold(p));
	rcu_read_unlock();
	return p;
}

/**
 * np_port_peek - find a port
 * @t: the table
 * @key: its number
 *
 * Context: RCU read lock held, as long as the result is used.
 *
 * Return: the port, or NULL if nobody is bound to it.
 */
struct np_port *np_port_peek(struct np_ports *t, u32 key)
{
	return rhashtable_lookup(&t->table, &key, np_port_params);
}

/**
 * np_ports_note - which ports are there?
 * @t: the table
 * @bits: 65,536 of them; those of the ports are set
 *
 * Those that come or go meanwhile may be among them or not.
 *
 * Context: process. Takes the RCU read lock.
 */
void np_ports_note(struct np_ports *t, unsigned long *bits)
{
	struct rhashtable_iter walk;
	struct np_port *p;

	rhashtable_walk_enter(&t->table, &walk);
	rhashtable_walk_start(&walk);
	while ((p = rhashtable_walk_next(&walk))) {
		/* It is resized: what was seen already comes again, in part. */
		if (IS_ERR(p))
			continue;
		__set_bit(p->key, bits);
	}
	rhashtable_walk_stop(&walk);
	rhashtable_walk_exit(&walk);
}

/* Find a port or make it, and become its user. *spare is memory for a new one,
 * kept over calls that did not need it.
 */
static struct np_port *np_port_get_or_make(struct np_ports *t, u32 key,
					   struct np_port **spare, gfp_t gfp)
{
	struct np_port *p, *old;

	for (;;) {
		p = np_port_get(t, key);
		if (p)
			return p;
		p = *spare;
		if (!p) {
			p = kmem_cache_zalloc(np_port_slab, gfp);
			if (!p)
				return ERR_PTR(-ENOMEM);
			spin_lock_init(&p->lock);
			p->users = 1;
			*spare = p;
		}
		p->key = key;
		old = rhashtable_lookup_get_insert_fast(&t->table, &p->node,
							np_port_params);
		if (!old) {
			*spare = NULL;
			return p;
		}
		if (IS_ERR(old))
			return old;
	}
}

static void np_port_spare_free(struct np_port *spare)
{
	if (spare)
		kmem_cache_free(np_port_slab, spare);
}

/* Cease to be a user; the last one takes the port off the table. */
static void np_port_put(struct np_ports *t, struct np_port *p)
{
	bool last;

	spin_lock(&p->lock);
	last = !--p->users;
	if (last)
		rhashtable_remove_fast(&t->table, &p->node, np_port_params);
	spin_unlock(&p->lock);
	if (last)
		call_rcu(&p->rcu, np_port_free_rcu);
}

/* May a claim be one of those that np_port.nsharing counts? */
static bool np_claim_is_sharing(const struct np_port *p, const struct np_claim *c)
{
	return c->reuseport && uid_eq(c->uid, p->uid);
}

static void np_port_add(struct np_port *p, struct np_claim *c, bool fixed)
{
	lockdep_assert_held(&p->lock);
	p->users++;
	c->port = p;
	c->share = NULL;
	c->fixed = fixed;
	p->nfixed += fixed;
	if (c->reuseport && !p->nsharing)
		p->uid = c->uid;
	c->counted = np_claim_is_sharing(p, c);
	p->nsharing += c->counted;
	p->nclaims++;
	hlist_add_head(&c->node, &p->claims);
}

/* May @c and @o not share a port? As inet_csk_bind_conflict(): two that both
 * set SO_REUSEADDR may unless one listens; two of one user that both set
 * SO_REUSEPORT may; others only if no destination is common to both.
 */
static bool np_claim_conflict(const struct np_claim *c, const struct np_claim *o)
{
	if (c->ifindex && o->ifindex && c->ifindex != o->ifindex)
		return false;
	if (c->reuse && o->reuse && !o->listening)
		return false;
	if (c->reuseport && o->reuseport && !c->loner && uid_eq(c->uid, o->uid))
		return false;
	return np_addr_conflict(&c->local, c->v6only, &o->local, o->v6only);
}

/* Where all share the port with @c nobody has to be looked at: there may be very
 * many of them.
 */
static bool np_port_is_free_for(const struct np_port *p, const struct np_claim *c)
{
	const struct np_claim *o;

	if (p->nsharing == p->nclaims && np_claim_is_sharing(p, c) && !c->loner)
		return true;
	hlist_for_each_entry(o, &p->claims, node)
		if (o != c && np_claim_conflict(c, o))
			return false;
	return true;
}

/* Is there no other connection between the same two ends? */
static bool np_port_is_unique(const struct np_port *p, const struct np_claim *c,
			      const struct in6_addr *local,
			      const struct np_addr *peer)
{
	const struct np_claim *o;

	hlist_for_each_entry(o, &p->claims, node)
		if (o != c && o->connected && o->peer_port == peer->port &&
		    !(c->ifindex && o->ifindex && c->ifindex != o->ifindex) &&
		    ipv6_addr_equal(&o->peer, &peer->ip) &&
		    ipv6_addr_equal(&o->local, local))
			return false;
	return true;
}

/**
 * np_claim_bind - claim a port by its number
 * @t: the port table
 * @c: the claim, with all that it is judged by filled in
 * @port: the number, host byte order
 *
 * Context: may sleep.
 *
 * Return: 0, -EADDRINUSE, -ENOMEM.
 */
int np_claim_bind(struct np_ports *t, struct np_claim *c, u16 port)
{
	struct np_port *spare = NULL, *p;
	int err = 0;

	p = np_port_get_or_make(t, port, &spare, np_claim_gfp(c));
	np_port_spare_free(spare);
	if (IS_ERR(p))
		return PTR_ERR(p);
	spin_lock(&p->lock);
	if (np_port_is_free_for(p, c))
		np_port_add(p, c, true);
	else
		err = -EADDRINUSE;
	spin_unlock(&p->lock);
	np_port_put(t, p);
	return err;
}
EXPORT_SYMBOL_NP_KUNIT(np_claim_bind);

typedef bool (*np_port_fits)(const struct np_port *p, const struct np_claim *c);

/* Try the ports of a range in turn, from a place that no other try begins at. */
static int np_claim_search(struct np_ports *t, struct np_claim *c,
			   const struct np_range *range, bool fixed,
			   np_port_fits fits)
{
	u32 n = range->hi - range->lo + 1, i, number;
	u32 at = READ_ONCE(t->cursor) % n;
	struct np_port *spare = NULL, *p;
	int err = -EADDRINUSE;

	for (i = 0; i < n && err == -EADDRINUSE; i++) {
		number = range->lo + (at + i) % n;
		if (range->reserved && test_bit(number, range->reserved))
			continue;
		if (i % 64 == 63)
			cond_resched();
		p = np_port_get_or_make(t, number, &spare, GFP_KERNEL);
		if (IS_ERR(p)) {
			err = PTR_ERR(p);
			break;
		}
		spin_lock(&p->lock);
		if (fits(p, c)) {
			np_port_add(p, c, fixed);
			err = 0;
		}
		spin_unlock(&p->lock);
		np_port_put(t, p);
	}
	WRITE_ONCE(t->cursor, at + i);
	np_port_spare_free(spare);
	return err;
}

/* A port that is chosen for a program is shared with nobody whose address is
 * in common, whatever both have set.
 */
static bool np_port_fits_bind(const struct np_port *p, const struct np_claim *c)
{
	const struct np_claim *o;

	hlist_for_each_entry(o, &p->claims, node)
		if (!(c->ifindex && o->ifindex && c->ifindex != o->ifindex) &&
		    np_addr_conflict(&c->local, c->v6only, &o->local, o->v6only))
			return false;
	return true;
}

/**
 * np_claim_bind_any - claim a port that is free for a bind
 * @t: the port table
 * @c: the claim, with all that it is judged by filled in
 * @range: where to choose from
 *
 * Context: may sleep.
 *
 * Return: 0, -EADDRINUSE if there is none, -ENOMEM.
 */
int np_claim_bind_any(struct np_ports *t, struct np_claim *c,
		      const struct np_range *range)
{
	return np_claim_search(t, c, range, true, np_port_fits_bind);
}
EXPORT_SYMBOL_NP_KUNIT(np_claim_bind_any);

static bool np_port_fits_connect(const struct np_port *p, const struct np_claim *c)
{
	struct np_addr peer = { .ip = c->peer, .port = c->peer_port };

	return !p->nfixed && np_port_is_unique(p, c, &c->local, &peer);
}

/**
 * np_claim_connect - claim a port for a connection that has none
 * @t: the port table
 * @c: the claim, connected, with both addresses filled in
 * @range: where to choose from
 *
 * The port is one that nobody bound to, and that no other connection between
 * these two addresses and this remote port uses.
 *
 * Context: may sleep.
 *
 * Return: 0, -EADDRNOTAVAIL if there is none, -ENOMEM.
 */
int np_claim_connect(struct np_ports *t, struct np_claim *c,
		     const struct np_range *range)
{
	int err = np_claim_search(t, c, range, false, np_port_fits_connect);

	return err == -EADDRINUSE ? -EADDRNOTAVAIL : err;
}
EXPORT_SYMBOL_NP_KUNIT(np_claim_connect);

/**
 * np_claim_set_peer - a bound socket connects
 * @c: a claim that holds a port
 * @local: its address from now on
 * @peer: the other end
 *
 * Return: 0, or -EADDRNOTAVAIL if there is such a connection already.
 */
int np_claim_set_peer(struct np_claim *c, const struct np_addr *local,
		      const struct np_addr *peer)
{
	struct np_port *p = c->port;
	int err = 0;

	spin_lock(&p->lock);
	if (np_port_is_unique(p, c, &local->ip, peer)) {
		c->local = local->ip;
		c->peer = peer->ip;
		c->peer_port = peer->port;
		c->connected = true;
	} else {
		err = -EADDRNOTAVAIL;
	}
	spin_unlock(&p->lock);
	return err;
}
EXPORT_SYMBOL_NP_KUNIT(np_claim_set_peer);

/**
 * np_claim_clear_peer - a connection is over, the claim stays
 * @c: a claim that holds a port
 * @local: its address from now on
 */
void np_claim_clear_peer(struct np_claim *c, const struct in6_addr *local)
{
	spin_lock(&c->port->lock);
	c->local = *local;
	c->connected = false;
	spin_unlock(&c->port->lock);
}
EXPORT_SYMBOL_NP_KUNIT(np_claim_clear_peer);

/**
 * np_claim_join - the claim of an accepted connection
 * @c: the claim, connected, with both addresses filled in
 * @parent: the listener's claim, which holds the port meanwhile
 *
 * Cannot fail: a connection that is there is never refused a port.
 */
void np_claim_join(struct np_claim *c, struct np_claim *parent)
{
	struct np_port *p = parent->port;

	spin_lock(&p->lock);
	np_port_add(p, c, parent->fixed);
	spin_unlock(&p->lock);
}
EXPORT_SYMBOL_NP_KUNIT(np_claim_join);

/**
 * np_claim_drop - give a port up
 * @t: the port table
 * @c: a claim that holds one
 */
void np_claim_drop(struct np_ports *t, struct np_claim *c)
{
	struct np_port *p = c->port;

	spin_lock(&p->lock);
	hlist_del(&c->node);
	p->nfixed -= c->fixed;
	p->nsharing -= c->counted;
	p->nclaims--;
	c->port = NULL;
	c->connected = false;
	c->listening = false;
	c->atomic = false;
	spin_unlock(&p->lock);
	np_port_put(t, p);
}
EXPORT_SYMBOL_NP_KUNIT(np_claim_drop);

static bool np_share_fits(const struct np_share *s, const struct np_claim *c)
{
	return s->v6 == c->v6 && s->v6only == c->v6only &&
	       s->ifindex == c->ifindex && uid_eq(s->uid, c->uid) &&
	       ipv6_addr_equal(&s->local, &c->local);
}

static struct np_share *np_port_find_share(const struct np_port *p,
					   const struct np_claim *c)
{
	struct np_share *s;

	hlist_for_each_entry(s, &p->shares, node)
		if (np_share_fits(s, c))
			return s;
	return NULL;
}

/**
 * np_claim_share - join those who share an address
 * @c: a claim that holds a port, with SO_REUSEPORT
 * @fresh: what is to be shared if there is nobody yet, with a reference that
 *	becomes the claim's
 *
 * Return: @fresh, or what others share already, with a reference for the claim;
 * @fresh is the caller's still then.
 */
struct np_share *np_claim_share(struct np_claim *c, struct np_share *fresh)
{
	struct np_port *p = c->port;
	struct np_share *s;

	spin_lock(&p->lock);
	s = np_port_find_share(p, c);
	if (s) {
		refcount_inc(&s->ref);
	} else {
		s = fresh;
		s->local = c->local;
		s->ifindex = c->ifindex;
		s->uid = c->uid;
		s->v6only = c->v6only;
		s->v6 = c->v6;
		hlist_add_head(&s->node, &p->shares);
	}
	s->users++;
	c->share = s;
	spin_unlock(&p->lock);
	return s;
}
EXPORT_SYMBOL_NP_KUNIT(np_claim_share);

/**
 * np_claim_unshare - a claim shares its address no more
 * @c: the claim; its reference is the caller's afterwards, to be dropped
 */
void np_claim_unshare(struct np_claim *c)
{
	struct np_port *p = c->port;

	spin_lock(&p->lock);
	if (!--c->share->users)
		hlist_del(&c->share->node);
	c->share = NULL;
	spin_unlock(&p->lock);
}
EXPORT_SYMBOL_NP_KUNIT(np_claim_unshare);

/**
 * np_claim_fits_share - does a claim that shares still say what it is the share of?
 * @c: the claim
 *
 * A datagram socket's address and device may change after bind().
 */
bool np_claim_fits_share(struct np_claim *c)
{
	bool fits;

	spin_lock(&c->port->lock);
	fits = c->share && np_share_fits(c->share, c);
	spin_unlock(&c->port->lock);
	return fits;
}
EXPORT_SYMBOL_NP_KUNIT(np_claim_fits_share);

static void np_listener_fill(struct np_listener *l, const struct np_claim *c)
{
	l->local = c->local;
	l->ifindex = c->ifindex;
	l->number = c->port->key;
	l->v6only = c->v6only;
	l->connected = c->connected;
	l->peer = c->peer;
	l->peer_port = c->peer_port;
}

/**
 * np_claim_listen - may connections come in?
 * @c: a claim that holds a port; marked as listening if they may
 *
 * Return: 0, or -EADDRINUSE if another claim on the port does not allow it
 * (two sockets bound with SO_REUSEADDR: only one may listen).
 */
int np_claim_listen(struct np_claim *c)
{
	struct np_port *p = c->port;
	int err = 0;

	spin_lock(&p->lock);
	c->listening = true;
	if (!np_port_is_free_for(p, c)) {
		c->listening = false;
		err = -EADDRINUSE;
	}
	spin_unlock(&p->lock);
	return err;
}
EXPORT_SYMBOL_NP_KUNIT(np_claim_listen);

/**
 * np_claim_unlisten - connections come in no more
 * @c: the claim that was given to np_claim_listen()
 */
void np_claim_unlisten(struct np_claim *c)
{
	spin_lock(&c->port->lock);
	c->listening = false;
	spin_unlock(&c->port->lock);
}
EXPORT_SYMBOL_NP_KUNIT(np_claim_unlisten);

/**
 * np_claim_describe - write down what a claim says
 * @c: a claim that holds a port
 * @l: on no list
 */
void np_claim_describe(struct np_claim *c, struct np_listener *l)
{
	spin_lock(&c->port->lock);
	np_listener_fill(l, c);
	spin_unlock(&c->port->lock);
}
EXPORT_SYMBOL_NP_KUNIT(np_claim_describe);

/**
 * np_claim_publish - let connections, or datagrams, come in
 * @c: a claim that holds a port
 * @l: put on the port's list, with what @c says, unless it is there already; the
 *	claim is one of its users
 */
void np_claim_publish(struct np_claim *c, struct np_listener *l)
{
	struct np_port *p = c->port;

	spin_lock(&p->lock);
	if (!l->users++) {
		np_listener_fill(l, c);
		hlist_add_head_rcu(&l->node, &p->listeners);
	}
	spin_unlock(&p->lock);
}
EXPORT_SYMBOL_NP_KUNIT(np_claim_publish);

/**
 * np_claim_replace - what a claim says has changed
 * @c: a claim that holds a port
 * @l: put on the port's list, with what @c says
 * @old: what was there for @c alone before, and @l stands in for; readers may see
 *	it until an RCU grace period has passed
 */
void np_claim_replace(struct np_claim *c, struct np_listener *l,
		      struct np_listener *old)
{
	struct np_port *p = c->port;

	spin_lock(&p->lock);
	np_listener_fill(l, c);
	l->users = 1;
	old->users = 0;
	hlist_replace_rcu(&old->node, &l->node);
	spin_unlock(&p->lock);
}
EXPORT_SYMBOL_NP_KUNIT(np_claim_replace);

/**
 * np_claim_unpublish - let no more connections, or datagrams, come in
 * @c: the claim that was given to np_claim_publish()
 * @l: the listener, off the list with its last user; readers may see it until an
 *	RCU grace period has passed
 */
void np_claim_unpublish(struct np_claim *c, struct np_listener *l)
{
	spin_lock(&c->port->lock);
	if (!--l->users)
		hlist_del_rcu(&l->node);
	spin_unlock(&c->port->lock);
}
EXPORT_SYMBOL_NP_KUNIT(np_claim_unpublish);

/**
 * np_claim_point - a datagram socket is connected, or not any more
 * @c: a claim that holds a port
 * @local: its address from now on
 * @peer: the other end, or NULL; many may have the same
 * @ifindex: its device from now on, or 0
 */
void np_claim_point(struct np_claim *c, const struct in6_addr *local,
		    const struct np_addr *peer, int ifindex)
{
	spin_lock(&c->port->lock);
	c->local = *local;
	c->ifindex = ifindex;
	c->connected = !!peer;
	if (peer) {
		c->peer = peer->ip;
		c->peer_port = peer->port;
	}
	spin_unlock(&c->port->lock);
}
EXPORT_SYMBOL_NP_KUNIT(np_claim_point);

/**
 * np_claim_set_device - a datagram socket is bound to another device
 * @c: a claim that holds a port
 * @l: what was given to np_claim_publish() for it
 * @ifindex: the device, or 0
 */
void np_claim_set_device(struct np_claim *c, struct np_listener *l, int ifindex)
{
	spin_lock(&c->port->lock);
	c->ifindex = ifindex;
	WRITE_ONCE(l->ifindex, ifindex);
	spin_unlock(&c->port->lock);
}
EXPORT_SYMBOL_NP_KUNIT(np_claim_set_device);

/* How well a listener suits a destination, as inet's compute_score(): its own
 * address before a wildcard, its own device before any, IPv4 before
 * dual-stack; 0 if not at all.
 */
static int np_listener_score(const struct np_listener *l,
			     const struct in6_addr *dst, int ifindex)
{
	int dev = READ_ONCE(l->ifindex);
	int score = 1;

	if (!np_addr_covers(&l->local, l->v6only, dst))
		return 0;
	if (dev) {
		if (dev != ifindex)
			return 0;
		score += 4;
	}
	if (ipv6_addr_equal(&l->local, dst))
		score += 8;
	if (!ipv6_addr_any(&l->local))
		score += 2;
	return score;
}

/* The listener that suits best, perhaps only of those that are bound to a device. */
static struct np_listener *np_port_find(struct np_ports *t, const struct np_addr *dst,
					int ifindex, bool bound)
{
	struct np_listener *l, *best = NULL;
	u32 key = ntohs(dst->port);
	int score, best_score = 0;
	struct np_port *p;

	p = rhashtable_lookup(&t->table, &key, np_port_params);
	if (!p)
		return NULL;
	hlist_for_each_entry_rcu(l, &p->listeners, node) {
		if (bound && !READ_ONCE(l->ifindex))
			continue;
		score = np_listener_score(l, &dst->ip, ifindex);
		if (score > best_score) {
			best = l;
			best_score = score;
		}
	}
	return best;
}

/**
 * np_port_lookup - who takes connections to an address?
 * @t: the port table
 * @dst: the destination, no wildcard
 * @ifindex: the device that they come in on
 *
 * Context: RCU read lock held, as long as the result is used.
 *
 * Return: the listener, or NULL.
 */
struct np_listener *np_port_lookup(struct np_ports *t, const struct np_addr *dst,
				   int ifindex)
{
	return np_port_find(t, dst, ifindex, false);
}
EXPORT_SYMBOL_NP_KUNIT(np_port_lookup);

/**
 * np_port_lookup_device - who takes connections to an address, of those bound to a device?
 * @t: the port table
 * @dst: the destination, no wildcard
 * @ifindex: the device
 *
 * Context: RCU read lock held, as long as the result is used.
 *
 * Return: the listener, or NULL.
 */
struct np_listener *np_port_lookup_device(struct np_ports *t,
					  const struct np_addr *dst, int ifindex)
{
	return np_port_find(t, dst, ifindex, true);
}
EXPORT_SYMBOL_NP_KUNIT(np_port_lookup_device);

/* The same with the sender in mind: what is connected to it comes first. */
static int np_listener_score_from(const struct np_listener *l,
				  const struct np_addr *dst,
				  const struct np_addr *src, int ifindex)
{
	int score;

	if (l->connected && (!ipv6_addr_equal(&l->peer, &src->ip) ||
			     (l->peer_port && l->peer_port != src->port)))
		return 0;
	score = np_listener_score(l, &dst->ip, ifindex);
	return score && l->connected ? score + 16 + !!l->peer_port : score;
}

/**
 * np_port_lookup_from - who takes a datagram?
 * @t: the port table
 * @dst: the destination, no wildcard
 * @src: the sender
 * @ifindex: the device that it comes in on
 *
 * Context: RCU read lock held, as long as the result is used.
 *
 * Return: the listener, or NULL.
 */
struct np_listener *np_port_lookup_from(struct np_ports *t,
					const struct np_addr *dst,
					const struct np_addr *src, int ifindex)
{
	u32 key = ntohs(dst->port);
	struct np_listener *l, *best = NULL;
	int score, best_score = 0;
	struct np_port *p;

	p = rhashtable_lookup(&t->table, &key, np_port_params);
	if (!p)
		return NULL;
	/* Of those that are alike the latest bound comes first. */
	hlist_for_each_entry_rcu(l, &p->listeners, node) {
		score = np_listener_score_from(l, dst, src, ifindex);
		if (score > best_score) {
			best_score = score;
			best = l;
		}
	}
	return best;
}
EXPORT_SYMBOL_NP_KUNIT(np_port_lookup_from);
