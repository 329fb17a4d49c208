/* SPDX-License-Identifier: MIT
 *
 * A server that nobody here wrote: redis-server, spoken to by the example's client over protocol "raw". Every
 * command is answered, or reported as never sent or maybe executed, whatever becomes of the connection and
 * the server.
 */
#include "../support/redis_stage.h"

#include <errno.h>
#include <string.h>

REDIS_TEST(redis, ten_thousand_keys_are_set_and_read)
{
	for (unsigned key = 0; key < 10000; key++) {
		stage_plan(stage, SET, key);
		stage_plan(stage, GET, key);
	}
	stage_open_client(stage, NULL, REDIS_PASSWORD);
	stage_until(stage, stage->told == stage->planned);
	cr_assert_eq(stage->redis.told[HAWSER_FATE_ANSWERED], 20000);
	cr_assert_gt(stage->refused, 0, "there is a limit, and it was met");
	cr_assert_eq(stage_status(stage).connections, 1);
}

REDIS_TEST(redis, a_value_of_a_mebibyte_comes_back_as_it_was)
{
	stage_plan(stage, SET_LARGE, 0);
	stage_plan(stage, GET_LARGE, 0);
	stage_plan(stage, INCREASE, 1);
	stage_open_client(stage, NULL, REDIS_PASSWORD);
	stage_until(stage, stage->told == stage->planned);
	cr_assert_eq(stage->redis.told[HAWSER_FATE_ANSWERED], 3);
}

static void freeze(struct stage *stage)
{
	redis_server_freeze(&stage->server, true);
}

REDIS_TEST(redis, a_full_queue_refuses_and_says_when_it_has_room)
{
	HAWSER_OPTIONS(hawser_client_options, options, .unsent_bytes_max = 4096);

	stage->ready = freeze;
	stage_plan_many(stage, INCREASE, 0, 200);
	stage_open_client(stage, &options, REDIS_PASSWORD);
	stage_until(stage, stage->asked == 200);
	cr_assert_eq(stage->told, 0, "no answer has helped");
	cr_assert_gt(stage->refused, 0);
	redis_server_freeze(&stage->server, false);
	stage_settle(stage);
	cr_assert_eq(stage_status(stage).losses, 0);
}

static unsigned sent_whole(const struct redis *redis, uint64_t sent_to)
{
	unsigned whole = 0;

	for (size_t i = 0; i < redis->count; i++)
		whole += redis->commands[(redis->first + i) % REDIS_COMMANDS_MAX].end <= sent_to;
	return whole;
}

REDIS_TEST(redis, closing_tells_what_is_not_answered)
{
	uint64_t completely, possibly;
	unsigned maybe;

	stage->ready = freeze;
	stage_plan_many(stage, INCREASE, 0, 4000);
	stage_open_client(stage, NULL, REDIS_PASSWORD);
	stage_until(stage, stage->asked == 4000);
	bed_run_ms(&stage->bed, 20);
	cr_assert_eq(hawser_client_sent(stage->redis.client, &completely, &possibly), 0);
	cr_assert(stage->tcp || possibly > completely, "the server does not read: a send is stuck");
	maybe = sent_whole(&stage->redis, possibly);
	cr_assert(stage->tcp || sent_whole(&stage->redis, completely) < maybe);
	redis_close(&stage->redis);
	stage->redis.client = NULL;
	cr_assert_eq(stage->told, 4000);
	cr_assert_eq(stage->redis.told[HAWSER_FATE_MAYBE_EXECUTED], maybe);
	cr_assert_eq(stage->redis.told[HAWSER_FATE_NEVER_SENT], 4000 - maybe);
}

static void kill_connections(struct stage *stage)
{
	redis_server_ask(&stage->server, "CLIENT KILL TYPE normal");
}

REDIS_TEST(redis, a_killed_connection_accounts_for_every_command)
{
	stage_plan_many(stage, INCREASE, 0, 500);
	stage_plan(stage, WAIT, 0);
	stage_plan_many(stage, INCREASE, 500, 1000);
	stage_open_client(stage, NULL, REDIS_PASSWORD);
	stage_until(
	    stage, stage->told == 500 && stage->asked == 1001 && stage_status(stage).unsent_bytes == 0);
	stage_plan_many(stage, INCREASE, 1000, 4000);
	stage_ask(stage);
	cr_assert_eq(stage->asked, stage->planned);
	kill_connections(stage);
	stage_until(stage, stage->told == stage->planned);
	cr_assert_eq(stage->redis.told[HAWSER_FATE_ANSWERED], 500);
	for (unsigned i = 500; i < 1001; i++)
		cr_assert_eq(stage->commands[i].fate, HAWSER_FATE_MAYBE_EXECUTED, "all of it was sent");
	cr_assert_eq(stage->commands[4000].fate, HAWSER_FATE_NEVER_SENT, "some are in the queue still");
	stage_settle(stage);
	cr_assert_eq(stage_status(stage).connections, 2);
}

/* In the middle of a pipeline: what is asked for first is not sent yet. */
static void kill_now_and_then(struct stage *stage)
{
	if (stage->redis.told[HAWSER_FATE_ANSWERED] % 1500 != 0)
		return;
	stage_ask(stage);
	kill_connections(stage);
}

static uint64_t not_answered(const struct stage *stage)
{
	return stage->redis.told[HAWSER_FATE_NEVER_SENT] + stage->redis.told[HAWSER_FATE_MAYBE_EXECUTED];
}

REDIS_TEST(redis, killed_again_and_again_it_executes_nothing_twice_and_comes_back)
{
	stage_plan_many(stage, INCREASE, 0, STAGE_KEYS);
	stage->answered = kill_now_and_then;
	stage_open_client(stage, NULL, REDIS_PASSWORD);
	stage_settle(stage);
	cr_assert_geq(stage_status(stage).connections, 3);
	cr_assert_gt(not_answered(stage), 0);
}

/* Down while the client tries a few times. */
static void bring_back(struct stage *stage)
{
	stage_until(stage, stage->waiting >= 3);
	redis_server_restart(&stage->server);
}

static void shut_down_once(struct stage *stage)
{
	if (stage->redis.told[HAWSER_FATE_ANSWERED] != 1500)
		return;
	stage_ask(stage);
	cr_assert_str_eq(redis_server_ask(&stage->server, "SHUTDOWN SAVE"), "");
}

REDIS_TEST(redis, a_restarted_server_has_what_was_answered)
{
	stage_plan_many(stage, INCREASE, 0, STAGE_KEYS / 2);
	stage->answered = shut_down_once;
	stage_open_client(stage, NULL, REDIS_PASSWORD);
	bring_back(stage);
	stage_settle(stage);
	cr_assert_eq(stage_status(stage).connections, 2);
	cr_assert_gt(not_answered(stage), 0);
}

static void die_once(struct stage *stage)
{
	if (stage->redis.told[HAWSER_FATE_ANSWERED] != 1500)
		return;
	stage_ask(stage);
	redis_server_kill(&stage->server);
}

REDIS_TEST(redis, a_server_that_died_is_found_again)
{
	stage_plan_many(stage, INCREASE, 0, STAGE_KEYS / 2);
	stage->answered = die_once;
	stage_open_client(stage, NULL, REDIS_PASSWORD);
	bring_back(stage);
	stage_until(stage, stage->told == stage->planned);
	cr_assert_gt(not_answered(stage), 0);
	cr_assert_leq(not_answered(stage), REDIS_COMMANDS_MAX, "what was asked afterwards was answered");
}

REDIS_TEST(redis, a_wrong_password_is_a_refused_setup_with_backoff)
{
	HAWSER_OPTIONS(hawser_client_options, options, .backoff_base_ms = 1000, .backoff_cap_ms = 60000,
	    .backoff_factor_percent = 200, .backoff_jitter = HAWSER_JITTER_NONE);

	stage_plan_many(stage, INCREASE, 0, 10);
	stage_open_client(stage, &options, "wrong");
	for (unsigned refusals = 1; refusals <= 6; refusals++) {
		stage_until(stage, stage->waiting == refusals);
		cr_assert_eq(stage->error.stage, HAWSER_STAGE_SETUP);
		cr_assert_eq(stage->error.code, -EACCES);
		cr_assert_eq(stage->error.cause, HAWSER_CAUSE_PROTOCOL);
		cr_assert_eq(stage_status(stage).failures_in_a_row, refusals);
		cr_assert_leq(stage->next_retry_ns, 500000000ULL << refusals);
		cr_assert_gt(stage->next_retry_ns, 400000000ULL << refusals, "it doubles each time");
		if (refusals < 6)
			cr_assert_eq(hawser_client_retry_now(stage->redis.client), 0);
	}
	cr_assert_eq(stage->asked, 0);
	cr_assert_str_eq(redis_server_ask(&stage->server, "CONFIG SET requirepass wrong"), "+OK\r\n");
	cr_assert_eq(hawser_client_retry_now(stage->redis.client), 0);
	stage_until(stage, stage->told == 10);
	cr_assert_eq(stage->redis.told[HAWSER_FATE_ANSWERED], 10);
	cr_assert_eq(stage_status(stage).failures_in_a_row, 0);
}

REDIS_TEST(redis, a_password_that_stays_wrong_ends_with_rounds_max)
{
	HAWSER_OPTIONS(
	    hawser_client_options, options, .backoff_base_ms = 1, .backoff_cap_ms = 1, .rounds_max = 3);

	stage_open_client(stage, &options, "wrong");
	stage_until(stage, hawser_client_state(stage->redis.client) == HAWSER_CLOSED);
	cr_assert_eq(stage->waiting, 2);
	cr_assert_eq(stage_status(stage).last_stage, HAWSER_STAGE_SETUP);
	cr_assert_eq(stage_ask_one(stage), -ESTALE);
}

static void pause_and_resume(hawser_timer *timer, void *user)
{
	struct stage *stage = user;
	static bool paused;

	(void)timer;
	paused = !paused;
	cr_assert_eq(paused ? hawser_pause(stage->redis.client) : hawser_resume(stage->redis.client), 0);
}

REDIS_TEST(redis, a_large_reply_survives_pauses)
{
	hawser_timer *timer;
	uint64_t received;

	stage_plan(stage, SET_LARGE, 0);
	stage_open_client(stage, NULL, REDIS_PASSWORD);
	stage_until(stage, stage->told == 1);
	for (unsigned i = 0; i < 20; i++)
		stage_plan(stage, GET_LARGE, 0);
	stage_ask(stage);
	stage_until(stage, stage_status(stage).bytes_received > 20000);
	cr_assert_eq(hawser_pause(stage->redis.client), 0);
	bed_run_ms(&stage->bed, 30);
	received = stage_status(stage).bytes_received;
	cr_assert_lt(stage->told, stage->planned, "most of it is in the server still");
	bed_run_ms(&stage->bed, 30);
	cr_assert_eq(stage_status(stage).bytes_received, received, "nothing is taken while it is paused");
	cr_assert_eq(hawser_resume(stage->redis.client), 0);
	cr_assert_eq(hawser_timer_new(stage->bed.loop, 1000000, 1000000, pause_and_resume, stage, &timer), 0);
	stage_until(stage, stage->told == stage->planned);
	hawser_timer_free(timer);
	cr_assert_eq(stage->redis.told[HAWSER_FATE_ANSWERED], 21);
}

REDIS_TEST(redis, a_loss_while_paused_is_told_at_the_latest_by_resume)
{
	int result;

	stage_plan(stage, INCREASE, 0);
	stage_plan(stage, WAIT, 0);
	stage_plan_many(stage, INCREASE, 1, 100);
	stage_open_client(stage, NULL, REDIS_PASSWORD);
	stage_until(stage, stage->told == 1);
	cr_assert_eq(hawser_pause(stage->redis.client), 0);
	kill_connections(stage);
	bed_run_ms(&stage->bed, 20);
	result = hawser_resume(stage->redis.client);
	cr_assert(result == 0 || result == -ENOTCONN);
	stage_settle(stage);
	cr_assert_eq(stage_status(stage).connections, 2);
}

REDIS_TEST(redis, after_a_half_close_all_is_answered_and_the_server_closes)
{
	stage_plan_many(stage, INCREASE, 0, 2000);
	stage_open_client(stage, NULL, REDIS_PASSWORD);
	stage_until(stage, stage->asked == stage->planned);
	redis_finish(&stage->redis);
	cr_assert_eq(stage_ask_one(stage), -EPIPE);
	stage_until(stage, hawser_client_state(stage->redis.client) == HAWSER_CLOSED);
	cr_assert_eq(stage->redis.told[HAWSER_FATE_ANSWERED], 2000);
	cr_assert_eq(stage_status(stage).connections, 1);
}
