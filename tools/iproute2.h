/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a plug-in for links uses of iproute2's ip, which has no header for that: a structure that
 * has been the same since 4.20, and functions that 6.1 and the versions after it have.
 */
#ifndef IPROUTE2_H
#define IPROUTE2_H

#include <stdint.h>
#include <stdio.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

/* The bound of a request that plug-ins are to keep. */
#define REQUEST_MAX	1024

struct link_util {
	struct link_util *next;
	const char *id;
	int maxattr;
	int (*parse_opt)(struct link_util *lu, int argc, char **argv, struct nlmsghdr *n);
	void (*print_opt)(struct link_util *lu, FILE *f, struct rtattr *tb[]);
	void (*print_xstats)(struct link_util *lu, FILE *f, struct rtattr *xstats);
	void (*print_help)(struct link_util *lu, int argc, char **argv, FILE *f);
	int (*parse_ifla_xstats)(struct link_util *lu, int argc, char **argv);
	int (*print_ifla_xstats)(struct nlmsghdr *n, void *arg);
};

/* It begins like a request, and that is all that is to be known of it. */
struct iplink_req;

enum output_type { PRINT_FP = 1, PRINT_JSON = 2, PRINT_ANY = 4 };
enum color_attr { COLOR_NONE = 6 };

int iplink_parse(int argc, char **argv, struct iplink_req *req, char **type);
int addattr_l(struct nlmsghdr *n, int maxlen, int type, const void *data, int len);
struct rtattr *addattr_nest(struct nlmsghdr *n, int maxlen, int type);
int addattr_nest_end(struct nlmsghdr *n, struct rtattr *nest);
int print_color_string(enum output_type type, enum color_attr color, const char *key,
		       const char *fmt, const char *value);
int print_color_uint(enum output_type type, enum color_attr color, const char *key,
		     const char *fmt, unsigned int value);
int print_color_u64(enum output_type type, enum color_attr color, const char *key,
		    const char *fmt, uint64_t value);
__attribute__((noreturn)) void incomplete_command(void);
__attribute__((noreturn)) void invarg(const char *message, const char *arg);
__attribute__((noreturn)) void duparg(const char *key, const char *arg);

#endif
