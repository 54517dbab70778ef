// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets of the family under test, made ready for the test programs.
 */
#include <time.h>

#include "common.h"

const struct door door_family4 = {
	.name = "AF_NEWPROTO, IPv4", .domain = AF_NEWPROTO, .protocol = 0, .af = AF_INET,
};

const struct door door_family6 = {
	.name = "AF_NEWPROTO, IPv6", .domain = AF_NEWPROTO,
	.protocol = NEWPROTO_PROTO_IPV6, .af = AF_INET6,
};

const struct door door_inet4 = {
	.name = "AF_INET", .domain = AF_INET, .protocol = IPPROTO_NEWPROTO, .af = AF_INET,
};

const struct door door_inet6 = {
	.name = "AF_INET6", .domain = AF_INET6, .protocol = IPPROTO_NEWPROTO, .af = AF_INET6,
};

const struct door door_mapped = {
	.name = "v4-mapped", .domain = AF_INET6, .protocol = IPPROTO_NEWPROTO,
	.af = AF_INET6, .mapped = true,
};

bool over_tcp(void)
{
	const char *proto = getenv("NEWPROTO_TEST_PROTO");

	return proto && (!strcmp(proto, "tcp") || !strcmp(proto, "udp"));
}

/* Streams have TCP for their oracle and datagrams have UDP, whichever is named. */
bool over_udp(void)
{
	return over_tcp();
}

bool over_nic(void)
{
	const char *proto = getenv("NEWPROTO_TEST_PROTO");

	return proto && !strcmp(proto, "nic");
}

int test_scale(void)
{
	const char *scale = getenv("NEWPROTO_TEST_SCALE");
	int n = scale ? atoi(scale) : 1;

	return n > 0 ? n : 1;
}

/* The module's parameter "family" may have chosen another number. */
int family_number(void)
{
	char buf[16];

	if (file_read("/sys/module/newproto/parameters/family", buf, sizeof(buf)) > 0)
		return atoi(buf);
	return AF_NEWPROTO;
}

int door_domain(const struct door *d)
{
	if (over_tcp())
		return d->af;
	return d->domain == AF_NEWPROTO ? family_number() : d->domain;
}

int door_protocol(const struct door *d)
{
	return over_tcp() ? IPPROTO_TCP : d->protocol;
}

/* To where one listens. */
int nic_bind(int fd)
{
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "npnic0", 7);
}

int door_socket(const struct door *d, int flags)
{
	int type = over_tcp() || !d->type ? SOCK_STREAM : d->type;
	int fd = socket(door_domain(d), type | flags, door_protocol(d));

	if (fd >= 0 && over_nic() && (nic_pair() || (type == SOCK_STREAM && nic_bind(fd)))) {
		perror("# no pair of npnic devices");
		close(fd);
		return -1;
	}
	return fd;
}

int nic_answer_ms = NIC_ANSWER_MS;

/* Is the socket bound to that device? */
static bool is_at(int fd, const char *ifname)
{
	char name[16] = "";
	socklen_t len = sizeof(name);

	return over_nic() && !getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len) &&
	       !strcmp(name, ifname);
}

/* From where one listens to where one connects. */
bool nic_move(int fd)
{
	if (!is_at(fd, "npnic0"))
		return false;
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "npnic1", 7) && errno == EPERM)
		perror("# a socket stays where it is");
	return true;
}

/*
 * Over a NIC who connects is at its other end. There the answer takes a moment; who does not
 * want to wait for a place in a queue has it nevertheless, as over the local path.
 */
static int nic_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	if (!__real_connect(fd, sa, len))
		return 0;
	if (errno != EINPROGRESS || !nic_answer_ms || !(fcntl(fd, F_GETFL) & O_NONBLOCK))
		return -1;
	if (poll_events(fd, POLLOUT, nic_answer_ms))
		return __real_connect(fd, sa, len);
	errno = EINPROGRESS;
	return -1;
}

/* Not all that tests call an address can be read: a pipe says whether it can. */
static bool is_unspec(const struct sockaddr *sa, socklen_t len)
{
	sa_family_t family = -1;
	int fds[2];

	if (len < sizeof(family) || pipe(fds))
		return false;
	if (write(fds[1], sa, sizeof(family)) != sizeof(family) ||
	    read(fds[0], &family, sizeof(family)) != sizeof(family))
		family = -1;
	close(fds[0]);
	close(fds[1]);
	return family == AF_UNSPEC;
}

/* Who is dissolved may listen next. */
static int nic_dissolve(int fd, const struct sockaddr *sa, socklen_t len)
{
	int ret = __real_connect(fd, sa, len);
	int err = errno;

	if (!ret && is_at(fd, "npnic1"))
		nic_bind(fd);
	errno = err;
	return ret;
}

int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	if (over_nic() && is_unspec(sa, len))
		return nic_dissolve(fd, sa, len);
	if (nic_move(fd) || is_at(fd, "npnic1"))
		return nic_connect(fd, sa, len);
	return __real_connect(fd, sa, len);
}

/* Over a NIC what one end has done last takes a moment to get to the other. */
void nic_settle(void)
{
	if (over_nic())
		poll(NULL, 0, NIC_ANSWER_MS * 2);
}

/* The address in the form of the door: v4 text for IPv4 and v4-mapped, else v6 text. */
socklen_t door_addr(const struct door *d, union addr *a, const char *v4, const char *v6, int port)
{
	char text[INET6_ADDRSTRLEN + 8];

	memset(a, 0, sizeof(*a));
	if (d->af == AF_INET) {
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons(port);
		inet_pton(AF_INET, v4, &a->in.sin_addr);
		return sizeof(a->in);
	}

	a->in6.sin6_family = AF_INET6;
	a->in6.sin6_port = htons(port);
	snprintf(text, sizeof(text), "%s%s", d->mapped ? "::ffff:" : "", d->mapped ? v4 : v6);
	inet_pton(AF_INET6, text, &a->in6.sin6_addr);
	return sizeof(a->in6);
}

socklen_t door_loop(const struct door *d, union addr *a, int port)
{
	if (over_nic())
		return door_addr(d, a, "10.90.0.1", "fd90::1", port);
	return door_addr(d, a, "127.0.0.1", "::1", port);
}

socklen_t door_any(const struct door *d, union addr *a, int port)
{
	return door_addr(d, a, "0.0.0.0", "::", port);
}

int addr_port(const union addr *a)
{
	return ntohs(a->sa.sa_family == AF_INET ? a->in.sin_port : a->in6.sin6_port);
}

void addr_set_port(union addr *a, int port)
{
	if (a->sa.sa_family == AF_INET)
		a->in.sin_port = htons(port);
	else
		a->in6.sin6_port = htons(port);
}

int sock_port(int fd)
{
	union addr a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, &a.sa, &len))
		return -1;
	return addr_port(&a);
}

int door_bound(const struct door *d, int flags, int port)
{
	union addr a;
	socklen_t len = door_loop(d, &a, port);
	int fd = door_socket(d, flags);

	if (fd >= 0 && bind(fd, &a.sa, len)) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

int door_listener(const struct door *d, int backlog)
{
	int fd = door_bound(d, 0, 0);

	if (fd >= 0 && listen(fd, backlog)) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

/* A new socket connected to the loopback address, or connecting if nonblocking. */
int door_dial(const struct door *d, int flags, int port)
{
	union addr a;
	socklen_t len = door_loop(d, &a, port);
	int fd = door_socket(d, flags);

	if (fd >= 0 && connect(fd, &a.sa, len) && errno != EINPROGRESS) {
		int err = errno;

		close(fd);
		errno = err;
		return -1;
	}
	return fd;
}

/* sv[0] is the client, sv[1] what accept() gave. */
int door_connected(const struct door *d, int sv[2])
{
	int lsn = door_listener(d, 1);

	sv[0] = -1;
	sv[1] = -1;
	if (lsn < 0)
		return -1;
	sv[0] = door_dial(d, 0, sock_port(lsn));
	if (sv[0] >= 0)
		sv[1] = accept(lsn, NULL, NULL);
	close(lsn);
	return sv[1] < 0 ? -1 : 0;
}

/* A port that nobody has: bound a moment ago, closed again. */
int door_free_port(const struct door *d)
{
	int fd = door_bound(d, 0, 0);
	int port = sock_port(fd);

	close(fd);
	return port;
}

int sock_nonblock(int fd)
{
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

int sock_int(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, level, name, &value, &len))
		return -1;
	return value;
}

int sock_error(int fd)
{
	return sock_int(fd, SOL_SOCKET, SO_ERROR);
}

/* An error that is sure to come, if what the other end does takes a moment. */
int sock_error_soon(int fd)
{
	int64_t end = now_ms() + WAIT_MS;
	int err;

	while (!(err = sock_error(fd)) && now_ms() < end)
		poll(NULL, 0, 1);
	return err;
}

int sock_set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

int sock_timeout(int fd, int name, int ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	return setsockopt(fd, SOL_SOCKET, name, &tv, sizeof(tv));
}

int poll_events(int fd, int events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, ms) < 0 ? -1 : p.revents;
}

int count_pending(int fd, unsigned long request)
{
	int n = -1;

	return ioctl(fd, request, &n) ? -1 : n;
}

/* The period, 4093 * 251 bytes, is no multiple of a page or of a buffer. */
static unsigned char pattern_at(size_t pos)
{
	return pos % 251 ^ pos % 4093;
}

void pattern_fill(void *buf, size_t len, size_t pos)
{
	unsigned char *p = buf;
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = pattern_at(pos + i);
}

/* Offset of the first byte that is not the stream's, -1 if all are right. */
long pattern_wrong(const void *buf, size_t len, size_t pos)
{
	const unsigned char *p = buf;
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != pattern_at(pos + i))
			return i;
	return -1;
}

/*
 * Is there what the debug kernel fills memory with that nobody has written to: 0xfe on
 * the stack (CONFIG_INIT_STACK_ALL_PATTERN), 0x5a in a fresh object of the slab, 0x6b in
 * a freed one? Whoever compares what two equal calls return cannot see it, because it
 * is the same in both. Four in a row: one may be a value's, or part of an address.
 */
bool kernel_bytes(const void *buf, size_t len)
{
	const unsigned char *p = buf;
	size_t i, run = 0;

	for (i = 0; i < len; i++) {
		run = i && p[i] == p[i - 1] ? run + 1 : 1;
		if (run >= 4 && (p[i] == 0xfe || p[i] == 0x5a || p[i] == 0x6b))
			return true;
	}
	return false;
}

/* Writes the pattern until the socket takes no more; the number of bytes taken. */
long fill_socket(int fd, size_t pos)
{
	static unsigned char buf[16384];
	size_t sent = 0;
	ssize_t n;

	for (;;) {
		pattern_fill(buf, sizeof(buf), pos + sent);
		n = send(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n <= 0)
			break;
		sent += n;
	}
	return n < 0 && errno == EAGAIN ? (long)sent : -1;
}

/* Reads and checks @want bytes; how many came and were right. */
long drain_socket(int fd, size_t pos, size_t want)
{
	static unsigned char buf[16384];
	size_t got = 0;
	ssize_t n;

	while (got < want) {
		size_t room = want - got < sizeof(buf) ? want - got : sizeof(buf);

		if (!(poll_events(fd, POLLIN, WAIT_MS) & POLLIN))
			break;
		n = recv(fd, buf, room, MSG_DONTWAIT);
		if (n <= 0 || pattern_wrong(buf, n, pos + got) >= 0)
			break;
		got += n;
	}
	return got;
}

int write_all(int fd, size_t pos, size_t len)
{
	unsigned char buf[8192];
	ssize_t n;

	while (len) {
		size_t step = len < sizeof(buf) ? len : sizeof(buf);

		pattern_fill(buf, step, pos);
		n = send(fd, buf, step, MSG_NOSIGNAL);
		if (n <= 0)
			return -1;
		pos += n;
		len -= n;
	}
	return 0;
}

int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}
