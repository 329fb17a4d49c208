/* SPDX-License-Identifier: MIT
 *
 * The send queue of a connection: one growing buffer, and a list that says at which byte descriptors go
 * along.
 *
 * Happy path: output_push() appends a frame; output_flush() sends until the socket is full, a frame with
 * descriptors always by a sendmsg of its own.
 * Failures: the limits of output.h are answered with -ENOBUFS and leave the queue as it was; EAGAIN ends a
 * flush quietly; any other error says that the connection is lost. Nothing here ever blocks.
 */
#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	CAPACITY_FIRST = 4096,
	CAPACITY_KEPT_MAX = 65536,
	SENDS_PER_FLUSH_MAX = 64, /* the rest is for the next turn, so that small fragments starve nobody */
};

void output_init(struct output *output)
{
	*output = (struct output){0};
	output->last_passing = &output->first_passing;
}

size_t output_length(const struct output *output)
{
	return output->end - output->begin;
}

static void output_passing_drop(struct output *output)
{
	struct output_passing *passing = output->first_passing;
	output->first_passing = passing->next;
	if (output->first_passing == NULL)
		output->last_passing = &output->first_passing;
	output->passings_count--;
	descriptors_close(&passing->descriptors);
	free(passing);
}

void output_free(struct output *output)
{
	while (output->first_passing != NULL)
		output_passing_drop(output);
	free(output->bytes);
	output_init(output);
}

static int output_reserve(struct output *output, size_t length)
{
	size_t queued = output_length(output);
	if (length > OUTPUT_BYTES_MAX - queued)
		return -ENOBUFS;
	if (output->capacity - output->end >= length)
		return 0;
	if (output->begin > 0 && output->capacity - queued >= length && output->begin >= queued) {
		memmove(output->bytes, output->bytes + output->begin, queued);
	} else {
		size_t capacity = output->capacity > 0 ? output->capacity : CAPACITY_FIRST;
		while (capacity < queued + length)
			capacity *= 2;
		uint8_t *bytes = malloc(capacity);
		if (bytes == NULL)
			return -ENOMEM;
		if (queued > 0)
			memcpy(bytes, output->bytes + output->begin, queued);
		free(output->bytes);
		output->bytes = bytes;
		output->capacity = capacity;
	}
	output->begin = 0;
	output->end = queued;
	return 0;
}

static int output_passing_add(struct output *output, size_t length, struct descriptors *descriptors)
{
	if (output->passings_count == OUTPUT_PASSINGS_MAX)
		return -ENOBUFS;
	struct output_passing *passing = calloc(1, sizeof(*passing));
	if (passing == NULL)
		return -ENOMEM;
	passing->frame_begin = output->sent + output_length(output);
	passing->frame_end = passing->frame_begin + length;
	descriptors_move(descriptors, &passing->descriptors);
	*output->last_passing = passing;
	output->last_passing = &passing->next;
	output->passings_count++;
	return 0;
}

int output_push(struct output *output, struct codec_bytes bytes, struct descriptors *descriptors)
{
	int error = output_reserve(output, bytes.length);
	if (error == 0 && descriptors != NULL && descriptors->count > 0)
		error = output_passing_add(output, bytes.length, descriptors);
	if (error < 0)
		return error;
	if (bytes.length > 0)
		memcpy(output->bytes + output->end, bytes.data, bytes.length);
	output->end += bytes.length;
	return 0;
}

/* Sends one run of bytes that has no frame with descriptors in its middle. */
static ssize_t output_send(struct output *output, int fd, uint64_t fragment_bytes)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * DESCRIPTORS_MAX)];
		struct cmsghdr header;
	} control;
	struct output_passing *passing = output->first_passing;
	struct iovec run = {.iov_base = output->bytes + output->begin, .iov_len = output_length(output)};
	struct msghdr message = {.msg_iov = &run, .msg_iovlen = 1};
	if (passing != NULL && passing->frame_begin > output->sent) {
		run.iov_len = (size_t)(passing->frame_begin - output->sent);
	} else if (passing != NULL) {
		size_t length = sizeof(int) * passing->descriptors.count;
		run.iov_len = (size_t)(passing->frame_end - output->sent);
		memset(&control, 0, sizeof(control));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(length);
		control.header = (struct cmsghdr){
		    .cmsg_len = CMSG_LEN(length), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.header), passing->descriptors.fds, length);
	}
	if (fragment_bytes > 0 && run.iov_len > fragment_bytes)
		run.iov_len = (size_t)fragment_bytes;
	ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent > 0 && message.msg_control != NULL)
		output_passing_drop(output);
	return sent;
}

int output_flush(struct output *output, int fd, uint64_t fragment_bytes, uint64_t *sent_bytes)
{
	for (int i = 0; i < SENDS_PER_FLUSH_MAX && output_length(output) > 0; i++) {
		ssize_t sent = output_send(output, fd, fragment_bytes);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN)
			return 0;
		if (sent < 0)
			return -errno;
		output->begin += (size_t)sent;
		output->sent += (uint64_t)sent;
		*sent_bytes += (uint64_t)sent;
	}
	if (output_length(output) > 0)
		return 0;
	output->begin = 0;
	output->end = 0;
	if (output->capacity > CAPACITY_KEPT_MAX) {
		free(output->bytes);
		output->bytes = NULL;
		output->capacity = 0;
	}
	return 0;
}
