/* SPDX-License-Identifier: MIT
 *
 * Requests: found by id alone, growing and shrinking, and every allocation failing once.
 */
#include "../support/memory.h"
#include "core/requests.h"
#include <criterion/criterion.h>
#include <errno.h>

static struct test_memory memory;
static struct requests requests;

static void requests_make(void)
{
	test_memory_init(&memory);
	requests_init(&requests, &memory.memory);
}

static void requests_unmake(void)
{
	requests_destroy(&requests);
	test_memory_end(&memory);
}

TestSuite(requests, .init = requests_make, .fini = requests_unmake, .timeout = 60);

static void add(struct request *request, uint64_t id)
{
	cr_assert_eq(requests_add(&requests, request, id), 0);
	cr_assert_eq(request->id, id);
}

Test(requests, idle_costs_nothing)
{
	struct request request = {0};

	cr_assert_null(requests_find(&requests, 1));
	requests_remove(&requests, &request);
	add(&request, 1);
	cr_assert_gt(memory.live, 0);
	requests_remove(&requests, &request);
	cr_assert_eq(memory.live, 0, "the last one takes the buckets along");
	cr_assert_eq(request.id, 0);
}

Test(requests, found_by_id_in_any_order)
{
	enum { COUNT = 3000 };
	static struct request list[COUNT];

	for (uint64_t i = 0; i < COUNT; i++)
		add(&list[i], i + 1);
	cr_assert_eq(requests.count, COUNT);
	cr_assert_null(requests_find(&requests, 0));
	cr_assert_null(requests_find(&requests, COUNT + 1));
	cr_assert_null(requests_find(&requests, UINT64_MAX));
	for (uint64_t i = COUNT; i-- > 0;) {
		cr_assert_eq(requests_find(&requests, i + 1), &list[i]);
		requests_remove(&requests, &list[i]);
		cr_assert_null(requests_find(&requests, i + 1));
	}
	cr_assert_eq(requests.count, 0);
	cr_assert_eq(memory.live, 0);
}

Test(requests, removing_again_is_harmless)
{
	struct request one = {0};
	struct request two = {0};

	add(&one, 1);
	add(&two, UINT64_MAX);
	requests_remove(&requests, &one);
	requests_remove(&requests, &one);
	cr_assert_eq(requests.count, 1);
	cr_assert_eq(requests_find(&requests, UINT64_MAX), &two);
	requests_remove(&requests, &two);
	requests_remove(&requests, &two);
	cr_assert_eq(requests.count, 0);
}

Test(requests, a_table_given_up_with_requests_in_it)
{
	struct request request = {0};
	struct request other = {0};

	add(&request, 5);
	requests_destroy(&requests);
	cr_assert_eq(memory.live, 0);
	requests_remove(&requests, &request);
	add(&other, 6);
	requests_remove(&requests, &request);
	cr_assert_eq(requests_find(&requests, 6), &other);
	requests_remove(&requests, &other);
}

Test(requests, memory_follows_use)
{
	enum { COUNT = 4096 };
	static struct request list[COUNT];
	size_t most;

	for (uint64_t i = 0; i < COUNT; i++)
		add(&list[i], i + 1);
	most = memory.live_bytes;
	cr_assert_geq(requests.bucket_count, COUNT / 2);
	for (int i = 0; i < COUNT - 10; i++)
		requests_remove(&requests, &list[i]);
	cr_assert_lt(memory.live_bytes, most / 16);
	for (uint64_t i = COUNT - 10; i < COUNT; i++) {
		cr_assert_eq(requests_find(&requests, i + 1), &list[i]);
		requests_remove(&requests, &list[i]);
	}
}

static uint32_t chain_longest(void)
{
	uint32_t longest = 0;

	for (uint32_t i = 0; i < requests.bucket_count; i++) {
		uint32_t length = 0;

		for (const struct request *request = requests.buckets[i]; request; request = request->next)
			length++;
		longest = length > longest ? length : longest;
	}
	return longest;
}

Test(requests, ids_that_stay_in_steps_do_not_pile_up)
{
	enum { COUNT = 2048 };
	static struct request list[COUNT];

	for (uint64_t step = 1; step <= UINT64_C(1) << 40; step *= 2) {
		for (uint64_t i = 0; i < COUNT; i++)
			add(&list[i], (i + 1) * step);
		cr_assert_leq(chain_longest(), 16, "step %lu", step);
		for (int i = 0; i < COUNT; i++)
			requests_remove(&requests, &list[i]);
	}
}

Test(requests, each_allocation_may_fail)
{
	enum { COUNT = 100 };
	static struct request list[COUNT];
	uint64_t asked = 0;

	for (uint64_t fail_at = 1; fail_at <= 12; fail_at++) {
		struct request first = {0};

		memory.allocations = 0;
		memory.fail_at = fail_at;
		if (fail_at == 1) {
			cr_assert_eq(requests_add(&requests, &first, 1), -ENOMEM);
			cr_assert_eq(first.id, 0);
			cr_assert_eq(requests.count, 0);
		}
		for (uint64_t i = 0; i < COUNT; i++)
			add(&list[i], i + 1);
		for (uint64_t i = 0; i < COUNT; i++)
			cr_assert_eq(requests_find(&requests, i + 1), &list[i]);
		for (int i = 0; i < COUNT; i++)
			requests_remove(&requests, &list[i]);
		cr_assert_eq(requests.count, 0);
		asked = memory.allocations;
	}
	cr_assert_lt(asked, 12, "the last round had nothing left to fail");
}
