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
	const char *names_file;    /* with names: this one, too; NULL: those that run */
};

struct command {
	const char *name;
	const char *summary;
	int (*run)(const struct arguments *arguments); /* the exit code */
	const char *operand; /* what the command needs beside options, "FILE"; NULL: nothing */
	const char *options; /* that it takes, each followed by a space */
	bool counts;         /* every connect; what chooses records has nothing to choose */
	bool prints_records; /* as the kernel sends them */
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
#define ARGUMENTS_PATH "/sys/fs/bpf/hawser" /* of pins, unless --path says another */
/* Says on standard error what is wrong. */
int arguments_parse(struct arguments *arguments, const struct command *command, int count, char **words);
bool command_takes(const struct command *command, const char *option);

/* ---- values.c ---- */
bool value_number(const char *word, uint64_t max, uint64_t *ret_number);
bool value_seconds(const char *word, double *ret_seconds);
bool value_milliseconds(const char *word, uint64_t *ret_ns);
/* A folder of the cgroup file system (version 2), or its number. */
bool value_cgroup(const char *word, uint64_t *ret_id);
/* A file such as /proc/1/ns/net, or its inode's number. */
bool value_network(const char *word, uint64_t *ret_inode);
bool value_prefix(const char *word, struct hawser_trace_config *config);

/* ---- help.c ---- */
/* All commands with the names of their options; the last has no name. */
void help_print(FILE *file, const struct command *commands);
/* One command, and what its options do. */
void help_print_command(FILE *file, const struct command *command);

/* ---- output.c: standard output ---- */
/* From here on a reader that goes away is an error of stdio. */
void output_begin(void);
/* A negative errno, the same from then on: nothing more can be written; -EPIPE: the reader is gone. */
int output_flush(void);
/* The exit code; says what could not be written, and makes the code 1 then. A reader that is gone has seen
 * enough. */
int output_end(int code);

/* ---- capabilities.c ---- */
/* All of them, but for those that reading `trace` needs (which may be NULL), and with `names` those that
 * programs started later do. */
bool capabilities_give_up(hawser_trace *trace, bool names);

/* ---- session.c: a trace that ends by itself, by --duration, --count or a signal ---- */
struct session {
	hawser_trace *trace;
	uint64_t end_ns; /* UINT64_MAX: none */
};
/* From here on SIGINT, SIGTERM and SIGHUP end sessions instead of the process. */
void session_catch_signals(void);
/* A session without a trace. */
bool session_begin(struct session *session, const struct arguments *arguments);
/* Opens it and gives up the capabilities. What is pinned must keep what the
 * options ask for: records, and more than histograms unless they ask for those alone. On failure says why and
 * returns false. */
bool session_open(struct session *session, const struct arguments *arguments);
/* What is pinned there keeps histograms alone. */
bool session_pins_histograms(const char *path);
/* False: it is over. */
bool session_goes_on(const struct session *session);
void session_close(struct session *session);
/* Ends any session; from signal handlers, too. */
void session_stop(void);

/* ---- json.c ---- */
void json_string(FILE *file, const char *text);
/* `story` may be NULL. */
void json_record(FILE *file, const struct hawser_trace_record *record, const struct hawser_trace_story *story,
    int64_t to_real_ns);

#endif
