// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracepoints: each event fires where it should, and gives its reason in a word.
 */
#include <kselftest_harness.h>

#include <sys/mount.h>
#include <sys/stat.h>

#include "grouplib.h"
#include "scene.h"

#define TRACEFS		"/sys/kernel/tracing"
#define RECORD_CMD	TRACEFS "/options/record-cmd"

static char text[262144];

static int event_switch(const char *name, const char *value)
{
	char path[96], now[8];

	snprintf(path, sizeof(path), TRACEFS "/events/newproto/%s/enable", name);
	if (file_read(path, now, sizeof(now)) > 0 && now[0] == value[0])
		return 0;
	return file_write(path, value);
}

/*
 * To switch an event the kernel patches code, and for names of tasks also the scheduler's,
 * which other processors are running: an emulated one has been seen to hang there. Nobody
 * needs the names, and an event that is on stays on until the program ends.
 */
static int events_switch(const char *value)
{
	static const char *const names[] = {
		"newproto_connect", "newproto_accept", "newproto_refuse", "newproto_close",
		"newproto_group_choose", "newproto_group_move", "newproto_group_rescue",
		"newproto_group_grace",
	};
	size_t i;

	if (value[0] == '1' && file_write(RECORD_CMD, "0"))
		return -1;
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (event_switch(names[i], value))
			return -1;
	return 0;
}

static pid_t owner;
static char record_cmd[8];	/* as it was; empty if there is no tracefs yet */

static void __attribute__((constructor)) events_begin(void)
{
	owner = getpid();
	if (file_read(RECORD_CMD, record_cmd, sizeof(record_cmd)) <= 0)
		record_cmd[0] = '\0';
}

/* The tests are children, which leave without this. */
static void __attribute__((destructor)) events_end(void)
{
	if (owner != getpid() || over_tcp() || access(TRACEFS "/trace", W_OK))
		return;
	events_switch("0");
	file_write(RECORD_CMD, record_cmd[0] ? record_cmd : "1");
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

/* Waits for a line of the event that has all of these words; in @line, what it says. */
static bool trace_line(const char *event, const char *words, char *line, size_t size)
{
	int64_t end = now_ms() + WAIT_MS;
	char name[64], *p;

	snprintf(name, sizeof(name), "%s:", event);
	do {
		if (file_read(TRACEFS "/trace", text, sizeof(text)) < 0)
			return false;
		for (p = strstr(text, name); p; p = strstr(p + 1, name)) {
			snprintf(line, size, "%.*s", (int)strcspn(p, "\n"), p);
			if (strstr(line, words))
				return true;
		}
		usleep(1000);
	} while (now_ms() < end);
	return false;
}

/* The value of @key in a line, up to the next space. */
static const char *trace_value(const char *line, const char *key)
{
	static char value[2][80];
	static int turn;
	const char *p = strstr(line, key);

	turn = !turn;
	snprintf(value[turn], sizeof(value[turn]), "%.*s", p ? (int)strcspn(p, " ") : 9,
		 p ? p : "(nothing)");
	p = strchr(value[turn], '=');
	return p ? p + 1 : value[turn];
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
}

/* What happens in the scene, and while it is cleared away. */
static const struct {
	const char *state;
	const char *event;
	const char *reason;
	bool after;		/* seen when the scene has ended */
	const char *nic;	/* the reason where another kernel has it; "": it does not say */
} scenes[] = {
	{ "connected", "newproto_connect", "connected", false },
	{ "connected", "newproto_accept", "connected", false },
	{ "connected", "newproto_close", "closed", true },
	{ "connecting", "newproto_connect", "queue-full", false, "begin" },
	{ "listener-gone", "newproto_close", "listener-closed", false, "" },
	{ "refused", "newproto_refuse", "listener-closed", false, "no-listener" },
	{ "timed-out", "newproto_close", "timed-out", false },
	{ "reset", "newproto_close", "linger-0", false },
	{ "reset-by-unread", "newproto_close", "unread-data", false },
	{ "disconnected", "newproto_close", "disconnect", false },
};

TEST_F(trace, reasons)
{
	const char *reason;
	struct scene s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(scenes); i++) {
		reason = over_nic() && scenes[i].nic ? scenes[i].nic : scenes[i].reason;
		trace_clear();
		ASSERT_OK(scene_make(&s, variant->door, scenes[i].state));
		if (scenes[i].after)
			scene_end(&s);
		EXPECT_TRUE(!*reason || trace_saw(scenes[i].event, reason))
			TH_LOG("no %s with reason %s in state %s", scenes[i].event, reason,
			       scenes[i].state);
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
	EXPECT_ERR(over_nic() ? EHOSTUNREACH : ENETUNREACH, connect(fd, &a.sa, len));
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

/* Two members, the first of which is chosen, twice; then it goes. */
TEST_F(trace, group_chooses_and_moves)
{
	int a, b, port, fd[2], i;
	char line[400], words[160], member[80];

	a = member_with(variant->door, 0, 8, NEWPROTO_POLICY, NEWPROTO_POLICY_LAST_BOUND);
	ASSERT_OK(a);
	port = sock_port(a);
	for (i = 0; i < 2; i++) {
		fd[i] = door_dial(variant->door, 0, port);
		ASSERT_OK(fd[i]);
		snprintf(words, sizeof(words), "]:%d policy=%d pending=", sock_port(fd[i]),
			 NEWPROTO_POLICY_LAST_BOUND);
		ASSERT_TRUE(trace_line("newproto_group_choose", words, line, sizeof(line)))
			TH_LOG("no line with %s", words);
		snprintf(words, sizeof(words), "%d", port);
		EXPECT_STREQ(words, trace_value(line, "port="));
		if (i)
			EXPECT_STREQ(member, trace_value(line, "member="));
		snprintf(member, sizeof(member), "%s", trace_value(line, "member="));
	}
	b = member_new(variant->door, port, 8);
	ASSERT_OK(b);
	close(a);
	snprintf(words, sizeof(words), "port=%d from=%s to=", port, member);
	ASSERT_TRUE(trace_line("newproto_group_move", words, line, sizeof(line)))
		TH_LOG("no line with %s", words);
	EXPECT_STREQ("2", trace_value(line, "n="));
	EXPECT_STRNE(member, trace_value(line, "to="));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(sock_port(fd[i]), took_now(b));
		close(fd[i]);
	}
	close(b);
}

/* What waits on a silent member is taken by another. */
TEST_F(trace, group_rescues)
{
	char line[400], words[80];
	int a, b, port, fd;

	ASSERT_OK(silent_time(1));
	a = member_new(variant->door, 0, 8);
	ASSERT_OK(a);
	port = sock_port(a);
	fd = door_dial(variant->door, 0, port);
	ASSERT_OK(fd);
	b = member_new(variant->door, port, 8);
	ASSERT_OK(b);
	ASSERT_EQ(POLLIN, poll_events(b, POLLIN, WAIT_MS));
	EXPECT_EQ(sock_port(fd), took_now(b));
	snprintf(words, sizeof(words), "]:%d", sock_port(fd));
	ASSERT_TRUE(trace_line("newproto_group_rescue", words, line, sizeof(line)))
		TH_LOG("no line with %s", words);
	snprintf(words, sizeof(words), "%d", port);
	EXPECT_STREQ(words, trace_value(line, "port="));
	EXPECT_STRNE(trace_value(line, "from="), trace_value(line, "to="));
	close(fd);
	close(a);
	close(b);
}

/* A lone member goes; another one comes; it goes, too, and nobody comes. */
TEST_F(trace, group_in_grace)
{
	int a, b, port, fd;
	char line[400], words[80];

	/* not a port that the kernel has chosen: nobody would come back to it */
	port = door_free_port(variant->door);
	a = member_with(variant->door, port, 8, NEWPROTO_GRACE, WAIT_MS);
	ASSERT_OK(a);
	fd = door_dial(variant->door, 0, port);
	ASSERT_OK(fd);
	close(a);
	snprintf(words, sizeof(words), "port=%d ms=%d pending=1 reason=begin", port, WAIT_MS);
	EXPECT_TRUE(trace_line("newproto_group_grace", words, line, sizeof(line)))
		TH_LOG("no line with %s", words);
	b = member_with(variant->door, port, 8, NEWPROTO_GRACE, 1);
	ASSERT_OK(b);
	EXPECT_TRUE(trace_line("newproto_group_grace", "reason=successor", line, sizeof(line)));
	EXPECT_EQ(sock_port(fd), took_now(b));
	close(fd);
	close(b);
	snprintf(words, sizeof(words), "port=%d ms=1 pending=0 reason=expired", port);
	EXPECT_TRUE(trace_line("newproto_group_grace", words, line, sizeof(line)))
		TH_LOG("no line with %s", words);
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
