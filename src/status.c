/* SPDX-License-Identifier: MIT
 *
 * What a client is doing and has done, as a struct. status_json.c writes it as text.
 *
 * Happy path: everything is read off the client at the moment of the call, and nothing is changed.
 * Failures: a forked child (-ECHILD), a struct smaller than the one there is (-EINVAL); the caller's struct
 * is then as it was.
 */
#include "client.h"

#include <errno.h>
#include <string.h>

_Static_assert(HAWSER_TIME_BUCKETS == HISTOGRAM_BUCKETS, "the public histogram is the core's");
_Static_assert(HAWSER_ADDRESS_MAX == ADDRESS_TEXT_MAX, "addresses fit");

static void fill_attempt(
    const hawser_client *client, const struct past_attempt *past, struct hawser_attempt_status *attempt)
{
	struct brief_address brief = {.port = past->port, .family = past->family};
	struct address address;

	attempt->round = past->round;
	attempt->attempt = past->attempt;
	attempt->stage = (enum hawser_stage)past->stage;
	attempt->cause = (enum hawser_cause)past->cause;
	attempt->code = past->code;
	attempt->resolve_us = past->resolve_us;
	attempt->connect_us = past->connect_us;
	attempt->setup_us = past->setup_us;
	attempt->ended_ns = client->born_ns + past->ended_ms * 1000000ULL;
	memcpy(brief.bytes, past->bytes, sizeof(brief.bytes));
	address = address_unbrief(&brief, &client->address);
	attempt->address[0] = '\0';
	if (address.size)
		address_format(&address, attempt->address, sizeof(attempt->address));
}

static void fill_attempts(const hawser_client *client, struct hawser_status *status)
{
	status->attempts_count = client->attempts_count;
	for (uint32_t i = 0; i < client->attempts_count; i++) {
		uint32_t at =
		    (client->attempts_next + client->attempts_room - 1U - i) % client->attempts_room;

		fill_attempt(client, &client->attempts[at], &status->attempts[i]);
	}
}

static void fill_queues(const hawser_client *client, struct hawser_status *status)
{
	const struct hawser_connection *session = client->session;

	for (const struct list *link = client->bindings.next; link != &client->bindings; link = link->next) {
		const hawser_binding *binding = container_of(link, struct hawser_binding, link);

		status->bindings[binding->machine.state]++;
		status->calls_waiting += binding->calls_waiting;
		for (const struct list *call = binding->calls.next; call != &binding->calls;
		     call = call->next)
			status->calls_in_flight++;
		status->calls_in_flight -= binding->calls_waiting;
	}
	status->bytes_sent = client->counters.bytes_sent;
	status->bytes_received = client->counters.bytes_received;
	if (session) {
		status->unsent_bytes = wire_unsent(&session->wire);
		status->bytes_sent += session->wire.sent_to;
		status->bytes_received += session->wire.received_to;
	}
}

static void fill(const hawser_client *client, struct hawser_status *status)
{
	const struct connection *connection = &client->connection;
	uint64_t now_ns = hawser_loop_now_ns(client->loop);

	status->state = (enum hawser_state)connection->state;
	status->engine = hawser_loop_engine(client->loop);
	if (client->address.size && connection->attempt)
		address_format(&client->address, status->address, sizeof(status->address));
	status->round = connection->round;
	status->attempt = connection->attempt;
	status->failures_in_a_row = connection->failures;
	if (connection->state == CONNECTION_waiting && client->timer.deadline_ns > now_ns)
		status->next_retry_ns = client->timer.deadline_ns - now_ns;
	status->age_ns = now_ns - client->moved_ns;
	status->connections = client->counters.connections;
	status->losses = client->counters.losses;
	status->rebinds = client->counters.rebinds;
	for (int i = 0; i < HAWSER_CAUSES; i++)
		status->causes[i] = client->counters.causes[i];
	memcpy(status->ready_time, client->counters.ready_time.counts, sizeof(status->ready_time));
	status->last_code = client->failure.code;
	status->last_stage = client->failure.stage;
	status->last_cause = client->failure.cause;
	fill_queues(client, status);
	fill_attempts(client, status);
}

int hawser_client_status(const hawser_client *client, struct hawser_status *status)
{
	struct hawser_status now;

	if (loop_is_forked(client->loop))
		return -ECHILD;
	if (!status || status->size < sizeof(*status))
		return -EINVAL;
	memset(&now, 0, sizeof(now));
	now.size = status->size;
	fill(client, &now);
	memcpy(status, &now, sizeof(now));
	return 0;
}
