// SPDX-License-Identifier: GPL-2.0-only
/*
 * What two kernels say to each other about a connection.
 */
#include <linux/errno.h>
#include <linux/string.h>

#include "kunit.h"
#include "preface.h"

static const u8 np_preface_magic[4] = { 'N', 'P', 'R', 'F' };

static_assert(sizeof(struct np_preface_wire) == 64);

/**
 * np_preface_write - make a message
 * @w: where to put it
 * @p: what to say
 */
void np_preface_write(struct np_preface_wire *w, const struct np_preface *p)
{
	memset(w, 0, sizeof(*w));
	memcpy(w->magic, np_preface_magic, sizeof(w->magic));
	w->version = NP_PREFACE_VERSION;
	w->type = p->type;
	w->code = p->code;
	w->offers = cpu_to_le32(p->offers);
	w->id = cpu_to_le32(p->id);
	w->gen = cpu_to_le32(p->gen);
	w->to_id = cpu_to_le32(p->to_id);
	w->to_gen = cpu_to_le32(p->to_gen);
	w->sport = p->src.port;
	w->dport = p->dst.port;
	memcpy(w->src, &p->src.ip, sizeof(w->src));
	memcpy(w->dst, &p->dst.ip, sizeof(w->dst));
}
EXPORT_SYMBOL_NP_KUNIT(np_preface_write);

/* An address that a connection can be from, or go to. */
static bool np_preface_addr_ok(const struct np_addr *a)
{
	return a->port && !np_addr_is_any(&a->ip) && !ipv6_addr_is_multicast(&a->ip);
}

/**
 * np_preface_ends_ok - can these be the ends of a connection?
 * @src: who connects
 * @dst: to whom
 */
bool np_preface_ends_ok(const struct np_addr *src, const struct np_addr *dst)
{
	/* Both of one kind. */
	return np_preface_addr_ok(src) && np_preface_addr_ok(dst) &&
	       np_addr_is_v4(&src->ip) == np_addr_is_v4(&dst->ip);
}

static int np_preface_check(const struct np_preface *p)
{
	if (p->type < NP_PREFACE_CONNECT || p->type > NP_PREFACE_BYE ||
	    p->code >= NP_CODE_NR)
		return -EPROTO;
	/* Who refuses says why, and nobody else does. */
	if (p->type == NP_PREFACE_REFUSE ? !p->code : p->code)
		return -EPROTO;
	if (p->type == NP_PREFACE_CONNECT && !np_preface_ends_ok(&p->src, &p->dst))
		return -EPROTO;
	return 0;
}

/**
 * np_preface_read - understand a message
 * @p: where to put what it says
 * @msg: the message, which nobody else changes any more
 * @len: bytes
 *
 * Return: 0; -EPROTO: it is none; -EPROTONOSUPPORT: of a version that is not known.
 */
int np_preface_read(struct np_preface *p, const void *msg, u32 len)
{
	struct np_preface_wire w;

	if (len < sizeof(w))
		return -EPROTO;
	memcpy(&w, msg, sizeof(w));
	if (memcmp(w.magic, np_preface_magic, sizeof(w.magic)))
		return -EPROTO;
	if (w.version != NP_PREFACE_VERSION)
		return -EPROTONOSUPPORT;
	memset(p, 0, sizeof(*p));
	p->type = w.type;
	p->code = w.code;
	p->offers = le32_to_cpu(w.offers) & NP_OFFER_DIRECT;
	p->id = le32_to_cpu(w.id);
	p->gen = le32_to_cpu(w.gen);
	p->to_id = le32_to_cpu(w.to_id);
	p->to_gen = le32_to_cpu(w.to_gen);
	p->src.port = w.sport;
	p->dst.port = w.dport;
	memcpy(&p->src.ip, w.src, sizeof(w.src));
	memcpy(&p->dst.ip, w.dst, sizeof(w.dst));
	return np_preface_check(p);
}
EXPORT_SYMBOL_NP_KUNIT(np_preface_read);
