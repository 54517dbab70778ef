// SPDX-License-Identifier: GPL-2.0-only
/*
 * Options: those that scripts set and get by name, and the script that is not
 * in a file: each option there is, on a new socket of its own, read, set to a
 * few values, and read after each.
 */
#include <linux/filter.h>
#include <sys/time.h>

#include "diff.h"

enum shape {
	INT,
	OPAQUE,		/* differs from run to run: only its length is shown */
	PAIR,		/* struct linger and the like: two ints */
	TIME,		/* struct timeval, also the one of 64 bits */
	DEVICE, CONGESTION, ULP,	/* strings */
	FILTER,		/* struct sock_fprog */
	MREQ, MREQ6, GROUP,	/* multicast groups */
	IFINDEX,	/* 1 is lo; there may be a device 2 or not */
};

static const struct option {
	const char *name;
	int level;
	int number;
	enum shape kind;
	const char *level_name;
} options[] = {
#define OPTION(level, name, number, shape) { #name, level, number, shape, #level },
#include "option_list.h"
#undef OPTION
};

#define NOPTIONS ((int)(sizeof(options) / sizeof(*options)))

/* Names that stand for an option of either family. */
static const struct {
	const char *name, *v4, *v6;
} either[] = {
	{ "recvpktinfo", "IP_PKTINFO", "IPV6_RECVPKTINFO" },
	{ "recvttl", "IP_RECVTTL", "IPV6_RECVHOPLIMIT" },
	{ "recvtos", "IP_RECVTOS", "IPV6_RECVTCLASS" },
	{ "recverr", "IP_RECVERR", "IPV6_RECVERR" },
	{ "ttl", "IP_TTL", "IPV6_UNICAST_HOPS" },
	{ "tos", "IP_TOS", "IPV6_TCLASS" },
	{ "mtu_discover", "IP_MTU_DISCOVER", "IPV6_MTU_DISCOVER" },
	{ "freebind", "IP_FREEBIND", "IPV6_FREEBIND" },
};

static const struct option *option_find(struct run *run, const char *name, const char *level,
					int af)
{
	size_t i;

	for (i = 0; i < sizeof(either) / sizeof(*either); i++)
		if (!strcmp(either[i].name, name))
			name = af == AF_INET ? either[i].v4 : either[i].v6;
	for (i = 0; i < NOPTIONS; i++)
		if (!strcmp(options[i].name, name) &&
		    (!level || !strcmp(options[i].level_name, level)))
			return &options[i];
	run_broken(run, "no such option: %s", name);
}

/* --- values --- */

union value {
	int n;
	int pair[2];
	long time[2];
	char text[32];
	struct sock_fprog prog;
	struct ip_mreqn mreq;
	struct ipv6_mreq mreq6;
	struct group_req group;
	unsigned char byte[256];
};

/* A filter that takes the first n bytes; a few of them: the program is only referred to. */
static void value_filter(union value *v, int n)
{
	static struct sock_filter code[1];

	code[0] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, n);
	v->prog.len = 1;
	v->prog.filter = code;
}

/* A filter that takes what goes to the port: a datagram's begins with its UDP header. */
static void value_filter_port(union value *v, int port)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, -1),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};

	code[1].k = port;
	v->prog.len = 4;
	v->prog.filter = code;
}

static void value_group(union value *v, enum shape kind, int n)
{
	if (kind == MREQ) {
		v->mreq.imr_multiaddr.s_addr = htonl(0xe00000fb);
		v->mreq.imr_ifindex = n;
	} else if (kind == MREQ6) {
		inet_pton(AF_INET6, "ff02::fb", &v->mreq6.ipv6mr_multiaddr);
		v->mreq6.ipv6mr_interface = n;
	} else {
		struct sockaddr_in *in = (void *)&v->group.gr_group;

		in->sin_family = AF_INET;
		in->sin_addr.s_addr = htonl(0xe00000fb);
		v->group.gr_interface = n;
	}
}

/* The value that stands for n; its length. */
static socklen_t value_make(union value *v, enum shape kind, int n)
{
	memset(v, 0, sizeof(*v));
	if (n == 2 && kind >= MREQ)
		n = 200;
	switch (kind) {
	case PAIR:
		v->pair[0] = n;
		v->pair[1] = n;
		return sizeof(v->pair);
	case TIME:
		v->time[0] = n;
		return sizeof(v->time);
	case DEVICE:
		strcpy(v->text, n == 1 ? "lo" : n ? "none-such" : "");
		return strlen(v->text) + 1;
	case CONGESTION:
		strcpy(v->text, n == 1 ? "reno" : n ? "none-such" : "");
		return strlen(v->text);
	case ULP:
		strcpy(v->text, n == 1 ? "tls" : n ? "none-such" : "");
		return strlen(v->text);
	case FILTER:
		value_filter(v, n);
		return sizeof(v->prog);
	case MREQ:
		value_group(v, kind, n);
		return sizeof(v->mreq);
	case MREQ6:
		value_group(v, kind, n);
		return sizeof(v->mreq6);
	case GROUP:
		value_group(v, kind, n);
		return sizeof(v->group);
	default:
		v->n = n;
		return sizeof(v->n);
	}
}

static void value_text(const union value *v, socklen_t len, enum shape kind, char *buf,
		       size_t size)
{
	size_t n = 0, i;

	if (kind == OPAQUE || len > 64)
		snprintf(buf, size, "%u bytes", len);
	else if (len == sizeof(v->n))
		snprintf(buf, size, "%d", v->n);
	else if (len == sizeof(v->pair))
		snprintf(buf, size, "%d,%d", v->pair[0], v->pair[1]);
	else if (kind == TIME)
		snprintf(buf, size, "%ld.%06ld", v->time[0], v->time[1]);
	else if (kind == DEVICE || kind == CONGESTION || kind == ULP)
		snprintf(buf, size, "\"%.*s\"", (int)len, v->text);
	else
		for (i = 0, *buf = '\0'; i < len; i++)
			n += snprintf(buf + n, size - n, "%02x", v->byte[i]);
}

/* --- in scripts --- */

/* N, on,SECONDS of a linger, N ms, "text", filter:BYTES, port:N */
static socklen_t value_parse(const char *word, const struct option *o, union value *v)
{
	const char *colon = strchr(word, ':');
	socklen_t len = value_make(v, INT, atoi(word));

	if (!strncmp(word, "port:", 5)) {
		value_filter_port(v, atoi(colon + 1));
		return sizeof(v->prog);
	}
	if (!strncmp(word, "filter:", 7)) {
		value_filter(v, atoi(colon + 1));
		return sizeof(v->prog);
	}
	if (strstr(word, "ms") && o->kind == TIME) {
		v->time[0] = atoi(word) / 1000;
		v->time[1] = atoi(word) % 1000 * 1000;
		return sizeof(v->time);
	}
	if (o->kind == PAIR && sscanf(word, "%d,%d", &v->pair[0], &v->pair[1]) == 2)
		return sizeof(v->pair);
	if (*word == '"') {
		len = strlen(word) - 2;
		memcpy(v->text, word + 1, len);
	}
	return len;
}

void call_setsockopt(struct run *run, const struct step *s, struct facts *f)
{
	struct sock *sk = sock_word(run, s, 1);
	const struct option *o = option_find(run, s->word[2], NULL, sk->af);
	union value v;
	socklen_t len = value_parse(s->word[3], o, &v);

	fact_result(f, setsockopt(sk->fd, o->level, o->number, &v, len));
}

void call_getsockopt(struct run *run, const struct step *s, struct facts *f)
{
	struct sock *sk = sock_word(run, s, 1);
	const struct option *o = option_find(run, s->word[2], NULL, sk->af);
	union value v;
	socklen_t len = sizeof(v);
	int ret = getsockopt(sk->fd, o->level, o->number, &v, &len);
	char text[VALUE_LEN];

	fact_result(f, ret);
	if (ret)
		return;
	value_text(&v, len, o->kind, text, sizeof(text));
	if (!strcmp(o->name, "SO_ERROR") && v.n)
		snprintf(text, sizeof(text), "%s", strerrorname_np(v.n));
	fact_add(f, "value", "%s", text);
}

/* --- all of them --- */

void options_script(struct script *s, int type)
{
	struct step *step;
	int i;

	s->file = "option_list.h";
	s->type = type;
	s->oracle_type = type == SOCK_DGRAM ? SOCK_DGRAM : SOCK_STREAM;
	snprintf(s->name, sizeof(s->name), "options-%s", type == SOCK_STREAM ? "stream" :
		 type == SOCK_DGRAM ? "dgram" : "seqpacket");
	s->nsteps = NOPTIONS;
	s->step = calloc(NOPTIONS, sizeof(*s->step));
	for (i = 0; i < NOPTIONS; i++) {
		step = &s->step[i];
		step->line = i + 1;
		step->nwords = 3;
		step->word[0] = "option";
		step->word[1] = (char *)options[i].level_name;
		step->word[2] = (char *)options[i].name;
		snprintf(step->key, sizeof(step->key), "option %s %s", step->word[1],
			 step->word[2]);
	}
}

static void option_get(int fd, const struct option *o, char *buf, size_t size)
{
	union value v = { };
	socklen_t len = sizeof(v);

	if (getsockopt(fd, o->level, o->number, &v, &len))
		snprintf(buf, size, "%s", strerrorname_np(errno));
	else
		value_text(&v, len, o->kind, buf, size);
}

#define NVALUES		5

/* "DEFAULT | what it reads as when set to 1, 0, 2, -1, 300"; once if all are the same. */
void option_run(struct run *run, const struct step *s, struct facts *f)
{
	static const int values[NVALUES] = { 1, 0, 2, -1, 300 };
	const struct option *o = option_find(run, s->word[2], s->word[1], AF_INET);
	int fd = run_socket(run, run_type(run), run->world->af, SOCK_CLOEXEC);
	char text[NVALUES + 1][72], list[VALUE_LEN];
	int i, n = 0, same = 0;
	union value v;

	if (fd < 0)
		run_broken(run, "no socket: %s", strerror(errno));
	option_get(fd, o, text[NVALUES], sizeof(text[0]));
	for (i = 0; i < NVALUES; i++) {
		socklen_t len = value_make(&v, o->kind, values[i]);

		if (setsockopt(fd, o->level, o->number, &v, len))
			snprintf(text[i], sizeof(text[i]), "%s", strerrorname_np(errno));
		else
			option_get(fd, o, text[i], sizeof(text[i]));
		same += !strcmp(text[i], text[0]);
	}
	close(fd);
	for (i = 0; i < (same == NVALUES ? 1 : NVALUES) && n < sizeof(list); i++)
		n += snprintf(list + n, sizeof(list) - n, " %s", text[i]);
	fact_add(f, "values", "%s |%s", text[NVALUES], list);
}
