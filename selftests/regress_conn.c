// SPDX-License-Identifier: GPL-2.0-only
/*
 * What once went wrong with the making and ending of connections: where they
 * come from, who gets them, what is left when the module cannot be loaded.
 */
#include <kselftest_harness.h>

#include <sched.h>
#include <sys/epoll.h>
#include <net/if.h>

#include <linux/rtnetlink.h>

#include "common.h"

#define RACE_MS		400	/* of one race at scale 1 */
#define RACE_ROUNDS	20	/* at least */
#define RACE_TIMEOUT	200	/* seconds that the harness grants a race */
#define FOREIGN4	"198.51.100.77"
#define FOREIGN6	"2001:db8::77"

FIXTURE(conn) {
	int lsn;
	int port;
};

DOOR_FIXTURE(conn);

FIXTURE_SETUP(conn)
{
	self->lsn = door_listener(variant->door, 8);
	ASSERT_OK(self->lsn);
	self->port = sock_port(self->lsn);
}

FIXTURE_TEARDOWN(conn)
{
	close(self->lsn);
}

static int dial_from(int fd, const struct door *d, int port)
{
	union addr a;
	socklen_t len = door_loop(d, &a, port);

	return connect(fd, &a.sa, len);
}

/* An address that is nobody's here may be bound, but no client comes from it. */
static int foreign_client(const struct door *d, int option)
{
	bool v6 = d->af == AF_INET6;
	union addr a;
	socklen_t len = door_addr(d, &a, FOREIGN4, FOREIGN6, 0);
	int fd = door_socket(d, SOCK_NONBLOCK);

	if (option && sock_set(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, option, 1))
		return -1;
	return bind(fd, &a.sa, len) ? -1 : fd;
}

static int no_source(const struct door *d)
{
	return d->af == AF_INET || d->mapped ? ENETUNREACH : EINVAL;
}

TEST_F(conn, freebind_is_no_source)
{
	bool v6 = variant->door->af == AF_INET6;
	int fd;

	if (v6 && over_tcp())
		SKIP(return, "TCP over IPv6 waits for an answer");
	fd = foreign_client(variant->door, v6 ? IPV6_FREEBIND : IP_FREEBIND);
	ASSERT_OK(fd);
	EXPECT_EQ(-1, dial_from(fd, variant->door, self->port))
		TH_LOG("a client from an address that nobody has");
	EXPECT_EQ(no_source(variant->door), errno) TH_LOG("%s", strerror(errno));
	close(fd);
}

TEST_F(conn, nonlocal_bind_is_no_source)
{
	bool v6 = variant->door->af == AF_INET6;
	int fd, lsn;

	if (v6 && over_tcp())
		SKIP(return, "TCP over IPv6 waits for an answer");
	ASSERT_OK(netns_new());
	ASSERT_OK(sysctl_write(v6 ? "net/ipv6/ip_nonlocal_bind" : "net/ipv4/ip_nonlocal_bind",
			       "1"));
	lsn = door_listener(variant->door, 1);
	ASSERT_OK(lsn);
	fd = foreign_client(variant->door, 0);
	ASSERT_OK(fd);
	EXPECT_EQ(-1, dial_from(fd, variant->door, sock_port(lsn)))
		TH_LOG("a client from an address that nobody has");
	EXPECT_EQ(no_source(variant->door), errno) TH_LOG("%s", strerror(errno));
	close(fd);
	close(lsn);
}

/* With the right to, it does. */
TEST_F(conn, transparent_source)
{
	bool v6 = variant->door->af == AF_INET6;
	union addr a, b;
	socklen_t len = sizeof(b);
	int fd, child;

	if (over_tcp())
		SKIP(return, "TCP's packets would be martians");
	fd = foreign_client(variant->door, v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT);
	ASSERT_OK(fd);
	EXPECT_OK(dial_from(fd, variant->door, self->port));
	ASSERT_OK(sock_nonblock(self->lsn));
	child = accept(self->lsn, &b.sa, &len);
	ASSERT_OK(child);
	door_addr(variant->door, &a, FOREIGN4, FOREIGN6, sock_port(fd));
	EXPECT_EQ(0, v6 ? memcmp(&a.in6.sin6_addr, &b.in6.sin6_addr, 16) :
			  a.in.sin_addr.s_addr != b.in.sin_addr.s_addr);
	close(child);
	close(fd);
}

/* A thread that makes sockets by the IPv6 door, while the module comes and goes. */
struct knocker {
	struct task task;
	unsigned int stop;
};

static long knock(struct task *t)
{
	struct knocker *k = t->arg;
	int fd = -1;

	/* A socket that there should not be is kept: its close would be an accident. */
	while (!__atomic_load_n(&k->stop, __ATOMIC_ACQUIRE) && fd < 0)
		fd = socket(AF_INET6, SOCK_STREAM, IPPROTO_NEWPROTO);
	return fd;
}

static int load_module(const char *path, const char *params)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err, ret;

	if (fd < 0)
		return -1;
	ret = syscall(SYS_finit_module, fd, params, 0);
	err = errno;
	close(fd);
	errno = err;
	return ret;
}

/* Nothing may hold on to a module that could not be loaded. */
TEST_F_TIMEOUT(conn, taken_family_number, RACE_TIMEOUT)
{
	const char *ko = getenv("NEWPROTO_KO");
	struct knocker k = { };
	char modprobe[256];
	int i;

	if (over_tcp() || !ko)
		SKIP(return, "NEWPROTO_KO does not name the module");
	if (variant->door != &door_inet6)
		SKIP(return, "one is enough");
	ASSERT_OK(close(self->lsn));
	self->lsn = -1;
	if (syscall(SYS_delete_module, "newproto", O_NONBLOCK) && errno != ENOENT)
		SKIP(return, "the module is in use: %s", strerror(errno));
	/* socket() is not to load it */
	ASSERT_LT(0, file_read("/proc/sys/kernel/modprobe", modprobe, sizeof(modprobe)));
	ASSERT_OK(sysctl_write("kernel/modprobe", "\n"));
	k.task = (struct task){ .fn = knock, .arg = &k };
	EXPECT_OK(task_start(&k.task));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(-1, load_module(ko, "family=2"));
		EXPECT_EQ(EEXIST, errno) TH_LOG("load %d: %s", i, strerror(errno));
		EXPECT_EQ(-1, access("/sys/module/newproto", F_OK));
	}
	__atomic_store_n(&k.stop, 1, __ATOMIC_RELEASE);
	EXPECT_OK(task_join(&k.task));
	EXPECT_EQ(-1, k.task.ret)
		TH_LOG("socket() by a module that was never loaded, and is freed");
	EXPECT_OK(sysctl_write("kernel/modprobe", modprobe));
	EXPECT_OK(load_module(ko, ""));
	self->lsn = door_listener(variant->door, 1);
	EXPECT_OK(self->lsn);
	EXPECT_OK(door_dial(variant->door, 0, sock_port(self->lsn)));
}

#define BACKLOG		1000

static int reuseport_listener(const struct door *d, int port)
{
	union addr a;
	socklen_t len = door_loop(d, &a, port);
	int fd = door_socket(d, SOCK_NONBLOCK);

	if (fd >= 0 && (sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1) || bind(fd, &a.sa, len) ||
			listen(fd, BACKLOG))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Clients of a port that always has a listener. One that waits at a full queue is
 * refused when its listener goes, so they do not run ahead of accept() so far.
 */
struct clients {
	struct task task;
	const struct door *door;
	int port;
	unsigned int stop, calls, refused;
	unsigned int settled;	/* calls whose connections are in no queue any more */
};

static bool clients_ahead(const struct clients *c)
{
	return __atomic_load_n(&c->calls, __ATOMIC_ACQUIRE) -
	       __atomic_load_n(&c->settled, __ATOMIC_ACQUIRE) > BACKLOG / 2;
}

static long dial_on(struct task *t)
{
	struct linger hard = { .l_onoff = 1 };
	struct clients *c = t->arg;
	union addr a;
	socklen_t len = door_loop(c->door, &a, c->port);
	int fd;

	while (!__atomic_load_n(&c->stop, __ATOMIC_ACQUIRE)) {
		if (clients_ahead(c)) {
			sched_yield();
			continue;
		}
		fd = door_socket(c->door, 0);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		if (connect(fd, &a.sa, len) && errno == ECONNREFUSED)
			__atomic_add_fetch(&c->refused, 1, __ATOMIC_RELEASE);
		close(fd);
		__atomic_add_fetch(&c->calls, 1, __ATOMIC_RELEASE);
	}
	return 0;
}

static void accept_all(int lsn)
{
	int fd;

	while ((fd = accept(lsn, NULL, NULL)) >= 0)
		close(fd);
}

/* One of two listeners is started again and again; the other one stays. */
TEST_F_TIMEOUT(conn, restart_of_one_listener_refuses_nobody, RACE_TIMEOUT)
{
	int64_t end = now_ms() + RACE_MS * test_scale();
	struct clients c = { .door = variant->door };
	int stays = reuseport_listener(variant->door, 0);
	unsigned int round, before;

	if (over_tcp())
		SKIP(return, "TCP refuses whom a closing listener had");
	ASSERT_OK(stays);
	c.port = sock_port(stays);
	c.task = (struct task){ .fn = dial_on, .arg = &c };
	ASSERT_OK(task_start(&c.task));
	for (round = 0; round < RACE_ROUNDS || now_ms() < end; round++) {
		int comes = reuseport_listener(variant->door, c.port);

		ASSERT_OK(comes);
		before = __atomic_load_n(&c.calls, __ATOMIC_ACQUIRE);
		while (__atomic_load_n(&c.calls, __ATOMIC_ACQUIRE) - before < round % 3 &&
		       !clients_ahead(&c) && task_running(&c.task))
			accept_all(stays);
		before = __atomic_load_n(&c.calls, __ATOMIC_ACQUIRE);
		close(comes);
		accept_all(stays);
		__atomic_store_n(&c.settled, before, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&c.stop, 1, __ATOMIC_RELEASE);
	ASSERT_OK(task_join(&c.task));
	EXPECT_EQ(0, c.refused)
		TH_LOG("%u of %u clients refused, though somebody listened, in %u restarts",
		       c.refused, c.calls, round);
	close(stays);
}

/* Several listeners share the work. */
TEST_F(conn, reuseport_spreads)
{
	enum { LISTENERS = 4, CLIENTS = 256 };
	int lsn[LISTENERS], fds[CLIENTS];
	int i, fd, count, sum = 0;

	/* on a slow kernel the first to accept would have the work of the others, too */
	if (!over_tcp())
		ASSERT_OK(sysctl_write("net/newproto/group_silent_time", "0"));
	lsn[0] = reuseport_listener(variant->door, 0);
	ASSERT_OK(lsn[0]);
	for (i = 1; i < LISTENERS; i++) {
		lsn[i] = reuseport_listener(variant->door, sock_port(lsn[0]));
		ASSERT_OK(lsn[i]);
	}
	for (i = 0; i < CLIENTS; i++) {
		fds[i] = door_dial(variant->door, 0, sock_port(lsn[0]));
		ASSERT_OK(fds[i]);
	}
	for (i = 0; i < LISTENERS; i++) {
		for (count = 0; (fd = accept(lsn[i], NULL, NULL)) >= 0; count++)
			close(fd);
		EXPECT_LT(0, count) TH_LOG("listener %d of %d got nothing", i, LISTENERS);
		sum += count;
		close(lsn[i]);
	}
	EXPECT_EQ(CLIENTS, sum);
	if (!over_tcp())
		ASSERT_OK(sysctl_write("net/newproto/group_silent_time", "1000"));
	for (i = 0; i < CLIENTS; i++)
		close(fds[i]);
}

static int fault_nth(const char *text)
{
	return file_write("/proc/thread-self/fail-nth", text);
}

/* accept() in which the n-th allocation of memory fails. */
static long accept_poor(struct task *t)
{
	int fail = open("/proc/thread-self/fail-nth", O_RDWR);
	char text[16];
	long ret;
	int err, n;

	snprintf(text, sizeof(text), "%ld", t->number);
	if (fail < 0 || write(fail, text, strlen(text)) < 0)
		return -1;
	ret = accept(t->fd, NULL, NULL);
	err = errno;
	/* what is left of the number: not so many allocations */
	n = pread(fail, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	t->number = atoi(text);
	fault_nth("0");
	close(fail);
	errno = err;
	return ret;
}

static long accept_rich(struct task *t)
{
	return accept(t->fd, NULL, NULL);
}

/* Sleeps in accept(), or has failed before that. */
static void wait_asleep_or_over(struct task *t)
{
	char path[64], text[160], call[16];
	int64_t end = now_ms() + WAIT_MS;

	snprintf(call, sizeof(call), "%d ", SYS_accept);
	do {
		snprintf(path, sizeof(path), "/proc/self/task/%d/syscall",
			 __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE));
		if (file_read(path, text, sizeof(text)) > 0 && !strncmp(text, call, strlen(call)))
			return;
		sched_yield();
	} while (task_running(t) && now_ms() < end);
}

/* Faults in sleeping allocations, of which nobody is to be told in the log. */
static int faults_on(void)
{
	if (fault_nth("0"))
		return -1;
	file_write("/sys/kernel/debug/failslab/verbose", "0");
	return file_write("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
}

/* The connection that an accept() has no memory for is another one's. */
TEST_F_TIMEOUT(conn, accept_without_memory_passes_it_on, RACE_TIMEOUT)
{
	struct task poor, rich;
	int fd, nth, failures = 0;
	bool used = true;

	if (faults_on())
		SKIP(return, "no fault injection in this kernel: %s", strerror(errno));
	for (nth = 1; nth < 100 && used; nth++) {
		poor = (struct task){ .fn = accept_poor, .fd = self->lsn, .number = nth };
		rich = (struct task){ .fn = accept_rich, .fd = self->lsn };
		ASSERT_OK(task_start(&poor));
		wait_asleep_or_over(&poor);
		ASSERT_OK(task_start(&rich));
		ASSERT_OK(task_blocked(&rich, SYS_accept));
		fd = door_dial(variant->door, 0, self->port);
		ASSERT_OK(fd);
		ASSERT_OK(task_join(&poor));
		/* the fault came, or there are not so many allocations */
		used = poor.number == 0;
		failures += poor.ret < 0;
		if (poor.ret >= 0) {
			close(poor.ret);
			close(fd);
			fd = door_dial(variant->door, 0, self->port);
		}
		ASSERT_OK(task_join(&rich));
		EXPECT_LE(0, rich.ret) TH_LOG("fault %d", nth);
		close(rich.ret);
		close(fd);
	}
	EXPECT_FALSE(used);
	EXPECT_LT(0, failures) TH_LOG("no accept() has failed in %d faults", nth);
}

static int link_del(const char *ifname)
{
	struct {
		struct nlmsghdr hdr;
		struct ifinfomsg info;
	} r = {
		.hdr = { .nlmsg_len = sizeof(r), .nlmsg_type = RTM_DELLINK,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.info = { .ifi_index = if_nametoindex(ifname) },
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	char answer[256];

	/* the answer comes when it is done; if_nametoindex() tells whether it is */
	if (send(fd, &r, sizeof(r), 0) < 0 || recv(fd, answer, sizeof(answer), 0) < 0)
		r.info.ifi_index = 0;
	close(fd);
	return r.info.ifi_index && !if_nametoindex(ifname) ? 0 : -1;
}

static int second_device(const char *ifname)
{
	if (link_add("dummy", ifname) && link_add("veth", ifname))
		return -1;
	return link_up(ifname);
}

/* The address with its device: that of both ends. */
static void check_scope(struct __test_metadata *_metadata, const char *ifname, const char *text)
{
	union addr a = { }, b;
	socklen_t len = sizeof(a.in6);
	unsigned int index = if_nametoindex(ifname);
	int fd, child, lsn = door_socket(&door_inet6, 0);

	ASSERT_OK(addr_add(ifname, text, 64));
	a.in6.sin6_family = AF_INET6;
	ASSERT_OK(bind(lsn, &a.sa, len));
	ASSERT_OK(listen(lsn, 1));
	inet_pton(AF_INET6, text, &a.in6.sin6_addr);
	a.in6.sin6_scope_id = index;
	addr_set_port(&a, sock_port(lsn));
	fd = door_socket(&door_inet6, 0);
	ASSERT_OK(connect(fd, &a.sa, len));
	len = sizeof(b);
	child = accept(lsn, &b.sa, &len);
	ASSERT_OK(child);
	EXPECT_EQ(index, b.in6.sin6_scope_id) TH_LOG("accept() on %s", ifname);
	len = sizeof(b);
	EXPECT_OK(getpeername(child, &b.sa, &len));
	EXPECT_EQ(index, b.in6.sin6_scope_id) TH_LOG("getpeername() on %s", ifname);
	len = sizeof(a);
	EXPECT_OK(getsockname(child, &a.sa, &len));
	EXPECT_EQ(index, a.in6.sin6_scope_id) TH_LOG("getsockname() on %s", ifname);
	close(fd);
	/* and it is good enough to connect to */
	fd = door_socket(&door_inet6, 0);
	addr_set_port(&b, addr_port(&a));
	EXPECT_EQ(0, connect(fd, &b.sa, sizeof(b.in6))) TH_LOG("%s", strerror(errno));
	close(fd);
	close(child);
	close(lsn);
}

TEST(link_local_peers_have_a_scope)
{
	if (over_tcp())
		SKIP(return, "IPv6 has no route to such an address of lo");
	SKIP_OVER_NIC("addresses of lo");
	ASSERT_OK(netns_new());
	check_scope(_metadata, "lo", "fe80::1");
}

TEST(link_local_peers_on_a_device_have_a_scope)
{
	SKIP_OVER_NIC("addresses of another device");
	ASSERT_OK(netns_new());
	if (second_device("np0"))
		SKIP(return, "no second device: %s", strerror(errno));
	check_scope(_metadata, "np0", "fe80::2");
}

/* A client that is bound to a device reaches that device's addresses only. */
TEST_F(conn, bound_to_another_device)
{
	int lsn, fd;

	if (over_tcp())
		SKIP(return, "TCP sends its packets to the device");
	SKIP_OVER_NIC("addresses of lo");
	ASSERT_OK(netns_new());
	if (second_device("np0"))
		SKIP(return, "no second device: %s", strerror(errno));
	lsn = door_listener(variant->door, 1);
	ASSERT_OK(lsn);
	fd = door_socket(variant->door, SOCK_NONBLOCK);
	ASSERT_OK(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "np0", 4));
	EXPECT_EQ(-1, dial_from(fd, variant->door, sock_port(lsn)))
		TH_LOG("through np0 to lo's address");
	EXPECT_EQ(ENETUNREACH, errno) TH_LOG("%s", strerror(errno));
	close(fd);

	/* nor any address when it is gone */
	fd = door_socket(variant->door, SOCK_NONBLOCK);
	ASSERT_OK(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "np0", 4));
	ASSERT_OK(link_del("np0"));
	EXPECT_EQ(-1, dial_from(fd, variant->door, sock_port(lsn)))
		TH_LOG("through a device that is gone");
	EXPECT_EQ(ENETUNREACH, errno) TH_LOG("%s", strerror(errno));
	close(fd);
	close(lsn);
}

static int dissolve(int fd)
{
	struct sockaddr unspec = { .sa_family = AF_UNSPEC };

	return connect(fd, &unspec, sizeof(unspec));
}

TEST_F(conn, dissolving_leaves_an_error)
{
	int fd = door_dial(variant->door, 0, self->port);

	ASSERT_OK(fd);
	ASSERT_OK(dissolve(fd));
	EXPECT_EQ(ECONNRESET, sock_error(fd));
	EXPECT_EQ(0, sock_error(fd));
	/* who was not connected has none */
	ASSERT_OK(dissolve(fd));
	EXPECT_EQ(0, sock_error(fd));
	close(fd);
}

TEST_F(conn, dissolving_keeps_the_port_of_who_never_connected)
{
	int fd = door_bound(variant->door, 0, 0);
	int port = sock_port(fd);

	ASSERT_LT(0, port);
	ASSERT_OK(dissolve(fd));
	EXPECT_EQ(port, sock_port(fd));
	close(fd);
}

/* What a dissolved connection has left does not spoil the next one. */
TEST_F(conn, reconnecting_clears_the_error)
{
	int fd = door_dial(variant->door, 0, self->port);
	int child = accept(self->lsn, NULL, NULL);

	ASSERT_OK(child);
	close(child);
	ASSERT_OK(dissolve(fd));
	ASSERT_OK(dial_from(fd, variant->door, self->port));
	child = accept(self->lsn, NULL, NULL);
	ASSERT_OK(child);
	EXPECT_EQ(POLLOUT, poll_events(fd, POLLOUT, WAIT_MS));
	EXPECT_EQ(1, send(fd, "x", 1, MSG_NOSIGNAL)) TH_LOG("%s", strerror(errno));
	EXPECT_EQ(0, sock_error(fd));
	close(child);
	close(fd);
}

/* A port that was bound after a connect() had failed is the next one's. */
TEST_F(conn, rebound_port_is_used)
{
	int lsn = door_listener(variant->door, 0);
	int first = door_dial(variant->door, 0, sock_port(lsn));
	union addr a;
	socklen_t len;
	int fd, port;

	if (over_tcp())
		SKIP(return, "TCP's client tries for a minute");
	ASSERT_OK(first);
	fd = door_dial(variant->door, SOCK_NONBLOCK, sock_port(lsn));
	ASSERT_OK(fd);
	close(lsn);
	EXPECT_EQ(POLLOUT | POLLERR | POLLHUP, poll_events(fd, POLLOUT, WAIT_MS));
	EXPECT_EQ(-1, dial_from(fd, variant->door, self->port));
	EXPECT_EQ(ECONNREFUSED, errno) TH_LOG("%s", strerror(errno));

	len = door_loop(variant->door, &a, 0);
	ASSERT_OK(bind(fd, &a.sa, len));
	port = sock_port(fd);
	ASSERT_LT(0, port);
	ASSERT_OK(dial_from(fd, variant->door, self->port));
	EXPECT_EQ(port, sock_port(fd)) TH_LOG("connect() has changed the port that bind() gave");
	close(fd);
	close(first);
}

/* Nobody sleeps on in accept() of a socket that listens no more. */
static void end_of_listening(struct __test_metadata *_metadata, int lsn, bool by_shutdown)
{
	struct task t[4];
	int i;

	for (i = 0; i < 4; i++) {
		t[i] = (struct task){ .fn = accept_rich, .fd = lsn };
		ASSERT_OK(task_start(&t[i]));
		ASSERT_OK(task_blocked(&t[i], SYS_accept));
	}
	ASSERT_OK(by_shutdown ? shutdown(lsn, SHUT_RD) : dissolve(lsn));
	for (i = 0; i < 4; i++) {
		ASSERT_OK(task_join(&t[i]));
		EXPECT_EQ(-1, t[i].ret);
		EXPECT_EQ(EINVAL, t[i].err);
	}
}

TEST_F(conn, dissolving_wakes_every_accept)
{
	if (over_tcp())
		SKIP(return, "TCP wakes one");
	end_of_listening(_metadata, self->lsn, false);
}

TEST_F(conn, shutdown_wakes_every_accept)
{
	end_of_listening(_metadata, self->lsn, true);
}

TEST_F(conn, accepted_sockets_inherit)
{
	static const struct {
		const char *text;
		int name, value;
	} options[] = {
		{ "SO_TIMESTAMP", SO_TIMESTAMP, 1 }, { "SO_TIMESTAMPNS", SO_TIMESTAMPNS, 1 },
		{ "SO_MAX_PACING_RATE", SO_MAX_PACING_RATE, 123456 },
		{ "SO_BUSY_POLL", SO_BUSY_POLL, 77 },
	};
	int child, fd, lsn;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		lsn = door_listener(variant->door, 1);
		ASSERT_OK(lsn);
		EXPECT_EQ(0, sock_set(lsn, SOL_SOCKET, options[i].name, options[i].value))
			TH_LOG("%s: %s", options[i].text, strerror(errno));
		fd = door_dial(variant->door, 0, sock_port(lsn));
		ASSERT_OK(fd);
		child = accept(lsn, NULL, NULL);
		ASSERT_OK(child);
		EXPECT_EQ(options[i].value, sock_int(child, SOL_SOCKET, options[i].name))
			TH_LOG("%s", options[i].text);
		close(child);
		close(fd);
		close(lsn);
	}
}

/* Two ends of a pair do not cost two ports. */
TEST_F(conn, more_pairs_than_half_the_ports)
{
	enum { PAIRS = 70 };
	int sv[PAIRS][2], n, i;
	char c;

	if (over_tcp())
		SKIP(return, "TCP has no pairs");
	ASSERT_OK(netns_new());
	ASSERT_OK(sysctl_write("net/ipv4/ip_local_port_range", "40000 40099"));
	for (n = 0; n < PAIRS; n++)
		if (socketpair(door_domain(variant->door), SOCK_STREAM,
			       door_protocol(variant->door), sv[n]))
			break;
	EXPECT_EQ(PAIRS, n) TH_LOG("pair %d of 100 ports: %s", n, strerror(errno));
	for (i = 0; i < n; i++) {
		c = i;
		EXPECT_EQ(1, send(sv[i][i % 2], &c, 1, 0));
	}
	for (i = 0; i < n; i++) {
		c = 0;
		EXPECT_EQ(1, recv(sv[i][!(i % 2)], &c, 1, MSG_DONTWAIT));
		EXPECT_EQ(i, c) TH_LOG("another pair's byte");
		close(sv[i][0]);
		close(sv[i][1]);
	}
}

/* Who has ended both halves wants no more bytes, and their writer learns that it is
 * so: it does not fill a buffer that nobody will ever read.
 */
TEST_F(conn, deaf_end_resets)
{
	int sv[2], n, i;
	char buf[4096] = { };

	ASSERT_OK(door_connected(variant->door, sv));
	ASSERT_OK(shutdown(sv[1], SHUT_RD));
	EXPECT_EQ(1, send(sv[0], "x", 1, MSG_NOSIGNAL)) TH_LOG("one half: %s", strerror(errno));
	EXPECT_EQ(1, recv(sv[1], buf, 1, MSG_WAITALL)) TH_LOG("that came before");
	ASSERT_OK(shutdown(sv[1], SHUT_WR));
	for (i = 0; i < 1000; i++) {
		n = send(sv[0], buf, sizeof(buf), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			break;
	}
	EXPECT_EQ(-1, n) TH_LOG("a million bytes for nobody");
	EXPECT_TRUE(errno == EPIPE || errno == ECONNRESET) TH_LOG("%s", strerror(errno));
	EXPECT_EQ(ECONNRESET, sock_error_soon(sv[1]));
	close(sv[0]);
	close(sv[1]);
}

static long send_one(struct task *t)
{
	char buf[4096] = { };

	return send(t->fd, buf, sizeof(buf), MSG_NOSIGNAL);
}

/* The same for a writer who sleeps. */
TEST_F(conn, deaf_end_wakes_writer)
{
	struct task t;
	int sv[2];

	if (over_tcp())
		SKIP(return, "TCP tells by segments, which a full window holds back");
	ASSERT_OK(door_connected(variant->door, sv));
	ASSERT_OK(fill_socket(sv[0], 0));
	t = (struct task){ .fn = send_one, .fd = sv[0] };
	ASSERT_OK(task_start(&t));
	ASSERT_OK(task_blocked(&t, SYS_sendto));
	ASSERT_OK(shutdown(sv[1], SHUT_RDWR));
	ASSERT_OK(task_join(&t));
	EXPECT_EQ(-1, t.ret);
	EXPECT_TRUE(t.err == EPIPE || t.err == ECONNRESET) TH_LOG("%s", strerror(t.err));
	close(sv[0]);
	close(sv[1]);
}

/* The end of the stream is seen after it is known that nobody reads any more. */
TEST_F(conn, send_after_end)
{
	char c;
	int sv[2], i;

	for (i = 0; i < 200; i++) {
		ASSERT_OK(door_connected(variant->door, sv));
		close(sv[1]);
		ASSERT_EQ(0, recv(sv[0], &c, 1, 0));
		EXPECT_EQ(0, send(sv[0], "", 0, MSG_NOSIGNAL)) TH_LOG("%s", strerror(errno));
		EXPECT_EQ(0, sock_error(sv[0]));
		if (!over_tcp())
			EXPECT_ERR(EPIPE, send(sv[0], "x", 1, MSG_NOSIGNAL));
		close(sv[0]);
	}
}

/* Of @n rounds as many as a slow kernel has the time for, and never less than five. */
static bool more_rounds(int round, int n, int64_t start)
{
	return round < n && (round < 5 || now_ms() < start + 8000 * test_scale());
}

static long close_it(struct task *t)
{
	return close(t->fd);
}

/* The same where the close is under way. */
TEST_F(conn, send_after_end_of_a_close)
{
	struct task t = { .fn = close_it };
	int64_t start = now_ms();
	char c;
	int sv[2], i;

	if (over_tcp())
		SKIP(return, "TCP takes the first byte");
	for (i = 0; more_rounds(i, 200, start); i++) {
		ASSERT_OK(door_connected(variant->door, sv));
		t.fd = sv[1];
		ASSERT_OK(task_start(&t));
		ASSERT_EQ(0, recv(sv[0], &c, 1, 0));
		EXPECT_ERR(EPIPE, send(sv[0], "x", 1, MSG_NOSIGNAL));
		ASSERT_OK(task_join(&t));
		close(sv[0]);
	}
}

/* Reads a byte as soon as it is there, and ends both halves. */
static long take_and_shut(struct task *t)
{
	int *looking = t->arg;
	char c;

	while (recv(t->fd, &c, 1, MSG_DONTWAIT) != 1)
		__atomic_store_n(looking, 1, __ATOMIC_RELEASE);
	return shutdown(t->fd, SHUT_RDWR);
}

/* Bytes that were read are no cause for a reset, even if their reader is through with
 * all before their writer's send() returns. To wake many takes it that long.
 */
TEST_F_TIMEOUT(conn, read_in_time, 120)
{
	enum { SLEEPERS = 400 };
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int ep[SLEEPERS], sv[2], round, i, looking;
	struct task t = { .fn = take_and_shut, .arg = &looking };
	int64_t start = now_ms();

	for (round = 0; more_rounds(round, 50, start); round++) {
		ASSERT_OK(door_connected(variant->door, sv));
		for (i = 0; i < SLEEPERS; i++) {
			ep[i] = epoll_create1(0);
			ASSERT_OK(epoll_ctl(ep[i], EPOLL_CTL_ADD, sv[1], &ev));
		}
		t.fd = sv[1];
		looking = 0;
		ASSERT_OK(task_start(&t));
		while (!__atomic_load_n(&looking, __ATOMIC_ACQUIRE))
			;
		ASSERT_EQ(1, send(sv[0], "x", 1, MSG_NOSIGNAL));
		ASSERT_OK(task_join(&t));
		EXPECT_EQ(0, sock_error(sv[0])) TH_LOG("the writer, round %d", round);
		EXPECT_EQ(0, sock_error(sv[1])) TH_LOG("the reader, round %d", round);
		for (i = 0; i < SLEEPERS; i++)
			close(ep[i]);
		close(sv[0]);
		close(sv[1]);
	}
}

TEST_F(conn, priority_is_not_inherited)
{
	int fd, child;

	ASSERT_OK(sock_set(self->lsn, SOL_SOCKET, SO_PRIORITY, 5));
	fd = door_dial(variant->door, 0, self->port);
	ASSERT_OK(fd);
	child = accept(self->lsn, NULL, NULL);
	ASSERT_OK(child);
	EXPECT_EQ(0, sock_int(child, SOL_SOCKET, SO_PRIORITY));
	close(child);
	close(fd);
}

TEST_HARNESS_MAIN
