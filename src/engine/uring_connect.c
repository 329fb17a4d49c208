/* SPDX-License-Identifier: MIT
 *
 * Connecting: socket(2), OP_CONNECT with OP_LINK_TIMEOUT behind it, and proof.
 *
 * Happy path: the connect's CQE says 0, getpeername agrees, the receiver gets the fd. The deadline's own CQE
 * is skipped, so that an attempt has one completion. The deadline counts from the submission; a unix connect,
 * which never waits, has none.
 *
 * Failures: no socket (stage socket); the connect's errno (stage connect; -EAGAIN: a unix backlog is full);
 * a -ECANCELED that nobody asked for is the deadline (-EINTR, when the kernel had moved the connect to a
 * worker); a CQE of 0 for a socket that is not connected (stage verify: an ICMP error that came while the
 * connect still held the socket, README "Limits"). The socket of a failed connect is closed before its
 * completion: left open it would go on sending SYNs.
 *
 * An adopted descriptor stays the caller's until it is delivered: it is not closed when it turns out not to
 * be a connected stream socket, nor when the operation is cancelled.
 */
#include "engine/uring.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { NS_PER_S = 1000000000 };

/* A unix connect needs no timeout behind it: on a nonblocking socket it is done, or answers -EAGAIN, while it
 * is submitted (net/unix/af_unix.c, unix_stream_connect). The timeout would be a fifth of its cost
 * (hawser-bench: with timeout and verify). */
static void set_deadline(struct uring_connect *connect, uint64_t deadline_ns)
{
	connect->guarded = deadline_ns != ENGINE_NEVER && connect->address.any.sa_family != AF_UNIX;
	connect->deadline.tv_sec = (long long)(deadline_ns / NS_PER_S);
	connect->deadline.tv_nsec = (long long)(deadline_ns % NS_PER_S);
}

static void adopt(struct uring *uring, struct uring_connect *connect, int fd)
{
	int r = socket_adopt(fd);

	if (r < 0)
		uring_make_ready(uring, &connect->operation, r, HAWSER_STAGE_VERIFY);
	else
		uring_make_ready(uring, &connect->operation, fd, HAWSER_STAGE_NONE);
}

int uring_connect(
    struct engine *engine, const struct connect_request *request, struct handler handler, uint64_t *ret_id)
{
	struct uring *uring = uring_of(engine);
	struct uring_connect *connect = uring_take(uring, URING_CONNECT, handler);
	int fd;

	if (!connect)
		return -ENOMEM;
	*ret_id = connect->operation.id;
	if (request->adopted_fd >= 0) {
		adopt(uring, connect, request->adopted_fd);
		return 0;
	}
	fd = socket_open(&request->address, request->options);
	if (fd < 0) {
		uring_make_ready(uring, &connect->operation, fd, HAWSER_STAGE_SOCKET);
		return 0;
	}
	connect->operation.fd = fd;
	connect->tag = request->tag;
	connect->address_size = request->address.size;
	memcpy(&connect->address, &request->address.any, request->address.size);
	set_deadline(connect, request->deadline_ns);
	uring_start(uring, &connect->operation);
	if (++uring->connects_unflushed >= URING_CONNECTS_UNFLUSHED_MAX && uring->enabled)
		uring_flush(uring);
	return 0;
}

bool uring_connect_prepare(struct uring *uring, struct uring_operation *operation)
{
	struct uring_connect *connect = container_of(operation, struct uring_connect, operation);
	struct io_uring_sqe *sqe;

	if (!uring_reserve(uring, connect->guarded ? 2 : 1))
		return false;
	sqe = uring_sqe(uring, operation->id);
	io_uring_prep_connect(sqe, operation->fd, &connect->address.any, connect->address_size);
	if (!connect->guarded)
		return true;
	sqe->flags |= IOSQE_IO_LINK;
	sqe = uring_sqe(uring, uring_name(operation->id, URING_DEADLINE));
	io_uring_prep_link_timeout(sqe, &connect->deadline, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	return true;
}

/* What the CQE says and what is true. */
static int judge(const struct uring_connect *connect, int result, enum hawser_stage *ret_stage)
{
	*ret_stage = HAWSER_STAGE_CONNECT;
	if (result == -ECANCELED || result == -EINTR)
		return connect->operation.cancelled ? -ECANCELED : -ETIMEDOUT;
	if (result < 0)
		return result;
	if (connect->address.any.sa_family != AF_UNIX) {
		result = socket_verify(connect->operation.fd);
		*ret_stage = HAWSER_STAGE_VERIFY;
	}
	if (result == 0)
		*ret_stage = HAWSER_STAGE_NONE;
	return result;
}

void uring_connect_completed(
    struct uring *uring, struct uring_operation *operation, const struct io_uring_cqe *cqe)
{
	const struct uring_connect *connect = container_of(operation, struct uring_connect, operation);
	struct completion completion = {0};

	completion.result = judge(connect, cqe->res, &completion.stage);
	if (completion.result < 0 || uring->closing)
		close(operation->fd);
	else
		completion.result = operation->fd;
	uring_finish(uring, operation, &completion);
}
