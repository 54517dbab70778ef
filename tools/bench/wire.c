// SPDX-License-Identifier: GPL-2.0-only
/*
 * np_wire: a server and a client on two machines, over TCP. It knows nothing of AF_NEWPROTO:
 * "newproto_run --device np0 np_wire ..." takes it there. See usage() for what it does.
 *
 * A client begins each connection with a request, which says what the server does with it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER		1048576

enum what { ECHO, SINK, PATTERN };

struct request {
	uint32_t what;
	uint32_t size;		/* ECHO: of a message */
	uint64_t total;		/* PATTERN: bytes each way */
};

static const char *address, *port;

static void usage(void)
{
	fputs("np_wire serve ADDRESS PORT\n"
	      "np_wire connect ADDRESS PORT          say what connect() says\n"
	      "np_wire pp ADDRESS PORT SIZE SECONDS  round trips a second\n"
	      "np_wire bulk ADDRESS PORT SIZE SECONDS  MB/s, in writes of SIZE\n"
	      "np_wire pattern ADDRESS PORT BYTES    both ways at once, all compared\n"
	      "np_wire cycles ADDRESS PORT N         connections, one after the other\n"
	      "np_wire many ADDRESS PORT N           connections at once\n"
	      "np_wire until ADDRESS PORT SECONDS    echoes until an error; say which\n"
	      "np_wire count ADDRESS PORT SECONDS    echoes, compared, and the longest\n",
	      stderr);
	exit(2);
}

static void fail(const char *what)
{
	printf("np_wire: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* A full buffer, or false: an error, or the end with errno 0. */
static bool get(int fd, void *buffer, size_t len)
{
	char *at = buffer;
	ssize_t n;

	while (len) {
		n = recv(fd, at, len, 0);
		if (!n)
			errno = 0;
		if (n <= 0)
			return false;
		at += n;
		len -= n;
	}
	return true;
}

static bool put(int fd, const void *buffer, size_t len)
{
	const char *at = buffer;
	ssize_t n;

	while (len) {
		n = send(fd, at, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		at += n;
		len -= n;
	}
	return true;
}

static void *buffer_new(size_t len)
{
	void *buffer = calloc(1, len);

	if (!buffer)
		fail("memory");
	return buffer;
}

/* --- a pattern ---------------------------------------------------------------- */

/* No two places of some length are alike. */
static void pattern(unsigned char *to, uint64_t at, size_t len, uint32_t seed)
{
	uint64_t word;
	size_t i;

	for (i = 0; i < len; i++) {
		word = ((at + i) / 8 + seed) * 0x9e3779b97f4a7c15ULL;
		to[i] = word >> (((at + i) % 8) * 8);
	}
}

struct sending {
	int fd;
	uint32_t seed;
	uint64_t total;
};

/* In pieces of odd lengths. */
static void *pattern_send(void *arg)
{
	struct sending *s = arg;
	unsigned char *buffer = buffer_new(BUFFER);
	uint64_t at = 0, n;

	while (at < s->total) {
		n = 1 + (at * 7919 + 12345) % 200003;
		if (n > s->total - at)
			n = s->total - at;
		pattern(buffer, at, n, s->seed);
		if (!put(s->fd, buffer, n))
			break;
		at += n;
	}
	free(buffer);
	return at == s->total ? s : NULL;
}

/* Send one, and receive the other's: whether both are whole. */
static bool pattern_both(int fd, uint64_t total, uint32_t out, uint32_t in)
{
	unsigned char *got = buffer_new(BUFFER), *want = buffer_new(BUFFER);
	struct sending sending = { .fd = fd, .seed = out, .total = total };
	bool good = true;
	pthread_t thread;
	uint64_t at = 0;
	void *sent;
	ssize_t n;

	if (pthread_create(&thread, NULL, pattern_send, &sending))
		fail("thread");
	while (good && at < total) {
		n = recv(fd, got, total - at < BUFFER ? total - at : BUFFER, 0);
		if (n <= 0) {
			good = false;
			break;
		}
		pattern(want, at, n, in);
		good = !memcmp(got, want, n);
		at += n;
	}
	if (!good) {
		printf("np_wire: wrong, or cut off, after %llu bytes\n", (unsigned long long)at);
		shutdown(fd, SHUT_RDWR);
	}
	pthread_join(thread, &sent);
	free(got);
	free(want);
	return good && sent;
}

/* --- the server --------------------------------------------------------------- */

static void serve_echo(int fd, uint32_t size)
{
	char *buffer = buffer_new(size);

	while (get(fd, buffer, size) && put(fd, buffer, size))
		;
	free(buffer);
}

static void serve_sink(int fd)
{
	char *buffer = buffer_new(BUFFER);
	uint64_t total = 0;
	ssize_t n;

	while ((n = recv(fd, buffer, BUFFER, 0)) > 0)
		total += n;
	put(fd, &total, sizeof(total));
	free(buffer);
}

static void *serve_one(void *arg)
{
	int fd = (intptr_t)arg;
	struct request request;
	char good;

	if (get(fd, &request, sizeof(request))) {
		if (request.what == ECHO && request.size <= BUFFER)
			serve_echo(fd, request.size);
		if (request.what == SINK)
			serve_sink(fd);
		if (request.what == PATTERN) {
			good = pattern_both(fd, request.total, 2, 1);
			put(fd, &good, sizeof(good));
		}
	}
	close(fd);
	return NULL;
}

static struct sockaddr_in server_address(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	if (inet_pton(AF_INET, address, &sin.sin_addr) != 1)
		usage();
	return sin;
}

static int stream_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("socket");
	return fd;
}

static void no_delay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void serve(void)
{
	struct sockaddr_in sin = server_address();
	int fd = stream_socket(), one = 1, conn;
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 65536);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)))
		fail("bind");
	if (listen(fd, 256))
		fail("listen");
	for (;;) {
		conn = accept(fd, NULL, NULL);
		if (conn < 0)
			fail("accept");
		no_delay(conn);
		if (pthread_create(&thread, &attr, serve_one, (void *)(intptr_t)conn))
			close(conn);
	}
}

/* --- clients ------------------------------------------------------------------ */

static int request(enum what what, uint32_t size, uint64_t total)
{
	struct request request = { .what = what, .size = size, .total = total };
	struct sockaddr_in sin = server_address();
	int fd = stream_socket();

	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
		fail("connect");
	if (what == ECHO)
		no_delay(fd);
	if (!put(fd, &request, sizeof(request)))
		fail("send");
	return fd;
}

static bool echo(int fd, char *buffer, size_t size)
{
	return put(fd, buffer, size) && get(fd, buffer, size);
}

static int ping_pong(uint32_t size, unsigned int seconds)
{
	int fd = request(ECHO, size, 0);
	char *buffer = buffer_new(size);
	uint64_t start = now_us(), us = 0, n;

	for (n = 0; us < seconds * 1000000ULL; n++) {
		if (!echo(fd, buffer, size))
			fail("echo");
		us = now_us() - start;
	}
	printf("%.0f\n", n * 1e6 / us);
	return 0;
}

static int bulk(uint32_t size, unsigned int seconds)
{
	int fd = request(SINK, 0, 0);
	char *buffer = buffer_new(size);
	uint64_t start = now_us(), sent = 0, total = 0;

	while (now_us() - start < seconds * 1000000ULL) {
		if (!put(fd, buffer, size))
			fail("send");
		sent += size;
	}
	shutdown(fd, SHUT_WR);
	if (!get(fd, &total, sizeof(total)))
		fail("the count");
	if (total != sent) {
		printf("np_wire: %llu bytes of %llu\n", (unsigned long long)total,
		       (unsigned long long)sent);
		return 1;
	}
	printf("%.2f\n", (double)total / (now_us() - start));
	return 0;
}

static int both_ways(uint64_t total)
{
	int fd = request(PATTERN, 0, total);
	char good = 0;

	if (!pattern_both(fd, total, 1, 2))
		return 1;
	if (!get(fd, &good, sizeof(good)) || !good)
		fail("the server's pattern");
	printf("%llu bytes each way\n", (unsigned long long)total);
	return 0;
}

static int cycles(unsigned int n)
{
	uint64_t start = now_us();
	unsigned int i;
	char byte = 1;
	int fd;

	for (i = 0; i < n; i++) {
		fd = request(ECHO, 1, 0);
		if (!echo(fd, &byte, 1))
			fail("echo");
		close(fd);
	}
	printf("%.0f\n", n * 1e6 / (now_us() - start));
	return 0;
}

/* All are asked before the first answer is read, and then closed by the end. */
static int many(unsigned int n)
{
	int *fds = buffer_new(n * sizeof(*fds));
	uint32_t number;
	unsigned int i;

	for (i = 0; i < n; i++)
		fds[i] = request(ECHO, sizeof(number), 0);
	for (i = 0; i < n; i++) {
		if (!put(fds[i], &i, sizeof(i)))
			fail("send");
	}
	for (i = 0; i < n; i++) {
		if (!get(fds[i], &number, sizeof(number)))
			fail("recv");
		if (number != i) {
			printf("np_wire: connection %u: %u\n", i, number);
			return 1;
		}
	}
	printf("%u connections\n", n);
	return 0;
}

static int until(unsigned int seconds)
{
	int fd = request(ECHO, 4096, 0);
	char *buffer = buffer_new(4096);
	uint64_t start = now_us(), n = 0;

	alarm(seconds);
	while (echo(fd, buffer, 4096))
		n++;
	printf("%s after %llu echoes, %.1f s\n", errno ? strerror(errno) : "end",
	       (unsigned long long)n, (now_us() - start) / 1e6);
	return !n;
}

static int count(unsigned int seconds)
{
	int fd = request(ECHO, 4096, 0);
	unsigned char *sent = buffer_new(4096), *got = buffer_new(4096);
	uint64_t begin = now_us(), start = begin, end, longest = 0, n;

	for (n = 0; start - begin < seconds * 1000000ULL; n++) {
		pattern(sent, n * 4096, 4096, 3);
		if (!put(fd, sent, 4096) || !get(fd, got, 4096))
			fail("echo");
		if (memcmp(sent, got, 4096)) {
			printf("np_wire: echo %llu differs\n", (unsigned long long)n);
			return 1;
		}
		end = now_us();
		if (end - start > longest)
			longest = end - start;
		start = end;
	}
	printf("%llu echoes, the longest took %.1f s\n", (unsigned long long)n, longest / 1e6);
	return 0;
}

static int only_connect(void)
{
	struct sockaddr_in sin = server_address();
	int fd = stream_socket();

	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
		puts(strerrorname_np(errno));
	else
		puts("connected");
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argv[1];
	int more = argc - 4;
	uint64_t a, b;

	if (argc < 4)
		usage();
	address = argv[2];
	port = argv[3];
	a = more > 0 ? strtoull(argv[4], NULL, 0) : 0;
	b = more > 1 ? strtoull(argv[5], NULL, 0) : 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(what, "serve") && !more)
		serve();
	if (!strcmp(what, "connect") && !more)
		return only_connect();
	if (!strcmp(what, "pp") && a && b)
		return ping_pong(a, b);
	if (!strcmp(what, "bulk") && a && b)
		return bulk(a, b);
	if (!strcmp(what, "pattern") && a)
		return both_ways(a);
	if (!strcmp(what, "cycles") && a)
		return cycles(a);
	if (!strcmp(what, "many") && a)
		return many(a);
	if (!strcmp(what, "until") && a)
		return until(a);
	if (!strcmp(what, "count") && a)
		return count(a);
	usage();
}
