// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagram sockets: their life, their ports, whom they are connected to.
 */
#include <linux/bpf-cgroup.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/sockios.h>
#include <net/inet_common.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/tcp_states.h>

#include <asm/ioctls.h>

#include "compat.h"
#include "dgram.h"
#include "group.h"
#include "state.h"

static struct lock_class_key np_rlock_key[2];

/**
 * np_dgram_init - make a datagram socket out of what inet has prepared
 * @sk: just allocated, sock_init_data() done
 *
 * Return: 0.
 */
int np_dgram_init(struct sock *sk)
{
	struct np_dgram *dg = np_dg(sk);
	int v6 = sk->sk_family == AF_INET6;

	np_base_init(sk);
	/* UDP's queue is filled in interrupts, this one by programs. */
	lockdep_set_class_and_name(&sk->sk_receive_queue.lock, &np_rlock_key[v6],
				   v6 ? "rlock-AF_NEWPROTO-v6" :
					"rlock-AF_NEWPROTO");
	/* Senders look at a socket under RCU, without a reference. */
	sock_set_flag(sk, SOCK_RCU_FREE);
	RCU_INIT_POINTER(dg->dest, NULL);
	dg->cork = NULL;
	dg->listed = false;
	dg->drained = false;
	dg->closed = false;
	dg->wait = false;
	dg->corked = false;
	dg->hints = 0;
	np_room_init(sk);
	return 0;
}

static bool np_dgram_is_live(const struct sock *sk)
{
	const struct np_member *m = np_base(sk)->member;

	return m && READ_ONCE(m->live);
}

/* Be one of those that the group chooses from. */
static void np_dgram_enter_group(struct sock *sk)
{
	struct np_base *b = np_base(sk);
	struct np_group *g = b->member->group;

	if (np_dgram_is_live(sk))
		return;
	np_member_start_dgram(b->member);
	/* Somebody is here before anybody looks. */
	np_claim_publish(&b->claim, &g->listener);
	np_group_hold_port(g, &b->claim);
}

/* Be none of them any more. True if it was the last, and a grace time has begun. */
static bool np_dgram_quit_group(struct sock *sk)
{
	struct np_base *b = np_base(sk);

	if (!np_dgram_is_live(sk))
		return false;
	np_claim_unpublish(&b->claim, &b->member->group->listener);
	return np_member_stop_dgram(b->member);
}

/* The same by a socket that is still there, but not for everybody: this is no
 * restart, and no grace time begins.
 */
static void np_dgram_desert_group(struct sock *sk)
{
	if (np_dgram_quit_group(sk))
		np_group_forgo_grace(np_base(sk)->member->group);
}

static void np_dgram_unlist(struct sock *sk, struct np_dest *dest)
{
	if (np_dg(sk)->listed)
		np_claim_unpublish(&np_base(sk)->claim, &dest->l);
	np_dg(sk)->listed = false;
}

/* Have senders find the socket itself. */
static void np_dgram_list(struct sock *sk, struct np_dest *fresh, struct np_dest *old)
{
	struct np_claim *c = &np_base(sk)->claim;

	if (np_dg(sk)->listed)
		np_claim_replace(c, &fresh->l, &old->l);
	else
		np_claim_publish(c, &fresh->l);
	np_dg(sk)->listed = true;
}

/* Have senders find the socket as its claim says now: in its group, or by itself if
 * it is connected or not where its group is any more. There is no time at which
 * they find neither.
 */
static void np_dgram_publish(struct sock *sk, struct np_dest *fresh)
{
	struct np_dest *old = np_dgram_dest(sk);
	struct np_dgram *dg = np_dg(sk);
	struct np_claim *c = &dg->base.claim;

	fresh->sk = sk;
	if (!dg->base.member || c->connected || !np_claim_fits_share(c)) {
		np_dgram_list(sk, fresh, old);
		np_dgram_desert_group(sk);
	} else {
		np_claim_describe(c, &fresh->l);
		if (!dg->drained)
			np_dgram_enter_group(sk);
		np_dgram_unlist(sk, old);
	}
	rcu_assign_pointer(dg->dest, fresh);
	if (old)
		kfree_rcu(old, rcu);
	np_room_moved(sk);
}

/**
 * np_dgram_get_port - take a port for a socket
 * @sk: the socket, its address set
 * @snum: the port, host byte order; 0: any
 *
 * Context: as np_bind_get_port().
 *
 * Return: 0, -EADDRINUSE, -ENOMEM, -EOPNOTSUPP.
 */
int np_dgram_get_port(struct sock *sk, unsigned short snum)
{
	struct np_dest *dest;
	int err;

	dest = kzalloc(sizeof(*dest), np_claim_gfp(&np_base(sk)->claim) | __GFP_ACCOUNT);
	if (!dest)
		return -ENOMEM;
	err = np_bind_get_port(sk, snum);
	if (err) {
		kfree(dest);
		return err;
	}
	np_dgram_publish(sk, dest);
	return 0;
}

/**
 * np_dgram_put_port - give a socket's port up
 * @sk: the socket
 *
 * Context: lock_sock().
 */
void np_dgram_put_port(struct sock *sk)
{
	struct np_dest *dest = np_dgram_dest(sk);

	if (dest) {
		RCU_INIT_POINTER(np_dg(sk)->dest, NULL);
		np_dgram_unlist(sk, dest);
		np_dgram_quit_group(sk);
		kfree_rcu(dest, rcu);
		np_room_moved(sk);
	}
	np_bind_put_port(sk);
}

/* What a socket has not read goes to those who were in a group with it. */
static void np_dgram_leave_behind(struct sock *sk, struct np_group *g)
{
	struct sk_buff_head list;

	__skb_queue_head_init(&list);
	spin_lock(&sk->sk_receive_queue.lock);
	skb_queue_splice_init(&sk->sk_receive_queue, &list);
	spin_unlock(&sk->sk_receive_queue.lock);
	np_group_move_dgrams(g, &list);
}

/**
 * np_dgram_deny_port - a control group's program does not let a socket have its port
 * @sk: the socket
 *
 * It had it for a moment, and with it perhaps what was kept for a successor.
 *
 * Context: lock_sock(). May sleep.
 */
void np_dgram_deny_port(struct sock *sk)
{
	struct np_group *g = NULL;

	if (np_dgram_is_live(sk)) {
		g = np_base(sk)->member->group;
		np_group_get(g);
	}
	np_dgram_put_port(sk);
	if (!g)
		return;
	np_room_close(sk);
	np_dgram_leave_behind(sk, g);
	np_group_put(g);
	/* Until nobody takes it for a member of that group any more. */
	synchronize_rcu();
	np_room_open(sk);
}

/**
 * np_dgram_rehash - SO_BINDTODEVICE has changed a socket's device
 * @sk: the socket
 *
 * As with UDP it is none of its group's any more then, who are elsewhere.
 *
 * Context: lock_sock(). Must not sleep: a control group's program may have done it.
 */
void np_dgram_rehash(struct sock *sk)
{
	struct np_dest *dest = np_dgram_dest(sk);

	if (!dest)
		return;
	np_claim_set_device(&np_base(sk)->claim, &dest->l,
			    READ_ONCE(sk->sk_bound_dev_if));
	if (np_dgram_is_live(sk) && !np_claim_fits_share(&np_base(sk)->claim)) {
		np_dgram_list(sk, dest, NULL);
		if (np_dgram_quit_group(sk))
			np_group_cut_grace(np_base(sk)->member->group);
	}
	np_room_moved(sk);
}

/**
 * np_dgram_unhash - a socket is freed
 * @sk: the socket
 */
void np_dgram_unhash(struct sock *sk)
{
	/* It may hold one, if it was closed before a program had it. */
	lock_sock(sk);
	np_dgram_put_port(sk);
	release_sock(sk);
	sock_prot_inuse_add(sock_net(sk), sk->sk_prot, -1);
}

/**
 * np_dgram_close - the last reference of a program is gone
 * @sk: the socket
 * @timeout: SO_LINGER's; there is nothing to wait for
 *
 * What has come in and was not read is lost, as UDP's is, unless the socket is one
 * of a group: then the others get it.
 *
 * Context: may sleep.
 */
void np_dgram_close(struct sock *sk, long timeout)
{
	struct np_group *g = NULL;

	lock_sock(sk);
	/* Not of one that has gone to another device. */
	if (np_base(sk)->member &&
	    np_base(sk)->claim.share->ifindex == np_base(sk)->claim.ifindex) {
		g = np_base(sk)->member->group;
		np_group_get(g);
	}
	np_dgram_put_port(sk);
	np_cork_free(sk);
	release_sock(sk);
	np_room_leave(sk);
	np_room_close(sk);
	if (g) {
		np_dgram_leave_behind(sk, g);
		np_group_put(g);
	}
	skb_queue_purge(&sk->sk_receive_queue);
	skb_queue_purge(&sk->sk_error_queue);
	sk_common_release(sk);
}

/**
 * np_dgram_shutdown - shutdown(2)
 * @sock: the socket
 * @how: SHUT_RD, SHUT_WR or SHUT_RDWR
 *
 * UDP's does nothing to an unconnected socket, and says so. Here one that is of a
 * group and is shut down for reading gets nothing any more that is sent to the
 * group; what has come in it can still read.
 *
 * Return: what inet_shutdown() does.
 */
int np_dgram_shutdown(struct socket *sock, int how)
{
	struct sock *sk = sock->sk;

	if ((how == SHUT_RD || how == SHUT_RDWR) && READ_ONCE(np_base(sk)->member)) {
		lock_sock(sk);
		np_dg(sk)->drained = true;
		np_dgram_quit_group(sk);
		release_sock(sk);
		np_room_moved(sk);
	}
	return inet_shutdown(sock, how);
}

/* The address that connect() names, by UDP's rules: to IPv6 sockets an IPv4
 * address may be given as such.
 */
static int np_dgram_connect_addr(struct sock *sk, struct np_addr *dst,
				 struct sockaddr *uaddr, int len)
{
	struct in6_addr bound;
	int err;

	if (sk->sk_family == AF_INET)
		return np_addr_parse(dst, uaddr, len, AF_INET);
	if (uaddr->sa_family == AF_INET) {
		if (ipv6_only_sock(sk))
			return -EAFNOSUPPORT;
		return np_addr_parse(dst, uaddr, len, AF_INET);
	}
	err = np_addr_parse(dst, uaddr, len, AF_INET6);
	if (err)
		return err;
	np_bind_local(sk, &bound);
	if (np_addr_is_v4(&bound) && !np_addr_is_v4(&dst->ip) &&
	    !ipv6_addr_any(&dst->ip))
		return -EAFNOSUPPORT;
	return np_route_check_v6(sk, dst);
}

/* Write down whom a socket is connected to, where senders and programs look. */
static void np_dgram_set_peer(struct sock *sk, const struct np_flow *f,
			      struct np_dest *dest)
{
	np_sock_set_addrs(sk, &f->src, &f->dst);
	np_claim_point(&np_base(sk)->claim, &f->src.ip, &f->dst,
		       READ_ONCE(sk->sk_bound_dev_if));
	np_dgram_publish(sk, dest);
	if (sk->sk_state != TCP_ESTABLISHED)
		np_state_set(sk, TCP_ESTABLISHED);
}

static int np_dgram_connect_locked(struct sock *sk, struct sockaddr *uaddr, int len)
{
	struct np_flow f = { };
	struct np_dest *dest;
	int err;

	err = np_dgram_connect_addr(sk, &f.dst, uaddr, len);
	if (err)
		return err;
	np_dgram_source(sk, &f);
	f.ifindex = READ_ONCE(sk->sk_bound_dev_if);
	err = np_dgram_fit_source(sk, &f) ?: np_route_dgram(sk, &f);
	if (err)
		return err;
	/* Another thread may have taken the port away by AF_UNSPEC. */
	if (!np_dgram_dest(sk))
		return -EAGAIN;
	dest = kzalloc(sizeof(*dest), GFP_KERNEL_ACCOUNT);
	if (!dest)
		return -ENOMEM;
	np_dgram_set_peer(sk, &f, dest);
	return 0;
}

/**
 * np_dgram_connect_pre - let cgroup-BPF programs see, and change, the address
 * @sk: the socket
 * @uaddr: the address
 * @len: its length
 *
 * Context: may sleep.
 *
 * Return: 0 or a negative errno.
 */
int np_dgram_connect_pre(struct sock *sk, struct sockaddr *uaddr, int len)
{
	bool v6 = sk->sk_family == AF_INET6 && uaddr->sa_family != AF_INET;
	int err;

	if (v6 && len < SIN6_LEN_RFC2133)
		return -EINVAL;
	if (!v6 && sk->sk_family == AF_INET6 && ipv6_only_sock(sk))
		return -EAFNOSUPPORT;
	if (!v6 && len < (int)sizeof(struct sockaddr_in))
		return -EINVAL;
	lock_sock(sk);
	err = np_connect_program(sk, uaddr, v6);
	release_sock(sk);
	return err;
}

/**
 * np_dgram_connect - connect(2), the part that inet leaves to the protocol
 * @sk: the socket; inet_dgram_connect() has seen to its having a port
 * @uaddr: the address
 * @len: its length
 *
 * Context: may sleep.
 *
 * Return: 0 or what connect(2) and udp(7) say.
 */
int np_dgram_connect(struct sock *sk, struct sockaddr *uaddr, int len)
{
	int err;

	lock_sock(sk);
	err = np_dgram_connect_locked(sk, uaddr, len);
	release_sock(sk);
	return err;
}

/* Unconnected, but with the port that bind() has chosen. */
static int np_dgram_disconnect_bound(struct sock *sk)
{
	struct np_dest *dest = kzalloc(sizeof(*dest), GFP_KERNEL_ACCOUNT);
	struct in6_addr local;

	if (!dest)
		return -ENOMEM;
	if (!(sk->sk_userlocks & SOCK_BINDADDR_LOCK))
		inet_reset_saddr(sk);
	np_bind_local(sk, &local);
	np_claim_point(&np_base(sk)->claim, &local, NULL, 0);
	np_dgram_publish(sk, dest);
	return 0;
}

/**
 * np_dgram_disconnect - connect(2) to AF_UNSPEC
 * @sk: the socket
 * @flags: not used
 *
 * As with UDP the device that the socket was bound to is forgotten as well.
 *
 * Context: may sleep.
 *
 * Return: 0 or -ENOMEM: it is still connected.
 */
int np_dgram_disconnect(struct sock *sk, int flags)
{
	struct inet_sock *inet = inet_sk(sk);
	int err = 0;

	lock_sock(sk);
	if (sk->sk_userlocks & SOCK_BINDPORT_LOCK && np_dgram_dest(sk))
		err = np_dgram_disconnect_bound(sk);
	if (err)
		goto out;
	if (sk->sk_state != TCP_CLOSE)
		np_state_set(sk, TCP_CLOSE);
	inet->inet_daddr = 0;
	inet->inet_dport = 0;
	WRITE_ONCE(sk->sk_bound_dev_if, 0);
	if (!(sk->sk_userlocks & SOCK_BINDPORT_LOCK)) {
		np_dgram_put_port(sk);
		if (!(sk->sk_userlocks & SOCK_BINDADDR_LOCK))
			inet_reset_saddr(sk);
	}
out:
	release_sock(sk);
	return err;
}

/**
 * np_dgram_poll - poll(2), select(2), epoll(7)
 * @file: the socket's file
 * @sock: the socket
 * @wait: where to register, or NULL
 *
 * Return: what udp_poll() would; but not writable from when a send with
 * NEWPROTO_WAIT has found no room until there is some.
 */
__poll_t np_dgram_poll(struct file *file, struct socket *sock,
		       struct poll_table_struct *wait)
{
	__poll_t mask = datagram_poll(file, sock, wait);

	/* Where a send would not wait it is writable, whatever comes of it. */
	if (np_room_is_awaited(sock->sk) && !READ_ONCE(sock->sk->sk_err) &&
	    !(READ_ONCE(sock->sk->sk_shutdown) & SEND_SHUTDOWN))
		mask &= ~(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
	return mask;
}

/* The length of the datagram that the next recv() gets. */
static int np_dgram_inq(struct sock *sk)
{
	struct sk_buff_head *queue = &sk->sk_receive_queue;
	const struct sk_buff *skb;
	int n;

	spin_lock(&queue->lock);
	skb = skb_peek(queue);
	n = skb ? skb->len : 0;
	spin_unlock(&queue->lock);
	return n;
}

/**
 * np_dgram_ioctl - ioctl(2)
 * @sock: the socket
 * @cmd: SIOCINQ (FIONREAD), SIOCOUTQ (TIOCOUTQ), or one of inet's own
 * @arg: its argument
 *
 * Return: 0 or a negative errno.
 */
int np_dgram_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case SIOCINQ:
		return put_user(np_dgram_inq(sock->sk), (int __user *)arg);
	case SIOCOUTQ:	/* what is sent is at the other end */
		return put_user(0, (int __user *)arg);
	default:
		return np_inet_ioctl(sock, cmd, arg);
	}
}
