/* SPDX-License-Identifier: MIT
 *
 * The same connects as the kernel saw them: the tracer's table of destinations, read in this process by
 * libhawser-trace. Where it may not load BPF it says why not.
 */
#include "demo.h"

#include <hawser/trace.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static hawser_trace *trace;
static struct hawser_trace_sentence refusal;

void kernel_watch(void)
{
	struct hawser_trace_options options;

	hawser_trace_options_init(&options);
	options.config.filters = HAWSER_TRACE_FILTER_TGID;
	options.config.tgid = (uint32_t)getpid();
	options.config.records = 0;
	if (hawser_trace_open(&options, &refusal, &trace) < 0)
		trace = NULL;
}

static const char *name_of(
    const struct hawser_trace_destination_key *key, const struct hawser_trace_destination *destination)
{
	static char text[160];
	struct hawser_trace_record record;
	const char *slash;

	memset(&record, 0, sizeof(record));
	record.family = key->family;
	record.destination_port = key->port;
	memcpy(record.destination, key->address, sizeof(record.destination));
	memcpy(record.path, destination->path, sizeof(record.path));
	hawser_trace_destination_text(&record, text, sizeof(text));
	slash = strrchr(text, '/');
	return slash ? slash + 1 : text;
}

static void print_quantile(const struct hawser_trace_destination *destination, unsigned per_thousand)
{
	if (destination->causes[HAWSER_TRACE_OK])
		printf(" %9.1f us",
		    (double)hawser_trace_quantile_ns(&destination->connected, per_thousand) / 1e3);
	else
		printf(" %12s", "-");
}

static int print_destination(const struct hawser_trace_destination_key *key,
    const struct hawser_trace_destination *destination, void *user)
{
	char causes[200] = "";
	unsigned long long attempts = 0;
	int length = 0;

	(void)user;
	for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++) {
		unsigned long long count = destination->causes[cause];

		attempts += count;
		if (count && length < (int)sizeof(causes))
			length += snprintf(causes + length, sizeof(causes) - (size_t)length, "%s%llu %s",
			    length ? ", " : "", count, hawser_trace_cause_name(cause));
	}
	printf("  %-24s %8llu", name_of(key, destination), attempts);
	print_quantile(destination, 500);
	print_quantile(destination, 990);
	printf("   %s\n", causes);
	return 0;
}

void kernel_print(void)
{
	if (!trace) {
		printf("\n  The kernel's view of the same connects is not shown: %s.\n", refusal.text);
		return;
	}
	printf("\n  The same as the kernel saw it (eBPF):\n");
	printf("  %-24s %8s %12s %12s   %s\n", "destination", "attempts", "connect p50", "connect p99",
	    "outcome");
	printf("  %.*s\n", 102,
	    "------------------------------------------------------------------------------------------------"
	    "------");
	hawser_trace_destinations_read(trace, print_destination, NULL);
	hawser_trace_close(trace);
	trace = NULL;
}
