/* SPDX-License-Identifier: MIT
 *
 * Sends and receives of the simulator's engine: partial, slow, in fragments, cut off, raced by their
 * cancellation.
 */
#include "world.h"

#include <errno.h>
#include <string.h>

/* What the library handed over must stay as it was until the completion. */
static void check_untouched(struct world *world, const struct operation *operation)
{
	uint64_t digest = 0;

	for (unsigned i = 0; i < operation->vectors_count; i++)
		digest = digest_bytes(digest, operation->vectors[i].iov_base, operation->vectors[i].iov_len);
	if (digest != operation->digest)
		violated(world, "engine: bytes of a send were touched before it completed");
	for (unsigned i = 0; i < operation->fds_count; i++) {
		const struct descriptor *descriptor = descriptor_find(world, operation->fds[i]);

		if (!descriptor->open)
			violated(world,
			    "engine: a descriptor was closed before the send that borrows it completed");
	}
}

static void send_ends(
    struct world *world, struct operation *operation, struct sim_connection *connection, int result)
{
	struct completion completion = {.result = result, .stage = HAWSER_STAGE_SEND};

	if (result < 0)
		trace(world, TRACE_send_end, connection->number, trace_number(result), 0);
	else
		trace(world, TRACE_send, connection->number, (uint64_t)result, operation->size);
	operation_deliver(world, operation, &completion);
}

void send_progress(struct world *world, uint64_t id, uint64_t detail)
{
	struct operation *operation = operation_find(world, id);
	struct sim_connection *connection;
	size_t size;
	size_t room;

	(void)detail;
	if (!operation)
		return;
	connection = operation_connection(world, operation);
	check_untouched(world, operation);
	if (connection->client_shut || connection->reset) {
		send_ends(world, operation, connection, connection->client_shut ? -EPIPE : -ECONNRESET);
		return;
	}
	if (!connection->host_open && (connection->is_unix || chance(world, 50))) {
		send_ends(world, operation, connection, -EPIPE);
		return;
	}
	room = network_room(world, connection);
	if (room == 0) {
		connection->send_waits = true;
		return;
	}
	size = operation->size < room ? operation->size : room;
	if (size > 1 && chance(world, world->faults.send_partial))
		size = (size_t)draw_between(world, 1, size - 1);
	network_take(
	    world, connection, operation->vectors, operation->vectors_count, size, operation->fds_count);
	send_ends(world, operation, connection, (int)size);
}

void engine_writable(struct world *world, struct sim_connection *connection)
{
	if (!connection->send_waits || !connection->send_id)
		return;
	connection->send_waits = false;
	agenda_add(world, 0, send_progress, connection->send_id, 0);
}

void stream_cancelled(struct world *world, struct operation *operation)
{
	if (operation->kind == OPERATION_SEND)
		check_untouched(world, operation);
	else if (chance(world, world->faults.cancel_races)) {
		struct sim_connection *connection = operation_connection(world, operation);

		if (connection)
			engine_readable(world, connection);
	}
}

/* ---- receiving ---- */

static void receive_ends(
    struct world *world, struct operation *operation, struct sim_connection *connection, int result)
{
	struct completion completion = {.result = result, .stage = HAWSER_STAGE_RECEIVE};

	trace(world, TRACE_receive_end, connection->number, trace_number(result), 0);
	operation_deliver(world, operation, &completion);
}

/* Descriptors end a receive: with the message they came with, or before it. */
static size_t cut_at_message(const struct sim_connection *connection, size_t size, bool *ret_with_fds)
{
	const struct message *message = &connection->messages[0];

	*ret_with_fds = false;
	if (!connection->messages_count || connection->delivered + size <= message->begin)
		return size;
	*ret_with_fds = true;
	return connection->delivered + size > message->end ? (size_t)(message->end - connection->delivered)
							   : size;
}

static size_t choose_fragment(struct world *world, const struct sim_connection *connection)
{
	size_t size = connection->inbound_arrived;
	size_t buffer_size_max = world->receive_buffer_size;

	if (size > buffer_size_max)
		size = buffer_size_max;
	if (size > 1 && chance(world, world->faults.fragments)) {
		if (chance(world, 50))
			size = size < 8 ? size : 8;
		size = (size_t)draw_between(world, 1, size);
	}
	return size;
}

static void take_message(
    struct world *world, struct sim_connection *connection, struct completion *completion, int *fds)
{
	const struct message *message = &connection->messages[0];

	completion->fds_count = message->count;
	completion->fds = fds;
	for (unsigned i = 0; i < message->count; i++) {
		fds[i] = message->fds[i];
		descriptor_find(world, fds[i])->holder = HOLDER_LIBRARY;
	}
	connection->messages_count--;
	memmove(&connection->messages[0], &connection->messages[1],
	    connection->messages_count * sizeof(connection->messages[0]));
}

static void receive_bytes(struct world *world, struct operation *operation, struct sim_connection *connection)
{
	struct completion completion = {.stage = HAWSER_STAGE_RECEIVE, .more = true};
	struct buffer *scratch = &world->engine.scratch;
	bool with_fds;
	int fds[2];
	size_t size = choose_fragment(world, connection);

	size = cut_at_message(connection, size, &with_fds);
	buffer_clear(scratch);
	buffer_append(scratch, buffer_bytes(&connection->inbound), size);
	buffer_consume(&connection->inbound, size);
	connection->inbound_arrived -= size;
	if (with_fds)
		take_message(world, connection, &completion, fds);
	connection->delivered += size;
	if (with_fds && chance(world, world->faults.fds_lost))
		completion.fds_lost = true;
	if (chance(world, world->faults.receive_ends))
		completion.more = false;
	completion.result = (int)size;
	completion.data = buffer_bytes(scratch);
	trace(world, TRACE_receive, connection->number, size, completion.more);
	oracle_delivered(world, connection, completion.data, size);
	engine_readable(world, connection);
	operation_deliver(world, operation, &completion);
	memset(scratch->data, 0xdd, size);
}

static void receive_progress(struct world *world, uint64_t id, uint64_t detail)
{
	struct sim_connection *connection = connection_find(world, id);
	struct operation *operation;

	(void)detail;
	if (!connection)
		return;
	connection->readable_planned = false;
	operation = operation_find(world, connection->receive_id);
	if (!operation)
		return;
	if (connection->inbound_arrived && chance(world, world->faults.receive_starves))
		receive_ends(world, operation, connection, -ENOBUFS);
	else if (connection->inbound_arrived)
		receive_bytes(world, operation, connection);
	else if (connection->reset)
		receive_ends(world, operation, connection, -ECONNRESET);
	else if (connection->end_arrived)
		receive_ends(world, operation, connection, 0);
}

void engine_readable(struct world *world, struct sim_connection *connection)
{
	if (connection->readable_planned || !connection->receive_id)
		return;
	if (!connection->inbound_arrived && !connection->reset && !connection->end_arrived)
		return;
	connection->readable_planned = true;
	agenda_add(world, chance(world, world->faults.receive_slow) ? draw_below(world, 2 * MILLISECOND) : 0,
	    receive_progress, connection_id(world, connection), 0);
}
