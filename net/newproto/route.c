// SPDX-License-Identifier: GPL-2.0-only
/*
 * Routes, as long as all there is to know is whether a destination is this
 * host's own, and which address to come from.
 */
#include <linux/inetdevice.h>
#include <net/addrconf.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/route.h>

#include "compat.h"
#include "route.h"
#include "sock.h"

/* Is an address this host's, and does the bound device @ifindex, if any, have it? */
static bool np_route_is_local_v4(struct net *net, __be32 addr, int ifindex)
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
static bool np_route_is_local_v6(struct net *net, const struct in6_addr *addr,
				 int ifindex)
{
	struct net_device *dev = NULL;
	bool local;

	if (!ipv6_mod_enabled())
		return false;
	/* Through lo every address is reached but those of one link. */
	if (ifindex == net->loopback_dev->ifindex &&
	    !(ipv6_addr_type(addr) & IPV6_ADDR_LINKLOCAL))
		ifindex = 0;
	rcu_read_lock();
	if (ifindex)
		dev = dev_get_by_index_rcu(net, ifindex);
	local = (dev || !ifindex) && ipv6_chk_addr(net, addr, dev, 0);
	rcu_read_unlock();
	return local;
}

/* Is it an address of this very device? */
static bool np_route_is_of_v6(struct net *net, const struct in6_addr *addr, int ifindex)
{
	struct net_device *dev;
	bool own;

	if (!ipv6_mod_enabled())
		return false;
	rcu_read_lock();
	dev = dev_get_by_index_rcu(net, ifindex);
	own = dev && ipv6_chk_addr(net, addr, dev, 1);
	rcu_read_unlock();
	return own;
}

/**
 * np_route_check_v6 - an IPv6 socket's own rules about where it may connect to
 * @sk: the socket; bound to the link of a link-local destination
 * @dst: the destination; a wildcard becomes the loopback address
 *
 * Context: lock_sock().
 *
 * Return: 0, -ENETUNREACH or -EINVAL.
 */
int np_route_check_v6(struct sock *sk, struct np_addr *dst)
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
static bool np_route_is_local_v6(struct net *net, const struct in6_addr *addr,
				 int ifindex)
{
	return false;
}

static bool np_route_is_of_v6(struct net *net, const struct in6_addr *addr, int ifindex)
{
	return false;
}

int np_route_check_v6(struct sock *sk, struct np_addr *dst)
{
	return -EAFNOSUPPORT;
}
#endif

/* The same for what a socket is bound to: IP_FREEBIND lets it be bound to any
 * address, but only IP_TRANSPARENT, which takes a privilege, lets it come from
 * one that is not this host's. Its own device @ifindex is only asked for an
 * address of one link.
 */
static int np_route_check_src(struct sock *sk, const struct in6_addr *ip,
			      int ifindex)
{
	bool local;

	if (np_inet_transparent(inet_sk(sk)))
		return 0;
	if (!(ipv6_addr_type(ip) & IPV6_ADDR_LINKLOCAL))
		ifindex = 0;
	if (np_addr_is_v4(ip))
		local = np_route_is_local_v4(sock_net(sk), np_addr_v4(ip), 0);
	else
		local = np_route_is_local_v6(sock_net(sk), ip, ifindex);
	if (local)
		return 0;
	return np_addr_is_v4(ip) ? -ENETUNREACH : -EINVAL;
}

/**
 * np_route_stream - where a connection goes, and where it comes from
 * @sk: the socket
 * @dst: the destination; a wildcard becomes the address it stands for
 * @src: where to put the address to come from
 *
 * Context: lock_sock(). May not sleep.
 *
 * Return: 0, -ENETUNREACH, -EINVAL.
 */
int np_route_stream(struct sock *sk, struct np_addr *dst, struct np_addr *src)
{
	struct inet_sock *inet = inet_sk(sk);
	struct net *net = sock_net(sk);
	__be32 v4;

	if (!np_addr_is_v4(&dst->ip)) {
		if (!np_route_is_local_v6(net, &dst->ip, sk->sk_bound_dev_if))
			return -ENETUNREACH;
		src->ip = dst->ip;
#if IS_ENABLED(CONFIG_IPV6)
		if (!ipv6_addr_any(&sk->sk_v6_rcv_saddr))
			src->ip = sk->sk_v6_rcv_saddr;
#endif
		return np_route_check_src(sk, &src->ip, sk->sk_bound_dev_if);
	}
	v4 = np_addr_v4(&dst->ip);
	if (!v4)
		v4 = inet->inet_saddr ?: htonl(INADDR_LOOPBACK);
	np_addr_set_v4(&dst->ip, v4);
	if (!np_route_is_local_v4(net, v4, sk->sk_bound_dev_if))
		return -ENETUNREACH;
	/* As the kernel's local routes have it. */
	if (ipv4_is_loopback(v4))
		v4 = htonl(INADDR_LOOPBACK);
	np_addr_set_v4(&src->ip, inet->inet_saddr ?: v4);
	if (!inet->inet_saddr)
		return 0;
	return np_route_check_src(sk, &src->ip, sk->sk_bound_dev_if);
}

/**
 * np_route_is_elsewhere - is an address to be looked for over a fabric?
 * @sk: the socket, bound to a NIC
 * @dst: the address
 *
 * Return: false for wildcards, and addresses of that NIC; others of this host may be
 * reached through another one of its NICs.
 */
bool np_route_is_elsewhere(struct sock *sk, const struct np_addr *dst)
{
	struct net *net = sock_net(sk);
	int ifindex = sk->sk_bound_dev_if;

	if (np_addr_is_any(&dst->ip))
		return false;
	if (np_addr_is_v4(&dst->ip))
		return !np_route_is_local_v4(net, np_addr_v4(&dst->ip), ifindex);
	return !np_route_is_of_v6(net, &dst->ip, ifindex);
}

/**
 * np_route_is_here - may a connection to an address come in from another kernel?
 * @net: the namespace
 * @ip: the address
 * @ifindex: the device that it comes in on
 *
 * As with inet any address of the host will do, but for those of the loopback device, and
 * of other links.
 */
bool np_route_is_here(struct net *net, const struct in6_addr *ip, int ifindex)
{
	if (np_addr_is_v4(ip))
		return !ipv4_is_loopback(np_addr_v4(ip)) &&
		       np_route_is_local_v4(net, np_addr_v4(ip), 0);
	if (ipv6_addr_loopback(ip))
		return false;
	if (!(ipv6_addr_type(ip) & IPV6_ADDR_LINKLOCAL))
		ifindex = 0;
	return np_route_is_local_v6(net, ip, ifindex);
}

/**
 * np_route_is_martian - can a connection from an address not come in from another kernel?
 * @ip: the address
 *
 * As inet has it for loopback, and what is no address of one host.
 */
bool np_route_is_martian(const struct in6_addr *ip)
{
	__be32 v4;

	if (!np_addr_is_v4(ip))
		return ipv6_addr_loopback(ip) || ipv6_addr_is_multicast(ip);
	v4 = np_addr_v4(ip);
	return ipv4_is_loopback(v4) || ipv4_is_multicast(v4) || ipv4_is_lbcast(v4) ||
	       ipv4_is_zeronet(v4);
}

/* An address of a device to come from. */
static int np_route_device_src(struct net_device *dev, const struct np_addr *dst,
			       struct np_addr *src)
{
	__be32 v4;

	if (np_addr_is_v4(&dst->ip)) {
		v4 = inet_select_addr(dev, np_addr_v4(&dst->ip), RT_SCOPE_LINK);
		np_addr_set_v4(&src->ip, v4);
		return v4 ? 0 : -EADDRNOTAVAIL;
	}
#if IS_ENABLED(CONFIG_IPV6)
	if (ipv6_mod_enabled())
		return ipv6_dev_get_saddr(dev_net(dev), dev, &dst->ip, 0, &src->ip);
#endif
	return -EADDRNOTAVAIL;
}

/**
 * np_route_device - where a connection over a NIC's fabric comes from
 * @sk: the socket, bound to the NIC
 * @dst: the destination, which is not the NIC's own
 * @src: where to put the address to come from
 *
 * Context: lock_sock().
 *
 * Return: 0; -ENETUNREACH: no such destination can be; -ENODEV, -ENETDOWN; -EADDRNOTAVAIL:
 * the NIC has no address; -EINVAL: the socket's own is not this host's (IPv6).
 */
int np_route_device(struct sock *sk, const struct np_addr *dst, struct np_addr *src)
{
	struct net *net = sock_net(sk);
	struct net_device *dev;
	int err;

	if (ipv6_addr_is_multicast(&dst->ip) ||
	    (np_addr_is_v4(&dst->ip) &&
	     (ipv4_is_multicast(np_addr_v4(&dst->ip)) ||
	      ipv4_is_loopback(np_addr_v4(&dst->ip)) ||
	      inet_addr_type(net, np_addr_v4(&dst->ip)) == RTN_BROADCAST)))
		return -ENETUNREACH;
	np_bind_local(sk, &src->ip);
	if (!np_addr_is_any(&src->ip))
		return np_route_check_src(sk, &src->ip, sk->sk_bound_dev_if);
	rcu_read_lock();
	dev = dev_get_by_index_rcu(net, sk->sk_bound_dev_if);
	if (!dev)
		err = -ENODEV;
	else if (!(READ_ONCE(dev->flags) & IFF_UP))
		err = -ENETDOWN;
	else
		err = np_route_device_src(dev, dst, src);
	rcu_read_unlock();
	return err;
}

/* What the rest of a datagram's way depends on: broadcasts want a permission,
 * and nothing but this host is reached.
 */
static int np_route_dgram_v4(struct sock *sk, struct np_flow *f)
{
	struct net *net = sock_net(sk);
	__be32 v4 = np_addr_v4(&f->dst.ip);

	/* As with UDP: this host, at the address that the datagram is from. */
	if (!v4)
		v4 = np_addr_is_any(&f->src.ip) ? htonl(INADDR_LOOPBACK) :
						  np_addr_v4(&f->src.ip);
	np_addr_set_v4(&f->dst.ip, v4);
	if (!np_route_is_local_v4(net, v4, f->ifindex)) {
		if (inet_addr_type(net, v4) == RTN_BROADCAST &&
		    !sock_flag(sk, SOCK_BROADCAST))
			return -EACCES;
		return -ENETUNREACH;
	}
	if (!np_addr_is_any(&f->src.ip))
		return np_route_check_src(sk, &f->src.ip, f->ifindex);
	np_addr_set_v4(&f->src.ip, ipv4_is_loopback(v4) ?
		       htonl(INADDR_LOOPBACK) : v4);
	return 0;
}

static int np_route_dgram_v6(struct sock *sk, struct np_flow *f)
{
	if (ipv6_addr_any(&f->dst.ip))
		f->dst.ip = in6addr_loopback;
	if (np_addr_is_v4(&f->src.ip))
		return -EAFNOSUPPORT;
	if (ipv6_addr_is_multicast(&f->dst.ip))
		return -ENETUNREACH;
	if (ipv6_addr_type(&f->dst.ip) & IPV6_ADDR_LINKLOCAL && !f->ifindex)
		return -ENETUNREACH;
	if (!np_route_is_local_v6(sock_net(sk), &f->dst.ip, f->ifindex))
		return -ENETUNREACH;
	if (!ipv6_addr_any(&f->src.ip))
		return np_route_check_src(sk, &f->src.ip, f->ifindex);
	f->src.ip = f->dst.ip;
	return 0;
}

/* Of two things that are wrong inet names the source first. */
static int np_route_no_device(struct sock *sk, const struct np_flow *f)
{
	int err = 0;

	if (!np_addr_is_any(&f->src.ip))
		err = np_route_check_src(sk, &f->src.ip, f->ifindex);
	return err ?: -ENODEV;
}

/**
 * np_route_dgram - where a datagram goes, and where it comes from
 * @sk: the socket
 * @f: destination, source and interface as far as they are given; completed
 *
 * Context: any. RCU read lock is taken.
 *
 * Return: 0, -ENETUNREACH, also for an IPv4 source that is not this host's,
 * -EINVAL for such an IPv6 source, -EAFNOSUPPORT for an IPv6 destination of a
 * socket with an IPv4 address, -EACCES for a broadcast address, -ENODEV for an
 * interface that is not there (IPv4).
 */
int np_route_dgram(struct sock *sk, struct np_flow *f)
{
	struct net *net = sock_net(sk);
	bool there = true;

	if (f->ifindex && f->ifindex != net->loopback_dev->ifindex) {
		rcu_read_lock();
		there = dev_get_by_index_rcu(net, f->ifindex);
		rcu_read_unlock();
	}
	if (!there && np_addr_is_v4(&f->dst.ip))
		return np_route_no_device(sk, f);
	if (!there)
		return -ENETUNREACH;
	return np_addr_is_v4(&f->dst.ip) ? np_route_dgram_v4(sk, f) :
					   np_route_dgram_v6(sk, f);
}
