/* SPDX-License-Identifier: MIT
 *
 * Checks a command line as a whole: every word the command needs and none it does not take, a target that can
 * be meant, options that do not contradict each other; then the defaults that depend on them.
 *
 * Failures: one sentence, and EXIT_USAGE. That of a bad target is the library's own.
 */
#include "options.h"

#include <string.h>

static const struct shape {
	const char *names[WORDS_MAX];
	int needed;
} shapes[COMMANDS] = {
    [COMMAND_CONNECT] = {{"TARGET"}, 1},
    [COMMAND_BIND] = {{"TARGET", "SERVICE"}, 2},
    [COMMAND_INVOKE] = {{"TARGET", "SERVICE", "METHOD", "TEXT"}, 3},
    [COMMAND_WATCH] = {{"TARGET", "SERVICE"}, 1},
    [COMMAND_STATUS] = {{"TARGET", "SERVICE"}, 1},
    [COMMAND_DIAGRAM] = {{"TABLE"}, 1},
};

static int words_check(const struct options *options)
{
	const struct shape *shape = &shapes[options->command];

	for (int i = 0; i < WORDS_MAX; i++) {
		const char *word = options->words[i];

		if (!word && i < shape->needed)
			return usage_refuse(options->command, "the %s is missing%s", shape->names[i],
			    strcmp(shape->names[i], "TARGET") == 0 ? ", such as unix:/run/x.sock" : "");
		if (word && !shape->names[i])
			return usage_refuse(options->command, "one argument too many: \"%s\"", word);
		if (word && !*word && i < 3)
			return usage_refuse(options->command, "the %s is empty", shape->names[i]);
	}
	return 0;
}

static int target_check(const struct options *options)
{
	char sentence[256];

	if (hawser_target_explain(TARGET(options), sentence, sizeof(sentence)) < 0)
		return usage_refuse(options->command, "%s", sentence);
	if (options->peer_uid != HAWSER_AUTO && strncmp(TARGET(options), "tcp:", 4) == 0)
		return usage_refuse(options->command,
		    "--peer-uid: a tcp host does not tell its user; only unix: targets can be checked");
	if (SERVICE(options) && strlen(SERVICE(options)) > 255)
		return usage_refuse(options->command, "the SERVICE has %zu bytes, and the limit is 255",
		    strlen(SERVICE(options)));
	return 0;
}

static int protocol_check(struct options *options)
{
	bool perfetto;

	if (!options->protocol)
		options->protocol = SERVICE(options)                      ? "perfetto"
				    : options->command == COMMAND_CONNECT ? "none"
									  : "raw";
	perfetto = strcmp(options->protocol, "perfetto") == 0;
	if (!perfetto && strcmp(options->protocol, "raw") != 0 && strcmp(options->protocol, "none") != 0)
		return usage_refuse(
		    options->command, "--protocol %s: expected perfetto, raw or none", options->protocol);
	if (SERVICE(options) && !perfetto)
		return usage_refuse(options->command,
		    "--protocol %s carries bytes and knows no services: only perfetto can bind one",
		    options->protocol);
	if (strcmp(options->protocol, "none") == 0 && options->command != COMMAND_CONNECT)
		return usage_refuse(options->command,
		    "--protocol none hands the connection over at once: nothing is left to %s",
		    options->command == COMMAND_WATCH ? "watch" : "ask about");
	return 0;
}

static int payload_check(const struct options *options)
{
	if ((TEXT(options) != NULL) + (options->hex != NULL) + (options->file != NULL) > 1)
		return usage_refuse(options->command,
		    "the payload is given twice: TEXT, --hex and --file exclude each other");
	if (options->output && (options->hex_output || options->json))
		return usage_refuse(options->command,
		    "--output writes replies as they came: --hex-output and --json contradict it");
	return 0;
}

int options_check(struct options *options)
{
	int result = words_check(options);

	if (result || options->command == COMMAND_DIAGRAM)
		return result;
	result = target_check(options);
	if (result == 0)
		result = protocol_check(options);
	if (result == 0)
		result = payload_check(options);
	if (options->attempts == HAWSER_AUTO)
		options->attempts = options->command == COMMAND_WATCH || options->deadline_ms != HAWSER_NONE
					? HAWSER_NONE
					: 1;
	return result;
}
