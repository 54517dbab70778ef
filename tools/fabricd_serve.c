// SPDX-License-Identifier: GPL-2.0-only
/*
 * newproto-fabricd: the socket, and the loop that waits for what happens.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fabricd.h"

/* What epoll knows things by that are no slot. */
#define IS_LISTENER	NPNIC_SLOTS_MAX
#define IS_SIGNAL	(NPNIC_SLOTS_MAX + 1)
#define EVENTS		(NPNIC_SLOTS_MAX + 2)

#define NAP_MS		10

static struct sockaddr_un address = { .sun_family = AF_UNIX };
static char *absolute;		/* the socket's path, wherever this program is */
static struct stat ours;	/* the socket, to know it again */
static int spare = -1;		/* to be given up for a client that has to be told no */

void remove_ours(const char *path, const struct stat *st)
{
	struct stat now;

	if (!lstat(path, &now) && now.st_dev == st->st_dev && now.st_ino == st->st_ino)
		unlink(path);
}

/* Each client has some eventfds. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		chat("cannot have more than the usual number of files: %s", strerror(errno));
}

/* Does nobody listen at what is there? -1: somebody does, or it is no socket at all. */
static int remove_stale(const char *path)
{
	struct stat st;
	int fd, error;

	if (lstat(path, &st)) {
		if (errno == ENOENT)
			return 0;
		note("%s: %s", path, strerror(errno));
		return -1;
	}
	if (!S_ISSOCK(st.st_mode)) {
		note("%s is there, and is no socket", path);
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	error = fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) ? errno : 0;
	if (fd >= 0)
		close(fd);
	if (error == ECONNREFUSED) {
		chat("%s: nobody listens there; replaced", path);
		error = unlink(path) ? errno : 0;
		if (!error)
			return 0;
	} else if (!error || error == EAGAIN) {
		note("%s: another server listens there", path);
		return -1;
	}
	note("%s: %s", path, strerror(error));
	return -1;
}

/* Nobody can connect before listen(), when owner and mode are what they are to be. */
static int listen_at(int fd, const struct settings *s)
{
	mode_t mask = umask(0777);
	int error = bind(fd, (struct sockaddr *)&address, sizeof(address));

	umask(mask);
	if (error)
		return -1;
	/* From here on there is something to be removed at the end. */
	absolute = realpath(s->socket, NULL);
	if (!absolute || lstat(absolute, &ours))
		return -1;
	if (s->group != (gid_t)-1 && chown(s->socket, -1, s->group))
		return -1;
	return chmod(s->socket, s->mode) || listen(fd, SOMAXCONN) ? -1 : 0;
}

int serve_open(const struct settings *s)
{
	int fd;

	if (strlen(s->socket) >= sizeof(address.sun_path)) {
		note("%s: longer than the %zu bytes that a socket's path may have", s->socket,
		     sizeof(address.sun_path) - 1);
		return -1;
	}
	strcpy(address.sun_path, s->socket);
	if (remove_stale(s->socket))
		return -1;
	raise_limit();
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || listen_at(fd, s)) {
		note("cannot listen at %s: %s", s->socket, strerror(errno));
		serve_close(fd);
		return -1;
	}
	spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd;
}

void serve_close(int listener)
{
	if (absolute)
		remove_ours(absolute, &ours);
	if (listener >= 0)
		close(listener);
}

/*
 * Out of files: take the client with the spare one, or it would wait for ever. If another
 * process has got hold of that one, not too much time is spent on trying.
 */
static void refuse_client(int listener)
{
	int fd;

	note("a client is refused: too many open files");
	if (spare >= 0)
		close(spare);
	else
		poll(NULL, 0, NAP_MS);
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* One at a time: who left before this one came has been seen to have left. */
static void accept_client(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		peers_join(fd);
		peers_reap();
	} else if (errno == EMFILE || errno == ENFILE) {
		refuse_client(listener);
	}
}

static int watch(int epoll, int fd, uint32_t what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = what };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* Signals that end it come as events, and are never missed between two. */
static int signal_events(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/*
 * Those who left make room for those who come, so that a machine that is started again
 * finds a slot: the listener has the last turn. Returns the signal that ends it, or 0.
 */
static int handle(const struct epoll_event *events, int nr, int listener, int signals)
{
	struct signalfd_siginfo info = {};
	bool client = false;
	int i;

	for (i = 0; i < nr; i++) {
		if (events[i].data.u32 == IS_LISTENER)
			client = true;
		else if (events[i].data.u32 != IS_SIGNAL)
			peers_input(events[i].data.u32, events[i].events);
		else if (read(signals, &info, sizeof(info)) == sizeof(info))
			return info.ssi_signo;
	}
	peers_flush();
	peers_reap();
	peers_mend();
	if (client)
		accept_client(listener);
	return 0;
}

int serve(struct region *r, const struct settings *s, int listener)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[EVENTS];
	int signals = signal_events();
	int nr, signo = 0;

	if (epoll < 0 || signals < 0 || watch(epoll, listener, IS_LISTENER) ||
	    watch(epoll, signals, IS_SIGNAL)) {
		note("cannot wait for events: %s", strerror(errno));
		return EXIT_TROUBLE;
	}
	peers_init(r, s, epoll);
	while (!signo) {
		nr = epoll_wait(epoll, events, EVENTS, peers_patience());
		if (nr < 0 && errno != EINTR) {
			note("cannot wait for events: %s", strerror(errno));
			return EXIT_TROUBLE;
		}
		signo = handle(events, nr, listener, signals);
	}
	note("ends: %s", strsignal(signo));
	return 0;
}
