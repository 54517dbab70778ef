// SPDX-License-Identifier: GPL-2.0-only
/*
 * newproto-fabricd: the fabric server of npnic, for QEMU's ivshmem-doorbell.
 *
 * It makes the memory that virtual machines share, tells their QEMUs of each other, and
 * keeps the board: which machine has which slot, and who has died.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fabricd.h"

#define SOCKET		"/run/newproto-fabric.sock"
#define SIZE		(64U << 20)
#define PEERS		4
#define QUEUES		4
#define TIMEOUT		10

static const char usage[] =
	"Usage: newproto-fabricd [OPTION]...\n"
	"Serve a fabric of shared memory to the virtual machines of QEMU whose device\n"
	"ivshmem-doorbell is connected to a socket; npnic is its driver.\n"
	"\n"
	"  -s, --socket PATH    where QEMU connects (" SOCKET ")\n"
	"  -z, --size SIZE      bytes of shared memory, a power of two; K, M, G, T (64M)\n"
	"  -p, --peers N        how many machines at a time, 2 to 16 (4)\n"
	"  -q, --queues N       between each two, 1 to 16 (4); QEMU's vectors=N+2\n"
	"  -r, --ring SIZE      bytes of each queue's ring, a power of two\n"
	"                       (chosen so that all fits)\n"
	"  -m, --mode OCTAL     mode of the socket (0600)\n"
	"  -g, --group GROUP    group of the socket\n"
	"  -t, --timeout S      drop a client that reads nothing for so many seconds while\n"
	"                       messages wait for it (10)\n"
	"  -d, --daemon         go into the background when clients can connect\n"
	"  -P, --pidfile PATH   write the process id there\n"
	"  -v, --verbose        tell more on stderr\n"
	"  -c, --check          say what the layout is, or would have to be, and exit\n"
	"  -h, --help           print this text\n"
	"  -V, --version        print the version\n"
	"\n"
	"Exits with 0 after SIGTERM, SIGINT or SIGHUP, with 1 if it cannot serve or what\n"
	"is asked for does not fit into the memory, with 2 if the command line is wrong.\n";

static bool verbose;

static void line(const char *format, va_list args)
{
	char text[1024];
	int len;

	/* In one piece, whoever else writes there. */
	len = snprintf(text, sizeof(text), "newproto-fabricd: ");
	vsnprintf(text + len, sizeof(text) - len, format, args);
	fprintf(stderr, "%s\n", text);
}

void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	line(format, args);
	va_end(args);
}

void chat(const char *format, ...)
{
	va_list args;

	if (!verbose)
		return;
	va_start(args, format);
	line(format, args);
	va_end(args);
}

/* A whole number, in base @base, from @min to @max, with nothing before or behind it. */
static int parse_number(const char *option, const char *text, int base, unsigned int min,
			unsigned int max, unsigned int *value)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, base);
	if (*text < '0' || *text > '9' || *end || errno || n < min || n > max) {
		note(base == 8 ? "%s: '%s' is not an octal number from %o to %o" :
		     "%s: '%s' is not a whole number from %u to %u", option, text, min, max);
		return -1;
	}
	*value = n;
	return 0;
}

static int parse_size(const char *option, const char *text, uint64_t min, uint64_t max,
		      uint64_t *value)
{
	static const char units[] = "KMGT";
	char least[SIZE_TEXT], most[SIZE_TEXT];
	unsigned long long n;
	const char *unit;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		unsigned int shift = 10 * (unit - units + 1);

		end++;
		/* What is shifted out is not a power of two that is too small. */
		n = n > ULLONG_MAX >> shift ? ULLONG_MAX : n << shift;
	}
	if (*text < '0' || *text > '9' || *end || errno || n & (n - 1) || n < min || n > max) {
		note("%s: '%s' is not a power of two from %s to %s", option, text,
		     size_text(min, least), size_text(max, most));
		return -1;
	}
	*value = n;
	return 0;
}

static int parse_group(const char *name, gid_t *gid)
{
	const struct group *gr = getgrnam(name);
	unsigned int n;

	if (gr) {
		*gid = gr->gr_gid;
		return 0;
	}
	if (*name < '0' || *name > '9') {
		note("--group: there is no group '%s'", name);
		return -1;
	}
	if (parse_number("--group", name, 10, 0, UINT_MAX - 1, &n))
		return -1;
	*gid = n;
	return 0;
}

static int parse_ring(const char *text, uint32_t *ring)
{
	uint64_t n;

	if (parse_size("--ring", text, NPNIC_RING_MIN, NPNIC_RING_MAX, &n))
		return -1;
	*ring = n;
	return 0;
}

static int advise(void)
{
	fputs("Try 'newproto-fabricd --help'.\n", stderr);
	return -1;
}

/* What was printed may be all that a caller gets: a full disk is a failure. */
static int flushed(int code)
{
	if (fflush(stdout) || ferror(stdout)) {
		note("cannot write: %s", strerror(errno));
		return EXIT_TROUBLE;
	}
	return code;
}

/* One option: 0, or -1 with a message. */
static int option(struct settings *s, int opt, const char *value)
{
	switch (opt) {
	case 's':
		s->socket = value;
		return 0;
	case 'z':
		return parse_size("--size", value, 1U << 20, 1ULL << 40, &s->size);
	case 'p':
		return parse_number("--peers", value, 10, NPNIC_SLOTS_MIN, NPNIC_SLOTS_MAX,
				    &s->peers);
	case 'q':
		return parse_number("--queues", value, 10, 1, NPNIC_QUEUES_MAX, &s->queues);
	case 'r':
		return parse_ring(value, &s->ring);
	case 'm':
		return parse_number("--mode", value, 8, 0, 0777, &s->mode);
	case 'g':
		return parse_group(value, &s->group);
	case 't':
		return parse_number("--timeout", value, 10, 1, 86400, &s->timeout);
	case 'd':
		s->daemon = true;
		return 0;
	case 'P':
		s->pidfile = value;
		return 0;
	case 'v':
		verbose = true;
		return 0;
	case 'c':
		s->check = true;
		return 0;
	case 'I':
		return parse_number("--first-id", value, 10, 0, LAST_ID, &s->first_id);
	default:
		return advise();
	}
}

/* Returns an exit code, or -1 to go on. */
static int parse_options(struct settings *s, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "size", required_argument, NULL, 'z' },
		{ "peers", required_argument, NULL, 'p' },
		{ "queues", required_argument, NULL, 'q' },
		{ "ring", required_argument, NULL, 'r' },
		{ "mode", required_argument, NULL, 'm' },
		{ "group", required_argument, NULL, 'g' },
		{ "timeout", required_argument, NULL, 't' },
		{ "daemon", no_argument, NULL, 'd' },
		{ "pidfile", required_argument, NULL, 'P' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "check", no_argument, NULL, 'c' },
		{ "first-id", required_argument, NULL, 'I' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ }
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "s:z:p:q:r:m:g:t:dP:vchV", options, NULL)) != -1) {
		if (opt == 'h' || opt == 'V') {
			fputs(opt == 'h' ? usage : "newproto-fabricd " VERSION "\n", stdout);
			return flushed(0);
		}
		if (option(s, opt, optarg))
			return EXIT_USAGE;
	}
	if (optind < argc) {
		note("there is no use for '%s'", argv[optind]);
		advise();
		return EXIT_USAGE;
	}
	return -1;
}

static int write_pid(FILE *file, const char *path, pid_t pid)
{
	int bad = fprintf(file, "%d\n", (int)pid) < 0;

	if (fclose(file) || bad) {
		note("%s: %s", path, strerror(errno));
		return -1;
	}
	return 0;
}

/*
 * When the process that was started returns, clients can connect and the pidfile is
 * written: by that process, as it has to be done before. Returns 0 in the one that goes on.
 */
static int become_daemon(const struct settings *s, FILE *pidfile)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid;

	/* No file system is kept from being unmounted when this returns. */
	if (chdir("/"))
		chat("cannot leave the directory: %s", strerror(errno));
	pid = null < 0 ? -1 : fork();
	if (pid < 0) {
		note("cannot go into the background: %s", strerror(errno));
		return -1;
	}
	if (pid) {
		if (!pidfile || !write_pid(pidfile, s->pidfile, pid))
			_exit(0);
		kill(pid, SIGTERM);
		_exit(EXIT_TROUBLE);
	}
	setsid();
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	close(null);
	if (pidfile)
		fclose(pidfile);
	return 0;
}

/* Also in the background, which is in another directory. What is no plain file stays. */
static char *pidfile_path;
static struct stat pidfile_stat;

static FILE *open_pidfile(const char *path)
{
	FILE *file = fopen(path, "we");

	if (!file || fstat(fileno(file), &pidfile_stat)) {
		note("%s: %s", path, strerror(errno));
		return NULL;
	}
	if (S_ISREG(pidfile_stat.st_mode))
		pidfile_path = realpath(path, NULL);
	return file;
}

static int serve_region(struct region *r, const struct settings *s, int listener)
{
	FILE *pidfile = NULL;
	char text[SIZE_TEXT];

	if (s->pidfile) {
		pidfile = open_pidfile(s->pidfile);
		if (!pidfile)
			return EXIT_TROUBLE;
	}
	if (s->daemon) {
		if (become_daemon(s, pidfile))
			return EXIT_TROUBLE;
	} else if (pidfile && write_pid(pidfile, s->pidfile, getpid())) {
		return EXIT_TROUBLE;
	}
	note("serves %s for %u peers with %u vectors at %s", size_text(r->layout.size, text),
	     r->layout.slots, region_vectors(r), s->socket);
	return serve(r, s, listener);
}

static int run(const struct settings *s)
{
	struct region r = {};
	int listener, code;

	if (region_layout(&r.layout, s))
		return EXIT_TROUBLE;
	if (s->check) {
		region_describe(&r.layout);
		return flushed(0);
	}
	if (region_make(&r))
		return EXIT_TROUBLE;
	listener = serve_open(s);
	if (listener < 0)
		return EXIT_TROUBLE;
	code = serve_region(&r, s, listener);
	if (pidfile_path)
		remove_ours(pidfile_path, &pidfile_stat);
	serve_close(listener);
	return code;
}

int main(int argc, char *argv[])
{
	struct settings s = {
		.socket = SOCKET,
		.size = SIZE,
		.peers = PEERS,
		.queues = QUEUES,
		.mode = 0600,
		.group = -1,
		.timeout = TIMEOUT,
	};
	int code = parse_options(&s, argc, argv);

	return code >= 0 ? code : run(&s);
}
