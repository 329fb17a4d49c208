/* SPDX-License-Identifier: MIT
 *
 * Waiting and delivering: the only place where handlers run.
 *
 * A wait is a number of turns: fill SQEs for what waits for them, enter the kernel (sleeping only while there
 * is nothing to deliver), deliver. With DEFER_TASKRUN the kernel posts some twenty completions an enter, so
 * turns go on until SQ_TASKRUN is clear and the CQ is empty. A wait that ends earlier, at completions_max,
 * writes the event_fd itself, because the kernel wrote it when that work came and will not again. For the
 * same reason the event_fd is read before anything else.
 *
 * Failures: a signal ends a sleep and the wait goes on; -EAGAIN and -EBUSY (the kernel is short of memory)
 * end the wait early, so that the loop's timers go on; anything else is the end of the loop.
 */
#include "engine/uring.h"
#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>

enum { NS_PER_S = 1000000000 };

uint64_t uring_now(struct engine *engine)
{
	struct timespec now;

	(void)engine;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static bool kernel_has_more(const struct uring *uring)
{
	return (IO_URING_READ_ONCE(*uring->ring.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) !=
	       0;
}

static bool deliverable(const struct uring *uring)
{
	return io_uring_cq_ready(&uring->ring) > 0 || !list_empty(&uring->ready) || uring->lookups_ready;
}

/* Submits; works off what the kernel has. */
static int enter(struct uring *uring)
{
	if (io_uring_sq_ready(&uring->ring) == 0 && !kernel_has_more(uring))
		return 0;
	uring->connects_unflushed = 0;
	return io_uring_submit_and_get_events(&uring->ring);
}

/* Submits; sleeps until there is a CQE. -ETIME: until_ns has passed. */
static int sleep_until(struct uring *uring, uint64_t until_ns)
{
	uint64_t now_ns = until_ns == ENGINE_NEVER ? 0 : uring_now(&uring->engine);
	struct __kernel_timespec timeout = {.tv_sec = (long long)((until_ns - now_ns) / NS_PER_S),
	    .tv_nsec = (long long)((until_ns - now_ns) % NS_PER_S)};
	struct io_uring_cqe *cqe;

	if (until_ns <= now_ns) {
		int r = enter(uring);

		return r < 0 ? r : -ETIME;
	}
	uring->connects_unflushed = 0;
	return io_uring_submit_and_wait_timeout(
	    &uring->ring, &cqe, 1, until_ns == ENGINE_NEVER ? NULL : &timeout, NULL);
}

static void dispatch(struct uring *uring, const struct io_uring_cqe *cqe)
{
	enum uring_kind kind = uring_kind_of(cqe->user_data);
	struct uring_operation *operation;

	switch (kind) {
	case URING_DEADLINE: /* only its failures are posted: the connect was faster */
		return;
	case URING_CANCEL: /* likewise */
		uring_cancel_failed(uring, cqe);
		return;
	case URING_WAKE:
		uring->wake_armed = false;
		uring->woken = true;
		uring->lookups_ready = true;
		return;
	case URING_INOTIFY:
		uring->inotify_armed = false;
		if (!uring->closing)
			uring_directories_deliver(uring);
		return;
	default:
		break;
	}
	operation = uring_find(uring, cqe->user_data);
	if (!operation || operation->place != URING_IN_FLIGHT) {
		uring->stale++;
		/* Nobody looks at what it brought; the buffer must not be lost with it. */
		if (cqe->flags & IORING_CQE_F_BUFFER)
			uring_buffers_return(&uring->buffers, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
	} else if (kind == URING_CONNECT) {
		uring_connect_completed(uring, operation, cqe);
	} else if (kind == URING_RECEIVE || kind == URING_RECEIVE_FDS) {
		uring_receive_completed(uring, operation, cqe);
	} else if (kind == URING_POLL) {
		uring_poll_completed(uring, operation, cqe);
	} else {
		uring_plain_completed(uring, operation, cqe);
	}
}

/* Copies the CQE and gives it back first: handlers may submit, which posts more. */
static void deliver_completions(struct uring *uring)
{
	struct io_uring *ring = &uring->ring;

	while (uring->delivered < uring->completions_max && io_uring_cq_ready(ring) > 0) {
		struct io_uring_cqe cqe = ring->cq.cqes[*ring->cq.khead & ring->cq.ring_mask];

		io_uring_cq_advance(ring, 1);
		dispatch(uring, &cqe);
	}
}

static void deliver_ready(struct uring *uring)
{
	while (uring->delivered < uring->completions_max && !list_empty(&uring->ready)) {
		struct uring_operation *operation =
		    container_of(uring->ready.next, struct uring_operation, link);
		struct completion completion = {
		    .result = operation->result, .stage = (enum hawser_stage)operation->stage};

		uring_finish(uring, operation, &completion);
	}
}

/* 1: another turn is due; 0: the wait is over; or the loop's end. */
static int turn(struct uring *uring, uint64_t until_ns)
{
	bool busy;
	int r;

	uring->refused = false;
	uring_submit_waiting(uring);
	busy = uring->delivered > 0 || uring->woken || uring->refused || deliverable(uring) ||
	       uring_has_unsubmitted(uring);
	if (busy || until_ns == 0)
		r = enter(uring);
	else
		r = sleep_until(uring, until_ns);
	if (r == -EAGAIN || r == -EBUSY)
		uring->refused = true;
	else if (r < 0 && r != -ETIME && r != -EINTR)
		return r;
	deliver_ready(uring);
	deliver_completions(uring);
	uring_lookups_deliver(uring);
	if (uring->delivered >= uring->completions_max || uring->refused)
		return 0;
	if (kernel_has_more(uring) || deliverable(uring))
		return 1;
	return uring->delivered == 0 && !uring->woken && until_ns != 0 && r != -ETIME;
}

/* A foreign loop sleeps on the event_fd next: nothing may be left that would not make it readable. */
static void settle(struct uring *uring)
{
	if (uring->event_fd < 0)
		return;
	uring_submit(&uring->engine);
	if (kernel_has_more(uring) || deliverable(uring))
		uring_signal(uring);
}

int uring_wait(struct engine *engine, uint64_t until_ns, unsigned completions_max)
{
	struct uring *uring = uring_of(engine);
	eventfd_t count;
	int r = uring->enabled ? 1 : uring_ring_enable(uring);

	if (r < 0)
		return r;
	if (uring->event_fd >= 0)
		eventfd_read(uring->event_fd, &count);
	uring->completions_max = completions_max;
	uring->delivered = 0;
	uring->woken = false;
	uring->waiting = true;
	do
		r = turn(uring, until_ns);
	while (r > 0);
	uring->waiting = false;
	settle(uring);
	return r < 0 ? r : (int)uring->delivered;
}
