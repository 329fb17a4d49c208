/* SPDX-License-Identifier: MIT
 *
 * A client: one target, and the connection to it that hawser makes and keeps.
 *
 * Callbacks run in the loop's thread, never inside the call that caused them. Any function may be called in
 * any callback, freeing the very handle included. The owner of a freed handle is told nothing more.
 */
#ifndef HAWSER_CLIENT_H
#define HAWSER_CLIENT_H

#include <hawser/base.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hawser_protocol;

enum hawser_state {
	HAWSER_IDLE,       /* nothing asked for yet */
	HAWSER_RESOLVING,  /* a round has begun: the target's addresses are looked up */
	HAWSER_CONNECTING, /* an attempt on one address */
	HAWSER_PREPARING,  /* connected and verified: handshake and setup */
	HAWSER_READY,      /* bindings are bound, calls flow */
	HAWSER_WAITING,    /* backoff before the next round */
	HAWSER_DRAINING,   /* answers are awaited, nothing new is taken */
	HAWSER_CLOSING,    /* operations are still in the kernel */
	HAWSER_CLOSED,     /* the end */
	HAWSER_STATES
};

/* "ready". Any thread. */
HAWSER_PUBLIC const char *hawser_state_name(enum hawser_state state);

/* One change of a client's state; each is told once. Pointers live until the callback returns. */
struct hawser_change {
	enum hawser_state from;
	enum hawser_state to;
	const char *why; /* the reason in the table of moves */
	uint32_t round;
	uint32_t attempt;
	const char *address;              /* "" when there is none yet */
	uint64_t next_retry_ns;           /* when waiting: until the next round */
	const struct hawser_error *error; /* what led here, NULL when nothing failed */
};

typedef void (*hawser_on_change)(hawser_client *client, const struct hawser_change *change, void *user);

/* Protocol "raw": bytes as they came (data->size 0: the host has half-closed, with half_close set). */
typedef void (*hawser_on_data)(hawser_client *client, const struct hawser_bytes *data, void *user);
/* There is room again after -ENOBUFS: unsent bytes, or bytes of calls that wait, have gone down to half of
 * their limit, or a request has ended. After a loss, too: then its bytes are gone. */
typedef void (*hawser_on_writable)(hawser_client *client, void *user);
/* Protocol "none": a connected, verified, unread, nonblocking socket. It is the callback's now. */
typedef void (*hawser_on_handover)(hawser_client *client, int fd, void *user);

enum hawser_jitter {
	HAWSER_JITTER_DEFAULT,      /* the preset's */
	HAWSER_JITTER_NONE,         /* delay */
	HAWSER_JITTER_PERCENT,      /* delay +- jitter_percent */
	HAWSER_JITTER_FULL,         /* 0 .. delay */
	HAWSER_JITTER_EQUAL,        /* delay / 2 .. delay */
	HAWSER_JITTER_DECORRELATED, /* base .. 3 x the delay before, at most cap */
};

/* Schedules. The jitter formulas are those of "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015);
 * grpc is gRPC's doc/connection-backoff.md. */
enum hawser_backoff_preset {
	HAWSER_BACKOFF_AUTO, /* unix: 10 ms x2, full jitter, cap 1 s; network: 1 s x1.6 +-20 %, cap 30 s */
	HAWSER_BACKOFF_PERFETTO, /* 1, 2, .. 10 s, then 30 s, no jitter */
	HAWSER_BACKOFF_GRPC,     /* 1 s x1.6 +-20 %, cap 120 s */
	HAWSER_BACKOFF_FULL,     /* AUTO's numbers with that jitter */
	HAWSER_BACKOFF_EQUAL,
	HAWSER_BACKOFF_DECORRELATED,
};

struct hawser_client_options {
	size_t size;
	/* "unix:/path", "unix:@abstract", "tcp:host:port", "tcp:1.2.3.4:port", "tcp:[::1]:port", "fd:N". fd:N
	 * adopts a connected stream socket: the client owns it when hawser_client_new succeeds, and closes
	 * for good when it is lost. */
	const char *target;
	const char *protocol;                          /* "perfetto" (default), "raw" or "none" */
	const struct hawser_protocol *custom_protocol; /* instead of a name; must outlive the client */
	const char *name;                              /* for logs, status and traces; default: the target */
	void *user;
	hawser_on_change on_change;
	hawser_on_data on_data;
	hawser_on_writable on_writable;
	hawser_on_handover on_handover; /* needed with protocol "none" */
	bool start_later;               /* stay idle until hawser_client_connect */
	bool fail_fast; /* what waits for a connection fails with the round instead of waiting for the next */
	/* raw (else -EINVAL): the host's end of sending does not end the connection. It is lost when our half
	 * is closed, too, or when the host is gone altogether, as far as the kernel is told. */
	bool half_close;

	enum hawser_backoff_preset backoff;
	enum hawser_jitter backoff_jitter;
	uint32_t backoff_base_ms; /* HAWSER_AUTO: the preset's */
	uint32_t backoff_cap_ms;
	uint32_t backoff_factor_percent; /* 160 is x1.6; 100..10000, HAWSER_AUTO */
	uint32_t backoff_jitter_percent; /* 0..100, HAWSER_AUTO */
	/* Failed rounds in a row. A connection that is lost before a byte came, or before it was ready, is
	 * one. */
	uint32_t rounds_max;
	uint32_t overall_deadline_ms; /* without a ready connection; HAWSER_NONE */

	uint32_t resolve_deadline_ms; /* default 5 s */
	uint32_t attempt_deadline_ms; /* default: tcp 5 s, unix 1 s */
	uint32_t setup_deadline_ms;   /* handshake and setup; default 10 s */
	uint32_t bind_deadline_ms;    /* default of the bindings: 10 s from the moment it is sent */
	uint32_t call_deadline_ms;    /* default of the calls: HAWSER_NONE */
	uint32_t drain_deadline_ms;   /* default 5 s */

	uint32_t requests_max;     /* bindings and calls that have not ended, together; default 1024 */
	uint32_t unsent_bytes_max; /* on the connection, and again of calls that wait; default 8 MiB */
	uint32_t attempts_kept;    /* attempts that status remembers; default 4, at most 64 */

	/* Socket options; none is set unless asked, but for TCP_NODELAY. 0 and more than INT_MAX are
	 * -EINVAL; what the kernel refuses at a connect fails the attempt, stage socket. */
	bool tcp_delay;                /* leave Nagle's algorithm on */
	uint32_t tcp_user_timeout_ms;  /* HAWSER_AUTO: the kernel's */
	uint32_t keepalive_idle_s;     /* HAWSER_AUTO: no keepalive; else SO_KEEPALIVE, TCP_KEEPIDLE */
	uint32_t keepalive_interval_s; /* HAWSER_AUTO: the kernel's */
	uint32_t keepalive_probes;     /* HAWSER_AUTO: the kernel's */
	uint32_t send_buffer_size;     /* bytes; HAWSER_AUTO: the kernel's own tuning */
	uint32_t receive_buffer_size;
	uint32_t mark;             /* SO_MARK, needs CAP_NET_ADMIN; HAWSER_AUTO: none */
	const char *local_address; /* numeric; NULL: the kernel chooses */
	uint32_t local_port;       /* HAWSER_AUTO: the kernel chooses */
	const char *bind_device;   /* SO_BINDTODEVICE; NULL: none */

	/* The user that must own a unix host's socket (SO_PEERCRED); any other is refused with -EPERM, cause
	 * identity, before a byte is sent. HAWSER_AUTO: anybody. -EINVAL with any other target: no other
	 * socket says who is there. */
	uint32_t peer_uid;
};

#define HAWSER_DEFAULTS_hawser_client_options                                                                \
	.size = sizeof(struct hawser_client_options), .backoff_base_ms = HAWSER_AUTO,                        \
	.backoff_cap_ms = HAWSER_AUTO, .backoff_factor_percent = HAWSER_AUTO,                                \
	.backoff_jitter_percent = HAWSER_AUTO, .rounds_max = HAWSER_NONE,                                    \
	.overall_deadline_ms = HAWSER_NONE, .resolve_deadline_ms = 5000, .attempt_deadline_ms = HAWSER_AUTO, \
	.setup_deadline_ms = 10000, .bind_deadline_ms = 10000, .call_deadline_ms = HAWSER_NONE,              \
	.drain_deadline_ms = 5000, .requests_max = 1024, .unsent_bytes_max = 8388608, .attempts_kept = 4,    \
	.tcp_user_timeout_ms = HAWSER_AUTO, .keepalive_idle_s = HAWSER_AUTO,                                 \
	.keepalive_interval_s = HAWSER_AUTO, .keepalive_probes = HAWSER_AUTO,                                \
	.send_buffer_size = HAWSER_AUTO, .receive_buffer_size = HAWSER_AUTO, .mark = HAWSER_AUTO,            \
	.local_port = HAWSER_AUTO, .peer_uid = HAWSER_AUTO

HAWSER_PUBLIC void hawser_client_options_init(struct hawser_client_options *options);

/* Makes a client and begins to connect (unless start_later); the first thing it has to tell comes from a
 * later turn of the loop, an immediate failure too. Strings are copied.
 * -EINVAL: a target (hawser_target_explain says which part is wrong) or an option that cannot be meant, a
 * target or name of more than 511 bytes, an options size that was never one; -EPROTONOSUPPORT: no such
 * protocol; -E2BIG: options from a newer header; -EBADF, -ENOTSOCK, -EPROTOTYPE, -ENOTCONN: fd:N is no
 * descriptor, no socket, no stream, not connected (it stays the caller's after any failure); -ENOMEM;
 * -ESTALE: the loop is being freed; -ECHILD. */
HAWSER_PUBLIC int hawser_client_new(
    hawser_loop *loop, const struct hawser_client_options *options, hawser_client **ret_client);

/* Checks a target. 0, or -EINVAL with one sentence in text (size bytes, ended by NUL) that says which part is
 * wrong and what is expected. Any thread. */
HAWSER_PUBLIC int hawser_target_explain(const char *target, char *text, size_t size);

/* Connects an idle client; on any other starts over at once: the round or the connection there is is given up
 * (error -ECANCELED, cause cancelled) and a new round begins without backoff. -EOPNOTSUPP: fd:N, which there
 * is but once; -ESTALE: draining, closing or closed; -ECHILD. */
HAWSER_PUBLIC int hawser_client_connect(hawser_client *client);

/* Any thread, while the handle is not freed. Ends the backoff that is going on, if one is. -ESTALE: the loop
 * is gone; -ECHILD. */
HAWSER_PUBLIC int hawser_client_retry_now(hawser_client *client);

/* Takes nothing new, waits for the answers of what was asked (at most drain_deadline_ms), then closes. When
 * not ready it closes at once. A connection that is lost meanwhile fails what is not answered, as any loss
 * does. -ESTALE: draining, closing or closed already; -ECHILD. */
HAWSER_PUBLIC int hawser_client_drain(hawser_client *client);

/* Closes: every binding and call gets its terminal answer, the client is told HAWSER_CLOSED last. The handle
 * stays, its last state and error stay readable. -ESTALE: closed or closing already; -ECHILD. */
HAWSER_PUBLIC int hawser_client_close(hawser_client *client);

/* Closes without a word to the client's own callbacks and frees the handle. Bindings and calls whose handles
 * are held get their terminal answers from the loop. NULL is allowed. */
HAWSER_PUBLIC void hawser_client_free(hawser_client *client);

HAWSER_PUBLIC enum hawser_state hawser_client_state(const hawser_client *client);
HAWSER_PUBLIC void *hawser_client_user(const hawser_client *client);
HAWSER_PUBLIC hawser_loop *hawser_client_loop(const hawser_client *client);

/* Credentials of a unix host, as they were when it was connected to. -EOPNOTSUPP: not a unix socket (tcp,
 * or an fd:N of another family); -ENOTCONN: never connected; -EINVAL: no ret_peer; -ECHILD. */
struct hawser_peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};
HAWSER_PUBLIC int hawser_client_peer(const hawser_client *client, struct hawser_peer *ret_peer);

/* Setup: one exchange with the host at every connect, after the handshake and before the bindings. May be
 * asked for before or after the connect (then it runs at once); kept and run again at every later connect.
 * "perfetto": binds service and invokes method with request; a failure reply ends the connection.
 * "raw": sends request; what comes back goes to check until it says it is done.
 * check sees an answer as it comes (data may be a part of it with "raw"): it returns the number of bytes that
 * the answer took and ret_done true when the exchange is over; 0 and ret_done false to wait for more; a
 * negative errno to refuse the host (the connection ends, cause protocol, stage setup). NULL: with "perfetto"
 * any success will do, with "raw" nothing is awaited. */
struct hawser_setup_options {
	size_t size;
	const char *service;
	const char *method;
	struct hawser_bytes request; /* copied, at most 131072 - 64 bytes */
	ssize_t (*check)(hawser_client *client, const struct hawser_bytes *data, bool *ret_done, void *user);
	void *user;
};
#define HAWSER_DEFAULTS_hawser_setup_options .size = sizeof(struct hawser_setup_options)
HAWSER_PUBLIC void hawser_setup_options_init(struct hawser_setup_options *options);

/* Told once: error NULL when the exchange was done for the first time, else the failure, the loss or the
 * closing that ended the wait. Failures at later connects are the client's changes. */
typedef void (*hawser_on_setup)(hawser_client *client, const struct hawser_error *error, void *user);

/* -EALREADY: a setup is there already; -EINVAL: "perfetto" without service and method, or "none";
 * -EMSGSIZE: larger than a setup or than unsent_bytes_max; -ENOBUFS: on a ready connection, whose queue is
 * full: on_writable will tell; -EPIPE: after hawser_shutdown_send; -ENOMEM; -ESTALE: draining, closing or
 * closed; -ECHILD. After a failure nothing is kept. callback may be NULL. */
HAWSER_PUBLIC int hawser_client_setup(
    hawser_client *client, const struct hawser_setup_options *options, hawser_on_setup callback, void *user);

/* Protocol "raw". */

/* Queues all the bytes or none; fds (unix only, at most 16) become hawser's on success and travel with the
 * first byte. What was not sent when a connection goes is dropped: ret_position, if not NULL, receives the
 * position just behind these bytes in the connection's outgoing stream; compare it with hawser_client_sent
 * when the client is told of the loss. -ENOTCONN: not ready; -ENOBUFS: unsent_bytes_max (on_writable will
 * tell); -EMSGSIZE: larger than unsent_bytes_max; -EOPNOTSUPP: another protocol, or fds on a target that is
 * not unix; -EPIPE: after hawser_shutdown_send; -EINVAL: no bytes; -EBADF: fds; -ENOMEM; -ESTALE; -ECHILD. */
HAWSER_PUBLIC int hawser_send(hawser_client *client, const void *data, size_t size, const int *fds,
    size_t fds_count, uint64_t *ret_position);

/* How much of the outgoing stream of the connection there is, or of the last one there was, the kernel has
 * taken (completely) and may have taken (began). -EINVAL: an output is missing; -ECHILD. */
HAWSER_PUBLIC int hawser_client_sent(
    const hawser_client *client, uint64_t *ret_completely, uint64_t *ret_possibly);

/* No on_data until resume, and no word of the host's end either: nothing is received while paused, and what
 * one receive had brought is kept. -ENOTCONN, -EOPNOTSUPP, -ESTALE, -ECHILD. */
HAWSER_PUBLIC int hawser_pause(hawser_client *client);
HAWSER_PUBLIC int hawser_resume(hawser_client *client);

/* Sends what is queued, then ends the sending half. -ENOTCONN, -EOPNOTSUPP, -ESTALE, -ECHILD. */
HAWSER_PUBLIC int hawser_shutdown_send(hawser_client *client);

/* In on_data: takes the next descriptor that came with these bytes (CLOEXEC; the caller's now). What nobody
 * takes is closed when the callback returns. -ENOENT: none is left; -ECHILD. */
HAWSER_PUBLIC int hawser_client_take_fd(hawser_client *client);

#ifdef __cplusplus
}
#endif
#endif
