/* SPDX-License-Identifier: MIT
 *
 * A session: one established connection with its protocol. It begins with a verified socket and ends when the
 * client leaves it; the wire then closes by itself and gives the memory back.
 *
 * Happy path: open (handshake), setup, prepared, and then frames: each is given to the protocol, what it
 * tells is delivered, and only then the next one is looked at, so that a callback may do anything, freeing
 * the client included.
 *
 * Failures: whatever ends the session becomes one failure of the connection. Then calls in flight are told
 * first, with what may have become of them, then bindings.
 */
#include "client.h"

#include <errno.h>

static struct hawser_connection *session_of(struct wire *wire)
{
	return (struct hawser_connection *)wire;
}

bool session_in_effect(const hawser_client *client)
{
	return client->connection.moving;
}

void session_fail(hawser_client *client, const struct failure *failure)
{
	if (session_in_effect(client))
		client_next(client, NEXT_FAILED, failure);
	else
		client_fail(client, failure);
}

static ssize_t broken(hawser_client *client, int code, enum hawser_cause cause, const char *text)
{
	struct failure failure;

	failure_set(&failure, code, HAWSER_STAGE_RECEIVE, text);
	failure.cause = (uint8_t)cause;
	session_fail(client, &failure);
	return code;
}

static ssize_t receive_frame(struct hawser_connection *session, const uint8_t *data, size_t size)
{
	const struct hawser_protocol *protocol = session->protocol;
	hawser_client *client = session->client;
	hawser_loop *loop = client->loop;
	bool in_setup = session->in_setup;
	ssize_t consumed;

	session->frame_end = session->wire.consumed_to + size;
	consumed = protocol->receive(session, session->state, data, size);
	loop_run_tasks(loop);
	if (consumed == 0 && in_setup && session->attached && !session->in_setup && !session->wire.paused) {
		consumed = protocol->receive(session, session->state, data, size);
		loop_run_tasks(loop);
	}
	if (consumed > 0)
		wire_drop_fds(&session->wire, session->wire.consumed_to + (uint64_t)consumed);
	if (!session->attached)
		return -ECANCELED;
	if (consumed >= 0)
		return consumed;
	return broken(
	    client, (int)consumed, HAWSER_CAUSE_PROTOCOL, "the host sent what its protocol forbids");
}

static ssize_t received(struct wire *wire, const uint8_t *data, size_t size)
{
	struct hawser_connection *session = session_of(wire);
	const struct hawser_protocol *protocol = session->protocol;
	ssize_t frame = (ssize_t)size;

	/* What is to be told before these bytes comes before them; its owner may pause the connection, or
	 * leave it. */
	loop_run_tasks(wire->loop);
	if (!session->attached)
		return -ECANCELED;
	if (wire->paused)
		return 0;
	if (!protocol->receive)
		return broken(
		    session->client, -EPROTO, HAWSER_CAUSE_PROTOCOL, "nothing was expected from this host");
	if (protocol->frame)
		frame = protocol->frame(session->state, data, size);
	if (frame > 0 && (size_t)frame > protocol->frame_max && protocol->frame)
		frame = -EMSGSIZE;
	if (frame < 0)
		return broken(session->client, (int)frame, HAWSER_CAUSE_PROTOCOL,
		    frame == -EMSGSIZE ? "the host sent a frame larger than the protocol allows"
				       : "the host sent what is no frame");
	if (frame == 0 || (size_t)frame > size)
		return 0;
	return receive_frame(session, data, (size_t)frame);
}

static void useful(struct wire *wire)
{
	hawser_client *client = session_of(wire)->client;

	if (!session_of(wire)->attached || client->connection.state == CONNECTION_preparing)
		return; /* before it is ready it may be a refusal: see drain_queue */
	timers_cancel(&client->loop->timers, &client->useful_timer);
	connection_was_useful(&client->connection);
}

static uint8_t end_cause(int code)
{
	switch (code) {
	case -EMSGSIZE:
		return HAWSER_CAUSE_PROTOCOL;
	case -ENOMEM:
	case -EMFILE:
	case -EBADF:
		return HAWSER_CAUSE_LOCAL;
	default:
		return HAWSER_CAUSE_LOST;
	}
}

static void ended(struct wire *wire, int code, enum hawser_stage stage)
{
	struct hawser_connection *session = session_of(wire);
	hawser_client *client = session->client;
	struct failure failure;

	if (!session->attached)
		return;
	if (code == 0 && client->half_close && !wire->half_closed &&
	    (client->connection.state == CONNECTION_ready ||
		client->connection.state == CONNECTION_draining) &&
	    wire_half_close(wire) == 0) {
		struct hawser_bytes nothing = {NULL, 0};

		hawser_connection_data(session, &nothing);
		return;
	}
	failure_set(&failure, code ? code : -ECONNRESET, stage,
	    code                                       ? NULL
	    : wire->half_closed && wire->shutdown_done ? "both sides have closed the connection"
						       : "the host closed the connection");
	failure.cause = end_cause(code);
	if (code == -EMSGSIZE)
		failure.text = "the host sent more descriptors, or a longer frame, than is taken";
	if (code == -EMFILE)
		failure.text = "no descriptor was left for those that the host sent (RLIMIT_NOFILE)";
	if (code == -EBADF)
		failure.text = "a descriptor that was to be sent is not open any more";
	if (client->connection.state == CONNECTION_preparing && stage == HAWSER_STAGE_RECEIVE)
		failure.stage = HAWSER_STAGE_SETUP;
	session_fail(client, &failure);
}

static void writable(struct wire *wire)
{
	struct hawser_connection *session = session_of(wire);

	if (!session->attached)
		return;
	session->client->queue_drained = true;
	loop_queue(session->client->loop, &session->client->writable_task);
}

bool session_answered(const hawser_client *client)
{
	const struct hawser_connection *session = client->session;

	if (!session)
		return true;
	if (session->requests.count || wire_unsent(&session->wire) || session->in_setup)
		return false;
	for (const struct list *link = client->bindings.next; link != &client->bindings; link = link->next) {
		const hawser_binding *binding = container_of(link, struct hawser_binding, link);

		if (binding->machine.state == BINDING_bound && binding->calls_waiting)
			return false;
		if (binding->machine.state == BINDING_queued && !binding->asleep)
			return false;
	}
	return true;
}

void session_look_for_end(hawser_client *client)
{
	if (client->connection.state == CONNECTION_draining)
		loop_queue(client->loop, &client->step_task);
}

static void emptied(struct wire *wire)
{
	if (session_of(wire)->attached)
		session_look_for_end(session_of(wire)->client);
}

static void gone(struct wire *wire)
{
	struct hawser_connection *session = session_of(wire);
	hawser_client *client = session->client;
	hawser_loop *loop = client->loop;

	if (session->opened && session->protocol->close)
		session->protocol->close(session, session->state);
	requests_destroy(&session->requests);
	memory_release(&loop->memory, session, sizeof(*session) + session->protocol->connection_size);
	loop->connections--;
	client->busy--;
	client_release_when_done(client);
}

static const struct wire_owner session_owner = {
    .received = received,
    .useful = useful,
    .ended = ended,
    .writable = writable,
    .emptied = emptied,
    .gone = gone,
};

int session_begin(hawser_client *client, int fd)
{
	const struct hawser_protocol *protocol = client->protocol;
	hawser_loop *loop = client->loop;
	struct hawser_connection *session;
	int result;

	session = memory_allocate(&loop->memory, sizeof(*session) + protocol->connection_size);
	if (!session) {
		loop->engine->operations->close(loop->engine, fd);
		return -ENOMEM;
	}
	wire_init(&session->wire, loop, &session_owner, fd, client->is_unix, client->unsent_bytes_max,
	    protocol->frame_max + loop->receive_buffer_size);
	requests_init(&session->requests, &loop->memory);
	session->client = client;
	session->protocol = protocol;
	session->attached = true;
	client->session = session;
	client->busy++;
	loop->connections++;
	result = wire_open(&session->wire);
	if (result < 0)
		return result;
	session->opened = true;
	result = protocol->open ? protocol->open(session, session->state) : 0;
	if (result == 0)
		hawser_connection_prepared(session);
	return result < 0 ? result : 0;
}

void session_end(hawser_client *client, const struct failure *failure)
{
	struct hawser_connection *session = client->session;
	struct list *next;

	if (!session)
		return;
	session->attached = false;
	client->session = NULL;
	client->sent_completely = session->wire.sent_to;
	client->sent_possibly = session->wire.sending ? session->wire.sending_to : session->wire.sent_to;
	client->counters.bytes_sent += client->sent_completely;
	client->counters.bytes_received += session->wire.received_to;
	session->in_setup = false;
	for (struct list *link = client->bindings.next; link != &client->bindings; link = link->next)
		calls_connection_went(container_of(link, struct hawser_binding, link), session, failure);
	for (struct list *link = client->bindings.next; link != &client->bindings; link = next) {
		next = link->next;
		binding_connection_went(container_of(link, struct hawser_binding, link), session, failure);
	}
	setup_answer(client, failure);
	if (session->wire
		.refused) { /* its owner waits for room: the queue is gone, and so is what filled it */
		client->queue_drained = true;
		loop_queue(client->loop, &client->writable_task);
	}
	wire_close(&session->wire);
}

void session_drain_queue(hawser_client *client)
{
	struct list *next;

	for (struct list *link = client->bindings.next; link != &client->bindings; link = next) {
		next = link->next;
		if (!binding_send(container_of(link, struct hawser_binding, link)))
			return;
	}
}

void session_hand_over(hawser_client *client)
{
	int fd = client->pending_fd;

	client->pending_fd = -1;
	client->handed_fd = fd;
	loop_queue(client->loop, &client->handover_task);
}
