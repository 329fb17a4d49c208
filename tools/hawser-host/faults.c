/* SPDX-License-Identifier: MIT
 *
 * Faults on purpose: what each option of that kind does to accepted sockets, requests, answers and
 * connections.
 *
 * Happy path: no such option is given and every function here passes its argument through.
 * The faults: faults_on_request() swallows a request or answers it wrongly; faults_answer_send() is the one
 * way of final answers and holds them back, reverses or doubles them; the faults_after_ functions start
 * floods and end connections or the process. Replies of a stream that are not its last bypass holding and
 * doubling, which would otherwise change what the stream says.
 * Failures: no memory for a held answer sends it at once, in order; a doubled answer carries its descriptors
 * once.
 */
#include "faults.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "requests.h"

enum {
	HELD_MS = 20,
	GARBAGE_BYTES = 4096,
	FLOOD_REPLY_BYTES = 8 * 1024,
	FLOOD_MIB_BYTES = 1024 * 1024,
};

bool faults_on_accept(const struct options *options, int fd)
{
	static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	if (!options->close_on_accept && !options->reset_on_accept)
		return false;
	if (options->reset_on_accept)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	return true;
}

static uint64_t random_draw(struct host *host)
{
	/* splitmix64: every seed is a good one, 0 too. */
	host->random += 0x9e3779b97f4a7c15;
	uint64_t mixed = host->random;
	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
	return mixed ^ (mixed >> 31);
}

static void garbage_send(struct connection *connection)
{
	uint8_t bytes[GARBAGE_BYTES];
	for (size_t i = 0; i < sizeof(bytes); i += sizeof(uint64_t)) {
		uint64_t drawn = random_draw(connection->host);
		memcpy(bytes + i, &drawn, sizeof(drawn));
	}
	connection_push(connection, (struct codec_bytes){.data = bytes, .length = sizeof(bytes)}, NULL);
}

static void garbage_length_send(struct connection *connection)
{
	uint8_t header[CODEC_HEADER_BYTES];
	codec_header_encode(CODEC_PAYLOAD_BYTES_MAX + 1, header);
	connection_push(connection, (struct codec_bytes){.data = header, .length = sizeof(header)}, NULL);
}

static void request_error_send(struct connection *connection, uint64_t request_id)
{
	struct host *host = connection->host;
	codec_request_error_encode(request_id, "unknown request", host->options->overlong, &host->frame);
	faults_answer_send(connection, &host->frame, NULL);
}

static void wrong_reply_send(struct connection *connection, uint64_t request_id)
{
	struct host *host = connection->host;
	struct codec_invoke_reply reply = {
	    .success = CODEC_TRUE, .has_more = CODEC_FALSE, .reply_present = true};
	codec_invoke_reply_encode(request_id, &reply, host->options->overlong, &host->frame);
	faults_answer_send(connection, &host->frame, NULL);
}

bool faults_on_request(struct connection *connection, const struct codec_request *request)
{
	const struct options *options = connection->host->options;
	bool bind = request->kind == CODEC_REQUEST_BIND;
	bool first = connection->requests == 1;
	if (options->never_answer || (bind && options->never_answer_bind))
		return true;
	if (first && options->garbage)
		garbage_send(connection);
	else if (first && options->garbage_length)
		garbage_length_send(connection);
	else if (options->request_error)
		request_error_send(connection, request->request_id);
	else if (bind && options->wrong_reply)
		wrong_reply_send(connection, request->request_id);
	else
		return false;
	return true;
}

static struct codec_bytes held_bytes(const struct held_answer *answer)
{
	return (struct codec_bytes){.data = answer->bytes, .length = answer->length};
}

static void answer_push(
    struct connection *connection, struct codec_bytes bytes, struct descriptors *descriptors)
{
	connection_push(connection, bytes, descriptors);
	if (connection->host->options->duplicate_replies && !connection->closed)
		connection_push(connection, bytes, NULL);
}

static void held_free(struct held_answer *answer)
{
	descriptors_close(&answer->descriptors);
	free(answer);
}

void faults_held_free(struct connection *connection)
{
	while (connection->held_count > 0)
		held_free(connection->held[--connection->held_count]);
}

void faults_held_release(struct connection *connection, uint64_t group)
{
	if (group != connection->held_group)
		return;
	connection->held_group++;
	while (connection->held_count > 0) {
		struct held_answer *answer = connection->held[--connection->held_count];
		answer_push(connection, held_bytes(answer), &answer->descriptors);
		held_free(answer);
	}
}

static struct held_answer *held_new(struct codec_bytes bytes, struct descriptors *descriptors)
{
	struct held_answer *answer = malloc(sizeof(*answer) + bytes.length);
	if (answer == NULL)
		return NULL;
	memcpy(answer->bytes, bytes.data, bytes.length);
	answer->length = bytes.length;
	answer->descriptors.count = 0;
	if (descriptors != NULL)
		descriptors_move(descriptors, &answer->descriptors);
	return answer;
}

static bool answer_hold(
    struct connection *connection, struct codec_bytes bytes, struct descriptors *descriptors)
{
	struct timers *timers = &connection->host->timers;
	if (connection->held_count == 0 &&
	    timers_arm(timers, HELD_MS, TIMER_HELD, connection, connection->held_group) < 0)
		return false;
	if (connection->held_count == 0)
		connection->timers_armed++;
	struct held_answer *answer = held_new(bytes, descriptors);
	if (answer == NULL)
		return false;
	connection->held[connection->held_count++] = answer;
	if (connection->held_count == CONNECTION_HELD_MAX)
		faults_held_release(connection, connection->held_group);
	return true;
}

void faults_answer_send(
    struct connection *connection, const struct codec_frame *answer, struct descriptors *descriptors)
{
	struct codec_bytes bytes = {.data = answer->bytes, .length = answer->length};
	if (connection->host->options->reorder && !connection->closed &&
	    answer_hold(connection, bytes, descriptors))
		return;
	answer_push(connection, bytes, descriptors);
}

void faults_flood_produce(struct connection *connection)
{
	static const uint8_t zeroes[FLOOD_REPLY_BYTES];
	struct host *host = connection->host;
	struct codec_invoke_reply reply = {
	    .success = CODEC_TRUE,
	    .has_more = CODEC_FALSE,
	    .reply_present = true,
	    .reply = {.data = zeroes, .length = sizeof(zeroes)},
	};
	while (connection->flood_bytes > 0 && connection_may_produce(connection)) {
		/* Ids from 2^63 on are nobody's. */
		uint64_t request_id = UINT64_C(1) << 63 | connection->flood_request_id++;
		codec_invoke_reply_encode(request_id, &reply, host->options->overlong, &host->frame);
		size_t length = host->frame.length;
		connection->flood_bytes -=
		    length < connection->flood_bytes ? length : connection->flood_bytes;
		connection_push(
		    connection, (struct codec_bytes){.data = host->frame.bytes, .length = length}, NULL);
	}
}

void faults_after_bind(struct connection *connection)
{
	const struct options *options = connection->host->options;
	if (connection->binds == 1)
		connection->flood_bytes = options->flood_mib * FLOOD_MIB_BYTES;
	if (options->close_after_bind)
		connection_finish(connection);
}

void faults_after_call(struct connection *connection)
{
	const struct options *options = connection->host->options;
	bool closes = options->close_after_calls > 0 && connection->calls == options->close_after_calls;
	bool dies =
	    options->die_after_calls > 0 && connection->host->counters.calls == options->die_after_calls;
	if (!closes && !dies)
		return;
	/* The last call is answered, be it the beginning of a stream, if its answer is due at once. */
	requests_streams_produce(connection);
	if (!connection->closed)
		connection_finish(connection);
	if (dies) {
		connection_flush(connection);
		host_count_write(connection->host);
		_exit(0);
	}
}
