/* SPDX-License-Identifier: GPL-2.0-only */
/* newproto_run: what its source files share. */
#ifndef NEWPROTO_RUN_H
#define NEWPROTO_RUN_H

#include <limits.h>
#include <stdbool.h>

/* Set, and not empty: the preload library maps UDP sockets, too. */
#define DATAGRAMS_VARIABLE	"NEWPROTO_DATAGRAMS"

/* Exit codes; those of a program that was run are its own. */
enum {
	EXIT_CARRIED	= 0,	/* --check: the sockets asked about will be AF_NEWPROTO's */
	EXIT_ABSENT	= 1,	/* --check: they would be, but not all can be had of this kernel */
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

/* Are UDP sockets to be mapped, by --datagrams or because newproto_run runs in such a run? */
bool datagrams_wanted(void);

/*
 * newproto_run --check: prints what would happen to @program (NULL: to any) with the preload
 * library at @preload, and returns an exit code from above.
 */
int check(const char *program, const char *preload);

#endif
