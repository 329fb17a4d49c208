/* SPDX-License-Identifier: MIT
 *
 * The simulator's own codec of the Perfetto IPC format: reads what a client sends, writes what a host
 * answers. It shares nothing with the library's, so that a fault in one is not mirrored by the other.
 */
#ifndef TESTS_SIM_CODEC_H
#define TESTS_SIM_CODEC_H

#include "sim.h"

enum { FRAME_HEADER = 4, FRAME_MAX = 131072 };

enum frame_kind { FRAME_OTHER, FRAME_BIND, FRAME_INVOKE };

struct frame_text {
	const uint8_t *data;
	size_t size;
};

struct frame {
	enum frame_kind kind;
	uint64_t id;
	struct frame_text service;
	uint64_t service_id;
	uint64_t method_id;
	struct frame_text arguments;
	bool drop_reply;
};

/* Size of the frame that begins at data, header included; 0: not all of it is there. */
size_t frame_whole(const uint8_t *data, size_t size);
/* The payload of one frame. False: it is malformed. */
bool frame_read(const uint8_t *payload, size_t size, struct frame *ret_frame);

/* Writers draw how: order of fields, redundant varints, unknown fields. Each makes one whole frame in
 * `frame`. */
struct method_entry {
	uint32_t id;
	const char *name;
};
void frame_bind_reply(struct world *world, struct buffer *frame, uint64_t id, bool success,
    uint32_t service_id, const struct method_entry *methods, unsigned methods_count);
void frame_invoke_reply(struct world *world, struct buffer *frame, uint64_t id, bool success, bool more,
    const uint8_t *reply, size_t reply_size);
/* An answer whose frame can be read and whose message cannot. */
void frame_broken(struct world *world, struct buffer *frame, uint64_t id, bool to_bind);
void frame_request_error(struct world *world, struct buffer *frame, uint64_t id, const char *text);

#endif
