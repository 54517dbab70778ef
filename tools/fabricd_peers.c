// SPDX-License-Identifier: GPL-2.0-only
/*
 * newproto-fabricd: those who are there, and what they are told.
 *
 * QEMU's protocol: messages are 64 bits, little-endian, some with a file descriptor, and
 * all are from the server. A client gets the version, its id, -1 with the shared memory,
 * and for each peer, itself last, the peer's id once for each vector with an eventfd. A
 * peer that comes is announced in the same way, one that goes by its id alone.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fabricd.h"

#define PROTOCOL	0	/* its version */
#define BACKLOG		4096	/* messages that a peer may be behind */
#define STARVED_MS	100	/* until the next try, if the kernel has no memory */
#define MEND_MS		1000	/* between two looks at what others have written */

/**
 * struct bells - the eventfds of a peer, which outlive it in messages about it
 * @refs: the peer's own, and one for each message
 * @nr: how many eventfds
 * @fd: them, by vector
 */
struct bells {
	unsigned int refs;
	unsigned int nr;
	int fd[];
};

/**
 * struct message - one that has not been sent
 * @value: in the host's own order
 * @fd: that goes with it, or -1
 * @bells: whose @fd it is; NULL: not an eventfd
 */
struct message {
	int64_t value;
	int fd;
	struct bells *bells;
};

/**
 * struct peer - a client
 * @fd: its connection
 * @id: QEMU's
 * @slot: where it is in peers[] and on the board
 * @pid: its process
 * @bells: its eventfds
 * @doom: why it has to go; NULL: it has not
 * @polling: epoll tells of room
 * @starved: the kernel had no memory, or no room for file descriptors on their way
 * @since: when it last took something, in ms
 * @first: of the messages
 * @nr: how many there are
 * @sent: bytes of the first one that are sent
 * @queue: the messages, in a circle
 */
struct peer {
	int fd;
	uint32_t id;
	unsigned int slot;
	pid_t pid;
	struct bells *bells;
	const char *doom;
	bool polling;
	bool starved;
	int64_t since;
	unsigned int first;
	unsigned int nr;
	unsigned int sent;
	struct message queue[BACKLOG];
};

static struct peer *peers[NPNIC_SLOTS_MAX];
static struct region *region;
static int epoll_fd;
static int64_t timeout_ms;
static uint32_t next_id;
static int64_t mended;		/* when that was last looked at, in ms */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void bells_put(struct bells *bells)
{
	unsigned int i;

	if (!bells || --bells->refs)
		return;
	for (i = 0; i < bells->nr; i++)
		close(bells->fd[i]);
	free(bells);
}

static struct bells *bells_make(unsigned int nr)
{
	struct bells *bells = malloc(sizeof(*bells) + nr * sizeof(bells->fd[0]));

	if (!bells)
		return NULL;
	bells->refs = 1;
	for (bells->nr = 0; bells->nr < nr; bells->nr++) {
		int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

		if (fd < 0) {
			bells_put(bells);
			return NULL;
		}
		bells->fd[bells->nr] = fd;
	}
	return bells;
}

static void doom(struct peer *p, const char *why)
{
	if (!p->doom)
		p->doom = why;
}

static void queue_add(struct peer *p, int64_t value, int fd, struct bells *bells)
{
	if (p->doom)
		return;
	if (p->nr == BACKLOG) {
		doom(p, "too many messages that it has not read");
		return;
	}
	if (!p->nr)
		p->since = now_ms();
	if (bells)
		bells->refs++;
	p->queue[(p->first + p->nr++) % BACKLOG] = (struct message){ value, fd, bells };
}

static void queue_drop_first(struct peer *p)
{
	bells_put(p->queue[p->first].bells);
	p->first = (p->first + 1) % BACKLOG;
	p->nr--;
	p->sent = 0;
}

/* Tell @p of @about, which may be itself. */
static void queue_peer(struct peer *p, const struct peer *about)
{
	unsigned int i;

	for (i = 0; i < about->bells->nr; i++)
		queue_add(p, about->id, about->bells->fd[i], about->bells);
}

/* The file descriptor goes with the first byte. Returns what sendmsg() does. */
static ssize_t send_message(int sock, const struct message *m, unsigned int sent)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {};
	int64_t wire = htole64(m->value);
	struct iovec iov = { (char *)&wire + sent, sizeof(wire) - sent };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (m->fd >= 0 && !sent) {
		struct cmsghdr *c;

		msg.msg_control = control.space;
		msg.msg_controllen = sizeof(control.space);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &m->fd, sizeof(int));
	}
	return sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void poll_for_room(struct peer *p, bool room)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLRDHUP | (room ? EPOLLOUT : 0),
		.data.u32 = p->slot,
	};

	if (p->polling == room)
		return;
	p->polling = room;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, p->fd, &event))
		doom(p, strerror(errno));
}

static void send_failed(struct peer *p, int error)
{
	switch (error) {
	case EINTR:
	case ENOBUFS:
	case ENOMEM:
	case ETOOMANYREFS:
		p->starved = true;
		break;
	case EAGAIN:
		poll_for_room(p, true);
		break;
	default:
		doom(p, "");
	}
}

/* Send what can be sent without waiting. */
static void flush(struct peer *p)
{
	ssize_t n;

	p->starved = false;
	while (p->nr && !p->doom) {
		n = send_message(p->fd, &p->queue[p->first], p->sent);
		if (n < 0) {
			send_failed(p, errno);
			return;
		}
		p->since = now_ms();
		p->sent += n;
		if (p->sent == sizeof(int64_t))
			queue_drop_first(p);
	}
	if (!p->doom)
		poll_for_room(p, false);
}

/*
 * Whoever holds an eventfd can fill it and make it one that blocks, and this program waits
 * for nobody. A full one needs no more.
 */
static void ring_board(const struct peer *p)
{
	int fd = p->bells->fd[NPNIC_VEC_BOARD];

	if (!fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) && eventfd_write(fd, 1) && errno != EAGAIN)
		chat("peer %u cannot be rung: %s", p->id, strerror(errno));
}

static void free_peer(struct peer *p)
{
	while (p->nr)
		queue_drop_first(p);
	bells_put(p->bells);
	close(p->fd);
	free(p);
}

/* The board first: it is what those who are rung look at. */
static void leave(struct peer *p)
{
	unsigned int i;

	peers[p->slot] = NULL;
	region_leave(region, p->slot);
	if (*p->doom)
		note("peer %u is dropped: %s", p->id, p->doom);
	note("peer %u left", p->id);
	for (i = 0; i < region->layout.slots; i++) {
		if (!peers[i])
			continue;
		ring_board(peers[i]);
		queue_add(peers[i], p->id, -1, NULL);
	}
	free_peer(p);
}

/* To tell the others of one that left may doom them, too. */
void peers_reap(void)
{
	unsigned int i;
	bool again;

	do {
		again = false;
		for (i = 0; i < region->layout.slots; i++) {
			if (peers[i] && peers[i]->doom) {
				leave(peers[i]);
				again = true;
			}
		}
		peers_flush();
	} while (again);
}

void peers_flush(void)
{
	unsigned int i;

	for (i = 0; i < region->layout.slots; i++) {
		struct peer *p = peers[i];

		if (!p || !p->nr)
			continue;
		flush(p);
		if (p->nr && now_ms() - p->since >= timeout_ms)
			doom(p, "it does not read");
	}
}

void peers_mend(void)
{
	static bool foul;
	bool was_foul = foul;
	unsigned int i;

	if (now_ms() - mended < MEND_MS)
		return;
	mended = now_ms();
	foul = region_mend(region);
	if (!foul)
		return;
	if (!was_foul)
		note("somebody has written to the header or the board; both are as they were");
	for (i = 0; i < region->layout.slots; i++)
		if (peers[i])
			ring_board(peers[i]);
}

int peers_patience(void)
{
	int64_t least = -1;
	unsigned int i;

	for (i = 0; i < region->layout.slots; i++) {
		const struct peer *p = peers[i];
		int64_t left;

		if (!p)
			continue;
		if (least < 0)
			least = MEND_MS;
		if (!p->nr)
			continue;
		left = p->starved ? STARVED_MS : p->since + timeout_ms - now_ms();
		if (left < 0)
			left = 0;
		if (left < least)
			least = left;
	}
	return least;
}

/* A client has nothing to say: what comes from it is its end, or it is no QEMU. */
void peers_input(unsigned int slot, uint32_t events)
{
	struct peer *p = peers[slot];
	char byte;
	ssize_t n;

	if (!p || !(events & ~EPOLLOUT))
		return;
	n = recv(p->fd, &byte, 1, MSG_DONTWAIT);
	if (n > 0)
		doom(p, "it sends what no client of this protocol does");
	else if (n == 0 || (errno != EAGAIN && errno != EINTR) || events & EPOLLHUP)
		doom(p, "");
}

static int free_slot(void)
{
	unsigned int i;

	for (i = 0; i < region->layout.slots; i++)
		if (!peers[i])
			return i;
	return -1;
}

static struct peer *make_peer(int fd, unsigned int slot)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data.u32 = slot };
	struct peer *p = calloc(1, sizeof(*p));
	socklen_t len = sizeof(struct ucred);
	struct ucred cred = {};

	if (!p)
		return NULL;
	p->bells = bells_make(region_vectors(region));
	if (!p->bells || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
		int error = errno;

		bells_put(p->bells);
		free(p);
		errno = error;
		return NULL;
	}
	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	p->pid = cred.pid;
	p->fd = fd;
	p->slot = slot;
	return p;
}

/* The board comes first: whoever knows its own id finds its slot there. */
static void introduce(struct peer *p)
{
	unsigned int i;

	p->id = next_id++;
	region_join(region, p->slot, p->id);
	note("peer %u has slot %u (process %d)", p->id, p->slot, (int)p->pid);

	queue_add(p, PROTOCOL, -1, NULL);
	queue_add(p, p->id, -1, NULL);
	queue_add(p, -1, region->fd, NULL);
	for (i = 0; i < region->layout.slots; i++) {
		if (!peers[i])
			continue;
		queue_peer(p, peers[i]);
		queue_peer(peers[i], p);
	}
	queue_peer(p, p);
	peers[p->slot] = p;
}

/* One that is gone already, as one that only looks whether there is a server, costs no id. */
static bool is_gone(int fd)
{
	char byte;

	return !recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
}

static bool has_ids(void)
{
	if (next_id <= LAST_ID)
		return true;
	note("a client is refused: all ids up to %u have been used, it takes a new server",
	     LAST_ID);
	return false;
}

static struct peer *let_in(int fd)
{
	int slot = free_slot();
	struct peer *p;

	if (is_gone(fd)) {
		chat("a client left before it was let in");
		return NULL;
	}
	if (!has_ids())
		return NULL;
	if (slot < 0) {
		note("a client is refused: all %u slots are taken", region->layout.slots);
		return NULL;
	}
	p = make_peer(fd, slot);
	if (!p)
		note("a client is refused: %s", strerror(errno));
	return p;
}

void peers_join(int fd)
{
	struct peer *p = let_in(fd);

	if (p)
		introduce(p);
	else
		close(fd);
}

void peers_init(struct region *r, const struct settings *s, int epoll)
{
	region = r;
	epoll_fd = epoll;
	timeout_ms = s->timeout * 1000LL;
	next_id = s->first_id;
}
