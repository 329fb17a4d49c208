/* SPDX-License-Identifier: MIT
 *
 * Texts that other processes chose, and figures that are read while they are written: neither may harm the
 * terminal, the JSON or the reader. By files of records that the test writes; none needs eBPF.
 */
#include "../../tools/hawser-trace/file.h"
#include "../support/shell.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <hawser/trace.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void enter(void)
{
	shell_enter("hawser-trace");
	setenv("TZ", "UTC", 1);
}

TestSuite(trace_texts, .init = enter, .fini = shell_leave, .timeout = 60);

/* One record, of a unix socket of this path. */
static void write_file(const char *path, int error)
{
	struct {
		struct file_header header;
		struct hawser_trace_record record;
		struct file_end end;
	} content = {.header = {.magic = FILE_MAGIC,
			 .byte_order = FILE_BYTE_ORDER,
			 .version = FILE_VERSION,
			 .header_size = sizeof(struct file_header),
			 .record_size = sizeof(struct hawser_trace_record),
			 .end_size = sizeof(struct file_end)},
	    .record = {.start_ns = 1,
		.total_ns = 1000,
		.family = AF_UNIX,
		.layer = HAWSER_TRACE_SYSCALL,
		.cause = error ? HAWSER_TRACE_LOCAL_ERROR : HAWSER_TRACE_OK,
		.error = error},
	    .end = {.count = 1}};
	FILE *file = fopen("file", "we");

	memcpy(content.end.magic, FILE_END_MAGIC, sizeof(content.end.magic));
	snprintf(content.record.path, sizeof(content.record.path), "%s", path);
	snprintf(content.record.comm, sizeof(content.record.comm), "%.15s", path);
	cr_assert_not_null(file);
	cr_assert_eq(fwrite(&content, sizeof(content), 1, file), 1);
	cr_assert_eq(fclose(file), 0);
}

static void expect(const char *path, const char *for_people, const char *json)
{
	write_file(path, 0);
	cr_assert_eq(shell_run("text", "$TOOL replay file | awk 'NR == 2 { print $NF }'"), 0);
	cr_expect_str_eq(shell_text("text.out"), for_people, "%s", shell_text("text.out"));
	cr_assert_eq(shell_run("json", "$TOOL replay --json file | grep -o '\"destination\":\"[^\"]*\"'"), 0);
	cr_expect_str_eq(shell_text("json.out"), json, "%s", shell_text("json.out"));
	cr_assert_eq(shell_run("jq", "$TOOL replay --json file | jq -e .destination"), 0);
}

Test(trace_texts, characters_are_shown_as_they_are)
{
	expect("/run/gr\xc3\xbc\xc3\x9f"
	       "e",
	    "/run/gr\xc3\xbc\xc3\x9f"
	    "e\n",
	    "\"destination\":\"/run/gr\xc3\xbc\xc3\x9f"
	    "e\"\n");
	expect("/\xe2\x82\xac\xf0\x9f\x9a\xa2", "/\xe2\x82\xac\xf0\x9f\x9a\xa2\n",
	    "\"destination\":\"/\xe2\x82\xac\xf0\x9f\x9a\xa2\"\n");
}

Test(trace_texts, bytes_that_are_no_characters_are_replaced)
{
	expect("/a\x9b"
	       "b",
	    "/a?b\n", "\"destination\":\"/a\\ufffdb\"\n");
	expect("/a\xc3", "/a?\n", "\"destination\":\"/a\\ufffd\"\n");
	expect("/\xc0\xaf"
	       "a",
	    "/??a\n", "\"destination\":\"/\\ufffd\\ufffda\"\n");
	expect("/\xed\xa0\x80", "/???\n", "\"destination\":\"/\\ufffd\\ufffd\\ufffd\"\n");
	expect("/\xf4\x90\x80\x80", "/????\n", "\"destination\":\"/\\ufffd\\ufffd\\ufffd\\ufffd\"\n");
}

/* U+009B begins a command of the terminal as ESC [ does; U+202E turns what follows it. */
Test(trace_texts, controls_do_not_reach_the_terminal)
{
	expect("/a\033[2J\177", "/a?[2J?\n", "\"destination\":\"/a\\u001b[2J\\u007f\"\n");
	expect("/a\xc2\x9b"
	       "2J",
	    "/a?2J\n", "\"destination\":\"/a\\u009b2J\"\n");
	expect("/\xe2\x80\xae\xe2\x80\x8e\xe2\x80\x8f", "/???\n",
	    "\"destination\":\"/\\u202e\\u200e\\u200f\"\n");
	expect("/\xe2\x80\xa8\xe2\x80\xa9\xe2\x81\xa6\xe2\x81\xa9", "/????\n",
	    "\"destination\":\"/\\u2028\\u2029\\u2066\\u2069\"\n");
}

/* Nothing is at the end of a line but what it says. */
Test(trace_texts, lines_have_no_space_too_many)
{
	write_file("/run/x", 0);
	cr_assert_eq(shell_run("line", "$TOOL replay file | tail -1"), 0);
	shell_expect("line.out", " /run/x\n");
	shell_expect("line.err", "\n1 connect, 1 ok\n");
	write_file("/run/x", ENOENT);
	cr_assert_eq(shell_run("line", "$TOOL replay file | tail -1"), 0);
	shell_expect("line.out", " /run/x                       ENOENT\n");
}

/* The count is ahead of the slots when it is read between the two. */
Test(trace_texts, quantiles_are_of_what_the_slots_hold)
{
	struct hawser_trace_histogram histogram = {.count = 100, .sum_ns = 5000};

	cr_expect_eq(hawser_trace_quantile_ns(&histogram, 500), 0);
	histogram.slots[4] = 1;
	cr_expect_eq(hawser_trace_quantile_ns(&histogram, 500), hawser_trace_slot_floor_ns(5));
	cr_expect_eq(hawser_trace_quantile_ns(&histogram, 990), hawser_trace_slot_floor_ns(5));
	histogram.slots[8] = 1;
	cr_expect_eq(hawser_trace_quantile_ns(&histogram, 500), hawser_trace_slot_floor_ns(5));
	cr_expect_eq(hawser_trace_quantile_ns(&histogram, 990), hawser_trace_slot_floor_ns(9));
}
