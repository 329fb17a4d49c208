/* SPDX-License-Identifier: MIT
 *
 * Looks moves up and prints tables. It runs no effects and keeps no state: connection.c and binding.c do.
 */
#include "core/machine.h"

#include <stdarg.h>
#include <stdio.h>
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

struct writer {
	char *text;
	size_t size;
	size_t length;
};

__attribute__((format(printf, 2, 3))) static void write_line(struct writer *writer, const char *format, ...)
{
	size_t room = writer->length < writer->size ? writer->size - writer->length : 0;
	va_list arguments;
	int written;

	va_start(arguments, format);
	written = vsnprintf(room ? writer->text + writer->length : NULL, room, format, arguments);
	va_end(arguments);
	if (written > 0)
		writer->length += (size_t)written;
}

int machine_diagram(const struct machine *machine, const char *kind, char *text, size_t size)
{
	bool mermaid = strcmp(kind, "mermaid") == 0;
	struct writer writer = {.text = text, .size = size};

	if (!mermaid && strcmp(kind, "graphviz") != 0)
		return -1;
	if (mermaid)
		write_line(&writer, "stateDiagram-v2\n\t[*] --> %s\n", machine->state_names[0]);
	else
		write_line(&writer, "digraph %s {\n\tnode [shape=box, style=rounded];\n", machine->name);
	for (unsigned state = 0; state < machine->states; state++)
		for (unsigned event = 0; event < machine->events; event++) {
			const struct move *move = &machine->moves[(size_t)state * machine->events + event];

			if (!move->why)
				continue;
			write_line(&writer,
			    mermaid ? "\t%s --> %s: %s (%s)\n"
				    : "\t%s -> %s [label=\"%s\", tooltip=\"%s\"];\n",
			    machine->state_names[state], machine->state_names[move->to],
			    machine->event_names[event], move->why);
		}
	if (mermaid)
		write_line(&writer, "\t%s --> [*]\n", machine->state_names[machine->states - 1]);
	else
		write_line(&writer, "}\n");
	return (int)writer.length;
}
