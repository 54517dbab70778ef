// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections of records: their door, their ports, and what becomes of records
 * that wait for accept().
 */
#include <kselftest_harness.h>

#include <sched.h>

#include "seqlib.h"

SEQ_RUNS_OVER(false)

FIXTURE(seq) {
	int lsn;
	int port;
};

SEQ_FIXTURE(seq);

FIXTURE_SETUP(seq)
{
	self->lsn = door_listener(variant->door, 4);
	ASSERT_OK(self->lsn);
	self->port = sock_port(self->lsn);
}

FIXTURE_TEARDOWN(seq)
{
	close(self->lsn);
}

static const struct {
	int domain, protocol;
	int af;			/* of the socket, 0 if refused */
	int err;
} doors[] = {
	{ AF_NEWPROTO, 0, AF_INET },
	{ AF_NEWPROTO, IPPROTO_NEWPROTO, AF_INET },
	{ AF_NEWPROTO, NEWPROTO_PROTO_IPV6, AF_INET6 },
	{ AF_NEWPROTO, IPPROTO_TCP, 0, EPROTONOSUPPORT },
	{ AF_NEWPROTO, IPPROTO_UDP, 0, EPROTONOSUPPORT },
	{ AF_NEWPROTO, IPPROTO_SCTP, 0, EPROTONOSUPPORT },
	{ AF_NEWPROTO, 260, 0, EPROTONOSUPPORT },
	/* inet knows no such type before SCTP is there */
	{ AF_INET, IPPROTO_NEWPROTO, 0, ESOCKTNOSUPPORT },
	{ AF_INET6, IPPROTO_NEWPROTO, 0, ESOCKTNOSUPPORT },
};

TEST(door)
{
	size_t i;
	int sv[2];

	for (i = 0; i < ARRAY_SIZE(doors); i++) {
		int domain = doors[i].domain == AF_NEWPROTO ? family_number() : doors[i].domain;
		int fd = socket(domain, SOCK_SEQPACKET, doors[i].protocol);

		if (!doors[i].af) {
			EXPECT_EQ(-1, fd) TH_LOG("row %zu", i);
			EXPECT_EQ(doors[i].err, errno) TH_LOG("row %zu: %s", i, strerror(errno));
			EXPECT_ERR(domain == family_number() ? doors[i].err : ESOCKTNOSUPPORT,
				   socketpair(domain, SOCK_SEQPACKET, doors[i].protocol, sv));
			continue;
		}
		EXPECT_LE(0, fd) TH_LOG("row %zu: %s", i, strerror(errno));
		EXPECT_EQ(SOCK_SEQPACKET, sock_int(fd, SOL_SOCKET, SO_TYPE));
		EXPECT_EQ(doors[i].af, sock_int(fd, SOL_SOCKET, SO_DOMAIN));
		EXPECT_EQ(IPPROTO_NEWPROTO, sock_int(fd, SOL_SOCKET, SO_PROTOCOL));
		close(fd);
		EXPECT_OK(socketpair(domain, SOCK_SEQPACKET, doors[i].protocol, sv));
		close(sv[0]);
		close(sv[1]);
	}
}

TEST_F(seq, accepted_socket_is_of_the_type)
{
	int fd = door_dial(variant->door, 0, self->port), child;

	ASSERT_OK(fd);
	child = accept4(self->lsn, NULL, NULL, SOCK_NONBLOCK);
	ASSERT_OK(child);
	EXPECT_EQ(SOCK_SEQPACKET, sock_int(child, SOL_SOCKET, SO_TYPE));
	EXPECT_EQ(variant->door->af, sock_int(child, SOL_SOCKET, SO_DOMAIN));
	EXPECT_ERR(ENOPROTOOPT, sock_int(child, IPPROTO_TCP, TCP_NODELAY));
	ASSERT_EQ(3, seq_send(child, 0, 3, 0));
	ASSERT_EQ(4, seq_send(child, 1, 4, 0));
	EXPECT_EQ(3, seq_take(fd, 0, 3));
	EXPECT_EQ(4, seq_take(fd, 1, 4));
	close(fd);
	close(child);
}

/* A listener's SO_RCVLOWAT is inherited, and without effect as its own. */
TEST_F(seq, inherited_lowat)
{
	int fd, child;

	ASSERT_OK(sock_set(self->lsn, SOL_SOCKET, SO_RCVLOWAT, 500));
	fd = door_dial(variant->door, 0, self->port);
	child = accept(self->lsn, NULL, NULL);
	ASSERT_OK(child);
	EXPECT_EQ(500, sock_int(child, SOL_SOCKET, SO_RCVLOWAT));
	ASSERT_EQ(1, seq_send(fd, 0, 1, 0));
	EXPECT_EQ(POLLIN, poll_events(child, POLLIN, WAIT_MS));
	close(fd);
	close(child);
}

/* The numbers are of a space of their own. */
TEST_F(seq, ports)
{
	const struct door stream = {
		.name = "stream", .domain = variant->door->domain, .af = variant->door->af,
		.protocol = variant->door->protocol,
	};
	int lsn, fd, child;

	EXPECT_ERR(ECONNREFUSED, door_dial(&stream, 0, self->port));
	lsn = door_bound(&stream, 0, self->port);
	ASSERT_OK(lsn);
	ASSERT_OK(listen(lsn, 1));
	EXPECT_ERR(EADDRINUSE, door_bound(variant->door, 0, self->port));
	fd = door_dial(&stream, 0, self->port);
	ASSERT_OK(fd);
	child = accept(lsn, NULL, NULL);
	EXPECT_EQ(SOCK_STREAM, sock_int(child, SOL_SOCKET, SO_TYPE));
	EXPECT_EQ(0, poll_events(self->lsn, POLLIN, 0));
	close(self->lsn);
	EXPECT_ERR(ECONNREFUSED, door_dial(variant->door, 0, self->port));
	close(fd);
	close(child);
	close(lsn);
}

TEST_F(seq, proc)
{
	char text[16384], line[32];

	snprintf(line, sizeof(line), "\nseqpacket LISTEN 0 4 ");
	ASSERT_LT(0, file_read("/proc/net/newproto/sockets", text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, line)) TH_LOG("%s", text);
}

/* What was sent before accept() is there, also when the sender is gone. */
TEST_F(seq, records_before_accept)
{
	int fd = door_dial(variant->door, 0, self->port), child;

	ASSERT_OK(fd);
	ASSERT_EQ(0, seq_send(fd, 0, 0, 0));
	ASSERT_EQ(50000, seq_send(fd, 5, 50000, 0));
	ASSERT_EQ(1, seq_send(fd, 9, 1, 0));
	close(fd);
	child = accept(self->lsn, NULL, NULL);
	ASSERT_OK(child);
	EXPECT_EQ(0, seq_take(child, 0, 0));
	EXPECT_EQ(50000, seq_take(child, 5, 50000));
	EXPECT_EQ(1, seq_take(child, 9, 1));
	EXPECT_EQ(0, seq_recv1(child));
	close(child);
}

/* A backlog that is full, and clients with records in front of it. */
TEST_F(seq, backlog)
{
	int fd[4], lsn = door_bound(variant->door, 0, 0), child, i;

	ASSERT_OK(listen(lsn, 1));
	for (i = 0; i < 4; i++) {
		fd[i] = door_dial(variant->door, SOCK_NONBLOCK, sock_port(lsn));
		ASSERT_OK(fd[i]);
		/* Two have a place, and the others wait for one. */
		EXPECT_EQ(i < 2 ? i + 1 : -1, seq_send(fd[i], i, i + 1, 0));
	}
	for (i = 0; i < 4; i++) {
		child = accept(lsn, NULL, NULL);
		ASSERT_OK(child);
		if (i >= 2) {
			ASSERT_EQ(POLLOUT, poll_events(fd[i], POLLOUT, WAIT_MS));
			ASSERT_EQ(i + 1, seq_send(fd[i], i, i + 1, 0));
		}
		EXPECT_EQ(i + 1, seq_take(child, i, i + 1));
		close(child);
		close(fd[i]);
	}
	close(lsn);
}

/* The listener goes while a client with records waits for accept(). */
TEST_F(seq, listener_closes)
{
	int fd = door_dial(variant->door, 0, self->port);

	ASSERT_OK(fd);
	ASSERT_EQ(10, seq_send(fd, 0, 10, 0));
	close(self->lsn);
	EXPECT_EQ(ECONNRESET, sock_error(fd));
	EXPECT_ERR(EPIPE, seq_send(fd, 0, 10, 0));
	close(fd);
}

TEST(unconnected)
{
	int fd = door_socket(&door_seq4, 0);
	char c;

	EXPECT_ERR(EPIPE, seq_send(fd, 0, 1, 0));
	EXPECT_ERR(EPIPE, seq_send(fd, 0, SEQ_MAX, 0));
	EXPECT_ERR(ENOTCONN, recv(fd, &c, 1, 0));
	EXPECT_ERR(ENOTCONN, recv(fd, &c, 1, MSG_PEEK));
	EXPECT_ERR(ECONNREFUSED, door_dial(&door_seq4, 0, door_free_port(&door_seq4)));
	close(fd);
}

/* A socket that is disconnected and connected anew has nothing of the old records. */
TEST_F(seq, connect_again)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	int fd = door_dial(variant->door, 0, self->port), child[2];
	long cap;
	union addr a;
	socklen_t len = door_loop(variant->door, &a, self->port);

	ASSERT_OK(fd);
	child[0] = accept(self->lsn, NULL, NULL);
	cap = seq_room(fd, child[0]);
	ASSERT_EQ(cap / 2, seq_send(fd, 0, cap / 2, 0));
	EXPECT_ERR(EAGAIN, seq_send(fd, 0, cap / 2, MSG_DONTWAIT));
	ASSERT_EQ(9, seq_send(child[0], 0, 9, 0));
	ASSERT_OK(connect(fd, &unspec, sizeof(unspec)));
	ASSERT_OK(connect(fd, &a.sa, len));
	child[1] = accept(self->lsn, NULL, NULL);
	ASSERT_OK(child[1]);
	EXPECT_EQ(POLLOUT, poll_events(fd, POLLIN | POLLOUT, 0));
	ASSERT_EQ(2, seq_send(fd, 0, 2, 0));
	EXPECT_EQ(2, seq_take(child[1], 0, 2));
	/* The old end still has the record, and then the reset. */
	EXPECT_EQ(cap / 2, seq_take(child[0], 0, cap / 2));
	EXPECT_ERR(ECONNRESET, seq_recv1(child[0]));
	close(fd);
	close(child[0]);
	close(child[1]);
}

TEST_HARNESS_MAIN
