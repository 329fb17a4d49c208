/* SPDX-License-Identifier: MIT
 *
 * The Perfetto wire format against bytes that are cut, changed, redundant, or too many.
 */
#include "../support/frame_writer.h"
#include "../support/golden.h"
#include "../support/memory.h"
#include "protocol/perfetto_wire.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_MAX = 4096, MUTATIONS = 200000 };

TestSuite(perfetto_bytes, .init = golden_read, .timeout = 120);

static void assert_inside(const struct hawser_bytes *bytes, const uint8_t *payload, size_t size)
{
	const uint8_t *data = bytes->data;

	cr_assert(bytes->size <= size && data >= payload && data + bytes->size <= payload + size);
}

/* Decodes a copy that ends where its memory ends, and holds that all it tells lies in it. */
static int decode_copy(const uint8_t *data, size_t size, struct perfetto_answer *answer)
{
	uint8_t *payload = malloc(size ? size : 1);
	struct perfetto_methods methods;
	struct hawser_bytes name;
	size_t count = 0;
	uint32_t id;
	int result;

	cr_assert_not_null(payload);
	memcpy(payload, data, size);
	result = perfetto_decode(payload, size, answer);
	cr_assert(result == 0 || result == -EBADMSG);
	if (result == 0) {
		assert_inside(&answer->invoke_reply.reply, payload, size);
		assert_inside(&answer->error.text, payload, size);
	}
	perfetto_methods_begin(&methods, payload, size);
	while (perfetto_methods_next(&methods, &id, &name)) {
		assert_inside(&name, payload, size);
		cr_assert(id && name.size);
		count++;
	}
	cr_assert_leq(count, size / 7, "a method is 7 bytes at least");
	free(payload);
	return result;
}

static size_t columns(const struct golden_row *row, const struct golden_bytes *ret_columns[2])
{
	size_t count = 0;

	if (row->sent.size > PERFETTO_HEADER_SIZE)
		ret_columns[count++] = &row->sent;
	if (row->received.size > PERFETTO_HEADER_SIZE)
		ret_columns[count++] = &row->received;
	return count;
}

static void cut_everywhere(const struct golden_bytes *frame)
{
	const uint8_t *payload = frame->data + PERFETTO_HEADER_SIZE;
	struct perfetto_answer answer;

	for (size_t size = 0; size < frame->size; size++) {
		ssize_t told = perfetto_frame_size(frame->data, size);

		cr_assert_eq(told, size < PERFETTO_HEADER_SIZE ? 0 : (ssize_t)frame->size);
	}
	for (size_t size = 0; size <= frame->size - PERFETTO_HEADER_SIZE; size++)
		decode_copy(payload, size, &answer);
}

Test(perfetto_bytes, every_row_cut_at_every_byte)
{
	size_t frames = 0;

	for (size_t i = 0; i < GOLDEN_ROWS; i++) {
		const struct golden_bytes *column[2];
		size_t count = columns(&golden_rows[i], column);

		for (size_t c = 0; c < count; c++)
			cut_everywhere(column[c]);
		frames += count;
	}
	cr_assert_gt(frames, 70);
}

static void mutate(struct generator *generator, struct golden_bytes *frame)
{
	uint64_t changes = 1 + generator_below(generator, 4);

	while (changes--) {
		uint64_t at = PERFETTO_HEADER_SIZE;
		uint64_t value = generator_next(generator);

		at += generator_below(generator, frame->size - PERFETTO_HEADER_SIZE);
		switch (generator_below(generator, 4)) {
		case 0:
			frame->data[at] = (uint8_t)value;
			break;
		case 1:
			frame->data[at] ^= (uint8_t)(1u << value % 8);
			break;
		case 2:
			memmove(frame->data + at, frame->data + at + 1, frame->size - at - 1);
			frame->size -= frame->size > PERFETTO_HEADER_SIZE + 1;
			break;
		default:
			if (frame->size == GOLDEN_BYTES_MAX)
				break;
			memmove(frame->data + at + 1, frame->data + at, frame->size - at);
			frame->data[at] = (uint8_t)value;
			frame->size++;
		}
	}
}

Test(perfetto_bytes, changed_at_random_nothing_reads_out_of_bounds)
{
	struct generator generator = {20240601};
	size_t good = 0;

	for (int i = 0; i < MUTATIONS; i++) {
		const struct golden_bytes *column[2];
		struct perfetto_answer answer;
		struct golden_bytes frame;
		uint64_t row = generator_below(&generator, GOLDEN_ROWS);
		size_t count = columns(&golden_rows[row], column);

		if (!count)
			continue;
		frame = *column[generator_below(&generator, count)];
		mutate(&generator, &frame);
		good += decode_copy(frame.data + PERFETTO_HEADER_SIZE, frame.size - PERFETTO_HEADER_SIZE,
			    &answer) == 0;
	}
	cr_assert(good > MUTATIONS / 20 && good < MUTATIONS * 19 / 20, "%zu of them can be read", good);
}

static struct perfetto_answer decode_good(const struct frame_writer *writer)
{
	struct perfetto_answer answer;

	cr_assert_eq(decode_copy(writer->data, writer->size, &answer), 0);
	return answer;
}

static void reply_write(struct frame_writer *frame, struct frame_writer *reply)
{
	frame->size = 0;
	reply->size = 0;
	frame_write_number(reply, 1, 1);
	frame_write_number(reply, 2, 1);
	frame_write_bytes(reply, 3, "answer", 6);
	frame_write_number(frame, 2, 300);
	frame_write_bytes(frame, 6, reply->data, reply->size);
}

Test(perfetto_bytes, varints_may_be_redundant_up_to_10_bytes)
{
	static uint8_t frame_data[MESSAGE_MAX];
	static uint8_t reply_data[MESSAGE_MAX];
	struct frame_writer frame = {.data = frame_data, .room = MESSAGE_MAX};
	struct frame_writer reply = {.data = reply_data, .room = MESSAGE_MAX};
	struct perfetto_answer answer;

	for (unsigned least = 0; least <= 11; least++) {
		frame.varint_min = least;
		reply.varint_min = least;
		reply_write(&frame, &reply);
		if (least == 11) {
			cr_assert_eq(decode_copy(frame.data, frame.size, &answer), -EBADMSG);
			break;
		}
		answer = decode_good(&frame);
		cr_assert_not(answer.unreadable);
		cr_assert_eq(answer.request_id, 300);
		cr_assert(answer.invoke_reply.success && answer.invoke_reply.has_more);
		cr_assert_eq(answer.invoke_reply.reply.size, 6);
	}
	cr_assert_eq(
	    perfetto_decode((const uint8_t *)"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11, &answer), 0);
	cr_assert_eq(answer.request_id, UINT64_MAX, "what the 10th byte has beyond 64 bits is dropped");
}

Test(perfetto_bytes, unknown_fields_of_every_wire_type_are_skipped)
{
	static const char unknown[] = "\x78\xff\x01" /* 15: varint */
				      "\x79"         /* 15: 64 bit */
				      "12345678"
				      "\x7a\x03" /* 15: bytes */
				      "abc"
				      "\x7d" /* 15: 32 bit */
				      "1234"
				      "\xfa\xff\xff\xff\x0f\x01" /* the largest field number */
				      "x"
				      "\x0a\x01" /* data_for_testing */
				      "y";
	static uint8_t frame_data[MESSAGE_MAX];
	static uint8_t reply_data[MESSAGE_MAX];
	struct frame_writer reply = {.data = reply_data, .room = MESSAGE_MAX};
	struct frame_writer frame = {.data = frame_data, .room = MESSAGE_MAX};
	struct perfetto_answer answer;

	memcpy(reply_data, unknown, sizeof(unknown) - 1);
	reply.size = sizeof(unknown) - 1;
	frame_write_number(&reply, 1, 1);
	memcpy(frame_data, unknown, sizeof(unknown) - 1);
	frame.size = sizeof(unknown) - 1;
	frame_write_bytes(&frame, 6, reply_data, reply.size);
	frame_write_number(&frame, 2, 9);
	answer = decode_good(&frame);
	cr_assert_not(answer.unreadable);
	cr_assert_eq(answer.request_id, 9);
	cr_assert(answer.invoke_reply.success);
}

Test(perfetto_bytes, known_fields_of_another_wire_type_are_unknown_fields)
{
	static const uint8_t frame[] =
	    "\x12\x01z"                 /* request_id as bytes */
	    "\x20\x01"                  /* bind reply as a number */
	    "\x10\x05"                  /* request_id 5 */
	    "\x32\x09\x0a\x01\x01"      /* invoke reply: success as bytes, */
	    "\x18\x07\x10\x01\x15\x00"; /* reply as a number; cut off: has_more as 32 bit */
	struct perfetto_answer answer;

	cr_assert_eq(decode_copy(frame, 7 + 2 + 7, &answer), -EBADMSG, "cut in the reply");
	cr_assert_eq(decode_copy(frame, sizeof(frame) - 1, &answer), 0);
	cr_assert_eq(answer.request_id, 5);
	cr_assert_not(answer.bind_reply.present);
	cr_assert(answer.invoke_reply.present && !answer.invoke_reply.success);
	cr_assert(answer.unreadable, "has_more ends behind the reply");
}

Test(perfetto_bytes, of_a_field_that_is_there_twice_the_last_one_counts)
{
	static const uint8_t frame[] =
	    "\x10\x01"
	    "\x22\x04\x08\x00\x10\x05"                  /* bind reply: refused, service 5 */
	    "\x22\x08\x08\x01\x1a\x04\x08\x07\x12\x00"  /* success, a nameless method */
	    "\x22\x09\x1a\x07\x08\x02\x08\x07\x12\x01m" /* a method, its id twice */
	    "\x10\x02";
	struct perfetto_methods methods;
	struct perfetto_answer answer;
	struct hawser_bytes name;
	uint32_t id;

	cr_assert_eq(perfetto_decode(frame, sizeof(frame) - 1, &answer), 0);
	cr_assert_eq(answer.request_id, 2);
	cr_assert(answer.bind_reply.success && !answer.unreadable);
	cr_assert_eq(answer.bind_reply.service_id, 5, "messages are merged");
	perfetto_methods_begin(&methods, frame, sizeof(frame) - 1);
	cr_assert(perfetto_methods_next(&methods, &id, &name));
	cr_assert(id == 7 && name.size == 1 && !memcmp(name.data, "m", 1));
	cr_assert_not(perfetto_methods_next(&methods, &id, &name));
}

Test(perfetto_bytes, what_is_no_message_is_refused)
{
	static const struct {
		const char *why;
		const char *bytes;
		size_t size;
	} cases[] = {
	    {"field number 0", "\x02\x00", 2},
	    {"a group begins", "\x0b\x0c", 2},
	    {"a group ends", "\x0c", 1},
	    {"wire type 6", "\x0e\x00", 2},
	    {"wire type 7", "\x0f\x00", 2},
	    {"a tag of 33 bits", "\x80\x80\x80\x80\x10\x00", 6},
	    {"a tag without an end", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11},
	    {"a tag alone", "\x10", 1},
	    {"a varint without its end", "\x10\x80", 2},
	    {"7 of 64 bits",
		"\x79"
		"1234567",
		8},
	    {"3 of 32 bits",
		"\x7d"
		"123",
		4},
	    {"bytes longer than the frame",
		"\x7a\x02"
		"a",
		3},
	    {"bytes longer than memory", "\x7a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},
	};
	struct perfetto_answer answer = {.request_id = 77};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		cr_assert_eq(decode_copy((const uint8_t *)cases[i].bytes, cases[i].size, &answer), -EBADMSG,
		    "%s", cases[i].why);
	cr_assert_eq(answer.request_id, 77, "nothing is written on failure");
}

Test(perfetto_bytes, an_answer_that_cannot_be_read_still_has_its_request)
{
	static const char *const answers[] = {
	    "\x22\x01\x0b",         /* bind reply: a group */
	    "\x22\x03\x1a\x01\x08", /* bind reply: a method that is cut */
	    "\x32\x02\x1a\x05",     /* invoke reply: longer than itself */
	    "\x3a\x02\x0a\x01",     /* error: the same */
	};

	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		uint8_t frame[16];
		size_t size = strlen(answers[i]);
		struct perfetto_answer answer;

		memcpy(frame, answers[i], size);
		frame[size] = 0x10;
		frame[size + 1] = 42;
		cr_assert_eq(decode_copy(frame, size + 2, &answer), 0);
		cr_assert(answer.unreadable, "%zu", i);
		cr_assert_eq(answer.request_id, 42);
		cr_assert_eq(
		    answer.bind_reply.present + answer.invoke_reply.present + answer.error.present, 1);
	}
}

Test(perfetto_bytes, a45_a_frame_over_the_limit_is_not_encoded)
{
	struct perfetto_request request = {.head_size = 7};
	size_t bind_max = PERFETTO_FRAME_MAX - 4 - 2 - 4 - 4;
	size_t invoke_max = PERFETTO_FRAME_MAX - 4 - 2 - 4 - 2 - 2 - 4 - 2;

	cr_assert_eq(perfetto_encode_bind(1, bind_max + 1, &request), -EMSGSIZE);
	cr_assert_eq(perfetto_encode_bind(1, SIZE_MAX, &request), -EMSGSIZE);
	cr_assert_eq(perfetto_encode_invoke(1, 1, 1, invoke_max + 1, false, &request), -EMSGSIZE);
	cr_assert_eq(perfetto_encode_invoke(1, 1, 1, SIZE_MAX, false, &request), -EMSGSIZE);
	cr_assert_eq(perfetto_encode_invoke(1, 1, 1, SIZE_MAX - 100, true, &request), -EMSGSIZE);
	cr_assert_eq(request.head_size, 7, "untouched");
	cr_assert_eq(perfetto_encode_bind(1, bind_max, &request), 0);
	cr_assert_eq(request.head_size + bind_max + request.tail_size, PERFETTO_FRAME_MAX);
	cr_assert_eq(perfetto_frame_size(request.head, request.head_size), PERFETTO_FRAME_MAX);
	cr_assert_eq(perfetto_encode_invoke(1, 1, 1, invoke_max, false, &request), 0);
	cr_assert_eq(request.head_size + invoke_max + request.tail_size, PERFETTO_FRAME_MAX);
	cr_assert_eq(perfetto_frame_size(request.head, request.head_size), PERFETTO_FRAME_MAX);
	cr_assert_eq(perfetto_encode_invoke(UINT64_MAX, UINT32_MAX, UINT32_MAX, 100000, true, &request), 0);
	cr_assert_leq(request.head_size, PERFETTO_HEAD_MAX);
}
