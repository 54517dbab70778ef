// SPDX-License-Identifier: GPL-2.0-only
/*
 * listen() and accept().
 */
#include <linux/security.h>
#include <net/tcp_states.h>

#include "compat.h"
#include "group.h"
#include "sock.h"
#include "state.h"
#include "trace.h"

/* Let connections come in on a socket that is bound. */
static int np_listen_start(struct sock *sk, int backlog)
{
	struct np_base *b = np_base(sk);
	struct np_group *g;
	int err;

	if (!b->claim.port) {
		err = np_bind_get_port(sk, 0);
		if (err)
			return err;
		inet_sk(sk)->inet_sport = htons(inet_sk(sk)->inet_num);
	}
	err = np_claim_listen(&b->claim);
	if (err)
		return err;
	if (!b->member && np_group_join_lone(sk)) {
		np_claim_unlisten(&b->claim);
		return -ENOMEM;
	}
	g = b->member->group;
	/* What has waited for a successor is told of at once: poll() has to see it then. */
	np_state_set(sk, TCP_LISTEN);
	err = np_member_start(b->member, backlog, READ_ONCE(sk->sk_rcvbuf));
	if (err) {
		np_state_set(sk, TCP_CLOSE);
		np_claim_unlisten(&b->claim);
		return err;
	}
	/* Somebody is here before anybody looks. */
	np_claim_publish(&b->claim, &g->listener);
	np_group_hold_port(g, &b->claim);
	return 0;
}

/**
 * np_listen - listen(2)
 * @sock: the socket
 * @backlog: one more than this may be pending; may be called again to change it
 *
 * Return: 0, -EINVAL if it is connected, -EADDRINUSE, -ENOMEM.
 */
int np_listen(struct socket *sock, int backlog)
{
	struct sock *sk = sock->sk;
	int err = -EINVAL;

	lock_sock(sk);
	if (sock->state != SS_UNCONNECTED)
		goto out;
	if (sk->sk_state == TCP_LISTEN) {
		np_member_set_backlog(np_base(sk)->member, backlog);
		err = 0;
	} else if (sk->sk_state == TCP_CLOSE) {
		err = np_listen_start(sk, backlog);
	}
	if (!err)
		WRITE_ONCE(sk->sk_max_ack_backlog, backlog);
out:
	release_sock(sk);
	return err;
}

/**
 * np_listen_stop - a listener ceases to listen
 * @sk: the socket
 *
 * Context: lock_sock(). May sleep.
 */
void np_listen_stop(struct sock *sk)
{
	struct np_base *b = np_base(sk);
	struct np_member *m = b->member;
	unsigned int turned_away;

	np_claim_unlisten(&b->claim);
	np_claim_unpublish(&b->claim, &m->group->listener);
	turned_away = np_member_stop(m);
	this_cpu_add(np_net(sock_net(sk))->stats->v[NP_STAT_TURNED_AWAY],
		     turned_away);
	np_state_set(sk, TCP_CLOSE);
	if (!b->claim.share)
		np_group_leave(sk);
}

/* What TCP's accepted sockets have from their listener, ours have too. */
static int np_accept_inherit(struct sock *child, const struct sock *lsk)
{
	static const enum sock_flags flags[] = {
		SOCK_LINGER, SOCK_KEEPOPEN, SOCK_URGINLINE, SOCK_BROADCAST,
		SOCK_DBG, SOCK_LOCALROUTE, SOCK_RCVTSTAMP, SOCK_RCVTSTAMPNS,
		SOCK_TSTAMP_NEW, SOCK_RXQ_OVFL, SOCK_SELECT_ERR_QUEUE,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++)
		if (sock_flag(lsk, flags[i]))
			sock_set_flag(child, flags[i]);
	child->sk_lingertime = lsk->sk_lingertime;
	child->sk_rcvbuf = READ_ONCE(lsk->sk_rcvbuf);
	child->sk_sndbuf = READ_ONCE(lsk->sk_sndbuf);
	child->sk_userlocks = lsk->sk_userlocks &
			      (SOCK_SNDBUF_LOCK | SOCK_RCVBUF_LOCK);
	child->sk_rcvlowat = READ_ONCE(lsk->sk_rcvlowat);
	child->sk_rcvtimeo = READ_ONCE(lsk->sk_rcvtimeo);
	child->sk_sndtimeo = READ_ONCE(lsk->sk_sndtimeo);
	child->sk_mark = READ_ONCE(lsk->sk_mark);
	child->sk_bound_dev_if = READ_ONCE(lsk->sk_bound_dev_if);
	child->sk_reuse = lsk->sk_reuse;
	child->sk_reuseport = lsk->sk_reuseport;
	child->sk_ipv6only = lsk->sk_ipv6only;
	child->sk_tsflags = READ_ONCE(lsk->sk_tsflags);
	child->sk_max_pacing_rate = READ_ONCE(lsk->sk_max_pacing_rate);
	child->sk_txrehash = lsk->sk_txrehash;
#ifdef CONFIG_NET_RX_BUSY_POLL
	child->sk_ll_usec = READ_ONCE(lsk->sk_ll_usec);
#endif
	child->sk_incoming_cpu = READ_ONCE(lsk->sk_incoming_cpu);
	np_inet_copy_flags(inet_sk(child), inet_sk(lsk));
	return np_hints_copy(child, lsk);
}

/* Make the socket for a connection that is there to be accepted. */
static struct sock *np_accept_alloc(struct sock *lsk, int kern)
{
	struct sock *child;

	child = np_sock_alloc(sock_net(lsk), NULL, lsk->sk_family,
			      lsk->sk_type, kern);
	if (!child)
		return NULL;
	security_sk_clone(lsk, child);
	if (np_accept_inherit(child, lsk)) {
		sk_common_release(child);
		return NULL;
	}
	return child;
}

/* An accepted socket holds its listener's port, as inet's does. */
static void np_accept_claim(struct sock *child, struct sock *lsk,
			    const struct np_addr *local,
			    const struct np_addr *peer)
{
	struct np_claim *c = &np_base(child)->claim;
	struct np_claim *parent = &np_base(lsk)->claim;

	c->local = local->ip;
	c->peer = peer->ip;
	c->peer_port = peer->port;
	c->connected = true;
	c->ifindex = child->sk_bound_dev_if;
	c->uid = parent->uid;
	c->v6only = parent->v6only;
	c->reuse = parent->reuse;
	c->reuseport = parent->reuseport;
	np_claim_join(c, parent);
}

/* Nothing fails from here on: the connection is off the queue. */
static void np_accept_finish(struct sock *lsk, struct sock *child,
			     struct np_conn *conn, struct socket *newsock)
{
	struct np_addr local = {
		.ip = conn->end[NP_SERVER].ip,
		.port = conn->end[NP_SERVER].port,
	};
	struct np_addr peer = {
		.ip = conn->end[NP_CLIENT].ip,
		.port = conn->end[NP_CLIENT].port,
	};

	if (conn->ifindex)
		child->sk_bound_dev_if = conn->ifindex;
	np_sock_set_addrs(child, &local, &peer);
	np_accept_claim(child, lsk, &local, &peer);
	np_sock_set_peercred(child, conn->cred, conn->pid);
	np_state_set(child, TCP_ESTABLISHED);
	sock_graft(child, newsock);
	newsock->state = SS_CONNECTED;
	np_sock_join_conn(child, conn, NP_SERVER);
	np_conn_put(conn);
	np_stat_inc(sock_net(child), NP_STAT_ACCEPTED);
	trace_newproto_accept(child, NP_REASON_CONNECTED);
}

/* Wait until there is something to accept. */
static int np_accept_wait(struct sock *lsk, long *timeo)
{
	struct np_member *m = np_base(lsk)->member;
	DEFINE_WAIT(wait);
	int err = 0;

	if (lsk->sk_state == TCP_LISTEN && np_member_has_work(m))
		return 0;
	/* One at a time: a connection is for one accept() only. */
	for (;;) {
		prepare_to_wait_exclusive(sk_sleep(lsk), &wait, TASK_INTERRUPTIBLE);
		/* Another thread may have made it listen anew meanwhile. */
		m = np_base(lsk)->member;
		if (lsk->sk_state != TCP_LISTEN)
			err = -EINVAL;
		else if (np_member_has_work(m))
			break;
		else if (!*timeo)
			err = -EAGAIN;
		else if (signal_pending(current))
			err = sock_intr_errno(*timeo);
		if (err)
			break;
		release_sock(lsk);
		*timeo = schedule_timeout(*timeo);
		lock_sock(lsk);
	}
	finish_wait(sk_sleep(lsk), &wait);
	return err;
}

/**
 * np_accept - accept(2)
 * @lsk: the listener
 * @newsock: what the connection's socket is made for
 * @flags: O_NONBLOCK
 * @kern: accepted by the kernel for itself
 *
 * The socket is made before the connection is taken off its queue, so that a
 * connection is not lost where there is no memory.
 *
 * Context: may sleep.
 *
 * Return: 0 or what accept(2) says.
 */
int np_accept(struct sock *lsk, struct socket *newsock, int flags, int kern)
{
	long timeo = sock_rcvtimeo(lsk, flags & O_NONBLOCK);
	struct np_conn *conn;
	struct sock *child;
	int err;

	lock_sock(lsk);
	for (;;) {
		err = np_accept_wait(lsk, &timeo);
		if (err)
			break;
		child = np_accept_alloc(lsk, kern);
		if (!child) {
			err = -ENOMEM;
			/* Another one's accept() may do better. */
			lsk->sk_data_ready(lsk);
			break;
		}
		conn = np_member_take(np_base(lsk)->member);
		if (likely(conn)) {
			np_accept_finish(lsk, child, conn, newsock);
			break;
		}
		/* This one was silent, and another member was faster, or the
		 * other way round.
		 */
		sk_common_release(child);
	}
	release_sock(lsk);
	return err;
}
