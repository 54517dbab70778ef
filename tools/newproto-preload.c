// SPDX-License-Identifier: GPL-2.0-only
/*
 * newproto-preload.so: newproto_run's half inside the program.
 *
 * It replaces socket() and nothing else. A TCP socket that the program asks for is made with
 * IPPROTO_NEWPROTO instead; it is bound and connected with the same addresses, so no other call
 * has to know. So is a UDP socket, if newproto_run was told so. On request what was made so gets
 * socket options before the program has it. Whatever else is asked for goes through untouched.
 *
 * socket() may be called from a signal handler, from any thread and in a vfork() child, so there is
 * no lock, no allocation and no stdio here.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/newproto.h>

#include "newproto_run.h"

#define TYPE_FLAGS	(SOCK_NONBLOCK | SOCK_CLOEXEC)

/* The socket() after ours: another preload's, or the C library's. Written after what follows. */
static int (*next_socket)(int domain, int type, int protocol);

/* The same of setsockopt(), which we do not replace: those before us see what the program does. */
static int (*next_setsockopt)(int fd, int level, int name, const void *value, socklen_t len);

/* Are UDP sockets ours, too? */
static bool datagrams;

/* What our sockets are given: SO_REUSEPORT, and NEWPROTO_GRACE unless that is negative. */
static bool reuseport;
static int grace = -1;

/* The device that our streams are bound to, if @device_len is not 0; too long a name is none. */
static char device[IFNAMSIZ];
static size_t device_len;

/* What of the family a call wants: a kernel may have the one and not the other. */
enum kind { STREAM, DATAGRAM, KINDS, OTHER };

/*
 * The second (of CLOCK_MONOTONIC, plus 1; 0: never) in which the kernel last said that the family
 * is not there. A kernel without it starts modprobe for every such question, which takes
 * milliseconds: it is asked once a second, not once a socket.
 */
static long absent_in[KINDS];

static void look_up_device(void)
{
	const char *name = getenv(DEVICE_VARIABLE);

	device_len = name ? strlen(name) : 0;
	if (device_len < sizeof(device))
		memcpy(device, name, device_len);
}

/*
 * This is done before main() because dlsym() may take the loader's lock and allocate, and because
 * the program may change its environment later. A constructor of another library can run before
 * this one; hook_ready() then looks up itself. A grace that is no number is as good as none.
 */
__attribute__((constructor))
static void look_up(void)
{
	datagrams = is_asked_for(DATAGRAMS_VARIABLE);
	reuseport = is_asked_for(REUSEPORT_VARIABLE);
	grace = whole_number(getenv(GRACE_VARIABLE));
	look_up_device();
	next_setsockopt = dlsym(RTLD_NEXT, "setsockopt");
	__atomic_store_n(&next_socket, dlsym(RTLD_NEXT, "socket"), __ATOMIC_RELEASE);
}

static bool hook_ready(void)
{
	if (!__atomic_load_n(&next_socket, __ATOMIC_ACQUIRE))
		look_up();
	return __atomic_load_n(&next_socket, __ATOMIC_ACQUIRE);
}

static enum kind kind_of(int domain, int type, int protocol)
{
	if (domain != AF_INET && domain != AF_INET6)
		return OTHER;
	type &= ~TYPE_FLAGS;
	if (type == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP))
		return STREAM;
	if (datagrams && type == SOCK_DGRAM && (protocol == 0 || protocol == IPPROTO_UDP))
		return DATAGRAM;
	return OTHER;
}

static long this_second(void)
{
	struct timespec now;

	/* Cannot fail: the clock exists since 2.6.32. It is served without entering the kernel. */
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec + 1;
}

static bool known_absent(enum kind kind)
{
	long when = __atomic_load_n(&absent_in[kind], __ATOMIC_RELAXED);

	return when && when == this_second();
}

/*
 * May the program have the socket that it asked for instead? Yes where the answer will not change
 * by waiting: the family is not there, or a filter or policy does not let the program have it (and
 * says itself what it thinks of TCP and UDP). No where something ran short: descriptors or memory
 * come back, and a socket of TCP made meanwhile would not reach peers that use the family.
 */
static bool is_refusal(int error)
{
	switch (error) {
	case EPROTONOSUPPORT:	/* no such protocol */
	case EAFNOSUPPORT:	/* IPv6 is off; systemd's RestrictAddressFamilies= */
	case ESOCKTNOSUPPORT:	/* no sockets of this type in it */
	case EINVAL:		/* kernels before 5.6: number out of range; some seccomp filters */
	case EPERM:		/* cgroup-BPF, seccomp filters */
	case EACCES:		/* security modules */
		return true;
	default:
		return false;
	}
}

/*
 * Makes a socket of the family ready to be a member of a group. That must be before bind(), and is
 * no loss to streams that connect: only bind() makes members. What fails is told to nobody but by
 * newproto_run --check: the program has not asked for it, and is better off with the socket than
 * without, as on a kernel that has the family and no groups.
 */
static void set_options(int fd)
{
	static const int on = 1;

	if (reuseport)
		next_setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (grace >= 0)
		next_setsockopt(fd, SOL_NEWPROTO, NEWPROTO_GRACE, &grace, sizeof(grace));
}

/*
 * Binds a stream to the device. What fails here is the program's failure: who asks for a device
 * means that peers are there, and that nobody elsewhere is to reach the program.
 */
static int bind_to_device(int fd)
{
	if (!device_len)
		return 0;
	if (device_len < sizeof(device))
		return next_setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, device_len);
	errno = ENODEV;
	return -1;
}

/* Makes a socket of the family what the program shall have. Returns it, or -1 and it is closed. */
static int fit_out(int fd, enum kind kind)
{
	int before = errno;
	int error;

	if (kind == STREAM && bind_to_device(fd)) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	set_options(fd);
	errno = before;
	return fd;
}

__attribute__((visibility("default")))
int socket(int domain, int type, int protocol)
{
	int before = errno;
	enum kind kind;
	int fd;

	if (!hook_ready()) {
		errno = EPROTONOSUPPORT;
		return -1;
	}
	kind = kind_of(domain, type, protocol);
	if (kind == OTHER || known_absent(kind))
		return next_socket(domain, type, protocol);

	fd = next_socket(domain, type, IPPROTO_NEWPROTO);
	if (fd >= 0)
		return fit_out(fd, kind);
	if (!is_refusal(errno))
		return fd;

	if (errno == EPROTONOSUPPORT)
		__atomic_store_n(&absent_in[kind], this_second(), __ATOMIC_RELAXED);
	/* The program sees one call, which leaves errno alone when it succeeds. */
	errno = before;
	return next_socket(domain, type, protocol);
}
