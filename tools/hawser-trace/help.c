/* SPDX-License-Identifier: MIT
 *
 * The words of --help. Which options a command takes is said by its row in main.c; what one does, here.
 */
#include "hawser-trace.h"

#include <string.h>

enum { WIDTH = 100, INDENT = 17, OPTION_WIDTH = 22 };

/* In the order in which they are listed. A line feed begins a line of its own. */
static const struct {
	const char *name;
	const char *operand;
	const char *about;
} options[] = {
    {"json", "", "for programs: one JSON object a line"},
    {"duration", " S", "end after S seconds"},
    {"count", " N", "end after N connects"},
    {"interval", " S", "show it every S seconds; of metrics: replace the file"},
    {"bytes-max", " N", "end before the file is larger than N bytes (268435456)"},
    {"listen", " 127.0.0.1:PORT", "hand the metrics out by HTTP, on loopback"},
    {"textfile", " FILE", "write them to FILE, for node_exporter; replaced every --interval"},
    {"destinations", " N", "name so many at most (50), and sum the others up"},
    {"clients", "", "how long hawser's clients wait between attempts, too; reads every record"},
    {"pid", " N", "connects of this process"},
    {"uid", " N", "of this user"},
    {"cgroup", " PATH|ID",
	"of this cgroup (version 2) and those below it; of what was recorded, of it alone"},
    {"netns", " PATH|INODE", "of this network namespace"},
    {"port", " N", "to this port"},
    {"to", " ADDRESS[/BITS]", "to this address or network"},
    {"sample", " N", "of one socket in N: all counts are of this sample"},
    {"failures", "", "failures alone; of top: destinations that have some; of pin: records, with --records"},
    {"min-ms", " T", "those that took at least T ms (0.5, 20); of pin: records, with --records"},
    {"calls", "",
	"trace connect(2), too: unix sockets, and failures before a packet is sent; not of 32-bit programs"},
    {"no-ring", "", "leave out what io_uring says"},
    {"names", "[=FILE]",
	"what clients of hawser say of each attempt, too; of FILE and what runs, or (and then it keeps "
	"CAP_BPF, "
	"CAP_PERFMON, CAP_SYS_PTRACE and CAP_SYS_ADMIN) of what is started later as well"},
    {"histograms", "", "the cheapest: counts by layer and cause alone, no records, no destinations"},
    {"records", "", "records, too, for one who reads them (live --pinned)"},
    {"pinned", "", "read what is pinned, with the filters it has, instead of tracing anew"},
    {"path", " PATH", "where it is pinned (" ARGUMENTS_PATH ")"},
    {"colour", "", "even if the output is no terminal"},
};
enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

static void print_title(FILE *file, const struct command *command)
{
	fprintf(file, "  %-8s %-5s %s\n", command->name, command->operand ? command->operand : "",
	    command->summary);
}

static void print_names(FILE *file, const struct command *command)
{
	size_t column = 0;

	for (unsigned i = 0; i < OPTIONS; i++) {
		size_t length = strlen(options[i].name) + strlen(options[i].operand) + 4;

		if (!command_takes(command, options[i].name))
			continue;
		if (!column || column + length > WIDTH)
			column = (size_t)fprintf(file, "%s%*s", column ? "\n" : "", INDENT - 2, "");
		column += (size_t)fprintf(file, "  --%s%s", options[i].name, options[i].operand);
	}
	fputc('\n', file);
}

void help_print(FILE *file, const struct command *commands)
{
	fputs("usage: hawser-trace COMMAND [OPTION...]\n"
	      "       hawser-trace COMMAND --help    what its options do\n"
	      "       hawser-trace --version\n",
	    file);
	for (; commands->name; commands++) {
		print_title(file, commands);
		print_names(file, commands);
	}
	fputs("Exit codes: 0, 1 when tracing is not possible here, 2 when the command line is wrong.\n"
	      "The columns and causes: man hawser-trace\n",
	    file);
}

void help_print_command(FILE *file, const struct command *command)
{
	char word[64];

	fprintf(file, "usage: hawser-trace %s%s%s [OPTION...]\n", command->name, command->operand ? " " : "",
	    command->operand ? command->operand : "");
	print_title(file, command);
	for (unsigned i = 0; i < OPTIONS; i++) {
		if (!command_takes(command, options[i].name))
			continue;
		snprintf(word, sizeof(word), "--%s%s", options[i].name, options[i].operand);
		fprintf(file, "      %-*s  %s\n", OPTION_WIDTH, word, options[i].about);
	}
	if (command_takes(command, "calls") || strcmp(command->name, "replay") == 0)
		fputs("An abstract unix socket is shown as @NAME, up to the first NUL byte in its name.\n",
		    file);
}
