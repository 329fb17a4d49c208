/* SPDX-License-Identifier: MIT
 *
 * What a client is doing and has done, as a struct and as JSON.
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

/* One attempt that has ended, in microseconds per stage. */
struct hawser_attempt_status {
	uint32_t round;
	uint32_t attempt;
	enum hawser_stage stage; /* where it ended; NONE when it became ready */
	enum hawser_cause cause;
	int code;
	uint32_t resolve_us;
	uint32_t connect_us;
	uint32_t setup_us;
	uint64_t ended_ns; /* CLOCK_MONOTONIC */
	char address[HAWSER_ADDRESS_MAX];
};

struct hawser_status {
	size_t size; /* of the caller's struct, set before the call */
	enum hawser_state state;
	const char *engine;
	char address[HAWSER_ADDRESS_MAX]; /* of the last attempt, "" before the first */
	uint32_t round;
	uint32_t attempt;
	uint32_t failures_in_a_row;
	uint64_t next_retry_ns; /* until the next round; 0 when none is planned */
	uint64_t age_ns;        /* in this state */
	uint64_t connections;   /* times ready */
	uint64_t losses;
	uint64_t rebinds; /* bindings bound again after a loss */
	uint64_t causes[HAWSER_CAUSES];
	uint64_t bytes_sent;
	uint64_t bytes_received;
	uint32_t bindings[HAWSER_BINDING_STATES];
	uint32_t calls_waiting; /* for their binding */
	uint32_t calls_in_flight;
	uint32_t unsent_bytes;
	/* Times from the beginning of a round to ready: bucket i counts those below 2^i x 64 us, the last one
	 * all longer ones. */
	uint32_t ready_time[HAWSER_TIME_BUCKETS];
	int last_code; /* of the last failure, 0 when there was none */
	enum hawser_stage last_stage;
	enum hawser_cause last_cause;
	uint32_t attempts_count; /* of the array below, newest first */
	struct hawser_attempt_status attempts[HAWSER_ATTEMPTS_MAX];
};

/* Works in every state, after the end too, until the handle is freed. -EINVAL: size is smaller than that of
 * the first version. */
HAWSER_PUBLIC int hawser_client_status(const hawser_client *client, struct hawser_status *status);

/* The same as one JSON object, ended by NUL. Returns its length without the NUL; when that is size or more,
 * the text was cut and is no JSON: call again with more room (16 KiB always suffice for attempts_kept 4).
 * -EINVAL: no buffer. */
HAWSER_PUBLIC int hawser_client_status_json(const hawser_client *client, char *text, size_t size);

/* The two tables of moves as diagrams, for README and for people: kind is "mermaid" or "graphviz", table
 * "connection" or "binding". Same return value as above; -EINVAL for other words. Any thread. */
HAWSER_PUBLIC int hawser_diagram(const char *table, const char *kind, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
