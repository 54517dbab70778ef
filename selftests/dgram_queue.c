// SPDX-License-Identifier: GPL-2.0-only
/*
 * The receiver's queue: what it holds, what is dropped and counted when it is
 * full, and the filters that a datagram passes on its way there.
 */
#include <kselftest_harness.h>

#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <sys/stat.h>

#include "dgramlib.h"

FIXTURE(dqueue) {
	int tx;			/* connected to rx */
	int rx;			/* bound */
};

DOOR_FIXTURE_ALL(dqueue);

FIXTURE_SETUP(dqueue)
{
	int sv[2];

	ASSERT_OK(dgram_pair(variant->door, sv));
	self->tx = sv[0];
	self->rx = sv[1];
}

FIXTURE_TEARDOWN(dqueue)
{
	close(self->tx);
	close(self->rx);
}

/* Datagrams that this socket's queue did not take. */
static long drops(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { };
	socklen_t len = sizeof(info);

	return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) ? -1 : info[SK_MEMINFO_DROPS];
}

/* Datagrams that begin with a number each; how many were taken. */
static int send_numbers(int fd, uint32_t first, int n, size_t len)
{
	static char buf[4096];
	int i, sent = 0;

	for (i = 0; i < n; i++) {
		uint32_t number = first + i;

		memcpy(buf, &number, sizeof(number));
		sent += send(fd, buf, len, MSG_DONTWAIT) == (ssize_t)len;
	}
	return sent;
}

/* Reads all that is there; the numbers are to grow. How many came, -1 if wrong. */
static int read_numbers(int fd, uint32_t *last)
{
	static char buf[4096];
	uint32_t number, before = 0;
	int n = 0;

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0) {
		memcpy(&number, buf, sizeof(number));
		if (n++ && number <= before)
			return -1;
		before = number;
	}
	if (last)
		*last = before;
	return n;
}

/* No sender hears of a full receiver; what comes first, stays. */
TEST_F(dqueue, full)
{
	uint32_t last = 0;
	int n;

	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUF, 16384));
	EXPECT_EQ(0, drops(self->rx));
	EXPECT_EQ(500, send_numbers(self->tx, 0, 500, 512));
	EXPECT_EQ(0, sock_error(self->tx));
	EXPECT_EQ(POLLOUT, poll_events(self->tx, POLLIN | POLLOUT, 0));
	n = read_numbers(self->rx, &last);
	EXPECT_LT(10, n);
	EXPECT_GT(200, n);
	/* the earliest, without a gap, if the network has not kept some back for later */
	if (!over_udp()) {
		EXPECT_EQ(n - 1, last);
		EXPECT_EQ(500 - n, drops(self->rx));
	}
}

/* A queue that was read takes more, as often as one likes. */
TEST_F(dqueue, full_and_read_again)
{
	uint32_t last = 0;
	int i, n, before = 0;

	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUF, 16384));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(300, send_numbers(self->tx, 0, 300, 512));
		n = read_numbers(self->rx, &last);
		ASSERT_LT(10, n) TH_LOG("round %d", i);
		ASSERT_TRUE(over_udp() || last == n - 1)
			TH_LOG("round %d: the last of %d is number %u", i, n, last);
		before += n;
	}
	if (!over_udp())
		EXPECT_EQ(10 * 300 - before, drops(self->rx));
}

/* Reading one makes room for one. */
TEST_F(dqueue, one_out_one_in)
{
	static char buf[4096];
	uint32_t last;
	int i, n;

	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUF, 16384));
	ASSERT_EQ(300, send_numbers(self->tx, 0, 300, 1024));
	/* some are read before there is room, UDP gives it back in batches */
	for (i = 0; i < 8; i++)
		ASSERT_EQ(1024, recv(self->rx, buf, sizeof(buf), MSG_DONTWAIT));
	ASSERT_EQ(2, send_numbers(self->tx, 1000, 2, 1024));
	ASSERT_TRUE(poll_events(self->rx, POLLIN, WAIT_MS) & POLLIN);
	n = read_numbers(self->rx, &last);
	EXPECT_LT(2, n);
	EXPECT_EQ(1001, last);
}

/* Datagrams without bytes fill a queue, too: each takes memory. */
TEST_F(dqueue, full_of_empty_ones)
{
	int i, n = 0;
	char c;

	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUF, 16384));
	for (i = 0; i < 2000; i++)
		ASSERT_EQ(0, send(self->tx, "", 0, MSG_DONTWAIT));
	while (recv(self->rx, &c, 1, MSG_DONTWAIT) == 0)
		n++;
	EXPECT_LT(5, n);
	EXPECT_GT(500, n);
	if (!over_udp())
		EXPECT_EQ(2000 - n, drops(self->rx));
}

/* A larger buffer holds more of them. */
TEST_F(dqueue, buffer_size)
{
	int small, large;

	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUF, 8192));
	ASSERT_EQ(1000, send_numbers(self->tx, 0, 1000, 512));
	small = read_numbers(self->rx, NULL);
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUF, 80000));
	ASSERT_EQ(1000, send_numbers(self->tx, 0, 1000, 512));
	large = read_numbers(self->rx, NULL);
	EXPECT_LT(0, small);
	EXPECT_LT(4 * small, large);
}

/* Even the smallest buffer takes one datagram of the largest size into an empty queue. */
TEST_F(dqueue, one_always_fits)
{
	static char big[DGRAM_MAX];

	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUF, 1));
	if (over_udp())
		SKIP(return, "UDP drops what is larger than the buffer");
	ASSERT_EQ(10, send(self->tx, big, 10, 0));
	EXPECT_EQ(10, recv(self->rx, big, sizeof(big), MSG_DONTWAIT));
}

/* SO_RXQ_OVFL: how many had been lost when this one was queued. */
TEST_F(dqueue, overflow_is_told)
{
	struct inbox in;
	const uint32_t *lost;
	int n;

	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUF, 16384));
	EXPECT_EQ(0, sock_int(self->rx, SOL_SOCKET, SO_RXQ_OVFL));
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RXQ_OVFL, 1));
	EXPECT_EQ(1, sock_int(self->rx, SOL_SOCKET, SO_RXQ_OVFL));
	ASSERT_EQ(300, send_numbers(self->tx, 0, 300, 512));
	/* the ones before the first loss say nothing */
	EXPECT_EQ(sizeof(in.data), inbox_recv(self->rx, &in, 0));
	EXPECT_EQ(NULL, inbox_find(&in, SOL_SOCKET, SO_RXQ_OVFL, 4));
	n = read_numbers(self->rx, NULL) + 1;
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	EXPECT_EQ(1, inbox_recv(self->rx, &in, 0));
	lost = inbox_find(&in, SOL_SOCKET, SO_RXQ_OVFL, 4);
	ASSERT_NE(NULL, lost);
	EXPECT_EQ(over_udp() ? *lost : 300 - n, *lost);
	EXPECT_LT(0, *lost);
}

/* A receiver that closes with a full queue leaves nothing, and others are not hurt. */
TEST_F(dqueue, close_when_full)
{
	int i;

	for (i = 0; i < 10; i++) {
		int fd = dgram_bound(variant->door, 0, 0);
		int from = dgram_dial(variant->door, 0, sock_port(fd));

		ASSERT_EQ(100, send_numbers(from, 0, 100, 4000));
		ASSERT_OK(close(fd));
		close(from);
	}
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	EXPECT_STREQ("x", dgram_text(self->rx));
}

/* --- filters -------------------------------------------------------------------------- */

static int attach(int fd, struct sock_filter *code, int n)
{
	struct sock_fprog prog = { .len = n, .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

#define ATTACH(fd, ...) do {						\
	struct sock_filter code[] = { __VA_ARGS__ };			\
									\
	ASSERT_OK(attach(fd, code, ARRAY_SIZE(code)));			\
} while (0)

TEST_F(dqueue, filter_accepts)
{
	ATTACH(self->rx, BPF_STMT(BPF_RET | BPF_K, 0xffffffff));
	ASSERT_EQ(4, send(self->tx, "abcd", 4, 0));
	EXPECT_STREQ("abcd", dgram_text(self->rx));
}

TEST_F(dqueue, filter_drops)
{
	ATTACH(self->rx, BPF_STMT(BPF_RET | BPF_K, 0));
	ASSERT_EQ(4, send(self->tx, "abcd", 4, 0));
	ASSERT_EQ(4, send(self->tx, "efgh", 4, 0));
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_DETACH_FILTER, 0));
	ASSERT_EQ(4, send(self->tx, "ijkl", 4, 0));
	EXPECT_STREQ("ijkl", dgram_text(self->rx));
	EXPECT_EQ(2, drops(self->rx));
	/* a filter tells the sender nothing */
	EXPECT_EQ(0, sock_error(self->tx));
}

/* What the program returns is how much of header and datagram is left. */
TEST_F(dqueue, filter_truncates)
{
	struct inbox in;

	ATTACH(self->rx, BPF_STMT(BPF_RET | BPF_K, 8 + 3));
	ASSERT_EQ(6, send(self->tx, "abcdef", 6, 0));
	ASSERT_EQ(2, send(self->tx, "gh", 2, 0));
	ASSERT_TRUE(poll_events(self->rx, POLLIN, WAIT_MS) & POLLIN);
	EXPECT_EQ(3, count_pending(self->rx, SIOCINQ));
	EXPECT_EQ(3, inbox_recv(self->rx, &in, MSG_TRUNC));
	EXPECT_STREQ("abc", in.data);
	/* the receiver is not told that there was more */
	EXPECT_EQ(0, in.msg.msg_flags);
	EXPECT_STREQ("gh", dgram_text(self->rx));
}

/* Less than the header: the header stays. */
TEST_F(dqueue, filter_truncates_all)
{
	ATTACH(self->rx, BPF_STMT(BPF_RET | BPF_K, 1));
	ASSERT_EQ(6, send(self->tx, "abcdef", 6, 0));
	ASSERT_TRUE(poll_events(self->rx, POLLIN, WAIT_MS) & POLLIN);
	EXPECT_STREQ("", dgram_text(self->rx));
}

/* A half word of the header or the datagram, at @at, is @value: accept. */
static int attach_half(int fd, int at, int value)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, at),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};

	return attach(fd, code, ARRAY_SIZE(code));
}

/* The program sees a UDP header: source, destination, length. Then the datagram. */
TEST_F(dqueue, filter_sees_header)
{
	int other = dgram_dial(variant->door, 0, sock_port(self->rx));

	ASSERT_OK(attach_half(self->rx, 0, sock_port(self->tx)));
	ASSERT_EQ(5, send(other, "wrong", 5, 0));
	ASSERT_EQ(6, send(self->tx, "source", 6, 0));
	EXPECT_STREQ("source", dgram_text(self->rx));

	ASSERT_OK(attach_half(self->rx, 2, sock_port(self->rx)));
	ASSERT_EQ(4, send(other, "port", 4, 0));
	EXPECT_STREQ("port", dgram_text(self->rx));

	ASSERT_OK(attach_half(self->rx, 4, 8 + 6));
	ASSERT_EQ(5, send(other, "wrong", 5, 0));
	ASSERT_EQ(6, send(other, "length", 6, 0));
	EXPECT_STREQ("length", dgram_text(self->rx));

	ASSERT_OK(attach_half(self->rx, 8, 'd' << 8 | 'a'));
	ASSERT_EQ(5, send(other, "wrong", 5, 0));
	ASSERT_EQ(4, send(other, "data", 4, 0));
	EXPECT_STREQ("data", dgram_text(self->rx));
	EXPECT_TRUE(dgram_empty(self->rx));
	close(other);
}

/* All of a large datagram, and its length. */
TEST_F(dqueue, filter_sees_the_end)
{
	static char big[30000];

	big[29998] = 'e';
	big[29999] = 'n';
	ASSERT_OK(attach_half(self->rx, 8 + 29998, 'e' << 8 | 'n'));
	ASSERT_EQ(30000, send(self->tx, big, 30000, 0));
	/* a load beyond the end drops */
	ASSERT_EQ(10, send(self->tx, big, 10, 0));
	ASSERT_TRUE(poll_events(self->rx, POLLIN, WAIT_MS) & POLLIN);
	EXPECT_EQ(30000, recv(self->rx, big, sizeof(big), MSG_DONTWAIT));
	ATTACH(self->rx, BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
	       BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 8 + 7, 0, 1),
	       BPF_STMT(BPF_RET | BPF_K, 0xffffffff), BPF_STMT(BPF_RET | BPF_K, 0));
	ASSERT_EQ(8, send(self->tx, big, 8, 0));
	ASSERT_EQ(7, send(self->tx, "seventh", 7, 0));
	EXPECT_STREQ("seventh", dgram_text(self->rx));
	EXPECT_TRUE(dgram_empty(self->rx));
}

TEST_F(dqueue, filter_locked)
{
	ATTACH(self->rx, BPF_STMT(BPF_RET | BPF_K, 8 + 2));
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_LOCK_FILTER, 1));
	EXPECT_ERR(EPERM, sock_set(self->rx, SOL_SOCKET, SO_DETACH_FILTER, 0));
	ASSERT_EQ(6, send(self->tx, "abcdef", 6, 0));
	EXPECT_STREQ("ab", dgram_text(self->rx));
}

TEST_F(dqueue, filter_detached)
{
	EXPECT_ERR(ENOENT, sock_set(self->rx, SOL_SOCKET, SO_DETACH_FILTER, 0));
	EXPECT_ERR(EINVAL, attach(self->rx, NULL, 0));
}

/* A program of the newer kind: two instructions that return @verdict. */
static int bpf_return(int verdict)
{
	struct bpf_insn code[2] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = verdict },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insns = (uintptr_t)code,
		.insn_cnt = 2, .license = (uintptr_t)"GPL",
	};

	return syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

TEST_F(dqueue, bpf)
{
	int cut = bpf_return(8 + 2), drop = bpf_return(0);

	if (cut < 0)
		SKIP(return, "no BPF here: %s", strerror(errno));
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_ATTACH_BPF, cut));
	ASSERT_EQ(6, send(self->tx, "abcdef", 6, 0));
	EXPECT_STREQ("ab", dgram_text(self->rx));
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_ATTACH_BPF, drop));
	ASSERT_EQ(6, send(self->tx, "abcdef", 6, 0));
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_DETACH_BPF, 0));
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	EXPECT_STREQ("x", dgram_text(self->rx));
	EXPECT_EQ(1, drops(self->rx));
	close(cut);
	close(drop);
}

/* A program that chooses among those who share the port, by the first byte. */
TEST_F(dqueue, reuseport_program)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, '0'),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(code), .filter = code };
	const struct door *d = variant->door;
	int fd[3], i, from = dgram_socket(d, 0);
	char text[2] = "";

	fd[0] = dgram_share(d, SO_REUSEPORT, 0);
	fd[1] = dgram_share(d, SO_REUSEPORT, sock_port(fd[0]));
	fd[2] = dgram_share(d, SO_REUSEPORT, sock_port(fd[0]));
	ASSERT_OK(setsockopt(fd[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)));
	for (i = 0; i < 12; i++) {
		text[0] = '0' + i % 3;
		ASSERT_EQ(1, dgram_to(from, d, sock_port(fd[0]), text));
		EXPECT_STREQ(text, dgram_text(fd[i % 3]));
	}
	for (i = 0; i < 3; i++) {
		EXPECT_TRUE(dgram_empty(fd[i]));
		close(fd[i]);
	}
	close(from);
}

/* --- newproto's own file -------------------------------------------------------------- */

static char page[65536];

/* The line of a socket in /proc/net/newproto/sockets, found by its inode. */
static bool proc_line(int fd, char type[16], char state[16], unsigned int *in)
{
	unsigned long inode;
	struct stat st;
	char *p, *save;

	if (fstat(fd, &st) ||
	    file_read("/proc/self/net/newproto/sockets", page, sizeof(page)) < 0)
		return false;
	for (p = strtok_r(page, "\n", &save); p; p = strtok_r(NULL, "\n", &save))
		if (sscanf(p, "%15s %15s %u %*u %*s %*s %*u %lu", type, state, in, &inode) == 4 &&
		    inode == st.st_ino)
			return true;
	return false;
}

/* A counter of the namespace. */
static long counter(const char *name)
{
	size_t len = strlen(name);
	char *p;

	if (file_read("/proc/self/net/newproto/counters", page, sizeof(page)) < 0)
		return -1;
	for (p = page; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (!strncmp(p, name, len) && p[len] == ' ')
			return atol(p + len);
	}
	return -1;
}

TEST_F(dqueue, counters)
{
	int fd, n, sv[2];

	if (over_udp())
		SKIP(return, "UDP has another file");
	/* counters that no other test has moved */
	close(self->tx);
	close(self->rx);
	ASSERT_OK(netns_new());
	ASSERT_OK(dgram_pair(variant->door, sv));
	self->tx = sv[0];
	self->rx = sv[1];
	fd = dgram_dial(variant->door, 0, dgram_free_port(variant->door));
	EXPECT_EQ(0, counter("dgram_delivered"));
	EXPECT_EQ(0, counter("dgram_refused"));
	EXPECT_EQ(0, counter("dgram_dropped"));
	EXPECT_EQ(0, counter("dgram_filtered"));
	ASSERT_EQ(1, send(fd, "x", 1, 0));
	EXPECT_EQ(1, counter("dgram_refused"));
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUF, 16384));
	ASSERT_EQ(300, send_numbers(self->tx, 0, 300, 512));
	n = read_numbers(self->rx, NULL);
	EXPECT_EQ(n, counter("dgram_delivered"));
	EXPECT_EQ(300 - n, counter("dgram_dropped"));
	ATTACH(self->rx, BPF_STMT(BPF_RET | BPF_K, 0));
	ASSERT_EQ(1, send(self->tx, "x", 1, 0));
	EXPECT_EQ(1, counter("dgram_filtered"));
	EXPECT_EQ(n, counter("dgram_delivered"));
	close(fd);
}

TEST_F(dqueue, proc)
{
	char type[16] = "", state[16] = "";
	unsigned int in = 4711;
	int fd = dgram_socket(variant->door, 0);

	if (over_udp())
		SKIP(return, "UDP has another file");
	EXPECT_FALSE(proc_line(fd, type, state, &in)) TH_LOG("a socket without a port");
	EXPECT_TRUE(proc_line(self->rx, type, state, &in));
	EXPECT_STREQ("dgram", type);
	EXPECT_STREQ("UNCONN", state);
	EXPECT_EQ(0, in);
	ASSERT_EQ(4, send(self->tx, "abcd", 4, 0));
	EXPECT_TRUE(proc_line(self->rx, type, state, &in));
	EXPECT_NE(0, in);
	EXPECT_TRUE(proc_line(self->tx, type, state, &in));
	EXPECT_STREQ("dgram", type);
	EXPECT_STREQ("ESTAB", state);
	ASSERT_OK(dgram_unspec(self->tx));
	EXPECT_FALSE(proc_line(self->tx, type, state, &in));
	close(fd);
}

TEST_HARNESS_MAIN
