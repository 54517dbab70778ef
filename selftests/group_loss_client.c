// SPDX-License-Identifier: GPL-2.0-only
/*
 * The zero-loss run: clients. Each opens connections without pause, sends a
 * number that nobody else sends and expects it back. Half of the clients block
 * in their calls, the others have many connections open at the same time.
 */
#include <sys/epoll.h>

#include "group_loss.h"

/* TCP lets a client whose SYN was dropped wait for a second, and longer each time. */
#define TCP_SNDTIMEO_MS 2000

#define WINDOW_FIRST 8

struct conn {
	int fd;
	uint32_t index;
	bool connected;
	int64_t since;
};

static struct shared *sh;
static struct client *me;
static union addr server;
static socklen_t server_len;

static bool claim_number(uint32_t *index)
{
	if (LOSS_LOAD(&sh->stop) || LOSS_LOAD(&sh->next) >= sh->limit)
		return false;
	*index = LOSS_ADD(&sh->next, 1);
	return *index < sh->limit;
}

static int client_socket(int flags)
{
	struct linger reset = { .l_onoff = 1 };
	int fd = loss_socket(sh, flags | SOCK_CLOEXEC);

	/* TCP would run out of ports that are in TIME_WAIT */
	if (fd >= 0 && sh->setup.tcp)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return fd;
}

static void conn_end(struct conn *c, enum fate how, int err)
{
	struct conn_log *log = &sh->log[c->index];

	log->err = err;
	LOSS_STORE(&log->fate, how);
	close(c->fd);
	c->fd = -1;
	LOSS_ADD(&me->done, 1);
}

static int conn_connect(int fd)
{
	int ret;

	fault_arm();
	ret = connect(fd, &server.sa, server_len);
	fault_disarm();
	return ret;
}

/* connect() has said success: sends the number. False: that was its end. */
static bool conn_established(struct conn *c)
{
	struct conn_log *log = &sh->log[c->index];
	uint64_t number = (uint64_t)sh->salt << 32 | c->index;

	c->connected = true;
	if (sh->setup.way == WAY_RANDOM)
		log->port = sock_port(c->fd);
	LOSS_STORE(&log->fate, FATE_CONNECTED);
	if (send(c->fd, &number, sizeof(number), MSG_NOSIGNAL) == sizeof(number))
		return true;
	conn_end(c, FATE_DROPPED, errno);
	return false;
}

/* What has come back, or has not. */
static void conn_answer(struct conn *c)
{
	uint64_t want = (uint64_t)sh->salt << 32 | c->index, got = 0;
	ssize_t n = recv(c->fd, &got, sizeof(got), MSG_WAITALL);

	if (n < 0 && errno == EAGAIN)
		conn_end(c, FATE_DROPPED, ETIMEDOUT);
	else if (n <= 0)
		conn_end(c, FATE_DROPPED, n ? errno : 0);
	else if (n != sizeof(got) || got != want)
		conn_end(c, FATE_WRONG, 0);
	else
		conn_end(c, FATE_ECHOED, 0);
}

static void client_blocking(void)
{
	struct conn c = { };

	while (claim_number(&c.index)) {
		c.fd = client_socket(0);
		sock_timeout(c.fd, SO_SNDTIMEO, sh->setup.tcp ? TCP_SNDTIMEO_MS : WAIT_MS);
		sock_timeout(c.fd, SO_RCVTIMEO, WAIT_MS);
		if (conn_connect(c.fd))
			conn_end(&c, FATE_UNCONNECTED, errno);
		else if (conn_established(&c))
			conn_answer(&c);
	}
}

struct crowd {
	struct conn *conn;
	int *unused, nunused;
	int ep;
};

static void crowd_watch(struct crowd *w, struct conn *c, int op, int events)
{
	struct epoll_event ev = { .events = events, .data.u32 = c - w->conn };

	epoll_ctl(w->ep, op, c->fd, &ev);
}

static void crowd_put(struct crowd *w, struct conn *c)
{
	w->unused[w->nunused++] = c - w->conn;
}

static void crowd_start(struct crowd *w, uint32_t index, int64_t now)
{
	struct conn *c = &w->conn[w->unused[--w->nunused]];
	int ret;

	*c = (struct conn){ .fd = client_socket(SOCK_NONBLOCK), .index = index, .since = now };
	ret = conn_connect(c->fd);
	if (ret && errno == EINPROGRESS)
		return crowd_watch(w, c, EPOLL_CTL_ADD, EPOLLOUT);
	if (ret)
		conn_end(c, FATE_UNCONNECTED, errno);
	else if (conn_established(c))
		return crowd_watch(w, c, EPOLL_CTL_ADD, EPOLLIN);
	crowd_put(w, c);
}

static void crowd_event(struct crowd *w, struct conn *c)
{
	int err;

	if (c->connected) {
		conn_answer(c);
	} else {
		err = sock_error(c->fd);
		if (err)
			conn_end(c, FATE_UNCONNECTED, err);
		else if (conn_established(c))
			return crowd_watch(w, c, EPOLL_CTL_MOD, EPOLLIN);
	}
	crowd_put(w, c);
}

/* TCP's that are not connected at the end of the case wait for the next SYN only. */
static void crowd_overdue(struct crowd *w, int64_t now)
{
	bool abandon = sh->setup.tcp && LOSS_LOAD(&sh->stop);
	int i;

	for (i = 0; i < sh->setup.window; i++) {
		struct conn *c = &w->conn[i];

		if (c->fd < 0)
			continue;
		if (!c->connected && abandon)
			conn_end(c, FATE_ABANDONED, 0);
		else if (now - c->since > WAIT_MS)
			conn_end(c, c->connected ? FATE_DROPPED : FATE_UNCONNECTED, ETIMEDOUT);
		else
			continue;
		crowd_put(w, c);
	}
}

/*
 * The window opens with what has come to an end: a slow kernel has few open, and is not kept
 * waiting for these at the end.
 */
static bool crowd_has_room(const struct crowd *w)
{
	uint32_t open = sh->setup.window - w->nunused;

	return w->nunused && open < WINDOW_FIRST + me->done / 2;
}

static void client_crowd(void)
{
	int window = sh->setup.window, i, n;
	struct epoll_event ev[64];
	struct crowd w = { .ep = epoll_create1(EPOLL_CLOEXEC) };
	int64_t now = now_ms(), looked = now;
	uint32_t index;

	w.conn = calloc(window, sizeof(*w.conn));
	w.unused = calloc(window, sizeof(*w.unused));
	for (i = 0; i < window; i++) {
		w.conn[i].fd = -1;
		crowd_put(&w, &w.conn[i]);
	}
	for (;;) {
		while (crowd_has_room(&w) && claim_number(&index))
			crowd_start(&w, index, now);
		if (w.nunused == window)
			break;
		n = epoll_wait(w.ep, ev, 64, 100);
		for (i = 0; i < n; i++)
			crowd_event(&w, &w.conn[ev[i].data.u32]);
		now = now_ms();
		if (now - looked > 500) {
			crowd_overdue(&w, now);
			looked = now;
		}
	}
}

/* Ends when the controller says so and all its connections have come to an end. */
void client_main(struct shared *shared, int number)
{
	sh = shared;
	me = &sh->client[number];
	nic_answer_ms = 0;
	server_len = loss_addr(sh, &server);
	if (sh->setup.faults)
		fault_process_init();
	if (number % 2)
		client_blocking();
	else
		client_crowd();
	_exit(0);
}
