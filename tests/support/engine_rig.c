/* SPDX-License-Identifier: MIT
 *
 * The engine's side of the rig: making it, starting operations, and recording what becomes of them. The other
 * side, listeners and peers, is engine_peers.c.
 */
#include "engine_rig.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct rig_kind rig_kinds[RIG_KINDS] = {{false, false}, {false, true}, {true, false}, {true, true}};

unsigned rig_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	cr_assert_not_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

uint64_t rig_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

struct engine_options rig_options(struct rig *rig)
{
	struct engine_options options = {
	    .memory = &rig->memory.memory,
	    .submission_entries = rig->kind->tiny ? 4 : 256,
	    .completion_entries = rig->kind->tiny ? 8 : 1024,
	    .receive_buffers = rig->kind->tiny ? 2 : 64,
	    .receive_buffer_size = rig->kind->tiny ? 512 : 16384,
	    .resolver_threads_max = 2,
	};

	return options;
}

int rig_create(struct rig *rig, const struct engine_options *options)
{
	const char *missing = NULL;
	int r = rig->kind->epoll ? epoll_create_engine(options, &rig->engine)
				 : uring_create(options, &rig->engine, &missing);

	if (r == 0)
		rig->is = rig->engine->operations;
	return r;
}

void rig_open(struct rig *rig, const struct rig_kind *kind)
{
	struct engine_options options;
	int r;

	memset(rig, 0, sizeof(*rig));
	rig->kind = kind;
	rig->completions_max = 64;
	rig->descriptors = rig_descriptors();
	test_memory_init(&rig->memory);
	options = rig_options(rig);
	r = rig_create(rig, &options);
	if (r == -EPERM || r == -ENOSYS || r == -EOPNOTSUPP)
		cr_skip_test("io_uring is not to be had here: %s", strerror(-r));
	cr_assert_eq(r, 0, "%s", strerror(-r));
}

void rig_destroy(struct rig *rig, unsigned abandoned)
{
	rig->abandoned = abandoned;
	rig->is->destroy(rig->engine);
	rig->engine = NULL;
}

void rig_close(struct rig *rig)
{
	if (rig->engine)
		rig_destroy(rig, 0);
	cr_assert_eq(rig->ended + rig->abandoned, rig->started, "%u of %u operations have ended", rig->ended,
	    rig->started);
	cr_assert_eq(rig->memory.live, 0);
	cr_assert_eq(rig->memory.live_bytes, 0);
	rig_expect_descriptors(rig->descriptors);
}

void rig_expect_descriptors(unsigned expected)
{
	uint64_t began_ns = rig_now_ns();
	unsigned there = rig_descriptors();

	/* A lookup that was given up goes on in its thread, and opens what getaddrinfo reads. */
	while (there != expected && rig_now_ns() - began_ns < 2000000000ULL) {
		usleep(1000);
		there = rig_descriptors();
	}
	cr_assert_eq(there, expected, "%u descriptors are open, %u were", there, expected);
}

int rig_turn(struct rig *rig, unsigned ms)
{
	int r;

	rig->delivered = 0;
	rig->waiting = true;
	r = rig->is->wait(rig->engine, ms ? rig_now_ns() + ms * 1000000ULL : 0, rig->completions_max);
	rig->waiting = false;
	cr_assert_geq(r, 0, "wait: %s", strerror(-r));
	cr_assert_eq((unsigned)r, rig->delivered, "wait returned %d and delivered %u", r, rig->delivered);
	return r;
}

static void record_data(struct rig_operation *operation, const struct completion *completion)
{
	size_t size = (size_t)completion->result;

	operation->data = realloc(operation->data, operation->size + size);
	cr_assert_not_null(operation->data);
	memcpy(operation->data + operation->size, completion->data, size);
}

static void record_fds(struct rig_operation *operation, const struct completion *completion)
{
	for (unsigned i = 0; i < completion->fds_count; i++) {
		cr_assert_lt(operation->fds_count, RIG_FDS_MAX);
		operation->fds[operation->fds_count] = completion->fds[i];
		operation->fds_at[operation->fds_count++] = operation->size;
	}
	operation->fds_lost |= completion->fds_lost;
}

static void record_addresses(struct rig_operation *operation, const struct completion *completion)
{
	for (int i = 0; i < completion->result && i < 4; i++)
		operation->addresses[i] = completion->addresses[i];
}

static void done(void *owner, const struct completion *completion)
{
	struct rig_operation *operation = owner;
	struct rig *rig = operation->rig;

	cr_assert(rig->waiting, "delivered outside of wait");
	cr_assert_eq(completion->id, operation->id);
	cr_assert_not(operation->ended, "a completion after the final one");
	rig->delivered++;
	operation->completions++;
	operation->result = completion->result;
	operation->stage = completion->stage;
	record_fds(operation, completion);
	if (completion->data && completion->result > 0) {
		record_data(operation, completion);
		operation->size += (size_t)completion->result;
	}
	if (completion->name && operation->names_count < RIG_NAMES_MAX)
		strncpy(operation->names[operation->names_count++], completion->name, 31);
	if (completion->addresses)
		record_addresses(operation, completion);
	if (!completion->more) {
		operation->ended = true;
		rig->ended++;
	}
	if (operation->then)
		operation->then(operation, completion);
}

static struct handler begin(struct rig *rig, struct rig_operation *operation, bool *ret_waiting)
{
	void (*then)(struct rig_operation *, const struct completion *) = operation->then;
	void *user = operation->user;

	*operation = (struct rig_operation){.rig = rig, .then = then, .user = user};
	/* Inside of the call that starts nothing may be delivered, not even from within a handler. */
	*ret_waiting = rig->waiting;
	rig->waiting = false;
	return (struct handler){done, operation};
}

static int end(struct rig *rig, int r, bool waiting)
{
	rig->waiting = waiting;
	if (r == 0)
		rig->started++;
	return r;
}

int rig_start_connect(struct rig *rig, struct rig_operation *operation, const struct connect_request *request)
{
	bool waiting;
	struct handler handler = begin(rig, operation, &waiting);

	return end(rig, rig->is->connect(rig->engine, request, handler, &operation->id), waiting);
}

static struct socket_options default_options(void)
{
	return (struct socket_options){.tcp_user_timeout_ms = HAWSER_AUTO,
	    .keepalive_idle_s = HAWSER_AUTO,
	    .keepalive_interval_s = HAWSER_AUTO,
	    .keepalive_probes = HAWSER_AUTO,
	    .send_buffer_size = HAWSER_AUTO,
	    .receive_buffer_size = HAWSER_AUTO,
	    .mark = HAWSER_AUTO,
	    .local_port = HAWSER_AUTO};
}

void rig_connect(
    struct rig *rig, struct rig_operation *operation, const struct address *address, uint64_t deadline_ns)
{
	struct socket_options options = default_options();
	struct connect_request request = {.address = *address,
	    .adopted_fd = -1,
	    .deadline_ns = deadline_ns,
	    .options = &options,
	    .tag = {.magic = ENGINE_TAG_MAGIC, .version = 1, .target = "test"}};

	cr_assert_eq(rig_start_connect(rig, operation, &request), 0);
}

void rig_adopt(struct rig *rig, struct rig_operation *operation, int fd)
{
	struct socket_options options = default_options();
	struct connect_request request = {.adopted_fd = fd, .deadline_ns = ENGINE_NEVER, .options = &options};

	cr_assert_eq(rig_start_connect(rig, operation, &request), 0);
}

void rig_send(struct rig *rig, struct rig_operation *operation, int fd, const void *data, size_t size)
{
	rig_send_fds(rig, operation, fd, data, size, NULL, 0);
}

void rig_send_vectors(struct rig *rig, struct rig_operation *operation, int fd, const struct iovec *vectors,
    unsigned vectors_count)
{
	bool waiting;
	struct handler handler = begin(rig, operation, &waiting);
	int r = rig->is->send(rig->engine, fd, vectors, vectors_count, NULL, 0, handler, &operation->id);

	cr_assert_eq(end(rig, r, waiting), 0);
}

void rig_send_fds(struct rig *rig, struct rig_operation *operation, int fd, const void *data, size_t size,
    const int *fds, unsigned fds_count)
{
	bool waiting;
	struct handler handler = begin(rig, operation, &waiting);
	struct iovec vector = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	int r = rig->is->send(rig->engine, fd, &vector, 1, fds, fds_count, handler, &operation->id);

	cr_assert_eq(end(rig, r, waiting), 0);
}

void rig_receive(struct rig *rig, struct rig_operation *operation, int fd, bool with_fds)
{
	bool waiting;
	struct handler handler = begin(rig, operation, &waiting);

	cr_assert_eq(
	    end(rig, rig->is->receive(rig->engine, fd, with_fds, handler, &operation->id), waiting), 0);
}

void rig_poll(struct rig *rig, struct rig_operation *operation, int fd, short events)
{
	bool waiting;
	struct handler handler = begin(rig, operation, &waiting);

	cr_assert_eq(end(rig, rig->is->poll(rig->engine, fd, events, handler, &operation->id), waiting), 0);
}

void rig_watch(struct rig *rig, struct rig_operation *operation, const char *directory)
{
	bool waiting;
	struct handler handler = begin(rig, operation, &waiting);

	cr_assert_eq(end(rig, rig->is->watch(rig->engine, directory, handler, &operation->id), waiting), 0);
}

void rig_resolve(struct rig *rig, struct rig_operation *operation, const char *host)
{
	bool waiting;
	struct handler handler = begin(rig, operation, &waiting);

	cr_assert_eq(
	    end(rig, rig->is->resolve(rig->engine, host, 4711, handler, &operation->id), waiting), 0);
}

void rig_cancel(struct rig *rig, struct rig_operation *operation)
{
	bool waiting = rig->waiting;

	rig->waiting = false;
	rig->is->cancel(rig->engine, operation->id);
	rig->waiting = waiting;
}

void rig_operation_free(struct rig_operation *operation)
{
	for (unsigned i = 0; i < operation->fds_count; i++)
		close(operation->fds[i]);
	operation->fds_count = 0;
	free(operation->data);
	operation->data = NULL;
}

int rig_connected(struct rig *rig, const struct address *address)
{
	struct rig_operation operation = {0};

	rig_connect(rig, &operation, address, ENGINE_NEVER);
	rig_until(rig, operation.ended);
	cr_assert_geq(operation.result, 0, "connect: %s", strerror(-operation.result));
	return operation.result;
}
