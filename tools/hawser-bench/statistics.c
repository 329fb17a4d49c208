/* SPDX-License-Identifier: MIT
 *
 * Medians and spreads. The values stay in the order in which they were measured: it is what makes pairs.
 *
 * Failure: no memory for a copy ends the program, as there is nothing that could be reported then.
 */
#include "statistics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *left, const void *right)
{
	const double *a = left;
	const double *b = right;

	return (*a > *b) - (*a < *b);
}

static double *room_for(uint32_t count)
{
	double *room = malloc(count * sizeof(double));

	if (!room) {
		fprintf(stderr, "hawser-bench: out of memory\n");
		abort();
	}
	return room;
}

/* Between two values in proportion. */
static double quantile(const double *sorted, uint32_t count, double share)
{
	double position = share * (count - 1);
	uint32_t below = (uint32_t)position;
	uint32_t above = below + 1 < count ? below + 1 : below;

	return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
}

struct spread spread_of(const double *values, uint32_t count)
{
	double *sorted = room_for(count);
	struct spread spread;

	memcpy(sorted, values, count * sizeof(double));
	qsort(sorted, count, sizeof(double), compare);
	spread.p10 = quantile(sorted, count, 0.1);
	spread.p50 = quantile(sorted, count, 0.5);
	spread.p90 = quantile(sorted, count, 0.9);
	free(sorted);
	return spread;
}

struct ratio ratio_of(const double *first, const double *second, uint32_t count)
{
	double *pairs = room_for(count);
	struct ratio ratio;

	for (uint32_t i = 0; i < count; i++)
		pairs[i] = first[i] / second[i];
	ratio.of_medians = spread_of(first, count).p50 / spread_of(second, count).p50;
	ratio.pairs = spread_of(pairs, count);
	free(pairs);
	return ratio;
}
