/* SPDX-License-Identifier: MIT
 *
 * Which attempt of which client a record is of. Steps go in as their processes say them, records are asked
 * about in any order; memory is bounded, and what is told but never asked about is forgotten.
 */
#ifndef HAWSER_TRACE_JOIN_H
#define HAWSER_TRACE_JOIN_H

#include "../../bpf/step.h"

#include <hawser/trace.h>

enum { JOIN_ATTEMPTS_MAX = 16384, JOIN_CLIENTS_MAX = 16384 };

struct join;
struct join_attempt;

/* NULL: no memory. */
struct join *join_new(void);
void join_free(struct join *join);

void join_step(struct join *join, const struct step *step);

/* The attempt that this record is of, which is the caller's then until join_release; NULL: none is known. */
struct join_attempt *join_take(struct join *join, const struct hawser_trace_record *record);
void join_release(struct join *join, struct join_attempt *attempt);

/* Nothing more is going to be said of it. */
bool join_is_whole(const struct join_attempt *attempt);
void join_story(const struct join_attempt *attempt, const struct hawser_trace_record *record,
    struct hawser_trace_story *ret_story);

/* Forgets attempts that ended long before now_ns and of which no record came. */
void join_sweep(struct join *join, uint64_t now_ns);

#endif
