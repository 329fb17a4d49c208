/* SPDX-License-Identifier: MIT
 *
 * The promises about time and about ends: nothing is overdue, all is bound once the network is well, and when
 * the user has gone nothing is left.
 */
#include "world.h"

#include <string.h>

/* How late something may be told: callbacks that take their time hold up what comes after them. */
#define SLACK (2 * SECOND)

static uint64_t limit_ns(uint32_t ms)
{
	return ms == HAWSER_NONE ? UINT64_MAX / 4 : ms * MILLISECOND;
}

static uint32_t attempt_deadline(const struct sim_client *client)
{
	if (client->options.attempt_deadline_ms != HAWSER_AUTO)
		return client->options.attempt_deadline_ms;
	return client->is_unix ? 1000 : 5000;
}

/* How long a client may stay in the state it was last told of. */
static uint64_t stay_most(const struct sim_client *client)
{
	const struct hawser_client_options *options = &client->options;

	switch (client->told) {
	case HAWSER_RESOLVING:
		return limit_ns(options->resolve_deadline_ms);
	case HAWSER_CONNECTING:
		return limit_ns(attempt_deadline(client));
	case HAWSER_PREPARING:
		return limit_ns(options->setup_deadline_ms);
	case HAWSER_WAITING:
		return client->next_retry_ns;
	case HAWSER_DRAINING:
		return limit_ns(options->drain_deadline_ms);
	case HAWSER_CLOSING:
		return 0;
	case HAWSER_IDLE:
		return options->start_later || client->none ? UINT64_MAX / 4 : 0;
	default:
		return UINT64_MAX / 4;
	}
}

/* What ends a wait before its time. */
static void check_wait_ends(const struct sim_client *client)
{
	const struct world *world = client->world;

	if (client->retry_asked_at_ns > client->told_at_ns && world->now > client->retry_asked_at_ns + SLACK)
		violated(world, "client %u was asked to retry now at %.3f s, and still waits", client->index,
		    (double)client->retry_asked_at_ns / 1e9);
	if (client->path_hit_at_ns > client->told_at_ns && world->now > client->path_hit_at_ns + SLACK)
		violated(world, "client %u waits, though its host's path appeared at %.3f s", client->index,
		    (double)client->path_hit_at_ns / 1e9);
}

static void check_client(struct sim_client *client)
{
	const struct world *world = client->world;
	enum hawser_state state = hawser_client_state(client->handle);
	uint64_t overall = limit_ns(client->options.overall_deadline_ms);

	if (world->now > client->told_at_ns + stay_most(client) + SLACK)
		violated(world, "client %u has been %s since %.3f s and is told nothing", client->index,
		    hawser_state_name(client->told), (double)client->told_at_ns / 1e9);
	if (state != client->told)
		violated(world, "client %u is %s, and was told %s", client->index, hawser_state_name(state),
		    hawser_state_name(client->told));
	if (client->told == HAWSER_WAITING)
		check_wait_ends(client);
	if (client->setup_due && !client->setup_answered)
		violated(
		    world, "the connection of client %u went, and its setup was not answered", client->index);
	if (client->told == HAWSER_CLOSED)
		return;
	if (client->closing_at_ns && world->now > client->closing_at_ns + SLACK)
		violated(world, "client %u was to be closed at %.3f s, and is %s", client->index,
		    (double)client->closing_at_ns / 1e9, hawser_state_name(client->told));
	if (client->unready_at_ns != UINT64_MAX && world->now > client->unready_at_ns + overall + SLACK &&
	    !client->none)
		violated(world,
		    "client %u has no ready connection since %.3f s, longer than its overall deadline",
		    client->index, (double)client->unready_at_ns / 1e9);
}

static void check_binding(const struct sim_binding *binding)
{
	struct world *world = binding->world;
	const struct sim_client *client = &world->user.clients[binding->client];
	uint32_t deadline_ms =
	    binding->deadline_ms == HAWSER_AUTO ? client->options.bind_deadline_ms : binding->deadline_ms;
	struct sim_connection *connection;

	if (binding->handle &&
	    (hawser_binding_state(binding->handle) == HAWSER_BINDING_IS_BOUND) != binding->bound)
		violated(world, "binding %u is %s, and was told that it is %sbound", binding->index,
		    hawser_binding_state_name(hawser_binding_state(binding->handle)),
		    binding->bound ? "" : "not ");
	if (client->freed)
		violated(world, "binding %u was not told that its client was freed", binding->index);
	if (client->told == HAWSER_CLOSED)
		violated(world, "binding %u was not told that its client closed", binding->index);
	if (binding->one_shot && !binding->bound &&
	    world->now > binding->asked_at_ns + limit_ns(deadline_ms) + SLACK)
		violated(world, "binding %u was to be bound or to fail by now", binding->index);
	if (binding->one_shot && binding->bounds && !binding->bound)
		violated(world, "binding %u was lost, and being one-shot was not ended", binding->index);
	if ((binding->fail_fast || client->options.fail_fast) && !binding->bound &&
	    client->told == HAWSER_WAITING && binding->asked_at_ns + SECOND < client->told_at_ns)
		violated(world, "binding %u waits for another round, and was to fail with this one",
		    binding->index);
	connection = connection_find(world, binding->pending_connection);
	if (connection && connection->client_open &&
	    world->now > binding->pending_at_ns + limit_ns(deadline_ms) + SLACK)
		violated(world, "binding %u waits for its answer longer than its deadline", binding->index);
}

static void check_call(const struct sim_call *call)
{
	const struct world *world = call->world;
	const struct sim_binding *binding = &world->user.bindings[call->binding];
	const struct sim_client *client = &world->user.clients[binding->client];
	uint32_t deadline_ms =
	    call->deadline_ms == HAWSER_AUTO ? client->options.call_deadline_ms : call->deadline_ms;

	if (binding->ended || binding->freed)
		violated(world, "call %u was not told that its binding ended", call->index);
	if (world->now > call->asked_at_ns + limit_ns(deadline_ms) + SLACK)
		violated(world, "call %u was to be answered or to fail by now", call->index);
}

static void check_timer(const struct sim_timer *timer)
{
	const struct world *world = timer->world;

	if (timer->armed && world->now > timer->due_ns + SLACK)
		violated(world, "timer %u should have fired", timer->index);
}

/* A turn is over, and so everything that it found out has been told. */
void oracle_turned(struct world *world)
{
	struct user *user = &world->user;

	for (uint32_t i = 0; i < user->clients_count; i++)
		if (user->clients[i].made && !user->clients[i].freed)
			check_client(&user->clients[i]);
	for (uint32_t i = 0; i < user->bindings_count; i++)
		if (user->bindings[i].made && !user->bindings[i].freed && !user->bindings[i].ended)
			check_binding(&user->bindings[i]);
	for (uint32_t i = 0; i < user->calls_count; i++)
		if (user->calls[i].made && !user->calls[i].freed && !user->calls[i].ended &&
		    !user->calls[i].no_reply)
			check_call(&user->calls[i]);
	for (uint32_t i = 0; i < user->timers_count; i++)
		check_timer(&user->timers[i]);
	for (uint32_t i = user->posts_ran; i < user->posts_count; i++)
		if (user->posts[i].accepted && !user->posts[i].ran &&
		    world->now > user->posts[i].posted_at_ns + SLACK)
			violated(world, "post %u has not run", i);
}

/* ---- status ---- */

static void check_queues(const struct sim_client *client, const struct hawser_status *status)
{
	const struct world *world = client->world;
	uint64_t requests =
	    status->bindings[HAWSER_BINDING_QUEUED] + status->bindings[HAWSER_BINDING_BINDING];

	requests += status->calls_waiting;
	requests += status->calls_in_flight;
	if (requests > client->options.requests_max)
		violated(world, "client %u has %llu requests, more than requests_max", client->index,
		    (unsigned long long)requests);
	if (status->unsent_bytes > client->options.unsent_bytes_max)
		violated(world, "client %u has %u unsent bytes, more than unsent_bytes_max", client->index,
		    status->unsent_bytes);
	if (status->attempts_count > client->options.attempts_kept)
		violated(world, "client %u remembers %u attempts", client->index, status->attempts_count);
}

void oracle_status(struct sim_client *client)
{
	struct world *world = client->world;
	struct hawser_status status;
	uint64_t connections = 0;
	int result;

	status.size = sizeof(status);
	api_enter(world);
	result = hawser_client_status(client->handle, &status);
	api_leave(world, API_client_status, client->index, result);
	if (result != 0 || status.state != hawser_client_state(client->handle))
		violated(world, "client %u: the status contradicts the state", client->index);
	if (status.attempt < client->attempts)
		violated(world, "client %u: the status counts %u attempts, and %u were made", client->index,
		    status.attempt, client->attempts);
	if (client->told == HAWSER_CLOSED && status.state != HAWSER_CLOSED)
		violated(world, "client %u is closed, and its status says %s", client->index,
		    hawser_state_name(status.state));
	for (int i = 0; i < HAWSER_TIME_BUCKETS; i++)
		connections += status.ready_time[i];
	if (connections != status.connections && !client->none)
		violated(world, "client %u was ready %llu times, and its histogram has %llu", client->index,
		    (unsigned long long)status.connections, (unsigned long long)connections);
	if (status.connections < client->readies ||
	    (status.state == client->told && status.connections != client->readies && !client->none &&
		!world->memory.failures))
		violated(world, "client %u was told %u times that it is ready, and its status counts %llu",
		    client->index, client->readies, (unsigned long long)status.connections);
	check_queues(client, &status);
}

/* How far the kernel got, by the library's word and by the engine's. */
void oracle_sent_position(struct sim_client *client)
{
	struct world *world = client->world;
	const struct sim_connection *connection = connection_find(world, client->connection);
	uint64_t completely;
	uint64_t possibly;
	int result;

	api_enter(world);
	result = hawser_client_sent(client->handle, &completely, &possibly);
	api_leave(world, API_sent, client->index, result);
	if (result < 0 || !connection || client->told != HAWSER_READY ||
	    hawser_client_state(client->handle) != HAWSER_READY)
		return;
	if (completely > possibly || completely > connection->taken || possibly < connection->taken)
		violated(world,
		    "client %u: %llu bytes were sent completely and %llu possibly, and the kernel took %llu",
		    client->index, (unsigned long long)completely, (unsigned long long)possibly,
		    (unsigned long long)connection->taken);
}

/* ---- the healed network ---- */

static bool is_living(const struct sim_client *client)
{
	return client->made && !client->freed && !client->none && !client->setup_hopeless &&
	       hawser_client_state(client->handle) < HAWSER_DRAINING;
}

bool oracle_is_settled(struct world *world)
{
	struct user *user = &world->user;

	for (uint32_t i = 0; i < user->bindings_count; i++) {
		const struct sim_binding *binding = &user->bindings[i];

		if (binding->made && !binding->freed && !binding->ended && !binding->bound &&
		    !binding->one_shot && is_living(&user->clients[binding->client]))
			return false;
	}
	for (uint32_t i = 0; i < user->clients_count; i++)
		if (is_living(&user->clients[i]) && user->clients[i].told != HAWSER_READY)
			return false;
	return true;
}

static void check_healed_client(struct sim_client *client)
{
	struct world *world = client->world;
	const struct sim_connection *connection = connection_find(world, client->connection);
	struct hawser_status status = {.size = sizeof(status)};

	if (client->told != HAWSER_READY)
		return;
	if (client->options.half_close && connection && connection->end_arrived)
		return; /* the host has said its last word, and the user wanted to stay */
	hawser_client_status(client->handle, &status);
	if (status.unsent_bytes && !(connection && connection->send_id)) /* one may have begun just now */
		violated(world, "client %u keeps %u bytes that nobody stops it from sending", client->index,
		    status.unsent_bytes);
	if (client->wants_writable)
		violated(world, "client %u was never told that it is writable again", client->index);
	if (!connection || !connection->client_open || !connection->host_open)
		violated(world, "client %u says it is ready, and its connection is gone", client->index);
	if (client->setup_asked && !connection->setup_known)
		violated(
		    world, "client %u is ready, and its setup was not run on this connection", client->index);
	if (connection->session.poisoned)
		violated(world, "client %u keeps a connection that sent an impossible frame", client->index);
	if (client->raw && !client->paused && connection->received != connection->delivered)
		violated(world, "client %u was not given all that came", client->index);
	oracle_status(client);
}

void oracle_settled(struct world *world)
{
	struct user *user = &world->user;
	const struct sim_connection *connection;

	for (uint32_t i = 0; i < user->clients_count; i++)
		if (user->clients[i].made && !user->clients[i].freed)
			check_healed_client(&user->clients[i]);
	for (uint32_t i = 0; i < user->calls_count; i++) {
		const struct sim_call *call = &user->calls[i];

		if (!call->made || call->freed || call->ended || call->no_reply)
			continue;
		if (!call->taken && user->bindings[call->binding].bound)
			violated(world, "call %u waits, and its binding is bound", i);
		connection = connection_find(world, call->answered_on);
		if (connection && connection->client_open && !buffer_size(&connection->inbound))
			violated(world, "call %u was answered by its host, and is told nothing", i);
	}
}

/* ---- the end ---- */

static void check_all_told(const struct world *world)
{
	const struct user *user = &world->user;

	for (uint32_t i = 0; i < user->clients_count; i++) {
		const struct sim_client *client = &user->clients[i];

		if (client->made && !client->freed && client->told != HAWSER_CLOSED)
			violated(world, "the loop is gone, and client %u was not told that it is closed", i);
		if (client->made && client->setup_asked && !client->setup_answered && !client->freed)
			violated(world, "the loop is gone, and the setup of client %u was never answered", i);
	}
	for (uint32_t i = 0; i < user->bindings_count; i++)
		if (user->bindings[i].made && !user->bindings[i].freed && !user->bindings[i].ended)
			violated(world, "the loop is gone, and binding %u was never told its end", i);
	for (uint32_t i = 0; i < user->calls_count; i++) {
		const struct sim_call *call = &user->calls[i];

		if (call->made && !call->freed && !call->ended && !call->no_reply)
			violated(world, "the loop is gone, and call %u was never answered", i);
	}
	for (uint32_t i = 0; i < user->posts_count; i++)
		if (user->posts[i].accepted && !user->posts[i].ran)
			violated(world, "the loop is gone, and post %u never ran", i);
}

void oracle_loop_gone(struct world *world)
{
	world->loop = NULL;
	check_all_told(world);
	if (world->engine.exists)
		violated(world, "the loop is gone, and its engine was not destroyed");
}

void oracle_frees_loop(struct world *world)
{
	uint64_t before = world->now;

	world->loop_freed = true;
	world->running = true;
	hawser_loop_free(world->loop);
	world->running = false;
	oracle_loop_gone(world);
	trace(world, TRACE_called, API_loop_free, 0, 0);
	if (world->now > before + SECOND)
		violated(world, "freeing the loop waited for the network: %.3f s",
		    (double)(world->now - before) / 1e9);
}

void oracle_end(struct world *world)
{
	if (world->memory.blocks || world->memory.held)
		violated(world, "%llu blocks of memory, %llu bytes, were never given back",
		    (unsigned long long)world->memory.blocks, (unsigned long long)world->memory.held);
	for (uint32_t i = 0; i < world->network.descriptors_count; i++)
		if (world->network.descriptors[i].open &&
		    world->network.descriptors[i].holder != HOLDER_NETWORK)
			violated(world, "descriptor %u was never closed", i);
}
