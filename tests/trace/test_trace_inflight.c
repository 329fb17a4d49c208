/* SPDX-License-Identifier: MIT
 *
 * Reading while everything changes: each connect in flight is handed over once, however many come and go, and
 * records are handed over by so many at most, however fast they come.
 */
#include "../support/network.h"
#include "trace/trace.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLOSED_PORT = 7001, SILENT_PORT = 7000, STEADY = 600, CHURNERS = 2, READS = 100 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

static hawser_trace *begin(bool histograms)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .no_ring = true, .histograms = histograms);
	struct hawser_trace_sentence why = {""};
	hawser_trace *trace;
	struct stat status;
	int result;

	network_enter();
	network_rule("in", "tcp dport 7000 drop");
	cr_assert_eq(stat("/proc/self/ns/net", &status), 0);
	options.config.filters = HAWSER_TRACE_FILTER_NETNS;
	options.config.netns = (uint32_t)status.st_ino;
	result = hawser_trace_open(&options, &why, &trace);
	if (result == -EPERM || result == -ENOENT)
		cr_skip_test("%s", why.text);
	cr_assert_eq(result, 0, "%s", why.text);
	return trace;
}

static int connect_to(uint16_t port, int flags)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	cr_assert_geq(fd, 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
	return fd;
}

/* In flight as long as the test. */
static void connect_steady(void)
{
	for (unsigned i = 0; i < STEADY; i++)
		connect_to(SILENT_PORT, SOCK_NONBLOCK);
}

/* ---- each once ---- */

struct seen {
	unsigned rows;
	unsigned steady;
	uint64_t steady_starts; /* their sum: the same rows have the same */
	unsigned without_age;
};

static int on_row(const struct hawser_trace_record *record, void *user)
{
	struct seen *seen = user;

	seen->rows++;
	seen->without_age += record->total_ns == 0 || record->total_ns > 60000000000;
	if (record->destination_port != SILENT_PORT)
		return 0;
	seen->steady++;
	seen->steady_starts += record->start_ns;
	return 0;
}

/* Answers what they are known by. */
static uint64_t expect_each_once(hawser_trace *trace, bool histograms, unsigned others_max)
{
	struct seen seen = {0};

	cr_assert_eq(hawser_trace_inflight_read(trace, on_row, &seen), 0);
	cr_assert(seen.rows >= STEADY && seen.rows <= STEADY + others_max, "%u rows", seen.rows);
	cr_assert_eq(seen.without_age, 0);
	cr_assert_eq(seen.steady, histograms ? 0 : STEADY); /* such rows do not say where they go */
	return seen.steady_starts;
}

static atomic_bool stops;

static void *churn(void *unused)
{
	while (!stops)
		close(connect_to(CLOSED_PORT, 0));
	return unused;
}

static void read_amid_churn(bool histograms)
{
	hawser_trace *trace = begin(histograms);
	pthread_t churners[CHURNERS];
	uint64_t steady;

	connect_steady();
	steady = expect_each_once(trace, histograms, 0);
	for (unsigned i = 0; i < CHURNERS; i++)
		cr_assert_eq(pthread_create(&churners[i], NULL, churn, NULL), 0);
	/* A churner may end one and begin another while its part of the table is not read yet. */
	for (unsigned i = 0; i < READS; i++)
		cr_assert_eq(expect_each_once(trace, histograms, STEADY), steady);
	stops = true;
	for (unsigned i = 0; i < CHURNERS; i++)
		pthread_join(churners[i], NULL);
	expect_each_once(trace, histograms, 0);
	hawser_trace_close(trace);
}

Test(trace_inflight, rows_come_once_however_many_come_and_go, .timeout = 60)
{
	read_amid_churn(false);
}

Test(trace_inflight, rows_come_once_in_histogram_mode, .timeout = 60)
{
	read_amid_churn(true);
}

static int stop_at_once(const struct hawser_trace_record *record, void *user)
{
	(void)record;
	(*(unsigned *)user)++;
	return -ECANCELED;
}

Test(trace_inflight, the_function_ends_the_reading)
{
	hawser_trace *trace = begin(false);
	unsigned calls = 0;

	connect_steady();
	cr_expect_eq(hawser_trace_inflight_read(trace, stop_at_once, &calls), -ECANCELED);
	cr_expect_eq(calls, 1);
	hawser_trace_close(trace);
}

/* ---- a bucket that is larger than the room for it ---- */

static unsigned bucket_rows; /* the kernel is played to have one of so many */
static int refusal;          /* or to refuse */
static unsigned too_small;

/* In the place of libbpf's, which it calls. */
int bpf_map_lookup_batch(int map, void *in, void *out, void *keys, void *values, __u32 *count,
    const struct bpf_map_batch_opts *options)
{
	int (*real)(int, void *, void *, void *, void *, __u32 *, const struct bpf_map_batch_opts *);

	*(void **)&real = dlsym(RTLD_NEXT, "bpf_map_lookup_batch");
	cr_assert_not_null(real);
	if (refusal < 0)
		return refusal;
	if (*count >= bucket_rows)
		return real(map, in, out, keys, values, count, options);
	too_small++;
	*count = 0;
	return -ENOSPC;
}

Test(trace_inflight, room_grows_with_the_largest_bucket)
{
	hawser_trace *trace = begin(false);

	connect_steady();
	bucket_rows = 1000;
	expect_each_once(trace, false, 0);
	cr_expect_gt(too_small, 0);
	hawser_trace_close(trace);
}

Test(trace_inflight, what_the_kernel_refuses_is_answered)
{
	hawser_trace *trace = begin(false);
	unsigned calls = 0;

	connect_steady();
	bucket_rows = UINT32_MAX; /* more than the whole table */
	cr_expect_eq(hawser_trace_inflight_read(trace, stop_at_once, &calls), -ENOSPC);
	refusal = -EPERM;
	cr_expect_eq(hawser_trace_inflight_read(trace, stop_at_once, &calls), -EPERM);
	cr_expect_eq(calls, 0);
	hawser_trace_close(trace);
}

/* ---- a flood ---- */

/* Whoever is told of a connect makes another. */
static int connect_again(const struct hawser_trace_record *record, void *user)
{
	unsigned *calls = user;

	(void)record;
	close(connect_to(CLOSED_PORT, 0));
	return ++*calls > HAWSER_TRACE_READ_MAX ? -E2BIG : 0;
}

static int count_record(const struct hawser_trace_record *record, void *user)
{
	(void)record;
	(*(unsigned *)user)++;
	return 0;
}

Test(trace_inflight, records_that_never_end_do_not_hold_the_reader, .timeout = 120)
{
	hawser_trace *trace = begin(false);
	unsigned calls = 0;

	close(connect_to(CLOSED_PORT, 0));
	cr_expect_eq(hawser_trace_read(trace, -1, connect_again, &calls), HAWSER_TRACE_READ_MAX);
	cr_expect_eq(calls, HAWSER_TRACE_READ_MAX);
	calls = 0;
	/* None is lost by it. */
	cr_expect_eq(hawser_trace_read(trace, 0, count_record, &calls), 1);
	cr_expect_eq(calls, 1);
	hawser_trace_close(trace);
}
