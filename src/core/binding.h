/* SPDX-License-Identifier: MIT
 *
 * The binding state machine: one service asked for by name, from the wish to the one terminal answer.
 */
#ifndef HAWSER_CORE_BINDING_H
#define HAWSER_CORE_BINDING_H

#include "core/machine.h"

enum binding_state {
#define STATE(name) BINDING_##name,
#include "core/binding_states.def"
#undef STATE
	BINDING_STATES
};

enum binding_event {
#define EVENT(name) BINDING_EVENT_##name,
#include "core/binding_events.def"
#undef EVENT
	BINDING_EVENTS
};

struct binding;

/* Effects queue what is told to the owner; none may move the binding. */
struct binding_effects {
	void (*tell_bound)(struct binding *binding);
	void (*tell_lost)(struct binding *binding);
	void (*tell_end)(struct binding *binding);
	void (*moved)(struct binding *binding, enum binding_state from, const char *why);
	void (*missing)(struct binding *binding, enum binding_event event);
};

struct binding {
	const struct binding_effects *effects;
	uint8_t state;
	bool moving;
};

extern const struct machine binding_machine;

/* Moves. A pair that is not in the table aborts in debug builds. */
void binding_fire(struct binding *binding, enum binding_event event);

#endif
