// SPDX-License-Identifier: GPL-2.0-only
/*
 * sendmsg(), recvmsg(), bind(), connect() and sendto() with messages that are
 * none: control messages of every length there is and is not, addresses of every
 * length and family, more vectors than there may be, sums of lengths that are no
 * lengths, flags of all bits. Each call is made on a socket and on its twin of the
 * oracle's (TCP, UDP; for records AF_UNIX), and where that has the same operation
 * it says the same; everywhere the errno is one that the man pages have. After
 * each batch the socket still carries what it is given, unharmed and at once.
 *
 * What the calls return is asked for twice, over two kinds of bytes: none of what
 * they say they have written may be left as it was, and none of it may be what the
 * kernel has not written itself.
 */
#include <kselftest_harness.h>

#include <limits.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "dgramlib.h"
#include "seqlib.h"

#ifndef SIOCGSTAMP_OLD
#define SIOCGSTAMP_OLD	0x8906
#endif

#ifndef SIOCOUTQNSD
#define SIOCOUTQNSD	0x894b
#endif

#define ROOM		256

/* send(2), recv(2), bind(2), connect(2), ip(7), ipv6(7) and unix(7) name these. */
static const int allowed[] = {
	0, EINVAL, EFAULT, EMSGSIZE, EOPNOTSUPP, EAFNOSUPPORT, EAGAIN, EPIPE, ENOTCONN, EISCONN,
	EDESTADDRREQ, ECONNREFUSED, EACCES, EPERM, ENETUNREACH, EADDRNOTAVAIL, EADDRINUSE,
	ENOBUFS, ENOMEM, ENODEV, EINPROGRESS, EALREADY, EHOSTUNREACH, EBADF, EPROTONOSUPPORT,
};

enum sort { STREAM, DGRAM, RECORD };

/* A connected pair, and the oracle's; twin[0] is -1 if there is none. */
struct pair {
	struct __test_metadata *md;
	const struct door *door;
	enum sort kind;
	int sv[2], twin[2];
	int turn;
	long calls, compared, wrong, seen[200];
};

static void *no_page;		/* not mapped */

/* Pairs of TCP and UDP are made by the same code: it asks the environment. */
static int make_pair(const struct door *d, enum sort kind, bool oracle, int sv[2])
{
	int ret;

	if (oracle && kind == RECORD)
		return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv);
	if (oracle)
		setenv("NEWPROTO_TEST_PROTO", "tcp", 1);
	ret = kind == DGRAM ? dgram_pair(d, sv) : door_connected(d, sv);
	if (oracle)
		unsetenv("NEWPROTO_TEST_PROTO");
	return ret;
}

static bool is_allowed(int err)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(allowed); i++)
		if (allowed[i] == err)
			return true;
	return false;
}

static int errno_of(long ret)
{
	return ret < 0 ? errno : 0;
}

/*
 * The two results. @same: the oracle has the operation, and is to say the same.
 */
static void judge(struct pair *p, const char *what, int a, int b, int err, int twin_err, bool same)
{
	p->calls++;
	if (err < ARRAY_SIZE(p->seen))
		p->seen[err]++;
	p->compared += same;
	if (is_allowed(err) && (!same || err == twin_err))
		return;
	if (++p->wrong <= 20)
		printf("# %s (%d, %d): %s, the oracle %s\n", what, a, b,
		       strerrorname_np(err) ?: "ok",
		       !same ? "has no such thing" : strerrorname_np(twin_err) ?: "ok");
}

static void empty(int fd)
{
	static char buf[70000];
	int i;

	for (i = 0; i < 10000; i++)
		if (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) < 0 && errno == EAGAIN)
			return;
}

/* One message of its own goes through, both ways if there is a way back. */
static bool works(struct pair *p)
{
	char out[32], in[64] = "";
	int len = snprintf(out, sizeof(out), "message %d", ++p->turn);

	empty(p->sv[1]);
	if (p->twin[1] >= 0)
		empty(p->twin[1]);
	return send(p->sv[0], out, len, MSG_DONTWAIT | MSG_NOSIGNAL) == len &&
	       poll_events(p->sv[1], POLLIN, WAIT_MS) & POLLIN &&
	       recv(p->sv[1], in, sizeof(in), MSG_DONTWAIT) == len && !memcmp(out, in, len);
}

static void report(struct pair *p)
{
	struct __test_metadata *_metadata = p->md;
	size_t i;

	printf("# %ld calls, %ld of them compared with the oracle; errnos:", p->calls, p->compared);
	for (i = 0; i < ARRAY_SIZE(p->seen); i++)
		if (p->seen[i])
			printf(" %s %ld", i ? strerrorname_np(i) : "0", p->seen[i]);
	printf("\n");
	EXPECT_EQ(0, p->wrong);
}

FIXTURE(badmsg)
{
	struct pair pair;
};

FIXTURE_VARIANT(badmsg) {
	const struct door *door;
	enum sort kind;
};

FIXTURE_VARIANT_ADD(badmsg, stream4) { .door = &door_family4, .kind = STREAM };
FIXTURE_VARIANT_ADD(badmsg, stream6) { .door = &door_inet6, .kind = STREAM };
FIXTURE_VARIANT_ADD(badmsg, dgram4) { .door = &door_inet4, .kind = DGRAM };
FIXTURE_VARIANT_ADD(badmsg, dgram6) { .door = &door_family6, .kind = DGRAM };
FIXTURE_VARIANT_ADD(badmsg, records) { .door = &door_seq4, .kind = RECORD };

FIXTURE_SETUP(badmsg)
{
	struct pair *p = &self->pair;

	if (over_tcp())
		SKIP(_exit(255), "TCP is the oracle in here");
	signal(SIGPIPE, SIG_IGN);
	ASSERT_OK(netns_new());
	*p = (struct pair){ .md = _metadata, .door = variant->door, .kind = variant->kind };
	ASSERT_OK(make_pair(p->door, p->kind, false, p->sv));
	ASSERT_OK(make_pair(p->door, p->kind, true, p->twin));
	no_page = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, no_page);
	ASSERT_OK(munmap(no_page, 65536));
}

FIXTURE_TEARDOWN(badmsg)
{
}

/* --- Control messages --- */

static const long cmsg_lens[] = {
	0, 1, 8, 12, 15, 16, 17, 19, 20, 21, 24, 28, 31, 32, 33, 36, 40, 48, 64, 127, 128, 129,
	1000, 65536, INT_MAX, UINT_MAX, LONG_MAX, LONG_MIN, -1, -16,
};

static const struct {
	int level, type;
} cmsg_kinds[] = {
	{ SOL_SOCKET, SCM_RIGHTS }, { SOL_SOCKET, SCM_CREDENTIALS }, { SOL_SOCKET, SO_MARK },
	{ SOL_SOCKET, SO_TIMESTAMPING }, { SOL_SOCKET, SO_TXTIME },
	{ SOL_SOCKET, 9999 }, { SOL_SOCKET, -1 },
	{ IPPROTO_IP, IP_PKTINFO }, { IPPROTO_IP, IP_TTL }, { IPPROTO_IP, IP_TOS },
	{ IPPROTO_IP, IP_RETOPTS }, { IPPROTO_IP, 77 }, { IPPROTO_IPV6, IPV6_PKTINFO },
	{ IPPROTO_IPV6, IPV6_HOPLIMIT }, { IPPROTO_IPV6, IPV6_TCLASS },
	{ IPPROTO_IPV6, IPV6_HOPOPTS }, { IPPROTO_IPV6, IPV6_RTHDR },
	{ IPPROTO_IPV6, IPV6_DSTOPTS }, { IPPROTO_IPV6, 54 }, { IPPROTO_IPV6, 999 },
	{ IPPROTO_TCP, 1 }, { IPPROTO_UDP, 103 },
	{ SOL_NEWPROTO, 1 }, { 4242, 1 }, { -1, -1 },
};

static const int control_lens[] = { 0, 1, 15, 16, 17, 20, 24, 32, 33, 63, 64, 100, 128 };

static long send_control(int fd, const void *control, size_t len)
{
	struct iovec iov = { "bad", 3 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = (void *)control,
		.msg_controllen = len,
	};

	return sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/*
 * The oracles pass over much: TCP over all that is not SOL_SOCKET's, UDP over what is
 * AF_UNIX's, and it takes UDP_SEGMENT. Here that is EINVAL, see "stream-control-messages"
 * and "descriptors-refused" in diff/differences.tsv. IP_RETOPTS and what IPv6 has of
 * that kind, in RFC 2292's numbers, too, are for packets.
 */
static bool same_control(const struct pair *p, int level, int type)
{
	if (level == SOL_SOCKET)
		return p->kind != RECORD && type != SCM_RIGHTS && type != SCM_CREDENTIALS &&
		       type != SO_TIMESTAMPING && type != SO_TXTIME;
	if (level == IPPROTO_IP && type == IP_RETOPTS)
		return false;
	if (level == IPPROTO_IPV6 && (type == IPV6_HOPOPTS || type == IPV6_RTHDR ||
				      type == IPV6_DSTOPTS || type == 3 || type == 5 || type == 4))
		return false;
	return p->kind == DGRAM && level != IPPROTO_UDP;
}

static void control_call(struct pair *p, void *control, size_t len, int a, int b, bool same)
{
	int err = errno_of(send_control(p->sv[0], control, len));
	int twin_err = errno_of(send_control(p->twin[0], control, len));

	judge(p, "sendmsg() with control messages", a, b, err, twin_err, same);
}

static void put_header(char *at, long len, size_t kind)
{
	struct cmsghdr h = {
		.cmsg_len = len, .cmsg_level = cmsg_kinds[kind].level,
		.cmsg_type = cmsg_kinds[kind].type,
	};

	memcpy(at, &h, sizeof(h));
}

TEST_F_TIMEOUT(badmsg, control, 120)
{
	struct pair *p = &self->pair;
	static char buf[65536];
	size_t k, l, c, fill;

	for (k = 0; k < ARRAY_SIZE(cmsg_kinds); k++) {
		bool same = same_control(p, cmsg_kinds[k].level, cmsg_kinds[k].type);

		for (l = 0; l < ARRAY_SIZE(cmsg_lens); l++) {
			for (c = (k + l) % 3; c < ARRAY_SIZE(control_lens); c += 3) {
				fill = k + l + c;
				memset(buf, fill % 3 ? fill % 3 == 1 ? 1 : 0xff : 0, 256);
				put_header(buf, cmsg_lens[l], k);
				control_call(p, buf, control_lens[c], k, cmsg_lens[l], same);
			}
		}
		EXPECT_TRUE(works(p)) TH_LOG("after control messages of kind %zu", k);
	}
	report(p);
}

/* Two of them, the second at each offset; and every length of the whole. */
TEST_F_TIMEOUT(badmsg, control_chain, 120)
{
	struct pair *p = &self->pair;
	static char buf[512];
	int offset, len;
	size_t k;

	for (k = 0; k < ARRAY_SIZE(cmsg_kinds); k += 3) {
		for (offset = 16; offset <= 48; offset++) {
			memset(buf, 0, sizeof(buf));
			put_header(buf, offset, 23);
			put_header(buf + (offset + 7) / 8 * 8, 20, k);
			for (len = offset % 8; len <= 128; len += 8)
				control_call(p, buf, len, k, offset,
					     p->kind == DGRAM &&
					     same_control(p, cmsg_kinds[k].level,
							  cmsg_kinds[k].type));
			/* not aligned */
			control_call(p, buf + 1, 64, k, offset, false);
		}
		EXPECT_TRUE(works(p)) TH_LOG("after two control messages, kind %zu", k);
	}
	report(p);
}

/* Control messages and a header that are not there. */
TEST_F(badmsg, control_pointers)
{
	struct pair *p = &self->pair;
	void *ptrs[] = { NULL, no_page, (void *)0xffff888000001000, (void *)0x8000000000000000 };
	static const long lens[] = { 0, 1, 15, 16, 64, 1000, 65536, INT_MAX, LONG_MAX, -1 };
	size_t i, l;

	for (i = 0; i < ARRAY_SIZE(ptrs); i++) {
		for (l = 0; l < ARRAY_SIZE(lens); l++)
			control_call(p, ptrs[i], lens[l], i, l, p->kind != RECORD);
		judge(p, "sendmsg() of no header", i, 0,
		      errno_of(sendmsg(p->sv[0], ptrs[i], MSG_DONTWAIT)),
		      errno_of(sendmsg(p->twin[0], ptrs[i], MSG_DONTWAIT)), true);
		judge(p, "recvmsg() of no header", i, 0,
		      errno_of(recvmsg(p->sv[0], ptrs[i], MSG_DONTWAIT)),
		      errno_of(recvmsg(p->twin[0], ptrs[i], MSG_DONTWAIT)), true);
	}
	EXPECT_TRUE(works(p));
	report(p);
}

/* --- Room for what is received --- */

/* All that can be asked for. */
static void ask_for_all(int fd, const struct door *d)
{
	static const int socket_level[] = { SO_TIMESTAMP, SO_RXQ_OVFL, SO_PASSCRED, 75 };
	static const int ip[] = { IP_PKTINFO, IP_RECVTTL, IP_RECVTOS, IP_RECVORIGDSTADDR };
	static const int ip6[] = {
		IPV6_RECVPKTINFO, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, 74 /* IPV6_RECVORIGDSTADDR */
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(socket_level); i++)
		sock_set(fd, SOL_SOCKET, socket_level[i], 1);
	for (i = 0; i < ARRAY_SIZE(ip); i++)
		sock_set(fd, IPPROTO_IP, ip[i], 1);
	for (i = 0; i < ARRAY_SIZE(ip6) && d->af == AF_INET6; i++)
		sock_set(fd, IPPROTO_IPV6, ip6[i], 1);
}

struct received {
	long ret;
	int err, flags;
	size_t control_len, name_len;
	char name[ROOM], control[ROOM];
};

/* One message into a buffer of other bytes; MSG_PEEK leaves it for the next time. */
static void receive_into(int fd, int fill, size_t name_len, size_t control_len, int flags,
			 struct received *r)
{
	char data[64];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_name = r->name, .msg_namelen = name_len,
		.msg_control = r->control, .msg_controllen = control_len,
	};

	memset(r, fill, sizeof(*r));
	r->ret = recvmsg(fd, &msg, flags | MSG_DONTWAIT);
	r->err = errno_of(r->ret);
	r->flags = msg.msg_flags;
	r->name_len = msg.msg_namelen;
	r->control_len = msg.msg_controllen;
}

/* Bytes that were there before, and what a counter of time may change, aside. */
static int left_as_before(const char *one, const char *two, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if ((unsigned char)one[i] == 0xa5 && (unsigned char)two[i] == 0x3c)
			return i;
	return -1;
}

static void written_behind(struct __test_metadata *_metadata, const char *buf, size_t from)
{
	size_t i;

	for (i = from; i < ROOM; i++)
		ASSERT_EQ(0xa5, (unsigned char)buf[i]) TH_LOG("byte %zu, room %zu", i, from);
}

/* The padding behind a control message belongs to it, but for the last one's. */
static void check_control(struct __test_metadata *_metadata, struct received *one,
			  struct received *two, size_t room)
{
	size_t at = 0;

	EXPECT_GE(room, one->control_len);
	while (at + sizeof(struct cmsghdr) <= one->control_len) {
		struct cmsghdr h;

		memcpy(&h, one->control + at, sizeof(h));
		ASSERT_LE(sizeof(h), h.cmsg_len);
		ASSERT_LE(at + h.cmsg_len, room);
		EXPECT_EQ(-1, left_as_before(one->control + at, two->control + at, h.cmsg_len))
			TH_LOG("level %d, type %d, %zu bytes, room %zu", h.cmsg_level, h.cmsg_type,
			       (size_t)h.cmsg_len, room);
		at += CMSG_ALIGN(h.cmsg_len);
	}
}

TEST_F_TIMEOUT(badmsg, receive_room, 120)
{
	struct pair *p = &self->pair;
	struct received one, two, twin;
	size_t room, name;

	ask_for_all(p->sv[1], p->door);
	ask_for_all(p->twin[1], p->door);
	ASSERT_EQ(4, send(p->sv[0], "room", 4, 0));
	ASSERT_EQ(4, send(p->twin[0], "room", 4, 0));
	ASSERT_EQ(POLLIN, poll_events(p->twin[1], POLLIN, WAIT_MS));
	for (room = 0; room <= 192; room++) {
		name = room % 67;
		receive_into(p->sv[1], 0xa5, name, room, MSG_PEEK, &one);
		receive_into(p->sv[1], 0x3c, name, room, MSG_PEEK, &two);
		receive_into(p->twin[1], 0xa5, name, room, MSG_PEEK, &twin);
		judge(p, "recvmsg() with room", room, name, one.err, twin.err, true);
		ASSERT_EQ(4, one.ret);
		EXPECT_EQ(one.control_len, two.control_len) TH_LOG("room %zu", room);
		if (p->kind == DGRAM) {
			EXPECT_EQ(twin.control_len, one.control_len) TH_LOG("room %zu", room);
			EXPECT_EQ(twin.flags, one.flags) TH_LOG("room %zu", room);
			EXPECT_EQ(twin.name_len, one.name_len) TH_LOG("room %zu", name);
		}
		check_control(_metadata, &one, &two, room);
		EXPECT_EQ(-1, left_as_before(one.name, two.name,
					     name < one.name_len ? name : one.name_len));
		written_behind(_metadata, one.control, room);
		written_behind(_metadata, one.name, name);
		EXPECT_FALSE(kernel_bytes(one.control, ROOM)) TH_LOG("room %zu", room);
		EXPECT_FALSE(kernel_bytes(one.name, ROOM)) TH_LOG("room %zu", name);
	}
	EXPECT_TRUE(works(p));
	report(p);
}

/* --- Addresses --- */

typedef int (*name_call)(int fd, const struct sockaddr *sa, socklen_t len);

static int call_sendto(int fd, const struct sockaddr *sa, socklen_t len)
{
	return sendto(fd, "to", 2, MSG_DONTWAIT | MSG_NOSIGNAL, sa, len) < 0 ? -1 : 0;
}

static int fresh(const struct pair *p, bool oracle)
{
	int fd;

	if (oracle && p->kind == RECORD)
		return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	if (oracle)
		setenv("NEWPROTO_TEST_PROTO", "tcp", 1);
	fd = p->kind == DGRAM ? dgram_socket(p->door, SOCK_NONBLOCK) :
				door_socket(p->door, SOCK_NONBLOCK);
	if (oracle)
		unsetenv("NEWPROTO_TEST_PROTO");
	return fd;
}

static int with_address(struct pair *p, name_call call, bool oracle, const void *a, socklen_t len)
{
	int fd = fresh(p, oracle), err;

	err = errno_of(call(fd, a, len));
	close(fd);
	return err;
}

/*
 * Whether anybody is reached is another question than what the address is; and UDP
 * looks for a route before it says that broadcasts are not allowed.
 */
static int reached(int err)
{
	if (err == EACCES)
		err = ENETUNREACH;
	return err == ECONNREFUSED || err == EINPROGRESS ? 0 : err;
}

static void address_call(struct pair *p, const void *a, socklen_t len, int family)
{
	static const struct { name_call call; const char *name; } calls[] = {
		{ bind, "bind()" }, { connect, "connect()" }, { call_sendto, "sendto()" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		judge(p, calls[i].name, family, len,
		      reached(with_address(p, calls[i].call, false, a, len)),
		      p->kind == RECORD ? 0 : reached(with_address(p, calls[i].call, true, a, len)),
		      p->kind != RECORD);
}

static void address_make(struct pair *p, char *buf, int family, bool good)
{
	unsigned short f = family;
	union addr a;

	memset(buf, good ? 0 : 0xff, 256);
	door_loop(p->door, &a, 9);
	if (good)
		memcpy(buf, &a, sizeof(a.in6));
	memcpy(buf, &f, sizeof(f));
}

/* Every family, in an address that is long enough, and every length. */
TEST_F_TIMEOUT(badmsg, addresses, 120)
{
	static const int families[] = { AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX, 65535 };
	struct pair *p = &self->pair;
	char buf[256];
	int family, len;
	size_t i;

	for (family = 0; family < 65536; family += family < 256 ? 1 : 8009) {
		address_make(p, buf, family, true);
		address_call(p, buf, p->door->af == AF_INET ? 16 : 28, family);
	}
	for (i = 0; i < ARRAY_SIZE(families); i++) {
		for (len = 0; len <= 132; len += len < 40 ? 1 : 4) {
			address_make(p, buf, families[i], len % 2);
			address_call(p, buf, len, families[i]);
		}
		address_call(p, buf, -1, families[i]);
		address_call(p, buf, INT_MAX, families[i]);
		address_call(p, no_page, 28, families[i]);
		address_call(p, NULL, 28, families[i]);
		address_call(p, (void *)0xffff888000001000, 28, families[i]);
	}
	EXPECT_TRUE(works(p));
	report(p);
}

/* --- Vectors and flags --- */

static long message_vec(int fd, struct iovec *iov, size_t n, int flags, bool out)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = n };

	flags |= MSG_DONTWAIT | MSG_NOSIGNAL;
	return out ? sendmsg(fd, &msg, flags) : recvmsg(fd, &msg, flags & ~MSG_NOSIGNAL);
}

static void vec_call(struct pair *p, struct iovec *iov, size_t n, int a)
{
	int out;

	for (out = 0; out < 2; out++) {
		int err = errno_of(message_vec(p->sv[!out], iov, n, 0, out));
		int twin = errno_of(message_vec(p->twin[!out], iov, n, 0, out));

		/* both are empty when they are read, but a twin's bytes come when they do */
		judge(p, out ? "sendmsg() of vectors" : "recvmsg() into vectors", a, n, err, twin,
		      out);
	}
}

TEST_F(badmsg, vectors)
{
	static const size_t counts[] = { 0, 1, 2, 1023, 1024, 1025, 65536, INT_MAX, LONG_MAX, -1 };
	static const size_t lens[] = { 0, 1, LONG_MAX, LONG_MAX - 4096, ULONG_MAX, 1UL << 63 };
	struct pair *p = &self->pair;
	static struct iovec iov[1026];
	static char byte[1026];
	size_t i, l;

	for (i = 0; i < ARRAY_SIZE(iov); i++)
		iov[i] = (struct iovec){ &byte[i], 1 };
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		vec_call(p, iov, counts[i], i);
		vec_call(p, no_page, counts[i], i);
		EXPECT_TRUE(works(p)) TH_LOG("%zu vectors", counts[i]);
	}
	for (l = 0; l < ARRAY_SIZE(lens) * ARRAY_SIZE(lens); l++) {
		iov[0].iov_base = l % 2 ? no_page : byte;
		iov[0].iov_len = lens[l % ARRAY_SIZE(lens)];
		iov[1].iov_base = no_page;
		iov[1].iov_len = lens[l / ARRAY_SIZE(lens)];
		vec_call(p, iov, 1, l);
		vec_call(p, iov, 2, l);
		EXPECT_TRUE(works(p)) TH_LOG("lengths %zu", l);
	}
	report(p);
}

/* Never those that wait for more, or for all, or end a record in the middle. */
static bool same_flags(const struct pair *p, int flags, bool out)
{
	int ours = out ? MSG_OOB | MSG_MORE | MSG_ZEROCOPY | MSG_FASTOPEN :
			 MSG_OOB | MSG_ERRQUEUE | MSG_MORE;

	return p->kind != RECORD && !(flags & ours) && !(flags & 0x30000 /* internal bits */);
}

static void flags_call(struct pair *p, int flags)
{
	static char byte[4];
	struct iovec iov = { byte, sizeof(byte) };
	int out, err, twin = 0;

	for (out = 1; out >= 0; out--) {
		/* what was sent is there at once, but over the oracle */
		if (!out && !twin && !(flags & MSG_MORE))
			poll_events(p->twin[1], POLLIN, 100);
		err = errno_of(message_vec(p->sv[!out], &iov, 1, flags, out));
		twin = errno_of(message_vec(p->twin[!out], &iov, 1, flags, out));
		judge(p, out ? "sendmsg() with flags" : "recvmsg() with flags", flags, 0, err, twin,
		      same_flags(p, flags, out));
	}
}

/* What MSG_MORE has begun is ended, so that it does not harm the next one. */
static void end_more(struct pair *p)
{
	if (p->kind == DGRAM) {
		sock_set(p->sv[0], IPPROTO_UDP, UDP_CORK, 0);
		sock_set(p->twin[0], IPPROTO_UDP, UDP_CORK, 0);
	}
	send(p->sv[0], "e", 1, MSG_DONTWAIT | MSG_EOR);
	send(p->twin[0], "e", 1, MSG_DONTWAIT);
}

TEST_F_TIMEOUT(badmsg, flags, 120)
{
	struct pair *p = &self->pair;
	uint32_t seed = 7;
	int i;

	for (i = 0; i < 32 + 100 * test_scale(); i++) {
		seed = seed * 1664525 + 1013904223;
		flags_call(p, i < 32 ? 1u << i : seed ^ seed >> 9);
		end_more(p);
		EXPECT_TRUE(works(p)) TH_LOG("flags, turn %d", i);
	}
	report(p);
}

/* --- Names that calls return --- */

typedef int (*named_call)(int fd, struct sockaddr *sa, socklen_t *len);

static int call_recvfrom(int fd, struct sockaddr *sa, socklen_t *len)
{
	char c;

	return recvfrom(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK, sa, len) < 0 ? -1 : 0;
}

static void name_returned(struct __test_metadata *_metadata, named_call call, int fd, int room)
{
	char one[ROOM], two[ROOM];
	socklen_t len1 = room, len2 = room;

	memset(one, 0xa5, ROOM);
	memset(two, 0x3c, ROOM);
	ASSERT_OK(call(fd, (void *)one, &len1));
	ASSERT_OK(call(fd, (void *)two, &len2));
	EXPECT_EQ(len1, len2);
	EXPECT_EQ(0, memcmp(one, two, room < len1 ? room : len1)) TH_LOG("room %d", room);
	EXPECT_FALSE(kernel_bytes(one, ROOM)) TH_LOG("room %d", room);
	written_behind(_metadata, one, room);
}

TEST_F(badmsg, names_returned)
{
	struct pair *p = &self->pair;
	int room, i;

	ASSERT_EQ(4, send(p->sv[0], "name", 4, 0));
	for (room = 0; room <= 64; room++) {
		for (i = 0; i < 2; i++)
			name_returned(_metadata, getsockname, p->sv[i], room);
		name_returned(_metadata, getpeername, p->sv[0], room);
		if (p->kind == DGRAM)
			name_returned(_metadata, call_recvfrom, p->sv[1], room);
	}
	EXPECT_TRUE(works(p));
}

/* accept() gives two names of two connections: all but the port is the same. */
TEST_F_TIMEOUT(badmsg, names_accepted, 60)
{
	struct pair *p = &self->pair;
	int lsn, room, fd, client;

	if (p->kind == DGRAM)
		SKIP(return, "no accept()");
	lsn = door_listener(p->door, 4);
	ASSERT_OK(lsn);
	for (room = 0; room <= 40; room++) {
		char buf[2][ROOM];
		socklen_t len[2] = { room, room };
		int i;

		for (i = 0; i < 2; i++) {
			memset(buf[i], i ? 0x3c : 0xa5, ROOM);
			client = door_dial(p->door, 0, sock_port(lsn));
			fd = accept(lsn, (void *)buf[i], &len[i]);
			ASSERT_OK(fd);
			close(fd);
			close(client);
			EXPECT_FALSE(kernel_bytes(buf[i], ROOM)) TH_LOG("room %d", room);
			memset(buf[i] + 2, 0, 2);
		}
		EXPECT_EQ(len[0], len[1]);
		EXPECT_EQ(0, memcmp(buf[0], buf[1], room < len[0] ? room : len[0]))
			TH_LOG("room %d", room);
		if (room > 4)
			written_behind(_metadata, buf[0], room);
	}
	close(lsn);
}

/* ioctl()s of sockets, into memory of other bytes and into none. */
TEST_F(badmsg, ioctls)
{
	static const unsigned long requests[] = {
		FIONREAD, TIOCOUTQ, SIOCATMARK, SIOCGSTAMP_OLD, SIOCOUTQNSD, SIOCGPGRP, FIOGETOWN,
		0, 0x8900, 0x89ff, 0xffffffff,
	};
	struct pair *p = &self->pair;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		char one[ROOM], two[ROOM];
		int err, twin;

		memset(one, 0xa5, ROOM);
		memset(two, 0x3c, ROOM);
		err = errno_of(ioctl(p->sv[0], requests[i], one));
		if (!err)
			ASSERT_OK(ioctl(p->sv[0], requests[i], two));
		if (!err && requests[i] != SIOCGSTAMP_OLD)
			EXPECT_EQ(0, memcmp(one, two, sizeof(int))) TH_LOG("0x%lx", requests[i]);
		EXPECT_FALSE(kernel_bytes(one, ROOM)) TH_LOG("0x%lx", requests[i]);
		twin = errno_of(ioctl(p->twin[0], requests[i], two));
		printf("# ioctl 0x%lx: %s, oracle %s\n", requests[i], strerrorname_np(err) ?: "ok",
		       strerrorname_np(twin) ?: "ok");
		if (!err)
			EXPECT_ERR(EFAULT, ioctl(p->sv[0], requests[i], no_page));
		written_behind(_metadata, one, 16);
	}
	EXPECT_TRUE(works(p));
}

TEST_HARNESS_MAIN
