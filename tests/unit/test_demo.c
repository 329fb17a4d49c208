/* SPDX-License-Identifier: MIT
 *
 * hawser-demo: its numbers, its command line, and one whole run. How long things take there is nobody's
 * business here, and so is its exit status, which depends on it.
 */
#include "../../tools/hawser-demo/demo.h"
#include "../support/tool.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { OUTPUT_MAX = 65536, COMMAND_MAX = 4200 };

static char output[OUTPUT_MAX];

TestSuite(demo, .timeout = 120);

/* The exit status; what it printed is in output. */
static int demo(const char *arguments)
{
	char command[COMMAND_MAX];
	FILE *program;
	size_t size;
	int status;

	snprintf(command, sizeof(command), "timeout 60 '%s' %s 2>&1", tool_program_named("hawser-demo"),
	    arguments);
	program = popen(command, "r");
	cr_assert_not_null(program);
	size = fread(output, 1, sizeof(output) - 1, program);
	output[size] = '\0';
	status = pclose(program);
	cr_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void expect(const char *text)
{
	cr_assert(strstr(output, text), "no \"%s\" in: %s", text, output);
}

Test(demo, percentiles_are_of_the_nearest_rank)
{
	static const uint64_t two[] = {600, 905};
	uint64_t hundred[100];

	for (unsigned i = 0; i < 100; i++)
		hundred[i] = i + 1;
	for (unsigned percent = 0; percent <= 100; percent++) {
		cr_assert_eq(table_percentile(two, 1, percent), 600);
		cr_assert_eq(table_percentile(two, 2, percent), percent <= 50 ? 600 : 905, "p%u", percent);
		cr_assert_eq(table_percentile(hundred, 100, percent), percent ? percent : 1);
	}
	cr_assert_eq(table_percentile(hundred, 99, 99), 99);
	cr_assert_eq(table_percentile(hundred, 3, 34), 2);
}

Test(demo, help_says_what_it_does_and_arguments_are_refused)
{
	cr_assert_eq(demo("--help"), 0);
	cr_assert_eq(strncmp(output, "Usage: hawser-demo\n", 19), 0, "%s", output);
	cr_assert_eq(demo("fast"), 2);
	cr_assert_eq(strncmp(output, "Usage: hawser-demo\n", 19), 0, "%s", output);
}

Test(demo, a_run_shows_clients_with_and_without_a_host)
{
	cr_assert_leq(demo(""), 1, "%s", output);
	expect("orders   attempt 1: ENOENT at connect, ");
	expect("refused  attempt 1: ECONNREFUSED at connect, nobody listens there; next round in ");
	expect("silent   attempt 1: ETIMEDOUT at connect, nobody answered before the attempt's deadline "
	       "(500 ms); next round in ");
	expect("\n  client           attempts    ready p50    ready p99");
	expect("\n  fleet of 16 ");
}
