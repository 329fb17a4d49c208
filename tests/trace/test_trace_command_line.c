/* SPDX-License-Identifier: MIT
 *
 * The command line of hawser-trace: no option is ignored, none takes what nothing could meet, and the help
 * and the manual have them all. `replay nowhere` ends with 1 when its options are in order, and needs no
 * eBPF.
 */
#include "../support/shell.h"

#include <criterion/criterion.h>
#include <hawser/hawser.h>
#include <hawser/trace.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MANUAL "$ROOT/tools/hawser-trace/hawser-trace.1"

static void enter(void)
{
	char *root = getcwd(NULL, 0);

	setenv("ROOT", root, 1);
	free(root);
	shell_enter("hawser-trace");
}

TestSuite(trace_command_line, .init = enter, .fini = shell_leave, .timeout = 60);

static void expect(const char *command, int code, const char *words)
{
	cr_expect_eq(shell_run("options", command), code, "%s: %s", command, shell_text("options.err"));
	shell_expect("options.err", words);
}

static void expect_taken(const char *command)
{
	expect(command, 1, "nowhere cannot be opened");
}

Test(trace_command_line, those_of_other_commands_are_refused)
{
	expect("$TOOL replay nowhere --textfile x", 2, "replay does not take --textfile");
	expect("$TOOL replay nowhere --pinned", 2, "replay does not take --pinned");
	expect("$TOOL replay nowhere --sample 2", 2, "replay does not take --sample");
	expect("$TOOL record file --listen 8.8.8.8:1", 2, "record does not take --listen");
	expect("$TOOL live --histograms", 2, "live does not take --histograms");
	expect("$TOOL top --bytes-max 9", 2, "top does not take --bytes-max");
	expect("$TOOL inflight --failures", 2, "inflight does not take --failures");
	expect("$TOOL pin --duration 1", 2, "pin does not take --duration");
	expect("$TOOL status --count 1", 2, "status does not take --count");
	expect("$TOOL unpin --pid 1", 2, "unpin does not take --pid");
	expect("$TOOL probe --path x", 2, "hawser-trace probe --help lists what it does");
	cr_expect_neq(access("file", F_OK), 0);
}

Test(trace_command_line, what_counts_every_connect_chooses_none)
{
	expect("$TOOL metrics --failures", 2, "--failures chooses records; metrics counts every connect");
	expect("$TOOL metrics --min-ms 1", 2, "--min-ms chooses records; metrics counts every connect");
	expect("$TOOL top --min-ms 1", 2, "--min-ms chooses records; top counts every connect");
	expect("$TOOL metrics --histograms --clients", 2, "--histograms has neither");
	expect("$TOOL metrics --histograms --count 1", 2, "--histograms has neither");
}

Test(trace_command_line, cgroups_are_of_their_file_system)
{
	expect("$TOOL replay nowhere --cgroup /etc/passwd", 2,
	    "--cgroup does not take '/etc/passwd', but a folder");
	expect("$TOOL replay nowhere --cgroup /tmp", 2, "--cgroup does not take '/tmp'");
	expect("$TOOL replay nowhere --cgroup /nonexistent", 2, "--cgroup does not take");
	expect_taken("$TOOL replay nowhere --cgroup 18446744073709551615");
	if (shell_run("mounts", "awk '$3 == \"cgroup2\" { print $2; found = 1; exit } END { exit !found }' "
				"/proc/mounts") != 0)
		cr_skip_test("no cgroup file system (version 2) is mounted here");
	expect_taken("$TOOL replay nowhere --cgroup $(cat mounts.out)");
	expect("$TOOL replay nowhere --cgroup $(cat mounts.out)/cgroup.procs", 2, "--cgroup does not take");
}

Test(trace_command_line, networks_are_namespaces)
{
	expect(
	    "$TOOL replay nowhere --netns /etc/passwd", 2, "--netns does not take '/etc/passwd', but a file");
	expect("$TOOL replay nowhere --netns /proc/self/ns/pid", 2, "--netns does not take");
	expect("$TOOL replay nowhere --netns 4294967297", 2, "--netns does not take '4294967297'");
	expect_taken("$TOOL replay nowhere --netns 4294967295");
	expect_taken("$TOOL replay nowhere --netns /proc/self/ns/net");
}

Test(trace_command_line, milliseconds_have_fractions)
{
	expect_taken("$TOOL replay nowhere --min-ms 0.5");
	expect_taken("$TOOL replay nowhere --min-ms 0");
	expect("$TOOL replay nowhere --min-ms -0.5", 2, "--min-ms does not take '-0.5'");
	expect("$TOOL replay nowhere --min-ms nan", 2, "--min-ms does not take 'nan'");
	expect("$TOOL replay nowhere --min-ms 1e300", 2, "--min-ms does not take '1e300'");
	expect("$TOOL replay nowhere --min-ms 1x", 2, "--min-ms does not take '1x'");
}

Test(trace_command_line, version_is_that_of_hawser)
{
	char words[64];

	snprintf(words, sizeof(words), "hawser-trace %s\n", hawser_version());
	cr_expect_eq(shell_run("version", "$TOOL --version"), 0);
	cr_expect_str_eq(shell_text("version.out"), words);
}

Test(trace_command_line, help_is_by_command)
{
	cr_expect_eq(shell_run("help", "$TOOL --help"), 0);
	shell_expect("help.out", "record   FILE  write what live would print to a file");
	shell_expect("help.out", "--bytes-max N");
	cr_expect_eq(shell_run("help", "$TOOL unpin --help"), 0);
	shell_expect("help.out", "usage: hawser-trace unpin [OPTION...]");
	shell_expect("help.out", "--path PATH");
	cr_expect_null(strstr(shell_text("help.out"), "--pid"));
	cr_expect_eq(shell_run("help", "$TOOL live --help"), 0);
	shell_expect("help.out", "of this cgroup (version 2) and those below it");
	shell_expect("help.out", "counts are of this sample");
	shell_expect("help.out", "up to the first NUL byte");
}

/* What --help knows the manual explains, and each cause and layer. */
Test(trace_command_line, the_manual_has_all)
{
	char command[128];

	cr_expect_eq(shell_run("manual", "sed 's/\\\\-/-/g' " MANUAL), 0, "%s", shell_text("manual.err"));
	cr_expect_eq(
	    shell_run("options", "$TOOL --help | grep -o -- '--[a-z-]*' | sort -u >names; [ -s names ] && "
				 "while read -r name; do grep -qF -- \"$name\" manual.out || "
				 "echo \"$name\"; done <names"),
	    0);
	cr_expect_str_empty(shell_text("options.out"), "lacking: %s", shell_text("options.out"));
	for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++) {
		snprintf(
		    command, sizeof(command), "grep -qx '.B %s' manual.out", hawser_trace_cause_name(cause));
		cr_expect_eq(shell_run("cause", command), 0, "%s", command);
		snprintf(command, sizeof(command), "grep -q '^| `%s` |' $ROOT/README.md",
		    hawser_trace_cause_name(cause));
		cr_expect_eq(shell_run("cause", command), 0, "%s", command);
	}
	for (unsigned layer = 0; layer < HAWSER_TRACE_LAYERS; layer++) {
		snprintf(
		    command, sizeof(command), "grep -qx '.B %s' manual.out", hawser_trace_layer_name(layer));
		cr_expect_eq(shell_run("layer", command), 0, "%s", command);
	}
}
