/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The states of a stream socket. They are TCP's numbers, since inet's own
 * code, which AF_NEWPROTO sockets run through, and ss(8) go by them.
 */
#ifndef _NP_STATE_H
#define _NP_STATE_H

#include <linux/types.h>

struct sock;

bool np_state_may(int from, int to);
void np_state_set(struct sock *sk, int state);
const char *np_state_name(int state);

#endif /* _NP_STATE_H */
