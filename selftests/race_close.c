// SPDX-License-Identifier: GPL-2.0-only
/*
 * close() against every other call on the same socket: by threads, on two
 * descriptors of it, and by a forked process that holds it, too. A call fails only
 * as its man page says; when the last holder is gone the peer is told and the port is
 * free.
 *
 * The descriptors are numbers that nothing else gets, so a call that comes too late is
 * a call on no descriptor. signals.c has a close() for each call that is asleep;
 * stress.c has descriptors that are used again at once, and looks at no result.
 */
#include <kselftest_harness.h>

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#include "dgramlib.h"
#include "racelib.h"

#define HANDS		4
#define CLOSE_MS	(400 * test_scale())
#define SHARED		500	/* two descriptors of the socket */
#define OTHER		501

enum kind { CONNECTED, LISTENING, FRESH, DGRAM, DGRAM_FRESH };

/* What the hands of a crew work on. */
struct board {
	const struct door *door;
	enum kind kind;
	struct tally *calls;
	int peer;		/* the other end, or one that has dialled */
	int port;		/* where connect() goes to */
	int ep, file;
	int pipe[HANDS + 2][2];
	int closers;		/* descriptors to be closed */
	bool forks;
};

static struct board *board_of(const struct hand *h)
{
	return h->arg;
}

static long do_send(struct hand *h, int fd)
{
	char buf[3000] = "";

	return send(fd, buf, race_random(h, sizeof(buf)) + 1, 0);
}

static long do_recv(struct hand *h, int fd)
{
	char buf[3000];

	return recv(fd, buf, race_random(h, sizeof(buf)) + 1, race_random(h, 2) ? MSG_PEEK : 0);
}

static long do_accept(struct hand *h, int fd)
{
	int new = accept(fd, NULL, NULL);

	if (new >= 0)
		close(new);
	return new;
}

static long do_connect(struct hand *h, int fd)
{
	union addr a;
	socklen_t len = door_loop(board_of(h)->door, &a, board_of(h)->port);

	return connect(fd, &a.sa, len);
}

/* That there is no descriptor any more is no result of its own. */
static long do_poll(struct hand *h, int fd)
{
	int ev = poll_events(fd, POLLIN | POLLOUT, race_random(h, 2));

	errno = EBADF;
	return ev > 0 && ev & POLLNVAL ? -1 : ev;
}

static long do_epoll_add(struct hand *h, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN | (race_random(h, 2) ? EPOLLET : EPOLLOUT) };

	return epoll_ctl(board_of(h)->ep, EPOLL_CTL_ADD, fd, &ev);
}

static long do_epoll_del(struct hand *h, int fd)
{
	return epoll_ctl(board_of(h)->ep, EPOLL_CTL_DEL, fd, NULL);
}

static long do_epoll_wait(struct hand *h, int fd)
{
	struct epoll_event ev[4];

	return epoll_wait(board_of(h)->ep, ev, 4, race_random(h, 2));
}

static long do_setsockopt(struct hand *h, int fd)
{
	static const int names[] = { SO_RCVBUF, SO_SNDBUF, SO_KEEPALIVE, SO_RCVLOWAT };

	return sock_set(fd, SOL_SOCKET, names[race_random(h, 4)], 1 + race_random(h, 20000));
}

static long do_getsockopt(struct hand *h, int fd)
{
	static const int names[] = { SO_RCVBUF, SO_TYPE, SO_ACCEPTCONN, SO_PROTOCOL };

	return sock_int(fd, SOL_SOCKET, names[race_random(h, 4)]);
}

static long do_shutdown(struct hand *h, int fd)
{
	return shutdown(fd, race_random(h, 3));
}

static long do_getsockname(struct hand *h, int fd)
{
	union addr a;
	socklen_t len = sizeof(a);

	return getsockname(fd, &a.sa, &len);
}

static long do_getpeername(struct hand *h, int fd)
{
	union addr a;
	socklen_t len = sizeof(a);

	return getpeername(fd, &a.sa, &len);
}

static long do_listen(struct hand *h, int fd)
{
	return listen(fd, race_random(h, 4));
}

static long do_bind(struct hand *h, int fd)
{
	union addr a;
	socklen_t len = door_loop(board_of(h)->door, &a, 0);

	return bind(fd, &a.sa, len);
}

static long do_fionread(struct hand *h, int fd)
{
	int n;

	return ioctl(fd, FIONREAD, &n);
}

static long do_sendfile(struct hand *h, int fd)
{
	off_t off = 0;

	return sendfile(fd, board_of(h)->file, &off, race_random(h, 3000) + 1);
}

/* Each has a pipe of its own, which is empty afterwards. */
static long do_splice(struct hand *h, int fd)
{
	int *p = board_of(h)->pipe[h->number];
	long n = splice(fd, NULL, p[1], NULL, 2000, SPLICE_F_NONBLOCK);
	int err = errno;
	char buf[2000];

	if (n > 0 && read(p[0], buf, n) != n)
		race_wrong(h->crew, "a splice() of %ld bytes left fewer in the pipe", n);
	errno = err;
	return n;
}

static long do_dup(struct hand *h, int fd)
{
	int new = fcntl(fd, F_DUPFD_CLOEXEC, OTHER + 1);

	if (new >= 0)
		close(new);
	return new;
}

/* Which errnos the man pages allow: of streams and records, of datagrams. */
static const struct {
	const char *call;
	long (*fn)(struct hand *h, int fd);
	int stream[10], dgram[10];
} ops[] = {
	{ "send", do_send, { EBADF, EAGAIN, EPIPE, ECONNRESET, ECONNREFUSED, EMSGSIZE },
	  { EBADF, EAGAIN, EPIPE, EDESTADDRREQ, ECONNREFUSED } },
	{ "recv", do_recv, { EBADF, EAGAIN, ENOTCONN, ECONNRESET, ECONNREFUSED },
	  { EBADF, EAGAIN, ECONNREFUSED } },
	{ "accept", do_accept, { EBADF, EAGAIN, EINVAL }, { EBADF, EOPNOTSUPP } },
	{ "connect", do_connect, { EBADF, EISCONN, EALREADY, EINPROGRESS, ECONNREFUSED,
				   ECONNABORTED, ECONNRESET }, { EBADF } },
	{ "poll", do_poll, { EBADF }, { EBADF } },
	{ "epoll_ctl add", do_epoll_add, { EBADF, EEXIST }, { EBADF, EEXIST } },
	{ "epoll_ctl del", do_epoll_del, { EBADF, ENOENT }, { EBADF, ENOENT } },
	{ "epoll_wait", do_epoll_wait },
	{ "setsockopt", do_setsockopt, { EBADF }, { EBADF } },
	{ "getsockopt", do_getsockopt, { EBADF }, { EBADF } },
	{ "shutdown", do_shutdown, { EBADF, ENOTCONN }, { EBADF, ENOTCONN } },
	{ "getsockname", do_getsockname, { EBADF }, { EBADF } },
	{ "getpeername", do_getpeername, { EBADF, ENOTCONN }, { EBADF, ENOTCONN } },
	{ "listen", do_listen, { EBADF, EINVAL }, { EBADF, EOPNOTSUPP } },
	{ "bind", do_bind, { EBADF, EINVAL }, { EBADF, EINVAL } },
	{ "ioctl", do_fionread, { EBADF, EINVAL }, { EBADF } },
	{ "sendfile", do_sendfile, { EBADF, EAGAIN, EPIPE, ECONNRESET, ECONNREFUSED, EMSGSIZE },
	  { EBADF, EAGAIN, EPIPE, EDESTADDRREQ, ECONNREFUSED } },
	{ "splice", do_splice, { EBADF, EAGAIN, ENOTCONN, ECONNRESET, ECONNREFUSED },
	  { EBADF, EAGAIN, EINVAL, ECONNREFUSED } },
	{ "dup", do_dup, { EBADF }, { EBADF } },
	{ "close", NULL, { 0 }, { 0 } },
};

enum { OPS = ARRAY_SIZE(ops) - 1, CLOSE = OPS };

static void one_call(struct hand *h)
{
	int op = race_random(h, OPS), fd = race_random(h, board_of(h)->closers) ? OTHER : SHARED;

	tally(&board_of(h)->calls[op], ops[op].fn(h, fd));
}

static void callers(struct hand *h)
{
	int i;

	for (i = 0; i < 6; i++) {
		one_call(h);
		race_jitter(h);
	}
}

/* A process that has both descriptors and uses them after they are closed here. */
static pid_t holder(struct hand *h)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	one_call(h);
	one_call(h);
	_exit(h->crew->wrong);
}

static void closer(struct hand *h)
{
	struct board *b = board_of(h);
	int status = 0;
	pid_t pid = 0;

	if (h->number >= b->closers)
		return;
	if (b->forks && !h->number)
		pid = holder(h);
	race_jitter(h);
	race_jitter(h);
	tally(&b->calls[CLOSE], close(SHARED + h->number));
	if (pid && (waitpid(pid, &status, 0) != pid || status))
		race_wrong(h->crew, "the process that held the socket ended with %d", status);
}

/* The socket in question, and its other end in b->peer. */
static int make_socket(struct board *b, int lsn)
{
	int fd = -1, sv[2] = { -1, -1 };

	b->peer = -1;
	switch (b->kind) {
	case CONNECTED:
		b->peer = door_dial(b->door, 0, b->port);
		return accept(lsn, NULL, NULL);
	case LISTENING:
		fd = door_listener(b->door, 3);
		b->peer = door_dial(b->door, 0, sock_port(fd));
		return fd;
	case FRESH:
		return door_socket(b->door, 0);
	case DGRAM:
		return dgram_pair(b->door, sv) ? -1 : (b->peer = sv[1], sv[0]);
	case DGRAM_FRESH:
		return dgram_socket(b->door, 0);
	}
	return -1;
}

static int lay_out(struct board *b, int lsn, int round)
{
	int fd = make_socket(b, lsn);

	if (fd < 0)
		return -1;
	/* some calls wait, but not for long */
	if (round % 4)
		sock_nonblock(fd);
	sock_timeout(fd, SO_RCVTIMEO, 2);
	sock_timeout(fd, SO_SNDTIMEO, 2);
	b->closers = 1 + round % 2;
	b->forks = round % 16 == 7;
	if (b->peer >= 0 && b->kind != LISTENING)
		send(b->peer, "some", 4, MSG_NOSIGNAL);
	if (dup2(fd, SHARED) < 0 || (b->closers > 1 && dup2(fd, OTHER) < 0))
		return -1;
	close(fd);
	return 0;
}

/* Nobody has it any more: its peer is told, once it has read what there is. */
static int check_peer(struct board *b)
{
	char buf[4096];
	ssize_t n = 1;

	sock_timeout(b->peer, SO_RCVTIMEO, WAIT_MS);
	while (n > 0)
		n = recv(b->peer, buf, sizeof(buf), 0);
	if (n && errno != ECONNRESET) {
		fprintf(stderr, "# the peer of a closed socket gets %s\n", strerror(errno));
		return -1;
	}
	return 0;
}

static struct tally *make_tallies(bool dgram)
{
	struct tally *t = race_shared(sizeof(*t) * ARRAY_SIZE(ops));
	int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		t[i].call = ops[i].call;
		memcpy(t[i].allowed, dgram ? ops[i].dgram : ops[i].stream, sizeof(ops[i].dgram));
	}
	return t;
}

FIXTURE(race_close) {
	struct board b;
	struct crew c;
};

DOOR_FIXTURE(race_close);
FIXTURE_VARIANT_ADD(race_close, seqpacket) { .door = &door_seq4 };

FIXTURE_SETUP(race_close)
{
	struct board *b = &self->b;
	char zeros[4096] = "";
	int i;

	signal(SIGPIPE, SIG_IGN);
	ASSERT_OK(netns_new());
	b->door = variant->door;
	b->ep = epoll_create1(0);
	b->file = memfd_create("file", 0);
	ASSERT_EQ(sizeof(zeros), write(b->file, zeros, sizeof(zeros)));
	for (i = 0; i < ARRAY_SIZE(b->pipe); i++)
		ASSERT_OK(pipe(b->pipe[i]));
	self->c.arg = b;
	crew_add(&self->c, callers, HANDS);
	crew_add(&self->c, closer, 2);
}

FIXTURE_TEARDOWN(race_close) {}

static void race(struct __test_metadata *_metadata, struct board *b, struct crew *c,
		 enum kind kind)
{
	int64_t end = now_ms() + CLOSE_MS;
	int lsn = door_listener(b->door, 3), round, fds, bad;

	b->kind = kind;
	b->port = sock_port(lsn);
	b->calls = make_tallies(kind >= DGRAM);
	ASSERT_OK(crew_start(c));
	fds = race_fds();
	for (round = 0; now_ms() < end || round < 9; round++) {
		ASSERT_OK(lay_out(b, lsn, round));
		ASSERT_EQ(0, crew_round(c, 50)) TH_LOG("round %d", round);
		if (kind == CONNECTED || kind == LISTENING)
			ASSERT_EQ(0, check_peer(b)) TH_LOG("round %d", round);
		close(b->peer);
		if (round % 16 == 8)
			ASSERT_EQ(fds, race_fds()) TH_LOG("descriptors in round %d", round);
		/* those that FRESH has dialled with */
		while (kind == FRESH && poll_events(lsn, POLLIN, 0) & POLLIN)
			close(accept(lsn, NULL, NULL));
	}
	crew_end(c);
	close(lsn);
	fprintf(stderr, "# %d rounds\n", round);
	bad = tally_show(b->calls, ARRAY_SIZE(ops));
	EXPECT_EQ(0, bad) TH_LOG("%d results that no man page has", bad);
	EXPECT_TRUE(race_nothing_left());
}

TEST_F_TIMEOUT(race_close, connected, RACE_TIMEOUT)
{
	race(_metadata, &self->b, &self->c, CONNECTED);
}

TEST_F_TIMEOUT(race_close, listening, RACE_TIMEOUT)
{
	race(_metadata, &self->b, &self->c, LISTENING);
}

TEST_F_TIMEOUT(race_close, fresh, RACE_TIMEOUT)
{
	race(_metadata, &self->b, &self->c, FRESH);
}

TEST_F_TIMEOUT(race_close, datagrams, RACE_TIMEOUT)
{
	if (variant->door->type)
		SKIP(return, "records have been raced for");
	race(_metadata, &self->b, &self->c, DGRAM);
}

TEST_F_TIMEOUT(race_close, fresh_datagrams, RACE_TIMEOUT)
{
	if (variant->door->type)
		SKIP(return, "records have been raced for");
	race(_metadata, &self->b, &self->c, DGRAM_FRESH);
}

TEST_HARNESS_MAIN
