/* SPDX-License-Identifier: MIT
 *
 * See join.h. A record that bears a tag is of the attempt that its own process and thread gave that number,
 * under that name; clients of several loops may share numbers, and a number comes again when a loop is made
 * anew, so that the latest attempt that began before the record and did not end within it is taken. A record
 * without a tag (connect(2)) is of the latest attempt of its thread on that address: the epoll engine
 * connects before the thread does anything else.
 *
 * Failures: where a step was lost there is no attempt, or one without its end; when memory is full, the
 * oldest attempt that ended is forgotten, or else the oldest of all.
 */
#include "join_table.h"

#include <errno.h>
#include <hawser/client.h>
#include <string.h>

static bool same_name(const char *one, const char *other)
{
	/* Unread, it says nothing. */
	return !one[0] || !other[0] || strncmp(one, other, HAWSER_TRACE_TARGET_BYTES - 1) == 0;
}

/* ---- steps ---- */

static void told_no_more(struct client *client)
{
	if (client->untold)
		client->untold->teller = NULL;
	client->untold = NULL;
}

/* What a round waited for, all of its attempts waited for. */
static void client_begins(struct client *client, const struct step *step)
{
	uint64_t waited_ns = step->time_ns - client->failed_ns;

	if (client->waits)
		client->backoff_ns = client->delay_ns < waited_ns ? client->delay_ns : waited_ns;
	if (client->waits || client->round != step->round)
		client->waited = client->waits;
	client->waits = false;
	client->round = step->round;
}

static void on_begin(struct join *join, const struct step *step)
{
	struct client *client = join_client(join, step);
	struct join_attempt *attempt = attempt_new(join, step);

	client_begins(client, step);
	if (!client->waited)
		return;
	attempt->story.backoff_ns = client->backoff_ns;
	attempt->story.flags |= HAWSER_TRACE_STORY_WAITED;
}

static void on_end(struct join *join, const struct step *step)
{
	struct join_attempt *found = NULL;
	struct client *client;

	for (struct join_attempt *attempt = attempts_by_number(join, step->tgid, step->client, step->attempt);
	     attempt; attempt = attempt->next_by_number)
		if (attempt->tgid == step->tgid && attempt->pid == step->pid &&
		    attempt->story.client == step->client && attempt->story.attempt == step->attempt &&
		    !attempt->end_ns && same_name(attempt->story.name, step->name) &&
		    (!found || attempt->story.begin_ns > found->story.begin_ns))
			found = attempt;
	if (!found)
		return;
	found->end_ns = step->time_ns;
	found->story.result = step->result;
	found->story.flags |= HAWSER_TRACE_STORY_ENDED;
	if (found->list) {
		attempt_remove(found);
		attempt_append(&join->ended, found);
	}
	client = join_client(join, step);
	told_no_more(client);
	if (!client->tells || step->result == -ECANCELED)
		return;
	client->untold = found;
	found->teller = client;
}

static void on_told(struct join *join, const struct step *step)
{
	struct client *client = join_client(join, step);
	struct join_attempt *attempt = client->untold;

	client->tells = true;
	if (!attempt || step->from != HAWSER_CONNECTING)
		return;
	attempt->told_ns = step->time_ns;
	attempt->story.flags |= HAWSER_TRACE_STORY_TOLD;
	told_no_more(client);
}

static void on_backoff(struct join *join, const struct step *step)
{
	struct client *client = join_client(join, step);

	client->waits = true;
	client->failed_ns = step->time_ns;
	client->delay_ns = step->delay_ns;
}

void join_step(struct join *join, const struct step *step)
{
	switch (step->kind) {
	case STEP_ATTEMPT_BEGIN:
		on_begin(join, step);
		break;
	case STEP_ATTEMPT_END:
		on_end(join, step);
		break;
	case STEP_BACKOFF:
		on_backoff(join, step);
		break;
	default:
		on_told(join, step);
	}
}

/* ---- records ---- */

/* As far as time and thread say; of a connect that a kernel thread submitted the thread is not known. */
static bool could_be(const struct join_attempt *attempt, const struct hawser_trace_record *record)
{
	return attempt->list && attempt->tgid == record->tgid &&
	       (attempt->pid == record->pid || (record->flags & HAWSER_TRACE_SQPOLL)) &&
	       attempt->story.begin_ns <= record->start_ns &&
	       (!attempt->end_ns || attempt->end_ns >= record->start_ns + record->total_ns);
}

static struct join_attempt *later(struct join_attempt *one, struct join_attempt *other)
{
	return !one || other->story.begin_ns > one->story.begin_ns ? other : one;
}

static struct join_attempt *find_by_tag(struct join *join, const struct hawser_trace_record *record)
{
	struct join_attempt *found = NULL;

	for (struct join_attempt *attempt =
		 attempts_by_number(join, record->tgid, record->client, record->attempt);
	     attempt; attempt = attempt->next_by_number)
		if (could_be(attempt, record) && attempt->story.client == record->client &&
		    attempt->story.attempt == record->attempt &&
		    same_name(attempt->story.name, record->target))
			found = later(found, attempt);
	return found;
}

static struct join_attempt *find_by_place(struct join *join, const struct hawser_trace_record *record)
{
	struct join_attempt *found = NULL;
	struct place place;

	if (!place_of_record(record, &place))
		return NULL;
	for (struct join_attempt *attempt = attempts_by_place(join, record->tgid, record->pid, &place);
	     attempt; attempt = attempt->next_by_place)
		if (could_be(attempt, record) && memcmp(&attempt->place, &place, sizeof(place)) == 0)
			found = later(found, attempt);
	return found;
}

struct join_attempt *join_take(struct join *join, const struct hawser_trace_record *record)
{
	struct join_attempt *attempt =
	    record->flags & HAWSER_TRACE_HAS_TAG ? find_by_tag(join, record) : find_by_place(join, record);

	if (attempt)
		attempt_remove(attempt);
	return attempt;
}

void join_release(struct join *join, struct join_attempt *attempt)
{
	attempt_forget(join, attempt);
}

bool join_is_whole(const struct join_attempt *attempt)
{
	return attempt->end_ns && !attempt->teller;
}

static uint64_t between(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns > from_ns ? to_ns - from_ns : 0;
}

void join_story(const struct join_attempt *attempt, const struct hawser_trace_record *record,
    struct hawser_trace_story *ret_story)
{
	*ret_story = attempt->story;
	ret_story->begin_to_submit_ns = between(attempt->story.begin_ns, record->start_ns);
	if (attempt->end_ns)
		ret_story->completion_to_end_ns =
		    between(record->start_ns + record->total_ns, attempt->end_ns);
	if (attempt->told_ns)
		ret_story->end_to_told_ns = between(attempt->end_ns, attempt->told_ns);
}
