/* SPDX-License-Identifier: MIT
 *
 * The user's timers and posts, and what another thread does while the loop sleeps.
 */
#include "world.h"

#include <errno.h>
#include <string.h>

static struct sim_timer *any_timer(struct world *world)
{
	struct user *user = &world->user;
	uint64_t from;

	if (user->timers_count == 0)
		return NULL;
	from = draw_below(world, user->timers_count);
	for (uint64_t i = 0; i < user->timers_count; i++) {
		struct sim_timer *timer = &user->timers[(from + i) % user->timers_count];

		if (timer->handle)
			return timer;
	}
	return NULL;
}

static uint64_t draw_period(struct world *world)
{
	return chance(world, 30) ? draw_between(world, MILLISECOND, 2 * SECOND) : 0;
}

/* Few different delays, so that equal deadlines are common. */
static uint64_t draw_delay(struct world *world)
{
	return draw_below(world, 20) * 50 * MILLISECOND;
}

static void timer_starts(struct sim_timer *timer, uint64_t delay_ns, uint64_t period_ns)
{
	struct world *world = timer->world;

	timer->armed = true;
	timer->due_ns = hawser_loop_now_ns(world->loop) + delay_ns;
	timer->period_ns = period_ns;
	timer->order = world->user.timer_order++;
}

void user_timer_new(struct world *world)
{
	struct user *user = &world->user;
	struct sim_timer *timer;
	uint64_t delay_ns = draw_delay(world);
	uint64_t period_ns = draw_period(world);
	hawser_timer *handle = NULL;
	int result;

	if (!world->loop || user->timers_count == TIMERS_MAX)
		return;
	timer = &user->timers[user->timers_count];
	memset(timer, 0, sizeof(*timer));
	timer->world = world;
	timer->index = user->timers_count++;
	api_enter(world);
	result = hawser_timer_new(world->loop, delay_ns, period_ns, on_timer, timer, &handle);
	api_leave(world, API_timer_new, timer->index, result);
	if ((result == 0) != (handle != NULL))
		violated(world, "hawser_timer_new answered %d with a wrong output", result);
	timer->made = result == 0;
	timer->handle = handle;
	if (result == 0)
		timer_starts(timer, delay_ns, period_ns);
}

void user_timer_restart(struct world *world)
{
	struct sim_timer *timer = any_timer(world);
	uint64_t delay_ns = draw_delay(world);
	uint64_t period_ns = draw_period(world);
	int result;

	if (!timer || !world->loop)
		return;
	api_enter(world);
	result = hawser_timer_restart(timer->handle, delay_ns, period_ns);
	api_leave(world, API_timer_restart, timer->index, result);
	if (result == 0)
		timer_starts(timer, delay_ns, period_ns);
}

void timer_free(struct sim_timer *timer)
{
	struct world *world = timer->world;

	timer->freed = true;
	timer->armed = false;
	api_enter(world);
	hawser_timer_free(timer->handle);
	api_leave(world, API_timer_free, timer->index, 0);
	timer->handle = NULL;
}

void user_timer_free(struct world *world)
{
	struct sim_timer *timer = any_timer(world);

	if (timer)
		timer_free(timer);
}

void user_post(struct world *world)
{
	struct user *user = &world->user;
	struct sim_post *post;
	int result;

	if (!world->loop || user->posts_count == POSTS_MAX)
		return;
	post = &user->posts[user->posts_count];
	*post = (struct sim_post){.world = world, .index = user->posts_count, .posted_at_ns = world->now};
	post->accepted = true;
	user->posts_count++;
	api_enter(world);
	result = hawser_loop_post(world->loop, on_post, post);
	api_leave(world, API_loop_post, post->index, result);
	post->accepted = result == 0;
}

void user_wake(struct world *world)
{
	if (!world->loop)
		return;
	api_enter(world);
	api_leave(world, API_loop_wake, 0, hawser_loop_wake(world->loop));
}

/* Runs while the loop is inside wait, as another thread may: only what any thread may call. */
void user_thread(struct world *world, uint64_t subject, uint64_t detail)
{
	bool was_running = world->running;
	struct sim_client *client;

	(void)subject;
	(void)detail;
	if (!world->loop || world->healed || world->loop_freed)
		return;
	world->running = false;
	switch (draw_below(world, 4)) {
	case 0:
		user_post(world);
		break;
	case 1:
		user_wake(world);
		break;
	case 2:
		api_enter(world);
		api_leave(world, API_loop_stop, 0, hawser_loop_stop(world->loop));
		break;
	default:
		client = any_client(world);
		if (client)
			user_client_retry_now(world);
	}
	world->running = was_running;
	agenda_add(world, draw_below(world, 2 * SECOND), user_thread, 0, 0);
}
