/* SPDX-License-Identifier: MIT
 *
 * Connects that ended, each counted once. The rows of destinations do so; the histograms count a connect
 * through a ring in two layers, which is how both can say how long it took. Where histograms are all there
 * is, the sums are told by layer, for what the layers have in common was not counted.
 */
#include "show.h"

#include <inttypes.h>

static int on_destination(const struct hawser_trace_destination_key *key,
    const struct hawser_trace_destination *destination, void *user)
{
	struct sums *sums = user;

	(void)key;
	for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++) {
		sums->causes[cause] += destination->causes[cause];
		sums->seen += destination->causes[cause];
	}
	return 0;
}

static int layers_read(hawser_trace *trace, struct sums *sums)
{
	struct hawser_trace_histogram histogram;

	for (unsigned layer = 0; layer < HAWSER_TRACE_LAYERS; layer++) {
		for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++) {
			int result = hawser_trace_histogram_read(trace, layer, cause, &histogram);

			if (result < 0)
				return result;
			sums->causes[cause] += histogram.count;
			sums->layers[layer][cause] = histogram.count;
			sums->in_layer[layer] += histogram.count;
		}
	}
	return 0;
}

int sums_read(hawser_trace *trace, bool destinations, struct sums *ret_sums)
{
	struct sums sums = {0};
	int result;

	if (destinations) {
		result = hawser_trace_destinations_read(trace, on_destination, &sums);
	} else {
		result = layers_read(trace, &sums);
		sums.overlaps = sums.in_layer[HAWSER_TRACE_RING] && sums.in_layer[HAWSER_TRACE_TCP];
		sums.seen = sums.in_layer[HAWSER_TRACE_TCP] > sums.in_layer[HAWSER_TRACE_RING]
				? sums.in_layer[HAWSER_TRACE_TCP]
				: sums.in_layer[HAWSER_TRACE_RING];
		sums.seen += sums.in_layer[HAWSER_TRACE_SYSCALL];
	}
	if (result < 0)
		return result;
	*ret_sums = sums;
	return 0;
}

static void say_layer(const struct sums *sums, unsigned layer)
{
	const char *separator = " ";

	fprintf(stderr, "%s:", hawser_trace_layer_name(layer));
	for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++) {
		if (!sums->layers[layer][cause])
			continue;
		fprintf(stderr, "%s%" PRIu64 " %s", separator, sums->layers[layer][cause],
		    hawser_trace_cause_name(cause));
		separator = ", ";
	}
}

void sums_say(const struct sums *sums, const struct hawser_trace_counters *counters)
{
	if (!sums->overlaps) {
		words_summary(sums->causes, sums->seen, counters);
		return;
	}
	for (unsigned layer = 0; layer < HAWSER_TRACE_LAYERS; layer++) {
		if (!sums->in_layer[layer])
			continue;
		say_layer(sums, layer);
		fputs("; ", stderr);
	}
	fputs("a ring's connect that reached the network is in both\n", stderr);
	words_losses(counters);
}
