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

#endif /* _UAPI_LINUX_NEWPROTO_H */
