/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of datagram sockets share. Datagrams are sent in one call and
 * looked for in another: UDP delivers them before long, not at once, so that
 * whatever is to be received is waited for, within bounds. What must not arrive
 * is followed by a datagram that does.
 */
#ifndef NEWPROTO_SELFTESTS_DGRAMLIB_H
#define NEWPROTO_SELFTESTS_DGRAMLIB_H

#include <netinet/udp.h>

#include "common.h"

#ifndef NEWPROTO_WAIT
#define NEWPROTO_WAIT	1
#endif

/* What one datagram holds at most: 65,535 less the headers of IPv4 and UDP. */
#define DGRAM_MAX	65507

int dgram_protocol(const struct door *d);
int dgram_socket(const struct door *d, int flags);
int dgram_bound(const struct door *d, int flags, int port);
int dgram_wild(const struct door *d, int port);
int dgram_dial(const struct door *d, int flags, int port);
int dgram_pair(const struct door *d, int sv[2]);
int dgram_free_port(const struct door *d);
int dgram_share(const struct door *d, int option, int port);
int dgram_unspec(int fd);

ssize_t dgram_to(int fd, const struct door *d, int port, const char *text);
const char *dgram_text(int fd);
const char *dgram_text_from(int fd, union addr *from);
bool dgram_empty(int fd);
bool dgram_failed(int fd);

/* Control messages: what came, by level and type. */
struct inbox {
	struct msghdr msg;
	struct iovec iov;
	union addr from;
	char data[256];
	union {
		struct cmsghdr hdr;
		char buf[1024];
	} control;
};

ssize_t inbox_recv(int fd, struct inbox *in, int flags);
const void *inbox_find(struct inbox *in, int level, int type, size_t len);
int inbox_int(struct inbox *in, int level, int type);
int inbox_count(struct inbox *in);

/* A datagram to loopback with one control message. */
ssize_t dgram_to_with(int fd, const struct door *d, int port, int level, int type,
		      const void *data, size_t len);

/* An address as text, without the port. */
const char *addr_text(const union addr *a, char buf[INET6_ADDRSTRLEN]);

#endif /* NEWPROTO_SELFTESTS_DGRAMLIB_H */
