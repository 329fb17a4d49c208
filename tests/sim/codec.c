/* SPDX-License-Identifier: MIT
 *
 * Perfetto's IPCFrame, as the simulated hosts read and write it.
 */
#include "world.h"

#include <string.h>

enum { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };
enum {
	FIELD_ID = 2,
	FIELD_BIND = 3,
	FIELD_BIND_REPLY = 4,
	FIELD_INVOKE = 5,
	FIELD_INVOKE_REPLY = 6,
	FIELD_ERROR = 7
};

/* ---- reading ---- */

struct reader {
	const uint8_t *at;
	const uint8_t *end;
	bool broken;
};

struct field {
	uint32_t number;
	uint64_t value;
	struct frame_text text;
};

static uint64_t read_varint(struct reader *reader)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 70 && reader->at < reader->end; shift += 7) {
		uint8_t byte = *reader->at++;

		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	reader->broken = true;
	return 0;
}

static bool read_field(struct reader *reader, struct field *field)
{
	uint64_t tag;

	if (reader->broken || reader->at == reader->end)
		return false;
	tag = read_varint(reader);
	field->number = (uint32_t)(tag >> 3);
	field->value = 0;
	field->text = (struct frame_text){0};
	if ((tag & 7) == VARINT) {
		field->value = read_varint(reader);
	} else if ((tag & 7) == LENGTH) {
		uint64_t size = read_varint(reader);

		if (size > (uint64_t)(reader->end - reader->at)) {
			reader->broken = true;
			return false;
		}
		field->text = (struct frame_text){reader->at, (size_t)size};
		reader->at += size;
	} else {
		reader->broken = true; /* a client sends no other kinds */
	}
	return !reader->broken;
}

size_t frame_whole(const uint8_t *data, size_t size)
{
	size_t payload;

	if (size < FRAME_HEADER)
		return 0;
	payload = (size_t)data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16 | (size_t)data[3] << 24;
	return size - FRAME_HEADER >= payload ? payload + FRAME_HEADER : 0;
}

static bool read_bind(struct frame_text text, struct frame *frame)
{
	struct reader reader = {text.data, text.data + text.size, false};
	struct field field;

	frame->kind = FRAME_BIND;
	while (read_field(&reader, &field))
		if (field.number == 1)
			frame->service = field.text;
	return !reader.broken;
}

static bool read_invoke(struct frame_text text, struct frame *frame)
{
	struct reader reader = {text.data, text.data + text.size, false};
	struct field field;

	frame->kind = FRAME_INVOKE;
	while (read_field(&reader, &field)) {
		if (field.number == 1)
			frame->service_id = field.value;
		else if (field.number == 2)
			frame->method_id = field.value;
		else if (field.number == 3)
			frame->arguments = field.text;
		else if (field.number == 4)
			frame->drop_reply = field.value != 0;
	}
	return !reader.broken;
}

bool frame_read(const uint8_t *payload, size_t size, struct frame *ret_frame)
{
	struct reader reader = {payload, payload + size, false};
	struct field field;
	bool good = true;

	memset(ret_frame, 0, sizeof(*ret_frame));
	while (good && read_field(&reader, &field)) {
		if (field.number == FIELD_ID)
			ret_frame->id = field.value;
		else if (field.number == FIELD_BIND)
			good = read_bind(field.text, ret_frame);
		else if (field.number == FIELD_INVOKE)
			good = read_invoke(field.text, ret_frame);
	}
	return good && !reader.broken;
}

/* ---- writing ---- */

static void put_byte(struct buffer *buffer, unsigned byte)
{
	*buffer_grow(buffer, 1) = (uint8_t)byte;
}

/* padding: how many bytes longer than it must be. */
static void put_varint(struct buffer *buffer, uint64_t value, unsigned padding)
{
	while (value >= 0x80) {
		put_byte(buffer, (unsigned)(value & 0x7f) | 0x80);
		value >>= 7;
	}
	put_byte(buffer, (unsigned)value | (padding ? 0x80 : 0));
	for (; padding > 1; padding--)
		put_byte(buffer, 0x80);
	if (padding)
		put_byte(buffer, 0);
}

static void put_number(struct buffer *buffer, unsigned field, uint64_t value)
{
	put_varint(buffer, field << 3 | VARINT, 0);
	put_varint(buffer, value, 0);
}

static void put_bytes(struct buffer *buffer, unsigned field, const void *data, size_t size, unsigned padding)
{
	put_varint(buffer, field << 3 | LENGTH, 0);
	put_varint(buffer, size, padding);
	buffer_append(buffer, data, size);
}

static void put_unknown(struct world *world, struct buffer *buffer)
{
	static const uint8_t fixed[8] = {1, 2, 3, 4, 5, 6, 7, 8};

	switch (draw_below(world, 4)) {
	case 0:
		put_number(buffer, 90, 1234567);
		break;
	case 1:
		put_bytes(buffer, 91, "unknown", 7, 2);
		break;
	case 2:
		put_varint(buffer, 92u << 3 | FIXED64, 0);
		buffer_append(buffer, fixed, 8);
		break;
	default:
		put_varint(buffer, 93u << 3 | FIXED32, 0);
		buffer_append(buffer, fixed, 4);
	}
}

/* Wraps a message into a frame: request id and message in either order, unknown fields between. */
static void put_frame(
    struct world *world, struct buffer *frame, uint64_t id, unsigned field, const struct buffer *message)
{
	bool odd = chance(world, world->faults.odd_encoding);
	bool id_last = odd && chance(world, 50);
	bool unknown = odd && chance(world, 50);
	unsigned padding = odd ? (unsigned)draw_below(world, 4) : 0;
	size_t payload;
	uint8_t *header;

	buffer_clear(frame);
	buffer_grow(frame, FRAME_HEADER);
	if (!id_last)
		put_number(frame, FIELD_ID, id);
	if (unknown)
		put_unknown(world, frame);
	put_bytes(frame, field, buffer_bytes(message), buffer_size(message), padding);
	if (id_last)
		put_number(frame, FIELD_ID, id);
	payload = buffer_size(frame) - FRAME_HEADER;
	header = buffer_bytes(frame);
	for (unsigned i = 0; i < FRAME_HEADER; i++)
		header[i] = (uint8_t)(payload >> (8 * i));
}

void frame_bind_reply(struct world *world, struct buffer *frame, uint64_t id, bool success,
    uint32_t service_id, const struct method_entry *methods, unsigned methods_count)
{
	struct buffer *message = &world->codec_message;
	struct buffer *entry = &world->codec_entry;

	buffer_clear(message);
	if (success || service_id)
		put_number(message, 1, success);
	if (service_id)
		put_number(message, 2, service_id);
	for (unsigned i = 0; i < methods_count; i++) {
		buffer_clear(entry);
		put_number(entry, 1, methods[i].id);
		put_bytes(entry, 2, methods[i].name, strlen(methods[i].name), 0);
		put_bytes(message, 3, buffer_bytes(entry), buffer_size(entry), 0);
	}
	put_frame(world, frame, id, FIELD_BIND_REPLY, message);
}

void frame_invoke_reply(struct world *world, struct buffer *frame, uint64_t id, bool success, bool more,
    const uint8_t *reply, size_t reply_size)
{
	struct buffer *message = &world->codec_message;

	buffer_clear(message);
	if (success)
		put_number(message, 1, 1);
	else if (chance(world, 50)) /* failures come in both forms */
		put_number(message, 1, 0);
	if (more || !success)
		put_number(message, 2, more);
	if (success)
		put_bytes(message, 3, reply, reply_size, 0);
	put_frame(world, frame, id, FIELD_INVOKE_REPLY, message);
}

void frame_broken(struct world *world, struct buffer *frame, uint64_t id, bool to_bind)
{
	static const uint8_t cut[] = {3 << 3 | LENGTH, 100, 1};
	struct buffer *message = &world->codec_message;

	buffer_clear(message);
	buffer_append(message, cut, sizeof(cut));
	put_frame(world, frame, id, to_bind ? FIELD_BIND_REPLY : FIELD_INVOKE_REPLY, message);
}

void frame_request_error(struct world *world, struct buffer *frame, uint64_t id, const char *text)
{
	struct buffer *message = &world->codec_message;

	buffer_clear(message);
	put_bytes(message, 1, text, strlen(text), 0);
	put_frame(world, frame, id, FIELD_ERROR, message);
}
