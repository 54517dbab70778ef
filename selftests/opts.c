// SPDX-License-Identifier: GPL-2.0-only
/*
 * Socket options by number: what works, what is stored and read back, and what
 * is refused. No option may be accepted in silence that a program relies on.
 */
#include <kselftest_harness.h>

#include <limits.h>

#include <linux/errqueue.h>

#include "common.h"

#ifndef TCP_ULP
#define TCP_ULP			31
#endif
#ifndef SOL_TLS
#define SOL_TLS			282
#endif
#ifndef SO_TXTIME
#define SO_TXTIME		61
#endif
#define IP_MINTTL_NR		21
#define IPV6_MINHOPCOUNT_NR	73
#define OPT_BOOL		1	/* any value, read back as 0 or 1 */
#define OPT_MINUS1		2	/* -1 is the default again */
#define OPT_NOT_AS_TCP		4	/* TCP reads back another number */
#define OPT_V6			8	/* IPv6 sockets only */

struct option {
	const char *text;
	int level, name;
	int flags;
	int lo, hi;		/* what is accepted */
	int preset;		/* before anybody has set it; -1: not checked */
};

#define TCP_OPT(name, flags, lo, hi, preset)	\
	{ #name, IPPROTO_TCP, name, flags, lo, hi, preset }
#define IP_OPT(name, flags, lo, hi, preset)	\
	{ #name, IPPROTO_IP, name, flags, lo, hi, preset }
#define IPV6_OPT(name, flags, lo, hi, preset)	\
	{ #name, IPPROTO_IPV6, name, (flags) | OPT_V6, lo, hi, preset }

/* Accepted and read back; what they hint at does not exist here. */
static const struct option stored[] = {
	TCP_OPT(TCP_NODELAY, OPT_BOOL, 0, 1, 0),
	TCP_OPT(TCP_MAXSEG, OPT_NOT_AS_TCP, 88, 32767, 536),
	TCP_OPT(TCP_CORK, OPT_BOOL, 0, 1, 0),
	TCP_OPT(TCP_KEEPIDLE, 0, 1, 32767, 7200),
	TCP_OPT(TCP_KEEPINTVL, 0, 1, 32767, 75),
	TCP_OPT(TCP_KEEPCNT, 0, 1, 127, 9),
	TCP_OPT(TCP_SYNCNT, 0, 1, 127, 6),
	TCP_OPT(TCP_LINGER2, OPT_NOT_AS_TCP, 0, 120, 60),
	TCP_OPT(TCP_DEFER_ACCEPT, OPT_NOT_AS_TCP, 0, 100, 0),
	TCP_OPT(TCP_WINDOW_CLAMP, OPT_NOT_AS_TCP, 0, 100000, 0),
	TCP_OPT(TCP_QUICKACK, OPT_BOOL | OPT_NOT_AS_TCP, 0, 1, 1),
	TCP_OPT(TCP_USER_TIMEOUT, 0, 0, 100000, 0),
	TCP_OPT(TCP_NOTSENT_LOWAT, 0, 0, 100000, -1),
	IP_OPT(IP_TTL, OPT_MINUS1, 1, 255, 64),
	IP_OPT(IP_MTU_DISCOVER, 0, 0, 5, 1),
	IP_OPT(IP_RECVERR, OPT_BOOL, 0, 1, 0),
	IP_OPT(IP_PKTINFO, OPT_BOOL, 0, 1, 0),
	IP_OPT(IP_RECVTTL, OPT_BOOL, 0, 1, 0),
	IP_OPT(IP_RECVTOS, OPT_BOOL, 0, 1, 0),
	IPV6_OPT(IPV6_UNICAST_HOPS, OPT_MINUS1, 0, 255, 64),
	IPV6_OPT(IPV6_MTU_DISCOVER, 0, 0, 5, 1),
	IPV6_OPT(IPV6_RECVERR, OPT_BOOL, 0, 1, 0),
	IPV6_OPT(IPV6_RECVPKTINFO, OPT_BOOL, 0, 1, 0),
	IPV6_OPT(IPV6_RECVHOPLIMIT, OPT_BOOL, 0, 1, 0),
	IPV6_OPT(IPV6_RECVTCLASS, OPT_BOOL, 0, 1, 0),
	IPV6_OPT(IPV6_DONTFRAG, OPT_BOOL, 0, 1, 0),
	/* and these do what they say */
	IP_OPT(IP_FREEBIND, OPT_BOOL, 0, 1, 0),
	IP_OPT(IP_TRANSPARENT, OPT_BOOL, 0, 1, 0),
	IP_OPT(IP_BIND_ADDRESS_NO_PORT, OPT_BOOL, 0, 1, 0),
	IPV6_OPT(IPV6_V6ONLY, OPT_BOOL, 0, 1, 0),
	/* one flag with IPv4's, which the rows above have set */
	IPV6_OPT(IPV6_FREEBIND, OPT_BOOL, 0, 1, -1),
	IPV6_OPT(IPV6_TRANSPARENT, OPT_BOOL, 0, 1, -1),
};

/* Whatever promises protection, takes control of TCP's insides, or is unknown here. */
static const struct {
	const char *text;
	int level, name;
} refused[] = {
	{ "TCP_ULP", IPPROTO_TCP, TCP_ULP },
	{ "TCP_MD5SIG", IPPROTO_TCP, TCP_MD5SIG },
	{ "TCP_MD5SIG_EXT", IPPROTO_TCP, TCP_MD5SIG_EXT },
	{ "TCP_AO_ADD_KEY", IPPROTO_TCP, 38 },
	{ "TCP_AO_INFO", IPPROTO_TCP, 40 },
	{ "TCP_REPAIR", IPPROTO_TCP, TCP_REPAIR },
	{ "TCP_REPAIR_QUEUE", IPPROTO_TCP, TCP_REPAIR_QUEUE },
	{ "TCP_QUEUE_SEQ", IPPROTO_TCP, TCP_QUEUE_SEQ },
	{ "TCP_REPAIR_OPTIONS", IPPROTO_TCP, TCP_REPAIR_OPTIONS },
	{ "TCP_REPAIR_WINDOW", IPPROTO_TCP, TCP_REPAIR_WINDOW },
	{ "TCP_ZEROCOPY_RECEIVE", IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE },
	{ "TLS_TX", SOL_TLS, 1 },
	{ "TLS_RX", SOL_TLS, 2 },
	{ "IP_MINTTL", IPPROTO_IP, IP_MINTTL_NR },
	{ "IPV6_MINHOPCOUNT", IPPROTO_IPV6, IPV6_MINHOPCOUNT_NR },
	{ "IP_OPTIONS", IPPROTO_IP, IP_OPTIONS },
	{ "IP_HDRINCL", IPPROTO_IP, IP_HDRINCL },
	{ "IP_IPSEC_POLICY", IPPROTO_IP, IP_IPSEC_POLICY },
	{ "IP_XFRM_POLICY", IPPROTO_IP, IP_XFRM_POLICY },
	{ "IPV6_IPSEC_POLICY", IPPROTO_IPV6, IPV6_IPSEC_POLICY },
	{ "IPV6_XFRM_POLICY", IPPROTO_IPV6, IPV6_XFRM_POLICY },
	{ "IP_ADD_MEMBERSHIP", IPPROTO_IP, IP_ADD_MEMBERSHIP },
	{ "IP_DROP_MEMBERSHIP", IPPROTO_IP, IP_DROP_MEMBERSHIP },
	{ "IP_MULTICAST_IF", IPPROTO_IP, IP_MULTICAST_IF },
	{ "IP_MULTICAST_TTL", IPPROTO_IP, IP_MULTICAST_TTL },
	{ "IP_MULTICAST_LOOP", IPPROTO_IP, IP_MULTICAST_LOOP },
	{ "MCAST_JOIN_GROUP", IPPROTO_IP, MCAST_JOIN_GROUP },
	{ "IPV6_ADD_MEMBERSHIP", IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP },
	{ "IPV6_MULTICAST_IF", IPPROTO_IPV6, IPV6_MULTICAST_IF },
	{ "IPV6_MULTICAST_HOPS", IPPROTO_IPV6, IPV6_MULTICAST_HOPS },
	{ "IPV6_ADDRFORM", IPPROTO_IPV6, IPV6_ADDRFORM },
	{ "IPV6_HOPOPTS", IPPROTO_IPV6, IPV6_HOPOPTS },
	{ "IPV6_RTHDR", IPPROTO_IPV6, IPV6_RTHDR },
	{ "SO_ORIGINAL_DST", IPPROTO_IP, 80 },
	{ "IPT_SO_GET_INFO", IPPROTO_IP, 64 },
	{ "IPPROTO_RAW", IPPROTO_RAW, 1 },
	{ "IPPROTO_ICMPV6", IPPROTO_ICMPV6, 1 },
	{ "IPPROTO_UDP", IPPROTO_UDP, 100 },
	{ "IPPROTO_SCTP", IPPROTO_SCTP, 1 },
	{ "SOL_NEWPROTO", SOL_NEWPROTO, 1 },
	{ "level 4711", 4711, 1 },
	{ "level -1", -1, 1 },
};

FIXTURE(opts) {
	int fd;
};

DOOR_FIXTURE_ALL(opts);

FIXTURE_SETUP(opts)
{
	self->fd = door_socket(variant->door, 0);
	ASSERT_OK(self->fd);
}

FIXTURE_TEARDOWN(opts)
{
	close(self->fd);
}

static bool applies(const struct door *d, const struct option *o)
{
	return !(o->flags & OPT_V6) || d->af == AF_INET6;
}

static void check_stored(struct __test_metadata *_metadata, int fd, const struct option *o)
{
	bool exact = !(over_tcp() && o->flags & OPT_NOT_AS_TCP);
	int values[] = { o->hi, o->lo, (o->lo + o->hi + 1) / 2 };
	size_t i;

	if (o->preset >= 0 && !over_tcp())
		EXPECT_EQ(o->preset, sock_int(fd, o->level, o->name)) TH_LOG("%s", o->text);
	for (i = 0; i < ARRAY_SIZE(values); i++) {
		EXPECT_EQ(0, sock_set(fd, o->level, o->name, values[i]))
			TH_LOG("%s = %d: %s", o->text, values[i], strerror(errno));
		EXPECT_EQ(exact ? values[i] : sock_int(fd, o->level, o->name),
			  sock_int(fd, o->level, o->name)) TH_LOG("%s", o->text);
	}
	if (o->flags & OPT_BOOL) {
		EXPECT_EQ(0, sock_set(fd, o->level, o->name, -4711)) TH_LOG("%s", o->text);
		EXPECT_EQ(1, exact ? sock_int(fd, o->level, o->name) : 1) TH_LOG("%s", o->text);
	}
	if (o->flags & OPT_MINUS1) {
		EXPECT_EQ(0, sock_set(fd, o->level, o->name, -1)) TH_LOG("%s", o->text);
		EXPECT_EQ(o->preset, sock_int(fd, o->level, o->name)) TH_LOG("%s", o->text);
	}
}

TEST_F(opts, are_stored)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(stored); i++)
		if (applies(variant->door, &stored[i]))
			check_stored(_metadata, self->fd, &stored[i]);
}

/* On a connected socket just as on a new one. */
TEST_F(opts, are_stored_when_connected)
{
	size_t i;
	int sv[2];

	ASSERT_OK(door_connected(variant->door, sv));
	for (i = 0; i < ARRAY_SIZE(stored); i++) {
		const struct option *o = &stored[i];

		if (!applies(variant->door, o) || o->name == IPV6_V6ONLY || over_tcp())
			continue;
		EXPECT_EQ(0, sock_set(sv[1], o->level, o->name, o->lo)) TH_LOG("%s", o->text);
		EXPECT_EQ(o->lo, sock_int(sv[1], o->level, o->name)) TH_LOG("%s", o->text);
	}
	EXPECT_EQ(1, send(sv[0], "x", 1, 0));
	close(sv[0]);
	close(sv[1]);
}

TEST_F(opts, have_limits)
{
	size_t i;

	if (over_tcp())
		SKIP(return, "TCP clamps some of these values");
	for (i = 0; i < ARRAY_SIZE(stored); i++) {
		const struct option *o = &stored[i];
		bool free_form = o->name == TCP_LINGER2 || o->name == TCP_DEFER_ACCEPT ||
				 o->name == TCP_WINDOW_CLAMP || o->name == TCP_NOTSENT_LOWAT;

		if (!applies(variant->door, o) || o->flags & OPT_BOOL ||
		    (o->level == IPPROTO_TCP && free_form))
			continue;
		if (o->name == TCP_USER_TIMEOUT && o->level == IPPROTO_TCP) {
			EXPECT_ERR(EINVAL, sock_set(self->fd, o->level, o->name, -1));
			continue;
		}
		EXPECT_EQ(-1, sock_set(self->fd, o->level, o->name, o->hi + 1))
			TH_LOG("%s = %d", o->text, o->hi + 1);
		EXPECT_EQ(EINVAL, errno) TH_LOG("%s", o->text);
		EXPECT_EQ(-1, sock_set(self->fd, o->level, o->name, INT_MIN))
			TH_LOG("%s", o->text);
		EXPECT_EQ(EINVAL, errno) TH_LOG("%s", o->text);
	}
}

TEST_F(opts, have_lengths)
{
	char buf[64] = { };
	socklen_t len;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(stored); i++) {
		const struct option *o = &stored[i];

		if (!applies(variant->door, o) || over_tcp())
			continue;
		*(int *)buf = o->hi;
		EXPECT_EQ(0, setsockopt(self->fd, o->level, o->name, buf, sizeof(buf)))
			TH_LOG("%s: a longer value", o->text);
		if (o->level != IPPROTO_IP) {
			EXPECT_EQ(-1, setsockopt(self->fd, o->level, o->name, buf, 3))
				TH_LOG("%s: a shorter value", o->text);
			EXPECT_EQ(EINVAL, errno) TH_LOG("%s", o->text);
		}
		EXPECT_ERR(EFAULT, setsockopt(self->fd, o->level, o->name, BAD_PTR, 4));
		EXPECT_ERR(EINVAL, setsockopt(self->fd, o->level, o->name, buf, -1));
		len = sizeof(buf);
		EXPECT_EQ(0, getsockopt(self->fd, o->level, o->name, buf, &len));
		EXPECT_EQ(4, len) TH_LOG("%s: length %u", o->text, len);
		len = -1;
		EXPECT_ERR(EINVAL, getsockopt(self->fd, o->level, o->name, buf, &len));
		len = 4;
		EXPECT_ERR(EFAULT, getsockopt(self->fd, o->level, o->name, BAD_PTR, &len));
		EXPECT_ERR(EFAULT, getsockopt(self->fd, o->level, o->name, buf, BAD_PTR));
	}
}

/* A short buffer gets what fits, and not a byte more. */
TEST_F(opts, do_not_write_past_the_buffer)
{
	socklen_t len;
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(stored); i++) {
		const struct option *o = &stored[i];

		if (!applies(variant->door, o))
			continue;
		for (len = 0; len < 4; len++) {
			unsigned char buf[8];
			socklen_t room = len;

			memset(buf, 0xa5, sizeof(buf));
			getsockopt(self->fd, o->level, o->name, buf, &room);
			for (k = len; k < sizeof(buf); k++)
				EXPECT_EQ(0xa5, buf[k]) TH_LOG("%s: byte %zu", o->text, k);
		}
	}
}

TEST_F(opts, are_refused)
{
	char buf[256] = { };
	socklen_t len;
	size_t i;

	if (over_tcp())
		SKIP(return, "TCP has some of them");
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		EXPECT_EQ(-1, setsockopt(self->fd, refused[i].level, refused[i].name, buf, 128))
			TH_LOG("%s accepted", refused[i].text);
		EXPECT_EQ(ENOPROTOOPT, errno)
			TH_LOG("%s: %s", refused[i].text, strerror(errno));
		len = sizeof(buf);
		EXPECT_EQ(-1, getsockopt(self->fd, refused[i].level, refused[i].name, buf, &len))
			TH_LOG("%s readable", refused[i].text);
		EXPECT_EQ(ENOPROTOOPT, errno)
			TH_LOG("%s: %s", refused[i].text, strerror(errno));
	}
}

TEST_F(opts, ulp_tls_is_refused_when_connected)
{
	int sv[2];

	if (over_tcp())
		SKIP(return, "TCP has TLS");
	ASSERT_OK(door_connected(variant->door, sv));
	EXPECT_ERR(ENOPROTOOPT, setsockopt(sv[0], IPPROTO_TCP, TCP_ULP, "tls", 4));
	close(sv[0]);
	close(sv[1]);
}

/* By number: each name of each level is known or says ENOPROTOOPT, in both calls. */
TEST_F(opts, get_and_set_know_the_same)
{
	static const int levels[] = { IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6 };
	size_t l;
	int name;

	if (over_tcp())
		SKIP(return, "TCP has options of either kind");
	for (l = 0; l < ARRAY_SIZE(levels); l++) {
		for (name = -1; name < 256; name++) {
			char buf[64] = { };
			socklen_t len = sizeof(buf);
			bool get, set;

			if (levels[l] == IPPROTO_TCP && name == TCP_INFO)
				continue;
			get = !getsockopt(self->fd, levels[l], name, buf, &len) ||
			      errno != ENOPROTOOPT;
			set = !setsockopt(self->fd, levels[l], name, buf, 4) ||
			      errno != ENOPROTOOPT;
			EXPECT_EQ(get, set) TH_LOG("level %d option %d", levels[l], name);
		}
	}
}

/* Any value of any length: no call does worse than to fail, and the socket works on. */
TEST_F(opts, survive_everything)
{
	static const int levels[] = {
		SOL_SOCKET, IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6, SOL_NEWPROTO,
	};
	static const int lengths[] = { 0, 1, 3, 4, 5, 8, 16, 4096 };
	static const int values[] = { INT_MIN, -1, 0, 1, 255, 65536, INT_MAX };
	static char buf[4096];
	size_t l, n, v;
	int name, fd;

	/* in a child of the harness: limits, devices and marks of the socket may change */
	for (l = 0; l < ARRAY_SIZE(levels); l++) {
		for (name = 0; name < 128; name++) {
			for (n = 0; n < ARRAY_SIZE(lengths); n++) {
				for (v = 0; v < (n == 3 ? ARRAY_SIZE(values) : 1); v++) {
					socklen_t len = lengths[n];
					int got;

					memcpy(buf, &values[v], 4);
					setsockopt(self->fd, levels[l], name, buf, lengths[n]);
					got = getsockopt(self->fd, levels[l], name, buf, &len);
					EXPECT_LE(len, 4096);
					EXPECT_TRUE(!got || errno);
				}
			}
		}
	}
	close(self->fd);
	fd = door_socket(variant->door, 0);
	EXPECT_OK(fd);
	self->fd = fd;
}

TEST_F(opts, ip_tos)
{
	unsigned char byte = 0x10;
	socklen_t len = 1;

	EXPECT_EQ(0, sock_int(self->fd, IPPROTO_IP, IP_TOS));
	ASSERT_OK(sock_set(self->fd, IPPROTO_IP, IP_TOS, 0x48));
	EXPECT_EQ(0x48, sock_int(self->fd, IPPROTO_IP, IP_TOS));
	ASSERT_OK(setsockopt(self->fd, IPPROTO_IP, IP_TOS, &byte, 1));
	EXPECT_EQ(0x10, sock_int(self->fd, IPPROTO_IP, IP_TOS));
	byte = 0;
	ASSERT_OK(getsockopt(self->fd, IPPROTO_IP, IP_TOS, &byte, &len));
	EXPECT_EQ(0x10, byte);
	/* the two bits of ECN are the transport's */
	ASSERT_OK(sock_set(self->fd, IPPROTO_IP, IP_TOS, 0x4b));
	EXPECT_EQ(0x48, sock_int(self->fd, IPPROTO_IP, IP_TOS));
}

TEST_F(opts, ipv6_tclass)
{
	if (variant->door->af != AF_INET6)
		SKIP(return, "IPv6 only");
	EXPECT_EQ(0, sock_int(self->fd, IPPROTO_IPV6, IPV6_TCLASS));
	ASSERT_OK(sock_set(self->fd, IPPROTO_IPV6, IPV6_TCLASS, 0x48));
	EXPECT_EQ(0x48, sock_int(self->fd, IPPROTO_IPV6, IPV6_TCLASS));
	ASSERT_OK(sock_set(self->fd, IPPROTO_IPV6, IPV6_TCLASS, 0xff));
	EXPECT_EQ(0xfc, sock_int(self->fd, IPPROTO_IPV6, IPV6_TCLASS));
	ASSERT_OK(sock_set(self->fd, IPPROTO_IPV6, IPV6_TCLASS, -1));
	EXPECT_EQ(0, sock_int(self->fd, IPPROTO_IPV6, IPV6_TCLASS));
	EXPECT_ERR(EINVAL, sock_set(self->fd, IPPROTO_IPV6, IPV6_TCLASS, 256));
	EXPECT_ERR(EINVAL, sock_set(self->fd, IPPROTO_IPV6, IPV6_TCLASS, -2));
}

TEST_F(opts, congestion)
{
	char name[16] = "";
	socklen_t len = sizeof(name);

	ASSERT_OK(getsockopt(self->fd, IPPROTO_TCP, TCP_CONGESTION, name, &len));
	EXPECT_NE(0, name[0]);
	EXPECT_EQ(16, len);
	ASSERT_OK(setsockopt(self->fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	ASSERT_OK(getsockopt(self->fd, IPPROTO_TCP, TCP_CONGESTION, name, &len));
	EXPECT_STREQ("reno", name);
	EXPECT_ERR(EINVAL, setsockopt(self->fd, IPPROTO_TCP, TCP_CONGESTION, "", 0));
	EXPECT_ERR(EFAULT, setsockopt(self->fd, IPPROTO_TCP, TCP_CONGESTION, BAD_PTR, 4));
}

TEST_F(opts, tcp_info)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	unsigned char guard[9];
	int sv[2];

	memset(&info, 0xa5, sizeof(info));
	ASSERT_OK(getsockopt(self->fd, IPPROTO_TCP, TCP_INFO, &info, &len));
	EXPECT_EQ(TCP_CLOSE, info.tcpi_state);
	EXPECT_ERR(ENOPROTOOPT, setsockopt(self->fd, IPPROTO_TCP, TCP_INFO, &info, len));
	ASSERT_OK(listen(self->fd, 1));
	len = sizeof(info);
	ASSERT_OK(getsockopt(self->fd, IPPROTO_TCP, TCP_INFO, &info, &len));
	EXPECT_EQ(TCP_LISTEN, info.tcpi_state);

	ASSERT_OK(door_connected(variant->door, sv));
	len = sizeof(info);
	ASSERT_OK(getsockopt(sv[0], IPPROTO_TCP, TCP_INFO, &info, &len));
	EXPECT_EQ(TCP_ESTABLISHED, info.tcpi_state);
	len = 8;
	memset(guard, 0xa5, sizeof(guard));
	ASSERT_OK(getsockopt(sv[0], IPPROTO_TCP, TCP_INFO, guard, &len));
	EXPECT_EQ(8, len);
	EXPECT_EQ(TCP_ESTABLISHED, guard[0]);
	EXPECT_EQ(0xa5, guard[8]);
	close(sv[0]);
	close(sv[1]);
}

TEST_F(opts, what_am_i)
{
	EXPECT_EQ(SOCK_STREAM, sock_int(self->fd, SOL_SOCKET, SO_TYPE));
	EXPECT_EQ(variant->door->af, sock_int(self->fd, SOL_SOCKET, SO_DOMAIN));
	EXPECT_EQ(over_tcp() ? IPPROTO_TCP : IPPROTO_NEWPROTO,
		  sock_int(self->fd, SOL_SOCKET, SO_PROTOCOL));
	EXPECT_EQ(0, sock_int(self->fd, SOL_SOCKET, SO_ACCEPTCONN));
	EXPECT_EQ(0, sock_int(self->fd, SOL_SOCKET, SO_ERROR));
	EXPECT_ERR(ENOPROTOOPT, sock_set(self->fd, SOL_SOCKET, SO_TYPE, 1));
	EXPECT_ERR(ENOPROTOOPT, sock_set(self->fd, SOL_SOCKET, SO_DOMAIN, 1));
	EXPECT_ERR(ENOPROTOOPT, sock_set(self->fd, SOL_SOCKET, SO_PROTOCOL, 1));
	EXPECT_ERR(ENOPROTOOPT, sock_set(self->fd, SOL_SOCKET, SO_ACCEPTCONN, 1));
}

/* SOL_SOCKET is the kernel's own; these are what programs of TCP use. */
TEST_F(opts, socket_level)
{
	static const struct {
		int name, value, read;
	} set[] = {
		{ SO_REUSEADDR, 1, 1 }, { SO_REUSEPORT, 1, 1 }, { SO_KEEPALIVE, 1, 1 },
		{ SO_DONTROUTE, 1, 1 }, { SO_OOBINLINE, 1, 1 }, { SO_RCVLOWAT, 9, 9 },
		{ SO_PRIORITY, 5, 5 }, { SO_MARK, 77, 77 }, { SO_TIMESTAMP, 1, 1 },
		{ SO_INCOMING_CPU, 0, 0 }, { SO_SNDBUFFORCE, 9000, 18000 },
		{ SO_RCVBUFFORCE, 9000, 18000 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(set); i++) {
		int name = set[i].name;

		EXPECT_EQ(0, sock_set(self->fd, SOL_SOCKET, name, set[i].value))
			TH_LOG("option %d: %s", name, strerror(errno));
		if (name == SO_SNDBUFFORCE)
			name = SO_SNDBUF;
		if (name == SO_RCVBUFFORCE)
			name = SO_RCVBUF;
		EXPECT_EQ(set[i].read, sock_int(self->fd, SOL_SOCKET, name))
			TH_LOG("option %d", name);
	}
	/* nothing to set a default for */
	EXPECT_EQ(1, sock_int(self->fd, SOL_SOCKET, SO_SNDLOWAT));
	EXPECT_ERR(ENOPROTOOPT, sock_set(self->fd, SOL_SOCKET, SO_SNDLOWAT, 2));
}

/* The defaults and limits of the buffers are the host's for all sockets or TCP's. */
TEST_F(opts, buffer_sizes)
{
	int snd = sock_int(self->fd, SOL_SOCKET, SO_SNDBUF);
	int rcv = sock_int(self->fd, SOL_SOCKET, SO_RCVBUF);

	EXPECT_LT(0, snd);
	EXPECT_LT(0, rcv);
	ASSERT_OK(sock_set(self->fd, SOL_SOCKET, SO_SNDBUF, 10000));
	EXPECT_EQ(20000, sock_int(self->fd, SOL_SOCKET, SO_SNDBUF));
	ASSERT_OK(sock_set(self->fd, SOL_SOCKET, SO_RCVBUF, 10000));
	EXPECT_EQ(20000, sock_int(self->fd, SOL_SOCKET, SO_RCVBUF));
	/* never nothing, never without bounds */
	ASSERT_OK(sock_set(self->fd, SOL_SOCKET, SO_SNDBUF, 0));
	EXPECT_LT(0, sock_int(self->fd, SOL_SOCKET, SO_SNDBUF));
	ASSERT_OK(sock_set(self->fd, SOL_SOCKET, SO_RCVBUF, INT_MAX));
	EXPECT_LT(0, sock_int(self->fd, SOL_SOCKET, SO_RCVBUF));
	EXPECT_GT(INT_MAX / 2, sock_int(self->fd, SOL_SOCKET, SO_RCVBUF));
}

TEST_F(opts, linger)
{
	struct linger in = { .l_onoff = 1, .l_linger = 17 }, out = { };
	socklen_t len = sizeof(out);

	ASSERT_OK(getsockopt(self->fd, SOL_SOCKET, SO_LINGER, &out, &len));
	EXPECT_EQ(0, out.l_onoff);
	ASSERT_OK(setsockopt(self->fd, SOL_SOCKET, SO_LINGER, &in, sizeof(in)));
	ASSERT_OK(getsockopt(self->fd, SOL_SOCKET, SO_LINGER, &out, &len));
	EXPECT_EQ(1, out.l_onoff);
	EXPECT_EQ(17, out.l_linger);
	EXPECT_ERR(EINVAL, setsockopt(self->fd, SOL_SOCKET, SO_LINGER, &in, 4));
}

/* Not without the capability. */
TEST_F(opts, capabilities)
{
	ASSERT_OK(drop_caps());
	EXPECT_ERR(EPERM, sock_set(self->fd, SOL_SOCKET, SO_MARK, 1));
	EXPECT_ERR(EPERM, sock_set(self->fd, SOL_SOCKET, SO_RCVBUFFORCE, 10000));
	EXPECT_ERR(EPERM, sock_set(self->fd, SOL_SOCKET, SO_PRIORITY, 7));
	EXPECT_ERR(EPERM, sock_set(self->fd, IPPROTO_IP, IP_TRANSPARENT, 1));
	EXPECT_EQ(0, sock_set(self->fd, IPPROTO_IP, IP_TRANSPARENT, 0));
	EXPECT_OK(sock_set(self->fd, IPPROTO_IP, IP_FREEBIND, 1));
	if (variant->door->af == AF_INET6) {
		EXPECT_ERR(EPERM, sock_set(self->fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1));
		EXPECT_OK(sock_set(self->fd, IPPROTO_IPV6, IPV6_FREEBIND, 1));
	}
}

/* SO_ZEROCOPY is not offered, so that nobody waits for its notifications. */
TEST_F(opts, zerocopy_is_refused)
{
	if (over_tcp())
		SKIP(return, "TCP has zerocopy");
	EXPECT_EQ(-1, sock_set(self->fd, SOL_SOCKET, SO_ZEROCOPY, 1));
}

TEST_HARNESS_MAIN
