/* SPDX-License-Identifier: MIT
 *
 * Reading what the programs have counted: records from the ring buffer, and the maps. The maps go on counting
 * while they are read, so that sums over processors are of nearly one moment, no more.
 */
#include "names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int on_record(void *context, void *data, size_t size)
{
	struct hawser_trace *trace = context;
	struct hawser_trace_record record = {0};

	/* Records of other families than unix come without the path. */
	memcpy(&record, data, size < sizeof(record) ? size : sizeof(record));
	trace->handed_over++;
	trace->stopped = trace->function(&record, trace->user);
	if (trace->stopped < 0)
		return trace->stopped;
	/* Any negative number ends the reading, behind this record. */
	return trace->handed_over < HAWSER_TRACE_READ_MAX ? 0 : -ENOBUFS;
}

int trace_reading_begin(struct hawser_trace *trace)
{
	trace->processors = libbpf_num_possible_cpus();
	if (trace->processors < 0)
		return trace->processors;
	trace->per_processor = calloc((size_t)trace->processors, sizeof(struct hawser_trace_destination));
	if (!trace->per_processor)
		return -ENOMEM;
	trace->ring = ring_buffer__new(trace->records, on_record, trace, NULL);
	return trace->ring ? 0 : -errno;
}

static int taken(const struct hawser_trace *trace, int result)
{
	if (trace->stopped < 0)
		return trace->stopped;
	return result < 0 && trace->handed_over < HAWSER_TRACE_READ_MAX ? result : trace->handed_over;
}

int trace_records_take(struct hawser_trace *trace, hawser_trace_record_function function, void *user)
{
	trace->function = function;
	trace->user = user;
	trace->handed_over = 0;
	trace->stopped = 0;
	return taken(trace, ring_buffer__consume(trace->ring));
}

int hawser_trace_read(hawser_trace *trace, int timeout_ms, hawser_trace_record_function function, void *user)
{
	int result = trace_records_take(trace, function, user);

	if (result != 0 || timeout_ms == 0)
		return result;
	result = ring_buffer__poll(trace->ring, timeout_ms);
	/* The timer ran out, or the kernel woke us: either way, take all there is. */
	if (result >= 0)
		result = ring_buffer__consume(trace->ring);
	return taken(trace, result);
}

int hawser_trace_fd(const hawser_trace *trace)
{
	return trace->names ? trace->names->epoll : ring_buffer__epoll_fd(trace->ring);
}

static void histogram_sum(struct hawser_trace_histogram *sum, const struct hawser_trace_histogram *part)
{
	sum->count += part->count;
	sum->sum_ns += part->sum_ns;
	for (unsigned i = 0; i < HAWSER_TRACE_SLOTS; i++)
		sum->slots[i] += part->slots[i];
}

int hawser_trace_histogram_read(hawser_trace *trace, enum hawser_trace_layer layer,
    enum hawser_trace_cause cause, struct hawser_trace_histogram *ret_histogram)
{
	uint32_t index = (uint32_t)layer * HAWSER_TRACE_CAUSES + cause;
	const struct hawser_trace_histogram *parts = trace->per_processor;
	struct hawser_trace_histogram sum = {0};

	if (layer > HAWSER_TRACE_EVERY || cause >= HAWSER_TRACE_CAUSES)
		return -EINVAL;
	if (bpf_map_lookup_elem(trace->histograms, &index, trace->per_processor) < 0)
		return -errno;
	for (int i = 0; i < trace->processors; i++)
		histogram_sum(&sum, &parts[i]);
	*ret_histogram = sum;
	return 0;
}

int hawser_trace_counters_read(hawser_trace *trace, struct hawser_trace_counters *ret_counters)
{
	uint32_t zero = 0;
	char *bss = calloc(1, trace->bss_size);
	int result = 0;

	if (!bss)
		return -ENOMEM;
	if (bpf_map_lookup_elem(trace->bss, &zero, bss) < 0) {
		result = -errno;
	} else {
		memcpy(ret_counters, bss + trace->counters_offset, sizeof(*ret_counters));
		ret_counters->events_missed = trace_events_missed(trace);
	}
	free(bss);
	return result;
}

static void destination_sum(const struct hawser_trace *trace, struct hawser_trace_destination *ret_sum)
{
	const struct hawser_trace_destination *parts = trace->per_processor;

	memset(ret_sum, 0, sizeof(*ret_sum));
	for (int i = 0; i < trace->processors; i++) {
		for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++)
			ret_sum->causes[cause] += parts[i].causes[cause];
		histogram_sum(&ret_sum->connected, &parts[i].connected);
		if (parts[i].path[0])
			memcpy(ret_sum->path, parts[i].path, sizeof(ret_sum->path));
	}
}

int hawser_trace_destinations_read(
    hawser_trace *trace, hawser_trace_destination_function function, void *user)
{
	struct hawser_trace_destination_key keys[2] = {0}, *key = NULL;
	struct hawser_trace_destination row;
	unsigned turn = 0;
	uint32_t zero = 0;
	int result = 0;

	while (result >= 0 && bpf_map_get_next_key(trace->destinations, key, &keys[turn]) == 0) {
		key = &keys[turn];
		turn ^= 1;
		if (bpf_map_lookup_elem(trace->destinations, key, trace->per_processor) < 0)
			continue;
		destination_sum(trace, &row);
		result = function(key, &row, user);
	}
	if (result < 0)
		return result;
	if (bpf_map_lookup_elem(trace->destinations_other, &zero, trace->per_processor) < 0)
		return -errno;
	destination_sum(trace, &row);
	for (unsigned cause = 0; cause < HAWSER_TRACE_CAUSES; cause++) {
		if (row.causes[cause]) {
			memset(keys, 0, sizeof(keys));
			result = function(keys, &row, user);
			return result < 0 ? result : 0;
		}
	}
	return 0;
}
