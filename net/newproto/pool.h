/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pools: a namespace's channels that hold buffers, and the worker that takes
 * the buffers of idle ones back.
 */
#ifndef _NP_POOL_H
#define _NP_POOL_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

struct np_chan;

/* Channels are spread over this many lists, so that CPUs seldom meet. */
#define NP_POOL_LISTS	8

/**
 * struct np_pool - the channels of a namespace that hold buffers
 *
 * Lives as long as its namespace, which outlives every socket in it, and so
 * every channel. A channel on a list holds no reference: np_chan_put() takes
 * it off before it frees it.
 *
 * @part: the lists
 * @part.lock: guards @part.list and @part.pass, and the channels on them
 *	against being freed; taken before a channel's own lock
 * @part.list: channels that hold buffers
 * @part.pass: those that the running pass has yet to look at
 * @work: the pass; runs while there is something on the lists
 * @bytes: size of all buffers
 * @rcu: grace period cookie of the last pass; the worker's
 * @hurry: memory is short: mark and take in one go
 */
struct np_pool {
	struct np_pool_part {
		spinlock_t lock;	/* see above */
		struct list_head list;
		struct list_head pass;
	} ____cacheline_aligned_in_smp part[NP_POOL_LISTS];
	struct delayed_work work;
	atomic_long_t bytes;
	unsigned long rcu;
	u32 hurry;
};

/* What the module does in the background, of all namespaces. */
extern struct workqueue_struct *np_wq;

int np_pool_workers_init(void);
void np_pool_workers_exit(void);

void np_pool_init(struct np_pool *pool);
void np_pool_exit(struct np_pool *pool);
void np_pool_add(struct np_pool *pool, struct np_chan *c);
void np_pool_del(struct np_pool *pool, struct np_chan *c);
void np_pool_hurry(struct np_pool *pool);
void np_pool_run(struct np_pool *pool);

static inline void np_pool_account(struct np_pool *pool, long bytes)
{
	atomic_long_add(bytes, &pool->bytes);
}

static inline unsigned long np_pool_bytes(const struct np_pool *pool)
{
	long bytes = atomic_long_read(&pool->bytes);

	return max(bytes, 0L);
}

#endif /* _NP_POOL_H */
