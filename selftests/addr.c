// SPDX-License-Identifier: GPL-2.0-only
/*
 * Addresses and ports of connections: which listener hears, which source
 * address and port a client gets, what is local, and namespaces.
 */
#include <kselftest_harness.h>

#include <net/if.h>
#include <sched.h>

#include "common.h"

/* Over a NIC an address of its takes the place of the usual one. */
#define HERE		(over_nic() ? "10.90.0.1" : "127.0.0.1")

/* A listener at the address, in the address' own family. */
static int listen_at(const char *text, int port)
{
	bool v6 = strchr(text, ':');
	const struct door *d = v6 ? &door_inet6 : &door_inet4;
	union addr a;
	socklen_t len = door_addr(d, &a, text, text, port);
	int fd = door_socket(d, 0);

	if (bind(fd, &a.sa, len) || listen(fd, 8)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A client of the address; -1 and errno. */
static int dial_to(const char *text, int port)
{
	bool v6 = strchr(text, ':');
	const struct door *d = v6 ? &door_inet6 : &door_inet4;
	union addr a;
	socklen_t len = door_addr(d, &a, text, text, port);
	int err, fd = door_socket(d, 0);

	if (fd >= 0 && connect(fd, &a.sa, len)) {
		err = errno;
		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

/* Text of an end's address. */
static const char *name_of(int fd, bool peer)
{
	static char text[2][INET6_ADDRSTRLEN];
	static int turn;
	union addr a = { };
	socklen_t len = sizeof(a);

	turn = !turn;
	if (peer ? getpeername(fd, &a.sa, &len) : getsockname(fd, &a.sa, &len))
		return "?";
	if (a.sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &a.in.sin_addr, text[turn], INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, &a.in6.sin6_addr, text[turn], INET6_ADDRSTRLEN);
	return text[turn];
}

static const struct {
	const char *listen, *dial;
	const char *client;	/* its own name; NULL if refused */
	const char *server;	/* the name the accepted socket gives itself */
	const char *peer;	/* the client's name as the server sees it */
} meetings[] = {
	{ "127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1" },
	{ "0.0.0.0", "127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1" },
	{ "0.0.0.0", "127.0.0.5", "127.0.0.1", "127.0.0.5", "127.0.0.1" },
	{ "0.0.0.0", "127.255.0.5", "127.0.0.1", "127.255.0.5", "127.0.0.1" },
	{ "0.0.0.0", "0.0.0.0", "127.0.0.1", "127.0.0.1", "127.0.0.1" },
	{ "127.0.0.1", "0.0.0.0", "127.0.0.1", "127.0.0.1", "127.0.0.1" },
	{ "127.0.0.1", "127.0.0.2", NULL, NULL, NULL },
	{ "127.0.0.2", "127.0.0.2", "127.0.0.1", "127.0.0.2", "127.0.0.1" },
	{ "::1", "::1", "::1", "::1", "::1" },
	{ "::", "::1", "::1", "::1", "::1" },
	{ "::", "::", "::1", "::1", "::1" },
	{ "::1", "::", "::1", "::1", "::1" },
	{ "::1", "127.0.0.1", NULL, NULL, NULL },
	{ "127.0.0.1", "::1", NULL, NULL, NULL },
	{ "0.0.0.0", "::1", NULL, NULL, NULL },
	/* dual-stack: one IPv6 listener hears both */
	{ "::", "127.0.0.1", "127.0.0.1", "::ffff:127.0.0.1", "::ffff:127.0.0.1" },
	{ "::", "0.0.0.0", "127.0.0.1", "::ffff:127.0.0.1", "::ffff:127.0.0.1" },
	{ "::", "::ffff:127.0.0.1", "::ffff:127.0.0.1", "::ffff:127.0.0.1",
	  "::ffff:127.0.0.1" },
	{ "::ffff:127.0.0.1", "127.0.0.1", "127.0.0.1", "::ffff:127.0.0.1",
	  "::ffff:127.0.0.1" },
	{ "127.0.0.1", "::ffff:127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1", "127.0.0.1" },
	{ "0.0.0.0", "::ffff:127.0.0.5", "::ffff:127.0.0.1", "127.0.0.5", "127.0.0.1" },
	{ "::ffff:0.0.0.0", "127.0.0.1", "127.0.0.1", "::ffff:127.0.0.1",
	  "::ffff:127.0.0.1" },
	{ "::ffff:0.0.0.0", "::1", NULL, NULL, NULL },
	/* addresses of a device */
	{ "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1" },
	{ "0.0.0.0", "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1" },
	{ "127.0.0.1", "192.0.2.1", NULL, NULL, NULL },
	{ "2001:db8::1", "2001:db8::1", "2001:db8::1", "2001:db8::1", "2001:db8::1" },
	{ "::", "2001:db8::1", "2001:db8::1", "2001:db8::1", "2001:db8::1" },
	{ "::1", "2001:db8::1", NULL, NULL, NULL },
};

/* Every pair, in a namespace of its own with two more addresses. */
TEST(every_meeting)
{
	size_t i;

	SKIP_OVER_NIC("addresses of lo");
	ASSERT_OK(netns_new());
	ASSERT_OK(addr_add("lo", "192.0.2.1", 24));
	ASSERT_OK(addr_add("lo", "2001:db8::1", 64));
	for (i = 0; i < ARRAY_SIZE(meetings); i++) {
		int lsn = listen_at(meetings[i].listen, 0);
		int fd, child;
		char c;

		ASSERT_OK(lsn);
		fd = dial_to(meetings[i].dial, sock_port(lsn));
		if (!meetings[i].client) {
			EXPECT_EQ(-1, fd) TH_LOG("%s hears %s", meetings[i].listen,
						 meetings[i].dial);
			EXPECT_EQ(ECONNREFUSED, errno);
			close(lsn);
			continue;
		}
		EXPECT_LE(0, fd) TH_LOG("%s does not hear %s: %s", meetings[i].listen,
					meetings[i].dial, strerror(errno));
		if (fd < 0)
			continue;
		child = accept(lsn, NULL, NULL);
		ASSERT_OK(child);
		EXPECT_STREQ(meetings[i].client, name_of(fd, false));
		EXPECT_STREQ(meetings[i].server, name_of(child, false));
		EXPECT_STREQ(meetings[i].peer, name_of(child, true));
		EXPECT_EQ(1, send(fd, "x", 1, 0));
		EXPECT_EQ(1, recv(child, &c, 1, MSG_WAITALL));
		close(fd);
		close(child);
		close(lsn);
	}
}

/* The exact address is heard before the wildcard, and either family's alike. */
TEST(exact_before_wildcard)
{
	int any, exact, fd, port;

	SKIP_OVER_NIC("addresses of lo");
	ASSERT_OK(netns_new());
	any = door_socket(&door_inet4, 0);
	exact = door_socket(&door_inet4, 0);
	ASSERT_OK(sock_set(any, SOL_SOCKET, SO_REUSEPORT, 1));
	ASSERT_OK(sock_set(exact, SOL_SOCKET, SO_REUSEPORT, 1));
	{
		union addr a;
		socklen_t len = door_any(&door_inet4, &a, 0);

		ASSERT_OK(bind(any, &a.sa, len));
		port = sock_port(any);
		len = door_loop(&door_inet4, &a, port);
		ASSERT_OK(bind(exact, &a.sa, len));
	}
	ASSERT_OK(listen(any, 4));
	ASSERT_OK(listen(exact, 4));
	ASSERT_OK(sock_nonblock(any));
	ASSERT_OK(sock_nonblock(exact));
	fd = dial_to("127.0.0.1", port);
	ASSERT_OK(fd);
	EXPECT_ERR(EAGAIN, accept(any, NULL, NULL));
	EXPECT_OK(accept(exact, NULL, NULL));
	close(fd);
	fd = dial_to("127.0.0.2", port);
	ASSERT_OK(fd);
	EXPECT_ERR(EAGAIN, accept(exact, NULL, NULL));
	EXPECT_OK(accept(any, NULL, NULL));
	close(fd);
	close(any);
	close(exact);
}

/* What the client was bound to stays its address. */
TEST(bound_source_address)
{
	int lsn = listen_at("127.0.0.1", 0);
	int fd = door_socket(&door_inet4, 0);
	union addr a;
	socklen_t len = door_addr(&door_inet4, &a, "127.1.2.3", "::1", 0);
	int child, port;

	SKIP_OVER_NIC("addresses of lo");
	ASSERT_OK(bind(fd, &a.sa, len));
	port = sock_port(fd);
	len = door_loop(&door_inet4, &a, sock_port(lsn));
	ASSERT_OK(connect(fd, &a.sa, len));
	EXPECT_EQ(port, sock_port(fd));
	child = accept(lsn, NULL, NULL);
	ASSERT_OK(child);
	EXPECT_STREQ("127.1.2.3", name_of(child, true));
	close(fd);
	close(child);
	close(lsn);
}

TEST(v6only)
{
	int fd = door_socket(&door_inet6, 0);
	int lsn = door_socket(&door_inet6, 0);
	union addr a;
	socklen_t len = door_any(&door_inet6, &a, 0);

	SKIP_OVER_NIC("addresses of lo");
	ASSERT_OK(sock_set(lsn, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	ASSERT_OK(bind(lsn, &a.sa, len));
	ASSERT_OK(listen(lsn, 1));
	EXPECT_ERR(ECONNREFUSED, dial_to("127.0.0.1", sock_port(lsn)));
	EXPECT_OK(dial_to("::1", sock_port(lsn)));

	/* a client that is IPv6 only reaches no mapped address */
	ASSERT_OK(sock_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	len = door_addr(&door_mapped, &a, "127.0.0.1", "", sock_port(lsn));
	EXPECT_ERR(ENETUNREACH, connect(fd, &a.sa, len));
	EXPECT_ERR(EINVAL, bind(fd, &a.sa, len));
	/* and once bound the option is fixed */
	EXPECT_ERR(EINVAL, sock_set(lsn, IPPROTO_IPV6, IPV6_V6ONLY, 0));
	close(fd);
	close(lsn);
}

/* The namespace's sysctl is the default of new sockets. */
TEST(bindv6only)
{
	int fd;

	ASSERT_OK(netns_new());
	fd = door_socket(&door_inet6, 0);
	EXPECT_EQ(0, sock_int(fd, IPPROTO_IPV6, IPV6_V6ONLY));
	close(fd);
	ASSERT_OK(sysctl_write("net/ipv6/bindv6only", "1"));
	fd = door_socket(&door_inet6, 0);
	EXPECT_EQ(1, sock_int(fd, IPPROTO_IPV6, IPV6_V6ONLY));
	close(fd);
	fd = door_socket(&door_family6, 0);
	EXPECT_EQ(1, sock_int(fd, IPPROTO_IPV6, IPV6_V6ONLY));
	close(fd);
}

/* Link-local addresses need their device, by scope or by SO_BINDTODEVICE. */
TEST(link_local)
{
	union addr a;
	socklen_t len;
	int lsn, fd, child;

	SKIP_OVER_NIC("addresses of lo");
	ASSERT_OK(netns_new());
	ASSERT_OK(addr_add("lo", "fe80::1", 64));
	len = door_addr(&door_inet6, &a, "", "fe80::1", 0);
	lsn = door_socket(&door_inet6, 0);
	EXPECT_ERR(EINVAL, bind(lsn, &a.sa, len));
	a.in6.sin6_scope_id = if_nametoindex("lo");
	ASSERT_OK(bind(lsn, &a.sa, len));
	ASSERT_OK(listen(lsn, 1));

	addr_set_port(&a, sock_port(lsn));
	a.in6.sin6_scope_id = 0;
	fd = door_socket(&door_inet6, 0);
	EXPECT_ERR(EINVAL, connect(fd, &a.sa, len));
	a.in6.sin6_scope_id = 4711;
	EXPECT_EQ(-1, connect(fd, &a.sa, len));
	close(fd);
	/* a scope that was named once is the socket's device */
	fd = door_socket(&door_inet6, 0);
	a.in6.sin6_scope_id = if_nametoindex("lo");
	ASSERT_OK(connect(fd, &a.sa, len));
	child = accept(lsn, NULL, NULL);
	ASSERT_OK(child);

	len = sizeof(a);
	ASSERT_OK(getpeername(fd, &a.sa, &len));
	EXPECT_EQ(if_nametoindex("lo"), a.in6.sin6_scope_id);
	ASSERT_OK(getsockname(child, &a.sa, &len));
	EXPECT_EQ(if_nametoindex("lo"), a.in6.sin6_scope_id);
	close(fd);
	close(child);
	close(lsn);
}

/* connect() to what is not this host's says so for now. */
TEST(not_local)
{
	static const char *const far[] = {
		"198.51.100.1", "192.0.2.2", "255.255.255.255", "224.0.0.1", "192.0.2.255",
		"2001:db8::2", "ff02::1", "::ffff:198.51.100.1",
	};
	size_t i;

	SKIP_OVER_NIC("addresses of lo");
	if (over_tcp())
		SKIP(return, "TCP leaves the host");
	ASSERT_OK(netns_new());
	ASSERT_OK(addr_add("lo", "192.0.2.1", 32));
	ASSERT_OK(addr_add("lo", "2001:db8::1", 128));
	for (i = 0; i < ARRAY_SIZE(far); i++) {
		EXPECT_EQ(-1, dial_to(far[i], 9));
		EXPECT_EQ(ENETUNREACH, errno) TH_LOG("%s: %s", far[i], strerror(errno));
	}
}

/* Without lo up there is no way to 127.0.0.1, as in TCP. */
TEST(lo_is_down)
{
	SKIP_OVER_NIC("addresses of lo");
	ASSERT_OK(unshare(CLONE_NEWNET));
	EXPECT_ERR(ENETUNREACH, dial_to("127.0.0.1", 9));
	ASSERT_OK(lo_up());
	EXPECT_ERR(ECONNREFUSED, dial_to("127.0.0.1", 9));
}

static void check_range(struct __test_metadata *_metadata, int lo, int hi)
{
	int lsn = listen_at(HERE, 0);
	bool seen[65536] = { };
	int fds[64], i;

	ASSERT_OK(lsn);
	EXPECT_LE(lo, sock_port(lsn));
	EXPECT_GE(hi, sock_port(lsn));
	ASSERT_OK(listen(lsn, 64));
	for (i = 0; i < 64 && i <= hi - lo; i++) {
		int port;

		fds[i] = dial_to(HERE, sock_port(lsn));
		ASSERT_LE(0, fds[i]) TH_LOG("client %d: %s", i, strerror(errno));
		port = sock_port(fds[i]);
		EXPECT_LE(lo, port);
		EXPECT_GE(hi, port);
		EXPECT_FALSE(seen[port]) TH_LOG("port %d twice", port);
		seen[port] = true;
	}
	while (i--)
		close(fds[i]);
	close(lsn);
}

TEST(ephemeral_ports)
{
	ASSERT_OK(netns_new());
	check_range(_metadata, 32768, 60999);
	ASSERT_OK(sysctl_write("net/ipv4/ip_local_port_range", "20000 20200"));
	check_range(_metadata, 20000, 20200);
}

/* When all are taken, connect() says so; each port serves many destinations. */
TEST(ephemeral_ports_run_out)
{
	int a, b, i, fds[10], fd;

	SKIP_OVER_NIC("addresses of lo");
	ASSERT_OK(netns_new());
	a = listen_at("127.0.0.1", 100);
	b = listen_at("127.0.0.2", 101);
	ASSERT_OK(listen(a, 64));
	ASSERT_OK(listen(b, 64));
	ASSERT_OK(sysctl_write("net/ipv4/ip_local_port_range", "30000 30009"));
	for (i = 0; i < 10; i++) {
		fds[i] = dial_to("127.0.0.1", 100);
		ASSERT_LE(0, fds[i]) TH_LOG("client %d: %s", i, strerror(errno));
	}
	EXPECT_ERR(EADDRNOTAVAIL, dial_to("127.0.0.1", 100));
	for (i = 0; i < 10; i++)
		EXPECT_OK(dial_to("127.0.0.2", 101));
	if (!over_tcp()) {
		close(fds[3]);
		fd = dial_to("127.0.0.1", 100);
		EXPECT_OK(fd);
		close(fd);
	}
}

TEST(bind_runs_out)
{
	int i;

	ASSERT_OK(netns_new());
	ASSERT_OK(sysctl_write("net/ipv4/ip_local_port_range", "30000 30009"));
	for (i = 0; i < 10; i++)
		ASSERT_OK(listen_at(HERE, 0));
	EXPECT_ERR(EADDRINUSE, listen_at(HERE, 0));
	EXPECT_OK(listen_at("127.0.0.2", 0));
}

TEST(reserved_ports)
{
	int i;

	ASSERT_OK(netns_new());
	ASSERT_OK(sysctl_write("net/ipv4/ip_local_port_range", "30000 30009"));
	ASSERT_OK(sysctl_write("net/ipv4/ip_local_reserved_ports", "30001-30004,30006-30009"));
	for (i = 0; i < 2; i++) {
		int fd = listen_at(HERE, 0);

		ASSERT_OK(fd);
		EXPECT_TRUE(sock_port(fd) == 30000 || sock_port(fd) == 30005)
			TH_LOG("port %d", sock_port(fd));
	}
	EXPECT_ERR(EADDRINUSE, listen_at(HERE, 0));
	EXPECT_OK(listen_at(HERE, 30001));	/* by hand it may be had */
}

/* The same 4-tuple cannot be made twice. */
TEST(tuples_are_unique)
{
	int lsn = listen_at(HERE, 0);
	union addr dest, src;
	socklen_t len = door_loop(&door_inet4, &dest, sock_port(lsn));
	int a = door_socket(&door_inet4, 0), b = door_socket(&door_inet4, 0);

	ASSERT_OK(sock_set(a, SOL_SOCKET, SO_REUSEADDR, 1));
	ASSERT_OK(sock_set(b, SOL_SOCKET, SO_REUSEADDR, 1));
	door_loop(&door_inet4, &src, door_free_port(&door_inet4));
	ASSERT_OK(bind(a, &src.sa, len));
	ASSERT_OK(bind(b, &src.sa, len));
	ASSERT_OK(connect(a, &dest.sa, len));
	EXPECT_ERR(EADDRNOTAVAIL, connect(b, &dest.sa, len));
	close(a);
	close(b);
	close(lsn);
}

/* Worlds of their own: nobody hears across, and the same port is free in each. */
TEST(namespaces_are_apart)
{
	int home = open("/proc/self/ns/net", O_RDONLY);
	int other, here, there, fd, port;

	here = listen_at(HERE, 0);
	ASSERT_OK(here);
	port = sock_port(here);
	ASSERT_OK(netns_new());
	other = open("/proc/self/ns/net", O_RDONLY);
	EXPECT_ERR(ECONNREFUSED, dial_to(HERE, port));
	there = listen_at(HERE, port);
	ASSERT_OK(there);
	ASSERT_OK(sock_nonblock(here));
	ASSERT_OK(sock_nonblock(there));

	fd = dial_to(HERE, port);
	ASSERT_OK(fd);
	EXPECT_ERR(EAGAIN, accept(here, NULL, NULL));
	EXPECT_OK(accept(there, NULL, NULL));
	close(fd);

	ASSERT_OK(setns(home, CLONE_NEWNET));
	fd = dial_to(HERE, port);
	ASSERT_OK(fd);
	EXPECT_ERR(EAGAIN, accept(there, NULL, NULL));
	EXPECT_OK(accept(here, NULL, NULL));
	close(fd);

	/* a socket stays where it was made */
	ASSERT_OK(setns(other, CLONE_NEWNET));
	fd = door_socket(&door_inet4, 0);
	ASSERT_OK(setns(home, CLONE_NEWNET));
	{
		union addr a;
		socklen_t len = door_loop(&door_inet4, &a, port);

		ASSERT_OK(connect(fd, &a.sa, len));
	}
	EXPECT_OK(accept(there, NULL, NULL));
	close(fd);
	close(here);
	close(there);
}

TEST_HARNESS_MAIN
