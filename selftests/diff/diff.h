/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The differential test: scripts of socket calls that run once over an oracle
 * (TCP, UDP, AF_UNIX) and once over AF_NEWPROTO, each in a process of its own; what
 * each step returned is its trace, and the traces have to be the same but for what
 * differences.tsv lists.
 */
#ifndef NEWPROTO_SELFTESTS_DIFF_H
#define NEWPROTO_SELFTESTS_DIFF_H

#include "../common.h"

#define MAX_WORDS	20	/* of a step */
#define MAX_SOCKS	24	/* of a script */
#define MAX_TASKS	4
#define MAX_STEPS	512	/* of a script; the option table is one, too */
#define MAX_FACTS	(MAX_SOCKS + 12)
#define NAME_LEN	40
#define KEY_LEN		128
#define VALUE_LEN	240

/* --- scripts: parse.c --- */

/* @key names the step in the table: its words, and "#2" if they come a second time. */
struct step {
	int line;
	int nwords;
	char *word[MAX_WORDS];
	char key[KEY_LEN];
};

enum oracle { ORACLE_IP, ORACLE_UNIX };

/*
 * @oracle_type: of the oracle's sockets; TCP may stand in for sequenced packets
 * @both, @again: the same script for sequenced packets, which shares its oracle's trace
 * @chosen: it shall run
 */
struct script {
	const char *file;
	char name[NAME_LEN];
	int type;		/* SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET */
	int oracle_type;
	enum oracle oracle;
	bool both;
	struct script *again;
	bool chosen;
	struct step *step;
	int nsteps;
};

struct text_file {
	const char *name;
	const char *text;
};

extern const struct text_file script_files[], table_file;

struct script *scripts_parse(int *count);

/* --- traces: trace.c --- */

/* One thing that a step showed: the value returned, a mask, a message's flags. */
struct fact {
	char what[NAME_LEN];
	char value[VALUE_LEN];
};

struct facts {
	int n;
	struct fact fact[MAX_FACTS];
};

/* In memory that the parent shares with the process that runs the script. */
struct trace {
	int nsteps;		/* steps that have run */
	char broken[VALUE_LEN];	/* why the script could not run to its end */
	struct facts step[MAX_STEPS];
};

void fact_add(struct facts *f, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
const char *fact_get(const struct facts *f, const char *what);
void fact_result(struct facts *f, long ret);
void fact_bytes(struct facts *f, const char *what, const void *buf, size_t len);

/* --- the world that a script runs in: world.c --- */

/* A way of making sockets. */
struct world {
	const char *name;
	const struct door *door;	/* NULL: the oracle */
	int af;				/* AF_INET or AF_INET6: which addresses "lo" means */
};

extern const struct world oracle_worlds[2], newproto_worlds[4];

/* @addr: what getsockname() said last; a socket that was closed keeps it. */
struct sock {
	char name[NAME_LEN];
	int fd;
	int af;
	bool is_open;
	bool unmasked;
	union addr addr;
	socklen_t addr_len;
};

struct run;

/* A call in a thread of its own, by "start". */
struct job {
	bool used;
	char name[NAME_LEN];
	struct run *run;
	struct step step;
	struct facts facts;
	struct task task;
};

struct differences;

/* @oracle: what the masks should come to; NULL when it is the oracle itself that runs. */
struct run {
	const struct script *script;
	const struct world *world;
	struct trace *trace;
	const struct trace *oracle;
	const struct differences *table;
	char test[2 * NAME_LEN];
	int step;
	struct sock sock[MAX_SOCKS];
	int nsocks;
	struct job job[MAX_TASKS];
	int epoll;
	int barrier;
};

int namespace_enter(void);
int timestamps_init(void);
void run_script(struct run *run);
int run_socket(struct run *run, int type, int af, int flags);
int run_type(const struct run *run);
bool run_is_oracle(const struct run *run);
bool run_over_unix(const struct run *run);
void barrier(struct run *run, int rounds);
void run_broken(struct run *run, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));
struct sock *sock_find(struct run *run, const char *name);
struct sock *sock_add(struct run *run, const char *name, int fd, int af);
void sock_close(struct sock *s);
void socks_refresh(struct run *run);
void record_masks(struct run *run, struct facts *f);
void jobs_settle(struct run *run);
bool broken_pipe(void);

/* --- addresses and names: names.c --- */

socklen_t place_parse(struct run *run, const char *text, int af, union addr *a);
void place_text(struct run *run, const union addr *a, socklen_t len, char *buf, size_t size);
void fact_place(struct run *run, struct facts *f, const char *what, const union addr *a,
		socklen_t len);

int flag_parse(const char *word);
void flags_text(int flags, char *buf, size_t size);

/* --- calls: calls.c, msgs.c, options.c --- */

/* @number: the system call in which a thread sleeps; 0: not to be started as a thread */
struct call {
	const char *name;
	void (*fn)(struct run *run, const struct step *s, struct facts *f);
	int min_words;
	long number;
};

extern const struct call calls[], msg_calls[];
const struct call *call_find(struct run *run, const struct step *s);
struct sock *sock_word(struct run *run, const struct step *s, int word);
int flags_from(struct run *run, const struct step *s, int word);
size_t data_parse(struct run *run, const char *word, char **data);
void call_start(struct run *run, const struct step *s, struct facts *f);
void call_join(struct run *run, const struct step *s, struct facts *f);
void call_setsockopt(struct run *run, const struct step *s, struct facts *f);
void call_getsockopt(struct run *run, const struct step *s, struct facts *f);

void options_script(struct script *s, int type);
void option_run(struct run *run, const struct step *s, struct facts *f);

/* --- the table of differences: table.c --- */

struct difference {
	int line;
	char *script, *step, *what, *oracle, *newproto, *reason;
	bool optional;	/* need not occur */
	bool used;	/* by any run */
	bool seen;	/* by the run that is being compared */
};

struct differences {
	int n;
	struct difference *row;
};

void table_parse(struct differences *t, const char *text);
const char *table_expected(const struct run *run, const char *what);
int table_compare(struct differences *t, const char *test, const struct script *s,
		  const struct trace *oracle, const struct trace *newproto, bool quiet);
int table_unused(const struct differences *t);
int table_selftest(void);

#endif /* NEWPROTO_SELFTESTS_DIFF_H */
