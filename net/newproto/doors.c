// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two doors: the family AF_NEWPROTO, and the protocol IPPROTO_NEWPROTO of
 * AF_INET and AF_INET6. Both make the same sockets.
 */
#include <linux/bpf-cgroup.h>
#include <linux/module.h>
#include <linux/net.h>
#include <net/inet_common.h>
#include <net/ipv6.h>
#include <net/protocol.h>

#include <uapi/linux/newproto.h>

#include "compat.h"
#include "dgram.h"
#include "sock.h"

static unsigned short np_family = AF_NEWPROTO;
module_param_named(family, np_family, ushort, 0444);
MODULE_PARM_DESC(family, "number of the address family (default 18; 13 and 22 are free too)");

/* Let cgroup-BPF programs have a say, as inet_create() does at its door. */
static int np_door_check(struct sock *sk, int kern)
{
	return kern ? 0 : BPF_CGROUP_RUN_PROG_INET_SOCK(sk);
}

/* What a type of sockets does, or NULL. */
static const struct proto_ops *np_door_ops(int type)
{
	switch (type) {
	case SOCK_STREAM:
		return &np_stream_ops;
	case SOCK_DGRAM:
		return &np_dgram_ops;
	case SOCK_SEQPACKET:
		return &np_seqpacket_ops;
	default:
		return NULL;
	}
}

/* The address family that a protocol of AF_NEWPROTO's stands for. */
static int np_door_protocol(int type, int protocol)
{
	switch (protocol) {
	case 0:
	case IPPROTO_NEWPROTO:
		return AF_INET;
	case IPPROTO_TCP:
		return type == SOCK_STREAM ? AF_INET : -EPROTONOSUPPORT;
	case IPPROTO_UDP:
		return type == SOCK_DGRAM ? AF_INET : -EPROTONOSUPPORT;
	case NEWPROTO_PROTO_IPV6:
		if (!IS_ENABLED(CONFIG_IPV6) || !ipv6_mod_enabled())
			return -EAFNOSUPPORT;
		return AF_INET6;
	default:
		return -EPROTONOSUPPORT;
	}
}

/* socket(AF_NEWPROTO, ...) */
static int np_door_create(struct net *net, struct socket *sock, int protocol,
			  int kern)
{
	const struct proto_ops *ops = np_door_ops(sock->type);
	struct sock *sk;
	int family, err;

	sock->state = SS_UNCONNECTED;
	if (!ops)
		return -ESOCKTNOSUPPORT;
	family = np_door_protocol(sock->type, protocol);
	if (family < 0)
		return family;
	sock->ops = ops;
	sk = np_sock_alloc(net, sock, family, sock->type, kern);
	if (!sk)
		return -ENOMEM;
	err = np_door_check(sk, kern);
	if (err) {
		sk_common_release(sk);
		sock->sk = NULL;
	}
	return err;
}

static int np_door_release(struct socket *sock)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (sock->sk && sock->sk->sk_family == AF_INET6)
		return inet6_release(sock);
#endif
	return inet_release(sock);
}

static int np_door_getname(struct socket *sock, struct sockaddr *uaddr, int peer)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (sock->sk->sk_family == AF_INET6)
		return inet6_getname(sock, uaddr, peer);
#endif
	return inet_getname(sock, uaddr, peer);
}

static int np_door_accept(struct socket *sock, struct socket *newsock, int flags,
			  bool kern)
{
	return np_accept(sock->sk, newsock, flags, kern);
}

/* splice() from a socket: SPLICE_F_NONBLOCK is about the socket, too, as TCP has
 * it.
 */
static ssize_t np_door_splice_read(struct socket *sock, loff_t *pos,
				   struct pipe_inode_info *pipe, size_t len,
				   unsigned int flags)
{
	if (*pos)
		return -ESPIPE;
	return np_splice_read(sock->file, pipe, len, flags & SPLICE_F_NONBLOCK);
}

static int np_proto_ioctl(struct sock *sk, int cmd, unsigned long arg)
{
	return -ENOIOCTLCMD;
}

struct proto np_proto = {
	.name = "NEWPROTO",
	.owner = THIS_MODULE,
	.obj_size = sizeof(struct np_sock),
	.init = np_sock_init,
	.close = np_sock_close,
	.pre_connect = np_connect_pre,
	.connect = np_connect,
	.disconnect = np_sock_disconnect,
	.ioctl = np_proto_ioctl,
	.unhash = np_sock_unhash,
	.get_port = np_bind_get_port,
	.put_port = np_bind_put_port,
};

#if IS_ENABLED(CONFIG_IPV6)
struct proto np6_proto = {
	.name = "NEWPROTOv6",
	.owner = THIS_MODULE,
	.obj_size = sizeof(struct np6_sock),
	.init = np_sock_init,
	.close = np_sock_close,
	.pre_connect = np_connect_pre,
	.connect = np_connect,
	.disconnect = np_sock_disconnect,
	.ioctl = np_proto_ioctl,
	.unhash = np_sock_unhash,
	.get_port = np_bind_get_port,
	.put_port = np_bind_put_port,
};
#endif

struct proto np_dgram_proto = {
	.name = "NEWPROTO-DGRAM",
	.owner = THIS_MODULE,
	.obj_size = sizeof(struct np_dgram),
	.init = np_dgram_init,
	.close = np_dgram_close,
	.pre_connect = np_dgram_connect_pre,
	.connect = np_dgram_connect,
	.disconnect = np_dgram_disconnect,
	.ioctl = np_proto_ioctl,
	.unhash = np_dgram_unhash,
	.rehash = np_dgram_rehash,
	.get_port = np_dgram_get_port,
	.put_port = np_dgram_deny_port,
};

#if IS_ENABLED(CONFIG_IPV6)
struct proto np6_dgram_proto = {
	.name = "NEWPROTO-DGRAMv6",
	.owner = THIS_MODULE,
	.obj_size = sizeof(struct np6_dgram),
	.init = np_dgram_init,
	.close = np_dgram_close,
	.pre_connect = np_dgram_connect_pre,
	.connect = np_dgram_connect,
	.disconnect = np_dgram_disconnect,
	.ioctl = np_proto_ioctl,
	.unhash = np_dgram_unhash,
	.rehash = np_dgram_rehash,
	.get_port = np_dgram_get_port,
	.put_port = np_dgram_deny_port,
};
#endif

const struct proto_ops np_stream_ops = {
	.family = PF_INET,
	.owner = THIS_MODULE,
	.release = np_door_release,
	.bind = np_bind_addr,
	.connect = inet_stream_connect,
	.socketpair = np_connect_pair,
	.accept = np_door_accept,
	.getname = np_door_getname,
	.poll = np_stream_poll,
	.ioctl = np_stream_ioctl,
	.listen = np_listen,
	.shutdown = np_sock_shutdown,
	.setsockopt = np_setsockopt,
	.getsockopt = np_getsockopt,
	.sendmsg = np_stream_sendmsg,
	.recvmsg = np_stream_recvmsg,
	.mmap = sock_no_mmap,
#ifdef NP_HAVE_SENDPAGE
	.sendpage = np_stream_sendpage,
#endif
	.splice_read = np_door_splice_read,
	.set_rcvlowat = np_stream_set_rcvlowat,
};

static int np_door_bind(struct socket *sock, struct sockaddr *uaddr, int len)
{
#if IS_ENABLED(CONFIG_IPV6)
	if (sock->sk->sk_family == AF_INET6)
		return inet6_bind(sock, uaddr, len);
#endif
	return inet_bind(sock, uaddr, len);
}

const struct proto_ops np_dgram_ops = {
	.family = PF_INET,
	.owner = THIS_MODULE,
	.release = np_door_release,
	.bind = np_door_bind,
	.connect = inet_dgram_connect,
	.socketpair = sock_no_socketpair,
	.accept = sock_no_accept,
	.getname = np_door_getname,
	.poll = np_dgram_poll,
	.ioctl = np_dgram_ioctl,
	.gettstamp = sock_gettstamp,
	.listen = sock_no_listen,
	.shutdown = np_dgram_shutdown,
	.setsockopt = np_dgram_setsockopt,
	.getsockopt = np_dgram_getsockopt,
	.sendmsg = np_dgram_sendmsg,
	.recvmsg = np_dgram_recvmsg,
	.mmap = sock_no_mmap,
#ifdef NP_HAVE_SENDPAGE
	.sendpage = sock_no_sendpage,
#endif
	.set_peek_off = sk_set_peek_off,
};

const struct proto_ops np_seqpacket_ops = {
	.family = PF_INET,
	.owner = THIS_MODULE,
	.release = np_door_release,
	.bind = np_bind_addr,
	.connect = inet_stream_connect,
	.socketpair = np_connect_pair,
	.accept = np_door_accept,
	.getname = np_door_getname,
	.poll = np_stream_poll,
	.ioctl = np_seqpacket_ioctl,
	.listen = np_listen,
	.shutdown = np_sock_shutdown,
	.setsockopt = np_setsockopt,
	.getsockopt = np_getsockopt,
	.sendmsg = np_seqpacket_sendmsg,
	.recvmsg = np_seqpacket_recvmsg,
	.mmap = sock_no_mmap,
	.splice_read = np_door_splice_read,
};

static struct net_proto_family np_door_family = {
	.create = np_door_create,
	.owner = THIS_MODULE,
};

/* Permanent entries of these types stay before ours: nobody gets a socket of this
 * family who has not asked for its protocol.
 */
static struct inet_protosw np_door_inet[] = {
	{
		.type = SOCK_STREAM,
		.protocol = IPPROTO_NEWPROTO,
		.prot = &np_proto,
		.ops = &np_stream_ops,
	}, {
		.type = SOCK_DGRAM,
		.protocol = IPPROTO_NEWPROTO,
		.prot = &np_dgram_proto,
		.ops = &np_dgram_ops,
	},
};

static void np_door_open_v4(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(np_door_inet); i++)
		inet_register_protosw(&np_door_inet[i]);
}

static void np_door_close_v4(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(np_door_inet); i++)
		inet_unregister_protosw(&np_door_inet[i]);
}

#if IS_ENABLED(CONFIG_IPV6)
static struct inet_protosw np_door_inet6[] = {
	{
		.type = SOCK_STREAM,
		.protocol = IPPROTO_NEWPROTO,
		.prot = &np6_proto,
		.ops = &np_stream_ops,
	}, {
		.type = SOCK_DGRAM,
		.protocol = IPPROTO_NEWPROTO,
		.prot = &np6_dgram_proto,
		.ops = &np_dgram_ops,
	},
};

static void np_door_open_v6(void)
{
	int i;

	if (!ipv6_mod_enabled())
		return;
	for (i = 0; i < ARRAY_SIZE(np_door_inet6); i++)
		if (inet6_register_protosw(&np_door_inet6[i]))
			pr_warn("newproto: no IPPROTO_NEWPROTO for AF_INET6, type %d\n",
				np_door_inet6[i].type);
}

static void np_door_close_v6(void)
{
	int i;

	if (!ipv6_mod_enabled())
		return;
	for (i = 0; i < ARRAY_SIZE(np_door_inet6); i++)
		inet6_unregister_protosw(&np_door_inet6[i]);
}
#else
static void np_door_open_v6(void)
{
}

static void np_door_close_v6(void)
{
}
#endif

static struct proto *const np_door_protos[] = {
	&np_proto, &np_dgram_proto,
#if IS_ENABLED(CONFIG_IPV6)
	&np6_proto, &np6_dgram_proto,
#endif
};

static void np_door_forget(int n)
{
	while (n--)
		proto_unregister(np_door_protos[n]);
}

static int np_door_prepare(void)
{
	int i, err;

	for (i = 0; i < ARRAY_SIZE(np_door_protos); i++) {
		err = proto_register(np_door_protos[i], 1);
		if (err) {
			np_door_forget(i);
			return err;
		}
	}
	return 0;
}

/**
 * np_doors_open - from now on programs can make sockets
 *
 * Once one door is open there may be sockets, and no way back: what can fail
 * comes first.
 *
 * Return: 0, -EINVAL for a family number that there is not, -EEXIST for one
 * that is taken, -ENOMEM.
 */
int __init np_doors_open(void)
{
	int err;

	if (!np_family || np_family >= AF_MAX) {
		pr_err("newproto: family=%u: not between 1 and %d\n", np_family,
		       AF_MAX - 1);
		return -EINVAL;
	}
	np_door_family.family = np_family;
	err = np_door_prepare();
	if (err)
		return err;
	err = sock_register(&np_door_family);
	if (err) {
		pr_err("newproto: family=%u is taken; try family=13 or family=22\n",
		       np_family);
		np_door_forget(ARRAY_SIZE(np_door_protos));
		return err;
	}
	np_door_open_v4();
	np_door_open_v6();
	return 0;
}

/**
 * np_doors_close - no more sockets; there are none any more
 */
void np_doors_close(void)
{
	np_door_close_v4();
	sock_unregister(np_door_family.family);
	np_door_close_v6();
	np_door_forget(ARRAY_SIZE(np_door_protos));
}
