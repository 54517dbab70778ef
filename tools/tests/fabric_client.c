// SPDX-License-Identifier: GPL-2.0-only
/*
 * fabric_client SOCKET SCENARIO [ARGUMENT]: what QEMU's end of a fabric server's socket sees.
 *
 * Each scenario is one or more clients of a server that has no others. It says what is
 * wrong and exits with 1, or is silent and exits with 0.
 */
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../drivers/net/newproto/layout.h"

#define WAIT_MS		5000
#define QUIET_MS	50
#define VECTORS_MAX	(NPNIC_VEC_QUEUE + NPNIC_QUEUES_MAX)

#define fail(...)	errx(1, __VA_ARGS__)
#define check(what)	((what) ? (void)0 : fail("line %d: not so: %s", __LINE__, #what))

struct member {
	int fd;
	int64_t id;
	int memfd;
	void *mem;
	struct npnic_layout l;
	unsigned int vectors;
	int bell[VECTORS_MAX];		/* its own */
	int first_bell[VECTORS_MAX];	/* of the first other one */
};

static const char *path;

static int connect_raw(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		err(1, "connect");
	return fd;
}

static bool readable(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, ms) > 0;
}

/* One message: 1, or 0 at the end. *fd is -1 if there is none. */
static int receive(int sock, int64_t *value, int *fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec iov = { value, sizeof(*value) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *c;
	ssize_t n;

	*fd = -1;
	if (!readable(sock, WAIT_MS))
		fail("no message within %d ms", WAIT_MS);
	n = recvmsg(sock, &msg, MSG_WAITALL | MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return 0;
	if (n != sizeof(*value))
		fail("a message of %zd bytes", n);
	*value = le64toh(*value);
	c = CMSG_FIRSTHDR(&msg);
	if (c) {
		check(c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)));
		memcpy(fd, CMSG_DATA(c), sizeof(int));
	}
	return 1;
}

static void must_receive(int sock, int64_t *value, int *fd)
{
	if (!receive(sock, value, fd))
		fail("the server has closed the connection");
}

static void expect_end(int sock)
{
	int64_t value;
	int fd;

	if (receive(sock, &value, &fd))
		fail("message %lld instead of the connection's end", (long long)value);
	close(sock);
}

static void expect_quiet(const struct member *m)
{
	check(!readable(m->fd, QUIET_MS));
}

static bool is_file(int fd, const char *kind)
{
	char link[64], name[128] = "";

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	check(readlink(link, name, sizeof(name) - 1) > 0);
	return strstr(name, kind);
}

/* The messages that announce @id: one for each vector, each with an eventfd of its own. */
static void expect_join(struct member *m, int64_t id, int *bells)
{
	unsigned int i;
	int64_t value;
	int fd;

	for (i = 0; i < m->vectors; i++) {
		must_receive(m->fd, &value, &fd);
		if (value != id || fd < 0)
			fail("%lld %s a file instead of peer %lld, vector %u", (long long)value,
			     fd < 0 ? "without" : "with", (long long)id, i);
		check(is_file(fd, "[eventfd]"));
		if (bells)
			bells[i] = fd;
		else
			close(fd);
	}
}

static void expect_leave(struct member *m, int64_t id)
{
	int64_t value;
	int fd;

	must_receive(m->fd, &value, &fd);
	if (value != id || fd >= 0)
		fail("%lld %s a file instead of %lld having left", (long long)value,
		     fd < 0 ? "without" : "with", (long long)id);
}

static void map_memory(struct member *m)
{
	struct stat st;

	check(is_file(m->memfd, "memfd:"));
	check(!fstat(m->memfd, &st));
	m->mem = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, m->memfd, 0);
	check(m->mem != MAP_FAILED);
	check(npnic_layout_read(&m->l, m->mem, st.st_size) == NPNIC_OK);
	m->vectors = NPNIC_VEC_QUEUE + m->l.queues;
}

/* A client, after what it is told of itself. @others are in the order of their slots. */
static void join(struct member *m, const int64_t *others, unsigned int nr)
{
	int64_t value;
	unsigned int i;
	int fd;

	m->fd = connect_raw();
	must_receive(m->fd, &value, &fd);
	check(value == 0 && fd < 0);
	must_receive(m->fd, &m->id, &fd);
	check(m->id >= 0 && m->id < 65535 && fd < 0);
	must_receive(m->fd, &value, &m->memfd);
	check(value == -1 && m->memfd >= 0);
	map_memory(m);
	for (i = 0; i < nr; i++)
		expect_join(m, others[i], i ? NULL : m->first_bell);
	expect_join(m, m->id, m->bell);
}

static void part(struct member *m)
{
	unsigned int i;

	for (i = 0; i < m->vectors; i++)
		close(m->bell[i]);
	munmap(m->mem, m->l.size);
	close(m->memfd);
	close(m->fd);
}

static uint32_t board_count(const struct member *m)
{
	/* Before what it counts is looked at. */
	return le32_to_cpu(virt_load_acquire(&npnic_board(&m->l, m->mem)->count));
}

static void expect_slot(const struct member *m, unsigned int slot, uint32_t state, int64_t id)
{
	const struct npnic_board *board = npnic_board(&m->l, m->mem);
	/* Before whose it is. */
	uint32_t now = le32_to_cpu(virt_load_acquire(&board->slot[slot].state));
	uint32_t peer = le32_to_cpu(board->slot[slot].peer_id);

	if (now != state || peer != id)
		fail("slot %u: state %u for %u, peer %u for %lld", slot, now, state, peer,
		     (long long)id);
}

static uint64_t rung(int fd)
{
	uint64_t times = 0;

	if (readable(fd, WAIT_MS))
		check(read(fd, &times, sizeof(times)) == sizeof(times));
	return times;
}

static void expect_rung(const struct member *m, unsigned int vector)
{
	unsigned int i;

	if (!rung(m->bell[vector]))
		fail("vector %u is not rung", vector);
	for (i = 0; i < m->vectors; i++)
		if (readable(m->bell[i], 0))
			fail("vector %u is rung", i);
}

/* --- scenarios --- */

static void order(void)
{
	struct member a, b, c;
	unsigned int i;

	join(&a, NULL, 0);
	expect_slot(&a, 0, NPNIC_BOARD_LIVE, a.id);
	expect_slot(&a, 1, NPNIC_BOARD_FREE, 0);
	check(board_count(&a) == 1);
	join(&b, &a.id, 1);
	expect_slot(&a, 1, NPNIC_BOARD_LIVE, b.id);
	join(&c, (int64_t[]){ a.id, b.id }, 2);
	expect_slot(&a, 2, NPNIC_BOARD_LIVE, c.id);
	check(b.id == a.id + 1 && c.id == a.id + 2);
	check(board_count(&a) == 3);
	expect_join(&a, b.id, NULL);
	expect_join(&a, c.id, a.first_bell);
	expect_join(&b, c.id, NULL);

	/* A bell of one is the same vector's bell of the other. */
	for (i = 0; i < a.vectors; i++) {
		check(!eventfd_write(c.first_bell[i], 1));
		expect_rung(&a, i);
		check(!eventfd_write(a.first_bell[i], 1));
		expect_rung(&c, i);
	}
	expect_quiet(&a);
	expect_quiet(&c);

	part(&b);
	expect_leave(&a, b.id);
	expect_leave(&c, b.id);
	expect_rung(&a, NPNIC_VEC_BOARD);
	expect_rung(&c, NPNIC_VEC_BOARD);
	expect_slot(&a, 1, NPNIC_BOARD_DEAD, b.id);
	check(board_count(&a) == 4);
}

/* It is the same memory, and nobody can change its size. */
static void memory(void)
{
	struct member a, b;
	struct stat sa, sb;
	unsigned int i;

	join(&a, NULL, 0);
	join(&b, &a.id, 1);
	check(!fstat(a.memfd, &sa) && !fstat(b.memfd, &sb) && sa.st_ino == sb.st_ino);
	check((uint64_t)sa.st_size == a.l.size && !(a.l.size & (a.l.size - 1)));
	check(ftruncate(a.memfd, 0) && errno == EPERM);
	check(ftruncate(a.memfd, 2 * sa.st_size) && errno == EPERM);
	check(fcntl(a.memfd, F_ADD_SEALS, F_SEAL_WRITE) && errno == EPERM);
	((char *)a.mem)[a.l.size - 1] = 7;
	check(((char *)b.mem)[b.l.size - 1] == 7);
	for (i = 0; i < 16 && !a.l.fabric[i]; i++)
		;
	check(i < 16);
}

static void reuse(void)
{
	struct member a, b, c;
	int64_t old;

	join(&a, NULL, 0);
	join(&b, &a.id, 1);
	expect_join(&a, b.id, NULL);
	old = a.id;
	part(&a);
	expect_leave(&b, old);
	join(&c, &b.id, 1);
	check(c.id == b.id + 1);
	expect_slot(&b, 0, NPNIC_BOARD_LIVE, c.id);
	expect_join(&b, c.id, NULL);
	check(board_count(&b) == 4);
}

static void many(unsigned int times)
{
	struct member keeper, m;
	int64_t last;

	join(&keeper, NULL, 0);
	for (last = keeper.id; times--; last = m.id) {
		join(&m, &keeper.id, 1);
		check(m.id == last + 1);
		expect_slot(&keeper, 1, NPNIC_BOARD_LIVE, m.id);
		close(m.first_bell[0]);
		for (unsigned int i = 1; i < m.vectors; i++)
			close(m.first_bell[i]);
		expect_join(&keeper, m.id, NULL);
		part(&m);
		expect_leave(&keeper, m.id);
		expect_slot(&keeper, 1, NPNIC_BOARD_DEAD, m.id);
	}
}

/* Gone after any number of bytes. Whether the others were told of it depends on the time. */
static void midway(void)
{
	struct member keeper, m;
	unsigned int i, n;
	char some[64];
	int64_t value;
	ssize_t got;
	int fd;

	join(&keeper, NULL, 0);
	for (i = 1; i <= sizeof(some); i++) {
		fd = connect_raw();
		/* It never waits for what is behind a file descriptor. */
		for (n = 0; n < i; n += got) {
			got = recv(fd, some + n, i - n, 0);
			check(got > 0);
		}
		close(fd);
		do {
			must_receive(keeper.fd, &value, &fd);
			close(fd);
		} while (fd >= 0);
		check(value == keeper.id + i);
	}
	for (i = 0; i < 100; i++)
		close(connect_raw());
	join(&m, &keeper.id, 1);
	check(m.id > keeper.id);
}

/* It has no say: whatever it sends is its end. */
static void talk(void)
{
	struct member keeper, m;

	join(&keeper, NULL, 0);
	join(&m, &keeper.id, 1);
	expect_join(&keeper, m.id, NULL);
	check(send(m.fd, "1234", 4, 0) == 4);
	expect_leave(&keeper, m.id);
	join(&m, &keeper.id, 1);
	expect_join(&keeper, m.id, NULL);
	check(!shutdown(m.fd, SHUT_WR));
	expect_leave(&keeper, m.id);
}

/* A process that is killed: the others know within a second. */
static void killed(void)
{
	struct member keeper, m;
	struct timespec t0, t1;
	int64_t id = -1;
	int fd[2];
	pid_t pid;

	join(&keeper, NULL, 0);
	check(!pipe(fd));
	pid = fork();
	if (!pid) {
		join(&m, &keeper.id, 1);
		check(write(fd[1], &m.id, sizeof(m.id)) == sizeof(m.id));
		pause();
		_exit(0);
	}
	check(read(fd[0], &id, sizeof(id)) == sizeof(id));
	expect_join(&keeper, id, NULL);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	expect_rung(&keeper, NPNIC_VEC_BOARD);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	expect_slot(&keeper, 1, NPNIC_BOARD_DEAD, id);
	check((t1.tv_sec - t0.tv_sec) * 1000 + (t1.tv_nsec - t0.tv_nsec) / 1000000 < 1000);
}

/* More than a socket's buffer takes waits for @m, without its reading. */
static unsigned int come_and_go(struct member *keeper, int64_t other, unsigned int times)
{
	int64_t others[2] = { keeper->id, other };
	struct member m;
	unsigned int i, n;

	for (n = 0; n < times; n++) {
		join(&m, others, 2);
		for (i = 0; i < m.vectors; i++)
			close(m.first_bell[i]);
		expect_join(keeper, m.id, NULL);
		part(&m);
		expect_leave(keeper, m.id);
	}
	return n;
}

/* One that is late gets all in order; one that never reads is dropped, after @seconds. */
static void deaf(unsigned int seconds)
{
	struct member keeper, m;
	time_t start;
	int64_t id;
	unsigned int n;

	join(&keeper, NULL, 0);
	join(&m, &keeper.id, 1);
	expect_join(&keeper, m.id, NULL);
	n = come_and_go(&keeper, m.id, 100);
	for (id = m.id + 1; n--; id++) {
		expect_join(&m, id, NULL);
		expect_leave(&m, id);
	}
	expect_quiet(&m);

	come_and_go(&keeper, m.id, 100);
	start = time(NULL);
	expect_leave(&keeper, m.id);
	check(time(NULL) - start <= (time_t)seconds + 1);
	expect_slot(&keeper, 1, NPNIC_BOARD_DEAD, m.id);
}

/* More messages than the server keeps for one: it is dropped without having been waited for. */
static void behind(void)
{
	struct member keeper, m;
	unsigned int times = 0;
	int64_t value = -1;
	int fd, other;

	join(&keeper, NULL, 0);
	join(&m, &keeper.id, 1);
	expect_join(&keeper, m.id, NULL);
	while (value != m.id) {
		check(times++ < 5000);
		other = connect_raw();
		must_receive(other, &value, &fd);
		close(other);
		do {
			must_receive(keeper.fd, &value, &fd);
			close(fd);
		} while (fd >= 0);
	}
}

static void full(unsigned int slots)
{
	struct member m[NPNIC_SLOTS_MAX], late;
	int64_t ids[NPNIC_SLOTS_MAX];
	unsigned int i, k;

	for (i = 0; i < slots; i++) {
		join(&m[i], ids, i);
		ids[i] = m[i].id;
		expect_slot(&m[0], i, NPNIC_BOARD_LIVE, ids[i]);
		for (k = 0; k < i; k++)
			expect_join(&m[k], m[i].id, NULL);
	}
	expect_end(connect_raw());
	expect_quiet(&m[0]);
	part(&m[1]);
	expect_leave(&m[0], ids[1]);
	ids[1] = ids[0];
	join(&late, ids + 1, slots - 1);
	check(late.id == ids[slots - 1] + 1 || slots == 2);
	expect_slot(&m[0], 1, NPNIC_BOARD_LIVE, late.id);
}

static void last_id(void)
{
	struct member a, b;

	join(&a, NULL, 0);
	join(&b, &a.id, 1);
	check(b.id == 65534);
	expect_join(&a, b.id, NULL);
	expect_end(connect_raw());
	part(&b);
	expect_leave(&a, 65534);
	expect_end(connect_raw());
	expect_quiet(&a);
}

/* The server has files for one client, and not for another. */
static void few_files(void)
{
	struct member a;

	join(&a, NULL, 0);
	expect_end(connect_raw());
	expect_end(connect_raw());
	expect_quiet(&a);
	check(board_count(&a) == 1);
}

/* A bell that would block whoever rings it. */
static void full_bell(void)
{
	struct member a, b;

	join(&a, NULL, 0);
	join(&b, &a.id, 1);
	expect_join(&a, b.id, NULL);
	check(!eventfd_write(a.bell[NPNIC_VEC_BOARD], 0xfffffffffffffffeULL));
	check(!fcntl(a.bell[NPNIC_VEC_BOARD], F_SETFL, O_RDWR));
	part(&b);
	expect_leave(&a, b.id);
	join(&b, &a.id, 1);
}

/* Connected until its standard input ends. */
static void stay(void)
{
	struct member m;
	char byte;

	join(&m, NULL, 0);
	puts("joined");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
}

/* What a member should not have written to is put right, and all are told. */
static void scribble(void)
{
	struct npnic_layout l;
	struct member a, b;
	unsigned int i;

	join(&a, NULL, 0);
	join(&b, &a.id, 1);
	for (i = 0; i < 3; i++) {
		if (i != 1)
			memset(a.mem, 0xa5, sizeof(struct npnic_head));
		if (i != 0)
			memset(npnic_board(&a.l, a.mem), 0x5a, sizeof(struct npnic_board));
		expect_rung(&a, NPNIC_VEC_BOARD);
		expect_rung(&b, NPNIC_VEC_BOARD);
		check(npnic_layout_read(&l, b.mem, b.l.size) == NPNIC_OK);
		check(!memcmp(&l, &b.l, sizeof(l)));
		expect_slot(&b, 0, NPNIC_BOARD_LIVE, a.id);
		expect_slot(&b, 1, NPNIC_BOARD_LIVE, b.id);
		expect_slot(&b, 2, NPNIC_BOARD_FREE, 0);
	}
	part(&a);
	part(&b);
}

/* Connected until the server ends. */
static void until_end(void)
{
	struct member m;

	join(&m, NULL, 0);
	puts("joined");
	fflush(stdout);
	expect_end(m.fd);
}

int main(int argc, char *argv[])
{
	static const struct {
		const char *name;
		void (*run)(void);
		void (*run_with)(unsigned int n);
	} scenarios[] = {
		{ "order", .run = order },
		{ "memory", .run = memory },
		{ "reuse", .run = reuse },
		{ "midway", .run = midway },
		{ "talk", .run = talk },
		{ "killed", .run = killed },
		{ "behind", .run = behind },
		{ "last-id", .run = last_id },
		{ "few-files", .run = few_files },
		{ "full-bell", .run = full_bell },
		{ "scribble", .run = scribble },
		{ "stay", .run = stay },
		{ "until-end", .run = until_end },
		{ "many", .run_with = many },
		{ "deaf", .run_with = deaf },
		{ "full", .run_with = full },
	};
	unsigned int i;

	if (argc < 3)
		fail("usage: %s SOCKET SCENARIO [NUMBER]", argv[0]);
	path = argv[1];
	alarm(120);
	for (i = 0; i < ARRAY_SIZE(scenarios); i++) {
		if (strcmp(argv[2], scenarios[i].name))
			continue;
		if (scenarios[i].run)
			scenarios[i].run();
		else
			scenarios[i].run_with(argc > 3 ? atoi(argv[3]) : 0);
		return 0;
	}
	fail("no scenario %s", argv[2]);
}
