/* SPDX-License-Identifier: MIT
 *
 * The Perfetto IPC frame as a host needs it: requests are decoded, answers are encoded.
 *
 * A frame is a little-endian u32 payload length followed by a protobuf IPCFrame. This codec belongs to
 * hawser-host and shares nothing with the library, so that each can be checked against the other.
 */
#ifndef HAWSER_HOST_CODEC_H
#define HAWSER_HOST_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CODEC_HEADER_BYTES = 4,
	CODEC_FRAME_BYTES_MAX = 131072, /* header included */
	CODEC_PAYLOAD_BYTES_MAX = CODEC_FRAME_BYTES_MAX - CODEC_HEADER_BYTES,
	CODEC_SLACK_BYTES = 8, /* a length is written before its width is known */
};

/* Bytes that belong to somebody else: a decoded request points into the buffer it was decoded from. */
struct codec_bytes {
	const uint8_t *data;
	size_t length;
};

enum codec_request_kind {
	CODEC_REQUEST_UNKNOWN, /* well formed, but nothing that a client may ask */
	CODEC_REQUEST_BIND,
	CODEC_REQUEST_INVOKE,
	CODEC_REQUEST_SET_PEER_IDENTITY,
};

struct codec_invoke {
	uint32_t service_id;
	uint32_t method_id;
	struct codec_bytes args;
	bool drop_reply;
};

struct codec_peer_identity {
	int32_t pid;
	int32_t uid;
	struct codec_bytes machine_id_hint;
	struct codec_bytes machine_name;
};

/* What a frame from a client says. A field that was absent is 0 or empty. When several kinds are present,
 * `kind` is the first of bind, invoke, set_peer_identity, as in a real host. */
struct codec_request {
	uint64_t request_id;
	enum codec_request_kind kind;
	struct codec_bytes service_name;
	struct codec_invoke invoke;
	struct codec_peer_identity peer_identity;
};

/* Proto2 tells an absent bool from a false one, and real hosts use both. */
enum codec_presence { CODEC_ABSENT, CODEC_FALSE, CODEC_TRUE };

struct codec_method {
	uint32_t id;
	const char *name;
};

struct codec_bind_reply {
	enum codec_presence success;
	uint32_t service_id; /* 0 is not encoded */
	const struct codec_method *methods;
	size_t methods_count;
};

struct codec_invoke_reply {
	enum codec_presence success;
	enum codec_presence has_more;
	bool reply_present;
	struct codec_bytes reply;
};

/* Where an encoded frame goes. `length` is 0 until a frame was encoded. */
struct codec_frame {
	size_t length;
	uint8_t bytes[CODEC_FRAME_BYTES_MAX + CODEC_SLACK_BYTES];
};

/* The payload length that a header announces; it may be larger than CODEC_PAYLOAD_BYTES_MAX. */
uint32_t codec_header_decode(const uint8_t header[CODEC_HEADER_BYTES]);
void codec_header_encode(uint32_t payload_length, uint8_t ret_header[CODEC_HEADER_BYTES]);

/* Decodes the payload of one frame. -EBADMSG: this is no protobuf message. */
int codec_request_decode(struct codec_bytes payload, struct codec_request *ret_request);

/*
 * Each encodes one whole frame with its header. With `overlong`, the length of a nested message above 127
 * bytes takes four bytes, as a real host writes it. -EMSGSIZE: larger than CODEC_FRAME_BYTES_MAX; ret_frame
 * is then empty.
 */
int codec_bind_reply_encode(
    uint64_t request_id, const struct codec_bind_reply *reply, bool overlong, struct codec_frame *ret_frame);
int codec_invoke_reply_encode(uint64_t request_id, const struct codec_invoke_reply *reply, bool overlong,
    struct codec_frame *ret_frame);
int codec_request_error_encode(
    uint64_t request_id, const char *error, bool overlong, struct codec_frame *ret_frame);

#endif
