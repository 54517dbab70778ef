// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address forms: parsing what programs pass, and which bound addresses stand
 * for which others.
 */
#include <linux/errno.h>
#include <linux/jhash.h>
#include <linux/net.h>
#include <linux/random.h>
#include <linux/string.h>

#include "addr.h"
#include "kunit.h"

/**
 * np_addr_parse - read a destination address
 * @a: where to put it
 * @uaddr: the address, in kernel memory
 * @len: its length
 * @family: AF_INET or AF_INET6: what the socket is
 *
 * The rules are connect(2)'s for TCP: an IPv4 socket wants a struct
 * sockaddr_in; an IPv6 socket a struct sockaddr_in6, of which the scope may be
 * missing (RFC 2133's 24 bytes).
 *
 * Return: 0, -EINVAL if @len is too short, -EAFNOSUPPORT.
 */
int np_addr_parse(struct np_addr *a, const struct sockaddr *uaddr, int len,
		  int family)
{
	const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)uaddr;
	const struct sockaddr_in *sin = (const struct sockaddr_in *)uaddr;

	if (family == AF_INET) {
		if (len < (int)sizeof(*sin))
			return -EINVAL;
		if (sin->sin_family != AF_INET)
			return -EAFNOSUPPORT;
		np_addr_set_v4(&a->ip, sin->sin_addr.s_addr);
		a->port = sin->sin_port;
		a->scope = 0;
		return 0;
	}
	if (len < SIN6_LEN_RFC2133)
		return -EINVAL;
	if (sin6->sin6_family != AF_INET6)
		return -EAFNOSUPPORT;
	a->ip = sin6->sin6_addr;
	a->port = sin6->sin6_port;
	a->scope = 0;
	if (len >= (int)sizeof(*sin6) &&
	    __ipv6_addr_needs_scope_id(__ipv6_addr_type(&a->ip)))
		a->scope = sin6->sin6_scope_id;
	return 0;
}
EXPORT_SYMBOL_NP_KUNIT(np_addr_parse);

/**
 * np_addr_covers - does a bound address take what is sent to another?
 * @bound: the bound address, perhaps a wildcard
 * @v6only: is the owner of @bound an IPv6 socket that takes no IPv4?
 * @dst: the destination, no wildcard
 */
bool np_addr_covers(const struct in6_addr *bound, bool v6only,
		    const struct in6_addr *dst)
{
	if (ipv6_addr_equal(bound, dst))
		return true;
	if (ipv6_addr_any(bound))
		return !(v6only && np_addr_is_v4(dst));
	return np_addr_is_any(bound) && np_addr_is_v4(dst);
}
EXPORT_SYMBOL_NP_KUNIT(np_addr_covers);

/**
 * np_addr_conflict - could two bound addresses take the same destination?
 * @a: one bound address
 * @a_v6only: does its owner take no IPv4?
 * @b: the other
 * @b_v6only: does its owner take no IPv4?
 */
bool np_addr_conflict(const struct in6_addr *a, bool a_v6only,
		      const struct in6_addr *b, bool b_v6only)
{
	return np_addr_covers(a, a_v6only, b) || np_addr_covers(b, b_v6only, a);
}
EXPORT_SYMBOL_NP_KUNIT(np_addr_conflict);

/**
 * np_addr_hash - a number for a flow, which strangers cannot foretell
 * @src: where it is from
 * @dst: where it goes
 */
u32 np_addr_hash(const struct np_addr *src, const struct np_addr *dst)
{
	static u32 secret __read_mostly;
	u32 ports = (__force u32)src->port << 16 | (__force u32)dst->port;
	u32 hash;

	net_get_random_once(&secret, sizeof(secret));
	hash = jhash2((__force const u32 *)src->ip.s6_addr32, 4, secret);
	hash = jhash2((__force const u32 *)dst->ip.s6_addr32, 4, hash);
	return jhash_2words(hash, ports, secret);
}
EXPORT_SYMBOL_NP_KUNIT(np_addr_hash);
