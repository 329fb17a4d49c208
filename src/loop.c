/* SPDX-License-Identifier: MIT
 *
 * The public face of a loop: making and freeing it, choosing its engine, its memory, posts. What a turn does
 * is in turn.c, what a foreign loop sees in foreign.c.
 *
 * Failures: options out of range (-EINVAL), no engine (io_uring's own errno when it was asked for by name,
 * else epoll is taken and the reason kept), no memory. The memory of a freed loop stays until the last handle
 * of its clients, bindings, calls and timers is freed.
 */
#include "loop.h"
#include "client.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static atomic_uint forks;

static void forked(void)
{
	atomic_fetch_add(&forks, 1);
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, forked);
}

static void *system_allocate(size_t size, void *user)
{
	(void)user;
	return malloc(size);
}

static void system_release(void *pointer, size_t size, void *user)
{
	(void)size;
	(void)user;
	free(pointer);
}

static void *loop_allocate(struct memory *memory, size_t size)
{
	hawser_loop *loop = (hawser_loop *)memory;
	void *pointer = loop->allocator.allocate(size, loop->allocator.user);

	if (pointer) {
		memset(pointer, 0, size);
		loop->memory_used += size;
	}
	return pointer;
}

static void loop_release(struct memory *memory, void *pointer, size_t size)
{
	hawser_loop *loop = (hawser_loop *)memory;

	loop->memory_used -= size;
	loop->allocator.release(pointer, size, loop->allocator.user);
}

void hawser_loop_options_init(struct hawser_loop_options *options)
{
	const struct hawser_loop_options defaults = {HAWSER_DEFAULTS_hawser_loop_options};

	*options = defaults;
}

static bool in_range(uint32_t value, uint32_t least, uint32_t most)
{
	return value >= least && value <= most;
}

static int options_check(const struct hawser_loop_options *options)
{
	if (options->engine < HAWSER_ENGINE_AUTO || options->engine > HAWSER_ENGINE_EPOLL ||
	    !in_range(options->submission_entries, 4, 32768) ||
	    !in_range(options->completion_entries, 8, 65536) ||
	    options->completion_entries < 2 * options->submission_entries ||
	    !in_range(options->receive_buffers, 2, 32768) ||
	    !in_range(options->receive_buffer_size, 512, 1048576) ||
	    !in_range(options->turn_completions_max, 1, 65536) ||
	    !in_range(options->resolver_threads_max, 1, 16) || options->log_level > HAWSER_LOG_DEBUG)
		return -EINVAL;
	if (options->allocator && (!options->allocator->allocate || !options->allocator->release))
		return -EINVAL;
	return 0;
}

static void generation_ends(struct task *task)
{
	(void)task;
}

static void lists_init(hawser_loop *loop)
{
	struct memory *memory = &loop->memory;

	list_init(&loop->tasks);
	task_init(&loop->generation_end, generation_ends);
	list_init(&loop->clients);
	list_init(&loop->user_timers);
	list_init(&loop->directories);
	wires_init(loop);
	slots_init(&loop->client_slots, memory, sizeof(struct hawser_client), 32);
	slots_init(&loop->binding_slots, memory, sizeof(struct hawser_binding), 64);
	slots_init(&loop->call_slots, memory, sizeof(struct hawser_call), 64);
	slots_init(&loop->errand_slots, memory, sizeof(struct errand), 64);
	slots_init(&loop->note_slots, memory, sizeof(struct note), 64);
	slots_init(&loop->timer_slots, memory, timer_object_size(), 64);
	timers_init(&loop->timers, memory);
	mailbox_init(&loop->mailbox);
}

static hawser_loop *loop_allocate_itself(const struct hawser_loop_options *options)
{
	const struct hawser_allocator standard = {system_allocate, system_release, NULL};
	const struct hawser_allocator *allocator = options->allocator ? options->allocator : &standard;
	hawser_loop *loop = allocator->allocate(sizeof(*loop), allocator->user);

	if (!loop)
		return NULL;
	memset(loop, 0, sizeof(*loop));
	loop->allocator = *allocator;
	loop->memory.allocate = loop_allocate;
	loop->memory.release = loop_release;
	loop->memory_used = sizeof(*loop);
	loop->foreign_fd = loop->foreign_timer_fd = loop->foreign_event_fd = -1;
	loop->log = options->log;
	loop->log_user = options->log_user;
	loop->log_level = options->log_level;
	loop->turn_completions_max = options->turn_completions_max;
	loop->receive_buffer_size = options->receive_buffer_size;
	loop->watch_directories = options->watch_directories;
	loop->fork_count = atomic_load(&forks);
	loop->random = options->random_seed;
	lists_init(loop);
	return loop;
}

static void loop_free_itself(hawser_loop *loop)
{
	struct hawser_allocator allocator = loop->allocator;

	slots_destroy(&loop->client_slots);
	slots_destroy(&loop->binding_slots);
	slots_destroy(&loop->call_slots);
	slots_destroy(&loop->errand_slots);
	slots_destroy(&loop->note_slots);
	slots_destroy(&loop->timer_slots);
	timers_destroy(&loop->timers);
	allocator.release(loop, sizeof(*loop), allocator.user);
}

int loop_new_on(const struct hawser_loop_options *given,
    int (*create)(const struct engine_options *options, void *user, struct engine **ret_engine), void *user,
    hawser_loop **ret_loop)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct hawser_loop_options options;
	struct engine_options engine_options;
	hawser_loop *loop;
	int result;

	if (!ret_loop)
		return -EINVAL;
	hawser_loop_options_init(&options);
	result = options_copy(&options, sizeof(options), sizeof(options), given);
	if (result == 0)
		result = options_check(&options);
	if (result < 0)
		return result;
	pthread_once(&once, watch_forks);
	loop = loop_allocate_itself(&options);
	if (!loop)
		return -ENOMEM;
	while (loop->random == 0)
		if (getrandom(&loop->random, sizeof(loop->random), GRND_NONBLOCK) < 0)
			loop->random = (uint64_t)(uintptr_t)loop;
	engine_options.memory = &loop->memory;
	engine_options.submission_entries = options.submission_entries;
	engine_options.completion_entries = options.completion_entries;
	engine_options.receive_buffers = options.receive_buffers;
	engine_options.receive_buffer_size = options.receive_buffer_size;
	engine_options.resolver_threads_max = options.resolver_threads_max;
	result = create(&engine_options, user ? user : loop, &loop->engine);
	if (result < 0) {
		loop_free_itself(loop);
		return result;
	}
	loop->now_ns = loop_now(loop);
	*ret_loop = loop;
	return 0;
}

struct engine_wish {
	enum hawser_engine_choice choice;
	char reason[LOOP_REASON_MAX];
};

static int create_engine(const struct engine_options *options, void *user, struct engine **ret_engine)
{
	struct engine_wish *wish = user;
	const char *missing = NULL;
	int result;

	if (wish->choice == HAWSER_ENGINE_EPOLL) {
		snprintf(wish->reason, sizeof(wish->reason), "asked for");
		return epoll_create_engine(options, ret_engine);
	}
	result = uring_create(options, ret_engine, &missing);
	if (result == 0) {
		snprintf(wish->reason, sizeof(wish->reason), "%s",
		    wish->choice == HAWSER_ENGINE_URING ? "asked for" : "the kernel has what it needs");
		return 0;
	}
	if (wish->choice == HAWSER_ENGINE_URING)
		return result;
	if (missing)
		snprintf(wish->reason, sizeof(wish->reason), "io_uring here lacks %s (Linux 6.1)", missing);
	else
		snprintf(wish->reason, sizeof(wish->reason), "io_uring_setup: %s", hawser_errno_name(result));
	return epoll_create_engine(options, ret_engine);
}

int hawser_loop_new(const struct hawser_loop_options *options, hawser_loop **ret_loop)
{
	struct engine_wish wish = {.choice = HAWSER_ENGINE_AUTO};
	size_t end = offsetof(struct hawser_loop_options, engine) + sizeof(options->engine);
	int result;

	if (options && options->size >= end)
		wish.choice = options->engine;
	result = loop_new_on(options, create_engine, &wish, ret_loop);
	if (result < 0)
		return result;
	memcpy((*ret_loop)->reason, wish.reason, sizeof(wish.reason));
	loop_log(
	    *ret_loop, HAWSER_LOG_INFO, NULL, "engine %s: %s", hawser_loop_engine(*ret_loop), wish.reason);
	return 0;
}

bool loop_is_forked(const hawser_loop *loop)
{
	return loop->fork_count != atomic_load_explicit(&forks, memory_order_relaxed);
}

int loop_enter(hawser_loop *loop)
{
	if (loop_is_forked(loop))
		return -ECHILD;
	if (loop->freeing || loop->gone)
		return -ESTALE;
	if (loop->foreign_fd >= 0 && !loop->turning)
		loop_foreign_signal(loop);
	return 0;
}

void loop_hold(hawser_loop *loop)
{
	loop->handles++;
}

void loop_drop(hawser_loop *loop)
{
	loop->handles--;
	if (loop->gone && loop->handles == 0 && !loop->turning)
		loop_free_itself(loop);
}

void hawser_loop_free(hawser_loop *loop)
{
	if (!loop || loop->freeing || loop_is_forked(loop))
		return;
	loop->freeing = true;
	if (loop->turning)
		return;
	loop_teardown(loop);
}

const char *hawser_loop_engine(const hawser_loop *loop)
{
	return loop->gone ? "none" : loop->engine->operations->name;
}

const char *hawser_loop_engine_reason(const hawser_loop *loop)
{
	return loop->reason;
}

uint64_t loop_now(hawser_loop *loop)
{
	loop->now_ns = loop->engine->operations->now(loop->engine);
	return loop->now_ns;
}

uint64_t loop_after_ms(hawser_loop *loop, uint32_t ms)
{
	return ms == HAWSER_NONE ? ENGINE_NEVER : loop_now(loop) + (uint64_t)ms * 1000000;
}

uint64_t hawser_loop_now_ns(const hawser_loop *loop)
{
	return loop->gone ? loop->now_ns : loop->engine->operations->now(loop->engine);
}

size_t hawser_loop_memory(const hawser_loop *loop)
{
	size_t posts = atomic_load(&loop->mailbox.waiting) * sizeof(struct post);

	return loop->memory_used + posts + (loop->gone ? 0 : loop->engine->operations->memory(loop->engine));
}

/* splitmix64 (Steele, Lea, Flood, 2014): jitter needs spread, not secrecy. */
uint64_t loop_random(hawser_loop *loop)
{
	uint64_t z = loop->random += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

void loop_log(
    hawser_loop *loop, enum hawser_log_level level, const hawser_client *client, const char *format, ...)
{
	char line[512];
	va_list arguments;

	if (!loop_logs(loop, level))
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	loop->log(level, client, line, loop->log_user);
}
