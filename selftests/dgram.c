// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagram sockets: how they are made, bound and connected, and where what they
 * send goes to and seems to come from.
 */
#include <kselftest_harness.h>

#include <net/if.h>
#include <sys/wait.h>

#include "dgramlib.h"

FIXTURE(dgram) {};
DOOR_FIXTURE_ALL(dgram);

FIXTURE_SETUP(dgram) {}

FIXTURE_TEARDOWN(dgram) {}

/* What loopback is called in an address of this door. */
static const char *loop_text(const struct door *d)
{
	if (d->af == AF_INET)
		return "127.0.0.1";
	return d->mapped ? "::ffff:127.0.0.1" : "::1";
}

static void expect_socket(struct __test_metadata *_metadata, int domain, int protocol, int af)
{
	int fd = socket(domain, SOCK_DGRAM, protocol);

	EXPECT_LE(0, fd) TH_LOG("domain %d, protocol %d", domain, protocol);
	EXPECT_EQ(af, sock_int(fd, SOL_SOCKET, SO_DOMAIN));
	EXPECT_EQ(SOCK_DGRAM, sock_int(fd, SOL_SOCKET, SO_TYPE));
	EXPECT_EQ(IPPROTO_NEWPROTO, sock_int(fd, SOL_SOCKET, SO_PROTOCOL));
	EXPECT_EQ(0, sock_int(fd, SOL_SOCKET, SO_ACCEPTCONN));
	close(fd);
}

TEST(accepted)
{
	int np = family_number();

	if (over_udp())
		SKIP(return, "doors of newproto's own");
	expect_socket(_metadata, np, 0, AF_INET);
	expect_socket(_metadata, np, IPPROTO_UDP, AF_INET);
	expect_socket(_metadata, np, IPPROTO_NEWPROTO, AF_INET);
	expect_socket(_metadata, np, NEWPROTO_PROTO_IPV6, AF_INET6);
	expect_socket(_metadata, AF_INET, IPPROTO_NEWPROTO, AF_INET);
	expect_socket(_metadata, AF_INET6, IPPROTO_NEWPROTO, AF_INET6);
}

TEST(refused)
{
	int np = family_number();

	if (over_udp())
		SKIP(return, "doors of newproto's own");
	EXPECT_ERR(EPROTONOSUPPORT, socket(np, SOCK_DGRAM, IPPROTO_TCP));
	EXPECT_ERR(EPROTONOSUPPORT, socket(np, SOCK_DGRAM, IPPROTO_ICMP));
	EXPECT_ERR(EPROTONOSUPPORT, socket(np, SOCK_DGRAM, IPPROTO_UDPLITE));
	EXPECT_ERR(EPROTONOSUPPORT, socket(np, SOCK_DGRAM, 9999));
	EXPECT_ERR(EPROTONOSUPPORT, socket(np, SOCK_DGRAM, -1));
	EXPECT_ERR(EPROTONOSUPPORT, socket(np, SOCK_STREAM, IPPROTO_UDP));
	EXPECT_ERR(ESOCKTNOSUPPORT, socket(np, SOCK_RAW, IPPROTO_NEWPROTO));
	EXPECT_ERR(ESOCKTNOSUPPORT, socket(np, SOCK_RDM, IPPROTO_NEWPROTO));
	EXPECT_ERR(EPROTONOSUPPORT, socket(AF_INET, SOCK_DGRAM, NEWPROTO_PROTO_IPV6));
	EXPECT_ERR(EPROTONOSUPPORT, socket(AF_INET6, SOCK_DGRAM, NEWPROTO_PROTO_IPV6));
}

/* A wildcard protocol is UDP's still, whatever has been loaded after it. */
TEST(others_sockets_stay)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	EXPECT_EQ(IPPROTO_UDP, sock_int(fd, SOL_SOCKET, SO_PROTOCOL));
	close(fd);
	fd = socket(AF_INET6, SOCK_DGRAM, 0);
	EXPECT_EQ(IPPROTO_UDP, sock_int(fd, SOL_SOCKET, SO_PROTOCOL));
	close(fd);
	EXPECT_ERR(EPROTONOSUPPORT, socket(AF_INET, SOCK_DGRAM, 9999 % 256));
}

TEST_F(dgram, flags_of_socket)
{
	int fd = dgram_socket(variant->door, SOCK_NONBLOCK | SOCK_CLOEXEC);
	char c;

	ASSERT_OK(fd);
	EXPECT_EQ(O_NONBLOCK, fcntl(fd, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	EXPECT_ERR(EAGAIN, recv(fd, &c, 1, 0));
	close(fd);
}

TEST_F(dgram, socketpair)
{
	int sv[2];

	EXPECT_ERR(EOPNOTSUPP, socketpair(door_domain(variant->door), SOCK_DGRAM,
					  dgram_protocol(variant->door), sv));
}

TEST_F(dgram, no_connections)
{
	int fd = dgram_bound(variant->door, 0, 0);

	EXPECT_ERR(EOPNOTSUPP, listen(fd, 1));
	EXPECT_ERR(EOPNOTSUPP, accept(fd, NULL, NULL));
	ASSERT_OK(sock_nonblock(fd));
	EXPECT_ERR(EOPNOTSUPP, accept4(fd, NULL, NULL, SOCK_NONBLOCK));
	close(fd);
}

TEST_F(dgram, there_and_back)
{
	int a = dgram_bound(variant->door, 0, 0), b = dgram_bound(variant->door, 0, 0);
	char text[INET6_ADDRSTRLEN];
	union addr from;

	ASSERT_EQ(5, dgram_to(a, variant->door, sock_port(b), "there"));
	EXPECT_STREQ("there", dgram_text_from(b, &from));
	EXPECT_EQ(sock_port(a), addr_port(&from));
	EXPECT_STREQ(loop_text(variant->door), addr_text(&from, text));
	ASSERT_EQ(4, sendto(b, "back", 4, 0, &from.sa,
			    variant->door->af == AF_INET ? sizeof(from.in) : sizeof(from.in6)));
	EXPECT_STREQ("back", dgram_text_from(a, &from));
	EXPECT_EQ(sock_port(b), addr_port(&from));
	close(a);
	close(b);
}

TEST_F(dgram, to_itself)
{
	int fd = dgram_bound(variant->door, 0, 0);

	ASSERT_EQ(4, dgram_to(fd, variant->door, sock_port(fd), "self"));
	EXPECT_STREQ("self", dgram_text(fd));
	close(fd);
}

/* A port of the range, chosen by bind(0), by the first send and by connect(). */
TEST_F(dgram, ephemeral_ports)
{
	char text[INET6_ADDRSTRLEN];
	union addr a;
	socklen_t len = sizeof(a);
	int to, fd;

	ASSERT_OK(netns_new());
	ASSERT_OK(sysctl_write("net/ipv4/ip_local_port_range", "40000 40100"));
	to = dgram_bound(variant->door, 0, 0);
	fd = dgram_socket(variant->door, 0);
	EXPECT_EQ(0, sock_port(fd));
	ASSERT_EQ(1, dgram_to(fd, variant->door, sock_port(to), "x"));
	EXPECT_LE(40000, sock_port(fd));
	EXPECT_GE(40100, sock_port(fd));
	/* the address stays open: the next datagram may go elsewhere */
	ASSERT_OK(getsockname(fd, &a.sa, &len));
	EXPECT_STREQ(variant->door->af == AF_INET ? "0.0.0.0" : "::", addr_text(&a, text));
	close(fd);

	fd = dgram_dial(variant->door, 0, sock_port(to));
	ASSERT_OK(fd);
	EXPECT_LE(40000, sock_port(fd));
	len = sizeof(a);
	ASSERT_OK(getsockname(fd, &a.sa, &len));
	EXPECT_STREQ(loop_text(variant->door), addr_text(&a, text));
	close(fd);

	fd = dgram_bound(variant->door, 0, 0);
	EXPECT_LE(40000, sock_port(fd));
	EXPECT_GE(40100, sock_port(fd));
	close(fd);
	close(to);
}

TEST_F(dgram, no_port_left)
{
	int fd, one;

	ASSERT_OK(netns_new());
	ASSERT_OK(sysctl_write("net/ipv4/ip_local_port_range", "40000 40000"));
	one = dgram_bound(variant->door, 0, 0);
	ASSERT_OK(one);
	EXPECT_ERR(EADDRINUSE, dgram_bound(variant->door, 0, 0));
	fd = dgram_socket(variant->door, 0);
	EXPECT_ERR(EAGAIN, dgram_to(fd, variant->door, 40000, "x"));
	close(one);
	EXPECT_EQ(1, dgram_to(fd, variant->door, 40000, "x"));
	close(fd);
}

TEST_F(dgram, bind_errors)
{
	const struct door *d = variant->door;
	int fd = dgram_bound(d, 0, 0), other = dgram_socket(d, 0);
	union addr a;
	socklen_t len = door_loop(d, &a, 0);

	EXPECT_ERR(EINVAL, bind(fd, &a.sa, len));
	EXPECT_ERR(EADDRINUSE, dgram_bound(d, 0, sock_port(fd)));
	EXPECT_ERR(EADDRINUSE, dgram_wild(d, sock_port(fd)));
	len = door_addr(d, &a, "198.51.100.77", "2001:db8::77", 0);
	EXPECT_ERR(EADDRNOTAVAIL, bind(other, &a.sa, len));
	EXPECT_ERR(EINVAL, bind(other, &a.sa, len - 5));
	len = door_loop(d, &a, 77);
	a.sa.sa_family = AF_UNIX;
	EXPECT_ERR(EAFNOSUPPORT, bind(other, &a.sa, len));
	len = door_loop(d, &a, 77);
	ASSERT_OK(drop_caps());
	EXPECT_ERR(EACCES, bind(other, &a.sa, len));
	close(fd);
	close(other);
}

/* Ports are free again with close(). */
TEST_F(dgram, bind_again)
{
	int i, port = dgram_free_port(variant->door);

	for (i = 0; i < 100; i++) {
		int fd = dgram_bound(variant->door, 0, port);

		ASSERT_OK(fd);
		ASSERT_OK(close(fd));
	}
}

/* Streams and datagrams have their own ports, and UDP and TCP theirs. */
TEST_F(dgram, port_spaces)
{
	const struct door udp = { .domain = variant->door->af, .af = variant->door->af,
				  .mapped = variant->door->mapped };
	int fd = dgram_bound(variant->door, 0, 0), port = sock_port(fd);
	union addr a;
	socklen_t len = door_loop(&udp, &a, port);
	int lsn, other;

	lsn = door_bound(variant->door, 0, port);
	EXPECT_OK(lsn);
	EXPECT_OK(listen(lsn, 1));
	if (!over_udp()) {
		other = socket(udp.domain, SOCK_DGRAM, IPPROTO_UDP);
		EXPECT_OK(bind(other, &a.sa, len));
		/* neither gets what is the other's */
		ASSERT_EQ(4, dgram_to(fd, variant->door, port, "mine"));
		ASSERT_EQ(3, sendto(other, "udp", 3, 0, &a.sa, len));
		EXPECT_STREQ("mine", dgram_text(fd));
		EXPECT_STREQ("udp", dgram_text(other));
		EXPECT_TRUE(dgram_empty(fd));
		EXPECT_TRUE(dgram_empty(other));
		close(other);
	}
	close(lsn);
	close(fd);
}

/* All who share must say so. What is sent goes to the latest. */
TEST_F(dgram, reuseaddr)
{
	const struct door *d = variant->door;
	int first = dgram_share(d, SO_REUSEADDR, 0), port = sock_port(first), second;

	EXPECT_ERR(EADDRINUSE, dgram_bound(d, 0, port));
	EXPECT_ERR(EADDRINUSE, dgram_share(d, SO_REUSEPORT, port));
	second = dgram_share(d, SO_REUSEADDR, port);
	ASSERT_OK(second);
	ASSERT_EQ(1, dgram_to(second, d, port, "1"));
	EXPECT_STREQ("1", dgram_text(second));
	EXPECT_TRUE(dgram_empty(first));
	close(second);
	ASSERT_EQ(1, dgram_to(first, d, port, "2"));
	EXPECT_STREQ("2", dgram_text(first));
	close(first);
}

TEST_F(dgram, reuseport_users)
{
	const struct door *d = variant->door;
	int first = dgram_share(d, SO_REUSEPORT, 0), port = sock_port(first), status;
	pid_t pid;

	EXPECT_ERR(EADDRINUSE, dgram_bound(d, 0, port));
	EXPECT_ERR(EADDRINUSE, dgram_share(d, SO_REUSEADDR, port));
	EXPECT_OK(dgram_share(d, SO_REUSEPORT, port));
	pid = fork();
	if (!pid) {
		if (setresuid(65534, 65534, 65534))
			_exit(2);
		_exit(dgram_share(d, SO_REUSEPORT, port) < 0 && errno == EADDRINUSE ? 0 : 1);
	}
	ASSERT_OK(wait_child(pid, &status));
	EXPECT_EQ(0, status) TH_LOG("another user has the port, too");
	close(first);
}

/* Each sender's datagrams go to one of the sockets, and no socket is left out. */
TEST_F(dgram, reuseport_spreads)
{
	const struct door *d = variant->door;
	int fd[2], got[2] = { 0 }, port, i, n, lost = 0, moved = 0;

	fd[0] = dgram_share(d, SO_REUSEPORT, 0);
	port = sock_port(fd[0]);
	fd[1] = dgram_share(d, SO_REUSEPORT, port);
	ASSERT_OK(fd[1]);
	for (i = 0; i < 100; i++) {
		int from = dgram_socket(d, 0), at[2] = { 0 };

		for (n = 0; n < 3; n++) {
			struct pollfd p[2] = { { fd[0], POLLIN }, { fd[1], POLLIN } };
			int to;

			ASSERT_EQ(1, dgram_to(from, d, port, "x"));
			if (poll(p, 2, WAIT_MS) != 1) {
				lost++;
				continue;
			}
			to = p[1].revents ? 1 : 0;
			EXPECT_STREQ("x", dgram_text(fd[to]));
			at[to]++;
		}
		moved += at[0] && at[1];
		got[0] += at[0];
		got[1] += at[1];
		close(from);
	}
	EXPECT_EQ(0, lost);
	EXPECT_EQ(0, moved) TH_LOG("%d of 100 senders' datagrams went to both", moved);
	EXPECT_LT(30, got[0]);
	EXPECT_LT(30, got[1]);
	close(fd[0]);
	close(fd[1]);
}

/*
 * Flows stay where they are when another socket joins, but for those that it gets.
 * This is newproto's promise; UDP deals all flows anew.
 */
TEST_F(dgram, reuseport_keeps_flows)
{
	const struct door *d = variant->door;
	int fd[3], from[60], at[60], i, to, gone = 0, moved = 0;

	if (over_udp())
		SKIP(return, "UDP deals the flows anew");
	fd[0] = dgram_share(d, SO_REUSEPORT, 0);
	fd[1] = dgram_share(d, SO_REUSEPORT, sock_port(fd[0]));
	for (i = 0; i < 60; i++) {
		from[i] = dgram_socket(d, 0);
		ASSERT_EQ(1, dgram_to(from[i], d, sock_port(fd[0]), "x"));
		at[i] = dgram_empty(fd[0]) ? 1 : 0;
		EXPECT_STREQ("x", dgram_text(fd[at[i]]));
	}
	fd[2] = dgram_share(d, SO_REUSEPORT, sock_port(fd[0]));
	ASSERT_OK(fd[2]);
	for (i = 0; i < 60; i++) {
		ASSERT_EQ(1, dgram_to(from[i], d, sock_port(fd[0]), "y"));
		to = !dgram_empty(fd[0]) ? 0 : dgram_empty(fd[1]) ? 2 : 1;
		EXPECT_STREQ("y", dgram_text(fd[to]));
		gone += to == 2;
		moved += to != 2 && to != at[i];
	}
	EXPECT_LT(3, gone);
	EXPECT_EQ(0, moved);
}

/* The one that is bound to the address comes before the wildcard. */
TEST_F(dgram, exact_before_wildcard)
{
	const struct door *d = variant->door;
	int exact = dgram_share(d, SO_REUSEADDR, 0), port = sock_port(exact);
	int wild = dgram_socket(d, 0), from = dgram_socket(d, 0);
	union addr a;
	socklen_t len = door_any(d, &a, port);

	ASSERT_OK(sock_set(wild, SOL_SOCKET, SO_REUSEADDR, 1));
	ASSERT_OK(bind(wild, &a.sa, len));
	ASSERT_EQ(1, dgram_to(from, d, port, "1"));
	EXPECT_STREQ("1", dgram_text(exact));
	EXPECT_TRUE(dgram_empty(wild));
	close(exact);
	ASSERT_EQ(1, dgram_to(from, d, port, "2"));
	EXPECT_STREQ("2", dgram_text(wild));
	close(wild);
	close(from);
}

/* An address of 127/8 that is nobody's name is the host's all the same. */
TEST_F(dgram, any_loopback_address)
{
	const struct door *d = variant->door;
	int to = dgram_wild(d, 0), from = dgram_socket(d, 0);
	char text[INET6_ADDRSTRLEN];
	union addr a;
	socklen_t len = door_addr(d, &a, "127.0.0.5", "::1", sock_port(to));

	ASSERT_EQ(2, sendto(from, "to", 2, 0, &a.sa, len));
	EXPECT_STREQ("to", dgram_text_from(to, &a));
	EXPECT_STREQ(loop_text(d), addr_text(&a, text));
	close(to);
	close(from);
}

/* The source of an unconnected socket is the address that it writes to. */
TEST_F(dgram, other_addresses_of_the_host)
{
	const struct door *d = variant->door;
	/* the network takes its time with an address */
	int to, from, tries = over_udp() ? 50 : 1;
	char text[INET6_ADDRSTRLEN];
	const char *want;
	union addr a;
	socklen_t len;

	ASSERT_OK(netns_new());
	to = dgram_wild(d, 0);
	from = dgram_socket(d, 0);
	ASSERT_OK(addr_add("lo", "192.0.2.7", 32));
	ASSERT_OK(addr_add("lo", "2001:db8::7", 128));
	want = d->af == AF_INET ? "192.0.2.7" : d->mapped ? "::ffff:192.0.2.7" : "2001:db8::7";
	len = door_addr(d, &a, "192.0.2.7", "2001:db8::7", sock_port(to));
	do {
		ASSERT_EQ(2, sendto(from, "to", 2, 0, &a.sa, len));
	} while (!poll_events(to, POLLIN, 100) && --tries);
	EXPECT_STREQ("to", dgram_text_from(to, &a));
	EXPECT_STREQ(want, addr_text(&a, text));
	close(to);
	close(from);
}

/* Zero for an address means this host, to connect() and to sendto(). */
TEST_F(dgram, wildcard_destination)
{
	const struct door *d = variant->door;
	int to = dgram_bound(d, 0, 0), from = dgram_socket(d, 0);
	char text[INET6_ADDRSTRLEN];
	union addr a;
	socklen_t len = door_addr(d, &a, "0.0.0.0", "::", sock_port(to));

	ASSERT_EQ(1, sendto(from, "1", 1, 0, &a.sa, len));
	EXPECT_STREQ("1", dgram_text(to));
	ASSERT_OK(connect(from, &a.sa, len));
	ASSERT_EQ(1, send(from, "2", 1, 0));
	EXPECT_STREQ("2", dgram_text(to));
	len = sizeof(a);
	ASSERT_OK(getpeername(from, &a.sa, &len));
	EXPECT_STREQ(loop_text(d), addr_text(&a, text));
	close(to);
	close(from);
}

/* To a socket that is bound, zero means its own address. */
TEST_F(dgram, wildcard_destination_of_bound)
{
	const struct door *d = variant->door;
	int to = dgram_wild(d, 0), fd = dgram_socket(d, 0);
	struct in_pktinfo *info;
	struct inbox in;
	union addr a;
	socklen_t len = door_addr(d, &a, "127.0.0.9", "::1", 0);

	if (d->af == AF_INET6)
		SKIP(return, "of IPv4");
	ASSERT_OK(bind(fd, &a.sa, len));
	ASSERT_OK(sock_set(to, IPPROTO_IP, IP_PKTINFO, 1));
	len = door_any(d, &a, sock_port(to));
	ASSERT_EQ(1, sendto(fd, "x", 1, 0, &a.sa, len));
	ASSERT_EQ(1, inbox_recv(to, &in, 0));
	EXPECT_EQ(htonl(0x7f000009), in.from.in.sin_addr.s_addr);
	info = (void *)inbox_find(&in, IPPROTO_IP, IP_PKTINFO, sizeof(*info));
	ASSERT_NE(NULL, info);
	EXPECT_EQ(htonl(0x7f000009), info->ipi_addr.s_addr);
	close(fd);
	close(to);
}

/* Link-local addresses need their device, and tell it. */
TEST(dgram_link_local)
{
	int rx, tx, lo, port, tries = over_udp() ? 50 : 1;
	struct in6_pktinfo *info;
	struct inbox in;
	union addr a;
	socklen_t len;

	ASSERT_OK(netns_new());
	ASSERT_OK(addr_add("lo", "fe80::1", 64));
	lo = if_nametoindex("lo");
	rx = dgram_socket(&door_inet6, 0);
	tx = dgram_socket(&door_inet6, 0);
	len = door_addr(&door_inet6, &a, "", "fe80::1", 0);
	EXPECT_ERR(EINVAL, bind(rx, &a.sa, len));
	a.in6.sin6_scope_id = lo;
	ASSERT_OK(bind(rx, &a.sa, len));
	ASSERT_OK(sock_set(rx, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
	port = sock_port(rx);
	addr_set_port(&a, port);
	/* the network may take its time with a new address */
	do {
		ASSERT_EQ(1, sendto(tx, "x", 1, 0, &a.sa, len));
	} while (!(poll_events(rx, POLLIN, 100) & POLLIN) && --tries);
	ASSERT_EQ(1, inbox_recv(rx, &in, 0));
	EXPECT_EQ(lo, in.from.in6.sin6_scope_id);
	info = (void *)inbox_find(&in, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(*info));
	ASSERT_NE(NULL, info);
	EXPECT_EQ(lo, info->ipi6_ifindex);
	/* the answer finds its way by the name that came */
	EXPECT_EQ(4, sendto(rx, "back", 4, 0, &in.from.sa, sizeof(in.from.in6)));
	EXPECT_STREQ("back", dgram_text(tx));
	a.in6.sin6_scope_id = 0;
	EXPECT_EQ(-1, connect(tx, &a.sa, len));
	EXPECT_EQ(EINVAL, errno);
	close(rx);
	close(tx);
}

static ssize_t send_to_address(int fd, const struct door *d, const char *v4, const char *v6)
{
	union addr a;
	socklen_t len = door_addr(d, &a, v4, v6, 4711);

	return sendto(fd, "x", 1, 0, &a.sa, len);
}

TEST_F(dgram, unreachable)
{
	const struct door *d = variant->door;
	int fd = dgram_socket(d, 0);
	union addr a;
	socklen_t len;

	EXPECT_ERR(ENETUNREACH, send_to_address(fd, d, "198.51.100.77", "2001:db8::77"));
	EXPECT_ERR(ENETUNREACH, send_to_address(fd, d, "224.0.0.1", "ff0e::1"));
	len = door_addr(d, &a, "198.51.100.77", "2001:db8::77", 4711);
	EXPECT_ERR(ENETUNREACH, connect(fd, &a.sa, len));
	len = door_addr(d, &a, "224.0.0.1", "ff0e::1", 4711);
	EXPECT_ERR(ENETUNREACH, connect(fd, &a.sa, len));
	close(fd);
}

TEST_F(dgram, broadcast)
{
	const struct door *d = variant->door;
	int fd = dgram_socket(d, 0);
	union addr a;
	socklen_t len = door_addr(d, &a, "127.255.255.255", "::1", 4711);

	if (d->af == AF_INET6 && !d->mapped)
		SKIP(return, "IPv6 has no broadcast");
	EXPECT_ERR(EACCES, sendto(fd, "x", 1, 0, &a.sa, len));
	EXPECT_ERR(EACCES, connect(fd, &a.sa, len));
	ASSERT_OK(sock_set(fd, SOL_SOCKET, SO_BROADCAST, 1));
	if (over_udp())
		SKIP(return, "UDP has broadcast");
	EXPECT_ERR(ENETUNREACH, sendto(fd, "x", 1, 0, &a.sa, len));
	EXPECT_ERR(ENETUNREACH, connect(fd, &a.sa, len));
	EXPECT_ERR(ENETUNREACH, send_to_address(fd, d, "255.255.255.255", "::1"));
	close(fd);
}

/* An IPv6 socket that is bound to the wildcard gets both families. */
TEST_F(dgram, dual_stack)
{
	const struct door *d = variant->door;
	struct door v4 = *d, v6 = *d;
	int six, four, port;
	char text[INET6_ADDRSTRLEN];
	union addr a;

	v4.af = AF_INET;
	v4.mapped = false;
	v4.domain = d->domain == AF_NEWPROTO ? AF_NEWPROTO : AF_INET;
	v4.protocol = IPPROTO_NEWPROTO;
	v6.mapped = false;
	if (d->af == AF_INET)
		SKIP(return, "an IPv4 door");
	six = dgram_wild(&v6, 0);
	port = sock_port(six);
	four = dgram_socket(&v4, 0);
	ASSERT_EQ(1, dgram_to(four, &v4, port, "4"));
	EXPECT_STREQ("4", dgram_text_from(six, &a));
	EXPECT_STREQ("::ffff:127.0.0.1", addr_text(&a, text));
	EXPECT_EQ(sock_port(four), addr_port(&a));
	EXPECT_EQ(4, sendto(six, "back", 4, 0, &a.sa, sizeof(a.in6)));
	EXPECT_STREQ("back", dgram_text(four));
	ASSERT_EQ(1, dgram_to(six, &v6, port, "6"));
	EXPECT_STREQ("6", dgram_text_from(six, &a));
	EXPECT_STREQ("::1", addr_text(&a, text));
	EXPECT_ERR(EADDRINUSE, dgram_wild(&v4, port));
	close(four);
	close(six);
}

TEST_F(dgram, v6only)
{
	const struct door *d = variant->door;
	struct door v4 = { .domain = AF_INET, .protocol = IPPROTO_NEWPROTO, .af = AF_INET };
	int six, four, port;
	union addr a;
	socklen_t len;

	if (d->af == AF_INET)
		SKIP(return, "an IPv4 door");
	six = dgram_socket(d, 0);
	ASSERT_OK(sock_set(six, IPPROTO_IPV6, IPV6_V6ONLY, 1));
	memset(&a, 0, sizeof(a));
	a.in6.sin6_family = AF_INET6;
	ASSERT_OK(bind(six, &a.sa, sizeof(a.in6)));
	port = sock_port(six);
	four = dgram_wild(&v4, port);
	EXPECT_OK(four);
	ASSERT_EQ(1, dgram_to(four, &v4, port, "4"));
	EXPECT_STREQ("4", dgram_text(four));
	EXPECT_TRUE(dgram_empty(six));
	len = door_addr(&door_mapped, &a, "127.0.0.1", NULL, port);
	EXPECT_ERR(ENETUNREACH, sendto(six, "x", 1, 0, &a.sa, len));
	EXPECT_ERR(ENETUNREACH, connect(six, &a.sa, len));
	close(four);
	close(six);
}

/* A dual-stack socket may name IPv4's addresses as IPv4 does. */
TEST_F(dgram, ipv4_name_on_ipv6_socket)
{
	const struct door *d = variant->door;
	struct door v4 = { .domain = AF_INET, .protocol = IPPROTO_NEWPROTO, .af = AF_INET };
	int six, four;
	union addr a;
	socklen_t len;

	if (d->af == AF_INET)
		SKIP(return, "an IPv4 door");
	six = dgram_socket(d, 0);
	four = dgram_bound(&v4, 0, 0);
	len = door_loop(&v4, &a, sock_port(four));
	EXPECT_EQ(1, sendto(six, "1", 1, 0, &a.sa, len));
	EXPECT_STREQ("1", dgram_text(four));
	EXPECT_OK(connect(six, &a.sa, len));
	EXPECT_EQ(1, send(six, "2", 1, 0));
	EXPECT_STREQ("2", dgram_text(four));
	/* and an IPv4 socket takes no IPv6 address */
	len = door_addr(&door_inet6, &a, NULL, "::1", sock_port(four));
	EXPECT_ERR(EAFNOSUPPORT, sendto(four, "x", 1, 0, &a.sa, len));
	EXPECT_ERR(EAFNOSUPPORT, connect(four, &a.sa, len));
	close(four);
	close(six);
}

/* A device other than lo brings nothing from this host. */
TEST_F(dgram, bindtodevice)
{
	const struct door *d = variant->door;
	int lo, dev, from, port;
	union addr a;
	socklen_t len = door_any(d, &a, 0);

	ASSERT_OK(netns_new());
	if (link_add("dummy", "np0") && link_add("veth", "np0"))
		SKIP(return, "no device to be had: %s", strerror(errno));
	lo = dgram_socket(d, 0);
	dev = dgram_socket(d, 0);
	from = dgram_socket(d, 0);
	ASSERT_OK(setsockopt(lo, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	ASSERT_OK(setsockopt(dev, SOL_SOCKET, SO_BINDTODEVICE, "np0", 4));
	ASSERT_OK(bind(lo, &a.sa, len));
	port = sock_port(lo);
	addr_set_port(&a, port);
	/* they are apart, so both may have the port */
	ASSERT_OK(bind(dev, &a.sa, len));
	EXPECT_ERR(EADDRINUSE, dgram_wild(d, port));
	ASSERT_EQ(1, dgram_to(from, d, port, "x"));
	EXPECT_STREQ("x", dgram_text(lo));
	EXPECT_TRUE(dgram_empty(dev));
	ASSERT_EQ(4, dgram_to(lo, d, port, "self"));
	EXPECT_STREQ("self", dgram_text(lo));
	close(lo);
	close(dev);
	close(from);
}

TEST_F(dgram, freebind)
{
	const struct door *d = variant->door;
	int fd = dgram_socket(d, 0);
	union addr a;
	socklen_t len = door_addr(d, &a, "198.51.100.77", "2001:db8::77", 0);

	ASSERT_OK(sock_set(fd, IPPROTO_IP, IP_FREEBIND, 1));
	EXPECT_OK(bind(fd, &a.sa, len));
	EXPECT_NE(0, sock_port(fd));
	close(fd);
}

TEST_F(dgram, namespaces_are_apart)
{
	const struct door *d = variant->door;
	int here = dgram_bound(d, 0, 0), port = sock_port(here), there, fd;

	ASSERT_OK(netns_new());
	fd = dgram_dial(d, 0, port);
	ASSERT_OK(fd);
	ASSERT_EQ(1, send(fd, "x", 1, 0));
	EXPECT_TRUE(dgram_failed(fd));
	EXPECT_EQ(ECONNREFUSED, sock_error(fd));
	there = dgram_bound(d, 0, port);
	ASSERT_OK(there);
	ASSERT_EQ(5, send(fd, "there", 5, 0));
	EXPECT_STREQ("there", dgram_text(there));
	/* a socket keeps the namespace in which it was made */
	ASSERT_EQ(4, dgram_to(here, d, port, "here"));
	EXPECT_STREQ("here", dgram_text(here));
	EXPECT_TRUE(dgram_empty(there));
	close(here);
	close(there);
	close(fd);
}

TEST_HARNESS_MAIN
