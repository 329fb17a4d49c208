/* SPDX-License-Identifier: MIT
 *
 * A command of hawser-trace that watches connects which the test makes itself, on loopback in a network of
 * its own.
 */
#ifndef TESTS_TRACE_WATCHED_H
#define TESTS_TRACE_WATCHED_H

#include "../support/network.h"
#include "../support/shell.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <hawser/trace.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OPEN_PORT = 7001, CLOSED_PORT = 7002, BUSY_PORT = 7003, SILENT_PORT = 7004 };
enum { ACCEPTED = 3, REFUSED = 3, BUSY = 5 };

#define WATCHED_HERE " --netns /proc/self/ns/net"
#define WATCHED_SUMMARY "11 connects, 3 ok, 8 refused\n"

static inline struct sockaddr_in watched_address(uint16_t port)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return address;
}

static inline void watched_enter(void)
{
	HAWSER_OPTIONS(hawser_trace_options, options, .size = sizeof(options));
	struct sockaddr_in address = watched_address(OPEN_PORT);
	struct hawser_trace_sentence why = {""};
	hawser_trace *trace;
	int result, listener; /* it stays open as long as the test */

	network_enter();
	result = hawser_trace_open(&options, &why, &trace);
	if (result == -EPERM || result == -ENOENT)
		cr_skip_test("%s", why.text);
	cr_assert_eq(result, 0, "%s", why.text);
	hawser_trace_close(trace);
	shell_enter("hawser-trace");
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(listener, 16), 0);
}

static inline int watched_connect(uint16_t port)
{
	struct sockaddr_in address = watched_address(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int error = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;

	cr_assert_geq(fd, 0);
	close(fd);
	return error;
}

static inline void watched_connect_all(void)
{
	for (unsigned i = 0; i < ACCEPTED; i++)
		cr_assert_eq(watched_connect(OPEN_PORT), 0);
	for (unsigned i = 0; i < REFUSED; i++)
		cr_assert_eq(watched_connect(CLOSED_PORT), ECONNREFUSED);
	for (unsigned i = 0; i < BUSY; i++)
		cr_assert_eq(watched_connect(BUSY_PORT), ECONNREFUSED);
}

static inline struct shell watched_start(const char *name, const char *command)
{
	struct shell tool = shell_start(name, command);

	shell_await(&tool, "Ctrl-C ends it");
	return tool;
}

/* From the first connect to Ctrl-C. */
static inline void watched_run(const char *command)
{
	struct shell tool = watched_start("watch", command);

	watched_connect_all();
	cr_expect_eq(shell_end(&tool, SIGINT), 0, "%s", shell_text("watch.err"));
	shell_expect("watch.err", WATCHED_SUMMARY);
}

static inline void watched_expect_jq(
    const char *file, const char *options, const char *filter, const char *answer)
{
	char command[512];

	snprintf(command, sizeof(command), "jq -c %s '%s' %s", options, filter, file);
	cr_expect_eq(shell_run("jq", command), 0, "%s", shell_text("jq.err"));
	cr_expect_str_eq(shell_text("jq.out"), answer, "%s: %s", command, shell_text("jq.out"));
}

#endif
