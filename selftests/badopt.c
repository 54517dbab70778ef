// SPDX-License-Identifier: GPL-2.0-only
/*
 * setsockopt() and getsockopt() with whatever a program may hand in: levels and
 * names that there are and are not, lengths and values at every edge, pointers
 * that are none, on sockets in each state. A twin, a TCP or UDP socket brought
 * into the same state, is asked the same beside it: where both have the option
 * they say the same. Proven for each call: the errno is one that the man pages
 * have; getsockopt() writes nothing behind the length that it was given, leaves
 * nothing unwritten of what it says it has written, and gives away nothing that
 * the kernel has not written itself; afterwards the sockets still carry what they
 * carried before.
 *
 * At scale 1 every 53rd call is made, others in each scene, and on connected sockets
 * each option is asked for all of its value; at 53 all.
 */
#include <kselftest_harness.h>

#include <limits.h>
#include <sys/mman.h>

#include "dgramlib.h"
#include "scene.h"
#include "seqlib.h"

#define STRIDE		(test_scale() >= 53 ? 1 : test_scale() >= 10 ? 5 : 53)
#define ROOM		8192		/* no option's value is as long */
#define GUARD		64

static const int levels[] = {
	SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP, SOL_NEWPROTO,
	2, 58, 255, 263, 276, 289, 291, 4096, -1, INT_MIN, INT_MAX,
};

#define KNOWN_LEVELS	6

static const int odd_names[] = { 128, 255, 256, 1000, 65536, -1, -2, INT_MIN, INT_MAX };

#define LOW_NAMES	110		/* 0 and on; UDP's last is 104 */
#define UNKNOWN_NAMES	4		/* so many low ones at levels that there are not */

static const int lengths[] = { 0, 1, 2, 3, 4, 5, 8, 12, 16, 4096, INT_MAX, INT_MIN, -1 };

static const int values[] = {
	0, 1, -1, 2, 3, 4, 255, 256, 65535, 65536, INT_MAX, INT_MAX - 1, INT_MIN, 1000000, -2,
};

/* Pointers other than to a good value. */
enum { PTR_GOOD, PTR_NULL, PTR_UNMAPPED, PTR_KERNEL, PTR_NONCANON, PTR_READONLY, PTR_SPLIT, PTRS };

static const char *const ptr_names[PTRS] = {
	"good", "NULL", "unmapped", "kernel's", "non-canonical", "read-only", "half unmapped",
};

/* What socket(7), ip(7), ipv6(7), tcp(7), udp(7) and setsockopt(2) name. */
static const int allowed[] = {
	0, EINVAL, EFAULT, ENOPROTOOPT, EPERM, EACCES, EDOM, ENODEV, ENOENT, ENOTCONN, EISCONN,
	EOPNOTSUPP, ENODATA, EADDRNOTAVAIL, EBUSY, ENOMEM, ENOBUFS, ERANGE, EBADF,
};

static char *page;		/* the last one before one that is not mapped */
static char *read_only;
static long page_size;

struct badcall {
	int level, name, len, value, ptr;
	bool get;
};

struct bad {
	struct __test_metadata *md;
	const char *scene;
	int fd, twin;		/* twin is -1 where there is no oracle */
	long calls, compared, wrong;
	long seen[200];
};

static int map_pages(void)
{
	page_size = sysconf(_SC_PAGESIZE);
	page = mmap(NULL, 2 * page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
	read_only = mmap(NULL, 2 * page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || read_only == MAP_FAILED)
		return -1;
	return munmap(page + page_size, page_size);
}

static void *pointer(int ptr, void *good)
{
	switch (ptr) {
	case PTR_NULL:
		return NULL;
	case PTR_UNMAPPED:
		return page + page_size;
	case PTR_KERNEL:
		return (void *)0xffff888000001000;
	case PTR_NONCANON:
		return (void *)0x8000000000000000;
	case PTR_READONLY:
		return read_only;
	case PTR_SPLIT:
		return page + page_size - 2;
	default:
		return good;
	}
}

static bool is_allowed(int err)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(allowed); i++)
		if (allowed[i] == err)
			return true;
	return false;
}

static void complain(struct bad *b, const struct badcall *c, const char *what, long want, long got)
{
	if (++b->wrong > 20)
		return;
	printf("# %s: %csetsockopt(level %d, name %d, length %d, value %d, pointer %s): %s: ",
	       b->scene, c->get ? 'g' : ' ', c->level, c->name, c->len, c->value,
	       ptr_names[c->ptr], what);
	printf("expected %ld, got %ld\n", want, got);
}

static int try_set(int fd, const struct badcall *c)
{
	static int buf[ROOM / sizeof(int)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(buf); i++)
		buf[i] = c->value;
	return setsockopt(fd, c->level, c->name, pointer(c->ptr, buf), c->len) ? errno : 0;
}

/* One getsockopt() into a buffer that is full of @fill; the errno. */
static int get_into(int fd, const struct badcall *c, unsigned char *buf, int fill, int *len)
{
	memset(buf, fill, ROOM + GUARD);
	*len = c->len;
	return getsockopt(fd, c->level, c->name, pointer(c->ptr, buf), (socklen_t *)len) ?
	       errno : 0;
}

/* Into two buffers with different bytes before: what was written is the same in both. */
static int try_get(struct bad *b, const struct badcall *c)
{
	static unsigned char one[ROOM + GUARD], two[ROOM + GUARD];
	int got1, got2, i, room = c->len < 0 || c->len > ROOM ? ROOM : c->len;
	int err = get_into(b->fd, c, one, 0xa5, &got1);
	int err2 = get_into(b->fd, c, two, 0x3c, &got2);

	/* an error of the socket's own is given once */
	if (c->level == SOL_SOCKET && c->name == SO_ERROR)
		return err;
	if (err != err2 || got1 != got2)
		complain(b, c, "asked twice", got1, got2);
	if (!err && (got1 < 0 || got1 > ROOM || (c->len >= 0 && got1 > c->len)))
		complain(b, c, "the length", c->len, got1);
	if (kernel_bytes(one, sizeof(one)) || kernel_bytes(two, sizeof(two)))
		complain(b, c, "bytes that the kernel has not written", 0, 1);
	for (i = 0; i < ROOM + GUARD; i++) {
		if (i >= room && (one[i] != 0xa5 || two[i] != 0x3c)) {
			complain(b, c, "byte behind the room written", 0xa5, one[i]);
			break;
		}
		if (!err && c->ptr == PTR_GOOD && i < got1 && i < room && one[i] != two[i]) {
			complain(b, c, "byte not initialised", one[i], two[i]);
			break;
		}
	}
	return err;
}

static int try_get_twin(int fd, const struct badcall *c)
{
	static unsigned char buf[ROOM + GUARD];
	int len;

	return get_into(fd, c, buf, 0, &len);
}

/*
 * What the oracle answers otherwise, and why that is right. Which options there are
 * is none of this program's business: diff/differences.tsv has that.
 */
static const struct {
	int level, name, err, twin_err;		/* -1: any */
	const char *why;
} differences[] = {
	{ -1, -1, ENOPROTOOPT, -1, "see diff/differences.tsv" },
	{ -1, -1, -1, ENOPROTOOPT, "see diff/differences.tsv" },
	{ SOL_NEWPROTO, -1, -1, -1, "the oracle has no such level" },
	{ SOL_SOCKET, SO_ZEROCOPY, EOPNOTSUPP, -1, "no packets, no such option" },
	{ SOL_SOCKET, 37 /* SO_TIMESTAMPING */, EOPNOTSUPP, EINVAL, "the same" },
	{ SOL_SOCKET, 65 /* SO_TIMESTAMPING_NEW */, EOPNOTSUPP, EINVAL, "the same" },
	{ SOL_SOCKET, 59 /* SO_PEERGROUPS */, 0, ENODATA, "the peer is known" },
	{ IPPROTO_TCP, TCP_CONGESTION, -1, -1, "any name is kept" },
	{ IPPROTO_TCP, TCP_FASTOPEN, 0, EINVAL, "kept in each state" },
	{ IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0, EINVAL, "kept in each state" },
	{ IPPROTO_IPV6, IPV6_V6ONLY, EINVAL, 0, "a connection that failed keeps its port" },
	{ IPPROTO_IPV6, IPV6_DONTFRAG, EINVAL, 0, "the oracle forgets the length" },
	{ IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, EINVAL, 0, "the oracle forgets the length" },
};

static bool may_differ(const struct badcall *c, int err, int twin_err)
{
	size_t i;

	/* getsockopt(2) has EINVAL for a length that is none; ipv6(7)'s take 4 for it */
	if (c->get && c->len < 0 && c->level == IPPROTO_IPV6 && err == EINVAL)
		return true;
	/* setsockopt(2) has EFAULT for no address; ipv6(7)'s take NULL for a 0 */
	if (!c->get && c->ptr == PTR_NULL && c->level == IPPROTO_IPV6 && err == EFAULT)
		return true;
	for (i = 0; i < ARRAY_SIZE(differences); i++)
		if ((differences[i].level == -1 || differences[i].level == c->level) &&
		    (differences[i].name == -1 || differences[i].name == c->name) &&
		    (differences[i].err == -1 || differences[i].err == err) &&
		    (differences[i].twin_err == -1 || differences[i].twin_err == twin_err))
			return true;
	return false;
}

static void check(struct bad *b, const struct badcall *c)
{
	int err, twin_err;

	err = c->get ? try_get(b, c) : try_set(b->fd, c);
	b->calls++;
	if (err < ARRAY_SIZE(b->seen))
		b->seen[err]++;
	if (!is_allowed(err))
		complain(b, c, "errno not in the man pages", EINVAL, err);
	if (b->twin < 0)
		return;
	twin_err = c->get ? try_get_twin(b->twin, c) : try_set(b->twin, c);
	if (may_differ(c, err, twin_err))
		return;
	b->compared++;
	if (err != twin_err)
		complain(b, c, "the oracle says", twin_err, err);
}

/* Both calls, with each length; the values and the pointers take turns. */
static void check_option(struct bad *b, int level, int name, unsigned int *turn)
{
	struct badcall c = { .level = level, .name = name };
	size_t i;

	for (i = 0; i < 2 * ARRAY_SIZE(lengths); i++) {
		unsigned int t = (*turn)++;

		if (t % STRIDE)
			continue;
		c.get = i & 1;
		c.len = lengths[i / 2];
		t /= STRIDE;
		c.value = values[t % ARRAY_SIZE(values)];
		c.ptr = t % 3 ? PTR_GOOD : t / 3 % PTRS;
		check(b, &c);
	}
}

/*
 * All of what each option says, whatever STRIDE leaves out: between them the lengths at
 * which something shows that the kernel has not written are few.
 */
static void check_values(struct bad *b)
{
	struct badcall c = { .len = 4096, .get = true };
	size_t l;

	for (l = 0; l < KNOWN_LEVELS; l++) {
		c.level = levels[l];
		for (c.name = 0; c.name < LOW_NAMES; c.name++)
			check(b, &c);
	}
}

static void check_level(struct bad *b, size_t l, unsigned int *turn)
{
	int name, low = l < KNOWN_LEVELS ? LOW_NAMES : UNKNOWN_NAMES;
	size_t i;

	for (name = 0; name < low; name++)
		check_option(b, levels[l], name, turn);
	for (i = 0; i < ARRAY_SIZE(odd_names); i++)
		check_option(b, levels[l], odd_names[i], turn);
}

/* An option that is there and pointers that are none, for value and length alike. */
static void check_length_pointer(struct bad *b)
{
	char buf[16];
	int ptr;

	for (ptr = PTR_NULL; ptr < PTRS; ptr++) {
		struct badcall c = { SOL_SOCKET, SO_TYPE, 4, 0, ptr, true };
		int err;

		*(short *)(page + page_size - 2) = 4;
		err = getsockopt(b->fd, SOL_SOCKET, SO_TYPE, buf, pointer(ptr, NULL)) ? errno : 0;
		b->calls++;
		/* a length of 0 that lies in read-only memory is read, and cannot be written */
		if (err != EFAULT)
			complain(b, &c, "pointer to the length", EFAULT, err);
	}
}

/* TCP's socket in the same state; the scenes ask the environment whose they are. */
static int make_twin(struct scene *s, const struct door *d, const char *name)
{
	int ret;

	setenv("NEWPROTO_TEST_PROTO", "tcp", 1);
	ret = scene_make(s, d, name);
	unsetenv("NEWPROTO_TEST_PROTO");
	return ret;
}

/* Nobody shall wait for what the options have set. */
static void calm(int fd)
{
	struct linger off = { };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof(off));
}

/* What went through a connection before still does. */
static bool carries(struct scene *s)
{
	char c = 0;

	sock_set(s->fd, SOL_SOCKET, SO_RCVLOWAT, 1);
	sock_set(s->fd, SOL_SOCKET, SO_PEEK_OFF, -1);
	sock_set(s->fd, IPPROTO_UDP, UDP_CORK, 0);
	if (send(s->fd, "x", 1, MSG_NOSIGNAL) != 1 || poll_events(s->peer, POLLIN, WAIT_MS) < 1 ||
	    recv(s->peer, &c, 1, MSG_DONTWAIT) != 1 || c != 'x')
		return false;
	return true;
}

FIXTURE(badopt) {};
DOOR_FIXTURE(badopt);
FIXTURE_VARIANT_ADD(badopt, seq4) { .door = &door_seq4 };

static char modprobe_path[256];

/* Without a program to call, the oracle's request for a module costs nothing. */
FIXTURE_SETUP(badopt)
{
	if (over_tcp())
		SKIP(_exit(255), "TCP is the oracle in here");
	signal(SIGPIPE, SIG_IGN);
	file_read("/proc/sys/kernel/modprobe", modprobe_path, sizeof(modprobe_path));
	file_write("/proc/sys/kernel/modprobe", "\n");
	ASSERT_OK(netns_new());
	ASSERT_OK(map_pages());
}

FIXTURE_TEARDOWN(badopt)
{
	file_write("/proc/sys/kernel/modprobe", modprobe_path);
}

static void run_scene(struct bad *b, const struct door *d, const char *name, unsigned int *turn)
{
	struct __test_metadata *_metadata = b->md;
	struct scene s, twin = { .fd = -1, .peer = -1, .lsn = -1, .filler = -1 };
	size_t l;

	b->scene = name;
	ASSERT_EQ(0, scene_make(&s, d, name)) TH_LOG("%s: %s", name, strerror(errno));
	if (!d->type)
		ASSERT_EQ(0, make_twin(&twin, d, name)) TH_LOG("%s over TCP", name);
	b->fd = s.fd;
	b->twin = twin.fd;
	if (!strcmp(name, "connected") || !strcmp(name, "dgram-connected"))
		check_values(b);
	for (l = 0; l < ARRAY_SIZE(levels); l++)
		check_level(b, l, turn);
	check_length_pointer(b);
	calm(b->fd);
	if (b->twin >= 0)
		calm(b->twin);
	if (!strcmp(name, "connected") || !strcmp(name, "dgram-connected"))
		EXPECT_TRUE(carries(&s)) TH_LOG("%s", name);
	scene_end(&s);
	scene_end(&twin);
}

static void report(struct bad *b)
{
	struct __test_metadata *_metadata = b->md;
	size_t i;

	printf("# %ld calls, %ld of them compared with the oracle; errnos:", b->calls,
	       b->compared);
	for (i = 0; i < ARRAY_SIZE(b->seen); i++)
		if (b->seen[i])
			printf(" %s %ld", i ? strerrorname_np(i) : "0", b->seen[i]);
	printf("\n");
	EXPECT_EQ(0, b->wrong);
}

TEST_F_TIMEOUT(badopt, streams, 600)
{
	static const char *const scenes[] = {
		"closed", "bound", "listening", "pending", "connecting", "connected", "unread",
		"shut-rdwr", "peer-closed", "reset", "refused", "disconnected",
	};
	struct bad b = { .md = _metadata };
	unsigned int turn = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(scenes); i++) {
		/* TCP's connect() does not wait as long as this one does */
		if (variant->door->type && !strcmp(scenes[i], "connecting"))
			continue;
		run_scene(&b, variant->door, scenes[i], &turn);
		turn++;
	}
	report(&b);
}

TEST_F_TIMEOUT(badopt, datagrams, 600)
{
	static const char *const scenes[] = {
		"dgram", "dgram-bound", "dgram-connected", "dgram-unread", "dgram-shut-rdwr",
		"dgram-peer-closed", "dgram-refused", "dgram-disconnected", "dgram-corked",
	};
	struct bad b = { .md = _metadata };
	unsigned int turn = 0;
	size_t i;

	if (variant->door->type)
		SKIP(return, "records are streams' kin");
	for (i = 0; i < ARRAY_SIZE(scenes); i++) {
		run_scene(&b, variant->door, scenes[i], &turn);
		turn++;
	}
	report(&b);
}

TEST_HARNESS_MAIN
