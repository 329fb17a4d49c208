/* SPDX-License-Identifier: MIT
 *
 * `hawser-trace hist`: how long connects took, as bars, for each layer and cause. With --failures, without
 * those that succeeded. JSON has the slots as they are; people get them merged to rows that fit a screen.
 */
#include "show.h"

#include <inttypes.h>

enum { ROWS_MAX = 16, BAR_MAX = 40, LARGE_NS = 10000000 };

/* Of the slots that are not empty: the first, one past the last, and how many make a row. */
struct range {
	unsigned first;
	unsigned end;
	unsigned step;
};

static struct range range_of(const struct hawser_trace_histogram *histogram)
{
	struct range range = {.first = HAWSER_TRACE_SLOTS, .step = 1};

	for (unsigned i = 0; i < HAWSER_TRACE_SLOTS; i++) {
		if (!histogram->slots[i])
			continue;
		if (range.first == HAWSER_TRACE_SLOTS)
			range.first = i;
		range.end = i + 1;
	}
	/* Rows begin where their step divides, so that bounds stay the same while more is counted. */
	while ((range.end - range.first / range.step * range.step + range.step - 1) / range.step > ROWS_MAX)
		range.step *= 2;
	range.first = range.first / range.step * range.step;
	return range;
}

static uint64_t row_count(
    const struct hawser_trace_histogram *histogram, const struct range *range, unsigned first)
{
	uint64_t count = 0;

	for (unsigned i = first; i < first + range->step && i < HAWSER_TRACE_SLOTS; i++)
		count += histogram->slots[i];
	return count;
}

static void print_bars(const struct hawser_trace_histogram *histogram, bool colour)
{
	static const char bar[BAR_MAX + 1] = "########################################";
	struct range range = range_of(histogram);
	bool large = hawser_trace_slot_floor_ns(range.end) > LARGE_NS;
	double unit = large ? 1e6 : 1e3;
	uint64_t most = 1;

	for (unsigned i = range.first; i < range.end; i += range.step) {
		uint64_t count = row_count(histogram, &range, i);

		most = count > most ? count : most;
	}
	printf("%14s   %-14s %9s\n", large ? "from ms" : "from us", large ? "to ms" : "to us", "CONNECTS");
	for (unsigned i = range.first; i < range.end; i += range.step) {
		uint64_t count = row_count(histogram, &range, i);
		int length = (int)((double)count / (double)most * BAR_MAX + 0.5);

		printf("%14.3f - %-14.3f %9" PRIu64 "%s%s%.*s%s\n",
		    (double)hawser_trace_slot_floor_ns(i) / unit,
		    (double)hawser_trace_slot_floor_ns(i + range.step) / unit, count, count ? " " : "",
		    colour && count ? "\033[36m" : "", count && !length ? 1 : length, bar,
		    colour && count ? "\033[0m" : "");
	}
}

static void print_text(
    const char *layer, const char *cause, const struct hawser_trace_histogram *histogram, bool colour)
{
	char mean[WORDS_DURATION_BYTES], p50[WORDS_DURATION_BYTES], p99[WORDS_DURATION_BYTES];

	printf("%s %s: %" PRIu64 " connect%s, mean %s, P50 %s, P99 %s\n", layer, cause, histogram->count,
	    histogram->count == 1 ? "" : "s", words_duration(histogram->sum_ns / histogram->count, mean),
	    words_duration(hawser_trace_quantile_ns(histogram, 500), p50),
	    words_duration(hawser_trace_quantile_ns(histogram, 990), p99));
	print_bars(histogram, colour);
	putchar('\n');
}

static void print_json(const char *layer, const char *cause, const struct hawser_trace_histogram *histogram)
{
	const char *separator = "";

	printf("{\"layer\":\"%s\",\"cause\":\"%s\",\"count\":%" PRIu64 ",\"sum_ns\":%" PRIu64
	       ",\"p50_ns\":%" PRIu64 ",\"p99_ns\":%" PRIu64 ",\"slots\":[",
	    layer, cause, histogram->count, histogram->sum_ns, hawser_trace_quantile_ns(histogram, 500),
	    hawser_trace_quantile_ns(histogram, 990));
	for (unsigned i = 0; i < HAWSER_TRACE_SLOTS; i++) {
		if (!histogram->slots[i])
			continue;
		printf("%s{\"from_ns\":%" PRIu64 ",\"to_ns\":%" PRIu64 ",\"count\":%" PRIu64 "}", separator,
		    hawser_trace_slot_floor_ns(i), hawser_trace_slot_floor_ns(i + 1), histogram->slots[i]);
		separator = ",";
	}
	puts("]}");
}

static int show(const struct screen *screen)
{
	const struct arguments *arguments = screen->arguments;
	struct hawser_trace_histogram histogram;
	int result;

	for (unsigned layer = 0; layer < HAWSER_TRACE_LAYERS; layer++) {
		for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++) {
			if (cause == HAWSER_TRACE_OK && arguments->options.config.failures_only)
				continue;
			result = hawser_trace_histogram_read(screen->trace, layer, cause, &histogram);
			if (result < 0)
				return result;
			if (!histogram.count)
				continue;
			if (arguments->json)
				print_json(hawser_trace_layer_name(layer), hawser_trace_cause_name(cause),
				    &histogram);
			else
				print_text(hawser_trace_layer_name(layer), hawser_trace_cause_name(cause),
				    &histogram, arguments->colour);
		}
	}
	return 0;
}

int command_hist(const struct arguments *arguments)
{
	struct arguments cheapest = *arguments;

	/* Nothing else is shown, but destinations alone count each connect once. */
	cheapest.options.histograms = arguments->options.histograms || arguments->pinned || !arguments->count;
	return screen_run(&cheapest, false, show);
}
