/* SPDX-License-Identifier: MIT
 *
 * Reading the connects in flight, some hundred at once: the kernel goes from bucket to bucket of its table,
 * so that a row is handed over once at most, and the reading ends, however many come and go meanwhile. One
 * that begins or ends while it is read may be in it or not. Failures: no memory (-ENOMEM), and what the
 * kernel answers.
 */
#include "trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS_AT_ONCE = 256 };

struct batch {
	struct bpf_map_info map;
	uint32_t rows; /* there is room for so many */
	char *keys;
	char *values;
	uint32_t count; /* there are so many now */
	uint64_t place; /* where the next begins, in the kernel's terms */
	bool begun;
	bool last;
};

static int batch_make(struct batch *batch, uint32_t rows)
{
	free(batch->keys);
	batch->rows = rows;
	batch->keys = malloc((size_t)rows * ((size_t)batch->map.key_size + batch->map.value_size));
	batch->values = batch->keys + (size_t)rows * batch->map.key_size;
	return batch->keys ? 0 : -ENOMEM;
}

static int batch_next(int map, struct batch *batch)
{
	int result;

	do {
		batch->count = batch->rows;
		result = bpf_map_lookup_batch(map, batch->begun ? &batch->place : NULL, &batch->place,
		    batch->keys, batch->values, &batch->count, NULL);
		if (result != -ENOSPC)
			break;
		/* A bucket has more rows than there is room for; no bucket has more than the table. */
		if (batch->rows > batch->map.max_entries)
			return -ENOSPC;
		result = batch_make(batch, batch->rows * 2);
		if (result < 0)
			return result;
	} while (true);
	batch->begun = true;
	batch->last = result == -ENOENT;
	return batch->last ? 0 : result;
}

/* Rows of histogram mode, of which some are free, begin like a record and do not go on so. */
static void record_fill(struct hawser_trace_record *ret_record, const struct batch *batch, const char *row)
{
	struct hawser_trace_record record = {0};
	struct timespec now;

	if (batch->map.type == BPF_MAP_TYPE_ARRAY)
		memcpy(&record.start_ns, row, sizeof(record.start_ns));
	else
		memcpy(&record, row, sizeof(record));
	clock_gettime(CLOCK_MONOTONIC, &now);
	record.total_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec - record.start_ns;
	*ret_record = record;
}

static int batch_hand_over(const struct batch *batch, hawser_trace_record_function function, void *user)
{
	struct hawser_trace_record record;
	int result = 0;

	for (uint32_t i = 0; i < batch->count && result >= 0; i++) {
		record_fill(&record, batch, batch->values + (size_t)i * batch->map.value_size);
		if (record.start_ns) /* else it is free, or just beginning */
			result = function(&record, user);
	}
	return result < 0 ? result : 0;
}

int hawser_trace_inflight_read(hawser_trace *trace, hawser_trace_record_function function, void *user)
{
	struct batch batch = {.keys = NULL};
	uint32_t size = sizeof(batch.map);
	int result;

	if (bpf_obj_get_info_by_fd(trace->inflight, &batch.map, &size) < 0)
		return -errno;
	result = batch_make(&batch, ROWS_AT_ONCE);
	while (result == 0 && !batch.last) {
		result = batch_next(trace->inflight, &batch);
		if (result == 0)
			result = batch_hand_over(&batch, function, user);
	}
	free(batch.keys);
	return result;
}
