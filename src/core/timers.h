/* SPDX-License-Identifier: MIT
 *
 * Deadlines in a 4-ary heap of pointers, FIFO among equal ones. Four children a node: half the levels of a
 * binary heap, and siblings share a cache line. A cancelled timer leaves the heap at once.
 */
#ifndef HAWSER_CORE_TIMERS_H
#define HAWSER_CORE_TIMERS_H

#include "core/memory.h"
#include <stdbool.h>
#include <stdint.h>

/* Lives in its owner. Zeroed is disarmed. */
struct timer {
	uint64_t deadline_ns;
	uint64_t sequence;
	uint32_t position; /* in the heap, from 1; 0: not armed */
	void (*expired)(struct timer *timer);
};

struct timers {
	struct memory *memory;
	struct timer **heap;
	uint32_t count;
	uint32_t room;
	uint32_t reserved; /* timers that were promised a place */
	uint64_t sequence;
};

void timers_init(struct timers *timers, struct memory *memory);
void timers_destroy(struct timers *timers);

/* Promises places for count more timers, so that timers_arm cannot fail. 0 or -ENOMEM. */
int timers_reserve(struct timers *timers, uint32_t count);
void timers_unreserve(struct timers *timers, uint32_t count);

/* Arms, or moves to a new deadline (and behind those that have the same one). */
void timers_arm(struct timers *timers, struct timer *timer, uint64_t deadline_ns);
void timers_cancel(struct timers *timers, struct timer *timer);
static inline bool timer_armed(const struct timer *timer)
{
	return timer->position != 0;
}

/* The next deadline, UINT64_MAX when there is none. */
uint64_t timers_next(const struct timers *timers);

/* Takes the first timer whose deadline is not after now_ns and which was armed before `before_sequence` (so
 * that a turn does not run timers armed in it), or NULL. It is disarmed. */
struct timer *timers_take(struct timers *timers, uint64_t now_ns, uint64_t before_sequence);

#endif
