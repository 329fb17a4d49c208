/* SPDX-License-Identifier: MIT
 *
 * A program of the build, run by a shell as its users run it, in a directory of the test's own: what it
 * prints, and how it ends.
 */
#ifndef TESTS_SUPPORT_SHELL_H
#define TESTS_SUPPORT_SHELL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Makes the directory and goes there; $TOOL is the program. shell_leave removes it: .init and .fini of a
 * suite. */
void shell_enter(const char *program);
void shell_leave(void);

struct shell {
	pid_t pid;
	char output[64]; /* files in the directory */
	char errors[64];
};

/* Runs it by bash; `name` is of its files, NAME.out and NAME.err. */
struct shell shell_start(const char *name, const char *command);
/* Waits (bounded) until it has said it on standard error. Fails the test if it ends before. */
void shell_await(const struct shell *tool, const char *words);
/* Sends the signal, or none if it is 0, and waits. The exit code; 128 + N if signal N killed it. */
int shell_end(const struct shell *tool, int signal);
/* Starts, waits, and returns the exit code; output goes to NAME.out, NAME.err. */
int shell_run(const char *name, const char *command);

/* Needs no shell_enter: runs a command by the shell, in which $TOOL is the program and what `options` adds
 * to it. The exit code; standard error joins the output. */
int shell_capture(
    const char *program, const char *options, const char *command, char *ret_output, size_t size);

/* What a file holds; fails the test if it is larger than the room here. Lives until the next call but one. */
const char *shell_text(const char *path);
/* Fails the test, with the file, unless it holds the words. */
void shell_expect(const char *path, const char *words);

#endif
