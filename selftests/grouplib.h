/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of SO_REUSEPORT groups share: members here and in processes of
 * their own, which can be stopped and killed; connections that are told apart by
 * the port of their client; and what /proc/net/newproto/groups says.
 *
 * Members are nonblocking and close-on-exec. What has to arrive is waited for,
 * within bounds.
 */
#ifndef NEWPROTO_SELFTESTS_GROUPLIB_H
#define NEWPROTO_SELFTESTS_GROUPLIB_H

#include "seqlib.h"

/* Both doors, both families, both types that listen. */
#define GROUP_FIXTURE(fix)						\
	DOOR_FIXTURE(fix);						\
	FIXTURE_VARIANT_ADD(fix, seq4) { .door = &door_seq4 }

/*
 * In FIXTURE_SETUP: a namespace of its own, where TCP does what it can, and where
 * nobody is taken for silent on a slow machine.
 */
#define GROUP_SETUP(door) do {						\
	if (over_tcp() && (door)->type)					\
		SKIP(_exit(255), "TCP has no records");			\
	ASSERT_OK(netns_new());						\
	ASSERT_OK(group_world());					\
} while (0)

#define BOUND_ONLY	(-1000)		/* in place of a backlog: do not listen() */

/* Members of this process */
int member_socket(const struct door *d);
int member_bind(int fd, const struct door *d, int port);
int member_new(const struct door *d, int port, int backlog);
int member_with(const struct door *d, int port, int backlog, int option, int value);
unsigned long member_inode(int fd);
int member_blocking(int fd);

/* Connections are known by their clients' ports. */
int take(int lsn, int *port);
int take_now(int lsn, int *port);
int took(int lsn);
int took_now(int lsn);
int pick_ready(const int *fds, int n);

bool client_connected(int fd);
bool client_waiting(int fd);
bool client_admitted(int fd);
int client_failed(int fd);
int client_dial_from(const struct door *d, int from, int port);
void client_abort(int fd);

/* A member in a process of its own. Fill in what comes before the blank line. */
struct remote {
	const struct door *door;
	int port;		/* 0: any */
	int backlog;
	int grace;		/* milliseconds; 0: not set */

	pid_t pid;
	int ctl;
	unsigned long inode;
};

/* What remote_do() can have done. */
enum remote_op {
	REMOTE_ACCEPT,		/* nonblocking; the client's port or -errno */
	REMOTE_ACCEPT_WAIT,	/* blocking */
	REMOTE_CLOSE,
	REMOTE_SHUTDOWN,	/* of SHUT_* */
	REMOTE_LISTEN,		/* of a backlog */
	REMOTE_UNSPEC,		/* connect(AF_UNSPEC) */
	REMOTE_INODE,
	REMOTE_EXIT,
	REMOTE_EXEC,
};

int remote_start(struct remote *r);
int remote_ask(struct remote *r, enum remote_op op, int arg);
int remote_answer(struct remote *r);
int remote_do(struct remote *r, enum remote_op op, int arg);
int remote_stop(struct remote *r);
int remote_cont(struct remote *r);
void remote_kill(struct remote *r);

/* How a member may go. */
enum leave {
	LEAVE_CLOSE, LEAVE_SHUT_RD, LEAVE_SHUT_RDWR, LEAVE_UNSPEC, LEAVE_EXIT, LEAVE_KILL,
	LEAVE_EXEC, LEAVE_WAYS,
};

extern const char *const leave_names[LEAVE_WAYS];
int remote_leave(struct remote *r, enum leave how);

/* A line of /proc/net/newproto/groups; what it does not have is -1. */
struct group_line {
	char kind[64], type[64], local[64], state[64], policy[64];
	long uid, inode, weight, grace, members, pending, waiting;
	long chosen, accepted, moved_in, moved_out, reset, expired, rescued;
};

#define GROUPS_FILE	"/proc/self/net/newproto/groups"
#define GROUPS_HEADING	"kind type local uid inode state policy weight grace members pending "	\
			"waiting chosen accepted moved_in moved_out reset expired rescued\n"

int group_line(int port, struct group_line *g);
int member_line(unsigned long inode, struct group_line *m);
int group_lines(void);
bool group_wait_state(int port, const char *state);
bool member_wait_state(unsigned long inode, const char *state);

int silent_time(int ms);
int group_world(void);

#endif /* NEWPROTO_SELFTESTS_GROUPLIB_H */
