// SPDX-License-Identifier: GPL-2.0-only
/*
 * link_npnic.so: what iproute2's "ip link" has to know of links of the type npnic.
 *
 * ip loads link_TYPE.so for a type that it does not know, and looks for TYPE_link_util in it. What
 * a number may be is the kernel's to say; this refuses only what is no number.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <linux/npnic.h>

#include "iproute2.h"

static const char usage[] =
	"Usage: ip link add NAME type npnic [ queues N ] [ ring SIZE ] [ region SIZE ]\n"
	"                                   [ peer name NAME [ OPTIONS ] ]\n"
	"\n"
	"       N       queues in each direction, 1 to 16\n"
	"       SIZE    bytes, or with K, M or G multiples of 1024: of a queue's ring in\n"
	"               each direction (a power of two, 128K to 4M), and of all the memory\n"
	"               that the two share\n"
	"       OPTIONS of \"ip link add\", for the other end; they are the last, and\n"
	"               \"netns\" is one of them\n";

/*
 * A whole number from @text's begin to its end, at most @max. With @units one of K, M or G may
 * follow it. Does not return if @text is none, and says that @what was wanted.
 */
static uint64_t number(const char *text, bool units, uint64_t max, const char *what)
{
	static const char letters[] = "kmg";
	uint64_t value = 0;
	const char *c = text, *letter;

	for (; isdigit((unsigned char)*c); c++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *c - '0', &value))
			invarg(what, text);
	}
	if (c != text && units && *c) {
		letter = strchr(letters, tolower((unsigned char)*c));
		if (!letter || __builtin_mul_overflow(value, 1ULL << 10 * (letter - letters + 1),
						      &value))
			invarg(what, text);
		c++;
	}
	if (c == text || *c || value > max)
		invarg(what, text);
	return value;
}

/* The other end: what "ip link add" takes, in a request within the request. */
static int parse_peer(int argc, char **argv, struct nlmsghdr *n)
{
	struct ifinfomsg *own = NLMSG_DATA(n), before = *own;
	struct rtattr *peer = addattr_nest(n, REQUEST_MAX, IFLA_NPNIC_PEER);
	static const struct ifinfomsg none;
	char *type = NULL;
	int used;

	if (n->nlmsg_len + sizeof(none) > REQUEST_MAX) {
		fputs("npnic: the request is too long\n", stderr);
		return -1;
	}
	memcpy((char *)n + n->nlmsg_len, &none, sizeof(none));
	n->nlmsg_len += sizeof(none);

	/* Flags and the like go into the request's own header, from where they are moved. */
	*own = none;
	used = iplink_parse(argc, argv, (struct iplink_req *)n, &type);
	if (used < 0)
		return used;
	if (type)
		duparg("type", type);
	memcpy(RTA_DATA(peer), own, sizeof(*own));
	*own = before;
	addattr_nest_end(n, peer);
	return used;
}

/* One keyword's number becomes an attribute, once. */
static int parse_number(char **argv, struct nlmsghdr *n, unsigned int *seen)
{
	uint64_t value;
	uint32_t value32;
	int attr;

	if (!strcmp(argv[0], "queues")) {
		attr = IFLA_NPNIC_QUEUES;
		value = number(argv[1], false, UINT32_MAX, "\"queues\" is a whole number");
	} else if (!strcmp(argv[0], "ring")) {
		attr = IFLA_NPNIC_RING;
		value = number(argv[1], true, UINT32_MAX, "\"ring\" is a size, such as 256K");
	} else {
		attr = IFLA_NPNIC_REGION;
		value = number(argv[1], true, UINT64_MAX, "\"region\" is a size, such as 16M");
	}
	if (*seen & 1U << attr)
		duparg(argv[0], argv[1]);
	*seen |= 1U << attr;
	if (attr == IFLA_NPNIC_REGION)
		return addattr_l(n, REQUEST_MAX, attr, &value, sizeof(value));
	value32 = value;
	return addattr_l(n, REQUEST_MAX, attr, &value32, sizeof(value32));
}

static bool is_number_keyword(const char *word)
{
	return !strcmp(word, "queues") || !strcmp(word, "ring") || !strcmp(word, "region");
}

static int npnic_parse_opt(struct link_util *lu, int argc, char **argv, struct nlmsghdr *n)
{
	unsigned int seen = 0;
	int used;

	(void)lu;
	while (argc > 0) {
		if (!strcmp(*argv, "help")) {
			fputs(usage, stderr);
			return -1;
		}
		if (n->nlmsg_type != RTM_NEWLINK || !(n->nlmsg_flags & NLM_F_CREATE)) {
			fputs("npnic: all of this is chosen with \"ip link add\", and then stays\n",
			      stderr);
			return -1;
		}
		if (!strcmp(*argv, "peer")) {
			used = parse_peer(argc - 1, argv + 1, n);
			if (used < 0)
				return -1;
			used++;
		} else if (is_number_keyword(*argv)) {
			if (argc < 2)
				incomplete_command();
			if (parse_number(argv, n, &seen))
				return -1;
			used = 2;
		} else {
			fprintf(stderr, "npnic: unknown command \"%s\"?\n%s", *argv, usage);
			return -1;
		}
		argc -= used;
		argv += used;
	}
	return 0;
}

/* The attribute, if the kernel has given it, and as long as it should be. */
static const void *value_of(struct rtattr *tb[], int attr, size_t len)
{
	return tb[attr] && RTA_PAYLOAD(tb[attr]) >= len ? RTA_DATA(tb[attr]) : NULL;
}

static void print_number(struct rtattr *tb[], int attr, const char *key, const char *fmt)
{
	const void *value = value_of(tb, attr, sizeof(uint32_t));
	uint32_t n;

	if (!value)
		return;
	memcpy(&n, value, sizeof(n));
	print_color_uint(PRINT_ANY, COLOR_NONE, key, fmt, n);
}

/* Bytes for programs; for people as it can be given to "ip link add". */
static void print_size(const char *key, uint64_t bytes)
{
	static const char * const units[] = { "", "K", "M", "G" };
	char text[64];
	uint64_t n = bytes;
	int unit = 0;

	print_color_u64(PRINT_JSON, COLOR_NONE, key, NULL, bytes);
	for (; n && !(n % 1024) && unit < 3; unit++)
		n /= 1024;
	snprintf(text, sizeof(text), "%s %llu%s ", key, (unsigned long long)n, units[unit]);
	print_color_string(PRINT_FP, COLOR_NONE, NULL, "%s", text);
}

static void print_sizes(struct rtattr *tb[])
{
	const void *ring = value_of(tb, IFLA_NPNIC_RING, sizeof(uint32_t));
	const void *region = value_of(tb, IFLA_NPNIC_REGION, sizeof(uint64_t));
	uint32_t bytes32;
	uint64_t bytes;

	if (ring) {
		memcpy(&bytes32, ring, sizeof(bytes32));
		print_size("ring", bytes32);
	}
	if (region) {
		memcpy(&bytes, region, sizeof(bytes));
		print_size("region", bytes);
	}
}

static void print_bus(struct rtattr *tb[])
{
	const char *bus = value_of(tb, IFLA_NPNIC_BUS, 1);

	if (bus && !bus[RTA_PAYLOAD(tb[IFLA_NPNIC_BUS]) - 1])
		print_color_string(PRINT_ANY, COLOR_NONE, "bus", "bus %s ", bus);
}

static void print_fabric(struct rtattr *tb[])
{
	const unsigned char *fabric = value_of(tb, IFLA_NPNIC_FABRIC, NPNIC_FABRIC_LEN);
	char hex[2 * NPNIC_FABRIC_LEN + 1];

	if (!fabric)
		return;
	for (int i = 0; i < NPNIC_FABRIC_LEN; i++)
		sprintf(hex + 2 * i, "%02x", fabric[i]);
	print_color_string(PRINT_ANY, COLOR_NONE, "fabric", "fabric %s ", hex);
}

static void npnic_print_opt(struct link_util *lu, FILE *f, struct rtattr *tb[])
{
	(void)lu;
	(void)f;
	if (!tb)
		return;
	print_number(tb, IFLA_NPNIC_QUEUES, "queues", "queues %u ");
	print_sizes(tb);
	print_bus(tb);
	print_fabric(tb);
	print_number(tb, IFLA_NPNIC_SLOT, "slot", "slot %u ");
	print_number(tb, IFLA_NPNIC_SLOTS, "slots", "slots %u ");
}

static void npnic_print_help(struct link_util *lu, int argc, char **argv, FILE *f)
{
	(void)lu;
	(void)argc;
	(void)argv;
	fputs(usage, f);
}

__attribute__((visibility("default")))
struct link_util npnic_link_util = {
	.id = NPNIC_KIND,
	.maxattr = IFLA_NPNIC_MAX,
	.parse_opt = npnic_parse_opt,
	.print_opt = npnic_print_opt,
	.print_help = npnic_print_help,
};
