/* SPDX-License-Identifier: MIT
 *
 * `hawser-trace inflight`: connects that have begun and not ended, the oldest first, with their owners. Those
 * that began before the tool was started are not known to it. --min-ms leaves the younger ones out.
 */
#include "show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_FIRST = 64 };

struct table {
	struct hawser_trace_record *rows;
	size_t count;
	size_t room;
	size_t max; /* the kernel's table may change so fast that reading it begins again and again */
	uint64_t minimum_ns;
};

static int on_connect(const struct hawser_trace_record *record, void *user)
{
	struct table *table = user;
	struct hawser_trace_record *rows;

	if (record->total_ns < table->minimum_ns)
		return 0;
	if (table->count == table->max)
		return -EOVERFLOW;
	if (table->count == table->room) {
		rows = reallocarray(table->rows, table->room ? table->room * 2 : ROWS_FIRST, sizeof(*rows));
		if (!rows)
			return -ENOMEM;
		table->rows = rows;
		table->room = table->room ? table->room * 2 : ROWS_FIRST;
	}
	table->rows[table->count++] = *record;
	return 0;
}

static int compare(const void *left, const void *right)
{
	const struct hawser_trace_record *a = left, *b = right;

	if (a->start_ns != b->start_ns)
		return a->start_ns < b->start_ns ? -1 : 1;
	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return a->user_data < b->user_data ? -1 : a->user_data > b->user_data;
}

/* A table that is read while it changes may hand over a connect twice. */
static void drop_doubles(struct table *table)
{
	size_t kept = 0;

	for (size_t i = 0; i < table->count; i++)
		if (!kept || compare(&table->rows[kept - 1], &table->rows[i]) != 0)
			table->rows[kept++] = table->rows[i];
	table->count = kept;
}

static void print_json(const struct hawser_trace_record *record)
{
	char destination[160], target[HAWSER_TRACE_TARGET_BYTES + 1], comm[HAWSER_TRACE_COMM_BYTES + 1];

	snprintf(comm, sizeof(comm), "%.*s", HAWSER_TRACE_COMM_BYTES, record->comm);
	snprintf(target, sizeof(target), "%.*s", HAWSER_TRACE_TARGET_BYTES, record->target);
	printf("{\"age_ns\":%" PRIu64 ",\"start_ns\":%" PRIu64 ",\"layer\":\"%s\",\"pid\":%u,\"tid\":%u,"
	       "\"uid\":%u,\"netns\":%u,\"comm\":",
	    record->total_ns, record->start_ns, hawser_trace_layer_name(record->layer), record->tgid,
	    record->pid, record->uid, record->netns);
	json_string(stdout, comm);
	fputs(",\"destination\":", stdout);
	json_string(stdout, hawser_trace_destination_text(record, destination, sizeof(destination)));
	printf(
	    ",\"syn_retransmits\":%u,\"deadline_ns\":%" PRIu64, record->syn_retransmits, record->deadline_ns);
	if (record->flags & HAWSER_TRACE_HAS_TAG) {
		printf(",\"client\":%" PRIu64 ",\"attempt\":%u,\"target\":", record->client, record->attempt);
		json_string(stdout, target);
	}
	puts("}");
}

static void print_row(FILE *file, const struct hawser_trace_record *record)
{
	char age[WORDS_DURATION_BYTES], deadline[WORDS_DURATION_BYTES], destination[160],
	    target[HAWSER_TRACE_TARGET_BYTES + 1], comm[HAWSER_TRACE_COMM_BYTES + 1];

	snprintf(comm, sizeof(comm), "%.*s", HAWSER_TRACE_COMM_BYTES, record->comm);
	hawser_trace_destination_text(record, destination, sizeof(destination));
	fprintf(file, "%8s %7u ", words_duration(record->total_ns, age), record->tgid);
	cells_put(file, words_tame(comm), 15);
	fprintf(file, " %-7s %3u %8s %s", hawser_trace_layer_name(record->layer),
	    record->syn_retransmits + !!(record->flags & HAWSER_TRACE_SYN_SENT),
	    words_duration(record->deadline_ns, deadline), words_tame(destination));
	if (record->flags & HAWSER_TRACE_HAS_TAG) {
		snprintf(target, sizeof(target), "%.*s", HAWSER_TRACE_TARGET_BYTES, record->target);
		fprintf(file, " [%s #%" PRIu64 " attempt %u]", words_tame(target), record->client,
		    record->attempt);
	}
	fputc('\n', file);
}

static void print_table(const struct screen *screen, const struct table *table)
{
	size_t shown = table->count < screen->rows_max ? table->count : screen->rows_max;

	fprintf(screen->file, "%8s %7s %-15s %-7s %3s %8s %s\n", "AGE", "PID", "COMM", "LAYER", "SYN",
	    "DEADLINE", "DESTINATION");
	for (size_t i = 0; i < shown; i++)
		print_row(screen->file, &table->rows[i]);
	if (shown < table->count)
		fprintf(screen->file, "and %zu connect%s more\n", table->count - shown,
		    table->count - shown == 1 ? "" : "s");
}

static int show(const struct screen *screen)
{
	const struct hawser_trace_options *options = &screen->arguments->options;
	struct table table = {
	    .max = (size_t)options->inflight_max * 2, .minimum_ns = options->config.minimum_ns};
	int result = hawser_trace_inflight_read(screen->trace, on_connect, &table);

	if (result == -EOVERFLOW)
		result = 0;
	if (table.count)
		qsort(table.rows, table.count, sizeof(*table.rows), compare);
	drop_doubles(&table);
	if (result >= 0 && screen->arguments->json) {
		for (size_t i = 0; i < table.count; i++)
			print_json(&table.rows[i]);
	} else if (result >= 0) {
		print_table(screen, &table);
	}
	free(table.rows);
	return result;
}

int command_inflight(const struct arguments *arguments)
{
	return screen_run(arguments, true, show);
}
