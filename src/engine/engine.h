/* SPDX-License-Identifier: MIT
 *
 * The engine contract: the only way to the kernel's I/O. Three engines keep it: uring.c, epoll.c, and the
 * simulator's (tests/sim).
 *
 * What starts an operation returns 0 and an id, or a negative errno and then nothing was started (-ENOMEM is
 * the only one that is not a bug of the caller: everything else, EMFILE included, comes as a completion). A
 * started operation has exactly one final completion (more false), delivered from `wait` and never from
 * inside the call that started it; a multishot operation (receive, watch) may post others before it. Its data
 * live until the handler returns. The handler may start and cancel any operation and close any fd without
 * one.
 *
 * An fd is the engine's name for a socket; only the functions below may be given it (the simulator's are no
 * descriptors). All functions belong to the loop's thread, but `wake`.
 */
#ifndef HAWSER_ENGINE_ENGINE_H
#define HAWSER_ENGINE_ENGINE_H

#include "core/memory.h"
#include "net/address.h"
#include "net/socket.h"
#include <hawser/base.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

enum {
	ENGINE_VECTORS_MAX = 16, /* buffers of one send */
	ENGINE_FDS_MAX = 16,     /* descriptors of one message, both ways */
};

#define ENGINE_NEVER UINT64_MAX

struct engine;

struct completion {
	uint64_t id;
	/* connect: the fd, connected and verified, the receiver's now. send: bytes taken (> 0). receive:
	 * bytes in data (> 0), or 0 for the end of the stream (final). poll: the events. watch: 0 with name.
	 * resolve: number of addresses (> 0). Negative: the errno; -ECANCELED after cancel (unless the
	 * operation was faster). receive may end with -ENOBUFS, or with data and more false: nothing is
	 * wrong, start it again. connect answers -ETIMEDOUT when its deadline passed, -EAGAIN when a unix
	 * backlog is full. */
	int result;
	enum hawser_stage stage; /* of a failed connect: socket, connect or verify */
	bool more;
	const uint8_t *data;
	const int *fds; /* received descriptors, CLOEXEC: the receiver takes or closes each of them */
	unsigned fds_count;
	bool fds_lost;    /* the kernel had to drop some (MSG_CTRUNC) */
	const char *name; /* watch: the file that was created or moved here; NULL: events were lost */
	const struct address *addresses; /* resolve */
};

struct handler {
	void (*done)(void *owner, const struct completion *completion);
	void *owner;
};

/* Precedes the sockaddr handed to the kernel, for the tracer (bpf/): version 1, all in host byte order. */
struct engine_tag {
	uint64_t magic; /* ENGINE_TAG_MAGIC */
	uint32_t version;
	uint32_t attempt;
	uint64_t client;
	char target[40]; /* the client's name, cut, ended by NUL */
};
#define ENGINE_TAG_MAGIC 0x7267617472777368ULL /* "hswrtagr" */

struct connect_request {
	struct address address;
	int adopted_fd; /* -1; else the descriptor of an fd: target: it is verified instead of connected, and
			   stays the caller's unless that succeeds */
	uint64_t deadline_ns;                 /* from now; ENGINE_NEVER: none */
	const struct socket_options *options; /* used before the call returns */
	struct engine_tag tag;
};

struct engine_operations {
	const char *name; /* "io_uring", "epoll" */
	void (*destroy)(struct engine *
		engine); /* nothing may be in flight but watches, polls and lookups: they get no completion */

	uint64_t (*now)(struct engine *engine); /* CLOCK_MONOTONIC, read anew */

	/* Starts. */
	int (*connect)(struct engine *engine, const struct connect_request *request, struct handler handler,
	    uint64_t *ret_id);
	/* The vectors are copied; what they point to must live until the completion. Never raises SIGPIPE.
	 * fds are borrowed until the completion and travel with the first byte. */
	int (*send)(struct engine *engine, int fd, const struct iovec *vectors, unsigned vectors_count,
	    const int *fds, unsigned fds_count, struct handler handler, uint64_t *ret_id);
	int (*receive)(struct engine *engine, int fd, bool with_fds, struct handler handler,
	    uint64_t *ret_id); /* multishot */
	/* POLLERR and POLLHUP are always wanted; events 0: nothing else is, POLLRDHUP neither. */
	int (*poll)(struct engine *engine, int fd, short events, struct handler handler, uint64_t *ret_id);
	/* Names that are created in or moved to a directory; multishot. */
	int (*watch)(struct engine *engine, const char *directory, struct handler handler, uint64_t *ret_id);
	/* Addresses of a host name, in getaddrinfo's order; port in host byte order. No deadline: cancel it.
	 */
	int (*resolve)(
	    struct engine *engine, const char *host, uint16_t port, struct handler handler, uint64_t *ret_id);

	/* Asks an operation to end; its final completion comes from wait as ever. Harmless when it has ended.
	 */
	void (*cancel)(struct engine *engine, uint64_t id);

	/* At once. close: nothing is in flight on fd. shutdown: SHUT_RD, SHUT_WR or SHUT_RDWR; while
	 * operations are in flight it makes them end. */
	void (*close)(struct engine *engine, int fd);
	void (*shutdown)(struct engine *engine, int fd, int how);
	int (*check_fd)(struct engine *engine, int fd);                           /* 0 or -EBADF */
	int (*peer)(struct engine *engine, int fd, struct socket_peer *ret_peer); /* SO_PEERCRED */

	/* Submits, waits until until_ns (CLOCK_MONOTONIC; 0: do not wait) for at least one completion or
	 * wake, delivers at most completions_max completions. Returns the number delivered; a negative errno
	 * is the loop's end. -ETIME is not an error: 0. When it returns completions_max there may be more. */
	int (*wait)(struct engine *engine, uint64_t until_ns, unsigned completions_max);
	void (*wake)(struct engine *engine); /* any thread */

	/* A descriptor that is readable when wait(0) has something to deliver, for foreign loops; made at the
	 * first request. Descriptor or negative errno. */
	int (*event_fd)(struct engine *engine);
	/* Submits what was started and not yet submitted, without waiting: before a foreign loop sleeps. */
	int (*submit)(struct engine *engine);

	size_t (*memory)(const struct engine *engine);  /* bytes mapped outside of the allocator */
	uint64_t (*stale)(const struct engine *engine); /* completions dropped for their generation */
};

struct engine {
	const struct engine_operations *operations;
};

struct engine_options {
	struct memory *memory;
	uint32_t submission_entries;
	uint32_t completion_entries;
	uint32_t receive_buffers;
	uint32_t receive_buffer_size;
	uint32_t resolver_threads_max;
};

/* io_uring_setup's errno, or -EOPNOTSUPP when a feature of 6.1 is missing (then *ret_missing names it). */
int uring_create(const struct engine_options *options, struct engine **ret_engine, const char **ret_missing);
int epoll_create_engine(const struct engine_options *options, struct engine **ret_engine);

#endif
