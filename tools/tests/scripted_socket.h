/* SPDX-License-Identifier: GPL-2.0-only */
/* What scripted_socket.so writes down, for socket_probe, which looks it up by name. */
#ifndef SCRIPTED_SOCKET_H
#define SCRIPTED_SOCKET_H

#define SCRIPTED_OPTIONS	8

/* A call of setsockopt() with an int, or with the name of a device. */
struct scripted_option {
	int fd;
	int level;
	int name;
	int value;
	char device[16];
};

/* How many calls of socket(), and the last one's arguments. */
extern int scripted_calls;
extern int scripted_domain;
extern int scripted_type;
extern int scripted_protocol;

/* How many calls of setsockopt(), and the first of them. */
extern int scripted_option_calls;
extern struct scripted_option scripted_options[SCRIPTED_OPTIONS];

#endif
