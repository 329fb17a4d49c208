/* SPDX-License-Identifier: MIT
 *
 * Standard output that cannot be written: a full device is said and ends with 1, a reader that has seen
 * enough is no error, and neither keeps the summary back.
 */
#include "watched.h"

#include <string.h>

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

TestSuite(trace_output, .init = watched_enter, .fini = shell_leave, .timeout = 60);

#define FULL "standard output cannot be written: No space left on device\n"

static void expect_full(const char *words)
{
	char command[256];
	struct shell tool;

	snprintf(command, sizeof(command), "exec $TOOL %s" WATCHED_HERE " >/dev/full", words);
	tool = watched_start("full", command);
	for (unsigned i = 0; i < REFUSED; i++)
		cr_assert_eq(watched_connect(CLOSED_PORT), ECONNREFUSED);
	cr_expect_eq(shell_end(&tool, SIGINT), 1, "%s", words);
	shell_expect("full.err", FULL);
	shell_expect("full.err", " connects, ");
}

Test(trace_output, a_full_device_is_said)
{
	expect_full("live");
	expect_full("live --json");
	expect_full("top");
	expect_full("top --json");
	expect_full("hist");
	expect_full("hist --json");
	expect_full("inflight --interval 0.1");
	expect_full("record file --json");
	cr_expect_eq(shell_run("full", "$TOOL replay file >/dev/full"), 1);
	shell_expect("full.err", FULL);
	shell_expect("full.err", "3 connects, 3 refused\n");
}

Test(trace_output, a_full_device_is_said_without_tracing)
{
	static const char *const words[] = {"probe", "probe --json", "--help", "live --help"};
	char command[128];

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		snprintf(command, sizeof(command), "$TOOL %s >/dev/full", words[i]);
		cr_expect_eq(shell_run("full", command), 1, "%s", words[i]);
		shell_expect("full.err", FULL);
	}
}

/* More than stdio holds: the write that fails is one of many. */
Test(trace_output, a_full_device_is_said_of_much)
{
	struct shell record = watched_start("record", "exec $TOOL record file" WATCHED_HERE);

	for (unsigned i = 0; i < 200; i++)
		cr_assert_eq(watched_connect(CLOSED_PORT), ECONNREFUSED);
	cr_expect_eq(shell_end(&record, SIGINT), 0);
	cr_expect_eq(shell_run("full", "$TOOL replay file --json >/dev/full"), 1);
	shell_expect("full.err", FULL);
	shell_expect("full.err", " connects, ");
	cr_expect_eq(shell_run("gone", "set -o pipefail; $TOOL replay file --json | true"), 0);
	shell_expect("gone.err", " connects, ");
	cr_expect_null(strstr(shell_text("gone.err"), "cannot be written"));
}

/* It ends by itself, without another connect to tell it. */
static void expect_gone(const char *words)
{
	char command[256];
	struct shell tool;

	snprintf(command, sizeof(command), "set -o pipefail; $TOOL %s" WATCHED_HERE " | head -1", words);
	tool = watched_start("gone", command);
	watched_connect_all();
	cr_expect_eq(shell_end(&tool, 0), 0, "%s: %s", words, shell_text("gone.err"));
	cr_expect_str_not_empty(shell_text("gone.out"));
	shell_expect("gone.err", " connects");
	cr_expect_null(strstr(shell_text("gone.err"), "cannot be written"));
}

Test(trace_output, a_reader_may_go)
{
	expect_gone("live");
	expect_gone("live --json");
	expect_gone("top --interval 0.1");
	expect_gone("hist --interval 0.1");
	expect_gone("inflight --interval 0.1");
}
