// SPDX-License-Identifier: GPL-2.0-only
/*
 * connect() and socketpair(). inet_stream_connect() does the waiting and the
 * states of the struct socket, and calls np_connect() for the work.
 */
#include <linux/bpf-cgroup.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <net/tcp_states.h>

#include "compat.h"
#include "far_conn.h"
#include "group.h"
#include "nic.h"
#include "route.h"
#include "sock.h"
#include "state.h"
#include "trace.h"

/**
 * np_connect_program - have cgroup-BPF's programs for connect() run
 * @sk: the socket
 * @uaddr: the address, which they may change
 * @v6: those for IPv6
 *
 * They may bind the socket as well.
 *
 * Context: lock_sock().
 *
 * Return: 0 or a negative errno.
 */
int np_connect_program(struct sock *sk, struct sockaddr *uaddr, bool v6)
{
	int err;

	np_bind_let_program(sk);
	if (v6)
		err = BPF_CGROUP_RUN_PROG_INET6_CONNECT(sk, uaddr);
	else
		err = BPF_CGROUP_RUN_PROG_INET4_CONNECT(sk, uaddr);
	np_bind_end_program(sk);
	return err;
}

/**
 * np_connect_pre - let cgroup-BPF programs see, and change, the address
 * @sk: the socket
 * @uaddr: the address
 * @len: its length
 *
 * Context: lock_sock().
 *
 * Return: 0 or a negative errno.
 */
int np_connect_pre(struct sock *sk, struct sockaddr *uaddr, int len)
{
	if (sk->sk_family == AF_INET6) {
		if (len < SIN6_LEN_RFC2133)
			return -EINVAL;
		return np_connect_program(sk, uaddr, true);
	}
	if (len < (int)sizeof(struct sockaddr_in))
		return -EINVAL;
	return np_connect_program(sk, uaddr, false);
}

/* Who listens there? Returns a reference or NULL. */
static struct np_group *np_connect_find(struct sock *sk, const struct np_addr *dst)
{
	struct net *net = sock_net(sk);
	int ifindex = net->loopback_dev->ifindex;

	if (ipv6_addr_type(&dst->ip) & IPV6_ADDR_LINKLOCAL)
		ifindex = sk->sk_bound_dev_if;
	return np_group_find(np_sock_ports(sk), dst, ifindex, false);
}

/**
 * np_connect_claim - make sure of a port for a connection
 * @sk: the socket
 * @src: where it comes from; the port is filled in
 * @dst: where it goes
 *
 * Context: lock_sock(). May sleep.
 *
 * Return: 0 or a negative errno.
 */
int np_connect_claim(struct sock *sk, struct np_addr *src,
		     const struct np_addr *dst)
{
	struct np_claim *c = &np_base(sk)->claim;
	struct np_range range;
	int err;

	if (c->port) {
		src->port = htons(np_claim_number(c));
		return np_claim_set_peer(c, src, dst);
	}
	np_bind_latch(sk);
	c->local = src->ip;
	c->peer = dst->ip;
	c->peer_port = dst->port;
	c->connected = true;
	np_bind_range(sk, &range);
	err = np_claim_connect(np_sock_ports(sk), c, &range);
	src->port = htons(np_claim_number(c));
	return err;
}

/**
 * np_connect_conn - make the connection of a client
 * @sk: the client
 * @src: its address
 * @dst: the server's
 *
 * Context: may sleep.
 *
 * Return: the connection, or NULL.
 */
struct np_conn *np_connect_conn(struct sock *sk, const struct np_addr *src,
				const struct np_addr *dst)
{
	struct np_conn *conn = np_conn_alloc(&np_net(sock_net(sk))->pool);

	if (!conn)
		return NULL;
	conn->end[NP_CLIENT].ip = src->ip;
	conn->end[NP_CLIENT].port = src->port;
	conn->end[NP_SERVER].ip = dst->ip;
	conn->end[NP_SERVER].port = dst->port;
	if (ipv6_addr_type(&dst->ip) & IPV6_ADDR_LINKLOCAL)
		conn->ifindex = sk->sk_bound_dev_if;
	return conn;
}

/**
 * np_connect_undo - put everything back that np_connect() may have changed
 * @sk: the socket
 * @bound: the address that it was bound to
 *
 * Context: lock_sock().
 */
void np_connect_undo(struct sock *sk, const struct in6_addr *bound)
{
	struct inet_sock *inet = inet_sk(sk);
	struct np_addr local = { .ip = *bound, .port = inet->inet_sport };
	struct np_addr none = { };

	if (!(sk->sk_userlocks & SOCK_BINDPORT_LOCK) && !np_base(sk)->claim.fixed)
		np_bind_put_port(sk);
	local.port = htons(inet->inet_num);
	np_sock_set_addrs(sk, &local, &none);
	inet->inet_daddr = 0;
	if (np_base(sk)->claim.port)
		np_bind_restore(sk);
}

/**
 * struct np_wait - the end of a client's wait for a place in a queue
 *
 * Pending work from when it is made until np_connect_stop_wait() or the time
 * is over; it holds a reference to the socket, and is freed by whoever of the
 * two puts that.
 *
 * @work: runs when the time is over
 * @sk: the socket
 */
struct np_wait {
	struct delayed_work work;
	struct sock *sk;
};

static void np_connect_timeout(struct work_struct *work)
{
	struct np_wait *wait = container_of(to_delayed_work(work),
					    struct np_wait, work);
	struct sock *sk = wait->sk;
	struct np_sock *nsk = np_sk(sk);

	lock_sock(sk);
	if (nsk->wait == wait) {
		nsk->wait = NULL;
		if (np_conn_cancel(nsk->conn)) {
			np_stat_inc(sock_net(sk), NP_STAT_TIMED_OUT);
			trace_newproto_close(sk, NP_REASON_TIMED_OUT);
			np_conn_event(nsk->conn, NP_CLIENT, NP_EV_TIMEOUT);
		}
	}
	release_sock(sk);
	sock_put(sk);
	kfree(wait);
}

/**
 * np_connect_start_wait - a client waits for its connection, but not for ever
 * @sk: the socket
 *
 * Context: lock_sock(). May sleep.
 *
 * Return: 0 or -ENOMEM.
 */
int np_connect_start_wait(struct sock *sk)
{
	struct np_wait *wait = kmalloc(sizeof(*wait), GFP_KERNEL_ACCOUNT);
	int ms = READ_ONCE(np_net(sock_net(sk))->connect_timeout);

	if (!wait)
		return -ENOMEM;
	INIT_DELAYED_WORK(&wait->work, np_connect_timeout);
	wait->sk = sk;
	sock_hold(sk);
	np_sk(sk)->wait = wait;
	queue_delayed_work(np_wq, &wait->work, msecs_to_jiffies(ms));
	return 0;
}

/**
 * np_connect_stop_wait - a socket does not wait for a place any more
 * @sk: the socket
 *
 * Context: lock_sock().
 */
void np_connect_stop_wait(struct sock *sk)
{
	struct np_wait *wait = np_sk(sk)->wait;

	np_sk(sk)->wait = NULL;
	/* If it runs already it finds that it is not wanted. */
	if (wait && cancel_delayed_work(&wait->work)) {
		sock_put(sk);
		kfree(wait);
	}
}

/* What a program that chooses a member of a group sees of a connection. */
static struct sk_buff *np_connect_skb(const struct np_conn *conn)
{
	struct sk_buff *skb = alloc_skb(0, GFP_KERNEL);

	/* Without memory the group's policy will do. */
	if (skb)
		__skb_set_sw_hash(skb, np_conn_hash(conn), true);
	return skb;
}

/**
 * np_connect_ask - offer a connection to its group, and to the member that a program names
 * @conn: the connection
 *
 * Context: may sleep.
 *
 * Return: as np_group_offer().
 */
int np_connect_ask(struct np_conn *conn)
{
	struct np_member *m = NULL;
	struct sk_buff *skb;
	int err;

	if (likely(!np_group_has_program(conn->group)))
		return np_group_offer(conn->group, conn, NULL);
	skb = np_connect_skb(conn);
	rcu_read_lock();
	if (skb)
		m = np_group_ask_program(conn->group, skb, 0);
	err = np_group_offer(conn->group, conn, m);
	rcu_read_unlock();
	consume_skb(skb);
	return err;
}

static int np_connect_offer(struct sock *sk, struct np_conn *conn)
{
	struct net *net = sock_net(sk);
	int err;

	/* What an earlier connection has left is none of this one's. */
	WRITE_ONCE(sk->sk_err, 0);
	np_state_set(sk, TCP_SYN_SENT);
	np_sock_join_conn(sk, conn, NP_CLIENT);
	err = np_connect_ask(conn);
	if (!err) {
		np_stat_inc(net, NP_STAT_CONNECTED);
		trace_newproto_connect(sk, NP_REASON_CONNECTED);
		return 0;
	}
	if (err == -EINPROGRESS) {
		np_stat_inc(net, NP_STAT_WAITED);
		trace_newproto_connect(sk, NP_REASON_QUEUE_FULL);
		err = np_connect_start_wait(sk);
		/* No memory is no matter if it has got a place meanwhile. */
		if (!err || !np_group_cancel(conn))
			return 0;
	} else {
		np_conn_drop_end(conn, NP_SERVER);
	}
	np_state_set(sk, TCP_CLOSE);
	np_sock_leave_conn(sk);
	return err;
}

/**
 * np_connect_refuse - count and trace why there is no connection
 * @sk: the socket
 * @dst: where it was to go
 * @err: a negative errno
 * @stat: the counter
 * @reason: the reason
 *
 * Return: @err.
 */
int np_connect_refuse(struct sock *sk, const struct np_addr *dst, int err,
		      enum np_stat stat, enum np_reason reason)
{
	np_stat_inc(sock_net(sk), stat);
	trace_newproto_refuse(sk, dst, reason);
	return err;
}

/* With the listener's group found: get a port, and a place in its queue. */
static int np_connect_group(struct sock *sk, struct np_group *g,
			    struct np_addr *src, const struct np_addr *dst)
{
	struct in6_addr bound;
	struct np_conn *conn;
	int err;

	np_bind_local(sk, &bound);
	err = np_connect_claim(sk, src, dst);
	if (err) {
		np_group_put(g);
		return np_connect_refuse(sk, dst, err, NP_STAT_UNREACHABLE,
					 NP_REASON_NO_PORT);
	}
	conn = np_connect_conn(sk, src, dst);
	if (!conn) {
		np_group_put(g);
		np_connect_undo(sk, &bound);
		return -ENOMEM;
	}
	conn->group = g;
	np_sock_set_addrs(sk, src, dst);
	err = np_connect_offer(sk, conn);
	if (err)
		np_connect_undo(sk, &bound);
	return err;
}

/**
 * np_connect - connect(2), the part that inet leaves to the protocol
 * @sk: the socket
 * @uaddr: the address
 * @len: its length
 *
 * Context: lock_sock(), the socket in TCP_CLOSE. May sleep.
 *
 * Return: 0: the socket is in TCP_ESTABLISHED, or in TCP_SYN_SENT and waits
 * for a place in a full queue; or what connect(2) says.
 */
int np_connect(struct sock *sk, struct sockaddr *uaddr, int len)
{
	struct np_addr dst, src = { };
	struct np_nic_client *nc;
	bool stale = false, far;
	struct np_group *g;
	int err;

	err = np_addr_parse(&dst, uaddr, len, sk->sk_family);
	if (!err && sk->sk_family == AF_INET6)
		err = np_route_check_v6(sk, &dst);
	if (err)
		return err;
	/* What an earlier attempt that failed has left behind. */
	if (np_sk(sk)->conn)
		np_sock_disconnect(sk, 0);
	nc = np_nic_find(sock_net(sk), sk->sk_bound_dev_if);
	if (unlikely(nc)) {
		far = sk->sk_type == SOCK_STREAM && np_route_is_elsewhere(sk, &dst);
		err = far ? np_far_connect(sk, nc, &dst) : 0;
		np_nic_put(nc);
		if (far)
			return err;
	}
	err = np_route_stream(sk, &dst, &src);
	if (err)
		return np_connect_refuse(sk, &dst, err, NP_STAT_UNREACHABLE,
					 NP_REASON_NOT_LOCAL);
	/* Where the listener has left meanwhile there may be another. */
	do {
		g = np_connect_find(sk, &dst);
		if (!g)
			return np_connect_refuse(sk, &dst, -ECONNREFUSED,
						 NP_STAT_REFUSED,
						 stale ? NP_REASON_LISTENER_CLOSED :
							 NP_REASON_NO_LISTENER);
		err = np_connect_group(sk, g, &src, &dst);
		stale = err == -ESTALE;
	} while (stale);
	return err;
}

/* One end of a socketpair gets an address: the loopback one and a port, which
 * other pairs may have too.
 */
static int np_connect_pair_claim(struct sock *sk, struct np_addr *local,
				 const struct np_addr *peer)
{
	struct np_claim *c = &np_base(sk)->claim;
	struct np_range range;
	int err;

	local->ip = in6addr_loopback;
	if (sk->sk_family == AF_INET)
		np_addr_set_v4(&local->ip, htonl(INADDR_LOOPBACK));
	np_bind_latch(sk);
	c->local = local->ip;
	c->peer = peer->ip;
	c->peer_port = peer->port;
	c->connected = !!peer->port;
	np_bind_range(sk, &range);
	err = np_claim_connect(np_sock_ports(sk), c, &range);
	local->port = htons(np_claim_number(c));
	return err;
}

static void np_connect_pair_join(struct sock *sk, struct np_conn *conn, int end,
				 const struct np_addr *local,
				 const struct np_addr *peer)
{
	np_sock_set_peercred(sk, conn->cred, conn->pid);
	np_sock_set_addrs(sk, local, peer);
	np_state_set(sk, TCP_ESTABLISHED);
	np_sock_join_conn(sk, conn, end);
	sk->sk_socket->state = SS_CONNECTED;
}

/**
 * np_connect_pair - socketpair(2)
 * @a: one socket, which no program knows yet
 * @b: the other
 *
 * Context: may sleep.
 *
 * Return: 0, -EADDRNOTAVAIL if there is no port, -ENOMEM.
 */
int np_connect_pair(struct socket *a, struct socket *b)
{
	struct np_addr end_a = { }, end_b = { };
	struct np_conn *conn;
	int err;

	err = np_connect_pair_claim(b->sk, &end_b, &end_a);
	if (!err)
		err = np_connect_pair_claim(a->sk, &end_a, &end_b);
	if (!err)
		err = np_claim_set_peer(&np_base(b->sk)->claim, &end_b, &end_a);
	if (err)
		return err;
	conn = np_connect_conn(a->sk, &end_a, &end_b);
	if (!conn)
		return -ENOMEM;
	conn->stage = NP_CONN_TAKEN;
	conn->chan[NP_CLIENT].rcap = b->sk->sk_rcvbuf;
	np_connect_pair_join(a->sk, conn, NP_CLIENT, &end_a, &end_b);
	np_connect_pair_join(b->sk, conn, NP_SERVER, &end_b, &end_a);
	return 0;
}
