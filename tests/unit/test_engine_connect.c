/* SPDX-License-Identifier: MIT
 *
 * Engine contract: connect, cancel, adopted descriptors.
 */
#include "../support/engine_rig.h"
#include "../support/network.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MANY = 100 };

static const uint64_t second_ns = 1000000000;

__attribute__((constructor)) static void prepare(void)
{
	network_prepare();
}

static void expect_connected(struct rig *rig, const struct address *address, int listener)
{
	struct rig_operation operation = {0};
	int accepted;

	rig_connect(rig, &operation, address, 5 * second_ns);
	cr_assert_eq(operation.completions, 0);
	rig_until(rig, operation.ended);
	cr_assert_geq(operation.result, 0, "%s", strerror(-operation.result));
	cr_assert_eq(operation.stage, HAWSER_STAGE_NONE);
	cr_assert_eq(fcntl(operation.result, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	cr_assert_eq(fcntl(operation.result, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	accepted = accept(listener, NULL, NULL);
	cr_assert_geq(accepted, 0);
	rig->is->close(rig->engine, operation.result);
	close(accepted);
	close(listener);
}

static void expect_failure(
    struct rig *rig, const struct address *address, uint64_t deadline_ns, int result, enum hawser_stage stage)
{
	struct rig_operation operation = {0};

	rig_connect(rig, &operation, address, deadline_ns);
	rig_until(rig, operation.ended);
	cr_assert_eq(operation.result, result, "%s", strerror(-operation.result));
	cr_assert_eq(operation.stage, stage);
	cr_assert_eq(operation.completions, 1);
}

ENGINE_TEST(connect, reaches_a_tcp_listener)
{
	struct address address;
	int listener = rig_listen_tcp(16, &address);

	expect_connected(rig, &address, listener);
}

ENGINE_TEST(connect, reaches_a_unix_path)
{
	struct address address;
	char directory[RIG_DIRECTORY_SIZE];
	char path[96];

	rig_directory_make(directory);
	snprintf(path, sizeof(path), "%s/socket", directory);
	expect_connected(rig, &address, rig_listen_unix(path, 16, &address));
	rig_directory_remove(directory);
}

ENGINE_TEST(connect, reaches_an_abstract_name)
{
	struct address address;
	char name[64];

	snprintf(name, sizeof(name), "@hawser-engine-%d", getpid());
	expect_connected(rig, &address, rig_listen_unix(name, 16, &address));
}

ENGINE_TEST(connect, without_a_deadline_reaches_a_listener)
{
	struct address address;
	int listener = rig_listen_tcp(16, &address);

	rig->is->close(rig->engine, rig_connected(rig, &address));
	close(listener);
}

ENGINE_TEST(connect, to_a_closed_port_is_refused)
{
	struct address address;

	close(rig_listen_tcp(16, &address));
	expect_failure(rig, &address, 5 * second_ns, -ECONNREFUSED, HAWSER_STAGE_CONNECT);
}

ENGINE_TEST(connect, to_a_missing_path_says_so)
{
	struct address address = rig_unix_address("/tmp/hawser-there-is-no-such-directory/socket");

	expect_failure(rig, &address, 5 * second_ns, -ENOENT, HAWSER_STAGE_CONNECT);
}

ENGINE_TEST(connect, to_a_stale_path_is_refused)
{
	struct address address;
	char directory[RIG_DIRECTORY_SIZE];
	char path[96];

	rig_directory_make(directory);
	snprintf(path, sizeof(path), "%s/socket", directory);
	close(rig_listen_unix(path, 16, &address));
	expect_failure(rig, &address, 5 * second_ns, -ECONNREFUSED, HAWSER_STAGE_CONNECT);
	rig_directory_remove(directory);
}

ENGINE_TEST(connect, a8_a12_that_nobody_answers_ends_at_its_deadline)
{
	struct address address;
	int fillers[2];
	int listener = rig_listen_full(&address, fillers);

	expect_failure(rig, &address, second_ns / 10, -ETIMEDOUT, HAWSER_STAGE_CONNECT);
	close(listener);
	close(fillers[0]);
	close(fillers[1]);
}

ENGINE_TEST(connect, deadlines_of_many_pass_each_for_itself)
{
	static struct rig_operation operations[MANY];
	struct address address;
	int fillers[2];
	int listener = rig_listen_full(&address, fillers);
	unsigned cancelled = 0;

	for (unsigned i = 0; i < MANY; i++)
		rig_connect(rig, &operations[i], &address, (100 + i) * 1000000ULL);
	for (unsigned i = 0; i < MANY; i += 7, cancelled++)
		rig_cancel(rig, &operations[i]);
	rig_until(rig, rig->ended == MANY);
	for (unsigned i = 0; i < MANY; i++)
		cr_assert_eq(operations[i].result, i % 7 ? -ETIMEDOUT : -ECANCELED, "%u: %s", i,
		    strerror(-operations[i].result));
	close(listener);
	close(fillers[0]);
	close(fillers[1]);
}

ENGINE_TEST(connect, a9_to_a_full_unix_backlog_is_an_error_of_its_own)
{
	struct address address;
	char name[64];
	int listener;
	int filler;

	snprintf(name, sizeof(name), "@hawser-full-%d", getpid());
	listener = rig_listen_unix(name, 0, &address);
	filler = rig_connected(rig, &address);
	expect_failure(rig, &address, 5 * second_ns, -EAGAIN, HAWSER_STAGE_CONNECT);
	rig->is->close(rig->engine, filler);
	close(listener);
}

static void expect_cancelled(struct rig *rig, bool in_flight)
{
	struct rig_operation operation = {0};
	struct address address;
	int fillers[2];
	int listener = rig_listen_full(&address, fillers);

	rig_connect(rig, &operation, &address, 60 * second_ns);
	if (in_flight)
		rig_turn(rig, 0);
	rig_cancel(rig, &operation);
	rig_cancel(rig, &operation);
	cr_assert_not(operation.ended);
	rig_until(rig, operation.ended);
	cr_assert_eq(operation.result, -ECANCELED, "%s", strerror(-operation.result));
	cr_assert_eq(operation.stage, HAWSER_STAGE_CONNECT);
	rig_cancel(rig, &operation);
	rig_turn(rig, 0);
	close(listener);
	close(fillers[0]);
	close(fillers[1]);
}

ENGINE_TEST(connect, d14_cancelled_ends_once)
{
	expect_cancelled(rig, true);
}

ENGINE_TEST(connect, cancelled_before_the_first_wait_ends_once)
{
	expect_cancelled(rig, false);
}

ENGINE_TEST(connect, cancelled_too_late_is_a_success_or_is_closed)
{
	static struct rig_operation operations[MANY];
	struct address address;
	int listener = rig_listen_tcp(MANY, &address);

	rig_turn(rig, 0);
	for (unsigned i = 0; i < MANY; i++)
		rig_connect(rig, &operations[i], &address, 5 * second_ns);
	rig->is->submit(rig->engine);
	for (unsigned i = 0; i < MANY; i++)
		rig_cancel(rig, &operations[i]);
	rig_until(rig, rig->ended == MANY);
	for (unsigned i = 0; i < MANY; i++) {
		if (operations[i].result >= 0)
			rig->is->close(rig->engine, operations[i].result);
		else
			cr_assert_eq(operations[i].result, -ECANCELED);
	}
	close(listener);
}

/* More than the SQ, and than the CQ, has room for. */
ENGINE_TEST(connect, many_at_once_end_once_each)
{
	static struct rig_operation operations[MANY];
	struct address address;
	struct address closed;
	int listener = rig_listen_tcp(MANY, &address);

	close(rig_listen_tcp(1, &closed));
	for (unsigned i = 0; i < MANY; i++)
		rig_connect(rig, &operations[i], i % 3 ? &address : &closed, 5 * second_ns);
	cr_assert_eq(rig->ended, 0);
	rig_until(rig, rig->ended == MANY);
	for (unsigned i = 0; i < MANY; i++) {
		cr_assert_eq(operations[i].completions, 1);
		if (i % 3)
			cr_assert_geq(operations[i].result, 0);
		else
			cr_assert_eq(operations[i].result, -ECONNREFUSED);
		if (operations[i].result >= 0)
			rig->is->close(rig->engine, operations[i].result);
	}
	close(listener);
}

static unsigned connects_left;
static struct address chained_address;

static void connect_again(struct rig_operation *operation, const struct completion *completion)
{
	struct rig *rig = operation->rig;

	if (completion->result >= 0)
		rig->is->close(rig->engine, completion->result);
	if (connects_left-- > 0)
		rig_connect(rig, operation, &chained_address, 5 * second_ns);
}

ENGINE_TEST(connect, d16_from_a_handler_works)
{
	struct rig_operation operation = {.then = connect_again};
	int listener = rig_listen_tcp(MANY, &chained_address);

	connects_left = MANY / 2;
	rig_connect(rig, &operation, &chained_address, 5 * second_ns);
	rig_until(rig, rig->ended == MANY / 2 + 1);
	close(listener);
	/* And so does one that fails. */
	connects_left = MANY / 2;
	rig_connect(rig, &operation, &chained_address, 5 * second_ns);
	rig_until(rig, rig->ended == MANY + 2);
	cr_assert_eq(operation.result, -ECONNREFUSED);
}

ENGINE_TEST(connect, a11_without_descriptors_fails_from_wait)
{
	struct rlimit limit;
	struct rlimit none;
	struct address address;
	int listener = rig_listen_tcp(16, &address);

	rig_turn(rig, 0);
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){0, limit.rlim_max};
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	expect_failure(rig, &address, 5 * second_ns, -EMFILE, HAWSER_STAGE_SOCKET);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	close(listener);
}

ENGINE_TEST(connect, without_memory_starts_nothing)
{
	struct connect_request request = {.adopted_fd = 0};
	struct rig_operation operation = {0};

	rig->memory.fail_at = rig->memory.allocations + 1;
	cr_assert_eq(rig_start_connect(rig, &operation, &request), -ENOMEM);
	rig_turn(rig, 0);
	cr_assert_eq(operation.completions, 0);
}

ENGINE_TEST(connect, a10_adopts_a_connected_socket)
{
	struct rig_operation operation = {0};
	int ends[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	rig_adopt(rig, &operation, ends[0]);
	cr_assert_eq(operation.completions, 0);
	rig_until(rig, operation.ended);
	cr_assert_eq(operation.result, ends[0]);
	cr_assert_eq(operation.stage, HAWSER_STAGE_NONE);
	cr_assert_eq(fcntl(ends[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	rig->is->close(rig->engine, ends[0]);
	close(ends[1]);
}

static void expect_not_adopted(struct rig *rig, int fd, int result)
{
	struct rig_operation operation = {0};

	rig_adopt(rig, &operation, fd);
	rig_until(rig, operation.ended);
	cr_assert_eq(operation.result, result, "%s", strerror(-operation.result));
	cr_assert_eq(operation.stage, HAWSER_STAGE_VERIFY);
	/* It is still the caller's. */
	cr_assert_eq(close(fd), result == -EBADF ? -1 : 0);
}

ENGINE_TEST(connect, adopts_nothing_else)
{
	struct address address;
	int datagrams[2];

	expect_not_adopted(rig, 4000, -EBADF);
	expect_not_adopted(rig, open("/dev/null", O_RDONLY), -ENOTSOCK);
	expect_not_adopted(rig, socket(AF_INET, SOCK_STREAM, 0), -ENOTCONN);
	expect_not_adopted(rig, rig_listen_tcp(1, &address), -ENOTCONN);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, datagrams), 0);
	expect_not_adopted(rig, datagrams[0], -EPROTOTYPE);
	close(datagrams[1]);
}

ENGINE_TEST(connect, an_adoption_that_is_cancelled_leaves_the_socket)
{
	struct rig_operation operation = {0};
	int ends[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	rig_adopt(rig, &operation, ends[0]);
	rig_cancel(rig, &operation);
	rig_until(rig, operation.ended);
	cr_assert(operation.result == -ECANCELED || operation.result == ends[0]);
	cr_assert_eq(close(ends[0]), 0);
	close(ends[1]);
}

/* The kernel's io_uring says 0 to a connect that an ICMP error ended at once: the socket knows better. */
ENGINE_TEST(connect, rejected_by_icmp_is_no_success)
{
	struct address address;

	network_enter();
	network_rule("out", "tcp dport 4711 reject with icmp type host-unreachable");
	address = (struct address){.size = sizeof(struct sockaddr_in)};
	address.in = (struct sockaddr_in){
	    .sin_family = AF_INET, .sin_port = htons(4711), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	for (int i = 0; i < 8; i++)
		expect_failure(rig, &address, 5 * second_ns, -EHOSTUNREACH,
		    rig->kind->epoll ? HAWSER_STAGE_CONNECT : HAWSER_STAGE_VERIFY);
}
