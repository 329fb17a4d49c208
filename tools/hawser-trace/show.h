/* SPDX-License-Identifier: MIT
 *
 * How commands show what they know: records line by line, sums at the end, and tables that are redrawn.
 */
#ifndef HAWSER_TRACE_SHOW_H
#define HAWSER_TRACE_SHOW_H

#include "hawser-trace.h"

/* ---- words.c ---- */
enum { WORDS_DURATION_BYTES = 24, WORDS_TIME_BYTES = 32, WORDS_DATE_BYTES = 40 };
/* Whatever a process wrote there must not move the cursor; returns text. */
char *words_tame(char *text);
/* Three digits that count, in the unit that suits; "-" for 0. Returns text. */
const char *words_duration(uint64_t ns, char text[WORDS_DURATION_BYTES]);
/* The time of day, to the millisecond. Returns text. */
const char *words_time(int64_t real_ns, char text[WORDS_TIME_BYTES]);
/* As RFC 3339 has it, of UTC, to the nanosecond. Returns text. */
const char *words_date(int64_t real_ns, char text[WORDS_DATE_BYTES]);
/* What makes CLOCK_MONOTONIC the time of day. */
int64_t words_to_real_ns(void);
uint64_t words_now_ns(void);
/* On standard error: how many connects, by cause, and what is missing among them. */
void words_summary(
    const uint64_t causes[HAWSER_TRACE_CAUSES], uint64_t seen, const struct hawser_trace_counters *counters);
/* What is missing among them alone. */
void words_losses(const struct hawser_trace_counters *counters);

/* ---- cells.c: columns, by characters instead of bytes ---- */
enum { CELLS_DESTINATION_MAX = 47 }; /* any IPv6 address with its port */
/* In characters. */
int cells_width(const char *text);
/* Fills the width: what is shorter is padded, what is longer loses its middle. */
void cells_put(FILE *file, const char *text, int width);
/* Lines as they are, but none longer than so many columns; colours take none. */
void cells_put_lines(FILE *file, const char *lines, unsigned columns_max);

/* ---- matching.c ---- */
/* As the kernel would have; --sample, which only it can do, is ignored. */
bool matching_admits(const struct hawser_trace_config *config, const struct hawser_trace_record *record);

/* ---- printer.c: a line a record ---- */
struct printer {
	const struct arguments *arguments;
	const struct hawser_trace_config *filter; /* NULL: the kernel has filtered */
	int destination_width;                    /* 0: none was printed */
	int64_t to_real_ns;
	uint64_t seen;
	uint64_t causes[HAWSER_TRACE_CAUSES];
};
/* A hawser_trace_record_function; `user` is the printer. -ECANCELED: --count is reached, or standard output
 * has failed. */
int printer_print(const struct hawser_trace_record *record, void *user);
/* The same with what its client says; NULL: nothing. */
int printer_print_story(
    const struct hawser_trace_record *record, const struct hawser_trace_story *story, void *user);
/* What begins and ends the colour of its outcome, or nothing. */
const char *printer_colour(const struct printer *printer, const struct hawser_trace_record *record);
const char *printer_plain(const struct printer *printer);

/* ---- story.c: the same, with names ---- */
void story_explain(FILE *file);
void story_print_header(void);
void story_print(const struct printer *printer, const struct hawser_trace_record *record,
    const struct hawser_trace_story *story);

/* ---- names.c: whose names are known ---- */
/* Says what names come from. */
void names_begin(hawser_trace *trace, const struct arguments *arguments);
/* Looks at the process of a record without a story, unless that has been done. */
void names_meet(hawser_trace *trace, const struct hawser_trace_record *record);
/* At the end, what is missing. */
void names_end(hawser_trace *trace);

/* ---- screen.c: something that is shown at the end, every so often, or redrawn on a terminal ---- */
struct screen {
	const struct arguments *arguments;
	hawser_trace *trace;
	FILE *file;        /* for tables; JSON goes to standard output */
	unsigned rows_max; /* as many lines have room; UINT_MAX: no limit */
};
/* Prints it; a negative errno ends the command. */
typedef int (*screen_function)(const struct screen *screen);
/* `redraw`: on a terminal, in place of what was there. Returns the exit code. */
int screen_run(const struct arguments *arguments, bool redraw, screen_function function);

#endif
