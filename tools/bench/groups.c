// SPDX-License-Identifier: GPL-2.0-only
/*
 * SO_REUSEPORT groups: what it costs to choose one of many members, to have very many,
 * and to hand on what waits for one that leaves. AF_NEWPROTO has several policies, each
 * beside TCP's groups, which have one.
 *
 * All runs in one process, so that nothing of the scheduler's is in the figures. The
 * client cannot know who was chosen, so an epoll instance watches all members, edge
 * triggered: epoll_wait() looks at those that were woken only, whatever their number.
 *
 * As in speed.c the counts are fixed, and the median of the repeats is reported.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/membarrier.h>
#include <linux/newproto.h>

#include "bench.h"

#define CYCLES		500	/* connections timed for one figure */
#define WARM_UP		16	/* connections before the clock runs */
#define PENDING		4096	/* connections that wait for a member that closes */
#define MANY		24000	/* members, for the rows that bind and close them all */
#define MAX_REPEATS	99
#define STUCK_SECONDS	300	/* of the guest's time for one repeat */

#define SILENT_TIME	"/proc/sys/net/newproto/group_silent_time"
#define MIGRATE		"/proc/sys/net/ipv4/tcp_migrate_req"

/* How the members of one kind of socket are run. */
struct variant {
	const char *name;	/* in the results it follows the kind's; NULL: only the kind's */
	bool newproto;		/* of AF_NEWPROTO, or else of TCP */
	int policy;		/* AF_NEWPROTO's */
	bool busy;		/* a connection waits for each member all the time */
	bool migrate;		/* TCP's remedy for members that close is switched on */
};

static const struct variant variants[] = {
	{ .name = NULL },
	{ .name = "migrate", .migrate = true },
	{ .name = "hash", .newproto = true, .policy = NEWPROTO_POLICY_HASH },
	{ .name = "round-robin", .newproto = true, .policy = NEWPROTO_POLICY_ROUND_ROBIN },
	{ .name = "least-loaded", .newproto = true, .policy = NEWPROTO_POLICY_LEAST_LOADED },
	{ .name = "last-bound", .newproto = true, .policy = NEWPROTO_POLICY_LAST_BOUND },
	{ .name = "least-busy", .newproto = true, .policy = NEWPROTO_POLICY_LEAST_LOADED,
	  .busy = true },
};

/* Of one repeat. */
struct result {
	uint64_t ns;		/* for all operations */
	uint64_t close_ns;	/* for closing all members, where that is a row as well */
	unsigned int lost;	/* connections that nobody was given */
};

struct row;

struct group {
	const struct row *row;
	const struct kind *kind;
	const struct variant *variant;
	struct listener *member;	/* as many as the row wants; the first is bound first */
	int epoll;			/* what follows is for connect cycles only */
	int *waiting;			/* of a busy group: the client that waits for each */
};

struct row {
	const char *name;
	unsigned int members;
	unsigned int count;		/* operations that are timed */
	unsigned int max_repeats;
	bool (*has)(const struct variant *v);
	void (*run)(struct group *g, struct result *r);
	const char *closing;		/* name of the row for closing all, or NULL */
};

/* Sysctls that not every kernel has. */
static void try_write(const char *path, const char *text)
{
	if (!access(path, W_OK))
		write_file(path, text);
}

/* Let what was freed through RCU be gone, so that the next figure does not pay for it. */
static void settle(void)
{
	syscall(__NR_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

static int set_policy(int fd, const struct variant *v)
{
	if (!v->newproto)
		return 0;
	return setsockopt(fd, SOL_NEWPROTO, NEWPROTO_POLICY, &v->policy, sizeof(v->policy));
}

static void member_socket(struct group *g, unsigned int i)
{
	struct listener *l = &g->member[i];
	int one = 1;

	listener_socket(l, g->kind);
	if (setsockopt(l->fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)))
		die("%s: SO_REUSEPORT", g->kind->name);
	if (fcntl(l->fd, F_SETFL, O_NONBLOCK))
		die("O_NONBLOCK");
	if (!i && set_policy(l->fd, g->variant))
		die("%s: policy %s", g->kind->name, g->variant->name);
}

static void member_listen(struct group *g, unsigned int i, int backlog)
{
	const struct listener *first = g->member;
	struct listener *l = &g->member[i];

	if (!i)
		listener_name(l);
	else if (bind(l->fd, (const struct sockaddr *)&first->addr, first->len))
		die("%s: bind of member %u", g->kind->name, i);
	if (listen(l->fd, backlog))
		die("%s: listen of member %u", g->kind->name, i);
}

/* The connections that wait for the members from @from on; they are closed. */
static unsigned int drain(struct group *g, unsigned int from)
{
	unsigned int n = 0;
	int fd;

	for (unsigned int i = from; i < g->row->members; i++) {
		while ((fd = accept(g->member[i].fd, NULL, NULL)) >= 0) {
			close(fd);
			n++;
		}
		if (errno != EAGAIN)
			die("%s: accept", g->kind->name);
	}
	return n;
}

static void members_close(struct group *g, unsigned int from)
{
	for (unsigned int i = from; i < g->row->members; i++)
		listener_close(&g->member[i]);
}

/* Connect, find who was chosen, accept, and close both ends. */
static void visit(struct group *g)
{
	struct epoll_event event;
	int client, server;
	unsigned int who;

	client = listener_connect(g->member);
	do {
		if (epoll_wait(g->epoll, &event, 1, -1) != 1)
			die("epoll_wait");
		who = event.data.u32;
		server = accept(g->member[who].fd, NULL, NULL);
	} while (server < 0 && errno == EAGAIN);
	if (server < 0)
		die("%s: accept", g->kind->name);
	if (g->waiting) {
		/* Accepted was who came before. */
		int before = g->waiting[who];

		g->waiting[who] = client;
		client = before;
	}
	close(client);
	close(server);
}

/* One waits for each member: then the shortest queue is not just the first empty one. */
static void make_busy(struct group *g)
{
	unsigned int members = g->row->members;
	struct epoll_event event;

	/* They are not silent, they are busy. */
	try_write(SILENT_TIME, "0");
	g->waiting = malloc(members * sizeof(*g->waiting));
	if (!g->waiting)
		die("no memory");
	for (unsigned int i = 0; i < members; i++)
		g->waiting[i] = -1;
	for (unsigned int i = 0; i < members; i++) {
		int client = listener_connect(g->member);

		if (epoll_wait(g->epoll, &event, 1, -1) != 1)
			die("epoll_wait");
		if (g->waiting[event.data.u32] >= 0) {
			errno = 0;
			die("%u members, %u of them chosen, and one twice", members, i);
		}
		g->waiting[event.data.u32] = client;
	}
}

static void make_idle(struct group *g)
{
	for (unsigned int i = 0; i < g->row->members; i++)
		close(g->waiting[i]);
	free(g->waiting);
	drain(g, 0);
	try_write(SILENT_TIME, "1000");
}

static void cycle(struct group *g, struct result *r)
{
	uint64_t start;

	g->epoll = epoll_create1(0);
	if (g->epoll < 0)
		die("epoll_create1");
	for (unsigned int i = 0; i < g->row->members; i++) {
		struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.u32 = i };

		member_socket(g, i);
		member_listen(g, i, 8);
		if (epoll_ctl(g->epoll, EPOLL_CTL_ADD, g->member[i].fd, &event))
			die("epoll_ctl");
	}
	if (g->variant->busy)
		make_busy(g);
	for (unsigned int i = 0; i < WARM_UP; i++)
		visit(g);
	start = now_ns();
	for (unsigned int i = 0; i < g->row->count; i++)
		visit(g);
	r->ns = now_ns() - start;
	if (g->variant->busy)
		make_idle(g);
	members_close(g, 0);
	close(g->epoll);
}

/* Everything waits for the first member when it closes; that close() is timed. */
static void move(struct group *g, struct result *r)
{
	static int clients[PENDING];
	uint64_t start;

	try_write(SILENT_TIME, "0");
	try_write(MIGRATE, g->variant->migrate ? "1" : "0");
	member_socket(g, 0);
	member_listen(g, 0, PENDING);
	for (unsigned int i = 0; i < PENDING; i++)
		clients[i] = listener_connect(g->member);
	for (unsigned int i = 1; i < g->row->members; i++) {
		member_socket(g, i);
		member_listen(g, i, PENDING);
	}
	start = now_ns();
	listener_close(g->member);
	r->ns = now_ns() - start;
	r->lost = PENDING - drain(g, 1);
	for (unsigned int i = 0; i < PENDING; i++)
		close(clients[i]);
	members_close(g, 1);
	try_write(MIGRATE, "0");
	try_write(SILENT_TIME, "1000");
}

static void bind_all(struct group *g, struct result *r)
{
	uint64_t start;

	for (unsigned int i = 0; i < g->row->members; i++)
		member_socket(g, i);
	start = now_ns();
	for (unsigned int i = 0; i < g->row->members; i++)
		member_listen(g, i, 8);
	r->ns = now_ns() - start;
	start = now_ns();
	members_close(g, 0);
	r->close_ns = now_ns() - start;
}

static bool when_cycling(const struct variant *v)
{
	return !v->migrate;
}

static bool when_moving(const struct variant *v)
{
	return !v->busy;
}

/* The policy that makes most of a newcomer. */
static bool when_binding(const struct variant *v)
{
	return !v->migrate && v->policy == NEWPROTO_POLICY_HASH;
}

static const struct row rows[] = {
	{ "gcycle1",	1,	CYCLES,	MAX_REPEATS,	when_cycling,	cycle },
	{ "gcycle2",	2,	CYCLES,	MAX_REPEATS,	when_cycling,	cycle },
	{ "gcycle8",	8,	CYCLES,	MAX_REPEATS,	when_cycling,	cycle },
	{ "gcycle64",	64,	CYCLES,	MAX_REPEATS,	when_cycling,	cycle },
	{ "gcycle1024",	1024,	CYCLES,	MAX_REPEATS,	when_cycling,	cycle },
	{ "gmove2",	2,	PENDING, 3,		when_moving,	move },
	{ "gmove8",	8,	PENDING, 3,		when_moving,	move },
	{ "gbind",	MANY,	MANY,	 1,		when_binding,	bind_all,	"gclose" },
};

static void kind_name(char *to, size_t size, const struct group *g)
{
	const char *variant = g->variant->name;

	snprintf(to, size, "%s%s%s", g->kind->name, variant ? ":" : "", variant ? variant : "");
}

/* Are there such groups here? If not, say in the results why the row has no figure. */
static bool available(const struct group *g)
{
	char name[64];
	int fd, err;

	if (!kind_available(g->kind, g->row->name))
		return false;
	fd = socket(g->kind->domain, g->kind->type, g->kind->protocol);
	err = set_policy(fd, g->variant) ? errno : 0;
	close(fd);
	if (!err && (!g->variant->migrate || !access(MIGRATE, W_OK)))
		return true;
	kind_name(name, sizeof(name), g);
	printf("BENCH\tabsent\t%s\t%s\tgroup\t%s\n", g->row->name, name,
	       strerror(err ? err : ENOENT));
	fflush(stdout);
	return false;
}

static void report(const struct group *g, const char *row, double *ns, unsigned int n,
		   unsigned int lost)
{
	char name[64];

	kind_name(name, sizeof(name), g);
	sort_values(ns, n);
	printf("BENCH\tgroup\t%s\t%s\t%.1f\t%.1f\t%.1f\t%u\t%u\n", row, name,
	       ns[n / 2], ns[0], ns[n - 1], g->row->count, lost);
	fflush(stdout);
}

static void cell_run(struct group *g, unsigned int repeats)
{
	double ns[MAX_REPEATS], close_ns[MAX_REPEATS];
	unsigned int n = repeats < g->row->max_repeats ? repeats : g->row->max_repeats;
	unsigned int lost = 0;
	char name[64];

	kind_name(name, sizeof(name), g);
	for (unsigned int i = 0; i < n; i++) {
		struct result r = { 0 };

		watch(STUCK_SECONDS, "%s %s", g->row->name, name);
		g->waiting = NULL;
		g->row->run(g, &r);
		alarm(0);
		settle();
		ns[i] = (double)r.ns / g->row->count;
		close_ns[i] = (double)r.close_ns / g->row->members;
		if (r.lost > lost)
			lost = r.lost;
	}
	report(g, g->row->name, ns, n, lost);
	if (g->row->closing)
		report(g, g->row->closing, close_ns, n, 0);
}

static bool kind_fits(const struct kind *kind, const struct variant *v)
{
	if (kind->type != SOCK_STREAM)
		return false;
	if (v->newproto)
		return kind->domain == AF_NEWPROTO;
	return kind->domain == AF_INET || kind->domain == AF_INET6;
}

static void row_run(const struct row *row, const struct kind *kind, unsigned int repeats)
{
	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		struct group g = { .row = row, .kind = kind, .variant = &variants[i] };

		if (!kind_fits(kind, g.variant) || !row->has(g.variant) || !available(&g))
			continue;
		g.member = calloc(row->members, sizeof(*g.member));
		if (!g.member)
			die("no memory");
		cell_run(&g, repeats);
		free(g.member);
	}
}

int groups_run(const struct speed_options *opt)
{
	const char *names = opt->kinds ? opt->kinds : "tcp,newproto";

	if (!opt->repeats || opt->repeats > MAX_REPEATS)
		die("repeats must be 1 to %d", MAX_REPEATS);
	reserve_files(MANY);
	make_room_for_tcp();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct kind *kind = NULL;

		while ((kind = kind_next(kind)))
			if (listed(opt->rows, rows[i].name) && listed(names, kind->name))
				row_run(&rows[i], kind, opt->repeats);
	}
	return 0;
}
