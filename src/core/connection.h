/* SPDX-License-Identifier: MIT
 *
 * The connection state machine: the life of one client's link to its target.
 */
#ifndef HAWSER_CORE_CONNECTION_H
#define HAWSER_CORE_CONNECTION_H

#include "core/backoff.h"
#include "core/machine.h"

enum connection_state {
#define STATE(name) CONNECTION_##name,
#include "core/connection_states.def"
#undef STATE
	CONNECTION_STATES
};

enum connection_event {
#define EVENT(name) CONNECTION_EVENT_##name,
#include "core/connection_events.def"
#undef EVENT
	CONNECTION_EVENTS
};

struct connection;

/* What the table's effects do; the shell's (src/client). None of them may move the connection: what they find
 * out at once is reported later, from the loop. moved is the one trace point, called after the state is
 * settled and before the effect. missing is told of a pair that is not in the table, in release builds. */
struct connection_effects {
	void (*begin_round)(struct connection *connection);
	void (*begin_attempt)(struct connection *connection);
	void (*prepare)(struct connection *connection);
	void (*drain_queue)(struct connection *connection);
	void (*hand_over)(struct connection *connection);
	void (*back_off)(struct connection *connection);
	void (*await_answers)(struct connection *connection);
	void (*shut_down)(struct connection *connection);
	void (*tell_closed)(struct connection *connection);
	void (*moved)(struct connection *connection, enum connection_state from, const char *why);
	void (*missing)(struct connection *connection, enum connection_event event);
	void (*check)(
	    const struct connection *connection); /* the invariant, after each move in debug builds */
};

struct connection {
	const struct connection_effects *effects;
	struct backoff backoff;
	uint64_t retry_at_ns;      /* when the backoff ends: short retries do not move it */
	uint64_t next_round_at_ns; /* the next rung of the ladder, or the above */
	uint64_t round_began_ns;
	uint64_t overall_at_ns; /* UINT64_MAX: no overall deadline */
	uint32_t round;         /* begun so far */
	uint32_t attempt;       /* begun so far */
	uint32_t failures;      /* rounds failed since it was last useful */
	uint32_t rounds_max;    /* UINT32_MAX: no maximum */
	uint8_t state;
	uint8_t
	    short_retries;  /* used of the ladder 1, 2, 4 .. 64 ms since the last watch hit or full backlog */
	bool on_ladder;     /* the round that goes on is a short retry: it does not count */
	bool ladder_counts; /* a full backlog began the ladder: its end is a failed round */
	bool useful;        /* this connection, or the last one, was */
	bool once;          /* the target cannot be connected to again (fd:) */
	bool moving;
};

enum { CONNECTION_LADDER = 7 };

extern const struct machine connection_machine;

/* Moves. A pair that is not in the table aborts in debug builds. */
void connection_fire(struct connection *connection, enum connection_event event);

/* Is this pair in the table? For events that may come late. */
bool connection_can(const struct connection *connection, enum connection_event event);

/* A round begins: counts it, unless it is a short retry. */
void connection_round_begins(struct connection *connection, uint64_t now_ns);

/* The host has shown that it works (it is ready and a byte came, or it has been ready for 10 s): the next
 * failure is the first one again. */
void connection_was_useful(struct connection *connection);

/* A path appeared: short retries begin, which end where the backoff does. */
void connection_ladder_begins(struct connection *connection);

/* A round failed or a connection went. True: there will be another round, at next_round_at_ns. False: no
 * round is left, or the overall deadline has passed. A loss that follows a useful connection is no failed
 * round. */
bool connection_failed(struct connection *connection, uint64_t now_ns, uint64_t random, bool backlog_full);

#endif
