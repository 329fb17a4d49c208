/* SPDX-License-Identifier: MIT
 *
 * Connects by a ring that the test itself drives, step by step.
 */
#ifndef TESTS_TRACE_RINGS_H
#define TESTS_TRACE_RINGS_H

#include "tracing.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <time.h>

/* The test is skipped on kernels that do not show what rings connect. */
static inline void rings_needed(void)
{
	tracing_needs("io_uring submissions");
}

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

static inline const struct sockaddr_in *rings_loopback(uint16_t port)
{
	static struct sockaddr_in address;

	address = (struct sockaddr_in){
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	return &address;
}

static inline int rings_socket(int flags)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	cr_assert_geq(fd, 0);
	return fd;
}

static inline struct io_uring_sqe *rings_connect_port(
    struct io_uring *ring, int fd, uint16_t port, unsigned flags)
{
	return rings_connect(ring, fd, rings_loopback(port), sizeof(struct sockaddr_in), flags);
}

static inline void rings_submit(struct io_uring *ring, int requests)
{
	cr_assert_eq(io_uring_submit(ring), requests);
}

static inline void rings_rest_ms(long ms)
{
	struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	while (nanosleep(&rest, &rest) < 0)
		cr_assert_eq(errno, EINTR);
}

static inline struct hawser_trace_record rings_expect(
    enum hawser_trace_cause cause, int error, uint64_t user_data)
{
	struct hawser_trace_record record = tracing_record();

	cr_expect_str_eq(hawser_trace_layer_name(record.layer), "ring");
	cr_expect_str_eq(hawser_trace_cause_name(record.cause), hawser_trace_cause_name(cause));
	cr_expect_eq(record.error, error, "errno %d, not %d", record.error, error);
	cr_expect_eq(record.user_data, user_data, "user_data %lu, not %lu", record.user_data, user_data);
	return record;
}

#endif
