/* SPDX-License-Identifier: MIT
 *
 * See tracing.h.
 */
#include "tracing.h"

#include "../support/network.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { RECORDS_MAX = 64, WAIT_MS = 10000, CONNECT = 0xc0, TIMEOUT = 0x70, CANCEL = 0xca };

const char *const way_names[WAYS] = {
    "blocking", "nonblocking", "ring", "ring, async", "ring, sqpoll", "ring, fixed"};

static struct {
	hawser_trace *trace;
	hawser_trace *histograms; /* the same in histogram mode, which must count the same */
	struct hawser_trace_record records[RECORDS_MAX];
	unsigned count;
	unsigned taken;
	int socket;
} tracing = {.socket = -1};

static void pause_ms(unsigned ms)
{
	struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&rest, NULL);
}

hawser_trace *tracing_open(struct hawser_trace_options *options)
{
	struct hawser_trace_sentence why = {""};
	hawser_trace *trace;
	struct stat status;
	int result;

	cr_assert_eq(stat("/proc/self/ns/net", &status), 0);
	options->config.filters |= HAWSER_TRACE_FILTER_TGID | HAWSER_TRACE_FILTER_NETNS;
	options->config.tgid = (uint32_t)getpid();
	options->config.netns = (uint32_t)status.st_ino;
	result = hawser_trace_open(options, &why, &trace);
	if (result == -EPERM || result == -ENOENT)
		cr_skip_test("%s", why.text);
	cr_assert_eq(result, 0, "%s", why.text);
	return trace;
}

hawser_trace *tracing_begin(void)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .calls = true);

	network_enter();
	tracing.trace = tracing_open(&options);
	options.histograms = true;
	tracing.histograms = tracing_open(&options);
	return tracing.trace;
}

void tracing_interrupt(void)
{
	FILE *file = NULL;

	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("sysfs", "/sys", "sysfs", 0, NULL) == 0)
		file = fopen("/sys/class/net/lo/queues/rx-0/rps_cpus", "we");
	if (!file)
		cr_skip_test("cannot choose who receives for lo: %s", strerror(errno));
	fputs("3", file); /* the first two processors */
	if (fclose(file) != 0)
		cr_skip_test("lo's packets cannot be given to other processors here: %s", strerror(errno));
}

uint64_t tracing_counted(hawser_trace *trace, unsigned layer, unsigned cause)
{
	struct hawser_trace_histogram histogram;

	cr_assert_eq(hawser_trace_histogram_read(trace, layer, cause, &histogram), 0);
	return histogram.count;
}

uint64_t tracing_counted_all(hawser_trace *trace, unsigned layer)
{
	uint64_t sum = 0;

	for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++)
		sum += tracing_counted(trace, layer, cause);
	return sum;
}

/* NULL: this kernel has it. */
static const char *lost_without(const char *name)
{
	static struct hawser_trace_ability abilities[HAWSER_TRACE_ABILITIES_MAX];
	int count = hawser_trace_probe(abilities);

	for (int i = 0; i < count; i++)
		if (strcmp(abilities[i].name, name) == 0 && !abilities[i].available)
			return abilities[i].sentence;
	return NULL;
}

void tracing_needs(const char *ability)
{
	const char *lost = lost_without(ability);

	if (lost)
		cr_skip_test("%s", lost);
}

bool tracing_has(const char *ability)
{
	return !lost_without(ability);
}

static int on_record(const struct hawser_trace_record *record, void *user)
{
	(void)user;
	cr_assert_lt(tracing.count, RECORDS_MAX);
	tracing.records[tracing.count++] = *record;
	return 0;
}

static int print_inflight(const struct hawser_trace_record *record, void *user)
{
	char text[128];

	(void)user;
	fprintf(stderr, "in flight for %" PRIu64 " us: layer %s, flags %x, pid %u, to %s\n",
	    record->total_ns / 1000, hawser_trace_layer_name(record->layer), record->flags, record->pid,
	    hawser_trace_destination_text(record, text, sizeof(text)));
	return 0;
}

/* What became of it, as far as the tracer knows. */
static void give_up(void)
{
	struct hawser_trace_counters counters = {0};

	hawser_trace_counters_read(tracing.trace, &counters);
	fprintf(stderr,
	    "records_lost %" PRIu64 ", inflight_full %" PRIu64 ", start_unseen %" PRIu64
	    ", completions_in_overflow %" PRIu64 ", addresses_unread %" PRIu64 ", events_missed %" PRIu64
	    "\n",
	    counters.records_lost, counters.inflight_full, counters.start_unseen,
	    counters.completions_in_overflow, counters.addresses_unread, counters.events_missed);
	hawser_trace_inflight_read(tracing.trace, print_inflight, NULL);
	cr_assert(
	    false, "no record came after the %u before; standard error says what is known", tracing.taken);
}

struct hawser_trace_record tracing_record(void)
{
	for (int waited = 0; tracing.taken == tracing.count && waited < WAIT_MS; waited += 10)
		cr_assert_geq(hawser_trace_read(tracing.trace, 10, on_record, NULL), 0);
	if (tracing.taken == tracing.count)
		give_up();
	return tracing.records[tracing.taken++];
}

static int on_inflight(const struct hawser_trace_record *record, void *user)
{
	char text[128];

	(void)user;
	cr_expect(false, "still in flight: %s", hawser_trace_destination_text(record, text, sizeof(text)));
	return 0;
}

static void end_histograms(void)
{
	struct hawser_trace_counters counters;

	for (unsigned layer = 0; layer < HAWSER_TRACE_LAYERS; layer++)
		for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++)
			cr_expect_eq(tracing_counted(tracing.histograms, layer, cause),
			    tracing_counted(tracing.trace, layer, cause),
			    "histogram mode, %s, %s: %lu, not %lu", hawser_trace_layer_name(layer),
			    hawser_trace_cause_name(cause), tracing_counted(tracing.histograms, layer, cause),
			    tracing_counted(tracing.trace, layer, cause));
	cr_assert_eq(hawser_trace_inflight_read(tracing.histograms, on_inflight, NULL), 0);
	cr_assert_eq(hawser_trace_counters_read(tracing.histograms, &counters), 0);
	cr_expect_eq(counters.inflight_full, 0);
	hawser_trace_close(tracing.histograms);
}

void tracing_end(void)
{
	struct hawser_trace_counters counters;
	char text[128];

	/* Whatever the end of the socket tells must not be a second record. */
	if (tracing.socket >= 0)
		close(tracing.socket);
	pause_ms(20);
	cr_assert_geq(hawser_trace_read(tracing.trace, 0, on_record, NULL), 0);
	cr_expect_eq(tracing.taken, tracing.count, "%u records too many, the first %s to %s",
	    tracing.count - tracing.taken, hawser_trace_cause_name(tracing.records[tracing.taken].cause),
	    hawser_trace_destination_text(&tracing.records[tracing.taken], text, sizeof(text)));
	cr_assert_eq(hawser_trace_inflight_read(tracing.trace, on_inflight, NULL), 0);
	cr_assert_eq(hawser_trace_counters_read(tracing.trace, &counters), 0);
	cr_expect_eq(counters.records_lost, 0);
	cr_expect_eq(counters.inflight_full, 0);
	end_histograms();
	hawser_trace_close(tracing.trace);
}

int tracing_socket(void)
{
	return tracing.socket;
}

/* ---- connect(2) ---- */

static int connect_by_call(const struct attempt *attempt)
{
	int error = connect(tracing.socket, attempt->address, attempt->address_size) < 0 ? errno : 0;
	socklen_t size = sizeof(error);
	struct pollfd poller = {.fd = tracing.socket, .events = POLLOUT};

	if (error != EINPROGRESS)
		return error;
	if (attempt->cancel_ms) {
		pause_ms(attempt->cancel_ms);
		close(tracing.socket);
		tracing.socket = -1;
		return 0;
	}
	while (poll(&poller, 1, WAIT_MS) < 0)
		cr_assert_eq(errno, EINTR);
	cr_assert_eq(getsockopt(tracing.socket, SOL_SOCKET, SO_ERROR, &error, &size), 0);
	return error;
}

/* ---- io_uring ---- */

static void submit_timeout(
    struct io_uring *ring, const struct attempt *attempt, struct __kernel_timespec *time)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	*time = (struct __kernel_timespec){
	    .tv_sec = attempt->deadline_ms / 1000, .tv_nsec = attempt->deadline_ms % 1000 * 1000000};
	io_uring_prep_link_timeout(sqe, time, 0);
	sqe->user_data = TIMEOUT;
	if (attempt->skip_timeout)
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

static void submit_cancel(struct io_uring *ring, const struct attempt *attempt)
{
	struct io_uring_sqe *sqe;

	pause_ms(attempt->cancel_ms);
	sqe = io_uring_get_sqe(ring);
	io_uring_prep_cancel64(sqe, CONNECT, 0);
	sqe->user_data = CANCEL;
	/* Those that a kernel thread has not taken yet are counted again. */
	cr_assert_geq(io_uring_submit(ring), 1);
}

static void submit(struct io_uring *ring, const struct attempt *attempt, struct __kernel_timespec *time)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	bool fixed = attempt->way == WAY_RING_FIXED;

	io_uring_prep_connect(sqe, fixed ? 0 : tracing.socket, attempt->address, attempt->address_size);
	sqe->user_data = CONNECT;
	sqe->flags |= (fixed ? IOSQE_FIXED_FILE : 0) | (attempt->way == WAY_RING_ASYNC ? IOSQE_ASYNC : 0) |
		      (attempt->deadline_ms ? IOSQE_IO_LINK : 0);
	if (attempt->deadline_ms)
		submit_timeout(ring, attempt, time);
	cr_assert_geq(io_uring_submit(ring), 1);
	if (attempt->cancel_ms)
		submit_cancel(ring, attempt);
}

static int connect_by_ring(const struct attempt *attempt)
{
	struct io_uring_params parameters = {0};
	struct __kernel_timespec time;
	struct __kernel_timespec limit = {.tv_sec = WAIT_MS / 1000};
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int error = -1;

	if (attempt->way == WAY_RING_SQPOLL) {
		parameters.flags = IORING_SETUP_SQPOLL;
		parameters.sq_thread_idle = 100;
	}
	cr_assert_eq(io_uring_queue_init_params(8, &ring, &parameters), 0);
	if (attempt->way == WAY_RING_FIXED)
		cr_assert_eq(io_uring_register_files(&ring, &tracing.socket, 1), 0);
	submit(&ring, attempt, &time);
	while (error < 0) {
		int result = io_uring_wait_cqe_timeout(&ring, &cqe, &limit);

		if (result == -EINTR)
			continue;
		cr_assert_eq(result, 0, "%s: no completion: %s", way_names[attempt->way], strerror(-result));
		if (cqe->user_data == CONNECT)
			error = -cqe->res;
		else if (cqe->user_data == CANCEL && cqe->res < 0)
			submit_cancel(&ring, attempt); /* it came before the connect had begun */
		io_uring_cqe_seen(&ring, cqe);
	}
	io_uring_queue_exit(&ring);
	return error;
}

int tracing_connect(const struct attempt *attempt)
{
	bool nonblocking = attempt->nonblocking || attempt->way == WAY_NONBLOCKING;
	int type = SOCK_STREAM | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0);

	if (tracing.socket >= 0)
		close(tracing.socket);
	tracing.socket = socket(attempt->address->sa_family, type, 0);
	cr_assert_geq(tracing.socket, 0);
	if (attempt->syn_retries)
		cr_assert_eq(setsockopt(tracing.socket, IPPROTO_TCP, TCP_SYNCNT, &attempt->syn_retries,
				 sizeof(attempt->syn_retries)),
		    0);
	return way_is_ring(attempt->way) ? connect_by_ring(attempt) : connect_by_call(attempt);
}
