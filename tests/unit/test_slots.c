/* SPDX-License-Identifier: MIT
 *
 * Slots: ids that outlive their objects, growth, and every allocation failing once.
 */
#include "../support/memory.h"
#include "core/slots.h"
#include <criterion/criterion.h>
#include <string.h>

enum { OBJECT_SIZE = 40, CHUNK_SLOTS = 4, GENERATION_SHIFT = 32 };

static struct test_memory memory;
static struct slots slots;

static void slots_make(void)
{
	test_memory_init(&memory);
	slots_init(&slots, &memory.memory, OBJECT_SIZE, CHUNK_SLOTS);
}

static void slots_unmake(void)
{
	slots_destroy(&slots);
	test_memory_end(&memory);
}

TestSuite(slots, .init = slots_make, .fini = slots_unmake, .timeout = 60);

static void *take(uint64_t *ret_id)
{
	void *object = slots_take(&slots, ret_id);

	cr_assert_not_null(object);
	return object;
}

Test(slots, nothing_is_allocated_before_the_first_take)
{
	cr_assert_eq(memory.allocations, 0);
	cr_assert_null(slots_get(&slots, UINT64_C(1) << GENERATION_SHIFT));
}

Test(slots, an_object_is_found_by_its_id)
{
	uint64_t id = 0;
	void *object = take(&id);

	cr_assert_neq(id >> GENERATION_SHIFT, 0);
	cr_assert_eq(id >> SLOTS_INDEX_BITS & 0xff, 0, "bits 24..31 are free for a kind");
	cr_assert_eq(slots_get(&slots, id), object);
	cr_assert_eq(slots_get(&slots, id | UINT64_C(0xff) << SLOTS_INDEX_BITS), object);
	cr_assert_eq(slots_id(&slots, object), id);
	cr_assert_eq(slots.used, 1);
	cr_assert_eq((uintptr_t)object % 16, 0);
}

Test(slots, an_id_of_another_owner_finds_nobody)
{
	uint64_t first = 0;
	uint64_t second = 0;
	void *object = take(&first);

	slots_give(&slots, object);
	cr_assert_null(slots_get(&slots, first), "a free slot has no object");
	cr_assert_null(slots_get(&slots, first + (UINT64_C(1) << GENERATION_SHIFT)),
	    "an id that is given out later is not valid yet");
	cr_assert_eq(take(&second), object, "the last slot given back is the next one taken");
	cr_assert_neq(second, first);
	cr_assert_null(slots_get(&slots, first));
	cr_assert_eq(slots_get(&slots, second), object);
}

Test(slots, ids_never_given_out_find_nobody)
{
	uint64_t id = 0;

	take(&id);
	cr_assert_null(slots_get(&slots, 0));
	cr_assert_null(slots_get(&slots, id + 1), "a slot that was never taken");
	cr_assert_null(slots_get(&slots, id + CHUNK_SLOTS), "a chunk there is not");
	cr_assert_null(slots_get(&slots, UINT64_MAX));
}

Test(slots, objects_are_zeroed_when_taken)
{
	static const unsigned char zeroes[OBJECT_SIZE];
	uint64_t id = 0;

	for (int round = 0; round < 3; round++) {
		void *object = take(&id);

		cr_assert_arr_eq(object, zeroes, OBJECT_SIZE);
		memset(object, 0xff, OBJECT_SIZE);
		slots_give(&slots, object);
	}
}

Test(slots, growth_moves_nothing)
{
	enum { COUNT = 1000 };
	static void *objects[COUNT];
	static uint64_t ids[COUNT];

	for (int i = 0; i < COUNT; i++) {
		objects[i] = take(&ids[i]);
		memset(objects[i], i & 0xff, OBJECT_SIZE);
	}
	for (int i = 0; i < COUNT; i++) {
		cr_assert_eq(slots_get(&slots, ids[i]), objects[i]);
		cr_assert_eq(((unsigned char *)objects[i])[OBJECT_SIZE - 1], i & 0xff);
	}
	cr_assert_eq(slots.used, COUNT);
	cr_assert_eq(slots.chunk_count, COUNT / CHUNK_SLOTS);
	for (int i = 0; i < COUNT; i++)
		slots_give(&slots, objects[i]);
	cr_assert_eq(slots.used, 0);
	cr_assert_eq(slots.free_count, CHUNK_SLOTS, "one chunk is kept, the others went back");
	for (int i = 0; i < COUNT; i++)
		cr_assert_null(slots_get(&slots, ids[i]), "and nobody is found in what went back");
	for (int i = 0; i < COUNT; i++)
		objects[i] = take(&ids[i]);
	cr_assert_eq(slots.chunk_count, COUNT / CHUNK_SLOTS, "their places are used again");
	for (int i = 0; i < COUNT; i++)
		cr_assert_eq(slots_get(&slots, ids[i]), objects[i]);
}

Test(slots, each_allocation_may_fail)
{
	enum { COUNT = 65 };
	uint64_t failures = 0;

	for (uint64_t fail_at = 1; fail_at <= 30; fail_at++) {
		uint64_t id = 1234;
		int taken = 0;

		slots_destroy(&slots);
		memory.allocations = 0;
		memory.fail_at = fail_at;
		while (taken < COUNT) {
			if (slots_take(&slots, &id)) {
				taken++;
				continue;
			}
			failures++;
			cr_assert_eq((int)slots.used, taken);
			cr_assert(taken == 0 ? id == 1234 : slots_get(&slots, id) != NULL,
			    "a failure writes no id and loses nobody");
		}
	}
	cr_assert_eq(failures, 17 + 4, "65 slots are 17 chunks, and their array grew 4 times (4, 8, 16, 32)");
}

Test(slots, the_index_ends)
{
	const uint64_t places = (uint64_t)SLOTS_CHUNKS_MAX * CHUNK_SLOTS;
	uint64_t id = 0;

	for (uint64_t i = 0; i < places; i++)
		take(&id);
	cr_assert_null(slots_take(&slots, &id));
	cr_assert_eq((uint32_t)id, places - 1, "untouched");
	slots_give(&slots, slots_get(&slots, id));
	take(&id);
	cr_assert_eq((uint32_t)id, places - 1);
}

Test(slots, one_chunk_may_hold_all_of_the_index)
{
	uint64_t id = 0;

	slots_init(&slots, &memory.memory, 0, UINT32_C(1) << SLOTS_INDEX_BITS);
	for (uint32_t i = 0; i < UINT32_C(1) << SLOTS_INDEX_BITS; i++) {
		if (!slots_take(&slots, &id))
			cr_assert_fail("slot %u", i);
	}
	cr_assert_null(slots_take(&slots, &id));
	cr_assert_eq((uint32_t)id, (UINT32_C(1) << SLOTS_INDEX_BITS) - 1);
}

Test(slots, the_generation_skips_zero_when_it_wraps)
{
	uint64_t id = 0;
	char *object;

	slots.generation = UINT32_MAX - 1;
	object = take(&id);
	cr_assert_eq(id >> GENERATION_SHIFT, UINT32_MAX);
	slots_give(&slots, object);
	cr_assert_null(slots_get(&slots, id));
	cr_assert_eq(take(&id), object);
	cr_assert_eq(id >> GENERATION_SHIFT, 1);
}

Test(slots, taken_and_given_at_random_each_id_finds_its_own)
{
	enum { PLACES = 97, STEPS = 200000 };
	static struct {
		void *object;
		uint64_t id;
		uint64_t stale;
	} model[PLACES];
	struct generator generator = {42};

	for (int step = 0; step < STEPS; step++) {
		uint64_t place = generator_below(&generator, PLACES);

		if (model[place].object) {
			cr_assert_eq(slots_get(&slots, model[place].id), model[place].object);
			slots_give(&slots, model[place].object);
			model[place].object = NULL;
			model[place].stale = model[place].id;
		} else {
			model[place].object = take(&model[place].id);
		}
		place = generator_below(&generator, PLACES);
		cr_assert_null(slots_get(&slots, model[place].stale));
	}
}
