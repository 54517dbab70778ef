// SPDX-License-Identifier: GPL-2.0-only
/*
 * modcycle FILE NAME FAMILY COUNT SECONDS
 *
 * Loads a module and unloads it, COUNT times, and between the two makes sockets at
 * each of its doors, uses them and closes them. Ends earlier when the time is over,
 * but not before each door has had its turn. Says how many times it has, and how long
 * that took; ends with 1 when something failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <kselftest.h>
#include <linux/newproto.h>

#define WAIT_MS		20000
#define ROUNDS_MIN	12

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int fail(const char *what, int round)
{
	printf("# round %d: %s: %s\n", round, what, strerror(errno));
	return -1;
}

/* The last reference may go a moment after close(), by way of RCU. */
static int unload(const char *name)
{
	long long end = now_ms() + WAIT_MS;

	while (syscall(SYS_delete_module, name, O_NONBLOCK)) {
		if (errno != EAGAIN && errno != EBUSY)
			return -1;
		if (now_ms() > end)
			return -1;
		usleep(500);
	}
	return 0;
}

static socklen_t loopback(int domain, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *in6 = (void *)ss;
	struct sockaddr_in *in = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (domain == AF_INET6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_addr = in6addr_loopback;
		return sizeof(*in6);
	}
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sizeof(*in);
}

/* A byte goes through a stream, a record or a datagram; some of it stays unread. */
static int use(int domain, int type, int protocol)
{
	int rx = socket(domain, type, protocol), tx = socket(domain, type, protocol), conn = -1;
	struct sockaddr_storage ss;
	socklen_t len = loopback(domain, &ss);
	char c = 0;
	int ret = -1;

	if (rx < 0 || tx < 0 || bind(rx, (void *)&ss, len) ||
	    getsockname(rx, (void *)&ss, &len) || (type != SOCK_DGRAM && listen(rx, 1)) ||
	    connect(tx, (void *)&ss, len))
		goto out;
	if (type != SOCK_DGRAM) {
		conn = accept(rx, NULL, NULL);
		if (conn < 0)
			goto out;
	}
	if (send(tx, "a", 1, 0) == 1 && send(tx, "b", 1, 0) == 1 &&
	    recv(conn < 0 ? rx : conn, &c, 1, 0) == 1 && c == 'a')
		ret = 0;
out:
	close(conn);
	close(tx);
	close(rx);
	return ret;
}

/* Another door each time. */
static int use_door(int family, int round)
{
	const struct {
		int domain, type, protocol;
	} doors[] = {
		{ family, SOCK_STREAM, 0 }, { AF_INET6, SOCK_DGRAM, IPPROTO_NEWPROTO },
		{ family, SOCK_SEQPACKET, 0 }, { AF_INET, SOCK_STREAM, IPPROTO_NEWPROTO },
		{ family, SOCK_DGRAM, 0 }, { AF_INET6, SOCK_STREAM, IPPROTO_NEWPROTO },
	};
	int i = round % (int)ARRAY_SIZE(doors);

	return use(doors[i].domain, doors[i].type, doors[i].protocol);
}

static int cycle(const void *file, size_t size, const char *name, int family, int round)
{
	if (syscall(SYS_init_module, file, size, ""))
		return fail("loading", round);
	if (use_door(family, round)) {
		fail("sockets", round);
		unload(name);
		return -1;
	}
	return unload(name) ? fail("unloading", round) : 0;
}

int main(int argc, char **argv)
{
	int fd = argc > 5 ? open(argv[1], O_RDONLY) : -1, i, count;
	long long start = now_ms(), limit;
	struct stat st;
	void *file;

	if (fd < 0 || fstat(fd, &st)) {
		fprintf(stderr, "usage: modcycle FILE NAME FAMILY COUNT SECONDS\n");
		return 2;
	}
	file = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		return 2;
	count = atoi(argv[4]);
	limit = atoi(argv[5]) * 1000LL;
	for (i = 0; i < count && (i < ROUNDS_MIN || now_ms() - start < limit); i++)
		if (cycle(file, st.st_size, argv[2], atoi(argv[3]), i))
			return 1;
	printf("# loaded, used and unloaded %d times in %lld ms\n", i, now_ms() - start);
	return 0;
}
