// SPDX-License-Identifier: GPL-2.0-only
/*
 * A server and a client over AF_NEWPROTO: "hello_newproto server PORT" answers one client,
 * "hello_newproto client PORT" sends it a text again and again and says how long an answer takes.
 *
 * With -DFAMILY=AF_INET it is a program for TCP: nothing but socket()'s first argument differs.
 */
#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/newproto.h>

#ifndef FAMILY
#define FAMILY AF_NEWPROTO
#endif
#define ROUNDS 5000

static void serve(int sock, const struct sockaddr *addr, socklen_t len)
{
	char text[64];
	ssize_t n;
	int client;

	if (bind(sock, addr, len) || listen(sock, 1))
		err(1, "cannot listen");
	client = accept(sock, NULL, NULL);
	while ((n = read(client, text, sizeof(text))) > 0)
		if (write(client, text, n) != n)
			err(1, "write");
	if (n < 0)
		err(1, "read");
}

static void greet(int sock, const struct sockaddr *addr, socklen_t len)
{
	char text[] = "Hello over any family", answer[sizeof(text)];
	struct timespec from, to;

	if (connect(sock, addr, len))
		err(1, "connect");
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (int i = 0; i < ROUNDS; i++) {
		if (write(sock, text, sizeof(text)) != sizeof(text) ||
		    recv(sock, answer, sizeof(answer), MSG_WAITALL) != sizeof(answer) ||
		    memcmp(text, answer, sizeof(text)))
			errx(1, "wrong answer in round %d", i);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%.2f microseconds per answer\n", ((to.tv_sec - from.tv_sec) * 1e6 +
	       (to.tv_nsec - from.tv_nsec) / 1e3) / ROUNDS);
}

int main(int argc, char *argv[])
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int sock = socket(FAMILY, SOCK_STREAM, 0);

	if (argc != 3)
		errx(1, "usage: %s server|client PORT", argv[0]);
	if (sock < 0)
		err(1, "socket");
	addr.sin_port = htons(atoi(argv[2]));
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(argv[1][0] == 's' ? serve : greet)(sock, (struct sockaddr *)&addr, sizeof(addr));
	return 0;
}
