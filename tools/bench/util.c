// SPDX-License-Identifier: GPL-2.0-only
/* Small things every part of the benchmark needs. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

void die(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	fputs("np_bench: ", stdout);
	vfprintf(stdout, fmt, ap);
	va_end(ap);
	if (err)
		fprintf(stdout, ": %s", strerror(err));
	fputc('\n', stdout);
	fflush(stdout);
	_exit(1);
}

static char stuck_text[128];

static void stuck(int signal)
{
	(void)signal;
	if (write(STDOUT_FILENO, stuck_text, strlen(stuck_text)) < 0)
		_exit(2);
	_exit(1);
}

/* End the program, and say what it was at, unless that ends in @seconds; alarm(0): it has. */
void watch(unsigned int seconds, const char *fmt, ...)
{
	char what[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(stuck_text, sizeof(stuck_text), "np_bench: %s: no end after %u s\n", what,
		 seconds);
	signal(SIGALRM, stuck);
	alarm(seconds);
}

/* Is @name in the comma separated @list? No list means everything is. */
bool listed(const char *list, const char *name)
{
	size_t len = strlen(name);

	if (!list)
		return true;
	while (*list) {
		size_t word = strcspn(list, ",");

		if (word == len && !strncmp(list, name, len))
			return true;
		list += word;
		list += *list == ',';
	}
	return false;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void put(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0)
			die("write");
		p += n;
		len -= n;
	}
}

/* Read exactly @len bytes; false if the stream ended before the first. */
bool get(int fd, void *buf, size_t len)
{
	char *p = buf;
	size_t left = len;

	while (left) {
		ssize_t n = read(fd, p, left);

		if (n < 0)
			die("read");
		if (!n) {
			if (left == len)
				return false;
			errno = 0;
			die("the stream ended inside a message");
		}
		p += n;
		left -= n;
	}
	return true;
}

void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0)
		die("open %s", path);
	put(fd, text, strlen(text));
	close(fd);
}

/* Make room for the descriptors now, so that the table is not in the figures. */
void reserve_files(unsigned int sockets)
{
	rlim_t files = sockets + 64;
	struct rlimit limit = { .rlim_cur = files, .rlim_max = files };
	char text[32];
	int top;

	snprintf(text, sizeof(text), "%u", 2 * sockets + 8192);
	write_file("/proc/sys/fs/file-max", text);
	if (setrlimit(RLIMIT_NOFILE, &limit))
		die("RLIMIT_NOFILE %lu", (unsigned long)files);
	top = dup2(STDIN_FILENO, files - 1);
	if (top < 0)
		die("dup2");
	close(top);
}

/*
 * TCP prefers every second port and searches long once these are taken: give it so
 * many that they suffice. And loopback drops packets that are too many at once, as they
 * are when the guest is short of time: TCP then sends all of them again at the same
 * moment, which are as many, and so for minutes.
 */
void make_room_for_tcp(void)
{
	write_file("/proc/sys/net/ipv4/ip_local_port_range", "1024 65000");
	write_file("/proc/sys/net/core/netdev_max_backlog", "1000000");
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void sort_values(double *values, unsigned int n)
{
	qsort(values, n, sizeof(*values), by_value);
}
