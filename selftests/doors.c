// SPDX-License-Identifier: GPL-2.0-only
/*
 * Both doors make the same socket; what is on neither sign is refused.
 */
#include <kselftest_harness.h>

#include "common.h"

static const struct {
	int domain, type, protocol;
	int af;			/* of the socket, 0 if refused */
	int err;
} doors[] = {
	{ AF_NEWPROTO, SOCK_STREAM, 0, AF_INET },
	{ AF_NEWPROTO, SOCK_STREAM, IPPROTO_TCP, AF_INET },
	{ AF_NEWPROTO, SOCK_STREAM, IPPROTO_NEWPROTO, AF_INET },
	{ AF_NEWPROTO, SOCK_STREAM, NEWPROTO_PROTO_IPV6, AF_INET6 },
	{ AF_INET, SOCK_STREAM, IPPROTO_NEWPROTO, AF_INET },
	{ AF_INET6, SOCK_STREAM, IPPROTO_NEWPROTO, AF_INET6 },
	{ AF_NEWPROTO, SOCK_STREAM, IPPROTO_UDP, 0, EPROTONOSUPPORT },
	{ AF_NEWPROTO, SOCK_STREAM, IPPROTO_SCTP, 0, EPROTONOSUPPORT },
	{ AF_NEWPROTO, SOCK_STREAM, IPPROTO_MPTCP, 0, EPROTONOSUPPORT },
	{ AF_NEWPROTO, SOCK_STREAM, 257, 0, EPROTONOSUPPORT },
	{ AF_NEWPROTO, SOCK_STREAM, 260, 0, EPROTONOSUPPORT },
	{ AF_NEWPROTO, SOCK_STREAM, 0x7fffffff, 0, EPROTONOSUPPORT },
	{ AF_NEWPROTO, SOCK_STREAM, -1, 0, EPROTONOSUPPORT },
	{ AF_NEWPROTO, SOCK_DGRAM, 0, AF_INET },
	{ AF_NEWPROTO, SOCK_DGRAM, IPPROTO_UDP, AF_INET },
	{ AF_NEWPROTO, SOCK_DGRAM, NEWPROTO_PROTO_IPV6, AF_INET6 },
	{ AF_NEWPROTO, SOCK_DGRAM, IPPROTO_TCP, 0, EPROTONOSUPPORT },
	{ AF_NEWPROTO, SOCK_RAW, 0, 0, ESOCKTNOSUPPORT },
	{ AF_NEWPROTO, SOCK_RAW, IPPROTO_NEWPROTO, 0, ESOCKTNOSUPPORT },
	{ AF_NEWPROTO, SOCK_RDM, 0, 0, ESOCKTNOSUPPORT },
	{ AF_NEWPROTO, SOCK_SEQPACKET, 0, AF_INET },
	{ AF_NEWPROTO, SOCK_SEQPACKET, IPPROTO_NEWPROTO, AF_INET },
	{ AF_NEWPROTO, SOCK_SEQPACKET, NEWPROTO_PROTO_IPV6, AF_INET6 },
	{ AF_NEWPROTO, SOCK_SEQPACKET, IPPROTO_TCP, 0, EPROTONOSUPPORT },
	{ AF_NEWPROTO, SOCK_DCCP, 0, 0, ESOCKTNOSUPPORT },
	{ AF_NEWPROTO, SOCK_PACKET, 0, 0, ESOCKTNOSUPPORT },
	{ AF_NEWPROTO, 0, 0, 0, ESOCKTNOSUPPORT },
	{ AF_INET, SOCK_DGRAM, IPPROTO_NEWPROTO, AF_INET },
	{ AF_INET6, SOCK_DGRAM, IPPROTO_NEWPROTO, AF_INET6 },
};

TEST(doors_and_signs)
{
	size_t i;

	if (over_tcp())
		SKIP(return, "TCP has one door");
	for (i = 0; i < ARRAY_SIZE(doors); i++) {
		int domain = doors[i].domain == AF_NEWPROTO ? family_number() : doors[i].domain;
		int fd = socket(domain, doors[i].type, doors[i].protocol);

		if (doors[i].af) {
			EXPECT_LE(0, fd) TH_LOG("row %zu: %s", i, strerror(errno));
			EXPECT_EQ(doors[i].af, sock_int(fd, SOL_SOCKET, SO_DOMAIN));
			EXPECT_EQ(IPPROTO_NEWPROTO, sock_int(fd, SOL_SOCKET, SO_PROTOCOL));
			close(fd);
		} else {
			EXPECT_EQ(-1, fd) TH_LOG("row %zu", i);
			EXPECT_EQ(doors[i].err, errno)
				TH_LOG("row %zu: %s", i, strerror(errno));
		}
	}
}

/* Whoever came in by one door meets whoever came in by the other. */
TEST(all_doors_meet)
{
	static const struct door *const all[] = {
		&door_family4, &door_inet4, &door_mapped, &door_family6, &door_inet6,
	};
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		int lsn = door_listener(all[i], 8);

		ASSERT_OK(lsn);
		for (k = 0; k < ARRAY_SIZE(all); k++) {
			bool v4 = all[i]->af == AF_INET || all[i]->mapped;
			bool meets = v4 == (all[k]->af == AF_INET || all[k]->mapped);
			int child, fd = door_dial(all[k], 0, sock_port(lsn));
			char c;

			EXPECT_EQ(meets, fd >= 0)
				TH_LOG("from %s to %s", all[k]->name, all[i]->name);
			if (fd < 0)
				continue;
			child = accept(lsn, NULL, NULL);
			ASSERT_OK(child);
			EXPECT_EQ(all[i]->af, sock_int(child, SOL_SOCKET, SO_DOMAIN));
			EXPECT_EQ(sock_int(fd, SOL_SOCKET, SO_PROTOCOL),
				  sock_int(child, SOL_SOCKET, SO_PROTOCOL));
			EXPECT_EQ(1, send(fd, "x", 1, 0));
			EXPECT_EQ(1, recv(child, &c, 1, 0));
			close(fd);
			close(child);
		}
		close(lsn);
	}
}

/* The type's flags, at both doors. */
TEST(flags)
{
	static const struct door *const all[] = { &door_family4, &door_inet6 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		int fd = door_socket(all[i], SOCK_NONBLOCK | SOCK_CLOEXEC);

		ASSERT_OK(fd);
		EXPECT_EQ(O_NONBLOCK, fcntl(fd, F_GETFL) & O_NONBLOCK);
		EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
		close(fd);
		fd = door_socket(all[i], 0);
		EXPECT_EQ(0, fcntl(fd, F_GETFL) & O_NONBLOCK);
		EXPECT_EQ(0, fcntl(fd, F_GETFD));
		close(fd);
	}
}

/* No privilege is asked for. */
TEST(unprivileged)
{
	int sv[2];

	SKIP_OVER_NIC("to leave a device for another takes a privilege");
	ASSERT_OK(drop_caps());
	EXPECT_OK(door_connected(&door_family4, sv));
	EXPECT_OK(door_connected(&door_inet6, sv));
}

static int count_sockets(void)
{
	char text[256];
	int used = -1;

	if (file_read("/proc/net/sockstat", text, sizeof(text)) > 0)
		sscanf(text, "sockets: used %d", &used);
	return used;
}

/* Refused sockets leave nothing behind. */
TEST(refusal_leaks_nothing)
{
	int i, before;

	if (over_tcp())
		SKIP(return, "TCP has one door");
	ASSERT_OK(netns_new());
	before = count_sockets();
	ASSERT_LE(0, before);
	for (i = 0; i < 100; i++) {
		socket(family_number(), SOCK_STREAM, 9999);
		socket(family_number(), SOCK_DGRAM, 9999);
		socket(family_number(), SOCK_RAW, 0);
	}
	EXPECT_EQ(before, count_sockets());
}

TEST_HARNESS_MAIN
