/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Datagram sockets. They do what UDP's do, as udp(7) and ip(7) say, and have
 * the kernel's own engines work for them wherever those can be had: a datagram
 * is an sk_buff that begins like a UDP packet, so that socket filters,
 * control messages and the error queue find what they look for.
 */
#ifndef _NP_DGRAM_H
#define _NP_DGRAM_H

#include <linux/skbuff.h>

#include "route.h"
#include "sock.h"

struct np_cork;
struct np_member;

/* What UDP's 16 bits of length leave for a payload over IPv4, and over IPv6. */
#define NP_DGRAM_MAX_V4		65507
#define NP_DGRAM_MAX_V6		65527

/**
 * struct np_dest - a datagram socket as senders find it
 *
 * Made by bind() and by connect(), and replaced, not changed, since senders look
 * at it under RCU; freed after a grace period. The socket lives as long, being
 * freed after a grace period, too (SOCK_RCU_FREE).
 *
 * @l: in the port's list, unless the socket's group is there for it
 * @sk: the socket
 * @rcu: frees it
 */
struct np_dest {
	struct np_listener l;
	struct sock *sk;
	struct rcu_head rcu;
};

/**
 * struct np_room - a sender that waits for room at a receiver
 *
 * On the receiver's list until there is room, or the receiver closes, or the
 * sender does not care any more; or on that of a group which has no member now. All
 * guarded by the receiver's queue lock, or the group's lock, but for @on and @group,
 * which are the sender's.
 *
 * @node: in struct np_dgram's @waiters, or struct np_group's @senders, or about to
 *	be woken
 * @sk: the sender, woken when the receiver takes it off the list
 * @on: the receiver, a reference to it; NULL: it has not waited there
 * @group: the group, a reference to it; NULL: it has not waited there
 */
struct np_room {
	struct list_head node;
	struct sock *sk;
	struct sock *on;
	struct np_group *group;
};

/**
 * struct np_dgram - an AF_NEWPROTO datagram socket
 *
 * sk_receive_queue holds the datagrams, without their headers; its lock is a
 * class of its own, taken after lock_sock() and never together with another
 * one's. sk_rmem_alloc is what the receiver is charged.
 *
 * @base: must come first
 * @dest: there while there is a port; written under lock_sock(), read under RCU
 * @listed: @dest is on the port's list, not the socket's group; lock_sock()
 * @drained: shut down for reading: receives nothing that is sent to its group;
 *	lock_sock()
 * @cork: the datagram that UDP_CORK or MSG_MORE holds back, or NULL;
 *	lock_sock(); read without to see whether there is one
 * @room: what poll() reports: the wait for room of a send that did not want to
 *	sleep. Its @on and @group are guarded by lock_sock()
 * @waiters: struct np_room; sk_receive_queue.lock
 * @closed: nothing is queued any more; sk_receive_queue.lock
 * @wait: NEWPROTO_WAIT: wait for room rather than have the datagram dropped; no
 *	lock: each send goes by what it finds
 * @corked: UDP_CORK; no lock either
 * @hints: NP_DGRAM_*: options that are stored and read back; written under
 *	lock_sock()
 */
struct np_dgram {
	struct np_base base;
	struct np_dest __rcu *dest;
	struct np_cork *cork;
	struct np_room room;
	struct list_head waiters;
	bool listed;
	bool drained;
	bool closed;
	bool wait;
	bool corked;
	u8 hints;
};

#define NP_DGRAM_NO_CHECK6_TX	BIT(0)
#define NP_DGRAM_NO_CHECK6_RX	BIT(1)

#if IS_ENABLED(CONFIG_IPV6)
/**
 * struct np6_dgram - an AF_NEWPROTO datagram socket of AF_INET6
 * @dg: what both have
 * @inet6: must come last: inet6's code looks for it there
 */
struct np6_dgram {
	struct np_dgram dg;
	struct ipv6_pinfo inet6;
};
#endif

static inline struct np_dgram *np_dg(const struct sock *sk)
{
	return (struct np_dgram *)sk;
}

/* What senders see of a socket, seen by itself. Context: lock_sock(). */
static inline struct np_dest *np_dgram_dest(const struct sock *sk)
{
	return rcu_dereference_protected(np_dg(sk)->dest, lockdep_sock_is_held(sk));
}

/* What is charged to a receiver is no more than its SO_RCVBUF, but for the
 * last datagram, as UDP has it.
 */
static inline bool np_dgram_is_full(const struct sock *sk)
{
	return atomic_read(&sk->sk_rmem_alloc) > READ_ONCE(sk->sk_rcvbuf);
}

static inline size_t np_dgram_max(const struct np_flow *f)
{
	return np_addr_is_v4(&f->dst.ip) ? NP_DGRAM_MAX_V4 : NP_DGRAM_MAX_V6;
}

/* dgram.c */
int np_dgram_init(struct sock *sk);
void np_dgram_close(struct sock *sk, long timeout);
int np_dgram_get_port(struct sock *sk, unsigned short snum);
void np_dgram_put_port(struct sock *sk);
void np_dgram_deny_port(struct sock *sk);
void np_dgram_unhash(struct sock *sk);
void np_dgram_rehash(struct sock *sk);
int np_dgram_connect_pre(struct sock *sk, struct sockaddr *uaddr, int len);
int np_dgram_connect(struct sock *sk, struct sockaddr *uaddr, int len);
int np_dgram_disconnect(struct sock *sk, int flags);
__poll_t np_dgram_poll(struct file *file, struct socket *sock,
		       struct poll_table_struct *wait);
int np_dgram_shutdown(struct socket *sock, int how);
int np_dgram_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg);

/* dgram_send.c */
void np_dgram_source(const struct sock *sk, struct np_flow *f);
int np_dgram_fit_source(const struct sock *sk, struct np_flow *f);
bool np_dgram_charge(struct sock *to, struct sk_buff *skb, bool must);
int np_dgram_queue(struct sock *to, struct sk_buff *skb, int ifindex,
		   struct np_member *m, bool moved);
int np_dgram_sendmsg(struct socket *sock, struct msghdr *msg, size_t len);
int np_dgram_transmit(struct sock *sk, struct np_flow *f, struct iov_iter *from,
		      size_t len, int flags);

/* dgram_cmsg.c */
int np_dgram_send_cmsg(struct sock *sk, struct msghdr *msg, struct np_flow *f);
void np_dgram_recv_cmsg(struct sock *sk, struct msghdr *msg, struct sk_buff *skb,
			int offset);

/* dgram_recv.c */
int np_dgram_recvmsg(struct socket *sock, struct msghdr *msg, size_t len,
		     int flags);

/* dgram_skb.c */
struct sk_buff *np_dgram_skb(const struct np_flow *f, struct iov_iter *from,
			     size_t len);
void np_dgram_skb_arrive(struct sk_buff *skb, int ifindex);
void np_dgram_refuse(struct sock *sk, const struct np_flow *f,
		     const struct sk_buff *skb, int ifindex);
void np_dgram_too_long(struct sock *sk, const struct np_flow *f);

/* dgram_cork.c */
int np_cork_start(struct sock *sk, const struct np_flow *f);
int np_cork_append(struct sock *sk, struct msghdr *msg, size_t len);
int np_cork_flush(struct sock *sk, int flags);
void np_cork_free(struct sock *sk);

/* dgram_room.c */
void np_room_init(struct sock *sk);
int np_room_wait(struct sock *sk, struct sock *to, u32 hash, long *timeo);
bool np_room_ask_group(struct sock *sk, struct np_group *g);
void np_room_leave(struct sock *sk);
void np_room_made(struct sock *sk);
void np_room_moved(struct sock *sk);
void np_room_close(struct sock *sk);
void np_room_open(struct sock *sk);
bool np_room_is_awaited(const struct sock *sk);

/* group_dgram.c */
bool np_group_await(struct sock *to, u32 hash);
bool np_group_is_awaited(struct sock *to);
void np_group_wake_senders(struct sock *to);
bool np_group_join_senders(struct np_group *g, struct np_room *room);
void np_group_quit_senders(struct np_group *g, struct np_room *room);

/* dgram_opt.c */
int np_dgram_setsockopt(struct socket *sock, int level, int name, sockptr_t val,
			unsigned int len);
int np_dgram_getsockopt(struct socket *sock, int level, int name,
			char __user *val, int __user *len);

#endif /* _NP_DGRAM_H */
