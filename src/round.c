/* SPDX-License-Identifier: MIT
 *
 * Rounds: what the connection's table asks for between the wish to connect and a verified socket, and between
 * a loss and the next round. It decides nothing that the table or core/connection.c decide.
 *
 * Happy path: begin_round looks a name up (or has the address already), begin_attempt hands one address to
 * the engine, prepare gives the connected socket to a session, drain_queue sends what waited.
 *
 * Failures: a host that runs as another user is refused here; every other failure comes from attempt.c or
 * session.c and is one event of the table.
 */
#include "client.h"
#include "probes.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define USEFUL_AFTER_NS 10000000000ULL

static hawser_client *client_of(struct connection *connection)
{
	return (hawser_client *)connection;
}

void client_next(hawser_client *client, enum client_next next, const struct failure *failure)
{
	client->next = (uint8_t)next;
	if (failure)
		client->next_failure = *failure;
}

/* Gives up whatever ties the client to this round or connection. */
static void leave(hawser_client *client, const struct failure *failure)
{
	struct memory *memory = &client->loop->memory;
	struct timers *timers = &client->loop->timers;

	errand_abandon(client);
	session_end(client, failure);
	timers_cancel(timers, &client->timer);
	timers_cancel(timers, &client->useful_timer);
	memory_release(memory, client->addresses, client->addresses_count * sizeof(struct address));
	client->addresses = NULL;
	client->addresses_count = 0;
	client->addresses_next = 0;
}

/* The time without a ready connection: from the first round, or from a loss. */
static void overall_begins(hawser_client *client)
{
	struct connection *connection = &client->connection;

	if (connection->overall_at_ns != ENGINE_NEVER || client->overall_deadline_ms == HAWSER_NONE)
		return;
	connection->overall_at_ns = loop_after_ms(client->loop, client->overall_deadline_ms);
	timers_arm(&client->loop->timers, &client->overall_timer, connection->overall_at_ns);
}

static void begin_round(struct connection *connection)
{
	hawser_client *client = client_of(connection);
	uint64_t now_ns = loop_now(client->loop);

	leave(client, &client->failure);
	connection_round_begins(connection, now_ns);
	connection->useful = false;
	client->round_open = true;
	client->resolve_us = 0;
	client->path_hit = false;
	overall_begins(client);
	if (client->target.kind == TARGET_NAME)
		lookup_start(client);
	else
		client_next(client, NEXT_RESOLVED, NULL);
}

static bool peer_is_welcome(hawser_client *client, struct failure *failure)
{
	struct engine *engine = client->loop->engine;
	int result;

	client->peer_known = false;
	/* Some other families answer too, with credentials that are nobody's: they must not pass for
	 * somebody's. */
	if (!client->is_unix)
		return true;
	result = engine->operations->peer(engine, client->pending_fd, &client->peer);
	client->peer_known = result == 0;
	if (client->peer_uid == HAWSER_AUTO || (result == 0 && client->peer.uid == client->peer_uid))
		return true;
	failure_set(failure, -EPERM, HAWSER_STAGE_VERIFY, "the host runs as another user than peer_uid");
	failure->cause = HAWSER_CAUSE_IDENTITY;
	return false;
}

static void prepare(struct connection *connection)
{
	hawser_client *client = client_of(connection);
	struct engine *engine = client->loop->engine;
	struct failure failure;
	int fd = client->pending_fd;
	int result;

	if (!peer_is_welcome(client, &failure)) {
		engine->operations->close(engine, fd);
		client_next(client, NEXT_FAILED, &failure);
		return;
	}
	if (client->protocol->flags & HAWSER_PROTOCOL_HANDOVER) {
		client_next(client, NEXT_HANDED_OVER, NULL);
		return;
	}
	timers_arm(
	    &client->loop->timers, &client->timer, loop_after_ms(client->loop, client->setup_deadline_ms));
	result = session_begin(client, fd);
	if (result < 0) {
		failure_set(&failure, result, HAWSER_STAGE_SETUP, NULL);
		client_next(client, NEXT_FAILED, &failure);
	}
}

/* As of loop->now_ns. */
static void now_connected(hawser_client *client)
{
	struct timers *timers = &client->loop->timers;
	uint64_t now_ns = client->loop->now_ns;

	timers_cancel(timers, &client->timer);
	timers_cancel(timers, &client->overall_timer);
	client->connection.overall_at_ns = ENGINE_NEVER;
	client->connection.on_ladder = false;
	client->round_open = false;
	client->counters.connections++;
	histogram_add(&client->counters.ready_time, now_ns - client->connection.round_began_ns);
	attempt_remember(client, NULL);
	watch_leave(client);
}

static void drain_queue(struct connection *connection)
{
	hawser_client *client = client_of(connection);

	loop_now(client->loop);
	now_connected(client);
	if (client->session->wire.consumed_to > 0)
		connection_was_useful(connection);
	else
		timers_arm(
		    &client->loop->timers, &client->useful_timer, client->loop->now_ns + USEFUL_AFTER_NS);
	session_drain_queue(client);
}

static void hand_over(struct connection *connection)
{
	hawser_client *client = client_of(connection);

	now_connected(client);
	connection_was_useful(connection);
	session_hand_over(client);
}

static void back_off(struct connection *connection)
{
	hawser_client *client = client_of(connection);
	struct list *next;

	leave(client, &client->failure);
	overall_begins(client);
	for (struct list *link = client->bindings.next; link != &client->bindings; link = next) {
		next = link->next;
		binding_round_failed(container_of(link, struct hawser_binding, link), &client->failure);
	}
	watch_join(client);
	if (client->path_hit) {
		client->path_hit = false;
		connection_ladder_begins(connection);
		connection->next_round_at_ns = loop_now(client->loop) + 1000000;
	}
	timers_arm(&client->loop->timers, &client->timer, connection->next_round_at_ns);
	PROBE(backoff, client->number, client->name, connection->round, client->failure.code,
	    (int)client->failure.cause, connection->next_round_at_ns - client->loop->now_ns);
}

static void await_answers(struct connection *connection)
{
	hawser_client *client = client_of(connection);

	timers_arm(
	    &client->loop->timers, &client->timer, loop_after_ms(client->loop, client->drain_deadline_ms));
	loop_queue(client->loop, &client->step_task);
}

static void end_bindings(hawser_client *client, enum hawser_binding_event event)
{
	struct list *next;

	for (struct list *link = client->bindings.next; link != &client->bindings; link = next) {
		hawser_binding *binding = container_of(link, struct hawser_binding, link);

		next = link->next;
		if (client->session)
			calls_connection_went(binding, client->session, &client->end);
		binding_end(binding, event, &client->end);
	}
}

static void shut_down(struct connection *connection)
{
	hawser_client *client = client_of(connection);
	enum hawser_binding_event event = HAWSER_BINDING_FAILED;

	if (client->end.code == 0)
		client->end = client->failure;
	if (client->end.code == -ECANCELED)
		event = HAWSER_BINDING_RELEASED;
	if (client->held) /* somebody may ask how long ago */
		loop_now(client->loop);
	/* Its owner ends it: a binding is told that alone, and not first that its connection went. */
	if (event == HAWSER_BINDING_RELEASED)
		end_bindings(client, event);
	leave(client, &client->end);
	timers_cancel(&client->loop->timers, &client->overall_timer);
	watch_leave(client);
	setup_answer(client, &client->end);
	end_bindings(client, event);
	loop_queue(client->loop, &client->step_task);
}

static void tell_closed(struct connection *connection)
{
	hawser_client *client = client_of(connection);

	if (client->target.fd >= 0) /* adopted, and never a connection */
		client->loop->engine->operations->close(client->loop->engine, client->target.fd);
	client->target.fd = -1;
	list_remove(&client->link);
	if (!client->held)
		loop_queue(client->loop, &client->end_task);
}

static void moved(struct connection *connection, enum connection_state from, const char *why)
{
	hawser_client *client = client_of(connection);

	tell_change(client, from, why);
}

static void missing(struct connection *connection, enum connection_event event)
{
	hawser_client *client = client_of(connection);
	const struct machine *machine = &connection_machine;
	struct failure failure;

	client->loop->moves_missing++;
	loop_log(client->loop, HAWSER_LOG_ERROR, client,
	    "a bug in hawser: no move from %s on %s; the connection is given up",
	    machine->state_names[connection->state], machine->event_names[event]);
	if (connection->moving || !connection_can(connection, CONNECTION_EVENT_gave_up))
		return;
	failure_set(&failure, -EPROTO, HAWSER_STAGE_NONE, "a bug in hawser: its table of moves has a gap");
	client_give_up(client, &failure);
}

static void check(const struct connection *connection)
{
	const hawser_client *client = (const hawser_client *)connection;
	bool found_out = client->next != NEXT_NONE;

	assert(found_out || connection->state != CONNECTION_connecting || client->errand);
	assert(found_out || connection->state != CONNECTION_waiting || timer_armed(&client->timer));
	assert(connection->state != CONNECTION_ready || client->session);
	assert(connection->state != CONNECTION_waiting || (!client->session && !client->errand));
	assert(connection->state != CONNECTION_closed || client->busy == 0);
	assert(connection->state < CONNECTION_closing || (!client->session && !client->errand));
}

const struct connection_effects client_effects = {
    .begin_round = begin_round,
    .begin_attempt = attempt_begin,
    .prepare = prepare,
    .drain_queue = drain_queue,
    .hand_over = hand_over,
    .back_off = back_off,
    .await_answers = await_answers,
    .shut_down = shut_down,
    .tell_closed = tell_closed,
    .moved = moved,
    .missing = missing,
    .check = check,
};
