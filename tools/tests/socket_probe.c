// SPDX-License-Identifier: GPL-2.0-only
/*
 * socket_probe: what a program sees of socket() under newproto_run.
 *
 *   sockets     every kind of socket(), against what this kernel has; TAP
 *   passed      every kind again: how many came to scripted_socket.so otherwise than they should,
 *               or got options that they should not have
 *   answer      one TCP socket: prints its protocol or the errno, the calls and the last protocol
 *               that came to scripted_socket.so, and whether errno was left alone
 *   datagram    the same of a UDP socket
 *   options     one TCP socket: its protocol, the options that newproto_run can set, and what came
 *               to scripted_socket.so to set them
 *   datagram-options  the same of a UDP socket
 *   late        the same as options, in an environment that was changed after the start
 *   twice       two TCP sockets at once: how many calls came through, and options if any
 *   mixed       a TCP and a UDP socket at once: the same
 *   signals     socket() from threads and from a signal handler at the same time
 *   resolver    the C library asks a name server over UDP: how many calls came through
 */
#include <arpa/nameser.h>
#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netdb.h>
#include <pthread.h>
#include <resolv.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <linux/newproto.h>

#include "../newproto_run.h"
#include "scripted_socket.h"

#define ERRNO_MARK	1234	/* no errno of any call */
#define BOTH_FLAGS	(SOCK_CLOEXEC | SOCK_NONBLOCK)
#define THREADS		4
#define ROUNDS		2000

/* When does a socket become IPPROTO_NEWPROTO's, if the family is there? */
enum when { NEVER, ALWAYS, ASKED };

struct kind {
	int domain;
	int type;
	int protocol;
	enum when when;		/* ASKED: with --datagrams */
	int plain;		/* SO_PROTOCOL otherwise */
	const char *name;
};

static const struct kind kinds[] = {
	{ AF_INET, SOCK_STREAM, 0, ALWAYS, IPPROTO_TCP, "IPv4 stream" },
	{ AF_INET, SOCK_STREAM, IPPROTO_TCP, ALWAYS, IPPROTO_TCP, "IPv4 stream, TCP by name" },
	{ AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0, ALWAYS, IPPROTO_TCP, "IPv4, nonblocking" },
	{ AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0, ALWAYS, IPPROTO_TCP, "IPv4, close-on-exec" },
	{ AF_INET, SOCK_STREAM | BOTH_FLAGS, 0, ALWAYS, IPPROTO_TCP, "IPv4, both" },
	{ AF_INET6, SOCK_STREAM, 0, ALWAYS, IPPROTO_TCP, "IPv6 stream" },
	{ AF_INET6, SOCK_STREAM, IPPROTO_TCP, ALWAYS, IPPROTO_TCP, "IPv6 stream, TCP by name" },
	{ AF_INET6, SOCK_STREAM | BOTH_FLAGS, 0, ALWAYS, IPPROTO_TCP, "IPv6, both" },
	{ AF_INET, SOCK_DGRAM, 0, ASKED, IPPROTO_UDP, "IPv4 datagrams" },
	{ AF_INET, SOCK_DGRAM, IPPROTO_UDP, ASKED, IPPROTO_UDP, "IPv4 datagrams, UDP by name" },
	{ AF_INET, SOCK_DGRAM | BOTH_FLAGS, 0, ASKED, IPPROTO_UDP, "IPv4 datagrams, both" },
	{ AF_INET6, SOCK_DGRAM, 0, ASKED, IPPROTO_UDP, "IPv6 datagrams" },
	{ AF_INET6, SOCK_DGRAM, IPPROTO_UDP, ASKED, IPPROTO_UDP, "IPv6 datagrams, UDP by name" },
	{ AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE, NEVER, IPPROTO_UDPLITE, "UDP-Lite" },
	{ AF_INET, SOCK_DGRAM, IPPROTO_TCP, NEVER, 0, "datagrams of TCP" },
	{ AF_INET, SOCK_STREAM, IPPROTO_UDP, NEVER, 0, "a stream of UDP" },
	{ AF_INET, SOCK_RAW, IPPROTO_UDP, NEVER, IPPROTO_UDP, "raw, of UDP" },
	{ AF_UNIX, SOCK_STREAM, 0, NEVER, 0, "unix stream" },
	{ AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, NEVER, 0, "unix datagrams" },
	{ AF_NETLINK, SOCK_RAW, 0, NEVER, 0, "netlink" },
	/* Nobody has these: the answers must be the kernel's, and so must errno. */
	{ AF_INET, SOCK_STREAM, 250, NEVER, 0, "unknown protocol" },
	{ AF_INET, SOCK_STREAM, -1, NEVER, 0, "negative protocol" },
	{ AF_INET, SOCK_SEQPACKET, IPPROTO_TCP, NEVER, 0, "TCP of another type" },
	{ AF_INET, 9, 0, NEVER, 0, "unknown type" },
	{ AF_INET, SOCK_STREAM | 0x100, 0, NEVER, 0, "unknown flag" },
	{ 999, SOCK_STREAM, 0, NEVER, 0, "unknown family" },
	{ }
};

static bool is_mapped(const struct kind *kind)
{
	return kind->when == ALWAYS || (kind->when == ASKED && is_asked_for(DATAGRAMS_VARIABLE));
}

static int protocol_of(int fd)
{
	socklen_t len = sizeof(int);
	int protocol = -1;

	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len))
		err(1, "SO_PROTOCOL");
	return protocol;
}

/* The options that newproto_run can set, as the kernel has them. */
static void print_options(int fd)
{
	socklen_t len = sizeof(int);
	int value;

	if (getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, &len))
		err(1, "SO_REUSEPORT");
	printf(" reuseport %d", value);
	if (getsockopt(fd, SOL_NEWPROTO, NEWPROTO_GRACE, &value, &len))
		printf(" grace none");
	else
		printf(" grace %d", value);
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

	if (is_mapped(kind))
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

/* What scripted_socket.so has written down; NULL without it. */
static const void *scripted(const char *name)
{
	return dlsym(RTLD_DEFAULT, name);
}

/* How many options newproto_run was asked to set on a socket of the family. */
static int options_due(const struct kind *kind)
{
	bool is_stream = (kind->type & ~BOTH_FLAGS) == SOCK_STREAM;

	return (is_stream && is_asked_for(DEVICE_VARIABLE)) +
	       is_asked_for(REUSEPORT_VARIABLE) +
	       (whole_number(getenv(GRACE_VARIABLE)) >= 0);
}

static int passed(void)
{
	const int *calls = scripted("scripted_calls"), *domain = scripted("scripted_domain");
	const int *type = scripted("scripted_type"), *protocol = scripted("scripted_protocol");
	const int *set = scripted("scripted_option_calls");
	int wrong = 0, before, set_before, want, options, fd;

	if (!calls || !domain || !type || !protocol || !set)
		errx(1, "not under scripted_socket.so");
	for (const struct kind *kind = kinds; kind->name; kind++) {
		want = is_mapped(kind) ? IPPROTO_NEWPROTO : kind->protocol;
		options = is_mapped(kind) ? options_due(kind) : 0;
		before = *calls;
		set_before = *set;
		fd = socket(kind->domain, kind->type, kind->protocol);
		if (*calls != before + 1 || *domain != kind->domain || *type != kind->type ||
		    *protocol != want) {
			printf("%s: %d calls, last (%d, %#x, %d)\n", kind->name, *calls - before,
			       *domain, *type, *protocol);
			wrong++;
		}
		if (*set - set_before != options) {
			printf("%s: %d options set for %d\n", kind->name, *set - set_before,
			       options);
			wrong++;
		}
		if (fd >= 0)
			close(fd);
	}
	printf("wrong %d\n", wrong);
	return wrong ? 1 : 0;
}

static int answer(int type)
{
	const int *calls = scripted("scripted_calls"), *last = scripted("scripted_protocol");
	int fd, error;

	errno = ERRNO_MARK;
	fd = socket(AF_INET, type, 0);
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

static void print_scripted_option(const struct scripted_option *option, int fd)
{
	if (option->level == SOL_SOCKET && option->name == SO_REUSEPORT)
		printf(" SO_REUSEPORT=%d", option->value);
	else if (option->level == SOL_SOCKET && option->name == SO_BINDTODEVICE)
		printf(" SO_BINDTODEVICE=%s", option->device);
	else if (option->level == SOL_NEWPROTO && option->name == NEWPROTO_GRACE)
		printf(" NEWPROTO_GRACE=%d", option->value);
	else
		printf(" (%d, %d)=%d", option->level, option->name, option->value);
	if (fd >= 0 && option->fd != fd)
		printf(" of descriptor %d, not %d", option->fd, fd);
}

/* The lowest one that nobody has. */
static int free_descriptor(void)
{
	int fd = dup(STDOUT_FILENO);

	close(fd);
	return fd;
}

static int options(int type)
{
	const struct scripted_option *list = scripted("scripted_options");
	const int *set = scripted("scripted_option_calls");
	int fd, error, free_before = free_descriptor();

	errno = ERRNO_MARK;
	fd = socket(AF_INET, type, 0);
	error = errno;
	if (fd < 0 && free_descriptor() != free_before)
		printf("open though it failed, ");
	if (fd >= 0) {
		printf("protocol %d", protocol_of(fd));
		print_options(fd);
	} else {
		printf("errno %d", error);
	}
	if (set && list) {
		printf(" set");
		for (int i = 0; i < *set && i < SCRIPTED_OPTIONS; i++)
			print_scripted_option(&list[i], fd);
	}
	puts(fd >= 0 && error != ERRNO_MARK ? " errno changed" : "");
	return 0;
}

static int late(void)
{
	if (setenv(REUSEPORT_VARIABLE, "1", 1) || setenv(GRACE_VARIABLE, "1234", 1) ||
	    setenv(DEVICE_VARIABLE, "np1", 1))
		err(1, "environment");
	return options(SOCK_STREAM);
}

/* Both in the same second of the clock that the library reads, or it is tried again. */
static int twice(int type, int other_type)
{
	const int *calls = scripted("scripted_calls"), *set = scripted("scripted_option_calls");
	struct timespec before, after;
	int first;

	if (!calls || !set)
		errx(1, "not under scripted_socket.so");
	for (int tries = 0; tries < 5; tries++) {
		clock_gettime(CLOCK_MONOTONIC_COARSE, &before);
		close(socket(AF_INET, type, 0));
		first = *calls;
		close(socket(AF_INET, other_type, 0));
		clock_gettime(CLOCK_MONOTONIC_COARSE, &after);
		if (before.tv_sec == after.tv_sec) {
			printf("calls %d", *calls - first);
			if (*set)
				printf(" options %d", *set);
			puts("");
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

/* Answers one question with "no such name". */
static void *name_server(void *arg)
{
	const int *server = arg;
	unsigned char message[NS_PACKETSZ];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	ssize_t got;

	got = recvfrom(*server, message, sizeof(message), 0, (struct sockaddr *)&from, &len);
	if (got >= NS_HFIXEDSZ) {
		message[2] |= 0x80;		/* a response */
		message[3] = ns_r_nxdomain;
		sendto(*server, message, got, 0, (struct sockaddr *)&from, len);
	}
	return NULL;
}

/* The name server's own socket is UDP's whatever preload libraries think. */
static int ask_name_server(void)
{
	const struct timeval limit = { .tv_sec = 20 };
	const int *calls = scripted("scripted_calls");
	struct sockaddr_in at = { .sin_family = AF_INET };
	int server = raw_socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP), ret, before;
	unsigned char reply[NS_PACKETSZ];
	socklen_t len = sizeof(at);
	pthread_t thread;

	if (!calls)
		errx(1, "not under scripted_socket.so");
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (server < 0 || bind(server, (struct sockaddr *)&at, len) ||
	    getsockname(server, (struct sockaddr *)&at, &len) ||
	    setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		err(1, "the name server's socket");
	if (res_init())
		errx(1, "no resolver");
	_res.nsaddr_list[0] = at;
	_res.nscount = 1;
	_res.retrans = limit.tv_sec;
	_res.retry = 1;
	ret = pthread_create(&thread, NULL, name_server, &server);
	if (ret)
		errx(1, "thread: %s", strerror(ret));
	before = *calls;
	ret = res_query("name.invalid", ns_c_in, ns_t_a, reply, sizeof(reply));
	printf("calls %d, %s\n", *calls - before,
	       ret < 0 && h_errno == HOST_NOT_FOUND ? "answered" : "no answer");
	pthread_join(thread, NULL);
	return 0;
}

int main(int argc, char *argv[])
{
	const char *what = argc == 2 ? argv[1] : "";

	if (!strcmp(what, "sockets"))
		return sockets();
	if (!strcmp(what, "passed"))
		return passed();
	if (!strcmp(what, "answer"))
		return answer(SOCK_STREAM);
	if (!strcmp(what, "datagram"))
		return answer(SOCK_DGRAM);
	if (!strcmp(what, "options"))
		return options(SOCK_STREAM);
	if (!strcmp(what, "datagram-options"))
		return options(SOCK_DGRAM);
	if (!strcmp(what, "late"))
		return late();
	if (!strcmp(what, "twice"))
		return twice(SOCK_STREAM, SOCK_STREAM);
	if (!strcmp(what, "mixed"))
		return twice(SOCK_STREAM, SOCK_DGRAM);
	if (!strcmp(what, "signals"))
		return signals();
	if (!strcmp(what, "resolver"))
		return ask_name_server();
	errx(1, "usage: socket_probe WHAT (the comment at the top has the list)");
}
