/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What the eBPF programs of hawser know about connects: the same bytes in the kernel, in the maps that any
 * program may read once they are pinned, and in hawser/trace.h. Host byte order but for addresses.
 *
 * Times are CLOCK_MONOTONIC in nanoseconds.
 */
#ifndef HAWSER_TRACE_RECORD_H
#define HAWSER_TRACE_RECORD_H

#ifndef __bpf__
#include <stdint.h>
#endif

/* Who saw the connect begin and end. */
enum hawser_trace_layer {
	HAWSER_TRACE_TCP,     /* the network alone: connect(2), and io_uring where its layer is not traced */
	HAWSER_TRACE_RING,    /* io_uring: from the submission to the completion */
	HAWSER_TRACE_SYSCALL, /* connect(2): unix sockets, and failures before any packet */
	HAWSER_TRACE_LAYERS,
	/* Not a layer: every connect once, whoever saw its end. One of io_uring counts in TCP's and the
	 * ring's histograms, for it has a time in each. */
	HAWSER_TRACE_EVERY = HAWSER_TRACE_LAYERS
};

enum hawser_trace_cause {
	HAWSER_TRACE_OK,
	HAWSER_TRACE_REFUSED,       /* a reset, or a unix socket that nobody listens to */
	HAWSER_TRACE_ICMP,          /* a router or a host answered with ICMP, or no neighbour answered */
	HAWSER_TRACE_TIMEOUT,       /* no answer to any SYN */
	HAWSER_TRACE_LOCAL_DROP,    /* no answer, and this host's firewall dropped a SYN */
	HAWSER_TRACE_LOCAL_ERROR,   /* never left this host: no route, no port, not permitted, no such path */
	HAWSER_TRACE_BACKLOG_FULL,  /* a unix listener that does not accept fast enough */
	HAWSER_TRACE_ABORTED,       /* the socket was closed or shut down before an answer */
	HAWSER_TRACE_CANCELLED,     /* the request was cancelled before an answer */
	HAWSER_TRACE_DEADLINE,      /* the timeout that was linked to the request fired first */
	HAWSER_TRACE_FALSE_SUCCESS, /* reported as a success, but the socket is not connected */
	HAWSER_TRACE_CAUSES
};

/* What else is known of a record. */
enum hawser_trace_flag {
	HAWSER_TRACE_HAS_TAG = 1 << 0,      /* client, attempt and target are what that process claims */
	HAWSER_TRACE_HAS_ICMP = 1 << 1,     /* icmp_type, icmp_code and icmp_from are set */
	HAWSER_TRACE_FIREWALL = 1 << 2,     /* this host's firewall dropped a packet of it */
	HAWSER_TRACE_RESET = 1 << 3,        /* it was answered by a reset */
	HAWSER_TRACE_HAS_DEADLINE = 1 << 4, /* a timeout is linked to the request: deadline_ns */
	HAWSER_TRACE_POLLED = 1 << 5,       /* the ring armed a poll for it */
	HAWSER_TRACE_WORKER = 1 << 6,       /* the ring gave it to a worker thread */
	HAWSER_TRACE_SQPOLL = 1 << 7,       /* a kernel thread submitted it */
	HAWSER_TRACE_OVERFLOWED = 1 << 8,   /* its completion did not fit into the ring */
	HAWSER_TRACE_ANSWERED = 1 << 9,     /* the network answered it, with whatever */
	HAWSER_TRACE_SYN_SENT = 1 << 10,    /* TCP took it up */
};

enum {
	HAWSER_TRACE_TARGET_BYTES = 40,
	HAWSER_TRACE_COMM_BYTES = 16,
	HAWSER_TRACE_PATH_BYTES = 108,
	HAWSER_TRACE_SLOTS = 128,
	HAWSER_TRACE_SLOT_UNIT_NS = 256,
};

/* One connect. In the in-flight table: what is known of it so far. */
struct hawser_trace_record {
	uint64_t start_ns; /* the submission, or the entry of connect(2), or else the first SYN */
	uint64_t total_ns; /* until the completion, or else the answer */
	/* The stages of total_ns; 0 for those that were not reached. */
	uint64_t submit_to_syn_ns;
	uint64_t syn_to_answer_ns;
	uint64_t answer_to_completion_ns;
	uint64_t deadline_ns;
	uint64_t cgroup;
	uint64_t user_data; /* of the request */
	uint64_t cookie;    /* SO_COOKIE; 0: none was made */
	uint64_t client;    /* of the tag, as attempt and target are */
	uint32_t attempt;
	uint32_t tgid; /* the process that owns the connect, never a kernel thread */
	uint32_t pid;  /* its thread; the process where a kernel thread submitted */
	uint32_t uid;
	uint32_t netns; /* its inode number */
	int32_t error;  /* positive errno; 0: none */
	uint32_t flags; /* enum hawser_trace_flag */
	uint16_t family;
	uint16_t syn_retransmits;
	uint16_t source_port;
	uint16_t destination_port;
	uint8_t layer;
	uint8_t cause;
	uint8_t icmp_type;
	uint8_t icmp_code;
	uint8_t source[16]; /* 4 bytes for IPv4, 16 for IPv6, network byte order */
	uint8_t destination[16];
	uint8_t icmp_from[16];
	char comm[HAWSER_TRACE_COMM_BYTES];
	char target[HAWSER_TRACE_TARGET_BYTES];
	/* Last, because records of other families are handed over without it. An abstract name begins with
	 * '@'. */
	char path[HAWSER_TRACE_PATH_BYTES];
	uint32_t reserved;
};

/* Log-linear: four slots to a power of two, of units of 256 ns (hawser_trace_slot_floor_ns). */
struct hawser_trace_histogram {
	uint64_t count;
	uint64_t sum_ns;
	uint64_t slots[HAWSER_TRACE_SLOTS];
};

struct hawser_trace_destination_key {
	uint8_t address[16]; /* as in a record; of a unix socket a hash of its path */
	uint16_t port;
	uint16_t family;
	uint32_t netns;
};

struct hawser_trace_destination {
	uint64_t causes[HAWSER_TRACE_CAUSES];
	struct hawser_trace_histogram connected; /* those that succeeded */
	char path[HAWSER_TRACE_PATH_BYTES];      /* of a unix socket */
	uint32_t reserved;
};

/* What is counted on rare paths, so that nothing is lost silently. */
struct hawser_trace_counters {
	uint64_t records_lost;  /* the ring buffer was full */
	uint64_t inflight_full; /* connects that the in-flight table had no room for */
	/* Ended, but began before the programs were attached. Of io_uring alone, and only while no filter is
	 * set: whether it would have passed is not known. */
	uint64_t start_unseen;
	uint64_t destinations_other; /* counted in the row "other" */
	uint64_t completions_in_overflow;
	uint64_t addresses_unread; /* the socket address of a submission was not in memory */
	uint64_t ends_unseen; /* were in flight for too long and made room, or their socket went on without */
	/* Events that no program saw, because the kernel does not run one within itself (from 6.1 on): what
	 * they would have said of a connect is missing, be it its end. The kernel counts them with its
	 * programs, and hawser_trace_counters_read sums them up; in the maps it is 0. */
	uint64_t events_missed;
};

enum hawser_trace_filter {
	HAWSER_TRACE_FILTER_TGID = 1 << 0,
	HAWSER_TRACE_FILTER_UID = 1 << 1,
	HAWSER_TRACE_FILTER_CGROUP = 1 << 2, /* that one and those below it, 16 levels deep */
	HAWSER_TRACE_FILTER_NETNS = 1 << 3,
	HAWSER_TRACE_FILTER_PORT = 1 << 4,
	HAWSER_TRACE_FILTER_PREFIX = 1 << 5,
	HAWSER_TRACE_FILTER_SAMPLE = 1 << 6,
};

/* May be changed at any time; connects in flight were admitted by what it said when they began. */
struct hawser_trace_config {
	uint64_t cgroup;
	uint64_t minimum_ns; /* records (not histograms) of connects that took less are left out */
	uint32_t filters;    /* enum hawser_trace_filter: a connect must match all of them */
	uint32_t tgid;
	uint32_t uid;
	uint32_t netns;
	uint32_t sample; /* one connect of so many */
	uint16_t port;   /* of the destination */
	uint8_t prefix_family;
	uint8_t prefix_bits;
	uint8_t prefix[16];
	uint32_t wake_bytes;   /* wake the reader when so much is queued */
	uint8_t records;       /* 1: send records to the ring buffer */
	uint8_t failures_only; /* 1: records (not histograms) of failures alone */
	uint8_t destinations;  /* 1: histograms by destination, too */
	uint8_t reserved;
	/* When the table of connects in flight is full, those that are older make room: their end cannot be
	 * seen any more, or was not (some of io_uring have no completion). 0: none ever does. */
	uint64_t inflight_age_max_ns;
};

#endif
