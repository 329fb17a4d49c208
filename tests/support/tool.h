/* SPDX-License-Identifier: MIT
 *
 * The command `hawser` as a program: run with any arguments, its outputs and exit code kept, dead when the
 * test dies and in any case after a minute.
 *
 *	struct tool tool;
 *	cr_assert_eq(tool_run(&tool, TOOL_ARGUMENTS("bind", target, "Echo")), 0, "%s", tool.err);
 *
 * The program is found as hawser-host is: HAWSER_BUILD_DIR/bin, or the test program's own directory.
 */
#ifndef TESTS_SUPPORT_TOOL_H
#define TESTS_SUPPORT_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { TOOL_OUTPUT_MAX = 262144 };

struct tool {
	pid_t pid; /* 0: not running */
	int out_fd;
	int err_fd;
	int terminal; /* the master's side, or -1 */
	int status;   /* the exit code, or 128 + signal */
	char out[TOOL_OUTPUT_MAX];
	char err[TOOL_OUTPUT_MAX]; /* on a terminal all is in out */
};

/* The program's path, for a shell; and that of another tool beside it, until the next call. */
const char *tool_program(void);
const char *tool_program_named(const char *name);

#define TOOL_ARGUMENTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Runs it with `input` on its standard input (NULL: nothing): the exit code. */
int tool_run(struct tool *tool, const char *const *arguments);
int tool_run_with(struct tool *tool, const char *input, const char *const *arguments);

/* Starts it and does not wait. On a pseudo-terminal of 80 columns all three standard streams are that. */
void tool_start(struct tool *tool, const char *input, const char *const *arguments);
void tool_start_on_terminal(struct tool *tool, const char *const *arguments);
/* Waits until it has printed `text` on standard output, bounded; fails the test if it ends before. */
void tool_await(struct tool *tool, const char *text);
/* Takes in what it has printed so far; false when it has ended. */
bool tool_look(struct tool *tool);
/* On a terminal. */
void tool_type(struct tool *tool, const char *keys);
/* Waits for its end: the exit code. */
int tool_wait(struct tool *tool);

/* Is the jq FILTER true of what it printed, as an array of all its JSON lines? */
bool tool_says(struct tool *tool, const char *filter);

#endif
