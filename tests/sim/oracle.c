/* SPDX-License-Identifier: MIT
 *
 * The promises about callbacks in general, about clients and their states, and about attempts and backoff.
 */
#include "world.h"

#include "core/connection.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More callbacks than this in one moment, and the loop is running in circles. */
enum { CALLBACKS_MOMENT_MAX = 20000 };

void oracle_callback(struct world *world)
{
	if (world->in_api)
		violated(world, "a callback runs inside the call that caused it");
	if (world->in_callback)
		violated(world, "a callback runs inside a callback");
	if (!world->running)
		violated(world, "a callback runs while nobody runs the loop");
	if (world->now != world->callbacks_at_ns) {
		world->callbacks_at_ns = world->now;
		world->callbacks_this_moment = 0;
	}
	if (++world->callbacks_this_moment > CALLBACKS_MOMENT_MAX)
		violated(world, "the loop runs in circles: callbacks without end");
}

void oracle_error(const struct world *world, const struct hawser_error *error)
{
	if (error->code >= 0)
		violated(world, "an error with the code %d", error->code);
	if (error->stage >= HAWSER_STAGES || error->cause == HAWSER_CAUSE_NONE ||
	    error->cause >= HAWSER_CAUSES || error->fate > HAWSER_FATE_MAYBE_EXECUTED)
		violated(world, "an error %s with stage %d, cause %d, fate %d",
		    hawser_errno_name(error->code), error->stage, error->cause, error->fate);
	if (!error->address || !error->text || !*error->text)
		violated(world, "an error %s without address or text", hawser_errno_name(error->code));
}

/* ---- changes of state ---- */

static bool is_move(enum hawser_state from, enum hawser_state to, const char *why)
{
	for (unsigned event = 0; event < connection_machine.events; event++) {
		const struct move *move =
		    &connection_machine.moves[(size_t)from * connection_machine.events + event];

		if (move->why && move->to == to && strcmp(move->why, why) == 0)
			return true;
	}
	return false;
}

static void check_change(const struct sim_client *client, const struct hawser_change *change)
{
	const struct world *world = client->world;

	if (client->freed)
		violated(world, "client %u was freed and is told %s", client->index,
		    hawser_state_name(change->to));
	if (client->told == HAWSER_CLOSED)
		violated(world, "client %u is closed and is told more", client->index);
	if (change->from != client->told)
		violated(world, "client %u is told of a move from %s, and the last it heard was %s",
		    client->index, hawser_state_name(change->from), hawser_state_name(client->told));
	/* Without memory two changes may be told as one. */
	if (!change->why || (!is_move(change->from, change->to, change->why) && !world->memory.failures))
		violated(world, "client %u is told of a move from %s to %s that no table has: %s",
		    client->index, hawser_state_name(change->from), hawser_state_name(change->to),
		    change->why ? change->why : "(none)");
	if (!change->address)
		violated(world, "client %u is told of a change without an address", client->index);
	if (change->error)
		oracle_error(world, change->error);
	if (change->to == HAWSER_WAITING && !change->error)
		violated(world, "client %u waits, and is not told why", client->index);
}

/* Wishes come by post: one from before the wait may still end it. */
static bool is_hastened(const struct sim_client *client)
{
	return client->hastened_at_ns && client->hastened_at_ns + SECOND >= client->told_at_ns;
}

static void check_punctual(const struct sim_client *client, const struct hawser_change *change)
{
	const struct world *world = client->world;

	if (client->told == HAWSER_WAITING && change->to == HAWSER_RESOLVING && !is_hastened(client) &&
	    !client->is_unix && world->now + MICROSECOND < client->told_at_ns + client->next_retry_ns)
		violated(world, "client %u tries again before its backoff is over", client->index);
	if (client->told == HAWSER_IDLE && change->to == HAWSER_RESOLVING && client->options.start_later &&
	    !is_hastened(client))
		violated(world, "client %u connects before it was told to", client->index);
}

/* The first bytes of a ready connection, or 10 s, reset the backoff; while it is being closed they may or may
 * not. */
static void may_be_useful(struct sim_client *client)
{
	client->failures_least = 0;
	client->rounds_failed = 0;
	client->useful_connection = client->connection;
}

static void remember_backoff(struct sim_client *client, const struct hawser_change *change)
{
	uint64_t now = client->world->now;

	if (change->to == HAWSER_READY && client->bytes_connection == client->connection)
		may_be_useful(client);
	if (change->from == HAWSER_READY && now - client->told_at_ns >= 9 * SECOND)
		may_be_useful(client);
	if (change->from == HAWSER_READY && now - client->told_at_ns >= 11 * SECOND)
		client->failures_most = 0;
	if (change->to == HAWSER_IDLE) { /* handed over */
		client->failures_least = 0;
		client->failures_most = 0;
		client->rounds_failed = 0;
	}
	if (change->to == HAWSER_WAITING && change->error->cause == HAWSER_CAUSE_BACKLOG_FULL)
		client->backlogs_full++;
	else if (change->to == HAWSER_WAITING || change->to == HAWSER_READY)
		client->backlogs_full = 0;
	if (change->to == HAWSER_WAITING)
		oracle_wait(client, change->next_retry_ns);
	if (change->to == HAWSER_WAITING && !client->is_unix)
		client->rounds_failed = client->useful_connection ? 0 : client->rounds_failed + 1;
	if (change->to == HAWSER_WAITING)
		client->useful_connection = 0;
	client->readies += change->to == HAWSER_READY;
	if (client->rounds_failed >= client->options.rounds_max && !client->world->memory.failures)
		violated(client->world, "client %u begins a round after %u that failed, more than rounds_max",
		    client->index, client->rounds_failed);
	if (change->to == HAWSER_READY || change->to == HAWSER_DRAINING || change->to == HAWSER_IDLE)
		client->unready_at_ns = UINT64_MAX;
	else if (client->unready_at_ns == UINT64_MAX)
		client->unready_at_ns = now;
}

/* Drained: whatever was asked on this connection has been answered, and every byte is with the kernel. */
static void check_drained(const struct sim_client *client)
{
	struct world *world = client->world;
	const struct user *user = &world->user;
	const struct sim_connection *connection = connection_find(world, client->connection);

	for (uint32_t i = 0; i < user->calls_count; i++) {
		const struct sim_call *call = &user->calls[i];
		const struct sim_binding *binding = &user->bindings[call->binding];

		if (call->made && !call->freed && !call->ended && !call->no_reply && !call->cancel_asked &&
		    call->taken && binding->client == client->index && !binding->freed &&
		    !binding->release_asked && !binding->ended)
			violated(world, "client %u says that everything is answered, and call %u is not",
			    client->index, i);
	}
	for (uint32_t i = 0; i < user->bindings_count; i++)
		if (user->bindings[i].made && !user->bindings[i].freed && !user->bindings[i].ended &&
		    !user->bindings[i].release_asked && !user->bindings[i].bound &&
		    user->bindings[i].client == client->index && connection &&
		    user->bindings[i].pending_connection == client->connection)
			violated(world, "client %u says that everything is answered, and binding %u is not",
			    client->index, i);
	if (client->raw && connection && connection->taken < buffer_size(&connection->expected))
		violated(world, "client %u says that everything is answered, and has sent %llu of %zu bytes",
		    client->index, (unsigned long long)connection->taken, buffer_size(&connection->expected));
}

static void check_attempts(const struct sim_client *client, const struct hawser_change *change)
{
	const struct world *world = client->world;
	const struct sim_connection *connection = connection_find(client->world, client->connection);
	char text[ADDRESS_TEXT_MAX];

	if (change->from == HAWSER_CONNECTING && change->to == HAWSER_WAITING && client->is_name &&
	    client->addresses_tried < client->addresses_count && !world->memory.failures)
		violated(world, "client %u gives a round up after %u of %u addresses", client->index,
		    client->addresses_tried, client->addresses_count);
	if (change->from == HAWSER_CONNECTING && change->to == HAWSER_WAITING && !world->memory.failures &&
	    (change->error->code != client->tried_result || change->error->stage != client->tried_stage))
		violated(world, "client %u is told that its attempt failed by %s (%s), and it did by %s (%s)",
		    client->index, hawser_errno_name(change->error->code),
		    hawser_stage_name(change->error->stage), hawser_errno_name(client->tried_result),
		    hawser_stage_name(client->tried_stage));
	if (change->to == HAWSER_READY &&
	    strcmp(change->address, address_format(&client->tried, text, sizeof(text))) != 0)
		violated(world, "client %u is told that it is ready at %s, and is at %s", client->index,
		    change->address, text);
	if (change->to == HAWSER_READY && client->options.peer_uid != HAWSER_AUTO && connection &&
	    connection->uid != client->options.peer_uid)
		violated(world, "client %u is ready with a host of user %u", client->index, connection->uid);
}

/* A setup that ran when its connection went is answered in the same turn; one that was asked for just now did
 * not. */
static void remember_setup(struct sim_client *client, const struct hawser_change *change)
{
	bool was_connected = change->from == HAWSER_PREPARING || change->from == HAWSER_READY ||
			     change->from == HAWSER_DRAINING;
	bool is_gone =
	    change->to == HAWSER_WAITING || change->to == HAWSER_RESOLVING || change->to == HAWSER_CLOSING;

	/* A host of the wrong user was never connected to, so to say; nor was one for which there was no
	 * memory. */
	if (client->world->memory.failures ||
	    (change->error && change->error->cause == HAWSER_CAUSE_IDENTITY))
		return;
	if (was_connected && is_gone && client->setup_asked &&
	    client->setup_asked_at_ns + SECOND < client->world->now)
		client->setup_due = true;
}

void oracle_change(struct sim_client *client, hawser_client *handle, const struct hawser_change *change)
{
	if (handle != client->handle && client->handle)
		violated(client->world, "client %u is told with another one's handle", client->index);
	check_change(client, change);
	check_punctual(client, change);
	check_attempts(client, change);
	remember_setup(client, change);
	if (change->from == HAWSER_DRAINING && strcmp(change->why, "everything is answered") == 0)
		check_drained(client);
	remember_backoff(client, change);
	client->told = change->to;
	client->told_at_ns = client->world->now;
	client->told_operations = client->world->engine.sequence;
	client->next_retry_ns = change->next_retry_ns;
	if (change->to != HAWSER_READY && change->to != HAWSER_DRAINING) {
		client->paused = false;
		client->send_shut = false;
		client->wants_room = client->wants_room || client->wants_writable; /* told after the loss */
		client->wants_writable = false;
	}
}

void oracle_handover(struct sim_client *client, int fd)
{
	const struct world *world = client->world;
	struct descriptor *descriptor = descriptor_find(client->world, fd);
	struct sim_connection *connection;

	if (client->freed || !client->none)
		violated(world, "client %u is handed a socket that it never asked for", client->index);
	if (!descriptor || !descriptor->open || descriptor->holder != HOLDER_LIBRARY)
		violated(world, "client %u is handed something that is no socket", client->index);
	connection = connection_find(client->world, descriptor->connection);
	if (!connection || connection->client != (int)client->index)
		violated(world, "client %u is handed the socket of another", client->index);
	if (connection->send_id || connection->receive_id || connection->delivered || connection->taken)
		violated(world, "client %u is handed a socket that was used", client->index);
}

/* ---- attempts ---- */

/* The addresses of a name are tried in order; `skipped` attempts could not be started for want of memory. */
static void check_order(struct sim_client *client, const struct address *address, uint32_t skipped)
{
	const struct world *world = client->world;

	if (client->addresses_tried == client->addresses_count)
		violated(world, "client %u connects without having looked its name up anew", client->index);
	while (skipped && client->addresses_tried + 1 < client->addresses_count &&
	       !address_equal(address, &client->addresses[client->addresses_tried])) {
		client->addresses_tried++;
		skipped--;
	}
	if (!address_equal(address, &client->addresses[client->addresses_tried]))
		violated(world, "client %u does not try its addresses in order (%u of %u)", client->index,
		    client->addresses_tried + 1, client->addresses_count);
	client->addresses_tried++;
}

int oracle_connecting(struct world *world, const struct connect_request *request)
{
	struct user *user = &world->user;
	unsigned index = (unsigned)strtoul(request->tag.target + 1, NULL, 10);
	struct sim_client *client = &user->clients[index];
	uint32_t attempt = request->tag.attempt;

	if (request->tag.target[0] != 'c' || index >= user->clients_count)
		violated(world, "a connect with the tag of nobody: %s", request->tag.target);
	if (attempt <= client->attempts)
		violated(world, "client %u: attempt %u follows attempt %u", index, attempt, client->attempts);
	if (client->is_name)
		check_order(client, &request->address, attempt - client->attempts - 1);
	client->attempts = attempt;
	client->tried = request->address;
	client->tried_result = 0;
	return (int)index;
}

void oracle_attempted(struct world *world, const struct operation *operation)
{
	struct sim_client *client = &world->user.clients[operation->client];

	if (operation->cancelled)
		return;
	client->tried_result = operation->result;
	client->tried_stage = operation->stage;
}

void oracle_connected(struct world *world, const struct sim_connection *connection)
{
	world->user.clients[connection->client].connection = connection_id(world, connection);
}

int oracle_resolving(struct world *world, const char *name, int *ret_host)
{
	unsigned host = 0;
	unsigned client = 0;

	if (sscanf(name, "h%u.c%u.sim", &host, &client) != 2 || client >= world->user.clients_count ||
	    !world->user.clients[client].is_name)
		violated(world, "a lookup of a name that nobody asked for: %s", name);
	*ret_host = (int)host;
	return (int)client;
}

void oracle_resolved(struct world *world, int index, const struct address *addresses, unsigned count)
{
	struct sim_client *client = &world->user.clients[index];

	memcpy(client->addresses, addresses, count * sizeof(*addresses));
	client->addresses_count = count;
	client->addresses_tried = 0;
}

void oracle_path_appears(struct world *world, unsigned host, uint32_t watch)
{
	for (uint32_t i = 0; i < world->user.clients_count; i++) {
		struct sim_client *client = &world->user.clients[i];

		if (client->made && client->is_unix && client->host == host &&
		    client->told == HAWSER_WAITING && watch <= client->told_operations &&
		    !world->memory.failures)
			client->path_hit_at_ns = world->now;
	}
}

void oracle_delivered(
    struct world *world, const struct sim_connection *connection, const uint8_t *data, size_t size)
{
	struct sim_client *client = &world->user.clients[connection->client];

	(void)data;
	(void)size;
	client->bytes_connection = connection_id(world, connection);
	if (client->told == HAWSER_READY)
		may_be_useful(client);
}
