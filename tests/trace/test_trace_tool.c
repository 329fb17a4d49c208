/* SPDX-License-Identifier: MIT
 *
 * hawser-trace as its users run it: output that jq reads, ends that were asked for, and arguments that are
 * not understood.
 */
#include "../support/network.h"
#include "../support/shell.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

/* Runs a shell command, in which TOOL is hawser-trace; its exit code. Standard error joins the output. */
static int run(const char *command, char *ret_output, size_t size)
{
	return shell_capture("hawser-trace", "", command, ret_output, size);
}

static void expect(const char *command, int code, const char *words)
{
	char output[16384];
	int result = run(command, output, sizeof(output));

	if (strstr(output, "not permitted"))
		cr_skip_test("%s", output);
	cr_expect_eq(result, code, "%s ended with %d: %s", command, result, output);
	cr_expect_not_null(strstr(output, words), "%s does not say '%s': %s", command, words, output);
}

/* Connects to nobody, from processes of their own: again and again, for a machine on which a moment is too
 * short to begin tracing. */
#define CONNECT_OFTEN \
	"(for i in 1 2 3 4 5; do sleep 1; bash -c ': </dev/tcp/127.0.0.1/9'; done) >/dev/null 2>&1 & "

Test(trace_tool, live_ends_after_a_count, .timeout = 30)
{
	network_enter();
	expect(CONNECT_OFTEN "$TOOL live --netns /proc/self/ns/net --count 1 --duration 10", 0, "refused");
}

Test(trace_tool, live_says_how_many, .timeout = 30)
{
	network_enter();
	expect(
	    "out=$(mktemp); $TOOL live --netns /proc/self/ns/net --duration 3 >$out 2>&1 & "
	    "until grep -q Ctrl-C $out || [ $((waited += 1)) -gt 200 ]; do sleep 0.05; done; "
	    "bash -c ': </dev/tcp/127.0.0.1/9' 2>/dev/null; wait $!; code=$?; cat $out; rm $out; exit $code",
	    0, "1 connect, 1 refused");
}

Test(trace_tool, live_ends_by_a_signal, .timeout = 30)
{
	network_enter();
	expect("out=$(mktemp); $TOOL live --netns /proc/self/ns/net >$out 2>&1 & "
	       "until grep -q Ctrl-C $out || [ $((waited += 1)) -gt 200 ]; do sleep 0.05; done; kill -INT "
	       "$!; wait $!; code=$?; "
	       "cat $out; rm $out; exit $code",
	    0, "0 connects");
}

Test(trace_tool, json_is_json, .timeout = 30)
{
	network_enter();
	expect(CONNECT_OFTEN
	    "$TOOL live --json --netns /proc/self/ns/net --count 1 --duration 10 2>/dev/null | "
	    "jq -c '[.layer,.cause,.errno,.comm,.destination]'",
	    0, "[\"tcp\",\"refused\",111,\"bash\",\"127.0.0.1:9\"]");
}

Test(trace_tool, probe_says_what_there_is)
{
	expect("$TOOL probe", 0, "yes  BTF");
	expect("$TOOL probe --json | jq -r .name", 0, "permission");
}

Test(trace_tool, without_capabilities_it_says_what_to_run)
{
	char output[1024], tool[PATH_MAX], path[PATH_MAX], advice[PATH_MAX + 64];

	if (geteuid() != 0)
		cr_skip_test("needs root: it gives up its capabilities");
	cr_expect_eq(run("setpriv --bounding-set -all --inh-caps -all $TOOL live --duration 1", output,
			 sizeof(output)),
	    1, "%s", output);
	/* As it can be run, unless a shell would read the path otherwise. */
	snprintf(tool, sizeof(tool), "%s/bin/hawser-trace", getenv("HAWSER_BUILD_DIR"));
	cr_assert_not_null(realpath(tool, path));
	snprintf(advice, sizeof(advice), "sudo setcap cap_bpf,cap_perfmon=ep %s`", path);
	if (strlen(path) < 100)
		cr_expect_not_null(strstr(output, advice), "%s", output);
	cr_expect_not_null(strstr(output, "sudo setcap cap_bpf,cap_perfmon=ep "), "%s", output);
}

Test(trace_tool, arguments)
{
	expect("$TOOL", 2, "usage");
	expect("$TOOL --help", 0, "usage");
	expect("$TOOL live --help", 0, "--duration");
	expect("$TOOL nonsense", 2, "no command 'nonsense'");
	expect("$TOOL live extra", 2, "one word too many");
	expect("$TOOL live --nonsense", 2, "nonsense");
	expect("$TOOL live --count 0", 2, "--count does not take '0'");
	expect("$TOOL live --duration -1", 2, "--duration does not take '-1'");
	expect("$TOOL live --port 65536", 2, "--port does not take '65536'");
	expect("$TOOL live --to 10.0.0.0/33", 2, "--to does not take");
	expect("$TOOL live --to fe80::1/129", 2, "--to does not take");
	expect("$TOOL live --netns /nonexistent", 2, "--netns does not take");
	expect("$TOOL live --sample 0", 2, "--sample does not take");
	expect("$TOOL live --min-ms x", 2, "--min-ms does not take");
}
