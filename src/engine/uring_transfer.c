/* SPDX-License-Identifier: MIT
 *
 * Bytes and descriptors: sends, receives, and readiness.
 *
 * A send takes what the socket buffer has room for (never MSG_WAITALL), waiting in the kernel for the first
 * byte; the caller sends the rest.
 *
 * A receive goes on until its end by being submitted again after each part, which costs an SQE and no system
 * call. The kernel's own multishot receive is not used: data and the end that come together may leave it
 * waiting for an end that has passed (seen on 6.18: a unix close or a TCP reset behind the last bytes, with
 * POLL_FIRST), and noticing the end is what hawser is for. A part at a time is also fair: a peer that floods
 * gets one buffer a turn. It waits for readiness first, because an answer is seldom there when it is asked
 * for, unless the socket said that it has more. On sockets that may carry descriptors it is a recvmsg: a
 * plain receive silently discards them.
 *
 * Failures: the kernel's errno. Without a buffer (-ENOBUFS) a receive is submitted again, behind
 * those that wait for one already. Descriptors beyond ENGINE_FDS_MAX or RLIMIT_NOFILE are lost in the kernel
 * and reported (fds_lost).
 */
#include "engine/uring.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static void attach_fds(struct uring_send *send, const int *fds, unsigned fds_count)
{
	struct cmsghdr *header = (struct cmsghdr *)send->control;

	send->message.msg_control = send->control;
	send->message.msg_controllen = CMSG_SPACE(fds_count * sizeof(int));
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(fds_count * sizeof(int));
	memcpy(CMSG_DATA(header), fds, fds_count * sizeof(int));
}

int uring_send(struct engine *engine, int fd, const struct iovec *vectors, unsigned vectors_count,
    const int *fds, unsigned fds_count, struct handler handler, uint64_t *ret_id)
{
	struct uring *uring = uring_of(engine);
	struct uring_send *send;

	if (vectors_count > ENGINE_VECTORS_MAX || fds_count > ENGINE_FDS_MAX)
		return -EINVAL;
	send = uring_take(uring, URING_SEND, handler);
	if (!send)
		return -ENOMEM;
	send->operation.fd = fd;
	memcpy(send->vectors, vectors, vectors_count * sizeof(*vectors));
	send->message.msg_iov = send->vectors;
	send->message.msg_iovlen = vectors_count;
	if (fds_count > 0)
		attach_fds(send, fds, fds_count);
	*ret_id = send->operation.id;
	uring_start(uring, &send->operation);
	return 0;
}

bool uring_send_prepare(struct uring *uring, struct uring_operation *operation)
{
	struct uring_send *send = container_of(operation, struct uring_send, operation);
	struct io_uring_sqe *sqe;

	if (!uring_reserve(uring, 1))
		return false;
	sqe = uring_sqe(uring, operation->id);
	if (send->message.msg_iovlen == 1 && send->message.msg_controllen == 0)
		io_uring_prep_send(
		    sqe, operation->fd, send->vectors[0].iov_base, send->vectors[0].iov_len, MSG_NOSIGNAL);
	else
		io_uring_prep_sendmsg(sqe, operation->fd, &send->message, MSG_NOSIGNAL);
	return true;
}

int uring_receive(struct engine *engine, int fd, bool with_fds, struct handler handler, uint64_t *ret_id)
{
	struct uring *uring = uring_of(engine);
	struct uring_receive *receive =
	    uring_take(uring, with_fds ? URING_RECEIVE_FDS : URING_RECEIVE, handler);

	if (!receive)
		return -ENOMEM;
	receive->operation.fd = fd;
	*ret_id = receive->operation.id;
	uring_start(uring, &receive->operation);
	return 0;
}

bool uring_receive_prepare(struct uring *uring, struct uring_operation *operation)
{
	struct uring_receive *receive = container_of(operation, struct uring_receive, operation);
	struct io_uring_sqe *sqe;

	if (!uring_reserve(uring, 1))
		return false;
	sqe = uring_sqe(uring, operation->id);
	if (uring_kind_of(operation->id) == URING_RECEIVE_FDS) {
		struct uring_receive_fds *fds = container_of(receive, struct uring_receive_fds, receive);

		fds->message =
		    (struct msghdr){.msg_control = fds->control, .msg_controllen = URING_CONTROL_SIZE};
		io_uring_prep_recvmsg(sqe, operation->fd, &fds->message, MSG_CMSG_CLOEXEC);
	} else {
		io_uring_prep_recv(sqe, operation->fd, NULL, 0, 0);
	}
	if (!receive->eager)
		sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 0;
	return true;
}

static void read_fds(struct uring_receive_fds *receive, struct completion *completion, int *fds)
{
	struct msghdr *message = &receive->message;

	completion->fds = fds;
	completion->fds_lost = (message->msg_flags & MSG_CTRUNC) != 0;
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
		size_t size = header->cmsg_len - CMSG_LEN(0);

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		/* The control room holds ENGINE_FDS_MAX of them, however many headers they come in. */
		memcpy(fds + completion->fds_count, CMSG_DATA(header), size);
		completion->fds_count += (unsigned)(size / sizeof(int));
	}
}

static void wait_for_turn(struct uring *uring, struct uring_operation *operation)
{
	list_append(&uring->hungry, &operation->link);
	operation->place = URING_UNSUBMITTED;
}

/* Delivers, and goes on unless the handler has cancelled it. */
static void deliver_part(
    struct uring *uring, struct uring_operation *operation, const struct completion *completion)
{
	list_remove(&operation->link);
	operation->place = URING_DELIVERING;
	uring_deliver(uring, operation->handler, completion);
	if (operation->place != URING_DELIVERING)
		return;
	if (container_of(operation, struct uring_receive, operation)->eager)
		wait_for_turn(uring, operation);
	else
		uring_start(uring, operation);
}

void uring_receive_completed(
    struct uring *uring, struct uring_operation *operation, const struct io_uring_cqe *cqe)
{
	struct uring_receive *receive = container_of(operation, struct uring_receive, operation);
	struct completion completion = {.id = operation->id, .result = cqe->res};
	uint32_t index = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	int fds[ENGINE_FDS_MAX];

	if (cqe->res == -ENOBUFS && !operation->cancelled) {
		list_remove(&operation->link);
		receive->eager = true;
		wait_for_turn(uring, operation);
		return;
	}
	if (cqe->res == -ENOBUFS)
		completion.result = -ECANCELED;
	if (cqe->flags & IORING_CQE_F_BUFFER)
		completion.data = uring_buffers_at(&uring->buffers, index);
	if (cqe->res > 0 && uring_kind_of(operation->id) == URING_RECEIVE_FDS)
		read_fds(container_of(receive, struct uring_receive_fds, receive), &completion, fds);
	receive->eager = (cqe->flags & IORING_CQE_F_SOCK_NONEMPTY) != 0;
	completion.more = cqe->res > 0 && !operation->cancelled;
	if (completion.more)
		deliver_part(uring, operation, &completion);
	else
		uring_finish(uring, operation, &completion);
	if (cqe->flags & IORING_CQE_F_BUFFER)
		uring_buffers_return(&uring->buffers, index);
}

int uring_poll(struct engine *engine, int fd, short events, struct handler handler, uint64_t *ret_id)
{
	struct uring *uring = uring_of(engine);
	struct uring_poll *poll = uring_take(uring, URING_POLL, handler);

	if (!poll)
		return -ENOMEM;
	poll->operation.fd = fd;
	poll->events = events;
	*ret_id = poll->operation.id;
	uring_start(uring, &poll->operation);
	return 0;
}

bool uring_poll_prepare(struct uring *uring, struct uring_operation *operation)
{
	const struct uring_poll *poll = container_of(operation, struct uring_poll, operation);
	struct io_uring_sqe *sqe;

	if (!uring_reserve(uring, 1))
		return false;
	sqe = uring_sqe(uring, operation->id);
	/* The kernel adds POLLRDHUP to every mask, so that a socket whose host has half-closed would end a
	 * poll for nothing else at once: a multishot one goes on after it. */
	if (poll->events)
		io_uring_prep_poll_add(sqe, operation->fd, (unsigned short)poll->events);
	else
		io_uring_prep_poll_multishot(sqe, operation->fd, 0);
	return true;
}

void uring_poll_completed(
    struct uring *uring, struct uring_operation *operation, const struct io_uring_cqe *cqe)
{
	struct uring_poll *poll = container_of(operation, struct uring_poll, operation);
	struct completion completion = {.result = poll->found ? poll->found : cqe->res};
	bool more = (cqe->flags & IORING_CQE_F_MORE) != 0;
	bool found = cqe->res < 0 || poll->events || (cqe->res & (POLLERR | POLLHUP | POLLNVAL));

	if (!more && !found && operation->cancelled) {
		completion.result = -ECANCELED;
		uring_finish(uring, operation, &completion);
	} else if (!more && !found) { /* for want of room for a completion */
		list_remove(&operation->link);
		wait_for_turn(uring, operation);
	} else if (!more) {
		uring_finish(uring, operation, &completion);
	} else if (found) {
		poll->found = cqe->res;
		uring_cancel(&uring->engine, operation->id);
	}
}

void uring_plain_completed(
    struct uring *uring, struct uring_operation *operation, const struct io_uring_cqe *cqe)
{
	struct completion completion = {.result = cqe->res};

	uring_finish(uring, operation, &completion);
}
