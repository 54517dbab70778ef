// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a socket: made, joined to a connection, shut down, closed.
 */
#include <net/inet_common.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/tcp_states.h>
#include <net/transp_v6.h>

#include <uapi/linux/newproto.h>

#include "dgram.h"
#include "far.h"
#include "sock.h"
#include "state.h"
#include "trace.h"

static struct lock_class_key np_lock_key[2];
static struct lock_class_key np_slock_key[2];

/**
 * np_base_init - prepare what sockets of every type begin with
 * @sk: just allocated, sock_init_data() done
 */
void np_base_init(struct sock *sk)
{
	int v6 = sk->sk_family == AF_INET6;

	/* TCP's lock classes are not ours: see the lock order in sock.h. */
	sock_lock_init_class_and_name(sk, v6 ? "slock-AF_NEWPROTO-v6" :
						"slock-AF_NEWPROTO",
				      &np_slock_key[v6],
				      v6 ? "sk_lock-AF_NEWPROTO-v6" :
					   "sk_lock-AF_NEWPROTO",
				      &np_lock_key[v6]);
	memset(&np_base(sk)->claim, 0, sizeof(np_base(sk)->claim));
	memset(&np_base(sk)->wish, 0, sizeof(np_base(sk)->wish));
	np_base(sk)->member = NULL;
	sock_prot_inuse_add(sock_net(sk), sk->sk_prot, 1);
}

/**
 * np_sock_init - make a stream socket out of what inet has prepared
 * @sk: just allocated, sock_init_data() done
 *
 * The same for both doors and for accept().
 *
 * Return: 0.
 */
int np_sock_init(struct sock *sk)
{
	struct np_sock *nsk = np_sk(sk);

	np_base_init(sk);
	mutex_init(&nsk->tx_lock);
	mutex_init(&nsk->rx_lock);
	nsk->tx = NULL;
	nsk->rx = NULL;
	nsk->conn = NULL;
	nsk->hints = NULL;
	nsk->wait = NULL;
	nsk->gen = 0;
	return 0;
}

#if IS_ENABLED(CONFIG_IPV6)
/* inet6_create() counts from the end of the object. */
static_assert(offsetofend(struct np6_sock, inet6) == sizeof(struct np6_sock));
static_assert(offsetofend(struct np6_dgram, inet6) == sizeof(struct np6_dgram));

static void np_sock_init_v6(struct sock *sk)
{
	struct ipv6_pinfo *inet6;

	/* Where inet6_create() finds it, too: at the end of the object. */
	inet6 = (void *)sk + sk->sk_prot->obj_size - sizeof(*inet6);
	inet_sk(sk)->pinet6 = inet6;
	inet6->hop_limit = -1;
	inet6->mcast_hops = IPV6_DEFAULT_MCASTHOPS;
	inet6->mc_loop = 1;
	inet6->mc_all = 1;
	inet6->pmtudisc = IPV6_PMTUDISC_WANT;
	sk->sk_ipv6only = sock_net(sk)->ipv6.sysctl.bindv6only;
	sk->sk_destruct = inet6_sock_destruct;
}
#else
static void np_sock_init_v6(struct sock *sk)
{
}
#endif

static struct proto *np_sock_proto(int family, int type)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (family == AF_INET6)
		return type == SOCK_DGRAM ? &np6_dgram_proto : &np6_proto;
#endif
	return type == SOCK_DGRAM ? &np_dgram_proto : &np_proto;
}

/**
 * np_sock_alloc - make a socket, as inet_create() and inet6_create() do
 * @net: its namespace
 * @sock: what it is for, or NULL: to be grafted later
 * @family: AF_INET or AF_INET6
 * @type: SOCK_*
 * @kern: made by the kernel for itself
 *
 * Context: may sleep. The current task's control groups are charged.
 *
 * Return: the socket, or NULL.
 */
struct sock *np_sock_alloc(struct net *net, struct socket *sock, int family,
			   int type, int kern)
{
	struct proto *prot = np_sock_proto(family, type);
	struct inet_sock *inet;
	struct sock *sk;

	sk = sk_alloc(net, family, GFP_KERNEL, prot, kern);
	if (!sk)
		return NULL;
	sock_init_data(sock, sk);
	sk->sk_type = type;
	sk->sk_protocol = IPPROTO_NEWPROTO;
	sk->sk_destruct = inet_sock_destruct;
	sk->sk_txrehash = READ_ONCE(net->core.sysctl_txrehash);
	inet = inet_sk(sk);
	inet->pmtudisc = IP_PMTUDISC_WANT;
	inet->uc_ttl = -1;
	inet->mc_loop = 1;
	inet->mc_ttl = 1;
	inet->mc_all = 1;
	if (family == AF_INET6)
		np_sock_init_v6(sk);
	prot->init(sk);
	return sk;
}

/**
 * np_sock_set_addrs - write down a connected socket's two addresses
 * @sk: the socket
 * @local: its own
 * @peer: the other end's
 *
 * Where inet keeps them, as getsockname() and BPF programs look there.
 *
 * Context: lock_sock(), or a socket that nobody else knows yet.
 */
void np_sock_set_addrs(struct sock *sk, const struct np_addr *local,
		       const struct np_addr *peer)
{
	struct inet_sock *inet = inet_sk(sk);
	__be32 v4local = LOOPBACK4_IPV6, v4peer = LOOPBACK4_IPV6;

	/* Only mapped addresses and wildcards have an IPv4 form. */
	if (np_addr_is_v4(&local->ip) || np_addr_is_any(&local->ip))
		v4local = np_addr_v4(&local->ip);
	if (np_addr_is_v4(&peer->ip) || np_addr_is_any(&peer->ip))
		v4peer = np_addr_v4(&peer->ip);
	inet->inet_rcv_saddr = v4local;
	inet->inet_saddr = v4local;
	inet->inet_daddr = v4peer;
	inet->inet_num = ntohs(local->port);
	inet->inet_sport = local->port;
	inet->inet_dport = peer->port;
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6) {
		sk->sk_v6_rcv_saddr = local->ip;
		inet6_sk(sk)->saddr = local->ip;
		sk->sk_v6_daddr = peer->ip;
	}
#endif
}

/**
 * np_sock_set_peercred - say who the other end is, for SO_PEERCRED
 * @sk: the socket
 * @cred: the peer's credentials
 * @pid: the peer
 */
void np_sock_set_peercred(struct sock *sk, const struct cred *cred,
			  struct pid *pid)
{
	const struct cred *old_cred;
	struct pid *old_pid;

	spin_lock(&sk->sk_peer_lock);
	old_pid = sk->sk_peer_pid;
	old_cred = sk->sk_peer_cred;
	sk->sk_peer_pid = get_pid(pid);
	sk->sk_peer_cred = cred ? np_cred_get(cred) : NULL;
	spin_unlock(&sk->sk_peer_lock);
	put_pid(old_pid);
	if (old_cred)
		put_cred(old_cred);
}

/**
 * np_sock_join_conn - a socket becomes an end of a connection
 * @sk: the socket, with its wait queue
 * @conn: the connection
 * @end: which end; its shares of the channels become the socket's
 *
 * Context: lock_sock(), or a socket that nobody else knows yet.
 */
void np_sock_join_conn(struct sock *sk, struct np_conn *conn, int end)
{
	struct np_sock *nsk = np_sk(sk);
	u32 lowat;

	mutex_lock(&nsk->tx_lock);
	mutex_lock(&nsk->rx_lock);
	WRITE_ONCE(nsk->conn, conn);
	nsk->end = end;
	WRITE_ONCE(nsk->tx, &conn->chan[end]);
	WRITE_ONCE(nsk->rx, &conn->chan[!end]);
	lowat = nsk->rx->lowat;
	/* A record is always enough. */
	if (sk->sk_type == SOCK_STREAM)
		lowat = min_t(u32, sk->sk_rcvlowat, sk->sk_rcvbuf / 2);
	np_chan_set_reader(nsk->rx, sk->sk_rcvbuf, lowat);
	mutex_unlock(&nsk->rx_lock);
	mutex_unlock(&nsk->tx_lock);
	np_conn_attach(conn, end, sk);
}

/**
 * np_sock_leave_conn - a socket ceases to be an end of a connection
 * @sk: the socket
 *
 * The other end has been told what it needs to know, but for bytes that it was
 * writing meanwhile: they will not be read, so it is reset. Afterwards nobody
 * touches the socket on the connection's behalf, and the other end's writes
 * fail.
 *
 * Context: lock_sock(). May sleep.
 */
void np_sock_leave_conn(struct sock *sk)
{
	struct np_sock *nsk = np_sk(sk);
	struct np_conn *conn = nsk->conn;
	struct np_chan *tx, *rx;
	bool unread;

	mutex_lock(&nsk->tx_lock);
	mutex_lock(&nsk->rx_lock);
	tx = nsk->tx;
	rx = nsk->rx;
	nsk->gen++;
	WRITE_ONCE(nsk->conn, NULL);
	WRITE_ONCE(nsk->tx, NULL);
	WRITE_ONCE(nsk->rx, NULL);
	mutex_unlock(&nsk->rx_lock);
	mutex_unlock(&nsk->tx_lock);

	np_connect_stop_wait(sk);
	np_chan_writer_leave(tx);
	/* First gone, then detached: see np_stream_tx_done(). */
	unread = np_chan_reader_leave(rx);
	np_conn_detach(conn, nsk->end);
	if (unread)
		np_conn_event(conn, !nsk->end, NP_EV_RESET);
	np_conn_wake_writer(conn, !nsk->end);
	if (unlikely(conn->far))
		np_far_left(conn->far);
	np_conn_put(conn);
}

/* This end sends no more: end the stream and tell the other end. */
static void np_sock_send_fin(struct np_sock *nsk)
{
	mutex_lock(&nsk->tx_lock);
	np_chan_finish(nsk->tx, NULL);
	mutex_unlock(&nsk->tx_lock);
	np_conn_event(nsk->conn, !nsk->end, NP_EV_FIN);
}

/* Note that this end sends no more; false if that is not news. */
static bool np_sock_half_close(struct sock *sk)
{
	struct np_conn *conn = np_sk(sk)->conn;
	bool news = true;

	spin_lock(&conn->lock);
	WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | SEND_SHUTDOWN);
	if (sk->sk_state == TCP_ESTABLISHED) {
		np_state_set(sk, TCP_FIN_WAIT2);
	} else if (sk->sk_state == TCP_CLOSE_WAIT || sk->sk_state == TCP_SYN_SENT) {
		/* The latter has a place in a queue that it is just being told of. */
		WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
		np_state_set(sk, TCP_CLOSE);
	} else {
		news = false;
	}
	spin_unlock(&conn->lock);
	return news;
}

/* This end wants no more bytes: as with TCP they would be answered by a reset, and
 * a writer who waits for room waits for nothing.
 */
static void np_sock_deafen(struct sock *sk)
{
	struct np_sock *nsk = np_sk(sk);

	mutex_lock(&nsk->rx_lock);
	np_chan_reader_deafen(nsk->rx);
	mutex_unlock(&nsk->rx_lock);
	np_conn_wake_writer(nsk->conn, !nsk->end);
}

static void np_sock_or_shutdown(struct sock *sk, int how)
{
	struct np_conn *conn = np_sk(sk)->conn;

	if (!conn) {
		WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | how);
		return;
	}
	spin_lock(&conn->lock);
	WRITE_ONCE(sk->sk_shutdown, sk->sk_shutdown | how);
	spin_unlock(&conn->lock);
}

/**
 * np_sock_shutdown - shutdown(2)
 * @sock: the socket
 * @how: SHUT_RD, SHUT_WR or SHUT_RDWR
 *
 * As TCP's: a listener or a waiting client goes back to being unconnected,
 * and what arrives after SHUT_RD can still be read.
 *
 * Return: 0, -EINVAL, -ENOTCONN.
 */
int np_sock_shutdown(struct socket *sock, int how)
{
	struct sock *sk = sock->sk;
	int err = 0;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	how++;	/* RCV_SHUTDOWN, SEND_SHUTDOWN or both */

	lock_sock(sk);
	if (sock->state == SS_CONNECTING) {
		if (sk->sk_state == TCP_SYN_SENT || sk->sk_state == TCP_CLOSE)
			sock->state = SS_DISCONNECTING;
		else
			sock->state = SS_CONNECTED;
	}
	switch (sk->sk_state) {
	case TCP_LISTEN:
		if (!(how & RCV_SHUTDOWN))
			break;
		fallthrough;
	case TCP_SYN_SENT:
		np_sock_disconnect(sk, O_NONBLOCK);
		sock->state = SS_UNCONNECTED;
		break;
	case TCP_CLOSE:
		err = -ENOTCONN;
		np_sock_or_shutdown(sk, how);
		break;
	default:
		np_sock_or_shutdown(sk, how);
		if (how & SEND_SHUTDOWN && np_sock_half_close(sk))
			np_sock_send_fin(np_sk(sk));
		if (READ_ONCE(sk->sk_shutdown) == SHUTDOWN_MASK && np_sk(sk)->conn)
			np_sock_deafen(sk);
		break;
	}
	sk->sk_state_change(sk);
	release_sock(sk);
	return err;
}

/* Why closing is not the orderly end of a stream, or NP_REASON_CLOSED. */
static enum np_reason np_sock_close_reason(struct sock *sk)
{
	struct np_sock *nsk = np_sk(sk);
	bool unread;

	if (sk->sk_state == TCP_CLOSE)
		return NP_REASON_CLOSED;
	if (sock_flag(sk, SOCK_LINGER) && !sk->sk_lingertime)
		return NP_REASON_LINGER_0;
	mutex_lock(&nsk->rx_lock);
	unread = np_chan_avail(nsk->rx);
	mutex_unlock(&nsk->rx_lock);
	return unread ? NP_REASON_UNREAD : NP_REASON_CLOSED;
}

/* The state of a socket whose connection is over. */
static void np_sock_set_closed(struct sock *sk)
{
	struct np_conn *conn = np_sk(sk)->conn;

	spin_lock(&conn->lock);
	WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
	if (sk->sk_state != TCP_CLOSE)
		np_state_set(sk, TCP_CLOSE);
	spin_unlock(&conn->lock);
}

/* End a connection, in order or by a reset. */
static void np_sock_end_conn(struct sock *sk, enum np_reason reason)
{
	struct np_sock *nsk = np_sk(sk);

	trace_newproto_close(sk, reason);
	if (nsk->end == NP_CLIENT && np_conn_cancel(nsk->conn)) {
		/* It was not connected yet: nobody is to be told. */
	} else if (reason != NP_REASON_CLOSED) {
		np_stat_inc(sock_net(sk), NP_STAT_RESET);
		np_conn_event(nsk->conn, !nsk->end, NP_EV_RESET);
	} else {
		if (!(READ_ONCE(nsk->conn->end[nsk->end].events) & ~NP_EV_FIN))
			np_stat_inc(sock_net(sk), NP_STAT_CLOSED);
		/* Before the other end hears of it: what it writes then is refused. */
		np_sock_deafen(sk);
		if (np_sock_half_close(sk))
			np_sock_send_fin(nsk);
	}
	np_sock_set_closed(sk);
	np_sock_leave_conn(sk);
}

/**
 * np_sock_disconnect - make a socket unconnected again
 * @sk: the socket
 * @flags: not used
 *
 * What connect() to AF_UNSPEC and shutdown() of a listener do. As with TCP the
 * other end of a connection is reset, addresses and ports that bind() did not
 * choose are given up, and SO_ERROR says ECONNRESET.
 *
 * Context: lock_sock(). May sleep.
 *
 * Return: 0.
 */
int np_sock_disconnect(struct sock *sk, int flags)
{
	struct np_sock *nsk = np_sk(sk);
	struct inet_sock *inet = inet_sk(sk);
	int old_state = sk->sk_state;

	if (sk->sk_state == TCP_LISTEN)
		np_listen_stop(sk);
	if (nsk->conn)
		np_sock_end_conn(sk, sk->sk_state == TCP_CLOSE ?
				     NP_REASON_CLOSED : NP_REASON_DISCONNECT);
	inet->inet_dport = 0;
	inet->inet_daddr = 0;
	if (!(sk->sk_userlocks & SOCK_BINDADDR_LOCK))
		inet_reset_saddr(sk);
	if (!(sk->sk_userlocks & SOCK_BINDPORT_LOCK) &&
	    (old_state != TCP_CLOSE || !nsk->base.claim.fixed))
		np_bind_put_port(sk);
	else if (nsk->base.claim.port)
		np_bind_restore(sk);
	WRITE_ONCE(sk->sk_shutdown, 0);
	if (old_state != TCP_CLOSE && old_state != TCP_LISTEN)
		WRITE_ONCE(sk->sk_err, ECONNRESET);
	sk_error_report(sk);
	/* Everybody, not just one of those that wait in accept(). */
	sk->sk_state_change(sk);
	return 0;
}

/**
 * np_sock_unhash - a socket that never came to be is freed
 * @sk: the socket
 */
void np_sock_unhash(struct sock *sk)
{
	np_bind_put_port(sk);
	np_hints_free(sk);
	sock_prot_inuse_add(sock_net(sk), sk->sk_prot, -1);
}

/**
 * np_sock_close - the last reference of a program is gone
 * @sk: the socket
 * @timeout: SO_LINGER's; what was written is at the other end already, so
 *	there is nothing to wait for
 *
 * Context: may sleep.
 */
void np_sock_close(struct sock *sk, long timeout)
{
	struct np_sock *nsk = np_sk(sk);

	lock_sock(sk);
	if (sk->sk_state == TCP_LISTEN)
		np_listen_stop(sk);
	if (nsk->conn)
		np_sock_end_conn(sk, np_sock_close_reason(sk));
	WRITE_ONCE(sk->sk_shutdown, SHUTDOWN_MASK);
	release_sock(sk);
	sk_common_release(sk);
}
