/* SPDX-License-Identifier: MIT
 *
 * What wakes the clients of a path besides their timers: how far apart they try when it appears, and who has
 * nothing that could be watched. Behaviour A5.
 */
#include "../support/bed.h"
#include "../support/engine_spy.h"
#include "../support/sockets.h"
#include "client.h"

#include <stdio.h>
#include <unistd.h>

#define MANY(cap_ms)                                                                            \
	.backoff_base_ms = (cap_ms), .backoff_cap_ms = (cap_ms), .backoff_factor_percent = 100, \
	.backoff_jitter = HAWSER_JITTER_NONE

enum { CLIENTS = 64, SPREAD_NS = CLIENTS * 50000, AN_HOUR_MS = 3600000 };

struct crowd {
	struct bed *bed;
	struct engine_spy *spy;
	bool hit;
	uint64_t least_ns; /* from the hit to the first, and to the last, of the next rounds */
	uint64_t most_ns;
};

/* The path was created, and nobody has tried yet: when will each of them? */
static void look_at_the_timers(void *user)
{
	struct crowd *crowd = user;

	crowd->hit = true;
	crowd->least_ns = UINT64_MAX;
	crowd->most_ns = 0;
	for (size_t i = 0; i < crowd->bed->clients_count; i++) {
		uint64_t deadline_ns = crowd->bed->clients[i]->timer.deadline_ns;
		uint64_t delay_ns = deadline_ns - crowd->spy->now_ns;

		cr_assert_geq(deadline_ns, crowd->spy->now_ns);
		crowd->least_ns = delay_ns < crowd->least_ns ? delay_ns : crowd->least_ns;
		crowd->most_ns = delay_ns > crowd->most_ns ? delay_ns : crowd->most_ns;
	}
}

/* Clients of one path, which appears while the loop's clock stands still: every delay is exact. */
static void crowd_hit(struct crowd *crowd, struct bed *bed, unsigned count, unsigned cap_ms)
{
	HAWSER_OPTIONS(hawser_client_options, options, MANY(cap_ms));
	int fd;

	*crowd = (struct crowd){.bed = bed, .spy = engine_spy_on(bed->loop)};
	crowd->spy->path_told = look_at_the_timers;
	crowd->spy->user = crowd;
	crowd->spy->now_ns = hawser_loop_now_ns(bed->loop);
	for (unsigned i = 0; i < count; i++)
		bed_client(bed, &options);
	for (unsigned i = 0; i < count; i++)
		bed_wait(bed, "client waiting connect ENOENT no host");
	cr_assert_eq(crowd->spy->watches, 1, "one watch for all of a directory");
	fd = sockets_listen_path(bed->target, CLIENTS);
	for (int i = 0; i < 500 && !crowd->hit; i++)
		cr_assert_eq(hawser_loop_run_once(bed->loop, 10), 0);
	cr_assert(crowd->hit, "nobody was told that the path is there");
	crowd->spy->now_ns = 0;
	for (unsigned i = 0; i < count; i++)
		bed_wait(bed, "client ready");
	close(fd);
}

CLIENT_TEST(watch, a5_many_clients_of_a_path_are_spread_over_50_us_each)
{
	struct crowd crowd;

	crowd_hit(&crowd, bed, CLIENTS, AN_HOUR_MS);
	cr_assert_lt(crowd.most_ns, SPREAD_NS);
	cr_assert_gt(crowd.most_ns, SPREAD_NS * 3 / 4);
	cr_assert_lt(crowd.least_ns, SPREAD_NS / 4);
}

CLIENT_TEST(watch, a5_they_are_spread_no_further_than_the_backoffs_cap)
{
	struct crowd crowd;

	crowd_hit(&crowd, bed, CLIENTS, 1);
	cr_assert_lt(crowd.most_ns, 1000000);
	cr_assert_gt(crowd.most_ns, 750000);
	cr_assert_lt(crowd.least_ns, 250000);
}

CLIENT_TEST(watch, a5_one_client_alone_tries_at_once)
{
	struct crowd crowd;

	crowd_hit(&crowd, bed, 1, AN_HOUR_MS);
	cr_assert_eq(crowd.most_ns, 0);
}

/* It has failed, its host is there, and it waits on: until it is asked to try. */
static void expect_unaware(struct bed *bed, hawser_client *client)
{
	bed_run_ms(bed, 50);
	cr_assert_eq(hawser_client_state(client), HAWSER_WAITING, "%s", bed->log);
	cr_assert_eq(hawser_client_retry_now(client), 0);
	bed_wait(bed, "client ready");
}

CLIENT_TEST(watch, a5_can_be_switched_off)
{
	HAWSER_OPTIONS(hawser_loop_options, without, .watch_directories = false,
	    .engine = bed->kind->epoll ? HAWSER_ENGINE_EPOLL : HAWSER_ENGINE_URING);
	HAWSER_OPTIONS(hawser_client_options, options, MANY(AN_HOUR_MS));
	struct engine_spy *spy;
	hawser_client *client;

	hawser_loop_free(bed->loop);
	cr_assert_eq(hawser_loop_new(&without, &bed->loop), 0);
	spy = engine_spy_on(bed->loop);
	client = bed_client(bed, &options);
	bed_wait(bed, "client waiting connect ENOENT no host");
	bed_host(bed, NULL);
	expect_unaware(bed, client);
	cr_assert_eq(spy->watches, 0);
}

CLIENT_TEST(watch, a5_an_abstract_name_has_nothing_to_watch)
{
	char target[HOST_TARGET_BYTES];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, MANY(AN_HOUR_MS));
	struct engine_spy *spy;
	hawser_client *client;

	snprintf(target, sizeof(target), "unix:@hawser-test-watch-%d", (int)getpid());
	spy = engine_spy_on(bed->loop);
	client = bed_client(bed, &options);
	bed_wait(bed, "client waiting connect ECONNREFUSED refused");
	bed_host_on(bed, target, NULL);
	expect_unaware(bed, client);
	cr_assert_eq(spy->watches, 0);
}
