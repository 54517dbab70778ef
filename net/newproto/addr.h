/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address forms. Inside, every address is a struct in6_addr: IPv4 as
 * ::ffff:a.b.c.d, the IPv4 wildcard as ::ffff:0.0.0.0, the IPv6 one as ::.
 * A leaf: knows nothing of sockets.
 */
#ifndef _NP_ADDR_H
#define _NP_ADDR_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/socket.h>
#include <net/ipv6.h>

/**
 * struct np_addr - an address and a port
 * @ip: the address, IPv4 in its mapped form
 * @port: the port, network byte order
 * @scope: interface of a link-local address, or 0
 */
struct np_addr {
	struct in6_addr ip;
	__be16 port;
	int scope;
};

int np_addr_parse(struct np_addr *a, const struct sockaddr *uaddr, int len,
		  int family);
bool np_addr_covers(const struct in6_addr *bound, bool v6only,
		    const struct in6_addr *dst);
bool np_addr_conflict(const struct in6_addr *a, bool a_v6only,
		      const struct in6_addr *b, bool b_v6only);

u32 np_addr_hash(const struct np_addr *src, const struct np_addr *dst);

static inline void np_addr_set_v4(struct in6_addr *ip, __be32 v4)
{
	ipv6_addr_set_v4mapped(v4, ip);
}

static inline bool np_addr_is_v4(const struct in6_addr *ip)
{
	return ipv6_addr_v4mapped(ip);
}

static inline __be32 np_addr_v4(const struct in6_addr *ip)
{
	return ip->s6_addr32[3];
}

/* Is it 0.0.0.0 or :: ? */
static inline bool np_addr_is_any(const struct in6_addr *ip)
{
	return ipv6_addr_any(ip) || (np_addr_is_v4(ip) && !np_addr_v4(ip));
}

#endif /* _NP_ADDR_H */
