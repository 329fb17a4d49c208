/* SPDX-License-Identifier: MIT
 *
 * The report's facts: what is compared with what, the bars, the machine. How it looks is in report_text.c and
 * report_json.c. What the machine does not tell is "unknown", which is no failure.
 */
#include "report.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

const struct comparison comparisons[COMPARISONS] = {
    {VARIANT_HAWSER_URING, VARIANT_BARE_URING_GUARDED, 1.15},
    {VARIANT_HAWSER_EPOLL, VARIANT_BARE_EPOLL, 1.15},
    {VARIANT_HAWSER_URING, VARIANT_BARE_URING, 0},
    {VARIANT_HAWSER_EPOLL, VARIANT_BARE_URING, 0},
};

static void processor_read(char *text, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[256];

	snprintf(text, size, "unknown processor");
	while (file && fgets(line, sizeof(line), file)) {
		const char *value = strstr(line, ": ");

		if (strncmp(line, "model name", strlen("model name")) != 0 || !value)
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(text, size, "%s", value + 2);
		break;
	}
	if (file)
		fclose(file);
}

void machine_read(struct machine *ret_machine)
{
	struct utsname name;

	processor_read(ret_machine->processor, sizeof(ret_machine->processor));
	if (uname(&name) < 0)
		snprintf(ret_machine->kernel, sizeof(ret_machine->kernel), "unknown kernel");
	else
		snprintf(
		    ret_machine->kernel, sizeof(ret_machine->kernel), "%s %s", name.sysname, name.release);
}

struct ratio wall_ratio(
    const struct contest *contest, const struct results *results, enum variant_key of, enum variant_key over)
{
	return ratio_of(contest->samples[of].wall, contest->samples[over].wall, results->passes);
}

struct ratio cpu_ratio(
    const struct contest *contest, const struct results *results, enum variant_key of, enum variant_key over)
{
	return ratio_of(contest->samples[of].cpu, contest->samples[over].cpu, results->passes);
}

bool bars_are_held(const struct results *results)
{
	bool held = true;

	for (uint32_t i = 0; i < results->contests_count; i++)
		for (int j = 0; j < COMPARISONS_WITH_BAR; j++) {
			const struct comparison *comparison = &comparisons[j];
			struct ratio ratio =
			    cpu_ratio(&results->contests[i], results, comparison->of, comparison->over);

			held = held && ratio.of_medians <= comparison->bar;
		}
	for (int engine = 0; engine < ENGINE_KINDS; engine++)
		held = held && results->memory[engine].bytes_per_client <= MEMORY_BAR;
	return held;
}
