/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * AF_NEWPROTO sockets.
 *
 * Lock order, outermost first:
 *
 *	lock_sock()		a socket's setup: bind, listen, connect,
 *				shutdown, close, options
 *	np_sock.tx_lock		the writer of a socket
 *	np_sock.rx_lock		the reader of a socket
 *	np_nic_client.lock	ends of connections over a NIC, and its memory
 *	np_group.hold		whether a group outlives its members
 *	np_port.lock		a port's claims and listeners
 *	np_group.lock		a group's members and queues; the core's
 *				reuseport_lock and sk_callback_lock are inside
 *	np_net.held_lock	a namespace's groups that hold their port
 *	np_conn.lock		both ends of a connection; sk_peer_lock is inside
 *	np_far.lock		what an end of a connection over a NIC has yet to do; a
 *				driver's locks for sending are inside
 *	np_far.tx_lock, rx_lock	the rings of such an end
 *	np_pool_part.lock	a list of channels with buffers
 *	np_chan.lock		one channel's end mark and buffers
 *	sk_receive_queue.lock	a datagram socket's queue, and who waits for room
 *
 * No two locks of one kind are ever held together, but a listener's lock_sock()
 * and that of a socket that accept() is making. What carries bytes takes
 * tx_lock or rx_lock of its own socket and nothing else; see channel.h for the
 * rare meetings with the worker that takes buffers back. A datagram takes the
 * queue lock of its receiver, under which waiting senders are woken, too. No
 * lock but lock_sock()'s own is taken in interrupts.
 */
#ifndef _NP_SOCK_H
#define _NP_SOCK_H

#include <linux/ipv6.h>
#include <linux/mutex.h>
#include <net/inet_sock.h>

#include "conn.h"
#include "net.h"
#include "port.h"

enum np_reason;
struct np_group;
struct np_hints;
struct np_member;
struct np_wait;

/**
 * struct np_wish - options of a group, as they were set on one socket
 *
 * Guarded by lock_sock(). What was set before bind() is the group's from then on.
 *
 * @grace: NEWPROTO_GRACE
 * @weight: NEWPROTO_WEIGHT
 * @policy: NEWPROTO_POLICY
 * @set: NP_WISH_*: which of them were
 */
struct np_wish {
	int grace;
	u16 weight;
	u8 policy;
	u8 set;
};

#define NP_WISH_GRACE	BIT(0)
#define NP_WISH_POLICY	BIT(1)
#define NP_WISH_WEIGHT	BIT(2)

/**
 * struct np_base - what the family's sockets of every type begin with
 * @inet: must come first: inet's own code takes the socket for one of its own
 * @claim: on the local port; lock_sock()
 * @member: what it is in its group, or NULL; written under lock_sock(), looked at
 *	under RCU, too
 * @wish: see there
 */
struct np_base {
	struct inet_sock inet;
	struct np_claim claim;
	struct np_member *member;
	struct np_wish wish;
};

/**
 * struct np_sock - an AF_NEWPROTO socket with connections: of bytes, or records
 *
 * sk_state, sk_shutdown and sk_err are guarded by the connection's lock once
 * there is one, since the other end changes them too; before that by
 * lock_sock(). State is written by np_state_set() only.
 *
 * @base: must come first
 * @tx_lock: held by the writer
 * @rx_lock: held by the reader
 * @tx: the channel to write to: written under lock_sock() and @tx_lock. It
 *	holds a reference
 * @rx: the channel to read from: written under @rx_lock, by setup under
 *	lock_sock() too. It holds a reference
 * @conn: the connection, or NULL: written under lock_sock(), @tx_lock and
 *	@rx_lock, so any of them keeps it. It holds a reference
 * @end: which end of @conn; goes with it
 * @wait: ends the wait of connect() for a place in a queue, or NULL;
 *	lock_sock()
 * @gen: how many connections it has left; written under @tx_lock and @rx_lock
 * @hints: options that are stored and read back, or NULL; lock_sock()
 */
struct np_sock {
	struct np_base base;
	struct mutex tx_lock;	/* see above */
	struct mutex rx_lock;	/* see above */
	struct np_chan *tx;
	struct np_chan *rx;
	struct np_conn *conn;
	struct np_hints *hints;
	struct np_wait *wait;
	u32 gen;
	u8 end;
};

#if IS_ENABLED(CONFIG_IPV6)
/**
 * struct np6_sock - the same of AF_INET6
 * @np: what both have
 * @inet6: must come last: inet6's code looks for it there
 */
struct np6_sock {
	struct np_sock np;
	struct ipv6_pinfo inet6;
};
#endif

static inline struct np_base *np_base(const struct sock *sk)
{
	return (struct np_base *)sk;
}

static inline struct np_sock *np_sk(const struct sock *sk)
{
	return (struct np_sock *)sk;
}

/* The port table that a socket's numbers are of. */
static inline struct np_ports *np_sock_ports(const struct sock *sk)
{
	return &np_net(sock_net(sk))->ports[np_space(sk->sk_type)];
}

extern struct proto np_proto;
#if IS_ENABLED(CONFIG_IPV6)
extern struct proto np6_proto;
#endif
extern const struct proto_ops np_stream_ops;
extern struct proto np_dgram_proto;
#if IS_ENABLED(CONFIG_IPV6)
extern struct proto np6_dgram_proto;
#endif
extern const struct proto_ops np_dgram_ops;
extern const struct proto_ops np_seqpacket_ops;

/* sock.c */
void np_base_init(struct sock *sk);
int np_sock_init(struct sock *sk);
struct sock *np_sock_alloc(struct net *net, struct socket *sock, int family,
			   int type, int kern);
void np_sock_close(struct sock *sk, long timeout);
void np_sock_unhash(struct sock *sk);
void np_sock_leave_conn(struct sock *sk);
void np_sock_join_conn(struct sock *sk, struct np_conn *conn, int end);
void np_sock_set_addrs(struct sock *sk, const struct np_addr *local,
		       const struct np_addr *peer);
void np_sock_set_peercred(struct sock *sk, const struct cred *cred,
			  struct pid *pid);
int np_sock_shutdown(struct socket *sock, int how);
int np_sock_disconnect(struct sock *sk, int flags);

/* bind.c */
int np_bind_get_port(struct sock *sk, unsigned short snum);
void np_bind_put_port(struct sock *sk);
void np_bind_latch(struct sock *sk);
void np_bind_let_program(struct sock *sk);
void np_bind_end_program(struct sock *sk);
int np_connect_program(struct sock *sk, struct sockaddr *uaddr, bool v6);
void np_bind_local(const struct sock *sk, struct in6_addr *ip);
void np_bind_restore(struct sock *sk);
void np_bind_range(struct sock *sk, struct np_range *range);
int np_bind_addr(struct socket *sock, struct sockaddr *uaddr, int len);

/* connect.c */
int np_connect_pre(struct sock *sk, struct sockaddr *uaddr, int len);
int np_connect(struct sock *sk, struct sockaddr *uaddr, int len);
int np_connect_pair(struct socket *a, struct socket *b);
void np_connect_stop_wait(struct sock *sk);
int np_connect_start_wait(struct sock *sk);
int np_connect_claim(struct sock *sk, struct np_addr *src,
		     const struct np_addr *dst);
struct np_conn *np_connect_conn(struct sock *sk, const struct np_addr *src,
				const struct np_addr *dst);
void np_connect_undo(struct sock *sk, const struct in6_addr *bound);
int np_connect_ask(struct np_conn *conn);
int np_connect_refuse(struct sock *sk, const struct np_addr *dst, int err,
		      enum np_stat stat, enum np_reason reason);

/* accept.c */
int np_listen(struct socket *sock, int backlog);
void np_listen_stop(struct sock *sk);
int np_accept(struct sock *lsk, struct socket *newsock, int flags, int kern);

/* group_sock.c */
int np_group_join(struct sock *sk, bool by_number);
int np_group_join_lone(struct sock *sk);
void np_group_leave(struct sock *sk);
bool np_group_is_opt(int level, int name);
int np_group_setsockopt(struct sock *sk, int name, sockptr_t val, unsigned int len);
int np_group_getsockopt(struct sock *sk, int name, char __user *val,
			int __user *ulen);
bool np_group_has_program(const struct np_group *g);
struct np_member *np_group_ask_program(const struct np_group *g,
				       struct sk_buff *skb, unsigned int hdr_len);

/* stream.c */
int np_stream_sendmsg(struct socket *sock, struct msghdr *msg, size_t len);
ssize_t np_stream_sendpage(struct socket *sock, struct page *page, int offset,
			   size_t size, int flags);
int np_stream_recvmsg(struct socket *sock, struct msghdr *msg, size_t len,
		      int flags);
__poll_t np_stream_poll(struct file *file, struct socket *sock,
			struct poll_table_struct *wait);
int np_stream_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg);
int np_stream_set_rcvlowat(struct sock *sk, int val);
size_t np_stream_inq(struct sock *sk);
size_t np_stream_outq(struct sock *sk);

/* seqpacket.c */
int np_seqpacket_sendmsg(struct socket *sock, struct msghdr *msg, size_t len);
int np_seqpacket_recvmsg(struct socket *sock, struct msghdr *msg, size_t len,
			 int flags);
int np_seqpacket_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg);

/* sockopt.c */
int np_setsockopt(struct socket *sock, int level, int name, sockptr_t val,
		  unsigned int len);
int np_getsockopt(struct socket *sock, int level, int name, char __user *val,
		  int __user *len);
int np_hints_copy(struct sock *to, const struct sock *from);
void np_hints_free(struct sock *sk);

/* doors.c */
int np_doors_open(void);
void np_doors_close(void);

#endif /* _NP_SOCK_H */
