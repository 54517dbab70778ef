// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls of the scripts, but for those with messages (msgs.c). Each adds to
 * the facts what it returned; word 1 of a step is the socket's name.
 */
#include <linux/sockios.h>
#include <sys/un.h>

#include "diff.h"

/* --- words --- */

struct sock *sock_word(struct run *run, const struct step *s, int word)
{
	struct sock *sk = sock_find(run, s->word[word]);

	if (!sk)
		run_broken(run, "no socket %s in: %s", s->word[word], s->key);
	return sk;
}

int flags_from(struct run *run, const struct step *s, int word)
{
	int flags = 0;

	for (; word < s->nwords; word++) {
		int flag = flag_parse(s->word[word]);

		if (!flag)
			run_broken(run, "no such flag: %s", s->word[word]);
		flags |= flag;
	}
	return flags;
}

/* "text", or N* for N bytes of the pattern; the caller frees them. */
size_t data_parse(struct run *run, const char *word, char **data)
{
	size_t len = strlen(word);
	char *end;

	if (*word == '"') {
		*data = strndup(word + 1, len - 2);
		return len - 2;
	}
	len = strtoul(word, &end, 10);
	if (strcmp(end, "*"))
		run_broken(run, "no data: %s", word);
	*data = malloc(len + 1);
	pattern_fill(*data, len, 0);
	return len;
}

/* The words "dgram", "v6", "nonblock" and the like that end the step. */
static void socket_words(struct run *run, const struct step *s, int word, int *type, int *af,
			 int *flags)
{
	*type = run_type(run);
	*af = run->world->af;
	*flags = SOCK_CLOEXEC;
	for (; word < s->nwords; word++) {
		if (!strcmp(s->word[word], "nonblock"))
			*flags |= SOCK_NONBLOCK;
		else if (!strcmp(s->word[word], "v4"))
			*af = AF_INET;
		else if (!strcmp(s->word[word], "v6"))
			*af = AF_INET6;
		else
			run_broken(run, "%s: no word of socket()'s", s->word[word]);
	}
}

/* --- making and connecting --- */

static void call_socket(struct run *run, const struct step *s, struct facts *f)
{
	int type, af, flags, fd;

	socket_words(run, s, 2, &type, &af, &flags);
	fd = run_socket(run, type, af, flags);
	fact_result(f, fd < 0 ? -1 : 0);
	if (fd >= 0)
		sock_add(run, s->word[1], fd, af);
}

static void call_socketpair(struct run *run, const struct step *s, struct facts *f)
{
	int sv[2], ret, type = run_type(run), af = run->world->af;

	if (run_over_unix(run))
		ret = socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, sv);
	else if (run_is_oracle(run))
		ret = socketpair(af, type, 0, sv);
	else
		ret = socketpair(door_domain(run->world->door), type,
				 door_protocol(run->world->door), sv);
	fact_result(f, ret);
	if (ret)
		return;
	sock_add(run, s->word[1], sv[0], af);
	sock_add(run, s->word[2], sv[1], af);
}

static void call_bind(struct run *run, const struct step *s, struct facts *f)
{
	struct sock *sk = sock_word(run, s, 1);
	union addr a;
	socklen_t len = place_parse(run, s->word[2], sk->af, &a);

	fact_result(f, bind(sk->fd, &a.sa, len));
}

static void call_listen(struct run *run, const struct step *s, struct facts *f)
{
	fact_result(f, listen(sock_word(run, s, 1)->fd, atoi(s->word[2])));
}

static void call_connect(struct run *run, const struct step *s, struct facts *f)
{
	struct sock *sk = sock_word(run, s, 1);
	union addr a;
	socklen_t len = place_parse(run, s->word[2], sk->af, &a);

	fact_result(f, connect(sk->fd, &a.sa, len));
}

/* accept LISTENER NAME [nonblock] [noaddr] */
static void call_accept(struct run *run, const struct step *s, struct facts *f)
{
	struct sock *sk = sock_word(run, s, 1);
	bool nonblock = s->nwords > 3 && !strcmp(s->word[3], "nonblock");
	union addr a;
	socklen_t len = sizeof(a);
	int fd;

	fd = accept4(sk->fd, &a.sa, &len, SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0));
	fact_result(f, fd < 0 ? -1 : 0);
	if (fd < 0)
		return;
	fact_place(run, f, "from", &a, len);
	sock_add(run, s->word[2], fd, sk->af);
}

/* A socket bound to a port that the kernel chose; -1. */
static int bound_socket(struct run *run)
{
	union addr a;
	int fd = run_socket(run, run_type(run), run->world->af, SOCK_CLOEXEC);
	socklen_t len = place_parse(run, "lo:0", run->world->af, &a);

	if (fd < 0 || !bind(fd, &a.sa, len))
		return fd;
	close(fd);
	return -1;
}

/* listener NAME BACKLOG: a socket that is bound and listens. */
static void call_listener(struct run *run, const struct step *s, struct facts *f)
{
	int fd = bound_socket(run);
	int ret = fd < 0 ? -1 : listen(fd, atoi(s->word[2]));

	fact_result(f, ret);
	if (!ret)
		sock_add(run, s->word[1], fd, run->world->af);
}

/* bound NAME */
static void call_bound(struct run *run, const struct step *s, struct facts *f)
{
	int fd = bound_socket(run);

	fact_result(f, fd < 0 ? -1 : 0);
	if (fd >= 0)
		sock_add(run, s->word[1], fd, run->world->af);
}

static int dial(struct run *run, int to)
{
	int fd = run_socket(run, run_type(run), run->world->af, SOCK_CLOEXEC);
	union addr a;
	socklen_t len = sizeof(a);

	if (fd >= 0 && (getsockname(to, &a.sa, &len) || connect(fd, &a.sa, len))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Datagrams: two bound sockets, each connected to the other. */
static int pair_dgram(struct run *run, int sv[2])
{
	union addr a;
	socklen_t len;
	int i;

	sv[0] = bound_socket(run);
	sv[1] = bound_socket(run);
	for (i = 0; i < 2; i++) {
		len = sizeof(a);
		if (getsockname(sv[!i], &a.sa, &len) || connect(sv[i], &a.sa, len))
			return -1;
	}
	return 0;
}

static int pair_connected(struct run *run, int sv[2])
{
	int lsn = bound_socket(run);

	if (lsn < 0 || listen(lsn, 1))
		return -1;
	sv[0] = dial(run, lsn);
	sv[1] = sv[0] < 0 ? -1 : accept4(lsn, NULL, NULL, SOCK_CLOEXEC);
	close(lsn);
	return sv[1] < 0 ? -1 : 0;
}

/* pair A B: connected to each other; of streams and records B is what accept() gave. */
static void call_pair(struct run *run, const struct step *s, struct facts *f)
{
	int sv[2], ret;

	ret = run_type(run) == SOCK_DGRAM ? pair_dgram(run, sv) : pair_connected(run, sv);
	fact_result(f, ret);
	if (ret)
		return;
	sock_add(run, s->word[1], sv[0], run->world->af);
	sock_add(run, s->word[2], sv[1], run->world->af);
}

/* --- ending --- */

static void call_shutdown(struct run *run, const struct step *s, struct facts *f)
{
	int how = -1;

	if (!strcmp(s->word[2], "rd"))
		how = SHUT_RD;
	else if (!strcmp(s->word[2], "wr"))
		how = SHUT_WR;
	else if (!strcmp(s->word[2], "rdwr"))
		how = SHUT_RDWR;
	fact_result(f, shutdown(sock_word(run, s, 1)->fd, how));
}

static void call_close(struct run *run, const struct step *s, struct facts *f)
{
	struct sock *sk = sock_word(run, s, 1);

	fact_result(f, close(sk->fd));
	sock_close(sk);
}

/* --- asking --- */

static void call_getsockname(struct run *run, const struct step *s, struct facts *f)
{
	union addr a;
	socklen_t len = sizeof(a);
	int ret = getsockname(sock_word(run, s, 1)->fd, &a.sa, &len);

	fact_result(f, ret);
	if (!ret)
		fact_place(run, f, "addr", &a, len);
}

static void call_getpeername(struct run *run, const struct step *s, struct facts *f)
{
	union addr a;
	socklen_t len = sizeof(a);
	int ret = getpeername(sock_word(run, s, 1)->fd, &a.sa, &len);

	fact_result(f, ret);
	if (!ret)
		fact_place(run, f, "addr", &a, len);
}

static void call_ioctl(struct run *run, const struct step *s, struct facts *f)
{
	static const struct {
		const char *name;
		unsigned long request;
	} names[] = {
		{ "inq", SIOCINQ }, { "outq", SIOCOUTQ }, { "outqnsd", SIOCOUTQNSD },
		{ "atmark", SIOCATMARK },
	};
	int value = -1, ret;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (strcmp(names[i].name, s->word[2]))
			continue;
		ret = ioctl(sock_word(run, s, 1)->fd, names[i].request, &value);
		fact_result(f, ret);
		if (!ret)
			fact_add(f, "value", "%d", value);
		return;
	}
	run_broken(run, "no such ioctl: %s", s->word[2]);
}

static void call_nonblock(struct run *run, const struct step *s, struct facts *f)
{
	fact_result(f, sock_nonblock(sock_word(run, s, 1)->fd));
}

/* await S: until the socket has something to say, but for a time only. */
static void call_await(struct run *run, const struct step *s, struct facts *f)
{
	int mask = poll_events(sock_word(run, s, 1)->fd, POLLIN | POLLOUT, 4000);

	fact_add(f, "ret", mask ? "ready" : "not ready");
}

/* --- much at once --- */

/*
 * fill S [SIZE]: sends until the socket takes no more, which is the result. TCP
 * may go on when an ACK comes that was delayed, so it is given time.
 */
static void call_fill(struct run *run, const struct step *s, struct facts *f)
{
	int delay = run_is_oracle(run) && run_type(run) == SOCK_STREAM ? 250 : 0;
	size_t size = s->nwords > 2 ? atoi(s->word[2]) : 16384;
	int fd = sock_word(run, s, 1)->fd;
	char *buf = calloc(1, size);
	int64_t end;
	int err;

	do {
		while (send(fd, buf, size, MSG_DONTWAIT) > 0)
			;
		err = errno;
		end = now_ms() + delay;
		do {
			barrier(run, 3);
		} while (err == EAGAIN && !poll_events(fd, POLLOUT, 10) && now_ms() < end);
	} while (err == EAGAIN && now_ms() < end);
	free(buf);
	errno = err;
	fact_result(f, -1);
}

static void call_unmask(struct run *run, const struct step *s, struct facts *f)
{
	sock_word(run, s, 1)->unmasked = !strcmp(s->word[0], "unmask");
}

/* drain S FROM: reads until nothing is left that the other end, or a thread, has sent. */
static void call_drain(struct run *run, const struct step *s, struct facts *f)
{
	int fd = sock_word(run, s, 1)->fd, from = sock_word(run, s, 2)->fd;
	int64_t end = now_ms() + 4000;
	static char buf[65536];
	bool idle = false;
	long n;

	for (;;) {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n > 0) {
			idle = false;
			continue;
		}
		if (!n || errno != EAGAIN || idle || now_ms() > end)
			break;
		barrier(run, 3);
		jobs_settle(run);
		barrier(run, 3);
		idle = count_pending(from, SIOCOUTQ) == 0;
	}
	fact_result(f, n);
}

const struct call calls[] = {
	{ "socket", call_socket, 2 },
	{ "socketpair", call_socketpair, 3 },
	{ "bind", call_bind, 3 },
	{ "listen", call_listen, 3 },
	{ "connect", call_connect, 3, SYS_connect },
	{ "accept", call_accept, 3, SYS_accept4 },
	{ "listener", call_listener, 3 },
	{ "bound", call_bound, 2 },
	{ "pair", call_pair, 3 },
	{ "shutdown", call_shutdown, 3 },
	{ "close", call_close, 2 },
	{ "getsockname", call_getsockname, 2 },
	{ "getpeername", call_getpeername, 2 },
	{ "setsockopt", call_setsockopt, 4 },
	{ "getsockopt", call_getsockopt, 3 },
	{ "ioctl", call_ioctl, 3 },
	{ "nonblock", call_nonblock, 2 },
	{ "await", call_await, 2 },
	{ "fill", call_fill, 2 },
	{ "drain", call_drain, 3 },
	{ "unmask", call_unmask, 2 },
	{ "mask", call_unmask, 2 },
	{ "start", call_start, 3 },
	{ "join", call_join, 2 },
	{ "option", option_run, 3 },
	{ }
};

static const struct call *call_named(const struct call *list, const char *name)
{
	for (; list->name; list++)
		if (!strcmp(list->name, name))
			return list;
	return NULL;
}

const struct call *call_find(struct run *run, const struct step *s)
{
	const struct call *c = call_named(calls, s->word[0]);

	if (!c)
		c = call_named(msg_calls, s->word[0]);
	if (!c)
		run_broken(run, "no such call: %s", s->key);
	if (s->nwords < c->min_words)
		run_broken(run, "too few words: %s", s->key);
	return c;
}
