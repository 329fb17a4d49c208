/* SPDX-License-Identifier: MIT
 *
 * The epoll engine without memory: whichever allocation fails on the way of an operation, nothing of it was
 * started and nothing is left.
 */
#include "../support/engine_rig.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct rig_kind ordinary = {.epoll = true};

TestSuite(epoll_memory, .timeout = 60);

struct ways {
	struct rig rig;
	struct address address; /* where nobody answers */
	int listener;
	int fillers[2];
	int fd; /* that takes nothing and brings nothing */
	int peer;
	unsigned completions;
};

static void noted(void *owner, const struct completion *completion)
{
	struct ways *ways = owner;

	cr_assert_eq(completion->result, -ECANCELED);
	ways->completions++;
}

typedef int starter(struct ways *ways, struct handler handler, uint64_t *ret_id);

static int start_connect(struct ways *ways, struct handler handler, uint64_t *ret_id)
{
	const struct socket_options options = {.tcp_user_timeout_ms = HAWSER_AUTO,
	    .keepalive_idle_s = HAWSER_AUTO,
	    .keepalive_interval_s = HAWSER_AUTO,
	    .keepalive_probes = HAWSER_AUTO,
	    .send_buffer_size = HAWSER_AUTO,
	    .receive_buffer_size = HAWSER_AUTO,
	    .mark = HAWSER_AUTO,
	    .local_port = HAWSER_AUTO};
	const struct connect_request request = {
	    .address = ways->address, .adopted_fd = -1, .deadline_ns = ENGINE_NEVER - 1, .options = &options};

	return ways->rig.is->connect(ways->rig.engine, &request, handler, ret_id);
}

static int start_send(struct ways *ways, struct handler handler, uint64_t *ret_id)
{
	static uint8_t byte;
	const struct iovec vector = {&byte, 1};

	return ways->rig.is->send(ways->rig.engine, ways->fd, &vector, 1, NULL, 0, handler, ret_id);
}

static int start_receive(struct ways *ways, struct handler handler, uint64_t *ret_id)
{
	return ways->rig.is->receive(ways->rig.engine, ways->fd, false, handler, ret_id);
}

static int start_poll(struct ways *ways, struct handler handler, uint64_t *ret_id)
{
	return ways->rig.is->poll(ways->rig.engine, ways->fd, POLLPRI, handler, ret_id);
}

static void ways_open(struct ways *ways)
{
	int ends[2];

	*ways = (struct ways){0};
	rig_open(&ways->rig, &ordinary);
	ways->listener = rig_listen_full(&ways->address, ways->fillers);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	ways->fd = ends[0];
	ways->peer = ends[1];
	while (write(ways->fd, "x", 1) == 1)
		;
}

static void ways_close(struct ways *ways)
{
	close(ways->listener);
	close(ways->fillers[0]);
	close(ways->fillers[1]);
	ways->rig.is->close(ways->rig.engine, ways->fd);
	close(ways->peer);
	rig_close(&ways->rig);
}

/* A start whose allocation of that number fails leaves nothing; false: it needs fewer, and begins and ends.
 */
static bool is_refused(starter *start, unsigned failing)
{
	struct ways ways;
	const struct handler handler = {noted, &ways};
	unsigned descriptors;
	uint64_t id = 0;
	int result;

	ways_open(&ways);
	descriptors = rig_descriptors();
	ways.rig.memory.fail_at = ways.rig.memory.allocations + failing;
	result = start(&ways, handler, &id);
	ways.rig.memory.fail_at = 0;
	if (result < 0) {
		cr_assert_eq(result, -ENOMEM);
		cr_assert_eq(id, 0);
		cr_assert_eq(rig_descriptors(), descriptors);
	} else {
		cr_assert_eq(result, 0);
		ways.rig.is->cancel(ways.rig.engine, id);
	}
	ways.rig.is->wait(ways.rig.engine, 0, 8);
	cr_assert_eq(ways.completions, result == 0);
	ways_close(&ways);
	return result < 0;
}

Test(epoll_memory, an_operation_without_any_part_of_it_is_not_started)
{
	static const struct {
		starter *start;
		unsigned allocations_least;
	} starts[] = {{start_connect, 5}, {start_send, 6}, {start_receive, 4}, {start_poll, 4}};

	for (unsigned i = 0; i < sizeof starts / sizeof *starts; i++) {
		unsigned failing = 1;

		while (is_refused(starts[i].start, failing))
			cr_assert_lt(failing++, 20);
		cr_assert_geq(failing, starts[i].allocations_least, "%u: %u", i, failing);
	}
}

/* The table of channels grows for a large number. */
Test(epoll_memory, a_large_number_without_a_place_is_refused)
{
	struct rig rig;
	struct rig_operation receive = {0};
	const struct handler handler = {noted, NULL};
	uint64_t id = 0;
	int peer;
	int fd;

	rig_open(&rig, &ordinary);
	fd = rig_unix_pair(&rig, &peer);
	rig_receive(&rig, &receive, fd, false);
	cr_assert_eq(dup3(peer, 1000, O_CLOEXEC), 1000);
	for (unsigned failing = 1; failing <= 2; failing++) {
		rig.memory.fail_at = rig.memory.allocations + 1;
		cr_assert_eq(
		    rig.is->receive(rig.engine, 1000 - 500 * ((int)failing - 1), false, handler, &id),
		    -ENOMEM);
		rig.memory.fail_at = rig.memory.allocations + 2;
		cr_assert_eq(
		    rig.is->poll(rig.engine, 1000, POLLPRI, handler, &id), failing == 1 ? -ENOMEM : 0);
	}
	rig.memory.fail_at = 0;
	cr_assert_eq(write(peer, "abc", 3), 3);
	rig_until(&rig, receive.size == 3);
	rig_destroy(&rig, 1);
	rig_operation_free(&receive);
	close(1000);
	close(fd);
	close(peer);
	rig_close(&rig);
}
