/* SPDX-License-Identifier: MIT
 *
 * libhawser-trace: watch connects, one's own or all of the machine's, with the eBPF programs of hawser. A
 * library of its own (pkg-config hawser-trace), so that libhawser needs no libbpf.
 *
 * It needs CAP_BPF and CAP_PERFMON until hawser_trace_open has returned, and nothing afterwards; with names
 * more, and as long as programs that are started are to be told of (hawser_trace_names_process). A trace
 * belongs to one thread at a time; different traces do not mind each other. Functions return 0 or a negative
 * errno; outputs come last, are named ret_..., and are untouched on failure. Those that read answer -ENOMEM
 * where they need memory and there is none, and what the kernel answered where it did not let a map be read
 * (-EPERM: kernels before 5.19 whose kernel.unprivileged_bpf_disabled is set, to who gave up CAP_BPF).
 */
#ifndef HAWSER_TRACE_H
#define HAWSER_TRACE_H

#include <hawser/base.h>
#include <hawser/trace_record.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hawser_trace hawser_trace;

/* What an error means and what to do about it, for people. */
struct hawser_trace_sentence {
	char text[320];
};

struct hawser_trace_options {
	size_t size;
	/* Filters, and what is recorded: see hawser/trace_record.h. */
	struct hawser_trace_config config;
	bool no_ring; /* leave io_uring's layer out */
	/* connect(2) too: unix sockets, and failures before TCP. Those of 32-bit programs are not seen. Where
	 * the kernel does not let its functions be traced, it costs at each system call. */
	bool calls;
	/* Histogram mode, the cheapest: histograms by layer and cause, and counters, for as long as the trace
	 * is open. No records, no destinations, and of connects in flight nothing but their age. */
	bool histograms;
	/* What processes linked with hawser say of their attempts, too: see hawser_trace_read_stories. It
	 * reads their USDT probes, which cost nothing where nobody asks, and a microsecond or two each from
	 * now on. */
	bool names;
	uint32_t inflight_max;  /* connects in flight at once; more are counted, not seen */
	uint32_t records_bytes; /* of a ring buffer; a power of two of pages */
};

#define HAWSER_DEFAULTS_hawser_trace_options                                                \
	.size = sizeof(struct hawser_trace_options),                                        \
	.config = {0, 0, 0, 0, 0, 0, 1, 0, 0, 0, {0}, 64 << 10, 1, 0, 1, 0, 3600000000000}, \
	.inflight_max = 16384, .records_bytes = 4 << 20

HAWSER_PUBLIC void hawser_trace_options_init(struct hawser_trace_options *options);

/* Loads the programs and attaches them; options may be NULL. Connects that begin meanwhile may be missed, but
 * one that is seen to begin is seen to end. On failure `why`, which may be NULL, says it in one sentence:
 * -EPERM (not permitted), -ENOENT (the kernel has no BTF, or lacks a tracepoint that cannot be spared),
 * -EINVAL (an option out of range, or a size that no version of the options has), -E2BIG (options from a
 * newer header with a field set that this library does not know), -ENOMEM, and whatever the kernel answers.
 */
HAWSER_PUBLIC int hawser_trace_open(
    const struct hawser_trace_options *options, struct hawser_trace_sentence *why, hawser_trace **ret_trace);
/* Detaches all. NULL is allowed. */
HAWSER_PUBLIC void hawser_trace_close(hawser_trace *trace);

/* Changes filters while it runs. -EINVAL: a filter that is not known, or makes no sense. */
HAWSER_PUBLIC int hawser_trace_configure(hawser_trace *trace, const struct hawser_trace_config *config);

/* What it is now. */
HAWSER_PUBLIC int hawser_trace_config_read(hawser_trace *trace, struct hawser_trace_config *ret_config);

/* Pins the programs under `path`, a folder to be made in a bpf file system, and the maps under the folder of
 * that name with "_maps" appended: they go on after hawser_trace_close and the end of the process, until they
 * are unpinned. -EEXIST: something is there already, or this trace is pinned; -EINVAL: no such place can be;
 * -EPERM, -EACCES, -EROFS: not permitted. */
HAWSER_PUBLIC int hawser_trace_pin(hawser_trace *trace, const char *path, struct hawser_trace_sentence *why);
/* Reads what this, bpftool or another process pinned there; closing it leaves the pins alone. -ENOENT:
 * nothing is pinned there; -EPROTO: by another version, or something else; -EINVAL: nothing can be; -EPERM,
 * -EACCES: not permitted. Records go to one reader only. Without CAP_SYS_ADMIN events_missed stays 0. */
HAWSER_PUBLIC int hawser_trace_open_pinned(
    const char *path, struct hawser_trace_sentence *why, hawser_trace **ret_trace);
/* Removes the pins, which detaches the programs. -ENOENT: nothing is pinned there; -EINVAL: nothing can be.
 */
HAWSER_PUBLIC int hawser_trace_unpin(const char *path, struct hawser_trace_sentence *why);

/* A record lives until the function returns. A negative return ends the reading, which answers it. */
typedef int (*hawser_trace_record_function)(const struct hawser_trace_record *record, void *user);

enum { HAWSER_TRACE_READ_MAX = 65536 };

/* Hands over the records there are, HAWSER_TRACE_READ_MAX at most, so that it returns however fast they come;
 * if there is none, waits for at most timeout_ms (-1: without limit). The kernel wakes it when many are
 * queued, never for each: call it again in, say, 50 ms, or at once when it handed over as many as it may.
 * Returns their number; -EINTR on a signal; what the function returned to end it, when that was negative. */
HAWSER_PUBLIC int hawser_trace_read(
    hawser_trace *trace, int timeout_ms, hawser_trace_record_function function, void *user);
/* Readable when many records are queued. */
HAWSER_PUBLIC int hawser_trace_fd(const hawser_trace *trace);

/* ---- names: what hawser's clients say of their attempts, joined with what the kernel saw ---- */

enum hawser_trace_story_flag {
	HAWSER_TRACE_STORY_WAITED = 1 << 0, /* backoff_ns: a backoff was seen before the attempt */
	HAWSER_TRACE_STORY_ENDED = 1 << 1,  /* completion_to_end_ns and result */
	HAWSER_TRACE_STORY_TOLD = 1 << 2,   /* end_to_told_ns */
};

/* The client's side of one attempt. Like a tag it is what that process claims; which process it is, which
 * thread and when, is the kernel's word. Together with the record's total_ns the stages are the whole way:
 * begin_to_submit_ns + total_ns + completion_to_end_ns is the client's own connect_us. */
struct hawser_trace_story {
	char name[HAWSER_TRACE_TARGET_BYTES]; /* of the client, cut; empty where it could not be read */
	uint64_t client;                      /* its number in its loop */
	uint64_t begin_ns;                    /* CLOCK_MONOTONIC */
	uint64_t backoff_ns;                  /* how long it backed off before the attempt's round */
	uint64_t begin_to_submit_ns;          /* to the record's start_ns */
	uint64_t completion_to_end_ns;        /* until hawser has seen and verified it */
	uint64_t end_to_told_ns;              /* until its owner's on_change is about to run */
	uint32_t attempt;
	uint32_t round;
	int32_t result; /* negative errno; else the descriptor */
	uint32_t flags; /* enum hawser_trace_story_flag */
};

/* `story` is NULL for connects of which no process told one. Both live until the function returns. A negative
 * return ends the reading, which answers it. */
typedef int (*hawser_trace_story_function)(
    const struct hawser_trace_record *record, const struct hawser_trace_story *story, void *user);

/* As hawser_trace_read, but a record of an attempt that is being told is held until its client has said how
 * it ended and told its owner: at most a second, and at most 4096 records, of which the oldest is handed over
 * as it is when another comes. Each record is handed over once. Use it instead of hawser_trace_read for a
 * trace that was opened with names; -EINVAL for any other. */
HAWSER_PUBLIC int hawser_trace_read_stories(
    hawser_trace *trace, int timeout_ms, hawser_trace_story_function function, void *user);
/* Hands over what is held, as it is: for the end. Returns the number. */
HAWSER_PUBLIC int hawser_trace_flush_stories(
    hawser_trace *trace, hawser_trace_story_function function, void *user);

/* hawser_trace_open attaches to the files of all processes that are running, and hawser_trace_read_stories to
 * those of programs that are started meanwhile, as far as they have hawser's probes and may be looked at: it
 * needs CAP_SYS_ADMIN (Linux 6.18) beside CAP_BPF and CAP_PERFMON, and CAP_SYS_PTRACE for processes of others
 * or with capabilities. All processes of a file are covered, later ones, too, without any capability.
 *
 * This is for a process that was missed, because it loaded its library later, say. 0: attached, now or
 * before; -ENOENT: no probes; -ESRCH: no such process; -EACCES or -EPERM: not permitted; -E2BIG: there are
 * files_max files already; -EINVAL: the trace was opened without names. */
HAWSER_PUBLIC int hawser_trace_names_process(
    hawser_trace *trace, uint32_t tgid, struct hawser_trace_sentence *why);
/* The same for a program or library that need not run yet. */
HAWSER_PUBLIC int hawser_trace_names_file(
    hawser_trace *trace, const char *path, struct hawser_trace_sentence *why);

struct hawser_trace_names {
	uint64_t steps_lost; /* the ring buffer of what clients say was full: some stories lack a part */
	uint64_t unfinished; /* records handed over before their story was whole */
	uint32_t files;      /* attached to */
	uint32_t files_max;
	uint32_t refused; /* processes that might not be looked at when the trace was opened */
	struct hawser_trace_sentence why_refused; /* the last of them */
};
HAWSER_PUBLIC int hawser_trace_names_read(hawser_trace *trace, struct hawser_trace_names *ret_names);

/* Sums over all processors since the trace was opened. Of HAWSER_TRACE_EVERY there is the count alone.
 * -EINVAL: no such layer or cause. */
HAWSER_PUBLIC int hawser_trace_histogram_read(hawser_trace *trace, enum hawser_trace_layer layer,
    enum hawser_trace_cause cause, struct hawser_trace_histogram *ret_histogram);
HAWSER_PUBLIC int hawser_trace_counters_read(hawser_trace *trace, struct hawser_trace_counters *ret_counters);

/* The row of all that had no row of their own comes last, with a key of zeros, if it counted anything. A
 * negative return ends the reading, which answers it. */
typedef int (*hawser_trace_destination_function)(const struct hawser_trace_destination_key *key,
    const struct hawser_trace_destination *destination, void *user);
HAWSER_PUBLIC int hawser_trace_destinations_read(
    hawser_trace *trace, hawser_trace_destination_function function, void *user);

/* Connects that have begun and not ended: total_ns is their age, and cause says nothing yet. Each is handed
 * over once; those that begin or end meanwhile may be among them or not. */
HAWSER_PUBLIC int hawser_trace_inflight_read(
    hawser_trace *trace, hawser_trace_record_function function, void *user);

/* What this kernel allows, and what is lost where it does not. */
struct hawser_trace_ability {
	const char *name; /* "io_uring", "ICMP" */
	bool available;
	const char *sentence; /* what it is made of, or what is lost without it */
};
enum { HAWSER_TRACE_ABILITIES_MAX = 24 };
/* Returns the number of abilities written. */
HAWSER_PUBLIC int hawser_trace_probe(struct hawser_trace_ability ret_abilities[HAWSER_TRACE_ABILITIES_MAX]);

/* Words for people and for JSON; never NULL. Any thread. */
HAWSER_PUBLIC const char *hawser_trace_layer_name(unsigned layer);
HAWSER_PUBLIC const char *hawser_trace_cause_name(unsigned cause);
/* "10.0.0.3:80", "[::1]:80", "/run/x.sock", "@x"; these return text. */
HAWSER_PUBLIC const char *hawser_trace_source_text(
    const struct hawser_trace_record *record, char *text, size_t size);
HAWSER_PUBLIC const char *hawser_trace_destination_text(
    const struct hawser_trace_record *record, char *text, size_t size);
/* "icmp 3/1 from 10.0.0.3", "local firewall", ""; several are joined by ", ". */
HAWSER_PUBLIC const char *hawser_trace_detail_text(
    const struct hawser_trace_record *record, char *text, size_t size);
/* Bounds of a slot of a histogram: [floor of it, floor of the next). */
HAWSER_PUBLIC uint64_t hawser_trace_slot_floor_ns(unsigned slot);
/* Below it lie so many of a thousand; 0 for an empty histogram. */
HAWSER_PUBLIC uint64_t hawser_trace_quantile_ns(
    const struct hawser_trace_histogram *histogram, unsigned per_thousand);

#ifdef __cplusplus
}
#endif
#endif
