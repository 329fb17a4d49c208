/* SPDX-License-Identifier: MIT
 *
 * redis TARGET PASSWORD: sets and reads 10,000 keys and a value of 1 MiB, pipelined, over a connection that
 * hawser keeps. Kill the connection or restart the server meanwhile: every command is accounted for.
 *
 *	redis unix:/run/redis/redis-server.sock secret
 *	redis tcp:127.0.0.1:6379 secret
 *
 * How a client on protocol "raw" is made is in redis_client.c; this is what uses it.
 *
 * It ends with 0 when every command was answered as it should be, else with 1, and with 2 when it was called
 * wrongly. A server that cannot be reached, or refuses the password, ten times in a row is given up.
 */
#include "redis_client.h"

#include <stdio.h>
#include <string.h>

enum { KEYS = 10000, LARGE_SIZE = 1 << 20, COMMANDS = 2 * (KEYS + 1), ROUNDS_MAX = 10 };

static struct redis redis;
static char large[LARGE_SIZE + 1];
static unsigned asked; /* a SET and a GET of each key; the last key has the large value */
static unsigned told;
static unsigned right;

static const char *value_of(unsigned key)
{
	static char value[32];

	snprintf(value, sizeof(value), "value of %u", key);
	return key < KEYS ? value : large;
}

/* Comes once for each command, in the order of the commands. */
static void on_reply(struct redis *from, enum hawser_fate fate, const struct redis_reply *reply, void *user)
{
	const char *expected = told % 2 == 0 ? "OK" : value_of(told / 2);

	(void)user;
	if (fate == HAWSER_FATE_ANSWERED && reply->bytes.size == strlen(expected) &&
	    memcmp(reply->bytes.data, expected, reply->bytes.size) == 0)
		right++;
	if (++told == COMMANDS)
		redis_finish(from);
}

static int ask(unsigned command)
{
	struct hawser_bytes words[3] = {REDIS_WORD(command % 2 == 0 ? "SET" : "GET")};
	char key[32];

	snprintf(key, sizeof(key), "hawser:%u", command / 2);
	words[1] = REDIS_WORD(key);
	words[2] = REDIS_WORD(value_of(command / 2));
	return redis_command(&redis, words, command % 2 == 0 ? 3 : 2, on_reply, NULL);
}

/* As many as are taken; called again when there is room. */
static void on_writable(hawser_client *client, void *user)
{
	(void)client;
	(void)user;
	while (asked < COMMANDS && ask(asked) == 0)
		asked++;
}

static void on_change(hawser_client *client, const struct hawser_change *change, void *user)
{
	(void)client;
	(void)user;
	if (change->to == HAWSER_WAITING && !redis.finishing)
		fprintf(stderr, "redis: %s: %s (%s)\n", hawser_stage_name(change->error->stage),
		    change->error->text, hawser_errno_name(change->error->code));
}

static int run(const char *target, const char *password)
{
	HAWSER_OPTIONS(hawser_client_options, options, .target = target, .rounds_max = ROUNDS_MAX,
	    .on_change = on_change, .on_writable = on_writable);
	struct hawser_status status = {.size = sizeof(status)};
	hawser_loop *loop;
	int result = hawser_loop_new(NULL, &loop);

	if (result < 0)
		return result;
	result = redis_open(&redis, loop, &options, password);
	if (result == 0) {
		result = hawser_loop_run(loop); /* until the client has closed */
		hawser_client_status(redis.client, &status);
		redis_close(&redis);
		if (result == 0)
			result = redis.error;
		printf("answered %llu, never sent %llu, maybe executed %llu; reconnects %llu\n",
		    (unsigned long long)redis.told[HAWSER_FATE_ANSWERED],
		    (unsigned long long)redis.told[HAWSER_FATE_NEVER_SENT],
		    (unsigned long long)redis.told[HAWSER_FATE_MAYBE_EXECUTED],
		    (unsigned long long)(status.connections ? status.connections - 1 : 0));
	}
	hawser_loop_free(loop);
	return result;
}

int main(int argc, char **argv)
{
	char why[256] = "usage: redis unix:/path|tcp:host:port PASSWORD";
	int result;

	if (argc != 3 || hawser_target_explain(argv[1], why, sizeof(why)) < 0) {
		fprintf(stderr, "redis: %s\n", why);
		return 2;
	}
	memset(large, 'x', LARGE_SIZE);
	result = run(argv[1], argv[2]);
	if (result < 0)
		fprintf(stderr, "redis: %s\n", hawser_errno_name(result));
	return right == COMMANDS ? 0 : 1;
}
