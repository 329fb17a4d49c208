/* SPDX-License-Identifier: MIT
 *
 * hawser-bench connect as a program: what it measures is in its JSON, whole, and a wrong command line is
 * refused. Its times are nobody's business here.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <hawser/hawser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_MAX = 65536, COMMAND_MAX = 4096, PATH_BYTES = 2048 };

static char output[OUTPUT_MAX];

TestSuite(bench, .timeout = 120);

/* Beside this test's own program, or where HAWSER_BUILD_DIR says. */
static void program_find(char path[PATH_BYTES])
{
	const char *build = getenv("HAWSER_BUILD_DIR");
	ssize_t size;
	char *slash;

	if (build) {
		snprintf(path, PATH_BYTES, "%s/bin/hawser-bench", build);
		return;
	}
	size = readlink("/proc/self/exe", path, PATH_BYTES - 64);
	cr_assert_gt(size, 0);
	path[size] = '\0';
	slash = strrchr(path, '/');
	strncpy(slash + 1, "hawser-bench", 32);
}

/* The exit status; what it printed is in output. */
static int bench_with(const char *before, const char *arguments)
{
	char path[PATH_BYTES];
	char command[COMMAND_MAX];
	FILE *program;
	size_t size;
	int status;

	program_find(path);
	snprintf(command, sizeof(command), "%s timeout 100 '%s' %s 2>&1", before, path, arguments);
	program = popen(command, "r");
	cr_assert_not_null(program);
	size = fread(output, 1, sizeof(output) - 1, program);
	output[size] = '\0';
	status = pclose(program);
	cr_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int bench(const char *arguments)
{
	return bench_with("", arguments);
}

static unsigned count_of(const char *text)
{
	unsigned count = 0;

	for (const char *at = output; (at = strstr(at, text)); at += strlen(text))
		count++;
	return count;
}

/* Braces and brackets in pairs, one line, one object. */
static void is_one_json_object(void)
{
	char open[64];
	size_t depth = 0;
	bool quoted = false;

	cr_assert_eq(output[0], '{', "%s", output);
	for (const char *at = output; *at; at++) {
		if (*at == '"' && at[-1] != '\\')
			quoted = !quoted;
		if (quoted)
			continue;
		if (*at == '{' || *at == '[') {
			cr_assert_lt(depth, sizeof(open));
			open[depth++] = *at == '{' ? '}' : ']';
		} else if (*at == '}' || *at == ']') {
			cr_assert_gt(depth, 0);
			cr_assert_eq(open[--depth], *at);
			cr_assert(depth > 0 || strcmp(at, "}\n") == 0, "something follows: %s", at);
		}
	}
	cr_assert_eq(depth, 0);
}

Test(bench, json_has_every_variant_at_every_depth_of_both_families)
{
	static const char *const names[] = {"bare-uring", "bare-uring-guarded", "hawser-uring",
	    "hawser-epoll", "bare-epoll", "bare-blocking"};
	static const char *const families[] = {"tcp", "unix"};
	static const unsigned depths[] = {1, 32, 256};

	cr_assert_eq(bench("connect --quick --json --passes 1 --slice 50 --clients 100"), 0, "%s", output);
	is_one_json_object();
	for (size_t family = 0; family < 2; family++)
		for (size_t depth = 0; depth < 3; depth++)
			for (size_t name = 0; name < 6; name++) {
				char text[128];

				snprintf(text, sizeof(text),
				    "{\"family\":\"%s\",\"depth\":%u,\"connects\":%u,\"variant\":\"%s\"",
				    families[family], depths[depth],
				    depths[depth] > 12 ? 4 * depths[depth] : 50, names[name]);
				cr_assert_eq(count_of(text), 1, "%s in %s", text, output);
			}
	cr_assert_eq(count_of("\"wall_ns\":{\"p10\":"), 36);
	cr_assert_eq(count_of("\"cpu_ns\":{\"p10\":"), 36);
	cr_assert_eq(count_of("\"passes\":1,"), 1);
}

Test(bench, json_says_of_every_bar_whether_it_is_held)
{
	cr_assert_eq(bench("connect --json --passes 1 --slice 20 --depth 1,2 --family unix --clients 50"), 0,
	    "%s", output);
	is_one_json_object();
	cr_assert_eq(count_of("\"of\":\"hawser-uring\",\"over\":\"bare-uring-guarded\""), 2);
	cr_assert_eq(count_of("\"of\":\"hawser-epoll\",\"over\":\"bare-epoll\""), 2);
	cr_assert_eq(count_of("\"of\":\"hawser-uring\",\"over\":\"bare-uring\","), 2);
	cr_assert_eq(count_of("\"of\":\"hawser-epoll\",\"over\":\"bare-uring\","), 2);
	cr_assert_eq(count_of("\"bar\":1.15,\"held\":"), 4);
	cr_assert_eq(count_of("\"clients\":50,\"bytes_per_client\":"), 2);
	cr_assert_eq(count_of("\"bar\":2048,\"held\":"), 2);
	cr_assert_eq(count_of("\"bars_held\":"), 1);
	cr_assert_eq(count_of("\"family\":\"tcp\""), 0);
}

Test(bench, the_gate_is_the_json_verdict)
{
	int status =
	    bench("connect --gate --json --passes 1 --slice 20 --depth 1 --family unix --clients 50");

	cr_assert_eq(status, count_of("\"bars_held\":true") == 1 ? 0 : 1, "%d: %s", status, output);
	cr_assert_eq(count_of("\"bars_held\":"), 1);
}

Test(bench, people_are_told_the_machine_and_how_to_read_it)
{
	cr_assert_eq(
	    bench("connect --passes 1 --slice 20 --depth 3 --family tcp --clients 50"), 0, "%s", output);
	cr_assert_eq(count_of("hawser-bench connect: hawser "), 1);
	cr_assert_eq(count_of("How to read: "), 1);
	cr_assert_eq(count_of("tcp, 3 in flight"), 1);
	cr_assert_eq(count_of("unix, "), 0);
	cr_assert_eq(count_of("  PASS\n") + count_of("  over by "), 4, "%s", output);
}

Test(bench, help_says_what_one_unit_of_work_is)
{
	cr_assert_eq(bench("connect --help"), 0);
	cr_assert_eq(count_of("IORING_OP_CONNECT"), 1);
	cr_assert_eq(count_of("hawser_client_new"), 1);
	cr_assert_eq(count_of("SO_ERROR"), 1);
	cr_assert_eq(count_of("  filtered-out "), 1);
	cr_assert_eq(bench("--help"), 0);
	cr_assert_eq(count_of("connect --help"), 1);
	cr_assert_eq(bench("help"), 0);
	cr_assert_eq(count_of("connect --help"), 1);
}

Test(bench, version_is_the_librarys)
{
	char text[64];

	snprintf(text, sizeof(text), "hawser-bench %s\n", hawser_version());
	cr_assert_eq(bench("--version"), 0);
	cr_assert_str_eq(output, text);
}

struct mistake {
	char arguments[64];
	char says[64];
};

ParameterizedTestParameters(bench, a_wrong_command_line_is_refused)
{
	static struct mistake mistakes[] = {
	    {"", "Usage: "},
	    {"nonsense", "Usage: "},
	    {"connect --nonsense", "hawser-bench connect: unrecognized option '--nonsense'"},
	    {"connect --nonsense", "hawser-bench: see hawser-bench connect --help"},
	    {"connect stray", "stray: not expected"},
	    {"connect --passes", "requires an argument"},
	    {"connect --passes 0", "from 1 to "},
	    {"connect --passes 3x", "expected a number"},
	    {"connect --passes -1", "expected a number"},
	    {"connect --slice 99999999999999999999", "expected a number"},
	    {"connect --depth 1,,2", "--depth : expected a number"},
	    {"connect --depth 513", "from 1 to 512"},
	    {"connect --depth 1,2,3,4,5,6,7,8,9", "at most 8"},
	    {"connect --family ipx", "expected tcp, unix or both"},
	    {"connect --clients 0", "expected a number"},
	    {"connect --seconds-max 0", "expected a number"},
	    {"connect --traced --gate", "--gate: not with --traced"},
	    {"connect --traced --clients 5", "--clients: not with --traced"},
	    {"connect --traced --family unix", "--family unix: not with --traced"},
	};

	return cr_make_param_array(struct mistake, mistakes, sizeof(mistakes) / sizeof(mistakes[0]));
}

ParameterizedTest(const struct mistake *mistake, bench, a_wrong_command_line_is_refused)
{
	cr_assert_eq(bench(mistake->arguments), 2, "%s: %s", mistake->arguments, output);
	cr_assert_geq(count_of(mistake->says), 1, "%s: %s", mistake->arguments, output);
}

Test(bench, a_failure_is_no_result)
{
	/* Each idle client needs a descriptor. */
	cr_assert_eq(bench_with("ulimit -n 100;",
			 "connect --passes 1 --slice 5 --depth 1 --family unix --clients 100"),
	    1);
	cr_assert_eq(count_of("idle clients: Too many open files"), 1, "%s", output);
	cr_assert_eq(count_of("Bars"), 0);
}
