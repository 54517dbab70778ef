// SPDX-License-Identifier: GPL-2.0-only
/*
 * A walk over all ports of a namespace, for files in /proc/net/newproto/.
 *
 * A file is read piece by piece, and sockets come and go meanwhile. What a position
 * means must not depend on how many there are before it, or programs would see
 * lines twice, or miss some: so when a file is read from its begin the ports in
 * use are noted, and they are shown by number.
 */
#include <linux/sched.h>

#include "proc.h"

/* A position is one more than a port's place among those of all tables, and which
 * batch of its lines.
 */
#define NP_POS_BATCH_BITS	24

static loff_t np_proc_pos(unsigned int place, unsigned int batch)
{
	return 1 + (((loff_t)place << NP_POS_BATCH_BITS) | batch);
}

static void np_proc_note_ports(struct np_proc_iter *it, struct np_net *nn)
{
	int space;

	bitmap_zero(it->ports, NP_PROC_PLACES);
	for (space = 0; space < NP_SPACE_NR; space++)
		np_ports_note(&nn->ports[space], it->ports + space * BITS_TO_LONGS(SZ_64K));
}

/* The next port from a place on, which is there still and has lines from a batch on. */
static struct np_port *np_proc_walk_port(struct seq_file *seq, unsigned int place,
					 unsigned int batch, loff_t *pos,
					 np_proc_lines lines)
{
	struct np_net *nn = np_net(seq_file_net(seq));
	struct np_proc_iter *it = seq->private;
	struct np_port *p;

	for (;;) {
		place = find_next_bit(it->ports, NP_PROC_PLACES, place);
		if (place >= NP_PROC_PLACES)
			break;
		it->space = place / SZ_64K;
		it->first = batch * NP_PROC_BATCH;
		p = np_port_peek(&nn->ports[it->space], place % SZ_64K);
		if (p && it->first < lines(p)) {
			*pos = np_proc_pos(place, batch);
			return p;
		}
		batch = 0;
		place++;
		cond_resched_rcu();
	}
	*pos = np_proc_pos(NP_PROC_PLACES, 0);
	return NULL;
}

/**
 * np_proc_walk_next - seq_operations.next
 * @seq: the file, with a struct np_proc_iter
 * @pos: the position
 * @lines: how many lines a port has
 *
 * Return: the port of the next batch, or NULL.
 */
void *np_proc_walk_next(struct seq_file *seq, loff_t *pos, np_proc_lines lines)
{
	loff_t now = *pos;

	/* The place before the first one is that of the heading. */
	return np_proc_walk_port(seq, now >> NP_POS_BATCH_BITS,
				 now & (BIT(NP_POS_BATCH_BITS) - 1), pos, lines);
}

/**
 * np_proc_walk_start - seq_operations.start
 * @seq: the file, with a struct np_proc_iter
 * @pos: the position
 * @lines: how many lines a port has
 *
 * Return: SEQ_START_TOKEN, the port of the batch at @pos, or of the first one after
 * it, or NULL.
 */
void *np_proc_walk_start(struct seq_file *seq, loff_t *pos, np_proc_lines lines)
	__acquires(RCU)
{
	if (!*pos)
		np_proc_note_ports(seq->private, np_net(seq_file_net(seq)));
	rcu_read_lock();
	if (!*pos)
		return SEQ_START_TOKEN;
	--*pos;
	return np_proc_walk_next(seq, pos, lines);
}

/**
 * np_proc_walk_stop - seq_operations.stop
 * @seq: the file, with a struct np_proc_iter
 * @v: not used
 */
void np_proc_walk_stop(struct seq_file *seq, void *v)
	__releases(RCU)
{
	rcu_read_unlock();
}
