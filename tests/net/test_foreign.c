/* SPDX-License-Identifier: MIT
 *
 * The library's descriptor inside somebody else's loop.
 */
#include "../support/bed.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define AT_ONCE .backoff_base_ms = 1, .backoff_cap_ms = 2

static bool wait_by_poll(struct bed *bed, int fd, int ms)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};

	(void)bed;
	return poll(&ready, 1, ms) == 1;
}

static bool wait_by_epoll(struct bed *bed, int fd, int ms)
{
	struct epoll_event event = {.events = EPOLLIN};
	int outer = epoll_create1(EPOLL_CLOEXEC);
	int ready;

	(void)bed;
	cr_assert_eq(epoll_ctl(outer, EPOLL_CTL_ADD, fd, &event), 0);
	ready = epoll_wait(outer, &event, 1, ms);
	close(outer);
	return ready == 1;
}

static bool wait_by_uring(struct bed *bed, int fd, int ms)
{
	struct __kernel_timespec timeout = {.tv_nsec = ms * 1000000LL};
	struct io_uring *ring = bed->user;
	struct io_uring_cqe *done;

	io_uring_prep_poll_add(io_uring_get_sqe(ring), fd, POLLIN);
	io_uring_submit(ring);
	if (io_uring_wait_cqe_timeout(ring, &done, &timeout) < 0)
		return false;
	io_uring_cqe_seen(ring, done);
	return true;
}

static void post_told(void *user)
{
	bed_note(user, "post");
}

static void foreign(struct bed *bed, bool (*wait)(struct bed *bed, int fd, int ms))
{
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE);
	int fd = hawser_loop_fd(bed->loop);
	hawser_binding *echo;
	hawser_binding *counter;

	cr_assert_geq(fd, 0);
	cr_assert_eq(hawser_loop_fd(bed->loop), fd);
	echo = bed_bind(bed, bed_client(bed, &options), "Echo");
	counter = bed_bind(bed, bed->clients[0], "Counter");
	for (int i = 0; i < 2000 && bed_count(bed, "bound") < 2; i++) {
		if (i == 20)
			bed_host(bed, NULL);
		cr_assert(wait(bed, fd, 900),
		    "a deadline or a completion makes it readable; told so far:\n%s", bed->log);
		cr_assert_eq(hawser_loop_dispatch(bed->loop), 0);
	}
	cr_assert_eq(bed_invoke(bed, counter, "Count", "2000"), 0);
	cr_assert_eq(bed_invoke(bed, echo, "Echo", "done"), 0);
	while (bed_count(bed, "reply") < 2) {
		cr_assert(wait(bed, fd, 900), "%s", bed->log);
		cr_assert_eq(hawser_loop_dispatch(bed->loop), 0);
	}
	cr_assert_eq(bed_count(bed, "more "), 1999);
	while (wait(bed, fd, 0))
		cr_assert_eq(hawser_loop_dispatch(bed->loop), 0);
	cr_assert_eq(hawser_loop_post(bed->loop, post_told, bed), 0);
	cr_assert(wait(bed, fd, 900), "a post makes it readable");
	cr_assert_eq(hawser_loop_dispatch(bed->loop), 0);
	cr_assert_eq(bed_count(bed, "post"), 1);
}

CLIENT_TEST(foreign, inside_a_poll_loop)
{
	foreign(bed, wait_by_poll);
}

CLIENT_TEST(foreign, inside_an_epoll_loop)
{
	foreign(bed, wait_by_epoll);
}

CLIENT_TEST(foreign, inside_an_io_uring_loop)
{
	struct io_uring ring;

	cr_assert_eq(io_uring_queue_init(8, &ring, 0), 0);
	bed->user = &ring;
	foreign(bed, wait_by_uring);
	io_uring_queue_exit(&ring);
}

static void dispatch_until_quiet(struct bed *bed, int fd)
{
	for (int i = 0; i < 100 && wait_by_poll(bed, fd, 0); i++)
		cr_assert_eq(hawser_loop_dispatch(bed->loop), 0);
	cr_assert(!wait_by_poll(bed, fd, 0), "it stays readable, and nothing is to be done");
}

CLIENT_TEST(foreign, a_stop_is_spent_by_a_dispatch)
{
	HAWSER_OPTIONS(hawser_client_options, options, .backoff_base_ms = 3600000, .backoff_cap_ms = 3600000);
	int fd = hawser_loop_fd(bed->loop);

	bed_client(bed, &options);
	dispatch_until_quiet(bed, fd);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(hawser_loop_stop(bed->loop), 0);
		cr_assert(wait_by_poll(bed, fd, 900), "a stop wakes it");
		dispatch_until_quiet(bed, fd);
		cr_assert_eq(hawser_loop_post(bed->loop, post_told, bed), 0);
		cr_assert(wait_by_poll(bed, fd, 900), "a post wakes it");
		dispatch_until_quiet(bed, fd);
	}
	cr_assert_eq(bed_count(bed, "post"), 3);
	cr_assert_eq(hawser_loop_post(bed->loop, post_told, bed), 0);
	cr_assert_eq(hawser_loop_run_once(bed->loop, HAWSER_NONE), 0, "no stop is left, the post is");
	cr_assert_eq(bed_count(bed, "post"), 4);
}

static void descriptors_limit(unsigned more)
{
	struct rlimit limit;

	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = more;
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

CLIENT_TEST(foreign, without_descriptors_it_is_emfile_and_may_be_asked_for_again)
{
	struct rlimit before;
	int lowest = dup(0);
	int refused = 0;
	int fd = -1;

	cr_assert_geq(lowest, 0);
	close(lowest);
	getrlimit(RLIMIT_NOFILE, &before);
	for (unsigned room = 0; fd < 0 && room < 64; room++) {
		descriptors_limit((unsigned)lowest + room);
		fd = hawser_loop_fd(bed->loop);
		cr_assert(fd >= 0 || fd == -EMFILE, "%d", fd);
		refused += fd < 0;
	}
	descriptors_limit((unsigned)before.rlim_cur);
	cr_assert_geq(refused, 4, "each of its descriptors is missed once");
	bed_client(bed, NULL);
	cr_assert(wait_by_poll(bed, fd, 900));
	cr_assert_eq(hawser_loop_dispatch(bed->loop), 0);
}

CLIENT_TEST(foreign, a_turn_of_its_own_leaves_the_descriptor_watchful)
{
	int fd = hawser_loop_fd(bed->loop);

	cr_assert_geq(fd, 0);
	cr_assert_eq(hawser_loop_run_once(bed->loop, 0), 0);
	cr_assert_eq(hawser_loop_dispatch(bed->loop), 0);
	cr_assert_eq(hawser_loop_run_once(bed->loop, 0), 0);
	cr_assert_not(wait_by_poll(bed, fd, 0));
	cr_assert_eq(hawser_loop_post(bed->loop, post_told, bed), 0);
	cr_assert(wait_by_poll(bed, fd, 5000), "the post is seen");
	cr_assert_eq(hawser_loop_dispatch(bed->loop), 0);
	cr_assert_eq(bed_count(bed, "post"), 1);
}
