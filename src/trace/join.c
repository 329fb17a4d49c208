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
#include "join.h"

#include <errno.h>
#include <hawser/client.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum { ROWS = 4096, SWEEP_NS = 200000000 };

/* A socket address, as far as both sides know it. */
struct place {
	uint8_t bytes[STEP_ADDRESS_BYTES];
};

struct client {
	struct client *next_in_row;
	struct client *older, *newer;
	struct join_attempt *untold; /* it ended, and its owner has not been told */
	uint64_t number;
	uint32_t tgid, pid;
	char name[HAWSER_TRACE_TARGET_BYTES];
	uint64_t failed_ns; /* of the backoff below */
	uint64_t delay_ns;
	bool waits;  /* after it no attempt has begun */
	bool waited; /* before the round: backoff_ns */
	bool tells;  /* it has an owner who wants to know */
	uint32_t round;
	uint64_t backoff_ns;
};

struct join_attempt {
	struct join_attempt *next_by_number, *next_by_place;
	struct join_attempt *before, *after; /* in its list */
	struct list *list;                   /* NULL: taken */
	struct client *teller;               /* whose `untold` it is */
	uint64_t end_ns, told_ns;            /* 0: not yet */
	uint32_t tgid, pid;
	bool knows_place;
	struct place place;
	struct hawser_trace_story story;
};

struct list {
	struct join_attempt *first, *last;
};

struct join {
	struct join_attempt *by_number[ROWS], *by_place[ROWS];
	struct client *clients_by_number[ROWS];
	struct list open, ended, spare;
	struct client *oldest, *newest, *spare_clients;
	struct join_attempt attempts[JOIN_ATTEMPTS_MAX];
	struct client clients[JOIN_CLIENTS_MAX];
};

/* ---- lists and rows ---- */

static void list_append(struct list *list, struct join_attempt *attempt)
{
	attempt->list = list;
	attempt->before = list->last;
	attempt->after = NULL;
	*(list->last ? &list->last->after : &list->first) = attempt;
	list->last = attempt;
}

static void list_remove(struct join_attempt *attempt)
{
	struct list *list = attempt->list;

	if (!list)
		return;
	*(attempt->before ? &attempt->before->after : &list->first) = attempt->after;
	*(attempt->after ? &attempt->after->before : &list->last) = attempt->before;
	attempt->list = NULL;
}

static unsigned row_of(const void *data, size_t size, uint64_t seed)
{
	const uint8_t *bytes = data;
	uint64_t hash = 0xcbf29ce484222325ULL ^ seed;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
	return (unsigned)(hash >> 40) % ROWS;
}

static unsigned row_of_number(uint32_t tgid, uint64_t client, uint32_t attempt)
{
	const uint64_t numbers[] = {tgid, client, attempt};

	return row_of(numbers, sizeof(numbers), 0);
}

static unsigned row_of_place(uint32_t tgid, uint32_t pid, const struct place *place)
{
	return row_of(place, sizeof(*place), (uint64_t)tgid << 32 | pid);
}

static void attempt_unlink(struct join *join, struct join_attempt *attempt)
{
	const struct hawser_trace_story *story = &attempt->story;
	struct join_attempt **link =
	    &join->by_number[row_of_number(attempt->tgid, story->client, story->attempt)];

	while (*link != attempt)
		link = &(*link)->next_by_number;
	*link = attempt->next_by_number;
	if (!attempt->knows_place)
		return;
	link = &join->by_place[row_of_place(attempt->tgid, attempt->pid, &attempt->place)];
	while (*link != attempt)
		link = &(*link)->next_by_place;
	*link = attempt->next_by_place;
}

static void attempt_forget(struct join *join, struct join_attempt *attempt)
{
	if (attempt->teller)
		attempt->teller->untold = NULL;
	list_remove(attempt);
	attempt_unlink(join, attempt);
	list_append(&join->spare, attempt);
}

static struct join_attempt *attempt_new(struct join *join)
{
	struct join_attempt *attempt;

	if (!join->spare.first)
		attempt_forget(join, join->ended.first ? join->ended.first : join->open.first);
	attempt = join->spare.first;
	list_remove(attempt);
	memset(attempt, 0, sizeof(*attempt));
	list_append(&join->open, attempt);
	return attempt;
}

/* ---- places ---- */

static bool place_of_step(const struct step *step, struct place *ret_place)
{
	const struct sockaddr_in6 *six = (const void *)step->address;
	const size_t path = offsetof(struct sockaddr_un, sun_path);
	struct place place = {0};
	uint16_t family;

	memcpy(&family, step->address, sizeof(family));
	memcpy(place.bytes, &family, sizeof(family));
	if (family == AF_INET) {
		memcpy(place.bytes, step->address, 8);
	} else if (family == AF_INET6) {
		memcpy(place.bytes, step->address, 4);
		memcpy(place.bytes + 8, &six->sin6_addr, 16);
	} else if (family == AF_UNIX && step->address_size > path) {
		size_t length =
		    (step->address_size < STEP_ADDRESS_BYTES ? step->address_size : STEP_ADDRESS_BYTES) -
		    path;

		if (step->address[path])
			length = strnlen((const char *)step->address + path, length);
		memcpy(place.bytes + path, step->address + path, length);
	} else {
		return false;
	}
	*ret_place = place;
	return true;
}

static bool place_of_record(const struct hawser_trace_record *record, struct place *ret_place)
{
	const size_t path = offsetof(struct sockaddr_un, sun_path);
	uint16_t port = htons(record->destination_port);
	struct place place = {0};

	memcpy(place.bytes, &record->family, sizeof(record->family));
	if (record->family == AF_UNIX) {
		memcpy(place.bytes + path, record->path, sizeof(place.bytes) - path);
		if (record->path[0] == '@')
			place.bytes[path] = '\0';
	} else if (record->family == AF_INET || record->family == AF_INET6) {
		memcpy(place.bytes + 2, &port, sizeof(port));
		memcpy(place.bytes + (record->family == AF_INET ? 4 : 8), record->destination,
		    record->family == AF_INET ? 4 : 16);
	} else {
		return false;
	}
	*ret_place = place;
	return true;
}

/* ---- clients ---- */

static bool same_name(const char *one, const char *other)
{
	/* Unread, it says nothing. */
	return !one[0] || !other[0] || strncmp(one, other, HAWSER_TRACE_TARGET_BYTES - 1) == 0;
}

static void client_unlink(struct join *join, struct client *client)
{
	*(client->older ? &client->older->newer : &join->oldest) = client->newer;
	*(client->newer ? &client->newer->older : &join->newest) = client->older;
}

static void client_append(struct join *join, struct client *client)
{
	client->older = join->newest;
	client->newer = NULL;
	*(join->newest ? &join->newest->newer : &join->oldest) = client;
	join->newest = client;
}

static void client_forget(struct join *join, struct client *client)
{
	struct client **link = &join->clients_by_number[row_of_number(client->tgid, client->number, 0)];

	while (*link != client)
		link = &(*link)->next_in_row;
	*link = client->next_in_row;
	client_unlink(join, client);
	if (client->untold)
		client->untold->teller = NULL;
	client->next_in_row = join->spare_clients;
	join->spare_clients = client;
}

static struct client *client_new(struct join *join, const struct step *step, struct client **row)
{
	struct client *client;

	if (!join->spare_clients)
		client_forget(join, join->oldest);
	client = join->spare_clients;
	join->spare_clients = client->next_in_row;
	*client = (struct client){
	    .number = step->client, .tgid = step->tgid, .pid = step->pid, .next_in_row = *row};
	memcpy(client->name, step->name, sizeof(client->name));
	*row = client;
	client_append(join, client);
	return client;
}

static struct client *client_of(struct join *join, const struct step *step)
{
	struct client **row = &join->clients_by_number[row_of_number(step->tgid, step->client, 0)];

	for (struct client *client = *row; client; client = client->next_in_row) {
		if (client->tgid != step->tgid || client->number != step->client ||
		    client->pid != step->pid || strncmp(client->name, step->name, sizeof(client->name)) != 0)
			continue;
		client_unlink(join, client);
		client_append(join, client);
		return client;
	}
	return client_new(join, step, row);
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
	struct client *client = client_of(join, step);
	struct join_attempt *attempt = attempt_new(join), **row;

	client_begins(client, step);
	attempt->tgid = step->tgid;
	attempt->pid = step->pid;
	attempt->story = (struct hawser_trace_story){.client = step->client,
	    .begin_ns = step->time_ns,
	    .attempt = step->attempt,
	    .round = step->round,
	    .backoff_ns = client->waited ? client->backoff_ns : 0,
	    .flags = client->waited ? HAWSER_TRACE_STORY_WAITED : 0};
	memcpy(attempt->story.name, step->name, sizeof(attempt->story.name));
	attempt->story.name[sizeof(attempt->story.name) - 1] = '\0';
	row = &join->by_number[row_of_number(step->tgid, step->client, step->attempt)];
	attempt->next_by_number = *row;
	*row = attempt;
	attempt->knows_place = place_of_step(step, &attempt->place);
	if (!attempt->knows_place)
		return;
	row = &join->by_place[row_of_place(step->tgid, step->pid, &attempt->place)];
	attempt->next_by_place = *row;
	*row = attempt;
}

static void on_end(struct join *join, const struct step *step)
{
	struct join_attempt *found = NULL;
	struct client *client;

	for (struct join_attempt *attempt =
		 join->by_number[row_of_number(step->tgid, step->client, step->attempt)];
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
		list_remove(found);
		list_append(&join->ended, found);
	}
	client = client_of(join, step);
	told_no_more(client);
	if (!client->tells || step->result == -ECANCELED)
		return;
	client->untold = found;
	found->teller = client;
}

static void on_told(struct join *join, const struct step *step)
{
	struct client *client = client_of(join, step);
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
	struct client *client = client_of(join, step);

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
	unsigned row = row_of_number(record->tgid, record->client, record->attempt);
	struct join_attempt *found = NULL;

	for (struct join_attempt *attempt = join->by_number[row]; attempt; attempt = attempt->next_by_number)
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
	for (struct join_attempt *attempt = join->by_place[row_of_place(record->tgid, record->pid, &place)];
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
		list_remove(attempt);
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

void join_sweep(struct join *join, uint64_t now_ns)
{
	while (join->ended.first && join->ended.first->end_ns + SWEEP_NS < now_ns)
		attempt_forget(join, join->ended.first);
}

/* ---- the whole ---- */

struct join *join_new(void)
{
	struct join *join = calloc(1, sizeof(*join));

	for (unsigned i = 0; join && i < JOIN_CLIENTS_MAX; i++) {
		join->clients[i].next_in_row = join->spare_clients;
		join->spare_clients = &join->clients[i];
	}
	for (unsigned i = 0; join && i < JOIN_ATTEMPTS_MAX; i++)
		list_append(&join->spare, &join->attempts[i]);
	return join;
}

void join_free(struct join *join)
{
	free(join);
}
