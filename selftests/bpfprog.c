// SPDX-License-Identifier: GPL-2.0-only
/*
 * See bpfprog.h.
 */
#include <kselftest.h>

#include "bpfprog.h"

int attach_code(int fd, struct sock_filter *code, int n)
{
	struct sock_fprog prog = { .len = n, .filter = code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog));
}

/* One that always gives the same answer. */
int attach_constant(int fd, unsigned int answer)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, answer) };

	return attach_code(fd, code, ARRAY_SIZE(code));
}

/* A word of what the kernel knows of the packet, modulo @of unless that is 0. */
int attach_word(int fd, int word, int of)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, SKF_AD_OFF + word),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, of ?: 0x7fffffff),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};

	return attach_code(fd, code, ARRAY_SIZE(code));
}

/* The byte at @at, as a digit. */
int attach_digit(int fd, int at)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, at),
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, '0'),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};

	return attach_code(fd, code, ARRAY_SIZE(code));
}

int attach_length(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};

	return attach_code(fd, code, ARRAY_SIZE(code));
}

int detach_program(int fd)
{
	return sock_set(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, 0);
}

static int bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static struct bpf_insn insn(int code, int dst, int src, int off, int imm)
{
	return (struct bpf_insn){
		.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm,
	};
}

static int load_program(int type, const struct bpf_insn *code, int n)
{
	static char log[4096];
	union bpf_attr attr = {
		.prog_type = type, .insns = (uintptr_t)code, .insn_cnt = n,
		.license = (uintptr_t)"GPL", .log_buf = (uintptr_t)log,
		.log_size = sizeof(log), .log_level = 1,
	};
	int fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0)
		fprintf(stderr, "# program refused: %s\n# %s\n", strerror(errno), log);
	return fd;
}

int load_constant(int type, int answer)
{
	struct bpf_insn code[] = {
		insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, answer),
		insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return load_program(type, code, ARRAY_SIZE(code));
}

/* The first byte, as a digit. */
int load_payload(void)
{
	struct bpf_insn code[] = {
		insn(BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0),
		insn(BPF_LD | BPF_ABS | BPF_B, 0, 0, 0, 0),
		insn(BPF_ALU64 | BPF_SUB | BPF_K, 0, 0, 0, '0'),
		insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return load_program(BPF_PROG_TYPE_SOCKET_FILTER, code, ARRAY_SIZE(code));
}

int load_oracle(int map)
{
	struct bpf_insn code[] = {
		insn(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 0),
		insn(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
		insn(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4),
		insn(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, map),
		insn(0, 0, 0, 0, 0),
		insn(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
		insn(BPF_JMP | BPF_JNE | BPF_K, 0, 0, 1, 0),
		insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
		insn(BPF_ALU64 | BPF_MOV | BPF_K, 1, 0, 0, 1),
		insn(BPF_STX | BPF_ATOMIC | BPF_W, 0, 1, offsetof(struct oracle, asked), BPF_ADD),
		insn(BPF_LDX | BPF_MEM | BPF_W, 0, 0, offsetof(struct oracle, answer), 0),
		insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
	};

	return load_program(BPF_PROG_TYPE_SOCKET_FILTER, code, ARRAY_SIZE(code));
}

int oracle_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4,
		.value_size = sizeof(struct oracle), .max_entries = 1,
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

int oracle_set(int map, uint32_t answer)
{
	struct oracle o = { .answer = answer };
	uint32_t key = 0;
	union bpf_attr attr = {
		.map_fd = map, .key = (uintptr_t)&key, .value = (uintptr_t)&o,
	};

	return bpf(BPF_MAP_UPDATE_ELEM, &attr);
}

int oracle_asked(int map)
{
	struct oracle o = { };
	uint32_t key = 0;
	union bpf_attr attr = {
		.map_fd = map, .key = (uintptr_t)&key, .value = (uintptr_t)&o,
	};

	return bpf(BPF_MAP_LOOKUP_ELEM, &attr) ? -1 : o.asked;
}

/* Attaches a program of the newer kind, which lives on without its descriptor. */
int attach_loaded(int fd, int prog)
{
	int ret = prog < 0 ? -1 : sock_set(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, prog);
	int err = errno;

	close(prog);
	errno = err;
	return ret;
}
