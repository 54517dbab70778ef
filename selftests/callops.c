// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every call of the errno table. What a call passes is told by words, such as
 * "dontwait" or "badptr"; a call without words is the plain one.
 */
#include <limits.h>
#include <time.h>

#include <linux/sockios.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <kselftest.h>

#include "callops.h"
#include "dgramlib.h"

bool has(const char *args, const char *word)
{
	size_t len = strlen(word);
	const char *p = args;

	while (*p) {
		size_t n = strcspn(p, ",");

		if (n == len && !strncmp(p, word, n))
			return true;
		p += n + (p[n] == ',');
	}
	return false;
}

/* The number behind "word=", or the default. */
static int number(const char *args, const char *word, int otherwise)
{
	size_t len = strlen(word);
	const char *p = args;

	while (*p) {
		if (!strncmp(p, word, len) && p[len] == '=')
			return strtol(p + len + 1, NULL, 0);
		p += strcspn(p, ",");
		p += *p == ',';
	}
	return otherwise;
}

static int msg_flags(const char *args)
{
	static const struct {
		const char *word;
		int flag;
	} flags[] = {
		{ "dontwait", MSG_DONTWAIT }, { "nosignal", MSG_NOSIGNAL }, { "oob", MSG_OOB },
		{ "peek", MSG_PEEK }, { "waitall", MSG_WAITALL }, { "trunc", MSG_TRUNC },
		{ "more", MSG_MORE }, { "errqueue", MSG_ERRQUEUE }, { "eor", MSG_EOR },
		{ "fastopen", MSG_FASTOPEN }, { "confirm", MSG_CONFIRM },
		{ "dontroute", MSG_DONTROUTE }, { "zerocopy", MSG_ZEROCOPY },
	};
	int out = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++)
		if (has(args, flags[i].word))
			out |= flags[i].flag;
	return out;
}

/* So that a call that ought to come back at once shows that it waits. */
static void apply_timeouts(struct scene *s, const char *args)
{
	if (has(args, "sndtimeo"))
		sock_timeout(s->fd, SO_SNDTIMEO, 30);
	if (has(args, "rcvtimeo"))
		sock_timeout(s->fd, SO_RCVTIMEO, 30);
	if (has(args, "nonblock"))
		sock_nonblock(s->fd);
}

/* No descriptor left: what makes one says EMFILE. */
static void exhaust_fds(const char *args)
{
	struct rlimit lim;
	int fd;

	if (!has(args, "emfile"))
		return;
	fd = dup(0);
	close(fd);
	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = fd;
	setrlimit(RLIMIT_NOFILE, &lim);
}

static int word_domain(const char *args)
{
	if (has(args, "inet"))
		return AF_INET;
	return has(args, "inet6") ? AF_INET6 : family_number();
}

static int word_type(const char *args)
{
	int type = SOCK_STREAM;

	if (has(args, "dgram"))
		type = SOCK_DGRAM;
	if (has(args, "seqpacket"))
		type = SOCK_SEQPACKET;
	if (has(args, "raw"))
		type = SOCK_RAW;
	if (has(args, "rdm"))
		type = SOCK_RDM;
	type = number(args, "type", type);
	if (has(args, "nonblock"))
		type |= SOCK_NONBLOCK;
	if (has(args, "cloexec"))
		type |= SOCK_CLOEXEC;
	return type;
}

static int word_protocol(const char *args)
{
	if (has(args, "newproto"))
		return IPPROTO_NEWPROTO;
	if (has(args, "newproto6"))
		return NEWPROTO_PROTO_IPV6;
	if (has(args, "tcp"))
		return IPPROTO_TCP;
	if (has(args, "udp"))
		return IPPROTO_UDP;
	return number(args, "proto", 0);
}

static long do_socket(struct scene *s, const char *args)
{
	exhaust_fds(args);
	return socket(word_domain(args), word_type(args), word_protocol(args));
}

static long do_socketpair(struct scene *s, const char *args)
{
	int sv[2];

	exhaust_fds(args);
	if (has(args, "dgram"))
		return socketpair(family_number(), SOCK_DGRAM, word_protocol(args), sv);
	return socketpair(door_domain(s->door), word_type(args), door_protocol(s->door),
			  has(args, "badptr") ? BAD_PTR : sv);
}

/* An address after the words that change it. */
static socklen_t word_name(struct scene *s, const char *args, union addr *a, int port)
{
	const struct door *d = s->door;
	socklen_t len = door_loop(d, a, port);

	if (has(args, "any"))
		len = door_any(d, a, port);
	if (has(args, "notlocal"))
		len = door_addr(d, a, "198.51.100.77", "2001:db8::77", port);
	if (has(args, "broadcast"))
		len = door_addr(d, a, "255.255.255.255", "ff02::1", port);
	if (has(args, "multicast"))
		len = door_addr(d, a, "224.0.0.1", "ff02::1", port);
	if (has(args, "unixfamily"))
		a->sa.sa_family = AF_UNIX;
	if (has(args, "badfamily"))
		a->sa.sa_family = 4711;
	if (has(args, "unspec"))
		a->sa.sa_family = AF_UNSPEC;
	if (has(args, "huge"))
		len = sizeof(struct sockaddr_storage) + 1;
	return len;
}

/* What bind() and connect() are given: the length may be changed, too. */
static socklen_t word_addr(struct scene *s, const char *args, union addr *a, int port)
{
	return number(args, "len", word_name(s, args, a, port));
}

/* A port that nobody has, and a socket that has one. */
static int scene_nobody(const struct scene *s)
{
	return s->dgram ? dgram_free_port(s->door) : door_free_port(s->door);
}

static int scene_somebody(const struct scene *s)
{
	return s->dgram ? dgram_bound(s->door, 0, 0) : door_bound(s->door, 0, 0);
}

static long do_bind(struct scene *s, const char *args)
{
	union addr a;
	socklen_t len = word_addr(s, args, &a, 0);

	if (has(args, "inuse")) {
		s->lsn = s->dgram ? scene_somebody(s) : door_listener(s->door, 1);
		addr_set_port(&a, sock_port(s->lsn));
	}
	if (has(args, "same")) {
		s->lsn = scene_somebody(s);
		addr_set_port(&a, sock_port(s->lsn));
	}
	if (has(args, "lowport")) {
		addr_set_port(&a, 77);
		if (has(args, "nocap"))
			drop_caps();
	}
	return bind(s->fd, has(args, "badptr") ? BAD_PTR : &a.sa, len);
}

static long do_listen(struct scene *s, const char *args)
{
	return listen(s->fd, number(args, "backlog", 1));
}

static long do_connect(struct scene *s, const char *args)
{
	union addr a;
	socklen_t len;
	int port = s->port;

	apply_timeouts(s, args);
	if (has(args, "nobody")) {
		port = scene_nobody(s);
	} else if (has(args, "self")) {
		port = sock_port(s->fd);
	} else if (has(args, "port0")) {
		port = 0;
	} else if (!port) {
		s->lsn = door_listener(s->door, 1);
		port = sock_port(s->lsn);
	}
	len = word_addr(s, args, &a, port);
	if (has(args, "twice"))
		connect(s->fd, &a.sa, len);
	return connect(s->fd, has(args, "badptr") ? BAD_PTR : &a.sa, len);
}

static long accept_common(struct scene *s, const char *args, int flags, bool four)
{
	union addr a;
	socklen_t len = number(args, "len", sizeof(a));
	struct sockaddr *sa = has(args, "badptr") ? BAD_PTR : &a.sa;
	socklen_t *plen = has(args, "badlen") ? BAD_PTR : &len;

	apply_timeouts(s, args);
	exhaust_fds(args);
	return four ? accept4(s->fd, sa, plen, flags) : accept(s->fd, sa, plen);
}

static long do_accept(struct scene *s, const char *args)
{
	return accept_common(s, args, 0, false);
}

static long do_accept4(struct scene *s, const char *args)
{
	int flags = number(args, "flags", 0);

	if (has(args, "cloexec"))
		flags |= SOCK_CLOEXEC;
	if (has(args, "sock-nonblock"))
		flags |= SOCK_NONBLOCK;
	return accept_common(s, args, flags, true);
}

static long do_shutdown(struct scene *s, const char *args)
{
	int how = number(args, "how", SHUT_RDWR);

	if (has(args, "rd"))
		how = SHUT_RD;
	if (has(args, "wr"))
		how = SHUT_WR;
	return shutdown(s->fd, how);
}

static long do_close(struct scene *s, const char *args)
{
	long ret = close(s->fd);

	if (has(args, "twice"))
		ret = close(s->fd);
	s->fd = -1;
	return ret;
}

static char payload[8];

static size_t word_len(const char *args)
{
	return number(args, "len", 4);
}

static void *word_buf(const char *args, void *buf)
{
	return has(args, "badptr") ? BAD_PTR : buf;
}

static long do_send(struct scene *s, const char *args)
{
	void *buf = word_buf(args, payload);

	apply_timeouts(s, args);
	if (has(args, "twice"))
		send(s->fd, buf, word_len(args), msg_flags(args) | MSG_NOSIGNAL);
	return send(s->fd, buf, word_len(args), msg_flags(args));
}

/* Where a datagram is to go; a stream does not look at it. */
static socklen_t word_dest(struct scene *s, const char *args, union addr *a)
{
	int port = s->port ?: 9;

	if (has(args, "nobody"))
		port = scene_nobody(s);
	if (has(args, "port0"))
		port = 0;
	return word_name(s, args, a, port);
}

static long do_sendto(struct scene *s, const char *args)
{
	union addr a;
	socklen_t len = word_dest(s, args, &a);

	apply_timeouts(s, args);
	if (has(args, "hugeaddr"))
		len = sizeof(struct sockaddr_storage) + 1;
	if (has(args, "noaddr"))
		len = 0;
	if (has(args, "shortaddr"))
		len = 8;
	return sendto(s->fd, word_buf(args, payload), word_len(args), msg_flags(args),
		      has(args, "badaddr") ? BAD_PTR : len ? &a.sa : NULL, len);
}

struct message {
	struct msghdr msg;
	struct iovec iov[2];
	union {
		struct cmsghdr hdr;
		char buf[CMSG_SPACE(64)];
	} control;
	union addr name;
};

/* Two buffers of half the length each; the words add what may be wrong. */
static void word_message(struct message *m, const char *args, void *buf)
{
	size_t len = word_len(args);

	memset(m, 0, sizeof(*m));
	m->iov[0] = (struct iovec){ word_buf(args, buf), len / 2 };
	m->iov[1] = (struct iovec){ word_buf(args, (char *)buf + len / 2), len - len / 2 };
	m->msg.msg_iov = has(args, "badiov") ? BAD_PTR : m->iov;
	m->msg.msg_iovlen = has(args, "iovmax") ? IOV_MAX + 1 : 2;
	if (has(args, "noiov"))
		m->msg.msg_iovlen = 0;
	if (has(args, "name")) {
		m->msg.msg_name = &m->name;
		m->msg.msg_namelen = sizeof(m->name);
	}
	if (has(args, "neg-iov"))
		m->iov[1].iov_len = -1;
}

static void word_control(struct scene *s, struct message *m, const char *args)
{
	struct cmsghdr *c = &m->control.hdr;

	if (has(args, "badcontrol")) {
		m->msg.msg_control = BAD_PTR;
		m->msg.msg_controllen = sizeof(m->control);
		return;
	}
	if (!has(args, "rights") && !has(args, "shortcmsg"))
		return;
	m->msg.msg_control = &m->control;
	m->msg.msg_controllen = CMSG_SPACE(sizeof(int));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = has(args, "shortcmsg") ? 1 : CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &s->fd, sizeof(int));
}

static void word_to(struct scene *s, struct message *m, const char *args)
{
	if (!has(args, "to"))
		return;
	m->msg.msg_name = &m->name;
	m->msg.msg_namelen = word_dest(s, args, &m->name);
}

static long do_sendmsg(struct scene *s, const char *args)
{
	struct message m;

	apply_timeouts(s, args);
	word_message(&m, args, payload);
	word_control(s, &m, args);
	word_to(s, &m, args);
	return sendmsg(s->fd, has(args, "badmsg") ? BAD_PTR : &m.msg, msg_flags(args));
}

static long do_sendmmsg(struct scene *s, const char *args)
{
	struct message m[2];
	struct mmsghdr vec[2] = { };
	int i;

	apply_timeouts(s, args);
	for (i = 0; i < 2; i++) {
		/* the second may be the only bad one */
		word_message(&m[i], i || !has(args, "second") ? args : "", payload);
		word_control(s, &m[i], args);
		word_to(s, &m[i], args);
		vec[i].msg_hdr = m[i].msg;
	}
	return sendmmsg(s->fd, has(args, "badvec") ? BAD_PTR : vec,
			number(args, "vlen", 2), msg_flags(args));
}

static long do_write(struct scene *s, const char *args)
{
	apply_timeouts(s, args);
	return write(s->fd, word_buf(args, payload), word_len(args));
}

static long do_writev(struct scene *s, const char *args)
{
	struct message m;

	apply_timeouts(s, args);
	word_message(&m, args, payload);
	return writev(s->fd, m.msg.msg_iov, number(args, "count", m.msg.msg_iovlen));
}

static char inbox[64];

static long do_recv(struct scene *s, const char *args)
{
	void *buf = word_buf(args, inbox);

	apply_timeouts(s, args);
	if (has(args, "twice"))
		recv(s->fd, buf, word_len(args), msg_flags(args));
	return recv(s->fd, buf, word_len(args), msg_flags(args));
}

static long do_recvfrom(struct scene *s, const char *args)
{
	union addr a;
	socklen_t len = number(args, "addrlen", sizeof(a));

	apply_timeouts(s, args);
	return recvfrom(s->fd, word_buf(args, inbox), word_len(args), msg_flags(args),
			has(args, "badaddr") ? BAD_PTR : &a.sa,
			has(args, "badlen") ? BAD_PTR : &len);
}

static long do_recvmsg(struct scene *s, const char *args)
{
	struct message m;
	long ret;

	apply_timeouts(s, args);
	word_message(&m, args, inbox);
	m.msg.msg_control = &m.control;
	m.msg.msg_controllen = sizeof(m.control);
	ret = recvmsg(s->fd, has(args, "badmsg") ? BAD_PTR : &m.msg, msg_flags(args));
	if (ret >= 0 && has(args, "name"))
		return m.msg.msg_namelen;	/* a stream has no sender's address */
	if (ret >= 0 && has(args, "control"))
		return m.msg.msg_controllen;
	return ret;
}

static long do_recvmmsg(struct scene *s, const char *args)
{
	struct timespec ts = { .tv_nsec = has(args, "badtime") ? 2000000000 : 30000000 };
	struct message m[2];
	struct mmsghdr vec[2] = { };
	int i;

	apply_timeouts(s, args);
	for (i = 0; i < 2; i++) {
		word_message(&m[i], args, inbox + 8 * i);
		vec[i].msg_hdr = m[i].msg;
	}
	return recvmmsg(s->fd, has(args, "badvec") ? BAD_PTR : vec, number(args, "vlen", 2),
			msg_flags(args), has(args, "timeout") || has(args, "badtime") ? &ts : NULL);
}

static long do_read(struct scene *s, const char *args)
{
	apply_timeouts(s, args);
	return read(s->fd, word_buf(args, inbox), word_len(args));
}

static long do_readv(struct scene *s, const char *args)
{
	struct message m;

	apply_timeouts(s, args);
	word_message(&m, args, inbox);
	return readv(s->fd, m.msg.msg_iov, number(args, "count", m.msg.msg_iovlen));
}

/* "in" splices the socket into a pipe, otherwise a pipe into the socket. */
static long do_splice(struct scene *s, const char *args)
{
	unsigned int flags = number(args, "flags", 0);
	loff_t off = 0;
	int p[2];

	apply_timeouts(s, args);
	if (pipe(p) || write(p[1], "abcd", 4) != 4)
		return NO_SUCH_CALL;
	if (has(args, "splice-nonblock"))
		flags |= SPLICE_F_NONBLOCK;
	if (has(args, "nopipe"))
		return splice(s->fd, NULL, s->peer, NULL, 4, flags);
	if (has(args, "in"))
		return splice(s->fd, has(args, "offset") ? &off : NULL, p[1], NULL,
			      word_len(args), flags);
	return splice(p[0], NULL, s->fd, has(args, "offset") ? &off : NULL, word_len(args), flags);
}

static long do_sendfile(struct scene *s, const char *args)
{
	char name[] = "/tmp/newproto-XXXXXX";
	off_t off = 0;
	int file;

	apply_timeouts(s, args);
	file = mkstemp(name);
	if (file < 0) {
		strcpy(name, "/newprotoXXXXXX");	/* an initramfs without /tmp */
		file = mkstemp(name);
	}
	unlink(name);
	if (file < 0 || write(file, "abcd", 4) != 4)
		return NO_SUCH_CALL;
	if (has(args, "negoffset"))
		off = -1;
	if (has(args, "writeonly")) {
		close(file);
		file = open("/dev/null", O_WRONLY);
	}
	return sendfile(s->fd, file, has(args, "badptr") ? BAD_PTR : &off, word_len(args));
}

static long do_fcntl(struct scene *s, const char *args)
{
	struct flock lock = { .l_type = F_WRLCK };

	if (has(args, "getfl")) {
		int flags = fcntl(s->fd, F_GETFL);

		return flags < 0 ? -1 : flags & (O_ACCMODE | O_NONBLOCK);
	}
	if (has(args, "setfl-nonblock"))
		return fcntl(s->fd, F_SETFL, O_NONBLOCK) ?: fcntl(s->fd, F_GETFL) & O_NONBLOCK;
	if (has(args, "setfl-async"))
		return fcntl(s->fd, F_SETFL, O_ASYNC) ?: fcntl(s->fd, F_SETFL, 0);
	if (has(args, "setown"))
		return fcntl(s->fd, F_SETOWN, getpid()) ?:
		       fcntl(s->fd, F_GETOWN) != getpid();
	if (has(args, "dupfd"))
		return fcntl(s->fd, F_DUPFD, 0);
	if (has(args, "dupfd-max"))
		return fcntl(s->fd, F_DUPFD, INT_MAX);
	if (has(args, "direct"))
		return fcntl(s->fd, F_SETFL, O_DIRECT);
	if (has(args, "pipesize"))
		return fcntl(s->fd, F_SETPIPE_SZ, 4096);
	if (has(args, "lease"))
		return fcntl(s->fd, F_SETLEASE, F_RDLCK);
	if (has(args, "lock"))
		return fcntl(s->fd, F_SETLK, has(args, "badptr") ? BAD_PTR : &lock);
	return fcntl(s->fd, number(args, "cmd", 4711), 0);
}

static long do_poll(struct scene *s, const char *args)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN | POLLPRI | POLLOUT | POLLRDHUP };

	if (has(args, "none"))
		p.events = 0;
	/* not poll(): the C library's declaration knows these two to be wrong */
	if (has(args, "badptr"))
		return syscall(SYS_poll, BAD_PTR, 1, 0);
	if (has(args, "toomany"))
		return syscall(SYS_poll, &p, 1 << 30, 0);
	return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static long name_common(struct scene *s, const char *args,
			int (*call)(int fd, struct sockaddr *sa, socklen_t *len))
{
	union addr a;
	socklen_t len = number(args, "len", sizeof(a));
	long ret = call(s->fd, has(args, "badptr") ? BAD_PTR : &a.sa,
			has(args, "badlen") ? BAD_PTR : &len);

	/* the true length is told, whatever there was room for */
	if (!ret && has(args, "wantlen"))
		ret = len == (s->door->af == AF_INET ? sizeof(a.in) : sizeof(a.in6)) ? 0 : 1;
	if (!ret && has(args, "hasport"))
		ret = addr_port(&a) ? 0 : 1;
	return ret;
}

static long do_getsockname(struct scene *s, const char *args)
{
	return name_common(s, args, getsockname);
}

static long do_getpeername(struct scene *s, const char *args)
{
	return name_common(s, args, getpeername);
}

static void word_option(const char *args, int *level, int *name)
{
	*level = number(args, "level", SOL_SOCKET);
	*name = number(args, "name", SO_RCVLOWAT);
	if (has(args, "ipproto-tcp"))
		*level = IPPROTO_TCP;
	if (has(args, "sol-ip"))
		*level = IPPROTO_IP;
	if (has(args, "so-error"))
		*name = SO_ERROR;
	if (has(args, "cork")) {
		*level = IPPROTO_UDP;
		*name = UDP_CORK;
	}
	if (has(args, "ipproto-udp"))
		*level = IPPROTO_UDP;
	if (has(args, "sol-newproto"))
		*level = SOL_NEWPROTO;
	if (has(args, "nodelay")) {
		*level = IPPROTO_TCP;
		*name = TCP_NODELAY;
	}
	if (has(args, "acceptconn"))
		*name = SO_ACCEPTCONN;
	if (has(args, "rcvtimeo-name"))
		*name = SO_RCVTIMEO_OLD;
	if (has(args, "protocol"))
		*name = SO_PROTOCOL;
	if (has(args, "domain"))
		*name = SO_DOMAIN;
	if (has(args, "type-name"))
		*name = SO_TYPE;
}

static long do_getsockopt(struct scene *s, const char *args)
{
	int level, name, value = 0;
	socklen_t len = number(args, "len", sizeof(value));
	long ret;

	word_option(args, &level, &name);
	ret = getsockopt(s->fd, level, name, has(args, "badptr") ? BAD_PTR : &value,
			 has(args, "badlen") ? BAD_PTR : &len);
	return ret ?: value;
}

static long do_setsockopt(struct scene *s, const char *args)
{
	struct timeval late = { .tv_usec = 1000000 };
	int level, name, value = number(args, "value", 1);
	void *ptr = &value;
	socklen_t len;

	word_option(args, &level, &name);
	if (has(args, "baddom")) {
		ptr = &late;
		len = sizeof(late);
	} else {
		len = number(args, "len", sizeof(value));
	}
	return setsockopt(s->fd, level, name, has(args, "badptr") ? BAD_PTR : ptr, len);
}

static long do_ioctl(struct scene *s, const char *args)
{
	int value = -1;
	void *ptr = has(args, "badptr") ? BAD_PTR : &value;
	long ret;

	if (has(args, "inq"))
		ret = ioctl(s->fd, SIOCINQ, ptr);
	else if (has(args, "outq"))
		ret = ioctl(s->fd, SIOCOUTQ, ptr);
	else if (has(args, "atmark"))
		ret = ioctl(s->fd, SIOCATMARK, ptr);
	else
		ret = ioctl(s->fd, number(args, "cmd", 0x4711), ptr);
	return ret ?: value;
}

static const struct {
	const char *name;
	long (*run)(struct scene *s, const char *args);
} calls[] = {
	{ "socket", do_socket }, { "socketpair", do_socketpair }, { "bind", do_bind },
	{ "listen", do_listen }, { "connect", do_connect }, { "accept", do_accept },
	{ "accept4", do_accept4 }, { "shutdown", do_shutdown }, { "close", do_close },
	{ "send", do_send }, { "sendto", do_sendto }, { "sendmsg", do_sendmsg },
	{ "sendmmsg", do_sendmmsg }, { "write", do_write }, { "writev", do_writev },
	{ "recv", do_recv }, { "recvfrom", do_recvfrom }, { "recvmsg", do_recvmsg },
	{ "recvmmsg", do_recvmmsg }, { "read", do_read }, { "readv", do_readv },
	{ "splice", do_splice }, { "sendfile", do_sendfile }, { "fcntl", do_fcntl },
	{ "poll", do_poll }, { "getsockname", do_getsockname },
	{ "getpeername", do_getpeername }, { "getsockopt", do_getsockopt },
	{ "setsockopt", do_setsockopt }, { "ioctl", do_ioctl },
};

long callop(struct scene *s, const char *call, const char *args)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		if (strcmp(calls[i].name, call))
			continue;
		errno = 0;
		return calls[i].run(s, args);
	}
	return NO_SUCH_CALL;
}
