// SPDX-License-Identifier: GPL-2.0-only
/*
 * socketmap [DOMAIN TYPE PROTOCOL [hold]]
 *
 * Prints what socket() says: 0 or the errno. Without arguments, to every domain,
 * type and protocol, a line each: two such maps, before and after a module is
 * loaded, show what it changed. With "hold" the socket stays open until the
 * standard input ends.
 *
 * Where nobody has registered a domain the kernel does not look at the protocol, so
 * that a few of them are asked for there; the others' lines say "-".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <kselftest.h>

#define DOMAINS		46
#define PROTOCOLS	263
#define WORKERS		16

static const int types[] = { 1, 2, 3, 4, 5, 6, 10 };

#define TYPES		((int)ARRAY_SIZE(types))

#define NOT_ASKED	(-1)

struct map {
	int err[DOMAINS][TYPES][PROTOCOLS];
	int known[DOMAINS];
};

static int try_socket(int domain, int type, int protocol, int *err)
{
	int fd = socket(domain, type, protocol);

	*err = fd < 0 ? errno : 0;
	return fd;
}

/* Is a domain registered? If not every type and protocol has the same answer. */
static int is_known(int domain)
{
	int t, err, fd;

	for (t = 0; t < TYPES; t++) {
		fd = try_socket(domain, types[t], 0, &err);
		if (fd >= 0)
			close(fd);
		if (err != EAFNOSUPPORT)
			return 1;
	}
	return 0;
}

static int is_asked(const struct map *m, int domain, int protocol)
{
	static const int few[] = { 0, 1, 6, 17, 132, 258, 259 };
	int i;

	for (i = 0; i < (int)ARRAY_SIZE(few); i++)
		if (few[i] == protocol)
			return 1;
	return m->known[domain];
}

/* One worker's share of the protocols. */
static void map_share(struct map *m, int worker)
{
	int domain, t, protocol, fd, err;

	for (domain = 0; domain < DOMAINS; domain++) {
		for (t = 0; t < TYPES; t++) {
			for (protocol = worker; protocol < PROTOCOLS; protocol += WORKERS) {
				m->err[domain][t][protocol] = NOT_ASKED;
				if (!is_asked(m, domain, protocol))
					continue;
				fd = try_socket(domain, types[t], protocol, &err);
				m->err[domain][t][protocol] = err;
				if (fd >= 0)
					close(fd);
			}
		}
	}
}

static void print_map(const struct map *m)
{
	int domain, t, protocol;

	for (domain = 0; domain < DOMAINS; domain++) {
		for (t = 0; t < TYPES; t++) {
			for (protocol = 0; protocol < PROTOCOLS; protocol++) {
				int err = m->err[domain][t][protocol];

				printf("%d %d %d ", domain, types[t], protocol);
				if (err == NOT_ASKED)
					printf("-\n");
				else
					printf("%d\n", err);
			}
		}
	}
}

/*
 * Packet sockets wait, when they are closed, for all processors to have seen it;
 * the workers wait at the same time.
 */
static int map(void)
{
	struct map *m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int domain, i, status, failed = 0;

	if (m == MAP_FAILED)
		return 1;
	for (domain = 0; domain < DOMAINS; domain++)
		m->known[domain] = is_known(domain);
	for (i = 0; i < WORKERS; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (!pid) {
			map_share(m, i);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		failed |= status;
	print_map(m);
	return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	char buf[64];
	int fd, err;

	if (argc < 4)
		return map();
	fd = try_socket(atoi(argv[1]), atoi(argv[2]), atoi(argv[3]), &err);
	printf("%s %s %s %d\n", argv[1], argv[2], argv[3], err);
	fflush(stdout);
	if (fd < 0)
		return 1;
	if (argc > 4 && !strcmp(argv[4], "hold"))
		while (read(0, buf, sizeof(buf)) > 0)
			;
	return 0;
}
