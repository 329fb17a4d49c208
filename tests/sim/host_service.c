/* SPDX-License-Identifier: MIT
 *
 * A host's services: reads the requests of a connection frame by frame and decides what to answer. The ids of
 * services and methods differ on every connection, so that a call with the ids of another one is noticed.
 */
#include "world.h"

#include <string.h>

static uint32_t name_number(struct frame_text name)
{
	uint32_t number = 0;

	if (name.size == 5 && memcmp(name.data, "setup", 5) == 0)
		return SETUP_SERVICE;
	for (size_t i = 1; i < name.size; i++)
		number = number * 10 + (uint32_t)(name.data[i] - '0');
	return number;
}

static enum answer_kind choose_bind_answer(struct world *world)
{
	if (chance(world, world->faults.refuses))
		return chance(world, 50) ? ANSWER_BIND_EMPTY : ANSWER_BIND_REFUSED;
	if (chance(world, world->faults.answers_error))
		return ANSWER_BIND_ERROR;
	if (chance(world, world->faults.answers_wrong))
		return chance(world, 50) ? ANSWER_BIND_WRONG_KIND : ANSWER_BIND_BROKEN;
	return ANSWER_BOUND;
}

static void serve_bind(struct world *world, struct sim_connection *connection, const struct frame *frame)
{
	struct session *session = &connection->session;
	struct answer answer = {.id = frame->id, .connection = connection_id(world, connection)};

	answer.number = name_number(frame->service);
	trace(world, TRACE_host_bind, connection->number, answer.number, frame->id);
	if (chance(world, world->faults.unanswered)) {
		session->silences = true;
		return;
	}
	answer.kind = (uint8_t)choose_bind_answer(world);
	if (answer.kind == ANSWER_BOUND && session->services_count == SESSION_SERVICES_MAX)
		answer.kind = ANSWER_BIND_EMPTY;
	if (answer.kind == ANSWER_BOUND) {
		answer.service_id = (uint32_t)connection->number * 64 + session->services_count + 1;
		session->services[session->services_count++] =
		    (struct session_service){answer.service_id, answer.number};
	}
	answer_plan(world, &answer);
}

static const struct session_service *service_find(const struct session *session, uint64_t id)
{
	for (uint32_t i = 0; i < session->services_count; i++)
		if (session->services[i].id == id)
			return &session->services[i];
	return NULL;
}

static enum answer_kind choose_reply(struct world *world)
{
	if (chance(world, world->faults.call_fails))
		return ANSWER_REPLY_FAILED;
	if (chance(world, world->faults.answers_error))
		return ANSWER_REPLY_ERROR;
	if (chance(world, world->faults.answers_wrong))
		return chance(world, 50) ? ANSWER_REPLY_WRONG_KIND : ANSWER_REPLY_BROKEN;
	return ANSWER_REPLY;
}

static void serve_invoke(struct world *world, struct sim_connection *connection, const struct frame *frame)
{
	const struct session_service *service = service_find(&connection->session, frame->service_id);
	struct answer answer = {.id = frame->id, .connection = connection_id(world, connection)};

	if (!service || frame->method_id / 8 != frame->service_id)
		violated(world,
		    "a call with ids that this connection's host never gave: service %llu, method %llu",
		    (unsigned long long)frame->service_id, (unsigned long long)frame->method_id);
	answer.number = word_get(frame->arguments.data + 4);
	answer.count = word_get(frame->arguments.data + 8);
	answer.size = word_get(frame->arguments.data + 12);
	trace(world, TRACE_host_invoke, connection->number, answer.number, frame->id);
	oracle_executed(world, connection, answer.number, service->name);
	if (frame->drop_reply)
		return;
	if (chance(world, world->faults.unanswered)) {
		connection->session.silences = true;
		return;
	}
	answer.kind = (uint8_t)choose_reply(world);
	answer_plan(world, &answer);
}

static void serve(struct world *world, struct sim_connection *connection, const uint8_t *payload, size_t size)
{
	struct frame frame;

	if (connection->session.mute)
		return;
	/* The oracle has looked at this frame when the kernel took it: it is well made. */
	frame_read(payload, size, &frame);
	if (chance(world, world->faults.garbage))
		answer_garbage(world, connection);
	if (!connection->host_open)
		return;
	if (frame.kind == FRAME_BIND)
		serve_bind(world, connection, &frame);
	else
		serve_invoke(world, connection, &frame);
}

void service_received(struct world *world, struct sim_connection *connection)
{
	while (connection->host_open) {
		const uint8_t *data = buffer_bytes(&connection->outbound);
		size_t size = frame_whole(data, connection->outbound_arrived);

		if (size == 0)
			return;
		serve(world, connection, data + FRAME_HEADER, size - FRAME_HEADER);
		if (connection->host_open)
			network_host_consumed(world, connection, size);
	}
}
