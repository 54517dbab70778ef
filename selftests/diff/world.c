// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a script runs: a process on one CPU, in a network namespace whose loopback
 * device has two addresses of each family. Its trace is in memory shared with the
 * parent.
 */
#include <sched.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "diff.h"

#define SCRIPT_MS	60000	/* a script that takes longer hangs */
#define CALL_MS		5000	/* so does a call */
#define SETTLE_MS	300	/* masks that are not the oracle's by then are different */

const struct world oracle_worlds[2] = {
	{ .name = "oracle4", .af = AF_INET }, { .name = "oracle6", .af = AF_INET6 },
};

const struct world newproto_worlds[4] = {
	{ .name = "family4", .door = &door_family4, .af = AF_INET },
	{ .name = "family6", .door = &door_family6, .af = AF_INET6 },
	{ .name = "inet4", .door = &door_inet4, .af = AF_INET },
	{ .name = "inet6", .door = &door_inet6, .af = AF_INET6 },
};

static __thread volatile sig_atomic_t pipes;
static volatile sig_atomic_t late;

static void on_pipe(int sig)
{
	pipes = 1;
}

static void on_alarm(int sig)
{
	late = 1;
}

/* Others have this CPU, too. */
static void nap(void)
{
	struct timespec tick = { .tv_nsec = 100000 };

	nanosleep(&tick, NULL);
}

/* Has this thread got SIGPIPE since it was asked last? */
bool broken_pipe(void)
{
	bool yes = pipes;

	pipes = 0;
	return yes;
}

void run_broken(struct run *run, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(run->trace->broken, sizeof(run->trace->broken), fmt, args);
	va_end(args);
	_exit(1);
}

bool run_is_oracle(const struct run *run)
{
	return !run->world->door || over_tcp();
}

bool run_over_unix(const struct run *run)
{
	return run_is_oracle(run) && run->script->oracle == ORACLE_UNIX;
}

int run_type(const struct run *run)
{
	return run_is_oracle(run) ? run->script->oracle_type : run->script->type;
}

/* @af may be another one than the world's. */
int run_socket(struct run *run, int type, int af, int flags)
{
	int family = af == AF_INET6 ? NEWPROTO_PROTO_IPV6 : 0;
	int fd, one = 1;

	if (run_over_unix(run))
		fd = socket(AF_UNIX, type | flags, 0);
	else if (run_is_oracle(run))
		fd = socket(af, type | flags, 0);
	else if (run->world->door->domain == AF_NEWPROTO)
		fd = socket(family_number(), type | flags, family);
	else
		fd = socket(af, type | flags, IPPROTO_NEWPROTO);
	/* or what is written may wait for an ACK, and that for a timer */
	if (fd >= 0 && type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/*
 * The process has one CPU, so what goes over the loopback device passes one
 * queue, in order: when a datagram arrives, all that was sent before it has.
 * More rounds are for the answers: a handshake has three packets.
 */
void barrier(struct run *run, int rounds)
{
	char c = 0;
	int i;

	for (i = 0; i < rounds; i++)
		if (send(run->barrier, &c, 1, 0) != 1 || recv(run->barrier, &c, 1, 0) != 1)
			run_broken(run, "a datagram to itself was lost: %s", strerror(errno));
}

static void barrier_open(struct run *run)
{
	union addr a;
	socklen_t len = door_loop(&door_inet4, &a, 0);

	run->barrier = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (bind(run->barrier, &a.sa, len) || getsockname(run->barrier, &a.sa, &len) ||
	    connect(run->barrier, &a.sa, len) || sock_timeout(run->barrier, SO_RCVTIMEO, CALL_MS))
		run_broken(run, "no socket to wait with: %s", strerror(errno));
}

/*
 * Timestamps of packets are switched on for the whole machine, a moment after
 * the first socket asks for them: true once they are. Until then a datagram has
 * the time at which it is read.
 */
static bool timestamps_work(int fd)
{
	char c = 0, ctl[64] __attribute__((aligned(8)));
	struct iovec iov = { &c, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof(ctl),
	};
	struct timespec arrived, stamp;

	if (send(fd, &c, 1, 0) != 1)
		return false;
	clock_gettime(CLOCK_REALTIME, &arrived);
	if (recvmsg(fd, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		return false;
	memcpy(&stamp, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(stamp));
	return stamp.tv_sec < arrived.tv_sec ||
	       (stamp.tv_sec == arrived.tv_sec && stamp.tv_nsec <= arrived.tv_nsec);
}

/* Scripts that look at timestamps shall find them on: the socket stays open. */
int timestamps_init(void)
{
	int64_t end = now_ms() + WAIT_MS;
	union addr a;
	socklen_t len = door_loop(&door_inet4, &a, 0);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (bind(fd, &a.sa, len) || getsockname(fd, &a.sa, &len) || connect(fd, &a.sa, len) ||
	    sock_set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1))
		return -1;
	while (!timestamps_work(fd)) {
		if (now_ms() > end)
			return -1;
		nap();
	}
	return 0;
}

static void one_cpu(struct run *run)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		run_broken(run, "sched_setaffinity: %s", strerror(errno));
}

static void signals_init(void)
{
	struct sigaction sa = { .sa_handler = on_pipe };

	sigaction(SIGPIPE, &sa, NULL);
	/* without SA_RESTART: it ends a call that hangs */
	sa.sa_handler = on_alarm;
	sigaction(SIGALRM, &sa, NULL);
}

/* A new address is there at once, and can be reached a moment later. */
static bool address_works(const char *v6)
{
	int64_t end = now_ms() + WAIT_MS;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool works = false;
	union addr a;
	socklen_t len = door_addr(&door_inet6, &a, "", v6, 9);

	bind(fd, &a.sa, len);
	while (!works && now_ms() < end) {
		sendto(fd, "", 0, 0, &a.sa, len);
		works = poll_events(fd, POLLIN, 1) == POLLIN;
	}
	close(fd);
	return works;
}

/* A new network namespace; what options come to depends on these sysctls. */
int namespace_enter(void)
{
	if (netns_new() || addr_add("lo", "fd00::2", 128) || !address_works("::1") ||
	    !address_works("fd00::2"))
		return -1;
	if (sysctl_write("net/ipv4/tcp_rmem", "4096 131072 6291456"))
		return -1;
	return sysctl_write("net/ipv4/tcp_wmem", "4096 16384 4194304");
}

/* TCP leaves ports in TIME_WAIT behind, so it gets a namespace of its own each time. */
static void world_enter(struct run *run)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	one_cpu(run);
	signals_init();
	if (run_is_oracle(run) && !run_over_unix(run) && run_type(run) == SOCK_STREAM &&
	    namespace_enter())
		run_broken(run, "no new network namespace: %s", strerror(errno));
	run->epoll = epoll_create1(EPOLL_CLOEXEC);
	barrier_open(run);
}

static void watchdog(int ms)
{
	struct itimerval it = { .it_value = { ms / 1000, ms % 1000 * 1000 } };

	setitimer(ITIMER_REAL, &it, NULL);
}

static bool masks_wanted(const struct run *run, const struct facts *f, int first)
{
	int i;

	for (i = first; i < f->n; i++) {
		const char *value = table_expected(run, f->fact[i].what);

		if (strcmp(value, f->fact[i].value))
			return false;
	}
	return true;
}

/* Adds the masks; do they say what they said before, if they did? */
static bool masks_again(struct run *run, struct facts *f, int first)
{
	static struct fact before[MAX_SOCKS];
	int i, n = f->n - first;

	memcpy(before, &f->fact[first], n * sizeof(*before));
	f->n = first;
	record_masks(run, f);
	for (i = 0; i < n; i++)
		if (strcmp(before[i].value, f->fact[first + i].value))
			return false;
	return true;
}

static bool anything_open(const struct run *run)
{
	int i;

	for (i = 0; i < run->nsocks; i++)
		if (run->sock[i].is_open)
			return true;
	return false;
}

/*
 * The masks after a step, when all that it has set off has happened. The
 * oracle's are those that two looks agree on; AF_NEWPROTO's have a moment to
 * become what they shall be.
 */
static void settle(struct run *run, struct facts *f)
{
	int64_t end = now_ms() + SETTLE_MS;
	int first = f->n;
	bool good = !anything_open(run);

	while (!good) {
		if (run_is_oracle(run))
			barrier(run, 3);
		jobs_settle(run);
		masks_again(run, f, first);
		if (run->oracle) {
			good = masks_wanted(run, f, first);
		} else {
			barrier(run, 2);
			good = masks_again(run, f, first);
		}
		if (now_ms() > end)
			break;
	}
	socks_refresh(run);
}

static void step_run(struct run *run, const struct step *s, struct facts *f)
{
	const struct call *call = call_find(run, s);

	f->n = 0;
	late = 0;
	broken_pipe();
	watchdog(CALL_MS);
	call->fn(run, s, f);
	watchdog(0);
	if (late)
		fact_add(f, "hangs", "for %d ms", CALL_MS);
	if (broken_pipe())
		fact_add(f, "signal", "SIGPIPE");
	settle(run, f);
}

static void __attribute__((noreturn)) script_child(struct run *run)
{
	world_enter(run);
	for (run->step = 0; run->step < run->script->nsteps; run->step++) {
		step_run(run, &run->script->step[run->step], &run->trace->step[run->step]);
		run->trace->nsteps++;
	}
	_exit(0);
}

/* The status of the process, -1: it was killed because it was late. */
static int wait_script(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);
	bool ended = poll_events(fd, POLLIN, SCRIPT_MS) == POLLIN;
	int status;

	if (!ended)
		kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(fd);
	return ended ? status : -1;
}

/* Runs the script in a process of its own; what became of it is in the trace. */
void run_script(struct run *run)
{
	struct trace *trace = run->trace;
	pid_t pid;
	int status;

	trace->nsteps = 0;
	trace->broken[0] = '\0';
	fflush(stdout);
	pid = fork();
	if (!pid)
		script_child(run);
	status = pid < 0 ? -1 : wait_script(pid);
	if (!trace->broken[0] && status)
		snprintf(trace->broken, sizeof(trace->broken),
			 status < 0 ? "did not end within %d ms" : "died, status %#x",
			 status < 0 ? SCRIPT_MS : status);
}

/* --- the sockets of a run --- */

struct sock *sock_find(struct run *run, const char *name)
{
	int i;

	for (i = 0; i < run->nsocks; i++)
		if (run->sock[i].is_open && !strcmp(run->sock[i].name, name))
			return &run->sock[i];
	return NULL;
}

/* A name can be used again when its socket is closed. */
struct sock *sock_add(struct run *run, const char *name, int fd, int af)
{
	struct epoll_event e = { .events = -1 & ~(EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE |
						    EPOLLWAKEUP) };
	struct sock *s = &run->sock[run->nsocks];

	if (sock_find(run, name))
		run_broken(run, "there is a socket %s already", name);
	if (run->nsocks == MAX_SOCKS)
		run_broken(run, "too many sockets");
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->fd = fd;
	s->af = af;
	s->is_open = true;
	e.data.u32 = run->nsocks++;
	if (epoll_ctl(run->epoll, EPOLL_CTL_ADD, fd, &e))
		run_broken(run, "EPOLL_CTL_ADD: %s", strerror(errno));
	return s;
}

void sock_close(struct sock *s)
{
	s->is_open = false;
}

/* Learns the addresses of all sockets, so that ports can be shown by names. */
void socks_refresh(struct run *run)
{
	int i;

	for (i = 0; i < run->nsocks; i++) {
		struct sock *s = &run->sock[i];
		socklen_t len = sizeof(s->addr);
		union addr a;

		if (!s->is_open || getsockname(s->fd, &a.sa, &len))
			continue;
		/* a socket that was disconnected has no port any more, but had one */
		if (a.sa.sa_family != AF_UNIX && !addr_port(&a))
			continue;
		s->addr = a;
		s->addr_len = len;
	}
}

/* --- threads --- */

static long job_main(struct task *t)
{
	struct job *job = t->arg;

	call_find(job->run, &job->step)->fn(job->run, &job->step, &job->facts);
	if (broken_pipe())
		fact_add(&job->facts, "signal", "SIGPIPE");
	return 0;
}

static struct job *job_find(struct run *run, const char *name)
{
	int i;

	for (i = 0; i < MAX_TASKS; i++)
		if (run->job[i].used && !strcmp(run->job[i].name, name))
			return &run->job[i];
	return NULL;
}

/* Each thread has ended, or sleeps in its call. */
void jobs_settle(struct run *run)
{
	struct job *job;

	for (job = run->job; job < run->job + MAX_TASKS; job++) {
		int64_t end = now_ms() + CALL_MS;
		char path[64], text[64];

		while (job->used && task_running(&job->task) && now_ms() < end) {
			snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", job->task.tid);
			if (job->task.tid && file_read(path, text, sizeof(text)) > 0 &&
			    text[0] >= '0' && text[0] <= '9' &&
			    atol(text) == call_find(run, &job->step)->number)
				break;
			nap();
		}
	}
}

/* start NAME CALL...: its result is that it waits, or what the call returned. */
void call_start(struct run *run, const struct step *s, struct facts *f)
{
	struct job *job = run->job;
	sigset_t alarm;

	while (job < run->job + MAX_TASKS && job->used)
		job++;
	if (job == run->job + MAX_TASKS || job_find(run, s->word[1]))
		run_broken(run, "too many threads, or the name is in use");
	memset(job, 0, sizeof(*job));
	snprintf(job->name, sizeof(job->name), "%s", s->word[1]);
	job->run = run;
	job->step = *s;
	job->step.nwords -= 2;
	memmove(job->step.word, job->step.word + 2, job->step.nwords * sizeof(char *));
	if (!call_find(run, &job->step)->number)
		run_broken(run, "%s cannot be started", job->step.word[0]);
	job->task.fn = job_main;
	job->task.arg = job;
	job->used = true;
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);
	if (task_start(&job->task))
		run_broken(run, "no thread: %s", strerror(errno));
	pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
	barrier(run, 3);
	jobs_settle(run);
	fact_add(f, "ret", task_running(&job->task) ? "waits" : "has returned");
}

/* join NAME: what the call that was started has returned. */
void call_join(struct run *run, const struct step *s, struct facts *f)
{
	struct job *job = job_find(run, s->word[1]);
	int64_t end = now_ms() + CALL_MS;

	if (!job)
		run_broken(run, "no thread %s", s->word[1]);
	while (task_running(&job->task)) {
		nap();
		if (now_ms() > end) {
			fact_add(f, "ret", "still waits");
			return;
		}
	}
	task_join(&job->task);
	*f = job->facts;
	job->used = false;
}
