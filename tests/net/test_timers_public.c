/* SPDX-License-Identifier: MIT
 *
 * The timers that users have. Behaviours D5 to D8.
 */
#include "../support/bed.h"

#include <errno.h>
#include <unistd.h>

struct ticker {
	struct bed *bed;
	hawser_timer *timer;
	uint64_t at_ns[8];
	int ticks;
	int busy_ms;
	int end; /* free itself at this tick */
};

static void tick(hawser_timer *timer, void *user)
{
	struct ticker *ticker = user;

	cr_assert_eq(timer, ticker->timer);
	ticker->at_ns[ticker->ticks++] = hawser_loop_now_ns(ticker->bed->loop);
	usleep((unsigned)ticker->busy_ms * 1000);
	if (ticker->ticks == ticker->end) {
		hawser_timer_free(timer);
		ticker->timer = NULL;
	}
}

CLIENT_TEST(public_timers, d5_a_periodic_timer_does_not_catch_up)
{
	struct ticker ticker = {.bed = bed, .busy_ms = 40, .end = 4};

	cr_assert_eq(hawser_timer_new(bed->loop, 10000000, 10000000, tick, &ticker, &ticker.timer), 0);
	cr_assert_eq(hawser_loop_run(bed->loop), 0, "returns when the last timer is gone");
	cr_assert_eq(ticker.ticks, 4);
	for (int i = 1; i < 4; i++)
		cr_assert_geq(ticker.at_ns[i] - ticker.at_ns[i - 1], 40000000ULL, "no burst of missed ticks");
}

CLIENT_TEST(public_timers, d8_a_timer_frees_itself_in_its_callback)
{
	struct ticker ticker = {.bed = bed, .end = 1};

	cr_assert_eq(hawser_timer_new(bed->loop, 0, 1000000, tick, &ticker, &ticker.timer), 0);
	bed_run_ms(bed, 20);
	cr_assert_eq(ticker.ticks, 1);
	cr_assert_null(ticker.timer);
}

struct numbered {
	struct bed *bed;
	int number;
};

static void note_timer(hawser_timer *timer, void *user)
{
	struct numbered *numbered = user;

	(void)timer;
	bed_note(numbered->bed, "timer %d", numbered->number);
}

CLIENT_TEST(public_timers, d6_d7_equal_deadlines_fire_in_order_and_a_cancelled_one_never)
{
	struct numbered order[8];
	hawser_timer *timers[8];

	for (int i = 0; i < 8; i++) {
		order[i] = (struct numbered){bed, i};
		cr_assert_eq(hawser_timer_new(bed->loop, 0, 0, note_timer, &order[i], &timers[i]), 0);
	}
	hawser_timer_free(timers[3]);
	for (int i = 0; i < 5; i++)
		bed_settle(bed);
	cr_assert_str_eq(bed->log, "timer 0\ntimer 1\ntimer 2\ntimer 4\ntimer 5\ntimer 6\ntimer 7\n");
	cr_assert_eq(hawser_timer_restart(timers[0], 0, 0), 0);
	bed_wait(bed, "timer 7\ntimer 0\n");
	for (int i = 0; i < 8; i++)
		if (i != 3)
			hawser_timer_free(timers[i]);
	cr_assert_eq(hawser_timer_new(bed->loop, 0, 0, NULL, NULL, timers), -EINVAL);
}

CLIENT_TEST(public_timers, a_period_or_delay_beyond_the_end_of_the_clock_never_comes)
{
	struct numbered once = {bed, 1};
	struct numbered never = {bed, 2};
	hawser_timer *timers[2];

	cr_assert_eq(hawser_timer_new(bed->loop, 0, UINT64_MAX, note_timer, &once, &timers[0]), 0);
	cr_assert_eq(hawser_timer_new(bed->loop, UINT64_MAX, 0, note_timer, &never, &timers[1]), 0);
	bed_wait(bed, "timer 1");
	bed_settle(bed);
	cr_assert_eq(hawser_timer_restart(timers[1], UINT64_MAX - 1, 1), 0);
	bed_run_ms(bed, 20);
	cr_assert_str_eq(bed->log, "timer 1\n");
	for (int i = 0; i < 2; i++)
		hawser_timer_free(timers[i]);
}

CLIENT_TEST(public_timers, one_without_memory_is_enomem_and_changes_nothing)
{
	/* The heap; the array of chunks, now that there is a heap; a chunk, now that there is an array. */
	const long refused[] = {1, 2, 2};
	struct numbered one = {bed, 1};
	hawser_timer *timer = NULL;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		bed->refuse_at = refused[i];
		cr_assert_eq(hawser_timer_new(bed->loop, 0, 0, note_timer, &one, &timer), -ENOMEM, "%zu", i);
		bed->refuse_at = 0;
		cr_assert_null(timer);
	}
	bed_settle(bed);
	cr_assert_eq(bed->length, 0);
	cr_assert_eq(hawser_timer_new(bed->loop, 0, 0, note_timer, &one, &timer), 0);
	bed_wait(bed, "timer 1");
	hawser_timer_free(timer);
}

CLIENT_TEST(public_timers, what_is_missing_is_einval_and_a_freed_loop_estale)
{
	struct numbered one = {bed, 1};
	hawser_timer *timer = NULL;
	hawser_timer *other = NULL;

	cr_assert_eq(hawser_timer_new(bed->loop, 0, 0, NULL, NULL, &timer), -EINVAL);
	cr_assert_eq(hawser_timer_new(bed->loop, 0, 0, note_timer, &one, NULL), -EINVAL);
	cr_assert_null(timer);
	cr_assert_eq(hawser_timer_new(bed->loop, 3600000000000, 0, note_timer, &one, &timer), 0);
	bed->loop_gone = true;
	hawser_loop_free(bed->loop);
	cr_assert_eq(hawser_timer_restart(timer, 0, 0), -ESTALE);
	cr_assert_eq(hawser_timer_new(bed->loop, 0, 0, note_timer, &one, &other), -ESTALE);
	cr_assert_null(other);
	hawser_timer_free(timer);
	hawser_timer_free(NULL);
	cr_assert_eq(bed->length, 0);
}
