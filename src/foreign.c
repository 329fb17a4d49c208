/* SPDX-License-Identifier: MIT
 *
 * A loop inside another loop: one epoll fd that holds the engine's descriptor, a timerfd for the next
 * deadline, and an eventfd for what API calls leave behind outside of dispatch.
 *
 * It is readable exactly while there may be work: dispatch reads the eventfd, turns, and then either signals
 * it again (work is left) or arms the timerfd. Between dispatches the loop counts as asleep, so that posts
 * wake it.
 */
#include "client.h"
#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int watch_fd(int epoll_fd, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int foreign_open(hawser_loop *loop)
{
	int engine_fd = loop->engine->operations->event_fd(loop->engine);
	int result;

	if (engine_fd < 0)
		return engine_fd;
	loop->foreign_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->foreign_fd < 0)
		return -errno;
	loop->foreign_timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->foreign_timer_fd < 0)
		return -errno;
	loop->foreign_event_fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
	if (loop->foreign_event_fd < 0)
		return -errno;
	result = watch_fd(loop->foreign_fd, engine_fd);
	if (result == 0)
		result = watch_fd(loop->foreign_fd, loop->foreign_timer_fd);
	if (result == 0)
		result = watch_fd(loop->foreign_fd, loop->foreign_event_fd);
	return result;
}

int hawser_loop_fd(hawser_loop *loop)
{
	int result = loop_enter(loop);

	if (result < 0)
		return result;
	if (loop->foreign_fd >= 0)
		return loop->foreign_fd;
	result = foreign_open(loop);
	if (result < 0) {
		loop_foreign_close(loop);
		return result;
	}
	return loop->foreign_fd;
}

void loop_foreign_close(hawser_loop *loop)
{
	int *const fds[] = {&loop->foreign_fd, &loop->foreign_timer_fd, &loop->foreign_event_fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

void loop_foreign_signal(hawser_loop *loop)
{
	/* A full counter is readable too, so a failed write says nothing new. */
	(void)!eventfd_write(loop->foreign_event_fd, 1);
}

static void timer_set(hawser_loop *loop, uint64_t deadline_ns)
{
	struct itimerspec when = {{0, 0}, {0, 0}};

	if (deadline_ns != ENGINE_NEVER) {
		when.it_value.tv_sec = (time_t)(deadline_ns / 1000000000);
		when.it_value.tv_nsec = (long)(deadline_ns % 1000000000);
		if (deadline_ns == 0)
			when.it_value.tv_nsec = 1;
	}
	timerfd_settime(loop->foreign_timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void loop_foreign_rearm(hawser_loop *loop, bool more)
{
	eventfd_t count;

	(void)!eventfd_read(loop->foreign_event_fd, &count);
	timer_set(loop, timers_next(&loop->timers));
	if (loop->engine->operations->submit(loop->engine) < 0)
		more = true;
	if (!mailbox_sleeps(&loop->mailbox))
		more = true;
	if (more || !list_empty(&loop->tasks))
		loop_foreign_signal(loop);
}
