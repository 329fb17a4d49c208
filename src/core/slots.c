/* SPDX-License-Identifier: MIT
 *
 * Slots. Each one is a 16-byte head (generation, index, next free) with the object behind it; free slots are
 * chained through their heads, last given back first taken. It is no allocator for many sizes: one struct
 * slots holds one kind of object.
 *
 * Happy path: slots_take pops a free slot (after adding a chunk when there is none), slots_give changes the
 * generation, so that every id given out before finds nobody, and pushes it back.
 *
 * Failures: no memory for a chunk or for the array of chunks, or the index is used up: slots_take answers
 * NULL and nothing has changed but perhaps the room of the array.
 */
#include "core/slots.h"
#include <assert.h>
#include <stdbool.h>
#include <string.h>

enum { ALIGNMENT = 16, CHUNKS_ROOM_MIN = 4 };

struct slot {
	uint32_t generation; /* of the ids that are valid now, or will be at the next take; never 0 */
	uint32_t index;
	uint32_t next_free; /* index + 1, 0: the last */
	uint32_t taken;
};

_Static_assert(sizeof(struct slot) == ALIGNMENT, "the object behind the head is aligned");

/* An object given back stays in its chunk instead of being freed, which would hide a use after the end from
 * AddressSanitizer: it is told. */
#if defined(__SANITIZE_ADDRESS__)
#define SLOTS_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLOTS_POISON 1
#endif
#endif

#ifdef SLOTS_POISON
void __asan_poison_memory_region(void const volatile *address, size_t size);
void __asan_unpoison_memory_region(void const volatile *address, size_t size);
#else
#define __asan_poison_memory_region(address, size) ((void)(address), (void)(size))
#define __asan_unpoison_memory_region(address, size) ((void)(address), (void)(size))
#endif

static uint32_t chunk_shift(const struct slots *slots)
{
	return (uint32_t)__builtin_ctz(slots->chunk_slots);
}

static size_t slot_size(const struct slots *slots)
{
	return sizeof(struct slot) + slots->object_size;
}

static size_t chunk_size(const struct slots *slots)
{
	return slots->chunk_slots * slot_size(slots);
}

static struct slot *slot_at(const struct slots *slots, uint32_t index)
{
	char *chunk = slots->chunks[index >> chunk_shift(slots)];

	return (struct slot *)(void *)(chunk + (index & (slots->chunk_slots - 1)) * slot_size(slots));
}

static struct slot *slot_of(const void *object)
{
	return (struct slot *)(void *)((char *)(uintptr_t)object - sizeof(struct slot));
}

static uint64_t slot_id(const struct slot *slot)
{
	return (uint64_t)slot->generation << 32 | slot->index;
}

void slots_init(struct slots *slots, struct memory *memory, size_t object_size, uint32_t chunk_slots)
{
	assert(chunk_slots && (chunk_slots & (chunk_slots - 1)) == 0 &&
	       chunk_slots <= UINT32_C(1) << SLOTS_INDEX_BITS);
	*slots = (struct slots){
	    .memory = memory,
	    .object_size = (object_size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT,
	    .chunk_slots = chunk_slots,
	};
}

void slots_destroy(struct slots *slots)
{
	for (uint32_t i = 0; i < slots->chunk_count; i++) {
		__asan_unpoison_memory_region(slots->chunks[i], chunk_size(slots));
		memory_release(slots->memory, slots->chunks[i], chunk_size(slots));
	}
	memory_release(slots->memory, slots->chunks, slots->chunks_room * sizeof(void *));
	slots_init(slots, slots->memory, slots->object_size, slots->chunk_slots);
}

static bool chunks_grow(struct slots *slots)
{
	uint32_t room = slots->chunks_room ? 2 * slots->chunks_room : CHUNKS_ROOM_MIN;
	void **chunks;

	if (slots->chunk_count < slots->chunks_room)
		return true;
	chunks = memory_allocate(slots->memory, room * sizeof(void *));
	if (!chunks)
		return false;
	if (slots->chunk_count)
		memcpy(chunks, slots->chunks, slots->chunk_count * sizeof(void *));
	memory_release(slots->memory, slots->chunks, slots->chunks_room * sizeof(void *));
	slots->chunks = chunks;
	slots->chunks_room = room;
	return true;
}

static bool chunk_add(struct slots *slots)
{
	uint32_t first = slots->chunk_count << chunk_shift(slots);
	void *chunk;

	if (slots->chunk_count == SLOTS_CHUNKS_MAX || first >> SLOTS_INDEX_BITS || !chunks_grow(slots))
		return false;
	chunk = memory_allocate(slots->memory, chunk_size(slots));
	if (!chunk)
		return false;
	slots->chunks[slots->chunk_count++] = chunk;
	for (uint32_t i = slots->chunk_slots; i-- > 0;) {
		struct slot *slot = slot_at(slots, first + i);

		slot->generation = 1;
		slot->index = first + i;
		slot->next_free = slots->free_first;
		slots->free_first = first + i + 1;
		__asan_poison_memory_region(slot + 1, slots->object_size);
	}
	return true;
}

void *slots_take(struct slots *slots, uint64_t *ret_id)
{
	struct slot *slot;

	if (!slots->free_first && !chunk_add(slots))
		return NULL;
	slot = slot_at(slots, slots->free_first - 1);
	slots->free_first = slot->next_free;
	slots->used++;
	slot->taken = 1;
	__asan_unpoison_memory_region(slot + 1, slots->object_size);
	memset(slot + 1, 0, slots->object_size);
	*ret_id = slot_id(slot);
	return slot + 1;
}

void *slots_get(const struct slots *slots, uint64_t id)
{
	uint32_t index = (uint32_t)id & ((UINT32_C(1) << SLOTS_INDEX_BITS) - 1);
	struct slot *slot;

	if (index >> chunk_shift(slots) >= slots->chunk_count)
		return NULL;
	slot = slot_at(slots, index);
	return slot->taken && slot->generation == (uint32_t)(id >> 32) ? slot + 1 : NULL;
}

uint64_t slots_id(const struct slots *slots, const void *object)
{
	const struct slot *slot = slot_of(object);

	assert(slot->taken && slot == slot_at(slots, slot->index));
	(void)slots;
	return slot_id(slot);
}

void slots_give(struct slots *slots, void *object)
{
	struct slot *slot = slot_of(object);

	assert(slot->taken && slot == slot_at(slots, slot->index));
	slot->taken = 0;
	if (++slot->generation == 0)
		slot->generation = 1;
	slot->next_free = slots->free_first;
	slots->free_first = slot->index + 1;
	slots->used--;
	__asan_poison_memory_region(object, slots->object_size);
}
