// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/net/newproto/, per namespace:
 *
 * sockets	a line for every socket that has a port
 * groups	lines for every group of sockets that share an address
 * counters	a line for every counter
 */
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <net/tcp_states.h>

#include "group.h"
#include "net.h"
#include "proc.h"
#include "sock.h"
#include "state.h"

static const char * const np_stat_names[NP_STAT_NR] = {
	[NP_STAT_CONNECTED] = "connected",
	[NP_STAT_WAITED] = "waited",
	[NP_STAT_ACCEPTED] = "accepted",
	[NP_STAT_REFUSED] = "refused",
	[NP_STAT_UNREACHABLE] = "unreachable",
	[NP_STAT_TIMED_OUT] = "timed_out",
	[NP_STAT_TURNED_AWAY] = "turned_away",
	[NP_STAT_RESET] = "reset",
	[NP_STAT_CLOSED] = "closed",
	[NP_STAT_DGRAM_DELIVERED] = "dgram_delivered",
	[NP_STAT_DGRAM_REFUSED] = "dgram_refused",
	[NP_STAT_DGRAM_DROPPED] = "dgram_dropped",
	[NP_STAT_DGRAM_FILTERED] = "dgram_filtered",
};

const char * const np_proc_types[NP_SPACE_NR] = {
	[NP_SPACE_STREAM] = "stream",
	[NP_SPACE_DGRAM] = "dgram",
	[NP_SPACE_SEQPACKET] = "seqpacket",
};

static int np_proc_counters_show(struct seq_file *seq, void *v)
{
	struct np_net *nn = np_net(seq_file_single_net(seq));
	unsigned long sum;
	int i, cpu;

	for (i = 0; i < NP_STAT_NR; i++) {
		sum = 0;
		for_each_possible_cpu(cpu)
			sum += per_cpu_ptr(nn->stats, cpu)->v[i];
		seq_printf(seq, "%s %lu\n", np_stat_names[i], sum);
	}
	seq_printf(seq, "buffer_bytes %lu\n", np_pool_bytes(&nn->pool));
	return 0;
}

/**
 * np_proc_addr - an address and a port, as a column
 * @seq: the file
 * @ip: the address
 * @port: the port, host byte order
 */
void np_proc_addr(struct seq_file *seq, const struct in6_addr *ip, u16 port)
{
	__be32 v4 = np_addr_v4(ip);

	if (np_addr_is_v4(ip))
		seq_printf(seq, " %pI4:%u", &v4, port);
	else
		seq_printf(seq, " [%pI6c]:%u", ip, port);
}

/* The two queues as ss(8) has them: bytes to be read and bytes not yet read by
 * the other end; of a listener what is pending and how much may be; of a
 * datagram socket what it is charged for those to be received.
 */
static void np_proc_queues(struct seq_file *seq, struct sock *sk)
{
	struct np_sock *nsk = np_sk(sk);
	u32 in = 0, out = 0;
	struct np_member *m;
	struct np_chan *c;

	if (sk->sk_type == SOCK_DGRAM) {
		seq_printf(seq, " %u 0", sk_rmem_alloc_get(sk));
		return;
	}
	rcu_read_lock();
	m = READ_ONCE(nsk->base.member);
	if (m && READ_ONCE(sk->sk_state) == TCP_LISTEN) {
		in = READ_ONCE(m->npending);
		out = READ_ONCE(sk->sk_max_ack_backlog);
	}
	c = READ_ONCE(nsk->rx);
	if (c)
		in = np_chan_used(c);
	c = READ_ONCE(nsk->tx);
	if (c)
		out = np_chan_used(c);
	rcu_read_unlock();
	seq_printf(seq, " %u %u", in, out);
}

/* A datagram socket that is not connected is not closed, either. */
static const char *np_proc_state(const struct sock *sk)
{
	int state = READ_ONCE(sk->sk_state);

	if (sk->sk_type == SOCK_DGRAM && state == TCP_CLOSE)
		return "UNCONN";
	return np_state_name(state);
}

/* What carries a connection's bytes. */
static const char *np_proc_path(const struct sock *sk, const struct np_claim *c)
{
	const struct np_conn *conn;
	const char *path = "local";

	if (!c->connected)
		return "-";
	if (sk->sk_type == SOCK_DGRAM)
		return path;
	rcu_read_lock();
	conn = READ_ONCE(np_sk(sk)->conn);
	if (conn && conn->far)
		path = "direct";
	rcu_read_unlock();
	return path;
}

static void np_proc_claim(struct seq_file *seq, const struct np_claim *c,
			  u16 port)
{
	struct np_base *base = container_of(c, struct np_base, claim);
	struct sock *sk = &base->inet.sk;
	struct user_namespace *ns = seq_user_ns(seq);
	struct in6_addr any = { };

	if (sk->sk_family == AF_INET)
		np_addr_set_v4(&any, 0);
	seq_printf(seq, "%s %s", np_proc_types[np_space(sk->sk_type)],
		   np_proc_state(sk));
	np_proc_queues(seq, sk);
	np_proc_addr(seq, &c->local, port);
	np_proc_addr(seq, c->connected ? &c->peer : &any,
		     c->connected ? ntohs(c->peer_port) : 0);
	seq_printf(seq, " %u %lu %s\n", from_kuid_munged(ns, sock_i_uid(sk)),
		   sock_i_ino(sk), np_proc_path(sk, c));
}

static unsigned int np_proc_sockets_lines(struct np_port *p)
{
	return READ_ONCE(p->users);
}

static int np_proc_sockets_show(struct seq_file *seq, void *v)
{
	struct np_proc_iter *it = seq->private;
	struct np_port *p = v;
	struct np_claim *c;
	unsigned int i = 0;

	if (v == SEQ_START_TOKEN) {
		seq_puts(seq, "type state recv-q send-q local peer uid inode path\n");
		return 0;
	}
	spin_lock(&p->lock);
	hlist_for_each_entry(c, &p->claims, node) {
		if (i >= it->first + NP_PROC_BATCH)
			break;
		if (i++ >= it->first && !c->vacant)
			np_proc_claim(seq, c, p->key);
	}
	spin_unlock(&p->lock);
	return 0;
}

static void *np_proc_sockets_next(struct seq_file *seq, void *v, loff_t *pos)
{
	return np_proc_walk_next(seq, pos, np_proc_sockets_lines);
}

static void *np_proc_sockets_start(struct seq_file *seq, loff_t *pos)
	__acquires(RCU)
{
	return np_proc_walk_start(seq, pos, np_proc_sockets_lines);
}

static const struct seq_operations np_proc_sockets_ops = {
	.start = np_proc_sockets_start,
	.next = np_proc_sockets_next,
	.stop = np_proc_walk_stop,
	.show = np_proc_sockets_show,
};

/**
 * np_proc_init_net - make a namespace's files
 * @net: the namespace
 *
 * Return: 0 or -ENOMEM.
 */
int np_proc_init_net(struct net *net)
{
	struct proc_dir_entry *dir = proc_net_mkdir(net, "newproto", net->proc_net);

	if (!dir)
		return -ENOMEM;
	if (!proc_create_net("sockets", 0444, dir, &np_proc_sockets_ops,
			     sizeof(struct np_proc_iter)) ||
	    !proc_create_net("groups", 0444, dir, &np_proc_groups_ops,
			     sizeof(struct np_proc_iter)) ||
	    !proc_create_net_single("counters", 0444, dir,
				    np_proc_counters_show, NULL)) {
		remove_proc_subtree("newproto", net->proc_net);
		return -ENOMEM;
	}
	return 0;
}

/**
 * np_proc_exit_net - remove a namespace's files
 * @net: the namespace
 */
void np_proc_exit_net(struct net *net)
{
	remove_proc_subtree("newproto", net->proc_net);
}
