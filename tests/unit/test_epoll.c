/* SPDX-License-Identifier: MIT
 *
 * What the epoll engine promises beyond what the tests of both engines ask: several operations on one
 * descriptor, fairness, descriptors of any number, and what it holds when it goes.
 */
#include "../support/engine_rig.h"
#include "net/resolver.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUNDS = 4, BIG = 4 << 20 };

static const struct rig_kind ordinary = {.epoll = true};
static const struct rig_kind tiny = {.epoll = true, .tiny = true};
static const uint64_t second_ns = 1000000000;

TestSuite(epoll, .timeout = 60);

static void drain(int fd, size_t size)
{
	static uint8_t bytes[65536];

	while (size) {
		ssize_t got = read(fd, bytes, size < sizeof bytes ? size : sizeof bytes);

		cr_assert_gt(got, 0);
		size -= (size_t)got;
	}
}

Test(epoll, one_descriptor_serves_a_receive_a_send_and_a_poll)
{
	struct rig rig;
	struct rig_operation receive = {0};
	struct rig_operation send = {0};
	struct rig_operation stuck = {0};
	struct rig_operation poll = {0};
	uint8_t *bytes = calloc(1, BIG);
	int peer;
	int fd;

	rig_open(&rig, &ordinary);
	fd = rig_unix_pair(&rig, &peer);
	rig_receive(&rig, &receive, fd, true);
	rig_send(&rig, &send, fd, bytes, BIG);
	rig_until(&rig, send.ended);
	cr_assert_gt(send.result, 0);
	rig_send(&rig, &stuck, fd, bytes, BIG);
	rig_poll(&rig, &poll, fd, POLLRDHUP);
	rig_turn(&rig, 0);
	cr_assert(!stuck.ended && !poll.ended && !receive.completions);
	cr_assert_eq(write(peer, "abc", 3), 3);
	rig_until(&rig, receive.size == 3);
	cr_assert(!stuck.ended && !poll.ended && !receive.ended);
	drain(peer, (size_t)send.result);
	rig_until(&rig, stuck.ended);
	cr_assert_gt(stuck.result, 0);
	cr_assert(!poll.ended && !receive.ended);
	shutdown(peer, SHUT_WR);
	rig_until(&rig, poll.ended && receive.ended);
	cr_assert(poll.result & POLLRDHUP);
	cr_assert_eq(receive.result, 0);
	rig.is->close(rig.engine, fd);
	close(peer);
	rig_operation_free(&receive);
	free(bytes);
	rig_close(&rig);
}

static void unwanted(void *owner, const struct completion *completion)
{
	(void)owner;
	(void)completion;
	cr_assert_fail("a refused operation was completed");
}

Test(epoll, a_second_operation_of_a_kind_is_refused)
{
	struct rig rig;
	struct rig_operation receive = {0};
	struct rig_operation sends[2] = {{0}};
	struct rig_operation poll = {0};
	const struct handler handler = {unwanted, NULL};
	uint8_t *bytes = calloc(1, BIG);
	struct iovec vector = {bytes, BIG};
	uint64_t id = 4711;
	int peer;
	int fd;

	rig_open(&rig, &ordinary);
	fd = rig_unix_pair(&rig, &peer);
	rig_receive(&rig, &receive, fd, false);
	rig_poll(&rig, &poll, fd, POLLPRI);
	rig_send(&rig, &sends[0], fd, bytes, BIG);
	rig_send(&rig, &sends[1], fd, bytes, BIG); /* the first has ended, though nobody was told yet */
	cr_assert_eq(rig.is->receive(rig.engine, fd, false, handler, &id), -EBUSY);
	cr_assert_eq(rig.is->poll(rig.engine, fd, POLLIN, handler, &id), -EBUSY);
	cr_assert_eq(rig.is->send(rig.engine, fd, &vector, 1, NULL, 0, handler, &id), -EBUSY);
	cr_assert_eq(id, 4711);
	rig_cancel(&rig, &receive);
	rig_cancel(&rig, &poll);
	rig_cancel(&rig, &sends[1]);
	/* Cancelled: others may take their places before the completions have come. */
	cr_assert_eq(rig.is->poll(rig.engine, fd, POLLPRI, handler, &id), 0);
	rig_until(&rig, rig.ended == rig.started);
	cr_assert_gt(sends[0].result, 0);
	cr_assert_eq(sends[1].result, -ECANCELED);
	rig_destroy(&rig, 0); /* with a poll in flight */
	close(fd);
	close(peer);
	free(bytes);
	rig_close(&rig);
}

/* Of peers that send without an end each is given one buffer a round. */
Test(epoll, a47_floods_take_turns)
{
	static uint8_t bytes[65536];
	struct rig rig;
	struct rig_operation receives[3] = {{0}};
	int peers[3];
	int fds[3];

	rig_open(&rig, &tiny);
	for (int i = 0; i < 3; i++) {
		fds[i] = rig_unix_pair(&rig, &peers[i]);
		cr_assert_eq(write(peers[i], bytes, sizeof bytes), sizeof bytes);
	}
	for (int i = 0; i < 3; i++)
		rig_receive(&rig, &receives[i], fds[i], i == 1);
	for (unsigned round = 1; round <= ROUNDS; round++) {
		cr_assert_eq(rig_turn(&rig, 1000), 3);
		for (int i = 0; i < 3; i++) {
			cr_assert_eq(receives[i].completions, round);
			cr_assert_eq(receives[i].size, 512 * (size_t)round);
		}
	}
	/* Nor does a budget of one completion a wait leave one of them out. */
	rig.completions_max = 1;
	for (unsigned turn = 0; turn < 3 * ROUNDS; turn++)
		cr_assert_eq(rig_turn(&rig, 1000), 1);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(receives[i].completions, 2 * ROUNDS);
	for (int i = 0; i < 3; i++)
		rig_cancel(&rig, &receives[i]);
	rig_until(&rig, rig.ended == rig.started);
	for (int i = 0; i < 3; i++) {
		rig.is->close(rig.engine, fds[i]);
		close(peers[i]);
		rig_operation_free(&receives[i]);
	}
	rig_close(&rig);
}

static struct rig_operation *in_order[8];
static unsigned in_order_count;

static void note_order(struct rig_operation *operation, const struct completion *completion)
{
	static struct rig_operation later = {.then = note_order};

	(void)completion;
	in_order[in_order_count++] = operation;
	if (in_order_count == 1)
		rig_send(operation->rig, &later, *(int *)operation->user, "d", 1);
}

/* What a handler begins does not overtake what was ready before it, however small the budget. */
Test(epoll, completions_come_in_order_of_cause)
{
	struct rig rig;
	int fd;
	int peer;
	struct rig_operation sends[3] = {{.then = note_order, .user = &fd}, {.then = note_order, .user = &fd},
	    {.then = note_order, .user = &fd}};

	rig_open(&rig, &ordinary);
	fd = rig_unix_pair(&rig, &peer);
	rig.completions_max = 1;
	for (int i = 0; i < 3; i++)
		rig_send(&rig, &sends[i], fd, "abc", 3);
	rig_until(&rig, rig.ended == rig.started);
	cr_assert_eq(in_order_count, 4);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(in_order[i], &sends[i]);
	rig.is->close(rig.engine, fd);
	close(peer);
	rig_close(&rig);
}

Test(epoll, a_regular_file_is_always_ready_and_not_received_from)
{
	struct rig rig;
	struct rig_operation poll = {0};
	struct rig_operation receive = {0};
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	rig_open(&rig, &ordinary);
	rig_poll(&rig, &poll, fd, POLLIN | POLLRDHUP);
	rig_until(&rig, poll.ended);
	cr_assert_eq(poll.result, POLLIN);
	rig_receive(&rig, &receive, fd, false);
	rig_until(&rig, receive.ended);
	cr_assert_eq(receive.result, -EPERM);
	close(fd);
	rig_poll(&rig, &poll, fd, POLLIN);
	rig_until(&rig, poll.ended);
	cr_assert_eq(poll.result, -EBADF);
	rig.descriptors--; /* that file */
	rig_close(&rig);
}

/* An adopted socket may be set to tell who sends; that is no descriptor. */
Test(epoll, takes_descriptors_from_among_other_messages)
{
	struct rig rig;
	struct rig_operation receive = {0};
	struct rig_operation send = {0};
	const int on = 1;
	int peer;
	int fd;

	rig_open(&rig, &ordinary);
	cr_assert_eq(rig.is->memory(rig.engine), 0);
	fd = rig_unix_pair(&rig, &peer);
	cr_assert_eq(setsockopt(peer, SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
	rig_receive(&rig, &receive, peer, true);
	rig_send_fds(&rig, &send, fd, "abc", 3, &fd, 1);
	rig_until(&rig, receive.size == 3);
	cr_assert_eq(receive.fds_count, 1);
	cr_assert_not(receive.fds_lost);
	rig_cancel(&rig, &receive);
	rig_until(&rig, receive.ended);
	rig_operation_free(&receive);
	rig.is->close(rig.engine, fd);
	rig.is->close(rig.engine, peer);
	rig_close(&rig);
}

/* A descriptor that was polled belongs to whoever polled it: it may be closed and come back with another
 * file. */
Test(epoll, a_number_may_come_back_with_another_file)
{
	struct rig rig;
	struct rig_operation poll = {0};
	struct rig_operation receive = {0};
	int peer;
	int fd;

	rig_open(&rig, &ordinary);
	for (int round = 0; round < 3; round++) {
		int ends[2];

		cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
		cr_assert_eq(write(ends[1], "x", 1), 1);
		rig_poll(&rig, &poll, ends[0], POLLIN);
		rig_until(&rig, poll.ended);
		cr_assert_eq(poll.result, POLLIN);
		close(ends[0]);
		close(ends[1]);
	}
	/* Nor does a receive that has ended stand in the way of who has its number next, closed by whom ever.
	 */
	for (int round = 0; round < 3; round++) {
		fd = rig_unix_pair(&rig, &peer);
		rig_receive(&rig, &receive, fd, false);
		cr_assert_eq(write(peer, "abc", 3), 3);
		rig_until(&rig, receive.size == 3);
		rig_cancel(&rig, &receive);
		rig_until(&rig, receive.ended);
		close(fd);
		close(peer);
		rig_operation_free(&receive);
	}
	rig_close(&rig);
}

Test(epoll, descriptors_of_any_number_are_served)
{
	static const int numbers[] = {300, 700, 64, 1000};
	struct rig rig;
	struct rig_operation receives[4] = {{0}};
	int peers[4];

	rig_open(&rig, &ordinary);
	for (int i = 0; i < 4; i++) {
		int fd = rig_unix_pair(&rig, &peers[i]);

		cr_assert_eq(dup3(fd, numbers[i], O_CLOEXEC), numbers[i]);
		rig.is->close(rig.engine, fd);
		rig_receive(&rig, &receives[i], numbers[i], false);
	}
	for (int i = 0; i < 4; i++)
		cr_assert_eq(write(peers[i], &i, sizeof i), sizeof i);
	rig_until(&rig, receives[0].size && receives[1].size && receives[2].size && receives[3].size);
	for (int i = 0; i < 4; i++) {
		cr_assert_eq(memcmp(receives[i].data, &i, sizeof i), 0);
		rig_cancel(&rig, &receives[i]);
	}
	rig_until(&rig, rig.ended == rig.started);
	for (int i = 0; i < 4; i++) {
		rig.is->close(rig.engine, numbers[i]);
		close(peers[i]);
		rig_operation_free(&receives[i]);
	}
	rig_close(&rig);
}

/* Sockets that are the engine's alone: of a connect under way, and of one that nobody was told about. */
Test(epoll, closes_what_is_its_own_when_it_goes)
{
	struct rig rig;
	struct rig_operation connects[4] = {{0}};
	struct address nobody;
	struct address somebody;
	int fillers[2];
	int listeners[2];
	int ends[2];

	rig_open(&rig, &ordinary);
	listeners[0] = rig_listen_full(&nobody, fillers);
	listeners[1] = rig_listen_unix("@hawser-test-epoll-destroy", 4, &somebody);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	rig_connect(&rig, &connects[0], &nobody, ENGINE_NEVER);
	rig_connect(&rig, &connects[1], &nobody, second_ns);
	rig_connect(&rig, &connects[2], &somebody, second_ns);
	rig_adopt(&rig, &connects[3], ends[0]);
	rig_destroy(&rig, 4);
	cr_assert_eq(close(ends[0]), 0); /* but not what was lent to it */
	close(ends[1]);
	for (int i = 0; i < 2; i++) {
		close(listeners[i]);
		close(fillers[i]);
	}
	rig_close(&rig);
}

static int lookup_at_once(
    const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret)
{
	(void)host;
	return getaddrinfo("10.0.0.1", port, hints, ret);
}

/* An answer that was collected and not delivered, because the budget was at its end. */
Test(epoll, frees_answers_that_nobody_was_told)
{
	struct rig rig;
	struct rig_operation resolves[3] = {{0}};

	resolver_lookup = lookup_at_once;
	rig_open(&rig, &ordinary);
	rig.completions_max = 1;
	for (int i = 0; i < 3; i++)
		rig_resolve(&rig, &resolves[i], "host");
	rig_until(&rig, rig.ended == 1);
	usleep(20000);
	rig_turn(&rig, 0);
	rig_destroy(&rig, rig.started - rig.ended);
	rig_close(&rig);
}
