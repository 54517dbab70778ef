// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sending and receiving on stream sockets.
 */
#include <linux/poll.h>
#include <linux/sockios.h>
#include <linux/uio.h>
#include <net/tcp_states.h>

#include <asm/ioctls.h>

#include "compat.h"
#include "far.h"
#include "group.h"
#include "stream.h"

/**
 * np_stream_republish - the receive buffer has been changed
 * @sk: the socket
 * @rx: the channel it reads from
 * @rcvbuf: the size it has now
 *
 * Lets the writer know, and has it look again if it waits for room.
 */
void np_stream_republish(struct sock *sk, struct np_chan *rx, u32 rcvbuf)
{
	struct np_conn *conn;

	np_chan_set_rcap(rx, rcvbuf);
	smp_mb();	/* pairs with np_stream_tx_wait() and np_stream_poll_tx() */
	if (!READ_ONCE(rx->wwait) && likely(!rx->far))
		return;
	WRITE_ONCE(rx->wwait, 0);
	rcu_read_lock();
	conn = READ_ONCE(np_sk(sk)->conn);
	if (conn)
		np_conn_wake_writer(conn, !np_sk(sk)->end);
	rcu_read_unlock();
}

/* Sleep with a lock of the socket's let go. -EPIPE if it was disconnected
 * meanwhile: what comes then is another connection's.
 */
static int np_stream_sleep(struct sock *sk, struct mutex *lock, long *timeo)
{
	u32 gen = np_sk(sk)->gen;

	mutex_unlock(lock);
	*timeo = schedule_timeout(*timeo);
	mutex_lock(lock);
	return gen == np_sk(sk)->gen ? 0 : -EPIPE;
}

/**
 * np_stream_wait_connect - wait, as TCP does, until a connect() has an end
 * @sk: the socket
 * @timeo: how long; what is left of it
 *
 * Context: tx_lock, which is let go meanwhile.
 *
 * Return: 0: look again; else why the wait is over.
 */
int np_stream_wait_connect(struct sock *sk, long *timeo)
{
	DEFINE_WAIT(wait);
	int err = 0;

	if (!*timeo)
		return -EAGAIN;
	if (signal_pending(current))
		return sock_intr_errno(*timeo);
	prepare_to_wait(sk_sleep(sk), &wait, TASK_INTERRUPTIBLE);
	if (READ_ONCE(sk->sk_state) == TCP_SYN_SENT)
		err = np_stream_sleep(sk, &np_sk(sk)->tx_lock, timeo);
	finish_wait(sk_sleep(sk), &wait);
	return err;
}

/**
 * np_stream_tx_refused - bytes for an end that has left, or wants no more
 * @nsk: the socket that writes
 *
 * What TCP's peer answers them with is a reset, which is the end for both.
 *
 * Context: tx_lock.
 */
void np_stream_tx_refused(struct np_sock *nsk)
{
	np_conn_event(nsk->conn, nsk->end, NP_EV_RESET);
	np_conn_event(nsk->conn, !nsk->end, NP_EV_RESET);
}

/* Nothing more to wait for: there is room, or there will never be. */
static bool np_stream_tx_ready(const struct sock *sk, const struct np_chan *tx,
			       u32 cap)
{
	return np_chan_writable(tx, cap) || READ_ONCE(sk->sk_err) ||
	       READ_ONCE(sk->sk_shutdown) & SEND_SHUTDOWN ||
	       np_chan_gone(tx);
}

/**
 * np_stream_tx_wait - wait for room
 * @sk: the socket
 * @timeo: how long; what is left of it
 *
 * Who does not want to sleep is told of room by epoll, so that is asked for in
 * any case.
 *
 * Context: tx_lock, which is let go meanwhile.
 *
 * Return: 0: look again; else why the wait is over.
 */
int np_stream_tx_wait(struct sock *sk, long *timeo)
{
	struct np_sock *nsk = np_sk(sk);
	struct np_chan *tx = nsk->tx;
	DEFINE_WAIT(wait);
	int err = 0;

	prepare_to_wait(sk_sleep(sk), &wait, TASK_INTERRUPTIBLE);
	sk_set_bit(SOCKWQ_ASYNC_NOSPACE, sk);
	np_chan_await_room(tx, np_stream_tx_cap(sk, tx));
	smp_mb();	/* pairs with np_stream_rx_done() */
	if (!np_stream_tx_ready(sk, tx, np_stream_tx_cap(sk, tx))) {
		if (!*timeo)
			err = -EAGAIN;
		else if (signal_pending(current))
			err = sock_intr_errno(*timeo);
		else
			err = np_stream_sleep(sk, &nsk->tx_lock, timeo);
	}
	finish_wait(sk_sleep(sk), &wait);
	return err;
}

/**
 * np_stream_send_cmsg - look at the control messages of a send
 * @sk: the socket
 * @msg: has some
 *
 * Those of a stream are SOL_SOCKET's, which core checks; but it passes over
 * those that are for AF_UNIX, and over all other levels.
 *
 * Return: 0 or -EINVAL, -EPERM.
 */
int np_stream_send_cmsg(struct sock *sk, struct msghdr *msg)
{
	struct sockcm_cookie sockc;
	struct cmsghdr *cmsg;

	for_each_cmsghdr(cmsg, msg)
		if (!CMSG_OK(msg, cmsg) || cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type == SCM_RIGHTS ||
		    cmsg->cmsg_type == SCM_CREDENTIALS)
			return -EINVAL;
	sockcm_init(&sockc, sk);
	return sock_cmsg_send(sk, msg, &sockc);
}

/**
 * struct np_source - where the bytes of a send come from
 * @iter: a program's or the kernel's memory, to be copied; or NULL
 * @page: a page, to be passed on
 * @offset: in @page
 */
struct np_source {
	struct iov_iter *iter;
	struct page *page;
	size_t offset;
};

/* A page cannot be lent to another kernel. */
static ssize_t np_stream_put_copy(struct np_chan *tx, struct np_source *src, size_t len,
				  u32 cap)
{
	struct bio_vec bv = {
		.bv_page = src->page,
		.bv_offset = src->offset,
		.bv_len = len,
	};
	struct iov_iter from;
	ssize_t n;

	iov_iter_bvec(&from, ITER_SOURCE, &bv, 1, len);
	n = np_chan_write(tx, &from, cap);
	if (n > 0)
		src->offset += n;
	return n;
}

static ssize_t np_stream_put(struct sock *sk, struct np_source *src, size_t len)
{
	struct np_chan *tx = np_sk(sk)->tx;
	u32 cap = np_stream_tx_cap(sk, tx);
	ssize_t n;

	if (likely(src->iter))
		return np_chan_write(tx, src->iter, cap);
	if (unlikely(tx->far))
		return np_stream_put_copy(tx, src, len, cap);
	n = np_chan_write_page(tx, src->page, src->offset, len, cap);
	if (n > 0)
		src->offset += n;
	return n;
}

/* The loop of send(). */
static int np_stream_tx(struct sock *sk, struct np_source *src, size_t len,
			unsigned int flags)
{
	struct np_sock *nsk = np_sk(sk);
	long timeo = sock_sndtimeo(sk, flags & MSG_DONTWAIT);
	ssize_t sent = 0, n;
	int err;

	mutex_lock(&nsk->tx_lock);
	for (;;) {
		err = np_stream_tx_check(sk, &timeo, len);
		if (unlikely(err))
			break;
		n = np_stream_put(sk, src, len - sent);
		if (n < 0) {
			err = n;
			break;
		}
		if (n) {
			sent += n;
			np_stream_tx_done(nsk);
		}
		if (sent == len)
			break;
		/* Full, unless a copy failed half-way: then it fails again. */
		if (!n)
			err = np_stream_tx_wait(sk, &timeo);
		if (err)
			break;
	}
	mutex_unlock(&nsk->tx_lock);
	if (sent)
		return sent;
	return err ? sk_stream_error(sk, flags, err) : 0;
}

/**
 * np_stream_sendmsg - send(2) and its kin
 * @sock: the socket
 * @msg: what to send
 * @len: how many bytes
 *
 * Context: may sleep. Takes tx_lock.
 *
 * Return: the bytes sent, or what send(2) and tcp(7) say.
 */
int np_stream_sendmsg(struct socket *sock, struct msghdr *msg, size_t len)
{
	struct sock *sk = sock->sk;
	struct np_source src = { .iter = &msg->msg_iter };
	int err;

	if (unlikely(msg->msg_flags & NP_STREAM_MSG_BAD))
		return -EOPNOTSUPP;
	if (unlikely(msg->msg_controllen)) {
		err = np_stream_send_cmsg(sk, msg);
		if (err)
			return err;
	}
	return np_stream_tx(sk, &src, len, msg->msg_flags);
}

#ifdef NP_HAVE_SENDPAGE
/**
 * np_stream_sendpage - sendfile(2), and splice(2) to a socket
 * @sock: the socket
 * @page: where the bytes are
 * @offset: of the first byte in the page
 * @size: how many
 * @flags: MSG_*
 *
 * As with TCP the bytes of whole pages are not copied before they are received.
 *
 * Context: may sleep. Takes tx_lock.
 *
 * Return: as np_stream_sendmsg().
 */
ssize_t np_stream_sendpage(struct socket *sock, struct page *page, int offset,
			   size_t size, int flags)
{
	struct np_source src = { .page = page, .offset = offset };

	/* Pages that no reference keeps, or that have no address, are copied; and
	 * so are small pieces, each of which would keep a whole page.
	 */
	if (!sendpage_ok(page) || PageHighMem(page) || size < PAGE_SIZE / 2)
		return sock_no_sendpage(sock, page, offset, size, flags);
	return np_stream_tx(sock->sk, &src, size, flags);
}
#endif

/**
 * np_stream_rx_check - what ends a recv() that has found nothing
 * @sk: the socket
 *
 * In TCP's order: the end of the stream, an error, shutdown, the state.
 *
 * Context: rx_lock.
 *
 * Return: what recv() returns, or -EINPROGRESS: nothing ends it.
 */
int np_stream_rx_check(struct sock *sk)
{
	struct np_sock *nsk = np_sk(sk);

	if (nsk->rx && np_chan_at_eof(nsk->rx))
		return 0;
	if (READ_ONCE(sk->sk_err))
		return sock_error(sk);
	if (READ_ONCE(sk->sk_shutdown) & RCV_SHUTDOWN)
		return 0;
	if (READ_ONCE(sk->sk_state) == TCP_CLOSE)
		return -ENOTCONN;
	return -EINPROGRESS;
}

/**
 * np_stream_rx_wait - wait for bytes
 * @sk: the socket
 * @have: for more than these
 * @timeo: how long; what is left of it
 *
 * Context: rx_lock, which is let go meanwhile.
 *
 * Return: 0: look again; else why the wait is over.
 */
int np_stream_rx_wait(struct sock *sk, size_t have, long *timeo)
{
	struct np_sock *nsk = np_sk(sk);
	DEFINE_WAIT(wait);
	int err = 0;

	if (!*timeo) {
		/* Who is told of more by epoll has asked for nothing yet. */
		if (!nsk->rx || likely(!nsk->rx->far))
			return -EAGAIN;
		return np_chan_avail(nsk->rx) > have ? 0 : -EAGAIN;
	}
	if (signal_pending(current))
		return sock_intr_errno(*timeo);
	prepare_to_wait(sk_sleep(sk), &wait, TASK_INTERRUPTIBLE);
	if (!np_stream_rx_over(sk) &&
	    (!nsk->rx || np_chan_avail(nsk->rx) <= have))
		err = np_stream_sleep(sk, &nsk->rx_lock, timeo);
	finish_wait(sk_sleep(sk), &wait);
	return err;
}

/* Take what there is, up to @len bytes, as @flags want it. */
static ssize_t np_stream_rx_take(struct sock *sk, struct msghdr *msg, size_t len,
				 int flags)
{
	struct np_sock *nsk = np_sk(sk);
	ssize_t n;

	if (unlikely(!nsk->rx))
		return 0;
	if (unlikely(flags & MSG_PEEK)) {
		if (!(flags & MSG_TRUNC))
			return np_chan_peek(nsk->rx, &msg->msg_iter, len);
		return min(len, np_chan_avail(nsk->rx));
	}
	np_stream_publish(sk, nsk->rx);
	if (unlikely(flags & MSG_TRUNC))
		n = np_chan_drop(&nsk->rx, len);
	else
		n = np_chan_read(&nsk->rx, &msg->msg_iter, len);
	if (n > 0)
		np_stream_rx_done(sk, nsk->rx);
	return n;
}

/* recv() that looks at bytes and leaves them, or asks for none. */
static ssize_t np_stream_rx_peek(struct sock *sk, struct msghdr *msg, size_t len,
				 int flags)
{
	size_t target = sock_rcvlowat(sk, flags & MSG_WAITALL, len);
	long timeo = sock_rcvtimeo(sk, flags & MSG_DONTWAIT);
	size_t have;
	bool over;
	int err = 0;

	for (;;) {
		/* The end before the bytes: none come after it. */
		over = np_stream_rx_over(sk);
		smp_rmb();	/* pairs with the lock in np_conn_event() */
		have = np_sk(sk)->rx ? np_chan_avail(np_sk(sk)->rx) : 0;
		if (have >= min(target, len) + !len || (have && (over || err)))
			return len ? np_stream_rx_take(sk, msg, len, flags) : 0;
		if (!have && over) {
			err = np_stream_rx_check(sk);
			if (err != -EINPROGRESS)
				return err;
		}
		err = np_stream_rx_wait(sk, have, &timeo);
		if (err && !have)
			return err;
	}
}

/* The loop of recv(). */
static ssize_t np_stream_rx(struct sock *sk, struct msghdr *msg, size_t len,
			    int flags)
{
	size_t target = sock_rcvlowat(sk, flags & MSG_WAITALL, len);
	long timeo = sock_rcvtimeo(sk, flags & MSG_DONTWAIT);
	size_t done = 0;
	ssize_t n;
	bool over;
	int err;

	for (;;) {
		/* The end before the bytes: none come after it. */
		over = np_stream_rx_over(sk);
		smp_rmb();	/* pairs with the lock in np_conn_event() */
		n = np_stream_rx_take(sk, msg, len - done, flags);
		if (n < 0)
			return done ?: n;
		done += n;
		if (done >= target || (done && over))
			return done;
		if (!done && over) {
			err = np_stream_rx_check(sk);
			if (err != -EINPROGRESS)
				return err;
		}
		err = np_stream_rx_wait(sk, 0, &timeo);
		if (err)
			return done ?: err;
	}
}

/**
 * np_stream_recvmsg - recv(2) and its kin
 * @sock: the socket
 * @msg: where to put the bytes
 * @len: how many at the most
 * @flags: MSG_*
 *
 * Context: may sleep. Takes rx_lock.
 *
 * Return: the bytes received, 0 at the end of the stream, or what recv(2) and
 * tcp(7) say.
 */
int np_stream_recvmsg(struct socket *sock, struct msghdr *msg, size_t len,
		      int flags)
{
	struct sock *sk = sock->sk;
	struct np_sock *nsk = np_sk(sk);
	ssize_t n;

	if (unlikely(flags & MSG_OOB))
		return -EINVAL;		/* there is never urgent data */
	if (unlikely(flags & MSG_ERRQUEUE))
		return -EAGAIN;		/* nor is there anything in that queue */
	if (unlikely(READ_ONCE(sk->sk_state) == TCP_LISTEN))
		return -ENOTCONN;
	mutex_lock(&nsk->rx_lock);
	if (unlikely(flags & MSG_PEEK || !len))
		n = np_stream_rx_peek(sk, msg, len, flags);
	else
		n = np_stream_rx(sk, msg, len, flags);
	mutex_unlock(&nsk->rx_lock);
	return n;
}

/* The part of poll() that is about what can be read. */
static __poll_t np_stream_poll_rx(struct sock *sk, struct np_chan *rx)
{
	np_stream_publish(sk, rx);
	if (unlikely(rx->far))
		np_far_await_bytes(rx->far);
	/* A channel's end mark comes into it: SO_RCVLOWAT sees across it. */
	if (np_chan_is_readable(rx) || READ_ONCE(rx->end) == NP_END_NEXT)
		return EPOLLIN | EPOLLRDNORM;
	return 0;
}

/* The part of poll() that is about what can be written. */
static __poll_t np_stream_poll_tx(struct sock *sk, struct np_chan *tx)
{
	if (!np_chan_writable(tx, np_stream_tx_cap(sk, tx))) {
		sk_set_bit(SOCKWQ_ASYNC_NOSPACE, sk);
		np_chan_await_room(tx, np_stream_tx_cap(sk, tx));
		smp_mb();	/* pairs with np_stream_rx_done() */
		if (!np_chan_writable(tx, np_stream_tx_cap(sk, tx)) &&
		    !np_chan_gone(tx))
			return 0;
	}
	return EPOLLOUT | EPOLLWRNORM;
}

/**
 * np_stream_poll - poll(2), select(2), epoll(7)
 * @file: the socket's file
 * @sock: the socket
 * @wait: where to register, or NULL
 *
 * Takes no lock. The channels are looked at under RCU, since a reader may go
 * on to the next one meanwhile.
 *
 * Return: what tcp_poll() would.
 */
__poll_t np_stream_poll(struct file *file, struct socket *sock,
			struct poll_table_struct *wait)
{
	struct sock *sk = sock->sk;
	struct np_sock *nsk = np_sk(sk);
	struct np_chan *tx, *rx;
	struct np_member *m;
	__poll_t mask = 0;
	u8 shutdown;
	int state;

	sock_poll_wait(file, sock, wait);
	state = smp_load_acquire(&sk->sk_state); /* pairs with np_state_set() */
	rcu_read_lock();
	if (state == TCP_LISTEN) {
		m = READ_ONCE(nsk->base.member);
		if (m && np_member_is_ready(m))
			mask = EPOLLIN | EPOLLRDNORM;
		rcu_read_unlock();
		return mask;
	}
	shutdown = READ_ONCE(sk->sk_shutdown);
	if (shutdown == SHUTDOWN_MASK || state == TCP_CLOSE)
		mask |= EPOLLHUP;
	if (shutdown & RCV_SHUTDOWN)
		mask |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
	if (state != TCP_SYN_SENT) {
		rx = READ_ONCE(nsk->rx);
		if (rx)
			mask |= np_stream_poll_rx(sk, rx);
		tx = READ_ONCE(nsk->tx);
		if (!tx || shutdown & SEND_SHUTDOWN)
			mask |= EPOLLOUT | EPOLLWRNORM;
		else
			mask |= np_stream_poll_tx(sk, tx);
	}
	rcu_read_unlock();
	smp_rmb();	/* an error is seen with what came before it */
	if (READ_ONCE(sk->sk_err) || !skb_queue_empty_lockless(&sk->sk_error_queue))
		mask |= EPOLLERR;
	return mask;
}

/**
 * np_stream_inq - bytes that can be read
 * @sk: the socket
 */
size_t np_stream_inq(struct sock *sk)
{
	struct np_sock *nsk = np_sk(sk);
	size_t n = 0;

	mutex_lock(&nsk->rx_lock);
	if (nsk->rx)
		n = np_chan_avail(nsk->rx);
	mutex_unlock(&nsk->rx_lock);
	return n;
}

/**
 * np_stream_outq - bytes written that the other end has not read
 * @sk: the socket
 */
size_t np_stream_outq(struct sock *sk)
{
	struct np_sock *nsk = np_sk(sk);
	size_t n = 0;

	mutex_lock(&nsk->tx_lock);
	if (nsk->tx)
		n = np_chan_used(nsk->tx);
	mutex_unlock(&nsk->tx_lock);
	return n;
}

/**
 * np_stream_ioctl - ioctl(2)
 * @sock: the socket
 * @cmd: SIOCINQ (FIONREAD), SIOCOUTQ (TIOCOUTQ), SIOCOUTQNSD,
 *	SIOCATMARK, or one of inet's
 *	own (interfaces, addresses, routes)
 * @arg: its argument
 *
 * Return: 0 or a negative errno; -EINVAL for a listener, as tcp(7) says.
 */
int np_stream_ioctl(struct socket *sock, unsigned int cmd, unsigned long arg)
{
	struct sock *sk = sock->sk;
	size_t n;

	switch (cmd) {
	case SIOCINQ:
	case SIOCOUTQ:
		if (READ_ONCE(sk->sk_state) == TCP_LISTEN)
			return -EINVAL;
		n = cmd == SIOCINQ ? np_stream_inq(sk) : np_stream_outq(sk);
		return put_user((int)n, (int __user *)arg);
	case SIOCOUTQNSD:	/* what is written is at the other end */
	case SIOCATMARK:
		return put_user(0, (int __user *)arg);
	default:
		return np_inet_ioctl(sock, cmd, arg);
	}
}

/**
 * np_stream_set_rcvlowat - SO_RCVLOWAT
 * @sk: the socket
 * @val: bytes; core has made sure that it is not negative
 *
 * Context: lock_sock(). Takes rx_lock.
 *
 * Return: 0.
 */
int np_stream_set_rcvlowat(struct sock *sk, int val)
{
	struct np_sock *nsk = np_sk(sk);

	val = val ?: 1;
	/* More than that would never be reached while the writer waits. */
	val = min(val, max(sk->sk_rcvbuf / 2, 1));
	WRITE_ONCE(sk->sk_rcvlowat, val);
	mutex_lock(&nsk->rx_lock);
	if (nsk->rx) {
		np_chan_set_lowat(nsk->rx, val);
		smp_mb();	/* pairs with np_stream_tx_done() */
		if (np_chan_avail(nsk->rx) >= val)
			sk->sk_data_ready(sk);
	}
	mutex_unlock(&nsk->rx_lock);
	return 0;
}
