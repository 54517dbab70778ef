// SPDX-License-Identifier: GPL-2.0-only
/*
 * UDP_CORK and MSG_MORE: one datagram out of several sends, as udp(7) has it.
 */
#include <linux/slab.h>
#include <linux/uio.h>

#include "dgram.h"

/**
 * struct np_cork - a datagram that is being put together
 *
 * Guarded by its socket's lock_sock() as long as the socket points to it.
 *
 * @flow: its way, as the first send has it
 * @len: bytes so far
 * @room: size of @data
 * @data: the payload
 */
struct np_cork {
	struct np_flow flow;
	size_t len;
	size_t room;
	char *data;
};

static void np_cork_destroy(struct np_cork *cork)
{
	if (cork)
		kvfree(cork->data);
	kfree(cork);
}

/**
 * np_cork_free - forget what a socket holds back
 * @sk: the socket
 *
 * Context: lock_sock().
 */
void np_cork_free(struct sock *sk)
{
	struct np_dgram *dg = np_dg(sk);

	np_cork_destroy(dg->cork);
	WRITE_ONCE(dg->cork, NULL);
}

/**
 * np_cork_start - begin a datagram, unless another thread has
 * @sk: the socket
 * @f: its way
 *
 * Return: 0 or -ENOBUFS.
 */
int np_cork_start(struct sock *sk, const struct np_flow *f)
{
	struct np_dgram *dg = np_dg(sk);
	struct np_cork *cork;
	int err = 0;

	lock_sock(sk);
	if (!dg->cork) {
		cork = kzalloc(sizeof(*cork), GFP_KERNEL_ACCOUNT);
		if (cork) {
			cork->flow = *f;
			WRITE_ONCE(dg->cork, cork);
		} else {
			err = -ENOBUFS;
		}
	}
	release_sock(sk);
	return err;
}

/* Make room for @len more bytes; twice as much as is needed, to be quick. */
static int np_cork_grow(struct np_cork *cork, size_t len)
{
	size_t room = min_t(size_t, 2 * (cork->len + len), NP_DGRAM_MAX_V6);
	char *data;

	if (cork->len + len <= cork->room)
		return 0;
	/* The program is told, so that the log need not be. */
	data = kvmalloc(room, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!data)
		return -ENOBUFS;
	memcpy(data, cork->data, cork->len);
	kvfree(cork->data);
	cork->data = data;
	cork->room = room;
	return 0;
}

static int np_cork_put(struct np_cork *cork, struct iov_iter *from, size_t len)
{
	int err;

	if (len > np_dgram_max(&cork->flow) - cork->len)
		return -EMSGSIZE;
	if (!len)
		return 0;
	err = np_cork_grow(cork, len);
	if (err)
		return err;
	if (!copy_from_iter_full(cork->data + cork->len, len, from))
		return -EFAULT;
	cork->len += len;
	return 0;
}

/* Send what was held back; the socket does not hold it any more. If it has to
 * wait and cannot, it holds the first @keep bytes again, so that the caller can
 * do again what it did; unless another thread has begun a new one.
 */
static int np_cork_send(struct sock *sk, struct np_cork *cork, size_t keep, int flags)
{
	struct kvec vec = { .iov_base = cork->data, .iov_len = cork->len };
	struct np_dgram *dg = np_dg(sk);
	struct iov_iter from;
	int err;

	iov_iter_kvec(&from, ITER_SOURCE, &vec, 1, cork->len);
	err = np_dgram_transmit(sk, &cork->flow, &from, cork->len, flags);
	if (err == -EAGAIN || err == -EINTR || err == -ERESTARTSYS) {
		lock_sock(sk);
		if (!dg->cork && !sock_flag(sk, SOCK_DEAD)) {
			cork->len = keep;
			WRITE_ONCE(dg->cork, cork);
			cork = NULL;
		}
		release_sock(sk);
	}
	np_cork_destroy(cork);
	return err;
}

static struct np_cork *np_cork_take(struct sock *sk)
{
	struct np_cork *cork = np_dg(sk)->cork;

	WRITE_ONCE(np_dg(sk)->cork, NULL);
	return cork;
}

/**
 * np_cork_append - add to the datagram that a socket holds back
 * @sk: the socket
 * @msg: what to add; its address and control messages do not matter
 * @len: how many bytes
 *
 * Without MSG_MORE and UDP_CORK they are the last, and the datagram is sent. As
 * with UDP all of it is lost on an error; but not where it would have to wait.
 *
 * Context: may sleep.
 *
 * Return: @len, -EMSGSIZE, -ENOBUFS, -EFAULT, or what sending has come to;
 * -ESTALE if it holds none: another thread has sent it.
 */
int np_cork_append(struct sock *sk, struct msghdr *msg, size_t len)
{
	struct np_dgram *dg = np_dg(sk);
	struct np_cork *cork;
	int err = -ESTALE;
	size_t keep;

	lock_sock(sk);
	cork = dg->cork;
	if (!cork)
		goto out;
	keep = cork->len;
	err = np_cork_put(cork, &msg->msg_iter, len);
	if (err) {
		if (err == -EMSGSIZE)
			np_dgram_too_long(sk, &cork->flow);
		np_cork_free(sk);
		goto out;
	}
	if (msg->msg_flags & MSG_MORE || dg->corked)
		goto out;
	np_cork_take(sk);
	release_sock(sk);
	err = np_cork_send(sk, cork, keep, msg->msg_flags);
	return err ?: len;
out:
	release_sock(sk);
	return err ?: len;
}

/**
 * np_cork_flush - UDP_CORK is off: send what was held back
 * @sk: the socket
 * @flags: MSG_*
 *
 * Context: may sleep.
 *
 * Return: 0 or a negative errno.
 */
int np_cork_flush(struct sock *sk, int flags)
{
	struct np_cork *cork;

	lock_sock(sk);
	cork = np_cork_take(sk);
	release_sock(sk);
	return cork ? np_cork_send(sk, cork, cork->len, flags) : 0;
}
