/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of newproto-fabricd: the shared memory with its board (fabricd_region.c), those
 * who are there (fabricd_peers.c), the socket and the loop (fabricd_serve.c), and the
 * command line (newproto-fabricd.c).
 */
#ifndef _FABRICD_H
#define _FABRICD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "../drivers/net/newproto/layout.h"

/* Exit codes. */
#define EXIT_TROUBLE	1	/* cannot serve, or what is asked for does not fit */
#define EXIT_USAGE	2	/* the command line makes no sense */

/* QEMU keeps the ids of peers in 16 bits, and none may be used a second time. */
#define LAST_ID		65534

/**
 * struct settings - what the command line says
 * @socket: where clients connect
 * @pidfile: or NULL
 * @size: bytes of the region
 * @peers: slots
 * @queues: between each two
 * @ring: bytes of a frame ring; 0: as many as fit
 * @mode: of the socket
 * @group: of the socket; -1: left alone
 * @timeout: seconds after which a client is dropped that does not take its messages
 * @first_id: the first client's; 0 but in tests
 * @daemon: go into the background
 * @check: only say what the layout is
 */
struct settings {
	const char *socket;
	const char *pidfile;
	uint64_t size;
	unsigned int peers;
	unsigned int queues;
	uint32_t ring;
	mode_t mode;
	gid_t group;
	unsigned int timeout;
	unsigned int first_id;
	bool daemon;
	bool check;
};

/* A line on stderr; chat() only with --verbose. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void chat(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A number of bytes as a person would write it. */
#define SIZE_TEXT	32
const char *size_text(uint64_t size, char text[SIZE_TEXT]);

/**
 * struct region - the shared memory
 * @layout: where things are in it
 * @head: what is to be in it: the header
 * @board: and the board
 * @mem: its begin
 * @fd: its memfd
 */
struct region {
	struct npnic_layout layout;
	struct npnic_head head;
	struct npnic_board board;
	void *mem;
	int fd;
};

/* What -1 is returned for has been told on stderr. */

/* Compute the layout that is asked for: 0, or -1. */
int region_layout(struct npnic_layout *l, const struct settings *s);
/* Print it. */
void region_describe(const struct npnic_layout *l);
/* Make the memory, with @r->layout in its header: 0, or -1. */
int region_make(struct region *r);
/* Write on the board that @id has @slot, and that whoever has it is gone. */
void region_join(struct region *r, unsigned int slot, uint32_t id);
void region_leave(struct region *r, unsigned int slot);
/* Every member can write to all of it. Put right what is not its to write: true, if any was. */
bool region_mend(struct region *r);

static inline unsigned int region_vectors(const struct region *r)
{
	return NPNIC_VEC_QUEUE + r->layout.queues;
}

/*
 * Who is there, by slot. What goes wrong with a peer dooms it; doomed ones leave when
 * peers_reap() is called, so that no function has one vanish under it.
 */

/* Before all others. Connections are added to @epoll, with their slot as data. */
void peers_init(struct region *r, const struct settings *s, int epoll);
/* Let a client in, or close @fd, its connection. */
void peers_join(int fd);
/* @slot's connection has @events for epoll. */
void peers_input(unsigned int slot, uint32_t events);
/* Now and then: see that the board says what it should. */
void peers_mend(void);
/* Send what can be sent, and doom who has not read for too long. */
void peers_flush(void);
void peers_reap(void);
/* How long epoll may wait, in ms; -1: as long as it takes. */
int peers_patience(void);

/* Remove a file, if it is the one that was made: @st is what it was. */
void remove_ours(const char *path, const struct stat *st);

/* Make the socket: a file descriptor, or -1. */
int serve_open(const struct settings *s);
/* Serve until a signal comes. Returns an exit code. */
int serve(struct region *r, const struct settings *s, int listener);
/* Remove the socket, unless somebody has put another one in its place. */
void serve_close(int listener);

#endif /* _FABRICD_H */
