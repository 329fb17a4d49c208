/* SPDX-License-Identifier: MIT
 *
 * What a trace costs, for people and for programs. Each mode has its own untraced slices beside it; the row
 * "untraced" is of all of them. What the kernel does not tell is "-" and null.
 */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_MAX = 48 };

static const char *const engine_names[ENGINE_KINDS] = {
    [ENGINE_URING] = "io_uring",
    [ENGINE_EPOLL] = "epoll",
};

/* ---- for people ---- */

static void preamble_print(const struct results *results)
{
	printf(
	    "Compared: a connect of hawser under each mode of a trace with one untraced beside it; tracing "
	    "needs CAP_BPF and CAP_PERFMON.\n"
	    "How to read: ns for one connect as median p10..p90 of the slices; x of untraced as ratio of "
	    "medians, p10..p90 of the pairs side by side;\n"
	    "BPF ns and runs of the programs for one connect, as the kernel counts them (medians), with the "
	    "accepting end and both closes%s.\n",
	    results->accounted ? "" : ": - without CAP_SYS_ADMIN");
}

/* Of all modes together. */
static struct spread untraced_spread(const struct traced_contest *contest, uint32_t passes, bool cpu)
{
	double *all = malloc(TRACER_MODES * passes * sizeof(double));
	struct spread spread = {0, 0, 0};

	for (uint32_t mode = 0; all && mode < TRACER_MODES; mode++) {
		const struct samples *samples = &contest->modes[mode].untraced;

		memcpy(all + mode * passes, cpu ? samples->cpu : samples->wall, passes * sizeof(double));
	}
	if (all)
		spread = spread_of(all, TRACER_MODES * passes);
	free(all);
	return spread;
}

static void kernel_print(const struct traced_samples *samples, const struct results *results)
{
	if (results->accounted)
		printf("%8.0f%7.1f\n", spread_of(samples->kernel_ns, results->passes).p50,
		    spread_of(samples->kernel_runs, results->passes).p50);
	else
		printf("%8s%7s\n", "-", "-");
}

static void row_print(
    const struct traced_contest *contest, const struct results *results, enum tracer_mode mode)
{
	const struct traced_samples *both = &contest->modes[mode];
	uint32_t passes = results->passes;

	printf("  %-28s", tracer_modes[mode].title);
	text_spread_print(spread_of(both->traced.wall, passes));
	text_spread_print(spread_of(both->traced.cpu, passes));
	text_ratio_print(ratio_of(both->traced.wall, both->untraced.wall, passes));
	text_ratio_print(ratio_of(both->traced.cpu, both->untraced.cpu, passes));
	kernel_print(both, results);
}

static void contest_print(const struct traced_contest *contest, const struct results *results)
{
	char title[CELL_MAX];

	snprintf(title, sizeof(title), "%s, %s, %u in flight", engine_names[contest->engine],
	    contest->slice.endpoint->name, contest->slice.depth);
	printf("\n%-30s%7s %-16s%7s %-16s%8s %-10s%8s %-10s%8s%7s\n", title, "wall ns", "p10..p90", "CPU ns",
	    "p10..p90", "x wall", "p10..p90", "x CPU", "p10..p90", "BPF ns", "runs");
	printf("  %-28s", "untraced");
	text_spread_print(untraced_spread(contest, results->passes, false));
	text_spread_print(untraced_spread(contest, results->passes, true));
	printf("%8s %-10s%8s %-10s%8s%7s\n", "1.00", "", "1.00", "", "-", "-");
	for (int mode = 0; mode < TRACER_MODES; mode++)
		row_print(contest, results, (enum tracer_mode)mode);
}

void traced_text(const struct options *options, const struct results *results)
{
	text_head_print(options, results);
	preamble_print(results);
	for (uint32_t i = 0; i < results->traced_count; i++)
		contest_print(&results->traced[i], results);
	if (results->records_lost)
		printf("\nRecords lost, because the reader was late: %llu\n",
		    (unsigned long long)results->records_lost);
}

/* ---- for programs ---- */

static void samples_print(const char *name, const struct samples *samples, uint32_t passes)
{
	printf(",\"%s\":{", name);
	json_spread_print("wall_ns", spread_of(samples->wall, passes));
	printf(",");
	json_spread_print("cpu_ns", spread_of(samples->cpu, passes));
	printf("}");
}

static void mode_print(
    const struct traced_contest *contest, const struct results *results, enum tracer_mode mode)
{
	const struct traced_samples *both = &contest->modes[mode];
	uint32_t passes = results->passes;

	printf("{\"engine\":\"%s\",\"family\":\"%s\",\"depth\":%u,\"connects\":%u,\"mode\":\"%s\"",
	    engine_names[contest->engine], contest->slice.endpoint->name, contest->slice.depth,
	    contest->slice.connects, tracer_modes[mode].name);
	samples_print("untraced", &both->untraced, passes);
	samples_print("traced", &both->traced, passes);
	printf(",\"ratios\":{");
	json_ratio_print("wall", ratio_of(both->traced.wall, both->untraced.wall, passes));
	printf(",");
	json_ratio_print("cpu", ratio_of(both->traced.cpu, both->untraced.cpu, passes));
	printf("},\"kernel\":");
	if (results->accounted) {
		printf("{");
		json_spread_print("ns", spread_of(both->kernel_ns, passes));
		printf(",");
		json_spread_print("runs", spread_of(both->kernel_runs, passes));
		printf("}}");
	} else {
		printf("null}");
	}
}

void traced_json(const struct options *options, const struct results *results)
{
	json_head_print(options, results);
	printf(",\"traced\":[");
	for (uint32_t i = 0; i < results->traced_count; i++)
		for (int mode = 0; mode < TRACER_MODES; mode++) {
			printf("%s", i + (uint32_t)mode ? "," : "");
			mode_print(&results->traced[i], results, (enum tracer_mode)mode);
		}
	printf("],\"records_lost\":%llu}\n", (unsigned long long)results->records_lost);
}
