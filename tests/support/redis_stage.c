/* SPDX-License-Identifier: MIT
 *
 * See redis_stage.h.
 */
#include "redis_stage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 128 };

struct stage_kind stage_kinds[STAGE_KINDS] = {
    {{false, false}, false},
    {{false, false}, true},
    {{true, false}, false},
    {{true, false}, true},
};

struct stage *stage_open(const struct stage_kind *kind)
{
	struct stage *stage;

	if (!redis_server_installed())
		cr_skip_test("redis-server is not installed");
	stage = calloc(1, sizeof(*stage));
	cr_assert_not_null(stage);
	bed_open(&stage->bed, &kind->rig);
	stage->tcp = kind->tcp;
	stage->large = malloc(STAGE_LARGE + 1);
	cr_assert_not_null(stage->large);
	for (unsigned i = 0; i < STAGE_LARGE; i++)
		stage->large[i] = (char)('a' + (i ^ i >> 8) % 26);
	stage->large[STAGE_LARGE] = '\0';
	redis_server_start(&stage->server, stage->bed.directory);
	return stage;
}

void stage_close(struct stage *stage)
{
	if (stage->redis.client)
		redis_close(&stage->redis);
	cr_assert_eq(stage->told, stage->asked, "what was taken is told");
	redis_server_kill(&stage->server);
	bed_close(&stage->bed);
	free(stage->large);
	free(stage);
}

void stage_plan(struct stage *stage, enum verb verb, unsigned key)
{
	cr_assert(stage->planned < STAGE_COMMANDS_MAX && key < STAGE_KEYS);
	stage->commands[stage->planned++] = (struct command){verb, key, HAWSER_FATE_NONE};
}

void stage_plan_many(struct stage *stage, enum verb verb, unsigned from, unsigned to)
{
	for (unsigned key = from; key < to; key++)
		stage_plan(stage, verb, key);
}

/* What is to be written or read under the command's key. */
static const char *value_of(const struct stage *stage, const struct command *command, char text[TEXT_BYTES])
{
	if (command->verb == SET_LARGE || command->verb == GET_LARGE)
		return stage->large;
	if (command->verb == WAIT)
		return "0";
	if (command->verb == SET || command->verb == GET)
		snprintf(text, TEXT_BYTES, "value of %u", command->key);
	else
		snprintf(text, TEXT_BYTES, "%u", command->key + 1);
	return text;
}

static void check_answer(
    const struct stage *stage, const struct command *command, const struct redis_reply *reply)
{
	char text[TEXT_BYTES];
	const char *expected = value_of(stage, command, text);
	enum hawser_fate fate = stage->fates[command->key];

	if (command->verb == SET || command->verb == SET_LARGE)
		expected = "OK";
	if (command->verb == READ && !reply->bytes.data) {
		cr_assert_neq(fate, HAWSER_FATE_ANSWERED, "key %u: answered, but not executed", command->key);
		return;
	}
	cr_assert(reply->bytes.size == strlen(expected) &&
		      memcmp(reply->bytes.data, expected, reply->bytes.size) == 0,
	    "verb %d of key %u: \"%.*s\"", command->verb, command->key,
	    (int)(reply->bytes.size < 60 ? reply->bytes.size : 60), (const char *)reply->bytes.data);
	if (command->verb == READ)
		cr_assert_neq(fate, HAWSER_FATE_NEVER_SENT, "key %u: executed all the same", command->key);
}

static void on_reply(struct redis *redis, enum hawser_fate fate, const struct redis_reply *reply, void *user)
{
	struct stage *stage = redis->user;
	struct command *command = user;

	cr_assert_eq(command, &stage->commands[stage->told], "told twice, or out of order");
	cr_assert_eq(reply != NULL, fate == HAWSER_FATE_ANSWERED);
	stage->told++;
	command->fate = fate;
	if (command->verb == INCREASE)
		stage->fates[command->key] = fate;
	if (command->verb == READ && !reply)
		stage_plan(stage, READ, command->key);
	if (reply)
		check_answer(stage, command, reply);
	if (reply && stage->answered)
		stage->answered(stage);
}

int stage_ask_one(struct stage *stage)
{
	static const char *const verbs[] = {"SET", "GET", "SET", "GET", "INCRBY", "GET", "WAIT"};
	struct command *command = &stage->commands[stage->asked];
	bool without_value = command->verb == GET || command->verb == GET_LARGE || command->verb == READ;
	char value[TEXT_BYTES];
	char key[TEXT_BYTES];
	struct hawser_bytes words[] = {
	    REDIS_WORD(verbs[command->verb]), {0}, REDIS_WORD(value_of(stage, command, value))};
	int result;

	/* Long names fill buffers. */
	snprintf(key, sizeof(key), "%s:%080u", command->verb < INCREASE ? "key" : "counter", command->key);
	words[1] = command->verb == WAIT ? REDIS_WORD("1") : REDIS_WORD(key);
	result = redis_command(&stage->redis, words, without_value ? 2 : 3, on_reply, command);
	stage->asked += result == 0;
	stage->refused += result == -ENOBUFS;
	return result;
}

void stage_ask(struct stage *stage)
{
	int result = 0;

	while (stage->asked < stage->planned && result == 0)
		result = stage_ask_one(stage);
	cr_assert(result == 0 || result == -ENOBUFS || result == -ENOTCONN, "%s", hawser_errno_name(result));
}

static void on_writable(hawser_client *client, void *user)
{
	struct redis *redis = user;

	(void)client;
	if (!redis->finishing)
		stage_ask(redis->user);
}

static void on_change(hawser_client *client, const struct hawser_change *change, void *user)
{
	struct stage *stage = ((struct redis *)user)->user;

	(void)client;
	if (change->error)
		stage->error = *change->error;
	if (change->to == HAWSER_WAITING) {
		stage->waiting++;
		stage->next_retry_ns = change->next_retry_ns;
	}
	if (change->to == HAWSER_READY && stage->ready)
		stage->ready(stage);
}

void stage_open_client(struct stage *stage, const struct hawser_client_options *options, const char *password)
{
	HAWSER_OPTIONS(hawser_client_options, own, .backoff_base_ms = 1, .backoff_cap_ms = 20);

	if (options)
		own = *options;
	own.target = stage->tcp ? stage->server.tcp_target : stage->server.unix_target;
	own.user = stage;
	own.on_change = on_change;
	own.on_writable = on_writable;
	cr_assert_eq(redis_open(&stage->redis, stage->bed.loop, &own, password), 0);
}

struct hawser_status stage_status(const struct stage *stage)
{
	struct hawser_status status = {.size = sizeof(status)};

	cr_assert_eq(hawser_client_status(stage->redis.client, &status), 0);
	return status;
}

void stage_settle(struct stage *stage)
{
	const uint64_t *told = stage->redis.told;
	unsigned planned;

	stage_until(stage, stage->told == stage->planned);
	planned = stage->planned;
	cr_assert_eq(
	    told[HAWSER_FATE_ANSWERED] + told[HAWSER_FATE_NEVER_SENT] + told[HAWSER_FATE_MAYBE_EXECUTED],
	    planned);
	stage->answered = NULL;
	for (unsigned i = 0; i < planned; i++)
		if (stage->commands[i].verb == INCREASE)
			stage_plan(stage, READ, stage->commands[i].key);
	stage_ask(stage);
	stage_until(stage, stage->told == stage->planned);
}
