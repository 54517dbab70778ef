// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control messages of datagram sockets: ip(7)'s and ipv6(7)'s.
 */
#include <linux/bpf-cgroup.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/transp_v6.h>

#include "compat.h"
#include "dgram.h"

/* An int, or for IP_TOS a byte, between @lo and 255. */
static int np_cmsg_u8(struct cmsghdr *cmsg, int lo, bool byte, u8 *val)
{
	int v;

	if (cmsg->cmsg_len == CMSG_LEN(sizeof(int)))
		v = *(int *)CMSG_DATA(cmsg);
	else if (byte && cmsg->cmsg_len == CMSG_LEN(sizeof(u8)))
		v = *(u8 *)CMSG_DATA(cmsg);
	else
		return -EINVAL;
	if (v < lo || v > 255)
		return -EINVAL;
	*val = v;
	return 0;
}

static int np_cmsg_pktinfo(struct cmsghdr *cmsg, struct np_flow *f)
{
	struct in_pktinfo *info = CMSG_DATA(cmsg);

	if (cmsg->cmsg_len != CMSG_LEN(sizeof(*info)))
		return -EINVAL;
	if (info->ipi_ifindex)
		f->ifindex = info->ipi_ifindex;
	np_addr_set_v4(&f->src.ip, info->ipi_spec_dst.s_addr);
	return 0;
}

/* IPV6_PKTINFO of a datagram that goes to an IPv4 address. */
static int np_cmsg_pktinfo_mapped(struct cmsghdr *cmsg, struct np_flow *f)
{
	struct in6_pktinfo *info = CMSG_DATA(cmsg);

	if (cmsg->cmsg_len < CMSG_LEN(sizeof(*info)) ||
	    !np_addr_is_v4(&info->ipi6_addr))
		return -EINVAL;
	if (info->ipi6_ifindex)
		f->ifindex = info->ipi6_ifindex;
	f->src.ip = info->ipi6_addr;
	return 0;
}

static int np_cmsg_ip(struct cmsghdr *cmsg, struct np_flow *f)
{
	switch (cmsg->cmsg_type) {
	case IP_PKTINFO:
		return np_cmsg_pktinfo(cmsg, f);
	case IP_TTL:
		return np_cmsg_u8(cmsg, 1, false, &f->ttl);
	case IP_TOS:
		return np_cmsg_u8(cmsg, 0, true, &f->tos);
	default:
		return -EINVAL;
	}
}

/* Those of a datagram to an IPv4 address. */
static int np_cmsg_send_v4(struct sock *sk, struct msghdr *msg, struct np_flow *f)
{
	bool v6 = sk->sk_family == AF_INET6;
	struct sockcm_cookie sockc;
	struct cmsghdr *cmsg;
	int err = 0;

	sockcm_init(&sockc, sk);
	sockc.mark = f->mark;
	for_each_cmsghdr(cmsg, msg) {
		if (cmsg->cmsg_level == SOL_SOCKET)
			err = np_sock_cmsg_send(sk, msg, cmsg, &sockc);
		else if (cmsg->cmsg_level == SOL_IP)
			err = np_cmsg_ip(cmsg, f);
		else if (v6 && cmsg->cmsg_level == SOL_IPV6 &&
			 cmsg->cmsg_type == IPV6_PKTINFO)
			err = np_cmsg_pktinfo_mapped(cmsg, f);
		if (err)
			return err;
	}
	f->mark = sockc.mark;
	return 0;
}

#if IS_ENABLED(CONFIG_IPV6)
/* Those of a datagram to an IPv6 address: the kernel's own code reads them. */
static int np_cmsg_send_v6(struct sock *sk, struct msghdr *msg, struct np_flow *f)
{
	struct flowi6 fl6 = { .flowi6_oif = f->ifindex };
	struct ipv6_txoptions opt = { .tot_len = sizeof(opt) };
	struct ipcm6_cookie ipc6;
	int err;

	ipcm6_init(&ipc6);
	ipc6.opt = &opt;
	sockcm_init(&ipc6.sockc, sk);
	ipc6.sockc.mark = f->mark;
	err = ip6_datagram_send_ctl(sock_net(sk), sk, msg, &fl6, &ipc6);
	if (err)
		return err;
	/* Extension headers are for routers, of which there is none. */
	if (opt.opt_nflen || opt.opt_flen)
		return -EINVAL;
	f->mark = ipc6.sockc.mark;
	f->ifindex = fl6.flowi6_oif;
	if (!ipv6_addr_any(&fl6.saddr))
		f->src.ip = fl6.saddr;
	if (ipc6.hlimit >= 0)
		f->ttl = ipc6.hlimit;
	if (ipc6.tclass >= 0)
		f->tos = ipc6.tclass;
	return 0;
}
#else
static int np_cmsg_send_v6(struct sock *sk, struct msghdr *msg, struct np_flow *f)
{
	return -EINVAL;
}
#endif

/**
 * np_dgram_send_cmsg - what the control messages of a send say
 * @sk: the socket
 * @msg: the message
 * @f: the datagram's way; its destination is known, the rest is changed
 *
 * As UDP does this passes over levels that it does not know. UDP passes over
 * descriptors and credentials, too, which are AF_UNIX's; a program that sends
 * those is better told, and so is one that asks for segments by SOL_UDP.
 *
 * Return: 0 or -EINVAL, or what the option of the same name would.
 */
int np_dgram_send_cmsg(struct sock *sk, struct msghdr *msg, struct np_flow *f)
{
	struct cmsghdr *cmsg;

	for_each_cmsghdr(cmsg, msg) {
		if (!CMSG_OK(msg, cmsg))
			return -EINVAL;
		if (cmsg->cmsg_level == SOL_UDP)
			return -EINVAL;
		if (cmsg->cmsg_level == SOL_SOCKET &&
		    (cmsg->cmsg_type == SCM_RIGHTS ||
		     cmsg->cmsg_type == SCM_CREDENTIALS))
			return -EINVAL;
	}
	if (np_addr_is_v4(&f->dst.ip))
		return np_cmsg_send_v4(sk, msg, f);
	return np_cmsg_send_v6(sk, msg, f);
}

/**
 * np_dgram_recv_cmsg - put the control messages that a socket has asked for
 * @sk: the socket
 * @msg: where to put them
 * @skb: the datagram
 * @offset: of the first byte received, from where a peek began
 */
void np_dgram_recv_cmsg(struct sock *sk, struct msghdr *msg, struct sk_buff *skb,
			int offset)
{
	bool v4 = skb->protocol == htons(ETH_P_IP);

	sock_recv_cmsgs(msg, sk, skb);
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6 && inet6_sk(sk)->rxopt.all) {
		struct in6_pktinfo info = { };

		if (!v4) {
			ip6_datagram_recv_ctl(sk, msg, skb);
		} else if (inet6_sk(sk)->rxopt.bits.rxinfo) {
			info.ipi6_ifindex = PKTINFO_SKB_CB(skb)->ipi_ifindex;
			np_addr_set_v4(&info.ipi6_addr, ip_hdr(skb)->daddr);
			put_cmsg(msg, SOL_IPV6, IPV6_PKTINFO, sizeof(info), &info);
		}
	}
#endif
	if (v4 && np_inet_cmsg_flags(inet_sk(sk)))
		ip_cmsg_recv_offset(msg, sk, skb, sizeof(struct udphdr), offset);
}
