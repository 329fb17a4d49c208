/* SPDX-License-Identifier: MIT
 *
 * The loop: its options, turns, errors, names. Behaviours D10, D11, D19.
 */
#include "../support/bed.h"
#include "../support/script.h"
#include "../support/sockets.h"
#include "client.h"
#include "net/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_ONCE .backoff_base_ms = 1, .backoff_cap_ms = 2

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

Test(loop, options_that_say_nothing_sensible_are_einval)
{
	struct hawser_allocator half = {NULL, NULL, NULL};
	struct hawser_loop_options options;
	hawser_loop *loop = NULL;

	hawser_loop_options_init(&options);
	cr_assert_eq(hawser_loop_new(&options, NULL), -EINVAL);
	options.turn_completions_max = 0;
	cr_assert_eq(hawser_loop_new(&options, &loop), -EINVAL);
	options.turn_completions_max = 65537;
	cr_assert_eq(hawser_loop_new(&options, &loop), -EINVAL);
	options.turn_completions_max = 65536;
	options.allocator = &half;
	cr_assert_eq(hawser_loop_new(&options, &loop), -EINVAL);
	options.allocator = NULL;
	options.completion_entries = options.submission_entries;
	cr_assert_eq(hawser_loop_new(&options, &loop), -EINVAL);
	cr_assert_null(loop);
	hawser_loop_free(NULL);
}

static void keep_line(enum hawser_log_level level, const hawser_client *client, const char *line, void *user)
{
	char *kept = user;

	if (level == HAWSER_LOG_INFO && !client && strncmp(line, "engine ", 7) == 0)
		snprintf(kept, 128, "%s", line);
}

Test(loop, the_log_says_which_engine_it_is_and_why)
{
	char kept[128] = "";
	HAWSER_OPTIONS(hawser_loop_options, options, .engine = HAWSER_ENGINE_EPOLL, .log = keep_line,
	    .log_level = HAWSER_LOG_INFO, .log_user = kept);
	hawser_loop *loop = NULL;

	cr_assert_eq(hawser_loop_new(&options, &loop), 0);
	cr_assert_str_eq(kept, "engine epoll: asked for");
	cr_assert_str_eq(hawser_loop_engine(loop), "epoll");
	cr_assert_str_eq(hawser_loop_engine_reason(loop), "asked for");
	hawser_loop_free(loop);
}

static void expired(hawser_timer *timer, void *user)
{
	(void)timer;
	bed_note(user, "expired");
}

CLIENT_TEST(loop, a_freed_one_answers_estale_until_its_last_handle_is_freed)
{
	hawser_timer *timer;

	cr_assert_eq(hawser_timer_new(bed->loop, 0, 0, expired, bed, &timer), 0);
	bed->loop_gone = true;
	hawser_loop_free(bed->loop);
	cr_assert_eq(hawser_loop_run(bed->loop), -ESTALE);
	cr_assert_eq(hawser_loop_run_once(bed->loop, 0), -ESTALE);
	cr_assert_eq(hawser_loop_dispatch(bed->loop), -ESTALE);
	cr_assert_eq(hawser_loop_fd(bed->loop), -ESTALE);
	cr_assert_str_eq(hawser_loop_engine(bed->loop), "none");
	cr_assert_str_eq(hawser_loop_engine_reason(bed->loop), "asked for");
	cr_assert_gt(hawser_loop_now_ns(bed->loop), 0);
	cr_assert_eq(hawser_loop_memory(bed->loop), bed->memory);
	hawser_loop_free(bed->loop);
	cr_assert_eq(bed->length, 0);
	hawser_timer_free(timer);
}

CLIENT_TEST(loop, in_a_forked_child_it_answers_echild)
{
	hawser_timer *timer;
	hawser_timer *other = NULL;
	int status;
	pid_t pid;

	cr_assert_eq(hawser_timer_new(bed->loop, 0, 0, expired, bed, &timer), 0);
	pid = fork();
	if (pid == 0) {
		bool right = hawser_loop_run(bed->loop) == -ECHILD &&
			     hawser_loop_post(bed->loop, free, NULL) == -ECHILD &&
			     hawser_loop_wake(bed->loop) == -ECHILD &&
			     hawser_timer_new(bed->loop, 0, 0, expired, bed, &other) == -ECHILD && !other &&
			     hawser_timer_restart(timer, 0, 0) == -ECHILD;

		hawser_timer_free(timer);
		hawser_loop_free(bed->loop);
		_exit(right ? 0 : 1);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	bed_wait(bed, "expired");
	hawser_timer_free(timer);
}

/* A callback that causes its own next: a second binding of a service is refused without the host. */
struct chain {
	struct bed *bed;
	hawser_client *client;
	int length; /* how many are still to come */
	int in_turn;
};

enum { CHAIN_IN_TURN_MAX = 10000, CHAIN_ENDLESS = 100000000 };

static void chain_on(
    hawser_binding *binding, enum hawser_binding_event event, const struct hawser_error *error, void *user)
{
	struct chain *chain = user;

	(void)binding;
	cr_assert_eq(event, HAWSER_BINDING_REFUSED);
	cr_assert_eq(error->code, -EEXIST);
	cr_assert_lt(++chain->in_turn, CHAIN_IN_TURN_MAX, "a turn does not end");
	if (chain->length-- > 0)
		cr_assert_eq(hawser_bind(chain->client, "Echo", chain_on, chain, NULL), 0);
	else
		hawser_loop_wake(chain->bed->loop);
}

static void chain_begin(struct chain *chain, struct bed *bed, int length)
{
	HAWSER_OPTIONS(hawser_client_options, options, .backoff_base_ms = 3600000, .backoff_cap_ms = 3600000);

	*chain = (struct chain){.bed = bed, .client = bed_client(bed, &options), .length = length};
	bed_bind(bed, chain->client, "Echo");
	cr_assert_eq(hawser_bind(chain->client, "Echo", chain_on, chain, NULL), 0);
}

static void chain_post(void *user)
{
	bed_note(user, "post");
}

static void chain_wait(struct chain *chain, const char *words)
{
	for (int i = 0; i < 1000000 && !strstr(chain->bed->log, words); i++) {
		chain->in_turn = 0;
		cr_assert_eq(hawser_loop_run_once(chain->bed->loop, HAWSER_NONE), 0);
	}
	cr_assert(strstr(chain->bed->log, words), "\"%s\" was not told", words);
}

CLIENT_TEST(loop, callbacks_that_cause_each_other_leave_all_else_its_turn)
{
	struct chain chain;
	hawser_timer *timer;

	bed_host(bed, NULL);
	chain_begin(&chain, bed, CHAIN_ENDLESS);
	cr_assert_eq(hawser_timer_new(bed->loop, 0, 0, expired, bed, &timer), 0);
	cr_assert_eq(hawser_loop_post(bed->loop, chain_post, bed), 0);
	chain_wait(&chain, "post");
	chain_wait(&chain, "expired");
	chain_wait(&chain, "Echo bound");
	chain.in_turn = 0;
	cr_assert_eq(hawser_loop_stop(bed->loop), 0);
	cr_assert_eq(hawser_loop_run(bed->loop), 0);
	cr_assert_gt(chain.length, 0);
	chain.length = 0;
	bed_settle(bed);
	hawser_timer_free(timer);
}

CLIENT_TEST(loop, what_callbacks_cause_is_not_slept_over)
{
	struct chain chain;
	struct pollfd ready = {.events = POLLIN};

	chain_begin(&chain, bed, 500);
	while (chain.length >= 0)
		cr_assert_eq(hawser_loop_run_once(bed->loop, HAWSER_NONE), 0);
	ready.fd = hawser_loop_fd(bed->loop);
	cr_assert_eq(hawser_loop_dispatch(bed->loop), 0);
	chain.length = 500;
	chain.in_turn = 0;
	cr_assert_eq(hawser_bind(chain.client, "Echo", chain_on, &chain, NULL), 0);
	while (chain.length >= 0) {
		cr_assert_eq(poll(&ready, 1, 5000), 1);
		cr_assert_eq(hawser_loop_dispatch(bed->loop), 0);
	}
}
