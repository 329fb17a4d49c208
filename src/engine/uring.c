/* SPDX-License-Identifier: MIT
 *
 * The io_uring engine: its life, its operations' slots, and the calls that need no ring. What goes through
 * the ring is in uring_*.c beside this file.
 *
 * Happy path: uring_create makes a disabled ring; the first wait enables it in the loop's thread; operations
 * are started, and wait delivers their completions.
 *
 * Failures: see uring_setup.c for the ring; no memory for a slot is -ENOMEM from the call that starts.
 * uring_destroy cancels what is still in the kernel and waits for it (bounded), because the kernel would
 * otherwise hold pointers into memory that is given back.
 */
#include "engine/uring.h"
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { DESTROY_TURNS_MAX = 50, DESTROY_TURN_NS = 100000000 };

static const struct {
	size_t size;
	uint32_t chunk_slots;
} kinds[URING_KINDS] = {
    [URING_CONNECT] = {sizeof(struct uring_connect), 64},
    [URING_SEND] = {sizeof(struct uring_send), 64},
    [URING_RECEIVE] = {sizeof(struct uring_receive), 256},
    [URING_RECEIVE_FDS] = {sizeof(struct uring_receive_fds), 64},
    [URING_POLL] = {sizeof(struct uring_poll), 64},
    [URING_WATCH] = {sizeof(struct uring_watch), 16},
    [URING_RESOLVE] = {sizeof(struct uring_operation), 64},
};

void *uring_take(struct uring *uring, enum uring_kind kind, struct handler handler)
{
	uint64_t id;
	/* Every kind's object begins with it. */
	struct uring_operation *operation = slots_take(&uring->slots[kind], &id);

	if (!operation)
		return NULL;
	list_init(&operation->link);
	operation->handler = handler;
	operation->id = uring_name(id, kind);
	operation->fd = -1;
	return operation;
}

struct uring_operation *uring_find(const struct uring *uring, uint64_t id)
{
	enum uring_kind kind = uring_kind_of(id);

	return kind < URING_KINDS ? slots_get(&uring->slots[kind], id) : NULL;
}

static void discard(const struct completion *completion)
{
	for (unsigned i = 0; i < completion->fds_count; i++)
		close(completion->fds[i]);
}

void uring_deliver(struct uring *uring, struct handler handler, const struct completion *completion)
{
	uring->delivered++;
	if (uring->closing)
		discard(completion);
	else
		handler.done(handler.owner, completion);
}

void uring_finish(struct uring *uring, struct uring_operation *operation, struct completion *completion)
{
	struct handler handler = operation->handler;

	completion->id = operation->id;
	completion->more = false;
	list_remove(&operation->link);
	slots_give(&uring->slots[uring_kind_of(operation->id)], operation);
	uring_deliver(uring, handler, completion);
}

void uring_signal(struct uring *uring)
{
	if (uring->event_fd >= 0)
		eventfd_write(uring->event_fd, 1);
}

void uring_make_ready(
    struct uring *uring, struct uring_operation *operation, int result, enum hawser_stage stage)
{
	operation->result = result;
	operation->stage = (uint8_t)stage;
	operation->place = URING_READY;
	list_append(&uring->ready, &operation->link);
	if (!uring->waiting)
		uring_signal(uring);
}

static void uring_close(struct engine *engine, int fd)
{
	(void)engine;
	close(fd);
}

static void uring_shutdown(struct engine *engine, int fd, int how)
{
	(void)engine;
	shutdown(fd, how);
}

static int uring_check_fd(struct engine *engine, int fd)
{
	(void)engine;
	return socket_check_fd(fd);
}

static int uring_peer(struct engine *engine, int fd, struct socket_peer *ret_peer)
{
	(void)engine;
	return socket_peer_read(fd, ret_peer);
}

/* The ring would make the event_fd readable by itself, but within the write of another eventfd the kernel
 * puts that off, and some kernels (seen on 6.18) do it only once. */
static void uring_wake(struct engine *engine)
{
	struct uring *uring = uring_of(engine);

	eventfd_write(uring->wake_fd, 1);
	uring_signal(uring);
}

static void resolver_notify(void *user)
{
	uring_wake(user);
}

static int uring_event_fd(struct engine *engine)
{
	struct uring *uring = uring_of(engine);
	/* Readable at first: something may have been started before. */
	int fd = uring->event_fd >= 0 ? uring->event_fd : eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	if (fd == uring->event_fd)
		return fd;
	r = io_uring_register_eventfd(&uring->ring, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	uring->event_fd = fd;
	return fd;
}

static size_t uring_memory(const struct engine *engine)
{
	return uring_ring_memory(container_of(engine, const struct uring, engine));
}

static uint64_t uring_stale(const struct engine *engine)
{
	return container_of(engine, const struct uring, engine)->stale;
}

/* After uring_cancel an operation is in another list, or at the end of this one. */
static void cancel_all(struct uring *uring, struct list *list)
{
	struct list batch;

	list_init(&batch);
	list_splice(&batch, list);
	while (!list_empty(&batch)) {
		struct uring_operation *operation = container_of(batch.next, struct uring_operation, link);

		if (operation->cancelled) {
			list_remove(&operation->link);
			list_append(list, &operation->link);
		} else {
			uring_cancel(&uring->engine, operation->id);
		}
	}
}

static bool kernel_has_pointers(const struct uring *uring)
{
	return !list_empty(&uring->in_flight) || !list_empty(&uring->cancelling) || uring->wake_armed ||
	       uring->inotify_armed;
}

static void abandon(struct uring *uring)
{
	uring->closing = true;
	cancel_all(uring, &uring->unsubmitted);
	cancel_all(uring, &uring->hungry);
	cancel_all(uring, &uring->ready);
	cancel_all(uring, &uring->in_flight);
	for (int turns = 0; turns < DESTROY_TURNS_MAX && uring->enabled && kernel_has_pointers(uring);
	     turns++)
		if (uring_wait(&uring->engine, uring_now(&uring->engine) + DESTROY_TURN_NS, UINT32_MAX) < 0)
			return; /* not the loop's thread: closing the ring ends what is there */
}

static void uring_destroy(struct engine *engine)
{
	struct uring *uring = uring_of(engine);

	lookups_destroy(&uring->lookups);
	abandon(uring);
	io_uring_queue_exit(&uring->ring);
	uring_buffers_unmap(&uring->buffers);
	directories_destroy(&uring->directories);
	close(uring->wake_fd);
	if (uring->event_fd >= 0)
		close(uring->event_fd);
	for (int kind = 0; kind < URING_KINDS; kind++)
		slots_destroy(&uring->slots[kind]);
	memory_release(uring->memory, uring, sizeof(*uring));
}

static const struct engine_operations uring_operations = {
    .name = "io_uring",
    .destroy = uring_destroy,
    .now = uring_now,
    .connect = uring_connect,
    .send = uring_send,
    .receive = uring_receive,
    .poll = uring_poll,
    .watch = uring_watch,
    .resolve = uring_resolve,
    .cancel = uring_cancel,
    .close = uring_close,
    .shutdown = uring_shutdown,
    .check_fd = uring_check_fd,
    .peer = uring_peer,
    .wait = uring_wait,
    .wake = uring_wake,
    .event_fd = uring_event_fd,
    .submit = uring_submit,
    .memory = uring_memory,
    .stale = uring_stale,
};

static void furnish(struct uring *uring, const struct engine_options *options)
{
	uring->engine.operations = &uring_operations;
	uring->memory = options->memory;
	uring->event_fd = -1;
	for (int kind = 0; kind < URING_KINDS; kind++)
		slots_init(&uring->slots[kind], options->memory, kinds[kind].size, kinds[kind].chunk_slots);
	list_init(&uring->unsubmitted);
	list_init(&uring->hungry);
	list_init(&uring->in_flight);
	list_init(&uring->cancelling);
	list_init(&uring->ready);
	directories_init(&uring->directories);
	uring->lookups.threads_max = options->resolver_threads_max;
	uring->lookups.notify = resolver_notify;
	uring->lookups.notify_user = &uring->engine;
}

int uring_create(const struct engine_options *options, struct engine **ret_engine, const char **ret_missing)
{
	struct uring *uring = memory_allocate(options->memory, sizeof(*uring));
	int r;

	if (!uring)
		return -ENOMEM;
	furnish(uring, options);
	/* Not nonblocking: the ring's read is to wait for a wake, not to fail without one. */
	uring->wake_fd = eventfd(0, EFD_CLOEXEC);
	r = uring->wake_fd < 0 ? -errno : 0;
	if (r == 0)
		r = uring_buffers_map(
		    &uring->buffers, options->receive_buffers, options->receive_buffer_size);
	if (r == 0)
		r = uring_ring_create(uring, options, ret_missing);
	if (r == 0) {
		uring->hungry_max = (uring->ring.cq.ring_mask + 1) / 2;
		if (uring->hungry_max > uring->buffers.count)
			uring->hungry_max = uring->buffers.count;
		*ret_engine = &uring->engine;
		return 0;
	}
	uring_buffers_unmap(&uring->buffers);
	if (uring->wake_fd >= 0)
		close(uring->wake_fd);
	memory_release(uring->memory, uring, sizeof(*uring));
	return r;
}
