/* SPDX-License-Identifier: MIT
 *
 * Backoff. It keeps no time and draws no random number: both come from its caller.
 *
 * Happy path: one more failure is counted, its delay grows by the schedule to the cap, and jitter spreads
 * it.
 *
 * Failures: none; what would overflow is the cap.
 */
#include "core/backoff.h"
#include <assert.h>

enum { LINEAR_STEPS = 10 };

static uint64_t least(uint64_t left, uint64_t right)
{
	return left < right ? left : right;
}

/* Evenly in low..high, both included. */
static uint64_t draw(uint64_t low, uint64_t high, uint64_t random)
{
	unsigned __int128 span = (unsigned __int128)(high - low) + 1;

	return low + (uint64_t)(span * random >> 64);
}

/* percent of value, at most cap. */
static uint64_t share_of(uint64_t value, uint32_t percent, uint64_t cap)
{
	unsigned __int128 product = (unsigned __int128)value * percent / 100;

	return product < cap ? (uint64_t)product : cap;
}

/* A base of some nanoseconds may stop growing because of rounding; going on would then take 2^32 steps. */
static uint64_t exponential(const struct backoff *backoff)
{
	uint64_t delay = backoff->base_ns;

	for (uint32_t i = 1; i < backoff->failures; i++) {
		uint64_t next = share_of(delay, backoff->factor_percent, backoff->cap_ns);

		if (next == delay)
			break;
		delay = next;
	}
	return delay;
}

static uint64_t linear(const struct backoff *backoff)
{
	if (backoff->failures > LINEAR_STEPS)
		return backoff->cap_ns;
	return share_of(backoff->base_ns, 100 * backoff->failures, backoff->cap_ns);
}

/* The spread ends at the cap instead of being cut there: half of the clients of a host that is long gone
 * would otherwise come back at the same moment. */
static uint64_t spread(const struct backoff *backoff, uint64_t delay, uint64_t random)
{
	uint64_t share = share_of(delay, backoff->jitter_percent, delay);
	uint64_t room = backoff->cap_ns - delay;

	return draw(delay - share, delay + least(share, room), random);
}

static uint64_t decorrelated(const struct backoff *backoff, uint64_t random)
{
	uint64_t previous = backoff->previous_ns ? backoff->previous_ns : backoff->base_ns;

	return least(draw(backoff->base_ns, share_of(previous, 300, UINT64_MAX), random), backoff->cap_ns);
}

static uint64_t jittered(const struct backoff *backoff, uint64_t delay, uint64_t random)
{
	switch ((enum backoff_jitter)backoff->jitter) {
	case BACKOFF_JITTER_PERCENT:
		return spread(backoff, delay, random);
	case BACKOFF_JITTER_FULL:
		return draw(0, delay, random);
	case BACKOFF_JITTER_EQUAL:
		return draw(delay - delay / 2, delay, random);
	case BACKOFF_JITTER_DECORRELATED:
		return decorrelated(backoff, random);
	case BACKOFF_JITTER_NONE:
		break;
	}
	return delay;
}

uint64_t backoff_next(struct backoff *backoff, uint64_t random)
{
	assert(backoff->base_ns && backoff->cap_ns >= backoff->base_ns);
	assert(backoff->factor_percent >= 100 && backoff->jitter_percent <= 100);
	if (backoff->failures < UINT32_MAX)
		backoff->failures++;
	backoff->previous_ns =
	    jittered(backoff, backoff->linear ? linear(backoff) : exponential(backoff), random);
	return backoff->previous_ns;
}

void backoff_reset(struct backoff *backoff)
{
	backoff->failures = 0;
	backoff->previous_ns = 0;
}
