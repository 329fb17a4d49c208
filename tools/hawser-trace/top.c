/* SPDX-License-Identifier: MIT
 *
 * `hawser-trace top`: destinations by the number of connects to them, then by failures: how many connected,
 * why the others did not, and how long those took that did. With --failures, only destinations that failed.
 */
#include "show.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { CAUSES_SHOWN = 3, ROWS_FIRST = 64, CELL_BYTES = 192 };

struct row {
	struct hawser_trace_destination_key key;
	uint64_t causes[HAWSER_TRACE_CAUSES];
	uint64_t attempts;
	uint64_t failures;
	uint64_t p50_ns;
	uint64_t p99_ns;
	char destination[CELL_BYTES];
	char why[CELL_BYTES]; /* failures, the most frequent cause first */
};

struct table {
	struct row *rows; /* at most as many as the kernel's map holds */
	size_t count;
	size_t room;
	bool failures_only;
	bool many_networks;
};

static void destination_name(
    const struct hawser_trace_destination_key *key, const char *path, char text[CELL_BYTES])
{
	struct hawser_trace_record record = {.family = key->family, .destination_port = key->port};

	if (!key->family) {
		snprintf(text, CELL_BYTES, "other destinations");
		return;
	}
	memcpy(record.destination, key->address, sizeof(record.destination));
	memcpy(record.path, path, sizeof(record.path));
	hawser_trace_destination_text(&record, text, CELL_BYTES);
}

static void count_row(struct row *row, const struct hawser_trace_destination *destination)
{
	for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++) {
		row->causes[cause] = destination->causes[cause];
		row->attempts += row->causes[cause];
	}
	row->failures = row->attempts - row->causes[HAWSER_TRACE_OK];
	row->p50_ns = hawser_trace_quantile_ns(&destination->connected, 500);
	row->p99_ns = hawser_trace_quantile_ns(&destination->connected, 990);
}

/* "12 refused, 3 timeout, ..." */
static void name_failures(struct row *row)
{
	uint64_t left[HAWSER_TRACE_CAUSES];
	size_t used = 0;

	memcpy(left, row->causes, sizeof(left));
	left[HAWSER_TRACE_OK] = 0;
	row->why[0] = '\0';
	for (unsigned shown = 0; shown <= CAUSES_SHOWN; shown++) {
		unsigned most = 0;

		for (unsigned cause = 1; cause < HAWSER_TRACE_CAUSES; cause++)
			if (left[cause] > left[most])
				most = cause;
		if (!left[most])
			return;
		if (shown == CAUSES_SHOWN)
			snprintf(row->why + used, sizeof(row->why) - used, ", ...");
		else
			used += (size_t)snprintf(row->why + used, sizeof(row->why) - used, "%s%" PRIu64 " %s",
			    shown ? ", " : "", left[most], hawser_trace_cause_name(most));
		left[most] = 0;
	}
}

static int on_destination(const struct hawser_trace_destination_key *key,
    const struct hawser_trace_destination *destination, void *user)
{
	struct table *table = user;
	struct row row = {.key = *key};
	struct row *rows;

	count_row(&row, destination);
	if (!row.attempts || (table->failures_only && !row.failures))
		return 0;
	if (table->count == table->room) {
		rows = reallocarray(table->rows, table->room ? table->room * 2 : ROWS_FIRST, sizeof(*rows));
		if (!rows)
			return -ENOMEM;
		table->rows = rows;
		table->room = table->room ? table->room * 2 : ROWS_FIRST;
	}
	destination_name(key, destination->path, row.destination);
	name_failures(&row);
	if (table->count && key->family && key->netns != table->rows[0].key.netns)
		table->many_networks = true;
	table->rows[table->count++] = row;
	return 0;
}

static int compare(const void *left, const void *right)
{
	const struct row *a = left, *b = right;

	if (a->attempts != b->attempts)
		return a->attempts < b->attempts ? 1 : -1;
	if (a->failures != b->failures)
		return a->failures < b->failures ? 1 : -1;
	return strcmp(a->destination, b->destination);
}

static void print_json(const struct row *row)
{
	const char *separator = "";

	fputs("{\"destination\":", stdout);
	json_string(stdout, row->destination);
	printf(",\"family\":%u,\"netns\":%u,\"attempts\":%" PRIu64 ",\"ok\":%" PRIu64 ",\"failed\":%" PRIu64,
	    row->key.family, row->key.netns, row->attempts, row->causes[HAWSER_TRACE_OK], row->failures);
	fputs(",\"failures\":{", stdout);
	for (unsigned cause = HAWSER_TRACE_OK + 1; cause < HAWSER_TRACE_CAUSES; cause++) {
		if (!row->causes[cause])
			continue;
		printf("%s\"%s\":%" PRIu64, separator, hawser_trace_cause_name(cause), row->causes[cause]);
		separator = ",";
	}
	printf("},\"p50_ns\":%" PRIu64 ",\"p99_ns\":%" PRIu64 "}\n", row->p50_ns, row->p99_ns);
}

/* The same address in two networks is two destinations. */
static void name_networks(struct table *table)
{
	size_t length;

	for (size_t i = 0; table->many_networks && i < table->count; i++) {
		struct row *row = &table->rows[i];

		length = strlen(row->destination);
		if (row->key.family)
			snprintf(row->destination + length, sizeof(row->destination) - length, " (netns %u)",
			    row->key.netns);
	}
}

static void print_table(const struct screen *screen, const struct table *table)
{
	size_t shown = table->count < screen->rows_max ? table->count : screen->rows_max;
	bool colour = screen->arguments->colour;
	FILE *file = screen->file;
	int destination = (int)strlen("DESTINATION"), why = (int)strlen("FAILURES");

	for (size_t i = 0; i < shown; i++) {
		int length = cells_width(words_tame(table->rows[i].destination));

		length = length > CELLS_DESTINATION_MAX ? CELLS_DESTINATION_MAX : length;
		destination = length > destination ? length : destination;
		length = (int)strlen(table->rows[i].why);
		why = length > why ? length : why;
	}
	fprintf(file, "%-*s %9s %9s  %-*s %8s %8s\n", destination, "DESTINATION", "ATTEMPTS", "OK", why,
	    "FAILURES", "P50", "P99");
	for (size_t i = 0; i < shown; i++) {
		const struct row *row = &table->rows[i];
		char p50[WORDS_DURATION_BYTES], p99[WORDS_DURATION_BYTES];

		cells_put(file, row->destination, destination);
		fprintf(file, " %9" PRIu64 " %9" PRIu64 "  %s%-*s%s %8s %8s\n", row->attempts,
		    row->causes[HAWSER_TRACE_OK], colour && row->failures ? "\033[31m" : "", why,
		    row->why[0] ? row->why : "-", colour && row->failures ? "\033[0m" : "",
		    words_duration(row->p50_ns, p50), words_duration(row->p99_ns, p99));
	}
	if (shown < table->count)
		fprintf(file, "and %zu destination%s more\n", table->count - shown,
		    table->count - shown == 1 ? "" : "s");
}

static int show(const struct screen *screen)
{
	struct table table = {.failures_only = screen->arguments->options.config.failures_only};
	int result = hawser_trace_destinations_read(screen->trace, on_destination, &table);

	if (table.count)
		qsort(table.rows, table.count, sizeof(*table.rows), compare);
	if (result >= 0 && screen->arguments->json) {
		for (size_t i = 0; i < table.count; i++)
			print_json(&table.rows[i]);
	} else if (result >= 0) {
		name_networks(&table);
		print_table(screen, &table);
	}
	free(table.rows);
	return result;
}

int command_top(const struct arguments *arguments)
{
	return screen_run(arguments, true, show);
}
