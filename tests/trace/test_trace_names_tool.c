/* SPDX-License-Identifier: MIT
 *
 * hawser-trace live --names as its users run it, beside the command `hawser`, whose attempts have a name, and
 * a connect of the test's own, which has none.
 */
#include "watched.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT "$(dirname $TOOL)/hawser connect tcp:127.0.0.1:7002 --backoff full --attempts 3"

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

TestSuite(trace_names_tool, .init = watched_enter, .fini = shell_leave, .timeout = 60);

/* To the end of an attempt of which there is a story. Skips the test where there are no names. */
static void watch(const char *options)
{
	struct shell tool = {0};
	char command[256];

	snprintf(command, sizeof(command), "exec $TOOL live %s" WATCHED_HERE, options);
	tool = shell_start("watch", command);
	shell_await(&tool, "Ctrl-C ends it");
	cr_assert_eq(watched_connect(CLOSED_PORT), ECONNREFUSED);
	shell_run("connect", CONNECT " --quiet");
	cr_expect_eq(shell_end(&tool, SIGINT), 0, "%s", shell_text("watch.err"));
}

static void skip_without_names(void)
{
	if (shell_run("try", "$TOOL live --names --duration 0.1") == 0)
		return;
	cr_skip_test("%s", shell_text("try.err"));
}

Test(trace_names_tool, a_line_tells_the_whole_story)
{
	skip_without_names();
	watch("--names");
	shell_expect("watch.err", "each line is an attempt: how long its round WAITED in backoff");
	shell_expect("watch.err", "4 connects, 4 refused");
	/* The cause of each line stands where the header says, and all but the names is words and figures. */
	cr_expect_eq(shell_run("columns", "awk 'NR == 1 { at = index($0, \"OUTCOME\") } "
					  "NR == 1 && !index($0, \"ERRNO         DESTINATION\") { exit 1 } "
					  "NR > 1 && index($0, \"refused\") != at { exit 1 }' watch.out"),
	    0, "%s", shell_text("watch.out"));
	cr_expect_eq(
	    shell_run("last", "grep -E '^[0-9:.]{12} +[0-9]+ tcp:127.0.0.1:7002 +3 +3 +[0-9.]+ [mun]?s "
			      "+[0-9.]+ [mun]?s .* refused +ECONNREFUSED +127.0.0.1:7002$' watch.out"),
	    0, "%s", shell_text("watch.out"));
	cr_expect_eq(
	    shell_run("other", "grep -E '^[0-9:.]{12} +[0-9]+ \\(test_trace_name\\) +- +- +- +- .* refused ' "
			       "watch.out"),
	    0, "%s", shell_text("watch.out"));
}

Test(trace_names_tool, json_has_the_story)
{
	skip_without_names();
	watch("--names --json");
	watched_expect_jq("watch.out", "",
	    "select(.story.attempt == 3) | .story | [.name, .client, .round, .result, .backoff_ns >= 0, "
	    ".begin_to_submit_ns > 0, .completion_to_end_ns > 0, .end_to_told_ns > 0]",
	    "[\"tcp:127.0.0.1:7002\",1,3,-111,true,true,true,true]\n");
	watched_expect_jq("watch.out", "-s", "[length, (.[0] | has(\"story\"))]", "[4,false]\n");
}

/* Of that program it knows from its start, and needs no capability any more. */
Test(trace_names_tool, a_file_ahead)
{
	struct shell tool;

	skip_without_names();
	tool = shell_start("watch", "exec $TOOL live --json --names=$(dirname $TOOL)/hawser" WATCHED_HERE);
	shell_await(&tool, "Ctrl-C ends it");
	cr_expect_eq(shell_run("capabilities", "grep -c 'Cap[IPE].*:.0000000000000000' "
					       "/proc/$(pgrep -P $PPID -n hawser-trace)/status"),
	    0, "%s", shell_text("capabilities.out"));
	cr_expect_str_eq(shell_text("capabilities.out"), "3\n");
	shell_run("connect", CONNECT " --quiet");
	cr_expect_eq(shell_end(&tool, SIGINT), 0, "%s", shell_text("watch.err"));
	watched_expect_jq("watch.out", "", ".story | [.attempt, .result]", "[1,-111]\n[2,-111]\n[3,-111]\n");
}

Test(trace_names_tool, what_it_cannot_do_it_says)
{
	static const char *const commands[][2] = {
	    {"$TOOL top --names", "top does not take --names"},
	    {"$TOOL record --names x", "record does not take --names"},
	    {"$TOOL live --names --pinned", "leave --pinned out"},
	    {"$TOOL live --names --histograms", "live does not take --histograms"},
	    {"$TOOL live --names=", "--names does not take ''"},
	};

	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		cr_expect_eq(shell_run("wrong", commands[i][0]), 2, "%s", commands[i][0]);
		shell_expect("wrong.err", commands[i][1]);
	}
	skip_without_names();
	cr_expect_eq(shell_run("wrong", "$TOOL live --names=/bin/true --duration 1"), 1);
	shell_expect("wrong.err", "/bin/true has no probes of hawser");
	cr_expect_eq(shell_run("wrong", "$TOOL live --names=/nonexistent --duration 1"), 1);
	shell_expect("wrong.err", "/nonexistent cannot be read");
}

/* CAP_BPF and CAP_PERFMON suffice for live. Where they do for probes, too, there is nothing to say. */
Test(trace_names_tool, without_the_capability_it_says_which)
{
	int code = shell_run("poor", "setpriv --bounding-set -all,+bpf,+perfmon --inh-caps -all "
				     "$TOOL live --names --duration 0.1");

	if (code == 0)
		cr_skip_test("this kernel lets CAP_PERFMON watch probes");
	cr_expect_eq(code, 1);
	shell_expect(
	    "poor.err", "not permitted to watch probes, from which names come: it needs CAP_SYS_ADMIN");
}

/* A process that may not be looked at is counted, with the reason. */
Test(trace_names_tool, without_ptrace_some_stay_out_of_sight)
{
	skip_without_names();
	cr_expect_eq(
	    shell_run("blind", "setpriv --bounding-set -all,+bpf,+perfmon,+sys_admin --inh-caps -all "
			       "$TOOL live --names --duration 0.1"),
	    0);
	shell_expect("blind.err", "stayed out of sight: process ");
	shell_expect("blind.err", "needs CAP_SYS_PTRACE");
}
