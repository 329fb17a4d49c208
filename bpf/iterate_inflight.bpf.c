/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * `bpftool iter pin iterate_inflight.bpf.o FILE map pinned .../inflight` makes a file that lists the connects
 * in flight whenever it is read. An object has one iterator, for bpftool pins one. The destination comes last
 * because addresses cannot be padded here.
 */
#include "kernel.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <hawser/trace_record.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 seq_num;
};

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	void *key;
	void *value;
};

#pragma clang attribute pop

/* What a process wrote must not move the cursor of whoever reads it. */
static __always_inline void tame(char *to, const char *from, uint32_t size)
{
	uint32_t i;

	for (i = 0; i < size - 1 && from[i]; i++)
		to[i] = from[i] < ' ' || from[i] == 0x7f ? '?' : from[i];
	to[i] = 0;
}

static __always_inline const char *stage_of(const struct hawser_trace_record *record)
{
	if (record->flags & HAWSER_TRACE_ANSWERED)
		return "answered";
	return record->flags & HAWSER_TRACE_SYN_SENT ? "syn_sent" : "submitted";
}

static __always_inline void destination_print(struct seq_file *file, const struct hawser_trace_record *record)
{
	char path[HAWSER_TRACE_PATH_BYTES] = {};

	if (record->family == AF_INET) {
		BPF_SEQ_PRINTF(file, "%pI4:%u\n", record->destination, record->destination_port);
	} else if (record->family == AF_INET6) {
		BPF_SEQ_PRINTF(file, "[%pI6]:%u\n", record->destination, record->destination_port);
	} else {
		tame(path, record->path, sizeof(path));
		BPF_SEQ_PRINTF(file, "%s\n", path);
	}
}

SEC("iter/bpf_map_elem")
int iterate_inflight(struct bpf_iter__bpf_map_elem *context)
{
	struct seq_file *file = context->meta->seq;
	const struct hawser_trace_record *record = context->value; /* it begins the row */
	char comm[HAWSER_TRACE_COMM_BYTES] = {}, target[HAWSER_TRACE_TARGET_BYTES] = "-";
	uint64_t age_us = 0;

	if (context->meta->seq_num == 0)
		BPF_SEQ_PRINTF(file, "%8s %-15s %11s %-9s %4s %-24s %s\n", "PID", "COMM", "AGE_US", "STAGE",
		    "SYNS", "TARGET", "DESTINATION");
	if (!record)
		return 0;
	tame(comm, record->comm, sizeof(comm));
	if (record->flags & HAWSER_TRACE_HAS_TAG)
		tame(target, record->target, sizeof(target));
	if (record->start_ns)
		age_us = (bpf_ktime_get_ns() - record->start_ns) / 1000;
	BPF_SEQ_PRINTF(file, "%8u %-15s %11llu %-9s %4u %-24s ", record->tgid, comm, age_us, stage_of(record),
	    record->syn_retransmits + (record->flags & HAWSER_TRACE_SYN_SENT ? 1 : 0), target);
	destination_print(file, record);
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
