// SPDX-License-Identifier: GPL-2.0-only
/*
 * The zero-loss run: the controller. It runs one case: starts members and
 * clients, has members leave, starts others in their place, and at the end
 * counts what became of each connection.
 */
#include <stdarg.h>
#include <time.h>

#include <sys/wait.h>

#include "group_loss.h"

/* Between two leavings are some milliseconds and, on a slow kernel, some connections. */
#define PAUSE_MS_MAX	5
#define PAUSE_CONNS	8
#define HOLD_MS_MAX	10
#define RESTART_MS_MAX	30

/* What a case has to have seen, however slow the machine is. */
#define CONNS_MIN	40
#define LEAVINGS_MIN	3
#define RANDOM_MIN	6

#define FIRST_PORT	5000

struct run {
	struct shared *sh;
	const struct setup *setup;
	struct result *res;
	int shared_fd;
	uint32_t seed;
	uint32_t kills;			/* at random */
	uint32_t pause_done;		/* no leaving before so many connections are done */
	int64_t pause_end;		/* nor before this */
	int64_t reborn[MEMBERS_MAX];	/* when a slot without a process gets one */
	int64_t nudged[MEMBERS_MAX];
	uint16_t taken[65536];		/* by port: accepted by a member that died too soon */
};

uint32_t loss_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

void loss_sleep_us(long us)
{
	struct timespec ts = { .tv_nsec = us * 1000 };

	nanosleep(&ts, NULL);
}

static bool broken(const struct run *r)
{
	return r->res->broken[0];
}

static void __attribute__((format(printf, 2, 3)))
break_off(struct run *r, const char *fmt, ...)
{
	va_list args;

	if (broken(r))
		return;
	va_start(args, fmt);
	vsnprintf(r->res->broken, sizeof(r->res->broken), fmt, args);
	va_end(args);
}

/* --- processes --------------------------------------------------------------------------- */

static void start_member(struct run *r, int slot)
{
	struct member *m = &r->sh->member[slot];
	pid_t pid;

	m->error[0] = '\0';
	m->order = 0;
	m->open = 0;
	pid = fork();
	if (!pid)
		member_main(r->sh, r->shared_fd, slot);
	if (pid < 0)
		break_off(r, "fork: %s", strerror(errno));
	m->pid = pid > 0 ? pid : 0;
	r->reborn[slot] = 0;
}

static void start_clients(struct run *r)
{
	int i;

	for (i = 0; i < CLIENTS && !broken(r); i++) {
		pid_t pid = fork();

		if (!pid)
			client_main(r->sh, i);
		if (pid < 0)
			break_off(r, "fork: %s", strerror(errno));
		r->sh->client[i].pid = pid;
	}
}

/* It was told to, or its exec() had no memory after the point of no return. */
static bool dies_by_itself(const struct run *r, const struct member *m, int status)
{
	if (r->setup->faults && m->order == WAY_EXEC + 1)
		return !m->error[0];
	return m->order == WAY_KILL + 1 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void member_ended(struct run *r, int slot, int status)
{
	struct member *m = &r->sh->member[slot];
	int delay = 0;

	if (m->state == MEMBER_DOWN && r->setup->way == WAY_RANDOM && WIFSIGNALED(status) &&
	    WTERMSIG(status) == SIGKILL) {
		int port = addr_port(&m->peer);

		/* The kernel had given it a connection; it had no time to log which. */
		if (m->open && port)
			r->taken[port]++;
	} else if (!dies_by_itself(r, m, status)) {
		break_off(r, "member %d ended with status %#x: %s", slot, status,
			  m->error[0] ? m->error : "no reason given");
	}
	m->pid = 0;
	LOSS_STORE(&m->state, MEMBER_DOWN);
	if (r->setup->grace)
		delay = loss_random(&r->seed) % RESTART_MS_MAX;
	r->reborn[slot] = now_ms() + delay;
}

static void client_ended(struct run *r, int i, int status)
{
	r->sh->client[i].ended = true;
	if (status)
		break_off(r, "client %d ended with status %#x", i, status);
}

static void reap(struct run *r)
{
	int status, i;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < r->setup->members; i++)
			if (r->sh->member[i].pid == pid)
				member_ended(r, i, status);
		for (i = 0; i < CLIENTS; i++)
			if (r->sh->client[i].pid == pid)
				client_ended(r, i, status);
	}
}

static void kill_all(struct shared *sh)
{
	int i, status;

	for (i = 0; i < MEMBERS_MAX; i++)
		if (sh->member[i].pid)
			kill(sh->member[i].pid, SIGKILL);
	for (i = 0; i < CLIENTS; i++)
		if (sh->client[i].pid && !sh->client[i].ended)
			kill(sh->client[i].pid, SIGKILL);
	for (i = 0; i < MEMBERS_MAX; i++)
		if (sh->member[i].pid)
			wait_child(sh->member[i].pid, &status);
	for (i = 0; i < CLIENTS; i++)
		if (sh->client[i].pid && !sh->client[i].ended)
			wait_child(sh->client[i].pid, &status);
	memset(sh->member, 0, sizeof(sh->member));
	memset(sh->client, 0, sizeof(sh->client));
}

/* --- who leaves -------------------------------------------------------------------------- */

static bool available(const struct member *m)
{
	return LOSS_LOAD(&m->state) == MEMBER_LIVE && !LOSS_LOAD(&m->order);
}

static int count_available(const struct run *r)
{
	int i, n = 0;

	for (i = 0; i < r->setup->members; i++)
		n += available(&r->sh->member[i]);
	return n;
}

/* Any, or the newest, to which the policy last-bound gives everything. */
static int choose_victim(struct run *r, int n)
{
	bool newest = loss_random(&r->seed) % 2;
	int i, victim = -1, nth = loss_random(&r->seed) % n;

	for (i = 0; i < r->setup->members; i++) {
		const struct member *m = &r->sh->member[i];

		if (!available(m))
			continue;
		if (newest ? victim < 0 || m->joined > r->sh->member[victim].joined : !nth--)
			victim = i;
	}
	return victim;
}

static void nudge(struct run *r, int slot, int64_t now)
{
	r->nudged[slot] = now;
	kill(r->sh->member[slot].pid, SIGUSR1);
}

static void order_leave(struct run *r, int slot, int64_t now)
{
	struct member *m = &r->sh->member[slot];
	enum way way = r->setup->way;

	if (way == WAY_RANDOM) {
		LOSS_STORE(&m->state, MEMBER_DOWN);
		kill(m->pid, SIGKILL);
		r->kills++;
		return;
	}
	if (way == WAY_MIXED)
		way = loss_random(&r->seed) % (WAY_EXEC + 1);
	m->hold_ms = loss_random(&r->seed) % HOLD_MS_MAX + 1;
	LOSS_STORE(&m->order, way + 1);
	nudge(r, slot, now);
}

static uint32_t clients_done(const struct run *r)
{
	uint32_t n = 0;
	int i;

	for (i = 0; i < CLIENTS; i++)
		n += LOSS_LOAD(&r->sh->client[i].done);
	return n;
}

/* A member always remains, unless grace does, or losing is what is wanted. */
static void next_leave(struct run *r, int64_t now)
{
	const struct setup *s = r->setup;
	int keep = s->grace || s->must_lose ? 0 : 1;
	int at_once = s->grace ? s->members : s->members > 4 ? s->members / 4 : 1;
	int n = count_available(r);

	if (now < r->pause_end || clients_done(r) < r->pause_done)
		return;
	if (n <= keep || s->members - n >= at_once)
		return;
	order_leave(r, choose_victim(r, n), now);
	r->pause_end = now + 1 + loss_random(&r->seed) % PAUSE_MS_MAX;
	r->pause_done = clients_done(r) + loss_random(&r->seed) % (2 * PAUSE_CONNS);
}

static void tick(struct run *r, bool leave)
{
	int64_t now;
	int i;

	loss_sleep_us(1000);
	reap(r);
	now = now_ms();
	for (i = 0; i < r->setup->members; i++) {
		struct member *m = &r->sh->member[i];

		if (r->reborn[i] && now >= r->reborn[i])
			start_member(r, i);
		else if (LOSS_LOAD(&m->order) && LOSS_LOAD(&m->state) == MEMBER_LIVE &&
			 now - r->nudged[i] > 5)
			nudge(r, i, now);
	}
	if (leave)
		next_leave(r, now);
}

/* --- one case from its start to its end -------------------------------------------------- */

static void count_leavings(struct run *r)
{
	struct result *res = r->res;
	int i;

	res->left = r->kills;
	res->waited = 0;
	for (i = 0; i < r->setup->members; i++) {
		res->left += LOSS_LOAD(&r->sh->member[i].left);
		res->waited += LOSS_LOAD(&r->sh->member[i].waited);
	}
}

/* Enough for the case to mean something: members left, and had something to lose. */
static bool seen_enough(struct run *r)
{
	bool random = r->setup->way == WAY_RANDOM;

	count_leavings(r);
	return clients_done(r) >= CONNS_MIN &&
	       r->res->left >= (random ? RANDOM_MIN : LEAVINGS_MIN) &&
	       (r->res->waited || random);
}

static void show_members(const struct run *r)
{
	static const char *const names[] = { "down", "live", "holding", "left" };
	int i;

	for (i = 0; i < r->setup->members; i++) {
		const struct member *m = &r->sh->member[i];

		printf("# member %d: pid %d, %s, order %u, joined as number %u%s\n", i, m->pid,
		       names[m->state % 4], m->order, m->joined, m->open ? ", accepts" : "");
	}
}

struct watch {
	uint32_t done;
	int64_t since;
};

/* Members may come and go, but connections have to come to an end all the time. */
static bool progress(struct run *r, struct watch *w)
{
	uint32_t done = clients_done(r);
	int64_t now = now_ms();

	if (!w->since || done != w->done) {
		w->done = done;
		w->since = now;
	}
	if (now - w->since <= WAIT_MS + WAIT_MS / 2)
		return true;
	show_members(r);
	break_off(r, "no connection came to an end for %d ms, after %u", WAIT_MS * 3 / 2, done);
	return false;
}

/* Waits until so many members listen, and nobody is on their way out. */
static void wait_live(struct run *r, int n)
{
	int64_t end = now_ms() + 3 * WAIT_MS;

	while (count_available(r) < n && !broken(r)) {
		tick(r, false);
		if (now_ms() < end)
			continue;
		show_members(r);
		break_off(r, "of %d members %d listen after %d ms", n, count_available(r),
			  3 * WAIT_MS);
	}
}

static void run_start(struct run *r)
{
	struct shared *sh = r->sh;
	int i;

	for (i = 0; i < r->setup->members; i++) {
		if (sh->member[i].pid)
			LOSS_STORE(&sh->member[i].order, WAY_RENEW + 1);
		else
			start_member(r, i);
	}
	wait_live(r, r->setup->members > 1 ? 2 : 1);
	start_clients(r);
}

static bool clients_ended(const struct run *r)
{
	int i;

	for (i = 0; i < CLIENTS; i++)
		if (!r->sh->client[i].ended)
			return false;
	return true;
}

/* The time counts from when all members are there, and leavings begin then. */
static void run_middle(struct run *r, const struct effort *effort)
{
	struct watch w = { };
	int64_t start;

	wait_live(r, r->setup->members);
	start = now_ms();
	while (!broken(r) && progress(r, &w) && LOSS_LOAD(&r->sh->next) < r->sh->limit) {
		if (now_ms() - start >= effort->ms && seen_enough(r))
			break;
		tick(r, true);
	}
}

/* No more leavings, so that what is stuck stays stuck and is seen. */
static void run_end(struct run *r)
{
	struct watch w = { };

	LOSS_STORE(&r->sh->stop, true);
	while (!broken(r) && !clients_ended(r) && progress(r, &w))
		tick(r, false);
	wait_live(r, r->setup->members);
}

/* --- what came out of it ----------------------------------------------------------------- */

static long column(const char *line, const char *head, const char *name)
{
	char *l = strdup(line), *h = strdup(head), *lp = l, *hp = h, *a, *b;
	long value = -1;

	while ((a = strsep(&hp, " \t\n")) && (b = strsep(&lp, " \t\n"))) {
		while (!*a && hp)
			a = strsep(&hp, " \t\n");
		while (!*b && lp)
			b = strsep(&lp, " \t\n");
		if (!strcmp(a, name))
			value = atol(b);
	}
	free(l);
	free(h);
	return value;
}

/* The group's line in /proc/net/newproto/groups; its columns may change. */
static long kernel_count(const struct run *r, const char *name)
{
	char line[512], head[512], port[16];
	long value = -1;
	FILE *f = r->setup->tcp ? NULL : fopen("/proc/net/newproto/groups", "re");

	if (!f)
		return -1;
	snprintf(port, sizeof(port), ":%d ", r->sh->port);
	if (fgets(head, sizeof(head), f))
		while (fgets(line, sizeof(line), f))
			if (!strncmp(line, "group", 5) && strstr(line, port))
				value = column(line, head, name);
	fclose(f);
	return value;
}

static void count_dropped(struct run *r, const struct conn_log *log)
{
	struct result *res = r->res;

	if (log->accepted && log->err == ETIMEDOUT) {
		res->late++;
	} else if (log->accepted) {
		res->cut++;
	} else if (log->port && r->taken[log->port]) {
		r->taken[log->port]--;
		res->accepted++;
		res->cut++;
	} else {
		res->lost++;
		res->lost_err[log->err % 256]++;
	}
}

static void count_unconnected(struct run *r, int err)
{
	struct result *res = r->res;

	if (err == ECONNREFUSED) {
		res->refused++;
	} else if (r->setup->faults && fault_is(err)) {
		res->denied++;
	} else {
		res->failed++;
		res->failed_err = err;
	}
}

static void count_one(struct run *r, const struct conn_log *log)
{
	struct result *res = r->res;

	if (log->fate >= FATE_CONNECTED) {
		res->connections++;
		res->accepted += log->accepted > 0;
		res->twice += log->accepted > 1;
	}
	switch (log->fate) {
	case FATE_UNCONNECTED:
		count_unconnected(r, log->err);
		break;
	case FATE_ECHOED:
		res->wrong += !log->accepted;
		break;
	case FATE_WRONG:
		res->wrong++;
		break;
	case FATE_DROPPED:
		count_dropped(r, log);
		break;
	case FATE_NONE:
	case FATE_CONNECTED:
		break_off(r, "a client has left a connection without an end");
	}
}

static void run_count(struct run *r)
{
	struct shared *sh = r->sh;
	uint32_t i, n = sh->next < sh->limit ? sh->next : sh->limit;

	for (i = 0; i < n; i++)
		count_one(r, &sh->log[i]);
	count_leavings(r);
	for (i = 0; i < r->setup->members; i++) {
		r->res->mute += sh->member[i].mute;
		r->res->faults += sh->member[i].faults;
	}
}

/* Members of the last case go on if they are as many and as faulty as this one wants. */
static bool members_fit(const struct shared *sh, const struct setup *s)
{
	return sh->setup.members == s->members && sh->setup.faults == s->faults;
}

static void member_reset(struct member *m)
{
	m->joined = 0;
	m->left = 0;
	m->waited = 0;
	m->mute = 0;
	m->faults = 0;
}

/* Of the last case all but its members, its port and its salt is forgotten. */
static void run_reset(struct run *r, const struct effort *effort)
{
	struct shared *sh = r->sh;
	uint32_t used = sh->next < LOG_MAX ? sh->next : LOG_MAX;
	int i;

	if (!members_fit(sh, r->setup))
		kill_all(sh);
	for (i = 0; i < MEMBERS_MAX; i++)
		member_reset(&sh->member[i]);
	memset(sh->client, 0, sizeof(sh->client));
	memset(sh->log, 0, used * sizeof(sh->log[0]));
	sh->setup = *r->setup;
	sh->limit = effort->count && effort->count < LOG_MAX ? effort->count : LOG_MAX;
	sh->next = 0;
	sh->joins = 0;
	sh->stop = false;
	sh->port = sh->port ? sh->port + 1 : FIRST_PORT;
	sh->salt = loss_random(&r->seed) | 1;
}

static struct run run;

/**
 * loss_run - run one case
 *
 * The members stay for the next one: to start 64 takes long.
 *
 * @sh: shared with the processes of the case
 * @shared_fd: the same for new images
 * @setup: what the case is
 * @effort: how long it goes on
 * @seed: of what is drawn
 * @res: what came out of it
 */
void loss_run(struct shared *sh, int shared_fd, const struct setup *setup,
	      const struct effort *effort, uint32_t seed, struct result *res)
{
	struct run *r = &run;
	int64_t start = now_ms();

	memset(res, 0, sizeof(*res));
	*r = (struct run){ .sh = sh, .setup = setup, .res = res, .shared_fd = shared_fd,
			   .seed = seed };
	run_reset(r, effort);
	fflush(stdout);
	run_start(r);
	run_middle(r, effort);
	run_end(r);
	res->moved = kernel_count(r, "moved_out");
	run_count(r);
	/* What is stuck in their queues is not to turn up in the next case. */
	if (broken(r) || res->late || res->lost_err[ETIMEDOUT])
		kill_all(sh);
	res->ms = now_ms() - start;
}

/* After the last case: ends the members. */
void loss_run_last(void)
{
	if (run.sh)
		kill_all(run.sh);
}
