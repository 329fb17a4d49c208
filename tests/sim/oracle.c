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
enum { CALLBACKS_MOMENT_MAX = 20000, LADDER_MOST_MS = 64 };

void oracle_callback(struct world *world)
{
	world->callbacks++;
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

/* ---- the schedule of backoff ---- */

static double grown(const struct schedule *schedule, uint32_t failures)
{
	double delay = schedule->base_ms;

	if (schedule->linear)
		delay = failures <= 10 ? schedule->base_ms * failures : schedule->cap_ms;
	for (uint32_t i = 1; !schedule->linear && i < failures && delay < schedule->cap_ms; i++)
		delay *= schedule->factor;
	return delay < schedule->cap_ms ? delay : schedule->cap_ms;
}

static double least_wait(const struct schedule *schedule, uint32_t failures)
{
	switch (schedule->jitter) {
	case HAWSER_JITTER_NONE:
		return grown(schedule, failures);
	case HAWSER_JITTER_PERCENT:
		return grown(schedule, failures) * (1 - schedule->percent / 100);
	case HAWSER_JITTER_EQUAL:
		return grown(schedule, failures) / 2;
	case HAWSER_JITTER_DECORRELATED:
		return schedule->base_ms < schedule->cap_ms ? schedule->base_ms : schedule->cap_ms;
	default:
		return 0;
	}
}

static double most_wait(const struct schedule *schedule, uint32_t failures)
{
	double most = grown(schedule, failures);

	if (schedule->jitter == HAWSER_JITTER_PERCENT)
		most *= 1 + schedule->percent / 100;
	if (schedule->jitter == HAWSER_JITTER_DECORRELATED || most > schedule->cap_ms)
		most = schedule->cap_ms;
	return most;
}

/* A wait was told: is it what the options ask for? A unix client may be on the ladder of short retries
 * instead. */
static void check_wait(struct sim_client *client, uint64_t wait_ns)
{
	const struct schedule *schedule = &client->schedule;
	double wait_ms = (double)wait_ns / 1e6;
	double least;
	double most;

	if (client->failures_most < 100)
		client->failures_most++;
	client->failures_least++;
	if (client->failures_least > client->failures_most)
		client->failures_least = client->failures_most;
	least = client->is_unix ? 0 : least_wait(schedule, client->failures_least);
	most = most_wait(schedule, client->failures_most);
	if (client->is_unix && most < LADDER_MOST_MS)
		most = LADDER_MOST_MS;
	/* The wait is told a little after it began when callbacks before it took their time. */
	if (wait_ms < least - 0.01 && client->world->faults.sleeps == 0)
		violated(client->world, "client %u waits %.3f ms, less than its backoff of %.3f (failure %u)",
		    client->index, wait_ms, least, client->failures_least);
	if (wait_ms > most + 0.01)
		violated(client->world, "client %u waits %.3f ms, more than its backoff of %.3f (failure %u)",
		    client->index, wait_ms, most, client->failures_most);
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

static void remember_backoff(struct sim_client *client, const struct hawser_change *change)
{
	uint64_t now = client->world->now;
	bool is_useful = client->useful_connection && client->useful_connection == client->connection;

	if (change->from == HAWSER_READY && now - client->told_at_ns >= 9 * SECOND)
		client->failures_least = 0;
	if (change->from == HAWSER_READY && now - client->told_at_ns >= 11 * SECOND)
		client->failures_most = 0;
	if (change->from == HAWSER_READY && now - client->told_at_ns >= 9 * SECOND)
		is_useful = true;
	if (change->to == HAWSER_IDLE) { /* handed over */
		client->failures_least = 0;
		client->failures_most = 0;
		client->rounds_failed = 0;
	}
	if (change->to == HAWSER_WAITING)
		check_wait(client, change->next_retry_ns);
	if (change->to == HAWSER_WAITING && !client->is_unix)
		client->rounds_failed = is_useful ? 0 : client->rounds_failed + 1;
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

void oracle_change(struct sim_client *client, hawser_client *handle, const struct hawser_change *change)
{
	if (handle != client->handle && client->handle)
		violated(client->world, "client %u is told with another one's handle", client->index);
	check_change(client, change);
	check_punctual(client, change);
	remember_backoff(client, change);
	client->told = change->to;
	client->told_at_ns = client->world->now;
	client->next_retry_ns = change->next_retry_ns;
	if (change->to != HAWSER_READY && change->to != HAWSER_DRAINING) {
		client->paused = false;
		client->send_shut = false;
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
		violated(
		    world, "client %u: attempt %u follows attempt %u", index, attempt, client->attempts);
	if (client->is_name)
		check_order(client, &request->address, attempt - client->attempts - 1);
	client->attempts = attempt;
	return (int)index;
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

void oracle_path_appears(struct world *world, unsigned host, uint64_t watched_since_ns)
{
	for (uint32_t i = 0; i < world->user.clients_count; i++) {
		struct sim_client *client = &world->user.clients[i];

		if (client->made && client->is_unix && client->host == host && client->told == HAWSER_WAITING &&
		    watched_since_ns <= client->told_at_ns && !world->memory.failures)
			client->path_hit_at_ns = world->now;
	}
}

/* The first bytes of a connection reset its backoff; while it is being closed they may or may not. */
void oracle_delivered(
    struct world *world, const struct sim_connection *connection, const uint8_t *data, size_t size)
{
	struct sim_client *client = &world->user.clients[connection->client];

	(void)data;
	(void)size;
	client->failures_least = 0;
	client->useful_connection = connection_id(world, connection);
	client->rounds_failed = 0;
}
