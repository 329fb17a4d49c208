/* SPDX-License-Identifier: MIT
 *
 * The bytes of the Perfetto IPC format: a 4-byte little-endian length and one protobuf message, IPCFrame.
 * What a client sends is encoded, what a host answers is decoded; nothing is allocated and nothing is copied.
 */
#ifndef HAWSER_PROTOCOL_PERFETTO_WIRE_H
#define HAWSER_PROTOCOL_PERFETTO_WIRE_H

#include <hawser/base.h>
#include <sys/types.h>

enum {
	PERFETTO_HEADER_SIZE = 4,
	PERFETTO_FRAME_MAX = 131072, /* with the header */
	PERFETTO_HEAD_MAX = 40,
	PERFETTO_TAIL_MAX = 2,
};

/* A frame to be sent: head, then the caller's own bytes (service name or arguments), then tail. */
struct perfetto_request {
	uint8_t head[PERFETTO_HEAD_MAX];
	uint8_t tail[PERFETTO_TAIL_MAX];
	size_t head_size;
	size_t tail_size;
};

/* 0, or -EMSGSIZE: the frame would be larger than PERFETTO_FRAME_MAX. */
int perfetto_encode_bind(uint64_t request_id, size_t service_size, struct perfetto_request *ret_request);
int perfetto_encode_invoke(uint64_t request_id, uint32_t service_id, uint32_t method_id,
    size_t arguments_size, bool drop_reply, struct perfetto_request *ret_request);

/* Of the frame that begins at data, with its header; 0: more bytes are needed to tell; -EMSGSIZE. */
ssize_t perfetto_frame_size(const uint8_t *data, size_t size);

/* What a host may answer. More than one answer in a frame is taken as the peer meant it: the one that fits
 * the request counts. */
struct perfetto_answer {
	uint64_t request_id;
	bool unreadable; /* the frame can be read, but not the answer in it */
	struct {
		bool present;
		bool success;
		uint32_t service_id;
	} bind_reply;
	struct {
		bool present;
		bool success;
		bool success_given; /* false on the wire, rather than left out */
		bool has_more;
		struct hawser_bytes reply;
	} invoke_reply;
	struct {
		bool present;
		struct hawser_bytes text; /* not ended by NUL */
	} error;
};

/* Decodes a frame without its header. 0, or -EBADMSG: not a protobuf message. Fields that are unknown, or
 * have a wire type they should not have, are skipped; of a field that is there twice the last one counts. */
int perfetto_decode(const uint8_t *payload, size_t size, struct perfetto_answer *ret_answer);

/* The methods of the bind replies of a decoded frame, in their order; those without name or id are left out.
 */
struct perfetto_reader {
	const uint8_t *at;
	const uint8_t *end;
};

struct perfetto_methods {
	struct perfetto_reader frame;
	struct perfetto_reader reply;
};

void perfetto_methods_begin(struct perfetto_methods *methods, const uint8_t *payload, size_t size);
bool perfetto_methods_next(struct perfetto_methods *methods, uint32_t *ret_id, struct hawser_bytes *ret_name);

#endif
