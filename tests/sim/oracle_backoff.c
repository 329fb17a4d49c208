/* SPDX-License-Identifier: MIT
 *
 * The promise about waits: what the client's options ask for, by the formulas that client.h names, computed
 * apart from the library.
 */
#include "world.h"

enum { LADDER_MOST_MS = 64, FAILURES_MOST = 10000 };

static double grown(const struct schedule *schedule, uint32_t failures)
{
	double delay = schedule->base_ms;

	if (schedule->linear)
		delay = failures <= 10 ? schedule->base_ms * failures : schedule->cap_ms;
	for (uint32_t i = 1; !schedule->linear && i < failures && delay < schedule->cap_ms; i++)
		delay *= schedule->factor;
	return delay < schedule->cap_ms ? delay : schedule->cap_ms;
}

static double least_wait(const struct schedule *schedule, uint32_t failures)
{
	switch (schedule->jitter) {
	case HAWSER_JITTER_NONE:
		return grown(schedule, failures);
	case HAWSER_JITTER_PERCENT:
		return grown(schedule, failures) * (1 - schedule->percent / 100);
	case HAWSER_JITTER_EQUAL:
		return grown(schedule, failures) / 2;
	case HAWSER_JITTER_DECORRELATED:
		return schedule->base_ms < schedule->cap_ms ? schedule->base_ms : schedule->cap_ms;
	default:
		return 0;
	}
}

static double most_wait(const struct schedule *schedule, uint32_t failures)
{
	double most = grown(schedule, failures);

	if (schedule->jitter == HAWSER_JITTER_PERCENT)
		most *= 1 + schedule->percent / 100;
	if (schedule->jitter == HAWSER_JITTER_DECORRELATED || most > schedule->cap_ms)
		most = schedule->cap_ms;
	return most;
}

/* A wait was told: is it what the options ask for? A unix client may be on the ladder of short retries
 * instead. */
void oracle_wait(struct sim_client *client, uint64_t wait_ns)
{
	const struct schedule *schedule = &client->schedule;
	double wait_ms = (double)wait_ns / 1e6;
	double least;
	double most;

	if (client->failures_most < FAILURES_MOST)
		client->failures_most++;
	if (client->world->memory.failures)
		client->failures_most = FAILURES_MOST; /* several may have been told as one */
	client->failures_least++;
	if (client->failures_least > client->failures_most)
		client->failures_least = client->failures_most;
	least = client->is_unix ? 0 : least_wait(schedule, client->failures_least);
	most = most_wait(schedule, client->failures_most);
	if (client->is_unix && most < LADDER_MOST_MS)
		most = LADDER_MOST_MS;
	/* The wait is told a little after it began when callbacks before it took their time. */
	if (wait_ms < least - 0.01 && client->world->faults.sleeps == 0)
		violated(client->world, "client %u waits %.3f ms, less than its backoff of %.3f (failure %u)",
		    client->index, wait_ms, least, client->failures_least);
	/* Unless the ladder has been climbed already for something else. */
	if (client->backlogs_full == 1 && wait_ms > LADDER_MOST_MS &&
	    client->waited_ns > LADDER_MOST_MS * MILLISECOND)
		violated(client->world, "client %u waits %.3f ms for a full backlog", client->index, wait_ms);
	client->waited_ns = wait_ns;
	if (wait_ms > most + 0.01)
		violated(client->world, "client %u waits %.3f ms, more than its backoff of %.3f (failure %u)",
		    client->index, wait_ms, most, client->failures_most);
}
