/* SPDX-License-Identifier: MIT
 *
 * Commands that read what is pinned: at once, by filters of their own where they can, and with words where
 * what is pinned does not keep what they need. The bpf file system is the test's own.
 */
#include "watched.h"

#include <sched.h>
#include <string.h>
#include <sys/mount.h>

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

static void enter(void)
{
	watched_enter();
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		cr_skip_test("no mount namespace of one's own here: %s", strerror(errno));
	while (umount2("/sys/fs/bpf", MNT_DETACH) == 0)
		;
	if (access("/sys/fs/bpf", F_OK) < 0)
		cr_skip_test("this kernel has no bpf file system");
	network_run("mount -t bpf bpf /sys/fs/bpf");
}

TestSuite(trace_pinned_commands, .init = enter, .fini = shell_leave, .timeout = 60);

static void expect(const char *command, int code, const char *file, const char *words)
{
	cr_expect_eq(shell_run("pinned", command), code, "%s: %s", command, shell_text("pinned.err"));
	shell_expect(file, words);
}

Test(trace_pinned_commands, a_full_device_is_said)
{
	static const char *const commands[] = {"pin", "status", "status --json", "top --pinned", "unpin"};
	char command[128];

	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		snprintf(command, sizeof(command), "timeout 20 $TOOL %s >/dev/full", commands[i]);
		expect(
		    command, 1, "pinned.err", "standard output cannot be written: No space left on device\n");
	}
}

/* Ctrl-C is not needed: `timeout` would end it with 124. */
Test(trace_pinned_commands, what_was_counted_is_shown_at_once)
{
	expect("$TOOL pin" WATCHED_HERE, 0, "pinned.out", "pinned");
	watched_connect_all();
	expect("timeout 20 $TOOL top --pinned", 0, "pinned.out", "127.0.0.1:7003");
	shell_expect("pinned.err", WATCHED_SUMMARY);
	expect("timeout 20 $TOOL top --pinned --json", 0, "pinned.out", "\"127.0.0.1:7003\"");
	expect("timeout 20 $TOOL hist --pinned", 0, "pinned.out", "tcp refused: 8 connects");
	expect("timeout 20 $TOOL inflight --pinned", 0, "pinned.out", "DESTINATION\n");
	expect("timeout 5 $TOOL metrics --pinned", 0, "pinned.out",
	    "hawser_connects_total{layer=\"tcp\",cause=\"refused\"} 8\n");
	cr_expect_str_empty(shell_text("pinned.err"));
	expect("$TOOL unpin", 0, "pinned.out", "unpinned");
}

Test(trace_pinned_commands, metrics_say_what_they_wait_for)
{
	expect(
	    "$TOOL metrics --duration 0.1", 0, "pinned.err", "counting connects for 0.1 s, Ctrl-C ends it\n");
	expect("$TOOL metrics --duration 0.1 --count 7", 0, "pinned.err",
	    "counting connects up to 7 for 0.1 s, Ctrl-C ends it\n");
	expect("timeout --preserve-status -s INT 1 $TOOL metrics", 0, "pinned.err",
	    "counting connects for 10 s, Ctrl-C ends it\n");
}

Test(trace_pinned_commands, records_are_filtered_by_their_reader)
{
	struct shell live, record;

	expect("$TOOL pin --records" WATCHED_HERE, 0, "pinned.out", "pinned");
	live = watched_start("live", "exec $TOOL live --pinned --json --port 7003 --failures --count 4");
	watched_connect_all();
	cr_expect_eq(shell_end(&live, 0), 0);
	shell_expect("live.err", "4 connects, 4 refused\n");
	watched_expect_jq("live.out", "-s", "map(.destination)|unique", "[\"127.0.0.1:7003\"]\n");
	record = watched_start("record", "exec $TOOL record file --pinned --to 127.0.0.1 --port 7001");
	watched_connect_all();
	cr_expect_eq(shell_end(&record, SIGINT), 0);
	shell_expect("record.err", "3 connects, 3 ok\n");
	cr_expect_eq(shell_run("replay", "$TOOL replay file"), 0);
	shell_expect("replay.err", "3 connects, 3 ok\n");
}

Test(trace_pinned_commands, filters_of_sums_are_refused)
{
	static const char *const commands[] = {"top", "hist", "inflight", "metrics"};
	char command[128];

	expect("$TOOL pin" WATCHED_HERE, 0, "pinned.out", "pinned");
	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		snprintf(command, sizeof(command), "timeout 20 $TOOL %s --pinned --port 7003", commands[i]);
		expect(command, 2, "pinned.err", "--port does not change what is pinned");
	}
	expect("timeout 20 $TOOL live --pinned --sample 2", 2, "pinned.err",
	    "--sample does not change what is pinned");
	expect("timeout 20 $TOOL top --pinned --no-ring", 2, "pinned.err", "--no-ring does not change");
	expect("timeout 20 $TOOL record file --pinned --calls", 2, "pinned.err", "--calls does not change");
	cr_expect_eq(access("file", F_OK), -1);
}

#define ALONE "what is pinned keeps histograms alone, which hist and status show"

static void expect_histograms_alone(void)
{
	expect("timeout 20 $TOOL live --pinned", 1, "pinned.err", ALONE);
	expect("timeout 20 $TOOL record file --pinned", 1, "pinned.err", ALONE);
	expect("timeout 20 $TOOL top --pinned", 1, "pinned.err", ALONE);
	expect("timeout 20 $TOOL inflight --pinned", 1, "pinned.err", ALONE);
	expect("timeout 20 $TOOL metrics --pinned --clients", 1, "pinned.err", ALONE);
	expect("timeout 20 $TOOL metrics --pinned --count 3", 1, "pinned.err", ALONE);
}

Test(trace_pinned_commands, histograms_alone_are_said)
{
	expect("$TOOL pin --histograms" WATCHED_HERE, 0, "pinned.out", "pinned");
	watched_connect_all();
	expect_histograms_alone();
	expect("timeout 20 $TOOL hist --pinned", 0, "pinned.out", "tcp refused: 8 connects");
	shell_expect("pinned.err", WATCHED_SUMMARY);
	expect("timeout 20 $TOOL metrics --pinned", 0, "pinned.out",
	    "hawser_connects_total{layer=\"tcp\",cause=\"refused\"} 8\n");
	expect("$TOOL pin --records" WATCHED_HERE, 1, "pinned.err",
	    "--records needs `hawser-trace unpin` first");
	expect_histograms_alone();
}

Test(trace_pinned_commands, histograms_are_not_enough_for_all)
{
	static const char *const commands[] = {
	    "live", "top", "inflight", "record file", "metrics --clients", "metrics --count 3"};
	char command[128];
	unsigned last = 3; /* that has no use for it at all */

	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		snprintf(command, sizeof(command), "timeout 20 $TOOL %s --histograms", commands[i]);
		expect(command, 2, "pinned.err",
		    i <= last ? " does not take --histograms" : "--histograms has neither records");
	}
	expect("timeout 20 $TOOL metrics --histograms --duration 0.1" WATCHED_HERE, 0, "pinned.out",
	    "hawser_connects_total");
	expect("timeout 20 $TOOL hist --histograms --duration 0.1" WATCHED_HERE, 0, "pinned.err",
	    "0 connects\n");
}
