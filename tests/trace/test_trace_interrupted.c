/* SPDX-License-Identifier: MIT
 *
 * Answers that come by interrupts while others connect, as they do on any busy machine: the kernel then
 * leaves out programs that are running already. Every connect is recorded, or counted, or shown as in flight
 * still.
 */
#include "../support/network.h"
#include "rings.h"
#include "tracing.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

enum { CLOSED_PORT = 7001, THREADS = 2, BATCH = 16, BATCHES = 625, MADE = THREADS * BATCH * BATCHES };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

static struct sockaddr_in closed_port;

/* ---- who connects: threads, whose failures are told by what they return ---- */

/* Its descriptor while it is connecting, -1 when it was refused at once, -2 otherwise. */
static int connect_by_call(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error = connect(fd, (struct sockaddr *)&closed_port, sizeof(closed_port)) < 0 ? errno : 0;

	if (error == EINPROGRESS)
		return fd;
	close(fd);
	return error == ECONNREFUSED ? -1 : -2;
}

static int await_refusal(int fd)
{
	struct pollfd poller = {.fd = fd, .events = POLLOUT};
	socklen_t size = sizeof(int);
	int error = 0;
	bool answered =
	    poll(&poller, 1, 10000) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0;

	close(fd);
	return answered && error == ECONNREFUSED ? 0 : -1;
}

static int call_batch(struct io_uring *unused)
{
	int fds[BATCH], result = 0;

	(void)unused;
	for (unsigned i = 0; i < BATCH; i++)
		fds[i] = connect_by_call();
	for (unsigned i = 0; i < BATCH; i++)
		if (fds[i] == -2 || (fds[i] >= 0 && await_refusal(fds[i]) < 0))
			result = -1;
	return result;
}

static int ring_batch(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int fds[BATCH], result = 0;

	for (unsigned i = 0; i < BATCH; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		io_uring_prep_connect(
		    io_uring_get_sqe(ring), fds[i], (struct sockaddr *)&closed_port, sizeof(closed_port));
	}
	if (io_uring_submit(ring) != BATCH)
		return -1;
	for (unsigned i = 0; i < BATCH; i++) {
		if (io_uring_wait_cqe(ring, &cqe) < 0)
			return -1;
		if (cqe->res != -ECONNREFUSED)
			result = -1;
		io_uring_cqe_seen(ring, cqe);
	}
	for (unsigned i = 0; i < BATCH; i++)
		close(fds[i]);
	return result;
}

static void *run(void *batch)
{
	int (*connect_batch)(struct io_uring * ring);
	struct io_uring ring;
	bool failed = false;

	*(void **)&connect_batch = batch;
	if (io_uring_queue_init(BATCH, &ring, 0) < 0)
		return batch;
	for (unsigned i = 0; i < BATCHES && !failed; i++)
		failed = connect_batch(&ring) < 0;
	io_uring_queue_exit(&ring);
	return failed ? batch : NULL;
}

static void connect_all(int (*connect_batch)(struct io_uring *ring))
{
	pthread_t threads[THREADS];
	void *failed;

	for (unsigned i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, run, *(void **)&connect_batch), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failed);
		cr_assert_null(failed, "a connect was not refused");
	}
}

/* ---- what is known of them ---- */

struct tally {
	uint64_t causes[HAWSER_TRACE_CAUSES];
	uint64_t all;
};

static int add(const struct hawser_trace_record *record, void *user)
{
	struct tally *tally = user;

	tally->causes[record->cause]++;
	tally->all++;
	return 0;
}

static void tally_read(hawser_trace *trace, bool histograms, struct tally *ret_tally)
{
	if (!histograms)
		cr_assert_geq(hawser_trace_read(trace, 0, add, ret_tally), 0);
	for (unsigned cause = 0; histograms && cause < HAWSER_TRACE_CAUSES; cause++) {
		ret_tally->causes[cause] = tracing_counted(trace, HAWSER_TRACE_EVERY, cause);
		ret_tally->all += ret_tally->causes[cause];
	}
}

static void account(hawser_trace *trace, bool histograms)
{
	struct hawser_trace_counters counters;
	struct tally seen = {0}, inflight = {0};

	tally_read(trace, histograms, &seen);
	cr_assert_eq(hawser_trace_inflight_read(trace, add, &inflight), 0);
	cr_assert_eq(hawser_trace_counters_read(trace, &counters), 0);
	cr_log_info("%" PRIu64 " of %d ended, %" PRIu64 " in flight, %" PRIu64
		    " whose end was not seen; %" PRIu64 " events missed",
	    seen.all, MADE, inflight.all, counters.ends_unseen, counters.events_missed);
	cr_expect_eq(seen.causes[HAWSER_TRACE_REFUSED], seen.all, "%" PRIu64 " of %" PRIu64 " were refused",
	    seen.causes[HAWSER_TRACE_REFUSED], seen.all);
	cr_expect_eq(seen.all + inflight.all + counters.ends_unseen, MADE,
	    "%" PRIu64 " ended, %" PRIu64 " in flight, %" PRIu64 " whose end was not seen", seen.all,
	    inflight.all, counters.ends_unseen);
	cr_expect_eq(counters.records_lost, 0);
	cr_expect_eq(counters.inflight_full, 0);
}

static void interrupt(int (*connect_batch)(struct io_uring *ring), bool histograms)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .histograms = histograms, .records_bytes = 16 << 20);
	hawser_trace *trace;

	closed_port = (struct sockaddr_in){
	    .sin_family = AF_INET, .sin_port = htons(CLOSED_PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (connect_batch == ring_batch)
		rings_needed();
	network_enter();
	tracing_interrupt();
	trace = tracing_open(&options);
	connect_all(connect_batch);
	account(trace, histograms);
	hawser_trace_close(trace);
}

Test(trace_interrupted, connects_of_rings, .timeout = 120)
{
	interrupt(ring_batch, false);
}

Test(trace_interrupted, connects_of_rings_in_histogram_mode, .timeout = 120)
{
	interrupt(ring_batch, true);
}

Test(trace_interrupted, connects_by_call, .timeout = 120)
{
	interrupt(call_batch, false);
}

Test(trace_interrupted, connects_by_call_in_histogram_mode, .timeout = 120)
{
	interrupt(call_batch, true);
}
