// SPDX-License-Identifier: GPL-2.0-only
/*
 * What once went wrong between two ends that act at the same moment: bytes
 * lost at the end of a stream, wake-ups lost, a blocked call that went on in
 * another connection. The races are run many times, against the clock: as many
 * rounds as fit into RACE_MS.
 */
#include <kselftest_harness.h>

#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

#include <linux/tls.h>

#include "common.h"

#define RACE_MS		400	/* of one race at scale 1 */
#define RACE_ROUNDS	20	/* at least */
#define RACE_TCP	5000	/* at the most over TCP: the ports last no longer */
#define RACE_TIMEOUT	200	/* seconds that the harness grants a race */

#ifndef SOL_TLS
#define SOL_TLS		282
#endif

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	/* with one processor only there is nothing to choose */
	sched_setaffinity(0, sizeof(set), &set);
}

static void spin(unsigned int n)
{
	while (n--)
		__asm__ volatile("" ::: "memory");
}

/* Until *@word is @value; every now and then the processor is offered to others. */
static int spin_until(const unsigned int *word, unsigned int value)
{
	int64_t end = now_ms() + WAIT_MS;
	unsigned int n;

	for (n = 1; __atomic_load_n(word, __ATOMIC_ACQUIRE) != value; n++) {
		if (n % 256)
			continue;
		sched_yield();
		if (now_ms() > end)
			return -1;
	}
	return 0;
}

/*
 * Two threads that do something at the same moment, round after round: the
 * test's own, and one that makes its move on another processor.
 */
struct duel {
	pthread_t thread;
	void (*move)(struct duel *d);
	unsigned int go, ready, done;	/* the round that has begun, ... */
	unsigned int over;
	int64_t end_ms;
	/* the move */
	int fd;
	int flags;
	long ret;
	int err;
};

static void *duel_main(void *arg)
{
	struct duel *d = arg;
	unsigned int round;

	pin(1);
	for (round = 1;; round++) {
		while (__atomic_load_n(&d->go, __ATOMIC_ACQUIRE) != round) {
			if (__atomic_load_n(&d->over, __ATOMIC_ACQUIRE))
				return NULL;
			sched_yield();
		}
		d->move(d);
		__atomic_store_n(&d->done, round, __ATOMIC_RELEASE);
	}
}

static int duel_start(struct duel *d)
{
	d->go = 0;
	d->ready = 0;
	d->done = 0;
	d->over = 0;
	d->end_ms = now_ms() + RACE_MS * test_scale();
	pin(0);
	return pthread_create(&d->thread, NULL, duel_main, d) ? -1 : 0;
}

static bool duel_goes_on(const struct duel *d)
{
	if (over_tcp() && d->go >= RACE_TCP)
		return false;
	return d->go < RACE_ROUNDS || now_ms() < d->end_ms;
}

/* Lets the other thread make its move; back when it is ready to. */
static int duel_go(struct duel *d)
{
	__atomic_store_n(&d->go, d->go + 1, __ATOMIC_RELEASE);
	return spin_until(&d->ready, d->go);
}

/* For the other thread: it is at the point where the race begins. */
static void duel_ready(struct duel *d)
{
	__atomic_store_n(&d->ready, d->go, __ATOMIC_RELEASE);
}

static int duel_wait(struct duel *d)
{
	return spin_until(&d->done, d->go);
}

static void duel_stop(struct duel *d)
{
	__atomic_store_n(&d->over, 1, __ATOMIC_RELEASE);
	pthread_join(d->thread, NULL);
}

/* Two connected sockets in one call where there is one. */
static int make_pair(int sv[2])
{
	const struct door *d = &door_inet4;

	if (over_tcp() || over_nic())
		return door_connected(d, sv);
	return socketpair(door_domain(d), SOCK_STREAM, door_protocol(d), sv);
}

static void close_pair(const int sv[2])
{
	if (sv[0] >= 0)
		close(sv[0]);
	close(sv[1]);
}

FIXTURE(race) {
	struct duel duel;
};

FIXTURE_SETUP(race)
{
	/* so many connections are not to cost others their ports: TCP has TIME_WAIT */
	ASSERT_OK(netns_new());
	memset(&self->duel, 0, sizeof(self->duel));
}

FIXTURE_TEARDOWN(race)
{
}

/* Interrupts the other thread at places where it does not expect it. */
static void *disturb(void *arg)
{
	struct timespec ts = { .tv_nsec = 20000 };
	struct duel *d = arg;

	pin(1);
	prctl(PR_SET_TIMERSLACK, 1);
	while (!__atomic_load_n(&d->over, __ATOMIC_ACQUIRE))
		nanosleep(&ts, NULL);
	return NULL;
}

/* The reader: what it gets first. */
static void read_first(struct duel *d)
{
	struct pollfd p = { .fd = d->fd, .events = POLLIN };
	char c;

	duel_ready(d);
	do {
		if (d->flags < 0)
			poll(&p, 1, WAIT_MS);
		d->ret = recv(d->fd, &c, 1, d->flags < 0 ? MSG_DONTWAIT : d->flags);
	} while (d->ret < 0 && errno == EAGAIN &&
		 !__atomic_load_n(&d->over, __ATOMIC_ACQUIRE));
	d->err = errno;
}

enum ending { HALF_CLOSE, FULL_CLOSE, RESET };

/* One byte and the end of the stream: the byte is to come first. */
static void race_byte_and_end(struct __test_metadata *_metadata, struct duel *d, int flags,
			      enum ending ending)
{
	struct linger hard = { .l_onoff = 1 };
	unsigned int lost = 0;
	pthread_t disturber;
	int sv[2];

	d->move = read_first;
	d->flags = flags;
	ASSERT_OK(duel_start(d));
	ASSERT_EQ(0, pthread_create(&disturber, NULL, disturb, d));
	while (duel_goes_on(d) && !lost) {
		ASSERT_OK(make_pair(sv));
		if (ending == RESET)
			setsockopt(sv[0], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		d->fd = sv[1];
		ASSERT_EQ(0, duel_go(d)) TH_LOG("the reader does not start");
		spin(d->go % 61 * 32);
		EXPECT_EQ(1, send(sv[0], "x", 1, MSG_NOSIGNAL));
		if (ending == HALF_CLOSE) {
			EXPECT_OK(shutdown(sv[0], SHUT_WR));
		} else {
			EXPECT_OK(close(sv[0]));
			sv[0] = -1;
		}
		ASSERT_EQ(0, duel_wait(d)) TH_LOG("the reader waits for ever, round %u", d->go);
		EXPECT_EQ(1, d->ret)
			TH_LOG("round %u: before the byte that was sent recv() said %ld, %s",
			       d->go, d->ret, d->ret < 0 ? strerror(d->err) : "end of file");
		lost += d->ret != 1;
		close_pair(sv);
	}
	duel_stop(d);
	pthread_join(disturber, NULL);
}

TEST_F_TIMEOUT(race, spinning_reader_sees_the_byte_before_eof, RACE_TIMEOUT)
{
	race_byte_and_end(_metadata, &self->duel, MSG_DONTWAIT, HALF_CLOSE);
}

TEST_F_TIMEOUT(race, spinning_reader_sees_the_byte_before_a_close, RACE_TIMEOUT)
{
	race_byte_and_end(_metadata, &self->duel, MSG_DONTWAIT, FULL_CLOSE);
}

TEST_F_TIMEOUT(race, spinning_reader_sees_the_byte_before_a_reset, RACE_TIMEOUT)
{
	race_byte_and_end(_metadata, &self->duel, MSG_DONTWAIT, RESET);
}

TEST_F_TIMEOUT(race, peeking_reader_sees_the_byte_before_eof, RACE_TIMEOUT)
{
	race_byte_and_end(_metadata, &self->duel, MSG_DONTWAIT | MSG_PEEK, HALF_CLOSE);
}

TEST_F_TIMEOUT(race, blocking_reader_sees_the_byte_before_eof, RACE_TIMEOUT)
{
	race_byte_and_end(_metadata, &self->duel, 0, HALF_CLOSE);
}

TEST_F_TIMEOUT(race, polling_reader_sees_the_byte_before_eof, RACE_TIMEOUT)
{
	race_byte_and_end(_metadata, &self->duel, -1, HALF_CLOSE);
}

static void write_some(struct duel *d)
{
	char buf[500] = { };

	duel_ready(d);
	spin(d->go % 37 * 16);
	d->ret = send(d->fd, buf, sizeof(buf), MSG_NOSIGNAL);
}

/* SO_RCVLOWAT is lowered while the last bytes come: whoever sleeps is to be told. */
TEST_F_TIMEOUT(race, lower_lowat_against_the_last_write, RACE_TIMEOUT)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct duel *d = &self->duel;
	int ep = epoll_create1(0);
	bool told = true;
	char buf[1000];
	int sv[2];

	ASSERT_OK(make_pair(sv));
	ASSERT_OK(sock_set(sv[1], SOL_SOCKET, SO_RCVLOWAT, sizeof(buf)));
	ASSERT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, sv[1], &ev));
	d->fd = sv[0];
	d->move = write_some;
	ASSERT_OK(duel_start(d));
	while (told && duel_goes_on(d)) {
		ASSERT_EQ(0, epoll_wait(ep, &ev, 1, 0));
		ASSERT_OK(duel_go(d));
		spin(d->go % 41 * 16);
		ASSERT_OK(sock_set(sv[1], SOL_SOCKET, SO_RCVLOWAT, 1));
		ASSERT_OK(duel_wait(d));
		told = epoll_wait(ep, &ev, 1, WAIT_MS) == 1;
		EXPECT_TRUE(told)
			TH_LOG("round %u: %d bytes to read, the mark is 1, and epoll_wait() sleeps",
			       d->go, count_pending(sv[1], FIONREAD));
		ASSERT_EQ(500, recv(sv[1], buf, sizeof(buf), MSG_DONTWAIT));
		ASSERT_OK(sock_set(sv[1], SOL_SOCKET, SO_RCVLOWAT, sizeof(buf)));
	}
	duel_stop(d);
	close_pair(sv);
	close(ep);
}

static void write_byte(struct duel *d)
{
	duel_ready(d);
	spin(d->go % 43 * 16);
	d->ret = send(d->fd, "x", 1, MSG_NOSIGNAL);
}

/* Nobody reads what is written while the other end closes: the writer is to learn that. */
static void race_write_and_close(struct __test_metadata *_metadata, struct duel *d,
				 bool half_closed)
{
	int events = POLLERR | POLLHUP;
	int sv[2];

	d->move = write_byte;
	ASSERT_OK(duel_start(d));
	while (duel_goes_on(d) && events & (POLLERR | POLLHUP)) {
		ASSERT_OK(make_pair(sv));
		if (half_closed)
			ASSERT_OK(shutdown(sv[0], SHUT_WR));
		d->fd = sv[1];
		ASSERT_OK(duel_go(d));
		spin(d->go % 47 * 16);
		EXPECT_OK(close(sv[0]));
		sv[0] = -1;
		ASSERT_OK(duel_wait(d));
		if (d->ret == 1)
			events = poll_events(sv[1], 0, WAIT_MS);
		EXPECT_TRUE(events & (POLLERR | POLLHUP))
			TH_LOG("round %u: a byte was written and never read, and no error told",
			       d->go);
		close_pair(sv);
	}
	duel_stop(d);
}

TEST_F_TIMEOUT(race, write_against_close, RACE_TIMEOUT)
{
	race_write_and_close(_metadata, &self->duel, false);
}

TEST_F_TIMEOUT(race, write_against_close_after_half_close, RACE_TIMEOUT)
{
	race_write_and_close(_metadata, &self->duel, true);
}

/* One that splices, and the test that takes the bytes away from under it. */
struct splicer {
	struct task task;
	unsigned int taken, calls, stop;
};

static long splice_on(struct task *t)
{
	struct splicer *s = t->arg;
	int p[2];
	char c;

	if (pipe(p))
		return -1;
	pin(1);
	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		if (splice(t->fd, NULL, p[1], NULL, 1, SPLICE_F_NONBLOCK) == 1 &&
		    read(p[0], &c, 1) == 1)
			__atomic_add_fetch(&s->taken, 1, __ATOMIC_RELEASE);
		else if (errno != EAGAIN)
			return -1;
		__atomic_add_fetch(&s->calls, 1, __ATOMIC_RELEASE);
	}
	return 0;
}

/* The splicer comes back from two more calls. */
static int splicer_lives(const struct splicer *s)
{
	unsigned int first = __atomic_load_n(&s->calls, __ATOMIC_ACQUIRE);
	int64_t end = now_ms() + WAIT_MS / 4;

	while (__atomic_load_n(&s->calls, __ATOMIC_ACQUIRE) - first < 2) {
		sched_yield();
		if (now_ms() > end || !task_running(&s->task))
			return -1;
	}
	return 0;
}

TEST_F_TIMEOUT(race, nonblocking_splice_against_another_reader, RACE_TIMEOUT)
{
	struct splicer s = { };
	int64_t end = now_ms() + RACE_MS * test_scale();
	unsigned int round, stolen = 0;
	int sv[2], alive = 0;
	char c;

	if (over_tcp())
		SKIP(return, "TCP looks at O_NONBLOCK of the socket only");
	ASSERT_OK(make_pair(sv));
	s.task = (struct task){ .fn = splice_on, .fd = sv[1], .arg = &s };
	ASSERT_OK(task_start(&s.task));
	pin(0);
	for (round = 1; (round < RACE_ROUNDS || now_ms() < end) && !alive; round++) {
		ASSERT_EQ(1, send(sv[0], "x", 1, 0));
		spin(round % 53 * 16);
		stolen += recv(sv[1], &c, 1, MSG_DONTWAIT) == 1;
		alive = splicer_lives(&s);
		EXPECT_EQ(0, alive) TH_LOG("round %u: splice() does not come back", round);
		if (!alive)
			ASSERT_EQ(0, spin_until(&s.taken, round - stolen));
	}
	__atomic_store_n(&s.stop, 1, __ATOMIC_RELEASE);
	/* a splicer that blocks is let go */
	shutdown(sv[0], SHUT_WR);
	EXPECT_OK(task_join(&s.task));
	if (!alive)
		EXPECT_EQ(0, s.task.ret) TH_LOG("splice: %s", strerror(s.task.err));
	close_pair(sv);
}

FIXTURE(stream) {
	int tx;
	int rx;
};

DOOR_FIXTURE(stream);

FIXTURE_SETUP(stream)
{
	int sv[2];

	ASSERT_OK(door_connected(variant->door, sv));
	self->tx = sv[0];
	self->rx = sv[1];
}

FIXTURE_TEARDOWN(stream)
{
	close(self->tx);
	close(self->rx);
}

/* The test's thread goes first, so that others see all that it did or nothing. */
static void first_come(bool on)
{
	struct sched_param param = { .sched_priority = on ? 1 : 0 };

	pin(0);
	pthread_setschedparam(pthread_self(), on ? SCHED_FIFO : SCHED_OTHER, &param);
}

/* @fd leaves its connection for one with @lsn; the other end of the new one. */
static int change_over(const struct door *d, int fd, int lsn)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };
	union addr a;
	socklen_t len = door_loop(d, &a, sock_port(lsn));

	if (connect(fd, &unspec, sizeof(unspec)) || connect(fd, &a.sa, len))
		return -1;
	return accept(lsn, NULL, NULL);
}

static char message[16 << 20];

static long send_message(struct task *t)
{
	return send(t->fd, t->arg, t->number, MSG_NOSIGNAL);
}

static long recv_message(struct task *t)
{
	return recv(t->fd, t->arg, t->number, MSG_WAITALL);
}

/* Until the call is over, or has gone on in the other connection. */
static void wait_for_either(const struct task *t, int fd)
{
	int64_t end = now_ms() + WAIT_MS;

	while (task_running(t) && !poll_events(fd, POLLIN, 5) && now_ms() < end)
		;
}

TEST_F(stream, blocked_send_ends_with_its_connection)
{
	struct task t = { .fn = send_message, .fd = self->tx, .arg = message,
			  .number = sizeof(message) };
	int other, lsn = door_listener(variant->door, 1);
	char c;

	ASSERT_OK(lsn);
	first_come(false);
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	first_come(true);
	other = change_over(variant->door, self->tx, lsn);
	first_come(false);
	ASSERT_OK(other);
	wait_for_either(&t, other);
	EXPECT_EQ(-1, recv(other, &c, 1, MSG_DONTWAIT))
		TH_LOG("%d bytes of the first message came", count_pending(other, FIONREAD) + 1);
	close(other);
	ASSERT_OK(task_join(&t));
	EXPECT_TRUE((t.ret < 0 && t.err == EPIPE) || (t.ret > 0 && t.ret < t.number))
		TH_LOG("send() of %ld bytes said %ld: %s", t.number, t.ret, strerror(t.err));
	close(lsn);
}

TEST_F(stream, send_that_waits_for_connect_ends_with_it)
{
	struct task t = { .fn = send_message, .arg = message, .number = 4 };
	int full = door_listener(variant->door, 0), lsn = door_listener(variant->door, 1);
	int other, first = door_dial(variant->door, 0, sock_port(full));
	char c;

	if (over_tcp())
		SKIP(return, "whether TCP's client waits is up to timers");
	ASSERT_OK(first);
	t.fd = door_dial(variant->door, SOCK_NONBLOCK, sock_port(full));
	ASSERT_OK(t.fd);
	ASSERT_OK(fcntl(t.fd, F_SETFL, 0));
	first_come(false);
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	first_come(true);
	other = change_over(variant->door, t.fd, lsn);
	first_come(false);
	ASSERT_OK(other);
	wait_for_either(&t, other);
	EXPECT_ERR(EAGAIN, recv(other, &c, 1, MSG_DONTWAIT));
	close(other);
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(-1, t.ret);
	EXPECT_EQ(EPIPE, t.err) TH_LOG("%s", strerror(t.err));
	close(t.fd);
	close(first);
	close(full);
	close(lsn);
}

TEST_F(stream, blocked_recv_ends_with_its_connection)
{
	struct task t = { .fn = recv_message, .fd = self->tx, .arg = message, .number = 10 };
	int other, lsn = door_listener(variant->door, 1);

	ASSERT_OK(lsn);
	first_come(false);
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_recvfrom));
	first_come(true);
	other = change_over(variant->door, self->tx, lsn);
	if (other >= 0)
		EXPECT_EQ(10, send(other, "ABCDEFGHIJ", 10, 0));
	first_come(false);
	ASSERT_OK(other);
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(-1, t.ret);
	EXPECT_EQ(EPIPE, t.err) TH_LOG("%s", strerror(t.err));
	EXPECT_EQ(10, count_pending(self->tx, FIONREAD));
	close(other);
	close(lsn);
}

TEST_F(stream, half_a_recv_ends_with_its_connection)
{
	struct task t = { .fn = recv_message, .fd = self->tx, .arg = message, .number = 10 };
	int other, lsn = door_listener(variant->door, 1);

	ASSERT_OK(lsn);
	first_come(false);
	ASSERT_EQ(3, send(self->rx, "abc", 3, 0));
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_recvfrom));
	first_come(true);
	other = change_over(variant->door, self->tx, lsn);
	if (other >= 0)
		EXPECT_EQ(7, send(other, "DEFGHIJ", 7, 0));
	first_come(false);
	ASSERT_OK(other);
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(3, t.ret) TH_LOG("recv() made \"%.10s\" of two streams", message);
	EXPECT_EQ(7, count_pending(self->tx, FIONREAD));
	close(other);
	close(lsn);
}

/* A receive buffer that grows is room for a writer who waits for the next edge. */
TEST_F(stream, larger_rcvbuf_wakes_the_writer)
{
	struct epoll_event ev = { .events = EPOLLOUT | EPOLLET };
	int ep = epoll_create1(0);
	long sent;

	if (over_tcp())
		SKIP(return, "TCP tells of a larger window when bytes are read");
	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 8192));
	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUF, 8192));
	EXPECT_EQ(0, poll_events(self->rx, POLLIN, 0));
	sent = fill_socket(self->tx, 0);
	ASSERT_LT(0, sent);
	ASSERT_OK(epoll_ctl(ep, EPOLL_CTL_ADD, self->tx, &ev));
	ASSERT_EQ(0, epoll_wait(ep, &ev, 1, 0));

	ASSERT_OK(sock_set(self->rx, SOL_SOCKET, SO_RCVBUF, 100000));
	EXPECT_EQ(POLLIN, poll_events(self->rx, POLLIN, 0));
	EXPECT_EQ(1, epoll_wait(ep, &ev, 1, WAIT_MS / 4))
		TH_LOG("the writer was not told of room in a larger buffer");
	EXPECT_LT(0, fill_socket(self->tx, sent));
	close(ep);
}

/* What no control message of a stream can mean is not passed over. */
TEST_F(stream, foreign_control_messages)
{
	static const struct {
		const char *text;
		int level, type;
	} bad[] = {
		{ "IP_RETOPTS", SOL_IP, IP_RETOPTS }, { "IP_PKTINFO", SOL_IP, IP_PKTINFO },
		{ "IPV6_PKTINFO", SOL_IPV6, IPV6_PKTINFO },
		{ "IPV6_HOPLIMIT", SOL_IPV6, IPV6_HOPLIMIT },
		{ "TLS_SET_RECORD_TYPE", SOL_TLS, TLS_SET_RECORD_TYPE },
	};
	size_t i;
	char c;

	if (over_tcp())
		SKIP(return, "TCP passes over them");
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		char control[CMSG_SPACE(32)] = { };
		struct iovec iov = { .iov_base = "x", .iov_len = 1 };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				      .msg_controllen = sizeof(control) };
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

		cmsg->cmsg_level = bad[i].level;
		cmsg->cmsg_type = bad[i].type;
		cmsg->cmsg_len = CMSG_LEN(32);
		EXPECT_EQ(-1, sendmsg(self->tx, &msg, MSG_NOSIGNAL)) TH_LOG("%s", bad[i].text);
		EXPECT_EQ(EINVAL, errno) TH_LOG("%s: %s", bad[i].text, strerror(errno));
	}
	EXPECT_ERR(EAGAIN, recv(self->rx, &c, 1, MSG_DONTWAIT));
}

/* The signal of O_ASYNC when a full socket has room again. */
TEST_F(stream, sigio_when_there_is_room)
{
	struct timespec ts = { .tv_sec = WAIT_MS / 4000 };
	siginfo_t info = { };
	sigset_t set;
	long sent;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ASSERT_OK(sock_set(self->tx, SOL_SOCKET, SO_SNDBUF, 8192));
	ASSERT_OK(fcntl(self->tx, F_SETSIG, SIGRTMIN));
	ASSERT_OK(fcntl(self->tx, F_SETOWN, getpid()));
	ASSERT_OK(fcntl(self->tx, F_SETFL, O_ASYNC | O_NONBLOCK));
	sent = fill_socket(self->tx, 0);
	ASSERT_LT(0, sent);
	EXPECT_EQ(sent, drain_socket(self->rx, 0, sent));
	do {
		sig = sigtimedwait(&set, &info, &ts);
	} while (sig == SIGRTMIN && !(info.si_band & POLLOUT));
	EXPECT_EQ(SIGRTMIN, sig) TH_LOG("no signal says that there is room");
	EXPECT_EQ(self->tx, info.si_fd);
}

TEST_HARNESS_MAIN
