/* SPDX-License-Identifier: MIT
 *
 * A client's status as one JSON object (RFC 8259). A target and a name are whatever bytes their owner gave:
 * UTF-8 passes as it is, and each byte that is no part of a character becomes U+FFFD, so that the text is
 * JSON always. An address has no such bytes: they are \xNN text already when they arrive here.
 *
 * Failures: no buffer (-EINVAL), a forked child (-ECHILD); a buffer that is too small gets as much as fits.
 */
#include "client.h"
#include "core/writer.h"
#include "utf8.h"

#include <errno.h>

/* Puts what begins here; returns its bytes. */
static int put_character(struct writer *writer, const char *text)
{
	unsigned char byte = (unsigned char)*text;
	int size = 1;

	if (byte == '"' || byte == '\\') {
		writer_put(writer, "\\%c", byte);
	} else if (byte < 0x20 || byte == 0x7f) {
		writer_put(writer, "\\u%04x", byte);
	} else if (byte < 0x7f) {
		writer_put(writer, "%c", byte);
	} else {
		size = utf8_size(text);
		if (size)
			writer_put(writer, "%.*s", size, text);
		else
			writer_put(writer, "\\ufffd");
	}
	return size ? size : 1;
}

static void put_string(struct writer *writer, const char *text)
{
	writer_put(writer, "\"");
	while (*text)
		text += put_character(writer, text);
	writer_put(writer, "\"");
}

static void put_failure(struct writer *writer, int code, enum hawser_stage stage, enum hawser_cause cause)
{
	writer_put(writer, "{\"errno\":\"%s\",\"stage\":\"%s\",\"cause\":\"%s\"}", hawser_errno_name(code),
	    hawser_stage_name(stage), hawser_cause_name(cause));
}

static void put_attempts(struct writer *writer, const struct hawser_status *status)
{
	writer_put(writer, ",\"attempts\":[");
	for (uint32_t i = 0; i < status->attempts_count; i++) {
		const struct hawser_attempt_status *attempt = &status->attempts[i];

		writer_put(writer, "%s{\"round\":%u,\"attempt\":%u,\"address\":", i ? "," : "",
		    attempt->round, attempt->attempt);
		put_string(writer, attempt->address);
		writer_put(writer,
		    ",\"resolve_us\":%u,\"connect_us\":%u,\"setup_us\":%u,\"ended_ns\":%llu,\"failure\":",
		    attempt->resolve_us, attempt->connect_us, attempt->setup_us,
		    (unsigned long long)attempt->ended_ns);
		if (attempt->code)
			put_failure(writer, attempt->code, attempt->stage, attempt->cause);
		else
			writer_put(writer, "null");
		writer_put(writer, "}");
	}
	writer_put(writer, "]");
}

static void put_counters(struct writer *writer, const struct hawser_status *status)
{
	writer_put(writer,
	    ",\"connections\":%llu,\"losses\":%llu,\"rebinds\":%llu,\"bytes_sent\":%llu,\"bytes_received\":%"
	    "llu",
	    (unsigned long long)status->connections, (unsigned long long)status->losses,
	    (unsigned long long)status->rebinds, (unsigned long long)status->bytes_sent,
	    (unsigned long long)status->bytes_received);
	writer_put(writer, ",\"causes\":{");
	for (int i = 1; i < HAWSER_CAUSES; i++)
		writer_put(writer, "%s\"%s\":%llu", i > 1 ? "," : "", hawser_cause_name((enum hawser_cause)i),
		    (unsigned long long)status->causes[i]);
	writer_put(writer, "},\"bindings\":{");
	for (int i = 0; i < HAWSER_BINDING_STATES; i++)
		writer_put(writer, "%s\"%s\":%u", i ? "," : "",
		    hawser_binding_state_name((enum hawser_binding_state)i), status->bindings[i]);
	writer_put(writer,
	    "},\"calls_waiting\":%u,\"calls_in_flight\":%u,\"unsent_bytes\":%u,\"ready_time\":[",
	    status->calls_waiting, status->calls_in_flight, status->unsent_bytes);
	for (int i = 0; i < HAWSER_TIME_BUCKETS; i++)
		writer_put(writer, "%s%u", i ? "," : "", status->ready_time[i]);
	writer_put(writer, "]");
}

int hawser_client_status_json(const hawser_client *client, char *text, size_t size)
{
	struct writer writer = {.text = text, .size = size};
	struct hawser_status status = {.size = sizeof(status)};
	int result;

	if (loop_is_forked(client->loop))
		return -ECHILD;
	if (!text || size == 0)
		return -EINVAL;
	result = hawser_client_status(client, &status);
	if (result < 0)
		return result;
	writer_put(&writer, "{\"name\":");
	put_string(&writer, client->name);
	writer_put(&writer, ",\"target\":");
	put_string(&writer, client->target_text);
	writer_put(&writer,
	    ",\"state\":\"%s\",\"engine\":\"%s\",\"address\":", hawser_state_name(status.state),
	    status.engine);
	put_string(&writer, status.address);
	writer_put(&writer,
	    ",\"round\":%u,\"attempt\":%u,\"failures_in_a_row\":%u,\"next_retry_ns\":%llu,\"age_ns\":%llu",
	    status.round, status.attempt, status.failures_in_a_row, (unsigned long long)status.next_retry_ns,
	    (unsigned long long)status.age_ns);
	put_counters(&writer, &status);
	writer_put(&writer, ",\"last_failure\":");
	if (status.last_code)
		put_failure(&writer, status.last_code, status.last_stage, status.last_cause);
	else
		writer_put(&writer, "null");
	put_attempts(&writer, &status);
	writer_put(&writer, "}");
	return (int)writer.length;
}
