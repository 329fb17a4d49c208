/* SPDX-License-Identifier: MIT
 *
 * The receive buffer of a connection.
 *
 * Happy path: input_receive() appends what one recvmsg() gives, input_frame_take() hands out frame after
 * frame. Which frame descriptors belong to: the kernel ends a receive after the message that carried them,
 * and a sender passes them with the first byte of a frame, so it is the last frame that has begun by then.
 * Failures: a header above the limit is an error as soon as its four bytes are there; truncated ancillary
 * data means that descriptors were lost; a second set of descriptors for one frame replaces the first. The
 * buffer never grows beyond one frame of the largest size.
 */
#include "input.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { CAPACITY_FIRST = 16384 }; /* doubles to CODEC_FRAME_BYTES_MAX */

void input_free(struct input *input)
{
	if (input->passed != NULL)
		descriptors_close(input->passed);
	free(input->passed);
	free(input->bytes);
	*input = (struct input){0};
}

static int input_reserve(struct input *input)
{
	size_t kept = input->end - input->begin;
	if (kept == 0 && input->capacity > CAPACITY_FIRST) {
		free(input->bytes);
		input->bytes = NULL;
		input->capacity = 0;
	} else if (input->begin > 0) {
		memmove(input->bytes, input->bytes + input->begin, kept);
	}
	input->begin = 0;
	input->end = kept;
	if (kept < input->capacity)
		return 0;
	assert(input->capacity < CODEC_FRAME_BYTES_MAX); /* or the caller left a whole frame in it */
	size_t capacity = input->capacity > 0 ? input->capacity * 2 : CAPACITY_FIRST;
	uint8_t *bytes = realloc(input->bytes, capacity);
	if (bytes == NULL)
		return -ENOMEM;
	input->bytes = bytes;
	input->capacity = capacity;
	return 0;
}

/* The position of the last frame that has begun: complete frames are skipped, a bad header ends the walk. */
static uint64_t input_last_frame(const struct input *input)
{
	size_t at = input->begin;
	while (input->end - at > CODEC_HEADER_BYTES) {
		uint32_t length = codec_header_decode(input->bytes + at);
		if (length > CODEC_PAYLOAD_BYTES_MAX || input->end - at - CODEC_HEADER_BYTES <= length)
			break;
		at += CODEC_HEADER_BYTES + length;
	}
	return input->taken + (at - input->begin);
}

static int descriptors_receive(struct input *input, struct msghdr *message)
{
	struct descriptors passed = {.count = 0};
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
	     header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		size_t length = header->cmsg_len - CMSG_LEN(0);
		memcpy(passed.fds, CMSG_DATA(header), length);
		passed.count = length / sizeof(int);
	}
	if (message->msg_flags & MSG_CTRUNC) {
		descriptors_close(&passed);
		return -EMSGSIZE;
	}
	if (passed.count == 0)
		return 0;
	if (input->passed == NULL)
		input->passed = calloc(1, sizeof(*input->passed));
	if (input->passed == NULL) {
		descriptors_close(&passed);
		return -ENOMEM;
	}
	descriptors_move(&passed, input->passed);
	input->passed_frame = input_last_frame(input);
	return 0;
}

int input_receive(struct input *input, int fd, uint64_t length_max, size_t *ret_length)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * DESCRIPTORS_MAX)];
		struct cmsghdr align;
	} control;
	int error = input_reserve(input);
	if (error < 0)
		return error;
	size_t room = input->capacity - input->end;
	struct iovec iov = {
	    .iov_base = input->bytes + input->end,
	    .iov_len = room < length_max ? room : (size_t)length_max,
	};
	struct msghdr message = {
	    .msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control),
	};
	ssize_t received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (received < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	input->end += (size_t)received;
	error = descriptors_receive(input, &message);
	if (error < 0)
		return error;
	*ret_length = (size_t)received;
	return 0;
}

int input_frame_take(
    struct input *input, struct codec_bytes *ret_payload, struct descriptors *ret_descriptors)
{
	size_t length = input->end - input->begin;
	if (length < CODEC_HEADER_BYTES)
		return -EAGAIN;
	uint32_t payload_length = codec_header_decode(input->bytes + input->begin);
	if (payload_length > CODEC_PAYLOAD_BYTES_MAX)
		return -EMSGSIZE;
	if (length - CODEC_HEADER_BYTES < payload_length)
		return -EAGAIN;
	*ret_payload = (struct codec_bytes){
	    .data = input->bytes + input->begin + CODEC_HEADER_BYTES,
	    .length = payload_length,
	};
	if (input->passed != NULL && input->passed->count > 0 && input->passed_frame == input->taken)
		descriptors_move(input->passed, ret_descriptors);
	input->begin += CODEC_HEADER_BYTES + payload_length;
	input->taken += CODEC_HEADER_BYTES + payload_length;
	return 0;
}
