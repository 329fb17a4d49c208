/* SPDX-License-Identifier: MIT
 *
 * The command line: one table says of every option which commands have it, what it takes, where it goes and
 * what --help says; the parser and --help are driven by it.
 *
 * Happy path: words that begin with "--" are options, "--name value" or "--name=value"; the rest, and all
 * behind a lone "--", is positional. Option names are never abbreviated, so that a script keeps its meaning
 * when options are added.
 *
 * Failures: a word that cannot be meant is one sentence and EXIT_USAGE. What the words mean together is
 * checked in check.c.
 */
#include "options.h"

#include "check.h"
#include "exits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum rule_kind { RULE_FLAG, RULE_NUMBER, RULE_CHOICE, RULE_WORD, RULE_ARGUMENTS, RULE_FORMAT, RULE_SEND_FD };

enum {
	CONNECTS = 1 << COMMAND_CONNECT | 1 << COMMAND_BIND | 1 << COMMAND_INVOKE | 1 << COMMAND_WATCH |
		   1 << COMMAND_STATUS,
	BINDS = CONNECTS & ~(1 << COMMAND_CONNECT),
	INVOKES = 1 << COMMAND_INVOKE,
	WATCHES = 1 << COMMAND_WATCH,
	NUMBER_MAX = 2000000000, /* milliseconds: 23 days */
};

struct rule {
	const char *name;
	enum rule_kind kind;
	unsigned commands;
	size_t place; /* in struct options */
	uint32_t value;
	const char *value_name; /* NULL: takes none */
	const char *help;
	const char *const *choices;
};

/* In the order of the library's enums. */
static const char *const engines[] = {"auto", "uring", "epoll", NULL};
static const char *const backoffs[] = {"auto", "perfetto", "grpc", "full", "equal", "decorrelated", NULL};

#define AT(member) offsetof(struct options, member)

static const struct rule rules[] = {
    {"engine", RULE_CHOICE, CONNECTS, AT(engine), 0, "NAME", "auto, uring or epoll (auto)", engines},
    {"protocol", RULE_WORD, CONNECTS, AT(protocol), 0, "NAME", NULL, NULL},
    {"attempts", RULE_NUMBER, CONNECTS, AT(attempts), 1, "N", NULL, NULL},
    {"deadline-ms", RULE_NUMBER, CONNECTS, AT(deadline_ms), 1, "N", NULL, NULL},
    {"attempt-deadline-ms", RULE_NUMBER, CONNECTS, AT(attempt_deadline_ms), 1, "N",
	"how long one address may take (tcp 5000, unix 1000)", NULL},
    {"timeout-ms", RULE_NUMBER, BINDS, AT(timeout_ms), 1, "N", NULL, NULL},
    {"backoff", RULE_CHOICE, CONNECTS, AT(backoff), 0, "NAME",
	"auto, perfetto, grpc, full, equal or decorrelated (auto)", backoffs},
    {"fail-fast", RULE_FLAG, CONNECTS, AT(fail_fast), 0, NULL, "end with the first failed round", NULL},
    {"peer-uid", RULE_NUMBER, CONNECTS, AT(peer_uid), 0, "N",
	"refuse a unix host of another user, before anything is sent", NULL},
    {"text", RULE_ARGUMENTS, INVOKES, AT(arguments), ARGUMENTS_TEXT, "TEXT", "arguments as they stand", NULL},
    {"hex", RULE_ARGUMENTS, INVOKES, AT(arguments), ARGUMENTS_HEX, "HEX",
	"arguments in hexadecimal; spaces are skipped", NULL},
    {"file", RULE_ARGUMENTS, INVOKES, AT(arguments), ARGUMENTS_FILE, "FILE",
	"arguments from a file; - is standard input", NULL},
    {"send-fd", RULE_SEND_FD, INVOKES, 0, 0, "FILE",
	"pass a descriptor of this file, opened for reading (repeatable)", NULL},
    {"raw-output", RULE_FORMAT, INVOKES, AT(format), REPLY_RAW, NULL,
	"replies as they came, one behind the other (default in a pipe)", NULL},
    {"text-output", RULE_FORMAT, INVOKES, AT(format), REPLY_TEXT, NULL,
	"a line for each reply, escaped (default on a terminal)", NULL},
    {"hex-output", RULE_FORMAT, INVOKES, AT(format), REPLY_HEX, NULL,
	"a line for each reply, in hexadecimal", NULL},
    {"count", RULE_NUMBER, WATCHES, AT(count), 1, "N", "end after N changes", NULL},
    {"duration-ms", RULE_NUMBER, WATCHES, AT(duration_ms), 1, "N", "end after N milliseconds", NULL},
    {"json", RULE_FLAG, CONNECTS, AT(json), 0, NULL, "one JSON object a line on standard output", NULL},
    {"quiet", RULE_FLAG, CONNECTS, AT(quiet), 0, NULL, NULL, NULL},
    {"verbose", RULE_FLAG, CONNECTS, AT(verbose), 0, NULL, "the library's log on standard error", NULL},
    {"help", RULE_FLAG, (1 << COMMANDS) - 1, AT(help), 0, NULL, "show this", NULL},
};

enum { RULES_COUNT = sizeof(rules) / sizeof(rules[0]) };

/* What an option means depends on the command. */
static const char *help_of(const struct rule *rule, enum command command)
{
	bool watch = command == COMMAND_WATCH;

	if (rule->help)
		return rule->help;
	if (strcmp(rule->name, "protocol") == 0)
		return command == COMMAND_CONNECT ? "none, raw or perfetto (none: nothing is sent or read)"
		       : command == COMMAND_BIND || command == COMMAND_INVOKE
			   ? "perfetto or raw (perfetto)"
			   : "perfetto or raw (perfetto with a SERVICE, else raw)";
	if (strcmp(rule->name, "attempts") == 0)
		return watch ? "give up after N failed rounds in a row (no limit)"
			     : "give up after N failed rounds (1; no limit with --deadline-ms)";
	if (strcmp(rule->name, "deadline-ms") == 0)
		return watch ? "give up when not connected for N ms (no limit)"
			     : "how long the whole command may take (no limit)";
	if (strcmp(rule->name, "timeout-ms") == 0)
		return command == COMMAND_INVOKE
			   ? "how long the host may take to bind (10000) and to answer (no limit)"
			   : "how long the host may take to bind (10000)";
	return command == COMMAND_INVOKE ? "print replies and nothing else" : "print nothing; the exit code tells";
}

void options_print(enum command command, FILE *file)
{
	char left[64];

	for (size_t i = 0; i < RULES_COUNT; i++) {
		const struct rule *rule = &rules[i];

		if (!(rule->commands & 1U << command))
			continue;
		snprintf(left, sizeof(left), "--%s %s", rule->name, rule->value_name ? rule->value_name : "");
		fprintf(file, "  %-23s %s\n", left, help_of(rule, command));
	}
}

static const struct rule *rule_find(const char *name, size_t size)
{
	for (size_t i = 0; i < RULES_COUNT; i++)
		if (strlen(rules[i].name) == size && memcmp(rules[i].name, name, size) == 0)
			return &rules[i];
	return NULL;
}

static int number_take(
    const struct rule *rule, const char *text, struct options *options, uint32_t *ret_number)
{
	char *end = NULL;
	unsigned long long number;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || number < rule->value || number > NUMBER_MAX)
		return usage_refuse(options->command, options->json,
		    "--%s %s: a whole number from %u to %d is expected", rule->name, text, rule->value,
		    NUMBER_MAX);
	*ret_number = (uint32_t)number;
	return 0;
}

static int choice_take(
    const struct rule *rule, const char *text, struct options *options, uint32_t *ret_choice)
{
	for (uint32_t i = 0; rule->choices[i]; i++)
		if (strcmp(rule->choices[i], text) == 0) {
			*ret_choice = i;
			return 0;
		}
	return usage_refuse(
	    options->command, options->json, "--%s %s: expected %s", rule->name, text, rule->help);
}

static int rule_take(const struct rule *rule, const char *value, struct options *options)
{
	void *place = (char *)options + rule->place;

	switch (rule->kind) {
	case RULE_FLAG:
		*(bool *)place = true;
		return 0;
	case RULE_NUMBER:
		return number_take(rule, value, options, place);
	case RULE_CHOICE:
		return choice_take(rule, value, options, place);
	case RULE_WORD:
		*(const char **)place = value;
		return 0;
	case RULE_ARGUMENTS:
		if (options->arguments_kind != ARGUMENTS_NONE)
			return usage_refuse(options->command, options->json,
			    "the arguments are given twice: --%s is one too many", rule->name);
		options->arguments_kind = rule->value;
		options->arguments = value;
		return 0;
	case RULE_FORMAT:
		options->format = rule->value;
		return 0;
	case RULE_SEND_FD:
		if (options->send_fds_count == SEND_FDS_MAX)
			return usage_refuse(options->command, options->json,
			    "--send-fd is given more than %d times", SEND_FDS_MAX);
		options->send_fds[options->send_fds_count++] = value;
		return 0;
	}
	return 0;
}

/* The option at words[0]; *ret_used of the words are its own. */
static int option_take(char **words, int count, struct options *options, int *ret_used)
{
	const char *name = words[0] + 2;
	const char *equals = strchr(name, '=');
	size_t size = equals ? (size_t)(equals - name) : strlen(name);
	const struct rule *rule = rule_find(name, size);
	const char *value = equals ? equals + 1 : NULL;

	if (!rule)
		return usage_refuse(
		    options->command, options->json, "there is no option --%.*s", (int)size, name);
	if (!(rule->commands & 1U << options->command))
		return usage_refuse(options->command, options->json, "--%s is no option of %s", rule->name,
		    command_name(options->command));
	*ret_used = 1;
	if (!rule->value_name && value)
		return usage_refuse(options->command, options->json, "--%s takes no value", rule->name);
	if (rule->value_name && !value) {
		if (count < 2)
			return usage_refuse(
			    options->command, options->json, "--%s needs a value", rule->name);
		value = words[1];
		*ret_used = 2;
	}
	return rule_take(rule, value, options);
}

static bool asks_for_json(int count, char **words)
{
	for (int i = 0; i < count && strcmp(words[i], "--") != 0; i++)
		if (strcmp(words[i], "--json") == 0)
			return true;
	return false;
}

int options_parse(enum command command, int count, char **words, struct options *ret_options)
{
	struct options options = {
	    .command = command,
	    .attempts = HAWSER_AUTO,
	    .deadline_ms = HAWSER_NONE,
	    .attempt_deadline_ms = HAWSER_AUTO,
	    .timeout_ms = HAWSER_AUTO,
	    .peer_uid = HAWSER_AUTO,
	    .count = HAWSER_NONE,
	    .duration_ms = HAWSER_NONE,
	    /* Before the others, as a wrong option in front of it is an error, too. */
	    .json = asks_for_json(count, words),
	};
	bool only_positional = false;
	int positional = 0;

	for (int i = 0; i < count;) {
		int used = 1;
		int result = 0;

		if (!only_positional && strcmp(words[i], "--") == 0)
			only_positional = true;
		else if (!only_positional && strcmp(words[i], "-h") == 0)
			options.help = true;
		else if (!only_positional && strncmp(words[i], "--", 2) == 0)
			result = option_take(words + i, count - i, &options, &used);
		else if (positional == 3)
			result = usage_refuse(
			    command, options.json, "one argument too many: \"%s\"", words[i]);
		else
			options.positional[positional++] = words[i];
		if (result)
			return result;
		i += used;
	}
	*ret_options = options;
	return options.help ? 0 : options_check(ret_options);
}
