// SPDX-License-Identifier: GPL-2.0-only
/*
 * Options that change under traffic: of buffers, marks and timeouts, of filters and
 * devices, of NEWPROTO_WAIT and UDP_CORK, and of groups. Every byte arrives and is
 * right, no datagram is torn, every connection is served by one member.
 *
 * opts.c and dgram_opts.c have what each option does, group_choice.c the policies.
 */
#include <kselftest_harness.h>

#include <linux/filter.h>

#include "dgrouplib.h"
#include "racelib.h"

#define OPTION_MS	(500 * test_scale())
#define LARGEST		4000

static struct tally calls[] = {
	{ "setsockopt", { 0 } },
	{ "SO_DETACH_FILTER", { ENOENT } },
	{ "send", { EAGAIN } },
	{ "recv", { EAGAIN } },
	{ "UDP_CORK", { EAGAIN } },	/* there was no room in time for what was held */
	{ "send of a datagram", { EAGAIN, EMSGSIZE } },
	{ "recv of a datagram", { EAGAIN } },
	{ "connect to a group", { 0 } },
	{ "accept of a member", { EAGAIN } },
};

enum { SET, DETACH, SEND, RECV, CORK, SEND_DGRAM, RECV_DGRAM, CONNECT, ACCEPT };

static void set_int(struct hand *h, int fd, int level, int name, int value)
{
	if (tally(&calls[SET], sock_set(fd, level, name, value)))
		race_wrong(h->crew, "option %d of level %d to %d: %s", name, level, value,
			   strerror(errno));
}

static void set_timeout(struct hand *h, int fd, int name)
{
	if (tally(&calls[SET], sock_timeout(fd, name, race_random(h, 4))))
		race_wrong(h->crew, "timeout %d: %s", name, strerror(errno));
}

static void set_linger(struct hand *h, int fd)
{
	struct linger l = { .l_onoff = race_random(h, 2), .l_linger = 1 };

	tally(&calls[SET], setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
}

static void set_device(struct hand *h, int fd)
{
	const char *name = race_random(h, 2) ? "lo" : "";

	if (tally(&calls[SET],
		  setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, strlen(name))))
		race_wrong(h->crew, "device \"%s\": %s", name, strerror(errno));
}

/* One that lets all in. */
static void set_filter(struct hand *h, int fd)
{
	struct sock_filter all = { .code = BPF_RET | BPF_K, .k = 0xffffffff };
	struct sock_fprog prog = { .len = 1, .filter = &all };

	if (race_random(h, 3) == 0)
		tally(&calls[DETACH], sock_set(fd, SOL_SOCKET, SO_DETACH_FILTER, 0));
	else if (tally(&calls[SET],
		       setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog))))
		race_wrong(h->crew, "a filter: %s", strerror(errno));
}

/* What sockets of each kind have. */
static void set_some(struct hand *h, int fd)
{
	switch (race_random(h, 12)) {
	case 0:
	case 1:
		set_int(h, fd, SOL_SOCKET, SO_RCVBUF, 1 + race_random(h, 60000));
		break;
	case 2:
	case 3:
		set_int(h, fd, SOL_SOCKET, SO_SNDBUF, 1 + race_random(h, 60000));
		break;
	case 4:
		set_int(h, fd, SOL_SOCKET, SO_RCVLOWAT, 1 + race_random(h, 3000));
		break;
	case 5:
		set_timeout(h, fd, SO_RCVTIMEO);
		break;
	case 6:
		set_timeout(h, fd, SO_SNDTIMEO);
		break;
	case 7:
		set_linger(h, fd);
		break;
	case 8:
		set_int(h, fd, SOL_SOCKET, SO_TIMESTAMP, race_random(h, 2));
		break;
	case 9:
		set_int(h, fd, SOL_SOCKET, SO_PRIORITY, race_random(h, 7));
		break;
	case 10:
		set_filter(h, fd);
		break;
	case 11:
		set_device(h, fd);
		break;
	}
}

/* A stream, or records, in one direction. */
struct flow {
	const struct door *door;
	int sv[2];
	size_t sent, got;
	unsigned int pieces;	/* that were read */
};

static size_t piece_at(size_t pos)
{
	return 1 + (pos * 2654435761u >> 9) % LARGEST;
}

static void flow_sender(struct hand *h)
{
	struct flow *f = h->arg;
	char buf[LARGEST];

	while (race_on(h)) {
		size_t len = piece_at(f->sent);
		ssize_t n;

		pattern_fill(buf, len, f->sent);
		n = tally(&calls[SEND], send(f->sv[0], buf, len, MSG_NOSIGNAL));
		if (n > 0) {
			f->sent += n;
		} else if (errno == EMSGSIZE && f->door->type) {
			/* more than both buffers are now: until they are larger */
			calls[SEND].err[EMSGSIZE]--;
			race_jitter(h);
		} else if (errno != EAGAIN) {
			race_wrong(h->crew, "send: %s", strerror(errno));
		}
		race_jitter(h);
	}
	shutdown(f->sv[0], SHUT_WR);
}

static void flow_reader(struct hand *h)
{
	struct flow *f = h->arg;
	char buf[LARGEST + 1];
	bool record = f->door->type;
	ssize_t n;

	for (;;) {
		n = tally(&calls[RECV], recv(f->sv[1], buf, record ? sizeof(buf) :
					     1 + race_random(h, LARGEST), 0));
		if (!n)
			break;
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0 || pattern_wrong(buf, n, f->got) >= 0 ||
		    (record && n != piece_at(f->got))) {
			race_wrong(h->crew, "recv at %zu: %zd, %s", f->got, n,
				   n < 0 ? strerror(errno) : "not what was sent");
			break;
		}
		f->got += n;
		__atomic_fetch_add(&f->pieces, 1, __ATOMIC_RELAXED);
	}
}

static void flow_changer(struct hand *h)
{
	struct flow *f = h->arg;

	while (race_on(h)) {
		set_some(h, f->sv[race_random(h, 2)]);
		race_jitter(h);
	}
}

FIXTURE(race_option) {};
DOOR_FIXTURE(race_option);
FIXTURE_VARIANT_ADD(race_option, seqpacket) { .door = &door_seq4 };

FIXTURE_SETUP(race_option)
{
	if (over_tcp())
		SKIP(_exit(255), "TCP and UDP have other groups, and lose datagrams");
	signal(SIGPIPE, SIG_IGN);
	ASSERT_OK(netns_new());
	ASSERT_OK(group_world());
}

FIXTURE_TEARDOWN(race_option)
{
	EXPECT_TRUE(race_nothing_left());
}

TEST_F_TIMEOUT(race_option, of_a_connection, RACE_TIMEOUT)
{
	struct flow f = { .door = variant->door };
	struct crew c = { .arg = &f, .counter = &f.pieces, .enough = 1 };

	ASSERT_OK(door_connected(variant->door, f.sv));
	crew_add(&c, flow_sender, 1);
	crew_add(&c, flow_reader, 1);
	crew_add(&c, flow_changer, 2);
	ASSERT_EQ(0, crew_run(&c, OPTION_MS));
	EXPECT_EQ(f.sent, f.got);
	EXPECT_LT(0, f.got);
	EXPECT_EQ(0, tally_show(calls, CORK));
	fprintf(stderr, "# %zu bytes\n", f.got);
	close(f.sv[0]);
	close(f.sv[1]);
}

/* Pieces that say what they are; a cork makes one datagram of several. */
struct piece {
	uint32_t magic, sender, number, len;
};

#define MAGIC	0x6e657770
#define FEEDS	2
#define SHARERS	3
#define NUMBERS	0x40000
#define FAILED	0x80		/* send() said so */

struct post {
	const struct door *door;
	int rx[SHARERS], tx[FEEDS];
	bool lossless;		/* senders wait, and nobody has a cork */
	uint32_t sent[FEEDS];
	unsigned char seen[FEEDS][NUMBERS];	/* how often each came, and FAILED */
	unsigned int got, glued;
	int senders;
};

static void feed(struct hand *h)
{
	struct post *p = h->arg;
	char buf[LARGEST];

	__atomic_fetch_add(&p->senders, 1, __ATOMIC_RELEASE);
	while (race_on(h) && p->sent[h->number] < NUMBERS) {
		struct piece one = { MAGIC, h->number, p->sent[h->number],
				     sizeof(one) + race_random(h, 1000) };

		memcpy(buf, &one, sizeof(one));
		pattern_fill(buf + sizeof(one), one.len - sizeof(one), one.number);
		if (tally(&calls[SEND_DGRAM], send(p->tx[h->number], buf, one.len,
						   p->lossless || race_random(h, 5) ? 0 :
						   MSG_MORE)) < 0)
			__atomic_or_fetch(&p->seen[h->number][one.number], FAILED,
					  __ATOMIC_RELAXED);
		p->sent[h->number]++;
		race_jitter(h);
	}
	__atomic_fetch_sub(&p->senders, 1, __ATOMIC_RELEASE);
}

/* One piece of a datagram; its length, or 0 if it is none. */
static size_t inspect(struct post *p, const char *buf, size_t len)
{
	struct piece one;

	if (len < sizeof(one))
		return 0;
	memcpy(&one, buf, sizeof(one));
	if (one.magic != MAGIC || one.len > len || one.sender >= FEEDS ||
	    one.number >= NUMBERS ||
	    pattern_wrong(buf + sizeof(one), one.len - sizeof(one), one.number) >= 0)
		return 0;
	__atomic_add_fetch(&p->seen[one.sender][one.number], 1, __ATOMIC_RELAXED);
	return one.len;
}

static void post_reader(struct hand *h)
{
	struct post *p = h->arg;
	int rx = p->rx[h->number];
	char buf[DGRAM_MAX];
	ssize_t n, at;
	size_t len;

	while (race_on(h) || __atomic_load_n(&p->senders, __ATOMIC_ACQUIRE) ||
	       poll_events(rx, POLLIN, 0) & POLLIN) {
		n = tally(&calls[RECV_DGRAM], recv(rx, buf, sizeof(buf), MSG_DONTWAIT));
		if (n < 0) {
			poll_events(rx, POLLIN, 5);
			continue;
		}
		for (at = 0; at < n; at += len) {
			len = inspect(p, buf + at, n - at);
			if (!len) {
				race_wrong(h->crew, "a datagram of %zd is torn at %zd", n, at);
				return;
			}
			__atomic_fetch_add(&p->got, 1, __ATOMIC_RELAXED);
			__atomic_fetch_add(&p->glued, at > 0, __ATOMIC_RELAXED);
		}
	}
}

static void post_changer(struct hand *h)
{
	struct post *p = h->arg;

	/* the end of a cork sends, and may wait for room as a sender does */
	__atomic_fetch_add(&p->senders, 1, __ATOMIC_RELEASE);
	while (race_on(h)) {
		int tx = p->tx[race_random(h, FEEDS)];

		switch (race_random(h, 4)) {
		case 0:
			set_int(h, tx, SOL_NEWPROTO, NEWPROTO_WAIT, race_random(h, 2));
			break;
		case 1:
			tally(&calls[CORK], sock_set(tx, IPPROTO_UDP, UDP_CORK, race_random(h, 2)));
			break;
		default:
			set_some(h, race_random(h, 2) ? p->rx[0] : tx);
		}
		race_jitter(h);
	}
	__atomic_fetch_sub(&p->senders, 1, __ATOMIC_RELEASE);
}

/* What was sent came once or was dropped; what could not be sent did not come. */
static void check_pieces(struct __test_metadata *_metadata, const struct post *p)
{
	unsigned int i, n, seen, missing = 0, failed = 0;

	for (i = 0; i < FEEDS; i++) {
		for (n = 0; n < p->sent[i]; n++) {
			seen = p->seen[i][n];
			failed += seen == FAILED;
			missing += !seen;
			ASSERT_TRUE(seen == FAILED || seen < 2)
				TH_LOG("number %u came %u times, send() had %s", n,
				       seen & ~FAILED, seen & FAILED ? "failed" : "succeeded");
		}
	}
	fprintf(stderr, "# %u pieces, %u came, %u of them behind others, %u not, %u failed\n",
		p->sent[0] + p->sent[1], p->got, p->glued, missing, failed);
	EXPECT_LE(8, p->got);
	if (p->lossless)
		EXPECT_EQ(0, missing + failed);
}

/* Once all is quiet, nothing is lost any more. */
static void check_quiet(struct __test_metadata *_metadata, struct post *p)
{
	int i;

	ASSERT_OK(sock_set(p->rx[0], SOL_SOCKET, SO_RCVBUF, 50000));
	ASSERT_OK(sock_set(p->rx[0], SOL_SOCKET, SO_RCVLOWAT, 1));
	for (i = 0; i < 50; i++) {
		ASSERT_EQ(5, send(p->tx[0], "quiet", 5, 0));
		ASSERT_STREQ("quiet", dgram_text(p->rx[0])) TH_LOG("datagram %d", i);
	}
}

TEST_F_TIMEOUT(race_option, of_datagrams, RACE_TIMEOUT)
{
	static struct post p;
	struct crew c = { .arg = &p, .counter = &p.got, .enough = 8 };
	char rest[DGRAM_MAX];
	int i;

	if (variant->door->type)
		SKIP(return, "datagrams are not at this door");
	p.door = variant->door;
	p.rx[0] = dgram_bound(p.door, 0, 0);
	for (i = 0; i < FEEDS; i++) {
		p.tx[i] = dgram_dial(p.door, 0, sock_port(p.rx[0]));
		ASSERT_OK(p.tx[i]);
		/* whoever waits does so until there is room, and no longer than this */
		ASSERT_OK(sock_timeout(p.tx[i], SO_SNDTIMEO, WAIT_MS));
	}
	crew_add(&c, feed, FEEDS);
	crew_add(&c, post_reader, 1);
	crew_add(&c, post_changer, 2);
	ASSERT_EQ(0, crew_run(&c, OPTION_MS));
	EXPECT_EQ(0, tally_show(calls, CONNECT));
	check_pieces(_metadata, &p);
	/* nobody reads now: what is held is to be sent or dropped, not to wait for room */
	for (i = 0; i < FEEDS; i++) {
		ASSERT_OK(group_set(p.tx[i], NEWPROTO_WAIT, 0));
		ASSERT_OK(sock_set(p.tx[i], IPPROTO_UDP, UDP_CORK, 0));
	}
	while (recv(p.rx[0], rest, sizeof(rest), MSG_DONTWAIT) > 0)
		;
	check_quiet(_metadata, &p);
	for (i = 0; i < FEEDS; i++)
		close(p.tx[i]);
	close(p.rx[0]);
}

struct club {
	const struct door *door;
	int port, m[SHARERS];
	struct ledger ledger;
	int clients;
};

static void club_client(struct hand *h)
{
	struct club *club = h->arg;

	__atomic_fetch_add(&club->clients, 1, __ATOMIC_RELEASE);
	while (race_on(h)) {
		int fd = door_dial(club->door, 0, club->port);

		if (tally(&calls[CONNECT], fd) < 0)
			race_wrong(h->crew, "connect: %s", strerror(errno));
		else if (!ledger_client(h, &club->ledger, fd))
			race_wrong(h->crew, "a connection to a group was reset");
		close(fd);
	}
	__atomic_fetch_sub(&club->clients, 1, __ATOMIC_RELEASE);
}

static void club_member(struct hand *h)
{
	struct club *club = h->arg;

	while (race_on(h) || __atomic_load_n(&club->clients, __ATOMIC_ACQUIRE)) {
		int fd = tally(&calls[ACCEPT], accept(club->m[h->number], NULL, NULL));

		if (fd >= 0)
			ledger_server(h, &club->ledger, fd);
		else
			poll_events(club->m[h->number], POLLIN, 3);
	}
}

static void set_program(struct hand *h, int fd)
{
	struct sock_filter one = { .code = BPF_RET | BPF_K, .k = race_random(h, SHARERS + 1) };
	struct sock_fprog prog = { .len = 1, .filter = &one };

	if (race_random(h, 2))
		tally(&calls[SET], setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog,
					      sizeof(prog)));
	else
		tally(&calls[DETACH], sock_set(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0));
}

/* What a group of either kind has. */
static void set_of_group(struct hand *h, int fd)
{
	switch (race_random(h, 4)) {
	case 0:
		set_int(h, fd, SOL_NEWPROTO, NEWPROTO_POLICY, race_random(h, 4));
		break;
	case 1:
		set_int(h, fd, SOL_NEWPROTO, NEWPROTO_WEIGHT, 1 + race_random(h, 1000));
		break;
	case 2:
		set_int(h, fd, SOL_NEWPROTO, NEWPROTO_GRACE, race_random(h, 1000));
		break;
	case 3:
		set_program(h, fd);
		break;
	}
}

static void club_changer(struct hand *h)
{
	struct club *club = h->arg;

	while (race_on(h)) {
		int fd = club->m[race_random(h, SHARERS)];

		if (race_random(h, 5))
			set_of_group(h, fd);
		else
			listen(fd, race_random(h, 4));
		race_jitter(h);
	}
}

/* All members stay: nobody is refused and nobody reset, whatever is set. */
TEST_F_TIMEOUT(race_option, of_a_group, RACE_TIMEOUT)
{
	struct club club = { .door = variant->door };
	struct crew c = { .arg = &club, .counter = &club.ledger.served, .enough = 8 };
	int i;

	ledger_open(&club.ledger);
	for (i = 0; i < SHARERS; i++) {
		club.m[i] = member_new(variant->door, club.port, 2);
		ASSERT_OK(club.m[i]);
		club.port = sock_port(club.m[i]);
	}
	crew_add(&c, club_client, 3);
	crew_add(&c, club_member, SHARERS);
	crew_add(&c, club_changer, 2);
	ASSERT_EQ(0, crew_run(&c, OPTION_MS));
	EXPECT_EQ(0, ledger_check(&club.ledger));
	EXPECT_EQ(0, tally_show(calls, ARRAY_SIZE(calls)));
	EXPECT_LE(c.enough, club.ledger.served);
	ASSERT_OK(group_set(club.m[0], NEWPROTO_GRACE, 0));
	for (i = 0; i < SHARERS; i++)
		close(club.m[i]);
}

static void share_changer(struct hand *h)
{
	struct post *p = h->arg;

	while (race_on(h)) {
		int fd = p->rx[race_random(h, SHARERS)];

		if (race_random(h, 5))
			set_of_group(h, fd);
		else
			set_int(h, fd, SOL_SOCKET, SO_RCVBUF, 1 + race_random(h, 30000));
		race_jitter(h);
	}
}

/* The same for datagrams, whose senders wait: each comes to one of them. */
TEST_F_TIMEOUT(race_option, of_a_group_of_datagrams, RACE_TIMEOUT)
{
	static struct post p;
	struct crew c = { .arg = &p, .counter = &p.got, .enough = 8 };
	int i, port = 0;

	if (variant->door->type)
		SKIP(return, "datagrams are not at this door");
	p.door = variant->door;
	p.lossless = true;
	for (i = 0; i < SHARERS; i++) {
		p.rx[i] = member_new(dgram_door(p.door), port, BOUND_ONLY);
		ASSERT_OK(p.rx[i]);
		port = sock_port(p.rx[i]);
	}
	for (i = 0; i < FEEDS; i++) {
		p.tx[i] = dgram_dial(p.door, 0, port);
		ASSERT_OK(group_set(p.tx[i], NEWPROTO_WAIT, 1));
		ASSERT_OK(sock_timeout(p.tx[i], SO_SNDTIMEO, WAIT_MS));
	}
	crew_add(&c, feed, FEEDS);
	crew_add(&c, post_reader, SHARERS);
	crew_add(&c, share_changer, 2);
	ASSERT_EQ(0, crew_run(&c, OPTION_MS));
	check_pieces(_metadata, &p);
	EXPECT_EQ(0, tally_show(calls, CONNECT));
	for (i = 0; i < FEEDS; i++)
		close(p.tx[i]);
	ASSERT_OK(group_set(p.rx[0], NEWPROTO_GRACE, 0));
	for (i = 0; i < SHARERS; i++)
		close(p.rx[i]);
}

TEST_HARNESS_MAIN
