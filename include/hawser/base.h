/* SPDX-License-Identifier: MIT
 *
 * The words that every other header uses: visibility, version, bytes, errors, and how options are passed.
 *
 * Functions return 0 or a negative errno. Outputs come last, are named ret_..., and are untouched on
 * failure. Unless a function says "any thread", it belongs to the thread of its loop; called in a forked
 * child, every function that takes a handle answers -ECHILD.
 */
#ifndef HAWSER_BASE_H
#define HAWSER_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HAWSER_VERSION_MAJOR 0
#define HAWSER_VERSION_MINOR 1
#define HAWSER_VERSION_PATCH 0

#if defined(__GNUC__)
#define HAWSER_PUBLIC __attribute__((visibility("default")))
#else
#define HAWSER_PUBLIC
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hawser_loop hawser_loop;
typedef struct hawser_client hawser_client;
typedef struct hawser_binding hawser_binding;
typedef struct hawser_call hawser_call;
typedef struct hawser_timer hawser_timer;

/* In an option that is a number: the default (often that of the target's kind), and "no limit". 0 is -EINVAL
 * wherever it would mean "at once" or "nothing": a deadline that has passed before it began is a mistake. */
#define HAWSER_AUTO (UINT32_MAX - 1)
#define HAWSER_NONE UINT32_MAX

/* Bytes that belong to whoever hands them over; a callback's bytes live until the callback returns. */
struct hawser_bytes {
	const void *data;
	size_t size;
};

/* Where an attempt, a binding or a call failed. */
enum hawser_stage {
	HAWSER_STAGE_NONE,
	HAWSER_STAGE_RESOLVE,
	HAWSER_STAGE_SOCKET,
	HAWSER_STAGE_CONNECT,
	HAWSER_STAGE_VERIFY,
	HAWSER_STAGE_SETUP,
	HAWSER_STAGE_BIND,
	HAWSER_STAGE_CALL,
	HAWSER_STAGE_RECEIVE,
	HAWSER_STAGE_SEND,
	HAWSER_STAGES
};

/* Why: the causes that status counts. */
enum hawser_cause {
	HAWSER_CAUSE_NONE,
	HAWSER_CAUSE_REFUSED,      /* nobody listens there, or the service was refused */
	HAWSER_CAUSE_UNREACHABLE,  /* no route, ICMP, network down, prohibited */
	HAWSER_CAUSE_DEADLINE,     /* an attempt's, setup's, bind's or call's own deadline */
	HAWSER_CAUSE_BACKLOG_FULL, /* a unix host that does not accept fast enough */
	HAWSER_CAUSE_NO_HOST,      /* a path or a name that does not exist */
	HAWSER_CAUSE_LOCAL,        /* no descriptors, no memory, no ports, a forbidden option */
	HAWSER_CAUSE_IDENTITY,     /* the peer is not the user that was required */
	HAWSER_CAUSE_PROTOCOL,     /* the host sent what its protocol forbids */
	HAWSER_CAUSE_LOST,         /* an established connection was closed or reset */
	HAWSER_CAUSE_CANCELLED,    /* released, superseded, drained or freed by the owner */
	HAWSER_CAUSES
};

/* What became of the bytes of a failed call. */
enum hawser_fate {
	HAWSER_FATE_NONE,           /* the error is not about a call */
	HAWSER_FATE_ANSWERED,       /* the host itself answered: with a failure */
	HAWSER_FATE_NEVER_SENT,     /* no byte was given to the kernel: safe to repeat */
	HAWSER_FATE_SENT,           /* a part was given to the kernel: the host cannot have the whole of it */
	HAWSER_FATE_MAYBE_EXECUTED, /* all of it was given to the kernel, or (cancelled or overdue on a
				     * connection that lives on) still will be, and no answer came */
};

/* An error as callbacks receive it. Pointers live until the callback returns. What the owner ended himself
 * (released, cancelled, closed, drained, freed) is -ECANCELED with stage none, or call for a call. */
struct hawser_error {
	int code; /* negative errno */
	enum hawser_stage stage;
	enum hawser_cause cause;
	enum hawser_fate fate;
	uint32_t round;         /* rounds begun by the client so far */
	uint32_t attempt;       /* attempts begun by the client so far */
	uint64_t elapsed_ns;    /* since the round, setup, binding or call began */
	uint64_t next_retry_ns; /* until the next round begins; 0 when none is planned */
	const char *address;    /* the address of the attempt, "" when there was none */
	const char *text;       /* one sentence: what happened, or the host's own words */
};

/* Names for people and for JSON: "connect", "refused", "maybe executed", "ECONNREFUSED". Any thread.
 * Never NULL; an unknown value is "unknown". hawser_errno_name takes the number with either sign. */
HAWSER_PUBLIC const char *hawser_stage_name(enum hawser_stage stage);
HAWSER_PUBLIC const char *hawser_cause_name(enum hawser_cause cause);
HAWSER_PUBLIC const char *hawser_fate_name(enum hawser_fate fate);
HAWSER_PUBLIC const char *hawser_errno_name(int code);

/* "0.1.0": the version of the library that runs, not of the header. Any thread. */
HAWSER_PUBLIC const char *hawser_version(void);

/* Memory comes from these two when a loop is given them. allocate may answer NULL: the call that asked then
 * fails with -ENOMEM and has changed nothing. release gets the size that was asked for. Both are called in
 * the loop's thread, and in that of hawser_loop_post. Not from here: the ring and its receive buffers, which
 * are mapped, and what the threads that look names up need while they do (malloc). */
struct hawser_allocator {
	void *(*allocate)(size_t size, void *user);
	void (*release)(void *pointer, size_t size, void *user);
	void *user;
};

enum hawser_log_level { HAWSER_LOG_ERROR, HAWSER_LOG_WARNING, HAWSER_LOG_INFO, HAWSER_LOG_DEBUG };

/* One line without a newline. client is NULL for lines about the loop. Called in the loop's thread. It may
 * call no hawser function. */
typedef void (*hawser_log_function)(
    enum hawser_log_level level, const hawser_client *client, const char *line, void *user);

/* Declares the options struct `name` with every default filled in and the given fields set:
 *     HAWSER_OPTIONS(hawser_client_options, options, .target = "unix:/run/x.sock");
 * In C++, and where no field is set, declare the struct and call its _init function. */
#define HAWSER_OPTIONS(type, name, ...)                                                \
	_Pragma("GCC diagnostic push")                                                 \
	    _Pragma("GCC diagnostic ignored \"-Woverride-init\"") struct type name = { \
		HAWSER_DEFAULTS_##type, __VA_ARGS__};                                  \
	_Pragma("GCC diagnostic pop")

#ifdef __cplusplus
}
#endif
#endif
