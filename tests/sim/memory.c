/* SPDX-License-Identifier: MIT
 *
 * Every block is filled with rubbish when it is given and when it comes back, and must come back with the
 * size that was asked for.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER = 16, FILL_MAX = 1024 };

static void *allocate(size_t size, void *user)
{
	struct world *world = user;
	struct memory_account *memory = &world->memory;
	bool fails = memory->fail_in && --memory->fail_in == 0;
	uint8_t *block;

	if (!fails && memory->fail_per_mille && !memory->spared)
		fails = draw_below(world, 1000) < memory->fail_per_mille;
	if (fails && !memory->spared) {
		memory->failures++;
		trace(world, TRACE_allocator_fails, size, 0, 0);
		return NULL;
	}
	block = malloc(size + HEADER);
	if (!block)
		violated(world, "simulator: no memory");
	memcpy(block, &size, sizeof(size));
	memset(block + HEADER, 0xa5, size < FILL_MAX ? size : FILL_MAX);
	memory->held += size;
	memory->blocks++;
	return block + HEADER;
}

static void release(void *pointer, size_t size, void *user)
{
	struct world *world = user;
	uint8_t *block = (uint8_t *)pointer - HEADER;
	size_t asked;

	memcpy(&asked, block, sizeof(asked));
	if (asked != size)
		violated(world, "memory: a block of %zu bytes is given back as one of %zu", asked, size);
	memset(block, 0xdd, HEADER + (size < FILL_MAX ? size : FILL_MAX));
	world->memory.held -= size;
	world->memory.blocks--;
	free(block);
}

struct hawser_allocator memory_allocator(struct world *world)
{
	return (struct hawser_allocator){allocate, release, world};
}
