// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls that block: a signal ends them or they go on (signal(7)), and what
 * another thread does to the descriptor meanwhile.
 */
#include <kselftest_harness.h>

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "scene.h"

static char byte[16];
static struct iovec one_byte = { byte, 1 };

static long call_recv(struct task *t)
{
	return recv(t->fd, byte, 1, 0);
}

static long call_recvmsg(struct task *t)
{
	struct msghdr m = { .msg_iov = &one_byte, .msg_iovlen = 1 };

	return recvmsg(t->fd, &m, 0);
}

static long call_recvmmsg(struct task *t)
{
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &one_byte, .msg_iovlen = 1 } };

	return recvmmsg(t->fd, &m, 1, 0, NULL);
}

static long call_read(struct task *t)
{
	return read(t->fd, byte, 1);
}

static long call_readv(struct task *t)
{
	return readv(t->fd, &one_byte, 1);
}

static long call_send(struct task *t)
{
	return send(t->fd, byte, 1, 0);
}

static long call_sendmsg(struct task *t)
{
	struct msghdr m = { .msg_iov = &one_byte, .msg_iovlen = 1 };

	return sendmsg(t->fd, &m, 0);
}

static long call_sendmmsg(struct task *t)
{
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &one_byte, .msg_iovlen = 1 } };

	return sendmmsg(t->fd, &m, 1, 0);
}

static long call_write(struct task *t)
{
	return write(t->fd, byte, 1);
}

static long call_writev(struct task *t)
{
	return writev(t->fd, &one_byte, 1);
}

static long call_accept(struct task *t)
{
	return accept(t->fd, NULL, NULL) >= 0 ? 1 : -1;
}

static long call_accept4(struct task *t)
{
	return accept4(t->fd, NULL, NULL, SOCK_CLOEXEC) >= 0 ? 1 : -1;
}

static long call_connect(struct task *t)
{
	struct scene *s = t->arg;

	return connect(t->fd, &s->dest.sa, s->dest_len) ? -1 : 1;
}

static long call_splice_in(struct task *t)
{
	int p[2];

	if (pipe(p))
		return -1;
	return splice(t->fd, NULL, p[1], NULL, 1, 0);
}

static long call_splice_out(struct task *t)
{
	int p[2];

	if (pipe(p) || write(p[1], byte, 1) != 1)
		return -1;
	return splice(p[0], NULL, t->fd, NULL, 1, 0);
}

static long call_sendfile(struct task *t)
{
	int fd = memfd_create("byte", 0);
	off_t off = 0;

	if (fd < 0 || write(fd, byte, 1) != 1)
		return -1;
	return sendfile(t->fd, fd, &off, 1);
}

static long call_poll(struct task *t)
{
	return poll_events(t->fd, POLLIN, -1) > 0 ? 1 : -1;
}

static long call_select(struct task *t)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(t->fd, &in);
	return select(t->fd + 1, &in, NULL, NULL, NULL);
}

static long call_epoll(struct task *t)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(0);

	epoll_ctl(ep, EPOLL_CTL_ADD, t->fd, &ev);
	return epoll_wait(ep, &ev, 1, -1);
}

enum side { READER, WRITER, ACCEPTOR, DIALLER };

static const struct {
	const char *text;
	long (*call)(struct task *t);
	long number;
	enum side side;
	bool restarts;
} calls[] = {
	{ "recv", call_recv, SYS_recvfrom, READER, true },
	{ "recvmsg", call_recvmsg, SYS_recvmsg, READER, true },
	{ "recvmmsg", call_recvmmsg, SYS_recvmmsg, READER, true },
	{ "read", call_read, SYS_read, READER, true },
	{ "readv", call_readv, SYS_readv, READER, true },
	{ "splice in", call_splice_in, SYS_splice, READER, true },
	{ "send", call_send, SYS_sendto, WRITER, true },
	{ "sendmsg", call_sendmsg, SYS_sendmsg, WRITER, true },
	{ "sendmmsg", call_sendmmsg, SYS_sendmmsg, WRITER, true },
	{ "write", call_write, SYS_write, WRITER, true },
	{ "writev", call_writev, SYS_writev, WRITER, true },
	{ "splice out", call_splice_out, SYS_splice, WRITER, true },
	{ "sendfile", call_sendfile, SYS_sendfile, WRITER, true },
	{ "accept", call_accept, SYS_accept, ACCEPTOR, true },
	{ "accept4", call_accept4, SYS_accept4, ACCEPTOR, true },
	{ "connect", call_connect, SYS_connect, DIALLER, true },
	{ "poll", call_poll, SYS_poll, READER, false },
	{ "select", call_select, SYS_select, READER, false },
	{ "epoll_wait", call_epoll, SYS_epoll_wait, READER, false },
};

static int signals_seen;

static void on_signal(int sig)
{
	__atomic_fetch_add(&signals_seen, 1, __ATOMIC_SEQ_CST);
}

static void catch_signal(int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };

	signals_seen = 0;
	sigaction(SIGUSR1, &sa, NULL);
}

/* select() is pselect6() and the like in some C libraries. */
static long syscall_of(size_t i)
{
	if (calls[i].number == SYS_select)
		return SYS_pselect6;
	return calls[i].number;
}

static int make_side(struct scene *s, const struct door *d, enum side side)
{
	static const char *const states[] = { "connected", "sndfull", "listening", "crowd" };

	return scene_make(s, d, states[side]);
}

/* Ends what the call waits for. */
static void satisfy(struct scene *s, enum side side)
{
	switch (side) {
	case READER:
		send(s->peer, "x", 1, 0);
		break;
	case WRITER:
		while (poll_events(s->fd, POLLOUT, 0) != POLLOUT) {
			static char buf[65536];

			if (recv(s->peer, buf, sizeof(buf), MSG_DONTWAIT) <= 0 && !over_tcp())
				break;
		}
		break;
	case ACCEPTOR:
		s->peer = door_dial(s->door, 0, sock_port(s->fd));
		break;
	case DIALLER:
		s->peer = accept(s->lsn, NULL, NULL);
		break;
	}
}

FIXTURE(signals) {};
DOOR_FIXTURE(signals);
FIXTURE_SETUP(signals) {}
FIXTURE_TEARDOWN(signals) {}

static void block_in(struct __test_metadata *_metadata, size_t i, struct task *t, struct scene *s,
		     const struct door *d)
{
	ASSERT_EQ(0, make_side(s, d, calls[i].side)) TH_LOG("%s", calls[i].text);
	*t = (struct task){ .fn = calls[i].call, .fd = s->fd, .arg = s };
	ASSERT_OK(task_start(t));
	ASSERT_EQ(0, task_blocked(t, syscall_of(i))) TH_LOG("%s", calls[i].text);
}

TEST_F_TIMEOUT(signals, interrupt, 60)
{
	struct scene s;
	struct task t;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		catch_signal(0);
		block_in(_metadata, i, &t, &s, variant->door);
		ASSERT_EQ(0, pthread_kill(t.thread, SIGUSR1));
		ASSERT_EQ(0, task_join(&t)) TH_LOG("%s", calls[i].text);
		EXPECT_EQ(-1, t.ret) TH_LOG("%s", calls[i].text);
		EXPECT_EQ(EINTR, t.err) TH_LOG("%s: %s", calls[i].text, strerror(t.err));
		scene_end(&s);
	}
}

/* With SA_RESTART they go on, all but those that wait for many descriptors. */
TEST_F_TIMEOUT(signals, restart, 60)
{
	struct scene s;
	struct task t;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		if (over_tcp() && calls[i].side == DIALLER)
			continue;	/* it tries again after a second only */
		catch_signal(SA_RESTART);
		block_in(_metadata, i, &t, &s, variant->door);
		ASSERT_EQ(0, pthread_kill(t.thread, SIGUSR1));
		while (!__atomic_load_n(&signals_seen, __ATOMIC_SEQ_CST))
			sched_yield();
		if (calls[i].restarts) {
			ASSERT_EQ(0, task_blocked(&t, syscall_of(i)))
				TH_LOG("%s", calls[i].text);
			satisfy(&s, calls[i].side);
		}
		ASSERT_EQ(0, task_join(&t)) TH_LOG("%s", calls[i].text);
		EXPECT_EQ(calls[i].restarts ? 1 : -1, t.ret)
			TH_LOG("%s: %s", calls[i].text, strerror(t.err));
		scene_end(&s);
	}
}

/* With a timeout of the socket they are never restarted. */
TEST_F(signals, timeouts_do_not_restart)
{
	static const size_t some[] = { 0, 3, 6, 9, 13 };
	struct scene s;
	struct task t;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(some); i++) {
		catch_signal(SA_RESTART);
		ASSERT_OK(make_side(&s, variant->door, calls[some[i]].side));
		ASSERT_OK(sock_timeout(s.fd, SO_RCVTIMEO, 4 * WAIT_MS));
		ASSERT_OK(sock_timeout(s.fd, SO_SNDTIMEO, 4 * WAIT_MS));
		t = (struct task){ .fn = calls[some[i]].call, .fd = s.fd, .arg = &s };
		ASSERT_OK(task_start(&t));
		ASSERT_OK(task_blocked(&t, syscall_of(some[i])));
		ASSERT_EQ(0, pthread_kill(t.thread, SIGUSR1));
		ASSERT_OK(task_join(&t));
		EXPECT_EQ(-1, t.ret) TH_LOG("%s", calls[some[i]].text);
		EXPECT_EQ(EINTR, t.err) TH_LOG("%s", calls[some[i]].text);
		scene_end(&s);
	}
}

/* A process in any of these calls can be killed. */
TEST_F_TIMEOUT(signals, kill, 60)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		int status;
		pid_t pid = fork();

		ASSERT_OK(pid);
		if (!pid) {
			struct scene s;
			struct task t = { .arg = &s };

			if (make_side(&s, variant->door, calls[i].side))
				_exit(1);
			t.fd = s.fd;
			calls[i].call(&t);
			_exit(2);
		}
		ASSERT_EQ(0, wait_blocked(pid, pid, syscall_of(i))) TH_LOG("%s", calls[i].text);
		ASSERT_OK(kill(pid, SIGKILL));
		ASSERT_OK(wait_child(pid, &status));
		EXPECT_TRUE(WIFSIGNALED(status)) TH_LOG("%s", calls[i].text);
	}
}

static long recv_four(struct task *t)
{
	return recv(t->fd, byte, 4, MSG_WAITALL);
}

/* What had come is not lost by the signal. */
TEST_F(signals, partial_receive)
{
	struct task t = { .fn = recv_four };
	int sv[2];

	catch_signal(SA_RESTART);
	ASSERT_OK(door_connected(variant->door, sv));
	t.fd = sv[1];
	ASSERT_OK(task_start(&t));
	ASSERT_EQ(2, send(sv[0], "ab", 2, 0));
	while (count_pending(sv[1], FIONREAD))
		sched_yield();
	ASSERT_OK(task_blocked(&t, SYS_recvfrom));
	ASSERT_EQ(0, pthread_kill(t.thread, SIGUSR1));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(2, t.ret);
	EXPECT_EQ(0, memcmp(byte, "ab", 2));
	close(sv[0]);
	close(sv[1]);
}

static long send_much(struct task *t)
{
	return send(t->fd, t->arg, t->number, 0);
}

TEST_F(signals, partial_send)
{
	static char buf[4000000];
	struct task t = { .fn = send_much, .arg = buf, .number = sizeof(buf) };
	int sv[2];

	catch_signal(0);
	pattern_fill(buf, sizeof(buf), 0);
	ASSERT_OK(door_connected(variant->door, sv));
	ASSERT_OK(sock_set(sv[0], SOL_SOCKET, SO_SNDBUF, 16384));
	ASSERT_OK(sock_set(sv[1], SOL_SOCKET, SO_RCVBUF, 16384));
	t.fd = sv[0];
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	ASSERT_EQ(0, pthread_kill(t.thread, SIGUSR1));
	ASSERT_OK(task_join(&t));
	ASSERT_LT(0, t.ret);
	EXPECT_GT(sizeof(buf), t.ret);
	EXPECT_EQ(t.ret, drain_socket(sv[1], 0, t.ret));
	EXPECT_ERR(EAGAIN, recv(sv[1], buf, 1, MSG_DONTWAIT));
	close(sv[0]);
	close(sv[1]);
}

/* close() of the descriptor does not take the socket from the thread that is in it. */
TEST_F_TIMEOUT(signals, close_while_blocked, 60)
{
	struct scene s;
	struct task t;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		if (calls[i].side != READER || !calls[i].restarts)
			continue;
		block_in(_metadata, i, &t, &s, variant->door);
		ASSERT_OK(close(s.fd));
		fd = s.fd;
		s.fd = -1;
		EXPECT_TRUE(task_running(&t)) TH_LOG("%s", calls[i].text);
		ASSERT_EQ(1, send(s.peer, "x", 1, 0)) TH_LOG("%s", calls[i].text);
		ASSERT_EQ(0, task_join(&t)) TH_LOG("%s", calls[i].text);
		EXPECT_EQ(1, t.ret) TH_LOG("%s", calls[i].text);
		/* now it is closed */
		EXPECT_ERR(EBADF, recv(fd, byte, 1, 0));
		EXPECT_EQ(0, recv(s.peer, byte, 1, 0));
		scene_end(&s);
	}
}

/* A listener, too, lives as long as somebody is in accept(). */
TEST_F(signals, close_while_accepting)
{
	struct scene s;
	struct task t = { .fn = call_accept };
	int port;

	ASSERT_OK(scene_make(&s, variant->door, "listening"));
	port = sock_port(s.fd);
	t.fd = s.fd;
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_accept));
	ASSERT_OK(close(s.fd));
	s.fd = -1;
	s.peer = door_dial(variant->door, 0, port);
	EXPECT_OK(s.peer);
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(1, t.ret);
	EXPECT_ERR(ECONNREFUSED, door_dial(variant->door, 0, port));
	scene_end(&s);
}

/* shutdown() from another thread ends all of them. */
TEST_F_TIMEOUT(signals, shutdown_while_blocked, 60)
{
	struct scene s;
	struct task t;
	size_t i;

	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		block_in(_metadata, i, &t, &s, variant->door);
		ASSERT_OK(shutdown(s.fd, SHUT_RDWR));
		ASSERT_EQ(0, task_join(&t)) TH_LOG("%s", calls[i].text);
		EXPECT_GE(1, t.ret) TH_LOG("%s: %ld", calls[i].text, t.ret);
		scene_end(&s);
	}
}

TEST_HARNESS_MAIN
