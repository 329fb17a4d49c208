/* SPDX-License-Identifier: MIT
 *
 * Somebody to connect to: a child process on another CPU that accepts and closes, or accepts and holds.
 *
 * It counts what it accepted in memory that both processes see, so that a slice can begin with an empty
 * backlog: a backlog that overflows would cost a retransmitted SYN, a second, and tell nothing of a client.
 */
#ifndef HAWSER_BENCH_SERVER_H
#define HAWSER_BENCH_SERVER_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

enum { ENDPOINT_ADDRESSES = 16, ENDPOINT_TARGET_MAX = 64, SERVER_BACKLOG = 4096 };

union socket_address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_un un;
};

/* Where to connect to, as sockaddr and as target; tcp has several addresses, used in turn. */
struct endpoint {
	const char *name; /* "tcp", "unix" */
	int family;
	socklen_t size;
	uint32_t count;
	union socket_address addresses[ENDPOINT_ADDRESSES];
	char targets[ENDPOINT_ADDRESSES][ENDPOINT_TARGET_MAX];
};

struct server {
	pid_t pid;
	struct endpoint tcp;
	struct endpoint local;
	struct endpoint held; /* unix: what connects here stays connected */
	atomic_uint_fast64_t *accepted;
	uint64_t announced;
	uint32_t backlog;
};

/* Pins this process to client_cpu and the server to server_cpu; -1 pins nothing. 0 or a negative errno. */
int server_start(struct server *server, int client_cpu, int server_cpu);

/* That many more were connected: waits until the server has accepted them all. -ETIMEDOUT. */
int server_catch_up(struct server *server, uint32_t connects);

void server_stop(struct server *server);

/* The calling thread; -1 pins nothing. */
void pin_thread(int cpu);

/* How every variant ends a connection. TCP is reset, because each one in TIME_WAIT would keep its port for a
 * minute, and the later slices would search longer for a free one than the earlier. */
void endpoint_hang_up(const struct endpoint *endpoint, int fd);

#endif
