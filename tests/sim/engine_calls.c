/* SPDX-License-Identifier: MIT
 *
 * What the library may ask of the simulator's engine: starts and ends of operations. Each checks that the
 * caller keeps its half of the contract; what comes of it is decided in engine_connect.c and engine_stream.c.
 */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct world *world_of(const struct engine *engine)
{
	return ((const struct sim_engine *)(const void *)engine)->world;
}

static struct sim_connection *stream_of(struct world *world, int fd, const char *what)
{
	struct descriptor *descriptor = descriptor_find(world, fd);

	if (!descriptor)
		violated(world, "engine: %s on fd %d, which is none", what, fd);
	if (!descriptor->open)
		violated(world, "engine: %s on the closed fd %d", what, fd - DESCRIPTOR_BASE);
	if (descriptor->holder != HOLDER_LIBRARY && descriptor->holder != HOLDER_OFFERED)
		violated(
		    world, "engine: %s on fd %d, which is not the library's", what, fd - DESCRIPTOR_BASE);
	return connection_find(world, descriptor->connection);
}

int sim_connect(
    struct engine *base, const struct connect_request *request, struct handler handler, uint64_t *ret_id)
{
	struct world *world = world_of(base);
	struct operation *operation;

	if (request->tag.magic != ENGINE_TAG_MAGIC || request->tag.version != 1)
		violated(world, "engine: a connect without the tag that the tracer reads");
	if (!request->options || request->deadline_ns == 0)
		violated(world, "engine: a connect without options, or with a deadline of 0");
	operation = operation_start(world, OPERATION_CONNECT, handler, ret_id);
	if (!operation)
		return -ENOMEM;
	connect_plan(world, operation, request);
	return 0;
}

int sim_resolve(
    struct engine *base, const char *host, uint16_t port, struct handler handler, uint64_t *ret_id)
{
	struct world *world = world_of(base);
	struct operation *operation;

	if (!host || !*host || port == 0)
		violated(world, "engine: a lookup of no host or port");
	operation = operation_start(world, OPERATION_RESOLVE, handler, ret_id);
	if (!operation)
		return -ENOMEM;
	operation->port = port;
	resolve_plan(world, operation, host);
	return 0;
}

int sim_send(struct engine *base, int fd, const struct iovec *vectors, unsigned vectors_count, const int *fds,
    unsigned fds_count, struct handler handler, uint64_t *ret_id)
{
	struct world *world = world_of(base);
	struct sim_connection *connection = stream_of(world, fd, "a send");
	struct operation *operation;

	if (!connection || connection->send_id)
		violated(world, "engine: two sends in flight on one fd, or none to send on");
	if (vectors_count == 0 || vectors_count > ENGINE_VECTORS_MAX || fds_count > ENGINE_FDS_MAX)
		violated(world, "engine: a send of %u vectors and %u descriptors", vectors_count, fds_count);
	if (connection->client_shut)
		violated(world, "engine: a send after the shutdown of the sending half");
	if (fds_count && !connection->is_unix)
		violated(world, "engine: descriptors sent over tcp");
	operation = operation_start(world, OPERATION_SEND, handler, ret_id);
	if (!operation)
		return -ENOMEM;
	operation->fd = fd;
	operation->vectors_count = vectors_count;
	memcpy(operation->vectors, vectors, vectors_count * sizeof(*vectors));
	operation->fds_count = fds_count;
	for (unsigned i = 0; i < fds_count; i++) {
		stream_of(world, fds[i], "passing");
		operation->fds[i] = fds[i];
	}
	for (unsigned i = 0; i < vectors_count; i++) {
		operation->size += vectors[i].iov_len;
		operation->digest = digest_bytes(operation->digest, vectors[i].iov_base, vectors[i].iov_len);
	}
	if (operation->size == 0)
		violated(world, "engine: a send of nothing");
	connection->send_id = *ret_id;
	oracle_given(world, connection, operation);
	agenda_add(world, chance(world, world->faults.send_slow) ? draw_below(world, 50 * MILLISECOND) : 0,
	    send_progress, *ret_id, 0);
	return 0;
}

int sim_receive(struct engine *base, int fd, bool with_fds, struct handler handler, uint64_t *ret_id)
{
	struct world *world = world_of(base);
	struct sim_connection *connection = stream_of(world, fd, "a receive");
	struct operation *operation;

	if (!connection || connection->receive_id)
		violated(world, "engine: two receives in flight on one fd, or none to receive from");
	if (with_fds != connection->is_unix)
		violated(world, "engine: a receive that does not know whether the fd is a unix socket");
	operation = operation_start(world, OPERATION_RECEIVE, handler, ret_id);
	if (!operation)
		return -ENOMEM;
	operation->fd = fd;
	connection->receive_id = *ret_id;
	engine_readable(world, connection);
	return 0;
}

static void poll_finish(struct world *world, uint64_t id, uint64_t detail)
{
	struct operation *operation = operation_find(world, id);
	struct completion completion = {.result = (int)detail};

	if (operation)
		operation_deliver(world, operation, &completion);
}

int sim_poll(struct engine *base, int fd, short events, struct handler handler, uint64_t *ret_id)
{
	struct world *world = world_of(base);

	if (!operation_start(world, OPERATION_POLL, handler, ret_id))
		return -ENOMEM;
	stream_of(world, fd, "a poll");
	agenda_add(world, draw_below(world, 10 * MILLISECOND), poll_finish, *ret_id, (uint64_t)events);
	return 0;
}

static void watch_refused(struct world *world, uint64_t id, uint64_t detail)
{
	struct operation *operation = operation_find(world, id);
	struct completion completion = {.result = -(int)detail};

	if (operation)
		operation_deliver(world, operation, &completion);
}

int sim_watch(struct engine *base, const char *directory, struct handler handler, uint64_t *ret_id)
{
	struct world *world = world_of(base);
	struct operation *operation;

	if (!directory || !*directory || strlen(directory) >= DIRECTORY_MAX)
		violated(world, "engine: a watch of no directory");
	for (int i = 0; i < OPERATIONS_MAX; i++) {
		operation = &world->engine.operations[i];
		if (operation->active && operation->kind == OPERATION_WATCH && !operation->cancelled &&
		    strcmp(operation->directory, directory) == 0)
			violated(world, "engine: two watches of one directory");
	}
	operation = operation_start(world, OPERATION_WATCH, handler, ret_id);
	if (!operation)
		return -ENOMEM;
	snprintf(operation->directory, sizeof(operation->directory), "%s", directory);
	trace(world, TRACE_watch_start, world->engine.sequence, 0, 0);
	if (chance(world, world->faults.watch_fails))
		agenda_add(world, 0, watch_refused, *ret_id, chance(world, 50) ? ENOSPC : ENOENT);
	return 0;
}

/* ---- ending ---- */

void sim_cancel(struct engine *base, uint64_t id)
{
	struct world *world = world_of(base);
	struct operation *operation = operation_find(world, id);

	if (!operation || operation->cancelled)
		return;
	operation->cancelled = true;
	trace(world, TRACE_cancel, operation->kind, 0, 0);
	if (operation->kind == OPERATION_CONNECT && operation->result == 0 && !operation->hangs &&
	    chance(world, world->faults.cancel_races)) {
		agenda_add(world, draw_below(world, 100 * MICROSECOND), connect_finish, id, 0);
		return;
	}
	if (operation->kind == OPERATION_SEND || operation->kind == OPERATION_RECEIVE)
		stream_cancelled(world, operation);
	agenda_add(world, draw_below(world, 100 * MICROSECOND), operation_cancelled, id, 0);
}

void sim_close(struct engine *base, int fd)
{
	struct world *world = world_of(base);
	struct sim_connection *connection = stream_of(world, fd, "close");

	trace(world, TRACE_close, trace_number(fd - DESCRIPTOR_BASE), 0, 0);
	if (connection && (connection->send_id || connection->receive_id))
		violated(world, "engine: fd closed with operations in flight");
	for (int i = 0; i < OPERATIONS_MAX && !connection; i++) {
		const struct operation *operation = &world->engine.operations[i];

		if (operation->active && operation->kind == OPERATION_SEND)
			for (unsigned k = 0; k < operation->fds_count; k++)
				if (operation->fds[k] == fd)
					violated(
					    world, "engine: a descriptor is closed while a send borrows it");
	}
	descriptor_close(world, fd);
}

void sim_shutdown(struct engine *base, int fd, int how)
{
	struct world *world = world_of(base);
	struct sim_connection *connection = stream_of(world, fd, "shutdown");

	trace(world, TRACE_shut, trace_number(fd - DESCRIPTOR_BASE), trace_number(how), 0);
	if (!connection)
		violated(world, "engine: shutdown of a descriptor that is no socket");
	if (how != SHUT_RD) {
		network_client_shuts(world, connection);
		engine_writable(world, connection);
	}
	if (how != SHUT_WR) {
		connection->end_arrived = true;
		engine_readable(world, connection);
	}
}

int sim_check_fd(struct engine *base, int fd)
{
	return descriptor_find(world_of(base), fd) ? 0 : -EBADF;
}

int sim_peer(struct engine *base, int fd, struct socket_peer *ret_peer)
{
	struct world *world = world_of(base);
	struct sim_connection *connection = stream_of(world, fd, "peer");

	if (!connection || !connection->is_unix)
		return -EOPNOTSUPP;
	*ret_peer = (struct socket_peer){.pid = (pid_t)(1000 + connection->host), .uid = connection->uid};
	return 0;
}
