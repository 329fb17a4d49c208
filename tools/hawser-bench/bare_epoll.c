/* SPDX-License-Identifier: MIT
 *
 * The loops that somebody would write without io_uring who needs nothing but connects: an epoll loop, and for
 * comparison no loop at all, one blocking connect after the other. They have neither clients nor names nor
 * retries, and no deadlines either.
 *
 * Happy path of the epoll loop: fill the seats with nonblocking connects; what is writable and has no error
 * is connected, and its seat is filled again. A unix socket is connected when connect returns, and is told by
 * epoll all the same, as in every loop that treats its sockets alike.
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

static int start(struct bare_epoll *bare, const struct endpoint *endpoint)
{
	const union socket_address *address = &endpoint->addresses[bare->turn++ % endpoint->count];
	int fd = socket(endpoint->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct epoll_event event = {.events = EPOLLOUT, .data.fd = fd};

	if (fd < 0 || (connect(fd, &address->any, endpoint->size) < 0 && errno != EINPROGRESS))
		return -errno;
	return epoll_ctl(bare->fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int finish(const struct endpoint *endpoint, int fd)
{
	int error = 0;
	socklen_t size = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error)
		return -(error ? error : errno);
	endpoint_hang_up(endpoint, fd);
	return 0;
}

int bare_epoll_run(void *state, const struct slice *slice)
{
	struct bare_epoll *bare = state;
	uint32_t started = 0;
	uint32_t done = 0;
	int result = 0;

	for (; result == 0 && started < slice->depth && started < slice->connects; started++)
		result = start(bare, slice->endpoint);
	while (result == 0 && done < slice->connects) {
		int count = epoll_wait(bare->fd, bare->events, DEPTH_MAX, -1);

		if (count < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < count && result == 0; i++, done++) {
			result = finish(slice->endpoint, bare->events[i].data.fd);
			if (result < 0 || started == slice->connects)
				continue;
			result = start(bare, slice->endpoint);
			started++;
		}
	}
	return result;
}

int bare_blocking_run(void *state, const struct slice *slice)
{
	const struct endpoint *endpoint = slice->endpoint;

	(void)state;
	for (uint32_t done = 0; done < slice->connects; done++) {
		const union socket_address *address = &endpoint->addresses[done % endpoint->count];
		int fd = socket(endpoint->family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || connect(fd, &address->any, endpoint->size) < 0)
			return -errno;
		endpoint_hang_up(endpoint, fd);
	}
	return 0;
}
