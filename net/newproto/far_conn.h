/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How connections over a fabric come about: far_conn.c, far_connect.c.
 */
#ifndef _NP_FAR_CONN_H
#define _NP_FAR_CONN_H

#include "preface.h"

struct np_far;
struct np_nic_client;
struct sock;

/* far_conn.c */
void np_far_message(struct np_nic_client *nc, u32 slot, const void *msg, u32 len);
int np_far_send(struct np_nic_client *nc, u32 slot, const struct np_preface *p);
void np_far_say(struct np_far *far);

/* far_connect.c */
int np_far_connect(struct sock *sk, struct np_nic_client *nc, struct np_addr *dst);
void np_far_incoming(struct np_nic_client *nc, u32 slot, const struct np_preface *p);
void np_far_on_refuse(struct np_far *far, u8 code);
void np_far_refuse(struct np_nic_client *nc, u32 slot, const struct np_preface *p, u8 code);
void np_far_hint_set(struct np_nic_client *nc, const struct in6_addr *ip, u32 slot);
void np_far_refusals_send(struct np_nic_client *nc);
void np_far_refusals_drop(struct np_nic_client *nc, u32 slot);

#endif /* _NP_FAR_CONN_H */
