/* SPDX-License-Identifier: MIT
 *
 * Engine contract: descriptors that travel with bytes, readiness of descriptors, and who the peer is.
 */
#include "../support/engine_rig.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOO_MANY = ENGINE_FDS_MAX + 4 };

/* The peer's way to send bytes with descriptors. */
static void peer_send(int peer, const char *text, const int *fds, unsigned fds_count)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int) * TOO_MANY)];
	} control;
	struct iovec vector = {(void *)(uintptr_t)text, strlen(text)};
	struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

	if (fds_count > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * fds_count);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * fds_count);
		memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * fds_count);
	}
	cr_assert_eq(sendmsg(peer, &message, 0), (ssize_t)strlen(text));
}

static void expect_same_file(int a, int b)
{
	struct stat one;
	struct stat two;

	cr_assert_eq(fstat(a, &one), 0);
	cr_assert_eq(fstat(b, &two), 0);
	cr_assert_eq(one.st_ino, two.st_ino);
	cr_assert_eq(one.st_dev, two.st_dev);
}

ENGINE_TEST(fds, a43_arrive_with_the_bytes_they_were_sent_with)
{
	struct rig_operation receive = {0};
	int pipes[2];
	int peer;
	int fd = rig_unix_pair(rig, &peer);

	cr_assert_eq(pipe(pipes), 0);
	rig_receive(rig, &receive, fd, true);
	peer_send(peer, "one", NULL, 0);
	peer_send(peer, "two", &pipes[0], 1);
	peer_send(peer, "three", pipes, 2);
	peer_send(peer, "four", NULL, 0);
	close(peer);
	rig_until(rig, receive.ended);
	cr_assert_eq(receive.result, 0);
	cr_assert_eq(receive.size, strlen("onetwothreefour"));
	cr_assert_eq(memcmp(receive.data, "onetwothreefour", receive.size), 0);
	cr_assert_eq(receive.fds_count, 3);
	cr_assert_not(receive.fds_lost);
	/* A receive ends with the message that had descriptors; what has none may stand in front of it. */
	cr_assert(receive.fds_at[0] == 0 || receive.fds_at[0] == 3);
	cr_assert_eq(receive.fds_at[1], 6);
	cr_assert_eq(receive.fds_at[2], 6);
	expect_same_file(receive.fds[0], pipes[0]);
	expect_same_file(receive.fds[1], pipes[0]);
	expect_same_file(receive.fds[2], pipes[1]);
	for (unsigned i = 0; i < receive.fds_count; i++)
		cr_assert_eq(fcntl(receive.fds[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	rig_operation_free(&receive);
	rig->is->close(rig->engine, fd);
	close(pipes[0]);
	close(pipes[1]);
}

ENGINE_TEST(fds, as_many_as_there_may_be_go_both_ways)
{
	struct rig_operation receive = {0};
	struct rig_operation send = {0};
	int fds[ENGINE_FDS_MAX];
	int ends[2];
	int left;
	int right;

	/* Both ends are the engine's. */
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	rig_adopt(rig, &send, ends[0]);
	rig_until(rig, send.ended);
	left = send.result;
	rig_adopt(rig, &send, ends[1]);
	rig_until(rig, send.ended);
	right = send.result;
	for (unsigned i = 0; i < ENGINE_FDS_MAX; i++)
		fds[i] = i % 2 ? STDOUT_FILENO : STDERR_FILENO;
	rig_receive(rig, &receive, right, true);
	rig_send_fds(rig, &send, left, "sixteen", 7, fds, ENGINE_FDS_MAX);
	rig_until(rig, send.ended && receive.size == 7);
	cr_assert_eq(send.result, 7);
	cr_assert_eq(receive.fds_count, ENGINE_FDS_MAX);
	cr_assert_not(receive.fds_lost);
	for (unsigned i = 0; i < ENGINE_FDS_MAX; i++)
		expect_same_file(receive.fds[i], fds[i]);
	rig->is->shutdown(rig->engine, left, SHUT_WR);
	rig_until(rig, receive.ended);
	cr_assert_eq(receive.result, 0);
	rig_operation_free(&receive);
	rig->is->close(rig->engine, left);
	rig->is->close(rig->engine, right);
}

ENGINE_TEST(fds, beyond_what_there_may_be_are_said_to_be_lost)
{
	struct rig_operation receive = {0};
	int fds[TOO_MANY];
	int peer;
	int fd = rig_unix_pair(rig, &peer);

	for (unsigned i = 0; i < TOO_MANY; i++)
		fds[i] = STDERR_FILENO;
	rig_receive(rig, &receive, fd, true);
	peer_send(peer, "many", fds, TOO_MANY);
	rig_until(rig, receive.size == 4);
	cr_assert(receive.fds_lost);
	cr_assert_eq(receive.fds_count, ENGINE_FDS_MAX);
	close(peer);
	rig_until(rig, receive.ended);
	rig_operation_free(&receive);
	rig->is->close(rig->engine, fd);
}

ENGINE_TEST(fds, beyond_the_limit_of_open_files_are_said_to_be_lost)
{
	struct rig_operation receive = {0};
	struct rlimit limit;
	struct rlimit none;
	int peer;
	int fd = rig_unix_pair(rig, &peer);

	rig_receive(rig, &receive, fd, true);
	peer_send(peer, "x", (const int[]){STDERR_FILENO}, 1);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){0, limit.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	rig_until(rig, receive.size == 1);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	cr_assert(receive.fds_lost);
	cr_assert_eq(receive.fds_count, 0);
	close(peer);
	rig_until(rig, receive.ended);
	rig_operation_free(&receive);
	rig->is->close(rig->engine, fd);
}

ENGINE_TEST(fds, a_receive_with_descriptors_can_be_cancelled)
{
	struct rig_operation receive = {0};
	int peer;
	int fd = rig_unix_pair(rig, &peer);

	rig_receive(rig, &receive, fd, true);
	rig_turn(rig, 0);
	rig_cancel(rig, &receive);
	rig_until(rig, receive.ended);
	cr_assert_eq(receive.result, -ECANCELED, "%s", strerror(-receive.result));
	rig->is->close(rig->engine, fd);
	close(peer);
}

ENGINE_TEST(fds, a_descriptor_is_polled_once)
{
	struct rig_operation operation = {0};
	int pipes[2];

	cr_assert_eq(pipe2(pipes, O_CLOEXEC), 0);
	rig_poll(rig, &operation, pipes[0], POLLIN);
	rig_turn(rig, 0);
	cr_assert_not(operation.ended);
	cr_assert_eq(write(pipes[1], "xy", 2), 2);
	rig_until(rig, operation.ended);
	cr_assert(operation.result & POLLIN);
	/* Readable already, and then at its end. */
	rig_poll(rig, &operation, pipes[0], POLLIN);
	rig_until(rig, operation.ended);
	cr_assert(operation.result & POLLIN);
	close(pipes[1]);
	rig_poll(rig, &operation, pipes[0], 0);
	rig_until(rig, operation.ended);
	cr_assert(operation.result & POLLHUP);
	close(pipes[0]);
}

ENGINE_TEST(fds, a_poll_can_be_cancelled)
{
	struct rig_operation operation = {0};
	int pipes[2];

	cr_assert_eq(pipe2(pipes, O_CLOEXEC), 0);
	for (int in_flight = 0; in_flight < 2; in_flight++) {
		rig_poll(rig, &operation, pipes[0], POLLIN);
		if (in_flight)
			rig_turn(rig, 0);
		rig_cancel(rig, &operation);
		rig_until(rig, operation.ended);
		cr_assert_eq(operation.result, -ECANCELED);
	}
	close(pipes[0]);
	close(pipes[1]);
}

ENGINE_TEST(fds, the_peer_is_who_made_the_pair)
{
	struct socket_peer who;
	int peer;
	int fd = rig_unix_pair(rig, &peer);

	cr_assert_eq(rig->is->peer(rig->engine, fd, &who), 0);
	cr_assert_eq(who.pid, getpid());
	cr_assert_eq(who.uid, getuid());
	rig->is->close(rig->engine, fd);
	close(peer);
}
