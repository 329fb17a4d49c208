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

struct operation *operation_start(
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
	handler.done(handler.owner, completion);
}

void operation_cancelled(struct world *world, uint64_t id, uint64_t detail)
{
	struct operation *operation = operation_find(world, id);
	struct completion completion = {.result = -ECANCELED, .stage = HAWSER_STAGE_CONNECT};

	(void)detail;
	if (operation)
		operation_deliver(world, operation, &completion);
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
    .check_fd = sim_check_fd,
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
