/* SPDX-License-Identifier: MIT
 *
 * Times in buckets of powers of two: bucket i counts those below 2^i x 64 us, the last one all longer ones.
 */
#ifndef HAWSER_CORE_HISTOGRAM_H
#define HAWSER_CORE_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 20 };

struct histogram {
	uint32_t counts[HISTOGRAM_BUCKETS]; /* saturate */
};

void histogram_add(struct histogram *histogram, uint64_t ns);

#endif
