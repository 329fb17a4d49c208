/* SPDX-License-Identifier: MIT
 *
 * How long to wait before the next round: a pure function of the schedule, the failures so far and a random
 * number. Formulas: AWS Architecture Blog, "Exponential Backoff And Jitter" (2015), gRPC
 * doc/connection-backoff.md; `perfetto` is the linear schedule of its IPC client.
 */
#ifndef HAWSER_CORE_BACKOFF_H
#define HAWSER_CORE_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

enum backoff_jitter {
	BACKOFF_JITTER_NONE,
	BACKOFF_JITTER_PERCENT,
	BACKOFF_JITTER_FULL,
	BACKOFF_JITTER_EQUAL,
	BACKOFF_JITTER_DECORRELATED,
};

struct backoff {
	uint64_t base_ns;        /* > 0 */
	uint64_t cap_ns;         /* >= base_ns */
	uint32_t factor_percent; /* 100.. */
	uint8_t jitter;          /* enum backoff_jitter */
	uint8_t jitter_percent;  /* 0..100 */
	bool linear;             /* perfetto: base x failures up to 10 x base, then the cap */
	uint32_t failures;       /* since the last reset */
	uint64_t previous_ns;    /* the last wait, for decorrelated */
};

/* The wait after one more failure; counts it. Never more than cap_ns (jitter included). With any jitter but
 * full it is at least base_ns less the jitter's share. */
uint64_t backoff_next(struct backoff *backoff, uint64_t random);

/* The first wait after a connection was lost that had been useful: a jittered base. Same as backoff_next
 * after backoff_reset. */
void backoff_reset(struct backoff *backoff);

#endif
