// SPDX-License-Identifier: GPL-2.0-only
/*
 * scripted_rtnetlink.so: a preload library for ip, that stands where the kernel is. Nothing of what
 * "ip link" asks for comes to it.
 *
 *   a new link       is printed, as the kernel would get it, and ip ends with 0
 *   to show a link   is answered with the link np0 of type npnic, and what SCRIPT_LINK says:
 *                    "pair", "pci", "little" (less than usual), "broken" (attributes that are too
 *                    short, and a string without end), or "none"
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <linux/npnic.h>

/* What is to be known of attributes to print them. */
struct known {
	int type;
	bool is_string;
	const char *name;
};

static const struct known of_link[] = {
	{ IFLA_IFNAME, true, "name" },
	{ IFLA_MTU, false, "mtu" },
	{ IFLA_NET_NS_PID, false, "netns_pid" },
	{ IFLA_NUM_TX_QUEUES, false, "numtxqueues" },
	{ IFLA_ADDRESS, false, "address" },
	{ }
};

static const struct known of_linkinfo[] = {
	{ IFLA_INFO_KIND, true, "kind" },
	{ }
};

static const struct known of_npnic[] = {
	{ IFLA_NPNIC_QUEUES, false, "queues" },
	{ IFLA_NPNIC_RING, false, "ring" },
	{ IFLA_NPNIC_REGION, false, "region" },
	{ }
};

/* The answer that waits for recvmsg(). */
static char answer[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
static size_t answer_len;

static void print_value(const struct known *known, const struct rtattr *attr)
{
	int len = RTA_PAYLOAD(attr);
	uint32_t n32;
	uint64_t n64;

	for (; known->name && known->type != attr->rta_type; known++)
		;
	if (known->name)
		printf(" %s=", known->name);
	else
		printf(" %d=", attr->rta_type);
	if (known->is_string) {
		printf("%.*s", len, (const char *)RTA_DATA(attr));
	} else if (len == sizeof(n32)) {
		memcpy(&n32, RTA_DATA(attr), sizeof(n32));
		printf("u32:%u", n32);
	} else if (len == sizeof(n64)) {
		memcpy(&n64, RTA_DATA(attr), sizeof(n64));
		printf("u64:%llu", (unsigned long long)n64);
	} else {
		printf("%d bytes", len);
	}
}

static void print_attributes(const struct known *known, const void *data, int len)
{
	const struct rtattr *attr;

	for (attr = data; RTA_OK(attr, len); attr = RTA_NEXT(attr, len)) {
		const char *inner = RTA_DATA(attr);
		int inner_len = RTA_PAYLOAD(attr);
		struct ifinfomsg info;

		if (known == of_link && attr->rta_type == IFLA_LINKINFO) {
			print_attributes(of_linkinfo, inner, inner_len);
		} else if (known == of_linkinfo && attr->rta_type == IFLA_INFO_DATA) {
			print_attributes(of_npnic, inner, inner_len);
		} else if (known == of_npnic && attr->rta_type == IFLA_NPNIC_PEER) {
			memcpy(&info, inner, sizeof(info));
			printf(" peer{%d %#x/%#x", info.ifi_index, info.ifi_flags, info.ifi_change);
			print_attributes(of_link, inner + sizeof(info), inner_len - sizeof(info));
			printf(" }");
		} else {
			print_value(known, attr);
		}
	}
	if (len)
		printf(" and %d bytes", len);
}

static void print_request(const struct nlmsghdr *request)
{
	const struct ifinfomsg *info = NLMSG_DATA(request);
	int len = IFLA_PAYLOAD(request);

	fputs(request->nlmsg_flags & NLM_F_CREATE ? "new" : "set", stdout);
	printf(" %d %#x/%#x", info->ifi_index, info->ifi_flags, info->ifi_change);
	print_attributes(of_link, IFLA_RTA(info), len);
	puts("");
	if (fflush(stdout))
		_exit(1);
}

static struct rtattr *put(int type, const void *data, size_t len)
{
	struct rtattr *attr = (struct rtattr *)(answer + answer_len);

	attr->rta_type = type;
	attr->rta_len = RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(attr), data, len);
	answer_len += RTA_SPACE(len);
	return attr;
}

static void end_nest(struct rtattr *nest)
{
	nest->rta_len = answer + answer_len - (char *)nest;
}

static void put_u32(int type, uint32_t value)
{
	put(type, &value, sizeof(value));
}

static void put_region(uint64_t bytes)
{
	put(IFLA_NPNIC_REGION, &bytes, sizeof(bytes));
}

static void put_fabric(void)
{
	unsigned char fabric[NPNIC_FABRIC_LEN];

	for (int i = 0; i < NPNIC_FABRIC_LEN; i++)
		fabric[i] = 0x11 * i;
	put(IFLA_NPNIC_FABRIC, fabric, sizeof(fabric));
}

static void put_npnic(const char *script)
{
	struct rtattr *data;

	if (!strcmp(script, "none"))
		return;
	data = put(IFLA_INFO_DATA, NULL, 0);
	if (!strcmp(script, "broken")) {
		put(IFLA_NPNIC_QUEUES, "12", 2);
		put(IFLA_NPNIC_RING, "12", 2);
		put(IFLA_NPNIC_REGION, "1234", 4);
		put(IFLA_NPNIC_FABRIC, "12345678", 8);
		put(IFLA_NPNIC_BUS, "pair", 4);
		put(IFLA_NPNIC_SLOT, NULL, 0);
	} else {
		put_u32(IFLA_NPNIC_QUEUES, 4);
	}
	if (!strcmp(script, "pair") || !strcmp(script, "pci")) {
		put_u32(IFLA_NPNIC_RING, 256 << 10);
		put_region(!strcmp(script, "pci") ? 8ULL << 30 : 0x100001000ULL);
		put_fabric();
		put_u32(IFLA_NPNIC_SLOT, 1);
		put_u32(IFLA_NPNIC_SLOTS, 16);
		put(IFLA_NPNIC_BUS, script, strlen(script) + 1);
	} else {
		put_u32(IFLA_NPNIC_SLOTS, 2);
	}
	end_nest(data);
}

static void prepare_answer(const struct nlmsghdr *request, int fd, const char *script)
{
	struct nlmsghdr *header = (struct nlmsghdr *)answer;
	struct ifinfomsg *info = NLMSG_DATA(header);
	struct sockaddr_nl own = { };
	socklen_t len = sizeof(own);
	struct rtattr *linkinfo;

	memset(answer, 0, sizeof(answer));
	getsockname(fd, (struct sockaddr *)&own, &len);
	header->nlmsg_type = RTM_NEWLINK;
	header->nlmsg_seq = request->nlmsg_seq;
	header->nlmsg_pid = own.nl_pid;
	info->ifi_type = ARPHRD_ETHER;
	info->ifi_index = 7;
	answer_len = NLMSG_SPACE(sizeof(*info));
	put(IFLA_IFNAME, "np0", 4);
	put_u32(IFLA_TXQLEN, 1000);
	linkinfo = put(IFLA_LINKINFO, NULL, 0);
	put(IFLA_INFO_KIND, NPNIC_KIND, sizeof(NPNIC_KIND));
	put_npnic(script);
	end_nest(linkinfo);
	header->nlmsg_len = answer_len;
}

/* By an empty request for a new link ip finds out whether a kernel knows that kind of request. */
ssize_t send(int fd, const void *request, size_t len, int flags)
{
	struct nlmsghdr *header = (struct nlmsghdr *)answer;
	struct nlmsgerr *error = NLMSG_DATA(header);

	(void)fd;
	(void)flags;
	memset(answer, 0, sizeof(answer));
	answer_len = NLMSG_LENGTH(sizeof(*error));
	header->nlmsg_len = answer_len;
	header->nlmsg_type = NLMSG_ERROR;
	error->error = -ENODEV;
	memcpy(&error->msg, request, sizeof(error->msg));
	return len;
}

ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	const struct nlmsghdr *request = msg->msg_iov->iov_base;
	const char *script = getenv("SCRIPT_LINK");

	(void)flags;
	if (request->nlmsg_type == RTM_GETLINK && script) {
		prepare_answer(request, fd, script);
		return request->nlmsg_len;
	}
	if (request->nlmsg_type == RTM_NEWLINK) {
		print_request(request);
		_exit(0);
	}
	fprintf(stderr, "an unexpected request of type %d\n", request->nlmsg_type);
	_exit(99);
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	size_t len = answer_len;

	(void)fd;
	if (!len) {
		fputs("nothing was asked\n", stderr);
		_exit(99);
	}
	if (len > msg->msg_iov->iov_len)
		len = msg->msg_iov->iov_len;
	memcpy(msg->msg_iov->iov_base, answer, len);
	memset(msg->msg_name, 0, msg->msg_namelen);
	len = answer_len;
	if (!(flags & MSG_PEEK))
		answer_len = 0;
	return len;
}
