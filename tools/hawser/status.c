/* SPDX-License-Identifier: MIT
 *
 * hawser status: what a client of this target knows of itself after it has become ready, or has given up, or
 * when the deadline has passed; with a SERVICE after that is bound, or cannot be.
 *
 * Whatever it has come to is printed in the same form on standard output; a failure is told as by connect and
 * bind, but for --json: there the status holds it.
 */
#include "text.h"
#include "visit.h"

#include <inttypes.h>
#include <stdlib.h>

enum { JSON_SIZE = 65536 };

static void print_state(const struct hawser_status *status)
{
	enum colour colour = status->state == HAWSER_READY ? COLOUR_GOOD
			     : status->last_code           ? COLOUR_BAD
							   : COLOUR_WAIT;
	char duration[DURATION_SIZE];

	printf("state       ");
	text_coloured(stdout, colour, 0, hawser_state_name(status->state));
	printf(" for %s", text_duration(status->age_ns, duration));
	if (status->next_retry_ns)
		printf(", next try in %s", text_duration(status->next_retry_ns, duration));
	putchar('\n');
	if (status->last_code)
		printf("failure     %s at %s, cause %s\n", hawser_errno_name(status->last_code),
		    hawser_stage_name(status->last_stage), hawser_cause_name(status->last_cause));
}

static void print_counters(const struct hawser_status *status)
{
	const char *separator = "";

	printf("tried       %u round%s, %u attempt%s, %u failed in a row\n", status->round,
	    TEXT_PLURAL(status->round), status->attempt, TEXT_PLURAL(status->attempt),
	    status->failures_in_a_row);
	printf("connected   %" PRIu64 " time%s, %" PRIu64 " lost, %" PRIu64 " bound again\n",
	    status->connections, TEXT_PLURAL(status->connections), status->losses, status->rebinds);
	printf("failures    ");
	for (int i = 1; i < HAWSER_CAUSES; i++) {
		if (!status->causes[i])
			continue;
		printf("%s%" PRIu64 " %s", separator, status->causes[i],
		    hawser_cause_name((enum hawser_cause)i));
		separator = ", ";
	}
	puts(*separator ? "" : "none");
	printf("bindings    %u bound, %u not yet\n", status->bindings[HAWSER_BINDING_IS_BOUND],
	    status->bindings[HAWSER_BINDING_QUEUED] + status->bindings[HAWSER_BINDING_BINDING]);
	printf("bytes       %" PRIu64 " sent, %" PRIu64 " received, %u unsent\n", status->bytes_sent,
	    status->bytes_received, status->unsent_bytes);
}

static void print_attempts(const struct hawser_status *status)
{
	if (status->attempts_count == 0)
		return;
	printf("\nround  attempt  resolve us  connect us  setup us  outcome\n");
	for (uint32_t i = 0; i < status->attempts_count; i++) {
		const struct hawser_attempt_status *attempt = &status->attempts[i];

		printf("%5u  %7u  %10u  %10u  %8u  ", attempt->round, attempt->attempt, attempt->resolve_us,
		    attempt->connect_us, attempt->setup_us);
		if (attempt->code)
			printf("%s at %s, ", hawser_errno_name(attempt->code),
			    hawser_stage_name(attempt->stage));
		else
			printf("ready, ");
		text_put(stdout, attempt->address);
		putchar('\n');
	}
}

static void print_table(const struct visit *visit)
{
	struct hawser_status status = {.size = sizeof(status)};

	hawser_client_status(visit->client, &status);
	printf("target      ");
	text_put(stdout, TARGET(visit->options));
	putchar('\n');
	print_state(&status);
	printf(
	    "engine      %s (%s)\n", hawser_loop_engine(visit->loop), hawser_loop_engine_reason(visit->loop));
	print_counters(&status);
	print_attempts(&status);
}

/* False: there is nothing to look at. */
static bool print_json(const struct visit *visit)
{
	char *text = malloc(JSON_SIZE);
	int length = text ? hawser_client_status_json(visit->client, text, JSON_SIZE) : -1;
	bool whole = length >= 0 && length < JSON_SIZE;

	if (whole)
		puts(text);
	free(text);
	return whole;
}

static void on_ready(struct visit *visit)
{
	if (!SERVICE(visit->options))
		visit_end(visit, EXIT_DONE);
}

static void on_binding(struct visit *visit, hawser_binding *binding, enum hawser_binding_event event,
    const struct hawser_error *error)
{
	(void)binding;
	(void)error;
	if (event == HAWSER_BINDING_BOUND)
		visit_end(visit, EXIT_DONE);
}

enum exit_code command_status(const struct options *options)
{
	static const struct visit_events events = {.ready = on_ready, .binding = on_binding};
	struct visit visit;

	visit_run(&visit, options, &events);
	if (!visit.client)
		return visit_close(&visit);
	if (!options->json)
		print_table(&visit);
	else if (print_json(&visit))
		visit.outcome.error.code = 0; /* told already */
	return visit_close(&visit);
}
