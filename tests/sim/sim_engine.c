/* SPDX-License-Identifier: MIT
 *
 * The operations table of the simulator's engine, its clock and its waiting. What comes of an operation is
 * decided in engine_connect.c and engine_stream.c; here are the ids, the delivery (one final completion each,
 * from wait alone) and the checks that the caller keeps its half of the contract.
 */
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Longer than anything that a world plans: hosts that come and go keep time passing. */
#define SLEEP_MOST (3600 * SECOND)

static struct world *world_of(const struct engine *engine)
{
	return ((const struct sim_engine *)(const void *)engine)->world;
}

/* ---- operations ---- */

uint64_t operation_id(const struct world *world, const struct operation *operation)
{
	uint64_t at = (uint64_t)(operation - world->engine.operations);

	return (uint64_t)operation->generation << 32 | at;
}

struct operation *operation_find(struct world *world, uint64_t id)
{
	uint64_t at = id & UINT32_MAX;
	struct operation *operation;

	if (id == 0 || at >= OPERATIONS_MAX)
		return NULL;
	operation = &world->engine.operations[at];
	return operation->active && operation->generation == id >> 32 ? operation : NULL;
}

struct sim_connection *operation_connection(struct world *world, const struct operation *operation)
{
	struct descriptor *descriptor = descriptor_find(world, operation->fd);

	return descriptor && descriptor->open ? connection_find(world, descriptor->connection) : NULL;
}

static struct operation *operation_start(
    struct world *world, enum operation_kind kind, struct handler handler, uint64_t *ret_id)
{
	struct sim_engine *engine = &world->engine;
	struct operation *operation;

	if (!handler.done)
		violated(world, "engine: an operation without a handler");
	if (!ret_id)
		violated(world, "engine: an operation whose id nobody wants");
	if (!world->memory.spared && chance(world, world->faults.start_fails)) {
		world->memory.failures++;
		return NULL;
	}
	if (engine->free_count == 0)
		violated(world, "engine: more than %d operations in flight", OPERATIONS_MAX);
	operation = &engine->operations[engine->free_operations[--engine->free_count]];
	memset(operation, 0, sizeof(*operation));
	operation->active = true;
	operation->kind = (uint8_t)kind;
	operation->generation = ++engine->sequence;
	operation->handler = handler;
	operation->started_ns = world->now;
	operation->fd = -1;
	operation->client = -1;
	engine->in_flight++;
	*ret_id = operation_id(world, operation);
	return operation;
}

static void operation_end(struct world *world, struct operation *operation)
{
	struct sim_engine *engine = &world->engine;
	struct sim_connection *connection = operation_connection(world, operation);

	if (connection && operation->kind == OPERATION_SEND)
		connection->send_id = 0;
	if (connection && operation->kind == OPERATION_RECEIVE)
		connection->receive_id = 0;
	operation->active = false;
	engine->free_operations[engine->free_count++] = (uint32_t)(operation - engine->operations);
	engine->in_flight--;
}

void operation_deliver(struct world *world, struct operation *operation, struct completion *completion)
{
	struct handler handler = operation->handler;

	if (!world->engine.waiting)
		violated(world, "simulator: a completion outside of wait");
	completion->id = operation_id(world, operation);
	if (!completion->more)
		operation_end(world, operation);
	world->engine.delivered++;
	world->engine.delivered_all++;
	handler.done(handler.owner, completion);
}

static void operation_cancelled(struct world *world, uint64_t id, uint64_t detail)
{
	struct operation *operation = operation_find(world, id);
	struct completion completion = {.result = -ECANCELED, .stage = HAWSER_STAGE_CONNECT};

	(void)detail;
	if (operation)
		operation_deliver(world, operation, &completion);
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

/* ---- starting ---- */

static int sim_connect(
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

static int sim_resolve(
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

static int sim_send(struct engine *base, int fd, const struct iovec *vectors, unsigned vectors_count,
    const int *fds, unsigned fds_count, struct handler handler, uint64_t *ret_id)
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

static int sim_receive(struct engine *base, int fd, bool with_fds, struct handler handler, uint64_t *ret_id)
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

static int sim_poll(struct engine *base, int fd, short events, struct handler handler, uint64_t *ret_id)
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

static int sim_watch(struct engine *base, const char *directory, struct handler handler, uint64_t *ret_id)
{
	struct world *world = world_of(base);
	struct operation *operation;

	if (!directory || !*directory || strlen(directory) >= DIRECTORY_MAX)
		violated(world, "engine: a watch of no directory");
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

static void sim_cancel(struct engine *base, uint64_t id)
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

static void sim_close(struct engine *base, int fd)
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

static void sim_shutdown(struct engine *base, int fd, int how)
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

static int sim_peer(struct engine *base, int fd, struct socket_peer *ret_peer)
{
	struct world *world = world_of(base);
	struct sim_connection *connection = stream_of(world, fd, "peer");

	if (!connection || !connection->is_unix)
		return -EOPNOTSUPP;
	*ret_peer = (struct socket_peer){
	    .pid = (pid_t)(1000 + connection->host), .uid = world->hosts[connection->host].uid};
	return 0;
}

/* ---- waiting ---- */

static uint64_t sim_now(struct engine *base)
{
	return world_of(base)->now;
}

static int sim_wait(struct engine *base, uint64_t until_ns, unsigned completions_max)
{
	struct world *world = world_of(base);
	struct sim_engine *engine = &world->engine;
	uint64_t began_ns = world->now;

	if (engine->waiting || completions_max == 0)
		violated(world, "engine: wait within wait, or for no completion");
	engine->waiting = true;
	engine->delivered = 0;
	while (engine->delivered < completions_max) {
		const struct event *first = agenda_first(world);

		if (first && first->at_ns <= world->now) {
			agenda_happen(world);
			if (engine->delivered && chance(world, world->faults.wait_returns))
				break;
			continue;
		}
		if (engine->delivered || engine->woken || until_ns <= world->now ||
		    chance(world, world->faults.wait_returns))
			break;
		if (until_ns == ENGINE_NEVER && (!first || first->at_ns > began_ns + SLEEP_MOST))
			violated(world, "the loop sleeps for ever: nothing can wake it");
		if (!first || first->at_ns > until_ns)
			world->now = until_ns;
		else
			world->now = first->at_ns;
	}
	engine->woken = false;
	engine->waiting = false;
	return (int)engine->delivered;
}

static void sim_wake(struct engine *base)
{
	((struct sim_engine *)(void *)base)->woken = true;
}

static int sim_event_fd(struct engine *base)
{
	(void)base;
	return -EMFILE;
}

static int sim_submit(struct engine *base)
{
	(void)base;
	return 0;
}

static size_t sim_memory(const struct engine *base)
{
	(void)base;
	return 0;
}

static uint64_t sim_stale(const struct engine *base)
{
	(void)base;
	return 0;
}

static void sim_destroy(struct engine *base)
{
	struct world *world = world_of(base);

	for (int i = 0; i < OPERATIONS_MAX; i++) {
		struct operation *operation = &world->engine.operations[i];

		if (!operation->active)
			continue;
		if (operation->kind <= OPERATION_RECEIVE)
			violated(world, "engine: destroyed with an operation of kind %d in flight",
			    operation->kind);
		operation->active = false;
	}
	world->engine.exists = false;
}

static const struct engine_operations operations = {
    .name = "simulator",
    .destroy = sim_destroy,
    .now = sim_now,
    .connect = sim_connect,
    .send = sim_send,
    .receive = sim_receive,
    .poll = sim_poll,
    .watch = sim_watch,
    .resolve = sim_resolve,
    .cancel = sim_cancel,
    .close = sim_close,
    .shutdown = sim_shutdown,
    .peer = sim_peer,
    .wait = sim_wait,
    .wake = sim_wake,
    .event_fd = sim_event_fd,
    .submit = sim_submit,
    .memory = sim_memory,
    .stale = sim_stale,
};

int engine_begin(const struct engine_options *options, void *user, struct engine **ret_engine)
{
	struct world *world = user;
	struct sim_engine *engine = &world->engine;

	if (!options->memory)
		violated(world, "engine: created without the loop's memory");
	if (chance(world, world->faults.engine_fails)) {
		world->memory.failures++;
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < OPERATIONS_MAX; i++) {
		engine->operations[i].active = false;
		engine->free_operations[i] = OPERATIONS_MAX - 1 - i;
	}
	engine->engine.operations = &operations;
	engine->world = world;
	engine->free_count = OPERATIONS_MAX;
	engine->in_flight = 0;
	engine->sequence = 0;
	engine->waiting = false;
	engine->woken = false;
	engine->exists = true;
	*ret_engine = &engine->engine;
	return 0;
}
