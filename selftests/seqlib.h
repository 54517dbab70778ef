/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SOCK_SEQPACKET sockets for the test programs, and records whose bytes tell
 * which they are.
 *
 * NEWPROTO_TEST_PROTO=unix runs the tests over AF_UNIX, which is the oracle as
 * far as it goes: it has no capacity that is known, no ports and no MSG_EOR.
 */
#ifndef NEWPROTO_SELFTESTS_SEQLIB_H
#define NEWPROTO_SELFTESTS_SEQLIB_H

#include "common.h"

/* What a record takes of the capacity besides its bytes. */
#define SEQ_HEAD	4

#define SEQ_MAX		0x100000	/* no record in these programs is larger */

extern const struct door door_seq4;	/* AF_NEWPROTO, IPv4 */
extern const struct door door_seq6;	/* AF_NEWPROTO, IPv6 */
extern const struct door door_seqpair;	/* of socketpair() */

#define SEQ_FIXTURE(fix)						\
	FIXTURE_VARIANT(fix) { const struct door *door; };		\
	FIXTURE_VARIANT_ADD(fix, seq4) { .door = &door_seq4 };		\
	FIXTURE_VARIANT_ADD(fix, seq6) { .door = &door_seq6 }

/* A program whose tests need what the oracle has not ends before it begins. */
#define SEQ_RUNS_OVER(unix_too)						\
	static void __attribute__((constructor)) seq_need(void)		\
	{								\
		if (over_tcp() || (over_unix() && !(unix_too)))		\
			seq_skip_all();					\
	}

bool over_unix(void);
void seq_skip_all(void);
int seq_pair(const struct door *d, int sv[2]);
long seq_room(int tx, int rx);
long seq_send(int fd, size_t pos, size_t len, int flags);
long seq_recv(int fd, void *buf, size_t len, int flags, int *msg_flags);
long seq_take(int fd, size_t pos, size_t len);
long seq_recv1(int fd);
int seq_fill(int fd, size_t len);

#endif /* NEWPROTO_SELFTESTS_SEQLIB_H */
