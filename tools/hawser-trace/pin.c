/* SPDX-License-Identifier: MIT
 *
 * `hawser-trace pin` leaves the programs running when it ends, and `unpin` removes them. Pinned, they count;
 * records are sent only when --records asks for it, for a ring buffer that nobody reads fills up. What is
 * pinned already is told the new filters instead.
 */
#include "hawser-trace.h"

#include <errno.h>
#include <string.h>

enum { PATH_OPTION_BYTES = 300 }; /* a path to pin under has less than 256 */

static int fail(const struct hawser_trace_sentence *why)
{
	fprintf(stderr, "hawser-trace: %s\n", why->text);
	return 1;
}

static void say(const struct arguments *arguments, const char *deed, const char *sentence)
{
	if (!arguments->json) {
		printf("%s %s%s\n", arguments->path, deed, sentence);
		return;
	}
	fputs("{\"path\":", stdout);
	json_string(stdout, arguments->path);
	printf(",\"%s\":true}\n", deed);
}

/* What follows `hawser-trace COMMAND` so that it finds these pins. */
static const char *path_option(const struct arguments *arguments, char text[PATH_OPTION_BYTES])
{
	bool usual = strcmp(arguments->path, ARGUMENTS_PATH) == 0;

	snprintf(text, PATH_OPTION_BYTES, "%s%s", usual ? "" : " --path ", usual ? "" : arguments->path);
	return text;
}

/* Which programs run is settled when they are pinned: nothing is changed then, rather than a part. */
static bool refuses_programs(const struct arguments *arguments)
{
	const struct hawser_trace_options *options = &arguments->options;
	char path[PATH_OPTION_BYTES];

	if (arguments->records && session_pins_histograms(arguments->path))
		fprintf(stderr,
		    "hawser-trace: %s is pinned already, and keeps histograms alone: --records needs "
		    "`hawser-trace unpin%s` first; nothing was changed\n",
		    arguments->path, path_option(arguments, path));
	else if (options->calls || options->no_ring || options->histograms)
		fprintf(stderr,
		    "hawser-trace: %s is pinned already, and keeps its programs: --calls, --no-ring and "
		    "--histograms "
		    "need `hawser-trace unpin%s` first; nothing was changed\n",
		    arguments->path, path_option(arguments, path));
	else
		return false;
	return true;
}

static int configure(
    const struct arguments *arguments, hawser_trace *trace, const struct hawser_trace_config *config)
{
	int result;

	if (refuses_programs(arguments)) {
		hawser_trace_close(trace);
		return 1;
	}
	result = hawser_trace_configure(trace, config);
	hawser_trace_close(trace);
	if (result < 0) {
		fprintf(stderr, "hawser-trace: %s refused its new filters: %s\n", arguments->path,
		    strerror(-result));
		return 1;
	}
	say(arguments, "configured", " anew: it was pinned before");
	return 0;
}

static void say_pinned(const struct arguments *arguments)
{
	char path[PATH_OPTION_BYTES], sentence[2 * PATH_OPTION_BYTES + 128];

	path_option(arguments, path);
	snprintf(sentence, sizeof(sentence),
	    ": `hawser-trace status%s` reads it, `hawser-trace unpin%s` removes it", path, path);
	say(arguments, "pinned", sentence);
}

/* Records are chosen among those that are sent. */
static bool understands(const struct arguments *arguments)
{
	const struct hawser_trace_config *config = &arguments->options.config;

	if (arguments->records && arguments->options.histograms)
		fputs("hawser-trace: --histograms has no records: leave --records out\n", stderr);
	else if (!arguments->records && (config->failures_only || config->minimum_ns))
		fprintf(stderr,
		    "hawser-trace: --%s chooses records, and pin sends none without --records; it counts "
		    "every "
		    "connect\n",
		    config->failures_only ? "failures" : "min-ms");
	else
		return true;
	return false;
}

int command_pin(const struct arguments *arguments)
{
	struct hawser_trace_options options = arguments->options;
	struct hawser_trace_sentence why = {""};
	hawser_trace *trace;
	int result;

	if (!understands(arguments))
		return 2;
	options.config.records = arguments->records;
	result = hawser_trace_open_pinned(arguments->path, &why, &trace);
	if (result == 0)
		return configure(arguments, trace, &options.config);
	if (result != -ENOENT || hawser_trace_open(&options, &why, &trace) < 0)
		return fail(&why);
	result = hawser_trace_pin(trace, arguments->path, &why);
	hawser_trace_close(trace);
	if (result < 0)
		return fail(&why);
	say_pinned(arguments);
	return 0;
}

int command_unpin(const struct arguments *arguments)
{
	struct hawser_trace_sentence why = {""};

	if (hawser_trace_unpin(arguments->path, &why) < 0)
		return fail(&why);
	say(arguments, "unpinned", "");
	return 0;
}
