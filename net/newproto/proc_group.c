// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/net/newproto/groups: a line for each group of sockets that share an
 * address, and after it one for each member.
 */
#include "group.h"
#include "proc.h"
#include "sock.h"

static const char * const np_group_states[] = {
	[NP_GROUP_IDLE] = "idle",
	[NP_GROUP_LIVE] = "live",
	[NP_GROUP_GRACE] = "grace",
};

static const char * const np_group_policies[] = {
	[NEWPROTO_POLICY_HASH] = "hash",
	[NEWPROTO_POLICY_ROUND_ROBIN] = "round-robin",
	[NEWPROTO_POLICY_LEAST_LOADED] = "least-loaded",
	[NEWPROTO_POLICY_LAST_BOUND] = "last-bound",
};

static struct np_group *np_share_group(struct np_share *s)
{
	return container_of(s, struct np_group, share);
}

static unsigned int np_proc_groups_lines(struct np_port *p)
{
	struct np_share *s;
	unsigned int n = 0;

	spin_lock(&p->lock);
	hlist_for_each_entry(s, &p->shares, node)
		n += 1 + READ_ONCE(np_share_group(s)->nmembers);
	spin_unlock(&p->lock);
	return n;
}

static void np_proc_group_stats(struct seq_file *seq, const struct np_group_stats *s)
{
	seq_printf(seq, " %llu %llu %llu %llu %llu %llu %llu\n", s->chosen,
		   s->accepted, s->moved_in, s->moved_out, s->reset, s->expired,
		   s->rescued);
}

/* Connections, or datagrams, that wait on a member. */
static u32 np_proc_pending(const struct np_member *m)
{
	if (m->sk->sk_type == SOCK_DGRAM)
		return skb_queue_len_lockless(&m->sk->sk_receive_queue);
	return m->npending;
}

static void np_proc_group(struct seq_file *seq, struct np_group *g,
			  const struct np_port *p, int space)
{
	struct np_group_stats sum = g->past;
	u32 pending = g->norphans + skb_queue_len(&g->dgrams);
	struct user_namespace *ns = seq_user_ns(seq);
	struct np_member *m;

	list_for_each_entry(m, &g->members, node) {
		np_group_stats_add(&sum, &m->stats);
		pending += np_proc_pending(m);
	}
	seq_printf(seq, "group %s", np_proc_types[space]);
	np_proc_addr(seq, &g->share.local, p->key);
	seq_printf(seq, " %u - %s %s - %d %u %u %u",
		   from_kuid_munged(ns, g->share.uid), np_group_states[g->state],
		   np_group_policies[g->pick.policy], READ_ONCE(g->grace), g->nlive,
		   pending, g->nwaiting);
	np_proc_group_stats(seq, &sum);
}

static void np_proc_member(struct seq_file *seq, const struct np_member *m,
			   const struct np_port *p, int space)
{
	const struct np_group *g = m->group;
	struct user_namespace *ns = seq_user_ns(seq);
	const char *state = "idle";

	if (m->live)
		state = m->silent ? "silent" : "live";
	seq_printf(seq, "member %s", np_proc_types[space]);
	np_proc_addr(seq, &g->share.local, p->key);
	seq_printf(seq, " %u %lu %s - %u - - %u -",
		   from_kuid_munged(ns, g->share.uid), sock_i_ino(m->sk), state,
		   m->weight, np_proc_pending(m));
	np_proc_group_stats(seq, &m->stats);
}

/* Of a group's lines those from the @skip-th on, @n at most. Returns how many were
 * skipped, or shown, of all that it has.
 */
static unsigned int np_proc_group_show(struct seq_file *seq, struct np_group *g,
				       const struct np_port *p, int space,
				       unsigned int skip, unsigned int n)
{
	struct np_member *m;
	unsigned int i = 0;

	spin_lock(&g->lock);
	if (i++ >= skip)
		np_proc_group(seq, g, p, space);
	list_for_each_entry(m, &g->members, node) {
		if (i >= skip + n)
			break;
		if (i++ >= skip)
			np_proc_member(seq, m, p, space);
	}
	spin_unlock(&g->lock);
	return i;
}

static int np_proc_groups_show(struct seq_file *seq, void *v)
{
	struct np_proc_iter *it = seq->private;
	unsigned int skip = it->first, left = NP_PROC_BATCH, n;
	struct np_port *p = v;
	struct np_share *s;

	if (v == SEQ_START_TOKEN) {
		seq_puts(seq, "kind type local uid inode state policy weight grace members pending waiting chosen accepted moved_in moved_out reset expired rescued\n");
		return 0;
	}
	spin_lock(&p->lock);
	hlist_for_each_entry(s, &p->shares, node) {
		n = np_proc_group_show(seq, np_share_group(s), p, it->space, skip,
				       left);
		left -= n > skip ? n - skip : 0;
		skip -= min(n, skip);
		if (!left)
			break;
	}
	spin_unlock(&p->lock);
	return 0;
}

static void *np_proc_groups_next(struct seq_file *seq, void *v, loff_t *pos)
{
	return np_proc_walk_next(seq, pos, np_proc_groups_lines);
}

static void *np_proc_groups_start(struct seq_file *seq, loff_t *pos)
	__acquires(RCU)
{
	return np_proc_walk_start(seq, pos, np_proc_groups_lines);
}

const struct seq_operations np_proc_groups_ops = {
	.start = np_proc_groups_start,
	.next = np_proc_groups_next,
	.stop = np_proc_walk_stop,
	.show = np_proc_groups_show,
};
