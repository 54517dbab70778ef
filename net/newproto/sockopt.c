// SPDX-License-Identifier: GPL-2.0-only
/*
 * setsockopt() and getsockopt() of the levels that core leaves to the
 * protocol. The table in option.c says what becomes of each option.
 */
#include <linux/capability.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <linux/uaccess.h>
#include <net/tcp_states.h>

#include "compat.h"
#include "option.h"
#include "sock.h"

/* A socket's row, or NULL: an IPv4 socket has no options of ipv6(7), and what
 * carries no stream has none of tcp(7).
 */
static const struct np_opt *np_sockopt_find(const struct sock *sk, int level,
					    int name)
{
	if (level == IPPROTO_IPV6 && sk->sk_family != AF_INET6)
		return NULL;
	if (level == IPPROTO_TCP && sk->sk_type != SOCK_STREAM)
		return NULL;
	return np_opt_find(level, name);
}

/* A socket's stored options, made when first needed. */
static struct np_hints *np_sockopt_hints(struct sock *sk)
{
	struct np_sock *nsk = np_sk(sk);

	if (!nsk->hints) {
		nsk->hints = kmalloc(sizeof(*nsk->hints), GFP_KERNEL_ACCOUNT);
		if (nsk->hints)
			np_hints_init(nsk->hints);
	}
	return nsk->hints;
}

/**
 * np_hints_copy - give a socket the stored options of another
 * @to: a socket that nobody else knows yet
 * @from: the other; lock_sock()
 *
 * Return: 0 or -ENOMEM.
 */
int np_hints_copy(struct sock *to, const struct sock *from)
{
	struct np_hints *h = np_sk(from)->hints;

	if (!h)
		return 0;
	np_sk(to)->hints = kmemdup(h, sizeof(*h), GFP_KERNEL_ACCOUNT);
	return np_sk(to)->hints ? 0 : -ENOMEM;
}

/**
 * np_hints_free - free a socket's stored options
 * @sk: the socket
 */
void np_hints_free(struct sock *sk)
{
	kfree(np_sk(sk)->hints);
	np_sk(sk)->hints = NULL;
}

static int np_sockopt_set_string(struct sock *sk, sockptr_t val, unsigned int len)
{
	char name[NP_HINT_STRING] = { };
	struct np_hints *h;

	if (len < 1)
		return -EINVAL;
	if (copy_from_sockptr(name, val, min_t(size_t, len, sizeof(name) - 1)))
		return -EFAULT;
	h = np_sockopt_hints(sk);
	if (!h)
		return -ENOMEM;
	memcpy(h->congestion, name, sizeof(name));
	return 0;
}

static int np_sockopt_set_hint(struct sock *sk, const struct np_opt *o, int val)
{
	struct np_hints *h = np_sockopt_hints(sk);

	if (!h)
		return -ENOMEM;
	h->v[o->hint] = val;
	return 0;
}

static int np_sockopt_set_transparent(struct sock *sk, int val)
{
	struct user_namespace *ns = sock_net(sk)->user_ns;

	if (val && !ns_capable(ns, CAP_NET_RAW) && !ns_capable(ns, CAP_NET_ADMIN))
		return -EPERM;
	np_inet_set_transparent(inet_sk(sk), val);
	return 0;
}

/* Those that work. */
static int np_sockopt_set_working(struct sock *sk, const struct np_opt *o, int val)
{
	switch (o->kind) {
	case NP_OPT_V6ONLY:
		if (inet_sk(sk)->inet_num)
			return -EINVAL;
		sk->sk_ipv6only = val;
		return 0;
	case NP_OPT_FREEBIND:
		np_inet_set_freebind(inet_sk(sk), val);
		return 0;
	case NP_OPT_BIND_NO_PORT:
		np_inet_set_bind_no_port(inet_sk(sk), val);
		return 0;
	case NP_OPT_TRANSPARENT:
		return np_sockopt_set_transparent(sk, val);
	default:
		return -ENOPROTOOPT;
	}
}

/**
 * np_setsockopt - setsockopt(2), but for SOL_SOCKET
 * @sock: the socket
 * @level: the level
 * @name: the option
 * @val: its value
 * @len: the value's length
 *
 * Return: 0, -ENOPROTOOPT for what is refused, or what tcp(7), ip(7) and
 * ipv6(7) say.
 */
int np_setsockopt(struct socket *sock, int level, int name, sockptr_t val,
		  unsigned int len)
{
	struct sock *sk = sock->sk;
	const struct np_opt *o = np_sockopt_find(sk, level, name);
	int v, err;

	if (np_group_is_opt(level, name))
		return np_group_setsockopt(sk, name, val, len);
	if (!o || o->flags & NP_OPT_GET_ONLY)
		return -ENOPROTOOPT;
	if (o->kind == NP_OPT_STRING) {
		lock_sock(sk);
		err = np_sockopt_set_string(sk, val, len);
		release_sock(sk);
		return err;
	}
	err = np_opt_read(o, val, len, &v);
	if (!err)
		err = np_opt_check(o, &v);
	if (err)
		return err;
	lock_sock(sk);
	if (o->kind == NP_OPT_HINT)
		err = np_sockopt_set_hint(sk, o, v);
	else
		err = np_sockopt_set_working(sk, o, v);
	release_sock(sk);
	return err;
}

static int np_sockopt_get_string(struct sock *sk, char __user *val,
				 int __user *ulen)
{
	char name[NP_HINT_STRING] = "cubic";
	int len;

	if (get_user(len, ulen))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	lock_sock(sk);
	if (np_sk(sk)->hints)
		memcpy(name, np_sk(sk)->hints->congestion, sizeof(name));
	release_sock(sk);
	len = min_t(int, len, sizeof(name));
	if (put_user(len, ulen) || copy_to_user(val, name, len))
		return -EFAULT;
	return 0;
}

/* TCP_INFO: what programs look at to show a connection. There is no network,
 * so nothing is lost, retransmitted or measured.
 */
static int np_sockopt_get_info(struct sock *sk, char __user *val, int __user *ulen)
{
	struct tcp_info info = { };
	int len;

	if (get_user(len, ulen))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	info.tcpi_state = READ_ONCE(sk->sk_state);
	info.tcpi_ca_state = TCP_CA_Open;
	info.tcpi_snd_mss = 65483;
	info.tcpi_rcv_mss = 65483;
	info.tcpi_advmss = 65483;
	info.tcpi_pmtu = 65535;
	info.tcpi_snd_cwnd = 10;
	info.tcpi_notsent_bytes = np_stream_outq(sk);
	info.tcpi_rcv_space = READ_ONCE(sk->sk_rcvbuf);
	len = min_t(int, len, sizeof(info));
	if (put_user(len, ulen) || copy_to_user(val, &info, len))
		return -EFAULT;
	return 0;
}

static int np_sockopt_value(struct sock *sk, const struct np_opt *o)
{
	struct np_hints *h = np_sk(sk)->hints;

	switch (o->kind) {
	case NP_OPT_V6ONLY:
		return sk->sk_ipv6only;
	case NP_OPT_FREEBIND:
		return np_inet_freebind(inet_sk(sk));
	case NP_OPT_TRANSPARENT:
		return np_inet_transparent(inet_sk(sk));
	case NP_OPT_BIND_NO_PORT:
		return np_inet_bind_no_port(inet_sk(sk));
	default:
		return h ? h->v[o->hint] : o->def;
	}
}

/**
 * np_getsockopt - getsockopt(2), but for SOL_SOCKET
 * @sock: the socket
 * @level: the level
 * @name: the option
 * @val: where to put its value
 * @ulen: the room there; changed to what was used
 *
 * Return: 0, -ENOPROTOOPT for what is refused, -EINVAL, -EFAULT.
 */
int np_getsockopt(struct socket *sock, int level, int name, char __user *val,
		  int __user *ulen)
{
	struct sock *sk = sock->sk;
	const struct np_opt *o = np_sockopt_find(sk, level, name);
	int v;

	if (np_group_is_opt(level, name))
		return np_group_getsockopt(sk, name, val, ulen);
	if (!o)
		return -ENOPROTOOPT;
	if (o->kind == NP_OPT_STRING)
		return np_sockopt_get_string(sk, val, ulen);
	if (o->kind == NP_OPT_INFO)
		return np_sockopt_get_info(sk, val, ulen);
	lock_sock(sk);
	v = np_sockopt_value(sk, o);
	release_sock(sk);
	return np_opt_write(o, v, val, ulen);
}
