/* SPDX-License-Identifier: MIT
 *
 * The report for people: machine and kernel, how to read it, a block for each contest, the bars.
 */
#include "report.h"

#include <hawser/hawser.h>
#include <stdio.h>

enum { COLUMN_MAX = 64 };

static void head_print(const struct options *options, const struct results *results)
{
	struct machine machine;

	machine_read(&machine);
	printf(
	    "hawser-bench connect: hawser %s, %s, %s\n", hawser_version(), machine.kernel, machine.processor);
	if (results->client_cpu == results->server_cpu)
		printf("client and server share a CPU, ");
	else
		printf("client on CPU %d, server on CPU %d, ", results->client_cpu, results->server_cpu);
	printf("load %.1f; %u passes in %.1f s", results->load, results->passes, results->seconds);
	if (results->passes < options->passes)
		printf(" (of %u: --seconds-max)", options->passes);
	printf("\nHow to read: ns for one connect, the median slice and p10..p90; x is a ratio of medians, "
	       "p10..p90 of the pairs that ran side by side.\n");
}

static void spread_print(struct spread spread)
{
	printf("  %7.0f %7.0f..%-7.0f", spread.p50, spread.p10, spread.p90);
}

static const struct comparison *comparison_of(enum variant_key key)
{
	for (int i = 0; i < COMPARISONS_WITH_BAR; i++)
		if (comparisons[i].of == key)
			return &comparisons[i];
	return NULL;
}

static void ratio_print(const struct contest *contest, const struct results *results, enum variant_key key)
{
	const struct comparison *comparison = comparison_of(key);
	struct ratio wall;
	struct ratio cpu;

	if (!comparison)
		return;
	wall = wall_ratio(contest, results, key, comparison->over);
	cpu = cpu_ratio(contest, results, key, comparison->over);
	printf("  %5.2f %4.2f..%-4.2f  %5.2f %4.2f..%-4.2f", wall.of_medians, wall.pairs.p10, wall.pairs.p90,
	    cpu.of_medians, cpu.pairs.p10, cpu.pairs.p90);
}

static void contest_print(const struct contest *contest, const struct results *results)
{
	char title[COLUMN_MAX];

	snprintf(
	    title, sizeof(title), "%s, %u in flight", contest->slice.endpoint->name, contest->slice.depth);
	printf("\n%-26s  %-25s%-25s%6s   %-18s%s\n", title, "   wall ns", "   CPU ns", "floor",
	    "x bare: wall", "CPU");
	for (int key = 0; key < VARIANTS; key++) {
		printf("  %-24s", variants[key].title);
		spread_print(spread_of(contest->samples[key].wall, results->passes));
		spread_print(spread_of(contest->samples[key].cpu, results->passes));
		printf("  %5.2f",
		    cpu_ratio(contest, results, (enum variant_key)key, VARIANT_BARE_URING).of_medians);
		ratio_print(contest, results, (enum variant_key)key);
		printf("\n");
	}
}

static void bar_print(const struct comparison *comparison, const struct results *results)
{
	double worst = 0;

	for (uint32_t i = 0; i < results->contests_count; i++) {
		const struct contest *contest = &results->contests[i];
		double ratio = cpu_ratio(contest, results, comparison->of, comparison->over).of_medians;

		printf("  %s %u: %.2f", contest->slice.endpoint->name, contest->slice.depth, ratio);
		worst = ratio > worst ? ratio : worst;
	}
	if (worst <= comparison->bar)
		printf("  PASS\n");
	else
		printf("  over (by %.2f)\n", worst - comparison->bar);
}

static void bars_print(const struct results *results)
{
	printf("\nBars (wall)\n");
	for (int i = 0; i < COMPARISONS_WITH_BAR; i++) {
		printf("  %-16s <= %.2fx %-18s", variants[comparisons[i].of].title, comparisons[i].bar,
		    variants[comparisons[i].over].name);
		bar_print(&comparisons[i], results);
	}
	for (int engine = 0; engine < ENGINE_KINDS; engine++) {
		const struct memory_result *memory = &results->memory[engine];

		printf("  memory, %-8s <= %d bytes of the library for a connected idle client:  %.0f (%u "
		       "clients)  ",
		    memory->engine, MEMORY_BAR, memory->bytes_per_client, memory->clients);
		if (memory->bytes_per_client <= MEMORY_BAR)
			printf("PASS\n");
		else
			printf("over (by %.0f)\n", memory->bytes_per_client - MEMORY_BAR);
	}
}

void report_text(const struct options *options, const struct results *results)
{
	head_print(options, results);
	for (uint32_t i = 0; i < results->contests_count; i++)
		contest_print(&results->contests[i], results);
	bars_print(results);
}
