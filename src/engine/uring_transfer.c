/* SPDX-License-Identifier: MIT
 *
 * Bytes and descriptors: sends, receives, and readiness.
 *
 * A send takes what the socket buffer has room for (never MSG_WAITALL), waiting in the kernel for the first
 * byte; the caller sends the rest. A receive is multishot into the provided buffers; on sockets that may
 * carry descriptors it is a recvmsg, because a plain multishot receive silently discards them. Both wait for
 * readiness first (POLL_FIRST): an answer is seldom there when it is asked for.
 *
 * Failures: the kernel's errno. A receive also ends with -ENOBUFS when all buffers are taken, and with data
 * and no more to come when the CQ overflowed or the kernel wants to be asked again; its owner starts it
 * again. Descriptors beyond ENGINE_FDS_MAX or RLIMIT_NOFILE are lost in the kernel and reported (fds_lost).
 */
#include "engine/uring.h"
#include <errno.h>
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
	struct uring_operation *operation =
	    uring_take(uring, with_fds ? URING_RECEIVE_FDS : URING_RECEIVE, handler);

	if (!operation)
		return -ENOMEM;
	operation->fd = fd;
	*ret_id = operation->id;
	uring_start(uring, operation);
	return 0;
}

bool uring_receive_prepare(struct uring *uring, struct uring_operation *operation)
{
	struct io_uring_sqe *sqe;

	if (!uring_reserve(uring, 1))
		return false;
	sqe = uring_sqe(uring, operation->id);
	if (uring_kind_of(operation->id) == URING_RECEIVE_FDS)
		io_uring_prep_recvmsg_multishot(
		    sqe, operation->fd, &uring->receive_message, MSG_CMSG_CLOEXEC);
	else
		io_uring_prep_recv_multishot(sqe, operation->fd, NULL, 0, 0);
	sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 0;
	return true;
}

static unsigned read_fds(struct uring *uring, struct io_uring_recvmsg_out *out, int *fds)
{
	struct msghdr *message = &uring->receive_message;
	unsigned count = 0;

	for (struct cmsghdr *header = io_uring_recvmsg_cmsg_firsthdr(out, message); header;
	     header = io_uring_recvmsg_cmsg_nexthdr(out, message, header)) {
		size_t size = header->cmsg_len - CMSG_LEN(0);

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		/* The control room holds ENGINE_FDS_MAX of them, however many headers they come in. */
		memcpy(fds + count, CMSG_DATA(header), size);
		count += (unsigned)(size / sizeof(int));
	}
	return count;
}

/* Finds data and descriptors in what a recvmsg left in its buffer. */
static void unwrap(struct uring *uring, uint8_t *buffer, struct completion *completion, int *fds)
{
	struct io_uring_recvmsg_out *out = (struct io_uring_recvmsg_out *)buffer;

	completion->data = io_uring_recvmsg_payload(out, &uring->receive_message);
	completion->result =
	    (int)io_uring_recvmsg_payload_length(out, completion->result, &uring->receive_message);
	completion->fds_lost = (out->flags & MSG_CTRUNC) != 0;
	completion->fds_count = read_fds(uring, out, fds);
	completion->fds = fds;
}

void uring_receive_completed(
    struct uring *uring, struct uring_operation *operation, const struct io_uring_cqe *cqe)
{
	struct completion completion = {
	    .id = operation->id, .result = cqe->res, .more = (cqe->flags & IORING_CQE_F_MORE) != 0};
	bool buffered = (cqe->flags & IORING_CQE_F_BUFFER) != 0;
	uint32_t index = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	int fds[ENGINE_FDS_MAX];

	if (buffered) {
		uint8_t *buffer = uring_buffers_at(&uring->buffers, index);

		if (uring_kind_of(operation->id) == URING_RECEIVE_FDS && cqe->res > 0)
			unwrap(uring, buffer, &completion, fds);
		else
			completion.data = buffer;
	}
	if (completion.more)
		uring_deliver(uring, operation->handler, &completion);
	else
		uring_finish(uring, operation, &completion);
	if (buffered)
		uring_buffers_return(&uring->buffers, index);
}

void uring_receive_drop(struct uring *uring, const struct io_uring_cqe *cqe)
{
	struct completion completion = {.result = cqe->res};
	uint32_t index = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	int fds[ENGINE_FDS_MAX];

	if (!(cqe->flags & IORING_CQE_F_BUFFER))
		return;
	if (uring_kind_of(cqe->user_data) == URING_RECEIVE_FDS && cqe->res > 0)
		unwrap(uring, uring_buffers_at(&uring->buffers, index), &completion, fds);
	for (unsigned i = 0; i < completion.fds_count; i++)
		close(fds[i]);
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
	io_uring_prep_poll_add(sqe, operation->fd, (unsigned short)poll->events);
	return true;
}

void uring_plain_completed(
    struct uring *uring, struct uring_operation *operation, const struct io_uring_cqe *cqe)
{
	struct completion completion = {.result = cqe->res};

	uring_finish(uring, operation, &completion);
}
