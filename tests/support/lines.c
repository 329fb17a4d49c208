/* SPDX-License-Identifier: MIT
 *
 * A protocol of the user's own, on hawser/protocol.h alone: lines of text. It has a handshake, services,
 * calls and a setup, so that everything the header offers is used from outside the library.
 */
#include "lines.h"

#include <errno.h>
#include <hawser/protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct lines {
	bool greeted;
	uint64_t setup_id;
};

static int send_line(hawser_connection *connection, const char *word, uint64_t id, const char *name,
    const struct hawser_bytes *more)
{
	char head[128];
	struct hawser_bytes parts[3] = {{head, 0}, {NULL, 0}, {"\n", 1}};

	parts[0].size =
	    (size_t)snprintf(head, sizeof(head), "%s %llu %s ", word, (unsigned long long)id, name);
	if (more)
		parts[1] = *more;
	return hawser_connection_send(connection, parts, 3, NULL, 0);
}

static int lines_open(hawser_connection *connection, void *state)
{
	(void)state;
	return send_line(connection, "hello", 0, "lines", NULL) < 0 ? -EIO : 1;
}

static ssize_t lines_frame(void *state, const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);

	(void)state;
	if (!end)
		return size > 256 ? -EMSGSIZE : 0;
	return end - data + 1;
}

static void lines_take(hawser_connection *connection, struct lines *lines, const char *word, uint64_t id,
    const struct hawser_bytes *rest)
{
	if (id && id == lines->setup_id)
		hawser_connection_check(connection, rest);
	else if (strcmp(word, "bound") == 0)
		hawser_connection_bound(connection, id, hawser_connection_allocate(connection, 8));
	else if (strcmp(word, "no") == 0)
		hawser_connection_failed(connection, id, -EACCES, HAWSER_CAUSE_REFUSED, "the host says no");
	else if (strcmp(word, "neither") == 0) {
		hawser_connection_failed(
		    connection, id, -EACCES, HAWSER_CAUSE_REFUSED, "the first is closed");
		hawser_connection_failed(connection, id + 1, -EACCES, HAWSER_CAUSE_REFUSED, NULL);
		hawser_connection_failed(
		    connection, id + 2, -EACCES, HAWSER_CAUSE_REFUSED, "the third is full");
	} else if (hawser_connection_request_kind(connection, id) == HAWSER_REQUEST_CALL)
		hawser_connection_replied(connection, id, rest, strcmp(word, "more") == 0);
}

static ssize_t lines_receive(hawser_connection *connection, void *state, const uint8_t *data, size_t size)
{
	struct lines *lines = state;
	char line[300];
	char word[16];
	unsigned long long id = 0;
	int rest = 0;
	struct hawser_bytes bytes;

	snprintf(line, sizeof(line), "%.*s", (int)size - 1, (const char *)data);
	if (sscanf(line, "%15s %llu %n", word, &id, &rest) < 1)
		return -EPROTO;
	/* Answers must lie in the frame: they are told when this has returned. */
	bytes = (struct hawser_bytes){data + rest, rest ? strlen(line + rest) : 0};
	if (!lines->greeted) {
		lines->greeted = true;
		hawser_connection_prepared(connection);
		return (ssize_t)size;
	}
	lines_take(connection, lines, word, id, &bytes);
	return (ssize_t)size;
}

int lines_bind(hawser_connection *connection, void *state, uint64_t id, const char *service)
{
	(void)state;
	return send_line(connection, "bind", id, service, NULL);
}

int lines_invoke(hawser_connection *connection, void *state, uint64_t id, void *service,
    const struct hawser_protocol_call *call)
{
	(void)state;
	cr_assert_not_null(service);
	return send_line(connection, call->no_reply ? "tell" : "call", id, call->method, &call->arguments);
}

static void lines_unbind(hawser_connection *connection, void *state, void *service)
{
	(void)state;
	hawser_connection_release(connection, service, 8);
}

static int lines_setup(hawser_connection *connection, void *state, const struct hawser_setup_options *setup)
{
	struct lines *lines = state;

	cr_assert(hawser_connection_in_setup(connection));
	lines->setup_id = hawser_connection_next_id(connection);
	return send_line(connection, "setup", lines->setup_id, setup->service, &setup->request) < 0 ? -EIO
												    : 1;
}

int lines_closed;

static void lines_close(hawser_connection *connection, void *state)
{
	(void)connection;
	(void)state;
	lines_closed++;
}

const struct hawser_protocol lines_protocol = {
    .size = sizeof(struct hawser_protocol),
    .name = "lines",
    .flags = HAWSER_PROTOCOL_CALLS,
    .connection_size = sizeof(struct lines),
    .frame_max = 256,
    .open = lines_open,
    .frame = lines_frame,
    .receive = lines_receive,
    .bind = lines_bind,
    .invoke = lines_invoke,
    .unbind = lines_unbind,
    .setup = lines_setup,
    .close = lines_close,
};

void lines_expect(struct script *script, struct bed *bed, const char *text)
{
	char got[512] = "";
	size_t size = 0;

	for (int i = 0; i < 2000 && size < strlen(text); i++) {
		ssize_t more = recv(script->fd, got + size, strlen(text) - size, MSG_DONTWAIT);

		size += more > 0 ? (size_t)more : 0;
		cr_assert_eq(hawser_loop_run_once(bed->loop, more > 0 ? 0 : 5), 0);
	}
	cr_assert_str_eq(got, text);
}

void lines_answer(struct script *script, const char *text)
{
	script_send_bytes(script, text, strlen(text));
}
