// SPDX-License-Identifier: GPL-2.0-only
/*
 * connect() over a fabric: the client's side, and what comes in at the server's.
 *
 * A socket that is bound to a NIC with a fabric asks the members one after the other until
 * one has the address. That one looks for a listener that is bound to its own NIC.
 */
#include <linux/cred.h>
#include <linux/jhash.h>
#include <linux/pid.h>
#include <net/tcp_states.h>

#include "far.h"
#include "far_conn.h"
#include "group.h"
#include "nic.h"
#include "route.h"
#include "sock.h"
#include "state.h"
#include "trace.h"

/* --- which member has an address ---------------------------------------------- */

static u8 *np_far_hint(struct np_nic_client *nc, const struct in6_addr *ip)
{
	return &nc->hint[jhash2((const u32 *)ip, 4, 0) % NP_NIC_HINTS];
}

/**
 * np_far_hint_set - a member has an address
 * @nc: the NIC
 * @ip: the address
 * @slot: the member
 */
void np_far_hint_set(struct np_nic_client *nc, const struct in6_addr *ip, u32 slot)
{
	WRITE_ONCE(*np_far_hint(nc, ip), slot);
}

/* The next member to ask, or -1. */
static int np_far_next_slot(struct np_nic_client *nc, const struct in6_addr *ip, u16 tried)
{
	unsigned long left = READ_ONCE(nc->up) & ~(unsigned long)tried;
	u8 hint = READ_ONCE(*np_far_hint(nc, ip));

	if (!left)
		return -1;
	return left & BIT(hint) ? hint : __ffs(left);
}

/* --- the client --------------------------------------------------------------- */

/* A member does not have the address: true if there is another one to be asked. */
static bool np_far_ask_next(struct np_far *far)
{
	int slot;

	spin_lock(&far->lock);
	far->tried |= BIT(far->slot);
	slot = np_far_next_slot(far->nc, &far->conn->end[NP_SERVER].ip, far->tried);
	if (slot >= 0 && !(far->state & NP_FAR_LEFT)) {
		WRITE_ONCE(far->slot, slot);
		WRITE_ONCE(far->todo, far->todo | NP_FAR_CONNECT);
	} else {
		slot = -1;
		far->state |= NP_FAR_PARTED;
	}
	spin_unlock(&far->lock);
	return slot >= 0;
}

static u8 np_far_refusal_event(u8 code)
{
	switch (code) {
	case NP_CODE_NOT_MINE:
		return NP_EV_UNREACH;
	case NP_CODE_TIMEOUT:
		return NP_EV_TIMEOUT;
	default:
		return NP_EV_REFUSED;
	}
}

/**
 * np_far_on_refuse - a client is refused
 * @far: the client's end
 * @code: why
 *
 * Context: not in interrupts.
 */
void np_far_on_refuse(struct np_far *far, u8 code)
{
	bool mine;

	spin_lock(&far->lock);
	mine = far->side == NP_CLIENT && !far->peer_gen;
	if (mine && code != NP_CODE_NOT_MINE)
		far->state |= NP_FAR_PARTED;
	spin_unlock(&far->lock);
	if (!mine)
		return;
	if (code != NP_CODE_NOT_MINE || !np_far_ask_next(far))
		np_conn_event(far->conn, NP_CLIENT, np_far_refusal_event(code));
	np_far_todo(far, 0);
}

/* Nobody has been asked, so nobody will say that there is nothing to wait for. */
static void np_far_unask(struct np_far *far)
{
	spin_lock(&far->lock);
	far->state |= NP_FAR_PARTED;
	spin_unlock(&far->lock);
	np_far_left(far);
}

/* With a port: make the connection, and ask the first member. */
static int np_far_begin(struct sock *sk, struct np_nic_client *nc,
			const struct np_addr *src, const struct np_addr *dst)
{
	struct np_conn *conn;
	int slot, err;

	slot = np_far_next_slot(nc, &dst->ip, 0);
	if (slot < 0)
		return -EHOSTUNREACH;
	conn = np_connect_conn(sk, src, dst);
	if (!conn)
		return -ENOMEM;
	err = np_far_alloc(nc, conn, NP_CLIENT);
	if (err) {
		np_conn_drop_end(conn, NP_CLIENT);
		np_conn_drop_end(conn, NP_SERVER);
		return err == -ENOSPC ? -ENOBUFS : err;
	}
	np_sock_set_addrs(sk, src, dst);
	WRITE_ONCE(sk->sk_err, 0);
	np_state_set(sk, TCP_SYN_SENT);
	np_sock_join_conn(sk, conn, NP_CLIENT);
	err = -EHOSTUNREACH;
	if (np_far_start(conn->far, slot))
		err = np_connect_start_wait(sk);
	if (err) {
		np_far_unask(conn->far);
		np_state_set(sk, TCP_CLOSE);
		np_sock_leave_conn(sk);
		return err;
	}
	trace_newproto_connect(sk, NP_REASON_BEGIN);
	np_far_todo(conn->far, NP_FAR_CONNECT);
	np_far_say(conn->far);
	return 0;
}

/**
 * np_far_connect - connect(2) of a socket that is bound to a NIC with a fabric
 * @sk: the socket
 * @nc: the NIC
 * @dst: the destination, which is not the NIC's own
 *
 * Context: lock_sock(), the socket in TCP_CLOSE. May sleep.
 *
 * Return: 0: the socket is in TCP_SYN_SENT; -EHOSTUNREACH: no member can be reached;
 * -ECONNREFUSED: there is no port 0; -ENOBUFS: the fabric is full; or what connect(2) says.
 */
int np_far_connect(struct sock *sk, struct np_nic_client *nc, struct np_addr *dst)
{
	struct np_addr src = { };
	struct in6_addr bound;
	int err;

	if (!dst->port)
		return np_connect_refuse(sk, dst, -ECONNREFUSED, NP_STAT_REFUSED,
					 NP_REASON_NO_LISTENER);
	err = np_route_device(sk, dst, &src);
	/* What the other kernel would take for an attack is not sent. */
	src.port = dst->port;
	if (!err && !np_preface_ends_ok(&src, dst))
		err = -ENETUNREACH;
	if (err)
		return np_connect_refuse(sk, dst, err, NP_STAT_UNREACHABLE,
					 NP_REASON_NOT_LOCAL);
	np_bind_local(sk, &bound);
	err = np_connect_claim(sk, &src, dst);
	if (err)
		return np_connect_refuse(sk, dst, err, NP_STAT_UNREACHABLE,
					 NP_REASON_NO_PORT);
	err = np_far_begin(sk, nc, &src, dst);
	if (err) {
		np_connect_undo(sk, &bound);
		np_connect_refuse(sk, dst, err, NP_STAT_UNREACHABLE,
				  NP_REASON_NOT_LOCAL);
	}
	return err;
}

/* --- the server --------------------------------------------------------------- */

static int np_far_refusal_send(struct np_nic_client *nc, const struct np_nic_refusal *r)
{
	struct np_preface p = {
		.type = NP_PREFACE_REFUSE,
		.code = r->code,
		.to_id = r->id,
		.to_gen = r->gen,
	};

	return np_far_send(nc, r->slot, &p);
}

/**
 * np_far_refusals_send - send refusals that there was no room for
 * @nc: the NIC
 *
 * A member that takes no messages does not keep others from theirs.
 *
 * Context: the client's lock.
 */
void np_far_refusals_send(struct np_nic_client *nc)
{
	unsigned int i, n = 0;

	lockdep_assert_held(&nc->lock);
	for (i = 0; i < nc->nrefusals; i++)
		if (np_far_refusal_send(nc, &nc->refusal[i]) == -EAGAIN)
			nc->refusal[n++] = nc->refusal[i];
	nc->nrefusals = n;
}

/**
 * np_far_refusals_drop - a member is gone
 * @nc: the NIC
 * @slot: the member
 *
 * Context: the client's lock.
 */
void np_far_refusals_drop(struct np_nic_client *nc, u32 slot)
{
	unsigned int i, n = 0;

	lockdep_assert_held(&nc->lock);
	for (i = 0; i < nc->nrefusals; i++)
		if (nc->refusal[i].slot != slot)
			nc->refusal[n++] = nc->refusal[i];
	nc->nrefusals = n;
}

/**
 * np_far_refuse - there is no connection for another member's end, nor will be
 * @nc: the NIC
 * @slot: the member
 * @p: what it has said
 * @code: why: enum np_preface_code
 *
 * Context: may sleep.
 */
void np_far_refuse(struct np_nic_client *nc, u32 slot, const struct np_preface *p, u8 code)
{
	struct np_nic_refusal *r;

	mutex_lock(&nc->lock);
	if (nc->nrefusals == NP_NIC_REFUSALS) {
		nc->nrefusals--;
		memmove(nc->refusal, nc->refusal + 1,
			nc->nrefusals * sizeof(*nc->refusal));
	}
	r = &nc->refusal[nc->nrefusals++];
	r->slot = slot;
	r->id = p->id;
	r->gen = p->gen;
	r->code = code;
	np_far_refusals_send(nc);
	mutex_unlock(&nc->lock);
}

/* Who listens there, on this device? Returns a reference or NULL. */
static struct np_group *np_far_listener(struct net *net, const struct np_addr *dst,
					int ifindex)
{
	return np_group_find(&np_net(net)->ports[NP_SPACE_STREAM], dst, ifindex, true);
}

/* This kernel's end of a connection that another one has asked for. */
static struct np_conn *np_far_server_end(struct np_nic_client *nc, struct net *net,
					 int ifindex, const struct np_preface *p)
{
	struct np_conn *conn = np_conn_alloc(&np_net(net)->pool);

	if (!conn)
		return NULL;
	/* The client is nobody that this kernel knows. */
	put_cred(conn->cred);
	put_pid(conn->pid);
	conn->cred = NULL;
	conn->pid = NULL;
	conn->end[NP_CLIENT].ip = p->src.ip;
	conn->end[NP_CLIENT].port = p->src.port;
	conn->end[NP_SERVER].ip = p->dst.ip;
	conn->end[NP_SERVER].port = p->dst.port;
	conn->ifindex = ifindex;
	if (np_far_alloc(nc, conn, NP_SERVER)) {
		np_conn_drop_end(conn, NP_CLIENT);
		np_conn_drop_end(conn, NP_SERVER);
		return NULL;
	}
	conn->far->peer_id = p->id;
	conn->far->peer_gen = p->gen;
	return conn;
}

/* The client's memory: false if it is gone, or cannot be. */
static bool np_far_server_attach(struct np_far *far, const struct np_preface *p)
{
	struct np_nic_mem mem;
	bool ok;

	mutex_lock(&far->nc->lock);
	rcu_read_lock();
	ok = test_bit(far->slot, &far->nc->up) &&
	     !np_nic_mem_attach(far->nc, far->slot, p->id, p->gen, &mem) &&
	     np_far_rx_begin(far, &mem);
	rcu_read_unlock();
	mutex_unlock(&far->nc->lock);
	return ok;
}

/* Offer a connection to those who listen: what the client is to be told, if anything now. */
static u8 np_far_offer(struct np_conn *conn, struct net *net, const struct np_addr *dst)
{
	struct np_group *g;
	int err;

	do {
		g = np_far_listener(net, dst, conn->ifindex);
		if (!g)
			return NP_CODE_REFUSED;
		if (conn->group)
			np_group_put(conn->group);
		conn->group = g;
		err = np_connect_ask(conn);
	} while (err == -ESTALE);
	/* The client's kernel does not know. */
	if (err == -EINPROGRESS)
		np_stat_inc(net, NP_STAT_WAITED);
	return NP_CODE_NONE;
}

/* Returns what is to be said to the client, or NP_CODE_NONE. */
static u8 np_far_serve(struct np_nic_client *nc, u32 slot, struct net *net, int ifindex,
		       const struct np_preface *p)
{
	struct np_group *g;
	struct np_conn *conn;
	u8 code;

	if (!(p->offers & NP_OFFER_DIRECT) || !np_route_is_here(net, &p->dst.ip, ifindex))
		return NP_CODE_NOT_MINE;
	/* Programs trust what seems to come from their own host. */
	if (np_route_is_martian(&p->src.ip))
		return NP_CODE_REFUSED;
	g = np_far_listener(net, &p->dst, ifindex);
	if (!g)
		return NP_CODE_REFUSED;
	np_group_put(g);	/* no memory for those that nobody listens for */
	/* Nobody uses up what the others need. */
	if (READ_ONCE(nc->served[slot]) >= nc->quota)
		return NP_CODE_NO_MEMORY;
	conn = np_far_server_end(nc, net, ifindex, p);
	if (!conn)
		return NP_CODE_NO_MEMORY;
	np_conn_get(conn);
	if (!np_far_start(conn->far, slot)) {
		np_conn_drop_end(conn, NP_SERVER);
		code = NP_CODE_NONE;	/* nobody is there to be told */
		goto out;
	}
	code = NP_CODE_REFUSED;
	if (np_far_server_attach(conn->far, p))
		code = np_far_offer(conn, net, &p->dst);
	if (code) {
		np_far_event(conn->far, NP_EV_REFUSED);
		np_conn_drop_end(conn, NP_SERVER);
		code = NP_CODE_NONE;	/* its end says it */
	}
out:
	np_conn_put(conn);
	return code;
}

/**
 * np_far_incoming - another kernel's program connects
 * @nc: the NIC that it comes in at
 * @slot: from whom
 * @p: what it asks for
 *
 * Context: may sleep; one at a time for each NIC.
 */
void np_far_incoming(struct np_nic_client *nc, u32 slot, const struct np_preface *p)
{
	struct net *net = NULL;
	struct np_nic *nic;
	int ifindex = 0;
	u8 code;

	rcu_read_lock();
	nic = np_nic_of(nc);
	if (nic) {
		net = maybe_get_net(dev_net(nic->dev));
		ifindex = nic->dev->ifindex;
	}
	rcu_read_unlock();
	if (!net)
		return;
	code = np_far_serve(nc, slot, net, ifindex, p);
	if (code)
		np_far_refuse(nc, slot, p, code);
	put_net(net);
}
