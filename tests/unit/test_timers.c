/* SPDX-License-Identifier: MIT
 *
 * Timers: order, FIFO among equal deadlines, real cancelling, and a model that keeps a plain array.
 */
#include "../support/memory.h"
#include "core/timers.h"
#include <criterion/criterion.h>
#include <errno.h>

static struct test_memory memory;
static struct timers timers;

static void timers_make(void)
{
	test_memory_init(&memory);
	timers_init(&timers, &memory.memory);
}

static void timers_unmake(void)
{
	timers_destroy(&timers);
	test_memory_end(&memory);
}

TestSuite(timers, .init = timers_make, .fini = timers_unmake, .timeout = 60);

static void reserve(uint32_t count)
{
	cr_assert_eq(timers_reserve(&timers, count), 0);
}

static struct timer *take(uint64_t now_ns)
{
	return timers_take(&timers, now_ns, UINT64_MAX);
}

Test(timers, nothing_armed)
{
	struct timer timer = {0};

	cr_assert_eq(timers_next(&timers), UINT64_MAX);
	cr_assert_null(take(UINT64_MAX));
	cr_assert_not(timer_armed(&timer));
	timers_cancel(&timers, &timer);
	cr_assert_eq(memory.allocations, 0);
}

Test(timers, only_what_is_due_is_taken)
{
	struct timer timer = {0};

	reserve(1);
	timers_arm(&timers, &timer, 100);
	cr_assert(timer_armed(&timer));
	cr_assert_eq(timers_next(&timers), 100);
	cr_assert_null(take(99));
	cr_assert_eq(take(100), &timer);
	cr_assert_not(timer_armed(&timer));
	cr_assert_eq(timers_next(&timers), UINT64_MAX);
}

Test(timers, d6_equal_deadlines_fire_in_order)
{
	enum { COUNT = 500 };
	static struct timer list[COUNT];

	reserve(COUNT);
	for (int i = 0; i < COUNT; i++)
		timers_arm(&timers, &list[i], 7);
	for (int i = 0; i < COUNT; i++)
		cr_assert_eq(take(7), &list[i]);
	cr_assert_null(take(7));
}

Test(timers, d6_order_holds_through_cancelling_and_arming_anew)
{
	enum { COUNT = 300 };
	static struct timer list[COUNT];

	reserve(COUNT);
	for (int i = 0; i < COUNT; i++)
		timers_arm(&timers, &list[i], 7);
	for (int i = 0; i < COUNT; i += 3)
		timers_cancel(&timers, &list[i]);
	for (int i = 1; i < COUNT; i += 3)
		timers_arm(&timers, &list[i], 7);
	for (int i = COUNT - 3; i >= 0; i -= 3)
		timers_arm(&timers, &list[i], 7);
	for (int i = 2; i < COUNT; i += 3)
		cr_assert_eq(take(7), &list[i], "those left alone keep their places");
	for (int i = 1; i < COUNT; i += 3)
		cr_assert_eq(take(7), &list[i], "those moved stand behind them");
	for (int i = COUNT - 3; i >= 0; i -= 3)
		cr_assert_eq(take(7), &list[i], "those cancelled and armed again come last, as armed");
	cr_assert_eq(timers.count, 0);
}

Test(timers, d7_cancel_leaves_nothing_behind)
{
	enum { COUNT = 200 };
	static struct timer list[COUNT];

	reserve(COUNT);
	for (uint64_t i = 0; i < COUNT; i++)
		timers_arm(&timers, &list[i], 10 + i);
	for (int i = 0; i < COUNT - 1; i++) {
		timers_cancel(&timers, &list[i]);
		cr_assert_not(timer_armed(&list[i]));
		cr_assert_eq(timers.count, (uint32_t)(COUNT - 1 - i), "it left the heap at once");
		cr_assert_eq(timers_next(&timers), 10 + (uint64_t)i + 1, "and does not wake the loop");
	}
	timers_cancel(&timers, &list[COUNT - 1]);
	cr_assert_eq(timers_next(&timers), UINT64_MAX);
	cr_assert_null(take(UINT64_MAX));
}

Test(timers, d7_cancelled_owners_may_be_gone)
{
	struct timer kept = {0};
	struct timer *gone = memory_allocate(&memory.memory, sizeof(*gone));

	reserve(2);
	timers_arm(&timers, &kept, 20);
	timers_arm(&timers, gone, 10);
	timers_cancel(&timers, gone);
	memory_release(&memory.memory, gone, sizeof(*gone));
	cr_assert_eq(take(30), &kept);
}

Test(timers, a_moved_timer_fires_once_at_its_new_deadline)
{
	struct timer early = {0};
	struct timer late = {0};

	reserve(2);
	timers_arm(&timers, &early, 10);
	timers_arm(&timers, &late, 20);
	timers_arm(&timers, &early, 30);
	cr_assert_eq(timers.count, 2);
	cr_assert_eq(timers_next(&timers), 20);
	timers_arm(&timers, &early, 5);
	cr_assert_eq(take(40), &early);
	cr_assert_eq(take(40), &late);
	cr_assert_null(take(40));
}

Test(timers, a_turn_does_not_take_what_it_armed)
{
	enum { COUNT = 40 };
	static struct timer old[COUNT];
	static struct timer fresh[COUNT];
	uint64_t turn;

	reserve(2 * COUNT);
	for (uint64_t i = 0; i < COUNT; i++)
		timers_arm(&timers, &old[i], 100 + i);
	turn = timers.sequence;
	for (uint64_t i = 0; i < COUNT; i++)
		timers_arm(&timers, &fresh[i], 90 + i % 20);
	for (int i = 0; i < COUNT; i++)
		cr_assert_eq(timers_take(&timers, 200, turn), &old[i], "behind earlier ones armed since");
	cr_assert_null(timers_take(&timers, 200, turn));
	cr_assert_eq(timers.count, COUNT);
	for (int i = 0; i < 20; i++) {
		cr_assert_eq(timers_take(&timers, 200, timers.sequence), &fresh[i]);
		cr_assert_eq(timers_take(&timers, 200, timers.sequence), &fresh[i + 20]);
	}
}

Test(timers, reserve_promises_or_fails_and_changes_nothing)
{
	enum { COUNT = 17 };
	static struct timer list[COUNT];

	memory.fail_at = 1;
	cr_assert_eq(timers_reserve(&timers, 16), -ENOMEM);
	cr_assert_eq(timers.reserved, 0);
	reserve(16);
	for (uint64_t i = 0; i < 16; i++)
		timers_arm(&timers, &list[i], 100 - i);
	memory.fail_at = memory.allocations + 1;
	cr_assert_eq(timers_reserve(&timers, 1), -ENOMEM);
	cr_assert_eq(timers_reserve(&timers, UINT32_MAX), -ENOMEM, "more than can be counted");
	cr_assert_eq(timers.reserved, 16);
	cr_assert_eq(timers_next(&timers), 85);
	reserve(1);
	timers_arm(&timers, &list[16], 1);
	cr_assert_eq(take(1), &list[16]);
	for (int i = 15; i >= 0; i--)
		cr_assert_eq(take(100), &list[i]);
	timers_unreserve(&timers, 17);
	cr_assert_eq(timers.reserved, 0);
	memory.fail_at = memory.allocations + 1;
	reserve(17);
	cr_assert_eq(memory.fail_at, memory.allocations + 1, "the places are kept for the next");
}

enum { MODEL_TIMERS = 400, MODEL_STEPS = 100000 };

static struct timer model[MODEL_TIMERS];

static struct timer *model_first(uint64_t now_ns, uint64_t before_sequence)
{
	struct timer *first = NULL;

	for (int i = 0; i < MODEL_TIMERS; i++) {
		struct timer *timer = &model[i];

		if (!timer_armed(timer) || timer->deadline_ns > now_ns || timer->sequence >= before_sequence)
			continue;
		if (!first || timer->deadline_ns < first->deadline_ns ||
		    (timer->deadline_ns == first->deadline_ns && timer->sequence < first->sequence))
			first = timer;
	}
	return first;
}

static uint32_t model_armed(void)
{
	uint32_t armed = 0;

	for (int i = 0; i < MODEL_TIMERS; i++)
		armed += timer_armed(&model[i]);
	return armed;
}

static void model_step(struct generator *generator, uint64_t now_ns)
{
	struct timer *timer = &model[generator_below(generator, MODEL_TIMERS)];
	uint64_t choice = generator_below(generator, 8);
	uint64_t ahead = generator_below(generator, 64);
	uint64_t back = generator_below(generator, 2) ? generator_below(generator, 30) : 0;
	uint64_t turn = timers.sequence > back ? timers.sequence - back : 0;
	const struct timer *first;

	if (choice < 4) {
		timers_arm(&timers, timer, now_ns + ahead);
	} else if (choice < 6) {
		timers_cancel(&timers, timer);
		cr_assert_not(timer_armed(timer));
	} else {
		first = model_first(now_ns, turn);
		cr_assert_eq(timers_take(&timers, now_ns, turn), first);
		cr_assert(!first || !timer_armed(first));
	}
}

Test(timers, the_heap_agrees_with_a_plain_array)
{
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct generator generator = {seed};
		uint64_t now_ns = 0;
		const struct timer *first;

		reserve(MODEL_TIMERS);
		for (int step = 0; step < MODEL_STEPS / 3; step++) {
			model_step(&generator, now_ns);
			now_ns += generator_below(&generator, 3) == 0;
			first = model_first(UINT64_MAX, UINT64_MAX);
			cr_assert_eq(timers_next(&timers), first ? first->deadline_ns : UINT64_MAX);
		}
		cr_assert_eq(timers.count, model_armed());
		cr_assert_gt(timers.count, 20, "the mix keeps some armed");
		while ((first = model_first(UINT64_MAX, UINT64_MAX)))
			cr_assert_eq(take(UINT64_MAX), first);
		cr_assert_eq(timers.count, 0);
		timers_unreserve(&timers, MODEL_TIMERS);
	}
}
