// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sending datagrams: where to, and into the receiver's queue.
 */
#include <linux/bpf-cgroup.h>
#include <linux/filter.h>
#include <linux/sched/signal.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/tcp_states.h>

#include "compat.h"
#include "dgram.h"
#include "group.h"
#include "trace.h"

/**
 * np_dgram_source - the address that a socket's datagrams come from
 * @sk: the socket
 * @f: its source is set: a wildcard unless the socket is bound to an address,
 *	or connected
 */
void np_dgram_source(const struct sock *sk, struct np_flow *f)
{
	f->src.port = htons(READ_ONCE(inet_sk(sk)->inet_num));
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6) {
		f->src.ip = inet6_sk(sk)->saddr;
		return;
	}
#endif
	np_addr_set_v4(&f->src.ip, inet_sk(sk)->inet_saddr);
}

/**
 * np_dgram_fit_source - an IPv4 destination wants an IPv4 source
 * @sk: the socket
 * @f: the way; its source may become a wildcard
 *
 * As with UDP, an IPv6 address that connect() has chosen is no obstacle, while
 * one that bind() was given is.
 *
 * Return: 0 or -ENETUNREACH.
 */
int np_dgram_fit_source(const struct sock *sk, struct np_flow *f)
{
	if (!np_addr_is_v4(&f->dst.ip) || np_addr_is_v4(&f->src.ip))
		return 0;
	if (!ipv6_addr_any(&f->src.ip) && sk->sk_userlocks & SOCK_BINDADDR_LOCK)
		return -ENETUNREACH;
	np_addr_set_v4(&f->src.ip, 0);
	return 0;
}

/* Who a connected socket's datagrams go to, seen as connect() has left it. */
static int np_dgram_peer(struct sock *sk, struct np_flow *f)
{
	const struct np_dest *dest;
	int err = -EDESTADDRREQ;

	rcu_read_lock();
	dest = rcu_dereference(np_dg(sk)->dest);
	if (dest && dest->l.connected && READ_ONCE(sk->sk_state) == TCP_ESTABLISHED) {
		f->dst.ip = dest->l.peer;
		f->dst.port = dest->l.peer_port;
		f->src.ip = dest->l.local;
		f->src.port = htons(READ_ONCE(inet_sk(sk)->inet_num));
		f->ifindex = READ_ONCE(dest->l.ifindex);
		err = 0;
	}
	rcu_read_unlock();
	return err;
}

static int np_dgram_name_to_v4(const struct msghdr *msg, struct np_flow *f)
{
	const struct sockaddr_in *sin = msg->msg_name;

	if (msg->msg_namelen < sizeof(*sin))
		return -EINVAL;
	if (sin->sin_family != AF_INET && sin->sin_family != AF_UNSPEC)
		return -EAFNOSUPPORT;
	np_addr_set_v4(&f->dst.ip, sin->sin_addr.s_addr);
	f->dst.port = sin->sin_port;
	return sin->sin_port ? 0 : -EINVAL;
}

#if IS_ENABLED(CONFIG_IPV6)
static int np_dgram_name_to_v6(struct sock *sk, const struct msghdr *msg,
			       struct np_flow *f)
{
	const struct sockaddr_in6 *sin6 = msg->msg_name;
	int err;

	if (msg->msg_namelen < offsetofend(struct sockaddr_in6, sin6_family))
		return -EINVAL;
	switch (sin6->sin6_family) {
	case AF_INET:
		if (ipv6_only_sock(sk))
			return -ENETUNREACH;
		return np_dgram_name_to_v4(msg, f);
	case AF_INET6:
		break;
	default:
		return -EINVAL;
	}
	err = np_addr_parse(&f->dst, msg->msg_name, msg->msg_namelen, AF_INET6);
	if (err)
		return err;
	if (ipv6_addr_any(&f->dst.ip) && np_addr_is_v4(&inet6_sk(sk)->saddr))
		np_addr_set_v4(&f->dst.ip, htonl(INADDR_LOOPBACK));
	if (np_addr_is_v4(&f->dst.ip) && ipv6_only_sock(sk))
		return -ENETUNREACH;
	if (f->dst.scope)
		f->ifindex = f->dst.scope;
	return f->dst.port ? 0 : -EINVAL;
}
#else
static int np_dgram_name_to_v6(struct sock *sk, const struct msghdr *msg,
			       struct np_flow *f)
{
	return -EAFNOSUPPORT;
}
#endif

/* Does a message name whom it is for? An IPv6 socket takes AF_UNSPEC for no. */
static bool np_dgram_is_named(const struct sock *sk, const struct msghdr *msg)
{
	const struct sockaddr *name = msg->msg_name;

	if (!name)
		return false;
	return sk->sk_family != AF_INET6 ||
	       msg->msg_namelen < offsetofend(struct sockaddr, sa_family) ||
	       name->sa_family != AF_UNSPEC;
}

/* What the socket's own options say of a datagram. */
static void np_dgram_marks(const struct sock *sk, struct np_flow *f)
{
	struct net *net = sock_net(sk);

	f->mark = READ_ONCE(sk->sk_mark);
	if (np_addr_is_v4(&f->dst.ip)) {
		f->tos = np_inet_tos(inet_sk(sk));
		f->ttl = np_inet_ttl(net, inet_sk(sk));
		return;
	}
#if IS_ENABLED(CONFIG_IPV6)
	f->tos = max_t(int, inet6_sk(sk)->tclass, 0);
	f->ttl = np_inet6_hops(net, inet6_sk(sk));
#endif
}

/* cgroup-BPF programs see, and change, where a datagram goes and comes from. */
static int np_dgram_bpf_v4(struct sock *sk, bool named, struct np_flow *f)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = f->dst.port,
		.sin_addr.s_addr = np_addr_v4(&f->dst.ip),
	};
	__be32 src = np_addr_v4(&f->src.ip);
	int err;

	err = BPF_CGROUP_RUN_PROG_UDP4_SENDMSG_LOCK(sk, named ? (struct sockaddr *)&sin :
						    NULL, &src);
	if (err)
		return err;
	np_addr_set_v4(&f->src.ip, src);
	if (!named)
		return 0;
	np_addr_set_v4(&f->dst.ip, sin.sin_addr.s_addr);
	f->dst.port = sin.sin_port;
	return sin.sin_port ? 0 : -EINVAL;
}

static int np_dgram_bpf_v6(struct sock *sk, bool named, struct np_flow *f)
{
	struct sockaddr_in6 sin6 = {
		.sin6_family = AF_INET6,
		.sin6_port = f->dst.port,
		.sin6_addr = f->dst.ip,
		.sin6_scope_id = f->dst.scope,
	};
	int err;

	err = BPF_CGROUP_RUN_PROG_UDP6_SENDMSG_LOCK(sk, named ? (struct sockaddr *)&sin6 :
						    NULL, &f->src.ip);
	if (err || !named)
		return err;
	if (np_addr_is_v4(&sin6.sin6_addr))
		return -EOPNOTSUPP;
	f->dst.ip = sin6.sin6_addr;
	f->dst.port = sin6.sin6_port;
	return sin6.sin6_port ? 0 : -EINVAL;
}

/* The way of a datagram that names its destination, or has control messages. */
static int np_dgram_way(struct sock *sk, struct msghdr *msg, bool named,
			struct np_flow *f)
{
	int err = 0;

	np_dgram_source(sk, f);
	f->ifindex = READ_ONCE(sk->sk_bound_dev_if);
	if (!named)
		err = np_dgram_peer(sk, f);
	else if (sk->sk_family == AF_INET)
		err = np_dgram_name_to_v4(msg, f);
	else
		err = np_dgram_name_to_v6(sk, msg, f);
	if (err)
		return err;
	np_dgram_marks(sk, f);
	if (msg->msg_controllen) {
		err = np_dgram_send_cmsg(sk, msg, f);
		if (err)
			return err;
	}
	err = np_dgram_fit_source(sk, f);
	if (err)
		return err;
	if (np_addr_is_v4(&f->dst.ip))
		err = np_dgram_bpf_v4(sk, named, f);
	else
		err = np_dgram_bpf_v6(sk, named, f);
	return err ?: np_route_dgram(sk, f);
}

/* What keeps a socket from sending: an error of an earlier datagram first. */
static int np_dgram_tx_check(struct sock *sk)
{
	int err = sock_error(sk);

	if (err)
		return err;
	return READ_ONCE(sk->sk_shutdown) & SEND_SHUTDOWN ? -EPIPE : 0;
}

static void np_dgram_uncharge(struct sock *to, unsigned int size)
{
	atomic_sub(size, &to->sk_rmem_alloc);
	np_room_made(to);
}

static void np_dgram_rfree(struct sk_buff *skb)
{
	np_dgram_uncharge(skb->sk, skb->truesize);
}

/**
 * np_dgram_charge - charge a receiver, if it has room
 * @to: the receiver
 * @skb: what for; nobody's
 * @must: also if it has not
 *
 * Return: false if it has no room.
 */
bool np_dgram_charge(struct sock *to, struct sk_buff *skb, bool must)
{
	unsigned int size = skb->truesize, used;

	if (np_dgram_is_full(to) && !must)
		return false;
	/* Others may be doing the same: more than one too many is too much. */
	used = atomic_add_return(size, &to->sk_rmem_alloc);
	if (used > size + (unsigned int)READ_ONCE(to->sk_rcvbuf) && !must) {
		np_dgram_uncharge(to, size);
		return false;
	}
	skb->sk = to;
	skb->destructor = np_dgram_rfree;
	return true;
}

static void np_dgram_drop(struct sock *to, struct sk_buff *skb, enum np_stat stat,
			  enum skb_drop_reason reason)
{
	sk_drops_add(to, skb);
	np_stat_inc(sock_net(to), stat);
	kfree_skb_reason(skb, reason);
}

/* A receiver that is closing takes no more. If it is one of a group another may. */
static int np_dgram_bounce(struct sock *to, struct sk_buff *skb,
			   const struct np_member *m, unsigned int len)
{
	if (!m || skb->len < len) {
		/* As if it had come in right before; or a filter has cut it. */
		kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
		return 0;
	}
	__skb_push(skb, sizeof(struct udphdr));
	skb_orphan(skb);
	skb->dev = sock_net(to)->loopback_dev;
	return -ESTALE;
}

/**
 * np_dgram_queue - let a receiver's filters see a datagram, and put it into its queue
 * @to: the receiver, charged
 * @skb: the datagram, with the UDP header
 * @ifindex: the interface that it comes in on
 * @m: the receiver as one of a group, or NULL
 * @moved: it comes from another member, or from the time without one
 *
 * Context: RCU, or lock_sock() of @to.
 *
 * Return: 0, also where the datagram is dropped; or -ESTALE: the receiver is
 * closing, and the datagram, charged to nobody, is for another one of its group.
 */
int np_dgram_queue(struct sock *to, struct sk_buff *skb, int ifindex,
		   struct np_member *m, bool moved)
{
	struct sk_buff_head *queue = &to->sk_receive_queue;
	unsigned int len = skb->len - sizeof(struct udphdr);

	if (sk_filter_trim_cap(to, skb, sizeof(struct udphdr))) {
		np_dgram_drop(to, skb, NP_STAT_DGRAM_FILTERED,
			      SKB_DROP_REASON_SOCKET_FILTER);
		return 0;
	}
	skb->dev = NULL;
	np_dgram_skb_arrive(skb, ifindex);
	/* One that has waited for a member came in long before. */
	if ((sock_flag(to, SOCK_TIMESTAMP) ||
	     sock_flag(to, SOCK_TIMESTAMPING_RX_SOFTWARE)) && !skb->tstamp)
		__net_timestamp(skb);
	spin_lock(&queue->lock);
	if (unlikely(np_dg(to)->closed)) {
		spin_unlock(&queue->lock);
		return np_dgram_bounce(to, skb, m, len);
	}
	sock_skb_set_dropcount(to, skb);
	__skb_queue_tail(queue, skb);
	if (m && moved)
		m->stats.moved_in++;
	else if (m)
		m->stats.chosen++;
	spin_unlock(&queue->lock);
	if (!moved)
		np_stat_inc(sock_net(to), NP_STAT_DGRAM_DELIVERED);
	to->sk_data_ready(to);
	return 0;
}

/**
 * struct np_target - who a datagram is for
 * @sk: the receiver; or NULL: nobody, or those that @group is without now
 * @member: the receiver as one of a group, or NULL
 * @group: its group, or NULL
 */
struct np_target {
	struct sock *sk;
	struct np_member *member;
	struct np_group *group;
};

/* Who is there? Context: RCU. */
static void np_dgram_find(struct sock *sk, const struct np_flow *f, int ifindex,
			  struct sk_buff *skb, struct np_target *t)
{
	struct np_listener *l;

	l = np_port_lookup_from(np_sock_ports(sk), &f->dst, &f->src, ifindex);
	if (!l)
		return;
	if (!l->is_group) {
		t->sk = container_of(l, struct np_dest, l)->sk;
		return;
	}
	t->group = container_of(l, struct np_group, listener);
	t->member = np_group_choose_dgram(t->group, f, skb);
	if (t->member)
		t->sk = t->member->sk;
}

static int np_dgram_refused(struct sock *sk, const struct np_flow *f,
			    struct sk_buff *skb, int ifindex)
{
	np_stat_inc(sock_net(sk), NP_STAT_DGRAM_REFUSED);
	np_dgram_refuse(sk, f, skb, ifindex);
	kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
	return 0;
}

/* A sender that wants to wait finds a receiver full: what to wait for? */
static int np_dgram_await(const struct np_target *t, struct np_target *wait_for)
{
	if (t->sk) {
		if (!refcount_inc_not_zero(&t->sk->sk_refcnt))
			return -ESTALE;
	} else if (!np_group_tryget(t->group)) {
		return -ESTALE;
	}
	*wait_for = *t;
	return -EAGAIN;
}

/* Leave a datagram with a group that has no member now. */
static int np_dgram_deposit(struct sock *sk, struct sk_buff *skb, int ifindex,
			    const struct np_target *t, struct np_target *wait_for)
{
	int err = np_group_keep_dgram(t->group, skb, ifindex);

	if (err != -EAGAIN)
		return err;
	if (READ_ONCE(np_dg(sk)->wait))
		return np_dgram_await(t, wait_for);
	np_stat_inc(sock_net(sk), NP_STAT_DGRAM_DROPPED);
	kfree_skb_reason(skb, SKB_DROP_REASON_SOCKET_RCVBUFF);
	return 0;
}

/* Hand a datagram to its receiver. -EAGAIN: it is full, the sender wants to wait,
 * and has got a reference to @wait_for's; -ESTALE: look again. In both cases the
 * datagram is the caller's still.
 */
static int np_dgram_offer(struct sock *sk, const struct np_flow *f,
			  struct sk_buff *skb, int ifindex, struct np_target *wait_for)
{
	struct np_target t = { };
	int err = 0;

	rcu_read_lock();
	np_dgram_find(sk, f, ifindex, skb, &t);
	if (likely(t.sk)) {
		if (likely(np_dgram_charge(t.sk, skb, false)))
			err = np_dgram_queue(t.sk, skb, ifindex, t.member, false);
		else if (READ_ONCE(np_dg(sk)->wait))
			err = np_dgram_await(&t, wait_for);
		else
			np_dgram_drop(t.sk, skb, NP_STAT_DGRAM_DROPPED,
				      SKB_DROP_REASON_SOCKET_RCVBUFF);
	} else if (t.group) {
		err = np_dgram_deposit(sk, skb, ifindex, &t, wait_for);
	}
	rcu_read_unlock();
	if (unlikely(!t.sk && !t.group))
		return np_dgram_refused(sk, f, skb, ifindex);
	return err;
}

/* Wait for what np_dgram_offer() has found full. */
static int np_dgram_wait(struct sock *sk, const struct np_target *t,
			 const struct np_flow *f, long *timeo)
{
	int err;

	if (t->sk) {
		err = np_room_wait(sk, t->sk, np_addr_hash(&f->src, &f->dst), timeo);
		sock_put(t->sk);
	} else {
		err = np_group_wait_dgram(sk, t->group, timeo);
		np_group_put(t->group);
	}
	return err;
}

/* Let the sender's control group's programs see a datagram, as IP does before it
 * lets one go; and have it look as it does then.
 */
static int np_dgram_egress(struct sock *sk, struct sk_buff *skb, int ifindex)
{
	int ret;

	skb->skb_iif = ifindex;
	skb->dev = sock_net(sk)->loopback_dev;
	skb->sk = sk;
	ret = BPF_CGROUP_RUN_PROG_INET_EGRESS(sk, skb);
	skb->sk = NULL;
	return ret == NET_XMIT_CN ? 0 : ret;
}

/**
 * np_dgram_transmit - send a datagram whose way is known
 * @sk: the sender
 * @f: the way
 * @from: the payload
 * @len: its length
 * @flags: MSG_*
 *
 * Context: may sleep, with NEWPROTO_WAIT for as long as SO_SNDTIMEO lets it.
 *
 * Return: 0, also where the datagram is dropped; or what send(2) and udp(7)
 * say.
 */
int np_dgram_transmit(struct sock *sk, struct np_flow *f, struct iov_iter *from,
		      size_t len, int flags)
{
	long timeo = sock_sndtimeo(sk, flags & MSG_DONTWAIT);
	int ifindex = sock_net(sk)->loopback_dev->ifindex;
	struct np_target to;
	struct sk_buff *skb;
	int err;

	if (!np_addr_is_v4(&f->dst.ip) &&
	    ipv6_addr_type(&f->dst.ip) & IPV6_ADDR_LINKLOCAL)
		ifindex = f->ifindex;
	skb = np_dgram_skb(f, from, len);
	if (IS_ERR(skb))
		return PTR_ERR(skb);
	err = np_dgram_egress(sk, skb, ifindex);
	if (unlikely(err)) {
		kfree_skb_reason(skb, SKB_DROP_REASON_BPF_CGROUP_EGRESS);
		return min(err, 0);	/* NET_XMIT_DROP: lost on the way */
	}
	for (;;) {
		err = np_dgram_offer(sk, f, skb, ifindex, &to);
		if (likely(!err))
			break;
		if (err == -ESTALE)
			continue;	/* it is on its way out of the list */
		err = np_dgram_wait(sk, &to, f, &timeo);
		if (!err)
			err = np_dgram_tx_check(sk);
		if (!err && signal_pending(current))
			err = sock_intr_errno(timeo);
		cond_resched();
		if (err) {
			kfree_skb(skb);
			return err;
		}
	}
	np_room_leave(sk);
	return 0;
}

/* As inet_send_prepare(): a socket gets a port when it first needs one. */
static int np_dgram_autobind(struct sock *sk)
{
	int err = 0;

	lock_sock(sk);
	if (!inet_sk(sk)->inet_num) {
		err = np_dgram_get_port(sk, 0);
		if (!err)
			inet_sk(sk)->inet_sport = htons(inet_sk(sk)->inet_num);
	}
	release_sock(sk);
	return err ? -EAGAIN : 0;
}

static int np_dgram_fits(struct sock *sk, const struct np_flow *f, size_t len)
{
	if (likely(len <= np_dgram_max(f)))
		return 0;
	/* UDP over IPv4 does not get as far as IP with more than 16 bits of length. */
	if (!np_addr_is_v4(&f->dst.ip) || len <= 0xffff)
		np_dgram_too_long(sk, f);
	return -EMSGSIZE;
}

/* UDP_CORK, MSG_MORE: begin a datagram, again if another thread has sent it before
 * this one's part was in it.
 */
static int np_dgram_hold_back(struct sock *sk, const struct np_flow *f,
			      struct msghdr *msg, size_t len)
{
	int err;

	do {
		err = np_cork_start(sk, f) ?: np_cork_append(sk, msg, len);
	} while (err == -ESTALE);
	return err;
}

/**
 * np_dgram_sendmsg - send(2) and its kin
 * @sock: the socket
 * @msg: the datagram
 * @len: its length
 *
 * Context: may sleep.
 *
 * Return: @len, or what send(2), udp(7) and ip(7) say.
 */
int np_dgram_sendmsg(struct socket *sock, struct msghdr *msg, size_t len)
{
	struct sock *sk = sock->sk;
	struct np_dgram *dg = np_dg(sk);
	bool named = np_dgram_is_named(sk, msg);
	struct np_flow f = { };
	int err;

	if (unlikely(sk->sk_family == AF_INET && len > 0xffff))
		return -EMSGSIZE;
	if (unlikely(msg->msg_flags & MSG_OOB))
		return -EOPNOTSUPP;
	if (unlikely(!READ_ONCE(inet_sk(sk)->inet_num))) {
		err = np_dgram_autobind(sk);
		if (err)
			return err;
	}
	if (unlikely(READ_ONCE(dg->cork))) {
		err = np_dgram_tx_check(sk) ?: np_cork_append(sk, msg, len);
		if (err != -ESTALE)
			return err;
	}
	if (likely(!named && !msg->msg_controllen)) {
		err = np_dgram_peer(sk, &f);
		if (!err)
			np_dgram_marks(sk, &f);
	} else {
		err = np_dgram_way(sk, msg, named, &f);
	}
	if (!err)
		err = np_dgram_tx_check(sk);
	if (err)
		return err;
	if (unlikely(msg->msg_flags & MSG_PROBE))
		return len;
	if (unlikely(msg->msg_flags & MSG_MORE || READ_ONCE(dg->corked)))
		return np_dgram_hold_back(sk, &f, msg, len);
	err = np_dgram_fits(sk, &f, len) ?:
	      np_dgram_transmit(sk, &f, &msg->msg_iter, len, msg->msg_flags);
	return err ?: len;
}
