/* SPDX-License-Identifier: MIT
 *
 * What a protocol may ask of hawser (hawser/protocol.h): sending frames, and telling answers by their request
 * ids. An id that is not awaited, or not any more, is ignored: late and duplicate answers find nobody.
 */
#include "client.h"

#include <errno.h>

int hawser_connection_send(hawser_connection *session, const struct hawser_bytes *parts, size_t parts_count,
    const int *fds, size_t fds_count)
{
	size_t size = 0;

	if (!session->attached)
		return -ENOTCONN;
	for (size_t i = 0; i < parts_count; i++)
		size += parts[i].size;
	if (size > session->protocol->frame_max)
		return -EMSGSIZE;
	return wire_send(&session->wire, parts, parts_count, fds, fds_count);
}

void hawser_connection_prepared(hawser_connection *session)
{
	hawser_client *client = session->client;

	if (!session->attached || session->handshake_done)
		return;
	session->handshake_done = true;
	setup_begin(client);
}

uint64_t hawser_connection_next_id(hawser_connection *session)
{
	return ++session->next_id;
}

enum hawser_request_kind hawser_connection_request_kind(const hawser_connection *session, uint64_t id)
{
	const struct request *request = session->attached ? requests_find(&session->requests, id) : NULL;

	return request ? (enum hawser_request_kind)request->kind : HAWSER_REQUEST_NONE;
}

/* A protocol that answers while it is asked would find bindings and calls half made. */
static struct request *find(hawser_connection *session, uint64_t id)
{
	if (!session->attached)
		return NULL;
	if (session->asking) {
		loop_log(session->wire.loop, HAWSER_LOG_ERROR, session->client,
		    "protocol %s answered from within its bind or invoke: ignored", session->protocol->name);
		return NULL;
	}
	return requests_find(&session->requests, id);
}

static struct request *awaited(hawser_connection *session, uint64_t id, enum request_kind kind)
{
	struct request *request = find(session, id);

	return request && request->kind == kind ? request : NULL;
}

void hawser_connection_bound(hawser_connection *session, uint64_t id, void *service)
{
	struct request *request = awaited(session, id, REQUEST_BINDING);

	if (!request) {
		if (session->protocol->unbind)
			session->protocol->unbind(session, session->state, service);
		return;
	}
	requests_remove(&session->requests, request);
	binding_answered(container_of(request, struct hawser_binding, request), service);
	session_look_for_end(session->client);
}

void hawser_connection_replied(
    hawser_connection *session, uint64_t id, const struct hawser_bytes *reply, bool more)
{
	struct request *request = awaited(session, id, REQUEST_CALL);

	if (!request)
		return;
	if (!more)
		requests_remove(&session->requests, request);
	call_answered(container_of(request, struct hawser_call, request), reply, more);
	session_look_for_end(session->client);
}

void hawser_connection_failed(
    hawser_connection *session, uint64_t id, int code, enum hawser_cause cause, const char *text)
{
	struct request *request = find(session, id);
	struct memory *memory = &session->wire.loop->memory;
	struct failure failure;
	uint8_t kind;

	if (!request)
		return;
	kind = request->kind;
	failure_set(&failure, code, kind == REQUEST_CALL ? HAWSER_STAGE_CALL : HAWSER_STAGE_BIND, NULL);
	failure.cause = (uint8_t)cause;
	requests_remove(&session->requests, request);
	if (kind == REQUEST_CALL) {
		hawser_call *call = container_of(request, struct hawser_call, request);

		failure.fate = HAWSER_FATE_ANSWERED;
		failure.text = words_keep(memory, &call->host_words, text);
		call_fail(call, &failure);
	} else {
		hawser_binding *binding = container_of(request, struct hawser_binding, request);

		failure.text = words_keep(memory, &binding->host_words, text);
		binding_refused(binding, &failure);
	}
	session_look_for_end(session->client);
}

void hawser_connection_data(hawser_connection *session, const struct hawser_bytes *data)
{
	hawser_client *client = session->client;

	loop_run_tasks(client->loop);
	if (session->attached && client->on_data)
		client->on_data(client, data, client->user);
}

ssize_t hawser_connection_check(hawser_connection *session, const struct hawser_bytes *answer)
{
	hawser_client *client = session->client;
	struct setup *setup = client->setup;
	struct failure failure;
	bool done = false;
	ssize_t taken;

	if (!session->attached || !session->in_setup || !setup)
		return (ssize_t)answer->size;
	if (!setup->options.check) {
		setup_done(client);
		return (ssize_t)answer->size;
	}
	taken = setup->options.check(client, answer, &done, setup->options.user);
	if (!session->attached)
		return taken < 0 ? taken : (ssize_t)answer->size;
	if (taken < 0) {
		failure_set(
		    &failure, (int)taken, HAWSER_STAGE_SETUP, "the setup's check refused the host's answer");
		failure.cause = HAWSER_CAUSE_PROTOCOL;
		session_fail(client, &failure);
		return taken;
	}
	if (done)
		setup_done(client);
	return (size_t)taken < answer->size ? taken : (ssize_t)answer->size;
}

void hawser_connection_setup_failed(
    hawser_connection *session, int code, enum hawser_cause cause, const char *text)
{
	hawser_client *client = session->client;
	struct failure failure;

	if (!session->attached || !session->in_setup)
		return;
	text = words_keep(&client->loop->memory, &client->host_words, text);
	failure_set(&failure, code, HAWSER_STAGE_SETUP, text ? text : "the host refused the setup");
	failure.cause = (uint8_t)cause;
	session_fail(client, &failure);
}

bool hawser_connection_in_setup(const hawser_connection *session)
{
	return session->attached && session->in_setup;
}

void *hawser_connection_allocate(hawser_connection *session, size_t size)
{
	return memory_allocate(&session->wire.loop->memory, size);
}

void hawser_connection_release(hawser_connection *session, void *pointer, size_t size)
{
	memory_release(&session->wire.loop->memory, pointer, size);
}
