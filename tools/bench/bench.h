/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * np_bench: sockets inside one host, side by side.
 *
 * The program knows the kinds of socket to compare (kinds.c), times them (speed.c), also
 * in SO_REUSEPORT groups (groups.c), and weighs idle ones (memory.c, with the readers of
 * /proc in meminfo.c).
 * It wants a guest of its own: scripts/bench.sh boots them.
 */
#ifndef NP_BENCH_H
#define NP_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/*
 * One kind of socket. A pipe has no domain: it is two pipes, one each way. Sockets of a kind
 * with a @net are in two namespaces: who listens is in /run/netns/srv and has the first address
 * of that network; with @bound sockets are bound to the devices srv and cli.
 */
struct kind {
	const char *name;
	int type;
	int domain;
	int protocol;
	bool nodelay;
	const char *net;
	bool bound;
};

/* What one process holds of what joins the two; both are equal for a socket. */
struct end {
	int in;
	int out;
};

struct listener {
	const struct kind *kind;
	int fd;
	struct sockaddr_storage addr;
	socklen_t len;
};

/* kinds.c */
const struct kind *kind_find(const char *name, int type);
const struct kind *kind_next(const struct kind *kind);
bool kind_is_pipe(const struct kind *kind);
bool kind_available(const struct kind *kind, const char *row);
void listener_socket(struct listener *l, const struct kind *kind);
void listener_name(struct listener *l);
void listener_bind(struct listener *l, const struct kind *kind);
void listener_open(struct listener *l, const struct kind *kind, int backlog);
int listener_connect(const struct listener *l);
int listener_accept(const struct listener *l);
void listener_close(struct listener *l);
void pair_open(const struct kind *kind, struct end *a, struct end *b);
void end_close(struct end *e);

/* speed.c */
struct speed_options {
	const char *kinds;	/* comma separated, NULL for all of the table */
	const char *rows;	/* likewise */
	unsigned int repeats;	/* the median of so many is reported */
	unsigned int slot_ms;	/* 0: fixed counts, else as many operations as fill it */
	bool batch;		/* run as SCHED_BATCH */
};

int speed_run(const struct speed_options *opt);

/* groups.c */
int groups_run(const struct speed_options *opt);

/* memory.c */
int memory_run(const char *name, unsigned int connections);
int memory_run_datagrams(const char *name, unsigned int sockets);

/* meminfo.c */
struct memory;

struct memory *memory_read(void);
void memory_free(struct memory *m);
long long memory_slab_bytes(const struct memory *m);
long long memory_slab_pages(const struct memory *m);
long long memory_other_pages(const struct memory *m);
void memory_print_slabs(const struct memory *from, const struct memory *to,
			const char *kind, unsigned int connections);

/* util.c */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

[[gnu::noreturn, gnu::format(printf, 1, 2)]] void die(const char *fmt, ...);
[[gnu::format(printf, 2, 3)]] void watch(unsigned int seconds, const char *fmt, ...);
bool listed(const char *list, const char *name);
uint64_t now_ns(void);
void put(int fd, const void *buf, size_t len);
bool get(int fd, void *buf, size_t len);
void write_file(const char *path, const char *text);
void reserve_files(unsigned int sockets);
void make_room_for_tcp(void);
void sort_values(double *values, unsigned int n);

#endif
