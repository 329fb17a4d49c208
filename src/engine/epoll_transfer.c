/* SPDX-License-Identifier: MIT
 *
 * Bytes, descriptors and readiness of the epoll engine. It keeps no bytes: a send's belong to its caller,
 * received ones lie in the engine's one buffer while their handler runs.
 *
 * Happy path: a send is tried in the call that starts it and completed from wait; a receive waits for EPOLLIN
 * and takes one buffer a round, for as long as nobody ends it. Failures: a socket that takes nothing keeps
 * the send until EPOLLOUT; an error of the socket, or the end of its stream, is the final completion; more
 * descriptors than fit are dropped by the kernel and told (fds_lost). Starting a second operation of a kind
 * on one descriptor is -EBUSY, more buffers or descriptors than a message may have is -EINVAL: both are bugs
 * of the caller.
 */
#include "engine/epoll.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

union control {
	struct cmsghdr header; /* for the alignment */
	char bytes[CMSG_SPACE(ENGINE_FDS_MAX * sizeof(int))];
};

/* Padding would let the kernel add one more descriptor than there is room for. */
_Static_assert(
    CMSG_SPACE(ENGINE_FDS_MAX * sizeof(int)) == CMSG_LEN(ENGINE_FDS_MAX * sizeof(int)), "no padding");

/* Bytes taken or a negative errno. */
static int send_try(
    int fd, const struct iovec *vectors, unsigned vectors_count, const int *fds, unsigned fds_count)
{
	union control control;
	struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)vectors, .msg_iovlen = vectors_count};
	ssize_t size;

	if (fds_count) {
		memset(&control, 0, sizeof control);
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(fds_count * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(fds_count * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, fds_count * sizeof(int));
	}
	do
		size = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (size < 0 && errno == EINTR);
	return size < 0 ? -errno : (int)size;
}

/* Keeps what there is to send, and waits for room. 0, or -ENOMEM and nothing has changed. */
static int send_wait(
    struct epoll_engine *epoll, struct operation *operation, const struct pending_send *wanted)
{
	struct channel *channel = epoll_channel(epoll, operation->fd);
	struct pending_send *send;
	uint64_t id;
	int result;

	if (!channel)
		return -ENOMEM;
	send = slots_take(&epoll->sends, &id);
	if (!send)
		return -ENOMEM;
	*send = *wanted;
	operation->send = send;
	channel->writer = operation;
	result = epoll_channel_arm(epoll, operation->fd, channel);
	if (result < 0)
		epoll_transfer_end(epoll, operation, result);
	return 0;
}

static int send_begin(
    struct epoll_engine *epoll, struct operation *operation, const struct pending_send *wanted)
{
	int result =
	    send_try(operation->fd, wanted->vectors, wanted->vectors_count, wanted->fds, wanted->fds_count);

	if (result == -EAGAIN)
		return send_wait(epoll, operation, wanted);
	epoll_decide(epoll, operation, result);
	return 0;
}

int epoll_send(struct engine *engine, int fd, const struct iovec *vectors, unsigned vectors_count,
    const int *fds, unsigned fds_count, struct handler handler, uint64_t *ret_id)
{
	struct epoll_engine *epoll = epoll_of(engine);
	struct channel *channel = epoll_channel_find(epoll, fd);
	struct pending_send wanted = {.vectors_count = vectors_count, .fds_count = fds_count};
	struct operation *operation;
	int result;

	if (vectors_count > ENGINE_VECTORS_MAX || fds_count > ENGINE_FDS_MAX)
		return -EINVAL;
	if (channel && channel->writer)
		return -EBUSY;
	operation = epoll_start(epoll, OPERATION_SEND, fd, handler);
	if (!operation)
		return -ENOMEM;
	memcpy(wanted.vectors, vectors, vectors_count * sizeof *vectors);
	if (fds_count)
		memcpy(wanted.fds, fds, fds_count * sizeof *fds);
	result = send_begin(epoll, operation, &wanted);
	if (result < 0) {
		slots_give(&epoll->operations, operation);
		return result;
	}
	*ret_id = operation->id;
	epoll_show(epoll);
	return 0;
}

void epoll_send_event(struct epoll_engine *epoll, struct operation *operation)
{
	const struct pending_send *send = operation->send;
	int result = send_try(operation->fd, send->vectors, send->vectors_count, send->fds, send->fds_count);

	if (result != -EAGAIN)
		epoll_transfer_end(epoll, operation, result);
}

/* Puts an operation into its place of the channel. A refusal of epoll is its completion. */
static void transfer_wait(struct epoll_engine *epoll, struct operation *operation, struct channel *channel,
    struct operation **place)
{
	int result;

	*place = operation;
	result = epoll_channel_arm(epoll, operation->fd, channel);
	/* A regular file is not for epoll, because it is always ready: poll(2) would say so. */
	if (result == -EPERM && operation->kind == OPERATION_POLL)
		epoll_poll_event(epoll, operation, operation->events & (POLLIN | POLLOUT));
	else if (result < 0)
		epoll_transfer_end(epoll, operation, result);
	epoll_show(epoll);
}

void epoll_transfer_end(struct epoll_engine *epoll, struct operation *operation, int result)
{
	struct channel *channel = epoll_channel_find(epoll, operation->fd);

	switch (operation->kind) {
	case OPERATION_SEND:
		channel->writer = NULL;
		slots_give(&epoll->sends, operation->send);
		break;
	case OPERATION_RECEIVE:
		channel->receive = NULL;
		break;
	default:
		channel->poll = NULL;
		epoll_channel_relax(epoll, operation->fd, channel);
	}
	epoll_decide(epoll, operation, result);
}

int epoll_receive(struct engine *engine, int fd, bool with_fds, struct handler handler, uint64_t *ret_id)
{
	struct epoll_engine *epoll = epoll_of(engine);
	struct channel *channel = epoll_channel(epoll, fd);
	struct operation *operation;

	if (!channel)
		return -ENOMEM;
	if (channel->receive)
		return -EBUSY;
	operation = epoll_start(epoll, OPERATION_RECEIVE, fd, handler);
	if (!operation)
		return -ENOMEM;
	operation->with_fds = with_fds;
	*ret_id = operation->id;
	transfer_wait(epoll, operation, channel, &channel->receive);
	return 0;
}

void epoll_receive_event(struct epoll_engine *epoll, struct operation *operation)
{
	if (operation->state != OPERATION_WAITING)
		return;
	operation->state = OPERATION_RUNNABLE;
	list_append(&epoll->ready, &operation->link);
}

/* The descriptors that came along, CLOEXEC. */
static void fds_take(struct msghdr *message, int *fds, struct completion *completion)
{
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		completion->fds_count = (unsigned)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(header), completion->fds_count * sizeof(int));
		completion->fds = fds;
	}
	completion->fds_lost = message->msg_flags & MSG_CTRUNC;
}

static ssize_t receive_with_fds(struct epoll_engine *epoll, int fd, int *fds, struct completion *completion)
{
	union control control;
	struct iovec vector = {epoll->buffer, epoll->buffer_size};
	struct msghdr message = {
	    .msg_iov = &vector,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof control.bytes,
	};
	ssize_t size = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if (size >= 0)
		fds_take(&message, fds, completion);
	return size;
}

bool epoll_receive_run(
    struct epoll_engine *epoll, struct operation *operation, int *fds, struct completion *completion)
{
	ssize_t size = operation->with_fds
			   ? receive_with_fds(epoll, operation->fd, fds, completion)
			   : recv(operation->fd, epoll->buffer, epoll->buffer_size, MSG_DONTWAIT);

	operation->state = OPERATION_WAITING; /* the next round's event makes it runnable again */
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	completion->result = size < 0 ? -errno : (int)size;
	completion->data = size > 0 ? epoll->buffer : NULL;
	completion->more = size > 0;
	return true;
}

int epoll_poll(struct engine *engine, int fd, short events, struct handler handler, uint64_t *ret_id)
{
	struct epoll_engine *epoll = epoll_of(engine);
	struct channel *channel = epoll_channel(epoll, fd);
	struct operation *operation;

	if (!channel)
		return -ENOMEM;
	if (channel->poll)
		return -EBUSY;
	operation = epoll_start(epoll, OPERATION_POLL, fd, handler);
	if (!operation)
		return -ENOMEM;
	operation->events = (uint16_t)events; /* the bits of poll and epoll are the same */
	*ret_id = operation->id;
	transfer_wait(epoll, operation, channel, &channel->poll);
	return 0;
}

void epoll_poll_event(struct epoll_engine *epoll, struct operation *operation, uint32_t events)
{
	epoll_transfer_end(epoll, operation, (int)(events & (operation->events | EPOLLERR | EPOLLHUP)));
}
