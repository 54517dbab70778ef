// SPDX-License-Identifier: GPL-2.0-only
/*
 * Namespaces that end with live sockets: a socket holds its namespace, and with
 * the last one everything goes.
 */
#include <kselftest_harness.h>

#include <sched.h>

#include "scene.h"

static int home = -1;

FIXTURE(netns) {};

DOOR_FIXTURE(netns);

FIXTURE_SETUP(netns)
{
	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ASSERT_OK(home);
}

FIXTURE_TEARDOWN(netns)
{
	close(home);
}

/* What a namespace may hold when its last process leaves. */
static const char *const states[] = {
	"bound", "listening", "pending", "connecting", "connected", "unread", "sndfull",
	"shut-wr", "peer-closed", "reset", "refused",
};

/* Sockets of a namespace that no process is in: they go on. */
TEST_F(netns, sockets_outlive_their_processes)
{
	char buf[8];
	int sv[2];

	ASSERT_OK(netns_new());
	ASSERT_OK(door_connected(variant->door, sv));
	ASSERT_OK(setns(home, CLONE_NEWNET));
	EXPECT_EQ(4, send(sv[0], "abcd", 4, 0));
	EXPECT_EQ(4, recv(sv[1], buf, 8, 0));
	EXPECT_OK(close(sv[0]));
	EXPECT_EQ(0, recv(sv[1], buf, 8, 0));
	close(sv[1]);
}

TEST_F(netns, listener_outlives_its_processes)
{
	struct scene s;

	ASSERT_OK(netns_new());
	ASSERT_OK(scene_make(&s, variant->door, "pending"));
	ASSERT_OK(setns(home, CLONE_NEWNET));
	EXPECT_EQ(1, send(s.peer, "x", 1, 0));
	EXPECT_OK(accept(s.fd, NULL, NULL));
	scene_end(&s);
}

/* One namespace after the other, each left with sockets in every state. */
TEST_F_TIMEOUT(netns, hundred_with_live_sockets, 120)
{
	int n = 50 * test_scale();	/* for each of two doors */
	struct scene s;
	int i;

	for (i = 0; i < n; i++) {
		const char *state = states[i % ARRAY_SIZE(states)];

		ASSERT_OK(netns_new());
		ASSERT_EQ(0, scene_make(&s, variant->door, state))
			TH_LOG("%s: %s", state, strerror(errno));
		/* the namespace has no process left, only these descriptors */
		ASSERT_OK(setns(home, CLONE_NEWNET));
		scene_end(&s);
	}
}

/* Many at a time, all dying with the process that made them. */
TEST_F_TIMEOUT(netns, many_die_together, 120)
{
	int status, round;

	for (round = 0; round < test_scale(); round++) {
		pid_t pid = fork();

		ASSERT_OK(pid);
		if (!pid) {
			static struct scene s[ARRAY_SIZE(states)];
			size_t i;

			for (i = 0; i < ARRAY_SIZE(states); i++)
				if (netns_new() || scene_make(&s[i], variant->door, states[i]))
					_exit(1);
			_exit(0);
		}
		ASSERT_OK(wait_child(pid, &status));
		EXPECT_EQ(0, status);
	}
}

TEST_F(netns, killed_while_blocked)
{
	int status, i;

	for (i = 0; i < 4; i++) {
		pid_t pid = fork();
		struct scene s;
		char c;

		ASSERT_OK(pid);
		if (!pid) {
			if (netns_new() || scene_make(&s, variant->door, "crowd"))
				_exit(1);
			connect(s.fd, &s.dest.sa, s.dest_len);
			_exit(recv(s.fd, &c, 1, 0));
		}
		ASSERT_OK(wait_blocked(pid, pid, SYS_connect));
		ASSERT_OK(kill(pid, SIGKILL));
		ASSERT_OK(wait_child(pid, &status));
	}
}

/* Each namespace has its own files and sysctls; a new one has the defaults. */
TEST_F(netns, settings_are_their_own)
{
	char text[32];

	if (over_tcp())
		SKIP(return, "no such settings");
	ASSERT_OK(netns_new());
	ASSERT_OK(sysctl_write("net/newproto/connect_timeout", "4321"));
	ASSERT_OK(netns_new());
	ASSERT_LT(0, file_read("/proc/sys/net/newproto/connect_timeout", text, sizeof(text)));
	EXPECT_STREQ("127000\n", text);
	EXPECT_OK(access("/proc/self/net/newproto/sockets", R_OK));
	EXPECT_OK(access("/proc/self/net/newproto/counters", R_OK));
}

TEST_HARNESS_MAIN
