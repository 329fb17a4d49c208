/* SPDX-License-Identifier: MIT
 *
 * See redis_client.h. It knows no arrays in replies and no deadlines.
 *
 * Happy path: redis_command encodes, sends, and remembers where in the stream the command ends; on_data takes
 * whole replies off the input and tells the oldest command.
 *
 * Failures: a command that finds no room is refused, and on_writable says when to go on; a lost connection
 * tells every command what may have become of it; a server that sends what is no reply is left for good.
 */
#include "redis_client.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool number_parse(const struct hawser_bytes *text, long long *ret_number)
{
	char digits[24] = "";
	char *end;

	if (text->size >= sizeof(digits))
		return false;
	memcpy(digits, text->data, text->size);
	*ret_number = strtoll(digits, &end, 10);
	return (isdigit((unsigned char)digits[0]) || digits[0] == '-') && end == digits + text->size;
}

ssize_t redis_reply_parse(const char *data, size_t size, struct redis_reply *ret_reply)
{
	const char *end = memmem(data, size < REDIS_LINE_MAX ? size : REDIS_LINE_MAX, "\r\n", 2);
	struct redis_reply reply = {0};
	size_t whole;

	if (!end)
		return size < REDIS_LINE_MAX ? 0 : -EPROTO;
	whole = (size_t)(end - data) + 2;
	reply.kind = data[0];
	reply.bytes = (struct hawser_bytes){data + 1, whole - 3};
	if (reply.kind == '\0' || !strchr("+-:$", reply.kind))
		return -EPROTO;
	if ((reply.kind == ':' || reply.kind == '$') && !number_parse(&reply.bytes, &reply.number))
		return -EPROTO;
	if (reply.kind == '$' && reply.number == -1) {
		reply.bytes = (struct hawser_bytes){NULL, 0};
	} else if (reply.kind == '$') {
		if (reply.number < 0 || reply.number > REDIS_REPLY_MAX)
			return reply.number < 0 ? -EPROTO : -EMSGSIZE;
		reply.bytes = (struct hawser_bytes){data + whole, (size_t)reply.number};
		whole += reply.bytes.size + 2;
		if (size >= whole && memcmp(data + whole - 2, "\r\n", 2) != 0)
			return -EPROTO;
	}
	if (size < whole)
		return 0;
	*ret_reply = reply;
	return (ssize_t)whole;
}

/* The oldest command leaves before its owner hears of it and may ask for more. */
static void tell(struct redis *redis, enum hawser_fate fate, const struct redis_reply *reply)
{
	struct redis_command command = redis->commands[redis->first];

	redis->first = (redis->first + 1) % REDIS_COMMANDS_MAX;
	redis->count--;
	redis->told[fate]++;
	command.on_reply(redis, fate, reply, command.user);
}

/* A command of which only a part was sent is as good as never sent: redis executes none before its end. */
static void tell_lost(struct redis *redis)
{
	uint64_t completely = 0;
	uint64_t possibly = 0;

	hawser_client_sent(redis->client, &completely, &possibly);
	redis->filled = 0;
	while (redis->count) {
		bool whole = redis->commands[redis->first].end <= possibly;

		tell(redis, whole ? HAWSER_FATE_MAYBE_EXECUTED : HAWSER_FATE_NEVER_SENT, NULL);
	}
}

static void on_change(hawser_client *client, const struct hawser_change *change, void *user)
{
	struct redis *redis = user;

	if (change->from == HAWSER_READY) {
		tell_lost(redis);
		if (redis->finishing)
			hawser_client_close(client);
	}
	if (redis->on_change)
		redis->on_change(client, change, redis);
	if (change->to == HAWSER_READY)
		redis->on_writable(client, redis);
}

static ssize_t take_replies(struct redis *redis, size_t *ret_used)
{
	struct redis_reply reply;
	ssize_t size = 1;

	while (size > 0 && *ret_used < redis->filled) {
		size = redis_reply_parse(redis->input + *ret_used, redis->filled - *ret_used, &reply);
		if (size > 0 && redis->count == 0)
			return -EPROTO; /* nobody asked for it */
		if (size > 0) {
			*ret_used += (size_t)size;
			tell(redis, HAWSER_FATE_ANSWERED, &reply);
		}
	}
	return size;
}

static void on_data(hawser_client *client, const struct hawser_bytes *data, void *user)
{
	struct redis *redis = user;
	ssize_t result = -EMSGSIZE;
	size_t used = 0;

	if (data->size <= REDIS_INPUT_MAX - redis->filled) {
		memcpy(redis->input + redis->filled, data->data, data->size);
		redis->filled += data->size;
		result = take_replies(redis, &used);
	}
	redis->filled -= used;
	memmove(redis->input, redis->input + used, redis->filled);
	if (result < 0) {
		redis->error = (int)result;
		hawser_client_close(client);
	} else if (redis->count <= REDIS_COMMANDS_MAX / 2) {
		redis->on_writable(client, redis);
	}
}

/* hawser sends AUTH at every connect, and nothing else before its answer was found good here. */
static ssize_t on_auth(hawser_client *client, const struct hawser_bytes *data, bool *ret_done, void *user)
{
	struct redis_reply reply = {0};
	ssize_t size = redis_reply_parse(data->data, data->size, &reply);

	*ret_done = size > 0;
	return size > 0 && reply.kind != '+' ? -EACCES : size;
}

static int client_make(struct redis *redis, hawser_loop *loop, struct hawser_client_options *options,
    const struct hawser_bytes *auth)
{
	HAWSER_OPTIONS(hawser_setup_options, setup, .request = *auth, .check = on_auth);
	int result;

	options->protocol = "raw";
	options->on_change = on_change;
	options->on_data = on_data;
	options->user = redis;
	result = hawser_client_new(loop, options, &redis->client);
	return result < 0 ? result : hawser_client_setup(redis->client, &setup, NULL, NULL);
}

static char *encode(const struct hawser_bytes *words, size_t words_count, size_t *ret_size)
{
	char *text = NULL;
	FILE *stream = open_memstream(&text, ret_size);

	if (!stream)
		return NULL;
	fprintf(stream, "*%zu\r\n", words_count);
	for (size_t i = 0; i < words_count; i++) {
		fprintf(stream, "$%zu\r\n", words[i].size);
		fwrite(words[i].data, 1, words[i].size, stream);
		fputs("\r\n", stream);
	}
	if (fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}

int redis_open(
    struct redis *redis, hawser_loop *loop, const struct hawser_client_options *options, const char *password)
{
	const struct hawser_bytes words[] = {REDIS_WORD("AUTH"), REDIS_WORD(password)};
	struct hawser_client_options own = *options;
	size_t size;
	char *auth = encode(words, 2, &size);
	int result = -ENOMEM;

	memset(redis, 0, sizeof(*redis));
	redis->on_change = own.on_change;
	redis->on_writable = own.on_writable;
	redis->user = own.user;
	redis->input = malloc(REDIS_INPUT_MAX);
	if (auth && redis->input)
		result = client_make(redis, loop, &own, &(struct hawser_bytes){auth, size});
	free(auth);
	if (result < 0) {
		hawser_client_free(redis->client);
		free(redis->input);
	}
	return result;
}

int redis_command(struct redis *redis, const struct hawser_bytes *words, size_t words_count,
    redis_on_reply on_reply, void *user)
{
	struct redis_command command = {on_reply, user, 0};
	size_t size;
	char *text;
	int result;

	if (redis->count == REDIS_COMMANDS_MAX)
		return -ENOBUFS;
	text = encode(words, words_count, &size);
	if (!text)
		return -ENOMEM;
	result = hawser_send(redis->client, text, size, NULL, 0, &command.end);
	free(text);
	if (result == 0)
		redis->commands[(redis->first + redis->count++) % REDIS_COMMANDS_MAX] = command;
	return result;
}

void redis_finish(struct redis *redis)
{
	redis->finishing = true;
	if (hawser_shutdown_send(redis->client) < 0)
		hawser_client_close(redis->client);
}

void redis_close(struct redis *redis)
{
	hawser_client_close(redis->client); /* takes no more commands */
	tell_lost(redis);
	hawser_client_free(redis->client);
	free(redis->input);
}
