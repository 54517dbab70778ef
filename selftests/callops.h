/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The calls that the rows of errno*.tsv name, with their arguments in words.
 */
#ifndef NEWPROTO_SELFTESTS_CALLOPS_H
#define NEWPROTO_SELFTESTS_CALLOPS_H

#include "scene.h"

#define NO_SUCH_CALL	(-1000L)

/* True if the comma-separated list has the word. */
bool has(const char *args, const char *word);

/* Makes the call in the scene; its result, with errno. */
long callop(struct scene *s, const char *call, const char *args);

#endif /* NEWPROTO_SELFTESTS_CALLOPS_H */
