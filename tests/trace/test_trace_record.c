/* SPDX-License-Identifier: MIT
 *
 * record: what is replayed from its file is what live printed, and it says what it could not write.
 */
#include "../../tools/hawser-trace/file.h"
#include "watched.h"

#include <sched.h>
#include <string.h>
#include <sys/stat.h>

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

TestSuite(trace_record, .init = watched_enter, .fini = shell_leave, .timeout = 60);

/* Two tracers that look at once see the same connects, each with its own clock readings. */
#define WITHOUT_TIMES "del(.time,.start_ns,.total_ns,.submit_to_syn_ns,.syn_to_answer_ns)"

Test(trace_record, replay_says_what_live_said)
{
	struct shell json = watched_start("json", "exec $TOOL live --json" WATCHED_HERE);
	struct shell text = watched_start("text", "exec $TOOL live" WATCHED_HERE);
	struct shell record = watched_start("record", "exec $TOOL record file" WATCHED_HERE);

	watched_connect_all();
	cr_expect_eq(shell_end(&json, SIGINT), 0);
	cr_expect_eq(shell_end(&text, SIGINT), 0);
	cr_expect_eq(shell_end(&record, SIGINT), 0);
	shell_expect("text.err", WATCHED_SUMMARY);
	shell_expect("record.err", WATCHED_SUMMARY);
	cr_expect_eq(shell_run("replay", "$TOOL replay --json file"), 0);
	shell_expect("replay.err", WATCHED_SUMMARY);
	cr_expect_eq(
	    shell_run("same", "for f in json replay; do jq -c '" WITHOUT_TIMES
			      "' $f.out >$f.same; done; diff json.same replay.same && wc -l <json.same"),
	    0, "%s", shell_text("same.out"));
	cr_expect_str_eq(shell_text("same.out"), "11\n");
	cr_expect_eq(shell_run("replay", "$TOOL replay file"), 0);
	cr_expect_eq(shell_run("same", "for f in text replay; do cut -c14-58,87- $f.out >$f.same; done; "
				       "diff text.same replay.same"),
	    0, "%s", shell_text("same.out"));
	/* One recording has one set of times. */
	cr_expect_eq(
	    shell_run("order", "$TOOL replay --json file | jq -s 'map(.start_ns) == (map(.start_ns)|sort)'"),
	    0);
	cr_expect_str_eq(shell_text("order.out"), "true\n");
}

Test(trace_record, ends_before_its_bytes)
{
	size_t two =
	    sizeof(struct file_header) + 2 * sizeof(struct hawser_trace_record) + sizeof(struct file_end);
	struct shell record;
	char command[128];
	struct stat status;

	snprintf(command, sizeof(command), "exec $TOOL record file --json --bytes-max %zu" WATCHED_HERE,
	    two + sizeof(struct hawser_trace_record) - 1);
	record = watched_start("record", command);
	watched_connect_all();
	cr_expect_eq(shell_end(&record, 0), 0);
	shell_expect("record.err", "ended early: more than --bytes-max");
	cr_assert_eq(stat("file", &status), 0);
	cr_expect_eq((size_t)status.st_size, two);
	watched_expect_jq("record.out", "", "[.file,.records,.full,.records_lost]", "[\"file\",2,true,0]\n");
	cr_expect_eq(shell_run("replay", "$TOOL replay file --json | jq -s length"), 0);
	watched_expect_jq("record.out", "", ".records", shell_text("replay.out"));
	cr_expect_eq(shell_run("record", "$TOOL record file --bytes-max 10"), 2);
	shell_expect("record.err", "--bytes-max must be");
}

Test(trace_record, replaces_a_file_only_when_it_traces)
{
	struct shell record;

	cr_assert_eq(shell_run("write", "head -c 100000 /dev/zero >file"), 0);
	cr_expect_eq(
	    shell_run("record", "exec setpriv --bounding-set -all --inh-caps -all $TOOL record file"), 1);
	cr_expect_eq(shell_run("size", "wc -c <file"), 0);
	cr_expect_str_eq(shell_text("size.out"), "100000\n");
	cr_expect_eq(
	    shell_run("record", "exec setpriv --bounding-set -all --inh-caps -all $TOOL record other"), 1);
	cr_expect_eq(access("other", F_OK), -1);
	record = watched_start("record", "exec $TOOL record file" WATCHED_HERE);
	watched_connect_all();
	cr_expect_eq(shell_end(&record, SIGTERM), 0);
	cr_expect_eq(shell_run("replay", "$TOOL replay file"), 0);
	shell_expect("replay.err", WATCHED_SUMMARY);
}

Test(trace_record, says_what_cannot_be_written)
{
	struct shell record;

	cr_assert_eq(mkfifo("pipe", 0600), 0);
	cr_expect_eq(shell_run("record", "$TOOL record /nowhere/file"), 1);
	shell_expect("record.err", "/nowhere/file cannot be opened: No such file");
	cr_expect_eq(shell_run("record", "$TOOL record /dev/null"), 1);
	shell_expect("record.err", "/dev/null is not a regular file");
	cr_expect_eq(shell_run("record", "$TOOL record pipe"), 1);
	shell_expect("record.err", "pipe cannot be opened");
	/* The limit must not hold for what it says about it. */
	record = watched_start("record", "trap '' XFSZ; ulimit -f 1; exec $TOOL record file" WATCHED_HERE);
	watched_connect_all();
	cr_expect_eq(shell_end(&record, SIGINT), 1);
	shell_expect("record.err", "file cannot be written: File too large");
	shell_expect("record.err", "file has 2 records; 9 more did not fit");
	cr_expect_eq(shell_run("replay", "$TOOL replay file"), 0, "%s", shell_text("replay.err"));
	shell_expect("replay.err", "2 connects, 2 ok\n9 more were not shown");
}

/* A file system of four pages, full of whole records: the last makes room for the end. */
Test(trace_record, a_full_disk_gets_its_end)
{
	struct shell record;
	struct stat status;

	cr_assert_eq(mkdir("disk", 0700), 0);
	cr_assert_eq(unshare(CLONE_NEWNS), 0);
	network_run("mount --make-rprivate / && mount -t tmpfs -o size=16k tmpfs disk");
	record = watched_start("record", "exec $TOOL record disk/file" WATCHED_HERE);
	for (unsigned i = 0; i < 110; i++)
		watched_connect(CLOSED_PORT);
	cr_expect_eq(shell_end(&record, SIGINT), 1);
	shell_expect("record.err", "disk/file cannot be written: No space left on device");
	cr_assert_eq(stat("disk/file", &status), 0);
	cr_expect_eq(((size_t)status.st_size - sizeof(struct file_header) - sizeof(struct file_end)) %
			 sizeof(struct hawser_trace_record),
	    0);
	cr_expect_eq(shell_run("replay", "$TOOL replay disk/file"), 0, "%s", shell_text("replay.err"));
	shell_expect("replay.err", " connects, ");
	cr_expect_null(strstr(shell_text("replay.err"), "\n0 connects"));
	shell_expect("replay.err", " not shown: connects came faster");
	network_run("umount disk");
}

Test(trace_record, ends_well_when_its_terminal_is_gone)
{
	struct shell record = watched_start("record", "exec $TOOL record file" WATCHED_HERE);

	watched_connect_all();
	cr_expect_eq(shell_end(&record, SIGHUP), 0);
	shell_expect("record.err", WATCHED_SUMMARY);
	cr_expect_eq(shell_run("replay", "$TOOL replay file"), 0);
	shell_expect("replay.err", WATCHED_SUMMARY);
	/* What was started to survive that does. */
	record = watched_start("record", "exec nohup $TOOL record file" WATCHED_HERE);
	watched_connect_all();
	cr_assert_eq(kill(record.pid, SIGHUP), 0);
	watched_connect_all();
	cr_expect_eq(shell_end(&record, SIGINT), 0);
	shell_expect("record.err", "22 connects, 6 ok, 16 refused\n");
}

/* At any moment: before the file is there, while the programs are loaded, and afterwards. */
Test(trace_record, an_early_signal_leaves_no_half_file)
{
	for (unsigned ms = 0; ms < 120; ms += 5) {
		struct shell record = shell_start("record", "exec $TOOL record file" WATCHED_HERE);
		struct stat status;

		usleep(ms * 1000);
		shell_end(&record, SIGINT);
		if (stat("file", &status) < 0)
			continue;
		cr_expect_eq((size_t)status.st_size, sizeof(struct file_header) + sizeof(struct file_end),
		    "after %u ms it has %ld bytes: %s", ms, (long)status.st_size, shell_text("record.err"));
		cr_assert_eq(unlink("file"), 0);
	}
}
