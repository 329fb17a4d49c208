/* SPDX-License-Identifier: MIT
 *
 * hawser invoke against a real hawser-host: payloads from every source, replies in every form, streams, and
 * each way a call can fail.
 */
#include "../support/host.h"
#include "../support/tool.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct tool tool;
static struct host host;
static char directory[HOST_PATH_BYTES];
static char target[HOST_TARGET_BYTES];
static char path[HOST_TARGET_BYTES]; /* of a file */

static void set_up(void)
{
	cr_assert_eq(host_directory_make(directory), 0);
	snprintf(target, sizeof(target), "unix:%s/x.sock", directory);
	snprintf(path, sizeof(path), "%s/file", directory);
	cr_assert_eq(
	    host_start(&host, HOST_ARGUMENTS(target, "tcp:127.0.0.1:0")), 0, "%s", host_errors(&host));
}

static void tear_down(void)
{
	host_kill(&host);
	host_directory_remove(directory);
}

TestSuite(cli_invoke, .init = set_up, .fini = tear_down, .timeout = 120);

#define INVOKE(...) tool_run(&tool, TOOL_ARGUMENTS("invoke", __VA_ARGS__))
#define ENDS(code, ...) \
	cr_assert_eq(INVOKE(__VA_ARGS__), code, "%d, not %d: %s%s", tool.status, code, tool.out, tool.err)
#define ERR(text) cr_assert_not_null(strstr(tool.err, text), "no \"%s\" in: %s", text, tool.err)
#define SAYS(filter) cr_assert(tool_says(&tool, filter), "not %s: %s", filter, tool.out)

static void file_write(size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	char *bytes = calloc(1, size);

	cr_assert_eq(write(fd, bytes, size), (ssize_t)size);
	free(bytes);
	close(fd);
}

Test(cli_invoke, payload_from_text_hex_file_and_standard_input)
{
	ENDS(0, target, "Echo", "Echo", "hello");
	cr_assert_str_eq(tool.out, "hello\n");
	cr_assert_str_empty(tool.err);
	ENDS(0, host_target(&host, 1), "Echo", "Echo", "--engine", "epoll", "--", "--hello");
	cr_assert_str_eq(tool.out, "--hello\n");
	ENDS(0, target, "Echo", "Echo", "--hex", "68 49 0a");
	cr_assert_str_eq(tool.out, "hI\\n\n");
	cr_assert_eq(tool_run_with(&tool, "from input",
			 TOOL_ARGUMENTS("invoke", target, "Echo", "Echo", "--file", "-")),
	    0);
	cr_assert_str_eq(tool.out, "from input\n");
	file_write(3);
	ENDS(0, target, "Echo", "Echo", "--file", path);
	cr_assert_str_eq(tool.out, "\\x00\\x00\\x00\n");
	ENDS(0, target, "Echo", "Sink");
	cr_assert_str_eq(tool.out, "\n");
}

Test(cli_invoke, replies_as_text_are_harmless_to_a_terminal)
{
	ENDS(0, target, "Echo", "Echo", "a\x1b[31m\t\\\xff\xc2\x9b \xc3\xa9");
	cr_assert_str_eq(tool.out, "a\\x1b[31m\\t\\\\\\xff\\xc2\\x9b \xc3\xa9\n");
}

Test(cli_invoke, replies_as_hex_raw_and_json)
{
	char bytes[16] = {0};
	int fd;

	ENDS(0, target, "Echo", "Echo", "--hex", "00ff10", "--hex-output");
	cr_assert_str_eq(tool.out, "00ff10\n");
	ENDS(0, target, "Counter", "Count", "12", "--output", "-", "--quiet");
	cr_assert_str_eq(tool.out, "123456789101112");
	ENDS(0, target, "Counter", "Count", "3", "--output", path);
	cr_assert_str_empty(tool.out);
	fd = open(path, O_RDONLY);
	cr_assert_eq(read(fd, bytes, sizeof(bytes)), 3);
	cr_assert_str_eq(bytes, "123");
	close(fd);
	ENDS(0, target, "Echo", "Echo", "say \"\x01\"", "--json");
	SAYS("length == 1 and .[0].event == \"reply\" and .[0].number == 1 and .[0].more == false and "
	     ".[0].size == 7 and .[0].text == \"say \\\"\\u0001\\\"\" and .[0].hex == \"73617920220122\"");
	ENDS(0, target, "Echo", "Echo", "--hex", "ff00", "--json");
	SAYS(".[0].text == null and .[0].hex == \"ff00\"");
}

Test(cli_invoke, each_reply_of_a_stream_is_printed)
{
	ENDS(0, target, "Counter", "Count", "4");
	cr_assert_str_eq(tool.out, "1\n2\n3\n4\n");
	ENDS(0, target, "Counter", "Count", "3", "--json");
	SAYS("map(.text) == [\"1\", \"2\", \"3\"] and map(.more) == [true, true, false] and "
	     "map(.number) == [1, 2, 3]");
}

Test(cli_invoke, descriptors_that_come_are_let_go)
{
	ENDS(0, target, "Files", "Open", "content");
	cr_assert_str_eq(tool.out, "\n");
}

Test(cli_invoke, a_call_that_the_host_rejects)
{
	ENDS(4, target, "Slow", "Drop");
	cr_assert_str_empty(tool.out);
	ERR("hawser: unix:");
	ERR(" Slow Drop: the service rejected the call\n");
	ERR("  call     answered\n");
	ENDS(4, target, "Slow", "Drop", "--json");
	SAYS("length == 1 and (.[0] | .event == \"failed\" and .exit == 4 and .fate == \"answered\" and "
	     ".method == \"Drop\")");
}

Test(cli_invoke, a_method_that_the_host_does_not_have)
{
	ENDS(4, target, "Echo", "Nothing");
	ERR("ENOSYS");
	ERR("hawser bind prints those that the host has");
}

Test(cli_invoke, a_call_that_is_not_answered)
{
	ENDS(5, target, "Slow", "Never", "--deadline-ms", "300");
	ERR("  call     maybe executed\n");
	ERR("  advice   the host may have done it");
	ENDS(5, target, "Slow", "Never", "--deadline-ms", "300", "--json");
	SAYS(".[0].stage == \"call\" and .[0].cause == \"deadline\" and .[0].fate == \"maybe executed\"");
}

Test(cli_invoke, a_host_that_dies_during_the_call)
{
	tool_start(&tool, NULL, TOOL_ARGUMENTS("invoke", target, "Counter", "Count", "1000000000"));
	tool_await(&tool, "1\n2\n");
	host_kill(&host);
	cr_assert_eq(tool_wait(&tool), 4, "%s", tool.err);
	ERR("  call     maybe executed\n");
}

Test(cli_invoke, a_payload_is_measured)
{
	file_write(131072);
	ENDS(4, target, "Echo", "Echo", "--file", path);
	ERR("EMSGSIZE");
	ERR("larger than a frame can carry");
	file_write(131073);
	ENDS(2, target, "Echo", "Echo", "--file", path);
	ERR("the payload has more than 131072 bytes");
	file_write(100000);
	ENDS(0, target, "Echo", "Echo", "--file", path, "--hex-output");
	cr_assert_eq(strlen(tool.out), 200001);
}

Test(cli_invoke, output_that_cannot_be_written_is_no_success)
{
	ENDS(1, target, "Echo", "Echo", "x", "--output", "/dev/full");
	ERR("hawser: --output /dev/full cannot be written");
	ENDS(2, target, "Echo", "Echo", "x", "--output", directory);
	ERR("Is a directory");
}
