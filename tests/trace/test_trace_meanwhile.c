/* SPDX-License-Identifier: MIT
 *
 * What happens to a ring's connect meanwhile: its socket is shut down, reset, connected by connect(2) or read
 * from by others, and completions of other operations look like its own. Exactly one record each.
 */
#include "../support/network.h"
#include "rings.h"
#include "tracing.h"

#include <criterion/criterion.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { PORT = 7000, CLOSED_PORT = 7001, FIRST = 100, RETRIED = 500 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

TestSuite(trace_meanwhile, .init = rings_needed);

/* ---- what others do to a socket meanwhile ---- */

static void shut_down_meanwhile(unsigned flags)
{
	struct io_uring ring;
	int fd;

	tracing_begin();
	network_rule("in", "tcp dport 7000 drop");
	fd = rings_socket(0);
	cr_assert_eq(io_uring_queue_init(8, &ring, 0), 0);
	rings_connect_port(&ring, fd, PORT, flags)->user_data = FIRST;
	rings_submit(&ring, 1);
	cr_assert_eq(shutdown(fd, SHUT_RDWR), 0);
	cr_assert_eq(rings_reap(&ring, NULL), -ECONNRESET);
	rings_expect(HAWSER_TRACE_ABORTED, ECONNRESET, FIRST);
	close(fd);
	io_uring_queue_exit(&ring);
	tracing_end();
}

Test(trace_meanwhile, shut_down_while_connecting, .timeout = 30)
{
	shut_down_meanwhile(0);
}

Test(trace_meanwhile, shut_down_while_connecting_without_a_completion_of_success, .timeout = 30)
{
	shut_down_meanwhile(IOSQE_CQE_SKIP_SUCCESS);
}

static void await_closed(int fd)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	for (unsigned i = 0; i < 1000 && info.tcpi_state != TCP_CLOSE; i++) {
		rings_rest_ms(5);
		cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
	}
	cr_assert_eq(info.tcpi_state, TCP_CLOSE);
}

static void accept_and_reset(int listener)
{
	struct linger at_once = {.l_onoff = 1};
	int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	cr_assert_geq(accepted, 0);
	cr_assert_eq(setsockopt(accepted, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
	close(accepted);
}

/* Such a ring does nothing until it is asked. */
Test(trace_meanwhile, reset_before_the_ring_looks, .timeout = 30)
{
	struct io_uring_params parameters = {
	    .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
	struct io_uring ring;
	int listener, fd;

	tracing_begin();
	if (io_uring_queue_init_params(8, &ring, &parameters) == -EINVAL)
		cr_skip_test("this kernel has no IORING_SETUP_DEFER_TASKRUN");
	listener = rings_socket(0);
	cr_assert_eq(
	    bind(listener, (const struct sockaddr *)rings_loopback(PORT), sizeof(struct sockaddr_in)), 0);
	cr_assert_eq(listen(listener, 1), 0);
	fd = rings_socket(0);
	rings_connect_port(&ring, fd, PORT, 0)->user_data = FIRST;
	rings_submit(&ring, 1);
	accept_and_reset(listener);
	await_closed(fd);
	cr_assert_eq(rings_reap(&ring, NULL), -ECONNRESET);
	rings_expect(HAWSER_TRACE_REFUSED, ECONNRESET, FIRST);
	close(fd);
	close(listener);
	io_uring_queue_exit(&ring);
	tracing_end();
}

/* The ring's connect is told that there is one already, which goes on. */
Test(trace_meanwhile, connect_2_is_under_way_already, .timeout = 30)
{
	struct hawser_trace_record record;
	struct io_uring ring;
	int fd;

	tracing_begin();
	network_rule("in", "tcp dport 7000 drop");
	fd = rings_socket(SOCK_NONBLOCK);
	cr_assert_eq(
	    connect(fd, (const struct sockaddr *)rings_loopback(PORT), sizeof(struct sockaddr_in)), -1);
	cr_assert_eq(errno, EINPROGRESS);
	cr_assert_eq(io_uring_queue_init(8, &ring, 0), 0);
	rings_connect_port(&ring, fd, PORT, 0)->user_data = FIRST;
	rings_submit(&ring, 1);
	cr_assert_eq(rings_reap(&ring, NULL), -EALREADY);
	io_uring_queue_exit(&ring);
	close(fd);
	record = tracing_record();
	cr_expect_eq(record.layer, HAWSER_TRACE_TCP);
	cr_expect_eq(record.cause, HAWSER_TRACE_ABORTED);
	tracing_end();
}

/* ---- completions that look like another's ---- */

static void read_bytes(struct io_uring *ring, unsigned number)
{
	static char byte;
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	for (unsigned i = 0; i < number; i++) {
		struct io_uring_sqe *sqe = rings_next(ring);

		cr_assert_eq(write(ends[1], "x", 1), 1);
		io_uring_prep_read(sqe, ends[0], &byte, 1, (uint64_t)-1);
		sqe->user_data = FIRST;
		rings_submit(ring, 1);
	}
	close(ends[0]);
	close(ends[1]);
}

Test(trace_meanwhile, others_overflow_with_its_user_data, .timeout = 30)
{
	enum { ENTRIES = 4, READS = 6 };
	struct io_uring_params parameters = {.flags = IORING_SETUP_CQSIZE, .cq_entries = ENTRIES};
	struct hawser_trace_counters counters;
	hawser_trace *trace = tracing_begin();
	struct io_uring ring;
	int fd;

	network_rule("in", "tcp dport 7000 drop");
	fd = rings_socket(0);
	cr_assert_eq(io_uring_queue_init_params(ENTRIES, &ring, &parameters), 0);
	rings_connect_port(&ring, fd, PORT, 0)->user_data = FIRST;
	rings_submit(&ring, 1);
	read_bytes(&ring, READS);
	for (unsigned i = 0; i < READS; i++)
		cr_assert_eq(rings_reap(&ring, NULL), 1);
	cr_assert_eq(shutdown(fd, SHUT_RDWR), 0);
	cr_assert_eq(rings_reap(&ring, NULL), -ECONNRESET);
	rings_expect(HAWSER_TRACE_ABORTED, ECONNRESET, FIRST);
	cr_assert_eq(hawser_trace_counters_read(trace, &counters), 0);
	cr_expect_eq(counters.completions_in_overflow, 0);
	close(fd);
	io_uring_queue_exit(&ring);
	tracing_end();
}

/* ---- connects that the kernel tries again ---- */

static struct {
	atomic_int fd; /* whose error is read; -1: none's */
	atomic_bool ends;
} thief = {.fd = -1};

static void *steal_errors(void *unused)
{
	while (!atomic_load(&thief.ends)) {
		int fd = atomic_load(&thief.fd), error;
		socklen_t size = sizeof(error);

		if (fd >= 0)
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
	}
	return unused;
}

static int count_layer(const struct hawser_trace_record *record, void *user)
{
	((unsigned *)user)[record->layer]++;
	return 0;
}

/* How many were told something else than that they are refused. */
static unsigned connect_robbed(struct io_uring *ring)
{
	unsigned robbed = 0;
	pthread_t other;

	cr_assert_eq(pthread_create(&other, NULL, steal_errors, NULL), 0);
	for (unsigned i = 0; i < RETRIED; i++) {
		int fd = rings_socket(0);

		atomic_store(&thief.fd, fd);
		rings_connect_port(ring, fd, CLOSED_PORT, 0);
		rings_submit(ring, 1);
		robbed += rings_reap(ring, NULL) != -ECONNREFUSED;
		atomic_store(&thief.fd, -1);
		close(fd);
	}
	atomic_store(&thief.ends, true);
	pthread_join(other, NULL);
	return robbed;
}

Test(trace_meanwhile, connects_whose_error_another_thread_takes, .timeout = 60)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .histograms = true);
	hawser_trace *records, *histograms;
	unsigned layers[HAWSER_TRACE_LAYERS] = {0}, inflight[HAWSER_TRACE_LAYERS] = {0};
	struct io_uring ring;

	network_enter();
	tracing_interrupt();
	histograms = tracing_open(&options);
	options.histograms = false;
	records = tracing_open(&options);
	cr_assert_eq(io_uring_queue_init(8, &ring, 0), 0);
	cr_log_info("%u of %d were robbed of their error", connect_robbed(&ring), RETRIED);
	cr_assert_geq(hawser_trace_read(records, 0, count_layer, layers), 0);
	cr_expect_eq(layers[HAWSER_TRACE_RING], RETRIED, "%u", layers[HAWSER_TRACE_RING]);
	cr_expect_eq(layers[HAWSER_TRACE_TCP], 0, "%u", layers[HAWSER_TRACE_TCP]);
	cr_expect_eq(tracing_counted_all(histograms, HAWSER_TRACE_RING), RETRIED);
	cr_expect_eq(tracing_counted_all(histograms, HAWSER_TRACE_EVERY), RETRIED);
	cr_assert_eq(hawser_trace_inflight_read(records, count_layer, inflight), 0);
	cr_assert_eq(hawser_trace_inflight_read(histograms, count_layer, inflight), 0);
	cr_expect_eq(inflight[HAWSER_TRACE_RING] + inflight[HAWSER_TRACE_TCP], 0);
	io_uring_queue_exit(&ring);
	hawser_trace_close(histograms);
	hawser_trace_close(records);
}
