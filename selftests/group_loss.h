/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The zero-loss run, see group_loss.c: what its processes share, and how the
 * files of the program hang together. The controller (group_loss_run.c) starts
 * members (group_loss_member.c) and clients (group_loss_client.c) and has no
 * sockets; all of them write into one struct shared.
 */
#ifndef NEWPROTO_SELFTESTS_GROUP_LOSS_H
#define NEWPROTO_SELFTESTS_GROUP_LOSS_H

#include "common.h"

enum { MEMBERS_MAX = 64, CLIENTS = 4, LOG_MAX = 1 << 20 };

/* How a member leaves its group. */
enum way {
	WAY_CLOSE,
	WAY_SHUTDOWN,	/* then it listens again, or closes */
	WAY_KILL,	/* by itself, once it has said that it accepts no more */
	WAY_EXEC,	/* the listener is CLOEXEC; the new image joins anew */
	WAY_RANDOM,	/* SIGKILL from outside at any moment */
	WAY_MIXED,	/* any of the first four, drawn each time */
	WAY_RENEW,	/* not under test: between two cases, to listen as the next one says */
};

/* What one case runs with; set before its processes start. */
struct setup {
	enum way way;
	int members;
	int backlog;
	int policy;		/* NEWPROTO_POLICY_* */
	int door;		/* of loss_doors[] */
	int grace;		/* ms */
	int window;		/* connections that a client has open at most */
	bool faults;		/* of memory allocations, see group_loss_fault.c */
	bool must_lose;		/* the detector's own test: no member and no grace remains */
	bool tcp;		/* losses are reported and no failure */
};

enum member_state { MEMBER_DOWN, MEMBER_LIVE, MEMBER_HOLDING, MEMBER_LEFT };

/**
 * struct member - one server
 *
 * The kernel itself writes @peer before accept() returns, and @open says since
 * when: a member that SIGKILL ends between accept() and its log has still told
 * whose connection it had got.
 *
 * @pid: of its process; 0 if there is none
 * @state: written by the member; MEMBER_DOWN by the controller
 * @order: what the controller wants: 0 nothing, else the enum way and one; the
 *	member clears it when it is back
 * @hold_ms: with the order: how long its queue may fill once something waits
 * @joined: number of its last listen(), counted over the case
 * @left: how often it has left
 * @waited: what waited in its queue when it left, as far as it could tell
 * @mute: accepted connections on which no number came
 * @faults: calls that have failed for want of memory
 * @open: accept() was called, and what it returns is not logged yet
 * @peer: see above
 * @error: why it gave up
 */
struct member {
	pid_t pid;
	uint32_t state;
	uint32_t order;
	uint32_t hold_ms;
	uint32_t joined;
	uint32_t left;
	uint32_t waited;
	uint32_t mute;
	uint32_t faults;
	uint32_t open;
	union addr peer;
	char error[120];
};

struct client {
	pid_t pid;
	bool ended;
	uint32_t done;		/* connections that have come to an end, good or bad */
};

/* How a connection ended, as its client saw it. */
enum fate {
	FATE_NONE,
	FATE_UNCONNECTED,	/* connect() has failed */
	FATE_ABANDONED,		/* TCP only: not connected at the end of the case */
	FATE_CONNECTED,		/* connect() said success, no more is known */
	FATE_ECHOED,		/* the number came back */
	FATE_WRONG,		/* another number came back */
	FATE_DROPPED,		/* an error, the end of the stream, or no answer in time */
};

/* One for each number; the low 32 bits of a number are its place. */
struct conn_log {
	uint8_t accepted;	/* times, by members */
	uint8_t fate;
	uint16_t port;		/* the client's, where kills come at random */
	uint32_t err;		/* errno of FATE_UNCONNECTED and FATE_DROPPED; 0: end of stream */
};

struct shared {
	struct setup setup;
	int port;
	uint32_t salt;		/* the high 32 bits of this case's numbers */
	uint32_t limit;		/* no number beyond */
	uint32_t next;		/* the next number's low half */
	uint32_t joins;
	bool stop;		/* clients: finish */
	struct member member[MEMBERS_MAX];
	struct client client[CLIENTS];
	struct conn_log log[LOG_MAX];
};

/* What came out of a case. */
struct result {
	uint32_t connections;	/* connect() said success */
	uint32_t accepted;	/* of these, by anybody */
	uint32_t lost, twice;
	uint32_t cut;		/* accepted by a member that was killed before it answered */
	uint32_t late;		/* accepted, but not answered within WAIT_MS */
	uint32_t refused;	/* ECONNREFUSED, though a member or grace was there */
	uint32_t failed;	/* connect() said another error, or nothing in time */
	int failed_err;		/* the last of these */
	uint32_t faults;	/* members' calls that failed for want of memory */
	uint32_t denied;	/* connects that failed for want of memory */
	uint32_t wrong, mute;
	uint32_t left, waited;
	long moved;		/* by the kernel's count; -1: it has none */
	uint32_t lost_err[256];
	int64_t ms;
	char broken[200];	/* why the case says nothing */
};

/* How long a case goes on: until @count connections or @ms, whichever is first. */
struct effort {
	uint32_t count;
	int64_t ms;
};

#define LOSS_LOAD(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define LOSS_STORE(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define LOSS_ADD(p, v)		__atomic_fetch_add(p, v, __ATOMIC_RELAXED)

extern const struct door *const loss_doors[];
extern const int loss_ndoors;

uint32_t loss_random(uint32_t *seed);
void loss_sleep_us(long us);
int loss_socket(const struct shared *sh, int flags);
socklen_t loss_addr(const struct shared *sh, union addr *a);

void loss_run(struct shared *sh, int shared_fd, const struct setup *setup,
	      const struct effort *effort, uint32_t seed, struct result *res);
void loss_run_last(void);

void __attribute__((noreturn)) member_main(struct shared *sh, int shared_fd, int slot);
void __attribute__((noreturn)) client_main(struct shared *sh, int number);

const char *fault_global_on(void);
void fault_global_off(void);
void fault_process_init(void);
void fault_arm(void);
void fault_disarm(void);
bool fault_is(int err);

#endif /* NEWPROTO_SELFTESTS_GROUP_LOSS_H */
