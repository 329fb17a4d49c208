/* SPDX-License-Identifier: MIT
 *
 * A trace of this process in one of the modes that libhawser-trace has.
 */
#ifndef HAWSER_BENCH_TRACER_H
#define HAWSER_BENCH_TRACER_H

#include <hawser/trace.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum tracer_mode {
	TRACER_FILTERED_OUT,
	TRACER_HISTOGRAMS,
	TRACER_CALLS,
	TRACER_DESTINATIONS,
	TRACER_RECORDS,
	TRACER_MODES,
};

struct tracer_mode_words {
	const char *name;
	const char *title;
	const char *does;
};
extern const struct tracer_mode_words tracer_modes[TRACER_MODES];

struct tracer {
	enum tracer_mode mode;
	hawser_trace *trace;
	int reader_cpu;
	pthread_t reader; /* of records, as hawser-trace live is: on another CPU where there is one */
	atomic_bool ends;
	uint64_t records;
	int error;
};

struct tracer_seen {
	uint64_t connects;
	uint64_t records;
	uint64_t records_lost;
};

/* Serves until tracer_close. 0 or a negative errno as hawser_trace_open has them, and `why` says it. */
int tracer_open(
    struct tracer *tracer, enum tracer_mode mode, int reader_cpu, struct hawser_trace_sentence *why);

/* Closes it in any case. 0 or a negative errno. */
int tracer_close(struct tracer *tracer, struct tracer_seen *ret_seen);

#endif
