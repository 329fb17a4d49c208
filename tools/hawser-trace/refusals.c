/* SPDX-License-Identifier: MIT
 *
 * Options that a command would have to ignore: it says so instead, before anything is opened.
 */
#include "show.h"

bool refusals_histograms(const struct arguments *arguments, const char *what)
{
	if (!arguments->options.histograms)
		return false;
	fprintf(stderr,
	    "hawser-trace: --histograms keeps no more than histograms by layer and cause, which hist shows; "
	    "%s needs more\n",
	    what);
	return true;
}

bool refusals_minimum(const struct arguments *arguments, const char *command)
{
	if (!arguments->options.config.minimum_ns)
		return false;
	fprintf(stderr, "hawser-trace: --min-ms chooses records; %s counts every connect\n", command);
	return true;
}

bool refusals_pinned(const struct arguments *arguments, bool sums, const char *command)
{
	const struct hawser_trace_options *options = &arguments->options;

	if (!arguments->pinned)
		return false;
	if (options->no_ring || options->calls || options->histograms) {
		fputs("hawser-trace: --no-ring, --calls and --histograms choose programs: what is pinned "
		      "stays as it is\n",
		    stderr);
		return true;
	}
	if (sums && options->config.filters) {
		fprintf(stderr,
		    "hawser-trace: what is pinned keeps its own filters, and %s shows what it counted\n",
		    command);
		return true;
	}
	if (options->config.filters & HAWSER_TRACE_FILTER_SAMPLE) {
		fputs("hawser-trace: what is pinned keeps its own filters: --sample is for the kernel\n",
		    stderr);
		return true;
	}
	return false;
}
