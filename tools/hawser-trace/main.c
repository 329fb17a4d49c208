/* SPDX-License-Identifier: MIT
 *
 * hawser-trace: who connects where, how long it takes, and why it fails. Exit codes: 0, 1 when tracing is not
 * possible or its output cannot be written, 2 for arguments that are not understood.
 */
#include "hawser-trace.h"

#include <string.h>

static const struct command commands[] = {
    {"live", "a line a connect, as it ends", command_live, NULL},
    {"top", "destinations: connects, failures by cause, latency", command_top, NULL},
    {"hist", "how long connects took, as bars, by layer and cause", command_hist, NULL},
    {"inflight", "connects that have not ended yet, and whose they are", command_inflight, NULL},
    {"record", "write what live would print to a file", command_record, "FILE"},
    {"replay", "print what was recorded, as live does", command_replay, "FILE"},
    {"metrics", "what was counted, for Prometheus", command_metrics, NULL},
    {"pin", "leave the programs running, for status, top --pinned and bpftool", command_pin, NULL},
    {"status", "what is pinned, and what it counted", command_status, NULL},
    {"unpin", "remove what is pinned", command_unpin, NULL},
    {"probe", "what this kernel allows, and what is lost where it does not", command_probe, NULL},
};
enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_help(FILE *file)
{
	fputs("usage: hawser-trace COMMAND [OPTION...]\n", file);
	for (unsigned i = 0; i < COMMANDS; i++)
		fprintf(file, "  %-8s %-5s %s\n", commands[i].name,
		    commands[i].operand ? commands[i].operand : "", commands[i].summary);
	fputs("options:\n", file);
	arguments_print_help(file);
}

static int run(int count, char **words)
{
	struct arguments arguments;

	if (count < 2) {
		print_help(stderr);
		return 2;
	}
	if (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0) {
		print_help(stdout);
		return 0;
	}
	for (unsigned i = 0; i < COMMANDS; i++) {
		if (strcmp(words[1], commands[i].name) != 0)
			continue;
		switch (arguments_parse(&arguments, commands[i].operand, count - 1, words + 1)) {
		case ARGUMENTS_HELP:
			print_help(stdout);
			return 0;
		case ARGUMENTS_WRONG:
			return 2;
		default:
			return commands[i].run(&arguments);
		}
	}
	fprintf(stderr, "hawser-trace: there is no command '%s'; hawser-trace --help lists them\n", words[1]);
	return 2;
}

int main(int count, char **words)
{
	output_begin();
	return output_end(run(count, words));
}
