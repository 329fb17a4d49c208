/* SPDX-License-Identifier: MIT
 *
 * Histogram: where the buckets end.
 */
#include "core/histogram.h"
#include <criterion/criterion.h>

#define UNIT_NS UINT64_C(64000)

TestSuite(histogram, .timeout = 60);

static uint32_t bucket_of(uint64_t ns)
{
	struct histogram histogram = {0};
	uint32_t found = HISTOGRAM_BUCKETS;
	uint32_t sum = 0;

	histogram_add(&histogram, ns);
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		sum += histogram.counts[i];
		if (histogram.counts[i])
			found = i;
	}
	cr_assert_eq(sum, 1);
	return found;
}

Test(histogram, each_bucket_ends_below_its_power_of_two)
{
	cr_assert_eq(bucket_of(0), 0);
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		uint64_t end = UNIT_NS << i;

		cr_assert_eq(bucket_of(end - 1), i);
		cr_assert_eq(bucket_of(end), i + 1);
	}
}

Test(histogram, the_last_bucket_takes_all_longer_ones)
{
	for (uint32_t i = HISTOGRAM_BUCKETS - 2; i < 40; i++)
		cr_assert_eq(bucket_of(UNIT_NS << i), HISTOGRAM_BUCKETS - 1);
	cr_assert_eq(bucket_of(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

Test(histogram, counts_add_up_and_stay_full)
{
	struct histogram histogram = {.counts = {[3] = UINT32_MAX - 1}};

	histogram_add(&histogram, 7 * UNIT_NS);
	cr_assert_eq(histogram.counts[3], UINT32_MAX);
	histogram_add(&histogram, 7 * UNIT_NS);
	cr_assert_eq(histogram.counts[3], UINT32_MAX);
	cr_assert_eq(histogram.counts[2], 0);
	cr_assert_eq(histogram.counts[4], 0);
	histogram_add(&histogram, 0);
	cr_assert_eq(histogram.counts[0], 1);
}
