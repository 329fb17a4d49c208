/* SPDX-License-Identifier: MIT
 *
 * `hawser-trace live`: a line a connect as it ends, and a summary at the end. A record that was lost is said,
 * not hidden.
 */
#include "show.h"

#include <errno.h>

enum { INTERVAL_MS = 50 };

struct live {
	struct printer printer;
	hawser_trace *trace;
};

static int on_story(
    const struct hawser_trace_record *record, const struct hawser_trace_story *story, void *user)
{
	struct live *live = user;

	if (!story && !live->printer.arguments->names_file)
		names_meet(live->trace, record);
	return printer_print_story(record, story, &live->printer);
}

static int read(struct live *live, int timeout_ms)
{
	if (live->printer.arguments->options.names)
		return hawser_trace_read_stories(live->trace, timeout_ms, on_story, live);
	return hawser_trace_read(live->trace, timeout_ms, printer_print, &live->printer);
}

/* What came since the last look. */
static void read_rest(struct live *live)
{
	int result = read(live, 0);

	if (result < 0 || !live->printer.arguments->options.names)
		return;
	hawser_trace_flush_stories(live->trace, on_story, live);
	names_end(live->trace);
}

int command_live(const struct arguments *arguments)
{
	struct live live = {.printer = {.arguments = arguments,
				.filter = arguments->pinned ? &arguments->options.config : NULL,
				.to_real_ns = words_to_real_ns()}};
	struct hawser_trace_counters counters = {0};
	struct session session;
	int result = 0;

	if (!session_open(&session, arguments))
		return 1;
	live.trace = session.trace;
	if (arguments->options.names)
		names_begin(session.trace, arguments);
	fprintf(stderr, "tracing connects, Ctrl-C ends it\n");
	while (session_goes_on(&session) && result >= 0) {
		result = read(&live, INTERVAL_MS);
		if (result == -EINTR)
			result = 0;
		if (output_flush() < 0)
			break;
	}
	if (result >= 0)
		read_rest(&live);
	output_flush();
	hawser_trace_counters_read(session.trace, &counters);
	words_summary(live.printer.causes, live.printer.seen, &counters);
	session_close(&session);
	return result < 0 && result != -ECANCELED;
}
