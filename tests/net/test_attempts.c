/* SPDX-License-Identifier: MIT
 *
 * What a client remembers of its attempts, however few or many it is to keep, and whose socket it believes an
 * adopted descriptor to be. Public API alone.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <hawser/hawser.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROUNDS = 7, TARGET_BYTES = 64 };

TestSuite(attempts, .timeout = 30);

struct kept {
	enum hawser_engine_choice engine;
	uint32_t kept;
};

/* The last change a client told of. */
struct last {
	hawser_loop *loop;
	enum hawser_state until;
	enum hawser_state state;
	int code;
	enum hawser_cause cause;
};

static void changed(hawser_client *client, const struct hawser_change *change, void *user)
{
	struct last *last = user;

	(void)client;
	last->state = change->to;
	if (change->error) {
		last->code = change->error->code;
		last->cause = change->error->cause;
	}
	if (change->to == last->until || change->to == HAWSER_CLOSED)
		hawser_loop_stop(last->loop);
}

static hawser_loop *loop_make(enum hawser_engine_choice engine)
{
	HAWSER_OPTIONS(hawser_loop_options, options, .engine = engine);
	hawser_loop *loop = NULL;

	cr_assert_eq(hawser_loop_new(&options, &loop), 0);
	return loop;
}

ParameterizedTestParameters(attempts, the_newest_are_kept)
{
	static struct kept kept[] = {
	    {HAWSER_ENGINE_URING, 0},
	    {HAWSER_ENGINE_URING, 1},
	    {HAWSER_ENGINE_URING, 2},
	    {HAWSER_ENGINE_URING, ROUNDS - 1},
	    {HAWSER_ENGINE_URING, ROUNDS},
	    {HAWSER_ENGINE_EPOLL, 3},
	    {HAWSER_ENGINE_EPOLL, HAWSER_ATTEMPTS_MAX},
	};

	return cr_make_param_array(struct kept, kept, sizeof(kept) / sizeof(kept[0]));
}

ParameterizedTest(const struct kept *kept, attempts, the_newest_are_kept)
{
	char target[TARGET_BYTES];
	struct last last = {.loop = loop_make(kept->engine), .until = HAWSER_CLOSED};
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .backoff_base_ms = 1,
	    .backoff_cap_ms = 1, .rounds_max = ROUNDS, .attempts_kept = kept->kept, .on_change = changed,
	    .user = &last);
	struct hawser_status status = {.size = sizeof(status)};
	hawser_client *client;

	snprintf(target, sizeof(target), "unix:@hawser-test-nobody-%d", (int)getpid());
	cr_assert_eq(hawser_client_new(last.loop, &options, &client), 0);
	cr_assert_eq(hawser_client_status(client, &status), 0);
	cr_assert_str_eq(status.address, target + strlen("unix:"), "%s", status.address);
	cr_assert_eq(hawser_loop_run(last.loop), 0);
	cr_assert_eq(last.state, HAWSER_CLOSED);
	cr_assert_eq(hawser_client_status(client, &status), 0);
	cr_assert_eq(status.attempt, ROUNDS);
	cr_assert_eq(status.attempts_count, kept->kept < ROUNDS ? kept->kept : ROUNDS);
	for (uint32_t i = 0; i < status.attempts_count; i++) {
		cr_assert_eq(status.attempts[i].attempt, ROUNDS - i, "newest first");
		cr_assert_eq(status.attempts[i].round, ROUNDS - i);
		cr_assert_eq(status.attempts[i].code, -ECONNREFUSED);
		cr_assert_str_eq(status.attempts[i].address, target + strlen("unix:"));
	}
	hawser_client_free(client);
	hawser_loop_free(last.loop);
}

Test(attempts, one_attempt_needs_no_memory_of_its_own)
{
	hawser_loop *loop = loop_make(HAWSER_ENGINE_AUTO);
	HAWSER_OPTIONS(
	    hawser_client_options, few, .target = "unix:@x", .start_later = true, .attempts_kept = 1);
	HAWSER_OPTIONS(hawser_client_options, many, .target = "unix:@x", .start_later = true,
	    .attempts_kept = HAWSER_ATTEMPTS_MAX);
	hawser_client *clients[3];
	size_t before;
	size_t between;

	cr_assert_eq(hawser_client_new(loop, &few, &clients[0]), 0);
	before = hawser_loop_memory(loop);
	cr_assert_eq(hawser_client_new(loop, &few, &clients[1]), 0);
	between = hawser_loop_memory(loop);
	cr_assert_eq(hawser_client_new(loop, &many, &clients[2]), 0);
	cr_assert_eq(hawser_loop_memory(loop) - between, between - before);
	for (int i = 0; i < 3; i++)
		hawser_client_free(clients[i]);
	hawser_loop_free(loop);
}

/* Adopts ends[0], requires this user at the other end, and says how far that came. */
static struct last adopt(enum hawser_engine_choice engine, const int ends[2])
{
	char target[TARGET_BYTES];
	struct last last = {.loop = loop_make(engine), .until = HAWSER_READY};
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .protocol = "raw",
	    .peer_uid = getuid(), .on_change = changed, .user = &last);
	hawser_client *client;

	snprintf(target, sizeof(target), "fd:%d", ends[0]);
	cr_assert_eq(hawser_client_new(last.loop, &options, &client), 0);
	cr_assert_eq(hawser_loop_run(last.loop), 0);
	hawser_client_free(client);
	hawser_loop_free(last.loop);
	close(ends[1]);
	return last;
}

ParameterizedTestParameters(attempts, an_adopted_unix_socket_has_a_peer)
{
	static enum hawser_engine_choice engines[] = {HAWSER_ENGINE_URING, HAWSER_ENGINE_EPOLL};

	return cr_make_param_array(enum hawser_engine_choice, engines, 2);
}

ParameterizedTest(enum hawser_engine_choice *engine, attempts, an_adopted_unix_socket_has_a_peer)
{
	struct last last;
	int ends[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	last = adopt(*engine, ends);
	cr_assert_eq(last.state, HAWSER_READY);
}
