/* SPDX-License-Identifier: MIT
 *
 * What only rings do: completions that overflow, sockets that exist in the ring alone, requests that say
 * nothing when they succeed, that are cancelled before they begin, and two connects of one socket.
 */
#include "../support/network.h"
#include "rings.h"
#include "tracing.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <unistd.h>

enum { PORT = 7000, CLOSED_PORT = 7001, CONNECTS = 8 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

TestSuite(trace_ring, .init = rings_needed);

static struct sockaddr_in open_port = {.sin_family = AF_INET};
static struct sockaddr_in closed_port = {.sin_family = AF_INET};

static int open_ports(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	open_port.sin_addr.s_addr = closed_port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	open_port.sin_port = htons(PORT);
	closed_port.sin_port = htons(CLOSED_PORT);
	cr_assert_eq(bind(fd, (struct sockaddr *)&open_port, sizeof(open_port)), 0);
	cr_assert_eq(listen(fd, CONNECTS), 0);
	return fd;
}

static int new_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_geq(fd, 0);
	return fd;
}

static struct io_uring_sqe *submit_connect(
    struct io_uring *ring, int fd, struct sockaddr_in *address, unsigned flags)
{
	return rings_connect(ring, fd, address, sizeof(*address), flags);
}

static int reap(struct io_uring *ring)
{
	return rings_reap(ring, NULL);
}

static struct hawser_trace_record expect(enum hawser_trace_cause cause, int error)
{
	struct hawser_trace_record record = tracing_record();

	cr_expect_str_eq(hawser_trace_cause_name(record.cause), hawser_trace_cause_name(cause));
	cr_expect_eq(record.error, error, "errno %d", record.error);
	cr_expect_eq(record.layer, HAWSER_TRACE_RING);
	return record;
}

Test(trace_ring, completions_that_overflow, .timeout = 30)
{
	struct io_uring_params parameters = {.flags = IORING_SETUP_CQSIZE, .cq_entries = CONNECTS / 2};
	hawser_trace *trace = tracing_begin();
	struct hawser_trace_counters counters;
	struct io_uring ring;
	int fds[CONNECTS];

	close(open_ports());
	cr_assert_eq(io_uring_queue_init_params(CONNECTS / 2, &ring, &parameters), 0);
	for (unsigned i = 0; i < CONNECTS; i++) {
		fds[i] = new_socket();
		submit_connect(&ring, fds[i], &closed_port, 0)->user_data = 7; /* none need be unique */
		cr_assert_eq(io_uring_submit(&ring), 1);
	}
	for (unsigned i = 0; i < CONNECTS; i++) {
		struct hawser_trace_record record = expect(HAWSER_TRACE_REFUSED, ECONNREFUSED);

		cr_expect_eq(!!(record.flags & HAWSER_TRACE_OVERFLOWED), i >= CONNECTS / 2, "number %u", i);
	}
	cr_assert_eq(hawser_trace_counters_read(trace, &counters), 0);
	cr_expect_eq(counters.completions_in_overflow, CONNECTS / 2);
	for (unsigned i = 0; i < CONNECTS; i++) {
		cr_expect_eq(reap(&ring), -ECONNREFUSED);
		close(fds[i]);
	}
	io_uring_queue_exit(&ring);
	tracing_end();
}

/* The socket does not exist yet when the connect is submitted. */
static void connect_direct(unsigned flags)
{
	struct hawser_trace_record record;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int listener = open_ports();

	cr_assert_eq(io_uring_queue_init(8, &ring, 0), 0);
	cr_assert_eq(io_uring_register_files_sparse(&ring, 4), 0);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_socket_direct(sqe, AF_INET, SOCK_STREAM, 0, 2, 0);
	sqe->flags |= IOSQE_IO_LINK;
	submit_connect(&ring, 2, &open_port, IOSQE_FIXED_FILE | flags)->user_data = 5;
	cr_assert_eq(io_uring_submit(&ring), 2);
	cr_assert_eq(reap(&ring), 0);
	cr_assert_eq(reap(&ring), 0);
	record = expect(HAWSER_TRACE_OK, 0);
	cr_expect_eq(record.user_data, 5);
	cr_expect(record.flags & HAWSER_TRACE_SYN_SENT);
	cr_expect_gt(record.syn_to_answer_ns, 0);
	cr_expect_eq(record.destination_port, PORT);
	cr_expect_gt(record.source_port, 0);
	io_uring_queue_exit(&ring);
	close(listener);
}

Test(trace_ring, a_socket_of_the_ring_alone, .timeout = 30)
{
	tracing_begin();
	connect_direct(0);
	tracing_end();
}

Test(trace_ring, a_socket_of_the_ring_alone_connected_by_a_worker, .timeout = 30)
{
	tracing_begin();
	connect_direct(IOSQE_ASYNC);
	tracing_end();
}

Test(trace_ring, a_success_without_a_completion, .timeout = 30)
{
	struct io_uring ring;
	int listener, fd;

	tracing_begin();
	listener = open_ports();
	fd = new_socket();
	cr_assert_eq(io_uring_queue_init(8, &ring, 0), 0);
	submit_connect(&ring, fd, &open_port, IOSQE_CQE_SKIP_SUCCESS);
	cr_assert_eq(io_uring_submit(&ring), 1);
	expect(HAWSER_TRACE_OK, 0);
	close(fd);
	fd = new_socket();
	submit_connect(&ring, fd, &closed_port, IOSQE_CQE_SKIP_SUCCESS);
	cr_assert_eq(io_uring_submit(&ring), 1);
	cr_assert_eq(reap(&ring), -ECONNREFUSED);
	expect(HAWSER_TRACE_REFUSED, ECONNREFUSED);
	close(fd);
	io_uring_queue_exit(&ring);
	close(listener);
	tracing_end();
}

/* It is linked to what fails, so that its file is never looked up. */
Test(trace_ring, cancelled_before_it_begins, .timeout = 30)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	char byte;
	int fd;

	tracing_begin();
	close(open_ports());
	fd = new_socket();
	cr_assert_eq(io_uring_queue_init(8, &ring, 0), 0);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_read(sqe, -1, &byte, 1, 0);
	sqe->flags |= IOSQE_IO_LINK;
	submit_connect(&ring, fd, &closed_port, 0);
	cr_assert_eq(io_uring_submit(&ring), 2);
	cr_assert_eq(reap(&ring), -EBADF);
	cr_assert_eq(reap(&ring), -ECANCELED);
	cr_expect_eq(expect(HAWSER_TRACE_CANCELLED, ECANCELED).destination_port, CLOSED_PORT);
	close(fd);
	io_uring_queue_exit(&ring);
	tracing_end();
}

Test(trace_ring, two_connects_of_one_socket, .timeout = 30)
{
	struct io_uring ring;
	int fd;

	tracing_begin();
	close(open_ports());
	network_rule("in", "tcp dport 7001 drop");
	fd = new_socket();
	cr_assert_eq(io_uring_queue_init(8, &ring, 0), 0);
	submit_connect(&ring, fd, &closed_port, 0)->user_data = 1;
	cr_assert_eq(io_uring_submit(&ring), 1);
	submit_connect(&ring, fd, &closed_port, 0)->user_data = 2;
	cr_assert_eq(io_uring_submit(&ring), 1);
	io_uring_prep_cancel64(io_uring_get_sqe(&ring), 1, 0);
	cr_assert_eq(io_uring_submit(&ring), 1);
	reap(&ring);
	reap(&ring);
	tracing_record();
	close(fd);
	io_uring_queue_exit(&ring);
	tracing_record();
	tracing_end();
}
