/* SPDX-License-Identifier: MIT
 *
 * hawser invoke: binds the service, calls the method once, and prints what comes back until the last answer.
 *
 * The call is made when the service is bound; what is left of --deadline-ms becomes the call's own deadline,
 * so that its error says what may have become of it. Descriptors that come with an answer are closed by the
 * library.
 *
 * Failures: everything before the call is that of bind; a failed call ends with what the library or the host
 * says. A binding that is lost while the call is out needs no answer here: the call is told first.
 */
#include "payload.h"
#include "progress.h"
#include "text.h"
#include "visit.h"

#include <errno.h>
#include <string.h>

static struct payload payload;
static FILE *output; /* for replies as they came, or NULL */
static uint64_t called_ns;
static uint64_t replies;

static bool is_text(const struct hawser_bytes *bytes)
{
	const unsigned char *data = bytes->data;
	size_t at = 0;
	size_t count;

	while (at < bytes->size && (count = text_utf8(data + at, bytes->size - at)) > 0)
		at += count;
	return at == bytes->size;
}

static void reply_json(const struct hawser_bytes *reply, bool more)
{
	json_begin("reply");
	json_number("number", replies);
	json_word("more", more ? "true" : "false");
	json_number("size", reply->size);
	if (is_text(reply))
		json_bytes("text", reply->data, reply->size);
	else
		json_word("text", "null");
	json_hex("hex", reply->data, reply->size);
	json_number("elapsed_us", (now_ns() - called_ns) / 1000);
	json_end();
}

static void reply_print(const struct hawser_bytes *reply, const struct options *options)
{
	if (output) {
		fwrite(reply->data, 1, reply->size, output);
		fflush(output);
		return;
	}
	if (options->hex_output)
		text_hex(stdout, reply->data, reply->size);
	else
		text_escaped(stdout, reply->data, reply->size);
	putchar('\n');
	fflush(stdout);
}

static void on_reply(hawser_call *call, const struct hawser_bytes *reply, bool more,
    const struct hawser_error *error, void *user)
{
	struct visit *visit = user;

	(void)call;
	if (visit->over)
		return;
	progress_clear();
	if (error) {
		visit_fail(visit, error);
		return;
	}
	replies++;
	if (visit->options->json)
		reply_json(reply, more);
	else
		reply_print(reply, visit->options);
	if (!more)
		visit_end(visit, EXIT_DONE);
}

static void on_binding(struct visit *visit, hawser_binding *binding, enum hawser_binding_event event,
    const struct hawser_error *error)
{
	HAWSER_OPTIONS(hawser_invoke_options, options, .method = METHOD(visit->options),
	    .arguments = {payload.bytes, payload.size});
	int result;

	(void)error;
	if (event != HAWSER_BINDING_BOUND || visit->phase == PHASE_CALL)
		return;
	visit->phase = PHASE_CALL;
	options.deadline_ms = visit_take_deadline_ms(visit);
	called_ns = now_ns();
	progress_await(METHOD(visit->options), "to answer");
	result = hawser_invoke_with(binding, &options, on_reply, visit, NULL);
	if (result < 0)
		visit_fail_with(visit, result, HAWSER_STAGE_CALL,
		    result == -EMSGSIZE ? "the payload is larger than a frame can carry"
					: "the call cannot be made");
}

static int output_open(const struct options *options)
{
	if (!options->output)
		return 0;
	output = strcmp(options->output, "-") == 0 ? stdout : fopen(options->output, "wbe");
	if (output)
		return 0;
	return usage_refuse(options->command, "--output %s: %s", options->output, strerror(errno));
}

enum exit_code command_invoke(const struct options *options)
{
	static const struct visit_events events = {.binding = on_binding};
	struct visit visit;
	enum exit_code exit_code;
	int result = payload_read(options, &payload);

	if (result == 0)
		result = output_open(options);
	if (result)
		return (enum exit_code)result;
	visit_run(&visit, options, &events);
	exit_code = visit_close(&visit);
	if (!output || output == stdout) /* main looks after stdout */
		return exit_code;
	if (ferror(output) | fclose(output)) {
		fprintf(stderr, "hawser: --output %s cannot be written\n", options->output);
		return EXIT_NOT_CONNECTED;
	}
	return exit_code;
}
