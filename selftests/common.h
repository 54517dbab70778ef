/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the test programs share: the family under test behind one structure
 * (struct door), sockets made ready for use, threads whose blocking can be
 * observed, and the set-up that a bare initramfs lacks.
 *
 * NEWPROTO_TEST_PROTO=tcp (or udp) in the environment runs the same programs
 * over TCP and UDP, the oracles for whatever newproto is meant to share with them.
 * NEWPROTO_TEST_PROTO=nic runs them over the fabric of a pair of npnic devices: listeners
 * are bound to the one, npnic0, and whoever connects to the other.
 * NEWPROTO_TEST_SCALE (1 by default) multiplies the long loops. With
 * NEWPROTO_TEST_FAULTS=1 a kernel that cannot inject faults is a failure, see faultlib.h.
 */
#ifndef NEWPROTO_SELFTESTS_COMMON_H
#define NEWPROTO_SELFTESTS_COMMON_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include <linux/newproto.h>

/* No wait in these programs is longer than this; a debug kernel under emulation is slow. */
#define WAIT_MS		20000

/* Who connects over a NIC knows by then whether there is a place for it. */
#define NIC_ANSWER_MS	100

/* A timeout of the kernel counts ticks: it may seem to end that much early. */
#define TICK_SLACK_MS	20

#define BAD_PTR		((void *)1)	/* passes access_ok(), never mapped */

/* One way of making a socket, and the addresses used with it. */
struct door {
	const char *name;
	int domain;		/* first argument of socket(2) */
	int type;		/* second argument, or 0: SOCK_STREAM */
	int protocol;		/* third argument of socket(2) */
	int af;			/* family of the addresses */
	bool mapped;		/* IPv4 in IPv6 addresses */
};

extern const struct door door_family4;	/* AF_NEWPROTO, IPv4 */
extern const struct door door_family6;	/* AF_NEWPROTO, IPv6 */
extern const struct door door_inet4;	/* AF_INET, IPPROTO_NEWPROTO */
extern const struct door door_inet6;	/* AF_INET6, IPPROTO_NEWPROTO */
extern const struct door door_mapped;	/* AF_INET6, IPPROTO_NEWPROTO, ::ffff:127.0.0.1 */

/* Declares a fixture's variant data: each test of it runs once per door. */
#define DOOR_FIXTURE(fix)						\
	FIXTURE_VARIANT(fix) { const struct door *door; };		\
	FIXTURE_VARIANT_ADD(fix, family4) { .door = &door_family4 };	\
	FIXTURE_VARIANT_ADD(fix, inet6) { .door = &door_inet6 }

#define DOOR_FIXTURE_ALL(fix)						\
	DOOR_FIXTURE(fix);						\
	FIXTURE_VARIANT_ADD(fix, family6) { .door = &door_family6 };	\
	FIXTURE_VARIANT_ADD(fix, inet4) { .door = &door_inet4 };	\
	FIXTURE_VARIANT_ADD(fix, mapped) { .door = &door_mapped }

/* A call that must fail with one errno. */
#define EXPECT_ERR(err, call) do {					\
	errno = 0;							\
	EXPECT_EQ(-1, (long)(call));					\
	EXPECT_EQ(err, errno);						\
} while (0)

#define ASSERT_OK(call)							\
	ASSERT_LE(0, (long)(call)) TH_LOG("%s: %s", #call, strerror(errno))
#define EXPECT_OK(call)							\
	EXPECT_LE(0, (long)(call)) TH_LOG("%s: %s", #call, strerror(errno))

/* For what cannot be, or is none of its business, over the fabric of a NIC. */
#define SKIP_OVER_NIC(why) do {						\
	if (over_nic())							\
		SKIP(return, why);					\
} while (0)

union addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage ss;
};

bool over_tcp(void);
bool over_udp(void);
bool over_nic(void);
int test_scale(void);
int family_number(void);
int door_domain(const struct door *d);
int door_protocol(const struct door *d);

/* Sockets */
int door_socket(const struct door *d, int flags);
socklen_t door_loop(const struct door *d, union addr *a, int port);
socklen_t door_any(const struct door *d, union addr *a, int port);
socklen_t door_addr(const struct door *d, union addr *a, const char *v4, const char *v6, int port);
int addr_port(const union addr *a);
void addr_set_port(union addr *a, int port);
int sock_port(int fd);
int door_bound(const struct door *d, int flags, int port);
int door_listener(const struct door *d, int backlog);
int door_dial(const struct door *d, int flags, int port);
int door_connected(const struct door *d, int sv[2]);
int door_free_port(const struct door *d);

int sock_nonblock(int fd);
int sock_error(int fd);
int sock_error_soon(int fd);
int sock_int(int fd, int level, int name);
int sock_set(int fd, int level, int name, int value);
int sock_timeout(int fd, int name, int ms);
int poll_events(int fd, int events, int ms);
int count_pending(int fd, unsigned long request);

/* Bytes whose value tells their place in the stream */
void pattern_fill(void *buf, size_t len, size_t pos);
long pattern_wrong(const void *buf, size_t len, size_t pos);
bool kernel_bytes(const void *buf, size_t len);
long fill_socket(int fd, size_t pos);
long drain_socket(int fd, size_t pos, size_t want);
int write_all(int fd, size_t pos, size_t len);

/* A thread that makes one call; its blocking is observed, never slept for. */
struct task {
	pthread_t thread;
	long (*fn)(struct task *t);
	int fd;
	void *arg;
	long number;
	pid_t tid;
	long ret;
	int err;
	bool done;
};

int task_start(struct task *t);
int task_blocked(struct task *t, long syscall_nr);
bool task_running(const struct task *t);
int task_join(struct task *t);

int wait_blocked(pid_t pid, pid_t tid, long syscall_nr);
int wait_child(pid_t pid, int *status);
int64_t now_ms(void);

/* The world around the test */
int netns_new(void);
int lo_up(void);
int file_write(const char *path, const char *text);
int file_read(const char *path, char *buf, size_t size);
int sysctl_write(const char *name, const char *text);
int drop_caps(void);
int nic_pair(void);
/* The linker puts the second one in the place of connect(), which is the first one then. */
int __real_connect(int fd, const struct sockaddr *sa, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *sa, socklen_t len);
extern int nic_answer_ms;	/* 0: a nonblocking connect() is in progress at first */
int nic_bind(int fd);
bool nic_move(int fd);
void nic_settle(void);
int link_add(const char *kind, const char *ifname);
int link_up(const char *ifname);
int addr_add(const char *ifname, const char *addr, int prefix);

#endif /* NEWPROTO_SELFTESTS_COMMON_H */
