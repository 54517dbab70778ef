// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/net/newproto: sockets and counters of the namespace.
 */
#include <kselftest_harness.h>

#include <sys/stat.h>

#include "scene.h"

#define SOCKETS		"/proc/self/net/newproto/sockets"
#define COUNTERS	"/proc/self/net/newproto/counters"

static char page[262144];

/* Lines of the file of sockets, without the heading. */
static int socket_lines(void)
{
	int n = 0;
	char *p;

	if (file_read(SOCKETS, page, sizeof(page)) < 0)
		return -1;
	for (p = page; (p = strchr(p, '\n')); p++)
		n++;
	return n - 1;
}

struct line {
	char type[16], state[16], local[64], peer[64], path[16];
	unsigned int in, out, uid;
	unsigned long inode;
};

/* The line of this socket; inode numbers are what tells them apart. */
static int socket_line(int fd, struct line *l)
{
	struct stat st;
	char *p, *save;

	if (fstat(fd, &st) || file_read(SOCKETS, page, sizeof(page)) < 0)
		return -1;
	for (p = strtok_r(page, "\n", &save); p; p = strtok_r(NULL, "\n", &save)) {
		if (sscanf(p, "%15s %15s %u %u %63s %63s %u %lu %15s", l->type, l->state, &l->in,
			   &l->out, l->local, l->peer, &l->uid, &l->inode, l->path) == 9 &&
		    l->inode == st.st_ino)
			return 0;
	}
	return -1;
}

static long counter(const char *name)
{
	char *p, *save;

	if (file_read(COUNTERS, page, sizeof(page)) < 0)
		return -1;
	for (p = strtok_r(page, "\n", &save); p; p = strtok_r(NULL, "\n", &save)) {
		size_t len = strcspn(p, " ");

		if (len == strlen(name) && !strncmp(p, name, len))
			return atol(p + len);
	}
	return -1;
}

FIXTURE(proc) {};
DOOR_FIXTURE_ALL(proc);

FIXTURE_SETUP(proc)
{
	if (over_tcp())
		SKIP(_exit(255), "TCP has other files");
	ASSERT_OK(netns_new());
}

FIXTURE_TEARDOWN(proc) {}

TEST_F(proc, heading)
{
	ASSERT_LT(0, file_read(SOCKETS, page, sizeof(page)));
	EXPECT_STREQ("type state recv-q send-q local peer uid inode path\n", page);
}

static void address_text(char *buf, size_t size, const union addr *a)
{
	char ip[INET6_ADDRSTRLEN];

	if (a->sa.sa_family == AF_INET) {
		inet_ntop(AF_INET, &a->in.sin_addr, ip, sizeof(ip));
		snprintf(buf, size, "%s:%d", ip, addr_port(a));
	} else if (IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr)) {
		inet_ntop(AF_INET, &a->in6.sin6_addr.s6_addr[12], ip, sizeof(ip));
		snprintf(buf, size, "%s:%d", ip, addr_port(a));
	} else {
		inet_ntop(AF_INET6, &a->in6.sin6_addr, ip, sizeof(ip));
		snprintf(buf, size, "[%s]:%d", ip, addr_port(a));
	}
}

TEST_F(proc, names_and_queues)
{
	char local[64], peer[64];
	union addr a, b;
	socklen_t alen = sizeof(a), blen = sizeof(b);
	struct scene s;
	struct line l;

	ASSERT_OK(scene_make(&s, variant->door, "unread"));
	ASSERT_OK(getsockname(s.fd, &a.sa, &alen));
	ASSERT_OK(getpeername(s.fd, &b.sa, &blen));
	address_text(local, sizeof(local), &a);
	address_text(peer, sizeof(peer), &b);
	ASSERT_OK(socket_line(s.fd, &l));
	EXPECT_STREQ("stream", l.type);
	EXPECT_STREQ(local, l.local);
	EXPECT_STREQ(peer, l.peer);
	EXPECT_EQ(4, l.in);
	EXPECT_EQ(0, l.out);
	EXPECT_EQ(0, l.uid);
	EXPECT_STREQ(over_nic() ? "direct" : "local", l.path);

	ASSERT_OK(socket_line(s.peer, &l));
	EXPECT_STREQ(peer, l.local);
	EXPECT_STREQ(local, l.peer);
	EXPECT_EQ(0, l.in);
	EXPECT_EQ(4, l.out);
	scene_end(&s);
}

/* Lines come and go with the sockets' ports. */
TEST_F(proc, lines_come_and_go)
{
	int fd = door_socket(variant->door, 0);
	struct scene s;
	struct line l;

	EXPECT_EQ(0, socket_lines());
	EXPECT_EQ(-1, socket_line(fd, &l));
	close(fd);
	fd = door_bound(variant->door, 0, 0);
	EXPECT_EQ(1, socket_lines());
	EXPECT_EQ(0, socket_line(fd, &l));
	close(fd);
	EXPECT_EQ(0, socket_lines());

	ASSERT_OK(scene_make(&s, variant->door, "connected"));
	EXPECT_EQ(3, socket_lines());
	close(s.lsn);
	s.lsn = -1;
	EXPECT_EQ(2, socket_lines());
	scene_end(&s);
	EXPECT_EQ(0, socket_lines());
}

TEST_F(proc, states)
{
	static const char *const names[] = {
		"bound", "listening", "connecting", "connected", "shut-wr", "peer-shut-wr",
	};
	char seen[ARRAY_SIZE(names)][16];
	struct scene s;
	struct line l;
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		ASSERT_OK(scene_make(&s, variant->door, names[i]));
		ASSERT_EQ(0, socket_line(s.fd, &l)) TH_LOG("%s", names[i]);
		snprintf(seen[i], sizeof(seen[i]), "%s", l.state);
		for (k = 0; k < i; k++)
			EXPECT_STRNE(seen[k], seen[i]) TH_LOG("%s, %s", names[k], names[i]);
		scene_end(&s);
	}
}

#define PIECES_MANY	150	/* lines of several buffers of the file */

/* How often is a socket in the page? */
static int lines_of(int fd)
{
	char inode[32];
	struct stat st;
	int n = 0;
	char *p;

	if (fstat(fd, &st))
		return -1;
	snprintf(inode, sizeof(inode), " %lu ", (unsigned long)st.st_ino);
	for (p = page; (p = strstr(p, inode)); p++)
		n++;
	return n;
}

/* Sockets that come and go while the file is read, from one read() to the next. */
static int turn_over(const struct door *d, int fd[20])
{
	int i;

	for (i = 0; i < 20; i++) {
		if (fd[i] > 0)
			close(fd[i]);
		fd[i] = door_bound(d, 0, 0);
		if (fd[i] < 0)
			return -1;
	}
	return 0;
}

/* Those who are there all the time are there once, however the file is read. */
TEST_F(proc, read_in_pieces)
{
	int fd[PIECES_MANY], other[20] = { }, file, i, round;
	ssize_t n, len;

	for (i = 0; i < PIECES_MANY; i++) {
		fd[i] = door_bound(variant->door, 0, 0);
		ASSERT_OK(fd[i]);
	}
	for (round = 0; round < 2 * test_scale(); round++) {
		file = open(SOCKETS, O_RDONLY | O_CLOEXEC);
		ASSERT_OK(file);
		for (len = 0; (n = read(file, page + len, 1500)) > 0; len += n)
			ASSERT_OK(turn_over(variant->door, other));
		ASSERT_EQ(0, n);
		page[len] = '\0';
		close(file);
		for (i = 0; i < PIECES_MANY; i++)
			ASSERT_EQ(1, lines_of(fd[i])) TH_LOG("round %d, socket %d", round, i);
	}
	for (i = 0; i < PIECES_MANY; i++)
		close(fd[i]);
	for (i = 0; i < 20; i++)
		close(other[i]);
}

/* recv-q and send-q of a listener: how many are pending, how many may be. */
TEST_F(proc, listener_queues)
{
	int fd[3], i, lsn = door_listener(variant->door, 7);
	struct line l;

	for (i = 0; i < 3; i++)
		fd[i] = door_dial(variant->door, 0, sock_port(lsn));
	ASSERT_OK(socket_line(lsn, &l));
	EXPECT_EQ(3, l.in);
	EXPECT_EQ(7, l.out);
	close(accept(lsn, NULL, NULL));
	ASSERT_OK(socket_line(lsn, &l));
	EXPECT_EQ(2, l.in);
	for (i = 0; i < 3; i++)
		close(fd[i]);
	close(lsn);
}

TEST_F(proc, uid)
{
	struct line l;
	int status, fd;
	pid_t pid = fork();

	ASSERT_OK(pid);
	if (!pid) {
		if (setuid(1234))
			_exit(1);
		fd = door_bound(variant->door, 0, 0);
		_exit(socket_line(fd, &l) || l.uid != 1234 ? 2 : 0);
	}
	ASSERT_OK(wait_child(pid, &status));
	EXPECT_EQ(0, status);
}

/* More sockets than one read() takes, each on one line, once. */
TEST_F(proc, many)
{
	enum { MANY = 600 };
	static int fd[MANY];
	struct line l;
	int i;

	for (i = 0; i < MANY; i++) {
		fd[i] = door_bound(variant->door, 0, 0);
		ASSERT_OK(fd[i]);
	}
	EXPECT_EQ(MANY, socket_lines());
	EXPECT_OK(socket_line(fd[0], &l));
	EXPECT_OK(socket_line(fd[MANY - 1], &l));
	for (i = 0; i < MANY; i++)
		close(fd[i]);
	EXPECT_EQ(0, socket_lines());
}

TEST_F(proc, other_namespaces_are_not_shown)
{
	int fd = door_bound(variant->door, 0, 0);
	struct line l;

	EXPECT_OK(socket_line(fd, &l));
	ASSERT_OK(netns_new());
	EXPECT_EQ(0, socket_lines());
	EXPECT_EQ(0, counter("connected"));
	close(fd);
}

/* What each event counts, in a namespace that begins at nothing. */
static const struct {
	const char *state;	/* a scene that makes the event */
	const char *counter;
	long count;
} events[] = {
	{ "connected", "connected", 1 },
	{ "connected", "accepted", 1 },
	{ "connected", "refused", 0 },
	{ "pending", "accepted", 0 },
	{ "connecting", "waited", 1 },
	{ "connecting", "connected", 1 },
	{ "refused", "turned_away", 2 },
	{ "listener-gone", "turned_away", 1 },
	{ "reset", "reset", 1 },
};

TEST_F(proc, counters)
{
	struct scene s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		ASSERT_OK(netns_new());
		EXPECT_EQ(0, counter(events[i].counter)) TH_LOG("%s", events[i].counter);
		ASSERT_OK(scene_make(&s, variant->door, events[i].state));
		EXPECT_EQ(events[i].count, counter(events[i].counter))
			TH_LOG("%s after %s", events[i].counter, events[i].state);
		scene_end(&s);
	}
}

TEST_F(proc, failures_are_counted)
{
	union addr a;
	socklen_t len = door_addr(variant->door, &a, "198.51.100.1", "2001:db8::9", 9);
	int fd = door_socket(variant->door, 0);

	EXPECT_ERR(over_nic() ? EHOSTUNREACH : ENETUNREACH, connect(fd, &a.sa, len));
	EXPECT_EQ(1, counter("unreachable"));
	len = door_loop(variant->door, &a, door_free_port(variant->door));
	EXPECT_ERR(ECONNREFUSED, connect(fd, &a.sa, len));
	EXPECT_EQ(1, counter("refused"));
	close(fd);
}

/* No buffer before there are bytes, and none a second after they were read. */
TEST_F(proc, buffers_come_and_go)
{
	int64_t end;
	struct scene s;
	long sent;

	SKIP_OVER_NIC("its buffers are the fabric's");
	ASSERT_OK(scene_make(&s, variant->door, "connected"));
	EXPECT_EQ(0, counter("buffer_bytes"));
	sent = fill_socket(s.fd, 0);
	ASSERT_LT(0, sent);
	EXPECT_LE(sent, counter("buffer_bytes"));
	ASSERT_EQ(sent, drain_socket(s.peer, 0, sent));
	end = now_ms() + WAIT_MS;
	while (counter("buffer_bytes") && now_ms() < end)
		poll(NULL, 0, 50);
	EXPECT_EQ(0, counter("buffer_bytes"));
	/* and the stream goes on */
	EXPECT_EQ(1, send(s.fd, "x", 1, 0));
	EXPECT_LT(0, counter("buffer_bytes"));
	scene_end(&s);
	EXPECT_EQ(0, counter("buffer_bytes"));
}

TEST_HARNESS_MAIN
