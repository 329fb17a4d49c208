/* SPDX-License-Identifier: MIT
 *
 * The numbers as one JSON object, for jq: the same rows as Prometheus's, with quantiles in the place of
 * buckets.
 */
#include "metrics.h"

#include <inttypes.h>

/* Names are printable ASCII already. */
static void string(FILE *file, const char *text)
{
	fputc('"', file);
	for (const char *c = text; *c; c++)
		fprintf(file, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
	fputc('"', file);
}

static void figures(FILE *file, const struct hawser_trace_histogram *histogram)
{
	fprintf(file,
	    "{\"count\":%" PRIu64 ",\"sum_ns\":%" PRIu64 ",\"p50_ns\":%" PRIu64 ",\"p99_ns\":%" PRIu64 "}",
	    histogram->count, histogram->sum_ns, hawser_trace_quantile_ns(histogram, 500),
	    hawser_trace_quantile_ns(histogram, 990));
}

static void layers(FILE *file, const struct metrics *metrics)
{
	const char *separator = "";

	fputs("\"connects\":[", file);
	for (unsigned layer = 0; layer < HAWSER_TRACE_LAYERS; layer++) {
		for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++) {
			fprintf(file, "%s{\"layer\":\"%s\",\"cause\":\"%s\",\"duration\":", separator,
			    hawser_trace_layer_name(layer), hawser_trace_cause_name(cause));
			figures(file, &metrics->histograms[layer][cause]);
			fputc('}', file);
			separator = ",";
		}
	}
	fputc(']', file);
}

static void destination(FILE *file, const struct metrics_row *row)
{
	fputs("{\"destination\":", file);
	string(file, row->name[0] ? row->name : "other");
	if (row->name[0])
		fprintf(file, ",\"netns\":%" PRIu32, row->netns);
	fputs(",\"causes\":{", file);
	for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++)
		fprintf(file, "%s\"%s\":%" PRIu64, cause ? "," : "", hawser_trace_cause_name(cause),
		    row->numbers.causes[cause]);
	fputs("},\"connected\":", file);
	figures(file, &row->numbers.connected);
	fputc('}', file);
}

static void destinations(FILE *file, const struct metrics_rows *rows)
{
	fputs("\"destinations\":[", file);
	for (unsigned i = 0; i < rows->count; i++) {
		fputs(i ? "," : "", file);
		destination(file, &rows->rows[i]);
	}
	if (rows->has_other) {
		fputs(rows->count ? "," : "", file);
		destination(file, &rows->other);
	}
	fputc(']', file);
}

void metrics_write_json(const struct metrics *metrics, FILE *file)
{
	const struct hawser_trace_counters *counters = &metrics->counters;

	fputc('{', file);
	layers(file, metrics);
	fputc(',', file);
	destinations(file, &metrics->destinations);
	fprintf(file,
	    ",\"in_flight\":%" PRIu64 ",\"records_lost\":%" PRIu64 ",\"connects_unseen\":%" PRIu64
	    ",\"starts_unseen\":%" PRIu64 ",\"destinations_other\":%" PRIu64
	    ",\"completions_overflowed\":%" PRIu64 ",\"addresses_unread\":%" PRIu64
	    ",\"ends_unseen\":%" PRIu64 ",\"events_missed\":%" PRIu64,
	    metrics->in_flight, counters->records_lost, counters->inflight_full, counters->start_unseen,
	    counters->destinations_other, counters->completions_in_overflow, counters->addresses_unread,
	    counters->ends_unseen, counters->events_missed);
	if (metrics->waits) {
		fputs(",\"client_wait\":", file);
		figures(file, metrics_waits_histogram(metrics->waits));
	}
	fputs("}\n", file);
}
