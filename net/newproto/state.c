// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state setter. Nothing else writes sk_state.
 */
#include <linux/kernel.h>
#include <net/inet_sock.h>
#include <net/tcp_states.h>

#include "kunit.h"
#include "state.h"

/* What may follow what. */
static const u32 np_state_next[TCP_MAX_STATES] = {
	[TCP_CLOSE] = TCPF_SYN_SENT | TCPF_ESTABLISHED | TCPF_LISTEN,
	[TCP_LISTEN] = TCPF_CLOSE,
	[TCP_SYN_SENT] = TCPF_ESTABLISHED | TCPF_CLOSE,
	[TCP_ESTABLISHED] = TCPF_FIN_WAIT2 | TCPF_CLOSE_WAIT | TCPF_CLOSE,
	[TCP_FIN_WAIT2] = TCPF_CLOSE,
	[TCP_CLOSE_WAIT] = TCPF_CLOSE,
};

static const char * const np_state_names[TCP_MAX_STATES] = {
	[TCP_CLOSE] = "CLOSED",
	[TCP_LISTEN] = "LISTEN",
	[TCP_SYN_SENT] = "SYN-SENT",
	[TCP_ESTABLISHED] = "ESTAB",
	[TCP_FIN_WAIT2] = "FIN-WAIT-2",
	[TCP_CLOSE_WAIT] = "CLOSE-WAIT",
};

/**
 * np_state_may - may a socket go from one state to another?
 * @from: a TCP_* state
 * @to: a TCP_* state
 */
bool np_state_may(int from, int to)
{
	if (from <= 0 || from >= TCP_MAX_STATES || to <= 0 || to >= TCP_MAX_STATES)
		return false;
	return np_state_next[from] & (1U << to);
}
EXPORT_SYMBOL_NP_KUNIT(np_state_may);

/**
 * np_state_name - a state as ss(8) writes it
 * @state: a TCP_* state
 */
const char *np_state_name(int state)
{
	if (state <= 0 || state >= TCP_MAX_STATES || !np_state_names[state])
		return "UNKNOWN";
	return np_state_names[state];
}
EXPORT_SYMBOL_NP_KUNIT(np_state_name);

/**
 * np_state_set - change a socket's state
 * @sk: the socket
 * @state: a TCP_* state other than the one it is in
 *
 * Context: the lock of the connection where there is one, else that of the
 * socket, or a socket that nobody else knows yet. Fires the tracepoint
 * sock:inet_sock_set_state.
 */
void np_state_set(struct sock *sk, int state)
{
	WARN_ONCE(!np_state_may(sk->sk_state, state),
		  "newproto: from state %d to %d\n", sk->sk_state, state);
	inet_sk_set_state(sk, state);
}
EXPORT_SYMBOL_NP_KUNIT(np_state_set);
