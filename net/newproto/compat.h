/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where kernel versions differ, and only that.
 */
#ifndef _NP_COMPAT_H
#define _NP_COMPAT_H

#include <linux/fs.h>
#include <linux/pipe_fs_i.h>
#include <linux/uio.h>
#include <net/inet_common.h>
#include <net/inet_sock.h>
#include <net/ipv6.h>

/* The flags of ip(7) that an accepted socket has from its listener: bits of
 * struct inet_sock.
 */
static inline void np_inet_copy_flags(struct inet_sock *to,
				      const struct inet_sock *from)
{
	to->freebind = from->freebind;
	to->transparent = from->transparent;
	to->bind_address_no_port = from->bind_address_no_port;
}

/* The same flags, one by one. */
static inline bool np_inet_freebind(const struct inet_sock *inet)
{
	return inet->freebind;
}

static inline void np_inet_set_freebind(struct inet_sock *inet, bool on)
{
	inet->freebind = on;
}

static inline bool np_inet_transparent(const struct inet_sock *inet)
{
	return inet->transparent;
}

static inline void np_inet_set_transparent(struct inet_sock *inet, bool on)
{
	inet->transparent = on;
}

static inline bool np_inet_bind_no_port(const struct inet_sock *inet)
{
	return inet->bind_address_no_port;
}

static inline void np_inet_set_bind_no_port(struct inet_sock *inet, bool on)
{
	inet->bind_address_no_port = on;
}

/* What an IP socket's options say of its datagrams. */
static inline u8 np_inet_tos(const struct inet_sock *inet)
{
	return inet->tos;
}

static inline u8 np_inet_ttl(const struct net *net, const struct inet_sock *inet)
{
	int ttl = READ_ONCE(inet->uc_ttl);

	return ttl >= 0 ? ttl : READ_ONCE(net->ipv4.sysctl_ip_default_ttl);
}

static inline unsigned int np_inet_cmsg_flags(const struct inet_sock *inet)
{
	return inet->cmsg_flags;
}

static inline bool np_inet_recverr(const struct inet_sock *inet)
{
	return inet->recverr;
}

#if IS_ENABLED(CONFIG_IPV6)
static inline u8 np_inet6_hops(const struct net *net, const struct ipv6_pinfo *np)
{
	int hops = np->hop_limit;

	return hops >= 0 ? hops : READ_ONCE(net->ipv6.devconf_all->hop_limit);
}

static inline bool np_inet6_recverr(const struct sock *sk)
{
	return inet6_sk(sk)->recverr;
}

static inline int np_ipv6_setsockopt(struct sock *sk, int level, int name,
				     sockptr_t val, unsigned int len)
{
	return ipv6_setsockopt(sk, level, name, val, len);
}

static inline int np_ipv6_getsockopt(struct sock *sk, int level, int name,
				     char __user *val, int __user *len)
{
	return ipv6_getsockopt(sk, level, name, val, len);
}
#else
static inline bool np_inet6_recverr(const struct sock *sk)
{
	return false;
}

static inline int np_ipv6_setsockopt(struct sock *sk, int level, int name,
				     sockptr_t val, unsigned int len)
{
	return -ENOPROTOOPT;
}

static inline int np_ipv6_getsockopt(struct sock *sk, int level, int name,
				     char __user *val, int __user *len)
{
	return -ENOPROTOOPT;
}
#endif

/* One control message of SOL_SOCKET. */
static inline int np_sock_cmsg_send(struct sock *sk, struct msghdr *msg,
				    struct cmsghdr *cmsg,
				    struct sockcm_cookie *sockc)
{
	return __sock_cmsg_send(sk, msg, cmsg, sockc);
}

/* ioctl(2)s about interfaces, addresses and routes. */
static inline int np_inet_ioctl(struct socket *sock, unsigned int cmd,
				unsigned long arg)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (sock->sk->sk_family == AF_INET6)
		return inet6_ioctl(sock, cmd, arg);
#endif
	return inet_ioctl(sock, cmd, arg);
}

/* Does copying to an iterator allocate memory of its own? */
static inline bool np_iter_may_sleep(const struct iov_iter *to)
{
	return iov_iter_is_pipe(to);
}

/* splice(2) from a socket's file, as generic_file_splice_read() does it. */
static inline ssize_t np_splice_read(struct file *file,
				     struct pipe_inode_info *pipe, size_t len,
				     bool nonblock)
{
	struct iov_iter to;
	struct kiocb kiocb;
	ssize_t ret;

	iov_iter_pipe(&to, ITER_DEST, pipe, len);
	init_sync_kiocb(&kiocb, file);
	if (nonblock)
		kiocb.ki_flags |= IOCB_NOWAIT;
	ret = call_read_iter(file, &kiocb, &to);
	if (ret < 0)
		pipe_discard_from(pipe, to.start_head);
	/* What splice(2) expects where nothing fits into the pipe. */
	return ret == -EFAULT ? -EAGAIN : ret;
}

#endif /* _NP_COMPAT_H */
