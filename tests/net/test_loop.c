/* SPDX-License-Identifier: MIT
 *
 * The loop: posts, timers, foreign loops, names. Behaviours D3 to D8, D10, D11, D19.
 */
#include "../support/bed.h"
#include "../support/script.h"
#include "../support/sockets.h"
#include "client.h"
#include "net/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define AT_ONCE .backoff_base_ms = 1, .backoff_cap_ms = 2

struct posted {
	struct bed *bed;
	int number;
	int again;
};

static void post_told(void *user)
{
	struct posted *posted = user;

	bed_note(posted->bed, "post %d", posted->number);
	if (posted->again-- > 0)
		cr_assert_eq(hawser_loop_post(posted->bed->loop, post_told, posted), 0);
}

CLIENT_TEST(loop, d3_posts_run_in_order_in_the_next_turn)
{
	struct posted posts[3] = {{bed, 1, 0}, {bed, 2, 0}, {bed, 3, 0}};

	cr_assert_eq(hawser_loop_post(bed->loop, NULL, NULL), -EINVAL);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(hawser_loop_post(bed->loop, post_told, &posts[i]), 0);
	cr_assert_eq(bed->length, 0);
	cr_assert_eq(hawser_loop_run_once(bed->loop, 0), 0);
	cr_assert_str_eq(bed->log, "post 1\npost 2\npost 3\n");
}

CLIENT_TEST(loop, d4_what_a_post_posts_runs_in_the_next_turn)
{
	struct posted first = {bed, 1, 2};
	struct posted second = {bed, 2, 0};

	cr_assert_eq(hawser_loop_post(bed->loop, post_told, &first), 0);
	cr_assert_eq(hawser_loop_post(bed->loop, post_told, &second), 0);
	cr_assert_eq(hawser_loop_run_once(bed->loop, 0), 0);
	cr_assert_str_eq(bed->log, "post 1\npost 2\n");
	cr_assert_eq(hawser_loop_run_once(bed->loop, 0), 0);
	cr_assert_eq(hawser_loop_run_once(bed->loop, 0), 0);
	cr_assert_str_eq(bed->log, "post 1\npost 2\npost 1\npost 1\n");
}

CLIENT_TEST(loop, posts_have_a_limit_and_are_run_when_the_loop_is_freed)
{
	struct posted post = {bed, 1, 0};
	int accepted = 0;

	while (hawser_loop_post(bed->loop, post_told, &post) == 0)
		accepted++;
	cr_assert_eq(accepted, 65536);
	cr_assert_eq(hawser_loop_post(bed->loop, post_told, &post), -ENOBUFS);
	bed->loop_gone = true;
	hawser_loop_free(bed->loop);
	cr_assert_eq(bed_count(bed, "post 1"), 65536);
}

static void *post_from_a_thread(void *user)
{
	struct posted *posted = user;

	for (int i = 0; i < 1000; i++)
		while (hawser_loop_post(posted->bed->loop, post_told, posted) == -ENOBUFS)
			usleep(100);
	return NULL;
}

static void *wake_after_a_while(void *user)
{
	usleep(20000);
	hawser_loop_wake(user);
	return NULL;
}

static void *stop_after_a_while(void *user)
{
	usleep(20000);
	hawser_loop_stop(user);
	return NULL;
}

CLIENT_TEST(loop, d3_posts_wake_and_stop_come_from_any_thread)
{
	struct posted posts[2] = {{bed, 1, 0}, {bed, 2, 0}};
	pthread_t threads[3];

	bed->uncounted = true;
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, post_from_a_thread, &posts[i]);
	while (bed_count(bed, "post") < 2000)
		cr_assert_eq(hawser_loop_run_once(bed->loop, 5000), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(bed_count(bed, "post 1"), 1000);
	pthread_create(&threads[0], NULL, wake_after_a_while, bed->loop);
	cr_assert_eq(hawser_loop_run_once(bed->loop, HAWSER_NONE), 0, "a wake ends an endless wait");
	pthread_join(threads[0], NULL);
	bed_client(bed, NULL);
	pthread_create(&threads[0], NULL, stop_after_a_while, bed->loop);
	cr_assert_eq(hawser_loop_run(bed->loop), 0);
	pthread_join(threads[0], NULL);
}

struct ticker {
	struct bed *bed;
	hawser_timer *timer;
	uint64_t at_ns[8];
	int ticks;
	int busy_ms;
	int end; /* free itself at this tick */
};

static void tick(hawser_timer *timer, void *user)
{
	struct ticker *ticker = user;

	cr_assert_eq(timer, ticker->timer);
	ticker->at_ns[ticker->ticks++] = hawser_loop_now_ns(ticker->bed->loop);
	usleep((unsigned)ticker->busy_ms * 1000);
	if (ticker->ticks == ticker->end) {
		hawser_timer_free(timer);
		ticker->timer = NULL;
	}
}

CLIENT_TEST(loop, d5_a_periodic_timer_does_not_catch_up)
{
	struct ticker ticker = {.bed = bed, .busy_ms = 40, .end = 4};

	cr_assert_eq(hawser_timer_new(bed->loop, 10000000, 10000000, tick, &ticker, &ticker.timer), 0);
	cr_assert_eq(hawser_loop_run(bed->loop), 0, "returns when the last timer is gone");
	cr_assert_eq(ticker.ticks, 4);
	for (int i = 1; i < 4; i++)
		cr_assert_geq(ticker.at_ns[i] - ticker.at_ns[i - 1], 40000000ULL, "no burst of missed ticks");
}

CLIENT_TEST(loop, d8_a_timer_frees_itself_in_its_callback)
{
	struct ticker ticker = {.bed = bed, .end = 1};

	cr_assert_eq(hawser_timer_new(bed->loop, 0, 1000000, tick, &ticker, &ticker.timer), 0);
	bed_run_ms(bed, 20);
	cr_assert_eq(ticker.ticks, 1);
	cr_assert_null(ticker.timer);
}

static void note_timer(hawser_timer *timer, void *user)
{
	struct posted *posted = user;

	(void)timer;
	bed_note(posted->bed, "timer %d", posted->number);
}

CLIENT_TEST(loop, d6_d7_equal_deadlines_fire_in_order_and_a_cancelled_one_never)
{
	struct posted order[8];
	hawser_timer *timers[8];

	for (int i = 0; i < 8; i++) {
		order[i] = (struct posted){bed, i, 0};
		cr_assert_eq(hawser_timer_new(bed->loop, 0, 0, note_timer, &order[i], &timers[i]), 0);
	}
	hawser_timer_free(timers[3]);
	for (int i = 0; i < 5; i++)
		bed_settle(bed);
	cr_assert_str_eq(bed->log, "timer 0\ntimer 1\ntimer 2\ntimer 4\ntimer 5\ntimer 6\ntimer 7\n");
	cr_assert_eq(hawser_timer_restart(timers[0], 0, 0), 0);
	bed_wait(bed, "timer 7\ntimer 0\n");
	for (int i = 0; i < 8; i++)
		if (i != 3)
			hawser_timer_free(timers[i]);
	cr_assert_eq(hawser_timer_new(bed->loop, 0, 0, NULL, NULL, timers), -EINVAL);
}

CLIENT_TEST(loop, d10_the_tick_of_a_quiet_connection_begins_when_it_is_ready)
{
	char target[HOST_TARGET_BYTES];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .attempt_deadline_ms = 60000);
	struct black_hole hole;
	hawser_client *stuck;
	hawser_client *client;

	black_hole_open(&hole, target, sizeof(target));
	stuck = bed_client(bed, &options);
	bed_run_ms(bed, 20);
	cr_assert_eq(hawser_client_state(stuck), HAWSER_CONNECTING);
	cr_assert(!timer_armed(&stuck->useful_timer), "not while it connects");
	bed_host(bed, NULL);
	client = bed_client(bed, NULL);
	bed_wait(bed, "client ready");
	cr_assert(timer_armed(&client->useful_timer));
	black_hole_close(&hole);
}

/* Names: what getaddrinfo says is the test's. */
static unsigned short fake_port;
static int fake_answers;

static int fake_lookup(
    const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **ret)
{
	static const char *const addresses[] = {"127.0.0.2", "127.0.0.3", "127.0.0.1"};
	struct addrinfo numeric = {
	    .ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
	struct addrinfo **link = ret;

	(void)hints;
	fake_answers++;
	if (strcmp(host, "nowhere.example") == 0)
		return EAI_NONAME;
	if (strcmp(host, "hangs.example") == 0)
		usleep(400000);
	for (int i = 0; i < 3; i++) {
		if (getaddrinfo(addresses[i], port, &numeric, link) != 0)
			return EAI_FAIL;
		link = &(*link)->ai_next;
	}
	return 0;
}

CLIENT_TEST(loop, d19_every_address_of_a_name_is_tried_in_order_and_each_round_asks_anew)
{
	char target[HOST_TARGET_BYTES];
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .attempts_kept = 8, AT_ONCE);
	struct hawser_status status = {.size = sizeof(status)};
	hawser_client *client;
	int fd = sockets_listen_tcp(-1, target, sizeof(target));

	fake_port = (unsigned short)strtoul(strrchr(target, ':') + 1, NULL, 10);
	snprintf(target, sizeof(target), "tcp:three.example:%u", fake_port);
	resolver_lookup = fake_lookup;
	client = bed_client(bed, &options);
	bed_wait(bed, "client waiting connect ECONNREFUSED refused");
	cr_assert_eq(listen(fd, 8), 0);
	bed_wait(bed, "client ready");
	cr_assert_eq(hawser_client_status(client, &status), 0);
	cr_assert_geq(fake_answers, 2, "looked up anew");
	cr_assert_geq(status.attempts_count, 6);
	for (uint32_t i = 0; i < 6; i++) {
		static const char *const expected[] = {"127.0.0.1", "127.0.0.3", "127.0.0.2"};

		cr_assert_eq(strncmp(status.attempts[i].address, expected[i % 3], 9), 0, "%s",
		    status.attempts[i].address);
	}
	cr_assert_eq(status.attempts[0].code, 0);
	close(fd);
}

CLIENT_TEST(loop, d11_a_name_that_does_not_exist_is_a_resolve_failure_and_not_a_connect_failure)
{
	HAWSER_OPTIONS(hawser_client_options, options, .target = "tcp:nowhere.example:80", .rounds_max = 1);

	resolver_lookup = fake_lookup;
	bed_client(bed, &options);
	bed_wait(bed, "client closed resolve ENOENT no host");
	cr_assert_eq(bed_count(bed, "client connecting"), 0);
}

CLIENT_TEST(loop, d11_an_immediate_connect_failure_keeps_its_own_errno_and_stage)
{
	HAWSER_OPTIONS(hawser_client_options, options, .target = "tcp:127.0.0.1:1",
	    .local_address = "10.255.255.1", .rounds_max = 1);

	bed_client(bed, &options);
	bed_wait(bed, "client closed socket EADDRNOTAVAIL local");
}

CLIENT_TEST(loop, a_lookup_that_hangs_has_a_deadline_and_does_not_hold_the_loop)
{
	HAWSER_OPTIONS(hawser_client_options, options, .target = "tcp:hangs.example:80",
	    .resolve_deadline_ms = 30, .rounds_max = 1);

	resolver_lookup = fake_lookup;
	bed_client(bed, &options);
	bed_wait(bed, "client closed resolve ETIMEDOUT deadline");
	bed_client(bed, &options);
	bed->loop_gone = true;
	hawser_loop_free(bed->loop);
	usleep(900000); /* the worker ends by itself, so that the bed finds nothing left over */
}

/* Foreign loops: the library's descriptor inside somebody else's loop. */
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

static void foreign(struct bed *bed, bool (*wait)(struct bed *bed, int fd, int ms))
{
	HAWSER_OPTIONS(hawser_client_options, options, AT_ONCE);
	struct posted post = {bed, 1, 0};
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
	cr_assert_eq(hawser_loop_post(bed->loop, post_told, &post), 0);
	cr_assert(wait(bed, fd, 900), "a post makes it readable");
	cr_assert_eq(hawser_loop_dispatch(bed->loop), 0);
	cr_assert_eq(bed_count(bed, "post 1"), 1);
}

CLIENT_TEST(loop, inside_a_poll_loop)
{
	foreign(bed, wait_by_poll);
}

CLIENT_TEST(loop, inside_an_epoll_loop)
{
	foreign(bed, wait_by_epoll);
}

CLIENT_TEST(loop, inside_an_io_uring_loop)
{
	struct io_uring ring;

	cr_assert_eq(io_uring_queue_init(8, &ring, 0), 0);
	bed->user = &ring;
	foreign(bed, wait_by_uring);
	io_uring_queue_exit(&ring);
}

static void run_in_callback(struct bed *bed, const char *line, void *handle)
{
	(void)line;
	(void)handle;
	cr_assert_eq(hawser_loop_run(bed->loop), -EBUSY);
	cr_assert_eq(hawser_loop_run_once(bed->loop, 0), -EBUSY);
	cr_assert_eq(hawser_loop_dispatch(bed->loop), -EBUSY);
}

CLIENT_TEST(loop, running_inside_a_callback_is_ebusy)
{
	bed->told = run_in_callback;
	bed_client(bed, NULL);
	bed_wait(bed, "client waiting");
}

CLIENT_TEST(loop, retry_now_ends_the_backoff_from_any_thread)
{
	HAWSER_OPTIONS(hawser_client_options, options, .backoff_base_ms = 3600000, .backoff_cap_ms = 3600000);
	hawser_client *client = bed_client(bed, &options);

	for (int i = 0; i < 3; i++) {
		bed_wait(bed, "client waiting");
		cr_assert_eq(hawser_client_retry_now(client), 0);
		cr_assert_eq(hawser_client_retry_now(client), 0);
	}
	bed_wait(bed, "client waiting");
	bed_forget_client(bed, client);
	cr_assert_eq(hawser_client_retry_now(client), 0);
	hawser_client_free(client);
	bed_run_ms(bed, 10);
}

Test(loop, options_out_of_range_are_einval_and_unknown_ones_e2big)
{
	struct {
		struct hawser_loop_options options;
		unsigned char newer[16];
	} extended;
	hawser_loop *loop = NULL;

	memset(&extended, 0, sizeof(extended));
	hawser_loop_options_init(&extended.options);
	extended.options.size = sizeof(extended);
	cr_assert_eq(hawser_loop_new(&extended.options, &loop), 0, "zeros that are not known are harmless");
	hawser_loop_free(loop);
	loop = NULL;
	extended.newer[3] = 1;
	cr_assert_eq(hawser_loop_new(&extended.options, &loop), -E2BIG);
	extended.options.size = 3;
	cr_assert_eq(hawser_loop_new(&extended.options, &loop), -EINVAL);
	extended.options.size = sizeof(extended.options);
	extended.options.submission_entries = 3;
	cr_assert_eq(hawser_loop_new(&extended.options, &loop), -EINVAL);
	cr_assert_null(loop);
}
