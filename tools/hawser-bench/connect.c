/* SPDX-License-Identifier: MIT
 *
 * The benchmark's order of events: contests (a family and a depth), passes, slices.
 *
 * Happy path: every variant is opened once; a pass goes through all contests, and in each one through all
 * variants. Two variants that are compared always run one right after the other, the one or the other first
 * in turn; where the pairs stand rotates from pass to pass.
 * Failures: a variant that cannot be opened (io_uring is forbidden), a connect that failed, a server that
 * does not keep up: one sentence, and there is no result.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

const struct variant variants[VARIANTS] = {
    [VARIANT_BARE_URING] = {"bare-uring", "bare io_uring loop",
	"socket, IORING_OP_CONNECT, hang up (SINGLE_ISSUER, DEFER_TASKRUN, SUBMIT_ALL)", bare_uring_open,
	bare_uring_run, bare_uring_close},
    [VARIANT_BARE_URING_GUARDED] = {"bare-uring-guarded", "  with timeout and verify",
	"the same with a linked timeout (CQE_SKIP_SUCCESS) and getpeername", bare_uring_guarded_open,
	bare_uring_run, bare_uring_close},
    [VARIANT_HAWSER_URING] = {"hawser-uring", "hawser, io_uring",
	"hawser_client_new (protocol none), told on_handover, hang up, hawser_client_free",
	library_uring_open, library_run, library_close},
    [VARIANT_HAWSER_EPOLL] = {"hawser-epoll", "hawser, epoll", "the same on the epoll engine",
	library_epoll_open, library_run, library_close},
    [VARIANT_BARE_EPOLL] = {"bare-epoll", "bare epoll loop", "socket, connect, EPOLLOUT, SO_ERROR, hang up",
	bare_epoll_open, bare_epoll_run, bare_epoll_close},
    [VARIANT_BARE_BLOCKING] = {"bare-blocking", "blocking, no loop",
	"socket, connect(2), hang up, one after the other, whatever the depth", bare_epoll_open,
	bare_blocking_run, bare_epoll_close},
};

/* Side by side: what is compared. */
enum { PAIRS = 3 };
static const struct {
	uint32_t count;
	enum variant_key keys[2];
} pairs[PAIRS] = {
    {2, {VARIANT_BARE_URING, VARIANT_BARE_BLOCKING}},
    {2, {VARIANT_BARE_URING_GUARDED, VARIANT_HAWSER_URING}},
    {2, {VARIANT_BARE_EPOLL, VARIANT_HAWSER_EPOLL}},
};

uint64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

struct measurement {
	struct server *server;
	struct results *results;
	void *states[VARIANTS];
	uint32_t opened;
};

int slice_run(struct server *server, enum variant_key key, void *state, const struct slice *slice,
    struct slice_time *ret_time)
{
	uint64_t cpu_ns = thread_ns();
	uint64_t wall_ns = bench_now_ns();
	int result = variants[key].run(state, slice);

	wall_ns = bench_now_ns() - wall_ns;
	cpu_ns = thread_ns() - cpu_ns;
	if (result < 0) {
		fprintf(stderr, "hawser-bench: %s, %s, %u in flight: a connect failed: %s\n",
		    variants[key].name, slice->endpoint->name, slice->depth, strerror(-result));
		return result;
	}
	ret_time->wall = (double)wall_ns / slice->connects;
	ret_time->cpu = (double)cpu_ns / slice->connects;
	result = server_catch_up(server, slice->connects);
	if (result < 0)
		fprintf(stderr, "hawser-bench: the server does not accept what was connected\n");
	return result;
}

static int run_slice(struct measurement *measurement, struct contest *contest, enum variant_key key, int pass)
{
	struct slice_time time = {0, 0};
	int result = slice_run(measurement->server, key, measurement->states[key], &contest->slice, &time);

	if (result == 0 && pass >= 0) {
		contest->samples[key].wall[pass] = time.wall;
		contest->samples[key].cpu[pass] = time.cpu;
	}
	return result;
}

static int run_contest(struct measurement *measurement, struct contest *contest, int pass)
{
	int result = 0;

	for (int i = 0; i < PAIRS; i++) {
		uint32_t pair = (uint32_t)(i + pass + 1) % PAIRS;

		for (uint32_t j = 0; j < pairs[pair].count && result == 0; j++) {
			uint32_t side = pass & 1 ? pairs[pair].count - 1 - j : j;

			result = run_slice(measurement, contest, pairs[pair].keys[side], pass);
		}
	}
	return result;
}

static int run_pass(void *user, int pass)
{
	struct measurement *measurement = user;
	struct results *results = measurement->results;
	int result = 0;

	for (uint32_t i = 0; i < results->contests_count && result == 0; i++)
		result = run_contest(measurement, &results->contests[i], pass);
	return result;
}

int passes_run(
    const struct options *options, struct results *results, int (*run)(void *user, int pass), void *user)
{
	uint64_t began_ns = bench_now_ns();
	uint64_t until_ns = began_ns + options->seconds_max * NS_PER_S;
	int result = run(user, -1);

	while (result == 0 && results->passes < options->passes &&
	       (results->passes == 0 || bench_now_ns() < until_ns)) {
		result = run(user, (int)results->passes);
		results->passes++;
	}
	results->seconds = (double)(bench_now_ns() - began_ns) / (double)NS_PER_S;
	return result;
}

uint32_t slice_connects(const struct options *options, const struct server *server, uint32_t depth)
{
	uint32_t least = SLICE_DEPTHS * depth;
	uint32_t connects = options->slice > least ? options->slice : least;

	return connects < server->backlog ? connects : server->backlog;
}

static bool contest_add(struct results *results, const struct options *options, const struct slice *slice)
{
	struct contest *contest = &results->contests[results->contests_count++];

	contest->slice = *slice;
	for (int key = 0; key < VARIANTS; key++) {
		contest->samples[key].wall = calloc(options->passes, sizeof(double));
		contest->samples[key].cpu = calloc(options->passes, sizeof(double));
		if (!contest->samples[key].wall || !contest->samples[key].cpu)
			return false;
	}
	return true;
}

static bool contests_add(struct results *results, const struct options *options, const struct server *server,
    const struct endpoint *endpoint)
{
	for (uint32_t i = 0; i < options->depths_count; i++) {
		struct slice slice = {endpoint, options->depths[i], 0};

		slice.connects = slice_connects(options, server, slice.depth);
		if (!contest_add(results, options, &slice))
			return false;
	}
	return true;
}

void results_free(struct results *results)
{
	for (uint32_t i = 0; i < results->contests_count; i++)
		for (int key = 0; key < VARIANTS; key++) {
			free(results->contests[i].samples[key].wall);
			free(results->contests[i].samples[key].cpu);
		}
}

static int open_variants(struct measurement *measurement)
{
	while (measurement->opened < VARIANTS) {
		const struct variant *variant = &variants[measurement->opened];
		int result = variant->open(&measurement->states[measurement->opened]);

		if (result < 0) {
			fprintf(stderr, "hawser-bench: %s: %s\n", variant->name, strerror(-result));
			return result;
		}
		measurement->opened++;
	}
	return 0;
}

int connect_measure(const struct options *options, struct server *server, struct results *results)
{
	struct measurement measurement = {.server = server, .results = results};
	int result;

	if ((options->tcp && !contests_add(results, options, server, &server->tcp)) ||
	    (options->local && !contests_add(results, options, server, &server->local))) {
		fprintf(stderr, "hawser-bench: out of memory\n");
		return -ENOMEM;
	}
	result = open_variants(&measurement);
	if (result == 0)
		result = passes_run(options, results, run_pass, &measurement);
	for (uint32_t i = 0; i < measurement.opened; i++)
		variants[i].close(measurement.states[i]);
	return result;
}
