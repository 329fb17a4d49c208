/* SPDX-License-Identifier: MIT
 *
 * The end of a loop while other threads post, wake, stop and retry, under ThreadSanitizer, on both engines,
 * run by itself and inside a foreign loop. Every post that was accepted must have run when hawser_loop_free
 * returns, what is refused is refused for good, and no byte may be left. Prints "ok".
 */
#include <errno.h>
#include <hawser/hawser.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { POSTERS = 3, ROUNDS = 150, BEFORE_THE_END_MAX_US = 300 };

struct round {
	hawser_loop *loop;
	hawser_client *client;
	atomic_ulong accepted;
	atomic_size_t memory;
	unsigned long ran; /* the loop's thread alone */
	pthread_t ending;  /* which frees the loop: it is not held up */
};

#define EXPECT(condition)                                                               \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			exit(1);                                                        \
		}                                                                       \
	} while (0)

static void pause_us(long us)
{
	nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

/* A post that is allocated slowly is under way when the loop ends. */
static void *allocate(size_t size, void *user)
{
	struct round *round = user;

	if (!pthread_equal(pthread_self(), round->ending))
		pause_us(20);
	atomic_fetch_add(&round->memory, size);
	return malloc(size);
}

static void release(void *pointer, size_t size, void *user)
{
	struct round *round = user;

	EXPECT(atomic_fetch_sub(&round->memory, size) >= size);
	free(pointer);
}

static void run(void *user)
{
	struct round *round = user;

	round->ran++;
}

static void *post(void *user)
{
	struct round *round = user;
	int result;

	/* A loop that gets no processor for long may have as many posts waiting as it takes. */
	while ((result = hawser_loop_post(round->loop, run, round)) == 0 || result == -ENOBUFS) {
		if (result == 0)
			atomic_fetch_add(&round->accepted, 1);
		else
			pause_us(100);
		result = hawser_loop_wake(round->loop);
		EXPECT(result == 0 || result == -ESTALE);
		result = hawser_loop_stop(round->loop);
		EXPECT(result == 0 || result == -ESTALE);
	}
	EXPECT(result == -ESTALE);
	EXPECT(hawser_loop_wake(round->loop) == -ESTALE && hawser_loop_stop(round->loop) == -ESTALE);
	return NULL;
}

static void *retry(void *user)
{
	struct round *round = user;
	int result;

	while ((result = hawser_client_retry_now(round->client)) == 0)
		;
	EXPECT(result == -ESTALE);
	return NULL;
}

static void never(hawser_timer *timer, void *user)
{
	(void)timer;
	(void)user;
	fprintf(stderr, "this timer never expires\n");
	exit(1);
}

static void turn_a_while(hawser_loop *loop, bool foreign, int turns)
{
	for (int i = 0; i < turns; i++)
		EXPECT((foreign ? hawser_loop_dispatch(loop) : hawser_loop_run(loop)) == 0);
}

static void try_round(enum hawser_engine_choice engine, bool foreign, int number)
{
	struct round round = {.ending = pthread_self()};
	struct hawser_allocator allocator = {allocate, release, &round};
	HAWSER_OPTIONS(hawser_loop_options, options, .engine = engine, .allocator = &allocator);
	HAWSER_OPTIONS(hawser_client_options, client_options, .target = "unix:/nonexistent/hawser.sock");
	pthread_t posters[POSTERS];
	pthread_t retrier;
	hawser_timer *timer;

	EXPECT(hawser_loop_new(&options, &round.loop) == 0);
	EXPECT(hawser_client_new(round.loop, &client_options, &round.client) == 0);
	/* Its handle keeps the loop's memory for the posters; and the loop has something to run for. */
	EXPECT(hawser_timer_new(round.loop, 3600000000000, 0, never, NULL, &timer) == 0);
	if (foreign)
		EXPECT(hawser_loop_fd(round.loop) >= 0);
	for (int i = 0; i < POSTERS; i++)
		EXPECT(pthread_create(&posters[i], NULL, post, &round) == 0);
	EXPECT(pthread_create(&retrier, NULL, retry, &round) == 0);
	turn_a_while(round.loop, foreign, number % 5);
	pause_us(number % BEFORE_THE_END_MAX_US);
	hawser_loop_free(round.loop);
	for (int i = 0; i < POSTERS; i++)
		EXPECT(pthread_join(posters[i], NULL) == 0);
	EXPECT(pthread_join(retrier, NULL) == 0);
	EXPECT(round.ran == atomic_load(&round.accepted));
	hawser_timer_free(timer);
	hawser_client_free(round.client);
	EXPECT(atomic_load(&round.memory) == 0);
}

int main(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		try_round(HAWSER_ENGINE_EPOLL, i % 2, i);
		try_round(HAWSER_ENGINE_AUTO, i % 2, i);
	}
	puts("ok");
	return 0;
}
