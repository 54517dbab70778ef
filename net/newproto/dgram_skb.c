// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagrams as sk_buffs, with the headers that a UDP packet would have, and
 * errors as ICMP would report them.
 */
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "compat.h"
#include "dgram.h"

#define NP_DGRAM_GFP	GFP_KERNEL_ACCOUNT

/* Payloads up to this many bytes lie behind the headers in one piece of memory,
 * others in pages of their own.
 */
#define NP_DGRAM_LINEAR	SKB_MAX_HEAD(sizeof(struct ipv6hdr) + sizeof(struct udphdr))

static void np_dgram_ip_v4(struct iphdr *ip, const struct np_flow *f, size_t len)
{
	*ip = (struct iphdr) {
		.version = 4,
		.ihl = sizeof(*ip) / 4,
		.tos = f->tos,
		.tot_len = htons(sizeof(*ip) + sizeof(struct udphdr) + len),
		.frag_off = htons(IP_DF),
		.ttl = f->ttl,
		.protocol = IPPROTO_UDP,
		.saddr = np_addr_v4(&f->src.ip),
		.daddr = np_addr_v4(&f->dst.ip),
	};
}

static void np_dgram_ip_v6(struct ipv6hdr *ip, const struct np_flow *f, size_t len)
{
	ip6_flow_hdr(ip, f->tos, 0);
	ip->payload_len = htons(sizeof(struct udphdr) + len);
	ip->nexthdr = IPPROTO_UDP;
	ip->hop_limit = f->ttl;
	ip->saddr = f->src.ip;
	ip->daddr = f->dst.ip;
}

/* The headers; what follows is put behind them. */
static void np_dgram_headers(struct sk_buff *skb, const struct np_flow *f, size_t len)
{
	bool v4 = np_addr_is_v4(&f->dst.ip);
	struct udphdr *uh;

	/* The payload lies at the same place, a multiple of 8: copies are faster. */
	if (v4)
		skb_reserve(skb, sizeof(struct ipv6hdr) - sizeof(struct iphdr));
	skb_reset_network_header(skb);
	if (v4)
		np_dgram_ip_v4((struct iphdr *)skb->data, f, len);
	else
		np_dgram_ip_v6((struct ipv6hdr *)skb->data, f, len);
	skb_reserve(skb, v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	skb->protocol = v4 ? htons(ETH_P_IP) : htons(ETH_P_IPV6);
	skb_reset_transport_header(skb);
	uh = __skb_put(skb, sizeof(*uh));
	uh->source = f->src.port;
	uh->dest = f->dst.port;
	uh->len = htons(sizeof(*uh) + len);
	uh->check = 0;
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	skb->mark = f->mark;
}

static struct sk_buff *np_dgram_skb_paged(const struct np_flow *f,
					  struct iov_iter *from, size_t len)
{
	size_t head = sizeof(struct ipv6hdr) + sizeof(struct udphdr);
	struct sk_buff *skb;
	int err;

	skb = alloc_skb_with_frags(head, len, PAGE_ALLOC_COSTLY_ORDER, &err,
				   NP_DGRAM_GFP);
	if (!skb)
		return ERR_PTR(err);
	np_dgram_headers(skb, f, len);
	skb->data_len = len;
	skb->len += len;
	err = skb_copy_datagram_from_iter(skb, sizeof(struct udphdr), from, len);
	if (err) {
		kfree_skb(skb);
		return ERR_PTR(err);
	}
	return skb;
}

/**
 * np_dgram_skb - make a datagram
 * @f: its way
 * @from: the payload; advanced
 * @len: its length
 *
 * The result's data begins with the UDP header.
 *
 * Context: may sleep. The current task's control group is charged.
 *
 * Return: the datagram, or an error pointer: -ENOBUFS, -EFAULT.
 */
struct sk_buff *np_dgram_skb(const struct np_flow *f, struct iov_iter *from,
			     size_t len)
{
	size_t head = sizeof(struct ipv6hdr) + sizeof(struct udphdr);
	struct sk_buff *skb;

	if (len > NP_DGRAM_LINEAR)
		return np_dgram_skb_paged(f, from, len);
	skb = alloc_skb(head + len, NP_DGRAM_GFP);
	if (!skb)
		return ERR_PTR(-ENOBUFS);
	np_dgram_headers(skb, f, len);
	if (unlikely(!copy_from_iter_full(__skb_put(skb, len), len, from))) {
		kfree_skb(skb);
		return ERR_PTR(-EFAULT);
	}
	return skb;
}

/**
 * np_dgram_skb_arrive - bring a datagram to the form that receivers look at
 * @skb: the datagram
 * @ifindex: the interface that it comes in on
 *
 * What IP does for UDP: the UDP header is off the data, and the control buffer
 * says what IP_PKTINFO and its kin tell.
 */
void np_dgram_skb_arrive(struct sk_buff *skb, int ifindex)
{
	__skb_pull(skb, sizeof(struct udphdr));
	if (skb->protocol == htons(ETH_P_IP)) {
		memset(PKTINFO_SKB_CB(skb), 0, sizeof(struct in_pktinfo));
		PKTINFO_SKB_CB(skb)->ipi_ifindex = ifindex;
		PKTINFO_SKB_CB(skb)->ipi_spec_dst.s_addr = ip_hdr(skb)->daddr;
	} else {
		memset(IP6CB(skb), 0, sizeof(struct inet6_skb_parm));
		IP6CB(skb)->iif = ifindex;
	}
}

/* How much of a datagram ICMP's answer quotes: RFC 1812's 576 bytes, RFC 4443's
 * 1280, less two IP headers, ICMP's and UDP's.
 */
#define NP_QUOTE_V4	(576 - 2 * sizeof(struct iphdr) - sizeof(struct icmphdr) - \
			 sizeof(struct udphdr))
#define NP_QUOTE_V6	(IPV6_MIN_MTU - 2 * sizeof(struct ipv6hdr) -	\
			 sizeof(struct icmp6hdr) - sizeof(struct udphdr))

/* An error as the error queue wants it: the header of ICMP's answer, which names
 * the offender, that of the datagram, and then the first @len bytes of its
 * payload, if any, as the data.
 */
static struct sk_buff *np_dgram_error_skb(const struct np_flow *f,
					  const struct sk_buff *skb, size_t len)
{
	bool v4 = np_addr_is_v4(&f->dst.ip);
	size_t hlen = v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	struct np_flow back = { .dst = f->src, .src = f->dst, .ttl = 64 };
	struct sock_exterr_skb *serr;
	struct sk_buff *err;

	err = alloc_skb(2 * hlen + len, NP_DGRAM_GFP);
	if (!err)
		return NULL;
	skb_reset_network_header(err);
	err->protocol = v4 ? htons(ETH_P_IP) : htons(ETH_P_IPV6);
	if (v4) {
		np_dgram_ip_v4((struct iphdr *)err->data, &back, len);
		np_dgram_ip_v4((struct iphdr *)(err->data + hlen), f, len);
	} else {
		np_dgram_ip_v6((struct ipv6hdr *)err->data, &back, len);
		np_dgram_ip_v6((struct ipv6hdr *)(err->data + hlen), f, len);
	}
	skb_reserve(err, 2 * hlen);
	skb_reset_transport_header(err);
	if (len && skb_copy_bits(skb, sizeof(struct udphdr), skb_put(err, len), len)) {
		kfree_skb(err);
		return NULL;
	}
	serr = SKB_EXT_ERR(err);
	memset(serr, 0, sizeof(*serr));
	serr->addr_offset = hlen + (v4 ? offsetof(struct iphdr, daddr) :
					 offsetof(struct ipv6hdr, daddr));
	return err;
}

static void np_dgram_queue_error(struct sock *sk, struct sk_buff *err)
{
	if (sock_queue_err_skb(sk, err))
		kfree_skb(err);
}

/* Port unreachable. */
static void np_dgram_queue_refusal(struct sock *sk, const struct np_flow *f,
				   const struct sk_buff *skb, int ifindex)
{
	bool v4 = np_addr_is_v4(&f->dst.ip);
	size_t len = skb->len - sizeof(struct udphdr);
	struct sock_exterr_skb *serr;
	struct sk_buff *err;

	len = min_t(size_t, len, v4 ? NP_QUOTE_V4 : NP_QUOTE_V6);
	err = np_dgram_error_skb(f, skb, len);
	if (!err)
		return;
	serr = SKB_EXT_ERR(err);
	serr->header.h4.iif = ifindex;
	serr->ee.ee_errno = ECONNREFUSED;
	serr->ee.ee_origin = v4 ? SO_EE_ORIGIN_ICMP : SO_EE_ORIGIN_ICMP6;
	serr->ee.ee_type = v4 ? ICMP_DEST_UNREACH : ICMPV6_DEST_UNREACH;
	serr->ee.ee_code = v4 ? ICMP_PORT_UNREACH : ICMPV6_PORT_UNREACH;
	serr->port = f->dst.port;
	np_dgram_queue_error(sk, err);
}

static bool np_dgram_wants_errors(struct sock *sk, bool v4)
{
	return v4 ? np_inet_recverr(inet_sk(sk)) : np_inet6_recverr(sk);
}

/* Would UDP find the sender of a datagram by what ICMP quotes of it? Not if it is
 * connected elsewhere. *connected: it is connected.
 */
static bool np_dgram_hears_of(struct sock *sk, const struct np_flow *f, bool *connected)
{
	const struct np_dest *dest;
	bool hears = false;

	*connected = false;
	rcu_read_lock();
	dest = rcu_dereference(np_dg(sk)->dest);
	if (dest) {
		*connected = dest->l.connected;
		hears = !*connected || (dest->l.peer_port == f->dst.port &&
					ipv6_addr_equal(&dest->l.peer, &f->dst.ip));
	}
	rcu_read_unlock();
	return hears;
}

/**
 * np_dgram_refuse - tell a sender that nobody is where its datagram went
 * @sk: the sender
 * @f: the datagram's way
 * @skb: the datagram
 * @ifindex: the interface that it went through
 *
 * The send itself has succeeded. As UDP does on ICMP's port unreachable, a
 * socket that is connected to there has ECONNREFUSED for its next call; one with
 * IP_RECVERR that too, and the particulars in its error queue.
 *
 * Context: may sleep.
 */
void np_dgram_refuse(struct sock *sk, const struct np_flow *f,
		     const struct sk_buff *skb, int ifindex)
{
	bool queue = np_dgram_wants_errors(sk, np_addr_is_v4(&f->dst.ip));
	bool connected;

	if (!np_dgram_hears_of(sk, f, &connected) || (!queue && !connected))
		return;
	if (queue)
		np_dgram_queue_refusal(sk, f, skb, ifindex);
	WRITE_ONCE(sk->sk_err, ECONNREFUSED);
	sk_error_report(sk);
}

/**
 * np_dgram_too_long - EMSGSIZE for the error queue, with what would have fitted
 * @sk: the sender
 * @f: the datagram's way
 *
 * As IP does for UDP; the size is the loopback device's MTU, of which IPv4 can
 * use 65535.
 *
 * Context: may sleep.
 */
void np_dgram_too_long(struct sock *sk, const struct np_flow *f)
{
	bool v4 = np_addr_is_v4(&f->dst.ip);
	struct sock_exterr_skb *serr;
	struct sk_buff *err;

	if (!np_dgram_wants_errors(sk, v4))
		return;
	err = np_dgram_error_skb(f, NULL, 0);
	if (!err)
		return;
	serr = SKB_EXT_ERR(err);
	serr->ee.ee_errno = EMSGSIZE;
	serr->ee.ee_origin = SO_EE_ORIGIN_LOCAL;
	serr->ee.ee_info = v4 ? 65535 : 65536;
	serr->port = v4 ? inet_sk(sk)->inet_dport : f->dst.port;
	np_dgram_queue_error(sk, err);
}
