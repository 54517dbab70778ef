// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracepoints: each event fires where it should, and gives its reason in a word.
 */
#include <kselftest_harness.h>

#include <sys/mount.h>
#include <sys/stat.h>

#include "scene.h"

#define TRACEFS		"/sys/kernel/tracing"

static char text[262144];

static int events_switch(const char *value)
{
	static const char *const names[] = {
		"newproto_connect", "newproto_accept", "newproto_refuse", "newproto_close",
	};
	char path[96];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), TRACEFS "/events/newproto/%s/enable", names[i]);
		if (file_write(path, value))
			return -1;
	}
	return 0;
}

/* Opening it for writing with O_TRUNC empties the buffer. */
static void trace_clear(void)
{
	close(open(TRACEFS "/trace", O_WRONLY | O_TRUNC));
}

/* True if a line of the event names the reason. */
static bool trace_has(const char *event, const char *reason)
{
	char *p, *save;
	size_t len = strlen(reason);

	for (p = strtok_r(text, "\n", &save); p; p = strtok_r(NULL, "\n", &save)) {
		char *word = strstr(p, "reason=");

		if (strstr(p, event) && word && !strncmp(word + 7, reason, len) &&
		    (!word[7 + len] || word[7 + len] == ' '))
			return true;
	}
	return false;
}

static bool trace_saw(const char *event, const char *reason)
{
	char name[64];

	if (file_read(TRACEFS "/trace", text, sizeof(text)) < 0)
		return false;
	snprintf(name, sizeof(name), "%s:", event);
	return trace_has(name, reason);
}

FIXTURE(trace) {};
DOOR_FIXTURE(trace);

FIXTURE_SETUP(trace)
{
	if (over_tcp())
		SKIP(_exit(255), "TCP has other tracepoints");
	if (access(TRACEFS "/trace", W_OK))
		mount("none", TRACEFS, "tracefs", 0, NULL);
	if (access(TRACEFS "/trace", W_OK))
		SKIP(_exit(255), "no tracefs here");
	ASSERT_OK(netns_new());
	ASSERT_OK(events_switch("1"));
	trace_clear();
}

FIXTURE_TEARDOWN(trace)
{
	events_switch("0");
}

/* What happens in the scene, and while it is cleared away. */
static const struct {
	const char *state;
	const char *event;
	const char *reason;
	bool after;		/* seen when the scene has ended */
} scenes[] = {
	{ "connected", "newproto_connect", "connected", false },
	{ "connected", "newproto_accept", "connected", false },
	{ "connected", "newproto_close", "closed", true },
	{ "connecting", "newproto_connect", "queue-full", false },
	{ "listener-gone", "newproto_close", "listener-closed", false },
	{ "refused", "newproto_refuse", "listener-closed", false },
	{ "timed-out", "newproto_close", "timed-out", false },
	{ "reset", "newproto_close", "linger-0", false },
	{ "reset-by-unread", "newproto_close", "unread-data", false },
	{ "disconnected", "newproto_close", "disconnect", false },
};

TEST_F(trace, reasons)
{
	struct scene s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(scenes); i++) {
		trace_clear();
		ASSERT_OK(scene_make(&s, variant->door, scenes[i].state));
		if (scenes[i].after)
			scene_end(&s);
		EXPECT_TRUE(trace_saw(scenes[i].event, scenes[i].reason))
			TH_LOG("no %s with reason %s in state %s", scenes[i].event,
			       scenes[i].reason, scenes[i].state);
		scene_end(&s);
	}
}

TEST_F(trace, refused)
{
	int fd = door_socket(variant->door, 0);
	union addr a;
	socklen_t len = door_loop(variant->door, &a, door_free_port(variant->door));

	EXPECT_ERR(ECONNREFUSED, connect(fd, &a.sa, len));
	EXPECT_TRUE(trace_saw("newproto_refuse", "no-listener"));
	trace_clear();
	len = door_addr(variant->door, &a, "198.51.100.1", "2001:db8::9", 9);
	EXPECT_ERR(ENETUNREACH, connect(fd, &a.sa, len));
	EXPECT_TRUE(trace_saw("newproto_refuse", "not-local"));
	close(fd);
}

TEST_F(trace, no_port_left)
{
	int lsn, fd;

	ASSERT_OK(sysctl_write("net/ipv4/ip_local_port_range", "30000 30000"));
	lsn = door_bound(variant->door, 0, 4000);
	ASSERT_OK(listen(lsn, 4));
	fd = door_dial(variant->door, 0, 4000);
	ASSERT_OK(fd);
	EXPECT_ERR(EADDRNOTAVAIL, door_dial(variant->door, 0, 4000));
	EXPECT_TRUE(trace_saw("newproto_refuse", "no-port"));
	close(fd);
	close(lsn);
}

/* An event names both ends. */
TEST_F(trace, ports_are_named)
{
	struct scene s;
	char want[32];

	ASSERT_OK(scene_make(&s, variant->door, "connected"));
	ASSERT_LT(0, file_read(TRACEFS "/trace", text, sizeof(text)));
	snprintf(want, sizeof(want), ":%d ", s.port);
	EXPECT_NE(NULL, strstr(text, want));
	snprintf(want, sizeof(want), ":%d ", sock_port(s.fd));
	EXPECT_NE(NULL, strstr(text, want));
	scene_end(&s);
}

TEST_F(trace, silent_when_off)
{
	struct scene s;

	ASSERT_OK(events_switch("0"));
	trace_clear();
	ASSERT_OK(scene_make(&s, variant->door, "connected"));
	scene_end(&s);
	ASSERT_LT(0, file_read(TRACEFS "/trace", text, sizeof(text)));
	EXPECT_EQ(NULL, strstr(text, "newproto_"));
}

TEST_HARNESS_MAIN
