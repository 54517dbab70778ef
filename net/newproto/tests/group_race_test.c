// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of groups: clients, servers that come and go, and the time, all at once. No
 * connection may be lost, or accepted twice.
 */
#include <linux/kthread.h>
#include <linux/mutex.h>

#include "group_lib.h"

#define NP_RACE_CLIENTS		2
#define NP_RACE_SERVERS		4
#define NP_RACE_CONNS		4000

/**
 * struct np_grun - a group under way
 * @test: the test
 * @tg: its surroundings
 * @g: the group, for tests without a port
 * @lock: a server's, as lock_sock()
 * @next: number of the next connection
 * @accepted: how often each connection was accepted
 * @given_up: those whose clients gave up
 * @left: connections that are to be accepted or given up
 * @end: when whoever still waits has failed, jiffies
 */
struct np_grun {
	struct kunit *test;
	struct np_tgroup *tg;
	struct np_group *g;
	struct mutex lock[NP_RACE_SERVERS];	/* see above */
	atomic_t next;
	atomic_t accepted[NP_RACE_CONNS];
	atomic_t given_up;
	atomic_t left;
	unsigned long end;
};

/**
 * struct np_gactor - a thread's part
 * @run: the group under way
 * @i: its number
 */
struct np_gactor {
	struct np_grun *run;
	int i;
};

static bool np_grun_is_on(struct np_grun *run)
{
	return atomic_read(&run->left) > 0 && time_before(jiffies, run->end);
}

static struct np_grun *np_grun_new(struct kunit *test)
{
	struct np_grun *run = kunit_kzalloc(test, sizeof(*run), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, run);
	run->test = test;
	run->tg = test->priv;
	for (i = 0; i < NP_RACE_SERVERS; i++)
		mutex_init(&run->lock[i]);
	atomic_set(&run->left, NP_RACE_CONNS);
	run->end = jiffies + NP_TEST_TIMEOUT;
	/* There is none yet, but there will be. */
	run->tg->nconns = NP_RACE_CONNS;
	return run;
}

/* A client connects. Some of those that have to wait do not want to. */
static int np_grun_connect(struct np_grun *run, struct np_group *g, int k)
{
	int err;

	if (np_tconn_alloc(run->tg, g, k) < 0)
		return -ENOMEM;
	err = np_group_offer(g, run->tg->conn[k], NULL);
	if (err == -EINPROGRESS && k % 5 == 0 && np_group_cancel(run->tg->conn[k])) {
		atomic_inc(&run->given_up);
		atomic_dec(&run->left);
	}
	return err == -EINPROGRESS ? 0 : err;
}

/* A server takes what there is. Context: its lock. Returns whether there was. */
static bool np_grun_accept(struct np_grun *run, int i)
{
	struct np_conn *conn = np_member_take(run->tg->server[i].m);
	int k;

	if (!conn)
		return false;
	k = np_tconn_index(run->tg, conn);
	np_conn_drop_end(conn, NP_SERVER);
	np_conn_put(conn);
	if (k >= 0)
		atomic_inc(&run->accepted[k]);
	atomic_dec(&run->left);
	return true;
}

static int np_grun_server(void *arg)
{
	struct np_gactor *a = arg;
	bool some;

	while (np_grun_is_on(a->run)) {
		some = false;
		mutex_lock(&a->run->lock[a->i]);
		if (a->run->tg->server[a->i].live)
			some = np_grun_accept(a->run, a->i);
		mutex_unlock(&a->run->lock[a->i]);
		if (!some)
			schedule_timeout_interruptible(1);
		cond_resched();
	}
	return 0;
}

/* All connections were accepted once, but for those that were given up. */
static void np_grun_judge(struct np_grun *run)
{
	int k, n, lost = 0, twice = 0, told = 0;
	struct kunit *test = run->test;

	for (k = 0; k < NP_RACE_CONNS; k++) {
		n = atomic_read(&run->accepted[k]);
		lost += !n;
		twice += n > 1;
		told += run->tg->conn[k] && np_tconn_events(run->tg, k);
	}
	KUNIT_EXPECT_EQ(test, lost, atomic_read(&run->given_up));
	KUNIT_EXPECT_EQ_MSG(test, twice, 0, "accepted twice");
	KUNIT_EXPECT_EQ_MSG(test, told, 0, "reset or refused");
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(&run->left), 0, "still to be accepted");
}

/* --- members that come and go ------------------------------------------------------- */

static int np_grun_client(void *arg)
{
	struct np_gactor *a = arg;
	int k, err = 0;

	while (!err && (k = atomic_inc_return(&a->run->next) - 1) < NP_RACE_CONNS) {
		err = np_grun_connect(a->run, a->run->g, k);
		cond_resched();
	}
	return err;
}

/* Of each two servers one stops for a moment, in turn. Returns how many clients were
 * turned away.
 */
static int np_grun_mover(void *arg)
{
	struct np_gactor *a = arg;
	struct np_grun *run = a->run;
	struct np_tserver *s;
	int turn, i, n = 0;

	for (turn = 0; np_grun_is_on(run); turn++) {
		i = 2 * a->i + turn % 2;
		s = &run->tg->server[i];
		mutex_lock(&run->lock[i]);
		n += np_member_stop(s->m);
		s->live = false;
		mutex_unlock(&run->lock[i]);
		cond_resched();
		mutex_lock(&run->lock[i]);
		WARN_ON_ONCE(np_member_start(s->m, turn % 4 ? turn % 7 : 300, NP_TRCVBUF));
		s->live = true;
		if (turn % 16 == 0)
			np_member_set_backlog(s->m, 2);
		mutex_unlock(&run->lock[i]);
		schedule_timeout_interruptible(1);
	}
	return n;
}

static const int np_race_times[] = { 0, 1 };

static void np_race_desc(const int *ms, char *desc)
{
	strscpy(desc, *ms ? "silence" : "no silence", KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_race, np_race_times, np_race_desc);

static void np_group_race(struct kunit *test)
{
	struct np_thread *t[NP_RACE_CLIENTS + NP_RACE_SERVERS + 2];
	struct np_gactor a[NP_RACE_SERVERS];
	struct np_grun *run = np_grun_new(test);
	int i, n = 0;

	WRITE_ONCE(np_tnet()->silent_time, *(const int *)test->param_value);
	np_tgroup_new(test);
	run->g = run->tg->g;
	for (i = 0; i < NP_RACE_SERVERS; i++) {
		np_tgroup_start(test, i, 3);
		a[i].run = run;
		a[i].i = i;
	}
	for (i = 0; i < NP_RACE_CLIENTS; i++)
		t[n++] = np_thread_start(test, np_grun_client, &a[i], "np-client");
	for (i = 0; i < NP_RACE_SERVERS; i++)
		t[n++] = np_thread_start(test, np_grun_server, &a[i], "np-server");
	for (i = 0; i < 2; i++)
		t[n++] = np_thread_start(test, np_grun_mover, &a[i], "np-mover");
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_EQ_MSG(test, np_thread_join(t[i]), 0, "thread %d", i);
	np_grun_judge(run);
	np_tgroup_check(test, run->g);
}

/* --- a server that is started again and again ----------------------------------------- */

/* In the grace time there is always somebody. */
static int np_grun_grace_client(void *arg)
{
	struct np_gactor *a = arg;
	struct np_group *g;
	int k, err = 0;

	while (!err && (k = atomic_inc_return(&a->run->next) - 1) < NP_RACE_CONNS) {
		g = np_tserver_find(a->run->tg, NP_FORM_V4_A, NP_TPORT);
		if (!g)
			return -ECONNREFUSED;
		err = np_grun_connect(a->run, g, k);
		np_group_put(g);
		cond_resched();
	}
	return err;
}

/* Accept some, close, and start again, as another socket. */
static int np_grun_restarter(void *arg)
{
	static const struct np_who who = { NP_FORM_V4_A, 0, 1, 10 };
	struct np_gactor *a = arg;
	struct np_grun *run = a->run;
	int turn, n, err;

	for (turn = 1; np_grun_is_on(run); turn++) {
		for (n = 0; n < turn % 40; n++)
			if (!np_grun_accept(run, (turn - 1) % 2))
				schedule_timeout_interruptible(1);
		np_tserver_close(run->test, (turn - 1) % 2);
		cond_resched();
		err = np_tserver_bind(run->test, turn % 2, &who, NP_TPORT, 0);
		if (!err)
			err = np_tserver_listen(run->test, turn % 2, turn % 5 ? 5 : 300);
		if (err)
			return err;
	}
	return 0;
}

static void np_grace_race(struct kunit *test)
{
	static const struct np_who who = { NP_FORM_V4_A, 0, 1, 10 };
	struct np_thread *t[NP_RACE_CLIENTS + 1];
	struct np_grun *run = np_grun_new(test);
	struct np_gactor a = { .run = run };
	struct np_group *g;
	int i, n = 0;

	KUNIT_ASSERT_EQ(test, np_tserver_bind(test, 0, &who, NP_TPORT, 0), 0);
	g = run->tg->server[0].m->group;
	np_group_get(g);
	np_group_set_grace(g, NP_TLONG_MS, &run->tg->server[0].claim);
	KUNIT_ASSERT_EQ(test, np_tserver_listen(test, 0, 5), 0);
	for (i = 0; i < NP_RACE_CLIENTS; i++)
		t[n++] = np_thread_start(test, np_grun_grace_client, &a, "np-client");
	t[n++] = np_thread_start(test, np_grun_restarter, &a, "np-server");
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_EQ_MSG(test, np_thread_join(t[i]), 0, "thread %d", i);
	np_grun_judge(run);
	np_tgroup_check(test, g);
	for (i = 0; i < 2; i++)
		if (run->tg->server[i].m)
			np_tserver_close(test, i);
	np_group_set_grace(g, 0, NULL);
	np_group_put(g);
}

static struct kunit_case np_group_race_cases[] = {
	KUNIT_CASE_PARAM(np_group_race, np_race_gen_params),
	KUNIT_CASE(np_grace_race),
	{}
};

static struct kunit_suite np_group_race_suite = {
	.name = "newproto_group_race",
	.init = np_tgroup_init,
	.exit = np_tgroup_exit,
	.test_cases = np_group_race_cases,
};

kunit_test_suite(np_group_race_suite);
