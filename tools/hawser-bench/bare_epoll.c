/* SPDX-License-Identifier: MIT
 *
 * The epoll loop that somebody would write who needs nothing but connects. It has neither clients nor names
 * nor retries, and no deadlines either.
 *
 * Happy path: fill the seats with nonblocking connects; what is writable and has no error is connected, and
 * its seat is filled again. A unix socket is connected at once and never sees epoll.
 * Failures: any connect that fails ends the slice with its errno: there is nobody here who could not answer.
 */
#include "bench.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct bare_epoll {
	int fd;
	uint32_t turn; /* of the endpoint's addresses */
	uint32_t started;
	uint32_t done;
	struct epoll_event events[DEPTH_MAX];
};

int bare_epoll_open(void **ret_state)
{
	struct bare_epoll *bare = calloc(1, sizeof(*bare));
	int error;

	if (!bare)
		return -ENOMEM;
	bare->fd = epoll_create1(EPOLL_CLOEXEC);
	if (bare->fd < 0) {
		error = errno;
		free(bare);
		return -error;
	}
	*ret_state = bare;
	return 0;
}

void bare_epoll_close(void *state)
{
	struct bare_epoll *bare = state;

	close(bare->fd);
	free(bare);
}

/* 1: connected at once; 0: epoll will tell. */
static int start(struct bare_epoll *bare, const struct endpoint *endpoint)
{
	const union socket_address *address = &endpoint->addresses[bare->turn++ % endpoint->count];
	int fd = socket(endpoint->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct epoll_event event = {.events = EPOLLOUT, .data.fd = fd};

	if (fd < 0)
		return -errno;
	bare->started++;
	if (connect(fd, &address->any, endpoint->size) == 0) {
		endpoint_hang_up(endpoint, fd);
		bare->done++;
		return 1;
	}
	if (errno != EINPROGRESS)
		return -errno;
	return epoll_ctl(bare->fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int fill_seat(struct bare_epoll *bare, const struct slice *slice)
{
	int result = 1;

	while (result == 1 && bare->started < slice->connects)
		result = start(bare, slice->endpoint);
	return result < 0 ? result : 0;
}

static int finish(struct bare_epoll *bare, const struct endpoint *endpoint, int fd)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error)
		return -(error ? error : errno);
	endpoint_hang_up(endpoint, fd);
	bare->done++;
	return 0;
}

int bare_epoll_run(void *state, const struct slice *slice)
{
	struct bare_epoll *bare = state;
	int result = 0;

	bare->started = bare->done = 0;
	for (uint32_t seat = 0; seat < slice->depth && result == 0; seat++)
		result = fill_seat(bare, slice);
	while (result == 0 && bare->done < slice->connects) {
		int count = epoll_wait(bare->fd, bare->events, DEPTH_MAX, -1);

		if (count < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < count && result == 0; i++) {
			result = finish(bare, slice->endpoint, bare->events[i].data.fd);
			if (result == 0)
				result = fill_seat(bare, slice);
		}
	}
	return result;
}
