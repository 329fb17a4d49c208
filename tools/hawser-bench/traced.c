/* SPDX-License-Identifier: MIT
 *
 * What a trace costs: hawser's connects without a trace and under each mode of one. Opening a trace takes
 * longer than a slice, so that a trace serves the slices of all contests (an engine and a depth).
 *
 * Happy path: a pass takes the modes in random order, and each of them side by side with the same without a
 * trace, the one or the other first by chance. Opening and closing a trace leaves the caches cold, so that a
 * shorter slice that is not counted precedes each that is. The kernel's own account is of one more slice,
 * because keeping it costs time; without CAP_SYS_ADMIN there is none, which is no failure. Failures: a trace
 * that is refused, a connect that failed, a trace that did not see each connect once: one sentence, and there
 * is no result.
 */
#include "account.h"
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const enum variant_key variant_of[ENGINE_KINDS] = {
    [ENGINE_URING] = VARIANT_HAWSER_URING,
    [ENGINE_EPOLL] = VARIANT_HAWSER_EPOLL,
};

struct measurement {
	struct server *server;
	struct results *results;
	void *states[ENGINE_KINDS];
	uint64_t random;
	uint64_t connects; /* under the trace that is open */
};

/* The same order in every run: splitmix64. */
static uint64_t draw(struct measurement *measurement)
{
	uint64_t value = measurement->random += UINT64_C(0x9e3779b97f4a7c15);

	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

static void say_refusal(enum tracer_mode mode, const struct hawser_trace_sentence *why)
{
	fprintf(stderr, "hawser-bench: --traced, %s: %s\n", tracer_modes[mode].name, why->text);
}

int traced_try(void)
{
	struct hawser_trace_sentence why = {""};
	struct tracer_seen seen;
	struct tracer tracer;
	int result = tracer_open(&tracer, TRACER_HISTOGRAMS, -1, &why);

	if (result < 0)
		say_refusal(TRACER_HISTOGRAMS, &why);
	else
		tracer_close(&tracer, &seen);
	return result;
}

/* ---- slices ---- */

static int run_slice(
    struct measurement *measurement, const struct traced_contest *contest, struct slice_time *ret_time)
{
	measurement->connects += contest->slice.connects;
	return slice_run(measurement->server, variant_of[contest->engine],
	    measurement->states[contest->engine], &contest->slice, ret_time);
}

static int run_warm_slice(
    struct measurement *measurement, const struct traced_contest *contest, struct slice_time *ret_time)
{
	struct traced_contest warming = *contest;
	int result;

	warming.slice.connects /= SLICE_DEPTHS;
	if (warming.slice.connects < 1)
		warming.slice.connects = 1;
	result = run_slice(measurement, &warming, ret_time);
	return result < 0 ? result : run_slice(measurement, contest, ret_time);
}

static int run_all(struct measurement *measurement, enum tracer_mode mode, bool traced, int pass)
{
	struct results *results = measurement->results;
	int result = 0;

	for (uint32_t i = 0; i < results->traced_count && result == 0; i++) {
		struct traced_contest *contest = &results->traced[i];
		struct traced_samples *both = &contest->modes[mode];
		struct samples *samples = traced ? &both->traced : &both->untraced;
		struct slice_time time = {0, 0};

		result = run_warm_slice(measurement, contest, &time);
		if (result < 0 || pass < 0)
			continue;
		samples->wall[pass] = time.wall;
		samples->cpu[pass] = time.cpu;
	}
	return result;
}

static int account_slice(
    struct measurement *measurement, struct traced_contest *contest, enum tracer_mode mode, int pass)
{
	struct traced_samples *samples = &contest->modes[mode];
	struct account from = {0, 0};
	struct account to = {0, 0};
	struct slice_time time;
	int result = account_read(&from);

	if (result == 0)
		result = run_slice(measurement, contest, &time);
	if (result == 0)
		result = account_read(&to);
	if (result < 0 || pass < 0)
		return result;
	samples->kernel_ns[pass] = (double)(to.ns - from.ns) / contest->slice.connects;
	samples->kernel_runs[pass] = (double)(to.runs - from.runs) / contest->slice.connects;
	return 0;
}

static int account_all(struct measurement *measurement, enum tracer_mode mode, int pass)
{
	struct results *results = measurement->results;
	int fd = account_begin();
	int result = 0;

	results->accounted = fd >= 0;
	if (fd < 0)
		return 0;
	for (uint32_t i = 0; i < results->traced_count && result == 0; i++)
		result = account_slice(measurement, &results->traced[i], mode, pass);
	close(fd);
	if (result < 0)
		fprintf(stderr, "hawser-bench: --traced, %s: no account of the programs: %s\n",
		    tracer_modes[mode].name, strerror(-result));
	return result;
}

/* ---- passes ---- */

/* Or what was measured is not what it is said to be. */
static int check_seen(struct measurement *measurement, enum tracer_mode mode, const struct tracer_seen *seen)
{
	uint64_t expected = mode == TRACER_FILTERED_OUT ? 0 : measurement->connects;
	uint64_t records = mode == TRACER_RECORDS ? expected : 0;

	measurement->results->records_lost += seen->records_lost;
	if (seen->connects == expected && seen->records + seen->records_lost == records)
		return 0;
	fprintf(stderr,
	    "hawser-bench: --traced, %s: the trace saw %llu connects in %llu records and lost %llu, of %llu "
	    "made\n",
	    tracer_modes[mode].name, (unsigned long long)seen->connects, (unsigned long long)seen->records,
	    (unsigned long long)seen->records_lost, (unsigned long long)measurement->connects);
	return -EIO;
}

static int run_traced(struct measurement *measurement, enum tracer_mode mode, int pass)
{
	struct hawser_trace_sentence why = {""};
	struct tracer_seen seen = {0, 0, 0};
	struct tracer tracer;
	int result = tracer_open(&tracer, mode, measurement->results->server_cpu, &why);
	int closed;

	if (result < 0) {
		say_refusal(mode, &why);
		return result;
	}
	measurement->connects = 0;
	result = run_all(measurement, mode, true, pass);
	if (result == 0)
		result = account_all(measurement, mode, pass);
	closed = tracer_close(&tracer, &seen);
	if (result == 0 && closed < 0)
		fprintf(stderr, "hawser-bench: --traced, %s: the trace cannot be read: %s\n",
		    tracer_modes[mode].name, strerror(-closed));
	if (result == 0)
		result = closed;
	return result < 0 ? result : check_seen(measurement, mode, &seen);
}

static int run_mode(struct measurement *measurement, enum tracer_mode mode, int pass)
{
	bool traced_first = draw(measurement) & 1;
	int result = 0;

	if (traced_first)
		result = run_traced(measurement, mode, pass);
	if (result == 0)
		result = run_all(measurement, mode, false, pass);
	if (result == 0 && !traced_first)
		result = run_traced(measurement, mode, pass);
	return result;
}

static int run_pass(void *user, int pass)
{
	struct measurement *measurement = user;
	enum tracer_mode order[TRACER_MODES];
	int result = 0;

	for (unsigned i = 0; i < TRACER_MODES; i++)
		order[i] = (enum tracer_mode)i;
	for (unsigned i = TRACER_MODES - 1; i > 0; i--) {
		unsigned place = (unsigned)(draw(measurement) % (i + 1));
		enum tracer_mode mode = order[i];

		order[i] = order[place];
		order[place] = mode;
	}
	for (unsigned i = 0; i < TRACER_MODES && result == 0; i++)
		result = run_mode(measurement, order[i], pass);
	return result;
}

/* ---- room ---- */

enum { SERIES = 6 }; /* of one mode: the pointers of struct traced_samples */

static double *room_take(double **room, uint32_t passes)
{
	double *taken = *room;

	*room += passes;
	return taken;
}

static void samples_place(struct traced_samples *samples, double **room, uint32_t passes)
{
	samples->untraced.wall = room_take(room, passes);
	samples->untraced.cpu = room_take(room, passes);
	samples->traced.wall = room_take(room, passes);
	samples->traced.cpu = room_take(room, passes);
	samples->kernel_ns = room_take(room, passes);
	samples->kernel_runs = room_take(room, passes);
}

static bool contests_add(const struct options *options, const struct server *server, struct results *results)
{
	size_t rows = (size_t)ENGINE_KINDS * options->depths_count * TRACER_MODES;
	double *room = calloc(rows * SERIES, options->passes * sizeof(double));

	results->traced_room = room;
	if (!room)
		return false;
	for (int engine = 0; engine < ENGINE_KINDS; engine++)
		for (uint32_t i = 0; i < options->depths_count; i++) {
			struct traced_contest *contest = &results->traced[results->traced_count++];
			uint32_t depth = options->depths[i];

			contest->engine = (enum engine_kind)engine;
			contest->slice =
			    (struct slice){&server->tcp, depth, slice_connects(options, server, depth)};
			for (int mode = 0; mode < TRACER_MODES; mode++)
				samples_place(&contest->modes[mode], &room, options->passes);
		}
	return true;
}

void traced_free(struct results *results)
{
	free(results->traced_room);
}

static int open_engines(struct measurement *measurement)
{
	for (int engine = 0; engine < ENGINE_KINDS; engine++) {
		const struct variant *variant = &variants[variant_of[engine]];
		int result = variant->open(&measurement->states[engine]);

		if (result < 0) {
			fprintf(stderr, "hawser-bench: %s: %s\n", variant->name, strerror(-result));
			return result;
		}
	}
	return 0;
}

int traced_measure(const struct options *options, struct server *server, struct results *results)
{
	struct measurement measurement = {.server = server, .results = results};
	int result;

	if (!contests_add(options, server, results)) {
		fprintf(stderr, "hawser-bench: out of memory\n");
		return -ENOMEM;
	}
	result = open_engines(&measurement);
	if (result == 0)
		result = passes_run(options, results, run_pass, &measurement);
	for (int engine = 0; engine < ENGINE_KINDS; engine++)
		if (measurement.states[engine])
			variants[variant_of[engine]].close(measurement.states[engine]);
	return result;
}
