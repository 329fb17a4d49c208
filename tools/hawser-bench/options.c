/* SPDX-License-Identifier: MIT
 *
 * The command line, and the help, which says what one unit of work is for each variant.
 *
 * Happy path: defaults, then --quick or the options that were given; a number that was given wins over
 * --quick, wherever it stands.
 * Failures: an unknown option, a value that is none or out of range, a stray argument, options that do not go
 * together: one sentence on stderr.
 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	PASSES_DEFAULT = 101,
	PASSES_TRACED = 31, /* opening a trace takes its time */
	PASSES_QUICK = 11,
	SLICE_DEFAULT = 256,
	SLICE_QUICK = 128,
	SLICE_MAX = SERVER_BACKLOG,
	CLIENTS_DEFAULT = 1000,
	CLIENTS_MAX = 100000,
	SECONDS_DEFAULT = 45,
	SECONDS_LIMIT = 3600,
};

struct number_option {
	const char *name;
	size_t place;
	uint32_t min;
	uint32_t max;
};

static const struct number_option numbers[] = {
    {"passes", offsetof(struct options, passes), 1, PASSES_MAX},
    {"slice", offsetof(struct options, slice), 1, SLICE_MAX},
    {"clients", offsetof(struct options, clients), 1, CLIENTS_MAX},
    {"seconds-max", offsetof(struct options, seconds_max), 1, SECONDS_LIMIT},
};
enum { NUMBERS = sizeof(numbers) / sizeof(numbers[0]) };

enum {
	OPTION_DEPTH = NUMBERS,
	OPTION_FAMILY,
	OPTION_QUICK,
	OPTION_JSON,
	OPTION_GATE,
	OPTION_TRACED,
	OPTION_HELP
};

static void help_print_units(void)
{
	printf(
	    "Usage: hawser-bench connect [OPTION]...\n"
	    "Times hawser's connects next to loops that do nothing but connect, in slices that take turns,\n"
	    "over loopback and unix sockets, and measures what an idle client costs in memory.\n\n"
	    "One unit of work (hang up: close; tcp with SO_LINGER 0, so that no port stays in TIME_WAIT):\n");
	for (int key = 0; key < VARIANTS; key++)
		printf("  %-19s %s\n", variants[key].name, variants[key].unit);
	printf(
	    "\nEach variant keeps its ring, epoll or loop for all slices; hawser makes a new client for\n"
	    "every connect, with the default options: deadlines, TCP_NODELAY, and for unix SO_PEERCRED.\n"
	    "The server only accepts and closes, on another CPU, and is idle when a slice begins.\n\n"
	    "With --traced: hawser's connects over tcp without a trace, and beside them under each mode of\n"
	    "libhawser-trace, which needs CAP_BPF and CAP_PERFMON (and CAP_SYS_ADMIN for the kernel's own\n"
	    "account of its programs); the modes take turns by chance:\n");
	for (int mode = 0; mode < TRACER_MODES; mode++)
		printf("  %-19s %s\n", tracer_modes[mode].name, tracer_modes[mode].does);
}

static void help_print(void)
{
	help_print_units();
	printf("\nOptions:\n"
	       "  --passes N       passes; each is a slice of every variant (%d; traced %d)\n"
	       "  --slice N        connects a slice; at least %d times the depth, at most the backlog (%d)\n"
	       "  --depth N[,N]... connects in flight, 1 to %d (1,32,256; traced 1,32)\n"
	       "  --family F       tcp, unix or both (both)\n"
	       "  --clients N      idle clients to measure the memory with (%d)\n"
	       "  --seconds-max N  no new pass after N seconds (%d)\n"
	       "  --traced         what a trace costs, instead of what the library costs\n"
	       "  --quick          %d passes of %d connects\n"
	       "  --json           one JSON object instead of the table\n"
	       "  --gate           exit 1 if a bar is missed, judged by CPU time\n"
	       "  --help           show this\n\n",
	    PASSES_DEFAULT, PASSES_TRACED, SLICE_DEPTHS, SLICE_DEFAULT, DEPTH_MAX, CLIENTS_DEFAULT,
	    SECONDS_DEFAULT, PASSES_QUICK, SLICE_QUICK);
	printf(
	    "Exit status: 0; 1 if a connect failed, or with --gate a bar was missed; 2 for a wrong option;\n"
	    "%d if --traced is not possible here, which is said.\n\n"
	    "Examples:\n"
	    "  hawser-bench connect --quick\n"
	    "  hawser-bench connect --family unix --depth 1 --passes 301\n"
	    "  hawser-bench connect --json | jq '.ratios[] | select(.bar)'\n"
	    "  hawser-bench connect --traced --depth 32\n",
	    EXIT_NOT_HERE);
}

static bool number_read(const char *name, const char *text, uint32_t min, uint32_t max, uint32_t *ret_value)
{
	char *end = NULL;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && value >= min && value <= max) {
		*ret_value = (uint32_t)value;
		return true;
	}
	fprintf(stderr, "hawser-bench: --%s %s: expected a number from %u to %u\n", name, text, min, max);
	return false;
}

static bool depths_read(char *text, struct options *options)
{
	char *rest = text;
	char *item;

	options->depths_count = 0;
	while ((item = strsep(&rest, ","))) {
		if (options->depths_count == DEPTHS_MAX) {
			fprintf(stderr, "hawser-bench: --depth: at most %d of them\n", DEPTHS_MAX);
			return false;
		}
		if (!number_read("depth", item, 1, DEPTH_MAX, &options->depths[options->depths_count]))
			return false;
		options->depths_count++;
	}
	return true;
}

static bool family_read(const char *text, struct options *options)
{
	bool both = strcmp(text, "both") == 0;

	options->tcp = both || strcmp(text, "tcp") == 0;
	options->local = both || strcmp(text, "unix") == 0;
	if (options->tcp || options->local)
		return true;
	fprintf(stderr, "hawser-bench: --family %s: expected tcp, unix or both\n", text);
	return false;
}

static bool option_take(int option, struct options *options, bool *ret_quick)
{
	const struct number_option *number;

	switch (option) {
	case OPTION_DEPTH:
		return depths_read(optarg, options);
	case OPTION_FAMILY:
		return family_read(optarg, options);
	case OPTION_QUICK:
		*ret_quick = true;
		return true;
	case OPTION_JSON:
		options->json = true;
		return true;
	case OPTION_GATE:
		options->gate = true;
		return true;
	case OPTION_TRACED:
		options->traced = true;
		return true;
	default:
		if (option < 0 || option >= NUMBERS) { /* getopt has said why */
			fprintf(stderr, "hawser-bench: see hawser-bench connect --help\n");
			return false;
		}
		number = &numbers[option];
		return number_read(number->name, optarg, number->min, number->max,
		    (uint32_t *)(void *)((char *)options + number->place));
	}
}

static void defaults_fill(struct options *options, bool quick)
{
	static const uint32_t depths[] = {1, 32, 256};

	if (!options->passes)
		options->passes = quick ? PASSES_QUICK : options->traced ? PASSES_TRACED : PASSES_DEFAULT;
	if (!options->slice)
		options->slice = quick ? SLICE_QUICK : SLICE_DEFAULT;
	if (!options->clients)
		options->clients = CLIENTS_DEFAULT;
	if (options->depths_count)
		return;
	memcpy(options->depths, depths, sizeof(depths));
	options->depths_count = options->traced ? 2 : 3;
}

/* A trace sees connects of unix sockets by io_uring alone, and has neither bars nor idle clients. */
static bool fit_together(const struct options *options)
{
	const char *stray = options->gate ? "--gate" : options->clients ? "--clients" : NULL;

	if (options->traced && !options->tcp)
		stray = "--family unix";
	if (!options->traced || !stray)
		return true;
	fprintf(stderr, "hawser-bench: %s: not with --traced\n", stray);
	return false;
}

enum options_verdict options_parse(int count, char **arguments, struct options *ret_options)
{
	static const struct option known[] = {
	    {"passes", required_argument, NULL, 0},
	    {"slice", required_argument, NULL, 1},
	    {"clients", required_argument, NULL, 2},
	    {"seconds-max", required_argument, NULL, 3},
	    {"depth", required_argument, NULL, OPTION_DEPTH},
	    {"family", required_argument, NULL, OPTION_FAMILY},
	    {"quick", no_argument, NULL, OPTION_QUICK},
	    {"json", no_argument, NULL, OPTION_JSON},
	    {"gate", no_argument, NULL, OPTION_GATE},
	    {"traced", no_argument, NULL, OPTION_TRACED},
	    {"help", no_argument, NULL, OPTION_HELP},
	    {NULL, 0, NULL, 0},
	};
	struct options options = {.seconds_max = SECONDS_DEFAULT, .tcp = true, .local = true};
	static char name[] = "hawser-bench connect";
	bool quick = false;
	int option;

	arguments[0] = name; /* what getopt's sentences begin with */
	while ((option = getopt_long(count, arguments, "", known, NULL)) != -1) {
		if (option == OPTION_HELP) {
			help_print();
			return OPTIONS_HELP_SHOWN;
		}
		if (!option_take(option, &options, &quick))
			return OPTIONS_WRONG;
	}
	if (optind < count) {
		fprintf(stderr, "hawser-bench: %s: not expected here\n", arguments[optind]);
		return OPTIONS_WRONG;
	}
	if (!fit_together(&options))
		return OPTIONS_WRONG;
	defaults_fill(&options, quick);
	*ret_options = options;
	return OPTIONS_RUN;
}
