/* SPDX-License-Identifier: MIT
 *
 * A loop: one thread's engine, timers and mailbox. Every client belongs to one loop.
 *
 * All functions belong to the loop's thread, but hawser_loop_post, hawser_loop_wake and hawser_loop_stop
 * (and hawser_client_retry_now), which any thread may call for as long as the loop's memory is there: until
 * hawser_loop_free returns, and beyond that until the last handle of the loop (a client, binding, call or
 * timer) is freed. Such a call must have returned by then. What comes while the loop is being freed is either
 * carried out before hawser_loop_free returns or answers -ESTALE; so a thread that cannot be joined before
 * the loop is freed needs a handle that is freed after its last call.
 *
 * In a child of fork the loop and its handles answer -ECHILD and do nothing; freeing them is harmless and
 * does nothing either.
 */
#ifndef HAWSER_LOOP_H
#define HAWSER_LOOP_H

#include <hawser/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum hawser_engine_choice {
	HAWSER_ENGINE_AUTO,  /* io_uring where the kernel allows it and has 6.1's features, else epoll */
	HAWSER_ENGINE_URING, /* io_uring or a failure */
	HAWSER_ENGINE_EPOLL,
};

struct hawser_loop_options {
	size_t size;
	enum hawser_engine_choice engine;
	uint32_t submission_entries;   /* 4..32768, rounded up to a power of two; default 256 */
	uint32_t completion_entries;   /* at least twice the above; default 1024 */
	uint32_t receive_buffers;      /* 2..32768, rounded up to a power of two; default 64 */
	uint32_t receive_buffer_size;  /* bytes, 512..1 MiB; default 16384 */
	uint32_t turn_completions_max; /* completions handled before timers and posts get their turn;
					  1..65536; default 256 */
	uint32_t resolver_threads_max; /* 1..16; default 2; started when a name is first looked up */
	bool watch_directories; /* wake clients of a unix path when its directory changes; default true */
	uint64_t random_seed;   /* for jitter; 0 takes one from the kernel */
	const struct hawser_allocator *allocator; /* copied; NULL is malloc and free */
	hawser_log_function log;                  /* NULL is silence */
	enum hawser_log_level log_level;          /* lines above it are not made; default warning */
	void *log_user;
};

#define HAWSER_DEFAULTS_hawser_loop_options                                                                \
	.size = sizeof(struct hawser_loop_options), .submission_entries = 256, .completion_entries = 1024, \
	.receive_buffers = 64, .receive_buffer_size = 16384, .turn_completions_max = 256,                  \
	.resolver_threads_max = 2, .watch_directories = true, .log_level = HAWSER_LOG_WARNING

HAWSER_PUBLIC void hawser_loop_options_init(struct hawser_loop_options *options);

/* Makes a loop; options may be NULL. The thread that first runs it (run, run_once, dispatch) becomes its
 * thread. 0; -EINVAL: an option out of range, a size that no version of the options has, an allocator without
 * one of its functions, no ret_loop; -E2BIG: options from a newer header with a field set that this library
 * does not know; -ENOMEM, -EMFILE, -ENFILE, -ENOSPC (the user's epoll watches are used up); with
 * HAWSER_ENGINE_URING also what io_uring_setup said (-EPERM, -ENOSYS) or -EOPNOTSUPP for a kernel before
 * 6.1. */
HAWSER_PUBLIC int hawser_loop_new(const struct hawser_loop_options *options, hawser_loop **ret_loop);

/* Ends the loop: its clients, bindings and calls get their terminal answers (-ECANCELED) in callbacks before
 * this returns; called in a callback, all that happens at the end of that turn. Operations in the kernel are
 * waited for, which takes no network time; so are calls of other threads that are inside the loop. Handles
 * that the owner still has answer -ESTALE and must still be freed: until then the loop itself answers
 * -ESTALE, too, and freeing it again does nothing. NULL is allowed. */
HAWSER_PUBLIC void hawser_loop_free(hawser_loop *loop);

/* Runs until hawser_loop_stop, or until nothing is left that could ever happen (no client, timer or post).
 * 0, also when a callback freed the loop, which then is gone; -EBUSY: from within a callback; -ESTALE: the
 * loop is being freed, or was; -ECHILD; or the engine's own failure, after which the loop can only be freed.
 */
HAWSER_PUBLIC int hawser_loop_run(hawser_loop *loop);

/* One turn: waits at most timeout_ms (HAWSER_NONE: without limit, 0: not at all) for something to happen and
 * handles it. 0 or the errors of hawser_loop_run. */
HAWSER_PUBLIC int hawser_loop_run_once(hawser_loop *loop, uint32_t timeout_ms);

/* Any thread. Makes the hawser_loop_run that is going on return after its turn. When none is, it is kept for
 * whichever comes next: a run makes one turn that does not wait and returns (at once when there is nothing to
 * run for); a run_once or dispatch does not wait and is all that this stop ends, so that a loop inside
 * another one is only woken by it. Stops that come before they are spent are one. 0, -ESTALE or -ECHILD. */
HAWSER_PUBLIC int hawser_loop_stop(hawser_loop *loop);

/* Any thread. Makes a sleeping loop turn once. 0, -ESTALE or -ECHILD. */
HAWSER_PUBLIC int hawser_loop_wake(hawser_loop *loop);

/* Any thread. Runs function(user) in the loop's thread, in the order of posting, exactly once; what is posted
 * while posts run waits for the next turn. Posts that a freed loop finds are run before it goes.
 * 0; -EINVAL: no function; -ENOMEM; -ENOBUFS: 65536 posts wait already; -ESTALE: the loop is being freed, or
 * was: the function will not run; -ECHILD. The allocator is called in the posting thread. */
HAWSER_PUBLIC int hawser_loop_post(hawser_loop *loop, void (*function)(void *user), void *user);

/* For a loop that lives inside another one (poll, epoll, io_uring): a descriptor that becomes readable when
 * hawser_loop_dispatch has work, at the latest at the next deadline. It belongs to the loop; never read it.
 * The descriptor, the same each time; or -EMFILE, -ENFILE, -ENOMEM, -ENOSPC (the user's epoll watches are
 * used up), after which it may be asked for again; -ESTALE; -ECHILD. */
HAWSER_PUBLIC int hawser_loop_fd(hawser_loop *loop);

/* Handles what is there without waiting; when its budget ends early the descriptor stays readable.
 * Spends a hawser_loop_stop. 0 or the errors of hawser_loop_run. */
HAWSER_PUBLIC int hawser_loop_dispatch(hawser_loop *loop);

/* "io_uring" or "epoll" ("none" once the loop was freed), and one sentence why: "asked for",
 * "io_uring_setup: EPERM", ... Never NULL; the sentence lives as long as the loop's memory. */
HAWSER_PUBLIC const char *hawser_loop_engine(const hawser_loop *loop);
HAWSER_PUBLIC const char *hawser_loop_engine_reason(const hawser_loop *loop);

/* CLOCK_MONOTONIC nanoseconds, read anew; what was read last once the loop was freed. */
HAWSER_PUBLIC uint64_t hawser_loop_now_ns(const hawser_loop *loop);

/* Bytes the loop and all that belongs to it hold from the allocator, receive buffers included. */
HAWSER_PUBLIC size_t hawser_loop_memory(const hawser_loop *loop);

/* Timers. Equal deadlines fire in the order in which they were started. */
typedef void (*hawser_timer_function)(hawser_timer *timer, void *user);

/* Calls function after delay_ns, and if period_ns is not 0 again every period_ns, counted from the moment the
 * callback began (a slow callback loses ticks, it never gets a burst of them). The callback may free the
 * timer. A one-shot timer that has fired stays a handle until it is freed. Delays beyond the clock's end are
 * never. 0; -EINVAL: no function, no ret_timer; -ENOMEM; -ESTALE: the loop is being freed, or was; -ECHILD.
 */
HAWSER_PUBLIC int hawser_timer_new(hawser_loop *loop, uint64_t delay_ns, uint64_t period_ns,
    hawser_timer_function function, void *user, hawser_timer **ret_timer);

/* Starts the timer anew, whether it had fired or not. 0; -ESTALE: the loop is being freed, or was;
 * -ECHILD. */
HAWSER_PUBLIC int hawser_timer_restart(hawser_timer *timer, uint64_t delay_ns, uint64_t period_ns);

/* Cancels and frees; the function is never called again. NULL is allowed. */
HAWSER_PUBLIC void hawser_timer_free(hawser_timer *timer);

#ifdef __cplusplus
}
#endif
#endif
