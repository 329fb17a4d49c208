/* SPDX-License-Identifier: MIT
 *
 * The epoll engine with nothing to do: what nobody wants keeps no loop busy, and what is to come shows on the
 * descriptor of a foreign loop.
 */
#include "../support/engine_rig.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct rig_kind ordinary = {.epoll = true};
static const uint64_t second_ns = 1000000000;

TestSuite(epoll_idle, .timeout = 60);

/* Nothing happens for a few rounds, and then there is nothing that would wake a foreign loop. */
static void expect_asleep(struct rig *rig)
{
	struct pollfd pollfd = {.fd = rig->is->event_fd(rig->engine), .events = POLLIN};

	for (int i = 0; i < 3; i++)
		cr_assert_eq(rig_turn(rig, 0), 0);
	cr_assert_eq(poll(&pollfd, 1, 20), 0, "awake with nothing to do");
}

/* What nobody waits for any more does not keep the loop busy: bytes after a cancelled receive, the end of a
 * stream, and a connection that was closed here while somebody else has a copy of it. */
Test(epoll_idle, sleeps_when_nobody_wants_what_there_is)
{
	struct rig rig;
	struct rig_operation receive = {0};
	struct rig_operation poll = {0};
	int copy;
	int peer;
	int fd;

	rig_open(&rig, &ordinary);
	fd = rig_unix_pair(&rig, &peer);
	copy = dup(fd);
	expect_asleep(&rig);
	rig_receive(&rig, &receive, fd, false);
	expect_asleep(&rig);
	rig_cancel(&rig, &receive);
	rig_until(&rig, receive.ended);
	cr_assert_eq(write(peer, "abc", 3), 3);
	expect_asleep(&rig);
	rig_receive(&rig, &receive, fd, false); /* they are still there */
	rig_until(&rig, receive.size == 3);
	rig_poll(&rig, &poll, fd, POLLOUT);
	rig_until(&rig, poll.ended);
	expect_asleep(&rig);
	shutdown(peer, SHUT_WR);
	rig_until(&rig, receive.ended);
	cr_assert_eq(receive.result, 0);
	expect_asleep(&rig);
	rig_operation_free(&receive);
	rig_receive(&rig, &receive, fd, false);
	rig_until(&rig, receive.ended);
	rig.is->close(rig.engine, fd);
	close(peer);
	expect_asleep(&rig);
	close(copy);
	rig_close(&rig);
}

static void close_here(struct rig_operation *operation, const struct completion *completion)
{
	(void)completion;
	close(*(int *)operation->user);
}

/* Whose descriptor it is may close it in the handler, while somebody else has a copy. */
Test(epoll_idle, a_polled_descriptor_is_forgotten_at_once)
{
	struct rig rig;

	rig_open(&rig, &ordinary);
	for (int round = 0; round < 2; round++) {
		int ends[2];
		struct rig_operation poll = {.then = close_here, .user = &ends[0]};
		int copy;

		cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
		copy = dup(ends[0]);
		rig_poll(&rig, &poll, ends[0], POLLIN);
		if (round == 1)
			rig_cancel(&rig, &poll);
		else
			cr_assert_eq(write(ends[1], "x", 1), 1);
		rig_until(&rig, poll.ended);
		cr_assert_eq(write(ends[1], "x", 1), 1);
		expect_asleep(&rig);
		close(ends[1]);
		expect_asleep(&rig);
		close(copy);
	}
	rig_close(&rig);
}

Test(epoll_idle, a_connected_socket_is_the_receivers_alone)
{
	struct rig rig;
	struct address address;
	int listener;
	int copy;
	int fd;

	rig_open(&rig, &ordinary);
	listener = rig_listen_tcp(4, &address);
	fd = rig_connected(&rig, &address);
	copy = dup(fd);
	close(fd); /* as the user of the protocol "none" does */
	expect_asleep(&rig);
	close(copy);
	close(listener);
	rig_close(&rig);
}

/* The next deadline shows on the descriptor, whichever it is now. */
Test(epoll_idle, a_foreign_loop_sees_the_deadline_that_is_next)
{
	struct rig rig;
	struct rig_operation connects[3] = {{0}};
	struct address address;
	struct pollfd pollfd = {.events = POLLIN};
	int fillers[2];
	int listener;

	rig_open(&rig, &ordinary);
	listener = rig_listen_full(&address, fillers);
	pollfd.fd = rig.is->event_fd(rig.engine);
	rig_connect(&rig, &connects[0], &address, ENGINE_NEVER);
	rig_connect(&rig, &connects[1], &address, 3600 * second_ns);
	expect_asleep(&rig);
	rig_connect(&rig, &connects[2], &address, second_ns / 50);
	cr_assert_eq(poll(&pollfd, 1, RIG_PATIENCE_S * 1000), 1);
	cr_assert_eq(rig_turn(&rig, 0), 1);
	cr_assert_eq(connects[2].result, -ETIMEDOUT);
	expect_asleep(&rig);
	rig_cancel(&rig, &connects[0]);
	rig_cancel(&rig, &connects[1]);
	cr_assert_eq(poll(&pollfd, 1, RIG_PATIENCE_S * 1000), 1);
	cr_assert_eq(rig_turn(&rig, 0), 2);
	expect_asleep(&rig);
	close(listener);
	close(fillers[0]);
	close(fillers[1]);
	rig_close(&rig);
}
