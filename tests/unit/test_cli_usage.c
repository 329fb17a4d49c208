/* SPDX-License-Identifier: MIT
 *
 * Command lines of `hawser`: what cannot be meant is one sentence on standard error and exit code 2, before
 * anything is connected to; and --help shows how it is meant.
 */
#include "../support/tool.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <hawser/hawser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tool tool;

TestSuite(cli_usage, .timeout = 120);

struct mistake {
	char words[8][96];
	char says[96];
};

/* A target that is checked before it is connected to. */
#define X "unix:/nowhere/x"

ParameterizedTestParameters(cli_usage, a_command_line_that_cannot_be_meant)
{
	static struct mistake mistakes[] = {
	    {{""}, "there is no command \"\""},
	    {{"conect"}, "there is no command \"conect\"; see hawser --help"},
	    {{"connect"}, "the TARGET is missing, such as unix:"},
	    {{"bind", X}, "the SERVICE is missing; see hawser bind --help"},
	    {{"invoke", X, "S"}, "the METHOD is missing"},
	    {{"diagram"}, "the TABLE is missing"},
	    {{"connect", X, "more"}, "one argument too many: \"more\""},
	    {{"invoke", X, "S", "M", "T", "more"}, "one argument too many: \"more\""},
	    {{"connect", "nonsense"}, "has no scheme"},
	    {{"connect", "udp:localhost:1"}, "udp"},
	    {{"connect", "unix:"}, "path"},
	    {{"connect", "tcp:localhost"}, "port"},
	    {{"connect", "tcp:localhost:99999"}, "port"},
	    {{"connect", "tcp:localhost:http"}, "port"},
	    {{"connect", "tcp::80"}, "host"},
	    {{"watch", "fd:x"}, "fd:"},
	    {{"connect", X, "--nonsense"}, "there is no option --nonsense; see hawser connect --help"},
	    {{"bind", X, "--nonsense=1", "S"}, "there is no option --nonsense=1; see hawser bind --help"},
	    {{"connect", X, "--engine"}, "--engine requires an argument; see hawser connect --help"},
	    {{"connect", X, "--att"}, "--attempts requires an argument"},
	    {{"connect", X, "--de"}, "--deadline-ms requires an argument"},
	    {{"connect", X, "--d", "1"}, "--d may be one of several options; see hawser connect --help"},
	    {{"connect", X, "--engine", "kqueue"}, "--engine kqueue: expected auto, uring or epoll"},
	    {{"connect", X, "--backoff", "slow"}, "--backoff slow: expected auto, perfetto, grpc"},
	    {{"connect", X, "--protocol", "http"}, "--protocol http: expected perfetto, raw or none"},
	    {{"connect", X, "--attempts", "0"}, "--attempts 0: a whole number from 1 to "},
	    {{"connect", X, "--attempts", "-1"}, "a whole number"},
	    {{"connect", X, "--deadline-ms", "1s"}, "--deadline-ms 1s: a whole number"},
	    {{"connect", X, "--deadline-ms", "99999999999999999999"}, "a whole number"},
	    {{"connect", "tcp:localhost:1", "--peer-uid", "0"}, "only unix: targets can be checked"},
	    {{"connect", X, "--count", "1"}, "--count is no option of connect"},
	    {{"bind", X, "S", "--hex", "00"}, "--hex is no option of bind"},
	    {{"status", X, "-q"}, "--quiet is no option of status"},
	    {{"diagram", "binding", "-v"}, "--verbose is no option of diagram"},
	    {{"connect", X, "-x"}, "there is no option -x; see hawser connect --help"},
	    {{"connect", X, "-qx"}, "there is no option -x"},
	    {{"connect", X, "--json=yes"}, "--json takes no argument; see hawser connect --help"},
	    {{"help", "conect"}, "there is no command \"conect\"; see hawser --help"},
	    {{"help", "connect", "more"}, "one argument too many: \"more\""},
	    {{"bind", X, "S", "--protocol", "raw"}, "raw carries bytes and knows no services"},
	    {{"invoke", X, "S", "M", "--protocol", "none"}, "only perfetto can bind one"},
	    {{"watch", X, "--protocol", "none"}, "nothing is left to watch"},
	    {{"status", X, "--protocol", "none"}, "nothing is left to ask about"},
	    {{"invoke", X, "S", "M", "T", "--hex", "00"}, "the payload is given twice"},
	    {{"invoke", X, "S", "M", "--hex", "0"}, "--hex: \"0\" does not begin with the two digits"},
	    {{"invoke", X, "S", "M", "--hex", "00 zz"}, "--hex: \"zz\" does not begin"},
	    {{"invoke", X, "S", "M", "--file", "/nowhere/file"}, "/nowhere/file: No such file or directory"},
	    {{"invoke", X, "S", "M", "--file", "/"}, "--file /: Is a directory"},
	    {{"invoke", X, "S", "M", "--output", "-", "--json"}, "contradict it"},
	    {{"diagram", "call"}, "there is no table \"call\""},
	    {{"connect", "a\nb\x1b[1m"}, "\"a?b?[1m\" has no scheme"},
	};

	return cr_make_param_array(struct mistake, mistakes, sizeof(mistakes) / sizeof(mistakes[0]));
}

ParameterizedTest(const struct mistake *mistake, cli_usage, a_command_line_that_cannot_be_meant)
{
	const char *words[9] = {mistake->words[0]};

	for (int i = 1; i < 8 && *mistake->words[i]; i++)
		words[i] = mistake->words[i];
	cr_assert_eq(tool_run(&tool, words), 2, "%d: %s%s", tool.status, tool.out, tool.err);
	cr_assert_str_empty(tool.out);
	cr_assert_not_null(strstr(tool.err, mistake->says), "no \"%s\" in: %s", mistake->says, tool.err);
	cr_assert_eq(strncmp(tool.err, "hawser", 6), 0, "%s", tool.err);
	cr_assert_eq(strchr(tool.err, '\n'), tool.err + strlen(tool.err) - 1, "one line: %s", tool.err);
}

Test(cli_usage, words_that_are_missing_or_too_long)
{
	char name[300];
	char path[300] = "unix:/";

	cr_assert_eq(tool_run(&tool, TOOL_ARGUMENTS(NULL)), 2);
	cr_assert_not_null(strstr(tool.err, "the command is missing"));
	cr_assert_eq(tool_run(&tool, TOOL_ARGUMENTS("bind", X, "")), 2);
	cr_assert_not_null(strstr(tool.err, "the SERVICE is empty"));
	cr_assert_eq(tool_run(&tool, TOOL_ARGUMENTS("connect", X, "--peer-uid", "")), 2);
	cr_assert_not_null(strstr(tool.err, "--peer-uid : a whole number from 0 to "));
	memset(name, 's', 256);
	name[256] = '\0';
	cr_assert_eq(tool_run(&tool, TOOL_ARGUMENTS("bind", X, name)), 2);
	cr_assert_not_null(strstr(tool.err, "the SERVICE has 256 bytes, and the limit is 255"));
	memset(path + 6, 'p', 200);
	cr_assert_eq(tool_run(&tool, TOOL_ARGUMENTS("connect", path)), 2);
	cr_assert_not_null(strstr(tool.err, "the limit is 107"), "%s", tool.err);
}

Test(cli_usage, help_of_each_command_has_options_exit_codes_and_examples)
{
	static const char *const names[] = {"connect", "bind", "invoke", "watch", "status", "diagram"};
	char begin[64];

	for (int i = 0; i < 6; i++) {
		cr_assert_eq(tool_run(&tool, TOOL_ARGUMENTS(names[i], "--help")), 0);
		snprintf(begin, sizeof(begin), "Usage: hawser %s T", names[i]);
		cr_assert_eq(strncmp(tool.out, begin, strlen(begin)), 0, "%s", tool.out);
		snprintf(begin, sizeof(begin), "Examples:\n  hawser %s ", names[i]);
		cr_assert_not_null(strstr(tool.out, begin), "%s", tool.out);
		cr_assert_not_null(strstr(tool.out, "\n  --json "));
		cr_assert_not_null(strstr(tool.out, "\n  6    the host runs as another user"));
		cr_assert_str_empty(tool.err);
	}
	cr_assert_eq(tool_run(&tool, TOOL_ARGUMENTS("--help")), 0);
	for (int i = 0; i < 6; i++) {
		snprintf(begin, sizeof(begin), "\n  %s T", names[i]);
		cr_assert_not_null(strstr(tool.out, begin), "%s", tool.out);
	}
}

Test(cli_usage, help_is_a_word_too)
{
	static struct tool other;

	cr_assert_eq(tool_run(&tool, TOOL_ARGUMENTS("--help")), 0);
	cr_assert_eq(tool_run(&other, TOOL_ARGUMENTS("help")), 0);
	cr_assert_str_eq(other.out, tool.out);
	cr_assert_eq(tool_run(&tool, TOOL_ARGUMENTS("invoke", "--help")), 0);
	cr_assert_eq(tool_run(&other, TOOL_ARGUMENTS("help", "invoke")), 0);
	cr_assert_str_eq(other.out, tool.out);
}

Test(cli_usage, version_is_the_librarys)
{
	char text[64];

	snprintf(text, sizeof(text), "hawser %s\n", hawser_version());
	cr_assert_eq(tool_run(&tool, TOOL_ARGUMENTS("--version")), 0);
	cr_assert_str_eq(tool.out, text);
}

Test(cli_usage, output_that_cannot_be_written_is_no_success)
{
	char command[4200];
	int status;

	snprintf(command, sizeof(command), "'%s' diagram binding >/dev/full 2>/dev/null", tool_program());
	status = system(command);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1, "%x", (unsigned)status);
}
