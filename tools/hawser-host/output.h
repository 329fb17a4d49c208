/* SPDX-License-Identifier: MIT
 *
 * Bytes that wait to be sent on one connection, and the descriptors that travel with some of them.
 */
#ifndef HAWSER_HOST_OUTPUT_H
#define HAWSER_HOST_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec.h"
#include "descriptors.h"

enum {
	OUTPUT_PRODUCE_BYTES_MAX = 64 * 1024,    /* streams and floods pause above this: one turn's worth */
	OUTPUT_PRODUCE_BYTES_SCARCE = 16 * 1024, /* the same, when all connections together hold much */
	OUTPUT_BYTES_MAX = 4 * 1024 * 1024,      /* answers above this end the connection */
	OUTPUT_PASSINGS_MAX = 64,                /* unsent frames with descriptors */
};

/* Descriptors that go out with the first byte of a frame. */
struct output_passing {
	struct output_passing *next;
	uint64_t frame_begin; /* counted from the first byte ever queued */
	uint64_t frame_end;
	struct descriptors descriptors;
};

struct output {
	uint8_t *bytes;
	size_t begin;
	size_t end;
	size_t capacity;
	uint64_t sent; /* bytes ever sent: the position of bytes[begin] */
	struct output_passing *first_passing;
	struct output_passing **last_passing;
	size_t passings_count;
};

void output_init(struct output *output);
void output_free(struct output *output);
size_t output_length(const struct output *output);

/*
 * Queues whole bytes; descriptors may be NULL, and are taken over on success.
 * -ENOBUFS: a limit above is reached. -ENOMEM. On failure nothing was queued.
 */
int output_push(struct output *output, struct codec_bytes bytes, struct descriptors *descriptors);

/*
 * Sends what the socket takes, at most `fragment_bytes` at a time unless that is 0. Bytes sent are added to
 * *sent_bytes. -errno: the peer is gone.
 */
int output_flush(struct output *output, int fd, uint64_t fragment_bytes, uint64_t *sent_bytes);

#endif
