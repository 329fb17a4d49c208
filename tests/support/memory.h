/* SPDX-License-Identifier: MIT
 *
 * For tests: a struct memory that counts what it gave and fails on demand, and numbers drawn from a seed.
 */
#ifndef TESTS_SUPPORT_MEMORY_H
#define TESTS_SUPPORT_MEMORY_H

#include "core/memory.h"
#include <stdint.h>

struct test_memory {
	struct memory memory;
	uint64_t allocations; /* asked for, the failed ones too */
	uint64_t fail_at;     /* which allocation fails, counted from 1; 0: none */
	uint64_t live;        /* given and not released */
	size_t live_bytes;
};

void test_memory_init(struct test_memory *memory);

/* Aborts when something has not been released. Made for .fini, where Criterion reports a failed assertion and
 * counts the test as passed all the same. */
void test_memory_end(const struct test_memory *memory);

/* splitmix64. One draw per statement: C orders the arguments of a call as it likes. */
struct generator {
	uint64_t state;
};

uint64_t generator_next(struct generator *generator);
/* Evenly in 0..limit - 1. */
uint64_t generator_below(struct generator *generator, uint64_t limit);

#endif
