/* SPDX-License-Identifier: MIT
 *
 * What only the io_uring engine has: a ring that may be interrupted, that belongs to one thread, whose
 * completions may come late, and whose buffers may run out. How it is made is test_uring_setup.c, the
 * contract's own tests are test_engine_*.c.
 */
#include "../support/engine_rig.h"
#include "../support/syscall_fault.h"
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RECEIVERS = 8, FLOOD = 16 * 512 };

static const struct rig_kind tiny = {.tiny = true};
static const uint64_t second_ns = 1000000000;

TestSuite(uring, .timeout = 60);

static void connect_once(struct rig *rig)
{
	struct address address;
	int listener = rig_listen_tcp(4, &address);

	rig->is->close(rig->engine, rig_connected(rig, &address));
	close(listener);
}

static void *wait_elsewhere(void *user)
{
	struct rig *rig = user;

	return (void *)(intptr_t)rig->is->wait(rig->engine, 0, 1);
}

Test(uring, belongs_to_the_thread_that_waits_first)
{
	struct rig rig;
	struct rig_operation operation = {0};
	struct address address;
	pthread_t thread;
	void *result;
	int listener;

	rig_open(&rig, &tiny);
	listener = rig_listen_tcp(4, &address);
	rig_turn(&rig, 0);
	rig_connect(&rig, &operation, &address, ENGINE_NEVER);
	cr_assert_eq(pthread_create(&thread, NULL, wait_elsewhere, &rig), 0);
	pthread_join(thread, &result);
	cr_assert_eq((intptr_t)result, -EEXIST);
	/* And no harm is done. */
	rig_until(&rig, operation.ended);
	rig.is->close(rig.engine, operation.result);
	close(listener);
	rig_close(&rig);
}

static bool mapped(void)
{
	char line[512];
	bool found = false;
	FILE *maps = fopen("/proc/self/maps", "re");

	if (!maps)
		return true;
	while (fgets(line, sizeof(line), maps))
		found |= strstr(line, "io_uring") != NULL;
	fclose(maps);
	return found;
}

Test(uring, a_forked_child_does_not_get_the_ring)
{
	struct rig rig;
	int status = -1;
	pid_t child;

	rig_open(&rig, &tiny);
	rig_turn(&rig, 0);
	cr_assert(mapped());
	child = fork();
	cr_assert_geq(child, 0);
	if (child == 0)
		_exit(mapped() ? 1 : 0);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert_eq(status, 0);
	rig_close(&rig);
}

/* What could not be submitted keeps a foreign loop awake. */
static void expect_sent_by_foreign_loop(struct rig *rig, int fd, int peer)
{
	struct rig_operation send = {0};
	int event_fd = rig->is->event_fd(rig->engine);
	char byte;

	for (int i = 0; i < 20; i++) {
		rig_send(rig, &send, fd, "x", 1);
		while (!send.ended) {
			struct pollfd watched = {.fd = event_fd, .events = POLLIN};

			cr_assert_eq(rig->is->submit(rig->engine), 0);
			cr_assert_eq(poll(&watched, 1, RIG_PATIENCE_S * 1000), 1, "asleep with work to do");
			rig_turn(rig, 0);
		}
		cr_assert_eq(send.result, 1);
		cr_assert_eq(read(peer, &byte, 1), 1);
	}
}

/* Connects, transfers and a deadline while every third io_uring_enter fails. */
static void expect_works_with(int error)
{
	struct rig rig;
	struct rig_operation receive = {0};
	struct rig_operation late = {0};
	struct rig_operation send = {0};
	struct address address;
	struct syscall_fault *fault;
	int fillers[2];
	int listener;
	int peer;
	int fd;

	rig_open(&rig, &tiny);
	fault = syscall_fault_every(SYS_io_uring_enter, 3, error);
	listener = rig_listen_full(&address, fillers);
	fd = rig_tcp_pair(&rig, &peer);
	rig_connect(&rig, &late, &address, second_ns / 10);
	rig_receive(&rig, &receive, fd, false);
	for (size_t i = 1; i <= 50; i++) {
		char byte;

		rig_send(&rig, &send, fd, "x", 1);
		rig_until(&rig, send.ended);
		cr_assert_eq(send.result, 1);
		cr_assert_eq(read(peer, &byte, 1), 1);
		cr_assert_eq(write(peer, "y", 1), 1);
		rig_until(&rig, receive.size == i);
	}
	rig_until(&rig, late.ended);
	cr_assert_eq(late.result, -ETIMEDOUT);
	expect_sent_by_foreign_loop(&rig, fd, peer);
	close(peer);
	rig_until(&rig, receive.ended);
	rig_operation_free(&receive);
	rig.is->close(rig.engine, fd);
	close(listener);
	close(fillers[0]);
	close(fillers[1]);
	rig_destroy(&rig, 0);
	cr_assert_gt(syscall_fault_end(fault), 10, "nothing was made to fail");
	rig_close(&rig);
}

Test(uring, goes_on_after_signals)
{
	expect_works_with(EINTR);
}

Test(uring, goes_on_when_the_kernel_is_short_of_memory)
{
	expect_works_with(EAGAIN);
}

Test(uring, goes_on_when_the_kernel_is_busy)
{
	expect_works_with(EBUSY);
}

Test(uring, another_failure_ends_the_loop)
{
	struct rig rig;

	rig_open(&rig, &tiny);
	rig_turn(&rig, 0);
	syscall_fault_always(SYS_io_uring_enter, SYSCALL_FAULT_ANY, EBADF);
	cr_assert_eq(rig.is->wait(rig.engine, ENGINE_NEVER, 1), -EBADF);
	/* It can still be closed; what the kernel had goes with the ring. */
	rig_close(&rig);
}

Test(uring, that_cannot_be_enabled_says_so)
{
	struct rig rig;

	rig_open(&rig, &tiny);
	syscall_fault_always(SYS_io_uring_register, IORING_REGISTER_ENABLE_RINGS, EPERM);
	cr_assert_eq(rig.is->wait(rig.engine, ENGINE_NEVER, 1), -EPERM);
	rig_close(&rig);
}

Test(uring, an_event_fd_that_cannot_be_had_is_not_left_over)
{
	struct rig rig;

	rig_open(&rig, &tiny);
	syscall_fault_always(SYS_io_uring_register, IORING_REGISTER_EVENTFD, ENOMEM);
	cr_assert_eq(rig.is->event_fd(rig.engine), -ENOMEM);
	rig_turn(&rig, 0);
	rig_close(&rig);
}

static int ring_descriptor(void)
{
	char path[64];
	char name[64];

	for (int fd = 3; fd < 1024; fd++) {
		ssize_t size;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		size = readlink(path, name, sizeof(name) - 1);
		name[size > 0 ? size : 0] = '\0';
		if (strstr(name, "io_uring"))
			return fd;
	}
	cr_assert_fail("no ring");
	return -1;
}

/* Puts a completion into the engine's ring, from a ring of the test's own. */
static void post(struct io_uring *ring, int fd, uint64_t user_data)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;

	io_uring_prep_msg_ring(sqe, fd, 1, user_data, 0);
	cr_assert_eq(io_uring_submit_and_wait(ring, 1), 1);
	cr_assert_eq(io_uring_peek_cqe(ring, &cqe), 0);
	cr_assert_eq(cqe->res, 0, "%s", strerror(-cqe->res));
	io_uring_cqe_seen(ring, cqe);
}

/* Completions that come late for somebody, of every kind: counted and dropped. */
Test(uring, d15_completions_of_an_older_generation_are_dropped)
{
	struct rig rig;
	struct rig_operation operation = {0};
	struct io_uring ring;
	struct address address = rig_unix_address("/tmp/hawser-there-is-no-such-directory/socket");
	int fd;

	rig_open(&rig, &tiny);
	fd = ring_descriptor();
	cr_assert_eq(io_uring_queue_init(4, &ring, 0), 0);
	rig_connect(&rig, &operation, &address, second_ns);
	rig_until(&rig, operation.ended);
	for (uint64_t kind = 0; kind < 16; kind++)
		post(&ring, fd, (operation.id & ~0xff000000ULL) | kind << 24);
	rig_turn(&rig, 0);
	rig_turn(&rig, 0);
	cr_assert_gt(rig.is->stale(rig.engine), 0);
	cr_assert_eq(operation.completions, 1);
	connect_once(&rig);
	io_uring_queue_exit(&ring);
	rig_close(&rig);
}

/* Two buffers and eight peers that have sent: each gets its part before any gets many. */
Test(uring, receivers_without_a_buffer_get_the_next_one)
{
	static const char bytes[FLOOD];
	struct rig rig;
	struct rig_operation receives[RECEIVERS] = {0};
	int peers[RECEIVERS];
	int fds[RECEIVERS];
	size_t least = 0;

	rig_open(&rig, &tiny);
	for (unsigned i = 0; i < RECEIVERS; i++) {
		fds[i] = rig_unix_pair(&rig, &peers[i]);
		rig_receive(&rig, &receives[i], fds[i], i % 2);
	}
	rig_turn(&rig, 0);
	for (unsigned i = 0; i < RECEIVERS; i++)
		cr_assert_eq(write(peers[i], bytes, FLOOD), FLOOD);
	while (least < FLOOD) {
		size_t most = 0;

		rig_turn(&rig, 10);
		least = SIZE_MAX;
		for (unsigned i = 0; i < RECEIVERS; i++) {
			least = receives[i].size < least ? receives[i].size : least;
			most = receives[i].size > most ? receives[i].size : most;
		}
		cr_assert_leq(most, least + 1024, "%zu and %zu", most, least);
	}
	for (unsigned i = 0; i < RECEIVERS; i++) {
		close(peers[i]);
		rig_until(&rig, receives[i].ended);
		cr_assert_eq(receives[i].result, 0);
		rig_operation_free(&receives[i]);
		rig.is->close(rig.engine, fds[i]);
	}
	rig_close(&rig);
}

/* The end of a stream that came together with its last bytes, before and after the receive was asked for. */
Test(uring, an_end_behind_the_last_bytes_is_told)
{
	struct rig rig;

	rig_open(&rig, &tiny);
	for (int way = 0; way < 8; way++) {
		struct rig_operation receive = {0};
		struct linger reset = {.l_onoff = 1};
		bool tcp = way & 1;
		int peer;
		int fd = tcp ? rig_tcp_pair(&rig, &peer) : rig_unix_pair(&rig, &peer);

		if (way & 2) {
			rig_receive(&rig, &receive, fd, way & 4);
			rig_turn(&rig, 0);
		}
		cr_assert_eq(write(peer, "last", 4), 4);
		if (tcp)
			cr_assert_eq(setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
		close(peer);
		if (!(way & 2))
			rig_receive(&rig, &receive, fd, way & 4);
		rig_until(&rig, receive.ended);
		cr_assert_eq(receive.result, tcp ? -ECONNRESET : 0);
		cr_assert_eq(receive.size, 4);
		rig_operation_free(&receive);
		rig.is->close(rig.engine, fd);
	}
	rig_close(&rig);
}
