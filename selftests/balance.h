/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What there is of the family, and of memory, before and after: for programs that
 * make much of everything and want to see nothing of it left.
 */
#ifndef NEWPROTO_SELFTESTS_BALANCE_H
#define NEWPROTO_SELFTESTS_BALANCE_H

#include <stdbool.h>
#include <stddef.h>

struct balance {
	long module_refs;
	long users;		/* in /proc/net/protocols */
	long lines;		/* of /proc/net/newproto's lists */
	long buffers;		/* bytes */
	long objects;		/* of the caches with our name, unless they are merged */
	size_t shrunk;		/* caches */
	long used_kb;		/* what the kernel has for itself, and cannot do without */
};

void balance_look(struct balance *b);
bool balance_same(const struct balance *was, struct balance *is, long leak_kb);
void balance_show(const char *when, const struct balance *b);

#endif /* NEWPROTO_SELFTESTS_BALANCE_H */
