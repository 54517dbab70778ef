// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocations that fail, each in its turn, in every call on datagram sockets, alone and
 * in groups: a datagram whose send() has failed is not there, one whose send() has
 * succeeded is there whole, and once. What a member of a group has not read goes to the
 * others, or is kept for a successor, whichever allocation fails meanwhile.
 */
#include <kselftest_harness.h>

#include <linux/errqueue.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include "dgrouplib.h"
#include "faultlib.h"

#define LONG_TEST	120

FIXTURE(fault_dgram) {
	const struct door *door;
};

DOOR_FIXTURE(fault_dgram);

FIXTURE_SETUP(fault_dgram)
{
	if (over_udp())
		SKIP(_exit(255), "what the kernel's own UDP does without memory is its affair");
	FAULT_SETUP();
	ASSERT_OK(group_world());
	self->door = variant->door;
}

FIXTURE_TEARDOWN(fault_dgram)
{
	EXPECT_TRUE(nothing_listed());
}

static int port_is_free(const struct door *d, int port)
{
	int fd = dgram_bound(d, 0, port);

	if (fd < 0)
		return -1;
	return close(fd);
}

TEST_F_TIMEOUT(fault_dgram, socket, LONG_TEST)
{
	int domain = door_domain(self->door), protocol = dgram_protocol(self->door);
	struct fault f = { "socket" };
	int low = lowest_fd();

	while (fault_next(&f)) {
		FAULT_CALL(&f, socket(domain, SOCK_DGRAM, protocol));
		EXPECT_FAULT(&f, 0);
		if (f.ret >= 0)
			close(f.ret);
		EXPECT_EQ(low, lowest_fd());
	}
	FAULT_END(&f, 3);
}

TEST_F_TIMEOUT(fault_dgram, bind, LONG_TEST)
{
	int port = dgram_free_port(self->door);
	struct fault f = { "bind" };
	union addr a;
	socklen_t len = door_loop(self->door, &a, port);

	while (fault_next(&f)) {
		int fd = dgram_socket(self->door, 0), tx;

		FAULT_CALL(&f, bind(fd, &a.sa, len));
		EXPECT_FAULT(&f, 0);
		if (f.ret) {
			EXPECT_EQ(0, sock_port(fd));
			EXPECT_OK(port_is_free(self->door, port));
			EXPECT_OK(bind(fd, &a.sa, len));
		}
		tx = dgram_dial(self->door, 0, port);
		EXPECT_EQ(2, send(tx, "hi", 2, 0));
		EXPECT_STREQ("hi", dgram_text(fd));
		close(tx);
		close(fd);
		EXPECT_OK(port_is_free(self->door, port));
	}
	FAULT_END(&f, 1);
}

TEST_F_TIMEOUT(fault_dgram, connect, LONG_TEST)
{
	int rx = dgram_bound(self->door, 0, 0);
	struct fault f = { "connect" };
	union addr a;
	socklen_t len = door_loop(self->door, &a, sock_port(rx));

	while (fault_next(&f)) {
		int fd = dgram_socket(self->door, 0), port;

		/* UDP has EAGAIN for whatever keeps it from a port. */
		FAULT_CALL(&f, connect(fd, &a.sa, len));
		EXPECT_FAULT(&f, EAGAIN);
		if (f.ret) {
			EXPECT_ERR(EDESTADDRREQ, send(fd, "no", 2, 0));
			EXPECT_OK(connect(fd, &a.sa, len));
		}
		EXPECT_EQ(2, send(fd, "hi", 2, 0));
		EXPECT_STREQ("hi", dgram_text(rx));
		EXPECT_TRUE(dgram_empty(rx));
		port = sock_port(fd);
		close(fd);
		EXPECT_OK(port_is_free(self->door, port));
	}
	FAULT_END(&f, 1);
	close(rx);
}

TEST_F_TIMEOUT(fault_dgram, connect_elsewhere, LONG_TEST)
{
	struct fault f = { "connect, again" }, g = { "connect(AF_UNSPEC)" };
	int one = dgram_bound(self->door, 0, 0), two = dgram_bound(self->door, 0, 0), fd, rx;
	union addr a;
	socklen_t len = door_loop(self->door, &a, sock_port(two));

	while (fault_next(&f)) {
		fd = dgram_dial(self->door, 0, sock_port(one));
		FAULT_CALL(&f, connect(fd, &a.sa, len));
		EXPECT_FAULT(&f, EAGAIN);
		/* To the one or to the other, and to no third. */
		EXPECT_EQ(2, send(fd, "hi", 2, 0));
		rx = f.ret ? one : two;
		EXPECT_STREQ("hi", dgram_text(rx));
		EXPECT_TRUE(dgram_empty(one));
		EXPECT_TRUE(dgram_empty(two));
		close(fd);
	}
	FAULT_END(&f, 0);
	while (fault_next(&g)) {
		fd = dgram_dial(self->door, 0, sock_port(one));
		FAULT_CALL(&g, dgram_unspec(fd));
		EXPECT_FAULT(&g, 0);
		if (g.ret)
			EXPECT_EQ(2, send(fd, "hi", 2, 0));
		if (g.ret)
			EXPECT_STREQ("hi", dgram_text(one));
		EXPECT_OK(dgram_unspec(fd));
		EXPECT_EQ(2, dgram_to(fd, self->door, sock_port(two), "hi"));
		EXPECT_STREQ("hi", dgram_text(two));
		close(fd);
	}
	FAULT_END(&g, 0);
	close(one);
	close(two);
}

/* --- sending and receiving -------------------------------------------------------- */

#define BIG	60000	/* in pages of its own */
#define PIECES	20	/* more than the kernel has room for on its stack */

static char sent_bytes[BIG], got_bytes[BIG + 1];

/* Not sent: there is nothing. Sent: that, and nothing else. */
static int arrives(int rx, bool sent, size_t len)
{
	ssize_t n = recv(rx, got_bytes, sizeof(got_bytes), MSG_DONTWAIT);

	if (!sent) {
		if (n < 0 && errno == EAGAIN)
			return 0;
		fprintf(stderr, "# send() has failed, and %zd bytes have arrived\n", n);
		return -1;
	}
	if (n != (ssize_t)len || memcmp(sent_bytes, got_bytes, len)) {
		fprintf(stderr, "# a datagram of %zu bytes was sent, %zd have arrived\n", len, n);
		return -1;
	}
	return dgram_empty(rx) ? 0 : -1;
}

static void pieces_init(struct iovec *iov, char *buf, size_t len)
{
	int i;

	for (i = 0; i < PIECES; i++)
		iov[i] = (struct iovec){ buf + len / PIECES * i, len / PIECES };
}

enum way { SEND, SENDTO, SENDMSG, SENDMMSG };

static long send_by(enum way way, int fd, struct mmsghdr *m, size_t len)
{
	switch (way) {
	case SEND:
		return send(fd, sent_bytes, len, 0);
	case SENDTO:
		return sendto(fd, sent_bytes, len, 0, m->msg_hdr.msg_name, m->msg_hdr.msg_namelen);
	case SENDMSG:
		return sendmsg(fd, &m->msg_hdr, 0);
	default:
		return sendmmsg(fd, m, 1, 0);
	}
}

static void check_send(struct __test_metadata *_metadata, const struct door *d, const char *name,
		       enum way way, size_t len)
{
	int rx = dgram_bound(d, 0, 0);
	struct fault f = { name };
	struct iovec iov[PIECES];
	struct mmsghdr m = { .msg_hdr = { .msg_iov = iov, .msg_iovlen = PIECES } };
	union addr a;
	socklen_t alen = door_loop(d, &a, sock_port(rx));

	pattern_fill(sent_bytes, len, 0);
	pieces_init(iov, sent_bytes, len);
	ASSERT_OK(sock_set(rx, SOL_SOCKET, SO_RCVBUFFORCE, 4 * BIG));
	while (fault_next(&f)) {
		int fd = way == SENDTO ? dgram_socket(d, 0) : dgram_dial(d, 0, sock_port(rx));
		bool sent;

		m.msg_hdr.msg_name = way == SENDTO ? &a : NULL;
		m.msg_hdr.msg_namelen = way == SENDTO ? alen : 0;
		/* EAGAIN: no port, as UDP has it. */
		FAULT_CALL(&f, send_by(way, fd, &m, len));
		EXPECT_FAULT(&f, way == SENDTO ? EAGAIN : 0);
		sent = f.ret >= 0;
		/* sendmmsg() has sent it before it writes down how long it was. */
		if (way == SENDMMSG && f.ret < 0 && f.kind == FAULT_COPY)
			sent = !dgram_empty(rx);
		EXPECT_OK(arrives(rx, sent, len));
		EXPECT_LE(0, send_by(way, fd, &m, len));
		EXPECT_OK(arrives(rx, true, len));
		close(fd);
	}
	FAULT_END(&f, 1);
	close(rx);
}

TEST_F_TIMEOUT(fault_dgram, send, LONG_TEST)
{
	check_send(_metadata, self->door, "send, a few bytes", SEND, 100);
	check_send(_metadata, self->door, "send, many bytes", SEND, BIG);
	check_send(_metadata, self->door, "sendto, not bound", SENDTO, 100);
	check_send(_metadata, self->door, "sendmsg, pieces", SENDMSG, 4000);
	check_send(_metadata, self->door, "sendmmsg, pieces", SENDMMSG, 4000);
}

/* MSG_MORE: as with UDP, a part that fails takes what there was of the datagram along. */
TEST_F_TIMEOUT(fault_dgram, cork, LONG_TEST)
{
	struct fault first = { "send, MSG_MORE" }, next = { "send, MSG_MORE, again" };
	struct fault last = { "send after MSG_MORE" };
	int sv[2];

	ASSERT_OK(dgram_pair(self->door, sv));
	pattern_fill(sent_bytes, 3000, 0);
	while (fault_next(&first)) {
		FAULT_CALL(&first, send(sv[0], sent_bytes, 1000, MSG_MORE));
		EXPECT_FAULT(&first, 0);
		if (first.ret < 0)
			EXPECT_EQ(1000, send(sv[0], sent_bytes, 1000, MSG_MORE));
		EXPECT_EQ(2000, send(sv[0], sent_bytes + 1000, 2000, 0));
		EXPECT_OK(arrives(sv[1], true, 3000));
	}
	FAULT_END(&first, 2);
	while (fault_next(&next)) {
		EXPECT_EQ(100, send(sv[0], sent_bytes, 100, MSG_MORE));
		FAULT_CALL(&next, send(sv[0], sent_bytes + 100, 1900, MSG_MORE));
		EXPECT_FAULT(&next, 0);
		if (next.ret < 0)
			EXPECT_EQ(2000, send(sv[0], sent_bytes, 2000, MSG_MORE));
		EXPECT_EQ(1000, send(sv[0], sent_bytes + 2000, 1000, 0));
		EXPECT_OK(arrives(sv[1], true, 3000));
	}
	FAULT_END(&next, 1);
	while (fault_next(&last)) {
		EXPECT_EQ(1000, send(sv[0], sent_bytes, 1000, MSG_MORE));
		FAULT_CALL(&last, send(sv[0], sent_bytes + 1000, 2000, 0));
		EXPECT_FAULT(&last, 0);
		EXPECT_OK(arrives(sv[1], last.ret >= 0, 3000));
		EXPECT_EQ(3000, send(sv[0], sent_bytes, 3000, 0));
		EXPECT_OK(arrives(sv[1], true, 3000));
	}
	FAULT_END(&last, 1);
	close(sv[0]);
	close(sv[1]);
}

/* UDP_CORK is off whether what was held back is sent or lost: the call says which. */
TEST_F_TIMEOUT(fault_dgram, uncork, LONG_TEST)
{
	struct fault f = { "setsockopt(UDP_CORK, 0)" };
	int sv[2];

	ASSERT_OK(dgram_pair(self->door, sv));
	pattern_fill(sent_bytes, 3000, 0);
	while (fault_next(&f)) {
		ASSERT_OK(sock_set(sv[0], IPPROTO_UDP, UDP_CORK, 1));
		EXPECT_EQ(3000, send(sv[0], sent_bytes, 3000, 0));
		EXPECT_TRUE(dgram_empty(sv[1]));
		FAULT_CALL(&f, sock_set(sv[0], IPPROTO_UDP, UDP_CORK, 0));
		EXPECT_FAULT(&f, 0);
		if (f.ret && f.kind == FAULT_COPY) {
			/* the value was not read: nothing has changed */
			EXPECT_EQ(1, sock_int(sv[0], IPPROTO_UDP, UDP_CORK));
			EXPECT_OK(arrives(sv[1], false, 0));
			EXPECT_OK(sock_set(sv[0], IPPROTO_UDP, UDP_CORK, 0));
			f.ret = 0;
		}
		EXPECT_EQ(0, sock_int(sv[0], IPPROTO_UDP, UDP_CORK));
		EXPECT_OK(arrives(sv[1], !f.ret, 3000));
		EXPECT_EQ(3000, send(sv[0], sent_bytes, 3000, 0));
		EXPECT_OK(arrives(sv[1], true, 3000));
	}
	FAULT_END(&f, 1);
	close(sv[0]);
	close(sv[1]);
}

/* A copy that fails loses the datagram, as with UDP: whole. An allocation does not. */
TEST_F_TIMEOUT(fault_dgram, recvmsg, LONG_TEST)
{
	static const size_t sizes[] = { 4000, BIG };
	int i, sv[2];

	ASSERT_OK(dgram_pair(self->door, sv));
	ASSERT_OK(sock_set(sv[1], SOL_SOCKET, SO_RCVBUFFORCE, 4 * BIG));
	pattern_fill(sent_bytes, BIG, 0);
	for (i = 0; i < 4; i++) {
		struct fault f = { i < 2 ? "recvmsg, pieces" : "recvmsg, MSG_PEEK" };
		int flags = i < 2 ? 0 : MSG_PEEK;
		size_t len = sizes[i % 2];
		struct iovec iov[PIECES];
		struct msghdr m = { .msg_iov = iov, .msg_iovlen = PIECES };
		bool there;

		pieces_init(iov, got_bytes, len);
		while (fault_next(&f)) {
			ASSERT_EQ(len, send(sv[0], sent_bytes, len, 0));
			FAULT_CALL(&f, recvmsg(sv[1], &m, MSG_DONTWAIT | flags));
			EXPECT_FAULT(&f, 0);
			if (f.ret >= 0) {
				EXPECT_EQ(len, f.ret);
				EXPECT_EQ(0, memcmp(sent_bytes, got_bytes, len));
			}
			there = flags || (f.ret < 0 && f.kind == FAULT_ALLOC);
			if (f.ret < 0 && f.kind == FAULT_COPY && !flags)
				there = !dgram_empty(sv[1]);
			EXPECT_OK(arrives(sv[1], there, len));
		}
		FAULT_END(&f, 1);
	}
	close(sv[0]);
	close(sv[1]);
}

/* A refusal: send() has not failed, and what it is told later needs memory. */
TEST_F_TIMEOUT(fault_dgram, refused, LONG_TEST)
{
	bool v6 = self->door->af == AF_INET6;
	struct fault f = { "send, refused, with IP_RECVERR" };
	struct fault g = { "recvmsg(MSG_ERRQUEUE)" };
	int port = dgram_free_port(self->door), n;
	static struct inbox in;

	while (fault_next(&f)) {
		int fd = dgram_dial(self->door, 0, port);

		ASSERT_OK(sock_set(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
				   v6 ? IPV6_RECVERR : IP_RECVERR, 1));
		FAULT_CALL(&f, send(fd, "hi", 2, 0));
		EXPECT_FAULT(&f, 0);
		n = inbox_recv(fd, &in, MSG_ERRQUEUE);
		/* The particulars may be lost, the error is not. */
		EXPECT_EQ(f.ret >= 0, n >= 0 || sock_error(fd) == ECONNREFUSED);
		close(fd);
	}
	FAULT_END(&f, 2);
	while (fault_next(&g)) {
		int fd = dgram_dial(self->door, 0, port);

		ASSERT_OK(sock_set(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
				   v6 ? IPV6_RECVERR : IP_RECVERR, 1));
		EXPECT_EQ(2, send(fd, "hi", 2, 0));
		FAULT_CALL(&g, inbox_recv(fd, &in, MSG_ERRQUEUE));
		EXPECT_FAULT(&g, 0);
		close(fd);
	}
	FAULT_END(&g, 0);
}

/* Waiting for room, with NEWPROTO_WAIT: not to wait is EAGAIN, and nothing is sent. */
TEST_F_TIMEOUT(fault_dgram, no_room, LONG_TEST)
{
	struct fault f = { "send, NEWPROTO_WAIT, full" };
	int sv[2], n, total;

	ASSERT_OK(dgram_pair(self->door, sv));
	ASSERT_OK(sock_set(sv[1], SOL_SOCKET, SO_RCVBUF, 5000));
	ASSERT_OK(sock_set(sv[0], SOL_NEWPROTO, NEWPROTO_WAIT, 1));
	while (fault_next(&f)) {
		for (n = 0; send(sv[0], "full", 4, MSG_DONTWAIT) == 4; n++)
			;
		/* That there is no room is what it has to say: here it is a success. */
		FAULT_CALL(&f, send(sv[0], "more", 4, MSG_DONTWAIT) < 0 && errno == EAGAIN ?
			       0 : -1);
		EXPECT_FAULT(&f, 0);
		EXPECT_EQ(0, poll_events(sv[0], POLLOUT, 0));
		for (total = 0; !dgram_empty(sv[1]); total++)
			EXPECT_STREQ("full", dgram_text(sv[1]));
		EXPECT_EQ(n, total);
		EXPECT_EQ(POLLOUT, poll_events(sv[0], POLLOUT, WAIT_MS));
	}
	FAULT_END(&f, 1);
	close(sv[0]);
	close(sv[1]);
}

static const struct {
	const char *name;
	int level, number, value;
} options[] = {
	{ "SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, 30000 },
	{ "SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT, 1 },
	{ "SO_PEEK_OFF", SOL_SOCKET, SO_PEEK_OFF, 3 },
	{ "IP_TTL", IPPROTO_IP, IP_TTL, 9 },
	{ "UDP_CORK", IPPROTO_UDP, UDP_CORK, 1 },
	{ "NEWPROTO_WAIT", SOL_NEWPROTO, NEWPROTO_WAIT, 1 },
};

TEST_F_TIMEOUT(fault_dgram, setsockopt, LONG_TEST)
{
	int i, fd, before, after;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		struct fault f = { options[i].name };
		int level = options[i].level, name = options[i].number;

		while (fault_next(&f)) {
			fd = dgram_socket(self->door, 0);
			before = sock_int(fd, level, name);
			FAULT_CALL(&f, sock_set(fd, level, name, options[i].value));
			EXPECT_FAULT(&f, 0);
			after = sock_int(fd, level, name);
			EXPECT_EQ(f.ret != 0, before == after);
			EXPECT_OK(sock_set(fd, level, name, options[i].value));
			close(fd);
		}
		FAULT_END(&f, 0);
	}
}

TEST_F_TIMEOUT(fault_dgram, getsockopt, LONG_TEST)
{
	int i, fd, want, value;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		struct fault f = { options[i].name };
		int level = options[i].level, name = options[i].number;
		socklen_t len;

		fd = dgram_socket(self->door, 0);
		ASSERT_OK(sock_set(fd, level, name, options[i].value));
		want = sock_int(fd, level, name);
		while (fault_next(&f)) {
			value = -1;
			len = sizeof(value);
			FAULT_CALL(&f, getsockopt(fd, level, name, &value, &len));
			EXPECT_FAULT(&f, 0);
			if (!f.ret)
				EXPECT_EQ(want, value);
			EXPECT_EQ(want, sock_int(fd, level, name));
		}
		FAULT_END(&f, 0);
		close(fd);
	}
}

/* --- waiting and ending ----------------------------------------------------------- */

TEST_F_TIMEOUT(fault_dgram, poll, LONG_TEST)
{
	struct fault f = { "poll" }, g = { "epoll_ctl" };
	struct epoll_event ev = { .events = EPOLLIN };
	struct pollfd p[200];
	int i, ep, sv[2];

	ASSERT_OK(dgram_pair(self->door, sv));
	for (i = 0; i < 200; i++)
		p[i] = (struct pollfd){ .fd = sv[i % 2], .events = POLLIN };
	while (fault_next(&f)) {
		FAULT_CALL(&f, poll(p, 200, 1));
		EXPECT_FAULT(&f, 0);
		EXPECT_EQ(2, send(sv[0], "hi", 2, 0));
		EXPECT_STREQ("hi", dgram_text(sv[1]));
	}
	FAULT_END(&f, 2);
	while (fault_next(&g)) {
		ep = epoll_create1(0);
		FAULT_CALL(&g, epoll_ctl(ep, EPOLL_CTL_ADD, sv[1], &ev));
		EXPECT_FAULT(&g, 0);
		EXPECT_EQ(2, send(sv[0], "hi", 2, 0));
		EXPECT_EQ(g.ret ? 0 : 1, epoll_wait(ep, &ev, 1, g.ret ? 0 : WAIT_MS));
		EXPECT_STREQ("hi", dgram_text(sv[1]));
		close(ep);
	}
	FAULT_END(&g, 1);
	close(sv[0]);
	close(sv[1]);
}

/* There is no end for which there could be too little memory. */
TEST_F_TIMEOUT(fault_dgram, shutdown, LONG_TEST)
{
	static const char *const names[] = { "SHUT_RD", "SHUT_WR", "SHUT_RDWR" };
	int how, sv[2];
	char c;

	for (how = SHUT_RD; how <= SHUT_RDWR; how++) {
		struct fault f = { names[how] };

		while (fault_next(&f)) {
			ASSERT_OK(dgram_pair(self->door, sv));
			EXPECT_EQ(2, send(sv[0], "hi", 2, 0));
			FAULT_CALL(&f, shutdown(sv[0], how));
			EXPECT_EQ(0, f.ret);
			/* the end, which UDP gives to those that would wait */
			if (how != SHUT_WR)
				EXPECT_EQ(0, recv(sv[0], &c, 1, 0));
			if (how == SHUT_RD)
				EXPECT_EQ(2, send(sv[0], "ho", 2, 0));
			if (how != SHUT_RD)
				EXPECT_ERR(EPIPE, send(sv[0], "no", 2, MSG_NOSIGNAL));
			EXPECT_STREQ("hi", dgram_text(sv[1]));
			if (how == SHUT_RD)
				EXPECT_STREQ("ho", dgram_text(sv[1]));
			EXPECT_TRUE(dgram_empty(sv[1]));
			close(sv[0]);
			close(sv[1]);
		}
		FAULT_END(&f, 0);
	}
}

/* Of one that nobody shares its port with. What it has not read or not sent is gone. */
TEST_F_TIMEOUT(fault_dgram, close, LONG_TEST)
{
	static const char *const names[] = {
		"close", "close with unread datagrams", "close with a part of a datagram",
	};
	int how, sv[2], port;

	for (how = 0; how < ARRAY_SIZE(names); how++) {
		struct fault f = { names[how] };
		int end = how != 2;

		while (fault_next(&f)) {
			ASSERT_OK(dgram_pair(self->door, sv));
			if (how)
				EXPECT_EQ(2, send(sv[0], "no", 2, end ? 0 : MSG_MORE));
			port = sock_port(sv[end]);
			FAULT_CALL(&f, close(sv[end]));
			EXPECT_EQ(0, f.ret);
			EXPECT_OK(port_is_free(self->door, port));
			sv[end] = dgram_bound(self->door, 0, port);
			EXPECT_TRUE(dgram_empty(sv[end]));
			EXPECT_TRUE(dgram_empty(sv[!end]));
			close(sv[0]);
			close(sv[1]);
		}
		FAULT_END(&f, 0);
	}
}

/* --- groups ----------------------------------------------------------------------- */

#define WAITING	5

TEST_F_TIMEOUT(fault_dgram, bind_of_members, LONG_TEST)
{
	struct fault f = { "bind of a first member" }, g = { "bind of a second member" };
	int port = dgram_free_port(self->door), fd, a;
	union addr addr;
	socklen_t len = door_loop(self->door, &addr, port);

	while (fault_next(&f)) {
		fd = dgram_socket(self->door, 0);
		ASSERT_OK(sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1));
		ASSERT_OK(group_set(fd, NEWPROTO_GRACE, WAIT_MS));
		FAULT_CALL(&f, bind(fd, &addr.sa, len));
		EXPECT_FAULT(&f, 0);
		if (f.ret)
			EXPECT_OK(port_is_free(self->door, port));
		if (f.ret)
			EXPECT_OK(bind(fd, &addr.sa, len));
		EXPECT_EQ(1, group_of(port).members);
		EXPECT_OK(group_set(fd, NEWPROTO_GRACE, 0));
		close(fd);
		EXPECT_OK(port_is_free(self->door, port));
	}
	FAULT_END(&f, 2);
	a = dgram_share(self->door, SO_REUSEPORT, port);
	while (fault_next(&g)) {
		fd = dgram_socket(self->door, 0);
		ASSERT_OK(sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1));
		FAULT_CALL(&g, bind(fd, &addr.sa, len));
		EXPECT_FAULT(&g, 0);
		EXPECT_EQ(g.ret ? 1 : 2, group_of(port).members);
		if (g.ret)
			EXPECT_OK(bind(fd, &addr.sa, len));
		close(fd);
		EXPECT_EQ(1, group_of(port).members);
	}
	FAULT_END(&g, 1);
	close(a);
}

/* The latest member has what was sent, and goes. */
TEST_F_TIMEOUT(fault_dgram, what_waits_moves, LONG_TEST)
{
	struct fault f = { "close of a member" };
	struct dgroup g;

	while (fault_next(&f)) {
		ASSERT_OK(dgroup_start(&g, self->door));
		ASSERT_OK(dgroup_dial(&g));
		ASSERT_OK(group_set(g.m[0], NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND));
		ASSERT_OK(dgroup_grow(&g));
		ASSERT_EQ(WAITING, send_some(&g, WAITING, 100));
		FAULT_CALL(&f, dgroup_leave(&g, 1));
		EXPECT_EQ(0, f.ret);
		EXPECT_NUMBERS(&g, g.m[0], 0, WAITING);
		EXPECT_TRUE(dgram_empty(g.m[0]));
		dgroup_end(&g);
	}
	FAULT_END(&f, 0);
}

/* The last one goes; then a send() to nobody; then a successor. */
static void check_grace(struct __test_metadata *_metadata, const struct door *d, struct fault *f,
			int step)
{
	struct dgroup g;
	int sent = 2 * WAITING;

	while (fault_next(f)) {
		ASSERT_OK(dgroup_start(&g, d));
		ASSERT_OK(dgroup_dial(&g));
		ASSERT_OK(group_set(g.m[0], NEWPROTO_GRACE, WAIT_MS));
		ASSERT_EQ(WAITING, send_some(&g, WAITING, 100));
		if (step == 0)
			FAULT_CALL(f, dgroup_leave(&g, 0));
		else
			dgroup_leave(&g, 0);
		if (step == 1) {
			FAULT_CALL(f, send(g.tx[0], "\xff\xff\xff\xff", 4, 0));
			EXPECT_FAULT(f, 0);
		}
		ASSERT_EQ(WAITING, send_some(&g, WAITING, 100));
		ASSERT_OK(dgroup_grow(&g));
		EXPECT_NUMBERS(&g, g.m[1], 0, WAITING);
		if (step == 1 && f->ret >= 0)
			EXPECT_EQ(4, recv(g.m[1], got_bytes, 100, MSG_DONTWAIT));
		EXPECT_NUMBERS(&g, g.m[1], WAITING, sent - WAITING);
		EXPECT_TRUE(dgram_empty(g.m[1]));
		EXPECT_OK(group_set(g.m[1], NEWPROTO_GRACE, 0));
		dgroup_end(&g);
	}
}

TEST_F_TIMEOUT(fault_dgram, what_waits_is_kept, LONG_TEST)
{
	struct fault f = { "close of the last member" }, g = { "send to a group without members" };

	check_grace(_metadata, self->door, &f, 0);
	FAULT_END(&f, 0);
	check_grace(_metadata, self->door, &g, 1);
	FAULT_END(&g, 1);
}

/* The successor's bind() fails, and what was kept is there for its next try. */
TEST_F_TIMEOUT(fault_dgram, bind_of_a_successor, LONG_TEST)
{
	struct fault f = { "bind of a successor" };
	struct dgroup g;

	while (fault_next(&f)) {
		union addr a;
		socklen_t len;

		ASSERT_OK(dgroup_start(&g, self->door));
		ASSERT_OK(dgroup_dial(&g));
		len = door_loop(self->door, &a, g.port);
		ASSERT_OK(group_set(g.m[0], NEWPROTO_GRACE, WAIT_MS));
		ASSERT_EQ(WAITING, send_some(&g, WAITING, 100));
		dgroup_leave(&g, 0);
		g.m[1] = dgram_socket(self->door, 0);
		ASSERT_OK(sock_set(g.m[1], SOL_SOCKET, SO_REUSEPORT, 1));
		FAULT_CALL(&f, bind(g.m[1], &a.sa, len));
		EXPECT_FAULT(&f, 0);
		if (f.ret)
			EXPECT_OK(bind(g.m[1], &a.sa, len));
		EXPECT_NUMBERS(&g, g.m[1], 0, WAITING);
		EXPECT_TRUE(dgram_empty(g.m[1]));
		EXPECT_OK(group_set(g.m[1], NEWPROTO_GRACE, 0));
		dgroup_end(&g);
	}
	FAULT_END(&f, 1);
}

TEST_HARNESS_MAIN
