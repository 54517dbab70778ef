// SPDX-License-Identifier: GPL-2.0-only
/*
 * A signal each millisecond, on both sides, through connect(), accept(), send(),
 * recv() and poll(). With a handler that has SA_RESTART none of them but poll()
 * says EINTR (signal(7)); without it they may, and then nothing has happened:
 * every byte, record, datagram and connection arrives once, in order, and what a
 * call says it has taken is what was taken. (newproto has timeouts on no socket in
 * here: with one a call is never restarted, see signals.c.)
 */
#include <kselftest_harness.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "dgramlib.h"
#include "seqlib.h"

#define STORM_MS	(500 * test_scale())
#define SIGNALS_MIN	20	/* a slow machine handles fewer than were sent */
#define MESSAGE_MAX	3000

enum side { TX, RX, SIDES };

/* Shared by the two processes. Each writes its own half. */
struct storm {
	int restart;
	int64_t end;
	struct {
		long done;		/* bytes, or messages */
		long calls;
		long hit;		/* of them, by a signal */
		long eintr;		/* but poll()'s */
		long poll_eintr;
		long partial;
		long signals;
		char wrong[160];
	} side[SIDES];
};

static struct storm *storm;
static enum side me;

static void on_alarm(int sig)
{
	storm->side[me].signals++;
}

/* From here on this process is under fire. */
static void fire(enum side side)
{
	struct sigaction sa = {
		.sa_handler = on_alarm, .sa_flags = storm->restart ? SA_RESTART : 0,
	};
	struct itimerval each = {
		.it_interval = { .tv_usec = 1000 }, .it_value = { .tv_usec = 1000 },
	};

	me = side;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &each, NULL);
}

static void cease_fire(void)
{
	struct itimerval none = { };

	setitimer(ITIMER_REAL, &none, NULL);
}

static void wrong(const char *what, long want, long got)
{
	int err = errno;

	if (!storm->side[me].wrong[0])
		snprintf(storm->side[me].wrong, sizeof(storm->side[me].wrong),
			 "%s: expected %ld, got %ld (%s)", what, want, got,
			 got < 0 ? strerror(err) : "");
}

static bool failed(void)
{
	return storm->side[TX].wrong[0] || storm->side[RX].wrong[0];
}

/* True if a call has to be made again; whatever else than EINTR it says is wrong. */
static bool interrupted(const char *what, long ret)
{
	storm->side[me].calls++;
	if (ret >= 0)
		return false;
	if (errno != EINTR) {
		wrong(what, 0, ret);
		return false;
	}
	storm->side[me].eintr++;
	if (storm->restart)
		wrong(what, 0, ret);
	return true;
}

static long signals_here(void)
{
	return __atomic_load_n(&storm->side[me].signals, __ATOMIC_RELAXED);
}

/*
 * One call, and whether a signal has come meanwhile: with SA_RESTART there is nothing
 * else to be seen of it.
 */
#define STORM_CALL(call) ({						\
	long storm_before = signals_here();				\
	long storm_ret = (call);					\
									\
	storm->side[me].hit += signals_here() != storm_before;		\
	storm_ret;							\
})

static uint32_t seed = 1;

static uint32_t draw(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

/* poll() is interrupted whatever the handler's flags are. */
static void storm_poll(int fd, int events)
{
	int64_t end = now_ms() + WAIT_MS;
	int ret;

	for (;;) {
		ret = poll_events(fd, events, 1000);
		if (ret >= 0 || errno != EINTR)
			break;
		storm->side[me].poll_eintr++;
		if (now_ms() > end) {
			wrong("poll() in bounded time", 1, 0);
			return;
		}
	}
	if (ret < 0)
		wrong("poll()", 0, ret);
}

/* A slow machine gets more time to be hit often enough, and in the middle of a call. */
static bool enough(void)
{
	return storm->side[RX].done > 0 &&
	       storm->side[TX].signals > SIGNALS_MIN && storm->side[RX].signals > SIGNALS_MIN &&
	       storm->side[TX].hit + storm->side[RX].hit > 0 &&
	       (storm->restart || storm->side[TX].eintr + storm->side[RX].eintr +
				  storm->side[TX].partial > 0);
}

static bool more(void)
{
	int64_t now = now_ms();

	return !failed() && (now < storm->end || (now < storm->end + WAIT_MS / 2 && !enough()));
}

/* --- A stream of bytes --- */

static void stream_tx(int fd)
{
	static char buf[100000];
	long pos = 0;

	while (more()) {
		long n, len = 1 + draw(draw(4) ? 4000 : sizeof(buf));

		pattern_fill(buf, len, pos);
		if (!draw(8))
			storm_poll(fd, POLLOUT);
		n = STORM_CALL(send(fd, buf, len, MSG_NOSIGNAL));
		if (interrupted("send()", n))
			continue;
		if (n <= 0 || n > len)
			return wrong("send() of some bytes", len, n);
		storm->side[TX].partial += n < len;
		pos += n;
		storm->side[TX].done = pos;
	}
	shutdown(fd, SHUT_WR);
}

static void stream_rx(int fd)
{
	static char buf[60000];
	long pos = 0;

	for (;;) {
		long n, len = 1 + draw(sizeof(buf));
		bool all = !draw(3);

		if (!draw(8))
			storm_poll(fd, POLLIN);
		memset(buf, 0, len);
		n = STORM_CALL(recv(fd, buf, len, all ? MSG_WAITALL : 0));
		if (interrupted("recv()", n)) {
			if (failed())
				return;
			continue;
		}
		if (n <= 0)
			break;
		if (pattern_wrong(buf, n, pos) >= 0)
			return wrong("byte of the stream at", pos + pattern_wrong(buf, n, pos), -1);
		storm->side[RX].partial += all && n < len;
		pos += n;
		storm->side[RX].done = pos;
	}
}

/* --- Records, and datagrams that wait for room. Each begins with its number. --- */

static long message_len(uint32_t number)
{
	return sizeof(number) + (number * 2654435761u >> 8) % MESSAGE_MAX;
}

static void message_make(char *buf, uint32_t number)
{
	memcpy(buf, &number, sizeof(number));
	pattern_fill(buf + sizeof(number), message_len(number) - sizeof(number), number);
}

#define LAST	UINT32_MAX

static bool message_send(int fd, uint32_t number)
{
	static char buf[sizeof(number) + MESSAGE_MAX];
	long n, len = message_len(number);

	message_make(buf, number);
	do {
		if (!draw(8))
			storm_poll(fd, POLLOUT);
		n = STORM_CALL(send(fd, buf, len, MSG_NOSIGNAL));
	} while (interrupted("send()", n) && !failed());
	if (n != len)
		wrong("send() of a message", len, n);
	return n == len;
}

static void message_tx(int fd)
{
	uint32_t number;

	for (number = 0; more(); number++) {
		if (!message_send(fd, number))
			return;
		storm->side[TX].done++;
	}
	message_send(fd, LAST);
}

static void message_rx(int fd)
{
	static char buf[2 * MESSAGE_MAX], want[2 * MESSAGE_MAX];
	uint32_t number;

	for (;;) {
		long n;

		if (!draw(8))
			storm_poll(fd, POLLIN);
		n = STORM_CALL(recv(fd, buf, sizeof(buf), 0));
		if (failed())
			return;
		if (interrupted("recv()", n))
			continue;
		if (n < (long)sizeof(number))
			return wrong("recv() of a message", sizeof(number), n);
		memcpy(&number, buf, sizeof(number));
		message_make(want, number);
		if (n != message_len(number) || memcmp(buf, want, n))
			return wrong("length of a message, or its bytes", message_len(number), n);
		if (number == LAST)
			return;
		if (number != storm->side[RX].done)
			return wrong("number of a message", storm->side[RX].done, number);
		storm->side[RX].done++;
	}
}

/* --- Connections --- */

/*
 * An interrupted connect() goes on: another one waits for the end of it, and says
 * EISCONN if it was too late to wait.
 */
static bool storm_connect(int fd, const union addr *a, socklen_t len)
{
	int ret = STORM_CALL(connect(fd, &a->sa, len));

	while (interrupted("connect()", ret)) {
		if (failed())
			return false;
		if (draw(2)) {
			storm_poll(fd, POLLOUT);
			ret = sock_error(fd);
			if (ret) {
				wrong("SO_ERROR after EINTR of connect()", 0, ret);
				return false;
			}
		}
		ret = STORM_CALL(connect(fd, &a->sa, len));
		if (ret && errno == EISCONN)
			ret = 0;
	}
	return !ret;
}

static const struct door *storm_door;
static int storm_port;

static bool dial_one(uint32_t number)
{
	union addr a;
	socklen_t len = door_loop(storm_door, &a, storm_port);
	int fd = door_socket(storm_door, 0);
	long n;
	bool ok;

	if (fd < 0) {
		wrong("socket()", 0, fd);
		return false;
	}
	ok = storm_connect(fd, &a, len);
	if (ok) {
		do {
			n = STORM_CALL(send(fd, &number, sizeof(number), MSG_NOSIGNAL));
		} while (interrupted("send()", n) && !failed());
		ok = n == sizeof(number);
	}
	close(fd);
	return ok;
}

static void connect_tx(int unused)
{
	uint32_t number;

	for (number = 0; more(); number++) {
		if (!dial_one(number))
			return;
		storm->side[TX].done++;
	}
	dial_one(LAST);
}

static void accept_rx(int lsn)
{
	uint32_t number = 0;

	do {
		int fd;
		long n;

		if (!draw(8))
			storm_poll(lsn, POLLIN);
		fd = STORM_CALL(accept(lsn, NULL, NULL));
		if (failed())
			return;
		if (interrupted("accept()", fd))
			continue;
		do {
			n = STORM_CALL(recv(fd, &number, sizeof(number), MSG_WAITALL));
		} while (interrupted("recv()", n) && !failed());
		close(fd);
		if (n != sizeof(number))
			return wrong("recv() of a connection's number", sizeof(number), n);
		if (number != LAST && number != storm->side[RX].done)
			return wrong("number of a connection", storm->side[RX].done, number);
		storm->side[RX].done += number != LAST;
	} while (number != LAST);
}

/* --- The tests --- */

FIXTURE(sigstorm) {};

FIXTURE_VARIANT(sigstorm) {
	const struct door *door;
	int restart;
};

FIXTURE_VARIANT_ADD(sigstorm, family4) { .door = &door_family4 };
FIXTURE_VARIANT_ADD(sigstorm, family4_restart) { .door = &door_family4, .restart = 1 };
FIXTURE_VARIANT_ADD(sigstorm, inet6) { .door = &door_inet6 };
FIXTURE_VARIANT_ADD(sigstorm, inet6_restart) { .door = &door_inet6, .restart = 1 };
FIXTURE_VARIANT_ADD(sigstorm, seq4) { .door = &door_seq4 };
FIXTURE_VARIANT_ADD(sigstorm, seq4_restart) { .door = &door_seq4, .restart = 1 };

FIXTURE_SETUP(sigstorm)
{
	if (over_tcp() && variant->door->type)
		SKIP(_exit(255), "TCP has no records");
	storm = mmap(NULL, sizeof(*storm), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	ASSERT_NE(MAP_FAILED, storm);
	storm->restart = variant->restart;
	storm_door = variant->door;
	ASSERT_OK(netns_new());
}

FIXTURE_TEARDOWN(sigstorm) {}

static void show(enum side side, const char *name)
{
	printf("# %s: %ld done in %ld calls, %ld hit, EINTR %ld, of poll() %ld, partial %ld, ",
	       name, storm->side[side].done, storm->side[side].calls, storm->side[side].hit,
	       storm->side[side].eintr, storm->side[side].poll_eintr,
	       storm->side[side].partial);
	printf("signals %ld\n", storm->side[side].signals);
}

/* Both sides, each a process under fire. */
static void run_storm(struct __test_metadata *_metadata, void (*tx)(int fd), int tx_fd,
		      void (*rx)(int fd), int rx_fd)
{
	int status;
	pid_t pid;

	storm->end = now_ms() + STORM_MS;
	pid = fork();
	ASSERT_OK(pid);
	if (!pid) {
		/* alone it would wait for ever */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (tx_fd >= 0)
			close(tx_fd);
		fire(RX);
		rx(rx_fd);
		_exit(0);
	}
	close(rx_fd);
	fire(TX);
	tx(tx_fd);
	cease_fire();
	if (tx_fd >= 0)
		close(tx_fd);
	ASSERT_OK(wait_child(pid, &status));
	EXPECT_EQ(0, status);
	show(TX, "sender");
	show(RX, "receiver");
	EXPECT_STREQ("", storm->side[TX].wrong);
	EXPECT_STREQ("", storm->side[RX].wrong);
	EXPECT_EQ(storm->side[TX].done, storm->side[RX].done);
	EXPECT_LT(0, storm->side[RX].done);
	EXPECT_LT(SIGNALS_MIN, storm->side[TX].signals);
	EXPECT_LT(SIGNALS_MIN, storm->side[RX].signals);
	EXPECT_LT(0, storm->side[TX].hit + storm->side[RX].hit);
	if (storm->restart) {
		EXPECT_EQ(0, storm->side[TX].eintr + storm->side[RX].eintr);
	} else {
		/* else nothing was tried */
		EXPECT_LT(0, storm->side[TX].eintr + storm->side[RX].eintr +
			     storm->side[TX].partial);
	}
}

TEST_F_TIMEOUT(sigstorm, bytes, 120)
{
	int sv[2];

	if (variant->door->type)
		SKIP(return, "records");
	ASSERT_OK(door_connected(variant->door, sv));
	ASSERT_OK(sock_set(sv[0], SOL_SOCKET, SO_SNDBUF, 8192));
	ASSERT_OK(sock_set(sv[1], SOL_SOCKET, SO_RCVBUF, 8192));
	run_storm(_metadata, stream_tx, sv[0], stream_rx, sv[1]);
}

TEST_F_TIMEOUT(sigstorm, records, 120)
{
	int sv[2];

	if (!variant->door->type)
		SKIP(return, "no records");
	ASSERT_OK(seq_pair(variant->door, sv));
	ASSERT_OK(sock_set(sv[0], SOL_SOCKET, SO_SNDBUF, 8192));
	ASSERT_OK(sock_set(sv[1], SOL_SOCKET, SO_RCVBUF, 8192));
	run_storm(_metadata, message_tx, sv[0], message_rx, sv[1]);
}

TEST_F_TIMEOUT(sigstorm, datagrams, 120)
{
	int sv[2];

	if (variant->door->type || over_udp())
		SKIP(return, "UDP's do not wait");
	ASSERT_OK(dgram_pair(variant->door, sv));
	ASSERT_OK(sock_set(sv[0], SOL_NEWPROTO, NEWPROTO_WAIT, 1));
	ASSERT_OK(sock_set(sv[1], SOL_SOCKET, SO_RCVBUF, 16384));
	run_storm(_metadata, message_tx, sv[0], message_rx, sv[1]);
}

/* The backlog is full most of the time, so that connect() has to wait. */
TEST_F_TIMEOUT(sigstorm, connections, 120)
{
	/* TCP asks again after a second only */
	int lsn = door_listener(variant->door, over_tcp() ? 4096 : 0);

	ASSERT_OK(lsn);
	storm_port = sock_port(lsn);
	run_storm(_metadata, connect_tx, -1, accept_rx, lsn);
}

TEST_HARNESS_MAIN
