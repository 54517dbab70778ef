/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Routes: is a destination this host's own, and which address to come from?
 */
#ifndef _NP_ROUTE_H
#define _NP_ROUTE_H

#include "addr.h"

struct net;
struct sock;

/**
 * struct np_flow - the way of one datagram
 * @dst: where it goes
 * @src: where it comes from; a wildcard while that is not known
 * @ifindex: the interface that it is bound to, or 0
 * @mark: SO_MARK
 * @tos: IP_TOS or IPV6_TCLASS
 * @ttl: IP_TTL or IPV6_UNICAST_HOPS
 */
struct np_flow {
	struct np_addr dst;
	struct np_addr src;
	int ifindex;
	u32 mark;
	u8 tos;
	u8 ttl;
};

int np_route_check_v6(struct sock *sk, struct np_addr *dst);
int np_route_stream(struct sock *sk, struct np_addr *dst, struct np_addr *src);
bool np_route_is_elsewhere(struct sock *sk, const struct np_addr *dst);
bool np_route_is_here(struct net *net, const struct in6_addr *ip, int ifindex);
bool np_route_is_martian(const struct in6_addr *ip);
int np_route_device(struct sock *sk, const struct np_addr *dst, struct np_addr *src);
int np_route_dgram(struct sock *sk, struct np_flow *f);

#endif /* _NP_ROUTE_H */
