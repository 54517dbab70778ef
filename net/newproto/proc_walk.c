// SPDX-License-Identifier: GPL-2.0-only
/*
 * A walk over all ports of a namespace, for files in /proc/net/newproto/.
 */
#include "proc.h"

static void np_proc_walk_begin(struct np_proc_iter *it, struct np_net *nn, int space)
	__acquires(RCU)
{
	it->space = space;
	rhashtable_walk_enter(&nn->ports[space].table, &it->walk);
	rhashtable_walk_start(&it->walk);
}

static void np_proc_walk_end(struct np_proc_iter *it)
	__releases(RCU)
{
	rhashtable_walk_stop(&it->walk);
	rhashtable_walk_exit(&it->walk);
}

/* The next port: of this table, or of the one that follows. */
static struct np_port *np_proc_walk_port(struct np_proc_iter *it, struct np_net *nn)
{
	struct np_port *p;

	it->first = 0;
	for (;;) {
		p = rhashtable_walk_next(&it->walk);
		if (IS_ERR(p))
			continue;	/* the table is being resized */
		if (p || it->space == NP_SPACE_NR - 1)
			return p;
		np_proc_walk_end(it);
		np_proc_walk_begin(it, nn, it->space + 1);
	}
}

/**
 * np_proc_walk_next - seq_operations.next
 * @seq: the file, with a struct np_proc_iter
 * @v: the port, or SEQ_START_TOKEN
 * @pos: the position
 * @lines: how many lines a port has
 *
 * Return: the port of the next batch, or NULL.
 */
void *np_proc_walk_next(struct seq_file *seq, void *v, loff_t *pos,
			np_proc_lines lines)
{
	struct np_proc_iter *it = seq->private;

	++*pos;
	if (v != SEQ_START_TOKEN) {
		it->first += NP_PROC_BATCH;
		if (it->first < lines(v))
			return v;
	}
	return np_proc_walk_port(it, np_net(seq_file_net(seq)));
}

/**
 * np_proc_walk_start - seq_operations.start
 * @seq: the file, with a struct np_proc_iter
 * @pos: the position
 * @lines: how many lines a port has
 *
 * Return: SEQ_START_TOKEN, the port of the batch at @pos, or NULL.
 */
void *np_proc_walk_start(struct seq_file *seq, loff_t *pos, np_proc_lines lines)
	__acquires(RCU)
{
	struct np_proc_iter *it = seq->private;
	struct np_net *nn = np_net(seq_file_net(seq));
	unsigned int batches;
	struct np_port *p;
	loff_t skip;

	np_proc_walk_begin(it, nn, 0);
	if (!*pos)
		return SEQ_START_TOKEN;
	skip = *pos - 1;
	while ((p = np_proc_walk_port(it, nn))) {
		/* A port without a line is a record, too. */
		batches = max(DIV_ROUND_UP(lines(p), NP_PROC_BATCH), 1U);
		if (skip < batches)
			break;
		skip -= batches;
	}
	it->first = skip * NP_PROC_BATCH;
	return p;
}

/**
 * np_proc_walk_stop - seq_operations.stop
 * @seq: the file, with a struct np_proc_iter
 * @v: not used
 */
void np_proc_walk_stop(struct seq_file *seq, void *v)
	__releases(RCU)
{
	np_proc_walk_end(seq->private);
}
