/* SPDX-License-Identifier: MIT
 *
 * A struct memory for tests. The size asked for stands in front of what it gives, and releasing with another
 * size aborts: whoever counts bytes by what he releases must know what he holds.
 */
#include "memory.h"
#include <stdio.h>
#include <stdlib.h>

enum { HEAD = 16 };

static void *test_memory_allocate(struct memory *base, size_t size)
{
	struct test_memory *memory = (struct test_memory *)(void *)base;
	char *block;

	if (++memory->allocations == memory->fail_at)
		return NULL;
	block = calloc(1, HEAD + size);
	if (!block)
		abort();
	*(size_t *)(void *)block = size;
	memory->live++;
	memory->live_bytes += size;
	return block + HEAD;
}

static void test_memory_release(struct memory *base, void *pointer, size_t size)
{
	struct test_memory *memory = (struct test_memory *)(void *)base;
	char *block = (char *)pointer - HEAD;

	if (*(size_t *)(void *)block != size) {
		fprintf(stderr, "released %zu bytes of %zu\n", size, *(size_t *)(void *)block);
		abort();
	}
	memory->live--;
	memory->live_bytes -= size;
	free(block);
}

void test_memory_init(struct test_memory *memory)
{
	*memory = (struct test_memory){
	    .memory = {.allocate = test_memory_allocate, .release = test_memory_release},
	};
}

void test_memory_end(const struct test_memory *memory)
{
	if (!memory->live && !memory->live_bytes)
		return;
	fprintf(stderr, "%lu blocks of %zu bytes were not released\n", (unsigned long)memory->live,
	    memory->live_bytes);
	abort();
}

uint64_t generator_next(struct generator *generator)
{
	uint64_t mixed = generator->state += UINT64_C(0x9E3779B97F4A7C15);

	mixed = (mixed ^ mixed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
	return mixed ^ mixed >> 31;
}

uint64_t generator_below(struct generator *generator, uint64_t limit)
{
	return (uint64_t)((unsigned __int128)generator_next(generator) * limit >> 64);
}
