// SPDX-License-Identifier: GPL-2.0-only
/* The kinds of socket that are compared, and how each is set up. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include <linux/newproto.h>
#include <linux/vm_sockets.h>

#include "bench.h"

static const struct kind kinds[] = {
	{ .name = "pipe", .type = SOCK_STREAM },
	{ .name = "unix", .type = SOCK_STREAM, .domain = AF_UNIX },
	{ .name = "tcp", .type = SOCK_STREAM, .domain = AF_INET, .nodelay = true },
	{ .name = "vsock", .type = SOCK_STREAM, .domain = AF_VSOCK },
	{ .name = "newproto", .type = SOCK_STREAM, .domain = AF_NEWPROTO },
	{ .name = "tcp6", .type = SOCK_STREAM, .domain = AF_INET6, .nodelay = true },
	{ .name = "newproto6", .type = SOCK_STREAM, .domain = AF_NEWPROTO,
	  .protocol = NEWPROTO_PROTO_IPV6 },
	{ .name = "direct", .type = SOCK_STREAM, .domain = AF_NEWPROTO, .net = "10.90.0.1",
	  .bound = true },
	{ .name = "tcp-npnic", .type = SOCK_STREAM, .domain = AF_INET, .nodelay = true,
	  .net = "10.90.0.1" },
	{ .name = "tcp-veth", .type = SOCK_STREAM, .domain = AF_INET, .nodelay = true,
	  .net = "10.91.0.1" },
	{ .name = "unix", .type = SOCK_DGRAM, .domain = AF_UNIX },
	{ .name = "udp", .type = SOCK_DGRAM, .domain = AF_INET },
	{ .name = "newproto", .type = SOCK_DGRAM, .domain = AF_NEWPROTO },
	{ .name = "unix", .type = SOCK_SEQPACKET, .domain = AF_UNIX },
	{ .name = "newproto", .type = SOCK_SEQPACKET, .domain = AF_NEWPROTO },
};

/* A name stands for one kind of each type that the family has. */
const struct kind *kind_find(const char *name, int type)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].type == type && !strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

/* The kind after @kind, the first for NULL, NULL after the last. */
const struct kind *kind_next(const struct kind *kind)
{
	const struct kind *next = kind ? kind + 1 : kinds;

	return next < kinds + ARRAY_SIZE(kinds) ? next : NULL;
}

bool kind_is_pipe(const struct kind *kind)
{
	return !kind->domain;
}

static const char *type_name(int type)
{
	switch (type) {
	case SOCK_DGRAM:
		return "dgram";
	case SOCK_SEQPACKET:
		return "seqpacket";
	default:
		return "stream";
	}
}

/* Can such sockets be made here? If not, say in the results why @row has no figure. */
bool kind_available(const struct kind *kind, const char *row)
{
	int fd;

	if (kind_is_pipe(kind))
		return true;
	fd = socket(kind->domain, kind->type, kind->protocol);
	if (fd < 0) {
		printf("BENCH\tabsent\t%s\t%s\t%s\t%s\n", row, kind->name,
		       type_name(kind->type), strerror(errno));
		fflush(stdout);
		return false;
	}
	close(fd);
	return true;
}

/*
 * The loopback address of @l's kind with the port left to the kernel. AF_UNIX does
 * the same for a bare family: it binds a fresh abstract name.
 */
static void any_address(struct listener *l)
{
	struct sockaddr_in *in = (void *)&l->addr;
	struct sockaddr_in6 *in6 = (void *)&l->addr;
	struct sockaddr_vm *vm = (void *)&l->addr;

	memset(&l->addr, 0, sizeof(l->addr));
	switch (l->kind->domain) {
	case AF_UNIX:
		l->addr.ss_family = AF_UNIX;
		l->len = sizeof(sa_family_t);
		break;
	case AF_VSOCK:
		vm->svm_family = AF_VSOCK;
		vm->svm_cid = VMADDR_CID_LOCAL;
		vm->svm_port = VMADDR_PORT_ANY;
		l->len = sizeof(*vm);
		break;
	default:
		if (l->kind->domain == AF_INET6 || l->kind->protocol == NEWPROTO_PROTO_IPV6) {
			in6->sin6_family = AF_INET6;
			in6->sin6_addr = in6addr_loopback;
			l->len = sizeof(*in6);
		} else {
			in->sin_family = AF_INET;
			in->sin_addr.s_addr = l->kind->net ? inet_addr(l->kind->net) :
							     htonl(INADDR_LOOPBACK);
			l->len = sizeof(*in);
		}
	}
}

/* Go to another namespace; returns a file of the one that was left. */
static int enter(const char *path)
{
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (own < 0 || fd < 0 || setns(fd, CLONE_NEWNET))
		die("%s", path);
	close(fd);
	return own;
}

static void bind_device(const struct kind *kind, int fd, const char *device)
{
	if (kind->bound &&
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, strlen(device) + 1))
		die("%s: SO_BINDTODEVICE %s", kind->name, device);
}

/* A socket that can be bound to @l->addr. */
void listener_socket(struct listener *l, const struct kind *kind)
{
	int own = -1;

	l->kind = kind;
	any_address(l);
	if (kind->net)
		own = enter("/run/netns/srv");
	l->fd = socket(kind->domain, kind->type, kind->protocol);
	if (l->fd < 0)
		die("%s: socket", kind->name);
	bind_device(kind, l->fd, "srv");
	if (own >= 0 && (setns(own, CLONE_NEWNET) || close(own)))
		die("setns");
}

/* Bind it, and let @l->addr be what it then has. */
void listener_name(struct listener *l)
{
	if (bind(l->fd, (struct sockaddr *)&l->addr, l->len))
		die("%s: bind", l->kind->name);
	l->len = sizeof(l->addr);
	if (getsockname(l->fd, (struct sockaddr *)&l->addr, &l->len))
		die("%s: getsockname", l->kind->name);
}

/* A socket that is bound; @l->addr is its address. For datagrams that is all there is. */
void listener_bind(struct listener *l, const struct kind *kind)
{
	listener_socket(l, kind);
	listener_name(l);
}

void listener_open(struct listener *l, const struct kind *kind, int backlog)
{
	listener_bind(l, kind);
	if (listen(l->fd, backlog))
		die("%s: listen", kind->name);
}

int listener_connect(const struct listener *l)
{
	int fd = socket(l->kind->domain, l->kind->type, l->kind->protocol);

	if (fd < 0)
		die("%s: socket", l->kind->name);
	bind_device(l->kind, fd, "cli");
	if (connect(fd, (const struct sockaddr *)&l->addr, l->len))
		die("%s: connect", l->kind->name);
	return fd;
}

int listener_accept(const struct listener *l)
{
	int fd = accept(l->fd, NULL, NULL);

	if (fd < 0)
		die("%s: accept", l->kind->name);
	return fd;
}

void listener_close(struct listener *l)
{
	close(l->fd);
}

static void no_delay(const struct kind *kind, int fd)
{
	int one = 1;

	if (kind->nodelay && setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		die("%s: TCP_NODELAY", kind->name);
}

static void pipes_open(struct end *a, struct end *b)
{
	int there[2], back[2];

	if (pipe(there) || pipe(back))
		die("pipe");
	*a = (struct end){ .in = back[0], .out = there[1] };
	*b = (struct end){ .in = there[0], .out = back[1] };
}

/* Two bound sockets, each connected to the other. */
static void datagrams_open(const struct kind *kind, struct end *a, struct end *b)
{
	struct listener x, y;

	listener_bind(&x, kind);
	listener_bind(&y, kind);
	if (connect(x.fd, (struct sockaddr *)&y.addr, y.len) ||
	    connect(y.fd, (struct sockaddr *)&x.addr, x.len))
		die("%s: connect", kind->name);
	*a = (struct end){ .in = x.fd, .out = x.fd };
	*b = (struct end){ .in = y.fd, .out = y.fd };
}

void pair_open(const struct kind *kind, struct end *a, struct end *b)
{
	struct listener l;

	if (kind_is_pipe(kind)) {
		pipes_open(a, b);
		return;
	}
	if (kind->type == SOCK_DGRAM) {
		datagrams_open(kind, a, b);
		return;
	}
	listener_open(&l, kind, 1);
	a->in = listener_connect(&l);
	a->out = a->in;
	b->in = listener_accept(&l);
	b->out = b->in;
	no_delay(kind, a->in);
	no_delay(kind, b->in);
	listener_close(&l);
}

void end_close(struct end *e)
{
	close(e->in);
	if (e->out != e->in)
		close(e->out);
}
