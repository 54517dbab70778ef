// SPDX-License-Identifier: GPL-2.0-only
/*
 * The differential test: runs each script of diff/ over its oracle and over
 * AF_NEWPROTO, and compares what every step has shown. See diff/diff.h.
 *
 *	diff [--oracle] [--trace] [SCRIPT...]
 *
 * --oracle, or NEWPROTO_TEST_PROTO=tcp: the oracle against itself, which shows
 * that traces are stable; --trace: print them. SCRIPT is a pattern of the shell's.
 */
#include <fnmatch.h>
#include <sys/mman.h>

#include <kselftest.h>

#include "diff/diff.h"

static struct trace *trace_new(void)
{
	struct trace *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (t == MAP_FAILED)
		ksft_exit_fail_msg("mmap: %s\n", strerror(errno));
	return t;
}

static void trace_print(const struct run *run)
{
	const struct script *s = run->script;
	int i, j;

	printf("# --- %s over %s\n", s->name, run->world->name);
	for (i = 0; i < run->trace->nsteps; i++) {
		const struct facts *f = &run->trace->step[i];

		printf("# %s\n", s->step[i].key);
		for (j = 0; j < f->n; j++)
			printf("#\t%s: %s\n", f->fact[j].what, f->fact[j].value);
	}
	if (run->trace->broken[0])
		printf("# broken: %s\n", run->trace->broken);
}

/* Records have no door of IPPROTO's. */
static bool world_has(const struct world *w, const struct script *s)
{
	return s->type != SOCK_SEQPACKET || w->door->domain == AF_NEWPROTO;
}

static bool type_is_there(const struct script *s, const struct world *w)
{
	struct run run = { .script = s, .world = w };
	int fd = run_socket(&run, run_type(&run), w->af, 0);

	if (fd >= 0) {
		close(fd);
		return true;
	}
	printf("# the socket type is not there: socket() of %s says %s\n", w->name,
	       strerrorname_np(errno));
	return false;
}

struct session {
	struct script *script;
	int nscripts;
	struct differences table;
	struct trace *oracle, *newproto;
	bool print;
};

static void run_oracle(struct session *ss, const struct script *s, const struct world *w)
{
	struct run *run = calloc(1, sizeof(*run));

	run->script = s;
	run->world = w;
	run->trace = ss->oracle;
	run_script(run);
	if (ss->print)
		trace_print(run);
	free(run);
}

/* Has the script run to its end over the oracle, as it has to? */
static bool oracle_is_good(const struct session *ss, const struct script *s)
{
	const struct trace *t = ss->oracle;
	int i;

	if (t->broken[0] || t->nsteps < s->nsteps) {
		printf("# the oracle, at %s: %s\n",
		       t->nsteps < s->nsteps ? s->step[t->nsteps].key : "the end", t->broken);
		return false;
	}
	for (i = 0; i < t->nsteps; i++)
		if (fact_get(&t->step[i], "hangs")) {
			printf("# %s:%d: %s: hangs over the oracle\n", s->file, s->step[i].line,
			       s->step[i].key);
			return false;
		}
	return true;
}

static bool run_newproto(struct session *ss, const struct script *s, const struct world *w)
{
	struct run *run = calloc(1, sizeof(*run));
	int wrong;

	run->script = s;
	run->world = w;
	run->trace = ss->newproto;
	run->oracle = ss->oracle;
	run->table = &ss->table;
	snprintf(run->test, sizeof(run->test), "%s:%s", s->name, w->name);
	if (!oracle_is_good(ss, s) || !type_is_there(s, w)) {
		free(run);
		return false;
	}
	run_script(run);
	if (ss->print)
		trace_print(run);
	wrong = table_compare(&ss->table, run->test, s, ss->oracle, ss->newproto, false);
	free(run);
	return !wrong;
}

static void session_worlds(struct session *ss, const struct script *s, int af)
{
	int i;

	for (i = 0; i < 4; i++) {
		const struct world *w = &newproto_worlds[i];

		if (w->af != af || !world_has(w, s))
			continue;
		if (run_newproto(ss, s, w))
			ksft_test_result_pass("%s:%s\n", s->name, w->name);
		else
			ksft_test_result_fail("%s:%s\n", s->name, w->name);
	}
}

static void session_script(struct session *ss, const struct script *s)
{
	bool again = s->again && s->again->chosen;
	int i;

	for (i = 0; i < 2 && (s->chosen || again); i++) {
		run_oracle(ss, s, &oracle_worlds[i]);
		if (s->chosen)
			session_worlds(ss, s, oracle_worlds[i].af);
		if (again)
			session_worlds(ss, s->again, oracle_worlds[i].af);
	}
}

/* Without patterns, all. */
static bool is_chosen(const char *name, char **pattern)
{
	bool all = !*pattern;

	for (; *pattern; pattern++)
		if (!fnmatch(*pattern, name, 0))
			return true;
	return all;
}

static int session_plan(struct session *ss, char **pattern, int *steps)
{
	int i, n = 2;

	*steps = 0;
	for (i = 0; i < ss->nscripts; i++) {
		struct script *s = &ss->script[i];

		s->chosen = is_chosen(s->name, pattern);
		if (s->chosen) {
			n += s->type == SOCK_SEQPACKET ? 2 : 4;
			*steps += s->nsteps;
		}
		if (!s->again)
			continue;
		s->again->chosen = is_chosen(s->again->name, pattern);
		if (s->again->chosen) {
			n += 2;
			*steps += s->nsteps;
		}
	}
	return n;
}

int main(int argc, char **argv)
{
	struct session ss = { .oracle = trace_new(), .newproto = trace_new() };
	int i, steps;

	for (argv++; *argv && **argv == '-'; argv++) {
		if (!strcmp(*argv, "--oracle"))
			setenv("NEWPROTO_TEST_PROTO", "tcp", 1);
		else if (!strcmp(*argv, "--trace"))
			ss.print = true;
		else
			ksft_exit_fail_msg("no such option: %s\n", *argv);
	}
	ss.script = scripts_parse(&ss.nscripts);
	table_parse(&ss.table, table_file.text);
	if (over_tcp())
		ss.table.n = 0;
	if (namespace_enter() || timestamps_init())
		ksft_exit_fail_msg("no network namespace: %s\n", strerror(errno));
	ksft_print_header();
	ksft_set_plan(session_plan(&ss, argv, &steps));
	printf("# %d steps, %d differences are listed\n", steps, ss.table.n);
	ksft_test_result(!table_selftest(), "comparison\n");
	for (i = 0; i < ss.nscripts; i++)
		session_script(&ss, &ss.script[i]);
	if (*argv)
		ksft_test_result_skip("table: not all scripts have run\n");
	else
		ksft_test_result(!table_unused(&ss.table), "table\n");
	ksft_print_cnts();
	return ksft_get_fail_cnt() ? KSFT_FAIL : KSFT_PASS;
}
