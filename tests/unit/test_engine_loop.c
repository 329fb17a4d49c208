/* SPDX-License-Identifier: MIT
 *
 * Engine contract: waiting, waking and going away. Living in a foreign loop is test_engine_foreign.c.
 */
#include "../support/engine_rig.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BURST = 200, POLLS = 32 };

static const uint64_t second_ns = 1000000000;

static bool readable(int fd, int ms)
{
	struct pollfd watched = {.fd = fd, .events = POLLIN};

	return poll(&watched, 1, ms) == 1;
}

ENGINE_TEST(wait, returns_without_work)
{
	uint64_t before;

	cr_assert_eq(rig_turn(rig, 0), 0);
	before = rig->is->now(rig->engine);
	cr_assert_eq(rig->is->wait(rig->engine, before - second_ns, 1), 0);
	cr_assert_eq(rig->is->wait(rig->engine, before + second_ns / 100, 1), 0);
	cr_assert_geq(rig->is->now(rig->engine), before + second_ns / 100);
}

ENGINE_TEST(wait, has_a_name)
{
	cr_assert_str_eq(rig->is->name, rig->kind->epoll ? "epoll" : "io_uring");
	cr_assert_eq(rig->is->stale(rig->engine), 0);
	if (!rig->kind->epoll)
		cr_assert_gt(rig->is->memory(rig->engine), 0);
}

static void *wake_later(void *user)
{
	struct rig *rig = user;

	usleep(20000);
	rig->is->wake(rig->engine);
	return NULL;
}

ENGINE_TEST(wait, d3_another_thread_wakes_it)
{
	pthread_t thread;

	for (int i = 0; i < 3; i++) {
		cr_assert_eq(pthread_create(&thread, NULL, wake_later, rig), 0);
		cr_assert_eq(rig->is->wait(rig->engine, ENGINE_NEVER, 1), 0);
		pthread_join(thread, NULL);
	}
}

ENGINE_TEST(wait, a_wake_before_it_is_not_lost)
{
	rig->is->wake(rig->engine);
	cr_assert_eq(rig->is->wait(rig->engine, ENGINE_NEVER, 1), 0);
	rig_turn(rig, 0);
	rig->is->wake(rig->engine);
	rig->is->wake(rig->engine);
	cr_assert_eq(rig->is->wait(rig->engine, ENGINE_NEVER, 1), 0);
}

struct burst {
	struct rig_operation operations[BURST];
	int pipes[BURST][2];
};

static void burst_start(struct rig *rig, struct burst *burst)
{
	for (unsigned i = 0; i < BURST; i++) {
		cr_assert_eq(pipe2(burst->pipes[i], O_CLOEXEC), 0);
		rig_poll(rig, &burst->operations[i], burst->pipes[i][0], POLLIN);
	}
	rig_turn(rig, 0);
	rig->is->submit(rig->engine);
	cr_assert_eq(rig->ended, 0);
}

static void burst_fire(struct burst *burst)
{
	for (unsigned i = 0; i < BURST; i++)
		cr_assert_eq(write(burst->pipes[i][1], "x", 1), 1);
}

static void burst_end(struct burst *burst)
{
	for (unsigned i = 0; i < BURST; i++) {
		cr_assert_eq(burst->operations[i].completions, 1);
		cr_assert(burst->operations[i].result & POLLIN);
		close(burst->pipes[i][0]);
		close(burst->pipes[i][1]);
	}
}

/* More than a tiny CQ has room for, and more than one turn may deliver. */
ENGINE_TEST(wait, a_burst_is_delivered_whole)
{
	static struct burst burst;

	burst_start(rig, &burst);
	burst_fire(&burst);
	rig->completions_max = 7;
	while (rig->ended < BURST)
		cr_assert_eq(rig_turn(rig, 1000), rig->ended < BURST ? 7 : BURST % 7);
	burst_end(&burst);
}

ENGINE_TEST(wait, a_burst_keeps_a_foreign_loop_awake)
{
	static struct burst burst;
	int event_fd = rig->is->event_fd(rig->engine);

	cr_assert_geq(event_fd, 0);
	cr_assert_eq(rig->is->event_fd(rig->engine), event_fd);
	burst_start(rig, &burst);
	while (readable(event_fd, 0))
		rig_turn(rig, 0);
	burst_fire(&burst);
	rig->completions_max = 7;
	while (rig->ended < BURST) {
		cr_assert(readable(event_fd, 0), "%u of %u delivered, and asleep", rig->ended, BURST);
		rig_turn(rig, 0);
	}
	burst_end(&burst);
	for (int i = 0; readable(event_fd, 0); i++) {
		cr_assert_lt(i, 3, "awake without work");
		rig_turn(rig, 0);
	}
}

static struct rig_operation *victim;

static void cancel_victim(struct rig_operation *operation, const struct completion *completion)
{
	(void)completion;
	if (!victim->ended)
		rig_cancel(operation->rig, victim);
}

/* Both are ready in the same turn; the first handler cancels the second's operation and closes its socket. */
ENGINE_TEST(wait, a_handler_may_cancel_what_is_about_to_be_delivered)
{
	struct rig_operation operations[2] = {{.then = cancel_victim}, {.then = cancel_victim}};
	int pipes[2];

	cr_assert_eq(pipe2(pipes, O_CLOEXEC), 0);
	for (int i = 0; i < 50; i++) {
		rig_poll(rig, &operations[0], pipes[0], POLLIN);
		rig_poll(rig, &operations[1], pipes[1], POLLOUT);
		victim = &operations[1];
		cr_assert_eq(write(pipes[1], "x", 1), 1);
		rig_until(rig, operations[0].ended && operations[1].ended);
		cr_assert(operations[1].result == -ECANCELED || operations[1].result & POLLOUT);
		cr_assert_eq(read(pipes[0], &(char){0}, 1), 1);
	}
	close(pipes[0]);
	close(pipes[1]);
}

ENGINE_TEST(destroy, ends_polls_that_are_in_flight)
{
	static struct rig_operation operations[POLLS];
	int ends[POLLS];
	int pipes[2];

	cr_assert_eq(pipe2(pipes, O_CLOEXEC), 0);
	for (unsigned i = 0; i < POLLS; i++) {
		ends[i] = dup(pipes[0]);
		rig_poll(rig, &operations[i], ends[i], POLLIN);
		if (i == POLLS / 2)
			rig_turn(rig, 0);
	}
	rig_destroy(rig, POLLS);
	for (unsigned i = 0; i < POLLS; i++) {
		cr_assert_eq(operations[i].completions, 0);
		close(ends[i]);
	}
	close(pipes[0]);
	/* The kernel has let go of them all. */
	signal(SIGPIPE, SIG_IGN);
	cr_assert_eq(write(pipes[1], "x", 1), -1);
	cr_assert_eq(errno, EPIPE);
	close(pipes[1]);
}

ENGINE_TEST(destroy, before_the_first_wait)
{
	struct rig_operation operation = {0};
	int pipes[2];

	cr_assert_eq(pipe2(pipes, O_CLOEXEC), 0);
	rig_poll(rig, &operation, pipes[0], POLLIN);
	cr_assert_geq(rig->is->event_fd(rig->engine), 0);
	rig_destroy(rig, 1);
	close(pipes[0]);
	close(pipes[1]);
}

/* The child has neither the ring nor its descriptors' events; the parent notices nothing. */
ENGINE_TEST(destroy, a_forked_child_leaves_the_parent_alone)
{
	struct rig_operation receive = {0};
	int peer;
	int fd = rig_unix_pair(rig, &peer);
	int status;
	pid_t child;

	rig_receive(rig, &receive, fd, true);
	rig_turn(rig, 0);
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0)
		_exit(0);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(write(peer, "x", 1), 1);
	rig_until(rig, receive.size == 1);
	close(peer);
	rig_until(rig, receive.ended);
	rig_operation_free(&receive);
	rig->is->close(rig->engine, fd);
}

/* Every allocation fails once: nothing is left of an engine that could not be made. */
ENGINE_TEST(create, without_memory_leaves_nothing)
{
	struct engine_options options = rig_options(rig);
	int r = -ENOMEM;

	rig_destroy(rig, 0);
	for (uint64_t at = 1; r == -ENOMEM; at++) {
		rig->memory.fail_at = rig->memory.allocations + at;
		cr_assert_lt(at, 50);
		r = rig_create(rig, &options);
		if (r == -ENOMEM)
			cr_assert_eq(rig->memory.live, 0);
	}
	cr_assert_eq(r, 0);
	rig->memory.fail_at = 0;
}
