/* SPDX-License-Identifier: MIT
 *
 * The life of a wire and its receiving half; wire_send.c is the sending half.
 *
 * Happy path: wire_open starts a multishot receive; each completion's bytes are offered to the owner frame by
 * frame, what is left of a frame waits in the inbox for its rest. A receive that ends for want of buffers is
 * started again.
 *
 * Failures: the end of the stream and errors go to the owner once, after all bytes; no memory for the inbox
 * ends the wire; descriptors that nobody takes, or whose frames never complete, are closed; more than
 * WIRE_FDS_WAITING_MAX messages with descriptors inside one frame end the wire (-EMSGSIZE). While it is
 * paused a wire keeps what one receive had brought already and receives no more; resumed, it offers that
 * first.
 */
#include "wire.h"
#include "wire_send.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

static void wire_received(void *owner, const struct completion *completion);
static void pump_again(struct task *task);

void wire_init(struct wire *wire, hawser_loop *loop, const struct wire_owner *owner, int fd, bool is_unix,
    uint32_t unsent_max, size_t inbox_max)
{
	wire->loop = loop;
	wire->owner = owner;
	wire->fd = fd;
	wire->is_unix = is_unix;
	wire->unsent_max = unsent_max;
	wire->inbox_max = inbox_max;
	task_init(&wire->send_task, wire_send_start);
	task_init(&wire->pump_task, pump_again);
}

static int receive_start(struct wire *wire)
{
	struct engine *engine = wire->loop->engine;
	struct handler handler = {wire_received, wire};
	int result = engine->operations->receive(engine, wire->fd, wire->is_unix, handler, &wire->receive_id);

	if (result == 0)
		wire->in_flight++;
	return result;
}

int wire_open(struct wire *wire)
{
	return receive_start(wire);
}

static void close_fds(struct wire *wire, const int *fds, unsigned count)
{
	struct engine *engine = wire->loop->engine;

	for (unsigned i = 0; i < count; i++)
		engine->operations->close(engine, fds[i]);
}

static void settle(struct wire *wire)
{
	struct engine *engine = wire->loop->engine;

	if (!wire->closing || wire->in_flight || wire->entered)
		return;
	wire_chunks_drop(wire);
	wire_drop_fds(wire, UINT64_MAX);
	memory_release(&wire->loop->memory, wire->inbox, wire->inbox_room);
	wire->inbox = NULL;
	task_drop(&wire->send_task);
	task_drop(&wire->pump_task);
	engine->operations->close(engine, wire->fd);
	wire->owner->gone(wire);
}

void wire_leave(struct wire *wire)
{
	wire->entered--;
	settle(wire);
}

void wire_close(struct wire *wire)
{
	struct engine *engine = wire->loop->engine;

	if (wire->closing)
		return;
	wire->closing = true;
	if (wire->receive_id)
		engine->operations->cancel(engine, wire->receive_id);
	if (wire->send_id) {
		/* What a worker of the kernel is sending would go on until the host has read it. */
		engine->operations->shutdown(engine, wire->fd, SHUT_RDWR);
		engine->operations->cancel(engine, wire->send_id);
	}
	if (wire->hang_up_id)
		engine->operations->cancel(engine, wire->hang_up_id);
	settle(wire);
}

void wire_end(struct wire *wire, int code, enum hawser_stage stage)
{
	if (wire->closing || wire->ended)
		return;
	wire->ended = true;
	wire->owner->ended(wire, code, stage);
}

/* Offers bytes to the owner until it wants no more; returns how many were consumed. */
static size_t offer(struct wire *wire, const uint8_t *data, size_t size)
{
	size_t consumed = 0;

	while (consumed < size && !wire->paused && !wire->closing && !wire->ended) {
		ssize_t taken = wire->owner->received(wire, data + consumed, size - consumed);

		if (taken <= 0)
			break;
		consumed += (size_t)taken;
		wire->consumed_to += (uint64_t)taken;
		if (wire->consumed_to == (uint64_t)taken)
			wire->owner->useful(wire);
	}
	return consumed;
}

static int inbox_append(struct wire *wire, const uint8_t *data, size_t size)
{
	size_t need = wire->inbox_size + size;

	if (size == 0)
		return 0;
	if (need > wire->inbox_max && !wire->paused)
		return -EMSGSIZE;
	if (need > wire->inbox_room) {
		size_t room = wire->inbox_room ? wire->inbox_room : 1024;
		uint8_t *inbox;

		while (room < need)
			room *= 2;
		inbox = memory_allocate(&wire->loop->memory, room);
		if (!inbox)
			return -ENOMEM;
		if (wire->inbox_size)
			memcpy(inbox, wire->inbox, wire->inbox_size);
		memory_release(&wire->loop->memory, wire->inbox, wire->inbox_room);
		wire->inbox = inbox;
		wire->inbox_room = room;
	}
	memcpy(wire->inbox + wire->inbox_size, data, size);
	wire->inbox_size = need;
	return 0;
}

static void inbox_offer(struct wire *wire)
{
	size_t consumed = offer(wire, wire->inbox, wire->inbox_size);

	wire->inbox_size -= consumed;
	if (wire->inbox_size) {
		if (consumed)
			memmove(wire->inbox, wire->inbox + consumed, wire->inbox_size);
		return;
	}
	memory_release(&wire->loop->memory, wire->inbox, wire->inbox_room);
	wire->inbox = NULL;
	wire->inbox_room = 0;
}

static void pump(struct wire *wire, const uint8_t *data, size_t size)
{
	bool had_more = wire->inbox_size > 0;
	size_t consumed = 0;
	int result;

	if (!had_more)
		consumed = offer(wire, data, size);
	if (!wire->closing && !wire->ended) {
		result = inbox_append(wire, data + consumed, size - consumed);
		if (result < 0)
			wire_end(wire, result, HAWSER_STAGE_RECEIVE);
		else if (had_more)
			inbox_offer(wire);
	}
}

static void tell_waiting_end(struct wire *wire)
{
	if (!wire->end_waits || wire->paused || wire->closing)
		return;
	loop_run_tasks(wire->loop); /* told before the end; one of them may pause the wire, or close it */
	if (wire->paused || wire->closing)
		return;
	wire->end_waits = false;
	wire_end(wire, wire->end_code, HAWSER_STAGE_RECEIVE);
}

static void receive_on(struct wire *wire)
{
	int result;

	if (wire->receive_id || wire->paused || wire->end_waits || wire->half_closed || wire->ended ||
	    wire->closing)
		return;
	result = receive_start(wire);
	if (result < 0)
		wire_end(wire, result, HAWSER_STAGE_RECEIVE);
}

/* Looks again at bytes that were not consumed. */
static void pump_again(struct task *task)
{
	struct wire *wire = container_of(task, struct wire, pump_task);

	if (wire->entered || wire->closing)
		return;
	wire_enter(wire);
	if (wire->inbox_size)
		inbox_offer(wire);
	tell_waiting_end(wire);
	receive_on(wire);
	wire_leave(wire);
}

static int fds_keep(struct wire *wire, const struct completion *completion)
{
	struct wire_fds **link = &wire->fds;
	struct wire_fds *fds;
	unsigned waiting = 0;

	for (; *link; link = &(*link)->next)
		waiting++;
	fds = waiting < WIRE_FDS_WAITING_MAX ? memory_allocate(&wire->loop->memory, sizeof(*fds)) : NULL;
	if (!fds) {
		close_fds(wire, completion->fds, completion->fds_count);
		return waiting < WIRE_FDS_WAITING_MAX ? -ENOMEM : -EMSGSIZE;
	}
	fds->from = wire->received_to;
	fds->to = wire->received_to + (uint64_t)completion->result;
	fds->count = completion->fds_count;
	memcpy(fds->fds, completion->fds, completion->fds_count * sizeof(int));
	*link = fds;
	return 0;
}

int wire_take_fd(struct wire *wire, uint64_t frame_end)
{
	for (struct wire_fds *fds = wire->fds; fds && fds->to <= frame_end; fds = fds->next)
		if (fds->taken < fds->count)
			return fds->fds[fds->taken++];
	return -ENOENT;
}

void wire_drop_fds(struct wire *wire, uint64_t frame_end)
{
	while (wire->fds && wire->fds->to <= frame_end) {
		struct wire_fds *fds = wire->fds;

		wire->fds = fds->next;
		close_fds(wire, fds->fds + fds->taken, fds->count - fds->taken);
		memory_release(&wire->loop->memory, fds, sizeof(*fds));
	}
}

static void bytes_came(struct wire *wire, const struct completion *completion)
{
	int result = 0;

	if (completion->fds_count)
		result = fds_keep(wire, completion);
	wire->received_to += (uint64_t)completion->result;
	if (result == 0 && completion->fds_lost)
		result = completion->fds_count < ENGINE_FDS_MAX ? -EMFILE : -EMSGSIZE;
	if (result < 0)
		wire_end(wire, result, HAWSER_STAGE_RECEIVE);
	else
		pump(wire, completion->data, (size_t)completion->result);
}

static void receive_over(struct wire *wire, int result)
{
	wire->in_flight--;
	wire->receive_id = 0;
	if (wire->closing || wire->ended)
		return;
	if (result > 0 || result == -ENOBUFS || result == -ECANCELED) {
		receive_on(wire);
		return;
	}
	wire->end_waits = true;
	wire->end_code = result;
	tell_waiting_end(wire);
}

static void wire_received(void *owner, const struct completion *completion)
{
	struct wire *wire = owner;
	hawser_loop *loop = wire->loop;

	wire_enter(wire);
	if (completion->result > 0) {
		if (wire->closing || wire->ended)
			close_fds(wire, completion->fds, completion->fds_count);
		else
			bytes_came(wire, completion);
	}
	if (!completion->more)
		receive_over(wire, completion->result);
	wire_leave(wire);
	loop_run_tasks(loop);
}

void wire_pause(struct wire *wire)
{
	struct engine *engine = wire->loop->engine;

	if (wire->paused || wire->closing)
		return;
	wire->paused = true;
	if (wire->receive_id)
		engine->operations->cancel(engine, wire->receive_id);
}

void wire_resume(struct wire *wire)
{
	if (!wire->paused || wire->closing)
		return;
	wire->paused = false;
	task_drop(&wire->pump_task);
	list_append(&wire->loop->pumps, &wire->pump_task.link);
	loop_queue(wire->loop, &wire->loop->pump_task);
}

/* One after the other: what a pumped wire tells runs tasks, and would pump the next one deeper in the stack.
 */
static void pump_all(struct task *task)
{
	hawser_loop *loop = container_of(task, hawser_loop, pump_task);
	struct list *link;

	if (loop->pumping)
		return;
	loop->pumping = true;
	while ((link = list_take(&loop->pumps))) {
		struct task *pump = container_of(link, struct task, link);

		pump->run(pump);
	}
	loop->pumping = false;
}

void wires_init(hawser_loop *loop)
{
	list_init(&loop->pumps);
	task_init(&loop->pump_task, pump_all);
}

static void hung_up(void *owner, const struct completion *completion)
{
	struct wire *wire = owner;
	hawser_loop *loop = wire->loop;
	bool both = completion->result > 0 && !(completion->result & POLLERR);

	wire_enter(wire);
	wire->in_flight--;
	wire->hang_up_id = 0;
	wire->end_waits = true;
	wire->end_code = both ? 0 : completion->result < 0 ? completion->result : -ECONNRESET;
	tell_waiting_end(wire);
	wire_leave(wire);
	loop_run_tasks(loop);
}

int wire_half_close(struct wire *wire)
{
	struct engine *engine = wire->loop->engine;
	struct handler handler = {hung_up, wire};
	int result;

	if (wire->shutdown_done)
		return -EPIPE;
	result = engine->operations->poll(engine, wire->fd, 0, handler, &wire->hang_up_id);
	if (result < 0)
		return result;
	wire->in_flight++;
	wire->half_closed = true;
	wire->ended = false;
	return 0;
}
