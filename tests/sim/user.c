/* SPDX-License-Identifier: MIT
 *
 * What the simulated user does next, and the return codes it accepts.
 */
#include "world.h"

#include <errno.h>
#include <string.h>

/* ---- around each call ---- */

static const char *const api_names[] = {
#define API(name, ...) "hawser_" #name,
#include "api.def"
#undef API
};

static const int api_errors[API_CALLS][8] = {
#define API(name, ...) {__VA_ARGS__},
#include "api.def"
#undef API
};

const char *api_name(enum api_call call)
{
	return api_names[call];
}

void api_enter(struct world *world)
{
	if (world->in_api)
		violated(world, "simulator: a call of the API within another");
	world->in_api = true;
	world->failures_before = world->memory.failures;
}

static bool is_documented(enum api_call call, int result)
{
	if (result >= 0)
		return true;
	for (int i = 0; i < 8; i++)
		if (api_errors[call][i] == result)
			return true;
	return false;
}

int api_leave(struct world *world, enum api_call call, uint64_t subject, int result)
{
	world->in_api = false;
	trace(world, TRACE_called, (uint64_t)call, subject, trace_number(result));
	if (!is_documented(call, result))
		violated(world, "%s answered %s, which it does not document", api_names[call],
		    hawser_errno_name(result));
	if (result == -ENOMEM && world->memory.failures == world->failures_before)
		violated(world, "%s answered ENOMEM, and no memory was refused", api_names[call]);
	return result;
}

/* ---- the choice ---- */

struct choice {
	unsigned weight;
	void (*act)(struct world *world);
};

static void change_memory(struct world *world)
{
	if (chance(world, 50))
		world->memory.fail_in = draw_between(world, 1, 20);
	else
		world->memory.spared = chance(world, 50);
}

static void free_loop_here(struct world *world)
{
	if (!world->in_callback || !world->loop || world->loop_freed || !chance(world, 25))
		return;
	world->loop_freed = true;
	api_enter(world);
	hawser_loop_free(world->loop);
	api_leave(world, API_loop_free, 0, 0);
}

static void run_here(struct world *world)
{
	int result;

	if (!world->in_callback || !world->loop)
		return;
	api_enter(world);
	result = hawser_loop_run_once(world->loop, 0);
	api_leave(world, API_loop_run, 0, result);
	if (result == 0)
		violated(world, "the loop ran within a callback");
}

static const struct choice choices[] = {
    {9, user_client_new},
    {1, user_client_new_bad},
    {3, user_client_connect},
    {3, user_client_retry_now},
    {2, user_client_drain},
    {2, user_client_close},
    {2, user_client_free},
    {5, user_client_setup},
    {3, user_client_ask},
    {16, user_bind},
    {1, user_bind_again},
    {4, user_binding_release},
    {4, user_binding_free},
    {26, user_invoke},
    {4, user_call_cancel},
    {4, user_call_free},
    {14, user_send},
    {5, user_pause},
    {8, user_resume},
    {2, user_shutdown_send},
    {4, user_timer_new},
    {2, user_timer_restart},
    {2, user_timer_free},
    {4, user_post},
    {1, user_wake},
    {1, change_memory},
    {1, free_loop_here},
    {1, run_here},
};

enum { CHOICES = sizeof(choices) / sizeof(choices[0]) };

void user_step(struct world *world)
{
	static unsigned total;
	uint64_t place;

	if (total == 0)
		for (size_t i = 0; i < CHOICES; i++)
			total += choices[i].weight;
	place = draw_below(world, total);
	for (size_t i = 0; i < CHOICES; i++) {
		if (place < choices[i].weight) {
			choices[i].act(world);
			return;
		}
		place -= choices[i].weight;
	}
}

void user_burst(struct world *world)
{
	uint64_t count = 1;

	if (chance(world, world->theme == THEME_QUEUES ? 40 : 10)) {
		count = draw_between(world, 2, 10);
		world->user.favourite = any_client(world);
	}
	for (uint64_t i = 0; i < count; i++)
		user_step(world);
	world->user.favourite = NULL;
}

void user_reacts(struct world *world)
{
	uint64_t count;

	if (world->healed)
		return;
	if (chance(world, world->faults.sleeps)) {
		uint64_t sleep_us = draw_below(world, 20000);

		trace(world, TRACE_slept, sleep_us, 0, 0);
		world->now += sleep_us * MICROSECOND;
	}
	if (!chance(world, world->faults.reacts))
		return;
	count = draw_between(world, 1, 3);
	for (uint64_t i = 0; i < count; i++)
		user_step(world);
}

void user_begin(struct world *world)
{
	struct user *user = &world->user;

	user->clients_count = 0;
	user->bindings_count = 0;
	user->calls_count = 0;
	user->timers_count = 0;
	user->posts_count = 0;
	user->posts_ran = 0;
	user->timer_order = 0;
	user->favourite = NULL;
}

/* ---- the end ---- */

static void free_some(struct world *world, uint64_t kind)
{
	struct user *user = &world->user;

	for (uint32_t i = 0; kind == 0 && i < user->clients_count; i++)
		if (user->clients[i].handle)
			client_free(&user->clients[i]);
	for (uint32_t i = 0; kind == 1 && i < user->bindings_count; i++)
		if (user->bindings[i].handle)
			binding_free(&user->bindings[i]);
	for (uint32_t i = 0; kind == 2 && i < user->calls_count; i++)
		if (user->calls[i].handle)
			call_free(&user->calls[i]);
	for (uint32_t i = 0; kind == 3 && i < user->timers_count; i++)
		if (user->timers[i].handle)
			timer_free(&user->timers[i]);
	if (kind == 4 && world->loop)
		oracle_frees_loop(world);
}

void user_frees(struct world *world)
{
	uint64_t order[5] = {0, 1, 2, 3, 4};

	trace(world, TRACE_stop, 0, 0, 0);
	for (uint64_t i = 4; i > 0; i--) {
		uint64_t other = draw_below(world, i + 1);
		uint64_t kept = order[i];

		order[i] = order[other];
		order[other] = kept;
	}
	for (int i = 0; i < 5; i++)
		free_some(world, order[i]);
}
