/* SPDX-License-Identifier: MIT
 *
 * The library as a benchmark's variant: one loop for all slices, a new client for every connect, and
 * protocol "none", which hands the connected and verified descriptor over: nothing that a bare loop does not
 * do is asked for.
 *
 * Happy path: as many clients as the depth are made; each is told, hangs up, is freed, and makes the next
 * one; the loop ends when no client is left.
 * Failures: the library retries by itself, which would only look slow, so that a line of its log at warning
 * or above fails the slice.
 */
#include "bench.h"

#include <errno.h>
#include <hawser/hawser.h>
#include <stdlib.h>

struct library {
	hawser_loop *loop;
	const struct slice *slice;
	uint32_t turn; /* of the endpoint's addresses */
	uint32_t started;
	uint32_t done;
	int result;
	bool warned;
};

static void warned(enum hawser_log_level level, const hawser_client *client, const char *line, void *user)
{
	struct library *library = user;

	(void)level;
	(void)client;
	(void)line;
	library->warned = true;
}

static int open_loop(enum hawser_engine_choice engine, void **ret_state)
{
	struct library *library = calloc(1, sizeof(*library));
	HAWSER_OPTIONS(hawser_loop_options, options, .engine = engine, .log = warned, .log_user = library);
	int result;

	if (!library)
		return -ENOMEM;
	result = hawser_loop_new(&options, &library->loop);
	if (result < 0) {
		free(library);
		return result;
	}
	*ret_state = library;
	return 0;
}

int library_uring_open(void **ret_state)
{
	return open_loop(HAWSER_ENGINE_URING, ret_state);
}

int library_epoll_open(void **ret_state)
{
	return open_loop(HAWSER_ENGINE_EPOLL, ret_state);
}

void library_close(void *state)
{
	struct library *library = state;

	hawser_loop_free(library->loop);
	free(library);
}

static void connected(hawser_client *client, int fd, void *user);

static void start(struct library *library)
{
	const struct endpoint *endpoint = library->slice->endpoint;
	HAWSER_OPTIONS(hawser_client_options, options,
	    .target = endpoint->targets[library->turn++ % endpoint->count], .protocol = "none",
	    .on_handover = connected, .user = library);
	hawser_client *client;
	int result = hawser_client_new(library->loop, &options, &client);

	library->started++;
	if (result < 0)
		library->result = result;
}

static void connected(hawser_client *client, int fd, void *user)
{
	struct library *library = user;

	endpoint_hang_up(library->slice->endpoint, fd);
	hawser_client_free(client);
	library->done++;
	if (library->started < library->slice->connects)
		start(library);
}

int library_run(void *state, const struct slice *slice)
{
	struct library *library = state;
	int result;

	library->slice = slice;
	library->started = library->done = 0;
	library->warned = false;
	library->result = 0;
	while (library->started < slice->depth && library->started < slice->connects)
		start(library);
	result = hawser_loop_run(library->loop);
	if (result == 0)
		result = library->result;
	if (result == 0 && (library->warned || library->done != slice->connects))
		result = -EIO;
	return result;
}
