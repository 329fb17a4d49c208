/* SPDX-License-Identifier: MIT
 *
 * The host's side of the Perfetto IPC format: requests in, answers out. It is not the library's codec and
 * not a general protobuf one: it knows the fields of IPCFrame and skips the rest.
 *
 * Happy path: codec_header_decode() gives the length, codec_request_decode() the request; one of the
 * encoders writes the answer into a codec_frame.
 * Failures: a payload that is no protobuf message is -EBADMSG (a host ignores such a frame). An answer that
 * does not fit a frame is -EMSGSIZE, found while writing, so that no length has to be computed ahead.
 */
#include "codec.h"

#include <errno.h>
#include <string.h>

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

enum {
	FRAME_REQUEST_ID = 2,
	FRAME_BIND_SERVICE = 3,
	FRAME_BIND_SERVICE_REPLY = 4,
	FRAME_INVOKE_METHOD = 5,
	FRAME_INVOKE_METHOD_REPLY = 6,
	FRAME_REQUEST_ERROR = 7,
	FRAME_SET_PEER_IDENTITY = 8,
	VARINT_BYTES_MAX = 10,
	NESTED_LENGTH_BYTES = 4,
	COMPACT_LENGTH_MAX = 127,
};

struct field {
	uint64_t number;
	unsigned type;
	uint64_t varint;          /* of WIRE_VARINT */
	struct codec_bytes bytes; /* of WIRE_BYTES */
};

/* Takes redundant encodings too: real hosts and clients write lengths of a fixed width. */
static int varint_take(struct codec_bytes *rest, uint64_t *ret_value)
{
	uint64_t value = 0;
	for (size_t i = 0; i < VARINT_BYTES_MAX && i < rest->length; i++) {
		value |= (uint64_t)(rest->data[i] & 0x7f) << (7 * i);
		if (rest->data[i] & 0x80)
			continue;
		rest->data += i + 1;
		rest->length -= i + 1;
		*ret_value = value;
		return 0;
	}
	return -EBADMSG;
}

static int bytes_take(struct codec_bytes *rest, uint64_t length, struct codec_bytes *ret_bytes)
{
	if (length > rest->length)
		return -EBADMSG;
	*ret_bytes = (struct codec_bytes){.data = rest->data, .length = (size_t)length};
	rest->data += length;
	rest->length -= (size_t)length;
	return 0;
}

static int field_take(struct codec_bytes *rest, struct field *ret_field)
{
	uint64_t tag;
	if (varint_take(rest, &tag) < 0 || tag >> 3 == 0)
		return -EBADMSG;
	*ret_field = (struct field){.number = tag >> 3, .type = (unsigned)(tag & 7)};
	uint64_t length;
	switch (ret_field->type) {
	case WIRE_VARINT:
		return varint_take(rest, &ret_field->varint);
	case WIRE_BYTES:
		if (varint_take(rest, &length) < 0)
			return -EBADMSG;
		return bytes_take(rest, length, &ret_field->bytes);
	case WIRE_FIXED64:
		return bytes_take(rest, sizeof(uint64_t), &ret_field->bytes);
	case WIRE_FIXED32:
		return bytes_take(rest, sizeof(uint32_t), &ret_field->bytes);
	default:
		return -EBADMSG;
	}
}

/* A known number with another wire type is an unknown field, and those are skipped. */
static bool field_is(const struct field *field, uint64_t number, enum wire_type type)
{
	return field->number == number && field->type == (unsigned)type;
}

static int bind_decode(struct codec_bytes rest, struct codec_request *request)
{
	while (rest.length > 0) {
		struct field field;
		if (field_take(&rest, &field) < 0)
			return -EBADMSG;
		if (field_is(&field, 1, WIRE_BYTES))
			request->service_name = field.bytes;
	}
	return 0;
}

static int invoke_decode(struct codec_bytes rest, struct codec_invoke *invoke)
{
	while (rest.length > 0) {
		struct field field;
		if (field_take(&rest, &field) < 0)
			return -EBADMSG;
		if (field_is(&field, 1, WIRE_VARINT))
			invoke->service_id = (uint32_t)field.varint;
		else if (field_is(&field, 2, WIRE_VARINT))
			invoke->method_id = (uint32_t)field.varint;
		else if (field_is(&field, 3, WIRE_BYTES))
			invoke->args = field.bytes;
		else if (field_is(&field, 4, WIRE_VARINT))
			invoke->drop_reply = field.varint != 0;
	}
	return 0;
}

static int peer_identity_decode(struct codec_bytes rest, struct codec_peer_identity *identity)
{
	while (rest.length > 0) {
		struct field field;
		if (field_take(&rest, &field) < 0)
			return -EBADMSG;
		if (field_is(&field, 1, WIRE_VARINT))
			identity->pid = (int32_t)(uint32_t)field.varint;
		else if (field_is(&field, 2, WIRE_VARINT))
			identity->uid = (int32_t)(uint32_t)field.varint;
		else if (field_is(&field, 3, WIRE_BYTES))
			identity->machine_id_hint = field.bytes;
		else if (field_is(&field, 4, WIRE_BYTES))
			identity->machine_name = field.bytes;
	}
	return 0;
}

struct members_seen {
	bool bind;
	bool invoke;
	bool peer_identity;
};

static int frame_field_decode(
    const struct field *field, struct codec_request *request, struct members_seen *seen)
{
	if (field_is(field, FRAME_REQUEST_ID, WIRE_VARINT)) {
		request->request_id = field->varint;
	} else if (field_is(field, FRAME_BIND_SERVICE, WIRE_BYTES)) {
		seen->bind = true;
		return bind_decode(field->bytes, request);
	} else if (field_is(field, FRAME_INVOKE_METHOD, WIRE_BYTES)) {
		seen->invoke = true;
		return invoke_decode(field->bytes, &request->invoke);
	} else if (field_is(field, FRAME_SET_PEER_IDENTITY, WIRE_BYTES)) {
		seen->peer_identity = true;
		return peer_identity_decode(field->bytes, &request->peer_identity);
	}
	return 0;
}

int codec_request_decode(struct codec_bytes payload, struct codec_request *ret_request)
{
	struct codec_request request = {.kind = CODEC_REQUEST_UNKNOWN};
	struct members_seen seen = {0};
	while (payload.length > 0) {
		struct field field;
		if (field_take(&payload, &field) < 0 || frame_field_decode(&field, &request, &seen) < 0)
			return -EBADMSG;
	}
	if (seen.bind)
		request.kind = CODEC_REQUEST_BIND;
	else if (seen.invoke)
		request.kind = CODEC_REQUEST_INVOKE;
	else if (seen.peer_identity)
		request.kind = CODEC_REQUEST_SET_PEER_IDENTITY;
	*ret_request = request;
	return 0;
}

uint32_t codec_header_decode(const uint8_t header[CODEC_HEADER_BYTES])
{
	return (uint32_t)header[0] | (uint32_t)header[1] << 8 | (uint32_t)header[2] << 16 |
	       (uint32_t)header[3] << 24;
}

void codec_header_encode(uint32_t payload_length, uint8_t ret_header[CODEC_HEADER_BYTES])
{
	for (size_t i = 0; i < CODEC_HEADER_BYTES; i++)
		ret_header[i] = (uint8_t)(payload_length >> (8 * i));
}

struct writer {
	struct codec_frame *frame;
	bool overlong;
	bool overflowed; /* checked once, at the end */
};

static void bytes_put(struct writer *writer, const void *data, size_t length)
{
	struct codec_frame *frame = writer->frame;
	if (writer->overflowed || length > sizeof(frame->bytes) - frame->length) {
		writer->overflowed = true;
		return;
	}
	if (length > 0)
		memcpy(frame->bytes + frame->length, data, length);
	frame->length += length;
}

static void varint_put(struct writer *writer, uint64_t value)
{
	uint8_t bytes[VARINT_BYTES_MAX];
	size_t length = 0;
	do {
		bytes[length] = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
		value >>= 7;
		length++;
	} while (value > 0);
	bytes_put(writer, bytes, length);
}

static void tag_put(struct writer *writer, unsigned number, enum wire_type type)
{
	varint_put(writer, number << 3 | (unsigned)type);
}

static void varint_field_put(struct writer *writer, unsigned number, uint64_t value)
{
	tag_put(writer, number, WIRE_VARINT);
	varint_put(writer, value);
}

static void bytes_field_put(struct writer *writer, unsigned number, const void *data, size_t length)
{
	tag_put(writer, number, WIRE_BYTES);
	varint_put(writer, length);
	bytes_put(writer, data, length);
}

static void presence_put(struct writer *writer, unsigned number, enum codec_presence presence)
{
	if (presence != CODEC_ABSENT)
		varint_field_put(writer, number, presence == CODEC_TRUE);
}

/* Leaves room for the widest length and returns where the body begins. */
static size_t nested_begin(struct writer *writer, unsigned number)
{
	static const uint8_t room[NESTED_LENGTH_BYTES];
	tag_put(writer, number, WIRE_BYTES);
	bytes_put(writer, room, sizeof(room));
	return writer->frame->length;
}

static void nested_end(struct writer *writer, size_t body)
{
	struct codec_frame *frame = writer->frame;
	if (writer->overflowed)
		return;
	size_t length = frame->length - body;
	uint8_t *length_bytes = frame->bytes + body - NESTED_LENGTH_BYTES;
	bool fixed_width = writer->overlong && length > COMPACT_LENGTH_MAX;
	size_t width = 0;
	for (size_t rest = length; width == 0 || rest > 0 || (fixed_width && width < NESTED_LENGTH_BYTES);
	     rest >>= 7)
		length_bytes[width++] = (uint8_t)((rest & 0x7f) | 0x80);
	length_bytes[width - 1] &= 0x7f;
	memmove(length_bytes + width, frame->bytes + body, length);
	frame->length -= NESTED_LENGTH_BYTES - width;
}

static struct writer frame_begin(uint64_t request_id, bool overlong, struct codec_frame *frame)
{
	static const uint8_t header[CODEC_HEADER_BYTES];
	struct writer writer = {.frame = frame, .overlong = overlong};
	frame->length = 0;
	bytes_put(&writer, header, sizeof(header));
	varint_field_put(&writer, FRAME_REQUEST_ID, request_id);
	return writer;
}

static int frame_end(struct writer *writer)
{
	struct codec_frame *frame = writer->frame;
	if (writer->overflowed || frame->length > CODEC_FRAME_BYTES_MAX) {
		frame->length = 0;
		return -EMSGSIZE;
	}
	codec_header_encode((uint32_t)(frame->length - CODEC_HEADER_BYTES), frame->bytes);
	return 0;
}

int codec_bind_reply_encode(
    uint64_t request_id, const struct codec_bind_reply *reply, bool overlong, struct codec_frame *ret_frame)
{
	struct writer writer = frame_begin(request_id, overlong, ret_frame);
	size_t body = nested_begin(&writer, FRAME_BIND_SERVICE_REPLY);
	presence_put(&writer, 1, reply->success);
	if (reply->service_id != 0)
		varint_field_put(&writer, 2, reply->service_id);
	for (size_t i = 0; i < reply->methods_count; i++) {
		const struct codec_method *method = &reply->methods[i];
		size_t method_body = nested_begin(&writer, 3);
		varint_field_put(&writer, 1, method->id);
		bytes_field_put(&writer, 2, method->name, strlen(method->name));
		nested_end(&writer, method_body);
	}
	nested_end(&writer, body);
	return frame_end(&writer);
}

int codec_invoke_reply_encode(
    uint64_t request_id, const struct codec_invoke_reply *reply, bool overlong, struct codec_frame *ret_frame)
{
	struct writer writer = frame_begin(request_id, overlong, ret_frame);
	size_t body = nested_begin(&writer, FRAME_INVOKE_METHOD_REPLY);
	presence_put(&writer, 1, reply->success);
	presence_put(&writer, 2, reply->has_more);
	if (reply->reply_present)
		bytes_field_put(&writer, 3, reply->reply.data, reply->reply.length);
	nested_end(&writer, body);
	return frame_end(&writer);
}

int codec_request_error_encode(
    uint64_t request_id, const char *error, bool overlong, struct codec_frame *ret_frame)
{
	struct writer writer = frame_begin(request_id, overlong, ret_frame);
	size_t body = nested_begin(&writer, FRAME_REQUEST_ERROR);
	bytes_field_put(&writer, 1, error, strlen(error));
	nested_end(&writer, body);
	return frame_end(&writer);
}
