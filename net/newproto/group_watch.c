// SPDX-License-Identifier: GPL-2.0-only
/*
 * Silent members: those that leave connections waiting without a call of
 * accept(), because they are stopped, or busy with something else. What waits
 * there is offered to another member, one at a time, so that not all of them
 * are woken for one connection.
 */
#include "group.h"
#include "pool.h"
#include "trace.h"

/* How long a member may be silent, jiffies; 0: for ever. */
static unsigned long np_group_patience(const struct np_group *g)
{
	return msecs_to_jiffies(READ_ONCE(np_net(g->net)->silent_time));
}

/* Who is to be offered what waits on silent members? */
static struct np_member *np_group_next_helper(struct np_group *g)
{
	struct np_member *m;
	u32 i;

	for (i = 0; i < g->nmembers; i++) {
		m = list_first_entry(&g->members, struct np_member, node);
		list_move_tail(&m->node, &g->members);
		if (m->live && !m->silent)
			return m;
	}
	return NULL;
}

static void np_member_break_silence(struct np_member *m)
{
	if (!m->silent)
		return;
	m->silent = false;
	list_del_init(&m->quiet);
}

/**
 * np_group_reoffer - offer what waits on silent members to the next who can help
 * @g: the group
 *
 * Context: the group's lock.
 */
void np_group_reoffer(struct np_group *g)
{
	struct np_member *m, *next, *helper = NULL;

	lockdep_assert_held(&g->lock);
	list_for_each_entry_safe(m, next, &g->silent, quiet)
		if (!m->npending)
			np_member_break_silence(m);
	if (!list_empty(&g->silent))
		helper = np_group_next_helper(g);
	WRITE_ONCE(g->helper, helper);
	g->offered = jiffies;
	if (helper)
		helper->ready(helper);
}

/**
 * np_member_stir - a member calls accept(), or leaves
 * @m: the member
 *
 * Context: the group's lock.
 */
void np_member_stir(struct np_member *m)
{
	struct np_group *g = m->group;

	m->since = jiffies;
	if (!m->silent)
		return;
	np_member_break_silence(m);
	if (list_empty(&g->silent))
		WRITE_ONCE(g->helper, NULL);
}

/**
 * np_group_watch - something waits: look whether it does so for too long
 * @g: the group
 *
 * Context: the group's lock.
 */
void np_group_watch(struct np_group *g)
{
	unsigned long patience;

	lockdep_assert_held(&g->lock);
	if (likely(g->watching || g->nlive < 2 || !g->npending))
		return;
	patience = np_group_patience(g);
	if (!patience)
		return;
	g->watching = true;
	np_group_get(g);
	queue_delayed_work(np_wq, &g->watch, patience);
}

/**
 * np_group_unwatch - a member has left: if it was the last, look no more
 * @g: the group
 */
void np_group_unwatch(struct np_group *g)
{
	bool watching = false;

	spin_lock(&g->lock);
	/* If it runs already it finds nobody, and comes to its end by itself. */
	if (!g->nlive && cancel_delayed_work(&g->watch)) {
		watching = g->watching;
		g->watching = false;
	}
	spin_unlock(&g->lock);
	if (watching)
		np_group_put(g);
}

/* Mark those that have been silent for too long. */
static void np_group_listen_for_silence(struct np_group *g, unsigned long patience)
{
	struct np_member *m;

	list_for_each_entry(m, &g->members, node) {
		if (!m->live || m->silent || !m->npending ||
		    time_before(jiffies, m->since + patience))
			continue;
		m->silent = true;
		list_add_tail(&m->quiet, &g->silent);
	}
}

/* There is nobody to help, or to be helped; or no time is set any more. */
static void np_group_end_silence(struct np_group *g)
{
	struct np_member *m, *next;

	list_for_each_entry_safe(m, next, &g->silent, quiet)
		np_member_break_silence(m);
	WRITE_ONCE(g->helper, NULL);
}

/**
 * np_group_watch_work - look for silent members
 * @work: the group's
 */
void np_group_watch_work(struct work_struct *work)
{
	struct np_group *g = container_of(to_delayed_work(work), struct np_group,
					  watch);
	unsigned long patience = 0;

	spin_lock(&g->lock);
	/* Without members there may be no namespace any more. */
	if (g->nlive > 1 && g->npending)
		patience = np_group_patience(g);
	if (patience) {
		np_group_listen_for_silence(g, patience);
		/* Who was asked and did not help is not asked for ever. */
		if (!list_empty(&g->silent) &&
		    (!g->helper || !time_before(jiffies, g->offered + patience)))
			np_group_reoffer(g);
		queue_delayed_work(np_wq, &g->watch, max(patience / 2, 1UL));
	} else {
		np_group_end_silence(g);
	}
	g->watching = patience;
	spin_unlock(&g->lock);
	if (!patience)
		np_group_put(g);
}
