// SPDX-License-Identifier: GPL-2.0-only
/*
 * connect() and socketpair(). inet_stream_connect() does the waiting and the
 * states of the struct socket, and calls np_connect() for the work.
 */
#include <linux/bpf-cgroup.h>
#include <net/addrconf.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/route.h>
#include <net/tcp_states.h>

#include "compat.h"
#include "sock.h"
#include "state.h"
#include "trace.h"

/**
 * np_connect_pre - let cgroup-BPF programs see, and change, the address
 * @sk: the socket
 * @uaddr: the address
 * @len: its length
 *
 * Context: lock_sock().
 *
 * Return: 0 or a negative errno.
 */
int np_connect_pre(struct sock *sk, struct sockaddr *uaddr, int len)
{
	if (sk->sk_family == AF_INET6) {
		if (len < SIN6_LEN_RFC2133)
			return -EINVAL;
		return BPF_CGROUP_RUN_PROG_INET6_CONNECT(sk, uaddr);
	}
	if (len < (int)sizeof(struct sockaddr_in))
		return -EINVAL;
	return BPF_CGROUP_RUN_PROG_INET4_CONNECT(sk, uaddr);
}

/* Is an address this host's, and does the bound device @ifindex, if any, have it? */
static bool np_connect_is_local_v4(struct net *net, __be32 addr, int ifindex)
{
	struct net_device *dev;
	bool local;

	if (!ifindex || ifindex == net->loopback_dev->ifindex)
		return inet_addr_type(net, addr) == RTN_LOCAL;
	rcu_read_lock();
	dev = dev_get_by_index_rcu(net, ifindex);
	local = dev && inet_dev_addr_type(net, dev, addr) == RTN_LOCAL;
	rcu_read_unlock();
	return local;
}

#if IS_ENABLED(CONFIG_IPV6)
static bool np_connect_is_local_v6(struct net *net, const struct in6_addr *addr,
				   int ifindex)
{
	struct net_device *dev = NULL;
	bool local;

	if (!ipv6_mod_enabled())
		return false;
	rcu_read_lock();
	if (ifindex && ifindex != net->loopback_dev->ifindex)
		dev = dev_get_by_index_rcu(net, ifindex);
	local = ipv6_chk_addr(net, addr, dev, 0);
	rcu_read_unlock();
	return local;
}

/* The IPv6 socket's own rules about where it may connect to. */
static int np_connect_check_v6(struct sock *sk, struct np_addr *dst)
{
	const struct in6_addr *bound = &sk->sk_v6_rcv_saddr;

	if (ipv6_addr_any(&dst->ip)) {
		if (ipv6_addr_v4mapped(bound))
			np_addr_set_v4(&dst->ip, htonl(INADDR_LOOPBACK));
		else
			dst->ip = in6addr_loopback;
	}
	if (np_addr_is_v4(&dst->ip))
		return ipv6_only_sock(sk) ? -ENETUNREACH : 0;
	if (ipv6_addr_v4mapped(bound) || ipv6_addr_is_multicast(&dst->ip))
		return -ENETUNREACH;
	if (!(ipv6_addr_type(&dst->ip) & IPV6_ADDR_LINKLOCAL))
		return 0;
	if (dst->scope) {
		if (sk->sk_bound_dev_if && sk->sk_bound_dev_if != dst->scope)
			return -EINVAL;
		WRITE_ONCE(sk->sk_bound_dev_if, dst->scope);
	}
	return sk->sk_bound_dev_if ? 0 : -EINVAL;
}
#else
static bool np_connect_is_local_v6(struct net *net, const struct in6_addr *addr,
				   int ifindex)
{
	return false;
}

static int np_connect_check_v6(struct sock *sk, struct np_addr *dst)
{
	return -EAFNOSUPPORT;
}
#endif

/* Find out whether @dst can be reached, and which address to come from. */
static int np_connect_route(struct sock *sk, struct np_addr *dst,
			    struct np_addr *src)
{
	struct inet_sock *inet = inet_sk(sk);
	struct net *net = sock_net(sk);
	__be32 v4;

	if (!np_addr_is_v4(&dst->ip)) {
		if (!np_connect_is_local_v6(net, &dst->ip, sk->sk_bound_dev_if))
			return -ENETUNREACH;
		src->ip = dst->ip;
#if IS_ENABLED(CONFIG_IPV6)
		if (!ipv6_addr_any(&sk->sk_v6_rcv_saddr))
			src->ip = sk->sk_v6_rcv_saddr;
#endif
		return 0;
	}
	v4 = np_addr_v4(&dst->ip);
	if (!v4)
		v4 = inet->inet_saddr ?: htonl(INADDR_LOOPBACK);
	np_addr_set_v4(&dst->ip, v4);
	if (!np_connect_is_local_v4(net, v4, sk->sk_bound_dev_if))
		return -ENETUNREACH;
	/* As the kernel's local routes have it. */
	if (ipv4_is_loopback(v4))
		v4 = htonl(INADDR_LOOPBACK);
	np_addr_set_v4(&src->ip, inet->inet_saddr ?: v4);
	return 0;
}

/* Who listens there? Returns a reference or NULL. */
static struct np_group *np_connect_find(struct sock *sk, const struct np_addr *dst)
{
	struct net *net = sock_net(sk);
	int ifindex = net->loopback_dev->ifindex;
	struct np_listener *l;
	struct np_group *g = NULL;

	if (ipv6_addr_type(&dst->ip) & IPV6_ADDR_LINKLOCAL)
		ifindex = sk->sk_bound_dev_if;
	rcu_read_lock();
	l = np_port_lookup(&np_net(net)->stream_ports, dst, ifindex);
	if (l) {
		g = container_of(l, struct np_group, listener);
		if (!np_group_tryget(g))
			g = NULL;
	}
	rcu_read_unlock();
	return g;
}

/* Make sure of a port; @src's is filled in. */
static int np_connect_claim(struct sock *sk, struct np_addr *src,
			    const struct np_addr *dst)
{
	struct np_claim *c = &np_sk(sk)->claim;
	struct np_range range;
	int err;

	if (c->port) {
		src->port = htons(np_claim_number(c));
		return np_claim_set_peer(c, src, dst);
	}
	np_bind_latch(sk);
	c->local = src->ip;
	c->peer = dst->ip;
	c->peer_port = dst->port;
	c->connected = true;
	np_bind_range(sk, &range);
	err = np_claim_connect(&np_net(sock_net(sk))->stream_ports, c, &range);
	src->port = htons(np_claim_number(c));
	return err;
}

static struct np_conn *np_connect_conn(struct sock *sk, const struct np_addr *src,
				       const struct np_addr *dst)
{
	struct np_conn *conn = np_conn_alloc(&np_net(sock_net(sk))->pool);

	if (!conn)
		return NULL;
	conn->end[NP_CLIENT].ip = src->ip;
	conn->end[NP_CLIENT].port = src->port;
	conn->end[NP_SERVER].ip = dst->ip;
	conn->end[NP_SERVER].port = dst->port;
	return conn;
}

/* Put everything back that np_connect() may have changed. */
static void np_connect_undo(struct sock *sk, const struct in6_addr *bound)
{
	struct inet_sock *inet = inet_sk(sk);
	struct np_addr local = { .ip = *bound, .port = inet->inet_sport };
	struct np_addr none = { };

	if (!(sk->sk_userlocks & SOCK_BINDPORT_LOCK) && !np_sk(sk)->claim.fixed)
		np_bind_put_port(sk);
	local.port = htons(inet->inet_num);
	np_sock_set_addrs(sk, &local, &none);
	inet->inet_daddr = 0;
	if (np_sk(sk)->claim.port)
		np_bind_restore(sk);
}

static int np_connect_offer(struct sock *sk, struct np_conn *conn)
{
	struct net *net = sock_net(sk);
	int err;

	np_sock_set_peercred(sk, conn->group->cred, conn->group->pid);
	np_state_set(sk, TCP_SYN_SENT);
	np_sock_join_conn(sk, conn, NP_CLIENT);
	err = np_group_offer(conn->group, conn);
	if (!err) {
		np_stat_inc(net, NP_STAT_CONNECTED);
		trace_newproto_connect(sk, NP_REASON_CONNECTED);
		return 0;
	}
	if (err == -EINPROGRESS) {
		np_stat_inc(net, NP_STAT_WAITED);
		trace_newproto_connect(sk, NP_REASON_QUEUE_FULL);
		sk_reset_timer(sk, &sk->sk_timer, jiffies +
			       msecs_to_jiffies(np_net(net)->connect_timeout));
		return 0;
	}
	np_conn_drop_end(conn, NP_SERVER);
	np_state_set(sk, TCP_CLOSE);
	np_sock_leave_conn(sk);
	return err;
}

static int np_connect_refuse(struct sock *sk, const struct np_addr *dst, int err,
			     enum np_stat stat, enum np_reason reason)
{
	np_stat_inc(sock_net(sk), stat);
	trace_newproto_refuse(sk, dst, reason);
	return err;
}

/* With the listener's group found: get a port, and a place in its queue. */
static int np_connect_group(struct sock *sk, struct np_group *g,
			    struct np_addr *src, const struct np_addr *dst)
{
	struct in6_addr bound;
	struct np_conn *conn;
	int err;

	np_addr_set_v4(&bound, inet_sk(sk)->inet_rcv_saddr);
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6)
		bound = sk->sk_v6_rcv_saddr;
#endif
	err = np_connect_claim(sk, src, dst);
	if (err) {
		np_group_put(g);
		return np_connect_refuse(sk, dst, err, NP_STAT_UNREACHABLE,
					 NP_REASON_NO_PORT);
	}
	conn = np_connect_conn(sk, src, dst);
	if (!conn) {
		np_group_put(g);
		np_connect_undo(sk, &bound);
		return -ENOMEM;
	}
	conn->group = g;
	np_sock_set_addrs(sk, src, dst);
	err = np_connect_offer(sk, conn);
	if (err) {
		np_connect_undo(sk, &bound);
		np_connect_refuse(sk, dst, err, NP_STAT_REFUSED,
				  NP_REASON_LISTENER_CLOSED);
	}
	return err;
}

/**
 * np_connect - connect(2), the part that inet leaves to the protocol
 * @sk: the socket
 * @uaddr: the address
 * @len: its length
 *
 * Context: lock_sock(), the socket in TCP_CLOSE. May sleep.
 *
 * Return: 0: the socket is in TCP_ESTABLISHED, or in TCP_SYN_SENT and waits
 * for a place in a full queue; or what connect(2) says.
 */
int np_connect(struct sock *sk, struct sockaddr *uaddr, int len)
{
	struct np_addr dst, src = { };
	struct np_group *g;
	int err;

	err = np_addr_parse(&dst, uaddr, len, sk->sk_family);
	if (!err && sk->sk_family == AF_INET6)
		err = np_connect_check_v6(sk, &dst);
	if (err)
		return err;
	/* What an earlier attempt that failed has left behind. */
	if (np_sk(sk)->conn)
		np_sock_disconnect(sk, 0);
	err = np_connect_route(sk, &dst, &src);
	if (err)
		return np_connect_refuse(sk, &dst, err, NP_STAT_UNREACHABLE,
					 NP_REASON_NOT_LOCAL);
	g = np_connect_find(sk, &dst);
	if (!g)
		return np_connect_refuse(sk, &dst, -ECONNREFUSED, NP_STAT_REFUSED,
					 NP_REASON_NO_LISTENER);
	return np_connect_group(sk, g, &src, &dst);
}

/**
 * np_connect_timeout - sk_timer of a client that waits for a place
 * @t: the timer; it holds a reference to the socket
 */
void np_connect_timeout(struct timer_list *t)
{
	struct sock *sk = from_timer(sk, t, sk_timer);
	struct np_conn *conn;

	bh_lock_sock(sk);
	conn = np_sk(sk)->conn;
	if (sock_owned_by_user(sk)) {
		sk_reset_timer(sk, &sk->sk_timer, jiffies + HZ / 20);
	} else if (conn && np_group_lapse(conn)) {
		np_stat_inc(sock_net(sk), NP_STAT_TIMED_OUT);
		trace_newproto_close(sk, NP_REASON_TIMED_OUT);
		np_conn_event(conn, NP_CLIENT, NP_EV_TIMEOUT);
	}
	bh_unlock_sock(sk);
	sock_put(sk);
}

/* One end of a socketpair gets an address: the loopback one and a port. */
static int np_connect_pair_bind(struct sock *sk, struct np_addr *local)
{
	struct np_claim *c = &np_sk(sk)->claim;
	struct np_range range;
	int err;

	local->ip = in6addr_loopback;
	if (sk->sk_family == AF_INET)
		np_addr_set_v4(&local->ip, htonl(INADDR_LOOPBACK));
	np_bind_latch(sk);
	c->local = local->ip;
	np_bind_range(sk, &range);
	err = np_claim_bind_any(&np_net(sock_net(sk))->stream_ports, c, &range);
	local->port = htons(np_claim_number(c));
	return err;
}

static void np_connect_pair_join(struct sock *sk, struct np_conn *conn, int end,
				 const struct np_addr *local,
				 const struct np_addr *peer)
{
	np_sock_set_peercred(sk, conn->cred, conn->pid);
	np_sock_set_addrs(sk, local, peer);
	np_claim_set_peer(&np_sk(sk)->claim, local, peer);
	np_state_set(sk, TCP_ESTABLISHED);
	np_sock_join_conn(sk, conn, end);
	sk->sk_socket->state = SS_CONNECTED;
}

/**
 * np_connect_pair - socketpair(2)
 * @a: one socket, which no program knows yet
 * @b: the other
 *
 * Context: may sleep.
 *
 * Return: 0, -EADDRINUSE if there is no port, -ENOMEM.
 */
int np_connect_pair(struct socket *a, struct socket *b)
{
	struct np_addr end_a = { }, end_b = { };
	struct np_conn *conn;
	int err;

	err = np_connect_pair_bind(a->sk, &end_a);
	if (err)
		return err;
	err = np_connect_pair_bind(b->sk, &end_b);
	if (err)
		return err;
	conn = np_connect_conn(a->sk, &end_a, &end_b);
	if (!conn)
		return -ENOMEM;
	conn->stage = NP_CONN_TAKEN;
	conn->chan[NP_CLIENT].rcap = b->sk->sk_rcvbuf;
	np_connect_pair_join(a->sk, conn, NP_CLIENT, &end_a, &end_b);
	np_connect_pair_join(b->sk, conn, NP_SERVER, &end_b, &end_a);
	return 0;
}
