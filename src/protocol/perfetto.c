/* SPDX-License-Identifier: MIT
 *
 * Protocol "perfetto": binds a service by name, which answers with the ids of its methods, and invokes
 * methods by those ids. It keeps no table of what is awaited: the connection does, by request id.
 *
 * Happy path: bind, BindServiceReply with success, a struct perfetto_service for the binding; invoke,
 * InvokeMethodReply (several when it says has_more). The setup exchange is a bind and an invoke under ids of
 * its own.
 *
 * Failures: a refusal by the host: -ECONNREFUSED for a bind, -EREMOTEIO for a call, cause refused.
 * RequestError, an answer of the other kind and one that cannot be read: -EPROTO, cause protocol, because
 * the answer that was awaited will not come any more. No memory for the methods: -ENOMEM, cause local.
 * Frames that cannot be read, answer nothing, or answer what nobody waits for are ignored, as the peers do.
 */
#include "protocol/perfetto_service.h"
#include "protocol/perfetto_wire.h"
#include <errno.h>
#include <string.h>

enum { TEXT_MAX = 128 };

struct session {
	const struct hawser_setup_options *setup;
	uint64_t setup_id; /* awaited by the setup exchange; 0: nothing */
	bool setup_bound;  /* it is the answer to its invoke that is awaited */
};

static int request_send(hawser_connection *connection, const struct perfetto_request *request,
    struct hawser_bytes body, const int *fds, size_t fds_count)
{
	struct hawser_bytes parts[] = {
	    {request->head, request->head_size},
	    body,
	    {request->tail, request->tail_size},
	};

	return hawser_connection_send(connection, parts, sizeof(parts) / sizeof(*parts), fds, fds_count);
}

static ssize_t perfetto_frame(void *state, const uint8_t *data, size_t size)
{
	(void)state;
	return perfetto_frame_size(data, size);
}

static int perfetto_bind(hawser_connection *connection, void *state, uint64_t id, const char *service)
{
	struct hawser_bytes name = {.data = service, .size = strlen(service)};
	struct perfetto_request request;
	int result = perfetto_encode_bind(id, name.size, &request);

	(void)state;
	return result < 0 ? result : request_send(connection, &request, name, NULL, 0);
}

static int perfetto_invoke(hawser_connection *connection, void *state, uint64_t id, void *service,
    const struct hawser_protocol_call *call)
{
	uint32_t method = perfetto_service_method(service, call->method);
	struct perfetto_request request;
	int result;

	(void)state;
	if (!method)
		return -ENOSYS;
	result = perfetto_encode_invoke(
	    id, perfetto_service_id(service), method, call->arguments.size, call->no_reply, &request);
	if (result < 0)
		return result;
	return request_send(connection, &request, call->arguments, call->fds, call->fds_count);
}

static void perfetto_unbind(hawser_connection *connection, void *state, void *service)
{
	(void)state;
	perfetto_service_free(connection, service);
}

static int perfetto_setup(
    hawser_connection *connection, void *state, const struct hawser_setup_options *setup)
{
	struct session *session = state;
	uint64_t id;
	int result;

	if (!setup->service || !setup->method)
		return -EINVAL;
	id = hawser_connection_next_id(connection);
	result = perfetto_bind(connection, state, id, setup->service);
	if (result < 0)
		return result;
	*session = (struct session){.setup = setup, .setup_id = id};
	return 1;
}

/* A host's words as a C string: cut, and without what could disturb a terminal or a log. */
static const char *text_of(const struct hawser_bytes *words, char text[TEXT_MAX])
{
	size_t size = words->size < TEXT_MAX - 1 ? words->size : TEXT_MAX - 1;

	memcpy(text, words->data, size);
	for (size_t i = 0; i < size; i++) {
		if (text[i] < 0x20 || text[i] >= 0x7f)
			text[i] = '?';
	}
	text[size] = '\0';
	return size ? text : "the host answered with an error";
}

/* Why an answer is no answer to what is awaited, or NULL: it is one. */
static const char *answer_fault(
    const struct perfetto_answer *answer, enum hawser_request_kind awaited, char text[TEXT_MAX])
{
	bool bind = awaited == HAWSER_REQUEST_BIND;

	if (answer->unreadable)
		return "the host's answer cannot be read";
	if (bind ? answer->bind_reply.present : answer->invoke_reply.present)
		return NULL;
	if (answer->error.present)
		return text_of(&answer->error.text, text);
	return bind ? "the host answered a binding with the reply of a call"
		    : "the host answered a call with the reply of a binding";
}

/* Hosts leave success out when the service itself rejects a call, and say false when they found nobody to run
 * it. */
static const char *call_refusal(const struct perfetto_answer *answer)
{
	return answer->invoke_reply.success_given
		   ? "the host could not run the call: unknown service or method, or arguments it cannot read"
		   : "the service rejected the call";
}

static void bind_answered(
    hawser_connection *connection, const struct perfetto_answer *answer, const struct hawser_bytes *payload)
{
	struct perfetto_service *service;
	uint64_t id = answer->request_id;

	if (!answer->bind_reply.success) {
		hawser_connection_failed(connection, id, -ECONNREFUSED, HAWSER_CAUSE_REFUSED, NULL);
		return;
	}
	service = perfetto_service_new(connection, answer->bind_reply.service_id, payload);
	if (service)
		hawser_connection_bound(connection, id, service);
	else
		hawser_connection_failed(connection, id, -ENOMEM, HAWSER_CAUSE_LOCAL, NULL);
}

static void call_answered(hawser_connection *connection, const struct perfetto_answer *answer)
{
	if (answer->invoke_reply.success)
		hawser_connection_replied(connection, answer->request_id, &answer->invoke_reply.reply,
		    answer->invoke_reply.has_more);
	else
		hawser_connection_failed(
		    connection, answer->request_id, -EREMOTEIO, HAWSER_CAUSE_REFUSED, call_refusal(answer));
}

/* Nobody needs a service for one call: the id of its method is taken from the answer itself. */
static uint32_t setup_method(const struct session *session, const struct hawser_bytes *payload)
{
	const char *wanted = session->setup->method;
	struct perfetto_methods methods;
	struct hawser_bytes name;
	uint32_t found = 0;
	uint32_t id;

	perfetto_methods_begin(&methods, payload->data, payload->size);
	while (perfetto_methods_next(&methods, &id, &name)) {
		if (name.size == strlen(wanted) && !memcmp(name.data, wanted, name.size))
			found = id;
	}
	return found;
}

static void setup_bound(hawser_connection *connection, struct session *session,
    const struct perfetto_answer *answer, const struct hawser_bytes *payload)
{
	struct hawser_bytes arguments = session->setup->request;
	struct perfetto_request request;
	uint64_t id;
	uint32_t method;
	int result;

	if (!answer->bind_reply.success) {
		hawser_connection_setup_failed(connection, -ECONNREFUSED, HAWSER_CAUSE_REFUSED,
		    "the host refused the service of the setup");
		return;
	}
	method = setup_method(session, payload);
	if (!method) {
		hawser_connection_setup_failed(connection, -ENOSYS, HAWSER_CAUSE_REFUSED,
		    "the host does not list the method of the setup");
		return;
	}
	id = hawser_connection_next_id(connection);
	result = perfetto_encode_invoke(
	    id, answer->bind_reply.service_id, method, arguments.size, false, &request);
	if (result == 0)
		result = request_send(connection, &request, arguments, NULL, 0);
	if (result < 0) {
		hawser_connection_setup_failed(connection, result, HAWSER_CAUSE_LOCAL, NULL);
		return;
	}
	session->setup_id = id;
	session->setup_bound = true;
}

static void setup_replied(
    hawser_connection *connection, struct session *session, const struct perfetto_answer *answer)
{
	if (!answer->invoke_reply.success) {
		hawser_connection_setup_failed(
		    connection, -EREMOTEIO, HAWSER_CAUSE_REFUSED, call_refusal(answer));
		return;
	}
	if (answer->invoke_reply.has_more)
		session->setup_id = answer->request_id;
	if (hawser_connection_check(connection, &answer->invoke_reply.reply) >= 0 &&
	    !answer->invoke_reply.has_more && hawser_connection_in_setup(connection))
		hawser_connection_setup_failed(connection, -EPROTO, HAWSER_CAUSE_PROTOCOL,
		    "the host has answered the setup, and its check waits for more");
}

static void setup_answered(hawser_connection *connection, struct session *session,
    const struct perfetto_answer *answer, const struct hawser_bytes *payload)
{
	char text[TEXT_MAX];
	const char *fault =
	    answer_fault(answer, session->setup_bound ? HAWSER_REQUEST_CALL : HAWSER_REQUEST_BIND, text);

	session->setup_id = 0;
	if (fault)
		hawser_connection_setup_failed(connection, -EPROTO, HAWSER_CAUSE_PROTOCOL, fault);
	else if (session->setup_bound)
		setup_replied(connection, session, answer);
	else
		setup_bound(connection, session, answer, payload);
}

static void request_answered(
    hawser_connection *connection, const struct perfetto_answer *answer, const struct hawser_bytes *payload)
{
	enum hawser_request_kind awaited = hawser_connection_request_kind(connection, answer->request_id);
	char text[TEXT_MAX];
	const char *fault;

	if (awaited == HAWSER_REQUEST_NONE)
		return;
	fault = answer_fault(answer, awaited, text);
	if (fault)
		hawser_connection_failed(
		    connection, answer->request_id, -EPROTO, HAWSER_CAUSE_PROTOCOL, fault);
	else if (awaited == HAWSER_REQUEST_BIND)
		bind_answered(connection, answer, payload);
	else
		call_answered(connection, answer);
}

static ssize_t perfetto_receive(hawser_connection *connection, void *state, const uint8_t *data, size_t size)
{
	struct hawser_bytes payload = {data + PERFETTO_HEADER_SIZE, size - PERFETTO_HEADER_SIZE};
	struct session *session = state;
	struct perfetto_answer answer;

	if (perfetto_decode(payload.data, payload.size, &answer) < 0)
		return (ssize_t)size;
	if (!answer.bind_reply.present && !answer.invoke_reply.present && !answer.error.present)
		return (ssize_t)size;
	if (session->setup_id && session->setup_id == answer.request_id)
		setup_answered(connection, session, &answer, &payload);
	else
		request_answered(connection, &answer, &payload);
	return (ssize_t)size;
}

const struct hawser_protocol *hawser_protocol_perfetto(void)
{
	static const struct hawser_protocol protocol = {
	    .size = sizeof(protocol),
	    .name = "perfetto",
	    .flags = HAWSER_PROTOCOL_CALLS,
	    .connection_size = sizeof(struct session),
	    .frame_max = PERFETTO_FRAME_MAX,
	    .frame = perfetto_frame,
	    .receive = perfetto_receive,
	    .bind = perfetto_bind,
	    .invoke = perfetto_invoke,
	    .unbind = perfetto_unbind,
	    .setup = perfetto_setup,
	};

	return &protocol;
}
