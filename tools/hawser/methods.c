/* SPDX-License-Identifier: MIT
 *
 * Reads BindServiceReply frames (field 4 of a frame; in it field 3, repeated, has a method's name in field 2)
 * on their way to the library, which decides what they are worth. Fields and bytes that make no sense are
 * passed over: the library judges them. All names of a frame fit the buffer, which is as large as a frame.
 */
#include "methods.h"

#include <string.h>

enum { HEADER_SIZE = 4, FRAME_MAX = 131072, FIELD_BIND_REPLY = 4, FIELD_METHOD = 3, FIELD_NAME = 2 };

static const struct hawser_protocol *inner;
static char names[FRAME_MAX]; /* ended by NUL, one behind the other */
static size_t names_size;
static size_t names_count;

static bool varint_read(struct hawser_bytes *rest, uint64_t *ret_value)
{
	const uint8_t *at = rest->data;
	uint64_t value = 0;

	for (unsigned i = 0; i < rest->size && i < 10; i++) {
		value |= (uint64_t)(at[i] & 0x7f) << (7 * i);
		if (at[i] & 0x80)
			continue;
		*rest = (struct hawser_bytes){at + i + 1, rest->size - i - 1};
		*ret_value = value;
		return true;
	}
	return false;
}

static bool bytes_take(struct hawser_bytes *rest, uint64_t size, struct hawser_bytes *ret_taken)
{
	if (size > rest->size)
		return false;
	*ret_taken = (struct hawser_bytes){rest->data, (size_t)size};
	*rest = (struct hawser_bytes){(const uint8_t *)rest->data + size, rest->size - (size_t)size};
	return true;
}

/* The next field that holds bytes, or false at the end. */
static bool field_next(struct hawser_bytes *rest, uint64_t *ret_field, struct hawser_bytes *ret_bytes)
{
	uint64_t key;
	uint64_t value;
	struct hawser_bytes skipped;

	while (varint_read(rest, &key)) {
		*ret_field = key >> 3;
		switch (key & 7) {
		case 0:
			if (!varint_read(rest, &value))
				return false;
			break;
		case 1:
		case 5:
			if (!bytes_take(rest, (key & 7) == 1 ? 8 : 4, &skipped))
				return false;
			break;
		case 2:
			return varint_read(rest, &value) && bytes_take(rest, value, ret_bytes);
		default:
			return false;
		}
	}
	return false;
}

static void method_read(struct hawser_bytes method)
{
	struct hawser_bytes bytes;
	uint64_t field;

	while (field_next(&method, &field, &bytes)) {
		if (field != FIELD_NAME || bytes.size >= sizeof(names) - names_size)
			continue;
		memcpy(names + names_size, bytes.data, bytes.size);
		names_size += bytes.size;
		names[names_size++] = '\0';
		names_count++;
	}
}

static void reply_read(struct hawser_bytes reply)
{
	struct hawser_bytes bytes;
	uint64_t field;

	names_size = 0;
	names_count = 0;
	while (field_next(&reply, &field, &bytes))
		if (field == FIELD_METHOD)
			method_read(bytes);
}

static ssize_t frame_receive(hawser_connection *connection, void *state, const uint8_t *data, size_t size)
{
	if (size > HEADER_SIZE) {
		struct hawser_bytes frame = {data + HEADER_SIZE, size - HEADER_SIZE};
		struct hawser_bytes bytes;
		uint64_t field;

		while (field_next(&frame, &field, &bytes))
			if (field == FIELD_BIND_REPLY)
				reply_read(bytes);
	}
	return inner->receive(connection, state, data, size);
}

const struct hawser_protocol *methods_protocol(void)
{
	static struct hawser_protocol protocol;

	inner = hawser_protocol_perfetto();
	protocol = *inner;
	protocol.receive = frame_receive;
	return &protocol;
}

const char *methods_name(size_t index)
{
	const char *name = names;

	for (; index > 0 && name < names + names_size; index--)
		name += strlen(name) + 1;
	return name < names + names_size ? name : NULL;
}

size_t methods_count(void)
{
	return names_count;
}
