/* SPDX-License-Identifier: MIT
 *
 * A program of the build, run as its users run it, in a directory of the test's own: what it prints, and how
 * it ends.
 */
#ifndef TESTS_SUPPORT_TOOL_H
#define TESTS_SUPPORT_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Makes the directory and goes there; $TOOL is the program. tool_leave removes it: .init and .fini of a
 * suite. */
void tool_enter(const char *program);
void tool_leave(void);

struct tool {
	pid_t pid;
	char output[64]; /* files in the directory */
	char errors[64];
};

/* Runs it by bash; `name` is of its files, NAME.out and NAME.err. */
struct tool tool_start(const char *name, const char *command);
/* Waits (bounded) until it has said it on standard error. Fails the test if it ends before. */
void tool_await(const struct tool *tool, const char *words);
/* Sends the signal, or none if it is 0, and waits. The exit code; 128 + N if signal N killed it. */
int tool_end(const struct tool *tool, int signal);
/* Starts, waits, and returns the exit code; output goes to NAME.out, NAME.err. */
int tool_run(const char *name, const char *command);

/* What a file holds; fails the test if it is larger than the room here. Lives until the next call but one. */
const char *tool_text(const char *path);
/* Fails the test, with the file, unless it holds the words. */
void tool_expect(const char *path, const char *words);

#endif
