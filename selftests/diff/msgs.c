// SPDX-License-Identifier: GPL-2.0-only
/*
 * The calls of the scripts that carry bytes, and control messages. These have
 * one name for IPv4 and IPv6, "ttl" for IP_TTL and IPV6_HOPLIMIT; one that is
 * not of the script's family is shown with the family, "ip.ttl".
 */
#include <stdarg.h>
#include <time.h>

#include <linux/errqueue.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "diff.h"

#define MAX_IOV		4
#define CTL_LEN		512

/* --- sending --- */

static void call_send(struct run *run, const struct step *s, struct facts *f)
{
	int fd = sock_word(run, s, 1)->fd, flags = flags_from(run, s, 3);
	char *data;
	size_t len = data_parse(run, s->word[2], &data);

	fact_result(f, send(fd, data, len, flags));
	free(data);
}

static void call_write(struct run *run, const struct step *s, struct facts *f)
{
	int fd = sock_word(run, s, 1)->fd;
	char *data;
	size_t len = data_parse(run, s->word[2], &data);

	fact_result(f, write(fd, data, len));
	free(data);
}

/* sendto S ADDR DATA [FLAG...] */
static void call_sendto(struct run *run, const struct step *s, struct facts *f)
{
	struct sock *sk = sock_word(run, s, 1);
	int flags = flags_from(run, s, 4);
	union addr a;
	socklen_t alen = place_parse(run, s->word[2], sk->af, &a);
	char *data;
	size_t len = data_parse(run, s->word[3], &data);

	fact_result(f, sendto(sk->fd, data, len, flags, &a.sa, alen));
	free(data);
}

static void ctl_add(struct msghdr *msg, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *c = (void *)((char *)msg->msg_control + msg->msg_controllen);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
	msg->msg_controllen += CMSG_SPACE(len);
}

static void ctl_pktinfo(struct run *run, struct msghdr *msg, int af, const char *host)
{
	struct in_pktinfo four = { };
	struct in6_pktinfo six = { };
	char text[NAME_LEN + 2];
	union addr a;

	snprintf(text, sizeof(text), "%s:0", host);
	place_parse(run, text, af, &a);
	four.ipi_spec_dst = a.in.sin_addr;
	six.ipi6_addr = a.in6.sin6_addr;
	if (af == AF_INET)
		ctl_add(msg, IPPROTO_IP, IP_PKTINFO, &four, sizeof(four));
	else
		ctl_add(msg, IPPROTO_IPV6, IPV6_PKTINFO, &six, sizeof(six));
}

/* NAME=VALUE; false: not of that form */
static bool ctl_word(struct run *run, struct msghdr *msg, int af, const char *word)
{
	const char *eq = strchr(word, '=');
	bool six = af == AF_INET6;
	int n = eq ? atoi(eq + 1) : 0;

	if (!eq || *word == '"')
		return false;
	if (!strncmp(word, "pktinfo=", 8))
		ctl_pktinfo(run, msg, af, eq + 1);
	else if (!strncmp(word, "ttl=", 4))
		ctl_add(msg, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_HOPLIMIT : IP_TTL,
			&n, sizeof(n));
	else if (!strncmp(word, "tos=", 4))
		ctl_add(msg, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_TCLASS : IP_TOS,
			&n, sizeof(n));
	else if (!strncmp(word, "fd=", 3))
		ctl_add(msg, SOL_SOCKET, SCM_RIGHTS, &n, sizeof(n));
	else if (!strncmp(word, "ip99=", 5))
		ctl_add(msg, IPPROTO_IP, 99, &n, sizeof(n));
	else if (!strncmp(word, "sol99=", 6))
		ctl_add(msg, SOL_SOCKET, 99, &n, sizeof(n));
	else
		run_broken(run, "no such control message: %s", word);
	return true;
}

/* sendmsg S DATA... [to=ADDR] [CONTROL=VALUE...] [FLAG...] */
static void call_sendmsg(struct run *run, const struct step *s, struct facts *f)
{
	struct sock *sk = sock_word(run, s, 1);
	char ctl[CTL_LEN] __attribute__((aligned(8))) = "";
	struct iovec iov[MAX_IOV];
	struct msghdr msg = { .msg_iov = iov, .msg_control = ctl };
	union addr a;
	int i, flags = 0;

	for (i = 2; i < s->nwords; i++) {
		const char *w = s->word[i];
		struct iovec *v = &iov[msg.msg_iovlen];

		if (!strncmp(w, "to=", 3)) {
			msg.msg_name = &a;
			msg.msg_namelen = place_parse(run, w + 3, sk->af, &a);
		} else if (flag_parse(w)) {
			flags |= flag_parse(w);
		} else if (!ctl_word(run, &msg, sk->af, w) && msg.msg_iovlen < MAX_IOV) {
			v->iov_len = data_parse(run, w, (char **)&v->iov_base);
			msg.msg_iovlen++;
		}
	}
	fact_result(f, sendmsg(sk->fd, &msg, flags));
	for (i = 0; i < msg.msg_iovlen; i++)
		free(iov[i].iov_base);
}

/* sendmmsg S DATA...: a message each */
static void call_sendmmsg(struct run *run, const struct step *s, struct facts *f)
{
	struct mmsghdr m[MAX_WORDS] = { };
	struct iovec iov[MAX_WORDS];
	int i, n = s->nwords - 2;

	for (i = 0; i < n; i++) {
		iov[i].iov_len = data_parse(run, s->word[i + 2], (char **)&iov[i].iov_base);
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	fact_result(f, sendmmsg(sock_word(run, s, 1)->fd, m, n, 0));
	for (i = 0; i < n; i++)
		free(iov[i].iov_base);
}

/* --- receiving --- */

/* Bytes that the kernel has not written are seen as dots. */
static char *recv_buffer(size_t len)
{
	char *buf = malloc(len + 1);

	memset(buf, '.', len);
	return buf;
}

static void fact_received(struct facts *f, long ret, size_t len, char *buf)
{
	fact_result(f, ret);
	if (ret > 0)
		fact_bytes(f, "data", buf, (size_t)ret < len ? (size_t)ret : len);
	free(buf);
}

static void call_recv(struct run *run, const struct step *s, struct facts *f)
{
	size_t len = atoi(s->word[2]);
	char *buf = recv_buffer(len);
	int fd = sock_word(run, s, 1)->fd;

	fact_received(f, recv(fd, buf, len, flags_from(run, s, 3)), len, buf);
}

static void call_read(struct run *run, const struct step *s, struct facts *f)
{
	size_t len = atoi(s->word[2]);
	char *buf = recv_buffer(len);

	fact_received(f, read(sock_word(run, s, 1)->fd, buf, len), len, buf);
}

static void call_recvfrom(struct run *run, const struct step *s, struct facts *f)
{
	size_t len = atoi(s->word[2]);
	char *buf = recv_buffer(len);
	int fd = sock_word(run, s, 1)->fd;
	union addr a;
	socklen_t alen = sizeof(a);
	long ret = recvfrom(fd, buf, len, flags_from(run, s, 3), &a.sa, &alen);

	fact_received(f, ret, len, buf);
	if (ret >= 0)
		fact_place(run, f, "from", &a, alen);
}

struct text {
	char buf[VALUE_LEN];
	size_t len;
};

static void __attribute__((format(printf, 2, 3))) text_add(struct text *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (t->len < sizeof(t->buf))
		t->len += vsnprintf(t->buf + t->len, sizeof(t->buf) - t->len, fmt, args);
	va_end(args);
}

static const char *device_text(unsigned int index)
{
	return index == 1 ? "lo" : index ? "another device" : "no device";
}

static void ctl_addr(struct run *run, struct text *t, int af, const void *bin)
{
	union addr a = { .sa.sa_family = af };
	char text[VALUE_LEN];

	memcpy(af == AF_INET ? (void *)&a.in.sin_addr : &a.in6.sin6_addr, bin,
	       af == AF_INET ? 4 : 16);
	place_text(run, &a, af == AF_INET ? sizeof(a.in) : sizeof(a.in6), text, sizeof(text));
	*strrchr(text, ':') = '\0';
	text_add(t, "%s", text);
}

static void ctl_pktinfo_text(struct run *run, struct text *t, const struct cmsghdr *c)
{
	struct in_pktinfo four;
	struct in6_pktinfo six;

	if (c->cmsg_level == IPPROTO_IP) {
		memcpy(&four, CMSG_DATA(c), sizeof(four));
		text_add(t, "pktinfo %s ", device_text(four.ipi_ifindex));
		ctl_addr(run, t, AF_INET, &four.ipi_addr);
		text_add(t, " spec ");
		ctl_addr(run, t, AF_INET, &four.ipi_spec_dst);
	} else {
		memcpy(&six, CMSG_DATA(c), sizeof(six));
		text_add(t, "pktinfo %s ", device_text(six.ipi6_ifindex));
		ctl_addr(run, t, AF_INET6, &six.ipi6_addr);
	}
}

static void ctl_error_text(struct run *run, struct text *t, const struct cmsghdr *c)
{
	struct sock_extended_err ee;
	union addr a = { };
	size_t len = c->cmsg_len - CMSG_LEN(0);
	char offender[VALUE_LEN] = "none";

	memcpy(&ee, CMSG_DATA(c), sizeof(ee));
	if (len > sizeof(ee)) {
		len -= sizeof(ee);
		memcpy(&a, CMSG_DATA(c) + sizeof(ee), len);
		if (a.sa.sa_family == AF_INET)
			len = sizeof(a.in);
		if (a.sa.sa_family)
			place_text(run, &a, len, offender, sizeof(offender));
	}
	text_add(t, "err %s origin %d type %d code %d info %u data %u offender %s",
		 strerrorname_np(ee.ee_errno), ee.ee_origin, ee.ee_type, ee.ee_code, ee.ee_info,
		 ee.ee_data, offender);
}

/* Now, or nearly: a clock may be set while the test runs, but not often. */
static void ctl_time_text(struct text *t, const struct cmsghdr *c, const char *name, long per_s)
{
	struct timespec now;
	long stamp[2];

	clock_gettime(CLOCK_REALTIME, &now);
	memcpy(stamp, CMSG_DATA(c), sizeof(stamp));
	text_add(t, "%s %s", name,
		 labs(stamp[0] - now.tv_sec) < 60 && stamp[1] >= 0 && stamp[1] < per_s ?
		 "now" : "wrong");
}

static void ctl_int_text(struct text *t, const struct cmsghdr *c, const char *name)
{
	int n = 0;

	/* IP_TOS has one byte */
	memcpy(&n, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0) < sizeof(n) ? 1 : sizeof(n));
	text_add(t, "%s %d", name, n);
}

static void ctl_socket_text(struct text *t, const struct cmsghdr *c)
{
	switch (c->cmsg_type) {
	case SCM_TIMESTAMP:
		ctl_time_text(t, c, "timestamp", 1000000);
		break;
	case SCM_TIMESTAMPNS:
		ctl_time_text(t, c, "timestampns", 1000000000);
		break;
	case SCM_TIMESTAMPING:
		ctl_time_text(t, c, "timestamping", 1000000000);
		break;
	case SO_RXQ_OVFL:
		ctl_int_text(t, c, "rxq_ovfl");
		break;
	case SCM_RIGHTS:
		text_add(t, "rights");
		break;
	case SCM_CREDENTIALS:
		text_add(t, "credentials");
		break;
	default:
		text_add(t, "SOL_SOCKET %d", c->cmsg_type);
	}
}

static void ctl_ip_text(struct run *run, struct text *t, const struct cmsghdr *c)
{
	bool six = c->cmsg_level == IPPROTO_IPV6;
	int af = six ? AF_INET6 : AF_INET, type = c->cmsg_type;

	if (af != run->world->af)
		text_add(t, six ? "ipv6." : "ip.");
	if (type == (six ? IPV6_PKTINFO : IP_PKTINFO))
		ctl_pktinfo_text(run, t, c);
	else if (type == (six ? IPV6_HOPLIMIT : IP_TTL))
		ctl_int_text(t, c, "ttl");
	else if (type == (six ? IPV6_TCLASS : IP_TOS))
		ctl_int_text(t, c, "tos");
	else if (type == (six ? IPV6_RECVERR : IP_RECVERR))
		ctl_error_text(run, t, c);
	else
		text_add(t, "level %d type %d", c->cmsg_level, type);
}

static void fact_control(struct run *run, struct facts *f, struct msghdr *msg)
{
	struct text t = { };
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		text_add(&t, "[");
		if (c->cmsg_level == SOL_SOCKET)
			ctl_socket_text(&t, c);
		else if (c->cmsg_level == IPPROTO_IP || c->cmsg_level == IPPROTO_IPV6)
			ctl_ip_text(run, &t, c);
		else
			text_add(&t, "level %d type %d", c->cmsg_level, c->cmsg_type);
		text_add(&t, "]");
	}
	if (t.len)
		fact_add(f, "control", "%s", t.buf);
}

/* recvmsg S LEN [room=BYTES] [FLAG...]: room for control messages */
static void call_recvmsg(struct run *run, const struct step *s, struct facts *f)
{
	char ctl[CTL_LEN] __attribute__((aligned(8))), text[VALUE_LEN];
	bool room = s->nwords > 3 && !strncmp(s->word[3], "room=", 5);
	size_t len = atoi(s->word[2]);
	union addr a;
	struct iovec iov = { recv_buffer(len), len };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl,
		.msg_controllen = room ? atoi(s->word[3] + 5) : sizeof(ctl),
		.msg_name = &a, .msg_namelen = sizeof(a),
	};
	long ret = recvmsg(sock_word(run, s, 1)->fd, &msg, flags_from(run, s, room ? 4 : 3));

	fact_received(f, ret, len, iov.iov_base);
	if (ret < 0)
		return;
	flags_text(msg.msg_flags & ~MSG_CMSG_CLOEXEC, text, sizeof(text));
	fact_add(f, "flags", "%s", text);
	fact_place(run, f, "from", &a, msg.msg_namelen);
	fact_control(run, f, &msg);
}

/* recvmmsg S COUNT LEN [FLAG...] */
static void call_recvmmsg(struct run *run, const struct step *s, struct facts *f)
{
	struct mmsghdr m[MAX_WORDS] = { };
	struct iovec iov[MAX_WORDS];
	int i, n = atoi(s->word[2]), len = atoi(s->word[3]), ret;
	char what[NAME_LEN], flags[VALUE_LEN];

	if (n > MAX_WORDS)
		run_broken(run, "too many messages: %s", s->key);
	for (i = 0; i < n; i++) {
		iov[i].iov_base = recv_buffer(len);
		iov[i].iov_len = len;
		m[i].msg_hdr.msg_iov = &iov[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	ret = recvmmsg(sock_word(run, s, 1)->fd, m, n, flags_from(run, s, 4), NULL);
	fact_result(f, ret);
	for (i = 0; i < ret; i++) {
		snprintf(what, sizeof(what), "data%d", i);
		fact_bytes(f, what, iov[i].iov_base,
			   m[i].msg_len < len ? m[i].msg_len : len);
		snprintf(what, sizeof(what), "flags%d", i);
		flags_text(m[i].msg_hdr.msg_flags, flags, sizeof(flags));
		fact_add(f, what, "%u bytes, %s", m[i].msg_len, flags);
	}
	for (i = 0; i < n; i++)
		free(iov[i].iov_base);
}

const struct call msg_calls[] = {
	{ "send", call_send, 3, SYS_sendto },
	{ "write", call_write, 3, SYS_write },
	{ "sendto", call_sendto, 4, SYS_sendto },
	{ "sendmsg", call_sendmsg, 3, SYS_sendmsg },
	{ "sendmmsg", call_sendmmsg, 3, SYS_sendmmsg },
	{ "recv", call_recv, 3, SYS_recvfrom },
	{ "read", call_read, 3, SYS_read },
	{ "recvfrom", call_recvfrom, 3, SYS_recvfrom },
	{ "recvmsg", call_recvmsg, 3, SYS_recvmsg },
	{ "recvmmsg", call_recvmmsg, 4, SYS_recvmmsg },
	{ }
};
