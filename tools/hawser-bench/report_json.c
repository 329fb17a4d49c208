/* SPDX-License-Identifier: MIT
 *
 * The report for programs: one JSON object on one line.
 */
#include "report.h"

#include <hawser/hawser.h>
#include <stdio.h>

static void text_print(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		if ((unsigned char)*text >= ' ')
			putchar(*text);
	}
	putchar('"');
}

void json_spread_print(const char *name, struct spread spread)
{
	printf(
	    "\"%s\":{\"p10\":%.1f,\"median\":%.1f,\"p90\":%.1f}", name, spread.p10, spread.p50, spread.p90);
}

void json_ratio_print(const char *name, struct ratio ratio)
{
	printf("\"%s\":{\"of_medians\":%.4f,\"pairs\":{\"p10\":%.4f,\"median\":%.4f,\"p90\":%.4f}}", name,
	    ratio.of_medians, ratio.pairs.p10, ratio.pairs.p50, ratio.pairs.p90);
}

void json_head_print(const struct options *options, const struct results *results)
{
	struct machine machine;

	machine_read(&machine);
	printf("{\"benchmark\":\"connect\",\"version\":\"%s\",\"kernel\":", hawser_version());
	text_print(machine.kernel);
	printf(",\"processor\":");
	text_print(machine.processor);
	printf(",\"client_cpu\":%d,\"server_cpu\":%d,\"load\":%.2f,\"passes\":%u,\"passes_asked\":%u,"
	       "\"seconds\":%.3f",
	    results->client_cpu, results->server_cpu, results->load, results->passes, options->passes,
	    results->seconds);
}

static void contest_head_print(const struct contest *contest, const char *separator)
{
	printf("%s{\"family\":\"%s\",\"depth\":%u,\"connects\":%u,", separator, contest->slice.endpoint->name,
	    contest->slice.depth, contest->slice.connects);
}

static void results_print(const struct results *results)
{
	printf(",\"results\":[");
	for (uint32_t i = 0; i < results->contests_count; i++)
		for (int key = 0; key < VARIANTS; key++) {
			const struct samples *samples = &results->contests[i].samples[key];

			contest_head_print(&results->contests[i], i + (uint32_t)key ? "," : "");
			printf("\"variant\":\"%s\",", variants[key].name);
			json_spread_print("wall_ns", spread_of(samples->wall, results->passes));
			printf(",");
			json_spread_print("cpu_ns", spread_of(samples->cpu, results->passes));
			printf("}");
		}
	printf("]");
}

static void comparison_print(
    const struct contest *contest, const struct results *results, const struct comparison *comparison)
{
	struct ratio cpu = cpu_ratio(contest, results, comparison->of, comparison->over);

	printf(
	    "\"of\":\"%s\",\"over\":\"%s\",", variants[comparison->of].name, variants[comparison->over].name);
	json_ratio_print("wall", wall_ratio(contest, results, comparison->of, comparison->over));
	printf(",");
	json_ratio_print("cpu", cpu);
	if (comparison->bar > 0)
		printf(",\"bar\":%.2f,\"held\":%s", comparison->bar,
		    cpu.of_medians <= comparison->bar ? "true" : "false");
	printf("}");
}

static void ratios_print(const struct results *results)
{
	printf(",\"ratios\":[");
	for (uint32_t i = 0; i < results->contests_count; i++)
		for (int j = 0; j < COMPARISONS; j++) {
			contest_head_print(&results->contests[i], i + (uint32_t)j ? "," : "");
			comparison_print(&results->contests[i], results, &comparisons[j]);
		}
	printf("]");
}

static void memory_print(const struct results *results)
{
	printf(",\"memory\":[");
	for (int engine = 0; engine < ENGINE_KINDS; engine++) {
		const struct memory_result *memory = &results->memory[engine];

		printf(
		    "%s{\"engine\":\"%s\",\"clients\":%u,\"bytes_per_client\":%.1f,\"bar\":%d,\"held\":%s}",
		    engine ? "," : "", memory->engine, memory->clients, memory->bytes_per_client, MEMORY_BAR,
		    memory->bytes_per_client <= MEMORY_BAR ? "true" : "false");
	}
	printf("]");
}

void report_json(const struct options *options, const struct results *results)
{
	json_head_print(options, results);
	results_print(results);
	ratios_print(results);
	memory_print(results);
	printf(",\"bars_held\":%s}\n", bars_are_held(results) ? "true" : "false");
}
