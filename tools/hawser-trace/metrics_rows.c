/* SPDX-License-Identifier: MIT
 *
 * Destinations as rows of a table that does not grow: every label of a metric is a series that Prometheus
 * keeps, so that only a limited number of destinations is named and the others are summed up. The kernel has
 * a limit and a sum of its own, which joins in.
 */
#include "metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int metrics_rows_open(struct metrics_rows *rows, unsigned max)
{
	struct metrics_row *table = calloc(max ? max : 1, sizeof(*table));

	if (!table)
		return -ENOMEM;
	*rows = (struct metrics_rows){.rows = table, .max = max};
	return 0;
}

void metrics_rows_close(struct metrics_rows *rows)
{
	free(rows->rows);
	rows->rows = NULL;
}

static void name_path(struct metrics_row *row, const char *path)
{
	size_t used = 0;

	for (unsigned i = 0; i < HAWSER_TRACE_PATH_BYTES && path[i]; i++) {
		unsigned char c = (unsigned char)path[i];
		bool plain = c >= ' ' && c < 0x7f;

		used +=
		    (size_t)snprintf(row->name + used, sizeof(row->name) - used, plain ? "%c" : "\\x%02x", c);
	}
}

void metrics_row_name(struct metrics_row *row, const struct hawser_trace_destination_key *key,
    const struct hawser_trace_destination *destination)
{
	char host[INET6_ADDRSTRLEN] = "?";

	row->netns = key->netns;
	if (key->family == AF_INET || key->family == AF_INET6) {
		inet_ntop(key->family, key->address, host, sizeof(host));
		snprintf(row->name, sizeof(row->name), key->family == AF_INET6 ? "[%s]:%u" : "%s:%u", host,
		    key->port);
	} else if (key->family == AF_UNIX && destination->path[0]) {
		name_path(row, destination->path);
	} else {
		snprintf(row->name, sizeof(row->name), "%s", key->family ? "unnamed" : "");
	}
}

static uint64_t connects_of(const struct metrics_row *row)
{
	uint64_t sum = 0;

	for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++)
		sum += row->numbers.causes[cause];
	return sum;
}

static int by_size(const void *left, const void *right)
{
	uint64_t a = connects_of(left), b = connects_of(right);

	return a == b ? 0 : a > b ? -1 : 1;
}

static void histogram_add(struct hawser_trace_histogram *sum, const struct hawser_trace_histogram *part)
{
	sum->count += part->count;
	sum->sum_ns += part->sum_ns;
	for (unsigned i = 0; i < HAWSER_TRACE_SLOTS; i++)
		sum->slots[i] += part->slots[i];
}

static void row_add(struct metrics_row *row, const struct metrics_row *part)
{
	for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++)
		row->numbers.causes[cause] += part->numbers.causes[cause];
	histogram_add(&row->numbers.connected, &part->numbers.connected);
}

/* Its own row, a new one while there are any, or `other`. */
static struct metrics_row *row_for(struct metrics_rows *rows, const struct metrics_row *seen)
{
	struct metrics_row *row;

	for (unsigned i = 0; i < rows->count; i++) {
		row = &rows->rows[i];
		if (row->netns == seen->netns && strcmp(row->name, seen->name) == 0)
			return row;
	}
	if (!seen->name[0] || rows->count == rows->max) {
		rows->has_other = true;
		return &rows->other;
	}
	row = &rows->rows[rows->count++];
	memcpy(row->name, seen->name, sizeof(row->name));
	row->netns = seen->netns;
	return row;
}

void metrics_rows_update(struct metrics_rows *rows, struct metrics_row *seen, unsigned seen_count)
{
	for (unsigned i = 0; i < rows->count; i++)
		memset(&rows->rows[i].numbers, 0, sizeof(rows->rows[i].numbers));
	memset(&rows->other.numbers, 0, sizeof(rows->other.numbers));
	if (seen_count)
		qsort(seen, seen_count, sizeof(*seen), by_size);
	for (unsigned i = 0; i < seen_count; i++)
		row_add(row_for(rows, &seen[i]), &seen[i]);
}
