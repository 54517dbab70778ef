// SPDX-License-Identifier: GPL-2.0-only
/*
 * Taking buffers back. How the worker and a channel's writer keep out of each
 * other's way is told at struct np_chan.
 */
#include <linux/hash.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include "channel.h"
#include "compat.h"
#include "kunit.h"
#include "pool.h"

/* Two passes free an idle buffer: the first marks, the second takes. So it
 * goes between one and two periods after its last use, within a second.
 */
#define NP_POOL_PERIOD	msecs_to_jiffies(400)

/* Channels looked at per lock hold. */
#define NP_POOL_BATCH	64

struct workqueue_struct *np_wq;

static struct np_pool_part *np_pool_part(struct np_pool *pool,
					 const struct np_chan *c)
{
	return &pool->part[hash_ptr(c, ilog2(NP_POOL_LISTS))];
}

/**
 * np_pool_add - a channel has got its first buffer
 * @pool: its pool
 * @c: the channel
 *
 * Context: the channel's writer. Takes a lock of @pool.
 */
void np_pool_add(struct np_pool *pool, struct np_chan *c)
{
	struct np_pool_part *part = np_pool_part(pool, c);

	spin_lock(&part->lock);
	list_add_tail(&c->warm, &part->list);
	spin_unlock(&part->lock);
	if (!delayed_work_pending(&pool->work))
		queue_delayed_work(np_wq, &pool->work, NP_POOL_PERIOD);
}

/**
 * np_pool_del - a channel is about to be freed
 * @pool: its pool
 * @c: the channel, which need not be on the list
 *
 * When this returns the worker has finished with @c.
 */
void np_pool_del(struct np_pool *pool, struct np_chan *c)
{
	struct np_pool_part *part = np_pool_part(pool, c);

	spin_lock(&part->lock);
	list_del_init(&c->warm);
	spin_unlock(&part->lock);
}

/* Look at up to a batch of channels; false if none is left in this pass. What
 * they give back is freed with no lock held: it may be much.
 */
static bool np_pool_batch(struct np_pool *pool, struct np_pool_part *part)
{
	struct np_chunk *list = NULL;
	struct np_chan *c;
	int i;

	spin_lock(&part->lock);
	for (i = 0; i < NP_POOL_BATCH && !list_empty(&part->pass); i++) {
		c = list_first_entry(&part->pass, struct np_chan, warm);
		if (np_chan_give_back(c, &list))
			list_del_init(&c->warm);
		else
			list_move_tail(&c->warm, &part->list);
	}
	spin_unlock(&part->lock);
	np_pool_account(pool, -(long)np_chunk_list_free(list));
	return i == NP_POOL_BATCH;
}

/**
 * np_pool_run - one pass over a pool's channels
 * @pool: the pool
 *
 * Context: may sleep; one call at a time.
 */
void np_pool_run(struct np_pool *pool)
{
	struct np_pool_part *part;
	int i;

	/* What the last pass marked has been seen by every CPU after this. */
	cond_synchronize_rcu(pool->rcu);
	for (i = 0; i < NP_POOL_LISTS; i++) {
		part = &pool->part[i];
		spin_lock(&part->lock);
		list_splice_init(&part->list, &part->pass);
		spin_unlock(&part->lock);
		while (np_pool_batch(pool, part))
			cond_resched();
	}
	pool->rcu = get_state_synchronize_rcu();
}
EXPORT_SYMBOL_NP_KUNIT(np_pool_run);

static bool np_pool_is_empty(struct np_pool *pool)
{
	int i;

	for (i = 0; i < NP_POOL_LISTS; i++)
		if (!list_empty(&pool->part[i].list))
			return false;
	return true;
}

static void np_pool_work(struct work_struct *work)
{
	struct np_pool *pool = container_of(to_delayed_work(work),
					    struct np_pool, work);

	np_pool_run(pool);
	/* In a hurry do not leave what is marked now for the next time. */
	if (xchg(&pool->hurry, 0))
		np_pool_run(pool);
	if (!np_pool_is_empty(pool))
		queue_delayed_work(np_wq, &pool->work, NP_POOL_PERIOD);
}

/**
 * np_pool_hurry - memory is short: look at the buffers now
 * @pool: the pool
 *
 * Context: any.
 */
void np_pool_hurry(struct np_pool *pool)
{
	WRITE_ONCE(pool->hurry, 1);
	mod_delayed_work(np_wq, &pool->work, 0);
}
EXPORT_SYMBOL_NP_KUNIT(np_pool_hurry);

/**
 * np_pool_init - make an empty pool
 * @pool: the pool
 */
void np_pool_init(struct np_pool *pool)
{
	int i;

	for (i = 0; i < NP_POOL_LISTS; i++) {
		spin_lock_init(&pool->part[i].lock);
		INIT_LIST_HEAD(&pool->part[i].list);
		INIT_LIST_HEAD(&pool->part[i].pass);
	}
	INIT_DELAYED_WORK(&pool->work, np_pool_work);
	atomic_long_set(&pool->bytes, 0);
	pool->hurry = 0;
	pool->rcu = get_state_synchronize_rcu();
}
EXPORT_SYMBOL_NP_KUNIT(np_pool_init);

/**
 * np_pool_exit - stop the worker of a pool that has no channels any more
 * @pool: the pool
 *
 * Context: may sleep.
 */
void np_pool_exit(struct np_pool *pool)
{
	cancel_delayed_work_sync(&pool->work);
	WARN_ON_ONCE(!np_pool_is_empty(pool));
}
EXPORT_SYMBOL_NP_KUNIT(np_pool_exit);

/**
 * np_pool_workers_init - make the module's workqueue
 *
 * Return: 0 or -ENOMEM.
 */
int np_pool_workers_init(void)
{
	np_wq = alloc_workqueue("newproto", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	return np_wq ? 0 : -ENOMEM;
}

/**
 * np_pool_workers_exit - free the module's workqueue
 */
void np_pool_workers_exit(void)
{
	destroy_workqueue(np_wq);
}
