/* SPDX-License-Identifier: MIT
 *
 * Connects of the epoll engine. It tries one address once; which one, and what follows a failure, is core's.
 *
 * Happy path: a nonblocking connect says EINPROGRESS, epoll says writable, the socket's own error and its
 * peer's name say connected; a unix connect says so at once, and is delivered from wait all the same. EINTR
 * means the same as EINPROGRESS: the kernel goes on. Failures: no socket (stage socket), an errno of connect
 * or of the socket afterwards (stage connect; a full unix backlog is -EAGAIN), a socket that says writable
 * but has no peer (stage verify), the deadline (-ETIMEDOUT), cancelled (-ECANCELED). In each of them the
 * socket is closed, because after a failure it cannot be used again; an adopted descriptor stays its owner's.
 */
#include "engine/epoll.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

/* The kernel is handed an address with the tag right in front of it, where a tracer looks. */
static int connect_try(int fd, const struct connect_request *request)
{
	struct {
		struct engine_tag tag;
		union {
			struct sockaddr any;
			struct sockaddr_un un;
			struct sockaddr_in6 in6;
		};
	} name = {.tag = request->tag};

	memcpy(&name.un, &request->address.un, request->address.size);
	return connect(fd, &name.any, request->address.size) < 0 ? -errno : 0;
}

/* The operation keeps the descriptor until it is delivered: destroy closes it, should that come first. Epoll
 * forgets it, and whatever it was told about the number before: the receiver may hand it over to somebody who
 * closes it without the engine. */
static void connect_succeed(struct epoll_engine *epoll, struct operation *operation)
{
	struct channel *channel = epoll_channel_find(epoll, operation->fd);

	if (channel)
		epoll_channel_relax(epoll, operation->fd, channel);
	epoll_decide(epoll, operation, operation->fd);
}

static void connect_fail(
    struct epoll_engine *epoll, struct operation *operation, enum hawser_stage stage, int result)
{
	if (operation->fd >= 0 && !operation->connect.adopted)
		epoll_channel_close(epoll, operation->fd);
	operation->fd = -1;
	operation->stage = stage;
	epoll_decide(epoll, operation, result);
}

/* Takes the operation out of everything that waits for its connect. Epoll is told by what follows. */
static void connect_detach(struct epoll_engine *epoll, struct operation *operation)
{
	epoll_channel_find(epoll, operation->fd)->writer = NULL;
	if (operation->connect.timed) {
		timers_cancel(&epoll->timers, &operation->connect.timer);
		timers_unreserve(&epoll->timers, 1);
		operation->connect.timed = false;
	}
}

static void connect_verify(struct epoll_engine *epoll, struct operation *operation)
{
	int result = socket_verify(operation->fd);

	if (result < 0)
		connect_fail(epoll, operation, HAWSER_STAGE_VERIFY, result);
	else
		connect_succeed(epoll, operation);
}

static int socket_error(int fd)
{
	int error = 0;
	socklen_t size = sizeof error;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? -errno : -error;
}

void epoll_connect_event(struct epoll_engine *epoll, struct operation *operation, uint32_t events)
{
	/* Without either flag there is no error to ask for; should one come meanwhile, verify finds it. */
	int result = events & (EPOLLERR | EPOLLHUP) ? socket_error(operation->fd) : 0;

	connect_detach(epoll, operation);
	if (result < 0)
		connect_fail(epoll, operation, HAWSER_STAGE_CONNECT, result);
	else
		connect_verify(epoll, operation);
}

void epoll_connect_end(struct epoll_engine *epoll, struct operation *operation, int result)
{
	connect_detach(epoll, operation);
	connect_fail(epoll, operation, HAWSER_STAGE_CONNECT, result);
}

void epoll_connect_expire(struct epoll_engine *epoll)
{
	uint64_t now = epoll->timers.count ? epoll_now(&epoll->engine) : 0;
	struct timer *timer;

	while ((timer = timers_take(&epoll->timers, now, UINT64_MAX)))
		epoll_connect_end(epoll, container_of(timer, struct operation, connect.timer), -ETIMEDOUT);
}

/* Waits for EPOLLOUT and the deadline. -ENOMEM: nothing has changed. Any other failure is a completion. */
static int connect_wait(struct epoll_engine *epoll, struct operation *operation, uint64_t deadline_ns)
{
	struct channel *channel = epoll_channel(epoll, operation->fd);
	uint64_t now = epoll_now(&epoll->engine);
	int result;

	if (!channel)
		return -ENOMEM;
	if (deadline_ns != ENGINE_NEVER) {
		if (timers_reserve(&epoll->timers, 1) < 0)
			return -ENOMEM;
		timers_arm(&epoll->timers, &operation->connect.timer,
		    deadline_ns < ENGINE_NEVER - now ? now + deadline_ns : ENGINE_NEVER);
		operation->connect.timed = true;
	}
	*channel =
	    (struct channel){.writer = operation}; /* whatever had this number before has been closed */
	list_append(&epoll->connecting, &operation->link);
	result = epoll_channel_arm(epoll, operation->fd, channel);
	if (result < 0)
		epoll_connect_end(epoll, operation, result);
	return 0;
}

static int connect_begin(
    struct epoll_engine *epoll, struct operation *operation, const struct connect_request *request)
{
	int result = socket_open(&request->address, request->options);

	if (result < 0) {
		connect_fail(epoll, operation, HAWSER_STAGE_SOCKET, result);
		return 0;
	}
	operation->fd = result;
	result = connect_try(operation->fd, request);
	if (result == -EINPROGRESS || result == -EINTR)
		return connect_wait(epoll, operation, request->deadline_ns);
	if (result < 0)
		connect_fail(epoll, operation, HAWSER_STAGE_CONNECT, result);
	else if (request->address.any.sa_family == AF_UNIX)
		connect_succeed(epoll, operation);
	else
		connect_verify(epoll, operation);
	return 0;
}

static void connect_adopt(struct epoll_engine *epoll, struct operation *operation)
{
	int result = socket_adopt(operation->fd);

	operation->connect.adopted = true;
	if (result < 0)
		connect_fail(epoll, operation, HAWSER_STAGE_VERIFY, result);
	else
		connect_succeed(epoll, operation);
}

int epoll_connect(
    struct engine *engine, const struct connect_request *request, struct handler handler, uint64_t *ret_id)
{
	struct epoll_engine *epoll = epoll_of(engine);
	struct operation *operation = epoll_start(epoll, OPERATION_CONNECT, request->adopted_fd, handler);
	int result = 0;

	if (!operation)
		return -ENOMEM;
	if (request->adopted_fd >= 0)
		connect_adopt(epoll, operation);
	else
		result = connect_begin(epoll, operation, request);
	if (result < 0) {
		epoll_channel_close(epoll, operation->fd);
		slots_give(&epoll->operations, operation);
		return result;
	}
	*ret_id = operation->id;
	epoll_show(epoll);
	return 0;
}
