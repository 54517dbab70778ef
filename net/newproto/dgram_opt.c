// SPDX-License-Identifier: GPL-2.0-only
/*
 * setsockopt() and getsockopt() of datagram sockets. What the table in option.c
 * lists of ip(7) and ipv6(7) is done by inet's own code, which keeps it where
 * the engines that the sockets use look for it.
 */
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include <uapi/linux/newproto.h>

#include "compat.h"
#include "dgram.h"
#include "option.h"

/* The option of a level that core and inet leave to us, as a place for a bool. */
static bool np_dgram_opt_get(struct sock *sk, int level, int name, int *val)
{
	struct np_dgram *dg = np_dg(sk);

	if (level == SOL_NEWPROTO && name == NEWPROTO_WAIT)
		*val = READ_ONCE(dg->wait);
	else if (level == SOL_UDP && name == UDP_CORK)
		*val = READ_ONCE(dg->corked);
	else if (level == SOL_UDP && name == UDP_NO_CHECK6_TX)
		*val = !!(READ_ONCE(dg->hints) & NP_DGRAM_NO_CHECK6_TX);
	else if (level == SOL_UDP && name == UDP_NO_CHECK6_RX)
		*val = !!(READ_ONCE(dg->hints) & NP_DGRAM_NO_CHECK6_RX);
	else
		return false;
	return true;
}

static void np_dgram_hint(struct sock *sk, u8 hint, bool on)
{
	struct np_dgram *dg = np_dg(sk);

	lock_sock(sk);
	WRITE_ONCE(dg->hints, on ? dg->hints | hint : dg->hints & ~hint);
	release_sock(sk);
}

static int np_dgram_opt_set(struct sock *sk, int level, int name, bool on, int flags)
{
	struct np_dgram *dg = np_dg(sk);

	if (level == SOL_NEWPROTO && name == NEWPROTO_WAIT) {
		WRITE_ONCE(dg->wait, on);
		return 0;
	}
	if (level != SOL_UDP)
		return -ENOPROTOOPT;
	switch (name) {
	case UDP_CORK:
		WRITE_ONCE(dg->corked, on);
		return on ? 0 : np_cork_flush(sk, flags);
	case UDP_NO_CHECK6_TX:
		np_dgram_hint(sk, NP_DGRAM_NO_CHECK6_TX, on);
		return 0;
	case UDP_NO_CHECK6_RX:
		np_dgram_hint(sk, NP_DGRAM_NO_CHECK6_RX, on);
		return 0;
	default:
		return -ENOPROTOOPT;
	}
}

/* Is an option one of those that inet's own code sees to? */
static bool np_dgram_opt_is_inet(const struct sock *sk, int level, int name)
{
	if (level == SOL_IPV6 && sk->sk_family != AF_INET6)
		return false;
	return np_opt_is_dgram(level, name);
}

/**
 * np_dgram_setsockopt - setsockopt(2), but for SOL_SOCKET
 * @sock: the socket
 * @level: the level
 * @name: the option
 * @val: its value
 * @len: the value's length
 *
 * Return: 0, -ENOPROTOOPT for what is refused, or what udp(7), ip(7) and
 * ipv6(7) say.
 */
int np_dgram_setsockopt(struct socket *sock, int level, int name, sockptr_t val,
			unsigned int len)
{
	struct sock *sk = sock->sk;
	int v, flags = 0;

	if (np_dgram_opt_is_inet(sk, level, name)) {
		if (level == SOL_IP)
			return ip_setsockopt(sk, level, name, val, len);
		return np_ipv6_setsockopt(sk, level, name, val, len);
	}
	if (np_group_is_opt(level, name))
		return np_group_setsockopt(sk, name, val, len);
	/* udp(7)'s look at the length first. */
	if (level == SOL_UDP && len < sizeof(v))
		return -EINVAL;
	if (!np_dgram_opt_get(sk, level, name, &v))
		return -ENOPROTOOPT;
	if (len < sizeof(v))
		return -EINVAL;
	if (copy_from_sockptr(&v, val, sizeof(v)))
		return -EFAULT;
	if (sock->file && sock->file->f_flags & O_NONBLOCK)
		flags = MSG_DONTWAIT;
	return np_dgram_opt_set(sk, level, name, v, flags);
}

/**
 * np_dgram_getsockopt - getsockopt(2), but for SOL_SOCKET
 * @sock: the socket
 * @level: the level
 * @name: the option
 * @val: where to put its value
 * @ulen: the room there; changed to what was used
 *
 * Return: 0, -ENOPROTOOPT for what is refused, -EINVAL, -EFAULT.
 */
int np_dgram_getsockopt(struct socket *sock, int level, int name,
			char __user *val, int __user *ulen)
{
	struct sock *sk = sock->sk;
	int v, len;

	if (np_dgram_opt_is_inet(sk, level, name)) {
		if (level == SOL_IP)
			return ip_getsockopt(sk, level, name, val, ulen);
		return np_ipv6_getsockopt(sk, level, name, val, ulen);
	}
	if (np_group_is_opt(level, name))
		return np_group_getsockopt(sk, name, val, ulen);
	if (!np_dgram_opt_get(sk, level, name, &v))
		return -ENOPROTOOPT;
	if (get_user(len, ulen))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	len = min_t(int, len, sizeof(v));
	if (put_user(len, ulen) || copy_to_user(val, &v, len))
		return -EFAULT;
	return 0;
}
