/* SPDX-License-Identifier: MIT
 *
 * `hawser-trace live`: a line a connect as it ends, and a summary at the end. A record that was lost is said,
 * not hidden.
 */
#include "show.h"

#include <errno.h>

enum { INTERVAL_MS = 50 };

int command_live(const struct arguments *arguments)
{
	struct printer printer = {.arguments = arguments,
	    .filter = arguments->pinned ? &arguments->options.config : NULL,
	    .to_real_ns = words_to_real_ns()};
	struct hawser_trace_counters counters = {0};
	struct session session;
	int result = 0;

	if (!session_open(&session, arguments))
		return 1;
	fprintf(stderr, "tracing connects, Ctrl-C ends it\n");
	while (session_goes_on(&session) && result >= 0) {
		result = hawser_trace_read(session.trace, INTERVAL_MS, printer_print, &printer);
		if (result == -EINTR)
			result = 0;
		if (output_flush() < 0)
			break;
	}
	if (result >= 0) /* what came since the last look */
		hawser_trace_read(session.trace, 0, printer_print, &printer);
	output_flush();
	hawser_trace_counters_read(session.trace, &counters);
	words_summary(printer.causes, printer.seen, &counters);
	session_close(&session);
	return result < 0 && result != -ECANCELED;
}
