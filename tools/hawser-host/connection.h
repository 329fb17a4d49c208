/* SPDX-License-Identifier: MIT
 *
 * One client of the host, from accept to close.
 */
#ifndef HAWSER_HOST_CONNECTION_H
#define HAWSER_HOST_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec.h"
#include "descriptors.h"
#include "host.h"
#include "input.h"
#include "output.h"

enum {
	CONNECTION_STREAMS_MAX = 1024,
	CONNECTION_DELAYED_MAX = 1024, /* answers that wait for their time */
	CONNECTION_HELD_MAX = 4,       /* answers held back by --reorder */
};

/* One counting stream: the replies from `next` to `last` are still to come. */
struct stream {
	struct stream *next_stream;
	uint64_t request_id;
	uint64_t next;
	uint64_t last;
};

/* A whole answer, encoded, on its way to the output queue. */
struct held_answer {
	struct descriptors descriptors;
	size_t length;
	uint8_t bytes[];
};

struct connection {
	enum source source;
	struct host *host;
	struct connection *previous;
	struct connection *next;
	int fd;
	uint32_t epoll_events;
	bool descriptors_possible;
	bool reading; /* false after --stop-reading-after */
	bool closing; /* no more requests; closed when all is sent */
	bool closed;
	struct input input;
	struct output output;
	uint64_t received; /* bytes */
	uint64_t requests;
	uint64_t binds;
	uint64_t calls;
	size_t timers_armed; /* that name this connection */
	size_t delayed_count;
	struct stream *first_stream;
	struct stream **last_stream;
	size_t streams_count;
	struct held_answer *held[CONNECTION_HELD_MAX];
	size_t held_count;
	uint64_t held_group;
	uint64_t flood_bytes; /* still to produce */
	uint64_t flood_request_id;
};

/* Takes fd over, also on failure. */
int connection_open(struct host *host, int fd, bool descriptors_possible);
void connection_turn(struct connection *connection, uint32_t epoll_events);

/* Sends what can be sent, tells epoll what to wait for, and closes a connection that has ended. */
void connection_settle(struct connection *connection);

/*
 * Queues the bytes as they are; descriptors may be NULL and are taken over. A client that does not read and
 * has reached a limit is closed.
 */
void connection_push(
    struct connection *connection, struct codec_bytes bytes, struct descriptors *descriptors);

/* Whether streams and floods may queue more. */
bool connection_may_produce(const struct connection *connection);

/* One try to send what is queued; a lost peer closes the connection. */
void connection_flush(struct connection *connection);

/* Sends what is queued, then closes; nothing more is read. */
void connection_finish(struct connection *connection);
void connection_close(struct connection *connection);
void connection_free_closed(struct host *host);

#endif
