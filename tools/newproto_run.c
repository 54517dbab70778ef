// SPDX-License-Identifier: GPL-2.0-only
/*
 * newproto_run: runs a program with its TCP sockets, and on request its UDP sockets, over
 * AF_NEWPROTO.
 *
 * All it does is to put newproto-preload.so into LD_PRELOAD, and variables for it beside that, and
 * to execute the program; --check tells beforehand whether that will have an effect.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "newproto_run.h"

#define PRELOAD_NAME	"newproto-preload.so"

static const char usage[] =
	"Usage: newproto_run [OPTION]... PROGRAM [ARGUMENT]...\n"
	"       newproto_run --check [OPTION]... [PROGRAM]\n"
	"Run PROGRAM with its TCP sockets over AF_NEWPROTO.\n"
	"\n"
	"  -d, --datagrams  its UDP sockets, too (read newproto_run(1) about names)\n"
	"  -D, --device DEV use the npnic DEV for its TCP sockets, and nothing else\n"
	"  -r, --reuseport  set SO_REUSEPORT on them: a second server shares the port\n"
	"  -g, --grace MS   keep a port and what waits there for MS milliseconds after\n"
	"                   its last server; needs --reuseport, or a PROGRAM that sets it\n"
	"  -c, --check      do not run: say what would become of PROGRAM's sockets\n"
	"  -h, --help       print this text\n"
	"  -V, --version    print the version\n"
	"\n"
	"--check exits with 0 if AF_NEWPROTO would carry them, 1 if this kernel does not\n"
	"have the family (or its datagrams or groups or the device, if you ask for them),\n"
	"2 if the program cannot be reached. newproto_run itself exits with 125 if it\n"
	"fails, 126 if PROGRAM cannot be run, 127 if there is no PROGRAM.\n";

/*
 * The library is beside this program in a tree that was built and not installed, else where
 * "make install" puts it.
 */
static int find_preload(char path[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - sizeof(PRELOAD_NAME));
	char *slash;

	if (len > 0) {
		path[len] = '\0';
		slash = strrchr(path, '/');
		if (slash) {
			strcpy(slash + 1, PRELOAD_NAME);
			if (!access(path, R_OK))
				return 0;
		}
	}
	strcpy(path, PRELOAD_DIR "/" PRELOAD_NAME);
	if (!access(path, R_OK))
		return 0;
	warn("neither beside this program nor as %s can the preload library be read", path);
	return -1;
}

/* Is @path one of the entries of @list? The loader separates them by colons and spaces. */
static bool list_has(const char *list, const char *path)
{
	size_t len = strlen(path);

	while (*list) {
		size_t entry = strcspn(list, ": ");

		if (entry == len && !memcmp(list, path, len))
			return true;
		list += entry;
		list += strspn(list, ": ");
	}
	return false;
}

/*
 * Ours goes last: other preloads then see the calls that the program makes, and what they pass on
 * comes to us. One that chose another protocol has its way.
 */
static int set_preload(const char *path)
{
	const char *list = getenv("LD_PRELOAD");
	char *both;
	int error;

	if (strpbrk(path, ": ")) {
		warnx("%s: a path with a colon or a space cannot be preloaded", path);
		return -1;
	}
	if (!list)
		list = "";
	if (list_has(list, path))
		return 0;
	if (asprintf(&both, "%s%s%s", list, *list ? ":" : "", path) < 0)
		both = NULL;
	error = !both || setenv("LD_PRELOAD", both, 1);
	if (error)
		warn("cannot set LD_PRELOAD");
	free(both);
	return error ? -1 : 0;
}

static int set_variable(const char *name, const char *value)
{
	if (setenv(name, value, 1)) {
		warn("cannot set %s", name);
		return EXIT_TROUBLE;
	}
	return 0;
}

static int set_grace(const char *ms)
{
	if (whole_number(ms) < 0) {
		warnx("--grace: '%s' is not a whole number of milliseconds from 0 to %d", ms,
		      INT_MAX);
		return EXIT_TROUBLE;
	}
	return set_variable(GRACE_VARIABLE, ms);
}

static int set_device(const char *name)
{
	if (!*name) {
		warnx("--device: the name is empty");
		return EXIT_TROUBLE;
	}
	return set_variable(DEVICE_VARIABLE, name);
}

/*
 * Sockets of a program that asks for a device that is not there, or is of another kind, would fail
 * or find nobody. Better to say so than to have it run.
 */
static int check_device(void)
{
	const char *name = getenv(DEVICE_VARIABLE);
	struct device_facts facts;

	if (device_inspect(name, &facts)) {
		warn("device %s", name);
		return -1;
	}
	if (!facts.is_npnic) {
		warnx("device %s: not an npnic", name);
		return -1;
	}
	return 0;
}

static int run(char *argv[], const char *preload)
{
	int error;

	if (is_asked_for(DEVICE_VARIABLE) && check_device())
		return EXIT_TROUBLE;
	if (set_preload(preload))
		return EXIT_TROUBLE;
	execvp(argv[0], argv);
	error = errno;
	warn("%s", argv[0]);
	return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

/* What was printed may be all that a caller gets: a full disk or a closed pipe is a failure. */
static int flushed(int code)
{
	if (fflush(stdout) || ferror(stdout)) {
		warn("cannot write");
		return EXIT_TROUBLE;
	}
	return code;
}

static int advise(void)
{
	fputs("Try 'newproto_run --help'.\n", stderr);
	return EXIT_TROUBLE;
}

/* Returns an exit code, or -1 to go on with what optind says. */
static int parse_options(int argc, char *argv[], bool *only_check)
{
	static const struct option options[] = {
		{ "check", no_argument, NULL, 'c' },
		{ "datagrams", no_argument, NULL, 'd' },
		{ "device", required_argument, NULL, 'D' },
		{ "grace", required_argument, NULL, 'g' },
		{ "help", no_argument, NULL, 'h' },
		{ "reuseport", no_argument, NULL, 'r' },
		{ "version", no_argument, NULL, 'V' },
		{ }
	};
	int error = 0;
	int opt;

	/* "+": options after PROGRAM are the program's. */
	while (!error && (opt = getopt_long(argc, argv, "+cdD:g:hrV", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			*only_check = true;
			break;
		case 'd':
			error = set_variable(DATAGRAMS_VARIABLE, "1");
			break;
		case 'D':
			error = set_device(optarg);
			break;
		case 'g':
			error = set_grace(optarg);
			break;
		case 'r':
			error = set_variable(REUSEPORT_VARIABLE, "1");
			break;
		case 'h':
			fputs(usage, stdout);
			return flushed(0);
		case 'V':
			puts("newproto_run " VERSION);
			return flushed(0);
		default:
			return advise();
		}
	}
	return error ? error : -1;
}

int main(int argc, char *argv[])
{
	char preload[PATH_MAX];
	bool only_check = false;
	int code = parse_options(argc, argv, &only_check);

	if (code >= 0)
		return code;
	if (optind == argc && !only_check) {
		warnx("no program given");
		return advise();
	}
	if (find_preload(preload))
		return EXIT_TROUBLE;
	if (only_check)
		return flushed(check(argv[optind], preload));
	return run(argv + optind, preload);
}
