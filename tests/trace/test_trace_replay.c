/* SPDX-License-Identifier: MIT
 *
 * Files of records that are replayed: one as `record` writes it, and those that are cut, foreign, newer or
 * made to harm. None needs BPF: the test writes them.
 */
#include "../../tools/hawser-trace/file.h"
#include "../support/shell.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORDS = 3, MUTATIONS = 150, SEED = 20 };

struct content {
	struct file_header header;
	struct hawser_trace_record records[RECORDS];
	struct file_end end;
};

static void enter(void)
{
	shell_enter("hawser-trace");
	setenv("TZ", "UTC", 1);
}

TestSuite(trace_replay, .init = enter, .fini = shell_leave, .timeout = 60);

static struct hawser_trace_record record_of(uint8_t cause, int error, uint16_t port)
{
	struct hawser_trace_record record = {.start_ns = 1000000000,
	    .total_ns = 2500000,
	    .tgid = 42,
	    .pid = 43,
	    .uid = 7,
	    .family = AF_INET,
	    .destination = {127, 0, 0, 1},
	    .destination_port = port,
	    .cause = cause,
	    .error = error,
	    .flags = HAWSER_TRACE_SYN_SENT,
	    .comm = "client"};

	return record;
}

static struct content content_of_three(void)
{
	struct content content = {.header = {.magic = FILE_MAGIC,
				      .byte_order = FILE_BYTE_ORDER,
				      .version = FILE_VERSION,
				      .header_size = sizeof(struct file_header),
				      .record_size = sizeof(struct hawser_trace_record),
				      .end_size = sizeof(struct file_end),
				      .kernel = "6.1.0"},
	    .end = {.count = RECORDS, .counters = {.records_lost = 5, .events_missed = 3}}};

	content.records[0] = record_of(HAWSER_TRACE_OK, 0, 80);
	content.records[1] = record_of(HAWSER_TRACE_REFUSED, ECONNREFUSED, 81);
	content.records[2] = record_of(HAWSER_TRACE_REFUSED, ECONNREFUSED, 82);
	memcpy(content.end.magic, FILE_END_MAGIC, sizeof(content.end.magic));
	return content;
}

static void write_bytes(const void *bytes, size_t size)
{
	FILE *file = fopen("file", "we");

	cr_assert_not_null(file);
	cr_assert_eq(fwrite(bytes, 1, size, file), size);
	cr_assert_eq(fclose(file), 0);
}

static void expect_refused(const void *bytes, size_t size, const char *words)
{
	write_bytes(bytes, size);
	cr_expect_eq(shell_run("replay", "$TOOL replay file"), 1);
	shell_expect("replay.err", words);
	cr_expect_str_empty(shell_text("replay.out"));
}

Test(trace_replay, prints_as_live_does)
{
	struct content content = content_of_three();

	write_bytes(&content, sizeof(content));
	cr_assert_eq(shell_run("replay", "$TOOL replay file"), 0);
	cr_expect_str_eq(shell_text("replay.out"),
	    "TIME             PID COMM            LAYER   CAUSE           SUBMIT  NETWORK    TOTAL SYN "
	    "DESTINATION                  DETAIL\n"
	    "00:00:01.000      42 client          tcp     ok                   -        -  2.50 ms   1 "
	    "127.0.0.1:80\n"
	    "00:00:01.000      42 client          tcp     refused              -        -  2.50 ms   1 "
	    "127.0.0.1:81                 ECONNREFUSED\n"
	    "00:00:01.000      42 client          tcp     refused              -        -  2.50 ms   1 "
	    "127.0.0.1:82                 ECONNREFUSED\n");
	shell_expect("replay.err", "recorded on Linux 6.1.0, beginning 1970-01-01 00:00:00");
	shell_expect("replay.err", "3 connects, 1 ok, 2 refused\n5 more were not shown");
	shell_expect("replay.err", "3 events were missed");
}

static void expect_ports(const char *options, const char *ports)
{
	char command[256];

	snprintf(command, sizeof(command),
	    "set -o pipefail; $TOOL replay file --json %s | jq -r .destination | cut -d: -f2 | tr '\\n' ' '",
	    options);
	cr_expect_eq(shell_run("ports", command), 0, "%s: %s", options, shell_text("ports.err"));
	cr_expect_str_eq(shell_text("ports.out"), ports, "%s: %s", options, shell_text("ports.out"));
}

Test(trace_replay, filters_as_live_does)
{
	struct content content = content_of_three();

	content.records[1].tgid = 50;
	content.records[2].total_ns = 9000000;
	content.records[2].destination[2] = 9;
	write_bytes(&content, sizeof(content));
	expect_ports("", "80 81 82 ");
	expect_ports("--failures", "81 82 ");
	expect_ports("--count 2", "80 81 ");
	expect_ports("--pid 50", "81 ");
	expect_ports("--uid 8", "");
	expect_ports("--cgroup 8", "");
	expect_ports("--netns 8", "");
	expect_ports("--port 82", "82 ");
	expect_ports("--min-ms 9", "82 ");
	expect_ports("--to 127.0.0.0/20", "80 81 82 ");
	expect_ports("--to 127.0.0.0/21", "80 81 ");
	expect_ports("--to 127.0.0.1", "80 81 ");
	expect_ports("--to ::/0", "");
	cr_expect_eq(shell_run("replay", "$TOOL replay"), 2);
	shell_expect("replay.err", "replay needs a FILE");
	cr_expect_eq(shell_run("replay", "$TOOL replay file file"), 2);
	shell_expect("replay.err", "one word too many: 'file'");
}

Test(trace_replay, colour_is_for_terminals)
{
	struct content content = content_of_three();

	write_bytes(&content, sizeof(content));
	cr_assert_eq(shell_run("pipe", "$TOOL replay file | cat"), 0);
	cr_expect_null(strchr(shell_text("pipe.out"), '\033'));
	cr_assert_eq(shell_run("colour", "$TOOL replay file --colour | cat"), 0);
	shell_expect("colour.out", "\033[31mrefused");
	cr_assert_eq(shell_run("terminal", "script -qec '$TOOL replay file' /dev/null"), 0);
	shell_expect("terminal.out", "\033[32mok");
	cr_assert_eq(shell_run("without", "NO_COLOR=1 script -qec '$TOOL replay file' /dev/null"), 0);
	shell_expect("without.out", "refused");
	cr_expect_null(strchr(shell_text("without.out"), '\033'));
}

static void expect_line(const char *command, const char *words)
{
	cr_assert_eq(shell_run("line", command), 0);
	cr_expect_str_eq(shell_text("line.out"), words, "%s", shell_text("line.out"));
}

#define DETAILS "$TOOL replay file | sed 's/^.* SYN //; s/^.*  [01] //'"

/* The column grows up to the largest address, and is announced again; what is longer loses its middle. */
Test(trace_replay, columns_line_up)
{
	struct content content = content_of_three();

	content.records[1].family = AF_INET6;
	memset(content.records[1].destination, 0x2a, sizeof(content.records[1].destination));
	content.records[1].destination_port = 65535;
	content.records[2].family = AF_UNIX;
	memset(content.records[2].path, 'x', sizeof(content.records[2].path) - 1);
	memcpy(content.records[2].path, "/begin", 6);
	memcpy(content.records[2].path + sizeof(content.records[2].path) - 5, "/end", 4);
	write_bytes(&content, sizeof(content));
	expect_line(DETAILS, "DESTINATION                  DETAIL\n"
			     "127.0.0.1:80\n"
			     "DESTINATION                                     DETAIL\n"
			     "[2a2a:2a2a:2a2a:2a2a:2a2a:2a2a:2a2a:2a2a]:65535 ECONNREFUSED\n"
			     "/beginxxxxxxxxxxxxxxxx...xxxxxxxxxxxxxxxxxx/end ECONNREFUSED\n");
}

Test(trace_replay, columns_count_characters)
{
	struct content content = content_of_three();

	snprintf(content.records[0].comm, sizeof(content.records[0].comm), "h\303\251l\303\251na");
	content.records[0].family = AF_UNIX;
	snprintf(content.records[0].path, sizeof(content.records[0].path), "/\303\251t\303\251");
	content.end.count = 1;
	memcpy(&content.records[1], &content.end, sizeof(content.end));
	write_bytes(&content, sizeof(content.header) + sizeof(content.records[0]) + sizeof(content.end));
	expect_line("$TOOL replay file | tail -1 | sed 's/^.* 42 //'",
	    "h\303\251l\303\251na          tcp     ok                   -        -  2.50 ms   1 "
	    "/\303\251t\303\251\n");
}

/* UTC, whatever the zone. */
Test(trace_replay, json_has_the_time_of_day)
{
	struct content content = content_of_three();

	content.header.to_real_ns = 1700000000000000007;
	content.records[2].start_ns = 0x8000000000000000 - 1;
	write_bytes(&content, sizeof(content));
	expect_line("TZ=Asia/Tokyo $TOOL replay --json file | jq -r .time",
	    "2023-11-14T22:13:21.000000007Z\n2023-11-14T22:13:21.000000007Z\n1731-08-05T22:26:03."
	    "145224198Z\n");
}

Test(trace_replay, nothing_was_recorded)
{
	struct content content = content_of_three();

	content.end.count = 0;
	memmove(content.records, &content.end, sizeof(content.end));
	write_bytes(&content, sizeof(content.header) + sizeof(content.end));
	cr_expect_eq(shell_run("replay", "$TOOL replay file"), 0);
	shell_expect("replay.err", "0 connects");
}

Test(trace_replay, what_is_no_file_is_refused)
{
	cr_expect_eq(shell_run("replay", "$TOOL replay nowhere"), 1);
	shell_expect("replay.err", "nowhere cannot be opened: No such file");
	cr_expect_eq(shell_run("replay", "$TOOL replay ."), 1);
	shell_expect("replay.err", ". is not a regular file");
	cr_assert_eq(mkfifo("pipe", 0600), 0);
	cr_expect_eq(shell_run("replay", "$TOOL replay pipe"), 1);
	shell_expect("replay.err", "pipe is not a regular file");
}

Test(trace_replay, foreign_files_are_refused)
{
	struct content content = content_of_three();

	expect_refused("", 0, "file is empty");
	expect_refused("haw", 3, "file is cut: it ends within its header");
	expect_refused("#!/bin/sh\n", 10, "file was not written by hawser-trace record");
	content.header.magic[7] = 'x';
	expect_refused(&content, sizeof(content), "file was not written by hawser-trace record");
	content = content_of_three();
	content.header.version = FILE_VERSION + 1;
	expect_refused(&content, sizeof(content),
	    "by a newer hawser-trace (version 2 of the file; this one reads up to 1)");
	content.header.version = 0;
	expect_refused(&content, sizeof(content), "its header makes no sense");
	content.header.version = FILE_VERSION;
	content.header.byte_order = __builtin_bswap32(FILE_BYTE_ORDER);
	expect_refused(&content, sizeof(content), "on a machine of the other byte order");
	content.header.byte_order = 0;
	expect_refused(&content, sizeof(content), "its header makes no sense");
}

Test(trace_replay, wrong_sizes_are_refused)
{
	static const uint32_t sizes[] = {0, 1, sizeof(struct hawser_trace_record) + 8, UINT32_MAX};
	struct content content = content_of_three();

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		content.header.record_size = sizes[i];
		expect_refused(&content, sizeof(content), "the sizes in its header");
	}
	content = content_of_three();
	content.header.header_size = 0;
	expect_refused(&content, sizeof(content), "the sizes in its header");
	content = content_of_three();
	content.header.end_size = UINT32_MAX;
	expect_refused(&content, sizeof(content), "the sizes in its header");
}

/* The records that are whole are printed, and that there were more is said. */
static void expect_cut(const void *bytes, size_t size, const char *ports)
{
	write_bytes(bytes, size);
	cr_expect_eq(shell_run("cut", "$TOOL replay file --json"), 1);
	shell_expect(
	    "cut.err", "file is cut: it has no end (whoever wrote it was killed, or the disk was full)");
	cr_assert_eq(shell_run("ports", "jq -r .destination cut.out | cut -d: -f2 | tr '\\n' ' '"), 0);
	cr_expect_str_eq(shell_text("ports.out"), ports, "%s", shell_text("ports.out"));
}

Test(trace_replay, of_cut_files_the_records_are_kept)
{
	struct content content = content_of_three();
	size_t records = sizeof(content.header) + sizeof(content.records);

	expect_cut(&content, sizeof(content.header), "");
	expect_cut(&content, records - 7, "80 81 ");
	expect_cut(&content, records, "80 81 82 ");
	shell_expect("cut.err", "room for 3 records; how many are missing is not known");
	shell_expect("cut.err", "3 connects, 1 ok, 2 refused\n");
	expect_cut(&content, sizeof(content) - 1, "80 81 82 ");
	/* What a file system did not get to write, it fills with zeros. */
	memset(&content.records[1], 0, sizeof(content.records[1]));
	expect_cut(&content, records, "80 ");
	/* The end belongs at the end. */
	content = content_of_three();
	memcpy(&content.records[2], &content.end, sizeof(content.end));
	expect_cut(&content, records, "80 81 ");
}

Test(trace_replay, damaged_files_are_refused)
{
	struct content content = content_of_three();

	expect_refused(&content, sizeof(content.header) - 1, "it ends within its header");
	content.end.count = UINT64_MAX;
	expect_refused(&content, sizeof(content), "file is damaged: it ends as if it had");
	content.end.count = RECORDS - 1;
	expect_refused(&content, sizeof(content), "file is damaged: it ends as if it had 2 records");
}

Test(trace_replay, a_huge_file_does_not_keep_it)
{
	struct content content = content_of_three();

	write_bytes(&content, sizeof(content));
	cr_assert_eq(truncate("file", (off_t)1 << 40), 0);
	cr_expect_eq(shell_run("replay", "$TOOL replay file"), 1);
	shell_expect("replay.err", "it has no end");
}

/* Every field at its worst: no text ends, every number is the largest. */
Test(trace_replay, hostile_records_do_no_harm)
{
	struct content content = content_of_three();

	memset(&content.records, 0xff, sizeof(content.records));
	content.records[1].family = AF_UNIX;
	memset(content.records[2].comm, '\033', sizeof(content.records[2].comm));
	memset(content.records[2].target, '\033', sizeof(content.records[2].target));
	memset(content.records[2].path, '\033', sizeof(content.records[2].path));
	content.records[2].family = AF_UNIX;
	memset(content.header.kernel, '\033', sizeof(content.header.kernel));
	content.header.to_real_ns = INT64_MIN;
	content.header.start_ns = INT64_MAX;
	write_bytes(&content, sizeof(content));
	cr_expect_eq(shell_run("replay", "$TOOL replay file"), 0);
	cr_expect_null(strchr(shell_text("replay.out"), '\033'));
	cr_expect_null(strchr(shell_text("replay.err"), '\033'));
	cr_expect_eq(shell_run("json", "set -o pipefail; $TOOL replay --json file | jq -c "
				       "'[.cause,.comm,.target,.destination|length]'"),
	    0);
	cr_expect_str_eq(shell_text("json.out"), "[7,15,39,1]\n[7,15,39,107]\n[7,15,39,107]\n");
}

static void expect_survives(const char *command)
{
	int code = shell_run("mutated", command);

	cr_assert(code == 0 || code == 1, "%s ended with %d: %s", command, code, shell_text("mutated.err"));
}

Test(trace_replay, mutated_files_do_no_harm)
{
	unsigned short state[3] = {SEED, 0, 0};

	for (unsigned i = 0; i < MUTATIONS; i++) {
		struct content content = content_of_three();
		unsigned char *bytes = (unsigned char *)&content;
		size_t size = sizeof(content);

		for (unsigned changes = 0; changes <= i % 8; changes++) {
			size_t place = (size_t)nrand48(state) % sizeof(content);

			bytes[place] = (unsigned char)nrand48(state);
		}
		if (i % 4 == 0)
			size = (size_t)nrand48(state) % sizeof(content);
		write_bytes(&content, size);
		expect_survives(i % 2 ? "$TOOL replay --json file | jq -e . >/dev/null; exit ${PIPESTATUS[0]}"
				      : "$TOOL replay file --colour");
	}
}
