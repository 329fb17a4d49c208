/* SPDX-License-Identifier: MIT
 *
 * What people read: the lines of the log hook, and the names of everything.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <hawser/hawser.h>
#include <stdio.h>
#include <string.h>

struct log {
	char lines[8192];
	size_t length;
};

static void keep_line(enum hawser_log_level level, const hawser_client *client, const char *line, void *user)
{
	struct log *log = user;

	(void)client;
	log->length += (size_t)snprintf(
	    log->lines + log->length, sizeof(log->lines) - log->length, "%d %s\n", (int)level, line);
}

Test(protocol, the_log_hook_gets_the_lines_of_its_level)
{
	struct log log = {.length = 0};
	HAWSER_OPTIONS(hawser_loop_options, loop_options, .engine = HAWSER_ENGINE_EPOLL, .log = keep_line,
	    .log_user = &log, .log_level = HAWSER_LOG_WARNING);
	HAWSER_OPTIONS(hawser_client_options, options, .target = "unix:/nonexistent/x.sock", .name = "store",
	    .rounds_max = 2);
	hawser_loop *loop;
	hawser_client *client;

	cr_assert_eq(hawser_loop_new(&loop_options, &loop), 0);
	cr_assert_eq(hawser_client_new(loop, &options, &client), 0);
	cr_assert_eq(hawser_loop_run(loop), 0);
	cr_assert_not_null(strstr(log.lines, "1 store: connecting -> waiting"), "%s", log.lines);
	cr_assert_not_null(strstr(log.lines, "nothing is at this path"), "%s", log.lines);
	cr_assert_null(strstr(log.lines, "2 "), "info is above the level");
	hawser_client_free(client);
	hawser_loop_free(loop);
}

Test(protocol, names_are_never_null)
{
	for (int i = -2; i < 40; i++) {
		cr_assert_not_null(hawser_stage_name((enum hawser_stage)i));
		cr_assert_not_null(hawser_cause_name((enum hawser_cause)i));
		cr_assert_not_null(hawser_fate_name((enum hawser_fate)i));
		cr_assert_not_null(hawser_state_name((enum hawser_state)i));
		cr_assert_not_null(hawser_binding_state_name((enum hawser_binding_state)i));
		cr_assert_not_null(hawser_binding_event_name((enum hawser_binding_event)i));
	}
	cr_assert_str_eq(hawser_errno_name(-ECONNREFUSED), "ECONNREFUSED");
	cr_assert_str_eq(hawser_errno_name(ECONNREFUSED), "ECONNREFUSED");
	cr_assert_str_eq(hawser_errno_name(123456), "unknown");
	cr_assert_str_eq(hawser_stage_name(HAWSER_STAGES), "unknown");
	cr_assert_str_eq(hawser_version(), "0.1.0");
}
