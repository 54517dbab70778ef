// SPDX-License-Identifier: GPL-2.0-only
/*
 * socket_probe: what a program sees of socket() under newproto_run.
 *
 *   sockets     every kind of socket(), against what this kernel has; TAP
 *   passed      every kind again: how many came to scripted_socket.so otherwise than they should
 *   answer      one TCP socket: prints its protocol or the errno, the calls and the last protocol
 *               that came to scripted_socket.so, and whether errno was left alone
 *   twice       two TCP sockets at once: how many calls came through
 *   signals     socket() from threads and from a signal handler at the same time
 */
#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <linux/newproto.h>

#define ERRNO_MARK	1234	/* no errno of any call */
#define BOTH_FLAGS	(SOCK_CLOEXEC | SOCK_NONBLOCK)
#define THREADS		4
#define ROUNDS		2000

struct kind {
	int domain;
	int type;
	int protocol;
	bool mapped;		/* becomes IPPROTO_NEWPROTO if the family is there */
	int plain;		/* SO_PROTOCOL otherwise */
	const char *name;
};

static const struct kind kinds[] = {
	{ AF_INET, SOCK_STREAM, 0, true, IPPROTO_TCP, "IPv4 stream" },
	{ AF_INET, SOCK_STREAM, IPPROTO_TCP, true, IPPROTO_TCP, "IPv4 stream, TCP by name" },
	{ AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, true, IPPROTO_TCP, "IPv4, nonblocking" },
	{ AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0, true, IPPROTO_TCP, "IPv4, close-on-exec" },
	{ AF_INET, SOCK_STREAM | BOTH_FLAGS, 0, true, IPPROTO_TCP, "IPv4, both" },
	{ AF_INET6, SOCK_STREAM, 0, true, IPPROTO_TCP, "IPv6 stream" },
	{ AF_INET6, SOCK_STREAM, IPPROTO_TCP, true, IPPROTO_TCP, "IPv6 stream, TCP by name" },
	{ AF_INET6, SOCK_STREAM | BOTH_FLAGS, 0, true, IPPROTO_TCP, "IPv6, both" },
	{ AF_INET, SOCK_DGRAM, 0, false, IPPROTO_UDP, "IPv4 datagrams" },
	{ AF_INET6, SOCK_DGRAM, IPPROTO_UDP, false, IPPROTO_UDP, "IPv6 datagrams" },
	{ AF_UNIX, SOCK_STREAM, 0, false, 0, "unix stream" },
	{ AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, false, 0, "unix datagrams" },
	{ AF_NETLINK, SOCK_RAW, 0, false, 0, "netlink" },
	/* Nobody has these: the answers must be the kernel's, and so must errno. */
	{ AF_INET, SOCK_STREAM, 250, false, 0, "unknown protocol" },
	{ AF_INET, SOCK_STREAM, -1, false, 0, "negative protocol" },
	{ AF_INET, SOCK_SEQPACKET, IPPROTO_TCP, false, 0, "TCP of another type" },
	{ AF_INET, 9, 0, false, 0, "unknown type" },
	{ AF_INET, SOCK_STREAM | 0x100, 0, false, 0, "unknown flag" },
	{ 999, SOCK_STREAM, 0, false, 0, "unknown family" },
	{ }
};

static int protocol_of(int fd)
{
	socklen_t len = sizeof(int);
	int protocol = -1;

	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len))
		err(1, "SO_PROTOCOL");
	return protocol;
}

/* The kernel's own answer, by way of no library. Returns the socket or -errno. */
static int raw_socket(int domain, int type, int protocol)
{
	int fd = syscall(SYS_socket, domain, type, protocol);

	return fd < 0 ? -errno : fd;
}

/* What socket() should give: SO_PROTOCOL, or -errno. */
static int expected(const struct kind *kind)
{
	int protocol = kind->protocol, fd = -1, said;

	if (kind->mapped)
		fd = raw_socket(kind->domain, kind->type, IPPROTO_NEWPROTO);
	if (fd < 0)
		fd = raw_socket(kind->domain, kind->type, protocol);
	if (fd < 0)
		return fd;
	said = protocol_of(fd);
	close(fd);
	return said;
}

static bool flags_agree(int fd, int type)
{
	int status = fcntl(fd, F_GETFL), descriptor = fcntl(fd, F_GETFD);

	return !!(status & O_NONBLOCK) == !!(type & SOCK_NONBLOCK) &&
	       !!(descriptor & FD_CLOEXEC) == !!(type & SOCK_CLOEXEC);
}

static int probe_kind(unsigned int number, const struct kind *kind)
{
	int want = expected(kind), got, error, fd;
	bool flags = true;

	errno = ERRNO_MARK;
	fd = socket(kind->domain, kind->type, kind->protocol);
	error = errno;
	got = -error;
	if (fd >= 0) {
		got = protocol_of(fd);
		flags = flags_agree(fd, kind->type);
		close(fd);
	}
	if (fd >= 0 && error != ERRNO_MARK) {
		printf("not ok %u - %s: a call that succeeded set errno\n", number, kind->name);
		return 1;
	}
	if (got != want || !flags) {
		printf("not ok %u - %s: %d where %d was due, flags %s\n", number, kind->name, got,
		       want, flags ? "right" : "wrong");
		return 1;
	}
	if (fd < 0)
		printf("ok %u - %s: %s\n", number, kind->name, strerror(error));
	else
		printf("ok %u - %s: protocol %d\n", number, kind->name, got);
	return 0;
}

static int sockets(void)
{
	unsigned int count = 0;
	int failed = 0;

	for (const struct kind *kind = kinds; kind->name; kind++)
		failed += probe_kind(++count, kind);
	printf("1..%u\n", count);
	return failed ? 1 : 0;
}

/* scripted_socket.so's counters; NULL without it. */
static const int *scripted(const char *name)
{
	return dlsym(RTLD_DEFAULT, name);
}

static int passed(void)
{
	const int *calls = scripted("scripted_calls"), *domain = scripted("scripted_domain");
	const int *type = scripted("scripted_type"), *protocol = scripted("scripted_protocol");
	int wrong = 0, before, want, fd;

	if (!calls || !domain || !type || !protocol)
		errx(1, "not under scripted_socket.so");
	for (const struct kind *kind = kinds; kind->name; kind++) {
		want = kind->mapped ? IPPROTO_NEWPROTO : kind->protocol;
		before = *calls;
		fd = socket(kind->domain, kind->type, kind->protocol);
		if (*calls != before + 1 || *domain != kind->domain || *type != kind->type ||
		    *protocol != want) {
			printf("%s: %d calls, last (%d, %#x, %d)\n", kind->name, *calls - before,
			       *domain, *type, *protocol);
			wrong++;
		}
		if (fd >= 0)
			close(fd);
	}
	printf("wrong %d\n", wrong);
	return wrong ? 1 : 0;
}

static int answer(void)
{
	const int *calls = scripted("scripted_calls"), *last = scripted("scripted_protocol");
	int fd, error;

	errno = ERRNO_MARK;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	error = errno;
	if (fd >= 0)
		printf("protocol %d", protocol_of(fd));
	else
		printf("errno %d", error);
	if (calls && last)
		printf(" calls %d last %d", *calls, *last);
	puts(fd >= 0 && error != ERRNO_MARK ? " errno changed" : "");
	return 0;
}

/* Both in the same second of the clock that the library reads, or it is tried again. */
static int twice(void)
{
	const int *calls = scripted("scripted_calls");
	struct timespec before, after;
	int first;

	if (!calls)
		errx(1, "not under scripted_socket.so");
	for (int tries = 0; tries < 5; tries++) {
		clock_gettime(CLOCK_MONOTONIC_COARSE, &before);
		close(socket(AF_INET, SOCK_STREAM, 0));
		first = *calls;
		close(socket(AF_INET, SOCK_STREAM, 0));
		clock_gettime(CLOCK_MONOTONIC_COARSE, &after);
		if (before.tv_sec == after.tv_sec) {
			printf("calls %d\n", *calls - first);
			return 0;
		}
	}
	errx(1, "the second ended between two calls five times");
}

static atomic_int sockets_made, sockets_failed;

static void make_one(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		atomic_fetch_add(&sockets_failed, 1);
		return;
	}
	close(fd);
	atomic_fetch_add(&sockets_made, 1);
}

static void on_alarm(int number)
{
	int before = errno;

	(void)number;
	make_one();
	errno = before;
}

static void *make_many(void *arg)
{
	for (int i = 0; i < ROUNDS; i++)
		make_one();
	return arg;
}

static int signals(void)
{
	const struct itimerval often = { .it_interval.tv_usec = 200, .it_value.tv_usec = 200 };
	const struct itimerval never = { };
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	pthread_t threads[THREADS];
	size_t before, after;
	int error;

	if (sigaction(SIGALRM, &action, NULL) || setitimer(ITIMER_REAL, &often, NULL))
		err(1, "timer");
	for (int i = 0; i < THREADS; i++) {
		error = pthread_create(&threads[i], NULL, make_many, NULL);
		if (error)
			errx(1, "thread: %s", strerror(error));
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	before = mallinfo2().uordblks;
	make_many(NULL);
	after = mallinfo2().uordblks;
	setitimer(ITIMER_REAL, &never, NULL);
	printf("failed %d, short %d, allocated %zu\n", sockets_failed,
	       sockets_made < (THREADS + 1) * ROUNDS, after - before);
	return 0;
}

int main(int argc, char *argv[])
{
	if (argc == 2 && !strcmp(argv[1], "sockets"))
		return sockets();
	if (argc == 2 && !strcmp(argv[1], "passed"))
		return passed();
	if (argc == 2 && !strcmp(argv[1], "answer"))
		return answer();
	if (argc == 2 && !strcmp(argv[1], "twice"))
		return twice();
	if (argc == 2 && !strcmp(argv[1], "signals"))
		return signals();
	errx(1, "usage: socket_probe sockets|passed|answer|twice|signals");
}
