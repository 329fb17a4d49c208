/* SPDX-License-Identifier: MIT
 *
 * Slots. Each one is a 16-byte head (generation, index, neighbours in the chain of free ones) with the object
 * behind it; last given back is first taken. It is no allocator for many sizes: one struct slots holds one
 * kind of object.
 *
 * Happy path: slots_take pops a free slot (after adding a chunk when there is none) and gives it the next
 * generation, so that every id given out before finds nobody; slots_give pushes it back. Generations are
 * counted over all slots, so that they need no memory of slots whose chunk was given back; after 2^32 takes
 * they come again.
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
	uint32_t generation; /* of the id that is valid now; 0: the slot is free */
	uint32_t index;
	uint32_t next_free; /* index + 1, 0: the last */
	uint32_t previous_free;
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
	char *chunk = slots->chunks[index >> chunk_shift(slots)].memory;

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

static void chunk_release(struct slots *slots, struct slots_chunk *chunk)
{
	if (chunk->memory)
		__asan_unpoison_memory_region(chunk->memory, chunk_size(slots));
	memory_release(slots->memory, chunk->memory, chunk_size(slots));
	chunk->memory = NULL;
}

void slots_destroy(struct slots *slots)
{
	for (uint32_t i = 0; i < slots->chunk_count; i++)
		chunk_release(slots, &slots->chunks[i]);
	memory_release(slots->memory, slots->chunks, slots->chunks_room * sizeof(*slots->chunks));
	slots_init(slots, slots->memory, slots->object_size, slots->chunk_slots);
}

static void chain(struct slots *slots, struct slot *slot)
{
	slot->generation = 0;
	slot->previous_free = 0;
	slot->next_free = slots->free_first;
	if (slots->free_first)
		slot_at(slots, slots->free_first - 1)->previous_free = slot->index + 1;
	slots->free_first = slot->index + 1;
	slots->free_count++;
}

static void unchain(struct slots *slots, const struct slot *slot)
{
	if (slot->previous_free)
		slot_at(slots, slot->previous_free - 1)->next_free = slot->next_free;
	else
		slots->free_first = slot->next_free;
	if (slot->next_free)
		slot_at(slots, slot->next_free - 1)->previous_free = slot->previous_free;
	slots->free_count--;
}

static bool chunks_grow(struct slots *slots)
{
	uint32_t room = slots->chunks_room ? 2 * slots->chunks_room : CHUNKS_ROOM_MIN;
	struct slots_chunk *chunks;

	if (slots->chunk_count < slots->chunks_room)
		return true;
	chunks = memory_allocate(slots->memory, room * sizeof(*chunks));
	if (!chunks)
		return false;
	if (slots->chunk_count)
		memcpy(chunks, slots->chunks, slots->chunk_count * sizeof(*chunks));
	memory_release(slots->memory, slots->chunks, slots->chunks_room * sizeof(*chunks));
	slots->chunks = chunks;
	slots->chunks_room = room;
	return true;
}

/* A place whose chunk was given back, or a new one behind the last; SLOTS_CHUNKS_MAX when there is none. */
static uint32_t chunk_place(struct slots *slots)
{
	for (uint32_t i = 0; i < slots->chunk_count; i++)
		if (!slots->chunks[i].memory)
			return i;
	if (slots->chunk_count == SLOTS_CHUNKS_MAX ||
	    (uint64_t)slots->chunk_count << chunk_shift(slots) >> SLOTS_INDEX_BITS || !chunks_grow(slots))
		return SLOTS_CHUNKS_MAX;
	slots->chunks[slots->chunk_count] = (struct slots_chunk){0};
	return slots->chunk_count;
}

static bool chunk_add(struct slots *slots)
{
	uint32_t place = chunk_place(slots);
	uint32_t first = place << chunk_shift(slots);
	void *memory;

	if (place == SLOTS_CHUNKS_MAX)
		return false;
	memory = memory_allocate(slots->memory, chunk_size(slots));
	if (!memory)
		return false;
	slots->chunks[place].memory = memory;
	if (place == slots->chunk_count)
		slots->chunk_count++;
	for (uint32_t i = slots->chunk_slots; i-- > 0;) {
		struct slot *slot = slot_at(slots, first + i);

		slot->index = first + i;
		chain(slots, slot);
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
	unchain(slots, slot);
	if (++slots->generation == 0)
		slots->generation = 1;
	slot->generation = slots->generation;
	slots->chunks[slot->index >> chunk_shift(slots)].used++;
	slots->used++;
	__asan_unpoison_memory_region(slot + 1, slots->object_size);
	memset(slot + 1, 0, slots->object_size);
	*ret_id = slot_id(slot);
	return slot + 1;
}

void *slots_get(const struct slots *slots, uint64_t id)
{
	uint32_t index = (uint32_t)id & ((UINT32_C(1) << SLOTS_INDEX_BITS) - 1);
	uint32_t place = index >> chunk_shift(slots);
	uint32_t generation = (uint32_t)(id >> 32);
	struct slot *slot;

	if (!generation || place >= slots->chunk_count || !slots->chunks[place].memory)
		return NULL;
	slot = slot_at(slots, index);
	return slot->generation == generation ? slot + 1 : NULL;
}

uint64_t slots_id(const struct slots *slots, const void *object)
{
	const struct slot *slot = slot_of(object);

	assert(slot->generation && slot == slot_at(slots, slot->index));
	(void)slots;
	return slot_id(slot);
}

/* Gives an unused chunk back when as many slots again are free, so that a load that comes and goes does not
 * allocate each time. */
static void chunk_shrink(struct slots *slots, struct slots_chunk *chunk)
{
	uint32_t first = (uint32_t)(chunk - slots->chunks) << chunk_shift(slots);

	if (chunk->used || slots->free_count < 2 * slots->chunk_slots)
		return;
	for (uint32_t i = 0; i < slots->chunk_slots; i++)
		unchain(slots, slot_at(slots, first + i));
	chunk_release(slots, chunk);
}

void slots_give(struct slots *slots, void *object)
{
	struct slot *slot = slot_of(object);
	struct slots_chunk *chunk = &slots->chunks[slot->index >> chunk_shift(slots)];

	assert(slot->generation && slot == slot_at(slots, slot->index));
	chain(slots, slot);
	chunk->used--;
	slots->used--;
	__asan_poison_memory_region(object, slots->object_size);
	chunk_shrink(slots, chunk);
}
