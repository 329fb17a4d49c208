/* SPDX-License-Identifier: MIT
 *
 * Bytes received on one connection, cut into frames, with the descriptors that came with them.
 */
#ifndef HAWSER_HOST_INPUT_H
#define HAWSER_HOST_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "codec.h"
#include "descriptors.h"

struct input {
	uint8_t *bytes;
	size_t begin; /* of the first frame not yet taken */
	size_t end;
	size_t capacity;            /* at most CODEC_FRAME_BYTES_MAX */
	uint64_t taken;             /* bytes of frames ever taken: the position of bytes[begin] */
	struct descriptors *passed; /* allocated when the first descriptor comes */
	uint64_t passed_frame;      /* position of the frame that `passed` belongs to */
};

void input_free(struct input *input);

/*
 * One recvmsg() of at most length_max bytes. ret_length 0 is the end of the stream. -EAGAIN: nothing there.
 * -EMSGSIZE: descriptors were lost on the way. -ENOMEM. Any other -errno: the peer is gone.
 */
int input_receive(struct input *input, int fd, uint64_t length_max, size_t *ret_length);

/*
 * The next whole frame; the payload is valid until the next input_receive(). The descriptors of the frame are
 * moved to ret_descriptors. -EAGAIN: no whole frame yet. -EMSGSIZE: its header announces too much, also
 * before the rest came.
 */
int input_frame_take(
    struct input *input, struct codec_bytes *ret_payload, struct descriptors *ret_descriptors);

#endif
