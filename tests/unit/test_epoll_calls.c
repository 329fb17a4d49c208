/* SPDX-License-Identifier: MIT
 *
 * The epoll engine and its system calls: this program stands in front of the C library's, counts them, and
 * has them fail where the kernel does so too seldom to wait for it.
 */
#include "../support/engine_rig.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

TestSuite(epoll_calls, .timeout = 60);

enum call {
	CALL_CONNECT,
	CALL_SENDMSG,
	CALL_RECV,
	CALL_EPOLL_CREATE,
	CALL_EPOLL_CTL,
	CALL_EPOLL_PWAIT2,
	CALL_EVENTFD,
	CALL_TIMERFD,
	CALLS
};

static struct {
	unsigned count;
	unsigned failing; /* so many of the next ones */
	int error;
} calls[CALLS];

static __thread bool watched; /* the test framework calls some of them, too */

static bool is_failing(enum call call)
{
	if (!watched)
		return false;
	calls[call].count++;
	if (!calls[call].failing)
		return false;
	calls[call].failing--;
	errno = calls[call].error;
	return true;
}

static void fail_next(enum call call, int error, unsigned times)
{
	watched = true;
	calls[call].failing = times;
	calls[call].error = error;
}

/* What connect may be made to say: EINTR when it has begun, ENOTCONN for EINTR when it has not, EISCONN for 0
 * when it is connected, EALREADY for 0 when nothing has begun; any other errno is itself. */
int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t size)
{
	bool failing = is_failing(CALL_CONNECT);
	int error = errno;
	int result = 0;

	if (!failing || error == EINTR || error == EISCONN)
		result = (int)syscall(SYS_connect, fd, address, size);
	if (!failing || error == EALREADY)
		return result;
	if (error == EISCONN)
		return poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, RIG_PATIENCE_S * 1000) - 1;
	errno = error == ENOTCONN ? EINTR : error;
	return -1;
}

#define STAND_IN(type, name, call, number, parameters, ...)                              \
	type name parameters                                                             \
	{                                                                                \
		return is_failing(call) ? (type)-1 : (type)syscall(number, __VA_ARGS__); \
	}

STAND_IN(ssize_t, sendmsg, CALL_SENDMSG, SYS_sendmsg, (int fd, const struct msghdr *message, int flags), fd,
    message, flags)
STAND_IN(ssize_t, recv, CALL_RECV, SYS_recvfrom, (int fd, void *data, size_t size, int flags), fd, data, size,
    flags, NULL, NULL)
STAND_IN(int, epoll_create1, CALL_EPOLL_CREATE, SYS_epoll_create1, (int flags), flags)
STAND_IN(int, epoll_ctl, CALL_EPOLL_CTL, SYS_epoll_ctl,
    (int epoll_fd, int what, int fd, struct epoll_event *event), epoll_fd, what, fd, event)
STAND_IN(int, epoll_pwait2, CALL_EPOLL_PWAIT2, SYS_epoll_pwait2,
    (int fd, struct epoll_event *events, int events_max, const struct timespec *timeout,
	const sigset_t *signals),
    fd, events, events_max, timeout, signals, 8)
STAND_IN(int, eventfd, CALL_EVENTFD, SYS_eventfd2, (unsigned count, int flags), count, flags)
STAND_IN(int, timerfd_create, CALL_TIMERFD, SYS_timerfd_create, (int clock, int flags), clock, flags)

static const struct rig_kind ordinary = {.epoll = true};
static const uint64_t second_ns = 1000000000;

static void listener_close(int listener, const int fillers[2])
{
	close(listener);
	close(fillers[0]);
	close(fillers[1]);
}

static void expect_result(
    struct rig *rig, struct rig_operation *operation, int result, enum hawser_stage stage)
{
	rig_until(rig, operation->ended);
	cr_assert_eq(operation->result, result);
	cr_assert_eq(operation->stage, stage);
	cr_assert_eq(operation->completions, 1);
}

/* A connect to somebody who listens, that says what it is made to say. */
static void expect_connect(int error, int result)
{
	struct rig rig;
	struct rig_operation connect = {0};
	struct address address;
	int listener;

	rig_open(&rig, &ordinary);
	listener = rig_listen_tcp(4, &address);
	fail_next(CALL_CONNECT, error, 1);
	rig_connect(&rig, &connect, &address, 5 * second_ns);
	cr_assert_not(connect.ended);
	rig_until(&rig, connect.ended);
	cr_assert_eq(calls[CALL_CONNECT].count, 1);
	if (result == 0) {
		cr_assert_geq(connect.result, 0);
		rig.is->close(rig.engine, connect.result);
	} else {
		cr_assert_eq(connect.result, result);
		cr_assert_eq(connect.stage, HAWSER_STAGE_VERIFY);
	}
	close(listener);
	rig_close(&rig);
}

Test(epoll_calls, an_interrupted_connect_goes_on)
{
	expect_connect(EINTR, 0);
}

Test(epoll_calls, a1_d12_an_immediate_connect_is_told_from_wait)
{
	expect_connect(EISCONN, 0);
}

Test(epoll_calls, a8_writable_without_a_peer_is_no_connection)
{
	expect_connect(ENOTCONN, -ENOTCONN);
}

Test(epoll_calls, a8_a_success_without_a_peer_is_no_connection)
{
	expect_connect(EALREADY, -ENOTCONN);
}

Test(epoll_calls, d11_what_connect_says_is_told)
{
	static const int errors[] = {EADDRNOTAVAIL, ENETUNREACH, EACCES, EHOSTUNREACH, EINVAL};
	struct rig rig;
	struct rig_operation connect = {0};
	struct address address;
	int listener;

	rig_open(&rig, &ordinary);
	listener = rig_listen_tcp(4, &address);
	for (unsigned i = 0; i < sizeof errors / sizeof *errors; i++) {
		fail_next(CALL_CONNECT, errors[i], 1);
		rig_connect(&rig, &connect, &address, 5 * second_ns);
		expect_result(&rig, &connect, -errors[i], HAWSER_STAGE_CONNECT);
	}
	close(listener);
	rig_close(&rig);
}

Test(epoll_calls, what_epoll_refuses_is_told_from_wait)
{
	static uint8_t byte;
	struct rig rig;
	struct rig_operation operations[5] = {{0}};
	struct address address;
	char directory[RIG_DIRECTORY_SIZE];
	int fillers[2];
	int listener;
	int peer;
	int fd;

	rig_open(&rig, &ordinary);
	rig_directory_make(directory);
	listener = rig_listen_full(&address, fillers);
	fd = rig_unix_pair(&rig, &peer);
	while (write(fd, &byte, 1) == 1)
		;
	fail_next(CALL_EPOLL_CTL, ENOSPC, 5);
	rig_receive(&rig, &operations[0], fd, false);
	rig_send(&rig, &operations[1], fd, &byte, 1);
	rig_poll(&rig, &operations[2], fd, POLLPRI);
	rig_watch(&rig, &operations[3], directory);
	rig_connect(&rig, &operations[4], &address, second_ns);
	cr_assert_eq(calls[CALL_EPOLL_CTL].failing, 0);
	for (int i = 0; i < 5; i++)
		expect_result(
		    &rig, &operations[i], -ENOSPC, i == 4 ? HAWSER_STAGE_CONNECT : HAWSER_STAGE_NONE);
	/* And the next ones begin, as if nothing had been. */
	rig_receive(&rig, &operations[0], fd, false);
	rig_send(&rig, &operations[1], fd, &byte, 1);
	rig_poll(&rig, &operations[2], fd, POLLPRI);
	rig_watch(&rig, &operations[3], directory);
	cr_assert_eq(rig_turn(&rig, 0), 0);
	for (int i = 0; i < 4; i++)
		rig_cancel(&rig, &operations[i]);
	for (int i = 0; i < 4; i++)
		expect_result(&rig, &operations[i], -ECANCELED, HAWSER_STAGE_NONE);
	rig.is->close(rig.engine, fd);
	close(peer);
	listener_close(listener, fillers);
	rig_directory_remove(directory);
	rig_close(&rig);
}

Test(epoll_calls, interrupted_transfers_go_on)
{
	struct rig rig;
	struct rig_operation receive = {0};
	struct rig_operation send = {0};
	int peer;
	int fd;

	rig_open(&rig, &ordinary);
	fd = rig_unix_pair(&rig, &peer);
	fail_next(CALL_SENDMSG, EINTR, 2);
	rig_send(&rig, &send, fd, "abc", 3);
	expect_result(&rig, &send, 3, HAWSER_STAGE_NONE);
	cr_assert_eq(calls[CALL_SENDMSG].count, 3);
	fail_next(CALL_RECV, EINTR, 2);
	rig_receive(&rig, &receive, fd, false);
	cr_assert_eq(write(peer, "abc", 3), 3);
	rig_until(&rig, receive.size == 3);
	cr_assert_eq(calls[CALL_RECV].count, 3);
	fail_next(CALL_RECV, ENOMEM, 1);
	shutdown(peer, SHUT_WR);
	rig_until(&rig, receive.ended);
	cr_assert_eq(receive.result, -ENOMEM);
	rig.is->close(rig.engine, fd);
	close(peer);
	rig_operation_free(&receive);
	rig_close(&rig);
}

/* Without epoll_pwait2 a wait is counted in milliseconds, and still never ends too early. */
static void expect_waits_without(int error)
{
	struct rig rig;
	struct rig_operation connect = {0};
	struct address address;
	int fillers[2];
	int listener;
	uint64_t until;

	rig_open(&rig, &ordinary);
	listener = rig_listen_full(&address, fillers);
	fail_next(CALL_EPOLL_PWAIT2, error, 1);
	for (int i = 0; i < 5; i++) {
		until = rig_now_ns() + 3300000;
		cr_assert_eq(rig.is->wait(rig.engine, until, 8), 0);
		cr_assert_geq(rig_now_ns(), until);
	}
	cr_assert_eq(calls[CALL_EPOLL_PWAIT2].count, 1);
	rig_connect(&rig, &connect, &address, second_ns / 50);
	rig.waiting = true;
	cr_assert_eq(rig.is->wait(rig.engine, ENGINE_NEVER, 8), 1);
	cr_assert_eq(connect.result, -ETIMEDOUT);
	rig.is->wake(rig.engine);
	/* More milliseconds than an int has room for. */
	cr_assert_eq(rig.is->wait(rig.engine, ENGINE_NEVER - 1, 8), 0);
	listener_close(listener, fillers);
	rig_close(&rig);
}

Test(epoll_calls, waits_without_pwait2_as_a_kernel_before_5_11)
{
	expect_waits_without(ENOSYS);
}

Test(epoll_calls, waits_where_pwait2_is_forbidden)
{
	expect_waits_without(EPERM);
}

Test(epoll_calls, a_signal_does_not_end_a_wait)
{
	struct rig rig;
	uint64_t until;

	rig_open(&rig, &ordinary);
	fail_next(CALL_EPOLL_PWAIT2, EINTR, 3);
	until = rig_now_ns() + second_ns / 100;
	cr_assert_eq(rig.is->wait(rig.engine, until, 8), 0);
	cr_assert_geq(rig_now_ns(), until);
	cr_assert_eq(calls[CALL_EPOLL_PWAIT2].count, 4);
	rig_close(&rig);
}

Test(epoll_calls, a_broken_descriptor_ends_the_loop)
{
	struct rig rig;

	rig_open(&rig, &ordinary);
	fail_next(CALL_EPOLL_PWAIT2, EBADF, 1);
	cr_assert_eq(rig.is->wait(rig.engine, ENGINE_NEVER, 8), -EBADF);
	cr_assert_eq(rig.is->wait(rig.engine, 0, 8), 0);
	rig_close(&rig);
}

Test(epoll_calls, what_cannot_be_made_leaves_nothing)
{
	static const enum call needed[] = {CALL_EPOLL_CREATE, CALL_EVENTFD, CALL_EPOLL_CTL};
	struct rig rig;
	struct engine_options options;

	rig_open(&rig, &ordinary);
	options = rig_options(&rig);
	rig_destroy(&rig, 0);
	for (unsigned i = 0; i < 3; i++) {
		fail_next(needed[i], EMFILE, 1);
		cr_assert_eq(epoll_create_engine(&options, &rig.engine), -EMFILE);
		cr_assert_null(rig.engine);
		cr_assert_eq(rig.memory.live, 0);
		cr_assert_eq(rig_descriptors(), rig.descriptors);
	}
	rig_close(&rig);
}

Test(epoll_calls, a_foreign_loop_that_cannot_be_served_may_ask_again)
{
	struct rig rig;
	struct rig_operation connect = {0};
	struct address address;
	struct pollfd pollfd = {.events = POLLIN};
	int fillers[2];
	int listener;
	unsigned descriptors;

	rig_open(&rig, &ordinary);
	listener = rig_listen_full(&address, fillers);
	descriptors = rig_descriptors();
	fail_next(CALL_TIMERFD, EMFILE, 1);
	cr_assert_eq(rig.is->event_fd(rig.engine), -EMFILE);
	fail_next(CALL_EPOLL_CTL, ENOSPC, 1);
	cr_assert_eq(rig.is->event_fd(rig.engine), -ENOSPC);
	cr_assert_eq(rig_descriptors(), descriptors);
	/* What began before there was a descriptor to show it shows, too. */
	rig_connect(&rig, &connect, &address, second_ns / 50);
	pollfd.fd = rig.is->event_fd(rig.engine);
	cr_assert_geq(pollfd.fd, 0);
	cr_assert_eq(poll(&pollfd, 1, RIG_PATIENCE_S * 1000), 1);
	cr_assert_eq(rig_turn(&rig, 0), 1);
	cr_assert_eq(connect.result, -ETIMEDOUT);
	cr_assert_eq(poll(&pollfd, 1, 0), 0);
	listener_close(listener, fillers);
	rig_close(&rig);
}

/* A connection costs epoll_ctl two calls and a receive one more, however much goes over it. */
Test(epoll_calls, a_busy_connection_registers_once)
{
	struct rig rig;
	struct rig_operation receive = {0};
	struct rig_operation send = {0};
	struct address address;
	int listener;
	int peer;
	int fd;

	rig_open(&rig, &ordinary);
	listener = rig_listen_tcp(4, &address);
	watched = true;
	fd = rig_connected(&rig, &address);
	cr_assert_eq(calls[CALL_EPOLL_CTL].count, 2);
	peer = accept(listener, NULL, NULL);
	rig_receive(&rig, &receive, fd, false);
	for (size_t i = 1; i <= 100; i++) {
		rig_send(&rig, &send, fd, "abc", 3);
		cr_assert_eq(write(peer, "abc", 3), 3);
		rig_until(&rig, receive.size == 3 * i && send.ended);
	}
	cr_assert_eq(calls[CALL_EPOLL_CTL].count, 3);
	rig_cancel(&rig, &receive);
	rig_until(&rig, receive.ended);
	rig.is->close(rig.engine, fd);
	cr_assert_eq(calls[CALL_EPOLL_CTL].count, 4);
	rig_operation_free(&receive);
	close(peer);
	close(listener);
	rig_close(&rig);
}
