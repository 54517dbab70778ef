// SPDX-License-Identifier: GPL-2.0-only
/*
 * Options of datagram sockets by number: what does something, what is stored and
 * read back, and what is refused rather than taken in silence.
 */
#include <kselftest_harness.h>

#include "dgramlib.h"

#ifndef IPV6_RECVORIGDSTADDR
#define IPV6_RECVORIGDSTADDR	74
#endif
#ifndef UDP_NO_CHECK6_TX
#define UDP_NO_CHECK6_TX	101
#define UDP_NO_CHECK6_RX	102
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT		103
#define UDP_GRO			104
#endif
#define IP_MINTTL_NR		21
#define IPV6_MINHOPCOUNT_NR	73

struct option {
	const char *text;
	int level, name;
	bool v6;		/* of IPv6 sockets only */
	int lo, hi;		/* what is accepted; 0 and 1: a switch */
	int preset;		/* before anybody has set it; -1: not checked */
};

#define OPT(name, level, v6, lo, hi, preset)	{ #name, level, name, v6, lo, hi, preset }

static const struct option stored[] = {
	OPT(IP_TOS, IPPROTO_IP, false, 0, 255, 0),
	OPT(IP_TTL, IPPROTO_IP, false, 1, 255, 64),
	OPT(IP_MTU_DISCOVER, IPPROTO_IP, false, 0, 5, 1),
	OPT(IP_RECVERR, IPPROTO_IP, false, 0, 1, 0),
	OPT(IP_PKTINFO, IPPROTO_IP, false, 0, 1, 0),
	OPT(IP_RECVTTL, IPPROTO_IP, false, 0, 1, 0),
	OPT(IP_RECVTOS, IPPROTO_IP, false, 0, 1, 0),
	OPT(IP_RECVORIGDSTADDR, IPPROTO_IP, false, 0, 1, 0),
	OPT(IP_FREEBIND, IPPROTO_IP, false, 0, 1, 0),
	OPT(IP_TRANSPARENT, IPPROTO_IP, false, 0, 1, 0),
	OPT(IP_BIND_ADDRESS_NO_PORT, IPPROTO_IP, false, 0, 1, 0),
	OPT(IPV6_UNICAST_HOPS, IPPROTO_IPV6, true, 0, 255, 64),
	OPT(IPV6_TCLASS, IPPROTO_IPV6, true, 0, 255, 0),
	OPT(IPV6_MTU_DISCOVER, IPPROTO_IPV6, true, 0, 5, 1),
	OPT(IPV6_RECVERR, IPPROTO_IPV6, true, 0, 1, 0),
	OPT(IPV6_RECVPKTINFO, IPPROTO_IPV6, true, 0, 1, 0),
	OPT(IPV6_RECVHOPLIMIT, IPPROTO_IPV6, true, 0, 1, 0),
	OPT(IPV6_RECVTCLASS, IPPROTO_IPV6, true, 0, 1, 0),
	OPT(IPV6_RECVORIGDSTADDR, IPPROTO_IPV6, true, 0, 1, 0),
	OPT(IPV6_DONTFRAG, IPPROTO_IPV6, true, 0, 1, 0),
	OPT(IPV6_V6ONLY, IPPROTO_IPV6, true, 0, 1, 0),
	OPT(UDP_CORK, IPPROTO_UDP, false, 0, 1, 0),
	OPT(UDP_NO_CHECK6_TX, IPPROTO_UDP, false, 0, 1, 0),
	OPT(UDP_NO_CHECK6_RX, IPPROTO_UDP, false, 0, 1, 0),
	OPT(SO_BROADCAST, SOL_SOCKET, false, 0, 1, 0),
	OPT(SO_REUSEADDR, SOL_SOCKET, false, 0, 1, 0),
	OPT(SO_REUSEPORT, SOL_SOCKET, false, 0, 1, 0),
	OPT(SO_RXQ_OVFL, SOL_SOCKET, false, 0, 1, 0),
	OPT(SO_PEEK_OFF, SOL_SOCKET, false, 0, 100, -1),
};

static const struct {
	const char *text;
	int level, name;
} refused[] = {
	{ "UDP_SEGMENT", IPPROTO_UDP, UDP_SEGMENT },
	{ "UDP_GRO", IPPROTO_UDP, UDP_GRO },
	{ "UDP_ENCAP", IPPROTO_UDP, UDP_ENCAP },
	{ "UDPLITE_SEND_CSCOV", IPPROTO_UDP, 10 },
	{ "UDP 4711", IPPROTO_UDP, 4711 },
	{ "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY },
	{ "IP_OPTIONS", IPPROTO_IP, IP_OPTIONS },
	{ "IP_HDRINCL", IPPROTO_IP, IP_HDRINCL },
	{ "IP_MINTTL", IPPROTO_IP, IP_MINTTL_NR },
	{ "IP_IPSEC_POLICY", IPPROTO_IP, IP_IPSEC_POLICY },
	{ "IP_XFRM_POLICY", IPPROTO_IP, IP_XFRM_POLICY },
	{ "IPV6_XFRM_POLICY", IPPROTO_IPV6, IPV6_XFRM_POLICY },
	{ "IP_ADD_MEMBERSHIP", IPPROTO_IP, IP_ADD_MEMBERSHIP },
	{ "IP_DROP_MEMBERSHIP", IPPROTO_IP, IP_DROP_MEMBERSHIP },
	{ "IP_MULTICAST_IF", IPPROTO_IP, IP_MULTICAST_IF },
	{ "IP_MULTICAST_TTL", IPPROTO_IP, IP_MULTICAST_TTL },
	{ "IP_MULTICAST_LOOP", IPPROTO_IP, IP_MULTICAST_LOOP },
	{ "IP_MULTICAST_ALL", IPPROTO_IP, IP_MULTICAST_ALL },
	{ "MCAST_JOIN_GROUP", IPPROTO_IP, MCAST_JOIN_GROUP },
	{ "IPV6_ADD_MEMBERSHIP", IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP },
	{ "IPV6_MULTICAST_IF", IPPROTO_IPV6, IPV6_MULTICAST_IF },
	{ "IPV6_MULTICAST_HOPS", IPPROTO_IPV6, IPV6_MULTICAST_HOPS },
	{ "IPV6_MULTICAST_LOOP", IPPROTO_IPV6, IPV6_MULTICAST_LOOP },
	{ "IPV6_MINHOPCOUNT", IPPROTO_IPV6, IPV6_MINHOPCOUNT_NR },
	{ "IPV6_HOPOPTS", IPPROTO_IPV6, IPV6_HOPOPTS },
	{ "IPV6_RTHDR", IPPROTO_IPV6, IPV6_RTHDR },
	{ "IPV6_ADDRFORM", IPPROTO_IPV6, IPV6_ADDRFORM },
	{ "SOL_NEWPROTO 5", SOL_NEWPROTO, 5 },
	{ "SOL_NEWPROTO 0", SOL_NEWPROTO, 0 },
	{ "level 4711", 4711, 1 },
};

FIXTURE(dopts) {
	int fd;
};

DOOR_FIXTURE_ALL(dopts);

FIXTURE_SETUP(dopts)
{
	self->fd = dgram_socket(variant->door, 0);
	ASSERT_OK(self->fd);
}

FIXTURE_TEARDOWN(dopts)
{
	close(self->fd);
}

static void check_stored(struct __test_metadata *_metadata, int fd, const struct option *o)
{
	int values[] = { o->hi, o->lo };
	size_t i;

	if (o->preset >= 0)
		EXPECT_EQ(o->preset, sock_int(fd, o->level, o->name)) TH_LOG("%s", o->text);
	for (i = 0; i < ARRAY_SIZE(values); i++) {
		EXPECT_EQ(0, sock_set(fd, o->level, o->name, values[i]))
			TH_LOG("%s = %d: %s", o->text, values[i], strerror(errno));
		EXPECT_EQ(values[i], sock_int(fd, o->level, o->name)) TH_LOG("%s", o->text);
	}
	if (o->lo || o->hi != 1)
		return;
	EXPECT_EQ(0, sock_set(fd, o->level, o->name, -4711)) TH_LOG("%s", o->text);
	EXPECT_EQ(1, sock_int(fd, o->level, o->name)) TH_LOG("%s", o->text);
	/* back, since some of them rule out others */
	EXPECT_EQ(0, sock_set(fd, o->level, o->name, 0)) TH_LOG("%s", o->text);
}

TEST_F(dopts, are_stored)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(stored); i++)
		if (!stored[i].v6 || variant->door->af == AF_INET6)
			check_stored(_metadata, self->fd, &stored[i]);
}

/* Too much or too little is EINVAL where there are limits, and a switch has none. */
TEST_F(dopts, have_limits)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(stored); i++) {
		const struct option *o = &stored[i];

		if ((o->v6 && variant->door->af == AF_INET) || o->hi == 1 ||
		    o->level == SOL_SOCKET || o->name == IP_TOS)
			continue;
		EXPECT_EQ(-1, sock_set(self->fd, o->level, o->name, o->hi + 1))
			TH_LOG("%s = %d", o->text, o->hi + 1);
		EXPECT_EQ(EINVAL, errno) TH_LOG("%s", o->text);
	}
}

TEST_F(dopts, are_refused)
{
	static char buf[256];
	socklen_t len;
	size_t i;

	if (over_udp())
		SKIP(return, "UDP has some of them");
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		EXPECT_EQ(-1, setsockopt(self->fd, refused[i].level, refused[i].name, buf, 128))
			TH_LOG("%s accepted", refused[i].text);
		EXPECT_EQ(ENOPROTOOPT, errno) TH_LOG("%s: %s", refused[i].text, strerror(errno));
		len = sizeof(buf);
		EXPECT_EQ(-1, getsockopt(self->fd, refused[i].level, refused[i].name, buf, &len))
			TH_LOG("%s readable", refused[i].text);
		EXPECT_EQ(ENOPROTOOPT, errno) TH_LOG("%s: %s", refused[i].text, strerror(errno));
	}
}

/* UDP_SEGMENT's and UDP_GRO's control message is no way around that. */
TEST_F(dopts, segment_by_control_message)
{
	int to = dgram_bound(variant->door, 0, 0);
	uint16_t size = 2;

	if (over_udp())
		SKIP(return, "UDP segments");
	EXPECT_ERR(EINVAL, dgram_to_with(self->fd, variant->door, sock_port(to), IPPROTO_UDP,
					 UDP_SEGMENT, &size, sizeof(size)));
	EXPECT_TRUE(dgram_empty(to));
	close(to);
}

TEST_F(dopts, buffers)
{
	EXPECT_LT(0, sock_int(self->fd, SOL_SOCKET, SO_RCVBUF));
	ASSERT_OK(sock_set(self->fd, SOL_SOCKET, SO_RCVBUF, 50000));
	EXPECT_EQ(100000, sock_int(self->fd, SOL_SOCKET, SO_RCVBUF));
	ASSERT_OK(sock_set(self->fd, SOL_SOCKET, SO_SNDBUF, 40000));
	EXPECT_EQ(80000, sock_int(self->fd, SOL_SOCKET, SO_SNDBUF));
	EXPECT_ERR(ENOPROTOOPT, sock_set(self->fd, SOL_SOCKET, SO_SNDLOWAT, 1));
}

/* IPv6 only: decided before there is a port. */
TEST_F(dopts, v6only_after_bind)
{
	int fd = dgram_bound(variant->door, 0, 0);

	if (variant->door->af == AF_INET)
		SKIP(return, "an IPv4 door");
	EXPECT_ERR(EINVAL, sock_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	close(fd);
}

/* SO_BINDTODEVICE keeps what it is told, and disconnecting takes it away as UDP's does. */
TEST_F(dopts, device_and_disconnect)
{
	char name[16] = "";
	socklen_t len = sizeof(name);
	union addr a;
	socklen_t alen = door_loop(variant->door, &a, 4711);

	ASSERT_OK(setsockopt(self->fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	ASSERT_OK(getsockopt(self->fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len));
	EXPECT_STREQ("lo", name);
	ASSERT_OK(connect(self->fd, &a.sa, alen));
	ASSERT_OK(dgram_unspec(self->fd));
	len = sizeof(name);
	ASSERT_OK(getsockopt(self->fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len));
	EXPECT_EQ(0, len);
	EXPECT_ERR(ENODEV, setsockopt(self->fd, SOL_SOCKET, SO_BINDTODEVICE, "none", 5));
}

TEST_HARNESS_MAIN
