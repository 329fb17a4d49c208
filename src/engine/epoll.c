/* SPDX-License-Identifier: MIT
 *
 * The epoll engine: the contract of engine.h where io_uring is forbidden or too old. This file makes and ends
 * it, keeps its operations, and cancels and wakes; it waits in epoll_wait.c, and what the operations do in
 * the kernel is in epoll_connect.c, epoll_transfer.c and epoll_names.c.
 *
 * Happy path: an operation is begun in the call that starts it, waits for its event, becomes ready, and is
 * delivered by wait. Failures: an engine that cannot be made is the errno of its creation, and nothing is
 * left of it; an operation without memory is -ENOMEM and was not begun.
 */
#include "engine/epoll.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { OPERATIONS_CHUNK = 64, SENDS_CHUNK = 16 };

uint64_t epoll_now(struct engine *engine)
{
	struct timespec now;

	(void)engine;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

struct operation *epoll_start(
    struct epoll_engine *epoll, enum operation_kind kind, int fd, struct handler handler)
{
	uint64_t id;
	struct operation *operation = slots_take(&epoll->operations, &id);

	if (!operation)
		return NULL;
	list_init(&operation->link);
	operation->id = id;
	operation->kind = kind;
	operation->fd = fd;
	operation->handler = handler;
	return operation;
}

void epoll_decide(struct epoll_engine *epoll, struct operation *operation, int result)
{
	assert(operation->state != OPERATION_DECIDED);
	operation->state = OPERATION_DECIDED;
	operation->result = result;
	list_remove(&operation->link);
	list_append(&epoll->ready, &operation->link);
}

static void epoll_cancel(struct engine *engine, uint64_t id)
{
	struct epoll_engine *epoll = epoll_of(engine);
	struct operation *operation = slots_get(&epoll->operations, id);

	if (!operation || operation->state == OPERATION_DECIDED)
		return;
	switch (operation->kind) {
	case OPERATION_CONNECT:
		epoll_connect_end(epoll, operation, -ECANCELED);
		break;
	case OPERATION_WATCH:
		directories_remove(&epoll->directories, &operation->watch);
		epoll_decide(epoll, operation, -ECANCELED);
		break;
	case OPERATION_RESOLVE:
		resolver_abandon(epoll->lookups.resolver, id);
		epoll_decide(epoll, operation, -ECANCELED);
		break;
	default:
		epoll_transfer_end(epoll, operation, -ECANCELED);
	}
	epoll_show(epoll);
}

static void epoll_wake(struct engine *engine)
{
	const uint64_t one = 1;

	/* It fails only when the count is full, and then it is readable. */
	(void)!write(epoll_of(engine)->wake_fd, &one, sizeof one);
}

static void resolver_rang(void *user)
{
	epoll_wake(user);
}

static void timer_show(struct epoll_engine *epoll)
{
	uint64_t next = timers_next(&epoll->timers);
	struct itimerspec when = {0};

	if (next == epoll->timer_armed_ns)
		return;
	if (next != ENGINE_NEVER)
		when.it_value = (struct timespec){(time_t)(next / NS_PER_S), (long)(next % NS_PER_S)};
	timerfd_settime(epoll->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
	epoll->timer_armed_ns = next;
}

void epoll_show(struct epoll_engine *epoll)
{
	if (!epoll->foreign || epoll->waiting)
		return;
	if (!list_empty(&epoll->ready) && !epoll->signalled) {
		epoll->signalled = true;
		epoll_wake(&epoll->engine);
	}
	timer_show(epoll);
}

int epoll_own_register(struct epoll_engine *epoll, int fd, uint32_t what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)what << 32 | (uint32_t)fd};

	return epoll_ctl(epoll->fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int epoll_event_fd(struct engine *engine)
{
	struct epoll_engine *epoll = epoll_of(engine);
	int result;

	if (epoll->foreign)
		return epoll->fd;
	epoll->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (epoll->timer_fd < 0)
		return -errno;
	result = epoll_own_register(epoll, epoll->timer_fd, EPOLL_TIMER);
	if (result < 0) {
		close(epoll->timer_fd);
		epoll->timer_fd = -1;
		return result;
	}
	epoll->foreign = true;
	epoll_show(epoll);
	return epoll->fd;
}

static int epoll_submit(struct engine *engine)
{
	epoll_show(epoll_of(engine));
	return 0;
}

static void epoll_close(struct engine *engine, int fd)
{
	epoll_channel_close(epoll_of(engine), fd);
}

static void epoll_shutdown(struct engine *engine, int fd, int how)
{
	(void)engine;
	shutdown(fd, how);
}

static int epoll_check_fd(struct engine *engine, int fd)
{
	(void)engine;
	return socket_check_fd(fd);
}

static int epoll_peer(struct engine *engine, int fd, struct socket_peer *ret_peer)
{
	(void)engine;
	return socket_peer_read(fd, ret_peer);
}

static size_t epoll_memory(const struct engine *engine)
{
	(void)engine;
	return 0;
}

/* Nothing comes late here: an event is looked up before any handler runs, and what a cancelled operation had
 * in the kernel is gone when the cancel returns. */
static uint64_t epoll_stale(const struct engine *engine)
{
	(void)engine;
	return 0;
}

/* What nobody will be told any more. */
static void operations_drop(struct list *operations)
{
	for (struct list *link = operations->next; link != operations; link = link->next) {
		struct operation *operation = container_of(link, struct operation, link);

		if (operation->kind == OPERATION_CONNECT && operation->fd >= 0 && !operation->connect.adopted)
			close(operation->fd);
		if (operation->kind == OPERATION_RESOLVE)
			resolver_answer_free(operation->answer);
	}
}

static void epoll_destroy(struct engine *engine)
{
	struct epoll_engine *epoll = epoll_of(engine);

	lookups_destroy(&epoll->lookups);
	directories_destroy(&epoll->directories);
	operations_drop(&epoll->connecting);
	operations_drop(&epoll->ready);
	if (epoll->timer_fd >= 0)
		close(epoll->timer_fd);
	if (epoll->wake_fd >= 0)
		close(epoll->wake_fd);
	if (epoll->fd >= 0)
		close(epoll->fd);
	epoll_channels_destroy(epoll);
	timers_destroy(&epoll->timers);
	slots_destroy(&epoll->sends);
	slots_destroy(&epoll->operations);
	memory_release(epoll->memory, epoll->buffer, epoll->buffer_size);
	memory_release(epoll->memory, epoll, sizeof *epoll);
}

static const struct engine_operations epoll_operations = {
    .name = "epoll",
    .destroy = epoll_destroy,
    .now = epoll_now,
    .connect = epoll_connect,
    .send = epoll_send,
    .receive = epoll_receive,
    .poll = epoll_poll,
    .watch = epoll_watch,
    .resolve = epoll_resolve,
    .cancel = epoll_cancel,
    .close = epoll_close,
    .shutdown = epoll_shutdown,
    .check_fd = epoll_check_fd,
    .peer = epoll_peer,
    .wait = epoll_wait_until,
    .wake = epoll_wake,
    .event_fd = epoll_event_fd,
    .submit = epoll_submit,
    .memory = epoll_memory,
    .stale = epoll_stale,
};

static int epoll_open(struct epoll_engine *epoll)
{
	epoll->buffer = memory_allocate(epoll->memory, epoll->buffer_size);
	if (!epoll->buffer)
		return -ENOMEM;
	epoll->fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll->fd < 0)
		return -errno;
	epoll->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (epoll->wake_fd < 0)
		return -errno;
	return epoll_own_register(epoll, epoll->wake_fd, EPOLL_WAKE);
}

int epoll_create_engine(const struct engine_options *options, struct engine **ret_engine)
{
	struct epoll_engine *epoll = memory_allocate(options->memory, sizeof *epoll);
	int result;

	if (!epoll)
		return -ENOMEM;
	*epoll = (struct epoll_engine){
	    .engine.operations = &epoll_operations,
	    .memory = options->memory,
	    .fd = -1,
	    .wake_fd = -1,
	    .timer_fd = -1,
	    .timer_armed_ns = ENGINE_NEVER,
	    .lookups = {.threads_max = options->resolver_threads_max,
		.notify = resolver_rang,
		.notify_user = &epoll->engine},
	    .buffer_size = options->receive_buffer_size,
	};
	list_init(&epoll->connecting);
	list_init(&epoll->ready);
	directories_init(&epoll->directories);
	slots_init(&epoll->operations, options->memory, sizeof(struct operation), OPERATIONS_CHUNK);
	slots_init(&epoll->sends, options->memory, sizeof(struct pending_send), SENDS_CHUNK);
	timers_init(&epoll->timers, options->memory);
	result = epoll_open(epoll);
	if (result < 0) {
		epoll_destroy(&epoll->engine);
		return result;
	}
	*ret_engine = &epoll->engine;
	return 0;
}
