/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What the programs keep: connects in flight, histograms, counters, the ring buffer of records, and the
 * configuration. Each map stands alone: it reads well by its BTF, and says all that it is about.
 */
#ifndef HAWSER_BPF_MAPS_H
#define HAWSER_BPF_MAPS_H

#include "kernel.h"
#include "sections.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <hawser/trace_record.h>

enum {
	INFLIGHT_MAX = 16384,
	DESTINATIONS_MAX = 1024,
	RECORDS_BYTES = 4 << 20,
	CALLS_MAX = 4096,
	HINTS = 4096, /* a power of two */
	WAKE_BYTES = 64 << 10,
	CGROUP_LEVELS_MAX = 16,
};
/* Six SYN retries (tcp_syn_retries) last two minutes, fifteen half an hour. */
#define INFLIGHT_AGE_MAX_NS (3600 * 1000000000ULL)
#define EXPIRE_INTERVAL_NS 1000000000ULL

#if KEEPS_RECORDS
#define flight_record hawser_trace_record
#else
/* As much of a record as its outcome depends on. */
struct flight_record {
	uint64_t start_ns; /* first, as in a record; 0: the row is free */
	uint64_t total_ns;
	uint64_t deadline_ns;
	uint64_t user_data;
	uint32_t netns;
	uint32_t flags;
	int32_t error;
	uint16_t family;
	uint16_t destination_port;
	uint16_t syn_retransmits;
	uint8_t layer;
	uint8_t cause;
	uint8_t destination[16];
};
#endif

/* A connect in flight. Its key is the socket, or the request where the socket is not known yet. */
struct flight {
	struct flight_record record;
	uint64_t request; /* the io_uring request that will complete it; 0: the network's answer ends it */
	uint64_t context; /* its ring */
#if !KEEPS_RECORDS
	uint64_t key;
#endif
	uint64_t syn_ns;
	uint64_t answer_ns;
	int32_t answer_error;
	int32_t icmp_error;  /* what the kernel makes of the ICMP message */
	uint32_t ring_flags; /* of the record, set by the ring's programs: TCP's run on other processors */
	uint8_t answer; /* enum hawser_trace_cause + 1, one store for those on other processors; 0: none */
	bool skips_success;
	bool awaits_return; /* the socket was closed without an error: connect(2) will return it */
	bool was_call;      /* the ring has it from connect(2) */
};

/* What FLIGHT_ALIEN says in `request`: some ring connects this socket, which request of it is not known
 * before the completion. Its start_ns stays 0, for it is not a connect of its own. */
#define FLIGHT_ALIEN 1

/* A connect(2) under way in a thread. */
struct call {
	uint64_t start_ns;
	uint64_t user_address;
	bool reached_network; /* the TCP programs answer for it */
	uint8_t reserved[7];
};

#if KEEPS_RECORDS
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, INFLIGHT_MAX);
	__type(key, uint64_t);
	__type(value, struct flight);
} inflight SEC(".maps");
#else
/* A hash of our own, of which a look-up costs a tenth: a key is in one of the places of its bucket, which
 * fills one line of the cache, and its row has the place's number. */
enum { BUCKET_PLACES = 8 };
struct bucket {
	uint64_t keys[BUCKET_PLACES]; /* 0: free */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, INFLIGHT_MAX / BUCKET_PLACES);
	__type(key, uint32_t);
	__type(value, struct bucket);
} buckets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, INFLIGHT_MAX);
	__type(key, uint32_t);
	__type(value, struct flight);
} inflight SEC(".maps");

const volatile uint32_t buckets_mask = INFLIGHT_MAX / BUCKET_PLACES - 1; /* set by the loader */
#endif

/* Index: layer * HAWSER_TRACE_CAUSES + cause; behind the layers HAWSER_TRACE_EVERY. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, (HAWSER_TRACE_LAYERS + 1) * HAWSER_TRACE_CAUSES);
	__type(key, uint32_t);
	__type(value, struct hawser_trace_histogram);
} histograms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, DESTINATIONS_MAX);
	__type(key, struct hawser_trace_destination_key);
	__type(value, struct hawser_trace_destination);
} destinations SEC(".maps");

/* The row of all destinations that had no room in the map above. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct hawser_trace_destination);
} destinations_other SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RECORDS_BYTES);
} records SEC(".maps");

/* Key: bpf_get_current_pid_tgid(). Used when connect(2) is traced. A thread that is killed in its call leaves
 * an entry behind, which makes room when it must. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CALLS_MAX);
	__type(key, uint64_t);
	__type(value, struct call);
} calls SEC(".maps");

/* The connect that was submitted last on this processor, for what follows at once. */
struct latest {
	uint64_t request;
	uint64_t key; /* of its flight; 0: it is not watched */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct latest);
} latest SEC(".maps");

/* In .data and .bss: named by BTF, and open to `bpftool map update`, which rodata is not. */
struct hawser_trace_config config = {.records = RECORDS_AT_FIRST,
    .destinations = 1,
    .wake_bytes = WAKE_BYTES,
    .sample = 1,
    .inflight_age_max_ns = INFLIGHT_AGE_MAX_NS};
struct hawser_trace_counters counters;

/* How many connects of rings are in flight whose user_data falls into this slot: a completion that overflows
 * names no request, and most are of other operations. */
int32_t hints[HINTS] SEC(".data.hints"); /* apart, for .bss is for people to read */

#if KEEPS_RECORDS
uint64_t expired_ns SEC(".data.expired"); /* when the table was swept */
#endif

/* Set by the loader, before the programs are loaded. */
const volatile bool traces_calls = false;         /* connect(2) is traced: sys_enter and sys_exit */
const volatile bool traces_ring = PLAIN_HAS_RING; /* io_uring is traced */

#ifdef HAWSER_BPF_PLAIN
/* What the histograms count, by names instead of numbers. */
struct connects {
	uint64_t ok;
	uint64_t refused;
	uint64_t icmp;
	uint64_t timeout;
	uint64_t local_drop;
	uint64_t local_error;
	uint64_t backlog_full;
	uint64_t aborted;
	uint64_t cancelled;
	uint64_t deadline;
	uint64_t false_success;
};
struct connects connects_tcp;
struct connects connects_ring;
#endif

#if KEEPS_RECORDS
/* All zero: a flight is too large for the stack. */
const struct flight flight_template;
#endif

#define GOLDEN_RATIO 0x9e3779b97f4a7c15ULL

/* The verifier forbids arithmetic with what it knows to be a pointer; half of one is none to it. */
static __always_inline uint64_t low_half(uint64_t pointer)
{
	uint32_t low;

	asm volatile("%0 = %1" : "=w"(low) : "w"((uint32_t)pointer));
	return low;
}

static __always_inline void count(uint64_t *counter)
{
	__sync_fetch_and_add(counter, 1);
}

static __always_inline bool matches_prefix(const uint8_t *address)
{
	uint32_t bits = config.prefix_bits;

	for (uint32_t i = 0; i < 16; i++) {
		uint8_t mask;

		if (bits <= i * 8)
			return true;
		mask = bits >= i * 8 + 8 ? 0xff : (uint8_t)(0xff00 >> (bits - i * 8));
		if ((address[i] ^ config.prefix[i]) & mask)
			return false;
	}
	return true;
}

#endif
