/* SPDX-License-Identifier: MIT
 *
 * What a person reads: a line for each thing that happens, with the time since the start, and the table at
 * the end.
 */
#include "demo.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static uint64_t began_ns;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static bool in_colour(void)
{
	static int known = -1;

	if (known < 0)
		known = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	return known;
}

void say_begin(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	began_ns = now_ns();
}

void say(const char *who, const char *format, ...)
{
	va_list arguments;

	printf(in_colour() ? "\033[2m%7.3f s\033[0m  \033[1m%-8s\033[0m " : "%7.3f s  %-8s ",
	    (double)(now_ns() - began_ns) / 1e9, who);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

struct samples {
	uint64_t *ns;
	unsigned count;
};

static struct samples gather(const struct row *row, bool bound)
{
	struct samples all = {calloc(row->count * SAMPLES_MAX, sizeof(uint64_t)), 0};

	for (unsigned i = 0; all.ns && i < row->count; i++) {
		const struct actor *actor = &row->actors[i];
		unsigned count = bound ? actor->bound_count : actor->ready_count;

		for (unsigned j = 0; j < count; j++)
			all.ns[all.count++] = bound ? actor->bound_ns[j] : actor->ready_ns[j];
	}
	if (all.count)
		qsort(all.ns, all.count, sizeof(uint64_t), compare);
	return all;
}

uint64_t table_percentile(const uint64_t *samples, unsigned count, unsigned percent)
{
	unsigned rank = (count * percent + 99) / 100;

	return samples[rank ? rank - 1 : 0];
}

static void percentile(const struct samples *all, unsigned percent, char text[16])
{
	if (all->count == 0)
		snprintf(text, 16, "-");
	else
		snprintf(text, 16, "%.1f ms", (double)table_percentile(all->ns, all->count, percent) / 1e6);
}

static void print_row(const struct row *row)
{
	struct samples ready = gather(row, false);
	struct samples bound = gather(row, true);
	uint64_t attempts = 0, losses = 0, rebinds = 0;
	char p50[16], p99[16], bound50[16];
	const struct actor *last = &row->actors[row->count - 1];

	for (unsigned i = 0; i < row->count; i++) {
		struct hawser_status status = {.size = sizeof(status)};

		if (hawser_client_status(row->actors[i].client, &status) < 0)
			continue;
		attempts += status.attempt;
		losses += status.losses;
		rebinds += status.rebinds;
	}
	percentile(&ready, 50, p50);
	percentile(&ready, 99, p99);
	percentile(&bound, 50, bound50);
	printf("  %-16s %8llu %12s %12s %12s %7llu %8llu   %s%s%s\n", row->name, (unsigned long long)attempts,
	    p50, p99, bound50, (unsigned long long)losses, (unsigned long long)rebinds,
	    last->last.code ? hawser_errno_name(last->last.code) : "-", last->last.code ? " at " : "",
	    last->last.code ? hawser_stage_name(last->last.stage) : "");
	free(ready.ns);
	free(bound.ns);
}

void table_print(const struct row *rows, unsigned count)
{
	printf("\n  %-16s %8s %12s %12s %12s %7s %8s   %s\n", "client", "attempts", "ready p50", "ready p99",
	    "bound p50", "losses", "re-binds", "last failure");
	printf("  %.*s\n", 102,
	    "------------------------------------------------------------------------------------------------"
	    "--------------");
	for (unsigned i = 0; i < count; i++)
		print_row(&rows[i]);
	printf("\n  ready and bound: from the wish, or the loss, to the event. The host was away most of "
	       "that time.\n");
}
