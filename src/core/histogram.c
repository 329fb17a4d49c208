/* SPDX-License-Identifier: MIT
 *
 * Histogram: counts only. Nothing can fail; a count that is full stays full.
 */
#include "core/histogram.h"

enum { UNIT_NS = 64000 };

void histogram_add(struct histogram *histogram, uint64_t ns)
{
	uint64_t units = ns / UNIT_NS;
	uint32_t bucket = units ? (uint32_t)(64 - __builtin_clzll(units)) : 0;

	if (bucket >= HISTOGRAM_BUCKETS)
		bucket = HISTOGRAM_BUCKETS - 1;
	if (histogram->counts[bucket] < UINT32_MAX)
		histogram->counts[bucket]++;
}
