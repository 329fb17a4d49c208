/* SPDX-License-Identifier: MIT
 *
 * Bindings (a service asked for by name) and calls (a method invoked on a binding).
 */
#ifndef HAWSER_BINDING_H
#define HAWSER_BINDING_H

#include <hawser/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum hawser_binding_event {
	HAWSER_BINDING_BOUND,   /* the host has the service: calls flow */
	HAWSER_BINDING_LOST,    /* the connection went; it is bound again after the reconnect, by itself */
	HAWSER_BINDING_REFUSED, /* the end: the host does not offer it, or it is bound already */
	HAWSER_BINDING_FAILED,  /* the end: deadline, connection gone (one-shot, fail-fast), protocol error */
	HAWSER_BINDING_RELEASED, /* the end: released, or its client or loop was closed or freed */
};

/* error is NULL for BOUND. After an end the handle answers -ESTALE and waits to be freed. A one-shot binding
 * that was bound is told LOST and then FAILED when its connection goes. */
typedef void (*hawser_on_binding)(
    hawser_binding *binding, enum hawser_binding_event event, const struct hawser_error *error, void *user);

enum hawser_binding_state {
	HAWSER_BINDING_QUEUED,
	HAWSER_BINDING_BINDING,
	HAWSER_BINDING_IS_BOUND,
	HAWSER_BINDING_RELEASING,
	HAWSER_BINDING_IS_RELEASED,
	HAWSER_BINDING_STATES
};

/* Any thread. */
HAWSER_PUBLIC const char *hawser_binding_state_name(enum hawser_binding_state state);
HAWSER_PUBLIC const char *hawser_binding_event_name(enum hawser_binding_event event);

struct hawser_bind_options {
	size_t size;
	const char *service; /* copied; 1..255 bytes */
	bool one_shot;       /* ends with the connection instead of coming back */
	bool fail_fast;      /* ends when a round fails instead of waiting for the next one */
	bool retry_refused;  /* a refusal is not the end: asked again after a backoff */
	/* HAWSER_AUTO: the client's. Persistent: from sending the request to the answer; when it passes the
	 * connection is closed as broken, the round counts as failed and the binding is queued again.
	 * One-shot: from hawser_bind to the answer; when it passes the binding fails (-ETIMEDOUT). */
	uint32_t deadline_ms;
};
#define HAWSER_DEFAULTS_hawser_bind_options \
	.size = sizeof(struct hawser_bind_options), .deadline_ms = HAWSER_AUTO
HAWSER_PUBLIC void hawser_bind_options_init(struct hawser_bind_options *options);

/* Asks for a service, persistently: queued while there is no connection, sent in the order of the calls.
 * ret_binding may be NULL: the binding then lives until its end and frees itself.
 * A second binding of a service that the client has bound or asked for ends with REFUSED (-EEXIST); the very
 * same one again (same callback and user) is -EALREADY at once.
 * -EINVAL: an empty or too long name, no callback, a deadline of 0; -ENOBUFS: requests_max (on_writable will
 * tell); -EOPNOTSUPP: protocol "none"; -E2BIG; -ENOMEM; -ESTALE: the client is closing, draining or closed;
 * -ECHILD. */
HAWSER_PUBLIC int hawser_bind(hawser_client *client, const char *service, hawser_on_binding callback,
    void *user, hawser_binding **ret_binding);
HAWSER_PUBLIC int hawser_bind_with(hawser_client *client, const struct hawser_bind_options *options,
    hawser_on_binding callback, void *user, hawser_binding **ret_binding);

/* Gives the service up: RELEASED (-ECANCELED) is told from the loop, its calls are cancelled first.
 * -ESTALE: it has ended or is ending already; -ECHILD. */
HAWSER_PUBLIC int hawser_binding_release(hawser_binding *binding);

/* Releases without telling its owner and frees the handle; its calls are told -ECANCELED. NULL is allowed. */
HAWSER_PUBLIC void hawser_binding_free(hawser_binding *binding);

HAWSER_PUBLIC enum hawser_binding_state hawser_binding_state(const hawser_binding *binding);
HAWSER_PUBLIC const char *hawser_binding_service(const hawser_binding *binding);
/* NULL after the end of the binding was told, and once the client was freed. */
HAWSER_PUBLIC hawser_client *hawser_binding_client(const hawser_binding *binding);

/* An answer. error NULL: reply is the answer's payload, and with more true another answer will follow. error
 * set: the end, reply is NULL and more false. */
typedef void (*hawser_on_reply)(hawser_call *call, const struct hawser_bytes *reply, bool more,
    const struct hawser_error *error, void *user);

struct hawser_invoke_options {
	size_t size;
	const char *method;
	struct hawser_bytes arguments; /* copied */
	const int *fds;                /* unix only, at most 16; hawser's on success */
	size_t fds_count;
	uint32_t deadline_ms; /* from the call to the last answer; HAWSER_AUTO: the client's */
	bool fail_fast;       /* -ENOTCONN at once unless the binding is bound */
};
#define HAWSER_DEFAULTS_hawser_invoke_options \
	.size = sizeof(struct hawser_invoke_options), .deadline_ms = HAWSER_AUTO
HAWSER_PUBLIC void hawser_invoke_options_init(struct hawser_invoke_options *options);

/* Invokes a method by the name that the host gave it. While the binding is not bound the call waits for it;
 * in flight when the connection goes, it fails once, before its binding is told, and error->fate says what
 * may have become of it. A method the host does not list: -ENOSYS in the callback, nothing is sent. callback
 * NULL: no reply is asked for (such a call is dropped silently with its connection); ret_call may be NULL:
 * the call then frees itself after its last answer. -EINVAL: an empty method, a deadline of 0; -EMSGSIZE:
 * larger than a frame of 131072 bytes can carry (of a call that waits for its binding: larger than a frame;
 * what its header makes too large is told in the callback) or than unsent_bytes_max; -ENOBUFS: requests_max,
 * or unsent_bytes_max of the connection or of what waits (on_writable will tell); -ENOTCONN:
 * fail_fast and not bound; -EBADF: fds; -EOPNOTSUPP: a protocol without calls, or fds on a target that is not
 * unix; -ENOMEM; -ESTALE; -ECHILD. */
HAWSER_PUBLIC int hawser_invoke(hawser_binding *binding, const char *method, const void *arguments,
    size_t size, hawser_on_reply callback, void *user, hawser_call **ret_call);
HAWSER_PUBLIC int hawser_invoke_with(hawser_binding *binding, const struct hawser_invoke_options *options,
    hawser_on_reply callback, void *user, hawser_call **ret_call);

/* Ends the call with -ECANCELED, told from the loop; a later answer of the host is ignored. -ESTALE: it has
 * ended already; -ECHILD. */
HAWSER_PUBLIC int hawser_call_cancel(hawser_call *call);

/* Cancels without telling, and frees the handle. NULL is allowed. */
HAWSER_PUBLIC void hawser_call_free(hawser_call *call);

/* In on_reply: takes the next descriptor of this answer (CLOEXEC; the caller's now). -ENOENT: none is left,
 * or not in on_reply; -ECHILD. */
HAWSER_PUBLIC int hawser_call_take_fd(hawser_call *call);

#ifdef __cplusplus
}
#endif
#endif
