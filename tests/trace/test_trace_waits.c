/* SPDX-License-Identifier: MIT
 *
 * How long clients wait between attempts, by made-up records.
 */
#include "../../tools/hawser-trace/metrics.h"

#include <criterion/criterion.h>

static struct metrics_waits *waits;

static void ended(uint32_t process, uint32_t attempt, uint64_t start_ns, uint64_t end_ns, uint8_t cause)
{
	struct hawser_trace_record record = {.start_ns = start_ns,
	    .total_ns = end_ns - start_ns,
	    .client = 1,
	    .attempt = attempt,
	    .tgid = process,
	    .pid = process,
	    .flags = HAWSER_TRACE_HAS_TAG,
	    .cause = cause};

	metrics_waits_add(waits, &record);
}

static void expect_waits(uint64_t count, uint64_t sum_ns)
{
	const struct hawser_trace_histogram *histogram = metrics_waits_histogram(waits);

	cr_expect_eq(histogram->count, count);
	cr_expect_eq(histogram->sum_ns, sum_ns);
}

Test(trace_waits, waits_are_between_a_failure_and_the_next_attempt)
{
	cr_assert_eq(metrics_waits_open(&waits), 0);
	ended(10, 1, 1000, 2000, HAWSER_TRACE_REFUSED);
	ended(10, 2, 2000000, 2001000, HAWSER_TRACE_OK);
	expect_waits(1, 1998000);
	ended(10, 3, 9000000, 9001000, HAWSER_TRACE_OK); /* how long the connection lasted nobody knows */
	expect_waits(1, 1998000);
	metrics_waits_close(waits);
}

Test(trace_waits, racing_attempts_do_not_wait)
{
	cr_assert_eq(metrics_waits_open(&waits), 0);
	ended(10, 2, 1500, 2500, HAWSER_TRACE_REFUSED); /* the second ends first */
	ended(10, 1, 1000, 3000, HAWSER_TRACE_TIMEOUT);
	ended(10, 3, 4000, 5000, HAWSER_TRACE_REFUSED);
	expect_waits(1, 1000);
	ended(10, 4, 4500, 6000, HAWSER_TRACE_REFUSED); /* begun before the third ended */
	expect_waits(1, 1000);
	metrics_waits_close(waits);
}

/* A new loop of the same thread, or what it executes, begins with attempt 1 of client 1 again. */
Test(trace_waits, numbers_that_begin_again_are_of_another_client)
{
	cr_assert_eq(metrics_waits_open(&waits), 0);
	ended(10, 3, 1000, 2000, HAWSER_TRACE_REFUSED);
	ended(10, 1, 5000, 6000, HAWSER_TRACE_REFUSED);
	expect_waits(0, 0);
	ended(10, 2, 7000, 8000, HAWSER_TRACE_REFUSED);
	expect_waits(1, 1000);
	metrics_waits_close(waits);
}

Test(trace_waits, waits_are_not_guessed)
{
	struct hawser_trace_record untagged = {.tgid = 10, .client = 1, .attempt = 2, .start_ns = 9000};

	cr_assert_eq(metrics_waits_open(&waits), 0);
	ended(10, 1, 1000, 2000, HAWSER_TRACE_REFUSED);
	metrics_waits_add(waits, &untagged);
	ended(11, 2, 9000, 9500, HAWSER_TRACE_REFUSED); /* another process of the same number */
	expect_waits(0, 0);
	ended(10, 3, 9000, 9500, HAWSER_TRACE_REFUSED); /* the second was not seen */
	expect_waits(0, 0);
	metrics_waits_close(waits);
}
