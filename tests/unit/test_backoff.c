/* SPDX-License-Identifier: MIT
 *
 * Backoff: the schedules by their published formulas, their bounds under a million draws, and the edges.
 */
#include "../support/memory.h"
#include "core/backoff.h"
#include <criterion/criterion.h>

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

enum { DRAWS = 1000000 };

TestSuite(backoff, .timeout = 60);

static struct backoff make(
    uint64_t base_ns, uint64_t cap_ns, uint32_t factor_percent, enum backoff_jitter jitter)
{
	return (struct backoff){
	    .base_ns = base_ns,
	    .cap_ns = cap_ns,
	    .factor_percent = factor_percent,
	    .jitter = (uint8_t)jitter,
	    .jitter_percent = 20,
	};
}

/* The delay before jitter, reckoned another way: in floating point. */
static double delay_of(const struct backoff *backoff, uint32_t failures)
{
	double delay = (double)backoff->base_ns;

	while (--failures)
		delay *= backoff->factor_percent / 100.0;
	return delay < (double)backoff->cap_ns ? delay : (double)backoff->cap_ns;
}

Test(backoff, a3_perfetto_is_1_to_10_s_then_30_s)
{
	struct backoff backoff = make(SECOND, 30 * SECOND, 100, BACKOFF_JITTER_NONE);
	uint64_t sum = 0;

	backoff.linear = true;
	for (uint64_t failure = 1; failure <= 10; failure++) {
		uint64_t wait = backoff_next(&backoff, UINT64_MAX);

		cr_assert_eq(wait, failure * SECOND);
		sum += wait;
	}
	cr_assert_eq(sum, 55 * SECOND);
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(backoff_next(&backoff, 0), 30 * SECOND);
}

Test(backoff, linear_stops_at_a_low_cap)
{
	struct backoff backoff = make(SECOND, 4 * SECOND + 1, 100, BACKOFF_JITTER_NONE);

	backoff.linear = true;
	for (uint64_t failure = 1; failure <= 4; failure++)
		cr_assert_eq(backoff_next(&backoff, 0), failure * SECOND);
	for (int i = 0; i < 20; i++)
		cr_assert_eq(backoff_next(&backoff, 0), 4 * SECOND + 1);
}

Test(backoff, grpc_is_1_s_by_1_6_within_20_percent_up_to_120_s)
{
	struct generator generator = {1};
	struct backoff backoff = make(SECOND, 120 * SECOND, 160, BACKOFF_JITTER_PERCENT);

	for (int round = 0; round < 20000; round++) {
		backoff_reset(&backoff);
		for (uint32_t failures = 1; failures <= 14; failures++) {
			double delay = delay_of(&backoff, failures);
			uint64_t random = generator_next(&generator);
			uint64_t wait = backoff_next(&backoff, random);

			cr_assert_geq((double)wait, delay * 0.8 - 2);
			cr_assert_leq((double)wait, delay * 1.2 + 2);
			cr_assert_leq(wait, 120 * SECOND);
		}
	}
}

Test(backoff, percent_reaches_both_ends_and_not_the_cap_alone)
{
	struct generator generator = {2};
	struct backoff backoff = make(SECOND, 30 * SECOND, 160, BACKOFF_JITTER_PERCENT);
	int at_cap = 0;

	cr_assert_eq(backoff_next(&backoff, 0), 800 * MS);
	backoff_reset(&backoff);
	cr_assert_eq(backoff_next(&backoff, UINT64_MAX), 1200 * MS);
	backoff.failures = 1000;
	cr_assert_eq(backoff_next(&backoff, 0), 24 * SECOND);
	cr_assert_eq(backoff_next(&backoff, UINT64_MAX), 30 * SECOND);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t random = generator_next(&generator);
		uint64_t wait = backoff_next(&backoff, random);

		cr_assert(wait >= 24 * SECOND && wait <= 30 * SECOND);
		at_cap += wait == 30 * SECOND;
	}
	cr_assert_leq(at_cap, 10, "waits at the cap are spread below it, not heaped on it");
}

Test(backoff, full_is_0_to_the_delay)
{
	struct backoff backoff = make(10 * MS, SECOND, 200, BACKOFF_JITTER_FULL);
	uint64_t delay = 10 * MS;

	for (int failure = 1; failure <= 10; failure++) {
		struct backoff low = backoff;

		cr_assert_eq(backoff_next(&low, 0), 0);
		cr_assert_eq(backoff_next(&backoff, UINT64_MAX), delay);
		delay = 2 * delay < SECOND ? 2 * delay : SECOND;
	}
}

Test(backoff, equal_is_half_the_delay_to_the_delay)
{
	struct backoff backoff = make(10 * MS, SECOND, 200, BACKOFF_JITTER_EQUAL);
	uint64_t delay = 10 * MS;

	for (int failure = 1; failure <= 10; failure++) {
		struct backoff low = backoff;

		cr_assert_eq(backoff_next(&low, 0), delay / 2);
		cr_assert_eq(backoff_next(&backoff, UINT64_MAX), delay);
		delay = 2 * delay < SECOND ? 2 * delay : SECOND;
	}
}

Test(backoff, decorrelated_is_base_to_three_times_the_wait_before)
{
	struct backoff backoff = make(10 * MS, SECOND, 200, BACKOFF_JITTER_DECORRELATED);
	uint64_t previous = 10 * MS;

	for (int failure = 1; failure <= 10; failure++) {
		struct backoff low = backoff;
		uint64_t most = 3 * previous < SECOND ? 3 * previous : SECOND;

		cr_assert_eq(backoff_next(&low, 0), 10 * MS);
		cr_assert_eq(backoff_next(&backoff, UINT64_MAX), most);
		previous = most;
	}
	cr_assert_eq(backoff_next(&backoff, 0), 10 * MS, "a short wait may follow a long one");
	cr_assert_eq(backoff_next(&backoff, UINT64_MAX), 30 * MS);
	backoff_reset(&backoff);
	cr_assert_eq(backoff_next(&backoff, UINT64_MAX), 30 * MS, "reset forgets the wait before");
}

static void draws_stay_in_bounds(enum backoff_jitter jitter, uint64_t seed)
{
	struct generator generator = {seed};
	struct backoff backoff = make(1, 1, 100, jitter);
	double sum = 0;

	for (int i = 0; i < DRAWS; i++) {
		uint64_t random = generator_next(&generator);
		uint64_t low;
		uint64_t wait;

		if (i % 16 == 0) {
			backoff.base_ns = 1 + generator_below(&generator, 10 * SECOND);
			backoff.cap_ns = backoff.base_ns + generator_below(&generator, 60 * SECOND);
			backoff.factor_percent = 100 + (uint32_t)generator_below(&generator, 300);
			backoff.jitter_percent = (uint8_t)generator_below(&generator, 101);
			backoff_reset(&backoff);
		}
		low = backoff.base_ns - backoff.base_ns * backoff.jitter_percent / 100;
		if (jitter == BACKOFF_JITTER_EQUAL)
			low = backoff.base_ns / 2;
		if (jitter == BACKOFF_JITTER_DECORRELATED || jitter == BACKOFF_JITTER_NONE)
			low = backoff.base_ns;
		wait = backoff_next(&backoff, random);
		cr_assert(wait <= backoff.cap_ns);
		cr_assert(jitter == BACKOFF_JITTER_FULL || wait >= low);
		sum += (double)wait / (double)backoff.cap_ns;
	}
	cr_assert(sum > 0.1 * DRAWS && sum < 0.99 * DRAWS, "mean share of the cap %f", sum / DRAWS);
}

Test(backoff, a_million_draws_without_jitter)
{
	draws_stay_in_bounds(BACKOFF_JITTER_NONE, 3);
}

Test(backoff, a_million_draws_percent)
{
	draws_stay_in_bounds(BACKOFF_JITTER_PERCENT, 4);
}

Test(backoff, a_million_draws_full)
{
	draws_stay_in_bounds(BACKOFF_JITTER_FULL, 5);
}

Test(backoff, a_million_draws_equal)
{
	draws_stay_in_bounds(BACKOFF_JITTER_EQUAL, 6);
}

Test(backoff, a_million_draws_decorrelated)
{
	draws_stay_in_bounds(BACKOFF_JITTER_DECORRELATED, 7);
}

Test(backoff, full_jitter_is_even)
{
	enum { BINS = 10 };
	struct generator generator = {8};
	struct backoff backoff = make(SECOND, SECOND, 100, BACKOFF_JITTER_FULL);
	int bins[BINS + 1] = {0};

	for (int i = 0; i < DRAWS; i++) {
		uint64_t random = generator_next(&generator);

		bins[backoff_next(&backoff, random) / (SECOND / BINS)]++;
	}
	for (int i = 0; i < BINS; i++)
		cr_assert(bins[i] > 98000 && bins[i] < 102000, "bin %d: %d", i, bins[i]);
}

Test(backoff, huge_numbers_end_at_the_cap)
{
	struct backoff backoff = make(SECOND, UINT64_MAX, UINT32_MAX, BACKOFF_JITTER_NONE);

	backoff.failures = UINT32_MAX;
	cr_assert_eq(backoff_next(&backoff, 0), UINT64_MAX);
	cr_assert_eq(backoff.failures, UINT32_MAX, "the count stays full");
	backoff.jitter = BACKOFF_JITTER_PERCENT;
	cr_assert_eq(backoff_next(&backoff, UINT64_MAX), UINT64_MAX);
	backoff.jitter = BACKOFF_JITTER_FULL;
	cr_assert_eq(backoff_next(&backoff, UINT64_MAX), UINT64_MAX);
	backoff.jitter = BACKOFF_JITTER_DECORRELATED;
	backoff.previous_ns = UINT64_MAX - 1;
	cr_assert_eq(backoff_next(&backoff, UINT64_MAX), UINT64_MAX);
	backoff.linear = true;
	backoff.jitter = BACKOFF_JITTER_NONE;
	cr_assert_eq(backoff_next(&backoff, 0), UINT64_MAX);
}

Test(backoff, rounding_that_stops_growth_stops_the_reckoning)
{
	struct backoff backoff = make(1, SECOND, 101, BACKOFF_JITTER_NONE);

	backoff.failures = UINT32_MAX;
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(backoff_next(&backoff, 0), 1);
	backoff.base_ns = 100;
	cr_assert_eq(backoff_next(&backoff, 0), SECOND, "slow growth arrives all the same");
}

Test(backoff, reset_begins_with_the_base_again)
{
	struct backoff backoff = make(SECOND, 30 * SECOND, 160, BACKOFF_JITTER_NONE);

	for (int i = 0; i < 20; i++)
		backoff_next(&backoff, 0);
	cr_assert_eq(backoff_next(&backoff, 0), 30 * SECOND);
	backoff_reset(&backoff);
	cr_assert_eq(backoff_next(&backoff, 0), SECOND);
	cr_assert_eq(backoff_next(&backoff, 0), 1600 * MS);
}
