/* SPDX-License-Identifier: MIT
 *
 * Requests and their answers, as a real host gives them.
 *
 * Happy path: a bind is answered with the service's ids and methods; an invoke with its reply, now, later or
 * as a stream; an identity with nothing.
 * Failures: a payload that is no message and an empty one are ignored; a frame that asks for nothing is
 * answered by a RequestError; an unknown service by an empty BindServiceReply; a call that cannot be routed
 * by success=false, even when it asked for no reply; a call that was rejected by has_more=false alone,
 * unless it asked for no reply.
 */
#include "requests.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "faults.h"
#include "services.h"

static void answer_send(struct connection *connection, uint64_t request_id,
    const struct codec_invoke_reply *reply, struct descriptors *descriptors)
{
	static const struct codec_invoke_reply rejected = {.has_more = CODEC_FALSE};
	struct host *host = connection->host;
	bool overlong = host->options->overlong;
	if (codec_invoke_reply_encode(request_id, reply, overlong, &host->frame) < 0) {
		/* The reply does not fit a frame, although its args did. */
		if (descriptors != NULL)
			descriptors_close(descriptors);
		codec_invoke_reply_encode(request_id, &rejected, overlong, &host->frame);
	}
	faults_answer_send(connection, &host->frame, descriptors);
}

static void reply_send(struct connection *connection, uint64_t request_id, struct codec_bytes bytes,
    struct descriptors *descriptors)
{
	struct codec_invoke_reply reply = {
	    .success = CODEC_TRUE,
	    .has_more = CODEC_FALSE,
	    .reply_present = true,
	    .reply = bytes,
	};
	answer_send(connection, request_id, &reply, descriptors);
}

static void reject_send(struct connection *connection, uint64_t request_id)
{
	answer_send(connection, request_id, &(struct codec_invoke_reply){.has_more = CODEC_FALSE}, NULL);
}

static void bind_answer(struct connection *connection, const struct codec_request *request)
{
	struct host *host = connection->host;
	struct codec_bind_reply reply = {.success = CODEC_ABSENT};
	const struct service *service =
	    services_find((const char *)request->service_name.data, request->service_name.length);
	if (service != NULL && !options_refuse(host->options, service->name)) {
		reply.success = CODEC_TRUE;
		reply.service_id = service->id;
		reply.methods = service->methods;
		reply.methods_count = service->methods_count;
	}
	codec_bind_reply_encode(request->request_id, &reply, host->options->overlong, &host->frame);
	faults_answer_send(connection, &host->frame, NULL);
}

static int stream_start(struct connection *connection, uint64_t request_id, uint64_t count)
{
	struct stream *stream = NULL;
	if (connection->streams_count < CONNECTION_STREAMS_MAX)
		stream = malloc(sizeof(*stream));
	if (stream == NULL)
		return -1;
	*stream = (struct stream){.request_id = request_id, .next = 1, .last = count};
	*connection->last_stream = stream;
	connection->last_stream = &stream->next_stream;
	connection->streams_count++;
	return 0;
}

static struct stream *stream_take_first(struct connection *connection)
{
	struct stream *stream = connection->first_stream;
	connection->first_stream = stream->next_stream;
	if (connection->first_stream == NULL)
		connection->last_stream = &connection->first_stream;
	stream->next_stream = NULL;
	connection->streams_count--;
	return stream;
}

static void stream_produce_one(struct connection *connection)
{
	struct host *host = connection->host;
	struct stream *stream = stream_take_first(connection);
	uint64_t request_id = stream->request_id;
	bool more = stream->next < stream->last;
	char text[24];
	int length = snprintf(text, sizeof(text), "%" PRIu64, stream->next);
	struct codec_bytes bytes = {.data = (const uint8_t *)text, .length = (size_t)length};
	if (!more) {
		free(stream);
		reply_send(connection, request_id, bytes, NULL);
		return;
	}
	stream->next++;
	*connection->last_stream = stream;
	connection->last_stream = &stream->next_stream;
	connection->streams_count++;
	struct codec_invoke_reply reply = {
	    .success = CODEC_TRUE,
	    .has_more = CODEC_TRUE,
	    .reply_present = true,
	    .reply = bytes,
	};
	codec_invoke_reply_encode(request_id, &reply, host->options->overlong, &host->frame);
	connection_push(
	    connection, (struct codec_bytes){.data = host->frame.bytes, .length = host->frame.length}, NULL);
}

void requests_streams_produce(struct connection *connection)
{
	while (connection->first_stream != NULL && connection_may_produce(connection))
		stream_produce_one(connection);
}

void requests_streams_free(struct connection *connection)
{
	while (connection->first_stream != NULL)
		free(stream_take_first(connection));
}

static int delayed_start(struct connection *connection, uint64_t request_id, uint32_t delay_ms)
{
	if (connection->delayed_count == CONNECTION_DELAYED_MAX ||
	    timers_arm(&connection->host->timers, delay_ms, TIMER_REPLY, connection, request_id) < 0)
		return -1;
	connection->delayed_count++;
	connection->timers_armed++;
	return 0;
}

void requests_delayed_answer(struct connection *connection, uint64_t request_id)
{
	connection->delayed_count--;
	if (!connection->closing)
		reply_send(connection, request_id, (struct codec_bytes){0}, NULL);
}

static void result_answer(struct connection *connection, uint64_t request_id,
    const struct service_result *result, struct descriptors *descriptors)
{
	switch (result->outcome) {
	case SERVICE_REPLY:
		reply_send(connection, request_id, result->reply, descriptors);
		return;
	case SERVICE_STREAM:
		if (result->stream_count == 0)
			reply_send(connection, request_id, (struct codec_bytes){0}, NULL);
		else if (stream_start(connection, request_id, result->stream_count) < 0)
			reject_send(connection, request_id);
		return;
	case SERVICE_DELAY:
		if (delayed_start(connection, request_id, result->delay_ms) < 0)
			reject_send(connection, request_id);
		return;
	case SERVICE_REJECT:
		reject_send(connection, request_id);
		return;
	case SERVICE_UNROUTABLE:
	case SERVICE_SILENT:
		return;
	}
}

static void invoke_answer(
    struct connection *connection, const struct codec_request *request, struct descriptors *descriptors)
{
	struct service_result result = {.outcome = SERVICE_UNROUTABLE};
	const struct service *service = services_get(request->invoke.service_id);
	if (service != NULL && !options_refuse(connection->host->options, service->name)) {
		struct service_call call = {
		    .invoke = request->invoke,
		    .descriptors_possible = connection->descriptors_possible,
		    .descriptors = descriptors,
		};
		result = services_invoke(&call);
	}
	if (result.outcome == SERVICE_UNROUTABLE)
		answer_send(connection, request->request_id,
		    &(struct codec_invoke_reply){.success = CODEC_FALSE}, NULL);
	else if (!request->invoke.drop_reply)
		result_answer(connection, request->request_id, &result, descriptors);
}

static void unknown_answer(struct connection *connection, const struct codec_request *request)
{
	struct host *host = connection->host;
	codec_request_error_encode(
	    request->request_id, "unknown request", host->options->overlong, &host->frame);
	faults_answer_send(connection, &host->frame, NULL);
}

static void request_count(struct connection *connection, const struct codec_request *request)
{
	connection->requests++;
	if (request->kind == CODEC_REQUEST_BIND) {
		connection->binds++;
		connection->host->counters.binds++;
	} else if (request->kind == CODEC_REQUEST_INVOKE) {
		connection->calls++;
		connection->host->counters.calls++;
	}
}

void requests_serve(
    struct connection *connection, struct codec_bytes payload, struct descriptors *descriptors)
{
	struct codec_request request;
	if (payload.length == 0 || codec_request_decode(payload, &request) < 0 ||
	    request.kind == CODEC_REQUEST_SET_PEER_IDENTITY)
		return;
	request_count(connection, &request);
	bool answered = faults_on_request(connection, &request);
	switch (request.kind) {
	case CODEC_REQUEST_BIND:
		if (!answered)
			bind_answer(connection, &request);
		faults_after_bind(connection);
		return;
	case CODEC_REQUEST_INVOKE:
		if (!answered)
			invoke_answer(connection, &request, descriptors);
		faults_after_call(connection);
		return;
	default:
		if (!answered)
			unknown_answer(connection, &request);
	}
}
