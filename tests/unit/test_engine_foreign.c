/* SPDX-License-Identifier: MIT
 *
 * Engine contract: an engine inside a foreign loop, which sleeps on the event_fd and never waits in the
 * engine.
 */
#include "../support/engine_rig.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

static const uint64_t second_ns = 1000000000;

static bool readable(int fd, int ms)
{
	struct pollfd watched = {.fd = fd, .events = POLLIN};

	return poll(&watched, 1, ms) == 1;
}

/* Until the foreign loop would sleep. */
static void foreign_settle(struct rig *rig, int event_fd)
{
	rig->is->submit(rig->engine);
	while (readable(event_fd, 0)) {
		rig_turn(rig, 0);
		rig->is->submit(rig->engine);
	}
}

/* What a foreign loop does: sleeps on the descriptor, then handles what is there without waiting. */
static void foreign_until(struct rig *rig, int event_fd, const bool *done)
{
	while (!*done) {
		rig->is->submit(rig->engine);
		cr_assert(readable(event_fd, RIG_PATIENCE_S * 1000), "asleep with work to do");
		rig_turn(rig, 0);
	}
}

static void *wake_now(void *user)
{
	struct rig *rig = user;

	rig->is->wake(rig->engine);
	return NULL;
}

ENGINE_TEST(foreign, wakes_for_each_kind_of_work)
{
	struct rig_operation connect = {0};
	struct rig_operation resolve = {0};
	struct rig_operation watch = {0};
	struct address address;
	int fillers[2];
	int listener = rig_listen_full(&address, fillers);
	int event_fd = rig->is->event_fd(rig->engine);
	bool named = false;
	char directory[RIG_DIRECTORY_SIZE];

	/* A deadline; */
	rig_connect(rig, &connect, &address, second_ns / 20);
	foreign_until(rig, event_fd, &connect.ended);
	cr_assert_eq(connect.result, -ETIMEDOUT);
	/* an answer from a resolver's thread; */
	rig_resolve(rig, &resolve, "localhost");
	foreign_until(rig, event_fd, &resolve.ended);
	/* a name in a directory; */
	rig_directory_make(directory);
	rig_watch(rig, &watch, directory);
	rig->is->submit(rig->engine);
	rig_file_make(directory, "one");
	while (!named) {
		cr_assert(readable(event_fd, RIG_PATIENCE_S * 1000));
		rig_turn(rig, 0);
		named = watch.names_count == 1;
		rig->is->submit(rig->engine);
	}
	/* and what was cancelled. */
	rig_cancel(rig, &watch);
	foreign_until(rig, event_fd, &watch.ended);
	rig_directory_remove(directory);
	close(listener);
	close(fillers[0]);
	close(fillers[1]);
}

ENGINE_TEST(foreign, wakes_for_what_needs_no_kernel)
{
	struct rig_operation watch = {0};
	int event_fd = rig->is->event_fd(rig->engine);

	foreign_settle(rig, event_fd);
	rig_watch(rig, &watch, "/tmp/hawser-there-is-no-such-directory");
	foreign_until(rig, event_fd, &watch.ended);
	foreign_settle(rig, event_fd);
	rig_watch(rig, &watch, "/tmp");
	rig_cancel(rig, &watch);
	foreign_until(rig, event_fd, &watch.ended);
}

ENGINE_TEST(foreign, wakes_for_a_wake)
{
	pthread_t thread;
	int event_fd = rig->is->event_fd(rig->engine);

	for (int i = 0; i < 5; i++) {
		foreign_settle(rig, event_fd);
		cr_assert_eq(pthread_create(&thread, NULL, wake_now, rig), 0);
		cr_assert(readable(event_fd, RIG_PATIENCE_S * 1000));
		pthread_join(thread, NULL);
	}
}

ENGINE_TEST(foreign, wakes_for_bytes)
{
	struct rig_operation receive = {0};
	int peer;
	int fd = rig_unix_pair(rig, &peer);
	int event_fd = rig->is->event_fd(rig->engine);

	rig_receive(rig, &receive, fd, true);
	for (size_t i = 1; i <= 20; i++) {
		foreign_settle(rig, event_fd);
		cr_assert_eq(write(peer, "x", 1), 1);
		while (receive.size < i) {
			cr_assert(readable(event_fd, RIG_PATIENCE_S * 1000));
			rig_turn(rig, 0);
			rig->is->submit(rig->engine);
		}
	}
	close(peer);
	foreign_until(rig, event_fd, &receive.ended);
	rig_operation_free(&receive);
	rig->is->close(rig->engine, fd);
}

ENGINE_TEST(foreign, without_descriptors_there_is_none)
{
	struct rlimit limit;
	struct rlimit none;
	int r;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){0, limit.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	r = rig->is->event_fd(rig->engine);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	/* Not every engine needs one more. */
	cr_assert(r >= 0 || r == -EMFILE);
	if (!rig->kind->epoll)
		cr_assert_eq(r, -EMFILE);
}

/* What was started before there was a first wait makes it readable. */
ENGINE_TEST(foreign, works_from_the_start)
{
	struct rig_operation connect = {0};
	struct address address;
	int listener = rig_listen_tcp(4, &address);
	int event_fd = rig->is->event_fd(rig->engine);

	rig_connect(rig, &connect, &address, ENGINE_NEVER);
	foreign_until(rig, event_fd, &connect.ended);
	rig->is->close(rig->engine, connect.result);
	close(listener);
}
