/* SPDX-License-Identifier: MIT
 *
 * A table of connects in flight that is full of those whose end nobody will see: they make room for new ones
 * once they are old enough, and are counted. They may be told never to.
 */
#include "../support/network.h"
#include "rings.h"
#include "tracing.h"

#include <criterion/criterion.h>
#include <unistd.h>

/* In histogram mode as many as one bucket has places. */
enum { CLOSED_PORT = 7001, ROOM = 8, AGE_MAX_NS = 1000000, SWEEP_MS = 1100 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

TestSuite(trace_room, .init = rings_needed);

static hawser_trace *open_small(bool histograms, uint64_t age_max_ns)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .histograms = histograms, .inflight_max = ROOM);

	network_enter();
	options.config.inflight_age_max_ns = age_max_ns;
	return tracing_open(&options);
}

/* Connects behind a head that fails are cancelled, and nobody is told so. The sockets stay open, for one that
 * is connected again makes room by itself. */
static void fill(struct io_uring *ring, int fds[ROOM])
{
	static char byte;

	for (unsigned i = 0; i < ROOM; i++) {
		struct io_uring_sqe *sqe = rings_next(ring);

		fds[i] = rings_socket(0);
		io_uring_prep_read(sqe, -1, &byte, 1, 0);
		sqe->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
		rings_connect_port(ring, fds[i], CLOSED_PORT, 0);
		rings_submit(ring, 2);
		cr_assert_eq(rings_reap(ring, NULL), -EBADF);
	}
}

static void be_refused(unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		int fd = rings_socket(0);

		cr_assert_eq(connect(fd, (const struct sockaddr *)rings_loopback(CLOSED_PORT),
				 sizeof(struct sockaddr_in)),
		    -1);
		cr_assert_eq(errno, ECONNREFUSED);
		close(fd);
	}
}

static int add(const struct hawser_trace_record *record, void *user)
{
	(void)record;
	++*(unsigned *)user;
	return 0;
}

static unsigned inflight_of(hawser_trace *trace)
{
	unsigned count = 0;

	cr_assert_eq(hawser_trace_inflight_read(trace, add, &count), 0);
	return count;
}

static struct hawser_trace_counters counters_of(hawser_trace *trace)
{
	struct hawser_trace_counters counters;

	cr_assert_eq(hawser_trace_counters_read(trace, &counters), 0);
	return counters;
}

/* The table of records is swept once a second at most, and was perhaps just now. */
static void make_room(bool histograms)
{
	hawser_trace *trace = open_small(histograms, AGE_MAX_NS);
	int fds[ROOM];
	struct io_uring ring;

	cr_assert_eq(io_uring_queue_init(8, &ring, 0), 0);
	fill(&ring, fds);
	cr_expect_eq(inflight_of(trace) + counters_of(trace).ends_unseen, ROOM);
	rings_rest_ms(SWEEP_MS);
	be_refused(ROOM);
	cr_expect_eq(tracing_counted(trace, HAWSER_TRACE_EVERY, HAWSER_TRACE_REFUSED), ROOM, "%lu",
	    tracing_counted(trace, HAWSER_TRACE_EVERY, HAWSER_TRACE_REFUSED));
	cr_expect_eq(counters_of(trace).ends_unseen, ROOM, "%lu", counters_of(trace).ends_unseen);
	cr_expect_eq(counters_of(trace).inflight_full, 0, "%lu", counters_of(trace).inflight_full);
	cr_expect_eq(inflight_of(trace), 0);
	for (unsigned i = 0; i < ROOM; i++)
		close(fds[i]);
	io_uring_queue_exit(&ring);
	hawser_trace_close(trace);
}

static void make_none(bool histograms)
{
	hawser_trace *trace = open_small(histograms, 0);
	int fds[ROOM];
	struct io_uring ring;

	cr_assert_eq(io_uring_queue_init(8, &ring, 0), 0);
	fill(&ring, fds);
	rings_rest_ms(SWEEP_MS);
	be_refused(ROOM);
	cr_expect_eq(tracing_counted_all(trace, HAWSER_TRACE_EVERY), 0);
	cr_expect_eq(counters_of(trace).inflight_full, ROOM, "%lu", counters_of(trace).inflight_full);
	cr_expect_eq(counters_of(trace).ends_unseen, 0, "%lu", counters_of(trace).ends_unseen);
	cr_expect_eq(inflight_of(trace), ROOM);
	for (unsigned i = 0; i < ROOM; i++)
		close(fds[i]);
	io_uring_queue_exit(&ring);
	hawser_trace_close(trace);
}

Test(trace_room, old_ones_make_room, .timeout = 30)
{
	make_room(false);
}

Test(trace_room, old_ones_make_room_in_histogram_mode, .timeout = 30)
{
	make_room(true);
}

Test(trace_room, none_makes_room_without_an_age, .timeout = 30)
{
	make_none(false);
}

Test(trace_room, none_makes_room_without_an_age_in_histogram_mode, .timeout = 30)
{
	make_none(true);
}
