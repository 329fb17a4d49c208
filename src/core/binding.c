/* SPDX-License-Identifier: MIT
 *
 * The binding state machine. It knows nothing of bytes, ids or time.
 *
 * Happy path: queued, binding, bound; releasing and released when its owner gives it up. A persistent binding
 * goes back to queued when its connection goes and is told `lost` if it was bound. Whatever ends a binding
 * leads through releasing, where the one terminal answer is queued, to released, when it has been told.
 */
#include "core/binding.h"

#include <stdio.h>
#include <stdlib.h>

enum binding_effect {
	EFFECT_none,
	EFFECT_tell_bound,
	EFFECT_tell_lost,
	EFFECT_tell_end,
};

static const char *const effect_names[] = {"none", "tell_bound", "tell_lost", "tell_end"};

static const struct move moves[BINDING_STATES][BINDING_EVENTS] = {
#define MOVE(from, event, to, effect, why) \
	[BINDING_##from][BINDING_EVENT_##event] = {why, BINDING_##to, EFFECT_##effect},
#include "core/binding_moves.def"
#undef MOVE
};

static const char *const state_names[] = {
#define STATE(name) #name,
#include "core/binding_states.def"
#undef STATE
};

static const char *const event_names[] = {
#define EVENT(name) #name,
#include "core/binding_events.def"
#undef EVENT
};

static uint64_t fired[BINDING_STATES][BINDING_EVENTS];

const struct machine binding_machine = {
    .name = "binding",
    .moves = &moves[0][0],
    .state_names = state_names,
    .event_names = event_names,
    .effect_names = effect_names,
    .states = BINDING_STATES,
    .events = BINDING_EVENTS,
    .fired = &fired[0][0],
};

static void run_effect(struct binding *binding, unsigned effect)
{
	switch ((enum binding_effect)effect) {
	case EFFECT_none:
		return;
	case EFFECT_tell_bound:
		binding->effects->tell_bound(binding);
		return;
	case EFFECT_tell_lost:
		binding->effects->tell_lost(binding);
		return;
	case EFFECT_tell_end:
		binding->effects->tell_end(binding);
		return;
	}
}

static void no_such_move(struct binding *binding, enum binding_event event)
{
#ifdef HAWSER_DEBUG
	fprintf(stderr, "hawser: no move of a binding from %s on %s%s\n", state_names[binding->state],
	    event_names[event], binding->moving ? " (from within an effect)" : "");
	abort();
#else
	binding->effects->missing(binding, event);
#endif
}

void binding_fire(struct binding *binding, enum binding_event event)
{
	const struct move *move = machine_move(&binding_machine, binding->state, event);
	enum binding_state from = binding->state;

	if (!move || binding->moving) {
		no_such_move(binding, event);
		return;
	}
	binding->moving = true;
	binding->state = move->to;
	binding->effects->moved(binding, from, move->why);
	run_effect(binding, move->effect);
	binding->moving = false;
}
