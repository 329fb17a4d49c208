/* SPDX-License-Identifier: MIT
 *
 * The report for people: machine and kernel, how to read it, a block for each contest, the bars.
 */
#include "report.h"

#include <hawser/hawser.h>
#include <stdio.h>

enum { CELL_MAX = 48, NUMBER_MAX = 16 };

void text_head_print(const struct options *options, const struct results *results)
{
	struct machine machine;

	machine_read(&machine);
	printf("hawser-bench connect%s: hawser %s, %s, %s\n", options->traced ? " --traced" : "",
	    hawser_version(), machine.kernel, machine.processor);
	if (results->client_cpu == results->server_cpu)
		printf("client and server share a CPU, ");
	else
		printf("client on CPU %d, server on CPU %d, ", results->client_cpu, results->server_cpu);
	printf("load %.1f; %u passes in %.1f s", results->load, results->passes, results->seconds);
	if (results->passes < options->passes)
		printf(" (of %u: --seconds-max)", options->passes);
	printf("\n");
}

static void how_to_print(void)
{
	printf("How to read: ns for one connect as median p10..p90 of the slices; x as ratio of medians, "
	       "p10..p90 of the pairs side by side.\n");
}

/* At most seven characters, so that a column keeps its width on a machine that does much else. */
static const char *ns_text(char text[NUMBER_MAX], double ns)
{
	snprintf(text, NUMBER_MAX, ns < 1e7 - 1 ? "%.0f" : "%.1e", ns);
	return text;
}

/* At most four, below 10,000. */
static const char *ratio_text(char text[NUMBER_MAX], double ratio)
{
	snprintf(text, NUMBER_MAX, "%.*f", ratio < 9.99 ? 2 : ratio < 99.9 ? 1 : 0, ratio);
	return text;
}

void text_spread_print(struct spread spread)
{
	char range[CELL_MAX], p10[NUMBER_MAX], p50[NUMBER_MAX], p90[NUMBER_MAX];

	snprintf(range, sizeof(range), "%s..%s", ns_text(p10, spread.p10), ns_text(p90, spread.p90));
	printf("%7s %-16s", ns_text(p50, spread.p50), range);
}

void text_ratio_print(struct ratio ratio)
{
	char range[CELL_MAX], p10[NUMBER_MAX], p90[NUMBER_MAX];

	snprintf(range, sizeof(range), "%s..%s", ratio_text(p10, ratio.pairs.p10),
	    ratio_text(p90, ratio.pairs.p90));
	printf("%8.2f %-10s", ratio.of_medians, range);
}

static const struct comparison *comparison_of(enum variant_key key)
{
	for (int i = 0; i < COMPARISONS_WITH_BAR; i++)
		if (comparisons[i].of == key)
			return &comparisons[i];
	return NULL;
}

static void row_print(const struct contest *contest, const struct results *results, enum variant_key key)
{
	const struct comparison *comparison = comparison_of(key);

	printf("  %-24s", variants[key].title);
	text_spread_print(spread_of(contest->samples[key].wall, results->passes));
	text_spread_print(spread_of(contest->samples[key].cpu, results->passes));
	printf("%7.2f", cpu_ratio(contest, results, key, VARIANT_BARE_URING).of_medians);
	if (comparison) {
		text_ratio_print(wall_ratio(contest, results, key, comparison->over));
		text_ratio_print(cpu_ratio(contest, results, key, comparison->over));
	}
	printf("\n");
}

static void contest_print(const struct contest *contest, const struct results *results)
{
	char title[CELL_MAX];

	snprintf(
	    title, sizeof(title), "%s, %u in flight", contest->slice.endpoint->name, contest->slice.depth);
	printf("\n%-26s%7s %-16s%7s %-16s%7s%8s %-12s%6s %s\n", title, "wall ns", "p10..p90", "CPU ns",
	    "p10..p90", "x floor", "x bare", "(wall)", "x bare", "(CPU)");
	for (int key = 0; key < VARIANTS; key++)
		row_print(contest, results, (enum variant_key)key);
}

static void verdict_print(double value, double bar, int decimals)
{
	if (value <= bar)
		printf("  PASS\n");
	else
		printf("  over by %.*f\n", decimals, value - bar);
}

static void bar_print(const struct comparison *comparison, const struct results *results)
{
	double worst = 0;

	printf("  %s, at most %.2fx of %s:", variants[comparison->of].title, comparison->bar,
	    variants[comparison->over].name);
	for (uint32_t i = 0; i < results->contests_count; i++) {
		const struct contest *contest = &results->contests[i];
		double ratio = cpu_ratio(contest, results, comparison->of, comparison->over).of_medians;

		printf("%s %s %u %.2f", i ? "," : "", contest->slice.endpoint->name, contest->slice.depth,
		    ratio);
		worst = ratio > worst ? ratio : worst;
	}
	verdict_print(worst, comparison->bar, 2);
}

static void memory_print(const struct memory_result *memory)
{
	printf("  hawser, %s, at most %d bytes of its memory for an idle connected client: %.0f (%u of them)",
	    memory->engine, MEMORY_BAR, memory->bytes_per_client, memory->clients);
	verdict_print(memory->bytes_per_client, MEMORY_BAR, 0);
}

void report_text(const struct options *options, const struct results *results)
{
	text_head_print(options, results);
	how_to_print();
	for (uint32_t i = 0; i < results->contests_count; i++)
		contest_print(&results->contests[i], results);
	printf("\nBars, by CPU time, which other programs on the machine stretch less than wall time\n");
	for (int i = 0; i < COMPARISONS_WITH_BAR; i++)
		bar_print(&comparisons[i], results);
	for (int engine = 0; engine < ENGINE_KINDS; engine++)
		memory_print(&results->memory[engine]);
}
