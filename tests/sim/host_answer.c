/* SPDX-License-Identifier: MIT
 *
 * What hosts send back: answers after a delay of their own (which is how they come out of order), streams
 * reply by reply, duplicates, and garbage.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

static void answer_write(struct world *world, uint64_t slot, uint64_t detail);

static uint64_t answer_delay(struct world *world)
{
	if (!chance(world, world->faults.answers_late))
		return 0;
	return draw_below(world, 300 * MILLISECOND);
}

void answer_plan(struct world *world, const struct answer *answer)
{
	for (uint64_t i = 0; i < ANSWERS_MAX; i++) {
		if (world->answers[i].used)
			continue;
		world->answers[i] = *answer;
		world->answers[i].used = true;
		agenda_add(world, answer_delay(world), answer_write, i, 0);
		return;
	}
	violated(world, "simulator: too many answers on their way");
}

static void make_bound(struct world *world, const struct answer *answer)
{
	struct method_entry methods[5];
	unsigned count = 0;

	if (chance(world, world->faults.odd_encoding)) {
		methods[count++] = (struct method_entry){0, "no_id"};
		methods[count++] = (struct method_entry){answer->service_id * 8 + 7, ""};
	}
	methods[count++] = (struct method_entry){answer->service_id * 8 + 1, "echo"};
	methods[count++] = (struct method_entry){answer->service_id * 8 + 2, "stream"};
	methods[count++] = (struct method_entry){answer->service_id * 8 + 3, "a_method_that_nobody_invokes"};
	frame_bind_reply(world, &world->codec_frame, answer->id, true, answer->service_id, methods, count);
}

static void make_reply(struct world *world, const struct answer *answer)
{
	size_t size = answer->size < TEXT_HEADER ? TEXT_HEADER : answer->size;
	uint8_t *reply;

	buffer_clear(&world->reply);
	reply = buffer_grow(&world->reply, size);
	word_put(reply, REPLY_MAGIC);
	word_put(reply + 4, answer->number);
	word_put(reply + 8, answer->sequence);
	word_put(reply + 12, (uint32_t)size);
	for (size_t i = TEXT_HEADER; i < size; i++)
		reply[i] = pattern_byte(answer->number + answer->sequence, i);
	frame_invoke_reply(
	    world, &world->codec_frame, answer->id, true, answer->sequence + 1 < answer->count, reply, size);
}

static void make_frame(struct world *world, const struct answer *answer)
{
	struct buffer *frame = &world->codec_frame;

	switch ((enum answer_kind)answer->kind) {
	case ANSWER_BOUND:
		make_bound(world, answer);
		break;
	case ANSWER_BIND_EMPTY:
		frame_bind_reply(world, frame, answer->id, false, 0, NULL, 0);
		break;
	case ANSWER_BIND_REFUSED:
		frame_bind_reply(world, frame, answer->id, false, 1, NULL, 0);
		break;
	case ANSWER_BIND_ERROR:
	case ANSWER_REPLY_ERROR:
		frame_request_error(world, frame, answer->id, "unknown request");
		break;
	case ANSWER_BIND_WRONG_KIND:
		frame_invoke_reply(world, frame, answer->id, true, false, (const uint8_t *)"wrong", 5);
		break;
	case ANSWER_BIND_BROKEN:
	case ANSWER_REPLY_BROKEN:
		frame_broken(world, frame, answer->id, answer->kind == ANSWER_BIND_BROKEN);
		break;
	case ANSWER_REPLY:
	case ANSWER_REPLY_AGAIN:
		make_reply(world, answer);
		break;
	case ANSWER_REPLY_FAILED:
		frame_invoke_reply(world, frame, answer->id, false, false, NULL, 0);
		break;
	case ANSWER_REPLY_WRONG_KIND:
		frame_bind_reply(world, frame, answer->id, true, 99, NULL, 0);
		break;
	}
}

/* The next reply of a stream, or the last one a second time. */
static void answer_follows(struct world *world, struct answer *answer)
{
	struct answer next = *answer;

	if (answer->kind == ANSWER_REPLY && answer->sequence + 1 < answer->count) {
		next.sequence++;
		if (chance(world, world->faults.call_fails))
			next.kind = ANSWER_REPLY_FAILED;
		answer_plan(world, &next);
	} else if ((answer->kind == ANSWER_REPLY || answer->kind == ANSWER_BOUND) &&
		   chance(world, world->faults.duplicates)) {
		if (answer->kind == ANSWER_REPLY)
			next.kind = ANSWER_REPLY_AGAIN;
		else if (chance(world, 50))
			next.kind = ANSWER_BIND_EMPTY;
		next.again = true;
		answer_plan(world, &next);
	}
}

static void answer_write(struct world *world, uint64_t slot, uint64_t detail)
{
	struct answer answer = world->answers[slot];
	struct sim_connection *connection = connection_find(world, answer.connection);
	struct attached attached = {0};

	(void)detail;
	world->answers[slot].used = false;
	if (!connection || !connection->host_open)
		return;
	if (world->hosts[connection->host].frozen) { /* it answers when it goes on */
		world->answers[slot].used = true;
		agenda_add(world, 10 * MILLISECOND, answer_write, slot, 0);
		return;
	}
	if (connection->session.mute)
		return;
	if (connection->is_unix && answer.kind == ANSWER_REPLY && chance(world, world->faults.host_fds))
		attached = (struct attached){
		    (unsigned)draw_between(world, 1, 2), reply_tag(answer.number, answer.sequence)};
	trace(world, TRACE_host_answer, connection->number, answer.kind, answer.id);
	make_frame(world, &answer);
	if (!answer.again)
		oracle_answering(world, connection, &answer);
	host_write(
	    world, connection, buffer_bytes(&world->codec_frame), buffer_size(&world->codec_frame), attached);
	if (!answer.again)
		answer_follows(world, &answer);
}

/* ---- garbage ---- */

enum garbage {
	GARBAGE_EMPTY,      /* a frame of length 0 */
	GARBAGE_UNPARSABLE, /* a legal length, and nonsense */
	GARBAGE_OVERSIZE,   /* a header that promises more than a frame may have */
	GARBAGE_ERROR,      /* a RequestError for nobody */
	GARBAGE_FORGED,     /* a reply for nobody */
	GARBAGE_SERVICE,    /* a bind reply for nobody */
	GARBAGE_CUT,        /* half a frame, and the end */
	GARBAGE_KINDS,
};

static void forge_reply(struct world *world, uint64_t id)
{
	struct answer forged = {.id = id, .number = FORGED_NUMBER, .count = 1, .size = TEXT_HEADER};

	make_reply(world, &forged);
}

void answer_garbage(struct world *world, struct sim_connection *connection)
{
	static const uint8_t oversize[] = {0xfd, 0xff, 0x01, 0x00, 1, 2, 3};
	static const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 1, 2, 3};
	static const uint8_t nonsense[] = {5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t cut[] = {100, 0, 0, 0, 0x10};
	struct answer nobody = {.service_id = 77};
	uint64_t kind = draw_below(world, GARBAGE_KINDS);
	uint64_t far_id = (1ULL << 40) + draw_below(world, 1000);
	struct buffer *frame = &world->codec_frame;

	trace(world, TRACE_host_garbage, connection->number, kind, 0);
	buffer_clear(frame);
	switch ((enum garbage)kind) {
	case GARBAGE_EMPTY:
		memset(buffer_grow(frame, FRAME_HEADER), 0, FRAME_HEADER);
		break;
	case GARBAGE_UNPARSABLE:
		buffer_append(frame, nonsense, sizeof(nonsense));
		break;
	case GARBAGE_OVERSIZE:
		buffer_append(frame, chance(world, 50) ? oversize : huge, sizeof(oversize));
		break;
	case GARBAGE_ERROR:
		frame_request_error(world, frame, far_id, "nobody asked");
		break;
	case GARBAGE_FORGED:
		forge_reply(world, chance(world, 50) ? far_id : 0);
		break;
	case GARBAGE_SERVICE:
		nobody.id = far_id;
		make_bound(world, &nobody);
		break;
	case GARBAGE_CUT:
		buffer_append(frame, cut, sizeof(cut));
		break;
	case GARBAGE_KINDS:
		abort();
	}
	host_write(world, connection, buffer_bytes(frame), buffer_size(frame), (struct attached){0});
	if (kind == GARBAGE_OVERSIZE && connection->host_open) {
		connection->session.mute = true;
		connection->session.poisoned = true;
	}
	if (kind == GARBAGE_CUT)
		network_host_closes(world, connection, false);
}
