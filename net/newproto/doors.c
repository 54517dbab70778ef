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
#include "sock.h"

static unsigned short np_family = AF_NEWPROTO;
module_param_named(family, np_family, ushort, 0444);
MODULE_PARM_DESC(family, "number of the address family (default 18; 13 and 22 are free too)");

/* Let cgroup-BPF programs have a say, as inet_create() does at its door. */
static int np_door_check(struct sock *sk, int kern)
{
	return kern ? 0 : BPF_CGROUP_RUN_PROG_INET_SOCK(sk);
}

/* socket(AF_NEWPROTO, ...) */
static int np_door_create(struct net *net, struct socket *sock, int protocol,
			  int kern)
{
	int family = AF_INET;
	struct sock *sk;
	int err;

	sock->state = SS_UNCONNECTED;
	if (sock->type == SOCK_STREAM)
		sock->ops = &np_stream_ops;
	else if (sock->type == SOCK_SEQPACKET)
		sock->ops = &np_seqpacket_ops;
	else
		return -ESOCKTNOSUPPORT;
	switch (protocol) {
	case 0:
	case IPPROTO_NEWPROTO:
		break;
	case IPPROTO_TCP:
		if (sock->type != SOCK_STREAM)
			return -EPROTONOSUPPORT;
		break;
	case NEWPROTO_PROTO_IPV6:
		if (!IS_ENABLED(CONFIG_IPV6) || !ipv6_mod_enabled())
			return -EAFNOSUPPORT;
		family = AF_INET6;
		break;
	default:
		return -EPROTONOSUPPORT;
	}
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

static struct inet_protosw np_door_inet = {
	.type = SOCK_STREAM,
	.protocol = IPPROTO_NEWPROTO,
	.prot = &np_proto,
	.ops = &np_stream_ops,
};

#if IS_ENABLED(CONFIG_IPV6)
static struct inet_protosw np_door_inet6 = {
	.type = SOCK_STREAM,
	.protocol = IPPROTO_NEWPROTO,
	.prot = &np6_proto,
	.ops = &np_stream_ops,
};

static int np_door_open_v6(void)
{
	return ipv6_mod_enabled() ? inet6_register_protosw(&np_door_inet6) : 0;
}

static void np_door_close_v6(void)
{
	if (ipv6_mod_enabled())
		inet6_unregister_protosw(&np_door_inet6);
}

static int np_door_prepare_v6(void)
{
	return proto_register(&np6_proto, 1);
}

static void np_door_forget_v6(void)
{
	proto_unregister(&np6_proto);
}
#else
static int np_door_open_v6(void)
{
	return 0;
}

static void np_door_close_v6(void)
{
}

static int np_door_prepare_v6(void)
{
	return 0;
}

static void np_door_forget_v6(void)
{
}
#endif

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
	err = proto_register(&np_proto, 1);
	if (err)
		return err;
	err = np_door_prepare_v6();
	if (err)
		goto err_proto;
	err = sock_register(&np_door_family);
	if (err) {
		pr_err("newproto: family=%u is taken; try family=13 or family=22\n",
		       np_family);
		goto err_v6;
	}
	inet_register_protosw(&np_door_inet);
	if (np_door_open_v6())
		pr_warn("newproto: no IPPROTO_NEWPROTO for AF_INET6\n");
	return 0;

err_v6:
	np_door_forget_v6();
err_proto:
	proto_unregister(&np_proto);
	return err;
}

/**
 * np_doors_close - no more sockets; there are none any more
 */
void np_doors_close(void)
{
	inet_unregister_protosw(&np_door_inet);
	sock_unregister(np_door_family.family);
	np_door_close_v6();
	np_door_forget_v6();
	proto_unregister(&np_proto);
}
