/* SPDX-License-Identifier: MIT
 *
 * See join_table.h.
 */
#include "join_table.h"

#include <stdlib.h>
#include <string.h>

#define SWEEP_NS 200000000ULL

/* ---- lists and rows ---- */

void attempt_append(struct list *list, struct join_attempt *attempt)
{
	attempt->list = list;
	attempt->before = list->last;
	attempt->after = NULL;
	*(list->last ? &list->last->after : &list->first) = attempt;
	list->last = attempt;
}

void attempt_remove(struct join_attempt *attempt)
{
	struct list *list = attempt->list;

	if (!list)
		return;
	*(attempt->before ? &attempt->before->after : &list->first) = attempt->after;
	*(attempt->after ? &attempt->after->before : &list->last) = attempt->before;
	attempt->list = NULL;
}

static unsigned row_of(const uint64_t *words, size_t count)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < count; i++)
		hash = (hash ^ words[i] ^ hash >> 29) * 0x9e3779b97f4a7c15ULL;
	return (unsigned)(hash >> 40) % JOIN_ROWS;
}

static unsigned row_of_number(uint32_t tgid, uint64_t client, uint32_t attempt)
{
	const uint64_t words[] = {(uint64_t)tgid << 32 | attempt, client};

	return row_of(words, 2);
}

static unsigned row_of_place(uint32_t tgid, uint32_t pid, const struct place *place)
{
	uint64_t words[5] = {(uint64_t)tgid << 32 | pid};

	memcpy(words + 1, place, sizeof(*place));
	return row_of(words, 5);
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

void attempt_forget(struct join *join, struct join_attempt *attempt)
{
	if (attempt->teller)
		attempt->teller->untold = NULL;
	attempt_remove(attempt);
	attempt_unlink(join, attempt);
	attempt_append(&join->spare, attempt);
}

struct join_attempt *attempts_by_number(
    const struct join *join, uint32_t tgid, uint64_t client, uint32_t attempt)
{
	return join->by_number[row_of_number(tgid, client, attempt)];
}

struct join_attempt *attempts_by_place(
    const struct join *join, uint32_t tgid, uint32_t pid, const struct place *place)
{
	return join->by_place[row_of_place(tgid, pid, place)];
}

static void attempt_link(struct join *join, struct join_attempt *attempt)
{
	struct join_attempt **row =
	    &join->by_number[row_of_number(attempt->tgid, attempt->story.client, attempt->story.attempt)];

	attempt->next_by_number = *row;
	*row = attempt;
	if (!attempt->knows_place)
		return;
	row = &join->by_place[row_of_place(attempt->tgid, attempt->pid, &attempt->place)];
	attempt->next_by_place = *row;
	*row = attempt;
}

struct join_attempt *attempt_new(struct join *join, const struct step *step)
{
	struct join_attempt *attempt;

	if (!join->spare.first)
		attempt_forget(join, join->ended.first ? join->ended.first : join->open.first);
	attempt = join->spare.first;
	attempt_remove(attempt);
	*attempt = (struct join_attempt){.tgid = step->tgid, .pid = step->pid};
	attempt->story = (struct hawser_trace_story){.client = step->client,
	    .begin_ns = step->time_ns,
	    .attempt = step->attempt,
	    .round = step->round};
	memcpy(attempt->story.name, step->name, sizeof(attempt->story.name));
	attempt->story.name[sizeof(attempt->story.name) - 1] = '\0';
	attempt->knows_place = place_of_step(step, &attempt->place);
	attempt_link(join, attempt);
	attempt_append(&join->open, attempt);
	return attempt;
}

/* ---- clients ---- */

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

struct client *join_client(struct join *join, const struct step *step)
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

/* ---- the whole ---- */

void join_sweep(struct join *join, uint64_t now_ns)
{
	while (join->ended.first && join->ended.first->end_ns + SWEEP_NS < now_ns)
		attempt_forget(join, join->ended.first);
}

struct join *join_new(void)
{
	struct join *join = calloc(1, sizeof(*join));

	for (unsigned i = 0; join && i < JOIN_CLIENTS_MAX; i++) {
		join->clients[i].next_in_row = join->spare_clients;
		join->spare_clients = &join->clients[i];
	}
	for (unsigned i = 0; join && i < JOIN_ATTEMPTS_MAX; i++)
		attempt_append(&join->spare, &join->attempts[i]);
	return join;
}

void join_free(struct join *join)
{
	free(join);
}
