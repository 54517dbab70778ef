// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compares traces, step by step, and reads differences.tsv, the table of the
 * differences that are meant. Both have to be exact: a difference that is not in
 * the table is an error, and so is a row that does not occur.
 */
#include <fnmatch.h>

#include "diff.h"

#define NOTHING	"(nothing)"

static char *column(char **p)
{
	return *p ? strsep(p, "\t") : NULL;
}

/*
 * SCRIPT[:VARIANT] STEP WHAT ORACLE NEWPROTO REASON, with tabs between. "REASON?":
 * what the oracle says depends on how its kernel was configured.
 */
static bool row_parse(struct difference *d, char *text)
{
	d->script = column(&text);
	d->step = column(&text);
	d->what = column(&text);
	d->oracle = column(&text);
	d->newproto = column(&text);
	d->reason = column(&text);
	if (!d->reason || !*d->reason || text)
		return false;
	d->optional = d->reason[strlen(d->reason) - 1] == '?';
	return true;
}

void table_parse(struct differences *t, const char *text)
{
	char *all = strdup(text), *line;
	int number = 0;

	t->n = 0;
	t->row = NULL;
	while ((line = strsep(&all, "\n"))) {
		number++;
		if (!*line || *line == '#')
			continue;
		t->row = realloc(t->row, (t->n + 1) * sizeof(*t->row));
		memset(&t->row[t->n], 0, sizeof(*t->row));
		t->row[t->n].line = number;
		if (!row_parse(&t->row[t->n++], line)) {
			printf("Bail out! differences.tsv:%d: not six columns\n", number);
			exit(1);
		}
	}
}

/*
 * "close-unread" is all variants of a script, also those for sequenced packets;
 * "close-unread:*6" those of streams for IPv6. A pattern of scripts, "record-*:*",
 * is for what they have in common: it need occur in one of them only.
 */
static bool row_is_common(const struct difference *d)
{
	return strcspn(d->script, "*") < strcspn(d->script, ":");
}

static bool row_is_of(const struct difference *d, const char *test)
{
	size_t len = strlen(d->script);

	if (strchr(d->script, ':'))
		return !fnmatch(d->script, test, FNM_EXTMATCH);
	return !strncmp(d->script, test, len) &&
	       (!test[len] || test[len] == ':' || !strncmp(test + len, "-seq:", 5));
}

/* "option IPPROTO_UDP *" is every step that begins so. */
static bool row_is_step(const struct difference *d, const char *step)
{
	size_t len = strlen(d->step);

	if (!strcmp(d->step, "*"))
		return true;
	if (len > 2 && !strcmp(d->step + len - 2, " *"))
		return !strncmp(d->step, step, len - 1);
	return !strcmp(d->step, step);
}

/* "poll:*" is the masks of all sockets. */
static bool row_is_what(const struct difference *d, const char *what)
{
	return d->what[strlen(d->what) - 1] == '*' ? !fnmatch(d->what, what, 0) :
						     !strcmp(d->what, what);
}

/* @newproto may be NULL: any */
static struct difference *table_find(const struct differences *t, const char *test,
				     const char *step, const char *what, const char *oracle,
				     const char *newproto)
{
	int i;

	for (i = 0; t && i < t->n; i++) {
		struct difference *d = &t->row[i];

		if (row_is_what(d, what) && !strcmp(d->oracle, oracle) &&
		    (!newproto || !strcmp(d->newproto, newproto)) && row_is_step(d, step) &&
		    row_is_of(d, test))
			return d;
	}
	return NULL;
}

/* What the step that is running should show: the oracle's value, or the table's. */
const char *table_expected(const struct run *run, const char *what)
{
	const char *oracle = fact_get(&run->oracle->step[run->step], what);
	const struct difference *d;

	if (!oracle)
		oracle = NOTHING;
	d = table_find(run->table, run->test, run->script->step[run->step].key, what, oracle,
		       NULL);
	return d ? d->newproto : oracle;
}

struct compare {
	struct differences *table;
	const char *test;
	const struct script *script;
	bool quiet;
	int wrong;
};

static void compare_fact(struct compare *c, int step, const char *what, const char *oracle,
			 const char *newproto)
{
	const struct step *s = &c->script->step[step];
	struct difference *d;

	if (!strcmp(oracle, newproto))
		return;
	d = table_find(c->table, c->test, s->key, what, oracle, newproto);
	if (d) {
		d->seen = true;
		d->used = true;
		return;
	}
	c->wrong++;
	if (c->quiet)
		return;
	printf("# %s:%d: %s: %s: the oracle says %s, AF_NEWPROTO %s\n", c->script->file, s->line,
	       s->key, what, oracle, newproto);
	printf("#row\t%s\t%s\t%s\t%s\t%s\tREASON\n", c->test, s->key, what, oracle, newproto);
}

static void compare_step(struct compare *c, int step, const struct facts *oracle,
			 const struct facts *newproto)
{
	const char *other;
	int i;

	for (i = 0; i < oracle->n; i++) {
		other = fact_get(newproto, oracle->fact[i].what);
		compare_fact(c, step, oracle->fact[i].what, oracle->fact[i].value,
			     other ? other : NOTHING);
	}
	for (i = 0; i < newproto->n; i++)
		if (!fact_get(oracle, newproto->fact[i].what))
			compare_fact(c, step, newproto->fact[i].what, NOTHING,
				     newproto->fact[i].value);
}

static void compare_stale(struct compare *c)
{
	int i;

	for (i = 0; i < c->table->n; i++) {
		const struct difference *d = &c->table->row[i];

		if (d->seen || d->optional || row_is_common(d) || !row_is_of(d, c->test))
			continue;
		c->wrong++;
		if (!c->quiet)
			printf("# differences.tsv:%d: did not occur: %s: %s: %s instead of %s\n",
			       d->line, d->step, d->what, d->newproto, d->oracle);
	}
}

/* The number of differences that are not in the table, and of rows that did not occur. */
int table_compare(struct differences *t, const char *test, const struct script *s,
		  const struct trace *oracle, const struct trace *newproto, bool quiet)
{
	struct compare c = { .table = t, .test = test, .script = s, .quiet = quiet };
	int i, n = oracle->nsteps < newproto->nsteps ? oracle->nsteps : newproto->nsteps;

	for (i = 0; i < t->n; i++)
		t->row[i].seen = false;
	for (i = 0; i < n; i++)
		compare_step(&c, i, &oracle->step[i], &newproto->step[i]);
	if (newproto->broken[0] || n < s->nsteps) {
		c.wrong++;
		if (!quiet)
			printf("# at %s: %s\n", n < s->nsteps ? s->step[n].key : "the end",
			       newproto->broken);
	}
	compare_stale(&c);
	return c.wrong;
}

/* Rows that never mattered, when all scripts have run: the number. */
int table_unused(const struct differences *t)
{
	int i, wrong = 0;

	for (i = 0; i < t->n; i++) {
		if (t->row[i].used || t->row[i].optional)
			continue;
		printf("# differences.tsv:%d: did not occur in any script: %s\n", t->row[i].line,
		       t->row[i].script);
		wrong++;
	}
	return wrong;
}

/* --- does the comparison find what it should? --- */

static const char selftest_table[] =
	"a\tone\tret\t1\t2\tr\n"
	"b:*6\t*\tret\t1\t2\tr\n"
	"c\tone\tret\t1\t2\tr?\n";

static int selftest_case(const char *test, const char *oracle, const char *newproto, int wrong)
{
	static struct step step = { .key = "one" };
	static const struct script script = { .file = "none", .step = &step, .nsteps = 1 };
	static struct trace left, right;
	struct differences t;
	int got;

	table_parse(&t, selftest_table);
	left.nsteps = 1;
	right.nsteps = 1;
	left.step[0].n = 0;
	right.step[0].n = 0;
	fact_add(&left.step[0], "ret", "%s", oracle);
	if (newproto)
		fact_add(&right.step[0], "ret", "%s", newproto);
	got = table_compare(&t, test, &script, &left, &right, true);
	if (got != wrong)
		printf("# %s: %s and %s: %d errors instead of %d\n", test, oracle,
		       newproto ? newproto : NOTHING, got, wrong);
	return got != wrong;
}

int table_selftest(void)
{
	return selftest_case("other", "1", "1", 0) +
	       selftest_case("other", "1", "2", 1) +
	       selftest_case("other", "1", NULL, 1) +
	       selftest_case("a:inet4", "1", "2", 0) +
	       selftest_case("a:inet4", "1", "3", 2) +
	       selftest_case("a:inet4", "1", "1", 1) +
	       selftest_case("b:inet6", "1", "2", 0) +
	       selftest_case("b:inet6", "1", "1", 1) +
	       selftest_case("b:inet4", "1", "1", 0) +
	       selftest_case("b:inet4", "1", "2", 1) +
	       selftest_case("c:inet4", "1", "1", 0) +
	       selftest_case("c-seq:inet4", "1", "2", 0) +
	       selftest_case("c:inet4", "1", "3", 1);
}
