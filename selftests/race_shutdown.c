// SPDX-License-Identifier: GPL-2.0-only
/*
 * shutdown() and close() against send() and recv(), with every byte counted: what
 * send() said it has sent before its side was shut down is read by the other side,
 * entirely, before the end of the stream. Where a side wants to hear no more what
 * comes nevertheless makes a reset, as with TCP, and either side has read the begin of
 * what was sent. A close() that leaves bytes unread is told to the sender. Records
 * stay whole.
 *
 * shutdown_races in stress.c has the same calls and counts nothing.
 */
#include <kselftest_harness.h>

#include "racelib.h"

#define SHUTDOWN_MS	(700 * test_scale())
#define LARGEST		3000

static struct tally calls[] = {
	{ "send, until", { EPIPE } },
	{ "send to who is deaf, until", { EPIPE, ECONNRESET } },
	{ "shutdown", { ENOTCONN } },
	{ "send to who closes, until", { EPIPE, ECONNRESET } },
	{ "recv from who closes, until", { ECONNRESET } },
	{ "send before close", { EAGAIN } },
};

enum { SEND, SEND_DEAF, SHUTDOWN, SEND_CLOSING, RECV_CLOSING, SEND_LAST };

/* One direction of a connection. */
struct way {
	size_t sent, got;
	int send_err, recv_err;
	long wrong;		/* where a byte was not what it should be; -1 */
};

struct wire {
	const struct door *door;
	int sv[2];
	struct way way[2];	/* from sv[0] to sv[1], and back */
	bool deaf;		/* this time a side may want to hear no more */
	bool finite;		/* the first side sends some, and closes */
};

/* The length of what is sent at a place, so that the reader knows that of each record. */
static size_t piece_at(size_t pos)
{
	return 1 + (pos * 2654435761u >> 9) % LARGEST;
}

static ssize_t send_piece(struct way *w, int fd, int flags)
{
	char buf[LARGEST];
	size_t len = piece_at(w->sent);
	ssize_t n;

	pattern_fill(buf, len, w->sent);
	n = send(fd, buf, len, flags | MSG_NOSIGNAL);
	if (n > 0)
		w->sent += n;
	return n;
}

static ssize_t recv_piece(struct hand *h, struct way *w, int fd, int flags)
{
	struct wire *wire = h->arg;
	char buf[LARGEST + 1];
	bool record = wire->door->type == SOCK_SEQPACKET;
	ssize_t n = recv(fd, buf, record ? sizeof(buf) : 1 + race_random(h, LARGEST), flags);

	if (n <= 0)
		return n;
	if (w->wrong < 0 && pattern_wrong(buf, n, w->got) >= 0)
		w->wrong = w->got;
	if (w->wrong < 0 && record && n != piece_at(w->got))
		w->wrong = w->got;
	w->got += n;
	return n;
}

static void sender(struct hand *h)
{
	struct wire *wire = h->arg;
	struct way *w = &wire->way[h->number];

	while (send_piece(w, wire->sv[h->number], 0) > 0)
		race_jitter(h);
	w->send_err = errno;
}

static void reader(struct hand *h)
{
	struct wire *wire = h->arg;
	struct way *w = &wire->way[h->number];
	ssize_t n;

	while ((n = recv_piece(h, w, wire->sv[!h->number], 0)) > 0)
		race_jitter(h);
	w->recv_err = n ? errno : 0;
}

/* In the end every side will send no more; some do not want to hear any more, either. */
static void shutter(struct hand *h)
{
	struct wire *wire = h->arg;
	int fd = wire->sv[h->number], i, how = race_random(h, 4);

	for (i = race_random(h, 8); i; i--)
		race_jitter(h);
	if (wire->deaf && how == 0) {
		tally(&calls[SHUTDOWN], shutdown(fd, SHUT_RD));
		race_jitter(h);
	}
	tally(&calls[SHUTDOWN], shutdown(fd, wire->deaf && how == 1 ? SHUT_RDWR : SHUT_WR));
}

/* Nobody has closed: all ends are in order, unless there was a reset. */
static int check_shut(const struct wire *wire, int i)
{
	const struct way *w = &wire->way[i];

	errno = w->send_err;
	tally(&calls[wire->deaf ? SEND_DEAF : SEND], -1);
	if (w->wrong < 0 && (wire->deaf ? w->got <= w->sent : w->got == w->sent) &&
	    (!w->recv_err || (wire->deaf && w->recv_err == ECONNRESET)))
		return 0;
	fprintf(stderr, "# way %d%s: %zu sent, until %s; %zu got, until %s; wrong at %ld\n", i,
		wire->deaf ? ", deaf" : "", w->sent, strerror(w->send_err), w->got,
		strerror(w->recv_err), w->wrong);
	return -1;
}

/* Sends, reads some of what comes, and closes. */
static void leaver(struct hand *h)
{
	struct wire *wire = h->arg;
	int fd = wire->sv[0], i;

	for (i = race_random(h, 12); i; i--) {
		if (race_random(h, 2))
			tally(&calls[SEND_LAST], send_piece(&wire->way[0], fd, MSG_DONTWAIT));
		else if (recv_piece(h, &wire->way[1], fd, MSG_DONTWAIT) < 0 && errno != EAGAIN)
			wire->way[1].recv_err = errno;
		race_jitter(h);
	}
	/* now and then all is read, as far as one can know */
	if (!race_random(h, 3))
		while (recv_piece(h, &wire->way[1], fd, MSG_DONTWAIT) > 0)
			;
	close(fd);
}

static void stayer_sends(struct hand *h)
{
	struct wire *wire = h->arg;
	struct way *w = &wire->way[1];
	int left = wire->finite ? race_random(h, 6) : -1;
	ssize_t n = 1;

	while (left-- && (n = send_piece(w, wire->sv[1], 0)) > 0)
		race_jitter(h);
	w->send_err = n > 0 ? 0 : errno;
	tally(&calls[SEND_CLOSING], n);
}

static void stayer_reads(struct hand *h)
{
	struct wire *wire = h->arg;
	struct way *w = &wire->way[0];
	ssize_t n;

	while ((n = recv_piece(h, w, wire->sv[1], 0)) > 0)
		race_jitter(h);
	w->recv_err = n ? errno : 0;
	tally(&calls[RECV_CLOSING], n);
}

/*
 * The end of the stream comes after all of it. What the one who has left has not read
 * makes a reset, which one of the other's calls has reported, or will; as EPIPE where
 * the end of the stream came first.
 */
static int check_closed(const struct wire *wire)
{
	const struct way *w = &wire->way[0], *back = &wire->way[1];
	bool told = w->recv_err || back->send_err || sock_error(wire->sv[1]);
	/* TCP forgets what it has not handed over yet, whoever is told of the reset */
	bool forgets = over_tcp() ? told : w->recv_err;

	if (w->wrong < 0 && back->wrong < 0 && back->got <= back->sent &&
	    (forgets ? w->got <= w->sent : w->got == w->sent) &&
	    (told || back->got == back->sent) && !back->recv_err)
		return 0;
	fprintf(stderr, "# %zu sent before close(), %zu got, until %s; wrong at %ld\n", w->sent,
		w->got, strerror(w->recv_err), w->wrong);
	fprintf(stderr, "# back %zu sent, until %s, %zu got, until %s; wrong at %ld; %stold\n",
		back->sent, strerror(back->send_err), back->got, strerror(back->recv_err),
		back->wrong, told ? "" : "not ");
	return -1;
}

FIXTURE(race_shutdown) {
	struct wire wire;
	struct crew c;
	int lsn;
};

DOOR_FIXTURE(race_shutdown);
FIXTURE_VARIANT_ADD(race_shutdown, seqpacket) { .door = &door_seq4 };

FIXTURE_SETUP(race_shutdown)
{
	if (over_tcp() && variant->door->type)
		SKIP(_exit(255), "TCP has no records");
	signal(SIGPIPE, SIG_IGN);
	ASSERT_OK(netns_new());
	self->wire.door = variant->door;
	self->c.arg = &self->wire;
	self->lsn = door_listener(variant->door, 1);
	ASSERT_OK(self->lsn);
}

FIXTURE_TEARDOWN(race_shutdown)
{
	EXPECT_TRUE(race_nothing_left());
}

/* A new connection; in every other round senders find little room and go to sleep. */
static int connect_wire(struct wire *wire, int lsn, int round)
{
	int i;

	wire->sv[0] = door_dial(wire->door, 0, sock_port(lsn));
	wire->sv[1] = accept(lsn, NULL, NULL);
	for (i = 0; i < 2; i++) {
		wire->way[i] = (struct way){ .wrong = -1 };
		if (round % 2) {
			sock_set(wire->sv[i], SOL_SOCKET, SO_SNDBUF, 4096);
			sock_set(wire->sv[i], SOL_SOCKET, SO_RCVBUF, 4096);
		}
	}
	wire->deaf = round / 2 % 2;
	wire->finite = round % 3 == 0;
	return wire->sv[1];
}

TEST_F_TIMEOUT(race_shutdown, both_sides, RACE_TIMEOUT)
{
	struct wire *wire = &self->wire;
	int64_t end = now_ms() + SHUTDOWN_MS;
	size_t bytes = 0;
	int round;

	crew_add(&self->c, sender, 2);
	crew_add(&self->c, reader, 2);
	crew_add(&self->c, shutter, 2);
	ASSERT_OK(crew_start(&self->c));
	for (round = 0; now_ms() < end || round < 4; round++) {
		ASSERT_OK(connect_wire(wire, self->lsn, round));
		ASSERT_EQ(0, crew_round(&self->c, 50)) TH_LOG("round %d", round);
		ASSERT_EQ(0, check_shut(wire, 0)) TH_LOG("round %d", round);
		ASSERT_EQ(0, check_shut(wire, 1)) TH_LOG("round %d", round);
		bytes += wire->way[0].got + wire->way[1].got;
		close(wire->sv[0]);
		close(wire->sv[1]);
	}
	crew_end(&self->c);
	close(self->lsn);
	EXPECT_EQ(0, tally_show(calls, SEND_CLOSING));
	fprintf(stderr, "# %d rounds, %zu bytes\n", round, bytes);
	EXPECT_LT(0, bytes);
}

TEST_F_TIMEOUT(race_shutdown, close, RACE_TIMEOUT)
{
	struct wire *wire = &self->wire;
	int64_t end = now_ms() + SHUTDOWN_MS;
	int round;

	crew_add(&self->c, leaver, 1);
	crew_add(&self->c, stayer_sends, 1);
	crew_add(&self->c, stayer_reads, 1);
	ASSERT_OK(crew_start(&self->c));
	for (round = 0; now_ms() < end || round < 4; round++) {
		ASSERT_OK(connect_wire(wire, self->lsn, round));
		ASSERT_EQ(0, crew_round(&self->c, 50)) TH_LOG("round %d", round);
		ASSERT_EQ(0, check_closed(wire)) TH_LOG("round %d", round);
		close(wire->sv[1]);
	}
	crew_end(&self->c);
	close(self->lsn);
	EXPECT_EQ(0, tally_show(calls + SEND_CLOSING, 3));
	fprintf(stderr, "# %d rounds\n", round);
}

TEST_HARNESS_MAIN
