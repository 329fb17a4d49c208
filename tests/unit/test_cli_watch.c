/* SPDX-License-Identifier: MIT
 *
 * What takes time: hawser watch through a host's death and return, signals, and what a terminal shows
 * meanwhile.
 */
#include "../support/host.h"
#include "../support/sockets.h"
#include "../support/tool.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct tool tool;
static struct host host;
static char directory[HOST_PATH_BYTES];
static char target[HOST_TARGET_BYTES];

static void set_up(void)
{
	cr_assert_eq(host_directory_make(directory), 0);
	snprintf(target, sizeof(target), "unix:%s/x.sock", directory);
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
}

static void tear_down(void)
{
	host_kill(&host);
	host_directory_remove(directory);
}

TestSuite(cli_watch, .init = set_up, .fini = tear_down, .timeout = 120);

#define START() cr_assert_eq(host_start(&host, HOST_ARGUMENTS(target)), 0, "%s", host_errors(&host))
#define RUN(...) tool_run(&tool, TOOL_ARGUMENTS(__VA_ARGS__))
#define WAIT(code) \
	cr_assert_eq(tool_wait(&tool), code, "%d, not %d: %s%s", tool.status, code, tool.out, tool.err)
#define OUT(text) cr_assert_not_null(strstr(tool.out, text), "no \"%s\" in: %s", text, tool.out)
#define NOT_OUT(text) cr_assert_null(strstr(tool.out, text), "\"%s\" in: %s", text, tool.out)
#define SAYS(filter) cr_assert(tool_says(&tool, filter), "not %s: %s", filter, tool.out)

Test(cli_watch, each_change_is_told_through_a_death_and_a_return)
{
	tool_start(&tool, NULL, TOOL_ARGUMENTS("watch", target, "Echo", "--json"));
	tool_await(&tool, "\"to\":\"waiting\"");
	START();
	tool_await(&tool, "\"binding\":\"bound\"");
	host_kill(&host);
	tool_await(&tool, "\"binding\":\"lost\"");
	cr_assert_eq(host_restart(&host), 0);
	while (!strstr(strstr(tool.out, "\"bound\"") + 1, "\"bound\""))
		cr_assert(tool_look(&tool), "%s", tool.out);
	kill(tool.pid, SIGINT);
	WAIT(130);
	SAYS("map(select(.event == \"change\")) | .[0].from == \"idle\" and .[0].to == \"resolving\" and "
	     "all(.[]; (.why | length) > 0 and (.time | endswith(\"Z\")) and .round > 0)");
	SAYS("map(select(.to == \"waiting\")) | any(.[]; .next_retry_us > 0) and .[0].error.errno == "
	     "\"ENOENT\" and "
	     ".[0].error.stage == \"connect\" and any(.[]; .from == \"ready\" and .error.cause == \"lost\")");
	SAYS("map(select(.to == \"ready\")) | length == 2 and (.[0].address | endswith(\"/x.sock\")) and "
	     ".[0].error == null");
}

Test(cli_watch, count_ends_it)
{
	START();
	cr_assert_eq(RUN("watch", target, "Echo", "--count", "5"), 0, "%s", tool.err);
	OUT("  resolving   round 1, ");
	OUT("  connecting  round 1, attempt 1, ");
	OUT("  preparing ");
	OUT("  ready       round 1, attempt 1, /");
	OUT("  bound       Echo\n");
	cr_assert_eq(RUN("watch", target, "--count", "2", "--engine", "epoll", "--quiet"), 0);
	cr_assert_str_empty(tool.out);
}

Test(cli_watch, at_the_deadline_the_exit_code_says_whether_it_is_up)
{
	cr_assert_eq(RUN("watch", target, "--deadline-ms", "200"), 5);
	OUT("ENOENT at connect: ");
	OUT("; next try in ");
	START();
	cr_assert_eq(RUN("watch", target, "--deadline-ms", "200"), 0);
	cr_assert_eq(RUN("watch", target, "Echo", "--deadline-ms", "500"), 0);
}

Test(cli_watch, attempts_make_it_give_up)
{
	cr_assert_eq(RUN("watch", target, "Echo", "--attempts", "3", "--backoff", "full"), 1);
	OUT("  closed      ENOENT at connect: ");
	cr_assert_not_null(strstr(tool.err, "tried    3 rounds, 3 attempts, "), "%s", tool.err);
}

Test(cli_watch, signals_end_every_command_cleanly)
{
	START();
	tool_start(&tool, NULL, TOOL_ARGUMENTS("watch", target));
	tool_await(&tool, "  ready  ");
	kill(tool.pid, SIGTERM);
	WAIT(143);
	cr_assert_str_empty(tool.err);
	tool_start(&tool, NULL, TOOL_ARGUMENTS("invoke", target, "Counter", "Count", "1000000000", "--json"));
	tool_await(&tool, "\"number\":2");
	kill(tool.pid, SIGINT);
	WAIT(130);
	host_kill(&host);
	tool_start(&tool, NULL,
	    TOOL_ARGUMENTS("connect", "tcp:127.0.0.1:1", "--attempts", "1000", "--engine", "epoll"));
	while (!strstr(tool.err, "next try"))
		cr_assert(tool_look(&tool), "%s", tool.err);
	kill(tool.pid, SIGINT);
	WAIT(130);
	cr_assert_str_empty(tool.out);
}

/* What stands on the last line, when carriage returns move and characters overwrite. */
static void screen_line(const char *bytes, char line[81])
{
	size_t column = 0;

	memset(line, ' ', 80);
	line[80] = '\0';
	for (; *bytes; bytes++) {
		if (*bytes == '\r')
			column = 0;
		else if (*bytes == '\n')
			memset(line, ' ', 80);
		else if (column < 80)
			line[column++] = *bytes;
	}
}

Test(cli_watch, a_terminal_shows_what_is_awaited_and_it_is_gone_in_the_end)
{
	char line[81];

	tool_start_on_terminal(&tool, TOOL_ARGUMENTS("connect", "tcp:127.0.0.1:1", "--attempts", "2"));
	WAIT(1);
	OUT("\rround 1 failed, ECONNREFUSED at connect: next try in ");
	NOT_OUT("hawser: round 1");
	OUT("\r\033[31mhawser:\033[0m tcp:127.0.0.1:1: nobody listens there\r\n");
	cr_assert_eq(host_spawn(&host, HOST_ARGUMENTS("--start-late-ms", "700", target)), 0);
	tool_start_on_terminal(&tool, TOOL_ARGUMENTS("connect", target, "--deadline-ms", "30000"));
	WAIT(0);
	OUT("\rround ");
	OUT(" failed, ENOENT at connect: ");
	OUT("\r\033[32mconnected\033[0m unix:");
	*strstr(tool.out, "\033[32mconnected") = '\0';
	screen_line(tool.out, line);
	cr_assert_eq(strspn(line, " "), 80, "left on the screen: %s", line);
}

Test(cli_watch, a_terminal_shows_an_outage_as_one_line_and_a_countdown)
{
	START();
	tool_start_on_terminal(&tool, TOOL_ARGUMENTS("watch", target, "Echo"));
	tool_await(&tool, "bound");
	tool_await(&tool, "\rready for 0 s: /");
	host_kill(&host);
	tool_await(&tool, " failed, ECONNREFUSED at connect: ");
	kill(tool.pid, SIGINT);
	WAIT(130);
	OUT("\033[32mready     \033[0m  round 1, attempt 1, /");
	OUT("\033[33mlost      \033[0m  Echo");
	NOT_OUT("resolving ");
	NOT_OUT("preparing ");
	cr_assert_null(strstr(strstr(tool.out, "ECONNREFUSED at connect: nobody") + 1,
			   "ECONNREFUSED at connect: nobody"),
	    "told twice: %s", tool.out);
}

Test(cli_watch, a_terminal_shows_which_address_is_slow)
{
	struct black_hole hole;
	char silent[HOST_TARGET_BYTES];

	black_hole_open(&hole, silent, sizeof(silent));
	tool_start_on_terminal(&tool, TOOL_ARGUMENTS("connect", silent));
	tool_await(&tool, "\rconnecting to 127.0.0.1:");
	tool_type(&tool, "\003");
	WAIT(130);
	black_hole_close(&hole);
}

Test(cli_watch, ctrl_c_on_a_terminal)
{
	START();
	tool_start_on_terminal(&tool, TOOL_ARGUMENTS("invoke", target, "Slow", "Never"));
	tool_await(&tool, "waiting for Never to answer: ");
	tool_type(&tool, "\003");
	WAIT(130);
}

Test(cli_watch, a_terminal_that_cannot_is_spared)
{
	setenv("TERM", "dumb", 1);
	tool_start_on_terminal(&tool, TOOL_ARGUMENTS("connect", "tcp:127.0.0.1:1", "--attempts", "2"));
	WAIT(1);
	OUT("hawser: round 1: ECONNREFUSED at connect, nobody listens there; next try in ");
	NOT_OUT("\033");
	for (const char *at = tool.out; (at = strchr(at, '\r')); at++)
		cr_assert_eq(at[1], '\n', "a line is rewritten: %s", tool.out);
	setenv("TERM", "xterm", 1);
	setenv("NO_COLOR", "1", 1);
	START();
	tool_start_on_terminal(&tool, TOOL_ARGUMENTS("connect", target));
	WAIT(0);
	OUT("connected unix:");
	NOT_OUT("\033");
}
