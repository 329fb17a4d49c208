/* SPDX-License-Identifier: MIT
 *
 * Looks moves up and prints tables. It runs no effects and keeps no state: connection.c and binding.c do.
 */
#include "core/machine.h"
#include "core/writer.h"

#include <stdbool.h>
#include <string.h>

const struct move *machine_move(const struct machine *machine, unsigned state, unsigned event)
{
	size_t pair = (size_t)state * machine->events + event;

	if (state >= machine->states || event >= machine->events || !machine->moves[pair].why)
		return NULL;
#ifdef HAWSER_DEBUG
	machine->fired[pair]++;
#endif
	return &machine->moves[pair];
}

static const struct move *move_at(const struct machine *machine, unsigned state, unsigned event)
{
	return &machine->moves[(size_t)state * machine->events + event];
}

/* The events that lead from one state to another, as one arrow; nothing when there are none. */
static void write_arrow(struct writer *writer, const struct machine *machine, unsigned from, unsigned to)
{
	const char *before = "";

	for (unsigned event = 0; event < machine->events; event++) {
		const struct move *move = move_at(machine, from, event);

		if (!move->why || move->to != to)
			continue;
		if (!before[0])
			writer_put(
			    writer, "\t%s --> %s: ", machine->state_names[from], machine->state_names[to]);
		writer_put(writer, "%s%s", before, machine->event_names[event]);
		before = ", ";
	}
	if (before[0])
		writer_put(writer, "\n");
}

static void write_mermaid(struct writer *writer, const struct machine *machine)
{
	writer_put(writer, "stateDiagram-v2\n\t[*] --> %s\n", machine->state_names[0]);
	for (unsigned from = 0; from < machine->states; from++)
		for (unsigned to = 0; to < machine->states; to++)
			write_arrow(writer, machine, from, to);
	writer_put(writer, "\t%s --> [*]\n", machine->state_names[machine->states - 1]);
}

static void write_graphviz(struct writer *writer, const struct machine *machine)
{
	writer_put(writer, "digraph %s {\n\tnode [shape=box, style=rounded];\n", machine->name);
	for (unsigned state = 0; state < machine->states; state++)
		for (unsigned event = 0; event < machine->events; event++) {
			const struct move *move = move_at(machine, state, event);

			if (move->why)
				writer_put(writer, "\t%s -> %s [label=\"%s\", tooltip=\"%s\"];\n",
				    machine->state_names[state], machine->state_names[move->to],
				    machine->event_names[event], move->why);
		}
	writer_put(writer, "}\n");
}

int machine_diagram(const struct machine *machine, const char *kind, char *text, size_t size)
{
	struct writer writer = {.text = text, .size = size};

	if (strcmp(kind, "mermaid") == 0)
		write_mermaid(&writer, machine);
	else if (strcmp(kind, "graphviz") == 0)
		write_graphviz(&writer, machine);
	else
		return -1;
	return (int)writer.length;
}
