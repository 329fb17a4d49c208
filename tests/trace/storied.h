/* SPDX-License-Identifier: MIT
 *
 * A trace with names of a network of the test's own, in which one port is open and another closed.
 */
#ifndef TESTS_TRACE_STORIED_H
#define TESTS_TRACE_STORIED_H

#include "../support/network.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <hawser/hawser.h>
#include <hawser/trace.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STORIED_OPEN "tcp:127.0.0.1:7000" /* accepts and resets at once */
#define STORIED_CLOSED "tcp:127.0.0.1:7001"
#define STORIED_QUIET "tcp:127.0.0.1:7002" /* connects, and nothing follows */

enum { STORIED_PORT = 7000, STORIED_BACKLOG = 1024, STORIES_MAX = 64 };

static pid_t storied_server;

static inline int storied_listen(uint16_t port)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(listener, STORIED_BACKLOG), 0);
	return listener;
}

/* Ends every connection before a byte, which its client counts as a failed round. */
static inline void storied_serve(void)
{
	struct linger linger = {.l_onoff = 1};
	int listener = storied_listen(STORIED_PORT), fd;

	storied_listen(STORIED_PORT + 2); /* it stays open as long as the test */
	storied_server = fork();
	cr_assert_geq(storied_server, 0);
	if (storied_server == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails must not leave it behind */
	while (storied_server == 0) {
		fd = accept(listener, NULL, NULL);
		if (fd < 0)
			_exit(0);
		usleep(500); /* the client sees the connection first */
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		close(fd);
	}
	close(listener);
}

/* 0: the default size of ring buffers. Skips the test, with the reason, where that is not possible. */
static inline hawser_trace *storied_begin(uint32_t records_bytes)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .names = true);
	struct hawser_trace_sentence why = {""};
	hawser_trace *trace;
	struct stat status;
	int result;

	network_enter();
	storied_serve();
	cr_assert_eq(stat("/proc/self/ns/net", &status), 0);
	options.config.filters = HAWSER_TRACE_FILTER_NETNS;
	options.config.netns = (uint32_t)status.st_ino;
	if (records_bytes)
		options.records_bytes = records_bytes;
	result = hawser_trace_open(&options, &why, &trace);
	if (result == -EPERM || result == -ENOENT || result == -EOPNOTSUPP)
		cr_skip_test("%s", why.text);
	cr_assert_eq(result, 0, "%s", why.text);
	result = hawser_trace_names_process(trace, (uint32_t)getpid(), &why);
	if (result == -ENOENT)
		cr_skip_test("%s", why.text); /* built without <sys/sdt.h> */
	cr_assert_eq(result, 0, "%s", why.text);
	return trace;
}

/* All there is, and what follows within a moment. Returns the number. */
static inline int storied_read(hawser_trace *trace, hawser_trace_story_function function, void *user)
{
	int count = 0, result = 1;

	while (result > 0) {
		result = hawser_trace_read_stories(trace, 200, function, user);
		cr_assert_geq(result, 0);
		count += result;
	}
	return count;
}

static inline void storied_end(hawser_trace *trace)
{
	hawser_trace_close(trace);
	kill(storied_server, SIGKILL);
	waitpid(storied_server, NULL, 0);
}

struct stories {
	unsigned count;
	unsigned stories;
	struct hawser_trace_record records[STORIES_MAX];
	struct hawser_trace_story told[STORIES_MAX]; /* zeros: none */
};

static inline int storied_take(
    const struct hawser_trace_record *record, const struct hawser_trace_story *story, void *user)
{
	struct stories *seen = user;

	if (seen->count < STORIES_MAX) {
		seen->records[seen->count] = *record;
		if (story)
			seen->told[seen->count] = *story;
	}
	seen->count++;
	seen->stories += story != NULL;
	return 0;
}

static inline hawser_loop *storied_loop(enum hawser_engine_choice engine)
{
	HAWSER_OPTIONS(hawser_loop_options, options, .engine = engine);
	hawser_loop *loop;

	cr_assert_eq(hawser_loop_new(&options, &loop), 0);
	return loop;
}

static inline void storied_on_change(hawser_client *client, const struct hawser_change *change, void *user)
{
	(void)client;
	(void)change;
	(void)user;
}

static inline hawser_client *storied_client(
    hawser_loop *loop, const char *name, const char *target, uint32_t rounds)
{
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .name = name, .protocol = "raw",
	    .rounds_max = rounds, .backoff_base_ms = 1, .backoff_cap_ms = 1, .on_change = storied_on_change);
	hawser_client *client;

	cr_assert_eq(hawser_client_new(loop, &options, &client), 0);
	return client;
}

#endif
