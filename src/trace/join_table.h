/* SPDX-License-Identifier: MIT
 *
 * The memory of a join: attempts, by the number that their client gave them and by where they went, and
 * clients. Of both there is a fixed number; when all are used, the oldest makes room.
 */
#ifndef HAWSER_TRACE_JOIN_TABLE_H
#define HAWSER_TRACE_JOIN_TABLE_H

#include "join.h"

enum { JOIN_ROWS = 4096 };

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
	struct join_attempt *by_number[JOIN_ROWS], *by_place[JOIN_ROWS];
	struct client *clients_by_number[JOIN_ROWS];
	struct list open, ended, spare;
	struct client *oldest, *newest, *spare_clients;
	struct join_attempt attempts[JOIN_ATTEMPTS_MAX];
	struct client clients[JOIN_CLIENTS_MAX];
};

/* ---- join_table.c ---- */
/* Takes it out of its list, if it is in one. */
void attempt_remove(struct join_attempt *attempt);
void attempt_append(struct list *list, struct join_attempt *attempt);

/* First of those that may be of that attempt; others follow by next_by_number. */
struct join_attempt *attempts_by_number(
    const struct join *join, uint32_t tgid, uint64_t client, uint32_t attempt);
/* The same; others follow by next_by_place. */
struct join_attempt *attempts_by_place(
    const struct join *join, uint32_t tgid, uint32_t pid, const struct place *place);
/* What the step begins, to be found from now on. */
struct join_attempt *attempt_new(struct join *join, const struct step *step);
void attempt_forget(struct join *join, struct join_attempt *attempt);

/* A new one if it is not known. */
struct client *join_client(struct join *join, const struct step *step);

/* ---- join_place.c ---- */
/* False: an address of another family, or none. */
bool place_of_step(const struct step *step, struct place *ret_place);
bool place_of_record(const struct hawser_trace_record *record, struct place *ret_place);

#endif
