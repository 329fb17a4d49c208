/* SPDX-License-Identifier: MIT
 *
 * Failures: which exit code they mean, and how they are told.
 */
#include "outcome.h"

#include "progress.h"
#include "text.h"

#include <string.h>

static enum exit_code exit_code_of(const struct hawser_error *error, enum phase phase)
{
	static const enum exit_code of_phase[] = {[PHASE_CONNECT] = EXIT_NOT_CONNECTED,
	    [PHASE_BIND] = EXIT_NOT_BOUND,
	    [PHASE_CALL] = EXIT_CALL_FAILED};

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
		return of_phase[phase];
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

/* A deadline only says that it took too long; what kept failing says why. */
static const char *advice_of(const struct outcome *outcome, const struct options *options)
{
	return advice_for(outcome->last.code ? &outcome->last : &outcome->error, options);
}

static void print_json(const struct outcome *outcome, const struct options *options)
{
	static const char *const names[] = {"target", "service", "method"};

	json_begin("failed");
	for (int i = 0; i < 3 && options->words[i]; i++)
		json_text(names[i], options->words[i]);
	json_error(&outcome->error);
	if (outcome->last.code) {
		json_open("last_failure", '{');
		json_text("stage", hawser_stage_name(outcome->last.stage));
		json_text("errno", hawser_errno_name(outcome->last.code));
		json_close('}');
	} else {
		json_word("last_failure", "null");
	}
	json_text("advice", advice_of(outcome, options));
	json_number("elapsed_us", outcome->elapsed_ns / 1000);
	json_number("exit", outcome->exit_code);
	json_end();
}

static void print_field(const char *name, const char *value)
{
	if (!*value)
		return;
	fprintf(stderr, "  %-8s ", name);
	text_put(stderr, value);
	fputc('\n', stderr);
}

/* The errno's own words say nothing where the sentence above has them already, and mislead at resolve, where
 * the library chose the errno: ENOENT is no missing file. */
static void print_failure(const char *name, int code, enum hawser_stage stage, const char *sentence)
{
	const char *words = strerror(-code);
	bool told = stage != HAWSER_STAGE_NONE;
	bool plain = stage == HAWSER_STAGE_RESOLVE || strcmp(words, sentence) == 0;

	fprintf(stderr, "  %-8s %s%s%s%s%s\n", name, told ? hawser_stage_name(stage) : "", told ? ": " : "",
	    hawser_errno_name(code), plain ? "" : ", ", plain ? "" : words);
}

static void print_words(const struct outcome *outcome, const struct options *options)
{
	const struct hawser_error *error = &outcome->error;
	char duration[DURATION_SIZE];

	text_coloured(stderr, COLOUR_BAD, 0, "hawser:");
	for (int i = 0; i < 3 && options->words[i]; i++) {
		fputc(' ', stderr);
		text_put(stderr, options->words[i]);
	}
	fputs(": ", stderr);
	text_put(stderr, error->text);
	fputc('\n', stderr);
	print_failure("failed", error->code, error->stage, error->text);
	if (outcome->last.code)
		print_failure("before", outcome->last.code, outcome->last.stage, error->text);
	print_field("address", error->address);
	if (error->fate != HAWSER_FATE_NONE)
		print_field("call", hawser_fate_name(error->fate));
	if (error->round)
		fprintf(stderr, "  %-8s %u round%s, %u attempt%s, %s\n", "tried", error->round,
		    TEXT_PLURAL(error->round), error->attempt, TEXT_PLURAL(error->attempt),
		    text_duration(outcome->elapsed_ns, duration));
	print_field("advice", advice_of(outcome, options));
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
