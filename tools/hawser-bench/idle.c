/* SPDX-License-Identifier: MIT
 *
 * What a client costs the library while it is connected and nothing happens: the growth of
 * hawser_loop_memory, which counts what comes from the allocator and what the engine has mapped. The kernel's
 * memory for the socket is not in it.
 *
 * Happy path: a loop, its memory, so many clients, all ready, its memory again.
 * Failures: descriptors for so many clients are not allowed (-EMFILE before anything is made); a client that
 * is not ready within the patience (-ETIMEDOUT).
 */
#include "bench.h"

#include <errno.h>
#include <hawser/hawser.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { PATIENCE_S = 10, TURN_MS = 100, DESCRIPTORS_SPARE = 64 };

struct idle {
	uint32_t ready;
};

static void changed(hawser_client *client, const struct hawser_change *change, void *user)
{
	struct idle *idle = user;

	(void)client;
	if (change->to == HAWSER_READY)
		idle->ready++;
	else if (change->from == HAWSER_READY)
		idle->ready--;
}

static int allow_descriptors(uint32_t clients)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	return limit.rlim_cur < clients + DESCRIPTORS_SPARE ? -EMFILE : 0;
}

static int wait_until_ready(hawser_loop *loop, const struct idle *idle, uint32_t clients)
{
	uint64_t until_ns = bench_now_ns() + PATIENCE_S * UINT64_C(1000000000);
	int result = 0;

	while (result == 0 && idle->ready < clients) {
		if (bench_now_ns() > until_ns)
			return -ETIMEDOUT;
		result = hawser_loop_run_once(loop, TURN_MS);
	}
	return result;
}

static int measure_on(hawser_loop *loop, const struct endpoint *endpoint, uint32_t clients, double *ret_bytes)
{
	struct idle idle = {0};
	HAWSER_OPTIONS(hawser_client_options, options, .target = endpoint->targets[0], .protocol = "perfetto",
	    .on_change = changed, .user = &idle);
	hawser_client **made = calloc(clients, sizeof(hawser_client *));
	size_t before = hawser_loop_memory(loop);
	int result = made ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < clients && result == 0; i++)
		result = hawser_client_new(loop, &options, &made[i]);
	if (result == 0)
		result = wait_until_ready(loop, &idle, clients);
	if (result == 0)
		*ret_bytes = (double)(hawser_loop_memory(loop) - before) / clients;
	for (uint32_t i = 0; made && i < clients; i++)
		hawser_client_free(made[i]);
	free(made);
	return result;
}

int idle_measure(enum engine_kind engine, const struct endpoint *endpoint, uint32_t clients,
    struct memory_result *ret_result)
{
	HAWSER_OPTIONS(hawser_loop_options, options,
	    .engine = engine == ENGINE_URING ? HAWSER_ENGINE_URING : HAWSER_ENGINE_EPOLL);
	hawser_loop *loop = NULL;
	int result = allow_descriptors(clients);

	if (result < 0)
		return result;
	result = hawser_loop_new(&options, &loop);
	if (result < 0)
		return result;
	ret_result->engine = hawser_loop_engine(loop);
	ret_result->clients = clients;
	result = measure_on(loop, endpoint, clients, &ret_result->bytes_per_client);
	hawser_loop_free(loop);
	return result;
}
