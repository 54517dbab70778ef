// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names in the scripts and in the traces: addresses and flags. "lo:5000" is an
 * address of the script's family, so that a script is the same for both; a port
 * that the kernel has chosen is shown by the socket that has it, "lo:@s".
 */
#include <sys/un.h>

#include "diff.h"

static const struct host {
	const char *name, *v4, *v6;
} hosts[] = {
	{ "lo", "127.0.0.1", "::1" },
	{ "lo2", "127.0.0.2", "fd00::2" },
	{ "any", "0.0.0.0", "::" },
	{ "other", "192.0.2.1", "2001:db8::1" },
	{ "mcast", "224.0.0.1", "ff02::1" },
	{ "bcast", "255.255.255.255", "ff02::1" },
	{ "netbcast", "127.255.255.255", "ff01::1" },
	{ "mapped", "127.0.0.1", "::ffff:127.0.0.1" },
	{ "mapped-any", "0.0.0.0", "::ffff:0.0.0.0" },
};

#define NHOSTS (sizeof(hosts) / sizeof(*hosts))

/* "lo4" and "lo6" are of one family whatever the script's is. */
static const struct host *host_find(const char *text, size_t len, int *af)
{
	size_t i;

	for (i = 0; i < NHOSTS; i++)
		if (strlen(hosts[i].name) == len && !memcmp(text, hosts[i].name, len))
			return &hosts[i];
	if (len < 2 || (text[len - 1] != '4' && text[len - 1] != '6'))
		return NULL;
	*af = text[len - 1] == '4' ? AF_INET : AF_INET6;
	return host_find(text, len - 1, af);
}

static socklen_t place_unix(struct run *run, const char *port, union addr *a)
{
	struct sockaddr_un *un = (void *)&a->ss;
	struct sock *s = *port == '@' ? sock_find(run, port + 1) : NULL;

	if (s) {
		socklen_t len = sizeof(*a);

		if (getsockname(s->fd, &a->sa, &len))
			run_broken(run, "getsockname: %s", strerror(errno));
		return len;
	}
	un->sun_family = AF_UNIX;
	if (!strcmp(port, "0"))
		return sizeof(un->sun_family);
	return sizeof(un->sun_family) + 1 + sprintf(un->sun_path + 1, "np%s", port);
}

static int port_parse(struct run *run, const char *port)
{
	struct sock *s;

	if (*port != '@')
		return atoi(port);
	s = sock_find(run, port + 1);
	if (!s)
		run_broken(run, "no socket %s", port + 1);
	return sock_port(s->fd);
}

static socklen_t place_odd(const char *text, int af, union addr *a)
{
	socklen_t len = af == AF_INET ? sizeof(a->in) : sizeof(a->in6);

	if (!strcmp(text, "unspec")) {
		a->sa.sa_family = AF_UNSPEC;
		return len;
	}
	if (!strcmp(text, "af99")) {
		a->sa.sa_family = 99;
		return len;
	}
	a->sa.sa_family = af;
	return strcmp(text, "short") ? 0 : 6;
}

/* HOST:PORT, HOST:@SOCKET, @SOCKET (on lo), unspec, af99, short */
socklen_t place_parse(struct run *run, const char *text, int af, union addr *a)
{
	const char *colon = strchr(text, ':');
	const struct host *h;

	memset(a, 0, sizeof(*a));
	if (*text == '@') {
		h = &hosts[0];
		colon = text - 1;
	} else if (colon) {
		h = host_find(text, colon - text, &af);
	} else {
		socklen_t len = place_odd(text, af, a);

		if (!len)
			run_broken(run, "no such address: %s", text);
		return len;
	}
	if (!h)
		run_broken(run, "no such host: %s", text);
	if (run_over_unix(run))
		return place_unix(run, colon + 1, a);
	a->sa.sa_family = af;
	addr_set_port(a, port_parse(run, colon + 1));
	if (af == AF_INET) {
		inet_pton(AF_INET, h->v4, &a->in.sin_addr);
		return sizeof(a->in);
	}
	inet_pton(AF_INET6, h->v6, &a->in6.sin6_addr);
	return sizeof(a->in6);
}

/* Whose port is it? Sockets of one type only; the first that had it. */
static void port_text(struct run *run, int port, char *buf, size_t size)
{
	int i;

	if (port < 20000) {
		snprintf(buf, size, "%d", port);
		return;
	}
	for (i = 0; i < run->nsocks; i++) {
		struct sock *s = &run->sock[i];

		if (s->addr_len && s->addr.sa.sa_family != AF_UNIX &&
		    addr_port(&s->addr) == port) {
			snprintf(buf, size, "@%s", s->name);
			return;
		}
	}
	snprintf(buf, size, "a port of nobody's");
}

static void place_unix_text(struct run *run, const union addr *a, socklen_t len, char *buf,
			    size_t size)
{
	const struct sockaddr_un *un = (const void *)&a->ss;
	int i;

	if (len <= sizeof(un->sun_family)) {
		snprintf(buf, size, "unnamed");
		return;
	}
	if (!memcmp(un->sun_path, "\0np", 3)) {
		snprintf(buf, size, "lo:%.*s", (int)(len - sizeof(un->sun_family) - 3),
			 un->sun_path + 3);
		return;
	}
	for (i = 0; i < run->nsocks; i++)
		if (run->sock[i].addr_len == len && !memcmp(&run->sock[i].addr, a, len))
			break;
	snprintf(buf, size, "lo:@%s", i < run->nsocks ? run->sock[i].name : "?");
}

static const char *host_text(const struct run *run, const union addr *a, char *buf, size_t size)
{
	bool own = a->sa.sa_family == run->world->af;
	char text[INET6_ADDRSTRLEN];
	size_t i;

	if (a->sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &a->in.sin_addr, text, sizeof(text));
	else
		inet_ntop(AF_INET6, &a->in6.sin6_addr, text, sizeof(text));
	for (i = 0; i < NHOSTS; i++) {
		if (strcmp(a->sa.sa_family == AF_INET ? hosts[i].v4 : hosts[i].v6, text))
			continue;
		snprintf(buf, size, "%s%s", hosts[i].name,
			 own ? "" : a->sa.sa_family == AF_INET ? "4" : "6");
		return buf;
	}
	snprintf(buf, size, "%s", text);
	return buf;
}

void place_text(struct run *run, const union addr *a, socklen_t len, char *buf, size_t size)
{
	char host[INET6_ADDRSTRLEN], port[NAME_LEN + 8];

	if (!len) {
		snprintf(buf, size, "none");
		return;
	}
	socks_refresh(run);
	if (a->sa.sa_family == AF_UNIX) {
		place_unix_text(run, a, len, buf, size);
		return;
	}
	if (a->sa.sa_family != AF_INET && a->sa.sa_family != AF_INET6) {
		snprintf(buf, size, "family %d", a->sa.sa_family);
		return;
	}
	if (len != (a->sa.sa_family == AF_INET ? sizeof(a->in) : sizeof(a->in6))) {
		snprintf(buf, size, "an address of %u bytes", len);
		return;
	}
	port_text(run, addr_port(a), port, sizeof(port));
	snprintf(buf, size, "%s:%s", host_text(run, a, host, sizeof(host)), port);
}

void fact_place(struct run *run, struct facts *f, const char *what, const union addr *a,
		socklen_t len)
{
	char text[VALUE_LEN];

	place_text(run, a, len, text, sizeof(text));
	fact_add(f, what, "%s", text);
}

static const struct {
	const char *name;
	int flag;
} flag_names[] = {
	{ "oob", MSG_OOB }, { "peek", MSG_PEEK }, { "dontroute", MSG_DONTROUTE },
	{ "ctrunc", MSG_CTRUNC }, { "trunc", MSG_TRUNC }, { "dontwait", MSG_DONTWAIT },
	{ "eor", MSG_EOR }, { "waitall", MSG_WAITALL }, { "confirm", MSG_CONFIRM },
	{ "errqueue", MSG_ERRQUEUE }, { "nosignal", MSG_NOSIGNAL }, { "more", MSG_MORE },
	{ "waitforone", MSG_WAITFORONE }, { "cmsg_cloexec", MSG_CMSG_CLOEXEC },
};

/* 0 if the word is no flag. */
int flag_parse(const char *word)
{
	size_t i;

	for (i = 0; i < sizeof(flag_names) / sizeof(*flag_names); i++)
		if (!strcmp(flag_names[i].name, word))
			return flag_names[i].flag;
	return 0;
}

void flags_text(int flags, char *buf, size_t size)
{
	size_t i, len = 0;

	snprintf(buf, size, "0");
	for (i = 0; i < sizeof(flag_names) / sizeof(*flag_names); i++)
		if (flags & flag_names[i].flag) {
			len += snprintf(buf + len, size - len, "%s%s", len ? "," : "",
					flag_names[i].name);
			flags &= ~flag_names[i].flag;
		}
	if (flags)
		snprintf(buf + len, size - len, "%s%#x", len ? "," : "", flags);
}
