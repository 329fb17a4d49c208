/* SPDX-License-Identifier: MIT
 *
 * A writer of protobuf fields that shares nothing with the library's. Messages inside messages are written
 * into memory of their own first.
 */
#include "frame_writer.h"
#include <stdlib.h>
#include <string.h>

enum { HEADER_SIZE = 4 };

static void byte_write(struct frame_writer *writer, unsigned byte)
{
	if (writer->size == writer->room)
		abort();
	writer->data[writer->size++] = (uint8_t)byte;
}

void frame_write_varint(struct frame_writer *writer, uint64_t value)
{
	unsigned written = 1;

	for (; value >= 0x80 || written < writer->varint_min; written++) {
		byte_write(writer, 0x80 | (value & 0x7f));
		value >>= 7;
	}
	byte_write(writer, (unsigned)value);
}

void frame_write_number(struct frame_writer *writer, uint32_t field, uint64_t value)
{
	frame_write_varint(writer, (uint64_t)field << 3);
	frame_write_varint(writer, value);
}

void frame_write_bytes(struct frame_writer *writer, uint32_t field, const void *data, size_t size)
{
	frame_write_varint(writer, (uint64_t)field << 3 | 2);
	frame_write_varint(writer, size);
	if (size > writer->room - writer->size)
		abort();
	if (size)
		memcpy(writer->data + writer->size, data, size);
	writer->size += size;
}

void frame_write_begin(struct frame_writer *writer)
{
	writer->size = 0;
	for (int i = 0; i < HEADER_SIZE; i++)
		byte_write(writer, 0);
}

void frame_write_end(struct frame_writer *writer)
{
	size_t size = writer->size - HEADER_SIZE;

	for (int i = 0; i < HEADER_SIZE; i++)
		writer->data[i] = (uint8_t)(size >> 8 * i);
}
