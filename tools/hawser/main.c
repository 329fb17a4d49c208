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

static enum command command_find(const char *name)
{
	int command = 0;

	while (command < COMMANDS && strcmp(commands[command].name, name) != 0)
		command++;
	return (enum command)command;
}

static bool asks_help(const char *word)
{
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* help [COMMAND] */
static enum exit_code help(int count, char **words)
{
	enum command command = count > 2 ? command_find(words[2]) : COMMANDS;

	if (count > 3)
		return (enum exit_code)usage_refuse(COMMANDS, "one argument too many: \"%s\"", words[3]);
	if (count > 2 && command == COMMANDS)
		return (enum exit_code)usage_refuse(COMMANDS, "there is no command \"%s\"", words[2]);
	if (command == COMMANDS)
		help_print();
	else
		help_print_command(command);
	return EXIT_DONE;
}

static enum exit_code run(int count, char **words)
{
	struct options options;
	enum command command;
	int result;

	if (count < 2)
		return (enum exit_code)usage_refuse(COMMANDS, "the command is missing");
	if (asks_help(words[1]))
		return help(count, words);
	if (strcmp(words[1], "--version") == 0) {
		printf("hawser %s\n", hawser_version());
		return EXIT_DONE;
	}
	command = command_find(words[1]);
	if (command == COMMANDS)
		return (enum exit_code)usage_refuse(COMMANDS, "there is no command \"%s\"", words[1]);
	result = options_parse(command, count - 1, words + 1, &options);
	if (result)
		return (enum exit_code)result;
	if (options.help) {
		help_print_command(command);
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
