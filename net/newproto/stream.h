/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all sockets with a connection do when they send and receive, whether
 * bytes or records: stream.c, seqpacket.c.
 */
#ifndef _NP_STREAM_H
#define _NP_STREAM_H

#include <net/tcp_states.h>

#include "sock.h"

#define NP_STREAM_MSG_BAD	(MSG_OOB | MSG_FASTOPEN)

void np_stream_republish(struct sock *sk, struct np_chan *rx, u32 rcvbuf);
int np_stream_wait_connect(struct sock *sk, long *timeo);
void np_stream_tx_refused(struct np_sock *nsk);
int np_stream_tx_wait(struct sock *sk, long *timeo);
int np_stream_send_cmsg(struct sock *sk, struct msghdr *msg);
int np_stream_rx_check(struct sock *sk);
int np_stream_rx_wait(struct sock *sk, size_t have, long *timeo);

static inline bool np_stream_is_open(int state)
{
	return (1U << state) & (TCPF_ESTABLISHED | TCPF_CLOSE_WAIT);
}

/* The capacity of the channel that a socket writes to. */
static inline u32 np_stream_tx_cap(const struct sock *sk, const struct np_chan *tx)
{
	u32 sndbuf = READ_ONCE(sk->sk_sndbuf);

	return np_chan_cap(tx, sndbuf);
}

/* Core changes the receive buffer without asking: see if it has. */
static inline void np_stream_publish(struct sock *sk, struct np_chan *rx)
{
	u32 rcvbuf = READ_ONCE(sk->sk_rcvbuf);

	if (unlikely(READ_ONCE(rx->rcap) != rcvbuf))
		np_stream_republish(sk, rx, rcvbuf);
}

/* May a socket send? -EPIPE stands for whatever error it has. As with TCP, to
 * send nothing is no cause for a reset.
 */
static inline int np_stream_tx_check(struct sock *sk, long *timeo, bool some)
{
	struct np_sock *nsk = np_sk(sk);
	int err;

	for (;;) {
		if (READ_ONCE(sk->sk_err) ||
		    READ_ONCE(sk->sk_shutdown) & SEND_SHUTDOWN)
			return -EPIPE;
		if (likely(READ_ONCE(sk->sk_state) != TCP_SYN_SENT))
			break;
		err = np_stream_wait_connect(sk, timeo);
		if (err)
			return err;
	}
	if (!nsk->tx || !np_stream_is_open(READ_ONCE(sk->sk_state)))
		return -EPIPE;
	if (unlikely(np_chan_gone(nsk->tx)) && some) {
		np_stream_tx_refused(nsk);
		return -EPIPE;
	}
	return 0;
}

/* Tell the reader that there are bytes, unless it does not care for so few. If
 * it left while they were written, and had not read them by then, nobody will,
 * and this end is told so, as it is by TCP's reset. Either np_sock_leave_conn() sees the bytes, or
 * this sees that the reader is gone: waking it implies a full barrier, or an
 * acquire of its having been detached.
 */
static inline void np_stream_tx_done(struct np_sock *nsk)
{
	const struct np_chan *tx = nsk->tx;

	if (likely(np_chan_lowat(tx) <= 1)) {
		np_conn_wake_reader(nsk->conn, !nsk->end);
	} else {
		smp_mb();	/* pairs with np_stream_set_rcvlowat() */
		if (np_chan_is_readable(tx))
			np_conn_wake_reader(nsk->conn, !nsk->end);
	}
	smp_rmb();	/* pairs with np_sock_leave_conn() */
	if (np_chan_is_refused(tx))
		np_stream_tx_refused(nsk);
}

/* Will nothing more arrive? */
static inline bool np_stream_rx_over(const struct sock *sk)
{
	return READ_ONCE(sk->sk_err) || READ_ONCE(sk->sk_state) == TCP_CLOSE ||
	       READ_ONCE(sk->sk_shutdown) & RCV_SHUTDOWN;
}

/* Bytes were read: wake a writer who waits for that. */
static inline void np_stream_rx_done(struct sock *sk, struct np_chan *rx)
{
	struct np_sock *nsk = np_sk(sk);

	smp_mb();	/* pairs with np_stream_tx_wait() and np_stream_poll_tx() */
	if (np_chan_end_wait(rx))
		np_conn_wake_writer(nsk->conn, !nsk->end);
}

#endif /* _NP_STREAM_H */
