/* SPDX-License-Identifier: MIT
 *
 * What the command is waiting for at the moment: on a terminal one line on standard error, rewritten in
 * place and gone in the end; in a pipe, or where the terminal cannot do that (TERM=dumb), a plain line when a
 * round has failed in a new way.
 */
#ifndef HAWSER_TOOL_PROGRESS_H
#define HAWSER_TOOL_PROGRESS_H

#include "options.h"

void progress_open(const struct options *options);
/* Is there a line to rewrite? Then progress_tick wants to be called ten times a second. */
bool progress_is_drawn(void);
void progress_tick(void);

void progress_change(const struct hawser_change *change);
/* Ready, and waiting for this: "Echo", "to be bound". */
void progress_await(const char *name, const char *what);

/* Before anything else is printed. */
void progress_clear(void);

#endif
