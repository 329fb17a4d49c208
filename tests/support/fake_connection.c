/* SPDX-License-Identifier: MIT
 *
 * The fake connection: it writes down and obeys, and aborts on what a protocol must never do.
 */
#include "fake_connection.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fake_connection_init(struct hawser_connection *connection)
{
	memset(connection, 0, sizeof(*connection));
	test_memory_init(&connection->memory);
}

static void tell(hawser_connection *connection, enum fake_event event, uint64_t id)
{
	connection->event = event;
	connection->events++;
	connection->id = id;
	connection->text[0] = '\0';
}

static void keep(hawser_connection *connection, const struct hawser_bytes *bytes)
{
	if (!bytes || bytes->size > FAKE_BYTES_MAX)
		abort();
	if (bytes->size)
		memcpy(connection->bytes, bytes->data, bytes->size);
	connection->bytes_size = bytes->size;
}

static void tell_failure(hawser_connection *connection, int code, enum hawser_cause cause, const char *text)
{
	if (code >= 0)
		abort();
	connection->code = code;
	connection->cause = cause;
	snprintf(connection->text, sizeof(connection->text), "%s", text ? text : "");
}

int hawser_connection_send(hawser_connection *connection, const struct hawser_bytes *parts,
    size_t parts_count, const int *fds, size_t fds_count)
{
	if (connection->send_result < 0)
		return connection->send_result;
	connection->sent_size = 0;
	for (size_t i = 0; i < parts_count; i++) {
		if (parts[i].size > FAKE_BYTES_MAX - connection->sent_size)
			abort();
		if (parts[i].size)
			memcpy(connection->sent + connection->sent_size, parts[i].data, parts[i].size);
		connection->sent_size += parts[i].size;
	}
	connection->sent_fds = fds;
	connection->sent_fds_count = fds_count;
	connection->sends++;
	return 0;
}

uint64_t hawser_connection_next_id(hawser_connection *connection)
{
	return ++connection->last_id;
}

enum hawser_request_kind hawser_connection_request_kind(const hawser_connection *connection, uint64_t id)
{
	return id < FAKE_REQUESTS_MAX ? connection->awaited[id] : HAWSER_REQUEST_NONE;
}

void hawser_connection_bound(hawser_connection *connection, uint64_t id, void *service)
{
	if (!service)
		abort();
	tell(connection, FAKE_BOUND, id);
	connection->service = service;
}

void hawser_connection_replied(
    hawser_connection *connection, uint64_t id, const struct hawser_bytes *reply, bool more)
{
	tell(connection, FAKE_REPLIED, id);
	keep(connection, reply);
	connection->more = more;
}

void hawser_connection_failed(
    hawser_connection *connection, uint64_t id, int code, enum hawser_cause cause, const char *text)
{
	tell(connection, FAKE_FAILED, id);
	tell_failure(connection, code, cause, text);
}

void hawser_connection_data(hawser_connection *connection, const struct hawser_bytes *data)
{
	tell(connection, FAKE_DATA, 0);
	keep(connection, data);
}

/* A refusal ends the connection, and with it the setup. */
ssize_t hawser_connection_check(hawser_connection *connection, const struct hawser_bytes *answer)
{
	if (!connection->in_setup)
		abort();
	tell(connection, FAKE_CHECKED, 0);
	keep(connection, answer);
	if (connection->check_done || connection->check_result < 0)
		connection->in_setup = false;
	if (connection->check_result > (ssize_t)answer->size)
		return (ssize_t)answer->size;
	return connection->check_result;
}

void hawser_connection_setup_failed(
    hawser_connection *connection, int code, enum hawser_cause cause, const char *text)
{
	if (!connection->in_setup)
		abort();
	tell(connection, FAKE_SETUP_FAILED, 0);
	tell_failure(connection, code, cause, text);
	connection->in_setup = false;
}

bool hawser_connection_in_setup(const hawser_connection *connection)
{
	return connection->in_setup;
}

void *hawser_connection_allocate(hawser_connection *connection, size_t size)
{
	return memory_allocate(&connection->memory.memory, size);
}

void hawser_connection_release(hawser_connection *connection, void *pointer, size_t size)
{
	memory_release(&connection->memory.memory, pointer, size);
}
