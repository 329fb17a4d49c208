/* SPDX-License-Identifier: MIT
 *
 * What all parts of the running host share. One thread, so no locks.
 */
#ifndef HAWSER_HOST_HOST_H
#define HAWSER_HOST_HOST_H

#include <stdint.h>

#include "codec.h"
#include "options.h"
#include "timers.h"

enum { HOST_OUTPUT_BYTES_MAX = 256 * 1024 * 1024 }; /* unsent, over all connections */

/* First member of whatever epoll names, so that an event tells what it is about. */
enum source { SOURCE_SIGNAL, SOURCE_LISTENER, SOURCE_CONNECTION };

struct counters {
	uint64_t connections;
	uint64_t connections_refused;
	uint64_t binds;
	uint64_t calls;
	uint64_t bytes_received;
	uint64_t bytes_sent;
};

struct connection;

struct host {
	const struct options *options;
	int epoll_fd;
	struct timers timers;
	struct counters counters;
	uint64_t random;
	uint64_t output_bytes; /* unsent, over all connections */
	struct connection *connections;
	uint64_t connections_open;
	struct connection *closed; /* freed at the end of the turn: epoll may still name them */
	struct codec_frame frame;  /* where answers are encoded */
};

/* Writes the summary as JSON to --count-file, if there is one. */
void host_count_write(const struct host *host);

#endif
