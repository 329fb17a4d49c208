/* SPDX-License-Identifier: MIT
 *
 * How long hawser's clients wait from the end of a failed attempt to the beginning of the next: their
 * backoff, and the lookup of a name where there is one. Records with a tag tell it: the same thread and
 * client, which is a number in its loop, and the number of the attempt. It is no statement about what a
 * client does after its connection was lost, for no record says when that was.
 *
 * The table has a fixed size and clients share its places by chance: where two meet, or a record is missing,
 * a wait is left out rather than guessed. A process that forges tags reaches its own rows alone.
 */
#include "metrics.h"

#include <errno.h>
#include <stdlib.h>

enum { PLACES = 4096 }; /* a power of two */

struct place {
	uint64_t client;
	uint64_t end_ns;
	uint32_t tgid; /* 0: empty */
	uint32_t pid;
	uint32_t attempt;
	bool failed;
};

struct metrics_waits {
	struct hawser_trace_histogram histogram;
	struct place places[PLACES];
};

int metrics_waits_open(struct metrics_waits **ret_waits)
{
	struct metrics_waits *waits = calloc(1, sizeof(*waits));

	if (!waits)
		return -ENOMEM;
	*ret_waits = waits;
	return 0;
}

void metrics_waits_close(struct metrics_waits *waits)
{
	free(waits);
}

const struct hawser_trace_histogram *metrics_waits_histogram(const struct metrics_waits *waits)
{
	return &waits->histogram;
}

static void histogram_count(struct hawser_trace_histogram *histogram, uint64_t ns)
{
	unsigned slot = 0;

	while (slot < HAWSER_TRACE_SLOTS - 1 && hawser_trace_slot_floor_ns(slot + 1) <= ns)
		slot++;
	histogram->count++;
	histogram->sum_ns += ns;
	histogram->slots[slot]++;
}

static struct place *place_of(struct metrics_waits *waits, const struct hawser_trace_record *record)
{
	uint64_t mixed = (record->client ^ (uint64_t)record->pid << 32) * 0x9e3779b97f4a7c15ULL;

	return &waits->places[mixed >> 48 & (PLACES - 1)];
}

void metrics_waits_add(struct metrics_waits *waits, const struct hawser_trace_record *record)
{
	struct place *place = place_of(waits, record);
	uint64_t end_ns = record->start_ns + record->total_ns;

	if (!(record->flags & HAWSER_TRACE_HAS_TAG))
		return;
	if (place->tgid == record->tgid && place->pid == record->pid && place->client == record->client) {
		/* Attempts that race end in any order. The next round begins when all have ended. One that
		 * began later does not race: it is of a new loop of this thread, or of its next program,
		 * where numbers begin again. */
		if (record->attempt < place->attempt && record->start_ns < place->end_ns) {
			place->end_ns = end_ns > place->end_ns ? end_ns : place->end_ns;
			return;
		}
		if (place->failed && record->attempt == place->attempt + 1 &&
		    record->start_ns >= place->end_ns)
			histogram_count(&waits->histogram, record->start_ns - place->end_ns);
	}
	*place = (struct place){.client = record->client,
	    .end_ns = end_ns,
	    .tgid = record->tgid,
	    .pid = record->pid,
	    .attempt = record->attempt,
	    .failed = record->cause != HAWSER_TRACE_OK};
}
