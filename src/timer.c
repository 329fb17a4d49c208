/* SPDX-License-Identifier: MIT
 *
 * Timers of the user, on the loop's heap. A timer may free itself in its own callback.
 */
#include "loop.h"

#include <errno.h>

struct hawser_timer {
	struct timer timer;
	struct list link;
	hawser_loop *loop;
	hawser_timer_function function;
	void *user;
	uint64_t period_ns;
};

size_t timer_object_size(void)
{
	return sizeof(struct hawser_timer);
}

static uint64_t after(hawser_loop *loop, uint64_t delay_ns)
{
	uint64_t now_ns = loop_now(loop);

	return delay_ns < UINT64_MAX - now_ns ? now_ns + delay_ns : UINT64_MAX - 1;
}

static void timer_expired(struct timer *expired)
{
	hawser_timer *timer = container_of(expired, struct hawser_timer, timer);

	if (timer->period_ns)
		timers_arm(&timer->loop->timers, &timer->timer, after(timer->loop, timer->period_ns));
	timer->function(timer, timer->user);
}

int hawser_timer_new(hawser_loop *loop, uint64_t delay_ns, uint64_t period_ns, hawser_timer_function function,
    void *user, hawser_timer **ret_timer)
{
	hawser_timer *timer;
	uint64_t id;
	int result = loop_enter(loop);

	if (result < 0)
		return result;
	if (!function || !ret_timer)
		return -EINVAL;
	result = timers_reserve(&loop->timers, 1);
	if (result < 0)
		return result;
	timer = slots_take(&loop->timer_slots, &id);
	if (!timer) {
		timers_unreserve(&loop->timers, 1);
		return -ENOMEM;
	}
	timer->timer.expired = timer_expired;
	timer->loop = loop;
	timer->function = function;
	timer->user = user;
	timer->period_ns = period_ns;
	list_append(&loop->user_timers, &timer->link);
	loop_hold(loop);
	timers_arm(&loop->timers, &timer->timer, after(loop, delay_ns));
	*ret_timer = timer;
	return 0;
}

int hawser_timer_restart(hawser_timer *timer, uint64_t delay_ns, uint64_t period_ns)
{
	int result = loop_enter(timer->loop);

	if (result < 0)
		return result;
	timer->period_ns = period_ns;
	timers_arm(&timer->loop->timers, &timer->timer, after(timer->loop, delay_ns));
	return 0;
}

void hawser_timer_free(hawser_timer *timer)
{
	hawser_loop *loop;

	if (!timer || loop_is_forked(timer->loop))
		return;
	loop = timer->loop;
	timers_cancel(&loop->timers, &timer->timer);
	timers_unreserve(&loop->timers, 1);
	list_remove(&timer->link);
	slots_give(&loop->timer_slots, timer);
	loop_drop(loop);
}

void timers_user_gone(hawser_loop *loop)
{
	for (struct list *link = loop->user_timers.next; link != &loop->user_timers; link = link->next)
		timers_cancel(&loop->timers, &container_of(link, struct hawser_timer, link)->timer);
}
