/* SPDX-License-Identifier: MIT
 *
 * What a client is doing and has done, as a struct and as JSON. Asking changes nothing and allocates nothing.
 *
 * Units are in the names: _ns and _us are of CLOCK_MONOTONIC, counters count from hawser_client_new on and
 * are never set back.
 */
#ifndef HAWSER_STATUS_H
#define HAWSER_STATUS_H

#include <hawser/binding.h>
#include <hawser/client.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HAWSER_ADDRESS_MAX 128
#define HAWSER_TIME_BUCKETS 20
#define HAWSER_ATTEMPTS_MAX 64

/* One attempt that has ended: it failed, or became ready. A lookup that failed stands here too, because no
 * attempt could follow it: stage resolve, attempt 0, address "". */
struct hawser_attempt_status {
	uint32_t round;          /* 1 is the client's first */
	uint32_t attempt;        /* 1 is the client's first, in whichever round; 0: a lookup */
	enum hawser_stage stage; /* where it ended; NONE when it became ready */
	enum hawser_cause cause; /* NONE when it became ready */
	int code;                /* negative errno; 0 when it became ready */
	/* How long each stage took, at most UINT32_MAX; 0 for a stage that was not reached. */
	uint32_t resolve_us; /* its round's lookup; 0 for a target that needs none */
	uint32_t connect_us; /* socket, connect and verify */
	uint32_t setup_us;   /* from connected to ready, or to the failure of the handshake or setup */
	uint64_t ended_ns;   /* the moment, to the millisecond: compare with hawser_loop_now_ns */
	char address[HAWSER_ADDRESS_MAX];
};

struct hawser_status {
	size_t size; /* of the caller's struct: set it before the call; the call leaves it as it is */
	enum hawser_state state;
	const char *engine; /* "io_uring", "epoll", "none" when the loop is gone; static */
	/* Of the newest attempt, "" before the first: "127.0.0.1:80", "[::1]:80", "/run/x.sock", "@abstract"
	 * (bytes that are not printable ASCII as \xNN). */
	char address[HAWSER_ADDRESS_MAX];
	uint32_t round;                 /* rounds begun so far */
	uint32_t attempt;               /* attempts begun so far */
	uint32_t failures_in_a_row;     /* failed rounds, one after the other: what rounds_max is about */
	uint64_t next_retry_ns;         /* from now to the next round; 0 when none is planned */
	uint64_t age_ns;                /* how long it has been in this state */
	uint64_t connections;           /* times ready */
	uint64_t losses;                /* connections that went although ready or draining */
	uint64_t rebinds;               /* bindings bound again after a loss */
	uint64_t causes[HAWSER_CAUSES]; /* failed rounds, attempts and connections by their cause */
	uint64_t bytes_sent;            /* given to the kernel, on all connections so far */
	uint64_t bytes_received;
	uint32_t bindings[HAWSER_BINDING_STATES]; /* that there are, by state */
	uint32_t calls_waiting;                   /* for their binding */
	uint32_t calls_in_flight;
	uint32_t unsent_bytes; /* queued and not yet taken by the kernel */
	/* Times from the beginning of a round to ready: bucket i counts those below 2^i x 64 us, the last one
	 * all longer ones. */
	uint32_t ready_time[HAWSER_TIME_BUCKETS];
	int last_code; /* negative errno of the last failure, 0 when there was none */
	enum hawser_stage last_stage;
	enum hawser_cause last_cause;
	uint32_t attempts_count; /* of the array below, newest first; at most the option attempts_kept */
	struct hawser_attempt_status attempts[HAWSER_ATTEMPTS_MAX];
};

/* Fills *status with a copy, the caller's to keep; `engine` alone points elsewhere, to text that is never
 * freed. Works in every state, after the end too, until the handle is freed. In the thread of the client's
 * loop. -EINVAL: no struct, or its size is smaller than that of the first version; -ECHILD: a forked child.
 */
HAWSER_PUBLIC int hawser_client_status(const hawser_client *client, struct hawser_status *status);

/* The same as one JSON object (RFC 8259), ended by NUL, in the caller's buffer of size bytes. It has the
 * fields of the struct by their names, and the client's name and target; enums and errnos are words
 * ("connect", "ECONNREFUSED"), counters by cause or state are objects, a failure is an object or null. UTF-8
 * in a name or target stays as it is; each byte that belongs to no UTF-8 character becomes U+FFFD, written
 * \ufffd.
 * Returns its length without the NUL; when that is size or more, the text was cut (within a character,
 * perhaps) and is no JSON: call again with more room. 16 KiB always suffice for attempts_kept 4, 64 KiB
 * for 64. In the thread of the client's loop. -EINVAL: no buffer, or size 0; -ECHILD: a forked child. */
HAWSER_PUBLIC int hawser_client_status_json(const hawser_client *client, char *text, size_t size);

/* The two tables of moves as diagrams, for README and for people: kind is "mermaid" or "graphviz", table
 * "connection" or "binding". Same buffer and return value as above; -EINVAL for other words, and for NULL.
 * Any thread, a forked child's too: it takes no handle. */
HAWSER_PUBLIC int hawser_diagram(const char *table, const char *kind, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
