/* SPDX-License-Identifier: MIT
 *
 * The numbers in Prometheus's text format. Names and units keep to what promtool checks: seconds, _total for
 * counters, a HELP and a TYPE each.
 *
 * Buckets end at powers of two of nanoseconds, because the slots of the kernel's histograms do: each bucket
 * is a sum of whole slots, exact but for times that equal a bound to the nanosecond.
 */
#include "metrics.h"

#include <inttypes.h>

/* Exponents of two of the bounds in nanoseconds: from 8 us to 137 s, which is longer than the SYNs of a
 * connect last. Destinations are many, so that theirs are coarser. */
enum { BOUND_FIRST = 13, BOUND_LAST = 37, BOUND_STEP = 1, BOUND_STEP_COARSE = 2 };

static void head(FILE *file, const char *name, const char *type, const char *help)
{
	fprintf(file, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

enum { LABELS_BYTES = 2 * METRICS_NAME_BYTES + 64 };

/* What processes chose as a path must not end the label. */
static void escape(const char *value, char text[2 * METRICS_NAME_BYTES])
{
	size_t used = 0;

	for (const char *c = value; *c && used < 2 * METRICS_NAME_BYTES - 2; c++) {
		if (*c == '\n' || *c == '"' || *c == '\\')
			text[used++] = '\\';
		text[used] = *c;
		if (*c == '\n')
			text[used] = 'n';
		used++;
	}
	text[used] = '\0';
}

/* As every series of the row has them, without braces. */
static void labels_of_row(const struct metrics_row *row, char labels[LABELS_BYTES])
{
	char name[2 * METRICS_NAME_BYTES];

	escape(row->name, name);
	if (name[0])
		snprintf(labels, LABELS_BYTES, "destination=\"%s\",netns=\"%" PRIu32 "\"", name, row->netns);
	else
		snprintf(labels, LABELS_BYTES, "destination=\"other\"");
}

static void labels_of_layer(unsigned layer, unsigned cause, char labels[LABELS_BYTES])
{
	snprintf(labels, LABELS_BYTES, "layer=\"%s\",cause=\"%s\"", hawser_trace_layer_name(layer),
	    hawser_trace_cause_name(cause));
}

/* One histogram; `labels` is what its series share, without braces. The slots' own sum is its count: the
 * kernel's may be of another moment, and the two must not differ. */
static void buckets(FILE *file, const char *name, const char *labels,
    const struct hawser_trace_histogram *histogram, unsigned step)
{
	const char *comma = labels[0] ? "," : "", *open = labels[0] ? "{" : "", *close = labels[0] ? "}" : "";
	uint64_t below = 0;
	unsigned slot = 0;

	for (unsigned bound = BOUND_FIRST; bound <= BOUND_LAST; bound += step) {
		uint64_t bound_ns = UINT64_C(1) << bound;

		while (slot < HAWSER_TRACE_SLOTS && hawser_trace_slot_floor_ns(slot) < bound_ns)
			below += histogram->slots[slot++];
		fprintf(file, "%s_bucket{%s%sle=\"%.12g\"} %" PRIu64 "\n", name, labels, comma,
		    (double)bound_ns / 1e9, below);
	}
	while (slot < HAWSER_TRACE_SLOTS)
		below += histogram->slots[slot++];
	fprintf(file, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, labels, comma, below);
	fprintf(file, "%s_sum%s%s%s %.12g\n", name, open, labels, close, (double)histogram->sum_ns / 1e9);
	fprintf(file, "%s_count%s%s%s %" PRIu64 "\n", name, open, labels, close, below);
}

static uint64_t count_of(const struct hawser_trace_histogram *histogram)
{
	uint64_t count = 0;

	for (unsigned slot = 0; slot < HAWSER_TRACE_SLOTS; slot++)
		count += histogram->slots[slot];
	return count;
}

/* Also those that are zero: a rate needs a value from before the first failure. */
static void write_connects(FILE *file, const struct metrics *metrics)
{
	head(file, "hawser_connects_total", "counter",
	    "Connects that ended, by layer and cause. A connect of io_uring is counted by layer ring, and by "
	    "layer tcp if the network answered it.");
	for (unsigned layer = 0; layer < HAWSER_TRACE_LAYERS; layer++) {
		for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++) {
			char labels[LABELS_BYTES];

			labels_of_layer(layer, cause, labels);
			fprintf(file, "hawser_connects_total{%s} %" PRIu64 "\n", labels,
			    count_of(&metrics->histograms[layer][cause]));
		}
	}
}

static void write_durations(FILE *file, const struct metrics *metrics)
{
	static const char *const name = "hawser_connect_duration_seconds";

	head(file, name, "histogram",
	    "Time of connects that ended: of layer tcp from the first SYN to the answer, of layer ring from "
	    "the "
	    "submission to the completion, of layer syscall within connect(2).");
	for (unsigned layer = 0; layer < HAWSER_TRACE_LAYERS; layer++) {
		for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++) {
			const struct hawser_trace_histogram *histogram = &metrics->histograms[layer][cause];
			char labels[LABELS_BYTES];

			labels_of_layer(layer, cause, labels);
			if (count_of(histogram))
				buckets(file, name, labels, histogram, BOUND_STEP);
		}
	}
}

static const struct metrics_row *row_at(const struct metrics *metrics, unsigned index)
{
	const struct metrics_rows *rows = &metrics->destinations;

	return index < rows->count ? &rows->rows[index] : &rows->other;
}

static unsigned rows_shown(const struct metrics *metrics)
{
	return metrics->destinations.count + metrics->destinations.has_other;
}

static void write_destinations(FILE *file, const struct metrics *metrics)
{
	head(file, "hawser_destination_connects_total", "counter",
	    "Connects that ended, each counted once, by destination (with the network namespace it is seen "
	    "from) and cause. Row other: destinations beyond the limit.");
	for (unsigned i = 0; i < rows_shown(metrics); i++) {
		const struct metrics_row *row = row_at(metrics, i);
		char labels[LABELS_BYTES];

		labels_of_row(row, labels);
		for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++)
			fprintf(file, "hawser_destination_connects_total{%s,cause=\"%s\"} %" PRIu64 "\n",
			    labels, hawser_trace_cause_name(cause), row->numbers.causes[cause]);
	}
}

static void write_destination_durations(FILE *file, const struct metrics *metrics)
{
	static const char *const name = "hawser_destination_connect_duration_seconds";

	head(file, name, "histogram", "Time of connects that succeeded, by destination.");
	for (unsigned i = 0; i < rows_shown(metrics); i++) {
		const struct metrics_row *row = row_at(metrics, i);
		char labels[LABELS_BYTES];

		labels_of_row(row, labels);
		if (count_of(&row->numbers.connected))
			buckets(file, name, labels, &row->numbers.connected, BOUND_STEP_COARSE);
	}
}

static void write_counters(FILE *file, const struct metrics *metrics)
{
	const struct hawser_trace_counters *counters = &metrics->counters;
	const struct {
		const char *name;
		uint64_t value;
		const char *help;
	} rows[] = {
	    {"hawser_trace_records_lost_total", counters->records_lost,
		"Records that did not fit into the ring buffer. Only records are lost so, no counts."},
	    {"hawser_trace_connects_unseen_total", counters->inflight_full,
		"Connects that the table of connects in flight had no room for: they are in no other "
		"metric."},
	    {"hawser_trace_starts_unseen_total", counters->start_unseen,
		"Connects that had begun before the programs were attached: they are in no other metric."},
	    {"hawser_trace_destinations_other_total", counters->destinations_other,
		"Connects to destinations that the kernel's table had no row for: they are in the row "
		"other."},
	    {"hawser_trace_completions_overflowed_total", counters->completions_in_overflow,
		"Completions of connects that did not fit into their io_uring."},
	    {"hawser_trace_addresses_unread_total", counters->addresses_unread,
		"Submissions whose socket address was not in memory: their path is unknown."},
	    {"hawser_trace_ends_unseen_total", counters->ends_unseen,
		"Connects whose end was not seen: they are in no other metric."},
	    {"hawser_trace_events_missed_total", counters->events_missed,
		"Events that no program saw, because it was interrupted by them: as many connects may be "
		"told "
		"wrongly, or stay in flight."},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		head(file, rows[i].name, "counter", rows[i].help);
		fprintf(file, "%s %" PRIu64 "\n", rows[i].name, rows[i].value);
	}
}

static void write_waits(FILE *file, const struct metrics *metrics)
{
	static const char *const name = "hawser_client_wait_seconds";

	if (!metrics->waits)
		return;
	head(file, name, "histogram",
	    "Time of hawser's clients from the end of a failed attempt to the beginning of the next: "
	    "backoff, and "
	    "the lookup if there is one.");
	buckets(file, name, "", metrics_waits_histogram(metrics->waits), BOUND_STEP);
}

void metrics_write(const struct metrics *metrics, FILE *file)
{
	write_connects(file, metrics);
	write_durations(file, metrics);
	write_destinations(file, metrics);
	write_destination_durations(file, metrics);
	head(file, "hawser_connects_in_flight", "gauge", "Connects that have begun and not ended.");
	fprintf(file, "hawser_connects_in_flight %" PRIu64 "\n", metrics->in_flight);
	write_counters(file, metrics);
	write_waits(file, metrics);
}
