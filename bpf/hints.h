/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Is a completion that names no request perhaps a connect's? Each connect of a ring takes a hint when it
 * begins, and drops it when it ends, or when its row is left to another.
 */
#ifndef HAWSER_BPF_HINTS_H
#define HAWSER_BPF_HINTS_H

#include "maps.h"

static __always_inline int32_t *hint_of(uint64_t context, uint64_t user_data)
{
	uint64_t mixed = (low_half(context) >> 6 ^ user_data) * GOLDEN_RATIO;

	return &hints[mixed >> 48 & (HINTS - 1)];
}

static __always_inline void hint_take(const struct flight *flight)
{
	__sync_fetch_and_add(hint_of(flight->context, flight->record.user_data), 1);
}

/* False: it is not. */
static __always_inline bool hint_has(uint64_t context, uint64_t user_data)
{
	return *hint_of(context, user_data) > 0;
}

static __always_inline void hint_drop(const struct flight *flight)
{
	__sync_fetch_and_add(hint_of(flight->context, flight->record.user_data), -1);
}

/* Its row goes to another, and nobody saw its end. */
static __always_inline void flight_leave(const struct flight *flight)
{
	if (flight->request == FLIGHT_ALIEN)
		return;
	count(&counters.ends_unseen);
	if (flight->request)
		hint_drop(flight);
}

#endif
