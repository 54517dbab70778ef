// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may bind and listen beside whom: TCP is asked the same questions in the
 * same program, some thousands of them, and its answers are what is expected.
 *
 * Where TCP contradicts itself there is nothing to be expected of it. Two such
 * places are known, and left out by what TCP says, not by what we say:
 *
 * - It lets a third socket with SO_REUSEPORT in beside two others, one of which it
 *   would not let it in beside alone, once the other had SO_REUSEPORT, too, or
 *   SO_REUSEADDR (it looks at tb->fastreuseport only). Asked for each pair, it says
 *   what we say.
 * - Linux 6.1 lets ::ffff:127.0.0.1 in beside ::ffff:0.0.0.0, but not the other way
 *   round, nor 127.0.0.1 beside 0.0.0.0. Later versions refuse it, as we do.
 */
#include <kselftest_harness.h>

#include "grouplib.h"

#define PORT	4242
#define NOBODY	1234		/* the other user */
#define DEVICE	"np0"		/* the other device */

static const struct {
	const char *text;
	bool v6only;
} kinds[] = {
	{ "127.0.0.1" }, { "0.0.0.0" }, { "::1" }, { "::" },
	{ "127.0.0.2" }, { "::", .v6only = true }, { "::ffff:127.0.0.1" }, { "::ffff:0.0.0.0" },
};

#define KINDS		ARRAY_SIZE(kinds)
#define FEW_KINDS	4	/* the first of them */

static const char *const devices[] = { NULL, "lo", DEVICE };

/* One of the sockets of a row. */
struct place {
	int kind, device;
	bool reuseaddr, reuseport, other_user, listens;
};

/* What became of it: 0 or errno, and -1 where nothing was tried. */
struct outcome {
	int bind, listen;
};

static bool is_v6(const struct place *p)
{
	return strchr(kinds[p->kind].text, ':');
}

static socklen_t place_addr(const struct place *p, union addr *a)
{
	memset(a, 0, sizeof(*a));
	if (is_v6(p)) {
		a->in6.sin6_family = AF_INET6;
		a->in6.sin6_port = htons(PORT);
		inet_pton(AF_INET6, kinds[p->kind].text, &a->in6.sin6_addr);
		return sizeof(a->in6);
	}
	a->in.sin_family = AF_INET;
	a->in.sin_port = htons(PORT);
	inet_pton(AF_INET, kinds[p->kind].text, &a->in.sin_addr);
	return sizeof(a->in);
}

/* A socket belongs to whom has made it. */
static int place_socket(const struct place *p, int protocol)
{
	int fd;

	if (p->other_user && seteuid(NOBODY))
		return -1;
	fd = socket(is_v6(p) ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK, protocol);
	if (p->other_user && seteuid(0))
		return -1;
	return fd;
}

/* The socket with its options; -1 if the test itself fails. */
static int place_open(const struct place *p, int protocol)
{
	int fd = place_socket(p, protocol);
	const char *dev = devices[p->device];

	if (fd < 0)
		return -1;
	if ((p->reuseaddr && sock_set(fd, SOL_SOCKET, SO_REUSEADDR, 1)) ||
	    (p->reuseport && sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) ||
	    (kinds[p->kind].v6only && sock_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) ||
	    (dev && setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, dev, strlen(dev) + 1))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void place_take(const struct place *p, int fd, struct outcome *o)
{
	union addr a;
	socklen_t len = place_addr(p, &a);

	o->listen = -1;
	o->bind = bind(fd, &a.sa, len) ? errno : 0;
	if (!o->bind && p->listens)
		o->listen = listen(fd, 4) ? errno : 0;
}

enum { MOST = 3 };

struct row {
	struct place place[MOST];
	int n;
	bool leaves;		/* the second one closes before the third one comes */
};

struct answer {
	struct outcome o[MOST];
	int late[MOST];		/* listen() of those that have only bound, in the end */
};

/* 0, or -1 if sockets could not be made. */
static int row_run(const struct row *r, int protocol, struct answer *ans)
{
	int fds[MOST] = { -1, -1, -1 }, i, ret = 0;

	memset(ans, -1, sizeof(*ans));
	for (i = 0; i < r->n; i++) {
		fds[i] = place_open(&r->place[i], protocol);
		if (fds[i] < 0) {
			ret = -1;
			break;
		}
		place_take(&r->place[i], fds[i], &ans->o[i]);
		if (i == 1 && r->leaves) {
			close(fds[1]);
			fds[1] = -1;
		}
	}
	for (i = 0; i < r->n && !ret; i++)
		if (fds[i] >= 0 && !ans->o[i].bind && ans->o[i].listen < 0)
			ans->late[i] = listen(fds[i], 4) ? errno : 0;
	for (i = 0; i < r->n; i++)
		close(fds[i]);
	return ret;
}

static void place_text(const struct place *p, char *buf, size_t size)
{
	snprintf(buf, size, "[%s%s%s%s%s%s%s%s]", kinds[p->kind].text,
		 kinds[p->kind].v6only ? " v6only" : "", p->device ? " dev " : "",
		 p->device ? devices[p->device] : "", p->reuseaddr ? " reuseaddr" : "",
		 p->reuseport ? " reuseport" : "", p->other_user ? " other user" : "",
		 p->listens ? " listens" : "");
}

static const char *result(int err)
{
	return err < 0 ? "-" : err ? strerrorname_np(err) : "ok";
}

static void row_show(const struct row *r, const struct answer *tcp, const struct answer *ours)
{
	char text[96];
	int i;

	for (i = 0; i < r->n; i++) {
		place_text(&r->place[i], text, sizeof(text));
		fprintf(stderr, "#   %s%s\n", text, i == 1 && r->leaves ? ", closed again" : "");
		fprintf(stderr, "#      TCP: bind %s, listen %s, late %s; ",
			result(tcp->o[i].bind), result(tcp->o[i].listen), result(tcp->late[i]));
		fprintf(stderr, "here: bind %s, listen %s, late %s\n", result(ours->o[i].bind),
			result(ours->o[i].listen), result(ours->late[i]));
	}
}

struct tally {
	int ours;		/* protocol */
	int64_t begin;
	int offered;		/* rows there are */
	int rows, differ, contradictions;
};

/* On a slow kernel the first rows are tried, and then some of the others. */
#define ALL_FOR_MS	20000
#define SOME		16
#define ROWS_MIN	300

FIXTURE(group_bind) {
	struct tally t;
};

FIXTURE_SETUP(group_bind)
{
	self->t.ours = door_protocol(&door_inet4);
	self->t.begin = now_ms();
	ASSERT_OK(netns_new());
}

FIXTURE_TEARDOWN(group_bind)
{
	TH_LOG("%d rows of %d, %d of them differ, in %d TCP contradicts itself", self->t.rows,
	       self->t.offered, self->t.differ, self->t.contradictions);
}

/* How many differences are shown in full. */
#define SHOWN	12

/* Indexes of kinds[] */
enum { EXACT, WILDCARD, MAPPED = 6, MAPPED_WILDCARD };

/*
 * See above: a mapped address that comes, by bind() or by listen(), after the mapped
 * wildcard. What TCP says of the same in IPv4 is what it has to be.
 */
static bool is_odd_pair(const struct row *r, struct answer *unmapped)
{
	struct row v4 = *r;
	int i;

	if (r->n != 2 || r->place[0].kind == r->place[1].kind)
		return false;
	for (i = 0; i < 2; i++) {
		if (r->place[i].kind != MAPPED && r->place[i].kind != MAPPED_WILDCARD)
			return false;
		v4.place[i].kind = r->place[i].kind == MAPPED ? EXACT : WILDCARD;
	}
	return !row_run(&v4, IPPROTO_TCP, unmapped);
}

/* What TCP says of the last one beside each of the others alone. */
static int pairwise(const struct row *r)
{
	struct row pair = { .n = 2 };
	struct answer ans;
	int i;

	pair.place[1] = r->place[r->n - 1];
	for (i = 0; i < r->n - 1; i++) {
		if (i == 1 && r->leaves)
			continue;
		pair.place[0] = r->place[i];
		if (row_run(&pair, IPPROTO_TCP, &ans))
			return -1;
		if (ans.o[1].bind)
			return ans.o[1].bind;
	}
	return 0;
}

static void row_check(struct __test_metadata *_metadata, struct tally *t, const struct row *r)
{
	struct answer tcp, ours, unmapped;
	int last = r->n - 1, by_pairs;

	if (t->offered++ % SOME && t->rows >= ROWS_MIN && now_ms() - t->begin > ALL_FOR_MS)
		return;
	ASSERT_OK(row_run(r, IPPROTO_TCP, &tcp));
	ASSERT_OK(row_run(r, t->ours, &ours));
	t->rows++;
	if (!memcmp(&tcp, &ours, sizeof(tcp)))
		return;
	if (is_odd_pair(r, &unmapped) && !memcmp(&unmapped, &ours, sizeof(ours))) {
		t->contradictions++;
		return;
	}
	by_pairs = last == 2 ? pairwise(r) : tcp.o[last].bind;
	if (tcp.o[last].bind != by_pairs && ours.o[last].bind == by_pairs) {
		t->contradictions++;
		return;
	}
	if (t->differ++ < SHOWN)
		row_show(r, &tcp, &ours);
}

/* A test that asks too little has lost its rows. */
static void rows_end(struct __test_metadata *_metadata, struct tally *t, int rows)
{
	EXPECT_EQ(rows, t->offered);
	EXPECT_LE(ROWS_MIN, t->rows);
	EXPECT_EQ(0, t->differ);
}

/* The @i-th of all places with so many kinds, devices and users. */
static struct place place_nth(int i, int nkinds, int ndevices)
{
	struct place p = { };

	p.listens = i & 1;
	p.reuseaddr = i & 2;
	p.reuseport = i & 4;
	p.kind = i / 8 % nkinds;
	p.device = i / 8 / nkinds % ndevices;
	return p;
}

/* listen() of the second one right after its bind() is what the end tries, too. */
static bool is_repetition(const struct row *r)
{
	return r->place[0].listens && r->place[1].listens;
}

/* Every pair of addresses and options. */
TEST_F_TIMEOUT(group_bind, addresses, 120)
{
	int n = 8 * KINDS, i, j;

	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++) {
			struct row r = { .n = 2 };

			r.place[0] = place_nth(i, KINDS, 1);
			r.place[1] = place_nth(j, KINDS, 1);
			if (!is_repetition(&r))
				row_check(_metadata, &self->t, &r);
		}
	rows_end(_metadata, &self->t, n * n * 3 / 4);
}

/* Pairs of two users. */
TEST_F_TIMEOUT(group_bind, users, 120)
{
	int n = 8 * KINDS, i, j;

	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++) {
			struct row r = { .n = 2 };

			/* options that make no difference but for the user */
			if (!(i & j & 4))
				continue;
			r.place[0] = place_nth(i, KINDS, 1);
			r.place[1] = place_nth(j, KINDS, 1);
			r.place[(i ^ j) & 1].other_user = true;
			row_check(_metadata, &self->t, &r);
		}
	rows_end(_metadata, &self->t, n * n / 4);
}

/* Pairs of devices, of none, and of one and none. */
TEST_F_TIMEOUT(group_bind, devices, 120)
{
	int ndevices = 3, n, i, j, rows = 0;

	if (link_add("dummy", DEVICE) && link_add("veth", DEVICE) && link_add("ifb", DEVICE))
		ndevices = 2;
	n = 8 * FEW_KINDS * ndevices;
	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++) {
			struct row r = { .n = 2 };

			r.place[0] = place_nth(i, FEW_KINDS, ndevices);
			r.place[1] = place_nth(j, FEW_KINDS, ndevices);
			/* both options at once are asked for above */
			if (r.place[1].listens || (!r.place[0].device && !r.place[1].device) ||
			    (i & 6) == 6 || (j & 6) == 6)
				continue;
			row_check(_metadata, &self->t, &r);
			rows++;
		}
	rows_end(_metadata, &self->t, rows);
	EXPECT_LE(300, rows);
}

/*
 * A third one beside two others, or beside one when the other has left: what
 * inet keeps of those before must make no difference that we do not make.
 */
TEST_F_TIMEOUT(group_bind, three, 120)
{
	int n = 8 * 2, i, j, k;	/* exact and wildcard */

	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++)
			for (k = 0; k < n; k++) {
				struct row r = { .n = 3, .leaves = k & 1 };

				r.place[0] = place_nth(i, 2, 1);
				r.place[1] = place_nth(j, 2, 1);
				r.place[2] = place_nth(k & ~1, 2, 1);
				row_check(_metadata, &self->t, &r);
			}
	rows_end(_metadata, &self->t, n * n * n);
}

/* One of four kinds, with no option or one of two. */
static struct place place_of_family(int i)
{
	static const int few[] = { 1, 3, 5, 6 };	/* indexes of kinds[] */

	return (struct place){
		.kind = few[i / 3], .reuseaddr = i % 3 == 1, .reuseport = i % 3 == 2,
	};
}

/* Of three in both families, the first of which listens. */
TEST_F_TIMEOUT(group_bind, three_families, 120)
{
	int n = 3 * 4, i, j, k;

	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++)
			for (k = 0; k < n; k++) {
				struct row r = { .n = 3 };

				r.place[0] = place_of_family(i);
				r.place[0].listens = true;
				r.place[1] = place_of_family(j);
				r.place[2] = place_of_family(k);
				row_check(_metadata, &self->t, &r);
			}
	rows_end(_metadata, &self->t, n * n * n);
}

/* Who gets a connection, of two that listen where both could be meant. */

static const char *const targets[] = { "127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1" };

/* 1 or 2, or -errno of connect(). */
static int who_gets(int protocol, const char *target, const int *fds)
{
	bool v6 = strchr(target, ':');
	union addr a = { };
	socklen_t len = v6 ? sizeof(a.in6) : sizeof(a.in);
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM, protocol), which;

	a.sa.sa_family = v6 ? AF_INET6 : AF_INET;
	addr_set_port(&a, PORT);
	inet_pton(a.sa.sa_family, target, v6 ? (void *)&a.in6.sin6_addr : &a.in.sin_addr);
	if (connect(fd, &a.sa, len)) {
		which = -errno;
		close(fd);
		return which;
	}
	which = pick_ready(fds, 2);
	client_abort(fd);
	if (which >= 0)
		close(take_now(fds[which], NULL));
	return which + 1;
}

/* Who gets what, for each of the targets; false if they cannot listen side by side. */
static bool pair_asked(const struct row *r, int protocol, int *who)
{
	int fds[2], i;
	bool both = true;

	for (i = 0; i < 2; i++) {
		struct outcome o;

		fds[i] = place_open(&r->place[i], protocol);
		place_take(&r->place[i], fds[i], &o);
		both &= !o.bind && !o.listen;
	}
	for (i = 0; i < ARRAY_SIZE(targets) && both; i++)
		who[i] = who_gets(protocol, targets[i], fds);
	close(fds[0]);
	close(fds[1]);
	return both;
}

/* How well an address fits: 2: it is the very one, 1: it is a wildcard, 0: not at all. */
static int fits(const struct place *p, const char *target)
{
	const char *text = kinds[p->kind].text;

	if (!strncmp(text, "::ffff:", 7))
		text += 7;
	if (!strncmp(target, "::ffff:", 7))
		target += 7;
	if (!strcmp(text, target))
		return 2;
	if (!strcmp(text, "::"))
		return strchr(target, ':') || !kinds[p->kind].v6only;
	return !strcmp(text, "0.0.0.0") && !strchr(target, ':');
}

static void pair_check(struct __test_metadata *_metadata, struct tally *t,
		       const struct row *r)
{
	int tcp[ARRAY_SIZE(targets)], ours[ARRAY_SIZE(targets)], i;
	char one[96], two[96];

	if (!pair_asked(r, IPPROTO_TCP, tcp) || !pair_asked(r, t->ours, ours))
		return;
	place_text(&r->place[0], one, sizeof(one));
	place_text(&r->place[1], two, sizeof(two));
	for (i = 0; i < ARRAY_SIZE(targets); i++) {
		/* of two that fit equally well TCP takes one by the order of its list */
		if (fits(&r->place[0], targets[i]) &&
		    fits(&r->place[0], targets[i]) == fits(&r->place[1], targets[i]))
			continue;
		t->offered++;
		t->rows++;
		if (tcp[i] == ours[i])
			continue;
		if (t->differ++ < SHOWN)
			fprintf(stderr, "#   %s and %s: %s: TCP %d, here %d\n", one, two,
				targets[i], tcp[i], ours[i]);
	}
}

static struct place place_in_group(int i)
{
	return (struct place){
		.kind = i / 2, .device = i & 1, .reuseport = true, .listens = true,
	};
}

TEST_F_TIMEOUT(group_bind, who_is_found, 120)
{
	int n = 2 * KINDS, i, j;

	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++) {
			struct row r = { .n = 2 };

			/* one group: the hash decides */
			if (i == j)
				continue;
			r.place[0] = place_in_group(i);
			r.place[1] = place_in_group(j);
			pair_check(_metadata, &self->t, &r);
		}
	EXPECT_LE(300, self->t.rows);
	EXPECT_EQ(0, self->t.differ);
}

TEST_HARNESS_MAIN
