/* SPDX-License-Identifier: MIT
 *
 * What a trace has beside its programs when it was opened with names: programs on the probes of processes,
 * and records that wait for what those say.
 */
#ifndef HAWSER_TRACE_NAMES_H
#define HAWSER_TRACE_NAMES_H

#include "join.h"
#include "trace.h"

enum {
	NAMES_FILES_MAX = 16,
	NAMES_PROBES = 4,
	NAMES_HELD_MAX = 4096,
	NAMES_VERDICTS_MAX = 2048,
	NAMES_STARTED_MAX = 64,
};

/* A file that was looked into. One that is written anew has another time. */
struct names_verdict {
	uint64_t device, inode;
	int64_t changed_s, changed_ns;
	int result; /* 0: attached; or why not */
};

/* A record that waits. */
struct names_held {
	struct names_held *next;
	struct join_attempt *attempt; /* NULL: not known yet */
	uint64_t since_ns;
	uint64_t since_pass;
	struct hawser_trace_record record;
};

struct trace_names {
	struct bpf_object *object;
	struct bpf_link *links[NAMES_FILES_MAX * NAMES_PROBES];
	unsigned files;
	struct names_verdict verdicts[NAMES_VERDICTS_MAX];
	unsigned verdicts_count; /* those beyond the room overwrite the oldest */
	unsigned refused;
	struct hawser_trace_sentence why_refused;
	struct bpf_link *starts;             /* of programs */
	uint32_t started[NAMES_STARTED_MAX]; /* since the last pass; more are met when they connect */
	unsigned started_count;
	struct ring_buffer *ring; /* of steps */
	int epoll;                /* of both rings */
	struct join *join;
	struct names_held *held, *held_last, *held_spare; /* oldest first */
	struct names_held *held_room;
	uint64_t pass;
	uint64_t now_ns; /* of the pass */
	uint64_t unfinished;
	hawser_trace_story_function function; /* of the read that goes on */
	void *user;
	int handed_over;
};

/* ---- names.c ---- */
/* Whether probes may be watched at all. */
int names_try(struct hawser_trace_sentence *why);
/* As trace_refused says it, in `why`. */
int names_open(struct hawser_trace *trace, const struct hawser_trace_options *options,
    struct hawser_trace_sentence *why);
void names_close(struct trace_names *names);
int names_configure(struct trace_names *names, const struct hawser_trace_config *config);
/* Attaches to the file, unless it is done; `label` is what people know it by. */
int names_attach(
    struct trace_names *names, const char *path, const char *label, struct hawser_trace_sentence *why);

/* ---- names_processes.c ---- */
/* All that are running, as far as they may be looked at. */
void names_attach_all(struct trace_names *names);
/* Those that were started since. */
void names_attach_started(struct trace_names *names);

#endif
