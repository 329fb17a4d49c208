/* SPDX-License-Identifier: MIT
 *
 * A protocol: how services are bound and called over the bytes of a connection. The built-in protocols
 * ("perfetto", "raw", "none") use this header and nothing else.
 *
 * A protocol is a table of functions that hawser calls in the loop's thread, with a zeroed state of
 * connection_size bytes that lives as long as one connection. It never does I/O: it gives bytes to
 * hawser_connection_send and is handed the bytes that come. It tells answers by the request id that it was
 * given; hawser finds the binding or call, and ignores an id that is not (or no longer) awaited.
 */
#ifndef HAWSER_PROTOCOL_H
#define HAWSER_PROTOCOL_H

#include <hawser/base.h>
#include <hawser/client.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One connection as its protocol sees it. */
typedef struct hawser_connection hawser_connection;

enum hawser_protocol_flags {
	HAWSER_PROTOCOL_CALLS = 1,  /* has bind and invoke */
	HAWSER_PROTOCOL_STREAM = 2, /* hawser_send and on_data; bindings are bound when the client is ready */
	HAWSER_PROTOCOL_HANDOVER = 4, /* gives the connected fd away; nothing is read or written */
};

/* One call as the protocol has to encode it. */
struct hawser_protocol_call {
	const char *method;
	struct hawser_bytes arguments;
	const int *fds;
	size_t fds_count;
	bool no_reply;
};

struct hawser_protocol {
	size_t size; /* sizeof(struct hawser_protocol) */
	const char *name;
	uint32_t flags;
	size_t connection_size; /* bytes of state for a connection; may be 0 */
	size_t frame_max;       /* largest frame with its header, both ways; at most 16 MiB */

	/* The connection is up and verified. 0: ready for setup; 1: hawser_connection_prepared will say so;
	 * negative errno: the connection ends, stage setup. NULL: 0. */
	int (*open)(hawser_connection *connection, void *state);

	/* How long is the frame that begins at data? Its size with the header; 0: more bytes are needed to
	 * tell; negative errno: the connection ends (-EMSGSIZE: larger than frame_max). NULL: what is there
	 * is the frame. Called with size > 0. */
	ssize_t (*frame)(void *state, const uint8_t *data, size_t size);

	/* Takes one whole frame (of the size that frame told). Returns the bytes consumed: all of it, or less
	 * where frame is NULL; then 0 means that more bytes are needed, or, when it has ended the setup, that
	 * the same bytes are to be shown again (once whoever was told has not paused). A negative errno ends
	 * the connection, stage receive, cause protocol. Whatever it tells about answers is delivered to
	 * their owners before the next frame is looked at. */
	ssize_t (*receive)(hawser_connection *connection, void *state, const uint8_t *data, size_t size);

	/* Sends the request for a service. 0, or -ENOBUFS (asked again when the queue has drained),
	 * -EMSGSIZE, -ENOMEM. */
	int (*bind)(hawser_connection *connection, void *state, uint64_t id, const char *service);

	/* Sends a call. service is what hawser_connection_bound was given. 0, or -ENOSYS: no such method;
	 * -EMSGSIZE: does not fit frame_max; -ENOBUFS, -ENOMEM. On failure nothing was sent. */
	int (*invoke)(hawser_connection *connection, void *state, uint64_t id, void *service,
	    const struct hawser_protocol_call *call);

	/* The binding of this service has ended or was lost: frees service. May be NULL. */
	void (*unbind)(hawser_connection *connection, void *state, void *service);

	/* Begins the user's setup exchange; setup and what it points to live as long as the connection. 0:
	 * nothing is awaited; 1: hawser_connection_check or hawser_connection_setup_failed will be called;
	 * negative errno: as open's. NULL: setup is -EINVAL.
	 */
	int (*setup)(hawser_connection *connection, void *state, const struct hawser_setup_options *setup);

	/* The connection is gone; nothing may be sent. Every unbind came before. May be NULL. */
	void (*close)(hawser_connection *connection, void *state);
};

/* Queues one frame, whole or not at all; the bytes are copied. fds travel with its first byte in a sendmsg of
 * their own and become hawser's on success. -EINVAL: no bytes, or more than 16 fds; -EMSGSIZE: larger than
 * frame_max or unsent_bytes_max; -ENOBUFS: the queue has no room; -EPIPE: our half is closed; -EOPNOTSUPP:
 * fds on a target that is not unix; -ENOMEM; -ENOTCONN: the connection is going. */
HAWSER_PUBLIC int hawser_connection_send(hawser_connection *connection, const struct hawser_bytes *parts,
    size_t parts_count, const int *fds, size_t fds_count);

/* The handshake that open began is done. */
HAWSER_PUBLIC void hawser_connection_prepared(hawser_connection *connection);

/* The next request id of this connection: 1, 2, ... For requests of the protocol's own (setup). */
HAWSER_PUBLIC uint64_t hawser_connection_next_id(hawser_connection *connection);

/* Answers, at most one for an id in one frame, from open, setup and receive; from within bind and invoke they
 * are ignored and logged, because the request is only being made. bound: service is the protocol's own
 * pointer for this binding (its table of methods), freed by unbind; when the id is not awaited any more
 * unbind is called at once. replied: the bytes are not copied and are shown to the user after receive has
 * returned, so they lie in the frame or in the connection's state; descriptors of this frame go to the call.
 * failed: the host refused the binding, or the call failed; text (may be NULL) is the host's own sentence and
 * is copied. request_kind tells what is awaited under an id. */
enum hawser_request_kind { HAWSER_REQUEST_NONE, HAWSER_REQUEST_BIND, HAWSER_REQUEST_CALL };
HAWSER_PUBLIC enum hawser_request_kind hawser_connection_request_kind(
    const hawser_connection *connection, uint64_t id);
HAWSER_PUBLIC void hawser_connection_bound(hawser_connection *connection, uint64_t id, void *service);
HAWSER_PUBLIC void hawser_connection_replied(
    hawser_connection *connection, uint64_t id, const struct hawser_bytes *reply, bool more);
/* code is a negative errno; cause HAWSER_CAUSE_REFUSED for a refusal by the host, HAWSER_CAUSE_PROTOCOL for
 * an answer that makes no sense. */
HAWSER_PUBLIC void hawser_connection_failed(
    hawser_connection *connection, uint64_t id, int code, enum hawser_cause cause, const char *text);

/* Stream protocols: bytes for on_data. */
HAWSER_PUBLIC void hawser_connection_data(hawser_connection *connection, const struct hawser_bytes *data);

/* Shows an answer of the setup exchange to the user's check. The bytes it took (0: it waits for more), or the
 * negative errno it refused with; ends the setup when it said so. Without a check the setup is done. */
HAWSER_PUBLIC ssize_t hawser_connection_check(
    hawser_connection *connection, const struct hawser_bytes *answer);
/* The host answered the setup exchange with a failure. */
HAWSER_PUBLIC void hawser_connection_setup_failed(
    hawser_connection *connection, int code, enum hawser_cause cause, const char *text);
/* Is a setup exchange going on? */
HAWSER_PUBLIC bool hawser_connection_in_setup(const hawser_connection *connection);

/* Memory from the loop's allocator; NULL when there is none. NULL may be released. */
HAWSER_PUBLIC void *hawser_connection_allocate(hawser_connection *connection, size_t size);
HAWSER_PUBLIC void hawser_connection_release(hawser_connection *connection, void *pointer, size_t size);

/* The built-in protocols, for tables of one's own that wrap them. Any thread. */
HAWSER_PUBLIC const struct hawser_protocol *hawser_protocol_perfetto(void);
HAWSER_PUBLIC const struct hawser_protocol *hawser_protocol_raw(void);
HAWSER_PUBLIC const struct hawser_protocol *hawser_protocol_none(void);

#ifdef __cplusplus
}
#endif
#endif
