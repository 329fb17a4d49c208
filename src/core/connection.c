/* SPDX-License-Identifier: MIT
 *
 * The connection state machine and its arithmetic of rounds. It does no I/O and reads no clock: the shell
 * tells it what happened and what time it is, and does what the effects ask for.
 *
 * Happy path: idle, resolving, connecting, preparing, ready. A failed attempt tries the round's next address;
 * a failed round waits; a lost connection waits and begins a round; the owner's leaving closes, and closed
 * comes when the kernel has given everything back. When no further round is allowed, gave_up closes with the
 * last error.
 *
 * Short retries: after a watch hit (the path was created) or a full backlog the next rounds follow after 1,
 * 2, 4 .. 64 ms. They neither count as rounds nor move the backoff's own deadline, which takes over when a
 * watch's ladder is used up (a host may bind() a while before it listen()s); a backlog that stays full all
 * the ladder long is one failed round.
 */
#include "core/connection.h"

#include <stdio.h>
#include <stdlib.h>

#define LADDER_STEP_NS 1000000ULL

enum connection_effect {
	EFFECT_begin_round,
	EFFECT_begin_attempt,
	EFFECT_prepare,
	EFFECT_drain_queue,
	EFFECT_hand_over,
	EFFECT_back_off,
	EFFECT_await_answers,
	EFFECT_shut_down,
	EFFECT_tell_closed,
};

static const char *const effect_names[] = {"begin_round", "begin_attempt", "prepare", "drain_queue",
    "hand_over", "back_off", "await_answers", "shut_down", "tell_closed"};

static const struct move moves[CONNECTION_STATES][CONNECTION_EVENTS] = {
#define MOVE(from, event, to, effect, why) \
	[CONNECTION_##from][CONNECTION_EVENT_##event] = {why, CONNECTION_##to, EFFECT_##effect},
#include "core/connection_moves.def"
#undef MOVE
};

static const char *const state_names[] = {
#define STATE(name) #name,
#include "core/connection_states.def"
#undef STATE
};

static const char *const event_names[] = {
#define EVENT(name) #name,
#include "core/connection_events.def"
#undef EVENT
};

static uint64_t fired[CONNECTION_STATES][CONNECTION_EVENTS];

const struct machine connection_machine = {
    .name = "connection",
    .moves = &moves[0][0],
    .state_names = state_names,
    .event_names = event_names,
    .effect_names = effect_names,
    .states = CONNECTION_STATES,
    .events = CONNECTION_EVENTS,
    .fired = &fired[0][0],
};

static void run_effect(struct connection *connection, unsigned effect)
{
	const struct connection_effects *effects = connection->effects;

	switch ((enum connection_effect)effect) {
	case EFFECT_begin_round:
		effects->begin_round(connection);
		return;
	case EFFECT_begin_attempt:
		effects->begin_attempt(connection);
		return;
	case EFFECT_prepare:
		effects->prepare(connection);
		return;
	case EFFECT_drain_queue:
		effects->drain_queue(connection);
		return;
	case EFFECT_hand_over:
		effects->hand_over(connection);
		return;
	case EFFECT_back_off:
		effects->back_off(connection);
		return;
	case EFFECT_await_answers:
		effects->await_answers(connection);
		return;
	case EFFECT_shut_down:
		effects->shut_down(connection);
		return;
	case EFFECT_tell_closed:
		effects->tell_closed(connection);
		return;
	}
}

static void no_such_move(struct connection *connection, enum connection_event event)
{
#ifdef HAWSER_DEBUG
	fprintf(stderr, "hawser: no move from %s on %s%s\n", state_names[connection->state],
	    event_names[event], connection->moving ? " (from within an effect)" : "");
	abort();
#else
	connection->effects->missing(connection, event);
#endif
}

void connection_fire(struct connection *connection, enum connection_event event)
{
	const struct move *move = machine_move(&connection_machine, connection->state, event);
	enum connection_state from = connection->state;

	if (!move || connection->moving) {
		no_such_move(connection, event);
		return;
	}
	connection->moving = true;
	connection->state = move->to;
	connection->effects->moved(connection, from, move->why);
	run_effect(connection, move->effect);
	connection->moving = false;
#ifdef HAWSER_DEBUG
	connection->effects->check(connection);
#endif
}

bool connection_can(const struct connection *connection, enum connection_event event)
{
	return moves[connection->state][event].why != NULL;
}

void connection_round_begins(struct connection *connection, uint64_t now_ns)
{
	connection->round_began_ns = now_ns;
	if (!connection->on_ladder)
		connection->round++;
}

void connection_was_useful(struct connection *connection)
{
	connection->useful = true;
	connection->failures = 0;
	backoff_reset(&connection->backoff);
}

void connection_ladder_begins(struct connection *connection)
{
	connection->short_retries = 0;
	connection->on_ladder = true;
	connection->ladder_counts = false;
}

static bool climb(struct connection *connection, uint64_t now_ns)
{
	if (!connection->on_ladder)
		return false;
	if (connection->short_retries < CONNECTION_LADDER) {
		connection->next_round_at_ns = now_ns + (LADDER_STEP_NS << connection->short_retries++);
		return true;
	}
	connection->on_ladder = false;
	if (connection->ladder_counts)
		return false;
	connection->next_round_at_ns = connection->retry_at_ns > now_ns ? connection->retry_at_ns : now_ns;
	return true;
}

bool connection_failed(struct connection *connection, uint64_t now_ns, uint64_t random, bool backlog_full)
{
	bool useful = connection->useful;

	connection->useful = false;
	if (connection->once || now_ns >= connection->overall_at_ns)
		return false;
	if (backlog_full && !connection->on_ladder) {
		connection_ladder_begins(connection);
		connection->ladder_counts = true;
	}
	if (climb(connection, now_ns))
		return true;
	if (!useful && connection->failures < UINT32_MAX)
		connection->failures++;
	if (connection->rounds_max != UINT32_MAX && connection->failures >= connection->rounds_max)
		return false;
	connection->retry_at_ns = now_ns + backoff_next(&connection->backoff, random);
	connection->next_round_at_ns = connection->retry_at_ns;
	return true;
}
