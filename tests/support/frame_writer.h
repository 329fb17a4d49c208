/* SPDX-License-Identifier: MIT
 *
 * Writes protobuf fields into memory as a host might: with as many redundant bytes in its varints as asked
 * for.
 */
#ifndef TESTS_SUPPORT_FRAME_WRITER_H
#define TESTS_SUPPORT_FRAME_WRITER_H

#include <stddef.h>
#include <stdint.h>

/* Running out of room aborts. */
struct frame_writer {
	uint8_t *data;
	size_t room;
	size_t size;
	unsigned varint_min; /* bytes that every varint has at least, 0..10 */
};

void frame_write_varint(struct frame_writer *writer, uint64_t value);
void frame_write_number(struct frame_writer *writer, uint32_t field, uint64_t value);
void frame_write_bytes(struct frame_writer *writer, uint32_t field, const void *data, size_t size);

/* Four bytes in front, to be filled by frame_write_end. */
void frame_write_begin(struct frame_writer *writer);
void frame_write_end(struct frame_writer *writer);

#endif
