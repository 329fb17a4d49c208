/* SPDX-License-Identifier: MIT
 *
 * Perfetto frames found in a stream that arrives in any pieces.
 */
#include "../support/frame_writer.h"
#include "../support/golden.h"
#include "protocol/perfetto_wire.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

TestSuite(perfetto_frames, .init = golden_read, .timeout = 120);

/* A receiver that keeps what is not a whole frame yet. */
struct stream {
	uint8_t data[PERFETTO_FRAME_MAX];
	size_t size;
	size_t frames;
	size_t answers;
	size_t unreadable;
	uint64_t ids[16];
};

static struct stream stream;

static ssize_t stream_take(const uint8_t *data, size_t size)
{
	ssize_t frame_size;

	cr_assert_leq(stream.size + size, sizeof(stream.data));
	memcpy(stream.data + stream.size, data, size);
	stream.size += size;
	while ((frame_size = perfetto_frame_size(stream.data, stream.size)) > 0 &&
	       (size_t)frame_size <= stream.size) {
		struct perfetto_answer answer;

		stream.frames++;
		if (perfetto_decode(stream.data + PERFETTO_HEADER_SIZE,
			(size_t)frame_size - PERFETTO_HEADER_SIZE, &answer) < 0)
			stream.unreadable++;
		else if (answer.bind_reply.present || answer.invoke_reply.present)
			stream.ids[stream.answers++] = answer.request_id;
		stream.size -= (size_t)frame_size;
		memmove(stream.data, stream.data + frame_size, stream.size);
	}
	return frame_size;
}

static const struct golden_bytes *reply_42(void)
{
	return &golden_find("frag test of buffered_frame_deserializer_unittest")->received;
}

Test(perfetto_frames, a46_a_whole_frame)
{
	stream_take(reply_42()->data, reply_42()->size);
	cr_assert(stream.frames == 1 && stream.answers == 1 && stream.ids[0] == 42 && stream.size == 0);
}

Test(perfetto_frames, a46_three_pieces_at_every_two_places)
{
	const struct golden_bytes *frame = reply_42();

	for (size_t first = 1; first < frame->size - 1; first++) {
		for (size_t second = first + 1; second < frame->size; second++) {
			memset(&stream, 0, sizeof(stream));
			stream_take(frame->data, first);
			stream_take(frame->data + first, 0);
			stream_take(frame->data + first, second - first);
			cr_assert_eq(stream.frames, 0);
			stream_take(frame->data + second, frame->size - second);
			cr_assert(stream.answers == 1 && stream.ids[0] == 42 && stream.size == 0);
		}
	}
}

Test(perfetto_frames, a46_byte_by_byte_and_nothing_in_between)
{
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < reply_42()->size; i++) {
			stream_take(reply_42()->data + i, 1);
			stream_take(reply_42()->data, 0);
		}
	}
	cr_assert(stream.frames == 3 && stream.answers == 3 && stream.size == 0);
}

Test(perfetto_frames, a46_many_in_one_receive_empty_and_unreadable_ones_among_them)
{
	static uint8_t all[4 * GOLDEN_BYTES_MAX];
	static const uint8_t empty[4];
	const struct golden_bytes *garbage = &golden_find("garbage payload ff*8")->sent;
	const struct golden_bytes *reply = &golden_find("invoke_reply stream has_more rid=4")->received;
	size_t size = 0;

	for (int round = 0; round < 3; round++) {
		memcpy(all + size, reply_42()->data, reply_42()->size);
		size += reply_42()->size;
		memcpy(all + size, empty, sizeof(empty));
		size += sizeof(empty);
		memcpy(all + size, garbage->data, garbage->size);
		size += garbage->size;
		memcpy(all + size, reply->data, reply->size);
		size += reply->size;
	}
	for (size_t first = 0; first <= size; first++) {
		memset(&stream, 0, sizeof(stream));
		stream_take(all, first);
		stream_take(all + first, size - first);
		cr_assert(stream.frames == 12 && stream.unreadable == 3 && stream.answers == 6);
		for (int i = 0; i < 6; i++)
			cr_assert_eq(stream.ids[i], i % 2 ? 4 : 42);
	}
}

Test(perfetto_frames, a46_a_frame_as_large_as_the_limit_and_one_larger)
{
	static uint8_t data[PERFETTO_FRAME_MAX];
	static uint8_t text[PERFETTO_FRAME_MAX - 4 - 2 - 4 - 4];
	struct frame_writer frame = {.data = data, .room = sizeof(data)};
	static uint8_t inner_data[sizeof(text) + 4];
	struct frame_writer inner = {.data = inner_data, .room = sizeof(inner_data)};

	frame_write_bytes(&inner, 3, text, sizeof(text));
	frame_write_begin(&frame);
	frame_write_number(&frame, 2, 6);
	frame_write_bytes(&frame, 6, inner.data, inner.size);
	frame_write_end(&frame);
	cr_assert_eq(frame.size, PERFETTO_FRAME_MAX);
	for (size_t at = 0; at < frame.size; at += 32768)
		stream_take(frame.data + at, 32768);
	cr_assert(stream.frames == 1 && stream.answers == 1 && stream.ids[0] == 6 && stream.size == 0);
	cr_assert_eq(stream_take((const uint8_t *)"\xfd\xff\x01\x00", 4), -EMSGSIZE, "the header tells");
}
