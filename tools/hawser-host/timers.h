/* SPDX-License-Identifier: MIT
 *
 * Deadlines of the host and its connections: a bounded heap, earliest first, FIFO among equal ones.
 */
#ifndef HAWSER_HOST_TIMERS_H
#define HAWSER_HOST_TIMERS_H

#include <stddef.h>
#include <stdint.h>

enum { TIMERS_MAX = 65536 };

enum timer_kind {
	TIMER_BIND,   /* the time to bind() has come */
	TIMER_LISTEN, /* the time to listen() has come */
	TIMER_ACCEPT, /* descriptors had run out; try again */
	TIMER_EXIT,
	TIMER_REPLY, /* owner: connection, value: request id */
	TIMER_HELD,  /* owner: connection, value: group of held answers */
};

struct timer {
	uint64_t deadline_ms;
	uint64_t sequence;
	enum timer_kind kind;
	void *owner; /* NULL: the server */
	uint64_t value;
};

struct timers {
	struct timer *heap;
	size_t count;
	size_t capacity;
	uint64_t sequence;
};

uint64_t timers_now_ms(void);

/* -ENOBUFS: TIMERS_MAX are armed. -ENOMEM. */
int timers_arm(struct timers *timers, uint64_t delay_ms, enum timer_kind kind, void *owner, uint64_t value);

/* Takes the earliest timer that is due; -EAGAIN: none is. */
int timers_take(struct timers *timers, uint64_t now_ms, struct timer *ret_timer);

/* Milliseconds until the next one, for epoll_wait(); -1: none is armed. */
int timers_wait_ms(const struct timers *timers, uint64_t now_ms);

void timers_cancel(struct timers *timers, const void *owner);
void timers_free(struct timers *timers);

#endif
