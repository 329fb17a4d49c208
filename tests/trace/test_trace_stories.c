/* SPDX-License-Identifier: MIT
 *
 * Whose story a record gets: by the cookie of its client's socket, of loops that number their clients alike,
 * of a process that claims to be another's client, and of a program that is started later.
 */
#include "../support/network.h"
#include "forged.h"
#include "storied.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <hawser/hawser.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

static const struct hawser_trace_story *story_named(const struct stories *seen, const char *name)
{
	for (unsigned i = 0; i < seen->count && i < STORIES_MAX; i++)
		if (strcmp(seen->told[i].name, name) == 0)
			return &seen->told[i];
	return NULL;
}

/* ---- cookies: of the socket that the client hands over ---- */

static uint64_t cookies[STORIES_MAX];
static unsigned handed_over;

static void on_handover(hawser_client *client, int fd, void *user)
{
	uint64_t *cookie = user;
	socklen_t size = sizeof(*cookie);

	if (++handed_over == STORIES_MAX)
		hawser_loop_stop(hawser_client_loop(client));
	cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &size), 0);
	close(fd);
}

static void expect_cookies(enum hawser_engine_choice engine)
{
	HAWSER_OPTIONS(hawser_client_options, options, .target = STORIED_QUIET, .protocol = "none",
	    .on_handover = on_handover, .rounds_max = 1);
	hawser_trace *trace = storied_begin(0);
	hawser_loop *loop = storied_loop(engine);
	hawser_client *clients[STORIES_MAX];
	struct stories seen = {0};

	for (unsigned i = 0; i < STORIES_MAX; i++) {
		options.user = &cookies[i];
		cr_assert_eq(hawser_client_new(loop, &options, &clients[i]), 0);
	}
	cr_assert_geq(hawser_loop_run(loop), 0);
	cr_assert_eq(storied_read(trace, storied_take, &seen), STORIES_MAX);
	for (unsigned i = 0; i < STORIES_MAX; i++) {
		cr_assert_eq(seen.told[i].attempt, 1);
		cr_expect_gt(seen.records[i].cookie, 0);
		cr_expect_eq(seen.records[i].cookie, cookies[seen.told[i].client - 1]);
		hawser_client_free(clients[i]);
	}
	hawser_loop_free(loop);
	storied_end(trace);
}

/* Of connect(2) no tag is seen, and all go to the same place: the thread and the order tell. */
Test(trace_stories, each_cookie_is_of_its_clients_socket_epoll, .timeout = 30)
{
	expect_cookies(HAWSER_ENGINE_EPOLL);
}

Test(trace_stories, each_cookie_is_of_its_clients_socket_io_uring, .timeout = 30)
{
	expect_cookies(HAWSER_ENGINE_URING);
}

/* ---- clients of the same number ---- */

static void *run_one(void *name)
{
	hawser_loop *loop = storied_loop(HAWSER_ENGINE_AUTO);
	hawser_client *client = storied_client(loop, name, STORIED_CLOSED, 3);

	cr_assert_geq(hawser_loop_run(loop), 0);
	hawser_client_free(client);
	hawser_loop_free(loop);
	return NULL;
}

Test(trace_stories, loops_of_several_threads_share_numbers, .timeout = 30)
{
	static char names[4][8] = {"one", "two", "three", "four"};
	hawser_trace *trace = storied_begin(0);
	struct stories seen = {0};
	pthread_t threads[4];

	for (unsigned i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, run_one, names[i]), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(storied_read(trace, storied_take, &seen), 12);
	cr_assert_eq(seen.stories, 12);
	for (unsigned i = 0; i < 12; i++) {
		cr_expect_eq(seen.told[i].client, 1);
		cr_expect_eq(seen.told[i].attempt, seen.records[i].attempt);
		cr_expect_str_eq(seen.told[i].name, seen.records[i].target); /* as the tag has it */
		cr_expect_eq(seen.told[i].result, -ECONNREFUSED);
	}
	storied_end(trace);
}

Test(trace_stories, loops_of_one_thread_share_numbers, .timeout = 30)
{
	hawser_trace *trace = storied_begin(0);
	struct stories seen = {0};
	hawser_loop *loops[2] = {storied_loop(HAWSER_ENGINE_URING), storied_loop(HAWSER_ENGINE_URING)};
	hawser_client *clients[2] = {storied_client(loops[0], "left", STORIED_CLOSED, 1),
	    storied_client(loops[1], "right", STORIED_CLOSED, 1)};

	/* In turn, so that both attempts are under way. */
	for (unsigned i = 0; i < 20; i++)
		cr_assert_geq(hawser_loop_dispatch(loops[i % 2]), 0);
	cr_assert_eq(storied_read(trace, storied_take, &seen), 2);
	cr_assert_eq(seen.stories, 2);
	for (unsigned i = 0; i < 2; i++) {
		cr_expect_str_eq(seen.told[i].name, seen.records[i].target);
		hawser_client_free(clients[i]);
		hawser_loop_free(loops[i]);
	}
	storied_end(trace);
}

/* ---- a forged tag ---- */

static void connect_forged(void)
{
	struct forged forged = {FORGED, .attempt = 1, .client = 1, .target = "victim",
	    .address = {.sin_family = AF_INET,
		.sin_port = htons(STORIED_PORT + 1),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};

	forged_connect(&forged);
}

static void forge(void)
{
	int status;
	pid_t forger = fork();

	cr_assert_geq(forger, 0);
	if (forger == 0)
		connect_forged();
	cr_assert_eq(waitpid(forger, &status, 0), forger);
	cr_assert_eq(status, 0);
}

/* It comes while the victim's own attempt of that number is told, and its file has probes. */
Test(trace_stories, a_forged_tag_gets_no_story, .timeout = 30)
{
	hawser_trace *trace = storied_begin(0);
	struct stories seen = {0};
	hawser_loop *loop;
	hawser_client *client;
	unsigned own;

	network_rule("in", "tcp dport 7005 drop"); /* the victim's attempt goes on */
	loop = storied_loop(HAWSER_ENGINE_URING);
	client = storied_client(loop, "victim", "tcp:127.0.0.1:7005", 1);
	for (unsigned i = 0; i < 4; i++)
		cr_assert_geq(hawser_loop_dispatch(loop), 0);
	forge();
	cr_assert_eq(storied_read(trace, storied_take, &seen), 1);
	cr_expect_eq(seen.stories, 0);
	cr_expect_neq(seen.records[0].tgid, (uint32_t)getpid());
	cr_expect_str_eq(seen.records[0].target, "victim");
	hawser_client_close(client);
	cr_assert_geq(hawser_loop_run(loop), 0);
	cr_assert_eq(storied_read(trace, storied_take, &seen), 1);
	own = seen.count - 1;
	cr_expect_eq(seen.stories, 1);
	cr_expect_eq(seen.records[own].tgid, (uint32_t)getpid());
	cr_expect_str_eq(seen.told[own].name, "victim");
	cr_expect_eq(seen.told[own].result, -ECANCELED);
	hawser_client_free(client);
	hawser_loop_free(loop);
	storied_end(trace);
}

/* ---- programs ---- */

static int run_hawser(const char *arguments)
{
	const char *build = getenv("HAWSER_BUILD_DIR");
	char command[512];

	cr_assert_not_null(build, "run it by tests/run");
	snprintf(command, sizeof(command), "exec %s/bin/hawser %s >/dev/null 2>&1", build, arguments);
	return system(command);
}

static pid_t start_later(const char *arguments)
{
	pid_t child = fork();

	cr_assert_geq(child, 0);
	if (child == 0)
		_exit(WEXITSTATUS(run_hawser(arguments)));
	return child;
}

/* The trace attaches while the program starts: what it misses of it, its later attempts do not lack. */
Test(trace_stories, a_program_that_is_started_later, .timeout = 30)
{
	hawser_trace *trace = storied_begin(0);
	struct stories seen = {0};
	pid_t child = start_later("connect " STORIED_CLOSED " --attempts 3 --backoff full");
	const struct hawser_trace_story *story;

	for (unsigned i = 0; i < 200 && seen.count < 3; i++)
		cr_assert_geq(hawser_trace_read_stories(trace, 50, storied_take, &seen), 0);
	waitpid(child, NULL, 0);
	cr_expect_eq(seen.count, 3);
	story = story_named(&seen, STORIED_CLOSED);
	cr_assert_not_null(story);
	cr_expect_eq(seen.told[2].attempt, 3);
	cr_expect_eq(seen.told[2].result, -ECONNREFUSED);
	cr_expect(seen.told[2].flags & HAWSER_TRACE_STORY_WAITED);
	storied_end(trace);
}
