/* SPDX-License-Identifier: MIT
 *
 * Errands: the operations of a round, a lookup or an attempt on one address, and what is remembered of them.
 * They outlive the client's interest in them: abandoned, they are cancelled and come back to nobody, and a
 * socket that such an attempt still brings is closed.
 *
 * Happy path: a lookup brings addresses, an attempt brings a connected and verified socket.
 *
 * Failures: a lookup's is the round's; an attempt's leads to the round's next address, or is the round's when
 * there is none.
 */
#include "client.h"
#include "probes.h"

#include <errno.h>
#include <string.h>

static uint32_t microseconds(uint64_t from_ns, uint64_t to_ns)
{
	uint64_t us = to_ns > from_ns ? (to_ns - from_ns) / 1000 : 0;

	return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static void remember_address(struct past_attempt *past, const struct address *address)
{
	struct brief_address brief;

	address_brief(address, &brief);
	past->family = brief.family;
	past->port = brief.port;
	memcpy(past->bytes, brief.bytes, sizeof(past->bytes));
}

/* Most clients are connected at the first attempt: the others get their memory when there is a second one.
 * Without it the newest is remembered alone. */
static void make_room(hawser_client *client)
{
	size_t size = client->attempts_kept * sizeof(struct past_attempt);
	struct past_attempt *attempts;

	if (client->attempts_count < client->attempts_room || client->attempts_room == client->attempts_kept)
		return;
	attempts = memory_allocate(&client->loop->memory, size);
	if (!attempts)
		return;
	attempts[0] = client->first_attempt;
	client->attempts = attempts;
	client->attempts_room = client->attempts_kept;
	client->attempts_next = 1;
}

static void remember_lookup(const hawser_client *client, struct past_attempt *past)
{
	past->resolve_us = microseconds(client->connection.round_began_ns, client->loop->now_ns);
}

static void remember_attempt(
    const hawser_client *client, struct past_attempt *past, const struct failure *failure)
{
	past->attempt = client->connection.attempt;
	past->resolve_us = client->resolve_us;
	past->connect_us = client->connect_us;
	if (!failure || failure->stage >= HAWSER_STAGE_SETUP)
		past->setup_us = microseconds(client->connected_ns, client->loop->now_ns);
	remember_address(past, &client->address);
}

void attempt_remember(hawser_client *client, const struct failure *failure)
{
	uint64_t age_ns = client->loop->now_ns - client->born_ns;
	struct past_attempt *past;

	if (!client->attempts_kept)
		return;
	make_room(client);
	past = &client->attempts[client->attempts_next];
	client->attempts_next = (uint8_t)((client->attempts_next + 1) % client->attempts_room);
	if (client->attempts_count < client->attempts_room)
		client->attempts_count++;
	memset(past, 0, sizeof(*past));
	past->round = client->connection.round;
	past->ended_ms = age_ns / 1000000 & 0xffffffffffffULL;
	if (failure) {
		past->code = (int16_t)failure->code;
		past->stage = failure->stage & 0xfU;
		past->cause = failure->cause & 0xfU;
	}
	if (client->connection.state == CONNECTION_resolving)
		remember_lookup(client, past);
	else
		remember_attempt(client, past, failure);
}

void attempt_remember_cut(hawser_client *client, const struct failure *failure)
{
	enum connection_state state = client->connection.state;

	if (state == CONNECTION_resolving || state == CONNECTION_connecting || state == CONNECTION_preparing)
		attempt_remember(client, failure);
}

void errand_abandon(hawser_client *client)
{
	struct engine *engine = client->loop->engine;
	struct errand *errand = client->errand;

	client->errand = NULL;
	if (!errand)
		return;
	errand->abandoned = true;
	engine->operations->cancel(engine, errand->id);
}

static struct errand *errand_new(hawser_client *client)
{
	uint64_t id;
	struct errand *errand = slots_take(&client->loop->errand_slots, &id);

	if (!errand)
		return NULL;
	errand->client = client;
	errand->began_ns = client->loop->now_ns; /* whatever led here has read the clock */
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

void lookup_start(hawser_client *client)
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

static bool another_address(const hawser_client *client)
{
	return client->addresses_next < client->addresses_count;
}

static void attempt_failed(hawser_client *client, const struct failure *failure)
{
	attempt_remember(client, failure);
	if (another_address(client)) {
		client_failure_take(client, failure);
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

	/* Before the probe: where somebody listens, what that costs is not the attempt's. */
	if (!abandoned)
		client->connected_ns = loop_now(loop);
	PROBE(attempt_end, client->number, client->name, errand->attempt, completion->result,
	    (int)completion->stage);
	errand_free(errand);
	if (abandoned) {
		if (completion->result >= 0) {
			engine->operations->close(engine, completion->result);
			client->target.fd = -1;
		}
		client_release_when_done(client);
		loop_run_tasks(loop);
		return;
	}
	client->connect_us = microseconds(client->attempt_began_ns, client->connected_ns);
	if (completion->result < 0) {
		failure_set(&failure, completion->result, completion->stage, NULL);
		attempt_failed(client, &failure);
	} else {
		client->target.fd = -1; /* an adopted one: it is the connection's now */
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

void attempt_begin(struct connection *connection)
{
	hawser_client *client = (hawser_client *)connection;
	struct engine *engine = client->loop->engine;
	struct connect_request request;
	struct errand *errand;
	struct failure failure;
	int result = -ENOMEM;

	connection->attempt++;
	client->connect_us = 0;
	if (client->addresses_count)
		client->address = client->addresses[client->addresses_next++];
	errand = errand_new(client);
	if (errand) {
		struct handler handler = {connect_done, errand};

		client->attempt_began_ns = errand->began_ns;
		errand->attempt = connection->attempt;
		PROBE(attempt_begin, client->number, client->name, connection->round, connection->attempt,
		    &client->address.any, client->address.size);
		fill_request(client, &request);
		result = engine->operations->connect(engine, &request, handler, &errand->id);
		if (result == 0)
			return;
		PROBE(attempt_end, client->number, client->name, connection->attempt, result,
		    HAWSER_STAGE_SOCKET);
		errand_free(errand);
	}
	failure_set(&failure, result, HAWSER_STAGE_SOCKET, NULL);
	client_next(client, NEXT_ATTEMPT_FAILED, &failure);
}
