/* SPDX-License-Identifier: MIT
 *
 * Where the rooms below the public API get memory: from whoever made the loop. Core has no malloc of its own.
 */
#ifndef HAWSER_CORE_MEMORY_H
#define HAWSER_CORE_MEMORY_H

#include <stddef.h>

struct memory {
	void *(*allocate)(struct memory *memory, size_t size); /* zeroed, or NULL */
	void (*release)(struct memory *memory, void *pointer, size_t size);
};

static inline void *memory_allocate(struct memory *memory, size_t size)
{
	return memory->allocate(memory, size);
}

static inline void memory_release(struct memory *memory, void *pointer, size_t size)
{
	if (pointer)
		memory->release(memory, pointer, size);
}

#endif
