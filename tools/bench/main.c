// SPDX-License-Identifier: GPL-2.0-only
/*
 * np_bench speed [--kinds LIST] [--rows LIST] [--repeats N] [--slot MS] [--batch]
 * np_bench groups [--kinds LIST] [--rows LIST] [--repeats N]
 * np_bench memory --kinds KIND [--connections N] [--datagrams]
 *
 * Results are the lines that begin with BENCH and a tab; all else is for people.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static const struct option long_options[] = {
	{ "kinds", required_argument, NULL, 'k' },
	{ "rows", required_argument, NULL, 'r' },
	{ "repeats", required_argument, NULL, 'n' },
	{ "slot", required_argument, NULL, 's' },
	{ "batch", no_argument, NULL, 'b' },
	{ "connections", required_argument, NULL, 'c' },
	{ "datagrams", no_argument, NULL, 'd' },
	{ }
};

static unsigned int number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	errno = 0;
	if (!*text || *end || n > 1000000)
		die("not a count: %s", text);
	return n;
}

int main(int argc, char **argv)
{
	struct speed_options speed = { .repeats = 5 };
	unsigned int connections = 20000;
	bool datagrams = false;
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 'k':
			speed.kinds = optarg;
			break;
		case 'r':
			speed.rows = optarg;
			break;
		case 'n':
			speed.repeats = number(optarg);
			break;
		case 's':
			speed.slot_ms = number(optarg);
			break;
		case 'b':
			speed.batch = true;
			break;
		case 'c':
			connections = number(optarg);
			break;
		case 'd':
			datagrams = true;
			break;
		default:
			return 2;
		}
	}
	if (optind == argc - 1 && !strcmp(argv[optind], "speed"))
		return speed_run(&speed);
	if (optind == argc - 1 && !strcmp(argv[optind], "groups"))
		return groups_run(&speed);
	if (optind == argc - 1 && !strcmp(argv[optind], "memory"))
		return datagrams ? memory_run_datagrams(speed.kinds, connections) :
				   memory_run(speed.kinds, connections);
	fprintf(stderr, "usage: np_bench speed|groups|memory [options]\n");
	return 2;
}
