/* SPDX-License-Identifier: MIT
 *
 * What other threads may ask of a loop: posts, wake, stop, also while it ends. Behaviours D3, D4.
 */
#include "../support/bed.h"
#include "../support/engine_spy.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct posted {
	struct bed *bed;
	int number;
	int again;
};

static void post_told(void *user)
{
	struct posted *posted = user;

	bed_note(posted->bed, "post %d", posted->number);
	if (posted->again-- > 0)
		cr_assert_eq(hawser_loop_post(posted->bed->loop, post_told, posted), 0);
}

CLIENT_TEST(posts, d3_posts_run_in_order_in_the_next_turn)
{
	struct posted posts[3] = {{bed, 1, 0}, {bed, 2, 0}, {bed, 3, 0}};

	cr_assert_eq(hawser_loop_post(bed->loop, NULL, NULL), -EINVAL);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(hawser_loop_post(bed->loop, post_told, &posts[i]), 0);
	cr_assert_eq(bed->length, 0);
	cr_assert_eq(hawser_loop_run_once(bed->loop, 0), 0);
	cr_assert_str_eq(bed->log, "post 1\npost 2\npost 3\n");
}

CLIENT_TEST(posts, d4_what_a_post_posts_runs_in_the_next_turn)
{
	struct posted first = {bed, 1, 2};
	struct posted second = {bed, 2, 0};

	cr_assert_eq(hawser_loop_post(bed->loop, post_told, &first), 0);
	cr_assert_eq(hawser_loop_post(bed->loop, post_told, &second), 0);
	cr_assert_eq(hawser_loop_run_once(bed->loop, 0), 0);
	cr_assert_str_eq(bed->log, "post 1\npost 2\n");
	cr_assert_eq(hawser_loop_run_once(bed->loop, 0), 0);
	cr_assert_eq(hawser_loop_run_once(bed->loop, 0), 0);
	cr_assert_str_eq(bed->log, "post 1\npost 2\npost 1\npost 1\n");
}

CLIENT_TEST(posts, posts_have_a_limit_and_are_run_when_the_loop_is_freed)
{
	struct posted post = {bed, 1, 0};
	int accepted = 0;

	while (hawser_loop_post(bed->loop, post_told, &post) == 0)
		accepted++;
	cr_assert_eq(accepted, 65536);
	cr_assert_eq(hawser_loop_post(bed->loop, post_told, &post), -ENOBUFS);
	bed->loop_gone = true;
	hawser_loop_free(bed->loop);
	cr_assert_eq(bed_count(bed, "post 1"), 65536);
}

static void *post_from_a_thread(void *user)
{
	struct posted *posted = user;

	for (int i = 0; i < 1000; i++)
		while (hawser_loop_post(posted->bed->loop, post_told, posted) == -ENOBUFS)
			usleep(100);
	return NULL;
}

static void *wake_after_a_while(void *user)
{
	usleep(20000);
	hawser_loop_wake(user);
	return NULL;
}

static void *stop_after_a_while(void *user)
{
	usleep(20000);
	hawser_loop_stop(user);
	return NULL;
}

CLIENT_TEST(posts, d3_posts_wake_and_stop_come_from_any_thread)
{
	struct posted posts[2] = {{bed, 1, 0}, {bed, 2, 0}};
	pthread_t threads[3];

	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, post_from_a_thread, &posts[i]);
	while (bed_count(bed, "post") < 2000)
		cr_assert_eq(hawser_loop_run_once(bed->loop, 5000), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(bed_count(bed, "post 1"), 1000);
	pthread_create(&threads[0], NULL, wake_after_a_while, bed->loop);
	cr_assert_eq(hawser_loop_run_once(bed->loop, HAWSER_NONE), 0, "a wake ends an endless wait");
	pthread_join(threads[0], NULL);
	bed_client(bed, NULL);
	pthread_create(&threads[0], NULL, stop_after_a_while, bed->loop);
	cr_assert_eq(hawser_loop_run(bed->loop), 0);
	pthread_join(threads[0], NULL);
}

static void post_a_hundred(void *user)
{
	struct posted *posted = user;

	for (int i = 0; i < 100; i++)
		cr_assert_eq(hawser_loop_post(posted->bed->loop, post_told, posted), 0);
}

static void *post_a_hundred_from_a_thread(void *user)
{
	post_a_hundred(user);
	return NULL;
}

static void wait_for_a_thread_that_posts(void *user)
{
	pthread_t thread;

	pthread_create(&thread, NULL, post_a_hundred_from_a_thread, user);
	pthread_join(thread, NULL);
}

CLIENT_TEST(posts, d3_a_batch_wakes_a_sleeping_loop_once)
{
	struct posted posted = {bed, 1, 0};
	struct engine_spy *spy = engine_spy_on(bed->loop);

	spy->asleep = post_a_hundred;
	spy->user = &posted;
	cr_assert_eq(hawser_loop_run_once(bed->loop, HAWSER_NONE), 0);
	cr_assert_eq(bed_count(bed, "post 1"), 100);
	cr_assert_eq(spy->wakes, 1, "%u", spy->wakes);
	spy->asleep = post_a_hundred;
	cr_assert_eq(hawser_loop_run_once(bed->loop, HAWSER_NONE), 0);
	cr_assert_eq(spy->wakes, 2, "the next sleep is one more");
}

CLIENT_TEST(posts, d3_a_loop_that_does_not_sleep_is_not_woken)
{
	struct posted posted = {bed, 1, 0};
	struct engine_spy *spy = engine_spy_on(bed->loop);

	cr_assert_eq(hawser_loop_post(bed->loop, wait_for_a_thread_that_posts, &posted), 0);
	cr_assert_eq(hawser_loop_run_once(bed->loop, HAWSER_NONE), 0);
	cr_assert_eq(bed_count(bed, "post 1"), 0, "they came while the posts before them were run");
	cr_assert_eq(hawser_loop_run_once(bed->loop, HAWSER_NONE), 0, "it does not sleep on them");
	cr_assert_eq(bed_count(bed, "post 1"), 100);
	cr_assert_eq(hawser_loop_wake(bed->loop), 0);
	cr_assert_eq(hawser_loop_stop(bed->loop), 0);
	cr_assert_eq(hawser_loop_run_once(bed->loop, HAWSER_NONE), 0);
	cr_assert_eq(spy->wakes, 0, "%u", spy->wakes);
}

static void wake_and_stop_a_hundred_times(void *user)
{
	struct posted *posted = user;

	for (int i = 0; i < 100; i++) {
		cr_assert_eq(hawser_loop_wake(posted->bed->loop), 0);
		cr_assert_eq(hawser_loop_stop(posted->bed->loop), 0);
	}
}

CLIENT_TEST(posts, d3_wakes_and_stops_of_one_sleep_wake_once)
{
	struct posted posted = {bed, 1, 0};
	struct engine_spy *spy = engine_spy_on(bed->loop);

	spy->asleep = wake_and_stop_a_hundred_times;
	spy->user = &posted;
	cr_assert_eq(hawser_loop_run_once(bed->loop, HAWSER_NONE), 0);
	cr_assert_eq(spy->wakes, 1, "%u", spy->wakes);
}

CLIENT_TEST(posts, a_stop_before_the_run_leaves_it_one_turn_and_ends_no_other)
{
	struct posted again = {bed, 1, 3};

	bed_client(bed, NULL);
	cr_assert_eq(hawser_loop_post(bed->loop, post_told, &again), 0);
	cr_assert_eq(hawser_loop_stop(bed->loop), 0);
	cr_assert_eq(hawser_loop_stop(bed->loop), 0, "two before they are spent are one");
	cr_assert_eq(hawser_loop_run(bed->loop), 0);
	cr_assert_eq(bed_count(bed, "post 1"), 1, "one turn, and no other");
	bed_settle(bed);
	cr_assert_eq(bed_count(bed, "post 1"), 4);
}

static void stop_told(hawser_timer *timer, void *user)
{
	struct bed *bed = user;

	(void)timer;
	bed_note(bed, "stop");
	hawser_loop_stop(bed->loop);
}

CLIENT_TEST(posts, a_stop_is_spent_by_the_run_that_it_finds_even_an_idle_one)
{
	hawser_timer *timer;

	cr_assert_eq(hawser_loop_stop(bed->loop), 0);
	cr_assert_eq(hawser_loop_run(bed->loop), 0, "nothing to run for");
	cr_assert_eq(hawser_timer_new(bed->loop, 20000000, 0, stop_told, bed, &timer), 0);
	cr_assert_eq(hawser_loop_run(bed->loop), 0);
	cr_assert_eq(bed_count(bed, "stop"), 1, "the first stop did not end this run, too");
	cr_assert_eq(hawser_loop_stop(bed->loop), 0);
	cr_assert_eq(hawser_loop_run_once(bed->loop, HAWSER_NONE), 0, "it does not wait");
	cr_assert_eq(hawser_timer_restart(timer, 20000000, 0), 0);
	cr_assert_eq(hawser_loop_run(bed->loop), 0);
	cr_assert_eq(bed_count(bed, "stop"), 2);
	hawser_timer_free(timer);
}

/* A loop of its own, whose allocator holds up who posts. */
struct late {
	hawser_loop *loop;
	pthread_t poster;
	bool threaded;
	atomic_bool allocating;
	atomic_bool freed;
	atomic_size_t memory;
	int result;
	int ran;
};

static void *late_allocate(size_t size, void *user)
{
	struct late *late = user;

	if (late->threaded && pthread_equal(pthread_self(), late->poster)) {
		late->allocating = true;
		for (int ms = 0; ms < 100 && !late->freed; ms++)
			usleep(1000);
	}
	late->memory += size;
	return malloc(size);
}

static void late_release(void *pointer, size_t size, void *user)
{
	struct late *late = user;

	late->memory -= size;
	free(pointer);
}

static void late_ran(void *user)
{
	struct late *late = user;

	late->ran++;
}

static void *post_late(void *user)
{
	struct late *late = user;

	late->poster = pthread_self();
	late->threaded = true;
	late->result = hawser_loop_post(late->loop, late_ran, late);
	return NULL;
}

static void never_told(hawser_timer *timer, void *user)
{
	(void)timer;
	(void)user;
	cr_assert_fail("this timer never expires");
}

CLIENT_TEST(posts, one_that_is_under_way_when_the_loop_is_freed_is_run_or_refused)
{
	struct late late = {.ran = 0};
	struct hawser_allocator allocator = {late_allocate, late_release, &late};
	HAWSER_OPTIONS(hawser_loop_options, options, .allocator = &allocator,
	    .engine = bed->kind->epoll ? HAWSER_ENGINE_EPOLL : HAWSER_ENGINE_URING);
	hawser_timer *timer;
	pthread_t thread;

	cr_assert_eq(hawser_loop_new(&options, &late.loop), 0);
	cr_assert_eq(hawser_timer_new(late.loop, 1, 0, never_told, NULL, &timer), 0);
	pthread_create(&thread, NULL, post_late, &late);
	while (!late.allocating)
		usleep(100);
	hawser_loop_free(late.loop);
	late.freed = true;
	pthread_join(thread, NULL);
	cr_assert(late.result == 0 || late.result == -ESTALE);
	cr_assert_eq(late.ran, late.result == 0);
	hawser_timer_free(timer);
	cr_assert_eq(late.memory, 0);
}

CLIENT_TEST(posts, all_from_other_threads_is_estale_once_the_loop_was_freed)
{
	struct posted post = {bed, 1, 0};
	int fd = hawser_loop_fd(bed->loop);
	hawser_timer *timer;

	cr_assert_geq(fd, 0);
	cr_assert_eq(hawser_timer_new(bed->loop, 3600000000000, 0, never_told, NULL, &timer), 0);
	bed_settle(bed);
	bed->loop_gone = true;
	hawser_loop_free(bed->loop);
	cr_assert_eq(hawser_loop_post(bed->loop, post_told, &post), -ESTALE);
	cr_assert_eq(hawser_loop_wake(bed->loop), -ESTALE);
	cr_assert_eq(hawser_loop_stop(bed->loop), -ESTALE);
	hawser_timer_free(timer);
}
