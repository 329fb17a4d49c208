/* SPDX-License-Identifier: MIT
 *
 * redis TARGET PASSWORD: sets and reads 10,000 keys and a value of 1 MiB, pipelined, over one connection that
 * hawser keeps: kill the server or the connection meanwhile, and every command is still accounted for.
 *
 *	redis unix:/run/redis/redis-server.sock secret
 *	redis tcp:127.0.0.1:6379 secret
 *
 * It ends with 0 when every command was answered as it should be, with 1 when not, and with 2 when it was
 * called wrongly. A server that refuses it ten times in a row is given up.
 */
#include "../support/redis_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 10000, LARGE_SIZE = 1 << 20, COMMANDS = 2 * (KEYS + 1), ROUNDS_MAX = 10 };

static struct redis redis;
static unsigned asked; /* commands so far: SET and GET of each key, the last one is the large value's */
static unsigned told;
static unsigned right;
static char large[LARGE_SIZE + 1];

static void key_and_value(unsigned key, char name[32], char value[32])
{
	snprintf(name, 32, "hawser:%u", key);
	snprintf(value, 32, "value of %u", key);
}

static void on_reply(struct redis *from, enum hawser_fate fate, const struct redis_reply *reply, void *user)
{
	char name[32], small[32];
	unsigned command = told++; /* in order, whatever their fate */
	const char *expected = command / 2 < KEYS ? small : large;

	(void)user;
	key_and_value(command / 2, name, small);
	if (command % 2 == 0)
		expected = "OK";
	if (fate == HAWSER_FATE_ANSWERED && reply->bytes.size == strlen(expected) &&
	    memcmp(reply->bytes.data, expected, reply->bytes.size) == 0)
		right++;
	if (told == COMMANDS)
		redis_finish(from);
}

static void ask(hawser_client *client, void *user)
{
	int result = 0;

	(void)client;
	(void)user;
	while (asked < COMMANDS && result == 0) {
		char name[32], small[32];
		unsigned key = asked / 2;

		key_and_value(key, name, small);
		struct hawser_bytes words[] = {
		    REDIS_WORD(asked % 2 ? "GET" : "SET"), REDIS_WORD(name), REDIS_WORD(key < KEYS ? small : large)};
		result = redis_command(&redis, words, asked % 2 ? 2 : 3, on_reply, NULL);
		if (result == 0)
			asked++;
	}
}

static void on_change(hawser_client *client, const struct hawser_change *change, void *user)
{
	(void)client;
	(void)user;
	if (change->error && change->to == HAWSER_WAITING)
		fprintf(stderr, "redis: %s: %s; again in %llu ms\n", hawser_stage_name(change->error->stage),
		    change->error->text, (unsigned long long)change->next_retry_ns / 1000000);
}

int main(int argc, char **argv)
{
	HAWSER_OPTIONS(hawser_client_options, options, .target = argc == 3 ? argv[1] : NULL, .rounds_max = ROUNDS_MAX, .on_change = on_change, .on_writable = ask);
	struct hawser_status status = {.size = sizeof(status)};
	hawser_loop *loop = NULL;
	char why[256] = "usage: redis unix:/path|tcp:host:port PASSWORD";
	int result;

	if (argc != 3 || hawser_target_explain(argv[1], why, sizeof(why)) < 0) {
		fprintf(stderr, "%s\n", why);
		return 2;
	}
	memset(large, 'x', LARGE_SIZE);
	result = hawser_loop_new(NULL, &loop);
	if (result == 0)
		result = redis_open(&redis, loop, &options, argv[2]);
	if (result == 0)
		result = hawser_loop_run(loop);
	...
}
