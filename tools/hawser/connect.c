/* SPDX-License-Identifier: MIT
 *
 * hawser connect, bind and diagram: one question, one answer.
 *
 * connect ends well only when the library says ready, or with protocol none hands the verified socket over,
 * which is closed at once, unread. bind ends well when the service is bound.
 */
#include "methods.h"
#include "text.h"
#include "visit.h"

#include <inttypes.h>
#include <stdlib.h>

/* The attempt that became ready. */
static struct hawser_attempt_status attempt_of(const struct visit *visit)
{
	struct hawser_status status = {.size = sizeof(status)};

	hawser_client_status(visit->client, &status);
	return status.attempts[0];
}

static void json_success(const char *event, const struct visit *visit)
{
	struct hawser_attempt_status attempt = attempt_of(visit);
	struct hawser_peer peer;

	json_begin(event);
	json_text("target", TARGET(visit->options));
	json_text("address", attempt.address);
	json_text("engine", hawser_loop_engine(visit->loop));
	json_number("round", attempt.round);
	json_number("attempt", attempt.attempt);
	json_number("resolve_us", attempt.resolve_us);
	json_number("connect_us", attempt.connect_us);
	json_number("setup_us", attempt.setup_us);
	json_number("elapsed_us", (now_ns() - visit->began_ns) / 1000);
	if (hawser_client_peer(visit->client, &peer) < 0) {
		json_word("host", "null");
		return;
	}
	json_open("host", '{');
	json_number("pid", (uint64_t)peer.pid);
	json_number("uid", peer.uid);
	json_number("gid", peer.gid);
	json_close('}');
}

static void print_connected(const struct visit *visit)
{
	struct hawser_attempt_status attempt = attempt_of(visit);
	struct hawser_peer peer;

	text_coloured(stdout, COLOUR_GOOD, 0, "connected");
	putchar(' ');
	text_put(stdout, TARGET(visit->options));
	fputs(" at ", stdout);
	text_put(stdout, attempt.address);
	printf(", round %u, attempt %u: resolve %u us, connect %u us, setup %u us; %s", attempt.round,
	    attempt.attempt, attempt.resolve_us, attempt.connect_us, attempt.setup_us,
	    hawser_loop_engine(visit->loop));
	if (hawser_client_peer(visit->client, &peer) == 0)
		printf("; host pid %d, uid %u", (int)peer.pid, (unsigned)peer.uid);
	putchar('\n');
}

static void on_connected(struct visit *visit)
{
	visit_end(visit, EXIT_DONE);
	if (visit->options->json) {
		json_success("connected", visit);
		json_end();
	} else if (!visit->options->quiet) {
		print_connected(visit);
	}
}

enum exit_code command_connect(const struct options *options)
{
	static const struct visit_events events = {.ready = on_connected};
	struct visit visit;

	visit_run(&visit, options, &events);
	return visit_close(&visit);
}

static void json_bound(const struct visit *visit, uint64_t bind_us)
{
	json_success("bound", visit);
	json_text("service", SERVICE(visit->options));
	json_number("bind_us", bind_us);
	json_open("methods", '[');
	for (size_t i = 0; methods_name(i); i++)
		json_text(NULL, methods_name(i));
	json_close(']');
	json_end();
}

static void print_bound(const struct visit *visit, uint64_t bind_us)
{
	text_coloured(stdout, COLOUR_GOOD, 0, "bound");
	putchar(' ');
	text_put(stdout, SERVICE(visit->options));
	fputs(" at ", stdout);
	text_put(stdout, attempt_of(visit).address);
	printf(", in %" PRIu64 " us: %zu method%s\n", bind_us, methods_count(), TEXT_PLURAL(methods_count()));
	for (size_t i = 0; methods_name(i); i++) {
		fputs("  ", stdout);
		text_put(stdout, methods_name(i));
		putchar('\n');
	}
}

static void on_binding(struct visit *visit, hawser_binding *binding, enum hawser_binding_event event,
    const struct hawser_error *error)
{
	uint64_t bind_us = (now_ns() - visit->bind_began_ns) / 1000;

	(void)binding;
	(void)error;
	if (event != HAWSER_BINDING_BOUND)
		return;
	visit_end(visit, EXIT_DONE);
	if (visit->options->json)
		json_bound(visit, bind_us);
	else if (!visit->options->quiet)
		print_bound(visit, bind_us);
}

enum exit_code command_bind(const struct options *options)
{
	static const struct visit_events events = {.binding = on_binding};
	struct visit visit;

	visit_run(&visit, options, &events);
	return visit_close(&visit);
}

enum exit_code command_diagram(const struct options *options)
{
	const char *kind = options->dot ? "graphviz" : "mermaid";
	int size = hawser_diagram(options->words[0], kind, (char[1]){0}, 1);
	char *text;

	if (size < 0)
		return (enum exit_code)usage_refuse(COMMAND_DIAGRAM,
		    "there is no table \"%s\": expected connection or binding", options->words[0]);
	text = malloc((size_t)size + 1);
	if (!text) {
		fprintf(stderr, "hawser: there is no memory left\n");
		return EXIT_NOT_CONNECTED;
	}
	hawser_diagram(options->words[0], kind, text, (size_t)size + 1);
	if (options->json) {
		json_begin("diagram");
		json_text("table", options->words[0]);
		json_text("kind", kind);
		json_text("text", text);
		json_end();
	} else {
		fputs(text, stdout);
	}
	free(text);
	return EXIT_DONE;
}
