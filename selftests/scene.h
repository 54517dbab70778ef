/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Scenes: a socket brought into a named state, with what the state needs around
 * it. scene.c lists the names.
 */
#ifndef NEWPROTO_SELFTESTS_SCENE_H
#define NEWPROTO_SELFTESTS_SCENE_H

#include "common.h"

struct scene {
	const struct door *door;
	bool dgram;		/* of datagram sockets */
	int fd;			/* the socket in question */
	int peer;		/* its other end */
	int lsn;		/* the listener it was made with */
	int filler;		/* the client that fills a backlog */
	int port;		/* of the listener */
	union addr dest;	/* of the listener */
	socklen_t dest_len;
};

/* 0; -1 and errno; ENOTSUP where TCP has no such state. */
int scene_make(struct scene *s, const struct door *d, const char *name);
void scene_end(struct scene *s);

#endif /* NEWPROTO_SELFTESTS_SCENE_H */
