// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may bind what beside whom: wildcards, exact addresses, the two families,
 * SO_REUSEADDR, SO_REUSEPORT, devices and low ports. TCP is the model.
 */
#include <kselftest_harness.h>

#include <sys/wait.h>

#include "common.h"

/* One end of a pair of binds. */
struct place {
	const char *addr;	/* text; with a colon IPv6 */
	bool reuseaddr;
	bool reuseport;
	bool v6only;
	bool listens;
};

static const struct door *place_door(const struct place *p)
{
	return strchr(p->addr, ':') ? &door_inet6 : &door_inet4;
}

/* The socket bound to the place; -1 and errno. */
static int place_bind(const struct place *p, int port)
{
	const struct door *d = place_door(p);
	union addr a = { };
	socklen_t len;
	int err, fd = door_socket(d, 0);

	if (fd < 0)
		return -1;
	len = door_any(d, &a, port);
	if (d->af == AF_INET)
		inet_pton(AF_INET, p->addr, &a.in.sin_addr);
	else
		inet_pton(AF_INET6, p->addr, &a.in6.sin6_addr);
	if ((p->reuseaddr && sock_set(fd, SOL_SOCKET, SO_REUSEADDR, 1)) ||
	    (p->reuseport && sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) ||
	    (p->v6only && sock_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) ||
	    bind(fd, &a.sa, len) || (p->listens && listen(fd, 1))) {
		err = errno;
		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

static int place_connect(int fd, int port)
{
	union addr a;
	socklen_t len = door_loop(&door_inet4, &a, port);

	return connect(fd, &a.sa, len);
}

static const struct {
	struct place first, second;
	int err;		/* of the second */
} pairs[] = {
	/* the same and different addresses */
	{ { "127.0.0.1" }, { "127.0.0.1" }, EADDRINUSE },
	{ { "127.0.0.1" }, { "127.0.0.2" }, 0 },
	{ { "127.0.0.1" }, { "0.0.0.0" }, EADDRINUSE },
	{ { "0.0.0.0" }, { "127.0.0.1" }, EADDRINUSE },
	{ { "0.0.0.0" }, { "0.0.0.0" }, EADDRINUSE },
	{ { "::1" }, { "::1" }, EADDRINUSE },
	{ { "::1" }, { "::" }, EADDRINUSE },
	{ { "::" }, { "::1" }, EADDRINUSE },
	{ { "::" }, { "::" }, EADDRINUSE },
	/* between the families */
	{ { "127.0.0.1" }, { "::1" }, 0 },
	{ { "0.0.0.0" }, { "::1" }, 0 },
	{ { "::1" }, { "127.0.0.1" }, 0 },
	{ { "::1" }, { "0.0.0.0" }, 0 },
	{ { "::" }, { "127.0.0.1" }, EADDRINUSE },
	{ { "::" }, { "0.0.0.0" }, EADDRINUSE },
	{ { "127.0.0.1" }, { "::" }, EADDRINUSE },
	{ { "0.0.0.0" }, { "::" }, EADDRINUSE },
	{ { "::", .v6only = true }, { "127.0.0.1" }, 0 },
	{ { "::", .v6only = true }, { "0.0.0.0" }, 0 },
	{ { "0.0.0.0" }, { "::", .v6only = true }, 0 },
	{ { "127.0.0.1" }, { "::", .v6only = true }, 0 },
	{ { "::", .v6only = true }, { "::" }, EADDRINUSE },
	{ { "::" }, { "::", .v6only = true }, EADDRINUSE },
	{ { "::ffff:127.0.0.1" }, { "127.0.0.1" }, EADDRINUSE },
	{ { "127.0.0.1" }, { "::ffff:127.0.0.1" }, EADDRINUSE },
	{ { "::ffff:127.0.0.1" }, { "127.0.0.2" }, 0 },
	{ { "::ffff:127.0.0.1" }, { "0.0.0.0" }, EADDRINUSE },
	{ { "::ffff:0.0.0.0" }, { "127.0.0.1" }, EADDRINUSE },
	{ { "::ffff:0.0.0.0" }, { "::1" }, 0 },
	{ { "::ffff:127.0.0.1" }, { "::" }, EADDRINUSE },
	{ { "::ffff:127.0.0.1" }, { "::", .v6only = true }, 0 },
	/* SO_REUSEADDR: both must want it, and nobody listen */
	{ { "127.0.0.1", .reuseaddr = true }, { "127.0.0.1", .reuseaddr = true }, 0 },
	{ { "127.0.0.1", .reuseaddr = true }, { "127.0.0.1" }, EADDRINUSE },
	{ { "127.0.0.1" }, { "127.0.0.1", .reuseaddr = true }, EADDRINUSE },
	{ { "0.0.0.0", .reuseaddr = true }, { "127.0.0.1", .reuseaddr = true }, 0 },
	{ { "::", .reuseaddr = true }, { "0.0.0.0", .reuseaddr = true }, 0 },
	{ { "127.0.0.1", .reuseaddr = true, .listens = true },
	  { "127.0.0.1", .reuseaddr = true }, EADDRINUSE },
	{ { "0.0.0.0", .reuseaddr = true, .listens = true },
	  { "127.0.0.1", .reuseaddr = true }, EADDRINUSE },
	{ { "127.0.0.1", .reuseaddr = true, .listens = true },
	  { "127.0.0.2", .reuseaddr = true }, 0 },
	{ { "127.0.0.1", .reuseaddr = true },
	  { "127.0.0.1", .reuseaddr = true, .listens = true }, 0 },
	{ { "::", .reuseaddr = true, .listens = true },
	  { "127.0.0.1", .reuseaddr = true }, EADDRINUSE },
	/* SO_REUSEPORT: both must want it, listening or not */
	{ { "127.0.0.1", .reuseport = true }, { "127.0.0.1", .reuseport = true }, 0 },
	{ { "127.0.0.1", .reuseport = true }, { "127.0.0.1" }, EADDRINUSE },
	{ { "127.0.0.1" }, { "127.0.0.1", .reuseport = true }, EADDRINUSE },
	{ { "127.0.0.1", .reuseport = true, .listens = true },
	  { "127.0.0.1", .reuseport = true, .listens = true }, 0 },
	{ { "0.0.0.0", .reuseport = true, .listens = true },
	  { "127.0.0.1", .reuseport = true, .listens = true }, 0 },
	{ { "::", .reuseport = true, .listens = true },
	  { "0.0.0.0", .reuseport = true, .listens = true }, 0 },
	{ { "127.0.0.1", .reuseport = true }, { "127.0.0.1", .reuseaddr = true }, EADDRINUSE },
	{ { "::", .reuseport = true, .listens = true },
	  { "::", .reuseport = true, .listens = true }, 0 },
};

static void describe(const struct place *p, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s%s%s", p->addr, p->reuseaddr ? " reuseaddr" : "",
		 p->reuseport ? " reuseport" : "", p->v6only ? " v6only" : "",
		 p->listens ? " listens" : "");
}

TEST(every_pair)
{
	char one[64], two[64];
	size_t i;

	/* a world without anybody else's sockets, or what TCP keeps of them */
	ASSERT_OK(netns_new());
	for (i = 0; i < ARRAY_SIZE(pairs); i++) {
		int port = door_free_port(&door_inet4);
		int a = place_bind(&pairs[i].first, port);
		int b = place_bind(&pairs[i].second, port);
		int err = b < 0 ? errno : 0;

		describe(&pairs[i].first, one, sizeof(one));
		describe(&pairs[i].second, two, sizeof(two));
		EXPECT_LE(0, a) TH_LOG("%s", one);
		EXPECT_EQ(pairs[i].err, err)
			TH_LOG("[%s] then [%s]: %s", one, two, err ? strerror(err) : "bound");
		if (a >= 0)
			close(a);
		if (b >= 0)
			close(b);
	}
}

/* What closed is free at once: there is no TIME_WAIT. */
TEST(port_is_free_after_close)
{
	int port = door_free_port(&door_inet4);
	int i, lsn, fd;

	if (over_tcp())
		SKIP(return, "TCP has TIME_WAIT");
	for (i = 0; i < 10; i++) {
		lsn = door_bound(&door_inet4, 0, port);
		ASSERT_OK(lsn);
		ASSERT_OK(listen(lsn, 1));
		fd = door_dial(&door_inet4, 0, port);
		ASSERT_OK(fd);
		ASSERT_OK(close(accept(lsn, NULL, NULL)));
		close(fd);
		close(lsn);
	}
}

/* A connection keeps its server's port; with SO_REUSEADDR the server may come back. */
TEST(rebind_beside_live_connections)
{
	struct place p = { "127.0.0.1", .reuseaddr = true, .listens = true };
	int port = door_free_port(&door_inet4);
	int fd, child, lsn = place_bind(&p, port);

	ASSERT_OK(lsn);
	fd = door_dial(&door_inet4, 0, port);
	child = accept(lsn, NULL, NULL);
	ASSERT_OK(child);
	close(lsn);
	p.reuseaddr = false;
	EXPECT_ERR(EADDRINUSE, place_bind(&p, port));
	p.reuseaddr = true;
	lsn = place_bind(&p, port);
	EXPECT_OK(lsn);
	EXPECT_OK(door_dial(&door_inet4, 0, port));
	EXPECT_EQ(1, send(fd, "x", 1, 0));
	close(fd);
	close(child);
	close(lsn);
}

/* SO_REUSEPORT is for one user: nobody steals another's port. */
TEST(reuseport_of_another_user)
{
	struct place p = { "127.0.0.1", .reuseport = true, .listens = true };
	int port = door_free_port(&door_inet4);
	int status, fd = place_bind(&p, port);
	pid_t pid;

	ASSERT_OK(fd);
	pid = fork();
	ASSERT_OK(pid);
	if (!pid) {
		if (setuid(1234))
			_exit(100);
		_exit(place_bind(&p, port) < 0 ? errno : 0);
	}
	ASSERT_OK(wait_child(pid, &status));
	EXPECT_EQ(EADDRINUSE, WEXITSTATUS(status));
	close(fd);
}

/* Two that were bound with SO_REUSEADDR: only one of them may listen. */
TEST(second_listen_on_a_shared_port)
{
	struct place p = { "127.0.0.1", .reuseaddr = true };
	int port = door_free_port(&door_inet4);
	int a = place_bind(&p, port), b = place_bind(&p, port);

	ASSERT_OK(a);
	ASSERT_OK(b);
	ASSERT_OK(listen(a, 1));
	EXPECT_ERR(EADDRINUSE, listen(b, 1));
	close(a);
	EXPECT_OK(listen(b, 1));
	close(b);
}

/* An option that comes after bind() does not open the port. */
TEST(reuseaddr_after_bind)
{
	struct place p = { "127.0.0.1" }, q = { "127.0.0.1", .reuseaddr = true };
	int port = door_free_port(&door_inet4);
	int b, a = place_bind(&p, port);

	ASSERT_OK(a);
	b = place_bind(&q, port);
	EXPECT_EQ(-1, b);
	EXPECT_EQ(EADDRINUSE, errno);
	close(a);
}

TEST(ports_are_not_tcps)
{
	int np = door_listener(&door_inet4, 1);
	int tcp = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	union addr a;
	socklen_t len = door_loop(&door_inet4, &a, sock_port(np));

	if (over_tcp())
		SKIP(return, "one space");
	ASSERT_OK(np);
	ASSERT_OK(tcp);
	/* the number may be TCP's already, but not because of newproto */
	if (bind(tcp, &a.sa, len)) {
		EXPECT_EQ(EADDRINUSE, errno);
		SKIP(return, "port %d is busy in TCP", sock_port(np));
	}
	ASSERT_OK(listen(tcp, 1));
	close(tcp);
	/* and TCP's clients do not reach newproto's listener */
	tcp = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	EXPECT_ERR(ECONNREFUSED, connect(tcp, &a.sa, len));
	close(tcp);
	close(np);
}

TEST(low_ports)
{
	struct place p = { "127.0.0.1" };
	char text[8];
	int fd;

	ASSERT_OK(netns_new());
	snprintf(text, sizeof(text), "%d", 1024);
	ASSERT_OK(sysctl_write("net/ipv4/ip_unprivileged_port_start", text));
	fd = place_bind(&p, 80);
	EXPECT_OK(fd);
	close(fd);

	ASSERT_OK(drop_caps());
	EXPECT_ERR(EACCES, place_bind(&p, 80));
	EXPECT_ERR(EACCES, place_bind(&p, 1023));
	p.addr = "::1";
	EXPECT_ERR(EACCES, place_bind(&p, 80));
	p.addr = "::ffff:127.0.0.1";
	EXPECT_ERR(EACCES, place_bind(&p, 80));
	fd = place_bind(&p, 1024);
	EXPECT_OK(fd);
	close(fd);
}

TEST(low_ports_of_the_namespace)
{
	struct place p = { "127.0.0.1" };

	ASSERT_OK(netns_new());
	ASSERT_OK(sysctl_write("net/ipv4/ip_unprivileged_port_start", "2000"));
	ASSERT_OK(drop_caps());
	EXPECT_ERR(EACCES, place_bind(&p, 1999));
	EXPECT_OK(place_bind(&p, 2000));
}

TEST(low_ports_for_all)
{
	struct place p = { "127.0.0.1" };

	ASSERT_OK(netns_new());
	ASSERT_OK(sysctl_write("net/ipv4/ip_unprivileged_port_start", "0"));
	ASSERT_OK(drop_caps());
	EXPECT_OK(place_bind(&p, 1));
}

TEST(freebind)
{
	union addr a;
	socklen_t len = door_addr(&door_inet4, &a, "198.51.100.77", "2001:db8::77", 0);
	int fd = door_socket(&door_inet4, 0);

	EXPECT_ERR(EADDRNOTAVAIL, bind(fd, &a.sa, len));
	ASSERT_OK(sock_set(fd, IPPROTO_IP, IP_FREEBIND, 1));
	EXPECT_OK(bind(fd, &a.sa, len));
	EXPECT_OK(listen(fd, 1));
	close(fd);

	len = door_addr(&door_inet6, &a, "198.51.100.77", "2001:db8::77", 0);
	fd = door_socket(&door_inet6, 0);
	EXPECT_ERR(EADDRNOTAVAIL, bind(fd, &a.sa, len));
	ASSERT_OK(sock_set(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1));
	EXPECT_OK(bind(fd, &a.sa, len));
	close(fd);
}

TEST(transparent)
{
	union addr a;
	socklen_t len = door_addr(&door_inet4, &a, "198.51.100.77", "2001:db8::77", 0);
	int fd = door_socket(&door_inet4, 0);

	ASSERT_OK(sock_set(fd, IPPROTO_IP, IP_TRANSPARENT, 1));
	EXPECT_OK(bind(fd, &a.sa, len));
	close(fd);

	fd = door_socket(&door_inet4, 0);
	ASSERT_OK(drop_caps());
	EXPECT_ERR(EPERM, sock_set(fd, IPPROTO_IP, IP_TRANSPARENT, 1));
	close(fd);
}

TEST(nonlocal_bind_sysctl)
{
	union addr a;
	socklen_t len = door_addr(&door_inet4, &a, "198.51.100.77", "2001:db8::77", 0);
	int fd;

	ASSERT_OK(netns_new());
	fd = door_socket(&door_inet4, 0);
	EXPECT_ERR(EADDRNOTAVAIL, bind(fd, &a.sa, len));
	ASSERT_OK(sysctl_write("net/ipv4/ip_nonlocal_bind", "1"));
	EXPECT_OK(bind(fd, &a.sa, len));
	close(fd);
}

/* The port is chosen by connect() then, and known afterwards. */
TEST(bind_address_no_port)
{
	int lsn = door_listener(&door_inet4, 1);
	int fd = door_socket(&door_inet4, 0);
	union addr a;
	socklen_t len = door_addr(&door_inet4, &a, "127.0.0.9", "::1", 0);

	ASSERT_OK(sock_set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1));
	ASSERT_OK(bind(fd, &a.sa, len));
	EXPECT_EQ(0, sock_port(fd));
	len = door_loop(&door_inet4, &a, sock_port(lsn));
	ASSERT_OK(connect(fd, &a.sa, len));
	EXPECT_NE(0, sock_port(fd));
	len = sizeof(a);
	ASSERT_OK(accept(lsn, &a.sa, &len));
	EXPECT_EQ(htonl(0x7f000009), a.in.sin_addr.s_addr);
	close(fd);
	close(lsn);
}

/* Devices keep listeners apart; the loopback device is where connections come in. */
TEST(bindtodevice)
{
	struct place p = { "0.0.0.0" };
	int port, a, b;

	ASSERT_OK(netns_new());
	if (link_add("dummy", "np0") && link_add("veth", "np0"))
		SKIP(return, "no second device: %s", strerror(errno));
	port = 4242;
	a = door_socket(&door_inet4, 0);
	b = door_socket(&door_inet4, 0);
	ASSERT_OK(setsockopt(a, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	ASSERT_OK(setsockopt(b, SOL_SOCKET, SO_BINDTODEVICE, "np0", 4));
	{
		union addr any;
		socklen_t len = door_any(&door_inet4, &any, port);

		EXPECT_OK(bind(a, &any.sa, len));
		EXPECT_OK(bind(b, &any.sa, len));
		EXPECT_ERR(EADDRINUSE, place_bind(&p, port));
	}
	/* nobody hears the call on lo until lo's own listener is there */
	ASSERT_OK(listen(b, 1));
	EXPECT_ERR(ECONNREFUSED, door_dial(&door_inet4, 0, port));
	ASSERT_OK(listen(a, 1));
	EXPECT_OK(door_dial(&door_inet4, 0, port));
	ASSERT_OK(sock_nonblock(b));
	EXPECT_ERR(EAGAIN, accept(b, NULL, NULL));
	EXPECT_OK(accept(a, NULL, NULL));
	EXPECT_ERR(ENODEV, setsockopt(a, SOL_SOCKET, SO_BINDTODEVICE, "nosuch", 7));
	close(a);
	close(b);

	/* from another device there is no way to 127.0.0.1; TCP would send a SYN into it */
	if (over_tcp())
		return;
	a = door_socket(&door_inet4, 0);
	ASSERT_OK(setsockopt(a, SOL_SOCKET, SO_BINDTODEVICE, "np0", 4));
	EXPECT_ERR(ENETUNREACH, place_connect(a, port));
	close(a);
}

TEST_HARNESS_MAIN
