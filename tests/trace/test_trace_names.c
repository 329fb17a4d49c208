/* SPDX-License-Identifier: MIT
 *
 * What hawser's own clients say of their attempts, beside what the kernel saw of the same: each attempt has
 * its story, in both engines, with the backoff before it; the stages of both sides are the whole of what the
 * client measures; and a cookie is that of the client's own socket.
 */
#include "../support/network.h"
#include "storied.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <hawser/hawser.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 48, ATTEMPTS = 60, KEPT = HAWSER_ATTEMPTS_MAX, SAMPLES = CLIENTS / 2 * ATTEMPTS };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

/* ---- stories by client and attempt ---- */

static struct {
	struct hawser_trace_record record;
	struct hawser_trace_story story;
} seen[CLIENTS + 1][ATTEMPTS + 1];
static unsigned records;

/* The odd ones are refused, the even ones are accepted and reset. */
static const char *target_of(unsigned client)
{
	return client % 2 ? STORIED_CLOSED : STORIED_OPEN;
}

static const char *name_of(unsigned client)
{
	static char name[16];

	snprintf(name, sizeof(name), "client %u", client);
	return name;
}

static int on_story(
    const struct hawser_trace_record *record, const struct hawser_trace_story *story, void *user)
{
	(void)user;
	records++;
	cr_assert_not_null(story, "record %u has no story", records);
	cr_assert(story->client >= 1 && story->client <= CLIENTS, "client %lu", story->client);
	cr_assert(story->attempt >= 1 && story->attempt <= ATTEMPTS, "attempt %u", story->attempt);
	cr_assert(!seen[story->client][story->attempt].story.begin_ns, "attempt %u of client %lu came twice",
	    story->attempt, story->client);
	seen[story->client][story->attempt].record = *record;
	seen[story->client][story->attempt].story = *story;
	return 0;
}

static void expect_story(unsigned client, unsigned attempt)
{
	const struct hawser_trace_record *record = &seen[client][attempt].record;
	const struct hawser_trace_story *story = &seen[client][attempt].story;

	cr_assert(story->begin_ns, "attempt %u of client %u has no story", attempt, client);
	cr_expect_str_eq(story->name, name_of(client));
	cr_expect_eq(story->round, attempt); /* there is one address */
	cr_expect(story->flags & HAWSER_TRACE_STORY_ENDED);
	cr_expect(story->flags & HAWSER_TRACE_STORY_TOLD);
	cr_expect_leq(story->begin_ns, record->start_ns);
	cr_expect_eq(story->begin_ns + story->begin_to_submit_ns, record->start_ns);
	cr_expect_eq(!!(story->flags & HAWSER_TRACE_STORY_WAITED), attempt > 1);
	if (attempt > 1)
		cr_expect(story->backoff_ns > 0 && story->backoff_ns <= 1000000, "waited %lu ns",
		    story->backoff_ns);
	if (client % 2)
		cr_expect_eq(story->result, -ECONNREFUSED, "result %d", story->result);
	else /* a reset may come before hawser has looked */
		cr_expect(story->result >= 0 || story->result == -ECONNRESET || story->result == -ENOTCONN,
		    "result %d", story->result);
}

/* ---- the sum ---- */

static double shares[SAMPLES];
static unsigned shares_count;

/* What the client measures of an attempt, against what both sides tell of it. */
static void compare(unsigned number, const hawser_client *client)
{
	struct hawser_status status = {.size = sizeof(status)};

	cr_assert_eq(hawser_client_status(client, &status), 0);
	for (unsigned i = 0; i < status.attempts_count; i++) {
		const struct hawser_attempt_status *attempt = &status.attempts[i];
		const struct hawser_trace_story *story = &seen[number][attempt->attempt].story;

		if (attempt->connect_us && story->result >= 0 && shares_count < SAMPLES)
			shares[shares_count++] = (double)(story->begin_to_submit_ns +
							  seen[number][attempt->attempt].record.total_ns +
							  story->completion_to_end_ns) /
						 1e3 / attempt->connect_us;
	}
}

static int compare_shares(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return (a > b) - (a < b);
}

static double median_share(const char *engine)
{
	qsort(shares, shares_count, sizeof(shares[0]), compare_shares);
	cr_assert_geq(shares_count, 1000);
	fprintf(stderr, "%s: both sides' stages are %.1f %% of what the client measures (median of %u)\n",
	    engine, shares[shares_count / 2] * 100, shares_count);
	return shares[shares_count / 2];
}

static void on_change(hawser_client *client, const struct hawser_change *change, void *user)
{
	(void)client;
	(void)change;
	(void)user;
}

static void run_clients(enum hawser_engine_choice engine, hawser_trace *trace)
{
	HAWSER_OPTIONS(hawser_loop_options, loop_options, .engine = engine);
	HAWSER_OPTIONS(hawser_client_options, options, .protocol = "raw", .rounds_max = ATTEMPTS,
	    .backoff_base_ms = 1, .backoff_cap_ms = 1, .attempts_kept = KEPT, .on_change = on_change);
	hawser_client *clients[CLIENTS];
	hawser_loop *loop;

	cr_assert_eq(hawser_loop_new(&loop_options, &loop), 0);
	for (unsigned i = 0; i < CLIENTS; i++) {
		options.target = target_of(i + 1);
		options.name = name_of(i + 1);
		cr_assert_eq(hawser_client_new(loop, &options, &clients[i]), 0);
	}
	cr_assert_geq(hawser_loop_run(loop), 0);
	storied_read(trace, on_story, NULL);
	for (unsigned i = 0; i < CLIENTS; i++)
		if ((i + 1) % 2 == 0)
			compare(i + 1, clients[i]);
	for (unsigned i = 0; i < CLIENTS; i++)
		hawser_client_free(clients[i]);
	hawser_loop_free(loop);
}

static void expect_all(enum hawser_engine_choice engine, const char *name)
{
	struct hawser_trace_names names;
	hawser_trace *trace = storied_begin(0);
	double share;

	run_clients(engine, trace);
	cr_expect_eq(records, CLIENTS * ATTEMPTS, "%u records", records);
	for (unsigned client = 1; client <= CLIENTS; client++)
		for (unsigned attempt = 1; attempt <= ATTEMPTS; attempt++)
			expect_story(client, attempt);
	share = median_share(name);
	cr_expect(share > 0.95 && share < 1.05);
	cr_assert_eq(hawser_trace_names_read(trace, &names), 0);
	cr_expect_eq(names.steps_lost, 0);
	cr_expect_eq(names.unfinished, 0);
	storied_end(trace);
}

Test(trace_names, every_attempt_has_its_story_io_uring, .timeout = 60)
{
	expect_all(HAWSER_ENGINE_URING, "io_uring");
}

Test(trace_names, every_attempt_has_its_story_epoll, .timeout = 60)
{
	expect_all(HAWSER_ENGINE_EPOLL, "epoll");
}
