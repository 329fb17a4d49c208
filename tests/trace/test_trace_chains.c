/* SPDX-License-Identifier: MIT
 *
 * Rings whose connects are hard to follow: links that make or replace the socket before it is connected, a
 * connect that begins late, and requests that never end. Exactly one record each.
 */
#include "../support/network.h"
#include "rings.h"
#include "tracing.h"

#include <criterion/criterion.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLOSED_PORT = 7001, CHAINS = 3, FIRST = 100, LATE_MS = 20 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

TestSuite(trace_chains, .init = rings_needed);

static void expect_refused(uint64_t user_data)
{
	struct hawser_trace_record record = rings_expect(HAWSER_TRACE_REFUSED, ECONNREFUSED, user_data);

	cr_expect_eq(record.destination_port, CLOSED_PORT);
	cr_expect(record.flags & HAWSER_TRACE_SYN_SENT, "TCP's part of it is missing");
	cr_expect_gt(record.source_port, 0);
}

/* ---- sockets that links make or replace ---- */

/* A socket in that slot, and its connect. */
static void next_socket_and_connect(struct io_uring *ring, unsigned slot, uint64_t user_data)
{
	struct io_uring_sqe *sqe = rings_next(ring);

	io_uring_prep_socket_direct(sqe, AF_INET, SOCK_STREAM, 0, slot, 0);
	sqe->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
	rings_connect_port(ring, (int)slot, CLOSED_PORT, IOSQE_FIXED_FILE)->user_data = user_data;
}

Test(trace_chains, several_in_one_batch, .timeout = 30)
{
	struct io_uring ring;

	tracing_begin();
	cr_assert_eq(io_uring_queue_init(16, &ring, 0), 0);
	cr_assert_eq(io_uring_register_files_sparse(&ring, CHAINS), 0);
	for (unsigned i = 0; i < CHAINS; i++)
		next_socket_and_connect(&ring, i, FIRST + i);
	rings_submit(&ring, 2 * CHAINS);
	for (unsigned i = 0; i < CHAINS; i++)
		cr_assert_eq(rings_reap(&ring, NULL), -ECONNREFUSED);
	for (unsigned i = 0; i < CHAINS; i++)
		expect_refused(FIRST + i);
	io_uring_queue_exit(&ring);
	tracing_end();
}

/* At the submission the slot holds the socket of the chain before. */
Test(trace_chains, a_slot_that_is_used_again, .timeout = 30)
{
	struct io_uring ring;

	tracing_begin();
	cr_assert_eq(io_uring_queue_init(16, &ring, 0), 0);
	cr_assert_eq(io_uring_register_files_sparse(&ring, 1), 0);
	next_socket_and_connect(&ring, 0, FIRST);
	rings_submit(&ring, 2);
	cr_assert_eq(rings_reap(&ring, NULL), -ECONNREFUSED);
	expect_refused(FIRST);
	for (unsigned i = 1; i <= CHAINS; i++) {
		struct io_uring_sqe *sqe = rings_next(&ring);

		io_uring_prep_close_direct(sqe, 0);
		sqe->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
		next_socket_and_connect(&ring, 0, FIRST + i);
		rings_submit(&ring, 3);
		cr_assert_eq(rings_reap(&ring, NULL), -ECONNREFUSED);
		expect_refused(FIRST + i);
	}
	io_uring_queue_exit(&ring);
	tracing_end();
}

/* A connect that a timer lets begin. */
static void submit_late(struct io_uring *ring, int fd, struct __kernel_timespec *time)
{
	struct io_uring_sqe *sqe = rings_next(ring);

	*time = (struct __kernel_timespec){.tv_nsec = LATE_MS * 1000000};
	io_uring_prep_timeout(sqe, time, 0, IORING_TIMEOUT_ETIME_SUCCESS);
	sqe->flags |= IOSQE_IO_LINK;
	sqe->user_data = FIRST;
	rings_connect_port(ring, fd, CLOSED_PORT, 0)->user_data = FIRST + 1;
	rings_submit(ring, 2);
}

static void expect_late(struct io_uring *ring)
{
	cr_assert_eq(rings_reap(ring, NULL), -ETIME);
	cr_assert_eq(rings_reap(ring, NULL), -ECONNREFUSED);
	expect_refused(FIRST + 1);
	io_uring_queue_exit(ring);
}

Test(trace_chains, a_descriptor_replaced_before_its_connect_begins, .timeout = 30)
{
	struct __kernel_timespec time;
	struct io_uring ring;
	int fd, other;

	tracing_begin();
	fd = rings_socket(0);
	other = rings_socket(0);
	cr_assert_eq(io_uring_queue_init(8, &ring, 0), 0);
	submit_late(&ring, fd, &time);
	cr_assert_eq(dup2(other, fd), fd);
	expect_late(&ring);
	close(fd);
	close(other);
	tracing_end();
}

/* The kernel issues it behind whatever call the thread is in. */
Test(trace_chains, a_connect_that_begins_behind_another_call, .timeout = 30)
{
	struct __kernel_timespec time;
	struct io_uring ring;
	int fd, other;

	tracing_begin();
	for (int replaced = 0; replaced < 2; replaced++) {
		fd = rings_socket(0);
		other = rings_socket(0);
		cr_assert_eq(io_uring_queue_init(8, &ring, 0), 0);
		submit_late(&ring, fd, &time);
		if (replaced)
			cr_assert_eq(dup2(other, fd), fd);
		rings_rest_ms(5 * LATE_MS);
		expect_late(&ring);
		close(fd);
		close(other);
	}
	tracing_end();
}

/* ---- requests without an end ---- */

/* Its head fails, and nobody is told that it was cancelled. */
static void submit_unended(struct io_uring *ring, int fd)
{
	static char byte;
	struct io_uring_sqe *sqe = rings_next(ring);

	io_uring_prep_read(sqe, -1, &byte, 1, 0);
	sqe->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
	rings_connect_port(ring, fd, CLOSED_PORT, 0)->user_data = FIRST;
	rings_submit(ring, 2);
	cr_assert_eq(rings_reap(ring, NULL), -EBADF);
}

static void expect_ends_unseen(hawser_trace *trace, uint64_t number)
{
	struct hawser_trace_counters counters;

	cr_assert_eq(hawser_trace_counters_read(trace, &counters), 0);
	cr_expect_eq(counters.ends_unseen, number, "%lu", counters.ends_unseen);
}

/* The kernel has freed requests at hand: the next connect is one that has been here before, or another. */
static void try_again(unsigned heads)
{
	hawser_trace *trace = tracing_begin();
	struct io_uring ring;
	int fd = rings_socket(0);

	cr_assert_eq(io_uring_queue_init(8, &ring, 0), 0);
	for (unsigned i = 1; i <= CHAINS; i++) {
		submit_unended(&ring, fd);
		for (unsigned head = 0; head < heads; head++)
			io_uring_prep_nop(rings_next(&ring));
		rings_connect_port(&ring, fd, CLOSED_PORT, 0)->user_data = FIRST + i;
		rings_submit(&ring, (int)heads + 1);
		for (unsigned head = 0; head < heads; head++)
			cr_assert_eq(rings_reap(&ring, NULL), 0);
		cr_assert_eq(rings_reap(&ring, NULL), -ECONNREFUSED);
		expect_refused(FIRST + i);
	}
	expect_ends_unseen(trace, CHAINS);
	close(fd);
	io_uring_queue_exit(&ring);
	tracing_end();
}

Test(trace_chains, a_socket_that_is_tried_again, .timeout = 30)
{
	try_again(0);
}

Test(trace_chains, a_socket_that_another_request_tries_again, .timeout = 30)
{
	try_again(1);
}

Test(trace_chains, a_socket_that_connect_2_tries_again, .timeout = 30)
{
	hawser_trace *trace = tracing_begin();
	struct hawser_trace_record record;
	struct io_uring ring;
	int fd = rings_socket(0);

	cr_assert_eq(io_uring_queue_init(8, &ring, 0), 0);
	submit_unended(&ring, fd);
	cr_assert_eq(
	    connect(fd, (const struct sockaddr *)rings_loopback(CLOSED_PORT), sizeof(struct sockaddr_in)),
	    -1);
	record = tracing_record();
	cr_expect_eq(record.layer, HAWSER_TRACE_TCP);
	cr_expect_eq(record.cause, HAWSER_TRACE_REFUSED);
	expect_ends_unseen(trace, 1);
	close(fd);
	io_uring_queue_exit(&ring);
	tracing_end();
}

Test(trace_chains, unix_sockets_that_say_nothing_of_success, .timeout = 30)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX}; /* the kernel names it */
	socklen_t size = sizeof(sa_family_t);
	struct io_uring ring;
	int listener, fds[CHAINS];

	tracing_begin();
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(listener, (struct sockaddr *)&address, size), 0);
	cr_assert_eq(listen(listener, CHAINS), 0);
	size = sizeof(address);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	cr_assert_eq(io_uring_queue_init(8, &ring, 0), 0);
	for (unsigned i = 0; i < CHAINS; i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		rings_connect(&ring, fds[i], &address, size, IOSQE_CQE_SKIP_SUCCESS);
		rings_submit(&ring, 1);
		close(accept(listener, NULL, NULL)); /* it was connected */
		close(fds[i]);
	}
	io_uring_queue_exit(&ring);
	close(listener);
	tracing_end();
}
