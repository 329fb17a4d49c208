/* SPDX-License-Identifier: MIT
 *
 * hawser-bench connect --traced as a program: every mode of a trace stands beside its untraced connects, in
 * the table and in JSON, and who may not trace is told so. Its times are nobody's business here.
 */
#include "../support/network.h"
#include "../support/shell.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

__attribute__((constructor)) static void prepare(void)
{
	network_prepare_as_root();
}

static void enter(void)
{
	shell_enter("hawser-bench");
	network_enter();
	if (shell_run("may", "$TOOL connect --traced --passes 1 --slice 4 --depth 1") == 77)
		cr_skip_test("%s", shell_text("may.err"));
}

TestSuite(trace_bench, .init = enter, .fini = shell_leave, .timeout = 60);

#define SMALL " --passes 1 --slice 20 --depth 1,3"
#define NOBODY "setpriv --reuid 65534 --regid 65534 --clear-groups "
#define MODES "[\"filtered-out\",\"histograms\",\"calls\",\"destinations\",\"records\"]"

static void expect_jq(const char *filter, const char *answer)
{
	char command[512];

	snprintf(command, sizeof(command), "jq -c '%s' bench.out", filter);
	cr_expect_eq(shell_run("jq", command), 0, "%s", shell_text("jq.err"));
	cr_expect_str_eq(shell_text("jq.out"), answer, "%s: %s", command, shell_text("jq.out"));
}

static void run(const char *command, int code)
{
	int result = shell_run("bench", command);

	cr_assert_eq(result, code, "%s ended with %d: %s", command, result, shell_text("bench.err"));
}

Test(trace_bench, json_has_every_mode_of_both_engines)
{
	run("$TOOL connect --traced --json" SMALL, 0);
	expect_jq("[.benchmark,.passes,.records_lost,(.results|length)]", "[\"connect\",1,0,0]\n");
	expect_jq("[.traced[]|[.engine,.family,.depth,.connects]]|unique",
	    "[[\"epoll\",\"tcp\",1,20],[\"epoll\",\"tcp\",3,20],"
	    "[\"io_uring\",\"tcp\",1,20],[\"io_uring\",\"tcp\",3,20]]\n");
	expect_jq("[.traced|group_by([.engine,.depth])[]|map(.mode)]|unique", "[" MODES "]\n");
	expect_jq("[.traced[]|.untraced,.traced|.wall_ns,.cpu_ns|.p10,.median,.p90]|[length,min>0]",
	    "[240,true]\n");
	expect_jq("[.traced[]|.ratios|.wall,.cpu|.of_medians,.pairs.median]|[length,min>0]", "[80,true]\n");
	expect_jq("[.traced[]|((.traced.wall_ns.median/.untraced.wall_ns.median-.ratios.wall.of_medians)"
		  "|fabs)]|max<0.001",
	    "true\n");
}

/* How often the programs run does not depend on the machine's mood, if nothing else connects meanwhile. */
Test(trace_bench, the_kernels_account_is_of_each_mode)
{
	run("$TOOL connect --traced --json" SMALL, 0);
	expect_jq("[.traced[]|.kernel|.ns.median,.runs.median]|[length,min>0]", "[40,true]\n");
	expect_jq("[.traced[]|.kernel.runs.median]|min>=4", "true\n");
	expect_jq("[.traced|group_by([.engine,.depth])[]|map({(.mode):.kernel.runs.median})|add"
		  "|.calls>.histograms]|all",
	    "true\n");
}

Test(trace_bench, people_are_told_what_is_compared_in_columns)
{
	run("$TOOL connect --traced" SMALL, 0);
	shell_expect("bench.out", "hawser-bench connect --traced: hawser ");
	shell_expect("bench.out", "needs CAP_BPF and CAP_PERFMON");
	shell_expect("bench.out", "How to read: ");
	shell_expect("bench.out", "io_uring, tcp, 1 in flight ");
	shell_expect("bench.out", "epoll, tcp, 3 in flight ");
	/* The heads and the rows end where the others do. */
	cr_expect_eq(shell_run("rows", "tail -n +6 bench.out | grep -v '^$' | "
				       "awk '{ print length }' | sort | uniq -c | awk '{ print $1 }'"),
	    0);
	cr_expect_str_eq(
	    shell_text("rows.out"), "28\n", "%s%s", shell_text("rows.out"), shell_text("bench.out"));
	cr_expect_eq(shell_run("rows", "grep -c '^  untraced  *[0-9]' bench.out"), 0);
	cr_expect_str_eq(shell_text("rows.out"), "4\n");
}

Test(trace_bench, quick_is_fewer_passes)
{
	run("$TOOL connect --traced --json --quick --depth 1 --seconds-max 1", 0);
	expect_jq("[.passes_asked,.passes>0,.traced[0].connects]", "[11,true,128]\n");
}

Test(trace_bench, nobody_is_told_what_it_needs)
{
	run(NOBODY "--bounding-set -all --inh-caps -all $TOOL connect --traced --json" SMALL, 77);
	cr_expect_str_empty(shell_text("bench.out"));
	shell_expect("bench.err", "hawser-bench: --traced, histograms: not permitted");
	shell_expect("bench.err", "CAP_BPF and CAP_PERFMON");
	cr_expect_eq(strcspn(shell_text("bench.err"), "\n"), strlen(shell_text("bench.err")) - 1);
}

Test(trace_bench, nobody_runs_the_rest)
{
	run(NOBODY "--bounding-set -all --inh-caps -all "
		   "$TOOL connect --json --passes 1 --slice 5 --depth 1 --clients 5",
	    0);
	expect_jq("[.results|length,(map(.variant)|unique|length)]", "[12,6]\n");
	expect_jq("has(\"traced\")", "false\n");
}

#define TWO_CAPABILITIES "-all,+bpf,+perfmon "

Test(trace_bench, without_the_kernels_account)
{
	const char *nobody = NOBODY "--inh-caps " TWO_CAPABILITIES "--ambient-caps " TWO_CAPABILITIES
				    "--bounding-set " TWO_CAPABILITIES;
	char command[512];

	snprintf(command, sizeof(command), "%s $TOOL connect --traced --json" SMALL, nobody);
	run(command, 0);
	expect_jq("[.traced[]|.kernel]|unique", "[null]\n");
	expect_jq("[.traced[]|.traced.wall_ns.median]|[length,min>0]", "[20,true]\n");
	snprintf(command, sizeof(command), "%s $TOOL connect --traced" SMALL, nobody);
	run(command, 0);
	shell_expect("bench.out", "- without CAP_SYS_ADMIN");
	cr_expect_eq(shell_run("rows", "grep -c ' -  *-$' bench.out"), 0);
	cr_expect_str_eq(shell_text("rows.out"), "24\n"); /* and those of what was not traced */
}

/* ---- failures ---- */

Test(trace_bench, a_trace_that_does_not_open)
{
	run("ulimit -n 12; $TOOL connect --traced" SMALL, 1);
	cr_expect_str_empty(shell_text("bench.out"));
	shell_expect("bench.err", "hawser-bench: --traced, histograms: ");
	shell_expect("bench.err", "Too many open files");
}

/* Its filter is a process id as the whole machine has it. */
Test(trace_bench, a_trace_that_sees_other_connects_is_no_result)
{
	run("unshare --pid --fork --kill-child $TOOL connect --traced" SMALL, 1);
	cr_expect_str_empty(shell_text("bench.out"));
	shell_expect("bench.err", ": the trace saw ");
}

Test(trace_bench, an_account_that_cannot_be_read_is_no_result)
{
	run("unshare --mount bash -c 'mount -t tmpfs none /proc && exec $TOOL connect --traced" SMALL "'", 1);
	cr_expect_str_empty(shell_text("bench.out"));
	shell_expect("bench.err", ": no account of the programs: No such file or directory");
}
