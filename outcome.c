/* SPDX-License-Identifier: MIT
 *
 * Failures: which exit code they mean, and how they are told.
 */
#include "outcome.h"

#include "json.h"
#include "options.h"
#include "progress.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

static enum exit_code exit_code_of(const struct hawser_error *error, enum phase phase)
{
	if (error->cause == HAWSER_CAUSE_DEADLINE)
		return EXIT_DEADLINE;
	if (error->cause == HAWSER_CAUSE_IDENTITY)
		return EXIT_IDENTITY;
	switch (error->stage) {
	case HAWSER_STAGE_RESOLVE:
	case HAWSER_STAGE_SOCKET:
	case HAWSER_STAGE_CONNECT:
	case HAWSER_STAGE_VERIFY:
	case HAWSER_STAGE_SETUP:
		return EXIT_NOT_CONNECTED;
	case HAWSER_STAGE_BIND:
		return EXIT_NOT_BOUND;
	case HAWSER_STAGE_CALL:
		return EXIT_CALL_FAILED;
	default: /* the connection went in the middle of something */
		return phase == PHASE_CALL   ? EXIT_CALL_FAILED
		       : phase == PHASE_BIND ? EXIT_NOT_BOUND
					     : EXIT_NOT_CONNECTED;
	}
}

void outcome_set(struct outcome *outcome, const struct hawser_error *error, enum phase phase)
{
	outcome->exit_code = exit_code_of(error, phase);
	outcome->error = *error;
	snprintf(outcome->address, sizeof(outcome->address), "%s", error->address);
	snprintf(outcome->text, sizeof(outcome->text), "%s", error->text);
	outcome->error.address = outcome->address;
	outcome->error.text = outcome->text;
}

static void print_json(const struct outcome *outcome, const struct options *options)
{
	const struct hawser_error *error = &outcome->error;

	json_begin("failed");
	json_text("target", TARGET(options));
	if (SERVICE(options))
		json_text("service", SERVICE(options));
	if (METHOD(options))
		json_text("method", METHOD(options));
	json_error(error);
	if (outcome->last_code) {
		json_object_begin("last_failure");
		json_text("stage", hawser_stage_name(outcome->last_stage));
		json_text("errno", hawser_errno_name(outcome->last_code));
		json_object_end();
	}
	json_text("advice", advice_for(error, options));
	json_number("elapsed_us", outcome->elapsed_ns / 1000);
	json_number("exit", outcome->exit_code);
	json_end();
}

static void print_field(const char *name, const char *value)
{
	fprintf(stderr, "  %-8s ", name);
	text_escaped(stderr, value, strlen(value));
	fputc('\n', stderr);
}

static void print_tries(const struct outcome *outcome)
{
	const struct hawser_error *error = &outcome->error;
	char duration[DURATION_SIZE];

	fprintf(stderr, "  %-8s ", "tried");
	text_counted(stderr, error->round, "round");
	fputs(", ", stderr);
	text_counted(stderr, error->attempt, "attempt");
	fprintf(stderr, ", %s\n", text_duration(outcome->elapsed_ns, duration));
}

static void print_words(const struct outcome *outcome, const struct options *options)
{
	const struct hawser_error *error = &outcome->error;

	text_coloured(stderr, COLOUR_BAD, 0, "hawser:");
	fputc(' ', stderr);
	text_escaped(stderr, TARGET(options), strlen(TARGET(options)));
	for (int i = 1; i < 3 && options->positional[i]; i++) {
		fputc(' ', stderr);
		text_escaped(stderr, options->positional[i], strlen(options->positional[i]));
	}
	fputs(": ", stderr);
	text_escaped(stderr, error->text, strlen(error->text));
	fputc('\n', stderr);
	print_field("stage", hawser_stage_name(error->stage));
	print_field("errno", hawser_errno_name(error->code));
	if (*error->address)
		print_field("address", error->address);
	print_field("cause", hawser_cause_name(error->cause));
	if (error->fate != HAWSER_FATE_NONE)
		print_field("fate", hawser_fate_name(error->fate));
	if (outcome->last_code)
		fprintf(stderr, "  %-8s %s at %s\n", "before", hawser_errno_name(outcome->last_code),
		    hawser_stage_name(outcome->last_stage));
	print_tries(outcome);
	print_field("advice", advice_for(error, options));
}

void outcome_print(const struct outcome *outcome, const struct options *options)
{
	progress_clear();
	fflush(stdout);
	if (options->json)
		print_json(outcome, options);
	else if (!options->quiet)
		print_words(outcome, options);
}
