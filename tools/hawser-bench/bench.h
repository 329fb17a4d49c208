/* SPDX-License-Identifier: MIT
 *
 * What the parts of hawser-bench share: what is asked for, who takes part, and what was measured.
 *
 * A slice is a number of connects made by one variant, timed as a whole. A pass is one slice of every
 * variant, one right after the other, so that what disturbs the machine disturbs all of them.
 */
#ifndef HAWSER_BENCH_BENCH_H
#define HAWSER_BENCH_BENCH_H

#include "server.h"
#include "tracer.h"
#include <stdbool.h>
#include <stdint.h>

enum {
	DEPTHS_MAX = 8,
	DEPTH_MAX = 512,
	FAMILIES_MAX = 2,
	CONTESTS_MAX = DEPTHS_MAX * FAMILIES_MAX,
	PASSES_MAX = 10000,
	SLICE_DEPTHS = 4, /* a slice has at least this many times its depth, or it would be all ramp */
};

enum engine_kind { ENGINE_URING, ENGINE_EPOLL, ENGINE_KINDS };

enum variant_key {
	VARIANT_BARE_URING,
	VARIANT_BARE_URING_GUARDED,
	VARIANT_HAWSER_URING,
	VARIANT_HAWSER_EPOLL,
	VARIANT_BARE_EPOLL,
	VARIANT_BARE_BLOCKING,
	VARIANTS,
};

struct options {
	uint32_t passes;
	uint32_t slice;
	uint32_t clients;
	uint32_t seconds_max;
	uint32_t depths[DEPTHS_MAX];
	uint32_t depths_count;
	bool tcp;
	bool local; /* unix */
	bool json;
	bool gate;
	bool traced;
};

/* One slice's work. */
struct slice {
	const struct endpoint *endpoint;
	uint32_t depth;
	uint32_t connects;
};

struct variant {
	const char *name;
	const char *title;
	const char *unit; /* what one connect consists of */
	/* 0 or a negative errno. The state serves every slice and is not part of what is timed. */
	int (*open)(void **ret_state);
	int (*run)(void *state, const struct slice *slice);
	void (*close)(void *state);
};

extern const struct variant variants[VARIANTS];

/* Nanoseconds a connect, one for each pass. */
struct samples {
	double *wall;
	double *cpu;
};

struct contest {
	struct slice slice;
	struct samples samples[VARIANTS];
};

/* Of one mode: what was measured under it, and just before or after it without any trace. */
struct traced_samples {
	struct samples untraced;
	struct samples traced;
	/* The kernel's own account of the programs, in a slice of its own. */
	double *kernel_ns;
	double *kernel_runs;
};

struct traced_contest {
	enum engine_kind engine;
	struct slice slice;
	struct traced_samples modes[TRACER_MODES];
};

struct slice_time {
	double wall;
	double cpu;
};

struct memory_result {
	const char *engine;
	uint32_t clients;
	double bytes_per_client;
};

struct results {
	struct contest contests[CONTESTS_MAX];
	uint32_t contests_count;
	uint32_t passes; /* done: fewer than asked for when seconds_max ended them */
	struct memory_result memory[ENGINE_KINDS];
	struct traced_contest traced[DEPTHS_MAX * ENGINE_KINDS];
	uint32_t traced_count;
	double *traced_room; /* of all their samples */
	bool accounted;      /* the kernel told its account */
	uint64_t records_lost;
	int client_cpu;
	int server_cpu;
	double seconds;
	double load; /* runnable tasks of the machine when it began */
};

uint64_t bench_now_ns(void);

/* connect.c: all contests. 0 or a negative errno, and a sentence was printed. */
int connect_measure(const struct options *options, struct server *server, struct results *results);
void results_free(struct results *results);
/* Pass -1 warms up and is not counted; the others until there are enough of them or seconds_max is over. */
int passes_run(
    const struct options *options, struct results *results, int (*run)(void *user, int pass), void *user);
/* One slice, and the server has caught up with it; nanoseconds a connect. */
int slice_run(struct server *server, enum variant_key key, void *state, const struct slice *slice,
    struct slice_time *ret_time);
/* A slice never exceeds the backlog, so that it cannot overflow even if the server sleeps all the while. */
uint32_t slice_connects(const struct options *options, const struct server *server, uint32_t depth);

/* traced.c: what a trace costs hawser's connects. */
/* Whether this process may trace. A negative errno, and a sentence was printed. */
int traced_try(void);
int traced_measure(const struct options *options, struct server *server, struct results *results);
void traced_free(struct results *results);

/* idle.c: the library's memory for a client that is connected and idle. */
int idle_measure(enum engine_kind engine, const struct endpoint *endpoint, uint32_t clients,
    struct memory_result *ret_result);

/* The variants: library.c, bare_uring.c, bare_epoll.c. */
int library_uring_open(void **ret_state);
int library_epoll_open(void **ret_state);
int library_run(void *state, const struct slice *slice);
void library_close(void *state);
int bare_uring_open(void **ret_state);
int bare_uring_guarded_open(void **ret_state);
int bare_uring_run(void *state, const struct slice *slice);
void bare_uring_close(void *state);
int bare_epoll_open(void **ret_state);
int bare_epoll_run(void *state, const struct slice *slice);
int bare_blocking_run(void *state, const struct slice *slice);
void bare_epoll_close(void *state);

#endif
