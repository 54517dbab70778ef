// SPDX-License-Identifier: GPL-2.0-only
/*
 * See dgrouplib.h.
 */
#include "dgrouplib.h"

static const struct door door_dgram4 = {
	.name = "AF_NEWPROTO, IPv4", .domain = AF_NEWPROTO, .type = SOCK_DGRAM, .af = AF_INET,
};

static const struct door door_dgram6 = {
	.name = "AF_INET6", .domain = AF_INET6, .type = SOCK_DGRAM,
	.protocol = IPPROTO_NEWPROTO, .af = AF_INET6,
};

/* The one of them that is like @d. */
const struct door *dgram_door(const struct door *d)
{
	return d->af == AF_INET ? &door_dgram4 : &door_dgram6;
}

/* A group of one. */
int dgroup_start(struct dgroup *g, const struct door *d)
{
	int i;

	*g = (struct dgroup){ .door = d };
	for (i = 0; i < MEMBERS; i++)
		g->m[i] = -1;
	for (i = 0; i < SENDERS; i++)
		g->tx[i] = -1;
	return dgroup_grow(g);
}

int dgroup_dial(struct dgroup *g)
{
	int i;

	for (i = 0; i < SENDERS; i++) {
		g->tx[i] = dgram_dial(g->door, 0, g->port);
		if (g->tx[i] < 0)
			return -1;
	}
	return 0;
}

void dgroup_end(struct dgroup *g)
{
	int i;

	for (i = 0; i < MEMBERS; i++)
		close(g->m[i]);
	for (i = 0; i < SENDERS; i++)
		close(g->tx[i]);
}

/* One more member. */
int dgroup_grow(struct dgroup *g)
{
	int fd = dgram_share(g->door, SO_REUSEPORT, g->port);

	g->m[g->n++] = fd;
	if (!g->port)
		g->port = sock_port(fd);
	return fd;
}

int dgroup_leave(struct dgroup *g, int i)
{
	int fd = g->m[i];

	g->m[i] = -1;
	return close(fd);
}

/* One more member, in a process of its own. */
int dgroup_remote(const struct dgroup *g, struct remote *r, int grace)
{
	*r = (struct remote){
		.door = dgram_door(g->door),
		.port = g->port, .backlog = BOUND_ONLY, .grace = grace,
	};
	return remote_start(r);
}

int group_set(int fd, int name, int value)
{
	return sock_set(fd, SOL_NEWPROTO, name, value);
}

int group_get(int fd, int name)
{
	return sock_int(fd, SOL_NEWPROTO, name);
}

int send_number(int fd, uint32_t number, size_t size)
{
	static char buf[4096];

	memcpy(buf, &number, sizeof(number));
	return send(fd, buf, size, MSG_DONTWAIT) == (ssize_t)size ? 0 : -1;
}

/* How many were taken. */
int send_some(struct dgroup *g, int n, size_t size)
{
	int i;

	for (i = 0; i < n; i++, g->sent++)
		if (send_number(g->tx[g->sent % SENDERS], g->sent, size))
			break;
	return i;
}

/* The number of the next datagram; -1: none, -2: it is not from who sent that number. */
int64_t read_number(const struct dgroup *g, int fd)
{
	uint32_t number;
	union addr from;
	socklen_t len = sizeof(from);

	if (!(poll_events(fd, POLLIN, WAIT_MS / 4) & POLLIN) ||
	    recvfrom(fd, &number, sizeof(number), MSG_DONTWAIT, &from.sa, &len) != sizeof(number))
		return -1;
	if (addr_port(&from) == sock_port(g->tx[number % SENDERS]))
		return number;
	fprintf(stderr, "# number %u is from port %d\n", number, addr_port(&from));
	return -2;
}

/* How many of the next are numbered as they should be, up to the first that is not. */
int read_in_order(const struct dgroup *g, int fd, int64_t first, int count)
{
	int64_t number;
	int i;

	for (i = 0; i < count; i++) {
		number = read_number(g, fd);
		if (number == first + i)
			continue;
		fprintf(stderr, "# %lld in place of %lld\n", (long long)number,
			(long long)first + i);
		break;
	}
	return i;
}

/* Reads all that is there; how many, -1 if the numbers do not grow. */
int read_all(const struct dgroup *g, int fd)
{
	int64_t number, before = -1;
	int n;

	for (n = 0; !dgram_empty(fd); n++, before = number) {
		number = read_number(g, fd);
		if (number <= before)
			return -1;
	}
	return n;
}

/* Their lines in /proc; all is -1 if there is none. */
struct group_line member_of(int fd)
{
	struct group_line l = { };

	if (member_line(member_inode(fd), &l))
		memset(&l, 0xff, sizeof(l));
	return l;
}

struct group_line group_of(int port)
{
	struct group_line l = { };

	if (group_line(port, &l))
		memset(&l, 0xff, sizeof(l));
	return l;
}
