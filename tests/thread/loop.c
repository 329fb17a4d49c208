/* SPDX-License-Identifier: MIT
 *
 * What other threads may do to a loop, under ThreadSanitizer: post, wake, retry-now and stop, while its own
 * thread turns, on both engines. Every post must run once and in its thread's order, and every stop must end
 * a run. A plain program, because Criterion does not run under ThreadSanitizer.
 */
#include <hawser/hawser.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { POSTERS = 3, POSTS = 4000, STOPS = 200 };

struct poster {
	hawser_loop *loop;
	hawser_client *client;
	struct item {
		struct poster *poster;
		int number;
	} items[POSTS];
	int next; /* the loop's thread alone */
	pthread_t thread;
};

static atomic_bool running;
static atomic_bool stopped; /* as often as it is to be */
static atomic_int runs;
static int left; /* posts that have not run; the loop's thread alone */

static void fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

static void run_item(void *user)
{
	struct item *item = user;

	if (item->number != item->poster->next++)
		fail("a post ran twice, or before one that was posted earlier");
	if (--left == 0) /* nobody else may stop this run any more */
		hawser_loop_stop(item->poster->loop);
}

static void *post(void *user)
{
	struct poster *poster = user;

	for (int i = 0; i < POSTS; i++) {
		poster->items[i] = (struct item){poster, i};
		while (hawser_loop_post(poster->loop, run_item, &poster->items[i]) < 0)
			usleep(100);
		if (i % 7 == 0)
			hawser_loop_wake(poster->loop);
		if (i % 31 == 0)
			hawser_client_retry_now(poster->client);
	}
	return NULL;
}

static void *stop(void *user)
{
	for (int i = 0; i < STOPS; i++) {
		int before = atomic_load(&runs);

		while (!atomic_load(&running))
			usleep(10);
		hawser_loop_stop(user);
		for (int waited = 0; atomic_load(&runs) == before; waited++) {
			if (waited > 200000)
				fail("a stop did not end the run");
			usleep(100);
		}
	}
	atomic_store(&stopped, true);
	hawser_loop_stop(user); /* the run that began before it could know */
	return NULL;
}

static void run_until_done(hawser_loop *loop)
{
	while (left > 0 || !atomic_load(&stopped)) {
		atomic_store(&running, true);
		if (hawser_loop_run(loop) < 0)
			fail("the loop failed");
		atomic_store(&running, false);
		atomic_fetch_add(&runs, 1);
	}
}

static void try_engine(enum hawser_engine_choice engine)
{
	static struct poster posters[POSTERS];
	HAWSER_OPTIONS(hawser_loop_options, loop_options, .engine = engine);
	HAWSER_OPTIONS(hawser_client_options, options, .target = "unix:/nonexistent/hawser.sock");
	hawser_loop *loop;
	hawser_client *client;
	pthread_t stopper;

	if (hawser_loop_new(&loop_options, &loop) < 0 || hawser_client_new(loop, &options, &client) < 0)
		fail("no loop");
	atomic_store(&runs, 0);
	atomic_store(&stopped, false);
	left = POSTERS * POSTS;
	for (int i = 0; i < POSTERS; i++) {
		posters[i].loop = loop;
		posters[i].client = client;
		posters[i].next = 0;
		pthread_create(&posters[i].thread, NULL, post, &posters[i]);
	}
	pthread_create(&stopper, NULL, stop, loop);
	run_until_done(loop);
	for (int i = 0; i < POSTERS; i++)
		pthread_join(posters[i].thread, NULL);
	pthread_join(stopper, NULL);
	hawser_client_free(client);
	hawser_loop_free(loop);
}

int main(void)
{
	try_engine(HAWSER_ENGINE_EPOLL);
	try_engine(HAWSER_ENGINE_AUTO);
	puts("ok");
	return 0;
}
