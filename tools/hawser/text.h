/* SPDX-License-Identifier: MIT
 *
 * How things are written: colours where they are wanted, durations, bytes of others made harmless, and JSON,
 * one object a line, so that a reader at the other end of a pipe never waits for the rest of one.
 */
#ifndef HAWSER_TOOL_TEXT_H
#define HAWSER_TOOL_TEXT_H

#include <hawser/base.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum colour { COLOUR_GOOD, COLOUR_BAD, COLOUR_WAIT, COLOUR_FAINT };

enum { DURATION_SIZE = 32 };

/* Prints `text` in a colour and with at least `width` columns; without colour unless the file is a terminal
 * and the environment does not forbid it (NO_COLOR, TERM=dumb). */
void text_coloured(FILE *file, enum colour colour, int width, const char *text);

/* Bytes as text: control characters and what is no UTF-8 appear as \n, \t, \\, \x1b, so that a host cannot
 * move a terminal's cursor. */
void text_escaped(FILE *file, const void *data, size_t size);
void text_put(FILE *file, const char *text); /* the same for a string */
void text_hex(FILE *file, const void *data, size_t size);

/* "0.2 ms", "12 ms", "1.3 s", into and answering `text`. */
const char *text_duration(uint64_t ns, char text[DURATION_SIZE]);

/* "1 round", "2 rounds". */
#define TEXT_PLURAL(count) ((count) == 1 ? "" : "s")

/* How many bytes the UTF-8 character at data takes, or 0: none begins there. */
size_t text_utf8(const unsigned char *data, size_t size);

/* CLOCK_MONOTONIC */
uint64_t now_ns(void);

/* A line on standard output: {"event":"..." and members, until json_end. */
void json_begin(const char *event);
void json_end(void);

/* A member of the innermost object; name NULL: an element of an array. What is no UTF-8 becomes U+FFFD. */
void json_text(const char *name, const char *text);
void json_bytes(const char *name, const void *data, size_t size);
void json_hex(const char *name, const void *data, size_t size);
void json_number(const char *name, uint64_t number);
void json_word(const char *name, const char *word); /* true, false or null */
void json_open(const char *name, char bracket);     /* '{' or '[' */
void json_close(char bracket);

/* Text, stage, errno, cause, address, ... of an error, as members of the innermost object. */
void json_error(const struct hawser_error *error);

#endif
