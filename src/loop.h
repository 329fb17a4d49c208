/* SPDX-License-Identifier: MIT
 *
 * A loop from the inside: engine, timers, tasks and mailbox of one thread, and the slabs its objects come
 * from.
 *
 * A task is something to be told or done a little later, from the loop. Tasks run in the order in which they
 * were queued, after each completion, each frame, each timer and each post, so that no callback runs inside
 * the call that caused it and all run in the order of their causes.
 */
#ifndef HAWSER_LOOP_INTERNAL_H
#define HAWSER_LOOP_INTERNAL_H

#include "core/list.h"
#include "core/memory.h"
#include "core/slots.h"
#include "core/timers.h"
#include "engine/engine.h"
#include "mailbox.h"
#include <hawser/loop.h>

struct task {
	struct list link;
	void (*run)(struct task *task);
};

enum { LOOP_REASON_MAX = 96 };

struct hawser_loop {
	struct memory memory; /* first: the allocator finds the loop by it */
	struct hawser_allocator allocator;
	size_t memory_used;
	struct engine *engine;
	char reason[LOOP_REASON_MAX];
	struct timers timers;
	struct list tasks;
	struct task generation_end; /* a mark among the tasks: see turn.c */
	struct mailbox mailbox;
	struct list clients;
	struct list user_timers;
	struct list pumps; /* tasks of wires whose bytes are to be looked at again */
	struct task pump_task;
	struct list directories; /* watched for unix clients */
	struct slots client_slots;
	struct slots binding_slots;
	struct slots call_slots;
	struct slots errand_slots;
	struct slots note_slots;
	struct slots timer_slots;
	uint64_t random;
	uint64_t now_ns; /* as of the last wait */
	uint64_t next_client;
	uint64_t moves_missing;
	hawser_log_function log;
	void *log_user;
	enum hawser_log_level log_level;
	uint32_t turn_completions_max;
	uint32_t receive_buffer_size;
	uint32_t connections; /* wires there are, closing ones too */
	uint32_t handles;     /* held by users: the loop's memory outlives them */
	uint32_t fork_count;
	int foreign_fd; /* hawser_loop_fd: epoll of the engine's fd, timerfd and eventfd; -1 */
	int foreign_timer_fd;
	int foreign_event_fd;
	bool watch_directories;
	bool pumping;                   /* pump_task is on the stack */
	bool turning;                   /* a turn is going on: callbacks may be running */
	bool freeing;                   /* hawser_loop_free was called */
	bool gone;                      /* torn down: only handles keep the memory */
	char address[ADDRESS_TEXT_MAX]; /* of the error or change that is being told */
};

/* As hawser_loop_new with the engine that create makes; options may be NULL. */
int loop_new_on(const struct hawser_loop_options *options,
    int (*create)(const struct engine_options *options, void *user, struct engine **ret_engine), void *user,
    hawser_loop **ret_loop);

/* 0; -ECHILD in a forked child; -ESTALE when the loop is gone or being freed. Every entry of the API asks
 * first. */
int loop_enter(hawser_loop *loop);
/* Only the fork: for what is still legal while a loop is freed. */
bool loop_is_forked(const hawser_loop *loop);

/* Queues a task once; queued already, it keeps its place. */
void loop_queue(hawser_loop *loop, struct task *task);
static inline void task_init(struct task *task, void (*run)(struct task *task))
{
	list_init(&task->link);
	task->run = run;
}
static inline bool task_queued(const struct task *task)
{
	return !list_empty(&task->link);
}
static inline void task_drop(struct task *task)
{
	list_remove(&task->link);
}
void loop_run_tasks(hawser_loop *loop);

/* post.c. A visit is what another thread does in a loop; it must end, because the end of the loop waits for
 * it. 0; -ECHILD; -ESTALE: the loop is being freed, or gone, and nothing of it but its handles may be
 * touched. */
int loop_visit(hawser_loop *loop);
void loop_visit_end(hawser_loop *loop);
void loop_post(hawser_loop *loop, struct post *post); /* within a visit: puts it, and wakes the loop */

uint64_t loop_random(hawser_loop *loop);
uint64_t loop_now(hawser_loop *loop); /* read anew */
/* now + ms, ENGINE_NEVER for HAWSER_NONE. */
uint64_t loop_after_ms(hawser_loop *loop, uint32_t ms);

/* A user's handle keeps the loop's memory. drop may free it. */
void loop_hold(hawser_loop *loop);
void loop_drop(hawser_loop *loop);

/* For lines whose arguments cost something. */
static inline bool loop_logs(const hawser_loop *loop, enum hawser_log_level level)
{
	return loop->log && level <= loop->log_level;
}
__attribute__((format(printf, 4, 5))) void loop_log(
    hawser_loop *loop, enum hawser_log_level level, const hawser_client *client, const char *format, ...);

/* foreign.c */
void loop_foreign_signal(hawser_loop *loop); /* an API call outside of dispatch left work */
void loop_foreign_rearm(
    hawser_loop *loop, bool more); /* after dispatch: next deadline, and whether work is left */
void loop_foreign_close(hawser_loop *loop);

/* timer.c */
size_t timer_object_size(void);
void timers_user_gone(hawser_loop *loop); /* the loop is freed: none fires any more */

/* turn.c */
bool loop_idle(const hawser_loop *loop);
void loop_teardown(hawser_loop *loop);

/* options.c: copies a versioned options struct of the caller's size over the defaults that are there. 0,
 * -EINVAL (smaller than the first version or absurd), -E2BIG (a field is set that this library does not
 * know). */
int options_copy(void *known, size_t known_size, size_t first_size, const void *given);

#endif
