// SPDX-License-Identifier: GPL-2.0-only
/*
 * Control messages of datagrams: where a datagram was sent to, with which TTL and
 * TOS, when; and the choice of its source, TTL and TOS when it is sent.
 */
#include <kselftest_harness.h>

#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/time.h>
#include <time.h>

#include "dgramlib.h"

#ifndef IPV6_RECVORIGDSTADDR
#define IPV6_RECVORIGDSTADDR	74
#endif
#ifndef SO_TIMESTAMP_NEW
#define SO_TIMESTAMP_NEW	63
#define SO_TIMESTAMPNS_NEW	64
#define SO_TIMESTAMPING_NEW	65
#endif

FIXTURE(cmsg) {
	int tx;			/* not connected, not bound */
	int rx;			/* bound to the wildcard */
	int port;		/* of rx */
	struct inbox in;
};

DOOR_FIXTURE_ALL(cmsg);

FIXTURE_SETUP(cmsg)
{
	self->tx = dgram_socket(variant->door, 0);
	self->rx = dgram_wild(variant->door, 0);
	ASSERT_OK(self->tx);
	ASSERT_OK(self->rx);
	self->port = sock_port(self->rx);
}

FIXTURE_TEARDOWN(cmsg)
{
	close(self->tx);
	close(self->rx);
}

/* What travels as IPv6; a mapped address travels as IPv4. */
static bool ip6(const struct door *d)
{
	return d->af == AF_INET6 && !d->mapped;
}

static const char *in_form(const struct door *d, const char *v4, const char *v6)
{
	static char text[64];

	if (ip6(d))
		return v6;
	snprintf(text, sizeof(text), "%s%s", d->mapped ? "::ffff:" : "", v4);
	return text;
}

#define SEND(text)	\
	ASSERT_EQ(strlen(text), dgram_to(self->tx, variant->door, self->port, text))
#define RECV()	\
	ASSERT_LE(0, inbox_recv(self->rx, &self->in, 0)) TH_LOG("%s", strerror(errno))

TEST_F(cmsg, none_unless_asked)
{
	SEND("x");
	RECV();
	EXPECT_EQ(0, self->in.msg.msg_controllen);
	EXPECT_EQ(0, self->in.msg.msg_flags);
}

/* What the receiver learns of the destination, sent to one of the host's addresses. */
static void send_to_other(struct __test_metadata *_metadata, int tx, const struct door *d,
			  int port)
{
	union addr a;
	socklen_t len = door_addr(d, &a, "127.0.0.5", "::1", port);

	ASSERT_EQ(1, sendto(tx, "x", 1, 0, &a.sa, len));
}

TEST_F(cmsg, pktinfo4)
{
	const struct in_pktinfo *info;
	char text[INET6_ADDRSTRLEN];

	if (ip6(variant->door))
		SKIP(return, "IPv4's");
	ASSERT_OK(sock_set(self->rx, IPPROTO_IP, IP_PKTINFO, 1));
	send_to_other(_metadata, self->tx, variant->door, self->port);
	RECV();
	info = inbox_find(&self->in, IPPROTO_IP, IP_PKTINFO, sizeof(*info));
	ASSERT_NE(NULL, info);
	EXPECT_EQ(if_nametoindex("lo"), info->ipi_ifindex);
	EXPECT_STREQ("127.0.0.5", inet_ntop(AF_INET, &info->ipi_addr, text, sizeof(text)));
	EXPECT_STREQ("127.0.0.5", inet_ntop(AF_INET, &info->ipi_spec_dst, text, sizeof(text)));
	EXPECT_EQ(1, inbox_count(&self->in));
}

TEST_F(cmsg, pktinfo6)
{
	const struct in6_pktinfo *info;
	char text[INET6_ADDRSTRLEN];

	if (variant->door->af == AF_INET)
		SKIP(return, "IPv6's");
	ASSERT_OK(sock_set(self->rx, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
	send_to_other(_metadata, self->tx, variant->door, self->port);
	RECV();
	info = inbox_find(&self->in, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(*info));
	ASSERT_NE(NULL, info);
	EXPECT_EQ(if_nametoindex("lo"), info->ipi6_ifindex);
	EXPECT_STREQ(in_form(variant->door, "127.0.0.5", "::1"),
		     inet_ntop(AF_INET6, &info->ipi6_addr, text, sizeof(text)));
	EXPECT_EQ(1, inbox_count(&self->in));
}

TEST_F(cmsg, origdstaddr)
{
	const struct door *d = variant->door;
	const union addr *to;
	char text[INET6_ADDRSTRLEN];

	if (d->af == AF_INET) {
		ASSERT_OK(sock_set(self->rx, IPPROTO_IP, IP_RECVORIGDSTADDR, 1));
		EXPECT_EQ(1, sock_int(self->rx, IPPROTO_IP, IP_RECVORIGDSTADDR));
	} else {
		ASSERT_OK(sock_set(self->rx, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1));
		EXPECT_EQ(1, sock_int(self->rx, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR));
	}
	send_to_other(_metadata, self->tx, d, self->port);
	RECV();
	if (d->af == AF_INET)
		to = inbox_find(&self->in, IPPROTO_IP, IP_ORIGDSTADDR, sizeof(to->in));
	else
		to = inbox_find(&self->in, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, sizeof(to->in6));
	if (d->mapped) {
		/* the message is for IPv6's datagrams only */
		EXPECT_EQ(NULL, to);
		return;
	}
	ASSERT_NE(NULL, to);
	EXPECT_EQ(d->af, to->sa.sa_family);
	EXPECT_EQ(self->port, addr_port(to));
	EXPECT_STREQ(in_form(d, "127.0.0.5", "::1"), addr_text(to, text));
}

/* TTL and hop limit: 64, or the sender's option, or the datagram's own. */
TEST_F(cmsg, ttl)
{
	const struct door *d = variant->door;
	int level = ip6(d) ? IPPROTO_IPV6 : IPPROTO_IP;
	int type = ip6(d) ? IPV6_HOPLIMIT : IP_TTL;
	int ask = ip6(d) ? IPV6_RECVHOPLIMIT : IP_RECVTTL;
	int set = ip6(d) ? IPV6_UNICAST_HOPS : IP_TTL;
	int seven = 7;

	ASSERT_OK(sock_set(self->rx, level, ask, 1));
	SEND("x");
	RECV();
	EXPECT_EQ(64, inbox_int(&self->in, level, type));
	ASSERT_OK(sock_set(self->tx, level, set, 33));
	SEND("x");
	RECV();
	EXPECT_EQ(33, inbox_int(&self->in, level, type));
	ASSERT_EQ(4, dgram_to_with(self->tx, d, self->port, level, type, &seven, sizeof(seven)));
	RECV();
	EXPECT_EQ(7, inbox_int(&self->in, level, type));
	/* for the one datagram only */
	SEND("x");
	RECV();
	EXPECT_EQ(33, inbox_int(&self->in, level, type));
	ASSERT_OK(sock_set(self->rx, level, ask, 0));
	SEND("x");
	RECV();
	EXPECT_EQ(0, inbox_count(&self->in));
}

TEST_F(cmsg, tos)
{
	const struct door *d = variant->door;
	int level = ip6(d) ? IPPROTO_IPV6 : IPPROTO_IP;
	int type = ip6(d) ? IPV6_TCLASS : IP_TOS;
	int ask = ip6(d) ? IPV6_RECVTCLASS : IP_RECVTOS;
	int tos = 0x28;

	ASSERT_OK(sock_set(self->rx, level, ask, 1));
	SEND("x");
	RECV();
	EXPECT_EQ(0, inbox_int(&self->in, level, type));
	ASSERT_OK(sock_set(self->tx, level, type, 0x10));
	SEND("x");
	RECV();
	EXPECT_EQ(0x10, inbox_int(&self->in, level, type));
	ASSERT_EQ(4, dgram_to_with(self->tx, d, self->port, level, type, &tos, sizeof(tos)));
	RECV();
	EXPECT_EQ(0x28, inbox_int(&self->in, level, type));
	/* a datagram is marked as its sender says, ECN's bits too */
	ASSERT_OK(sock_set(self->tx, level, type, 0x0b));
	SEND("x");
	RECV();
	EXPECT_EQ(0x0b, inbox_int(&self->in, level, type));
}

TEST_F(cmsg, tos_in_one_byte)
{
	unsigned char tos = 0x20;

	if (ip6(variant->door))
		SKIP(return, "IPv6 takes a number of four bytes");
	ASSERT_OK(sock_set(self->rx, IPPROTO_IP, IP_RECVTOS, 1));
	ASSERT_EQ(4, dgram_to_with(self->tx, variant->door, self->port, IPPROTO_IP, IP_TOS, &tos,
				   1));
	RECV();
	/* it comes in one byte, too */
	EXPECT_EQ(CMSG_LEN(1), CMSG_FIRSTHDR(&self->in.msg)->cmsg_len);
	EXPECT_EQ(0x20, inbox_int(&self->in, IPPROTO_IP, IP_TOS));
}

/* Everything at once, in one buffer. */
TEST_F(cmsg, all_together)
{
	bool v6 = ip6(variant->door);

	if (v6) {
		ASSERT_OK(sock_set(self->rx, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
		ASSERT_OK(sock_set(self->rx, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1));
		ASSERT_OK(sock_set(self->rx, IPPROTO_IPV6, IPV6_RECVTCLASS, 1));
	} else {
		ASSERT_OK(sock_set(self->rx, IPPROTO_IP, IP_PKTINFO, 1));
		ASSERT_OK(sock_set(self->rx, IPPROTO_IP, IP_RECVTTL, 1));
		ASSERT_OK(sock_set(self->rx, IPPROTO_IP, IP_RECVTOS, 1));
	}
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_TIMESTAMP, 1));
	SEND("x");
	RECV();
	EXPECT_EQ(4, inbox_count(&self->in));
	EXPECT_NE(NULL, inbox_find(&self->in, v6 ? IPPROTO_IPV6 : IPPROTO_IP,
				   v6 ? IPV6_PKTINFO : IP_PKTINFO, 12));
	EXPECT_EQ(64, v6 ? inbox_int(&self->in, IPPROTO_IPV6, IPV6_HOPLIMIT) :
			   inbox_int(&self->in, IPPROTO_IP, IP_TTL));
	EXPECT_EQ(0, v6 ? inbox_int(&self->in, IPPROTO_IPV6, IPV6_TCLASS) :
			  inbox_int(&self->in, IPPROTO_IP, IP_TOS));
	EXPECT_NE(NULL, inbox_find(&self->in, SOL_SOCKET, SO_TIMESTAMP, sizeof(struct timeval)));
}

/* Peeking shows them, too. */
TEST_F(cmsg, peek)
{
	int level = ip6(variant->door) ? IPPROTO_IPV6 : IPPROTO_IP;
	int type = ip6(variant->door) ? IPV6_HOPLIMIT : IP_TTL;

	ASSERT_OK(sock_set(self->rx, level, ip6(variant->door) ? IPV6_RECVHOPLIMIT : IP_RECVTTL,
			   1));
	SEND("x");
	EXPECT_EQ(1, inbox_recv(self->rx, &self->in, MSG_PEEK));
	EXPECT_EQ(64, inbox_int(&self->in, level, type));
	RECV();
	EXPECT_EQ(64, inbox_int(&self->in, level, type));
}

/* Too little room for them: MSG_CTRUNC, and the datagram is whole. */
TEST_F(cmsg, truncated)
{
	struct inbox *in = &self->in;

	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_TIMESTAMP, 1));
	SEND("abcd");
	ASSERT_TRUE(poll_events(self->rx, POLLIN, WAIT_MS) & POLLIN);
	memset(in, 0, sizeof(*in));
	in->iov = (struct iovec){ in->data, sizeof(in->data) };
	in->msg.msg_iov = &in->iov;
	in->msg.msg_iovlen = 1;
	in->msg.msg_control = &in->control;
	in->msg.msg_controllen = sizeof(struct cmsghdr) + 4;
	EXPECT_EQ(4, recvmsg(self->rx, &in->msg, 0));
	EXPECT_EQ(MSG_CTRUNC, in->msg.msg_flags);
	EXPECT_STREQ("abcd", in->data);
}

/* --- what the sender chooses -------------------------------------------------------- */

static ssize_t send_from4(int fd, const struct door *d, int port, const char *from, int ifindex)
{
	struct in_pktinfo info = { .ipi_ifindex = ifindex };

	inet_pton(AF_INET, from, &info.ipi_spec_dst);
	return dgram_to_with(fd, d, port, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
}

static ssize_t send_from6(int fd, const struct door *d, int port, const char *from, int ifindex)
{
	struct in6_pktinfo info = { .ipi6_ifindex = ifindex };

	inet_pton(AF_INET6, from, &info.ipi6_addr);
	return dgram_to_with(fd, d, port, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
}

TEST_F(cmsg, source4)
{
	const struct door *d = variant->door;
	int lo = if_nametoindex("lo");
	char text[INET6_ADDRSTRLEN];

	if (ip6(d))
		SKIP(return, "IPv4's");
	ASSERT_EQ(4, send_from4(self->tx, d, self->port, "127.0.0.9", 0));
	RECV();
	EXPECT_STREQ(in_form(d, "127.0.0.9", NULL), addr_text(&self->in.from, text));
	EXPECT_EQ(sock_port(self->tx), addr_port(&self->in.from));
	ASSERT_EQ(4, send_from4(self->tx, d, self->port, "127.0.0.8", lo));
	RECV();
	EXPECT_STREQ(in_form(d, "127.0.0.8", NULL), addr_text(&self->in.from, text));
	/* of the one datagram only */
	SEND("x");
	RECV();
	EXPECT_STREQ(in_form(d, "127.0.0.1", NULL), addr_text(&self->in.from, text));
	/* no address of the host's, no such device */
	EXPECT_ERR(ENETUNREACH, send_from4(self->tx, d, self->port, "198.51.100.77", 0));
	EXPECT_ERR(ENODEV, send_from4(self->tx, d, self->port, "127.0.0.9", 4711));
	EXPECT_ERR(ENETUNREACH, send_from4(self->tx, d, self->port, "192.0.2.9", 4711));
	EXPECT_TRUE(dgram_empty(self->rx));
}

TEST_F(cmsg, source6)
{
	const struct door *d = variant->door;
	const char *from = d->mapped ? "::ffff:127.0.0.9" : "2001:db8::9";
	int lo = if_nametoindex("lo"), tries = over_udp() && ip6(d) ? 50 : 1;
	char text[INET6_ADDRSTRLEN];

	if (d->af == AF_INET)
		SKIP(return, "IPv6's");
	/* an address that no other test is to see */
	close(self->tx);
	close(self->rx);
	ASSERT_OK(netns_new());
	self->tx = dgram_socket(d, 0);
	self->rx = dgram_wild(d, self->port);
	ASSERT_OK(self->rx);
	ASSERT_OK(addr_add("lo", "2001:db8::9", 128));
	/* the network may take its time with a new address */
	while (send_from6(self->tx, d, self->port, from, 0) != 4 && tries-- > 1)
		poll(NULL, 0, 100);
	ASSERT_LT(0, tries);
	RECV();
	EXPECT_STREQ(from, addr_text(&self->in.from, text));
	ASSERT_EQ(4, send_from6(self->tx, d, self->port, from, lo));
	RECV();
	EXPECT_STREQ(from, addr_text(&self->in.from, text));
	SEND("x");
	RECV();
	EXPECT_STREQ(in_form(d, "127.0.0.1", "::1"), addr_text(&self->in.from, text));
	EXPECT_ERR(d->mapped ? ENETUNREACH : EINVAL,
		   send_from6(self->tx, d, self->port,
			      d->mapped ? "::ffff:198.51.100.77" : "2001:db8::77", 0));
	EXPECT_ERR(ENODEV, send_from6(self->tx, d, self->port, from, 4711));
	EXPECT_TRUE(dgram_empty(self->rx));
}

/* A socket that is bound may choose another source all the same. */
TEST_F(cmsg, source_of_bound)
{
	const struct door *d = variant->door;
	int fd = dgram_bound(d, 0, 0);
	char text[INET6_ADDRSTRLEN];

	if (ip6(d))
		SKIP(return, "IPv4's");
	ASSERT_EQ(4, send_from4(fd, d, self->port, "127.0.0.9", 0));
	RECV();
	EXPECT_STREQ(in_form(d, "127.0.0.9", NULL), addr_text(&self->in.from, text));
	EXPECT_EQ(sock_port(fd), addr_port(&self->in.from));
	close(fd);
}

/* The usual way of a server: it answers from the address that it was asked at. */
TEST_F(cmsg, answer_from_where_asked)
{
	const struct door *d = variant->door;
	const struct in_pktinfo *info;
	int fd = dgram_socket(d, 0);
	union addr a;
	socklen_t len = door_addr(d, &a, "127.0.0.5", "::1", self->port);

	if (ip6(d))
		SKIP(return, "IPv4's");
	ASSERT_OK(connect(fd, &a.sa, len));
	ASSERT_OK(sock_set(self->rx, IPPROTO_IP, IP_PKTINFO, 1));
	ASSERT_EQ(3, send(fd, "ask", 3, 0));
	RECV();
	info = inbox_find(&self->in, IPPROTO_IP, IP_PKTINFO, sizeof(*info));
	ASSERT_NE(NULL, info);
	self->in.iov.iov_len = 3;
	EXPECT_EQ(3, sendmsg(self->rx, &self->in.msg, 0));
	/* the asker is connected: from anywhere else it would not have come */
	EXPECT_STREQ("ask", dgram_text(fd));
	close(fd);
}

TEST_F(cmsg, wrong)
{
	const struct door *d = variant->door;
	int level = ip6(d) ? IPPROTO_IPV6 : IPPROTO_IP;
	int type = ip6(d) ? IPV6_HOPLIMIT : IP_TTL;
	int big = 256, zero = 0, one = 1;

	EXPECT_ERR(EINVAL, dgram_to_with(self->tx, d, self->port, level, type, &big, sizeof(big)));
	EXPECT_ERR(EINVAL, dgram_to_with(self->tx, d, self->port, level, type, &one, 2));
	if (!ip6(d)) {
		EXPECT_ERR(EINVAL, dgram_to_with(self->tx, d, self->port, level, type, &zero,
						 sizeof(zero)));
	}
	EXPECT_ERR(EINVAL, dgram_to_with(self->tx, d, self->port, level, 4711, &one,
					 sizeof(one)));
	EXPECT_ERR(EINVAL, dgram_to_with(self->tx, d, self->port, SOL_SOCKET, 4711, &one,
					 sizeof(one)));
	/* of a level that does not concern the family */
	EXPECT_EQ(4, dgram_to_with(self->tx, d, self->port, 4711, 1, &one, sizeof(one)));
	EXPECT_STREQ("with", dgram_text(self->rx));
	EXPECT_TRUE(dgram_empty(self->rx));
}

/* --- time ----------------------------------------------------------------------------- */

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

/*
 * The time of the datagram's coming, not of its being read. UDP's first may be
 * stamped late: the network begins to look at the clock when it is first asked.
 */
static void expect_time(struct __test_metadata *_metadata, int64_t stamp, int64_t before,
			int64_t sent)
{
	EXPECT_LE(before, stamp);
	EXPECT_GE(over_udp() ? now_us() : sent, stamp);
}

#define SEND_TIMED(before, sent) do {					\
	before = now_us();						\
	SEND("x");							\
	ASSERT_TRUE(poll_events(self->rx, POLLIN, WAIT_MS) & POLLIN);	\
	sent = now_us();						\
	poll(NULL, 0, 2);						\
} while (0)

TEST_F(cmsg, timestamp)
{
	int64_t before, sent;
	const struct timeval *tv;

	EXPECT_EQ(0, sock_int(self->rx, SOL_SOCKET, SO_TIMESTAMP));
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_TIMESTAMP, 1));
	EXPECT_EQ(1, sock_int(self->rx, SOL_SOCKET, SO_TIMESTAMP));
	SEND_TIMED(before, sent);
	RECV();
	tv = inbox_find(&self->in, SOL_SOCKET, SO_TIMESTAMP, sizeof(*tv));
	ASSERT_NE(NULL, tv);
	expect_time(_metadata, tv->tv_sec * 1000000LL + tv->tv_usec, before, sent);
}

TEST_F(cmsg, timestampns)
{
	int64_t before, sent;
	const struct timespec *ts;

	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_TIMESTAMPNS, 1));
	SEND_TIMED(before, sent);
	RECV();
	ts = inbox_find(&self->in, SOL_SOCKET, SO_TIMESTAMPNS, sizeof(*ts));
	ASSERT_NE(NULL, ts);
	expect_time(_metadata, ts->tv_sec * 1000000LL + ts->tv_nsec / 1000, before, sent);
	/* the newer numbers have messages of their own */
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_TIMESTAMPNS_NEW, 1));
	SEND("x");
	RECV();
	EXPECT_NE(NULL, inbox_find(&self->in, SOL_SOCKET, SO_TIMESTAMPNS_NEW, 16));
	EXPECT_EQ(1, inbox_count(&self->in));
}

TEST_F(cmsg, timestamping)
{
	int64_t before, sent;
	const struct timespec *ts;

	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_TIMESTAMPING,
			   SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE));
	/* the network may be late to begin with */
	SEND("x");
	RECV();
	SEND_TIMED(before, sent);
	RECV();
	ts = inbox_find(&self->in, SOL_SOCKET, SO_TIMESTAMPING, 3 * sizeof(*ts));
	if (!ts && over_udp())
		SKIP(return, "the network has not begun with timestamps yet");
	ASSERT_NE(NULL, ts);
	expect_time(_metadata, ts->tv_sec * 1000000LL + ts->tv_nsec / 1000, before, sent);
	/* no hardware */
	EXPECT_EQ(0, ts[2].tv_sec);
	EXPECT_EQ(0, ts[2].tv_nsec);
}

/* The time of the last datagram that was read. */
TEST_F(cmsg, siocgstamp)
{
	int64_t before, sent;
	struct timeval tv;

	EXPECT_ERR(ENOENT, ioctl(self->rx, SIOCGSTAMP, &tv));
	SEND_TIMED(before, sent);
	RECV();
	ASSERT_OK(ioctl(self->rx, SIOCGSTAMP, &tv));
	expect_time(_metadata, tv.tv_sec * 1000000LL + tv.tv_usec, before, sent);
	EXPECT_EQ(0, inbox_count(&self->in));
}

TEST_HARNESS_MAIN
