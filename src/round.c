/* SPDX-License-Identifier: MIT
 *
 * Rounds: what the connection's table asks for between the wish to connect and a verified socket, and between
 * a loss and the next round. It decides nothing that the table or core/connection.c decide.
 *
 * Happy path: begin_round looks a name up (or has the address already), begin_attempt hands one address to
 * the engine, prepare gives the connected socket to a session, drain_queue sends what waited.
 *
 * Failures: every one becomes a struct failure with errno, stage and cause, is remembered, and then another
 * address, another round or the end follows. An errand that is no longer wanted is cancelled and comes back
 * to nobody: a socket it still brings is closed.
 */
#include "client.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define USEFUL_AFTER_NS 10000000000ULL

static hawser_client *client_of(struct connection *connection)
{
	return (hawser_client *)connection;
}

static uint32_t microseconds(uint64_t from_ns, uint64_t to_ns)
{
	uint64_t us = to_ns > from_ns ? (to_ns - from_ns) / 1000 : 0;

	return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

void client_next(hawser_client *client, enum client_next next, const struct failure *failure)
{
	client->next = (uint8_t)next;
	if (failure)
		client->next_failure = *failure;
}

static void errand_abandon(hawser_client *client)
{
	struct engine *engine = client->loop->engine;
	struct errand *errand = client->errand;

	client->errand = NULL;
	if (!errand)
		return;
	errand->abandoned = true;
	engine->operations->cancel(engine, errand->id);
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

static struct errand *errand_new(hawser_client *client)
{
	uint64_t id;
	struct errand *errand = slots_take(&client->loop->errand_slots, &id);

	if (!errand)
		return NULL;
	errand->client = client;
	errand->began_ns = loop_now(client->loop);
	client->errand = errand;
	client->busy++;
	return errand;
}

static void errand_free(struct errand *errand)
{
	hawser_client *client = errand->client;

	if (client->errand == errand)
		client->errand = NULL;
	client->busy--;
	slots_give(&client->loop->errand_slots, errand);
}

static void lookup_done(void *owner, const struct completion *completion)
{
	struct errand *errand = owner;
	hawser_client *client = errand->client;
	hawser_loop *loop = client->loop;
	bool abandoned = errand->abandoned;
	uint64_t began_ns = errand->began_ns;
	struct failure failure;
	size_t size;

	errand_free(errand);
	if (abandoned) {
		client_release_when_done(client);
		loop_run_tasks(loop);
		return;
	}
	client->resolve_us = microseconds(began_ns, loop_now(loop));
	timers_cancel(&loop->timers, &client->timer);
	failure_set(&failure, completion->result, HAWSER_STAGE_RESOLVE, NULL);
	if (completion->result > 0) {
		size = (size_t)completion->result * sizeof(struct address);
		client->addresses = memory_allocate(&loop->memory, size);
		if (client->addresses) {
			memcpy(client->addresses, completion->addresses, size);
			client->addresses_count = (uint32_t)completion->result;
			client_fire(client, CONNECTION_EVENT_resolved);
			loop_run_tasks(loop);
			return;
		}
		failure_set(&failure, -ENOMEM, HAWSER_STAGE_RESOLVE, NULL);
	}
	client_fail(client, &failure);
	loop_run_tasks(loop);
}

static void lookup_start(hawser_client *client)
{
	struct engine *engine = client->loop->engine;
	char host[TARGET_HOST_MAX + 1];
	struct failure failure;
	struct errand *errand = errand_new(client);
	struct handler handler = {lookup_done, errand};
	int result = -ENOMEM;

	memcpy(host, client->target_text + client->target.host_at, client->target.host_size);
	host[client->target.host_size] = '\0';
	if (errand)
		result = engine->operations->resolve(engine, host, client->target.port, handler, &errand->id);
	if (result == 0) {
		timers_arm(&client->loop->timers, &client->timer,
		    loop_after_ms(client->loop, client->resolve_deadline_ms));
		return;
	}
	if (errand)
		errand_free(errand);
	failure_set(&failure, result, HAWSER_STAGE_RESOLVE, NULL);
	client_next(client, NEXT_FAILED, &failure);
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
	if (connection->overall_at_ns == ENGINE_NEVER && client->overall_deadline_ms != HAWSER_NONE) {
		connection->overall_at_ns = loop_after_ms(client->loop, client->overall_deadline_ms);
		timers_arm(&client->loop->timers, &client->overall_timer, connection->overall_at_ns);
	}
	if (client->target.kind == TARGET_NAME)
		lookup_start(client);
	else
		client_next(client, NEXT_RESOLVED, NULL);
}

static bool another_address(const hawser_client *client)
{
	return client->addresses_next < client->addresses_count;
}

static void attempt_failed(hawser_client *client, const struct failure *failure)
{
	attempt_remember(client, failure);
	if (another_address(client)) {
		client->failure = *failure;
		client->counters.causes[failure->cause]++;
		client_fire(client, CONNECTION_EVENT_attempt_failed);
	} else {
		client_fail(client, failure);
	}
}

static void connect_done(void *owner, const struct completion *completion)
{
	struct errand *errand = owner;
	hawser_client *client = errand->client;
	hawser_loop *loop = client->loop;
	struct engine *engine = loop->engine;
	bool abandoned = errand->abandoned;
	struct failure failure;

	errand_free(errand);
	if (abandoned) {
		if (completion->result >= 0)
			engine->operations->close(engine, completion->result);
		client_release_when_done(client);
		loop_run_tasks(loop);
		return;
	}
	client->connected_ns = loop_now(loop);
	client->connect_us = microseconds(client->attempt_began_ns, client->connected_ns);
	if (completion->result < 0) {
		failure_set(&failure, completion->result, completion->stage, NULL);
		attempt_failed(client, &failure);
	} else {
		client->pending_fd = completion->result;
		client_fire(client, CONNECTION_EVENT_connected);
	}
	loop_run_tasks(loop);
}

static void fill_request(hawser_client *client, struct connect_request *request)
{
	static const struct socket_options standard = SOCKET_OPTIONS_NONE;

	memset(request, 0, sizeof(*request));
	request->address = client->address;
	request->adopted_fd = client->target.kind == TARGET_FD ? client->target.fd : -1;
	request->deadline_ns = client->attempt_deadline_ms == HAWSER_NONE
				   ? ENGINE_NEVER
				   : (uint64_t)client->attempt_deadline_ms * 1000000;
	request->options = client->socket_options ? client->socket_options : &standard;
	request->tag.magic = ENGINE_TAG_MAGIC;
	request->tag.version = 1;
	request->tag.attempt = client->connection.attempt;
	request->tag.client = client->number;
	strncpy(request->tag.target, client->name, sizeof(request->tag.target) - 1);
}

static void begin_attempt(struct connection *connection)
{
	hawser_client *client = client_of(connection);
	struct engine *engine = client->loop->engine;
	struct connect_request request;
	struct errand *errand;
	struct failure failure;
	int result = -ENOMEM;

	connection->attempt++;
	client->connect_us = 0;
	if (client->addresses_count)
		client->address = client->addresses[client->addresses_next++];
	else
		client->address = client->target.address;
	errand = errand_new(client);
	if (errand) {
		struct handler handler = {connect_done, errand};

		client->attempt_began_ns = errand->began_ns;
		fill_request(client, &request);
		result = engine->operations->connect(engine, &request, handler, &errand->id);
		if (result == 0) {
			client->target.fd = -1;
			return;
		}
		errand_free(errand);
	}
	failure_set(&failure, result, HAWSER_STAGE_SOCKET, NULL);
	client_next(client, NEXT_ATTEMPT_FAILED, &failure);
}

static bool peer_is_welcome(hawser_client *client, struct failure *failure)
{
	struct engine *engine = client->loop->engine;
	int result;

	client->peer_known = false;
	if (client->address.size && client->address.any.sa_family != AF_UNIX)
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

static void now_connected(hawser_client *client)
{
	struct timers *timers = &client->loop->timers;
	uint64_t now_ns = loop_now(client->loop);

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

	now_connected(client);
	if (!connection->useful)
		timers_arm(
		    &client->loop->timers, &client->useful_timer, loop_now(client->loop) + USEFUL_AFTER_NS);
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
}

static void await_answers(struct connection *connection)
{
	hawser_client *client = client_of(connection);

	timers_arm(
	    &client->loop->timers, &client->timer, loop_after_ms(client->loop, client->drain_deadline_ms));
	loop_queue(client->loop, &client->step_task);
}

static void shut_down(struct connection *connection)
{
	hawser_client *client = client_of(connection);
	enum hawser_binding_event event = HAWSER_BINDING_FAILED;
	struct list *next;

	if (client->end.code == 0)
		client->end = client->failure;
	if (client->end.code == -ECANCELED)
		event = HAWSER_BINDING_RELEASED;
	leave(client, &client->end);
	timers_cancel(&client->loop->timers, &client->overall_timer);
	watch_leave(client);
	setup_answer(client, &client->end);
	for (struct list *link = client->bindings.next; link != &client->bindings; link = next) {
		next = link->next;
		binding_end(container_of(link, struct hawser_binding, link), event, &client->end);
	}
	loop_queue(client->loop, &client->step_task);
}

static void tell_closed(struct connection *connection)
{
	hawser_client *client = client_of(connection);

	list_remove(&client->link);
	if (!client->held)
		loop_queue(client->loop, &client->end_task);
}

static void moved(struct connection *connection, enum connection_state from, const char *why)
{
	hawser_client *client = client_of(connection);

	tell_change(client, from, why);
	client->moved_ns = client->loop->now_ns;
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
    .begin_attempt = begin_attempt,
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
