// SPDX-License-Identifier: GPL-2.0-only
/*
 * newproto-preload.so: newproto_run's half inside the program.
 *
 * It replaces socket() and nothing else. A TCP socket that the program asks for is made with
 * IPPROTO_NEWPROTO instead; it is bound and connected with the same addresses, so no other call
 * has to know. Whatever is not a TCP socket goes through untouched.
 *
 * socket() may be called from a signal handler, from any thread and in a vfork() child, so there is
 * no lock, no allocation and no stdio here.
 */
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/newproto.h>

#define TYPE_FLAGS	(SOCK_NONBLOCK | SOCK_CLOEXEC)

/* The socket() after ours: another preload's, or the C library's. */
static int (*next_socket)(int domain, int type, int protocol);

/*
 * The second (of CLOCK_MONOTONIC, plus 1; 0: never) in which the kernel last said that the family
 * is not there. A kernel without it starts modprobe for every such question, which takes
 * milliseconds: it is asked once a second, not once a socket.
 */
static long absent_in;

/*
 * The lookup is done before main() because dlsym() may take the loader's lock and allocate. A
 * constructor of another library can run before this one; hook_next() then looks up itself.
 */
__attribute__((constructor))
static void find_next(void)
{
	__atomic_store_n(&next_socket, dlsym(RTLD_NEXT, "socket"), __ATOMIC_RELAXED);
}

static int hook_next(int domain, int type, int protocol)
{
	int (*next)(int domain, int type, int protocol);

	next = __atomic_load_n(&next_socket, __ATOMIC_RELAXED);
	if (!next) {
		find_next();
		next = __atomic_load_n(&next_socket, __ATOMIC_RELAXED);
	}
	if (!next) {
		errno = EPROTONOSUPPORT;
		return -1;
	}
	return next(domain, type, protocol);
}

static bool is_tcp(int domain, int type, int protocol)
{
	return (domain == AF_INET || domain == AF_INET6) &&
	       (type & ~TYPE_FLAGS) == SOCK_STREAM &&
	       (protocol == 0 || protocol == IPPROTO_TCP);
}

static long this_second(void)
{
	struct timespec now;

	/* Cannot fail: the clock exists since 2.6.32. It is served without entering the kernel. */
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec + 1;
}

static bool known_absent(void)
{
	long when = __atomic_load_n(&absent_in, __ATOMIC_RELAXED);

	return when && when == this_second();
}

/*
 * May the program have the TCP socket that it asked for instead? Yes where the answer will not
 * change by waiting: the family is not there, or a filter or policy does not let the program
 * have it (and says itself what it thinks of TCP). No where something ran short: descriptors or
 * memory come back, and a TCP socket made meanwhile would not reach peers that use the family.
 */
static bool is_refusal(int error)
{
	switch (error) {
	case EPROTONOSUPPORT:	/* no such protocol */
	case EAFNOSUPPORT:	/* IPv6 is off; systemd's RestrictAddressFamilies= */
	case ESOCKTNOSUPPORT:	/* no stream sockets in it */
	case EINVAL:		/* kernels before 5.6: number out of range; some seccomp filters */
	case EPERM:		/* cgroup-BPF, seccomp filters */
	case EACCES:		/* security modules */
		return true;
	default:
		return false;
	}
}

__attribute__((visibility("default")))
int socket(int domain, int type, int protocol)
{
	int before = errno;
	int fd;

	if (!is_tcp(domain, type, protocol) || known_absent())
		return hook_next(domain, type, protocol);

	fd = hook_next(domain, type, IPPROTO_NEWPROTO);
	if (fd >= 0 || !is_refusal(errno))
		return fd;

	if (errno == EPROTONOSUPPORT)
		__atomic_store_n(&absent_in, this_second(), __ATOMIC_RELAXED);
	/* The program sees one call, which leaves errno alone when it succeeds. */
	errno = before;
	return hook_next(domain, type, protocol);
}
