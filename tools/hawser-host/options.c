/* SPDX-License-Identifier: MIT
 *
 * The command line: one table says name, kind, place, bounds and help of every option, and both the parser
 * and --help are driven by it.
 *
 * Happy path: options_parse() starts from the defaults, walks getopt_long() and takes what is left as
 * targets.
 * Failures: an unknown option, a missing, malformed or out-of-range value, an unknown service name, no
 * target or too many of them: one sentence on stderr and -EINVAL. Targets themselves are judged by
 * listener.c.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <hawser/base.h> /* its version, nothing else */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services.h"

enum rule_kind { RULE_FLAG, RULE_NUMBER, RULE_PATH, RULE_SERVICE, RULE_HELP, RULE_VERSION };

struct rule {
	const char *name;
	enum rule_kind kind;
	size_t place; /* in struct options */
	const char *value_name;
	uint64_t value_min;
	uint64_t value_max;
	const char *help;
};

#define FLAG(name, member, help)                                                    \
	{                                                                           \
		name, RULE_FLAG, offsetof(struct options, member), NULL, 0, 0, help \
	}
#define NUMBER(name, member, value_name, min, max, help)                                        \
	{                                                                                       \
		name, RULE_NUMBER, offsetof(struct options, member), value_name, min, max, help \
	}

enum {
	DELAY_MS_MAX = 3600 * 1000,
	EXIT_AFTER_MS_DEFAULT = 600 * 1000,
	EXIT_AFTER_MS_MAX = 24 * 3600 * 1000,
	CONNECTIONS_DEFAULT = 4096,
	CONNECTIONS_LIMIT = 65536,
	BACKLOG_DEFAULT = 4096,
	FLOOD_MIB_MAX = 65536,
	COUNT_MAX = 1000000000,
};

static const struct rule rules[] = {
    NUMBER("start-late-ms", start_late_ms, "N", 0, DELAY_MS_MAX, "bind and listen only after N ms"),
    NUMBER(
	"bind-listen-gap-ms", bind_listen_gap_ms, "N", 0, DELAY_MS_MAX, "wait N ms between bind and listen"),
    NUMBER("exit-after-ms", exit_after_ms, "N", 1, EXIT_AFTER_MS_MAX, "end by itself after N ms (600000)"),
    NUMBER("connections-max", connections_max, "N", 1, CONNECTIONS_LIMIT,
	"close connections beyond N at once (4096)"),
    NUMBER("backlog", backlog, "N", 0, COUNT_MAX, "backlog given to listen() (4096)"),
    FLAG("no-unlink", no_unlink, "leave an existing socket file, so that bind() fails on it"),
    FLAG("replace", replace, "take the path of a host that listens there (else only of one that is gone)"),
    FLAG("overlong", overlong, "4-byte lengths for nested messages above 127 bytes, as a real host"),
    FLAG("quiet", quiet, "neither ready lines nor the summary"),
    FLAG("print-ready", print_ready, "print \"ready TARGET\" for each listener (on unless --quiet)"),
    {"count-file", RULE_PATH, offsetof(struct options, count_file), "PATH", 0, 0,
	"write the summary there as JSON at exit"},
    {"refuse", RULE_SERVICE, 0, "SERVICE", 0, 0, "act as if SERVICE were not offered (repeatable)"},
    FLAG("never-answer", never_answer, "read requests, answer none"),
    FLAG("never-answer-bind", never_answer_bind, "answer all but binds"),
    FLAG("request-error", request_error, "answer every request with a RequestError"),
    FLAG("wrong-reply", wrong_reply, "answer binds with an InvokeMethodReply"),
    NUMBER("stop-reading-after", stop_reading_after, "N", 0, COUNT_MAX,
	"read N bytes of each connection, then no more, and keep it"),
    FLAG("no-accept", no_accept, "listen but never accept"),
    FLAG("reorder", reorder, "answer in reverse, in groups of up to 4 or after 20 ms"),
    FLAG("duplicate-replies", duplicate_replies, "send each final answer twice"),
    FLAG("garbage", garbage, "random bytes instead of the first answer"),
    FLAG("garbage-length", garbage_length, "a header with a too large length instead of the first answer"),
    NUMBER("seed", seed, "N", 0, OPTIONS_UNSET, "seed of the random bytes (1)"),
    NUMBER(
	"flood", flood_mib, "N", 1, FLOOD_MIB_MAX, "after the first bind, N MiB of replies nobody asked for"),
    NUMBER("close-after-calls", close_after_calls, "N", 1, COUNT_MAX,
	"close a connection after N invokes, once answered"),
    NUMBER("die-after-calls", die_after_calls, "N", 1, COUNT_MAX,
	"_exit(0) after N invokes in total, leaving socket files"),
    FLAG("close-on-accept", close_on_accept, "close each connection at once"),
    FLAG("reset-on-accept", reset_on_accept, "the same with SO_LINGER 0: a reset over tcp"),
    FLAG("close-after-bind", close_after_bind, "close a connection after its first bind, once answered"),
    NUMBER("fragment", fragment_bytes, "N", 1, COUNT_MAX, "write at most N bytes at a time"),
    {"help", RULE_HELP, 0, NULL, 0, 0, "show this"},
    {"version", RULE_VERSION, 0, NULL, 0, 0, "show the version"},
};

enum { RULES_COUNT = sizeof(rules) / sizeof(rules[0]) };

static void help_print(void)
{
	printf("Usage: hawser-host [OPTION]... TARGET...\n"
	       "Offers test services in the Perfetto IPC format on every TARGET:\n"
	       "  unix:PATH  unix:@NAME  tcp:IPV4:PORT  tcp:[IPV6]:PORT    (port 0: the kernel's choice, "
	       "printed)\n\n"
	       "Services:\n"
	       "  Echo     Echo: args back; EchoFds: args and descriptors back; Sink: empty reply\n"
	       "  Counter  Count: args N in decimal; N replies \"1\" to \"N\", or an empty one for 0\n"
	       "  Files    Open: a memfd that holds args; Take: the first 64 KiB of the file passed\n"
	       "  Slow     Wait: empty reply after args ms (at most 60000); Never: no reply; Drop: a failed "
	       "reply\n\n"
	       "Options:\n");
	for (size_t i = 0; i < RULES_COUNT; i++) {
		char left[64];
		snprintf(left, sizeof(left), "--%s %s", rules[i].name,
		    rules[i].value_name ? rules[i].value_name : "");
		printf("  %-24s %s\n", left, rules[i].help);
	}
	printf("\nExamples:\n"
	       "  hawser-host unix:/tmp/x.sock tcp:127.0.0.1:0\n"
	       "  hawser-host --start-late-ms 300 --refuse Slow unix:@demo\n"
	       "  hawser-host --die-after-calls 10 --count-file /tmp/count.json 'tcp:[::1]:7000'\n");
}

static int number_take(const struct rule *rule, const char *text, uint64_t *ret_number)
{
	char *end = NULL;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	bool decimal = text[0] >= '0' && text[0] <= '9' && *end == '\0';
	if (!decimal || errno != 0 || value < rule->value_min || value > rule->value_max) {
		fprintf(stderr, "hawser-host: --%s %s: expected a decimal number from %llu to %llu\n",
		    rule->name, text, (unsigned long long)rule->value_min,
		    (unsigned long long)rule->value_max);
		return -EINVAL;
	}
	*ret_number = value;
	return 0;
}

static int refused_take(const char *service, struct options *options)
{
	if (services_find(service, strlen(service)) == NULL) {
		fprintf(stderr, "hawser-host: --refuse %s: there is no such service; see --help\n", service);
		return -EINVAL;
	}
	if (options->refused_count == OPTIONS_REFUSED_MAX) {
		fprintf(stderr, "hawser-host: --refuse given more than %d times\n", OPTIONS_REFUSED_MAX);
		return -EINVAL;
	}
	options->refused[options->refused_count++] = service;
	return 0;
}

static int rule_apply(const struct rule *rule, const char *value, struct options *options)
{
	void *place = (char *)options + rule->place;
	if (rule->kind == RULE_NUMBER)
		return number_take(rule, value, place);
	if (rule->kind == RULE_SERVICE)
		return refused_take(value, options);
	if (rule->kind == RULE_FLAG)
		*(bool *)place = true;
	else
		*(const char **)place = value;
	return 0;
}

static int targets_take(int count, char **targets, struct options *options)
{
	if (count == 0) {
		fprintf(
		    stderr, "hawser-host: no target to listen on, such as unix:/tmp/x.sock; see --help\n");
		return -EINVAL;
	}
	if (count > OPTIONS_TARGETS_MAX) {
		fprintf(
		    stderr, "hawser-host: %d targets, at most %d are served\n", count, OPTIONS_TARGETS_MAX);
		return -EINVAL;
	}
	for (int i = 0; i < count; i++)
		options->targets[i] = targets[i];
	options->targets_count = (size_t)count;
	return 0;
}

static bool shows(const struct rule *rule)
{
	if (rule->kind == RULE_HELP)
		help_print();
	else if (rule->kind == RULE_VERSION)
		printf("hawser-host %d.%d.%d\n", HAWSER_VERSION_MAJOR, HAWSER_VERSION_MINOR,
		    HAWSER_VERSION_PATCH);
	return rule->kind == RULE_HELP || rule->kind == RULE_VERSION;
}

int options_parse(
    int argument_count, char **arguments, struct options *ret_options, enum options_verdict *ret_verdict)
{
	struct option long_options[RULES_COUNT + 1] = {0};
	for (size_t i = 0; i < RULES_COUNT; i++)
		long_options[i] = (struct option){
		    .name = rules[i].name,
		    .has_arg = rules[i].value_name != NULL ? required_argument : no_argument,
		};
	struct options options = {
	    .exit_after_ms = EXIT_AFTER_MS_DEFAULT,
	    .connections_max = CONNECTIONS_DEFAULT,
	    .backlog = BACKLOG_DEFAULT,
	    .stop_reading_after = OPTIONS_UNSET,
	    .seed = 1,
	};
	for (;;) {
		int index = -1;
		int found = getopt_long(argument_count, arguments, "", long_options, &index);
		if (found == -1)
			break;
		if (found != 0 || index < 0) {
			fprintf(stderr, "hawser-host: see --help\n");
			return -EINVAL;
		}
		if (shows(&rules[index])) {
			*ret_verdict = OPTIONS_SHOWN;
			return 0;
		}
		if (rule_apply(&rules[index], optarg, &options) < 0)
			return -EINVAL;
	}
	if (options.replace && options.no_unlink) {
		fprintf(stderr, "hawser-host: --replace and --no-unlink contradict each other\n");
		return -EINVAL;
	}
	if (targets_take(argument_count - optind, arguments + optind, &options) < 0)
		return -EINVAL;
	options.print_ready = options.print_ready || !options.quiet;
	*ret_options = options;
	*ret_verdict = OPTIONS_RUN;
	return 0;
}

bool options_refuse(const struct options *options, const char *service)
{
	for (size_t i = 0; i < options->refused_count; i++)
		if (strcmp(options->refused[i], service) == 0)
			return true;
	return false;
}
