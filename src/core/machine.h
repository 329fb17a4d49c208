/* SPDX-License-Identifier: MIT
 *
 * State machines as tables. A table says for each pair of state and event where it leads, what is done, and
 * why; one function moves. A pair that is not in the table is a bug: machine_move answers NULL and the
 * caller's `missing` hook decides (abort in debug builds, fail that connection in release builds). The
 * diagrams and the coverage counters come from the same table.
 */
#ifndef HAWSER_CORE_MACHINE_H
#define HAWSER_CORE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct move {
	const char *why; /* NULL: this pair is not in the table */
	uint8_t to;
	uint8_t effect;
};

struct machine {
	const char *name;
	const struct move *moves; /* [states][events] */
	const char *const *state_names;
	const char *const *event_names;
	const char *const *effect_names;
	uint8_t states;
	uint8_t events;
	uint64_t *fired; /* [states][events]; counted in debug builds, for the coverage of the tables */
};

/* The move, counted, or NULL when the table has none. */
const struct move *machine_move(const struct machine *machine, unsigned state, unsigned event);

/* Writes the table as a diagram, "mermaid" or "graphviz". Returns the length (which may be size or more:
 * cut), -1 for another kind. */
int machine_diagram(const struct machine *machine, const char *kind, char *text, size_t size);

#endif
