/* SPDX-License-Identifier: MIT
 *
 * The allocator that the loop is given: it fails as often as the seed says, and keeps account.
 */
#ifndef TESTS_SIM_MEMORY_H
#define TESTS_SIM_MEMORY_H

#include "sim.h"
#include <hawser/base.h>

struct memory_account {
	uint64_t held; /* bytes */
	uint64_t blocks;
	uint64_t failures; /* injected so far, those of the engine included */
	uint64_t fail_in;  /* the allocation so many from now fails, whatever the rate; 0: none */
	unsigned fail_per_mille;
	bool spared; /* nothing fails now */
};

struct hawser_allocator memory_allocator(struct world *world);

#endif
