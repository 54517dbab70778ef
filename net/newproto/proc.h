/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files in /proc/net/newproto/ share.
 */
#ifndef _NP_PROC_H
#define _NP_PROC_H

#include <linux/bitmap.h>
#include <linux/seq_file.h>
#include <linux/seq_file_net.h>
#include <linux/sizes.h>

#include "net.h"

/* Lines shown per lock hold: a server's port may have very many sockets. */
#define NP_PROC_BATCH	64

/* Ports of all tables. */
#define NP_PROC_PLACES	(NP_SPACE_NR * SZ_64K)

/**
 * struct np_proc_iter - a walk over the port tables
 *
 * A record is a batch of a port's lines. Ports stay while the walk holds the
 * RCU lock, from start to stop.
 *
 * All guarded by seq_file's lock.
 *
 * @p: seq_file's own
 * @space: the table, enum np_space
 * @first: of the port's lines, where the batch begins
 * @ports: those to be shown, a bit each: there were sockets when the walk began
 */
struct np_proc_iter {
	struct seq_net_private p;
	int space;
	unsigned int first;
	DECLARE_BITMAP(ports, NP_PROC_PLACES);
};

/* How many lines a port has, or a few more. */
typedef unsigned int (*np_proc_lines)(struct np_port *p);

extern const char * const np_proc_types[NP_SPACE_NR];
extern const struct seq_operations np_proc_groups_ops;

void np_proc_addr(struct seq_file *seq, const struct in6_addr *ip, u16 port);

/* proc_walk.c */
void *np_proc_walk_start(struct seq_file *seq, loff_t *pos, np_proc_lines lines)
	__acquires(RCU);
void *np_proc_walk_next(struct seq_file *seq, loff_t *pos, np_proc_lines lines);
void np_proc_walk_stop(struct seq_file *seq, void *v)
	__releases(RCU);

#endif /* _NP_PROC_H */
