/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of groups of datagram sockets share: members, senders that are
 * connected to the group, and numbered datagrams.
 */
#ifndef NEWPROTO_SELFTESTS_DGROUPLIB_H
#define NEWPROTO_SELFTESTS_DGROUPLIB_H

#include "dgramlib.h"
#include "grouplib.h"

#define MEMBERS		4
#define SENDERS		5
#define SIZE		512	/* of a datagram that fills a buffer */
#define SMALL		8192	/* a buffer for some of them */

/* A door at which member_new() and remotes get datagram sockets. */
const struct door *dgram_door(const struct door *d);

/* A group as a test sees it. */
struct dgroup {
	const struct door *door;
	int m[MEMBERS];		/* the members, in the order of their bind() */
	int n;			/* how many there have been */
	int port;
	int tx[SENDERS];	/* connected to the group */
	uint32_t sent;		/* numbers begin at 0 */
};

int dgroup_start(struct dgroup *g, const struct door *d);
int dgroup_dial(struct dgroup *g);
void dgroup_end(struct dgroup *g);
int dgroup_grow(struct dgroup *g);
int dgroup_leave(struct dgroup *g, int i);
int dgroup_remote(const struct dgroup *g, struct remote *r, int grace);

int group_set(int fd, int name, int value);
int group_get(int fd, int name);
struct group_line group_of(int port);
struct group_line member_of(int fd);

/* Numbered datagrams, from the senders in turn. */
int send_number(int fd, uint32_t number, size_t size);
int send_some(struct dgroup *g, int n, size_t size);
int64_t read_number(const struct dgroup *g, int fd);
int read_in_order(const struct dgroup *g, int fd, int64_t first, int count);
int read_all(const struct dgroup *g, int fd);

#define EXPECT_NUMBERS(g, fd, first, count)	\
	EXPECT_EQ(count, read_in_order(g, fd, first, count))

#endif /* NEWPROTO_SELFTESTS_DGROUPLIB_H */
