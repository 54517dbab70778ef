// SPDX-License-Identifier: GPL-2.0-only
/*
 * scripted_socket.so: a preload library that stands where the C library's socket() is, counts the
 * calls that come to it and answers those for IPPROTO_NEWPROTO as SCRIPT says: the number of an
 * errno, or 0 for success (with a TCP socket in place of the real one). So every answer of a kernel
 * can be had on any kernel. Without SCRIPT it counts and passes on.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <linux/newproto.h>

/* For socket_probe, which looks them up: how many calls, and the last one's arguments. */
int scripted_calls;
int scripted_domain;
int scripted_type;
int scripted_protocol;

int socket(int domain, int type, int protocol)
{
	int (*next)(int domain, int type, int protocol) = dlsym(RTLD_NEXT, "socket");
	const char *script = getenv("SCRIPT");

	scripted_calls++;
	scripted_domain = domain;
	scripted_type = type;
	scripted_protocol = protocol;
	if (!script || protocol != IPPROTO_NEWPROTO)
		return next(domain, type, protocol);
	if (!atoi(script))
		return next(domain, type, 0);
	errno = atoi(script);
	return -1;
}
