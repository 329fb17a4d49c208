/* SPDX-License-Identifier: MIT
 *
 * A binary heap of deadlines on the monotonic clock.
 *
 * Happy path: timers_arm() puts one in, timers_wait_ms() bounds the wait, timers_take() gives the due ones
 * in order.
 * Failures: at TIMERS_MAX arming is refused, so that clients that ask for delays cannot grow the heap; the
 * caller then rejects the call. timers_cancel() looks at every timer, which only connections that armed some
 * pay for.
 */
#include "timers.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

enum { CAPACITY_FIRST = 64 };

uint64_t timers_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int timer_before(const struct timer *a, const struct timer *b)
{
	if (a->deadline_ms != b->deadline_ms)
		return a->deadline_ms < b->deadline_ms;
	return a->sequence < b->sequence;
}

static void timers_swap(struct timers *timers, size_t a, size_t b)
{
	struct timer kept = timers->heap[a];
	timers->heap[a] = timers->heap[b];
	timers->heap[b] = kept;
}

static void timers_sift_up(struct timers *timers, size_t at)
{
	while (at > 0 && timer_before(&timers->heap[at], &timers->heap[(at - 1) / 2])) {
		timers_swap(timers, at, (at - 1) / 2);
		at = (at - 1) / 2;
	}
}

static void timers_sift_down(struct timers *timers, size_t at)
{
	for (;;) {
		size_t first = at;
		for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < timers->count; child++)
			if (timer_before(&timers->heap[child], &timers->heap[first]))
				first = child;
		if (first == at)
			return;
		timers_swap(timers, at, first);
		at = first;
	}
}

static int timers_reserve(struct timers *timers)
{
	if (timers->count < timers->capacity)
		return 0;
	if (timers->capacity == TIMERS_MAX)
		return -ENOBUFS;
	size_t capacity = timers->capacity > 0 ? timers->capacity * 2 : CAPACITY_FIRST;
	struct timer *heap = realloc(timers->heap, capacity * sizeof(*heap));
	if (heap == NULL)
		return -ENOMEM;
	timers->heap = heap;
	timers->capacity = capacity;
	return 0;
}

int timers_arm(struct timers *timers, uint64_t delay_ms, enum timer_kind kind, void *owner, uint64_t value)
{
	int error = timers_reserve(timers);
	if (error < 0)
		return error;
	timers->heap[timers->count] = (struct timer){
	    .deadline_ms = timers_now_ms() + delay_ms,
	    .sequence = timers->sequence++,
	    .kind = kind,
	    .owner = owner,
	    .value = value,
	};
	timers_sift_up(timers, timers->count++);
	return 0;
}

int timers_take(struct timers *timers, uint64_t now_ms, struct timer *ret_timer)
{
	if (timers->count == 0 || timers->heap[0].deadline_ms > now_ms)
		return -EAGAIN;
	*ret_timer = timers->heap[0];
	timers->heap[0] = timers->heap[--timers->count];
	timers_sift_down(timers, 0);
	return 0;
}

int timers_wait_ms(const struct timers *timers, uint64_t now_ms)
{
	if (timers->count == 0)
		return -1;
	uint64_t deadline_ms = timers->heap[0].deadline_ms;
	if (deadline_ms <= now_ms)
		return 0;
	return deadline_ms - now_ms < INT_MAX ? (int)(deadline_ms - now_ms) : INT_MAX;
}

void timers_cancel(struct timers *timers, const void *owner)
{
	size_t kept = 0;
	for (size_t i = 0; i < timers->count; i++)
		if (timers->heap[i].owner != owner)
			timers->heap[kept++] = timers->heap[i];
	timers->count = kept;
	for (size_t i = kept / 2; i-- > 0;)
		timers_sift_down(timers, i);
}

void timers_free(struct timers *timers)
{
	free(timers->heap);
	*timers = (struct timers){0};
}
