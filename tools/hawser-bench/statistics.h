/* SPDX-License-Identifier: MIT
 *
 * What a number of measurements says: middle and spread, and how two series compare that were measured side
 * by side.
 */
#ifndef HAWSER_BENCH_STATISTICS_H
#define HAWSER_BENCH_STATISTICS_H

#include <stdint.h>

struct spread {
	double p10;
	double p50;
	double p90;
};

/* How many times the second a first one takes. */
struct ratio {
	double of_medians;
	struct spread pairs; /* of the ratios of what was measured in the same pass */
};

/* count > 0; there must be memory for a copy, or the program ends. */
struct spread spread_of(const double *values, uint32_t count);
struct ratio ratio_of(const double *first, const double *second, uint32_t count);

#endif
