// SPDX-License-Identifier: GPL-2.0-only
/*
 * The zero-loss run: members of a group leave, in every way there is and every few
 * milliseconds, while clients open connections without pause.
 *
 *	group_loss [OPTION...]		the test: TAP
 *	group_loss --table [OPTION...]	a row for each case, for the documentation
 *
 *	--members 2,8		only these numbers of members
 *	--ways close,random	only these: close, shutdown, kill, exec, random
 *	--backlogs 0,16		only these
 *	--count N		as many connections in each case
 *	--ms N			or as long in each case, whichever is reached first
 *	--seed N		of what is drawn
 *	--migrate		net.ipv4.tcp_migrate_req=1, for TCP
 *
 * NEWPROTO_TEST_PROTO=tcp runs it over TCP, which loses connections: they are
 * reported and no failure. NEWPROTO_TEST_SCALE from 10 on: as many connections as
 * COUNT_TOTAL says, if COUNT_MS_TOTAL is enough for them.
 *
 * Each connection has a number, which its client sends once connect() has said success
 * and expects back. The member that accepts it logs the number before it answers. What
 * must hold:
 *
 *  - Lost: connect() said success, the client got an error, the end of the stream, or no
 *    answer within WAIT_MS, and nobody accepted the connection, though a member or grace
 *    remained. None.
 *  - Late: accepted, but no answer within WAIT_MS. None.
 *  - Twice: logged more than once. None.
 *  - Cut: logged, but not answered. Only where members are killed at random, and at most one
 *    for each kill, since a member has one connection at a time. A member that announces
 *    its leaving has answered what it has accepted: none.
 *  - A member that is killed between accept() and its log is no excuse: the kernel writes the
 *    client's address for it, into shared memory, before accept() returns. A connection
 *    counts as cut, in place of lost, only if its port is there.
 *  - No connect() fails, except for want of memory where allocations are made to fail; and no
 *    connection is accepted whose client was told that it failed, so that each accepted
 *    one brings a number.
 *
 * A victim that announces its leaving stops accepting, says so, and holds until something
 * waits in its queue, and then some milliseconds more. Members learn of connections in
 * different ways (accept(), poll(), epoll in both kinds), so that what moves to them has to
 * be signalled in all of these. Rescue of what waits at silent members is off, except where
 * kills are random: it would hide a signal that was forgotten.
 */
#include <getopt.h>

#include <sys/mman.h>

#include <kselftest.h>

#include "group_loss.h"
#include "seqlib.h"

/* The sum over all cases, where NEWPROTO_TEST_SCALE is 10, unless the time is over. */
#define COUNT_TOTAL	1000000
#define COUNT_MIN	1000
#define COUNT_MS_TOTAL	3600000
#define COUNT_MS_MAX	60000		/* with --count */

/* The time for all cases, of which each gets its share of what is left. */
#define TIME_TOTAL_MS	33000
#define CASE_MS_MIN	100
#define CASE_MS_MAX	1000

#define GRACE_MS	20000

/* So many cases that fail after a long wait are enough. */
#define STUCK_MAX	5

/*
 * Connections that each of two clients has open at most at the same time. Members move
 * what waits in batches of 256; the large window makes that several.
 */
#define WINDOW_SMALL	32
#define WINDOW		128
#define WINDOW_LARGE	300

enum { CASES_MAX = 256, LIST_MAX = 8 };

struct list {
	int n, value[LIST_MAX];
};

struct options {
	struct list members, ways, backlogs;
	uint32_t count, seed;
	int64_t ms;
	bool table, migrate;
};

struct sum {
	const char *name;
	unsigned long connections, accepted, lost, twice, cut, left, moved;
};

const struct door *const loss_doors[] = { &door_family4, &door_inet6, &door_seq4 };
const int loss_ndoors = 3;

static const char *const door_names[] = { "family4", "inet6", "seqpacket" };
static const char *const policies[] = {
	"hash", "round-robin", "least-loaded", "last-bound",
};

static const char *const ways[] = { "close", "shutdown", "kill", "exec", "random", "mixed" };

static struct setup cases[CASES_MAX];
static int ncases, nfaults;
static struct sum way_sums[WAY_RANDOM + 1];
static struct sum grace_sum = { "grace" }, faults_sum = { "faults" }, all_sum = { "all" };

/* As door_socket(), which reads a file of /sys each time. */
int loss_socket(const struct shared *sh, int flags)
{
	const struct door *d = loss_doors[sh->setup.door];
	static const struct door *last;
	static int domain, protocol;
	int fd;

	if (d != last) {
		domain = door_domain(d);
		protocol = door_protocol(d);
		last = d;
	}
	fd = socket(domain, (sh->setup.tcp || !d->type ? SOCK_STREAM : d->type) | flags,
		    protocol);
	if (over_nic() && !d->type)
		nic_bind(fd);
	return fd;
}

socklen_t loss_addr(const struct shared *sh, union addr *a)
{
	return door_loop(loss_doors[sh->setup.door], a, sh->port);
}

/* --- the cases --------------------------------------------------------------------------- */

static struct setup *add_case(enum way way, int members, int backlog)
{
	struct setup *s = &cases[ncases];

	if (ncases == CASES_MAX)
		ksft_exit_fail_msg("more than %d cases\n", CASES_MAX);
	*s = (struct setup){
		.way = way, .members = members, .backlog = backlog, .tcp = over_tcp(),
		.window = backlog < 1000 ? WINDOW_SMALL : members > 2 ? WINDOW : WINDOW_LARGE,
		.door = ncases % loss_ndoors,
	};
	ncases++;
	return s;
}

/* Many members are slow: a short test has one backlog for each of their ways of leaving. */
static bool is_for_later(const struct options *o, int members, int w, int b)
{
	return members > 8 && !o->table && test_scale() < 10 && b != w % o->backlogs.n;
}

/* Each policy and each door meets each way and each number of members. */
static void add_groups(const struct options *o)
{
	int m, w, b;

	for (m = 0; m < o->members.n; m++)
		for (w = 0; w < o->ways.n; w++)
			for (b = 0; b < o->backlogs.n; b++) {
				struct setup *s;

				if (is_for_later(o, o->members.value[m], w, b))
					continue;
				s = add_case(o->ways.value[w], o->members.value[m],
					     o->backlogs.value[b]);
				s->policy = (m + w + b) % 4;
				s->door = s->tcp ? 0 : (2 * m + w + b) % loss_ndoors;
			}
}

/* A lone server, or all of two, are restarted over and over, and have only grace. */
static void add_grace(const struct options *o)
{
	int b;

	for (b = 0; b < o->backlogs.n; b++) {
		int backlog = o->backlogs.value[b];

		add_case(WAY_MIXED, 1, backlog)->grace = GRACE_MS;
		add_case(WAY_RANDOM, 1, backlog)->grace = GRACE_MS;
	}
	for (b = 0; b < o->backlogs.n; b++) {
		struct setup *s = add_case(WAY_MIXED, 2, o->backlogs.value[b]);

		s->grace = GRACE_MS;
		s->policy = b % 4;
	}
}

static void add_faults(void)
{
	static const int members[] = { 2, 8 }, backlogs[] = { 0, 1, 16, 4096 };
	int m, w;

	for (m = 0; m < 2; m++)
		for (w = WAY_CLOSE; w <= WAY_EXEC; w++) {
			struct setup *s = add_case(w, members[m], backlogs[(m + w) % 4]);

			s->faults = true;
			nfaults++;
			s->policy = (m + w + 1) % 4;
		}
}

static const char *case_name(const struct setup *s)
{
	static char name[120];

	if (s->tcp) {
		snprintf(name, sizeof(name), "%s%s.members-%d.backlog-%d.tcp",
			 s->must_lose ? "detector-" : "", ways[s->way], s->members, s->backlog);
		return name;
	}
	snprintf(name, sizeof(name), "%s%s.members-%d.backlog-%d.%s.%s",
		 s->must_lose ? "detector-" : s->grace ? "grace-" : s->faults ? "faults-" : "",
		 ways[s->way], s->members, s->backlog, policies[s->policy], door_names[s->door]);
	return name;
}

/* --- what came out of them --------------------------------------------------------------- */

static struct sum *sum_of(const struct setup *s)
{
	struct sum *sum = &way_sums[s->way];

	if (s->grace)
		return &grace_sum;
	if (s->faults)
		return &faults_sum;
	sum->name = ways[s->way];
	return sum;
}

static void sum_up(struct sum *sum, const struct result *res)
{
	sum->connections += res->connections;
	sum->accepted += res->accepted;
	sum->lost += res->lost;
	sum->twice += res->twice;
	sum->cut += res->cut;
	sum->left += res->left;
	if (res->moved > 0)
		sum->moved += res->moved;
}

static void show_sum(const struct sum *s)
{
	if (!s->connections)
		return;
	printf("# total %-8s %8lu connections, %8lu accepted, %lu lost, %lu twice, %lu cut; ",
	       s->name, s->connections, s->accepted, s->lost, s->twice, s->cut);
	printf("%lu leavings, %lu moved\n", s->left, s->moved);
}

static void show_sums(void)
{
	int i;

	for (i = 0; i <= WAY_RANDOM; i++)
		show_sum(&way_sums[i]);
	show_sum(&grace_sum);
	show_sum(&faults_sum);
	show_sum(&all_sum);
}

static void show_losses(const struct result *res)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(res->lost_err); i++)
		if (res->lost_err[i])
			printf("# lost: %u times %s\n", res->lost_err[i],
			       i ? strerrorname_np(i) : "end of stream");
}

static void show_result(const struct result *res)
{
	printf("# %u connections, %u accepted, %u lost, %u twice, %u cut",
	       res->connections, res->accepted, res->lost, res->twice, res->cut);
	if (res->late)
		printf(", %u late", res->late);
	if (res->refused)
		printf("; connect() refused %u times", res->refused);
	if (res->failed)
		printf("; connect() failed %u times, at last with %s", res->failed,
		       strerrorname_np(res->failed_err));
	if (res->denied || res->faults)
		printf("; no memory for %u connect() and %u calls of members", res->denied,
		       res->faults);
	printf("; %u leavings", res->left);
	if (res->waited)
		printf(" with %u waiting or more", res->waited);
	if (res->moved >= 0)
		printf(", %ld moved", res->moved);
	printf("; %lld ms\n", (long long)res->ms);
	show_losses(res);
}

struct limit {
	const char *what;
	uint32_t is, max;
};

/* Returns NULL, or what is wrong with it. */
static const char *complaint(const struct setup *s, const struct result *res)
{
	const struct limit limits[] = {
		{ "lost", res->lost, 0 },
		{ "accepted twice", res->twice, 0 },
		{ "cut", res->cut, s->way == WAY_RANDOM ? res->left : 0 },
		{ "answered late", res->late, 0 },
		{ "refused", res->refused, 0 },
		{ "not connected", res->failed, 0 },
		{ "answered with another number, or by nobody", res->wrong, 0 },
		{ "accepted without a number", res->mute, 0 },
	};
	static char text[120];
	int i;

	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		const struct limit *l = &limits[i];

		if (l->is <= l->max)
			continue;
		snprintf(text, sizeof(text), "%u %s; at most %u expected", l->is, l->what, l->max);
		return text;
	}
	if (!res->left)
		return "no member has left";
	if (!res->waited && s->way != WAY_RANDOM)
		return "nothing waited at the members that left";
	if (s->faults && (!res->denied || !res->faults))
		return "no connect(), or no call of a member, has failed for want of memory";
	return NULL;
}

/* The counting has to see losses and doubles where there are some. */
static const char *detector_complaint(const struct result *res)
{
	if (!res->lost)
		return "nobody remained, and no connection is counted as lost";
	if (!res->twice)
		return "members logged numbers twice, and none is counted";
	return NULL;
}

static bool case_report(const struct setup *s, const struct result *res)
{
	const char *wrong = NULL;

	show_result(res);
	if (res->broken[0])
		wrong = res->broken;
	else if (s->must_lose)
		wrong = detector_complaint(res);
	else if (!s->tcp)
		wrong = complaint(s, res);
	if (wrong)
		printf("# %s\n", wrong);
	return !wrong;
}

/* --- running them ------------------------------------------------------------------------ */

static struct shared *shared_map(int fd)
{
	void *p = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		ksft_exit_fail_msg("mmap: %s\n", strerror(errno));
	return p;
}

static int shared_new(void)
{
	/* stays open in new images, which map it again */
	int fd = memfd_create("group_loss", 0);

	if (fd < 0 || ftruncate(fd, sizeof(struct shared)))
		ksft_exit_fail_msg("memfd: %s\n", strerror(errno));
	return fd;
}

static int64_t clamp_ms(int64_t ms, int64_t min, int64_t max)
{
	return ms < min ? min : ms > max ? max : ms;
}

/* What slow cases leave to do is done by those after them. */
static uint32_t count_share(int i)
{
	int last = i < ncases - nfaults ? ncases - nfaults : ncases;
	long left = COUNT_TOTAL / 10 * test_scale() - all_sum.connections;

	return left > 0 ? left / (last - i) + COUNT_MIN : COUNT_MIN;
}

static struct effort case_effort(const struct options *o, int i, int64_t start)
{
	struct effort e = { .count = o->count, .ms = o->ms };
	bool all = test_scale() >= 10;
	int64_t total = all ? COUNT_MS_TOTAL / 10 : TIME_TOTAL_MS;
	int64_t share = (total * test_scale() - (now_ms() - start)) / (ncases - i);

	if (cases[i].must_lose)
		return (struct effort){ .ms = CASE_MS_MIN };
	if (e.count || e.ms) {
		e.ms = e.ms ?: COUNT_MS_MAX;
	} else if (all) {
		e.count = count_share(i);
		e.ms = clamp_ms(share, CASE_MS_MIN, INT32_MAX);
	} else {
		e.ms = clamp_ms(share, CASE_MS_MIN, CASE_MS_MAX * test_scale());
	}
	return e;
}

static void case_run(const struct options *o, struct shared *sh, int fd, int i, int64_t start,
		     struct result *res)
{
	const struct setup *s = &cases[i];
	struct effort effort = case_effort(o, i, start);

	/* where the kernel has no groups there is no such file either */
	if (!s->tcp)
		sysctl_write("net/newproto/group_silent_time", s->way == WAY_RANDOM ? "1000" : "0");
	loss_run(sh, fd, s, &effort, o->seed + i, res);
	if (!s->must_lose) {
		sum_up(sum_of(s), res);
		sum_up(&all_sum, res);
	}
}

static void run_table(const struct options *o, struct shared *sh, int fd)
{
	int64_t start = now_ms();
	struct result res;
	int i;

	printf("%7s  %-8s  %7s  %8s  %11s  %6s  %13s\n", "members", "way", "backlog", "leavings",
	       "connections", "lost", "not connected");
	for (i = 0; i < ncases; i++) {
		const struct setup *s = &cases[i];

		case_run(o, sh, fd, i, start, &res);
		if (res.broken[0]) {
			fprintf(stderr, "%s: %s\n", case_name(s), res.broken);
			exit(1);
		}
		printf("%7d  %-8s  %7d  %8u  %11u  %6u  %13u\n", s->members, ways[s->way],
		       s->backlog, res.left, res.connections, res.lost,
		       res.refused + res.failed);
	}
	loss_run_last();
}

static void run_tests(const struct options *o, struct shared *sh, int fd, const char *no_faults)
{
	int64_t start = now_ms();
	/* A kernel that injects faults is a slow one. */
	bool full = no_faults && test_scale() >= 10 && !o->count && !o->ms;
	struct result res;
	int i, stuck = 0;
	bool ok;

	ksft_print_header();
	ksft_set_plan(ncases + full);
	printf("# seed %u\n", o->seed);
	for (i = 0; i < ncases; i++) {
		const struct setup *s = &cases[i];

		if (s->faults && no_faults) {
			ksft_test_result_skip("%s: %s\n", case_name(s), no_faults);
			continue;
		}
		case_run(o, sh, fd, i, start, &res);
		ok = case_report(s, &res);
		ksft_test_result(ok, "%s\n", case_name(s));
		if (!ok && res.ms > WAIT_MS && ++stuck == STUCK_MAX)
			ksft_exit_fail_msg("%d cases were stuck\n", stuck);
	}
	loss_run_last();
	show_sums();
	if (full)
		ksft_test_result(all_sum.connections >= COUNT_TOTAL / 10 * test_scale(),
				 "%lu of %d connections\n", (unsigned long)all_sum.connections,
				 COUNT_TOTAL / 10 * test_scale());
	printf("# %lld s\n", (long long)(now_ms() - start) / 1000);
}

/* --- options ----------------------------------------------------------------------------- */

static void __attribute__((noreturn)) usage(const char *what, const char *value)
{
	fprintf(stderr, "%s: %s\nusage: group_loss [--table] [--members LIST] [--ways LIST]\n"
		"\t[--backlogs LIST] [--count N] [--ms N] [--seed N] [--migrate]\n", what, value);
	exit(2);
}

static int way_number(const char *name)
{
	int i;

	for (i = 0; i <= WAY_RANDOM; i++)
		if (!strcmp(ways[i], name))
			return i;
	usage("no such way of leaving", name);
}

static int to_number(const char *text, int min, int max)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || end == text || n < min || n > max)
		usage("bad number", text);
	return n;
}

static void read_list(struct list *list, char *text, bool names, int min, int max)
{
	char *item;

	list->n = 0;
	while ((item = strsep(&text, ","))) {
		if (list->n == LIST_MAX)
			usage("too many values", item);
		list->value[list->n++] = names ? way_number(item) : to_number(item, min, max);
	}
}

static void read_options(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
		{ "table", no_argument, NULL, 't' },
		{ "migrate", no_argument, NULL, 'g' },
		{ "members", required_argument, NULL, 'm' },
		{ "ways", required_argument, NULL, 'w' },
		{ "backlogs", required_argument, NULL, 'b' },
		{ "count", required_argument, NULL, 'c' },
		{ "ms", required_argument, NULL, 'i' },
		{ "seed", required_argument, NULL, 's' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) >= 0) {
		switch (c) {
		case 't':
			o->table = true;
			break;
		case 'g':
			o->migrate = true;
			break;
		case 'm':
			read_list(&o->members, optarg, false, 2, MEMBERS_MAX);
			break;
		case 'w':
			read_list(&o->ways, optarg, true, 0, 0);
			break;
		case 'b':
			read_list(&o->backlogs, optarg, false, 0, 65535);
			break;
		case 'c':
			o->count = to_number(optarg, 1, LOG_MAX);
			break;
		case 'i':
			o->ms = to_number(optarg, 1, INT32_MAX);
			break;
		case 's':
			o->seed = to_number(optarg, 0, INT32_MAX);
			break;
		default:
			usage("bad option", argv[optind - 1]);
		}
	}
	if (optind < argc)
		usage("what is this", argv[optind]);
}

static void prepare_world(const struct options *o)
{
	if (netns_new())
		ksft_exit_skip("no network namespace: %s\n", strerror(errno));
	if (over_nic() && nic_pair())
		ksft_exit_fail_msg("no pair of npnic devices: %s\n", strerror(errno));
	if (o->migrate && sysctl_write("net/ipv4/tcp_migrate_req", "1"))
		ksft_exit_fail_msg("net.ipv4.tcp_migrate_req: %s\n", strerror(errno));
}

int main(int argc, char **argv)
{
	struct options o = {
		.members = { 3, { 2, 8, 64 } },
		.ways = { 5, { WAY_CLOSE, WAY_SHUTDOWN, WAY_KILL, WAY_EXEC, WAY_RANDOM } },
		.backlogs = { 4, { 0, 1, 16, 4096 } },
		.seed = now_ms() & 0xffffff,
	};
	const char *no_faults = NULL;
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 4 && !strcmp(argv[1], "--member"))
		member_main(shared_map(atoi(argv[2])), atoi(argv[2]), atoi(argv[3]));
	read_options(&o, argc, argv);
	prepare_world(&o);
	fd = shared_new();
	if (!o.table)
		add_case(WAY_CLOSE, 1, 16)->must_lose = true;
	if (!o.table && !over_tcp())
		add_grace(&o);
	add_groups(&o);
	if (o.table) {
		run_table(&o, shared_map(fd), fd);
		return 0;
	}
	if (!over_tcp()) {
		add_faults();
		no_faults = fault_global_on();
	}
	run_tests(&o, shared_map(fd), fd, no_faults);
	if (!over_tcp())
		fault_global_off();
	if (ksft_get_fail_cnt())
		ksft_exit_fail();
	ksft_exit_pass();
}
