/* SPDX-License-Identifier: MIT
 *
 * The io_uring loop that somebody would write who needs nothing but connects; plain, or guarded: with a
 * linked timeout and a getpeername. It has neither clients nor names nor retries.
 *
 * Happy path: fill the seats, submit and wait, finish what has completed and fill its seat again.
 * Failures: any connect that fails ends the slice with its errno: there is nobody here who could not answer.
 */
#include "bench.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <unistd.h>

enum { RING_ENTRIES = 2 * DEPTH_MAX, DEADLINE_S = 5 };

struct bare_uring {
	struct io_uring ring;
	struct __kernel_timespec deadline;
	bool guarded;
	uint32_t turn; /* of the endpoint's addresses */
	int fds[DEPTH_MAX];
};

static int open_ring(bool guarded, void **ret_state)
{
	struct io_uring_params parameters = {
	    .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL};
	struct bare_uring *bare = calloc(1, sizeof(*bare));
	int result;

	if (!bare)
		return -ENOMEM;
	bare->guarded = guarded;
	bare->deadline.tv_sec = DEADLINE_S;
	result = io_uring_queue_init_params(RING_ENTRIES, &bare->ring, &parameters);
	if (result < 0) {
		free(bare);
		return result;
	}
	*ret_state = bare;
	return 0;
}

int bare_uring_open(void **ret_state)
{
	return open_ring(false, ret_state);
}

int bare_uring_guarded_open(void **ret_state)
{
	return open_ring(true, ret_state);
}

void bare_uring_close(void *state)
{
	struct bare_uring *bare = state;

	io_uring_queue_exit(&bare->ring);
	free(bare);
}

/* The ring has room for two SQEs of every seat. */
static int start(struct bare_uring *bare, const struct endpoint *endpoint, uint32_t seat)
{
	const union socket_address *address = &endpoint->addresses[bare->turn++ % endpoint->count];
	struct io_uring_sqe *sqe = io_uring_get_sqe(&bare->ring);
	int fd = socket(endpoint->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	bare->fds[seat] = fd;
	io_uring_prep_connect(sqe, fd, &address->any, endpoint->size);
	sqe->user_data = seat;
	if (!bare->guarded)
		return 0;
	sqe->flags |= IOSQE_IO_LINK;
	sqe = io_uring_get_sqe(&bare->ring);
	io_uring_prep_link_timeout(sqe, &bare->deadline, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = seat;
	return 0;
}

static int finish(
    const struct bare_uring *bare, const struct endpoint *endpoint, const struct io_uring_cqe *cqe)
{
	union socket_address peer;
	socklen_t size = sizeof(peer);
	int fd = bare->fds[cqe->user_data];

	if (cqe->res < 0)
		return cqe->res;
	if (bare->guarded && getpeername(fd, &peer.any, &size) < 0)
		return -errno;
	endpoint_hang_up(endpoint, fd);
	return 0;
}

int bare_uring_run(void *state, const struct slice *slice)
{
	struct bare_uring *bare = state;
	uint32_t started = 0;
	uint32_t done = 0;
	int result = 0;

	while (result == 0 && started < slice->depth && started < slice->connects)
		result = start(bare, slice->endpoint, started++);
	while (result >= 0 && done < slice->connects) {
		struct io_uring_cqe *cqe;
		unsigned head;
		unsigned count = 0;

		result = io_uring_submit_and_wait(&bare->ring, 1);
		if (result == -EINTR)
			result = 0;
		io_uring_for_each_cqe(&bare->ring, head, cqe)
		{
			count++;
			if (result >= 0)
				result = finish(bare, slice->endpoint, cqe);
			if (result >= 0 && started < slice->connects) {
				result = start(bare, slice->endpoint, (uint32_t)cqe->user_data);
				started++;
			}
		}
		io_uring_cq_advance(&bare->ring, count);
		done += count;
	}
	return result < 0 ? result : 0;
}
