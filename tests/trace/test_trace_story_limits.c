/* SPDX-License-Identifier: MIT
 *
 * Where stories have an end: programs without probes, traces without names, rings that are full, processes
 * that die, more records than can wait, and readers that have enough.
 */
#include "../support/network.h"
#include "storied.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <hawser/hawser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HELD_MAX = 4096, MANY = 5000 };

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

Test(trace_story_limits, what_has_no_probes_says_so, .timeout = 30)
{
	hawser_trace *trace = storied_begin(0);
	struct hawser_trace_sentence why = {""};
	int result = 0;
	pid_t child;

	cr_expect_eq(hawser_trace_names_file(trace, "/bin/true", &why), -ENOENT);
	cr_expect_not_null(strstr(why.text, "/bin/true has no probes of hawser"), "%s", why.text);
	cr_expect_eq(hawser_trace_names_file(trace, "/bin/true", NULL), -ENOENT); /* looked into once */
	cr_expect_eq(hawser_trace_names_file(trace, "/bin", &why), -ENOENT);
	cr_expect_eq(hawser_trace_names_file(trace, "/nonexistent", &why), -ENOENT);
	cr_expect_not_null(strstr(why.text, "/nonexistent cannot be read"), "%s", why.text);
	child = fork();
	if (child == 0) {
		execl("/bin/sleep", "sleep", "20", NULL);
		_exit(1);
	}
	/* Until it is another program it is this one, which has. */
	for (unsigned i = 0; i < 100 && result == 0; i++) {
		usleep(20000);
		result = hawser_trace_names_process(trace, (uint32_t)child, &why);
	}
	cr_expect_eq(result, -ENOENT);
	cr_expect_not_null(strstr(why.text, "has no probes of hawser"), "%s", why.text);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	cr_expect_eq(hawser_trace_names_process(trace, (uint32_t)child, &why), -ESRCH);
	cr_expect_not_null(strstr(why.text, "is not there any more"), "%s", why.text);
	storied_end(trace);
}

Test(trace_story_limits, without_names_there_is_none, .timeout = 30)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .histograms = true, .names = true);
	struct hawser_trace_sentence why = {""};
	struct hawser_trace_names names;
	hawser_trace *trace;

	cr_expect_eq(hawser_trace_open(&options, &why, &trace), -EINVAL);
	cr_expect_not_null(strstr(why.text, "histogram mode"), "%s", why.text);
	options.histograms = options.names = false;
	if (hawser_trace_open(&options, &why, &trace) < 0)
		cr_skip_test("%s", why.text);
	cr_expect_eq(hawser_trace_read_stories(trace, 0, storied_take, NULL), -EINVAL);
	cr_expect_eq(hawser_trace_flush_stories(trace, storied_take, NULL), -EINVAL);
	cr_expect_eq(hawser_trace_names_process(trace, (uint32_t)getpid(), &why), -EINVAL);
	cr_expect_eq(hawser_trace_names_file(trace, "/bin/true", &why), -EINVAL);
	cr_expect_eq(hawser_trace_names_read(trace, &names), -EINVAL);
	hawser_trace_close(trace);
}

/* ---- limits ---- */

Test(trace_story_limits, a_full_ring_of_steps_loses_no_record, .timeout = 30)
{
	hawser_trace *trace = storied_begin(4096);
	struct hawser_trace_names names;
	struct stories seen = {0};
	struct hawser_trace_counters counters;
	hawser_loop *loop = storied_loop(HAWSER_ENGINE_URING);
	hawser_client *clients[10];

	for (unsigned i = 0; i < 10; i++)
		clients[i] = storied_client(loop, "many", STORIED_CLOSED, 1);
	cr_assert_geq(hawser_loop_run(loop), 0);
	cr_assert_eq(hawser_trace_names_read(trace, &names), 0);
	cr_assert_eq(hawser_trace_counters_read(trace, &counters), 0);
	cr_expect_gt(names.steps_lost, 0);
	cr_expect_eq(counters.records_lost, 0);
	storied_read(trace, storied_take, &seen);
	cr_assert_geq(hawser_trace_flush_stories(trace, storied_take, &seen), 0);
	cr_expect_eq(seen.count, 10, "%u records", seen.count);
	cr_expect_gt(seen.stories, 0);
	cr_assert_eq(hawser_trace_names_read(trace, &names), 0);
	cr_expect_gt(names.unfinished, 0);
	for (unsigned i = 0; i < 10; i++)
		hawser_client_free(clients[i]);
	hawser_loop_free(loop);
	storied_end(trace);
}

static void on_first_end(hawser_client *client, const struct hawser_change *change, void *user)
{
	(void)client;
	(void)user;
	if (change->from == HAWSER_CONNECTING)
		_exit(0);
}

/* The epoll engine's connects are over before the first of its clients learns it. */
static void begin_many(void)
{
	HAWSER_OPTIONS(hawser_client_options, options, .target = STORIED_CLOSED, .name = "many",
	    .protocol = "raw", .rounds_max = 1, .on_change = on_first_end);
	hawser_loop *loop = storied_loop(HAWSER_ENGINE_EPOLL);
	hawser_client *client;

	for (unsigned i = 0; i < MANY; i++)
		if (hawser_client_new(loop, &options, &client) < 0)
			_exit(1);
	hawser_loop_run(loop);
	_exit(2);
}

/* A process that dies says no more: its records wait for their second, but no more than have room. */
Test(trace_story_limits, records_of_a_dead_process_are_handed_over_once, .timeout = 60)
{
	hawser_trace *trace = storied_begin(0);
	struct hawser_trace_names names;
	struct stories seen = {0};
	pid_t child = fork();
	int status;

	if (child == 0)
		begin_many();
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
	cr_expect_geq(hawser_trace_read_stories(trace, 0, storied_take, &seen), MANY - HELD_MAX);
	cr_expect_leq(seen.count, MANY - HELD_MAX + 1, "%u at once", seen.count);
	for (unsigned i = 0; i < 100 && seen.count < MANY; i++)
		cr_assert_geq(hawser_trace_read_stories(trace, 100, storied_take, &seen), 0);
	cr_expect_eq(seen.count, MANY, "%u", seen.count);
	cr_expect_eq(seen.stories, MANY, "%u", seen.stories);
	cr_expect_eq(hawser_trace_flush_stories(trace, storied_take, &seen), 0);
	cr_assert_eq(hawser_trace_names_read(trace, &names), 0);
	cr_expect_geq(names.unfinished, MANY - 1);
	storied_end(trace);
}

static int refuse(
    const struct hawser_trace_record *record, const struct hawser_trace_story *story, void *user)
{
	storied_take(record, story, user);
	return -ECANCELED;
}

Test(trace_story_limits, a_reader_that_has_enough_misses_none, .timeout = 30)
{
	hawser_trace *trace = storied_begin(0);
	hawser_loop *loop = storied_loop(HAWSER_ENGINE_AUTO);
	hawser_client *clients[10];
	struct stories seen = {0};

	for (unsigned i = 0; i < 10; i++)
		clients[i] = storied_client(loop, "enough", STORIED_CLOSED, 1);
	cr_assert_geq(hawser_loop_run(loop), 0);
	for (unsigned i = 0; i < 10; i++) {
		cr_expect_eq(hawser_trace_read_stories(trace, 1000, refuse, &seen), -ECANCELED);
		cr_expect_eq(seen.count, i + 1);
	}
	cr_expect_eq(hawser_trace_read_stories(trace, 0, refuse, &seen), 0);
	cr_expect_eq(seen.stories, 10);
	for (unsigned i = 0; i < 10; i++)
		hawser_client_free(clients[i]);
	hawser_loop_free(loop);
	storied_end(trace);
}

/* Copies are other files. */
Test(trace_story_limits, programs_beyond_sixteen_are_refused, .timeout = 60)
{
	hawser_trace *trace = storied_begin(0);
	const char *build = getenv("HAWSER_BUILD_DIR");
	struct hawser_trace_sentence why = {""};
	char folder[] = "/tmp/hawser-names-XXXXXX", command[512], path[64];
	struct hawser_trace_names names;
	int result = 0;

	cr_assert_not_null(build, "run it by tests/run");
	cr_assert_not_null(mkdtemp(folder));
	for (unsigned i = 0; i < 20 && result == 0; i++) {
		snprintf(path, sizeof(path), "%s/%u", folder, i);
		snprintf(command, sizeof(command), "cp %s/bin/hawser %s", build, path);
		cr_assert_eq(system(command), 0);
		result = hawser_trace_names_file(trace, path, &why);
	}
	cr_expect_eq(result, -E2BIG, "%s", why.text);
	cr_expect_not_null(strstr(why.text, "16 programs at most"), "%s", why.text);
	cr_assert_eq(hawser_trace_names_read(trace, &names), 0);
	cr_expect_eq(names.files, names.files_max);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	cr_expect_eq(system(command), 0);
	storied_end(trace);
}
