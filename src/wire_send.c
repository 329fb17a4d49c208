/* SPDX-License-Identifier: MIT
 *
 * The sending half of a wire: a bounded queue of chunks, and at most one send in flight.
 *
 * Happy path: wire_send copies a frame into the last chunk (or new ones); at the end of the turn one send
 * takes up to ENGINE_VECTORS_MAX chunks; what it took is let go, the rest is sent again. A frame with
 * descriptors has a chunk of its own, sent alone, so that the descriptors travel with its first byte.
 *
 * Failures: a frame that does not fit changes nothing and its owner is told when the queue has drained to
 * half; a failed send ends the wire.
 */
#include "wire_send.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct chunk {
	struct chunk *next;
	size_t room;
	size_t filled;
	size_t sent;
	unsigned fds_count;
	int fds[ENGINE_FDS_MAX];
	uint8_t data[];
};

static void wire_sent(void *owner, const struct completion *completion);

static void fds_close(struct wire *wire, struct chunk *chunk)
{
	struct engine *engine = wire->loop->engine;

	for (unsigned i = 0; i < chunk->fds_count; i++)
		engine->operations->close(engine, chunk->fds[i]);
	chunk->fds_count = 0;
}

static void chunk_free(struct wire *wire, struct chunk *chunk)
{
	fds_close(wire, chunk);
	memory_release(&wire->loop->memory, chunk, sizeof(*chunk) + chunk->room);
}

void wire_chunks_drop(struct wire *wire)
{
	while (wire->first) {
		struct chunk *chunk = wire->first;

		wire->first = chunk->next;
		chunk_free(wire, chunk);
	}
	wire->last = NULL;
}

/* A frame with descriptors has its chunk for itself. */
static struct chunk *chunk_append(struct wire *wire, size_t need, bool alone)
{
	size_t shared = WIRE_CHUNK_SIZE - sizeof(struct chunk);
	size_t room = alone || need > shared ? need : shared;
	struct chunk *chunk = memory_allocate(&wire->loop->memory, sizeof(*chunk) + room);

	if (!chunk)
		return NULL;
	chunk->room = room;
	if (wire->last)
		wire->last->next = chunk;
	else
		wire->first = chunk;
	wire->last = chunk;
	return chunk;
}

int wire_check_fds(struct engine *engine, const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (engine->operations->check_fd(engine, fds[i]) < 0)
			return -EBADF;
	return 0;
}

static int send_check(struct wire *wire, size_t total, const int *fds, size_t fds_count)
{
	if (total == 0 || fds_count > ENGINE_FDS_MAX)
		return -EINVAL;
	if (wire->shutdown_asked)
		return -EPIPE;
	if (fds_count && !wire->is_unix)
		return -EOPNOTSUPP;
	if (wire_check_fds(wire->loop->engine, fds, fds_count) < 0)
		return -EBADF;
	if (total > wire->unsent_max)
		return -EMSGSIZE;
	if (wire_unsent(wire) + total > wire->unsent_max) {
		wire->refused = true;
		return -ENOBUFS;
	}
	return 0;
}

int wire_send(
    struct wire *wire, const struct hawser_bytes *parts, size_t parts_count, const int *fds, size_t fds_count)
{
	struct chunk *chunk = wire->last;
	size_t total = 0;
	int result;

	for (size_t i = 0; i < parts_count; i++)
		total += parts[i].size;
	result = send_check(wire, total, fds, fds_count);
	if (result < 0)
		return result;
	if (!chunk || fds_count || chunk->fds_count || chunk->room - chunk->filled < total)
		chunk = chunk_append(wire, total, fds_count > 0);
	if (!chunk)
		return -ENOMEM;
	for (size_t i = 0; i < parts_count; i++) {
		if (parts[i].size)
			memcpy(chunk->data + chunk->filled, parts[i].data, parts[i].size);
		chunk->filled += parts[i].size;
	}
	if (fds_count)
		memcpy(chunk->fds, fds, fds_count * sizeof(int));
	chunk->fds_count = (unsigned)fds_count;
	wire->queued_to += total;
	if (!wire->sending)
		loop_queue(wire->loop, &wire->send_task);
	return 0;
}

static unsigned gather(struct wire *wire, struct iovec *vectors, size_t *ret_total)
{
	struct chunk *chunk = wire->first;
	unsigned count = 0;

	*ret_total = 0;
	while (chunk && count < ENGINE_VECTORS_MAX) {
		if (count && chunk->fds_count)
			break;
		vectors[count].iov_base = chunk->data + chunk->sent;
		vectors[count].iov_len = chunk->filled - chunk->sent;
		*ret_total += vectors[count++].iov_len;
		if (chunk->fds_count)
			break;
		chunk = chunk->next;
	}
	return count;
}

static void shutdown_if_asked(struct wire *wire)
{
	struct engine *engine = wire->loop->engine;

	if (!wire->shutdown_asked || wire->shutdown_done)
		return;
	wire->shutdown_done = true;
	engine->operations->shutdown(engine, wire->fd, SHUT_WR);
}

static void send_start(struct wire *wire)
{
	struct engine *engine = wire->loop->engine;
	struct handler handler = {wire_sent, wire};
	struct iovec vectors[ENGINE_VECTORS_MAX];
	unsigned count;
	size_t total;
	int result;

	if (wire->closing || wire->sending || wire->ended)
		return;
	if (!wire->first) {
		shutdown_if_asked(wire);
		return;
	}
	count = gather(wire, vectors, &total);
	result = engine->operations->send(engine, wire->fd, vectors, count, wire->first->fds,
	    wire->first->fds_count, handler, &wire->send_id);
	if (result < 0) {
		wire_end(wire, result, HAWSER_STAGE_SEND);
		return;
	}
	wire->sending = true;
	wire->sending_to = wire->sent_to + total;
	wire->in_flight++;
}

void wire_send_start(struct task *task)
{
	struct wire *wire = container_of(task, struct wire, send_task);

	wire_enter(wire);
	send_start(wire);
	wire_leave(wire);
}

static void let_go(struct wire *wire, size_t taken)
{
	wire->sent_to += taken;
	while (taken > 0) {
		struct chunk *chunk = wire->first;
		size_t left;
		size_t part;

		assert(chunk);
		left = chunk->filled - chunk->sent;
		part = taken < left ? taken : left;

		fds_close(wire, chunk);
		chunk->sent += part;
		taken -= part;
		if (chunk->sent < chunk->filled)
			break;
		wire->first = chunk->next;
		if (!wire->first)
			wire->last = NULL;
		chunk_free(wire, chunk);
	}
}

static void wire_sent(void *owner, const struct completion *completion)
{
	struct wire *wire = owner;
	hawser_loop *loop = wire->loop;

	wire_enter(wire);
	wire->in_flight--;
	wire->sending = false;
	wire->send_id = 0;
	if (completion->result > 0)
		let_go(wire, (size_t)completion->result);
	wire->sending_to = wire->sent_to;
	if (!wire->closing && !wire->ended) {
		if (completion->result < 0) {
			wire_end(wire, completion->result, HAWSER_STAGE_SEND);
		} else {
			send_start(wire);
			if (wire->refused && wire_unsent(wire) <= wire->unsent_max / 2) {
				wire->refused = false;
				wire->owner->writable(wire);
			}
			if (!wire->first)
				wire->owner->emptied(wire);
		}
	}
	wire_leave(wire);
	loop_run_tasks(loop);
}

void wire_shutdown_send(struct wire *wire)
{
	wire->shutdown_asked = true;
	if (!wire->sending)
		loop_queue(wire->loop, &wire->send_task);
}
