// SPDX-License-Identifier: GPL-2.0-only
/*
 * cgroup-BPF's inet hooks, at both doors: each is called, its verdict counts
 * and what it rewrites is used. The programs are written in instructions here.
 */
#include <kselftest_harness.h>

#include <linux/bpf.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "dgramlib.h"
#include "grouplib.h"

FIXTURE(hook) {
	char mnt[32];
	char dir[64];
	int cgroup;
	int map;
	int lsn;
	int port;
};

DOOR_FIXTURE_ALL(hook);

static int bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

/* In the cgroup or out of it. */
static int enter_cgroup(const char *dir)
{
	char path[96], pid[16];

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	snprintf(pid, sizeof(pid), "%d", getpid());
	return file_write(path, pid);
}

FIXTURE_SETUP(hook)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1,
	};

	strcpy(self->mnt, "/tmp/newproto-XXXXXX");
	if (!mkdtemp(self->mnt)) {
		strcpy(self->mnt, "/newproto-XXXXXX");
		ASSERT_NE(NULL, mkdtemp(self->mnt));
	}
	if (mount("none", self->mnt, "cgroup2", 0, NULL)) {
		rmdir(self->mnt);
		SKIP(_exit(255), "no cgroup2: %s", strerror(errno));
	}
	snprintf(self->dir, sizeof(self->dir), "%s/newproto-%d", self->mnt, getpid());
	ASSERT_OK(mkdir(self->dir, 0755));
	self->cgroup = open(self->dir, O_RDONLY | O_DIRECTORY);
	ASSERT_OK(self->cgroup);
	self->map = bpf(BPF_MAP_CREATE, &attr);
	ASSERT_OK(self->map);
	/* the listener is not in the cgroup */
	self->lsn = door_listener(variant->door, 4);
	ASSERT_OK(self->lsn);
	self->port = sock_port(self->lsn);
	ASSERT_OK(enter_cgroup(self->dir));
}

FIXTURE_TEARDOWN(hook)
{
	enter_cgroup(self->mnt);
	close(self->lsn);
	close(self->map);
	close(self->cgroup);
	rmdir(self->dir);
	umount2(self->mnt, MNT_DETACH);
	rmdir(self->mnt);
}

static struct bpf_insn insn(int code, int dst, int src, int off, int imm)
{
	return (struct bpf_insn){
		.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm,
	};
}

struct policy {
	int type;	/* BPF_PROG_TYPE_ */
	int attach;	/* BPF_CGROUP_ */
	int verdict;	/* what the program returns */
	int port;	/* what it makes of the address' port; 0: leaves it */
};

/* Counts in the map, rewrites the port, returns the verdict. */
static int policy_load(const struct policy *p, int map)
{
	struct bpf_insn code[20];
	char log[4096] = "";
	union bpf_attr attr = { };
	int n = 0, fd;

	code[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0);
	code[n++] = insn(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 0);
	code[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0);
	code[n++] = insn(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4);
	code[n++] = insn(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, map);
	code[n++] = insn(0, 0, 0, 0, 0);
	code[n++] = insn(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
	code[n++] = insn(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2, 0);
	code[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_K, 1, 0, 0, 1);
	code[n++] = insn(BPF_STX | BPF_ATOMIC | BPF_DW, 0, 1, 0, BPF_ADD);
	if (p->port) {
		code[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_K, 1, 0, 0, htons(p->port));
		code[n++] = insn(BPF_STX | BPF_MEM | BPF_W, 6, 1,
				 offsetof(struct bpf_sock_addr, user_port), 0);
	}
	code[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, p->verdict);
	code[n++] = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);

	attr.prog_type = p->type;
	attr.expected_attach_type = p->attach;
	attr.insns = (uintptr_t)code;
	attr.insn_cnt = n;
	attr.license = (uintptr_t)"GPL";
	attr.log_buf = (uintptr_t)log;
	attr.log_size = sizeof(log);
	attr.log_level = 1;
	fd = bpf(BPF_PROG_LOAD, &attr);
	if (fd < 0)
		fprintf(stderr, "# program refused: %s\n# %s\n", strerror(errno), log);
	return fd;
}

static int policy_attach(const struct policy *p, int map, int cgroup)
{
	union bpf_attr attr = { };
	int ret, prog = policy_load(p, map);

	if (prog < 0)
		return -1;
	attr.target_fd = cgroup;
	attr.attach_bpf_fd = prog;
	attr.attach_type = p->attach;
	ret = bpf(BPF_PROG_ATTACH, &attr);
	close(prog);
	return ret;
}

static long policy_count(int map)
{
	uint32_t key = 0;
	uint64_t value = 0;
	union bpf_attr attr = {
		.map_fd = map, .key = (uintptr_t)&key, .value = (uintptr_t)&value,
	};

	return bpf(BPF_MAP_LOOKUP_ELEM, &attr) ? -1 : (long)value;
}

#define ATTACH(...)	\
	ASSERT_OK(policy_attach(&(struct policy){ __VA_ARGS__ }, self->map, self->cgroup))

/* The hook of the socket's family: programs for IPv4 and IPv6 are apart. */
#define BY_FAMILY(name)	\
	(variant->door->af == AF_INET ? BPF_CGROUP_INET4_##name : BPF_CGROUP_INET6_##name)

TEST_F(hook, sock_create)
{
	int fd;

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE, 1);
	fd = door_socket(variant->door, 0);
	EXPECT_OK(fd);
	EXPECT_EQ(1, policy_count(self->map));
	close(fd);
}

TEST_F(hook, sock_create_denies)
{
	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE, 0);
	EXPECT_ERR(EPERM, door_socket(variant->door, 0));
	EXPECT_EQ(1, policy_count(self->map));
}

TEST_F(hook, sock_create_denies_socketpair)
{
	int sv[2];

	if (over_tcp())
		SKIP(return, "TCP has no socketpair");
	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE, 0);
	EXPECT_ERR(EPERM, socketpair(door_domain(variant->door), SOCK_STREAM,
				     door_protocol(variant->door), sv));
}

TEST_F(hook, sock_release)
{
	int fd;

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_RELEASE, 1);
	fd = door_socket(variant->door, 0);
	ASSERT_OK(fd);
	EXPECT_EQ(0, policy_count(self->map));
	ASSERT_OK(close(fd));
	EXPECT_EQ(1, policy_count(self->map));
}

TEST_F(hook, bind)
{
	int fd;

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BY_FAMILY(BIND), 1);
	fd = door_bound(variant->door, 0, 0);
	EXPECT_OK(fd);
	EXPECT_EQ(1, policy_count(self->map));
	close(fd);
}

TEST_F(hook, bind_denies)
{
	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BY_FAMILY(BIND), 0);
	EXPECT_ERR(EPERM, door_bound(variant->door, 0, 0));
}

TEST_F(hook, bind_rewrites)
{
	int fd, port = door_free_port(variant->door);

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BY_FAMILY(BIND), 1, port);
	fd = door_bound(variant->door, 0, 0);
	ASSERT_OK(fd);
	EXPECT_EQ(port, sock_port(fd));
	close(fd);
}

/* Bit 1 of the verdict: a low port without the capability. */
TEST_F(hook, bind_allows_low_ports)
{
	union addr a;
	socklen_t len = door_loop(variant->door, &a, 81);
	int fd;

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BY_FAMILY(BIND), 3);
	fd = door_socket(variant->door, 0);
	ASSERT_OK(drop_caps());
	EXPECT_OK(bind(fd, &a.sa, len));
	close(fd);
}

TEST_F(hook, post_bind)
{
	int fd;

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK, BY_FAMILY(POST_BIND), 1);
	fd = door_bound(variant->door, 0, 0);
	EXPECT_OK(fd);
	EXPECT_EQ(1, policy_count(self->map));
	close(fd);
}

/* The port that was taken for the moment is free again. */
TEST_F(hook, post_bind_denies)
{
	int port = door_free_port(variant->door);
	union addr a;
	socklen_t len = door_loop(variant->door, &a, port);
	int fd;

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK, BY_FAMILY(POST_BIND), 0);
	fd = door_socket(variant->door, 0);
	EXPECT_ERR(EPERM, bind(fd, &a.sa, len));
	ASSERT_OK(enter_cgroup(self->mnt));
	EXPECT_OK(door_bound(variant->door, 0, port));
	close(fd);
}

TEST_F(hook, connect)
{
	int fd;

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BY_FAMILY(CONNECT), 1);
	fd = door_dial(variant->door, 0, self->port);
	EXPECT_OK(fd);
	EXPECT_EQ(1, policy_count(self->map));
	close(fd);
}

TEST_F(hook, connect_denies)
{
	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BY_FAMILY(CONNECT), 0);
	EXPECT_ERR(EPERM, door_dial(variant->door, 0, self->port));
	ASSERT_OK(sock_nonblock(self->lsn));
	EXPECT_ERR(EAGAIN, accept(self->lsn, NULL, NULL));
}

TEST_F(hook, connect_rewrites)
{
	int nobody = door_free_port(variant->door);
	union addr a;
	socklen_t len = sizeof(a);
	int fd;

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BY_FAMILY(CONNECT), 1, self->port);
	fd = door_dial(variant->door, 0, nobody);
	ASSERT_OK(fd);
	EXPECT_OK(accept(self->lsn, NULL, NULL));
	ASSERT_OK(getpeername(fd, &a.sa, &len));
	EXPECT_EQ(self->port, addr_port(&a));
	close(fd);
}

TEST_F(hook, getsockname_rewrites)
{
	union addr a;
	socklen_t len = sizeof(a);
	int fd;

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BY_FAMILY(GETSOCKNAME), 1, 7777);
	fd = door_bound(variant->door, 0, 0);
	ASSERT_OK(fd);
	ASSERT_OK(getsockname(fd, &a.sa, &len));
	EXPECT_EQ(7777, addr_port(&a));
	EXPECT_EQ(1, policy_count(self->map));
	close(fd);
}

TEST_F(hook, getpeername_rewrites)
{
	union addr a;
	socklen_t len = sizeof(a);
	int fd;

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BY_FAMILY(GETPEERNAME), 1, 7778);
	fd = door_dial(variant->door, 0, self->port);
	ASSERT_OK(fd);
	ASSERT_OK(getpeername(fd, &a.sa, &len));
	EXPECT_EQ(7778, addr_port(&a));
	EXPECT_EQ(1, policy_count(self->map));
	close(fd);
}

/* Hooks of the other family do not concern this socket. */
TEST_F(hook, other_family)
{
	int fd, other = variant->door->af == AF_INET ? BPF_CGROUP_INET6_CONNECT :
						       BPF_CGROUP_INET4_CONNECT;

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, other, 0);
	fd = door_dial(variant->door, 0, self->port);
	EXPECT_OK(fd);
	EXPECT_EQ(0, policy_count(self->map));
	close(fd);
}

/* A process outside the cgroup is not concerned either. */
TEST_F(hook, outside)
{
	int fd;

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE, 0);
	ASSERT_OK(enter_cgroup(self->mnt));
	fd = door_dial(variant->door, 0, self->port);
	EXPECT_OK(fd);
	close(fd);
}

/* --- datagrams -------------------------------------------------------------------- */

/* A mapped address is IPv4's when it comes to sending. */
static int sendmsg_hook(const struct door *d)
{
	return d->af == AF_INET || d->mapped ? BPF_CGROUP_UDP4_SENDMSG : BPF_CGROUP_UDP6_SENDMSG;
}

static int recvmsg_hook(const struct door *d)
{
	return d->af == AF_INET ? BPF_CGROUP_UDP4_RECVMSG : BPF_CGROUP_UDP6_RECVMSG;
}

TEST_F(hook, dgram_create_denies)
{
	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE, 0);
	EXPECT_ERR(EPERM, dgram_socket(variant->door, 0));
	EXPECT_EQ(1, policy_count(self->map));
}

TEST_F(hook, dgram_release)
{
	int fd;

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_RELEASE, 1);
	fd = dgram_bound(variant->door, 0, 0);
	ASSERT_OK(fd);
	EXPECT_EQ(0, policy_count(self->map));
	ASSERT_OK(close(fd));
	EXPECT_EQ(1, policy_count(self->map));
}

TEST_F(hook, dgram_bind)
{
	int fd, port = dgram_free_port(variant->door);

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BY_FAMILY(BIND), 1, port);
	fd = dgram_bound(variant->door, 0, 0);
	ASSERT_OK(fd);
	EXPECT_EQ(port, sock_port(fd));
	EXPECT_EQ(1, policy_count(self->map));
	close(fd);
}

TEST_F(hook, dgram_bind_denies)
{
	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BY_FAMILY(BIND), 0);
	EXPECT_ERR(EPERM, dgram_bound(variant->door, 0, 0));
}

/* The port that was taken for the moment is free again. */
TEST_F(hook, dgram_post_bind_denies)
{
	int port = dgram_free_port(variant->door);

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK, BY_FAMILY(POST_BIND), 0);
	EXPECT_ERR(EPERM, dgram_bound(variant->door, 0, port));
	EXPECT_EQ(1, policy_count(self->map));
	ASSERT_OK(enter_cgroup(self->mnt));
	EXPECT_OK(dgram_bound(variant->door, 0, port));
}

TEST_F(hook, dgram_connect)
{
	int to = dgram_bound(variant->door, 0, 0), fd;

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BY_FAMILY(CONNECT), 1, sock_port(to));
	fd = dgram_dial(variant->door, 0, dgram_free_port(variant->door));
	ASSERT_OK(fd);
	EXPECT_EQ(1, policy_count(self->map));
	ASSERT_EQ(4, send(fd, "here", 4, 0));
	EXPECT_STREQ("here", dgram_text(to));
	close(fd);
	close(to);
}

TEST_F(hook, dgram_connect_denies)
{
	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BY_FAMILY(CONNECT), 0);
	EXPECT_ERR(EPERM, dgram_dial(variant->door, 0, self->port));
}

TEST_F(hook, dgram_names)
{
	int to = dgram_bound(variant->door, 0, 0), fd;
	union addr a;
	socklen_t len = sizeof(a);

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BY_FAMILY(GETSOCKNAME), 1, 7777);
	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BY_FAMILY(GETPEERNAME), 1, 7778);
	fd = dgram_socket(variant->door, 0);
	EXPECT_EQ(7777, sock_port(to));
	close(fd);
	len = door_loop(variant->door, &a, 4711);
	ASSERT_OK(connect(to, &a.sa, len));
	len = sizeof(a);
	ASSERT_OK(getpeername(to, &a.sa, &len));
	EXPECT_EQ(7778, addr_port(&a));
	close(to);
}

/* Each datagram with a name passes the hook; those of a connection have passed connect's. */
TEST_F(hook, dgram_sendmsg)
{
	const struct door *d = variant->door;
	int to = dgram_bound(d, 0, 0), other = dgram_bound(d, 0, 0), fd = dgram_socket(d, 0);

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, sendmsg_hook(d), 1, sock_port(to));
	ASSERT_EQ(1, dgram_to(fd, d, sock_port(to), "1"));
	EXPECT_EQ(1, policy_count(self->map));
	/* rewritten: it goes elsewhere than the sender says */
	ASSERT_EQ(1, dgram_to(fd, d, sock_port(other), "2"));
	EXPECT_EQ(2, policy_count(self->map));
	EXPECT_STREQ("1", dgram_text(to));
	EXPECT_STREQ("2", dgram_text(to));
	EXPECT_TRUE(dgram_empty(other));
	close(fd);
	fd = dgram_dial(d, 0, sock_port(other));
	ASSERT_EQ(1, send(fd, "3", 1, 0));
	if (!d->mapped) {
		EXPECT_STREQ("3", dgram_text(other));
		EXPECT_EQ(2, policy_count(self->map));
	}
	close(fd);
	close(to);
	close(other);
}

/* A control group's program for packets, which lets none pass. */
static int deny_packets(int cgroup, int type)
{
	struct bpf_insn code[2] = {
		insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0), insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_CGROUP_SKB, .insns = (uintptr_t)code, .insn_cnt = 2,
		.license = (uintptr_t)"GPL",
		.expected_attach_type = type,
	};
	union bpf_attr attach = { .attach_type = type, .target_fd = cgroup };

	int prog = bpf(BPF_PROG_LOAD, &load);

	attach.attach_bpf_fd = prog;
	return prog < 0 ? -1 : bpf(BPF_PROG_ATTACH, &attach);
}

/* What a sender's group lets out. */
TEST_F(hook, dgram_egress)
{
	int inside = dgram_socket(variant->door, 0), outside, to;

	ASSERT_OK(enter_cgroup(self->mnt));
	outside = dgram_socket(variant->door, 0);
	to = dgram_bound(variant->door, 0, 0);
	ASSERT_OK(deny_packets(self->cgroup, BPF_CGROUP_INET_EGRESS));
	EXPECT_ERR(EPERM, dgram_to(inside, variant->door, sock_port(to), "x"));
	ASSERT_EQ(1, dgram_to(outside, variant->door, sock_port(to), "y"));
	EXPECT_STREQ("y", dgram_text(to));
	EXPECT_TRUE(dgram_empty(to));
	close(inside);
	close(outside);
	close(to);
}

/* What a receiver's group lets in. */
TEST_F(hook, dgram_ingress)
{
	int inside = dgram_bound(variant->door, 0, 0), outside, fd;

	ASSERT_OK(enter_cgroup(self->mnt));
	outside = dgram_bound(variant->door, 0, 0);
	fd = dgram_socket(variant->door, 0);
	ASSERT_OK(deny_packets(self->cgroup, BPF_CGROUP_INET_INGRESS));
	ASSERT_EQ(1, dgram_to(fd, variant->door, sock_port(inside), "x"));
	ASSERT_EQ(1, dgram_to(fd, variant->door, sock_port(outside), "y"));
	EXPECT_STREQ("y", dgram_text(outside));
	EXPECT_TRUE(dgram_empty(inside));
	close(fd);
	close(inside);
	close(outside);
}

TEST_F(hook, dgram_sendmsg_denies)
{
	const struct door *d = variant->door;
	int to = dgram_bound(d, 0, 0), fd = dgram_socket(d, 0);

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, sendmsg_hook(d), 0);
	EXPECT_ERR(EPERM, dgram_to(fd, d, sock_port(to), "1"));
	EXPECT_TRUE(dgram_empty(to));
	EXPECT_EQ(1, policy_count(self->map));
	close(fd);
	close(to);
}

/* What a receiver is told of the sender can be rewritten. */
TEST_F(hook, dgram_recvmsg)
{
	const struct door *d = variant->door;
	int to = dgram_bound(d, 0, 0), fd = dgram_socket(d, 0);
	union addr from;
	char c;

	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, recvmsg_hook(d), 1, 7779);
	/* the hook is that of the receiver's group: one who asks for a name */
	close(to);
	to = dgram_bound(d, 0, 0);
	ASSERT_EQ(1, dgram_to(fd, d, sock_port(to), "1"));
	EXPECT_STREQ("1", dgram_text_from(to, &from));
	EXPECT_EQ(7779, addr_port(&from));
	EXPECT_EQ(1, policy_count(self->map));
	ASSERT_EQ(1, dgram_to(fd, d, sock_port(to), "2"));
	ASSERT_TRUE(poll_events(to, POLLIN, WAIT_MS) & POLLIN);
	EXPECT_EQ(1, recv(to, &c, 1, 0));
	EXPECT_EQ(1, policy_count(self->map));
	close(fd);
	close(to);
}

/* --- programs that change the socket ---------------------------------------------- */

/* Loads and attaches a program for connect() that calls a helper with its context,
 * then lets it go on.
 */
static int helper_attach(const struct door *d, int cgroup, const struct bpf_insn *call, int n)
{
	int type = d->af == AF_INET ? BPF_CGROUP_INET4_CONNECT : BPF_CGROUP_INET6_CONNECT;
	struct bpf_insn code[24];
	char log[4096] = "";
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR, .expected_attach_type = type,
		.insns = (uintptr_t)code, .insn_cnt = n + 2, .license = (uintptr_t)"GPL",
		.log_buf = (uintptr_t)log, .log_size = sizeof(log), .log_level = 1,
	};
	union bpf_attr attach = { .attach_type = type, .target_fd = cgroup };
	int prog;

	memcpy(code, call, n * sizeof(*call));
	code[n] = insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1);
	code[n + 1] = insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	prog = bpf(BPF_PROG_LOAD, &load);
	if (prog < 0) {
		fprintf(stderr, "# program refused: %s\n# %s\n", strerror(errno), log);
		return -1;
	}
	attach.attach_bpf_fd = prog;
	return bpf(BPF_PROG_ATTACH, &attach);
}

/* setsockopt(SO_BINDTODEVICE, "lo") */
static int device_attach(const struct door *d, int cgroup)
{
	struct bpf_insn code[] = {
		insn(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 'l' | 'o' << 8),
		insn(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, SOL_SOCKET),
		insn(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, SO_BINDTODEVICE),
		insn(BPF_ALU64 | BPF_MOV | BPF_X, 4, 10, 0, 0),
		insn(BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, -4),
		insn(BPF_ALU64 | BPF_MOV | BPF_K, 5, 0, 0, 3),
		insn(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_setsockopt),
	};

	return helper_attach(d, cgroup, code, ARRAY_SIZE(code));
}

/* bind() to the loopback address and a port */
static int bind_attach(const struct door *d, int cgroup, int port)
{
	union addr a = { };
	int32_t words[7];
	struct bpf_insn code[12];
	socklen_t len = door_loop(d, &a, port);
	int n = 0, i;

	memcpy(words, &a, sizeof(words));
	len = d->af == AF_INET ? 16 : 28;
	for (i = 0; i < len / 4; i++)
		code[n++] = insn(BPF_ST | BPF_MEM | BPF_W, 10, 0, 4 * i - 32, words[i]);
	code[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0);
	code[n++] = insn(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -32);
	code[n++] = insn(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, len);
	code[n++] = insn(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_bind);
	return helper_attach(d, cgroup, code, n);
}

TEST_F(hook, connect_binds)
{
	int port = door_free_port(variant->door), fd;

	ASSERT_OK(bind_attach(variant->door, self->cgroup, port));
	fd = door_dial(variant->door, 0, self->port);
	ASSERT_OK(fd);
	EXPECT_EQ(port, sock_port(fd));
	close(fd);
}

/* A group is nothing that a program can make: it must not sleep. connect() goes on. */
TEST_F(hook, connect_binds_one_of_a_group)
{
	int port = door_free_port(variant->door), fd = door_socket(variant->door, 0);
	union addr a;
	socklen_t len = door_loop(variant->door, &a, self->port);

	ASSERT_OK(sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1));
	ASSERT_OK(bind_attach(variant->door, self->cgroup, port));
	ASSERT_OK(connect(fd, &a.sa, len));
	EXPECT_EQ(over_tcp(), sock_port(fd) == port);
	close(fd);
}

TEST_F(hook, dgram_connect_binds)
{
	int to = dgram_bound(variant->door, 0, 0), port = dgram_free_port(variant->door), fd;

	ASSERT_OK(bind_attach(variant->door, self->cgroup, port));
	fd = dgram_dial(variant->door, 0, sock_port(to));
	ASSERT_OK(fd);
	EXPECT_EQ(port, sock_port(fd));
	close(fd);
	close(to);
}

/* --- groups ----------------------------------------------------------------------- */

static int dgram_member(const struct door *d, int port)
{
	union addr a;
	socklen_t len = door_loop(d, &a, port);
	int fd = dgram_socket(d, 0);

	if (sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1) || bind(fd, &a.sa, len)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* One that is not let in takes nothing with it that was kept for a successor. */
TEST_F(hook, dgram_post_bind_denies_a_successor)
{
	const struct door *d = variant->door;
	int fd, tx, port, status;
	pid_t pid;

	if (over_tcp())
		SKIP(return, "UDP keeps nothing");
	ASSERT_OK(enter_cgroup(self->mnt));
	fd = dgram_member(d, 0);
	ASSERT_OK(fd);
	port = sock_port(fd);
	ASSERT_OK(sock_set(fd, SOL_NEWPROTO, NEWPROTO_GRACE, 60000));
	tx = dgram_dial(d, 0, port);
	ASSERT_EQ(3, send(tx, "one", 3, 0));
	ASSERT_EQ(3, send(tx, "two", 3, 0));
	close(fd);
	ATTACH(BPF_PROG_TYPE_CGROUP_SOCK, BY_FAMILY(POST_BIND), 0);
	pid = fork();
	if (!pid) {
		if (enter_cgroup(self->dir))
			_exit(2);
		_exit(dgram_member(d, port) < 0 && errno == EPERM ? 0 : 1);
	}
	ASSERT_OK(wait_child(pid, &status));
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, policy_count(self->map));
	ASSERT_EQ(5, send(tx, "three", 5, 0));
	fd = dgram_member(d, port);
	ASSERT_OK(fd);
	EXPECT_STREQ("one", dgram_text(fd));
	EXPECT_STREQ("two", dgram_text(fd));
	EXPECT_STREQ("three", dgram_text(fd));
	ASSERT_OK(sock_set(fd, SOL_NEWPROTO, NEWPROTO_GRACE, 0));
	close(fd);
	close(tx);
}

/* As SO_BINDTODEVICE by the program itself: it leaves the group, which ends. */
TEST_F(hook, dgram_connect_sets_device)
{
	const struct door *d = variant->door;
	union addr a;
	socklen_t len;
	int fd, to, port;
	int64_t end;

	if (over_tcp())
		SKIP(return, "UDP has no grace time");
	ASSERT_OK(enter_cgroup(self->mnt));
	to = dgram_bound(d, 0, 0);
	ASSERT_OK(enter_cgroup(self->dir));
	fd = dgram_member(d, 0);
	ASSERT_OK(fd);
	port = sock_port(fd);
	ASSERT_OK(sock_set(fd, SOL_NEWPROTO, NEWPROTO_GRACE, 60000));
	ASSERT_OK(device_attach(d, self->cgroup));
	len = door_loop(d, &a, sock_port(to));
	ASSERT_OK(connect(fd, &a.sa, len));
	ASSERT_EQ(2, send(fd, "hi", 2, 0));
	EXPECT_STREQ("hi", dgram_text(to));
	close(fd);
	end = now_ms() + WAIT_MS;
	do {
		fd = dgram_bound(d, 0, port);
	} while (fd < 0 && now_ms() < end);
	EXPECT_LE(0, fd) TH_LOG("the port is kept for a successor");
	close(fd);
	close(to);
}

TEST_HARNESS_MAIN
