/* SPDX-License-Identifier: MIT
 *
 * What the parts of the io_uring engine share; nobody else includes this, so that liburing stays behind the
 * contract (engine.h).
 *
 * An operation lives in a slot of its kind's table from its start to its final completion. Its id (kind in
 * bits 24..31, slot, generation) is also its user_data; what belongs to it in the kernel, its deadline and
 * its cancel, carries the same id under a kind of its own, so that no two requests in flight are named alike.
 */
#ifndef HAWSER_ENGINE_URING_H
#define HAWSER_ENGINE_URING_H

#include "core/list.h"
#include "core/slots.h"
#include "engine/engine.h"
#include "engine/shared.h"
#include <liburing.h>

enum uring_kind {
	URING_CONNECT,
	URING_SEND,
	URING_RECEIVE,
	URING_RECEIVE_FDS,
	URING_POLL,
	URING_WATCH,
	URING_RESOLVE,
	URING_KINDS, /* those above are operations of callers and have slots */
	URING_DEADLINE = URING_KINDS,
	URING_CANCEL,
	URING_WAKE,
	URING_INOTIFY,
};

enum { URING_KIND_SHIFT = SLOTS_INDEX_BITS, URING_CONNECTS_UNFLUSHED_MAX = 32 };

/* Where an operation is. */
enum uring_place {
	URING_UNSUBMITTED, /* no SQE yet: the ring is full or not enabled */
	URING_IN_FLIGHT,   /* an SQE is filled, or the kernel has it */
	URING_OUTSIDE,     /* inotify or the resolver has it */
	URING_DELIVERING,  /* its handler runs, and it goes on afterwards */
	URING_READY,       /* its result is known and waits for `wait` */
};

struct uring_operation {
	struct list link; /* in the list of its place */
	struct handler handler;
	uint64_t id;
	int fd;
	int result; /* of a ready one */
	uint8_t place;
	uint8_t stage; /* of a ready one */
	bool cancelled;
};

struct uring_connect {
	struct uring_operation operation;
	struct __kernel_timespec deadline;
	bool guarded; /* it has a deadline */
	socklen_t address_size;
	struct engine_tag tag;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} address; /* the tracer finds the tag right in front of it */
};

_Static_assert(offsetof(struct uring_connect, address) ==
		   offsetof(struct uring_connect, tag) + sizeof(struct engine_tag),
    "the tag precedes the address");

/* Room for the descriptors of one message. */
enum { URING_CONTROL_SIZE = CMSG_SPACE(ENGINE_FDS_MAX * sizeof(int)) };

struct uring_send {
	struct uring_operation operation;
	struct msghdr message;
	struct iovec vectors[ENGINE_VECTORS_MAX];
	_Alignas(struct cmsghdr) uint8_t control[URING_CONTROL_SIZE];
};

struct uring_receive {
	struct uring_operation operation;
	bool eager; /* the socket had more than fitted: no need to wait for it */
};

struct uring_receive_fds {
	struct uring_receive receive;
	struct msghdr message;
	_Alignas(struct cmsghdr) uint8_t control[URING_CONTROL_SIZE];
};

struct uring_poll {
	struct uring_operation operation;
	short events;
	int found; /* by a multishot one, which is being cancelled for it */
};

struct uring;

struct uring_watch {
	struct uring_operation operation;
	struct uring *uring;
	struct directory_watch watch;
};

/* The provided buffers that all receives share. */
struct uring_buffers {
	struct io_uring_buf_ring *ring;
	size_t ring_size;
	uint8_t *bytes;
	size_t bytes_size;
	uint32_t size; /* of one buffer */
	uint32_t count;
};

struct uring {
	struct engine engine;
	struct memory *memory;
	struct io_uring ring;
	bool enabled; /* in the thread that waited first */
	struct slots slots[URING_KINDS];
	struct list unsubmitted;
	struct list hungry;  /* to be started again a few at a time: receives without a buffer, and polls */
	unsigned hungry_max; /* at once */
	struct list in_flight;
	struct list cancelling; /* in flight, and the cancel found no SQE yet */
	struct list ready;
	struct uring_buffers buffers;
	struct directories directories;
	struct lookups lookups;
	int wake_fd;
	uint64_t wake_count; /* the kernel reads wake_fd into it */
	bool wake_armed;
	bool inotify_armed;
	bool lookups_ready;   /* the resolver may have answers */
	_Atomic int event_fd; /* -1 until somebody asks for it; wake reads it in any thread */
	unsigned connects_unflushed;
	uint64_t stale;

	/* Of the wait that goes on. */
	unsigned completions_max;
	unsigned delivered;
	bool waiting;
	bool woken;
	bool refused; /* the kernel did not take what was submitted: try again later */
	bool closing; /* destroy: completions are thrown away */
};

static inline struct uring *uring_of(struct engine *engine)
{
	return container_of(engine, struct uring, engine);
}

static inline enum uring_kind uring_kind_of(uint64_t id)
{
	return (enum uring_kind)(id >> URING_KIND_SHIFT & 0xff);
}

/* The user_data of what belongs to an operation. */
static inline uint64_t uring_name(uint64_t id, enum uring_kind kind)
{
	return (id & ~(UINT64_C(0xff) << URING_KIND_SHIFT)) | (uint64_t)kind << URING_KIND_SHIFT;
}

/* ---- uring_setup.c: the ring ---- */
int uring_ring_create(struct uring *uring, const struct engine_options *options, const char **ret_missing);
int uring_ring_enable(struct uring *uring);
size_t uring_ring_memory(const struct uring *uring);

/* ---- uring_submit.c: SQEs, and the operations that wait for one ---- */
/* False: the ring is full and the kernel does not take it now. */
bool uring_reserve(struct uring *uring, unsigned count);
/* After uring_reserve, as often as that promised. */
struct io_uring_sqe *uring_sqe(struct uring *uring, uint64_t user_data);
/* Hands an operation to the kernel, or lets it wait for an SQE. */
void uring_start(struct uring *uring, struct uring_operation *operation);
void uring_flush(struct uring *uring);
/* Fills SQEs for all that waits for one: operations, cancels, the engine's own. */
void uring_submit_waiting(struct uring *uring);
/* Something waits for an SQE or a buffer still. */
void uring_cancel_failed(struct uring *uring, const struct io_uring_cqe *cqe);
bool uring_has_unsubmitted(const struct uring *uring);
int uring_submit(struct engine *engine);
void uring_cancel(struct engine *engine, uint64_t id);

/* ---- uring_wait.c ---- */
int uring_wait(struct engine *engine, uint64_t until_ns, unsigned completions_max);
uint64_t uring_now(struct engine *engine);

/* ---- uring.c: operations ---- */
/* NULL: no memory. */
void *uring_take(struct uring *uring, enum uring_kind kind, struct handler handler);
/* NULL: not an operation, or no longer. */
struct uring_operation *uring_find(const struct uring *uring, uint64_t id);
/* Gives the slot back, then delivers, so that the handler may start anything. */
void uring_finish(struct uring *uring, struct uring_operation *operation, struct completion *completion);
void uring_deliver(struct uring *uring, struct handler handler, const struct completion *completion);
/* The result is known without the kernel: `wait` will deliver it. */
void uring_make_ready(
    struct uring *uring, struct uring_operation *operation, int result, enum hawser_stage stage);
/* Makes the event_fd readable, if there is one. */
void uring_signal(struct uring *uring);

/* ---- uring_connect.c ---- */
int uring_connect(
    struct engine *engine, const struct connect_request *request, struct handler handler, uint64_t *ret_id);
bool uring_connect_prepare(struct uring *uring, struct uring_operation *operation);
void uring_connect_completed(
    struct uring *uring, struct uring_operation *operation, const struct io_uring_cqe *cqe);

/* ---- uring_transfer.c ---- */
int uring_send(struct engine *engine, int fd, const struct iovec *vectors, unsigned vectors_count,
    const int *fds, unsigned fds_count, struct handler handler, uint64_t *ret_id);
bool uring_send_prepare(struct uring *uring, struct uring_operation *operation);
int uring_receive(struct engine *engine, int fd, bool with_fds, struct handler handler, uint64_t *ret_id);
bool uring_receive_prepare(struct uring *uring, struct uring_operation *operation);
void uring_receive_completed(
    struct uring *uring, struct uring_operation *operation, const struct io_uring_cqe *cqe);
int uring_poll(struct engine *engine, int fd, short events, struct handler handler, uint64_t *ret_id);
bool uring_poll_prepare(struct uring *uring, struct uring_operation *operation);
/* Of send and poll: the CQE's result is the completion's. */
void uring_poll_completed(
    struct uring *uring, struct uring_operation *operation, const struct io_uring_cqe *cqe);
void uring_plain_completed(
    struct uring *uring, struct uring_operation *operation, const struct io_uring_cqe *cqe);

/* ---- uring_names.c: directories and host names ---- */
int uring_watch(struct engine *engine, const char *directory, struct handler handler, uint64_t *ret_id);
int uring_resolve(
    struct engine *engine, const char *host, uint16_t port, struct handler handler, uint64_t *ret_id);
/* Ends the watch or the lookup of an operation that is outside. */
void uring_withdraw(struct uring *uring, struct uring_operation *operation);
void uring_directories_deliver(struct uring *uring);
void uring_lookups_deliver(struct uring *uring);

/* ---- uring_buffers.c ---- */
int uring_buffers_map(struct uring_buffers *buffers, uint32_t count, uint32_t size);
void uring_buffers_unmap(struct uring_buffers *buffers);
int uring_buffers_register(struct uring_buffers *buffers, struct io_uring *ring);
uint8_t *uring_buffers_at(const struct uring_buffers *buffers, uint32_t index);
void uring_buffers_return(struct uring_buffers *buffers, uint32_t index);

#endif
