// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets as members of groups: joining and leaving, the options of a group, and
 * the program that may choose in place of its policy.
 */
#include <linux/filter.h>
#include <linux/security.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <net/flow.h>
#include <net/sock_reuseport.h>

#include "dgram.h"
#include "group.h"
#include "sock.h"

/* The label that an LSM has given a socket, or 0. */
static u32 np_group_secid(struct sock *sk)
{
	struct flowi_common flow = { };

	security_sk_classify_flow(sk, &flow);
	return flow.flowic_secid;
}

static void np_member_wake(struct np_member *m)
{
	m->sk->sk_data_ready(m->sk);
}

/* What is chosen by a program are members of one of the core's groups, which gets
 * them in the order of their bind().
 */
static int np_group_join_core(struct np_group *g, struct sock *sk)
{
	struct np_member *first;
	int err;

	first = list_first_entry_or_null(&g->members, struct np_member, node);
	if (first)
		err = reuseport_add_sock(sk, first->sk, false);
	else
		err = reuseport_alloc(sk, false);
	if (!err)
		rcu_assign_pointer(g->reuse,
				   rcu_access_pointer(sk->sk_reuseport_cb));
	return err;
}

/* The core's group goes with its last member; any other one has the same. */
static void np_group_leave_core(struct np_group *g, struct sock *sk)
{
	struct np_member *m;

	if (list_empty(&g->members)) {
		RCU_INIT_POINTER(g->reuse, NULL);
	} else {
		m = list_first_entry(&g->members, struct np_member, node);
		rcu_assign_pointer(g->reuse,
				   rcu_access_pointer(m->sk->sk_reuseport_cb));
	}
	if (rcu_access_pointer(sk->sk_reuseport_cb))
		reuseport_detach_sock(sk);
}

static u32 np_group_weight(const struct np_base *b)
{
	return b->wish.set & NP_WISH_WEIGHT ? b->wish.weight : 1;
}

/* What was set before bind() counts from now on. */
static void np_group_apply_wish(struct np_group *g, struct np_member *m,
				const struct np_wish *w)
{
	if (w->set & NP_WISH_WEIGHT)
		m->weight = w->weight;
	if (w->set & NP_WISH_POLICY)
		np_pick_set_policy(&g->pick, w->policy);
}

static int np_group_enter(struct np_group *g, struct np_member *m, struct sock *sk)
{
	u32 secid = np_group_secid(sk);
	int err;

	spin_lock(&g->lock);
	if (!g->nmembers && g->state == NP_GROUP_IDLE)
		g->secid = secid;
	err = np_group_may_join(g, secid);
	if (!err)
		err = np_group_join_core(g, sk);
	if (!err) {
		m->secid = secid;
		np_group_apply_wish(g, m, &np_base(sk)->wish);
		np_group_add(g, m);
	}
	spin_unlock(&g->lock);
	return err;
}

/**
 * np_group_join - a socket is bound: with SO_REUSEPORT it becomes a member
 * @sk: the socket; its claim holds a port
 * @by_number: the port is one that the program asked for; a grace time that was set
 *	before bind() is for those only
 *
 * It is not live before it listens, or is to receive datagrams.
 *
 * Context: lock_sock(). May sleep.
 *
 * Return: 0, -EADDRINUSE, -ENOMEM; -ENOSPC: the core has no room for more members.
 */
int np_group_join(struct sock *sk, bool by_number)
{
	struct np_base *b = np_base(sk);
	struct np_group *g, *fresh;
	struct np_member *m;
	int err;

	if (!b->claim.reuseport)
		return 0;
	m = np_member_alloc(sk, np_member_wake);
	fresh = np_group_alloc(sock_net(sk), np_sock_ports(sk));
	if (!m || !fresh) {
		kfree(m);
		kfree(fresh);
		return -ENOMEM;
	}
	/* What a program names is looked at under RCU, without a reference. */
	sock_set_flag(sk, SOCK_RCU_FREE);
	g = container_of(np_claim_share(&b->claim, &fresh->share), struct np_group,
			 share);
	if (g != fresh)
		np_group_put(fresh);
	err = np_group_reserve_weight(g, np_group_weight(b)) ?: np_group_enter(g, m, sk);
	if (err) {
		np_claim_unshare(&b->claim);
		np_group_put(g);
		np_member_free(m);
		return err;
	}
	WRITE_ONCE(b->member, m);
	if (b->wish.set & NP_WISH_GRACE && by_number)
		np_group_set_grace(g, b->wish.grace, &b->claim);
	return 0;
}

/**
 * np_group_join_lone - a socket without SO_REUSEPORT is to listen
 * @sk: the socket, member of no group
 *
 * Context: lock_sock(). May sleep.
 *
 * Return: 0 or -ENOMEM.
 */
int np_group_join_lone(struct sock *sk)
{
	struct np_member *m = np_member_alloc(sk, np_member_wake);
	struct np_group *g = np_group_alloc(sock_net(sk), np_sock_ports(sk));

	if (!m || !g) {
		kfree(m);
		kfree(g);
		return -ENOMEM;
	}
	spin_lock(&g->lock);
	np_group_add(g, m);
	spin_unlock(&g->lock);
	WRITE_ONCE(np_base(sk)->member, m);
	return 0;
}

/**
 * np_group_leave - a socket ceases to be a member
 * @sk: the socket; not live, and its claim still holds its port
 *
 * Context: may sleep.
 */
void np_group_leave(struct sock *sk)
{
	struct np_base *b = np_base(sk);
	struct np_member *m = b->member;
	struct np_group *g;

	if (!m)
		return;
	g = m->group;
	spin_lock(&g->lock);
	np_group_remove(g, m);
	np_group_leave_core(g, sk);
	spin_unlock(&g->lock);
	if (b->claim.share)
		np_claim_unshare(&b->claim);
	WRITE_ONCE(b->member, NULL);
	np_group_put(g);
	np_member_free(m);
}

/* Is a socket alone for want of SO_REUSEPORT? */
static bool np_group_is_none(const struct sock *sk)
{
	return inet_sk(sk)->inet_num && !np_base(sk)->claim.share;
}

static int np_group_set_grace_opt(struct sock *sk, int ms)
{
	struct np_base *b = np_base(sk);

	if (ms < 0)
		return -EINVAL;
	ms = min(ms, READ_ONCE(np_net(sock_net(sk))->grace_max));
	b->wish.grace = ms;
	b->wish.set |= NP_WISH_GRACE;
	if (b->member)
		np_group_set_grace(b->member->group, ms, &b->claim);
	return 0;
}

/* Senders that wait for one member may be another's now. */
static void np_group_look_again(struct sock *sk)
{
	if (sk->sk_type == SOCK_DGRAM)
		np_group_wake_senders(sk);
}

static int np_group_set_policy_opt(struct sock *sk, int policy)
{
	struct np_base *b = np_base(sk);
	struct np_group *g;

	if (policy < NEWPROTO_POLICY_HASH || policy > NEWPROTO_POLICY_LAST_BOUND)
		return -EINVAL;
	b->wish.policy = policy;
	b->wish.set |= NP_WISH_POLICY;
	if (b->member) {
		g = b->member->group;
		spin_lock(&g->lock);
		np_pick_set_policy(&g->pick, policy);
		spin_unlock(&g->lock);
		np_group_look_again(sk);
	}
	return 0;
}

static int np_group_set_weight_opt(struct sock *sk, int weight)
{
	struct np_base *b = np_base(sk);
	struct np_member *m = b->member;

	if (weight < 1 || weight > NEWPROTO_WEIGHT_MAX)
		return -EINVAL;
	if (m && np_group_reserve_weight(m->group, weight))
		return -ENOMEM;
	b->wish.weight = weight;
	b->wish.set |= NP_WISH_WEIGHT;
	if (m) {
		spin_lock(&m->group->lock);
		m->weight = weight;
		if (m->live)
			np_pick_set_weight(&m->group->pick, &m->seat, weight);
		spin_unlock(&m->group->lock);
		np_group_look_again(sk);
	}
	return 0;
}

/**
 * np_group_is_opt - is an option of SOL_NEWPROTO one of a group's?
 * @level: the level
 * @name: the option
 */
bool np_group_is_opt(int level, int name)
{
	return level == SOL_NEWPROTO &&
	       (name == NEWPROTO_GRACE || name == NEWPROTO_POLICY ||
		name == NEWPROTO_WEIGHT);
}

/**
 * np_group_setsockopt - set an option of a socket's group
 * @sk: the socket
 * @name: NEWPROTO_GRACE, NEWPROTO_POLICY or NEWPROTO_WEIGHT
 * @val: its value, an int
 * @len: the value's length
 *
 * Context: may sleep.
 *
 * Return: 0, -EINVAL, -EFAULT, -ENOMEM.
 */
int np_group_setsockopt(struct sock *sk, int name, sockptr_t val, unsigned int len)
{
	int v, err;

	if (len < sizeof(v))
		return -EINVAL;
	if (copy_from_sockptr(&v, val, sizeof(v)))
		return -EFAULT;
	lock_sock(sk);
	if (np_group_is_none(sk))
		err = -EINVAL;
	else if (name == NEWPROTO_GRACE)
		err = np_group_set_grace_opt(sk, v);
	else if (name == NEWPROTO_POLICY)
		err = np_group_set_policy_opt(sk, v);
	else
		err = np_group_set_weight_opt(sk, v);
	release_sock(sk);
	return err;
}

/* The group's value; where there is no group yet, what it will get. */
static int np_group_opt(const struct sock *sk, int name)
{
	const struct np_base *b = np_base(sk);
	const struct np_group *g = b->claim.share ? b->member->group : NULL;

	switch (name) {
	case NEWPROTO_GRACE:
		return g ? READ_ONCE(g->grace) : b->wish.grace;
	case NEWPROTO_POLICY:
		return g ? READ_ONCE(g->pick.policy) : b->wish.policy;
	default:
		return np_group_weight(b);
	}
}

/**
 * np_group_getsockopt - read an option of a socket's group
 * @sk: the socket
 * @name: NEWPROTO_GRACE, NEWPROTO_POLICY or NEWPROTO_WEIGHT
 * @val: where to put its value
 * @ulen: the room there; changed to what was used
 *
 * Context: may sleep.
 *
 * Return: 0, -EINVAL, -EFAULT.
 */
int np_group_getsockopt(struct sock *sk, int name, char __user *val,
			int __user *ulen)
{
	bool none;
	int v, len;

	if (get_user(len, ulen))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	lock_sock(sk);
	none = np_group_is_none(sk);
	v = none ? 0 : np_group_opt(sk, name);
	release_sock(sk);
	if (none)
		return -EINVAL;
	len = min_t(int, len, sizeof(v));
	if (put_user(len, ulen) || copy_to_user(val, &v, len))
		return -EFAULT;
	return 0;
}

/**
 * np_group_has_program - is there a program to ask?
 * @g: the group
 *
 * Context: any; a snapshot.
 */
bool np_group_has_program(const struct np_group *g)
{
	const struct sock_reuseport *reuse;
	bool has;

	if (likely(!rcu_access_pointer(g->reuse)))
		return false;
	rcu_read_lock();
	reuse = rcu_dereference(g->reuse);
	has = reuse && rcu_access_pointer(reuse->prog);
	rcu_read_unlock();
	return has;
}

/**
 * np_group_ask_program - have the program choose
 * @g: the group
 * @skb: what it is shown, which nobody else has
 * @hdr_len: bytes at its begin that are not to be seen
 *
 * reuseport_select_sock() does not tell a program's answer from its own, which it
 * gives where the program's names nobody; here the policy is asked then.
 *
 * Context: RCU read lock held, as long as the result is used.
 *
 * Return: the member that it names, which need not be live; or NULL.
 */
struct np_member *np_group_ask_program(const struct np_group *g,
				       struct sk_buff *skb, unsigned int hdr_len)
{
	const struct sock_reuseport *reuse = rcu_dereference(g->reuse);
	struct bpf_prog *prog;
	u32 index, n;

	prog = reuse ? rcu_dereference(reuse->prog) : NULL;
	if (!prog)
		return NULL;
	n = READ_ONCE(reuse->num_socks);
	smp_rmb();	/* pairs with that of __reuseport_add_sock() */
	if (!pskb_pull(skb, hdr_len))
		return NULL;
	index = bpf_prog_run_save_cb(prog, skb);
	__skb_push(skb, hdr_len);
	return index < n ? READ_ONCE(np_base(reuse->socks[index])->member) : NULL;
}
