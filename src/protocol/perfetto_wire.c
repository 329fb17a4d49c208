/* SPDX-License-Identifier: MIT
 *
 * The Perfetto IPC format, from the client's side. It is no protobuf library: it knows the fields of
 * IPCFrame that a client sends or can be sent, and steps over all others.
 *
 * Happy path: perfetto_encode_* writes what stands before and behind the caller's bytes; perfetto_frame_size
 * finds where a received frame ends, perfetto_decode what it answers.
 *
 * Failures: a frame too large (-EMSGSIZE), both ways. A varint of more than 10 bytes, a field that ends
 * behind its message, field number 0, a group or an unknown wire type: not a message (-EBADMSG), or, inside
 * an answer, an answer that is unreadable. Varints with redundant bytes are good: hosts send them.
 */
#include "protocol/perfetto_wire.h"
#include <errno.h>

enum wire_type { WIRE_VARINT = 0, WIRE_64_BIT = 1, WIRE_BYTES = 2, WIRE_32_BIT = 5 };

enum frame_field {
	FRAME_REQUEST_ID = 2,
	FRAME_BIND = 3,
	FRAME_BIND_REPLY = 4,
	FRAME_INVOKE = 5,
	FRAME_INVOKE_REPLY = 6,
	FRAME_ERROR = 7,
};

enum bind_field { BIND_SERVICE_NAME = 1 };
enum bind_reply_field { BIND_REPLY_SUCCESS = 1, BIND_REPLY_SERVICE_ID = 2, BIND_REPLY_METHOD = 3 };
enum method_field { METHOD_ID = 1, METHOD_NAME = 2 };
enum invoke_field {
	INVOKE_SERVICE_ID = 1,
	INVOKE_METHOD_ID = 2,
	INVOKE_ARGUMENTS = 3,
	INVOKE_DROP_REPLY = 4
};
enum invoke_reply_field { INVOKE_REPLY_SUCCESS = 1, INVOKE_REPLY_HAS_MORE = 2, INVOKE_REPLY_REPLY = 3 };
enum error_field { ERROR_TEXT = 1 };

/* Encoding. A tag of these fields is one byte. */

static size_t varint_size(uint64_t value)
{
	size_t size = 1;

	while (value >>= 7)
		size++;
	return size;
}

static uint8_t *varint_write(uint8_t *at, uint64_t value)
{
	for (; value > 0x7f; value >>= 7)
		*at++ = (uint8_t)(value | 0x80);
	*at++ = (uint8_t)value;
	return at;
}

static size_t field_size(uint64_t value)
{
	return 1 + varint_size(value);
}

/* A varint field, or the beginning of a field of `value` bytes. */
static uint8_t *field_write(uint8_t *at, uint32_t number, enum wire_type type, uint64_t value)
{
	*at++ = (uint8_t)(number << 3 | type);
	return varint_write(at, value);
}

/* The header, the request id and the beginning of a message of message_size bytes; NULL: too large. */
static uint8_t *frame_write(uint8_t *at, uint64_t request_id, enum frame_field message, size_t message_size)
{
	size_t payload_size = field_size(request_id) + field_size(message_size) + message_size;

	if (payload_size > PERFETTO_FRAME_MAX - PERFETTO_HEADER_SIZE)
		return NULL;
	for (int i = 0; i < PERFETTO_HEADER_SIZE; i++)
		*at++ = (uint8_t)(payload_size >> 8 * i);
	at = field_write(at, FRAME_REQUEST_ID, WIRE_VARINT, request_id);
	return field_write(at, message, WIRE_BYTES, message_size);
}

int perfetto_encode_bind(uint64_t request_id, size_t service_size, struct perfetto_request *ret_request)
{
	struct perfetto_request request = {.tail_size = 0};
	uint8_t *at;

	if (service_size > PERFETTO_FRAME_MAX)
		return -EMSGSIZE;
	at = frame_write(request.head, request_id, FRAME_BIND, field_size(service_size) + service_size);
	if (!at)
		return -EMSGSIZE;
	at = field_write(at, BIND_SERVICE_NAME, WIRE_BYTES, service_size);
	request.head_size = (size_t)(at - request.head);
	*ret_request = request;
	return 0;
}

int perfetto_encode_invoke(uint64_t request_id, uint32_t service_id, uint32_t method_id,
    size_t arguments_size, bool drop_reply, struct perfetto_request *ret_request)
{
	struct perfetto_request request = {.tail_size = PERFETTO_TAIL_MAX};
	size_t around = field_size(service_id) + field_size(method_id) + field_size(arguments_size);
	uint8_t *at;

	if (arguments_size > PERFETTO_FRAME_MAX)
		return -EMSGSIZE;
	at = frame_write(request.head, request_id, FRAME_INVOKE, around + arguments_size + PERFETTO_TAIL_MAX);
	if (!at)
		return -EMSGSIZE;
	at = field_write(at, INVOKE_SERVICE_ID, WIRE_VARINT, service_id);
	at = field_write(at, INVOKE_METHOD_ID, WIRE_VARINT, method_id);
	at = field_write(at, INVOKE_ARGUMENTS, WIRE_BYTES, arguments_size);
	request.head_size = (size_t)(at - request.head);
	field_write(request.tail, INVOKE_DROP_REPLY, WIRE_VARINT, drop_reply);
	*ret_request = request;
	return 0;
}

/* Decoding. */

ssize_t perfetto_frame_size(const uint8_t *data, size_t size)
{
	uint32_t payload_size;

	if (size < PERFETTO_HEADER_SIZE)
		return 0;
	payload_size = data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
	if (payload_size > PERFETTO_FRAME_MAX - PERFETTO_HEADER_SIZE)
		return -EMSGSIZE;
	return (ssize_t)payload_size + PERFETTO_HEADER_SIZE;
}

struct field {
	uint32_t number;
	enum wire_type type;
	uint64_t value;            /* of a varint */
	struct hawser_bytes bytes; /* of any other */
};

static struct perfetto_reader reader_of(const struct hawser_bytes *bytes)
{
	const uint8_t *data = bytes->data;

	return (struct perfetto_reader){.at = data, .end = data + bytes->size};
}

/* Bits above the 64th, which the 10th byte has room for, are dropped, as protobuf does. */
static bool varint_read(struct perfetto_reader *reader, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 70; shift += 7) {
		uint8_t byte;

		if (reader->at == reader->end)
			return false;
		byte = *reader->at++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

static bool bytes_read(struct perfetto_reader *reader, uint64_t size, struct hawser_bytes *ret_bytes)
{
	if (size > (size_t)(reader->end - reader->at))
		return false;
	*ret_bytes = (struct hawser_bytes){.data = reader->at, .size = (size_t)size};
	reader->at += size;
	return true;
}

static bool value_read(struct perfetto_reader *reader, struct field *field)
{
	uint64_t size;

	switch (field->type) {
	case WIRE_VARINT:
		return varint_read(reader, &field->value);
	case WIRE_64_BIT:
		return bytes_read(reader, 8, &field->bytes);
	case WIRE_BYTES:
		return varint_read(reader, &size) && bytes_read(reader, size, &field->bytes);
	case WIRE_32_BIT:
		return bytes_read(reader, 4, &field->bytes);
	}
	return false;
}

/* 1: a field; 0: the end; -EBADMSG. */
static int field_read(struct perfetto_reader *reader, struct field *ret_field)
{
	struct field field = {.number = 0};
	uint64_t tag;

	if (reader->at == reader->end)
		return 0;
	if (!varint_read(reader, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
		return -EBADMSG;
	field.number = (uint32_t)(tag >> 3);
	field.type = tag & 7;
	if (!value_read(reader, &field))
		return -EBADMSG;
	*ret_field = field;
	return 1;
}

/* A field by its number and the wire type that it has to have: one value for a switch. */
#define FIELD(number, type) ((uint64_t)(number) << 3 | (type))

static uint64_t field_kind(const struct field *field)
{
	return FIELD(field->number, field->type);
}

static int method_decode(const struct hawser_bytes *bytes, uint32_t *ret_id, struct hawser_bytes *ret_name)
{
	struct perfetto_reader reader = reader_of(bytes);
	struct field field;
	int result;

	*ret_id = 0;
	*ret_name = (struct hawser_bytes){.data = bytes->data};
	while ((result = field_read(&reader, &field)) > 0) {
		if (field_kind(&field) == FIELD(METHOD_ID, WIRE_VARINT))
			*ret_id = (uint32_t)field.value;
		else if (field_kind(&field) == FIELD(METHOD_NAME, WIRE_BYTES))
			*ret_name = field.bytes;
	}
	return result;
}

static int bind_reply_decode(const struct hawser_bytes *bytes, struct perfetto_answer *answer)
{
	struct perfetto_reader reader = reader_of(bytes);
	struct hawser_bytes name;
	struct field field;
	uint32_t id;
	int result;

	answer->bind_reply.present = true;
	while ((result = field_read(&reader, &field)) > 0) {
		switch (field_kind(&field)) {
		case FIELD(BIND_REPLY_SUCCESS, WIRE_VARINT):
			answer->bind_reply.success = field.value != 0;
			break;
		case FIELD(BIND_REPLY_SERVICE_ID, WIRE_VARINT):
			answer->bind_reply.service_id = (uint32_t)field.value;
			break;
		case FIELD(BIND_REPLY_METHOD, WIRE_BYTES):
			if (method_decode(&field.bytes, &id, &name) < 0)
				return -EBADMSG;
			break;
		default:
			break;
		}
	}
	return result;
}

static int invoke_reply_decode(const struct hawser_bytes *bytes, struct perfetto_answer *answer)
{
	struct perfetto_reader reader = reader_of(bytes);
	struct field field;
	int result;

	answer->invoke_reply.present = true;
	while ((result = field_read(&reader, &field)) > 0) {
		switch (field_kind(&field)) {
		case FIELD(INVOKE_REPLY_SUCCESS, WIRE_VARINT):
			answer->invoke_reply.success = field.value != 0;
			answer->invoke_reply.success_given = true;
			break;
		case FIELD(INVOKE_REPLY_HAS_MORE, WIRE_VARINT):
			answer->invoke_reply.has_more = field.value != 0;
			break;
		case FIELD(INVOKE_REPLY_REPLY, WIRE_BYTES):
			answer->invoke_reply.reply = field.bytes;
			break;
		default:
			break;
		}
	}
	return result;
}

static int error_decode(const struct hawser_bytes *bytes, struct perfetto_answer *answer)
{
	struct perfetto_reader reader = reader_of(bytes);
	struct field field;
	int result;

	answer->error.present = true;
	while ((result = field_read(&reader, &field)) > 0) {
		if (field_kind(&field) == FIELD(ERROR_TEXT, WIRE_BYTES))
			answer->error.text = field.bytes;
	}
	return result;
}

static int answer_decode(const struct field *field, struct perfetto_answer *answer)
{
	switch (field_kind(field)) {
	case FIELD(FRAME_REQUEST_ID, WIRE_VARINT):
		answer->request_id = field->value;
		return 0;
	case FIELD(FRAME_BIND_REPLY, WIRE_BYTES):
		return bind_reply_decode(&field->bytes, answer);
	case FIELD(FRAME_INVOKE_REPLY, WIRE_BYTES):
		return invoke_reply_decode(&field->bytes, answer);
	case FIELD(FRAME_ERROR, WIRE_BYTES):
		return error_decode(&field->bytes, answer);
	default:
		return 0;
	}
}

int perfetto_decode(const uint8_t *payload, size_t size, struct perfetto_answer *ret_answer)
{
	struct hawser_bytes bytes = {.data = payload, .size = size};
	struct hawser_bytes none = {.data = payload};
	struct perfetto_answer answer = {.invoke_reply = {.reply = none}, .error = {.text = none}};
	struct perfetto_reader reader = reader_of(&bytes);
	struct field field;
	int result;

	while ((result = field_read(&reader, &field)) > 0) {
		if (answer_decode(&field, &answer) < 0)
			answer.unreadable = true;
	}
	if (result == 0)
		*ret_answer = answer;
	return result;
}

void perfetto_methods_begin(struct perfetto_methods *methods, const uint8_t *payload, size_t size)
{
	struct hawser_bytes bytes = {.data = payload, .size = size};

	methods->frame = reader_of(&bytes);
	methods->reply = (struct perfetto_reader){.at = payload, .end = payload};
}

bool perfetto_methods_next(struct perfetto_methods *methods, uint32_t *ret_id, struct hawser_bytes *ret_name)
{
	struct hawser_bytes name;
	struct field field;
	uint32_t id;

	for (;;) {
		if (field_read(&methods->reply, &field) > 0) {
			if (field_kind(&field) != FIELD(BIND_REPLY_METHOD, WIRE_BYTES) ||
			    method_decode(&field.bytes, &id, &name) < 0 || !id || !name.size)
				continue;
			*ret_id = id;
			*ret_name = name;
			return true;
		}
		if (field_read(&methods->frame, &field) <= 0)
			return false;
		if (field_kind(&field) == FIELD(FRAME_BIND_REPLY, WIRE_BYTES))
			methods->reply = reader_of(&field.bytes);
	}
}
