/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The life of a connect in flight: begun by its owner, told what happens to it by whichever program sees it,
 * and ended once: then it is counted, and handed over as a record.
 */
#ifndef HAWSER_BPF_FLIGHT_H
#define HAWSER_BPF_FLIGHT_H

#include "table.h"

/* ---- admission ---- */

static __always_inline uint32_t netns_of_task(void)
{
	const struct task_struct *task = (const struct task_struct *)bpf_get_current_task();

	return BPF_CORE_READ(task, nsproxy, net_ns, ns.inum);
}

/* That one, or one below it: services have cgroups of their own below their slice or pod. */
static __always_inline bool is_in_cgroup(uint64_t wanted)
{
	uint64_t id;

	if (!HAS_NEW_HELPERS)
		return bpf_get_current_cgroup_id() == wanted;
#pragma unroll
	for (int level = 0; level < CGROUP_LEVELS_MAX; level++) {
		id = bpf_get_current_ancestor_cgroup_id(level);
		if (id == wanted)
			return true;
		if (!id) /* below the task's own */
			return false;
	}
	return false;
}

/* What is known before the socket is: whose connect it is. */
static __always_inline bool admits_owner(uint32_t tgid)
{
	uint32_t filters = config.filters;

	if (!filters)
		return true;
	if ((filters & HAWSER_TRACE_FILTER_TGID) && tgid != config.tgid)
		return false;
	if ((filters & HAWSER_TRACE_FILTER_UID) && (uint32_t)bpf_get_current_uid_gid() != config.uid)
		return false;
	if ((filters & HAWSER_TRACE_FILTER_CGROUP) && !is_in_cgroup(config.cgroup))
		return false;
	return true;
}

/* By the number of the socket's inode, not by chance: every program must decide alike. Mixed, for a program
 * that opens its sockets by turns has every other number. */
static __always_inline bool admits_sample(const struct sock *sk)
{
	const struct socket_alloc *holder;

	if (!(config.filters & HAWSER_TRACE_FILTER_SAMPLE) || config.sample < 2 || !sk)
		return true;
	holder = (const void *)BPF_CORE_READ(sk, sk_socket);
	return !holder ||
	       (uint32_t)(BPF_CORE_READ(holder, vfs_inode.i_ino) * GOLDEN_RATIO >> 32) % config.sample == 0;
}

static __always_inline bool routes_filtered(void)
{
	return config.filters &
	       (HAWSER_TRACE_FILTER_NETNS | HAWSER_TRACE_FILTER_PORT | HAWSER_TRACE_FILTER_PREFIX);
}

static __always_inline bool admits_route(
    uint32_t netns, uint16_t family, uint16_t port, const uint8_t *address)
{
	uint32_t filters = config.filters;

	if (!routes_filtered())
		return true;
	if ((filters & HAWSER_TRACE_FILTER_NETNS) && netns != config.netns)
		return false;
	if ((filters & HAWSER_TRACE_FILTER_PORT) && port != config.port)
		return false;
	return !(filters & HAWSER_TRACE_FILTER_PREFIX) ||
	       (family == config.prefix_family && matches_prefix(address));
}

/* ---- begin ---- */

static __always_inline bool is_worker(void)
{
	const struct task_struct *task;

	if (!HAS_NEW_HELPERS)
		return BPF_CORE_READ((const struct task_struct *)bpf_get_current_task(), flags) &
		       PF_IO_WORKER;
	task = bpf_get_current_task_btf();
	return task->flags & PF_IO_WORKER;
}

/* Kernel threads that work for a process belong to its thread group, but bear names of their own. True: the
 * current thread is one. */
static __always_inline bool owner_fill(struct flight_record *record)
{
#if KEEPS_RECORDS
	uint64_t thread = bpf_get_current_pid_tgid();
	const struct task_struct *task;

	record->tgid = (uint32_t)(thread >> 32);
	record->pid = (uint32_t)thread;
	record->uid = (uint32_t)bpf_get_current_uid_gid();
	record->cgroup = bpf_get_current_cgroup_id();
	if (!is_worker()) {
		bpf_get_current_comm(record->comm, sizeof(record->comm));
		return false;
	}
	task = (const struct task_struct *)bpf_get_current_task();
	task = BPF_CORE_READ(task, group_leader);
	bpf_core_read(record->comm, sizeof(record->comm), &task->comm);
	record->pid = record->tgid;
	return true;
#else
	return is_worker();
#endif
}

/* ---- end ---- */

/* An answer is there, but the programs have not seen whose (net/ipv4/icmp.c, icmp_err_convert). */
static __always_inline bool is_of_icmp(int32_t error)
{
	return error == EHOSTUNREACH || error == ENETUNREACH || error == ENOPROTOOPT || error == EPROTO ||
	       error == EHOSTDOWN || error == ENONET || error == ECONNREFUSED;
}

/* What the caller was told, explained by what the network said. */
static __always_inline uint32_t cause_of_errno(const struct flight *flight, int32_t error)
{
	uint8_t answer = flight->answer;

	if (answer == HAWSER_TRACE_OK + 1) /* and reset before its owner looked */
		return error == ECONNRESET ? HAWSER_TRACE_REFUSED : HAWSER_TRACE_LOCAL_ERROR;
	if (answer)
		return answer - 1;
	if (flight->record.family == AF_UNIX && error == EAGAIN)
		return HAWSER_TRACE_BACKLOG_FULL;
	if (flight->record.family == AF_UNIX && error == ECONNREFUSED)
		return HAWSER_TRACE_REFUSED;
	if (!(flight->record.flags & HAWSER_TRACE_SYN_SENT))
		return HAWSER_TRACE_LOCAL_ERROR;
	/* The ring may take the error out of the socket before the state changes. */
	if (flight->record.flags & HAWSER_TRACE_RESET)
		return HAWSER_TRACE_REFUSED;
	if (error == ETIMEDOUT)
		return flight->record.flags & HAWSER_TRACE_FIREWALL ? HAWSER_TRACE_LOCAL_DROP
								    : HAWSER_TRACE_TIMEOUT;
	if (error == ECONNABORTED || error == ECONNRESET)
		return HAWSER_TRACE_ABORTED;
	if ((flight->record.flags | flight->ring_flags) & HAWSER_TRACE_HAS_ICMP)
		return HAWSER_TRACE_ICMP;
	if (error == ECONNREFUSED && flight->record.family == AF_INET) /* of which ICMP leaves its message */
		return HAWSER_TRACE_REFUSED;
	if (is_of_icmp(error))
		return HAWSER_TRACE_ICMP;
	return HAWSER_TRACE_LOCAL_ERROR;
}

static __always_inline uint32_t log2_of(uint64_t value)
{
	uint32_t log = 0;

#pragma unroll
	for (uint32_t step = 32; step; step >>= 1) {
		if (value >> step) {
			value >>= step;
			log += step;
		}
	}
	return log;
}

/* A function of its own, which the verifier goes through once and not in every way to it. */
__noinline uint32_t slot_of(uint64_t ns);
__noinline uint32_t slot_of(uint64_t ns)
{
	uint64_t units = ns / HAWSER_TRACE_SLOT_UNIT_NS;
	uint32_t log, slot;

	if (units < 4)
		return (uint32_t)units;
	log = log2_of(units);
	slot = (log - 1) * 4 + ((units >> (log - 2)) & 3);
	return slot < HAWSER_TRACE_SLOTS ? slot : HAWSER_TRACE_SLOTS - 1;
}

static __always_inline void histogram_add(struct hawser_trace_histogram *histogram, uint64_t ns)
{
	/* Each processor has its own, but a softirq may interrupt a program there. */
	count(&histogram->count);
	__sync_fetch_and_add(&histogram->sum_ns, ns);
	/* The verifiers of 5.10 and 6.1 do not remember a comparison, but they do a mask. */
	count(&histogram->slots[slot_of(ns) & (HAWSER_TRACE_SLOTS - 1)]);
}

static __always_inline void name_add(uint32_t layer, uint32_t cause)
{
#ifdef HAWSER_BPF_PLAIN
	uint64_t *causes =
	    layer == HAWSER_TRACE_RING ? (uint64_t *)&connects_ring : (uint64_t *)&connects_tcp;

	if (cause < HAWSER_TRACE_CAUSES)
		count(&causes[cause]);
#endif
}

static __always_inline void layer_add(uint32_t layer, uint32_t cause, uint64_t ns)
{
	uint32_t index = layer * HAWSER_TRACE_CAUSES + cause;
	struct hawser_trace_histogram *histogram = bpf_map_lookup_elem(&histograms, &index);

	if (histogram)
		histogram_add(histogram, ns);
	name_add(layer, cause);
}

#if KEEPS_RECORDS
static const struct hawser_trace_destination destination_template;

/* FNV-1a by words. A path is too long for a key; what follows its end is zero. */
static __always_inline uint64_t path_hash(const char *path)
{
	const uint32_t *words = (const uint32_t *)path;
	uint64_t hash = 0xcbf29ce484222325ULL;

#pragma unroll
	for (uint32_t i = 0; i < HAWSER_TRACE_PATH_BYTES / sizeof(*words); i++)
		hash = (hash ^ words[i]) * 0x100000001b3ULL;
	return hash;
}

static __always_inline struct hawser_trace_destination *destination_of(
    const struct hawser_trace_record *record)
{
	struct hawser_trace_destination_key key = {.family = record->family, .netns = record->netns};
	struct hawser_trace_destination *row;
	uint32_t zero = 0;
	uint64_t hash;

	key.port = record->destination_port;
	if (record->family == AF_UNIX) {
		hash = path_hash(record->path);
		__builtin_memcpy(key.address, &hash, sizeof(hash));
	} else {
		__builtin_memcpy(key.address, record->destination, sizeof(key.address));
	}
	row = bpf_map_lookup_elem(&destinations, &key);
	if (row)
		return row;
	bpf_map_update_elem(&destinations, &key, &destination_template, BPF_NOEXIST);
	row = bpf_map_lookup_elem(&destinations, &key);
	if (row) {
		if (record->family == AF_UNIX)
			__builtin_memcpy(row->path, record->path, sizeof(row->path));
		return row;
	}
	count(&counters.destinations_other);
	return bpf_map_lookup_elem(&destinations_other, &zero);
}

static __always_inline void destination_add(const struct hawser_trace_record *record)
{
	struct hawser_trace_destination *row = destination_of(record);
	uint32_t cause = record->cause;

	if (!row)
		return;
	if (cause < HAWSER_TRACE_CAUSES) {
		barrier_var(cause); /* or the compiler drops the mask, and 6.1 wants to see one */
		count(&row->causes[cause & 15]);
	}
	if (cause == HAWSER_TRACE_OK)
		histogram_add(&row->connected, record->total_ns);
}

static __always_inline void record_send(struct hawser_trace_record *record)
{
	uint64_t wake = BPF_RB_NO_WAKEUP;
	long refused;

	if (!config.records || (config.failures_only && record->cause == HAWSER_TRACE_OK) ||
	    record->total_ns < config.minimum_ns)
		return;
	/* A wake-up costs more than all else here: the reader has a timer of its own for slow times. */
	if (bpf_ringbuf_query(&records, BPF_RB_AVAIL_DATA) >= config.wake_bytes)
		wake = BPF_RB_FORCE_WAKEUP;
	if (record->family == AF_UNIX)
		refused = bpf_ringbuf_output(&records, record, sizeof(*record), wake);
	else
		refused = bpf_ringbuf_output(
		    &records, record, __builtin_offsetof(struct hawser_trace_record, path), wake);
	if (refused)
		count(&counters.records_lost);
}
#endif

static __always_inline void every_add(uint32_t cause)
{
	uint32_t index = HAWSER_TRACE_EVERY * HAWSER_TRACE_CAUSES + cause;
	struct hawser_trace_histogram *histogram = bpf_map_lookup_elem(&histograms, &index);

	if (histogram)
		count(&histogram->count);
}

/* Counts the connect and hands it over. The caller forgets it. */
static __always_inline void flight_end(
    struct flight *flight, uint64_t now, uint32_t layer, uint32_t cause, int32_t error)
{
	uint64_t total_ns = now - flight->record.start_ns;

	if (flight->answer)
		layer_add(HAWSER_TRACE_TCP, (flight->answer - 1) & 15, flight->answer_ns - flight->syn_ns);
	if (layer != HAWSER_TRACE_TCP || !flight->answer)
		layer_add(layer, cause, total_ns);
	every_add(cause);
#if KEEPS_RECORDS
	struct hawser_trace_record *record = &flight->record;

	record->flags |= flight->ring_flags;
	record->layer = (uint8_t)layer;
	record->cause = (uint8_t)cause;
	record->error = error;
	record->total_ns = total_ns;
	if (flight->syn_ns)
		record->submit_to_syn_ns = flight->syn_ns - record->start_ns;
	if (flight->answer_ns) {
		record->syn_to_answer_ns = flight->answer_ns - flight->syn_ns;
		record->answer_to_completion_ns = now - flight->answer_ns;
	}
	if (config.destinations)
		destination_add(record);
	record_send(record);
#endif
}

#endif
