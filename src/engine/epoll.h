/* SPDX-License-Identifier: MIT
 *
 * The inside of the epoll engine, shared by its files alone: operations, and the channels (what is in flight
 * on one descriptor, and what epoll was told about it).
 *
 * An operation waits for its descriptor, is runnable (a receive whose descriptor has something: it is run
 * when its completion is delivered, because there is one buffer), or is decided. What is runnable or decided
 * stands in `ready`, in order of cause, until wait delivers it.
 */
#ifndef HAWSER_ENGINE_EPOLL_H
#define HAWSER_ENGINE_EPOLL_H

#include "core/list.h"
#include "core/slots.h"
#include "core/timers.h"
#include "engine/engine.h"
#include "engine/shared.h"

enum operation_kind {
	OPERATION_CONNECT,
	OPERATION_SEND,
	OPERATION_RECEIVE,
	OPERATION_POLL,
	OPERATION_WATCH,
	OPERATION_RESOLVE,
};

enum operation_state { OPERATION_WAITING, OPERATION_RUNNABLE, OPERATION_DECIDED };

/* What a send needs while the socket takes nothing. Most sends never need one. */
struct pending_send {
	struct iovec vectors[ENGINE_VECTORS_MAX];
	int fds[ENGINE_FDS_MAX];
	unsigned vectors_count;
	unsigned fds_count;
};

struct operation {
	struct list link; /* in ready, or in connecting, or alone */
	struct handler handler;
	uint64_t id;
	enum operation_kind kind;
	enum operation_state state;
	enum hawser_stage stage;
	int fd;
	int result;
	union {
		struct {
			struct timer timer;
			bool timed; /* has a place among the timers */
			bool adopted;
		} connect;
		struct pending_send *send;
		bool with_fds;
		uint32_t events; /* poll */
		struct directory_watch watch;
		struct resolver_answer *answer;
	};
};

struct channel {
	struct operation *writer; /* a connect or a send */
	struct operation *receive;
	struct operation *poll;
	uint32_t events; /* that epoll was told */
	bool registered;
};

enum { CHANNEL_PAGE = 64 };

struct epoll_engine {
	struct engine engine;
	struct memory *memory;
	int fd;
	int wake_fd;
	int timer_fd; /* for foreign loops; -1 until event_fd */
	bool foreign; /* event_fd was asked for: what is ready, and the next deadline, must show on the fd */
	bool waiting; /* inside wait, which tells when it is done */
	bool signalled;
	bool woken;
	bool directories_polled;
	bool directories_readable;
	bool pwait2_missing;
	uint64_t timer_armed_ns;
	struct slots operations;
	struct slots sends;
	struct timers timers;
	struct channel **pages; /* by fd / CHANNEL_PAGE */
	uint32_t pages_count;
	struct list connecting;
	struct list ready;
	struct directories directories;
	struct lookups lookups;
	uint8_t *buffer;
	uint32_t buffer_size;
};

#define NS_PER_S UINT64_C(1000000000)

static inline struct epoll_engine *epoll_of(struct engine *engine)
{
	return container_of(engine, struct epoll_engine, engine);
}

/* epoll.c */
uint64_t epoll_now(struct engine *engine);
/* NULL: no memory. */
struct operation *epoll_start(
    struct epoll_engine *epoll, enum operation_kind kind, int fd, struct handler handler);
/* What the operation had in the kernel is gone already: its completion is due. */
void epoll_decide(struct epoll_engine *epoll, struct operation *operation, int result);
/* Makes the engine's descriptor show what wait(0) would deliver, and when. */
void epoll_show(struct epoll_engine *epoll);

/* Registers one of the engine's own descriptors for reading. What stands in the upper half of the events'
 * data, the descriptor in the lower one. 0 or a negative errno. */
enum { EPOLL_CHANNEL, EPOLL_WAKE, EPOLL_TIMER, EPOLL_DIRECTORIES };
int epoll_own_register(struct epoll_engine *epoll, int fd, uint32_t what);

/* epoll_wait.c */
int epoll_wait_until(struct engine *engine, uint64_t until_ns, unsigned completions_max);

/* epoll_channel.c */
/* The channel of a descriptor, made with its page; NULL: no memory. */
struct channel *epoll_channel(struct epoll_engine *epoll, int fd);
/* The same, NULL when there is none. */
struct channel *epoll_channel_find(const struct epoll_engine *epoll, int fd);
/* After an operation was put into it. 0 or a negative errno. */
int epoll_channel_arm(struct epoll_engine *epoll, int fd, struct channel *channel);
/* Asks epoll for what is still wanted and no more. A descriptor without operations leaves it. */
void epoll_channel_relax(struct epoll_engine *epoll, int fd, struct channel *channel);
/* Leaves epoll and closes. */
void epoll_channel_close(struct epoll_engine *epoll, int fd);
void epoll_channel_event(struct epoll_engine *epoll, int fd, uint32_t events);
void epoll_channels_destroy(struct epoll_engine *epoll);

/* epoll_connect.c */
int epoll_connect(
    struct engine *engine, const struct connect_request *request, struct handler handler, uint64_t *ret_id);
void epoll_connect_event(struct epoll_engine *epoll, struct operation *operation, uint32_t events);
/* Of one that waits: closes its descriptor. */
void epoll_connect_end(struct epoll_engine *epoll, struct operation *operation, int result);
void epoll_connect_expire(struct epoll_engine *epoll);

/* epoll_transfer.c */
int epoll_send(struct engine *engine, int fd, const struct iovec *vectors, unsigned vectors_count,
    const int *fds, unsigned fds_count, struct handler handler, uint64_t *ret_id);
int epoll_receive(struct engine *engine, int fd, bool with_fds, struct handler handler, uint64_t *ret_id);
int epoll_poll(struct engine *engine, int fd, short events, struct handler handler, uint64_t *ret_id);
void epoll_send_event(struct epoll_engine *epoll, struct operation *operation);
void epoll_receive_event(struct epoll_engine *epoll, struct operation *operation);
void epoll_poll_event(struct epoll_engine *epoll, struct operation *operation, uint32_t events);
/* One buffer of a runnable receive. Fills the completion in; false: there was nothing after all. */
bool epoll_receive_run(
    struct epoll_engine *epoll, struct operation *operation, int *fds, struct completion *completion);
/* Takes an operation that waits or is runnable out of its channel. */
void epoll_transfer_end(struct epoll_engine *epoll, struct operation *operation, int result);

/* epoll_names.c */
int epoll_watch(struct engine *engine, const char *directory, struct handler handler, uint64_t *ret_id);
int epoll_resolve(
    struct engine *engine, const char *host, uint16_t port, struct handler handler, uint64_t *ret_id);
unsigned epoll_watches_deliver(struct epoll_engine *epoll);
void epoll_answers_collect(struct epoll_engine *epoll);

#endif
