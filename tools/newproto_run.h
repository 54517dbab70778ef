/* SPDX-License-Identifier: GPL-2.0-only */
/* newproto_run: what its source files share. */
#ifndef NEWPROTO_RUN_H
#define NEWPROTO_RUN_H

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

/*
 * How newproto_run tells the preload library what to do, and the programs started in such a run
 * theirs. The first three count if they are set, and not empty.
 */
#define DATAGRAMS_VARIABLE	"NEWPROTO_DATAGRAMS"	/* map UDP sockets, too */
#define DEVICE_VARIABLE		"NEWPROTO_DEVICE"	/* bind TCP sockets to this npnic */
#define REUSEPORT_VARIABLE	"NEWPROTO_REUSEPORT"	/* set SO_REUSEPORT on what is mapped */
#define GRACE_VARIABLE		"NEWPROTO_GRACE"	/* and NEWPROTO_GRACE, to so many ms */

/* Exit codes; those of a program that was run are its own. */
enum {
	EXIT_CARRIED	= 0,	/* --check: the sockets asked about will be AF_NEWPROTO's */
	EXIT_ABSENT	= 1,	/* --check: they would be, but this kernel does not have it all */
	EXIT_OUT_OF_REACH = 2,	/* --check: this program cannot be reached */
	EXIT_TROUBLE	= 125,	/* newproto_run itself failed */
	EXIT_CANNOT_RUN	= 126,	/* the program was found and could not be run */
	EXIT_NOT_FOUND	= 127,	/* there is no such program */
};

/* What an ELF file says about itself. */
struct elf_facts {
	bool is_elf;
	unsigned char class;	/* EI_CLASS, EI_DATA, e_machine: alike in program and library */
	unsigned char data;
	unsigned int machine;
	bool is_go;		/* this and the loader: only if class and data are our own */
	char loader[PATH_MAX];	/* PT_INTERP; empty: static */
};

/*
 * Fills *facts from the open file @fd. Returns 0, or -1 with errno set: EINVAL if it begins like
 * ELF and is broken.
 */
int elf_inspect(int fd, struct elf_facts *facts);

/* What a network device says about itself. */
struct device_facts {
	bool is_up;
	bool is_npnic;
	char driver[33];	/* empty: it does not say */
};

/*
 * Fills *facts for the device @name of this network namespace. Returns 0, or -1 with errno set:
 * ENODEV if there is none.
 */
int device_inspect(const char *name, struct device_facts *facts);

/* Is @variable set, by an option or because newproto_run runs in such a run? */
static inline bool is_asked_for(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value;
}

/*
 * The whole number, at most INT_MAX, that @text is from its first character to its last; -1 if it
 * is none, or NULL. Anybody may have set the variable that it comes from.
 */
static inline int whole_number(const char *text)
{
	int number = 0;

	if (!text || !*text)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9' ||
		    __builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, *text - '0', &number))
			return -1;
	}
	return number;
}

/*
 * newproto_run --check: prints what would happen to @program (NULL: to any) with the preload
 * library at @preload, and returns an exit code from above.
 */
int check(const char *program, const char *preload);

#endif
