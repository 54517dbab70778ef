// SPDX-License-Identifier: GPL-2.0-only
/*
 * See grouplib.h.
 */
#include <time.h>

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <kselftest.h>

#include "grouplib.h"

/* Closes and keeps errno: what failed matters, not what became of the rest. */
static int fail_closing(int fd)
{
	int err = errno;

	close(fd);
	errno = err;
	return -1;
}

int member_socket(const struct door *d)
{
	int fd = door_socket(d, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0 && sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1))
		return fail_closing(fd);
	return fd;
}

int member_bind(int fd, const struct door *d, int port)
{
	union addr a;
	socklen_t len = door_loop(d, &a, port);

	return bind(fd, &a.sa, len);
}

static int member_finish(int fd, const struct door *d, int port, int backlog)
{
	if (member_bind(fd, d, port) || (backlog != BOUND_ONLY && listen(fd, backlog)))
		return fail_closing(fd);
	return fd;
}

int member_new(const struct door *d, int port, int backlog)
{
	int fd = member_socket(d);

	return fd < 0 ? -1 : member_finish(fd, d, port, backlog);
}

/* One option of SOL_NEWPROTO set before bind(). */
int member_with(const struct door *d, int port, int backlog, int option, int value)
{
	int fd = member_socket(d);

	if (fd < 0)
		return -1;
	if (sock_set(fd, SOL_NEWPROTO, option, value))
		return fail_closing(fd);
	return member_finish(fd, d, port, backlog);
}

unsigned long member_inode(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

int member_blocking(int fd)
{
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

/* The connection that is next; -1 and errno if there is none. */
int take_now(int lsn, int *port)
{
	union addr a;
	socklen_t len = sizeof(a);
	int fd = accept(lsn, &a.sa, &len);

	if (fd >= 0 && port)
		*port = addr_port(&a);
	return fd;
}

int take(int lsn, int *port)
{
	int events = poll_events(lsn, POLLIN, WAIT_MS);

	if (events == 0)
		fprintf(stderr, "# nothing to accept within %d ms\n", WAIT_MS);
	return take_now(lsn, port);
}

/* The client's port, the connection closed; or -errno. */
int took_now(int lsn)
{
	int port, fd = take_now(lsn, &port);

	if (fd < 0)
		return -errno;
	close(fd);
	return port;
}

int took(int lsn)
{
	int port, fd = take(lsn, &port);

	if (fd < 0)
		return -errno;
	close(fd);
	return port;
}

/* Which of the listeners has something; -1: none in time, -2: several. */
int pick_ready(const int *fds, int n)
{
	struct pollfd p[16];
	int i, ready, which = -1;

	for (i = 0; i < n; i++)
		p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	ready = poll(p, n, WAIT_MS);
	if (ready > 1)
		return -2;
	for (i = 0; i < n && ready > 0; i++)
		if (p[i].revents)
			which = i;
	return which;
}

/* Clients are nonblocking here, or connected. */
bool client_connected(int fd)
{
	return poll_events(fd, POLLOUT, 0) == POLLOUT && !sock_error(fd);
}

bool client_waiting(int fd)
{
	return poll_events(fd, POLLOUT, 0) == 0;
}

bool client_admitted(int fd)
{
	return poll_events(fd, POLLOUT, WAIT_MS) == POLLOUT && !sock_error(fd);
}

/* The error that comes, 0 if there is none in time. */
int client_failed(int fd)
{
	return poll_events(fd, 0, WAIT_MS) & (POLLERR | POLLHUP) ? sock_error(fd) : 0;
}

/* A client with a port of its own choice, 0: any; blocking. */
int client_dial_from(const struct door *d, int from, int port)
{
	union addr a, to;
	socklen_t len = door_loop(d, &a, from), tolen = door_loop(d, &to, port);
	int fd = door_socket(d, 0);

	if (fd < 0)
		return -1;
	if (sock_set(fd, SOL_SOCKET, SO_REUSEADDR, 1) || bind(fd, &a.sa, len) ||
	    connect(fd, &to.sa, tolen))
		return fail_closing(fd);
	return fd;
}

/* Closes without leaving TCP's TIME_WAIT behind, so that the port is free. */
void client_abort(int fd)
{
	struct linger hard = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
}

/* Members in processes of their own */

#define EXEC_MARK	"NEWPROTO_GROUP_EXEC"	/* in the environment: this is the new program */

struct remote_request {
	int op, arg;
};

/* What REMOTE_EXEC becomes: says that it is there, and stays. */
static void __attribute__((constructor)) remote_after_exec(void)
{
	const char *mark = getenv(EXEC_MARK);
	int fd, reply = 0;

	if (!mark)
		return;
	fd = atoi(mark);
	if (write(fd, &reply, sizeof(reply)) == sizeof(reply))
		while (read(fd, &reply, sizeof(reply)) > 0)
			;
	_exit(0);
}

static int remote_exec(int ctl)
{
	char mark[32], *argv[] = { "group", NULL }, *envp[] = { mark, NULL };

	snprintf(mark, sizeof(mark), EXEC_MARK "=%d", ctl);
	execve("/proc/self/exe", argv, envp);
	return -errno;
}

static int remote_perform(int lsn, int ctl, const struct remote_request *r)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };

	switch (r->op) {
	case REMOTE_ACCEPT:
		sock_nonblock(lsn);
		return took_now(lsn);
	case REMOTE_ACCEPT_WAIT:
		member_blocking(lsn);
		return took_now(lsn);
	case REMOTE_CLOSE:
		return close(lsn) ? -errno : 0;
	case REMOTE_SHUTDOWN:
		return shutdown(lsn, r->arg) ? -errno : 0;
	case REMOTE_LISTEN:
		return listen(lsn, r->arg) ? -errno : 0;
	case REMOTE_UNSPEC:
		return connect(lsn, &unspec, sizeof(unspec)) ? -errno : 0;
	case REMOTE_INODE:
		return member_inode(lsn);
	case REMOTE_EXIT:
		_exit(0);
	case REMOTE_EXEC:
		return remote_exec(ctl);
	}
	return -EOPNOTSUPP;
}

static int remote_member(const struct remote *r)
{
	if (r->grace)
		return member_with(r->door, r->port, r->backlog, NEWPROTO_GRACE, r->grace);
	return member_new(r->door, r->port, r->backlog);
}

static void remote_main(const struct remote *r, int ctl)
{
	struct remote_request req;
	int reply, lsn;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Copies of the parent's members would keep them alive. */
	ctl = dup2(ctl, 3);
	syscall(SYS_close_range, 4, ~0U, 0);
	lsn = remote_member(r);
	reply = lsn < 0 ? -errno : sock_port(lsn);
	while (write(ctl, &reply, sizeof(reply)) == sizeof(reply) &&
	       read(ctl, &req, sizeof(req)) == sizeof(req))
		reply = remote_perform(lsn, ctl, &req);
	_exit(0);
}

/* The port it is bound to; -1 and errno. */
int remote_start(struct remote *r)
{
	int sv[2], port;

	/* bound by hand: a port that bind() has chosen goes with shutdown(), as TCP's */
	if (!r->port)
		r->port = door_free_port(r->door);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv))
		return -1;
	r->pid = fork();
	if (!r->pid)
		remote_main(r, sv[1]);
	close(sv[1]);
	r->ctl = sv[0];
	port = r->pid < 0 ? -errno : remote_answer(r);
	if (port < 0) {
		remote_kill(r);
		errno = -port;
		return -1;
	}
	r->port = port;
	r->inode = remote_do(r, REMOTE_INODE, 0);
	return port;
}

int remote_ask(struct remote *r, enum remote_op op, int arg)
{
	struct remote_request req = { .op = op, .arg = arg };

	return send(r->ctl, &req, sizeof(req), MSG_NOSIGNAL) == sizeof(req) ? 0 : -errno;
}

int remote_answer(struct remote *r)
{
	int reply;

	if (!(poll_events(r->ctl, POLLIN, WAIT_MS) & POLLIN))
		return -ETIMEDOUT;
	if (recv(r->ctl, &reply, sizeof(reply), 0) != sizeof(reply))
		return -ECHILD;
	return reply;
}

int remote_do(struct remote *r, enum remote_op op, int arg)
{
	int err = remote_ask(r, op, arg);

	return err ? err : remote_answer(r);
}

/* Sends the signal and waits until it has its effect. */
static int remote_signal(struct remote *r, int sig, int wait_flag)
{
	int64_t end = now_ms() + WAIT_MS;
	struct timespec tick = { .tv_nsec = 200000 };
	siginfo_t info;

	if (kill(r->pid, sig))
		return -1;
	while (now_ms() < end) {
		info.si_pid = 0;
		if (waitid(P_PID, r->pid, &info, wait_flag | WNOHANG))
			return -1;
		if (info.si_pid == r->pid)
			return 0;
		nanosleep(&tick, NULL);
	}
	fprintf(stderr, "# process %d: no effect of signal %d within %d ms\n", r->pid, sig,
		WAIT_MS);
	return -1;
}

int remote_stop(struct remote *r)
{
	return remote_signal(r, SIGSTOP, WSTOPPED);
}

int remote_cont(struct remote *r)
{
	return remote_signal(r, SIGCONT, WCONTINUED);
}

/* Its end, if that has not come yet; may be called twice. */
void remote_kill(struct remote *r)
{
	int status;

	if (r->pid <= 0)
		return;
	kill(r->pid, SIGKILL);
	wait_child(r->pid, &status);
	close(r->ctl);
	r->pid = 0;
}

const char *const leave_names[LEAVE_WAYS] = {
	[LEAVE_CLOSE] = "close", [LEAVE_SHUT_RD] = "SHUT_RD", [LEAVE_SHUT_RDWR] = "SHUT_RDWR",
	[LEAVE_UNSPEC] = "AF_UNSPEC", [LEAVE_EXIT] = "exit", [LEAVE_KILL] = "SIGKILL",
	[LEAVE_EXEC] = "exec",
};

/* 0 when it has left; the process is still there unless it ended thereby. */
int remote_leave(struct remote *r, enum leave how)
{
	int status;

	switch (how) {
	case LEAVE_CLOSE:
		return remote_do(r, REMOTE_CLOSE, 0);
	case LEAVE_SHUT_RD:
		return remote_do(r, REMOTE_SHUTDOWN, SHUT_RD);
	case LEAVE_SHUT_RDWR:
		return remote_do(r, REMOTE_SHUTDOWN, SHUT_RDWR);
	case LEAVE_UNSPEC:
		return remote_do(r, REMOTE_UNSPEC, 0);
	case LEAVE_EXEC:
		return remote_do(r, REMOTE_EXEC, 0);
	case LEAVE_EXIT:
		if (remote_ask(r, REMOTE_EXIT, 0) || wait_child(r->pid, &status))
			return -1;
		close(r->ctl);
		r->pid = 0;
		return status;
	default:
		remote_kill(r);
		return 0;
	}
}

/* /proc/net/newproto/groups */

#define FIELD(name)	offsetof(struct group_line, name)

static const size_t fields[] = {
	FIELD(kind), FIELD(type), FIELD(local), FIELD(uid), FIELD(inode), FIELD(state),
	FIELD(policy), FIELD(weight), FIELD(grace), FIELD(members), FIELD(pending),
	FIELD(waiting), FIELD(chosen), FIELD(accepted), FIELD(moved_in), FIELD(moved_out),
	FIELD(reset), FIELD(expired), FIELD(rescued),
};

/* One field; false if it is not what it should be. */
static bool field_parse(const char *word, struct group_line *l, size_t offset)
{
	long value = -1;
	char *end = "";

	if (offset < FIELD(uid)) {
		snprintf((char *)l + offset, sizeof(l->kind), "%s", word);
		return strlen(word) < sizeof(l->kind);
	}
	if (strcmp(word, "-"))
		value = strtol(word, &end, 10);
	memcpy((char *)l + offset, &value, sizeof(value));
	return !*end;
}

static int line_parse(char *text, struct group_line *l)
{
	char *save, *word = strtok_r(text, " ", &save);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fields) && word; i++, word = strtok_r(NULL, " ", &save))
		if (!field_parse(word, l, fields[i]))
			break;
	if (i == ARRAY_SIZE(fields) && !word)
		return 0;
	fprintf(stderr, "# %s: field %zu of a line is wrong: %s\n", GROUPS_FILE, i,
		word ? word : "missing");
	return -1;
}

static int line_port(const struct group_line *l)
{
	const char *colon = strrchr(l->local, ':');

	return colon ? atoi(colon + 1) : -1;
}

/* The first line of its kind with that port, or that inode. */
static int line_find(const char *kind, int port, unsigned long inode, struct group_line *l)
{
	static char page[262144];
	char *text, *save;

	if (file_read(GROUPS_FILE, page, sizeof(page)) < 0)
		return -1;
	text = strtok_r(page, "\n", &save);	/* the heading */
	while (text && (text = strtok_r(NULL, "\n", &save))) {
		if (line_parse(text, l))
			return -1;
		if (!strcmp(l->kind, kind) &&
		    (inode ? l->inode == (long)inode : line_port(l) == port))
			return 0;
	}
	errno = ENOENT;
	return -1;
}

int group_line(int port, struct group_line *g)
{
	return line_find("group", port, 0, g);
}

int member_line(unsigned long inode, struct group_line *m)
{
	return line_find("member", 0, inode, m);
}

/* How many lines there are but for the heading. */
int group_lines(void)
{
	static char page[262144];
	int n = 0;
	char *p;

	if (file_read(GROUPS_FILE, page, sizeof(page)) < 0)
		return -1;
	for (p = page; (p = strchr(p, '\n')); p++)
		n++;
	return n - 1;
}

static bool wait_state(const char *kind, int port, unsigned long inode, const char *state)
{
	int64_t end = now_ms() + WAIT_MS;
	struct timespec tick = { .tv_nsec = 1000000 };
	struct group_line l = { };

	do {
		if (!line_find(kind, port, inode, &l) && !strcmp(l.state, state))
			return true;
		nanosleep(&tick, NULL);
	} while (now_ms() < end);
	fprintf(stderr, "# %s: waited %d ms for %s; the %s is \"%s\"\n", GROUPS_FILE, WAIT_MS,
		state, kind, l.state);
	return false;
}

bool group_wait_state(int port, const char *state)
{
	return wait_state("group", port, 0, state);
}

bool member_wait_state(unsigned long inode, const char *state)
{
	return wait_state("member", 0, inode, state);
}

int silent_time(int ms)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", ms);
	return sysctl_write("net/newproto/group_silent_time", text);
}

int group_world(void)
{
	return over_tcp() ? sysctl_write("net/ipv4/tcp_migrate_req", "1") : silent_time(0);
}
