/* SPDX-License-Identifier: MIT
 *
 * hawser's own clients, traced: each attempt has one record that names its client, attempt and target, in
 * both engines; and what it says of the outcome is what the client was told.
 */
#include "../support/network.h"
#include "tracing.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <hawser/hawser.h>
#include <unistd.h>

enum { CLIENTS = 50, ATTEMPTS = 200 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

static bool seen[CLIENTS + 1][ATTEMPTS + 1];
static unsigned records;

static int on_record(const struct hawser_trace_record *record, void *user)
{
	enum hawser_trace_layer *layer = user;

	cr_assert(record->flags & HAWSER_TRACE_HAS_TAG, "record %u bears no tag", records);
	cr_assert(record->client >= 1 && record->client <= CLIENTS, "client %lu", record->client);
	cr_assert(record->attempt >= 1 && record->attempt <= ATTEMPTS, "attempt %u", record->attempt);
	cr_assert(!seen[record->client][record->attempt], "attempt %u of client %lu has two records",
	    record->attempt, record->client);
	seen[record->client][record->attempt] = true;
	cr_assert_str_eq(record->target, "tcp:127.0.0.1:7001");
	cr_assert_eq(record->cause, HAWSER_TRACE_REFUSED);
	cr_assert_eq(record->error, ECONNREFUSED);
	cr_assert_eq(record->layer, *layer);
	cr_assert_eq(record->tgid, (uint32_t)getpid());
	cr_assert_eq(!!record->deadline_ns, *layer == HAWSER_TRACE_RING);
	records++;
	return 0;
}

static void expect_all(enum hawser_engine_choice engine, enum hawser_trace_layer layer)
{
	HAWSER_OPTIONS(hawser_loop_options, loop_options, .engine = engine);
	HAWSER_OPTIONS(hawser_client_options, options, .target = "tcp:127.0.0.1:7001", .protocol = "raw",
	    .rounds_max = ATTEMPTS, .backoff_base_ms = 1, .backoff_cap_ms = 1);
	hawser_trace *trace = tracing_begin();
	hawser_client *clients[CLIENTS];
	hawser_loop *loop;

	cr_assert_eq(hawser_loop_new(&loop_options, &loop), 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		cr_assert_eq(hawser_client_new(loop, &options, &clients[i]), 0);
	cr_assert_geq(hawser_loop_run(loop), 0);
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct hawser_status status = {.size = sizeof(status)};

		cr_assert_eq(hawser_client_status(clients[i], &status), 0);
		cr_expect_eq(status.attempt, ATTEMPTS);
	}
	cr_assert_geq(hawser_trace_read(trace, 0, on_record, &layer), 0);
	cr_expect_eq(records, CLIENTS * ATTEMPTS, "%u records of %u attempts", records, CLIENTS * ATTEMPTS);
	hawser_loop_free(loop);
	tracing_end();
}

Test(trace_client, every_attempt_has_its_record_io_uring, .timeout = 60)
{
	expect_all(HAWSER_ENGINE_URING, HAWSER_TRACE_RING);
}

Test(trace_client, every_attempt_has_its_record_epoll, .timeout = 60)
{
	expect_all(HAWSER_ENGINE_EPOLL, HAWSER_TRACE_TCP);
}
