/* SPDX-License-Identifier: MIT
 *
 * How operations get into the ring, and how they are asked to leave it.
 *
 * An operation fills its SQEs when it is started, and the next wait submits them all. When the SQ is full it
 * is flushed; when the kernel does not take it then (-EAGAIN and -EBUSY: it is short of memory), or the ring
 * is not enabled yet, the operation waits in `unsubmitted`, in the order of starting, until a wait finds
 * room. A cancel that finds no SQE waits in `cancelling` the same way.
 *
 * SQEs that belong together (a connect and its deadline) are reserved together, because a chain that is split
 * over two submits leaves the connect without its deadline.
 */
#include "engine/uring.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

/* user_data of the engine's own requests: no slot has generation 0. */
#define OWN_WAKE uring_name(0, URING_WAKE)
#define OWN_INOTIFY uring_name(1, URING_INOTIFY)

void uring_flush(struct uring *uring)
{
	uring->connects_unflushed = 0;
	if (io_uring_submit(&uring->ring) < 0)
		uring->refused = true;
}

bool uring_reserve(struct uring *uring, unsigned count)
{
	if (!uring->enabled)
		return false;
	if (io_uring_sq_space_left(&uring->ring) >= count)
		return true;
	uring_flush(uring);
	return io_uring_sq_space_left(&uring->ring) >= count;
}

/* The only place that takes SQEs: never NULL, because the caller reserved them. */
struct io_uring_sqe *uring_sqe(struct uring *uring, uint64_t user_data)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

	if (!sqe)
		__builtin_trap();
	/* The prep functions leave user_data alone. */
	sqe->user_data = user_data;
	return sqe;
}

static bool prepare(struct uring *uring, struct uring_operation *operation)
{
	switch (uring_kind_of(operation->id)) {
	case URING_CONNECT:
		return uring_connect_prepare(uring, operation);
	case URING_SEND:
		return uring_send_prepare(uring, operation);
	case URING_POLL:
		return uring_poll_prepare(uring, operation);
	default:
		return uring_receive_prepare(uring, operation);
	}
}

static bool prepare_cancel(struct uring *uring, uint64_t name, uint64_t target)
{
	struct io_uring_sqe *sqe;

	if (!uring_reserve(uring, 1))
		return false;
	sqe = uring_sqe(uring, name);
	io_uring_prep_cancel64(sqe, target, 0);
	/* It says something only when it came too late, which the operation's own completion shows better. */
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	return true;
}

static void put(struct uring_operation *operation, struct list *list, enum uring_place place)
{
	list_append(list, &operation->link);
	operation->place = (uint8_t)place;
}

void uring_start(struct uring *uring, struct uring_operation *operation)
{
	if (list_empty(&uring->unsubmitted) && prepare(uring, operation))
		put(operation, &uring->in_flight, URING_IN_FLIGHT);
	else
		put(operation, &uring->unsubmitted, URING_UNSUBMITTED);
}

/* The wake eventfd is read by the kernel, which saves a read(2) a wake; inotify is polled once at a time,
 * because what a bounded read left there must be seen again. */
static void arm_own(struct uring *uring)
{
	if (!uring->wake_armed && uring_reserve(uring, 1)) {
		struct io_uring_sqe *sqe = uring_sqe(uring, OWN_WAKE);

		io_uring_prep_read(sqe, uring->wake_fd, &uring->wake_count, sizeof(uring->wake_count), 0);
		uring->wake_armed = true;
	}
	if (!uring->inotify_armed && uring->directories.fd >= 0 && uring_reserve(uring, 1)) {
		struct io_uring_sqe *sqe = uring_sqe(uring, OWN_INOTIFY);

		io_uring_prep_poll_add(sqe, uring->directories.fd, POLLIN);
		uring->inotify_armed = true;
	}
}

/* The engine is going: its own two are to end, and not to come back. */
static void cancel_own(struct uring *uring)
{
	if (uring->wake_armed)
		prepare_cancel(uring, uring_name(OWN_WAKE, URING_CANCEL), OWN_WAKE);
	if (uring->inotify_armed)
		prepare_cancel(uring, uring_name(OWN_INOTIFY, URING_CANCEL), OWN_INOTIFY);
}

static void prepare_some(struct uring *uring, struct list *list, unsigned count)
{
	for (; count > 0 && !list_empty(list); count--) {
		struct uring_operation *operation = container_of(list->next, struct uring_operation, link);

		if (!prepare(uring, operation))
			return;
		list_remove(&operation->link);
		put(operation, &uring->in_flight, URING_IN_FLIGHT);
	}
}

void uring_submit_waiting(struct uring *uring)
{
	if (uring->closing)
		cancel_own(uring);
	else
		arm_own(uring);
	while (!list_empty(&uring->cancelling)) {
		struct uring_operation *operation =
		    container_of(uring->cancelling.next, struct uring_operation, link);

		if (!prepare_cancel(uring, uring_name(operation->id, URING_CANCEL), operation->id))
			return;
		list_remove(&operation->link);
		put(operation, &uring->in_flight, URING_IN_FLIGHT);
	}
	/* No more than there are buffers and room for completions, the others are first the next time: nobody
	 * starves. */
	prepare_some(uring, &uring->hungry, uring->hungry_max);
	prepare_some(uring, &uring->unsubmitted, UINT_MAX);
}

bool uring_has_unsubmitted(const struct uring *uring)
{
	return !list_empty(&uring->unsubmitted) || !list_empty(&uring->hungry) ||
	       !list_empty(&uring->cancelling);
}

int uring_submit(struct engine *engine)
{
	struct uring *uring = uring_of(engine);

	uring->refused = false;
	if (uring->enabled) {
		uring_submit_waiting(uring);
		if (io_uring_sq_ready(&uring->ring) > 0)
			uring_flush(uring);
	}
	/* What could not be submitted is the next wait's, which must be called for it. */
	if (uring->refused || uring_has_unsubmitted(uring))
		uring_signal(uring);
	return 0;
}

/* -ENOENT of an operation that has not completed: the kernel was moving it, from a poll to a worker. */
void uring_cancel_failed(struct uring *uring, const struct io_uring_cqe *cqe)
{
	if (cqe->res != -ENOENT)
		return;
	for (int kind = 0; kind < URING_KINDS; kind++) {
		struct uring_operation *operation =
		    uring_find(uring, uring_name(cqe->user_data, (enum uring_kind)kind));

		if (!operation || !operation->cancelled || operation->place != URING_IN_FLIGHT)
			continue;
		list_remove(&operation->link);
		put(operation, &uring->cancelling, URING_IN_FLIGHT);
		return;
	}
}

void uring_cancel(struct engine *engine, uint64_t id)
{
	struct uring *uring = uring_of(engine);
	struct uring_operation *operation = uring_find(uring, id);
	enum hawser_stage stage = HAWSER_STAGE_NONE;

	if (!operation || operation->cancelled)
		return;
	operation->cancelled = true;
	list_remove(&operation->link);
	if (operation->place == URING_IN_FLIGHT) {
		bool prepared = prepare_cancel(uring, uring_name(id, URING_CANCEL), id);

		put(operation, prepared ? &uring->in_flight : &uring->cancelling, URING_IN_FLIGHT);
		return;
	}
	if (operation->place == URING_OUTSIDE)
		uring_withdraw(uring, operation);
	if (uring_kind_of(id) == URING_CONNECT) {
		stage = HAWSER_STAGE_CONNECT;
		if (operation->fd >= 0)
			close(operation->fd);
	}
	uring_make_ready(uring, operation, -ECANCELED, stage);
}
