/* SPDX-License-Identifier: MIT
 *
 * What the command line of hawser-host asks for.
 */
#ifndef HAWSER_HOST_OPTIONS_H
#define HAWSER_HOST_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPTIONS_TARGETS_MAX = 16, OPTIONS_REFUSED_MAX = 16 };

/* A number that was not given, where 0 has a meaning of its own. */
#define OPTIONS_UNSET UINT64_MAX

struct options {
	const char *targets[OPTIONS_TARGETS_MAX];
	size_t targets_count;

	uint64_t start_late_ms;
	uint64_t bind_listen_gap_ms;
	uint64_t exit_after_ms;
	uint64_t connections_max;
	uint64_t backlog;
	bool no_unlink;
	bool replace;
	bool quiet;
	bool print_ready;
	const char *count_file;
	bool overlong;

	/* Faults; see options.c for what each does. */
	const char *refused[OPTIONS_REFUSED_MAX];
	size_t refused_count;
	bool never_answer;
	bool never_answer_bind;
	bool request_error;
	bool wrong_reply;
	uint64_t stop_reading_after; /* bytes, or OPTIONS_UNSET */
	bool no_accept;
	bool reorder;
	bool duplicate_replies;
	bool garbage;
	bool garbage_length;
	uint64_t seed;
	uint64_t flood_mib;         /* 0: no flood */
	uint64_t close_after_calls; /* 0: never */
	uint64_t die_after_calls;   /* 0: never */
	bool close_on_accept;
	bool reset_on_accept;
	bool close_after_bind;
	uint64_t fragment_bytes; /* 0: as many as fit */
};

enum options_verdict { OPTIONS_RUN, OPTIONS_SHOWN };

/* -EINVAL: a sentence on stderr said what is wrong. */
int options_parse(
    int argument_count, char **arguments, struct options *ret_options, enum options_verdict *ret_verdict);

bool options_refuse(const struct options *options, const char *service);

#endif
