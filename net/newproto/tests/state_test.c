// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the state setter's table.
 */
#include <kunit/test.h>
#include <net/inet_sock.h>
#include <net/tcp_states.h>

#include "state.h"

/* All that may happen. */
static const struct {
	int from;
	int to;
} np_state_steps[] = {
	{ TCP_CLOSE, TCP_SYN_SENT },		/* connect */
	{ TCP_CLOSE, TCP_ESTABLISHED },		/* accepted; socketpair */
	{ TCP_CLOSE, TCP_LISTEN },		/* listen */
	{ TCP_LISTEN, TCP_CLOSE },		/* shutdown, close */
	{ TCP_SYN_SENT, TCP_ESTABLISHED },	/* accepted */
	{ TCP_SYN_SENT, TCP_CLOSE },		/* refused, given up */
	{ TCP_ESTABLISHED, TCP_FIN_WAIT2 },	/* shutdown of the sending half */
	{ TCP_ESTABLISHED, TCP_CLOSE_WAIT },	/* the peer's */
	{ TCP_ESTABLISHED, TCP_CLOSE },		/* reset */
	{ TCP_FIN_WAIT2, TCP_CLOSE },		/* then the peer's */
	{ TCP_CLOSE_WAIT, TCP_CLOSE },		/* then ours */
};

static bool np_state_expected(int from, int to)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(np_state_steps); i++)
		if (np_state_steps[i].from == from && np_state_steps[i].to == to)
			return true;
	return false;
}

static void np_state_pairs(struct kunit *test)
{
	int from, to, allowed = 0;

	for (from = -3; from <= TCP_MAX_STATES + 40; from++) {
		for (to = -3; to <= TCP_MAX_STATES + 40; to++) {
			KUNIT_EXPECT_EQ_MSG(test, np_state_may(from, to),
					    np_state_expected(from, to),
					    "from %d to %d", from, to);
			allowed += np_state_may(from, to);
		}
	}
	KUNIT_EXPECT_EQ(test, allowed, (int)ARRAY_SIZE(np_state_steps));
}

static void np_state_extremes(struct kunit *test)
{
	static const int odd[] = { INT_MIN, -1, 0, INT_MAX, TCP_MAX_STATES };
	int i, state;

	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		for (state = 1; state < TCP_MAX_STATES; state++) {
			KUNIT_EXPECT_FALSE(test, np_state_may(odd[i], state));
			KUNIT_EXPECT_FALSE(test, np_state_may(state, odd[i]));
		}
		KUNIT_EXPECT_STREQ(test, np_state_name(odd[i]), "UNKNOWN");
	}
}

static const struct np_state_row {
	int state;
	const char *name;
} np_state_rows[] = {
	{ TCP_CLOSE, "CLOSED" },
	{ TCP_LISTEN, "LISTEN" },
	{ TCP_SYN_SENT, "SYN-SENT" },
	{ TCP_ESTABLISHED, "ESTAB" },
	{ TCP_FIN_WAIT2, "FIN-WAIT-2" },
	{ TCP_CLOSE_WAIT, "CLOSE-WAIT" },
	{ TCP_SYN_RECV, "UNKNOWN" },
	{ TCP_FIN_WAIT1, "UNKNOWN" },
	{ TCP_TIME_WAIT, "UNKNOWN" },
	{ TCP_LAST_ACK, "UNKNOWN" },
	{ TCP_CLOSING, "UNKNOWN" },
	{ TCP_NEW_SYN_RECV, "UNKNOWN" },
};

static void np_state_row_desc(const struct np_state_row *r, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%d %s", r->state, r->name);
}

KUNIT_ARRAY_PARAM(np_state_row, np_state_rows, np_state_row_desc);

/* A state that has no name cannot be got into or out of. */
static void np_state_names(struct kunit *test)
{
	const struct np_state_row *r = test->param_value;
	bool in = false, out = false;
	int other;

	KUNIT_EXPECT_STREQ(test, np_state_name(r->state), r->name);
	for (other = 1; other < TCP_MAX_STATES; other++) {
		out |= np_state_may(r->state, other);
		in |= np_state_may(other, r->state);
	}
	KUNIT_EXPECT_EQ(test, in, strcmp(r->name, "UNKNOWN") != 0);
	KUNIT_EXPECT_EQ(test, out, strcmp(r->name, "UNKNOWN") != 0);
}

/* Whole lives, each step set on a socket. */
static const struct np_life_row {
	const char *name;
	int states[7];
} np_life_rows[] = {
	{ "listener", { TCP_CLOSE, TCP_LISTEN, TCP_CLOSE, TCP_LISTEN, TCP_CLOSE } },
	{ "client that closes first", { TCP_CLOSE, TCP_SYN_SENT, TCP_ESTABLISHED,
					TCP_FIN_WAIT2, TCP_CLOSE } },
	{ "server that closes last", { TCP_CLOSE, TCP_ESTABLISHED,
				       TCP_CLOSE_WAIT, TCP_CLOSE } },
	{ "refused, then again", { TCP_CLOSE, TCP_SYN_SENT, TCP_CLOSE, TCP_SYN_SENT,
				   TCP_ESTABLISHED, TCP_CLOSE } },
	{ "connection, then listener", { TCP_CLOSE, TCP_ESTABLISHED, TCP_CLOSE,
					 TCP_LISTEN, TCP_CLOSE } },
};

static void np_life_desc(const struct np_life_row *r, char *desc)
{
	strscpy(desc, r->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_life, np_life_rows, np_life_desc);

static void np_state_lives(struct kunit *test)
{
	const struct np_life_row *r = test->param_value;
	struct inet_sock *inet;
	struct sock *sk;
	int i;

	inet = kunit_kzalloc(test, sizeof(*inet), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, inet);
	sk = &inet->sk;
	sk->sk_state = r->states[0];
	for (i = 1; i < ARRAY_SIZE(r->states) && r->states[i]; i++) {
		KUNIT_ASSERT_TRUE(test, np_state_may(sk->sk_state, r->states[i]));
		np_state_set(sk, r->states[i]);
		KUNIT_EXPECT_EQ(test, sk->sk_state, r->states[i]);
	}
	KUNIT_EXPECT_EQ(test, sk->sk_state, TCP_CLOSE);
}

static struct kunit_case np_state_cases[] = {
	KUNIT_CASE(np_state_pairs),
	KUNIT_CASE(np_state_extremes),
	KUNIT_CASE_PARAM(np_state_names, np_state_row_gen_params),
	KUNIT_CASE_PARAM(np_state_lives, np_life_gen_params),
	{}
};

static struct kunit_suite np_state_suite = {
	.name = "newproto_state",
	.test_cases = np_state_cases,
};

kunit_test_suite(np_state_suite);
