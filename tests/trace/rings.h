/* SPDX-License-Identifier: MIT
 *
 * Connects by a ring that the test itself drives, step by step.
 */
#ifndef TESTS_TRACE_RINGS_H
#define TESTS_TRACE_RINGS_H

#include <criterion/criterion.h>
#include <errno.h>
#include <liburing.h>

/* The next request, which is not submitted yet. */
static inline struct io_uring_sqe *rings_next(struct io_uring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	cr_assert_not_null(sqe);
	return sqe;
}

static inline struct io_uring_sqe *rings_connect(
    struct io_uring *ring, int fd, const void *address, socklen_t size, unsigned flags)
{
	struct io_uring_sqe *sqe = rings_next(ring);

	io_uring_prep_connect(sqe, fd, address, size);
	sqe->flags |= (uint8_t)flags;
	return sqe;
}

/* The result of the next completion, and whose it is unless that is NULL. */
static inline int rings_reap(struct io_uring *ring, uint64_t *ret_user_data)
{
	struct __kernel_timespec limit = {.tv_sec = 5};
	struct io_uring_cqe *cqe;
	int result;

	do
		result = io_uring_wait_cqe_timeout(ring, &cqe, &limit);
	while (result == -EINTR);
	cr_assert_eq(result, 0);
	result = cqe->res;
	if (ret_user_data)
		*ret_user_data = cqe->user_data;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

#endif
