// SPDX-License-Identifier: GPL-2.0-only
/*
 * bind(): inet's own code does it, and asks here for the port.
 */
#include <net/inet_common.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/tcp_states.h>

#include "compat.h"
#include "sock.h"

/**
 * np_bind_local - the address a socket is bound to
 * @sk: the socket
 * @ip: where to put it; a wildcard stays one
 */
void np_bind_local(const struct sock *sk, struct in6_addr *ip)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6) {
		*ip = sk->sk_v6_rcv_saddr;
		return;
	}
#endif
	np_addr_set_v4(ip, sk->sk_rcv_saddr);
}

/**
 * np_bind_latch - fill in what a claim is judged by
 * @sk: the socket; its claim is on no port
 *
 * Context: lock_sock().
 */
void np_bind_latch(struct sock *sk)
{
	struct np_claim *c = &np_base(sk)->claim;

	np_bind_local(sk, &c->local);
	c->ifindex = READ_ONCE(sk->sk_bound_dev_if);
	c->uid = sk->sk_uid;
	c->v6only = ipv6_only_sock(sk);
	c->v6 = sk->sk_family == AF_INET6;
	c->reuse = sk->sk_reuse == SK_CAN_REUSE;
	c->reuseport = sk->sk_reuseport;
	/* A program was attached, for a group that is to be made of it. */
	c->loner = !!rcu_access_pointer(sk->sk_reuseport_cb);
	c->listening = false;
	c->connected = false;
}

/**
 * np_bind_restore - a bound socket is unconnected again
 * @sk: the socket; its claim is on a port
 *
 * Context: lock_sock().
 */
void np_bind_restore(struct sock *sk)
{
	struct in6_addr local;

	np_bind_local(sk, &local);
	np_claim_clear_peer(&np_base(sk)->claim, &local);
}

/**
 * np_bind_range - the ports that may be chosen for a socket
 * @sk: the socket
 * @range: where to put them: ip_local_port_range and ip_local_reserved_ports
 */
void np_bind_range(struct sock *sk, struct np_range *range)
{
	struct net *net = sock_net(sk);
	int lo, hi;

	inet_get_local_port_range(net, &lo, &hi);
	range->lo = lo;
	range->hi = hi;
	range->reserved = net->ipv4.sysctl_local_reserved_ports;
}

/**
 * np_bind_get_port - take a port for a socket
 * @sk: the socket, its address set
 * @snum: the port, host byte order; 0: any
 *
 * Context: lock_sock(). May sleep, unless between np_bind_let_program() and
 * np_bind_end_program(); then there is always @snum.
 *
 * Return: 0, -EADDRINUSE, -ENOMEM, -EOPNOTSUPP: a program does it, for one that is
 * to be in a group.
 */
int np_bind_get_port(struct sock *sk, unsigned short snum)
{
	struct np_ports *ports = np_sock_ports(sk);
	struct np_claim *c = &np_base(sk)->claim;
	struct np_range range;
	int err;

	np_bind_latch(sk);
	if (unlikely(c->atomic && c->reuseport))
		return -EOPNOTSUPP;
	if (snum) {
		err = np_claim_bind(ports, c, snum);
	} else {
		np_bind_range(sk, &range);
		err = np_claim_bind_any(ports, c, &range);
	}
	if (err)
		return err;
	/* Nobody can come back to a port that he has not chosen. */
	c->loner = false;
	err = np_group_join(sk, snum);
	if (err)
		np_claim_drop(ports, c);
	else
		inet_sk(sk)->inet_num = np_claim_number(c);
	return err;
}

/**
 * np_bind_let_program - a cgroup-BPF program is to run that may bind a socket
 * @sk: the socket
 *
 * Context: lock_sock().
 */
void np_bind_let_program(struct sock *sk)
{
	struct np_claim *c = &np_base(sk)->claim;

	/* One that is on a port is not bound again, and not ours to write to. */
	if (!c->port)
		c->atomic = true;
}

/**
 * np_bind_end_program - it has run
 * @sk: the socket
 *
 * Context: lock_sock().
 */
void np_bind_end_program(struct sock *sk)
{
	struct np_claim *c = &np_base(sk)->claim;

	/* What it has bound is like any other until it is dropped. */
	if (!c->port)
		c->atomic = false;
}

/**
 * np_bind_put_port - give a socket's port up
 * @sk: the socket
 */
void np_bind_put_port(struct sock *sk)
{
	struct np_claim *c = &np_base(sk)->claim;

	if (c->port) {
		np_group_leave(sk);
		np_claim_drop(np_sock_ports(sk), c);
	}
	inet_sk(sk)->inet_num = 0;
	inet_sk(sk)->inet_sport = 0;
}

/* As with TCP, a port that was chosen for a connection goes with it. */
static void np_bind_forget(struct sock *sk)
{
	lock_sock(sk);
	if (sk->sk_state == TCP_CLOSE && np_sk(sk)->conn &&
	    !(sk->sk_userlocks & SOCK_BINDPORT_LOCK))
		np_bind_put_port(sk);
	release_sock(sk);
}

/**
 * np_bind_addr - bind(2)
 * @sock: the socket
 * @uaddr: the address
 * @len: its length
 *
 * Return: 0 or what bind(2), ip(7) and ipv6(7) say.
 */
int np_bind_addr(struct socket *sock, struct sockaddr *uaddr, int len)
{
	if (READ_ONCE(np_sk(sock->sk)->conn))
		np_bind_forget(sock->sk);
#if IS_ENABLED(CONFIG_IPV6)
	if (sock->sk->sk_family == AF_INET6)
		return inet6_bind(sock, uaddr, len);
#endif
	return inet_bind(sock, uaddr, len);
}
