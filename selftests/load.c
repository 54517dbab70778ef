// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many connections, and long traffic: 10,000 connections lie idle, a tenth of them with
 * bytes on the way, while 100 carry records of all lengths between 1 byte and 64 KiB, for
 * 20 seconds. At scale 10 there are 100,000 and 1,000, and 30 minutes: for a guest of
 * 4 GiB.
 *
 * The traffic is mixed: streams of both address families, sequenced packets, a socket
 * pair and datagrams; senders that wait and such that do not; bytes taken in pieces, looked
 * at before, and by several buffers; connections closed and made anew. Each record has
 * a number and a checksum. In the end the idle ones still work, every record has come, and
 * all memory is back.
 */
#include <kselftest_harness.h>

#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "balance.h"
#include "dgramlib.h"
#include "seqlib.h"

#define IDLE		(10000 * test_scale())
#define LISTENERS	10		/* ports: one has not room for all in the range */
#define LADEN_EACH	10		/* every tenth idle one has bytes on the way */
#define WORKERS		4
#define ACTIVE_MAX	(1000 / WORKERS)		/* connections of a worker */
#define ACTIVE		(test_scale() < 10 ? ACTIVE_MAX / 10 * test_scale() : ACTIVE_MAX)
#define TRAFFIC_MS	(test_scale() < 10 ? 20000LL * test_scale() : 1800000LL)
#define LEAK_KB		4096		/* at scale 10 that of 40 bytes each */

/* --- Records --- */

#define MAGIC		0x6c6f6164u
#define BODY_MAX	65536
#define PACKET_MAX	32768		/* of a record that must be whole */

struct head {
	uint32_t magic, number, len, offset;
	uint64_t sum;
};

static unsigned char bytes[2 * BODY_MAX];	/* what bodies are taken from */

/* Fletcher's checksum, whose halves are added: order counts. */
struct sum {
	uint64_t a, b;
};

static void sum_add(struct sum *s, const unsigned char *p, size_t len)
{
	while (len--) {
		s->a += *p++;
		s->b += s->a;
	}
}

static uint64_t sum_of(const struct sum *s)
{
	return s->a + s->b;
}

struct kind {
	const struct door *door;
	bool datagram, pair;
};

static const struct kind kinds[] = {
	{ &door_family4 }, { &door_inet6 }, { &door_seq4 }, { &door_seqpair, .pair = true },
	{ &door_family4, .datagram = true }, { &door_inet6, .datagram = true },
};

/* One end of a connection; only its worker touches it. */
struct end {
	int fd;
	bool packets;		/* each record in one piece */
	struct end *peer;

	struct head out;
	size_t out_pos;		/* of head and body; at 0 no record has been begun */
	uint32_t sent;

	struct head in;
	size_t in_pos;
	struct sum in_sum;
	uint32_t got;
};

struct worker {
	pthread_t thread;
	const struct kind *only;	/* for two threads that wait; NULL: all kinds */
	uint32_t seed;
	int ep, n;
	int64_t until;
	struct end end[2 * ACTIVE_MAX];
	unsigned char buf[2 * BODY_MAX];
	unsigned long long records, bytes;
	unsigned long renewed;
	char why[200];			/* it failed; the first reason */
};

static uint32_t random_below(struct worker *w, uint32_t below)
{
	w->seed = w->seed * 1664525 + 1013904223;
	return (w->seed >> 8) % below;
}

static int wrong(struct worker *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static int wrong(struct worker *w, const char *fmt, ...)
{
	va_list ap;

	if (w->why[0])
		return -1;
	va_start(ap, fmt);
	vsnprintf(w->why, sizeof(w->why), fmt, ap);
	va_end(ap);
	/* the other one of two that wait shall not wait for ever */
	if (w->only)
		shutdown(w->end[0].fd, SHUT_RDWR);
	return -1;
}

/* Most are short, a few long. */
static void record_begin(struct worker *w, struct end *e)
{
	struct sum s = { };
	uint32_t most = 1u << random_below(w, 17);

	if (e->packets && most > PACKET_MAX)
		most = PACKET_MAX;
	e->out = (struct head){ MAGIC, e->sent, 1 + random_below(w, most),
				random_below(w, BODY_MAX) };
	sum_add(&s, bytes + e->out.offset, e->out.len);
	e->out.sum = sum_of(&s);
}

/* One call, of a record or the rest of it. 1: it has gone; 0: not all; -1: failed. */
static int end_send(struct worker *w, struct end *e)
{
	size_t head, all;
	struct iovec iov[2];
	ssize_t n;

	if (!e->out_pos)
		record_begin(w, e);
	head = e->out_pos < sizeof(e->out) ? sizeof(e->out) - e->out_pos : 0;
	all = sizeof(e->out) + e->out.len;
	iov[0] = (struct iovec){ (char *)&e->out + e->out_pos, head };
	iov[1].iov_base = bytes + e->out.offset + (head ? 0 : e->out_pos - sizeof(e->out));
	iov[1].iov_len = all - e->out_pos - head;
	if (random_below(w, 4) || e->packets) {
		struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
		bool more = !e->packets && !random_below(w, 8);

		n = sendmsg(e->fd, &msg, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
	} else {
		n = writev(e->fd, iov, 2);
	}
	if (n < 0)
		return errno == EAGAIN ? 0 : wrong(w, "send: %s", strerror(errno));
	e->out_pos += n;
	if (e->out_pos < all)
		return e->packets ? wrong(w, "%zd of %zu bytes of a packet sent", n, all) : 0;
	e->out_pos = 0;
	e->sent++;
	w->records++;
	w->bytes += all;
	return 1;
}

static int record_ended(struct worker *w, struct end *e)
{
	if (e->in.sum != sum_of(&e->in_sum))
		return wrong(w, "record %u of %u bytes: checksum %llx, not %llx", e->in.number,
			     e->in.len, (unsigned long long)sum_of(&e->in_sum),
			     (unsigned long long)e->in.sum);
	e->got++;
	e->in_pos = 0;
	e->in_sum = (struct sum){ };
	return 0;
}

static int record_head(struct worker *w, struct end *e)
{
	if (e->in.magic == MAGIC && e->in.number == e->got && e->in.len <= BODY_MAX)
		return 0;
	return wrong(w, "record %u is expected, what comes is %08x %u of %u bytes", e->got,
		     e->in.magic, e->in.number, e->in.len);
}

/* The next bytes of a stream. */
static int parse(struct worker *w, struct end *e, const unsigned char *p, size_t len)
{
	size_t n;

	while (len) {
		if (e->in_pos < sizeof(e->in)) {
			n = sizeof(e->in) - e->in_pos;
			n = n < len ? n : len;
			memcpy((char *)&e->in + e->in_pos, p, n);
		} else {
			n = sizeof(e->in) + e->in.len - e->in_pos;
			n = n < len ? n : len;
			sum_add(&e->in_sum, p, n);
		}
		e->in_pos += n;
		p += n;
		len -= n;
		if (e->in_pos == sizeof(e->in) && record_head(w, e))
			return -1;
		if (e->in_pos == sizeof(e->in) + e->in.len && record_ended(w, e))
			return -1;
	}
	return 0;
}

/* recv() in one of several ways; @len is at most half of the buffer. */
static ssize_t take_some(struct worker *w, struct end *e, size_t len)
{
	unsigned char *second = w->buf + len / 3;
	struct iovec iov[2] = { { w->buf, len / 3 }, { second, len - len / 3 } };
	ssize_t n, m;

	switch (random_below(w, 4)) {
	case 0:
		return readv(e->fd, iov, 2);
	case 1:
		n = recv(e->fd, w->buf + BODY_MAX, len, MSG_PEEK);
		m = n <= 0 ? n : recv(e->fd, w->buf, e->packets ? len : n, 0);
		if (m > 0 && (m != n || memcmp(w->buf, w->buf + BODY_MAX, n))) {
			wrong(w, "%zd bytes were seen, others, %zd, taken", n, m);
			errno = EBADMSG;
			return -1;
		}
		return m;
	default:
		return recv(e->fd, w->buf, len, 0);
	}
}

/* One call. 1: something came; 0: the end; -1: nothing, EAGAIN, or failed. */
static int end_recv(struct worker *w, struct end *e)
{
	size_t len = e->packets ? BODY_MAX : 1 + random_below(w, 16384);
	ssize_t n = take_some(w, e, len);

	if (n < 0 && errno != EAGAIN)
		wrong(w, "recv: %s", strerror(errno));
	if (n <= 0)
		return n;
	if (parse(w, e, w->buf, n))
		return -1;
	if (e->packets && e->in_pos)
		return wrong(w, "a packet of %zd bytes is a part of record %u", n, e->got);
	return 1;
}

/* --- Connections --- */

static int join_datagrams(const struct door *d, int sv[2])
{
	union addr a;

	if (dgram_pair(d, sv) ||
	    connect(sv[1], &a.sa, door_loop(d, &a, sock_port(sv[0]))) ||
	    sock_set(sv[0], SOL_NEWPROTO, NEWPROTO_WAIT, 1) ||
	    sock_set(sv[1], SOL_NEWPROTO, NEWPROTO_WAIT, 1))
		return -1;
	return 0;
}

static int conn_open(struct worker *w, struct end *pair, const struct kind *k)
{
	int i, sv[2];

	if (k->datagram ? join_datagrams(k->door, sv) :
	    k->pair ? seq_pair(k->door, sv) : door_connected(k->door, sv))
		return wrong(w, "a new connection: %s", strerror(errno));
	for (i = 0; i < 2; i++) {
		struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &pair[i] };

		pair[i] = (struct end){ .fd = sv[i], .peer = &pair[1 - i],
					.packets = k->datagram || k->door->type };
		if (!w->only &&
		    (sock_nonblock(sv[i]) || epoll_ctl(w->ep, EPOLL_CTL_ADD, sv[i], &ev)))
			return wrong(w, "epoll: %s", strerror(errno));
	}
	return 0;
}

/* Sends what has been begun, while the peer reads. */
static int end_finish(struct worker *w, struct end *e)
{
	int64_t limit = now_ms() + WAIT_MS;

	while (e->out_pos) {
		if (end_send(w, e) < 0)
			return -1;
		while (end_recv(w, e->peer) > 0)
			;
		if (w->why[0])
			return -1;
		if (now_ms() > limit)
			return wrong(w, "the rest of a record cannot be sent");
	}
	return 0;
}

/* Reads what is left, up to the end where there is one. */
static int end_drain(struct worker *w, struct end *e)
{
	int64_t limit = now_ms() + WAIT_MS;

	while (e->got != e->peer->sent) {
		if (!end_recv(w, e) && !e->packets)
			return wrong(w, "%u of %u records, then the end", e->got, e->peer->sent);
		if (w->why[0])
			return -1;
		if (now_ms() > limit)
			return wrong(w, "%u of %u records come, no more", e->got, e->peer->sent);
	}
	return 0;
}

/* In order: after what was begun the end, in one direction after the other. */
static int conn_close(struct worker *w, struct end *pair, const struct kind *k)
{
	char c;

	if (end_finish(w, pair) || end_finish(w, pair + 1))
		return -1;
	if (k->datagram || random_below(w, 2)) {
		if (end_drain(w, pair) || end_drain(w, pair + 1))
			return -1;
	} else {
		if (shutdown(pair[0].fd, SHUT_WR) || end_drain(w, pair + 1) ||
		    recv(pair[1].fd, &c, 1, 0) || end_drain(w, pair))
			return wrong(w, "half closed: %s", strerror(errno));
	}
	close(pair[0].fd);
	if (!k->datagram && recv(pair[1].fd, &c, 1, 0))
		return wrong(w, "no end behind the last record: %s", strerror(errno));
	close(pair[1].fd);
	return 0;
}

/* --- Traffic --- */

static bool work_on(const struct worker *w)
{
	return now_ms() < w->until && !w->why[0];
}

static const struct kind *kind_of(const struct worker *w, int i)
{
	return &kinds[i % ARRAY_SIZE(kinds)];
}

static void work_round(struct worker *w)
{
	struct epoll_event ev[32];
	int i, n;

	for (i = 0; i < 8; i++)
		if (end_send(w, &w->end[random_below(w, 2 * w->n)]) < 0)
			return;
	n = epoll_wait(w->ep, ev, ARRAY_SIZE(ev), 0);
	for (i = 0; i < n && !w->why[0]; i++)
		if (!end_recv(w, ev[i].data.ptr))
			wrong(w, "an end that nobody made");
	if (random_below(w, 200))
		return;
	i = random_below(w, w->n);
	if (!conn_close(w, &w->end[2 * i], kind_of(w, i)) &&
	    !conn_open(w, &w->end[2 * i], kind_of(w, i)))
		w->renewed++;
}

/* Many connections, none of which is waited for. */
static void *work(void *arg)
{
	struct worker *w = arg;
	int i;

	for (i = 0; i < w->n && !w->why[0]; i++)
		conn_open(w, &w->end[2 * i], kind_of(w, i));
	while (work_on(w))
		work_round(w);
	for (i = 0; i < w->n && !w->why[0]; i++)
		conn_close(w, &w->end[2 * i], kind_of(w, i));
	return NULL;
}

/* One direction of a connection, by two threads that wait for each other. */
static void *pour(void *arg)
{
	struct worker *w = arg;

	while (work_on(w) || (w->end[0].out_pos && !w->why[0]))
		end_send(w, &w->end[0]);
	shutdown(w->end[0].fd, SHUT_WR);
	return NULL;
}

static void *drink(void *arg)
{
	struct worker *w = arg;
	int n;

	do {
		n = end_recv(w, &w->end[0]);
	} while (n > 0);
	return NULL;
}

/* Each has a worker of its own: they share the connection, and nothing else. */
struct stream_of_two {
	struct worker *from, *to;
};

static int two_start(struct stream_of_two *t, const struct kind *k, int64_t until)
{
	t->from = calloc(1, sizeof(*t->from));
	t->to = calloc(1, sizeof(*t->to));
	*t->from = (struct worker){ .only = k, .seed = 77, .until = until };
	*t->to = (struct worker){ .only = k, .seed = 78, .until = until };
	if (conn_open(t->from, t->from->end, k))
		return -1;
	t->to->end[0] = t->from->end[1];
	return pthread_create(&t->from->thread, NULL, pour, t->from) ||
	       pthread_create(&t->to->thread, NULL, drink, t->to) ? -1 : 0;
}

static int two_end(struct stream_of_two *t)
{
	pthread_join(t->from->thread, NULL);
	pthread_join(t->to->thread, NULL);
	if (!t->to->why[0] && t->from->end[0].sent != t->to->end[0].got)
		wrong(t->to, "%u records sent, %u came", t->from->end[0].sent,
		      t->to->end[0].got);
	close(t->from->end[0].fd);
	close(t->to->end[0].fd);
	if (!t->from->why[0] && !t->to->why[0])
		return 0;
	fprintf(stderr, "# who waits: %s; %s\n", t->from->why, t->to->why);
	return -1;
}

static int workers_start(struct worker **w, int64_t until)
{
	int i;

	for (i = 0; i < WORKERS; i++) {
		w[i] = calloc(1, sizeof(*w[i]));
		w[i]->seed = i * 7919 + getpid();
		w[i]->n = ACTIVE;
		w[i]->until = until;
		w[i]->ep = epoll_create1(0);
		if (w[i]->ep < 0 || pthread_create(&w[i]->thread, NULL, work, w[i]))
			return -1;
	}
	return 0;
}

static int workers_end(struct worker **w)
{
	unsigned long long records = 0, all = 0;
	unsigned long renewed = 0;
	int i, bad = 0;

	for (i = 0; i < WORKERS; i++) {
		pthread_join(w[i]->thread, NULL);
		records += w[i]->records;
		all += w[i]->bytes;
		renewed += w[i]->renewed;
		if (w[i]->why[0]) {
			fprintf(stderr, "# worker %d: %s\n", i, w[i]->why);
			bad = -1;
		}
	}
	fprintf(stderr, "# %llu records, %llu MiB, %lu connections renewed\n", records,
		all >> 20, renewed);
	return bad || !renewed ? -1 : 0;
}

static int traffic(void)
{
	struct worker *w[WORKERS];
	struct stream_of_two two[2];
	int64_t until = now_ms() + TRAFFIC_MS;
	int i, bad;

	for (i = 0; i < ARRAY_SIZE(bytes); i++)
		bytes[i] = rand() >> 7;
	if (two_start(&two[0], &kinds[0], until) || two_start(&two[1], &kinds[2], until) ||
	    workers_start(w, until))
		return -1;
	bad = two_end(&two[0]);
	bad |= two_end(&two[1]);
	return workers_end(w) | bad;
}

/* --- Idle connections --- */

static int lie_down(int *fds, int n)
{
	int lsn[LISTENERS], i;

	for (i = 0; i < LISTENERS; i++) {
		lsn[i] = door_listener(i % 2 ? &door_inet6 : &door_family4, 16);
		if (lsn[i] < 0)
			return -1;
	}
	for (i = 0; i < n; i++) {
		int to = i % LISTENERS;

		fds[2 * i] = door_dial(to % 2 ? &door_inet6 : &door_family4, 0,
				       sock_port(lsn[to]));
		fds[2 * i + 1] = accept(lsn[to], NULL, NULL);
		if (fds[2 * i] < 0 || fds[2 * i + 1] < 0 ||
		    (i % LADEN_EACH == 0 && send(fds[2 * i], &i, sizeof(i), 0) != sizeof(i))) {
			fprintf(stderr, "# idle connection %d: %s\n", i, strerror(errno));
			return -1;
		}
	}
	for (i = 0; i < LISTENERS; i++)
		close(lsn[i]);
	return 0;
}

/* What lay in it all the time is there, and it works, that way and back. */
static int get_up(const int *fds, int n)
{
	int i, back;

	for (i = 0; i < n; i++, fds += 2) {
		if ((i % LADEN_EACH && send(fds[0], &i, sizeof(i), 0) != sizeof(i)) ||
		    recv(fds[1], &back, sizeof(back), 0) != sizeof(back) || back != i ||
		    send(fds[1], &i, sizeof(i), 0) != sizeof(i) ||
		    recv(fds[0], &back, sizeof(back), 0) != sizeof(back) || back != i) {
			fprintf(stderr, "# idle connection %d: %d, %s\n", i, back,
				strerror(errno));
			return -1;
		}
	}
	return 0;
}

static int hold_and_carry(int idle, bool carry)
{
	struct balance was, is;
	int *fds = calloc(2 * idle, sizeof(*fds));
	int64_t start = now_ms();

	balance_look(&was);
	if (lie_down(fds, idle))
		return -1;
	fprintf(stderr, "# %d idle connections in %lld ms\n", idle, (long long)(now_ms() - start));
	balance_look(&is);
	fprintf(stderr, "# %ld bytes of the kernel's memory each, %ld objects of ours\n",
		(is.used_kb - was.used_kb) * 1024 / idle, is.objects - was.objects);
	/* what is not counted now would not be missed afterwards */
	if (is.objects <= was.objects || is.lines < was.lines + 2 * idle || !is.buffers)
		return -1;
	if (carry && traffic())
		return -1;
	return get_up(fds, idle);
}

/* In a process, whose end closes all of it; the test's own limit is the only one. */
static int in_a_process(int idle, bool carry)
{
	struct rlimit many = { 2 * idle + 5000, 2 * idle + 5000 };
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(setrlimit(RLIMIT_NOFILE, &many) || hold_and_carry(idle, carry));
	return pid < 0 || waitpid(pid, &status, 0) != pid || status ? -1 : 0;
}

FIXTURE(load) {
};

FIXTURE_SETUP(load)
{
	if (over_tcp())
		SKIP(_exit(255), "TCP has its own tests");
	ASSERT_OK(lo_up());
}

FIXTURE_TEARDOWN(load)
{
}

TEST_F_TIMEOUT(load, idle_and_active, 3000)
{
	struct balance was, is;

	ASSERT_OK(in_a_process(100, false));
	balance_look(&was);
	ASSERT_OK(in_a_process(IDLE, true));
	EXPECT_TRUE(balance_same(&was, &is, LEAK_KB));
	balance_show("before", &was);
	balance_show("after", &is);
}

TEST_HARNESS_MAIN
