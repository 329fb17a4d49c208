/* SPDX-License-Identifier: MIT
 *
 * Listeners of a test's own, for hosts that do what no program should: be full, be stale, never answer a SYN.
 */
#ifndef TESTS_SUPPORT_SOCKETS_H
#define TESTS_SUPPORT_SOCKETS_H

#include <stddef.h>

/* A unix socket bound to the path of a "unix:" target; listening if backlog >= 0. */
int sockets_listen_path(const char *target, int backlog);
/* One connection to it that nobody has accepted. */
int sockets_connect_path(const char *target);
/* On loopback, with a free port; ret_target is "tcp:127.0.0.1:PORT". Not listening if backlog < 0. */
int sockets_listen_tcp(int backlog, char *ret_target, size_t size);

/* Waits for a connection (bounded) and accepts it. */
int sockets_accept(int listener);

/* A loopback listener with a backlog of 0 that is full: further SYNs are dropped, as a black hole drops them.
 */
struct black_hole {
	int listener;
	int fillers[2];
};
void black_hole_open(struct black_hole *hole, char *ret_target, size_t size);
void black_hole_close(struct black_hole *hole);

#endif
