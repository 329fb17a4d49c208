/* SPDX-License-Identifier: MIT
 *
 * Many connects at full speed, of every outcome that comes at once: each has one record, and what the
 * programs have counted is what the client has counted.
 */
#include "../support/network.h"
#include "tracing.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECTS = 100000, BATCH = 32, PORT = 7000, CLOSED_PORT = 7001, ERRNOS = 134 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

/* ---- the destinations, each with an outcome of its own ---- */

union destination {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_un un;
};

enum { KINDS = 4 };

static union destination destinations[KINDS] = {
    {.in = {.sin_family = AF_INET}},                             /* connected */
    {.in = {.sin_family = AF_INET}},                             /* refused */
    {.in = {.sin_family = AF_INET}},                             /* no route */
    {.un = {.sun_family = AF_UNIX, .sun_path = "/nonexistent"}}, /* no such path */
};
static const enum hawser_trace_cause causes[KINDS] = {
    HAWSER_TRACE_OK, HAWSER_TRACE_REFUSED, HAWSER_TRACE_LOCAL_ERROR, HAWSER_TRACE_LOCAL_ERROR};
static const int errnos[KINDS] = {0, ECONNREFUSED, ENETUNREACH, ENOENT};

static socklen_t size_of(unsigned kind)
{
	return destinations[kind].any.sa_family == AF_UNIX ? sizeof(struct sockaddr_un)
							   : sizeof(struct sockaddr_in);
}

static int open_destinations(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	for (unsigned kind = 0; kind < 3; kind++)
		destinations[kind].in.sin_addr.s_addr = htonl(kind == 2 ? 0xc0000201 : INADDR_LOOPBACK);
	destinations[0].in.sin_port = destinations[2].in.sin_port = htons(PORT);
	destinations[1].in.sin_port = htons(CLOSED_PORT);
	cr_assert_eq(bind(fd, &destinations[0].any, sizeof(destinations[0].in)), 0);
	cr_assert_eq(listen(fd, 4 * BATCH), 0);
	return fd;
}

/* ---- the client's own count, and the records' ---- */

static uint64_t told[ERRNOS];
static uint64_t recorded[HAWSER_TRACE_CAUSES][ERRNOS];
static uint64_t records;

static int on_record(const struct hawser_trace_record *record, void *user)
{
	(void)user;
	cr_assert_lt(record->error, ERRNOS);
	recorded[record->cause][record->error]++;
	records++;
	return 0;
}

static void reset_and_close(int fd)
{
	struct linger linger = {.l_onoff = 1}; /* or the ports would run out */

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

static void accept_all(int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		reset_and_close(fd);
}

/* Half of a batch by the ring, half by connect(2). */
static void connect_batch(struct io_uring *ring, unsigned first)
{
	struct io_uring_cqe *cqe;
	int fds[BATCH];

	for (unsigned i = 0; i < BATCH; i++) {
		unsigned kind = (first + i / 2) % KINDS;
		const union destination *destination = &destinations[kind];

		fds[i] = socket(destination->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		cr_assert_geq(fds[i], 0);
		if (i % 2) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

			io_uring_prep_connect(sqe, fds[i], &destination->any, size_of(kind));
		} else {
			told[connect(fds[i], &destination->any, size_of(kind)) ? errno : 0]++;
		}
	}
	cr_assert_eq(io_uring_submit_and_wait(ring, BATCH / 2), BATCH / 2);
	for (unsigned i = 0; i < BATCH / 2; i++) {
		cr_assert_eq(io_uring_wait_cqe(ring, &cqe), 0);
		told[-cqe->res]++;
		io_uring_cqe_seen(ring, cqe);
	}
	for (unsigned i = 0; i < BATCH; i++)
		reset_and_close(fds[i]);
}

static uint64_t counted(hawser_trace *trace, enum hawser_trace_layer layer, enum hawser_trace_cause cause)
{
	struct hawser_trace_histogram histogram;

	cr_assert_eq(hawser_trace_histogram_read(trace, layer, cause, &histogram), 0);
	return histogram.count;
}

static int add_destination(const struct hawser_trace_destination_key *key,
    const struct hawser_trace_destination *destination, void *user)
{
	uint64_t *total = user;

	(void)key;
	for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++)
		*total += destination->causes[cause];
	return 0;
}

static void compare(hawser_trace *trace)
{
	struct hawser_trace_counters counters;
	uint64_t by_destination = 0;

	cr_assert_eq(hawser_trace_counters_read(trace, &counters), 0);
	cr_expect_eq(counters.records_lost, 0);
	cr_expect_eq(counters.inflight_full, 0);
	cr_expect_eq(records, CONNECTS);
	for (unsigned kind = 0; kind < KINDS; kind++)
		cr_expect_eq(recorded[causes[kind]][errnos[kind]], told[errnos[kind]],
		    "kind %u: %lu records of %lu", kind, recorded[causes[kind]][errnos[kind]],
		    told[errnos[kind]]);
	/* The network's view has those that reached it, the others have theirs. */
	cr_expect_eq(counted(trace, HAWSER_TRACE_TCP, HAWSER_TRACE_OK), told[0]);
	cr_expect_eq(counted(trace, HAWSER_TRACE_TCP, HAWSER_TRACE_REFUSED), told[ECONNREFUSED]);
	cr_expect_eq(counted(trace, HAWSER_TRACE_RING, HAWSER_TRACE_OK), told[0] / 2);
	cr_expect_eq(counted(trace, HAWSER_TRACE_RING, HAWSER_TRACE_LOCAL_ERROR) +
			 counted(trace, HAWSER_TRACE_SYSCALL, HAWSER_TRACE_LOCAL_ERROR),
	    told[ENETUNREACH] + told[ENOENT]);
	cr_assert_eq(hawser_trace_destinations_read(trace, add_destination, &by_destination), 0);
	cr_expect_eq(by_destination, CONNECTS);
}

Test(trace, counts_100000_mixed_connects, .timeout = 120)
{
	hawser_trace *trace = tracing_begin();
	struct io_uring ring;
	int listener = open_destinations();

	tracing_needs("io_uring submissions");
	cr_assert_eq(io_uring_queue_init(2 * BATCH, &ring, 0), 0);
	for (unsigned done = 0; done < CONNECTS; done += BATCH) {
		connect_batch(&ring, done / BATCH);
		accept_all(listener);
		if (done / BATCH % 32 == 0)
			cr_assert_geq(hawser_trace_read(trace, 0, on_record, NULL), 0);
	}
	cr_assert_geq(hawser_trace_read(trace, 0, on_record, NULL), 0);
	compare(trace);
	io_uring_queue_exit(&ring);
	close(listener);
	tracing_end();
}
