/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs about races share: a crew of threads that set out together, by
 * rounds or until the time is over, on either CPU and at odd moments; counts of how
 * each call ended; and what has to be true when all is over.
 */
#ifndef NEWPROTO_SELFTESTS_RACELIB_H
#define NEWPROTO_SELFTESTS_RACELIB_H

#include "seqlib.h"

#define RACE_HANDS	16
#define RACE_ERRNOS	135
#define RACE_TIMEOUT	600	/* of a test, in seconds; its loops end by themselves */

struct crew;

/* One thread of a crew. */
struct hand {
	struct crew *crew;
	void (*fn)(struct hand *h);
	void *arg;		/* the crew's */
	int number;		/* among those with the same function */
	uint32_t seed;
	pthread_t thread;
	pid_t tid;
	bool busy;
};

/*
 * Begin with { .arg = ... }, then crew_add(), crew_start(), crew_round()s, crew_end().
 * Where there is a counter they go on until it has come far enough, however slow, and
 * until what else has to happen has happened once.
 */
struct crew {
	void *arg;
	const unsigned int *counter;
	unsigned int enough;
	const unsigned int *once[2];	/* counters that must not stay 0 */

	struct hand hand[RACE_HANDS];
	int n;
	int64_t end;		/* of the round */
	unsigned int round, done;
	bool over;
	unsigned int wrong;
	char why[160];		/* the first thing that was wrong */
};

void crew_add(struct crew *c, void (*fn)(struct hand *h), int count);
int crew_start(struct crew *c);
int crew_round(struct crew *c, int ms);
int crew_end(struct crew *c);
int crew_run(struct crew *c, int ms);

bool race_on(const struct hand *h);
uint32_t race_random(struct hand *h, uint32_t below);
void race_jitter(struct hand *h);
void race_wrong(struct crew *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* How the calls of one kind ended. Processes can share it: see race_shared(). */
struct tally {
	const char *call;
	int allowed[18];	/* errnos; the others must not be */

	unsigned long ok;
	unsigned long err[RACE_ERRNOS];
};

long tally(struct tally *t, long ret);
int tally_show(const struct tally *t, int n);
void *race_shared(size_t size);

/* Connections with numbers: each is served, or reset. */
struct ledger {
	unsigned int next, served, reset, left;
	unsigned char *accepted;	/* by number: how often */
	unsigned char *fate;		/* what its client was told */
};

void ledger_open(struct ledger *l);
bool ledger_client(struct hand *h, struct ledger *l, int fd);
void ledger_server(struct hand *h, struct ledger *l, int fd);
int ledger_check(const struct ledger *l);

/* After the race */
int race_fds(void);
bool race_nothing_left(void);

#endif /* NEWPROTO_SELFTESTS_RACELIB_H */
