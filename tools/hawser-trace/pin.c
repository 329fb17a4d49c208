/* SPDX-License-Identifier: MIT
 *
 * `hawser-trace pin` leaves the programs running when it ends, and `unpin` removes them. Pinned, they count;
 * records are sent only when --records asks for it, for a ring buffer that nobody reads fills up. What is
 * pinned already is told the new filters instead.
 */
#include "hawser-trace.h"

#include <errno.h>
#include <string.h>

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

static int configure(
    const struct arguments *arguments, hawser_trace *trace, const struct hawser_trace_config *config)
{
	int result = hawser_trace_configure(trace, config);

	hawser_trace_close(trace);
	if (result < 0) {
		fprintf(stderr, "hawser-trace: %s refused its new filters: %s\n", arguments->path,
		    strerror(-result));
		return 1;
	}
	if (arguments->options.calls || arguments->options.no_ring)
		fputs("hawser-trace: --calls and --no-ring need an unpin before\n", stderr);
	say(arguments, "configured", " anew: it was pinned before");
	return 0;
}

int command_pin(const struct arguments *arguments)
{
	struct hawser_trace_options options = arguments->options;
	struct hawser_trace_sentence why = {""};
	hawser_trace *trace;
	int result;

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
	say(arguments, "pinned", ": `hawser-trace status` reads it, `hawser-trace unpin` removes it");
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
