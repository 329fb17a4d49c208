/* SPDX-License-Identifier: MIT
 *
 * Which attempt a record is of, by made-up steps and records: what no process can be made to do in time.
 */
#include "../../src/trace/join.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <hawser/client.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static struct join *join;

static void begin(void)
{
	join = join_new();
	cr_assert_not_null(join);
}

static void end(void)
{
	join_free(join);
}

TestSuite(trace_join, .init = begin, .fini = end);

/* ---- what a process says; all of one thread unless told otherwise ---- */

static struct step step_of(enum step_kind kind, uint64_t time_ns, uint32_t attempt)
{
	return (struct step){.kind = (uint8_t)kind,
	    .time_ns = time_ns,
	    .client = 1,
	    .attempt = attempt,
	    .round = attempt,
	    .tgid = 10,
	    .pid = 11,
	    .name = "name"};
}

static void address_set(struct step *step, uint16_t port)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	memcpy(step->address, &address, sizeof(address));
	step->address_size = sizeof(address);
}

static void begins(uint64_t time_ns, uint32_t attempt)
{
	struct step step = step_of(STEP_ATTEMPT_BEGIN, time_ns, attempt);

	address_set(&step, 80);
	join_step(join, &step);
}

static void ends(uint64_t time_ns, uint32_t attempt, int result)
{
	struct step step = step_of(STEP_ATTEMPT_END, time_ns, attempt);

	step.result = result;
	join_step(join, &step);
}

static void backs_off(uint64_t time_ns, uint64_t delay_ns)
{
	struct step step = step_of(STEP_BACKOFF, time_ns, 0);

	step.delay_ns = delay_ns;
	join_step(join, &step);
}

static void is_told(uint64_t time_ns, enum hawser_state from)
{
	struct step step = step_of(STEP_TOLD, time_ns, 1);

	step.from = (uint8_t)from;
	join_step(join, &step);
}

static struct hawser_trace_record record_of(uint64_t start_ns, uint64_t total_ns, uint32_t attempt)
{
	struct hawser_trace_record record = {.start_ns = start_ns,
	    .total_ns = total_ns,
	    .client = 1,
	    .attempt = attempt,
	    .tgid = 10,
	    .pid = 11,
	    .family = AF_INET,
	    .destination_port = 80,
	    .destination = {127, 0, 0, 1},
	    .flags = HAWSER_TRACE_HAS_TAG,
	    .target = "name"};

	return record;
}

static struct hawser_trace_story story_of(const struct hawser_trace_record *record)
{
	struct join_attempt *attempt = join_take(join, record);
	struct hawser_trace_story story;

	cr_assert_not_null(attempt);
	join_story(attempt, record, &story);
	join_release(join, attempt);
	return story;
}

/* ---- one ---- */

Test(trace_join, an_attempt_is_told_from_its_begin_to_its_owner)
{
	struct hawser_trace_record record = record_of(1100, 300, 1);
	struct join_attempt *attempt;
	struct hawser_trace_story story;

	is_told(900, HAWSER_IDLE);
	begins(1000, 1);
	attempt = join_take(join, &record);
	cr_assert_not_null(attempt);
	cr_expect_null(join_take(join, &record)); /* there is one record of each */
	cr_expect_not(join_is_whole(attempt));
	ends(1500, 1, -ECONNREFUSED);
	cr_expect_not(join_is_whole(attempt)); /* somebody wants to know */
	is_told(1550, HAWSER_RESOLVING);       /* of what was before */
	cr_expect_not(join_is_whole(attempt));
	is_told(1600, HAWSER_CONNECTING);
	cr_expect(join_is_whole(attempt));
	join_story(attempt, &record, &story);
	cr_expect_str_eq(story.name, "name");
	cr_expect_eq(story.begin_to_submit_ns, 100);
	cr_expect_eq(story.completion_to_end_ns, 100);
	cr_expect_eq(story.end_to_told_ns, 100);
	cr_expect_eq(story.result, -ECONNREFUSED);
	cr_expect_eq(story.flags, HAWSER_TRACE_STORY_ENDED | HAWSER_TRACE_STORY_TOLD);
	join_release(join, attempt);
	cr_expect_null(join_take(join, &record));
}

Test(trace_join, nobody_waits_for_an_owner_who_is_not_told)
{
	struct hawser_trace_record record = record_of(1100, 300, 1);
	struct join_attempt *attempt;

	begins(1000, 1);
	ends(1500, 1, 5);
	attempt = join_take(join, &record);
	cr_assert_not_null(attempt);
	cr_expect(join_is_whole(attempt)); /* it never told anybody anything */
	join_release(join, attempt);
	is_told(1600, HAWSER_CONNECTING);
	begins(2000, 2);
	ends(2500, 2, -ECANCELED); /* its owner did that */
	record = record_of(2100, 300, 2);
	attempt = join_take(join, &record);
	cr_assert_not_null(attempt);
	cr_expect(join_is_whole(attempt));
	join_release(join, attempt);
}

/* ---- the backoff before it ---- */

Test(trace_join, all_attempts_of_a_round_waited_for_it)
{
	struct step step = step_of(STEP_ATTEMPT_BEGIN, 7000, 3);
	struct hawser_trace_record record = record_of(1100, 10, 1);
	struct hawser_trace_story story;

	begins(1000, 1);
	story = story_of(&record);
	cr_expect_not(story.flags & HAWSER_TRACE_STORY_WAITED);
	backs_off(2000, 3000);
	begins(5500, 2);
	record = record_of(5600, 10, 2);
	story = story_of(&record);
	cr_expect(story.flags & HAWSER_TRACE_STORY_WAITED);
	cr_expect_eq(story.backoff_ns, 3000);
	step.round = 2; /* the next address of the same round */
	join_step(join, &step);
	record = record_of(7100, 10, 3);
	cr_expect_eq(story_of(&record).backoff_ns, 3000);
	begins(8000, 4); /* a round without a backoff: it was asked for */
	record = record_of(8100, 10, 4);
	cr_expect_not(story_of(&record).flags & HAWSER_TRACE_STORY_WAITED);
	backs_off(9000, 3000);
	begins(9500, 5); /* cut short */
	record = record_of(9600, 10, 5);
	cr_expect_eq(story_of(&record).backoff_ns, 500);
}

/* ---- which one ---- */

Test(trace_join, processes_threads_names_and_times_are_told_apart)
{
	struct hawser_trace_record record = record_of(1100, 300, 1);

	begins(1000, 1);
	record.tgid = 12;
	cr_expect_null(join_take(join, &record), "another process's");
	record = record_of(1100, 300, 1);
	record.pid = 12;
	cr_expect_null(join_take(join, &record), "another thread's");
	record = record_of(1100, 300, 1);
	snprintf(record.target, sizeof(record.target), "%s", "other");
	cr_expect_null(join_take(join, &record), "another loop's");
	record = record_of(900, 300, 1);
	cr_expect_null(join_take(join, &record), "before it began");
	record = record_of(1100, 300, 2);
	cr_expect_null(join_take(join, &record), "another attempt");
	ends(1200, 1, 5);
	record = record_of(1100, 300, 1);
	cr_expect_null(join_take(join, &record), "after it ended");
	record = record_of(1100, 100, 1);
	record.pid = 10;
	record.flags |= HAWSER_TRACE_SQPOLL; /* then the thread is not known */
	cr_expect_not_null(join_take(join, &record));
}

Test(trace_join, of_the_same_number_the_latest_is_taken)
{
	struct hawser_trace_record record = record_of(3100, 10, 1);

	begins(1000, 1);
	begins(2000, 1); /* another loop, made anew */
	begins(3000, 1);
	begins(4000, 1);
	cr_expect_eq(story_of(&record).begin_ns, 3000);
	cr_expect_eq(story_of(&record).begin_ns, 2000);
}

Test(trace_join, without_a_tag_the_place_tells)
{
	struct hawser_trace_record record = record_of(1100, 300, 0);
	struct step step = step_of(STEP_ATTEMPT_BEGIN, 2000, 7);
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(80), .sin6_scope_id = 3};

	begins(1000, 1);
	record.flags = 0;
	record.destination_port = 81;
	cr_expect_null(join_take(join, &record));
	record.destination_port = 80;
	cr_expect_eq(story_of(&record).attempt, 1);
	record.family = AF_INET6;
	record.start_ns = 2100;
	memset(record.destination, 0, sizeof(record.destination));
	cr_expect_null(join_take(join, &record));
	memcpy(step.address, &six, sizeof(six));
	step.address_size = sizeof(six);
	join_step(join, &step);
	cr_expect_eq(story_of(&record).attempt, 7);
	record.family = AF_INET + 100;
	cr_expect_null(join_take(join, &record));
}

static void begins_at(const char *path, size_t size, uint32_t attempt)
{
	struct step step = step_of(STEP_ATTEMPT_BEGIN, 1000, attempt);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memcpy(address.sun_path, path, size);
	memcpy(step.address, &address, sizeof(step.address));
	step.address_size = (uint32_t)(offsetof(struct sockaddr_un, sun_path) + size);
	join_step(join, &step);
}

Test(trace_join, unix_places_are_paths_as_far_as_they_are_known)
{
	struct hawser_trace_record record = record_of(1100, 300, 0);

	record.flags = 0;
	record.family = AF_UNIX;
	begins_at("/run/x\0rest", 12, 1);
	begins_at("\0x", 2, 2);
	begins_at("/run/a/path/of/more/than/26/bytes", 34, 3);
	memset(record.path, 'r', sizeof(record.path) - 1);
	snprintf(record.path, sizeof(record.path), "%s", "/run/x");
	cr_expect_eq(story_of(&record).attempt, 1);
	memset(record.path, 0, sizeof(record.path));
	snprintf(record.path, sizeof(record.path), "%s", "@x");
	cr_expect_eq(story_of(&record).attempt, 2);
	memset(record.path, 0, sizeof(record.path));
	snprintf(record.path, sizeof(record.path), "%s", "/run/a/path/of/more/than/26/bytes");
	cr_expect_eq(story_of(&record).attempt, 3);
}

/* ---- limits ---- */

Test(trace_join, what_no_record_comes_of_is_forgotten)
{
	struct hawser_trace_record record = record_of(1100, 300, 1);

	begins(1000, 1);
	ends(1500, 1, 5);
	join_sweep(join, 1500);
	join_sweep(join, 150000000);
	cr_expect_not_null(join_take(join, &record));
	begins(1000, 2);
	ends(1500, 2, 5);
	join_sweep(join, 300000000);
	record = record_of(1100, 300, 2);
	cr_expect_null(join_take(join, &record));
}

Test(trace_join, the_oldest_attempt_makes_room)
{
	struct hawser_trace_record first = record_of(1, 10, 1), second = record_of(2, 10, 2),
				   ended = record_of(5, 10, 5), last;

	for (uint32_t i = 1; i <= JOIN_ATTEMPTS_MAX; i++)
		begins(i, i);
	ends(100000, 5, 5);
	begins(100001, JOIN_ATTEMPTS_MAX + 1); /* the one that ended */
	cr_expect_null(join_take(join, &ended));
	begins(100002, JOIN_ATTEMPTS_MAX + 2); /* the oldest */
	cr_expect_null(join_take(join, &first));
	cr_expect_not_null(join_take(join, &second));
	last = record_of(100003, 10, JOIN_ATTEMPTS_MAX + 2);
	cr_expect_not_null(join_take(join, &last));
}

Test(trace_join, the_client_heard_of_longest_ago_makes_room)
{
	struct hawser_trace_record record = record_of(300000, 10, 1);
	struct step step = step_of(STEP_BACKOFF, 1, 0);

	is_told(1, HAWSER_IDLE);
	begins(200000, 1);
	ends(400000, 1, -EIO); /* to be told */
	for (uint32_t i = 0; i < JOIN_CLIENTS_MAX; i++) {
		step.client = 2 + i;
		join_step(join, &step);
	}
	/* Nothing holds it up any more. */
	cr_expect(join_is_whole(join_take(join, &record)));
}

Test(trace_join, what_was_lost_is_left_out)
{
	struct hawser_trace_record record = record_of(1100, 300, 1);

	ends(1500, 1, 5);                 /* of no attempt */
	is_told(1600, HAWSER_CONNECTING); /* of none */
	cr_expect_null(join_take(join, &record));
	begins(1000, 1);
	cr_expect_eq(story_of(&record).flags, 0);
}
