// SPDX-License-Identifier: GPL-2.0-only
/* Small things every part of the benchmark needs. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
