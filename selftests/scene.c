// SPDX-License-Identifier: GPL-2.0-only
/*
 * The states of a stream socket and of a datagram socket that the man pages tell
 * apart, each made by the calls that lead there.
 */
#include <kselftest.h>

#include "dgramlib.h"
#include "scene.h"

static int scene_socket(struct scene *s, int flags)
{
	s->fd = door_socket(s->door, flags);
	return s->fd < 0 ? -1 : 0;
}

static int scene_listener(struct scene *s, int backlog)
{
	s->lsn = door_listener(s->door, backlog);
	if (s->lsn < 0)
		return -1;
	s->port = sock_port(s->lsn);
	s->dest_len = door_loop(s->door, &s->dest, s->port);
	return 0;
}

static int make_closed(struct scene *s)
{
	return scene_socket(s, 0);
}

static int make_bound(struct scene *s)
{
	s->fd = door_bound(s->door, 0, 0);
	return s->fd < 0 ? -1 : 0;
}

static int make_listening(struct scene *s)
{
	s->fd = door_listener(s->door, 1);
	return s->fd < 0 ? -1 : 0;
}

static int make_pending(struct scene *s)
{
	if (make_listening(s))
		return -1;
	s->peer = door_dial(s->door, 0, sock_port(s->fd));
	return s->peer < 0 ? -1 : 0;
}

static int make_listener_shut(struct scene *s)
{
	return make_listening(s) || shutdown(s->fd, SHUT_RD) ? -1 : 0;
}

/* A listener whose backlog is full: one pending connection at backlog 0. */
static int make_crowd(struct scene *s)
{
	if (scene_listener(s, 0))
		return -1;
	s->filler = door_dial(s->door, 0, s->port);
	return s->filler < 0 ? -1 : 0;
}

/* A closed socket beside a full backlog: the next connect() waits. */
static int make_crowd_closed(struct scene *s)
{
	return make_crowd(s) || scene_socket(s, 0) ? -1 : 0;
}

static int make_connecting(struct scene *s)
{
	if (make_crowd(s) || scene_socket(s, SOCK_NONBLOCK))
		return -1;
	if (!connect(s->fd, &s->dest.sa, s->dest_len)) {
		errno = EISCONN;	/* the backlog was not full */
		return -1;
	}
	return errno == EINPROGRESS ? 0 : -1;
}

static int make_connected(struct scene *s)
{
	if (scene_listener(s, 1))
		return -1;
	s->fd = door_dial(s->door, 0, s->port);
	if (s->fd < 0)
		return -1;
	s->peer = accept(s->lsn, NULL, NULL);
	return s->peer < 0 ? -1 : 0;
}

static int make_accepted(struct scene *s)
{
	int fd;

	if (make_connected(s))
		return -1;
	fd = s->fd;
	s->fd = s->peer;
	s->peer = fd;
	return 0;
}

static int make_unread(struct scene *s)
{
	if (make_connected(s) || send(s->peer, "abcd", 4, 0) != 4)
		return -1;
	return poll_events(s->fd, POLLIN, WAIT_MS) & POLLIN ? 0 : -1;
}

/* No space left: every further byte has to wait for the reader. */
static int make_sndfull(struct scene *s)
{
	if (make_connected(s) || sock_set(s->fd, SOL_SOCKET, SO_SNDBUF, 8192) ||
	    sock_set(s->peer, SOL_SOCKET, SO_RCVBUF, 8192) || fill_socket(s->fd, 0) < 0)
		return -1;
	/* TCP moves what it can to the other end meanwhile */
	while (poll_events(s->fd, POLLOUT, over_tcp() ? 50 : 0) & POLLOUT)
		if (fill_socket(s->fd, 0) < 0)
			return -1;
	return 0;
}

static int make_shut(struct scene *s, int how)
{
	return make_connected(s) || shutdown(s->fd, how) ? -1 : 0;
}

static int make_shut_rd(struct scene *s)
{
	return make_shut(s, SHUT_RD);
}

static int make_shut_wr(struct scene *s)
{
	return make_shut(s, SHUT_WR);
}

static int make_shut_rdwr(struct scene *s)
{
	return make_shut(s, SHUT_RDWR);
}

static int make_unread_shut_rd(struct scene *s)
{
	return make_unread(s) || shutdown(s->fd, SHUT_RD) ? -1 : 0;
}

static int make_peer_shut_wr(struct scene *s)
{
	if (make_connected(s) || shutdown(s->peer, SHUT_WR))
		return -1;
	return poll_events(s->fd, POLLRDHUP, WAIT_MS) & POLLRDHUP ? 0 : -1;
}

static int make_unread_peer_shut_wr(struct scene *s)
{
	if (make_unread(s) || shutdown(s->peer, SHUT_WR))
		return -1;
	return poll_events(s->fd, POLLRDHUP, WAIT_MS) & POLLRDHUP ? 0 : -1;
}

static int make_peer_shut_rd(struct scene *s)
{
	return make_connected(s) || shutdown(s->peer, SHUT_RD) ? -1 : 0;
}

/* Both halves ended, this one first. */
static int make_both(struct scene *s)
{
	if (make_shut_wr(s) || shutdown(s->peer, SHUT_WR))
		return -1;
	return poll_events(s->fd, POLLHUP, WAIT_MS) & POLLHUP ? 0 : -1;
}

static int make_both_peer_first(struct scene *s)
{
	if (make_peer_shut_wr(s) || shutdown(s->fd, SHUT_WR))
		return -1;
	return poll_events(s->fd, POLLHUP, WAIT_MS) & POLLHUP ? 0 : -1;
}

static int make_peer_closed(struct scene *s)
{
	if (make_connected(s) || close(s->peer))
		return -1;
	s->peer = -1;
	return poll_events(s->fd, POLLRDHUP, WAIT_MS) & POLLRDHUP ? 0 : -1;
}

static int make_unread_peer_closed(struct scene *s)
{
	if (make_unread(s) || close(s->peer))
		return -1;
	s->peer = -1;
	return poll_events(s->fd, POLLRDHUP, WAIT_MS) & POLLRDHUP ? 0 : -1;
}

static int close_with_reset(struct scene *s)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	if (setsockopt(s->peer, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)) || close(s->peer))
		return -1;
	s->peer = -1;
	return poll_events(s->fd, 0, WAIT_MS) & POLLERR ? 0 : -1;
}

static int make_reset(struct scene *s)
{
	return make_connected(s) || close_with_reset(s) ? -1 : 0;
}

static int make_reset_reported(struct scene *s)
{
	return make_reset(s) || sock_error(s->fd) != ECONNRESET ? -1 : 0;
}

static int make_unread_reset(struct scene *s)
{
	return make_unread(s) || close_with_reset(s) ? -1 : 0;
}

/* A peer that closes without reading all says so by a reset. */
static int make_reset_unread(struct scene *s)
{
	if (make_connected(s) || send(s->fd, "abcd", 4, 0) != 4 ||
	    !(poll_events(s->peer, POLLIN, WAIT_MS) & POLLIN) || close(s->peer))
		return -1;
	s->peer = -1;
	return poll_events(s->fd, 0, WAIT_MS) & POLLERR ? 0 : -1;
}

/* A nonblocking connect() that was refused; nobody has looked yet. */
static int make_refused(struct scene *s)
{
	if (over_tcp()) {
		s->dest_len = door_loop(s->door, &s->dest, door_free_port(s->door));
		if (scene_socket(s, SOCK_NONBLOCK) ||
		    !connect(s->fd, &s->dest.sa, s->dest_len) || errno != EINPROGRESS)
			return -1;
	} else {
		if (make_connecting(s) || close(s->lsn))
			return -1;
		s->lsn = -1;
	}
	return poll_events(s->fd, 0, WAIT_MS) & POLLERR ? 0 : -1;
}

static int make_refused_reported(struct scene *s)
{
	return make_refused(s) || sock_error(s->fd) != ECONNREFUSED ? -1 : 0;
}

/* A nonblocking connect() that ran into the namespace's connect_timeout. */
static int make_timed_out(struct scene *s)
{
	if (over_tcp()) {
		errno = ENOTSUP;	/* its shortest time is seconds */
		return -1;
	}
	/* over a NIC whoever fills the backlog needs some of that */
	if (netns_new() ||
	    sysctl_write("net/newproto/connect_timeout", over_nic() ? "250" : "20") ||
	    make_connecting(s))
		return -1;
	return poll_events(s->fd, 0, WAIT_MS) & POLLERR ? 0 : -1;
}

static int make_timed_out_reported(struct scene *s)
{
	return make_timed_out(s) || sock_error(s->fd) != ETIMEDOUT ? -1 : 0;
}

/* Connected, as the client sees it; the listener closed before accept(). */
static int make_listener_gone(struct scene *s)
{
	if (scene_listener(s, 1))
		return -1;
	s->fd = door_dial(s->door, 0, s->port);
	if (s->fd < 0 || close(s->lsn))
		return -1;
	s->lsn = -1;
	return poll_events(s->fd, 0, WAIT_MS) & POLLERR ? 0 : -1;
}

/* Connected once, then dissolved by connect(AF_UNSPEC). */
static int make_disconnected(struct scene *s)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };

	return make_connected(s) || connect(s->fd, &unspec, sizeof(unspec)) ? -1 : 0;
}

/* Not a socket, and not a descriptor at all. */
static int make_notsock(struct scene *s)
{
	s->fd = open("/dev/null", O_RDWR);
	return s->fd < 0 ? -1 : 0;
}

static int make_badfd(struct scene *s)
{
	s->fd = 1000;	/* far above what any test opens */
	return 0;
}

/* Beside every datagram socket there is one to send to: peer, at port. */
static int dgram_scene(struct scene *s)
{
	s->dgram = true;
	s->peer = dgram_bound(s->door, 0, 0);
	s->port = sock_port(s->peer);
	s->dest_len = door_loop(s->door, &s->dest, s->port);
	return s->peer < 0 ? -1 : 0;
}

static int make_dgram(struct scene *s)
{
	if (dgram_scene(s))
		return -1;
	s->fd = dgram_socket(s->door, 0);
	return s->fd < 0 ? -1 : 0;
}

static int make_dgram_bound(struct scene *s)
{
	if (dgram_scene(s))
		return -1;
	s->fd = dgram_bound(s->door, 0, 0);
	return s->fd < 0 ? -1 : 0;
}

static int make_dgram_connected(struct scene *s)
{
	return make_dgram_bound(s) || connect(s->fd, &s->dest.sa, s->dest_len) ? -1 : 0;
}

static int make_dgram_unread(struct scene *s)
{
	if (make_dgram_connected(s) ||
	    dgram_to(s->peer, s->door, sock_port(s->fd), "abcd") != 4)
		return -1;
	return poll_events(s->fd, POLLIN, WAIT_MS) & POLLIN ? 0 : -1;
}

static int make_dgram_shut_rd(struct scene *s)
{
	return make_dgram_connected(s) || shutdown(s->fd, SHUT_RD) ? -1 : 0;
}

static int make_dgram_shut_wr(struct scene *s)
{
	return make_dgram_connected(s) || shutdown(s->fd, SHUT_WR) ? -1 : 0;
}

static int make_dgram_shut_rdwr(struct scene *s)
{
	return make_dgram_connected(s) || shutdown(s->fd, SHUT_RDWR) ? -1 : 0;
}

static int make_dgram_unread_shut_rd(struct scene *s)
{
	return make_dgram_unread(s) || shutdown(s->fd, SHUT_RD) ? -1 : 0;
}

static int make_dgram_peer_closed(struct scene *s)
{
	if (make_dgram_connected(s) || close(s->peer))
		return -1;
	s->peer = -1;
	return 0;
}

/* A datagram has gone to nobody; the next call is told. */
static int make_dgram_refused(struct scene *s)
{
	if (make_dgram_peer_closed(s) || send(s->fd, "x", 1, 0) != 1)
		return -1;
	return dgram_failed(s->fd) ? 0 : -1;
}

static int make_dgram_refused_reported(struct scene *s)
{
	return make_dgram_refused(s) || sock_error(s->fd) != ECONNREFUSED ? -1 : 0;
}

static int make_dgram_unread_refused(struct scene *s)
{
	if (make_dgram_unread(s) || close(s->peer))
		return -1;
	s->peer = -1;
	return send(s->fd, "x", 1, 0) == 1 && dgram_failed(s->fd) ? 0 : -1;
}

static int make_dgram_disconnected(struct scene *s)
{
	return make_dgram_connected(s) || dgram_unspec(s->fd) ? -1 : 0;
}

/* Two bytes of a datagram that is not sent yet. */
static int make_dgram_corked(struct scene *s)
{
	if (make_dgram_connected(s) || sock_set(s->fd, IPPROTO_UDP, UDP_CORK, 1))
		return -1;
	return send(s->fd, "ab", 2, 0) == 2 ? 0 : -1;
}

static const struct {
	const char *name;
	int (*make)(struct scene *s);
} scenes[] = {
	{ "closed", make_closed },
	{ "bound", make_bound },
	{ "listening", make_listening },
	{ "pending", make_pending },
	{ "listener-shut", make_listener_shut },
	{ "crowd", make_crowd_closed },
	{ "connecting", make_connecting },
	{ "connected", make_connected },
	{ "accepted", make_accepted },
	{ "unread", make_unread },
	{ "sndfull", make_sndfull },
	{ "shut-rd", make_shut_rd },
	{ "shut-wr", make_shut_wr },
	{ "shut-rdwr", make_shut_rdwr },
	{ "unread+shut-rd", make_unread_shut_rd },
	{ "peer-shut-rd", make_peer_shut_rd },
	{ "peer-shut-wr", make_peer_shut_wr },
	{ "unread+peer-shut-wr", make_unread_peer_shut_wr },
	{ "both", make_both },
	{ "both-peer-first", make_both_peer_first },
	{ "peer-closed", make_peer_closed },
	{ "unread+peer-closed", make_unread_peer_closed },
	{ "reset", make_reset },
	{ "reset-reported", make_reset_reported },
	{ "unread+reset", make_unread_reset },
	{ "reset-by-unread", make_reset_unread },
	{ "refused", make_refused },
	{ "refused-reported", make_refused_reported },
	{ "timed-out", make_timed_out },
	{ "timed-out-reported", make_timed_out_reported },
	{ "listener-gone", make_listener_gone },
	{ "disconnected", make_disconnected },
	{ "dgram", make_dgram },
	{ "dgram-bound", make_dgram_bound },
	{ "dgram-connected", make_dgram_connected },
	{ "dgram-unread", make_dgram_unread },
	{ "dgram-shut-rd", make_dgram_shut_rd },
	{ "dgram-shut-wr", make_dgram_shut_wr },
	{ "dgram-shut-rdwr", make_dgram_shut_rdwr },
	{ "dgram-unread+shut-rd", make_dgram_unread_shut_rd },
	{ "dgram-peer-closed", make_dgram_peer_closed },
	{ "dgram-refused", make_dgram_refused },
	{ "dgram-refused-reported", make_dgram_refused_reported },
	{ "dgram-unread+refused", make_dgram_unread_refused },
	{ "dgram-disconnected", make_dgram_disconnected },
	{ "dgram-corked", make_dgram_corked },
	{ "notsock", make_notsock },
	{ "badfd", make_badfd },
};

int scene_make(struct scene *s, const struct door *d, const char *name)
{
	size_t i;

	*s = (struct scene){ .door = d, .fd = -1, .peer = -1, .lsn = -1, .filler = -1 };
	for (i = 0; i < ARRAY_SIZE(scenes); i++) {
		if (strcmp(scenes[i].name, name))
			continue;
		errno = 0;
		return scenes[i].make(s);
	}
	errno = EINVAL;
	return -1;
}

void scene_end(struct scene *s)
{
	int *fds[] = { &s->fd, &s->peer, &s->lsn, &s->filler };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}
