// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagram sockets made ready for the test programs, and their control messages.
 */
#include "dgramlib.h"

int dgram_protocol(const struct door *d)
{
	return over_udp() ? IPPROTO_UDP : d->protocol;
}

int dgram_socket(const struct door *d, int flags)
{
	/* with the addresses that others have */
	if (over_nic() && nic_pair())
		return -1;
	return socket(door_domain(d), SOCK_DGRAM | flags, dgram_protocol(d));
}

static int named(int fd, int (*call)(int fd, const struct sockaddr *sa, socklen_t len),
		 const union addr *a, socklen_t len)
{
	int err;

	if (fd < 0 || !call(fd, &a->sa, len))
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

int dgram_bound(const struct door *d, int flags, int port)
{
	union addr a;
	socklen_t len = door_loop(d, &a, port);

	return named(dgram_socket(d, flags), bind, &a, len);
}

/* Bound to the wildcard address. */
int dgram_wild(const struct door *d, int port)
{
	union addr a;
	socklen_t len = door_any(d, &a, port);

	return named(dgram_socket(d, 0), bind, &a, len);
}

int dgram_dial(const struct door *d, int flags, int port)
{
	union addr a;
	socklen_t len = door_loop(d, &a, port);

	return named(dgram_socket(d, flags), connect, &a, len);
}

/* sv[0] is connected to sv[1], which is bound and not connected. */
int dgram_pair(const struct door *d, int sv[2])
{
	sv[0] = -1;
	sv[1] = dgram_bound(d, 0, 0);
	if (sv[1] >= 0)
		sv[0] = dgram_dial(d, 0, sock_port(sv[1]));
	return sv[0] < 0 ? -1 : 0;
}

/* A port that no datagram socket has: bound a moment ago, closed again. */
int dgram_free_port(const struct door *d)
{
	int fd = dgram_bound(d, 0, 0);
	int port = sock_port(fd);

	close(fd);
	return port;
}

/* Bound to loopback with an option that lets others have the port, too. */
int dgram_share(const struct door *d, int option, int port)
{
	union addr a;
	socklen_t len = door_loop(d, &a, port);
	int fd = dgram_socket(d, 0);

	if (fd >= 0)
		sock_set(fd, SOL_SOCKET, option, 1);
	return named(fd, bind, &a, len);
}

int dgram_unspec(int fd)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };

	return connect(fd, &unspec, sizeof(unspec));
}

ssize_t dgram_to(int fd, const struct door *d, int port, const char *text)
{
	union addr a;
	socklen_t len = door_loop(d, &a, port);

	return sendto(fd, text, strlen(text), 0, &a.sa, len);
}

const char *dgram_text_from(int fd, union addr *from)
{
	static char text[256];
	socklen_t len = sizeof(*from);
	ssize_t n;

	memset(from, 0, sizeof(*from));
	if (!(poll_events(fd, POLLIN, WAIT_MS / 4) & (POLLIN | POLLERR)))
		return "(nothing)";
	n = recvfrom(fd, text, sizeof(text) - 1, MSG_DONTWAIT, &from->sa, &len);
	if (n < 0)
		return strerror(errno);
	text[n] = '\0';
	return text;
}

/* The next datagram; if there is none, why. */
const char *dgram_text(int fd)
{
	union addr from;

	return dgram_text_from(fd, &from);
}

/* Nothing is queued; true only at once, so a marker has to have been read. */
bool dgram_empty(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}

/* Waits until an error of an earlier datagram is there. */
bool dgram_failed(int fd)
{
	return poll_events(fd, 0, WAIT_MS / 4) & POLLERR;
}

ssize_t inbox_recv(int fd, struct inbox *in, int flags)
{
	memset(in, 0, sizeof(*in));
	in->iov = (struct iovec){ in->data, sizeof(in->data) };
	in->msg.msg_iov = &in->iov;
	in->msg.msg_iovlen = 1;
	in->msg.msg_name = &in->from;
	in->msg.msg_namelen = sizeof(in->from);
	in->msg.msg_control = &in->control;
	in->msg.msg_controllen = sizeof(in->control);
	if (!(flags & MSG_ERRQUEUE))
		poll_events(fd, POLLIN, WAIT_MS / 4);
	return recvmsg(fd, &in->msg, flags | MSG_DONTWAIT);
}

/* The contents of a control message of at least that length, or NULL. */
const void *inbox_find(struct inbox *in, int level, int type, size_t len)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(&in->msg); c; c = CMSG_NXTHDR(&in->msg, c))
		if (c->cmsg_level == level && c->cmsg_type == type)
			return c->cmsg_len >= CMSG_LEN(len) ? CMSG_DATA(c) : NULL;
	return NULL;
}

/* A number of one byte or four; -1000 if there is none. */
int inbox_int(struct inbox *in, int level, int type)
{
	const void *p = inbox_find(in, level, type, sizeof(int));
	int value;

	if (p) {
		memcpy(&value, p, sizeof(value));
		return value;
	}
	p = inbox_find(in, level, type, 1);
	return p ? *(const unsigned char *)p : -1000;
}

int inbox_count(struct inbox *in)
{
	struct cmsghdr *c;
	int n = 0;

	for (c = CMSG_FIRSTHDR(&in->msg); c; c = CMSG_NXTHDR(&in->msg, c))
		n++;
	return n;
}

ssize_t dgram_to_with(int fd, const struct door *d, int port, int level, int type,
		      const void *data, size_t len)
{
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(64)];
	} control = { };
	struct iovec iov = { "with", 4 };
	union addr a;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_name = &a, .msg_namelen = door_loop(d, &a, port),
		.msg_control = &control, .msg_controllen = CMSG_SPACE(len),
	};

	control.hdr.cmsg_level = level;
	control.hdr.cmsg_type = type;
	control.hdr.cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(&control.hdr), data, len);
	return sendmsg(fd, &msg, 0);
}

const char *addr_text(const union addr *a, char buf[INET6_ADDRSTRLEN])
{
	const void *ip = a->sa.sa_family == AF_INET ? (const void *)&a->in.sin_addr :
						      (const void *)&a->in6.sin6_addr;

	return inet_ntop(a->sa.sa_family, ip, buf, INET6_ADDRSTRLEN) ?: "(no address)";
}
