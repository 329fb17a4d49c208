/* SPDX-License-Identifier: MIT
 *
 * The promises about bytes: frames leave whole and in order, a raw stream is exactly what was accepted for
 * this connection, and what comes back is what the host sent, once.
 */
#include "world.h"

#include <errno.h>
#include <string.h>

/* ---- frames ---- */

static struct sim_binding *binding_of(struct world *world, int client, struct frame_text name)
{
	struct user *user = &world->user;
	uint32_t number = 0;

	for (size_t i = 1; i < name.size; i++)
		number = number * 10 + (uint32_t)(name.data[i] - '0');
	for (uint32_t i = user->bindings_count; i > 0; i--) {
		struct sim_binding *binding = &user->bindings[i - 1];

		if (binding->made && (int)binding->client == client && binding->service == number &&
		    !binding->ended && !binding->freed)
			return binding;
	}
	return NULL;
}

/* Bindings that are asked for the first time leave in the order of the calls; but one for which there was no
 * memory is asked for later. */
static void taken_bind(struct world *world, struct sim_connection *connection, const struct frame *frame)
{
	struct sim_binding *binding;

	if (frame->service.size == 5 && memcmp(frame->service.data, "setup", 5) == 0) {
		connection->setup_known = true;
		return;
	}
	binding = binding_of(world, connection->client, frame->service);
	/* Released while its request was on the way; or it may be the request of an earlier one of that name.
	 */
	if (!binding || binding->service < SERVICES_UNIQUE_FROM)
		return;
	if (!binding->on_wire) {
		if (connection->session.newest_bind > binding->index + 1 &&
		    binding->failures_before == world->memory.failures)
			violated(world, "binding %u is asked for after a later one", binding->index);
		connection->session.newest_bind = binding->index + 1;
	}
	binding->on_wire = true;
	binding->pending_connection = connection_id(world, connection);
	binding->pending_at_ns = world->now;
}

static void check_arguments(struct world *world, const struct sim_call *call, struct frame_text text)
{
	if (text.size != call->arguments_size)
		violated(world, "call %u leaves with %zu bytes of its %u", call->index, text.size,
		    call->arguments_size);
	for (size_t i = TEXT_HEADER; i < text.size; i++)
		if (text.data[i] != pattern_byte(call->index, i))
			violated(world, "call %u leaves with other bytes than it was given (at %zu)",
			    call->index, i);
}

static void taken_invoke(
    struct world *world, struct sim_connection *connection, const struct frame *frame, uint64_t begins_at)
{
	struct user *user = &world->user;
	struct sim_call *call;
	uint32_t number;

	if (frame->arguments.size < TEXT_HEADER || word_get(frame->arguments.data) != ARGUMENTS_MAGIC)
		violated(world, "an invoke leaves with arguments that nobody gave");
	number = word_get(frame->arguments.data + 4);
	if (number >= SETUP_NUMBER)
		return;
	if (number >= user->calls_count || !user->calls[number].made)
		violated(world, "call %u leaves, and was never made", number);
	call = &user->calls[number];
	if (call->taken)
		violated(world, "call %u leaves a second time", number);
	if (call->claimed_unsent)
		violated(world, "call %u was reported as never sent, and leaves", number);
	if (user->bindings[call->binding].client != (uint32_t)connection->client)
		violated(world, "call %u leaves on the connection of client %d", number, connection->client);
	if (frame->drop_reply != call->no_reply)
		violated(world, "call %u leaves with drop_reply %d", number, frame->drop_reply);
	if (call->fds_count && (connection->fds_count != call->fds_count || connection->fds_at != begins_at))
		violated(world, "call %u leaves without its descriptors", number);
	check_arguments(world, call, frame->arguments);
	call->taken = true;
}

static void taken_frame(
    struct world *world, struct sim_connection *connection, const uint8_t *data, size_t size)
{
	uint64_t begins_at = connection->consumed + connection->outbound_tapped;
	struct frame frame;

	if (size > FRAME_MAX)
		violated(world, "a frame of %zu bytes leaves", size);
	if (!frame_read(data + FRAME_HEADER, size - FRAME_HEADER, &frame) || frame.kind == FRAME_OTHER)
		violated(world, "connection %llu: what leaves is no request",
		    (unsigned long long)connection->number);
	if (frame.id <= connection->session.last_id)
		violated(world, "request id %llu leaves after %llu", (unsigned long long)frame.id,
		    (unsigned long long)connection->session.last_id);
	connection->session.last_id = frame.id;
	if (frame.kind == FRAME_BIND)
		taken_bind(world, connection, &frame);
	else
		taken_invoke(world, connection, &frame, begins_at);
}

/* All that the kernel has, and what it is given now: calls that are whole in it may be executed from here on.
 */
void oracle_given(
    struct world *world, const struct sim_connection *connection, const struct operation *operation)
{
	struct user *user = &world->user;
	struct buffer *given = &world->given;
	struct frame frame;
	size_t size;

	if (world->hosts[connection->host].raw)
		return;
	for (uint32_t i = 0; i < user->calls_count && !connection->host_open; i++)
		user->calls[i].given = true; /* nobody reads there any more: nobody can tell */
	if (!connection->host_open)
		return;
	buffer_clear(given);
	buffer_append(given, buffer_bytes(&connection->outbound) + connection->outbound_tapped,
	    buffer_size(&connection->outbound) - connection->outbound_tapped);
	for (unsigned i = 0; i < operation->vectors_count; i++)
		buffer_append(given, operation->vectors[i].iov_base, operation->vectors[i].iov_len);
	while ((size = frame_whole(buffer_bytes(given), buffer_size(given))) > 0) {
		if (frame_read(buffer_bytes(given) + FRAME_HEADER, size - FRAME_HEADER, &frame) &&
		    frame.kind == FRAME_INVOKE && frame.arguments.size >= TEXT_HEADER &&
		    word_get(frame.arguments.data + 4) < user->calls_count)
			user->calls[word_get(frame.arguments.data + 4)].given = true;
		buffer_consume(given, size);
	}
}

/* ---- raw streams ---- */

static void expect_setup(struct sim_connection *connection, const struct sim_client *client)
{
	uint8_t *place;

	connection->setup_at = buffer_size(&connection->expected);
	connection->setup_known = true;
	place = buffer_grow(&connection->expected, SETUP_SIZE);
	word_put(place, ARGUMENTS_MAGIC);
	word_put(place + 4, SETUP_NUMBER + client->index);
	word_put(place + 8, 1);
	word_put(place + 12, SETUP_SIZE);
	for (size_t i = TEXT_HEADER; i < SETUP_SIZE; i++)
		place[i] = pattern_byte(SETUP_NUMBER + client->index, i);
}

static void taken_raw(struct world *world, struct sim_connection *connection)
{
	const struct sim_client *client = &world->user.clients[connection->client];
	size_t size = buffer_size(&connection->outbound) - connection->outbound_tapped;
	uint64_t begins_at = connection->consumed + connection->outbound_tapped;

	if (begins_at + size > buffer_size(&connection->expected) && client->setup_asked &&
	    !connection->setup_known)
		expect_setup(connection, client);
	if (begins_at + size > buffer_size(&connection->expected))
		violated(world, "client %u: bytes leave that nobody gave", client->index);
	if (memcmp(buffer_bytes(&connection->expected) + begins_at,
		buffer_bytes(&connection->outbound) + connection->outbound_tapped, size) != 0)
		violated(world, "client %u: other bytes leave than those given", client->index);
	connection->outbound_tapped += size;
}

void oracle_taken(struct world *world, struct sim_connection *connection)
{
	if (world->hosts[connection->host].raw) {
		taken_raw(world, connection);
		return;
	}
	for (;;) {
		const uint8_t *data = buffer_bytes(&connection->outbound) + connection->outbound_tapped;
		size_t size =
		    frame_whole(data, buffer_size(&connection->outbound) - connection->outbound_tapped);

		if (size == 0)
			return;
		taken_frame(world, connection, data, size);
		connection->outbound_tapped += size;
	}
}

void oracle_sent(struct sim_client *client, const uint8_t *data, size_t size, uint64_t position)
{
	struct world *world = client->world;
	struct sim_connection *connection = connection_find(world, client->connection);

	if (!connection || !connection->client_open)
		violated(world, "client %u has no connection and takes bytes to send", client->index);
	if (client->send_shut && client->told == HAWSER_READY)
		violated(world, "client %u has ended its sending half and takes bytes", client->index);
	if (position == buffer_size(&connection->expected) + size + SETUP_SIZE && client->setup_asked &&
	    !connection->setup_known)
		expect_setup(connection, client);
	if (position != buffer_size(&connection->expected) + size)
		violated(world,
		    "client %u: the position behind these bytes is said to be %llu instead of %zu",
		    client->index, (unsigned long long)position, buffer_size(&connection->expected) + size);
	buffer_append(&connection->expected, data, size);
}

/* What comes back from an echo is what left, from its first byte on. */
static struct sim_connection *check_echo(struct sim_client *client, const struct hawser_bytes *data)
{
	struct world *world = client->world;
	struct sim_connection *connection = connection_find(world, client->connection);

	if (client->freed || !client->raw)
		violated(world, "client %u is given bytes that it cannot expect", client->index);
	if (!connection)
		violated(world, "client %u is given bytes and has no connection", client->index);
	if (connection->received + data->size > connection->delivered ||
	    connection->received + data->size > buffer_size(&connection->expected))
		violated(world, "client %u is given more bytes than came", client->index);
	if (data->size &&
	    memcmp(data->data, buffer_bytes(&connection->expected) + connection->received, data->size) != 0)
		violated(world, "client %u is given other bytes than came", client->index);
	return connection;
}

void oracle_data(struct sim_client *client, const struct hawser_bytes *data)
{
	struct world *world = client->world;

	if (data->size == 0 && !client->options.half_close)
		violated(
		    world, "client %u is given no bytes, and did not ask for half-closing", client->index);
	if (client->paused)
		violated(world, "client %u has paused and is given bytes", client->index);
	check_echo(client, data)->received += data->size;
}

ssize_t oracle_check(struct sim_client *client, const struct hawser_bytes *data, bool *ret_done)
{
	struct world *world = client->world;
	struct sim_connection *connection;
	size_t left;

	if (!client->setup_asked || !client->setup_checked)
		violated(world, "client %u is asked about a setup that it did not ask for", client->index);
	if (!client->raw) {
		if (client->freed || data->size < TEXT_HEADER ||
		    word_get((const uint8_t *)data->data + 4) != SETUP_NUMBER + client->index)
			violated(world, "client %u is shown the answer to another setup", client->index);
		*ret_done = true;
		return (ssize_t)data->size;
	}
	connection = check_echo(client, data);
	if (!connection->setup_known) { /* what was under way before the request: none of it is the answer */
		connection->received += data->size;
		return (ssize_t)data->size;
	}
	if (connection->received >= connection->setup_at + SETUP_SIZE)
		violated(world, "client %u is shown bytes that its setup did not cause", client->index);
	left = (size_t)(connection->setup_at + SETUP_SIZE - connection->received);
	if (left > data->size)
		left = chance(world, 50) ? data->size : 0; /* all of it, or wait for more */
	connection->received += left;
	*ret_done = connection->received == connection->setup_at + SETUP_SIZE;
	return (ssize_t)left;
}

void oracle_writable(struct sim_client *client)
{
	/* Other protocols' requests may have met a full queue without a word to the user. */
	if (client->freed || (client->raw && !client->wants_writable && !client->wants_room))
		violated(client->world,
		    "client %u is told that it is writable, and was never told that it was not",
		    client->index);
	/* Each of the two limits that refused something is told when it has room. */
	if (!client->wants_writable)
		client->wants_room = false;
	client->wants_writable = false;
}
