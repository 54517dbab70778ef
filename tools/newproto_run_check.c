// SPDX-License-Identifier: GPL-2.0-only
/* newproto_run --check: what would become of a program's sockets, and why. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <linux/newproto.h>

#include "newproto_run.h"

/* So many interpreters does the kernel follow, one that is a script itself included. */
#define MAX_SCRIPTS	5
/* So much of a "#!" line does the kernel read. */
#define SCRIPT_LINE	256

/* What the kernel would execute. */
struct target {
	char path[PATH_MAX];
	struct stat st;
	struct elf_facts elf;
};

static int is_executable(const char *path, struct stat *st)
{
	if (stat(path, st))
		return -1;
	if (!S_ISREG(st->st_mode)) {
		errno = EACCES;
		return -1;
	}
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS);
}

/* Finds @name as execvp() does. Returns 0, or -1 with errno set. */
static int find_program(const char *name, struct target *target)
{
	const char *dirs = getenv("PATH");
	int error = ENOENT;

	if (!*name) {
		errno = ENOENT;
		return -1;
	}
	if (strchr(name, '/')) {
		snprintf(target->path, sizeof(target->path), "%s", name);
		return is_executable(target->path, &target->st);
	}
	/* What execvp() takes where there is no PATH. */
	if (!dirs)
		dirs = "/bin:/usr/bin";
	for (;;) {
		size_t len = strcspn(dirs, ":");

		snprintf(target->path, sizeof(target->path), "%.*s%s%s", (int)len, dirs,
			 len ? "/" : "", name);
		if (!is_executable(target->path, &target->st))
			return 0;
		if (errno == EACCES)
			error = EACCES;
		if (!dirs[len])
			break;
		dirs += len + 1;
	}
	errno = error;
	return -1;
}

/*
 * The name of what runs the script whose first line is @line, or NULL if that is no "#!" line. "env
 * NAME" stands for NAME: it is in all those scripts only to search PATH.
 */
static const char *script_runner(char *line)
{
	char *runner, *arg, *rest;
	const char *base;

	if (strncmp(line, "#!", 2))
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	runner = strtok_r(line + 2, " \t", &rest);
	if (!runner)
		return NULL;
	base = strrchr(runner, '/');
	if (strcmp(base ? base + 1 : runner, "env"))
		return runner;
	for (arg = strtok_r(NULL, " \t", &rest); arg; arg = strtok_r(NULL, " \t", &rest)) {
		if (arg[0] != '-' && !strchr(arg, '='))
			return arg;
	}
	return runner;
}

/*
 * Follows scripts to the ELF program that runs them, which goes into *target. Returns 0 or an exit
 * code, and has then complained.
 */
static int resolve(const char *name, struct target *target)
{
	char line[SCRIPT_LINE + 1], next[SCRIPT_LINE + 1];
	const char *runner;
	ssize_t len;
	int error, fd;

	for (int depth = 0; depth <= MAX_SCRIPTS; depth++) {
		if (find_program(name, target)) {
			error = errno;
			warn("%s", name);
			return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
		}
		printf("%-9s%s\n", depth ? "run by:" : "program:", target->path);
		fd = open(target->path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || elf_inspect(fd, &target->elf)) {
			warnx("cannot look into %s: %s", target->path,
			      fd >= 0 && errno == EINVAL ? "broken ELF file" : strerror(errno));
			if (fd >= 0)
				close(fd);
			return EXIT_TROUBLE;
		}
		len = pread(fd, line, SCRIPT_LINE, 0);
		close(fd);
		if (target->elf.is_elf)
			return 0;
		line[len > 0 ? len : 0] = '\0';
		runner = script_runner(line);
		/* execvp() gives a file of no known format to the shell. */
		strcpy(next, runner ? runner : "/bin/sh");
		name = next;
	}
	warnx("%s: %s", target->path, strerror(ELOOP));
	return EXIT_CANNOT_RUN;
}

/*
 * Does the kernel run it in secure-execution mode, where the loader ignores a preload library that
 * is named by its path? Programs with file capabilities are exempt when root runs them.
 */
static const char *secure_reason(const struct target *target)
{
	const mode_t setgid = 02010;	/* without group execution the bit means something else */

	if ((target->st.st_mode & S_ISUID) && target->st.st_uid != getuid())
		return "set-user-ID: the loader ignores LD_PRELOAD";
	if ((target->st.st_mode & setgid) == setgid && target->st.st_gid != getgid())
		return "set-group-ID: the loader ignores LD_PRELOAD";
	if (getuid() && getxattr(target->path, "security.capability", NULL, 0) > 0)
		return "it has file capabilities: the loader ignores LD_PRELOAD";
	return NULL;
}

static bool same_machine(const struct elf_facts *a, const struct elf_facts *b)
{
	return a->class == b->class && a->data == b->data && a->machine == b->machine;
}

/* Why the library cannot get at the program's socket() calls; NULL if it can. */
static const char *out_of_reach(const struct target *target, const struct elf_facts *library)
{
	const struct elf_facts *elf = &target->elf;

	if (!same_machine(elf, library))
		return "built for another machine than the preload library";
	if (elf->is_go)
		return "Go: it makes its system calls without the C library";
	if (!*elf->loader)
		return "static: no loader reads LD_PRELOAD";
	if (strstr(elf->loader, "ld-musl"))
		return "linked with musl, the preload library with glibc";
	return secure_reason(target);
}

static int family_socket(int domain, int type)
{
	return socket(domain, type | SOCK_CLOEXEC, IPPROTO_NEWPROTO);
}

/* Makes a socket of the family and throws it away. Returns 0, or what errno said. */
static int family_error(int domain, int type)
{
	int fd = family_socket(domain, type);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* Can sockets of @type be had? Prints a line about it, which begins with @label. */
static bool type_present(const char *label, int type)
{
	int v4 = family_error(AF_INET, type);
	int v6 = family_error(AF_INET6, type);

	if (!v4 && !v6)
		printf("%-9spresent, for IPv4 and IPv6\n", label);
	else if (!v4)
		printf("%-9spresent, for IPv4 only (IPv6: %s)\n", label, strerror(v6));
	else if (!v6)
		printf("%-9spresent, for IPv6 only (IPv4: %s)\n", label, strerror(v4));
	else
		printf("%-9snot to be had (%s)\n", label, strerror(v4));
	return !v4 || !v6;
}

/* Does to a socket what the preload library would. Returns 0, or what errno said. */
static int group_error(int type)
{
	int fd = family_socket(AF_INET, type), on = 1, error = 0;
	int ms = whole_number(getenv(GRACE_VARIABLE));

	if (fd < 0)
		fd = family_socket(AF_INET6, type);
	if (fd < 0)
		return errno;
	/* Any grace will do to see that there are groups. */
	if (ms < 0)
		ms = 0;
	if ((is_asked_for(REUSEPORT_VARIABLE) &&
	     setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on))) ||
	    setsockopt(fd, SOL_NEWPROTO, NEWPROTO_GRACE, &ms, sizeof(ms)))
		error = errno;
	close(fd);
	return error;
}

/* Can the sockets that can be had be members of groups? Prints a line about it. */
static bool groups_present(bool streams, bool datagrams)
{
	int ms = whole_number(getenv(GRACE_VARIABLE));
	int error = 0;

	if (!streams && !datagrams) {
		printf("groups:  none without the family\n");
		return false;
	}
	if (streams)
		error = group_error(SOCK_STREAM);
	if (datagrams && !error)
		error = group_error(SOCK_DGRAM);
	if (error)
		printf("groups:  not to be had (%s)\n", strerror(error));
	else if (ms < 0)
		printf("groups:  present, SO_REUSEPORT is set\n");
	else if (is_asked_for(REUSEPORT_VARIABLE))
		printf("groups:  present, SO_REUSEPORT is set, with a grace of %d ms\n", ms);
	else
		printf("groups:  present, with a grace of %d ms if the program sets SO_REUSEPORT\n",
		       ms);
	return !error;
}

/* Are sockets to be members of groups, and if so, can they? Complains of a bad variable. */
static bool groups_as_asked_for(bool streams, bool datagrams)
{
	bool grace = whole_number(getenv(GRACE_VARIABLE)) >= 0;

	if (!grace && is_asked_for(GRACE_VARIABLE))
		printf("grace:   %s is ignored: not a whole number of milliseconds\n",
		       GRACE_VARIABLE);
	if (grace || is_asked_for(REUSEPORT_VARIABLE))
		return groups_present(streams, datagrams);
	return true;
}

/* Binds a stream to @name, as the preload library would. Returns 0, or what errno said. */
static int bind_error(const char *name)
{
	int fd = family_socket(AF_INET, SOCK_STREAM), error = 0;

	if (fd < 0)
		fd = family_socket(AF_INET6, SOCK_STREAM);
	if (fd < 0)
		return errno;
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, strlen(name)))
		error = errno;
	close(fd);
	return error;
}

/* Can streams, if there are any, be bound to @name? Prints a line about it. */
static bool device_present(const char *name, bool streams)
{
	struct device_facts facts;
	int error = 0;

	if (device_inspect(name, &facts)) {
		printf("device:  %s is not to be had (%s)\n", name, strerror(errno));
		return false;
	}
	if (!facts.is_npnic) {
		printf("device:  %s is not an npnic%s%s\n", name,
		       *facts.driver ? ", its driver is " : "", facts.driver);
		return false;
	}
	if (streams)
		error = bind_error(name);
	if (error)
		printf("device:  %s, an npnic, cannot be bound to (%s)\n", name, strerror(error));
	else
		printf("device:  %s, an npnic, which is %s\n", name, facts.is_up ? "up" : "down");
	return !error;
}

static int inspect_library(const char *preload, struct elf_facts *library)
{
	int fd = open(preload, O_RDONLY | O_CLOEXEC);
	int ret;

	if (fd < 0) {
		warn("%s", preload);
		return -1;
	}
	ret = elf_inspect(fd, library);
	close(fd);
	if (ret || !library->is_elf) {
		warnx("%s: not a library", preload);
		return -1;
	}
	return 0;
}

/* What of the sockets of @whose becomes the family's, and its streams @device's? */
static int conclude(const char *whose, bool streams, bool datagrams, bool groups,
		    const char *device)
{
	const char *lack = groups ? "" : " (without groups)";
	char over[sizeof(" over ") + IF_NAMESIZE] = "";

	if (device)
		snprintf(over, sizeof(over), " over %s", device);
	if (streams && datagrams && device)
		printf("verdict: %s TCP sockets become AF_NEWPROTO's%s, its UDP sockets, too%s\n",
		       whose, over, lack);
	else if (streams && datagrams)
		printf("verdict: %s TCP and UDP sockets become AF_NEWPROTO's%s\n", whose, lack);
	else if (streams)
		printf("verdict: %s TCP sockets become AF_NEWPROTO's%s%s, UDP sockets stay UDP\n",
		       whose, over, lack);
	else if (datagrams)
		printf("verdict: %s UDP sockets become AF_NEWPROTO's%s, TCP sockets stay TCP\n",
		       whose, lack);
	else
		printf("verdict: %s sockets stay TCP and UDP\n", whose);
	return streams && datagrams == is_asked_for(DATAGRAMS_VARIABLE) && groups ?
	       EXIT_CARRIED : EXIT_ABSENT;
}

int check(const char *program, const char *preload)
{
	struct elf_facts library;
	struct target target;
	const char *reason = NULL, *device = NULL;
	bool streams, datagrams, groups, usable = true;
	int error;

	if (inspect_library(preload, &library))
		return EXIT_TROUBLE;
	if (program) {
		error = resolve(program, &target);
		if (error)
			return error;
		reason = out_of_reach(&target, &library);
		if (!reason)
			printf("kind:    dynamic, loaded by %s\n", target.elf.loader);
	}
	printf("preload: %s\n", preload);
	streams = type_present("family:", SOCK_STREAM);
	if (is_asked_for(DATAGRAMS_VARIABLE)) {
		datagrams = type_present("udp:", SOCK_DGRAM);
	} else {
		datagrams = false;
		printf("udp:     stays UDP, as --datagrams is not given\n");
	}
	groups = groups_as_asked_for(streams, datagrams);
	if (is_asked_for(DEVICE_VARIABLE)) {
		device = getenv(DEVICE_VARIABLE);
		usable = device_present(device, streams);
	}
	if (reason) {
		printf("verdict: out of reach: %s\n", reason);
		return EXIT_OUT_OF_REACH;
	}
	if (!usable) {
		printf("verdict: %s cannot be used\n", device);
		return EXIT_ABSENT;
	}
	return conclude(program ? "its" : "a program's", streams, datagrams, groups, device);
}
