/* SPDX-License-Identifier: MIT
 *
 * Records beside what clients said of the same attempts. Both come through ring buffers that do not know of
 * each other: a record is held until its story is whole.
 *
 * Each pass takes steps, then records, then steps again: what a client said before the kernel ended its
 * connect has arrived by then, and a connect that is of no client goes on at once. Where a story stays
 * without its end, because the process was killed or a step was lost, the record is handed over after a
 * second; where there are too many, the oldest at once. None is lost, and none doubled.
 */
#include "names.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#define HOLD_NS 1000000000ULL

enum { LOOK_MS = 20 };

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int hand_over(
    struct trace_names *names, const struct hawser_trace_record *record, struct join_attempt *attempt)
{
	struct hawser_trace_story story;

	if (attempt) {
		names->unfinished += !join_is_whole(attempt);
		join_story(attempt, record, &story);
		join_release(names->join, attempt);
	}
	names->handed_over++;
	return names->function(record, attempt ? &story : NULL, names->user);
}

static struct names_held *held_begin(struct trace_names *names, const struct hawser_trace_record *record)
{
	struct names_held *held = names->held_spare;

	names->held_spare = held->next;
	held->next = NULL;
	held->since_ns = names->now_ns;
	held->since_pass = names->pass;
	held->record = *record;
	*(names->held_last ? &names->held_last->next : &names->held) = held;
	names->held_last = held;
	return held;
}

/* `link` is what points to it, of the one before it. */
static int held_end(struct trace_names *names, struct names_held **link, struct names_held *before)
{
	struct names_held *held = *link;

	*link = held->next;
	if (names->held_last == held)
		names->held_last = before;
	held->next = names->held_spare;
	names->held_spare = held;
	return hand_over(names, &held->record, held->attempt);
}

static int on_record(const struct hawser_trace_record *record, void *user)
{
	struct trace_names *names = user;
	struct join_attempt *attempt = NULL;
	int result = 0;

	if (names->files)
		attempt = join_take(names->join, record);
	if (!names->files || (attempt && join_is_whole(attempt)))
		return hand_over(names, record, attempt);
	if (!names->held_spare)
		result = held_end(names, &names->held, NULL);
	held_begin(names, record)->attempt = attempt;
	return result;
}

static bool is_due(struct trace_names *names, struct names_held *held)
{
	if (!held->attempt)
		held->attempt = join_take(names->join, &held->record);
	if (held->attempt)
		return join_is_whole(held->attempt) || names->now_ns - held->since_ns > HOLD_NS;
	/* A step may be on its way from another processor yet. */
	return !(held->record.flags & HAWSER_TRACE_HAS_TAG) || held->since_pass != names->pass;
}

static int settle(struct trace_names *names, bool all)
{
	struct names_held **link = &names->held, *before = NULL;
	int result = 0;

	while (*link && result >= 0) {
		if (is_due(names, *link) || all) {
			result = held_end(names, link, before);
		} else {
			before = *link;
			link = &before->next;
		}
	}
	return result;
}

/* What the function returned to end it, what libbpf answered, or 0. */
static int pass(struct hawser_trace *trace)
{
	struct trace_names *names = trace->names;
	int result;

	names->pass++;
	names->now_ns = clock_ns();
	result = ring_buffer__consume(names->ring);
	if (result >= 0)
		result = trace_records_take(trace, on_record, names);
	if (result >= 0)
		result = ring_buffer__consume(names->ring);
	if (result >= 0)
		result = settle(names, false);
	join_sweep(names->join, names->now_ns);
	names_attach_started(names);
	return result < 0 ? result : 0;
}

static int wait_ms(const struct trace_names *names, int timeout_ms)
{
	struct pollfd poller = {.fd = names->epoll, .events = POLLIN};

	if (names->held && (timeout_ms < 0 || timeout_ms > LOOK_MS))
		timeout_ms = LOOK_MS;
	return poll(&poller, 1, timeout_ms) < 0 ? -errno : 0;
}

static bool is_ready(const struct hawser_trace *trace, hawser_trace_story_function function, void *user)
{
	if (!trace->names)
		return false;
	trace->names->function = function;
	trace->names->user = user;
	trace->names->handed_over = 0;
	return true;
}

int hawser_trace_read_stories(
    hawser_trace *trace, int timeout_ms, hawser_trace_story_function function, void *user)
{
	uint64_t end_ns = clock_ns() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000000;
	int result;

	if (!is_ready(trace, function, user))
		return -EINVAL;
	result = pass(trace);
	while (result == 0 && trace->names->handed_over == 0 && timeout_ms != 0 &&
	       (timeout_ms < 0 || clock_ns() < end_ns)) {
		int left_ms = timeout_ms < 0 ? -1 : (int)((end_ns - clock_ns()) / 1000000) + 1;

		result = wait_ms(trace->names, left_ms);
		if (result == 0)
			result = pass(trace);
	}
	return result < 0 ? result : trace->names->handed_over;
}

int hawser_trace_flush_stories(hawser_trace *trace, hawser_trace_story_function function, void *user)
{
	int result;

	if (!is_ready(trace, function, user))
		return -EINVAL;
	result = settle(trace->names, true);
	return result < 0 ? result : trace->names->handed_over;
}
