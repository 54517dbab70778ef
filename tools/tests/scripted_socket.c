// SPDX-License-Identifier: GPL-2.0-only
/*
 * scripted_socket.so: a preload library that stands where the C library's socket() is, counts the
 * calls that come to it and answers those for IPPROTO_NEWPROTO as SCRIPT says: the number of an
 * errno, or 0 for success (with a TCP socket in place of the real one). So every answer of a kernel
 * can be had on any kernel. Without SCRIPT it counts and passes on.
 *
 * It does the same with setsockopt(): with SCRIPT, options of the level SOL_NEWPROTO are answered
 * with success, and SCRIPT_REUSEPORT and SCRIPT_GRACE are the numbers of errnos for the options of
 * those names, or, if SCRIPT_TYPE is the number of a type of sockets, for sockets of that type.
 *
 * With SCRIPT_DEVICE, the number of an errno or 0 for success, SO_BINDTODEVICE does not come to the
 * kernel. With SCRIPT_DRIVER each device is there, is up unless SCRIPT_DOWN is set, and has a
 * driver of that name, or none if that is empty.
 *
 * With SCRIPT_EARLY it makes a TCP socket of its own when it is loaded, which is before libraries
 * ahead of it in LD_PRELOAD are ready: the loader begins with the last.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>

#include <linux/newproto.h>

#include "scripted_socket.h"

/* What errno is after a call that succeeded: POSIX lets it be anything. */
#define ERRNO_LITTER	EILSEQ

int scripted_calls;
int scripted_domain;
int scripted_type;
int scripted_protocol;

int scripted_option_calls;
struct scripted_option scripted_options[SCRIPTED_OPTIONS];

static int (*next_socket)(int domain, int type, int protocol);
static int (*next_setsockopt)(int fd, int level, int name, const void *value, socklen_t len);
static int (*next_ioctl)(int fd, unsigned long request, void *arg);

/* socket() may be called from a signal handler. */
__attribute__((constructor))
static void look_up(void)
{
	next_socket = dlsym(RTLD_NEXT, "socket");
	next_setsockopt = dlsym(RTLD_NEXT, "setsockopt");
	next_ioctl = dlsym(RTLD_NEXT, "ioctl");
	if (getenv("SCRIPT_EARLY"))
		close(socket(AF_INET, SOCK_STREAM, 0));
}

int socket(int domain, int type, int protocol)
{
	const char *script = getenv("SCRIPT");

	scripted_calls++;
	scripted_domain = domain;
	scripted_type = type;
	scripted_protocol = protocol;
	if (!script || protocol != IPPROTO_NEWPROTO)
		return next_socket(domain, type, protocol);
	if (!atoi(script))
		return next_socket(domain, type, 0);
	errno = atoi(script);
	return -1;
}

/* There may be many threads. */
static void write_down(int fd, int level, int name, const void *value, socklen_t len)
{
	int at = __atomic_fetch_add(&scripted_option_calls, 1, __ATOMIC_RELAXED);
	struct scripted_option option = { fd, level, name, -1, "" };

	if (at >= SCRIPTED_OPTIONS)
		return;
	if (level == SOL_SOCKET && name == SO_BINDTODEVICE && len < sizeof(option.device))
		memcpy(option.device, value, len);
	else if (len == sizeof(option.value))
		memcpy(&option.value, value, len);
	scripted_options[at] = option;
}

/* The errno that @variable has for the socket; 0 if none. */
static int scripted_error(const char *variable, int fd)
{
	const char *error = getenv(variable), *only = getenv("SCRIPT_TYPE");
	socklen_t len = sizeof(int);
	int type = 0;

	if (!error)
		return 0;
	if (only && (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) || type != atoi(only)))
		return 0;
	return atoi(error);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int error = 0, ret = 0;

	write_down(fd, level, name, value, len);
	if (!getenv("SCRIPT"))
		return next_setsockopt(fd, level, name, value, len);
	if (level == SOL_NEWPROTO && name == NEWPROTO_GRACE)
		error = scripted_error("SCRIPT_GRACE", fd);
	else if (level == SOL_SOCKET && name == SO_REUSEPORT)
		error = scripted_error("SCRIPT_REUSEPORT", fd);
	else if (level == SOL_SOCKET && name == SO_BINDTODEVICE)
		error = scripted_error("SCRIPT_DEVICE", fd);
	if (error) {
		errno = error;
		return -1;
	}
	if (level != SOL_NEWPROTO && !(name == SO_BINDTODEVICE && getenv("SCRIPT_DEVICE")))
		ret = next_setsockopt(fd, level, name, value, len);
	if (!ret)
		errno = ERRNO_LITTER;
	return ret;
}

static int scripted_ioctl(unsigned long request, struct ifreq *ifr, const char *driver)
{
	struct ethtool_drvinfo *info;

	if (request == SIOCGIFFLAGS) {
		ifr->ifr_flags = getenv("SCRIPT_DOWN") ? 0 : IFF_UP;
		return 0;
	}
	info = (void *)ifr->ifr_data;
	if (info->cmd != ETHTOOL_GDRVINFO || !*driver) {
		errno = EOPNOTSUPP;
		return -1;
	}
	snprintf(info->driver, sizeof(info->driver), "%s", driver);
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	const char *driver = getenv("SCRIPT_DRIVER");
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (driver && (request == SIOCGIFFLAGS || request == SIOCETHTOOL))
		return scripted_ioctl(request, arg, driver);
	return next_ioctl(fd, request, arg);
}
