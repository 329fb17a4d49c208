/* SPDX-License-Identifier: MIT
 *
 * The command line: one table says of every option which commands have it, what it takes, where it goes and
 * what --help says; the parser and --help are driven by it.
 *
 * Happy path: options and words may be mixed; behind a lone "--" everything is a word.
 * Failures: an option that is unknown, of another command, or without its value; a number or a choice out of
 * range: one sentence and EXIT_USAGE. What the words mean together is checked in check.c.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum rule_kind { RULE_FLAG, RULE_NUMBER, RULE_CHOICE, RULE_WORD };

enum {
	CONNECTS = 1 << COMMAND_CONNECT | 1 << COMMAND_BIND | 1 << COMMAND_INVOKE | 1 << COMMAND_WATCH |
		   1 << COMMAND_STATUS,
	INVOKES = 1 << COMMAND_INVOKE,
	WATCHES = 1 << COMMAND_WATCH,
	DRAWS = 1 << COMMAND_DIAGRAM,
	NUMBER_MAX = 2000000000, /* milliseconds: 23 days */
};

struct rule {
	const char *name;
	enum rule_kind kind;
	int commands;
	size_t place; /* in struct options */
	uint32_t min;
	const char *value_name; /* NULL: takes none */
	const char *help;
	const char *const *choices;
};

/* In the order of the library's enums. */
static const char *const engines[] = {"auto", "uring", "epoll", NULL};
static const char *const backoffs[] = {"auto", "perfetto", "grpc", "full", "equal", "decorrelated", NULL};

#define AT(member) offsetof(struct options, member)

static const struct rule rules[] = {
    {"hex", RULE_WORD, INVOKES, AT(hex), 0, "HEX", "the payload in hexadecimal; spaces are skipped", NULL},
    {"file", RULE_WORD, INVOKES, AT(file), 0, "FILE", "the payload from a file; - is standard input", NULL},
    {"hex-output", RULE_FLAG, INVOKES, AT(hex_output), 0, NULL, "print replies in hexadecimal", NULL},
    {"output", RULE_WORD, INVOKES, AT(output), 0, "FILE",
	"write replies there as they came; - is standard output", NULL},
    {"count", RULE_NUMBER, WATCHES, AT(count), 1, "N", "end after N changes", NULL},
    {"engine", RULE_CHOICE, CONNECTS, AT(engine), 0, "NAME", "auto, uring or epoll (auto)", engines},
    {"protocol", RULE_WORD, CONNECTS, AT(protocol), 0, "NAME",
	"perfetto, raw or none (perfetto with a SERVICE; else raw, for connect none)", NULL},
    {"attempts", RULE_NUMBER, CONNECTS, AT(attempts), 1, "N",
	"give up after N failed rounds (1; no limit with --deadline-ms and for watch)", NULL},
    {"deadline-ms", RULE_NUMBER, CONNECTS, AT(deadline_ms), 1, "N", "end after N milliseconds (no limit)",
	NULL},
    {"backoff", RULE_CHOICE, CONNECTS, AT(backoff), 0, "NAME",
	"auto, perfetto, grpc, full, equal or decorrelated (auto)", backoffs},
    {"peer-uid", RULE_NUMBER, CONNECTS, AT(peer_uid), 0, "N",
	"refuse a unix host of another user before anything is sent", NULL},
    {"dot", RULE_FLAG, DRAWS, AT(dot), 0, NULL, "for Graphviz instead of Mermaid", NULL},
    {"json", RULE_FLAG, CONNECTS | DRAWS, AT(json), 0, NULL, "one JSON object a line on standard output",
	NULL},
    {"quiet", RULE_FLAG, CONNECTS & ~(1 << COMMAND_STATUS), AT(quiet), 0, NULL,
	"print replies and nothing else; also -q", NULL},
    {"verbose", RULE_FLAG, CONNECTS, AT(verbose), 0, NULL, "the library's log on standard error; also -v",
	NULL},
    {"help", RULE_FLAG, CONNECTS | DRAWS, AT(help), 0, NULL, "show this", NULL},
};

enum { RULES_COUNT = sizeof(rules) / sizeof(rules[0]) };

void options_print(enum command command)
{
	char left[64];

	for (size_t i = 0; i < RULES_COUNT; i++) {
		const struct rule *rule = &rules[i];

		if (!(rule->commands & 1 << command))
			continue;
		snprintf(left, sizeof(left), "--%s %s", rule->name, rule->value_name ? rule->value_name : "");
		printf("  %-16s %s\n", left, rule->help);
	}
}

static int number_take(const struct rule *rule, const char *text, enum command command, uint32_t *ret_number)
{
	char *end = NULL;
	unsigned long long number;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || number < rule->min || number > NUMBER_MAX)
		return usage_refuse(command, "--%s %s: a whole number from %u to %d is expected", rule->name,
		    text, rule->min, NUMBER_MAX);
	*ret_number = (uint32_t)number;
	return 0;
}

static int choice_take(const struct rule *rule, const char *text, enum command command, uint32_t *ret_choice)
{
	for (uint32_t i = 0; rule->choices[i]; i++)
		if (strcmp(rule->choices[i], text) == 0) {
			*ret_choice = i;
			return 0;
		}
	return usage_refuse(command, "--%s %s: expected %s", rule->name, text, rule->help);
}

static int rule_take(const struct rule *rule, const char *value, struct options *options)
{
	char *place = (char *)options + rule->place;

	if (!(rule->commands & 1 << options->command))
		return usage_refuse(
		    options->command, "--%s is no option of %s", rule->name, command_name(options->command));
	switch (rule->kind) {
	case RULE_FLAG:
		*(bool *)place = true;
		return 0;
	case RULE_NUMBER:
		return number_take(rule, value, options->command, (uint32_t *)(void *)place);
	case RULE_CHOICE:
		return choice_take(rule, value, options->command, (uint32_t *)(void *)place);
	case RULE_WORD:
		*(const char **)(void *)place = value;
		return 0;
	}
	return 0;
}

/* What getopt_long answers: this and an index of rules, or a letter. */
enum { RULE_FIRST = 256 };

static const struct rule *rule_find(int answer)
{
	const char *name = answer == 'h' ? "help" : answer == 'q' ? "quiet" : "verbose";

	for (int i = 0; i < RULES_COUNT; i++)
		if (answer == RULE_FIRST + i || (answer < RULE_FIRST && strcmp(rules[i].name, name) == 0))
			return &rules[i];
	return NULL;
}

static bool is_begin_of_several(const char *word)
{
	size_t length = strcspn(word, "=");
	int several = 0;

	for (int i = 0; i < RULES_COUNT && length > 2; i++)
		several += strncmp(rules[i].name, word + 2, length - 2) == 0;
	return several > 1;
}

/* In the place of getopt's own sentences, which do not say where help is. */
static int option_refuse(int answer, char **words, enum command command)
{
	const char *word = words[optind - 1];

	if (optopt >= RULE_FIRST)
		return usage_refuse(command,
		    answer == ':' ? "--%s requires an argument" : "--%s takes no argument",
		    rules[optopt - RULE_FIRST].name);
	if (optopt)
		return usage_refuse(command, "there is no option -%c", optopt);
	return usage_refuse(command,
	    is_begin_of_several(word) ? "%s may be one of several options" : "there is no option %s", word);
}

static int options_take(int count, char **words, struct options *options)
{
	struct option known[RULES_COUNT + 1] = {{0}};
	int answer;

	for (int i = 0; i < RULES_COUNT; i++)
		known[i] = (struct option){rules[i].name,
		    rules[i].value_name ? required_argument : no_argument, NULL, RULE_FIRST + i};
	while ((answer = getopt_long(count, words, ":hqv", known, NULL)) != -1) {
		int result = answer == '?' || answer == ':' ? option_refuse(answer, words, options->command)
							    : rule_take(rule_find(answer), optarg, options);

		if (result)
			return result;
	}
	return 0;
}

int options_parse(enum command command, int count, char **words, struct options *ret_options)
{
	struct options options = {.command = command,
	    .attempts = HAWSER_AUTO,
	    .deadline_ms = HAWSER_NONE,
	    .peer_uid = HAWSER_AUTO,
	    .count = HAWSER_NONE};
	int result = options_take(count, words, &options);

	if (result)
		return result;
	for (int i = optind; i < count && !options.help; i++) {
		if (i - optind == WORDS_MAX)
			return usage_refuse(command, "one argument too many: \"%s\"", words[i]);
		options.words[i - optind] = words[i];
	}
	*ret_options = options;
	return 0;
}
