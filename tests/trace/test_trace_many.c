/* SPDX-License-Identifier: MIT
 *
 * More than one: destinations without a row of their own, two connects in flight to the same destination, and
 * a process that claims in its tag to be another's client.
 */
#include "../support/network.h"
#include "forged.h"
#include "tracing.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 1024, DESTINATIONS = ROWS + 76, CLOSED_PORT = 7001 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

static hawser_trace *begin(const struct hawser_trace_options *base)
{
	struct hawser_trace_options options = *base;
	struct hawser_trace_sentence why = {""};
	hawser_trace *trace;
	struct stat status;
	int result;

	network_enter();
	cr_assert_eq(stat("/proc/self/ns/net", &status), 0);
	options.config.filters |= HAWSER_TRACE_FILTER_NETNS;
	options.config.netns = (uint32_t)status.st_ino;
	result = hawser_trace_open(&options, &why, &trace);
	if (result == -EPERM || result == -ENOENT)
		cr_skip_test("%s", why.text);
	cr_assert_eq(result, 0, "%s", why.text);
	return trace;
}

static struct sockaddr_in loopback(uint32_t host)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	    .sin_port = htons(CLOSED_PORT),
	    .sin_addr.s_addr = htonl((127u << 24) + host)};
}

/* ---- the row "other" ---- */

struct sums {
	unsigned rows;
	unsigned after_other; /* rows that came after it */
	uint64_t total;
	uint64_t other;
};

static int add_row(const struct hawser_trace_destination_key *key,
    const struct hawser_trace_destination *destination, void *user)
{
	static const struct hawser_trace_destination_key none;
	uint64_t refused = destination->causes[HAWSER_TRACE_REFUSED];
	struct sums *sums = user;

	sums->after_other += sums->other != 0;
	sums->total += refused;
	if (memcmp(key, &none, sizeof(none)) == 0) {
		sums->other += refused;
	} else {
		cr_expect_eq(refused, 1);
		sums->rows++;
	}
	return 0;
}

Test(trace_many, destinations_without_a_row_are_counted_together, .timeout = 60)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .no_ring = true);
	hawser_trace *trace = begin(&options);
	struct hawser_trace_counters counters;
	struct sums sums = {0};

	for (uint32_t i = 0; i < DESTINATIONS; i++) {
		struct sockaddr_in address = loopback(1 + i);
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
		cr_assert_eq(errno, ECONNREFUSED);
		close(fd);
	}
	cr_assert_eq(hawser_trace_destinations_read(trace, add_row, &sums), 0);
	cr_assert_eq(hawser_trace_counters_read(trace, &counters), 0);
	cr_expect_eq(sums.total, DESTINATIONS);
	cr_expect_eq(sums.rows, ROWS);
	cr_expect_eq(sums.other, DESTINATIONS - ROWS);
	cr_expect_eq(counters.destinations_other, sums.other);
	cr_expect_eq(sums.after_other, 0);
	hawser_trace_close(trace);
}

/* ---- two to the same destination ---- */

struct pair {
	unsigned count;
	struct hawser_trace_record records[2];
};

static int add_record(const struct hawser_trace_record *record, void *user)
{
	struct pair *pair = user;

	cr_assert_lt(pair->count, 2);
	pair->records[pair->count++] = *record;
	return 0;
}

static void expect_apart(const struct pair *pair)
{
	const struct hawser_trace_record *one = &pair->records[0], *other = &pair->records[1];

	cr_assert_eq(pair->count, 2, "%u", pair->count);
	cr_expect_eq(one->destination_port, other->destination_port);
	cr_expect_eq(memcmp(one->destination, other->destination, 16), 0);
	cr_expect_neq(one->cookie, other->cookie);
}

Test(trace_many, two_in_flight_to_the_same_destination, .timeout = 30)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .no_ring = true);
	struct sockaddr_in address = loopback(1);
	struct pair inflight = {0}, ended = {0};
	hawser_trace *trace = begin(&options);
	int fds[2];

	tracing_needs("socket cookies");
	network_rule("in", "tcp dport 7001 drop");
	for (unsigned i = 0; i < 2; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		cr_assert_eq(connect(fds[i], (struct sockaddr *)&address, sizeof(address)), -1);
	}
	cr_assert_eq(hawser_trace_inflight_read(trace, add_record, &inflight), 0);
	expect_apart(&inflight);
	/* Each ends by itself: neither takes the other's end. */
	close(fds[1]);
	cr_assert_eq(hawser_trace_read(trace, 1000, add_record, &ended), 1);
	cr_expect_eq(ended.records[0].cause, HAWSER_TRACE_ABORTED);
	close(fds[0]);
	cr_assert_eq(hawser_trace_read(trace, 1000, add_record, &ended), 1);
	expect_apart(&ended);
	cr_expect_neq(ended.records[0].source_port, ended.records[1].source_port);
	hawser_trace_close(trace);
}

/* ---- a forged tag ---- */

static void connect_forged(void)
{
	struct forged forged = {FORGED, .attempt = 7, .client = 1, .address = loopback(1)};

	memset(forged.target, 'x', sizeof(forged.target)); /* which does not end */
	forged_connect(&forged);
}

Test(trace_many, a_forged_tag_is_shown_beside_its_own_process, .timeout = 30)
{
	struct hawser_trace_options options;
	struct pair seen = {0}, of_victim = {0};
	hawser_trace *trace, *victim;
	pid_t forger;
	int status;

	tracing_needs("io_uring submissions");
	hawser_trace_options_init(&options);
	trace = begin(&options);
	options.config.filters = HAWSER_TRACE_FILTER_TGID;
	options.config.tgid = (uint32_t)getpid();
	cr_assert_eq(hawser_trace_open(&options, NULL, &victim), 0);
	forger = fork();
	cr_assert_geq(forger, 0);
	if (forger == 0)
		connect_forged();
	cr_assert_eq(waitpid(forger, &status, 0), forger);
	cr_assert_eq(status, 0);
	cr_assert_eq(hawser_trace_read(trace, 1000, add_record, &seen), 1);
	cr_expect_eq(seen.records[0].tgid, (uint32_t)forger);
	cr_expect_eq(seen.records[0].client, 1);
	cr_expect_eq(seen.records[0].attempt, 7);
	cr_expect(seen.records[0].flags & HAWSER_TRACE_HAS_TAG);
	cr_expect_eq(strnlen(seen.records[0].target, sizeof(seen.records[0].target)), 39);
	cr_assert_eq(hawser_trace_read(victim, 0, add_record, &of_victim), 0);
	hawser_trace_close(victim);
	hawser_trace_close(trace);
}
