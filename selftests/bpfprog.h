/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs that choose a member of a SO_REUSEPORT group, written in instructions:
 * of the classic kind, which are attached as they are made, and of the newer kind,
 * which are loaded first.
 */
#ifndef NEWPROTO_SELFTESTS_BPFPROG_H
#define NEWPROTO_SELFTESTS_BPFPROG_H

#include <linux/bpf.h>
#include <linux/filter.h>

#include "common.h"

int attach_code(int fd, struct sock_filter *code, int n);
int attach_constant(int fd, unsigned int answer);
int attach_word(int fd, int word, int of);
int attach_digit(int fd, int at);
int attach_length(int fd);
int detach_program(int fd);

int load_constant(int type, int answer);
int load_payload(void);
int attach_loaded(int fd, int prog);

/* A map that has an answer, and how often it was given. */
struct oracle {
	uint32_t answer;
	uint32_t asked;
};

int load_oracle(int map);
int oracle_map(void);
int oracle_set(int map, uint32_t answer);
int oracle_asked(int map);

#endif /* NEWPROTO_SELFTESTS_BPFPROG_H */
