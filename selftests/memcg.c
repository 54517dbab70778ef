// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which memory cgroup pays: for bytes the one who sent them, for a connection
 * the one who connected.
 */
#include <kselftest_harness.h>

#include <sys/mount.h>
#include <sys/stat.h>

#include "common.h"

#define CONNS 8

/* The kernel charges in batches, per CPU: no figure is exact to this much. */
#define SLACK (1024 * 1024)

FIXTURE(memcg) {
	char mnt[32];
	char sender[64];
	char receiver[64];
	int lsn;
	int port;
	int fd[CONNS];
	long sent[CONNS];
};

DOOR_FIXTURE(memcg);

static int cgroup_write(const char *dir, const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return file_write(path, text);
}

static int cgroup_enter(const char *dir)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	return cgroup_write(dir, "cgroup.procs", pid);
}

/* Bytes charged to a cgroup, or -1. */
static long cgroup_charged(const char *dir)
{
	char path[128], text[32] = "";

	snprintf(path, sizeof(path), "%s/memory.current", dir);
	return file_read(path, text, sizeof(text)) < 0 ? -1 : atol(text);
}

FIXTURE_SETUP(memcg)
{
	int i;

	for (i = 0; i < CONNS; i++)
		self->fd[i] = -1;
	strcpy(self->mnt, "/tmp/newproto-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->mnt));
	if (mount("none", self->mnt, "cgroup2", 0, NULL)) {
		rmdir(self->mnt);
		SKIP(_exit(255), "no cgroup2: %s", strerror(errno));
	}
	if (cgroup_write(self->mnt, "cgroup.subtree_control", "+memory")) {
		umount2(self->mnt, MNT_DETACH);
		rmdir(self->mnt);
		SKIP(_exit(255), "no memory controller in cgroup2: %s", strerror(errno));
	}
	snprintf(self->sender, sizeof(self->sender), "%s/np-sender-%d", self->mnt, getpid());
	snprintf(self->receiver, sizeof(self->receiver), "%s/np-receiver-%d", self->mnt, getpid());
	ASSERT_OK(mkdir(self->sender, 0755));
	ASSERT_OK(mkdir(self->receiver, 0755));
	self->lsn = door_listener(variant->door, CONNS);
	ASSERT_OK(self->lsn);
	self->port = sock_port(self->lsn);
}

FIXTURE_TEARDOWN(memcg)
{
	int i;

	cgroup_enter(self->mnt);
	for (i = 0; i < CONNS; i++)
		close(self->fd[i]);
	close(self->lsn);
	rmdir(self->sender);
	rmdir(self->receiver);
	umount2(self->mnt, MNT_DETACH);
	rmdir(self->mnt);
}

/* Connects and writes until nothing more fits; the number of bytes taken, or -1. */
static long fill_all(const struct door *door, int port, int fd[CONNS], long sent[CONNS])
{
	long total = 0;
	int i;

	for (i = 0; i < CONNS; i++) {
		fd[i] = door_dial(door, 0, port);
		if (fd[i] < 0)
			return -1;
		sent[i] = fill_socket(fd[i], 0);
		if (sent[i] < 0)
			return -1;
		total += sent[i];
	}
	return total;
}

TEST_F(memcg, the_sender_pays_for_its_bytes)
{
	long before, total, paid, i, fd[CONNS];
	int64_t until;

	if (over_tcp())
		SKIP(return, "TCP charges each socket's own cgroup");
	before = cgroup_charged(self->sender);
	ASSERT_LE(0, before);
	ASSERT_OK(cgroup_enter(self->sender));
	total = fill_all(variant->door, self->port, self->fd, self->sent);
	ASSERT_LT(0, total);
	paid = cgroup_charged(self->sender) - before;
	EXPECT_LT(total - SLACK, paid)
		TH_LOG("%ld bytes sent, %ld charged to the sender", total, paid);

	/* Who accepts and reads pays for its sockets only. */
	ASSERT_OK(cgroup_enter(self->receiver));
	before = cgroup_charged(self->receiver);
	for (i = 0; i < CONNS; i++) {
		fd[i] = accept(self->lsn, NULL, NULL);
		ASSERT_OK(fd[i]);
		EXPECT_EQ(self->sent[i], drain_socket(fd[i], 0, self->sent[i]));
	}
	paid = cgroup_charged(self->receiver) - before;
	EXPECT_GT(SLACK, paid)
		TH_LOG("%ld bytes charged to the receiver", paid);

	/* What was read is given back, though the connections stay. */
	until = now_ms() + 20000;
	while (cgroup_charged(self->sender) > total / 2 && now_ms() < until)
		poll(NULL, 0, 50);
	EXPECT_GT(total / 2, cgroup_charged(self->sender))
		TH_LOG("the sender still pays for what was read 20 s ago");
	for (i = 0; i < CONNS; i++)
		close(fd[i]);
}

TEST_HARNESS_MAIN
