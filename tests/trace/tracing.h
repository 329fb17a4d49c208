/* SPDX-License-Identifier: MIT
 *
 * One connect, made in every way there is, in a network of the test's own that is traced: what the program
 * was told, and the one record that must tell the same.
 */
#ifndef TESTS_TRACE_TRACING_H
#define TESTS_TRACE_TRACING_H

#include <hawser/trace.h>
#include <stdbool.h>
#include <sys/socket.h>

enum way {
	WAY_BLOCKING,    /* connect(2) */
	WAY_NONBLOCKING, /* connect(2), poll, SO_ERROR */
	WAY_RING,
	WAY_RING_ASYNC,  /* IOSQE_ASYNC: a worker */
	WAY_RING_SQPOLL, /* a kernel thread submits */
	WAY_RING_FIXED,  /* a registered descriptor */
	WAYS
};
extern const char *const way_names[WAYS];

static inline bool way_is_ring(enum way way)
{
	return way >= WAY_RING;
}

struct attempt {
	enum way way;
	const struct sockaddr *address;
	socklen_t address_size;
	int syn_retries;      /* 0: the system's */
	unsigned deadline_ms; /* of rings: a linked timeout */
	unsigned cancel_ms;   /* rings cancel, sockets close after so long */
	bool nonblocking;     /* of rings; those of connect(2) say it by their way */
	bool skip_timeout;    /* as hawser does: the timeout has no completion */
};

/* Enters a network of its own and traces what this process does there. Skips the test where that is not
 * possible, with the reason. */
hawser_trace *tracing_begin(void);
/* Skips the test, saying what is lost, on a kernel that lacks this ability of hawser_trace_probe. */
void tracing_needs(const char *ability);
bool tracing_has(const char *ability);
/* No record came but those that were asked for, nothing is in flight, and nothing was lost. */
void tracing_end(void);

/* A trace of what this process does in the network that it has entered; skips the test likewise. */
hawser_trace *tracing_open(struct hawser_trace_options *options);
/* From now on lo's answers come by interrupts, on the processor that connects or on another. Skips the test
 * where that cannot be had. */
void tracing_interrupt(void);
/* Connects that a histogram has counted, of one cause and of all. */
uint64_t tracing_counted(hawser_trace *trace, unsigned layer, unsigned cause);
uint64_t tracing_counted_all(hawser_trace *trace, unsigned layer);

/* What the program was told: 0 or a positive errno; the socket stays open until the next attempt. */
int tracing_connect(const struct attempt *attempt);
/* The socket of the latest attempt. */
int tracing_socket(void);

/* Waits for the next record (bounded) and fails the test if there is none. */
struct hawser_trace_record tracing_record(void);

#endif
