/* SPDX-License-Identifier: MIT
 *
 * The demo's parts: the stage (a host process, a listener that never answers, a port where nobody listens),
 * the actors (clients and what they are told), and the table at the end.
 */
#ifndef HAWSER_DEMO_H
#define HAWSER_DEMO_H

#include <hawser/hawser.h>
#include <sys/types.h>

enum { FLEET = 16, SAMPLES_MAX = 256 };

/* stage.c */
struct stage {
	char directory[64];
	char host_program[512];
	char unix_target[128];
	char refused_target[64];
	char silent_target[64];
	int silent_fds[3];
	pid_t host;
};
/* 0, or -1 with a sentence on standard error. */
int stage_set(struct stage *stage, const char *program);
void stage_clear(struct stage *stage);
int stage_start_host(struct stage *stage);
void stage_kill_host(struct stage *stage);

/* actor.c: one client and what it has seen. */
struct actor {
	const char *name;
	hawser_client *client;
	bool loud; /* each of its changes is a line */
	uint32_t attempt_deadline_ms;
	uint64_t began_ns; /* this wish to be connected */
	uint64_t ready_ns[SAMPLES_MAX];
	uint64_t bound_ns[SAMPLES_MAX];
	unsigned ready_count;
	unsigned bound_count;
	unsigned replies;
	struct hawser_error last;
	char last_address[HAWSER_ADDRESS_MAX];
	char last_text[128];
};
void actor_start(struct actor *actor, hawser_loop *loop, struct hawser_client_options *options);
void actor_bind(struct actor *actor, const char *service);
void actor_on_reply(hawser_call *call, const struct hawser_bytes *reply, bool more,
    const struct hawser_error *error, void *user);
extern hawser_binding *actor_bindings[3]; /* Echo, Counter, Slow of the loud one */

/* table.c */
struct row {
	const char *name;
	struct actor *actors;
	unsigned count;
};
/* Nearest rank: the smallest sample that so many percent of all do not exceed. They are sorted, and count is
 * not 0. */
uint64_t table_percentile(const uint64_t *samples, unsigned count, unsigned percent);
void table_print(const struct row *rows, unsigned count);
/* kernel.c: what eBPF programs see meanwhile, or why they may not. */
void kernel_watch(void);
void kernel_print(void);

void say(const char *who, const char *format, ...) __attribute__((format(printf, 2, 3)));
void say_begin(void);

#endif
