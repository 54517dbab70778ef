/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * AF_NEWPROTO: sockets between programs of one machine, its containers and
 * its virtual machines. What programs see; newproto(7) describes the use.
 */
#ifndef _UAPI_LINUX_NEWPROTO_H
#define _UAPI_LINUX_NEWPROTO_H

/**
 * DOC: The two doors
 *
 * socket(AF_NEWPROTO, type, 0) and socket(AF_INET or AF_INET6, type,
 * IPPROTO_NEWPROTO) make the same socket. It is bound and connected with
 * struct sockaddr_in or struct sockaddr_in6, and its port numbers are a space
 * of their own, per network namespace.
 *
 * Afterwards SO_DOMAIN says AF_INET or AF_INET6; SO_PROTOCOL, which says
 * IPPROTO_NEWPROTO, is how such a socket is recognised.
 */

/*
 * The number of the family. The module's parameter "family" can choose
 * another; 13 and 22 are the numbers to fall back to. The door of
 * IPPROTO_NEWPROTO does not depend on it.
 */
#ifndef AF_NEWPROTO
#define AF_NEWPROTO		18
#endif
#ifndef PF_NEWPROTO
#define PF_NEWPROTO		AF_NEWPROTO
#endif

/* The third argument of socket() at the door of AF_INET and AF_INET6. */
#ifndef IPPROTO_NEWPROTO
#define IPPROTO_NEWPROTO	258
#endif

/*
 * The third argument of socket(AF_NEWPROTO, ...) that makes an IPv6 socket,
 * dual-stack unless IPV6_V6ONLY is set. 0, IPPROTO_NEWPROTO, and what
 * getaddrinfo() hands to programs (IPPROTO_TCP with SOCK_STREAM, IPPROTO_UDP
 * with SOCK_DGRAM) make an IPv4 socket.
 */
#define NEWPROTO_PROTO_IPV6	259

/* The level of this family's own socket options. */
#define SOL_NEWPROTO		290

/*
 * An int, of datagram sockets: 1: a datagram that finds its receiver's buffer
 * full waits until there is room, for as long as SO_SNDTIMEO says; a
 * nonblocking send fails with EAGAIN, and poll() says POLLOUT when there is
 * room again. 0, the default: it is dropped, as UDP's is, and the receiver's
 * SO_RXQ_OVFL counts it.
 */
#define NEWPROTO_WAIT		1

/**
 * DOC: Groups
 *
 * Sockets of one user that are bound with SO_REUSEPORT to the same address, port
 * and device are members of a group. What waits for accept() or recv() belongs
 * to the group: it goes to the others when a member closes. The options below
 * may be set at any time; before bind() they are kept for the group that bind()
 * makes or joins, afterwards they are the group's, and the last one set counts.
 * A socket that is bound without SO_REUSEPORT has no group: EINVAL.
 */

/*
 * An int, milliseconds: how long the group outlives its last member, so that a
 * successor finds what has waited and what has come in meanwhile. 0, the
 * default: not at all. More than net.newproto.group_grace_max is taken for that;
 * less than 0 is EINVAL. Where bind() or listen() has chosen the port nobody will
 * come back to it, and only what is set afterwards counts.
 */
#define NEWPROTO_GRACE		2

/*
 * An int, one of NEWPROTO_POLICY_*: which member a connection or a datagram goes
 * to. A program attached by SO_ATTACH_REUSEPORT_CBPF or SO_ATTACH_REUSEPORT_EBPF
 * is asked first.
 */
#define NEWPROTO_POLICY		3

/*
 * An int from 1, the default, to NEWPROTO_WEIGHT_MAX, of this member: how much it
 * gets in proportion to the others. Heeded by hash and round-robin.
 */
#define NEWPROTO_WEIGHT		4
#define NEWPROTO_WEIGHT_MAX	1000

/**
 * enum newproto_policy - how a group chooses a member, see NEWPROTO_POLICY
 * @NEWPROTO_POLICY_HASH: by both addresses and ports. A flow stays with its
 *	member until that leaves, or a newcomer's share takes it
 * @NEWPROTO_POLICY_ROUND_ROBIN: each in turn
 * @NEWPROTO_POLICY_LEAST_LOADED: who has least waiting
 * @NEWPROTO_POLICY_LAST_BOUND: the newcomer gets all, the others nothing new as
 *	long as it has room
 */
enum newproto_policy {
	NEWPROTO_POLICY_HASH,
	NEWPROTO_POLICY_ROUND_ROBIN,
	NEWPROTO_POLICY_LEAST_LOADED,
	NEWPROTO_POLICY_LAST_BOUND,
};

#endif /* _UAPI_LINUX_NEWPROTO_H */
