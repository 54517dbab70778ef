// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files of /proc/net/newproto, read whole, in small pieces, and from the begin
 * again in the middle, while sockets, groups and namespaces come and go. Each line is
 * whole and makes sense, sockets that stay are there once, counters do not go back.
 *
 * proc.c has the same with sockets that go between one read() and the next, and what
 * is in a line.
 */
#include <kselftest_harness.h>

#include <sched.h>
#include <sys/stat.h>

#include "dgrouplib.h"
#include "racelib.h"

#define PROC_MS		(900 * test_scale())
#define STAY		30
#define SHARE_PORT	7000
#define SHARE_PORTS	3
#define DIRECTORY	"/proc/thread-self/net/newproto/"

static struct tally calls[] = {
	{ "walks of sockets", { 0 } },
	{ "walks of groups", { 0 } },
	{ "walks of counters", { 0 } },
	{ "walks begun anew", { 0 } },
	{ "files of namespaces that are gone", { 0 } },
	{ "sockets that came and went", { EADDRINUSE, ECONNREFUSED, EAGAIN } },
	{ "members that came and went", { EADDRINUSE } },
};

enum { SOCKETS, GROUPS, COUNTERS, ANEW, GONE, SOCKET, MEMBER };

static const char *const files[] = { "sockets", "groups", "counters" };

struct scenery {
	const struct door *door;
	int stay[STAY];		/* sockets that are there all the time */
	unsigned long inode[STAY];
};

/* What a reader remembers of the walk before. */
struct memory {
	char text[1 << 18];
	unsigned long counter[32];
};

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(word, *words))
			return true;
	return false;
}

static bool is_address(const char *word)
{
	char ip[64], buf[16], end;
	unsigned int port;

	if (sscanf(word, "[%63[^]]]:%u%c", ip, &port, &end) == 2)
		return inet_pton(AF_INET6, ip, buf) == 1 && port < 65536;
	return sscanf(word, "%63[^:]:%u%c", ip, &port, &end) == 2 &&
	       inet_pton(AF_INET, ip, buf) == 1 && port < 65536;
}

static bool is_number(const char *word)
{
	return *word && !word[strspn(word, "0123456789")];
}

/* Splits a line at single blanks; how many words it has. */
static int split(char *line, char *word[20])
{
	char *end;
	int n = 0;

	while (n < 20) {
		word[n++] = line;
		end = strchr(line, ' ');
		if (!end)
			break;
		*end = '\0';
		line = end + 1;
	}
	return n;
}

static bool sense_of_socket(char *word[20], int n)
{
	static const char *const types[] = { "stream", "dgram", "seqpacket", NULL };
	static const char *const states[] = {
		"CLOSED", "LISTEN", "SYN-SENT", "ESTAB", "FIN-WAIT-2", "CLOSE-WAIT", "UNCONN",
		NULL,
	};

	return n == 9 && is_one_of(word[0], types) && is_one_of(word[1], states) &&
	       is_number(word[2]) && is_number(word[3]) && is_address(word[4]) &&
	       is_address(word[5]) && is_number(word[6]) && is_number(word[7]) &&
	       (!strcmp(word[8], "local") || !strcmp(word[8], "-") ||
		(over_nic() && !strcmp(word[8], "direct")));
}

static bool sense_of_group(char *word[20], int n)
{
	static const char *const types[] = { "stream", "dgram", "seqpacket", NULL };
	static const char *const states[] = { "idle", "live", "grace", "silent", NULL };
	static const char *const policies[] = {
		"-", "hash", "round-robin", "least-loaded", "last-bound", NULL,
	};
	int i;

	if (n != 19 || (strcmp(word[0], "group") && strcmp(word[0], "member")) ||
	    !is_one_of(word[1], types) || !is_address(word[2]) || !is_one_of(word[5], states) ||
	    !is_one_of(word[6], policies))
		return false;
	for (i = 3; i < n; i++)
		if (i != 5 && i != 6 && strcmp(word[i], "-") && !is_number(word[i]))
			return false;
	return true;
}

/* The last one, of buffers, is no counter. */
static bool sense_of_counter(struct memory *m, int number, char *word[20], int n)
{
	unsigned long value;

	if (n != 2 || !is_number(word[1]) || number >= ARRAY_SIZE(m->counter))
		return false;
	value = strtoul(word[1], NULL, 10);
	if (!strcmp(word[0], "buffer_bytes"))
		return true;
	if (value < m->counter[number])
		return false;
	m->counter[number] = value;
	return true;
}

/* Each line, after the heading of those that have one. */
static void check_lines(struct hand *h, struct memory *m, int file)
{
	char *line = m->text, *end, *word[20], copy[300];
	int number, n;

	for (number = 0; (end = strchr(line, '\n')); line = end + 1, number++) {
		*end = '\0';
		snprintf(copy, sizeof(copy), "%.290s", line);
		n = split(copy, word);
		if (file != COUNTERS && !number)
			continue;
		if (file == SOCKETS ? sense_of_socket(word, n) :
		    file == GROUPS ? sense_of_group(word, n) :
				     sense_of_counter(m, number, word, n))
			continue;
		race_wrong(h->crew, "line %d of %s: %s", number, files[file], line);
	}
	if (*line)
		race_wrong(h->crew, "%s ends within a line: %s", files[file], line);
}

static void check_stay(struct hand *h, const struct memory *m)
{
	struct scenery *s = h->arg;
	char text[32], *p;
	int i, n;

	for (i = 0; i < STAY; i++) {
		snprintf(text, sizeof(text), " %lu ", s->inode[i]);
		for (n = 0, p = strstr(m->text, text); p; p = strstr(p + 1, text))
			n++;
		if (n != 1)
			race_wrong(h->crew, "a socket that stays is there %d times", n);
	}
}

/* One walk over a file, as the reader's number has it: whole, in pieces, begun anew. */
static void walk(struct hand *h, struct memory *m, int fd, int file)
{
	size_t len = 0, step = h->number == 0 ? sizeof(m->text) : 1 + race_random(h, 700);
	size_t anew = h->number == 2 ? race_random(h, 3000) : sizeof(m->text);
	ssize_t n;

	lseek(fd, 0, SEEK_SET);
	while (len + step < sizeof(m->text) || !len) {
		n = read(fd, m->text + len, len + step < sizeof(m->text) ? step :
								sizeof(m->text) - 1 - len);
		if (n <= 0)
			break;
		len += n;
		if (len > anew) {
			len = 0;
			anew = sizeof(m->text);
			lseek(fd, 0, SEEK_SET);
			tally(&calls[ANEW], 0);
		}
		race_jitter(h);
	}
	m->text[len] = '\0';
	tally(&calls[file], 0);
	if (n < 0)
		race_wrong(h->crew, "read of %s: %s", files[file], strerror(errno));
	else if (file == SOCKETS)
		check_stay(h, m);
	check_lines(h, m, file);
}

static int open_file(int file)
{
	char path[64];

	snprintf(path, sizeof(path), DIRECTORY "%s", files[file]);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void reader(struct hand *h)
{
	struct memory *m = calloc(1, sizeof(*m));
	int fd[3], i;

	for (i = 0; i < 3; i++)
		fd[i] = open_file(i);
	while (race_on(h))
		for (i = 0; i < 3; i++)
			walk(h, m, fd[i], i);
	for (i = 0; i < 3; i++)
		close(fd[i]);
	free(m);
}

/* Sockets of each kind, which live for a moment. */
static void one_socket(struct hand *h, struct scenery *s)
{
	int sv[2] = { -1, -1 }, fd = -1, i;

	switch (race_random(h, 4)) {
	case 0:
		fd = tally(&calls[SOCKET], door_bound(s->door, 0, 0));
		break;
	case 1:
		fd = tally(&calls[SOCKET], door_listener(s->door, 1));
		break;
	case 2:
		tally(&calls[SOCKET], door_connected(s->door, sv));
		send(sv[0], "some", 4, MSG_NOSIGNAL);
		break;
	default:
		tally(&calls[SOCKET], dgram_pair(s->door, sv));
		send(sv[0], "some", 4, MSG_NOSIGNAL);
	}
	race_jitter(h);
	i = race_random(h, 2);
	close(sv[i]);
	close(sv[!i]);
	close(fd);
}

static void changer(struct hand *h)
{
	while (race_on(h))
		one_socket(h, h->arg);
}

/* Members of a few groups; their grace time is one or two ticks. */
static void joiner(struct hand *h)
{
	struct scenery *s = h->arg;
	int fd[6] = { -1, -1, -1, -1, -1, -1 }, i;

	while (race_on(h)) {
		const struct door *d = race_random(h, 2) ? s->door : dgram_door(s->door);

		i = race_random(h, ARRAY_SIZE(fd));
		close(fd[i]);
		race_jitter(h);
		fd[i] = tally(&calls[MEMBER],
			      member_new(d, SHARE_PORT + race_random(h, SHARE_PORTS),
					 d == s->door ? 2 : BOUND_ONLY));
		if (fd[i] >= 0 && race_random(h, 2))
			group_set(fd[i], NEWPROTO_GRACE, 1 + race_random(h, 8));
		if (fd[i] >= 0)
			group_set(fd[i], NEWPROTO_POLICY, race_random(h, 4));
	}
	for (i = 0; i < ARRAY_SIZE(fd); i++)
		close(fd[i]);
}

/* Namespaces of this thread alone; a file that is open outlives its namespace's users. */
static void settler(struct hand *h)
{
	struct scenery *s = h->arg;
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), fd, lsn;
	char text[4096];
	ssize_t n;

	while (race_on(h)) {
		if (unshare(CLONE_NEWNET)) {
			race_wrong(h->crew, "no namespace: %s", strerror(errno));
			break;
		}
		fd = open_file(race_random(h, 3));
		lsn = door_socket(s->door, 0);
		listen(lsn, 1);
		n = read(fd, text, 1 + race_random(h, sizeof(text)));
		close(lsn);
		setns(home, CLONE_NEWNET);
		lseek(fd, 0, SEEK_SET);
		if (n > 0)
			n = read(fd, text, sizeof(text));
		if (n <= 0)
			race_wrong(h->crew, "a file of a namespace that is gone: %s",
				   n ? strerror(errno) : "empty");
		tally(&calls[GONE], n);
		close(fd);
	}
	close(home);
}

FIXTURE(race_proc) {
	struct scenery s;
};

DOOR_FIXTURE(race_proc);
FIXTURE_VARIANT_ADD(race_proc, seqpacket) { .door = &door_seq4 };

FIXTURE_SETUP(race_proc)
{
	struct stat st;
	int i;

	if (over_tcp())
		SKIP(_exit(255), "TCP has other files");
	signal(SIGPIPE, SIG_IGN);
	ASSERT_OK(netns_new());
	for (i = 0; i < STAY; i++) {
		self->s.stay[i] = door_bound(variant->door, 0, 0);
		ASSERT_OK(self->s.stay[i]);
		ASSERT_OK(fstat(self->s.stay[i], &st));
		self->s.inode[i] = st.st_ino;
	}
	self->s.door = variant->door;
}

FIXTURE_TEARDOWN(race_proc)
{
	int i;

	for (i = 0; i < STAY; i++)
		close(self->s.stay[i]);
	EXPECT_TRUE(race_nothing_left());
}

/* A machine that is busy with something else has walked through nothing yet. */
static bool all_walked(void)
{
	int i;

	for (i = SOCKETS; i <= COUNTERS; i++)
		if (!calls[i].ok)
			return false;
	return true;
}

TEST_F_TIMEOUT(race_proc, files, RACE_TIMEOUT)
{
	struct crew c = { .arg = &self->s };
	int64_t end = now_ms() + WAIT_MS;
	int i;

	crew_add(&c, reader, 3);
	crew_add(&c, changer, 2);
	crew_add(&c, joiner, 2);
	crew_add(&c, settler, 1);
	ASSERT_EQ(0, crew_start(&c));
	do {
		ASSERT_EQ(0, crew_round(&c, PROC_MS));
	} while (!all_walked() && now_ms() < end);
	ASSERT_EQ(0, crew_end(&c));
	EXPECT_EQ(0, tally_show(calls, ARRAY_SIZE(calls)));
	for (i = SOCKETS; i <= COUNTERS; i++)
		EXPECT_LT(0, calls[i].ok) TH_LOG("%s", calls[i].call);
}

TEST_HARNESS_MAIN
