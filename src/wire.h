/* SPDX-License-Identifier: MIT
 *
 * A wire: one connected socket, what waits to be sent on it, what was received and not yet understood, and
 * the operations in flight. It knows neither clients nor protocols: its owner is called through struct
 * wire_owner. A closed wire tells its owner nothing more, waits until nothing is in flight, closes the fd,
 * and says `gone`.
 */
#ifndef HAWSER_WIRE_H
#define HAWSER_WIRE_H

#include "loop.h"

struct wire;

struct wire_owner {
	/* Bytes: how many were consumed (0: more are needed), or a negative errno: the wire has been failed
	 * or closed meanwhile, stop. */
	ssize_t (*received)(struct wire *wire, const uint8_t *data, size_t size);
	/* The first bytes of this wire were consumed. */
	void (*useful)(struct wire *wire);
	/* Once. code 0: the host closed its half (after all bytes were received); the owner may answer with
	 * wire_half_close, and is told of the whole end later. */
	void (*ended)(struct wire *wire, int code, enum hawser_stage stage);
	void (*writable)(struct wire *wire); /* after a wire_send was refused: drained to half */
	void (*emptied)(struct wire *wire);  /* all that was queued is with the kernel */
	void (*gone)(struct wire *wire);
};

struct chunk;

/* Received descriptors wait here for their frame. */
struct wire_fds {
	uint64_t from; /* stream positions of the bytes they came with */
	uint64_t to;
	struct wire_fds *next;
	unsigned count;
	unsigned taken;
	int fds[ENGINE_FDS_MAX];
};

enum {
	WIRE_CHUNK_SIZE = 4096,    /* small frames share chunks of this size */
	WIRE_FDS_WAITING_MAX = 64, /* messages with descriptors whose frame is not complete */
};

struct wire {
	hawser_loop *loop;
	const struct wire_owner *owner;
	struct chunk *first;
	struct chunk *last;
	uint64_t
	    queued_to; /* positions in the outgoing stream: accepted, with the kernel, possibly with it */
	uint64_t sent_to;
	uint64_t sending_to;
	uint64_t receive_id;
	uint64_t send_id;
	uint64_t hang_up_id;  /* the poll that notices the rest of a half-closed wire go */
	uint64_t received_to; /* positions in the incoming stream */
	uint64_t consumed_to;
	struct task send_task; /* what one turn queues goes out in one send */
	struct task pump_task; /* among the loop's pumps: bytes are to be looked at again */
	uint8_t *inbox;        /* the beginning of a frame, or what came while paused */
	size_t inbox_size;
	size_t inbox_room;
	size_t inbox_max;
	struct wire_fds *fds;
	uint32_t unsent_max;
	int fd;
	int end_code; /* of a receive that ended while paused */
	uint8_t in_flight;
	bool is_unix;
	bool sending;
	bool paused;
	bool ended;
	bool end_waits;
	bool refused; /* a send was: its owner waits for writable */
	bool closing;
	uint8_t entered; /* its own functions are on the stack: it must not go yet */
	bool shutdown_asked;
	bool shutdown_done;
	bool half_closed; /* by the host: nothing more is to be received */
};

/* Once for a loop: its list of wires to pump. */
void wires_init(hawser_loop *loop);

void wire_init(struct wire *wire, hawser_loop *loop, const struct wire_owner *owner, int fd, bool is_unix,
    uint32_t unsent_max, size_t inbox_max);
/* Begins to receive. 0 or -ENOMEM. */
int wire_open(struct wire *wire);
/* Tells the owner nothing more but `gone` (perhaps at once, from within the call, when nothing is in flight).
 */
void wire_close(struct wire *wire);

/* 0, or -EBADF: one of them is not open. */
int wire_check_fds(struct engine *engine, const int *fds, size_t count);

/* All or nothing. -EINVAL (no bytes, or more than ENGINE_FDS_MAX fds), -EBADF (one of them), -ENOBUFS
 * (unsent_max), -EMSGSIZE (larger than unsent_max), -EOPNOTSUPP, -EPIPE, -ENOMEM. */
int wire_send(struct wire *wire, const struct hawser_bytes *parts, size_t parts_count, const int *fds,
    size_t fds_count);
static inline uint32_t wire_unsent(const struct wire *wire)
{
	return (uint32_t)(wire->queued_to - wire->sent_to);
}
void wire_shutdown_send(struct wire *wire);
/* In `ended` with code 0: the wire goes on sending, until both halves are closed or the host is gone. 0,
 * -EPIPE (our half is closed already) or -ENOMEM. */
int wire_half_close(struct wire *wire);

void wire_pause(struct wire *wire);
void wire_resume(struct wire *wire);

/* The next descriptor that belongs to the frame [consumed_to, frame_end): the last frame that begins in the
 * receive they came with. -ENOENT. */
int wire_take_fd(struct wire *wire, uint64_t frame_end);
/* Closes those that nobody took. */
void wire_drop_fds(struct wire *wire, uint64_t frame_end);

/* Between these two the wire does not go, though it be closed. */
static inline void wire_enter(struct wire *wire)
{
	wire->entered++;
}
void wire_leave(struct wire *wire);

#endif
