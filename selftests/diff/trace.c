// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a step showed, as text: results and errnos, bytes, and after every step
 * what select(), poll() and epoll say of every socket.
 */
#include <ctype.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/select.h>

#include "diff.h"

void fact_add(struct facts *f, const char *what, const char *fmt, ...)
{
	struct fact *fact = &f->fact[f->n];
	va_list args;

	if (f->n == MAX_FACTS)
		return;
	f->n++;
	snprintf(fact->what, sizeof(fact->what), "%s", what);
	va_start(args, fmt);
	vsnprintf(fact->value, sizeof(fact->value), fmt, args);
	va_end(args);
}

const char *fact_get(const struct facts *f, const char *what)
{
	int i;

	for (i = 0; i < f->n; i++)
		if (!strcmp(f->fact[i].what, what))
			return f->fact[i].value;
	return NULL;
}

/* What a call returned; errno has not been touched since. */
void fact_result(struct facts *f, long ret)
{
	const char *name = strerrorname_np(errno);

	if (ret >= 0)
		fact_add(f, "ret", "%ld", ret);
	else
		fact_add(f, "ret", "%s", name ? name : "an errno without a name");
}

static bool printable(const unsigned char *p, size_t len)
{
	while (len--)
		if (!isprint(*p++))
			return false;
	return true;
}

/* Short text as it is, all else by its length and a checksum (FNV-1a). */
void fact_bytes(struct facts *f, const char *what, const void *buf, size_t len)
{
	const unsigned char *p = buf;
	uint32_t sum = 2166136261;
	size_t i;

	if (len <= 40 && printable(p, len)) {
		fact_add(f, what, "\"%.*s\"", (int)len, (const char *)buf);
		return;
	}
	for (i = 0; i < len; i++)
		sum = (sum ^ p[i]) * 16777619;
	fact_add(f, what, "%zu bytes, sum %08x", len, sum);
}

static const struct {
	int bit;
	const char *name;
} mask_names[] = {
	{ POLLIN, "IN" }, { POLLPRI, "PRI" }, { POLLOUT, "OUT" }, { POLLRDHUP, "RDHUP" },
	{ POLLERR, "ERR" }, { POLLHUP, "HUP" }, { POLLNVAL, "NVAL" }, { POLLRDBAND, "RDBAND" },
	{ POLLWRBAND, "WRBAND" }, { POLLMSG, "MSG" }, { POLLRDNORM, "RDNORM" },
	{ POLLWRNORM, "WRNORM" },
};

/* POLLRDNORM and POLLWRNORM are told only where they differ from POLLIN and POLLOUT. */
static void mask_text(int mask, char *buf, size_t size)
{
	size_t i, len = 0;
	int hide = 0;

	if (!(mask & POLLIN) == !(mask & POLLRDNORM))
		hide |= POLLRDNORM;
	if (!(mask & POLLOUT) == !(mask & POLLWRNORM))
		hide |= POLLWRNORM;
	snprintf(buf, size, "-");
	for (i = 0; i < sizeof(mask_names) / sizeof(*mask_names); i++)
		if (mask & mask_names[i].bit & ~hide)
			len += snprintf(buf + len, size - len, "%s%s", len ? "," : "",
					mask_names[i].name);
}

#define ALL_EVENTS	(POLLIN | POLLPRI | POLLOUT | POLLRDHUP | POLLRDBAND | POLLWRBAND | \
			 POLLMSG | POLLRDNORM | POLLWRNORM)

struct masks {
	short poll[MAX_SOCKS];
	int epoll[MAX_SOCKS];
	char select[MAX_SOCKS][4];
};

static void masks_poll(struct run *run, struct masks *m)
{
	struct pollfd p[MAX_SOCKS];
	int i;

	for (i = 0; i < run->nsocks; i++) {
		p[i].fd = run->sock[i].is_open ? run->sock[i].fd : -1;
		p[i].events = ALL_EVENTS;
		p[i].revents = 0;
	}
	poll(p, run->nsocks, 0);
	for (i = 0; i < run->nsocks; i++)
		m->poll[i] = p[i].revents;
}

static void masks_select(struct run *run, struct masks *m)
{
	struct timeval now = { };
	fd_set set[3];
	int i, j, last = -1;

	for (j = 0; j < 3; j++)
		FD_ZERO(&set[j]);
	for (i = 0; i < run->nsocks; i++) {
		if (!run->sock[i].is_open)
			continue;
		for (j = 0; j < 3; j++)
			FD_SET(run->sock[i].fd, &set[j]);
		if (run->sock[i].fd > last)
			last = run->sock[i].fd;
	}
	select(last + 1, &set[0], &set[1], &set[2], &now);
	for (i = 0; i < run->nsocks; i++) {
		char *p = m->select[i];

		for (j = 0; run->sock[i].is_open && j < 3; j++)
			if (FD_ISSET(run->sock[i].fd, &set[j]))
				*p++ = "rwx"[j];
		*p = '\0';
	}
}

static void masks_epoll(struct run *run, struct masks *m)
{
	struct epoll_event e[MAX_SOCKS];
	int i, n;

	memset(m->epoll, 0, sizeof(m->epoll));
	n = epoll_wait(run->epoll, e, MAX_SOCKS, 0);
	for (i = 0; i < n; i++)
		m->epoll[e[i].data.u32] = e[i].events;
}

/* "IN,OUT rw": what poll() says, what select() says, and epoll, if it says something else. */
void record_masks(struct run *run, struct facts *f)
{
	char what[NAME_LEN + 8], text[96], other[96];
	struct masks m;
	int i;

	masks_poll(run, &m);
	masks_select(run, &m);
	masks_epoll(run, &m);
	for (i = 0; i < run->nsocks; i++) {
		if (!run->sock[i].is_open || run->sock[i].unmasked)
			continue;
		snprintf(what, sizeof(what), "poll:%s", run->sock[i].name);
		mask_text(m.poll[i], text, sizeof(text));
		mask_text(m.epoll[i], other, sizeof(other));
		if (strcmp(text, other))
			fact_add(f, what, "%s %s epoll %s", text, m.select[i], other);
		else if (*m.select[i])
			fact_add(f, what, "%s %s", text, m.select[i]);
		else
			fact_add(f, what, "%s", text);
	}
}
