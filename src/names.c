/* SPDX-License-Identifier: MIT
 *
 * Names of states, stages, causes and errors, for people and for JSON; and the diagrams of the tables.
 */
#include "core/binding.h"
#include "core/connection.h"

#include <errno.h>
#include <hawser/hawser.h>
#include <string.h>

_Static_assert((int)HAWSER_STATES == (int)CONNECTION_STATES, "the public states are the table's");
_Static_assert((int)HAWSER_CLOSED == (int)CONNECTION_closed, "the public states are the table's");
_Static_assert((int)HAWSER_BINDING_STATES == (int)BINDING_STATES, "the public states are the table's");

#define NAME_OF(names, value) \
	((size_t)(value) < sizeof(names) / sizeof((names)[0]) && (names)[value] ? (names)[value] : "unknown")

const char *hawser_stage_name(enum hawser_stage stage)
{
	static const char *const names[] = {
	    "none", "resolve", "socket", "connect", "verify", "setup", "bind", "call", "receive", "send"};

	return NAME_OF(names, stage);
}

const char *hawser_cause_name(enum hawser_cause cause)
{
	static const char *const names[] = {"none", "refused", "unreachable", "deadline", "backlog full",
	    "no host", "local", "identity", "protocol", "lost", "cancelled"};

	return NAME_OF(names, cause);
}

const char *hawser_fate_name(enum hawser_fate fate)
{
	static const char *const names[] = {"none", "answered", "never sent", "sent", "maybe executed"};

	return NAME_OF(names, fate);
}

const char *hawser_errno_name(int code)
{
	const char *name = code == 0 ? "OK" : strerrorname_np(code < 0 ? -code : code);

	return name ? name : "unknown";
}

const char *hawser_version(void)
{
	return "0.1.0";
}

const char *hawser_state_name(enum hawser_state state)
{
	return (unsigned)state < HAWSER_STATES ? connection_machine.state_names[state] : "unknown";
}

const char *hawser_binding_state_name(enum hawser_binding_state state)
{
	return (unsigned)state < HAWSER_BINDING_STATES ? binding_machine.state_names[state] : "unknown";
}

const char *hawser_binding_event_name(enum hawser_binding_event event)
{
	static const char *const names[] = {"bound", "lost", "refused", "failed", "released"};

	return NAME_OF(names, event);
}

int hawser_diagram(const char *table, const char *kind, char *text, size_t size)
{
	const struct machine *machine = NULL;
	int length;

	if (!table || !kind || !text)
		return -EINVAL;
	if (strcmp(table, connection_machine.name) == 0)
		machine = &connection_machine;
	else if (strcmp(table, binding_machine.name) == 0)
		machine = &binding_machine;
	length = machine ? machine_diagram(machine, kind, text, size) : -1;
	return length < 0 ? -EINVAL : length;
}
