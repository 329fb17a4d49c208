/* SPDX-License-Identifier: MIT
 *
 * Fuzzes the Perfetto decoder: any bytes are decoded without a fault and nothing that is told lies outside of
 * them; what could be decoded is written again as a host would, with redundant varints, and decodes to the
 * same; and requests are encoded as long as they say. Build with clang -fsanitize=fuzzer,address,undefined,
 * src/protocol/perfetto_wire.c and tests/support/frame_writer.c.
 */
#include "../support/frame_writer.h"
#include "protocol/perfetto_wire.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 4 * PERFETTO_FRAME_MAX };

static uint8_t frame_data[ROOM];
static uint8_t message_data[ROOM];
static uint8_t method_data[ROOM];

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

static void inside(const struct hawser_bytes *bytes, const uint8_t *data, size_t size)
{
	const uint8_t *begin = bytes->data;

	must(bytes->size <= size && begin >= data && begin + bytes->size <= data + size,
	    "it lies in the frame");
}

static bool same(const struct hawser_bytes *left, const struct hawser_bytes *right)
{
	return left->size == right->size && !memcmp(left->data, right->data, left->size);
}

static void bind_reply_write(
    struct frame_writer *frame, const struct perfetto_answer *answer, const uint8_t *data, size_t size)
{
	struct frame_writer message = {message_data, ROOM, 0, frame->varint_min};
	struct perfetto_methods methods;
	struct hawser_bytes name;
	uint32_t id;

	frame_write_number(&message, 1, answer->bind_reply.success);
	frame_write_number(&message, 2, answer->bind_reply.service_id);
	perfetto_methods_begin(&methods, data, size);
	while (perfetto_methods_next(&methods, &id, &name)) {
		struct frame_writer method = {method_data, ROOM, 0, frame->varint_min};

		inside(&name, data, size);
		frame_write_number(&method, 1, id);
		frame_write_bytes(&method, 2, name.data, name.size);
		frame_write_bytes(&message, 3, method.data, method.size);
	}
	frame_write_bytes(frame, 4, message.data, message.size);
}

static void answer_write(
    struct frame_writer *frame, const struct perfetto_answer *answer, const uint8_t *data, size_t size)
{
	struct frame_writer message = {message_data, ROOM, 0, frame->varint_min};

	frame->size = 0;
	if (answer->bind_reply.present)
		bind_reply_write(frame, answer, data, size);
	if (answer->invoke_reply.present) {
		if (answer->invoke_reply.success_given)
			frame_write_number(&message, 1, answer->invoke_reply.success);
		frame_write_number(&message, 2, answer->invoke_reply.has_more);
		frame_write_bytes(
		    &message, 3, answer->invoke_reply.reply.data, answer->invoke_reply.reply.size);
		frame_write_bytes(frame, 6, message.data, message.size);
	}
	message.size = 0;
	if (answer->error.present) {
		frame_write_bytes(&message, 1, answer->error.text.data, answer->error.text.size);
		frame_write_bytes(frame, 7, message.data, message.size);
	}
	frame_write_number(frame, 2, answer->request_id);
}

static void methods_compare(const uint8_t *data, size_t size, const struct frame_writer *again)
{
	struct perfetto_methods left;
	struct perfetto_methods right;
	struct hawser_bytes left_name;
	struct hawser_bytes right_name;
	uint32_t left_id;
	uint32_t right_id;

	perfetto_methods_begin(&left, data, size);
	perfetto_methods_begin(&right, again->data, again->size);
	while (perfetto_methods_next(&left, &left_id, &left_name)) {
		must(perfetto_methods_next(&right, &right_id, &right_name), "as many methods");
		must(left_id == right_id && same(&left_name, &right_name), "the same methods");
	}
	must(!perfetto_methods_next(&right, &right_id, &right_name), "no more methods");
}

static void round_trip(
    const struct perfetto_answer *answer, const uint8_t *data, size_t size, unsigned varint_min)
{
	struct frame_writer frame = {frame_data, ROOM, 0, varint_min};
	struct perfetto_answer again;

	answer_write(&frame, answer, data, size);
	must(perfetto_decode(frame.data, frame.size, &again) == 0 && !again.unreadable,
	    "it can be read again");
	must(again.request_id == answer->request_id, "the same id");
	must(again.bind_reply.present == answer->bind_reply.present &&
		 again.bind_reply.success == answer->bind_reply.success &&
		 again.bind_reply.service_id == answer->bind_reply.service_id,
	    "the same bind reply");
	must(again.invoke_reply.present == answer->invoke_reply.present &&
		 again.invoke_reply.success == answer->invoke_reply.success &&
		 again.invoke_reply.success_given == answer->invoke_reply.success_given &&
		 again.invoke_reply.has_more == answer->invoke_reply.has_more &&
		 same(&again.invoke_reply.reply, &answer->invoke_reply.reply),
	    "the same invoke reply");
	must(again.error.present == answer->error.present && same(&again.error.text, &answer->error.text),
	    "the same error");
	methods_compare(data, size, &frame);
}

static void requests(const uint8_t *data, size_t size)
{
	struct perfetto_request request;
	struct perfetto_answer answer;
	uint64_t id = 0;
	uint32_t numbers[2] = {0};

	if (size < sizeof(id) + sizeof(numbers))
		return;
	memcpy(&id, data, sizeof(id));
	memcpy(numbers, data + sizeof(id), sizeof(numbers));
	if (perfetto_encode_invoke(id, numbers[0], numbers[1], size, data[0] & 1, &request) < 0)
		return;
	must(request.head_size <= PERFETTO_HEAD_MAX && request.tail_size <= PERFETTO_TAIL_MAX, "it has room");
	memcpy(frame_data, request.head, request.head_size);
	memcpy(frame_data + request.head_size, data, size);
	memcpy(frame_data + request.head_size + size, request.tail, request.tail_size);
	size += request.head_size + request.tail_size;
	must(perfetto_frame_size(frame_data, size) == (ssize_t)size, "it is as long as it says");
	must(perfetto_decode(frame_data + PERFETTO_HEADER_SIZE, size - PERFETTO_HEADER_SIZE, &answer) == 0,
	    "it is a message");
	must(answer.request_id == id, "with its id");
	must(!answer.bind_reply.present && !answer.invoke_reply.present && !answer.error.present,
	    "that answers nothing");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct perfetto_answer answer;
	ssize_t frame_size = perfetto_frame_size(data, size);

	must(frame_size <= PERFETTO_FRAME_MAX && (size >= PERFETTO_HEADER_SIZE || frame_size == 0),
	    "a frame has a size");
	requests(data, size);
	/* The first four bytes are header or length of the varints: the rest is the message. */
	if (size < PERFETTO_HEADER_SIZE || size > PERFETTO_FRAME_MAX)
		return 0;
	if (perfetto_decode(data + PERFETTO_HEADER_SIZE, size - PERFETTO_HEADER_SIZE, &answer) < 0)
		return 0;
	inside(&answer.invoke_reply.reply, data, size);
	inside(&answer.error.text, data, size);
	if (!answer.unreadable)
		round_trip(&answer, data + PERFETTO_HEADER_SIZE, size - PERFETTO_HEADER_SIZE, data[3] % 11);
	return 0;
}
