/* SPDX-License-Identifier: MIT
 *
 * The words of --help. Those about options come from their table.
 */
#include "options.h"

#include <stdio.h>

static const struct {
	const char *usage;
	const char *about;
	const char *examples;
} helps[COMMANDS] = {
    [COMMAND_CONNECT] = {"TARGET",
	"Connects and says how long it took. Exits with 0 only when the socket is verified; otherwise it\n"
	"says at which stage it failed, with which errno, at which address, and what to do about it.",
	"  hawser connect unix:/run/x.sock\n"
	"  hawser connect tcp:localhost:7000 --attempts 3 --json\n"
	"  hawser connect unix:/run/x.sock --deadline-ms 10000 --quiet && echo up    # wait for a start\n"},
    [COMMAND_BIND] = {"TARGET SERVICE", "Asks the host for a service and prints the methods it tells.",
	"  hawser bind unix:/run/x.sock Echo\n"
	"  hawser bind unix:@demo Echo --peer-uid 1000 --json | jq .methods\n"},
    [COMMAND_INVOKE] = {"TARGET SERVICE METHOD [TEXT]",
	"Calls a method and prints every reply until the last one. The payload is TEXT, --hex, --file or\n"
	"empty. Replies are printed a line each, with control characters escaped.",
	"  hawser invoke unix:/run/x.sock Echo Echo hello\n"
	"  hawser invoke tcp:localhost:7000 Counter Count 5 --deadline-ms 2000\n"
	"  hawser invoke unix:/run/x.sock Echo Echo --file - --output - <request >reply\n"},
    [COMMAND_WATCH] = {"TARGET [SERVICE]",
	"Stays connected, comes back after losses, and prints a line for each change, until Ctrl-C,\n"
	"--count or --deadline-ms; at the deadline the exit code says whether it is up (0) or not (5).\n"
	"On a terminal the steps of a round, and failures like the one before, are shown in the last line\n"
	"only; --verbose prints them all.",
	"  hawser watch unix:/run/x.sock Echo\n"
	"  hawser watch tcp:localhost:7000 --backoff grpc --deadline-ms 60000\n"
	"  hawser watch unix:/run/x.sock --json | jq -r 'select(.event == \"change\") | .to'\n"},
    [COMMAND_STATUS] = {"TARGET [SERVICE]",
	"Connects, with a SERVICE binds it too, and prints what the client knows of itself: state, last\n"
	"failure, counters, attempts and their times. With --json as the library's own JSON.",
	"  hawser status unix:/run/x.sock\n"
	"  hawser status tcp:localhost:7000 Echo --deadline-ms 2000 --json | jq .attempts\n"},
    [COMMAND_DIAGRAM] = {"TABLE",
	"Prints the library's table of moves: TABLE is connection or binding. For Mermaid, unless --dot.",
	"  hawser diagram connection\n"
	"  hawser diagram binding --dot | dot -Tsvg >binding.svg\n"},
};

static const char targets[] =
    "Targets:\n"
    "  unix:/path  unix:@abstract  tcp:host:port  tcp:127.0.0.1:port  tcp:[::1]:port\n"
    "  fd:N (a connected socket that was inherited)\n";

static const char exits[] =
    "Exit codes:\n"
    "  0    it went well\n"
    "  1    not connected, or hawser could not do its work here\n"
    "  2    the command line is wrong\n"
    "  3    the service was refused, or the connection went before it was bound\n"
    "  4    the call failed\n"
    "  5    a deadline passed: --deadline-ms, or that of an attempt, the bind or the call\n"
    "  6    the host runs as another user than --peer-uid\n"
    "  130  interrupted by Ctrl-C (143: by SIGTERM)\n";

void help_print(void)
{
	fputs("Usage: hawser COMMAND ...\n"
	      "Connects to a service, and says what happened.\n\n"
	      "Commands:\n"
	      "  connect TARGET                       connect, and say how it went\n"
	      "  bind TARGET SERVICE                  ask for a service, print its methods\n"
	      "  invoke TARGET SERVICE METHOD [TEXT]  call a method, print its replies\n"
	      "  watch TARGET [SERVICE]               stay connected, print each change\n"
	      "  status TARGET [SERVICE]              print what a client knows of itself\n"
	      "  diagram TABLE                        print the library's tables of moves\n"
	      "  help COMMAND, COMMAND --help         options and examples of a command\n"
	      "  --version                            print the library's version\n\n",
	    stdout);
	printf("%s\n%s\n", targets, exits);
	fputs("Examples:\n"
	      "  hawser connect tcp:localhost:5432\n"
	      "  hawser invoke unix:/run/x.sock Echo Echo hello\n"
	      "  hawser watch unix:/run/x.sock Echo --json\n",
	    stdout);
}

void help_print_command(enum command command)
{
	printf("Usage: hawser %s %s [OPTION]...\n%s\n\n", command_name(command), helps[command].usage,
	    helps[command].about);
	if (command != COMMAND_DIAGRAM)
		printf("%s\n", targets);
	printf("Options:\n");
	options_print(command);
	printf("\n%s\nExamples:\n%s", exits, helps[command].examples);
}
