/* SPDX-License-Identifier: MIT
 *
 * Timers: a 4-ary heap ordered by deadline, then by the order of arming. It knows no clock and calls nobody:
 * its user takes what is due and runs it.
 *
 * Happy path: timers_reserve when the owner of a timer is made, timers_arm and timers_cancel as often as one
 * likes, timers_take until it answers NULL.
 *
 * Failures: timers_reserve alone can fail, and then has promised nothing.
 */
#include "core/timers.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

enum { CHILDREN = 4, ROOM_MIN = 16 };

static bool timer_before(const struct timer *left, const struct timer *right)
{
	if (left->deadline_ns != right->deadline_ns)
		return left->deadline_ns < right->deadline_ns;
	return left->sequence < right->sequence;
}

static void timer_put(struct timers *timers, struct timer *timer, uint32_t index)
{
	timers->heap[index] = timer;
	timer->position = index + 1;
}

static void timer_rise(struct timers *timers, struct timer *timer, uint32_t index)
{
	while (index) {
		uint32_t parent = (index - 1) / CHILDREN;

		if (!timer_before(timer, timers->heap[parent]))
			break;
		timer_put(timers, timers->heap[parent], index);
		index = parent;
	}
	timer_put(timers, timer, index);
}

static uint32_t children_end(const struct timers *timers, uint64_t first)
{
	uint64_t end = first + CHILDREN;

	return end < timers->count ? (uint32_t)end : timers->count;
}

static void timer_sink(struct timers *timers, struct timer *timer, uint32_t index)
{
	for (;;) {
		uint64_t first = (uint64_t)index * CHILDREN + 1;
		uint32_t least = (uint32_t)first;

		if (first >= timers->count)
			break;
		for (uint32_t child = least + 1; child < children_end(timers, first); child++) {
			if (timer_before(timers->heap[child], timers->heap[least]))
				least = child;
		}
		if (!timer_before(timers->heap[least], timer))
			break;
		timer_put(timers, timers->heap[least], index);
		index = least;
	}
	timer_put(timers, timer, index);
}

/* Puts the timer where it belongs, having stood at index or being put there anew. */
static void timer_place(struct timers *timers, struct timer *timer, uint32_t index)
{
	if (index && timer_before(timer, timers->heap[(index - 1) / CHILDREN]))
		timer_rise(timers, timer, index);
	else
		timer_sink(timers, timer, index);
}

void timers_init(struct timers *timers, struct memory *memory)
{
	*timers = (struct timers){.memory = memory};
}

void timers_destroy(struct timers *timers)
{
	memory_release(timers->memory, timers->heap, timers->room * sizeof(struct timer *));
	timers_init(timers, timers->memory);
}

int timers_reserve(struct timers *timers, uint32_t count)
{
	uint64_t wanted = (uint64_t)timers->reserved + count;
	uint64_t room = timers->room ? timers->room : ROOM_MIN;
	struct timer **heap;

	if (wanted > UINT32_MAX / 2)
		return -ENOMEM;
	if (wanted <= timers->room) {
		timers->reserved = (uint32_t)wanted;
		return 0;
	}
	while (room < wanted)
		room *= 2;
	heap = memory_allocate(timers->memory, room * sizeof(struct timer *));
	if (!heap)
		return -ENOMEM;
	if (timers->count)
		memcpy(heap, timers->heap, timers->count * sizeof(struct timer *));
	memory_release(timers->memory, timers->heap, timers->room * sizeof(struct timer *));
	timers->heap = heap;
	timers->room = (uint32_t)room;
	timers->reserved = (uint32_t)wanted;
	return 0;
}

void timers_unreserve(struct timers *timers, uint32_t count)
{
	assert(count <= timers->reserved && timers->count <= timers->reserved - count);
	timers->reserved -= count;
}

void timers_arm(struct timers *timers, struct timer *timer, uint64_t deadline_ns)
{
	timer->deadline_ns = deadline_ns;
	timer->sequence = timers->sequence++;
	if (timer->position) {
		timer_place(timers, timer, timer->position - 1);
		return;
	}
	assert(timers->count < timers->reserved);
	timers->count++;
	timer_rise(timers, timer, timers->count - 1);
}

void timers_cancel(struct timers *timers, struct timer *timer)
{
	uint32_t index = timer->position - 1;
	struct timer *last;

	if (!timer->position)
		return;
	assert(timers->heap[index] == timer);
	timer->position = 0;
	last = timers->heap[--timers->count];
	if (last != timer)
		timer_place(timers, last, index);
}

uint64_t timers_next(const struct timers *timers)
{
	return timers->count ? timers->heap[0]->deadline_ns : UINT64_MAX;
}

/* The first timer at or below index that is due and old enough. It looks below a timer only when that one is
 * due but was armed too late, which is rare: the deadline of a timer armed in this turn is seldom past. */
static struct timer *timers_find(
    const struct timers *timers, uint32_t index, uint64_t now_ns, uint64_t before_sequence)
{
	struct timer *timer = timers->heap[index];
	uint64_t first = (uint64_t)index * CHILDREN + 1;
	struct timer *found = NULL;

	if (timer->deadline_ns > now_ns)
		return NULL;
	if (timer->sequence < before_sequence)
		return timer;
	for (uint64_t child = first; child < children_end(timers, first); child++) {
		struct timer *candidate = timers_find(timers, (uint32_t)child, now_ns, before_sequence);

		if (candidate && (!found || timer_before(candidate, found)))
			found = candidate;
	}
	return found;
}

struct timer *timers_take(struct timers *timers, uint64_t now_ns, uint64_t before_sequence)
{
	struct timer *timer = timers->count ? timers_find(timers, 0, now_ns, before_sequence) : NULL;

	if (timer)
		timers_cancel(timers, timer);
	return timer;
}
