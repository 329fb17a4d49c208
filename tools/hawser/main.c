/* SPDX-License-Identifier: MIT
 *
 * hawser: connects, binds, calls and watches from the command line. Every command is one question to the
 * library, asked through its public headers; the exit code answers it for scripts (options.h).
 *
 * Failures of the tool itself: a command line that cannot be meant is EXIT_USAGE; output that cannot be
 * written is EXIT_NOT_CONNECTED, whatever the command found out.
 */
#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	enum exit_code (*run)(const struct options *options);
} commands[COMMANDS] = {
    [COMMAND_CONNECT] = {"connect", command_connect},
    [COMMAND_BIND] = {"bind", command_bind},
    [COMMAND_INVOKE] = {"invoke", command_invoke},
    [COMMAND_WATCH] = {"watch", command_watch},
    [COMMAND_STATUS] = {"status", command_status},
    [COMMAND_DIAGRAM] = {"diagram", command_diagram},
};

const char *command_name(enum command command)
{
	return command < COMMANDS ? commands[command].name : "";
}

int usage_refuse(enum command command, const char *format, ...)
{
	char sentence[512];
	const char *name = command_name(command);
	const char *space = *name ? " " : "";
	va_list words;

	va_start(words, format);
	vsnprintf(sentence, sizeof(sentence), format, words);
	va_end(words);
	for (char *at = sentence; *at; at++)
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = '?';
	fprintf(stderr, "hawser%s%s: %s; see hawser%s%s --help\n", space, name, sentence, space, name);
	return EXIT_USAGE;
}

static enum exit_code run(int count, char **words)
{
	struct options options;
	int command = 0;
	int result;

	if (count < 2)
		return (enum exit_code)usage_refuse(COMMANDS, "the command is missing");
	if (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0) {
		help_print();
		return EXIT_DONE;
	}
	if (strcmp(words[1], "--version") == 0) {
		printf("hawser %s\n", hawser_version());
		return EXIT_DONE;
	}
	while (command < COMMANDS && strcmp(commands[command].name, words[1]) != 0)
		command++;
	if (command == COMMANDS)
		return (enum exit_code)usage_refuse(COMMANDS, "there is no command \"%s\"", words[1]);
	result = options_parse((enum command)command, count - 1, words + 1, &options);
	if (result)
		return (enum exit_code)result;
	if (options.help) {
		help_print_command((enum command)command);
		return EXIT_DONE;
	}
	result = options_check(&options);
	return result ? (enum exit_code)result : commands[command].run(&options);
}

int main(int count, char **words)
{
	enum exit_code exit_code = run(count, words);

	if (fflush(stdout) == 0 && !ferror(stdout))
		return (int)exit_code;
	fprintf(stderr, "hawser: the output cannot be written: %s\n", strerror(errno));
	return EXIT_NOT_CONNECTED;
}
