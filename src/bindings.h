/* SPDX-License-Identifier: MIT
 *
 * Bindings and calls from the inside: the second half of client.h, which includes it.
 */
#ifndef HAWSER_BINDINGS_INTERNAL_H
#define HAWSER_BINDINGS_INTERNAL_H

#include "client.h"

struct hawser_binding {
	struct binding machine; /* first */
	hawser_client *client;  /* NULL when the client is gone */
	hawser_loop *loop;
	struct list link;
	struct list calls; /* waiting and in flight, in the order of the calls */
	struct request request;
	struct timer timer; /* deadline, or the wait before a refused one is asked again */
	struct task task;
	hawser_on_binding callback;
	void *user;
	void *service; /* the protocol's */
	char *name;
	char *host_words; /* the failure's text, when that is the host's */
	uint64_t began_ns;
	struct failure failure;
	uint32_t deadline_ms;
	uint32_t calls_waiting;
	uint32_t refusals;
	uint64_t deadline_at_ns; /* one-shot */
	uint8_t event;           /* to be told */
	bool one_shot;
	bool fail_fast;
	bool retry_refused;
	bool held;
	bool silent; /* the handle was freed: nothing is told any more */
	bool was_bound;
	bool bound_told;  /* its owner believes it bound */
	bool lost_untold; /* the loss is to be told, before whatever came after it */
	bool telling;     /* its callback is on the stack */
	bool asleep;      /* refused, and not yet to be asked again */
};

/* ending: its last word is queued; ended: it was said. */
enum call_state { CALL_WAITING, CALL_SENT, CALL_ENDING, CALL_ENDED };

struct hawser_call {
	hawser_binding *binding; /* NULL when it has ended */
	hawser_loop *loop;
	hawser_client *client;
	struct list link;
	struct request request;
	struct timer timer;
	struct task task;
	hawser_on_reply callback;
	void *user;
	const char *method;
	void *copy; /* while it waits: method, arguments and descriptors in one piece */
	size_t copy_size;
	struct hawser_bytes arguments;
	const int *fds;
	size_t fds_count;
	uint64_t began_ns;
	uint64_t sent_from; /* its frame in the connection's outgoing stream */
	uint64_t sent_to;
	struct hawser_bytes reply;
	struct failure failure;
	char *host_words; /* the failure's text, when that is the host's */
	uint8_t state;
	bool reply_waits; /* to be told */
	bool more;
	bool held;
	bool silent;
	bool telling;
};

/* binding.c */
void binding_init(hawser_binding *binding, hawser_client *client);
void binding_release_memory(hawser_binding *binding);
bool binding_send(
    hawser_binding *binding); /* if it is its turn; false: the queue is full, try again when writable */
void binding_connection_went(
    hawser_binding *binding, hawser_connection *session, const struct failure *failure);
void binding_round_failed(hawser_binding *binding, const struct failure *failure);
void binding_end(hawser_binding *binding, enum hawser_binding_event event, const struct failure *failure);
void binding_answered(hawser_binding *binding, void *service);
void binding_refused(hawser_binding *binding, const struct failure *failure);

/* call.c */
void call_init(hawser_call *call, hawser_binding *binding);
void call_release_memory(hawser_call *call);
/* Gives the call to the protocol; on success its place in the outgoing stream is known. */
int call_send(hawser_call *call, const struct hawser_protocol_call *what);
void call_fail_unsent(hawser_call *call, int code);
/* A call without a reply is over when it is with the wire: there is nothing to tell. */
void call_is_over_unanswered(hawser_call *call);
void call_answered(hawser_call *call, const struct hawser_bytes *reply, bool more);
void call_fail(hawser_call *call, const struct failure *failure);
bool calls_send_waiting(hawser_binding *binding); /* false: the queue is full */
void calls_connection_went(
    hawser_binding *binding, hawser_connection *session, const struct failure *failure);
void calls_end(hawser_binding *binding, const struct failure *failure);

#endif
