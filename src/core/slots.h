/* SPDX-License-Identifier: MIT
 *
 * Slots: objects of one size in chunks that never move, each with a generation that changes whenever the slot
 * changes hands. An id names slot and generation, so that a completion which comes late for somebody finds
 * nobody instead of a stranger. Memory grows a chunk at a time with use; a chunk that nobody uses any more
 * goes back when as much again is free.
 */
#ifndef HAWSER_CORE_SLOTS_H
#define HAWSER_CORE_SLOTS_H

#include "core/memory.h"
#include <stdint.h>

enum { SLOTS_INDEX_BITS = 24, SLOTS_CHUNKS_MAX = 4096 };

struct slots_chunk {
	void *memory; /* NULL: given back */
	uint32_t used;
};

struct slots {
	struct memory *memory;
	size_t object_size;   /* rounded up to 16 */
	uint32_t chunk_count; /* places in chunks that are or were in use */
	uint32_t chunk_slots; /* slots in a chunk, a power of two */
	uint32_t free_first;  /* index + 1 of the first free slot, 0: none */
	uint32_t free_count;
	uint32_t used;
	uint32_t chunks_room;
	uint32_t generation; /* of the slot that was taken last */
	struct slots_chunk *chunks;
};

/* Cannot fail: nothing is allocated before the first slots_take. */
void slots_init(struct slots *slots, struct memory *memory, size_t object_size, uint32_t chunk_slots);
void slots_destroy(struct slots *slots);

/* A zeroed object and its id (generation in the high 32 bits and never 0, index in the low 24; bits 24..31
 * are 0 and free for a kind). NULL: no memory, or 2^24 slots. */
void *slots_take(struct slots *slots, uint64_t *ret_id);

/* The object, or NULL when it has been given back since (or never was). Bits 24..31 of id are ignored. */
void *slots_get(const struct slots *slots, uint64_t id);

/* The id of an object that is taken. */
uint64_t slots_id(const struct slots *slots, const void *object);

void slots_give(struct slots *slots, void *object);

#endif
