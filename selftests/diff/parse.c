// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads the scripts. A line is a step, or "script NAME TYPE [unix]", which
 * begins one; words are separated by blanks, and a word that begins with a
 * quotation mark goes to the next one. The head of stream.steps has the language.
 */
#include <ctype.h>

#include "diff.h"
#include "diff_scripts.h"

static void __attribute__((noreturn)) bad_line(const char *file, int line, const char *what)
{
	printf("Bail out! %s:%d: %s\n", file, line, what);
	exit(1);
}

static void *more(void *array, int n, size_t size)
{
	void *p = reallocarray(array, n + 1, size);

	if (!p) {
		perror("reallocarray");
		exit(1);
	}
	memset((char *)p + n * size, 0, size);
	return p;
}

/* Cuts the line, which is changed, into words; what follows "#" is a comment. */
static int split(char *p, char **word, const char *file, int line)
{
	int n = 0;

	for (;;) {
		bool quoted;

		p += strspn(p, " \t");
		if (!*p || *p == '#')
			return n;
		if (n == MAX_WORDS)
			bad_line(file, line, "too many words");
		word[n++] = p;
		quoted = *p == '"';
		p = quoted ? strchr(p + 1, '"') : p + strcspn(p, " \t");
		if (!p)
			bad_line(file, line, "a quotation mark is missing");
		if (quoted)
			p++;
		if (*p)
			*p++ = '\0';
	}
}

static const struct {
	const char *word, *oracle;
	int type;
	bool both;
} types[] = {
	{ "stream", "", SOCK_STREAM },
	{ "dgram", "", SOCK_DGRAM },
	{ "seqpacket", "unix", SOCK_SEQPACKET },
	{ "stream+seqpacket", "", SOCK_STREAM, true },
};

static void script_begin(struct script *s, char **word, int nwords, const char *file, int line)
{
	const char *oracle = nwords > 3 ? word[3] : "";
	size_t i = 0;

	if (nwords < 3 || strlen(word[1]) + strlen("-seq") >= NAME_LEN)
		bad_line(file, line, "script NAME TYPE [unix]");
	while (strcmp(types[i].word, word[2]) || strcmp(types[i].oracle, oracle))
		if (++i == sizeof(types) / sizeof(*types))
			bad_line(file, line, "no such type, or not with this oracle");
	s->file = file;
	strcpy(s->name, word[1]);
	s->type = types[i].type;
	s->oracle_type = s->type;
	s->both = types[i].both;
	if (*oracle)
		s->oracle = ORACLE_UNIX;
}

static void step_key(struct script *s, struct step *step)
{
	char key[KEY_LEN] = "";
	size_t len = 0;
	int i, same = 1;

	for (i = 0; i < step->nwords; i++)
		len += snprintf(key + len, sizeof(key) - len, "%s%s", i ? " " : "", step->word[i]);
	if (len >= sizeof(key) - 5)
		bad_line(s->file, step->line, "the step is too long");
	for (i = 0; i < s->nsteps; i++)
		same += !strncmp(s->step[i].key, key, len) &&
			(!s->step[i].key[len] || !strncmp(s->step[i].key + len, " #", 2));
	strcpy(step->key, key);
	if (same > 1)
		sprintf(step->key + len, " #%d", same);
}

static void script_step(struct script *s, char **word, int nwords, int line)
{
	struct step *step;

	if (s->nsteps == MAX_STEPS)
		bad_line(s->file, line, "too many steps");
	s->step = more(s->step, s->nsteps, sizeof(*s->step));
	step = &s->step[s->nsteps];
	step->line = line;
	step->nwords = nwords;
	memcpy(step->word, word, nwords * sizeof(*word));
	step_key(s, step);
	s->nsteps++;
}

static struct script *file_parse(struct script *list, int *n, const struct text_file *file)
{
	char *text = strdup(file->text), *line;
	char *word[MAX_WORDS];
	int number = 0, first = *n, nwords;

	while ((line = strsep(&text, "\n"))) {
		number++;
		nwords = split(line, word, file->name, number);
		if (!nwords)
			continue;
		if (!strcmp(word[0], "script")) {
			list = more(list, *n, sizeof(*list));
			script_begin(&list[(*n)++], word, nwords, file->name, number);
		} else if (*n == first) {
			bad_line(file->name, number, "a step before the first script");
		} else {
			script_step(&list[*n - 1], word, nwords, number);
		}
	}
	return list;
}

static void check_names(const struct script *list, int n)
{
	int i, j;

	for (i = 0; i < n; i++)
		for (j = 0; j < i; j++)
			if (!strcmp(list[i].name, list[j].name))
				bad_line(list[i].file, list[i].step[0].line, "name used twice");
}

/* A script of streams once more, for sequenced packets. */
static void script_again(struct script *s)
{
	s->again = malloc(sizeof(*s));
	*s->again = *s;
	strcat(s->again->name, "-seq");
	s->again->type = SOCK_SEQPACKET;
	s->again->again = NULL;
}

/* All scripts, those of the option table last. */
struct script *scripts_parse(int *count)
{
	static const int all[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	struct script *list = NULL;
	int i, n = 0;

	for (i = 0; script_files[i].name; i++)
		list = file_parse(list, &n, &script_files[i]);
	for (i = 0; i < n; i++)
		if (list[i].both)
			script_again(&list[i]);
	for (i = 0; i < 3; i++) {
		list = more(list, n, sizeof(*list));
		options_script(&list[n++], all[i]);
	}
	check_names(list, n);
	*count = n;
	return list;
}
