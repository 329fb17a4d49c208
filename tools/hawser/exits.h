/* SPDX-License-Identifier: MIT
 *
 * The exit codes of hawser. Scripts depend on them: a number never changes its meaning.
 */
#ifndef HAWSER_TOOL_EXITS_H
#define HAWSER_TOOL_EXITS_H

enum exit_code {
	EXIT_DONE = 0,
	EXIT_NOT_CONNECTED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_BOUND = 3,
	EXIT_CALL_FAILED = 4,
	EXIT_DEADLINE = 5,
	EXIT_IDENTITY = 6,
	EXIT_CANNOT_RUN = 7, /* no engine, no memory, or the output cannot be written */
	EXIT_SIGNAL = 128,   /* and the signal's number: 130 is Ctrl-C */
};

#endif
