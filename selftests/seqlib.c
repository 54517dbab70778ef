// SPDX-License-Identifier: GPL-2.0-only
/*
 * See seqlib.h.
 */
#include "seqlib.h"

const struct door door_seq4 = {
	.name = "SEQPACKET, IPv4", .domain = AF_NEWPROTO, .type = SOCK_SEQPACKET,
	.protocol = 0, .af = AF_INET,
};

const struct door door_seq6 = {
	.name = "SEQPACKET, IPv6", .domain = AF_NEWPROTO, .type = SOCK_SEQPACKET,
	.protocol = NEWPROTO_PROTO_IPV6, .af = AF_INET6,
};

const struct door door_seqpair = {
	.name = "SEQPACKET, pair", .domain = AF_NEWPROTO, .type = SOCK_SEQPACKET,
	.protocol = IPPROTO_NEWPROTO, .af = AF_INET,
};

bool over_unix(void)
{
	const char *proto = getenv("NEWPROTO_TEST_PROTO");

	return proto && !strcmp(proto, "unix");
}

void seq_skip_all(void)
{
	printf("TAP version 13\n1..0 # SKIP there are no such sockets\n");
	exit(4);
}

/* Two ends of a connection; door_seqpair's come from socketpair(). */
int seq_pair(const struct door *d, int sv[2])
{
	if (over_unix())
		return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv);
	if (d == &door_seqpair)
		return socketpair(door_domain(d), SOCK_SEQPACKET, door_protocol(d), sv);
	return door_connected(d, sv);
}

/* The bytes that records and their heads may take on the way from one to the other. */
long seq_room(int tx, int rx)
{
	return sock_int(tx, SOL_SOCKET, SO_SNDBUF) + sock_int(rx, SOL_SOCKET, SO_RCVBUF);
}

/* Sends a record of the pattern's bytes from @pos on. */
long seq_send(int fd, size_t pos, size_t len, int flags)
{
	char *buf = malloc(len + 1);
	long n;
	int err;

	pattern_fill(buf, len, pos);
	n = send(fd, buf, len, flags | MSG_NOSIGNAL);
	err = errno;
	free(buf);
	errno = err;
	return n;
}

long seq_recv(int fd, void *buf, size_t len, int flags, int *msg_flags)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_flags = -1 };
	long n = recvmsg(fd, &msg, flags);

	*msg_flags = n < 0 ? 0 : msg.msg_flags;
	return n;
}

/*
 * Takes the record that seq_send() has sent: its length, or -1 after saying what
 * came instead.
 */
long seq_take(int fd, size_t pos, size_t len)
{
	static char buf[SEQ_MAX];
	int flags, eor = over_unix() ? 0 : MSG_EOR;
	long n = seq_recv(fd, buf, sizeof(buf), 0, &flags);

	if (n < 0)
		fprintf(stderr, "# no record of %zu bytes: %s\n", len, strerror(errno));
	else if (n != (long)len || flags != eor)
		fprintf(stderr, "# expected a record of %zu bytes, flags 0x%x; got %ld, 0x%x\n",
			len, eor, n, flags);
	else if (pattern_wrong(buf, n, pos) >= 0)
		fprintf(stderr, "# record of %ld bytes: byte %ld is wrong\n", n,
			pattern_wrong(buf, n, pos));
	else
		return n;
	return -1;
}

/* Takes whatever is next, with room for a byte of it. */
long seq_recv1(int fd)
{
	char c;

	return recv(fd, &c, 1, 0);
}

/* Sends records of @len bytes until there is no room; how many. */
int seq_fill(int fd, size_t len)
{
	int n = 0;

	while (seq_send(fd, n * len, len, MSG_DONTWAIT) == (long)len)
		n++;
	return errno == EAGAIN ? n : -1;
}
