/* SPDX-License-Identifier: MIT
 *
 * What the commands of hawser-trace share. Each is a file of its own, named after it.
 */
#ifndef HAWSER_TRACE_TOOL_H
#define HAWSER_TRACE_TOOL_H

#include <hawser/trace.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct arguments {
	struct hawser_trace_options options;
	bool json;
	bool colour;
	double duration_s;         /* 0: until it is interrupted */
	uint64_t count;            /* 0: no limit */
	double interval_s;         /* 0: once, or on a terminal every second */
	uint64_t bytes_max;        /* 0: the default */
	const char *operand;       /* what the command's line calls so; NULL: it has none */
	const char *listen;        /* metrics: by HTTP; NULL: not so */
	const char *textfile;      /* metrics: in this file; NULL: not so */
	unsigned destinations_max; /* metrics: that are named */
	bool clients;              /* metrics: the waits of clients, too */
	const char *path;          /* of pins */
	bool pinned;               /* read those instead of tracing */
	bool records;              /* pins send records, too */
};

struct command {
	const char *name;
	const char *summary;
	int (*run)(const struct arguments *arguments); /* the exit code */
	const char *operand; /* what the command needs beside options, "FILE"; NULL: nothing */
};

int command_live(const struct arguments *arguments);
int command_pin(const struct arguments *arguments);
int command_status(const struct arguments *arguments);
int command_unpin(const struct arguments *arguments);
int command_probe(const struct arguments *arguments);
int command_metrics(const struct arguments *arguments);
int command_top(const struct arguments *arguments);
int command_hist(const struct arguments *arguments);
int command_inflight(const struct arguments *arguments);
int command_record(const struct arguments *arguments);
int command_replay(const struct arguments *arguments);

/* ---- arguments.c ---- */
enum { ARGUMENTS_DESTINATIONS_MAX = 1024 };
enum { ARGUMENTS_RUN, ARGUMENTS_HELP, ARGUMENTS_WRONG };
/* Says on standard error what is wrong. */
int arguments_parse(struct arguments *arguments, const char *operand, int count, char **words);
void arguments_print_help(FILE *file);

/* ---- session.c: a trace that ends by itself, by --duration, --count or a signal ---- */
struct session {
	hawser_trace *trace;
	uint64_t end_ns; /* UINT64_MAX: none */
};
/* The same without a trace. */
bool session_begin(struct session *session, const struct arguments *arguments);
/* Opens it and gives up every capability that reading it does not need; on failure says why and returns
 * false. */
bool session_open(struct session *session, const struct arguments *arguments);
/* False: it is over. */
bool session_goes_on(const struct session *session);
void session_close(struct session *session);
/* Ends any session; from signal handlers, too. */
void session_stop(void);

/* ---- json.c ---- */
void json_string(FILE *file, const char *text);
void json_record(FILE *file, const struct hawser_trace_record *record);

#endif
