/* SPDX-License-Identifier: MIT
 *
 * How the epoll engine waits and delivers. It begins and ends no operation of its own accord but those whose
 * event or deadline has come.
 *
 * Happy path: a round collects events, expired deadlines and answers, each of which makes an operation ready,
 * and then delivers the ready ones in order, within the budget. Failures: EINTR and a round that brings
 * nothing wait on; a broken epoll descriptor is the loop's end; without epoll_pwait2 (Linux 5.11, or a filter
 * of system calls that does not know it) a wait may last a millisecond longer.
 */
#include "engine/epoll.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, NS_PER_MS = 1000000 };

static unsigned decided_deliver(struct epoll_engine *epoll, struct operation *operation)
{
	struct resolver_answer *answer = operation->kind == OPERATION_RESOLVE ? operation->answer : NULL;
	struct handler handler = operation->handler;
	struct completion completion = {
	    .id = operation->id,
	    .result = operation->result,
	    .stage = operation->stage,
	    .addresses = answer && operation->result > 0 ? answer->addresses : NULL,
	};

	slots_give(&epoll->operations, operation);
	handler.done(handler.owner, &completion);
	resolver_answer_free(answer);
	return 1;
}

static unsigned receive_deliver(struct epoll_engine *epoll, struct operation *operation)
{
	int fds[ENGINE_FDS_MAX];
	struct handler handler = operation->handler;
	struct completion completion = {.id = operation->id};

	if (!epoll_receive_run(epoll, operation, fds, &completion))
		return 0;
	if (!completion.more) {
		epoll_channel_find(epoll, operation->fd)->receive = NULL;
		slots_give(&epoll->operations, operation);
	}
	handler.done(handler.owner, &completion);
	return 1;
}

/* What is ready now, and not what handlers add: a connection that is always busy does not keep the others
 * from being looked at. */
static unsigned ready_deliver(struct epoll_engine *epoll, unsigned completions_max)
{
	struct list turn;
	struct list *link;
	unsigned count = 0;

	list_init(&turn);
	list_splice(&turn, &epoll->ready);
	while (count < completions_max && (link = list_take(&turn))) {
		struct operation *operation = container_of(link, struct operation, link);

		if (operation->state == OPERATION_DECIDED)
			count += decided_deliver(epoll, operation);
		else
			count += receive_deliver(epoll, operation);
	}
	list_splice(&turn, &epoll->ready);
	list_splice(&epoll->ready, &turn);
	return count;
}

/* As epoll_pwait2 with a timeout of that many nanoseconds. */
static int events_wait(struct epoll_engine *epoll, struct epoll_event *events, uint64_t timeout_ns)
{
	struct timespec timeout = {(time_t)(timeout_ns / NS_PER_S), (long)(timeout_ns % NS_PER_S)};
	uint64_t timeout_ms = timeout_ns / NS_PER_MS + (timeout_ns % NS_PER_MS != 0);
	int count;

	if (!epoll->pwait2_missing) {
		count = epoll_pwait2(
		    epoll->fd, events, EVENTS_MAX, timeout_ns == ENGINE_NEVER ? NULL : &timeout, NULL);
		if (count >= 0 || (errno != ENOSYS && errno != EPERM))
			return count < 0 ? -errno : count;
		epoll->pwait2_missing = true;
	}
	count = epoll_wait(epoll->fd, events, EVENTS_MAX,
	    timeout_ns == ENGINE_NEVER ? -1
	    : timeout_ms > INT_MAX     ? INT_MAX
				       : (int)timeout_ms);
	return count < 0 ? -errno : count;
}

static uint64_t timeout_until(struct epoll_engine *epoll, uint64_t until_ns)
{
	uint64_t next = timers_next(&epoll->timers);
	uint64_t now;

	if (!until_ns || !list_empty(&epoll->ready))
		return 0;
	if (until_ns > next)
		until_ns = next;
	if (until_ns == ENGINE_NEVER)
		return ENGINE_NEVER;
	now = epoll_now(&epoll->engine);
	return until_ns > now ? until_ns - now : 0;
}

static void event_take(struct epoll_engine *epoll, const struct epoll_event *event)
{
	uint64_t count;

	switch (event->data.u64 >> 32) {
	case EPOLL_CHANNEL:
		epoll_channel_event(epoll, (int)(uint32_t)event->data.u64, event->events);
		break;
	case EPOLL_WAKE:
		/* Read before the answers are taken: what rings after that is another event. */
		epoll->woken = read(epoll->wake_fd, &count, sizeof count) > 0;
		epoll->signalled = false;
		epoll_answers_collect(epoll);
		break;
	case EPOLL_TIMER:
		if (read(epoll->timer_fd, &count, sizeof count) > 0)
			epoll->timer_armed_ns = ENGINE_NEVER;
		break;
	default:
		epoll->directories_readable = true;
	}
}

/* Nothing here calls a handler, so that all events of one round mean the descriptors they were told for.
 * Events come before deadlines: what happened in time has happened. */
static int round_collect(struct epoll_engine *epoll, uint64_t until_ns)
{
	struct epoll_event events[EVENTS_MAX];
	int count = events_wait(epoll, events, timeout_until(epoll, until_ns));

	if (count < 0 && count != -EINTR)
		return count;
	for (int i = 0; i < count; i++)
		event_take(epoll, &events[i]);
	epoll_connect_expire(epoll);
	return 0;
}

static unsigned round_deliver(struct epoll_engine *epoll, unsigned completions_max)
{
	unsigned count = epoll->directories_readable ? epoll_watches_deliver(epoll) : 0;

	return count < completions_max ? count + ready_deliver(epoll, completions_max - count) : count;
}

int epoll_wait_until(struct engine *engine, uint64_t until_ns, unsigned completions_max)
{
	struct epoll_engine *epoll = epoll_of(engine);
	unsigned delivered;
	int result;

	epoll->waiting = true;
	epoll->woken = false;
	do {
		delivered = 0;
		result = round_collect(epoll, until_ns);
		if (result == 0)
			delivered = round_deliver(epoll, completions_max);
	} while (result == 0 && !delivered && !epoll->woken && until_ns &&
		 (until_ns == ENGINE_NEVER || epoll_now(engine) < until_ns));
	epoll->waiting = false;
	epoll_show(epoll);
	return result < 0 ? result : (int)delivered;
}
