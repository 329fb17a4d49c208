/* SPDX-License-Identifier: MIT
 *
 * Reads all that the programs have counted. They go on counting meanwhile, so that two numbers may be of two
 * moments; none ever falls.
 */
#include "metrics.h"

#include <errno.h>
#include <stdlib.h>

struct seen {
	struct metrics_row *rows;
	unsigned count;
	unsigned room;
};

static int on_destination(
    const struct hawser_trace_destination_key *key, const struct hawser_trace_destination *row, void *user)
{
	struct seen *seen = user;

	if (seen->count == seen->room) {
		unsigned room = seen->room ? seen->room * 2 : 16;
		struct metrics_row *rows = reallocarray(seen->rows, room, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		seen->rows = rows;
		seen->room = room;
	}
	metrics_row_name(&seen->rows[seen->count], key, row);
	seen->rows[seen->count++].numbers = *row;
	return 0;
}

static int gather_destinations(struct metrics *metrics, hawser_trace *trace)
{
	struct seen seen = {0};
	int result = hawser_trace_destinations_read(trace, on_destination, &seen);

	if (result == 0)
		metrics_rows_update(&metrics->destinations, seen.rows, seen.count);
	free(seen.rows);
	return result;
}

static int gather_histograms(struct metrics *metrics, hawser_trace *trace)
{
	int result = 0;

	for (unsigned layer = 0; layer < HAWSER_TRACE_LAYERS; layer++)
		for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES && result == 0; cause++)
			result = hawser_trace_histogram_read(
			    trace, layer, cause, &metrics->histograms[layer][cause]);
	return result;
}

static int on_inflight(const struct hawser_trace_record *record, void *user)
{
	struct metrics *metrics = user;

	(void)record;
	metrics->in_flight++;
	return 0;
}

int metrics_gather(struct metrics *metrics, hawser_trace *trace)
{
	int result = gather_histograms(metrics, trace);

	if (result == 0)
		result = hawser_trace_counters_read(trace, &metrics->counters);
	if (result == 0)
		result = gather_destinations(metrics, trace);
	metrics->in_flight = 0;
	if (result == 0)
		result = hawser_trace_inflight_read(trace, on_inflight, metrics);
	return result;
}

static uint64_t connects_to(const struct metrics_row *row)
{
	uint64_t sum = 0;

	for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++)
		sum += row->numbers.causes[cause];
	return sum;
}

uint64_t metrics_connects(const struct metrics *metrics)
{
	uint64_t sum = connects_to(&metrics->destinations.other);

	for (unsigned i = 0; i < metrics->destinations.count; i++)
		sum += connects_to(&metrics->destinations.rows[i]);
	return sum;
}
