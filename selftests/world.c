// SPDX-License-Identifier: GPL-2.0-only
/*
 * The world around the test programs: threads and their blocking, network
 * namespaces, links and addresses, files of /proc and /sys. Programs run in a
 * bare initramfs too, so that nothing is expected to be mounted or up.
 */
#include <sched.h>
#include <time.h>

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <linux/capability.h>

#include "common.h"

static void *task_main(void *arg)
{
	struct task *t = arg;

	__atomic_store_n(&t->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	errno = 0;
	t->ret = t->fn(t);
	t->err = errno;
	__atomic_store_n(&t->done, true, __ATOMIC_RELEASE);
	return NULL;
}

int task_start(struct task *t)
{
	t->tid = 0;
	t->done = false;
	return pthread_create(&t->thread, NULL, task_main, t) ? -1 : 0;
}

/* Yields the processor; true until the bound of all waits has passed. */
static bool wait_more(int64_t end)
{
	struct timespec tick = { .tv_nsec = 200000 };

	if (now_ms() > end)
		return false;
	nanosleep(&tick, NULL);
	return true;
}

/* Waits until the thread sleeps inside the system call. */
int wait_blocked(pid_t pid, pid_t tid, long syscall_nr)
{
	int64_t end = now_ms() + WAIT_MS;
	char path[64], text[160];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	do {
		/* "running" while it runs; the number of the call when it sleeps */
		if (file_read(path, text, sizeof(text)) <= 0)
			break;
		if (text[0] >= '0' && text[0] <= '9' && atol(text) == syscall_nr)
			return 0;
	} while (wait_more(end));
	fprintf(stderr, "# thread %d did not block in system call %ld: %s\n",
		tid, syscall_nr, text);
	return -1;
}

int task_blocked(struct task *t, long syscall_nr)
{
	int64_t end = now_ms() + WAIT_MS;

	while (!__atomic_load_n(&t->tid, __ATOMIC_ACQUIRE))
		if (!wait_more(end))
			return -1;
	return wait_blocked(getpid(), t->tid, syscall_nr);
}

/* True while the thread has not come back from its function. */
bool task_running(const struct task *t)
{
	return !__atomic_load_n(&t->done, __ATOMIC_ACQUIRE);
}

int task_join(struct task *t)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += WAIT_MS / 1000;
	if (pthread_timedjoin_np(t->thread, NULL, &ts)) {
		fprintf(stderr, "# thread %d did not end within %d ms\n", t->tid, WAIT_MS);
		return -1;
	}
	return 0;
}

/* waitpid() with a bound; a child that is late is killed. */
int wait_child(pid_t pid, int *status)
{
	int64_t end = now_ms() + WAIT_MS;
	pid_t ret;

	while (!(ret = waitpid(pid, status, WNOHANG))) {
		if (wait_more(end))
			continue;
		fprintf(stderr, "# process %d did not end within %d ms\n", pid, WAIT_MS);
		kill(pid, SIGKILL);
		waitpid(pid, status, 0);
		return -1;
	}
	return ret == pid ? 0 : -1;
}

int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -1;
}

/* Reads as much as fits and ends it with a NUL; the number of bytes. */
int file_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t got = 0;
	ssize_t n = 0;

	buf[0] = '\0';
	if (fd < 0)
		return -1;
	while (got < size - 1 && (n = read(fd, buf + got, size - 1 - got)) > 0)
		got += n;
	close(fd);
	buf[got] = '\0';
	return n < 0 ? -1 : (int)got;
}

/* @name with slashes, below /proc/sys; the caller's network namespace decides. */
int sysctl_write(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	return file_write(path, text);
}

/* Root without any capability, as a plain user's process is. */
int drop_caps(void)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { };

	return syscall(SYS_capset, &hdr, data);
}

int link_up(const char *ifname)
{
	struct ifreq ifr = { };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret;

	if (fd < 0)
		return -1;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	ret = ioctl(fd, SIOCGIFFLAGS, &ifr);
	if (!ret && !(ifr.ifr_flags & IFF_UP)) {
		ifr.ifr_flags |= IFF_UP;
		ret = ioctl(fd, SIOCSIFFLAGS, &ifr);
	}
	close(fd);
	return ret;
}

int lo_up(void)
{
	return link_up("lo");
}

int netns_new(void)
{
	if (unshare(CLONE_NEWNET) || lo_up())
		return -1;
	return over_nic() ? nic_pair() : 0;
}

struct nl_request {
	struct nlmsghdr hdr;
	char body[256];
};

static void nl_attr(struct nl_request *r, int type, const void *data, size_t len)
{
	struct rtattr *rta = (void *)((char *)r + NLMSG_ALIGN(r->hdr.nlmsg_len));

	rta->rta_type = type;
	rta->rta_len = RTA_LENGTH(len);
	memcpy(RTA_DATA(rta), data, len);
	r->hdr.nlmsg_len = NLMSG_ALIGN(r->hdr.nlmsg_len) + RTA_ALIGN(rta->rta_len);
}

/* Sends one request and reads the answer. */
static int nl_talk(struct nl_request *r)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	char answer[1024];
	struct nlmsghdr *hdr = (void *)answer;
	int err = -1;

	if (fd < 0)
		return -1;
	r->hdr.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (send(fd, r, r->hdr.nlmsg_len, 0) > 0 && recv(fd, answer, sizeof(answer), 0) > 0 &&
	    hdr->nlmsg_type == NLMSG_ERROR) {
		struct nlmsgerr *e = NLMSG_DATA(hdr);

		err = e->error;
	}
	close(fd);
	errno = -err;
	return err ? -1 : 0;
}

static bool link_running(const char *ifname)
{
	/* none that a policy for the internet's sockets is for */
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { };
	bool running;

	strncpy(ifr.ifr_name, ifname, IFNAMSIZ - 1);
	running = !ioctl(fd, SIOCGIFFLAGS, &ifr) && ifr.ifr_flags & IFF_RUNNING;
	close(fd);
	return running;
}

/* Of several threads or processes one makes the pair; its last step is to take npnic1 up. */
static int nic_pair_make(void)
{
	/* Its other end gets the first name that is free. */
	if (link_add("npnic", "npnic1"))
		return errno == EEXIST ? 0 : -1;
	if (addr_add("npnic0", "10.90.0.1", 24) || addr_add("npnic1", "10.90.0.2", 24) ||
	    addr_add("npnic0", "fd90::1", 64) || addr_add("npnic1", "fd90::2", 64))
		return -1;
	return link_up("npnic0") || link_up("npnic1") ? -1 : 0;
}

/* A pair of npnic devices, npnic0 and npnic1, in this namespace, each with its addresses. */
int nic_pair(void)
{
	int64_t end = now_ms() + WAIT_MS;

	if (!if_nametoindex("npnic1") && nic_pair_make())
		return -1;
	while (!link_running("npnic1") || !link_running("npnic0"))
		if (!wait_more(end))
			return -1;
	return 0;
}

int link_add(const char *kind, const char *ifname)
{
	struct nl_request r = { };
	char nested[64] = { };
	struct rtattr *rta = (void *)nested;

	r.hdr.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg));
	r.hdr.nlmsg_type = RTM_NEWLINK;
	r.hdr.nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	nl_attr(&r, IFLA_IFNAME, ifname, strlen(ifname) + 1);
	rta->rta_type = IFLA_INFO_KIND;
	rta->rta_len = RTA_LENGTH(strlen(kind));
	memcpy(RTA_DATA(rta), kind, strlen(kind));
	nl_attr(&r, IFLA_LINKINFO, nested, RTA_ALIGN(rta->rta_len));
	return nl_talk(&r);
}

/* @addr may be IPv4 or IPv6. */
int addr_add(const char *ifname, const char *addr, int prefix)
{
	struct nl_request r = { };
	struct ifaddrmsg *msg = NLMSG_DATA(&r.hdr);
	bool v6 = strchr(addr, ':');
	struct in6_addr bin;

	r.hdr.nlmsg_len = NLMSG_LENGTH(sizeof(*msg));
	r.hdr.nlmsg_type = RTM_NEWADDR;
	r.hdr.nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	msg->ifa_family = v6 ? AF_INET6 : AF_INET;
	msg->ifa_prefixlen = prefix;
	msg->ifa_index = if_nametoindex(ifname);
	msg->ifa_flags = v6 ? IFA_F_NODAD : 0;
	if (inet_pton(msg->ifa_family, addr, &bin) != 1)
		return -1;
	nl_attr(&r, IFA_LOCAL, &bin, v6 ? 16 : 4);
	nl_attr(&r, IFA_ADDRESS, &bin, v6 ? 16 : 4);
	return nl_talk(&r);
}

/*
 * Before main(), so that every test finds /proc and the loopback device ready.
 * Mounts fail where they are not needed.
 */
static void __attribute__((constructor)) world_init(void)
{
	if (access("/proc/self", F_OK)) {
		mkdir("/proc", 0755);
		mount("proc", "/proc", "proc", 0, NULL);
	}
	if (access("/sys/kernel", F_OK)) {
		mkdir("/sys", 0755);
		mount("sysfs", "/sys", "sysfs", 0, NULL);
	}
	lo_up();
}
