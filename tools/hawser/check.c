/* SPDX-License-Identifier: MIT
 *
 * Checks a command line as a whole: every positional word the command needs and none it does not take, a
 * target that can be meant, options that do not contradict each other; then the defaults that depend on them.
 *
 * Failures: one sentence, and EXIT_USAGE. That of a bad target is the library's own.
 */
#include "check.h"

#include "exits.h"
#include "options.h"

#include <string.h>

/* What each command calls its words, and how many it must have. */
static const struct shape {
	const char *names[3];
	int needed;
	const char *first; /* an example of the first */
} shapes[COMMANDS] = {
    [COMMAND_CONNECT] = {{"TARGET"}, 1, "unix:/run/x.sock"},
    [COMMAND_BIND] = {{"TARGET", "SERVICE"}, 2, "unix:/run/x.sock"},
    [COMMAND_INVOKE] = {{"TARGET", "SERVICE", "METHOD"}, 3, "unix:/run/x.sock"},
    [COMMAND_WATCH] = {{"TARGET", "SERVICE"}, 1, "unix:/run/x.sock"},
    [COMMAND_STATUS] = {{"TARGET", "SERVICE"}, 1, "unix:/run/x.sock"},
    [COMMAND_DIAGRAM] = {{"TABLE", "KIND"}, 2, "connection mermaid"},
};

static int shape_check(const struct options *options)
{
	const struct shape *shape = &shapes[options->command];

	for (int i = 0; i < 3; i++) {
		const char *word = options->positional[i];

		if (!word && i < shape->needed)
			return i == 0 ? usage_refuse(options->command, options->json,
					    "the %s is missing, such as %s", shape->names[i], shape->first)
				      : usage_refuse(options->command, options->json,
					    "the %s is missing", shape->names[i]);
		if (word && !shape->names[i])
			return usage_refuse(
			    options->command, options->json, "one argument too many: \"%s\"", word);
		if (word && !*word)
			return usage_refuse(
			    options->command, options->json, "the %s is empty", shape->names[i]);
	}
	return 0;
}

static int target_check(const struct options *options)
{
	char sentence[256];

	if (hawser_target_explain(TARGET(options), sentence, sizeof(sentence)) < 0)
		return usage_refuse(options->command, options->json, "%s", sentence);
	if (options->peer_uid != HAWSER_AUTO && strncmp(TARGET(options), "tcp:", 4) == 0)
		return usage_refuse(options->command, options->json,
		    "--peer-uid: a tcp host does not tell its user; only unix: targets can be checked");
	if (options->send_fds_count && strncmp(TARGET(options), "tcp:", 4) == 0)
		return usage_refuse(options->command, options->json,
		    "--send-fd: descriptors travel over unix: targets only");
	if (SERVICE(options) && strlen(SERVICE(options)) > 255)
		return usage_refuse(options->command, options->json,
		    "the SERVICE has %zu bytes, and the limit is 255", strlen(SERVICE(options)));
	return 0;
}

static const char *protocol_default(const struct options *options)
{
	if (options->command == COMMAND_CONNECT)
		return "none";
	return SERVICE(options) ? "perfetto" : "raw";
}

static int protocol_check(const struct options *options)
{
	bool none = strcmp(options->protocol, "none") == 0;
	bool raw = strcmp(options->protocol, "raw") == 0;

	if (!none && !raw && strcmp(options->protocol, "perfetto") != 0)
		return usage_refuse(options->command, options->json,
		    "--protocol %s: expected perfetto, raw or none", options->protocol);
	if (none && options->command != COMMAND_CONNECT)
		return usage_refuse(options->command, options->json,
		    "--protocol none hands the connection over at once: it is for connect alone");
	if (raw && options->command == COMMAND_INVOKE)
		return usage_refuse(
		    options->command, options->json, "--protocol raw has no methods to invoke");
	return 0;
}

int options_check(struct options *options)
{
	int result = shape_check(options);

	if (result || options->command == COMMAND_DIAGRAM)
		return result;
	result = target_check(options);
	if (result)
		return result;
	if (options->json && options->format != REPLY_AUTO && options->format != REPLY_HEX)
		return usage_refuse(options->command, options->json,
		    "--json prints replies as JSON: --raw-output and --text-output contradict it");
	if (!options->protocol)
		options->protocol = protocol_default(options);
	if (options->attempts == HAWSER_AUTO)
		options->attempts = options->command == COMMAND_WATCH || options->deadline_ms != HAWSER_NONE
					? HAWSER_NONE
					: 1;
	if (options->fail_fast)
		options->attempts = 1;
	return protocol_check(options);
}
