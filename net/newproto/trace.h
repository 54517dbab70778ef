/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: events/newproto/ in tracefs.
 */
#ifndef _NP_REASON_H
#define _NP_REASON_H

/* Why something happened, as the tracepoints print it. */
#define NP_REASONS							\
	NP_REASON(CONNECTED, "connected")				\
	NP_REASON(QUEUE_FULL, "queue-full")				\
	NP_REASON(NO_LISTENER, "no-listener")				\
	NP_REASON(LISTENER_CLOSED, "listener-closed")			\
	NP_REASON(NOT_LOCAL, "not-local")				\
	NP_REASON(NO_PORT, "no-port")					\
	NP_REASON(TIMED_OUT, "timed-out")				\
	NP_REASON(CLOSED, "closed")					\
	NP_REASON(UNREAD, "unread-data")				\
	NP_REASON(LINGER_0, "linger-0")					\
	NP_REASON(BEGIN, "begin")					\
	NP_REASON(SUCCESSOR, "successor")				\
	NP_REASON(EXPIRED, "expired")					\
	NP_REASON_LAST(DISCONNECT, "disconnect")

#define NP_REASON(name, word)		NP_REASON_##name,
#define NP_REASON_LAST(name, word)	NP_REASON_##name,
enum np_reason {
	NP_REASONS
};
#undef NP_REASON
#undef NP_REASON_LAST

#endif /* _NP_REASON_H */

#undef TRACE_SYSTEM
#define TRACE_SYSTEM newproto

#if !defined(_NP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _NP_TRACE_H

#include <linux/tracepoint.h>
#include <net/inet_sock.h>

#include "addr.h"
#include "group.h"

#undef NP_REASON
#undef NP_REASON_LAST
#define NP_REASON(name, word)		TRACE_DEFINE_ENUM(NP_REASON_##name);
#define NP_REASON_LAST(name, word)	TRACE_DEFINE_ENUM(NP_REASON_##name);
NP_REASONS

#undef NP_REASON
#undef NP_REASON_LAST
#define NP_REASON(name, word)		{ NP_REASON_##name, word },
#define NP_REASON_LAST(name, word)	{ NP_REASON_##name, word }

DECLARE_EVENT_CLASS(newproto_sock,
	TP_PROTO(const struct sock *sk, enum np_reason reason),
	TP_ARGS(sk, reason),
	TP_STRUCT__entry(
		__field(const void *, skaddr)
		__field(__u64, cookie)
		__array(__u8, local, 16)
		__array(__u8, peer, 16)
		__field(__u16, lport)
		__field(__u16, pport)
		__field(int, reason)
	),
	TP_fast_assign(
		struct in6_addr local, peer;

		np_addr_set_v4(&local, sk->sk_rcv_saddr);
		np_addr_set_v4(&peer, sk->sk_daddr);
#if IS_ENABLED(CONFIG_IPV6)
		if (sk->sk_family == AF_INET6) {
			local = sk->sk_v6_rcv_saddr;
			peer = sk->sk_v6_daddr;
		}
#endif
		memcpy(__entry->local, &local, 16);
		memcpy(__entry->peer, &peer, 16);
		__entry->skaddr = sk;
		__entry->cookie = sock_net(sk)->net_cookie;
		__entry->lport = ntohs(inet_sk(sk)->inet_sport);
		__entry->pport = ntohs(inet_sk(sk)->inet_dport);
		__entry->reason = reason;
	),
	TP_printk("sk=%p netns=%llu local=[%pI6c]:%u peer=[%pI6c]:%u reason=%s",
		  __entry->skaddr, __entry->cookie,
		  __entry->local, __entry->lport, __entry->peer, __entry->pport,
		  __print_symbolic(__entry->reason, NP_REASONS))
);

/* A socket has a place in a queue, or waits for one. */
DEFINE_EVENT(newproto_sock, newproto_connect,
	TP_PROTO(const struct sock *sk, enum np_reason reason),
	TP_ARGS(sk, reason)
);

/* accept() returns a socket. */
DEFINE_EVENT(newproto_sock, newproto_accept,
	TP_PROTO(const struct sock *sk, enum np_reason reason),
	TP_ARGS(sk, reason)
);

/* A connected or waiting socket ends its connection. */
DEFINE_EVENT(newproto_sock, newproto_close,
	TP_PROTO(const struct sock *sk, enum np_reason reason),
	TP_ARGS(sk, reason)
);

/* connect() fails. */
TRACE_EVENT(newproto_refuse,
	TP_PROTO(const struct sock *sk, const struct np_addr *dst,
		 enum np_reason reason),
	TP_ARGS(sk, dst, reason),
	TP_STRUCT__entry(
		__field(const void *, skaddr)
		__field(__u64, cookie)
		__array(__u8, peer, 16)
		__field(__u16, pport)
		__field(int, reason)
	),
	TP_fast_assign(
		memcpy(__entry->peer, &dst->ip, 16);
		__entry->skaddr = sk;
		__entry->cookie = sock_net(sk)->net_cookie;
		__entry->pport = ntohs(dst->port);
		__entry->reason = reason;
	),
	TP_printk("sk=%p netns=%llu peer=[%pI6c]:%u reason=%s",
		  __entry->skaddr, __entry->cookie, __entry->peer,
		  __entry->pport,
		  __print_symbolic(__entry->reason, NP_REASONS))
);

/* A client gets a place in a group: at a member, or in the grace time at none. */
TRACE_EVENT(newproto_group_choose,
	TP_PROTO(const struct np_group *g, const struct np_member *m,
		 const struct np_conn *conn),
	TP_ARGS(g, m, conn),
	TP_STRUCT__entry(
		__field(const void *, group)
		__field(const void *, member)
		__field(__u64, cookie)
		__array(__u8, peer, 16)
		__field(__u16, lport)
		__field(__u16, pport)
		__field(__u32, pending)
		__field(__u8, policy)
	),
	TP_fast_assign(
		memcpy(__entry->peer, &conn->end[NP_CLIENT].ip, 16);
		__entry->group = g;
		__entry->member = m ? m->sk : NULL;
		__entry->cookie = g->net->net_cookie;
		__entry->lport = g->listener.number;
		__entry->pport = ntohs(conn->end[NP_CLIENT].port);
		__entry->pending = m ? m->npending : g->norphans;
		__entry->policy = g->pick.policy;
	),
	TP_printk("group=%p netns=%llu port=%u member=%p peer=[%pI6c]:%u policy=%u pending=%u",
		  __entry->group, __entry->cookie, __entry->lport, __entry->member,
		  __entry->peer, __entry->pport, __entry->policy, __entry->pending)
);

/* What waits goes from one member, or none, to another, or for now to none. */
TRACE_EVENT(newproto_group_move,
	TP_PROTO(const struct np_group *g, const struct np_member *from,
		 const struct np_member *to, __u32 n),
	TP_ARGS(g, from, to, n),
	TP_STRUCT__entry(
		__field(const void *, group)
		__field(const void *, from)
		__field(const void *, to)
		__field(__u64, cookie)
		__field(__u16, lport)
		__field(__u32, n)
	),
	TP_fast_assign(
		__entry->group = g;
		__entry->from = from ? from->sk : NULL;
		__entry->to = to ? to->sk : NULL;
		__entry->cookie = g->net->net_cookie;
		__entry->lport = g->listener.number;
		__entry->n = n;
	),
	/* Where a batch goes to several members the last of them is named. */
	TP_printk("group=%p netns=%llu port=%u from=%p to=%p n=%u",
		  __entry->group, __entry->cookie, __entry->lport, __entry->from,
		  __entry->to, __entry->n)
);

/* A member accepts what has waited on a silent one. */
TRACE_EVENT(newproto_group_rescue,
	TP_PROTO(const struct np_group *g, const struct np_member *from,
		 const struct np_member *to, const struct np_conn *conn),
	TP_ARGS(g, from, to, conn),
	TP_STRUCT__entry(
		__field(const void *, group)
		__field(const void *, from)
		__field(const void *, to)
		__field(__u64, cookie)
		__array(__u8, peer, 16)
		__field(__u16, lport)
		__field(__u16, pport)
	),
	TP_fast_assign(
		memcpy(__entry->peer, &conn->end[NP_CLIENT].ip, 16);
		__entry->group = g;
		__entry->from = from->sk;
		__entry->to = to->sk;
		__entry->cookie = g->net->net_cookie;
		__entry->lport = g->listener.number;
		__entry->pport = ntohs(conn->end[NP_CLIENT].port);
	),
	TP_printk("group=%p netns=%llu port=%u from=%p to=%p peer=[%pI6c]:%u",
		  __entry->group, __entry->cookie, __entry->lport, __entry->from,
		  __entry->to, __entry->peer, __entry->pport)
);

/* A group is without a member: begin; and is not any more: successor, expired,
 * closed (the option was taken back, or the namespace ends).
 */
TRACE_EVENT(newproto_group_grace,
	TP_PROTO(const struct np_group *g, enum np_reason reason),
	TP_ARGS(g, reason),
	TP_STRUCT__entry(
		__field(const void *, group)
		__field(__u64, cookie)
		__field(__u16, lport)
		__field(__u32, pending)
		__field(int, ms)
		__field(int, reason)
	),
	TP_fast_assign(
		__entry->group = g;
		__entry->cookie = g->net->net_cookie;
		__entry->lport = g->listener.number;
		__entry->pending = g->norphans;
		__entry->ms = g->grace;
		__entry->reason = reason;
	),
	TP_printk("group=%p netns=%llu port=%u ms=%d pending=%u reason=%s",
		  __entry->group, __entry->cookie, __entry->lport, __entry->ms,
		  __entry->pending, __print_symbolic(__entry->reason, NP_REASONS))
);

#endif /* _NP_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
