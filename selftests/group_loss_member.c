// SPDX-License-Identifier: GPL-2.0-only
/*
 * The zero-loss run: members. Each listens, accepts, logs the number that comes
 * and sends it back, until the controller has it leave. Afterwards it comes back
 * as a new member.
 */
#include <stdarg.h>

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "group_loss.h"

/* A victim holds until something waits in its queue, but no longer than this. */
#define HOLD_MAX_MS 200

/* How often the calls that make a listener are tried where memory fails. */
#define LISTEN_TRIES 20

/* How a member learns of connections; each member is of one kind. */
enum kind { BLOCKING, POLLING, EPOLL_LEVEL, EPOLL_EDGE, KINDS };

static struct shared *sh;
static struct member *me;
static int slot, shared_fd;
static uint32_t seed;

static void __attribute__((noreturn, format(printf, 1, 2))) give_up(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(me->error, sizeof(me->error), fmt, args);
	va_end(args);
	_exit(1);
}

static enum kind kind(void)
{
	return slot % KINDS;
}

/* Returns the listener, or -1 with the name of the call that failed. */
static int listener_make(const char **call)
{
	const struct setup *s = &sh->setup;
	int fd = loss_socket(sh, SOCK_CLOEXEC | (kind() == BLOCKING ? 0 : SOCK_NONBLOCK));
	union addr a;
	socklen_t len = loss_addr(sh, &a);

	*call = "socket()";
	if (fd < 0)
		return -1;
	/* Accepted sockets have it from their listener: a bound on recv(). */
	sock_timeout(fd, SO_RCVTIMEO, WAIT_MS);
	*call = "SO_REUSEPORT";
	if (sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1))
		goto err;
	*call = "NEWPROTO_POLICY";
	if (!s->tcp && sock_set(fd, SOL_NEWPROTO, NEWPROTO_POLICY, s->policy))
		goto err;
	*call = "NEWPROTO_GRACE";
	if (s->grace && sock_set(fd, SOL_NEWPROTO, NEWPROTO_GRACE, s->grace))
		goto err;
	*call = "bind()";
	if (bind(fd, &a.sa, len))
		goto err;
	*call = "listen()";
	if (listen(fd, s->backlog))
		goto err;
	return fd;
err:
	len = errno;
	close(fd);
	errno = len;
	return -1;
}

/* The newcomer's calls may fail for want of memory; then it tries again. */
static int member_listen(void)
{
	const char *call;
	int i, fd = -1;

	for (i = 0; i < LISTEN_TRIES && fd < 0; i++) {
		if (i < LISTEN_TRIES / 2)
			fault_arm();
		fd = listener_make(&call);
		fault_disarm();
		if (fd < 0 && (!sh->setup.faults || !fault_is(errno)))
			break;
		LOSS_ADD(&me->faults, fd < 0);
	}
	if (fd < 0)
		give_up("%s: %s", call, strerror(errno));
	return fd;
}

static void member_live(void)
{
	LOSS_STORE(&me->joined, LOSS_ADD(&sh->joins, 1) + 1);
	LOSS_STORE(&me->order, 0);
	LOSS_STORE(&me->state, MEMBER_LIVE);
}

/* The number is logged before anything else happens to the connection. */
static void member_serve(int fd)
{
	uint64_t number = 0;
	uint32_t index;
	ssize_t n;

	do {
		n = recv(fd, &number, sizeof(number), MSG_WAITALL);
	} while (n < 0 && errno == EINTR);
	index = number;
	if (n != sizeof(number)) {
		LOSS_ADD(&me->mute, 1);
	} else if (number >> 32 != sh->salt || index >= sh->limit) {
		give_up("read the number %llx, which nobody has sent",
			(unsigned long long)number);
	} else {
		LOSS_ADD(&sh->log[index].accepted, 1);
		/* The detector's own test: as if each had come twice. */
		if (sh->setup.must_lose)
			LOSS_ADD(&sh->log[index].accepted, 1);
	}
	LOSS_STORE(&me->open, 0);
	send(fd, &number, sizeof(number), MSG_NOSIGNAL);
	close(fd);
}

/* False: there was nothing to accept. */
static bool member_accept(int lsn)
{
	socklen_t len = sizeof(me->peer);
	int fd;

	addr_set_port(&me->peer, 0);
	LOSS_STORE(&me->open, 1);
	fault_arm();
	fd = accept4(lsn, &me->peer.sa, &len, SOCK_CLOEXEC);
	fault_disarm();
	if (fd >= 0) {
		member_serve(fd);
		return true;
	}
	LOSS_STORE(&me->open, 0);
	if (errno == EAGAIN || errno == EINTR)
		return false;
	if (sh->setup.faults && fault_is(errno))
		LOSS_ADD(&me->faults, 1);
	else if (errno != ECONNABORTED)
		give_up("accept(): %s", strerror(errno));
	return true;
}

static int member_epoll(int lsn)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	ev.events |= kind() == EPOLL_EDGE ? EPOLLET : EPOLLEXCLUSIVE;
	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, lsn, &ev))
		give_up("epoll: %s", strerror(errno));
	return ep;
}

static bool ordered(void)
{
	return LOSS_LOAD(&me->order);
}

/* A signal ends every wait, and the controller repeats it until it is heard. */
static void member_work(int lsn)
{
	int ep = kind() >= EPOLL_LEVEL ? member_epoll(lsn) : -1;
	struct epoll_event ev;

	while (!ordered()) {
		switch (kind()) {
		case BLOCKING:
			member_accept(lsn);
			break;
		case POLLING:
			if (poll_events(lsn, POLLIN, WAIT_MS) > 0)
				member_accept(lsn);
			break;
		case EPOLL_LEVEL:
			if (epoll_wait(ep, &ev, 1, WAIT_MS) > 0)
				member_accept(lsn);
			break;
		default:
			if (epoll_wait(ep, &ev, 1, WAIT_MS) <= 0)
				break;
			while (!ordered() && member_accept(lsn))
				;
		}
	}
	if (ep >= 0)
		close(ep);
}

/* What waits for accept(): TCP tells how many, others only whether. */
static int queue_length(int lsn)
{
	struct tcp_info info = { };
	socklen_t len = sizeof(info);

	if (sh->setup.tcp && !getsockopt(lsn, IPPROTO_TCP, TCP_INFO, &info, &len))
		return info.tcpi_unacked;
	return poll_events(lsn, POLLIN, 0) > 0;
}

/* Accepts nothing, and says so, while the queue fills. */
static void member_hold(int lsn)
{
	int64_t start = now_ms(), since = 0, now;
	int n;

	LOSS_STORE(&me->state, MEMBER_HOLDING);
	do {
		loss_sleep_us(500);
		n = queue_length(lsn);
		now = now_ms();
		if (n && !since)
			since = now;
	} while (since ? now - since < me->hold_ms : now - start < HOLD_MAX_MS);
	LOSS_ADD(&me->waited, n);
	LOSS_ADD(&me->left, 1);
}

static void member_exec(void)
{
	char fd[16], number[16];
	sigset_t set;

	/* The new image is not to be ended by a signal before it has a handler. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	snprintf(fd, sizeof(fd), "%d", shared_fd);
	snprintf(number, sizeof(number), "%d", slot);
	fault_arm();
	execl("/proc/self/exe", "group_loss", "--member", fd, number, NULL);
	fault_disarm();
	execl("/proc/self/exe", "group_loss", "--member", fd, number, NULL);
	give_up("exec: %s", strerror(errno));
}

/* A drained listener may listen again, or make room for a new one. */
static int member_shutdown(int lsn)
{
	int how = loss_random(&seed) % 2 ? SHUT_RD : SHUT_RDWR;
	int err;

	fault_arm();
	err = shutdown(lsn, how);
	fault_disarm();
	if (err)
		give_up("shutdown(): %s", strerror(errno));
	LOSS_STORE(&me->state, MEMBER_LEFT);
	if (loss_random(&seed) % 2 && !listen(lsn, sh->setup.backlog))
		return lsn;
	close(lsn);
	return member_listen();
}

/* Returns the new listener. */
static int member_leave(int lsn)
{
	enum way way = me->order - 1;

	if (way == WAY_RENEW) {
		close(lsn);
		return member_listen();
	}
	member_hold(lsn);
	if (way == WAY_SHUTDOWN)
		return member_shutdown(lsn);
	LOSS_STORE(&me->state, MEMBER_LEFT);
	if (way == WAY_EXEC)
		member_exec();
	fault_arm();
	if (way == WAY_KILL)
		raise(SIGKILL);
	close(lsn);
	fault_disarm();
	/* A lone server's restart takes a while; clients live on grace. */
	if (sh->setup.grace || sh->setup.must_lose)
		loss_sleep_us(loss_random(&seed) % 8 * 1000);
	return member_listen();
}

static void on_usr1(int sig)
{
}

void member_main(struct shared *shared, int fd, int number)
{
	struct sigaction sa = { .sa_handler = on_usr1 };
	sigset_t set;
	int lsn;

	sh = shared;
	shared_fd = fd;
	slot = number;
	me = &sh->member[slot];
	seed = sh->salt * 64 + slot + sh->joins;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	if (sh->setup.faults)
		fault_process_init();
	lsn = member_listen();
	for (;;) {
		member_live();
		member_work(lsn);
		lsn = member_leave(lsn);
	}
}
