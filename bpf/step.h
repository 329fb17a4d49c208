/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What a USDT probe of a process linked with hawser says of an attempt: the same bytes in the kernel and in
 * the library that joins them with the records of connects.
 */
#ifndef HAWSER_BPF_STEP_H
#define HAWSER_BPF_STEP_H

#include <hawser/trace_record.h>

enum step_kind {
	STEP_ATTEMPT_BEGIN,
	STEP_ATTEMPT_END,
	STEP_BACKOFF,
	STEP_TOLD,
	STEP_PROGRAM, /* a program was started, of which nothing but tgid is known; it may have probes */
};

enum { STEP_ADDRESS_BYTES = 28 /* of an IPv6 address; of a unix socket's as much as fits */ };

struct step {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint64_t client;
	uint64_t delay_ns; /* of a backoff */
	uint32_t tgid;
	uint32_t pid;
	uint32_t round;
	uint32_t attempt;
	int32_t result; /* of an attempt's end */
	uint8_t kind;   /* enum step_kind */
	uint8_t from;   /* of what was told: enum hawser_state */
	uint8_t to;
	uint8_t reserved;
	char name[HAWSER_TRACE_TARGET_BYTES];
	uint8_t address[STEP_ADDRESS_BYTES]; /* of an attempt's begin: the socket address */
	uint32_t address_size;
};

/* As of struct hawser_trace_config. */
struct step_config {
	uint32_t filters; /* HAWSER_TRACE_FILTER_TGID and HAWSER_TRACE_FILTER_UID alone */
	uint32_t tgid;
	uint32_t uid;
	uint32_t wake_bytes;
};

#endif
