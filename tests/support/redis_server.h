/* SPDX-License-Identifier: MIT
 *
 * A redis-server process for tests, with a password, in a directory of the test's own, on a unix socket and
 * on loopback; ended by its pid, and dead when the test dies.
 */
#ifndef TESTS_SUPPORT_REDIS_SERVER_H
#define TESTS_SUPPORT_REDIS_SERVER_H

#include "host.h"

#include <stdbool.h>

#define REDIS_PASSWORD "correct horse"

struct redis_server {
	pid_t pid; /* 0: not running */
	unsigned port;
	const char *directory;
	char unix_target[HOST_TARGET_BYTES];
	char tcp_target[HOST_TARGET_BYTES];
};

bool redis_server_installed(void);

/* Starts it and waits until it answers; after redis_server_kill or a SHUTDOWN again on the same targets, with
 * the data that a SHUTDOWN SAVE has left. Fails the test when it does not start. */
void redis_server_start(struct redis_server *server, const char *directory);
void redis_server_restart(struct redis_server *server);
void redis_server_kill(struct redis_server *server);
/* SIGSTOP and SIGCONT. */
void redis_server_freeze(struct redis_server *server, bool frozen);

/* One inline command over a blocking connection of its own; all it answers, or all until it has ended (after
 * SHUTDOWN). Valid until the next call. */
const char *redis_server_ask(struct redis_server *server, const char *command);

#endif
