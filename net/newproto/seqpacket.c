// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sending and receiving on SOCK_SEQPACKET sockets. All but the records is what
 * stream sockets do.
 */
#include <linux/sockios.h>
#include <linux/uio.h>
#include <net/tcp_states.h>

#include <asm/ioctls.h>

#include "record.h"
#include "stream.h"

/**
 * np_seqpacket_sendmsg - send(2) and its kin
 * @sock: the socket
 * @msg: the record
 * @len: how many bytes it has
 *
 * Until a record is written that has not found room, the channel remembers how
 * much it needs: so much there will be when poll() tells of room.
 *
 * Context: may sleep. Takes tx_lock.
 *
 * Return: @len, or what send(2) says; -EMSGSIZE for a record that is larger
 * than both ends' buffers together.
 */
int np_seqpacket_sendmsg(struct socket *sock, struct msghdr *msg, size_t len)
{
	struct sock *sk = sock->sk;
	struct np_sock *nsk = np_sk(sk);
	long timeo = sock_sndtimeo(sk, msg->msg_flags & MSG_DONTWAIT);
	int err;

	if (unlikely(msg->msg_flags & NP_STREAM_MSG_BAD))
		return -EOPNOTSUPP;
	if (unlikely(msg->msg_controllen)) {
		err = np_stream_send_cmsg(sk, msg);
		if (err)
			return err;
	}
	mutex_lock(&nsk->tx_lock);
	for (;;) {
		err = np_stream_tx_check(sk, &timeo, true);
		if (unlikely(err))
			break;
		err = np_record_write(nsk->tx, &msg->msg_iter, len,
				      np_stream_tx_cap(sk, nsk->tx));
		if (err)
			break;
		WRITE_ONCE(nsk->tx->need, NP_RECORD_HEAD + len);
		err = np_stream_tx_wait(sk, &timeo);
		if (err)
			break;
	}
	if (likely(err > 0)) {
		WRITE_ONCE(nsk->tx->need, 0);
		np_stream_tx_done(nsk);
	}
	mutex_unlock(&nsk->tx_lock);
	return err > 0 ? len : sk_stream_error(sk, msg->msg_flags, err);
}

/* The next record, as @flags want it. */
static ssize_t np_seqpacket_take(struct sock *sk, struct msghdr *msg, size_t len,
				 int flags)
{
	struct np_sock *nsk = np_sk(sk);
	size_t full;
	ssize_t n;

	if (unlikely(!nsk->rx))
		return -EAGAIN;
	np_stream_publish(sk, nsk->rx);
	n = np_record_read(&nsk->rx, &msg->msg_iter, len, &full, flags & MSG_PEEK);
	if (n < 0)
		return n;
	if (!(flags & MSG_PEEK))
		np_stream_rx_done(sk, nsk->rx);
	/* It ends here, also where a part of it is lost: the next call does not
	 * go on with it.
	 */
	msg->msg_flags |= MSG_EOR;
	if (n == full)
		return n;
	msg->msg_flags |= MSG_TRUNC;
	return flags & MSG_TRUNC ? full : n;
}

/* The loop of recv(). */
static ssize_t np_seqpacket_rx(struct sock *sk, struct msghdr *msg, size_t len,
			       int flags)
{
	long timeo = sock_rcvtimeo(sk, flags & MSG_DONTWAIT);
	ssize_t n;
	bool over;
	int err;

	for (;;) {
		/* The end before the records: none come after it. */
		over = np_stream_rx_over(sk);
		smp_rmb();	/* pairs with the lock in np_conn_event() */
		n = np_seqpacket_take(sk, msg, len, flags);
		if (n != -EAGAIN)
			return n;
		if (over) {
			err = np_stream_rx_check(sk);
			if (err != -EINPROGRESS)
				return err;
		}
		err = np_stream_rx_wait(sk, 0, &timeo);
		if (err)
			return err;
	}
}

/**
 * np_seqpacket_recvmsg - recv(2) and its kin
 * @sock: the socket
 * @msg: where to put a record
 * @len: how much there is room for
 * @flags: MSG_*
 *
 * Context: may sleep. Takes rx_lock.
 *
 * Return: the bytes received, with MSG_TRUNC in @flags how many the record has;
 * 0 for an empty record, and, without MSG_EOR, at the end; or what recv(2)
 * says.
 */
int np_seqpacket_recvmsg(struct socket *sock, struct msghdr *msg, size_t len,
			 int flags)
{
	struct sock *sk = sock->sk;
	struct np_sock *nsk = np_sk(sk);
	ssize_t n;

	if (unlikely(flags & MSG_OOB))
		return -EOPNOTSUPP;
	if (unlikely(flags & MSG_ERRQUEUE))
		return -EAGAIN;		/* there is never anything in that queue */
	if (unlikely(READ_ONCE(sk->sk_state) == TCP_LISTEN))
		return -ENOTCONN;
	mutex_lock(&nsk->rx_lock);
	n = np_seqpacket_rx(sk, msg, len, flags);
	mutex_unlock(&nsk->rx_lock);
	return n;
}

/* Bytes of all records that are there, without what goes with them. */
static size_t np_seqpacket_inq(struct sock *sk)
{
	struct np_sock *nsk = np_sk(sk);
	size_t n = 0;

	mutex_lock(&nsk->rx_lock);
	if (nsk->rx)
		n = np_record_avail(nsk->rx);
	mutex_unlock(&nsk->rx_lock);
	return n;
}

/**
 * np_seqpacket_ioctl - ioctl(2)
 * @sock: the socket
 * @cmd: as np_stream_ioctl(). SIOCOUTQ counts four bytes more for each record:
 *	what it takes of the capacity
 * @arg: its argument
 *
 * Return: 0 or a negative errno.
 */
int np_seqpacket_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg)
{
	struct sock *sk = sock->sk;

	if (cmd != SIOCINQ || READ_ONCE(sk->sk_state) == TCP_LISTEN)
		return np_stream_ioctl(sock, cmd, arg);
	return put_user((int)np_seqpacket_inq(sk), (int __user *)arg);
}
