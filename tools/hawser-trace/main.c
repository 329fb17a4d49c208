/* SPDX-License-Identifier: MIT
 *
 * hawser-trace: who connects where, how long it takes, and why it fails. Exit codes: 0, 1 when tracing is not
 * possible or its output cannot be written, 2 for arguments that are not understood.
 */
#include "hawser-trace.h"

#include <string.h>

/* Lists of options, see struct command. */
#define FILTERS "pid uid cgroup netns port to sample "
#define PARTS "calls no-ring "
#define ENDS "duration count "
#define PINS "pinned path "

static const struct command commands[] = {
    {"live", "a line a connect, as it ends", command_live, NULL,
	"json " ENDS FILTERS "failures min-ms " PARTS "names " PINS "colour ", .prints_records = true},
    {"top", "destinations: connects, failures by cause, latency", command_top, NULL,
	"json " ENDS "interval failures " FILTERS PARTS PINS "colour ", .counts = true},
    {"hist", "how long connects took, as bars, by layer and cause", command_hist, NULL,
	"json " ENDS "interval failures " FILTERS PARTS "histograms " PINS "colour ", .counts = true},
    {"inflight", "connects that have not ended yet, and whose they are", command_inflight,
	.options = "json " ENDS "interval min-ms " FILTERS PARTS PINS},
    {"record", "write what live would print to a file", command_record, "FILE",
	"json " ENDS "bytes-max " FILTERS "failures min-ms " PARTS PINS, .prints_records = true},
    {"replay", "print what was recorded, as live does", command_replay, "FILE",
	.options = "json " ENDS "pid uid cgroup netns port to failures min-ms colour "},
    {"metrics", "what was counted, for Prometheus", command_metrics, NULL,
	"json " ENDS "listen textfile interval destinations clients " FILTERS PARTS "histograms " PINS,
	.counts = true},
    {"pin", "leave the programs running, for status, --pinned and bpftool", command_pin,
	.options = "json path " FILTERS "records failures min-ms " PARTS "histograms "},
    {"status", "what is pinned, and what it counted", command_status, .options = "json path "},
    {"unpin", "remove what is pinned", command_unpin, .options = "json path "},
    {"probe", "what this kernel allows, and what is lost where it does not", command_probe,
	.options = "json "},
    {0},
};

static int run(int count, char **words)
{
	struct arguments arguments;

	if (count < 2) {
		help_print(stderr, commands);
		return 2;
	}
	if (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0) {
		help_print(stdout, commands);
		return 0;
	}
	if (strcmp(words[1], "--version") == 0) {
		puts("hawser-trace " HAWSER_TRACE_TOOL_VERSION);
		return 0;
	}
	for (const struct command *command = commands; command->name; command++) {
		if (strcmp(words[1], command->name) != 0)
			continue;
		switch (arguments_parse(&arguments, command, count - 1, words + 1)) {
		case ARGUMENTS_HELP:
			help_print_command(stdout, command);
			return 0;
		case ARGUMENTS_WRONG:
			return 2;
		default:
			return command->run(&arguments);
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
