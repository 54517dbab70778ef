/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The port table of a namespace: who is bound to which port, and who listens
 * there. A leaf: knows nothing of sockets.
 */
#ifndef _NP_PORT_H
#define _NP_PORT_H

#include <linux/refcount.h>
#include <linux/rhashtable.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>

#include "addr.h"

/**
 * struct np_ports - a namespace's port table
 * @table: struct np_port by number; lookups under RCU
 * @cursor: where the next search for a free port begins; no lock, any value
 *	will do
 */
struct np_ports {
	struct rhashtable table;
	u32 cursor;
};

/**
 * struct np_range - the ports that may be chosen for a program
 * @lo: the first
 * @hi: the last
 * @reserved: bitmap of 65,536 bits of ports not to choose, or NULL
 */
struct np_range {
	u16 lo;
	u16 hi;
	const unsigned long *reserved;
};

/**
 * struct np_port - a port that somebody is bound to
 *
 * Made with its first claim and gone with its last: each claim on @claims is
 * one of its @users, and so is whoever looks at it outside RCU. Readers of the
 * table hold the RCU lock.
 *
 * @node: in the table
 * @key: the number, host byte order; immutable
 * @lock: guards all below, and the claims on @claims
 * @users: what keeps it; at 0 it is off the table for ever
 * @nfixed: claims that were made by bind(), which keep a port from being
 *	chosen for others
 * @nclaims: length of @claims
 * @nsharing: those of them that had SO_REUSEPORT and were @uid's when made
 * @uid: the user of the first claim with SO_REUSEPORT since there was none
 * @claims: struct np_claim
 * @listeners: struct np_listener; also read under RCU
 * @shares: struct np_share
 * @rcu: frees it
 */
struct np_port {
	struct rhash_head node;
	u32 key;
	spinlock_t lock;	/* see above */
	unsigned int users;
	unsigned int nfixed;
	unsigned int nclaims;
	unsigned int nsharing;
	kuid_t uid;
	struct hlist_head claims;
	struct hlist_head listeners;
	struct hlist_head shares;
	struct rcu_head rcu;
};

/**
 * struct np_share - those who share an address, by SO_REUSEPORT
 *
 * Part of a larger object, whose reference count it has: each claim that shares
 * is one reference, dropped after np_claim_unshare(). What it is the share of is
 * immutable. All else is guarded by the port's lock.
 *
 * @node: in the port's list while there are @users
 * @ref: of the object that this is part of
 * @users: claims that share
 * @local: bound address, wildcards allowed
 * @ifindex: bound device or 0
 * @uid: effective user
 * @v6only: IPv6 sockets that take no IPv4
 * @v6: IPv6 sockets
 */
struct np_share {
	struct hlist_node node;
	refcount_t ref;
	unsigned int users;
	struct in6_addr local;
	int ifindex;
	kuid_t uid;
	bool v6only;
	bool v6;
};

/**
 * struct np_claim - one socket's hold of a port
 *
 * Part of its owner, whose lock guards @port. What a bind is judged by is
 * latched here when it is made, since setsockopt() changes a socket's own
 * fields without asking. All but @port is guarded by the port's lock while
 * the claim is on a port.
 *
 * @node: in the port's list
 * @port: the port held, or NULL
 * @share: of which it is a user, or NULL
 * @local: bound address, wildcards allowed
 * @peer: address of the other end, if @connected
 * @peer_port: port of the other end, network byte order
 * @ifindex: bound device or 0
 * @uid: effective user of the owner
 * @v6only: an IPv6 socket that takes no IPv4
 * @reuse: SO_REUSEADDR
 * @reuseport: SO_REUSEPORT
 * @loner: has SO_REUSEPORT and a group of its own already: joins no other
 * @listening: as listen() has made it
 * @connected: @peer is set
 * @fixed: made by bind()
 * @v6: an IPv6 socket
 * @counted: in np_port.nsharing
 * @atomic: bind() is called by a cgroup-BPF program, and must not sleep
 * @vacant: no socket's, but that of a group which outlives its members
 */
struct np_claim {
	struct hlist_node node;
	struct np_port *port;
	struct np_share *share;
	struct in6_addr local;
	struct in6_addr peer;
	int ifindex;
	kuid_t uid;
	__be16 peer_port;
	u16 v6only:1;
	u16 reuse:1;
	u16 reuseport:1;
	u16 loner:1;
	u16 listening:1;
	u16 connected:1;
	u16 fixed:1;
	u16 v6:1;
	u16 counted:1;
	u16 vacant:1;
	u16 atomic:1;
};

/**
 * struct np_listener - where connections, or datagrams, to a port go
 *
 * Part of an object that is freed after an RCU grace period: one socket's, or a
 * group's. Immutable while on a port's list, but for @ifindex, and @users, which
 * is guarded by the port's lock.
 *
 * @node: in the port's list while there are @users
 * @users: claims that keep it there
 * @local: bound address, wildcards allowed
 * @peer: the only address that is listened to, if @connected
 * @ifindex: bound device or 0
 * @number: the port, host byte order
 * @peer_port: the only port that is listened to, if @connected; 0: any
 * @v6only: takes no IPv4
 * @connected: @peer is set
 * @is_group: stands for all who share an address; set by its owner
 */
struct np_listener {
	struct hlist_node node;
	unsigned int users;
	struct in6_addr local;
	struct in6_addr peer;
	int ifindex;
	u16 number;
	__be16 peer_port;
	bool v6only;
	bool connected;
	bool is_group;
};

int np_port_cache_init(void);
void np_port_cache_exit(void);
int np_ports_init(struct np_ports *t);
void np_ports_exit(struct np_ports *t);
void np_ports_note(struct np_ports *t, unsigned long *bits);
struct np_port *np_port_peek(struct np_ports *t, u32 key);

int np_claim_bind(struct np_ports *t, struct np_claim *c, u16 port);
int np_claim_bind_any(struct np_ports *t, struct np_claim *c,
		      const struct np_range *range);
int np_claim_connect(struct np_ports *t, struct np_claim *c,
		     const struct np_range *range);
int np_claim_set_peer(struct np_claim *c, const struct np_addr *local,
		      const struct np_addr *peer);
void np_claim_clear_peer(struct np_claim *c, const struct in6_addr *local);
void np_claim_join(struct np_claim *c, struct np_claim *parent);
void np_claim_drop(struct np_ports *t, struct np_claim *c);
struct np_share *np_claim_share(struct np_claim *c, struct np_share *fresh);
void np_claim_unshare(struct np_claim *c);
int np_claim_listen(struct np_claim *c);
void np_claim_unlisten(struct np_claim *c);
void np_claim_describe(struct np_claim *c, struct np_listener *l);
bool np_claim_fits_share(struct np_claim *c);
void np_claim_publish(struct np_claim *c, struct np_listener *l);
void np_claim_replace(struct np_claim *c, struct np_listener *l,
		      struct np_listener *old);
void np_claim_unpublish(struct np_claim *c, struct np_listener *l);
void np_claim_point(struct np_claim *c, const struct in6_addr *local,
		    const struct np_addr *peer, int ifindex);
void np_claim_set_device(struct np_claim *c, struct np_listener *l, int ifindex);
struct np_listener *np_port_lookup_device(struct np_ports *t,
					  const struct np_addr *dst, int ifindex);
struct np_listener *np_port_lookup(struct np_ports *t, const struct np_addr *dst,
				   int ifindex);
struct np_listener *np_port_lookup_from(struct np_ports *t,
					const struct np_addr *dst,
					const struct np_addr *src, int ifindex);

/* How to allocate what bind() needs. */
static inline gfp_t np_claim_gfp(const struct np_claim *c)
{
	return c->atomic ? GFP_ATOMIC : GFP_KERNEL;
}

static inline u16 np_claim_number(const struct np_claim *c)
{
	return c->port ? c->port->key : 0;
}

#endif /* _NP_PORT_H */
